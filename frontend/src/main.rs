//! Handset's command line.
fn main() {}
