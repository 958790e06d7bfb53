//! What every program stands on: start, stacks, exception vectors, the serial port, the verdict, power off.
//!
//! Spec: Arm ARM D1 (exceptions), PL011 TRM (DDI 0183), PSCI (DEN 0022). Leaves out the device tree: the programs know
//! the board by its addresses.

use dynasmrt::{DynasmApi, DynasmLabelApi};

use crate::asm::{Asm, a64};
use crate::sysreg::*;

/// The serial port.
pub(crate) const UART: u64 = 0x0900_0000;
/// CPU n's area starts at `CPU_AREAS + n * CPU_AREA_LEN`; its stack grows down from the area's end.
pub(crate) const CPU_AREAS: u64 = 0x4100_0000;
pub(crate) const CPU_AREA_LEN: u64 = 0x1_0000;
const CPUS: u64 = 8;
/// The failures counted so far.
const FAILURES: u64 = CPU_AREAS + CPUS * CPU_AREA_LEN;
/// The level 1 table of the plain map that `->mmu_on` turns on.
pub(crate) const PLAIN_TABLE: u64 = FAILURES + 0x1000;
/// Memory from here up to the end of the image size is a program's own.
pub(crate) const SCRATCH: u64 = 0x4180_0000;

/// RAM's second place in the plain map.
pub(crate) const ALIAS: u64 = 0x8000_0000;

/// SCTLR_EL1 with the MMU off: RES1 bits, SPAN, and stack alignment checks; every EL0 permission withheld.
pub(crate) const SCTLR_OFF: u64 = 0x30d0_0818;
/// SCTLR_EL1.{M, C, I}.
pub(crate) const SCTLR_MMU: u64 = 1 | 1 << 2 | 1 << 12;
/// MAIR_EL1: attribute 0 is Device-nGnRnE, attribute 1 Normal write-back.
pub(crate) const MAIR: u64 = 0xff00;
/// 39-bit TTBR0, 4 KiB granule, inner shareable write-back walks, TTBR1 off, 40-bit physical addresses.
const TCR_PLAIN: u64 = 25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23 | 2 << 32;

/// Offsets in a CPU's area.
pub(crate) struct CpuArea;
impl CpuArea {
    pub(crate) const RESUME: u32 = 0;
    pub(crate) const VECTOR: u32 = 8;
    pub(crate) const ESR: u32 = 16;
    pub(crate) const FAR: u32 = 24;
    pub(crate) const ELR: u32 = 32;
    pub(crate) const SPSR: u32 = 40;
    pub(crate) const IRQ_HANDLER: u32 = 48;
    /// Where a secondary CPU goes after its start.
    pub(crate) const ENTRY: u32 = 56;
    /// Not zero: a secondary CPU turns the plain map on.
    pub(crate) const WANTS_MMU: u32 = 64;
}

/// Vector numbers: offset in the vector table divided by 0x80.
pub(crate) struct Vector;
impl Vector {
    pub(crate) const EL1T_SYNC: u64 = 0;
    pub(crate) const EL1H_SYNC: u64 = 4;
    pub(crate) const EL0_SYNC: u64 = 8;
    pub(crate) const NONE: u64 = 0xff;
}

/// PSCI function numbers.
pub(crate) struct Psci;
impl Psci {
    pub(crate) const VERSION: u64 = 0x8400_0000;
    pub(crate) const CPU_OFF: u64 = 0x8400_0002;
    pub(crate) const CPU_ON: u64 = 0xc400_0003;
    pub(crate) const AFFINITY_INFO: u64 = 0xc400_0004;
    pub(crate) const SYSTEM_OFF: u64 = 0x8400_0008;
    pub(crate) const SYSTEM_RESET: u64 = 0x8400_0009;
    pub(crate) const FEATURES: u64 = 0x8400_000a;
}

/// Emits the start-up code (which goes on to `->main` with x0 = device tree) and every routine.
pub(crate) fn emit(a: &mut Asm) {
    start(a);
    secondary(a);
    vectors(a);
    printing(a);
    mmu_on(a);
}

