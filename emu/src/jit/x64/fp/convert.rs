//! Conversions between numbers and integers.

use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};

use super::super::super::site::Loc;
use super::super::Emitter;
use super::round::QUIET;
use super::{Repair, Shape, T, U, W, shaped};
use crate::ir::block::{Inst, Val};
use crate::ir::op::FpOp;
use crate::ir::op::fp::Rule;
use crate::ir::softfloat::Rounding;

/// How the host converts to an integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// To nearest, as MXCSR says.
    Nearest,
    /// Towards zero.
    Truncate,
    /// By rounding to an integral number first, silently, with this immediate; then the truncation of the number as it
    /// was reports what is inexact.
    Round(i8),
    /// The same, ties away from zero.
    Away,
}

impl By {
    fn of(rule: Rule) -> Option<Self> {
        match rule.by {
            Some(Rounding::TieEven) | None => Some(Self::Nearest),
            Some(Rounding::Zero) => Some(Self::Truncate),
            Some(Rounding::TieAway) => Some(Self::Away),
            // Numbers that are converted to unsigned ones are not negative.
            Some(Rounding::NegInf) if rule.unsigned => Some(Self::Truncate),
            Some(Rounding::NegInf) => Some(Self::Round(1 | QUIET)),
            Some(Rounding::PosInf) => Some(Self::Round(2 | QUIET)),
            Some(Rounding::Odd) => None,
        }
    }
}

