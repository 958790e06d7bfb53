//! System registers and instructions, and the [`Env`] that the engines see.

use std::sync::atomic::Ordering;

use super::{Core, SCTLR_RES1, SCTLR_SPAN, context, pmu};
use crate::a64::sysreg::{self, CTR, Feature, Special, SysRow, What};
use crate::ir::{AtomicOp, Barrier, Env, Exception, Mem, SysEnc, Wait};
use crate::mmu::TlbOp;
use crate::mmu::walk::{self, Access};
use crate::state::{CpuState, El};

/// SCTLR_EL1 bits that let EL0 do things.
mod sctlr {
    pub const UMA: u64 = 1 << 9;
    pub const DZE: u64 = 1 << 14;
    pub const UCT: u64 = 1 << 15;
    pub const NTWI: u64 = 1 << 16;
    pub const NTWE: u64 = 1 << 18;
    pub const TSCXT: u64 = 1 << 20;
    pub const UCI: u64 = 1 << 26;
}

/// TCR_EL1.{E0PD1, E0PD0}.
const TCR_E0PD: u64 = 0b11 << 55;

/// MDSCR_EL1.TDCC: EL0 may not use the debug communications channel.
const MDSCR_TDCC: u64 = 1 << 12;

impl Core {
    /// The trap of an MRS, MSR or SYS at EL0 (EC 0x18); Rt is in the instruction's word.
    fn trap(&mut self, s: &CpuState, enc: SysEnc, read: bool) -> Exception {
        let (op0, op1, crn, crm, op2) = enc.parts();
        let rt = self.fetch(s).unwrap_or(0) & 31;
        let (op0, op1, crn, crm, op2) =
            (u32::from(op0), u32::from(op1), u32::from(crn), u32::from(crm), u32::from(op2));
        let iss = op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | rt << 5 | crm << 1 | u32::from(read);
        Exception::new(0x18, iss)
    }

    /// Finds a register that may be accessed now.
    fn register(&mut self, s: &CpuState, enc: SysEnc, read: bool) -> Result<SysRow, Exception> {
        let row = sysreg::find(enc).filter(|row| self.model.has(row.name)).ok_or(Exception::UNDEFINED)?;
        let level = if read { row.read } else { row.write };
        let el = s.pstate.el;
        if level.is_none_or(|level| el < level) {
            return Err(Exception::UNDEFINED);
        }
        if el == El::El0 && !Self::el0_may(s, row.what, enc, read) {
            return Err(self.trap(s, enc, read));
        }
        let absent = match row.what {
            What::Special(Special::Icc(_)) => self.wiring.gic.is_none(),
            // The current stack pointer has no number.
            What::Special(Special::SpEl0) => !s.pstate.spsel,
            _ => false,
        };
        if absent {
            return Err(Exception::UNDEFINED);
        }
        if matches!(row.what, What::Special(Special::Fpcr | Special::Fpsr)) && context(s).fp_trap {
            return Err(Exception::FP_TRAP);
        }
        Ok(row)
    }

    /// Controls that trap EL0's access to registers which it may have.
    fn el0_may(s: &CpuState, what: What, enc: SysEnc, read: bool) -> bool {
        let (what, cntkctl, pmu) = (what, s.sys.cntkctl, s.sys.pmuserenr);
        let What::Special(special) = what else {
            // The counter's frequency; the performance monitors' and the debugger's plain registers.
            return match enc.parts() {
                (2, 3, ..) => s.sys.mdscr & MDSCR_TDCC == 0,
                (3, 3, 13, 0, 7) => s.sys.sctlr & sctlr::TSCXT == 0,
                (3, 3, 14, 0, 0) => cntkctl & 3 != 0,
                (3, 3, 9, 14, 0) => true,
                (3, 3, 9, ..) | (3, 3, 14, 12 | 15, _) => pmu & 1 != 0,
                _ => true,
            };
        };
        match special {
            Special::Ctr => s.sys.sctlr & sctlr::UCT != 0,
            Special::Daif => s.sys.sctlr & sctlr::UMA != 0,
            Special::CntVct => cntkctl & 2 != 0,
            Special::CntPct => cntkctl & 1 != 0,
            Special::CntVCtl | Special::CntVCval | Special::CntVTval => cntkctl >> 8 & 1 != 0,
            Special::CntPCtl | Special::CntPCval | Special::CntPTval => cntkctl >> 9 & 1 != 0,
            Special::PmCcntr => pmu & 1 != 0 || (read && pmu & 4 != 0),
            Special::PmEvcntr(_) | Special::PmXevcntr => pmu & 1 != 0 || (read && pmu & 8 != 0),
            Special::PmSwinc => pmu & 3 != 0,
            Special::PmCr
            | Special::PmCntenSet
            | Special::PmCntenClr
            | Special::PmOvsSet
            | Special::PmOvsClr
            | Special::PmXevtyper => pmu & 1 != 0,
            _ => true,
        }
    }