fn start(a: &mut Asm) {
    a64!(a; mov x20, x0; msr daifset, 15);
    a.li(1, SCTLR_OFF);
    a64!(a; msr SCTLR_EL1, x1);
    a.li(1, UART);
    a64!(a; movz w2, 0x301; str w2, [x1, 0x30]); // UARTCR: on, transmit, receive
    a.li(1, CPU_AREAS);
    a.li(2, SCRATCH);
    a64!(a
        ; clear:
        ; stp xzr, xzr, [x1], 16
        ; cmp x1, x2
        ; b.lo <clear
    );
    a.li(1, PLAIN_TABLE);
    a.li(2, 0x60_0000_0000_0401); // block at 0: device, execute never, AF
    a64!(a; str x2, [x1]);
    a.li(2, 0x4000_0000 | 0x705); // block: normal, inner shareable, AF
    a64!(a; str x2, [x1, 8]; str x2, [x1, 16]); // RAM, and once more at ALIAS
    a.li(1, CPU_AREAS);
    a64!(a; bl ->cpu_setup; mov x0, x20; b ->main);

    // x1 = area. Sets stack, vectors, FP access, and unlocks the debug registers.
    a64!(a
        ; ->cpu_setup:
        ; msr TPIDR_EL1, x1
        ; add sp, x1, 16, lsl 12
        ; adr x2, ->vectors
        ; msr VBAR_EL1, x2
        ; movz x2, 0x30, lsl 16
        ; msr CPACR_EL1, x2
        ; msr OSLAR_EL1, xzr
        ; msr MDSCR_EL1, xzr
        ; isb
        ; ret
    );

    // The end of every program.
    let pass = a.string("PASS\n");
    let fail = a.string("FAIL\n");
    a64!(a; ->finish:);
    a.li(1, FAILURES);
    a64!(a
        ; ldr x2, [x1]
        ; adr x0, =>pass
        ; cbz x2, >say
        ; adr x0, =>fail
        ; say:
        ; bl ->puts
        ; ->power_off:
    );
    a.li(0, Psci::SYSTEM_OFF);
    a64!(a; hvc 0; forever: ; wfi; b <forever);
}

fn secondary(a: &mut Asm) {
    // cpu_on: x0 = CPU number, x1 = routine, x2 = not zero for the plain map. Returns PSCI's answer; changes x3–x5.
    a64!(a; ->cpu_on:);
    a.li(3, CPU_AREAS);
    a64!(a
        ; add x3, x3, x0, lsl 16
        ; str x1, [x3, CpuArea::ENTRY]
        ; str x2, [x3, CpuArea::WANTS_MMU]
        ; dc cvac, x3
        ; dsb sy
        ; mov x1, x0
        ; adr x2, ->secondary
    );
    a.li(0, Psci::CPU_ON);
    a64!(a; hvc 0; ret);

    a64!(a; ->secondary: ; msr daifset, 15; mov x1, x0);
    a.li(0, SCTLR_OFF);
    a64!(a
        ; msr SCTLR_EL1, x0
        ; isb
        ; bl ->cpu_setup
        ; mrs x19, TPIDR_EL1
        ; ldr x0, [x19, CpuArea::WANTS_MMU]
        ; cbz x0, >go
        ; bl ->mmu_on
        ; go:
        ; ldr x1, [x19, CpuArea::ENTRY]
        ; blr x1
    );
    a.li(0, Psci::CPU_OFF);
    a64!(a; hvc 0; forever: ; wfi; b <forever);
}

fn vectors(a: &mut Asm) {
    a64!(a; .align 2048; ->vectors:);
    for n in 0..16u32 {
        a64!(a; .align 128; stp x16, x17, [sp, -16]!; movz x16, n; b ->exception);
    }
    a64!(a
        ; .align 128
        ; ->exception:
        ; mrs x17, TPIDR_EL1
        ; tbnz x16, 0, >interrupt
        ; str x16, [x17, CpuArea::VECTOR]
        ; mrs x16, ESR_EL1
        ; str x16, [x17, CpuArea::ESR]
        ; mrs x16, FAR_EL1
        ; str x16, [x17, CpuArea::FAR]
        ; mrs x16, ELR_EL1
        ; str x16, [x17, CpuArea::ELR]
        ; mrs x16, SPSR_EL1
        ; str x16, [x17, CpuArea::SPSR]
        ; ldr x16, [x17, CpuArea::RESUME]
        ; cbz x16, ->unexpected
        ; str xzr, [x17, CpuArea::RESUME]
        ; msr ELR_EL1, x16
        ; movz x16, 0x3c5
        ; msr SPSR_EL1, x16
        ; ldp x16, x17, [sp], 16
        ; eret
        ; interrupt:
        ; str x16, [x17, CpuArea::VECTOR]
        ; ldr x16, [x17, CpuArea::IRQ_HANDLER]
        ; cbz x16, ->unexpected
        ; stp x0, x1, [sp, -128]!
        ; stp x2, x3, [sp, 16]
        ; stp x4, x5, [sp, 32]
        ; stp x6, x7, [sp, 48]
        ; stp x8, x9, [sp, 64]
        ; stp x10, x11, [sp, 80]
        ; mrs x0, ELR_EL1
        ; mrs x1, SPSR_EL1
        ; stp x0, x1, [sp, 96]
        ; str x30, [sp, 112]
        ; blr x16
        ; ldp x0, x1, [sp, 96]
        ; msr ELR_EL1, x0
        ; msr SPSR_EL1, x1
        ; ldr x30, [sp, 112]
        ; ldp x10, x11, [sp, 80]
        ; ldp x8, x9, [sp, 64]
        ; ldp x6, x7, [sp, 48]
        ; ldp x4, x5, [sp, 32]
        ; ldp x2, x3, [sp, 16]
        ; ldp x0, x1, [sp], 128
        ; ldp x16, x17, [sp], 16
        ; eret
        ; ->unexpected:
        ; mov x19, x17
    );
    for (text, field) in [
        ("FAIL unexpected exception: vector ", CpuArea::VECTOR),
        (" ESR_EL1 ", CpuArea::ESR),
        (" FAR_EL1 ", CpuArea::FAR),
        (" ELR_EL1 ", CpuArea::ELR),
        (" SPSR_EL1 ", CpuArea::SPSR),
    ] {
        a.print(text);
        a64!(a; ldr x0, [x19, field]; bl ->puthex);
    }
    a.print("\nFAIL\n");
    a64!(a; b ->power_off);
}

