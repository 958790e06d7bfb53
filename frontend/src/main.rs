//! Handset's command line.
#[allow(dead_code, reason = "the command line takes no drives yet")]
mod disk;
#[allow(dead_code, unused_imports, reason = "nothing starts a machine yet")]
mod net;

fn main() {}
