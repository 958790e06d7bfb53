//! Vector and scalar shifts by an immediate (C4.1, «Advanced SIMD shift by immediate» and the scalar class).
//!
//! `imm` is immh:immb: its highest bit above bit 2 gives the lane's width, the rest the amount.

use super::Done;
use super::simd::{BHS, BHSD, Binary, Shape, Unary, get, half, scalar, set, set_half, vector};
use crate::ir::Build;
use crate::ir::op::vec::pack;

const DOUBLEWORD: Shape = Shape { e: 64, width: 64 };

crate::rows! {
    fp;

    sshr_shift_v "0 q 0 011110 imm:7 00000 1 rn:5 rd:5" "sshr {rd|v}.{imm|arr}, {rn|v}.{imm|arr}, #{imm|shr}"
    |b, q, imm, rn, rd| { let shape = vector_shape(b, q, imm)?; right(b, shape, imm, [rd, rn], B::v_sshr) }

    sshr_shift_scalar "01 0 111110 1 imm:6 00000 1 rn:5 rd:5" "sshr {rd|d}, {rn|d}, #{imm|shr}"
    |b, imm, rn, rd| { right(b, DOUBLEWORD, 64 | imm, [rd, rn], B::v_sshr) }

    ssra_shift_v "0 q 0 011110 imm:7 00010 1 rn:5 rd:5" "ssra {rd|v}.{imm|arr}, {rn|v}.{imm|arr}, #{imm|shr}"
    |b, q, imm, rn, rd| { let shape = vector_shape(b, q, imm)?; add_right(b, shape, imm, [rd, rn], B::v_sshr) }

    ssra_shift_scalar "01 0 111110 1 imm:6 00010 1 rn:5 rd:5" "ssra {rd|d}, {rn|d}, #{imm|shr}"
    |b, imm, rn, rd| { add_right(b, DOUBLEWORD, 64 | imm, [rd, rn], B::v_sshr) }

    srshr_shift_v "0 q 0 011110 imm:7 00100 1 rn:5 rd:5" "srshr {rd|v}.{imm|arr}, {rn|v}.{imm|arr}, #{imm|shr}"
    |b, q, imm, rn, rd| { let shape = vector_shape(b, q, imm)?; right(b, shape, imm, [rd, rn], B::v_srshr) }

    srshr_shift_scalar "01 0 111110 1 imm:6 00100 1 rn:5 rd:5" "srshr {rd|d}, {rn|d}, #{imm|shr}"
    |b, imm, rn, rd| { right(b, DOUBLEWORD, 64 | imm, [rd, rn], B::v_srshr) }

    srsra_shift_v "0 q 0 011110 imm:7 00110 1 rn:5 rd:5" "srsra {rd|v}.{imm|arr}, {rn|v}.{imm|arr}, #{imm|shr}"
    |b, q, imm, rn, rd| { let shape = vector_shape(b, q, imm)?; add_right(b, shape, imm, [rd, rn], B::v_srshr) }

    srsra_shift_scalar "01 0 111110 1 imm:6 00110 1 rn:5 rd:5" "srsra {rd|d}, {rn|d}, #{imm|shr}"
    |b, imm, rn, rd| { add_right(b, DOUBLEWORD, 64 | imm, [rd, rn], B::v_srshr) }

    ushr_shift_v "0 q 1 011110 imm:7 00000 1 rn:5 rd:5" "ushr {rd|v}.{imm|arr}, {rn|v}.{imm|arr}, #{imm|shr}"
    |b, q, imm, rn, rd| { let shape = vector_shape(b, q, imm)?; right(b, shape, imm, [rd, rn], B::v_ushr) }

    ushr_shift_scalar "01 1 111110 1 imm:6 00000 1 rn:5 rd:5" "ushr {rd|d}, {rn|d}, #{imm|shr}"
    |b, imm, rn, rd| { right(b, DOUBLEWORD, 64 | imm, [rd, rn], B::v_ushr) }

    usra_shift_v "0 q 1 011110 imm:7 00010 1 rn:5 rd:5" "usra {rd|v}.{imm|arr}, {rn|v}.{imm|arr}, #{imm|shr}"
    |b, q, imm, rn, rd| { let shape = vector_shape(b, q, imm)?; add_right(b, shape, imm, [rd, rn], B::v_ushr) }

    usra_shift_scalar "01 1 111110 1 imm:6 00010 1 rn:5 rd:5" "usra {rd|d}, {rn|d}, #{imm|shr}"
    |b, imm, rn, rd| { add_right(b, DOUBLEWORD, 64 | imm, [rd, rn], B::v_ushr) }

    urshr_shift_v "0 q 1 011110 imm:7 00100 1 rn:5 rd:5" "urshr {rd|v}.{imm|arr}, {rn|v}.{imm|arr}, #{imm|shr}"
    |b, q, imm, rn, rd| { let shape = vector_shape(b, q, imm)?; right(b, shape, imm, [rd, rn], B::v_urshr) }

    urshr_shift_scalar "01 1 111110 1 imm:6 00100 1 rn:5 rd:5" "urshr {rd|d}, {rn|d}, #{imm|shr}"
    |b, imm, rn, rd| { right(b, DOUBLEWORD, 64 | imm, [rd, rn], B::v_urshr) }

    ursra_shift_v "0 q 1 011110 imm:7 00110 1 rn:5 rd:5" "ursra {rd|v}.{imm|arr}, {rn|v}.{imm|arr}, #{imm|shr}"
    |b, q, imm, rn, rd| { let shape = vector_shape(b, q, imm)?; add_right(b, shape, imm, [rd, rn], B::v_urshr) }

    ursra_shift_scalar "01 1 111110 1 imm:6 00110 1 rn:5 rd:5" "ursra {rd|d}, {rn|d}, #{imm|shr}"
    |b, imm, rn, rd| { add_right(b, DOUBLEWORD, 64 | imm, [rd, rn], B::v_urshr) }

    sri_shift_v "0 q 1 011110 imm:7 01000 1 rn:5 rd:5" "sri {rd|v}.{imm|arr}, {rn|v}.{imm|arr}, #{imm|shr}"
    |b, q, imm, rn, rd| { let shape = vector_shape(b, q, imm)?; insert(b, shape, imm, right_amount, [rd, rn], B::v_sri) }

    sri_shift_scalar "01 1 111110 1 imm:6 01000 1 rn:5 rd:5" "sri {rd|d}, {rn|d}, #{imm|shr}"
    |b, imm, rn, rd| { insert(b, DOUBLEWORD, 64 | imm, right_amount, [rd, rn], B::v_sri) }

    sli_shift_v "0 q 1 011110 imm:7 01010 1 rn:5 rd:5" "sli {rd|v}.{imm|arr}, {rn|v}.{imm|arr}, #{imm|shl}"
    |b, q, imm, rn, rd| { let shape = vector_shape(b, q, imm)?; insert(b, shape, imm, left_amount, [rd, rn], B::v_sli) }

    sli_shift_scalar "01 1 111110 1 imm:6 01010 1 rn:5 rd:5" "sli {rd|d}, {rn|d}, #{imm|shl}"
    |b, imm, rn, rd| { insert(b, DOUBLEWORD, 64 | imm, left_amount, [rd, rn], B::v_sli) }

    shl_shift_v "0 q 0 011110 imm:7 01010 1 rn:5 rd:5" "shl {rd|v}.{imm|arr}, {rn|v}.{imm|arr}, #{imm|shl}"
    |b, q, imm, rn, rd| { let shape = vector_shape(b, q, imm)?; left(b, shape, imm, [rd, rn]) }

    shl_shift_scalar "01 0 111110 1 imm:6 01010 1 rn:5 rd:5" "shl {rd|d}, {rn|d}, #{imm|shl}"
    |b, imm, rn, rd| { left(b, DOUBLEWORD, 64 | imm, [rd, rn]) }

    sqshl_shift_v "0 q 0 011110 imm:7 01110 1 rn:5 rd:5" "sqshl {rd|v}.{imm|arr}, {rn|v}.{imm|arr}, #{imm|shl}"
    |b, q, imm, rn, rd| { let shape = vector_shape(b, q, imm)?; left_sat(b, shape, imm, [rd, rn], B::v_sqshl) }

    sqshl_shift_scalar "01 0 111110 imm:7 01110 1 rn:5 rd:5" "sqshl {imm|el}{rd}, {imm|el}{rn}, #{imm|shl}"
    |b, imm, rn, rd| { let shape = scalar_shape(b, imm)?; left_sat(b, shape, imm, [rd, rn], B::v_sqshl) }

    uqshl_shift_v "0 q 1 011110 imm:7 01110 1 rn:5 rd:5" "uqshl {rd|v}.{imm|arr}, {rn|v}.{imm|arr}, #{imm|shl}"
    |b, q, imm, rn, rd| { let shape = vector_shape(b, q, imm)?; left_sat(b, shape, imm, [rd, rn], B::v_uqshl) }

    uqshl_shift_scalar "01 1 111110 imm:7 01110 1 rn:5 rd:5" "uqshl {imm|el}{rd}, {imm|el}{rn}, #{imm|shl}"
    |b, imm, rn, rd| { let shape = scalar_shape(b, imm)?; left_sat(b, shape, imm, [rd, rn], B::v_uqshl) }

    sqshlu_shift_v "0 q 1 011110 imm:7 01100 1 rn:5 rd:5" "sqshlu {rd|v}.{imm|arr}, {rn|v}.{imm|arr}, #{imm|shl}"
    |b, q, imm, rn, rd| { let shape = vector_shape(b, q, imm)?; left_unsigned(b, shape, imm, [rd, rn]) }

    sqshlu_shift_scalar "01 1 111110 imm:7 01100 1 rn:5 rd:5" "sqshlu {imm|el}{rd}, {imm|el}{rn}, #{imm|shl}"
    |b, imm, rn, rd| { let shape = scalar_shape(b, imm)?; left_unsigned(b, shape, imm, [rd, rn]) }

    shrn_shift_v "0 q 0 011110 imm:7 10000 1 rn:5 rd:5" "shrn{q|two} {rd|v}.{imm|arr}, {rn|v}.{imm|wide}, #{imm|shr}"
    |b, q, imm, rn, rd| { narrow(b, q, imm, [rd, rn], B::v_ushr, B::v_xtn) }

    rshrn_shift_v "0 q 0 011110 imm:7 10001 1 rn:5 rd:5" "rshrn{q|two} {rd|v}.{imm|arr}, {rn|v}.{imm|wide}, #{imm|shr}"
    |b, q, imm, rn, rd| { narrow(b, q, imm, [rd, rn], B::v_urshr, B::v_xtn) }

    sqshrn_shift_v "0 q 0 011110 imm:7 10010 1 rn:5 rd:5" "sqshrn{q|two} {rd|v}.{imm|arr}, {rn|v}.{imm|wide}, #{imm|shr}"
    |b, q, imm, rn, rd| { narrow(b, q, imm, [rd, rn], B::v_sshr, B::v_sqxtn) }

    sqshrn_shift_scalar "01 0 111110 imm:7 10010 1 rn:5 rd:5" "sqshrn {imm|el}{rd}, {imm|elw}{rn}, #{imm|shr}"
    |b, imm, rn, rd| { narrow_scalar(b, imm, [rd, rn], B::v_sshr, B::v_sqxtn) }

    sqrshrn_shift_v "0 q 0 011110 imm:7 10011 1 rn:5 rd:5" "sqrshrn{q|two} {rd|v}.{imm|arr}, {rn|v}.{imm|wide}, #{imm|shr}"
    |b, q, imm, rn, rd| { narrow(b, q, imm, [rd, rn], B::v_srshr, B::v_sqxtn) }

    sqrshrn_shift_scalar "01 0 111110 imm:7 10011 1 rn:5 rd:5" "sqrshrn {imm|el}{rd}, {imm|elw}{rn}, #{imm|shr}"
    |b, imm, rn, rd| { narrow_scalar(b, imm, [rd, rn], B::v_srshr, B::v_sqxtn) }

    sqshrun_shift_v "0 q 1 011110 imm:7 10000 1 rn:5 rd:5" "sqshrun{q|two} {rd|v}.{imm|arr}, {rn|v}.{imm|wide}, #{imm|shr}"
    |b, q, imm, rn, rd| { narrow(b, q, imm, [rd, rn], B::v_sshr, B::v_sqxtun) }

    sqshrun_shift_scalar "01 1 111110 imm:7 10000 1 rn:5 rd:5" "sqshrun {imm|el}{rd}, {imm|elw}{rn}, #{imm|shr}"
    |b, imm, rn, rd| { narrow_scalar(b, imm, [rd, rn], B::v_sshr, B::v_sqxtun) }

    sqrshrun_shift_v "0 q 1 011110 imm:7 10001 1 rn:5 rd:5" "sqrshrun{q|two} {rd|v}.{imm|arr}, {rn|v}.{imm|wide}, #{imm|shr}"
    |b, q, imm, rn, rd| { narrow(b, q, imm, [rd, rn], B::v_srshr, B::v_sqxtun) }

    sqrshrun_shift_scalar "01 1 111110 imm:7 10001 1 rn:5 rd:5" "sqrshrun {imm|el}{rd}, {imm|elw}{rn}, #{imm|shr}"
    |b, imm, rn, rd| { narrow_scalar(b, imm, [rd, rn], B::v_srshr, B::v_sqxtun) }

    uqshrn_shift_v "0 q 1 011110 imm:7 10010 1 rn:5 rd:5" "uqshrn{q|two} {rd|v}.{imm|arr}, {rn|v}.{imm|wide}, #{imm|shr}"
    |b, q, imm, rn, rd| { narrow(b, q, imm, [rd, rn], B::v_ushr, B::v_uqxtn) }

    uqshrn_shift_scalar "01 1 111110 imm:7 10010 1 rn:5 rd:5" "uqshrn {imm|el}{rd}, {imm|elw}{rn}, #{imm|shr}"
    |b, imm, rn, rd| { narrow_scalar(b, imm, [rd, rn], B::v_ushr, B::v_uqxtn) }

    uqrshrn_shift_v "0 q 1 011110 imm:7 10011 1 rn:5 rd:5" "uqrshrn{q|two} {rd|v}.{imm|arr}, {rn|v}.{imm|wide}, #{imm|shr}"
    |b, q, imm, rn, rd| { narrow(b, q, imm, [rd, rn], B::v_urshr, B::v_uqxtn) }

    uqrshrn_shift_scalar "01 1 111110 imm:7 10011 1 rn:5 rd:5" "uqrshrn {imm|el}{rd}, {imm|elw}{rn}, #{imm|shr}"
    |b, imm, rn, rd| { narrow_scalar(b, imm, [rd, rn], B::v_urshr, B::v_uqxtn) }

    sshll_shift_v "0 q 0 011110 imm:7 10100 1 rn:5 rd:5" "sshll{q|two} {rd|v}.{imm|wide}, {rn|v}.{imm|arr}, #{imm|shl}"
    |b, q, imm, rn, rd| { left_long(b, q, imm, [rd, rn], B::v_sxtl) }

    ushll_shift_v "0 q 1 011110 imm:7 10100 1 rn:5 rd:5" "ushll{q|two} {rd|v}.{imm|wide}, {rn|v}.{imm|arr}, #{imm|shl}"
    |b, q, imm, rn, rd| { left_long(b, q, imm, [rd, rn], B::v_uxtl) }
}

