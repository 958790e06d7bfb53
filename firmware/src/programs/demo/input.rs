//! Fingers: virtio-input devices, multi-touch (type B) or a pointer with absolute axes and a button.
//!
//! Spec: virtio 1.2, section 5.8; Linux `Documentation/input/multi-touch-protocol.rst`.

use dynasmrt::{DynasmApi, DynasmLabelApi};

use super::virtio::{AVAILABLE, BUFFERS, INPUT, QUEUE_LEN, QUEUE_NOTIFY, SLOT_SHIFT, SLOTS, USED};
use super::{DEVICE_SHIFT, DEVICES, INPUT_QUEUES, INPUTS, MAX_INPUTS, QUEUE_SHIFT};
use crate::asm::{Asm, a64};

// A device's state.
const BASE: u32 = 0;
const QUEUE: u32 = 8;
/// Used entries taken; as many available ones were given, and QUEUE_LEN more.
const TAKEN: u32 = 16;
const SLOT: u32 = 20;
const IS_MT: u32 = 24;
/// Least value and extent of both axes.
const AXIS_X: u32 = 32;
const AXIS_Y: u32 = 40;
const CONTACTS: u32 = 0x100;
const CONTACT_SHIFT: u32 = 5;
// A contact's state: where it is, where it was drawn last, its tracking id plus 1 (0: up; a button counts as 1), whether
// it was drawn, whether it has changed, whether the serial port was told that it is down.
const AT_X: u32 = 0;
const AT_Y: u32 = 4;
const LAST_X: u32 = 8;
const DOWN: u32 = 16;
const DRAWN: u32 = 20;
const CHANGED: u32 = 24;
const TOLD: u32 = 28;

// Event types and codes.
const EV_SYN: u32 = 0;
const EV_KEY: u32 = 1;
const EV_ABS: u32 = 3;
const KEY_POWER: u32 = 116;
const BTN_LEFT: u32 = 0x110;
const BTN_TOUCH: u32 = 0x14a;
const ABS_X: u32 = 0;
const ABS_Y: u32 = 1;
const ABS_MT_SLOT: u32 = 0x2f;
const ABS_MT_POSITION_X: u32 = 0x35;
const ABS_MT_POSITION_Y: u32 = 0x36;
const ABS_MT_TRACKING_ID: u32 = 0x39;
/// Configuration space, and the selector for an axis.
const CONFIG: u32 = 0x100;
const CFG_ABS_INFO: u32 = 0x12;

pub(super) fn emit(a: &mut Asm) {
    find(a);
    axis(a);
    take(a);
    event(a);
    report(a);
}

fn find(a: &mut Asm) {
    // inputs_start: every input device, from slot 0 up, set up with its interrupt enabled.
    a64!(a; ->inputs_start: ; str x30, [sp, -16]!; movz w25, 0);
    a.li(24, SLOTS);
    a64!(a; slot: ; mov x0, x24; movz w1, INPUT; bl ->virtio_probe; b.ne >next; ldr w0, [x19, INPUTS]; cmp w0, MAX_INPUTS; b.hs >next);
    a.li(26, DEVICES);
    a.li(1, INPUT_QUEUES);
    a64!(a
        ; add x26, x26, x0, lsl DEVICE_SHIFT
        ; add x27, x1, x0, lsl QUEUE_SHIFT
        ; add w0, w0, 1
        ; str w0, [x19, INPUTS]
        ; stp x24, x27, [x26]
        // Axes: of multi-touch, or else of a pointer.
        ; movz w0, ABS_MT_POSITION_X
        ; bl ->input_axis
        ; cbz w1, >pointer
        ; movz w2, 1
        ; str w2, [x26, IS_MT]
        ; stp w0, w1, [x26, AXIS_X as i32]
        ; movz w0, ABS_MT_POSITION_Y
        ; bl ->input_axis
        ; stp w0, w1, [x26, AXIS_Y as i32]
        ; b >axes
        ; pointer:
        ; movz w0, ABS_X
        ; bl ->input_axis
        ; stp w0, w1, [x26, AXIS_X as i32]
        ; movz w0, ABS_Y
        ; bl ->input_axis
        ; stp w0, w1, [x26, AXIS_Y as i32]
        ; axes:
        ; mov x0, x24
        ; mov x1, x27
        ; bl ->virtio_start
    );
    // Every entry of the queue is a buffer for one event.
    a.li(1, BUFFERS);
    a.li(2, AVAILABLE + 4);
    a64!(a
        ; add x1, x1, x27
        ; add x2, x2, x27
        ; movz w0, 0
        ; movz w3, 8
        ; movz w4, 2
        ; buffer:
        ; add x5, x27, x0, lsl 4
        ; str x1, [x5]
        ; stp w3, w4, [x5, 8]
        ; strh w0, [x2], 2
        ; add x1, x1, 8
        ; add w0, w0, 1
        ; cmp w0, QUEUE_LEN
        ; b.lo <buffer
        ; add x2, x27, AVAILABLE as u32 >> 12, lsl 12
        ; dmb sy
        ; strh w0, [x2, 2]
        ; dmb sy
        ; str wzr, [x24, QUEUE_NOTIFY]
        ; add w0, w25, super::VIRTIO_INTID
        ; movz w1, 0x80
        ; bl ->irq_enable
        ; next:
        ; add x24, x24, 1 << SLOT_SHIFT
        ; add w25, w25, 1
        ; cmp w25, 32
        ; b.lo <slot
        ; ldr x30, [sp], 16
        ; ret
    );
}

