//! Rounding to integral numbers, and conversion between singles and doubles.
//!
//! NaNs need no repair: of one operand, both sides make the same quiet NaN.

use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};

use super::super::super::site::Loc;
use super::super::Emitter;
use super::{Shape, T, U, W, shaped};
use crate::ir::block::{Inst, Val};
use crate::ir::op::FpOp;
use crate::ir::op::fp::Rule;
use crate::ir::softfloat::Rounding;

/// The host's immediate bit that keeps a rounding from reporting inexact results.
pub(super) const QUIET: i8 = 8;

impl Emitter<'_> {
    pub(super) fn rint(&mut self, val: Val, op: FpOp, inst: &Inst, shape: Shape) -> bool {
        let rule = Rule::unpack(inst.imm);
        let by = match rule.by {
            Some(Rounding::TieEven) | None => 0,
            Some(Rounding::NegInf) => 1,
            Some(Rounding::PosInf) => 2,
            Some(Rounding::Zero) => 3,
            Some(Rounding::TieAway) if !rule.exact => {
                self.round_away(val, op, inst, shape);
                return true;
            }
            Some(_) => return false,
        };
        let by = if rule.exact { by } else { by | QUIET };
        let a = self.vector(inst.args[0]);
        let dst = self.define_v(val);
        self.round(dst, a, by, shape);
        true
    }

    /// Zeros stand above a scalar result. Uses T.
    pub(super) fn round(&mut self, dst: u8, a: u8, by: i8, shape: Shape) {
        match shape {
            Shape::Ss => {
                dynasm!(self.a ; .arch x64 ; vpxor Rx(T), Rx(T), Rx(T) ; vroundss Rx(dst), Rx(T), Rx(a), by)
            }
            Shape::Sd => {
                dynasm!(self.a ; .arch x64 ; vpxor Rx(T), Rx(T), Rx(T) ; vroundsd Rx(dst), Rx(T), Rx(a), by)
            }
            Shape::Ps => dynasm!(self.a ; .arch x64 ; vroundps Rx(dst), Rx(a), by),
            Shape::Pd => dynasm!(self.a ; .arch x64 ; vroundpd Rx(dst), Rx(a), by),
        }
    }

    /// Ties away from zero: what was cut off is added again as one if it was half or more. That is exact below the
    /// magnitude from which on all numbers are integral; numbers there, infinities and NaNs are left to the repair.
    fn round_away(&mut self, val: Val, op: FpOp, inst: &Inst, shape: Shape) {
        let (half, one, whole) = if shape.e() == 32 {
            (0x3f00_0000, 0x3f80_0000, 0x4b00_0000)
        } else {
            (0x3fe << 52, 0x3ff << 52, 0x433 << 52)
        };
        self.clobber_flags();
        let a = self.vector(inst.args[0]);
        let dst = self.define_v(val);
        let repair = self.repair(op, inst, [Loc::Xmm(a), Loc::None, Loc::None], Loc::Xmm(dst));
        let cold = repair.cold;
        let sign = self.pooled(shape.sign());
        let (half, one) = (self.pooled(shape.constant(half)), self.pooled(shape.constant(one)));
        // As integers, magnitudes order as the numbers do.
        let largest = self.pooled(shape.constant(whole - 1));
        dynasm!(self.a ; .arch x64 ; vmovdqa Rx(W), [=>sign] ; vpandn Rx(U), Rx(W), Rx(a));
        match shape.e() {
            32 => dynasm!(self.a ; .arch x64 ; vpcmpgtd Rx(U), Rx(U), [=>largest]),
            _ => dynasm!(self.a ; .arch x64 ; vpcmpgtq Rx(U), Rx(U), [=>largest]),
        }
        match shape {
            Shape::Ss => dynasm!(self.a ; .arch x64 ; vmovd eax, Rx(U) ; test eax, eax ; jnz =>cold),
            Shape::Sd => dynasm!(self.a ; .arch x64 ; vmovq rax, Rx(U) ; test rax, rax ; jnz =>cold),
            _ => dynasm!(self.a ; .arch x64 ; vptest Rx(U), Rx(U) ; jnz =>cold),
        }
        self.round(dst, a, 3 | QUIET, shape);
        shaped!(self, shape, vsubss vsubsd vsubps vsubpd, Rx(U), Rx(a), Rx(dst));
        dynasm!(self.a ; .arch x64 ; vandnps Rx(U), Rx(W), Rx(U) ; vmovdqa Rx(T), [=>half]);
        shaped!(self, shape, vcmpgess vcmpgesd vcmpgeps vcmpgepd, Rx(U), Rx(U), Rx(T));
        dynasm!(self.a
            ; .arch x64
            ; vandps Rx(U), Rx(U), [=>one]
            ; vandps Rx(W), Rx(W), Rx(a)
            ; vorps Rx(U), Rx(U), Rx(W)
        );
        shaped!(self, shape, vaddss vaddsd vaddps vaddpd, Rx(dst), Rx(dst), Rx(U));
        self.finish(repair);
    }

    pub(super) fn change_format(&mut self, val: Val, op: FpOp, inst: &Inst) -> bool {
        let shrinks = match (inst.imm & 0xff, inst.imm >> 8) {
            (64, 32) => true,
            (32, 64) => false,
            _ => return false,
        };
        if shrinks {
            self.clobber_flags();
        }
        let a = self.vector(inst.args[0]);
        let dst = self.define_v(val);
        dynasm!(self.a ; .arch x64 ; vpxor Rx(T), Rx(T), Rx(T));
        if shrinks {
            let repair = self.repair(op, inst, [Loc::Xmm(a), Loc::None, Loc::None], Loc::Xmm(dst));
            dynasm!(self.a ; .arch x64 ; vcvtsd2ss Rx(dst), Rx(T), Rx(a));
            self.unless_least(dst, Shape::Ss, repair);
            self.finish(repair);
        } else {
            dynasm!(self.a ; .arch x64 ; vcvtss2sd Rx(dst), Rx(T), Rx(a));
        }
        true
    }

    pub(super) fn widen(&mut self, val: Val, inst: &Inst) {
        let a = self.vector(inst.args[0]);
        let dst = self.define_v(val);
        dynasm!(self.a ; .arch x64 ; vcvtps2pd Rx(dst), Rx(a));
    }

    pub(super) fn narrow(&mut self, val: Val, op: FpOp, inst: &Inst) {
        self.clobber_flags();
        let a = self.vector(inst.args[0]);
        let dst = self.define_v(val);
        let repair = self.repair(op, inst, [Loc::Xmm(a), Loc::None, Loc::None], Loc::Xmm(dst));
        dynasm!(self.a ; .arch x64 ; vcvtpd2ps Rx(dst), Rx(a));
        self.unless_least(dst, Shape::Ps, repair);
        self.finish(repair);
    }
}
