//! Translated code that a vCPU has met: where jumps lead that the jump tables of a context do not hold.
//!
//! An entry names a virtual address, the identity of the page there and the context, so that it is right whichever
//! address space is current: nothing but the end of all code invalidates it. It may name dropped code, whose entry leads on.
#![allow(unsafe_code, reason = "allocates zeros, so that the host gives memory only for what is used")]

/// Entries: a power of two.
const ENTRIES: usize = 1 << 16;

#[derive(Debug, Clone, Copy)]
struct Entry {
    va: u64,
    host: u64,
    /// Zero is no page's.
    identity: u32,
    flavour: u32,
}

/// The table.
#[derive(Debug)]
pub struct Met(Box<[Entry]>);

impl Default for Met {
    fn default() -> Self {
        // SAFETY: an entry is of integers only, for which zeros are values.
        Self(unsafe { Box::new_zeroed_slice(ENTRIES).assume_init() })
    }
}

fn slot(va: u64, identity: u32) -> usize {
    let mixed = (va >> 2) ^ u64::from(identity.wrapping_mul(0x9e37_79b1) >> 16);
    mixed as usize % ENTRIES
}

impl Met {
    /// Host address of the code for `va` in a page of this identity, translated for this flavour of context.
    #[must_use]
    pub fn find(&self, va: u64, identity: u32, flavour: u32) -> Option<u64> {
        let entry = &self.0[slot(va, identity)];
        let same = entry.va == va && entry.identity == identity && entry.flavour == flavour;
        same.then_some(entry.host)
    }

    /// Remembers where that code is.
    pub fn add(&mut self, va: u64, identity: u32, flavour: u32, host: u64) {
        self.0[slot(va, identity)] = Entry { va, host, identity, flavour };
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_is_found_by_its_address_page_and_context_only() {
        let mut met = Met::default();
        met.add(0x5000, 7, 3, 99);
        assert_eq!(met.find(0x5000, 7, 3), Some(99));
        assert_eq!(met.find(0x5000, 8, 3), None);
        assert_eq!(met.find(0x5000, 7, 4), None);
        assert_eq!(met.find(0x5004, 7, 3), None);
        met.clear();
        assert_eq!(met.find(0x5000, 7, 3), None);
    }
}
