//! What the groups of floating-point vector instructions share: shapes, and the ways of applying an operation.
//!
//! Operations work on all 128 bits, and FPSR must not see lanes that an instruction does not have. A vector of 64 bits
//! is therefore read with zeros above it, which raise no flag in most operations; in division and estimates of
//! reciprocals, ones stand above it instead.

use super::Done;
use super::simd::Binary;
use crate::ir::op::fp::Rule;
use crate::ir::op::vec::pack;
use crate::ir::softfloat::Rounding;
use crate::ir::{Build, Flow};

/// Lanes of an operation: `e` bits each, `width` bits in all (64 or 128).
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub e: u64,
    pub width: u64,
}

/// Single or double precision; doubles come in pairs only.
pub(super) fn words<B: Build>(b: &mut B, q: u32, sz: u32) -> Result<Shape, B::Stop> {
    sized(b, q, 2 + sz)
}

/// Half precision.
pub(super) fn halves<B: Build>(b: &mut B, q: u32) -> Result<Shape, B::Stop> {
    sized(b, q, 1)
}

/// By a field `size`, which says 1 for halves, 2 for singles and 3 for doubles.
pub(super) fn sized<B: Build>(b: &mut B, q: u32, size: u32) -> Result<Shape, B::Stop> {
    if size == 0 || size == 3 && q == 0 {
        return b.undefined();
    }
    b.check_fp()?;
    Ok(Shape { e: 8 << size, width: 64 << q })
}

/// By the field immh:immb of a shift, with the fraction bits that it says.
pub(super) fn shifted<B: Build>(b: &mut B, q: u32, imm: u32) -> Result<(Shape, u64), B::Stop> {
    let size = (imm >> 3).checked_ilog2().unwrap_or(0);
    Ok((sized(b, q, size)?, u64::from((16 << size) - imm.min(16 << size))))
}

impl Shape {
    /// Reads a register, with zeros beyond the width.
    pub fn get<B: Build>(self, b: &mut B, r: u32) -> B::V {
        let value = b.v(r);
        if self.width < 128 { b.v_zext(value, self.width) } else { value }
    }

    /// Reads a register, with the number one in the lanes beyond the width.
    fn get_filled<B: Build>(self, b: &mut B, r: u32) -> B::V {
        let value = b.v(r);
        if self.width == 128 {
            return value;
        }
        let low = b.v_low(value);
        let ones = b.imm(if self.e == 16 { 0x3c00_3c00_3c00_3c00 } else { 0x3f80_0000_3f80_0000 });
        b.v_join(low, ones)
    }

    /// A lane of `e` bits all over the width, with zeros beyond it.
    pub fn repeat<B: Build>(self, b: &mut B, value: B::V, e: u64, index: u32) -> B::V {
        let value = b.v_dup_lane(value, pack(e, u64::from(index)));
        if self.width < 128 { b.v_zext(value, self.width) } else { value }
    }

    /// Writes a register, with zeros beyond the width.
    pub fn set<B: Build>(self, b: &mut B, r: u32, value: B::V) -> Done<B> {
        let value = if self.width < 128 { b.v_zext(value, self.width) } else { value };
        b.set_v(r, value);
        Ok(Flow::Next)
    }
}

/// `rd = op(rn)`.
pub(super) fn unary<B: Build>(
    b: &mut B,
    s: Shape,
    [rd, rn]: [u32; 2],
    op: impl FnOnce(&mut B, B::V, u64) -> B::V,
) -> Done<B> {
    let n = s.get(b, rn);
    let value = op(b, n, s.e);
    s.set(b, rd, value)
}

/// `rd = op(rn)` where zero raises a flag.
pub(super) fn unary_filled<B: Build>(
    b: &mut B,
    s: Shape,
    [rd, rn]: [u32; 2],
    op: impl FnOnce(&mut B, B::V, u64) -> B::V,
) -> Done<B> {
    let n = s.get_filled(b, rn);
    let value = op(b, n, s.e);
    s.set(b, rd, value)
}

