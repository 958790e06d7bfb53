//! Scalar integer operations on SIMD registers (C4.1, «Advanced SIMD scalar …»): three same, three different, two
//! registers, pairwise. Those by an element and by an immediate shift are with their vector forms.

use super::Done;
use super::simd::{BHS, BHSD, Binary, HS, Shape, binary, binary_sat, get, scalar, set, unary, unary_sat};
use crate::ir::op::vec::pack;
use crate::ir::{Build, Flow};

const DOUBLEWORD: Shape = Shape { e: 64, width: 64 };

crate::rows! {
    fp;

    sqadd_scalar "01 0 11110 size:2 1 rm:5 00001 1 rn:5 rd:5" "sqadd {size|el}{rd}, {size|el}{rn}, {size|el}{rm}"
    |b, size, rm, rn, rd| { let shape = scalar(b, BHSD, size)?; binary_sat(b, shape, [rd, rn, rm], B::v_sqadd) }

    uqadd_scalar "01 1 11110 size:2 1 rm:5 00001 1 rn:5 rd:5" "uqadd {size|el}{rd}, {size|el}{rn}, {size|el}{rm}"
    |b, size, rm, rn, rd| { let shape = scalar(b, BHSD, size)?; binary_sat(b, shape, [rd, rn, rm], B::v_uqadd) }

    sqsub_scalar "01 0 11110 size:2 1 rm:5 00101 1 rn:5 rd:5" "sqsub {size|el}{rd}, {size|el}{rn}, {size|el}{rm}"
    |b, size, rm, rn, rd| { let shape = scalar(b, BHSD, size)?; binary_sat(b, shape, [rd, rn, rm], B::v_sqsub) }

    uqsub_scalar "01 1 11110 size:2 1 rm:5 00101 1 rn:5 rd:5" "uqsub {size|el}{rd}, {size|el}{rn}, {size|el}{rm}"
    |b, size, rm, rn, rd| { let shape = scalar(b, BHSD, size)?; binary_sat(b, shape, [rd, rn, rm], B::v_uqsub) }

    sqshl_scalar "01 0 11110 size:2 1 rm:5 01001 1 rn:5 rd:5" "sqshl {size|el}{rd}, {size|el}{rn}, {size|el}{rm}"
    |b, size, rm, rn, rd| { let shape = scalar(b, BHSD, size)?; binary_sat(b, shape, [rd, rn, rm], B::v_sqshl) }

    uqshl_scalar "01 1 11110 size:2 1 rm:5 01001 1 rn:5 rd:5" "uqshl {size|el}{rd}, {size|el}{rn}, {size|el}{rm}"
    |b, size, rm, rn, rd| { let shape = scalar(b, BHSD, size)?; binary_sat(b, shape, [rd, rn, rm], B::v_uqshl) }

    sqrshl_scalar "01 0 11110 size:2 1 rm:5 01011 1 rn:5 rd:5" "sqrshl {size|el}{rd}, {size|el}{rn}, {size|el}{rm}"
    |b, size, rm, rn, rd| { let shape = scalar(b, BHSD, size)?; binary_sat(b, shape, [rd, rn, rm], B::v_sqrshl) }

    uqrshl_scalar "01 1 11110 size:2 1 rm:5 01011 1 rn:5 rd:5" "uqrshl {size|el}{rd}, {size|el}{rn}, {size|el}{rm}"
    |b, size, rm, rn, rd| { let shape = scalar(b, BHSD, size)?; binary_sat(b, shape, [rd, rn, rm], B::v_uqrshl) }

    sqdmulh_scalar "01 0 11110 size:2 1 rm:5 10110 1 rn:5 rd:5" "sqdmulh {size|el}{rd}, {size|el}{rn}, {size|el}{rm}"
    |b, size, rm, rn, rd| { let shape = scalar(b, HS, size)?; binary_sat(b, shape, [rd, rn, rm], B::v_sqdmulh) }

    sqrdmulh_scalar "01 1 11110 size:2 1 rm:5 10110 1 rn:5 rd:5" "sqrdmulh {size|el}{rd}, {size|el}{rn}, {size|el}{rm}"
    |b, size, rm, rn, rd| { let shape = scalar(b, HS, size)?; binary_sat(b, shape, [rd, rn, rm], B::v_sqrdmulh) }

    cmgt_scalar "01 0 11110 11 1 rm:5 00110 1 rn:5 rd:5" "cmgt {rd|d}, {rn|d}, {rm|d}"
    |b, rm, rn, rd| { binary(b, DOUBLEWORD, [rd, rn, rm], B::v_cmgt) }

    cmhi_scalar "01 1 11110 11 1 rm:5 00110 1 rn:5 rd:5" "cmhi {rd|d}, {rn|d}, {rm|d}"
    |b, rm, rn, rd| { binary(b, DOUBLEWORD, [rd, rn, rm], B::v_cmhi) }

    cmge_scalar "01 0 11110 11 1 rm:5 00111 1 rn:5 rd:5" "cmge {rd|d}, {rn|d}, {rm|d}"
    |b, rm, rn, rd| { binary(b, DOUBLEWORD, [rd, rn, rm], B::v_cmge) }

    cmhs_scalar "01 1 11110 11 1 rm:5 00111 1 rn:5 rd:5" "cmhs {rd|d}, {rn|d}, {rm|d}"
    |b, rm, rn, rd| { binary(b, DOUBLEWORD, [rd, rn, rm], B::v_cmhs) }

    sshl_scalar "01 0 11110 11 1 rm:5 01000 1 rn:5 rd:5" "sshl {rd|d}, {rn|d}, {rm|d}"
    |b, rm, rn, rd| { binary(b, DOUBLEWORD, [rd, rn, rm], B::v_sshl) }

    ushl_scalar "01 1 11110 11 1 rm:5 01000 1 rn:5 rd:5" "ushl {rd|d}, {rn|d}, {rm|d}"
    |b, rm, rn, rd| { binary(b, DOUBLEWORD, [rd, rn, rm], B::v_ushl) }

    srshl_scalar "01 0 11110 11 1 rm:5 01010 1 rn:5 rd:5" "srshl {rd|d}, {rn|d}, {rm|d}"
    |b, rm, rn, rd| { binary(b, DOUBLEWORD, [rd, rn, rm], B::v_srshl) }

    urshl_scalar "01 1 11110 11 1 rm:5 01010 1 rn:5 rd:5" "urshl {rd|d}, {rn|d}, {rm|d}"
    |b, rm, rn, rd| { binary(b, DOUBLEWORD, [rd, rn, rm], B::v_urshl) }

    add_scalar "01 0 11110 11 1 rm:5 10000 1 rn:5 rd:5" "add {rd|d}, {rn|d}, {rm|d}"
    |b, rm, rn, rd| { binary(b, DOUBLEWORD, [rd, rn, rm], B::v_add) }

    sub_scalar "01 1 11110 11 1 rm:5 10000 1 rn:5 rd:5" "sub {rd|d}, {rn|d}, {rm|d}"
    |b, rm, rn, rd| { binary(b, DOUBLEWORD, [rd, rn, rm], B::v_sub) }

    cmtst_scalar "01 0 11110 11 1 rm:5 10001 1 rn:5 rd:5" "cmtst {rd|d}, {rn|d}, {rm|d}"
    |b, rm, rn, rd| { binary(b, DOUBLEWORD, [rd, rn, rm], B::v_cmtst) }

    cmeq_scalar "01 1 11110 11 1 rm:5 10001 1 rn:5 rd:5" "cmeq {rd|d}, {rn|d}, {rm|d}"
    |b, rm, rn, rd| { binary(b, DOUBLEWORD, [rd, rn, rm], B::v_cmeq) }

    sqrdmlah_scalar "01 1 11110 size:2 0 rm:5 1 0000 1 rn:5 rd:5" "sqrdmlah {size|el}{rd}, {size|el}{rn}, {size|el}{rm}"
    |b, size, rm, rn, rd| {
        let Shape { e, width } = scalar(b, HS, size)?;
        let (d, x, y) = (get(b, rd, width), get(b, rn, width), get(b, rm, width));
        let value = b.v_sqrdmlah(d, x, y, pack(e, 0));
        set(b, rd, width, value)
    }

    sqrdmlsh_scalar "01 1 11110 size:2 0 rm:5 1 0001 1 rn:5 rd:5" "sqrdmlsh {size|el}{rd}, {size|el}{rn}, {size|el}{rm}"
    |b, size, rm, rn, rd| {
        let Shape { e, width } = scalar(b, HS, size)?;
        let (d, x, y) = (get(b, rd, width), get(b, rn, width), get(b, rm, width));
        let value = b.v_sqrdmlah(d, x, y, pack(e, 1));
        set(b, rd, width, value)
    }

    sqdmlal_scalar "01 0 11110 size:2 1 rm:5 1001 00 rn:5 rd:5" "sqdmlal {size|elw}{rd}, {size|el}{rn}, {size|el}{rm}"
    |b, size, rm, rn, rd| { let shape = scalar(b, HS, size)?; product(b, shape.e, [rd, rn, rm], Some(B::v_sqadd)) }

    sqdmlsl_scalar "01 0 11110 size:2 1 rm:5 1011 00 rn:5 rd:5" "sqdmlsl {size|elw}{rd}, {size|el}{rn}, {size|el}{rm}"
    |b, size, rm, rn, rd| { let shape = scalar(b, HS, size)?; product(b, shape.e, [rd, rn, rm], Some(B::v_sqsub)) }

    sqdmull_scalar "01 0 11110 size:2 1 rm:5 1101 00 rn:5 rd:5" "sqdmull {size|elw}{rd}, {size|el}{rn}, {size|el}{rm}"
    |b, size, rm, rn, rd| { let shape = scalar(b, HS, size)?; product(b, shape.e, [rd, rn, rm], None) }

    suqadd_scalar "01 0 11110 size:2 10000 00011 10 rn:5 rd:5" "suqadd {size|el}{rd}, {size|el}{rn}"
    |b, size, rn, rd| { let shape = scalar(b, BHSD, size)?; binary_sat(b, shape, [rd, rd, rn], B::v_suqadd) }

    usqadd_scalar "01 1 11110 size:2 10000 00011 10 rn:5 rd:5" "usqadd {size|el}{rd}, {size|el}{rn}"
    |b, size, rn, rd| { let shape = scalar(b, BHSD, size)?; binary_sat(b, shape, [rd, rd, rn], B::v_usqadd) }

    sqabs_scalar "01 0 11110 size:2 10000 00111 10 rn:5 rd:5" "sqabs {size|el}{rd}, {size|el}{rn}"
    |b, size, rn, rd| { let shape = scalar(b, BHSD, size)?; unary_sat(b, shape, [rd, rn], B::v_sqabs) }

    sqneg_scalar "01 1 11110 size:2 10000 00111 10 rn:5 rd:5" "sqneg {size|el}{rd}, {size|el}{rn}"
    |b, size, rn, rd| { let shape = scalar(b, BHSD, size)?; unary_sat(b, shape, [rd, rn], B::v_sqneg) }

    cmgt_zero_scalar "01 0 11110 11 10000 01000 10 rn:5 rd:5" "cmgt {rd|d}, {rn|d}, #0"
    |b, rn, rd| { compare_zero(b, [rd, rn], B::v_cmgt) }

    cmeq_zero_scalar "01 0 11110 11 10000 01001 10 rn:5 rd:5" "cmeq {rd|d}, {rn|d}, #0"
    |b, rn, rd| { compare_zero(b, [rd, rn], B::v_cmeq) }

    cmlt_zero_scalar "01 0 11110 11 10000 01010 10 rn:5 rd:5" "cmlt {rd|d}, {rn|d}, #0"
    |b, rn, rd| { compare_zero(b, [rd, rn], |b, a, zero, e| b.v_cmgt(zero, a, e)) }

    cmge_zero_scalar "01 1 11110 11 10000 01000 10 rn:5 rd:5" "cmge {rd|d}, {rn|d}, #0"
    |b, rn, rd| { compare_zero(b, [rd, rn], B::v_cmge) }

    cmle_zero_scalar "01 1 11110 11 10000 01001 10 rn:5 rd:5" "cmle {rd|d}, {rn|d}, #0"
    |b, rn, rd| { compare_zero(b, [rd, rn], |b, a, zero, e| b.v_cmge(zero, a, e)) }

    abs_scalar "01 0 11110 11 10000 01011 10 rn:5 rd:5" "abs {rd|d}, {rn|d}"
    |b, rn, rd| { unary(b, DOUBLEWORD, [rd, rn], B::v_abs) }

    neg_scalar "01 1 11110 11 10000 01011 10 rn:5 rd:5" "neg {rd|d}, {rn|d}"
    |b, rn, rd| { unary(b, DOUBLEWORD, [rd, rn], B::v_neg) }

    sqxtun_scalar "01 1 11110 size:2 10000 10010 10 rn:5 rd:5" "sqxtun {size|el}{rd}, {size|elw}{rn}"
    |b, size, rn, rd| {
        let e = scalar(b, BHS, size)?.e; let a = get(b, rn, 2 * e);
        let value = b.v_sqxtun(a, e);
        set(b, rd, e, value)
    }

    sqxtn_scalar "01 0 11110 size:2 10000 10100 10 rn:5 rd:5" "sqxtn {size|el}{rd}, {size|elw}{rn}"
    |b, size, rn, rd| {
        let e = scalar(b, BHS, size)?.e; let a = get(b, rn, 2 * e);
        let value = b.v_sqxtn(a, e);
        set(b, rd, e, value)
    }

    uqxtn_scalar "01 1 11110 size:2 10000 10100 10 rn:5 rd:5" "uqxtn {size|el}{rd}, {size|elw}{rn}"
    |b, size, rn, rd| {
        let e = scalar(b, BHS, size)?.e; let a = get(b, rn, 2 * e);
        let value = b.v_uqxtn(a, e);
        set(b, rd, e, value)
    }

    addp_scalar "01 0 11110 11 11000 11011 10 rn:5 rd:5" "addp {rd|d}, {rn|v}.2d"
    |b, rn, rd| { unary(b, DOUBLEWORD, [rd, rn], B::v_addv) }
}

/// Twice the product, and what is done with it and the register.
fn product<T: Build>(b: &mut T, e: u64, [rd, rn, rm]: [u32; 3], then: Option<Binary<T>>) -> Done<T> {
    let (x, y) = (get(b, rn, e), get(b, rm, e));
    let mut value = b.v_sqdmull(x, y, e);
    if let Some(then) = then {
        let d = get(b, rd, 2 * e);
        value = then(b, d, value, 2 * e);
    }
    b.set_v(rd, value);
    Ok(Flow::Next)
}

fn compare_zero<T: Build>(b: &mut T, [rd, rn]: [u32; 2], op: Binary<T>) -> Done<T> {
    let (a, zero) = (b.v(rn), b.vimm(0));
    let value = op(b, a, zero, 64);
    set(b, rd, 64, value)
}
