//! The folder outside the repository where fetched guests live. Its layout is in docs/guests.md.
//!
//! A guest is made in a temporary folder beside its place and renamed into it, so it is there whole or not at all.

use anyhow::{Context, Result, anyhow};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// The cache, held by this process alone while it lives.
pub struct Cache {
    root: PathBuf,
    _lock: File,
}

/// `$HANDSET_CACHE`, else `$XDG_CACHE_HOME/handset`, else `~/.cache/handset`.
pub fn root() -> Result<PathBuf> {
    let named = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let root = named("HANDSET_CACHE")
        .or_else(|| Some(named("XDG_CACHE_HOME")?.join("handset")))
        .or_else(|| Some(named("HOME")?.join(".cache/handset")))
        .ok_or_else(|| anyhow!("no cache folder: set HANDSET_CACHE or HOME"))?;
    std::path::absolute(&root).with_context(|| format!("resolve {}", root.display()))
}

impl Cache {
    /// Opens the cache, after another `xtask` that works in it has ended.
    pub fn open() -> Result<Self> {
        let root = root()?;
        fs::create_dir_all(root.join("guests")).with_context(|| format!("create {}", root.display()))?;
        let path = root.join("lock");
        let lock = File::create(&path).with_context(|| format!("create {}", path.display()))?;
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            eprintln!("  wait for another xtask that uses {} …", root.display());
            lock.lock().with_context(|| format!("lock {}", path.display()))?;
        }
        Ok(Self { root, _lock: lock })
    }

    /// Where apt keeps its lists and archives.
    pub fn apt(&self) -> PathBuf {
        self.root.join("apt")
    }

    /// Where a guest is, or will be.
    pub fn guest(&self, name: &str) -> PathBuf {
        self.root.join("guests").join(name)
    }

    /// Makes a guest by `build` in an empty folder and puts it in place of the one that was there.
    pub fn publish(&self, name: &str, build: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let (place, new, old) =
            (self.guest(name), self.guest(&format!(".{name}.new")), self.guest(&format!(".{name}.old")));
        for leftover in [&new, &old] {
            remove(leftover)?;
        }
        fs::create_dir(&new).with_context(|| format!("create {}", new.display()))?;
        build(&new)?;
        if place.exists() {
            fs::rename(&place, &old).with_context(|| format!("move {} away", place.display()))?;
        }
        fs::rename(&new, &place).with_context(|| format!("move {} into place", new.display()))?;
        remove(&old)
    }

    /// An empty folder for work on the way to a guest.
    pub fn scratch(&self, name: &str) -> Result<Scratch> {
        let dir = self.root.join("scratch").join(name);
        remove(&dir)?;
        fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        Ok(Scratch(dir))
    }
}

/// A folder that is removed in the end.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Its place.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.0) {
            eprintln!("warning: {error:#}");
        }
    }
}

fn remove(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("remove {}", dir.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cache in a folder of its own, named for the test.
    fn cache(test: &str) -> Cache {
        let root = std::env::temp_dir().join(format!("handset-cache-{test}-{}", std::process::id()));
        remove(&root).expect("a clean start");
        fs::create_dir_all(root.join("guests")).expect("a cache");
        let lock = File::create(root.join("lock")).expect("a lock");
        Cache { root, _lock: lock }
    }

    #[test]
    fn a_guest_that_fails_to_build_leaves_the_old_one_alone() {
        let cache = cache("keep");
        cache.publish("g", |dir| Ok(fs::write(dir.join("Image"), "one")?)).expect("the first");
        let failed = cache.publish("g", |dir| {
            fs::write(dir.join("Image"), "two")?;
            Err(anyhow!("no network"))
        });
        assert_eq!(failed.unwrap_err().to_string(), "no network");
        assert_eq!(fs::read_to_string(cache.guest("g").join("Image")).expect("the first"), "one");
        remove(&cache.root).expect("a clean end");
    }

    #[test]
    fn a_new_guest_replaces_the_old_one_whole() {
        let cache = cache("replace");
        cache.publish("g", |dir| Ok(fs::write(dir.join("disk.img"), "one")?)).expect("the first");
        cache.publish("g", |dir| Ok(fs::write(dir.join("Image"), "two")?)).expect("the second");
        assert!(!cache.guest("g").join("disk.img").exists());
        assert_eq!(fs::read_dir(cache.root.join("guests")).expect("the guests").count(), 1);
        remove(&cache.root).expect("a clean end");
    }
}
