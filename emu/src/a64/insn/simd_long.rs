//! Vector, three registers of different widths (C4.1, «Advanced SIMD three different»): long, wide and narrowing.
//! PMULL of doublewords is with the cryptographic instructions.

use super::Done;
use super::simd::{BHS, Binary, HS, Sizes, Unary, half, scalar, set_half};
use crate::ir::op::vec::pack;
use crate::ir::{Build, Flow};

crate::rows! {
    fp;

    saddl_v "0 q 0 01110 size:2 1 rm:5 0000 00 rn:5 rd:5"
    "saddl{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| {
        let e = narrow_size(b, BHS, size)?;
        extended(b, e, q, [rd, rn, rm], B::v_sxtl, B::v_add)
    }

    saddw_v "0 q 0 01110 size:2 1 rm:5 0001 00 rn:5 rd:5"
    "saddw{q|two} {rd|v}.{size|wide}, {rn|v}.{size|wide}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let e = narrow_size(b, BHS, size)?; wide(b, e, q, [rd, rn, rm], B::v_sxtl, B::v_add) }

    ssubl_v "0 q 0 01110 size:2 1 rm:5 0010 00 rn:5 rd:5"
    "ssubl{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| {
        let e = narrow_size(b, BHS, size)?;
        extended(b, e, q, [rd, rn, rm], B::v_sxtl, B::v_sub)
    }

    ssubw_v "0 q 0 01110 size:2 1 rm:5 0011 00 rn:5 rd:5"
    "ssubw{q|two} {rd|v}.{size|wide}, {rn|v}.{size|wide}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let e = narrow_size(b, BHS, size)?; wide(b, e, q, [rd, rn, rm], B::v_sxtl, B::v_sub) }

    addhn_v "0 q 0 01110 size:2 1 rm:5 0100 00 rn:5 rd:5"
    "addhn{q|two} {rd|v}.{size|arr}, {rn|v}.{size|wide}, {rm|v}.{size|wide}"
    |b, q, size, rm, rn, rd| {
        let e = narrow_size(b, BHS, size)?;
        high_half(b, e, q, [rd, rn, rm], B::v_add, B::v_ushr)
    }

    subhn_v "0 q 0 01110 size:2 1 rm:5 0110 00 rn:5 rd:5"
    "subhn{q|two} {rd|v}.{size|arr}, {rn|v}.{size|wide}, {rm|v}.{size|wide}"
    |b, q, size, rm, rn, rd| {
        let e = narrow_size(b, BHS, size)?;
        high_half(b, e, q, [rd, rn, rm], B::v_sub, B::v_ushr)
    }

    sabal_v "0 q 0 01110 size:2 1 rm:5 0101 00 rn:5 rd:5"
    "sabal{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| {
        let e = narrow_size(b, BHS, size)?;
        extended(b, e, q, [rd, rn, rm], B::v_sxtl, |b, x, y, e| {
            let (d, difference) = (b.v(rd), b.v_sabd(x, y, e));
            b.v_add(d, difference, e)
        })
    }

    sabdl_v "0 q 0 01110 size:2 1 rm:5 0111 00 rn:5 rd:5"
    "sabdl{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| {
        let e = narrow_size(b, BHS, size)?;
        extended(b, e, q, [rd, rn, rm], B::v_sxtl, B::v_sabd)
    }

    smlal_v "0 q 0 01110 size:2 1 rm:5 1000 00 rn:5 rd:5"
    "smlal{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| {
        let e = narrow_size(b, BHS, size)?;
        product(b, e, q, [rd, rn, rm], B::v_smull, Some(B::v_add))
    }

    smlsl_v "0 q 0 01110 size:2 1 rm:5 1010 00 rn:5 rd:5"
    "smlsl{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| {
        let e = narrow_size(b, BHS, size)?;
        product(b, e, q, [rd, rn, rm], B::v_smull, Some(B::v_sub))
    }

    smull_v "0 q 0 01110 size:2 1 rm:5 1100 00 rn:5 rd:5"
    "smull{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let e = narrow_size(b, BHS, size)?; product(b, e, q, [rd, rn, rm], B::v_smull, None) }

    uaddl_v "0 q 1 01110 size:2 1 rm:5 0000 00 rn:5 rd:5"
    "uaddl{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| {
        let e = narrow_size(b, BHS, size)?;
        extended(b, e, q, [rd, rn, rm], B::v_uxtl, B::v_add)
    }

    uaddw_v "0 q 1 01110 size:2 1 rm:5 0001 00 rn:5 rd:5"
    "uaddw{q|two} {rd|v}.{size|wide}, {rn|v}.{size|wide}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let e = narrow_size(b, BHS, size)?; wide(b, e, q, [rd, rn, rm], B::v_uxtl, B::v_add) }

    usubl_v "0 q 1 01110 size:2 1 rm:5 0010 00 rn:5 rd:5"
    "usubl{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| {
        let e = narrow_size(b, BHS, size)?;
        extended(b, e, q, [rd, rn, rm], B::v_uxtl, B::v_sub)
    }

    usubw_v "0 q 1 01110 size:2 1 rm:5 0011 00 rn:5 rd:5"
    "usubw{q|two} {rd|v}.{size|wide}, {rn|v}.{size|wide}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let e = narrow_size(b, BHS, size)?; wide(b, e, q, [rd, rn, rm], B::v_uxtl, B::v_sub) }

    raddhn_v "0 q 1 01110 size:2 1 rm:5 0100 00 rn:5 rd:5"
    "raddhn{q|two} {rd|v}.{size|arr}, {rn|v}.{size|wide}, {rm|v}.{size|wide}"
    |b, q, size, rm, rn, rd| {
        let e = narrow_size(b, BHS, size)?;
        high_half(b, e, q, [rd, rn, rm], B::v_add, B::v_urshr)
    }

    rsubhn_v "0 q 1 01110 size:2 1 rm:5 0110 00 rn:5 rd:5"
    "rsubhn{q|two} {rd|v}.{size|arr}, {rn|v}.{size|wide}, {rm|v}.{size|wide}"
    |b, q, size, rm, rn, rd| {
        let e = narrow_size(b, BHS, size)?;
        high_half(b, e, q, [rd, rn, rm], B::v_sub, B::v_urshr)
    }

    uabal_v "0 q 1 01110 size:2 1 rm:5 0101 00 rn:5 rd:5"
    "uabal{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| {
        let e = narrow_size(b, BHS, size)?;
        extended(b, e, q, [rd, rn, rm], B::v_uxtl, |b, x, y, e| {
            let (d, difference) = (b.v(rd), b.v_uabd(x, y, e));
            b.v_add(d, difference, e)
        })
    }

    uabdl_v "0 q 1 01110 size:2 1 rm:5 0111 00 rn:5 rd:5"
    "uabdl{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| {
        let e = narrow_size(b, BHS, size)?;
        extended(b, e, q, [rd, rn, rm], B::v_uxtl, B::v_uabd)
    }

    umlal_v "0 q 1 01110 size:2 1 rm:5 1000 00 rn:5 rd:5"
    "umlal{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| {
        let e = narrow_size(b, BHS, size)?;
        product(b, e, q, [rd, rn, rm], B::v_umull, Some(B::v_add))
    }

    umlsl_v "0 q 1 01110 size:2 1 rm:5 1010 00 rn:5 rd:5"
    "umlsl{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| {
        let e = narrow_size(b, BHS, size)?;
        product(b, e, q, [rd, rn, rm], B::v_umull, Some(B::v_sub))
    }

    umull_v "0 q 1 01110 size:2 1 rm:5 1100 00 rn:5 rd:5"
    "umull{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let e = narrow_size(b, BHS, size)?; product(b, e, q, [rd, rn, rm], B::v_umull, None) }

    sqdmlal_v "0 q 0 01110 size:2 1 rm:5 1001 00 rn:5 rd:5"
    "sqdmlal{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| {
        let e = narrow_size(b, HS, size)?;
        product(b, e, q, [rd, rn, rm], B::v_sqdmull, Some(B::v_sqadd))
    }

    sqdmlsl_v "0 q 0 01110 size:2 1 rm:5 1011 00 rn:5 rd:5"
    "sqdmlsl{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| {
        let e = narrow_size(b, HS, size)?;
        product(b, e, q, [rd, rn, rm], B::v_sqdmull, Some(B::v_sqsub))
    }

    sqdmull_v "0 q 0 01110 size:2 1 rm:5 1101 00 rn:5 rd:5"
    "sqdmull{q|two} {rd|v}.{size|wide}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let e = narrow_size(b, HS, size)?; product(b, e, q, [rd, rn, rm], B::v_sqdmull, None) }

    pmull_v "0 q 0 01110 00 1 rm:5 1110 00 rn:5 rd:5" "pmull{q|two} {rd|v}.8h, {rn|v}.{q|arr}, {rm|v}.{q|arr}"
    |b, q, rm, rn, rd| { product(b, 8, q, [rd, rn, rm], |b, x, y, _| b.v_pmull(x, y), None) }
}

