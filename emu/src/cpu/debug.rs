//! Self-hosted debug: software step, hardware breakpoints and watchpoints (DDI 0487, D2).
//!
//! What they cost when unused is one test of MDSCR_EL1 where a context is made:
//! - While software step or a breakpoint could fire, [`Context::step`](crate::ir::Context::step) is set: instructions are
//!   then interpreted one at a time between [`Core::before`], [`Core::check_breakpoints`] and [`Core::after`].
//! - A page with an armed watchpoint has a TLB entry that no probe hits, so that each access to it takes the slow path
//!   and meets [`Core::check_watchpoints`]. Arming and disarming empties the TLB.
//!
//! Left out: vector catch and everything else of AArch32, the security states, the registers of external debug: a debugger
//! outside the machine has `halt`.

use super::Core;
use crate::ir::Exception;
use crate::mmu::walk;
use crate::state::{CpuState, El, SysRegs};

const MDSCR_SS: u64 = 1;
const MDSCR_KDE: u64 = 1 << 13;
const MDSCR_MDE: u64 = 1 << 15;
/// ESR_ELx.IFSC and DFSC of a debug exception.
const DEBUG: u32 = 0b10_0010;
/// The first context-aware breakpoint: the last two are (ID_AA64DFR0_EL1.CTX_CMPs).
const CONTEXT_AWARE: usize = 4;
/// The bits of an address that are compared: all that translation uses.
pub(super) const COMPARED: u64 = (1 << 49) - 1;

/// OS Lock or OS Double Lock: no debug exceptions but BRK's.
fn locked(sys: &SysRegs) -> bool {
    sys.os_locked || (sys.osdlr & 1 != 0 && sys.dbgprcr & 1 == 0)
}

/// AArch64.GenerateDebugExceptionsFrom: whether code at a level, with PSTATE.D masking or not, takes them.
fn enabled_from(sys: &SysRegs, el: El, masked: bool) -> bool {
    !locked(sys) && (el == El::El0 || (sys.mdscr & MDSCR_KDE != 0 && !masked))
}

fn enabled(s: &CpuState) -> bool {
    enabled_from(&s.sys, s.pstate.el, s.pstate.daif & 8 != 0)
}

fn stepping(s: &CpuState) -> bool {
    s.sys.mdscr & MDSCR_SS != 0 && enabled(s)
}

/// Whether instructions go one at a time: software step is active, or a breakpoint is armed.
pub(super) fn single(s: &CpuState) -> bool {
    s.sys.mdscr & (MDSCR_SS | MDSCR_MDE) != 0
        && enabled(s)
        && (s.sys.mdscr & MDSCR_SS != 0 || s.sys.dbgbcr.iter().any(|bcr| bcr & 1 != 0))
}

/// AArch64.DebugExceptionReturnSS: PSTATE.SS after an exception return that leads to `to`.
pub(super) fn return_ss(s: &CpuState, spsr: u64, to: El) -> bool {
    let to_enabled = enabled_from(&s.sys, to, spsr & 1 << 9 != 0);
    s.sys.mdscr & MDSCR_SS != 0 && !enabled(s) && to_enabled && spsr & 1 << 21 != 0
}

/// Whether a control register matches at a level: its fields SSC, HMC (as far as EL1 and EL0 have them) and PAC.
fn matches_state(control: u64, el: El) -> bool {
    let security = control >> 14 & 3 < 2;
    security && control >> if el == El::El0 { 2 } else { 1 } & 1 != 0
}

/// Whether the linked breakpoint matches the current context.
fn matches_link(sys: &SysRegs, control: u64) -> bool {
    const LINKED_CONTEXT_ID: u64 = 0b0011;
    let n = (control >> 16 & 15) as usize;
    let Some(&bcr) = sys.dbgbcr.get(n) else { return false };
    n >= CONTEXT_AWARE
        && bcr & 1 != 0
        && bcr >> 20 & 15 == LINKED_CONTEXT_ID
        && sys.contextidr == sys.dbgbvr[n] & 0xffff_ffff
}

