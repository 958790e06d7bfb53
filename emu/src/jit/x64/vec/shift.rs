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
            O::Ushl | O::Sshl => return self.shift_by_lanes(e, regs, op == O::Sshl),
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
    fn shift_by_lanes(&mut self, e: u64, Regs { d, a, b, .. }: Regs, signed: bool) -> bool {
        let w = width(e);
        let (Some(left), Some(right)) = (VPSLLV[w], VPSRLV[w]) else { return false };
        self.load_constant(S2, splat(e, 0xff));
        self.zero(S1);
        self.vex(VPSUB[w], S1, S1, b);
        self.vex(VPAND, S1, S1, S2);
        self.vex(VPAND, S0, b, S2);
        self.vex(left, S0, a, S0);
        if !signed {
            self.vex(right, S1, a, S1);
            self.vex(VPOR, d, S0, S1);
            return true;
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
        true
    }
}
