//! The list of programs.

use crate::asm::Asm;

mod atomics;
mod debug;
mod demo;
mod exceptions;
mod fp;
mod gic;
mod granules;
mod hello;
mod mmu;
mod psci;
mod reset;
mod smc;
mod timer;

/// Emits a program's body, which starts at `->main`.
type Emit = fn(&mut Asm);

/// Name and body of each program.
#[rustfmt::skip]
pub(crate) const TABLE: &[(&str, Emit)] = &[
    ("hello", hello::emit),
    ("exceptions", exceptions::emit),
    ("debug", debug::emit),
    ("mmu", mmu::emit),
    ("granules", granules::emit),
    ("timer", timer::emit),
    ("gic", gic::emit),
    ("psci", psci::emit),
    ("reset", reset::emit),
    ("atomics", atomics::emit),
    ("smc", smc::emit),
    ("fp", fp::emit),
    ("demo", demo::emit),
];
