//! The file: a header, then segments, each of an index and the records that it lists.
//!
//! | header | segment | record |
//! |---|---|---|
//! | [`MAGIC`], the maker's number | [`SEGMENT_MAGIC`], count of records, bytes of them all, checksum of the index | its bytes, their checksum |
//! | | index: of each record its key, and where it begins | the bytes |
//! | | records | |
//!
//! All numbers are little-endian; indexes and records are padded to [`ALIGNMENT`]. Segments are only ever added, at the
//! end, by who holds the file's lock. What a process that was killed has left there half-written is no segment, and is
//! overwritten by the next.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Duration;

use super::MOST_BYTES;

const MAGIC: [u8; 8] = *b"HandsetT";
const SEGMENT_MAGIC: u32 = 0x5365_6754;
/// Bytes of the file's header, of a segment's, of an entry of its index, and of a record's header.
const HEADER: u64 = 16;
const SEGMENT_HEADER: usize = 16;
const ENTRY: usize = 8;
const RECORD_HEADER: usize = 8;
/// No record is longer; one that says so is damaged.
const MOST_RECORD: u32 = 1 << 22;
/// Records begin at multiples of so many bytes.
pub(super) const ALIGNMENT: u64 = 16;

/// A process that holds the lock may have been stopped: so long it is waited for, in steps.
const PATIENCE: Duration = Duration::from_millis(500);
const PAUSE: Duration = Duration::from_millis(2);

/// Records for the file, one behind the other, and an index of them.
#[derive(Debug, Default)]
pub(super) struct Batch {
    index: Vec<u8>,
    records: Vec<u8>,
}

impl Batch {
    /// Adds the record of a key.
    pub fn add(&mut self, key: u32, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.records.len();
        self.index.extend(key.to_le_bytes());
        self.index.extend((start as u32).to_le_bytes());
        self.records.extend([0; RECORD_HEADER]);
        write(&mut self.records);
        let len = self.records.len() - start - RECORD_HEADER;
        self.records[start..][..4].copy_from_slice(&(len as u32).to_le_bytes());
        pad(&mut self.records);
    }

    /// Key of each record, and where it begins behind the index.
    pub fn entries(&self) -> impl Iterator<Item = (u32, u64)> {
        entries(&self.index)
    }

    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Bytes of its records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Gives every record its checksum; the segment, and how far its records are in it.
    fn seal(&mut self) -> (Vec<u8>, u64) {
        let starts: Vec<u64> = self.entries().map(|(_, at)| at).collect();
        for start in starts {
            let (header, rest) = self.records[start as usize..].split_at_mut(RECORD_HEADER);
            let len = u32::from_le_bytes(header.as_chunks().0[0]);
            header[4..].copy_from_slice(&crc32fast::hash(&rest[..len as usize]).to_le_bytes());
        }
        let count = self.index.len() / ENTRY;
        let words = [SEGMENT_MAGIC, count as u32, self.records.len() as u32, crc32fast::hash(&self.index)];
        let mut segment: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        segment.extend(&self.index);
        pad(&mut segment);
        let ahead = segment.len() as u64;
        segment.extend(&self.records);
        (segment, ahead)
    }
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT as usize), 0);
}

fn entries(index: &[u8]) -> impl Iterator<Item = (u32, u64)> {
    index.as_chunks::<ENTRY>().0.iter().map(|entry| {
        let entry = u64::from_le_bytes(*entry);
        (entry as u32, entry >> 32)
    })
}

#[derive(Debug)]
pub(super) struct Segments {
    file: File,
    maker: u64,
    /// Behind the last segment that is known.
    end: u64,
}

impl Segments {
    /// Reads the index of every segment; `entry` is told each record's key and where it begins.
    pub fn open(file: File, maker: u64, mut entry: impl FnMut(u32, u64)) -> io::Result<Self> {
        let mut this = Self { file, maker, end: HEADER };
        // Segments that are there do not change.
        let begun = this.is_begun();
        if begun {
            this.walk(&mut entry);
        }
        if !begun {
            this.alone(|this| if this.is_begun() { Ok(()) } else { this.begin() })?;
        }
        Ok(this)
    }

    fn is_begun(&self) -> bool {
        let mut header = [0; HEADER as usize];
        self.file.read_exact_at(&mut header, 0).is_ok() && header == self.header()
    }

    fn header(&self) -> [u8; HEADER as usize] {
        let mut header = [0; HEADER as usize];
        header[..8].copy_from_slice(&MAGIC);
        header[8..].copy_from_slice(&self.maker.to_le_bytes());
        header
    }

    fn begin(&self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all_at(&self.header(), 0)
    }

