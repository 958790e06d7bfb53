//! The demo guest: paints what the fingers do until the power key is pressed.
//!
//! It finds a virtio-gpu and virtio-input devices among the virtio-mmio slots, draws a title, and then a coloured stroke
//! for each finger. It sleeps in WFI between interrupts, so that an idle guest leaves the host idle. Power off comes
//! from the PL061's line 3 or from KEY_POWER. Without a display it says so and ends.

use dynasmrt::{DynasmApi, DynasmLabelApi};

use crate::asm::{Asm, a64};
use crate::interrupts;
use crate::runtime::SCRATCH;

mod font;
mod input;
mod paint;
mod virtio;

// The state that x19 points to.
const GPU_BASE: u32 = 0;
const GPU_INDEX: u32 = 8;
/// Left, top, right, bottom of what has changed.
const DIRTY: u32 = 16;
const INPUTS: u32 = 32;

const STATE: u64 = SCRATCH;
const DEVICES: u64 = SCRATCH + 0x1_0000;
const DEVICE_SHIFT: u32 = 12;
const MAX_INPUTS: u32 = 8;
const GPU_QUEUE: u64 = SCRATCH + 0x2_0000;
const INPUT_QUEUES: u64 = SCRATCH + 0x10_0000;
const QUEUE_SHIFT: u32 = 16;
/// The frame buffer ends with the memory that the image header claims.
const FRAME_BUFFER: u64 = 0x41c0_0000;
const FRAME_BUFFER_LEN: u64 = 0x240_0000;

/// The interrupt of virtio-mmio slot 0, and of the PL061.
const VIRTIO_INTID: u32 = 48;
const GPIO_INTID: u64 = 39;
const GPIO: u64 = 0x0903_0000;
const POWER_LINE: u32 = 1 << 3;

pub(super) fn emit(a: &mut Asm) {
    a64!(a; ->main: ; bl ->mmu_on; bl ->gic_init);
    // Reset may have left memory as it was.
    a.li(0, STATE);
    a.li(1, FRAME_BUFFER);
    a64!(a; clear: ; stp xzr, xzr, [x0], 16; cmp x0, x1; b.lo <clear);
    a.li(19, STATE);
    let found = a.label();
    a.li(0, virtio::SLOTS);
    a64!(a
        ; movz w24, 32
        ; slot:
        ; movz w1, virtio::GPU
        ; bl ->virtio_probe
        ; b.eq =>found
        ; add x0, x0, 1 << virtio::SLOT_SHIFT
        ; subs w24, w24, 1
        ; b.ne <slot
    );
    a.print("skip demo: no display found\n");
    a64!(a; b ->finish; =>found; str x0, [x19, GPU_BASE]; bl ->gpu_start);
    title(a);
    power_key(a);
    let over = a.label();
    a64!(a; b =>over);
    let handler = a.here();
    irq(a);
    a64!(a; =>over);
    a.on_irq(handler);
    a64!(a; bl ->inputs_start);
    a.print("demo: display ");
    a64!(a; mov w0, w21; bl ->putdec);
    a.print("x");
    a64!(a; mov w0, w22; bl ->putdec);
    a.print(", input devices ");
    a64!(a; ldr w0, [x19, INPUTS]; bl ->putdec);
    a.print("\ndemo: ready\n");

    // Interrupts are masked but for the moment after WFI, so none is lost between looking and sleeping.
    a64!(a
        ; idle:
        ; bl ->inputs_take
        ; bl ->gpu_flush
        ; cbnz x28, <idle
        ; dsb sy
        ; wfi
        ; msr daifclr, 2
        ; isb
        ; msr daifset, 2
        ; b <idle
    );
    interrupts::emit(a);
    virtio::emit(a);
    paint::emit(a);
    input::emit(a);
}

fn title(a: &mut Asm) {
    a64!(a; movz w0, 40; udiv w23, w21, w0; cmp w23, 4; b.hs >wide; movz w23, 4; wide: ; bl ->background);
    paint::centred(a, "HANDSET", 8, 9, 0xffff_ffff);
    paint::centred(a, "TOUCH THE SCREEN", 16, 22, 0xff9f_b4d8);
    paint::centred(a, "POWER KEY ENDS", 60, 40, 0xff6f_84a8);
    a64!(a; stp wzr, wzr, [x19, DIRTY as i32]; stp w21, w22, [x19, (DIRTY + 8) as i32]; bl ->gpu_flush);
}

fn power_key(a: &mut Asm) {
    // Line 3 interrupts at its rising edge.
    a.li(0, GPIO);
    a64!(a
        ; movz w1, POWER_LINE
        ; str w1, [x0, 0x40c] // GPIOIEV
        ; str w1, [x0, 0x41c] // GPIOIC
        ; str w1, [x0, 0x410] // GPIOIE
    );
    a.li(0, GPIO_INTID);
    a.li(1, 0x40);
    a64!(a; bl ->irq_enable);
    let over = a.label();
    a64!(a; b =>over; ->power_key:);
    a.print("demo: power key\n");
    a64!(a; b ->finish; =>over);
}

/// The interrupt handler: quiets the device; the main loop looks after its events.
fn irq(a: &mut Asm) {
    a64!(a
        ; stp x30, x19, [sp, -16]!
        ; bl ->irq_ack
        ; mov x5, x0
        ; cmp x5, GPIO_INTID as u32
        ; b.eq ->power_key
        ; subs w0, w5, VIRTIO_INTID
        ; b.lo >end
        ; cmp w0, 32
        ; b.hs >end
    );
    a.li(1, virtio::SLOTS);
    a64!(a
        ; add x1, x1, x0, lsl virtio::SLOT_SHIFT
        ; ldr w0, [x1, virtio::INTERRUPT_STATUS]
        ; str w0, [x1, virtio::INTERRUPT_ACK]
        ; end:
        ; mov x0, x5
        ; bl ->irq_end
        ; ldp x30, x19, [sp], 16
        ; ret
    );
}
