//! Guest memory: the only door to guest bytes.
//!
//! Devices read and write through [`GuestRam::memory`] (a `vm-memory` object, as `virtio-queue` wants it). Every such
//! write is seen by [`CodePages`], so that a device that overwrites translated code has it retranslated. The
//! translator alone takes [`GuestRam::host_base`].
#![allow(unsafe_code, reason = "the one place that turns guest memory into a host pointer")]

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

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

/// One bit for each page of RAM.
#[derive(Debug, Default)]
struct PageBits(Box<[AtomicU64]>);

impl PageBits {
    fn new(len: usize) -> Self {
        Self((0..len.div_ceil(64 << PAGE_SHIFT)).map(|_| AtomicU64::new(0)).collect())
    }

    /// Sets or clears the bit of the page at an offset; what it was. Pages beyond the end have none.
    fn put(&self, offset: usize, bit: bool) -> bool {
        let page = offset >> PAGE_SHIFT;
        let mask = 1 << (page % 64);
        self.0.get(page / 64).is_some_and(|word| {
            let before =
                if bit { word.fetch_or(mask, Ordering::SeqCst) } else { word.fetch_and(!mask, Ordering::SeqCst) };
            before & mask != 0
        })
    }

    fn get(&self, offset: usize) -> bool {
        let page = offset >> PAGE_SHIFT;
        self.0.get(page / 64).is_some_and(|word| word.load(Ordering::SeqCst) >> (page % 64) & 1 != 0)
    }
}

/// Stores into one page that holds code, after which they are no longer looked for: two for each doubleword of the page,
/// so that overwriting a page once does not get there.
const MOST_STORES: u32 = 1024;

/// Which RAM pages hold translated code, whose stores into them are noticed, and which of them a device has written.
///
/// Pages are named by their offset from the start of RAM.
#[derive(Debug, Default)]
pub struct CodePages {
    code: PageBits,
    /// May have been given out for stores that nobody notices.
    writable: PageBits,
    /// Mixes code and stores: only the guest's cache maintenance and devices' writes count.
    unnoticed: PageBits,
    /// Stores noticed in pages that hold code.
    stores: Mutex<HashMap<u64, u32>>,
    written: PageBits,
    any_written: AtomicBool,
}

impl CodePages {
    fn new(len: usize) -> Self {
        let bits = || PageBits::new(len);
        Self { code: bits(), writable: bits(), unnoticed: bits(), written: bits(), ..Self::default() }
    }

    /// Marks a page as one that holds translated code; whether somebody may have been allowed to store into it unnoticed
    /// ([`CodePages::allow_stores`]), from whom this is to be taken.
    #[must_use]
    pub fn mark(&self, offset: u64) -> bool {
        self.code.put(offset as usize, true);
        !self.unnoticed.get(offset as usize) && self.writable.put(offset as usize, false)
    }

    /// The page holds no translated code any more.
    pub fn unmark(&self, offset: u64) {
        if self.code.put(offset as usize, false) {
            self.unnoticed.put(offset as usize, false);
            self.stores().remove(&(offset >> PAGE_SHIFT));
        }
    }

    /// Whether the page at this offset from the start of RAM holds translated code.
    #[must_use]
    pub fn is_code(&self, offset: u64) -> bool {
        self.code.get(offset as usize)
    }

    /// Asks for stores into a page that nobody notices; whether they are allowed.
    #[must_use]
    pub fn allow_stores(&self, offset: u64) -> bool {
        let allowed = || !self.is_code(offset) || self.unnoticed.get(offset as usize);
        // Who marks the page looks at `writable` after it has set `code`: either sees the other.
        allowed() && {
            if !self.writable.get(offset as usize) {
                self.writable.put(offset as usize, true);
            }
            allowed()
        }
    }

    /// A store into a page was noticed. True if it holds code for whose sake stores are looked for; with the last of so
    /// many, that ends.
    #[must_use]
    pub fn notice_store(&self, offset: u64) -> bool {
        if !self.is_code(offset) || self.unnoticed.get(offset as usize) {
            return false;
        }
        let mut stores = self.stores();
        let count = stores.entry(offset >> PAGE_SHIFT).or_default();
        *count += 1;
        if *count == MOST_STORES {
            self.unnoticed.put(offset as usize, true);
        }
        true
    }

