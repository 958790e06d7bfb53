//! The vocabulary in which instruction semantics are written.

use super::op::{CryptoOps, FpOps, IntOps, VecArithOps, VecOps, VecSatOps};
use super::{AtomicOp, Barrier, Context, Exception, Mem, SysEnc, Wait};

/// A condition code (C1.2.4), by its encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cond(pub u8);

impl Cond {
    /// Whether it holds for NZCV in bits 3:0.
    #[must_use]
    pub const fn holds(self, nzcv: u32) -> bool {
        let (n, z, c, v) = (nzcv & 8 != 0, nzcv & 4 != 0, nzcv & 2 != 0, nzcv & 1 != 0);
        let base = match self.0 >> 1 & 7 {
            0 => z,
            1 => c,
            2 => n,
            3 => v,
            4 => c && !z,
            5 => n == v,
            6 => n == v && !z,
            _ => return true,
        };
        base != (self.0 & 1 != 0)
    }

    /// AL and NV: always.
    #[must_use]
    pub const fn always(self) -> bool {
        self.0 >= 14
    }
}

/// How an indirect branch predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Indirect {
    /// BR.
    Jump,
    /// BLR; X30 is written already.
    Call,
    /// RET.
    Return,
}

/// Where control goes after an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flow<I> {
    /// The next instruction.
    Next,
    /// A fixed address.
    Jump(u64),
    /// A fixed address, as a call; X30 is written already.
    Call(u64),
    /// A fixed address when `cond` is not zero, else the next instruction.
    If {
        /// 0 or 1.
        cond: I,
        /// Address when 1.
        target: u64,
    },
    /// An address in a register.
    Indirect {
        /// The address.
        target: I,
        /// Which kind.
        kind: Indirect,
    },
    /// The next instruction, but look at the context and at pending interrupts first.
    Sync,
    /// The next instruction, but take an interrupt that was masked until now.
    Poll,
    /// The next instruction, by code that is looked up afresh (ISB).
    Fence,
    /// Wherever the CPU state's PC now says (ERET).
    Resume,
}

/// What instruction semantics are written in: a value is a number in [`Eval`](crate::interp::Eval), an SSA name in
/// [`Lift`](super::Lift).
///
/// Rules: nothing architectural is written before an instruction's last access that may fault; control that depends
/// on a guest *value* goes through [`select`](IntOps::select) or [`Flow::If`], never through Rust `if`.
pub trait Build: IntOps + VecOps + VecArithOps + VecSatOps + FpOps + CryptoOps {
    /// Why an instruction ended early: its exception, or the fact that one was recorded.
    type Stop;

    /// The context, known when translating.
    fn context(&self) -> &Context;
    /// The address of this instruction.
    fn pc(&self) -> u64;

    /// A constant.
    fn imm(&mut self, value: u64) -> Self::I;
    /// An address that the PC's page and a constant make: code that holds for any page has it depend on where it runs.
    fn near(&mut self, va: u64) -> Self::I;
    /// A constant vector.
    fn vimm(&mut self, value: u128) -> Self::V;

    /// X0–X30; number 31 is zero.
    fn x(&mut self, r: u32) -> Self::I;
    /// X0–X30; number 31 is discarded.
    fn set_x(&mut self, r: u32, value: Self::I);
    /// X0–X30; number 31 is the stack pointer.
    fn xsp(&mut self, r: u32) -> Self::I;
    /// X0–X30; number 31 is the stack pointer.
    fn set_xsp(&mut self, r: u32, value: Self::I);
    /// As [`Build::xsp`] for the base of an access: a misaligned stack pointer faults when checked.
    ///
    /// # Errors
    /// The stack pointer alignment fault.
    fn base(&mut self, r: u32) -> Result<Self::I, Self::Stop>;
    /// V0–V31.
    fn v(&mut self, r: u32) -> Self::V;
    /// V0–V31, all 128 bits.
    fn set_v(&mut self, r: u32, value: Self::V);

    /// `a + b`, setting NZCV.
    fn adds(&mut self, sf: bool, a: Self::I, b: Self::I) -> Self::I;
    /// `a - b`, setting NZCV.
    fn subs(&mut self, sf: bool, a: Self::I, b: Self::I) -> Self::I;
    /// `a + b + C`, setting NZCV.
    fn adcs(&mut self, sf: bool, a: Self::I, b: Self::I) -> Self::I;
    /// `a - b - !C`, setting NZCV.
    fn sbcs(&mut self, sf: bool, a: Self::I, b: Self::I) -> Self::I;
    /// `a & b`, setting N and Z, clearing C and V.
    fn ands(&mut self, sf: bool, a: Self::I, b: Self::I) -> Self::I;
    /// `a & !b`, setting N and Z, clearing C and V.
    fn bics(&mut self, sf: bool, a: Self::I, b: Self::I) -> Self::I;
    /// NZCV in bits 3:0.
    fn nzcv(&mut self) -> Self::I;
    /// NZCV from bits 3:0.
    fn set_nzcv(&mut self, nzcv: Self::I);
    /// C as 0 or 1.
    fn carry(&mut self) -> Self::I;
    /// 1 when the condition holds.
    fn cond(&mut self, cond: Cond) -> Self::I;
    /// CCMP (`negative` false: `a - b`) and CCMN (`a + b`): the comparison's flags when `cond` holds, else `nzcv`.
    fn ccmp(&mut self, sf: bool, negative: bool, a: Self::I, b: Self::I, cond: Cond, nzcv: u32);

