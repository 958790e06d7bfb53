//! Lanes of a 128-bit vector, as the evaluations of vector operations walk them.
//!
//! `e` is the width of a lane in bits: 8, 16, 32 or 64. Closures see lanes zero-extended and may return more than `e`
//! bits; the rest is dropped.

/// All ones in `e` bits.
pub(crate) const fn ones(e: u64) -> u64 {
    u64::MAX >> (64 - e)
}

/// A lane as a signed number.
pub(crate) const fn signed(e: u64, lane: u64) -> i64 {
    (lane << (64 - e)) as i64 >> (64 - e)
}

/// Lane `i`.
pub(crate) const fn lane(e: u64, v: u128, i: u64) -> u64 {
    (v >> (e * i)) as u64 & ones(e)
}

/// A vector of lanes, made one by one.
pub(crate) fn build(e: u64, count: u64, mut f: impl FnMut(u64) -> u64) -> u128 {
    (0..count).fold(0, |out, i| out | u128::from(f(i) & ones(e)) << (e * i))
}

/// Each lane by itself.
pub(crate) fn map(e: u64, a: u128, mut f: impl FnMut(u64) -> u64) -> u128 {
    build(e, 128 / e, |i| f(lane(e, a, i)))
}

/// Lanes of two vectors.
pub(crate) fn zip(e: u64, a: u128, b: u128, mut f: impl FnMut(u64, u64) -> u64) -> u128 {
    build(e, 128 / e, |i| f(lane(e, a, i), lane(e, b, i)))
}

/// Lanes of two vectors as signed numbers.
pub(crate) fn zip_signed(e: u64, a: u128, b: u128, mut f: impl FnMut(i64, i64) -> i64) -> u128 {
    zip(e, a, b, |x, y| f(signed(e, x), signed(e, y)) as u64)
}

/// Lanes of two vectors, giving all ones or zeros.
pub(crate) fn compare(e: u64, a: u128, b: u128, f: impl Fn(u64, u64) -> bool) -> u128 {
    zip(e, a, b, |x, y| if f(x, y) { u64::MAX } else { 0 })
}

/// Lanes of the low halves of two vectors, giving lanes of twice the width.
pub(crate) fn zip_long(e: u64, a: u128, b: u128, mut f: impl FnMut(u64, u64) -> u64) -> u128 {
    build(2 * e, 64 / e, |i| f(lane(e, a, i), lane(e, b, i)))
}

/// Lanes of width `2e`, giving lanes of width `e` in the low half.
pub(crate) fn narrow(e: u64, a: u128, mut f: impl FnMut(u64) -> u64) -> u128 {
    build(e, 64 / e, |i| f(lane(2 * e, a, i)))
}

/// `x / 2^n` rounded towards minus infinity, or to nearest with halves up when `round`; multiplied for negative `n`.
///
/// A shift beyond the lane's width on the left gives a number that saturates every lane, and whose low bits are zero.
pub(crate) const fn shift_right(e: u64, x: i128, n: i64, round: bool) -> i128 {
    if n <= -(e as i64) {
        x.signum() << 126
    } else if n <= 0 {
        x << -n
    } else {
        // Beyond 65 places nothing changes: the sign alone is left, or, rounded, zero.
        let n = if n > 65 { 65 } else { n };
        (if round { x + (1 << (n - 1)) } else { x }) >> n
    }
}

/// The shift that the register-shift instructions take from a lane: its low byte, signed, to the left.
pub(crate) const fn left_amount(lane: u64) -> i64 {
    lane as i8 as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_reach_beyond_the_lane() {
        assert_eq!(shift_right(64, -1, 128, false), -1);
        assert_eq!(shift_right(64, -1, 128, true), 0);
        assert_eq!(shift_right(64, i128::from(i64::MIN), 64, true), 0);
        assert_eq!(shift_right(8, 3, -8, false) as u8, 0);
        assert_eq!(shift_right(8, 3, -7, false) as u8, 0x80);
    }

    #[test]
    fn lanes_keep_their_places() {
        assert_eq!(map(64, 1 << 64 | 2, |x| x + 1), 2 << 64 | 3);
        assert_eq!(map(8, u128::MAX, |x| x + 1), 0);
        assert_eq!(narrow(8, 0x0102_0304, |x| x), 0x0204);
    }
}
