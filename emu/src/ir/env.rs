//! What an instruction may ask of the CPU around it.

use serde::{Deserialize, Serialize};

use crate::state::{CpuState, El};

/// Where an exception returns to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Return {
    /// The instruction that took it.
    This,
    /// The one after, as for SVC.
    Next,
}

/// A synchronous exception on its way to EL1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Exception {
    /// ESR_ELx.EC (DDI 0487, D17.2.37). The lower-EL forms (0x20, 0x24, …) are given; taking the exception adds one
    /// when it comes from the same level.
    pub ec: u8,
    /// ESR_ELx.ISS, with IL in bit 25.
    pub iss: u32,
    /// FAR_ELx, where the class defines it.
    pub far: Option<u64>,
    /// ELR_ELx.
    pub ret: Return,
}

impl Exception {
    /// Instruction length bit: a 32-bit instruction.
    pub const IL: u32 = 1 << 25;
    /// UNDEFINED and unallocated encodings.
    pub const UNDEFINED: Self = Self::new(0x00, 0);
    /// Access to SIMD and floating point trapped by CPACR_EL1.
    pub const FP_TRAP: Self = Self::new(0x07, 0x1e0_0000);
    /// Illegal execution state.
    pub const ILLEGAL_STATE: Self = Self::new(0x0e, 0);
    /// No exception of the guest's, and of no class that there is: a debugger halts before the instruction.
    pub const HALT: Self = Self::new(0x40, 0);
    /// Misaligned stack pointer.
    pub const SP_ALIGNMENT: Self = Self::new(0x26, 0);

    /// An exception that returns to its own instruction.
    #[must_use]
    pub const fn new(ec: u8, iss: u32) -> Self {
        Self { ec, iss: iss | Self::IL, far: None, ret: Return::This }
    }

    /// SVC, HVC or SMC: returns to the next instruction.
    #[must_use]
    pub const fn call(ec: u8, imm16: u32) -> Self {
        Self { ec, iss: imm16 | Self::IL, far: None, ret: Return::Next }
    }

    /// A data abort; `dfsc` is the fault status code (table D17.2.37, ISS for a Data Abort).
    #[must_use]
    pub const fn data_abort(va: u64, dfsc: u32, write: bool) -> Self {
        Self { ec: 0x24, iss: dfsc | (write as u32) << 6 | Self::IL, far: Some(va), ret: Return::This }
    }

    /// An instruction abort.
    #[must_use]
    pub const fn instruction_abort(va: u64, ifsc: u32) -> Self {
        Self { ec: 0x20, iss: ifsc | Self::IL, far: Some(va), ret: Return::This }
    }
}

/// Ordering of a memory access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Order {
    /// None.
    #[default]
    Plain,
    /// Later accesses stay after it.
    Acquire,
    /// Earlier accesses stay before it.
    Release,
    /// Both.
    AcquireRelease,
}

/// The static part of a memory access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mem {
    /// Bytes of each element: 1, 2, 4, 8 or 16.
    pub bytes: u8,
    /// Takes an alignment fault unless aligned to its (whole) size, whatever SCTLR_EL1.A says.
    pub aligned: bool,
    /// Checked with EL0's permissions (LDTR, STTR), unless UAO is set.
    pub unprivileged: bool,
    /// Ordering.
    pub order: Order,
}

impl Mem {
    /// A plain access of that many bytes.
    #[must_use]
    pub const fn plain(bytes: u8) -> Self {
        Self { bytes, aligned: false, unprivileged: false, order: Order::Plain }
    }

    /// An ordered or exclusive access, which must be aligned.
    #[must_use]
    pub const fn ordered(bytes: u8, order: Order) -> Self {
        Self { bytes, aligned: true, unprivileged: false, order }
    }

    /// The same with elements of twice the size, as a pair is accessed whole.
    #[must_use]
    pub const fn doubled(self) -> Self {
        Self { bytes: self.bytes * 2, ..self }
    }

    /// Two elements as one value, the first in its low half.
    #[must_use]
    pub const fn join(self, first: u64, second: u64) -> u128 {
        let bits = 8 * self.bytes as u32;
        (second as u128) << bits | (first as u128) & ((1 << bits) - 1)
    }

    /// Two elements out of one value.
    #[must_use]
    pub const fn split(self, both: u128) -> (u64, u64) {
        let bits = 8 * self.bytes as u32;
        (both as u64 & (u64::MAX >> (64 - bits)), (both >> bits) as u64)
    }
}

