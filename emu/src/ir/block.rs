//! The IR: basic blocks of SSA instructions over guest registers.
//!
//! SSA values live within one block; between blocks, state is guest registers only. [`Code::GetX`] and friends read a
//! guest register as it is at that point, [`Code::SetX`] writes it. An instruction that may fault or call out sees all
//! guest registers written before it, so a fault is precise where it stands.

use super::op::{Kind, Op};
use super::{AtomicOp, Barrier, Cond, Exception, Indirect, Mem, SysEnc, Wait};

/// An SSA value: the index of the instruction that makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Val(pub u16);

impl Val {
    /// No value.
    pub const NONE: Self = Self(u16::MAX);
}

/// How NZCV comes from two operands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

/// One IR instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inst {
    /// What it does.
    pub code: Code,
    /// Arguments; unused ones are [`Val::NONE`].
    pub args: [Val; 6],
    /// Immediate.
    pub imm: u64,
    /// Index of the guest instruction in the block that it belongs to.
    pub guest: u16,
}

const _: () = assert!(size_of::<Inst>() <= 32, "units have thousands");

impl Inst {
    /// The arguments that are there.
    pub fn args(&self) -> impl Iterator<Item = Val> + '_ {
        self.args.iter().copied().take_while(|&a| a != Val::NONE)
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

    /// Whether it may end in an exception or otherwise leave the unit.
    #[must_use]
    pub fn may_exit(&self) -> bool {
        matches!(
            self.code,
            Code::CheckSp
                | Code::Load(_)
                | Code::Store(_)
                | Code::LoadPair(_)
                | Code::StorePair(_)
                | Code::LoadV(_)
                | Code::StoreV(_)
                | Code::Call(_)
        )
    }

    /// Whether it can be dropped when its result is unused.
    #[must_use]
    pub fn is_pure(&self) -> bool {
        match self.code {
            Code::Imm
            | Code::Near
            | Code::ImmV
            | Code::GetX(_)
            | Code::GetV(_)
            | Code::GetNzcv
            | Code::GetCarry
            | Code::GetCond(_)
            | Code::Second => true,
            Code::Op(op) => !op.row().env,
            _ => false,
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

/// A basic block of guest code.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// Virtual address of its first instruction.
    pub va: u64,
    /// Count of guest instructions.
    pub len: u16,
    /// The IR.
    pub insts: Vec<Inst>,
    /// Vector constants.
    pub vectors: Vec<u128>,
    /// Exceptions that it raises.
    pub exceptions: Vec<Exception>,
    /// How it ends.
    pub term: Term,
}

/// A piece of one page of guest code: the blocks that its inner branches reach from the first.
#[derive(Debug, Clone)]
pub struct Unit {
    /// The blocks; control enters at the first.
    pub blocks: Vec<Block>,
    /// What the code was lifted for.
    pub context: super::Context,
}