fn printing(a: &mut Asm) {
    // putc: w0 = byte. Keeps every register but x16, x17.
    a64!(a; ->putc:);
    a.li(16, UART);
    a64!(a
        ; full:
        ; ldr w17, [x16, 0x18]
        ; tbnz w17, 5, <full
        ; str w0, [x16]
        ; ret
    );
    // puts: x0 = text. Keeps every register but x0, x16, x17.
    a64!(a
        ; ->puts:
        ; stp x1, x30, [sp, -16]!
        ; mov x1, x0
        ; next:
        ; ldrb w0, [x1], 1
        ; cbz w0, >end
        ; bl ->putc
        ; b <next
        ; end:
        ; ldp x1, x30, [sp], 16
        ; ret
    );
    // puthex: x0 = number. Keeps every register but x0, x16, x17.
    a64!(a
        ; ->puthex:
        ; stp x1, x30, [sp, -32]!
        ; stp x2, x3, [sp, 16]
        ; mov x1, x0
        ; movz w0, '0' as u32
        ; bl ->putc
        ; movz w0, 'x' as u32
        ; bl ->putc
        ; movz x2, 60
        ; digit:
        ; lsr x3, x1, x2
        ; cbz x2, >show
        ; cbz x3, >skip
        ; show:
        ; and x3, x3, 15
        ; add x0, x3, '0' as u32
        ; cmp x3, 10
        ; b.lo >decimal
        ; add x0, x3, 'a' as u32 - 10
        ; decimal:
        ; bl ->putc
        ; skip:
        ; subs x2, x2, 4
        ; b.pl <digit
        ; ldp x2, x3, [sp, 16]
        ; ldp x1, x30, [sp], 32
        ; ret
    );
    // check: x0 = name, x1 = expected, x2 = got. Keeps every register but x0–x2, x16, x17.
    let (ok, fail, expected, got, end) =
        (a.string("ok "), a.string("FAIL "), a.string(" expected "), a.string(" got "), a.string("\n"));
    a64!(a
        ; ->check:
        ; stp x3, x30, [sp, -32]!
        ; str x4, [sp, 16]
        ; mov x3, x0
        ; mov x4, x1
        ; cmp x1, x2
        ; b.ne >bad
        ; adr x0, =>ok
        ; bl ->puts
        ; mov x0, x3
        ; bl ->puts
        ; b >done
        ; bad:
        ; adr x0, =>fail
        ; bl ->puts
        ; mov x0, x3
        ; bl ->puts
        ; adr x0, =>expected
        ; bl ->puts
        ; mov x0, x4
        ; bl ->puthex
        ; adr x0, =>got
        ; bl ->puts
        ; mov x0, x2
        ; bl ->puthex
    );
    a.li(0, FAILURES);
    a64!(a
        ; ldr x1, [x0]
        ; add x1, x1, 1
        ; str x1, [x0]
        ; done:
        ; adr x0, =>end
        ; bl ->puts
        ; ldr x4, [sp, 16]
        ; ldp x3, x30, [sp], 32
        ; ret
    );
}

fn mmu_on(a: &mut Asm) {
    // mmu_on: the first GiB as device memory, RAM as normal memory. Changes x0, x1.
    a64!(a; ->mmu_on:);
    a.li(0, PLAIN_TABLE);
    a64!(a; msr TTBR0_EL1, x0);
    a.li(0, MAIR);
    a64!(a; msr MAIR_EL1, x0);
    a.li(0, TCR_PLAIN);
    a64!(a; msr TCR_EL1, x0; dsb sy; tlbi vmalle1; dsb sy; isb);
    a.li(0, SCTLR_OFF | SCTLR_MMU);
    a64!(a; msr SCTLR_EL1, x0; isb; ret);
}
