//! Real-time clocks.

pub mod pl031;

pub use pl031::Pl031;
