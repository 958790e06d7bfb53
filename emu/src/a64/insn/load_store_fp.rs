//! Loads and stores of SIMD and floating-point registers (DDI 0487, C4.1.94); those of structures are with SIMD.

use super::Done;
use super::address::Address::{self, Literal, Offset, Post, Pre};
use super::address::{index, plus};
use super::data_imm::signed;
use crate::ir::{Build, Mem};

crate::rows! { fp;
    str_fp_uimm "size:2 111 1 01 00 imm12:12 rn:5 rt:5" "str {rt|fpsize}, [{rn|xsp}, #{imm12|*1<<size}]"
    |b, size, imm12, rn, rt| { store(b, 1 << size, [rt, rn], Offset(u64::from(imm12) << size)) }

    ldr_fp_uimm "size:2 111 1 01 01 imm12:12 rn:5 rt:5" "ldr {rt|fpsize}, [{rn|xsp}, #{imm12|*1<<size}]"
    |b, size, imm12, rn, rt| { load(b, 1 << size, [rt, rn], Offset(u64::from(imm12) << size)) }

    str_q_uimm "00 111 1 01 10 imm12:12 rn:5 rt:5" "str {rt|q}, [{rn|xsp}, #{imm12|*16}]"
    |b, imm12, rn, rt| { store(b, 16, [rt, rn], Offset(u64::from(imm12) << 4)) }

    ldr_q_uimm "00 111 1 01 11 imm12:12 rn:5 rt:5" "ldr {rt|q}, [{rn|xsp}, #{imm12|*16}]"
    |b, imm12, rn, rt| { load(b, 16, [rt, rn], Offset(u64::from(imm12) << 4)) }

    str_fp_unscaled "size:2 111 1 00 00 0 imm9:9 00 rn:5 rt:5" "stur {rt|fpsize}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| { store(b, 1 << size, [rt, rn], Offset(signed(imm9, 9))) }

    ldr_fp_unscaled "size:2 111 1 00 01 0 imm9:9 00 rn:5 rt:5" "ldur {rt|fpsize}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| { load(b, 1 << size, [rt, rn], Offset(signed(imm9, 9))) }

    str_q_unscaled "00 111 1 00 10 0 imm9:9 00 rn:5 rt:5" "stur {rt|q}, [{rn|xsp}, #{imm9|signed}]"
    |b, imm9, rn, rt| { store(b, 16, [rt, rn], Offset(signed(imm9, 9))) }

    ldr_q_unscaled "00 111 1 00 11 0 imm9:9 00 rn:5 rt:5" "ldur {rt|q}, [{rn|xsp}, #{imm9|signed}]"
    |b, imm9, rn, rt| { load(b, 16, [rt, rn], Offset(signed(imm9, 9))) }

    str_fp_post "size:2 111 1 00 00 0 imm9:9 01 rn:5 rt:5" "str {rt|fpsize}, [{rn|xsp}], #{imm9|signed}"
    |b, size, imm9, rn, rt| { store(b, 1 << size, [rt, rn], Post(signed(imm9, 9))) }

    ldr_fp_post "size:2 111 1 00 01 0 imm9:9 01 rn:5 rt:5" "ldr {rt|fpsize}, [{rn|xsp}], #{imm9|signed}"
    |b, size, imm9, rn, rt| { load(b, 1 << size, [rt, rn], Post(signed(imm9, 9))) }

    str_q_post "00 111 1 00 10 0 imm9:9 01 rn:5 rt:5" "str {rt|q}, [{rn|xsp}], #{imm9|signed}"
    |b, imm9, rn, rt| { store(b, 16, [rt, rn], Post(signed(imm9, 9))) }

    ldr_q_post "00 111 1 00 11 0 imm9:9 01 rn:5 rt:5" "ldr {rt|q}, [{rn|xsp}], #{imm9|signed}"
    |b, imm9, rn, rt| { load(b, 16, [rt, rn], Post(signed(imm9, 9))) }

    str_fp_pre "size:2 111 1 00 00 0 imm9:9 11 rn:5 rt:5" "str {rt|fpsize}, [{rn|xsp}, #{imm9|signed}]!"
    |b, size, imm9, rn, rt| { store(b, 1 << size, [rt, rn], Pre(signed(imm9, 9))) }

    ldr_fp_pre "size:2 111 1 00 01 0 imm9:9 11 rn:5 rt:5" "ldr {rt|fpsize}, [{rn|xsp}, #{imm9|signed}]!"
    |b, size, imm9, rn, rt| { load(b, 1 << size, [rt, rn], Pre(signed(imm9, 9))) }

    str_q_pre "00 111 1 00 10 0 imm9:9 11 rn:5 rt:5" "str {rt|q}, [{rn|xsp}, #{imm9|signed}]!"
    |b, imm9, rn, rt| { store(b, 16, [rt, rn], Pre(signed(imm9, 9))) }

    ldr_q_pre "00 111 1 00 11 0 imm9:9 11 rn:5 rt:5" "ldr {rt|q}, [{rn|xsp}, #{imm9|signed}]!"
    |b, imm9, rn, rt| { load(b, 16, [rt, rn], Pre(signed(imm9, 9))) }

    str_fp_reg "size:2 111 1 00 00 1 rm:5 opt2 1 opt0 s 10 rn:5 rt:5" "str {rt|fpsize}, [{rn|xsp}, {rm|rextend}, {opt2:opt0|memextend}{s|scaled}]"
    |b, size, rm, opt2, opt0, s, rn, rt| { store(b, 1 << size, [rt, rn], index(rm, [opt2, opt0], s * size)) }

    ldr_fp_reg "size:2 111 1 00 01 1 rm:5 opt2 1 opt0 s 10 rn:5 rt:5" "ldr {rt|fpsize}, [{rn|xsp}, {rm|rextend}, {opt2:opt0|memextend}{s|scaled}]"
    |b, size, rm, opt2, opt0, s, rn, rt| { load(b, 1 << size, [rt, rn], index(rm, [opt2, opt0], s * size)) }

    str_q_reg "00 111 1 00 10 1 rm:5 opt2 1 opt0 s 10 rn:5 rt:5" "str {rt|q}, [{rn|xsp}, {rm|rextend}, {opt2:opt0|memextend}{s|scaled16}]"
    |b, rm, opt2, opt0, s, rn, rt| { store(b, 16, [rt, rn], index(rm, [opt2, opt0], s * 4)) }

    ldr_q_reg "00 111 1 00 11 1 rm:5 opt2 1 opt0 s 10 rn:5 rt:5" "ldr {rt|q}, [{rn|xsp}, {rm|rextend}, {opt2:opt0|memextend}{s|scaled16}]"
    |b, rm, opt2, opt0, s, rn, rt| { load(b, 16, [rt, rn], index(rm, [opt2, opt0], s * 4)) }

    ldr_fp_literal "0 d 011 1 00 imm19:19 rt:5" "ldr {rt|fpd}, {imm19|pc}"
    |b, d, imm19, rt| { load(b, 4 << d, [rt, 31], Literal(imm19)) }

    ldr_q_literal "10 011 1 00 imm19:19 rt:5" "ldr {rt|q}, {imm19|pc}"
    |b, imm19, rt| { load(b, 16, [rt, 31], Literal(imm19)) }

    stnp_fp "0 d 101 1 000 0 imm7:7 rt2:5 rn:5 rt:5" "stnp {rt|fpd}, {rt2|fpd}, [{rn|xsp}, #{imm7|signed*4<<d}]"
    |b, d, imm7, rt2, rn, rt| { store_pair(b, 4 << d, [rt, rt2, rn], Offset(signed(imm7, 7) << (2 + d))) }

    ldnp_fp "0 d 101 1 000 1 imm7:7 rt2:5 rn:5 rt:5" "ldnp {rt|fpd}, {rt2|fpd}, [{rn|xsp}, #{imm7|signed*4<<d}]"
    |b, d, imm7, rt2, rn, rt| { load_pair(b, 4 << d, [rt, rt2, rn], Offset(signed(imm7, 7) << (2 + d))) }

    stnp_q "10 101 1 000 0 imm7:7 rt2:5 rn:5 rt:5" "stnp {rt|q}, {rt2|q}, [{rn|xsp}, #{imm7|signed*16}]"
    |b, imm7, rt2, rn, rt| { store_pair(b, 16, [rt, rt2, rn], Offset(signed(imm7, 7) << 4)) }

    ldnp_q "10 101 1 000 1 imm7:7 rt2:5 rn:5 rt:5" "ldnp {rt|q}, {rt2|q}, [{rn|xsp}, #{imm7|signed*16}]"
    |b, imm7, rt2, rn, rt| { load_pair(b, 16, [rt, rt2, rn], Offset(signed(imm7, 7) << 4)) }

    stp_fp_post "0 d 101 1 001 0 imm7:7 rt2:5 rn:5 rt:5" "stp {rt|fpd}, {rt2|fpd}, [{rn|xsp}], #{imm7|signed*4<<d}"
    |b, d, imm7, rt2, rn, rt| { store_pair(b, 4 << d, [rt, rt2, rn], Post(signed(imm7, 7) << (2 + d))) }

    ldp_fp_post "0 d 101 1 001 1 imm7:7 rt2:5 rn:5 rt:5" "ldp {rt|fpd}, {rt2|fpd}, [{rn|xsp}], #{imm7|signed*4<<d}"
    |b, d, imm7, rt2, rn, rt| { load_pair(b, 4 << d, [rt, rt2, rn], Post(signed(imm7, 7) << (2 + d))) }

    stp_q_post "10 101 1 001 0 imm7:7 rt2:5 rn:5 rt:5" "stp {rt|q}, {rt2|q}, [{rn|xsp}], #{imm7|signed*16}"
    |b, imm7, rt2, rn, rt| { store_pair(b, 16, [rt, rt2, rn], Post(signed(imm7, 7) << 4)) }

    ldp_q_post "10 101 1 001 1 imm7:7 rt2:5 rn:5 rt:5" "ldp {rt|q}, {rt2|q}, [{rn|xsp}], #{imm7|signed*16}"
    |b, imm7, rt2, rn, rt| { load_pair(b, 16, [rt, rt2, rn], Post(signed(imm7, 7) << 4)) }

    stp_fp_offset "0 d 101 1 010 0 imm7:7 rt2:5 rn:5 rt:5" "stp {rt|fpd}, {rt2|fpd}, [{rn|xsp}, #{imm7|signed*4<<d}]"
    |b, d, imm7, rt2, rn, rt| { store_pair(b, 4 << d, [rt, rt2, rn], Offset(signed(imm7, 7) << (2 + d))) }

    ldp_fp_offset "0 d 101 1 010 1 imm7:7 rt2:5 rn:5 rt:5" "ldp {rt|fpd}, {rt2|fpd}, [{rn|xsp}, #{imm7|signed*4<<d}]"
    |b, d, imm7, rt2, rn, rt| { load_pair(b, 4 << d, [rt, rt2, rn], Offset(signed(imm7, 7) << (2 + d))) }

    stp_q_offset "10 101 1 010 0 imm7:7 rt2:5 rn:5 rt:5" "stp {rt|q}, {rt2|q}, [{rn|xsp}, #{imm7|signed*16}]"
    |b, imm7, rt2, rn, rt| { store_pair(b, 16, [rt, rt2, rn], Offset(signed(imm7, 7) << 4)) }

    ldp_q_offset "10 101 1 010 1 imm7:7 rt2:5 rn:5 rt:5" "ldp {rt|q}, {rt2|q}, [{rn|xsp}, #{imm7|signed*16}]"
    |b, imm7, rt2, rn, rt| { load_pair(b, 16, [rt, rt2, rn], Offset(signed(imm7, 7) << 4)) }

    stp_fp_pre "0 d 101 1 011 0 imm7:7 rt2:5 rn:5 rt:5" "stp {rt|fpd}, {rt2|fpd}, [{rn|xsp}, #{imm7|signed*4<<d}]!"
    |b, d, imm7, rt2, rn, rt| { store_pair(b, 4 << d, [rt, rt2, rn], Pre(signed(imm7, 7) << (2 + d))) }

    ldp_fp_pre "0 d 101 1 011 1 imm7:7 rt2:5 rn:5 rt:5" "ldp {rt|fpd}, {rt2|fpd}, [{rn|xsp}, #{imm7|signed*4<<d}]!"
    |b, d, imm7, rt2, rn, rt| { load_pair(b, 4 << d, [rt, rt2, rn], Pre(signed(imm7, 7) << (2 + d))) }

    stp_q_pre "10 101 1 011 0 imm7:7 rt2:5 rn:5 rt:5" "stp {rt|q}, {rt2|q}, [{rn|xsp}, #{imm7|signed*16}]!"
    |b, imm7, rt2, rn, rt| { store_pair(b, 16, [rt, rt2, rn], Pre(signed(imm7, 7) << 4)) }

    ldp_q_pre "10 101 1 011 1 imm7:7 rt2:5 rn:5 rt:5" "ldp {rt|q}, {rt2|q}, [{rn|xsp}, #{imm7|signed*16}]!"
    |b, imm7, rt2, rn, rt| { load_pair(b, 16, [rt, rt2, rn], Pre(signed(imm7, 7) << 4)) }
}
fn store<B: Build>(b: &mut B, bytes: u8, [rt, rn]: [u32; 2], address: Address) -> Done<B> {
    address.access(b, rn, |b, addr| {
        let data = b.v(rt);
        b.store_v(addr, data, Mem::plain(bytes))
    })
}

