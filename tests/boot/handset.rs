//! The cases that Handset passes. A case that it comes to pass is added here; all cases are in `qemu.rs`.

handset_tests::boots! {
    Handset:
    kernel {}
    disk {}
    firmware {}
}
