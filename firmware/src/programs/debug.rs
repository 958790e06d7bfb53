//! Hardware breakpoints, watchpoints and software step as a kernel uses them on itself and on EL0.
//!
//! Spec: Arm ARM D2 (AArch64 self-hosted debug). Leaves out external debug and AArch32's vector catch, and the
//! OS Lock, which QEMU 10 does not heed; software step of EL0 is in `exceptions`.

use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};

use crate::asm::{Asm, a64};
use crate::runtime::{SCRATCH, Vector};
use crate::sysreg::*;

const EL0T: u64 = 0x3c0;
const EL1H: u64 = 0x3c5;
/// EL1h with debug exceptions let through.
const EL1H_DEBUG: u64 = 0x1c5;

const SS: u64 = 1;
const KDE: u64 = 1 << 13;
const MDE: u64 = 1 << 15;

// DBGBCR and DBGWCR.
const ENABLE: u64 = 1;
const AT_EL1: u64 = 1 << 1;
const AT_EL0: u64 = 2 << 1;
const WORD: u64 = 0xf << 5;
const LOAD: u64 = 1 << 3;
const STORE: u64 = 2 << 3;
const BYTES: u64 = 0xff << 5;
/// Breakpoint 4, which is context-aware, is the linked one.
const LINKED: u64 = 1 << 20 | 4 << 16;
const CONTEXT: u64 = ENABLE | AT_EL1 | AT_EL0 | WORD | 3 << 20;

const EL0_BREAKPOINT: u64 = 0xc200_0022;
const EL1_BREAKPOINT: u64 = 0xc600_0022;
const EL0_WATCH_READ: u64 = 0xd200_0022;
const EL0_WATCH_WRITE: u64 = 0xd200_0062;
const EL1_WATCH_READ: u64 = 0xd600_0022;
const EL1_WATCH_WRITE: u64 = 0xd600_0062;
const SVC: u64 = 0x5600_0000;

pub(super) fn emit(a: &mut Asm) {
    a64!(a; ->main:);
    breakpoints(a);
    kernel_breakpoints(a);
    watchpoints(a);
    kernel_watchpoints(a);
    kernel_step(a);
    a64!(a; b ->finish);
}

/// Sets a register. Changes x0.
fn set(a: &mut Asm, register: u32, value: u64) {
    a.li(0, value);
    a64!(a; msr register, x0; isb);
}

/// Runs code at EL0 until its exception, at the latest SVC 0 behind it.
fn at_el0(a: &mut Asm, code: impl FnOnce(&mut Asm)) {
    a.expect(|a| {
        let entry = a.label();
        a.eret_to(entry, EL0T);
        a64!(a; =>entry);
        code(a);
        a64!(a; svc 0);
    });
}

/// Runs code at EL1 with PSTATE.D clear until its exception, at the latest SVC 0 behind it.
fn at_el1(a: &mut Asm, code: impl FnOnce(&mut Asm)) {
    a.expect(|a| {
        a64!(a; msr daifclr, 8);
        code(a);
        a64!(a; svc 0);
    });
}

/// Breakpoint 0 on `at`. Changes x0.
fn break_at(a: &mut Asm, at: DynamicLabel, control: u64) {
    a64!(a; adr x0, =>at; msr DBGBVR0_EL1, x0);
    set(a, DBGBCR0_EL1, control);
}

