//! Snapshots: a phone that was saved, and phones that go on from there.
//!
//! | file | what |
//! |---|---|
//! | `file` | the file: its format, writing and reading it |
//! | this file | what is in it, and where it is |
//!
//! A snapshot has the machine, its RAM, what `snapshot` disks have changed, and the words of the command line that made the
//! phone. Disks themselves are not in it: those that the guest only reads, or whose changes are temporary, must be there
//! unchanged.

mod file;

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use devices::bus::{GuestRam, RamError};
use emu::machine::{Handle, Machine, Saved};
use serde::{Deserialize, Serialize};

use crate::control::Name;
use crate::disk::{DriveSpec, Layer};

/// How a phone was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The words after `handset run`.
    pub words: Vec<String>,
    /// Where they were said.
    pub folder: PathBuf,
}

/// What is in a snapshot beside RAM and disks' changes.
#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    origin: Origin,
    machine: Saved,
    /// Of each disk, if it is a file: its bytes, and when it was last changed.
    disks: Vec<Stamp>,
}

/// By what a disk's file is known to be the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    bytes: u64,
    changed: i64,
}

impl Stamp {
    fn of(path: &Path) -> Result<Self> {
        let data = fs::metadata(path).with_context(|| path.display().to_string())?;
        Ok(Self { bytes: data.len(), changed: data.mtime() })
    }
}

/// A snapshot that was opened, and found whole.
#[derive(Debug)]
pub struct Snapshot {
    path: PathBuf,
    contents: Contents,
    file: file::Opened,
}

/// `$XDG_DATA_HOME/handset/snapshots`, else `~/.local/share/handset/snapshots`.
fn folder() -> Result<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = named("XDG_DATA_HOME").or_else(|| Some(named("HOME")?.join(".local/share")));
    let data = data.ok_or_else(|| anyhow!("no folder for snapshots: set XDG_DATA_HOME or HOME"))?;
    Ok(data.join("handset/snapshots"))
}

/// The file of a snapshot of that name.
fn place(name: &Name) -> Result<PathBuf> {
    Ok(folder()?.join(format!("{name}.snapshot")))
}

/// Saves a phone, which must be paused while `pause` is held and may go on when it is dropped; how long it stood still.
///
/// # Errors
/// One line.
pub fn save<P>(
    name: &Name,
    origin: Origin,
    machine: &Handle,
    disks: &[(DriveSpec, Option<Layer>)],
    pause: impl FnOnce() -> Option<P>,
) -> Result<Duration> {
    for (disk, layer) in disks {
        if !disk.read_only && layer.is_none() {
            bail!(
                "{}: the guest writes to it, and it would not stay as it is (give it as readonly or snapshot)",
                disk.file.display()
            );
        }
    }
    let stamps = disks.iter().map(|(disk, _)| Stamp::of(&disk.file)).collect::<Result<_>>()?;
    let place = place(name)?;
    let folder = place.parent().expect("a snapshot is in a folder");
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| folder.display().to_string())?;
    let wrong = || format!("{}: cannot be written", place.display());
    let mut writing = file::Writing::begin(folder, machine.ram().len()).with_context(wrong)?;
    let paused = pause().context("the phone ends")?;
    let begun = Instant::now();
    let saved = machine.save(|saved| {
        writing.ram(machine.ram())?;
        disks.iter().try_for_each(|(_, layer)| writing.layer(layer.as_ref()))?;
        Ok::<_, std::io::Error>(saved)
    });
    let saved = saved.context("the phone ends")?.with_context(wrong)?;
    let stood = begun.elapsed();
    drop(paused);
    writing.finish(&Contents { origin, machine: saved, disks: stamps }, &place).with_context(wrong)?;
    Ok(stood)
}

impl Snapshot {
    /// Opens the snapshot of that name and looks at every byte of it.
    ///
    /// # Errors
    /// One line that names the file, and where in it something is wrong.
    pub fn open(name: &Name) -> Result<Self> {
        let path = find(name)?;
        let (contents, file) = file::Opened::open(&path).with_context(|| path.display().to_string())?;
        Ok(Self { path, contents, file })
    }

    /// How the phone was made.
    pub fn origin(&self) -> &Origin {
        &self.contents.origin
    }

    /// Has a phone that was made alike, and is off, go on from there.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn restore(self, machine: &mut Machine, disks: &[(DriveSpec, Option<Layer>)]) -> Result<()> {
        let ram = machine.handle().ram().clone();
        self.fits(&ram, disks)?;
        let Self { path, contents, file } = self;
        let of_it = || path.display().to_string();
        fill(file, &ram, &layers(disks)).with_context(of_it)?;
        machine.restore(contents.machine).with_context(of_it)
    }

    /// Has a phone that was made alike, and is on, go on from there.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn load(self, machine: &Handle, disks: &[(DriveSpec, Option<Layer>)]) -> Result<()> {
        let ram = machine.ram().clone();
        self.fits(&ram, disks)?;
        let Self { path, contents, file } = self;
        let layers = layers(disks);
        let loaded = machine.load(contents.machine, move || fill(file, &ram, &layers));
        loaded.context("the phone ends")?.with_context(|| path.display().to_string())
    }

    /// Whether it is of a phone with such RAM and such disks, which hold what they held.
    fn fits(&self, ram: &GuestRam, disks: &[(DriveSpec, Option<Layer>)]) -> Result<()> {
        let Self { path, contents, file } = self;
        if disks.len() != contents.disks.len() || file.ram_bytes() != ram.len() {
            bail!("{}: is of another phone", path.display());
        }
        for ((disk, _), stamp) in disks.iter().zip(&contents.disks) {
            if Stamp::of(&disk.file)? != *stamp {
                bail!("{}: has changed since {} was saved", disk.file.display(), path.display());
            }
        }
        Ok(())
    }
}

fn layers(disks: &[(DriveSpec, Option<Layer>)]) -> Vec<Option<Layer>> {
    disks.iter().map(|(_, layer)| layer.clone()).collect()
}

/// Has RAM and what disks have changed be as they were saved.
fn fill(file: file::Opened, ram: &GuestRam, layers: &[Option<Layer>]) -> Result<(), RamError> {
    ram.map(file.file(), file.ram_at(), file.runs().iter().cloned())?;
    let held = Arc::clone(file.file());
    for (layer, clusters) in layers.iter().zip(file.into_layers()) {
        if let Some(layer) = layer {
            layer.restore(&held, clusters.into_iter());
        }
    }
    Ok(())
}

/// The file of a snapshot that is there.
///
/// # Errors
/// One line that says which there are.
pub fn find(name: &Name) -> Result<PathBuf> {
    let path = place(name)?;
    if !path.exists() {
        let there: Vec<String> = all()?.iter().map(ToString::to_string).collect();
        let there = if there.is_empty() { "there is none".into() } else { format!("there is {}", there.join(", ")) };
        bail!("there is no such snapshot ({there}; `handset ctl save` makes one)");
    }
    Ok(path)
}

/// The snapshots that there are.
pub fn all() -> Result<Vec<Name>> {
    let files = fs::read_dir(folder()?).into_iter().flatten().flatten();
    let mut names: Vec<Name> =
        files.filter_map(|file| file.file_name().to_str()?.strip_suffix(".snapshot")?.parse().ok()).collect();
    names.sort();
    Ok(names)
}
