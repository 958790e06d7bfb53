//! Vector and scalar by an indexed element (C4.1, «Advanced SIMD vector x indexed element» and the scalar class).

use super::Done;
use super::simd::{Binary, get, half, set};
use crate::ir::op::vec::pack;
use crate::ir::{Build, Flow};

crate::rows! {
    fp;

    smlal_element "0 q 0 01111 size:2 l m rm:4 0010 h 0 rn:5 rd:5"
    "smlal{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {size|element}"
    |b, q, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        long(b, q, size, [rd, rn], y, B::v_smull, Some(B::v_add))
    }

    smlsl_element "0 q 0 01111 size:2 l m rm:4 0110 h 0 rn:5 rd:5"
    "smlsl{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {size|element}"
    |b, q, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        long(b, q, size, [rd, rn], y, B::v_smull, Some(B::v_sub))
    }

    smull_element "0 q 0 01111 size:2 l m rm:4 1010 h 0 rn:5 rd:5"
    "smull{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {size|element}"
    |b, q, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        long(b, q, size, [rd, rn], y, B::v_smull, None)
    }

    umlal_element "0 q 1 01111 size:2 l m rm:4 0010 h 0 rn:5 rd:5"
    "umlal{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {size|element}"
    |b, q, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        long(b, q, size, [rd, rn], y, B::v_umull, Some(B::v_add))
    }

    umlsl_element "0 q 1 01111 size:2 l m rm:4 0110 h 0 rn:5 rd:5"
    "umlsl{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {size|element}"
    |b, q, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        long(b, q, size, [rd, rn], y, B::v_umull, Some(B::v_sub))
    }

    umull_element "0 q 1 01111 size:2 l m rm:4 1010 h 0 rn:5 rd:5"
    "umull{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {size|element}"
    |b, q, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        long(b, q, size, [rd, rn], y, B::v_umull, None)
    }

    sqdmlal_element "0 q 0 01111 size:2 l m rm:4 0011 h 0 rn:5 rd:5"
    "sqdmlal{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {size|element}"
    |b, q, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        long(b, q, size, [rd, rn], y, B::v_sqdmull, Some(B::v_sqadd))
    }

    sqdmlsl_element "0 q 0 01111 size:2 l m rm:4 0111 h 0 rn:5 rd:5"
    "sqdmlsl{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {size|element}"
    |b, q, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        long(b, q, size, [rd, rn], y, B::v_sqdmull, Some(B::v_sqsub))
    }

    sqdmull_element "0 q 0 01111 size:2 l m rm:4 1011 h 0 rn:5 rd:5"
    "sqdmull{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {size|element}"
    |b, q, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        long(b, q, size, [rd, rn], y, B::v_sqdmull, None)
    }

    mul_element "0 q 0 01111 size:2 l m rm:4 1000 h 0 rn:5 rd:5"
    "mul {rd|v}.{size|arr}, {rn|v}.{size|arr}, {size|element}"
    |b, q, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        same(b, q, size, [rd, rn], y, B::v_mul, None)
    }

    mla_element "0 q 1 01111 size:2 l m rm:4 0000 h 0 rn:5 rd:5"
    "mla {rd|v}.{size|arr}, {rn|v}.{size|arr}, {size|element}"
    |b, q, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        same(b, q, size, [rd, rn], y, B::v_mul, Some(B::v_add))
    }

    mls_element "0 q 1 01111 size:2 l m rm:4 0100 h 0 rn:5 rd:5"
    "mls {rd|v}.{size|arr}, {rn|v}.{size|arr}, {size|element}"
    |b, q, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        same(b, q, size, [rd, rn], y, B::v_mul, Some(B::v_sub))
    }

    sqdmulh_element "0 q 0 01111 size:2 l m rm:4 1100 h 0 rn:5 rd:5"
    "sqdmulh {rd|v}.{size|arr}, {rn|v}.{size|arr}, {size|element}"
    |b, q, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        let (e, width) = (8 << size, 64 << q);
        let x = get(b, rn, width);
        let value = b.v_sqdmulh(x, y, e);
        set(b, rd, width, value)
    }

    sqrdmulh_element "0 q 0 01111 size:2 l m rm:4 1101 h 0 rn:5 rd:5"
    "sqrdmulh {rd|v}.{size|arr}, {rn|v}.{size|arr}, {size|element}"
    |b, q, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        let (e, width) = (8 << size, 64 << q);
        let x = get(b, rn, width);
        let value = b.v_sqrdmulh(x, y, e);
        set(b, rd, width, value)
    }

    sqrdmlah_element "0 q 1 01111 size:2 l m rm:4 1101 h 0 rn:5 rd:5"
    "sqrdmlah {rd|v}.{size|arr}, {rn|v}.{size|arr}, {size|element}"
    |b, q, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        rounding_multiply_add(b, 8 << size, 64 << q, [rd, rn], y, 0)
    }

    sqrdmlsh_element "0 q 1 01111 size:2 l m rm:4 1111 h 0 rn:5 rd:5"
    "sqrdmlsh {rd|v}.{size|arr}, {rn|v}.{size|arr}, {size|element}"
    |b, q, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        rounding_multiply_add(b, 8 << size, 64 << q, [rd, rn], y, 1)
    }

    sdot_element "0 q 0 01111 10 l m rm:4 1110 h 0 rn:5 rd:5" "sdot {rd|v}.{q|arr32}, {rn|v}.{q|arr}, {q|element}"
    |b, q, l, m, rm, h, rn, rd| {
        let y = element(b, 2, [h, l, m, rm])?;
        let (d, x) = (b.v(rd), b.v(rn));
        let value = b.v_sdot(d, x, y);
        set(b, rd, 64 << q, value)
    }

    udot_element "0 q 1 01111 10 l m rm:4 1110 h 0 rn:5 rd:5" "udot {rd|v}.{q|arr32}, {rn|v}.{q|arr}, {q|element}"
    |b, q, l, m, rm, h, rn, rd| {
        let y = element(b, 2, [h, l, m, rm])?;
        let (d, x) = (b.v(rd), b.v(rn));
        let value = b.v_udot(d, x, y);
        set(b, rd, 64 << q, value)
    }

    sqdmlal_scalar_element "01 0 11111 size:2 l m rm:4 0011 h 0 rn:5 rd:5"
    "sqdmlal {size|elw}{rd}, {size|el}{rn}, {size|element}"
    |b, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        scalar_long(b, 8 << size, [rd, rn], y, Some(B::v_sqadd))
    }

    sqdmlsl_scalar_element "01 0 11111 size:2 l m rm:4 0111 h 0 rn:5 rd:5"
    "sqdmlsl {size|elw}{rd}, {size|el}{rn}, {size|element}"
    |b, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        scalar_long(b, 8 << size, [rd, rn], y, Some(B::v_sqsub))
    }

    sqdmull_scalar_element "01 0 11111 size:2 l m rm:4 1011 h 0 rn:5 rd:5"
    "sqdmull {size|elw}{rd}, {size|el}{rn}, {size|element}"
    |b, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        scalar_long(b, 8 << size, [rd, rn], y, None)
    }

    sqdmulh_scalar_element "01 0 11111 size:2 l m rm:4 1100 h 0 rn:5 rd:5"
    "sqdmulh {size|el}{rd}, {size|el}{rn}, {size|element}"
    |b, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        let x = get(b, rn, 8 << size);
        let value = b.v_sqdmulh(x, y, 8 << size);
        set(b, rd, 8 << size, value)
    }

    sqrdmulh_scalar_element "01 0 11111 size:2 l m rm:4 1101 h 0 rn:5 rd:5"
    "sqrdmulh {size|el}{rd}, {size|el}{rn}, {size|element}"
    |b, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        let x = get(b, rn, 8 << size);
        let value = b.v_sqrdmulh(x, y, 8 << size);
        set(b, rd, 8 << size, value)
    }

    sqrdmlah_scalar_element "01 1 11111 size:2 l m rm:4 1101 h 0 rn:5 rd:5"
    "sqrdmlah {size|el}{rd}, {size|el}{rn}, {size|element}"
    |b, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        rounding_multiply_add(b, 8 << size, 8 << size, [rd, rn], y, 0)
    }

    sqrdmlsh_scalar_element "01 1 11111 size:2 l m rm:4 1111 h 0 rn:5 rd:5"
    "sqrdmlsh {size|el}{rd}, {size|el}{rn}, {size|element}"
    |b, size, l, m, rm, h, rn, rd| {
        let y = element(b, size, [h, l, m, rm])?;
        rounding_multiply_add(b, 8 << size, 8 << size, [rd, rn], y, 1)
    }
}

