//! Floating-point data processing on scalars (DDI 0487, C4.1.96): arithmetic, comparison, rounding, moves between
//! registers; conversions to and from integers are in [`fp_convert`](super::fp_convert).
//!
//! FPCR.NEP and FPCR.AH (FEAT_AFP) do not exist: a scalar result leaves zeros above it. FRINT32 and FRINT64
//! (FEAT_FRINTTS) and BFloat16 are left out.

use super::Done;
use crate::ir::op::OpSink;
use crate::ir::op::fp::Rule;
use crate::ir::softfloat::Format;
use crate::ir::softfloat::Rounding::{self, NegInf, PosInf, TieAway, TieEven, Zero};
use crate::ir::{Build, Cond, Flow};

crate::rows! {
    fmov_reg "000 11110 ftype:2 1 000000 10000 rn:5 rd:5" "fmov {rd|fp}, {rn|fp}"
    |b, ftype, rn, rd| { unary(b, ftype, rd, rn, B::v_zext) }

    fabs "000 11110 ftype:2 1 000001 10000 rn:5 rd:5" "fabs {rd|fp}, {rn|fp}"
    |b, ftype, rn, rd| { unary(b, ftype, rd, rn, B::f_abs) }

    fneg "000 11110 ftype:2 1 000010 10000 rn:5 rd:5" "fneg {rd|fp}, {rn|fp}"
    |b, ftype, rn, rd| { unary(b, ftype, rd, rn, B::f_neg) }

    fsqrt "000 11110 ftype:2 1 000011 10000 rn:5 rd:5" "fsqrt {rd|fp}, {rn|fp}"
    |b, ftype, rn, rd| { unary(b, ftype, rd, rn, B::f_sqrt) }

    fcvt "000 11110 ftype:2 1 00010 sz 10000 rn:5 rd:5" "fcvt {rd|fps}, {rn|fp}"
    |b, ftype, sz, rn, rd| { convert(b, ftype, sz, rd, rn) }

    fcvt_to_h "000 11110 ftype:2 1 000111 10000 rn:5 rd:5" "fcvt {rd|h}, {rn|fp}"
    |b, ftype, rn, rd| { convert(b, ftype, 3, rd, rn) }

    frintn "000 11110 ftype:2 1 001000 10000 rn:5 rd:5" "frintn {rd|fp}, {rn|fp}"
    |b, ftype, rn, rd| { rint(b, ftype, rd, rn, Some(TieEven), false) }

    frintp "000 11110 ftype:2 1 001001 10000 rn:5 rd:5" "frintp {rd|fp}, {rn|fp}"
    |b, ftype, rn, rd| { rint(b, ftype, rd, rn, Some(PosInf), false) }

    frintm "000 11110 ftype:2 1 001010 10000 rn:5 rd:5" "frintm {rd|fp}, {rn|fp}"
    |b, ftype, rn, rd| { rint(b, ftype, rd, rn, Some(NegInf), false) }

    frintz "000 11110 ftype:2 1 001011 10000 rn:5 rd:5" "frintz {rd|fp}, {rn|fp}"
    |b, ftype, rn, rd| { rint(b, ftype, rd, rn, Some(Zero), false) }

    frinta "000 11110 ftype:2 1 001100 10000 rn:5 rd:5" "frinta {rd|fp}, {rn|fp}"
    |b, ftype, rn, rd| { rint(b, ftype, rd, rn, Some(TieAway), false) }

    frintx "000 11110 ftype:2 1 001110 10000 rn:5 rd:5" "frintx {rd|fp}, {rn|fp}"
    |b, ftype, rn, rd| { rint(b, ftype, rd, rn, None, true) }

    frinti "000 11110 ftype:2 1 001111 10000 rn:5 rd:5" "frinti {rd|fp}, {rn|fp}"
    |b, ftype, rn, rd| { rint(b, ftype, rd, rn, None, false) }

    fmul "000 11110 ftype:2 1 rm:5 0000 10 rn:5 rd:5" "fmul {rd|fp}, {rn|fp}, {rm|fp}"
    |b, ftype, rm, rn, rd| { binary(b, ftype, [rd, rn, rm], B::f_mul) }

    fdiv "000 11110 ftype:2 1 rm:5 0001 10 rn:5 rd:5" "fdiv {rd|fp}, {rn|fp}, {rm|fp}"
    |b, ftype, rm, rn, rd| { binary(b, ftype, [rd, rn, rm], B::f_div) }

    fadd "000 11110 ftype:2 1 rm:5 0010 10 rn:5 rd:5" "fadd {rd|fp}, {rn|fp}, {rm|fp}"
    |b, ftype, rm, rn, rd| { binary(b, ftype, [rd, rn, rm], B::f_add) }

    fsub "000 11110 ftype:2 1 rm:5 0011 10 rn:5 rd:5" "fsub {rd|fp}, {rn|fp}, {rm|fp}"
    |b, ftype, rm, rn, rd| { binary(b, ftype, [rd, rn, rm], B::f_sub) }

    fmax "000 11110 ftype:2 1 rm:5 0100 10 rn:5 rd:5" "fmax {rd|fp}, {rn|fp}, {rm|fp}"
    |b, ftype, rm, rn, rd| { binary(b, ftype, [rd, rn, rm], B::f_max) }

    fmin "000 11110 ftype:2 1 rm:5 0101 10 rn:5 rd:5" "fmin {rd|fp}, {rn|fp}, {rm|fp}"
    |b, ftype, rm, rn, rd| { binary(b, ftype, [rd, rn, rm], B::f_min) }

    fmaxnm "000 11110 ftype:2 1 rm:5 0110 10 rn:5 rd:5" "fmaxnm {rd|fp}, {rn|fp}, {rm|fp}"
    |b, ftype, rm, rn, rd| { binary(b, ftype, [rd, rn, rm], B::f_maxnm) }

    fminnm "000 11110 ftype:2 1 rm:5 0111 10 rn:5 rd:5" "fminnm {rd|fp}, {rn|fp}, {rm|fp}"
    |b, ftype, rm, rn, rd| { binary(b, ftype, [rd, rn, rm], B::f_minnm) }

    fnmul "000 11110 ftype:2 1 rm:5 1000 10 rn:5 rd:5" "fnmul {rd|fp}, {rn|fp}, {rm|fp}"
    |b, ftype, rm, rn, rd| {
        binary(b, ftype, [rd, rn, rm], |b, n, m, e| {
            let product = b.f_mul(n, m, e);
            b.f_neg(product, e)
        })
     }

    fmadd "000 11111 ftype:2 0 rm:5 0 ra:5 rn:5 rd:5" "fmadd {rd|fp}, {rn|fp}, {rm|fp}, {ra|fp}"
    |b, ftype, rm, ra, rn, rd| { fused(b, ftype, [rd, ra, rn, rm], false, false) }

    fmsub "000 11111 ftype:2 0 rm:5 1 ra:5 rn:5 rd:5" "fmsub {rd|fp}, {rn|fp}, {rm|fp}, {ra|fp}"
    |b, ftype, rm, ra, rn, rd| { fused(b, ftype, [rd, ra, rn, rm], false, true) }

    fnmadd "000 11111 ftype:2 1 rm:5 0 ra:5 rn:5 rd:5" "fnmadd {rd|fp}, {rn|fp}, {rm|fp}, {ra|fp}"
    |b, ftype, rm, ra, rn, rd| { fused(b, ftype, [rd, ra, rn, rm], true, true) }

    fnmsub "000 11111 ftype:2 1 rm:5 1 ra:5 rn:5 rd:5" "fnmsub {rd|fp}, {rn|fp}, {rm|fp}, {ra|fp}"
    |b, ftype, rm, ra, rn, rd| { fused(b, ftype, [rd, ra, rn, rm], true, false) }

    fcsel "000 11110 ftype:2 1 rm:5 cond:4 11 rn:5 rd:5" "fcsel {rd|fp}, {rn|fp}, {rm|fp}, {cond|cond}"
    |b, ftype, rm, cond, rn, rd| {
        let e = format(b, ftype)?;
        let holds = b.cond(Cond(cond as u8));
        let (n, m) = (b.v(rn), b.v(rm));
        let value = b.f_select(holds, n, m, e);
        b.set_v(rd, value);
        Ok(Flow::Next)
     }

    fcmp "000 11110 ftype:2 1 rm:5 00 1000 rn:5 00 000" "fcmp {rn|fp}, {rm|fp}"
    |b, ftype, rm, rn| { compare(b, ftype, rn, Some(rm), B::f_cmp) }

    fcmp_zero "000 11110 ftype:2 1 xxxxx 00 1000 rn:5 01 000" "fcmp {rn|fp}, #0.0"
    |b, ftype, rn| { compare(b, ftype, rn, None, B::f_cmp) }

    fcmpe "000 11110 ftype:2 1 rm:5 00 1000 rn:5 10 000" "fcmpe {rn|fp}, {rm|fp}"
    |b, ftype, rm, rn| { compare(b, ftype, rn, Some(rm), B::f_cmpe) }

    fcmpe_zero "000 11110 ftype:2 1 xxxxx 00 1000 rn:5 11 000" "fcmpe {rn|fp}, #0.0"
    |b, ftype, rn| { compare(b, ftype, rn, None, B::f_cmpe) }

    fccmp "000 11110 ftype:2 1 rm:5 cond:4 01 rn:5 0 nzcv:4" "fccmp {rn|fp}, {rm|fp}, #{nzcv}, {cond|cond}"
    |b, ftype, rm, cond, rn, nzcv| { conditional_compare(b, ftype, [rn, rm], (cond, nzcv), B::f_cmp) }

    fccmpe "000 11110 ftype:2 1 rm:5 cond:4 01 rn:5 1 nzcv:4" "fccmpe {rn|fp}, {rm|fp}, #{nzcv}, {cond|cond}"
    |b, ftype, rm, cond, rn, nzcv| { conditional_compare(b, ftype, [rn, rm], (cond, nzcv), B::f_cmpe) }

    fmov_imm "000 11110 ftype:2 1 imm8:8 100 00000 rd:5" "fmov {rd|fp}, #{imm8|fp8}"
    |b, ftype, imm8, rd| {
        let e = format(b, ftype)?;
        let value = b.vimm(u128::from(expand_imm(Format::of(e), imm8)));
        b.set_v(rd, value);
        Ok(Flow::Next)
     }
}

