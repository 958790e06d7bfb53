//! New code: much of it that runs once, and one function that is written again and again.

use dynasmrt::DynasmLabelApi;

use super::{begin, end, measured, pages_on};
use crate::asm::{Asm, a64};
use crate::runtime::SCRATCH;

/// Where code is written.
const CODE: u64 = 0x6000_0000;
const BLOCKS: u64 = 1 << 18;
/// Eight instructions a block.
pub(super) const RUN_ONCE: u64 = 8 * BLOCKS;
pub(super) const WRITTEN: u64 = 100_000;

const MOVZ_X0: u64 = 0xd280_0000;
const RET: u64 = 0xd65f_03c0;

/// A block ends in a branch to the next; its first word has another immediate in each.
pub(super) fn run_once(a: &mut Asm) {
    a64!(a; ->main:);
    pages_on(a);
    a64!(a; adr x0, >template; ldp x1, x2, [x0]; ldp x3, x4, [x0, 16]; movz x6, 0);
    a.li(5, CODE);
    a.li(7, BLOCKS);
    a64!(a
        ; write:
        ; and x8, x6, 0xfff
        ; orr x8, x1, x8, lsl 10
        ; stp x8, x2, [x5]
        ; stp x3, x4, [x5, 16]
        ; add x5, x5, 32
        ; add x6, x6, 1
        ; cmp x6, x7
        ; b.ne <write
    );
    a.li(0, RET);
    a64!(a; str w0, [x5]; dsb sy; ic iallu; dsb sy; isb);
    a.li(20, SCRATCH);
    a.li(21, CODE);
    begin(a);
    a64!(a; blr x21);
    end(a, BLOCKS);
    a64!(a
        ; template:
        ; add x1, x1, 0
        ; eor x2, x2, x1
        ; ldr x3, [x20, 8]
        ; orr x3, x3, x2
        ; str x3, [x20, 8]
        ; add x23, x23, 1
        ; sub x4, x3, x1
        ; b >behind
        ; behind:
        ; ret
    );
}

/// `movz x0, #n; ret` for each n.
pub(super) fn write_and_call(a: &mut Asm) {
    a64!(a; ->main:);
    pages_on(a);
    a.li(20, CODE);
    a.li(21, RET << 32 | MOVZ_X0);
    measured(a, WRITTEN, WRITTEN, |a| {
        a64!(a
            ; and x22, x19, 0xffff
            ; orr x0, x21, x22, lsl 5
            ; str x0, [x20]
            ; dc cvau, x20
            ; dsb ish
            ; ic ivau, x20
            ; dsb ish
            ; isb
            ; blr x20
            ; cmp x0, x22
            ; cinc x23, x23, eq
        );
    });
}
