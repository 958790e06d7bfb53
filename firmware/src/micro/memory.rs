//! Loads and stores: in a page that every TLB holds, in more pages than a TLB holds, and of a device.

use dynasmrt::{DynasmApi, DynasmLabelApi};

use super::{measured, pages_on};
use crate::asm::{Asm, a64};
use crate::runtime::{SCRATCH, UART};

const HIT_ROUNDS: u64 = 20_000_000;
/// Eight loads and eight stores a round.
pub(super) const HITS: u64 = 16 * HIT_ROUNDS;
pub(super) const MISSES: u64 = 1 << 22;
pub(super) const EXITS: u64 = 2_000_000;
/// 64 MiB.
const FAR: u64 = 0x6000_0000;
const FAR_PAGES: u64 = 16384;

pub(super) fn hit(a: &mut Asm) {
    a64!(a; ->main:);
    pages_on(a);
    a.li(20, SCRATCH);
    for word in 0..8 {
        a64!(a; str xzr, [x20, 8 * word]);
    }
    // A word counts rounds; the next takes over what the one before it was.
    measured(a, HIT_ROUNDS, HIT_ROUNDS, |a| {
        a64!(a; ldr x0, [x20]; add x23, x0, 1; str x23, [x20]);
        for word in 1..8 {
            a64!(a; ldr x0, [x20, 8 * word]; str x23, [x20, 8 * word]);
        }
    });
}

pub(super) fn miss(a: &mut Asm) {
    a64!(a; ->main:);
    pages_on(a);
    a.li(20, FAR);
    a.li(1, FAR_PAGES);
    a64!(a; mov x2, x20; movz x3, 1; touch: ; str x3, [x2], 8; add x2, x2, 4088; subs x1, x1, 1; b.ne <touch; movz x21, 0);
    measured(a, MISSES, MISSES, |a| {
        a64!(a; ldr x0, [x20, x21]; add x23, x23, x0; add x21, x21, 1, lsl 12; and x21, x21, 0x3ff_ffff);
    });
}

pub(super) fn mmio(a: &mut Asm) {
    a64!(a; ->main:);
    pages_on(a);
    a.li(20, UART);
    // UARTFR.RXFE: nobody types.
    measured(a, EXITS, EXITS, |a| a64!(a; ldr w0, [x20, 0x18]; ubfx x0, x0, 4, 1; add x23, x23, x0));
}
