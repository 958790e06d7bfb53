//! Registers and PSTATE of one vCPU: plain data, snapshot-able, laid out for translated code.

use serde::{Deserialize, Serialize};

/// The floating-point environment of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[repr(C)]
pub struct FpEnv {
    /// FPCR (DDI 0487, C5.2.8).
    pub fpcr: u32,
    /// FPSR: operations set cumulative flags here and never clear any.
    pub fpsr: u32,
}

/// Exception level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[repr(u8)]
pub enum El {
    /// Applications.
    El0,
    /// Kernels.
    #[default]
    El1,
    /// Hypervisors; foreseen in the types, not modelled.
    El2,
    /// Secure monitors; foreseen in the types, not modelled.
    El3,
}

impl El {
    /// From two bits, as in SPSR.M\[3:2\].
    #[must_use]
    pub const fn from_bits(bits: u32) -> Self {
        match bits & 3 {
            0 => Self::El0,
            1 => Self::El1,
            2 => Self::El2,
            _ => Self::El3,
        }
    }
}

/// NZCV, packed as the host's `lahf; seto al` leaves it after a subtraction, whose carry is Arm's C inverted.
///
/// Bit 15 is N, bit 14 Z, bit 8 *not* C, bit 0 V; other bits are arbitrary.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[repr(transparent)]
pub struct Flags(pub u32);

impl Default for Flags {
    fn default() -> Self {
        Self::from_nzcv(0)
    }
}

impl Flags {
    /// From NZCV in bits 3:0.
    #[must_use]
    pub const fn from_nzcv(nzcv: u32) -> Self {
        Self((nzcv & 8) << 12 | (nzcv & 4) << 12 | (!nzcv & 2) << 7 | (nzcv & 1))
    }

    /// NZCV in bits 3:0.
    #[must_use]
    pub const fn nzcv(self) -> u32 {
        let f = self.0;
        (f >> 12) & 8 | (f >> 12) & 4 | (!f >> 7) & 2 | f & 1
    }
}

/// PSTATE without NZCV (DDI 0487, D1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pstate {
    /// Exception level.
    pub el: El,
    /// SPSel: use SP_ELx rather than SP_EL0.
    pub spsel: bool,
    /// D, A, I, F masks in bits 3:0.
    pub daif: u8,
    /// Privileged access never.
    pub pan: bool,
    /// User access override.
    pub uao: bool,
    /// Software step.
    pub ss: bool,
    /// Illegal execution state.
    pub il: bool,
}

impl Default for Pstate {
    /// As at reset into EL1.
    fn default() -> Self {
        Self { el: El::El1, spsel: true, daif: 0xf, pan: false, uao: false, ss: false, il: false }
    }
}

/// Frequency of the system counter in Hz, and CNTFRQ_EL0 until the guest, whose highest level is EL1, tells itself another.
pub const CNTFRQ: u64 = 62_500_000;

/// System registers of EL1 and EL0 that are storage.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[repr(C)]
#[allow(missing_docs, reason = "the manual's names, without the level where there is but one")]
pub struct SysRegs {
    pub osdtrrx: u64,
    pub mdccint: u64,
    pub mdscr: u64,
    pub osdtrtx: u64,
    pub oseccr: u64,
    pub osdlr: u64,
    pub dbgprcr: u64,
    pub dbgclaim: u64,
    pub sctlr: u64,
    pub actlr: u64,
    pub cpacr: u64,
    pub tcr: u64,
    pub spsr: u64,
    pub elr: u64,
    pub afsr0: u64,
    pub afsr1: u64,
    pub esr: u64,
    pub far: u64,
    pub par: u64,
    pub mair: u64,
    pub amair: u64,
    pub vbar: u64,
    pub contextidr: u64,
    pub tpidr_el1: u64,
    pub cntkctl: u64,
    pub cntfrq: u64,
    pub csselr: u64,
    pub pmselr: u64,
    pub pmuserenr: u64,
    pub tpidr_el0: u64,
    pub tpidrro_el0: u64,
    pub scxtnum_el0: u64,
    pub scxtnum_el1: u64,
    pub pmccfiltr: u64,
    pub cntv_ctl: u64,
    pub cntv_cval: u64,
    pub cntp_ctl: u64,
    pub cntp_cval: u64,
    pub pmcr: u64,
    pub pmcnten: u64,
    pub pminten: u64,
    pub pmovs: u64,
    pub pmccntr_base: u64,
    pub ttbr: [u64; 2],
    pub dbgbvr: [u64; 6],
    pub dbgbcr: [u64; 6],
    pub dbgwvr: [u64; 4],
    pub dbgwcr: [u64; 4],
    pub pmevtyper: [u64; 4],
    pub pmevcntr: [u64; 4],
    /// OSLSR.OSLK.
    pub os_locked: bool,
}

/// The local exclusive monitor: what the last load-exclusive read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[repr(C)]
pub struct Monitor {
    /// The value, zero-extended.
    pub value: u128,
    /// Address.
    pub va: u64,
    /// Bytes; 0 while the monitor is open.
    pub bytes: u32,
}

/// Everything that an instruction can see of its own vCPU, system registers among it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[repr(C, align(64))]
pub struct CpuState {
    /// X0–X30, and the current stack pointer as number 31.
    pub x: [u64; 32],
    /// SIMD and floating-point registers.
    pub v: [u128; 32],
    /// Address of the current instruction.
    pub pc: u64,
    /// Condition flags.
    pub flags: Flags,
    /// FPCR and FPSR.
    pub fp: FpEnv,
    /// PSTATE without NZCV.
    pub pstate: Pstate,
    /// SP_EL0, SP_EL1: the stack pointers that are not current; the current one lives in `x[31]`.
    pub sp: [u64; 2],
    /// TLB maintenance was sent to other vCPUs, which a DSB has yet to wait for.
    pub unsynchronized: u32,
    /// The exclusive monitor.
    pub monitor: Monitor,
    /// System registers.
    pub sys: SysRegs,
}

impl CpuState {
    /// Which of [`CpuState::sp`] `x[31]` stands for now.
    #[must_use]
    pub fn sp_index(&self) -> usize {
        usize::from(self.pstate.spsel && self.pstate.el != El::El0)
    }

    /// Changes EL and SPSel, and the current stack pointer with them.
    pub fn switch_stack(&mut self, el: El, spsel: bool) {
        self.sp[self.sp_index()] = self.x[31];
        self.pstate.el = el;
        self.pstate.spsel = spsel;
        self.x[31] = self.sp[self.sp_index()];
    }

    /// PSTATE in the layout of SPSR_EL1 (C5.2.19).
    #[must_use]
    pub fn spsr(&self) -> u64 {
        let p = self.pstate;
        u64::from(self.flags.nzcv()) << 28
            | u64::from(p.uao) << 23
            | u64::from(p.pan) << 22
            | u64::from(p.ss) << 21
            | u64::from(p.il) << 20
            | u64::from(p.daif) << 6
            | (p.el as u64) << 2
            | u64::from(p.spsel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_survive_packing() {
        for nzcv in 0..16 {
            assert_eq!(Flags::from_nzcv(nzcv).nzcv(), nzcv);
        }
    }
}
