//! A qcow2 image, by the crate `imago` (specification: QEMU's docs/interop/qcow2.rst).
//!
//! Before `imago` opens an image, its header is read here to settle which other files it would want: backing files are
//! opened only when that was allowed and the image says their format; external data files never.
//!
//! Left out, and refused: encryption, external data files, dirty or corrupt images (`qemu-img check -r all` mends them).

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use devices::bus::{BlockError, BlockStore};
use imago::file::File as ImageFile;
use imago::{DenyImplicitOpenGate, FormatAccess, FormatDriverBuilder, StorageOpenOptions};

use super::spec::Format;
use super::{DiskError, Why, file};

type Access = FormatAccess<ImageFile>;

const MAX_BACKING_DEPTH: usize = 16;

/// A qcow2 image. What `imago` has not written yet it writes when it is dropped.
pub struct Qcow2 {
    image: Access,
    write: bool,
}

/// What a header says of the backing file.
#[derive(Debug, Default, PartialEq, Eq)]
struct Header {
    backing: Option<String>,
    backing_format: Option<String>,
}

const MAGIC: u32 = 0x5146_49fb;
const BACKING_FORMAT: u32 = 0xe279_2aca;
const V2_HEADER_LEN: u64 = 72;
/// As QEMU has it.
const MAX_REFCOUNT_TABLE: u64 = 8 << 20;

fn be32(bytes: &[u8], at: usize) -> Result<u32, Why> {
    let field = bytes.get(at..).and_then(|b| b.first_chunk()).ok_or(Why::Truncated)?;
    Ok(u32::from_be_bytes(*field))
}

impl Header {
    /// Reads the header from the first cluster, or what the file has of it.
    fn parse(bytes: &[u8]) -> Result<Self, Why> {
        if be32(bytes, 0).map_err(|_| Why::NotQcow2)? != MAGIC {
            return Err(Why::NotQcow2);
        }
        let version = be32(bytes, 4)?;
        let header_len = match version {
            2 => V2_HEADER_LEN,
            3 => u64::from(be32(bytes, 100)?),
            _ => return Err(Why::Unsupported(format!("version {version}"))),
        };
        let name_at = u64::from(be32(bytes, 8)?) << 32 | u64::from(be32(bytes, 12)?);
        let name_len = u64::from(be32(bytes, 16)?);
        if name_at == 0 || name_len == 0 {
            return Ok(Self::default());
        }
        let part = |at: u64, len: u64| {
            let (at, len) = (usize::try_from(at).ok()?, usize::try_from(len).ok()?);
            bytes.get(at..at.checked_add(len)?)
        };
        let text = |bytes: &[u8]| {
            String::from_utf8(bytes.into()).map_err(|_| Why::Unsupported("a name that is not UTF-8".into()))
        };
        let mut header =
            Self { backing: Some(text(part(name_at, name_len).ok_or(Why::Truncated)?)?), backing_format: None };
        let mut at = header_len;
        while at < name_at {
            let (kind, len) = (be32(bytes, at as usize)?, u64::from(be32(bytes, at as usize + 4)?));
            if kind == 0 {
                break;
            }
            let data = part(at + 8, len).ok_or(Why::Truncated)?;
            if kind == BACKING_FORMAT {
                header.backing_format = Some(text(data)?);
            }
            at += 8 + len.next_multiple_of(8);
        }
        Ok(header)
    }

    fn read(file: &File, len: u64) -> Result<Self, Why> {
        let mut start = [0; 24];
        let start = &mut start[..len.min(24) as usize];
        file.read_exact_at(start, 0).map_err(Why::Io)?;
        if be32(start, 0).map_err(|_| Why::NotQcow2)? != MAGIC {
            return Err(Why::NotQcow2);
        }
        let cluster_bits = be32(start, 20)?;
        if !(9..=21).contains(&cluster_bits) {
            return Err(Why::Unsupported(format!("clusters of 2^{cluster_bits} bytes")));
        }
        let mut cluster = vec![0; len.min(1 << cluster_bits) as usize];
        file.read_exact_at(&mut cluster, 0).map_err(Why::Io)?;
        Self::parse(&cluster)
    }
}

/// Checks that the refcount table of an image to be written is whole: one without its first blocks makes `imago`
/// allocate without end.
fn check_refcounts(file: &File, len: u64) -> Result<(), Why> {
    let mut header = [0; V2_HEADER_LEN as usize];
    file.read_exact_at(&mut header, 0).map_err(refused)?;
    let cluster = 1u64 << be32(&header, 20)?.min(21);
    let at = u64::from(be32(&header, 48)?) << 32 | u64::from(be32(&header, 52)?);
    let size = u64::from(be32(&header, 56)?) * cluster;
    if size > MAX_REFCOUNT_TABLE || at.checked_add(size).is_none_or(|end| end > len) {
        return Err(Why::Unsupported("its refcount table is too large or not in the file".into()));
    }
    let mut table = vec![0; size as usize];
    file.read_exact_at(&mut table, at).map_err(refused)?;
    let entries: Vec<u64> = table.as_chunks().0.iter().map(|&entry| u64::from_be_bytes(entry)).collect();
    let used = entries.iter().rposition(|&entry| entry != 0).map_or(0, |last| last + 1);
    let sound = |&block: &u64| block != 0 && block.is_multiple_of(cluster) && block < len;
    if used == 0 || !entries[..used].iter().all(sound) {
        return Err(Why::Unsupported("its refcount table has holes (see qemu-img check -r all)".into()));
    }
    Ok(())
}

