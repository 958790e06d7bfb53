//! Guest-side programs: bare-metal tests and the demo guest, assembled by dynasm's AArch64 back end.
//!
//! Each is a raw arm64 `Image` for the `virt` board: it starts at EL1 with the MMU off, prints `ok NAME` or
//! `FAIL NAME expected … got …` lines on the serial port, then `PASS` or `FAIL`, and powers the machine off.
//! (`demo` paints until the power key is pressed.) A micro-benchmark also prints `<begin>` and `<end>` around its work.

#![allow(clippy::useless_conversion, reason = "dynasm converts the numbers of registers that it is given")]

mod asm;
pub mod image;
mod interrupts;
mod micro;
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
    Some(Program { name, image: assemble(emit) })
}

/// A micro-benchmark.
#[derive(Clone, Copy)]
pub struct Micro {
    /// What it is called by.
    pub name: &'static str,
    /// What it does `operations` times between its lines `<begin>` and `<end>`.
    pub operation: &'static str,
    /// How often.
    pub operations: u64,
    /// The CPUs that it needs.
    pub cpus: u32,
    emit: fn(&mut asm::Asm),
}

impl Micro {
    /// The arm64 `Image`.
    pub fn image(&self) -> Vec<u8> {
        assemble(self.emit)
    }
}

/// Every micro-benchmark.
pub fn micros() -> impl Iterator<Item = Micro> {
    micro::TABLE.iter().map(|row| Micro {
        name: row.name,
        operation: row.operation,
        operations: row.operations,
        cpus: row.cpus,
        emit: row.emit,
    })
}

fn assemble(emit: fn(&mut asm::Asm)) -> Vec<u8> {
    let mut asm = asm::Asm::new();
    runtime::emit(&mut asm);
    emit(&mut asm);
    asm.finish()
}
