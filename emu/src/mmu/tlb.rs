//! The software TLB that translated code probes.
//!
//! One [`Tables`] per *context*: an address space as one privilege sees it. EL0 has a pool of contexts keyed by ASID, so
//! that switching processes loads a pointer and flushes nothing; EL1 has two (PAN set, PAN clear) that hold global
//! pages and, until the ASID changes, a short list of others. A table is direct-mapped with 4 KiB pages; larger pages
//! are entered in 4 KiB pieces.

use super::met::Met;
use super::walk::Leaf;

/// Entries per table.
pub const ENTRIES: usize = 16384;

/// Jumps per table.
pub const JUMPS: usize = 1 << 16;

/// One entry: a 4 KiB page. A probe hits when the address xor the tag is below 4096.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(32))]
pub struct Entry {
    /// Page address, when it may be read from RAM without further ado.
    pub read: u64,
    /// Page address, when it may be written.
    pub write: u64,
    /// Host address minus virtual address.
    pub addend: u64,
    /// Physical page address, with [`Entry::DEVICE`] and others in the low bits.
    pub page: u64,
}

impl Entry {
    /// Not RAM, or Device memory.
    pub const DEVICE: u64 = 1;
    /// Holds for every ASID.
    pub const GLOBAL: u64 = 2;
    /// The page may be written although it holds translated code.
    pub const CODE: u64 = 4;
    /// In a tag of a page that is not RAM: the page is known, and accesses to it take the slow path. A bit of the slot,
    /// so that no address that indexes the entry can hit, and not the one of an empty entry.
    pub const SLOW: u64 = 2 << 12;

    /// An entry that no address that indexes slot `slot` can hit.
    const fn invalid(slot: usize) -> Self {
        let never = ((slot ^ 1) as u64) << 12;
        Self { read: never, write: never, addend: 0, page: 0 }
    }
}

/// The slot of an address.
#[must_use]
pub const fn slot(va: u64) -> usize {
    (va >> 12) as usize % ENTRIES
}

/// Where an indirect jump leads: translated code for a virtual address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C)]
pub struct Jump {
    /// Guest address.
    pub va: u64,
    /// Host address of its code.
    pub host: u64,
}

impl Jump {
    /// An odd address, to which nothing branches.
    const NONE: Self = Self { va: 1, host: 0 };
}

/// The jump slot of an address: neighbouring instructions have neighbouring slots.
#[must_use]
pub const fn jump_slot(va: u64) -> usize {
    (va >> 2) as usize % JUMPS
}

/// The bits of an address that choose its jump slot; four times them is how far the slot is into the table.
pub const JUMP_MASK: i32 = (JUMPS as i32 - 1) << 2;

const _: () = assert!(size_of::<Jump>() == 16);

/// A page of code that is mapped at a virtual address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodePage {
    /// A number for the virtual and the physical page together, not 0.
    pub identity: u32,
    /// Whether it is there under every ASID.
    pub global: bool,
}

/// What translated code probes, at fixed offsets.
#[derive(Debug)]
#[repr(C)]
pub struct Memory {
    /// Data pages, by [`slot`].
    pub entries: [Entry; ENTRIES],
    /// Identity of the code page that is mapped at an address, by [`slot`]; 0 is unknown. A page's jumps are entered only
    /// while its identity is.
    pub code: [u32; ENTRIES],
    /// Known jumps, by [`jump_slot`].
    pub jumps: [Jump; JUMPS],
}

impl Memory {
    /// One in which nothing is entered, made where it stays: it is large.
    #[allow(unsafe_code, reason = "allocates zeros")]
    fn new() -> Box<Self> {
        // SAFETY: it is of integers only, for which zeros are values.
        let mut memory = unsafe { Box::<Self>::new_zeroed().assume_init() };
        memory.jumps[0] = Jump::NONE;
        // Zeros are tags that no address which indexes their slot can hit, but for two slots.
        for slot in [0, slot(Entry::SLOW)] {
            memory.entries[slot] = Entry::invalid(slot);
        }
        memory
    }
}

/// Which groups of neighbouring slots of a table hold something.
#[derive(Debug, Clone, Copy, Default)]
struct Touched([u64; GROUPS / 64]);

/// Groups of a table.
const GROUPS: usize = 1024;

impl Touched {
    /// The slot `slot` of `slots` is about to be filled.
    fn add(&mut self, slot: usize, slots: usize) {
        let group = slot / (slots / GROUPS);
        self.0[group / 64] |= 1 << (group % 64);
    }