    fn stores(&self) -> MutexGuard<'_, HashMap<u64, u32>> {
        self.stores.lock().expect("no holder of the counts panics")
    }

    fn mark_written(&self, offset: usize, len: usize) {
        if len == 0 {
            return;
        }
        for page in offset >> PAGE_SHIFT..=(offset + (len - 1)) >> PAGE_SHIFT {
            if self.code.get(page << PAGE_SHIFT) {
                self.written.put(page << PAGE_SHIFT, true);
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
        for (index, word) in self.written.0.iter().enumerate() {
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

/// The guest's RAM: one contiguous region of zero pages, of which the host keeps only the touched ones (or, where it
/// can, touched pieces of 2 MiB: that saves it page faults, and translated code misses of the host's TLB).
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
        // SAFETY: the range is the whole mapping, which is nobody else's. Large pages are a wish: a refusal changes nothing.
        unsafe { libc::madvise(region.as_ptr().cast(), len as usize, libc::MADV_HUGEPAGE) };
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

    /// Has RAM hold what a file holds from `offset` (a multiple of 4 KiB) on in some `runs`, which are multiples of 4 KiB
    /// counted from there, and zeros elsewhere. The host reads pages when they are first needed, and what is written stays
    /// here. Nobody may shorten the file meanwhile: accesses to what is gone would end the process.
    ///
    /// # Errors
    /// [`RamError::Reserve`] when the host refuses.
    pub fn map(
        &self,
        file: &std::fs::File,
        offset: u64,
        runs: impl IntoIterator<Item = Range<u64>>,
    ) -> Result<(), RamError> {
        use std::os::fd::AsRawFd;

        self.replace(0..self.len, libc::MAP_ANONYMOUS, -1, 0)?;
        runs.into_iter().try_for_each(|run| {
            let at = offset + run.start;
            self.replace(run, 0, file.as_raw_fd(), at)
        })
    }

    /// Has pages of RAM be new ones.
    fn replace(&self, pages: Range<u64>, flags: libc::c_int, file: libc::c_int, offset: u64) -> Result<(), RamError> {
        let len = pages.end.saturating_sub(pages.start);
        assert!(pages.end <= self.len && pages.start.is_multiple_of(4096), "what is replaced is RAM");
        let flags = flags | libc::MAP_PRIVATE | libc::MAP_FIXED | libc::MAP_NORESERVE;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: this replaces pages of this value's own mapping, as asserted, and nothing else; whoever has their address
        // finds memory there before and after.
        let mapped = unsafe {
            let at = self.host_base().add(pages.start as usize).cast();
            libc::mmap(at, len as usize, protection, flags, file, offset as libc::off_t)
        };
        if mapped == libc::MAP_FAILED {
            let why = std::io::Error::last_os_error().to_string();
            return Err(RamError::Reserve { bytes: len, why });
        }
        Ok(())
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
        assert!(!ram.code_pages().mark(0x3000));
        ram.write(Pa(0x4000_1000), &[1; 0x1000]).unwrap();
        assert!(!ram.code_pages().any_written());
        ram.write(Pa(0x4000_2ffc), &[1; 8]).unwrap();
        assert!(ram.code_pages().any_written());
        assert_eq!(ram.code_pages().take_written(), [0x3000]);
        assert_eq!(ram.code_pages().take_written(), [0u64; 0]);
    }

    #[test]
    fn who_could_store_into_a_page_is_asked_back_once_it_holds_code() {
        let pages = CodePages::new(1 << 20);
        assert!(pages.allow_stores(0x5000));
        assert!(pages.mark(0x5000));
        assert!(!pages.allow_stores(0x5008));
        assert!(!pages.mark(0x5000), "nobody is left to be asked");
        assert!(pages.allow_stores(0x6000), "the next page is another matter");
        pages.unmark(0x5000);
        assert!(pages.allow_stores(0x5000));
    }

    #[test]
    fn stores_are_no_longer_noticed_in_a_page_that_mixes_them_with_code() {
        let pages = CodePages::new(1 << 20);
        assert!(!pages.notice_store(0x5000), "it holds no code");
        let _ = pages.mark(0x5000);
        assert!((0..MOST_STORES).all(|_| pages.notice_store(0x5000) && pages.is_code(0x5000)));
        assert!(!pages.notice_store(0x5000));
        assert!(pages.allow_stores(0x5000) && !pages.mark(0x5000));
        // A new life.
        pages.unmark(0x5000);
        let _ = pages.mark(0x5000);
        assert!(pages.notice_store(0x5000) && !pages.allow_stores(0x5000));
    }

    #[test]
    fn ranges_past_the_end_are_not_ram() {
        let ram = GuestRam::new(Pa(0x4000_0000), 1 << 20).unwrap();
        assert!(ram.write(Pa(0x400f_fffc), &[0; 8]).is_err());
        assert!(ram.read(Pa(u64::MAX - 3), &mut [0; 8]).is_err());
        assert_eq!(ram.offset(Pa(0x400f_fff8), 8), Some(0xf_fff8));
    }
}
