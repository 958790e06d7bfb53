//! Pixels: rectangles, discs, strokes and text in the frame buffer, and the rectangle that has changed.
//!
//! Everywhere: x19 = state, x20 = frame buffer, w21 = width, w22 = height, w23 = radius of a dot. Routines may change
//! x0–x15 and x30.

use dynasmrt::{DynasmApi, DynasmLabelApi};

use super::{DIRTY, font};
use crate::asm::{Asm, a64};

/// One colour for each finger.
const PALETTE: [u32; 16] = [
    0xff5a5f, 0x3ec1d3, 0xffc857, 0x7bd389, 0xb388eb, 0xff8f4f, 0x5fa8ff, 0xf78fb3, 0xc7f464, 0xe0e0e0, 0xff5a5f,
    0x3ec1d3, 0xffc857, 0x7bd389, 0xb388eb, 0xff8f4f,
];

pub(super) fn emit(a: &mut Asm) {
    fill(a);
    disc(a);
    stroke(a);
    text(a);
    background(a);
    let table = font::table();
    a64!(a; .align 8; ->font: ; .bytes &table; .align 8; ->palette:);
    for colour in PALETTE {
        a64!(a; .u32 colour);
    }
}

/// Draws a text in the middle of the width, its top at `height * top / 64`; `em` characters would fill the width.
pub(super) fn centred(a: &mut Asm, text: &str, top: u32, em: u32, colour: u64) {
    assert!(font::covers(text), "the font lacks a character of {text:?}");
    let string = a.string(text);
    let len = text.len() as u32;
    a64!(a
        ; movz w5, 6 * em
        ; udiv w3, w21, w5
        ; cmp w3, 1
        ; csinc w3, w3, wzr, hs // scale, at least 1
        ; movz w5, 6 * len
        ; mul w5, w5, w3
        ; subs w1, w21, w5
        ; csel w1, wzr, w1, lo
        ; lsr w1, w1, 1
        ; movz w5, top
        ; mul w2, w22, w5
        ; lsr w2, w2, 6
    );
    a.li(4, colour);
    a64!(a; adr x0, =>string; bl ->text);
}

fn fill(a: &mut Asm) {
    // fill: w0, w1 = corner, w2, w3 = size (signed), w4 = colour; what lies outside the screen is left out.
    // Changes x0–x3, x5.
    a64!(a
        ; ->fill:
        ; add w2, w2, w0
        ; add w3, w3, w1
        ; cmp w0, 0
        ; csel w0, wzr, w0, lt
        ; cmp w1, 0
        ; csel w1, wzr, w1, lt
        ; cmp w2, w21
        ; csel w2, w21, w2, gt
        ; cmp w3, w22
        ; csel w3, w22, w3, gt
        ; cmp w0, w2
        ; b.ge >end
        ; row:
        ; cmp w1, w3
        ; b.ge >end
        ; mul w5, w1, w21
        ; add x5, x20, x5, lsl 2
        ; add x6, x5, w2, uxtw 2
        ; add x5, x5, w0, uxtw 2
        ; pixel:
        ; str w4, [x5], 4
        ; cmp x5, x6
        ; b.lo <pixel
        ; add w1, w1, 1
        ; b <row
        ; end:
        ; ret
    );
}

