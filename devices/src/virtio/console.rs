//! Virtio console (5.3): byte streams between host and guest, one or several.
//!
//! Port `n` has queues 0 and 1 (port 0) or `2n + 2` and `2n + 3`; queues 2 and 3 carry control messages. A driver that
//! does not take MULTIPORT sees port 0 only.
//!
//! Left out: ports that come and go, and VIRTIO_CONSOLE_RESIZE messages, since kernels disagree on the order of their
//! fields; a new size shows in configuration space.

use std::collections::VecDeque;
use std::io::{Read, Write};

use serde::{Deserialize, Serialize};

use super::{Broken, Queues, VirtioDevice, read_config};
use crate::bus::{ByteSink, RestoreError, Snapshot};

const QUEUE_SIZE: u16 = 128;
const CONTROL_IN: usize = 2;
const CONTROL_OUT: usize = 3;
const MAX_PORTS: usize = 31;
/// Bytes for the guest that a port keeps while the guest does not read.
const INBOX: usize = 64 << 10;
const CONFIG_EMERG_WR: usize = 8;

const SIZE: u64 = 1 << 0;
const MULTIPORT: u64 = 1 << 1;
const EMERG_WRITE: u64 = 1 << 2;

/// Control events (5.3.6.2).
mod event {
    pub const DEVICE_READY: u16 = 0;
    pub const DEVICE_ADD: u16 = 1;
    pub const PORT_READY: u16 = 3;
    pub const CONSOLE_PORT: u16 = 4;
    pub const PORT_OPEN: u16 = 6;
    pub const PORT_NAME: u16 = 7;
}

/// One byte stream.
pub struct Port {
    name: String,
    is_console: bool,
    sink: Box<dyn ByteSink>,
    inbox: VecDeque<u8>,
    added: bool,
    open: bool,
}

impl Port {
    fn new(name: &str, is_console: bool, sink: Box<dyn ByteSink>) -> Self {
        Self { name: name.into(), is_console, sink, inbox: VecDeque::new(), added: false, open: false }
    }

    /// A console (`/dev/hvcN` in Linux) whose output goes to `sink`.
    pub fn console(sink: Box<dyn ByteSink>) -> Self {
        Self::new("", true, sink)
    }

    /// A port that programs find by its name (`/dev/virtio-ports/NAME` in Linux).
    pub fn named(name: &str, sink: Box<dyn ByteSink>) -> Self {
        Self::new(name, false, sink)
    }
}

/// The console device.
pub struct Console {
    ports: Vec<Port>,
    queue_sizes: Vec<u16>,
    columns: u16,
    rows: u16,
    multiport: bool,
    control: VecDeque<Vec<u8>>,
}

fn input_queue(port: usize) -> usize {
    if port == 0 { 0 } else { 2 * port + 2 }
}

impl Console {
    /// A device with these ports: at least one, at most 31.
    ///
    /// # Panics
    /// With another number of ports.
    #[must_use]
    pub fn new(ports: Vec<Port>) -> Self {
        assert!((1..=MAX_PORTS).contains(&ports.len()), "a console has 1 to {MAX_PORTS} ports");
        let queue_sizes = vec![QUEUE_SIZE; 2 * ports.len() + 2];
        Self { ports, queue_sizes, columns: 80, rows: 25, multiport: false, control: VecDeque::new() }
    }

    /// Bytes from the host to a port's reader. Returns how many were taken; the rest finds no room now.
    ///
    /// # Errors
    /// See [`Broken`].
    pub fn receive(&mut self, port: usize, bytes: &[u8], queues: &mut Queues) -> Result<usize, Broken> {
        let Some(to) = self.ports.get_mut(port) else { return Ok(0) };
        let taken = bytes.len().min(INBOX - to.inbox.len());
        to.inbox.extend(&bytes[..taken]);
        self.deliver(port, queues)?;
        Ok(taken)
    }

    /// Whether a program in the guest has the port open, so far as the driver tells.
    #[must_use]
    pub fn is_open(&self, port: usize) -> bool {
        self.ports.get(port).is_some_and(|p| p.open || !self.multiport)
    }

    /// The host's window has a new size, in characters.
    pub fn resize(&mut self, columns: u16, rows: u16, queues: &mut Queues) {
        (self.columns, self.rows) = (columns, rows);
        queues.config_changed();
    }

    fn deliver(&mut self, index: usize, queues: &mut Queues) -> Result<(), Broken> {
        let open = self.is_open(index);
        let Some(port) = self.ports.get_mut(index).filter(|p| open && !p.inbox.is_empty()) else { return Ok(()) };
        while !port.inbox.is_empty()
            && let Some(chain) = queues.pop(input_queue(index))?
        {
            let mut writer = chain.writer();
            let len = writer.left().min(port.inbox.len() as u64) as usize;
            let bytes: Vec<u8> = port.inbox.drain(..len).collect();
            writer.write_all(&bytes).map_err(|e| Broken(e.to_string()))?;
            queues.push(input_queue(index), chain.head(), writer.written())?;
        }
        Ok(())
    }

