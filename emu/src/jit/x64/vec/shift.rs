//! Emitters of shifts.

use super::encode::{
    S0, S1, S2, VBLENDVPD, VBLENDVPS, VPACKSS, VPADD, VPAND, VPCMPGT, VPOR, VPSLLV, VPSRAVD, VPSRLV, VPSUB, VPUNPCKH,
    VPUNPCKL, VPXOR, splat, width,
};
use super::{Emitter, Regs};
use crate::ir::op::VecArithOp;
use crate::ir::op::vec::lanes::ones;
use crate::ir::op::vec::split;

impl Emitter<'_> {
    pub(super) fn shift_op(&mut self, op: VecArithOp, regs: Regs, imm: u64) -> bool {
        use VecArithOp as O;
        let Regs { d, a, b, .. } = regs;
        let (e, n) = split(imm);
        match op {
            O::Shl => self.shift_left(e, d, a, n),
            O::Ushr => self.shift_right(e, d, a, n),
            O::Sshr => self.shift_right_signed(e, d, a, n),
            O::Urshr | O::Srshr => {
                let shift = if op == O::Urshr { Self::shift_right } else { Self::shift_right_signed };
                if n == 0 {
                    self.copy(d, a);
                    return true;
                }
                // The last bit that is shifted out rounds up.
                self.shift_right(e, S0, a, n - 1);
                self.load_constant(S1, splat(e, 1));
                self.vex(VPAND, S0, S0, S1);
                shift(self, e, d, a, n);
                self.vex(VPADD[width(e)], d, d, S0);
            }
            O::Sli => {
                self.shift_left(e, d, b, n);
                self.load_constant(S1, splat(e, !(u64::MAX << n)));
                self.vex(VPAND, S1, S1, a);
                self.vex(VPOR, d, d, S1);
            }
            O::Sri => {
                self.shift_right(e, d, b, n);
                self.load_constant(S1, splat(e, !ones(e).checked_shr(n as u32).unwrap_or(0)));
                self.vex(VPAND, S1, S1, a);
                self.vex(VPOR, d, d, S1);
            }
            O::Ushl | O::Sshl if e >= 32 => self.shift_by_lanes(e, regs, op == O::Sshl),
            O::Ushl | O::Sshl => self.shift_by_lanes_as_words(e, regs, op == O::Sshl, false),
            O::Urshl | O::Srshl if e <= 32 => self.shift_by_lanes_as_words(e, regs, op == O::Srshl, true),
            _ => return false,
        }
        true
    }

    /// Logical shift left by `n`, below `e`; changes S1.
    pub(super) fn shift_left(&mut self, e: u64, d: u8, a: u8, n: u64) {
        self.shift_lanes(e.max(16), 6, d, a, n);
        if e == 8 {
            self.load_constant(S1, splat(8, 0xff << n));
            self.vex(VPAND, d, d, S1);
        }
    }

    /// Logical shift right by `n`, up to `e`; changes S1.
    pub(super) fn shift_right(&mut self, e: u64, d: u8, a: u8, n: u64) {
        self.shift_lanes(e.max(16), 2, d, a, n);
        if e == 8 {
            self.load_constant(S1, splat(8, 0xff >> n));
            self.vex(VPAND, d, d, S1);
        }
    }

    /// Arithmetic shift right by `n`, up to `e`; changes S1 and S2.
    pub(super) fn shift_right_signed(&mut self, e: u64, d: u8, a: u8, n: u64) {
        match e {
            8 => {
                // Each byte as the upper one of a word.
                self.vex(VPUNPCKL[0], S1, a, a);
                self.vex(VPUNPCKH[0], S2, a, a);
                self.shift_lanes(16, 4, S1, S1, 8 + n);
                self.shift_lanes(16, 4, S2, S2, 8 + n);
                self.vex(VPACKSS[0].expect("there for bytes"), d, S1, S2);
            }
            64 => {
                self.zero(S1);
                self.vex(VPCMPGT[3], S1, S1, a);
                self.shift_lanes(64, 6, S1, S1, 64 - n);
                self.shift_lanes(64, 2, d, a, n);
                self.vex(VPOR, d, d, S1);
            }
            _ => self.shift_lanes(e, 4, d, a, n),
        }
    }

    /// Shift left, or right, by the signed low byte of each lane of `b`: both ways, by counts that as bytes without a
    /// sign are beyond the width for the way that is not meant.
    fn shift_by_lanes(&mut self, e: u64, Regs { d, a, b, .. }: Regs, signed: bool) {
        let w = width(e);
        let (left, right) = (VPSLLV[w], VPSRLV[w]);
        self.load_constant(S2, splat(e, 0xff));
        self.zero(S1);
        self.vex(VPSUB[w], S1, S1, b);
        self.vex(VPAND, S1, S1, S2);
        self.vex(VPAND, S0, b, S2);
        self.vex(left, S0, a, S0);
        if !signed {
            self.vex(right, S1, a, S1);
            return self.vex(VPOR, d, S0, S1);
        }
        if e == 32 {
            self.vex(VPSRAVD, S1, a, S1);
        } else {
            self.zero(S2);
            self.vex(VPCMPGT[w], S2, S2, a);
            self.vex(VPXOR, d, a, S2);
            self.vex(right, d, d, S1);
            self.vex(VPXOR, S1, d, S2);
        }
        self.shift_lanes(e, 6, S2, b, e - 8);
        self.blend(if e == 32 { VBLENDVPS } else { VBLENDVPD }, d, S0, S1, S2);
    }

    /// As [`Emitter::shift_by_lanes`] for lanes of up to 32 bits: those at each place within a word, extended to words.
    fn shift_by_lanes_as_words(&mut self, e: u64, Regs { d, a, b, .. }: Regs, signed: bool, round: bool) {
        let (x, count) = (self.vector_temporary(), self.vector_temporary());
        let extend = if signed { 4 } else { 2 };
        for place in (0..32).step_by(e as usize) {
            self.shift_lanes(32, 6, x, a, 32 - e - place);
            self.shift_lanes(32, extend, x, x, 32 - e);
            self.shift_lanes(32, 6, count, b, 24 - place);
            self.shift_lanes(32, 2, count, count, 24);
            self.shift_word(x, count, signed, round);
            self.shift_lanes(32, 6, S0, S0, 32 - e);
            self.shift_lanes(32, 2, S0, S0, 32 - e - place);
            if place == 0 {
                self.copy(d, S0);
            } else {
                self.vex(VPOR, d, d, S0);
            }
        }
    }

    /// Words `x` shifted by the signed bytes that `count` holds without a sign, to S0.
    fn shift_word(&mut self, x: u8, count: u8, signed: bool, round: bool) {
        let right = if signed { VPSRAVD } else { VPSRLV[2] };
        self.load_constant(S2, splat(32, 0xff));
        self.zero(S1);
        self.vex(VPSUB[2], S1, S1, count);
        self.vex(VPAND, S1, S1, S2);
        self.vex(right, S0, x, S1);
        if round {
            // The last bit that is shifted out rounds up.
            self.all_ones(S2);
            self.vex(VPADD[2], S1, S1, S2);
            self.vex(right, S1, x, S1);
            self.shift_lanes(32, 6, S1, S1, 31);
            self.shift_lanes(32, 2, S1, S1, 31);
            self.vex(VPADD[2], S0, S0, S1);
        }
        self.vex(VPSLLV[2], S1, x, count);
        self.shift_lanes(32, 6, S2, count, 24);
        self.blend(VBLENDVPS, S0, S1, S0, S2);
    }
}
