//! Translation with the 16 KiB and the 64 KiB granule: pages, blocks, faults by level, address translation.
//!
//! Spec: Arm ARM D8.2. What does not depend on the granule is in `mmu`.

use dynasmrt::{DynasmApi, DynasmLabelApi};

use crate::asm::{Asm, a64};
use crate::runtime::{MAIR, SCRATCH, SCTLR_MMU, SCTLR_OFF, Vector};
use crate::sysreg::*;

/// How one granule is laid out; the walk starts at `root_level`, whose entries each map `1 << root_shift` bytes.
struct Granule {
    name: &'static str,
    /// log2 of the page size.
    shift: u64,
    /// TCR_EL1.{TG0, T0SZ}.
    tcr: u64,
    root_level: u64,
}

const GRANULES: [Granule; 3] = [
    Granule { name: "16K, 47 bits", shift: 14, tcr: 2 << 14 | 17, root_level: 1 },
    Granule { name: "64K, 42 bits", shift: 16, tcr: 1 << 14 | 22, root_level: 2 },
    Granule { name: "64K, 48 bits", shift: 16, tcr: 1 << 14 | 16, root_level: 1 },
];

const WINDOW: u64 = 0x8000_0000;
const PAGES: u64 = 0x4300_0000;
const TABLE: u64 = 3;
const KERNEL: u64 = 3 | 1 << 2 | 3 << 8 | 1 << 10 | 1 << 54;
const BLOCK: u64 = KERNEL & !2 & !(1 << 54);
const DEVICE: u64 = 1 | 1 << 10 | 3 << 53;

pub(super) fn emit(a: &mut Asm) {
    a64!(a; ->main:);
    for (n, granule) in GRANULES.iter().enumerate() {
        test(a, granule, SCRATCH + 0x10_0000 * n as u64);
    }
    a64!(a; b ->finish);
}

fn poke(a: &mut Asm, at: u64, value: u64) {
    a.li(0, at);
    a.li(1, value);
    a64!(a; str x1, [x0]);
}

fn load(a: &mut Asm, address: u64) {
    a.expect(|a| {
        a.li(0, address);
        a64!(a; movz x3, 0; ldr x3, [x0]);
    });
}

fn test(a: &mut Asm, granule: &Granule, tables: u64) {
    let &Granule { name, shift, tcr, root_level } = granule;
    let page_size = 1 << shift;
    let block_shift = 2 * shift - 3;
    let root_shift = shift + (shift - 3) * (3 - root_level);
    let level2 = if root_level == 2 { tables } else { tables + page_size };
    let level3 = tables + 2 * page_size;
    if root_level == 1 {
        poke(a, tables, level2 | TABLE);
    }
    // Device memory up to RAM, 64 MiB of RAM (or the block that holds it), a level 3 table at the window.
    for n in 0..0x4000_0000u64 >> block_shift {
        poke(a, level2 + 8 * n, n << block_shift | DEVICE);
    }
    for n in 0..(0x400_0000u64 >> block_shift).max(1) {
        poke(a, level2 + 8 * (n + (0x4000_0000 >> block_shift)), (0x4000_0000 + (n << block_shift)) | BLOCK);
    }
    poke(a, level2 + 8 * (WINDOW >> block_shift), level3 | TABLE);
    for n in 0..4 {
        poke(a, PAGES + page_size * n, 0xbeef_0000 + n);
        poke(a, level3 + 8 * n, (PAGES + page_size * n) | KERNEL);
    }
    poke(a, level3 + 8 * 3, PAGES | KERNEL | 1 << 7);
    poke(a, level3 + 8 * 4, 0);

    a.li(0, MAIR);
    a64!(a; msr MAIR_EL1, x0);
    a.li(0, tcr | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 2 << 32);
    a64!(a; msr TCR_EL1, x0);
    a.li(0, tables);
    a64!(a; msr TTBR0_EL1, x0; dsb sy; tlbi vmalle1; dsb sy; isb);
    a.li(0, SCTLR_OFF | SCTLR_MMU);
    a64!(a; msr SCTLR_EL1, x0; isb);

    for n in 0..3 {
        let last = page_size - 8;
        load(a, WINDOW + page_size * n);
        a.check(&format!("{name}: page {n}"), 3, 0xbeef_0000 + n);
        a.li(0, WINDOW + page_size * n + last);
        a.li(1, PAGES + page_size * n + last);
        a64!(a; movz x3, 0x77 + n as u32; str x3, [x0]; ldr x4, [x1]);
        a.check_same(&format!("{name}: end of page {n}"), 4, 3);
    }
    let expect_fault = |a: &mut Asm, address: u64, what: &str, esr: u64| {
        let name = format!("{name}: {what}");
        a.check_exception(&name, Vector::EL1H_SYNC, esr);
        a.check_far(&name, address);
    };
    let hole = WINDOW + page_size * 4;
    load(a, hole);
    expect_fault(a, hole, "level 3 translation", 0x9600_0007);
    let hole = WINDOW + (1 << block_shift);
    load(a, hole);
    expect_fault(a, hole, "level 2 translation", 0x9600_0006);
    if root_level == 1 {
        let hole = 1 << root_shift;
        load(a, hole);
        expect_fault(a, hole, "level 1 translation", 0x9600_0005);
    }
    let read_only = WINDOW + page_size * 3;
    a.expect(|a| {
        a.li(0, read_only);
        a64!(a; str x3, [x0]);
    });
    expect_fault(a, read_only, "level 3 permission", 0x9600_004f);
    a.li(0, WINDOW + page_size + 0x1230);
    a64!(a; at s1e1r, x0; isb; mrs x3, PAR_EL1);
    a.li(0, 0x0000_ffff_ffff_f001);
    a64!(a; and x3, x3, x0);
    a.check(&format!("{name}: AT S1E1R"), 3, PAGES + page_size + 0x1000);

    a.li(0, SCTLR_OFF);
    a64!(a; msr SCTLR_EL1, x0; isb; dsb sy; tlbi vmalle1; dsb sy; isb);
}
