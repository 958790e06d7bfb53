//! Vector, three registers of the same type (C4.1, «Advanced SIMD three same» and «three same extra»).

use super::Done;
use super::simd::{BHS, BHSD, Binary, HS, Shape, accumulate, binary, binary_sat, get, set, vector};
use crate::ir::op::vec::pack;
use crate::ir::{Build, Flow};

crate::rows! {
    fp;

    shadd_v "0 q 0 01110 size:2 1 rm:5 00000 1 rn:5 rd:5"
    "shadd {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHS, q, size)?; binary(b, shape, [rd, rn, rm], B::v_shadd) }

    uhadd_v "0 q 1 01110 size:2 1 rm:5 00000 1 rn:5 rd:5"
    "uhadd {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHS, q, size)?; binary(b, shape, [rd, rn, rm], B::v_uhadd) }

    sqadd_v "0 q 0 01110 size:2 1 rm:5 00001 1 rn:5 rd:5"
    "sqadd {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary_sat(b, shape, [rd, rn, rm], B::v_sqadd) }

    uqadd_v "0 q 1 01110 size:2 1 rm:5 00001 1 rn:5 rd:5"
    "uqadd {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary_sat(b, shape, [rd, rn, rm], B::v_uqadd) }

    srhadd_v "0 q 0 01110 size:2 1 rm:5 00010 1 rn:5 rd:5"
    "srhadd {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHS, q, size)?; binary(b, shape, [rd, rn, rm], B::v_srhadd) }

    urhadd_v "0 q 1 01110 size:2 1 rm:5 00010 1 rn:5 rd:5"
    "urhadd {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHS, q, size)?; binary(b, shape, [rd, rn, rm], B::v_urhadd) }

    shsub_v "0 q 0 01110 size:2 1 rm:5 00100 1 rn:5 rd:5"
    "shsub {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHS, q, size)?; binary(b, shape, [rd, rn, rm], B::v_shsub) }

    uhsub_v "0 q 1 01110 size:2 1 rm:5 00100 1 rn:5 rd:5"
    "uhsub {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHS, q, size)?; binary(b, shape, [rd, rn, rm], B::v_uhsub) }

    sqsub_v "0 q 0 01110 size:2 1 rm:5 00101 1 rn:5 rd:5"
    "sqsub {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary_sat(b, shape, [rd, rn, rm], B::v_sqsub) }

    uqsub_v "0 q 1 01110 size:2 1 rm:5 00101 1 rn:5 rd:5"
    "uqsub {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary_sat(b, shape, [rd, rn, rm], B::v_uqsub) }

    cmgt_v "0 q 0 01110 size:2 1 rm:5 00110 1 rn:5 rd:5" "cmgt {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary(b, shape, [rd, rn, rm], B::v_cmgt) }

    cmhi_v "0 q 1 01110 size:2 1 rm:5 00110 1 rn:5 rd:5" "cmhi {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary(b, shape, [rd, rn, rm], B::v_cmhi) }

    cmge_v "0 q 0 01110 size:2 1 rm:5 00111 1 rn:5 rd:5" "cmge {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary(b, shape, [rd, rn, rm], B::v_cmge) }

    cmhs_v "0 q 1 01110 size:2 1 rm:5 00111 1 rn:5 rd:5" "cmhs {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary(b, shape, [rd, rn, rm], B::v_cmhs) }

    sshl_v "0 q 0 01110 size:2 1 rm:5 01000 1 rn:5 rd:5" "sshl {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary(b, shape, [rd, rn, rm], B::v_sshl) }

    ushl_v "0 q 1 01110 size:2 1 rm:5 01000 1 rn:5 rd:5" "ushl {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary(b, shape, [rd, rn, rm], B::v_ushl) }

    sqshl_v "0 q 0 01110 size:2 1 rm:5 01001 1 rn:5 rd:5"
    "sqshl {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary_sat(b, shape, [rd, rn, rm], B::v_sqshl) }

    uqshl_v "0 q 1 01110 size:2 1 rm:5 01001 1 rn:5 rd:5"
    "uqshl {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary_sat(b, shape, [rd, rn, rm], B::v_uqshl) }

    srshl_v "0 q 0 01110 size:2 1 rm:5 01010 1 rn:5 rd:5"
    "srshl {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary(b, shape, [rd, rn, rm], B::v_srshl) }

    urshl_v "0 q 1 01110 size:2 1 rm:5 01010 1 rn:5 rd:5"
    "urshl {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary(b, shape, [rd, rn, rm], B::v_urshl) }

    sqrshl_v "0 q 0 01110 size:2 1 rm:5 01011 1 rn:5 rd:5"
    "sqrshl {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary_sat(b, shape, [rd, rn, rm], B::v_sqrshl) }

    uqrshl_v "0 q 1 01110 size:2 1 rm:5 01011 1 rn:5 rd:5"
    "uqrshl {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary_sat(b, shape, [rd, rn, rm], B::v_uqrshl) }

    smax_v "0 q 0 01110 size:2 1 rm:5 01100 1 rn:5 rd:5" "smax {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHS, q, size)?; binary(b, shape, [rd, rn, rm], B::v_smax) }

    umax_v "0 q 1 01110 size:2 1 rm:5 01100 1 rn:5 rd:5" "umax {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHS, q, size)?; binary(b, shape, [rd, rn, rm], B::v_umax) }

    smin_v "0 q 0 01110 size:2 1 rm:5 01101 1 rn:5 rd:5" "smin {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHS, q, size)?; binary(b, shape, [rd, rn, rm], B::v_smin) }

    umin_v "0 q 1 01110 size:2 1 rm:5 01101 1 rn:5 rd:5" "umin {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHS, q, size)?; binary(b, shape, [rd, rn, rm], B::v_umin) }

    sabd_v "0 q 0 01110 size:2 1 rm:5 01110 1 rn:5 rd:5" "sabd {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHS, q, size)?; binary(b, shape, [rd, rn, rm], B::v_sabd) }

    uabd_v "0 q 1 01110 size:2 1 rm:5 01110 1 rn:5 rd:5" "uabd {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHS, q, size)?; binary(b, shape, [rd, rn, rm], B::v_uabd) }

    saba_v "0 q 0 01110 size:2 1 rm:5 01111 1 rn:5 rd:5" "saba {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| {
        let shape = vector(b, BHS, q, size)?;
        accumulate(b, shape, [rd, rn, rm], B::v_sabd, B::v_add)
    }

    uaba_v "0 q 1 01110 size:2 1 rm:5 01111 1 rn:5 rd:5" "uaba {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| {
        let shape = vector(b, BHS, q, size)?;
        accumulate(b, shape, [rd, rn, rm], B::v_uabd, B::v_add)
    }

    add_v "0 q 0 01110 size:2 1 rm:5 10000 1 rn:5 rd:5" "add {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary(b, shape, [rd, rn, rm], B::v_add) }

    sub_v "0 q 1 01110 size:2 1 rm:5 10000 1 rn:5 rd:5" "sub {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary(b, shape, [rd, rn, rm], B::v_sub) }

    cmtst_v "0 q 0 01110 size:2 1 rm:5 10001 1 rn:5 rd:5"
    "cmtst {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary(b, shape, [rd, rn, rm], B::v_cmtst) }

    cmeq_v "0 q 1 01110 size:2 1 rm:5 10001 1 rn:5 rd:5" "cmeq {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary(b, shape, [rd, rn, rm], B::v_cmeq) }

    mla_v "0 q 0 01110 size:2 1 rm:5 10010 1 rn:5 rd:5" "mla {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| {
        let shape = vector(b, BHS, q, size)?;
        accumulate(b, shape, [rd, rn, rm], B::v_mul, B::v_add)
    }

    mls_v "0 q 1 01110 size:2 1 rm:5 10010 1 rn:5 rd:5" "mls {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| {
        let shape = vector(b, BHS, q, size)?;
        accumulate(b, shape, [rd, rn, rm], B::v_mul, B::v_sub)
    }

    mul_v "0 q 0 01110 size:2 1 rm:5 10011 1 rn:5 rd:5" "mul {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHS, q, size)?; binary(b, shape, [rd, rn, rm], B::v_mul) }

    pmul_v "0 q 1 01110 00 1 rm:5 10011 1 rn:5 rd:5" "pmul {rd|v}.{q|arr}, {rn|v}.{q|arr}, {rm|v}.{q|arr}"
    |b, q, rm, rn, rd| { binary(b, Shape { e: 8, width: 64 << q }, [rd, rn, rm], |b, x, y, _| b.v_pmul(x, y)) }

    smaxp_v "0 q 0 01110 size:2 1 rm:5 10100 1 rn:5 rd:5"
    "smaxp {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHS, q, size)?; pairwise(b, shape, [rd, rn, rm], B::v_smax) }

    umaxp_v "0 q 1 01110 size:2 1 rm:5 10100 1 rn:5 rd:5"
    "umaxp {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHS, q, size)?; pairwise(b, shape, [rd, rn, rm], B::v_umax) }

    sminp_v "0 q 0 01110 size:2 1 rm:5 10101 1 rn:5 rd:5"
    "sminp {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHS, q, size)?; pairwise(b, shape, [rd, rn, rm], B::v_smin) }

    uminp_v "0 q 1 01110 size:2 1 rm:5 10101 1 rn:5 rd:5"
    "uminp {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHS, q, size)?; pairwise(b, shape, [rd, rn, rm], B::v_umin) }

    addp_v "0 q 0 01110 size:2 1 rm:5 10111 1 rn:5 rd:5" "addp {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; pairwise(b, shape, [rd, rn, rm], B::v_add) }

    sqdmulh_v "0 q 0 01110 size:2 1 rm:5 10110 1 rn:5 rd:5"
    "sqdmulh {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, HS, q, size)?; binary_sat(b, shape, [rd, rn, rm], B::v_sqdmulh) }

    sqrdmulh_v "0 q 1 01110 size:2 1 rm:5 10110 1 rn:5 rd:5"
    "sqrdmulh {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, HS, q, size)?; binary_sat(b, shape, [rd, rn, rm], B::v_sqrdmulh) }

    and_v "0 q 0 01110 00 1 rm:5 00011 1 rn:5 rd:5" "and {rd|v}.{q|arr}, {rn|v}.{q|arr}, {rm|v}.{q|arr}"
    |b, q, rm, rn, rd| { bitwise(b, q, [rd, rn, rm], |b, _, x, y| b.v_and(x, y)) }

    bic_v "0 q 0 01110 01 1 rm:5 00011 1 rn:5 rd:5" "bic {rd|v}.{q|arr}, {rn|v}.{q|arr}, {rm|v}.{q|arr}"
    |b, q, rm, rn, rd| { bitwise(b, q, [rd, rn, rm], |b, _, x, y| b.v_bic(x, y)) }

    orr_v "0 q 0 01110 10 1 rm:5 00011 1 rn:5 rd:5" "orr {rd|v}.{q|arr}, {rn|v}.{q|arr}, {rm|v}.{q|arr}"
    |b, q, rm, rn, rd| { bitwise(b, q, [rd, rn, rm], |b, _, x, y| if rn == rm { x } else { b.v_or(x, y) }) }

    eor_v "0 q 1 01110 00 1 rm:5 00011 1 rn:5 rd:5" "eor {rd|v}.{q|arr}, {rn|v}.{q|arr}, {rm|v}.{q|arr}"
    |b, q, rm, rn, rd| { bitwise(b, q, [rd, rn, rm], |b, _, x, y| b.v_xor(x, y)) }

    orn_v "0 q 0 01110 11 1 rm:5 00011 1 rn:5 rd:5" "orn {rd|v}.{q|arr}, {rn|v}.{q|arr}, {rm|v}.{q|arr}"
    |b, q, rm, rn, rd| {
        bitwise(b, q, [rd, rn, rm], |b, _, x, y| {
            let y = b.v_not(y);
            b.v_or(x, y)
        })
    }

    bsl_v "0 q 1 01110 01 1 rm:5 00011 1 rn:5 rd:5" "bsl {rd|v}.{q|arr}, {rn|v}.{q|arr}, {rm|v}.{q|arr}"
    |b, q, rm, rn, rd| { bitwise(b, q, [rd, rn, rm], |b, d, x, y| b.v_select(d, x, y)) }

    bit_v "0 q 1 01110 10 1 rm:5 00011 1 rn:5 rd:5" "bit {rd|v}.{q|arr}, {rn|v}.{q|arr}, {rm|v}.{q|arr}"
    |b, q, rm, rn, rd| { bitwise(b, q, [rd, rn, rm], |b, d, x, y| b.v_select(y, x, d)) }

    bif_v "0 q 1 01110 11 1 rm:5 00011 1 rn:5 rd:5" "bif {rd|v}.{q|arr}, {rn|v}.{q|arr}, {rm|v}.{q|arr}"
    |b, q, rm, rn, rd| { bitwise(b, q, [rd, rn, rm], |b, d, x, y| b.v_select(y, d, x)) }

    sqrdmlah_v "0 q 1 01110 size:2 0 rm:5 1 0000 1 rn:5 rd:5"
    "sqrdmlah {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, HS, q, size)?; rounding_multiply_add(b, shape, [rd, rn, rm], 0) }

    sqrdmlsh_v "0 q 1 01110 size:2 0 rm:5 1 0001 1 rn:5 rd:5"
    "sqrdmlsh {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, HS, q, size)?; rounding_multiply_add(b, shape, [rd, rn, rm], 1) }

    sdot_v "0 q 0 01110 10 0 rm:5 1 0010 1 rn:5 rd:5" "sdot {rd|v}.{q|arr32}, {rn|v}.{q|arr}, {rm|v}.{q|arr}"
    |b, q, rm, rn, rd| { bitwise(b, q, [rd, rn, rm], B::v_sdot) }

    udot_v "0 q 1 01110 10 0 rm:5 1 0010 1 rn:5 rd:5" "udot {rd|v}.{q|arr32}, {rn|v}.{q|arr}, {rm|v}.{q|arr}"
    |b, q, rm, rn, rd| { bitwise(b, q, [rd, rn, rm], B::v_udot) }
}

