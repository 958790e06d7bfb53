//! Guests by name, from the cache that `cargo xtask guests` fills (its layout is in docs/guests.md).
//!
//! What stands in the cache is only read: a guest's disk is opened as a snapshot, so that the cache holds what was
//! fetched and nothing that a user could lose.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A guest in the cache.
#[derive(Debug)]
pub struct Guest {
    /// For people.
    pub title: String,
    /// RAM that it runs well in.
    pub memory: Option<u64>,
    /// The kernel.
    pub kernel: PathBuf,
    /// Its initial RAM disk.
    pub initrd: Option<PathBuf>,
    /// Its command line.
    pub cmdline: String,
    /// A raw root disk.
    pub disk: Option<PathBuf>,
}

/// `guest.toml`, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Description {
    title: String,
    memory: Option<String>,
}

/// Why a named guest cannot be booted.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// No folder for caches.
    #[error("--guest {0}: there is no folder for the cache (set HANDSET_CACHE or HOME)")]
    NoCache(String),
    /// None of this name.
    #[error("--guest {name}: there is no such guest in {}; {there} (`cargo xtask run --guest NAME` fetches one)", folder.display())]
    Unknown {
        /// Asked for.
        name: String,
        /// Where guests are.
        folder: PathBuf,
        /// What there is.
        there: String,
    },
    /// Something in its folder is not as it should be.
    #[error("{}: {why} (`cargo xtask guests --refresh {name}` fetches the guest anew)", file.display())]
    Broken {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
        /// The guest.
        name: String,
    },
}

/// The folder for what can be had again, if there is a place for it.
pub fn cache_folder() -> Option<PathBuf> {
    cache(|name| std::env::var_os(name).map(PathBuf::from))
}

/// `$HANDSET_CACHE`, else `$XDG_CACHE_HOME/handset`, else `~/.cache/handset`.
fn cache(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let named = |name: &str| variable(name).filter(|path| !path.as_os_str().is_empty());
    named("HANDSET_CACHE")
        .or_else(|| Some(named("XDG_CACHE_HOME")?.join("handset")))
        .or_else(|| Some(named("HOME")?.join(".cache/handset")))
}

/// Finds a guest by its name.
///
/// # Errors
/// [`GuestError`]
pub fn find(name: &str) -> Result<Guest, GuestError> {
    let cache = cache_folder().ok_or_else(|| GuestError::NoCache(name.into()))?;
    find_in(&cache.join("guests"), name)
}

fn find_in(folder: &Path, name: &str) -> Result<Guest, GuestError> {
    let names = names(folder);
    if !names.iter().any(|there| there == name) {
        let there = if names.is_empty() { "there are none".into() } else { format!("there are: {}", names.join(", ")) };
        return Err(GuestError::Unknown { name: name.into(), folder: folder.into(), there });
    }
    let place = folder.join(name);
    let broken = |file: PathBuf, why: String| GuestError::Broken { file, why, name: name.into() };
    let read = |file: &str| {
        let path = place.join(file);
        std::fs::read_to_string(&path).map_err(|why| broken(path, why.to_string()))
    };
    let description = place.join("guest.toml");
    let Description { title, memory } =
        toml::from_str(&read("guest.toml")?).map_err(|why| broken(description.clone(), why.message().to_owned()))?;
    let memory = memory.map(|text| crate::cli::memory(&text)).transpose();
    let optional = |file: &str| Some(place.join(file)).filter(|path| path.exists());
    Ok(Guest {
        title,
        memory: memory.map_err(|why| broken(description, format!("memory: {why}")))?,
        kernel: place.join("Image"),
        initrd: optional("initrd.gz"),
        cmdline: read("cmdline")?.trim_end().to_owned(),
        disk: optional("disk.img"),
    })
}

/// The names of all guests in the cache.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter(|entry| entry.path().join("guest.toml").exists());
    let mut names: Vec<String> = names.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("toy");
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("guest.toml"), "title = \"A toy\"\nmemory = \"512M\"\n[packages]\n\"a\" = \"1\"\n")
            .unwrap();
        std::fs::write(place.join("cmdline"), "console=ttyAMA0 quiet\n").unwrap();
        std::fs::write(place.join("Image"), "").unwrap();
        std::fs::create_dir_all(folder.path().join(".toy.new")).unwrap();
        std::fs::write(folder.path().join(".toy.new/guest.toml"), "").unwrap();
        folder
    }

    #[test]
    fn a_guest_is_what_its_folder_says() {
        let folder = folder();
        let guest = find_in(folder.path(), "toy").unwrap();
        assert_eq!((guest.title.as_str(), guest.memory), ("A toy", Some(512 << 20)));
        assert_eq!(guest.cmdline, "console=ttyAMA0 quiet");
        assert_eq!((guest.initrd, guest.disk), (None, None));
    }

    #[test]
    fn an_unknown_guest_is_told_what_there_is() {
        let folder = folder();
        for name in ["tou", "..", ".toy.new", "toy/"] {
            let line = find_in(folder.path(), name).unwrap_err().to_string();
            assert!(line.contains(name) && line.contains("there are: toy (`cargo xtask run"), "{line}");
        }
        let none = find_in(&folder.path().join("none"), "toy").unwrap_err().to_string();
        assert!(none.contains("there are none"), "{none}");
    }

    #[test]
    fn a_broken_description_is_one_line_that_names_the_file() {
        let folder = folder();
        std::fs::write(folder.path().join("toy/guest.toml"), "title = [\n").unwrap();
        let line = find_in(folder.path(), "toy").unwrap_err().to_string();
        assert!(line.contains("guest.toml: ") && !line.contains('\n'), "{line}");
    }

    #[test]
    fn the_cache_is_where_the_environment_says() {
        let with = |set: &[(&str, &str)]| {
            cache(|name| set.iter().find(|(n, _)| *n == name).map(|(_, value)| PathBuf::from(value)))
        };
        assert_eq!(with(&[("HANDSET_CACHE", "/a"), ("HOME", "/h")]), Some("/a".into()));
        assert_eq!(with(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]), Some("/x/handset".into()));
        assert_eq!(with(&[("HANDSET_CACHE", ""), ("HOME", "/h")]), Some("/h/.cache/handset".into()));
        assert_eq!(with(&[]), None);
    }
}
