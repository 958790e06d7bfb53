//! The list of programs.

use crate::asm::Asm;

mod exceptions;
mod granules;
mod hello;
mod mmu;

/// Name and body of each program.
pub(crate) const TABLE: &[(&str, fn(&mut Asm))] =
    &[("hello", hello::emit), ("exceptions", exceptions::emit), ("mmu", mmu::emit), ("granules", granules::emit)];