/// The size field that immh stands for; 7, which no instruction has, when it is zero.
fn size(imm: u32) -> u32 {
    (imm >> 3).checked_ilog2().unwrap_or(7)
}

fn vector_shape<T: Build>(b: &mut T, q: u32, imm: u32) -> Result<Shape, T::Stop> {
    vector(b, BHSD, q, size(imm))
}

fn scalar_shape<T: Build>(b: &mut T, imm: u32) -> Result<Shape, T::Stop> {
    scalar(b, BHSD, size(imm))
}

fn narrow_size<T: Build>(b: &mut T, imm: u32) -> Result<u64, T::Stop> {
    Ok(scalar(b, BHS, size(imm))?.e)
}

/// 1 to `e`.
fn right_amount(e: u64, imm: u32) -> u64 {
    2 * e - u64::from(imm)
}

/// 0 to `e - 1`.
fn left_amount(e: u64, imm: u32) -> u64 {
    u64::from(imm) - e
}

fn right<T: Build>(b: &mut T, shape: Shape, imm: u32, [rd, rn]: [u32; 2], op: Unary<T>) -> Done<T> {
    let a = b.v(rn);
    let value = op(b, a, pack(shape.e, right_amount(shape.e, imm)));
    set(b, rd, shape.width, value)
}