fn breakpoints(a: &mut Asm) {
    let cases: [(&str, u64, u64, bool); 7] = [
        ("breakpoint", MDE, ENABLE | AT_EL0 | WORD, true),
        ("breakpoint without MDE", 0, ENABLE | AT_EL0 | WORD, false),
        ("breakpoint not enabled", MDE, AT_EL0 | WORD, false),
        ("breakpoint for EL1 only", MDE, ENABLE | AT_EL1 | WORD, false),
        ("breakpoint for both levels", MDE, ENABLE | AT_EL0 | AT_EL1 | WORD, true),
        ("breakpoint linked to this context", MDE, ENABLE | AT_EL0 | WORD | LINKED, true),
        ("breakpoint linked to another context", MDE, ENABLE | AT_EL0 | WORD | LINKED, false),
    ];
    set(a, DBGBVR4_EL1, 0x1234);
    set(a, DBGBCR4_EL1, CONTEXT);
    for (name, mdscr, control, taken) in cases {
        let at = a.label();
        break_at(a, at, control);
        set(a, CONTEXTIDR_EL1, if name.contains("another") { 0x4321 } else { 0x1234 });
        set(a, MDSCR_EL1, mdscr);
        at_el0(a, |a| a64!(a; movz x3, 1; =>at; movz x3, 2));
        set(a, MDSCR_EL1, 0);
        a.check_exception(name, Vector::EL0_SYNC, if taken { EL0_BREAKPOINT } else { SVC });
        a.check(&format!("{name}: instructions done"), 3, if taken { 1 } else { 2 });
        if taken {
            a.check_return(name, at, EL0T);
        }
    }
    set(a, DBGBCR4_EL1, 0);
    set(a, CONTEXTIDR_EL1, 0);
}

fn kernel_breakpoints(a: &mut Asm) {
    let cases: [(&str, u64, bool, bool); 3] = [
        ("kernel breakpoint", MDE | KDE, true, true),
        ("kernel breakpoint without KDE", MDE, true, false),
        ("kernel breakpoint with D set", MDE | KDE, false, false),
    ];
    for (name, mdscr, unmask, taken) in cases {
        let at = a.label();
        break_at(a, at, ENABLE | AT_EL1 | WORD);
        set(a, MDSCR_EL1, mdscr);
        at_el1(a, |a| {
            if !unmask {
                a64!(a; msr daifset, 8);
            }
            a64!(a; movz x3, 1; =>at; movz x3, 2);
        });
        set(a, MDSCR_EL1, 0);
        a.check_exception(name, Vector::EL1H_SYNC, if taken { EL1_BREAKPOINT } else { SVC });
        a.check(&format!("{name}: instructions done"), 3, if taken { 1 } else { 2 });
        if taken {
            a.check_return(name, at, EL1H_DEBUG);
        }
    }
    set(a, DBGBCR0_EL1, 0);
}

/// Watchpoint 1 on an address. Changes x0.
fn watch_at(a: &mut Asm, address: u64, control: u64) {
    set(a, DBGWVR1_EL1, address);
    set(a, DBGWCR1_EL1, control);
}

/// Accesses of x0, with x3 = 7 to be stored.
type Access = fn(&mut Asm);
const LDR: Access = |a| a64!(a; ldr w4, [x0]);
const STR: Access = |a| a64!(a; str w3, [x0]);
const STRB: Access = |a| a64!(a; strb w3, [x0]);
const STXR: Access = |a| a64!(a; ldxr w4, [x0]; stxr w4, w3, [x0]);
const LDTR: Access = |a| a64!(a; ldtr w4, [x0]);

