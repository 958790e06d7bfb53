//! Loads and stores of SIMD and floating-point registers (DDI 0487, C4.1.94); those of structures are with SIMD.

use super::data_imm::signed;
use super::load_store::{at, indexed, literal, offset};
use crate::ir::{Build, Flow, Mem};

crate::rows! { fp;
    str_fp_uimm "size:2 111 1 01 00 imm12:12 rn:5 rt:5" "str {rt|fpsize}, [{rn|xsp}, #{imm12|*1<<size}]"
    |b, size, imm12, rn, rt| {
        let addr = at(b, rn, u64::from(imm12) << size)?;
        let data = b.v(rt);
        b.store_v(addr, data, Mem::plain(1 << size))?;
        Ok(Flow::Next)
    }

    ldr_fp_uimm "size:2 111 1 01 01 imm12:12 rn:5 rt:5" "ldr {rt|fpsize}, [{rn|xsp}, #{imm12|*1<<size}]"
    |b, size, imm12, rn, rt| {
        let addr = at(b, rn, u64::from(imm12) << size)?;
        let data = b.load_v(addr, Mem::plain(1 << size))?;
        b.set_v(rt, data);
        Ok(Flow::Next)
    }

    str_q_uimm "00 111 1 01 10 imm12:12 rn:5 rt:5" "str {rt|q}, [{rn|xsp}, #{imm12|*16}]"
    |b, imm12, rn, rt| {
        let addr = at(b, rn, u64::from(imm12) << 4)?;
        let data = b.v(rt);
        b.store_v(addr, data, Mem::plain(16))?;
        Ok(Flow::Next)
    }

    ldr_q_uimm "00 111 1 01 11 imm12:12 rn:5 rt:5" "ldr {rt|q}, [{rn|xsp}, #{imm12|*16}]"
    |b, imm12, rn, rt| {
        let addr = at(b, rn, u64::from(imm12) << 4)?;
        let data = b.load_v(addr, Mem::plain(16))?;
        b.set_v(rt, data);
        Ok(Flow::Next)
    }

    str_fp_unscaled "size:2 111 1 00 00 0 imm9:9 00 rn:5 rt:5" "stur {rt|fpsize}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| {
        let addr = at(b, rn, signed(imm9, 9))?;
        let data = b.v(rt);
        b.store_v(addr, data, Mem::plain(1 << size))?;
        Ok(Flow::Next)
    }

    ldr_fp_unscaled "size:2 111 1 00 01 0 imm9:9 00 rn:5 rt:5" "ldur {rt|fpsize}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| {
        let addr = at(b, rn, signed(imm9, 9))?;
        let data = b.load_v(addr, Mem::plain(1 << size))?;
        b.set_v(rt, data);
        Ok(Flow::Next)
    }

    str_q_unscaled "00 111 1 00 10 0 imm9:9 00 rn:5 rt:5" "stur {rt|q}, [{rn|xsp}, #{imm9|signed}]"
    |b, imm9, rn, rt| {
        let addr = at(b, rn, signed(imm9, 9))?;
        let data = b.v(rt);
        b.store_v(addr, data, Mem::plain(16))?;
        Ok(Flow::Next)
    }

    ldr_q_unscaled "00 111 1 00 11 0 imm9:9 00 rn:5 rt:5" "ldur {rt|q}, [{rn|xsp}, #{imm9|signed}]"
    |b, imm9, rn, rt| {
        let addr = at(b, rn, signed(imm9, 9))?;
        let data = b.load_v(addr, Mem::plain(16))?;
        b.set_v(rt, data);
        Ok(Flow::Next)
    }

    str_fp_post "size:2 111 1 00 00 0 imm9:9 01 rn:5 rt:5" "str {rt|fpsize}, [{rn|xsp}], #{imm9|signed}"
    |b, size, imm9, rn, rt| {
        let addr = b.base(rn)?;
        let data = b.v(rt);
        b.store_v(addr, data, Mem::plain(1 << size))?;
        let addr = offset(b, addr, signed(imm9, 9));
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    ldr_fp_post "size:2 111 1 00 01 0 imm9:9 01 rn:5 rt:5" "ldr {rt|fpsize}, [{rn|xsp}], #{imm9|signed}"
    |b, size, imm9, rn, rt| {
        let addr = b.base(rn)?;
        let data = b.load_v(addr, Mem::plain(1 << size))?;
        b.set_v(rt, data);
        let addr = offset(b, addr, signed(imm9, 9));
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    str_q_post "00 111 1 00 10 0 imm9:9 01 rn:5 rt:5" "str {rt|q}, [{rn|xsp}], #{imm9|signed}"
    |b, imm9, rn, rt| {
        let addr = b.base(rn)?;
        let data = b.v(rt);
        b.store_v(addr, data, Mem::plain(16))?;
        let addr = offset(b, addr, signed(imm9, 9));
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    ldr_q_post "00 111 1 00 11 0 imm9:9 01 rn:5 rt:5" "ldr {rt|q}, [{rn|xsp}], #{imm9|signed}"
    |b, imm9, rn, rt| {
        let addr = b.base(rn)?;
        let data = b.load_v(addr, Mem::plain(16))?;
        b.set_v(rt, data);
        let addr = offset(b, addr, signed(imm9, 9));
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    str_fp_pre "size:2 111 1 00 00 0 imm9:9 11 rn:5 rt:5" "str {rt|fpsize}, [{rn|xsp}, #{imm9|signed}]!"
    |b, size, imm9, rn, rt| {
        let addr = at(b, rn, signed(imm9, 9))?;
        let data = b.v(rt);
        b.store_v(addr, data, Mem::plain(1 << size))?;
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    ldr_fp_pre "size:2 111 1 00 01 0 imm9:9 11 rn:5 rt:5" "ldr {rt|fpsize}, [{rn|xsp}, #{imm9|signed}]!"
    |b, size, imm9, rn, rt| {
        let addr = at(b, rn, signed(imm9, 9))?;
        let data = b.load_v(addr, Mem::plain(1 << size))?;
        b.set_v(rt, data);
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    str_q_pre "00 111 1 00 10 0 imm9:9 11 rn:5 rt:5" "str {rt|q}, [{rn|xsp}, #{imm9|signed}]!"
    |b, imm9, rn, rt| {
        let addr = at(b, rn, signed(imm9, 9))?;
        let data = b.v(rt);
        b.store_v(addr, data, Mem::plain(16))?;
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    ldr_q_pre "00 111 1 00 11 0 imm9:9 11 rn:5 rt:5" "ldr {rt|q}, [{rn|xsp}, #{imm9|signed}]!"
    |b, imm9, rn, rt| {
        let addr = at(b, rn, signed(imm9, 9))?;
        let data = b.load_v(addr, Mem::plain(16))?;
        b.set_v(rt, data);
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    str_fp_reg "size:2 111 1 00 00 1 rm:5 opt2 1 opt0 s 10 rn:5 rt:5" "str {rt|fpsize}, [{rn|xsp}, {rm|rextend}, {opt2:opt0|memextend}{s|scaled}]"
    |b, size, rm, opt2, opt0, s, rn, rt| {
        let addr = indexed(b, rn, rm, opt2, opt0, if s == 1 { size } else { 0 })?;
        let data = b.v(rt);
        b.store_v(addr, data, Mem::plain(1 << size))?;
        Ok(Flow::Next)
    }

    ldr_fp_reg "size:2 111 1 00 01 1 rm:5 opt2 1 opt0 s 10 rn:5 rt:5" "ldr {rt|fpsize}, [{rn|xsp}, {rm|rextend}, {opt2:opt0|memextend}{s|scaled}]"
    |b, size, rm, opt2, opt0, s, rn, rt| {
        let addr = indexed(b, rn, rm, opt2, opt0, if s == 1 { size } else { 0 })?;
        let data = b.load_v(addr, Mem::plain(1 << size))?;
        b.set_v(rt, data);
        Ok(Flow::Next)
    }

    str_q_reg "00 111 1 00 10 1 rm:5 opt2 1 opt0 s 10 rn:5 rt:5" "str {rt|q}, [{rn|xsp}, {rm|rextend}, {opt2:opt0|memextend}{s|scaled16}]"
    |b, rm, opt2, opt0, s, rn, rt| {
        let addr = indexed(b, rn, rm, opt2, opt0, if s == 1 { 4 } else { 0 })?;
        let data = b.v(rt);
        b.store_v(addr, data, Mem::plain(16))?;
        Ok(Flow::Next)
    }

    ldr_q_reg "00 111 1 00 11 1 rm:5 opt2 1 opt0 s 10 rn:5 rt:5" "ldr {rt|q}, [{rn|xsp}, {rm|rextend}, {opt2:opt0|memextend}{s|scaled16}]"
    |b, rm, opt2, opt0, s, rn, rt| {
        let addr = indexed(b, rn, rm, opt2, opt0, if s == 1 { 4 } else { 0 })?;
        let data = b.load_v(addr, Mem::plain(16))?;
        b.set_v(rt, data);
        Ok(Flow::Next)
    }

    ldr_fp_literal "0 d 011 1 00 imm19:19 rt:5" "ldr {rt|fpd}, {imm19|pc}"
    |b, d, imm19, rt| {
        let addr = literal(b, imm19);
        let data = b.load_v(addr, Mem::plain(4 << d))?;
        b.set_v(rt, data);
        Ok(Flow::Next)
    }

    ldr_q_literal "10 011 1 00 imm19:19 rt:5" "ldr {rt|q}, {imm19|pc}"
    |b, imm19, rt| {
        let addr = literal(b, imm19);
        let data = b.load_v(addr, Mem::plain(16))?;
        b.set_v(rt, data);
        Ok(Flow::Next)
    }

    stnp_fp "0 d 101 1 000 0 imm7:7 rt2:5 rn:5 rt:5" "stnp {rt|fpd}, {rt2|fpd}, [{rn|xsp}, #{imm7|signed*4<<d}]"
    |b, d, imm7, rt2, rn, rt| {
        let addr = at(b, rn, signed(imm7, 7) << (2 + d))?;
        let (first, second) = (b.v(rt), b.v(rt2));
        store_pair(b, addr, first, second, 4 << d)?;
        Ok(Flow::Next)
    }

    ldnp_fp "0 d 101 1 000 1 imm7:7 rt2:5 rn:5 rt:5" "ldnp {rt|fpd}, {rt2|fpd}, [{rn|xsp}, #{imm7|signed*4<<d}]"
    |b, d, imm7, rt2, rn, rt| {
        let addr = at(b, rn, signed(imm7, 7) << (2 + d))?;
        let (first, second) = load_pair(b, addr, 4 << d)?;
        b.set_v(rt, first);
        b.set_v(rt2, second);
        Ok(Flow::Next)
    }

    stnp_q "10 101 1 000 0 imm7:7 rt2:5 rn:5 rt:5" "stnp {rt|q}, {rt2|q}, [{rn|xsp}, #{imm7|signed*16}]"
    |b, imm7, rt2, rn, rt| {
        let addr = at(b, rn, signed(imm7, 7) << 4)?;
        let (first, second) = (b.v(rt), b.v(rt2));
        store_pair(b, addr, first, second, 16)?;
        Ok(Flow::Next)
    }

    ldnp_q "10 101 1 000 1 imm7:7 rt2:5 rn:5 rt:5" "ldnp {rt|q}, {rt2|q}, [{rn|xsp}, #{imm7|signed*16}]"
    |b, imm7, rt2, rn, rt| {
        let addr = at(b, rn, signed(imm7, 7) << 4)?;
        let (first, second) = load_pair(b, addr, 16)?;
        b.set_v(rt, first);
        b.set_v(rt2, second);
        Ok(Flow::Next)
    }

    stp_fp_post "0 d 101 1 001 0 imm7:7 rt2:5 rn:5 rt:5" "stp {rt|fpd}, {rt2|fpd}, [{rn|xsp}], #{imm7|signed*4<<d}"
    |b, d, imm7, rt2, rn, rt| {
        let addr = b.base(rn)?;
        let (first, second) = (b.v(rt), b.v(rt2));
        store_pair(b, addr, first, second, 4 << d)?;
        let addr = offset(b, addr, signed(imm7, 7) << (2 + d));
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    ldp_fp_post "0 d 101 1 001 1 imm7:7 rt2:5 rn:5 rt:5" "ldp {rt|fpd}, {rt2|fpd}, [{rn|xsp}], #{imm7|signed*4<<d}"
    |b, d, imm7, rt2, rn, rt| {
        let addr = b.base(rn)?;
        let (first, second) = load_pair(b, addr, 4 << d)?;
        b.set_v(rt, first);
        b.set_v(rt2, second);
        let addr = offset(b, addr, signed(imm7, 7) << (2 + d));
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    stp_q_post "10 101 1 001 0 imm7:7 rt2:5 rn:5 rt:5" "stp {rt|q}, {rt2|q}, [{rn|xsp}], #{imm7|signed*16}"
    |b, imm7, rt2, rn, rt| {
        let addr = b.base(rn)?;
        let (first, second) = (b.v(rt), b.v(rt2));
        store_pair(b, addr, first, second, 16)?;
        let addr = offset(b, addr, signed(imm7, 7) << 4);
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    ldp_q_post "10 101 1 001 1 imm7:7 rt2:5 rn:5 rt:5" "ldp {rt|q}, {rt2|q}, [{rn|xsp}], #{imm7|signed*16}"
    |b, imm7, rt2, rn, rt| {
        let addr = b.base(rn)?;
        let (first, second) = load_pair(b, addr, 16)?;
        b.set_v(rt, first);
        b.set_v(rt2, second);
        let addr = offset(b, addr, signed(imm7, 7) << 4);
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    stp_fp_offset "0 d 101 1 010 0 imm7:7 rt2:5 rn:5 rt:5" "stp {rt|fpd}, {rt2|fpd}, [{rn|xsp}, #{imm7|signed*4<<d}]"
    |b, d, imm7, rt2, rn, rt| {
        let addr = at(b, rn, signed(imm7, 7) << (2 + d))?;
        let (first, second) = (b.v(rt), b.v(rt2));
        store_pair(b, addr, first, second, 4 << d)?;
        Ok(Flow::Next)
    }

    ldp_fp_offset "0 d 101 1 010 1 imm7:7 rt2:5 rn:5 rt:5" "ldp {rt|fpd}, {rt2|fpd}, [{rn|xsp}, #{imm7|signed*4<<d}]"
    |b, d, imm7, rt2, rn, rt| {
        let addr = at(b, rn, signed(imm7, 7) << (2 + d))?;
        let (first, second) = load_pair(b, addr, 4 << d)?;
        b.set_v(rt, first);
        b.set_v(rt2, second);
        Ok(Flow::Next)
    }

    stp_q_offset "10 101 1 010 0 imm7:7 rt2:5 rn:5 rt:5" "stp {rt|q}, {rt2|q}, [{rn|xsp}, #{imm7|signed*16}]"
    |b, imm7, rt2, rn, rt| {
        let addr = at(b, rn, signed(imm7, 7) << 4)?;
        let (first, second) = (b.v(rt), b.v(rt2));
        store_pair(b, addr, first, second, 16)?;
        Ok(Flow::Next)
    }

    ldp_q_offset "10 101 1 010 1 imm7:7 rt2:5 rn:5 rt:5" "ldp {rt|q}, {rt2|q}, [{rn|xsp}, #{imm7|signed*16}]"
    |b, imm7, rt2, rn, rt| {
        let addr = at(b, rn, signed(imm7, 7) << 4)?;
        let (first, second) = load_pair(b, addr, 16)?;
        b.set_v(rt, first);
        b.set_v(rt2, second);
        Ok(Flow::Next)
    }

    stp_fp_pre "0 d 101 1 011 0 imm7:7 rt2:5 rn:5 rt:5" "stp {rt|fpd}, {rt2|fpd}, [{rn|xsp}, #{imm7|signed*4<<d}]!"
    |b, d, imm7, rt2, rn, rt| {
        let addr = at(b, rn, signed(imm7, 7) << (2 + d))?;
        let (first, second) = (b.v(rt), b.v(rt2));
        store_pair(b, addr, first, second, 4 << d)?;
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    ldp_fp_pre "0 d 101 1 011 1 imm7:7 rt2:5 rn:5 rt:5" "ldp {rt|fpd}, {rt2|fpd}, [{rn|xsp}, #{imm7|signed*4<<d}]!"
    |b, d, imm7, rt2, rn, rt| {
        let addr = at(b, rn, signed(imm7, 7) << (2 + d))?;
        let (first, second) = load_pair(b, addr, 4 << d)?;
        b.set_v(rt, first);
        b.set_v(rt2, second);
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    stp_q_pre "10 101 1 011 0 imm7:7 rt2:5 rn:5 rt:5" "stp {rt|q}, {rt2|q}, [{rn|xsp}, #{imm7|signed*16}]!"
    |b, imm7, rt2, rn, rt| {
        let addr = at(b, rn, signed(imm7, 7) << 4)?;
        let (first, second) = (b.v(rt), b.v(rt2));
        store_pair(b, addr, first, second, 16)?;
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    ldp_q_pre "10 101 1 011 1 imm7:7 rt2:5 rn:5 rt:5" "ldp {rt|q}, {rt2|q}, [{rn|xsp}, #{imm7|signed*16}]!"
    |b, imm7, rt2, rn, rt| {
        let addr = at(b, rn, signed(imm7, 7) << 4)?;
        let (first, second) = load_pair(b, addr, 16)?;
        b.set_v(rt, first);
        b.set_v(rt2, second);
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }
}

/// Loads two neighbouring elements of 4, 8 or 16 bytes.
fn load_pair<B: Build>(b: &mut B, addr: B::I, bytes: u8) -> Result<(B::V, B::V), B::Stop> {
    let first = b.load_v(addr, Mem::plain(bytes))?;
    let next = offset(b, addr, u64::from(bytes));
    Ok((first, b.load_v(next, Mem::plain(bytes))?))
}

/// Stores two neighbouring elements of 4, 8 or 16 bytes.
fn store_pair<B: Build>(b: &mut B, addr: B::I, first: B::V, second: B::V, bytes: u8) -> Result<(), B::Stop> {
    b.store_v(addr, first, Mem::plain(bytes))?;
    let next = offset(b, addr, u64::from(bytes));
    b.store_v(next, second, Mem::plain(bytes))
}
