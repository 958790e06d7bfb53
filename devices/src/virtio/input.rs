//! Virtio-input (virtio 1.2, section 5.8): keyboard, mouse, tablet and touch screen.
//!
//! | part | here |
//! |---|---|
//! | `kind` | what each kind says of itself, as tables |
//! | `host` | the typed hands that the host moves the devices with, and the bounded queue behind them |
//! | this file | configuration space, event queue, status queue |
//!
//! Left out: force feedback, switches, pressure and size of contacts, pens, high-resolution wheels, keys above 248.
//! The status queue is drained; of what it says only the keyboard's lamps are kept.

mod host;
mod kind;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::{Read, Write};

use serde::{Deserialize, Serialize};

pub use self::host::{Keyboard, Leds, Mouse, Tablet, TouchScreen};
pub use self::kind::{Axes, Button, CONTACTS};

use self::host::{Event, MAX_PENDING, Mailbox, SavedPending};
use self::kind::{EV_ABS, EV_LED, KEYBOARD, Kind, MOUSE, TABLET, TOUCH_SCREEN, bitmap};
use super::{Broken, Queues, VirtioDevice, read_config};
use crate::bus::{Nanos, RestoreError, Snapshot, Waker};

const DEVICE_ID: u32 = 18;
const EVENTS: usize = 0;
const STATUS: usize = 1;
const QUEUE_SIZES: [u16; 2] = [64, 64];

const ID_NAME: u8 = 0x01;
const ID_SERIAL: u8 = 0x02;
const ID_DEVIDS: u8 = 0x03;
const PROP_BITS: u8 = 0x10;
const EV_BITS: u8 = 0x11;
const ABS_INFO: u8 = 0x12;

const BUS_VIRTUAL: u16 = 0x06;
const VENDOR: u16 = 0x4853;

/// A virtio input device of any kind.
#[derive(Debug)]
pub struct Input {
    // Fixed configuration.
    kind: &'static Kind,
    axes: Axes,
    serial: String,
    // Wires.
    host: Mailbox,
    // Guest state.
    select: u8,
    subsel: u8,
    /// The rest of a frame of which the guest may have got the beginning; it is never dropped.
    outgoing: VecDeque<Event>,
}

impl Input {
    fn new(kind: &'static Kind, axes: Axes, waker: Waker) -> Self {
        let host = Mailbox::new(kind, axes, waker);
        Self { kind, axes, serial: String::new(), host, select: 0, subsel: 0, outgoing: VecDeque::new() }
    }

    /// A touch screen of ten fingers, and the hand that touches it. `waker` is to have the transport poll the device.
    #[must_use]
    pub fn touch_screen(axes: Axes, waker: Waker) -> (Self, TouchScreen) {
        let input = Self::new(&TOUCH_SCREEN, axes, waker);
        let hand = TouchScreen(input.host.clone());
        (input, hand)
    }

    /// A keyboard, and the hand that presses its keys.
    #[must_use]
    pub fn keyboard(waker: Waker) -> (Self, Keyboard) {
        let input = Self::new(&KEYBOARD, Axes::default(), waker);
        let hand = Keyboard(input.host.clone());
        (input, hand)
    }

    /// A pointer with a position, and the hand that moves it.
    #[must_use]
    pub fn tablet(axes: Axes, waker: Waker) -> (Self, Tablet) {
        let input = Self::new(&TABLET, axes, waker);
        let hand = Tablet(input.host.clone());
        (input, hand)
    }

    /// A mouse, and the hand that moves it.
    #[must_use]
    pub fn mouse(waker: Waker) -> (Self, Mouse) {
        let input = Self::new(&MOUSE, Axes::default(), waker);
        let hand = Mouse(input.host.clone());
        (input, hand)
    }

    /// The same device with a serial number (at most 127 bytes of it are told), by which guests tell two screens apart.
    #[must_use]
    pub fn with_serial(self, serial: &str) -> Self {
        Self { serial: serial.to_owned(), ..self }
    }

    /// The selected part of `virtio_input_config`'s union; empty when there is none.
    fn selected(&self) -> Vec<u8> {
        let text = |text: &str| text.as_bytes()[..text.len().min(127)].to_vec();
        match (self.select, self.subsel) {
            (ID_NAME, 0) => text(self.kind.name),
            (ID_SERIAL, 0) => text(&self.serial),
            (ID_DEVIDS, 0) => {
                let (product, version) = self.kind.ids;
                [BUS_VIRTUAL, VENDOR, product, version].iter().flat_map(|id| id.to_le_bytes()).collect()
            }
            (PROP_BITS, 0) => bitmap(self.kind.props),
            (EV_BITS, kind) => bitmap(self.kind.codes(kind.into())),
            (ABS_INFO, axis) if self.kind.has(EV_ABS, axis.into()) => {
                self.axes.info(axis.into()).iter().flat_map(|field| field.to_le_bytes()).collect()
            }
            _ => vec![],
        }
    }

