//! The interrupt controller: software interrupts, priorities and their mask, running priority, pre-emption, a
//! level-sensitive shared interrupt (the PL011's transmit interrupt), priority drop apart from deactivation.
//!
//! Spec: IHI 0069 (GICv3), IHI 0048 (GICv2); the program drives whichever is there. Leaves out LPIs.
//!
//! The handler shifts each INTID into x27, so x27 tells in which order things came; x26 is the running priority that it
//! saw, and x25 the address of a routine that it calls with x0 = INTID (0 for none).

use dynasmrt::{DynasmApi, DynasmLabelApi};

use crate::asm::{Asm, a64};
use crate::interrupts::{self, IDLE_PRIORITY, SPURIOUS};
use crate::runtime::UART;

const LOW: u64 = 0xa0;
const HIGH: u64 = 0x40;
/// SPI 1.
const UART_INTID: u64 = 33;
/// An SPI that no device of the board raises by itself here.
const UNUSED_INTID: u64 = 47;

pub(super) fn emit(a: &mut Asm) {
    a64!(a; ->main: ; bl ->gic_init);
    let over = a.label();
    a64!(a; b =>over);
    let handler = a.here();
    a64!(a
        ; stp x30, xzr, [sp, -16]!
        ; bl ->irq_ack
        ; str x0, [sp, 8]
        ; lsl x27, x27, 8
        ; orr x27, x27, x0
        ; bl ->running_priority
        ; mov x26, x0
        ; cbz x25, >end
        ; ldr x0, [sp, 8]
        ; blr x25
        ; end:
        ; ldr x0, [sp, 8]
        ; bl ->irq_end
        ; ldr x30, [sp], 16
        ; ret
        ; =>over
    );
    a.on_irq(handler);
    idle(a);
    software(a);
    mask(a);
    order(a);
    preemption(a);
    shared(a);
    split_end(a);
    a64!(a; b ->finish);
    interrupts::emit(a);

    // take: lets what is pending come.
    a64!(a; ->take: ; msr daifclr, 2; isb; movz x0, 200; wait: ; subs x0, x0, 1; b.ne <wait; msr daifset, 2; isb; ret);
}

fn enable(a: &mut Asm, intid: u64, priority: u64) {
    a.li(0, intid);
    a.li(1, priority);
    a64!(a; bl ->irq_enable);
}
fn send(a: &mut Asm, intid: u64) {
    a.li(0, intid);
    a64!(a; bl ->sgi_self);
}
fn fresh(a: &mut Asm) {
    a64!(a; movz x25, 0; movz x26, 0; movz x27, 0);
}

fn idle(a: &mut Asm) {
    a64!(a; bl ->irq_ack; mov x3, x0);
    a.check("nothing pending is INTID 1023", 3, SPURIOUS);
    a64!(a; bl ->running_priority; mov x3, x0);
    a.check("running priority when idle", 3, IDLE_PRIORITY);
}

fn software(a: &mut Asm) {
    fresh(a);
    enable(a, 3, LOW);
    send(a, 3);
    a.li(0, 3);
    a64!(a; bl ->irq_is_pending; mov x3, x0);
    a.check("a masked SGI waits", 3, 1);
    a.check("a masked SGI is not taken", 27, 0);
    a64!(a; bl ->take);
    a.check("the SGI is taken", 27, 3);
    a.check("running priority in the handler", 26, LOW);
    a.li(0, 3);
    a64!(a; bl ->irq_is_pending; mov x3, x0);
    a.check("a taken SGI is no longer pending", 3, 0);
    a64!(a; bl ->running_priority; mov x3, x0);
    a.check("running priority afterwards", 3, IDLE_PRIORITY);
    // What is disabled in the distributor waits too. (Whether SGIs can be disabled is up to a GICv2.)
    fresh(a);
    enable(a, UNUSED_INTID, LOW);
    a.li(0, UNUSED_INTID);
    a64!(a; bl ->irq_disable);
    a.li(0, UNUSED_INTID);
    a64!(a; bl ->irq_pend; bl ->take);
    a.check("a disabled interrupt is not taken", 27, 0);
    enable(a, UNUSED_INTID, LOW);
    a64!(a; bl ->take);
    a.check("an enabled interrupt is taken later", 27, UNUSED_INTID);
    a.li(0, UNUSED_INTID);
    a64!(a; bl ->irq_disable);
}

fn mask(a: &mut Asm) {
    fresh(a);
    a.li(0, LOW);
    a64!(a; bl ->set_priority_mask);
    send(a, 3);
    a64!(a; bl ->take);
    a.check("a priority equal to the mask is held back", 27, 0);
    a.li(0, LOW + 0x10);
    a64!(a; bl ->set_priority_mask; bl ->take);
    a.check("a priority above the mask comes", 27, 3);
    a.li(0, 0xff);
    a64!(a; bl ->set_priority_mask);
}

