//! The smallest program: it was started at EL1 with a device tree, and it can speak.

use dynasmrt::{DynasmApi, DynasmLabelApi};

use crate::asm::{Asm, a64};
use crate::sysreg::*;

pub(super) fn emit(a: &mut Asm) {
    a64!(a; ->main: ; mov x21, x0);
    a.print("Hello from bare metal\n");
    a64!(a; mrs x3, CURRENT_EL);
    a.check("hello: at EL1", 3, 1 << 2);
    a64!(a; ldr w3, [x21]);
    a.check("hello: x0 is a device tree", 3, u64::from(0xd00d_feed_u32.swap_bytes()));
    a64!(a; b ->finish);
}
