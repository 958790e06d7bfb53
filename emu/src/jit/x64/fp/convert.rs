//! Conversions between numbers and integers.

use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};

use super::super::super::site::Loc;
use super::super::Emitter;
use super::round::QUIET;
use super::{Shape, T, U, W, shaped};
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
}

impl By {
    fn of(rule: Rule) -> Option<Self> {
        match rule.by {
            Some(Rounding::TieEven) | None => Some(Self::Nearest),
            Some(Rounding::Zero) => Some(Self::Truncate),
            // Numbers that are converted to unsigned ones are not negative.
            Some(Rounding::NegInf) if rule.unsigned => Some(Self::Truncate),
            Some(Rounding::NegInf) => Some(Self::Round(1 | QUIET)),
            Some(Rounding::PosInf) => Some(Self::Round(2 | QUIET)),
            Some(Rounding::TieAway | Rounding::Odd) => None,
        }
    }
}

impl Emitter<'_> {
    pub(super) fn to_int(&mut self, val: Val, op: FpOp, inst: &Inst, shape: Shape) -> bool {
        let rule = Rule::unpack(inst.imm);
        let Some(by) = By::of(rule).filter(|_| rule.fbits == 0 && rule.int_bits >= 32) else { return false };
        self.clobber_flags();
        let a = self.vector(inst.args[0]);
        let dst = self.define(val);
        let repair = self.repair(op, inst, [Loc::Xmm(a), Loc::None, Loc::None], Loc::Reg(dst));
        let cold = repair.cold;
        if rule.unsigned {
            self.lane_to_rax(a, shape);
            self.unless_beyond(by, rule, cold, shape);
        }
        // An unsigned number is a positive one of 64 bits.
        let wide = rule.int_bits == 64 || rule.unsigned;
        self.to_general(a, by, wide, shape);
        if !rule.unsigned {
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

    fn lane_to_rax(&mut self, a: u8, shape: Shape) {
        match shape.e() {
            32 => dynasm!(self.a ; .arch x64 ; vmovd eax, Rx(a)),
            _ => dynasm!(self.a ; .arch x64 ; vmovq rax, Rx(a)),
        }
    }

    /// To the repair when the encoding in RAX is that of a negative number, of a NaN, or of one whose integer might need
    /// more bits than an unsigned one has (or, of 64 bits, than a signed one). As integers, encodings order as numbers
    /// do.
    fn unless_beyond(&mut self, by: By, rule: Rule, cold: dynasmrt::DynamicLabel, shape: Shape) {
        let power = match by {
            By::Truncate if rule.int_bits == 32 => 32,
            _ => rule.int_bits - 1,
        };
        match shape.e() {
            32 => {
                let limit = (127 + power) << 23;
                dynasm!(self.a ; .arch x64 ; cmp eax, limit as i32 ; jae =>cold);
            }
            _ => {
                let limit = (1023 + power) << 52;
                dynasm!(self.a ; .arch x64 ; mov rcx, QWORD limit as i64 ; cmp rax, rcx ; jae =>cold);
            }
        }
    }

    /// Lane 0 as a signed integer in RAX or EAX.
    fn to_general(&mut self, a: u8, by: By, wide: bool, shape: Shape) {
        let scalar = if shape.e() == 32 { Shape::Ss } else { Shape::Sd };
        let mut src = a;
        if let By::Round(imm) = by {
            self.round(U, a, imm, scalar);
            src = U;
        }
        match (by == By::Nearest, wide, scalar == Shape::Ss) {
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

    /// After a silent rounding. The number is known to be within 64 bits.
    fn report_inexact(&mut self, a: u8, by: By, shape: Shape) {
        if let By::Round(_) = by {
            match shape.e() {
                32 => dynasm!(self.a ; .arch x64 ; vcvttss2si rcx, Rx(a)),
                _ => dynasm!(self.a ; .arch x64 ; vcvttsd2si rcx, Rx(a)),
            }
        }
    }

    pub(super) fn lanes_to_int(&mut self, val: Val, op: FpOp, inst: &Inst, shape: Shape) -> bool {
        let rule = Rule::unpack(inst.imm);
        let Some(by) = By::of(rule).filter(|_| rule.fbits == 0 && rule.int_bits == rule.bits) else { return false };
        self.clobber_flags();
        let a = self.vector(inst.args[0]);
        let dst = self.define_v(val);
        let repair = self.repair(op, inst, [Loc::Xmm(a), Loc::None, Loc::None], Loc::Xmm(dst));
        let cold = repair.cold;
        if shape == Shape::Pd {
            // Flags of the upper lane stand even if the lower goes to the repair: lanes raise them independently.
            dynasm!(self.a ; .arch x64 ; vpsrldq Rx(W), Rx(a), 8);
            if rule.unsigned {
                for lane in [W, a] {
                    self.lane_to_rax(lane, shape);
                    self.unless_beyond(by, rule, cold, shape);
                }
            }
            for lane in [W, a] {
                self.to_general(lane, by, true, shape);
                if !rule.unsigned {
                    dynasm!(self.a ; .arch x64 ; cmp rax, 1 ; jo =>cold);
                }
                self.report_inexact(lane, by, shape);
                if lane == W {
                    dynasm!(self.a ; .arch x64 ; mov rdx, rax);
                }
            }
            dynasm!(self.a ; .arch x64 ; vmovq Rx(dst), rax);
            dynasm!(self.a ; .arch x64 ; vpinsrq Rx(dst), Rx(dst), rdx, 1);
            self.finish(repair);
            return true;
        }
        if rule.unsigned {
            // Negative, or 2^31 and more.
            let largest = self.pooled(shape.constant(((127 + 31) << 23) - 1));
            dynasm!(self.a
                ; .arch x64
                ; vpcmpgtd Rx(T), Rx(a), [=>largest]
                ; vpor Rx(T), Rx(T), Rx(a)
                ; vtestps Rx(T), Rx(T)
                ; jnz =>cold
            );
        }
        match by {
            By::Nearest => dynasm!(self.a ; .arch x64 ; vcvtps2dq Rx(dst), Rx(a)),
            By::Truncate => dynasm!(self.a ; .arch x64 ; vcvttps2dq Rx(dst), Rx(a)),
            By::Round(imm) => {
                self.round(U, a, imm, shape);
                dynasm!(self.a ; .arch x64 ; vcvttps2dq Rx(dst), Rx(U));
            }
        }
        if !rule.unsigned {
            let smallest = self.pooled(shape.sign());
            dynasm!(self.a
                ; .arch x64
                ; vpcmpeqd Rx(T), Rx(dst), [=>smallest]
                ; vptest Rx(T), Rx(T)
                ; jnz =>cold
            );
        }
        if let By::Round(_) = by {
            dynasm!(self.a ; .arch x64 ; vcvttps2dq Rx(T), Rx(a));
        }
        self.finish(repair);
        true
    }

    /// `2^-fbits` as a constant of the shape.
    fn scale(&mut self, fbits: u64, shape: Shape) -> dynasmrt::DynamicLabel {
        let lane = if shape.e() == 32 { (127 - fbits) << 23 } else { (1023 - fbits) << 52 };
        self.pooled(shape.constant(lane))
    }

    pub(super) fn from_int(&mut self, val: Val, op: FpOp, inst: &Inst, shape: Shape) -> bool {
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
            let scale = self.scale(rule.fbits, shape);
            shaped!(self, shape, vmulss vmulsd vmulps vmulpd, Rx(dst), Rx(dst), [=>scale]);
        }
        self.finish(repair);
        true
    }

    pub(super) fn lanes_from_int(&mut self, val: Val, op: FpOp, inst: &Inst, shape: Shape) -> bool {
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
            let scale = self.scale(rule.fbits, shape);
            shaped!(self, shape, vmulss vmulsd vmulps vmulpd, Rx(dst), Rx(dst), [=>scale]);
        }
        self.finish(repair);
        true
    }
}
