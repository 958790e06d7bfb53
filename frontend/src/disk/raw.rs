//! A raw image: the disk's bytes, in a file or a host's disk.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use devices::bus::{BlockError, BlockStore};
use rustix::fs::{FallocateFlags, fallocate};

use super::{DiskError, file};

/// A raw image.
#[derive(Debug)]
pub struct Raw {
    file: File,
    len: u64,
    write: bool,
}

impl Raw {
    /// Opens and locks an image.
    ///
    /// # Errors
    /// One line that names the image.
    pub fn open(path: &Path, write: bool) -> Result<Self, DiskError> {
        let (file, len) = file::open(path, write)?;
        Ok(Self { file, len, write })
    }

    fn check(&self, offset: u64, len: u64, write: bool) -> Result<(), BlockError> {
        if write && !self.write {
            return Err(BlockError::ReadOnly);
        }
        match offset.checked_add(len) {
            Some(end) if end <= self.len => Ok(()),
            _ => Err(BlockError::OutOfRange { offset, len }),
        }
    }
}

/// Makes a hole that reads as zeros; `false` where the file system has none.
pub fn punch_hole(file: &File, offset: u64, len: u64) -> std::io::Result<bool> {
    if len == 0 {
        return Ok(true);
    }
    match fallocate(file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, len) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS | rustix::io::Errno::NODEV) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

impl BlockStore for Raw {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_only(&self) -> bool {
        !self.write
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        self.check(offset, buf.len() as u64, false)?;
        Ok(self.file.read_exact_at(buf, offset)?)
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), BlockError> {
        self.check(offset, buf.len() as u64, true)?;
        Ok(self.file.write_all_at(buf, offset)?)
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        if self.write {
            self.file.sync_data()?;
        }
        Ok(())
    }

    fn discard(&mut self, offset: u64, len: u64) -> Result<(), BlockError> {
        self.check(offset, len, true)?;
        punch_hole(&self.file, offset, len)?;
        Ok(())
    }

    fn write_zeroes(&mut self, offset: u64, len: u64) -> Result<(), BlockError> {
        self.check(offset, len, true)?;
        if !punch_hole(&self.file, offset, len)? {
            let zeros = vec![0; len.min(1 << 20) as usize];
            let mut done = 0;
            while done < len {
                let piece = (len - done).min(zeros.len() as u64);
                self.file.write_all_at(&zeros[..piece as usize], offset + done)?;
                done += piece;
            }
        }
        Ok(())
    }
}
