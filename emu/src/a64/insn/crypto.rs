//! Cryptography on SIMD registers (C4.1, «Cryptographic AES», «SHA», «three-register», «four register» and «XAR»), and
//! the polynomial product of doublewords.

use super::Done;
use crate::ir::op::vec::pack;
use crate::ir::{Build, Flow};

crate::rows! {
    fp;

    aese "01001110 00 10100 00100 10 rn:5 rd:5" "aese {rd|v}.16b, {rn|v}.16b"
    |b, rn, rd| { cipher(b, [rd, rn], B::aes_sub_shift) }

    aesd "01001110 00 10100 00101 10 rn:5 rd:5" "aesd {rd|v}.16b, {rn|v}.16b"
    |b, rn, rd| { cipher(b, [rd, rn], B::aes_inv_sub_shift) }

    aesmc "01001110 00 10100 00110 10 rn:5 rd:5" "aesmc {rd|v}.16b, {rn|v}.16b"
    |b, rn, rd| { one(b, [rd, rn], B::aes_mix) }

    aesimc "01001110 00 10100 00111 10 rn:5 rd:5" "aesimc {rd|v}.16b, {rn|v}.16b"
    |b, rn, rd| { one(b, [rd, rn], B::aes_inv_mix) }

    pmull64 "0 q 0 01110 11 1 rm:5 1110 00 rn:5 rd:5" "pmull{q|two} {rd|v}.1q, {rn|v}.{q|arr64}, {rm|v}.{q|arr64}"
    |b, q, rm, rn, rd| {
        let (x, y) = (b.v(rn), b.v(rm));
        let value = if q == 1 { b.pmull64_high(x, y) } else { b.pmull64(x, y) };
        b.set_v(rd, value);
        Ok(Flow::Next)
    }

    sha1c "01011110 000 rm:5 0 000 00 rn:5 rd:5" "sha1c {rd|q}, {rn|s}, {rm|v}.4s"
    |b, rm, rn, rd| { update(b, [rd, rn, rm], B::sha1c) }

    sha1p "01011110 000 rm:5 0 001 00 rn:5 rd:5" "sha1p {rd|q}, {rn|s}, {rm|v}.4s"
    |b, rm, rn, rd| { update(b, [rd, rn, rm], B::sha1p) }

    sha1m "01011110 000 rm:5 0 010 00 rn:5 rd:5" "sha1m {rd|q}, {rn|s}, {rm|v}.4s"
    |b, rm, rn, rd| { update(b, [rd, rn, rm], B::sha1m) }

    sha1su0 "01011110 000 rm:5 0 011 00 rn:5 rd:5" "sha1su0 {rd|v}.4s, {rn|v}.4s, {rm|v}.4s"
    |b, rm, rn, rd| { update(b, [rd, rn, rm], B::sha1su0) }

    sha256h "01011110 000 rm:5 0 100 00 rn:5 rd:5" "sha256h {rd|q}, {rn|q}, {rm|v}.4s"
    |b, rm, rn, rd| { update(b, [rd, rn, rm], B::sha256h) }

    sha256h2 "01011110 000 rm:5 0 101 00 rn:5 rd:5" "sha256h2 {rd|q}, {rn|q}, {rm|v}.4s"
    |b, rm, rn, rd| { update(b, [rd, rn, rm], B::sha256h2) }

    sha256su1 "01011110 000 rm:5 0 110 00 rn:5 rd:5" "sha256su1 {rd|v}.4s, {rn|v}.4s, {rm|v}.4s"
    |b, rm, rn, rd| { update(b, [rd, rn, rm], B::sha256su1) }

    sha1h "01011110 00 10100 00000 10 rn:5 rd:5" "sha1h {rd|s}, {rn|s}"
    |b, rn, rd| { one(b, [rd, rn], B::sha1h) }

    sha1su1 "01011110 00 10100 00001 10 rn:5 rd:5" "sha1su1 {rd|v}.4s, {rn|v}.4s"
    |b, rn, rd| { extend(b, [rd, rn], B::sha1su1) }

    sha256su0 "01011110 00 10100 00010 10 rn:5 rd:5" "sha256su0 {rd|v}.4s, {rn|v}.4s"
    |b, rn, rd| { extend(b, [rd, rn], B::sha256su0) }

    sha512h "11001110 011 rm:5 1 0 00 00 rn:5 rd:5" "sha512h {rd|q}, {rn|q}, {rm|v}.2d"
    |b, rm, rn, rd| { update(b, [rd, rn, rm], B::sha512h) }

    sha512h2 "11001110 011 rm:5 1 0 00 01 rn:5 rd:5" "sha512h2 {rd|q}, {rn|q}, {rm|v}.2d"
    |b, rm, rn, rd| { update(b, [rd, rn, rm], B::sha512h2) }

    sha512su1 "11001110 011 rm:5 1 0 00 10 rn:5 rd:5" "sha512su1 {rd|v}.2d, {rn|v}.2d, {rm|v}.2d"
    |b, rm, rn, rd| { update(b, [rd, rn, rm], B::sha512su1) }

    sha512su0 "11001110 110 00000 100000 rn:5 rd:5" "sha512su0 {rd|v}.2d, {rn|v}.2d"
    |b, rn, rd| { extend(b, [rd, rn], B::sha512su0) }

    eor3 "11001110 000 rm:5 0 ra:5 rn:5 rd:5" "eor3 {rd|v}.16b, {rn|v}.16b, {rm|v}.16b, {ra|v}.16b"
    |b, rm, ra, rn, rd| {
        let (x, y, z) = (b.v(rn), b.v(rm), b.v(ra));
        let y = b.v_xor(y, z);
        let value = b.v_xor(x, y);
        b.set_v(rd, value);
        Ok(Flow::Next)
    }

    bcax "11001110 001 rm:5 0 ra:5 rn:5 rd:5" "bcax {rd|v}.16b, {rn|v}.16b, {rm|v}.16b, {ra|v}.16b"
    |b, rm, ra, rn, rd| {
        let (x, y, z) = (b.v(rn), b.v(rm), b.v(ra));
        let y = b.v_bic(y, z);
        let value = b.v_xor(x, y);
        b.set_v(rd, value);
        Ok(Flow::Next)
    }

    rax1 "11001110 011 rm:5 1 0 00 11 rn:5 rd:5" "rax1 {rd|v}.2d, {rn|v}.2d, {rm|v}.2d"
    |b, rm, rn, rd| {
        let (x, y) = (b.v(rn), b.v(rm));
        let y = rotate_right(b, y, 63);
        let value = b.v_xor(x, y);
        b.set_v(rd, value);
        Ok(Flow::Next)
    }

    xar "11001110 100 rm:5 imm6:6 rn:5 rd:5" "xar {rd|v}.2d, {rn|v}.2d, {rm|v}.2d, #{imm6}"
    |b, rm, imm6, rn, rd| {
        let (x, y) = (b.v(rn), b.v(rm));
        let value = b.v_xor(x, y);
        let value = rotate_right(b, value, u64::from(imm6));
        b.set_v(rd, value);
        Ok(Flow::Next)
    }

    sm3ss1 "11001110 010 rm:5 0 ra:5 rn:5 rd:5" "sm3ss1 {rd|v}.4s, {rn|v}.4s, {rm|v}.4s, {ra|v}.4s"
    |b, rm, ra, rn, rd| {
        let (x, y, z) = (b.v(rn), b.v(rm), b.v(ra));
        let value = b.sm3ss1(x, y, z);
        b.set_v(rd, value);
        Ok(Flow::Next)
    }

    sm3tt1a "11001110 010 rm:5 10 imm2:2 00 rn:5 rd:5" "sm3tt1a {rd|v}.4s, {rn|v}.4s, {rm|v}.s[{imm2}]"
    |b, rm, imm2, rn, rd| { update(b, [rd, rn, rm], |b, d, x, y| b.sm3tt1a(d, x, y, u64::from(imm2))) }

    sm3tt1b "11001110 010 rm:5 10 imm2:2 01 rn:5 rd:5" "sm3tt1b {rd|v}.4s, {rn|v}.4s, {rm|v}.s[{imm2}]"
    |b, rm, imm2, rn, rd| { update(b, [rd, rn, rm], |b, d, x, y| b.sm3tt1b(d, x, y, u64::from(imm2))) }

    sm3tt2a "11001110 010 rm:5 10 imm2:2 10 rn:5 rd:5" "sm3tt2a {rd|v}.4s, {rn|v}.4s, {rm|v}.s[{imm2}]"
    |b, rm, imm2, rn, rd| { update(b, [rd, rn, rm], |b, d, x, y| b.sm3tt2a(d, x, y, u64::from(imm2))) }

    sm3tt2b "11001110 010 rm:5 10 imm2:2 11 rn:5 rd:5" "sm3tt2b {rd|v}.4s, {rn|v}.4s, {rm|v}.s[{imm2}]"
    |b, rm, imm2, rn, rd| { update(b, [rd, rn, rm], |b, d, x, y| b.sm3tt2b(d, x, y, u64::from(imm2))) }

    sm3partw1 "11001110 011 rm:5 1 1 00 00 rn:5 rd:5" "sm3partw1 {rd|v}.4s, {rn|v}.4s, {rm|v}.4s"
    |b, rm, rn, rd| { update(b, [rd, rn, rm], B::sm3partw1) }

    sm3partw2 "11001110 011 rm:5 1 1 00 01 rn:5 rd:5" "sm3partw2 {rd|v}.4s, {rn|v}.4s, {rm|v}.4s"
    |b, rm, rn, rd| { update(b, [rd, rn, rm], B::sm3partw2) }

    sm4ekey "11001110 011 rm:5 1 1 00 10 rn:5 rd:5" "sm4ekey {rd|v}.4s, {rn|v}.4s, {rm|v}.4s"
    |b, rm, rn, rd| {
        let (x, y) = (b.v(rn), b.v(rm));
        let value = b.sm4ekey(x, y);
        b.set_v(rd, value);
        Ok(Flow::Next)
    }

    sm4e "11001110 110 00000 100001 rn:5 rd:5" "sm4e {rd|v}.4s, {rn|v}.4s"
    |b, rn, rd| { extend(b, [rd, rn], B::sm4e) }
}