/// The narrower width.
fn narrow_size<T: Build>(b: &mut T, sizes: Sizes, size: u32) -> Result<u64, T::Stop> {
    Ok(scalar(b, sizes, size)?.e)
}

/// `op` on both halves extended.
fn extended<T: Build>(
    b: &mut T,
    e: u64,
    q: u32,
    [rd, rn, rm]: [u32; 3],
    extend: Unary<T>,
    op: impl FnOnce(&mut T, T::V, T::V, u64) -> T::V,
) -> Done<T> {
    let (x, y) = (half(b, rn, q), half(b, rm, q));
    let (x, y) = (extend(b, x, e), extend(b, y, e));
    let value = op(b, x, y, 2 * e);
    b.set_v(rd, value);
    Ok(Flow::Next)
}

/// `op` on a whole register and an extended half.
fn wide<T: Build>(b: &mut T, e: u64, q: u32, [rd, rn, rm]: [u32; 3], extend: Unary<T>, op: Binary<T>) -> Done<T> {
    let (x, y) = (b.v(rn), half(b, rm, q));
    let y = extend(b, y, e);
    let value = op(b, x, y, 2 * e);
    b.set_v(rd, value);
    Ok(Flow::Next)
}

/// The high halves of the lanes of `op`.
fn high_half<T: Build>(b: &mut T, e: u64, q: u32, [rd, rn, rm]: [u32; 3], op: Binary<T>, shift: Unary<T>) -> Done<T> {
    let (x, y) = (b.v(rn), b.v(rm));
    let value = op(b, x, y, 2 * e);
    let value = shift(b, value, pack(2 * e, e));
    let value = b.v_xtn(value, e);
    set_half(b, rd, q, value)
}

/// A long product of two halves, and what is done with it and the register.
fn product<T: Build>(
    b: &mut T,
    e: u64,
    q: u32,
    [rd, rn, rm]: [u32; 3],
    multiply: Binary<T>,
    then: Option<Binary<T>>,
) -> Done<T> {
    let (x, y) = (half(b, rn, q), half(b, rm, q));
    let mut value = multiply(b, x, y, e);
    if let Some(then) = then {
        let d = b.v(rd);
        value = then(b, d, value, 2 * e);
    }
    b.set_v(rd, value);
    Ok(Flow::Next)
}
