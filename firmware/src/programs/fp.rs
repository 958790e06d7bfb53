//! Floating point: rounding modes, flushing and default NaNs by FPCR, sticky FPSR flags, NaN propagation, conversions
//! that saturate, and the access trap of CPACR_EL1.
//!
//! Spec: Arm ARM A1.5, C6/C7. A sample of each rule; leaves out the bulk, which vectors against other emulators cover.

use dynasmrt::{DynasmApi, DynasmLabelApi};

use crate::asm::{Asm, a64};
use crate::runtime::Vector;
use crate::sysreg::*;

// FPCR.
const RN: u64 = 0;
const RP: u64 = 1 << 22;
const RM: u64 = 2 << 22;
const RZ: u64 = 3 << 22;
const FZ: u64 = 1 << 24;
const DN: u64 = 1 << 25;
const AHP: u64 = 1 << 26;
// FPSR.
const IOC: u64 = 1;
const DZC: u64 = 2;
const OFC: u64 = 4;
const UFC: u64 = 8;
const IXC: u64 = 16;
const IDC: u64 = 128;

// Single precision.
const ONE: u64 = 0x3f80_0000;
const THREE: u64 = 0x4040_0000;
const INF: u64 = 0x7f80_0000;
const MAX: u64 = 0x7f7f_ffff;
const TINY: u64 = 0x0080_0000;
const HALF: u64 = 0x3f00_0000;
const SUBNORMAL: u64 = 0x0000_0123;
const QNAN: u64 = 0x7fc0_1234;
const SNAN: u64 = 0x7f80_5678;
const MINUS: u64 = 0x8000_0000;

