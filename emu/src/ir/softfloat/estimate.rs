//! Reciprocals and reciprocal square roots: the estimates that software refines, and the steps that refine them.

use super::arith::{Exact, add_exact};
use super::pack::{Number, Type, flushes, invalid, process_nan, process_nans, unpack};
use super::{Format, Rounding, flag};
use crate::state::FpEnv;

/// FPRecipEstimate.
pub fn recip_estimate(env: &mut FpEnv, f: Format, a: u64) -> u64 {
    let x = unpack(env, f, a);
    // The value's magnitude lies between 2^power and twice as much.
    let power = x.exp + 63;
    match x.ty {
        Type::QNaN | Type::SNaN => process_nan(env, f, x.ty, a),
        Type::Infinity => f.zero(x.negative),
        Type::Zero => {
            env.fpsr |= flag::DZC;
            f.infinity(x.negative)
        }
        Type::Finite if power < f.min_exp() - 2 => {
            env.fpsr |= flag::OFC | flag::IXC;
            if Rounding::of_fpcr(env.fpcr).overflows(x.negative) {
                f.infinity(x.negative)
            } else {
                f.max_normal(x.negative)
            }
        }
        Type::Finite if power >= -f.min_exp() && flushes(env, f) => {
            env.fpsr |= flag::UFC;
            f.zero(x.negative)
        }
        Type::Finite => {
            let odd = (x.sig >> 55) * 2 + 1;
            let estimate = ((1 << 19) / odd).div_ceil(2);
            // The estimate is 1.xxxxxxxx, and its power of two may lie just below the normal numbers.
            let frac = estimate << (f.frac - 8);
            let exp = -power - 1 - f.min_exp() + 1;
            f.signed(
                x.negative,
                if exp > 0 { (exp as u64) << f.frac | frac & f.frac_mask() } else { frac >> (1 - exp) },
            )
        }
    }
}

/// FPRSqrtEstimate.
pub fn recip_sqrt_estimate(env: &mut FpEnv, f: Format, a: u64) -> u64 {
    let x = unpack(env, f, a);
    match x.ty {
        Type::QNaN | Type::SNaN => process_nan(env, f, x.ty, a),
        Type::Zero => {
            env.fpsr |= flag::DZC;
            f.infinity(x.negative)
        }
        _ if x.negative => invalid(env, f),
        Type::Infinity => f.zero(false),
        Type::Finite => {
            let power = x.exp + 63;
            // An odd power leaves a scaled value in 0.5..1, an even one in 0.25..0.5.
            let scaled = x.sig >> if power % 2 != 0 { 55 } else { 56 };
            let odd = if scaled < 256 { scaled * 2 + 1 } else { ((scaled & !1) + 1) * 2 };
            let root = (512..1024).find(|b| odd * (b + 1) * (b + 1) >= 1 << 28).unwrap_or(1023);
            let estimate: u64 = root.div_ceil(2);
            let exp = (-power - 1).div_euclid(2);
            f.power(exp, false) | (estimate & 0xff) << (f.frac - 8)
        }
    }
}

/// FPRecpX: an exponent that scales towards one.
pub fn recip_exponent(env: &mut FpEnv, f: Format, a: u64) -> u64 {
    let x = unpack(env, f, a);
    if x.is_nan() {
        return process_nan(env, f, x.ty, a);
    }
    let exp = match f.exp_field(a) {
        0 => f.exp_ones() - 1,
        exp => exp ^ f.exp_ones(),
    };
    f.signed(x.negative, exp << f.frac)
}

/// FPRecipStepFused: `2 - a * b`.
pub fn recip_step(env: &mut FpEnv, f: Format, a: u64, b: u64) -> u64 {
    step(env, f, a, b, f.power(1, false), 0)
}

/// FPRSqrtStepFused: `(3 - a * b) / 2`.
pub fn recip_sqrt_step(env: &mut FpEnv, f: Format, a: u64, b: u64) -> u64 {
    step(env, f, a, b, f.power(1, true), -1)
}

/// `(minuend - a * b) * 2^scale`, where infinity times zero counts as zero.
fn step(env: &mut FpEnv, f: Format, a: u64, b: u64, minuend: u64, scale: i32) -> u64 {
    let a = f.neg(a);
    let (x, y) = (unpack(env, f, a), unpack(env, f, b));
    if let Some(nan) = process_nans(env, f, [(x, a), (y, b)]) {
        return nan;
    }
    let from = Exact::of(unpack(env, f, minuend));
    let zero = Number { ty: Type::Zero, negative: false, exp: 0, sig: 0 };
    match (x.is_inf() || y.is_inf(), x.is_zero() || y.is_zero()) {
        (true, true) => add_exact(env, f, from, Exact::of(zero), scale),
        (true, false) => f.infinity(x.negative != y.negative),
        _ => add_exact(env, f, from, Exact::product(x, y), scale),
    }
}
