//! The translator: IR to x86-64.
//!
//! ```text
//! ir::block::Unit ── x64 (survey, allocate, emit) ── memory (RW/RX) ── cache (by PA, VA, context) ── links
//! ```
//! A unit is a piece of one guest page with its inner branches. Guest registers that it uses most live in host
//! registers through the whole unit; the others are read and written in the state, which is thereby precise at every
//! point that may fault, but for the registers that the unit holds: what leaves the fast path through a *thunk* names a
//! `Site` that says which those are. Values that an instruction needs but translated code cannot compute
//! come from the same [`Env`](crate::ir::Env) and the same `eval` that the interpreter uses.
//!
//! Needs a host with AVX2, BMI2, FMA, F16C, LZCNT and MOVBE (x86-64-v3); [`unsupported`] says what is missing.
#![allow(clippy::useless_conversion, reason = "dynasm! converts every operand")]

#[cfg(test)]
mod agreement;
mod asm;
#[cfg(test)]
mod bare;
mod cache;
mod frame;
mod memory;
mod moving;
mod optimizations;
mod profile;
mod site;
mod slow;
mod stats;
mod store;
mod thunks;
mod x64;

pub use cache::{Cache, Key};
pub use frame::{Exit, Frame};
#[cfg(test)]
pub(crate) use moving::moved_and_made;
pub use optimizations::{Optimizations, UnknownOptimization};
pub use profile::Profile;
pub use slow::{Plain, Reach, Registers, Runtime};
pub use stats::Stats;
pub use store::{MOST_BYTES as MOST_STORE_BYTES, Store, Words, maker};

/// What the host lacks to run translated code; empty when it can.
#[must_use]
pub fn unsupported() -> Vec<&'static str> {
    macro_rules! lacking {
        ($($feature:tt)*) => {
            [$( ($feature, std::arch::is_x86_feature_detected!($feature)) ),*]
        };
    }
    let features = lacking!("avx2" "bmi1" "bmi2" "fma" "f16c" "lzcnt" "movbe" "popcnt" "cmpxchg16b");
    features.iter().filter(|(_, there)| !there).map(|(name, _)| *name).collect()
}
