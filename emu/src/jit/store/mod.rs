//! Translations that outlive the cache and the process: what was translated is kept in a file, from which the same guest
//! code is had for less than it costs to translate it.
//!
//! A unit is looked up by its context, its place in its page and its first words, and taken only if every word that was
//! read to form it is what the guest has there now. Physical and virtual addresses do not matter: the code is moved to
//! where it is wanted.
//!
//! The file holds code that this program made for this host, and is trusted like the program: whoever opens it sees to it
//! that nobody else can write it. Damage is another matter: what fails its checksum is not there.
//!
//! Several processes may have the file open at once; each finds what was in it when it opened it, and what it has added
//! itself. Left out: making room. A file that is full takes no more; whoever opens it may begin another.

mod file;
mod record;
#[cfg(test)]
mod tests;

use std::arch::x86_64::{__cpuid_count, CpuidResult};
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::mpsc::{self, SyncSender, TrySendError};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use rustc_hash::{FxHashMap, FxHasher};

use super::optimizations::Optimizations;
use crate::ir::Context;
use file::{Batch, Blocks, Segments};
pub use record::Words;
pub(super) use record::{Facts, Record};

/// Most bytes of a file.
pub const MOST_BYTES: u64 = 512 << 20;

/// What is added goes to the file in segments of about so many bytes.
const BATCH: usize = 1 << 19;
/// Segments that may wait to be written.
const MOST_BATCHES: usize = 8;

/// Units that are alike as far as a [`Key`] goes.
const MOST_ALIKE: u32 = 4;

/// By what a unit is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(u32);

impl Key {
    /// Of code at an address; `word` gives the words of its page by their offsets.
    pub(super) fn new(context: &Context, va: u64, word: impl Fn(u16) -> u32) -> Self {
        let start = va as u16 & 0xfff;
        let mut hasher = FxHasher::default();
        hasher.write_u32(context.bits());
        hasher.write_u16(start);
        (start..0x1000).step_by(4).take(FIRST_WORDS).for_each(|offset| hasher.write_u32(word(offset)));
        Self((hasher.finish() >> 32) as u32)
    }

    /// The `n`th of those that are alike.
    fn nth(self, n: u32) -> u32 {
        self.0.wrapping_add(n.wrapping_mul(0x9e37_79b9))
    }
}

/// Words of a unit, or behind it, that its key depends on.
const FIRST_WORDS: usize = 4;

/// Number for what translates: this program, with those optimisations, for this host.
///
/// # Errors
/// The host does not say what file the program is.
pub fn maker(optimizations: Optimizations) -> io::Result<u64> {
    let program = std::fs::metadata("/proc/self/exe")?;
    let file = [program.dev(), program.ino(), program.size(), program.mtime() as u64, program.mtime_nsec() as u64];
    let cpu = [0, 1, 7].map(|leaf| {
        let CpuidResult { eax, ebx, ecx, edx } = __cpuid_count(leaf, 0);
        // What says on which CPU of the host it was asked, and what the operating system turns on and off, aside.
        if leaf == 1 { [eax, 0, ecx & !(1 << 27), edx] } else { [eax, ebx, ecx, edx] }
    });
    let mut hasher = FxHasher::default();
    (optimizations.bits(), file, cpu).hash(&mut hasher);
    Ok(hasher.finish())
}

/// A file of translations.
#[derive(Debug)]
pub struct Store {
    known: Arc<Mutex<Known>>,
    /// Records for the file, and who writes them.
    writer: Option<(SyncSender<Batch>, JoinHandle<()>)>,
}

/// What can be found.
#[derive(Debug)]
struct Known {
    blocks: Blocks,
    /// Where records are, by their keys: there are many, so it is small.
    index: FxHashMap<u32, Place>,
    /// What has been added lately.
    batch: Batch,
}

/// Where a record begins in the file, in units of [`ALIGNMENT`](file::ALIGNMENT).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place(u32);

impl Place {
    /// On its way to the file.
    const COMING: Self = Self(u32::MAX);

    fn at(offset: u64) -> Self {
        Self((offset / file::ALIGNMENT) as u32)
    }

    fn offset(self) -> u64 {
        u64::from(self.0) * file::ALIGNMENT
    }
}

impl Store {
    /// Of a file that can be read and written; an empty one, or one that is not for `maker`, is begun. `maker` says which
    /// program translates for which host.
    ///
    /// # Errors
    /// The host's refusal to read or write the file, or to start a thread.
    pub fn open(file: File, maker: u64) -> io::Result<Self> {
        let mut index = FxHashMap::default();
        let blocks = Blocks::new(file.try_clone()?);
        let mut segments = Segments::open(file, maker, |key, at| {
            index.insert(key, Place::at(at));
        })?;
        let known = Arc::new(Mutex::new(Known { blocks, index, batch: Batch::default() }));
        let (sender, batches) = mpsc::sync_channel(MOST_BATCHES);
        let shared = Arc::clone(&known);
        let write = move || batches.iter().for_each(|mut batch| write(&mut segments, &shared, &mut batch));
        let thread = thread::Builder::new().name("translations".into()).spawn(write)?;
        Ok(Self { known, writer: Some((sender, thread)) })
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("nobody panics while looking up")
    }

    /// Reads the `n`th record of a key; false if there are no more. One that is damaged or on its way reads as nothing.
    pub(super) fn read(&self, key: Key, n: u32, into: &mut Vec<u8>) -> bool {
        into.clear();
        if n >= MOST_ALIKE {
            return false;
        }
        let mut known = self.lock();
        let Known { blocks, index, .. } = &mut *known;
        match index.get(&key.nth(n)) {
            None => return false,
            Some(&Place::COMING) => {}
            Some(place) => blocks.read_record(place.offset(), into),
        }
        true
    }

    /// Adds a record, unless there are too many that are alike.
    pub(super) fn add(&self, key: Key, record: &Record<'_>) {
        let mut known = self.lock();
        let Known { index, batch, .. } = &mut *known;
        let Some(key) = (0..MOST_ALIKE).map(|n| key.nth(n)).find(|key| !index.contains_key(key)) else { return };
        batch.add(key, |records| record.write(records));
        index.insert(key, Place::COMING);
        if batch.len() >= BATCH
            && let Some((writer, _)) = &self.writer
            && let Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) =
                writer.try_send(std::mem::take(batch))
        {
            // They are translated again, and come back.
            known.forget(&batch);
        }
    }
}

impl Known {
    fn forget(&mut self, batch: &Batch) {
        batch.entries().for_each(|(key, _)| {
            self.index.remove(&key);
        });
    }
}

/// Adds a batch to the file.
fn write(segments: &mut Segments, known: &Mutex<Known>, batch: &mut Batch) {
    let added = segments.append(batch);
    let mut known = known.lock().expect("nobody panics while looking up");
    match added {
        Ok(start) => {
            for (key, at) in batch.entries() {
                known.index.insert(key, Place::at(start + at));
            }
        }
        Err(why) => {
            tracing::debug!("translations are not kept: {why}");
            known.forget(batch);
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let batch = std::mem::take(&mut self.lock().batch);
        if let Some((writer, thread)) = self.writer.take() {
            if !batch.is_empty() {
                writer.send(batch).expect("the thread ends when there is no sender");
            }
            drop(writer);
            thread.join().expect("the writer does not panic");
        }
    }
}
