//! Virtio block device (5.2): a disk over a [`BlockStore`].
//!
//! Requests are served inside the notification, so the driver sees them done in order. Bytes are copied once, between
//! the store's buffer and guest memory.
//!
//! Left out: several queues, lifetime and secure erase, zoned disks, and a disk that changes its size.

use std::io::{Read, Write};

use serde::{Deserialize, Serialize};

use super::{Broken, Chain, Queues, VirtioDevice, read_config};
use crate::bus::{BlockError, BlockStore, RestoreError, Snapshot};

const SECTOR: u64 = 512;
const QUEUE_SIZE: u16 = 256;
/// Bytes moved between store and guest memory at a time.
const PIECE: usize = 256 << 10;

const MAX_DISCARD_SECTORS: u32 = 1 << 22;
const MAX_DISCARD_SEGMENTS: u32 = 32;
/// 64 MiB: a store that cannot make holes writes them.
const MAX_WRITE_ZEROES_SECTORS: u32 = 1 << 17;
const MAX_WRITE_ZEROES_SEGMENTS: u32 = 1;

/// Feature bits (5.2.3).
mod feature {
    pub const SEG_MAX: u64 = 1 << 2;
    pub const RO: u64 = 1 << 5;
    pub const BLK_SIZE: u64 = 1 << 6;
    pub const FLUSH: u64 = 1 << 9;
    pub const TOPOLOGY: u64 = 1 << 10;
    pub const CONFIG_WCE: u64 = 1 << 11;
    pub const DISCARD: u64 = 1 << 13;
    pub const WRITE_ZEROES: u64 = 1 << 14;
}

/// Request types (5.2.6).
mod request {
    pub const IN: u32 = 0;
    pub const OUT: u32 = 1;
    pub const FLUSH: u32 = 4;
    pub const GET_ID: u32 = 8;
    pub const DISCARD: u32 = 11;
    pub const WRITE_ZEROES: u32 = 13;
}

const CONFIG_WRITEBACK: usize = 32;
const CONFIG_LEN: usize = 60;
const ID_LEN: usize = 20;

/// Request status (5.2.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Ok = 0,
    IoError = 1,
    Unsupported = 2,
}

/// A disk.
pub struct Block {
    store: Box<dyn BlockStore>,
    id: [u8; ID_LEN],
    piece: Vec<u8>,
    features: u64,
    writeback: bool,
    errors: u64,
}

impl Block {
    /// A disk with this content. The guest sees the first 20 bytes of the serial.
    pub fn new(store: Box<dyn BlockStore>, serial: &str) -> Self {
        let mut id = [0; ID_LEN];
        let len = serial.len().min(ID_LEN);
        id[..len].copy_from_slice(&serial.as_bytes()[..len]);
        Self { store, id, piece: vec![0; PIECE], features: 0, writeback: true, errors: 0 }
    }

    /// The disk's content.
    pub fn store(&mut self) -> &mut dyn BlockStore {
        &mut *self.store
    }

    fn config(&self) -> [u8; CONFIG_LEN] {
        let mut config = [0; CONFIG_LEN];
        let mut put = |at: usize, bytes: &[u8]| config[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, &(self.store.len() / SECTOR).to_le_bytes());
        put(12, &u32::from(QUEUE_SIZE - 2).to_le_bytes());
        put(20, &(SECTOR as u32).to_le_bytes());
        // Topology: physical blocks of 2^3 sectors, which are also the smallest good request.
        put(24, &[3, 0, 8, 0]);
        put(CONFIG_WRITEBACK, &[self.writeback.into()]);
        put(34, &1u16.to_le_bytes());
        put(36, &MAX_DISCARD_SECTORS.to_le_bytes());
        put(40, &MAX_DISCARD_SEGMENTS.to_le_bytes());
        put(44, &8u32.to_le_bytes());
        put(48, &MAX_WRITE_ZEROES_SECTORS.to_le_bytes());
        put(52, &MAX_WRITE_ZEROES_SEGMENTS.to_le_bytes());
        put(56, &[1]);
        config
    }

