//! Guest memory: the only door to guest bytes.
//!
//! Devices read and write through [`GuestRam::memory`] (a `vm-memory` object, as `virtio-queue` wants it). Every such
//! write is seen by [`CodePages`], so that a device that overwrites translated code has it retranslated. The
//! translator alone takes [`GuestRam::host_base`].
#![allow(unsafe_code, reason = "the one place that turns guest memory into a host pointer")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use vm_memory::bitmap::{Bitmap, BitmapSlice, NewBitmap, WithBitmapSlice};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap, GuestMemoryRegion, GuestRegionMmap, MmapRegion};

/// A physical address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct Pa(pub u64);

impl std::fmt::LowerHex for Pa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

const PAGE_SHIFT: usize = 12;

/// Which RAM pages hold translated code, and which of those a device has written since.
#[derive(Debug, Default)]
pub struct CodePages {
    code: Box<[AtomicU64]>,
    written: Box<[AtomicU64]>,
    any_written: AtomicBool,
}

impl CodePages {
    fn new(len: usize) -> Self {
        let words = len.div_ceil(64 << PAGE_SHIFT);
        let zeros = || (0..words).map(|_| AtomicU64::new(0)).collect();
        Self { code: zeros(), written: zeros(), any_written: AtomicBool::new(false) }
    }

    /// Marks or unmarks a page, named by its offset from the start of RAM, as one that holds translated code.
    pub fn set_code(&self, offset: u64, is_code: bool) {
        let page = offset as usize >> PAGE_SHIFT;
        let Some(word) = self.code.get(page / 64) else { return };
        if is_code {
            word.fetch_or(1 << (page % 64), Ordering::SeqCst);
        } else {
            word.fetch_and(!(1 << (page % 64)), Ordering::SeqCst);
        }
    }

    /// Whether the page at this offset from the start of RAM holds translated code.
    #[must_use]
    pub fn is_code(&self, offset: u64) -> bool {
        let page = offset as usize >> PAGE_SHIFT;
        self.code.get(page / 64).is_some_and(|w| w.load(Ordering::Relaxed) >> (page % 64) & 1 != 0)
    }

    fn mark_written(&self, offset: usize, len: usize) {
        if len == 0 {
            return;
        }
        for page in offset >> PAGE_SHIFT..=(offset + (len - 1)) >> PAGE_SHIFT {
            let (word, bit) = (page / 64, 1 << (page % 64));
            if self.code.get(word).is_some_and(|w| w.load(Ordering::Relaxed) & bit != 0) {
                self.written[word].fetch_or(bit, Ordering::SeqCst);
                self.any_written.store(true, Ordering::SeqCst);
            }
        }
    }

    /// Whether [`CodePages::take_written`] would yield anything.
    #[must_use]
    pub fn any_written(&self) -> bool {
        self.any_written.load(Ordering::Relaxed)
    }

    /// The offsets of the code pages that devices have written since the last call.
    pub fn take_written(&self) -> Vec<u64> {
        self.any_written.store(false, Ordering::SeqCst);
        let mut pages = Vec::new();
        for (index, word) in self.written.iter().enumerate() {
            let mut bits = word.swap(0, Ordering::SeqCst);
            while bits != 0 {
                pages.push(((index * 64 + bits.trailing_zeros() as usize) << PAGE_SHIFT) as u64);
                bits &= bits - 1;
            }
        }
        pages
    }
}

/// The `vm-memory` bitmap that reports device writes to [`CodePages`].
#[derive(Debug, Clone, Default)]
pub struct CodeTracker {
    pages: Arc<CodePages>,
    base: usize,
}

impl WithBitmapSlice<'_> for CodeTracker {
    type S = Self;
}
impl BitmapSlice for CodeTracker {}
impl NewBitmap for CodeTracker {
    fn with_len(len: usize) -> Self {
        Self { pages: Arc::new(CodePages::new(len)), base: 0 }
    }
}
impl Bitmap for CodeTracker {
    fn mark_dirty(&self, offset: usize, len: usize) {
        self.pages.mark_written(self.base + offset, len);
    }
    fn dirty_at(&self, _: usize) -> bool {
        false
    }
    fn slice_at(&self, offset: usize) -> Self {
        Self { pages: Arc::clone(&self.pages), base: self.base + offset }
    }
}