    /// Reads up to 8 bytes, zero-extended.
    ///
    /// # Errors
    /// The fault; the same for all accesses.
    fn load(&mut self, addr: Self::I, mem: Mem) -> Result<Self::I, Self::Stop>;
    /// Writes up to 8 bytes.
    ///
    /// # Errors
    /// See [`Build::load`].
    fn store(&mut self, addr: Self::I, value: Self::I, mem: Mem) -> Result<(), Self::Stop>;
    /// Reads two neighbouring elements of `mem.bytes` each.
    ///
    /// # Errors
    /// See [`Build::load`].
    fn load_pair(&mut self, addr: Self::I, mem: Mem) -> Result<(Self::I, Self::I), Self::Stop>;
    /// Writes two neighbouring elements.
    ///
    /// # Errors
    /// See [`Build::load`].
    fn store_pair(&mut self, addr: Self::I, a: Self::I, b: Self::I, mem: Mem) -> Result<(), Self::Stop>;
    /// Reads up to 16 bytes into a vector, zero-extended.
    ///
    /// # Errors
    /// See [`Build::load`].
    fn load_v(&mut self, addr: Self::I, mem: Mem) -> Result<Self::V, Self::Stop>;
    /// Writes the low `mem.bytes` of a vector.
    ///
    /// # Errors
    /// See [`Build::load`].
    fn store_v(&mut self, addr: Self::I, value: Self::V, mem: Mem) -> Result<(), Self::Stop>;
    /// Load-exclusive.
    ///
    /// # Errors
    /// See [`Build::load`].
    fn load_exclusive(&mut self, addr: Self::I, mem: Mem) -> Result<Self::I, Self::Stop>;
    /// Load-exclusive of two elements of `mem.bytes` each, single-copy atomic as a whole.
    ///
    /// # Errors
    /// See [`Build::load`].
    fn load_exclusive_pair(&mut self, addr: Self::I, mem: Mem) -> Result<(Self::I, Self::I), Self::Stop>;
    /// Store-exclusive: 0 when it stored, 1 when not.
    ///
    /// # Errors
    /// See [`Build::load`].
    fn store_exclusive(&mut self, addr: Self::I, value: Self::I, mem: Mem) -> Result<Self::I, Self::Stop>;
    /// Store-exclusive of two elements of `mem.bytes` each.
    ///
    /// # Errors
    /// See [`Build::load`].
    fn store_exclusive_pair(&mut self, addr: Self::I, a: Self::I, b: Self::I, mem: Mem) -> Result<Self::I, Self::Stop>;
    /// CLREX.
    fn clear_exclusive(&mut self);
    /// Atomic read-modify-write: the old value, zero-extended.
    ///
    /// # Errors
    /// See [`Build::load`].
    fn atomic(&mut self, op: AtomicOp, addr: Self::I, value: Self::I, mem: Mem) -> Result<Self::I, Self::Stop>;
    /// Compare and swap: the old value, zero-extended.
    ///
    /// # Errors
    /// See [`Build::load`].
    fn cas(&mut self, addr: Self::I, expected: Self::I, new: Self::I, mem: Mem) -> Result<Self::I, Self::Stop>;
    /// CASP of two elements of `mem.bytes` each.
    ///
    /// # Errors
    /// See [`Build::load`].
    fn cas_pair(
        &mut self,
        addr: Self::I,
        expected: (Self::I, Self::I),
        new: (Self::I, Self::I),
        mem: Mem,
    ) -> Result<(Self::I, Self::I), Self::Stop>;
    /// DMB, DSB.
    fn barrier(&mut self, barrier: Barrier);
    /// ISB; the row returns [`Flow::Fence`].
    fn isb(&mut self);

    /// MRS.
    ///
    /// # Errors
    /// Undefined or trapped.
    fn sys_read(&mut self, enc: SysEnc) -> Result<Self::I, Self::Stop>;
    /// MSR (register); the row returns [`Flow::Sync`].
    ///
    /// # Errors
    /// Undefined or trapped.
    fn sys_write(&mut self, enc: SysEnc, value: Self::I) -> Result<(), Self::Stop>;
    /// SYS; the row returns [`Flow::Sync`].
    ///
    /// # Errors
    /// Undefined, trapped or faulting.
    fn sys_op(&mut self, enc: SysEnc, value: Self::I) -> Result<(), Self::Stop>;
    /// MSR (immediate); the row returns [`Flow::Sync`].
    ///
    /// # Errors
    /// Undefined or trapped.
    fn msr_imm(&mut self, field: u32, imm: u32) -> Result<(), Self::Stop>;
    /// ERET; the row returns [`Flow::Resume`].
    ///
    /// # Errors
    /// Undefined at EL0.
    fn eret(&mut self) -> Result<(), Self::Stop>;
    /// WFI and the like; the row returns [`Flow::Sync`].
    ///
    /// # Errors
    /// Trapped.
    fn wait(&mut self, wait: Wait) -> Result<(), Self::Stop>;

    /// Ends the instruction with an exception.
    ///
    /// # Errors
    /// Always.
    fn raise<T>(&mut self, exception: Exception) -> Result<T, Self::Stop>;

    /// Ends the instruction as UNDEFINED.
    ///
    /// # Errors
    /// Always.
    fn undefined<T>(&mut self) -> Result<T, Self::Stop> {
        self.raise(Exception::UNDEFINED)
    }

    /// Traps unless SIMD and floating point are enabled.
    ///
    /// # Errors
    /// The trap.
    fn check_fp(&mut self) -> Result<(), Self::Stop> {
        if self.context().fp_trap { self.raise(Exception::FP_TRAP) } else { Ok(()) }
    }
}