fn load<B: Build>(b: &mut B, bytes: u8, [rt, rn]: [u32; 2], address: Address) -> Done<B> {
    address.access(b, rn, |b, addr| {
        let data = b.load_v(addr, Mem::plain(bytes))?;
        b.set_v(rt, data);
        Ok(())
    })
}

/// Stores two neighbouring elements of 4, 8 or 16 bytes.
fn store_pair<B: Build>(b: &mut B, bytes: u8, [rt, rt2, rn]: [u32; 3], address: Address) -> Done<B> {
    address.access(b, rn, |b, addr| {
        let (first, second) = (b.v(rt), b.v(rt2));
        b.store_v(addr, first, Mem::plain(bytes))?;
        let next = plus(b, addr, bytes.into());
        b.store_v(next, second, Mem::plain(bytes))
    })
}

/// Loads two neighbouring elements of 4, 8 or 16 bytes.
fn load_pair<B: Build>(b: &mut B, bytes: u8, [rt, rt2, rn]: [u32; 3], address: Address) -> Done<B> {
    address.access(b, rn, |b, addr| {
        let first = b.load_v(addr, Mem::plain(bytes))?;
        let next = plus(b, addr, bytes.into());
        let second = b.load_v(next, Mem::plain(bytes))?;
        b.set_v(rt, first);
        b.set_v(rt2, second);
        Ok(())
    })
}
