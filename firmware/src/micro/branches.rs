//! Branches: by a register to many targets, calls and returns, from page to page, and a plain loop.

use dynasmrt::{DynasmApi, DynasmLabelApi};

use super::{measured, pages_on};
use crate::asm::{Asm, a64};

pub(super) const DISPATCHES: u64 = 20_000_000;
const CALL_ROUNDS: u64 = 10_000_000;
const DEPTH: u64 = 4;
pub(super) const CALLS: u64 = DEPTH * CALL_ROUNDS;
const CHAIN_ROUNDS: u64 = 10_000_000;
const PAGES: u64 = 16;
pub(super) const CHAINED: u64 = PAGES * CHAIN_ROUNDS;
const LOOP_ROUNDS: u64 = 50_000_000;
pub(super) const LOOPED: u64 = 10 * LOOP_ROUNDS;

pub(super) fn dispatch(a: &mut Asm) {
    a64!(a; ->main:);
    pages_on(a);
    let (targets, back) = (a.label(), a.label());
    a.li(21, 6_364_136_223_846_793_005);
    a64!(a; movz x22, 1; adr x20, =>targets);
    measured(a, DISPATCHES, DISPATCHES, |a| {
        a64!(a
            ; mul x22, x22, x21
            ; add x22, x22, 1
            ; lsr x0, x22, 56
            ; add x0, x20, x0, lsl 3
            ; br x0
            ; =>back
        );
    });
    a64!(a; =>targets);
    for _ in 0..256 {
        a64!(a; add x23, x23, 1; b =>back);
    }
}

pub(super) fn call(a: &mut Asm) {
    a64!(a; ->main:);
    pages_on(a);
    let functions: Vec<_> = (0..DEPTH).map(|_| a.label()).collect();
    measured(a, CALL_ROUNDS, CALLS, |a| a64!(a; bl =>functions[0]));
    for (n, function) in functions.iter().enumerate() {
        a64!(a; =>*function; add x23, x23, 1);
        if let Some(next) = functions.get(n + 1) {
            a64!(a; str x30, [sp, -16]!; bl =>*next; ldr x30, [sp], 16);
        }
        a64!(a; ret);
    }
}

pub(super) fn chain(a: &mut Asm) {
    a64!(a; ->main:);
    pages_on(a);
    let (first, back) = (a.label(), a.label());
    measured(a, CHAIN_ROUNDS, CHAINED, |a| a64!(a; b =>first; =>back));
    a64!(a; .align 4096; =>first);
    for page in 1..=PAGES {
        let next = if page == PAGES { back } else { a.label() };
        a64!(a; add x23, x23, 1; b =>next);
        if page < PAGES {
            a64!(a; .align 4096; =>next);
        }
    }
}

pub(super) fn fixed_loop(a: &mut Asm) {
    a64!(a; ->main:);
    pages_on(a);
    a64!(a; movz x20, 3; movz x21, 5);
    measured(a, LOOP_ROUNDS, LOOP_ROUNDS, |a| {
        a64!(a
            ; add x20, x20, x21
            ; eor x21, x21, x20, lsl 3
            ; and x22, x20, 0xff
            ; add x24, x22, x21
            ; sub x20, x24, 7
            ; lsr x25, x20, 5
            ; orr x21, x21, x25
            ; add x23, x23, 1
        );
    });
}
