//! A bare-metal program for debuggers: every CPU goes round and counts, for ever.

use dynasmrt::aarch64::Aarch64Relocation;
use dynasmrt::{DynasmApi, DynasmLabelApi, VecAssembler, dynasm};

/// Its first instruction, in the header of its image.
pub const ENTRY: u64 = 0x4020_0000;
/// The first one behind the header.
pub const START: u64 = ENTRY + 64;
/// The one that each round begins with.
pub const LOOP: u64 = START + 4 * 13;
/// The one that writes the count to memory.
pub const STORE: u64 = LOOP + 4 * 3;
/// The one that reads it back.
pub const LOAD: u64 = STORE + 4;
/// Where each CPU counts its rounds: 8 bytes each.
pub const ROUNDS: u64 = 0x4030_0000;

/// Turns on what other CPUs there are (PSCI's CPU_ON). Each counts rounds in X0 and in memory; X1 says where.
pub fn program() -> Vec<u8> {
    let mut a = VecAssembler::<Aarch64Relocation>::new(ENTRY as usize);
    dynasm!(a
        ; .arch aarch64
        ; b ->start
        ; .bytes [0; 12]
        ; .u64 0x40_0000
        ; .u64 2
        ; .bytes [0; 24]
        ; .bytes b"ARM\x64"
        ; .u32 0
        ; ->start:
        ; movz x19, 1
        ; ->next:
        ; movz w0, 0xc400, lsl 16
        ; movk w0, 3
        ; mov x1, x19
        ; adr x2, ->other
        ; movz x3, 0x4030, lsl 16
        ; add x3, x3, x19, lsl 3
        ; hvc 0
        ; add x19, x19, 1
        ; cmp x19, 4
        ; b.lt ->next
        ; movz x1, 0x4030, lsl 16
        ; movz x0, 0
        ; ->round:
        ; add x0, x0, 1
        ; bl ->count
        ; b ->round
        ; ->count:
        ; str x0, [x1]
        ; ldr x2, [x1]
        ; ret
        ; ->other:
        ; mov x1, x0
        ; movz x0, 0
        ; b ->round
    );
    let mut image = a.finalize().expect("the program's labels are all there");
    image[8..16].copy_from_slice(&0x20_0000u64.to_le_bytes());
    image
}
