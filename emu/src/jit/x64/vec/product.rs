//! Emitters of products and of sums of neighbours.

use super::encode::{
    S0, S1, S2, VPADD, VPAND, VPBLENDD, VPCMPGT, VPHADDD, VPMADDUBSW, VPMADDWD, VPMOVSX, VPMOVZX, VPMULDQ, VPMULHUW,
    VPMULHW, VPMULLD, VPMULLW, VPMULUDQ, VPOR, VPSHUFD, VPUNPCKH, VPUNPCKL, VPXOR, splat, width,
};
use super::{Emitter, Regs};
use crate::ir::op::VecArithOp;

impl Emitter<'_> {
    pub(super) fn product(&mut self, op: VecArithOp, regs: Regs, e: u64) -> bool {
        use VecArithOp as O;
        let Regs { d, a, b, c } = regs;
        match (op, e) {
            (O::Mul, 8) => {
                self.vex(VPMULLW, S0, a, b);
                self.shift_lanes(16, 6, S0, S0, 8);
                self.shift_lanes(16, 2, S0, S0, 8);
                self.shift_lanes(16, 2, S1, a, 8);
                self.shift_lanes(16, 2, S2, b, 8);
                self.vex(VPMULLW, S1, S1, S2);
                self.shift_lanes(16, 6, S1, S1, 8);
                self.vex(VPOR, d, S0, S1);
            }
            (O::Mul, 16) => self.vex(VPMULLW, d, a, b),
            (O::Mul, 32) => self.vex(VPMULLD, d, a, b),
            (O::Smull | O::Umull, 8 | 16 | 32) => self.long_product(op == O::Smull, e, d, a, b),
            (O::Pmul, _) => {
                // Horner's scheme over the bits of b, from the highest.
                self.zero(d);
                self.copy(S0, b);
                for _ in 0..8 {
                    self.zero(S1);
                    self.vex(VPCMPGT[0], S1, S1, S0);
                    self.vex(VPAND, S1, S1, a);
                    self.vex(VPADD[0], d, d, d);
                    self.vex(VPXOR, d, d, S1);
                    self.vex(VPADD[0], S0, S0, S0);
                }
            }
            (O::Pmull, _) => {
                self.zero(d);
                self.vex(VPUNPCKL[0], S0, d, b);
                self.vex(VPUNPCKL[0], S2, a, d);
                for _ in 0..8 {
                    self.shift_lanes(16, 4, S1, S0, 15);
                    self.vex(VPAND, S1, S1, S2);
                    self.vex(VPADD[1], d, d, d);
                    self.vex(VPXOR, d, d, S1);
                    self.vex(VPADD[1], S0, S0, S0);
                }
            }
            (O::Sdot, _) => {
                let extend = VPMOVSX[0].expect("there for bytes");
                self.vex(extend, S0, 0, b);
                self.vex(extend, S1, 0, c);
                self.vex(VPMADDWD, d, S0, S1);
                self.bytes_down(S0, b, 8);
                self.bytes_down(S1, c, 8);
                self.vex(extend, S0, 0, S0);
                self.vex(extend, S1, 0, S1);
                self.add_dot(d, a);
            }
            (O::Udot, _) => {
                let extend = VPMOVZX[0].expect("there for bytes");
                self.vex(extend, S0, 0, b);
                self.vex(extend, S1, 0, c);
                self.vex(VPMADDWD, d, S0, S1);
                self.zero(S2);
                self.vex(VPUNPCKH[0], S0, b, S2);
                self.vex(VPUNPCKH[0], S1, c, S2);
                self.add_dot(d, a);
            }
            (O::Saddlp | O::Uaddlp, 8) => {
                self.load_constant(S0, splat(8, 1));
                // The first factor is unsigned, the second signed.
                let (first, second) = if op == O::Uaddlp { (a, S0) } else { (S0, a) };
                self.vex(VPMADDUBSW, d, first, second);
            }
            (O::Saddlp, 16) => {
                self.load_constant(S0, splat(16, 1));
                self.vex(VPMADDWD, d, a, S0);
            }
            (O::Saddlp, 32) => {
                self.shift_lanes(32, 4, S0, a, 31);
                self.vex_imm(VPSHUFD, S1, 0, a, 0xf5);
                self.vex_imm(VPBLENDD, S1, S1, S0, 0b1010);
                self.vex_imm(VPSHUFD, S0, 0, S0, 0xa0);
                self.vex_imm(VPBLENDD, S0, a, S0, 0b1010);
                self.vex(VPADD[3], d, S0, S1);
            }
            (O::Uaddlp, 16 | 32) => {
                self.shift_lanes(2 * e, 2, S0, a, e);
                self.shift_lanes(2 * e, 6, S1, a, e);
                self.shift_lanes(2 * e, 2, S1, S1, e);
                self.vex(VPADD[width(2 * e)], d, S0, S1);
            }
            _ => return false,
        }
        true
    }

    /// Ends a dot product: `d` has sums of pairs of the low half, S0 and S1 the factors of the high half.
    fn add_dot(&mut self, d: u8, a: u8) {
        self.vex(VPMADDWD, S0, S0, S1);
        self.vex(VPHADDD, d, d, S0);
        self.vex(VPADD[2], d, d, a);
    }

    /// Products of the low halves, twice as wide; `e` is 8, 16 or 32.
    pub(super) fn long_product(&mut self, signed: bool, e: u64, d: u8, a: u8, b: u8) {
        match e {
            8 => {
                let extend = if signed { VPMOVSX[0] } else { VPMOVZX[0] }.expect("there for bytes");
                self.vex(extend, S0, 0, a);
                self.vex(extend, S1, 0, b);
                self.vex(VPMULLW, d, S0, S1);
            }
            16 => {
                self.vex(VPMULLW, S0, a, b);
                self.vex(if signed { VPMULHW } else { VPMULHUW }, S1, a, b);
                self.vex(VPUNPCKL[1], d, S0, S1);
            }
            _ => {
                self.vex_imm(VPSHUFD, S0, 0, a, 0x10);
                self.vex_imm(VPSHUFD, S1, 0, b, 0x10);
                self.vex(if signed { VPMULDQ } else { VPMULUDQ }, d, S0, S1);
            }
        }
    }
}