    /// What a register reads as, for whoever may read it.
    pub(super) fn register_value(&mut self, s: &mut CpuState, row: &SysRow) -> u64 {
        match row.what {
            What::Id(f) => f(self.model),
            What::Plain(field, _) | What::Hooked(field, ..) => *field(&mut s.sys),
            What::Special(special) => self.read_special(s, special),
        }
    }

    /// Writes a register, for whoever may write it.
    pub(super) fn set_register_value(&mut self, s: &mut CpuState, row: &SysRow, value: u64) {
        match row.what {
            What::Id(_) => {}
            What::Plain(field, mask) => {
                let field = field(&mut s.sys);
                *field = *field & !mask | value & mask;
            }
            What::Hooked(field, mask, Special::Debug) => {
                let field = field(&mut s.sys);
                *field = *field & !mask | value & mask;
                self.debug_changed(s);
            }
            What::Hooked(field, mask, _) => {
                let before = Self::controls(s);
                let field = field(&mut s.sys);
                *field = *field & !mask | value & mask;
                s.sys.sctlr |= SCTLR_RES1 & !(SCTLR_SPAN | sctlr::TSCXT);
                if !Feature::CSV2_2.is_in(self.model) {
                    s.sys.sctlr |= sctlr::TSCXT;
                }
                if !Feature::E0PD.is_in(self.model) {
                    s.sys.tcr &= !TCR_E0PD;
                }
                self.translation_changed(s, &before);
            }
            What::Special(special) => self.write_special(s, special, value),
        }
    }

    fn read_special(&mut self, s: &CpuState, special: Special) -> u64 {
        match special {
            Special::CurrentEl => (s.pstate.el as u64) << 2,
            Special::SpSel => u64::from(s.pstate.spsel),
            Special::Daif => u64::from(s.pstate.daif) << 6,
            Special::Pan => u64::from(s.pstate.pan) << 22,
            Special::Uao => u64::from(s.pstate.uao) << 23,
            Special::Fpcr => u64::from(s.fp.fpcr),
            Special::Fpsr => u64::from(s.fp.fpsr),
            Special::SpEl0 => s.sp[0],
            Special::Mpidr => 1 << 31 | self.id as u64,
            Special::Ctr => CTR,
            Special::CntVct | Special::CntPct => self.count(),
            Special::CntVTval => self.timer_tval(s.sys.cntv_cval),
            Special::CntPTval => self.timer_tval(s.sys.cntp_cval),
            Special::CntVCtl => self.timer_ctl(s.sys.cntv_ctl, s.sys.cntv_cval),
            Special::CntPCtl => self.timer_ctl(s.sys.cntp_ctl, s.sys.cntp_cval),
            Special::CntVCval => s.sys.cntv_cval,
            Special::CntPCval => s.sys.cntp_cval,
            Special::Isr => {
                let lines = u64::from(self.wiring.shared.cpus[self.id].lines.load(Ordering::SeqCst));
                (lines & 1) << 7 | (lines >> 1 & 1) << 6
            }
            Special::ClaimSet => 0xff,
            Special::ClaimClr => s.sys.dbgclaim,
            Special::Pfr0 => self.model.pfr0 | u64::from(self.wiring.gic.is_some()) << 24,
            // 32 KiB, 4 ways, for either cache of level 1; nothing else is there to be described.
            Special::Ccsidr if s.sys.csselr < 2 => 127 << 13 | 3 << 3 | 2,
            Special::Ccsidr => 0,
            Special::Oslsr => 1 << 3 | u64::from(s.sys.os_locked) << 1,
            Special::PmCcntr => self.pmu_read(s, 31),
            Special::PmEvcntr(n) => self.pmu_read(s, usize::from(n)),
            Special::PmXevcntr if (s.sys.pmselr as usize) < pmu::COUNTERS => self.pmu_read(s, s.sys.pmselr as usize),
            Special::PmXevtyper if s.sys.pmselr == 31 => s.sys.pmccfiltr,
            Special::PmXevtyper => s.sys.pmevtyper.get(s.sys.pmselr as usize).copied().unwrap_or(0),
            Special::PmCntenSet | Special::PmCntenClr => s.sys.pmcnten,
            Special::PmIntenSet | Special::PmIntenClr => s.sys.pminten,
            Special::PmOvsSet | Special::PmOvsClr => s.sys.pmovs,
            Special::PmCr => (pmu::COUNTERS as u64) << 11 | 1 << 6 | s.sys.pmcr,
            Special::Icc(reg) => self.wiring.gic.as_ref().map_or(0, |gic| gic.icc_read(self.id, reg)),
            Special::Translation
            | Special::Debug
            | Special::PmUserenr
            | Special::Oslar
            | Special::PmSwinc
            | Special::PmXevcntr => 0,
        }
    }

