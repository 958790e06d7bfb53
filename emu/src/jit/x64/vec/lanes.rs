//! Emitters of sums, differences, extremes, averages and comparisons of lanes.

use super::encode::{
    ByWidth, S0, S1, S2, VPABS, VPADD, VPAND, VPANDN, VPAVG, VPCMPEQ, VPCMPGT, VPMAXS, VPMAXU, VPMINS, VPMINU, VPOR,
    VPSUB, VPXOR, splat, width,
};
use super::{Emitter, Regs};
use crate::ir::op::VecArithOp;
use crate::ir::op::vec::split;

impl Emitter<'_> {
    pub(super) fn lane_arithmetic(&mut self, op: VecArithOp, regs: Regs, imm: u64) -> bool {
        use VecArithOp as O;
        let Regs { d, a, b, .. } = regs;
        if self.product(op, regs, imm) || self.count(op, regs, imm) || self.shift_op(op, regs, imm) {
            return true;
        }
        let (e, _) = split(imm);
        if !matches!(e, 8 | 16 | 32 | 64) {
            return false;
        }
        let w = width(e);
        match op {
            O::Add => self.vex(VPADD[w], d, a, b),
            O::Sub => self.vex(VPSUB[w], d, a, b),
            O::Neg => {
                self.zero(S0);
                self.vex(VPSUB[w], d, S0, a);
            }
            O::Abs => self.absolute(w, d, a),
            O::Sabd => return self.distance(VPMAXS, VPMINS, e, regs),
            O::Uabd => return self.distance(VPMAXU, VPMINU, e, regs),
            O::Smax => return self.by_width(VPMAXS, e, regs),
            O::Smin => return self.by_width(VPMINS, e, regs),
            O::Umax => return self.by_width(VPMAXU, e, regs),
            O::Umin => return self.by_width(VPMINU, e, regs),
            O::Shadd | O::Uhadd | O::Srhadd | O::Urhadd | O::Shsub | O::Uhsub => match VPAVG[w] {
                Some(_) => self.halve_narrow(op, e, regs),
                None if e == 32 => self.halve_words(op, regs),
                None => return false,
            },
            O::Cmeq => self.vex(VPCMPEQ[w], d, a, b),
            O::Cmgt => self.vex(VPCMPGT[w], d, a, b),
            O::Cmge => {
                self.vex(VPCMPGT[w], S0, b, a);
                self.complement(d, S0);
            }
            O::Cmhi => {
                self.below(e, S0, b, a);
                self.copy(d, S0);
            }
            O::Cmhs => {
                self.below(e, S0, a, b);
                self.complement(d, S0);
            }
            O::Cmtst => {
                self.vex(VPAND, S0, a, b);
                self.zero(S1);
                self.vex(VPCMPEQ[w], S0, S0, S1);
                self.complement(d, S0);
            }
            O::Addv => {
                self.fold_lanes(e, S0, a, |emitter, d, b| emitter.vex(VPADD[w], d, d, b));
                self.low_bits_of_scratch(e, d);
            }
            O::Smaxv => return self.extreme_lane(VPMAXS, e, d, a),
            O::Sminv => return self.extreme_lane(VPMINS, e, d, a),
            O::Umaxv => return self.extreme_lane(VPMAXU, e, d, a),
            O::Uminv => return self.extreme_lane(VPMINU, e, d, a),
            _ => return false,
        }
        true
    }

    /// An instruction if there is one for this width.
    pub(super) fn by_width(&mut self, table: ByWidth, e: u64, Regs { d, a, b, .. }: Regs) -> bool {
        let Some(op) = table[width(e)] else { return false };
        self.vex(op, d, a, b);
        true
    }

    /// The magnitudes of lanes, of the most negative its own.
    pub(super) fn absolute(&mut self, w: usize, d: u8, a: u8) {
        match VPABS[w] {
            Some(abs) => self.vex(abs, d, 0, a),
            None => {
                self.zero(S0);
                self.vex(VPCMPGT[w], S0, S0, a);
                self.vex(VPXOR, S1, a, S0);
                self.vex(VPSUB[w], d, S1, S0);
            }
        }
    }

    fn distance(&mut self, max: ByWidth, min: ByWidth, e: u64, Regs { d, a, b, .. }: Regs) -> bool {
        let (Some(max), Some(min)) = (max[width(e)], min[width(e)]) else { return false };
        self.vex(max, S0, a, b);
        self.vex(min, S1, a, b);
        self.vex(VPSUB[width(e)], d, S0, S1);
        true
    }

    /// All ones where `a < b`, unsigned; changes S1 and S2.
    pub(super) fn below(&mut self, e: u64, d: u8, a: u8, b: u8) {
        self.load_constant(S2, splat(e, 1 << (e - 1)));
        self.vex(VPXOR, S1, a, S2);
        self.vex(VPXOR, S2, b, S2);
        self.vex(VPCMPGT[width(e)], d, S2, S1);
    }

    /// Halved sums and differences of 8 and 16 bits by PAVG, which halves unsigned sums rounding up. Signed lanes are
    /// moved by half their range and, sums, back; `a - b` halved down is `a - PAVG(a, b)`.
    fn halve_narrow(&mut self, op: VecArithOp, e: u64, Regs { d, a, b, .. }: Regs) {
        use VecArithOp as O;
        let (w, average) = (width(e), VPAVG[width(e)].expect("there for narrow lanes"));
        let signed = matches!(op, O::Shadd | O::Srhadd | O::Shsub);
        let (mut x, mut y) = (a, b);
        if signed {
            self.load_constant(S0, splat(e, 1 << (e - 1)));
            self.vex(VPXOR, S1, a, S0);
            self.vex(VPXOR, S2, b, S0);
            (x, y) = (S1, S2);
        }
        self.vex(average, d, x, y);
        match op {
            O::Shsub | O::Uhsub => return self.vex(VPSUB[w], d, x, d),
            O::Shadd | O::Uhadd => {
                // One less where the sum is odd.
                self.vex(VPXOR, S1, x, y);
                self.load_constant(S2, splat(e, 1));
                self.vex(VPAND, S1, S1, S2);
                self.vex(VPSUB[w], d, d, S1);
            }
            _ => {}
        }
        if signed {
            self.vex(VPXOR, d, d, S0);
        }
    }

    /// Halved sums and differences of words: `a + b` is `2 (a & b) + (a ^ b)` and `2 (a | b) - (a ^ b)`, `a - b` is
    /// `(a ^ b) - 2 (!a & b)`.
    fn halve_words(&mut self, op: VecArithOp, Regs { d, a, b, .. }: Regs) {
        use VecArithOp as O;
        let digit = if matches!(op, O::Shadd | O::Srhadd | O::Shsub) { 4 } else { 2 };
        self.vex(VPXOR, S0, a, b);
        self.shift_lanes(32, digit, S0, S0, 1);
        match op {
            O::Shadd | O::Uhadd => {
                self.vex(VPAND, S1, a, b);
                self.vex(VPADD[2], d, S1, S0);
            }
            O::Srhadd | O::Urhadd => {
                self.vex(VPOR, S1, a, b);
                self.vex(VPSUB[2], d, S1, S0);
            }
            _ => {
                self.vex(VPANDN, S1, a, b);
                self.vex(VPSUB[2], d, S0, S1);
            }
        }
    }

    /// Folds all lanes into the lowest of `d`; the others are then anything. Changes S1.
    fn fold_lanes(&mut self, e: u64, d: u8, a: u8, mut combine: impl FnMut(&mut Self, u8, u8)) {
        self.copy(d, a);
        let mut bytes = 8;
        while 8 * bytes >= e {
            self.bytes_down(S1, d, bytes as u8);
            combine(self, d, S1);
            bytes /= 2;
        }
    }

    /// The lowest lane of S0, above it zeros.
    fn low_bits_of_scratch(&mut self, e: u64, d: u8) {
        self.copy(d, S0);
        self.low_bits(e, d, d);
    }

    fn extreme_lane(&mut self, table: ByWidth, e: u64, d: u8, a: u8) -> bool {
        let Some(op) = table[width(e)] else { return false };
        self.fold_lanes(e, S0, a, |emitter, d, b| emitter.vex(op, d, d, b));
        self.low_bits_of_scratch(e, d);
        true
    }
}
