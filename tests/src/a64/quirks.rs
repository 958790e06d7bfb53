//! Where QEMU's user mode departs from the Arm manual: one row each, with the reason. All else is our fault.
//!
//! What the manual leaves open ([`difference`](super::difference) has it) is no row here.

use emu::a64::decode;

use super::{CODE, Case, Outcome, Signal};

/// A fault of QEMU's.
pub struct Quirk {
    /// What it does.
    pub what: &'static str,
    /// Why that is wrong.
    pub why: &'static str,
    /// Whether an outcome of QEMU's (the first) and ours differ so.
    pub shows: fn(&Case, &Outcome, &Outcome) -> bool,
}

impl std::fmt::Debug for Quirk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.what)
    }
}

/// All of them.
pub const QUIRKS: &[Quirk] = &[
    Quirk {
        what: "an access far outside the address space is reported as misaligned",
        why: "DDI 0487, B2.8.2: an ordinary access to Normal memory may be unaligned, and AArch64.S1Translate faults on the \
          address. QEMU passes the host's SIGBUS on: x86 raises #SS, not #GP, where the address is not canonical and \
          the compiler has it in RBP.",
        shows: |case, qemu, ours| {
            let word = case.words.get((ours.pc.wrapping_sub(CODE) / 4) as usize);
            let group = word.and_then(|&word| decode(word)).map_or("", |row| row.group);
            let ordinary = matches!(group, "load_store" | "load_store_fp" | "simd_structure");
            (qemu.signal, ours.signal) == (Signal::Alignment, Signal::Fault) && qemu.pc == ours.pc && ordinary
        },
    },
    Quirk {
        what: "a store-exclusive at address -1 finds an open monitor armed, and faults on alignment",
        why: "DDI 0487, B2.12.2: with the local monitor open, a store-exclusive may fail before it looks at its address, and does \
          so at every other address. QEMU keeps -1 as the address of an open monitor, and takes it for this one.",
        shows: |case, qemu, ours| {
            let word = case.words.get((qemu.pc.wrapping_sub(CODE) / 4) as usize);
            let base = |word: &u32| qemu.state.x.get((word >> 5 & 31) as usize).copied();
            let store = |word: &u32| decode(*word).is_some_and(|row| matches!(row.name, "stxr" | "stxp"));
            qemu.signal == Signal::Alignment
                && ours.pc > qemu.pc
                && word.is_some_and(|word| store(word) && base(word) == Some(u64::MAX))
        },
    },
];
