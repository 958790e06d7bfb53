//! Micro-benchmarks: each does one thing a fixed number of times between a line `<begin>` and a line `<end>`, then checks
//! what it counted and ends as every program does.
//!
//! RAM is mapped by pages of 4 KiB. They count in x19 (down) and x23. Needs a GICv3 and 1 GiB of RAM. Leaves out EL0.

use dynasmrt::DynasmLabelApi;

use crate::asm::{Asm, a64};
use crate::runtime::PLAIN_TABLE;

mod branches;
mod code;
mod interrupts;
mod memory;

/// A micro-benchmark's description and body.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) operation: &'static str,
    pub(crate) operations: u64,
    pub(crate) cpus: u32,
    pub(crate) emit: fn(&mut Asm),
}

const fn row(name: &'static str, operation: &'static str, operations: u64, cpus: u32, emit: fn(&mut Asm)) -> Row {
    Row { name, operation, operations, cpus, emit }
}

/// All of them.
#[rustfmt::skip]
pub(crate) const TABLE: &[Row] = &[
    row("probe hit", "load or store in one page", memory::HITS, 1, memory::hit),
    row("probe miss", "load from the next of 16384 pages", memory::MISSES, 1, memory::miss),
    row("dispatch", "branch to one of 256 targets by a register", branches::DISPATCHES, 1, branches::dispatch),
    row("call and return", "BL and RET, four deep", branches::CALLS, 1, branches::call),
    row("chaining", "branch to another page", branches::CHAINED, 1, branches::chain),
    row("fixed loop", "instruction of a loop of ten", branches::LOOPED, 1, branches::fixed_loop),
    row("exception", "SVC and ERET", interrupts::CALLS, 1, interrupts::exception),
    row("MMIO exit", "read of the PL011's flags", memory::EXITS, 1, memory::mmio),
    row("timer interrupt at once", "timer armed for now, its interrupt taken", interrupts::AT_ONCE, 1, interrupts::timer_at_once),
    row("timer interrupt from WFI", "timer armed for 50 µs ahead, its interrupt taken from WFI", interrupts::AHEAD, 1, interrupts::timer_ahead),
    row("IPI to a busy CPU", "interrupt sent to the other CPU and its answer in memory seen", interrupts::SENT, 2, interrupts::ipi_busy),
    row("IPI to a CPU in WFI", "interrupt sent to the other CPU and its answer in memory seen", interrupts::SENT, 2, interrupts::ipi_idle),
    row("translation", "instruction of straight code that runs once", code::RUN_ONCE, 1, code::run_once),
    row("self-modifying code", "function written, made visible and called", code::WRITTEN, 1, code::write_and_call),
];

/// The second-level table, and behind it the third-level tables of one GiB.
const TABLES: u64 = 0x5000_0000;

/// Turns the MMU on, with RAM mapped by pages. Changes x0–x4.
fn pages_on(a: &mut Asm) {
    a.li(0, TABLES);
    a.li(1, TABLES + 0x1000);
    a.li(2, 0x4000_0000 | 0x707); // page: normal, inner shareable, AF
    a64!(a
        ; movz x3, 512
        ; table:
        ; orr x4, x1, 3
        ; str x4, [x0], 8
        ; movz x4, 512
        ; page:
        ; str x2, [x1], 8
        ; add x2, x2, 1, lsl 12
        ; subs x4, x4, 1
        ; b.ne <page
        ; subs x3, x3, 1
        ; b.ne <table
    );
    a.li(0, PLAIN_TABLE);
    a.li(1, TABLES | 3);
    a64!(a; str x1, [x0, 8]; dsb sy; bl ->mmu_on);
}

/// Marks the beginning; clears x23.
fn begin(a: &mut Asm) {
    a64!(a; movz x23, 0);
    a.print("<begin>\n");
}

/// Marks the end, checks x23, and ends the program.
fn end(a: &mut Asm, expected: u64) {
    a.print("<end>\n");
    a.check("count", 23, expected);
    a64!(a; b ->finish);
}

/// A loop between both marks.
fn measured(a: &mut Asm, times: u64, expected: u64, body: impl FnOnce(&mut Asm)) {
    begin(a);
    a.li(19, times);
    let again = a.here();
    body(a);
    a64!(a; subs x19, x19, 1; b.ne =>again);
    end(a, expected);
}