    fn write_special(&mut self, s: &mut CpuState, special: Special, value: u64) {
        match special {
            Special::SpSel => {
                let el = s.pstate.el;
                s.switch_stack(el, value & 1 != 0);
            }
            Special::Daif => s.pstate.daif = (value >> 6 & 15) as u8,
            Special::Pan => s.pstate.pan = value >> 22 & 1 != 0,
            Special::Uao => s.pstate.uao = value >> 23 & 1 != 0,
            Special::Fpcr => s.fp.fpcr = value as u32 & 0x07f8_0000,
            Special::Fpsr => s.fp.fpsr = value as u32 & 0xf800_009f,
            Special::SpEl0 => s.sp[0] = value,
            Special::CntVTval => self.timer(s, |s, core| s.sys.cntv_cval = core.timer_cval(value)),
            Special::CntPTval => self.timer(s, |s, core| s.sys.cntp_cval = core.timer_cval(value)),
            Special::CntVCtl => self.timer(s, |s, _| s.sys.cntv_ctl = value & 3),
            Special::CntPCtl => self.timer(s, |s, _| s.sys.cntp_ctl = value & 3),
            Special::CntVCval => self.timer(s, |s, _| s.sys.cntv_cval = value),
            Special::CntPCval => self.timer(s, |s, _| s.sys.cntp_cval = value),
            Special::Oslar => {
                s.sys.os_locked = value & 1 != 0;
                self.debug_changed(s);
            }
            Special::ClaimSet => s.sys.dbgclaim |= value & 0xff,
            Special::ClaimClr => s.sys.dbgclaim &= !value,
            Special::PmCcntr => self.pmu_write(s, 31, value),
            Special::PmEvcntr(n) => self.pmu_write(s, usize::from(n), value),
            Special::PmXevcntr if (s.sys.pmselr as usize) < pmu::COUNTERS => {
                self.pmu_write(s, s.sys.pmselr as usize, value);
            }
            Special::PmXevtyper if s.sys.pmselr == 31 => s.sys.pmccfiltr = value & 0xfc00_0000,
            Special::PmXevtyper => {
                let n = s.sys.pmselr as usize;
                self.pmu_change(s, |s| {
                    if let Some(typer) = s.sys.pmevtyper.get_mut(n) {
                        *typer = value & 0xffff_ffff;
                    }
                });
            }
            Special::PmCntenSet => self.pmu_change(s, |s| s.sys.pmcnten |= value & pmu::MASK),
            Special::PmCntenClr => self.pmu_change(s, |s| s.sys.pmcnten &= !value),
            Special::PmIntenSet => s.sys.pminten |= value & pmu::MASK,
            Special::PmIntenClr => s.sys.pminten &= !value,
            Special::PmOvsSet => s.sys.pmovs |= value & pmu::MASK,
            Special::PmOvsClr => s.sys.pmovs &= !value,
            Special::PmSwinc => self.pmu_increment(s, value),
            Special::PmCr => {
                if value & 2 != 0 {
                    (0..pmu::COUNTERS).for_each(|n| self.pmu_write(s, n, 0));
                }
                if value & 4 != 0 {
                    self.pmu_write(s, 31, 0);
                }
                self.pmu_change(s, |s| s.sys.pmcr = value & 0x69);
            }
            Special::Icc(reg) => {
                if let Some(gic) = &self.wiring.gic {
                    gic.icc_write(self.id, reg, value);
                }
            }
            _ => {}
        }
    }

    fn timer(&mut self, s: &mut CpuState, change: impl FnOnce(&mut CpuState, &Self)) {
        change(s, self);
        self.sync_timers(s);
    }

