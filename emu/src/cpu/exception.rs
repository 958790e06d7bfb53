//! Taking exceptions to EL1 and returning from them (DDI 0487, D1.10 and D1.11).

use super::{Core, SCTLR_SPAN, debug};
use crate::ir::{Exception, Return};
use crate::mmu::walk;
use crate::state::{CpuState, El, Flags};

/// Offset of an asynchronous exception's vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interrupt {
    /// IRQ.
    Irq = 0x80,
    /// FIQ.
    Fiq = 0x100,
}

/// Enters EL1 at a vector.
fn enter(s: &mut CpuState, return_to: u64, kind: u64) {
    let base = match (s.pstate.el, s.pstate.spsel) {
        (El::El0, _) => 0x400,
        (_, true) => 0x200,
        (_, false) => 0,
    };
    s.sys.spsr = s.spsr();
    s.sys.elr = return_to;
    s.switch_stack(El::El1, true);
    s.pstate.daif = 0xf;
    s.pstate.pan |= s.sys.sctlr & SCTLR_SPAN == 0;
    s.pstate.uao = false;
    s.pstate.ss = false;
    s.pstate.il = false;
    s.pc = walk::strip_tag(&s.sys, s.sys.vbar.wrapping_add(base + kind));
}

/// The interrupt that is taken before the next instruction, of those that are pending (as
/// [`CpuShared`](super::shared::CpuShared) has them).
pub(super) fn unmasked(lines: u32, s: &CpuState) -> Option<Interrupt> {
    if lines & 2 != 0 && s.pstate.daif & 1 == 0 {
        Some(Interrupt::Fiq)
    } else if lines & 1 != 0 && s.pstate.daif & 2 == 0 {
        Some(Interrupt::Irq)
    } else {
        None
    }
}

/// Takes an interrupt.
pub(super) fn interrupt(s: &mut CpuState, kind: Interrupt) {
    let pc = s.pc;
    enter(s, pc, kind as u64);
}

impl Core {
    /// Takes a synchronous exception of the instruction at PC; PSCI calls are served instead, and what halts is left to
    /// the run loop.
    pub(super) fn take(&mut self, s: &mut CpuState, exception: Exception) {
        const HVC: u8 = 0x16;
        const SMC: u8 = 0x17;
        if exception == Exception::HALT {
            return;
        }
        // Without EL3, SMC is undefined (C6.2 SMC).
        let exception = if exception.ec == SMC { Exception::UNDEFINED } else { exception };
        let return_to = match exception.ret {
            Return::This => s.pc,
            Return::Next => {
                // A call is an instruction done.
                self.after(s, 0);
                s.pc.wrapping_add(4)
            }
        };
        if exception.ec == HVC {
            s.pc = return_to;
            self.psci(s);
            return;
        }
        let lower = s.pstate.el == El::El0;
        // Aborts, breakpoints, steps and watchpoints have a class of their own for the same level.
        let has_own_class = matches!(exception.ec, 0x20 | 0x24 | 0x30 | 0x32 | 0x34);
        let ec = exception.ec + u8::from(has_own_class && !lower);
        s.sys.esr = u64::from(ec) << 26 | u64::from(exception.iss);
        if let Some(far) = exception.far {
            s.sys.far = far;
        }
        enter(s, return_to, 0);
    }

    /// ERET from EL1.
    pub(super) fn exception_return(&mut self, s: &mut CpuState) {
        let spsr = s.sys.spsr;
        s.monitor.bytes = 0;
        self.event = true;
        let (el, spsel) = (El::from_bits(spsr as u32 >> 2 & 3), spsr & 1 != 0);
        s.pc = walk::strip_tag(&s.sys, s.sys.elr);
        s.flags = Flags::from_nzcv(spsr as u32 >> 28);
        let legal = spsr & 0x12 == 0 && matches!((el, spsel), (El::El0, false) | (El::El1, _));
        s.pstate.ss = debug::return_ss(s, spsr, if legal { el } else { s.pstate.el });
        self.stepped = None;
        s.pstate.daif = (spsr >> 6 & 15) as u8;
        s.pstate.pan = spsr >> 22 & 1 != 0;
        s.pstate.uao = spsr >> 23 & 1 != 0;
        s.pstate.il = spsr >> 20 & 1 != 0;
        if legal {
            s.switch_stack(el, spsel);
        } else {
            // Illegal exception return (D1.11.4): EL and SP stay, the next instruction faults.
            s.pstate.il = true;
        }
    }
}