    fn output(&mut self, index: usize, queue: usize, queues: &mut Queues) -> Result<(), Broken> {
        while let Some(chain) = queues.pop(queue)? {
            let mut reader = chain.reader();
            let mut piece = [0; 4096];
            while reader.left() > 0 {
                let len = reader.read(&mut piece).map_err(|e| Broken(e.to_string()))?;
                if let Some(port) = self.ports.get_mut(index) {
                    port.sink.put(&piece[..len]);
                }
            }
            queues.push(queue, chain.head(), 0)?;
        }
        Ok(())
    }

    fn say(&mut self, port: usize, event: u16, value: u16, text: &str) {
        let mut message = (port as u32).to_le_bytes().to_vec();
        message.extend(event.to_le_bytes());
        message.extend(value.to_le_bytes());
        message.extend(text.as_bytes());
        self.control.push_back(message);
    }

    /// A control message from the driver. What it makes the device say is bounded: each port is introduced once.
    fn hear(&mut self, message: [u8; 8]) {
        let raw = u64::from_le_bytes(message);
        let (port, event, value) = (raw as u32 as usize, (raw >> 32) as u16, (raw >> 48) as u16);
        match (event, value) {
            (event::DEVICE_READY, 1) => {
                self.control.clear();
                for port in 0..self.ports.len() {
                    (self.ports[port].added, self.ports[port].open) = (false, false);
                    self.say(port, event::DEVICE_ADD, 1, "");
                }
            }
            (event::PORT_READY, 1) => {
                let Some(at) = self.ports.get_mut(port).filter(|p| !p.added) else { return };
                at.added = true;
                let (is_console, name) = (at.is_console, at.name.clone());
                if is_console {
                    self.say(port, event::CONSOLE_PORT, 1, "");
                }
                if !name.is_empty() {
                    self.say(port, event::PORT_NAME, 1, &name);
                }
                self.say(port, event::PORT_OPEN, 1, "");
            }
            (event::PORT_OPEN, value) => {
                if let Some(port) = self.ports.get_mut(port) {
                    port.open = value != 0;
                }
            }
            _ => tracing::debug!("virtio console: event {event} with value {value} from the driver"),
        }
    }

    fn send_control(&mut self, queues: &mut Queues) -> Result<(), Broken> {
        while !self.control.is_empty()
            && let Some(chain) = queues.pop(CONTROL_IN)?
        {
            let mut writer = chain.writer();
            if let Some(message) = self.control.pop_front() {
                // A buffer that is too small gets what fits.
                let _ = writer.write(&message);
            }
            queues.push(CONTROL_IN, chain.head(), writer.written())?;
        }
        Ok(())
    }

    fn hear_all(&mut self, queues: &mut Queues) -> Result<(), Broken> {
        while let Some(chain) = queues.pop(CONTROL_OUT)? {
            let mut message = [0; 8];
            if chain.reader().read_exact(&mut message).is_ok() {
                self.hear(message);
            }
            queues.push(CONTROL_OUT, chain.head(), 0)?;
        }
        self.send_control(queues)?;
        (0..self.ports.len()).try_for_each(|port| self.deliver(port, queues))
    }
}

impl VirtioDevice for Console {
    fn device_id(&self) -> u32 {
        3
    }

    fn queue_sizes(&self) -> &[u16] {
        &self.queue_sizes
    }

    fn features(&self) -> u64 {
        SIZE | MULTIPORT | EMERG_WRITE
    }

    fn activate(&mut self, features: u64) {
        self.multiport = features & MULTIPORT != 0;
    }

    fn config_read(&self, offset: usize, data: &mut [u8]) {
        let fields = u128::from(self.columns) | u128::from(self.rows) << 16 | (self.ports.len() as u128) << 32;
        read_config(&fields.to_le_bytes()[..12], offset, data);
    }

    fn config_write(&mut self, offset: usize, data: &[u8]) {
        if offset == CONFIG_EMERG_WR {
            self.ports[0].sink.put(&data[..1]);
        }
    }

    fn notify(&mut self, index: usize, queues: &mut Queues) -> Result<(), Broken> {
        match index {
            CONTROL_IN => self.send_control(queues),
            CONTROL_OUT => self.hear_all(queues),
            _ => {
                let port = if index < 2 { 0 } else { index / 2 - 1 };
                if index.is_multiple_of(2) { self.deliver(port, queues) } else { self.output(port, index, queues) }
            }
        }
    }

