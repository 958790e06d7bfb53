//! Serial ports.

pub mod pl011;

pub use pl011::Pl011;
