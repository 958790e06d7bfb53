//! Vector copies (C4.1, «Advanced SIMD copy» and «scalar copy»): DUP, INS, SMOV, UMOV.
//!
//! The lowest bit set in imm5 gives the element's size, the bits above it the element's number.

use super::simd::set;
use crate::ir::op::vec::pack;
use crate::ir::{Build, Flow};

crate::rows! {
    fp;

    dup_element_v "0 q 0 01110000 imm5:5 0 0000 1 rn:5 rd:5" "dup {rd|v}.{imm5|arr}, {rn|v}.{imm5|el}[{imm5|lane}]"
    |b, q, imm5, rn, rd| {
        let Element { e, n } = element(b, imm5)?;
        if e == 64 && q == 0 {
            return b.undefined();
        }
        let a = b.v(rn);
        let value = b.v_dup_lane(a, pack(e, n));
        set(b, rd, 64 << q, value)
    }

    dup_scalar "01 0 11110000 imm5:5 0 0000 1 rn:5 rd:5" "mov {imm5|el}{rd}, {rn|v}.{imm5|el}[{imm5|lane}]"
    |b, imm5, rn, rd| {
        let Element { e, n } = element(b, imm5)?;
        let a = b.v(rn);
        let value = b.v_dup_lane(a, pack(e, n));
        set(b, rd, e, value)
    }

    dup_general_v "0 q 0 01110000 imm5:5 0 0001 1 rn:5 rd:5" "dup {rd|v}.{imm5|arr}, {rn|gp5}"
    |b, q, imm5, rn, rd| {
        let Element { e, .. } = element(b, imm5)?;
        if e == 64 && q == 0 {
            return b.undefined();
        }
        let a = b.x(rn);
        let value = b.v_dup(a, e);
        set(b, rd, 64 << q, value)
    }

    smov "0 q 0 01110000 imm5:5 0 0101 1 rn:5 rd:5" "smov {rd|gp}, {rn|v}.{imm5|el}[{imm5|lane}]"
    |b, q, imm5, rn, rd| {
        let Element { e, n } = element(b, imm5)?;
        let a = b.v(rn);
        let value = b.v_extract(a, pack(e, n));
        let value = match (e, q) {
            (8, _) => b.sext8(value),
            (16, _) => b.sext16(value),
            (32, 1) => b.sext32(value),
            _ => return b.undefined(),
        };
        let value = if q == 0 { b.zext32(value) } else { value };
        b.set_x(rd, value);
        Ok(Flow::Next)
    }

    umov "0 q 0 01110000 imm5:5 0 0111 1 rn:5 rd:5" "umov {rd|gp}, {rn|v}.{imm5|el}[{imm5|lane}]"
    |b, q, imm5, rn, rd| {
        let Element { e, n } = element(b, imm5)?;
        if (e == 64) != (q == 1) {
            return b.undefined();
        }
        let a = b.v(rn);
        let value = b.v_extract(a, pack(e, n));
        b.set_x(rd, value);
        Ok(Flow::Next)
    }

    ins_general "0 1 0 01110000 imm5:5 0 0011 1 rn:5 rd:5" "mov {rd|v}.{imm5|el}[{imm5|lane}], {rn|gp5}"
    |b, imm5, rn, rd| {
        let Element { e, n } = element(b, imm5)?;
        let (d, a) = (b.v(rd), b.x(rn));
        let value = b.v_insert(d, a, pack(e, n));
        b.set_v(rd, value);
        Ok(Flow::Next)
    }

    ins_element "0 1 1 01110000 imm5:5 0 imm4:4 1 rn:5 rd:5"
    "mov {rd|v}.{imm5|el}[{imm5|lane}], {rn|v}.{imm5|el}[{imm4|lane}]"
    |b, imm5, imm4, rn, rd| {
        let Element { e, n } = element(b, imm5)?;
        let (d, a) = (b.v(rd), b.v(rn));
        let part = b.v_extract(a, pack(e, u64::from(imm4) / (e / 8)));
        let value = b.v_insert(d, part, pack(e, n));
        b.set_v(rd, value);
        Ok(Flow::Next)
    }
}

struct Element {
    e: u64,
    n: u64,
}

fn element<T: Build>(b: &mut T, imm5: u32) -> Result<Element, T::Stop> {
    let size = imm5.trailing_zeros();
    if size > 3 {
        return b.undefined();
    }
    Ok(Element { e: 8 << size, n: u64::from(imm5 >> (size + 1)) })
}
