//! A snapshot's file.
//!
//! | from | to | what |
//! |---|---|---|
//! | 0 | 4 KiB | the header: [`MAGIC`], [`VERSION`], bytes of RAM, where the table is and how long, checksums of both |
//! | 4 KiB | + RAM | RAM as it is, so that it can be mapped; pieces of zeros are holes |
//! | | | clusters of disks |
//! | | end | the table: checksums of pieces and clusters, and everything else |
//!
//! Numbers are little-endian, the table is postcard's. It is written under another name, synchronised, and renamed, so that a
//! snapshot is there whole or not at all.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use devices::bus::{GuestRam, Pa};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::disk::{CLUSTER, Layer};

const MAGIC: [u8; 8] = *b"HandsetS";
const VERSION: u32 = 1;
/// Where RAM begins.
const RAM_AT: u64 = 4096;
/// RAM is looked at in pieces of so many bytes.
const PIECE: u64 = 64 << 10;
/// So many bytes of zeros are not mapped from the file.
const GAP: u64 = 1 << 20;
/// The largest table that is read.
const MOST_TABLE: u64 = 1 << 30;

/// A disk's cluster: its number, and where it is with its checksum, unless it is all zeros.
type Cluster = (u64, Option<(u64, u32)>);

/// What is known of the file's pieces.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Table {
    /// Number and checksum of each piece of RAM that is not all zeros.
    pieces: Vec<(u32, u32)>,
    /// Of each disk, its clusters.
    layers: Vec<Vec<Cluster>>,
    /// Everything else.
    contents: Vec<u8>,
}

/// A snapshot that is being written.
pub struct Writing {
    new: tempfile::NamedTempFile,
    ram: u64,
    /// Behind all that is written.
    end: u64,
    table: Table,
}

impl Writing {
    pub fn begin(folder: &Path, ram: u64) -> io::Result<Self> {
        let new = tempfile::Builder::new().prefix(".new-").tempfile_in(folder)?;
        new.as_file().set_permissions(Permissions::from_mode(0o600))?;
        let end = RAM_AT + ram;
        new.as_file().set_len(end)?;
        Ok(Self { new, ram, end, table: Table::default() })
    }

    /// Writes what RAM holds.
    pub fn ram(&mut self, ram: &GuestRam) -> io::Result<()> {
        let mut piece = vec![0; PIECE as usize];
        for number in 0..self.ram.div_ceil(PIECE) {
            let at = number * PIECE;
            let piece = &mut piece[..(self.ram - at).min(PIECE) as usize];
            ram.read(Pa(ram.base().0 + at), piece).map_err(io::Error::other)?;
            if !is_zero(piece) {
                self.new.as_file().write_all_at(piece, RAM_AT + at)?;
                self.table.pieces.push((number as u32, crc32fast::hash(piece)));
            }
        }
        Ok(())
    }

    /// Writes what a disk has changed, or that there is nothing of the kind.
    pub fn layer(&mut self, layer: Option<&Layer>) -> io::Result<()> {
        let mut clusters = Vec::new();
        let (file, end) = (self.new.as_file(), &mut self.end);
        let write = |(number, bytes): (u64, Option<Vec<u8>>)| {
            let place = match bytes {
                None => None,
                Some(bytes) => {
                    file.write_all_at(&bytes, *end)?;
                    *end += CLUSTER;
                    Some((*end - CLUSTER, crc32fast::hash(&bytes)))
                }
            };
            clusters.push((number, place));
            Ok(())
        };
        layer.map_or(Ok(()), |layer| layer.each(write))?;
        self.table.layers.push(clusters);
        Ok(())
    }

    /// Writes the rest, and gives the file its name.
    pub fn finish(mut self, contents: &impl Serialize, place: &Path) -> io::Result<()> {
        self.table.contents = postcard::to_stdvec(contents).map_err(io::Error::other)?;
        let table = postcard::to_stdvec(&self.table).map_err(io::Error::other)?;
        let file = self.new.as_file();
        file.write_all_at(&table, self.end)?;
        let header =
            Header { ram: self.ram, table_at: self.end, table: table.len() as u64, crc: crc32fast::hash(&table) };
        file.write_all_at(&header.bytes(), 0)?;
        file.sync_all()?;
        self.new.persist(place)?;
        File::open(place.parent().expect("a snapshot is in a folder"))?.sync_all()
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<16>();
    words.iter().all(|word| u128::from_ne_bytes(*word) == 0) && rest.iter().all(|&byte| byte == 0)
}

struct Header {
    ram: u64,
    table_at: u64,
    table: u64,
    crc: u32,
}

/// Bytes of a header before its own checksum.
const HEADER: usize = 40;

impl Header {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = BufWriter::new(Vec::new());
        let mut put = |field: &[u8]| bytes.write_all(field).expect("memory takes all");
        put(&MAGIC);
        put(&VERSION.to_le_bytes());
        [self.ram, self.table_at, self.table].into_iter().for_each(|n| put(&n.to_le_bytes()));
        put(&self.crc.to_le_bytes());
        let mut bytes = bytes.into_inner().expect("memory takes all");
        debug_assert_eq!(bytes.len(), HEADER);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes
    }

