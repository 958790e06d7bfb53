//! The contracts between devices, the board that wires them, and the host that feeds them.

mod clock;
#[cfg(test)]
pub(crate) mod conformance;
mod host;
mod irq;
mod mmio;
pub mod ram;
mod routing;
mod snapshot;

pub use clock::{Clock, ManualClock, Nanos, Poll, Waker};
pub use host::{
    BlockError, BlockStore, ByteSink, Cursor, Frame, FrameSink, MemoryStore, NetPort, NullSink, Rect, WallClock,
};
pub use irq::{GicCpuPort, IccReg, IrqLine, IrqSink, RecordingSink};
pub use mmio::{Access, MmioDevice, Size, Sizes};
pub use ram::{GuestRam, Pa, RamError};
pub use routing::{Bus, BusError, MapError, Target};
pub use snapshot::{Part, RestoreError, Snapshot};

/// What a device says of itself in the generated device tree.
pub trait FdtNode {
    /// Writes the device's node; `base` and `len` are its register window, `spi` the number of its interrupt (0 for
    /// SPI 0, as device trees count).
    ///
    /// # Errors
    /// What [`vm_fdt`] refuses: only a name that is not a valid node or property name.
    fn fdt(&self, w: &mut vm_fdt::FdtWriter, base: u64, len: u64, spi: Option<u32>) -> Result<(), vm_fdt::Error>;
}

/// A device that a board reset returns to its power-on state.
pub trait Reset {
    /// Power-on state, with wires deasserted; fixed configuration and host back ends stay.
    fn reset(&mut self);
}