    /// The groups of a table that hold something, with the number of their first slot.
    fn groups<T>(self, table: &mut [T]) -> impl Iterator<Item = (usize, &mut [T])> {
        let len = table.len() / GROUPS;
        let groups = table.chunks_exact_mut(len).enumerate();
        groups.filter(move |(n, _)| self.0[n / 64] >> (n % 64) & 1 != 0).map(move |(n, group)| (n * len, group))
    }

    /// The same; from now on none does.
    fn take<'a, T>(&mut self, table: &'a mut [T]) -> impl Iterator<Item = (usize, &'a mut [T])> + use<'a, T> {
        std::mem::take(self).groups(table)
    }
}

/// The TLB of one context.
#[derive(Debug)]
pub struct Tables {
    memory: Box<Memory>,
    asid: Option<u16>,
    /// Slots that may hold entries of one ASID only, a bit each.
    private: [u64; ENTRIES / 64],
    /// Pieces of pages of up to 64 KiB are here.
    groups: bool,
    /// Slots of code pages that may hold for one ASID only, a bit each.
    private_code: [u64; ENTRIES / 64],
    /// A Bloom filter of the 2 MiB regions that hold pieces of larger pages, up to that size.
    regions: [u64; REGIONS / 64],
    /// First and last address of pages beyond 2 MiB that have pieces here.
    huge: Vec<(u64, u64)>,
    /// Number of the virtual page whose code is known, by [`slot`], as far as it fits.
    code_page: Box<[u32; ENTRIES]>,
    /// What the code that jumps lead to was translated for, beyond what the tables are for.
    flavour: u32,
    last_use: u64,
    used: bool,
    /// What of the entries and of the jumps is filled.
    touched_entries: Touched,
    touched_jumps: Touched,
    /// Changes whenever translations were taken away: what was looked up before is to be looked up again.
    pub generation: u64,
}

/// Pages beyond 2 MiB that are told apart.
const MOST_HUGE: usize = 64;
/// Bits of the filter of regions.
const REGIONS: usize = 4096;

/// The slots in a set that has a bit for each.
fn slots(set: [u64; ENTRIES / 64]) -> impl Iterator<Item = usize> {
    set.into_iter().enumerate().flat_map(|(word, mut bits)| {
        std::iter::from_fn(move || {
            let bit = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
            bits &= bits - 1;
            Some(64 * word + bit)
        })
    })
}

/// An address without the tag that it may have.
const fn untagged(va: u64) -> u64 {
    ((va << 8) as i64 >> 8) as u64
}

/// The word and bit of an address's region in the filter.
const fn region(va: u64) -> (usize, u64) {
    let n = (va >> 21) as usize % REGIONS;
    (n / 64, 1 << (n % 64))
}

impl Tables {
    fn new() -> Self {
        Self {
            memory: Memory::new(),
            asid: None,
            private: [0; ENTRIES / 64],
            groups: false,
            regions: [0; REGIONS / 64],
            private_code: [0; ENTRIES / 64],
            huge: Vec::new(),
            code_page: Box::new([0; ENTRIES]),
            flavour: 0,
            last_use: 0,
            used: false,
            touched_entries: Touched::default(),
            touched_jumps: Touched::default(),
            generation: 0,
        }
    }

    /// The entry of an address's slot.
    #[must_use]
    pub fn entry(&self, va: u64) -> &Entry {
        &self.memory.entries[slot(va)]
    }

    /// Whether an address's page is entered for such accesses, whether translated code may use it or not.
    #[must_use]
    pub fn knows(&self, va: u64, write: bool) -> bool {
        let entry = self.entry(va);
        let tag = if write { entry.write } else { entry.read };
        let page = va & !0xfff;
        tag == page || tag == page ^ Entry::SLOW
    }

    /// The host address of `bytes` bytes at `va`, if translated code's probe for them hits.
    #[must_use]
    pub fn probe(&self, va: u64, bytes: u64, write: bool) -> Option<u64> {
        let entry = self.entry(va);
        let tag = if write { entry.write } else { entry.read };
        (va ^ tag <= 4096 - bytes).then(|| va.wrapping_add(entry.addend))
    }

    /// What translated code is given; stays where it is as long as the tables live.
    pub fn memory(&mut self) -> *mut Memory {
        &raw mut *self.memory
    }

