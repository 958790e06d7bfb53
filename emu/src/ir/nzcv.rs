//! NZCV as results give it, in bits 3:0: what interpreter, IR and exits of translated code share.

/// AddWithCarry of the manual's shared pseudocode (shared/functions/integer/AddWithCarry): the result of 64 bits if `sf`,
/// else of 32, and NZCV.
#[must_use]
pub fn add_with_carry(sf: bool, a: u64, b: u64, carry: bool) -> (u64, u32) {
    let shift = if sf { 0 } else { 32 };
    let (a, b) = (a << shift >> shift, b << shift >> shift);
    let sum = u128::from(a) + u128::from(b) + u128::from(carry);
    let result = (sum as u64) << shift >> shift;
    let top = 63 - shift;
    let c = (sum >> (64 - shift)) as u32 & 1;
    let v = ((a ^ result) & (b ^ result)) >> top;
    (result, logical(sf, result) | c << 1 | v as u32 & 1)
}

/// NZCV of a logical instruction's result: C and V are clear.
#[must_use]
pub fn logical(sf: bool, result: u64) -> u32 {
    let result = if sf { result } else { result << 32 };
    ((result >> 63) as u32) << 3 | u32::from(result == 0) << 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn add_with_carry_sets_flags_as_the_manual_says() {
        assert_eq!(add_with_carry(true, 1, !1, true), (0, 0b0110), "1 - 1 is zero without borrow");
        assert_eq!(add_with_carry(true, 0, !1, true), (u64::MAX, 0b1000), "0 - 1 is negative with borrow");
        assert_eq!(add_with_carry(false, 0x7fff_ffff, 1, false), (0x8000_0000, 0b1001), "32-bit signed overflow");
        assert_eq!(add_with_carry(false, 0xffff_ffff, 1, false), (0, 0b0110), "32-bit carry out");
        assert_eq!(add_with_carry(true, u64::MAX, u64::MAX, true), (u64::MAX, 0b1010));
    }

    #[test]
    fn a_logical_result_of_32_bits_ignores_the_others() {
        assert_eq!(logical(false, 0xffff_ffff_0000_0000), 0b0100);
        assert_eq!(logical(false, 0x8000_0000), 0b1000);
        assert_eq!(logical(true, 0x8000_0000), 0);
    }
}
