//! Lane arithmetic: sums, products, comparisons, shifts, reductions; nothing here saturates or touches FPSR.

use super::lanes::{build, compare, lane, left_amount, map, ones, shift_right, signed, zip, zip_long, zip_signed};
use super::split;

crate::ops! {
    /// Vector operations on integer lanes.
    VecArithOp / VecArithOps / VecArith;

    /// Sum.
    v_add: Add(a: V, b: V; e) -> V { zip(e, a, b, u64::wrapping_add) }
    /// Difference.
    v_sub: Sub(a: V, b: V; e) -> V { zip(e, a, b, u64::wrapping_sub) }
    /// Low half of the product; `e` is 8, 16 or 32.
    v_mul: Mul(a: V, b: V; e) -> V { zip(e, a, b, u64::wrapping_mul) }
    /// Zero less each lane.
    v_neg: Neg(a: V; e) -> V { map(e, a, u64::wrapping_neg) }
    /// Absolute value; the most negative number is left.
    v_abs: Abs(a: V; e) -> V { map(e, a, |x| signed(e, x).wrapping_abs() as u64) }
    /// Signed absolute difference.
    v_sabd: Sabd(a: V, b: V; e) -> V { zip(e, a, b, |x, y| signed(e, x).abs_diff(signed(e, y))) }
    /// Unsigned absolute difference.
    v_uabd: Uabd(a: V, b: V; e) -> V { zip(e, a, b, u64::abs_diff) }
    /// Signed maximum.
    v_smax: Smax(a: V, b: V; e) -> V { zip_signed(e, a, b, i64::max) }
    /// Signed minimum.
    v_smin: Smin(a: V, b: V; e) -> V { zip_signed(e, a, b, i64::min) }
    /// Unsigned maximum.
    v_umax: Umax(a: V, b: V; e) -> V { zip(e, a, b, u64::max) }
    /// Unsigned minimum.
    v_umin: Umin(a: V, b: V; e) -> V { zip(e, a, b, u64::min) }
    /// Half the signed sum, rounded down; `e` is 8, 16 or 32.
    v_shadd: Shadd(a: V, b: V; e) -> V { zip_signed(e, a, b, |x, y| (x + y) >> 1) }
    /// Half the unsigned sum, rounded down.
    v_uhadd: Uhadd(a: V, b: V; e) -> V { zip(e, a, b, |x, y| (x + y) >> 1) }
    /// Half the signed sum, rounded up.
    v_srhadd: Srhadd(a: V, b: V; e) -> V { zip_signed(e, a, b, |x, y| (x + y + 1) >> 1) }
    /// Half the unsigned sum, rounded up.
    v_urhadd: Urhadd(a: V, b: V; e) -> V { zip(e, a, b, |x, y| (x + y + 1) >> 1) }
    /// Half the signed difference, rounded down.
    v_shsub: Shsub(a: V, b: V; e) -> V { zip_signed(e, a, b, |x, y| (x - y) >> 1) }
    /// Half the unsigned difference, rounded down.
    v_uhsub: Uhsub(a: V, b: V; e) -> V { zip(e, a, b, |x, y| x.wrapping_sub(y) >> 1) }

    /// All ones where equal.
    v_cmeq: Cmeq(a: V, b: V; e) -> V { compare(e, a, b, |x, y| x == y) }
    /// All ones where `a > b`, signed.
    v_cmgt: Cmgt(a: V, b: V; e) -> V { compare(e, a, b, |x, y| signed(e, x) > signed(e, y)) }
    /// All ones where `a >= b`, signed.
    v_cmge: Cmge(a: V, b: V; e) -> V { compare(e, a, b, |x, y| signed(e, x) >= signed(e, y)) }
    /// All ones where `a > b`, unsigned.
    v_cmhi: Cmhi(a: V, b: V; e) -> V { compare(e, a, b, |x, y| x > y) }
    /// All ones where `a >= b`, unsigned.
    v_cmhs: Cmhs(a: V, b: V; e) -> V { compare(e, a, b, |x, y| x >= y) }
    /// All ones where a bit is set in both.
    v_cmtst: Cmtst(a: V, b: V; e) -> V { compare(e, a, b, |x, y| x & y != 0) }

    /// Left shift by `n`, below `e`.
    v_shl: Shl(a: V; imm) -> V { let (e, n) = split(imm); map(e, a, |x| x << n) }
    /// Logical right shift by `n`, up to `e`.
    v_ushr: Ushr(a: V; imm) -> V { let (e, n) = split(imm); map(e, a, |x| unsigned_shift(e, x, -(n as i64), false)) }
    /// Arithmetic right shift by `n`, up to `e`.
    v_sshr: Sshr(a: V; imm) -> V { let (e, n) = split(imm); map(e, a, |x| signed_shift(e, x, -(n as i64), false)) }
    /// Logical right shift by `n`, rounded.
    v_urshr: Urshr(a: V; imm) -> V { let (e, n) = split(imm); map(e, a, |x| unsigned_shift(e, x, -(n as i64), true)) }
    /// Arithmetic right shift by `n`, rounded.
    v_srshr: Srshr(a: V; imm) -> V { let (e, n) = split(imm); map(e, a, |x| signed_shift(e, x, -(n as i64), true)) }
    /// `a` shifted left by `n` over the low `n` bits of `d`.
    v_sli: Sli(d: V, a: V; imm) -> V {
        let (e, n) = split(imm);
        zip(e, d, a, |d, a| a << n | d & !(u64::MAX << n))
    }
    /// `a` shifted right by `n` (1 to `e`) under the high `n` bits of `d`.
    v_sri: Sri(d: V, a: V; imm) -> V {
        let (e, n) = split(imm);
        let mask = ones(e).checked_shr(n as u32).unwrap_or(0);
        zip(e, d, a, |d, a| a.checked_shr(n as u32).unwrap_or(0) | d & !mask)
    }
    /// Logical shift left by the signed low byte of each lane of `b`.
    v_ushl: Ushl(a: V, b: V; e) -> V { zip(e, a, b, |x, y| unsigned_shift(e, x, left_amount(y), false)) }
    /// Arithmetic shift left by the signed low byte of each lane of `b`.
    v_sshl: Sshl(a: V, b: V; e) -> V { zip(e, a, b, |x, y| signed_shift(e, x, left_amount(y), false)) }
    /// As [`VecArithOps::v_ushl`], rounding.
    v_urshl: Urshl(a: V, b: V; e) -> V { zip(e, a, b, |x, y| unsigned_shift(e, x, left_amount(y), true)) }
    /// As [`VecArithOps::v_sshl`], rounding.
    v_srshl: Srshl(a: V, b: V; e) -> V { zip(e, a, b, |x, y| signed_shift(e, x, left_amount(y), true)) }

    /// Signed products of the low halves, twice as wide.
    v_smull: Smull(a: V, b: V; e) -> V { zip_long(e, a, b, |x, y| (signed(e, x) * signed(e, y)) as u64) }
    /// Unsigned products of the low halves, twice as wide.
    v_umull: Umull(a: V, b: V; e) -> V { zip_long(e, a, b, |x, y| x * y) }
    /// Polynomial products of bytes, low halves.
    v_pmul: Pmul(a: V, b: V) -> V { zip(8, a, b, polynomial_product) }
    /// Polynomial products of the bytes of the low halves, 16 bits wide.
    v_pmull: Pmull(a: V, b: V) -> V { zip_long(8, a, b, polynomial_product) }
    /// Each word of `d` plus four products of signed bytes.
    v_sdot: Sdot(d: V, a: V, b: V) -> V {
        build(32, 4, |i| (0..4).fold(lane(32, d, i), |sum, k| {
            let at = |v| signed(8, lane(8, v, 4 * i + k));
            sum.wrapping_add((at(a) * at(b)) as u64)
        }))
    }
    /// Each word of `d` plus four products of unsigned bytes.
    v_udot: Udot(d: V, a: V, b: V) -> V {
        build(32, 4, |i| (0..4).fold(lane(32, d, i), |sum, k| {
            sum.wrapping_add(lane(8, a, 4 * i + k) * lane(8, b, 4 * i + k))
        }))
    }
    /// Sums of neighbouring signed lanes, twice as wide.
    v_saddlp: Saddlp(a: V; e) -> V { map(2 * e, a, |x| (signed(e, x) + signed(e, x >> e)) as u64) }
    /// Sums of neighbouring unsigned lanes, twice as wide.
    v_uaddlp: Uaddlp(a: V; e) -> V { map(2 * e, a, |x| (x & ones(e)) + (x >> e)) }

    /// Sum of all lanes, in the lowest; zeros above.
    v_addv: Addv(a: V; e) -> V { reduce(e, a, u64::wrapping_add) }
    /// Signed maximum of all lanes, in the lowest.
    v_smaxv: Smaxv(a: V; e) -> V { reduce(e, a, |x, y| if signed(e, x) > signed(e, y) { x } else { y }) }
    /// Signed minimum of all lanes, in the lowest.
    v_sminv: Sminv(a: V; e) -> V { reduce(e, a, |x, y| if signed(e, x) < signed(e, y) { x } else { y }) }
    /// Unsigned maximum of all lanes, in the lowest.
    v_umaxv: Umaxv(a: V; e) -> V { reduce(e, a, u64::max) }
    /// Unsigned minimum of all lanes, in the lowest.
    v_uminv: Uminv(a: V; e) -> V { reduce(e, a, u64::min) }

    /// Count of ones in each byte.
    v_cnt: Cnt(a: V) -> V { map(8, a, |x| u64::from(x.count_ones())) }
    /// Bits of each byte in reverse order.
    v_rbit: Rbit(a: V) -> V { map(8, a, |x| x.reverse_bits() >> 56) }
    /// Count of leading zeros.
    v_clz: Clz(a: V; e) -> V { map(e, a, |x| leading_zeros(e, x)) }
    /// Count of the bits after the first that equal it.
    v_cls: Cls(a: V; e) -> V { map(e, a, |x| leading_zeros(e, (x ^ x >> 1) & ones(e - 1)) - 1) }
    /// Estimate of the reciprocal of each word as a fraction (UnsignedRecipEstimate).
    v_urecpe: Urecpe(a: V) -> V {
        map(32, a, |x| if x >> 31 == 0 { u64::MAX } else { recip_estimate(x >> 23) << 23 })
    }
    /// Estimate of the reciprocal square root of each word as a fraction (UnsignedRSqrtEstimate).
    v_ursqrte: Ursqrte(a: V) -> V {
        map(32, a, |x| if x >> 30 == 0 { u64::MAX } else { recip_sqrt_estimate(x >> 23) << 23 })
    }
}