    /// Does something while no other process writes.
    fn alone<T>(&mut self, work: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        let mut patience = PATIENCE;
        while let Err(why) = self.file.try_lock() {
            match why {
                TryLockError::WouldBlock if !patience.is_zero() => thread::sleep(PAUSE),
                TryLockError::WouldBlock => return Err(io::Error::other("another process keeps it locked")),
                TryLockError::Error(why) => return Err(why),
            }
            patience = patience.saturating_sub(PAUSE);
        }
        let done = work(self);
        self.file.unlock()?;
        done
    }

    /// Goes on from the end that is known to that of the last whole segment.
    fn walk(&mut self, entry: &mut impl FnMut(u32, u64)) {
        let size = self.file.metadata().map_or(0, |data| data.len());
        let mut index = Vec::new();
        while let Some((records, end)) = self.segment(size, &mut index) {
            entries(&index).for_each(|(key, at)| entry(key, records + at));
            self.end = end;
        }
    }

    /// Reads the index of the segment at the end, if it is one and whole; where its records begin and end. A damaged index
    /// reads as an empty one.
    fn segment(&self, size: u64, index: &mut Vec<u8>) -> Option<(u64, u64)> {
        let mut header = [0; SEGMENT_HEADER];
        self.file.read_exact_at(&mut header, self.end).ok()?;
        let [magic, count, bytes, crc] = *header.as_chunks().0 else { unreachable!("a header is of four words") };
        let [magic, count, bytes, crc] = [magic, count, bytes, crc].map(u32::from_le_bytes);
        let at = self.end + SEGMENT_HEADER as u64;
        let records = (at + ENTRY as u64 * u64::from(count)).next_multiple_of(ALIGNMENT);
        let end = records + u64::from(bytes);
        if magic != SEGMENT_MAGIC || end > size {
            return None;
        }
        index.resize(ENTRY * count as usize, 0);
        self.file.read_exact_at(index, at).ok()?;
        if crc32fast::hash(index) != crc {
            index.clear();
        }
        Some((records, end))
    }

    /// Adds a segment; where its records begin.
    pub fn append(&mut self, batch: &mut Batch) -> io::Result<u64> {
        let (segment, ahead) = batch.seal();
        self.alone(|this| {
            if !this.is_begun() {
                return Err(io::Error::other("another program has taken it over"));
            }
            // What others have added meanwhile stays.
            this.walk(&mut |_, _| {});
            if this.end + segment.len() as u64 > MOST_BYTES {
                return Err(io::Error::other("the file is full"));
            }
            this.file.write_all_at(&segment, this.end)?;
            let at = this.end + ahead;
            this.end += segment.len() as u64;
            Ok(at)
        })
    }
}

/// Blocks of the file that were read lately: records are wanted about in the order in which they were written.
#[derive(Debug)]
pub(super) struct Blocks {
    file: File,
    /// The number of the block in each place, and what could be read of it.
    blocks: [(u64, Vec<u8>); BLOCKS],
}

const BLOCK: u64 = 1 << 14;
const BLOCKS: usize = 64;

impl Blocks {
    pub fn new(file: File) -> Self {
        Self { file, blocks: std::array::from_fn(|_| (u64::MAX, Vec::new())) }
    }

    /// Reads the record that begins at `at`, if it is whole.
    pub fn read_record(&mut self, at: u64, into: &mut Vec<u8>) {
        into.clear();
        self.read(at, RECORD_HEADER as u64, into);
        let [len, crc] = *into.as_chunks().0 else { return into.clear() };
        let [len, crc] = [len, crc].map(u32::from_le_bytes);
        into.clear();
        if len <= MOST_RECORD {
            self.read(at + RECORD_HEADER as u64, len.into(), into);
        }
        if into.len() != len as usize || crc32fast::hash(into) != crc {
            into.clear();
        }
    }

    /// Appends `len` bytes from `at` on, or what there is of them.
    fn read(&mut self, at: u64, len: u64, into: &mut Vec<u8>) {
        let end = at.saturating_add(len);
        let mut at = at;
        while at < end {
            let number = at / BLOCK;
            let (there, block) = &mut self.blocks[number as usize % BLOCKS];
            let bytes = (at % BLOCK) as usize..(end - number * BLOCK).min(BLOCK) as usize;
            if *there != number || block.len() < bytes.end {
                block.resize(BLOCK as usize, 0);
                let read = self.file.read_at(block, number * BLOCK).unwrap_or(0);
                block.truncate(read);
                *there = number;
            }
            let Some(bytes) = block.get(bytes) else { return };
            into.extend(bytes);
            at += bytes.len() as u64;
        }
    }
}
