//! Branches and exception generation (DDI 0487, C4.1.92 and C4.1.93); no pointer authentication, no debug state.
//!
//! DCPS and DRPS are unallocated outside debug state, and UDF always is: none of them has a row.

use super::data_imm::signed;
use crate::ir::{Build, Cond, Exception, Flow, Indirect};
use crate::state::El;

crate::rows! {
    branch "0 00101 imm26:26" "b {imm26|pc}"
    |b, imm26| {
        Ok(Flow::Jump(target(b, imm26, 26)))
    }

    bl "1 00101 imm26:26" "bl {imm26|pc}"
    |b, imm26| {
        link(b);
        Ok(Flow::Call(target(b, imm26, 26)))
    }

    b_cond "0101010 0 imm19:19 0 cond:4" "b.{cond|cond} {imm19|pc}"
    |b, imm19, cond| {
        let (target, cond) = (target(b, imm19, 19), Cond(cond as u8));
        if cond.always() { return Ok(Flow::Jump(target)); }
        Ok(Flow::If { cond: b.cond(cond), target })
    }

    cbz "sf 011010 0 imm19:19 rt:5" "cbz {rt|r}, {imm19|pc}"
    |b, sf, imm19, rt| {
        let t = b.x(rt);
        let cond = if sf == 1 { b.is_zero64(t) } else { b.is_zero32(t) };
        Ok(Flow::If { cond, target: target(b, imm19, 19) })
    }

    cbnz "sf 011010 1 imm19:19 rt:5" "cbnz {rt|r}, {imm19|pc}"
    |b, sf, imm19, rt| {
        let t = b.x(rt);
        let cond = if sf == 1 { b.not_zero64(t) } else { b.not_zero32(t) };
        Ok(Flow::If { cond, target: target(b, imm19, 19) })
    }

    tbz "b5 011011 0 b40:5 imm14:14 rt:5" "tbz {rt|x}, #{b5:b40}, {imm14|pc}"
    |b, b5, b40, imm14, rt| {
        let t = b.x(rt);
        Ok(Flow::If { cond: b.bit_clear(t, u64::from(b5 << 5 | b40)), target: target(b, imm14, 14) })
    }

    tbnz "b5 011011 1 b40:5 imm14:14 rt:5" "tbnz {rt|x}, #{b5:b40}, {imm14|pc}"
    |b, b5, b40, imm14, rt| {
        let t = b.x(rt);
        Ok(Flow::If { cond: b.bit(t, u64::from(b5 << 5 | b40)), target: target(b, imm14, 14) })
    }

    br "1101011 0000 11111 000000 rn:5 00000" "br {rn|x}"
    |b, rn| {
        Ok(Flow::Indirect { target: b.x(rn), kind: Indirect::Jump })
    }

    blr "1101011 0001 11111 000000 rn:5 00000" "blr {rn|x}"
    |b, rn| {
        let target = b.x(rn);
        link(b);
        Ok(Flow::Indirect { target, kind: Indirect::Call })
    }

    ret "1101011 0010 11111 000000 rn:5 00000" "ret {rn|x}"
    |b, rn| {
        Ok(Flow::Indirect { target: b.x(rn), kind: Indirect::Return })
    }

    eret "1101011 0100 11111 000000 11111 00000" "eret"
    |b| {
        b.eret()?;
        Ok(Flow::Resume)
    }

    svc "11010100 000 imm16:16 000 01" "svc #{imm16|hex}"
    |b, imm16| {
        b.raise(Exception::call(0x15, imm16))
    }

    hvc "11010100 000 imm16:16 000 10" "hvc #{imm16|hex}"
    |b, imm16| {
        if b.context().el == El::El0 { return b.undefined(); }
        b.raise(Exception::call(0x16, imm16))
    }

    smc "11010100 000 imm16:16 000 11" "smc #{imm16|hex}"
    |b, imm16| {
        if b.context().el == El::El0 { return b.undefined(); }
        b.raise(Exception::call(0x17, imm16))
    }

    brk "11010100 001 imm16:16 000 00" "brk #{imm16|hex}"
    |b, imm16| {
        b.raise(Exception::new(0x3c, imm16))
    }

    /// Halting debug is never enabled, so it is UNDEFINED (C6.2 HLT).
    hlt "11010100 010 imm16:16 000 00" "hlt #{imm16|hex}"
    |b, imm16| {
        b.undefined()
    }
}

/// The address a number of words away.
fn target<B: Build>(b: &B, words: u32, bits: u32) -> u64 {
    b.pc().wrapping_add(signed(words, bits) << 2)
}

/// Writes the return address.
fn link<B: Build>(b: &mut B) {
    let ret = b.near(b.pc().wrapping_add(4));
    b.set_x(30, ret);
}