fn disc(a: &mut Asm) {
    // disc: w0, w1 = centre, w4 = colour, radius w23. Keeps w4, x10–x15; marks what it changes.
    a64!(a
        ; ->disc:
        ; stp x30, x10, [sp, -48]!
        ; stp x11, x12, [sp, 16]
        ; str x13, [sp, 32]
        ; mov w10, w0
        ; mov w11, w1
        ; neg w12, w23
        ; mul w13, w23, w23
        ; row:
        ; mov w7, w23
        ; narrow:
        ; mul w8, w7, w7
        ; madd w8, w12, w12, w8
        ; cmp w8, w13
        ; b.ls >fits
        ; sub w7, w7, 1
        ; b <narrow
        ; fits:
        ; sub w0, w10, w7
        ; add w1, w11, w12
        ; lsl w2, w7, 1
        ; add w2, w2, 1
        ; movz w3, 1
        ; bl ->fill
        ; add w12, w12, 1
        ; cmp w12, w23
        ; b.le <row
        // Dirty: left, top, right, bottom.
        ; ldp w0, w1, [x19, DIRTY as i32]
        ; ldp w2, w3, [x19, (DIRTY + 8) as i32]
        ; sub w5, w10, w23
        ; cmp w5, 0
        ; csel w5, wzr, w5, lt
        ; cmp w5, w0
        ; csel w0, w5, w0, lt
        ; sub w5, w11, w23
        ; cmp w5, 0
        ; csel w5, wzr, w5, lt
        ; cmp w5, w1
        ; csel w1, w5, w1, lt
        ; add w5, w10, w23
        ; add w5, w5, 1
        ; cmp w5, w21
        ; csel w5, w21, w5, gt
        ; cmp w5, w2
        ; csel w2, w5, w2, gt
        ; add w5, w11, w23
        ; add w5, w5, 1
        ; cmp w5, w22
        ; csel w5, w22, w5, gt
        ; cmp w5, w3
        ; csel w3, w5, w3, gt
        ; stp w0, w1, [x19, DIRTY as i32]
        ; stp w2, w3, [x19, (DIRTY + 8) as i32]
        ; ldr x13, [sp, 32]
        ; ldp x11, x12, [sp, 16]
        ; ldp x30, x10, [sp], 48
        ; ret
    );
}

fn stroke(a: &mut Asm) {
    // stroke: discs from w0, w1 to w2, w3 in colour w4.
    a64!(a
        ; ->stroke:
        ; str x30, [sp, -16]!
        ; mov w10, w0
        ; mov w11, w1
        ; sub w12, w2, w0
        ; sub w13, w3, w1
        ; cmp w12, 0
        ; cneg w5, w12, lt
        ; cmp w13, 0
        ; cneg w6, w13, lt
        ; cmp w5, w6
        ; csel w14, w5, w6, hi
        ; lsr w14, w14, 1
        ; add w14, w14, 1 // steps
        ; movz w15, 1
        ; step:
        ; mul w0, w12, w15
        ; sdiv w0, w0, w14
        ; add w0, w0, w10
        ; mul w1, w13, w15
        ; sdiv w1, w1, w14
        ; add w1, w1, w11
        ; bl ->disc
        ; add w15, w15, 1
        ; cmp w15, w14
        ; b.ls <step
        ; ldr x30, [sp], 16
        ; ret
    );
}

fn text(a: &mut Asm) {
    // text: x0 = characters, w1, w2 = corner, w3 = scale, w4 = colour.
    a64!(a
        ; ->text:
        ; str x30, [sp, -16]!
        ; mov x10, x0
        ; mov w11, w1
        ; mov w12, w2
        ; mov w13, w3
        ; character:
        ; ldrb w14, [x10], 1
        ; cbz w14, >end
        ; sub w14, w14, u32::from(font::FIRST)
        ; adr x15, ->font
        ; add x15, x15, x14, lsl 3
        ; movz w14, 0 // row
        ; row:
        ; ldrb w7, [x15, x14]
        ; movz w8, 0 // column
        ; column:
        ; tbz w7, 4, >blank
        ; madd w0, w8, w13, w11
        ; madd w1, w14, w13, w12
        ; mov w2, w13
        ; mov w3, w13
        ; bl ->fill
        ; blank:
        ; lsl w7, w7, 1
        ; add w8, w8, 1
        ; cmp w8, 5
        ; b.lo <column
        ; add w14, w14, 1
        ; cmp w14, 7
        ; b.lo <row
        ; add w11, w11, w13, lsl 2
        ; add w11, w11, w13, lsl 1
        ; b <character
        ; end:
        ; ldr x30, [sp], 16
        ; ret
    );
}

fn background(a: &mut Asm) {
    // background: dark at the top, bluer towards the bottom.
    a64!(a; ->background: ; str x30, [sp, -16]!; movz w10, 0; row: ; movz w5, 96; mul w4, w10, w5; udiv w4, w4, w22);
    a64!(a; add w5, w4, 0x20; lsr w6, w4, 1; add w6, w6, 0x10; lsr w4, w4, 3; add w4, w4, 0x10);
    a64!(a
        ; orr w5, w5, w6, lsl 8
        ; orr w4, w5, w4, lsl 16
        ; movz w0, 0
        ; mov w1, w10
        ; mov w2, w21
        ; movz w3, 1
        ; bl ->fill
        ; add w10, w10, 1
        ; cmp w10, w22
        ; b.lo <row
        ; ldr x30, [sp], 16
        ; ret
    );
}
