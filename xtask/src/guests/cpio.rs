//! An initrd: a gzipped cpio archive in the `newc` format (Linux: Documentation/driver-api/early-userspace/
//! buffer-format.rst). All files belong to root. Left out: hard links and checksums, which no initrd needs.

use anyhow::{Context, Result};
use flate2::{Compression, write::GzEncoder};
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// An archive being written.
pub struct Archive<W: Write> {
    out: W,
    inode: u32,
}

impl<W: Write> Archive<W> {
    /// An archive that holds nothing yet.
    pub fn new(out: W) -> Self {
        Self { out, inode: 0 }
    }

    fn entry(&mut self, name: &[u8], mode: u32, device: (u32, u32), body: &[u8]) -> Result<()> {
        self.inode += 1;
        let links = if mode & DIRECTORY != 0 && mode & FILE == 0 { 2 } else { 1 };
        let size = u32::try_from(body.len()).context("a file of 4 GiB or more does not fit an initrd")?;
        let name_size = u32::try_from(name.len() + 1).context("a file name is too long")?;
        // inode, mode, uid, gid, links, mtime, size, device of the file, device that it is, name size, checksum
        let fields = [self.inode, mode, 0, 0, links, 0, size, 0, 0, device.0, device.1, name_size, 0]
            .map(|f| format!("{f:08X}"));
        let header = format!("070701{}", fields.concat());
        self.out.write_all(header.as_bytes())?;
        self.out.write_all(name)?;
        // The name ends in a zero, and header with name, like the body, fill up whole words.
        let pad = |length: usize| &[0_u8; 4][..(4 - length % 4) % 4];
        self.out.write_all(&[0])?;
        self.out.write_all(pad(header.len() + name.len() + 1))?;
        self.out.write_all(body)?;
        self.out.write_all(pad(body.len()))?;
        Ok(())
    }

    /// A folder.
    pub fn directory(&mut self, name: &str) -> Result<()> {
        self.entry(name.as_bytes(), DIRECTORY | 0o755, (0, 0), &[])
    }

    /// A file.
    pub fn file(&mut self, name: &str, permissions: u32, body: &[u8]) -> Result<()> {
        self.entry(name.as_bytes(), FILE | permissions, (0, 0), body)
    }

    /// A symbolic link.
    pub fn symlink(&mut self, name: &str, target: &str) -> Result<()> {
        self.entry(name.as_bytes(), SYMLINK | 0o777, (0, 0), target.as_bytes())
    }

    /// A character device.
    pub fn character_device(&mut self, name: &str, major: u32, minor: u32) -> Result<()> {
        self.entry(name.as_bytes(), CHARACTER_DEVICE | 0o600, (major, minor), &[])
    }

    /// Everything beneath a folder of the host, in the order of names, so that equal folders give equal archives.
    pub fn tree(&mut self, host: &Path, name: &str) -> Result<()> {
        self.directory(name)?;
        let read = || format!("read {}", host.display());
        let mut entries = fs::read_dir(host).with_context(read)?.collect::<Result<Vec<_>, _>>().with_context(read)?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let inner = format!("{name}/{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type().with_context(|| format!("look at {}", path.display()))?;
            if kind.is_dir() {
                self.tree(&path, &inner)?;
            } else if kind.is_symlink() {
                let target = fs::read_link(&path).with_context(|| format!("read {}", path.display()))?;
                self.entry(inner.as_bytes(), SYMLINK | 0o777, (0, 0), target.as_os_str().as_bytes())?;
            } else {
                let body = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
                let mode = fs::metadata(&path).with_context(|| format!("look at {}", path.display()))?.permissions();
                self.file(&inner, mode.mode() & 0o777, &body)?;
            }
        }
        Ok(())
    }

    /// Writes the end mark and gives back the output.
    pub fn finish(mut self) -> Result<W> {
        self.entry(b"TRAILER!!!", 0, (0, 0), &[])?;
        Ok(self.out)
    }
}

/// A gzipped archive of what `fill` puts in, without a time stamp.
pub fn gzipped(fill: impl FnOnce(&mut Archive<GzEncoder<Vec<u8>>>) -> Result<()>) -> Result<Vec<u8>> {
    let mut archive = Archive::new(GzEncoder::new(Vec::new(), Compression::new(6)));
    fill(&mut archive)?;
    archive.finish()?.finish().context("compress the initrd")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_the_bytes_that_the_format_states() {
        let mut archive = Archive::new(Vec::new());
        archive.file("init", 0o755, b"#!/x\n").expect("memory takes all bytes");
        let bytes = archive.finish().expect("memory takes all bytes");
        let header = "070701000000010000\
                      81ED000000000000000000000001000000000000000500000000000000000000000000000000\
                      0000000500000000";
        assert_eq!(&bytes[..110], header.replace(' ', "").as_bytes());
        assert_eq!(&bytes[110..116], b"init\0\0");
        assert_eq!(&bytes[116..124], b"#!/x\n\0\0\0");
        assert!(bytes[124..].starts_with(b"070701"));
        assert!(bytes[124..].windows(10).any(|w| w == b"TRAILER!!!"));
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn a_directory_has_two_links_and_a_device_its_numbers() {
        let mut archive = Archive::new(Vec::new());
        archive.directory("dev").expect("memory takes all bytes");
        archive.character_device("dev/console", 5, 1).expect("memory takes all bytes");
        let text = String::from_utf8(archive.finish().expect("memory takes all bytes")).expect("plain text");
        assert_eq!(&text[14..22], "000041ED");
        assert_eq!(&text[38..46], "00000002");
        let device = &text[116..];
        assert_eq!(&device[14..22], "00002180");
        assert_eq!(&device[78..94], "0000000500000001");
    }
}
