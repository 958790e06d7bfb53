//! Vector, across lanes (C4.1, «Advanced SIMD across lanes»), without floating point.

use super::Done;
use super::simd::{Unary, get, set};
use crate::ir::Build;

crate::rows! {
    fp;

    saddlv "0 q 0 01110 size:2 11000 00011 10 rn:5 rd:5" "saddlv {size|elw}{rd}, {rn|v}.{size|arr}"
    |b, q, size, rn, rd| {
        let e = lanes(b, q, size)?;
        let a = get(b, rn, 64 << q);
        let sums = b.v_saddlp(a, e);
        let value = b.v_addv(sums, 2 * e);
        set(b, rd, 128, value)
    }

    smaxv "0 q 0 01110 size:2 11000 01010 10 rn:5 rd:5" "smaxv {size|el}{rd}, {rn|v}.{size|arr}"
    |b, q, size, rn, rd| { let e = lanes(b, q, size)?; extreme(b, e, q, [rd, rn], B::v_smaxv) }

    sminv "0 q 0 01110 size:2 11000 11010 10 rn:5 rd:5" "sminv {size|el}{rd}, {rn|v}.{size|arr}"
    |b, q, size, rn, rd| { let e = lanes(b, q, size)?; extreme(b, e, q, [rd, rn], B::v_sminv) }

    uaddlv "0 q 1 01110 size:2 11000 00011 10 rn:5 rd:5" "uaddlv {size|elw}{rd}, {rn|v}.{size|arr}"
    |b, q, size, rn, rd| {
        let e = lanes(b, q, size)?;
        let a = get(b, rn, 64 << q);
        let sums = b.v_uaddlp(a, e);
        let value = b.v_addv(sums, 2 * e);
        set(b, rd, 128, value)
    }

    umaxv "0 q 1 01110 size:2 11000 01010 10 rn:5 rd:5" "umaxv {size|el}{rd}, {rn|v}.{size|arr}"
    |b, q, size, rn, rd| { let e = lanes(b, q, size)?; extreme(b, e, q, [rd, rn], B::v_umaxv) }

    uminv "0 q 1 01110 size:2 11000 11010 10 rn:5 rd:5" "uminv {size|el}{rd}, {rn|v}.{size|arr}"
    |b, q, size, rn, rd| { let e = lanes(b, q, size)?; extreme(b, e, q, [rd, rn], B::v_uminv) }

    addv "0 q 0 01110 size:2 11000 11011 10 rn:5 rd:5" "addv {size|el}{rd}, {rn|v}.{size|arr}"
    |b, q, size, rn, rd| {
        let e = lanes(b, q, size)?;
        let a = get(b, rn, 64 << q);
        let value = b.v_addv(a, e);
        set(b, rd, 128, value)
    }
}

/// The width of a lane: at least four of them.
fn lanes<T: Build>(b: &mut T, q: u32, size: u32) -> Result<u64, T::Stop> {
    if size == 3 || (size == 2 && q == 0) { b.undefined() } else { Ok(8 << size) }
}

/// Half a vector counts twice, which changes no extreme.
fn extreme<T: Build>(b: &mut T, e: u64, q: u32, [rd, rn]: [u32; 2], op: Unary<T>) -> Done<T> {
    let a = b.v(rn);
    let a = if q == 0 { b.v_zip1(a, a, 64) } else { a };
    let value = op(b, a, e);
    set(b, rd, 128, value)
}
