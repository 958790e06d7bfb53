//! Files that are there whole, or not at all.

use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Writes a file under another name, and gives it its own when it is whole; what was there stays until then.
///
/// # Errors
/// The host's.
pub fn write<T>(file: &Path, with: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<T>) -> io::Result<T> {
    let mut new = tempfile::Builder::new().prefix(".handset-").tempfile_in(folder(file))?;
    let mut buffer = BufWriter::new(new.as_file_mut());
    let done = with(&mut buffer)?;
    buffer.flush()?;
    drop(buffer);
    new.as_file().set_permissions(Permissions::from_mode(0o644))?;
    new.persist(file)?;
    Ok(done)
}

/// Where a file is.
pub fn folder(file: &Path) -> &Path {
    file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
