//! NOR flash.

pub mod cfi;
mod query;

pub use cfi::CfiFlash;
