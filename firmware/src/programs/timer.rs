//! The generic timer: counters, compare and timer values, and the interrupts of the virtual and the physical timer.
//!
//! Spec: Arm ARM D12. Leaves out the event stream and what needs EL2.

use dynasmrt::{DynasmApi, DynasmLabelApi};

use crate::asm::{Asm, a64};
use crate::interrupts;
use crate::sysreg::*;

struct Timer {
    name: &'static str,
    intid: u64,
    count: u32,
    ctl: u32,
    cval: u32,
    tval: u32,
}

const TIMERS: [Timer; 2] = [
    Timer {
        name: "virtual",
        intid: 27,
        count: CNTVCT_EL0,
        ctl: CNTV_CTL_EL0,
        cval: CNTV_CVAL_EL0,
        tval: CNTV_TVAL_EL0,
    },
    Timer {
        name: "physical",
        intid: 30,
        count: CNTPCT_EL0,
        ctl: CNTP_CTL_EL0,
        cval: CNTP_CVAL_EL0,
        tval: CNTP_TVAL_EL0,
    },
];

pub(super) fn emit(a: &mut Asm) {
    a64!(a; ->main: ; bl ->gic_init);
    counters(a);
    for timer in &TIMERS {
        registers(a, timer);
        interrupt(a, timer);
        ticks(a, timer);
    }
    a64!(a; b ->finish);
    interrupts::emit(a);
}

fn counters(a: &mut Asm) {
    a64!(a; mrs x3, CNTFRQ_EL0; cmp x3, 0; cset x3, ne);
    a.check_true("CNTFRQ_EL0 is set", 3);
    a.li(0, 24_000_000);
    a64!(a; mrs x5, CNTFRQ_EL0; msr CNTFRQ_EL0, x0; mrs x3, CNTFRQ_EL0; msr CNTFRQ_EL0, x5; mrs x4, CNTFRQ_EL0);
    a.check("CNTFRQ_EL0 keeps what the highest level writes", 3, 24_000_000);
    a.check_same("CNTFRQ_EL0 takes it back", 4, 5);
    // This loop ends only if the counter moves.
    a64!(a
        ; mrs x3, CNTVCT_EL0
        ; still:
        ; isb
        ; mrs x4, CNTVCT_EL0
        ; cmp x4, x3
        ; b.eq <still
        ; cset x3, hi
    );
    a.check_true("CNTVCT_EL0 moves forward", 3);
    a64!(a
        ; movz x5, 1000
        ; movz x6, 1
        ; isb
        ; mrs x3, CNTVCT_EL0
        ; more:
        ; isb
        ; mrs x4, CNTVCT_EL0
        ; cmp x4, x3
        ; csel x6, x6, xzr, hs
        ; mov x3, x4
        ; subs x5, x5, 1
        ; b.ne <more
    );
    a.check_true("CNTVCT_EL0 never moves back", 6);
    a64!(a
        ; isb
        ; mrs x3, CNTVCT_EL0
        ; isb
        ; mrs x4, CNTPCT_EL0
        ; isb
        ; mrs x5, CNTVCT_EL0
        ; cmp x4, x3
        ; cset x6, hs
        ; cmp x4, x5
        ; csel x6, x6, xzr, ls
    );
    a.check_true("CNTPCT_EL0 is CNTVCT_EL0 where there is no EL2", 6);
}

fn registers(a: &mut Asm, timer: &Timer) {
    let name = timer.name;
    a64!(a; movn x0, 0; lsr x0, x0, 1; msr timer.cval, x0; movz x0, 3; msr timer.ctl, x0; isb; mrs x3, timer.ctl);
    a.check(&format!("{name}: no ISTATUS before CVAL"), 3, 3);
    a64!(a; msr timer.cval, xzr; isb; mrs x3, timer.ctl);
    a.check(&format!("{name}: ISTATUS from CVAL on"), 3, 7);
    a64!(a; msr timer.ctl, xzr; isb; mrs x3, timer.ctl; and x3, x3, 3);
    a.check(&format!("{name}: disabled"), 3, 0);
    a.li(0, 0x1_0000);
    a64!(a
        ; isb
        ; mrs x4, timer.count
        ; isb
        ; msr timer.tval, x0
        ; isb
        ; mrs x5, timer.count
        ; mrs x3, timer.cval
        ; sub x3, x3, x0
        ; cmp x3, x4
        ; cset x6, hs
        ; cmp x3, x5
        ; csel x6, x6, xzr, ls
    );
    a.check_true(&format!("{name}: TVAL sets CVAL"), 6);
    a64!(a
        ; movn x0, 0
        ; msr timer.tval, x0
        ; isb
        ; mrs x4, timer.count
        ; mrs x3, timer.cval
        ; cmp x3, x4
        ; cset x6, lo
    );
    a.check_true(&format!("{name}: a negative TVAL is in the past"), 6);
    a64!(a
        ; movz x7, 0x1234, lsl 32
        ; msr timer.cval, x7
        ; isb
        ; mrs x4, timer.count
        ; isb
        ; mrs x3, timer.tval
        ; isb
        ; mrs x5, timer.count
        ; add w3, w3, w4 // at most the time between, if TVAL is the low word of CVAL minus the counter
        ; sub w5, w5, w4
        ; neg w3, w3
        ; cmp w3, w5
        ; cset x6, ls
        ; mrs x3, timer.tval
        ; lsr x3, x3, 32
    );
    a.check_true(&format!("{name}: TVAL counts down to CVAL"), 6);
    a.check(&format!("{name}: TVAL reads 32 bits"), 3, 0);
}

