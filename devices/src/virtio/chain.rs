//! A descriptor chain, copied out of guest memory and checked (2.7.5).
//!
//! `virtio_queue`'s own chain iterator ends silently at whatever it dislikes, which would make a truncated request of
//! a broken one, and reads the table anew on each walk; this copy is made once and says what was wrong.

use std::io::{self, Read, Write};

use vm_memory::ByteValued;

use super::Broken;
use crate::bus::{GuestRam, Pa};

/// Descriptors in a chain at the most, whatever the queue's size; drivers exceed that size with indirect tables.
const MAX_DESCRIPTORS: u32 = 1024;
/// Bytes in a chain at the most. The specification allows 4 GiB; firmware asks for up to 1 GiB at once.
const MAX_BYTES: u64 = 1 << 30;

const DESCRIPTOR: u64 = 16;
const NEXT: u16 = 1;
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;

#[derive(Debug, Clone, Copy)]
struct Buffer {
    at: Pa,
    len: u64,
}

/// Buffers that the driver handed over: first those that the device reads, then those that it writes. All lie in RAM.
#[derive(Debug)]
pub struct Chain {
    head: u16,
    ram: GuestRam,
    readable: Vec<Buffer>,
    writable: Vec<Buffer>,
    descriptors: u32,
}

impl Chain {
    /// Copies the chain that starts at `head` of the descriptor table at `table`.
    pub(super) fn copy(ram: &GuestRam, table: Pa, size: u16, head: u16) -> Result<Self, Broken> {
        let broken = |why: &str| Err(Broken(format!("chain {head}: {why}")));
        let limit = MAX_DESCRIPTORS.max(size.into());
        let mut chain = Self { head, ram: ram.clone(), readable: vec![], writable: vec![], descriptors: 0 };
        let (mut table, mut entries, mut index, mut indirect) = (table, u32::from(size), u32::from(head), false);
        let mut bytes = 0;
        loop {
            if index >= entries {
                return broken("descriptor index out of range");
            }
            if chain.descriptors == limit {
                return broken("too long, or a loop");
            }
            chain.descriptors += 1;
            let mut raw = [0; DESCRIPTOR as usize];
            let Some(at) = table.0.checked_add(u64::from(index) * DESCRIPTOR) else {
                return broken("descriptor table wraps");
            };
            if ram.read(Pa(at), &mut raw).is_err() {
                return broken("descriptor table is not in RAM");
            }
            let raw = u128::from_le_bytes(raw);
            let (at, len) = (Pa(raw as u64), (raw >> 64) as u32);
            let (flags, next) = ((raw >> 96) as u16, (raw >> 112) as u16);
            if flags & INDIRECT != 0 {
                if indirect || flags & NEXT != 0 {
                    return broken("an indirect table inside a table, or with a successor");
                }
                if len == 0 || u64::from(len) % DESCRIPTOR != 0 {
                    return broken("indirect table of a bad size");
                }
                (table, entries, index, indirect) = (at, len / DESCRIPTOR as u32, 0, true);
                continue;
            }
            bytes += u64::from(len);
            if bytes > MAX_BYTES {
                return broken("too many bytes");
            }
            if flags & WRITE == 0 && !chain.writable.is_empty() {
                return broken("a readable buffer after a writable one");
            }
            if len != 0 {
                if ram.offset(at, len.into()).is_none() {
                    return broken("a buffer is not in RAM");
                }
                let part = if flags & WRITE == 0 { &mut chain.readable } else { &mut chain.writable };
                part.push(Buffer { at, len: len.into() });
            }
            if flags & NEXT == 0 {
                return Ok(chain);
            }
            index = next.into();
        }
    }

    /// The index of the first descriptor, by which the driver knows the chain.
    #[must_use]
    pub fn head(&self) -> u16 {
        self.head
    }

    /// Bytes in buffers that the device reads.
    #[must_use]
    pub fn readable_len(&self) -> u64 {
        self.readable.iter().map(|b| b.len).sum()
    }

