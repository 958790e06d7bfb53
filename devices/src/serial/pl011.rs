//! PrimeCell UART PL011 r1p5 (DDI 0183G), with FIFOs of 32.
//!
//! Bytes leave and arrive in no time: the transmit FIFO is always empty, and the receive timeout has passed as soon as
//! [`Pl011::receive`] returns. Transmission works before UARTEN is set, since early consoles do not set it; reception
//! needs UARTEN and RXE, and bytes that come earlier wait on the host. Left out: baud rates, framing and parity
//! (stored only), breaks, IrDA, DMA (UARTDMACR is stored), modem control beyond asserted CTS, DSR and DCD.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use vm_fdt::FdtWriter;

use crate::bus::{Access, ByteSink, FdtNode, IrqLine, MmioDevice, Reset, RestoreError, Snapshot, Waker};
use crate::{fdt, primecell};

const UARTDR: u64 = 0x00;
const UARTRSR: u64 = 0x04;
const UARTFR: u64 = 0x18;
const UARTILPR: u64 = 0x20;
const UARTIBRD: u64 = 0x24;
const UARTFBRD: u64 = 0x28;
const UARTLCR_H: u64 = 0x2c;
const UARTCR: u64 = 0x30;
const UARTIFLS: u64 = 0x34;
const UARTIMSC: u64 = 0x38;
const UARTRIS: u64 = 0x3c;
const UARTMIS: u64 = 0x40;
const UARTICR: u64 = 0x44;
const UARTDMACR: u64 = 0x48;

/// CTS, DSR, DCD, and a transmitter that is done.
const FR_FIXED: u32 = 1 | 1 << 1 | 1 << 2 | 1 << 7;
const FR_RXFE: u32 = 1 << 4;
const FR_RXFF: u32 = 1 << 6;

const LCR_H_FEN: u16 = 1 << 4;

const CR_UARTEN: u16 = 1;
const CR_LBE: u16 = 1 << 7;
const CR_TXE: u16 = 1 << 8;
const CR_RXE: u16 = 1 << 9;

const INT_RX: u16 = 1 << 4;
const INT_TX: u16 = 1 << 5;
const INT_RT: u16 = 1 << 6;
const INT_OE: u16 = 1 << 10;
const INT_ALL: u16 = 0x7ff;

const RSR_OE: u8 = 1 << 3;

const FIFO_LEN: usize = 32;

/// A UART: bytes out through a [`ByteSink`], bytes in through [`Pl011::receive`].
pub struct Pl011 {
    // Host and wires.
    sink: Box<dyn ByteSink>,
    room: Waker,
    irq: IrqLine,

    // Guest state.
    rx: VecDeque<u8>,
    rsr: u8,
    ilpr: u8,
    ibrd: u16,
    fbrd: u8,
    lcr_h: u16,
    cr: u16,
    ifls: u16,
    imsc: u16,
    ris: u16,
    dmacr: u8,
}

/// A [`Pl011`] as data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedPl011 {
    rx: Vec<u8>,
    rsr: u8,
    ilpr: u8,
    ibrd: u16,
    fbrd: u8,
    lcr_h: u16,
    cr: u16,
    ifls: u16,
    imsc: u16,
    ris: u16,
    dmacr: u8,
}

impl std::fmt::Debug for Pl011 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pl011({:?})", self.save())
    }
}

/// Power-on values (table 3-1).
const POWER_ON: SavedPl011 = SavedPl011 {
    rx: Vec::new(),
    rsr: 0,
    ilpr: 0,
    ibrd: 0,
    fbrd: 0,
    lcr_h: 0,
    cr: CR_RXE | CR_TXE,
    ifls: 0x12,
    imsc: 0,
    ris: 0,
    dmacr: 0,
};

