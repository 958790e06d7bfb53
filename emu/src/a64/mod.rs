//! The A64 instruction set: one row per instruction, read by the interpreter, the translator and the disassembler.

pub mod asm;
pub mod insn;
mod pattern;
pub mod sysreg;
mod table;

pub use pattern::{Field, Pattern};
pub use table::{Row, decode, group, rows};
