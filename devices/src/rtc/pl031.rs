//! PrimeCell real-time clock PL031 (DDI 0224B).
//!
//! Counts the seconds of the host's wall clock, so that it is right after the machine has stood still; what the guest
//! loads is an offset to that, which is battery-backed: it survives a reset. The alarm fires when the count passes
//! RTCMR; a match value more than 2³¹ seconds ahead counts as past. Left out: RTCCR (always enabled).

use serde::{Deserialize, Serialize};
use vm_fdt::FdtWriter;

use crate::bus::{Access, FdtNode, IrqLine, MmioDevice, Nanos, Poll, Reset, RestoreError, Snapshot, Waker, WallClock};
use crate::{fdt, primecell};

const RTCDR: u64 = 0x00;
const RTCMR: u64 = 0x04;
const RTCLR: u64 = 0x08;
const RTCCR: u64 = 0x0c;
const RTCIMSC: u64 = 0x10;
const RTCRIS: u64 = 0x14;
const RTCMIS: u64 = 0x18;
const RTCICR: u64 = 0x1c;

const SECOND: Nanos = 1_000_000_000;

/// A real-time clock with one alarm.
pub struct Pl031 {
    // Host and wires.
    wall: Box<dyn WallClock>,
    irq: IrqLine,
    waker: Waker,

    // Guest state.
    offset: u32,
    lr: u32,
    mr: u32,
    armed: bool,
    imsc: bool,
    ris: bool,
}

/// A [`Pl031`] as data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedPl031 {
    offset: u32,
    lr: u32,
    mr: u32,
    armed: bool,
    imsc: bool,
    ris: bool,
}

impl std::fmt::Debug for Pl031 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pl031({:?})", self.save())
    }
}

impl Pl031 {
    /// A clock that shows `wall`; `waker` asks for [`Poll::poll`] when the guest has set an alarm.
    #[must_use]
    pub fn new(wall: Box<dyn WallClock>, irq: IrqLine, waker: Waker) -> Self {
        Self { wall, irq, waker, offset: 0, lr: 0, mr: 0, armed: false, imsc: false, ris: false }
    }

    /// RTCDR. The counter has 32 bits and wraps in 2106.
    fn count(&self) -> u32 {
        (self.wall.unix_seconds() as u32).wrapping_add(self.offset)
    }

    /// Seconds until the alarm, negative when it is past.
    fn ahead(&self) -> i32 {
        self.mr.wrapping_sub(self.count()).cast_signed()
    }

    fn arm(&mut self) {
        self.armed = self.ahead() >= 0;
        self.waker.wake();
    }

    fn sync(&self) {
        self.irq.set_level(self.ris && self.imsc);
    }
}

impl Poll for Pl031 {
    fn poll(&mut self, now: Nanos) -> Option<Nanos> {
        if self.armed && self.ahead() <= 0 {
            (self.armed, self.ris) = (false, true);
            self.sync();
        }
        self.armed.then(|| now.saturating_add(u64::from(self.ahead().unsigned_abs()) * SECOND))
    }
}

impl MmioDevice for Pl031 {
    fn read(&mut self, at: Access) -> u64 {
        let word = match at.offset {
            RTCDR => self.count(),
            RTCMR => self.mr,
            RTCLR => self.lr,
            RTCCR => 1,
            RTCIMSC => self.imsc.into(),
            RTCRIS => self.ris.into(),
            RTCMIS => (self.ris && self.imsc).into(),
            offset => primecell::identification(0x031, 0, offset).unwrap_or(0),
        };
        word.into()
    }

    fn write(&mut self, at: Access, value: u64) {
        match at.offset {
            RTCMR => {
                self.mr = value as u32;
                self.arm();
            }
            RTCLR => {
                self.lr = value as u32;
                self.offset = self.lr.wrapping_sub(self.wall.unix_seconds() as u32);
                self.arm();
            }
            RTCIMSC => self.imsc = value & 1 != 0,
            RTCICR => self.ris &= value & 1 == 0,
            _ => return,
        }
        self.sync();
    }
}

impl Reset for Pl031 {
    fn reset(&mut self) {
        (self.lr, self.mr, self.armed, self.imsc, self.ris) = (0, 0, false, false, false);
        self.sync();
    }
}

impl Snapshot for Pl031 {
    type Saved = SavedPl031;