impl Emitter<'_> {
    /// What an emitter serves: fixed point only by truncation.
    fn way(rule: Rule) -> Option<By> {
        By::of(rule).filter(|&by| rule.fbits == 0 || by == By::Truncate)
    }

    /// Exponent of the power of two that numbers must be below for their integers to be sure to fit 64 bits, or a
    /// packed conversion's 32, or an unsigned integer's.
    fn limit(by: By, rule: Rule, shape: Shape) -> u64 {
        let bits = match by {
            By::Truncate if rule.unsigned && rule.int_bits == 32 && !shape.is_vector() => 32,
            _ => rule.int_bits - 1,
        };
        bits.wrapping_sub(rule.fbits)
    }

    /// The encoding of two to a power.
    fn power(power: u64, shape: Shape) -> u64 {
        if shape.e() == 32 { 127u64.wrapping_add(power) << 23 } else { 1023u64.wrapping_add(power) << 52 }
    }

    pub(super) fn integer_of(&mut self, val: Val, op: FpOp, inst: &Inst, shape: Shape) -> bool {
        let rule = Rule::unpack(inst.imm);
        let Some(by) = Self::way(rule).filter(|_| rule.int_bits >= 32) else { return false };
        self.clobber_flags();
        let a = self.vector(inst.args[0]);
        let place = self.vector_temporary();
        let dst = self.define(val);
        let repair = self.repair(op, inst, [Loc::Xmm(a), Loc::None, Loc::None], Loc::Reg(dst));
        let cold = repair.cold;
        let checked = rule.unsigned || rule.fbits != 0;
        if checked {
            // As integers, encodings of positive numbers order as the numbers do, and NaNs and negative numbers are
            // beyond. The sign of one that may be negative is shifted out.
            let limit = Self::power(Self::limit(by, rule, shape), shape) << u32::from(!rule.unsigned);
            match shape.e() {
                32 => dynasm!(self.a ; .arch x64 ; vmovd eax, Rx(a)),
                _ => dynasm!(self.a ; .arch x64 ; vmovq rax, Rx(a)),
            }
            if !rule.unsigned {
                dynasm!(self.a ; .arch x64 ; add rax, rax);
            }
            match shape.e() {
                32 => dynasm!(self.a ; .arch x64 ; cmp eax, limit as u32 as i32 ; jae =>cold),
                _ => dynasm!(self.a ; .arch x64 ; mov rcx, QWORD limit as i64 ; cmp rax, rcx ; jae =>cold),
            }
        }
        let src = self.prepared(place, a, by, rule, repair, shape);
        // An unsigned number is a positive one of 64 bits.
        let wide = rule.int_bits == 64 || rule.unsigned;
        self.lane_as_integer(src, by, wide, shape);
        if !checked {
            // The smallest integer stands for all that is out of range.
            match wide {
                true => dynasm!(self.a ; .arch x64 ; cmp rax, 1 ; jo =>cold),
                false => dynasm!(self.a ; .arch x64 ; cmp eax, 1 ; jo =>cold),
            }
        }
        self.report_inexact(a, by, shape);
        match wide {
            true => dynasm!(self.a ; .arch x64 ; mov Rq(dst), rax),
            false => dynasm!(self.a ; .arch x64 ; mov Rd(dst), eax),
        }
        self.finish(repair);
        true
    }

    /// The numbers rounded silently, or scaled, in `place`; or as they are.
    fn prepared(&mut self, place: u8, a: u8, by: By, rule: Rule, repair: Repair, shape: Shape) -> u8 {
        match by {
            By::Round(imm) => self.round(place, a, imm, shape),
            By::Away => self.round_ties_away(place, a, repair, shape),
            _ if rule.fbits != 0 => {
                // Exact, since the result is in range.
                let scale = self.pooled(shape.constant(Self::power(rule.fbits, shape)));
                shaped!(self, shape, vmulss vmulsd vmulps vmulpd, Rx(place), Rx(a), [=>scale]);
            }
            _ => return a,
        }
        place
    }

    /// Lane 0 as a signed integer in RAX or EAX.
    fn lane_as_integer(&mut self, src: u8, by: By, wide: bool, shape: Shape) {
        match (by == By::Nearest, wide, shape.e() == 32) {
            (true, true, true) => dynasm!(self.a ; .arch x64 ; vcvtss2si rax, Rx(src)),
            (true, true, false) => dynasm!(self.a ; .arch x64 ; vcvtsd2si rax, Rx(src)),
            (true, false, true) => dynasm!(self.a ; .arch x64 ; vcvtss2si eax, Rx(src)),
            (true, false, false) => dynasm!(self.a ; .arch x64 ; vcvtsd2si eax, Rx(src)),
            (false, true, true) => dynasm!(self.a ; .arch x64 ; vcvttss2si rax, Rx(src)),
            (false, true, false) => dynasm!(self.a ; .arch x64 ; vcvttsd2si rax, Rx(src)),
            (false, false, true) => dynasm!(self.a ; .arch x64 ; vcvttss2si eax, Rx(src)),
            (false, false, false) => dynasm!(self.a ; .arch x64 ; vcvttsd2si eax, Rx(src)),
        }
    }

    /// After a silent rounding, of numbers in range: another one that is not silent.
    fn report_inexact(&mut self, a: u8, by: By, shape: Shape) {
        if matches!(by, By::Round(_) | By::Away) {
            self.round(U, a, 3, shape);
        }
    }

    pub(super) fn integers_of(&mut self, val: Val, op: FpOp, inst: &Inst, shape: Shape) -> bool {
        let rule = Rule::unpack(inst.imm);
        let Some(by) = Self::way(rule).filter(|_| rule.int_bits == rule.bits) else { return false };
        self.clobber_flags();
        let a = self.vector(inst.args[0]);
        let dst = self.define_v(val);
        let repair = self.repair(op, inst, [Loc::Xmm(a), Loc::None, Loc::None], Loc::Xmm(dst));
        let cold = repair.cold;
        let checked = rule.unsigned || rule.fbits != 0;
        if checked {
            self.unless_lanes_beyond(a, Self::power(Self::limit(by, rule, shape), shape), rule, repair, shape);
        }
        let src = self.prepared(dst, a, by, rule, repair, shape);
        if shape == Shape::Pd {
            // The upper lane's flags stand even if the lower one goes to the repair, which raises them, too.
            dynasm!(self.a ; .arch x64 ; vpsrldq Rx(W), Rx(src), 8);
            for lane in [W, src] {
                self.lane_as_integer(lane, by, true, shape);
                if !checked {
                    dynasm!(self.a ; .arch x64 ; cmp rax, 1 ; jo =>cold);
                }
                if lane == W {
                    dynasm!(self.a ; .arch x64 ; mov rdx, rax);
                }
            }
            dynasm!(self.a ; .arch x64 ; vmovq Rx(dst), rax ; vpinsrq Rx(dst), Rx(dst), rdx, 1);
        } else {
            match by {
                By::Nearest => dynasm!(self.a ; .arch x64 ; vcvtps2dq Rx(dst), Rx(src)),
                _ => dynasm!(self.a ; .arch x64 ; vcvttps2dq Rx(dst), Rx(src)),
            }
            if !checked {
                let smallest = self.pooled(shape.sign());
                dynasm!(self.a
                    ; .arch x64
                    ; vpcmpeqd Rx(T), Rx(dst), [=>smallest]
                    ; vptest Rx(T), Rx(T)
                    ; jnz =>cold
                );
            }
        }
        self.report_inexact(a, by, shape);
        self.finish(repair);
        true
    }

    /// To the repair when a lane is a NaN, reaches a limit, or, for unsigned integers, is negative.
    fn unless_lanes_beyond(&mut self, a: u8, limit: u64, rule: Rule, repair: Repair, shape: Shape) {
        let cold = repair.cold;
        let below = self.pooled(shape.constant(limit - 1));
        let mut magnitude = a;
        if !rule.unsigned {
            let rest = self.pooled(!shape.sign());
            dynasm!(self.a ; .arch x64 ; vpand Rx(T), Rx(a), [=>rest]);
            magnitude = T;
        }
        match shape.e() {
            32 => dynasm!(self.a ; .arch x64 ; vpcmpgtd Rx(T), Rx(magnitude), [=>below]),
            _ => dynasm!(self.a ; .arch x64 ; vpcmpgtq Rx(T), Rx(magnitude), [=>below]),
        }
        if rule.unsigned {
            dynasm!(self.a ; .arch x64 ; vpor Rx(T), Rx(T), Rx(a));
        }
        match shape.e() {
            32 => dynasm!(self.a ; .arch x64 ; vtestps Rx(T), Rx(T) ; jnz =>cold),
            _ => dynasm!(self.a ; .arch x64 ; vtestpd Rx(T), Rx(T) ; jnz =>cold),
        }
    }

    pub(super) fn number_of(&mut self, val: Val, op: FpOp, inst: &Inst, shape: Shape) -> bool {
        let rule = Rule::unpack(inst.imm);
        if rule.by.is_some() || rule.int_bits < 32 {
            return false;
        }
        self.clobber_flags();
        let a = self.register(inst.args[0]);
        let dst = self.define_v(val);
        let repair = self.repair(op, inst, [Loc::Reg(a), Loc::None, Loc::None], Loc::Xmm(dst));
        let cold = repair.cold;
        dynasm!(self.a ; .arch x64 ; vpxor Rx(dst), Rx(dst), Rx(dst));
        let (src, wide) = match (rule.unsigned, rule.int_bits) {
            (false, bits) => (a, bits == 64),
            (true, 32) => {
                dynasm!(self.a ; .arch x64 ; mov eax, Rd(a));
                (0, true)
            }
            _ => {
                dynasm!(self.a ; .arch x64 ; test Rq(a), Rq(a) ; js =>cold);
                (a, true)
            }
        };
        match (wide, shape) {
            (true, Shape::Ss) => dynasm!(self.a ; .arch x64 ; vcvtsi2ss Rx(dst), Rx(dst), Rq(src)),
            (true, _) => dynasm!(self.a ; .arch x64 ; vcvtsi2sd Rx(dst), Rx(dst), Rq(src)),
            (false, Shape::Ss) => dynasm!(self.a ; .arch x64 ; vcvtsi2ss Rx(dst), Rx(dst), Rd(src)),
            (false, _) => dynasm!(self.a ; .arch x64 ; vcvtsi2sd Rx(dst), Rx(dst), Rd(src)),
        }
        if rule.fbits != 0 {
            let scale = self.pooled(shape.constant(Self::power(rule.fbits.wrapping_neg(), shape)));
            shaped!(self, shape, vmulss vmulsd vmulps vmulpd, Rx(dst), Rx(dst), [=>scale]);
        }
        self.finish(repair);
        true
    }

    pub(super) fn numbers_of(&mut self, val: Val, op: FpOp, inst: &Inst, shape: Shape) -> bool {
        let rule = Rule::unpack(inst.imm);
        if rule.by.is_some() || rule.int_bits != rule.bits {
            return false;
        }
        self.clobber_flags();
        let a = self.vector(inst.args[0]);
        let dst = self.define_v(val);
        let repair = self.repair(op, inst, [Loc::Xmm(a), Loc::None, Loc::None], Loc::Xmm(dst));
        let cold = repair.cold;
        if rule.unsigned {
            match shape {
                Shape::Pd => dynasm!(self.a ; .arch x64 ; vtestpd Rx(a), Rx(a)),
                _ => dynasm!(self.a ; .arch x64 ; vtestps Rx(a), Rx(a)),
            }
            dynasm!(self.a ; .arch x64 ; jnz =>cold);
        }
        if shape == Shape::Pd {
            dynasm!(self.a
                ; .arch x64
                ; vmovq rax, Rx(a)
                ; vpextrq rcx, Rx(a), 1
                ; vpxor Rx(T), Rx(T), Rx(T)
                ; vcvtsi2sd Rx(U), Rx(T), rcx
                ; vcvtsi2sd Rx(dst), Rx(T), rax
                ; vunpcklpd Rx(dst), Rx(dst), Rx(U)
            );
        } else {
            dynasm!(self.a ; .arch x64 ; vcvtdq2ps Rx(dst), Rx(a));
        }
        if rule.fbits != 0 {
            let scale = self.pooled(shape.constant(Self::power(rule.fbits.wrapping_neg(), shape)));
            shaped!(self, shape, vmulss vmulsd vmulps vmulpd, Rx(dst), Rx(dst), [=>scale]);
        }
        self.finish(repair);
        true
    }
}
