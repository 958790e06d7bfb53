//! Emitters of floating-point operations on 32-bit and 64-bit formats, and of conversions of halves.
//!
//! The host computes under the default MXCSR, so units for any other FPCR than the default call every operation's
//! `eval`, as do operations without an emitter. Where the host's result or flags would differ from Arm's, the emitted
//! code branches to a call of `eval` with the same arguments behind the unit:
//!
//! - Results that are NaNs of arithmetic: the manual chooses among NaN operands in an order of its own, and its default
//!   NaN is positive.
//! - Results of the smallest normal magnitude where rounding may have led up to it: Arm detects tininess before
//!   rounding, x86 after. A sum or difference that is tiny is exact, a root is never tiny, and the one quotient that
//!   rounds up to the smallest normal number is a tie, which x86 finds tiny, too; products, fused sums and narrowed
//!   numbers remain.
//! - Integers out of range.
//!
//! What the host has raised in MXCSR by then must be among what `eval` raises; emitters that could raise more test their
//! operands first. Sticky flags stay in MXCSR until a thunk or the way out folds them into FPSR.
//!
//! Left out: arithmetic in half precision, FMULX (infinity times zero is valid there, but not to the host), estimates,
//! FJCVTZS, rounding to odd, FRINTX with ties away, halves from doubles.

mod arith;
mod bits;
mod convert;
mod round;
#[cfg(test)]
mod tests;

use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};

use super::super::site::{Loc, Task};
use super::{Cold, Emitter};
use crate::ir::block::{Code, Inst, Val};
use crate::ir::op::{FpOp, Op, VecOp};

/// Which of the host's four forms of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Scalar single.
    Ss,
    /// Scalar double.
    Sd,
    /// Packed single.
    Ps,
    /// Packed double.
    Pd,
}

impl Shape {
    /// None for halves.
    fn of(vector: bool, e: u64) -> Option<Self> {
        match (vector, e) {
            (false, 32) => Some(Self::Ss),
            (false, 64) => Some(Self::Sd),
            (true, 32) => Some(Self::Ps),
            (true, 64) => Some(Self::Pd),
            _ => None,
        }
    }

    fn is_vector(self) -> bool {
        matches!(self, Self::Ps | Self::Pd)
    }

    fn e(self) -> u64 {
        if matches!(self, Self::Ss | Self::Ps) { 32 } else { 64 }
    }

    /// The lane's bits in lane 0 of a scalar, and zeros above; in each lane of a vector.
    fn constant(self, lane: u64) -> u128 {
        let lane = u128::from(lane);
        match self {
            Self::Ss | Self::Sd => lane,
            Self::Ps => lane * 0x0000_0001_0000_0001_0000_0001_0000_0001,
            Self::Pd => lane << 64 | lane,
        }
    }

    fn sign(self) -> u128 {
        self.constant(1 << (self.e() - 1))
    }
}

/// Emits an instruction in the form of a shape; its operands come as in the assembler. Comparisons go by their names: the
/// assembler mixes up the operands of VCMPPS and VCMPPD with a predicate.
macro_rules! shaped {
    ($e:ident, $shape:expr, $ss:ident $sd:ident $ps:ident $pd:ident, $($operands:tt)*) => {
        match $shape {
            $crate::jit::x64::fp::Shape::Ss => dynasm!($e.a ; .arch x64 ; $ss $($operands)*),
            $crate::jit::x64::fp::Shape::Sd => dynasm!($e.a ; .arch x64 ; $sd $($operands)*),
            $crate::jit::x64::fp::Shape::Ps => dynasm!($e.a ; .arch x64 ; $ps $($operands)*),
            $crate::jit::x64::fp::Shape::Pd => dynasm!($e.a ; .arch x64 ; $pd $($operands)*),
        }
    };
}
use shaped;

/// Scratch vector registers.
const T: u8 = 13;
const U: u8 = 14;
const W: u8 = 15;

/// A call of `eval` behind the unit, and where it comes back.
#[derive(Clone, Copy)]
struct Repair {
    cold: DynamicLabel,
    back: DynamicLabel,
}

