//! Lane operations that saturate, setting FPSR.QC when they do.
//!
//! Lanes of zeros never saturate, so instructions on part of a vector clear the rest of their arguments.

use super::lanes::{left_amount, map, narrow, shift_right, signed, zip, zip_long};
use super::split;
use crate::state::FpEnv;

crate::ops! {
    /// Vector operations that saturate.
    VecSatOp / VecSatOps / VecSat;

    /// Signed sum.
    v_sqadd: Sqadd(env, a: V, b: V; e) -> V { zip(e, a, b, |x, y| to_signed(env, e, int(e, x) + int(e, y))) }
    /// Unsigned sum.
    v_uqadd: Uqadd(env, a: V, b: V; e) -> V { zip(e, a, b, |x, y| to_unsigned(env, e, nat(x) + nat(y))) }
    /// Signed difference.
    v_sqsub: Sqsub(env, a: V, b: V; e) -> V { zip(e, a, b, |x, y| to_signed(env, e, int(e, x) - int(e, y))) }
    /// Unsigned difference.
    v_uqsub: Uqsub(env, a: V, b: V; e) -> V { zip(e, a, b, |x, y| to_unsigned(env, e, nat(x) - nat(y))) }
    /// Signed `a` plus unsigned `b`, signed.
    v_suqadd: Suqadd(env, a: V, b: V; e) -> V { zip(e, a, b, |x, y| to_signed(env, e, int(e, x) + nat(y))) }
    /// Unsigned `a` plus signed `b`, unsigned.
    v_usqadd: Usqadd(env, a: V, b: V; e) -> V { zip(e, a, b, |x, y| to_unsigned(env, e, nat(x) + int(e, y))) }
    /// Absolute value.
    v_sqabs: Sqabs(env, a: V; e) -> V { map(e, a, |x| to_signed(env, e, int(e, x).abs())) }
    /// Zero less each lane.
    v_sqneg: Sqneg(env, a: V; e) -> V { map(e, a, |x| to_signed(env, e, -int(e, x))) }

    /// Signed shift left by the signed low byte of each lane of `b`.
    v_sqshl: Sqshl(env, a: V, b: V; e) -> V {
        zip(e, a, b, |x, y| to_signed(env, e, shift_right(e, int(e, x), -left_amount(y), false)))
    }
    /// Unsigned shift left by the signed low byte of each lane of `b`.
    v_uqshl: Uqshl(env, a: V, b: V; e) -> V {
        zip(e, a, b, |x, y| to_unsigned(env, e, shift_right(e, nat(x), -left_amount(y), false)))
    }
    /// As [`VecSatOps::v_sqshl`], rounding.
    v_sqrshl: Sqrshl(env, a: V, b: V; e) -> V {
        zip(e, a, b, |x, y| to_signed(env, e, shift_right(e, int(e, x), -left_amount(y), true)))
    }
    /// As [`VecSatOps::v_uqshl`], rounding.
    v_uqrshl: Uqrshl(env, a: V, b: V; e) -> V {
        zip(e, a, b, |x, y| to_unsigned(env, e, shift_right(e, nat(x), -left_amount(y), true)))
    }
    /// Signed lanes shifted left by `n`, as unsigned.
    v_sqshlu: Sqshlu(env, a: V; imm) -> V {
        let (e, n) = split(imm);
        map(e, a, |x| to_unsigned(env, e, int(e, x) << n))
    }

    /// Signed lanes of width `2e` as signed of `e`, in the low half; zeros above.
    v_sqxtn: Sqxtn(env, a: V; e) -> V { narrow(e, a, |x| to_signed(env, e, int(2 * e, x))) }
    /// Unsigned lanes of width `2e` as unsigned of `e`, in the low half; zeros above.
    v_uqxtn: Uqxtn(env, a: V; e) -> V { narrow(e, a, |x| to_unsigned(env, e, nat(x))) }
    /// Signed lanes of width `2e` as unsigned of `e`, in the low half; zeros above.
    v_sqxtun: Sqxtun(env, a: V; e) -> V { narrow(e, a, |x| to_unsigned(env, e, int(2 * e, x))) }

    /// High half of twice the product; `e` is 16 or 32.
    v_sqdmulh: Sqdmulh(env, a: V, b: V; e) -> V {
        zip(e, a, b, |x, y| to_signed(env, e, shift_right(e, 2 * int(e, x) * int(e, y), e as i64, false)))
    }
    /// High half of twice the product, rounded.
    v_sqrdmulh: Sqrdmulh(env, a: V, b: V; e) -> V {
        zip(e, a, b, |x, y| to_signed(env, e, shift_right(e, 2 * int(e, x) * int(e, y), e as i64, true)))
    }
    /// Twice the product of the low halves, `2e` wide.
    v_sqdmull: Sqdmull(env, a: V, b: V; e) -> V {
        zip_long(e, a, b, |x, y| to_signed(env, 2 * e, 2 * int(e, x) * int(e, y)))
    }
    /// `d` plus the rounded high half of twice the product, saturated once; `n` is 1 to subtract the product.
    v_sqrdmlah: Sqrdmlah(env, d: V, a: V, b: V; imm) -> V {
        let (e, n) = split(imm);
        let mut i = 0;
        zip(e, a, b, |x, y| {
            let product = 2 * int(e, x) * int(e, y);
            let sum = (int(e, super::lanes::lane(e, d, i)) << e) + if n == 1 { -product } else { product };
            i += 1;
            to_signed(env, e, shift_right(e, sum, e as i64, true))
        })
    }
}

/// FPSR.QC.
const QC: u32 = 1 << 27;

fn int(e: u64, lane: u64) -> i128 {
    i128::from(signed(e, lane))
}

fn nat(lane: u64) -> i128 {
    i128::from(lane)
}

fn clamp(env: &mut FpEnv, x: i128, low: i128, high: i128) -> u64 {
    let y = x.clamp(low, high);
    if y != x {
        env.fpsr |= QC;
    }
    y as u64
}

fn to_signed(env: &mut FpEnv, e: u64, x: i128) -> u64 {
    clamp(env, x, -(1 << (e - 1)), (1 << (e - 1)) - 1)
}

fn to_unsigned(env: &mut FpEnv, e: u64, x: i128) -> u64 {
    clamp(env, x, 0, (1 << e) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saturation_is_remembered_and_its_absence_is_not() {
        let run = |op: VecSatOp, args: &[u128], imm| {
            let mut env = FpEnv::default();
            ((ROWS[op as usize].eval)(&mut env, args, imm), env.fpsr)
        };
        assert_eq!(run(VecSatOp::Sqadd, &[0x7f, 1], 8), (0x7f, QC));
        assert_eq!(run(VecSatOp::Sqadd, &[0x7e, 1], 8), (0x7f, 0));
        assert_eq!(run(VecSatOp::Uqsub, &[1, 2], 64), (0, QC));
        assert_eq!(run(VecSatOp::Sqxtun, &[0xffff], 8), (0, QC));
        assert_eq!(run(VecSatOp::Uqshl, &[u128::from(u64::MAX), 127], 64), (u128::from(u64::MAX), QC));
    }
}
