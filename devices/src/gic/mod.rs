//! Arm Generic Interrupt Controllers: GICv3 (IHI 0069H) and GICv2 (IHI 0048B).
//!
//! Both share `core`: the state of 288 interrupts (16 SGIs and 16 PPIs per CPU, 256 SPIs), what each CPU interface
//! sees of it, and the wires to the CPUs. [`v3`] and [`v2`] are the two register files over it.
//!
//! Locks: a device calls [`crate::bus::IrqSink::set_level`] under its own lock; the controller then takes its internal
//! lock and drives CPU wires under it. It never calls a device, so device lock before controller lock is the only
//! order.
//!
//! Left out: LPIs, ITS and MSI frames (v2m, message-based SPIs), the Security Extensions (one security state:
//! GICD_CTLR.DS is one), virtual interfaces (ICH, GICH, GICV), 1-of-N routing (GICD_TYPER.No1N is one), extended
//! ranges, error records, legacy operation of a GICv3 (ARE and SRE are fixed to one).

mod core;
mod interface;
mod interrupts;
mod registers;
pub mod v2;
pub mod v3;
mod v3_windows;

pub use interrupts::{INTIDS, MAX_CPUS};
pub use v2::{CpuInterfaces, GicV2};
pub use v3::{GicV3, PrivateLines};
pub use v3_windows::{Distributor, REDISTRIBUTOR_LEN, REDISTRIBUTORS_OFFSET, Redistributors};