/// `rd = op(rn)`.
fn one<T: Build>(b: &mut T, [rd, rn]: [u32; 2], op: fn(&mut T, T::V) -> T::V) -> Done<T> {
    let a = b.v(rn);
    let value = op(b, a);
    b.set_v(rd, value);
    Ok(Flow::Next)
}

/// `rd = op(rd ^ rn)`: AddRoundKey and the rest of a round.
fn cipher<T: Build>(b: &mut T, [rd, rn]: [u32; 2], op: fn(&mut T, T::V) -> T::V) -> Done<T> {
    let (d, a) = (b.v(rd), b.v(rn));
    let a = b.v_xor(d, a);
    let value = op(b, a);
    b.set_v(rd, value);
    Ok(Flow::Next)
}

/// `rd = op(rd, rn)`.
fn extend<T: Build>(b: &mut T, [rd, rn]: [u32; 2], op: fn(&mut T, T::V, T::V) -> T::V) -> Done<T> {
    let (d, a) = (b.v(rd), b.v(rn));
    let value = op(b, d, a);
    b.set_v(rd, value);
    Ok(Flow::Next)
}

/// `rd = op(rd, rn, rm)`.
fn update<T: Build>(b: &mut T, [rd, rn, rm]: [u32; 3], op: impl FnOnce(&mut T, T::V, T::V, T::V) -> T::V) -> Done<T> {
    let (d, x, y) = (b.v(rd), b.v(rn), b.v(rm));
    let value = op(b, d, x, y);
    b.set_v(rd, value);
    Ok(Flow::Next)
}

/// Doublewords rotated right.
fn rotate_right<T: Build>(b: &mut T, a: T::V, n: u64) -> T::V {
    if n == 0 {
        return a;
    }
    let (low, high) = (b.v_ushr(a, pack(64, n)), b.v_shl(a, pack(64, 64 - n)));
    b.v_or(low, high)
}
