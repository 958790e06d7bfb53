//! Emitters of moves, bitwise logic and permutations.

use super::encode::{
    S0, S1, S2, VINSERTPS, VPACKUS, VPADDUS, VPALIGNR, VPAND, VPANDN, VPBLENDD, VPBLENDVB, VPBLENDW, VPCMPEQ, VPMOVSX,
    VPMOVZX, VPOR, VPSHUFB, VPSHUFD, VPSUB, VPUNPCKH, VPUNPCKL, VPXOR, VSHUFPS, splat, width,
};
use super::{Emitter, Regs};
use crate::ir::op::vec::split;
use crate::ir::op::{Op, VecOp};
use crate::state::FpEnv;

/// Byte `i` is `i`.
const IDENTITY: u128 = 0x0f0e_0d0c_0b0a_0908_0706_0504_0302_0100;

impl Emitter<'_> {
    pub(super) fn permute(&mut self, op: VecOp, regs: Regs, imm: u64) -> bool {
        use VecOp as O;
        let Regs { d, a, b, c } = regs;
        let (e, n) = split(imm);
        match op {
            O::VZext => self.low_bits(e, d, a),
            O::VUpper => self.bytes_down(d, a, 8),
            O::VAnd => self.vex(VPAND, d, a, b),
            O::VOr => self.vex(VPOR, d, a, b),
            O::VXor => self.vex(VPXOR, d, a, b),
            O::VBic => self.vex(VPANDN, d, b, a),
            O::VNot => self.complement(d, a),
            O::VSelect => {
                self.vex(VPXOR, S0, b, c);
                self.vex(VPAND, S0, S0, a);
                self.vex(VPXOR, d, S0, c);
            }
            O::VDupLane => self.broadcast(e, d, a, n),
            O::VZip1 => self.vex(VPUNPCKL[width(e)], d, a, b),
            O::VZip2 => self.vex(VPUNPCKH[width(e)], d, a, b),
            O::VUzp1 | O::VUzp2 => self.unzip(e, regs, op == O::VUzp2),
            O::VTrn1 | O::VTrn2 => self.transpose(e, regs, op == O::VTrn2),
            O::VExt => self.vex_imm(VPALIGNR, d, b, a, imm as u8),
            O::VTbl => {
                self.table_index(S0, b, imm);
                self.vex(VPSHUFB, d, a, S0);
            }
            O::VTbx => {
                self.table_index(S0, c, imm);
                self.vex(VPSHUFB, S1, b, S0);
                self.blend(VPBLENDVB, d, S1, a, S0);
            }
            O::VRev => match (e, n) {
                (32, 64) => self.vex_imm(VPSHUFD, d, 0, a, 0xb1),
                _ => self.shuffle_as(Op::Vec(op), imm, d, a),
            },
            O::VSxtl => match VPMOVSX[width(e)] {
                Some(extend) => self.vex(extend, d, 0, a),
                None => return false,
            },
            O::VUxtl => match VPMOVZX[width(e)] {
                Some(extend) => self.vex(extend, d, 0, a),
                None => return false,
            },
            O::VXtn => self.truncate(e, d, a),
            O::VLow | O::VHigh | O::VJoin | O::VDup | O::VExtract | O::VInsert => return false,
        }
        true
    }

    /// The low `bits` bits, above them zeros.
    pub(super) fn low_bits(&mut self, bits: u64, d: u8, a: u8) {
        match bits {
            8 => {
                self.bytes_up(d, a, 15);
                self.bytes_down(d, d, 15);
            }
            16 => {
                self.zero(S0);
                self.vex_imm(VPBLENDW, d, S0, a, 1);
            }
            32 => self.vex_imm(VINSERTPS, d, a, a, 0x0e),
            _ => {
                self.zero(S0);
                self.vex_imm(VPBLENDD, d, S0, a, 3);
            }
        }
    }

    /// Lanes of width `2e` cut to `e`, in the low half; zeros above.
    pub(super) fn truncate(&mut self, e: u64, d: u8, a: u8) {
        // From byte indices; those of the upper half name none.
        let low = (Op::Vec(VecOp::VXtn).row().eval)(&mut FpEnv::default(), &[IDENTITY], e);
        self.load_constant(S0, u128::from(u64::MAX) << 64 | low);
        self.vex(VPSHUFB, d, a, S0);
    }

    /// A permutation of the bytes of one vector, found by applying the operation to byte numbers.
    fn shuffle_as(&mut self, op: Op, imm: u64, d: u8, a: u8) {
        let bytes = (op.row().eval)(&mut FpEnv::default(), &[IDENTITY], imm);
        self.load_constant(S0, bytes);
        self.vex(VPSHUFB, d, a, S0);
    }

    /// An index of PSHUFB out of one of TBL: the top bit is set where it lies outside 16 bytes from `base` on.
    fn table_index(&mut self, d: u8, index: u8, base: u64) {
        let mut index = index;
        if base != 0 {
            self.load_constant(S1, splat(8, base));
            self.vex(VPSUB[0], d, index, S1);
            index = d;
        }
        self.load_constant(S1, splat(8, 0x70));
        self.vex(VPADDUS[0].expect("there for bytes"), d, index, S1);
    }

    fn unzip(&mut self, e: u64, Regs { d, a, b, .. }: Regs, odd: bool) {
        match e {
            64 if odd => self.vex(VPUNPCKH[3], d, a, b),
            64 => self.vex(VPUNPCKL[3], d, a, b),
            32 => self.vex_imm(VSHUFPS, d, a, b, if odd { 0xdd } else { 0x88 }),
            _ => {
                if odd {
                    self.shift_lanes(2 * e, 2, S1, a, e);
                    self.shift_lanes(2 * e, 2, S2, b, e);
                } else {
                    self.all_ones(S0);
                    self.shift_lanes(2 * e, 2, S0, S0, e);
                    self.vex(VPAND, S1, a, S0);
                    self.vex(VPAND, S2, b, S0);
                }
                self.vex(VPACKUS[width(e)].expect("there for narrow lanes"), d, S1, S2);
            }
        }
    }

    fn transpose(&mut self, e: u64, Regs { d, a, b, .. }: Regs, odd: bool) {
        if e == 64 {
            return self.vex(if odd { VPUNPCKH[3] } else { VPUNPCKL[3] }, d, a, b);
        }
        // The lanes that move, to where they go.
        let (low, high) = if odd {
            self.shift_lanes(2 * e, 2, S0, a, e);
            (S0, b)
        } else {
            self.shift_lanes(2 * e, 6, S0, b, e);
            (a, S0)
        };
        match e {
            32 => self.vex_imm(VPBLENDD, d, low, high, 0b1010),
            16 => self.vex_imm(VPBLENDW, d, low, high, 0xaa),
            _ => {
                self.vex(VPCMPEQ[1], S1, S1, S1);
                self.shift_lanes(16, 6, S1, S1, 8);
                self.blend(VPBLENDVB, d, low, high, S1);
            }
        }
    }
}
