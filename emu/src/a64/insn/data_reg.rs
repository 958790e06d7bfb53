//! Data processing, register (DDI 0487, C4.1.95), with CRC32 and FlagM; no pointer authentication.

use crate::ir::{Build, Cond, Flow};

crate::rows! {
    and_reg "sf 00 01010 shift:2 0 rm:5 imm6:6 rn:5 rd:5" "and {rd|r}, {rn|r}, {rm|r}, {shift|shift} #{imm6}"
    |b, sf, shift, rm, imm6, rn, rd| {
        let m = shifted(b, sf, shift, rm, imm6)?;
        let n = b.x(rn);
        let result = if sf == 1 { b.and64(n, m) } else { b.and32(n, m) };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    bic_reg "sf 00 01010 shift:2 1 rm:5 imm6:6 rn:5 rd:5" "bic {rd|r}, {rn|r}, {rm|r}, {shift|shift} #{imm6}"
    |b, sf, shift, rm, imm6, rn, rd| {
        let m = shifted(b, sf, shift, rm, imm6)?;
        let n = b.x(rn);
        let result = if sf == 1 { b.bic64(n, m) } else { b.bic32(n, m) };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    orr_reg "sf 01 01010 shift:2 0 rm:5 imm6:6 rn:5 rd:5" "orr {rd|r}, {rn|r}, {rm|r}, {shift|shift} #{imm6}"
    |b, sf, shift, rm, imm6, rn, rd| {
        let m = shifted(b, sf, shift, rm, imm6)?;
        let result = match (sf, rn) {
            (1, 31) => m,
            (_, 31) => b.zext32(m),
            _ => {
                let n = b.x(rn);
                if sf == 1 { b.or64(n, m) } else { b.or32(n, m) }
            }
        };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    orn_reg "sf 01 01010 shift:2 1 rm:5 imm6:6 rn:5 rd:5" "orn {rd|r}, {rn|r}, {rm|r}, {shift|shift} #{imm6}"
    |b, sf, shift, rm, imm6, rn, rd| {
        let m = shifted(b, sf, shift, rm, imm6)?;
        let m = not(b, sf, m);
        let result = if rn == 31 {
            m
        } else {
            let n = b.x(rn);
            if sf == 1 { b.or64(n, m) } else { b.or32(n, m) }
        };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    eor_reg "sf 10 01010 shift:2 0 rm:5 imm6:6 rn:5 rd:5" "eor {rd|r}, {rn|r}, {rm|r}, {shift|shift} #{imm6}"
    |b, sf, shift, rm, imm6, rn, rd| {
        let m = shifted(b, sf, shift, rm, imm6)?;
        let n = b.x(rn);
        let result = if sf == 1 { b.xor64(n, m) } else { b.xor32(n, m) };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    eon_reg "sf 10 01010 shift:2 1 rm:5 imm6:6 rn:5 rd:5" "eon {rd|r}, {rn|r}, {rm|r}, {shift|shift} #{imm6}"
    |b, sf, shift, rm, imm6, rn, rd| {
        let m = shifted(b, sf, shift, rm, imm6)?;
        let n = b.x(rn);
        let result = if sf == 1 { b.xor64(n, m) } else { b.xor32(n, m) };
        let result = not(b, sf, result);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    ands_reg "sf 11 01010 shift:2 0 rm:5 imm6:6 rn:5 rd:5" "ands {rd|r}, {rn|r}, {rm|r}, {shift|shift} #{imm6}"
    |b, sf, shift, rm, imm6, rn, rd| {
        let m = shifted(b, sf, shift, rm, imm6)?;
        let n = b.x(rn);
        let result = b.ands(sf == 1, n, m);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    bics_reg "sf 11 01010 shift:2 1 rm:5 imm6:6 rn:5 rd:5" "bics {rd|r}, {rn|r}, {rm|r}, {shift|shift} #{imm6}"
    |b, sf, shift, rm, imm6, rn, rd| {
        let m = shifted(b, sf, shift, rm, imm6)?;
        let n = b.x(rn);
        let result = b.bics(sf == 1, n, m);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    add_reg "sf 00 01011 shift:2 0 rm:5 imm6:6 rn:5 rd:5" "add {rd|r}, {rn|r}, {rm|r}, {shift|shift} #{imm6}"
    |b, sf, shift, rm, imm6, rn, rd| {
        if shift == ROR { return b.undefined(); }
        let m = shifted(b, sf, shift, rm, imm6)?;
        let n = b.x(rn);
        let result = if sf == 1 { b.add64(n, m) } else { b.add32(n, m) };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    adds_reg "sf 01 01011 shift:2 0 rm:5 imm6:6 rn:5 rd:5" "adds {rd|r}, {rn|r}, {rm|r}, {shift|shift} #{imm6}"
    |b, sf, shift, rm, imm6, rn, rd| {
        if shift == ROR { return b.undefined(); }
        let m = shifted(b, sf, shift, rm, imm6)?;
        let n = b.x(rn);
        let result = b.adds(sf == 1, n, m);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    sub_reg "sf 10 01011 shift:2 0 rm:5 imm6:6 rn:5 rd:5" "sub {rd|r}, {rn|r}, {rm|r}, {shift|shift} #{imm6}"
    |b, sf, shift, rm, imm6, rn, rd| {
        if shift == ROR { return b.undefined(); }
        let m = shifted(b, sf, shift, rm, imm6)?;
        let n = b.x(rn);
        let result = if sf == 1 { b.sub64(n, m) } else { b.sub32(n, m) };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    subs_reg "sf 11 01011 shift:2 0 rm:5 imm6:6 rn:5 rd:5" "subs {rd|r}, {rn|r}, {rm|r}, {shift|shift} #{imm6}"
    |b, sf, shift, rm, imm6, rn, rd| {
        if shift == ROR { return b.undefined(); }
        let m = shifted(b, sf, shift, rm, imm6)?;
        let n = b.x(rn);
        let result = b.subs(sf == 1, n, m);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    add_ext "sf 00 01011 00 1 rm:5 option:3 imm3:3 rn:5 rd:5"
        "add {rd|rsp}, {rn|rsp}, {rm|rext}, {option|extend} #{imm3}"
    |b, sf, rm, option, imm3, rn, rd| {
        if imm3 > 4 { return b.undefined(); }
        let m = extended(b, sf, option, rm, imm3);
        let n = b.xsp(rn);
        let result = if sf == 1 { b.add64(n, m) } else { b.add32(n, m) };
        b.set_xsp(rd, result);
        Ok(Flow::Next)
    }

    adds_ext "sf 01 01011 00 1 rm:5 option:3 imm3:3 rn:5 rd:5"
        "adds {rd|r}, {rn|rsp}, {rm|rext}, {option|extend} #{imm3}"
    |b, sf, rm, option, imm3, rn, rd| {
        if imm3 > 4 { return b.undefined(); }
        let m = extended(b, sf, option, rm, imm3);
        let n = b.xsp(rn);
        let result = b.adds(sf == 1, n, m);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    sub_ext "sf 10 01011 00 1 rm:5 option:3 imm3:3 rn:5 rd:5"
        "sub {rd|rsp}, {rn|rsp}, {rm|rext}, {option|extend} #{imm3}"
    |b, sf, rm, option, imm3, rn, rd| {
        if imm3 > 4 { return b.undefined(); }
        let m = extended(b, sf, option, rm, imm3);
        let n = b.xsp(rn);
        let result = if sf == 1 { b.sub64(n, m) } else { b.sub32(n, m) };
        b.set_xsp(rd, result);
        Ok(Flow::Next)
    }

    subs_ext "sf 11 01011 00 1 rm:5 option:3 imm3:3 rn:5 rd:5"
        "subs {rd|r}, {rn|rsp}, {rm|rext}, {option|extend} #{imm3}"
    |b, sf, rm, option, imm3, rn, rd| {
        if imm3 > 4 { return b.undefined(); }
        let m = extended(b, sf, option, rm, imm3);
        let n = b.xsp(rn);
        let result = b.subs(sf == 1, n, m);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    adc "sf 00 11010000 rm:5 000000 rn:5 rd:5" "adc {rd|r}, {rn|r}, {rm|r}"
    |b, sf, rm, rn, rd| {
        let (n, m, c) = (b.x(rn), b.x(rm), b.carry());
        let result = if sf == 1 { b.adc64(n, m, c) } else { b.adc32(n, m, c) };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    adcs "sf 01 11010000 rm:5 000000 rn:5 rd:5" "adcs {rd|r}, {rn|r}, {rm|r}"
    |b, sf, rm, rn, rd| {
        let (n, m) = (b.x(rn), b.x(rm));
        let result = b.adcs(sf == 1, n, m);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    sbc "sf 10 11010000 rm:5 000000 rn:5 rd:5" "sbc {rd|r}, {rn|r}, {rm|r}"
    |b, sf, rm, rn, rd| {
        let (n, m) = (b.x(rn), b.x(rm));
        let (m, c) = (not(b, sf, m), b.carry());
        let result = if sf == 1 { b.adc64(n, m, c) } else { b.adc32(n, m, c) };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    sbcs "sf 11 11010000 rm:5 000000 rn:5 rd:5" "sbcs {rd|r}, {rn|r}, {rm|r}"
    |b, sf, rm, rn, rd| {
        let (n, m) = (b.x(rn), b.x(rm));
        let result = b.sbcs(sf == 1, n, m);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    rmif "101 11010000 imm6:6 00001 rn:5 0 mask:4" "rmif {rn|x}, #{imm6}, #{mask}"
    |b, imm6, rn, mask| {
        let n = b.x(rn);
        let by = b.imm(u64::from(imm6));
        let rotated = b.ror64(n, by);
        let (old, keep, take) = (b.nzcv(), b.imm(u64::from(!mask & 15)), b.imm(u64::from(mask)));
        let (old, new) = (b.and32(old, keep), b.and32(rotated, take));
        let nzcv = b.or32(old, new);
        b.set_nzcv(nzcv);
        Ok(Flow::Next)
    }

    setf8 "001 11010000 000000 00010 rn:5 01101" "setf8 {rn|w}"
    |b, rn| {
        set_flags_of_narrow(b, rn, 8);
        Ok(Flow::Next)
    }

    setf16 "001 11010000 000000 10010 rn:5 01101" "setf16 {rn|w}"
    |b, rn| {
        set_flags_of_narrow(b, rn, 16);
        Ok(Flow::Next)
    }

    ccmn_reg "sf 01 11010010 rm:5 cond:4 00 rn:5 0 nzcv:4" "ccmn {rn|r}, {rm|r}, #{nzcv}, {cond|cond}"
    |b, sf, rm, cond, rn, nzcv| {
        let (n, m) = (b.x(rn), b.x(rm));
        b.ccmp(sf == 1, true, n, m, Cond(cond as u8), nzcv);
        Ok(Flow::Next)
    }

    ccmp_reg "sf 11 11010010 rm:5 cond:4 00 rn:5 0 nzcv:4" "ccmp {rn|r}, {rm|r}, #{nzcv}, {cond|cond}"
    |b, sf, rm, cond, rn, nzcv| {
        let (n, m) = (b.x(rn), b.x(rm));
        b.ccmp(sf == 1, false, n, m, Cond(cond as u8), nzcv);
        Ok(Flow::Next)
    }

    ccmn_imm "sf 01 11010010 imm5:5 cond:4 10 rn:5 0 nzcv:4" "ccmn {rn|r}, #{imm5}, #{nzcv}, {cond|cond}"
    |b, sf, imm5, cond, rn, nzcv| {
        let (n, m) = (b.x(rn), b.imm(u64::from(imm5)));
        b.ccmp(sf == 1, true, n, m, Cond(cond as u8), nzcv);
        Ok(Flow::Next)
    }

    ccmp_imm "sf 11 11010010 imm5:5 cond:4 10 rn:5 0 nzcv:4" "ccmp {rn|r}, #{imm5}, #{nzcv}, {cond|cond}"
    |b, sf, imm5, cond, rn, nzcv| {
        let (n, m) = (b.x(rn), b.imm(u64::from(imm5)));
        b.ccmp(sf == 1, false, n, m, Cond(cond as u8), nzcv);
        Ok(Flow::Next)
    }

    csel "sf 00 11010100 rm:5 cond:4 00 rn:5 rd:5" "csel {rd|r}, {rn|r}, {rm|r}, {cond|cond}"
    |b, sf, rm, cond, rn, rd| {
        let (n, m) = (b.x(rn), b.x(rm));
        let result = choose(b, sf, cond, n, m);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    csinc "sf 00 11010100 rm:5 cond:4 01 rn:5 rd:5" "csinc {rd|r}, {rn|r}, {rm|r}, {cond|cond}"
    |b, sf, rm, cond, rn, rd| {
        let result = if rn == 31 && rm == 31 && !Cond(cond as u8).always() {
            b.cond(Cond(cond as u8 ^ 1))
        } else {
            let (n, m, one) = (b.x(rn), b.x(rm), b.imm(1));
            let m = if sf == 1 { b.add64(m, one) } else { b.add32(m, one) };
            choose(b, sf, cond, n, m)
        };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    csinv "sf 10 11010100 rm:5 cond:4 00 rn:5 rd:5" "csinv {rd|r}, {rn|r}, {rm|r}, {cond|cond}"
    |b, sf, rm, cond, rn, rd| {
        let result = if rn == 31 && rm == 31 && !Cond(cond as u8).always() {
            let (zero, holds) = (b.imm(0), b.cond(Cond(cond as u8 ^ 1)));
            if sf == 1 { b.sub64(zero, holds) } else { b.sub32(zero, holds) }
        } else {
            let (n, m) = (b.x(rn), b.x(rm));
            let m = not(b, sf, m);
            choose(b, sf, cond, n, m)
        };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    csneg "sf 10 11010100 rm:5 cond:4 01 rn:5 rd:5" "csneg {rd|r}, {rn|r}, {rm|r}, {cond|cond}"
    |b, sf, rm, cond, rn, rd| {
        let (n, m, zero) = (b.x(rn), b.x(rm), b.imm(0));
        let m = if sf == 1 { b.sub64(zero, m) } else { b.sub32(zero, m) };
        let result = choose(b, sf, cond, n, m);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    madd "sf 00 11011000 rm:5 0 ra:5 rn:5 rd:5" "madd {rd|r}, {rn|r}, {rm|r}, {ra|r}"
    |b, sf, rm, ra, rn, rd| {
        let (n, m) = (b.x(rn), b.x(rm));
        let product = if sf == 1 { b.mul64(n, m) } else { b.mul32(n, m) };
        let result = if ra == 31 {
            product
        } else {
            let a = b.x(ra);
            if sf == 1 { b.add64(a, product) } else { b.add32(a, product) }
        };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    msub "sf 00 11011000 rm:5 1 ra:5 rn:5 rd:5" "msub {rd|r}, {rn|r}, {rm|r}, {ra|r}"
    |b, sf, rm, ra, rn, rd| {
        let (n, m, a) = (b.x(rn), b.x(rm), b.x(ra));
        let product = if sf == 1 { b.mul64(n, m) } else { b.mul32(n, m) };
        let result = if sf == 1 { b.sub64(a, product) } else { b.sub32(a, product) };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    smaddl "100 11011001 rm:5 0 ra:5 rn:5 rd:5" "smaddl {rd|x}, {rn|w}, {rm|w}, {ra|x}"
    |b, rm, ra, rn, rd| {
        let product = long_product(b, true, rn, rm);
        let a = b.x(ra);
        let result = if ra == 31 { product } else { b.add64(a, product) };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    smsubl "100 11011001 rm:5 1 ra:5 rn:5 rd:5" "smsubl {rd|x}, {rn|w}, {rm|w}, {ra|x}"
    |b, rm, ra, rn, rd| {
        let (product, a) = (long_product(b, true, rn, rm), b.x(ra));
        let result = b.sub64(a, product);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    umaddl "100 11011101 rm:5 0 ra:5 rn:5 rd:5" "umaddl {rd|x}, {rn|w}, {rm|w}, {ra|x}"
    |b, rm, ra, rn, rd| {
        let product = long_product(b, false, rn, rm);
        let a = b.x(ra);
        let result = if ra == 31 { product } else { b.add64(a, product) };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    umsubl "100 11011101 rm:5 1 ra:5 rn:5 rd:5" "umsubl {rd|x}, {rn|w}, {rm|w}, {ra|x}"
    |b, rm, ra, rn, rd| {
        let (product, a) = (long_product(b, false, rn, rm), b.x(ra));
        let result = b.sub64(a, product);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    smulh "100 11011010 rm:5 0 11111 rn:5 rd:5" "smulh {rd|x}, {rn|x}, {rm|x}"
    |b, rm, rn, rd| {
        let (n, m) = (b.x(rn), b.x(rm));
        let result = b.smulh64(n, m);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    umulh "100 11011110 rm:5 0 11111 rn:5 rd:5" "umulh {rd|x}, {rn|x}, {rm|x}"
    |b, rm, rn, rd| {
        let (n, m) = (b.x(rn), b.x(rm));
        let result = b.umulh64(n, m);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    udiv "sf 00 11010110 rm:5 000010 rn:5 rd:5" "udiv {rd|r}, {rn|r}, {rm|r}"
    |b, sf, rm, rn, rd| {
        let (n, m) = (b.x(rn), b.x(rm));
        let result = if sf == 1 { b.udiv64(n, m) } else { b.udiv32(n, m) };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    sdiv "sf 00 11010110 rm:5 000011 rn:5 rd:5" "sdiv {rd|r}, {rn|r}, {rm|r}"
    |b, sf, rm, rn, rd| {
        let (n, m) = (b.x(rn), b.x(rm));
        let result = if sf == 1 { b.sdiv64(n, m) } else { b.sdiv32(n, m) };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    lslv "sf 00 11010110 rm:5 001000 rn:5 rd:5" "lslv {rd|r}, {rn|r}, {rm|r}"
    |b, sf, rm, rn, rd| {
        let (n, m) = (b.x(rn), b.x(rm));
        let result = if sf == 1 { b.shl64(n, m) } else { b.shl32(n, m) };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    lsrv "sf 00 11010110 rm:5 001001 rn:5 rd:5" "lsrv {rd|r}, {rn|r}, {rm|r}"
    |b, sf, rm, rn, rd| {
        let (n, m) = (b.x(rn), b.x(rm));
        let result = if sf == 1 { b.shr64(n, m) } else { b.shr32(n, m) };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    asrv "sf 00 11010110 rm:5 001010 rn:5 rd:5" "asrv {rd|r}, {rn|r}, {rm|r}"
    |b, sf, rm, rn, rd| {
        let (n, m) = (b.x(rn), b.x(rm));
        let result = if sf == 1 { b.sar64(n, m) } else { b.sar32(n, m) };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    rorv "sf 00 11010110 rm:5 001011 rn:5 rd:5" "rorv {rd|r}, {rn|r}, {rm|r}"
    |b, sf, rm, rn, rd| {
        let (n, m) = (b.x(rn), b.x(rm));
        let result = if sf == 1 { b.ror64(n, m) } else { b.ror32(n, m) };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    crc32 "sf 00 11010110 rm:5 0100 sz:2 rn:5 rd:5" "crc32{sz|bhwx} {rd|w}, {rn|w}, {rm|r}"
    |b, sf, rm, sz, rn, rd| {
        if (sf == 1) != (sz == 3) { return b.undefined(); }
        let (n, m) = (b.x(rn), b.x(rm));
        let result = b.crc32(n, m, 1 << sz);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    crc32c "sf 00 11010110 rm:5 0101 sz:2 rn:5 rd:5" "crc32c{sz|bhwx} {rd|w}, {rn|w}, {rm|r}"
    |b, sf, rm, sz, rn, rd| {
        if (sf == 1) != (sz == 3) { return b.undefined(); }
        let (n, m) = (b.x(rn), b.x(rm));
        let result = b.crc32c(n, m, 1 << sz);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    rbit "sf 10 11010110 00000 000000 rn:5 rd:5" "rbit {rd|r}, {rn|r}"
    |b, sf, rn, rd| {
        let n = b.x(rn);
        let result = if sf == 1 { b.rbit64(n) } else { b.rbit32(n) };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    rev16 "sf 10 11010110 00000 000001 rn:5 rd:5" "rev16 {rd|r}, {rn|r}"
    |b, sf, rn, rd| {
        let n = b.x(rn);
        let result = b.rev16(n);
        let result = if sf == 1 { result } else { b.zext32(result) };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    rev_w "0 10 11010110 00000 000010 rn:5 rd:5" "rev {rd|w}, {rn|w}"
    |b, rn, rd| {
        let n = b.x(rn);
        let result = b.bswap32(n);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    rev32 "1 10 11010110 00000 000010 rn:5 rd:5" "rev32 {rd|x}, {rn|x}"
    |b, rn, rd| {
        let (n, half) = (b.x(rn), b.imm(32));
        let swapped = b.bswap64(n);
        let result = b.ror64(swapped, half);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    rev_x "1 10 11010110 00000 000011 rn:5 rd:5" "rev {rd|x}, {rn|x}"
    |b, rn, rd| {
        let n = b.x(rn);
        let result = b.bswap64(n);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    clz "sf 10 11010110 00000 000100 rn:5 rd:5" "clz {rd|r}, {rn|r}"
    |b, sf, rn, rd| {
        let n = b.x(rn);
        let result = if sf == 1 { b.clz64(n) } else { b.clz32(n) };
        b.set_x(rd, result);
        Ok(Flow::Next)
    }

    cls "sf 10 11010110 00000 000101 rn:5 rd:5" "cls {rd|r}, {rn|r}"
    |b, sf, rn, rd| {
        // A bit of `n ^ n >> 1` is set where a bit differs from the one above it; the top one never is.
        let (n, one) = (b.x(rn), b.imm(1));
        let result = if sf == 1 {
            let above = b.sar64(n, one);
            let differ = b.xor64(n, above);
            b.clz64(differ)
        } else {
            let above = b.sar32(n, one);
            let differ = b.xor32(n, above);
            b.clz32(differ)
        };
        let result = b.sub32(result, one);
        b.set_x(rd, result);
        Ok(Flow::Next)
    }
}

/// The shift type that additions and subtractions do not have.
const ROR: u32 = 3;

/// Xm shifted by a constant (ShiftReg). The upper half of a W register is arbitrary unless shifted.
fn shifted<B: Build>(b: &mut B, sf: u32, shift: u32, rm: u32, by: u32) -> Result<B::I, B::Stop> {
    if sf == 0 && by > 31 {
        return b.undefined();
    }
    let m = b.x(rm);
    if by == 0 {
        return Ok(m);
    }
    let by = b.imm(u64::from(by));
    Ok(match (shift, sf) {
        (0, 1) => b.shl64(m, by),
        (0, _) => b.shl32(m, by),
        (1, 1) => b.shr64(m, by),
        (1, _) => b.shr32(m, by),
        (2, 1) => b.sar64(m, by),
        (2, _) => b.sar32(m, by),
        (_, 1) => b.ror64(m, by),
        _ => b.ror32(m, by),
    })
}

/// Xm extended, then shifted left (ExtendReg). With `sf` 0 the upper half is arbitrary.
pub(super) fn extended<B: Build>(b: &mut B, sf: u32, option: u32, rm: u32, by: u32) -> B::I {
    let m = b.x(rm);
    let m = match option {
        0 => b.zext8(m),
        1 => b.zext16(m),
        2 if sf == 1 => b.zext32(m),
        4 => b.sext8(m),
        5 => b.sext16(m),
        6 if sf == 1 => b.sext32(m),
        _ => m,
    };
    if by == 0 {
        return m;
    }
    let by = b.imm(u64::from(by));
    if sf == 1 { b.shl64(m, by) } else { b.shl32(m, by) }
}

fn not<B: Build>(b: &mut B, sf: u32, a: B::I) -> B::I {
    if sf == 1 { b.not64(a) } else { b.not32(a) }
}

/// `n` when the condition holds, else `m`.
fn choose<B: Build>(b: &mut B, sf: u32, cond: u32, n: B::I, m: B::I) -> B::I {
    let cond = Cond(cond as u8);
    let chosen = if cond.always() {
        n
    } else {
        let holds = b.cond(cond);
        b.select(holds, n, m)
    };
    if sf == 1 { chosen } else { b.zext32(chosen) }
}

fn long_product<B: Build>(b: &mut B, signed: bool, rn: u32, rm: u32) -> B::I {
    let (n, m) = (b.x(rn), b.x(rm));
    let (n, m) = if signed { (b.sext32(n), b.sext32(m)) } else { (b.zext32(n), b.zext32(m)) };
    b.mul64(n, m)
}

/// SETF8 and SETF16: N and Z of the low bits, V where the bit above them differs from their top bit; C stays.
fn set_flags_of_narrow<B: Build>(b: &mut B, rn: u32, bits: u64) {
    let n = b.x(rn);
    let low = if bits == 8 { b.zext8(n) } else { b.zext16(n) };
    let (negative, zero, above) = (b.bit(n, bits - 1), b.is_zero32(low), b.bit(n, bits));
    let overflow = b.xor32(negative, above);
    let (one, two, three, c) = (b.imm(1), b.imm(2), b.imm(3), b.carry());
    let (negative, zero, c) = (b.shl32(negative, three), b.shl32(zero, two), b.shl32(c, one));
    let high = b.or32(negative, zero);
    let low = b.or32(c, overflow);
    let nzcv = b.or32(high, low);
    b.set_nzcv(nzcv);
}
