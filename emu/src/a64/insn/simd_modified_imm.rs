//! Vector, modified immediate (C4.1, «Advanced SIMD modified immediate»): MOVI, MVNI, ORR, BIC, FMOV.
//!
//! One row for each cmode: the class lies within that of shifts by an immediate, and rows may overlap only as special
//! cases.

use super::Done;
use super::simd::set;
use crate::ir::Build;

crate::rows! {
    fp;

    movi_4s_0 "0 q 0 0111100000 abc:3 0000 0 1 defgh:5 rd:5" "movi {rd|v}.{q|arr32}, #{abc:defgh|hex}"
    |b, q, abc, defgh, rd| { write(b, q, expand(0, 0b0000, abc << 5 | defgh), rd) }

    orr_4s_0 "0 q 0 0111100000 abc:3 0001 0 1 defgh:5 rd:5" "orr {rd|v}.{q|arr32}, #{abc:defgh|hex}"
    |b, q, abc, defgh, rd| { or(b, q, expand(0, 0b0001, abc << 5 | defgh), rd) }

    movi_4s_8 "0 q 0 0111100000 abc:3 0010 0 1 defgh:5 rd:5" "movi {rd|v}.{q|arr32}, #{abc:defgh|hex}, lsl #8"
    |b, q, abc, defgh, rd| { write(b, q, expand(0, 0b0010, abc << 5 | defgh), rd) }

    orr_4s_8 "0 q 0 0111100000 abc:3 0011 0 1 defgh:5 rd:5" "orr {rd|v}.{q|arr32}, #{abc:defgh|hex}, lsl #8"
    |b, q, abc, defgh, rd| { or(b, q, expand(0, 0b0011, abc << 5 | defgh), rd) }

    movi_4s_16 "0 q 0 0111100000 abc:3 0100 0 1 defgh:5 rd:5" "movi {rd|v}.{q|arr32}, #{abc:defgh|hex}, lsl #16"
    |b, q, abc, defgh, rd| { write(b, q, expand(0, 0b0100, abc << 5 | defgh), rd) }

    orr_4s_16 "0 q 0 0111100000 abc:3 0101 0 1 defgh:5 rd:5" "orr {rd|v}.{q|arr32}, #{abc:defgh|hex}, lsl #16"
    |b, q, abc, defgh, rd| { or(b, q, expand(0, 0b0101, abc << 5 | defgh), rd) }

    movi_4s_24 "0 q 0 0111100000 abc:3 0110 0 1 defgh:5 rd:5" "movi {rd|v}.{q|arr32}, #{abc:defgh|hex}, lsl #24"
    |b, q, abc, defgh, rd| { write(b, q, expand(0, 0b0110, abc << 5 | defgh), rd) }

    orr_4s_24 "0 q 0 0111100000 abc:3 0111 0 1 defgh:5 rd:5" "orr {rd|v}.{q|arr32}, #{abc:defgh|hex}, lsl #24"
    |b, q, abc, defgh, rd| { or(b, q, expand(0, 0b0111, abc << 5 | defgh), rd) }

    movi_8h_0 "0 q 0 0111100000 abc:3 1000 0 1 defgh:5 rd:5" "movi {rd|v}.{q|arr16}, #{abc:defgh|hex}"
    |b, q, abc, defgh, rd| { write(b, q, expand(0, 0b1000, abc << 5 | defgh), rd) }

    orr_8h_0 "0 q 0 0111100000 abc:3 1001 0 1 defgh:5 rd:5" "orr {rd|v}.{q|arr16}, #{abc:defgh|hex}"
    |b, q, abc, defgh, rd| { or(b, q, expand(0, 0b1001, abc << 5 | defgh), rd) }

    movi_8h_8 "0 q 0 0111100000 abc:3 1010 0 1 defgh:5 rd:5" "movi {rd|v}.{q|arr16}, #{abc:defgh|hex}, lsl #8"
    |b, q, abc, defgh, rd| { write(b, q, expand(0, 0b1010, abc << 5 | defgh), rd) }

    orr_8h_8 "0 q 0 0111100000 abc:3 1011 0 1 defgh:5 rd:5" "orr {rd|v}.{q|arr16}, #{abc:defgh|hex}, lsl #8"
    |b, q, abc, defgh, rd| { or(b, q, expand(0, 0b1011, abc << 5 | defgh), rd) }

    movi_4s_msl_8 "0 q 0 0111100000 abc:3 1100 0 1 defgh:5 rd:5" "movi {rd|v}.{q|arr32}, #{abc:defgh|hex}, msl #8"
    |b, q, abc, defgh, rd| { write(b, q, expand(0, 0b1100, abc << 5 | defgh), rd) }

    movi_4s_msl_16 "0 q 0 0111100000 abc:3 1101 0 1 defgh:5 rd:5" "movi {rd|v}.{q|arr32}, #{abc:defgh|hex}, msl #16"
    |b, q, abc, defgh, rd| { write(b, q, expand(0, 0b1101, abc << 5 | defgh), rd) }

    mvni_4s_0 "0 q 1 0111100000 abc:3 0000 0 1 defgh:5 rd:5" "mvni {rd|v}.{q|arr32}, #{abc:defgh|hex}"
    |b, q, abc, defgh, rd| { write(b, q, expand(1, 0b0000, abc << 5 | defgh), rd) }

    bic_4s_0 "0 q 1 0111100000 abc:3 0001 0 1 defgh:5 rd:5" "bic {rd|v}.{q|arr32}, #{abc:defgh|hex}"
    |b, q, abc, defgh, rd| { clear(b, q, expand(1, 0b0001, abc << 5 | defgh), rd) }

    mvni_4s_8 "0 q 1 0111100000 abc:3 0010 0 1 defgh:5 rd:5" "mvni {rd|v}.{q|arr32}, #{abc:defgh|hex}, lsl #8"
    |b, q, abc, defgh, rd| { write(b, q, expand(1, 0b0010, abc << 5 | defgh), rd) }

    bic_4s_8 "0 q 1 0111100000 abc:3 0011 0 1 defgh:5 rd:5" "bic {rd|v}.{q|arr32}, #{abc:defgh|hex}, lsl #8"
    |b, q, abc, defgh, rd| { clear(b, q, expand(1, 0b0011, abc << 5 | defgh), rd) }

    mvni_4s_16 "0 q 1 0111100000 abc:3 0100 0 1 defgh:5 rd:5" "mvni {rd|v}.{q|arr32}, #{abc:defgh|hex}, lsl #16"
    |b, q, abc, defgh, rd| { write(b, q, expand(1, 0b0100, abc << 5 | defgh), rd) }

    bic_4s_16 "0 q 1 0111100000 abc:3 0101 0 1 defgh:5 rd:5" "bic {rd|v}.{q|arr32}, #{abc:defgh|hex}, lsl #16"
    |b, q, abc, defgh, rd| { clear(b, q, expand(1, 0b0101, abc << 5 | defgh), rd) }

    mvni_4s_24 "0 q 1 0111100000 abc:3 0110 0 1 defgh:5 rd:5" "mvni {rd|v}.{q|arr32}, #{abc:defgh|hex}, lsl #24"
    |b, q, abc, defgh, rd| { write(b, q, expand(1, 0b0110, abc << 5 | defgh), rd) }

    bic_4s_24 "0 q 1 0111100000 abc:3 0111 0 1 defgh:5 rd:5" "bic {rd|v}.{q|arr32}, #{abc:defgh|hex}, lsl #24"
    |b, q, abc, defgh, rd| { clear(b, q, expand(1, 0b0111, abc << 5 | defgh), rd) }

    mvni_8h_0 "0 q 1 0111100000 abc:3 1000 0 1 defgh:5 rd:5" "mvni {rd|v}.{q|arr16}, #{abc:defgh|hex}"
    |b, q, abc, defgh, rd| { write(b, q, expand(1, 0b1000, abc << 5 | defgh), rd) }

    bic_8h_0 "0 q 1 0111100000 abc:3 1001 0 1 defgh:5 rd:5" "bic {rd|v}.{q|arr16}, #{abc:defgh|hex}"
    |b, q, abc, defgh, rd| { clear(b, q, expand(1, 0b1001, abc << 5 | defgh), rd) }

    mvni_8h_8 "0 q 1 0111100000 abc:3 1010 0 1 defgh:5 rd:5" "mvni {rd|v}.{q|arr16}, #{abc:defgh|hex}, lsl #8"
    |b, q, abc, defgh, rd| { write(b, q, expand(1, 0b1010, abc << 5 | defgh), rd) }

    bic_8h_8 "0 q 1 0111100000 abc:3 1011 0 1 defgh:5 rd:5" "bic {rd|v}.{q|arr16}, #{abc:defgh|hex}, lsl #8"
    |b, q, abc, defgh, rd| { clear(b, q, expand(1, 0b1011, abc << 5 | defgh), rd) }

    mvni_4s_msl_8 "0 q 1 0111100000 abc:3 1100 0 1 defgh:5 rd:5" "mvni {rd|v}.{q|arr32}, #{abc:defgh|hex}, msl #8"
    |b, q, abc, defgh, rd| { write(b, q, expand(1, 0b1100, abc << 5 | defgh), rd) }

    mvni_4s_msl_16 "0 q 1 0111100000 abc:3 1101 0 1 defgh:5 rd:5" "mvni {rd|v}.{q|arr32}, #{abc:defgh|hex}, msl #16"
    |b, q, abc, defgh, rd| { write(b, q, expand(1, 0b1101, abc << 5 | defgh), rd) }

    movi_16b "0 q 0 0111100000 abc:3 1110 0 1 defgh:5 rd:5" "movi {rd|v}.{q|arr}, #{abc:defgh|hex}"
    |b, q, abc, defgh, rd| { write(b, q, expand(0, 0b1110, abc << 5 | defgh), rd) }

    movi_2d "0 q 1 0111100000 abc:3 1110 0 1 defgh:5 rd:5" "movi {rd|v2d}, #{abc:defgh|imm64}"
    |b, q, abc, defgh, rd| { write(b, q, expand(1, 0b1110, abc << 5 | defgh), rd) }

    fmov_imm_4s "0 q 0 0111100000 abc:3 1111 0 1 defgh:5 rd:5" "fmov {rd|v}.{q|arr32}, #{abc:defgh|fp8}"
    |b, q, abc, defgh, rd| { write(b, q, expand(0, 0b1111, abc << 5 | defgh), rd) }

    fmov_imm_8h "0 q 0 0111100000 abc:3 1111 1 1 defgh:5 rd:5" "fmov {rd|v}.{q|arr16}, #{abc:defgh|fp8}"
    |b, q, abc, defgh, rd| { write(b, q, half_precision(abc << 5 | defgh), rd) }

    fmov_imm_d "0 q 1 0111100000 abc:3 1111 0 1 defgh:5 rd:5" "fmov {rd|v}.2d, #{abc:defgh|fp8}"
    |b, q, abc, defgh, rd| { double(b, q, abc << 5 | defgh, rd) }
}

