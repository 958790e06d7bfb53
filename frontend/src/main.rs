//! Handset's command line.
#[allow(dead_code, reason = "nothing starts a machine yet")]
mod net;

fn main() {}
