//! General-purpose inputs and outputs.

pub mod pl061;

pub use pl061::Pl061;