/// `rd = op(rn, rm)`.
pub(super) fn binary<B: Build>(
    b: &mut B,
    s: Shape,
    [rd, rn, rm]: [u32; 3],
    op: impl FnOnce(&mut B, B::V, B::V, u64) -> B::V,
) -> Done<B> {
    let m = s.get(b, rm);
    binary_with(b, s, [rd, rn], m, op)
}

/// `rd = op(rn, m)`.
pub(super) fn binary_with<B: Build>(
    b: &mut B,
    s: Shape,
    [rd, rn]: [u32; 2],
    m: B::V,
    op: impl FnOnce(&mut B, B::V, B::V, u64) -> B::V,
) -> Done<B> {
    let n = s.get(b, rn);
    let value = op(b, n, m, s.e);
    s.set(b, rd, value)
}

/// FDIV.
pub(super) fn divide<B: Build>(b: &mut B, s: Shape, [rd, rn, rm]: [u32; 3]) -> Done<B> {
    let m = s.get_filled(b, rm);
    binary_with(b, s, [rd, rn], m, B::vf_div)
}

/// FABD.
pub(super) fn difference<B: Build>(b: &mut B, s: Shape, r: [u32; 3]) -> Done<B> {
    binary(b, s, r, |b, n, m, e| {
        let value = b.vf_sub(n, m, e);
        b.vf_abs(value, e)
    })
}

/// FACGE, FACGT: comparison of absolute values.
pub(super) fn absolute<B: Build>(b: &mut B, s: Shape, r: [u32; 3], op: Binary<B>) -> Done<B> {
    binary(b, s, r, |b, n, m, e| {
        let (n, m) = (b.vf_abs(n, e), b.vf_abs(m, e));
        op(b, n, m, e)
    })
}

/// `rd = rd ± rn * rm`.
pub(super) fn fused<B: Build>(b: &mut B, s: Shape, [rd, rn, rm]: [u32; 3], negate: bool) -> Done<B> {
    let m = s.get(b, rm);
    fused_with(b, s, [rd, rn], m, negate)
}

/// `rd = rd ± rn * m`.
pub(super) fn fused_with<B: Build>(b: &mut B, s: Shape, [rd, rn]: [u32; 2], m: B::V, negate: bool) -> Done<B> {
    let (d, mut n) = (s.get(b, rd), s.get(b, rn));
    if negate {
        n = b.vf_neg(n, s.e);
    }
    let value = b.vf_fma(d, n, m, s.e);
    s.set(b, rd, value)
}

/// Neighbours of rn, then of rm, taken together.
pub(super) fn pairwise<B: Build>(b: &mut B, s: Shape, [rd, rn, rm]: [u32; 3], op: Binary<B>) -> Done<B> {
    let (n, m) = (b.v(rn), b.v(rm));
    let (n, m) = if s.width < 128 { (b.v_zip1(n, m, 64), b.vimm(0)) } else { (n, m) };
    let (even, odd) = (b.v_uzp1(n, m, s.e), b.v_uzp2(n, m, s.e));
    let value = op(b, even, odd, s.e);
    s.set(b, rd, value)
}

/// All lanes taken together, neighbours first (Reduce).
pub(super) fn across<B: Build>(b: &mut B, s: Shape, [rd, rn]: [u32; 2], op: Binary<B>) -> Done<B> {
    let n = b.v(rn);
    // The results repeat themselves to fill the register.
    let mut value = if s.width < 128 { b.v_zip1(n, n, 64) } else { n };
    let mut lanes = s.width / s.e;
    while lanes > 1 {
        let (even, odd) = (b.v_uzp1(value, value, s.e), b.v_uzp2(value, value, s.e));
        value = op(b, even, odd, s.e);
        lanes /= 2;
    }
    let value = b.v_zext(value, s.e);
    b.set_v(rd, value);
    Ok(Flow::Next)
}

