//! Taking numbers apart and putting them together: FPUnpack, FPRound, FPProcessNaN and their variants.

use super::{Format, Rounding, flag, mode};
use crate::state::FpEnv;

/// What kind of number (FPType).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Zero,
    Finite,
    Infinity,
    QNaN,
    SNaN,
}

/// A number taken apart; a finite one is `sig * 2^exp`, and the highest bit of `sig` is set.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    pub ty: Type,
    pub negative: bool,
    pub exp: i32,
    pub sig: u64,
}

impl Number {
    pub fn is_nan(self) -> bool {
        matches!(self.ty, Type::QNaN | Type::SNaN)
    }
    pub fn is_inf(self) -> bool {
        self.ty == Type::Infinity
    }
    pub fn is_zero(self) -> bool {
        self.ty == Type::Zero
    }
}

/// Whether denormal numbers of the format count as zero.
pub fn flushes(env: &FpEnv, f: Format) -> bool {
    env.fpcr & if f.bits == 16 { mode::FZ16 } else { mode::FZ } != 0
}

/// FPUnpack.
pub fn unpack(env: &mut FpEnv, f: Format, a: u64) -> Number {
    let flush = flushes(env, f);
    unpack_base(env, f, a, flush, false)
}

/// FPUnpackCV: conversions neither flush halves nor ignore FPCR.AHP.
pub fn unpack_cv(env: &mut FpEnv, f: Format, a: u64) -> Number {
    let half = f.bits == 16;
    let (flush, alternative) = (!half && flushes(env, f), half && env.fpcr & mode::AHP != 0);
    unpack_base(env, f, a, flush, alternative)
}

fn unpack_base(env: &mut FpEnv, f: Format, a: u64, flush: bool, alternative: bool) -> Number {
    let (negative, exp, frac) = (a & f.sign_bit() != 0, f.exp_field(a), a & f.frac_mask());
    let special = |ty| Number { ty, negative, exp: 0, sig: 0 };
    if exp == f.exp_ones() && !alternative {
        return special(match frac {
            0 => Type::Infinity,
            _ if frac & f.quiet_bit() != 0 => Type::QNaN,
            _ => Type::SNaN,
        });
    }
    if exp == 0 && (frac == 0 || flush) {
        if frac != 0 && f.bits != 16 {
            env.fpsr |= flag::IDC;
        }
        return special(Type::Zero);
    }
    let whole = if exp == 0 { frac } else { frac | 1 << f.frac };
    let scale = f.min_exp() + (exp.max(1) as i32 - 1) - f.frac as i32;
    let shift = whole.leading_zeros();
    Number { ty: Type::Finite, negative, exp: scale - shift as i32, sig: whole << shift }
}

/// FPRound with FPCR's rounding mode, of `sig * 2^exp`, whose lowest bit may stand for lower ones.
pub fn round(env: &mut FpEnv, f: Format, negative: bool, exp: i32, sig: u128) -> u64 {
    round_by(env, f, negative, exp, sig, Rounding::of_fpcr(env.fpcr))
}

/// FPRound.
pub fn round_by(env: &mut FpEnv, f: Format, negative: bool, exp: i32, sig: u128, rounding: Rounding) -> u64 {
    let flush = flushes(env, f);
    round_base(env, f, negative, (exp, sig), rounding, flush, false)
}

/// FPRoundCV: conversions neither flush halves nor ignore FPCR.AHP.
pub fn round_cv(env: &mut FpEnv, f: Format, negative: bool, exp: i32, sig: u128, rounding: Rounding) -> u64 {
    let half = f.bits == 16;
    let (flush, alternative) = (!half && flushes(env, f), half && env.fpcr & mode::AHP != 0);
    round_base(env, f, negative, (exp, sig), rounding, flush, alternative)
}

fn round_base(
    env: &mut FpEnv,
    f: Format,
    negative: bool,
    (exp, sig): (i32, u128),
    rounding: Rounding,
    flush: bool,
    alternative: bool,
) -> u64 {
    let shift = sig.leading_zeros();
    // The value is sig / 2^127 * 2^exponent.
    let (sig, exponent) = (sig << shift, exp - shift as i32 + 127);
    if exponent < f.min_exp() && flush {
        env.fpsr |= flag::UFC;
        return f.zero(negative);
    }
    let denormal = (f.min_exp() - exponent).max(0) as u32;
    let (mut whole, rest) = cut(sig, 127 - f.frac + denormal);
    if denormal > 0 && rest != 0 {
        env.fpsr |= flag::UFC;
    }
    let mut inexact = rest != 0;
    whole += u64::from(rounding.up(negative, whole & 1 != 0, rest));
    // The hidden bit, and a carry out of the fraction, increment the exponent field.
    let biased = if denormal > 0 { 0 } else { (exponent - f.min_exp()) as u64 };
    let mut result = (biased << f.frac) + whole;
    if alternative {
        if result >= f.sign_bit() {
            result = f.sign_bit() - 1;
            env.fpsr |= flag::IOC;
            inexact = false;
        }
    } else if f.exp_ones() <= result >> f.frac {
        env.fpsr |= flag::OFC;
        inexact = true;
        result = if rounding.overflows(negative) { f.infinity(false) } else { f.max_normal(false) };
    }
    if inexact {
        env.fpsr |= flag::IXC;
    }
    f.signed(negative, result)
}

/// `sig >> shift`, and what falls off as a fraction of 2^64 whose lowest bit is sticky; the quotient must fit.
pub fn cut(sig: u128, shift: u32) -> (u64, u64) {
    match shift {
        0 => (sig as u64, 0),
        1..=127 => {
            let rest = sig << (128 - shift);
            ((sig >> shift) as u64, (rest >> 64) as u64 | u64::from(rest as u64 != 0))
        }
        128 => (0, (sig >> 64) as u64 | u64::from(sig as u64 != 0)),
        _ => (0, u64::from(sig != 0)),
    }
}

/// InvalidOp, with the default NaN as its result.
pub fn invalid(env: &mut FpEnv, f: Format) -> u64 {
    env.fpsr |= flag::IOC;
    f.default_nan()
}

/// FPProcessNaN.
pub fn process_nan(env: &mut FpEnv, f: Format, ty: Type, a: u64) -> u64 {
    if ty == Type::SNaN {
        env.fpsr |= flag::IOC;
    }
    if env.fpcr & mode::DN != 0 { f.default_nan() } else { (a & f.mask()) | f.quiet_bit() }
}

/// FPProcessNaNs, FPProcessNaNs3: the first signalling NaN, else the first quiet one.
pub fn process_nans<const N: usize>(env: &mut FpEnv, f: Format, of: [(Number, u64); N]) -> Option<u64> {
    let first = |ty| of.iter().find(|(n, _)| n.ty == ty);
    let (n, a) = first(Type::SNaN).or_else(|| first(Type::QNaN))?;
    Some(process_nan(env, f, n.ty, *a))
}
