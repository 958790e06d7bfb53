//! Routines that drive the interrupt controller, GICv3 or GICv2, whichever the CPU says it has.
//!
//! Spec: GIC architecture (IHI 0069 for v3, IHI 0048 for v2). One security state, CPU 0 only, group 1 (v3) or the only
//! group (v2). Leaves out LPIs and the ITS.
//!
//! Every routine may change x0–x4, x16, x17; arguments are x0 and x1, the answer is x0.

use dynasmrt::{DynasmApi, DynasmLabelApi};

use crate::asm::{Asm, a64};
use crate::sysreg::*;

const GICD: u64 = 0x0800_0000;
const GICC: u64 = 0x0801_0000;
const GICR: u64 = 0x080a_0000;
const GICR_SGI: u64 = GICR + 0x1_0000;

// Distributor registers; the redistributor's SGI frame has the same ones for INTIDs 0–31.
const ISENABLER: u32 = 0x100;
const ICENABLER: u32 = 0x180;
const ISPENDR: u32 = 0x200;
const ISACTIVER: u32 = 0x300;
const IPRIORITYR: u32 = 0x400;
const ITARGETSR: u32 = 0x800;
// CPU interface of GICv2.
const GICC_PMR: u32 = 0x4;
const GICC_IAR: u32 = 0xc;
const GICC_EOIR: u32 = 0x10;
const GICC_RPR: u32 = 0x14;
const GICC_DIR: u32 = 0x1000;
const GICD_SGIR: u32 = 0xf00;

/// Running priority when nothing is active, and the INTID when nothing is pending.
pub(crate) const IDLE_PRIORITY: u64 = 0xff;
pub(crate) const SPURIOUS: u64 = 1023;

/// Emits the routines; only programs that use interrupts carry them.
pub(crate) fn emit(a: &mut Asm) {
    // Leaves NE where there is a GICv3.
    a64!(a; ->has_gic_v3: ; mrs x16, ID_AA64PFR0_EL1; tst x16, 0xf00_0000; ret);
    init(a);
    cpu_interface(a);
    one_interrupt(a);
}

/// `name`: runs `v3` or `v2`; the latter with x16 = GICC.
fn either(a: &mut Asm, v3: impl FnOnce(&mut Asm), v2: impl FnOnce(&mut Asm)) {
    let old = a.label();
    a64!(a; mrs x16, ID_AA64PFR0_EL1; tst x16, 0xf00_0000; b.eq =>old);
    v3(a);
    a64!(a; isb; ret; =>old);
    a.li(16, GICC);
    v2(a);
    a64!(a; dsb sy; ret);
}

fn init(a: &mut Asm) {
    // gic_init: everything disabled and in group 1, every priority let through.
    a64!(a; ->gic_init:);
    either(
        a,
        |a| {
            a.li(0, GICD);
            a64!(a
                ; movz w1, 0x12
                ; str w1, [x0] // GICD_CTLR: ARE, EnableGrp1
                ; movn w1, 0
                ; str w1, [x0, 0x84]
                ; str w1, [x0, 0x88]
            );
            a.li(0, GICR);
            a64!(a
                ; ldr w1, [x0, 0x14]
                ; and w1, w1, 0xffff_fffd
                ; str w1, [x0, 0x14] // GICR_WAKER.ProcessorSleep
                ; asleep:
                ; ldr w1, [x0, 0x14]
                ; tbnz w1, 2, <asleep
            );
            a.li(0, GICR_SGI);
            a64!(a
                ; movn w1, 0
                ; str w1, [x0, 0x80] // IGROUPR0
                ; str w1, [x0, ICENABLER]
                ; mrs x1, ICC_SRE_EL1
                ; orr x1, x1, 1
                ; msr ICC_SRE_EL1, x1
                ; isb
                ; movz x1, 0xff
                ; msr ICC_PMR_EL1, x1
                ; msr ICC_BPR1_EL1, xzr
                ; msr ICC_CTLR_EL1, xzr
                ; movz x1, 1
                ; msr ICC_IGRPEN1_EL1, x1
            );
        },
        |a| {
            a.li(0, GICD);
            a64!(a
                ; movz w1, 1
                ; str w1, [x0]
                ; str w1, [x16]
                ; movz w1, 0xff
                ; str w1, [x16, GICC_PMR]
            );
        },
    );
}