/// Comparison with zero; `reverse` asks whether zero is greater.
pub(super) fn with_zero<B: Build>(b: &mut B, s: Shape, r: [u32; 2], reverse: bool, op: Binary<B>) -> Done<B> {
    unary(b, s, r, |b, n, e| {
        let zero = b.vimm(0);
        if reverse { op(b, zero, n, e) } else { op(b, n, zero, e) }
    })
}

/// FRINT.
pub(super) fn rint<B: Build>(b: &mut B, s: Shape, r: [u32; 2], by: Option<Rounding>, exact: bool) -> Done<B> {
    unary(b, s, r, |b, n, e| b.vf_rint(n, Rule { by, exact, ..Rule::new(e) }.pack()))
}

/// To integers or fixed point.
pub(super) fn to_int<B: Build>(b: &mut B, s: Shape, r: [u32; 2], by: Rounding, unsigned: bool, fbits: u64) -> Done<B> {
    unary(b, s, r, |b, n, e| b.vf_to_int(n, Rule { by: Some(by), unsigned, fbits, ..Rule::new(e) }.pack()))
}

/// From integers or fixed point.
pub(super) fn from_int<B: Build>(b: &mut B, s: Shape, r: [u32; 2], unsigned: bool, fbits: u64) -> Done<B> {
    unary(b, s, r, |b, n, e| b.vf_from_int(n, Rule { unsigned, fbits, ..Rule::new(e) }.pack()))
}

/// FCVTN and FCVTXN to lanes of `e` bits; the "2" form writes the high half only.
pub(super) fn narrow<B: Build>(
    b: &mut B,
    q: u32,
    e: u64,
    [rd, rn]: [u32; 2],
    op: impl FnOnce(&mut B, B::V, u64) -> B::V,
) -> Done<B> {
    b.check_fp()?;
    let n = b.v(rn);
    let mut value = op(b, n, e);
    if q == 1 {
        let low = b.v(rd);
        value = b.v_zip1(low, value, 64);
    }
    b.set_v(rd, value);
    Ok(Flow::Next)
}

/// All lanes as the element that h:l:m, h:l or h names in a register.
pub(super) fn element<B: Build>(b: &mut B, s: Shape, [h, l, m, rm]: [u32; 4]) -> Result<B::V, B::Stop> {
    let (r, index) = match s.e {
        16 => (rm, h << 2 | l << 1 | m),
        32 => (m << 4 | rm, h << 1 | l),
        _ if l == 0 => (m << 4 | rm, h),
        _ => return b.undefined(),
    };
    let value = b.v(r);
    Ok(s.repeat(b, value, s.e, index))
}

/// Complex numbers times i, `rot` times, as far as the sign of each part and its place go.
pub(super) fn turned<B: Build>(b: &mut B, s: Shape, m: B::V, rot: u32) -> B::V {
    let sign = 1u128 << (s.e - 1);
    let (real, imaginary) = (sign, sign << s.e);
    let signs = [0, real, real | imaginary, imaginary][rot as usize & 3];
    let m = if rot & 1 == 1 { b.v_rev(m, pack(s.e, 2 * s.e)) } else { m };
    if signs == 0 {
        return m;
    }
    let all = (0..s.width / (2 * s.e)).fold(0, |all, i| all | signs << (2 * s.e * i));
    let all = b.vimm(all);
    b.v_xor(m, all)
}

/// FCMLA: one part of rn (the imaginary one for a quarter turn or three) times the turned `m`.
pub(super) fn complex_fused<B: Build>(b: &mut B, s: Shape, rd: u32, rn: u32, m: B::V, rot: u32) -> Done<B> {
    let (d, n) = (s.get(b, rd), s.get(b, rn));
    let n = if rot & 1 == 1 { b.v_trn2(n, n, s.e) } else { b.v_trn1(n, n, s.e) };
    let m = turned(b, s, m, rot);
    let value = b.vf_fma(d, n, m, s.e);
    s.set(b, rd, value)
}

