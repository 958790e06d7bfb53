//! Data processing, immediate (DDI 0487, C4.1.86).
//!
//! Bit-field moves become the cheapest operations that mean the same: most of them are shifts and extensions.

use crate::ir::{Build, Flow};

crate::rows! {
    adr "0 immlo:2 10000 immhi:19 rd:5" "adr {rd|x}, {immhi:immlo|adr}"
    |b, immlo, immhi, rd| {
        let target = b.pc().wrapping_add(signed(immhi << 2 | immlo, 21));
        let target = b.near(target);
        b.set_x(rd, target);
        Ok(Flow::Next)
    }

    adrp "1 immlo:2 10000 immhi:19 rd:5" "adrp {rd|x}, {immhi:immlo|adrp}"
    |b, immlo, immhi, rd| {
        let target = (b.pc() & !0xfff).wrapping_add(signed(immhi << 2 | immlo, 21) << 12);
        let target = b.near(target);
        b.set_x(rd, target);
        Ok(Flow::Next)
    }

    add_imm "sf 0 0 100010 sh imm12:12 rn:5 rd:5" "add {rd|rsp}, {rn|rsp}, #{imm12}{sh|lsl12}"
    |b, sf, sh, imm12, rn, rd| {
        let a = b.xsp(rn);
        let sum = match (sf, imm12) {
            (1, 0) => a,
            (_, 0) => b.zext32(a),
            _ => {
                let imm = b.imm(u64::from(imm12) << (12 * sh));
                if sf == 1 { b.add64(a, imm) } else { b.add32(a, imm) }
            }
        };
        b.set_xsp(rd, sum);
        Ok(Flow::Next)
    }

    adds_imm "sf 0 1 100010 sh imm12:12 rn:5 rd:5" "adds {rd|r}, {rn|rsp}, #{imm12}{sh|lsl12}"
    |b, sf, sh, imm12, rn, rd| {
        let imm = b.imm(u64::from(imm12) << (12 * sh));
        let a = b.xsp(rn);
        let sum = b.adds(sf == 1, a, imm);
        b.set_x(rd, sum);
        Ok(Flow::Next)
    }

    sub_imm "sf 1 0 100010 sh imm12:12 rn:5 rd:5" "sub {rd|rsp}, {rn|rsp}, #{imm12}{sh|lsl12}"
    |b, sf, sh, imm12, rn, rd| {
        let imm = b.imm(u64::from(imm12) << (12 * sh));
        let a = b.xsp(rn);
        let difference = if sf == 1 { b.sub64(a, imm) } else { b.sub32(a, imm) };
        b.set_xsp(rd, difference);
        Ok(Flow::Next)
    }

    subs_imm "sf 1 1 100010 sh imm12:12 rn:5 rd:5" "subs {rd|r}, {rn|rsp}, #{imm12}{sh|lsl12}"
    |b, sf, sh, imm12, rn, rd| {
        let imm = b.imm(u64::from(imm12) << (12 * sh));
        let a = b.xsp(rn);
        let difference = b.subs(sf == 1, a, imm);
        b.set_x(rd, difference);
        Ok(Flow::Next)
    }

    and_imm "sf 00 100100 n immr:6 imms:6 rn:5 rd:5" "and {rd|rsp}, {rn|r}, #{n:immr:imms|bitmask}"
    |b, sf, n, immr, imms, rn, rd| {
        let Some(mask) = bitmask(sf, n, immr, imms) else { return b.undefined() };
        let (a, mask) = (b.x(rn), b.imm(mask));
        let result = if sf == 1 { b.and64(a, mask) } else { b.and32(a, mask) };
        b.set_xsp(rd, result);
        Ok(Flow::Next)
    }

    orr_imm "sf 01 100100 n immr:6 imms:6 rn:5 rd:5" "orr {rd|rsp}, {rn|r}, #{n:immr:imms|bitmask}"
    |b, sf, n, immr, imms, rn, rd| {
        let Some(mask) = bitmask(sf, n, immr, imms) else { return b.undefined() };
        let mask = b.imm(mask);
        let result = if rn == 31 {
            mask
        } else {
            let a = b.x(rn);
            if sf == 1 { b.or64(a, mask) } else { b.or32(a, mask) }
        };
        b.set_xsp(rd, result);
        Ok(Flow::Next)
    }

    eor_imm "sf 10 100100 n immr:6 imms:6 rn:5 rd:5" "eor {rd|rsp}, {rn|r}, #{n:immr:imms|bitmask}"
    |b, sf, n, immr, imms, rn, rd| {
        let Some(mask) = bitmask(sf, n, immr, imms) else { return b.undefined() };
        let (a, mask) = (b.x(rn), b.imm(mask));
        let result = if sf == 1 { b.xor64(a, mask) } else { b.xor32(a, mask) };
        b.set_xsp(rd, result);
        Ok(Flow::Next)
    }

    ands_imm "sf 11 100100 n immr:6 imms:6 rn:5 rd:5" "ands {rd|r}, {rn|r}, #{n:immr:imms|bitmask}"
    |b, sf, n, immr, imms, rn, rd| {
        let Some(mask) = bitmask(sf, n, immr, imms) else { return b.undefined() };
        let (a, mask) = (b.x(rn), b.imm(mask));
        let result = b.ands(sf == 1, a, mask);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    movn "sf 00 100101 hw:2 imm16:16 rd:5" "movn {rd|r}, #{imm16|hex}, lsl #{hw|*16}"
    |b, sf, hw, imm16, rd| {
        if sf == 0 && hw > 1 { return b.undefined(); }
        let value = !(u64::from(imm16) << (16 * hw));
        let value = b.imm(if sf == 1 { value } else { value & 0xffff_ffff });
        b.set_x(rd, value);
        Ok(Flow::Next)
    }

    movz "sf 10 100101 hw:2 imm16:16 rd:5" "movz {rd|r}, #{imm16|hex}, lsl #{hw|*16}"
    |b, sf, hw, imm16, rd| {
        if sf == 0 && hw > 1 { return b.undefined(); }
        let value = b.imm(u64::from(imm16) << (16 * hw));
        b.set_x(rd, value);
        Ok(Flow::Next)
    }

    movk "sf 11 100101 hw:2 imm16:16 rd:5" "movk {rd|r}, #{imm16|hex}, lsl #{hw|*16}"
    |b, sf, hw, imm16, rd| {
        if sf == 0 && hw > 1 { return b.undefined(); }
        let dst = b.x(rd);
        let src = b.imm(u64::from(imm16) << (16 * hw));
        let value = insert(b, sf, dst, src, 0xffff << (16 * hw));
        b.set_x(rd, value);
        Ok(Flow::Next)
    }

    sbfm "sf 00 100110 n immr:6 imms:6 rn:5 rd:5" "sbfm {rd|r}, {rn|r}, #{immr}, #{imms}"
    |b, sf, n, immr, imms, rn, rd| {
        let Some(top) = top_bit(sf, n, immr, imms) else { return b.undefined() };
        let a = b.x(rn);
        let value = match (immr, imms) {
            (0, 7) => b.sext8(a),
            (0, 15) => b.sext16(a),
            (0, 31) if sf == 1 => b.sext32(a),
            _ => {
                let up = shl(b, sf, a, top - imms);
                // The field's low bit goes to bit 0 (SBFX) or to bit `size - immr` (SBFIZ).
                sar(b, sf, up, if imms >= immr { top - imms + immr } else { immr - imms - 1 })
            }
        };
        let value = if sf == 0 && matches!((immr, imms), (0, 7 | 15 | 31)) { b.zext32(value) } else { value };
        b.set_x(rd, value);
        Ok(Flow::Next)
    }

    bfm "sf 01 100110 n immr:6 imms:6 rn:5 rd:5" "bfm {rd|r}, {rn|r}, #{immr}, #{imms}"
    |b, sf, n, immr, imms, rn, rd| {
        let Some(top) = top_bit(sf, n, immr, imms) else { return b.undefined() };
        let (dst, src) = (b.x(rd), b.x(rn));
        let (field, mask) = if imms >= immr {
            let mask = ones(imms - immr + 1);
            let src = shr(b, sf, src, immr);
            (keep(b, src, mask), mask)
        } else {
            let src = keep(b, src, ones(imms + 1));
            (shl(b, sf, src, top + 1 - immr), ones(imms + 1) << (top + 1 - immr))
        };
        let value = insert(b, sf, dst, field, mask);
        b.set_x(rd, value);
        Ok(Flow::Next)
    }

    ubfm "sf 10 100110 n immr:6 imms:6 rn:5 rd:5" "ubfm {rd|r}, {rn|r}, #{immr}, #{imms}"
    |b, sf, n, immr, imms, rn, rd| {
        let Some(top) = top_bit(sf, n, immr, imms) else { return b.undefined() };
        let a = b.x(rn);
        let value = if imms == top {
            if sf == 0 && immr == 0 { b.zext32(a) } else { shr(b, sf, a, immr) }
        } else if imms >= immr {
            let low = shr(b, sf, a, immr);
            keep(b, low, ones(imms - immr + 1))
        } else if imms + 1 == immr {
            shl(b, sf, a, top - imms)
        } else {
            let field = keep(b, a, ones(imms + 1));
            shl(b, sf, field, top + 1 - immr)
        };
        b.set_x(rd, value);
        Ok(Flow::Next)
    }

    extr "sf 00 100111 n 0 rm:5 imms:6 rn:5 rd:5" "extr {rd|r}, {rn|r}, {rm|r}, #{imms}"
    |b, sf, n, rm, imms, rn, rd| {
        if n != sf || sf == 0 && imms > 31 { return b.undefined(); }
        let low = b.x(rm);
        let value = if imms == 0 {
            if sf == 1 { low } else { b.zext32(low) }
        } else if rn == rm {
            let by = b.imm(u64::from(imms));
            if sf == 1 { b.ror64(low, by) } else { b.ror32(low, by) }
        } else {
            let high = b.x(rn);
            if sf == 1 { b.extr64(high, low, u64::from(imms)) } else { b.extr32(high, low, u64::from(imms)) }
        };
        b.set_x(rd, value);
        Ok(Flow::Next)
    }
}

/// The low `bits` of `value`, sign-extended.
pub(super) fn signed(value: u32, bits: u32) -> u64 {
    let shift = 64 - bits;
    ((u64::from(value) << shift) as i64 >> shift) as u64
}

/// `count` ones, 1 to 64 of them.
fn ones(count: u32) -> u64 {
    u64::MAX >> (64 - count)
}

/// DecodeBitMasks of the manual, for a logical immediate; none when reserved.
pub(crate) fn bitmask(sf: u32, n: u32, immr: u32, imms: u32) -> Option<u64> {
    let len = 31 - (n << 6 | !imms & 0x3f).leading_zeros().min(31);
    if len == 0 || sf == 0 && n == 1 {
        return None;
    }
    let (size, levels) = (1 << len, (1 << len) - 1);
    let (s, r) = (imms & levels, immr & levels);
    if s == levels {
        return None;
    }
    let element = ones(s + 1);
    let mut mask = if r == 0 { element } else { (element >> r | element << (size - r)) & ones(size) };
    let mut width = size;
    while width < 64 {
        mask |= mask << width;
        width *= 2;
    }
    Some(if sf == 1 { mask } else { mask & 0xffff_ffff })
}

/// The number of the top bit of a bit-field move; none when the encoding is unallocated.
fn top_bit(sf: u32, n: u32, immr: u32, imms: u32) -> Option<u32> {
    let top = if sf == 1 { 63 } else { 31 };
    (n == sf && immr <= top && imms <= top).then_some(top)
}

/// The bits of `a` that `mask`, a run of ones from bit 0, keeps.
fn keep<B: Build>(b: &mut B, a: B::I, mask: u64) -> B::I {
    match mask {
        0xff => b.zext8(a),
        0xffff => b.zext16(a),
        0xffff_ffff => b.zext32(a),
        u64::MAX => a,
        _ => {
            let imm = b.imm(mask);
            if mask >> 32 == 0 { b.and32(a, imm) } else { b.and64(a, imm) }
        }
    }
}

/// `dst` with the bits of `mask` replaced by those of `field`, which has no others.
fn insert<B: Build>(b: &mut B, sf: u32, dst: B::I, field: B::I, mask: u64) -> B::I {
    if sf == 1 {
        let rest = b.imm(!mask);
        let rest = b.and64(dst, rest);
        b.or64(rest, field)
    } else {
        let rest = b.imm(!mask & 0xffff_ffff);
        let rest = b.and32(dst, rest);
        b.or32(rest, field)
    }
}

fn shl<B: Build>(b: &mut B, sf: u32, a: B::I, by: u32) -> B::I {
    if by == 0 {
        return a;
    }
    let by = b.imm(u64::from(by));
    if sf == 1 { b.shl64(a, by) } else { b.shl32(a, by) }
}

fn shr<B: Build>(b: &mut B, sf: u32, a: B::I, by: u32) -> B::I {
    if by == 0 {
        return a;
    }
    let by = b.imm(u64::from(by));
    if sf == 1 { b.shr64(a, by) } else { b.shr32(a, by) }
}

fn sar<B: Build>(b: &mut B, sf: u32, a: B::I, by: u32) -> B::I {
    if by == 0 {
        return a;
    }
    let by = b.imm(u64::from(by));
    if sf == 1 { b.sar64(a, by) } else { b.sar32(a, by) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bitmasks_are_those_of_the_manual() {
        assert_eq!(bitmask(1, 0, 0, 0b11_1100), Some(0x5555_5555_5555_5555));
        assert_eq!(bitmask(1, 1, 1, 0), Some(1 << 63));
        assert_eq!(bitmask(0, 0, 4, 7), Some(0xf000_000f));
        assert_eq!(bitmask(0, 1, 0, 0), None, "N is 64-bit only");
        assert_eq!(bitmask(1, 1, 0, 63), None, "all ones is reserved");
        assert_eq!(bitmask(1, 0, 0, 63), None);
        let valid = (0..1 << 13).filter(|&i| bitmask(1, i >> 12, i >> 6 & 63, i & 63).is_some()).count();
        // Each element size e has e rotations of e - 1 run lengths; rotations repeat in the unused bits of immr.
        let expected: usize = [2, 4, 8, 16, 32, 64].iter().map(|e| 64 * (e - 1)).sum();
        assert_eq!(valid, expected);
    }
}
