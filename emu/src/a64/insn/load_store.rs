//! Loads and stores of general-purpose registers (DDI 0487, C4.1.94).
//!
//! Exclusives, ordered accesses and atomics are in [`load_store_atomic`](super::load_store_atomic); SIMD and floating
//! point in [`load_store_fp`](super::load_store_fp). Where the manual leaves a choice (CONSTRAINED UNPREDICTABLE), the
//! choice is QEMU's: a stored register has its value from before the writeback; of a loaded base the writeback wins.

use super::data_imm::signed;
use super::data_reg::extended;
use crate::ir::{Build, Flow, Mem};

crate::rows! {
    str_uimm "size:2 111 0 01 00 imm12:12 rn:5 rt:5" "str{size|suffix} {rt|rsize}, [{rn|xsp}, #{imm12|*1<<size}]"
    |b, size, imm12, rn, rt| {
        let addr = at(b, rn, u64::from(imm12) << size)?;
        let data = b.x(rt);
        b.store(addr, data, Mem::plain(1 << size))?;
        Ok(Flow::Next)
    }

    ldr_uimm "size:2 111 0 01 01 imm12:12 rn:5 rt:5" "ldr{size|suffix} {rt|rsize}, [{rn|xsp}, #{imm12|*1<<size}]"
    |b, size, imm12, rn, rt| {
        let addr = at(b, rn, u64::from(imm12) << size)?;
        let data = b.load(addr, Mem::plain(1 << size))?;
        b.set_x(rt, data);
        Ok(Flow::Next)
    }

    ldrsx_uimm "size:2 111 0 01 10 imm12:12 rn:5 rt:5" "ldrs{size|bhwx} {rt|x}, [{rn|xsp}, #{imm12|*1<<size}]"
    |b, size, imm12, rn, rt| {
        let addr = at(b, rn, u64::from(imm12) << size)?;
        let data = load_signed(b, addr, Mem::plain(1 << size))?;
        b.set_x(rt, data);
        Ok(Flow::Next)
    }

    ldrsw_uimm "0 size 111 0 01 11 imm12:12 rn:5 rt:5" "ldrs{size|bhwx} {rt|w}, [{rn|xsp}, #{imm12|*1<<size}]"
    |b, size, imm12, rn, rt| {
        let addr = at(b, rn, u64::from(imm12) << size)?;
        let data = load_signed(b, addr, Mem::plain(1 << size))?;
        let data = b.zext32(data);
        b.set_x(rt, data);
        Ok(Flow::Next)
    }

    prfm_uimm "11 111 0 01 10 imm12:12 rn:5 rt:5" "prfm #{rt}, [{rn|xsp}, #{imm12|*8}]"
    |b| {
        Ok(Flow::Next)
    }

    str_unscaled "size:2 111 0 00 00 0 imm9:9 00 rn:5 rt:5" "stur{size|suffix} {rt|rsize}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| {
        let addr = at(b, rn, signed(imm9, 9))?;
        let data = b.x(rt);
        b.store(addr, data, Mem::plain(1 << size))?;
        Ok(Flow::Next)
    }

    ldr_unscaled "size:2 111 0 00 01 0 imm9:9 00 rn:5 rt:5" "ldur{size|suffix} {rt|rsize}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| {
        let addr = at(b, rn, signed(imm9, 9))?;
        let data = b.load(addr, Mem::plain(1 << size))?;
        b.set_x(rt, data);
        Ok(Flow::Next)
    }

    ldrsx_unscaled "size:2 111 0 00 10 0 imm9:9 00 rn:5 rt:5" "ldurs{size|bhwx} {rt|x}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| {
        let addr = at(b, rn, signed(imm9, 9))?;
        let data = load_signed(b, addr, Mem::plain(1 << size))?;
        b.set_x(rt, data);
        Ok(Flow::Next)
    }

    ldrsw_unscaled "0 size 111 0 00 11 0 imm9:9 00 rn:5 rt:5" "ldurs{size|bhwx} {rt|w}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| {
        let addr = at(b, rn, signed(imm9, 9))?;
        let data = load_signed(b, addr, Mem::plain(1 << size))?;
        let data = b.zext32(data);
        b.set_x(rt, data);
        Ok(Flow::Next)
    }

    prfm_unscaled "11 111 0 00 10 0 imm9:9 00 rn:5 rt:5" "prfum #{rt}, [{rn|xsp}, #{imm9|signed}]"
    |b| {
        Ok(Flow::Next)
    }

    str_post "size:2 111 0 00 00 0 imm9:9 01 rn:5 rt:5" "str{size|suffix} {rt|rsize}, [{rn|xsp}], #{imm9|signed}"
    |b, size, imm9, rn, rt| {
        let addr = b.base(rn)?;
        let data = b.x(rt);
        b.store(addr, data, Mem::plain(1 << size))?;
        let addr = offset(b, addr, signed(imm9, 9));
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    ldr_post "size:2 111 0 00 01 0 imm9:9 01 rn:5 rt:5" "ldr{size|suffix} {rt|rsize}, [{rn|xsp}], #{imm9|signed}"
    |b, size, imm9, rn, rt| {
        let addr = b.base(rn)?;
        let data = b.load(addr, Mem::plain(1 << size))?;
        b.set_x(rt, data);
        let addr = offset(b, addr, signed(imm9, 9));
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    ldrsx_post "size:2 111 0 00 10 0 imm9:9 01 rn:5 rt:5" "ldrs{size|bhwx} {rt|x}, [{rn|xsp}], #{imm9|signed}"
    |b, size, imm9, rn, rt| {
        if size == 3 { return b.undefined(); }
        let addr = b.base(rn)?;
        let data = load_signed(b, addr, Mem::plain(1 << size))?;
        b.set_x(rt, data);
        let addr = offset(b, addr, signed(imm9, 9));
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    ldrsw_post "0 size 111 0 00 11 0 imm9:9 01 rn:5 rt:5" "ldrs{size|bhwx} {rt|w}, [{rn|xsp}], #{imm9|signed}"
    |b, size, imm9, rn, rt| {
        let addr = b.base(rn)?;
        let data = load_signed(b, addr, Mem::plain(1 << size))?;
        let data = b.zext32(data);
        b.set_x(rt, data);
        let addr = offset(b, addr, signed(imm9, 9));
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    str_unpriv "size:2 111 0 00 00 0 imm9:9 10 rn:5 rt:5" "sttr{size|suffix} {rt|rsize}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| {
        let addr = at(b, rn, signed(imm9, 9))?;
        let data = b.x(rt);
        b.store(addr, data, unprivileged(size))?;
        Ok(Flow::Next)
    }

    ldr_unpriv "size:2 111 0 00 01 0 imm9:9 10 rn:5 rt:5" "ldtr{size|suffix} {rt|rsize}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| {
        let addr = at(b, rn, signed(imm9, 9))?;
        let data = b.load(addr, unprivileged(size))?;
        b.set_x(rt, data);
        Ok(Flow::Next)
    }

    ldrsx_unpriv "size:2 111 0 00 10 0 imm9:9 10 rn:5 rt:5" "ldtrs{size|bhwx} {rt|x}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| {
        if size == 3 { return b.undefined(); }
        let addr = at(b, rn, signed(imm9, 9))?;
        let data = load_signed(b, addr, unprivileged(size))?;
        b.set_x(rt, data);
        Ok(Flow::Next)
    }

    ldrsw_unpriv "0 size 111 0 00 11 0 imm9:9 10 rn:5 rt:5" "ldtrs{size|bhwx} {rt|w}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| {
        let addr = at(b, rn, signed(imm9, 9))?;
        let data = load_signed(b, addr, unprivileged(size))?;
        let data = b.zext32(data);
        b.set_x(rt, data);
        Ok(Flow::Next)
    }

    str_pre "size:2 111 0 00 00 0 imm9:9 11 rn:5 rt:5" "str{size|suffix} {rt|rsize}, [{rn|xsp}, #{imm9|signed}]!"
    |b, size, imm9, rn, rt| {
        let addr = at(b, rn, signed(imm9, 9))?;
        let data = b.x(rt);
        b.store(addr, data, Mem::plain(1 << size))?;
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    ldr_pre "size:2 111 0 00 01 0 imm9:9 11 rn:5 rt:5" "ldr{size|suffix} {rt|rsize}, [{rn|xsp}, #{imm9|signed}]!"
    |b, size, imm9, rn, rt| {
        let addr = at(b, rn, signed(imm9, 9))?;
        let data = b.load(addr, Mem::plain(1 << size))?;
        b.set_x(rt, data);
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    ldrsx_pre "size:2 111 0 00 10 0 imm9:9 11 rn:5 rt:5" "ldrs{size|bhwx} {rt|x}, [{rn|xsp}, #{imm9|signed}]!"
    |b, size, imm9, rn, rt| {
        if size == 3 { return b.undefined(); }
        let addr = at(b, rn, signed(imm9, 9))?;
        let data = load_signed(b, addr, Mem::plain(1 << size))?;
        b.set_x(rt, data);
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    ldrsw_pre "0 size 111 0 00 11 0 imm9:9 11 rn:5 rt:5" "ldrs{size|bhwx} {rt|w}, [{rn|xsp}, #{imm9|signed}]!"
    |b, size, imm9, rn, rt| {
        let addr = at(b, rn, signed(imm9, 9))?;
        let data = load_signed(b, addr, Mem::plain(1 << size))?;
        let data = b.zext32(data);
        b.set_x(rt, data);
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    str_reg "size:2 111 0 00 00 1 rm:5 opt2 1 opt0 s 10 rn:5 rt:5" "str{size|suffix} {rt|rsize}, [{rn|xsp}, {rm|rextend}, {opt2:opt0|memextend}{s|scaled}]"
    |b, size, rm, opt2, opt0, s, rn, rt| {
        let addr = indexed(b, rn, rm, opt2, opt0, if s == 1 { size } else { 0 })?;
        let data = b.x(rt);
        b.store(addr, data, Mem::plain(1 << size))?;
        Ok(Flow::Next)
    }

    ldr_reg "size:2 111 0 00 01 1 rm:5 opt2 1 opt0 s 10 rn:5 rt:5" "ldr{size|suffix} {rt|rsize}, [{rn|xsp}, {rm|rextend}, {opt2:opt0|memextend}{s|scaled}]"
    |b, size, rm, opt2, opt0, s, rn, rt| {
        let addr = indexed(b, rn, rm, opt2, opt0, if s == 1 { size } else { 0 })?;
        let data = b.load(addr, Mem::plain(1 << size))?;
        b.set_x(rt, data);
        Ok(Flow::Next)
    }

    ldrsx_reg "size:2 111 0 00 10 1 rm:5 opt2 1 opt0 s 10 rn:5 rt:5" "ldrs{size|bhwx} {rt|x}, [{rn|xsp}, {rm|rextend}, {opt2:opt0|memextend}{s|scaled}]"
    |b, size, rm, opt2, opt0, s, rn, rt| {
        let addr = indexed(b, rn, rm, opt2, opt0, if s == 1 { size } else { 0 })?;
        let data = load_signed(b, addr, Mem::plain(1 << size))?;
        b.set_x(rt, data);
        Ok(Flow::Next)
    }

    ldrsw_reg "0 size 111 0 00 11 1 rm:5 opt2 1 opt0 s 10 rn:5 rt:5" "ldrs{size|bhwx} {rt|w}, [{rn|xsp}, {rm|rextend}, {opt2:opt0|memextend}{s|scaled}]"
    |b, size, rm, opt2, opt0, s, rn, rt| {
        let addr = indexed(b, rn, rm, opt2, opt0, if s == 1 { size } else { 0 })?;
        let data = load_signed(b, addr, Mem::plain(1 << size))?;
        let data = b.zext32(data);
        b.set_x(rt, data);
        Ok(Flow::Next)
    }

    prfm_reg "11 111 0 00 10 1 rm:5 opt2 1 opt0 s 10 rn:5 rt:5" "prfm #{rt}, [{rn|xsp}, {rm|rextend}, {opt2:opt0|memextend}{s|scaled}]"
    |b| {
        Ok(Flow::Next)
    }

    ldr_literal "0 size 011 0 00 imm19:19 rt:5" "ldr {rt|rbit}, {imm19|pc}"
    |b, size, imm19, rt| {
        let addr = literal(b, imm19);
        let data = b.load(addr, Mem::plain(4 << size))?;
        b.set_x(rt, data);
        Ok(Flow::Next)
    }

    ldrsw_literal "10 011 0 00 imm19:19 rt:5" "ldrsw {rt|x}, {imm19|pc}"
    |b, imm19, rt| {
        let addr = literal(b, imm19);
        let data = load_signed(b, addr, Mem::plain(4))?;
        b.set_x(rt, data);
        Ok(Flow::Next)
    }

    prfm_literal "11 011 0 00 imm19:19 rt:5" "prfm #{rt}, {imm19|pc}"
    |b| {
        Ok(Flow::Next)
    }

    stnp "sf 0 101 0 000 0 imm7:7 rt2:5 rn:5 rt:5" "stnp {rt|r}, {rt2|r}, [{rn|xsp}, #{imm7|signed*4<<sf}]"
    |b, sf, imm7, rt2, rn, rt| {
        let addr = at(b, rn, signed(imm7, 7) << (2 + sf))?;
        let (first, second) = (b.x(rt), b.x(rt2));
        b.store_pair(addr, first, second, Mem::plain(4 << sf))?;
        Ok(Flow::Next)
    }

    ldnp "sf 0 101 0 000 1 imm7:7 rt2:5 rn:5 rt:5" "ldnp {rt|r}, {rt2|r}, [{rn|xsp}, #{imm7|signed*4<<sf}]"
    |b, sf, imm7, rt2, rn, rt| {
        let addr = at(b, rn, signed(imm7, 7) << (2 + sf))?;
        let (first, second) = b.load_pair(addr, Mem::plain(4 << sf))?;
        b.set_x(rt, first);
        b.set_x(rt2, second);
        Ok(Flow::Next)
    }

    stp_post "sf 0 101 0 001 0 imm7:7 rt2:5 rn:5 rt:5" "stp {rt|r}, {rt2|r}, [{rn|xsp}], #{imm7|signed*4<<sf}"
    |b, sf, imm7, rt2, rn, rt| {
        let addr = b.base(rn)?;
        let (first, second) = (b.x(rt), b.x(rt2));
        b.store_pair(addr, first, second, Mem::plain(4 << sf))?;
        let addr = offset(b, addr, signed(imm7, 7) << (2 + sf));
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    ldp_post "sf 0 101 0 001 1 imm7:7 rt2:5 rn:5 rt:5" "ldp {rt|r}, {rt2|r}, [{rn|xsp}], #{imm7|signed*4<<sf}"
    |b, sf, imm7, rt2, rn, rt| {
        let addr = b.base(rn)?;
        let (first, second) = b.load_pair(addr, Mem::plain(4 << sf))?;
        b.set_x(rt, first);
        b.set_x(rt2, second);
        let addr = offset(b, addr, signed(imm7, 7) << (2 + sf));
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    ldpsw_post "01 101 0 001 1 imm7:7 rt2:5 rn:5 rt:5" "ldpsw {rt|x}, {rt2|x}, [{rn|xsp}], #{imm7|signed*4}"
    |b, imm7, rt2, rn, rt| {
        let addr = b.base(rn)?;
        let (first, second) = b.load_pair(addr, Mem::plain(4))?;
        let (first, second) = (b.sext32(first), b.sext32(second));
        b.set_x(rt, first);
        b.set_x(rt2, second);
        let addr = offset(b, addr, signed(imm7, 7) << 2);
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    stp_offset "sf 0 101 0 010 0 imm7:7 rt2:5 rn:5 rt:5" "stp {rt|r}, {rt2|r}, [{rn|xsp}, #{imm7|signed*4<<sf}]"
    |b, sf, imm7, rt2, rn, rt| {
        let addr = at(b, rn, signed(imm7, 7) << (2 + sf))?;
        let (first, second) = (b.x(rt), b.x(rt2));
        b.store_pair(addr, first, second, Mem::plain(4 << sf))?;
        Ok(Flow::Next)
    }

    ldp_offset "sf 0 101 0 010 1 imm7:7 rt2:5 rn:5 rt:5" "ldp {rt|r}, {rt2|r}, [{rn|xsp}, #{imm7|signed*4<<sf}]"
    |b, sf, imm7, rt2, rn, rt| {
        let addr = at(b, rn, signed(imm7, 7) << (2 + sf))?;
        let (first, second) = b.load_pair(addr, Mem::plain(4 << sf))?;
        b.set_x(rt, first);
        b.set_x(rt2, second);
        Ok(Flow::Next)
    }

    ldpsw_offset "01 101 0 010 1 imm7:7 rt2:5 rn:5 rt:5" "ldpsw {rt|x}, {rt2|x}, [{rn|xsp}, #{imm7|signed*4}]"
    |b, imm7, rt2, rn, rt| {
        let addr = at(b, rn, signed(imm7, 7) << 2)?;
        let (first, second) = b.load_pair(addr, Mem::plain(4))?;
        let (first, second) = (b.sext32(first), b.sext32(second));
        b.set_x(rt, first);
        b.set_x(rt2, second);
        Ok(Flow::Next)
    }

    stp_pre "sf 0 101 0 011 0 imm7:7 rt2:5 rn:5 rt:5" "stp {rt|r}, {rt2|r}, [{rn|xsp}, #{imm7|signed*4<<sf}]!"
    |b, sf, imm7, rt2, rn, rt| {
        let addr = at(b, rn, signed(imm7, 7) << (2 + sf))?;
        let (first, second) = (b.x(rt), b.x(rt2));
        b.store_pair(addr, first, second, Mem::plain(4 << sf))?;
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    ldp_pre "sf 0 101 0 011 1 imm7:7 rt2:5 rn:5 rt:5" "ldp {rt|r}, {rt2|r}, [{rn|xsp}, #{imm7|signed*4<<sf}]!"
    |b, sf, imm7, rt2, rn, rt| {
        let addr = at(b, rn, signed(imm7, 7) << (2 + sf))?;
        let (first, second) = b.load_pair(addr, Mem::plain(4 << sf))?;
        b.set_x(rt, first);
        b.set_x(rt2, second);
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }

    ldpsw_pre "01 101 0 011 1 imm7:7 rt2:5 rn:5 rt:5" "ldpsw {rt|x}, {rt2|x}, [{rn|xsp}, #{imm7|signed*4}]!"
    |b, imm7, rt2, rn, rt| {
        let addr = at(b, rn, signed(imm7, 7) << 2)?;
        let (first, second) = b.load_pair(addr, Mem::plain(4))?;
        let (first, second) = (b.sext32(first), b.sext32(second));
        b.set_x(rt, first);
        b.set_x(rt2, second);
        b.set_xsp(rn, addr);
        Ok(Flow::Next)
    }
}

/// A base register plus a constant.
pub(super) fn at<B: Build>(b: &mut B, rn: u32, by: u64) -> Result<B::I, B::Stop> {
    let base = b.base(rn)?;
    Ok(offset(b, base, by))
}

/// An address plus a constant.
pub(super) fn offset<B: Build>(b: &mut B, addr: B::I, by: u64) -> B::I {
    if by == 0 {
        return addr;
    }
    let by = b.imm(by);
    b.add64(addr, by)
}

/// A base register plus an extended and shifted index; bit 1 of the extension's `option` is always set.
pub(super) fn indexed<B: Build>(
    b: &mut B,
    rn: u32,
    rm: u32,
    opt2: u32,
    opt0: u32,
    shift: u32,
) -> Result<B::I, B::Stop> {
    let base = b.base(rn)?;
    let index = extended(b, 1, opt2 << 2 | 2 | opt0, rm, shift);
    Ok(b.add64(base, index))
}

/// The address of a literal.
pub(super) fn literal<B: Build>(b: &mut B, imm19: u32) -> B::I {
    let addr = b.pc().wrapping_add(signed(imm19, 19) << 2);
    b.imm(addr)
}

/// Loads 1, 2 or 4 bytes, sign-extended.
pub(super) fn load_signed<B: Build>(b: &mut B, addr: B::I, mem: Mem) -> Result<B::I, B::Stop> {
    let data = b.load(addr, mem)?;
    Ok(match mem.bytes {
        1 => b.sext8(data),
        2 => b.sext16(data),
        _ => b.sext32(data),
    })
}

/// LDTR and STTR.
fn unprivileged(size: u32) -> Mem {
    Mem { unprivileged: true, ..Mem::plain(1 << size) }
}