/// The handler counts in x27, keeps the INTID in x26, and turns the timer off.
fn interrupt(a: &mut Asm, timer: &Timer) {
    let name = timer.name;
    let over = a.label();
    a64!(a; b =>over);
    let handler = a.here();
    a64!(a
        ; str x30, [sp, -16]!
        ; bl ->irq_ack
        ; mov x26, x0
        ; add x27, x27, 1
        ; msr timer.ctl, xzr
        ; isb
        ; bl ->irq_end
        ; ldr x30, [sp], 16
        ; ret
        ; =>over
    );
    a.on_irq(handler);
    a.li(0, timer.intid);
    a.li(1, 0x80);
    a64!(a; bl ->irq_enable);

    // About 10 ms ahead, waiting in WFI with interrupts on.
    a64!(a; movz x27, 0; mrs x0, CNTFRQ_EL0; movz x1, 100; udiv x5, x0, x1; mrs x6, timer.count);
    a64!(a; msr timer.tval, x5; movz x0, 1; msr timer.ctl, x0; isb; msr daifclr, 2; waiting: ; cbnz x27, >came; wfi; b <waiting; came:);
    a64!(a; msr daifset, 2; isb; mrs x7, timer.count; sub x7, x7, x6; cmp x7, x5; cset x7, hs);
    a.check(&format!("{name}: one interrupt"), 27, 1);
    a.check(&format!("{name}: its INTID"), 26, timer.intid);
    a.check_true(&format!("{name}: not before its time"), 7);

    // Masked in PSTATE, it still ends WFI and is pending.
    a64!(a; movz x27, 0; msr timer.tval, x5; movz x0, 1; msr timer.ctl, x0; isb; waiting: ; wfi; mrs x0, timer.ctl; tbz x0, 2, <waiting);
    a.li(0, timer.intid);
    a64!(a; bl ->irq_is_pending);
    a64!(a; mov x3, x0);
    a.check(&format!("{name}: masked, it ends WFI"), 27, 0);
    a.check(&format!("{name}: masked, it is pending"), 3, 1);
    a64!(a; msr daifclr, 2; isb; msr daifset, 2);
    a.check(&format!("{name}: taken once unmasked"), 27, 1);

    // IMASK keeps the line low.
    a64!(a; msr timer.cval, xzr; movz x0, 3; msr timer.ctl, x0; isb);
    a.li(0, timer.intid);
    a64!(a; bl ->irq_is_pending; mov x3, x0; msr timer.ctl, xzr; isb);
    a.check(&format!("{name}: IMASK keeps it away"), 3, 0);
}

/// Fifty periods by CVAL, WFI between.
fn ticks(a: &mut Asm, timer: &Timer) {
    let name = timer.name;
    let over = a.label();
    a64!(a; b =>over);
    let handler = a.here();
    a64!(a
        ; str x30, [sp, -16]!
        ; bl ->irq_ack
        ; add x27, x27, 1
        ; mrs x1, timer.cval
        ; add x1, x1, x25
        ; msr timer.cval, x1
        ; isb
        ; bl ->irq_end
        ; ldr x30, [sp], 16
        ; ret
        ; =>over
    );
    a.on_irq(handler);
    a64!(a
        ; movz x27, 0
        ; mrs x0, CNTFRQ_EL0
        ; movz x1, 1000
        ; udiv x25, x0, x1
        ; isb
        ; mrs x24, timer.count
        ; add x0, x24, x25
        ; msr timer.cval, x0
        ; movz x0, 1
        ; msr timer.ctl, x0
        ; isb
        ; msr daifclr, 2
        ; waiting:
        ; wfi
        ; cmp x27, 50
        ; b.lo <waiting
        ; msr daifset, 2
        ; msr timer.ctl, xzr
        ; isb
        ; mrs x3, timer.count
        ; sub x3, x3, x24
        ; movz x0, 50
        ; mul x0, x0, x25
        ; cmp x3, x0
        ; cset x3, hs
    );
    a.check_true(&format!("{name}: fifty ticks take fifty periods"), 3);
    a.li(0, timer.intid);
    a64!(a; bl ->irq_disable);
}