impl Emitter<'_> {
    /// Emits an operation; false when there is no emitter for it.
    pub(super) fn emit_fp(&mut self, val: Val, op: FpOp, inst: &Inst) -> bool {
        use FpOp as O;
        let e = inst.imm & 0xff;
        match op {
            O::FAbs | O::FNeg | O::VFAbs | O::VFNeg => {
                self.sign_bits(val, inst, e, matches!(op, O::FNeg | O::VFNeg), matches!(op, O::VFAbs | O::VFNeg));
                return true;
            }
            O::FSelect => {
                self.select_fp(val, inst, e);
                return true;
            }
            _ if self.unit.context.fp_mode => return false,
            _ => {}
        }
        let vector = op as usize >= O::VFAbs as usize;
        match op {
            O::FCvt => return self.change_format(val, op, inst),
            O::VFWiden if e <= 32 => {
                self.widen(val, inst);
                return true;
            }
            O::VFNarrow if e <= 32 => {
                self.narrow(val, op, inst);
                return true;
            }
            _ => {}
        }
        let Some(shape) = Shape::of(vector, e) else { return false };
        match op {
            O::FAdd | O::FSub | O::FMul | O::FDiv | O::VFAdd | O::VFSub | O::VFMul | O::VFDiv => {
                self.arith(val, op, inst, shape);
            }
            O::FSqrt | O::VFSqrt => self.sqrt(val, op, inst, shape),
            O::FFma | O::VFFma => self.fma(val, op, inst, shape),
            O::FMax | O::FMaxnm | O::VFMax | O::VFMaxnm => self.extreme(val, op, inst, shape, true),
            O::FMin | O::FMinnm | O::VFMin | O::VFMinnm => self.extreme(val, op, inst, shape, false),
            O::FRecps | O::VFRecps | O::FRsqrts | O::VFRsqrts => self.step(val, op, inst, shape),
            O::FCmp => self.compare(val, inst, shape, false),
            O::FCmpe => self.compare(val, inst, shape, true),
            O::FCmeq | O::VFCmeq | O::FCmge | O::VFCmge | O::FCmgt | O::VFCmgt => self.mask(val, op, inst, shape),
            O::FRint | O::VFRint => return self.rint(val, op, inst, shape),
            O::FToInt => return self.integer_of(val, op, inst, shape),
            O::VFToInt => return self.integers_of(val, op, inst, shape),
            O::FFromInt => return self.number_of(val, op, inst, shape),
            O::VFFromInt => return self.numbers_of(val, op, inst, shape),
            _ => return false,
        }
        true
    }

    /// Prepares a repair of the operation whose arguments and result are in these places. Registers are settled by now:
    /// what is emitted up to [`Emitter::finish`] moves no value.
    fn repair(&mut self, op: FpOp, inst: &Inst, args: [Loc; 3], result: Loc) -> Repair {
        let [a, b, c] = args;
        let args = [a, b, c, Loc::None, Loc::None, Loc::None];
        let site = self.site(Task::Eval(Op::Fp(op), inst.imm), args, [result, Loc::None]);
        let (cold, back) = (self.a.new_dynamic_label(), self.a.new_dynamic_label());
        self.cold.push(Cold { label: cold, back: Some(back), site, crossing: None });
        Repair { cold, back }
    }

    /// Where the repair comes back: its result is final.
    fn finish(&mut self, repair: Repair) {
        let back = repair.back;
        dynasm!(self.a ; .arch x64 ; =>back);
    }

    /// A constant in memory behind the unit.
    pub(in crate::jit::x64) fn pooled(&mut self, value: u128) -> DynamicLabel {
        if let Some(&(_, label)) = self.pool.iter().find(|(there, _)| *there == value) {
            return label;
        }
        let label = self.a.new_dynamic_label();
        self.pool.push((value, label));
        label
    }

    /// Emits the pooled constants.
    pub(in crate::jit::x64) fn emit_pool(&mut self) {
        while let Some((value, label)) = self.pool.pop() {
            dynasm!(self.a ; .arch x64 ; .align 16 ; =>label ; .bytes value.to_le_bytes());
        }
    }

    /// Whether all bits of a value above its low `e` are known to be zero.
    fn is_clean(&self, val: Val, e: u64) -> bool {
        let inst = &self.block.insts[usize::from(val.0)];
        match inst.code {
            Code::LoadV(mem) => u64::from(mem.bytes) * 8 <= e,
            Code::ImmV => self.block.vectors[inst.imm as usize] >> e == 0,
            Code::Op(Op::Vec(VecOp::VZext)) => inst.imm <= e,
            Code::Op(Op::Fp(op)) if (op as usize) < FpOp::VFAbs as usize => {
                let width = if op == FpOp::FCvt { inst.imm >> 8 } else { inst.imm & 0xff };
                width <= e
            }
            _ => false,
        }
    }

    /// Clears what a scalar operation took over from an argument above lane 0.
    fn clean(&mut self, dst: u8, from: Val, shape: Shape) {
        match shape {
            _ if shape.is_vector() || self.is_clean(from, shape.e()) => {}
            Shape::Ss => dynasm!(self.a ; .arch x64 ; vinsertps Rx(dst), Rx(dst), Rx(dst), 0x0e),
            _ => dynasm!(self.a ; .arch x64 ; vmovq Rx(dst), Rx(dst)),
        }
    }

    /// To the repair when any lane of the result is a NaN.
    fn unless_nan(&mut self, dst: u8, shape: Shape, repair: Repair) {
        let cold = repair.cold;
        if shape.is_vector() {
            shaped!(self, shape, vcmpunordss vcmpunordsd vcmpunordps vcmpunordpd, Rx(T), Rx(dst), Rx(dst));
            dynasm!(self.a ; .arch x64 ; vptest Rx(T), Rx(T) ; jnz =>cold);
        } else {
            shaped!(self, shape, vucomiss vucomisd vucomiss vucomisd, Rx(dst), Rx(dst));
            dynasm!(self.a ; .arch x64 ; jp =>cold);
        }
    }

    /// To the repair when any lane of the result has the smallest normal magnitude.
    fn unless_least(&mut self, dst: u8, shape: Shape, repair: Repair) {
        let cold = repair.cold;
        match shape {
            Shape::Ss => dynasm!(self.a
                ; .arch x64 ; vmovd eax, Rx(dst) ; add eax, eax ; cmp eax, 1 << 24 ; je =>cold),
            Shape::Sd => dynasm!(self.a
                ; .arch x64 ; vmovq rax, Rx(dst) ; add rax, rax ; rorx rax, rax, 53 ; cmp rax, 1 ; je =>cold),
            Shape::Ps => {
                let least = self.pooled(shape.constant(1 << 24));
                dynasm!(self.a
                    ; .arch x64
                    ; vpslld Rx(T), Rx(dst), 1
                    ; vpcmpeqd Rx(T), Rx(T), [=>least]
                    ; vptest Rx(T), Rx(T)
                    ; jnz =>cold
                );
            }
            Shape::Pd => {
                let least = self.pooled(shape.constant(1 << 53));
                dynasm!(self.a
                    ; .arch x64
                    ; vpsllq Rx(T), Rx(dst), 1
                    ; vpcmpeqq Rx(T), Rx(T), [=>least]
                    ; vptest Rx(T), Rx(T)
                    ; jnz =>cold
                );
            }
        }
    }
}