fn cpu_interface(a: &mut Asm) {
    a64!(a; ->irq_ack:);
    either(a, |a| a64!(a; mrs x0, ICC_IAR1_EL1), |a| a64!(a; ldr w0, [x16, GICC_IAR]));
    a64!(a; ->irq_end:);
    either(a, |a| a64!(a; msr ICC_EOIR1_EL1, x0), |a| a64!(a; str w0, [x16, GICC_EOIR]));
    a64!(a; ->irq_deactivate:);
    either(a, |a| a64!(a; msr ICC_DIR_EL1, x0), |a| a64!(a; add x16, x16, GICC_DIR >> 12, lsl 12; str w0, [x16]));
    a64!(a; ->set_priority_mask:);
    either(a, |a| a64!(a; msr ICC_PMR_EL1, x0), |a| a64!(a; str w0, [x16, GICC_PMR]));
    a64!(a; ->running_priority:);
    either(a, |a| a64!(a; mrs x0, ICC_RPR_EL1), |a| a64!(a; ldr w0, [x16, GICC_RPR]));
    // set_eoi_mode: x0 = 0 or 1.
    a64!(a; ->set_eoi_mode:);
    either(
        a,
        |a| a64!(a; lsl x0, x0, 1; msr ICC_CTLR_EL1, x0),
        |a| a64!(a; lsl x0, x0, 9; orr x0, x0, 1; str w0, [x16]),
    );
    // sgi_self: x0 = INTID, sent to CPU 0.
    a64!(a; ->sgi_self:);
    either(
        a,
        |a| a64!(a; lsl x0, x0, 24; orr x0, x0, 1; msr ICC_SGI1R_EL1, x0),
        |a| {
            a.li(16, GICD);
            a64!(a; movz w1, 1, lsl 16; orr w0, w0, w1; str w0, [x16, GICD_SGIR]);
        },
    );
}

fn one_interrupt(a: &mut Asm) {
    // interrupt_frame: x0 = INTID gives x2 = its frame, x3 = offset of its word, x4 = its bit.
    a64!(a; ->interrupt_frame:);
    a.li(2, GICD);
    a64!(a; cmp x0, 32; b.hs >distributor; mrs x16, ID_AA64PFR0_EL1; tst x16, 0xf00_0000; b.eq >distributor);
    a.li(2, GICR_SGI);
    a64!(a
        ; distributor:
        ; lsr x3, x0, 5
        ; lsl x3, x3, 2
        ; movz w4, 1
        ; lsl w4, w4, w0
        ; ret
    );
    // irq_enable: x0 = INTID, x1 = priority; an SPI goes to CPU 0.
    a64!(a
        ; ->irq_enable:
        ; str x30, [sp, -16]!
        ; bl ->interrupt_frame
        ; add x16, x2, IPRIORITYR
        ; strb w1, [x16, x0]
        ; cmp x0, 32
        ; b.lo >enable
        ; mrs x16, ID_AA64PFR0_EL1
        ; tst x16, 0xf00_0000
        ; b.ne >routed
        ; add x16, x2, ITARGETSR
        ; movz w1, 1
        ; strb w1, [x16, x0]
        ; b >enable
        ; routed:
        ; add x16, x2, 6, lsl 12 // GICD_IROUTER
        ; str xzr, [x16, x0, lsl 3]
        ; enable:
        ; add x2, x2, x3
        ; str w4, [x2, ISENABLER]
        ; dsb sy
        ; ldr x30, [sp], 16
        ; ret
    );
    a64!(a
        ; ->irq_disable:
        ; str x30, [sp, -16]!
        ; bl ->interrupt_frame
        ; add x2, x2, x3
        ; str w4, [x2, ICENABLER]
        ; dsb sy
        ; ldr x30, [sp], 16
        ; ret
    );
    a64!(a
        ; ->irq_pend:
        ; str x30, [sp, -16]!
        ; bl ->interrupt_frame
        ; add x2, x2, x3
        ; str w4, [x2, ISPENDR]
        ; dsb sy
        ; ldr x30, [sp], 16
        ; ret
    );
    // irq_is_pending, irq_is_active: x0 = INTID gives 0 or 1.
    for (active, register) in [(false, ISPENDR), (true, ISACTIVER)] {
        if active {
            a64!(a; ->irq_is_active:);
        } else {
            a64!(a; ->irq_is_pending:);
        }
        a64!(a
            ; str x30, [sp, -16]!
            ; bl ->interrupt_frame
            ; add x2, x2, x3
            ; ldr w0, [x2, register]
            ; tst w0, w4
            ; cset x0, ne
            ; ldr x30, [sp], 16
            ; ret
        );
    }
}
