//! The computer of a Handset phone: an AArch64 CPU, its translator and MMU, and the machine around it.
//!
//! ```text
//! debug ─ machine ─ cpu ─┬─ a64 ── interp ─┐
//!                        └─ jit ───────────┴─ ir, mmu ─ state
//! ```
//! `a64` says what instructions mean, in the vocabulary of [`ir::Build`]; `interp` executes that meaning at once and
//! `jit` translates it to host code. Neither `a64` nor `jit` knows the other; `cpu` brings them together.

pub mod a64;
pub mod cpu;
pub mod debug;
pub mod interp;
pub mod ir;
pub mod jit;
pub mod machine;
pub mod mmu;
pub mod state;
