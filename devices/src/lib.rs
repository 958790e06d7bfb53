//! The peripherals of a Handset phone.
//!
//! Each device is a pure state machine behind registers or virtqueues: feed it accesses and time, watch its wires.
//! [`bus`] holds the contracts that devices, boards and host back ends meet at; every other module is one class of
//! device. Nothing here owns a thread, reads a host clock or knows a window, socket or file.

#[cfg(test)]
mod _new;
pub mod bus;
pub mod display;
pub mod fdt;
pub mod flash;
pub mod fw_cfg;
pub mod gic;
pub mod gpio;
mod primecell;
pub mod rtc;
pub mod serial;
pub mod virtio;
