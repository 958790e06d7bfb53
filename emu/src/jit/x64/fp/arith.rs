//! Sums, products, quotients, roots, fused sums, extremes.

use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};

use super::super::super::site::Loc;
use super::super::Emitter;
use super::{Shape, T, shaped};
use crate::ir::block::{Inst, Val};
use crate::ir::op::FpOp;

impl Emitter<'_> {
    pub(super) fn arith(&mut self, val: Val, op: FpOp, inst: &Inst, shape: Shape) {
        use FpOp as O;
        self.clobber_flags();
        let [a, b, ..] = inst.args;
        let (ra, rb) = (self.vector(a), self.vector(b));
        let dst = self.define_v(val);
        let repair = self.repair(op, inst, [Loc::Xmm(ra), Loc::Xmm(rb), Loc::None], Loc::Xmm(dst));
        match op {
            O::FAdd | O::VFAdd => {
                shaped!(self, shape, vaddss vaddsd vaddps vaddpd, Rx(dst), Rx(ra), Rx(rb));
            }
            O::FSub | O::VFSub => {
                shaped!(self, shape, vsubss vsubsd vsubps vsubpd, Rx(dst), Rx(ra), Rx(rb));
            }
            O::FMul | O::VFMul => {
                shaped!(self, shape, vmulss vmulsd vmulps vmulpd, Rx(dst), Rx(ra), Rx(rb));
            }
            _ => shaped!(self, shape, vdivss vdivsd vdivps vdivpd, Rx(dst), Rx(ra), Rx(rb)),
        }
        self.unless_nan(dst, shape, repair);
        if matches!(op, O::FMul | O::VFMul) {
            self.unless_least(dst, shape, repair);
        }
        self.clean(dst, a, shape);
        self.finish(repair);
    }

    pub(super) fn sqrt(&mut self, val: Val, op: FpOp, inst: &Inst, shape: Shape) {
        self.clobber_flags();
        let a = self.vector(inst.args[0]);
        let dst = self.define_v(val);
        let repair = self.repair(op, inst, [Loc::Xmm(a), Loc::None, Loc::None], Loc::Xmm(dst));
        match shape {
            Shape::Ss => dynasm!(self.a ; .arch x64 ; vpxor Rx(T), Rx(T), Rx(T) ; vsqrtss Rx(dst), Rx(T), Rx(a)),
            Shape::Sd => dynasm!(self.a ; .arch x64 ; vpxor Rx(T), Rx(T), Rx(T) ; vsqrtsd Rx(dst), Rx(T), Rx(a)),
            Shape::Ps => dynasm!(self.a ; .arch x64 ; vsqrtps Rx(dst), Rx(a)),
            Shape::Pd => dynasm!(self.a ; .arch x64 ; vsqrtpd Rx(dst), Rx(a)),
        }
        self.unless_nan(dst, shape, repair);
        self.finish(repair);
    }

    pub(super) fn fma(&mut self, val: Val, op: FpOp, inst: &Inst, shape: Shape) {
        self.clobber_flags();
        let [d, a, b, ..] = inst.args;
        let (rd, ra, rb) = (self.vector(d), self.vector(a), self.vector(b));
        let dst = self.define_v(val);
        let repair = self.repair(op, inst, [Loc::Xmm(rd), Loc::Xmm(ra), Loc::Xmm(rb)], Loc::Xmm(dst));
        dynasm!(self.a ; .arch x64 ; vmovaps Rx(dst), Rx(rd));
        match shape {
            Shape::Ss => dynasm!(self.a ; .arch x64 ; vfmadd231ss Rx(dst), Rx(ra), Rx(rb)),
            Shape::Sd => dynasm!(self.a ; .arch x64 ; vfmadd231sd Rx(dst), Rx(ra), Rx(rb)),
            Shape::Ps => dynasm!(self.a ; .arch x64 ; vfmadd231ps Rx(dst), Rx(ra), Rx(rb)),
            // VFMADD231PD, which the assembler takes for VFMADD231PS: VEX.128.66.0F38.W1 B8 /r.
            Shape::Pd => self.a.extend([
                0xc4,
                0x42 | (!dst >> 3 & 1) << 7 | (!rb >> 3 & 1) << 5,
                0x81 | (!ra & 15) << 3,
                0xb8,
                0xc0 | (dst & 7) << 3 | rb & 7,
            ]),
        }
        self.unless_nan(dst, shape, repair);
        self.unless_least(dst, shape, repair);
        self.clean(dst, d, shape);
        self.finish(repair);
    }

    /// Maxima and minima. NaNs are looked for first, since the host takes quiet ones for invalid. Of two zeros the host
    /// gives its second operand: both orders are tried, and the sign is negative in both or in either.
    pub(super) fn extreme(&mut self, val: Val, op: FpOp, inst: &Inst, shape: Shape, largest: bool) {
        self.clobber_flags();
        let [a, b, ..] = inst.args;
        let (ra, rb) = (self.vector(a), self.vector(b));
        let dst = self.define_v(val);
        let repair = self.repair(op, inst, [Loc::Xmm(ra), Loc::Xmm(rb), Loc::None], Loc::Xmm(dst));
        let cold = repair.cold;
        if shape.is_vector() {
            shaped!(self, shape, vcmpunordss vcmpunordsd vcmpunordps vcmpunordpd, Rx(T), Rx(ra), Rx(rb));
            dynasm!(self.a ; .arch x64 ; vptest Rx(T), Rx(T) ; jnz =>cold);
        } else {
            shaped!(self, shape, vucomiss vucomisd vucomiss vucomisd, Rx(ra), Rx(rb));
            dynasm!(self.a ; .arch x64 ; jp =>cold);
        }
        if largest {
            shaped!(self, shape, vmaxss vmaxsd vmaxps vmaxpd, Rx(T), Rx(rb), Rx(ra));
            shaped!(self, shape, vmaxss vmaxsd vmaxps vmaxpd, Rx(dst), Rx(ra), Rx(rb));
            dynasm!(self.a ; .arch x64 ; vandps Rx(dst), Rx(dst), Rx(T));
        } else {
            shaped!(self, shape, vminss vminsd vminps vminpd, Rx(T), Rx(rb), Rx(ra));
            shaped!(self, shape, vminss vminsd vminps vminpd, Rx(dst), Rx(ra), Rx(rb));
            dynasm!(self.a ; .arch x64 ; vorps Rx(dst), Rx(dst), Rx(T));
        }
        // Above lane 0 both arguments have left something.
        let dirty = if self.is_clean(a, shape.e()) { b } else { a };
        self.clean(dst, dirty, shape);
        self.finish(repair);
    }
}
