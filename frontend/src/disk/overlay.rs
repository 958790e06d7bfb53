//! A temporary layer over a disk: what the guest writes goes to an unlinked file and vanishes with it.
//!
//! The layer holds whole clusters, copied up from the disk below when they are first written in part.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use devices::bus::{BlockError, BlockStore};

use super::raw::punch_hole;

const CLUSTER: u64 = 64 << 10;

/// Where a cluster of the layer is.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// In the file, at this many clusters from its start.
    File(u64),
    /// Nowhere: it reads as zeros.
    Zeros,
}

/// A disk whose changes are temporary.
pub struct Overlay {
    base: Box<dyn BlockStore>,
    file: File,
    clusters: HashMap<u64, Place>,
    end: u64,
    free: Vec<u64>,
}

/// One cluster's part of a range.
struct Part {
    cluster: u64,
    /// Bytes from the cluster's start.
    from: u64,
    /// Bytes of the range before it.
    done: usize,
    len: usize,
}

fn parts(offset: u64, len: u64) -> impl Iterator<Item = Part> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done;
        let from = at % CLUSTER;
        let part =
            Part { cluster: at / CLUSTER, from, done: done as usize, len: (CLUSTER - from).min(len - done) as usize };
        done += part.len as u64;
        (part.len > 0).then_some(part)
    })
}

impl Overlay {
    /// A layer without changes over `base`. Its file is made where large temporary files belong.
    ///
    /// # Errors
    /// No temporary file can be made.
    pub fn new(base: Box<dyn BlockStore>) -> io::Result<Self> {
        let large = Path::new("/var/tmp");
        let chosen = std::env::var_os("TMPDIR").is_some() || !large.is_dir();
        let file = if chosen { tempfile::tempfile() } else { tempfile::tempfile_in(large) }?;
        Ok(Self { base, file, clusters: HashMap::new(), end: 0, free: vec![] })
    }

    fn check(&self, offset: u64, len: u64) -> Result<(), BlockError> {
        match offset.checked_add(len) {
            Some(end) if end <= self.base.len() => Ok(()),
            _ => Err(BlockError::OutOfRange { offset, len }),
        }
    }

    /// Bytes of a cluster that are on the disk; the last one may be short.
    fn cluster_len(&self, cluster: u64) -> usize {
        (self.base.len() - cluster * CLUSTER).min(CLUSTER) as usize
    }

    fn write_part(&mut self, part: &Part, bytes: &[u8]) -> Result<(), BlockError> {
        let place = self.clusters.get(&part.cluster).copied();
        if let Some(Place::File(at)) = place {
            return Ok(self.file.write_all_at(bytes, at * CLUSTER + part.from)?);
        }
        let mut whole = vec![0; self.cluster_len(part.cluster)];
        if place.is_none() && part.len < whole.len() {
            self.base.read_at(part.cluster * CLUSTER, &mut whole)?;
        }
        let from = part.from as usize;
        whole[from..from + part.len].copy_from_slice(bytes);
        let at = self.free.last().copied().unwrap_or(self.end);
        self.file.write_all_at(&whole, at * CLUSTER)?;
        if self.free.pop().is_none() {
            self.end += 1;
        }
        self.clusters.insert(part.cluster, Place::File(at));
        Ok(())
    }

    fn zero_part(&mut self, part: &Part) -> Result<(), BlockError> {
        if part.len < self.cluster_len(part.cluster) {
            return self.write_part(part, &vec![0; part.len]);
        }
        if let Some(Place::File(at)) = self.clusters.insert(part.cluster, Place::Zeros) {
            self.free.push(at);
            punch_hole(&self.file, at * CLUSTER, CLUSTER)?;
        }
        Ok(())
    }
}

impl BlockStore for Overlay {
    fn len(&self) -> u64 {
        self.base.len()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        self.check(offset, buf.len() as u64)?;
        for part in parts(offset, buf.len() as u64) {
            let bytes = &mut buf[part.done..part.done + part.len];
            match self.clusters.get(&part.cluster) {
                Some(Place::File(at)) => self.file.read_exact_at(bytes, at * CLUSTER + part.from)?,
                Some(Place::Zeros) => bytes.fill(0),
                None => self.base.read_at(part.cluster * CLUSTER + part.from, bytes)?,
            }
        }
        Ok(())
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), BlockError> {
        self.check(offset, buf.len() as u64)?;
        for part in parts(offset, buf.len() as u64) {
            self.write_part(&part, &buf[part.done..part.done + part.len])?;
        }
        Ok(())
    }

    /// Nothing is to outlive the phone.
    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }

    fn discard(&mut self, offset: u64, len: u64) -> Result<(), BlockError> {
        self.check(offset, len)?;
        for part in parts(offset, len) {
            if part.len == self.cluster_len(part.cluster) {
                self.zero_part(&part)?;
            }
        }
        Ok(())
    }

    fn write_zeroes(&mut self, offset: u64, len: u64) -> Result<(), BlockError> {
        self.check(offset, len)?;
        parts(offset, len).try_for_each(|part| self.zero_part(&part))
    }
}
