//! Operations on vectors.

crate::ops! {
    /// Pure operations on 128-bit vectors.
    VecOp / VecOps / Vec;

    /// The low 64 bits.
    v_low: VLow(a: V) -> I { a as u64 }
    /// The high 64 bits.
    v_high: VHigh(a: V) -> I { (a >> 64) as u64 }
    /// A vector from two doublewords.
    v_join: VJoin(low: I, high: I) -> V { u128::from(high) << 64 | u128::from(low) }
    /// The low `bits` bits, above them zeros; `bits` is 8, 16, 32 or 64.
    v_zext: VZext(a: V; bits) -> V { a & ((1 << bits) - 1) }
}