    /// The code page at `va` has this identity; `global` if for every ASID.
    pub fn set_code(&mut self, va: u64, page: CodePage) {
        let CodePage { identity: id, global } = page;
        if !global {
            self.private_code[slot(va) / 64] |= 1 << (slot(va) % 64);
        }
        if self.memory.code[slot(va)] != id {
            self.forget_jumps(slot(va));
            self.memory.code[slot(va)] = id;
            self.code_page[slot(va)] = (va >> 12) as u32;
            self.used = true;
        }
    }

    /// Jumps to `va` lead to `host`; the identity of its page is set.
    pub fn add_jump(&mut self, va: u64, host: u64) {
        self.touched_jumps.add(jump_slot(va), JUMPS);
        self.memory.jumps[jump_slot(va)] = Jump { va, host };
    }

    /// Jumps are to lead to code of this flavour (any number but 0 that stands for it): those to others are forgotten.
    pub fn set_flavour(&mut self, flavour: u32) {
        if std::mem::replace(&mut self.flavour, flavour) != flavour {
            self.forget_code();
        }
    }

    /// Where jumps to `va` lead, and the identity of its page, if that is known.
    #[must_use]
    pub fn jump(&self, va: u64) -> Option<(u64, u32)> {
        let jump = self.memory.jumps[jump_slot(va)];
        (jump.va == va).then(|| (jump.host, self.memory.code[slot(va)]))
    }

    /// Forgets all translated code.
    pub fn forget_code(&mut self) {
        self.memory.code.fill(0);
        for (_, group) in self.touched_jumps.take(&mut self.memory.jumps) {
            group.fill(Jump::NONE);
        }
        self.private_code.fill(0);
    }

    /// Forgets the code page in a slot, with every jump into it or another page of the same slot.
    fn forget_jumps(&mut self, at: usize) {
        if std::mem::take(&mut self.memory.code[at]) != 0 {
            let first = jump_slot((at as u64) << 12);
            for jump in &mut self.memory.jumps[first..first + 1024] {
                if slot(jump.va) == at {
                    *jump = Jump::NONE;
                }
            }
        }
    }

    /// Empties it.
    pub fn flush(&mut self) {
        self.generation += 1;
        if !std::mem::take(&mut self.used) {
            return;
        }
        for (first, group) in self.touched_entries.take(&mut self.memory.entries) {
            for (slot, entry) in (first..).zip(group) {
                *entry = Entry::invalid(slot);
            }
        }
        self.forget_code();
        self.private.fill(0);
        self.groups = false;
        self.regions.fill(0);
        self.huge.clear();
    }

    /// Drops what holds for one ASID only.
    fn flush_private(&mut self) {
        self.generation += 1;
        for slot in slots(std::mem::replace(&mut self.private_code, [0; ENTRIES / 64])) {
            self.forget_jumps(slot);
        }
        for slot in slots(std::mem::replace(&mut self.private, [0; ENTRIES / 64])) {
            if self.memory.entries[slot].page & Entry::GLOBAL == 0 {
                self.memory.entries[slot] = Entry::invalid(slot);
            }
        }
    }

    /// Enters a page for the address `va` (whole, with its tag). `ram` is the addend when the page is RAM of a Normal
    /// type, and what its entry says beside its address; `read` and `write` say for which accesses translated code may then
    /// use it without asking, and the slow path without a walk.
    pub fn insert(&mut self, va: u64, leaf: &Leaf, ram: Option<(u64, u64)>, read: bool, write: bool) {
        let page = va & !0xfff;
        let slot = slot(va);
        let mut entry = Entry::invalid(slot);
        entry.page = leaf.pa.0 & !0xfff;
        if leaf.global {
            entry.page |= Entry::GLOBAL;
        } else {
            self.private[slot / 64] |= 1 << (slot % 64);
        }
        if leaf.shift > 12 {
            self.add_large(va, leaf.shift);
        }
        match ram {
            Some((addend, more)) => {
                entry.addend = addend;
                entry.page |= more;
                if read {
                    entry.read = page;
                }
                if write {
                    entry.write = page;
                }
            }
            None => {
                entry.page |= Entry::DEVICE;
                if read {
                    entry.read = page ^ Entry::SLOW;
                }
                if write {
                    entry.write = page ^ Entry::SLOW;
                }
            }
        }
        self.memory.entries[slot] = entry;
        self.touched_entries.add(slot, ENTRIES);
        self.used = true;
    }

