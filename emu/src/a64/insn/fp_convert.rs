//! Conversions between floating point and general registers (DDI 0487, C4.1.96): integers, fixed point, and FMOV
//! (general).

use super::Done;
use super::fp_scalar::format;
use crate::ir::op::fp::Rule;
use crate::ir::softfloat::Rounding::{self, NegInf, PosInf, TieAway, TieEven, Zero};
use crate::ir::{Build, Flow};

crate::rows! {
    fcvtns_int "sf 00 11110 ftype:2 1 00 000 000000 rn:5 rd:5" "fcvtns {rd|r}, {rn|fp}"
    |b, sf, ftype, rn, rd| { to_int(b, (sf, ftype), (rd, rn), TieEven, false, 0) }

    fcvtnu_int "sf 00 11110 ftype:2 1 00 001 000000 rn:5 rd:5" "fcvtnu {rd|r}, {rn|fp}"
    |b, sf, ftype, rn, rd| { to_int(b, (sf, ftype), (rd, rn), TieEven, true, 0) }

    fcvtps_int "sf 00 11110 ftype:2 1 01 000 000000 rn:5 rd:5" "fcvtps {rd|r}, {rn|fp}"
    |b, sf, ftype, rn, rd| { to_int(b, (sf, ftype), (rd, rn), PosInf, false, 0) }

    fcvtpu_int "sf 00 11110 ftype:2 1 01 001 000000 rn:5 rd:5" "fcvtpu {rd|r}, {rn|fp}"
    |b, sf, ftype, rn, rd| { to_int(b, (sf, ftype), (rd, rn), PosInf, true, 0) }

    fcvtms_int "sf 00 11110 ftype:2 1 10 000 000000 rn:5 rd:5" "fcvtms {rd|r}, {rn|fp}"
    |b, sf, ftype, rn, rd| { to_int(b, (sf, ftype), (rd, rn), NegInf, false, 0) }

    fcvtmu_int "sf 00 11110 ftype:2 1 10 001 000000 rn:5 rd:5" "fcvtmu {rd|r}, {rn|fp}"
    |b, sf, ftype, rn, rd| { to_int(b, (sf, ftype), (rd, rn), NegInf, true, 0) }

    fcvtzs_int "sf 00 11110 ftype:2 1 11 000 000000 rn:5 rd:5" "fcvtzs {rd|r}, {rn|fp}"
    |b, sf, ftype, rn, rd| { to_int(b, (sf, ftype), (rd, rn), Zero, false, 0) }

    fcvtzu_int "sf 00 11110 ftype:2 1 11 001 000000 rn:5 rd:5" "fcvtzu {rd|r}, {rn|fp}"
    |b, sf, ftype, rn, rd| { to_int(b, (sf, ftype), (rd, rn), Zero, true, 0) }

    fcvtas_int "sf 00 11110 ftype:2 1 00 100 000000 rn:5 rd:5" "fcvtas {rd|r}, {rn|fp}"
    |b, sf, ftype, rn, rd| { to_int(b, (sf, ftype), (rd, rn), TieAway, false, 0) }

    fcvtau_int "sf 00 11110 ftype:2 1 00 101 000000 rn:5 rd:5" "fcvtau {rd|r}, {rn|fp}"
    |b, sf, ftype, rn, rd| { to_int(b, (sf, ftype), (rd, rn), TieAway, true, 0) }

    scvtf_int "sf 00 11110 ftype:2 1 00 010 000000 rn:5 rd:5" "scvtf {rd|fp}, {rn|r}"
    |b, sf, ftype, rn, rd| { from_int(b, (sf, ftype), (rd, rn), false, 0) }

    ucvtf_int "sf 00 11110 ftype:2 1 00 011 000000 rn:5 rd:5" "ucvtf {rd|fp}, {rn|r}"
    |b, sf, ftype, rn, rd| { from_int(b, (sf, ftype), (rd, rn), true, 0) }

    scvtf_fixed "sf 00 11110 ftype:2 0 00 010 scale:6 rn:5 rd:5" "scvtf {rd|fp}, {rn|r}, #{scale|from64}"
    |b, sf, ftype, scale, rn, rd| {
        let fbits = fraction_bits(b, sf, scale)?;
        from_int(b, (sf, ftype), (rd, rn), false, fbits)
     }

    ucvtf_fixed "sf 00 11110 ftype:2 0 00 011 scale:6 rn:5 rd:5" "ucvtf {rd|fp}, {rn|r}, #{scale|from64}"
    |b, sf, ftype, scale, rn, rd| {
        let fbits = fraction_bits(b, sf, scale)?;
        from_int(b, (sf, ftype), (rd, rn), true, fbits)
     }

    fcvtzs_fixed "sf 00 11110 ftype:2 0 11 000 scale:6 rn:5 rd:5" "fcvtzs {rd|r}, {rn|fp}, #{scale|from64}"
    |b, sf, ftype, scale, rn, rd| {
        let fbits = fraction_bits(b, sf, scale)?;
        to_int(b, (sf, ftype), (rd, rn), Zero, false, fbits)
     }

    fcvtzu_fixed "sf 00 11110 ftype:2 0 11 001 scale:6 rn:5 rd:5" "fcvtzu {rd|r}, {rn|fp}, #{scale|from64}"
    |b, sf, ftype, scale, rn, rd| {
        let fbits = fraction_bits(b, sf, scale)?;
        to_int(b, (sf, ftype), (rd, rn), Zero, true, fbits)
     }

    fjcvtzs "0 00 11110 01 1 11 110 000000 rn:5 rd:5" "fjcvtzs {rd|w}, {rn|d}"
    |b, rn, rd| {
        b.check_fp()?;
        let n = b.v(rn);
        let both = b.f_to_int_js(n);
        let low = b.zext32(both);
        b.set_x(rd, low);
        let shift = b.imm(32);
        let nzcv = b.shr64(both, shift);
        b.set_nzcv(nzcv);
        Ok(Flow::Next)
     }

    fmov_h_to_w "0 00 11110 11 1 00 110 000000 rn:5 rd:5" "fmov {rd|w}, {rn|h}"
    |b, rn, rd| { to_general(b, rd, rn, 16) }

    fmov_w_to_h "0 00 11110 11 1 00 111 000000 rn:5 rd:5" "fmov {rd|h}, {rn|w}"
    |b, rn, rd| { from_general(b, rd, rn, 16) }

    fmov_h_to_x "1 00 11110 11 1 00 110 000000 rn:5 rd:5" "fmov {rd|x}, {rn|h}"
    |b, rn, rd| { to_general(b, rd, rn, 16) }

    fmov_x_to_h "1 00 11110 11 1 00 111 000000 rn:5 rd:5" "fmov {rd|h}, {rn|x}"
    |b, rn, rd| { from_general(b, rd, rn, 16) }

    fmov_s_to_w "0 00 11110 00 1 00 110 000000 rn:5 rd:5" "fmov {rd|w}, {rn|s}"
    |b, rn, rd| { to_general(b, rd, rn, 32) }

    fmov_w_to_s "0 00 11110 00 1 00 111 000000 rn:5 rd:5" "fmov {rd|s}, {rn|w}"
    |b, rn, rd| { from_general(b, rd, rn, 32) }

    fmov_d_to_x "1 00 11110 01 1 00 110 000000 rn:5 rd:5" "fmov {rd|x}, {rn|d}"
    |b, rn, rd| { to_general(b, rd, rn, 64) }

    fmov_x_to_d "1 00 11110 01 1 00 111 000000 rn:5 rd:5" "fmov {rd|d}, {rn|x}"
    |b, rn, rd| { from_general(b, rd, rn, 64) }

    fmov_high_to_x "1 00 11110 10 1 01 110 000000 rn:5 rd:5" "fmov {rd|x}, {rn|v}.d[1]"
    |b, rn, rd| {
        b.check_fp()?;
        let n = b.v(rn);
        let value = b.v_high(n);
        b.set_x(rd, value);
        Ok(Flow::Next)
     }

    fmov_x_to_high "1 00 11110 10 1 01 111 000000 rn:5 rd:5" "fmov {rd|v}.d[1], {rn|x}"
    |b, rn, rd| {
        b.check_fp()?;
        let (d, high) = (b.v(rd), b.x(rn));
        let low = b.v_low(d);
        let value = b.v_join(low, high);
        b.set_v(rd, value);
        Ok(Flow::Next)
     }
}

