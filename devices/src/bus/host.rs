//! What devices ask of the host. The front end implements these; tests use the small ones here.

use std::sync::{Arc, Mutex};

/// Bytes out of the guest, such as a UART's.
pub trait ByteSink: Send {
    /// Takes the bytes; may drop them, never blocks for long.
    fn put(&mut self, bytes: &[u8]);
}

/// Drops bytes.
#[derive(Debug, Default)]
pub struct NullSink;

impl ByteSink for NullSink {
    fn put(&mut self, _: &[u8]) {}
}

impl ByteSink for Arc<Mutex<Vec<u8>>> {
    fn put(&mut self, bytes: &[u8]) {
        self.lock().expect("no user of the buffer panics").extend_from_slice(bytes);
    }
}

/// A failed block request; the guest sees an I/O error.
#[derive(Debug, thiserror::Error)]
pub enum BlockError {
    /// The host's file did not do it.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Past the end.
    #[error("offset {offset} + {len} is past the end of the disk")]
    OutOfRange {
        /// Byte offset.
        offset: u64,
        /// Byte count.
        len: u64,
    },
    /// The store is read-only.
    #[error("the disk is read-only")]
    ReadOnly,
}

/// A disk image. Offsets and lengths are in bytes.
pub trait BlockStore: Send {
    /// Size in bytes.
    fn len(&self) -> u64;
    /// Whether it holds nothing.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Whether writes are refused.
    fn read_only(&self) -> bool {
        false
    }
    /// Fills `buf` from `offset`.
    ///
    /// # Errors
    /// See [`BlockError`].
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError>;
    /// Writes `buf` at `offset`.
    ///
    /// # Errors
    /// See [`BlockError`].
    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), BlockError>;
    /// All written before is on stable storage when this returns.
    ///
    /// # Errors
    /// See [`BlockError`].
    fn flush(&mut self) -> Result<(), BlockError>;
    /// The range's content is no longer needed; it may read as zeros or as before.
    ///
    /// # Errors
    /// See [`BlockError`].
    fn discard(&mut self, offset: u64, len: u64) -> Result<(), BlockError>;
    /// The range reads as zeros from now on.
    ///
    /// # Errors
    /// See [`BlockError`].
    fn write_zeroes(&mut self, offset: u64, len: u64) -> Result<(), BlockError>;
}

/// A disk in memory.
#[derive(Debug, Default)]
pub struct MemoryStore(pub Vec<u8>);

impl MemoryStore {
    fn range(&self, offset: u64, len: u64) -> Result<std::ops::Range<usize>, BlockError> {
        let end = offset.checked_add(len).filter(|&end| end <= self.0.len() as u64);
        end.map(|end| offset as usize..end as usize).ok_or(BlockError::OutOfRange { offset, len })
    }
}

impl BlockStore for MemoryStore {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        let range = self.range(offset, buf.len() as u64)?;
        buf.copy_from_slice(&self.0[range]);
        Ok(())
    }
    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), BlockError> {
        let range = self.range(offset, buf.len() as u64)?;
        self.0[range].copy_from_slice(buf);
        Ok(())
    }
    fn flush(&mut self) -> Result<(), BlockError> {
        Ok(())
    }
    fn discard(&mut self, offset: u64, len: u64) -> Result<(), BlockError> {
        self.range(offset, len).map(|_| ())
    }
    fn write_zeroes(&mut self, offset: u64, len: u64) -> Result<(), BlockError> {
        let range = self.range(offset, len)?;
        self.0[range].fill(0);
        Ok(())
    }
}

/// The far end of a network card: whole Ethernet frames, without FCS.
pub trait NetPort: Send {
    /// A frame from the guest; may be dropped, never blocks.
    fn send(&mut self, frame: &[u8]);
    /// The next frame for the guest into `buf` (its length is returned), if one waits.
    fn receive(&mut self, buf: &mut [u8]) -> Option<usize>;
}

/// A rectangle in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Rect {
    /// Left.
    pub x: u32,
    /// Top.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// A view of a scanout's pixels: 32 bits each, bytes B, G, R, X, rows `stride` bytes apart.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Bytes from a row to the next.
    pub stride: usize,
    /// At least `stride * (height - 1) + 4 * width` bytes.
    pub bgrx: &'a [u8],
}

/// A pointer image that the host draws over a scanout; 64×64 pixels of B, G, R, A.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Position of the hot spot.
    pub x: u32,
    /// Position of the hot spot.
    pub y: u32,
    /// Hot spot in the image.
    pub hot_x: u32,
    /// Hot spot in the image.
    pub hot_y: u32,
    /// 64 * 64 * 4 bytes, or empty when hidden.
    pub bgra: Vec<u8>,
}

/// A screen. Implementations copy what they need and return quickly.
pub trait FrameSink: Send {
    /// The pixels inside `damage` have changed.
    fn present(&mut self, scanout: usize, frame: Frame<'_>, damage: Rect);
    /// The scanout shows nothing from now on.
    fn disable(&mut self, scanout: usize);
    /// The pointer has changed or moved.
    fn cursor(&mut self, scanout: usize, cursor: &Cursor);
}

impl FrameSink for NullSink {
    fn present(&mut self, _: usize, _: Frame<'_>, _: Rect) {}
    fn disable(&mut self, _: usize) {}
    fn cursor(&mut self, _: usize, _: &Cursor) {}
}

/// The time of day outside.
pub trait WallClock: Send {
    /// Seconds since 1970-01-01 UTC.
    fn unix_seconds(&self) -> u64;
}
