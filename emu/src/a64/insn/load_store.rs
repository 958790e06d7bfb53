//! Loads and stores of general-purpose registers (DDI 0487, C4.1.94).
//!
//! Exclusives, ordered accesses and atomics are in [`load_store_atomic`](super::load_store_atomic); SIMD and floating
//! point in [`load_store_fp`](super::load_store_fp). Where the manual leaves a choice (CONSTRAINED UNPREDICTABLE), the
//! choice is QEMU's: a stored register has its value from before the writeback; of a loaded base the writeback wins.

use super::Done;
use super::address::Address::{self, Literal, Offset, Post, Pre};
use super::address::index;
use super::data_imm::signed;
use crate::ir::{Build, Flow, Mem};

crate::rows! {
    str_uimm "size:2 111 0 01 00 imm12:12 rn:5 rt:5" "str{size|suffix} {rt|rsize}, [{rn|xsp}, #{imm12|*1<<size}]"
    |b, size, imm12, rn, rt| { store(b, Mem::plain(1 << size), [rt, rn], Offset(u64::from(imm12) << size)) }

    ldr_uimm "size:2 111 0 01 01 imm12:12 rn:5 rt:5" "ldr{size|suffix} {rt|rsize}, [{rn|xsp}, #{imm12|*1<<size}]"
    |b, size, imm12, rn, rt| { load(b, Mem::plain(1 << size), [rt, rn], Offset(u64::from(imm12) << size)) }

    ldrsx_uimm "size:2 111 0 01 10 imm12:12 rn:5 rt:5" "ldrs{size|bhwx} {rt|x}, [{rn|xsp}, #{imm12|*1<<size}]"
    |b, size, imm12, rn, rt| { load_signed(b, Mem::plain(1 << size), 64, [rt, rn], Offset(u64::from(imm12) << size)) }

    ldrsw_uimm "0 size 111 0 01 11 imm12:12 rn:5 rt:5" "ldrs{size|bhwx} {rt|w}, [{rn|xsp}, #{imm12|*1<<size}]"
    |b, size, imm12, rn, rt| { load_signed(b, Mem::plain(1 << size), 32, [rt, rn], Offset(u64::from(imm12) << size)) }

    prfm_uimm "11 111 0 01 10 imm12:12 rn:5 rt:5" "prfm #{rt}, [{rn|xsp}, #{imm12|*8}]"
    |b| { Ok(Flow::Next) }

    str_unscaled "size:2 111 0 00 00 0 imm9:9 00 rn:5 rt:5" "stur{size|suffix} {rt|rsize}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| { store(b, Mem::plain(1 << size), [rt, rn], Offset(signed(imm9, 9))) }

    ldr_unscaled "size:2 111 0 00 01 0 imm9:9 00 rn:5 rt:5" "ldur{size|suffix} {rt|rsize}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| { load(b, Mem::plain(1 << size), [rt, rn], Offset(signed(imm9, 9))) }

    ldrsx_unscaled "size:2 111 0 00 10 0 imm9:9 00 rn:5 rt:5" "ldurs{size|bhwx} {rt|x}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| { load_signed(b, Mem::plain(1 << size), 64, [rt, rn], Offset(signed(imm9, 9))) }

    ldrsw_unscaled "0 size 111 0 00 11 0 imm9:9 00 rn:5 rt:5" "ldurs{size|bhwx} {rt|w}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| { load_signed(b, Mem::plain(1 << size), 32, [rt, rn], Offset(signed(imm9, 9))) }

    prfm_unscaled "11 111 0 00 10 0 imm9:9 00 rn:5 rt:5" "prfum #{rt}, [{rn|xsp}, #{imm9|signed}]"
    |b| { Ok(Flow::Next) }

    str_post "size:2 111 0 00 00 0 imm9:9 01 rn:5 rt:5" "str{size|suffix} {rt|rsize}, [{rn|xsp}], #{imm9|signed}"
    |b, size, imm9, rn, rt| { store(b, Mem::plain(1 << size), [rt, rn], Post(signed(imm9, 9))) }

    ldr_post "size:2 111 0 00 01 0 imm9:9 01 rn:5 rt:5" "ldr{size|suffix} {rt|rsize}, [{rn|xsp}], #{imm9|signed}"
    |b, size, imm9, rn, rt| { load(b, Mem::plain(1 << size), [rt, rn], Post(signed(imm9, 9))) }

    ldrsx_post "size:2 111 0 00 10 0 imm9:9 01 rn:5 rt:5" "ldrs{size|bhwx} {rt|x}, [{rn|xsp}], #{imm9|signed}"
    |b, size, imm9, rn, rt| { load_signed(b, Mem::plain(1 << size), 64, [rt, rn], Post(signed(imm9, 9))) }

    ldrsw_post "0 size 111 0 00 11 0 imm9:9 01 rn:5 rt:5" "ldrs{size|bhwx} {rt|w}, [{rn|xsp}], #{imm9|signed}"
    |b, size, imm9, rn, rt| { load_signed(b, Mem::plain(1 << size), 32, [rt, rn], Post(signed(imm9, 9))) }

    str_unpriv "size:2 111 0 00 00 0 imm9:9 10 rn:5 rt:5" "sttr{size|suffix} {rt|rsize}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| { store(b, unprivileged(size), [rt, rn], Offset(signed(imm9, 9))) }

    ldr_unpriv "size:2 111 0 00 01 0 imm9:9 10 rn:5 rt:5" "ldtr{size|suffix} {rt|rsize}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| { load(b, unprivileged(size), [rt, rn], Offset(signed(imm9, 9))) }

    ldrsx_unpriv "size:2 111 0 00 10 0 imm9:9 10 rn:5 rt:5" "ldtrs{size|bhwx} {rt|x}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| { load_signed(b, unprivileged(size), 64, [rt, rn], Offset(signed(imm9, 9))) }

    ldrsw_unpriv "0 size 111 0 00 11 0 imm9:9 10 rn:5 rt:5" "ldtrs{size|bhwx} {rt|w}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| { load_signed(b, unprivileged(size), 32, [rt, rn], Offset(signed(imm9, 9))) }

    str_pre "size:2 111 0 00 00 0 imm9:9 11 rn:5 rt:5" "str{size|suffix} {rt|rsize}, [{rn|xsp}, #{imm9|signed}]!"
    |b, size, imm9, rn, rt| { store(b, Mem::plain(1 << size), [rt, rn], Pre(signed(imm9, 9))) }

    ldr_pre "size:2 111 0 00 01 0 imm9:9 11 rn:5 rt:5" "ldr{size|suffix} {rt|rsize}, [{rn|xsp}, #{imm9|signed}]!"
    |b, size, imm9, rn, rt| { load(b, Mem::plain(1 << size), [rt, rn], Pre(signed(imm9, 9))) }

    ldrsx_pre "size:2 111 0 00 10 0 imm9:9 11 rn:5 rt:5" "ldrs{size|bhwx} {rt|x}, [{rn|xsp}, #{imm9|signed}]!"
    |b, size, imm9, rn, rt| { load_signed(b, Mem::plain(1 << size), 64, [rt, rn], Pre(signed(imm9, 9))) }

    ldrsw_pre "0 size 111 0 00 11 0 imm9:9 11 rn:5 rt:5" "ldrs{size|bhwx} {rt|w}, [{rn|xsp}, #{imm9|signed}]!"
    |b, size, imm9, rn, rt| { load_signed(b, Mem::plain(1 << size), 32, [rt, rn], Pre(signed(imm9, 9))) }

    str_reg "size:2 111 0 00 00 1 rm:5 opt2 1 opt0 s 10 rn:5 rt:5" "str{size|suffix} {rt|rsize}, [{rn|xsp}, {rm|rextend}, {opt2:opt0|memextend}{s|scaled}]"
    |b, size, rm, opt2, opt0, s, rn, rt| { store(b, Mem::plain(1 << size), [rt, rn], index(rm, [opt2, opt0], s * size)) }

    ldr_reg "size:2 111 0 00 01 1 rm:5 opt2 1 opt0 s 10 rn:5 rt:5" "ldr{size|suffix} {rt|rsize}, [{rn|xsp}, {rm|rextend}, {opt2:opt0|memextend}{s|scaled}]"
    |b, size, rm, opt2, opt0, s, rn, rt| { load(b, Mem::plain(1 << size), [rt, rn], index(rm, [opt2, opt0], s * size)) }

    ldrsx_reg "size:2 111 0 00 10 1 rm:5 opt2 1 opt0 s 10 rn:5 rt:5" "ldrs{size|bhwx} {rt|x}, [{rn|xsp}, {rm|rextend}, {opt2:opt0|memextend}{s|scaled}]"
    |b, size, rm, opt2, opt0, s, rn, rt| { load_signed(b, Mem::plain(1 << size), 64, [rt, rn], index(rm, [opt2, opt0], s * size)) }

    ldrsw_reg "0 size 111 0 00 11 1 rm:5 opt2 1 opt0 s 10 rn:5 rt:5" "ldrs{size|bhwx} {rt|w}, [{rn|xsp}, {rm|rextend}, {opt2:opt0|memextend}{s|scaled}]"
    |b, size, rm, opt2, opt0, s, rn, rt| { load_signed(b, Mem::plain(1 << size), 32, [rt, rn], index(rm, [opt2, opt0], s * size)) }

    prfm_reg "11 111 0 00 10 1 rm:5 opt2 1 opt0 s 10 rn:5 rt:5" "prfm #{rt}, [{rn|xsp}, {rm|rextend}, {opt2:opt0|memextend}{s|scaled}]"
    |b| { Ok(Flow::Next) }

    ldr_literal "0 size 011 0 00 imm19:19 rt:5" "ldr {rt|rbit}, {imm19|pc}"
    |b, size, imm19, rt| { load(b, Mem::plain(4 << size), [rt, 31], Literal(imm19)) }

    ldrsw_literal "10 011 0 00 imm19:19 rt:5" "ldrsw {rt|x}, {imm19|pc}"
    |b, imm19, rt| { load_signed(b, Mem::plain(4), 64, [rt, 31], Literal(imm19)) }

    prfm_literal "11 011 0 00 imm19:19 rt:5" "prfm #{rt}, {imm19|pc}"
    |b| { Ok(Flow::Next) }

    stnp "sf 0 101 0 000 0 imm7:7 rt2:5 rn:5 rt:5" "stnp {rt|r}, {rt2|r}, [{rn|xsp}, #{imm7|signed*4<<sf}]"
    |b, sf, imm7, rt2, rn, rt| { store_pair(b, Mem::plain(4 << sf), [rt, rt2, rn], Offset(signed(imm7, 7) << (2 + sf))) }

    ldnp "sf 0 101 0 000 1 imm7:7 rt2:5 rn:5 rt:5" "ldnp {rt|r}, {rt2|r}, [{rn|xsp}, #{imm7|signed*4<<sf}]"
    |b, sf, imm7, rt2, rn, rt| { load_pair(b, Mem::plain(4 << sf), [rt, rt2, rn], Offset(signed(imm7, 7) << (2 + sf))) }

    stp_post "sf 0 101 0 001 0 imm7:7 rt2:5 rn:5 rt:5" "stp {rt|r}, {rt2|r}, [{rn|xsp}], #{imm7|signed*4<<sf}"
    |b, sf, imm7, rt2, rn, rt| { store_pair(b, Mem::plain(4 << sf), [rt, rt2, rn], Post(signed(imm7, 7) << (2 + sf))) }

    ldp_post "sf 0 101 0 001 1 imm7:7 rt2:5 rn:5 rt:5" "ldp {rt|r}, {rt2|r}, [{rn|xsp}], #{imm7|signed*4<<sf}"
    |b, sf, imm7, rt2, rn, rt| { load_pair(b, Mem::plain(4 << sf), [rt, rt2, rn], Post(signed(imm7, 7) << (2 + sf))) }

    ldpsw_post "01 101 0 001 1 imm7:7 rt2:5 rn:5 rt:5" "ldpsw {rt|x}, {rt2|x}, [{rn|xsp}], #{imm7|signed*4}"
    |b, imm7, rt2, rn, rt| { load_pair_signed(b, [rt, rt2, rn], Post(signed(imm7, 7) << 2)) }

    stp_offset "sf 0 101 0 010 0 imm7:7 rt2:5 rn:5 rt:5" "stp {rt|r}, {rt2|r}, [{rn|xsp}, #{imm7|signed*4<<sf}]"
    |b, sf, imm7, rt2, rn, rt| { store_pair(b, Mem::plain(4 << sf), [rt, rt2, rn], Offset(signed(imm7, 7) << (2 + sf))) }

    ldp_offset "sf 0 101 0 010 1 imm7:7 rt2:5 rn:5 rt:5" "ldp {rt|r}, {rt2|r}, [{rn|xsp}, #{imm7|signed*4<<sf}]"
    |b, sf, imm7, rt2, rn, rt| { load_pair(b, Mem::plain(4 << sf), [rt, rt2, rn], Offset(signed(imm7, 7) << (2 + sf))) }

    ldpsw_offset "01 101 0 010 1 imm7:7 rt2:5 rn:5 rt:5" "ldpsw {rt|x}, {rt2|x}, [{rn|xsp}, #{imm7|signed*4}]"
    |b, imm7, rt2, rn, rt| { load_pair_signed(b, [rt, rt2, rn], Offset(signed(imm7, 7) << 2)) }

    stp_pre "sf 0 101 0 011 0 imm7:7 rt2:5 rn:5 rt:5" "stp {rt|r}, {rt2|r}, [{rn|xsp}, #{imm7|signed*4<<sf}]!"
    |b, sf, imm7, rt2, rn, rt| { store_pair(b, Mem::plain(4 << sf), [rt, rt2, rn], Pre(signed(imm7, 7) << (2 + sf))) }

    ldp_pre "sf 0 101 0 011 1 imm7:7 rt2:5 rn:5 rt:5" "ldp {rt|r}, {rt2|r}, [{rn|xsp}, #{imm7|signed*4<<sf}]!"
    |b, sf, imm7, rt2, rn, rt| { load_pair(b, Mem::plain(4 << sf), [rt, rt2, rn], Pre(signed(imm7, 7) << (2 + sf))) }

    ldpsw_pre "01 101 0 011 1 imm7:7 rt2:5 rn:5 rt:5" "ldpsw {rt|x}, {rt2|x}, [{rn|xsp}, #{imm7|signed*4}]!"
    |b, imm7, rt2, rn, rt| { load_pair_signed(b, [rt, rt2, rn], Pre(signed(imm7, 7) << 2)) }
}
pub(super) fn store<B: Build>(b: &mut B, mem: Mem, [rt, rn]: [u32; 2], address: Address) -> Done<B> {
    address.access(b, rn, |b, addr| {
        let data = b.x(rt);
        b.store(addr, data, mem)
    })
}

