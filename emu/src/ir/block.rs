//! The IR: basic blocks of SSA instructions over guest registers.
//!
//! SSA values live within one block; between blocks, state is guest registers only. [`Code::GetX`] and friends read a
//! guest register as it is at that point, [`Code::SetX`] writes it. An instruction that may fault or call out sees all
//! guest registers written before it, so a fault is precise where it stands.

use bitflags::bitflags;
use serde::{Deserialize, Serialize};

use super::op::{Kind, Op};
use super::{AtomicOp, Barrier, Cond, Exception, Indirect, Mem, SysEnc, Wait, nzcv};

/// An SSA value: the index of the instruction that makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Val(pub u16);

impl Val {
    /// No value.
    pub const NONE: Self = Self(u16::MAX);
}

/// How NZCV comes from two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FlagsOp {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a + b + C`.
    Adc,
    /// `a - b - !C`.
    Sbc,
    /// `a & b`.
    And,
    /// `a & !b`.
    Bic,
}

/// A call into the CPU around the instruction; see [`Env`](super::Env).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs, reason = "named as the methods of Env")]
pub enum Call {
    LoadExclusive(Mem),
    LoadExclusivePair(Mem),
    StoreExclusive(Mem),
    StoreExclusivePair(Mem),
    ClearExclusive,
    Atomic(AtomicOp, Mem),
    Cas(Mem),
    CasPair(Mem),
    Barrier(Barrier),
    Isb,
    SysRead(SysEnc),
    SysWrite(SysEnc),
    SysOp(SysEnc),
    MsrImm {
        field: u8,
        imm: u8,
    },
    Eret,
    Wait(Wait),
    /// The exception with index `imm` in [`Block::exceptions`].
    Raise,
}

impl Call {
    /// Whether it changes no guest register and does not look at NZCV: what it gives is its result, or an exception.
    #[must_use]
    pub fn returns_values_only(self) -> bool {
        match self {
            Self::LoadExclusive(_)
            | Self::LoadExclusivePair(_)
            | Self::StoreExclusive(_)
            | Self::StoreExclusivePair(_)
            | Self::ClearExclusive
            | Self::Atomic(..)
            | Self::Cas(_)
            | Self::CasPair(_)
            | Self::Barrier(_)
            | Self::SysRead(_) => true,
            Self::Isb
            | Self::SysWrite(_)
            | Self::SysOp(_)
            | Self::MsrImm { .. }
            | Self::Eret
            | Self::Wait(_)
            | Self::Raise => false,
        }
    }
}

/// What an IR instruction does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Code {
    /// The constant `imm`.
    Imm,
    /// The address of the page that runs, plus `imm`.
    Near,
    /// The vector constant with index `imm` in [`Block::vectors`].
    ImmV,
    /// Reads X0–X30 or, as 31, the stack pointer.
    GetX(u8),
    /// Writes X0–X30 or, as 31, the stack pointer.
    SetX(u8),
    /// Reads V0–V31.
    GetV(u8),
    /// Writes V0–V31.
    SetV(u8),
    /// A pure operation with immediate `imm`.
    Op(Op),
    /// The result of a flag-setting operation, and NZCV; `sf` is the width.
    Flags(FlagsOp, bool),
    /// NZCV from a comparison (`FlagsOp::Add` or `Sub`) when the condition holds, else from `imm`.
    CondFlags(FlagsOp, bool, Cond),
    /// NZCV as an integer, bits 3:0.
    GetNzcv,
    /// NZCV from an integer.
    SetNzcv,
    /// C as 0 or 1.
    GetCarry,
    /// 1 when the condition holds for NZCV.
    GetCond(Cond),
    /// Faults when the stack pointer is not a multiple of 16.
    CheckSp,
    /// Reads memory at `args[0] + imm`.
    Load(Mem),
    /// Writes `args[1]` at `args[0] + imm`.
    Store(Mem),
    /// Reads two neighbouring elements at `args[0] + imm`; the other one is [`Code::Second`].
    LoadPair(Mem),
    /// Writes `args[1]` and `args[2]` at `args[0] + imm`.
    StorePair(Mem),
    /// Reads up to 16 bytes into a vector.
    LoadV(Mem),
    /// Writes the low bytes of vector `args[1]`.
    StoreV(Mem),
    /// The second result of the instruction just before.
    Second,
    /// A call out.
    Call(Call),
}