    /// Remembers that a piece of a page of this size, of data or of code, is here.
    pub fn add_large(&mut self, va: u64, shift: u32) {
        match shift {
            0..=12 => return,
            13..=16 => {
                self.groups = true;
                return;
            }
            17..=21 => {
                let (word, bit) = region(va);
                self.regions[word] |= bit;
                return;
            }
            _ => {}
        }
        let first = untagged(va) & !((1 << shift) - 1);
        let range = (first, first | ((1 << shift) - 1));
        if !self.huge.contains(&range) {
            if self.huge.len() == MOST_HUGE {
                self.huge = vec![(0, u64::MAX)];
            }
            self.huge.push(range);
        }
    }

    /// Stores into a physical page take the slow path from now on.
    fn protect(&mut self, page: u64) {
        if self.used {
            for (first, group) in self.touched_entries.groups(&mut self.memory.entries) {
                for (slot, entry) in (first..).zip(group) {
                    if entry.page & !0xfff == page {
                        entry.write = Entry::invalid(slot).write;
                    }
                }
            }
        }
    }

    /// Drops the page of an address, with every piece of the larger page that it may be part of.
    fn invalidate(&mut self, va: u64) {
        self.generation += 1;
        let at = untagged(va);
        if self.huge.iter().any(|&(first, last)| first <= at && at <= last) {
            self.flush();
            return;
        }
        let (word, bit) = region(va);
        // Whatever the page's size is, it lies within an aligned block of so many pages.
        let bits = if self.regions[word] & bit != 0 {
            9
        } else if self.groups {
            4
        } else {
            0
        };
        let in_block = |other: u64| (untagged(other) ^ at) >> (12 + bits) == 0;
        let first = slot(va) >> bits << bits;
        for slot in first..first + (1 << bits) {
            let entry = self.memory.entries[slot];
            // Pages that no probe may hit do not say what address they are for.
            let unknown = entry.page != 0 && [entry.read, entry.write] == [Entry::invalid(slot).read; 2];
            if in_block(entry.read) || in_block(entry.write) || unknown {
                self.memory.entries[slot] = Entry::invalid(slot);
            }
            if (self.code_page[slot] ^ (va >> 12) as u32) >> bits == 0 {
                self.forget_jumps(slot);
            }
        }
    }
}

/// A TLB maintenance operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlbOp {
    /// Everything.
    All,
    /// Everything of one ASID.
    Asid(u16),
    /// One page of one ASID, or global.
    Page(u64, u16),
    /// One page, whatever its ASID.
    PageAll(u64),
    /// Leave to store into one physical page.
    Stores(u64),
}

/// Count of EL0 contexts.
const POOL: usize = 8;
/// Index of the context of EL1 with PAN set.
const EL1_PAN: usize = POOL;
/// Index of the context of EL1 with PAN clear.
const EL1: usize = POOL + 1;

/// All contexts of one vCPU.
#[derive(Debug)]
pub struct Contexts {
    tables: Vec<Tables>,
    met: Met,
    el0: usize,
    clock: u64,
    asid: u16,
}

impl Default for Contexts {
    fn default() -> Self {
        Self { tables: (0..POOL + 2).map(|_| Tables::new()).collect(), met: Met::default(), el0: 0, clock: 0, asid: 0 }
    }
}

impl Contexts {
    /// Makes `asid` current.
    pub fn set_asid(&mut self, asid: u16) {
        self.clock += 1;
        if asid != self.asid {
            self.asid = asid;
            self.tables[EL1_PAN].flush_private();
            self.tables[EL1].flush_private();
        }
        let pool = &mut self.tables[..POOL];
        self.el0 = match pool.iter().position(|t| t.asid == Some(asid)) {
            Some(index) => index,
            None => {
                let oldest = (0..POOL).min_by_key(|&i| pool[i].last_use).expect("the pool is not empty");
                pool[oldest].flush();
                pool[oldest].asid = Some(asid);
                oldest
            }
        };
        self.tables[self.el0].last_use = self.clock;
    }

    /// The index of a context: EL0's current one, or EL1's with or without PAN.
    #[must_use]
    pub fn index(&self, el0: bool, pan: bool) -> usize {
        match (el0, pan) {
            (true, _) => self.el0,
            (false, true) => EL1_PAN,
            (false, false) => EL1,
        }
    }

    /// The tables of a context.
    pub fn tables(&mut self, index: usize) -> &mut Tables {
        &mut self.tables[index]
    }