fn axis(a: &mut Asm) {
    // input_axis: device at x24, w0 = axis; gives w0 = least value, w1 = extent (0: no such axis). Changes x2, x3.
    a64!(a
        ; ->input_axis:
        ; add x2, x24, CONFIG
        ; movz w3, CFG_ABS_INFO
        ; strb w3, [x2]
        ; strb w0, [x2, 1]
        ; dsb sy
        ; ldrb w3, [x2, 2]
        ; movz w1, 0
        ; cbz w3, >none
        ; ldr w0, [x2, 8]
        ; ldr w1, [x2, 12]
        ; sub w1, w1, w0
        ; add w1, w1, 1
        ; none:
        ; ret
    );
}

fn take(a: &mut Asm) {
    // inputs_take: handles every event that is there; x28 = their number.
    a64!(a; ->inputs_take: ; str x30, [sp, -16]!; movz x28, 0; movz w25, 0; device: ; ldr w0, [x19, INPUTS]; cmp w25, w0; b.hs >end);
    a.li(26, DEVICES);
    a64!(a; add x26, x26, x25, lsl DEVICE_SHIFT; ldr x27, [x26, QUEUE]; next:);
    a.li(0, USED);
    a64!(a
        ; add x0, x0, x27
        ; ldrh w1, [x0, 2]
        ; ldr w2, [x26, TAKEN]
        ; and w3, w2, 0xffff
        ; cmp w1, w3
        ; b.eq >empty
        ; dmb sy
        ; and w3, w2, QUEUE_LEN - 1
        ; add x0, x0, x3, lsl 3
        ; ldr w4, [x0, 4] // used entry: id
        ; and w4, w4, QUEUE_LEN - 1
    );
    a.li(0, BUFFERS);
    a64!(a; add x0, x0, x27; ldr x24, [x0, x4, lsl 3]);
    // The buffer goes back.
    a.li(0, AVAILABLE);
    a64!(a
        ; add x0, x0, x27
        ; add x1, x0, x3, lsl 1
        ; strh w4, [x1, 4]
        ; add w2, w2, 1
        ; str w2, [x26, TAKEN]
        ; add w2, w2, QUEUE_LEN
        ; dmb sy
        ; strh w2, [x0, 2]
        ; dmb sy
        ; ldr x0, [x26, BASE]
        ; str wzr, [x0, QUEUE_NOTIFY]
        ; bl ->input_event
        ; add x28, x28, 1
        ; b <next
        ; empty:
        ; add w25, w25, 1
        ; b <device
        ; end:
        ; ldr x30, [sp], 16
        ; ret
    );
}