impl Pl011 {
    /// A UART that sends to `sink` and interrupts by `irq`; `room` is woken when the guest has made room for bytes that
    /// [`Pl011::receive`] might have refused.
    #[must_use]
    pub fn new(sink: Box<dyn ByteSink>, irq: IrqLine, room: Waker) -> Self {
        let SavedPl011 { rx: _, rsr, ilpr, ibrd, fbrd, lcr_h, cr, ifls, imsc, ris, dmacr } = POWER_ON;
        let rx = VecDeque::with_capacity(FIFO_LEN);
        Self { sink, room, irq, rx, rsr, ilpr, ibrd, fbrd, lcr_h, cr, ifls, imsc, ris, dmacr }
    }

    /// Bytes from the host. Takes as many as there is room for and returns their number; offer the rest later.
    pub fn receive(&mut self, bytes: &[u8]) -> usize {
        if self.cr & (CR_UARTEN | CR_RXE) != CR_UARTEN | CR_RXE {
            return 0;
        }
        let count = bytes.len().min(self.depth() - self.rx.len());
        bytes[..count].iter().for_each(|&byte| self.arrive(byte));
        self.sync();
        count
    }

    fn depth(&self) -> usize {
        if self.lcr_h & LCR_H_FEN != 0 { FIFO_LEN } else { 1 }
    }

    /// The fill at which UARTRXINTR rises (table 3-13).
    fn trigger(&self) -> usize {
        let eighths = match self.ifls >> 3 & 7 {
            0 => 1,
            1 => 2,
            2 => 4,
            3 => 6,
            _ => 7,
        };
        (self.depth() * eighths / 8).max(1)
    }

    fn arrive(&mut self, byte: u8) {
        if self.rx.len() == self.depth() {
            self.rsr |= RSR_OE;
            self.ris |= INT_OE;
            return;
        }
        self.rx.push_back(byte);
        if self.rx.len() >= self.trigger() {
            self.ris |= INT_RX;
        }
        self.ris |= INT_RT;
    }

    fn read_data(&mut self) -> u8 {
        let Some(byte) = self.rx.pop_front() else { return 0 };
        if self.rx.len() < self.trigger() {
            self.ris &= !INT_RX;
        }
        if self.rx.is_empty() {
            self.ris &= !INT_RT;
        }
        self.sync();
        self.room.wake();
        byte
    }

    fn write_data(&mut self, byte: u8) {
        if self.cr & CR_LBE != 0 {
            self.arrive(byte);
        } else {
            self.sink.put(&[byte]);
        }
        // The FIFO has passed its trigger level on the way down again.
        self.ris |= INT_TX;
    }

    fn flags(&self) -> u32 {
        let when = |set: bool, bit| if set { bit } else { 0 };
        FR_FIXED | when(self.rx.is_empty(), FR_RXFE) | when(self.rx.len() == self.depth(), FR_RXFF)
    }

    fn sync(&self) {
        self.irq.set_level(self.ris & self.imsc != 0);
    }
}

impl MmioDevice for Pl011 {
    fn read(&mut self, at: Access) -> u64 {
        let word = match at.offset {
            UARTDR => self.read_data().into(),
            UARTRSR => self.rsr.into(),
            UARTFR => self.flags(),
            UARTILPR => self.ilpr.into(),
            UARTIBRD => self.ibrd.into(),
            UARTFBRD => self.fbrd.into(),
            UARTLCR_H => self.lcr_h.into(),
            UARTCR => self.cr.into(),
            UARTIFLS => self.ifls.into(),
            UARTIMSC => self.imsc.into(),
            UARTRIS => self.ris.into(),
            UARTMIS => (self.ris & self.imsc).into(),
            UARTDMACR => self.dmacr.into(),
            offset => primecell::identification(0x011, 3, offset).unwrap_or(0),
        };
        word.into()
    }

    fn write(&mut self, at: Access, value: u64) {
        let half = value as u16;
        match at.offset {
            UARTDR => self.write_data(value as u8),
            UARTRSR => self.rsr = 0,
            UARTILPR => self.ilpr = value as u8,
            UARTIBRD => self.ibrd = half,
            UARTFBRD => self.fbrd = value as u8 & 0x3f,
            UARTLCR_H => {
                if (half ^ self.lcr_h) & LCR_H_FEN != 0 {
                    self.rx.clear();
                    self.ris &= !(INT_RX | INT_RT);
                }
                self.lcr_h = half & 0xff;
                self.room.wake();
            }
            UARTCR => {
                self.cr = half & 0xff87;
                self.room.wake();
            }
            UARTIFLS => self.ifls = half & 0x3f,
            UARTIMSC => self.imsc = half & INT_ALL,
            UARTICR => self.ris &= !half,
            UARTDMACR => self.dmacr = value as u8 & 7,
            _ => return,
        }
        self.sync();
    }
}