fn order(a: &mut Asm) {
    enable(a, 1, LOW);
    enable(a, 2, HIGH);
    enable(a, 4, LOW);
    fresh(a);
    send(a, 4);
    send(a, 1);
    send(a, 2);
    a64!(a; bl ->take);
    a.check("higher priority first, then lower INTID", 27, 0x02_01_04);
}

fn preemption(a: &mut Asm) {
    // `first` sends `second` from its handler with interrupts on; a handler that ends shifts in its INTID with bit 7.
    for (first, second, name, order) in
        [(1u32, 2u32, "a higher priority pre-empts", 0x01_02_82_81), (2, 1, "a lower priority waits", 0x02_82_01_81u64)]
    {
        fresh(a);
        let (over, action) = (a.label(), a.label());
        a64!(a
            ; b =>over
            ; =>action
            ; stp x30, x0, [sp, -16]!
            ; cmp x0, first
            ; b.ne >quiet
        );
        send(a, u64::from(second));
        a64!(a
            ; bl ->take
            ; quiet:
            ; ldp x30, x0, [sp], 16
            ; orr x0, x0, 0x80
            ; lsl x27, x27, 8
            ; orr x27, x27, x0
            ; ret
            ; =>over
            ; adr x25, =>action
        );
        send(a, u64::from(first));
        a64!(a; bl ->take);
        a.check(name, 27, order);
    }
}

fn shared(a: &mut Asm) {
    const IMSC: u32 = 0x38;
    const RIS: u32 = 0x3c;
    const MIS: u32 = 0x40;
    const ICR: u32 = 0x44;
    const TX: u32 = 1 << 5;
    enable(a, UART_INTID, LOW);
    // The line stays up until the handler has seen it twice.
    fresh(a);
    let (over, action) = (a.label(), a.label());
    a64!(a; b =>over; =>action; cmp x27, 0xff; b.ls >first);
    a.li(1, UART);
    a64!(a; movz w2, TX; str w2, [x1, ICR]; str wzr, [x1, IMSC]; first: ; ret; =>over; adr x25, =>action);
    a.print("(one character makes the transmit interrupt)\n");
    a.li(4, UART);
    a64!(a; empty: ; ldr w3, [x4, RIS]; tbz w3, 5, <empty; movz w0, TX; str w0, [x4, IMSC]; ldr w6, [x4, MIS]; and w6, w6, TX);
    a.li(0, UART_INTID);
    a64!(a; bl ->irq_is_pending; mov x5, x0; bl ->take);
    a.check("PL011: masked status", 6, u64::from(TX));
    a.check("PL011: its interrupt is pending", 5, 1);
    a.check("PL011: a level comes until it is cleared", 27, UART_INTID << 8 | UART_INTID);
    a.li(0, UART_INTID);
    a64!(a; bl ->irq_is_pending; mov x3, x0);
    a.check("PL011: cleared, it is no longer pending", 3, 0);
    a.li(0, UART_INTID);
    a64!(a; bl ->irq_disable);
}

fn split_end(a: &mut Asm) {
    fresh(a);
    a.li(0, 1);
    a64!(a; bl ->set_eoi_mode);
    send(a, 3);
    a64!(a; bl ->take);
    a.check("EOImode 1: taken", 27, 3);
    a64!(a; bl ->running_priority; mov x3, x0);
    a.check("EOImode 1: the end drops the priority", 3, IDLE_PRIORITY);
    a.li(0, 3);
    a64!(a; bl ->irq_is_active; mov x3, x0);
    a.check("EOImode 1: still active", 3, 1);
    send(a, 3);
    a64!(a; bl ->take);
    a.check("EOImode 1: does not come again while active", 27, 3);
    send(a, 1);
    a64!(a; bl ->take);
    a.check("EOImode 1: others of its priority come", 27, 0x03_01);
    a.li(0, 1);
    a64!(a; bl ->irq_deactivate);
    a.li(0, 3);
    a64!(a; bl ->irq_deactivate; bl ->take);
    a.check("EOImode 1: comes again once deactivated", 27, 0x03_01_03);
    a.li(0, 3);
    a64!(a; bl ->irq_deactivate);
    a.li(0, 3);
    a64!(a; bl ->irq_is_active; mov x3, x0);
    a.check("EOImode 1: no longer active", 3, 0);
    a.li(0, 0);
    a64!(a; bl ->set_eoi_mode);
}
