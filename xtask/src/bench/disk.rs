//! The disk that brings programs and commands into the guest: a tar archive, unpacked from the block device.

use super::work;
use crate::progress;
use crate::workspace;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const GUEST: &str = include_str!("guest.sh");

/// Makes the disk, in a folder for what is built.
pub fn make(folder: &Path) -> Result<PathBuf> {
    let content = folder.join("work");
    if content.exists() {
        fs::remove_dir_all(&content).with_context(|| format!("remove {}", content.display()))?;
    }
    fs::create_dir_all(&content).with_context(|| format!("create {}", content.display()))?;
    let put = |name: &str, text: &[u8]| {
        let place = content.join(name);
        fs::write(&place, text).with_context(|| format!("write {}", place.display()))
    };
    put("guest.sh", GUEST.as_bytes())?;
    for (number, work) in work::ALL.iter().enumerate() {
        for (part, text) in [("before", work.before), ("run", work.run), ("after", work.after)] {
            put(&format!("{number}.{part}"), format!("{text}\n").as_bytes())?;
        }
    }
    let programs = workspace().join("tests/bench");
    for entry in fs::read_dir(&programs).with_context(|| format!("read {}", programs.display()))? {
        let entry = entry.with_context(|| format!("read {}", programs.display()))?;
        let bytes = fs::read(entry.path()).with_context(|| format!("read {}", entry.path().display()))?;
        put(&entry.file_name().to_string_lossy(), &bytes)?;
    }
    let disk = folder.join("work.tar");
    let mut tar = Command::new("tar");
    tar.arg("--create").arg("--file").arg(&disk).arg("--directory").arg(&content).arg(".");
    progress::output("pack the programs", &mut tar)?;
    Ok(disk)
}
