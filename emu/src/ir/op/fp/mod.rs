//! Floating-point operations, each a few words around [`softfloat`](crate::ir::softfloat).
//!
//! Those named `f_…` work on lane 0 and give zeros above it; those named `vf_…` work on every lane of 128 bits, so that
//! rows for 64-bit vectors must see to it that the upper lanes raise no flag. The immediate `e` is the format in bits
//! (16, 32 or 64); operations that round in a way of their own, or convert, take a [`Rule`] as the immediate.

mod rule;

pub use rule::Rule;

use super::vec::lanes::{self, build, lane, map, ones, zip};
use crate::ir::softfloat::{self as soft, Format, Rounding};
use crate::state::FpEnv;

crate::ops! {
    /// Floating-point operations; those marked `env` depend on FPCR and set FPSR.
    FpOp / FpOps / Fp;

    /// Absolute value; NaNs too just lose their sign.
    f_abs: FAbs(a: V; e) -> V { u128::from(Format::of(e).abs(a as u64)) }
    /// Negation; NaNs too just change their sign.
    f_neg: FNeg(a: V; e) -> V { u128::from(Format::of(e).neg(a as u64)) }
    /// Sum.
    f_add: FAdd(env, a: V, b: V; e) -> V { one2(env, e, a, b, soft::add) }
    /// Difference.
    f_sub: FSub(env, a: V, b: V; e) -> V { one2(env, e, a, b, soft::sub) }
    /// Product.
    f_mul: FMul(env, a: V, b: V; e) -> V { one2(env, e, a, b, soft::mul) }
    /// Product, where infinity times zero is two.
    f_mulx: FMulx(env, a: V, b: V; e) -> V { one2(env, e, a, b, soft::mulx) }
    /// Quotient.
    f_div: FDiv(env, a: V, b: V; e) -> V { one2(env, e, a, b, soft::div) }
    /// Square root.
    f_sqrt: FSqrt(env, a: V; e) -> V { one1(env, e, a, soft::sqrt) }
    /// `d + a * b`, rounded once. The order of NaNs is d, a, b.
    f_fma: FFma(env, d: V, a: V, b: V; e) -> V { one3(env, e, d, a, b, soft::fused) }
    /// Maximum; a NaN wins.
    f_max: FMax(env, a: V, b: V; e) -> V { one2(env, e, a, b, soft::max) }
    /// Minimum; a NaN wins.
    f_min: FMin(env, a: V, b: V; e) -> V { one2(env, e, a, b, soft::min) }
    /// Maximum; a number wins over a quiet NaN.
    f_maxnm: FMaxnm(env, a: V, b: V; e) -> V { one2(env, e, a, b, soft::max_num) }
    /// Minimum; a number wins over a quiet NaN.
    f_minnm: FMinnm(env, a: V, b: V; e) -> V { one2(env, e, a, b, soft::min_num) }
    /// Comparison: NZCV in bits 3:0; a quiet NaN is valid.
    f_cmp: FCmp(env, a: V, b: V; e) -> I { soft::compare(env, Format::of(e), a as u64, b as u64, false) }
    /// Comparison: NZCV in bits 3:0; any NaN is invalid.
    f_cmpe: FCmpe(env, a: V, b: V; e) -> I { soft::compare(env, Format::of(e), a as u64, b as u64, true) }
    /// All ones where equal, else zero; a quiet NaN is valid.
    f_cmeq: FCmeq(env, a: V, b: V; e) -> V { one2(env, e, a, b, mask(soft::equal)) }
    /// All ones where `a >= b`, else zero; any NaN is invalid.
    f_cmge: FCmge(env, a: V, b: V; e) -> V { one2(env, e, a, b, mask(soft::greater_or_equal)) }
    /// All ones where `a > b`, else zero; any NaN is invalid.
    f_cmgt: FCmgt(env, a: V, b: V; e) -> V { one2(env, e, a, b, mask(soft::greater)) }
    /// `a` when `c` is not zero, else `b`; zeros above lane 0.
    f_select: FSelect(c: I, a: V, b: V; e) -> V { u128::from((if c != 0 { a } else { b }) as u64 & ones(e)) }
    /// Estimate of the reciprocal.
    f_recpe: FRecpe(env, a: V; e) -> V { one1(env, e, a, soft::recip_estimate) }
    /// Estimate of the reciprocal square root.
    f_rsqrte: FRsqrte(env, a: V; e) -> V { one1(env, e, a, soft::recip_sqrt_estimate) }
    /// Reciprocal exponent.
    f_recpx: FRecpx(env, a: V; e) -> V { one1(env, e, a, soft::recip_exponent) }
    /// `2 - a * b`.
    f_recps: FRecps(env, a: V, b: V; e) -> V { one2(env, e, a, b, soft::recip_step) }
    /// `(3 - a * b) / 2`.
    f_rsqrts: FRsqrts(env, a: V, b: V; e) -> V { one2(env, e, a, b, soft::recip_sqrt_step) }
    /// Rounding to an integer in the same format; the immediate is a [`Rule`].
    f_rint: FRint(env, a: V; rule) -> V { let rule = Rule::unpack(rule); one1(env, rule.bits, a, round_int(rule)) }
    /// To an integer or fixed point, zero-extended; the immediate is a [`Rule`].
    f_to_int: FToInt(env, a: V; rule) -> I { let rule = Rule::unpack(rule); to_int(rule)(env, Format::of(rule.bits), a as u64) }
    /// From an integer or fixed point; the immediate is a [`Rule`].
    f_from_int: FFromInt(env, a: I; rule) -> V {
        let rule = Rule::unpack(rule);
        u128::from(from_int(rule)(env, Format::of(rule.bits), a))
    }
    /// From a double to a signed integer of 32 bits by JavaScript's rule, and NZCV above it in bits 35:32.
    f_to_int_js: FToIntJs(env, a: V) -> I { let (n, nzcv) = soft::to_fixed_js(env, a as u64); nzcv << 32 | u64::from(n) }
    /// From one format to another; the immediate is `from | to << 8`.
    f_cvt: FCvt(env, a: V; formats) -> V {
        u128::from(convert(env, formats & 0xff, formats >> 8, a as u64, Rounding::of_fpcr(env.fpcr)))
    }

    /// Absolute values.
    vf_abs: VFAbs(a: V; e) -> V { map(e, a, |x| Format::of(e).abs(x)) }
    /// Negations.
    vf_neg: VFNeg(a: V; e) -> V { map(e, a, |x| Format::of(e).neg(x)) }
    /// Sums.
    vf_add: VFAdd(env, a: V, b: V; e) -> V { all2(env, e, a, b, soft::add) }
    /// Differences.
    vf_sub: VFSub(env, a: V, b: V; e) -> V { all2(env, e, a, b, soft::sub) }
    /// Products.
    vf_mul: VFMul(env, a: V, b: V; e) -> V { all2(env, e, a, b, soft::mul) }
    /// Products, where infinity times zero is two.
    vf_mulx: VFMulx(env, a: V, b: V; e) -> V { all2(env, e, a, b, soft::mulx) }
    /// Quotients.
    vf_div: VFDiv(env, a: V, b: V; e) -> V { all2(env, e, a, b, soft::div) }
    /// Square roots.
    vf_sqrt: VFSqrt(env, a: V; e) -> V { all1(env, e, a, soft::sqrt) }
    /// `d + a * b`, rounded once. The order of NaNs is d, a, b.
    vf_fma: VFFma(env, d: V, a: V, b: V; e) -> V {
        build(e, 128 / e, |i| soft::fused(env, Format::of(e), lane(e, d, i), lane(e, a, i), lane(e, b, i)))
    }
    /// Maxima; a NaN wins.
    vf_max: VFMax(env, a: V, b: V; e) -> V { all2(env, e, a, b, soft::max) }
    /// Minima; a NaN wins.
    vf_min: VFMin(env, a: V, b: V; e) -> V { all2(env, e, a, b, soft::min) }
    /// Maxima; a number wins over a quiet NaN.
    vf_maxnm: VFMaxnm(env, a: V, b: V; e) -> V { all2(env, e, a, b, soft::max_num) }
    /// Minima; a number wins over a quiet NaN.
    vf_minnm: VFMinnm(env, a: V, b: V; e) -> V { all2(env, e, a, b, soft::min_num) }
    /// All ones where equal, else zero; a quiet NaN is valid.
    vf_cmeq: VFCmeq(env, a: V, b: V; e) -> V { all2(env, e, a, b, mask(soft::equal)) }
    /// All ones where `a >= b`, else zero; any NaN is invalid.
    vf_cmge: VFCmge(env, a: V, b: V; e) -> V { all2(env, e, a, b, mask(soft::greater_or_equal)) }
    /// All ones where `a > b`, else zero; any NaN is invalid.
    vf_cmgt: VFCmgt(env, a: V, b: V; e) -> V { all2(env, e, a, b, mask(soft::greater)) }
    /// Estimates of the reciprocals.
    vf_recpe: VFRecpe(env, a: V; e) -> V { all1(env, e, a, soft::recip_estimate) }
    /// Estimates of the reciprocal square roots.
    vf_rsqrte: VFRsqrte(env, a: V; e) -> V { all1(env, e, a, soft::recip_sqrt_estimate) }
    /// `2 - a * b`.
    vf_recps: VFRecps(env, a: V, b: V; e) -> V { all2(env, e, a, b, soft::recip_step) }
    /// `(3 - a * b) / 2`.
    vf_rsqrts: VFRsqrts(env, a: V, b: V; e) -> V { all2(env, e, a, b, soft::recip_sqrt_step) }
    /// Rounding to integers in the same format; the immediate is a [`Rule`].
    vf_rint: VFRint(env, a: V; rule) -> V { let rule = Rule::unpack(rule); all1(env, rule.bits, a, round_int(rule)) }
    /// To integers or fixed point of the lane's size; the immediate is a [`Rule`].
    vf_to_int: VFToInt(env, a: V; rule) -> V { let rule = Rule::unpack(rule); all1(env, rule.bits, a, to_int(rule)) }
    /// From integers or fixed point of the lane's size; the immediate is a [`Rule`].
    vf_from_int: VFFromInt(env, a: V; rule) -> V { let rule = Rule::unpack(rule); all1(env, rule.bits, a, from_int(rule)) }
    /// The lanes of `e` bits in the low half, in the format of twice as many bits.
    vf_widen: VFWiden(env, a: V; e) -> V {
        build(2 * e, 64 / e, |i| convert(env, e, 2 * e, lane(e, a, i), Rounding::of_fpcr(env.fpcr)))
    }
    /// Lanes of `2 * e` bits in the format of `e` bits, in the low half; zeros above.
    vf_narrow: VFNarrow(env, a: V; e) -> V { narrow(env, e, a, Rounding::of_fpcr(env.fpcr)) }
    /// As `vf_narrow`, rounding to odd.
    vf_narrow_odd: VFNarrowOdd(env, a: V; e) -> V { narrow(env, e, a, Rounding::Odd) }
}

