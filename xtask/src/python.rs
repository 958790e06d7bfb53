//! Python programs that the tests drive Handset with: real clients of its protocols, from PyPI, in an environment of their own
//! in the cache.

use crate::{cache, progress};
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// What is installed, by its exact version.
const PACKAGES: &[&str] = &["qemu.qmp==0.0.6", "vncdotool==1.4.2"];

/// The environment's folder, with everything in it.
pub fn environment() -> Result<PathBuf> {
    // Nobody else makes it meanwhile.
    let _cache = cache::Cache::open()?;
    let folder = cache::root()?.join("python");
    let (marker, wanted) = (folder.join("packages"), PACKAGES.join("\n"));
    if fs::read_to_string(&marker).is_ok_and(|have| have == wanted) {
        return Ok(folder);
    }
    // Debian's own, since another that comes first may go away.
    let python =
        ["/usr/bin/python3", "python3"].into_iter().find(|python| Command::new(python).arg("-V").output().is_ok());
    let python = python.context("there is no python3")?;
    progress::run("make a Python environment", Command::new(python).args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES);
    progress::run(&format!("install {} from PyPI", PACKAGES.join(" ")), &mut pip)?;
    fs::write(&marker, wanted).with_context(|| format!("write {}", marker.display()))?;
    Ok(folder)
}