/// What goes wrong with guest memory.
#[derive(Debug, thiserror::Error)]
pub enum RamError {
    /// The host has not that much memory.
    #[error("cannot reserve {bytes} bytes of memory for the guest: {why}")]
    Reserve {
        /// Asked for.
        bytes: u64,
        /// The host's reason.
        why: String,
    },
    /// Not (wholly) RAM.
    #[error("0x{0:x} + {1} bytes is not RAM")]
    NotRam(Pa, u64),
}

/// The guest's RAM: one contiguous region of zero pages, of which the host keeps only the touched ones.
#[derive(Debug, Clone)]
pub struct GuestRam {
    memory: GuestMemoryMmap<CodeTracker>,
    pages: Arc<CodePages>,
    base: Pa,
    len: u64,
    host: usize,
}

impl GuestRam {
    /// Reserves `len` bytes (a multiple of 4 KiB) at physical address `base`.
    ///
    /// # Errors
    /// [`RamError::Reserve`] when the host refuses.
    pub fn new(base: Pa, len: u64) -> Result<Self, RamError> {
        let refuse = |why: String| RamError::Reserve { bytes: len, why };
        let region: MmapRegion<CodeTracker> = MmapRegion::new(len as usize).map_err(|e| refuse(e.to_string()))?;
        let host = region.as_ptr() as usize;
        let region =
            GuestRegionMmap::new(region, GuestAddress(base.0)).ok_or_else(|| refuse("address overflow".into()))?;
        let pages = Arc::clone(&GuestMemoryRegion::bitmap(&region).pages);
        let memory = GuestMemoryMmap::from_regions(vec![region]).map_err(|e| refuse(e.to_string()))?;
        Ok(Self { memory, pages, base, len, host })
    }

    /// First physical address.
    #[must_use]
    pub fn base(&self) -> Pa {
        self.base
    }

    /// Size in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The memory as rust-vmm crates take it.
    #[must_use]
    pub fn memory(&self) -> &GuestMemoryMmap<CodeTracker> {
        &self.memory
    }

    /// Which pages hold translated code.
    #[must_use]
    pub fn code_pages(&self) -> &CodePages {
        &self.pages
    }

    /// The offset of `pa` from the start of RAM, when all `len` bytes from there are RAM.
    #[must_use]
    pub fn offset(&self, pa: Pa, len: u64) -> Option<u64> {
        let offset = pa.0.checked_sub(self.base.0)?;
        (offset <= self.len && len <= self.len - offset).then_some(offset)
    }

    /// Host address of the first byte; stays mapped as long as this value or a clone of it lives.
    #[must_use]
    pub fn host_base(&self) -> *mut u8 {
        self.host as *mut u8
    }

    /// Fills `buf` from `pa`.
    ///
    /// # Errors
    /// [`RamError::NotRam`] when the range is not wholly RAM; `buf` is then unspecified.
    pub fn read(&self, pa: Pa, buf: &mut [u8]) -> Result<(), RamError> {
        self.memory.read_slice(buf, GuestAddress(pa.0)).map_err(|_| RamError::NotRam(pa, buf.len() as u64))
    }

    /// Writes `buf` at `pa`.
    ///
    /// # Errors
    /// [`RamError::NotRam`] when the range is not wholly RAM; nothing is then written.
    pub fn write(&self, pa: Pa, buf: &[u8]) -> Result<(), RamError> {
        self.offset(pa, buf.len() as u64).ok_or(RamError::NotRam(pa, buf.len() as u64))?;
        self.memory.write_slice(buf, GuestAddress(pa.0)).map_err(|_| RamError::NotRam(pa, buf.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_write_to_a_code_page_is_reported_once() {
        let ram = GuestRam::new(Pa(0x4000_0000), 1 << 20).unwrap();
        ram.code_pages().set_code(0x3000, true);
        ram.write(Pa(0x4000_1000), &[1; 0x1000]).unwrap();
        assert!(!ram.code_pages().any_written());
        ram.write(Pa(0x4000_2ffc), &[1; 8]).unwrap();
        assert!(ram.code_pages().any_written());
        assert_eq!(ram.code_pages().take_written(), [0x3000]);
        assert_eq!(ram.code_pages().take_written(), [0u64; 0]);
    }

    #[test]
    fn ranges_past_the_end_are_not_ram() {
        let ram = GuestRam::new(Pa(0x4000_0000), 1 << 20).unwrap();
        assert!(ram.write(Pa(0x400f_fffc), &[0; 8]).is_err());
        assert!(ram.read(Pa(u64::MAX - 3), &mut [0; 8]).is_err());
        assert_eq!(ram.offset(Pa(0x400f_fff8), 8), Some(0xf_fff8));
    }
}