fn add_right<T: Build>(b: &mut T, shape: Shape, imm: u32, [rd, rn]: [u32; 2], op: Unary<T>) -> Done<T> {
    let (d, a) = (b.v(rd), b.v(rn));
    let value = op(b, a, pack(shape.e, right_amount(shape.e, imm)));
    let value = b.v_add(d, value, shape.e);
    set(b, rd, shape.width, value)
}

fn left<T: Build>(b: &mut T, shape: Shape, imm: u32, [rd, rn]: [u32; 2]) -> Done<T> {
    let a = b.v(rn);
    let value = b.v_shl(a, pack(shape.e, left_amount(shape.e, imm)));
    set(b, rd, shape.width, value)
}

fn left_sat<T: Build>(b: &mut T, shape: Shape, imm: u32, [rd, rn]: [u32; 2], op: Binary<T>) -> Done<T> {
    let a = get(b, rn, shape.width);
    let amount = u128::from(left_amount(shape.e, imm));
    let amounts = b.vimm((0..128 / shape.e).fold(0, |all, i| all | amount << (shape.e * i)));
    let value = op(b, a, amounts, shape.e);
    set(b, rd, 128, value)
}

/// SQSHLU.
fn left_unsigned<T: Build>(b: &mut T, shape: Shape, imm: u32, [rd, rn]: [u32; 2]) -> Done<T> {
    let a = get(b, rn, shape.width);
    let value = b.v_sqshlu(a, pack(shape.e, left_amount(shape.e, imm)));
    set(b, rd, 128, value)
}

