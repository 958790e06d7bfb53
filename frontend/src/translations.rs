//! `--translations`: the file in which translated code is kept from one run to the next.
//!
//! Each program, host and choice of optimisations has a file of its own. All can be deleted at any time: what is not there
//! is translated again. They hold code that will run, so they are this user's alone.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result};
use emu::jit::{MOST_STORE_BYTES, Optimizations, Store, maker};

use crate::guest;

/// Files that are kept beside the one in use.
const OTHERS: usize = 2;

/// Where translations are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Translations {
    /// Nowhere.
    None,
    /// In this folder.
    Folder(PathBuf),
}

impl FromStr for Translations {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("write a folder, or none".into()),
            "none" => Ok(Self::None),
            folder => Ok(Self::Folder(folder.into())),
        }
    }
}

/// Opens the store that was asked for. Without a word about it there is one in the cache, if that can be.
///
/// # Errors
/// One line that names the option and the file.
pub fn open(asked: Option<&Translations>, optimizations: Optimizations) -> Result<Option<Store>> {
    match asked {
        Some(Translations::None) => Ok(None),
        Some(Translations::Folder(folder)) => {
            let store = open_in(folder, optimizations);
            store.map(Some).with_context(|| format!("--translations: cannot keep them in {}", folder.display()))
        }
        None => {
            let Some(folder) = guest::cache_folder().map(|cache| cache.join("translations")) else { return Ok(None) };
            let store = open_in(&folder, optimizations);
            Ok(store.inspect_err(|why| tracing::debug!("no translations in {}: {why}", folder.display())).ok())
        }
    }
}

fn open_in(folder: &Path, optimizations: Optimizations) -> io::Result<Store> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let maker = maker(optimizations)?;
    let path = folder.join(format!("{maker:016x}"));
    if fs::metadata(&path).is_ok_and(|data| data.len() >= MOST_STORE_BYTES / 8 * 7) {
        // Whoever has it open keeps it.
        fs::remove_file(&path)?;
    }
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&path)?;
    check(&file, &path)?;
    forget_old(folder, &path);
    Store::open(file, maker)
}

/// Code that somebody else could have written is not run.
fn check(file: &File, path: &Path) -> io::Result<()> {
    let data = file.metadata()?;
    if data.uid() == rustix::process::geteuid().as_raw() && data.mode() & 0o022 == 0 {
        return Ok(());
    }
    let why = format!("{} could be written by others (delete it)", path.display());
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

/// Deletes what other builds have left, but for the youngest.
fn forget_old(folder: &Path, mine: &Path) {
    let ours = |name: &OsString| name.len() == 16 && name.as_encoded_bytes().iter().all(u8::is_ascii_hexdigit);
    let files = fs::read_dir(folder).into_iter().flatten().flatten().filter(|entry| ours(&entry.file_name()));
    let mut others: Vec<_> = files
        .filter(|entry| entry.path() != mine)
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    others.sort();
    for (_, path) in others.iter().rev().skip(OTHERS) {
        // Next time, then.
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn all() -> Optimizations {
        Optimizations::all()
    }

    #[test]
    fn each_choice_of_optimisations_has_a_private_file() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("a/b");
        let asked = Translations::Folder(inside.clone());
        open(Some(&asked), all()).unwrap().unwrap();
        open(Some(&asked), all()).unwrap().unwrap();
        open(Some(&asked), Optimizations::empty()).unwrap().unwrap();
        let files: Vec<_> = fs::read_dir(&inside).unwrap().map(|entry| entry.unwrap().metadata().unwrap()).collect();
        assert_eq!(files.len(), 2);
        assert!(files.iter().all(|data| data.mode() & 0o777 == 0o600));
    }

    #[test]
    fn what_others_could_have_written_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let asked = Translations::Folder(folder.path().to_owned());
        drop(open(Some(&asked), all()).unwrap());
        let path = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let said = format!("{:#}", open(Some(&asked), all()).unwrap_err());
        let (folder, path) = (folder.path().display(), path.display());
        let wanted =
            format!("--translations: cannot keep them in {folder}: {path} could be written by others (delete it)");
        assert_eq!(said, wanted);
    }

    #[test]
    fn a_full_file_is_begun_anew_and_only_the_youngest_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let asked = Translations::Folder(folder.path().to_owned());
        drop(open(Some(&asked), all()).unwrap());
        let path = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        File::options().write(true).open(&path).unwrap().set_len(MOST_STORE_BYTES).unwrap();
        for n in 0..5 {
            fs::write(folder.path().join(format!("{n:016}")), "").unwrap();
        }
        fs::write(folder.path().join("somebody else's"), "").unwrap();
        drop(open(Some(&asked), all()).unwrap());
        assert!(fs::metadata(&path).unwrap().len() < 100);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1 + OTHERS + 1);
    }

    #[test]
    fn a_folder_that_cannot_be_is_named_with_the_option() {
        let asked = Translations::Folder("/dev/null/x".into());
        let said = format!("{:#}", open(Some(&asked), all()).unwrap_err());
        assert!(said.starts_with("--translations: cannot keep them in /dev/null/x: Not a directory"), "{said}");
    }
}
