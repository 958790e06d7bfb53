//! Displays other than virtio-gpu.

pub mod ramfb;
