//! Cryptography and checksums.
//!
//! The AES steps are those of FIPS 197 on a state in column order, as Arm and x86 both hold it; the SHA steps those of
//! FIPS 180-4, SM3 and SM4 those of GB/T 32905 and 32907. Here only what has a table or a recurrence; EOR3, RAX1, XAR
//! and BCAX are plain vector operations.

use super::vec::lanes::{build, lane, map};

crate::ops! {
    /// Pure operations of the cryptographic and CRC extensions.
    CryptoOp / CryptoOps / Crypto;

    /// CRC-32 (polynomial 0x04C11DB7, reflected) of the low `bytes` bytes of `value`.
    crc32: Crc32(acc: I, value: I; bytes) -> I { crc(acc, value, bytes, 0xedb8_8320) }
    /// CRC-32C (polynomial 0x1EDC6F41, reflected) of the low `bytes` bytes of `value`.
    crc32c: Crc32c(acc: I, value: I; bytes) -> I { crc(acc, value, bytes, 0x82f6_3b78) }

    /// AES ShiftRows and SubBytes.
    aes_sub_shift: AesSubShift(a: V) -> V { substitute(shift_rows(a, 5), &AES_SBOX) }
    /// AES InvShiftRows and InvSubBytes.
    aes_inv_sub_shift: AesInvSubShift(a: V) -> V { substitute(shift_rows(a, 13), &AES_INV_SBOX) }
    /// AES MixColumns.
    aes_mix: AesMix(a: V) -> V { mix_columns(a, [2, 3, 1, 1]) }
    /// AES InvMixColumns.
    aes_inv_mix: AesInvMix(a: V) -> V { mix_columns(a, [14, 11, 13, 9]) }
    /// The first two steps, then the third, as one round but for its key.
    aes_round: AesRound(a: V) -> V { mix_columns(substitute(shift_rows(a, 5), &AES_SBOX), [2, 3, 1, 1]) }
    /// The inverse steps in the same order (FIPS 197, 5.3.5).
    aes_inv_round: AesInvRound(a: V) -> V {
        mix_columns(substitute(shift_rows(a, 13), &AES_INV_SBOX), [14, 11, 13, 9])
    }
    /// Polynomial product of the low doublewords.
    pmull64: Pmull64(a: V, b: V) -> V { polynomial_product(a as u64, b as u64) }
    /// Polynomial product of the high doublewords.
    pmull64_high: Pmull64High(a: V, b: V) -> V { polynomial_product((a >> 64) as u64, (b >> 64) as u64) }

    /// Four rounds of SHA-1 with Ch: `abcd`, E in the low word of `e`, schedule plus constants in `wk`.
    sha1c: Sha1c(abcd: V, e: V, wk: V) -> V { sha1_rounds(abcd, e, wk, |x, y, z| (x & y) ^ (!x & z)) }
    /// Four rounds of SHA-1 with Parity.
    sha1p: Sha1p(abcd: V, e: V, wk: V) -> V { sha1_rounds(abcd, e, wk, |x, y, z| x ^ y ^ z) }
    /// Four rounds of SHA-1 with Maj.
    sha1m: Sha1m(abcd: V, e: V, wk: V) -> V { sha1_rounds(abcd, e, wk, majority) }
    /// The low word rotated left by 30; zeros above.
    sha1h: Sha1h(a: V) -> V { u128::from((a as u32).rotate_left(30)) }
    /// SHA-1 schedule, first part: `w0 ^ w2..w4 ^ w8` of words 0–3, 4–7, 8–11.
    sha1su0: Sha1su0(w0: V, w4: V, w8: V) -> V { (w4 << 64 | w0 >> 64) ^ w0 ^ w8 }
    /// SHA-1 schedule, second part, with words 12–15.
    sha1su1: Sha1su1(part: V, w12: V) -> V {
        let t = part ^ w12 >> 32;
        let rotated = map(32, t, |x| rol(x, 1));
        rotated ^ u128::from(rol(lane(32, t, 0), 2)) << 96
    }
    /// Four rounds of SHA-256: the new ABCD.
    sha256h: Sha256h(abcd: V, efgh: V, wk: V) -> V { sha256_rounds(abcd, efgh, wk).0 }
    /// Four rounds of SHA-256: the new EFGH, of the old `efgh` and `abcd`.
    sha256h2: Sha256h2(efgh: V, abcd: V, wk: V) -> V { sha256_rounds(abcd, efgh, wk).1 }
    /// SHA-256 schedule, first part: words 0–3 plus sigma0 of words 1–4.
    sha256su0: Sha256su0(w0: V, w4: V) -> V {
        let next = w4 << 96 | w0 >> 32;
        build(32, 4, |i| {
            let x = lane(32, next, i);
            lane(32, w0, i) + (rol(x, 25) ^ rol(x, 14) ^ x >> 3)
        })
    }
    /// SHA-256 schedule, second part, with words 8–11 and 12–15.
    sha256su1: Sha256su1(part: V, w8: V, w12: V) -> V {
        let nine = w12 << 96 | w8 >> 32;
        let sigma1 = |x| rol(x, 15) ^ rol(x, 13) ^ x >> 10;
        let word = |i, x| (lane(32, part, i) + lane(32, nine, i) + sigma1(x)) & 0xffff_ffff;
        let (w16, w17) = (word(0, lane(32, w12, 2)), word(1, lane(32, w12, 3)));
        build(32, 4, |i| match i { 0 => w16, 1 => w17, 2 => word(2, w16), _ => word(3, w17) })
    }
    /// SHA512H: half of two rounds of SHA-512.
    sha512h: Sha512h(d: V, a: V, b: V) -> V {
        let sigma1 = |x: u64| x.rotate_right(14) ^ x.rotate_right(18) ^ x.rotate_right(41);
        let (x, y) = (doublewords(a), doublewords(b));
        let d = doublewords(d);
        let high = ((y[1] & x[0]) ^ (!y[1] & x[1])).wrapping_add(sigma1(y[1])).wrapping_add(d[1]);
        let t = high.wrapping_add(y[0]);
        let low = ((t & y[1]) ^ (!t & x[0])).wrapping_add(sigma1(t)).wrapping_add(d[0]);
        vector([low, high])
    }
    /// SHA512H2: the other half.
    sha512h2: Sha512h2(d: V, a: V, b: V) -> V {
        let sigma0 = |x: u64| x.rotate_right(28) ^ x.rotate_right(34) ^ x.rotate_right(39);
        let (x, y, d) = (doublewords(a), doublewords(b), doublewords(d));
        let high = majority(x[0], y[1], y[0]).wrapping_add(sigma0(y[0])).wrapping_add(d[1]);
        let low = majority(high, y[0], y[1]).wrapping_add(sigma0(high)).wrapping_add(d[0]);
        vector([low, high])
    }
    /// SHA-512 schedule, first part: words 0, 1 plus sigma0 of words 1, 2.
    sha512su0: Sha512su0(w0: V, w2: V) -> V {
        let sigma0 = |x: u64| x.rotate_right(1) ^ x.rotate_right(8) ^ x >> 7;
        let (w, next) = (doublewords(w0), doublewords(w2)[0]);
        vector([w[0].wrapping_add(sigma0(w[1])), w[1].wrapping_add(sigma0(next))])
    }
    /// SHA-512 schedule, second part, with words 14, 15 and 9, 10.
    sha512su1: Sha512su1(part: V, w14: V, w9: V) -> V {
        let (part, w9) = (doublewords(part), doublewords(w9));
        let sigma1 = doublewords(w14).map(|x| x.rotate_right(19) ^ x.rotate_right(61) ^ x >> 6);
        vector(std::array::from_fn(|i| sigma1[i].wrapping_add(part[i]).wrapping_add(w9[i])))
    }

    /// SM3SS1, in the high word.
    sm3ss1: Sm3ss1(a: V, b: V, c: V) -> V {
        let sum = (rol(top(a), 12) + top(b) + top(c)) & 0xffff_ffff;
        u128::from(rol(sum, 7)) << 96
    }
    /// A round of SM3 for A to D with exclusive or; `n` is the word of `w`.
    sm3tt1a: Sm3tt1a(d: V, ss1: V, w: V; n) -> V { sm3_first(d, ss1, w, n, |x, y, z| x ^ y ^ z) }
    /// A round of SM3 for A to D with majority.
    sm3tt1b: Sm3tt1b(d: V, ss1: V, w: V; n) -> V { sm3_first(d, ss1, w, n, majority) }
    /// A round of SM3 for E to H with exclusive or.
    sm3tt2a: Sm3tt2a(d: V, ss1: V, w: V; n) -> V { sm3_second(d, ss1, w, n, |x, y, z| x ^ y ^ z) }
    /// A round of SM3 for E to H with choice.
    sm3tt2b: Sm3tt2b(d: V, ss1: V, w: V; n) -> V { sm3_second(d, ss1, w, n, |x, y, z| (x & y) ^ (!x & z)) }
    /// SM3 schedule, first part.
    sm3partw1: Sm3partw1(d: V, a: V, b: V) -> V {
        let p1 = |x| x ^ rol(x, 15) ^ rol(x, 23);
        let t = d ^ a;
        let first: [u64; 3] = std::array::from_fn(|i| {
            let i = i as u64;
            p1(lane(32, t, i) ^ rol(lane(32, b, i + 1), 15))
        });
        build(32, 4, |i| match i { 3 => p1(lane(32, t, 3) ^ rol(first[0], 15)), _ => first[i as usize] })
    }
    /// SM3 schedule, second part.
    sm3partw2: Sm3partw2(d: V, a: V, b: V) -> V {
        let t = a ^ map(32, b, |x| rol(x, 7));
        let last = rol(lane(32, t, 0), 15);
        d ^ t ^ u128::from(last ^ rol(last, 15) ^ rol(last, 23)) << 96
    }
    /// Four rounds of SM4.
    sm4e: Sm4e(state: V, keys: V) -> V {
        sm4_rounds(state, keys, |x| x ^ rol(x, 2) ^ rol(x, 10) ^ rol(x, 18) ^ rol(x, 24))
    }
    /// Four rounds of SM4's key schedule.
    sm4ekey: Sm4ekey(keys: V, constants: V) -> V { sm4_rounds(keys, constants, |x| x ^ rol(x, 13) ^ rol(x, 23)) }
}