/// The element that H:L:M:Rm names, in every lane.
fn element<T: Build>(b: &mut T, size: u32, [h, l, m, rm]: [u32; 4]) -> Result<T::V, T::Stop> {
    let (r, n) = match size {
        1 => (rm, h << 2 | l << 1 | m),
        2 => (m << 4 | rm, h << 1 | l),
        _ => return b.undefined(),
    };
    let value = b.v(r);
    Ok(b.v_dup_lane(value, pack(8 << size, u64::from(n))))
}

fn same<T: Build>(
    b: &mut T,
    q: u32,
    size: u32,
    [rd, rn]: [u32; 2],
    y: T::V,
    op: Binary<T>,
    then: Option<Binary<T>>,
) -> Done<T> {
    let x = b.v(rn);
    let mut value = op(b, x, y, 8 << size);
    if let Some(then) = then {
        let d = b.v(rd);
        value = then(b, d, value, 8 << size);
    }
    set(b, rd, 64 << q, value)
}

fn long<T: Build>(
    b: &mut T,
    q: u32,
    size: u32,
    [rd, rn]: [u32; 2],
    y: T::V,
    multiply: Binary<T>,
    then: Option<Binary<T>>,
) -> Done<T> {
    let x = half(b, rn, q);
    let mut value = multiply(b, x, y, 8 << size);
    if let Some(then) = then {
        let d = b.v(rd);
        value = then(b, d, value, 16 << size);
    }
    b.set_v(rd, value);
    Ok(Flow::Next)
}

fn scalar_long<T: Build>(b: &mut T, e: u64, [rd, rn]: [u32; 2], y: T::V, then: Option<Binary<T>>) -> Done<T> {
    let x = get(b, rn, e);
    let mut value = b.v_sqdmull(x, y, e);
    if let Some(then) = then {
        let d = get(b, rd, 2 * e);
        value = then(b, d, value, 2 * e);
    }
    b.set_v(rd, value);
    Ok(Flow::Next)
}

fn rounding_multiply_add<T: Build>(
    b: &mut T,
    e: u64,
    width: u64,
    [rd, rn]: [u32; 2],
    y: T::V,
    subtract: u64,
) -> Done<T> {
    let (d, x) = (get(b, rd, width), get(b, rn, width));
    let value = b.v_sqrdmlah(d, x, y, pack(e, subtract));
    b.set_v(rd, value);
    Ok(Flow::Next)
}
