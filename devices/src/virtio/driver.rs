//! A guest driver for tests: speaks to a device through its registers and rings, in good faith or not.
//!
//! Rings of queue `q` are at fixed places ([`Driver::table`] and so on); buffers are taken one after another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::VirtioDevice;
use super::mmio::VirtioMmio;
use crate::bus::{Access, GuestRam, IrqLine, MmioDevice, Pa, RecordingSink, Size, Waker};

const BASE: u64 = 0x4000_0000;
const RAM: u64 = 8 << 20;
const BUFFERS: u64 = 2 << 20;

pub const NEXT: u16 = 1;
pub const WRITE: u16 = 2;
pub const INDIRECT: u16 = 4;
pub const EVENT_IDX: u64 = 1 << 29;
pub const VERSION_1: u64 = 1 << 32;
pub const RUNNING: u32 = 15;
pub const NEEDS_RESET: u32 = 64;

/// One buffer of a request.
#[derive(Debug, Clone, Copy)]
pub enum Buf<'a> {
    /// Bytes for the device.
    Out(&'a [u8]),
    /// Room for the device to write.
    In(u32),
}

pub struct Driver<D> {
    pub mmio: VirtioMmio<D>,
    pub ram: GuestRam,
    pub sink: Arc<RecordingSink>,
    pub size: u16,
    woken: Arc<AtomicBool>,
    next_buffer: u64,
    next_descriptor: [u16; 64],
    avail: [u16; 64],
    seen: [u16; 64],
    room: Vec<(usize, u16, Pa, u32)>,
}

impl<D: VirtioDevice> Driver<D> {
    /// A driver that has done nothing yet.
    pub fn new(device: D) -> Self {
        let ram = GuestRam::new(Pa(BASE), RAM).unwrap();
        let sink = Arc::new(RecordingSink::default());
        let woken = Arc::new(AtomicBool::new(false));
        let waker = Waker::new({
            let woken = woken.clone();
            move || woken.store(true, Ordering::SeqCst)
        });
        let mmio = VirtioMmio::new(device, ram.clone(), IrqLine::new(sink.clone(), 5), waker);
        let zeros = [0; 64];
        Self {
            mmio,
            ram,
            sink,
            size: 16,
            woken,
            next_buffer: BASE + BUFFERS,
            next_descriptor: zeros,
            avail: zeros,
            seen: zeros,
            room: vec![],
        }
    }

    /// Puts another device in the place of this one, in the same machine.
    pub fn replace(&mut self, device: D) {
        self.mmio = VirtioMmio::new(device, self.ram.clone(), IrqLine::new(self.sink.clone(), 5), Waker::none());
    }

    /// A driver that has accepted `features` and set all queues up.
    pub fn started(device: D, features: u64) -> Self {
        let mut driver = Self::new(device);
        driver.start(features);
        driver
    }

    pub fn read(&mut self, offset: u64) -> u32 {
        self.mmio.read(Access::new(offset, Size::B4)) as u32
    }

    pub fn write(&mut self, offset: u64, value: u32) {
        self.mmio.write(Access::new(offset, Size::B4), value.into());
    }

    pub fn start(&mut self, features: u64) {
        self.negotiate(features | VERSION_1);
        for queue in 0..self.mmio.device().queue_sizes().len() {
            self.set_up(queue);
        }
        self.write(0x70, RUNNING);
        assert_eq!(self.read(0x70), RUNNING);
    }

    pub fn negotiate(&mut self, features: u64) {
        self.write(0x70, 1);
        self.write(0x70, 3);
        for half in 0..2 {
            self.write(0x24, half);
            self.write(0x20, (features >> (32 * half)) as u32);
        }
        self.write(0x70, 11);
    }

    pub fn set_up(&mut self, queue: usize) {
        self.write(0x30, queue as u32);
        self.write(0x38, self.size.into());
        let rings = [(0x80, self.table(queue)), (0x90, self.avail_ring(queue)), (0xa0, self.used_ring(queue))];
        for (register, at) in rings {
            self.write(register, at.0 as u32);
            self.write(register + 4, (at.0 >> 32) as u32);
        }
        self.write(0x44, 1);
    }

    pub fn table(&self, queue: usize) -> Pa {
        Pa(BASE + 0x8000 * queue as u64)
    }

    pub fn avail_ring(&self, queue: usize) -> Pa {
        Pa(self.table(queue).0 + 0x4000)
    }

    pub fn used_ring(&self, queue: usize) -> Pa {
        Pa(self.table(queue).0 + 0x5000)
    }

    pub fn poke(&self, at: u64, bytes: &[u8]) {
        self.ram.write(Pa(at), bytes).unwrap();
    }

    pub fn peek16(&self, at: u64) -> u16 {
        let mut bytes = [0; 2];
        self.ram.read(Pa(at), &mut bytes).unwrap();
        u16::from_le_bytes(bytes)
    }