fn refused(e: io::Error) -> Why {
    match e.kind() {
        io::ErrorKind::UnexpectedEof => Why::Truncated,
        _ => Why::Unsupported(e.to_string().replace('\n', " ")),
    }
}

fn storage(file: File, path: &Path, write: bool) -> io::Result<ImageFile> {
    ImageFile::from_open_file(file, StorageOpenOptions::new().filename(path).write(write))
}

fn open_raw(path: &Path) -> Result<Access, DiskError> {
    let (file, _) = file::open(path, false)?;
    let image = storage(file, path, false)
        .and_then(|s| imago::raw::Raw::builder(s).write(false).open(DenyImplicitOpenGate::default()))
        .map_err(|e| Why::Io(e).at(path))?;
    Ok(Access::new(image))
}

fn open_qcow2(path: &Path, write: bool, backing: bool, depth: usize) -> Result<Access, DiskError> {
    if depth > MAX_BACKING_DEPTH {
        return Err(Why::BackingDepth.at(path));
    }
    let (file, len) = file::open(path, write)?;
    let header = Header::read(&file, len).map_err(|why| why.at(path))?;
    if write {
        check_refcounts(&file, len).map_err(|why| why.at(path))?;
    }
    let below = match (header.backing, header.backing_format.as_deref()) {
        (None, _) => None,
        (Some(name), _) if !backing => return Err(Why::BackingOff(name).at(path)),
        (Some(name), format) => {
            let at = path.parent().map_or_else(|| PathBuf::from(&name), |dir| dir.join(&name));
            let format = match format {
                Some("raw") => Format::Raw,
                Some("qcow2") => Format::Qcow2,
                _ => return Err(Why::BackingFormat(name).at(path)),
            };
            Some(match format {
                Format::Raw => open_raw(&at)?,
                Format::Qcow2 => open_qcow2(&at, false, backing, depth + 1)?,
            })
        }
    };
    let image = storage(file, path, write)
        .and_then(|s| {
            let builder = imago::qcow2::Qcow2::<ImageFile>::builder(s).backing(below).write(write);
            builder.open(DenyImplicitOpenGate::default())
        })
        .map_err(|e| refused(e).at(path))?;
    Ok(Access::new(image))
}

impl Qcow2 {
    /// Opens and locks an image, and with `backing` also the images that it names below it, for reading.
    ///
    /// # Errors
    /// One line that names the image.
    pub fn open(path: &Path, write: bool, backing: bool) -> Result<Self, DiskError> {
        Ok(Self { image: open_qcow2(path, write, backing, 0)?, write })
    }

    fn check(&self, offset: u64, len: u64, write: bool) -> Result<(), BlockError> {
        if write && !self.write {
            return Err(BlockError::ReadOnly);
        }
        match offset.checked_add(len) {
            Some(end) if end <= self.image.size() => Ok(()),
            _ => Err(BlockError::OutOfRange { offset, len }),
        }
    }
}

impl BlockStore for Qcow2 {
    fn len(&self) -> u64 {
        self.image.size()
    }

    fn read_only(&self) -> bool {
        !self.write
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        self.check(offset, buf.len() as u64, false)?;
        Ok(self.image.read(buf, offset)?)
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), BlockError> {
        self.check(offset, buf.len() as u64, true)?;
        Ok(self.image.write(buf, offset)?)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        if self.write {
            self.image.flush()?;
            self.image.sync()?;
        }
        Ok(())
    }

    fn discard(&mut self, offset: u64, len: u64) -> Result<(), BlockError> {
        self.check(offset, len, true)?;
        match self.image.discard_to_zero(offset, len) {
            Err(e) if e.kind() == io::ErrorKind::Unsupported => Ok(()),
            result => Ok(result?),
        }
    }

    fn write_zeroes(&mut self, offset: u64, len: u64) -> Result<(), BlockError> {
        self.check(offset, len, true)?;
        match self.image.write_zeroes(offset, len) {
            // Version 2 images cannot say that a cluster is zeros.
            Err(e) if e.kind() == io::ErrorKind::Unsupported => {
                let zeros = vec![0; len.min(1 << 20) as usize];
                let mut done = 0;
                while done < len {
                    let piece = (len - done).min(zeros.len() as u64);
                    self.image.write(&zeros[..piece as usize], offset + done)?;
                    done += piece;
                }
                Ok(())
            }
            result => Ok(result?),
        }
    }
}