fn watchpoints(a: &mut Asm) {
    const ALL: u64 = ENABLE | AT_EL0 | LOAD | STORE | BYTES;
    let page = |offset| SCRATCH + offset;
    let cases: [(&str, u64, u64, u64, Access, u64); 15] = [
        ("watched store", 0, ALL, 4, STR, EL0_WATCH_WRITE),
        ("watched load", 0, ALL, 0, LDR, EL0_WATCH_READ),
        ("store not watched", 0, ALL & !STORE, 0, STR, SVC),
        ("load of a watched store", 0, ALL & !LOAD, 0, LDR, SVC),
        ("store of a watched store", 0, ALL & !LOAD, 0, STR, EL0_WATCH_WRITE),
        ("store behind the watchpoint", 0, ALL, 8, STR, SVC),
        ("store before the watchpoint", 8, ALL, 4, STR, SVC),
        ("watchpoint not enabled", 0, ALL & !ENABLE, 0, STR, SVC),
        ("watchpoint for EL1 only", 0, ALL & !AT_EL0 | AT_EL1, 0, STR, SVC),
        ("store to a byte not selected", 0, ALL & !BYTES | 0x10 << 5, 3, STRB, SVC),
        ("store to a selected byte", 0, ALL & !BYTES | 0x10 << 5, 4, STRB, EL0_WATCH_WRITE),
        ("store to a watched word", 4, ALL & !BYTES | WORD, 4, STR, EL0_WATCH_WRITE),
        ("store to a watched page", 0, ALL | 12 << 24, 0x800, STR, EL0_WATCH_WRITE),
        ("store behind a watched page", 0, ALL | 12 << 24, 0x1000, STR, SVC),
        ("watched exclusive store", 0, ALL & !LOAD, 0, STXR, EL0_WATCH_WRITE),
    ];
    for (name, at, control, offset, access, esr) in cases {
        a.li(0, page(offset));
        a64!(a; strb wzr, [x0]);
        watch_at(a, page(at), control);
        set(a, MDSCR_EL1, MDE);
        a64!(a; movz x3, 7);
        at_el0(a, |a| {
            a.li(0, page(offset));
            access(a);
        });
        set(a, MDSCR_EL1, 0);
        a.check_exception(name, Vector::EL0_SYNC, esr);
        a.li(0, page(offset));
        a64!(a; ldrb w4, [x0]);
        if esr != SVC {
            a.check_far(name, page(offset));
            a.check(&format!("{name}: did nothing"), 4, 0);
        } else if !name.starts_with("load") {
            a.check(&format!("{name}: was done"), 4, 7);
        }
    }
}

fn kernel_watchpoints(a: &mut Asm) {
    const ALL: u64 = ENABLE | LOAD | STORE | BYTES;
    let cases: [(&str, u64, u64, Access, u64); 5] = [
        ("kernel watchpoint without KDE", MDE, ALL | AT_EL1, STR, SVC),
        ("kernel watchpoint", MDE | KDE, ALL | AT_EL1, STR, EL1_WATCH_WRITE),
        ("the kernel's access and EL0's watchpoint", MDE | KDE, ALL | AT_EL0, STR, SVC),
        ("the kernel's access as EL0", MDE | KDE, ALL | AT_EL0, LDTR, EL1_WATCH_READ),
        ("the kernel's access as EL0, watched at EL1", MDE | KDE, ALL | AT_EL1, LDTR, SVC),
    ];
    for (name, mdscr, control, access, esr) in cases {
        watch_at(a, SCRATCH, control);
        set(a, MDSCR_EL1, mdscr);
        at_el1(a, |a| {
            a.li(0, SCRATCH);
            access(a);
        });
        set(a, MDSCR_EL1, 0);
        a.check_exception(name, Vector::EL1H_SYNC, esr);
        if esr != SVC {
            a.check_far(name, SCRATCH);
        }
    }
    set(a, DBGWCR1_EL1, 0);
}

fn kernel_step(a: &mut Asm) {
    const SPSR_SS: u64 = 1 << 21;
    let (first, second) = (a.label(), a.label());
    set(a, MDSCR_EL1, SS | KDE);
    a.li(3, 0);
    a.expect(|a| {
        a.eret_to(first, EL1H_DEBUG | SPSR_SS);
        a64!(a; =>first; add x3, x3, 1; =>second; add x3, x3, 1; svc 0);
    });
    a.check_exception("kernel step", Vector::EL1H_SYNC, 0xcf00_0022);
    a.check_return("kernel step", second, EL1H_DEBUG);
    a.check("kernel step did one instruction", 3, 1);

    // With debug exceptions masked, nothing steps.
    let after = a.label();
    a.expect(|a| {
        a.eret_to(first, EL1H | SPSR_SS);
        a64!(a; =>after);
    });
    a.check_exception("masked kernel step", Vector::EL1H_SYNC, SVC);
    a.check("masked kernel step did all", 3, 3);
    set(a, MDSCR_EL1, 0);
}