    fn read(file: &File) -> Result<Self> {
        let mut bytes = [0; HEADER + 4];
        let whole = file.read_exact_at(&mut bytes, 0).is_ok();
        if !whole || bytes[..8] != MAGIC {
            bail!("is no snapshot of a phone");
        }
        let word = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().expect("inside"));
        let long = |at: usize| u64::from_le_bytes(*bytes[at..].first_chunk().expect("inside"));
        if word(8) != VERSION {
            bail!("is a snapshot of version {}, which this Handset does not know (it knows {VERSION})", word(8));
        }
        if word(HEADER) != crc32fast::hash(&bytes[..HEADER]) {
            bail!("is damaged at byte 0, in its header");
        }
        Ok(Self { ram: long(12), table_at: long(20), table: long(28), crc: word(36) })
    }
}

/// A snapshot's file in which every checksum is right.
#[derive(Debug)]
pub struct Opened {
    file: Arc<File>,
    ram: u64,
    runs: Vec<Range<u64>>,
    layers: Vec<Vec<Cluster>>,
}

/// Clusters of one disk: the number of each, and where it is unless all is zeros.
pub type Clusters = Vec<(u64, Option<u64>)>;

impl Opened {
    /// Opens a file and looks at all of it; what it says beside RAM and disks.
    pub fn open<T: DeserializeOwned>(path: &Path) -> Result<(T, Self)> {
        let file = File::open(path)?;
        let header = Header::read(&file)?;
        let size = file.metadata()?.len();
        let table_end = header.table_at.checked_add(header.table);
        if header.table > MOST_TABLE || table_end.is_none_or(|end| end > size) {
            bail!("is cut off at byte {size}");
        }
        let mut table = vec![0; header.table as usize];
        file.read_exact_at(&mut table, header.table_at)?;
        if crc32fast::hash(&table) != header.crc {
            bail!("is damaged at byte {}, in its table", header.table_at);
        }
        let unknown = || format!("says at byte {} what this Handset does not understand", header.table_at);
        let Table { pieces, layers, contents } = postcard::from_bytes(&table).with_context(unknown)?;
        let contents = postcard::from_bytes(&contents).with_context(unknown)?;
        let runs = runs(pieces.iter().map(|&(number, _)| number), header.ram);
        let ram = pieces.iter().map(|&(number, crc)| {
            let at = u64::from(number) * PIECE;
            (RAM_AT + at, header.ram.saturating_sub(at).min(PIECE), crc)
        });
        let clusters = layers.iter().flatten().filter_map(|&(_, place)| place.map(|(at, crc)| (at, CLUSTER, crc)));
        check(&file, &ram.chain(clusters).collect::<Vec<_>>())?;
        Ok((contents, Self { file: Arc::new(file), ram: header.ram, runs, layers }))
    }

    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    pub fn ram_bytes(&self) -> u64 {
        self.ram
    }

    /// Where RAM begins.
    pub fn ram_at(&self) -> u64 {
        RAM_AT
    }

    /// The bytes of RAM, counted from its beginning, that are to be had from the file; all others are zeros.
    pub fn runs(&self) -> &[Range<u64>] {
        &self.runs
    }

    /// The clusters of each disk.
    pub fn into_layers(self) -> impl Iterator<Item = Clusters> {
        let place = |(number, place): Cluster| (number, place.map(|(at, _)| at));
        self.layers.into_iter().map(move |clusters| clusters.into_iter().map(place).collect())
    }
}

/// Runs of pieces of RAM, given in their order. The host maps each by itself and has not many mappings to give, so zeros between
/// two belong to them unless they are many.
fn runs(pieces: impl Iterator<Item = u32>, ram: u64) -> Vec<Range<u64>> {
    let mut runs: Vec<Range<u64>> = Vec::new();
    for piece in pieces.map(u64::from).filter(|piece| piece * PIECE < ram) {
        let (start, end) = (piece * PIECE, ((piece + 1) * PIECE).min(ram));
        match runs.last_mut() {
            Some(run) if run.end <= start && start - run.end < GAP => run.end = end,
            _ => runs.push(start..end),
        }
    }
    runs
}

/// Looks at pieces of a file, each with its place, bytes and checksum, on two threads.
fn check(file: &File, pieces: &[(u64, u64, u32)]) -> Result<()> {
    let one = |pieces: &[(u64, u64, u32)]| -> Result<()> {
        let mut bytes = vec![0; PIECE.max(CLUSTER) as usize];
        for &(at, len, crc) in pieces {
            let bytes = &mut bytes[..len as usize];
            if file.read_exact_at(bytes, at).is_err() || crc32fast::hash(bytes) != crc {
                bail!("is damaged at byte {at}");
            }
        }
        Ok(())
    };
    let (first, second) = pieces.split_at(pieces.len() / 2);
    std::thread::scope(|scope| {
        let second = scope.spawn(move || one(second));
        one(first).and(second.join().expect("looking does not panic"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_zeros_between_pieces_are_mapped_with_them_and_many_are_not() {
        let ram = 64 * GAP + 4096;
        let gap = (GAP / PIECE) as u32;
        let last = (ram / PIECE) as u32;
        let found = runs([0, 1, gap, 3 * gap, last].into_iter(), ram);
        let piece = |number: u32| u64::from(number) * PIECE;
        assert_eq!(found, [0..piece(gap + 1), piece(3 * gap)..piece(3 * gap + 1), piece(last)..ram]);
    }
}