/// Fraction bits from the field `scale`; a 32-bit integer has 32 at most.
fn fraction_bits<B: Build>(b: &mut B, sf: u32, scale: u32) -> Result<u64, B::Stop> {
    if sf == 0 && scale < 32 { b.undefined() } else { Ok(u64::from(64 - scale)) }
}

fn to_int<B: Build>(
    b: &mut B,
    (sf, ftype): (u32, u32),
    (rd, rn): (u32, u32),
    by: Rounding,
    unsigned: bool,
    fbits: u64,
) -> Done<B> {
    let e = format(b, ftype)?;
    let n = b.v(rn);
    let rule = Rule { by: Some(by), unsigned, fbits, int_bits: 32 << sf, ..Rule::new(e) };
    let value = b.f_to_int(n, rule.pack());
    b.set_x(rd, value);
    Ok(Flow::Next)
}

fn from_int<B: Build>(b: &mut B, (sf, ftype): (u32, u32), (rd, rn): (u32, u32), unsigned: bool, fbits: u64) -> Done<B> {
    let e = format(b, ftype)?;
    let n = b.x(rn);
    let rule = Rule { unsigned, fbits, int_bits: 32 << sf, ..Rule::new(e) };
    let value = b.f_from_int(n, rule.pack());
    b.set_v(rd, value);
    Ok(Flow::Next)
}

fn to_general<B: Build>(b: &mut B, rd: u32, rn: u32, bits: u64) -> Done<B> {
    b.check_fp()?;
    let n = b.v(rn);
    let low = b.v_low(n);
    let value = match bits {
        16 => b.zext16(low),
        32 => b.zext32(low),
        _ => low,
    };
    b.set_x(rd, value);
    Ok(Flow::Next)
}

fn from_general<B: Build>(b: &mut B, rd: u32, rn: u32, bits: u64) -> Done<B> {
    b.check_fp()?;
    let (n, high) = (b.x(rn), b.imm(0));
    let low = match bits {
        16 => b.zext16(n),
        32 => b.zext32(n),
        _ => n,
    };
    let value = b.v_join(low, high);
    b.set_v(rd, value);
    Ok(Flow::Next)
}
