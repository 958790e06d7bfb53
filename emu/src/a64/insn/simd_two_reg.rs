//! Vector, two registers (C4.1, «Advanced SIMD two-register miscellaneous»), without floating point.

use super::Done;
use super::simd::{
    BH, BHS, BHSD, Binary, Shape, Unary, binary_sat, half, scalar, set, set_half, unary, unary_sat, vector,
};
use crate::ir::Build;
use crate::ir::op::vec::pack;

crate::rows! {
    fp;

    rev64_v "0 q 0 01110 size:2 10000 00000 10 rn:5 rd:5" "rev64 {rd|v}.{size|arr}, {rn|v}.{size|arr}"
    |b, q, size, rn, rd| {
        let shape = vector(b, BHS, q, size)?;
        unary(b, shape, [rd, rn], |b, a, e| b.v_rev(a, pack(e, 64)))
    }

    rev32_v "0 q 1 01110 size:2 10000 00000 10 rn:5 rd:5" "rev32 {rd|v}.{size|arr}, {rn|v}.{size|arr}"
    |b, q, size, rn, rd| {
        let shape = vector(b, BH, q, size)?;
        unary(b, shape, [rd, rn], |b, a, e| b.v_rev(a, pack(e, 32)))
    }

    rev16_v "0 q 0 01110 00 10000 00001 10 rn:5 rd:5" "rev16 {rd|v}.{q|arr}, {rn|v}.{q|arr}"
    |b, q, rn, rd| { unary(b, bytes(q), [rd, rn], |b, a, e| b.v_rev(a, pack(e, 16))) }

    saddlp_v "0 q 0 01110 size:2 10000 00010 10 rn:5 rd:5" "saddlp {rd|v}.{size|pair}, {rn|v}.{size|arr}"
    |b, q, size, rn, rd| { let shape = vector(b, BHS, q, size)?; unary(b, shape, [rd, rn], B::v_saddlp) }

    sadalp_v "0 q 0 01110 size:2 10000 00110 10 rn:5 rd:5" "sadalp {rd|v}.{size|pair}, {rn|v}.{size|arr}"
    |b, q, size, rn, rd| {
        let shape = vector(b, BHS, q, size)?;
        unary(b, shape, [rd, rn], |b, a, e| {
            let d = b.v(rd);
            let sums = b.v_saddlp(a, e);
            b.v_add(d, sums, 2 * e)
        })
    }

    uaddlp_v "0 q 1 01110 size:2 10000 00010 10 rn:5 rd:5" "uaddlp {rd|v}.{size|pair}, {rn|v}.{size|arr}"
    |b, q, size, rn, rd| { let shape = vector(b, BHS, q, size)?; unary(b, shape, [rd, rn], B::v_uaddlp) }

    uadalp_v "0 q 1 01110 size:2 10000 00110 10 rn:5 rd:5" "uadalp {rd|v}.{size|pair}, {rn|v}.{size|arr}"
    |b, q, size, rn, rd| {
        let shape = vector(b, BHS, q, size)?;
        unary(b, shape, [rd, rn], |b, a, e| {
            let d = b.v(rd);
            let sums = b.v_uaddlp(a, e);
            b.v_add(d, sums, 2 * e)
        })
    }

    suqadd_v "0 q 0 01110 size:2 10000 00011 10 rn:5 rd:5" "suqadd {rd|v}.{size|arr}, {rn|v}.{size|arr}"
    |b, q, size, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary_sat(b, shape, [rd, rd, rn], B::v_suqadd) }

    usqadd_v "0 q 1 01110 size:2 10000 00011 10 rn:5 rd:5" "usqadd {rd|v}.{size|arr}, {rn|v}.{size|arr}"
    |b, q, size, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary_sat(b, shape, [rd, rd, rn], B::v_usqadd) }

    cls_v "0 q 0 01110 size:2 10000 00100 10 rn:5 rd:5" "cls {rd|v}.{size|arr}, {rn|v}.{size|arr}"
    |b, q, size, rn, rd| { let shape = vector(b, BHS, q, size)?; unary(b, shape, [rd, rn], B::v_cls) }

    clz_v "0 q 1 01110 size:2 10000 00100 10 rn:5 rd:5" "clz {rd|v}.{size|arr}, {rn|v}.{size|arr}"
    |b, q, size, rn, rd| { let shape = vector(b, BHS, q, size)?; unary(b, shape, [rd, rn], B::v_clz) }

    cnt_v "0 q 0 01110 00 10000 00101 10 rn:5 rd:5" "cnt {rd|v}.{q|arr}, {rn|v}.{q|arr}"
    |b, q, rn, rd| { unary(b, bytes(q), [rd, rn], |b, a, _| b.v_cnt(a)) }

    not_v "0 q 1 01110 00 10000 00101 10 rn:5 rd:5" "not {rd|v}.{q|arr}, {rn|v}.{q|arr}"
    |b, q, rn, rd| { unary(b, bytes(q), [rd, rn], |b, a, _| b.v_not(a)) }

    rbit_v "0 q 1 01110 01 10000 00101 10 rn:5 rd:5" "rbit {rd|v}.{q|arr}, {rn|v}.{q|arr}"
    |b, q, rn, rd| { unary(b, bytes(q), [rd, rn], |b, a, _| b.v_rbit(a)) }

    sqabs_v "0 q 0 01110 size:2 10000 00111 10 rn:5 rd:5" "sqabs {rd|v}.{size|arr}, {rn|v}.{size|arr}"
    |b, q, size, rn, rd| { let shape = vector(b, BHSD, q, size)?; unary_sat(b, shape, [rd, rn], B::v_sqabs) }

    sqneg_v "0 q 1 01110 size:2 10000 00111 10 rn:5 rd:5" "sqneg {rd|v}.{size|arr}, {rn|v}.{size|arr}"
    |b, q, size, rn, rd| { let shape = vector(b, BHSD, q, size)?; unary_sat(b, shape, [rd, rn], B::v_sqneg) }

    cmgt_zero_v "0 q 0 01110 size:2 10000 01000 10 rn:5 rd:5" "cmgt {rd|v}.{size|arr}, {rn|v}.{size|arr}, #0"
    |b, q, size, rn, rd| { let shape = vector(b, BHSD, q, size)?; compare_zero(b, shape, [rd, rn], B::v_cmgt) }

    cmeq_zero_v "0 q 0 01110 size:2 10000 01001 10 rn:5 rd:5" "cmeq {rd|v}.{size|arr}, {rn|v}.{size|arr}, #0"
    |b, q, size, rn, rd| { let shape = vector(b, BHSD, q, size)?; compare_zero(b, shape, [rd, rn], B::v_cmeq) }

    cmlt_zero_v "0 q 0 01110 size:2 10000 01010 10 rn:5 rd:5" "cmlt {rd|v}.{size|arr}, {rn|v}.{size|arr}, #0"
    |b, q, size, rn, rd| {
        let shape = vector(b, BHSD, q, size)?;
        compare_zero(b, shape, [rd, rn], |b, a, zero, e| b.v_cmgt(zero, a, e))
    }

    cmge_zero_v "0 q 1 01110 size:2 10000 01000 10 rn:5 rd:5" "cmge {rd|v}.{size|arr}, {rn|v}.{size|arr}, #0"
    |b, q, size, rn, rd| { let shape = vector(b, BHSD, q, size)?; compare_zero(b, shape, [rd, rn], B::v_cmge) }

    cmle_zero_v "0 q 1 01110 size:2 10000 01001 10 rn:5 rd:5" "cmle {rd|v}.{size|arr}, {rn|v}.{size|arr}, #0"
    |b, q, size, rn, rd| {
        let shape = vector(b, BHSD, q, size)?;
        compare_zero(b, shape, [rd, rn], |b, a, zero, e| b.v_cmge(zero, a, e))
    }

    abs_v "0 q 0 01110 size:2 10000 01011 10 rn:5 rd:5" "abs {rd|v}.{size|arr}, {rn|v}.{size|arr}"
    |b, q, size, rn, rd| { let shape = vector(b, BHSD, q, size)?; unary(b, shape, [rd, rn], B::v_abs) }

    neg_v "0 q 1 01110 size:2 10000 01011 10 rn:5 rd:5" "neg {rd|v}.{size|arr}, {rn|v}.{size|arr}"
    |b, q, size, rn, rd| { let shape = vector(b, BHSD, q, size)?; unary(b, shape, [rd, rn], B::v_neg) }

    xtn_v "0 q 0 01110 size:2 10000 10010 10 rn:5 rd:5" "xtn{q|two} {rd|v}.{size|arr}, {rn|v}.{size|wide}"
    |b, q, size, rn, rd| { let e = scalar(b, BHS, size)?.e; narrow(b, e, q, [rd, rn], B::v_xtn) }

    sqxtun_v "0 q 1 01110 size:2 10000 10010 10 rn:5 rd:5" "sqxtun{q|two} {rd|v}.{size|arr}, {rn|v}.{size|wide}"
    |b, q, size, rn, rd| { let e = scalar(b, BHS, size)?.e; narrow(b, e, q, [rd, rn], B::v_sqxtun) }

    sqxtn_v "0 q 0 01110 size:2 10000 10100 10 rn:5 rd:5" "sqxtn{q|two} {rd|v}.{size|arr}, {rn|v}.{size|wide}"
    |b, q, size, rn, rd| { let e = scalar(b, BHS, size)?.e; narrow(b, e, q, [rd, rn], B::v_sqxtn) }

    uqxtn_v "0 q 1 01110 size:2 10000 10100 10 rn:5 rd:5" "uqxtn{q|two} {rd|v}.{size|arr}, {rn|v}.{size|wide}"
    |b, q, size, rn, rd| { let e = scalar(b, BHS, size)?.e; narrow(b, e, q, [rd, rn], B::v_uqxtn) }

    shll_v "0 q 1 01110 size:2 10000 10011 10 rn:5 rd:5"
    "shll{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, #{size|bits}"
    |b, q, size, rn, rd| {
        let e = scalar(b, BHS, size)?.e; let a = half(b, rn, q);
        let value = b.v_uxtl(a, e);
        let value = b.v_shl(value, pack(2 * e, e));
        set(b, rd, 128, value)
    }

    urecpe_v "0 q 0 01110 10 10000 11100 10 rn:5 rd:5" "urecpe {rd|v}.{q|arr32}, {rn|v}.{q|arr32}"
    |b, q, rn, rd| { unary(b, bytes(q), [rd, rn], |b, a, _| b.v_urecpe(a)) }

    ursqrte_v "0 q 1 01110 10 10000 11100 10 rn:5 rd:5" "ursqrte {rd|v}.{q|arr32}, {rn|v}.{q|arr32}"
    |b, q, rn, rd| { unary(b, bytes(q), [rd, rn], |b, a, _| b.v_ursqrte(a)) }
}

/// The shape of an operation that has but one size.
fn bytes(q: u32) -> Shape {
    Shape { e: 8, width: 64 << q }
}

fn compare_zero<T: Build>(b: &mut T, shape: Shape, [rd, rn]: [u32; 2], op: Binary<T>) -> Done<T> {
    let (a, zero) = (b.v(rn), b.vimm(0));
    let value = op(b, a, zero, shape.e);
    set(b, rd, shape.width, value)
}

fn narrow<T: Build>(b: &mut T, e: u64, q: u32, [rd, rn]: [u32; 2], op: Unary<T>) -> Done<T> {
    let a = b.v(rn);
    let value = op(b, a, e);
    set_half(b, rd, q, value)
}