    /// Whether a write may be acknowledged before it is stable (5.2.5, 5.2.6.2).
    fn write_back(&self) -> bool {
        if self.features & feature::CONFIG_WCE != 0 { self.writeback } else { self.features & feature::FLUSH != 0 }
    }

    /// Bytes of a request for `bytes` at `sector`, if they are whole sectors on the disk.
    fn range(&self, sector: u64, bytes: u64) -> Result<u64, Status> {
        let offset = sector.checked_mul(SECTOR).ok_or(Status::IoError)?;
        let end = offset.checked_add(bytes).ok_or(Status::IoError)?;
        let capacity = self.store.len() / SECTOR * SECTOR;
        if bytes.is_multiple_of(SECTOR) && end <= capacity { Ok(offset) } else { Err(Status::IoError) }
    }

    fn done(&mut self, result: Result<(), BlockError>) -> Result<(), Status> {
        result.map_err(|why| {
            self.errors += 1;
            if self.errors == 1 {
                tracing::warn!("disk: {why}; the guest sees an I/O error (later ones are not logged)");
            }
            Status::IoError
        })
    }

    fn read(&mut self, chain: &Chain, sector: u64) -> Result<(), Status> {
        let mut left = chain.writable_len() - 1;
        let mut at = self.range(sector, left)?;
        let mut data = chain.writer();
        while left > 0 {
            let len = left.min(PIECE as u64) as usize;
            let result = self.store.read_at(at, &mut self.piece[..len]);
            self.done(result)?;
            data.write_all(&self.piece[..len]).map_err(|_| Status::IoError)?;
            (at, left) = (at + len as u64, left - len as u64);
        }
        Ok(())
    }

    fn write(&mut self, data: &mut impl Read, bytes: u64, sector: u64) -> Result<(), Status> {
        let mut left = bytes;
        let mut at = self.range(sector, left)?;
        while left > 0 {
            let len = left.min(PIECE as u64) as usize;
            data.read_exact(&mut self.piece[..len]).map_err(|_| Status::IoError)?;
            let result = self.store.write_at(at, &self.piece[..len]);
            self.done(result)?;
            (at, left) = (at + len as u64, left - len as u64);
        }
        if self.write_back() { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), Status> {
        let result = self.store.flush();
        self.done(result)
    }

    /// Discard and write zeroes: a list of segments.
    fn segments(&mut self, kind: u32, list: &[u8], queues: &mut Queues) -> Result<(), Status> {
        let (segments, rest) = list.as_chunks::<16>();
        let (max_segments, max_sectors, flags_allowed) = match kind {
            request::DISCARD => (MAX_DISCARD_SEGMENTS, MAX_DISCARD_SECTORS, 0),
            _ => (MAX_WRITE_ZEROES_SEGMENTS, MAX_WRITE_ZEROES_SECTORS, 1),
        };
        if !rest.is_empty() || segments.is_empty() || segments.len() > max_segments as usize {
            return Err(Status::IoError);
        }
        for segment in segments {
            let raw = u128::from_le_bytes(*segment);
            let (sector, sectors, flags) = (raw as u64, (raw >> 64) as u32, (raw >> 96) as u32);
            if flags & !flags_allowed != 0 {
                return Err(Status::Unsupported);
            }
            if sectors > max_sectors {
                return Err(Status::IoError);
            }
            let len = u64::from(sectors) * SECTOR;
            let offset = self.range(sector, len)?;
            let result = if kind == request::DISCARD {
                self.store.discard(offset, len)
            } else {
                queues.charge(len);
                self.store.write_zeroes(offset, len)
            };
            self.done(result)?;
        }
        if self.write_back() { Ok(()) } else { self.flush() }
    }

    fn serve(&mut self, chain: &Chain, queues: &mut Queues) -> Result<(), Broken> {
        let mut input = chain.reader();
        let header: u128 = {
            let mut raw = [0; 16];
            input.read_exact(&mut raw).map_err(|_| Broken("block request without a header".into()))?;
            u128::from_le_bytes(raw)
        };
        let (kind, sector) = (header as u32, (header >> 64) as u64);
        let Some(room) = chain.writable_len().checked_sub(1) else {
            return Err(Broken("block request without room for its status".into()));
        };
        let changes = matches!(kind, request::OUT | request::DISCARD | request::WRITE_ZEROES);
        let result = match kind {
            _ if changes && self.store.read_only() => Err(Status::IoError),
            request::IN => self.read(chain, sector),
            request::OUT => {
                let bytes = input.left();
                self.write(&mut input, bytes, sector)
            }
            request::FLUSH => self.flush(),
            request::GET_ID => {
                let len = room.min(ID_LEN as u64) as usize;
                chain.writer().write_all(&self.id[..len]).map_err(|_| Status::IoError)
            }
            request::DISCARD | request::WRITE_ZEROES => {
                let mut list = vec![];
                let limit = u64::from(MAX_DISCARD_SEGMENTS) * 16 + 1;
                let read = input.take(limit).read_to_end(&mut list);
                read.map_err(|_| Status::IoError).and_then(|_| self.segments(kind, &list, queues))
            }
            _ => Err(Status::Unsupported),
        };
        let status = result.err().unwrap_or(Status::Ok);
        let mut output = chain.writer();
        output.skip(room);
        // The buffers were checked to lie in RAM, which does not go away.
        output.write_all(&[status as u8]).map_err(|e| Broken(e.to_string()))?;
        queues.push(0, chain.head(), output.written())
    }
}

impl VirtioDevice for Block {
    fn device_id(&self) -> u32 {
        2
    }