    /// Carries out a maintenance operation.
    pub fn invalidate(&mut self, op: TlbOp) {
        for (index, t) in self.tables.iter_mut().enumerate() {
            let el1 = index >= POOL;
            match op {
                TlbOp::All => t.flush(),
                TlbOp::Asid(asid) if el1 && asid == self.asid => t.flush_private(),
                TlbOp::Asid(asid) if t.asid == Some(asid) => t.flush(),
                TlbOp::Page(va, asid) if el1 || t.asid == Some(asid) => t.invalidate(va),
                TlbOp::PageAll(va) => t.invalidate(va),
                TlbOp::Stores(page) => t.protect(page),
                _ => {}
            }
        }
    }

    /// Host address of the code for `va`, and the identity of its page, if a context's tables know the page and the code
    /// was met before, for whichever context of the same kind. Its jump is entered.
    pub fn find_code(&mut self, index: usize, va: u64) -> Option<(u64, u32)> {
        let tables = &mut self.tables[index];
        if let Some(known) = tables.jump(va) {
            return Some(known);
        }
        let identity = tables.memory.code[slot(va)];
        let host = self.met.find(va, identity, tables.flavour).filter(|_| identity != 0)?;
        tables.add_jump(va, host);
        Some((host, identity))
    }

    /// The code for `va` in a context of the tables' flavour is at `host`, in this page.
    pub fn add_code(&mut self, index: usize, va: u64, page: CodePage, host: u64) {
        let tables = &mut self.tables[index];
        tables.set_code(va, page);
        tables.add_jump(va, host);
        self.met.add(va, page.identity, tables.flavour, host);
    }

    /// Empties every context.
    pub fn flush(&mut self) {
        self.invalidate(TlbOp::All);
    }

