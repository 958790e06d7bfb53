//! Arithmetic and comparison: FPAdd, FPMul, FPDiv, FPSqrt, FPMulAdd, FPMax, FPCompare and their variants.

use super::pack::{Number, Type, invalid, process_nans, round, unpack};
use super::{Format, Rounding, flag};
use crate::state::FpEnv;

/// FPAdd.
pub fn add(env: &mut FpEnv, f: Format, a: u64, b: u64) -> u64 {
    sum(env, f, a, b, false)
}

/// FPSub.
pub fn sub(env: &mut FpEnv, f: Format, a: u64, b: u64) -> u64 {
    sum(env, f, a, b, true)
}

fn sum(env: &mut FpEnv, f: Format, a: u64, b: u64, negate_b: bool) -> u64 {
    let (x, mut y) = (unpack(env, f, a), unpack(env, f, b));
    if let Some(nan) = process_nans(env, f, [(x, a), (y, b)]) {
        return nan;
    }
    y.negative ^= negate_b;
    match (x.is_inf(), y.is_inf()) {
        (true, true) if x.negative != y.negative => invalid(env, f),
        (true, _) => f.infinity(x.negative),
        (_, true) => f.infinity(y.negative),
        _ => add_exact(env, f, Exact::of(x), Exact::of(y), 0),
    }
}

/// An exact finite value: `sig * 2^exp`; zero has a sign too.
#[derive(Clone, Copy)]
pub struct Exact {
    pub negative: bool,
    pub exp: i32,
    pub sig: u128,
}

impl Exact {
    pub fn of(n: Number) -> Self {
        Self { negative: n.negative, exp: n.exp, sig: u128::from(n.sig) }
    }

    pub fn product(a: Number, b: Number) -> Self {
        Self { negative: a.negative != b.negative, exp: a.exp + b.exp, sig: u128::from(a.sig) * u128::from(b.sig) }
    }

    /// The same with its highest bit at 125. Nothing is lost: a product has at most 106 significant bits.
    fn aligned(self) -> Self {
        let up = self.sig.leading_zeros() as i32 - 2;
        let sig = if up >= 0 { self.sig << up } else { self.sig >> -up };
        Self { sig, exp: self.exp - up, ..self }
    }
}

/// The rounded sum, times `2^scale`.
pub fn add_exact(env: &mut FpEnv, f: Format, a: Exact, b: Exact, scale: i32) -> u64 {
    match (a.sig == 0, b.sig == 0) {
        (true, true) if a.negative == b.negative => return f.zero(a.negative),
        (true, true) => return exact_zero(env, f),
        (true, false) => return round(env, f, b.negative, b.exp + scale, b.sig),
        (false, true) => return round(env, f, a.negative, a.exp + scale, a.sig),
        _ => {}
    }
    let (a, b) = (a.aligned(), b.aligned());
    let (large, small) = if (a.exp, a.sig) >= (b.exp, b.sig) { (a, b) } else { (b, a) };
    let addend = shift_sticky(small.sig, (large.exp - small.exp) as u32);
    let sig = if large.negative == small.negative { large.sig + addend } else { large.sig - addend };
    if sig == 0 {
        return exact_zero(env, f);
    }
    round(env, f, large.negative, large.exp + scale, sig)
}

/// The zero that a sum of opposite numbers gives.
fn exact_zero(env: &FpEnv, f: Format) -> u64 {
    f.zero(Rounding::of_fpcr(env.fpcr) == Rounding::NegInf)
}

fn shift_sticky(sig: u128, n: u32) -> u128 {
    match n {
        0 => sig,
        1..=127 => sig >> n | u128::from(sig << (128 - n) != 0),
        _ => u128::from(sig != 0),
    }
}

/// FPMul.
pub fn mul(env: &mut FpEnv, f: Format, a: u64, b: u64) -> u64 {
    multiply(env, f, a, b, |env, _| invalid(env, f))
}

