//! Emitters of operations on the bits of lanes: counting and reversing.

use super::encode::{S0, S1, S2, VPADD, VPAND, VPCMPEQ, VPOR, VPSHUFB, VPXOR, splat, width};
use super::{Emitter, Regs};
use crate::ir::op::VecArithOp;

/// By nibble: count of ones, count of leading zeros of four, the nibble reversed.
const ONES: u128 = 0x0403_0302_0302_0201_0302_0201_0201_0100;
const ZEROS: u128 = 0x0000_0000_0000_0000_0101_0101_0202_0304;
const REVERSED: u128 = 0x0f07_0b03_0d05_0901_0e06_0a02_0c04_0800;

impl Emitter<'_> {
    pub(super) fn count(&mut self, op: VecArithOp, Regs { d, a, .. }: Regs, e: u64) -> bool {
        use VecArithOp as O;
        match op {
            O::Cnt => {
                self.nibbles(a);
                self.load_constant(S2, ONES);
                self.vex(VPSHUFB, S0, S2, S0);
                self.vex(VPSHUFB, S1, S2, S1);
                self.vex(VPADD[0], d, S0, S1);
            }
            O::Rbit => {
                self.nibbles(a);
                self.load_constant(S2, REVERSED);
                self.vex(VPSHUFB, S1, S2, S1);
                self.shift_lanes(16, 6, S2, S2, 4);
                self.vex(VPSHUFB, S0, S2, S0);
                self.vex(VPOR, d, S0, S1);
            }
            O::Clz if e < 64 => self.leading_zeros(e, d, a),
            O::Cls if e < 64 => {
                // Ones below the first bit that differs from the sign.
                self.shift_right_signed(e, S0, a, 1);
                self.vex(VPXOR, d, S0, a);
                self.leading_zeros(e, d, d);
                self.all_ones(S0);
                self.vex(VPADD[width(e)], d, d, S0);
            }
            _ => return false,
        }
        true
    }

    /// The nibbles of `a`: the low ones in S0, the high ones in S1.
    fn nibbles(&mut self, a: u8) {
        self.load_constant(S2, splat(8, 0x0f));
        self.shift_lanes(16, 2, S1, a, 4);
        self.vex(VPAND, S1, S1, S2);
        self.vex(VPAND, S0, a, S2);
    }

    /// Counts of leading zeros: of nibbles first, then doubling: the upper half's, and where that is all zeros the lower
    /// half's too.
    fn leading_zeros(&mut self, e: u64, d: u8, a: u8) {
        self.nibbles(a);
        self.load_constant(S2, ZEROS);
        self.vex(VPSHUFB, S0, S2, S0);
        self.vex(VPSHUFB, d, S2, S1);
        self.zero(S2);
        self.vex(VPCMPEQ[0], S1, S1, S2);
        self.vex(VPAND, S0, S0, S1);
        self.vex(VPADD[0], d, d, S0);
        let mut half = 8;
        while half < e {
            let w = width(2 * half);
            self.load_constant(S2, splat(2 * half, half));
            self.shift_lanes(2 * half, 6, S0, d, half);
            self.shift_lanes(2 * half, 2, S0, S0, half);
            self.shift_lanes(2 * half, 2, d, d, half);
            self.vex(VPCMPEQ[w], S1, d, S2);
            self.vex(VPAND, S0, S0, S1);
            self.vex(VPADD[w], d, d, S0);
            half *= 2;
        }
    }
}
