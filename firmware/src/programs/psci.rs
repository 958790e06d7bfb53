//! PSCI by HVC: version and features, CPUs 1–3 on, off, on again, and the errors.
//!
//! Spec: DEN 0022. Leaves out SYSTEM_RESET and suspend. Needs at least four CPUs.

use dynasmrt::{DynasmApi, DynasmLabelApi};

use crate::asm::{Asm, a64};
use crate::runtime::{Psci, SCRATCH};
use crate::sysreg::*;

const INVALID_PARAMETERS: u64 = 0xffff_fffe;
const ALREADY_ON: u64 = 0xffff_fffc;
const NOT_SUPPORTED: u64 = 0xffff_ffff;
const ON: u64 = 0;
const OFF: u64 = 1;

/// What a started CPU tells, 64 bytes each: context id, CurrentEL, SCTLR_EL1.M, MPIDR_EL1, DAIF, SPSel, then a flag; and
/// the word that lets it go.
const REPORTS: u64 = SCRATCH;
const FLAG: u32 = 48;
const RELEASE: u32 = 56;

pub(super) fn emit(a: &mut Asm) {
    a64!(a; ->main:);
    a.li(0, Psci::VERSION);
    a64!(a; hvc 0; movz w1, 1, lsl 16; cmp w0, w1; cset x3, hs);
    a.check_true("version is 1.0 or later", 3);
    for (name, function, answer) in [
        ("CPU_ON", Psci::CPU_ON, 0),
        ("CPU_OFF", Psci::CPU_OFF, 0),
        ("AFFINITY_INFO", Psci::AFFINITY_INFO, 0),
        ("SYSTEM_OFF", Psci::SYSTEM_OFF, 0),
        ("SYSTEM_RESET", Psci::SYSTEM_RESET, 0),
        ("an unknown function", 0x8400_00ff, NOT_SUPPORTED),
    ] {
        a.li(1, function);
        psci(a, Psci::FEATURES);
        a.check(&format!("features: {name}"), 3, answer);
    }
    affinity(a, "CPU 0 is on", 0, ON);
    a.li(1, 0xff00);
    a64!(a; movz x2, 0);
    psci(a, Psci::AFFINITY_INFO);
    a.check("affinity of no CPU", 3, INVALID_PARAMETERS);
    on(a, 0xff00, 0);
    a.check("CPU_ON of no CPU", 3, INVALID_PARAMETERS);
    on(a, 0, 0);
    a.check("CPU_ON of this CPU", 3, ALREADY_ON);

    for round in 0..2 {
        for cpu in 1..4u64 {
            let name = format!("round {round}, CPU {cpu}");
            let context = 0x1234_5678_9abc_0000 + 16 * round + cpu;
            affinity(a, &format!("{name}: is off"), cpu, OFF);
            on(a, cpu, context);
            a.check(&format!("{name}: CPU_ON"), 3, 0);
            a.li(4, REPORTS + 64 * cpu);
            a64!(a; add x5, x4, FLAG; wait: ; ldar x3, [x5]; cbz x3, <wait; str xzr, [x5]; dmb sy);
            for (n, (what, value)) in [
                ("context id", context),
                ("CurrentEL", 4),
                ("SCTLR_EL1.M", 0),
                ("MPIDR_EL1 affinity", cpu),
                ("DAIF", 0x3c0),
            ]
            .into_iter()
            .enumerate()
            {
                a64!(a; ldr x3, [x4, 8 * n as u32]);
                a.check(&format!("{name}: {what}"), 3, value);
            }
            affinity(a, &format!("{name}: is on"), cpu, ON);
            on(a, cpu, context);
            a.check(&format!("{name}: already on"), 3, ALREADY_ON);
        }
        for cpu in 1..4u64 {
            a.li(4, REPORTS + 64 * cpu + u64::from(RELEASE));
            a64!(a; movz x3, 1; stlr x3, [x4]; dsb sy);
            a.li(6, cpu);
            let again = a.here();
            a64!(a; mov x1, x6; movz x2, 0);
            psci(a, Psci::AFFINITY_INFO);
            a64!(a; cmp x3, OFF as u32; b.ne =>again);
            a.check(&format!("round {round}, CPU {cpu}: went off"), 3, OFF);
        }
    }
    a64!(a; b ->finish);

    a64!(a; ->reporter: ; mrs x5, MPIDR_EL1; and x5, x5, 0xff);
    a.li(4, REPORTS);
    a64!(a
        ; add x4, x4, x5, lsl 6
        ; mrs x1, CURRENT_EL
        ; stp x0, x1, [x4]
        ; mrs x1, SCTLR_EL1
        ; and x1, x1, 1
        ; stp x1, x5, [x4, 16]
        ; mrs x1, DAIF
        ; str x1, [x4, 32]
        ; add x2, x4, RELEASE
        ; str xzr, [x2]
        ; add x3, x4, FLAG
        ; movz x1, 1
        ; stlr x1, [x3]
        ; wait:
        ; ldar x1, [x2]
        ; cbz x1, <wait
    );
    a.li(0, Psci::CPU_OFF);
    a64!(a; hvc 0; b ->reporter);
}

/// Calls a function with x1–x3 as set; the 32-bit answer is x3.
fn psci(a: &mut Asm, function: u64) {
    a.li(0, function);
    a64!(a; hvc 0; mov w3, w0);
}

fn affinity(a: &mut Asm, name: &str, cpu: u64, state: u64) {
    a.li(1, cpu);
    a64!(a; movz x2, 0);
    psci(a, Psci::AFFINITY_INFO);
    a.check(name, 3, state);
}

fn on(a: &mut Asm, cpu: u64, context: u64) {
    a.li(1, cpu);
    a64!(a; adr x2, ->reporter);
    a.li(3, context);
    psci(a, Psci::CPU_ON);
}