fn event(a: &mut Asm) {
    // input_event: x24 = type, code, value; x26 = device. Changes x0–x15.
    a64!(a
        ; ->input_event:
        ; and w0, w24, 0xffff
        ; ubfx x1, x24, 16, 16
        ; lsr x2, x24, 32
        ; ldr w3, [x26, SLOT]
        ; add x4, x26, CONTACTS
        ; add x4, x4, x3, lsl CONTACT_SHIFT
        ; ldr w5, [x26, IS_MT]
        ; movz w6, 1
        ; cmp w0, EV_ABS
        ; b.eq >abs
        ; cmp w0, EV_SYN
        ; b.ne >key
        ; cbz w1, ->input_report
        ; key:
        ; cmp w0, EV_KEY
        ; b.ne >ignored
        ; cmp w1, KEY_POWER
        ; b.ne >button
        ; cbnz w2, ->power_key
        ; button:
        ; cbnz w5, >ignored
        ; cmp w1, BTN_LEFT
        ; b.eq >pressed
        ; cmp w1, BTN_TOUCH
        ; b.ne >ignored
        ; pressed:
        ; str w2, [x4, DOWN]
        ; stp wzr, w6, [x4, DRAWN as i32]
        ; ignored:
        ; ret

        ; abs:
        ; cbnz w5, >multi
        ; cmp w1, ABS_X
        ; b.eq >x
        ; cmp w1, ABS_Y
        ; b.eq >y
        ; ret
        ; multi:
        ; cmp w1, ABS_MT_POSITION_X
        ; b.eq >x
        ; cmp w1, ABS_MT_POSITION_Y
        ; b.eq >y
        ; cmp w1, ABS_MT_SLOT
        ; b.ne >tracking
        ; and w2, w2, 15
        ; str w2, [x26, SLOT]
        ; ret
        ; tracking:
        ; cmp w1, ABS_MT_TRACKING_ID
        ; b.ne <ignored
        ; add w2, w2, 1
        ; ldr w7, [x4, DOWN]
        ; cmp w2, w7
        ; b.eq <ignored // said again, not begun again
        ; str w2, [x4, DOWN]
        ; stp wzr, w6, [x4, DRAWN as i32]
        ; ret
        ; x:
        ; ldp w7, w8, [x26, AXIS_X as i32]
        ; mov w9, w21
        ; add x10, x4, AT_X
        ; b >scale
        ; y:
        ; ldp w7, w8, [x26, AXIS_Y as i32]
        ; mov w9, w22
        ; add x10, x4, AT_Y
        ; scale:
        ; subs w2, w2, w7
        ; csel w2, wzr, w2, lt
        ; umull x2, w2, w9
        ; udiv x2, x2, x8
        ; cmp w2, w9
        ; b.lo >inside
        ; sub w2, w9, 1
        ; inside:
        ; str w2, [x10]
        ; str w6, [x4, CHANGED]
        ; ret
    );
}

fn report(a: &mut Asm) {
    // input_report: draws every contact that has changed, and says on the serial port which came and which went.
    let (down, up, at, comma, end) =
        (a.string("touch down "), a.string("touch up "), a.string(" at "), a.string(","), a.string("\n"));
    a64!(a
        ; ->input_report:
        ; stp x30, x24, [sp, -48]!
        ; stp x25, x27, [sp, 16]
        ; str x28, [sp, 32]
        ; movz w25, 0
        ; contact:
        ; add x27, x26, CONTACTS
        ; add x27, x27, x25, lsl CONTACT_SHIFT
        ; ldr w0, [x27, CHANGED]
        ; cbz w0, >next
        ; str wzr, [x27, CHANGED]
        ; ldp w28, w24, [x27, DOWN as i32] // down, drawn
        ; ldr w1, [x27, TOLD]
        ; orr w0, w1, w28
        ; cbz w0, >next // a pointer that hovers
        ; str w28, [x27, TOLD]
        ; adr x0, =>up
        ; cbz w28, >tell
        ; adr x0, =>down
        ; cbnz w24, >paint
        ; tell:
        ; bl ->puts
        ; mov w0, w25
        ; bl ->putdec
        ; adr x0, =>at
        ; bl ->puts
        ; ldr w0, [x27, AT_X]
        ; bl ->putdec
        ; adr x0, =>comma
        ; bl ->puts
        ; ldr w0, [x27, AT_Y]
        ; bl ->putdec
        ; adr x0, =>end
        ; bl ->puts
        ; cbz w28, >next
        ; paint:
        ; ldp w2, w3, [x27, AT_X as i32]
        ; ldp w0, w1, [x27, LAST_X as i32]
        ; cmp w24, 0
        ; csel w0, w2, w0, eq
        ; csel w1, w3, w1, eq
        ; stp w2, w3, [x27, LAST_X as i32]
        ; movz w4, 1
        ; str w4, [x27, DRAWN]
        ; adr x5, ->palette
        ; ldr w4, [x5, x25, lsl 2]
        ; bl ->stroke
        ; next:
        ; add w25, w25, 1
        ; cmp w25, 16
        ; b.lo <contact
        ; ldr x28, [sp, 32]
        ; ldp x25, x27, [sp, 16]
        ; ldp x30, x24, [sp], 48
        ; ret
    );
    // putdec: w0 = number. Changes x1–x4.
    a64!(a
        ; ->putdec:
        ; stp x30, x5, [sp, -48]!
        ; add x4, sp, 48
        ; movz w1, 10
        ; strb wzr, [x4, -1]!
        ; digit:
        ; udiv w2, w0, w1
        ; msub w3, w2, w1, w0
        ; add w3, w3, '0' as u32
        ; strb w3, [x4, -1]!
        ; mov w0, w2
        ; cbnz w0, <digit
        ; mov x0, x4
        ; bl ->puts
        ; ldp x30, x5, [sp], 48
        ; ret
    );
}