/// Bits of the format that the field `ftype` or `opc` names, unless it names none or floating point is trapped.
pub(super) fn format<B: Build>(b: &mut B, ftype: u32) -> Result<u64, B::Stop> {
    let bits = match ftype {
        0 => 32,
        1 => 64,
        3 => 16,
        _ => return b.undefined(),
    };
    b.check_fp()?;
    Ok(bits)
}

fn unary<B: Build>(b: &mut B, ftype: u32, rd: u32, rn: u32, op: impl FnOnce(&mut B, B::V, u64) -> B::V) -> Done<B> {
    let e = format(b, ftype)?;
    let n = b.v(rn);
    let value = op(b, n, e);
    b.set_v(rd, value);
    Ok(Flow::Next)
}

fn binary<B: Build>(
    b: &mut B,
    ftype: u32,
    [rd, rn, rm]: [u32; 3],
    op: impl FnOnce(&mut B, B::V, B::V, u64) -> B::V,
) -> Done<B> {
    let e = format(b, ftype)?;
    let (n, m) = (b.v(rn), b.v(rm));
    let value = op(b, n, m, e);
    b.set_v(rd, value);
    Ok(Flow::Next)
}

/// `rd = ±ra ± rn * rm`; as in the manual, negation comes before NaNs are looked for.
fn fused<B: Build>(b: &mut B, ftype: u32, [rd, ra, rn, rm]: [u32; 4], negate_a: bool, negate_n: bool) -> Done<B> {
    let e = format(b, ftype)?;
    let (mut a, mut n, m) = (b.v(ra), b.v(rn), b.v(rm));
    if negate_a {
        a = b.f_neg(a, e);
    }
    if negate_n {
        n = b.f_neg(n, e);
    }
    let value = b.f_fma(a, n, m, e);
    b.set_v(rd, value);
    Ok(Flow::Next)
}