/// `rd = op(rn)` on lane 0.
pub(super) fn lane_unary<B: Build>(
    b: &mut B,
    e: u64,
    [rd, rn]: [u32; 2],
    op: impl FnOnce(&mut B, B::V, u64) -> B::V,
) -> Done<B> {
    let n = b.v(rn);
    let value = op(b, n, e);
    b.set_v(rd, value);
    Ok(Flow::Next)
}

/// `rd = op(rn, rm)` on lane 0.
pub(super) fn lane_binary<B: Build>(
    b: &mut B,
    e: u64,
    [rd, rn, rm]: [u32; 3],
    op: impl FnOnce(&mut B, B::V, B::V, u64) -> B::V,
) -> Done<B> {
    let m = b.v(rm);
    lane_binary_with(b, e, [rd, rn], m, op)
}

/// `rd = op(rn, m)` on lane 0.
pub(super) fn lane_binary_with<B: Build>(
    b: &mut B,
    e: u64,
    r: [u32; 2],
    m: B::V,
    op: impl FnOnce(&mut B, B::V, B::V, u64) -> B::V,
) -> Done<B> {
    lane_unary(b, e, r, |b, n, e| op(b, n, m, e))
}

/// FABD on lane 0.
pub(super) fn lane_difference<B: Build>(b: &mut B, e: u64, r: [u32; 3]) -> Done<B> {
    lane_binary(b, e, r, |b, n, m, e| {
        let value = b.f_sub(n, m, e);
        b.f_abs(value, e)
    })
}

/// FACGE, FACGT on lane 0.
pub(super) fn lane_absolute<B: Build>(b: &mut B, e: u64, r: [u32; 3], op: Binary<B>) -> Done<B> {
    lane_binary(b, e, r, |b, n, m, e| {
        let (n, m) = (b.f_abs(n, e), b.f_abs(m, e));
        op(b, n, m, e)
    })
}

/// `rd = rd ± rn * m` on lane 0.
pub(super) fn lane_fused_with<B: Build>(b: &mut B, e: u64, [rd, rn]: [u32; 2], m: B::V, negate: bool) -> Done<B> {
    let d = b.v(rd);
    lane_unary(b, e, [rd, rn], |b, n, e| {
        let n = if negate { b.f_neg(n, e) } else { n };
        b.f_fma(d, n, m, e)
    })
}

/// Lanes 0 and 1 of rn taken together.
pub(super) fn lane_pair<B: Build>(b: &mut B, e: u64, r: [u32; 2], op: Binary<B>) -> Done<B> {
    lane_unary(b, e, r, |b, n, e| {
        let second = b.v_dup_lane(n, pack(e, 1));
        op(b, n, second, e)
    })
}

/// Comparison of lane 0 with zero; `reverse` asks whether zero is greater.
pub(super) fn lane_with_zero<B: Build>(b: &mut B, e: u64, r: [u32; 2], reverse: bool, op: Binary<B>) -> Done<B> {
    lane_unary(b, e, r, |b, n, e| {
        let zero = b.vimm(0);
        if reverse { op(b, zero, n, e) } else { op(b, n, zero, e) }
    })
}

/// Lane 0 to an integer or fixed point of the same size.
pub(super) fn lane_to_int<B: Build>(
    b: &mut B,
    e: u64,
    r: [u32; 2],
    by: Rounding,
    unsigned: bool,
    fbits: u64,
) -> Done<B> {
    lane_unary(b, e, r, |b, n, e| {
        let low = b.f_to_int(n, Rule { by: Some(by), unsigned, fbits, ..Rule::new(e) }.pack());
        let high = b.imm(0);
        b.v_join(low, high)
    })
}

/// Lane 0 from an integer or fixed point of the same size.
pub(super) fn lane_from_int<B: Build>(b: &mut B, e: u64, r: [u32; 2], unsigned: bool, fbits: u64) -> Done<B> {
    lane_unary(b, e, r, |b, n, e| {
        let low = b.v_low(n);
        b.f_from_int(low, Rule { unsigned, fbits, ..Rule::new(e) }.pack())
    })
}