/// The operation of an atomic read-modify-write (LSE).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the manual's names")]
#[repr(u8)]
pub enum AtomicOp {
    Add,
    Clr,
    Eor,
    Set,
    Smax,
    Smin,
    Umax,
    Umin,
    Swp,
}

impl AtomicOp {
    /// The new value of `bytes` bytes (1 to 8) that hold `old`.
    #[must_use]
    pub const fn apply(self, old: u64, value: u64, bytes: u8) -> u64 {
        let shift = 64 - 8 * bytes as u32;
        let (signed_old, signed) = ((old << shift) as i64, (value << shift) as i64);
        let (unsigned_old, unsigned) = (old << shift, value << shift);
        match self {
            Self::Add => old.wrapping_add(value),
            Self::Clr => old & !value,
            Self::Eor => old ^ value,
            Self::Set => old | value,
            Self::Smax => {
                if signed_old > signed {
                    old
                } else {
                    value
                }
            }
            Self::Smin => {
                if signed_old < signed {
                    old
                } else {
                    value
                }
            }
            Self::Umax => {
                if unsigned_old > unsigned {
                    old
                } else {
                    value
                }
            }
            Self::Umin => {
                if unsigned_old < unsigned {
                    old
                } else {
                    value
                }
            }
            Self::Swp => value,
        }
    }
}

/// DMB and DSB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Barrier {
    /// DMB that orders loads with later accesses only (ISHLD and the like).
    DmbLoad,
    /// DMB that orders stores with later stores only (ISHST).
    DmbStore,
    /// Full DMB.
    Dmb,
    /// DSB: also completes TLB and cache maintenance.
    Dsb,
}

/// Waiting hints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the manual's names")]
#[repr(u8)]
pub enum Wait {
    Wfi,
    Wfe,
    Yield,
    Sev,
    Sevl,
}

/// A system register or instruction: op0:op1:CRn:CRm:op2 in bits 15:0, as in the instruction's bits 20:5 (op0 whole).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SysEnc(pub u16);

impl SysEnc {
    /// From its parts.
    #[must_use]
    pub const fn new(op0: u16, op1: u16, crn: u16, crm: u16, op2: u16) -> Self {
        Self(op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2)
    }
    /// op0, op1, CRn, CRm, op2.
    #[must_use]
    pub const fn parts(self) -> (u16, u16, u16, u16, u16) {
        let e = self.0;
        (e >> 14, e >> 11 & 7, e >> 7 & 15, e >> 3 & 15, e & 7)
    }
}

/// What the meaning of an instruction depends on beside its word: known when translating, part of a unit's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Context {
    /// Exception level.
    pub el: El,
    /// Whether SIMD and floating point trap (CPACR_EL1.FPEN).
    pub fp_trap: bool,
    /// Whether a misaligned stack pointer faults as a base (SCTLR_EL1.SA, SA0).
    pub sp_check: bool,
    /// Whether all misaligned accesses fault (SCTLR_EL1.A).
    pub align_check: bool,
    /// FPCR has a rounding mode, flush or default-NaN bit set, so that host floating point does not serve.
    pub fp_mode: bool,
    /// PSTATE.PAN.
    pub pan: bool,
    /// PSTATE.UAO.
    pub uao: bool,
    /// PSTATE.SPSel.
    pub spsel: bool,
    /// Stage 1 translation is on.
    pub mmu: bool,
    /// Software step is active or a breakpoint armed: instructions are interpreted one at a time.
    pub step: bool,
    /// EL0 may zero blocks and maintain caches by address (SCTLR_EL1.DZE, UCI); not set at EL1, which always may.
    pub maintains: bool,
    /// EL0's code is translated for its addresses, since a debugger has breakpoints at some.
    pub fixed: bool,
    /// Each access finds its page by itself: some near each other lie in two, or not in plain RAM.
    pub apart: bool,
}

impl Context {
    /// EL1 with everything off.
    pub const PLAIN: Self = Self {
        el: El::El1,
        fp_trap: false,
        sp_check: false,
        align_check: false,
        fp_mode: false,
        pan: false,
        uao: false,
        spsel: false,
        mmu: false,
        step: false,
        maintains: false,
        fixed: false,
        apart: false,
    };