bitflags! {
    /// What the translator asks of every instruction.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Effects: u8 {
        /// It can be dropped when its result is unused, or of a guest register: when nobody sees what it writes.
        const PURE = 1 << 0;
        /// It may end in an exception or otherwise leave the unit.
        const MAY_EXIT = 1 << 1;
        /// It looks at NZCV.
        const READS_NZCV = 1 << 2;
        /// It replaces NZCV.
        const WRITES_NZCV = 1 << 3;
        /// It accesses memory at its first argument, and no more.
        const ACCESS = 1 << 4;
    }
}

/// One IR instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inst {
    /// What it does.
    pub code: Code,
    /// What follows from that.
    pub effects: Effects,
    /// Count of arguments.
    count: u8,
    /// Index of the guest instruction in the block that it belongs to.
    pub guest: u8,
    /// Arguments; unused ones are [`Val::NONE`].
    pub args: [Val; 6],
    /// Immediate.
    pub imm: u64,
}

const _: () = assert!(size_of::<Inst>() <= 32, "units have thousands");

impl Inst {
    #[inline(always)]
    fn new(code: Code, args: &[Val], imm: u64, guest: u8) -> Self {
        let all = std::array::from_fn(|n| args.get(n).copied().unwrap_or(Val::NONE));
        Self { code, effects: code.effects(), count: args.len() as u8, guest, args: all, imm }
    }

    /// The arguments that are there.
    pub fn args(&self) -> impl Iterator<Item = Val> + '_ {
        self.args[..usize::from(self.count)].iter().copied()
    }

    /// The kind of its result, if it has one.
    #[must_use]
    pub fn result(&self) -> Option<Kind> {
        match self.code {
            Code::ImmV | Code::GetV(_) | Code::LoadV(_) => Some(Kind::V),
            Code::Op(op) => Some(op.row().result),
            Code::SetX(_)
            | Code::SetV(_)
            | Code::CondFlags(..)
            | Code::SetNzcv
            | Code::CheckSp
            | Code::Store(_)
            | Code::StorePair(_)
            | Code::StoreV(_) => None,
            Code::Call(call) => match call {
                Call::LoadExclusive(_)
                | Call::LoadExclusivePair(_)
                | Call::StoreExclusive(_)
                | Call::StoreExclusivePair(_)
                | Call::Atomic(..)
                | Call::Cas(_)
                | Call::CasPair(_)
                | Call::SysRead(_) => Some(Kind::I),
                _ => None,
            },
            _ => Some(Kind::I),
        }
    }
}

impl Code {
    #[inline(always)]
    fn effects(self) -> Effects {
        match self {
            Self::Imm | Self::Near | Self::ImmV | Self::GetX(_) | Self::GetV(_) | Self::Second => Effects::PURE,
            Self::SetX(_) | Self::SetV(_) => Effects::PURE,
            Self::Op(op) if op.row().env => Effects::empty(),
            Self::Op(_) => Effects::PURE,
            Self::Flags(FlagsOp::Adc | FlagsOp::Sbc, _) | Self::CondFlags(..) => {
                Effects::READS_NZCV | Effects::WRITES_NZCV
            }
            Self::Flags(..) | Self::SetNzcv => Effects::WRITES_NZCV,
            Self::GetNzcv | Self::GetCarry | Self::GetCond(_) => Effects::PURE | Effects::READS_NZCV,
            Self::CheckSp | Self::Call(_) => Effects::MAY_EXIT,
            Self::Load(_)
            | Self::Store(_)
            | Self::LoadPair(_)
            | Self::StorePair(_)
            | Self::LoadV(_)
            | Self::StoreV(_) => Effects::MAY_EXIT | Effects::ACCESS,
        }
    }
}

