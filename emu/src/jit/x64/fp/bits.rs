//! Comparison, selection and signs.

use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};

use super::super::Emitter;
use super::{Shape, shaped};
use crate::ir::block::{Inst, Val};
use crate::ir::op::FpOp;

impl Emitter<'_> {
    /// Negation, or absolute value, of any format.
    pub(super) fn sign_bits(&mut self, val: Val, inst: &Inst, e: u64, negate: bool, vector: bool) {
        let a = inst.args[0];
        let ra = self.vector(a);
        let dst = self.define_v(val);
        let lanes = if vector { 128 / e } else { 1 };
        let sign = (0..lanes).fold(0u128, |all, i| all | 1 << (e * i + e - 1));
        let whole = if vector { u128::MAX } else { (1 << e) - 1 };
        if !negate {
            let mask = self.pooled(whole & !sign);
            dynasm!(self.a ; .arch x64 ; vandps Rx(dst), Rx(ra), [=>mask]);
            return;
        }
        let sign = self.pooled(sign);
        dynasm!(self.a ; .arch x64 ; vxorps Rx(dst), Rx(ra), [=>sign]);
        if !vector && !self.is_clean(a, e) {
            let mask = self.pooled(whole);
            dynasm!(self.a ; .arch x64 ; vandps Rx(dst), Rx(dst), [=>mask]);
        }
    }

    /// All ones or zeros. As on Arm, a quiet NaN is invalid but for equality.
    pub(super) fn mask(&mut self, val: Val, op: FpOp, inst: &Inst, shape: Shape) {
        use FpOp as O;
        let [a, b, ..] = inst.args;
        let (ra, rb) = (self.vector(a), self.vector(b));
        let dst = self.define_v(val);
        match op {
            O::FCmeq | O::VFCmeq => {
                shaped!(self, shape, vcmpeqss vcmpeqsd vcmpeqps vcmpeqpd, Rx(dst), Rx(ra), Rx(rb));
            }
            O::FCmge | O::VFCmge => {
                shaped!(self, shape, vcmpgess vcmpgesd vcmpgeps vcmpgepd, Rx(dst), Rx(ra), Rx(rb));
            }
            _ => shaped!(self, shape, vcmpgtss vcmpgtsd vcmpgtps vcmpgtpd, Rx(dst), Rx(ra), Rx(rb)),
        }
        self.clean(dst, a, shape);
    }

    /// Comparison to NZCV: in the host's flags when the next instruction writes it there, else as an integer.
    pub(super) fn compare(&mut self, val: Val, inst: &Inst, shape: Shape, signal: bool) {
        let direct = self.feeds_nzcv(val);
        if direct {
            self.discard_flags();
        } else {
            self.clobber_flags();
        }
        let [a, b, ..] = inst.args;
        let (ra, rb) = (self.vector(a), self.vector(b));
        if signal {
            shaped!(self, shape, vcomiss vcomisd vcomiss vcomisd, Rx(ra), Rx(rb));
        } else {
            shaped!(self, shape, vucomiss vucomisd vucomiss vucomisd, Rx(ra), Rx(rb));
        }
        if direct {
            // 2 less 1 for greater, 1 less 1 for equal, 0 less 1 for less; unordered, -128 less 1 overflows.
            dynasm!(self.a
                ; .arch x64
                ; seta al
                ; setae cl
                ; setp dl
                ; add al, cl
                ; shl dl, 7
                ; or al, dl
                ; cmp al, 1
            );
            self.set_host_flags(val);
            return;
        }
        let dst = self.define(val);
        // ZF, PF and CF give 0 for greater, 1 for less, 4 for equal, 7 for unordered: the number of a nibble.
        dynasm!(self.a
            ; .arch x64
            ; lahf
            ; shr eax, 8
            ; mov ecx, 0x45
            ; pext ecx, eax, ecx
            ; shl ecx, 2
            ; mov eax, 0x3006_0082
            ; shrx eax, eax, ecx
            ; and eax, 15
            ; mov Rd(dst), eax
        );
    }

    /// By way of general registers, where moves clear what is above the lane.
    pub(super) fn select_fp(&mut self, val: Val, inst: &Inst, e: u64) {
        let [c, a, b, ..] = inst.args;
        let (ra, rb) = (self.vector(a), self.vector(b));
        let condition = self.host_test(c);
        let dst = self.define_v(val);
        dynasm!(self.a ; .arch x64 ; vmovq rax, Rx(rb) ; vmovq rcx, Rx(ra));
        self.move_if(condition, 1);
        match e {
            16 => dynasm!(self.a ; .arch x64 ; movzx eax, ax ; vmovd Rx(dst), eax),
            32 => dynasm!(self.a ; .arch x64 ; vmovd Rx(dst), eax),
            _ => dynasm!(self.a ; .arch x64 ; vmovq Rx(dst), rax),
        }
    }
}
