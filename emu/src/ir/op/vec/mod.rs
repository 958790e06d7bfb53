//! Operations on 128-bit vectors: moving, bitwise logic and permuting here, arithmetic in [`arith`], saturation in
//! [`saturate`].
//!
//! The immediate is the width of a lane in bits, `e`, or with a parameter `n` [`pack`]`(e, n)`. Operations work on all
//! 128 bits: instructions on 64 bits, and scalar ones, clear the rest of the result with [`VecOps::v_zext`]. The
//! `long` operations read the low halves of their arguments; [`VecOps::v_upper`] brings the high ones there.

pub mod arith;
pub(crate) mod lanes;
pub mod saturate;

use lanes::{build, lane, map, signed};

/// The immediate of an operation with lanes of `e` bits and parameter `n`.
#[must_use]
pub const fn pack(e: u64, n: u64) -> u64 {
    e | n << 8
}

/// Width of a lane and parameter out of an immediate.
#[must_use]
pub const fn split(imm: u64) -> (u64, u64) {
    (imm & 0xff, imm >> 8)
}

crate::ops! {
    /// Vector operations that move and permute.
    VecOp / VecOps / Vec;

    /// The low 64 bits.
    v_low: VLow(a: V) -> I { a as u64 }
    /// The high 64 bits.
    v_high: VHigh(a: V) -> I { (a >> 64) as u64 }
    /// A vector from two doublewords.
    v_join: VJoin(low: I, high: I) -> V { u128::from(high) << 64 | u128::from(low) }
    /// The low `bits` bits, above them zeros; `bits` is 8, 16, 32 or 64.
    v_zext: VZext(a: V; bits) -> V { a & ((1 << bits) - 1) }
    /// The high half moved low, above it zeros.
    v_upper: VUpper(a: V) -> V { a >> 64 }

    /// Bitwise and.
    v_and: VAnd(a: V, b: V) -> V { a & b }
    /// Bitwise or.
    v_or: VOr(a: V, b: V) -> V { a | b }
    /// Bitwise exclusive or.
    v_xor: VXor(a: V, b: V) -> V { a ^ b }
    /// `a & !b`.
    v_bic: VBic(a: V, b: V) -> V { a & !b }
    /// Bitwise not.
    v_not: VNot(a: V) -> V { !a }
    /// `a` where `mask` has ones, `b` where it has zeros.
    v_select: VSelect(mask: V, a: V, b: V) -> V { a & mask | b & !mask }

    /// The low `e` bits in every lane.
    v_dup: VDup(a: I; e) -> V { map(e, 0, |_| a) }
    /// Lane `n` in every lane.
    v_dup_lane: VDupLane(a: V; imm) -> V {
        let (e, n) = split(imm);
        map(e, 0, |_| lane(e, a, n))
    }
    /// Lane `n`, zero-extended.
    v_extract: VExtract(a: V; imm) -> I {
        let (e, n) = split(imm);
        lane(e, a, n)
    }
    /// `a` with lane `n` replaced by the low bits of `value`.
    v_insert: VInsert(a: V, value: I; imm) -> V {
        let (e, n) = split(imm);
        build(e, 128 / e, |i| if i == n { value } else { lane(e, a, i) })
    }

    /// Lanes of the low halves in turn: a0, b0, a1, b1, …
    v_zip1: VZip1(a: V, b: V; e) -> V { build(e, 128 / e, |i| lane(e, if i % 2 == 0 { a } else { b }, i / 2)) }
    /// Lanes of the high halves in turn.
    v_zip2: VZip2(a: V, b: V; e) -> V {
        build(e, 128 / e, |i| lane(e, if i % 2 == 0 { a } else { b }, (i + 128 / e) / 2))
    }
    /// Even lanes of `a`, then of `b`.
    v_uzp1: VUzp1(a: V, b: V; e) -> V { unzip(e, a, b, 0) }
    /// Odd lanes of `a`, then of `b`.
    v_uzp2: VUzp2(a: V, b: V; e) -> V { unzip(e, a, b, 1) }
    /// Even lanes in turn: a0, b0, a2, b2, …
    v_trn1: VTrn1(a: V, b: V; e) -> V { build(e, 128 / e, |i| lane(e, if i % 2 == 0 { a } else { b }, i & !1)) }
    /// Odd lanes in turn: a1, b1, a3, b3, …
    v_trn2: VTrn2(a: V, b: V; e) -> V { build(e, 128 / e, |i| lane(e, if i % 2 == 0 { a } else { b }, i | 1)) }
    /// 16 bytes of `b:a` from byte `n` (below 16) on.
    v_ext: VExt(a: V, b: V; n) -> V { if n == 0 { a } else { a >> (8 * n) | b << (128 - 8 * n) } }
    /// The bytes of `table` at the places that `index` names less `base`; zeros where that is not below 16.
    v_tbl: VTbl(table: V, index: V; base) -> V { look_up(0, table, index, base) }
    /// As [`VecOps::v_tbl`], but leaving the bytes of `d` where the index is outside.
    v_tbx: VTbx(d: V, table: V, index: V; base) -> V { look_up(d, table, index, base) }
    /// Lanes in reverse order within each `n` bits.
    v_rev: VRev(a: V; imm) -> V {
        let (e, n) = split(imm);
        build(e, 128 / e, |i| lane(e, a, i ^ (n / e - 1)))
    }

    /// Lanes of the low half sign-extended to twice the width `e`.
    v_sxtl: VSxtl(a: V; e) -> V { build(2 * e, 64 / e, |i| signed(e, lane(e, a, i)) as u64) }
    /// Lanes of the low half zero-extended to twice the width `e`.
    v_uxtl: VUxtl(a: V; e) -> V { build(2 * e, 64 / e, |i| lane(e, a, i)) }
    /// Lanes of width `2e` truncated to `e`, in the low half; zeros above.
    v_xtn: VXtn(a: V; e) -> V { lanes::narrow(e, a, |x| x) }
}

fn unzip(e: u64, a: u128, b: u128, odd: u64) -> u128 {
    let half = 64 / e;
    build(e, 2 * half, |i| if i < half { lane(e, a, 2 * i + odd) } else { lane(e, b, 2 * (i - half) + odd) })
}

fn look_up(outside: u128, table: u128, index: u128, base: u64) -> u128 {
    let mut bytes = index.to_le_bytes();
    for (byte, keep) in bytes.iter_mut().zip(outside.to_le_bytes()) {
        *byte = table.to_le_bytes().get(usize::from(byte.wrapping_sub(base as u8))).copied().unwrap_or(keep);
    }
    u128::from_le_bytes(bytes)
}
