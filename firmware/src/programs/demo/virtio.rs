//! The driver side of virtio-mmio, and the display: finding devices, one queue each, 2D commands.
//!
//! Spec: virtio 1.2, sections 2.7 (split queues), 4.2 (MMIO), 5.7 (GPU). Leaves out every feature but VERSION_1.

use dynasmrt::{DynasmApi, DynasmLabelApi};

use super::{DIRTY, FRAME_BUFFER, FRAME_BUFFER_LEN, GPU_BASE, GPU_INDEX, GPU_QUEUE};
use crate::asm::{Asm, a64};

pub(super) const SLOTS: u64 = 0x0a00_0000;
pub(super) const SLOT_SHIFT: u32 = 9;
pub(super) const GPU: u32 = 16;
pub(super) const INPUT: u32 = 18;
// Registers.
const DRIVER_FEATURES: u32 = 0x20;
const DRIVER_FEATURES_SEL: u32 = 0x24;
const QUEUE_SEL: u32 = 0x30;
const QUEUE_NUM: u32 = 0x38;
const QUEUE_READY: u32 = 0x44;
pub(super) const QUEUE_NOTIFY: u32 = 0x50;
pub(super) const INTERRUPT_STATUS: u32 = 0x60;
pub(super) const INTERRUPT_ACK: u32 = 0x64;
const STATUS: u32 = 0x70;
const QUEUE_DESC: u32 = 0x80;
const QUEUE_DRIVER: u32 = 0x90;
const QUEUE_DEVICE: u32 = 0xa0;

/// Entries of every queue, and where its parts lie.
pub(super) const QUEUE_LEN: u32 = 64;
pub(super) const AVAILABLE: u64 = 0x1000;
pub(super) const USED: u64 = 0x2000;
pub(super) const BUFFERS: u64 = 0x3000;
const REQUEST: u64 = GPU_QUEUE + BUFFERS;
const RESPONSE: u64 = GPU_QUEUE + 0x4000;

// Commands, and the format whose words are 0x00RRGGBB.
const GET_DISPLAY_INFO: u32 = 0x100;
const RESOURCE_CREATE_2D: u32 = 0x101;
const SET_SCANOUT: u32 = 0x103;
const RESOURCE_FLUSH: u32 = 0x104;
const TRANSFER_TO_HOST_2D: u32 = 0x105;
const RESOURCE_ATTACH_BACKING: u32 = 0x106;
const B8G8R8X8: u32 = 2;
const RESOURCE: u32 = 1;

pub(super) fn emit(a: &mut Asm) {
    // virtio_probe: x0 = slot's address, w1 = device id; leaves EQ where a modern device of that id is. Changes x2, x3.
    a64!(a; ->virtio_probe: ; ldr w2, [x0]);
    a.li(3, 0x7472_6976);
    a64!(a; cmp w2, w3; b.ne >no; ldr w2, [x0, 4]; cmp w2, 2; b.ne >no; ldr w2, [x0, 8]; cmp w2, w1; no: ; ret);

    // virtio_start: x0 = slot's address, x1 = queue memory; sets queue 0 up, up to FEATURES_OK. virtio_go follows.
    a64!(a
        ; ->virtio_start:
        ; str wzr, [x0, STATUS]
        ; movz w2, 3
        ; str w2, [x0, STATUS]
        ; str wzr, [x0, DRIVER_FEATURES_SEL]
        ; str wzr, [x0, DRIVER_FEATURES]
        ; movz w2, 1
        ; str w2, [x0, DRIVER_FEATURES_SEL]
        ; str w2, [x0, DRIVER_FEATURES]
        ; movz w2, 0xb
        ; str w2, [x0, STATUS]
        ; str wzr, [x0, QUEUE_SEL]
        ; movz w2, QUEUE_LEN
        ; str w2, [x0, QUEUE_NUM]
    );
    for (register, offset) in [(QUEUE_DESC, 0), (QUEUE_DRIVER, AVAILABLE), (QUEUE_DEVICE, USED)] {
        a.li(3, offset);
        a64!(a; add x2, x1, x3; str w2, [x0, register]; lsr x2, x2, 32; str w2, [x0, register + 4]);
    }
    a64!(a; movz w2, 1; str w2, [x0, QUEUE_READY]; movz w2, 0xf; str w2, [x0, STATUS]; dsb sy; ret);

    command_routine(a);
    start(a);
    flush(a);
}

/// A 32-bit field of a command.
enum Field {
    Value(u32),
    Register(u8),
}
use Field::{Register, Value};

