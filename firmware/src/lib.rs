//! Guest-side programs: bare-metal tests and the demo guest, assembled by dynasm's AArch64 back end.