fn insert<T: Build>(
    b: &mut T,
    shape: Shape,
    imm: u32,
    amount: fn(u64, u32) -> u64,
    [rd, rn]: [u32; 2],
    op: Binary<T>,
) -> Done<T> {
    let (d, a) = (b.v(rd), b.v(rn));
    let value = op(b, d, a, pack(shape.e, amount(shape.e, imm)));
    set(b, rd, shape.width, value)
}

/// A right shift of lanes of width `2e`, then a narrowing to `e`.
fn narrowed<T: Build>(b: &mut T, e: u64, imm: u32, a: T::V, shift: Unary<T>, narrow: Unary<T>) -> T::V {
    let shifted = shift(b, a, pack(2 * e, right_amount(e, imm)));
    narrow(b, shifted, e)
}

fn narrow<T: Build>(b: &mut T, q: u32, imm: u32, [rd, rn]: [u32; 2], shift: Unary<T>, narrow: Unary<T>) -> Done<T> {
    let e = narrow_size(b, imm)?;
    let a = b.v(rn);
    let value = narrowed(b, e, imm, a, shift, narrow);
    set_half(b, rd, q, value)
}

fn narrow_scalar<T: Build>(b: &mut T, imm: u32, [rd, rn]: [u32; 2], shift: Unary<T>, narrow: Unary<T>) -> Done<T> {
    let e = narrow_size(b, imm)?;
    let a = get(b, rn, 2 * e);
    let value = narrowed(b, e, imm, a, shift, narrow);
    set(b, rd, e, value)
}

/// A lengthening to lanes of width `2e`, then a left shift.
fn left_long<T: Build>(b: &mut T, q: u32, imm: u32, [rd, rn]: [u32; 2], extend: Unary<T>) -> Done<T> {
    let e = narrow_size(b, imm)?;
    let a = half(b, rn, q);
    let value = extend(b, a, e);
    let value = b.v_shl(value, pack(2 * e, left_amount(e, imm)));
    set(b, rd, 128, value)
}