    pub fn peek(&self, at: Pa, len: u32) -> Vec<u8> {
        let mut bytes = vec![0; len as usize];
        self.ram.read(at, &mut bytes).unwrap();
        bytes
    }

    pub fn descriptor(&self, table: Pa, index: u16, at: Pa, len: u32, flags: u16, next: u16) {
        let raw = u128::from(at.0) | u128::from(len) << 64 | u128::from(flags) << 96 | u128::from(next) << 112;
        self.poke(table.0 + 16 * u64::from(index), &raw.to_le_bytes());
    }

    pub fn buffer(&mut self, len: u32) -> Pa {
        let at = Pa(self.next_buffer);
        self.next_buffer += u64::from(len).next_multiple_of(16);
        assert!(self.next_buffer <= BASE + RAM, "the test driver is out of buffers");
        at
    }

    /// Makes a chain of descriptors and puts it in the ring, without a notification.
    pub fn add(&mut self, queue: usize, bufs: &[Buf<'_>]) -> u16 {
        let head = self.next_descriptor[queue];
        for (i, buf) in bufs.iter().enumerate() {
            let index = self.next_descriptor[queue];
            self.next_descriptor[queue] = (index + 1) % self.size;
            let more = if i + 1 < bufs.len() { NEXT } else { 0 };
            let (at, len, flags) = match *buf {
                Buf::Out(bytes) => {
                    let at = self.buffer(bytes.len() as u32);
                    self.poke(at.0, bytes);
                    (at, bytes.len() as u32, 0)
                }
                Buf::In(len) => {
                    let at = self.buffer(len);
                    self.room.push((queue, head, at, len));
                    (at, len, WRITE)
                }
            };
            self.descriptor(self.table(queue), index, at, len, flags | more, self.next_descriptor[queue]);
        }
        self.offer(queue, head);
        head
    }

    /// Puts a head in the available ring.
    pub fn offer(&mut self, queue: usize, head: u16) {
        let ring = self.avail_ring(queue).0;
        self.poke(ring + 4 + 2 * u64::from(self.avail[queue] % self.size), &head.to_le_bytes());
        self.avail[queue] = self.avail[queue].wrapping_add(1);
        self.poke(ring + 2, &self.avail[queue].to_le_bytes());
    }

    pub fn notify(&mut self, queue: usize) {
        self.write(0x50, queue as u32);
    }

    /// The next chain that came back: its head and the bytes that the device says it wrote.
    pub fn used(&mut self, queue: usize) -> Option<(u16, u32)> {
        let ring = self.used_ring(queue).0;
        if self.peek16(ring + 2) == self.seen[queue] {
            return None;
        }
        let raw = self.peek(Pa(ring + 4 + 8 * u64::from(self.seen[queue] % self.size)), 8);
        self.seen[queue] = self.seen[queue].wrapping_add(1);
        let word = |at: usize| u32::from_le_bytes(raw[at..at + 4].try_into().unwrap());
        Some((word(0) as u16, word(4)))
    }

    /// The next chain that came back: what the device wrote into it.
    pub fn answer(&mut self, queue: usize) -> Option<Vec<u8>> {
        let (head, written) = self.used(queue)?;
        let mut bytes = vec![];
        let room: Vec<_> = self.room.extract_if(.., |r| (r.0, r.1) == (queue, head)).collect();
        for (_, _, at, len) in room {
            bytes.extend(self.peek(at, len));
        }
        bytes.truncate(written as usize);
        Some(bytes)
    }

    /// Sends a request, notifies, and takes the answer.
    pub fn ask(&mut self, queue: usize, bufs: &[Buf<'_>]) -> Vec<u8> {
        self.next_buffer = BASE + BUFFERS;
        self.add(queue, bufs);
        self.notify(queue);
        self.answer(queue).expect("the device answers at once")
    }

    /// Whether the device asked for a poll since the last call.
    pub fn woken(&self) -> bool {
        self.woken.swap(false, Ordering::SeqCst)
    }

    /// The features that the device offers.
    pub fn offered(&mut self) -> u64 {
        let mut half = |sel| {
            self.write(0x14, sel);
            u64::from(self.read(0x10))
        };
        half(0) | half(1) << 32
    }

    /// Clears all rings, as a driver does before it sets them up anew.
    pub fn forget_rings(&mut self) {
        for queue in 0..self.mmio.device().queue_sizes().len() {
            self.poke(self.avail_ring(queue).0, &[0; 1024]);
            self.poke(self.used_ring(queue).0, &[0; 4096]);
        }
        (self.avail, self.seen) = ([0; 64], [0; 64]);
    }

    pub fn line(&self) -> bool {
        self.sink.level(5)
    }
}
