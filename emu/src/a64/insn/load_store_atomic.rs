//! Exclusive, ordered and atomic loads and stores (DDI 0487, C4.1.94): Armv8.0, LOR, LSE, RCPC and RCPC2.
//!
//! LDLAR and STLLR order as LDAR and STLR do: there is one limited-ordering region, all of memory.

use super::address::Address::Offset;
use super::data_imm::signed;
use super::load_store::{load, load_signed, store};
use crate::ir::{AtomicOp, Build, Flow, Mem, Order};

crate::rows! {
    stxr "size:2 001000 000 rs:5 rel xxxxx rn:5 rt:5" "st{rel|l}xr{size|suffix} {rs|w}, {rt|rsize}, [{rn|xsp}]"
    |b, size, rs, rel, rn, rt| {
        let (addr, data) = (b.base(rn)?, b.x(rt));
        let failed = b.store_exclusive(addr, data, Mem::ordered(1 << size, order(0, rel)))?;
        b.set_x(rs, failed);
        Ok(Flow::Next)
    }

    ldxr "size:2 001000 010 xxxxx acq xxxxx rn:5 rt:5" "ld{acq|a}xr{size|suffix} {rt|rsize}, [{rn|xsp}]"
    |b, size, acq, rn, rt| {
        let addr = b.base(rn)?;
        let data = b.load_exclusive(addr, Mem::ordered(1 << size, order(acq, 0)))?;
        b.set_x(rt, data);
        Ok(Flow::Next)
    }

    stxp "1 sf 001000 001 rs:5 rel rt2:5 rn:5 rt:5" "st{rel|l}xp {rs|w}, {rt|r}, {rt2|r}, [{rn|xsp}]"
    |b, sf, rs, rel, rt2, rn, rt| {
        let (addr, first, second) = (b.base(rn)?, b.x(rt), b.x(rt2));
        let failed = b.store_exclusive_pair(addr, first, second, Mem::ordered(4 << sf, order(0, rel)))?;
        b.set_x(rs, failed);
        Ok(Flow::Next)
    }

    ldxp "1 sf 001000 011 xxxxx acq rt2:5 rn:5 rt:5" "ld{acq|a}xp {rt|r}, {rt2|r}, [{rn|xsp}]"
    |b, sf, acq, rt2, rn, rt| {
        let addr = b.base(rn)?;
        let (first, second) = b.load_exclusive_pair(addr, Mem::ordered(4 << sf, order(acq, 0)))?;
        b.set_x(rt, first);
        b.set_x(rt2, second);
        Ok(Flow::Next)
    }

    stllr "size:2 001000 100 11111 0 11111 rn:5 rt:5" "stllr{size|suffix} {rt|rsize}, [{rn|xsp}]"
    |b, size, rn, rt| {
        store_release(b, size, rn, rt)?;
        Ok(Flow::Next)
    }

    stlr "size:2 001000 100 11111 1 11111 rn:5 rt:5" "stlr{size|suffix} {rt|rsize}, [{rn|xsp}]"
    |b, size, rn, rt| {
        store_release(b, size, rn, rt)?;
        Ok(Flow::Next)
    }

    ldlar "size:2 001000 110 11111 0 11111 rn:5 rt:5" "ldlar{size|suffix} {rt|rsize}, [{rn|xsp}]"
    |b, size, rn, rt| {
        load_acquire(b, size, rn, rt)?;
        Ok(Flow::Next)
    }

    ldar "size:2 001000 110 11111 1 11111 rn:5 rt:5" "ldar{size|suffix} {rt|rsize}, [{rn|xsp}]"
    |b, size, rn, rt| {
        load_acquire(b, size, rn, rt)?;
        Ok(Flow::Next)
    }

    ldapr "size:2 111000 1 01 11111 1 100 00 rn:5 rt:5" "ldapr{size|suffix} {rt|rsize}, [{rn|xsp}]"
    |b, size, rn, rt| {
        load_acquire(b, size, rn, rt)?;
        Ok(Flow::Next)
    }

    stlur "size:2 011001 00 0 imm9:9 00 rn:5 rt:5" "stlur{size|suffix} {rt|rsize}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| { store(b, Mem::ordered(1 << size, Order::Release), [rt, rn], Offset(signed(imm9, 9))) }

    ldapur "size:2 011001 01 0 imm9:9 00 rn:5 rt:5" "ldapur{size|suffix} {rt|rsize}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| { load(b, Mem::ordered(1 << size, Order::Acquire), [rt, rn], Offset(signed(imm9, 9))) }

    ldapursx "size:2 011001 10 0 imm9:9 00 rn:5 rt:5" "ldapurs{size|bhwx} {rt|x}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| { load_signed(b, Mem::ordered(1 << size, Order::Acquire), 64, [rt, rn], Offset(signed(imm9, 9))) }

    ldapursw "0 size 011001 11 0 imm9:9 00 rn:5 rt:5" "ldapurs{size|bhwx} {rt|w}, [{rn|xsp}, #{imm9|signed}]"
    |b, size, imm9, rn, rt| { load_signed(b, Mem::ordered(1 << size, Order::Acquire), 32, [rt, rn], Offset(signed(imm9, 9))) }

    cas "size:2 001000 1 acq 1 rs:5 rel 11111 rn:5 rt:5" "cas{acq|a}{rel|l}{size|suffix} {rs|rsize}, {rt|rsize}, [{rn|xsp}]"
    |b, size, acq, rs, rel, rn, rt| {
        let (addr, expected, new) = (b.base(rn)?, b.x(rs), b.x(rt));
        let old = b.cas(addr, expected, new, Mem::ordered(1 << size, order(acq, rel)))?;
        b.set_x(rs, old);
        Ok(Flow::Next)
    }

    casp "0 sf 001000 0 acq 1 rs:5 rel 11111 rn:5 rt:5" "casp{acq|a}{rel|l} {rs|r}, {rs|rnext}, {rt|r}, {rt|rnext}, [{rn|xsp}]"
    |b, sf, acq, rs, rel, rn, rt| {
        if (rs | rt) & 1 == 1 { return b.undefined(); }
        let addr = b.base(rn)?;
        let (expected, new) = ((b.x(rs), b.x(rs + 1)), (b.x(rt), b.x(rt + 1)));
        let old = b.cas_pair(addr, expected, new, Mem::ordered(4 << sf, order(acq, rel)))?;
        b.set_x(rs, old.0);
        b.set_x(rs + 1, old.1);
        Ok(Flow::Next)
    }

    ldadd "size:2 111000 acq rel 1 rs:5 0 000 00 rn:5 rt:5" "ldadd{acq|a}{rel|l}{size|suffix} {rs|rsize}, {rt|rsize}, [{rn|xsp}]"
    |b, size, acq, rel, rs, rn, rt| {
        atomic(b, AtomicOp::Add, size, order(acq, rel), rs, rn, rt)?;
        Ok(Flow::Next)
    }

    ldclr "size:2 111000 acq rel 1 rs:5 0 001 00 rn:5 rt:5" "ldclr{acq|a}{rel|l}{size|suffix} {rs|rsize}, {rt|rsize}, [{rn|xsp}]"
    |b, size, acq, rel, rs, rn, rt| {
        atomic(b, AtomicOp::Clr, size, order(acq, rel), rs, rn, rt)?;
        Ok(Flow::Next)
    }

    ldeor "size:2 111000 acq rel 1 rs:5 0 010 00 rn:5 rt:5" "ldeor{acq|a}{rel|l}{size|suffix} {rs|rsize}, {rt|rsize}, [{rn|xsp}]"
    |b, size, acq, rel, rs, rn, rt| {
        atomic(b, AtomicOp::Eor, size, order(acq, rel), rs, rn, rt)?;
        Ok(Flow::Next)
    }

    ldset "size:2 111000 acq rel 1 rs:5 0 011 00 rn:5 rt:5" "ldset{acq|a}{rel|l}{size|suffix} {rs|rsize}, {rt|rsize}, [{rn|xsp}]"
    |b, size, acq, rel, rs, rn, rt| {
        atomic(b, AtomicOp::Set, size, order(acq, rel), rs, rn, rt)?;
        Ok(Flow::Next)
    }

    ldsmax "size:2 111000 acq rel 1 rs:5 0 100 00 rn:5 rt:5" "ldsmax{acq|a}{rel|l}{size|suffix} {rs|rsize}, {rt|rsize}, [{rn|xsp}]"
    |b, size, acq, rel, rs, rn, rt| {
        atomic(b, AtomicOp::Smax, size, order(acq, rel), rs, rn, rt)?;
        Ok(Flow::Next)
    }

    ldsmin "size:2 111000 acq rel 1 rs:5 0 101 00 rn:5 rt:5" "ldsmin{acq|a}{rel|l}{size|suffix} {rs|rsize}, {rt|rsize}, [{rn|xsp}]"
    |b, size, acq, rel, rs, rn, rt| {
        atomic(b, AtomicOp::Smin, size, order(acq, rel), rs, rn, rt)?;
        Ok(Flow::Next)
    }

    ldumax "size:2 111000 acq rel 1 rs:5 0 110 00 rn:5 rt:5" "ldumax{acq|a}{rel|l}{size|suffix} {rs|rsize}, {rt|rsize}, [{rn|xsp}]"
    |b, size, acq, rel, rs, rn, rt| {
        atomic(b, AtomicOp::Umax, size, order(acq, rel), rs, rn, rt)?;
        Ok(Flow::Next)
    }

    ldumin "size:2 111000 acq rel 1 rs:5 0 111 00 rn:5 rt:5" "ldumin{acq|a}{rel|l}{size|suffix} {rs|rsize}, {rt|rsize}, [{rn|xsp}]"
    |b, size, acq, rel, rs, rn, rt| {
        atomic(b, AtomicOp::Umin, size, order(acq, rel), rs, rn, rt)?;
        Ok(Flow::Next)
    }

    swp "size:2 111000 acq rel 1 rs:5 1 000 00 rn:5 rt:5" "swp{acq|a}{rel|l}{size|suffix} {rs|rsize}, {rt|rsize}, [{rn|xsp}]"
    |b, size, acq, rel, rs, rn, rt| {
        atomic(b, AtomicOp::Swp, size, order(acq, rel), rs, rn, rt)?;
        Ok(Flow::Next)
    }
}

