//! `--profile`: the files in which perf finds the names and the code of what was translated.
//!
//! They stay when the phone has ended, since that is when they are read.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use emu::jit::Profile;

/// Where perf looks for maps, wherever the dump is.
pub const MAPS: &str = "/tmp";

/// Begins a profile of this process, with its dump in a folder.
///
/// # Errors
/// One line that names the option and the file.
pub fn begin(folder: &Path) -> Result<Profile> {
    let pid = std::process::id();
    let dump = std::path::absolute(folder).context("--profile")?.join(format!("jit-{pid}.dump"));
    let file = create(&dump)?;
    let map = create(&Path::new(MAPS).join(format!("perf-{pid}.map")))?;
    Profile::new(map, file).with_context(|| {
        format!("--profile: cannot map {} as code, by which perf finds it (is it on a noexec mount?)", dump.display())
    })
}

/// A new file for this user alone, since perf trusts no other's; not one that somebody else has put there.
fn create(path: &Path) -> Result<File> {
    let create = || {
        // An earlier process may have had this number.
        match std::fs::remove_file(path) {
            Err(why) if why.kind() != ErrorKind::NotFound => return Err(why),
            _ => {}
        }
        OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)
    };
    create().with_context(|| format!("--profile: cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_is_new_and_private_whatever_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let (mine, other) = (folder.path().join("mine"), folder.path().join("other"));
        std::fs::write(&other, "precious").unwrap();
        symlink(&other, &mine).unwrap();
        drop(create(&mine).unwrap());
        let there = mine.symlink_metadata().unwrap();
        assert!(there.is_file());
        assert_eq!((there.permissions().mode() & 0o777, there.len()), (0o600, 0));
        assert_eq!(std::fs::read(&other).unwrap(), b"precious");
    }

    #[test]
    fn a_folder_that_is_not_there_is_named_with_the_option() {
        let said = begin(Path::new("/nowhere/at/all")).unwrap_err().to_string();
        let start = format!("--profile: cannot write /nowhere/at/all/jit-{}.dump", std::process::id());
        assert_eq!(said, start);
    }
}
