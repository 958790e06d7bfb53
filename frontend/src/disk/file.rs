//! Opening an image file: what it is, whether it may be used, and its lock.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Seek, SeekFrom};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use super::{DiskError, Why};

/// Opens and locks an image; yields its length too.
pub fn open(path: &Path, write: bool) -> Result<(File, u64), DiskError> {
    let io = |e: std::io::Error| {
        match e.kind() {
            ErrorKind::NotFound => Why::Missing,
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem if write => Why::Unwritable,
            ErrorKind::PermissionDenied => Why::Unreadable,
            _ => Why::Io(e),
        }
        .at(path)
    };
    let kind = std::fs::metadata(path).map_err(io)?.file_type();
    if kind.is_dir() {
        return Err(Why::Directory.at(path));
    }
    if !kind.is_file() && !kind.is_block_device() {
        return Err(Why::NotAFile.at(path));
    }
    let mut file = OpenOptions::new().read(true).write(write).open(path).map_err(io)?;
    let locked = if write { file.try_lock() } else { file.try_lock_shared() };
    match locked {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(Why::InUse.at(path)),
        // Some network file systems have no locks.
        Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Unsupported => {
            tracing::warn!("{}: its file system has no locks; do not give it to two phones", path.display());
        }
        Err(TryLockError::Error(e)) => return Err(io(e)),
    }
    let len = file.seek(SeekFrom::End(0)).map_err(io)?;
    if len == 0 {
        return Err(Why::Empty.at(path));
    }
    Ok((file, len))
}