/// How a block ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Term {
    /// To a fixed address.
    Jump(u64),
    /// To a fixed address, as a call that returns to the address after.
    Call {
        /// Callee.
        target: u64,
        /// Return address.
        ret: u64,
    },
    /// To `target` when `cond` is not zero, else to `next`.
    If {
        /// 0 or 1.
        cond: Val,
        /// Address when not zero.
        target: u64,
        /// Address when zero.
        next: u64,
    },
    /// To the address in a value; a call returns to `ret`.
    Indirect {
        /// The address.
        target: Val,
        /// Which kind.
        kind: Indirect,
        /// The address after.
        ret: u64,
    },
    /// To a fixed address by way of the run loop.
    Sync(u64),
    /// To a fixed address, unless an interrupt is pending.
    Poll(u64),
    /// To a fixed address, in another unit.
    Fence(u64),
    /// To wherever the state's PC says, by way of the run loop.
    Resume,
    /// The block's last instruction always raises.
    #[default]
    Raised,
}

/// What a block does to guest registers and to NZCV.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// How often each guest register is read or written, up to 255; V registers are from [`FIRST_V`] on.
    pub count: [u8; 64],
    /// The guest registers that it writes, as a bit mask.
    pub written: u64,
    /// It looks at NZCV, or may leave and thereby show it, before it replaces it.
    pub uses_nzcv: bool,
    /// It replaces NZCV.
    pub sets_nzcv: bool,
    /// It needs NZCV itself, not just shows it to an exception handler, before it replaces it.
    pub reads_nzcv: bool,
    /// What it has written, as `written`, when it shows NZCV for the last time before it replaces it.
    pub written_before: u64,
    /// What gave NZCV its value at the end, if that can be computed again there.
    pub comparison: Option<Comparison>,
}

/// What NZCV comes from: two values that guest registers hold, or the result and the second. Small, since there are many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Add, Sub or And.
    pub op: FlagsOp,
    /// A guest register, in bit 6 whether it holds the result, and in bit 7 whether it is of 64 bits.
    a: u8,
    /// A constant, or in bit 15 that it is a guest register.
    b: u16,
}

/// The second operand of a [`Comparison`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// X0–X30, or 31 for the stack pointer.
    X(u8),
    /// A constant below 2¹⁵.
    Imm(u16),
}

const _: () = assert!(size_of::<Option<Comparison>>() == 4);

impl Comparison {
    /// Of X`a`, 31 being the stack pointer, with `b`, in 64 bits or 32.
    #[must_use]
    pub fn new(op: FlagsOp, wide: bool, a: u8, b: Operand) -> Self {
        let b = match b {
            Operand::X(b) => 1 << 15 | u16::from(b),
            Operand::Imm(b) => b & 0x7fff,
        };
        Self { op, a: a | u8::from(wide) << 7, b }
    }

    /// The same once the result has replaced the first operand in its register; none if what it was cannot be told.
    #[must_use]
    pub fn replaced(self) -> Option<Self> {
        match (self.op, self.b()) {
            _ if self.of_result() => None,
            (_, Operand::X(b)) if b == self.a() => None,
            (FlagsOp::Add | FlagsOp::Sub, _) => Some(Self { a: self.a | 1 << 6, ..self }),
            _ => Some(Self::new(FlagsOp::And, self.wide(), self.a(), Operand::X(self.a()))),
        }
    }

    /// Whether the first operand's register holds the sum or difference instead.
    #[must_use]
    pub fn of_result(self) -> bool {
        self.a >> 6 & 1 != 0
    }

    /// Of 64 bits, else of 32.
    #[must_use]
    pub fn wide(self) -> bool {
        self.a >> 7 != 0
    }

    /// The first operand's register.
    #[must_use]
    pub fn a(self) -> u8 {
        self.a & 31
    }

    /// The second operand.
    #[must_use]
    pub fn b(self) -> Operand {
        if self.b >> 15 != 0 { Operand::X(self.b as u8 & 31) } else { Operand::Imm(self.b) }
    }

    /// Its guest registers, as a bit mask.
    #[must_use]
    pub fn registers(self) -> u64 {
        let b = if let Operand::X(b) = self.b() { 1 << b } else { 0 };
        b | 1 << self.a()
    }

