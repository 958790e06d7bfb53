//! Data processing, immediate (C4.1.86).

use crate::ir::Flow;

crate::rows! {
    add_imm "sf 0 0 100010 sh imm12:12 rn:5 rd:5" "add {rd|rsp}, {rn|rsp}, #{imm12}, lsl #{sh}"
    |b, sf, sh, imm12, rn, rd| {
        let imm = b.imm(u64::from(imm12) << (12 * sh));
        let a = b.xsp(rn);
        let sum = if sf == 1 { b.add64(a, imm) } else { b.add32(a, imm) };
        b.set_xsp(rd, sum);
        Ok(Flow::Next)
    }

    subs_imm "sf 1 1 100010 sh imm12:12 rn:5 rd:5" "subs {rd|r}, {rn|rsp}, #{imm12}, lsl #{sh}"
    |b, sf, sh, imm12, rn, rd| {
        let imm = b.imm(u64::from(imm12) << (12 * sh));
        let a = b.xsp(rn);
        let difference = b.subs(sf == 1, a, imm);
        b.set_x(rd, difference);
        Ok(Flow::Next)
    }
}