    /// Stage 1 controls changed: keys and cached translations follow.
    pub(super) fn translation_changed(&mut self, s: &CpuState, before: &[u64; 3]) {
        if *before != Self::controls(s) {
            self.contexts.flush();
        }
        self.contexts.set_asid(walk::asid(&s.sys));
        self.fetched = None;
    }

    fn controls(s: &CpuState) -> [u64; 3] {
        // A TTBR change is followed by the ASID; what else it changes needs a TLBI from the guest.
        [s.sys.sctlr, s.sys.tcr, s.sys.mair]
    }

    fn tlbi(&mut self, s: &mut CpuState, op: TlbOp, broadcast: bool) {
        self.contexts.invalidate(op);
        if broadcast && self.wiring.shared.count() > 1 {
            self.wiring.shared.broadcast(self.id, op);
            s.unsynchronized = 1;
        }
    }

    /// AT S1E1R and its kin.
    fn address_translate(&mut self, s: &mut CpuState, va: u64, access: Access) {
        s.sys.par = match walk::walk(&walk::Clean(&*self.wiring.bus), &s.sys, va, access) {
            Ok(leaf) => {
                let sh = if leaf.device() || leaf.attr == 0x44 { 2 } else { u64::from(leaf.sh) };
                u64::from(leaf.attr) << 56 | leaf.pa.0 & 0x000f_ffff_ffff_f000 | 1 << 11 | 1 << 9 | sh << 7
            }
            Err(fault) => 1 << 11 | u64::from(fault.status) << 1 | 1,
        };
    }
}

/// The page and ASID operands of a TLBI (C5.5).
fn tlbi_page(value: u64) -> (u64, u16) {
    let va = ((value << 20) as i64 >> 8) as u64;
    (va & !0xfff, (value >> 48) as u16)
}

impl Env for Core {
    fn load(&mut self, s: &mut CpuState, va: u64, mem: Mem) -> Result<u128, Exception> {
        self.load_bytes(s, va, mem)
    }
    fn store(&mut self, s: &mut CpuState, va: u64, value: u128, mem: Mem) -> Result<(), Exception> {
        self.store_bytes(s, va, value, mem)
    }
    fn load_exclusive(&mut self, s: &mut CpuState, va: u64, mem: Mem) -> Result<u128, Exception> {
        self.load_exclusive_bytes(s, va, mem)
    }
    fn store_exclusive(&mut self, s: &mut CpuState, va: u64, value: u128, mem: Mem) -> Result<bool, Exception> {
        self.store_exclusive_bytes(s, va, value, mem)
    }
    fn clear_exclusive(&mut self, s: &mut CpuState) {
        s.monitor.bytes = 0;
    }
    fn atomic(&mut self, s: &mut CpuState, op: AtomicOp, va: u64, value: u64, mem: Mem) -> Result<u64, Exception> {
        self.atomic_bytes(s, op, va, value, mem)
    }
    fn cas(&mut self, s: &mut CpuState, va: u64, expected: u128, new: u128, mem: Mem) -> Result<u128, Exception> {
        self.cas_bytes(s, va, expected, new, mem)
    }

    fn barrier(&mut self, s: &mut CpuState, barrier: Barrier) {
        match barrier {
            Barrier::DmbLoad | Barrier::DmbStore => std::sync::atomic::fence(Ordering::AcqRel),
            Barrier::Dmb => std::sync::atomic::fence(Ordering::SeqCst),
            Barrier::Dsb => {
                std::sync::atomic::fence(Ordering::SeqCst);
                self.wiring.shared.synchronize(self.id);
                s.unsynchronized = 0;
            }
        }
    }
    fn isb(&mut self, _: &mut CpuState) {}

    fn sys_read(&mut self, s: &mut CpuState, enc: SysEnc) -> Result<u64, Exception> {
        let row = self.register(s, enc, true)?;
        Ok(self.register_value(s, &row))
    }

    fn sys_write(&mut self, s: &mut CpuState, enc: SysEnc, value: u64) -> Result<(), Exception> {
        let row = self.register(s, enc, false)?;
        self.set_register_value(s, &row, value);
        Ok(())
    }