    /// Gives the guest what it has room for.
    fn send_events(&mut self, queues: &mut Queues) -> Result<(), Broken> {
        loop {
            if self.outgoing.is_empty() {
                let Some(frame) = self.host.lock().next_frame() else { return Ok(()) };
                self.outgoing = frame.into();
            }
            while let Some(&Event { kind, code, value }) = self.outgoing.front() {
                let Some(chain) = queues.pop(EVENTS)? else { return Ok(()) };
                self.outgoing.pop_front();
                let mut raw = [0; 8];
                raw[..2].copy_from_slice(&kind.to_le_bytes());
                raw[2..4].copy_from_slice(&code.to_le_bytes());
                raw[4..].copy_from_slice(&value.to_le_bytes());
                let mut writer = chain.writer();
                let room = raw.len().min(writer.left() as usize);
                writer.write_all(&raw[..room]).map_err(|e| Broken(format!("virtio-input event: {e}")))?;
                queues.push(EVENTS, chain.head(), writer.written())?;
            }
        }
    }

    /// Takes what the guest says: of LEDs, and of other things that nobody here wants to know.
    fn drain_status(&mut self, queues: &mut Queues) -> Result<(), Broken> {
        while let Some(chain) = queues.pop(STATUS)? {
            let mut raw = [0; 8];
            if chain.reader().read_exact(&mut raw).is_ok() {
                let field = |at: usize| u16::from_le_bytes([raw[at], raw[at + 1]]);
                if field(0) == EV_LED && self.kind.has(EV_LED, field(2)) {
                    let lit = raw[4..].iter().any(|&byte| byte != 0);
                    let mut pending = self.host.lock();
                    pending.leds = pending.leds & !(1 << field(2)) | u32::from(lit) << field(2);
                }
            }
            queues.push(STATUS, chain.head(), 0)?;
        }
        Ok(())
    }
}

impl VirtioDevice for Input {
    fn device_id(&self) -> u32 {
        DEVICE_ID
    }

    fn queue_sizes(&self) -> &[u16] {
        &QUEUE_SIZES
    }

    fn features(&self) -> u64 {
        0
    }

    fn activate(&mut self, _: u64) {
        self.host.lock().set_active(true);
        self.host.wake();
    }

    fn config_read(&self, offset: usize, data: &mut [u8]) {
        let selected = self.selected();
        let mut config = vec![self.select, self.subsel, selected.len() as u8, 0, 0, 0, 0, 0];
        config.extend(selected);
        read_config(&config, offset, data);
    }

    fn config_write(&mut self, offset: usize, data: &[u8]) {
        for (at, &byte) in (offset..).zip(data) {
            match at {
                0 => self.select = byte,
                1 => self.subsel = byte,
                _ => {}
            }
        }
    }

    fn notify(&mut self, index: usize, queues: &mut Queues) -> Result<(), Broken> {
        match index {
            EVENTS => self.send_events(queues),
            _ => self.drain_status(queues),
        }
    }

    fn poll(&mut self, _: Nanos, queues: &mut Queues) -> Result<Option<Nanos>, Broken> {
        self.send_events(queues)?;
        Ok(None)
    }

    fn reset(&mut self) {
        (self.select, self.subsel) = (0, 0);
        self.outgoing.clear();
        self.host.lock().set_active(false);
    }
}

/// An [`Input`] as saved.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedInput {
    select: u8,
    subsel: u8,
    outgoing: Vec<Event>,
    pending: SavedPending,
}

impl Snapshot for Input {
    type Saved = SavedInput;

    fn save(&self) -> SavedInput {
        let Self { kind: _, axes: _, serial: _, host, select, subsel, outgoing } = self;
        SavedInput {
            select: *select,
            subsel: *subsel,
            outgoing: outgoing.iter().copied().collect(),
            pending: host.lock().save(),
        }
    }

    fn restore(&mut self, saved: SavedInput) -> Result<(), RestoreError> {
        let SavedInput { select, subsel, outgoing, pending } = saved;
        let wrong = |field| RestoreError { device: "virtio-input", field };
        if outgoing.len() > MAX_PENDING || !outgoing.iter().all(|event| event.suits(self.kind)) {
            return Err(wrong("outgoing"));
        }
        self.host.lock().restore(pending).map_err(wrong)?;
        (self.select, self.subsel, self.outgoing) = (select, subsel, outgoing.into());
        self.host.wake();
        Ok(())
    }
}