type Body = fn(&mut Asm);
/// Name, body (x0, x1 and s0/d0, s1/d1 hold the operands; the result is x3), FPCR, operands, result, FPSR.
type Case = (&'static str, Body, u64, u64, u64, u64, u64);

fn s(a: &mut Asm) {
    a64!(a; fmov w3, s3);
}
const DIV: Body = |a| {
    a64!(a; fdiv s3, s0, s1);
    s(a);
};
const MUL: Body = |a| {
    a64!(a; fmul s3, s0, s1);
    s(a);
};
const ADD: Body = |a| {
    a64!(a; fadd s3, s0, s1);
    s(a);
};
const SUB: Body = |a| {
    a64!(a; fsub s3, s0, s1);
    s(a);
};
const SQRT: Body = |a| {
    a64!(a; fsqrt s3, s0);
    s(a);
};
const VECTOR_ADD: Body = |a| {
    a64!(a; fadd v3.s4, v0.s4, v1.s4);
    s(a);
};

const ROUNDING: &[Case] = &[
    ("1/3 to nearest", DIV, RN, ONE, THREE, 0x3eaa_aaab, IXC),
    ("1/3 up", DIV, RP, ONE, THREE, 0x3eaa_aaab, IXC),
    ("1/3 down", DIV, RM, ONE, THREE, 0x3eaa_aaaa, IXC),
    ("1/3 to zero", DIV, RZ, ONE, THREE, 0x3eaa_aaaa, IXC),
    ("-1/3 up", DIV, RP, ONE | MINUS, THREE, 0xbeaa_aaaa, IXC),
    ("-1/3 down", DIV, RM, ONE | MINUS, THREE, 0xbeaa_aaab, IXC),
    ("-1/3 to zero", DIV, RZ, ONE | MINUS, THREE, 0xbeaa_aaaa, IXC),
    ("1 + tiny up", ADD, RP, ONE, TINY, 0x3f80_0001, IXC),
    ("vector 1 + tiny up", VECTOR_ADD, RP, ONE, TINY, 0x3f80_0001, IXC),
    ("1 - 1 to nearest", SUB, RN, ONE, ONE, 0, 0),
    ("1 - 1 down", SUB, RM, ONE, ONE, MINUS, 0),
    ("exact is exact", MUL, RP, ONE, THREE, THREE, 0),
    ("overflow to nearest", MUL, RN, MAX, THREE, INF, OFC | IXC),
    ("overflow to zero", MUL, RZ, MAX, THREE, MAX, OFC | IXC),
    ("overflow down", MUL, RM, MAX, THREE, MAX, OFC | IXC),
    ("negative overflow up", MUL, RP, MAX | MINUS, THREE, MAX | MINUS, OFC | IXC),
    ("negative overflow down", MUL, RM, MAX | MINUS, THREE, INF | MINUS, OFC | IXC),
];

const FLUSHING: &[Case] = &[
    ("exact subnormal result", MUL, 0, TINY, HALF, 0x0040_0000, 0),
    ("inexact subnormal result", DIV, 0, TINY, THREE, 0x002a_aaab, UFC | IXC),
    ("FZ flushes a result", MUL, FZ, TINY, HALF, 0, UFC),
    ("FZ keeps the sign of a flushed result", MUL, FZ, TINY | MINUS, HALF, MINUS, UFC),
    ("FZ flushes an operand", ADD, FZ, SUBNORMAL, TINY, TINY, IDC),
    ("subnormal operand without FZ", ADD, 0, SUBNORMAL, TINY, TINY + SUBNORMAL, 0),
    ("FZ: 1 divided by a subnormal", DIV, FZ, ONE, SUBNORMAL, INF, IDC | DZC),
    ("FZ: square root of a negative subnormal", SQRT, FZ, SUBNORMAL | MINUS, 0, MINUS, IDC),
];

const NANS: &[Case] = &[
    ("quiet NaN passes", ADD, 0, QNAN, ONE, QNAN, 0),
    ("second quiet NaN passes", ADD, 0, ONE, QNAN, QNAN, 0),
    ("first of two quiet NaNs", ADD, 0, QNAN, QNAN + 1, QNAN, 0),
    ("signalling NaN is quieted", ADD, 0, SNAN, ONE, SNAN | 0x40_0000, IOC),
    ("signalling before quiet", ADD, 0, QNAN, SNAN, SNAN | 0x40_0000, IOC),
    ("first of two signalling", ADD, 0, SNAN + 1, SNAN, (SNAN + 1) | 0x40_0000, IOC),
    ("DN gives the default NaN", ADD, DN, QNAN | MINUS, ONE, 0x7fc0_0000, 0),
    ("DN with a signalling NaN", ADD, DN, SNAN, ONE, 0x7fc0_0000, IOC),
    ("infinity less infinity", SUB, 0, INF, INF, 0x7fc0_0000, IOC),
    ("0 times infinity", MUL, 0, 0, INF, 0x7fc0_0000, IOC),
    ("0/0", DIV, 0, 0, 0, 0x7fc0_0000, IOC),
    ("1/0", DIV, 0, ONE, 0, INF, DZC),
    ("-1/0", DIV, 0, ONE | MINUS, 0, INF | MINUS, DZC),
    ("square root of -1", SQRT, 0, ONE | MINUS, 0, 0x7fc0_0000, IOC),
    ("square root of -0", SQRT, 0, MINUS, 0, MINUS, 0),
    (
        "FNEG does not touch a signalling NaN",
        |a| {
            a64!(a; fneg s3, s0);
            s(a)
        },
        DN,
        SNAN,
        0,
        SNAN | MINUS,
        0,
    ),
    (
        "FMAX of a NaN",
        |a| {
            a64!(a; fmax s3, s0, s1);
            s(a)
        },
        0,
        ONE,
        QNAN,
        QNAN,
        0,
    ),
    (
        "FMAXNM of a NaN",
        |a| {
            a64!(a; fmaxnm s3, s0, s1);
            s(a)
        },
        0,
        ONE,
        QNAN,
        ONE,
        0,
    ),
    (
        "FMIN of zeros",
        |a| {
            a64!(a; fmin s3, s0, s1);
            s(a)
        },
        0,
        0,
        MINUS,
        MINUS,
        0,
    ),
    (
        "FMADD keeps its product whole",
        |a| {
            a64!(a; fneg s2, s1; fmadd s3, s0, s0, s2);
            s(a)
        },
        0,
        0x3f80_0001,
        0x3f80_0002,
        0x2880_0000,
        0,
    ),
    ("FCMP of a quiet NaN", |a| a64!(a; fcmp s0, s1; mrs x3, NZCV), 0, QNAN, ONE, 0x3000_0000, 0),
    ("FCMPE of a quiet NaN", |a| a64!(a; fcmpe s0, s1; mrs x3, NZCV), 0, QNAN, ONE, 0x3000_0000, IOC),
    ("FCMP less", |a| a64!(a; fcmp s0, s1; mrs x3, NZCV), 0, ONE, THREE, 0x8000_0000, 0),
];

// Double precision.
const D_BIG: u64 = 0x4415_af1d_78b5_8c40; // 1e20
const D_QNAN: u64 = 0x7ff8_0000_0000_0001;
const D_MINUS: u64 = 1 << 63;
const D_ONE: u64 = 0x3ff0_0000_0000_0000;
const D_2_5: u64 = 0x4004_0000_0000_0000;
const D_65520: u64 = 0x40ef_fe00_0000_0000;

const CONVERSIONS: &[Case] = &[
    ("FCVTZS W of 1e20", |a| a64!(a; fcvtzs w3, d0), 0, D_BIG, 0, 0x7fff_ffff, IOC),
    ("FCVTZS W of -1e20", |a| a64!(a; fcvtzs w3, d0), 0, D_BIG | D_MINUS, 0, 0x8000_0000, IOC),
    ("FCVTZS X of 1e20", |a| a64!(a; fcvtzs x3, d0), 0, D_BIG, 0, i64::MAX as u64, IOC),
    ("FCVTZS X of -1e20", |a| a64!(a; fcvtzs x3, d0), 0, D_BIG | D_MINUS, 0, 1 << 63, IOC),
    ("FCVTZS of a NaN", |a| a64!(a; fcvtzs x3, d0), 0, D_QNAN, 0, 0, IOC),
    ("FCVTZU of -1", |a| a64!(a; fcvtzu x3, d0), 0, D_ONE | D_MINUS, 0, 0, IOC),
    ("FCVTZU X of 1e20", |a| a64!(a; fcvtzu x3, d0), 0, D_BIG, 0, u64::MAX, IOC),
    ("FCVTNS of 2.5", |a| a64!(a; fcvtns x3, d0), RP, D_2_5, 0, 2, IXC),
    ("FCVTAS of 2.5", |a| a64!(a; fcvtas x3, d0), RZ, D_2_5, 0, 3, IXC),
    ("FCVTMS of -2.5", |a| a64!(a; fcvtms x3, d0), 0, D_2_5 | D_MINUS, 0, (-3i64) as u64, IXC),
    ("FCVTPU of 2.5", |a| a64!(a; fcvtpu x3, d0), 0, D_2_5, 0, 3, IXC),
    ("FRINTX of 2.5", |a| a64!(a; frintx d3, d0; fmov x3, d3), 0, D_2_5, 0, 2 << 61, IXC),
    ("FRINTI of 2.5 up", |a| a64!(a; frinti d3, d0; fmov x3, d3), RP, D_2_5, 0, 0x4008_0000_0000_0000, 0),
    ("SCVTF S of a long number", |a| a64!(a; scvtf s3, x0; fmov w3, s3), RP, 0x100_0001, 0, 0x4b80_0001, IXC),
    (
        "UCVTF D of the greatest number",
        |a| a64!(a; ucvtf d3, x0; fmov x3, d3),
        0,
        u64::MAX,
        0,
        0x43f0_0000_0000_0000,
        IXC,
    ),
    ("FCVT H of 65520", |a| a64!(a; fcvt h3, d0; fmov w3, s3), 0, D_65520, 0, 0x7c00, OFC | IXC),
    ("FCVT H of 1e20 with AHP", |a| a64!(a; fcvt h3, d0; fmov w3, s3), AHP, D_BIG, 0, 0x7fff, IOC),
    ("FCVT H of a NaN with AHP", |a| a64!(a; fcvt h3, d0; fmov w3, s3), AHP, D_QNAN, 0, 0, IOC),
    ("FCVT D of a signalling NaN", |a| a64!(a; fcvt d3, s0; fmov x3, d3), 0, SNAN, 0, 0x7ff8_0acf_0000_0000, IOC),
    ("FCVT S to odd: FCVTXN", |a| a64!(a; fcvtxn s3, d0; fmov w3, s3), 0, D_ONE + 1, 0, ONE | 1, IXC),
];

pub(super) fn emit(a: &mut Asm) {
    a64!(a; ->main:);
    for (group, cases) in [("rounding", ROUNDING), ("flushing", FLUSHING), ("NaNs", NANS), ("conversion", CONVERSIONS)]
    {
        for &(name, body, fpcr, left, right, result, fpsr) in cases {
            a.li(0, left);
            a.li(1, right);
            a.li(2, fpcr);
            a64!(a; fmov d0, x0; fmov d1, x1; msr FPCR, x2; msr FPSR, xzr);
            body(a);
            a64!(a; mrs x4, FPSR; msr FPCR, xzr);
            a.check(&format!("{group}, {name}"), 3, result);
            a.check(&format!("{group}, {name}: FPSR"), 4, fpsr);
        }
    }
    sticky(a);
    trap(a);
    a64!(a; b ->finish);
}

fn sticky(a: &mut Asm) {
    a.li(0, ONE);
    a64!(a
        ; msr FPSR, xzr
        ; fmov s0, w0
        ; fmov s1, wzr
        ; fdiv s3, s0, s1 // DZC
        ; fadd s3, s0, s0 // exact
        ; fdiv s3, s1, s1 // IOC
        ; mrs x3, FPSR
    );
    a.check("flags are sticky", 3, IOC | DZC);
    a.li(0, 0x0800_009f);
    a64!(a; msr FPSR, x0; fadd s3, s0, s0; mrs x3, FPSR);
    a.check("FPSR keeps what was written", 3, 0x0800_009f);
    a.li(0, 0x7fff_ffff);
    a64!(a; msr FPSR, xzr; fmov s0, w0; sqadd s3, s0, s0; mrs x3, FPSR);
    a.check("saturation sets QC", 3, 1 << 27);
    a.li(0, RZ | FZ | DN | AHP);
    a64!(a; msr FPCR, x0; mrs x3, FPCR; msr FPCR, xzr);
    a.check("FPCR keeps what was written", 3, RZ | FZ | DN | AHP);
}

fn trap(a: &mut Asm) {
    const TRAPPED: u64 = 0x1fe0_0000;
    for (fpen, name) in [(0, "FPEN 0"), (2, "FPEN 2")] {
        a.li(0, fpen << 20);
        let at = a.label();
        a64!(a; msr CPACR_EL1, x0; isb);
        a.expect(|a| a64!(a; =>at; fmov s0, wzr));
        a.check_exception(&format!("{name} traps FP at EL1"), Vector::EL1H_SYNC, TRAPPED);
        a.check_return(&format!("{name} traps FP at EL1"), at, 0x3c5);
        a.expect(|a| a64!(a; ldr q0, [sp]));
        a.check_exception(&format!("{name} traps LDR of a vector"), Vector::EL1H_SYNC, TRAPPED);
        a.expect(|a| a64!(a; mrs x3, FPCR));
        a.check_exception(&format!("{name} traps MRS FPCR"), Vector::EL1H_SYNC, TRAPPED);
    }
    a.li(0, 1 << 20);
    a64!(a; msr CPACR_EL1, x0; isb);
    let at = a.label();
    a.expect(|a| {
        a64!(a; fmov s0, wzr);
        a.eret_to(at, 0x3c0);
        a64!(a; =>at; fadd d0, d0, d0; svc 0);
    });
    a.check_exception("FPEN 1 traps FP at EL0 only", Vector::EL0_SYNC, TRAPPED);
    a.check_return("FPEN 1 traps FP at EL0 only", at, 0x3c0);
    a.li(0, 3 << 20);
    a64!(a; msr CPACR_EL1, x0; isb);
    a.expect(|a| {
        a.eret_to(at, 0x3c0);
    });
    a.check_exception("FPEN 3 traps nothing", Vector::EL0_SYNC, 0x5600_0000);
}