    /// Bytes in buffers that the device writes.
    #[must_use]
    pub fn writable_len(&self) -> u64 {
        self.writable.iter().map(|b| b.len).sum()
    }

    /// What serving this chain may cost, in bytes copied.
    pub(super) fn cost(&self) -> u64 {
        self.readable_len() + self.writable_len() + u64::from(self.descriptors) * 4096
    }

    /// Reads the buffers that the driver filled, from their start. Guest memory may change between two readings.
    #[must_use]
    pub fn reader(&self) -> Reader<'_> {
        Reader(Cursor { ram: &self.ram, buffers: &self.readable, done: 0, left: self.readable_len(), total: 0 })
    }

    /// Writes the buffers that the driver wants filled, from their start.
    #[must_use]
    pub fn writer(&self) -> Writer<'_> {
        Writer(Cursor { ram: &self.ram, buffers: &self.writable, done: 0, left: self.writable_len(), total: 0 })
    }
}

#[derive(Debug, Clone)]
struct Cursor<'a> {
    ram: &'a GuestRam,
    buffers: &'a [Buffer],
    /// Bytes used of the first buffer.
    done: u64,
    left: u64,
    total: u64,
}

impl Cursor<'_> {
    /// The next piece of at most `want` bytes, or nothing at the end.
    fn take(&mut self, want: usize) -> Option<(Pa, usize)> {
        let first = self.buffers.first()?;
        let len = (first.len - self.done).min(want as u64);
        let at = Pa(first.at.0 + self.done);
        self.done += len;
        self.left -= len;
        self.total += len;
        if self.done == first.len {
            (self.buffers, self.done) = (&self.buffers[1..], 0);
        }
        Some((at, len as usize))
    }

    fn skip(&mut self, mut bytes: u64) {
        while bytes > 0
            && let Some((_, len)) = self.take(usize::try_from(bytes).unwrap_or(usize::MAX))
        {
            bytes -= len as u64;
        }
    }
}

/// Reads the device-readable part of a chain; short at its end.
#[derive(Debug, Clone)]
pub struct Reader<'a>(Cursor<'a>);

impl Reader<'_> {
    /// Bytes left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.0.left
    }

    /// Reads a little-endian structure.
    ///
    /// # Errors
    /// The chain is too short.
    pub fn object<T: ByteValued>(&mut self) -> io::Result<T> {
        let mut object = T::zeroed();
        self.read_exact(object.as_mut_slice())?;
        Ok(object)
    }

    /// Passes over `bytes`, or what is left.
    pub fn skip(&mut self, bytes: u64) {
        self.0.skip(bytes);
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        while read < buf.len()
            && let Some((at, len)) = self.0.take(buf.len() - read)
        {
            self.0.ram.read(at, &mut buf[read..read + len]).map_err(io::Error::other)?;
            read += len;
        }
        Ok(read)
    }
}

/// Writes the device-writable part of a chain; short at its end.
#[derive(Debug, Clone)]
pub struct Writer<'a>(Cursor<'a>);

impl Writer<'_> {
    /// Bytes of room left.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.0.left
    }

    /// Bytes written or passed over so far: the `written` of [`Queues::push`](super::Queues::push).
    #[must_use]
    pub fn written(&self) -> u32 {
        self.0.total as u32
    }

    /// Writes a little-endian structure.
    ///
    /// # Errors
    /// The chain is too short.
    pub fn object<T: ByteValued>(&mut self, object: T) -> io::Result<()> {
        self.write_all(object.as_slice())
    }

    /// Passes over `bytes`, or what is left.
    pub fn skip(&mut self, bytes: u64) {
        self.0.skip(bytes);
    }
}

impl Write for Writer<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut written = 0;
        while written < buf.len()
            && let Some((at, len)) = self.0.take(buf.len() - written)
        {
            self.0.ram.write(at, &buf[written..written + len]).map_err(io::Error::other)?;
            written += len;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