/// `rd = op(rd, rn, rm)`, whatever the lanes.
fn bitwise<T: Build>(
    b: &mut T,
    q: u32,
    [rd, rn, rm]: [u32; 3],
    op: impl FnOnce(&mut T, T::V, T::V, T::V) -> T::V,
) -> Done<T> {
    let (d, x, y) = (b.v(rd), b.v(rn), b.v(rm));
    let value = op(b, d, x, y);
    set(b, rd, 64 << q, value)
}

/// `op` on neighbouring lanes of `rm:rn`.
fn pairwise<T: Build>(b: &mut T, shape: Shape, [rd, rn, rm]: [u32; 3], op: Binary<T>) -> Done<T> {
    let (mut x, mut y) = (b.v(rn), b.v(rm));
    if shape.width == 64 {
        x = b.v_zip1(x, y, 64);
        y = x;
    }
    let even = b.v_uzp1(x, y, shape.e);
    let odd = b.v_uzp2(x, y, shape.e);
    let value = op(b, even, odd, shape.e);
    set(b, rd, shape.width, value)
}

/// SQRDMLAH, and SQRDMLSH with `subtract` 1.
fn rounding_multiply_add<T: Build>(b: &mut T, shape: Shape, [rd, rn, rm]: [u32; 3], subtract: u64) -> Done<T> {
    let (d, x, y) = (get(b, rd, shape.width), get(b, rn, shape.width), get(b, rm, shape.width));
    let value = b.v_sqrdmlah(d, x, y, pack(shape.e, subtract));
    b.set_v(rd, value);
    Ok(Flow::Next)
}