    /// Forgets all translated code.
    pub fn forget_code(&mut self) {
        self.met.clear();
        for t in self.tables.iter_mut().filter(|t| t.used) {
            t.forget_code();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mmu::walk::Perms;
    use devices::bus::Pa;

    fn leaf(pa: u64, global: bool, shift: u32) -> Leaf {
        let all = Perms { read: true, write: true, execute: true };
        Leaf { pa: Pa(pa), shift, attr: 0xff, sh: 3, global, el1: all, el0: all, dirty: true }
    }

    fn hits(t: &Tables, va: u64) -> bool {
        (t.memory.entries[slot(va)].read ^ va) < 4096
    }

    #[test]
    fn an_empty_table_hits_nothing() {
        let t = Tables::new();
        for va in [0, 0x1000, 0x1fff, 0x2000, 0xffff_ffff_ffff_f000, 0xfff_f000, u64::MAX] {
            assert!(!hits(&t, va) && !t.knows(va, false) && !t.knows(va, true), "{va:x}");
        }
    }

    #[test]
    fn a_devices_page_is_known_and_never_hit() {
        let mut t = Tables::new();
        for va in [0, 0x900_0000, 0xffff_8000_0900_2000] {
            assert!(!t.knows(va, true) && !t.knows(va, false));
            t.insert(va, &leaf(0x900_0000, true, 12), None, true, false);
            assert!(t.knows(va + 0x18, false) && !t.knows(va, true));
            for other in [va, va ^ Entry::SLOW, va ^ 0x1000, va ^ 1 << 63] {
                assert!(!hits(&t, other), "{other:x}");
                assert!(other == va || !t.knows(other, false), "{other:x}");
            }
        }
    }

    #[test]
    fn a_process_keeps_its_entries_while_another_runs() {
        let mut c = Contexts::default();
        c.set_asid(1);
        let one = c.index(true, false);
        c.tables(one).insert(0x5000, &leaf(0x4000_0000, false, 12), Some((0, 0)), true, true);
        c.set_asid(2);
        let two = c.index(true, false);
        assert!(!hits(c.tables(two), 0x5000));
        c.set_asid(1);
        assert_eq!(c.index(true, false), one);
        assert!(hits(c.tables(one), 0x5000));
        c.invalidate(TlbOp::Page(0x5000, 2));
        assert!(hits(c.tables(one), 0x5000));
        c.invalidate(TlbOp::Page(0x5000, 1));
        assert!(!hits(c.tables(one), 0x5000));
    }

    #[test]
    fn el1_forgets_private_pages_when_the_asid_changes_and_keeps_global_ones() {
        let mut c = Contexts::default();
        c.set_asid(1);
        let el1 = c.index(false, false);
        c.tables(el1).insert(0x5000, &leaf(0x4000_0000, false, 12), Some((0, 0)), true, true);
        c.tables(el1).insert(0xffff_0000_0000_6000, &leaf(0x4000_1000, true, 12), Some((0, 0)), true, true);
        c.set_asid(2);
        assert!(!hits(c.tables(el1), 0x5000));
        assert!(hits(c.tables(el1), 0xffff_0000_0000_6000));
    }

    #[test]
    fn el1_forgets_private_code_when_the_asid_changes_and_keeps_global_code() {
        let mut c = Contexts::default();
        c.set_asid(1);
        let el1 = c.index(false, false);
        for (va, global) in [(0x5000, false), (0xffff_0000_0000_6000, true)] {
            c.tables(el1).set_code(va, CodePage { identity: 7, global });
            c.tables(el1).add_jump(va, 0x1234);
        }
        c.set_asid(2);
        assert_eq!(c.tables(el1).jump(0x5000), None);
        assert_eq!(c.tables(el1).jump(0xffff_0000_0000_6000), Some((0x1234, 7)));
        // The slot's next page is global.
        c.tables(el1).set_code(0x100_5000, CodePage { identity: 8, global: true });
        c.tables(el1).add_jump(0x100_5000, 0x5678);
        c.set_asid(1);
        assert_eq!(c.tables(el1).jump(0x100_5000), Some((0x5678, 8)));
    }

    #[test]
    fn a_page_that_may_not_be_stored_into_any_more_may_still_be_read() {
        let mut c = Contexts::default();
        let el1 = c.index(false, false);
        for (va, pa) in [(0x5000, 0x4000_0000), (0x8000_6000, 0x4000_0000), (0x7000, 0x4000_1000)] {
            c.tables(el1).insert(va, &leaf(pa, true, 12), Some((0, 0)), true, true);
        }
        c.invalidate(TlbOp::Stores(0x4000_0000));
        let writable = |c: &mut Contexts, va: u64| (c.tables(el1).entry(va).write ^ va) < 4096;
        assert!(!writable(&mut c, 0x5000) && !writable(&mut c, 0x8000_6000) && writable(&mut c, 0x7000));
        assert!(hits(c.tables(el1), 0x5000) && hits(c.tables(el1), 0x8000_6000));
    }

    #[test]
    fn invalidating_a_large_page_drops_all_its_pieces() {
        let mut c = Contexts::default();
        let el1 = c.index(false, false);
        c.tables(el1).insert(0x20_1000, &leaf(0x4000_1000, true, 21), Some((0, 0)), true, true);
        c.tables(el1).insert(0x20_2000, &leaf(0x4000_2000, true, 21), Some((0, 0)), true, true);
        c.invalidate(TlbOp::PageAll(0x20_0000));
        assert!(!hits(c.tables(el1), 0x20_1000) && !hits(c.tables(el1), 0x20_2000));
    }

    #[test]
    fn invalidating_a_page_beside_large_ones_keeps_them_and_their_code() {
        let mut c = Contexts::default();
        let el1 = c.index(false, false);
        let (group, page) = (0xffff_0000_0000_0000, 0xffff_8000_0100_5000);
        c.tables(el1).insert(group + 0x1000, &leaf(0x4000_1000, true, 16), Some((0, 0)), true, true);
        c.tables(el1).insert(group + 0x2000, &leaf(0x4000_2000, true, 16), Some((0, 0)), true, true);
        c.tables(el1).insert(page, &leaf(0x4001_0000, true, 12), Some((0, 0)), true, true);
        c.add_code(el1, group + 0x3000, CodePage { identity: 7, global: true }, 99);
        c.invalidate(TlbOp::PageAll(page));
        assert!(hits(c.tables(el1), group + 0x1000) && !hits(c.tables(el1), page));
        assert_eq!(c.tables(el1).jump(group + 0x3000), Some((99, 7)));
        c.invalidate(TlbOp::PageAll(group + 0xf000));
        assert!(!hits(c.tables(el1), group + 0x1000) && !hits(c.tables(el1), group + 0x2000));
        assert_eq!(c.find_code(el1, group + 0x3000), None);
    }

    #[test]
    fn invalidating_a_gibibyte_drops_pieces_in_other_regions() {
        let mut c = Contexts::default();
        let el1 = c.index(false, false);
        c.tables(el1).insert(0x4040_1000, &leaf(0x4040_1000, true, 30), Some((0, 0)), true, true);
        c.invalidate(TlbOp::PageAll(0x8000_0000));
        assert!(hits(c.tables(el1), 0x4040_1000));
        c.invalidate(TlbOp::PageAll(0x4000_0000));
        assert!(!hits(c.tables(el1), 0x4040_1000));
    }
}
