//! Synchronous exceptions with their exact syndromes: calls, breakpoints, undefined instructions, alignment, aborts with
//! the MMU off, entry to EL0 and back, what EL0 may not do, illegal exception return, single step.
//!
//! Spec: Arm ARM D1 and the description of ESR_EL1. Leaves out SError and hardware breakpoints and watchpoints.

use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};

use crate::asm::{Asm, a64};
use crate::runtime::{CpuArea, SCRATCH, SCTLR_OFF, Vector};
use crate::sysreg::*;

/// EL1h and EL0t with every interrupt masked.
const EL1H: u64 = 0x3c5;
const EL0T: u64 = 0x3c0;
/// The syndrome of an UNDEFINED instruction.
const UNDEFINED: u64 = 0x0200_0000;
/// A physical address at which the board has nothing.
const NOWHERE: u64 = 0x60_0000_0000;

pub(super) fn emit(a: &mut Asm) {
    a64!(a; ->main:);
    calls(a);
    undefined(a);
    alignment(a);
    aborts(a);
    el0(a);
    el0_traps(a);
    illegal_return(a);
    single_step(a);
    a64!(a; b ->finish);
}

fn calls(a: &mut Asm) {
    let after = a.label();
    a.expect(|a| {
        a.li(0, 0x6000_0000);
        a64!(a; msr NZCV, x0; svc 0x123; =>after);
    });
    a.check_exception("svc", Vector::EL1H_SYNC, 0x5600_0123);
    a.check_return("svc", after, 0x6000_0000 | EL1H);

    let at = a.label();
    a.expect(|a| a64!(a; =>at; brk 0xabc));
    a.check_exception("brk", Vector::EL1H_SYNC, 0xf200_0abc);
    a.check_return("brk", at, EL1H);

    a.li(0, 0x8400_00ff);
    a64!(a; hvc 0; mov w3, w0);
    a.check("hvc: unknown function is not supported", 3, 0xffff_ffff);

    // The state of SP_EL0 selected is saved and named by its own vector.
    let after = a.label();
    a.expect(|a| a64!(a; msr spsel, 0; svc 1; =>after));
    a.check_exception("svc on SP_EL0", Vector::EL1T_SYNC, 0x5600_0001);
    a.check_return("svc on SP_EL0", after, 0x3c4);
}

fn undefined(a: &mut Asm) {
    let cases: [(&str, u32); 4] = [
        ("udf", 0x0000_0000),
        ("hlt", 0xd440_0000),
        ("smc without EL3", 0xd400_0003),
        ("mrs of an EL2 register", 0xd53c_1100), // mrs x0, hcr_el2
    ];
    for (name, word) in cases {
        let at = a.label();
        a.expect(|a| a64!(a; =>at; .u32 word));
        a.check_exception(name, Vector::EL1H_SYNC, UNDEFINED);
        a.check_return(name, at, EL1H);
    }
}

fn alignment(a: &mut Asm) {
    // Not every emulator checks SP, so a machine that does not is let off, but says so.
    let (at, checked, skip) = (a.label(), a.label(), a.label());
    a.expect(|a| {
        a.li(0, SCRATCH + 8);
        a64!(a; msr SP_EL0, x0; msr spsel, 0; =>at; ldr x1, [sp]);
    });
    a64!(a; msr spsel, 1);
    a.recorded(3, CpuArea::VECTOR);
    a64!(a; cmp x3, Vector::NONE as u32; b.ne =>checked);
    a.print("skip unaligned SP: this machine does not check it\n");
    a64!(a; b =>skip; =>checked);
    a.check_exception("unaligned SP", Vector::EL1T_SYNC, 0x9a00_0000);
    a.check_return("unaligned SP", at, 0x3c4);
    a64!(a; =>skip);

    a.expect(|a| {
        a.li(0, SCRATCH + 2);
        a64!(a; br x0);
    });
    a.check_exception("unaligned PC", Vector::EL1H_SYNC, 0x8a00_0000);
    a.check_far("unaligned PC", SCRATCH + 2);
    a.recorded(3, CpuArea::ELR);
    a.check("unaligned PC: ELR_EL1", 3, SCRATCH + 2);

    let at = a.label();
    a.expect(|a| {
        a.li(0, SCRATCH + 1);
        a64!(a; =>at; ldr x1, [x0]);
    });
    a.check_exception("unaligned load from device memory", Vector::EL1H_SYNC, 0x9600_0021);
    a.check_far("unaligned load from device memory", SCRATCH + 1);
    a.check_return("unaligned load from device memory", at, EL1H);

    a.expect(|a| {
        a.li(0, SCRATCH + 4);
        a64!(a; str x1, [x0]);
    });
    a.check_exception("unaligned store to device memory", Vector::EL1H_SYNC, 0x9600_0061);
    a.check_far("unaligned store to device memory", SCRATCH + 4);

    a.expect(|a| {
        a.li(0, SCRATCH + 4);
        a64!(a; ldxr x1, [x0]);
    });
    a.check_exception("unaligned exclusive", Vector::EL1H_SYNC, 0x9600_0021);
    a.check_far("unaligned exclusive", SCRATCH + 4);
}