/// FPMulX: infinity times zero is two.
pub fn mulx(env: &mut FpEnv, f: Format, a: u64, b: u64) -> u64 {
    multiply(env, f, a, b, |_, negative| f.signed(negative, f.power(1, false)))
}

fn multiply(env: &mut FpEnv, f: Format, a: u64, b: u64, inf_by_zero: impl Fn(&mut FpEnv, bool) -> u64) -> u64 {
    let (x, y) = (unpack(env, f, a), unpack(env, f, b));
    if let Some(nan) = process_nans(env, f, [(x, a), (y, b)]) {
        return nan;
    }
    let negative = x.negative != y.negative;
    match (x.is_inf() || y.is_inf(), x.is_zero() || y.is_zero()) {
        (true, true) => inf_by_zero(env, negative),
        (true, false) => f.infinity(negative),
        (false, true) => f.zero(negative),
        (false, false) => {
            let p = Exact::product(x, y);
            round(env, f, negative, p.exp, p.sig)
        }
    }
}

/// FPDiv.
pub fn div(env: &mut FpEnv, f: Format, a: u64, b: u64) -> u64 {
    let (x, y) = (unpack(env, f, a), unpack(env, f, b));
    if let Some(nan) = process_nans(env, f, [(x, a), (y, b)]) {
        return nan;
    }
    let negative = x.negative != y.negative;
    match (x.ty, y.ty) {
        (Type::Infinity, Type::Infinity) | (Type::Zero, Type::Zero) => invalid(env, f),
        (Type::Infinity, _) => f.infinity(negative),
        (_, Type::Zero) => {
            env.fpsr |= flag::DZC;
            f.infinity(negative)
        }
        (Type::Zero, _) | (_, Type::Infinity) => f.zero(negative),
        _ => {
            // The quotient lies between 2^62 and 2^64, which leaves 9 bits below a double's last.
            let (numerator, divisor) = (u128::from(x.sig) << 63, u128::from(y.sig));
            let sig = (numerator / divisor) << 1 | u128::from(numerator % divisor != 0);
            round(env, f, negative, x.exp - y.exp - 64, sig)
        }
    }
}

/// FPSqrt.
pub fn sqrt(env: &mut FpEnv, f: Format, a: u64) -> u64 {
    let x = unpack(env, f, a);
    if let Some(nan) = process_nans(env, f, [(x, a)]) {
        return nan;
    }
    match x.ty {
        Type::Zero => f.zero(x.negative),
        _ if x.negative => invalid(env, f),
        Type::Infinity => f.infinity(false),
        _ => {
            // An even exponent, and a radicand whose root has 62 bits or 63.
            let (exp, radicand) = (x.exp - 62, u128::from(x.sig) << 62);
            let (exp, radicand) = if exp % 2 == 0 { (exp, radicand) } else { (exp + 1, radicand >> 1) };
            let root = radicand.isqrt();
            let sig = root << 1 | u128::from(root * root != radicand);
            round(env, f, false, exp / 2 - 1, sig)
        }
    }
}

/// FPMulAdd: `addend + a * b` with one rounding.
pub fn fused(env: &mut FpEnv, f: Format, addend: u64, a: u64, b: u64) -> u64 {
    let (z, x, y) = (unpack(env, f, addend), unpack(env, f, a), unpack(env, f, b));
    let inf_by_zero = x.is_inf() && y.is_zero() || x.is_zero() && y.is_inf();
    if let Some(nan) = process_nans(env, f, [(z, addend), (x, a), (y, b)]) {
        return if z.ty == Type::QNaN && inf_by_zero { invalid(env, f) } else { nan };
    }
    let negative = x.negative != y.negative;
    let infinite = x.is_inf() || y.is_inf();
    if inf_by_zero || z.is_inf() && infinite && z.negative != negative {
        invalid(env, f)
    } else if z.is_inf() {
        f.infinity(z.negative)
    } else if infinite {
        f.infinity(negative)
    } else {
        add_exact(env, f, Exact::of(z), Exact::product(x, y), 0)
    }
}