    fn queue_sizes(&self) -> &[u16] {
        &[QUEUE_SIZE]
    }

    fn features(&self) -> u64 {
        use feature::{BLK_SIZE, CONFIG_WCE, DISCARD, FLUSH, RO, SEG_MAX, TOPOLOGY, WRITE_ZEROES};
        let all = SEG_MAX | BLK_SIZE | FLUSH | TOPOLOGY | CONFIG_WCE;
        all | if self.store.read_only() { RO } else { DISCARD | WRITE_ZEROES }
    }

    fn activate(&mut self, features: u64) {
        self.features = features;
    }

    fn config_read(&self, offset: usize, data: &mut [u8]) {
        read_config(&self.config(), offset, data);
    }

    fn config_write(&mut self, offset: usize, data: &[u8]) {
        if let ([value], CONFIG_WRITEBACK) = (data, offset) {
            let was = std::mem::replace(&mut self.writeback, value & 1 != 0);
            if was && !self.writeback {
                // What was written back so far is stable from now on, as if it had been written through.
                let _ = self.flush();
            }
        }
    }

    fn notify(&mut self, index: usize, queues: &mut Queues) -> Result<(), Broken> {
        while let Some(chain) = queues.pop(index)? {
            self.serve(&chain, queues)?;
        }
        Ok(())
    }

    fn reset(&mut self) {
        (self.features, self.writeback) = (0, true);
    }
}

/// A [`Block`] as saved; its content is the store's business.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedBlock {
    capacity: u64,
    writeback: bool,
}

impl Snapshot for Block {
    type Saved = SavedBlock;

    fn save(&self) -> SavedBlock {
        // `features` come with `activate`.
        let Self { store, id: _, piece: _, features: _, writeback, errors: _ } = self;
        SavedBlock { capacity: store.len(), writeback: *writeback }
    }

    fn restore(&mut self, saved: SavedBlock) -> Result<(), RestoreError> {
        let SavedBlock { capacity, writeback } = saved;
        if capacity != self.store.len() {
            return Err(RestoreError { device: "virtio-blk", field: "capacity" });
        }
        self.writeback = writeback;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
