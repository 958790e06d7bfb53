//! Cryptography and checksums.

crate::ops! {
    /// Pure operations of the cryptographic and CRC extensions.
    CryptoOp / CryptoOps / Crypto;

    /// CRC-32 (polynomial 0x04C11DB7, reflected) of the low `bytes` bytes of `value`.
    crc32: Crc32(acc: I, value: I; bytes) -> I { crc(acc, value, bytes, 0xedb8_8320) }
    /// CRC-32C (polynomial 0x1EDC6F41, reflected) of the low `bytes` bytes of `value`.
    crc32c: Crc32c(acc: I, value: I; bytes) -> I { crc(acc, value, bytes, 0x82f6_3b78) }
}

fn crc(acc: u64, value: u64, bytes: u64, reflected_polynomial: u32) -> u64 {
    let mut crc = acc as u32;
    for byte in &value.to_le_bytes()[..(bytes as usize).min(8)] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 != 0 { crc >> 1 ^ reflected_polynomial } else { crc >> 1 };
        }
    }
    u64::from(crc)
}
