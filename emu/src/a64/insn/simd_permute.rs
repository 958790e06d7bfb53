//! Vector permutes (C4.1, «Advanced SIMD permute», «extract» and «table lookup»).

use super::Done;
use super::simd::{BHSD, Binary, Shape, binary, set, vector};
use crate::ir::Build;

crate::rows! {
    fp;

    uzp1_v "0 q 0 01110 size:2 0 rm:5 0 001 10 rn:5 rd:5" "uzp1 {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; unzip(b, shape, [rd, rn, rm], B::v_uzp1) }

    trn1_v "0 q 0 01110 size:2 0 rm:5 0 010 10 rn:5 rd:5" "trn1 {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary(b, shape, [rd, rn, rm], B::v_trn1) }

    zip1_v "0 q 0 01110 size:2 0 rm:5 0 011 10 rn:5 rd:5" "zip1 {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary(b, shape, [rd, rn, rm], B::v_zip1) }

    uzp2_v "0 q 0 01110 size:2 0 rm:5 0 101 10 rn:5 rd:5" "uzp2 {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; unzip(b, shape, [rd, rn, rm], B::v_uzp2) }

    trn2_v "0 q 0 01110 size:2 0 rm:5 0 110 10 rn:5 rd:5" "trn2 {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; binary(b, shape, [rd, rn, rm], B::v_trn2) }

    zip2_v "0 q 0 01110 size:2 0 rm:5 0 111 10 rn:5 rd:5" "zip2 {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}"
    |b, q, size, rm, rn, rd| { let shape = vector(b, BHSD, q, size)?; zip_high(b, shape, [rd, rn, rm]) }

    ext_v "0 q 1 01110 000 rm:5 0 imm4:4 0 rn:5 rd:5" "ext {rd|v}.{q|arr}, {rn|v}.{q|arr}, {rm|v}.{q|arr}, #{imm4}"
    |b, q, rm, imm4, rn, rd| {
        if q == 0 && imm4 >= 8 {
            return b.undefined();
        }
        let (mut x, mut y) = (b.v(rn), b.v(rm));
        if q == 0 {
            x = b.v_zip1(x, y, 64);
            y = x;
        }
        let value = b.v_ext(x, y, u64::from(imm4));
        set(b, rd, 64 << q, value)
    }

    tbl_v "0 q 0 01110 000 rm:5 0 len:2 0 00 rn:5 rd:5" "tbl {rd|v}.{q|arr}, {rn|table}, {rm|v}.{q|arr}"
    |b, q, rm, len, rn, rd| { table(b, q, [rd, rn, rm], len, false) }

    tbx_v "0 q 0 01110 000 rm:5 0 len:2 1 00 rn:5 rd:5" "tbx {rd|v}.{q|arr}, {rn|table}, {rm|v}.{q|arr}"
    |b, q, rm, len, rn, rd| { table(b, q, [rd, rn, rm], len, true) }
}

/// ZIP2: of 64-bit vectors, the high half of what ZIP1 of whole ones gives.
fn zip_high<T: Build>(b: &mut T, shape: Shape, [rd, rn, rm]: [u32; 3]) -> Done<T> {
    let (x, y) = (b.v(rn), b.v(rm));
    let value = if shape.width == 64 {
        let both = b.v_zip1(x, y, shape.e);
        b.v_upper(both)
    } else {
        b.v_zip2(x, y, shape.e)
    };
    set(b, rd, 128, value)
}

fn unzip<T: Build>(b: &mut T, shape: Shape, [rd, rn, rm]: [u32; 3], op: Binary<T>) -> Done<T> {
    let (mut x, mut y) = (b.v(rn), b.v(rm));
    if shape.width == 64 {
        x = b.v_zip1(x, y, 64);
        y = x;
    }
    let value = op(b, x, y, shape.e);
    set(b, rd, shape.width, value)
}

/// TBL, and TBX with `keep`, register by register of the table.
fn table<T: Build>(b: &mut T, q: u32, [rd, rn, rm]: [u32; 3], len: u32, keep: bool) -> Done<T> {
    let index = b.v(rm);
    let mut value = None;
    for i in 0..=len {
        let part = b.v((rn + i) % 32);
        let base = u64::from(16 * i);
        value = Some(match value {
            None if keep => {
                let d = b.v(rd);
                b.v_tbx(d, part, index, base)
            }
            None => b.v_tbl(part, index, base),
            Some(before) => b.v_tbx(before, part, index, base),
        });
    }
    match value {
        Some(value) => set(b, rd, 64 << q, value),
        None => b.undefined(),
    }
}