/// AdvSIMDExpandImm: 64 bits from op, cmode and abcdefgh.
const fn expand(op: u32, cmode: u32, imm8: u32) -> u64 {
    const WORDS: u64 = 0x1_0000_0001;
    const HALFWORDS: u64 = 0x1_0001_0001_0001;
    let imm = imm8 as u64;
    let value = match cmode {
        0b0000..=0b0111 => (imm << (8 * (cmode >> 1))) * WORDS,
        0b1000..=0b1011 => (imm << (8 * (cmode >> 1 & 1))) * HALFWORDS,
        0b1100 => (imm << 8 | 0xff) * WORDS,
        0b1101 => (imm << 16 | 0xffff) * WORDS,
        0b1110 if op == 0 => imm * 0x0101_0101_0101_0101,
        0b1110 => return bytes(imm),
        _ => return single_precision(imm) * WORDS,
    };
    if op == 1 { !value } else { value }
}

/// A byte of ones for each bit that is set.
const fn bytes(imm8: u64) -> u64 {
    let mut value = 0;
    let mut i = 0;
    while i < 8 {
        if imm8 >> i & 1 != 0 {
            value |= 0xff << (8 * i);
        }
        i += 1;
    }
    value
}

/// VFPExpandImm for 32 bits.
const fn single_precision(imm8: u64) -> u64 {
    let exponent = if imm8 & 0x40 != 0 { 0x3e00_0000 } else { 0x4000_0000 };
    (imm8 & 0x80) << 24 | exponent | (imm8 & 0x3f) << 19
}

