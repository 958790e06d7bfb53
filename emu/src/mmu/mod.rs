//! The stage 1 MMU of EL1&0: table walks, the software TLB that translated code probes, and accesses to RAM.

pub mod host;
mod met;
pub mod tlb;
pub mod walk;

pub use tlb::{CodePage, Contexts, Entry, Tables, TlbOp};
pub use walk::{Access, Fault, Leaf, walk};