type Env<'a> = &'a mut FpEnv;

fn one1(env: Env<'_>, e: u64, a: u128, op: impl Fn(Env<'_>, Format, u64) -> u64) -> u128 {
    u128::from(op(env, Format::of(e), a as u64 & ones(e)))
}

fn one2(env: Env<'_>, e: u64, a: u128, b: u128, op: impl Fn(Env<'_>, Format, u64, u64) -> u64) -> u128 {
    u128::from(op(env, Format::of(e), a as u64 & ones(e), b as u64 & ones(e)))
}

fn one3(env: Env<'_>, e: u64, d: u128, a: u128, b: u128, op: fn(Env<'_>, Format, u64, u64, u64) -> u64) -> u128 {
    u128::from(op(env, Format::of(e), d as u64 & ones(e), a as u64 & ones(e), b as u64 & ones(e)))
}

fn all1(env: Env<'_>, e: u64, a: u128, op: impl Fn(Env<'_>, Format, u64) -> u64) -> u128 {
    map(e, a, |x| op(env, Format::of(e), x))
}

fn all2(env: Env<'_>, e: u64, a: u128, b: u128, op: impl Fn(Env<'_>, Format, u64, u64) -> u64) -> u128 {
    zip(e, a, b, |x, y| op(env, Format::of(e), x, y))
}

