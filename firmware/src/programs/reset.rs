//! SYSTEM_RESET: memory keeps what the loader does not write, the image is as it was, and code from before does not run.
//!
//! Spec: DEN 0022. What memory holds after a reset is the board's business: `virt` keeps it.

use dynasmrt::{DynasmApi, DynasmLabelApi};

use crate::asm::{Asm, a64};
use crate::runtime::{Psci, SCRATCH};

/// Holds [`BOOTED`] from the first boot on.
const MARK: u64 = SCRATCH;
const BOOTED: u64 = 0x600d_b007;
/// A function outside the image.
const CODE: u64 = SCRATCH + 0x1_0000;
const RET_MOVZ_X0: u64 = 0xd65f_03c0_d280_0000;
/// Stores into the page of [`CODE`]: more than after which a translator may cease to look for changes there.
const STORES: u64 = 20_000;

pub(super) fn emit(a: &mut Asm) {
    let (again, function) = (a.label(), a.label());
    a64!(a; ->main: ; bl ->mmu_on);
    a.li(19, CODE);
    a.li(20, MARK);
    a.li(21, BOOTED);
    a64!(a; ldr x22, [x20]; adr x23, =>function; cmp x22, x21; b.eq =>again);

    // The first boot: the function in the image and the one outside are changed, and run.
    a64!(a; str x21, [x20]; bl =>function; mov x3, x0);
    a.check("first boot: code in the image", 3, 1);
    a.li(24, RET_MOVZ_X0 | 2 << 5);
    a64!(a
        ; str w24, [x23]
        ; str x24, [x19]
        ; dc cvau, x23
        ; dc cvau, x19
        ; dsb ish
        ; ic ivau, x23
        ; ic ivau, x19
        ; dsb ish
        ; isb
        ; bl =>function
        ; mov x3, x0
        ; blr x19
        ; mov x4, x0
    );
    a.check("changed code in the image", 3, 2);
    a.check("code outside the image", 4, 2);
    // The last change is not announced: the reset is to see to it.
    a.li(22, STORES);
    a.li(24, RET_MOVZ_X0 | 3 << 5);
    a64!(a
        ; next:
        ; str x22, [x19, 64]
        ; blr x19
        ; subs x22, x22, 1
        ; b.ne <next
        ; str x24, [x19]
        ; dsb sy
    );
    a.li(0, Psci::SYSTEM_RESET);
    a64!(a; hvc 0);
    a.print("FAIL the machine goes on after SYSTEM_RESET\n");
    a64!(a; b ->power_off);

    a64!(a; .align 64; =>function; movz x0, 1; ret);

    a64!(a; .align 64; =>again; bl =>function; mov x3, x0; blr x19; mov x4, x0);
    a.check("second boot: code in the image", 3, 1);
    a.check("second boot: code outside the image", 4, 3);
    a64!(a; b ->finish);
}