fn convert<B: Build>(b: &mut B, from: u32, to: u32, rd: u32, rn: u32) -> Done<B> {
    if from == to {
        return b.undefined();
    }
    let to = format(b, to)?;
    unary(b, from, rd, rn, |b, n, from| b.f_cvt(n, from | to << 8))
}

fn rint<B: Build>(b: &mut B, ftype: u32, rd: u32, rn: u32, by: Option<Rounding>, exact: bool) -> Done<B> {
    unary(b, ftype, rd, rn, |b, n, e| b.f_rint(n, Rule { by, exact, ..Rule::new(e) }.pack()))
}

type Compare<B> = fn(&mut B, <B as OpSink>::V, <B as OpSink>::V, u64) -> <B as OpSink>::I;

fn compare<B: Build>(b: &mut B, ftype: u32, rn: u32, rm: Option<u32>, op: Compare<B>) -> Done<B> {
    let e = format(b, ftype)?;
    let n = b.v(rn);
    let m = match rm {
        Some(rm) => b.v(rm),
        None => b.vimm(0),
    };
    let nzcv = op(b, n, m, e);
    b.set_nzcv(nzcv);
    Ok(Flow::Next)
}

/// The comparison must not set FPSR when the condition fails: then it compares zeros.
fn conditional_compare<B: Build>(
    b: &mut B,
    ftype: u32,
    [rn, rm]: [u32; 2],
    (cond, nzcv): (u32, u32),
    op: Compare<B>,
) -> Done<B> {
    let e = format(b, ftype)?;
    let holds = b.cond(Cond(cond as u8));
    let (n, m, zero) = (b.v(rn), b.v(rm), b.vimm(0));
    let (n, m) = (b.f_select(holds, n, zero, e), b.f_select(holds, m, zero, e));
    let compared = op(b, n, m, e);
    let otherwise = b.imm(u64::from(nzcv));
    let flags = b.select(holds, compared, otherwise);
    b.set_nzcv(flags);
    Ok(Flow::Next)
}

/// VFPExpandImm.
fn expand_imm(f: Format, imm8: u32) -> u64 {
    let exp_bits = f.bits - f.frac - 1;
    let not_b = u64::from(imm8 >> 6 & 1 ^ 1);
    let repeated = if not_b == 0 { (1 << (exp_bits - 3)) - 1 } else { 0 };
    let exp = not_b << (exp_bits - 1) | repeated << 2 | u64::from(imm8 >> 4 & 3);
    u64::from(imm8 >> 7) << (f.bits - 1) | exp << f.frac | u64::from(imm8 & 15) << (f.frac - 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn immediates_expand_to_numbers() {
        assert_eq!(expand_imm(Format::DOUBLE, 0x70), 1.0f64.to_bits());
        assert_eq!(expand_imm(Format::DOUBLE, 0x80), (-2.0f64).to_bits());
        assert_eq!(expand_imm(Format::SINGLE, 0x3f), u64::from(31.0f32.to_bits()));
        assert_eq!(expand_imm(Format::SINGLE, 0x40), u64::from(0.125f32.to_bits()));
        assert_eq!(expand_imm(Format::HALF, 0x70), 0x3c00);
    }
}
