//! The list of programs.

use crate::asm::Asm;

mod exceptions;
mod hello;

/// Name and body of each program.
pub(crate) const TABLE: &[(&str, fn(&mut Asm))] = &[("hello", hello::emit), ("exceptions", exceptions::emit)];