fn mask(holds: fn(Env<'_>, Format, u64, u64) -> bool) -> impl Fn(Env<'_>, Format, u64, u64) -> u64 {
    move |env, f, a, b| if holds(env, f, a, b) { ones(u64::from(f.bits)) } else { 0 }
}

fn round_int(rule: Rule) -> impl Fn(Env<'_>, Format, u64) -> u64 {
    move |env, f, a| soft::round_int(env, f, a, rule.rounding(env), rule.exact)
}

fn to_int(rule: Rule) -> impl Fn(Env<'_>, Format, u64) -> u64 {
    move |env, f, a| {
        soft::to_fixed(env, f, a, rule.int_bits as u32, rule.fbits as u32, rule.unsigned, rule.rounding(env))
    }
}

fn from_int(rule: Rule) -> impl Fn(Env<'_>, Format, u64) -> u64 {
    move |env, f, a| {
        soft::from_fixed(env, f, a, rule.int_bits as u32, rule.fbits as u32, rule.unsigned, rule.rounding(env))
    }
}

fn convert(env: Env<'_>, from: u64, to: u64, a: u64, rounding: Rounding) -> u64 {
    soft::convert(env, Format::of(from), Format::of(to), a & ones(from), rounding)
}

fn narrow(env: Env<'_>, e: u64, a: u128, rounding: Rounding) -> u128 {
    lanes::narrow(e, a, |x| convert(env, 2 * e, e, x, rounding))
}
