//! Emitters of saturating operations: the result is compared with what it would be without saturation, and where they
//! differ FPSR.QC is set.
//!
//! Left out: saturating shifts, sums of mixed signs, SQRDMLAH.

use std::mem::offset_of;

use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};

use super::super::frame::{self, Frame};
use super::encode::{
    ByWidth, S0, S1, S2, VBLENDVPD, VBLENDVPS, VPACKSS, VPACKUS, VPADD, VPADDS, VPADDUS, VPAND, VPANDN, VPBLENDD,
    VPCMPEQ, VPCMPGT, VPMINU, VPMOVSX, VPMOVZX, VPMULDQ, VPMULHRSW, VPMULHW, VPMULLW, VPOR, VPSHUFD, VPSUB, VPSUBS,
    VPSUBUS, VPXOR, Vex, splat, width,
};
use super::{Emitter, Regs};
use crate::ir::op::VecSatOp;
use crate::ir::op::vec::lanes::ones;
use crate::state::{CpuState, FpEnv};

/// Displacement of FPSR.
const FPSR: i32 = frame::at(offset_of!(Frame, s) + offset_of!(CpuState, fp) + offset_of!(FpEnv, fpsr));
const QC: i32 = 1 << 27;

impl Emitter<'_> {
    pub(super) fn saturating(&mut self, op: VecSatOp, regs: Regs, e: u64) -> bool {
        use VecSatOp as O;
        let Regs { d, a, b, .. } = regs;
        if !matches!(e, 8 | 16 | 32 | 64) {
            return false;
        }
        let w = width(e);
        match op {
            O::Sqadd => match VPADDS[w] {
                Some(add) => self.saturate_by(add, VPADD[w], regs),
                None => self.saturate_wide(e, regs, false),
            },
            O::Sqsub => match VPSUBS[w] {
                Some(sub) => self.saturate_by(sub, VPSUB[w], regs),
                None => self.saturate_wide(e, regs, true),
            },
            O::Uqadd => match VPADDUS[w] {
                Some(add) => self.saturate_by(add, VPADD[w], regs),
                None => {
                    self.vex(VPADD[w], S0, a, b);
                    self.below(e, d, S0, a);
                    self.vex(VPOR, d, d, S0);
                    self.saturated_where_different(d, S0);
                }
            },
            O::Uqsub => match VPSUBUS[w] {
                Some(sub) => self.saturate_by(sub, VPSUB[w], regs),
                None => {
                    self.vex(VPSUB[w], S0, a, b);
                    self.below(e, d, a, b);
                    self.vex(VPANDN, d, d, S0);
                    self.saturated_where_different(d, S0);
                }
            },
            O::Sqabs => {
                self.absolute(w, d, a);
                self.repair_minimum(e, d);
            }
            O::Sqneg => {
                self.zero(S0);
                self.vex(VPSUB[w], d, S0, a);
                self.repair_minimum(e, d);
            }
            O::Sqxtn | O::Uqxtn | O::Sqxtun if e < 64 => self.narrow_saturating(op, e, d, a),
            O::Sqdmulh | O::Sqrdmulh if e == 16 || e == 32 => {
                self.high_product(op == O::Sqrdmulh, e, regs);
                self.repair_minimum(e, d);
            }
            O::Sqdmull if e == 16 || e == 32 => {
                self.long_product(true, e, d, a, b);
                self.vex(VPADD[w + 1], d, d, d);
                self.repair_minimum(2 * e, d);
            }
            _ => return false,
        }
        true
    }

    fn saturate_by(&mut self, saturating: Vex, wrapping: Vex, Regs { d, a, b, .. }: Regs) {
        self.vex(saturating, d, a, b);
        self.vex(wrapping, S0, a, b);
        self.saturated_where_different(d, S0);
    }

    /// Signed sum or difference of 32 or 64 bits.
    fn saturate_wide(&mut self, e: u64, Regs { d, a, b, .. }: Regs, subtract: bool) {
        let w = width(e);
        self.vex(if subtract { VPSUB[w] } else { VPADD[w] }, S0, a, b);
        // Overflow: the result's sign is not that of `a`, and those of the arguments agree (differ, to subtract).
        self.vex(VPXOR, S1, a, S0);
        self.vex(VPXOR, S2, b, if subtract { a } else { S0 });
        self.vex(VPAND, S1, S1, S2);
        self.zero(d);
        self.vex(VPCMPGT[w], d, d, a);
        self.load_constant(S2, splat(e, ones(e) >> 1));
        self.vex(VPXOR, d, d, S2);
        self.blend(if e == 32 { VBLENDVPS } else { VBLENDVPD }, d, S0, d, S1);
        self.saturated_where_different(d, S0);
    }

    /// The most negative number can only be an overflow of the most positive one.
    fn repair_minimum(&mut self, e: u64, d: u8) {
        self.load_constant(S0, splat(e, 1 << (e - 1)));
        self.vex(VPCMPEQ[width(e)], S0, S0, d);
        self.vex(VPXOR, d, d, S0);
        self.saturated(S0);
    }

    /// High half of twice the product, rounded or not; only the square of the most negative number overflows.
    fn high_product(&mut self, round: bool, e: u64, Regs { d, a, b, .. }: Regs) {
        match (e, round) {
            (16, true) => self.vex(VPMULHRSW, d, a, b),
            (16, false) => {
                self.vex(VPMULHW, S0, a, b);
                self.vex(VPMULLW, S1, a, b);
                self.vex(VPADD[1], S0, S0, S0);
                self.shift_lanes(16, 2, S1, S1, 15);
                self.vex(VPOR, d, S0, S1);
            }
            _ => {
                self.vex(VPMULDQ, S0, a, b);
                self.shift_lanes(64, 2, S1, a, 32);
                self.shift_lanes(64, 2, S2, b, 32);
                self.vex(VPMULDQ, S1, S1, S2);
                if round {
                    self.load_constant(S2, splat(64, 1 << 30));
                    self.vex(VPADD[3], S0, S0, S2);
                    self.vex(VPADD[3], S1, S1, S2);
                }
                self.shift_lanes(64, 2, S0, S0, 31);
                self.vex(VPADD[3], S1, S1, S1);
                self.vex_imm(VPBLENDD, d, S0, S1, 0b1010);
            }
        }
    }

    fn narrow_saturating(&mut self, op: VecSatOp, e: u64, d: u8, a: u8) {
        use VecSatOp as O;
        let w = width(e);
        let back: ByWidth = if op == O::Sqxtn { VPMOVSX } else { VPMOVZX };
        if e == 32 {
            self.narrow_doublewords(op, d, a);
        } else {
            let mut from = a;
            if op == O::Uqxtn {
                self.load_constant(S1, splat(2 * e, ones(e)));
                self.vex(VPMINU[w + 1].expect("there for narrow lanes"), S1, S1, a);
                from = S1;
            }
            let pack = if op == O::Sqxtn { VPACKSS } else { VPACKUS };
            self.zero(S0);
            self.vex(pack[w].expect("there for narrow lanes"), d, from, S0);
        }
        self.vex(back[w].expect("there below 64 bits"), S0, 0, d);
        self.saturated_where_different(a, S0);
    }

    /// By the low words (S0) and the high ones (S1).
    fn narrow_doublewords(&mut self, op: VecSatOp, d: u8, a: u8) {
        self.vex_imm(VPSHUFD, S0, 0, a, 0x08);
        self.vex_imm(VPSHUFD, S1, 0, a, 0x0d);
        match op {
            VecSatOp::Sqxtn => {
                self.shift_lanes(32, 4, S2, S0, 31);
                self.vex(VPCMPEQ[2], S2, S2, S1);
                self.shift_lanes(32, 4, S1, S1, 31);
                self.load_constant(d, splat(32, 0x7fff_ffff));
                self.vex(VPXOR, S1, S1, d);
                self.blend(VBLENDVPS, d, S1, S0, S2);
            }
            VecSatOp::Uqxtn => {
                self.zero(S2);
                self.vex(VPCMPEQ[2], S1, S1, S2);
                self.complement(S1, S1);
                self.vex(VPOR, d, S0, S1);
            }
            _ => {
                self.zero(S2);
                self.vex(VPCMPGT[2], S2, S1, S2);
                self.vex(VPOR, S0, S0, S2);
                self.shift_lanes(32, 4, S1, S1, 31);
                self.vex(VPANDN, d, S1, S0);
            }
        }
        self.low_bits(64, d, d);
    }

    fn saturated_where_different(&mut self, a: u8, b: u8) {
        self.vex(VPXOR, S0, a, b);
        self.saturated(S0);
    }

    /// Sets FPSR.QC when a register is not zero.
    fn saturated(&mut self, difference: u8) {
        self.clobber_flags();
        dynasm!(self.a
            ; .arch x64
            ; vptest Rx(difference), Rx(difference)
            ; jz >none
            ; or DWORD [rbp + FPSR], QC
            ; none:
        );
    }
}
