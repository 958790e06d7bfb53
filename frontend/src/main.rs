//! Handset's command line.
#[allow(dead_code, reason = "the command line takes no drives yet")]
mod disk;

fn main() {}
