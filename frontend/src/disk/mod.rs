//! Disk images on the host: what `--drive` names, opened as a [`BlockStore`].
//!
//! The format is always said, never guessed: a guest that owns a raw disk could write another format's header to it.
//! Whoever writes an image holds an exclusive lock (`flock`) on it, readers a shared one; other programs need not heed it.
//!
//! Left out: formats other than raw and qcow2, and images that grow while they are in use.

mod file;
mod overlay;
mod patient;
mod qcow2;
mod raw;
mod spec;

use std::path::{Path, PathBuf};

use devices::bus::BlockStore;

pub use overlay::{CLUSTER, Layer, Overlay};
pub use patient::Patient;
pub use qcow2::Qcow2;
pub use raw::Raw;
pub use spec::{DriveSpec, Format};

/// Why a disk image could not be opened; one line.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub struct DiskError {
    /// The image.
    pub path: PathBuf,
    /// What is the matter with it.
    pub why: Why,
}

/// What is the matter with a disk image.
#[derive(Debug, thiserror::Error)]
pub enum Why {
    /// No such file.
    #[error("there is no such disk image")]
    Missing,
    /// A directory.
    #[error("is a directory, not a disk image")]
    Directory,
    /// A pipe, a socket, a terminal.
    #[error("is neither a file nor a disk")]
    NotAFile,
    /// Not to be read.
    #[error("may not be read (permission denied)")]
    Unreadable,
    /// Not to be written.
    #[error("may not be written (permission denied); add readonly or snapshot")]
    Unwritable,
    /// Locked.
    #[error("is in use by another phone or another --drive; add readonly or snapshot to all of them to share it")]
    InUse,
    /// Of length zero.
    #[error("is empty")]
    Empty,
    /// No qcow2 header.
    #[error("is not a qcow2 image")]
    NotQcow2,
    /// Ends before its tables do.
    #[error("is truncated")]
    Truncated,
    /// Wants another file.
    #[error("names the backing file {0}; add backing=on to let it be read")]
    BackingOff(String),
    /// Wants another file and does not say of what format.
    #[error("names the backing file {0} without its format, which is not guessed (see qemu-img rebase -u -F)")]
    BackingFormat(String),
    /// Backing files without end.
    #[error("stands at the end of too many backing files")]
    BackingDepth,
    /// Something in the header that is not understood.
    #[error("is a damaged or unsupported qcow2 image: {0}")]
    Unsupported(String),
    /// Anything else.
    #[error("{0}")]
    Io(std::io::Error),
}

impl Why {
    fn at(self, path: &Path) -> DiskError {
        DiskError { path: path.into(), why: self }
    }
}

/// Opens the disk that a `--drive` option describes; with what `snapshot` keeps of it, if it does.
///
/// # Errors
/// One line that names the image.
pub fn open(spec: &DriveSpec) -> Result<(Box<dyn BlockStore>, Option<Layer>), DiskError> {
    let write = !spec.read_only && !spec.snapshot;
    let base: Box<dyn BlockStore> = match spec.format {
        Format::Raw => Box::new(Raw::open(&spec.file, write)?),
        Format::Qcow2 => Box::new(Qcow2::open(&spec.file, write, spec.backing)?),
    };
    let name = spec.file.display();
    if spec.read_only {
        return Ok((base, None));
    }
    if !spec.snapshot {
        return Ok((Box::new(Patient::new(base, name.to_string())), None));
    }
    let overlay = Overlay::new(base).map_err(|e| Why::Io(e).at(&spec.file))?;
    let layer = overlay.layer();
    let name = format!("{name} (what snapshot keeps in temporary files)");
    Ok((Box::new(Patient::new(Box::new(overlay), name)), Some(layer)))
}

#[cfg(test)]
mod tests;