fn order(x: Number, y: Number) -> std::cmp::Ordering {
    // Zeros are equal; magnitudes order by kind (zero, finite, infinite), then exponent, then significand.
    let key = |n: Number| {
        let magnitude = match n.ty {
            Type::Zero => 0,
            Type::Finite => i128::from(n.exp + 0x1_0000) << 64 | i128::from(n.sig),
            _ => i128::MAX,
        };
        if n.negative { -magnitude } else { magnitude }
    };
    key(x).cmp(&key(y))
}

/// FPMax.
pub fn max(env: &mut FpEnv, f: Format, a: u64, b: u64) -> u64 {
    extreme(env, f, a, b, true)
}

/// FPMin.
pub fn min(env: &mut FpEnv, f: Format, a: u64, b: u64) -> u64 {
    extreme(env, f, a, b, false)
}

fn extreme(env: &mut FpEnv, f: Format, a: u64, b: u64, largest: bool) -> u64 {
    let (x, y) = (unpack(env, f, a), unpack(env, f, b));
    if let Some(nan) = process_nans(env, f, [(x, a), (y, b)]) {
        return nan;
    }
    if x.is_zero() && y.is_zero() {
        return f.zero(if largest { x.negative && y.negative } else { x.negative || y.negative });
    }
    let (n, number) = if order(x, y).is_gt() == largest { (x, a) } else { (y, b) };
    if n.is_zero() { f.zero(n.negative) } else { number & f.mask() }
}

/// FPMaxNum: a number is larger than a quiet NaN.
pub fn max_num(env: &mut FpEnv, f: Format, a: u64, b: u64) -> u64 {
    extreme_num(env, f, a, b, true)
}

/// FPMinNum: a number is smaller than a quiet NaN.
pub fn min_num(env: &mut FpEnv, f: Format, a: u64, b: u64) -> u64 {
    extreme_num(env, f, a, b, false)
}

fn extreme_num(env: &mut FpEnv, f: Format, a: u64, b: u64, largest: bool) -> u64 {
    let quiet = |env: &mut FpEnv, a| unpack(env, f, a).ty == Type::QNaN;
    let (a, b) = match (quiet(env, a), quiet(env, b)) {
        (true, false) => (f.infinity(largest), b),
        (false, true) => (a, f.infinity(largest)),
        _ => (a, b),
    };
    extreme(env, f, a, b, largest)
}

/// The order of two numbers, or none when one is a NaN, which is invalid if signalling or if `signal`.
fn ordering(env: &mut FpEnv, f: Format, a: u64, b: u64, signal: bool) -> Option<std::cmp::Ordering> {
    let (x, y) = (unpack(env, f, a), unpack(env, f, b));
    if x.is_nan() || y.is_nan() {
        if signal || x.ty == Type::SNaN || y.ty == Type::SNaN {
            env.fpsr |= flag::IOC;
        }
        return None;
    }
    Some(order(x, y))
}

/// FPCompare: NZCV in bits 3:0.
pub fn compare(env: &mut FpEnv, f: Format, a: u64, b: u64, signal: bool) -> u64 {
    use std::cmp::Ordering::{Equal, Greater, Less};
    match ordering(env, f, a, b, signal) {
        None => 0b0011,
        Some(Equal) => 0b0110,
        Some(Less) => 0b1000,
        Some(Greater) => 0b0010,
    }
}

/// FPCompareEQ.
pub fn equal(env: &mut FpEnv, f: Format, a: u64, b: u64) -> bool {
    ordering(env, f, a, b, false).is_some_and(|o| o.is_eq())
}

/// FPCompareGE.
pub fn greater_or_equal(env: &mut FpEnv, f: Format, a: u64, b: u64) -> bool {
    ordering(env, f, a, b, true).is_some_and(|o| o.is_ge())
}

/// FPCompareGT.
pub fn greater(env: &mut FpEnv, f: Format, a: u64, b: u64) -> bool {
    ordering(env, f, a, b, true).is_some_and(|o| o.is_gt())
}