/// Sends a command with these fields behind its header; w0 is the answer's type. Registers in fields: not x0–x3.
fn command(a: &mut Asm, kind: u32, fields: &[Field]) {
    a.li(0, REQUEST);
    a.li(1, u64::from(kind));
    a64!(a; stp x1, xzr, [x0]; str xzr, [x0, 16]);
    for (n, field) in fields.iter().enumerate() {
        let offset = 24 + 4 * n as u32;
        match *field {
            Value(value) => {
                a.li(1, u64::from(value));
                a64!(a; str w1, [x0, offset]);
            }
            Register(register) => a64!(a; str W(register), [x0, offset]),
        }
    }
    a.li(1, 24 + 4 * fields.len() as u64);
    a64!(a; bl ->gpu_command);
}

fn command_routine(a: &mut Asm) {
    // gpu_command: x0 = request, w1 = its length; w0 = type of the answer. Changes x0–x3.
    a64!(a; ->gpu_command:);
    a.li(2, GPU_QUEUE);
    a64!(a; str x0, [x2]; movz w3, 1, lsl 16; orr w3, w3, 1; stp w1, w3, [x2, 8]); // flags NEXT, next 1
    a.li(0, RESPONSE);
    a64!(a; str x0, [x2, 16]; movz w0, 0x400; movz w1, 2; stp w0, w1, [x2, 24]); // flags WRITE
    a.li(2, GPU_QUEUE + AVAILABLE);
    a64!(a
        ; ldr w0, [x19, GPU_INDEX]
        ; and w1, w0, QUEUE_LEN - 1
        ; lsl w1, w1, 1
        ; add x1, x1, 4
        ; strh wzr, [x2, x1]
        ; add w0, w0, 1
        ; str w0, [x19, GPU_INDEX]
        ; dmb sy
        ; strh w0, [x2, 2]
        ; dmb sy
        ; ldr x1, [x19, GPU_BASE]
        ; str wzr, [x1, QUEUE_NOTIFY]
    );
    a.li(2, GPU_QUEUE + USED);
    a64!(a; and w0, w0, 0xffff; busy: ; ldrh w1, [x2, 2]; cmp w0, w1; b.ne <busy; dmb sy);
    a.li(2, RESPONSE);
    a64!(a; ldr w0, [x2]; ret);
}

fn start(a: &mut Asm) {
    // gpu_start: the display's size to w21 and w22, its frame buffer set up at x20.
    a64!(a; ->gpu_start: ; str x30, [sp, -16]!);
    a.li(1, GPU_QUEUE);
    a64!(a; ldr x0, [x19, GPU_BASE]; bl ->virtio_start);
    command(a, GET_DISPLAY_INFO, &[]);
    a.li(2, RESPONSE);
    a64!(a; ldp w21, w22, [x2, 32]; umull x3, w21, w22; cbz x3, >fallback);
    a.li(4, FRAME_BUFFER_LEN / 4);
    a64!(a; cmp x3, x4; b.ls >sized; fallback: ; movz w21, 720; movz w22, 1280; sized:);
    a.li(20, FRAME_BUFFER);
    a64!(a; mul w4, w21, w22; lsl w4, w4, 2);
    command(a, RESOURCE_CREATE_2D, &[Value(RESOURCE), Value(B8G8R8X8), Register(21), Register(22)]);
    command(
        a,
        RESOURCE_ATTACH_BACKING,
        &[Value(RESOURCE), Value(1), Value(FRAME_BUFFER as u32), Value(0), Register(4), Value(0)],
    );
    command(a, SET_SCANOUT, &[Value(0), Value(0), Register(21), Register(22), Value(0), Value(RESOURCE)]);
    a64!(a; ldr x30, [sp], 16; ret);
}

fn flush(a: &mut Asm) {
    // gpu_flush: shows what has changed, if anything.
    a64!(a
        ; ->gpu_flush:
        ; str x30, [sp, -16]!
        ; ldp w5, w6, [x19, DIRTY as i32]
        ; ldp w7, w8, [x19, (DIRTY + 8) as i32]
        ; subs w7, w7, w5
        ; b.le >end
        ; subs w8, w8, w6
        ; b.le >end
        ; madd w9, w6, w21, w5
        ; lsl w9, w9, 2
    );
    let rectangle = || [Register(5), Register(6), Register(7), Register(8)].into_iter();
    let fields: Vec<_> = rectangle().chain([Register(9), Value(0), Value(RESOURCE), Value(0)]).collect();
    command(a, TRANSFER_TO_HOST_2D, &fields);
    let fields: Vec<_> = rectangle().chain([Value(RESOURCE), Value(0)]).collect();
    command(a, RESOURCE_FLUSH, &fields);
    a64!(a
        ; end:
        ; movn w0, 0
        ; lsr w0, w0, 1
        ; stp w0, w0, [x19, DIRTY as i32] // left and top: as far as can be
        ; stp wzr, wzr, [x19, (DIRTY + 8) as i32]
        ; ldr x30, [sp], 16
        ; ret
    );
}
