//! The device template: copy it to `<class>/<device>.rs`, replace what the chip does, and keep the order of things.
//!
//! A down-counter (no real chip; name the manual and its sections here). It shows a register file, a wire, guest time,
//! and every facet. Leaves out: prescaling.
//!
//! Beside the file, a device needs `pub mod` in its class and one line on the board.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vm_fdt::FdtWriter;

use crate::bus::{Access, Clock, FdtNode, IrqLine, MmioDevice, Nanos, Poll, Reset, RestoreError, Snapshot, Waker};
use crate::fdt;

// Registers, by the manual's names.
const LOAD: u64 = 0x00;
const VALUE: u64 = 0x04;
const CONTROL: u64 = 0x08;
const STATUS: u64 = 0x0c;

/// CONTROL: the interrupt is enabled.
const CONTROL_IE: u32 = 1;

/// Nanoseconds of one count.
const TICK: Nanos = 1000;

/// A counter that interrupts when it reaches zero.
pub struct Countdown {
    // Wires and host.
    clock: Arc<dyn Clock>,
    irq: IrqLine,
    waker: Waker,

    // Guest state.
    control: u32,
    expired: bool,
    /// When the counter reaches zero, while it counts.
    deadline: Option<Nanos>,
}

/// A [`Countdown`] as data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedCountdown {
    control: u32,
    expired: bool,
    deadline: Option<Nanos>,
}

impl std::fmt::Debug for Countdown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Countdown({:?})", self.save())
    }
}

impl Countdown {
    /// A stopped counter; `waker` asks for a poll when the guest has started it.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, irq: IrqLine, waker: Waker) -> Self {
        Self { clock, irq, waker, control: 0, expired: false, deadline: None }
    }

    fn value(&self) -> u32 {
        self.deadline.map_or(0, |at| (at.saturating_sub(self.clock.now()).div_ceil(TICK)) as u32)
    }

    /// Derives the wire from the state; every change ends here.
    fn sync(&self) {
        self.irq.set_level(self.expired && self.control & CONTROL_IE != 0);
    }
}

impl MmioDevice for Countdown {
    fn read(&mut self, at: Access) -> u64 {
        let word = match at.offset {
            VALUE => self.value(),
            CONTROL => self.control,
            STATUS => self.expired.into(),
            _ => 0,
        };
        word.into()
    }

    fn write(&mut self, at: Access, value: u64) {
        match at.offset {
            LOAD => {
                self.deadline = Some(self.clock.now().saturating_add(value * TICK));
                self.waker.wake();
            }
            CONTROL => self.control = value as u32 & CONTROL_IE,
            // Write one to clear.
            STATUS => self.expired &= value & 1 == 0,
            _ => return,
        }
        self.sync();
    }
}

impl Poll for Countdown {
    fn poll(&mut self, now: Nanos) -> Option<Nanos> {
        if self.deadline.is_some_and(|at| at <= now) {
            (self.deadline, self.expired) = (None, true);
            self.sync();
        }
        self.deadline
    }
}

impl Reset for Countdown {
    fn reset(&mut self) {
        (self.control, self.expired, self.deadline) = (0, false, None);
        self.sync();
    }
}

impl Snapshot for Countdown {
    type Saved = SavedCountdown;

    fn save(&self) -> SavedCountdown {
        // No `..`: a forgotten field does not compile.
        let &Self { clock: _, irq: _, waker: _, control, expired, deadline } = self;
        SavedCountdown { control, expired, deadline }
    }

    fn restore(&mut self, saved: SavedCountdown) -> Result<(), RestoreError> {
        let SavedCountdown { control, expired, deadline } = saved;
        if control & !CONTROL_IE != 0 {
            return Err(RestoreError { device: "countdown", field: "control" });
        }
        (self.control, self.expired, self.deadline) = (control, expired, deadline);
        self.sync();
        self.waker.wake();
        Ok(())
    }
}

impl FdtNode for Countdown {
    fn fdt(&self, w: &mut FdtWriter, base: u64, len: u64, spi: Option<u32>) -> Result<(), vm_fdt::Error> {
        let node = w.begin_node(&format!("timer@{base:x}"))?;
        fdt::compatible(w, &["handset,countdown"])?;
        fdt::reg(w, base, len)?;
        fdt::interrupt(w, spi, fdt::LEVEL_HIGH)?;
        w.end_node(node)
    }
}

mod tests {
    use super::*;
    use crate::bus::{ManualClock, RecordingSink, Size, conformance};

    #[test]
    fn it_conforms() {
        let clock = ManualClock::new();
        conformance::check(0x1000, || Countdown::new(clock.clone(), IrqLine::unconnected(), Waker::none()));
    }

    #[test]
    fn it_interrupts_when_it_reaches_zero_and_until_it_is_told() {
        let (clock, wire) = (ManualClock::new(), Arc::new(RecordingSink::default()));
        let mut device = Countdown::new(clock.clone(), IrqLine::new(wire.clone(), 0), Waker::none());
        let word = |offset| Access::new(offset, Size::B4);
        device.write(word(CONTROL), 1);
        device.write(word(LOAD), 10);
        assert_eq!(device.poll(clock.now()), Some(10 * TICK));
        clock.advance(9 * TICK);
        assert_eq!((device.poll(clock.now()), device.read(word(VALUE))), (Some(10 * TICK), 1));
        assert!(!wire.level(0));
        clock.advance(TICK);
        assert_eq!(device.poll(clock.now()), None);
        assert!(wire.level(0));
        device.write(word(STATUS), 1);
        assert!(!wire.level(0));
    }

    #[test]
    fn its_node_names_its_window_and_interrupt() {
        let device = Countdown::new(ManualClock::new(), IrqLine::unconnected(), Waker::none());
        let mut w = FdtWriter::new().unwrap();
        let root = w.begin_node("").unwrap();
        device.fdt(&mut w, 0xb00_0000, 0x1000, Some(48)).unwrap();
        w.end_node(root).unwrap();
        let blob = w.finish().unwrap();
        let holds = |part: &[u8]| blob.windows(part.len()).any(|found| found == part);
        assert!(holds(b"timer@b000000\0"));
        assert!(holds(&[0, 0, 0, 0, 0, 0, 0, 48, 0, 0, 0, 4]));
    }
}
