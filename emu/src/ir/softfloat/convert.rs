//! Conversion between formats, to and from integers and fixed point, and rounding to integers.

use super::pack::{Type, cut, process_nan, round_by, round_cv, unpack, unpack_cv};
use super::{Format, Rounding, flag, mode};
use crate::state::FpEnv;

/// FPConvert.
pub fn convert(env: &mut FpEnv, from: Format, to: Format, a: u64, rounding: Rounding) -> u64 {
    let x = unpack_cv(env, from, a);
    let alternative = to.bits == 16 && env.fpcr & mode::AHP != 0;
    match x.ty {
        Type::QNaN | Type::SNaN => {
            if x.ty == Type::SNaN || alternative {
                env.fpsr |= flag::IOC;
            }
            if alternative {
                to.zero(x.negative)
            } else if env.fpcr & mode::DN != 0 {
                to.default_nan()
            } else {
                let frac = (a & from.frac_mask()) << (52 - from.frac) >> (52 - to.frac);
                to.signed(x.negative, to.default_nan() | frac)
            }
        }
        Type::Infinity if alternative => {
            env.fpsr |= flag::IOC;
            to.signed(x.negative, to.sign_bit() - 1)
        }
        Type::Infinity => to.infinity(x.negative),
        Type::Zero => to.zero(x.negative),
        Type::Finite => round_cv(env, to, x.negative, x.exp, u128::from(x.sig), rounding),
    }
}

/// FPToFixed: `a * 2^fbits` as an integer of `bits` bits, saturated, in the low bits of the result.
pub fn to_fixed(env: &mut FpEnv, f: Format, a: u64, bits: u32, fbits: u32, unsigned: bool, rounding: Rounding) -> u64 {
    let x = unpack(env, f, a);
    let mask = u64::MAX >> (64 - bits);
    let largest = if unsigned { mask } else { mask >> 1 };
    let limit = if x.negative { if unsigned { 0 } else { largest + 1 } } else { largest };
    let (whole, rest) = match x.ty {
        Type::Zero => return 0,
        Type::QNaN | Type::SNaN => {
            env.fpsr |= flag::IOC;
            return 0;
        }
        Type::Infinity => (u128::MAX, 0),
        Type::Finite => round_to_integer(x.negative, x.exp + fbits as i32, x.sig, rounding),
    };
    let magnitude = if whole > u128::from(limit) {
        env.fpsr |= flag::IOC;
        limit
    } else {
        if rest != 0 {
            env.fpsr |= flag::IXC;
        }
        whole as u64
    };
    if x.negative { magnitude.wrapping_neg() & mask } else { magnitude }
}

/// `sig * 2^exp` rounded (huge values as something huge), and whether it was inexact.
fn round_to_integer(negative: bool, exp: i32, sig: u64, rounding: Rounding) -> (u128, u64) {
    match exp {
        64.. => (u128::MAX, 0),
        0..64 => (u128::from(sig) << exp, 0),
        _ => {
            let (whole, rest) = cut(u128::from(sig), exp.unsigned_abs());
            (u128::from(whole) + u128::from(rounding.up(negative, whole & 1 != 0, rest)), rest)
        }
    }
}

/// FixedToFP: the low `bits` bits of `a`, divided by `2^fbits`.
pub fn from_fixed(
    env: &mut FpEnv,
    f: Format,
    a: u64,
    bits: u32,
    fbits: u32,
    unsigned: bool,
    rounding: Rounding,
) -> u64 {
    let top = a << (64 - bits);
    let value = if unsigned { i128::from(top >> (64 - bits)) } else { i128::from(top as i64 >> (64 - bits)) };
    if value == 0 {
        return f.zero(false);
    }
    round_by(env, f, value < 0, -(fbits as i32), value.unsigned_abs(), rounding)
}

/// FPRoundInt; `exact` reports inexact results.
pub fn round_int(env: &mut FpEnv, f: Format, a: u64, rounding: Rounding, exact: bool) -> u64 {
    let x = unpack(env, f, a);
    match x.ty {
        Type::QNaN | Type::SNaN => process_nan(env, f, x.ty, a),
        Type::Infinity => f.infinity(x.negative),
        Type::Zero => f.zero(x.negative),
        Type::Finite if x.exp >= 0 => a & f.mask(),
        Type::Finite => {
            let (whole, rest) = round_to_integer(x.negative, x.exp, x.sig, rounding);
            if rest != 0 && exact {
                env.fpsr |= flag::IXC;
            }
            if whole == 0 { f.zero(x.negative) } else { round_by(env, f, x.negative, 0, whole, Rounding::Zero) }
        }
    }
}

/// FPToFixedJS: the integer modulo 2^32, and NZCV, whose Z says that nothing was lost.
pub fn to_fixed_js(env: &mut FpEnv, a: u64) -> (u32, u64) {
    const Z: u64 = 0b0100;
    let x = unpack(env, Format::DOUBLE, a);
    match x.ty {
        Type::QNaN | Type::SNaN | Type::Infinity => {
            env.fpsr |= flag::IOC;
            (0, 0)
        }
        // Neither -0 nor a flushed number is what it turns into.
        Type::Zero => (0, if a == 0 { Z } else { 0 }),
        Type::Finite => {
            let (whole, rest) = match x.exp {
                32.. => (0, 0),
                0..32 => (x.sig << x.exp, 0),
                _ => cut(u128::from(x.sig), x.exp.unsigned_abs()),
            };
            let limit = if x.negative { 1 << 31 } else { (1 << 31) - 1 };
            let result = whole as u32;
            let result = if x.negative { result.wrapping_neg() } else { result };
            let fits = x.exp < 0 && whole <= limit;
            if !fits {
                env.fpsr |= flag::IOC;
            } else if rest != 0 {
                env.fpsr |= flag::IXC;
            }
            (result, if fits && rest == 0 { Z } else { 0 })
        }
    }
}