fn aborts(a: &mut Asm) {
    let at = a.label();
    a.expect(|a| {
        a.li(0, NOWHERE + 8);
        a64!(a; =>at; ldr x1, [x0]);
    });
    a.check_exception("load from nowhere", Vector::EL1H_SYNC, 0x9600_0010);
    a.check_far("load from nowhere", NOWHERE + 8);
    a.check_return("load from nowhere", at, EL1H);

    a.expect(|a| {
        a.li(0, NOWHERE + 16);
        a64!(a; str w1, [x0]);
    });
    a.check_exception("store to nowhere", Vector::EL1H_SYNC, 0x9600_0050);
    a.check_far("store to nowhere", NOWHERE + 16);

    // A fault leaves the base register of a write-back access as it was.
    a.expect(|a| {
        a.li(3, NOWHERE);
        a64!(a; ldr x4, [x3, 8]!);
    });
    a.check("a faulting write-back keeps its base", 3, NOWHERE);

    a.expect(|a| {
        a.li(0, NOWHERE);
        a64!(a; br x0);
    });
    a.check_exception("fetch from nowhere", Vector::EL1H_SYNC, 0x8600_0010);
    a.check_far("fetch from nowhere", NOWHERE);
    a.recorded(3, CpuArea::ELR);
    a.check("fetch from nowhere: ELR_EL1", 3, NOWHERE);
}

/// Runs code at EL0 until its exception; the code stands in line.
fn at_el0(a: &mut Asm, code: impl FnOnce(&mut Asm)) {
    a.expect(|a| {
        let entry = a.label();
        a.eret_to(entry, EL0T);
        a64!(a; =>entry);
        code(a);
    });
}

fn el0(a: &mut Asm) {
    let after = a.label();
    at_el0(a, |a| a64!(a; movz x3, 77; svc 42; =>after));
    a.check_exception("svc from EL0", Vector::EL0_SYNC, 0x5600_002a);
    a.check_return("svc from EL0", after, EL0T);
    a.check("registers survive the way back from EL0", 3, 77);

    // The stack pointer of EL0 is its own.
    a.li(0, SCRATCH + 0x100);
    a64!(a; msr SP_EL0, x0; mov x5, sp);
    at_el0(a, |a| a64!(a; mov x3, sp; sub sp, sp, 16; svc 0));
    a.check("EL0 runs on SP_EL0", 3, SCRATCH + 0x100);
    a64!(a; mrs x3, SP_EL0);
    a.check("EL0 moved SP_EL0", 3, SCRATCH + 0xf0);
    a64!(a; mov x3, sp);
    a.check_same("EL0 did not move SP_EL1", 3, 5);

    let at = a.label();
    at_el0(a, |a| a64!(a; =>at; brk 7));
    a.check_exception("brk from EL0", Vector::EL0_SYNC, 0xf200_0007);
    a.check_return("brk from EL0", at, EL0T);

    at_el0(a, |a| {
        a.li(0, NOWHERE);
        a64!(a; ldr x1, [x0]);
    });
    a.check_exception("load from nowhere at EL0", Vector::EL0_SYNC, 0x9200_0010);

    at_el0(a, |a| {
        a.li(0, NOWHERE);
        a64!(a; br x0);
    });
    a.check_exception("fetch from nowhere at EL0", Vector::EL0_SYNC, 0x8200_0010);
}

/// Syndrome of a trapped MSR, MRS or system instruction.
const fn trapped(op0: u64, op1: u64, crn: u64, crm: u64, op2: u64, rt: u64, read: u64) -> u64 {
    0x6200_0000 | op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | rt << 5 | crm << 1 | read
}

