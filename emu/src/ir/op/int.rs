//! Operations on general-purpose values.
//!
//! Names end in their width. A 32-bit operation takes the low halves of its arguments and zero-extends its result.

crate::ops! {
    /// Pure operations on general-purpose values.
    IntOp / IntOps / Int;

    /// Sum.
    add32: Add32(a: I, b: I) -> I { u64::from((a as u32).wrapping_add(b as u32)) }
    /// Sum.
    add64: Add64(a: I, b: I) -> I { a.wrapping_add(b) }
    /// Difference.
    sub32: Sub32(a: I, b: I) -> I { u64::from((a as u32).wrapping_sub(b as u32)) }
    /// Difference.
    sub64: Sub64(a: I, b: I) -> I { a.wrapping_sub(b) }
    /// `a + b + (carry & 1)`.
    adc32: Adc32(a: I, b: I, carry: I) -> I { u64::from((a as u32).wrapping_add(b as u32).wrapping_add((carry & 1) as u32)) }
    /// `a + b + (carry & 1)`.
    adc64: Adc64(a: I, b: I, carry: I) -> I { a.wrapping_add(b).wrapping_add(carry & 1) }
    /// Bitwise and.
    and32: And32(a: I, b: I) -> I { a & b & 0xffff_ffff }
    /// Bitwise and.
    and64: And64(a: I, b: I) -> I { a & b }
    /// Bitwise or.
    or32: Or32(a: I, b: I) -> I { (a | b) & 0xffff_ffff }
    /// Bitwise or.
    or64: Or64(a: I, b: I) -> I { a | b }
    /// Bitwise exclusive or.
    xor32: Xor32(a: I, b: I) -> I { (a ^ b) & 0xffff_ffff }
    /// Bitwise exclusive or.
    xor64: Xor64(a: I, b: I) -> I { a ^ b }
    /// `a & !b`.
    bic32: Bic32(a: I, b: I) -> I { a & !b & 0xffff_ffff }
    /// `a & !b`.
    bic64: Bic64(a: I, b: I) -> I { a & !b }
    /// Bitwise not.
    not32: Not32(a: I) -> I { !a & 0xffff_ffff }
    /// Bitwise not.
    not64: Not64(a: I) -> I { !a }
    /// Left shift by `b` modulo the width.
    shl32: Shl32(a: I, b: I) -> I { u64::from((a as u32) << (b & 31)) }
    /// Left shift by `b` modulo the width.
    shl64: Shl64(a: I, b: I) -> I { a << (b & 63) }
    /// Logical right shift by `b` modulo the width.
    shr32: Shr32(a: I, b: I) -> I { u64::from(a as u32 >> (b & 31)) }
    /// Logical right shift by `b` modulo the width.
    shr64: Shr64(a: I, b: I) -> I { a >> (b & 63) }
    /// Arithmetic right shift by `b` modulo the width.
    sar32: Sar32(a: I, b: I) -> I { u64::from((a as i32 >> (b & 31)) as u32) }
    /// Arithmetic right shift by `b` modulo the width.
    sar64: Sar64(a: I, b: I) -> I { (a as i64 >> (b & 63)) as u64 }
    /// Rotation right by `b` modulo the width.
    ror32: Ror32(a: I, b: I) -> I { u64::from((a as u32).rotate_right((b & 31) as u32)) }
    /// Rotation right by `b` modulo the width.
    ror64: Ror64(a: I, b: I) -> I { a.rotate_right((b & 63) as u32) }
    /// The low word of `hi:lo >> n`, `n` below 32 (EXTR).
    extr32: Extr32(hi: I, lo: I; n) -> I { u64::from((((hi << 32) | (lo & 0xffff_ffff)) >> (n & 31)) as u32) }
    /// The low doubleword of `hi:lo >> n`, `n` below 64 (EXTR).
    extr64: Extr64(hi: I, lo: I; n) -> I { (((u128::from(hi) << 64) | u128::from(lo)) >> (n & 63)) as u64 }
    /// Low half of the product.
    mul32: Mul32(a: I, b: I) -> I { u64::from((a as u32).wrapping_mul(b as u32)) }
    /// Low half of the product.
    mul64: Mul64(a: I, b: I) -> I { a.wrapping_mul(b) }
    /// High half of the unsigned 128-bit product.
    umulh64: Umulh64(a: I, b: I) -> I { ((u128::from(a) * u128::from(b)) >> 64) as u64 }
    /// High half of the signed 128-bit product.
    smulh64: Smulh64(a: I, b: I) -> I { ((i128::from(a as i64) * i128::from(b as i64)) >> 64) as u64 }
    /// Unsigned quotient; zero when divided by zero (C6.2 UDIV).
    udiv32: Udiv32(a: I, b: I) -> I { u64::from((a as u32).checked_div(b as u32).unwrap_or(0)) }
    /// Unsigned quotient; zero when divided by zero.
    udiv64: Udiv64(a: I, b: I) -> I { a.checked_div(b).unwrap_or(0) }
    /// Signed quotient rounded towards zero; zero when divided by zero; the most negative value over -1 is itself.
    sdiv32: Sdiv32(a: I, b: I) -> I {
        if b as u32 == 0 { 0 } else { u64::from((a as i32).wrapping_div(b as i32) as u32) }
    }
    /// Signed quotient rounded towards zero; zero when divided by zero; the most negative value over -1 is itself.
    sdiv64: Sdiv64(a: I, b: I) -> I { if b == 0 { 0 } else { (a as i64).wrapping_div(b as i64) as u64 } }
    /// Count of leading zeros.
    clz32: Clz32(a: I) -> I { u64::from((a as u32).leading_zeros()) }
    /// Count of leading zeros.
    clz64: Clz64(a: I) -> I { u64::from(a.leading_zeros()) }
    /// Bits in reverse order.
    rbit32: Rbit32(a: I) -> I { u64::from((a as u32).reverse_bits()) }
    /// Bits in reverse order.
    rbit64: Rbit64(a: I) -> I { a.reverse_bits() }
    /// Bytes in reverse order.
    bswap32: Bswap32(a: I) -> I { u64::from((a as u32).swap_bytes()) }
    /// Bytes in reverse order.
    bswap64: Bswap64(a: I) -> I { a.swap_bytes() }
    /// Bytes reversed in each halfword.
    rev16: Rev16(a: I) -> I { ((a >> 8) & 0x00ff_00ff_00ff_00ff) | ((a & 0x00ff_00ff_00ff_00ff) << 8) }
    /// The low 8 bits, sign-extended to 64.
    sext8: Sext8(a: I) -> I { a as i8 as u64 }
    /// The low 16 bits, sign-extended to 64.
    sext16: Sext16(a: I) -> I { a as i16 as u64 }
    /// The low 32 bits, sign-extended to 64.
    sext32: Sext32(a: I) -> I { a as i32 as u64 }
    /// The low 8 bits.
    zext8: Zext8(a: I) -> I { a & 0xff }
    /// The low 16 bits.
    zext16: Zext16(a: I) -> I { a & 0xffff }
    /// The low 32 bits.
    zext32: Zext32(a: I) -> I { a & 0xffff_ffff }
    /// 1 when the low 32 bits are zero, else 0.
    is_zero32: IsZero32(a: I) -> I { u64::from(a as u32 == 0) }
    /// 1 when zero, else 0.
    is_zero64: IsZero64(a: I) -> I { u64::from(a == 0) }
    /// 1 when not zero, else 0.
    not_zero32: NotZero32(a: I) -> I { u64::from(a as u32 != 0) }
    /// 1 when not zero, else 0.
    not_zero64: NotZero64(a: I) -> I { u64::from(a != 0) }
    /// Bit `n`, as 0 or 1.
    bit: Bit(a: I; n) -> I { a >> (n & 63) & 1 }
    /// 1 when bit `n` is clear.
    bit_clear: BitClear(a: I; n) -> I { !a >> (n & 63) & 1 }
    /// 1 when `a < b`, unsigned.
    ult64: Ult64(a: I, b: I) -> I { u64::from(a < b) }
    /// `a` when `c` is not zero, else `b`.
    select: Select(c: I, a: I, b: I) -> I { if c != 0 { a } else { b } }
}
