//! Where a phone with a name is found: a socket in a folder of this user's.

use std::fmt;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;

/// A phone's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let good = (1..=48).contains(&text.len()) && text.chars().all(fits) && !text.starts_with(['.', '-']);
        if good {
            Ok(Self(text.into()))
        } else {
            Err("a name has up to 48 letters, digits, dots, dashes and underscores")
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a phone has no place, or is not found.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// The folder.
    #[error("{0} is not a folder of this user alone (remove it)")]
    Folder(PathBuf),
    /// The host's refusal.
    #[error("{0}: {1}")]
    Host(PathBuf, io::Error),
    /// No phone of that name.
    #[error("no phone is called {0} ({1})")]
    NoSuch(Name, String),
    /// None at all.
    #[error("no phone with a name runs (start one: handset run --name NAME)")]
    Nobody,
    /// Too many.
    #[error("several phones run (say which by --phone: {0})")]
    Several(String),
}

const ENDING: &str = ".qmp";

/// The folder: `$XDG_RUNTIME_DIR/handset`, else `/tmp/handset-UID`.
fn folder() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR").filter(|folder| !folder.is_empty()) {
        Some(folder) => PathBuf::from(folder).join("handset"),
        None => PathBuf::from(format!("/tmp/handset-{}", rustix::process::geteuid().as_raw())),
    }
}

/// The socket of a phone that is called so, in a folder that is made.
pub fn socket(name: &Name) -> Result<PathBuf, PlaceError> {
    let folder = folder();
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(why) if why.kind() != io::ErrorKind::AlreadyExists => return Err(PlaceError::Host(folder, why)),
        _ => {}
    }
    let data = fs::symlink_metadata(&folder).map_err(|why| PlaceError::Host(folder.clone(), why))?;
    if !data.is_dir() || data.uid() != rustix::process::geteuid().as_raw() || data.mode() & 0o077 != 0 {
        return Err(PlaceError::Folder(folder));
    }
    Ok(folder.join(format!("{name}{ENDING}")))
}

/// Whether a phone of that name answers.
pub fn is_there(name: &Name) -> bool {
    UnixStream::connect(folder().join(format!("{name}{ENDING}"))).is_ok()
}

/// Phones that answer, by their names.
pub fn all() -> Vec<(Name, UnixStream)> {
    let files = fs::read_dir(folder()).into_iter().flatten().flatten();
    let named = files.filter_map(|file| {
        let name: Name = file.file_name().to_str()?.strip_suffix(ENDING)?.parse().ok()?;
        Some((name, UnixStream::connect(file.path()).ok()?))
    });
    let mut all: Vec<_> = named.collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    all
}

/// The phone of a name, or the only one.
pub fn find(name: Option<&Name>) -> Result<UnixStream, PlaceError> {
    let mut all = all();
    let names = || all.iter().map(|(name, _)| name.to_string()).collect::<Vec<_>>().join(", ");
    match name {
        Some(name) => match all.iter().position(|(other, _)| other == name) {
            Some(n) => Ok(all.swap_remove(n).1),
            None if all.is_empty() => Err(PlaceError::NoSuch(name.clone(), "none with a name runs".into())),
            None => Err(PlaceError::NoSuch(name.clone(), format!("there is {}", names()))),
        },
        None if all.len() > 1 => Err(PlaceError::Several(names())),
        None => all.pop().map(|(_, stream)| stream).ok_or(PlaceError::Nobody),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_nowhere_else() {
        for good in ["a", "phone-1", "Pixel_7.x"] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", ".hidden", "-x", "a/b", "a b", "é", &"x".repeat(49)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }
}
