//! Memory for translated code: one buffer mapped twice, writable here and executable there; never both at one address.
#![allow(unsafe_code, reason = "maps memory, and writes code into it")]

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The buffer.
#[derive(Debug)]
pub struct CodeMemory {
    writable: *mut u8,
    executable: *mut u8,
    len: usize,
    used: usize,
    /// Bytes that the host was asked to have at hand.
    ready: usize,
}

/// The host is asked for so many bytes at once: a page fault for each page costs more.
const STEP: usize = 1 << 18;

// SAFETY: the mappings belong to this value alone; writers hold it by `&mut` but for patches, which are atomic.
unsafe impl Send for CodeMemory {}
// SAFETY: as above.
unsafe impl Sync for CodeMemory {}

impl CodeMemory {
    /// Reserves `len` bytes; the host keeps only the touched ones.
    ///
    /// # Errors
    /// The host's refusal.
    pub fn new(len: usize) -> std::io::Result<Self> {
        let check = |failed: bool| if failed { Err(std::io::Error::last_os_error()) } else { Ok(()) };
        // Nameless memory, since perf looks nowhere else for code that a map names.
        let (read, write, execute) = (libc::PROT_READ, libc::PROT_WRITE, libc::PROT_EXEC);
        // SAFETY: plain system calls, on mappings of ours; the results are checked.
        unsafe {
            let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
            let writable = libc::mmap(std::ptr::null_mut(), len, read | write, flags, -1, 0);
            check(writable == libc::MAP_FAILED)?;
            // Of no bytes of a shared mapping, this makes another mapping of the same memory.
            let executable = libc::mremap(writable, 0, len, libc::MREMAP_MAYMOVE);
            check(executable == libc::MAP_FAILED)?;
            check(libc::mprotect(executable, len, read | execute) != 0)?;
            Ok(Self { writable: writable.cast(), executable: executable.cast(), len, used: 0, ready: 0 })
        }
    }

    /// Address at which the next code will execute.
    pub fn next(&self) -> u64 {
        self.executable as u64 + self.used as u64
    }

    /// Bytes still free.
    pub fn room(&self) -> usize {
        self.len - self.used
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Appends code, which must fit, and aligns the next to 16 bytes; its executable address.
    pub fn push(&mut self, code: &[u8]) -> u64 {
        assert!(code.len() <= self.room(), "the caller makes room first");
        let start = self.next();
        if self.used + code.len() > self.ready {
            let step = (code.len().next_multiple_of(STEP)).min(self.len - self.ready);
            // SAFETY: within the mapping. A host that cannot do it faults the pages in one by one.
            unsafe { libc::madvise(self.writable.add(self.ready).cast(), step, libc::MADV_POPULATE_WRITE) };
            self.ready += step;
        }
        // SAFETY: the range is inside the writable mapping and not yet executed by anybody.
        unsafe { std::ptr::copy_nonoverlapping(code.as_ptr(), self.writable.add(self.used), code.len()) };
        self.used = (self.used + code.len()).next_multiple_of(16).min(self.len);
        start
    }

    /// Forgets all code behind the first `keep` bytes. Nothing of it may run any more.
    pub fn truncate(&mut self, keep: usize) {
        self.used = keep;
    }

    fn writable_at(&self, executable: u64, len: usize) -> *mut u8 {
        let offset = executable.wrapping_sub(self.executable as u64) as usize;
        assert!(offset <= self.used && len <= self.used - offset, "patches hit emitted code");
        // SAFETY: within the mapping.
        unsafe { self.writable.add(offset) }
    }

    /// Replaces four aligned bytes while the code may be running.
    pub fn patch32(&self, at: u64, value: u32) {
        let p = self.writable_at(at, 4).cast::<AtomicU32>();
        assert!(p.is_aligned(), "patched fields are aligned");
        // SAFETY: in bounds and aligned; other threads only execute it.
        unsafe { (*p).store(value, Ordering::SeqCst) };
    }

    /// Replaces eight aligned bytes while the code may be running.
    pub fn patch64(&self, at: u64, value: u64) {
        let p = self.writable_at(at, 8).cast::<AtomicU64>();
        assert!(p.is_aligned(), "patched fields are aligned");
        // SAFETY: as above.
        unsafe { (*p).store(value, Ordering::SeqCst) };
    }

    /// Reads four bytes of code.
    pub fn read32(&self, at: u64) -> u32 {
        let p = self.writable_at(at, 4).cast::<u32>();
        // SAFETY: in bounds.
        unsafe { p.read_unaligned() }
    }
}

impl Drop for CodeMemory {
    fn drop(&mut self) {
        // SAFETY: both mappings are this value's own, and nobody runs code of a dropped cache.
        unsafe {
            libc::munmap(self.writable.cast(), self.len);
            libc::munmap(self.executable.cast(), self.len);
        }
    }
}