fn unsigned_shift(e: u64, x: u64, left: i64, round: bool) -> u64 {
    shift_right(e, i128::from(x), -left, round) as u64
}

fn signed_shift(e: u64, x: u64, left: i64, round: bool) -> u64 {
    shift_right(e, i128::from(signed(e, x)), -left, round) as u64
}

fn leading_zeros(e: u64, x: u64) -> u64 {
    u64::from(x.leading_zeros()) - (64 - e)
}

fn polynomial_product(x: u64, y: u64) -> u64 {
    (0..8).filter(|i| y >> i & 1 != 0).fold(0, |sum, i| sum ^ x << i)
}

fn reduce(e: u64, a: u128, f: impl Fn(u64, u64) -> u64) -> u128 {
    u128::from((1..128 / e).fold(lane(e, a, 0), |x, i| f(x, lane(e, a, i))) & ones(e))
}

/// RecipEstimate (J1.3): `a` from 256 to 511 as a fraction of 512, the result from 256 to 511 as one of 256.
pub(in crate::ir::op) const fn recip_estimate(a: u64) -> u64 {
    ((1 << 19) / (2 * a + 1)).div_ceil(2)
}

/// RecipSqrtEstimate (J1.3): `a` from 128 to 511 as a fraction of 512, the result from 256 to 511 as one of 256.
pub(in crate::ir::op) const fn recip_sqrt_estimate(a: u64) -> u64 {
    let a = if a < 256 { 2 * a + 1 } else { 2 * (a | 1) };
    let mut b = 512;
    while a * (b + 1) * (b + 1) < 1 << 28 {
        b += 1;
    }
    b.div_ceil(2)
}
