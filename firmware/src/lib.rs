//! Guest-side programs: bare-metal tests and the demo guest, assembled by dynasm's AArch64 back end.
//!
//! Each is a raw arm64 `Image` for the `virt` board: it starts at EL1 with the MMU off, prints `ok NAME` or
//! `FAIL NAME expected … got …` lines on the serial port, then `PASS` or `FAIL`, and powers the machine off.
//! (`demo` paints until the power key is pressed.)

#![allow(clippy::useless_conversion, reason = "dynasm converts the numbers of registers that it is given")]

mod asm;
pub mod image;
mod interrupts;
mod programs;
mod runtime;
mod sysreg;

/// A program ready to be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// What it is called by.
    pub name: &'static str,
    /// The arm64 `Image`.
    pub image: Vec<u8>,
}

/// Every program.
pub fn programs() -> Vec<Program> {
    names().filter_map(program).collect()
}

/// The names of every program.
pub fn names() -> impl Iterator<Item = &'static str> {
    programs::TABLE.iter().map(|&(name, _)| name)
}

/// The program of that name.
pub fn program(name: &str) -> Option<Program> {
    let &(name, emit) = programs::TABLE.iter().find(|&&(known, _)| known == name)?;
    let mut asm = asm::Asm::new();
    runtime::emit(&mut asm);
    emit(&mut asm);
    Some(Program { name, image: asm.finish() })
}
