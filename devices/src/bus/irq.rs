//! Interrupts as wires.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Where wires end: an interrupt controller's input pins, or a CPU's IRQ and FIQ inputs.
pub trait IrqSink: Send + Sync {
    /// Sets the level of an input pin. Never blocks on, re-enters or takes the lock of the device that calls.
    fn set_level(&self, pin: u32, level: bool);
}

/// A level wire owned by one device; it knows no number, and driving it twice to one level is free.
pub struct IrqLine {
    sink: Arc<dyn IrqSink>,
    pin: u32,
    level: AtomicBool,
}

impl IrqLine {
    /// A wire, low, to a pin of `sink`.
    pub fn new(sink: Arc<dyn IrqSink>, pin: u32) -> Self {
        Self { sink, pin, level: AtomicBool::new(false) }
    }

    /// A wire that ends nowhere.
    #[must_use]
    pub fn unconnected() -> Self {
        Self::new(Arc::new(RecordingSink::default()), 0)
    }

    /// Drives the wire; the sink hears of changes only.
    pub fn set_level(&self, level: bool) {
        if self.level.swap(level, Ordering::AcqRel) != level {
            self.sink.set_level(self.pin, level);
        }
    }

    /// The level last driven.
    #[must_use]
    pub fn level(&self) -> bool {
        self.level.load(Ordering::Acquire)
    }
}

impl std::fmt::Debug for IrqLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IrqLine(pin {}, {})", self.pin, self.level())
    }
}

/// A sink for tests: remembers the levels of pins 0..64.
#[derive(Debug, Default)]
pub struct RecordingSink(AtomicU64);

impl RecordingSink {
    /// The level of a pin below 64.
    #[must_use]
    pub fn level(&self, pin: u32) -> bool {
        self.0.load(Ordering::SeqCst) >> pin & 1 != 0
    }
}

impl IrqSink for RecordingSink {
    fn set_level(&self, pin: u32, level: bool) {
        if level {
            self.0.fetch_or(1 << (pin & 63), Ordering::SeqCst);
        } else {
            self.0.fetch_and(!(1 << (pin & 63)), Ordering::SeqCst);
        }
    }
}

/// The GICv3 CPU interface registers that EL1 reaches by MRS and MSR (IHI 0069, 12.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the manual's names")]
pub enum IccReg {
    Ap0r(u8),
    Ap1r(u8),
    Asgi1r,
    Bpr0,
    Bpr1,
    Ctlr,
    Dir,
    Eoir0,
    Eoir1,
    Hppir0,
    Hppir1,
    Iar0,
    Iar1,
    Igrpen0,
    Igrpen1,
    Pmr,
    Rpr,
    Sgi0r,
    Sgi1r,
    Sre,
}

/// The CPU interface of a GICv3 as the CPUs see it.
///
/// Called by a vCPU for itself; after every call the controller has driven that CPU's IRQ and FIQ wires anew.
pub trait GicCpuPort: Send + Sync {
    /// MRS; reading `Iar0`/`Iar1` acknowledges.
    fn icc_read(&self, cpu: usize, reg: IccReg) -> u64;
    /// MSR.
    fn icc_write(&self, cpu: usize, reg: IccReg, value: u64);
}