    /// Whether code is translated so that it holds at any virtual address. Programs and their libraries lie elsewhere in
    /// each process; the kernel stays.
    #[must_use]
    pub const fn relative(&self) -> bool {
        matches!(self.el, El::El0) && !self.fixed
    }

    /// The context as a number, never 0.
    #[must_use]
    pub const fn bits(&self) -> u32 {
        let Self { el, fp_trap, sp_check, align_check, fp_mode, pan, uao, spsel, mmu, step, maintains, fixed, apart } =
            *self;
        1 << 31
            | (el as u32) << 16
            | fp_trap as u32
            | (sp_check as u32) << 1
            | (align_check as u32) << 2
            | (fp_mode as u32) << 3
            | (pan as u32) << 4
            | (uao as u32) << 5
            | (spsel as u32) << 6
            | (mmu as u32) << 7
            | (step as u32) << 8
            | (fixed as u32) << 9
            | (maintains as u32) << 10
            | (apart as u32) << 11
    }
}

/// The CPU around an instruction: memory, system registers, waiting.
///
/// Implemented by `cpu`; called by the interpreter and by translated code's slow paths.
pub trait Env {
    /// Reads `mem.bytes`, zero-extended.
    ///
    /// # Errors
    /// The abort or alignment fault that the access takes; the same for all that follow.
    fn load(&mut self, s: &mut CpuState, va: u64, mem: Mem) -> Result<u128, Exception>;
    /// Writes the low `mem.bytes` of `value`; all of them or none.
    ///
    /// # Errors
    /// As [`Env::load`].
    fn store(&mut self, s: &mut CpuState, va: u64, value: u128, mem: Mem) -> Result<(), Exception>;
    /// Load-exclusive of `mem.bytes` (16 for a pair of doublewords, 8 for a pair of words).
    ///
    /// # Errors
    /// As [`Env::load`].
    fn load_exclusive(&mut self, s: &mut CpuState, va: u64, mem: Mem) -> Result<u128, Exception>;
    /// Store-exclusive; whether it stored.
    ///
    /// # Errors
    /// As [`Env::load`].
    fn store_exclusive(&mut self, s: &mut CpuState, va: u64, value: u128, mem: Mem) -> Result<bool, Exception>;
    /// CLREX.
    fn clear_exclusive(&mut self, s: &mut CpuState);
    /// Atomic read-modify-write; the old value, zero-extended.
    ///
    /// # Errors
    /// As [`Env::load`].
    fn atomic(&mut self, s: &mut CpuState, op: AtomicOp, va: u64, value: u64, mem: Mem) -> Result<u64, Exception>;
    /// Compare and swap of `mem.bytes` up to 16; the old value.
    ///
    /// # Errors
    /// As [`Env::load`].
    fn cas(&mut self, s: &mut CpuState, va: u64, expected: u128, new: u128, mem: Mem) -> Result<u128, Exception>;
    /// DMB, DSB.
    fn barrier(&mut self, s: &mut CpuState, barrier: Barrier);
    /// ISB.
    fn isb(&mut self, s: &mut CpuState);
    /// MRS.
    ///
    /// # Errors
    /// Undefined or trapped.
    fn sys_read(&mut self, s: &mut CpuState, enc: SysEnc) -> Result<u64, Exception>;
    /// MSR (register).
    ///
    /// # Errors
    /// Undefined or trapped.
    fn sys_write(&mut self, s: &mut CpuState, enc: SysEnc, value: u64) -> Result<(), Exception>;
    /// SYS: AT, DC, IC, TLBI.
    ///
    /// # Errors
    /// Undefined, trapped, or the fault of a cache operation's address.
    fn sys_op(&mut self, s: &mut CpuState, enc: SysEnc, value: u64) -> Result<(), Exception>;
    /// MSR (immediate): `field` is op1:op2.
    ///
    /// # Errors
    /// Undefined or trapped.
    fn msr_imm(&mut self, s: &mut CpuState, field: u32, imm: u32) -> Result<(), Exception>;
    /// ERET: PC and PSTATE from ELR and SPSR.
    ///
    /// # Errors
    /// Undefined at EL0.
    fn eret(&mut self, s: &mut CpuState) -> Result<(), Exception>;
    /// WFI, WFE, YIELD, SEV. Does not block: the run loop waits, once the instruction has ended.
    ///
    /// # Errors
    /// Trapped.
    fn wait(&mut self, s: &mut CpuState, wait: Wait) -> Result<(), Exception>;
}