impl Reset for Pl011 {
    fn reset(&mut self) {
        self.restore(POWER_ON).expect("power-on values are in range");
    }
}

impl Snapshot for Pl011 {
    type Saved = SavedPl011;

    fn save(&self) -> SavedPl011 {
        let &Self { sink: _, room: _, irq: _, ref rx, rsr, ilpr, ibrd, fbrd, lcr_h, cr, ifls, imsc, ris, dmacr } = self;
        let rx = rx.iter().copied().collect();
        SavedPl011 { rx, rsr, ilpr, ibrd, fbrd, lcr_h, cr, ifls, imsc, ris, dmacr }
    }

    fn restore(&mut self, saved: SavedPl011) -> Result<(), RestoreError> {
        let SavedPl011 { rx, rsr, ilpr, ibrd, fbrd, lcr_h, cr, ifls, imsc, ris, dmacr } = saved;
        if rx.len() > if lcr_h & LCR_H_FEN != 0 { FIFO_LEN } else { 1 } {
            return Err(RestoreError { device: "pl011", field: "rx" });
        }
        if (imsc | ris) & !INT_ALL != 0 {
            return Err(RestoreError { device: "pl011", field: "imsc or ris" });
        }
        self.rx = rx.into();
        (self.rsr, self.ilpr, self.ibrd, self.fbrd, self.lcr_h) = (rsr, ilpr, ibrd, fbrd, lcr_h);
        (self.cr, self.ifls, self.imsc, self.ris, self.dmacr) = (cr, ifls, imsc, ris, dmacr);
        self.sync();
        self.room.wake();
        Ok(())
    }
}