fn polynomial_product(a: u64, b: u64) -> u128 {
    (0..64).filter(|i| b >> i & 1 != 0).fold(0, |sum, i| sum ^ u128::from(a) << i)
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

/// A word rotated left.
const fn rol(x: u64, n: u32) -> u64 {
    (x as u32).rotate_left(n) as u64
}

fn top(v: u128) -> u64 {
    lane(32, v, 3)
}

fn majority(x: u64, y: u64, z: u64) -> u64 {
    (x & y) | (x & z) | (y & z)
}

fn doublewords(v: u128) -> [u64; 2] {
    [v as u64, (v >> 64) as u64]
}

fn vector([low, high]: [u64; 2]) -> u128 {
    u128::from(high) << 64 | u128::from(low)
}

fn words(v: u128) -> [u64; 4] {
    std::array::from_fn(|i| lane(32, v, i as u64))
}

fn from_words(words: [u64; 4]) -> u128 {
    build(32, 4, |i| words[i as usize])
}

/// Product in GF(2^8) modulo `polynomial`.
const fn product(mut x: u32, mut y: u32, polynomial: u32) -> u32 {
    let mut sum = 0;
    while y != 0 {
        if y & 1 != 0 {
            sum ^= x;
        }
        x <<= 1;
        if x & 0x100 != 0 {
            x ^= polynomial;
        }
        y >>= 1;
    }
    sum
}

/// Inverse in GF(2^8); 0 for 0. It is the 254th power.
const fn inverse(x: u32, polynomial: u32) -> u32 {
    let (mut power, mut i) = (1, 0);
    while i < 254 {
        power = product(power, x, polynomial);
        i += 1;
    }
    power
}

const AES: u32 = 0x11b;

/// FIPS 197, 5.1.1: the inverse, then an affine map.
static AES_SBOX: [u8; 256] = {
    let mut table = [0; 256];
    let mut x = 0;
    while x < 256 {
        let y = inverse(x as u32, AES) as u8;
        table[x] = y ^ y.rotate_left(1) ^ y.rotate_left(2) ^ y.rotate_left(3) ^ y.rotate_left(4) ^ 0x63;
        x += 1;
    }
    table
};

static AES_INV_SBOX: [u8; 256] = {
    let mut table = [0; 256];
    let mut x = 0;
    while x < 256 {
        table[AES_SBOX[x] as usize] = x as u8;
        x += 1;
    }
    table
};

/// An affine map, the inverse modulo x^8 + x^7 + x^6 + x^5 + x^4 + x^2 + 1, and the affine map again.
static SM4_SBOX: [u8; 256] = {
    const fn affine(x: u32) -> u32 {
        let (mut y, mut i) = (0, 0);
        while i < 8 {
            y |= ((x as u8 & 0xa7u8.rotate_left(i)).count_ones() & 1) << i;
            i += 1;
        }
        y ^ 0xd3
    }
    let mut table = [0; 256];
    let mut x = 0;
    while x < 256 {
        table[x] = affine(inverse(affine(x as u32), 0x1f5)) as u8;
        x += 1;
    }
    table
};

/// Byte `i` of the result is byte `i * stride` modulo 16: ShiftRows for 5, InvShiftRows for 13.
fn shift_rows(state: u128, stride: u64) -> u128 {
    build(8, 16, |i| lane(8, state, i * stride % 16))
}

fn substitute(state: u128, table: &[u8; 256]) -> u128 {
    map(8, state, |x| u64::from(table[x as usize]))
}

/// Each column times the polynomial with these coefficients, from the diagonal on.
fn mix_columns(state: u128, coefficients: [u32; 4]) -> u128 {
    build(8, 16, |i| {
        let (column, row) = (i & !3, i % 4);
        (0..4).fold(0, |sum, k| {
            let byte = lane(8, state, column + (row + k) % 4) as u32;
            sum ^ u64::from(product(byte, coefficients[k as usize], AES))
        })
    })
}

fn sha1_rounds(abcd: u128, e: u128, wk: u128, f: impl Fn(u64, u64, u64) -> u64) -> u128 {
    let ([mut a, mut b, mut c, mut d], mut e) = (words(abcd), lane(32, e, 0));
    for wk in words(wk) {
        let next = (rol(a, 5) + f(b, c, d) + e + wk) & 0xffff_ffff;
        (a, b, c, d, e) = (next, a, rol(b, 30), c, d);
    }
    from_words([a, b, c, d])
}

fn sha256_rounds(abcd: u128, efgh: u128, wk: u128) -> (u128, u128) {
    let ([mut a, mut b, mut c, mut d], [mut e, mut f, mut g, mut h]) = (words(abcd), words(efgh));
    for wk in words(wk) {
        let choice = (e & f) ^ (!e & g);
        let t1 = h + (rol(e, 26) ^ rol(e, 21) ^ rol(e, 7)) + choice + wk;
        let t2 = (rol(a, 30) ^ rol(a, 19) ^ rol(a, 10)) + majority(a, b, c);
        (h, g, f, e) = (g, f, e, (d + t1) & 0xffff_ffff);
        (d, c, b, a) = (c, b, a, (t1 + t2) & 0xffff_ffff);
    }
    (from_words([a, b, c, d]), from_words([e, f, g, h]))
}

/// SM3TT1A and B: `d` holds A in its high word, down to D.
fn sm3_first(d: u128, ss1: u128, w: u128, n: u64, f: impl Fn(u64, u64, u64) -> u64) -> u128 {
    let [d0, d1, d2, d3] = words(d);
    let ss2 = top(ss1) ^ rol(d3, 12);
    from_words([d1, rol(d2, 9), d3, f(d1, d2, d3) + d0 + ss2 + lane(32, w, n)])
}

/// SM3TT2A and B: `d` holds E in its high word, down to H.
fn sm3_second(d: u128, ss1: u128, w: u128, n: u64, f: impl Fn(u64, u64, u64) -> u64) -> u128 {
    let [d0, d1, d2, d3] = words(d);
    let t = (f(d3, d2, d1) + d0 + top(ss1) + lane(32, w, n)) & 0xffff_ffff;
    from_words([d1, rol(d2, 19), d3, t ^ rol(t, 9) ^ rol(t, 17)])
}

fn sm4_rounds(state: u128, keys: u128, linear: impl Fn(u64) -> u64) -> u128 {
    let mut w = words(state);
    for key in words(keys) {
        let t = w[1] ^ w[2] ^ w[3] ^ key;
        let t = build(8, 4, |i| u64::from(SM4_SBOX[lane(8, u128::from(t), i) as usize])) as u64;
        w = [w[1], w[2], w[3], w[0] ^ linear(t)];
    }
    from_words(w)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn substitution_boxes_are_those_of_the_standards() {
        assert_eq!(AES_SBOX[..4], [0x63, 0x7c, 0x77, 0x7b]);
        assert_eq!(AES_INV_SBOX[0x63], 0);
        assert_eq!(SM4_SBOX[..8], [0xd6, 0x90, 0xe9, 0xfe, 0xcc, 0xe1, 0x3d, 0xb7]);
    }
}
