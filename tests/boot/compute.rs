//! An hour of compute work on Handset and on QEMU, whose outputs must be the same:
//! `cargo test -p handset-tests --test compute -- --nocapture`.

use handset_tests::{cases::compute, emulator::Emulator};

#[test]
fn long_compute_work_verifies() {
    compute::long_compute_work_verifies(Emulator::Handset);
}