/// AArch64.BreakpointMatch for the instruction at PC.
fn breakpoint_matches(s: &CpuState, n: usize) -> bool {
    let (bcr, bvr) = (s.sys.dbgbcr[n], s.sys.dbgbvr[n]);
    let address = || (bvr ^ s.pc) & COMPARED & !3 == 0;
    let value = match bcr >> 20 & 15 {
        0b0000 => address(),
        0b0001 => address() && matches_link(&s.sys, bcr),
        0b0010 => n >= CONTEXT_AWARE && s.sys.contextidr == bvr & 0xffff_ffff,
        _ => false,
    };
    bcr & 1 != 0 && value && matches_state(bcr, s.pstate.el)
}

/// The first and last address, of those compared, that an armed watchpoint may match.
fn watched_range(wvr: u64, wcr: u64) -> (u64, u64) {
    let mask = (1u64 << (wcr >> 24 & 31).max(3)) - 1;
    let first = wvr & COMPARED & !mask;
    (first, first | mask)
}

/// AArch64.WatchpointByteMatch.
fn byte_matches(wvr: u64, wcr: u64, va: u64) -> bool {
    let mask = wcr >> 24 & 31;
    let low = if wvr >> 2 & 1 != 0 { 2 } else { 3 };
    let select = wcr >> 5 & 0xff;
    let selected = select >> (va & ((1 << low) - 1)) & 1 != 0;
    let ignored = (1u64 << mask.max(low)) - 1;
    selected && (va ^ wvr) & COMPARED & !ignored == 0
}

/// What a data access does, for watchpoints.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watched {
    /// First byte, with its tag.
    pub va: u64,
    /// Count of bytes.
    pub bytes: u8,
    /// Level whose permissions it has.
    pub el: El,
    /// It reads.
    pub read: bool,
    /// It writes.
    pub write: bool,
}

/// Armed watchpoints: first and last address of each.
pub(super) type Ranges = [Option<(u64, u64)>; 4];

impl Core {
    /// Debug registers changed: the TLB keeps off the pages that are watched now.
    pub(super) fn debug_changed(&mut self, s: &CpuState) {
        let on = s.sys.mdscr & MDSCR_MDE != 0 && !locked(&s.sys);
        let mut ranges: Ranges = [None; 4];
        for (n, range) in ranges.iter_mut().enumerate() {
            if on && s.sys.dbgwcr[n] & 1 != 0 {
                *range = Some(watched_range(s.sys.dbgwvr[n], s.sys.dbgwcr[n]));
            }
        }
        if ranges != self.watched {
            self.watched = ranges;
            self.contexts.flush();
        }
    }

    /// Whether the 4 KiB page of an address has a watchpoint armed.
    pub(super) fn page_is_watched(&self, va: u64) -> bool {
        let page = va & COMPARED & !0xfff;
        self.watched.iter().flatten().any(|&(first, last)| first & !0xfff <= page && page <= last)
            || self.page_has_watchpoint(va)
    }

    /// The exception of a watchpoint that an access hits; a debugger's come first.
    ///
    /// An access that reads and writes is reported as a read when a read alone would have hit.
    pub(super) fn check_watchpoints(&self, s: &CpuState, access: Watched) -> Result<(), Exception> {
        self.meet_watchpoints(s, access)?;
        if self.watched == [None; 4] || !enabled(s) {
            return Ok(());
        }
        let va = walk::strip_tag(&s.sys, access.va);
        let hit = |read: bool, write: bool| {
            (0..self.watched.len()).any(|n| {
                let (wvr, wcr) = (s.sys.dbgwvr[n], s.sys.dbgwcr[n]);
                let kind = (read && wcr >> 3 & 1 != 0) || (write && wcr >> 4 & 1 != 0);
                let bytes = || (0..u64::from(access.bytes)).any(|i| byte_matches(wvr, wcr, va.wrapping_add(i)));
                let linked = wcr >> 20 & 1 != 0;
                self.watched[n].is_some()
                    && kind
                    && matches_state(wcr, access.el)
                    && (!linked || matches_link(&s.sys, wcr))
                    && bytes()
            })
        };
        let read = access.read && hit(true, false);
        if read || (access.write && hit(false, true)) {
            let exception = Exception::new(0x34, DEBUG | u32::from(!read) << 6);
            return Err(Exception { far: Some(access.va), ..exception });
        }
        Ok(())
    }

