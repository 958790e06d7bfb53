//! Exceptions and interrupts, with vectors that do no more than they must.
//!
//! A handler may change x9–x11; x23 counts.

use dynasmrt::{DynasmApi, DynasmLabelApi};

use super::{measured, pages_on};
use crate::asm::{Asm, a64};
use crate::interrupts;
use crate::runtime::SCRATCH;
use crate::sysreg::*;

pub(super) const CALLS: u64 = 5_000_000;
pub(super) const AT_ONCE: u64 = 200_000;
pub(super) const AHEAD: u64 = 5_000;
pub(super) const SENT: u64 = 50_000;

const TIMER: u64 = 27;
const SGI: u64 = 1;
const PRIORITY: u64 = 0xa0;
/// CPU 1's redistributor.
const GICR1: u64 = 0x080c_0000;
/// What CPU 1 has answered, and whether it is there.
const ANSWER: u64 = SCRATCH;

/// Vectors with one way in, at an offset; the rest of the table is never reached.
fn vector(a: &mut Asm, offset: usize, handler: impl FnOnce(&mut Asm)) {
    a64!(a; .align 2048; ->lean_vectors:);
    for _ in 0..offset / 4 {
        a64!(a; b ->unexpected);
    }
    handler(a);
    a64!(a; eret);
}

/// Lets this CPU use [`vector`]. Changes x0.
fn use_vector(a: &mut Asm) {
    a64!(a; adr x0, ->lean_vectors; msr VBAR_EL1, x0; isb);
}

pub(super) fn exception(a: &mut Asm) {
    a64!(a; ->main:);
    pages_on(a);
    use_vector(a);
    measured(a, CALLS, CALLS, |a| a64!(a; svc 0));
    vector(a, 0x200, |a| a64!(a; add x23, x23, 1));
}

pub(super) fn timer_at_once(a: &mut Asm) {
    timer(a, AT_ONCE, None);
}

pub(super) fn timer_ahead(a: &mut Asm) {
    timer(a, AHEAD, Some(20_000));
}

/// `ahead` is the divisor of a second that the timer is armed ahead, and waited for in WFI.
fn timer(a: &mut Asm, times: u64, ahead: Option<u64>) {
    a64!(a; ->main:);
    pages_on(a);
    a64!(a; bl ->gic_init);
    a.li(0, TIMER);
    a.li(1, PRIORITY);
    a64!(a; bl ->irq_enable; movz x20, 0; movz x22, 1);
    if let Some(divisor) = ahead {
        a.li(1, divisor);
        a64!(a; mrs x0, CNTFRQ_EL0; udiv x20, x0, x1);
    }
    use_vector(a);
    a64!(a; movz x24, 0);
    measured(a, times, times, |a| {
        let (waiting, came) = (a.label(), a.label());
        a64!(a; msr CNTV_TVAL_EL0, x20; msr CNTV_CTL_EL0, x22; isb; add x24, x23, 1; =>waiting);
        if ahead.is_some() {
            // Masked while it looks, so that the interrupt cannot come between the look and WFI.
            a64!(a; msr daifset, 2; cmp x23, x24; b.eq =>came; wfi; msr daifclr, 2; isb; b =>waiting);
        } else {
            a64!(a; msr daifclr, 2; cmp x23, x24; b.ne =>waiting);
        }
        a64!(a; =>came; msr daifset, 2);
    });
    vector(a, 0x280, |a| {
        a64!(a
            ; mrs x9, ICC_IAR1_EL1
            ; msr CNTV_CTL_EL0, xzr
            ; isb
            ; msr ICC_EOIR1_EL1, x9
            ; add x23, x23, 1
        );
    });
    interrupts::emit(a);
}

pub(super) fn ipi_busy(a: &mut Asm) {
    ipi(a, false);
}

pub(super) fn ipi_idle(a: &mut Asm) {
    ipi(a, true);
}

fn ipi(a: &mut Asm, idle: bool) {
    a64!(a; ->main:);
    pages_on(a);
    a64!(a; bl ->gic_init);
    a.li(20, ANSWER);
    a64!(a; str xzr, [x20]; str xzr, [x20, 64]; movz x0, 1; adr x1, ->other; movz x2, 1; bl ->cpu_on);
    a64!(a; add x21, x20, 64; there: ; ldar x0, [x21]; cbz x0, <there);
    a.li(22, SGI << 24 | 1 << 1);
    measured(a, SENT, SENT, |a| {
        a64!(a
            ; add x24, x23, 1
            ; msr ICC_SGI1R_EL1, x22
            ; isb
            ; waiting:
            ; ldar x23, [x20]
            ; cmp x23, x24
            ; b.ne <waiting
        );
    });

    a64!(a; ->other:);
    use_vector(a);
    a.li(0, GICR1);
    a64!(a; ldr w1, [x0, 0x14]; and w1, w1, 0xffff_fffd; str w1, [x0, 0x14]; asleep: ; ldr w1, [x0, 0x14]; tbnz w1, 2, <asleep);
    a.li(0, GICR1 + 0x1_0000);
    a64!(a
        ; movn w1, 0
        ; str w1, [x0, 0x80] // GICR_IGROUPR0
        ; movz w1, 1 << SGI
        ; str w1, [x0, 0x100] // GICR_ISENABLER0
        ; mrs x1, ICC_SRE_EL1
        ; orr x1, x1, 1
        ; msr ICC_SRE_EL1, x1
        ; isb
        ; movz x1, 0xff
        ; msr ICC_PMR_EL1, x1
        ; msr ICC_CTLR_EL1, xzr
        ; movz x1, 1
        ; msr ICC_IGRPEN1_EL1, x1
        ; isb
    );
    a.li(20, ANSWER);
    a64!(a; movz x23, 0; add x21, x20, 64; msr daifclr, 2; movz x1, 1; stlr x1, [x21]; idle:);
    if idle {
        a64!(a; wfi);
    }
    a64!(a; b <idle);
    vector(a, 0x280, |a| {
        a64!(a
            ; mrs x9, ICC_IAR1_EL1
            ; msr ICC_EOIR1_EL1, x9
            ; add x23, x23, 1
            ; stlr x23, [x20]
        );
    });
    interrupts::emit(a);
}