    fn reset(&mut self) {
        self.multiport = false;
        self.control.clear();
        for port in &mut self.ports {
            (port.added, port.open) = (false, false);
            port.inbox.clear();
        }
    }
}

/// A [`Port`] as saved.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct SavedPort {
    inbox: Vec<u8>,
    added: bool,
    open: bool,
}

/// A [`Console`] as saved.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedConsole {
    ports: Vec<SavedPort>,
    columns: u16,
    rows: u16,
    control: Vec<Vec<u8>>,
}

impl Snapshot for Console {
    type Saved = SavedConsole;

    fn save(&self) -> SavedConsole {
        // `multiport` comes with `activate`.
        let Self { ports, queue_sizes: _, columns, rows, multiport: _, control } = self;
        let save = |port: &Port| {
            let Port { name: _, is_console: _, sink: _, inbox, added, open } = port;
            SavedPort { inbox: inbox.iter().copied().collect(), added: *added, open: *open }
        };
        SavedConsole {
            ports: ports.iter().map(save).collect(),
            columns: *columns,
            rows: *rows,
            control: control.iter().cloned().collect(),
        }
    }

    fn restore(&mut self, saved: SavedConsole) -> Result<(), RestoreError> {
        let wrong = |field| RestoreError { device: "virtio-console", field };
        let SavedConsole { ports, columns, rows, control } = saved;
        if ports.len() != self.ports.len() || ports.iter().any(|p| p.inbox.len() > INBOX) {
            return Err(wrong("ports"));
        }
        // Each port is added, and introduced by three messages, the longest of which has its name.
        let longest = 8 + self.ports.iter().map(|p| p.name.len()).max().unwrap_or(0);
        if control.len() > 4 * ports.len() || control.iter().any(|m| m.len() > longest) {
            return Err(wrong("control"));
        }
        for (port, SavedPort { inbox, added, open }) in self.ports.iter_mut().zip(ports) {
            (port.inbox, port.added, port.open) = (inbox.into(), added, open);
        }
        (self.columns, self.rows, self.control) = (columns, rows, control.into());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;

    use super::*;
    use crate::bus::{Access, MmioDevice, NullSink, Poll, Size};
    use crate::virtio::driver::{Buf, Driver};

    type Bytes = Arc<Mutex<Vec<u8>>>;

    fn message(port: u32, event: u16, value: u16) -> Vec<u8> {
        [&port.to_le_bytes()[..], &event.to_le_bytes(), &value.to_le_bytes()].concat()
    }

    fn two_ports(features: u64) -> (Bytes, Bytes, Driver<Console>) {
        let (console, agent) = (Bytes::default(), Bytes::default());
        let ports = vec![Port::console(Box::new(console.clone())), Port::named("agent", Box::new(agent.clone()))];
        (console, agent, Driver::started(Console::new(ports), features))
    }

    fn receive(d: &mut Driver<Console>, port: usize, bytes: &[u8]) -> usize {
        d.mmio.with(|console, queues| console.receive(port, bytes, queues)).unwrap()
    }

    #[test]
    fn a_simple_driver_has_port_0_at_once() {
        let (console, _, mut d) = two_ports(SIZE);
        d.ask(1, &[Buf::Out(b"hello "), Buf::Out(b"host")]);
        assert_eq!(*console.lock().unwrap(), b"hello host");
        assert_eq!(receive(&mut d, 0, b"early"), 5);
        d.add(0, &[Buf::In(3)]);
        d.add(0, &[Buf::In(8)]);
        d.notify(0);
        assert_eq!((d.answer(0).unwrap(), d.answer(0).unwrap()), (b"ear".to_vec(), b"ly".to_vec()));
        d.add(0, &[Buf::In(8)]);
        d.notify(0);
        d.write(0x64, 3);
        assert_eq!(d.answer(0), None, "a buffer waits until there is something");
        receive(&mut d, 0, b"x");
        assert_eq!(d.answer(0).unwrap(), b"x");
        assert!(d.line());
    }

    #[test]
    fn ports_are_introduced_as_a_multiport_driver_asks() {
        let (_, agent, mut d) = two_ports(MULTIPORT);
        for _ in 0..8 {
            d.add(2, &[Buf::In(32)]);
        }
        d.ask(3, &[Buf::Out(&message(0, event::DEVICE_READY, 1))]);
        assert_eq!(d.answer(2).unwrap(), message(0, event::DEVICE_ADD, 1));
        assert_eq!(d.answer(2).unwrap(), message(1, event::DEVICE_ADD, 1));
        d.add(3, &[Buf::Out(&message(0, event::PORT_READY, 1))]);
        d.add(3, &[Buf::Out(&message(1, event::PORT_READY, 1))]);
        d.notify(3);
        assert_eq!(d.answer(2).unwrap(), message(0, event::CONSOLE_PORT, 1));
        assert_eq!(d.answer(2).unwrap(), message(0, event::PORT_OPEN, 1));
        assert_eq!(d.answer(2).unwrap(), [message(1, event::PORT_NAME, 1), b"agent".to_vec()].concat());
        assert_eq!(d.answer(2).unwrap(), message(1, event::PORT_OPEN, 1));
        d.add(4, &[Buf::In(16)]);
        receive(&mut d, 1, b"to the agent");
        assert_eq!(d.answer(4), None, "nobody has opened it");
        d.add(3, &[Buf::Out(&message(1, event::PORT_OPEN, 1))]);
        d.notify(3);
        assert_eq!(d.answer(4).unwrap(), b"to the agent");
        d.add(5, &[Buf::Out(b"from the agent")]);
        d.notify(5);
        assert_eq!(*agent.lock().unwrap(), b"from the agent");
    }

    #[test]
    fn a_guest_that_does_not_read_costs_64_kib() {
        let (_, _, mut d) = two_ports(0);
        let taken: usize = (0..100).map(|_| receive(&mut d, 0, &[7; 4000])).sum();
        assert_eq!(taken, INBOX);
    }

    #[test]
    fn a_driver_that_repeats_itself_does_not_fill_memory() {
        let (_, _, mut d) = two_ports(MULTIPORT);
        for _ in 0..1000 {
            d.ask(3, &[Buf::Out(&message(0, event::DEVICE_READY, 1))]);
            for _ in 0..3 {
                d.ask(3, &[Buf::Out(&message(1, event::PORT_READY, 1))]);
            }
        }
        assert!(d.mmio.device().control.len() <= 8);
    }

    #[test]
    fn an_emergency_write_needs_no_driver() {
        let (console, ..) = two_ports(0);
        let mut d = Driver::new(Console::new(vec![Port::console(Box::new(console.clone()))]));
        d.write(0x108, u32::from(b'!'));
        assert_eq!(*console.lock().unwrap(), b"!");
    }

    #[test]
    fn a_new_size_shows_in_configuration_space() {
        let (_, _, mut d) = two_ports(SIZE);
        d.mmio.with(|console, queues| {
            console.resize(132, 43, queues);
            Ok(())
        });
        assert_eq!(d.read(0x60), 2);
        let mut half = |at: u64| d.mmio.read(Access::new(0x100 + at, Size::B2));
        assert_eq!((half(0), half(2), half(4)), (132, 43, 2));
    }

    #[test]
    fn it_is_a_device_like_others() {
        let make = || Driver::new(Console::new(vec![Port::console(Box::new(NullSink))])).mmio;
        crate::bus::conformance::check(crate::virtio::mmio::WINDOW, make);
    }

    #[test]
    fn a_restored_console_goes_on_where_it_was() {
        let (_, _, mut d) = two_ports(0);
        receive(&mut d, 0, b"typed ahead");
        d.add(0, &[Buf::In(5)]);
        d.notify(0);
        assert_eq!(d.answer(0).unwrap(), b"typed");
        d.add(0, &[Buf::In(16)]);
        let saved = d.mmio.save();
        d.replace(Console::new(vec![Port::console(Box::new(NullSink)), Port::named("agent", Box::new(NullSink))]));
        d.mmio.restore(saved).unwrap();
        assert_eq!(d.answer(0), None);
        d.mmio.poll(0);
        assert_eq!(d.answer(0).unwrap(), b" ahead");
        assert!(d.line());
    }

    #[test]
    fn a_hostile_guest_breaks_only_its_console() {
        crate::virtio::hostile::survives(|| {
            Console::new(vec![Port::console(Box::new(NullSink)), Port::named("agent", Box::new(NullSink))])
        });
    }

    proptest! {
        #[test]
        fn any_control_message_is_survived(messages in prop::collection::vec(
            (prop_oneof![0u32..3, any::<u32>()], prop_oneof![0u16..9, any::<u16>()], 0u16..3, 0usize..12), 1..40,
        )) {
            let ports = (0..3).map(|_| Port::console(Box::new(NullSink))).collect();
            let mut d = Driver::started(Console::new(ports), MULTIPORT);
            for (sent, (port, event, value, len)) in messages.into_iter().enumerate() {
                let mut bytes = message(port, event, value);
                bytes.resize(len, 0);
                if sent < 12 {
                    d.add(2, &[Buf::In(len as u32)]);
                }
                d.ask(3, &[Buf::Out(&bytes)]);
            }
            prop_assert_eq!(d.read(0x70), 15);
        }
    }
}