fn el0_traps(a: &mut Asm) {
    let traps: [(&str, u32, u64); 7] = [
        ("mrs sctlr_el1", 0xd538_1003, UNDEFINED),
        ("msr vbar_el1", 0xd518_c003, UNDEFINED),
        ("tlbi vmalle1", 0xd508_871f, UNDEFINED),
        ("eret", 0xd69f_03e0, UNDEFINED),
        ("dc zva without DZE", 0xd50b_7423, trapped(1, 3, 7, 4, 1, 3, 0)),
        ("mrs ctr_el0 without UCT", 0xd53b_0023, trapped(3, 3, 0, 0, 1, 3, 1)),
        ("wfi without nTWI", 0xd503_207f, 0x07e0_0000),
    ];
    for (name, word, esr) in traps {
        let at = a.label();
        let name = format!("EL0 {name}");
        at_el0(a, |a| a64!(a; =>at; .u32 word));
        a.check_exception(&name, Vector::EL0_SYNC, esr);
        a.check_return(&name, at, EL0T);
    }
    at_el0(a, |a| a64!(a; mrs x3, CNTVCT_EL0));
    a.check_exception("EL0 mrs cntvct_el0 without EL0VCTEN", Vector::EL0_SYNC, trapped(3, 3, 14, 0, 2, 3, 1));

    // QEMU 10 swaps Op1 and Op2 in this syndrome, so those are left out.
    let at = a.label();
    at_el0(a, |a| a64!(a; =>at; msr daifset, 2));
    a.recorded(3, CpuArea::ESR);
    a64!(a; bfm x3, xzr, 50, 5);
    a.check("EL0 msr daifset without UMA: ESR_EL1 without Op1, Op2", 3, trapped(0, 0, 4, 2, 0, 31, 0));
    a.check_return("EL0 msr daifset without UMA", at, EL0T);

    // With the permissions given, the same instructions work. (DC ZVA needs normal memory, so it is not here.)
    a.change_sysreg(SCTLR_EL1, 0, 1 << 9 | 1 << 15 | 1 << 16);
    at_el0(a, |a| a64!(a; mrs x3, CTR_EL0; svc 3));
    a.check_exception("EL0 mrs ctr_el0 with UCT", Vector::EL0_SYNC, 0x5600_0003);
    a64!(a; mrs x4, CTR_EL0);
    a.check_same("EL0 reads the same CTR_EL0", 3, 4);
    let after = a.label();
    at_el0(a, |a| a64!(a; msr daifclr, 1; svc 4; =>after));
    a.check_exception("EL0 msr daifclr with UMA", Vector::EL0_SYNC, 0x5600_0004);
    a.check_return("EL0 msr daifclr with UMA", after, 0x380);
    a.li(0, SCTLR_OFF);
    a64!(a; msr SCTLR_EL1, x0; isb);
}

fn illegal_return(a: &mut Asm) {
    const IL: u64 = 1 << 20;
    // EL2h where there is no EL2, AArch32 where there is none for EL1, and an M field that means nothing.
    for (name, mode) in [("to EL2", 0x3c9), ("to a reserved mode", 0x3c2), ("to EL0h", 0x3c1)] {
        let at = a.label();
        let name = format!("illegal return {name}");
        a.expect(|a| {
            a.eret_to(at, 0x9000_0000 | mode);
            a64!(a; =>at; nop);
        });
        a.check_exception(&name, Vector::EL1H_SYNC, 0x3a00_0000);
        a.check_return(&name, at, 0x9000_0000 | IL | EL1H);
    }
}

fn single_step(a: &mut Asm) {
    const SS: u64 = 1 << 21;
    const STEPPED: u64 = 0xcb00_0022;
    a.change_sysreg(MDSCR_EL1, 0, 1);
    let (first, second, third, fourth) = (a.label(), a.label(), a.label(), a.label());
    a.li(3, 0);
    a.li(4, SCRATCH);
    a.expect(|a| {
        a.eret_to(first, EL0T | SS);
        a64!(a
            ; =>first
            ; add x3, x3, 1
            ; =>second
            ; b =>third
            ; brk 0
            ; =>third
            ; ldxr x5, [x4]
            ; =>fourth
            ; svc 9
        );
    });
    let stepped = |a: &mut Asm, name: &str, esr: u64, at: DynamicLabel| {
        a.check_exception(name, Vector::EL0_SYNC, esr);
        a.check_return(name, at, EL0T);
    };
    stepped(a, "step over add", STEPPED, second);
    a.check("step did one instruction", 3, 1);
    a.expect(|a| a.eret_to(second, EL0T | SS));
    stepped(a, "step over b", STEPPED, third);
    a.expect(|a| a.eret_to(third, EL0T | SS));
    stepped(a, "step over ldxr", STEPPED | 1 << 6, fourth);
    // An instruction's own exception comes first; it saves SS as it was.
    a.expect(|a| a.eret_to(fourth, EL0T | SS));
    a.check_exception("step into svc", Vector::EL0_SYNC, 0x5600_0009);
    // Active-pending: with SS clear the step exception comes before any instruction.
    a.li(3, 0);
    a.expect(|a| a.eret_to(first, EL0T));
    a.check_exception("step pending", Vector::EL0_SYNC, 0xca00_0022);
    a.check_return("step pending", first, EL0T);
    a.check("step pending did nothing", 3, 0);
    a.change_sysreg(MDSCR_EL1, 1, 0);
}