    fn sys_op(&mut self, s: &mut CpuState, enc: SysEnc, value: u64) -> Result<(), Exception> {
        let (op0, op1, crn, crm, op2) = enc.parts();
        let el0 = s.pstate.el == El::El0;
        match (op0, op1, crn, crm, op2) {
            // DC ZVA.
            (1, 3, 7, 4, 1) => {
                if el0 && s.sys.sctlr & sctlr::DZE == 0 {
                    return Err(self.trap(s, enc, false));
                }
                return self.zero_block(s, value);
            }
            // IC IVAU, DC CVAC, CVAU, CVAP, CIVAC.
            (1, 3, 7, 5, 1) | (1, 3, 7, 10..=12 | 14, 1) => {
                if el0 && s.sys.sctlr & sctlr::UCI == 0 {
                    return Err(self.trap(s, enc, false));
                }
                self.maintained(s, value)?;
                if crm == 5 {
                    self.invalidate_code(s, value);
                }
                return Ok(());
            }
            _ if el0 => return Err(Exception::UNDEFINED),
            // IC IALLU, IALLUIS.
            (1, 0, 7, 1 | 5, 0) => self.invalidate_all_code(),
            // DC IVAC: cleans, too, since memory is coherent.
            (1, 0, 7, 6, 1) => self.maintained(s, value)?,
            // DC ISW, CSW, CISW.
            (1, 0, 7, 6 | 10 | 14, 2) => {}
            // AT S1E1R, S1E1W, S1E0R, S1E0W, S1E1RP, S1E1WP.
            (1, 0, 7, 8, 0..=3) | (1, 0, 7, 9, 0 | 1) => {
                let el = if op2 >= 2 { El::El0 } else { El::El1 };
                let access = Access { write: op2 & 1 != 0, fetch: false, el, pan: crm == 9 && s.pstate.pan };
                self.address_translate(s, value, access);
            }
            // TLBI; CRm 3 is the inner shareable form, 7 the local one.
            (1, 0, 8, 3 | 7, _) => {
                let (va, asid) = tlbi_page(value);
                let asid = walk::asid_of(&s.sys, asid);
                let op = match op2 {
                    0 => TlbOp::All,
                    1 | 5 => TlbOp::Page(va, asid),
                    2 => TlbOp::Asid(asid),
                    3 | 7 => TlbOp::PageAll(va),
                    _ => return Err(Exception::UNDEFINED),
                };
                self.tlbi(s, op, crm == 3);
            }
            _ => return Err(Exception::UNDEFINED),
        }
        Ok(())
    }

    fn msr_imm(&mut self, s: &mut CpuState, field: u32, imm: u32) -> Result<(), Exception> {
        let el0 = s.pstate.el == El::El0;
        match field {
            // UAO, PAN, SPSel: op1 0.
            0b000_011 if !el0 => s.pstate.uao = imm & 1 != 0,
            0b000_100 if !el0 => s.pstate.pan = imm & 1 != 0,
            0b000_101 if !el0 => {
                let el = s.pstate.el;
                s.switch_stack(el, imm & 1 != 0);
            }
            // DAIFSet, DAIFClr: op1 3.
            0b011_110 | 0b011_111 => {
                if el0 && s.sys.sctlr & sctlr::UMA == 0 {
                    let op2 = (field & 7) as u16;
                    return Err(self.trap(s, SysEnc::new(0, 3, 4, imm as u16, op2), false));
                }
                if field & 1 == 0 {
                    s.pstate.daif |= imm as u8 & 15;
                } else {
                    s.pstate.daif &= !(imm as u8);
                }
            }
            _ => return Err(Exception::UNDEFINED),
        }
        Ok(())
    }

    fn eret(&mut self, s: &mut CpuState) -> Result<(), Exception> {
        if s.pstate.el == El::El0 {
            return Err(Exception::UNDEFINED);
        }
        self.exception_return(s);
        Ok(())
    }

    fn wait(&mut self, s: &mut CpuState, wait: Wait) -> Result<(), Exception> {
        let el0 = s.pstate.el == El::El0;
        let trap = |iss: u32| Err(Exception::new(0x01, 1 << 24 | 0xe << 20 | iss));
        match wait {
            Wait::Wfi if el0 && s.sys.sctlr & sctlr::NTWI == 0 => return trap(0),
            Wait::Wfe if el0 && s.sys.sctlr & sctlr::NTWE == 0 && !self.event => return trap(1),
            Wait::Wfi | Wait::Wfe | Wait::Yield => self.waiting = Some(wait),
            Wait::Sevl => self.event = true,
            Wait::Sev => {
                self.event = true;
                for (index, cpu) in self.wiring.shared.cpus.iter().enumerate() {
                    if index != self.id && !cpu.event.swap(true, Ordering::SeqCst) {
                        self.wiring.shared.kick(index);
                    }
                }
            }
        }
        Ok(())
    }
}