impl FdtNode for Pl011 {
    fn fdt(&self, w: &mut FdtWriter, base: u64, len: u64, spi: Option<u32>) -> Result<(), vm_fdt::Error> {
        let node = w.begin_node(&format!("pl011@{base:x}"))?;
        fdt::compatible(w, &["arm,pl011", "arm,primecell"])?;
        fdt::reg(w, base, len)?;
        fdt::interrupt(w, spi, fdt::LEVEL_HIGH)?;
        fdt::primecell_clocks(w, &["uartclk", "apb_pclk"])?;
        w.end_node(node)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::bus::{NullSink, RecordingSink, Size, conformance};

    fn uart() -> (Pl011, Arc<RecordingSink>, Arc<Mutex<Vec<u8>>>) {
        let (wire, out) = (Arc::new(RecordingSink::default()), Arc::default());
        let uart = Pl011::new(Box::new(Arc::clone(&out)), IrqLine::new(wire.clone(), 0), Waker::none());
        (uart, wire, out)
    }

    fn write(uart: &mut Pl011, offset: u64, value: u64) {
        uart.write(Access::new(offset, Size::B2), value);
    }

    fn read(uart: &mut Pl011, offset: u64) -> u64 {
        uart.read(Access::new(offset, Size::B2))
    }

    #[test]
    fn it_conforms() {
        conformance::check(0x1000, || Pl011::new(Box::new(NullSink), IrqLine::unconnected(), Waker::none()));
    }

    #[test]
    fn an_early_console_writes_without_enabling_anything() {
        let (mut uart, wire, out) = uart();
        for byte in b"ok\n" {
            assert_eq!(read(&mut uart, UARTFR) & (1 << 5 | 1 << 3), 0, "neither full nor busy");
            write(&mut uart, UARTDR, (*byte).into());
        }
        assert_eq!(*out.lock().unwrap(), b"ok\n");
        assert!(!wire.level(0));
    }

    #[test]
    fn sending_raises_the_transmit_interrupt_until_it_is_cleared() {
        let (mut uart, wire, _) = uart();
        write(&mut uart, UARTIMSC, INT_TX.into());
        assert!(!wire.level(0), "nothing was sent yet");
        write(&mut uart, UARTDR, 65);
        assert!(wire.level(0));
        assert_eq!(read(&mut uart, UARTMIS), u64::from(INT_TX));
        write(&mut uart, UARTICR, INT_TX.into());
        assert!(!wire.level(0));
    }

    #[test]
    fn without_fifos_one_byte_fits() {
        let (mut uart, wire, _) = uart();
        assert_eq!(uart.receive(b"abc"), 0, "UARTEN is off");
        write(&mut uart, UARTCR, 0x301);
        write(&mut uart, UARTIMSC, INT_RX.into());
        assert_eq!(uart.receive(b"abc"), 1);
        assert!(wire.level(0));
        assert_eq!(read(&mut uart, UARTFR) & u64::from(FR_RXFF | FR_RXFE), u64::from(FR_RXFF));
        assert_eq!(read(&mut uart, UARTDR), u64::from(b'a'));
        assert!(!wire.level(0));
        assert_eq!(read(&mut uart, UARTDR), 0);
    }

    #[test]
    fn with_fifos_the_receive_interrupt_waits_for_the_trigger_level_and_the_timeout_does_not() {
        let (mut uart, wire, _) = uart();
        write(&mut uart, UARTCR, 0x301);
        write(&mut uart, UARTLCR_H, 0x70);
        assert_eq!(uart.receive(&[7; 15]), 15);
        assert_eq!(read(&mut uart, UARTRIS), u64::from(INT_RT));
        assert_eq!(uart.receive(&[8; 40]), 17);
        assert_eq!(read(&mut uart, UARTRIS), u64::from(INT_RT | INT_RX));
        write(&mut uart, UARTIMSC, (INT_RT | INT_RX).into());
        (0..17).for_each(|_| assert!(read(&mut uart, UARTDR) > 0));
        assert_eq!(read(&mut uart, UARTRIS), u64::from(INT_RT), "15 are left, 16 trigger");
        (0..15).for_each(|_| assert_eq!(read(&mut uart, UARTDR), 8));
        assert!(!wire.level(0));
    }

    #[test]
    fn reading_wakes_the_host_that_was_refused() {
        let woken = Arc::new(Mutex::new(0));
        let count = Arc::clone(&woken);
        let room = Waker::new(move || *count.lock().unwrap() += 1);
        let mut uart = Pl011::new(Box::new(NullSink), IrqLine::unconnected(), room);
        write(&mut uart, UARTCR, 0x301);
        assert_eq!((uart.receive(b"ab"), *woken.lock().unwrap()), (1, 1));
        read(&mut uart, UARTDR);
        assert_eq!((uart.receive(b"b"), *woken.lock().unwrap()), (1, 2));
    }

    #[test]
    fn loopback_brings_bytes_back_and_overruns() {
        let (mut uart, _, out) = uart();
        write(&mut uart, UARTCR, 0x381);
        write(&mut uart, UARTDR, 1);
        write(&mut uart, UARTDR, 2);
        assert!(out.lock().unwrap().is_empty());
        assert_eq!((read(&mut uart, UARTRSR), read(&mut uart, UARTDR)), (8, 1));
        write(&mut uart, UARTRSR, 0);
        assert_eq!(read(&mut uart, UARTRSR), 0);
    }

    #[test]
    fn the_bus_finds_an_arm_primecell_of_revision_3() {
        let (mut uart, ..) = uart();
        let bytes = [0xfe0, 0xfe4, 0xfe8, 0xfec, 0xff0, 0xff4, 0xff8, 0xffc].map(|offset| read(&mut uart, offset));
        assert_eq!(bytes, [0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1]);
    }

    #[test]
    fn a_saved_fifo_that_is_too_long_is_refused() {
        let (mut uart, ..) = uart();
        let saved = SavedPl011 { rx: vec![0; 2], ..POWER_ON };
        assert_eq!(uart.restore(saved).unwrap_err().field, "rx");
    }
}