pub(super) fn load<B: Build>(b: &mut B, mem: Mem, [rt, rn]: [u32; 2], address: Address) -> Done<B> {
    address.access(b, rn, |b, addr| {
        let data = b.load(addr, mem)?;
        b.set_x(rt, data);
        Ok(())
    })
}

/// Loads 1, 2 or 4 bytes, sign-extended to `width` bits.
pub(super) fn load_signed<B: Build>(b: &mut B, mem: Mem, width: u32, [rt, rn]: [u32; 2], address: Address) -> Done<B> {
    if mem.bytes == 8 {
        return b.undefined();
    }
    address.access(b, rn, |b, addr| {
        let data = b.load(addr, mem)?;
        let data = match mem.bytes {
            1 => b.sext8(data),
            2 => b.sext16(data),
            _ => b.sext32(data),
        };
        let data = if width == 32 { b.zext32(data) } else { data };
        b.set_x(rt, data);
        Ok(())
    })
}

fn store_pair<B: Build>(b: &mut B, mem: Mem, [rt, rt2, rn]: [u32; 3], address: Address) -> Done<B> {
    address.access(b, rn, |b, addr| {
        let (first, second) = (b.x(rt), b.x(rt2));
        b.store_pair(addr, first, second, mem)
    })
}

fn load_pair<B: Build>(b: &mut B, mem: Mem, [rt, rt2, rn]: [u32; 3], address: Address) -> Done<B> {
    address.access(b, rn, |b, addr| {
        let (first, second) = b.load_pair(addr, mem)?;
        b.set_x(rt, first);
        b.set_x(rt2, second);
        Ok(())
    })
}

/// LDPSW.
fn load_pair_signed<B: Build>(b: &mut B, [rt, rt2, rn]: [u32; 3], address: Address) -> Done<B> {
    address.access(b, rn, |b, addr| {
        let (first, second) = b.load_pair(addr, Mem::plain(4))?;
        let (first, second) = (b.sext32(first), b.sext32(second));
        b.set_x(rt, first);
        b.set_x(rt2, second);
        Ok(())
    })
}

/// LDTR and STTR.
fn unprivileged(size: u32) -> Mem {
    Mem { unprivileged: true, ..Mem::plain(1 << size) }
}