    /// NZCV, from the guest's registers.
    #[must_use]
    pub fn nzcv(self, x: &[u64; 32]) -> u32 {
        let b = match self.b() {
            Operand::X(b) => x[usize::from(b)],
            Operand::Imm(b) => b.into(),
        };
        let (a, wide) = (x[usize::from(self.a())], self.wide());
        let a = match self.op {
            _ if !self.of_result() => a,
            FlagsOp::Add => a.wrapping_sub(b),
            _ => a.wrapping_add(b),
        };
        match self.op {
            FlagsOp::Add => nzcv::add_with_carry(wide, a, b, false).1,
            FlagsOp::Sub => nzcv::add_with_carry(wide, a, !b, true).1,
            _ => nzcv::logical(wide, a & b),
        }
    }
}

/// Number of V0 among guest registers; X0–X30 and the stack pointer are below.
pub const FIRST_V: u8 = 32;

impl Default for Usage {
    fn default() -> Self {
        Self {
            count: [0; 64],
            written: 0,
            uses_nzcv: false,
            sets_nzcv: false,
            reads_nzcv: false,
            written_before: 0,
            comparison: None,
        }
    }
}

impl Usage {
    #[inline(always)]
    fn add(&mut self, inst: &Inst) {
        let (register, written) = match inst.code {
            Code::GetX(r) => (r, false),
            Code::SetX(r) => (r, true),
            Code::GetV(r) => (FIRST_V + r, false),
            Code::SetV(r) => (FIRST_V + r, true),
            _ => {
                let call = matches!(inst.code, Code::Call(call) if !call.returns_values_only());
                if inst.effects.intersects(Effects::READS_NZCV | Effects::MAY_EXIT) && !self.sets_nzcv {
                    self.uses_nzcv = true;
                    self.written_before = self.written;
                    self.reads_nzcv |= call || inst.effects.contains(Effects::READS_NZCV);
                }
                if call || inst.effects.contains(Effects::WRITES_NZCV) {
                    self.comparison = None;
                }
                self.sets_nzcv |= inst.effects.contains(Effects::WRITES_NZCV);
                return;
            }
        };
        let count = &mut self.count[usize::from(register)];
        *count = count.saturating_add(1);
        self.written |= u64::from(written) << register;
        if written && self.comparison.is_some_and(|comparison| comparison.registers() >> register & 1 != 0) {
            self.comparison = None;
        }
    }
}

/// A basic block of guest code.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// Virtual address of its first instruction.
    pub va: u64,
    /// Count of guest instructions.
    pub len: u16,
    /// The IR; see [`Block::push`].
    pub insts: Vec<Inst>,
    /// What follows from it.
    pub usage: Usage,
    /// Its accesses to memory and its calls, in their order.
    pub accesses: Vec<Val>,
    /// Vector constants.
    pub vectors: Vec<u128>,
    /// Exceptions that it raises.
    pub exceptions: Vec<Exception>,
    /// How it ends.
    pub term: Term,
}

impl Block {
    /// Begins a block at `va` anew, in the same memory.
    pub fn begin(&mut self, va: u64) {
        self.insts.clear();
        self.accesses.clear();
        self.vectors.clear();
        self.exceptions.clear();
        (self.va, self.len, self.usage, self.term) = (va, 0, Usage::default(), Term::Raised);
    }

    /// Appends an instruction of the current guest instruction; the value that it makes.
    #[inline(always)]
    pub fn push(&mut self, code: Code, args: &[Val], imm: u64) -> Val {
        let val = Val(u16::try_from(self.insts.len()).expect("a block has fewer values"));
        let inst = Inst::new(code, args, imm, self.len as u8);
        self.usage.add(&inst);
        if inst.effects.contains(Effects::ACCESS) || matches!(code, Code::Call(_)) {
            self.accesses.push(val);
        }
        self.insts.push(inst);
        val
    }
}

/// A piece of one page of guest code: the blocks that its inner branches reach from the first.
#[derive(Debug, Clone)]
pub struct Unit {
    /// The blocks; control enters at the first.
    pub blocks: Vec<Block>,
    /// What the code was lifted for.
    pub context: super::Context,
}
