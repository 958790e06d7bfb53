//! A temporary layer over a disk: what the guest writes goes to an unlinked file and vanishes with it.
//!
//! The layer holds whole clusters, copied up from the disk below when they are first written in part.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use devices::bus::{BlockError, BlockStore};

use super::raw::punch_hole;

pub const CLUSTER: u64 = 64 << 10;

/// Where a cluster of the layer is.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// In the file, at this many clusters from its start.
    File(u64),
    /// In the snapshot, at this offset.
    Kept(u64),
    /// Nowhere: it reads as zeros.
    Zeros,
}

/// A disk whose changes are temporary.
pub struct Overlay {
    base: Box<dyn BlockStore>,
    layer: Layer,
}

/// The changes, shared with who saves them.
#[derive(Debug, Clone)]
pub struct Layer(Arc<Mutex<Changes>>);

#[derive(Debug)]
struct Changes {
    file: File,
    /// The snapshot from which the phone goes on.
    snapshot: Option<Arc<File>>,
    clusters: BTreeMap<u64, Place>,
    end: u64,
    free: Vec<u64>,
}

/// A cluster that was changed, for who saves it: its number, and its bytes unless all are zeros.
pub type Changed = (u64, Option<Vec<u8>>);

impl Layer {
    /// Without changes, in a file where large temporary files belong.
    fn new() -> io::Result<Self> {
        let large = Path::new("/var/tmp");
        let chosen = std::env::var_os("TMPDIR").is_some() || !large.is_dir();
        let file = if chosen { tempfile::tempfile() } else { tempfile::tempfile_in(large) }?;
        let changes = Changes { file, snapshot: None, clusters: BTreeMap::new(), end: 0, free: vec![] };
        Ok(Self(Arc::new(Mutex::new(changes))))
    }

    fn lock(&self) -> MutexGuard<'_, Changes> {
        self.0.lock().expect("nobody panics with a layer's lock")
    }

    /// Tells of every cluster that was changed.
    pub fn each(&self, mut tell: impl FnMut(Changed) -> io::Result<()>) -> io::Result<()> {
        let changes = self.lock();
        for (&cluster, &place) in &changes.clusters {
            let mut bytes = vec![0; CLUSTER as usize];
            match place {
                Place::Zeros => tell((cluster, None))?,
                place => {
                    // The disk's last cluster may be short.
                    changes.read(place, 0, &mut bytes)?;
                    tell((cluster, Some(bytes)))?;
                }
            }
        }
        Ok(())
    }

    /// Takes over changes that a snapshot holds, instead of those that there are: the number of each cluster, and where its
    /// bytes are unless all are zeros.
    pub fn restore(&self, snapshot: &Arc<File>, clusters: impl Iterator<Item = (u64, Option<u64>)>) {
        let mut changes = self.lock();
        let Changes { file, snapshot: kept, clusters: changed, end, free } = &mut *changes;
        *kept = Some(Arc::clone(snapshot));
        *changed = clusters.map(|(cluster, at)| (cluster, at.map_or(Place::Zeros, Place::Kept))).collect();
        // All of the file's clusters are free, and if the host does not take them back, they are used again.
        free.clear();
        match file.set_len(0) {
            Ok(()) => *end = 0,
            Err(_) => free.extend(0..*end),
        }
    }
}

impl Changes {
    /// Reads from a cluster; what its file has not is zeros.
    fn read(&self, place: Place, from: u64, bytes: &mut [u8]) -> io::Result<()> {
        let (file, at) = match place {
            Place::Zeros => {
                bytes.fill(0);
                return Ok(());
            }
            Place::File(at) => (&self.file, at * CLUSTER + from),
            Place::Kept(at) => (&**self.snapshot.as_ref().expect("what is kept has a place"), at + from),
        };
        let mut done = 0;
        while done < bytes.len() {
            match file.read_at(&mut bytes[done..], at + done as u64) {
                Ok(0) => {
                    bytes[done..].fill(0);
                    return Ok(());
                }
                Ok(count) => done += count,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => return Err(why),
            }
        }
        Ok(())
    }
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
    /// A layer without changes over `base`.
    ///
    /// # Errors
    /// No temporary file can be made.
    pub fn new(base: Box<dyn BlockStore>) -> io::Result<Self> {
        Ok(Self { base, layer: Layer::new()? })
    }

    /// What has changed.
    pub fn layer(&self) -> Layer {
        self.layer.clone()
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
        let len = self.cluster_len(part.cluster);
        let mut changes = self.layer.lock();
        let place = changes.clusters.get(&part.cluster).copied();
        if let Some(Place::File(at)) = place {
            return Ok(changes.file.write_all_at(bytes, at * CLUSTER + part.from)?);
        }
        let mut whole = vec![0; len];
        if part.len < len {
            match place {
                Some(place) => changes.read(place, 0, &mut whole)?,
                None => self.base.read_at(part.cluster * CLUSTER, &mut whole)?,
            }
        }
        let from = part.from as usize;
        whole[from..from + part.len].copy_from_slice(bytes);
        let at = changes.free.last().copied().unwrap_or(changes.end);
        changes.file.write_all_at(&whole, at * CLUSTER)?;
        if changes.free.pop().is_none() {
            changes.end += 1;
        }
        changes.clusters.insert(part.cluster, Place::File(at));
        Ok(())
    }

    fn zero_part(&mut self, part: &Part) -> Result<(), BlockError> {
        if part.len < self.cluster_len(part.cluster) {
            return self.write_part(part, &vec![0; part.len]);
        }
        let mut changes = self.layer.lock();
        if let Some(Place::File(at)) = changes.clusters.insert(part.cluster, Place::Zeros) {
            changes.free.push(at);
            punch_hole(&changes.file, at * CLUSTER, CLUSTER)?;
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
            let changes = self.layer.lock();
            match changes.clusters.get(&part.cluster) {
                Some(place) => changes.read(*place, part.from, bytes)?,
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