    /// The exception of a breakpoint on the instruction at PC.
    pub(super) fn check_breakpoints(&self, s: &CpuState) -> Result<(), Exception> {
        let armed = s.sys.mdscr & MDSCR_MDE != 0 && enabled(s);
        if armed && (0..s.sys.dbgbcr.len()).any(|n| breakpoint_matches(s, n)) {
            return Err(Exception::new(0x30, DEBUG));
        }
        Ok(())
    }

    /// Before an instruction of a context that steps: the software step exception, when it is pending.
    pub(super) fn before(&mut self, s: &CpuState) -> Result<(), Exception> {
        if !stepping(s) || s.pstate.ss {
            return Ok(());
        }
        // ISV and EX tell of the instruction just stepped, unless an exception came in between (D2.12.7).
        let stepped = self.stepped.take().map_or(0, |exclusive| 1 << 24 | u32::from(exclusive) << 6);
        Err(Exception::new(0x32, stepped | DEBUG))
    }

    /// After an instruction of a context that stepped, or one that made a call: SSAdvance.
    pub(super) fn after(&mut self, s: &mut CpuState, word: u32) {
        if std::mem::take(&mut s.pstate.ss) {
            // Load-exclusives: bits 29:24 are 001000, o2 clear and L set; o1 makes a pair, of 32 bits or more.
            let casp = word & 0x8020_0000 == 0x0020_0000;
            self.stepped = Some(word & 0x3fc0_0000 == 0x0840_0000 && !casp);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::hostile;
    use crate::ir::{Env, Mem, SysEnc};

    const MDSCR_EL1: SysEnc = SysEnc::new(2, 0, 0, 2, 2);
    const OSLAR_EL1: SysEnc = SysEnc::new(2, 0, 1, 0, 4);
    const RAM: u64 = 0x4000_0000;

    /// Watches stores of EL0 to 8 bytes at `RAM + 0x1000`, and runs at EL0.
    fn watching() -> crate::cpu::Vcpu {
        let (mut vcpu, _) = hostile::vcpu();
        let (core, s) = (&mut vcpu.core, &mut vcpu.frame.s);
        for (enc, value) in [
            (SysEnc::new(2, 0, 0, 0, 6), RAM + 0x1000),
            (SysEnc::new(2, 0, 0, 0, 7), 1 | 2 << 1 | 2 << 3 | 0xff << 5),
            (MDSCR_EL1, MDSCR_MDE),
            (OSLAR_EL1, 0),
        ] {
            core.sys_write(s, enc, value).unwrap();
        }
        s.switch_stack(El::El0, false);
        vcpu
    }

    #[test]
    fn no_watchpoint_fires_while_the_os_is_locked() {
        let mut vcpu = watching();
        let (core, s) = (&mut vcpu.core, &mut vcpu.frame.s);
        let hit = core.store(s, RAM + 0x1000, 1, Mem::plain(8)).unwrap_err();
        assert_eq!((hit.ec, hit.far), (0x34, Some(RAM + 0x1000)));
        s.switch_stack(El::El1, true);
        core.sys_write(s, OSLAR_EL1, 1).unwrap();
        s.switch_stack(El::El0, false);
        assert_eq!(core.store(s, RAM + 0x1000, 1, Mem::plain(8)), Ok(()));
    }

    #[test]
    fn an_access_that_crosses_into_a_watched_page_is_seen() {
        let mut vcpu = watching();
        let (core, s) = (&mut vcpu.core, &mut vcpu.frame.s);
        assert_eq!(core.store(s, RAM + 0xfff, 1, Mem::plain(1)), Ok(()));
        let wide = Watched { va: RAM + 0xffc, bytes: 8, el: El::El0, read: false, write: true };
        assert!(core.check_watchpoints(s, wide).is_err());
        assert!(core.check_watchpoints(s, Watched { bytes: 4, ..wide }).is_ok());
    }

    #[test]
    fn only_watched_pages_are_kept_off_the_fast_path() {
        let mut vcpu = watching();
        let core = &mut vcpu.core;
        assert!(core.page_is_watched(RAM + 0x1ff8) && !core.page_is_watched(RAM + 0x2000));
        vcpu.frame.s.switch_stack(El::El1, true);
        core.sys_write(&mut vcpu.frame.s, MDSCR_EL1, 0).unwrap();
        assert!(!core.page_is_watched(RAM + 0x1000));
    }
}