/// VFPExpandImm for 16 bits, in each halfword.
const fn half_precision(imm8: u32) -> u64 {
    let imm = imm8 as u64;
    let exponent = if imm & 0x40 != 0 { 0x3000 } else { 0x4000 };
    ((imm & 0x80) << 8 | exponent | (imm & 0x3f) << 6) * 0x1_0001_0001_0001
}

/// VFPExpandImm for 64 bits.
const fn double_precision(imm8: u32) -> u64 {
    let imm = imm8 as u64;
    let exponent = if imm & 0x40 != 0 { 0x3fc0 << 48 } else { 0x4000 << 48 };
    (imm & 0x80) << 56 | exponent | (imm & 0x3f) << 48
}

fn twice(value: u64) -> u128 {
    u128::from(value) << 64 | u128::from(value)
}

fn write<T: Build>(b: &mut T, q: u32, value: u64, rd: u32) -> Done<T> {
    let value = b.vimm(if q == 1 { twice(value) } else { u128::from(value) });
    set(b, rd, 128, value)
}

fn or<T: Build>(b: &mut T, q: u32, mask: u64, rd: u32) -> Done<T> {
    let (d, mask) = (b.v(rd), b.vimm(twice(mask)));
    let value = b.v_or(d, mask);
    set(b, rd, 64 << q, value)
}

/// BIC: `keep` is the inverted immediate.
fn clear<T: Build>(b: &mut T, q: u32, keep: u64, rd: u32) -> Done<T> {
    let (d, keep) = (b.v(rd), b.vimm(twice(keep)));
    let value = b.v_and(d, keep);
    set(b, rd, 64 << q, value)
}

fn double<T: Build>(b: &mut T, q: u32, imm8: u32, rd: u32) -> Done<T> {
    if q == 0 { b.undefined() } else { write(b, q, double_precision(imm8), rd) }
}