    fn save(&self) -> SavedPl031 {
        let &Self { wall: _, irq: _, waker: _, offset, lr, mr, armed, imsc, ris } = self;
        SavedPl031 { offset, lr, mr, armed, imsc, ris }
    }

    fn restore(&mut self, saved: SavedPl031) -> Result<(), RestoreError> {
        let SavedPl031 { offset, lr, mr, armed, imsc, ris } = saved;
        (self.offset, self.lr, self.mr, self.armed, self.imsc, self.ris) = (offset, lr, mr, armed, imsc, ris);
        self.sync();
        self.waker.wake();
        Ok(())
    }
}

impl FdtNode for Pl031 {
    fn fdt(&self, w: &mut FdtWriter, base: u64, len: u64, spi: Option<u32>) -> Result<(), vm_fdt::Error> {
        let node = w.begin_node(&format!("pl031@{base:x}"))?;
        fdt::compatible(w, &["arm,pl031", "arm,primecell"])?;
        fdt::reg(w, base, len)?;
        fdt::interrupt(w, spi, fdt::LEVEL_HIGH)?;
        fdt::primecell_clocks(w, &["apb_pclk"])?;
        w.end_node(node)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::bus::{RecordingSink, Size, conformance};

    struct Wall(Arc<AtomicU64>);

    impl WallClock for Wall {
        fn unix_seconds(&self) -> u64 {
            self.0.load(Ordering::SeqCst)
        }
    }

    fn rtc() -> (Pl031, Arc<AtomicU64>, Arc<RecordingSink>) {
        let (wall, wire) = (Arc::new(AtomicU64::new(1_700_000_000)), Arc::new(RecordingSink::default()));
        let rtc = Pl031::new(Box::new(Wall(wall.clone())), IrqLine::new(wire.clone(), 0), Waker::none());
        (rtc, wall, wire)
    }

    fn write(rtc: &mut Pl031, offset: u64, value: u64) {
        rtc.write(Access::new(offset, Size::B4), value);
    }

    fn read(rtc: &mut Pl031, offset: u64) -> u64 {
        rtc.read(Access::new(offset, Size::B4))
    }

    #[test]
    fn it_conforms() {
        conformance::check_but_for(0x1000, || rtc().0, |saved| saved.offset = 0);
    }

    #[test]
    fn it_shows_the_wall_clock_and_what_the_guest_loads_even_after_a_reset() {
        let (mut rtc, wall, _) = rtc();
        assert_eq!(read(&mut rtc, RTCDR), 1_700_000_000);
        write(&mut rtc, RTCLR, 1000);
        wall.fetch_add(5, Ordering::SeqCst);
        assert_eq!(read(&mut rtc, RTCDR), 1005);
        rtc.reset();
        assert_eq!(read(&mut rtc, RTCDR), 1005);
    }

    #[test]
    fn the_alarm_fires_once_when_its_second_comes() {
        let (mut rtc, wall, wire) = rtc();
        write(&mut rtc, RTCIMSC, 1);
        write(&mut rtc, RTCMR, 1_700_000_010);
        assert_eq!(rtc.poll(7), Some(7 + 10 * SECOND));
        wall.fetch_add(9, Ordering::SeqCst);
        assert_eq!(rtc.poll(10 * SECOND), Some(11 * SECOND));
        assert!(!wire.level(0));
        wall.fetch_add(3, Ordering::SeqCst);
        assert_eq!(rtc.poll(13 * SECOND), None);
        assert!(wire.level(0));
        assert_eq!((read(&mut rtc, RTCRIS), read(&mut rtc, RTCMIS)), (1, 1));
        write(&mut rtc, RTCICR, 1);
        assert!(!wire.level(0));
        assert_eq!(rtc.poll(14 * SECOND), None);
    }

    #[test]
    fn an_alarm_in_the_past_never_fires() {
        let (mut rtc, ..) = rtc();
        write(&mut rtc, RTCMR, 1_699_999_999);
        assert_eq!(rtc.poll(0), None);
        assert_eq!(read(&mut rtc, RTCRIS), 0);
    }

    #[test]
    fn the_bus_finds_an_arm_primecell() {
        let (mut rtc, ..) = rtc();
        assert_eq!([0xfe0, 0xfe4, 0xfe8, 0xfec].map(|offset| read(&mut rtc, offset)), [0x31, 0x10, 0x04, 0x00]);
    }
}