/// The ordering that the acquire and release bits ask for.
const fn order(acq: u32, rel: u32) -> Order {
    match (acq, rel) {
        (0, 0) => Order::Plain,
        (_, 0) => Order::Acquire,
        (0, _) => Order::Release,
        _ => Order::AcquireRelease,
    }
}

fn load_acquire<B: Build>(b: &mut B, size: u32, rn: u32, rt: u32) -> Result<(), B::Stop> {
    let addr = b.base(rn)?;
    let data = b.load(addr, Mem::ordered(1 << size, Order::Acquire))?;
    b.set_x(rt, data);
    Ok(())
}

fn store_release<B: Build>(b: &mut B, size: u32, rn: u32, rt: u32) -> Result<(), B::Stop> {
    let (addr, data) = (b.base(rn)?, b.x(rt));
    b.store(addr, data, Mem::ordered(1 << size, Order::Release))
}

/// Rt becomes the old value; the new one is that and Rs combined.
fn atomic<B: Build>(
    b: &mut B,
    op: AtomicOp,
    size: u32,
    order: Order,
    rs: u32,
    rn: u32,
    rt: u32,
) -> Result<(), B::Stop> {
    let (addr, value) = (b.base(rn)?, b.x(rs));
    let old = b.atomic(op, addr, value, Mem::ordered(1 << size, order))?;
    b.set_x(rt, old);
    Ok(())
}
