//! Memory as instructions see it: translation, alignment, RAM and devices, exclusives and atomics.

use devices::bus::{Pa, Size, Target};

use super::debug::Watched;
use super::{Core, context};
use crate::ir::{AtomicOp, Exception, Mem};
use crate::jit::Reach;
use crate::mmu::Entry;
use crate::mmu::host::{self, Bytes};
use crate::mmu::walk::{self, Access, Fault, Leaf};
use crate::state::{CpuState, El, Monitor};

/// Where an access within one page leads.
#[derive(Debug, Clone, Copy)]
enum Place {
    Ram(Bytes),
    Device(Pa),
}

impl Core {
    fn abort(va: u64, fault: Fault, write: bool) -> Exception {
        Exception::data_abort(va, fault.status, write)
    }

    /// The permissions' level and the TLB table of a data access.
    fn table(&self, s: &CpuState, unprivileged: bool) -> (El, usize) {
        let el0 = s.pstate.el == El::El0 || (unprivileged && !s.pstate.uao);
        (if el0 { El::El0 } else { El::El1 }, self.contexts.index(el0, s.pstate.pan))
    }

    /// Enters a walked leaf in a table. Writes to pages that hold translated code stay on the slow path, and all
    /// accesses to watched pages.
    fn enter(&mut self, s: &CpuState, table: usize, va: u64, leaf: &Leaf, access: Access) {
        let ram = self.wiring.bus.ram();
        let page = Pa(leaf.pa.0 & !0xfff);
        let inline = !leaf.device();
        let perms = if access.el == El::El0 { leaf.el0 } else { leaf.el1 };
        let watched = self.page_is_watched(walk::strip_tag(&s.sys, va));
        let write = perms.read && perms.write && leaf.dirty && !watched;
        let (offset, pages) = (ram.offset(page, 4096), ram.code_pages());
        let write = write && offset.is_none_or(|offset| pages.allow_stores(offset));
        let inline = offset.filter(|_| inline).map(|offset| {
            let more = if pages.is_code(offset) { Entry::CODE } else { 0 };
            (host::addend(ram, page, va & !0xfff), more)
        });
        self.contexts.tables(table).insert(va, leaf, inline, perms.read && !watched, write);
    }

    /// The page's physical address for an access, by the TLB or a walk.
    fn translate(&mut self, s: &CpuState, va: u64, mem: Mem, write: bool) -> Result<Pa, Exception> {
        let (el, table) = self.table(s, mem.unprivileged);
        let tables = self.contexts.tables(table);
        let page = tables.entry(va).page;
        // What is not RAM may be Device memory, where the walk finds a misaligned access.
        let fits = page & Entry::DEVICE == 0 || va.is_multiple_of(u64::from(mem.bytes));
        if fits && tables.knows(va, write) {
            return Ok(Pa(page & !0xfff | va & 0xfff));
        }
        let access = Access { write, fetch: false, el, pan: s.pstate.pan };
        let leaf = walk::walk(&*self.wiring.bus, &s.sys, va, access).map_err(|f| Self::abort(va, f, write))?;
        if leaf.device() && walk::mmu_on(&s.sys) && !va.is_multiple_of(u64::from(mem.bytes)) {
            return Err(Self::abort(va, Fault::ALIGNMENT, write));
        }
        self.enter(s, table, va, &leaf, access);
        Ok(leaf.pa)
    }

    /// See [`Runtime::reach`](crate::jit::Runtime::reach).
    pub(super) fn reach_bytes(&mut self, s: &CpuState, reach: Reach) -> Result<Option<u64>, Exception> {
        let Reach { access, mem, write, first, bytes } = reach;
        if Self::in_first_page(access, mem.bytes) < mem.bytes {
            return Ok(None);
        }
        self.translate(s, access, mem, write)?;
        let (_, table) = self.table(s, mem.unprivileged);
        Ok(self.contexts.tables(table).probe(first, bytes.into(), write))
    }

    fn place(&self, va: u64, pa: Pa, bytes: u8, write: bool) -> Result<Place, Exception> {
        match self.wiring.bus.target(pa) {
            Target::Ram(_) => Bytes::new(self.wiring.bus.ram(), pa, bytes).map(Place::Ram),
            // Flash that is mapped as Normal memory is read wherever firmware's data lies.
            Target::Device if !write || va.is_multiple_of(u64::from(bytes)) => Some(Place::Device(pa)),
            Target::Device => return Err(Self::abort(va, Fault::ALIGNMENT, write)),
            Target::Nothing => None,
        }
        .ok_or_else(|| Self::abort(va, Fault::EXTERNAL, write))
    }

    fn check_alignment(s: &CpuState, va: u64, mem: Mem, write: bool) -> Result<(), Exception> {
        let must = mem.aligned || context(s).align_check;
        if must && !va.is_multiple_of(u64::from(mem.bytes)) {
            return Err(Self::abort(va, Fault::ALIGNMENT, write));
        }
        Ok(())
    }

    /// Bytes of an access that lie in its first page; all of them but for one that crosses.
    fn in_first_page(va: u64, bytes: u8) -> u8 {
        (4096 - (va & 0xfff)).min(u64::from(bytes)) as u8
    }

    pub(super) fn load_bytes(&mut self, s: &CpuState, va: u64, mem: Mem) -> Result<u128, Exception> {
        Self::check_alignment(s, va, mem, false)?;
        let first = Self::in_first_page(va, mem.bytes);
        if first < mem.bytes {
            return self.load_crossing(s, va, mem, first);
        }
        let pa = self.translate(s, va, mem, false)?;
        self.watch(s, va, mem, true, false)?;
        match self.place(va, pa, mem.bytes, false)? {
            Place::Ram(bytes) => Ok(bytes.load()),
            Place::Device(pa) => {
                let read = |pa: Pa, size| {
                    let value = self.wiring.bus.read(pa, size, self.id);
                    value.map(u128::from).map_err(|_| Self::abort(va, Fault::EXTERNAL, false))
                };
                match Size::from_bytes(u64::from(mem.bytes)) {
                    _ if !va.is_multiple_of(u64::from(mem.bytes)) => (0..mem.bytes).try_fold(0, |value, i| {
                        Ok(value | read(Pa(pa.0 + u64::from(i)), Size::B1)? << (8 * u32::from(i)))
                    }),
                    Some(size) => read(pa, size),
                    None => Ok(read(pa, Size::B8)? | read(Pa(pa.0 + 8), Size::B8)? << 64),
                }
            }
        }
    }

    fn load_crossing(&mut self, s: &CpuState, va: u64, mem: Mem, first: u8) -> Result<u128, Exception> {
        let byte = Mem { bytes: 1, ..mem };
        let second_page = (va & !0xfff).wrapping_add(4096);
        self.translate(s, va, byte, false)?;
        self.translate(s, second_page, byte, false)?;
        self.watch(s, va, mem, true, false)?;
        let mut value = 0;
        for i in 0..mem.bytes {
            let at = if i < first { va.wrapping_add(u64::from(i)) } else { second_page + u64::from(i - first) };
            let pa = self.translate(s, at, byte, false)?;
            let read = match self.place(at, pa, 1, false)? {
                Place::Ram(bytes) => bytes.load(),
                Place::Device(pa) => {
                    let read = self.wiring.bus.read(pa, Size::B1, self.id);
                    read.map(u128::from).map_err(|_| Self::abort(va, Fault::EXTERNAL, false))?
                }
            };
            value |= read << (8 * u32::from(i));
        }
        Ok(value)
    }

    pub(super) fn store_bytes(&mut self, s: &CpuState, va: u64, value: u128, mem: Mem) -> Result<(), Exception> {
        Self::check_alignment(s, va, mem, true)?;
        let first = Self::in_first_page(va, mem.bytes);
        if first < mem.bytes {
            return self.store_crossing(s, va, value, mem, first);
        }
        let pa = self.translate(s, va, mem, true)?;
        self.watch(s, va, mem, false, true)?;
        match self.place(va, pa, mem.bytes, true)? {
            Place::Ram(bytes) => {
                bytes.store(value);
                self.stored(pa);
            }
            Place::Device(pa) => {
                let write = |pa: Pa, size, value| {
                    let done = self.wiring.bus.write(pa, size, value, self.id);
                    done.map_err(|_| Self::abort(va, Fault::EXTERNAL, true))
                };
                match Size::from_bytes(u64::from(mem.bytes)) {
                    Some(size) => write(pa, size, value as u64)?,
                    None => {
                        write(pa, Size::B8, value as u64)?;
                        write(Pa(pa.0 + 8), Size::B8, (value >> 64) as u64)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn store_crossing(&mut self, s: &CpuState, va: u64, value: u128, mem: Mem, first: u8) -> Result<(), Exception> {
        let byte = Mem { bytes: 1, ..mem };
        let second_page = (va & !0xfff).wrapping_add(4096);
        self.translate(s, va, byte, true)?;
        self.translate(s, second_page, byte, true)?;
        self.watch(s, va, mem, false, true)?;
        let mut places = [None; 16];
        for (i, place) in places.iter_mut().enumerate().take(usize::from(mem.bytes)) {
            let i = i as u8;
            let at = if i < first { va.wrapping_add(u64::from(i)) } else { second_page + u64::from(i - first) };
            let pa = self.translate(s, at, byte, true)?;
            match self.place(at, pa, 1, true)? {
                Place::Ram(bytes) => *place = Some((bytes, pa)),
                Place::Device(_) => return Err(Self::abort(va, Fault::ALIGNMENT, true)),
            }
        }
        for (byte, place) in value.to_le_bytes().iter().zip(places) {
            let Some((bytes, pa)) = place else { break };
            bytes.store(u128::from(*byte));
            self.stored(pa);
        }
        Ok(())
    }

    /// The watchpoint exception of an access.
    fn watch(&self, s: &CpuState, va: u64, mem: Mem, read: bool, write: bool) -> Result<(), Exception> {
        let (el, _) = self.table(s, mem.unprivileged);
        self.check_watchpoints(s, Watched { va, bytes: mem.bytes, el, read, write })
    }

    /// RAM for an atomic access, which must be aligned. A fault that a read would have taken too is reported as one of a
    /// read (ESR_ELx.WnR).
    fn rmw_place(&mut self, s: &CpuState, va: u64, mem: Mem) -> Result<(Bytes, Pa), Exception> {
        self.atomic_place(s, va, mem, true).map_err(|exception| {
            let aligned = Mem { aligned: true, ..mem };
            let read = Self::check_alignment(s, va, aligned, false).and_then(|()| self.translate(s, va, mem, false));
            read.err().filter(|read| read.iss & 0x3f == exception.iss & 0x3f).unwrap_or(exception)
        })
    }

    /// RAM for an exclusive store, or for an atomic access (which reads too); must be aligned.
    fn atomic_place(&mut self, s: &CpuState, va: u64, mem: Mem, read: bool) -> Result<(Bytes, Pa), Exception> {
        Self::check_alignment(s, va, Mem { aligned: true, ..mem }, true)?;
        let pa = self.translate(s, va, mem, true)?;
        self.watch(s, va, mem, read, true)?;
        match self.place(va, pa, mem.bytes, true)? {
            Place::Ram(bytes) => Ok((bytes, pa)),
            // Unsupported exclusive or atomic access (DFSC 0b110101).
            Place::Device(_) => Err(Exception::data_abort(va, 0b11_0101, true)),
        }
    }

    pub(super) fn load_exclusive_bytes(&mut self, s: &mut CpuState, va: u64, mem: Mem) -> Result<u128, Exception> {
        let value = self.load_bytes(s, va, Mem { aligned: true, ..mem })?;
        s.monitor = Monitor { va, bytes: mem.bytes.into(), value };
        Ok(value)
    }

    pub(super) fn store_exclusive_bytes(
        &mut self,
        s: &mut CpuState,
        va: u64,
        value: u128,
        mem: Mem,
    ) -> Result<bool, Exception> {
        let monitor = s.monitor;
        s.monitor.bytes = 0;
        let (bytes, pa) = self.atomic_place(s, va, mem, false)?;
        if (monitor.va, monitor.bytes) != (va, mem.bytes.into()) {
            return Ok(false);
        }
        let stored = bytes.cas(monitor.value, value) == monitor.value;
        if stored {
            self.stored(pa);
        }
        Ok(stored)
    }

    pub(super) fn atomic_bytes(
        &mut self,
        s: &CpuState,
        op: AtomicOp,
        va: u64,
        value: u64,
        mem: Mem,
    ) -> Result<u64, Exception> {
        let (bytes, pa) = self.rmw_place(s, va, mem)?;
        let old = bytes.update(|old| op.apply(old, value, mem.bytes));
        self.stored(pa);
        Ok(old)
    }

    pub(super) fn cas_bytes(
        &mut self,
        s: &CpuState,
        va: u64,
        expected: u128,
        new: u128,
        mem: Mem,
    ) -> Result<u128, Exception> {
        let (bytes, pa) = self.rmw_place(s, va, mem)?;
        let mask = u128::MAX >> (128 - 8 * u32::from(mem.bytes));
        let old = bytes.cas(expected & mask, new & mask);
        self.stored(pa);
        Ok(old)
    }

    /// The address of a cache maintenance operation: its faults, which count as a write's (ESR_ELx.{CM, WnR}). EL1 needs
    /// no permission, and EL0 one to read (D7.5.8).
    pub(super) fn maintained(&mut self, s: &CpuState, va: u64) -> Result<(), Exception> {
        const CM: u32 = 1 << 8;
        if self.known_page(s, va).is_some() {
            return Ok(());
        }
        let el = s.pstate.el;
        let access = Access { write: false, fetch: false, el, pan: false };
        match walk::walk(&*self.wiring.bus, &s.sys, va, access) {
            Err(fault) => {
                let abort = Self::abort(va, fault, true);
                Err(Exception { iss: abort.iss | CM, ..abort })
            }
            Ok(_) => Ok(()),
        }
    }

    /// The physical page of an address that may be read, if the TLB has it.
    pub(super) fn known_page(&mut self, s: &CpuState, va: u64) -> Option<Pa> {
        let (_, table) = self.table(s, false);
        let entry = self.contexts.tables(table).entry(va);
        (entry.read == va & !0xfff).then_some(Pa(entry.page & !0xfff))
    }

    /// DC ZVA: 64 bytes of zeros.
    pub(super) fn zero_block(&mut self, s: &CpuState, va: u64) -> Result<(), Exception> {
        let start = va & !63;
        let mem = Mem::plain(16);
        let pa = self.translate(s, start, mem, true).map_err(|e| Exception { far: Some(va), ..e })?;
        if self.wiring.bus.target(pa) == Target::Nothing {
            return Err(Self::abort(va, Fault::EXTERNAL, true));
        }
        // The page was entered just now, at the latest.
        let (_, table) = self.table(s, false);
        if self.contexts.tables(table).entry(start).page & Entry::DEVICE != 0 {
            return Err(Self::abort(va, Fault::ALIGNMENT, true));
        }
        let watched = Watched { va: start, bytes: 64, el: s.pstate.el, read: false, write: true };
        self.check_watchpoints(s, watched).map_err(|e| Exception { far: Some(va), ..e })?;
        for i in 0..4 {
            self.store_bytes(s, start + 16 * i, 0, mem)?;
        }
        Ok(())
    }

    /// The physical address of an instruction.
    fn fetch_address(&mut self, s: &CpuState) -> Result<Pa, Exception> {
        self.fetch_page(s).map(|(pa, _)| pa)
    }

    /// The physical address of an instruction, and whether its page is global, by a walk unless it lies in the page of the
    /// last one.
    pub(super) fn fetch_page(&mut self, s: &CpuState) -> Result<(Pa, bool), Exception> {
        let va = s.pc;
        if va & 3 != 0 {
            return Err(Exception { far: Some(va), ..Exception::new(0x22, 0) });
        }
        let table = self.contexts.index(s.pstate.el == El::El0, s.pstate.pan);
        let generation = self.contexts.tables(table).generation;
        let page = va & !0xfff;
        if let Some((t, g, v, leaf)) = self.fetched
            && (t, g, v) == (table, generation, page)
        {
            return Ok((Pa(leaf & !0xfff | va & 0xfff), leaf & Entry::GLOBAL != 0));
        }
        let access = Access { write: false, fetch: true, el: s.pstate.el, pan: s.pstate.pan };
        let leaf = walk::walk(&*self.wiring.bus, &s.sys, va, access)
            .map_err(|f| Exception::instruction_abort(va, f.status))?;
        let global = if leaf.global { Entry::GLOBAL } else { 0 };
        self.fetched = Some((table, generation, page, leaf.pa.0 & !0xfff | global));
        self.contexts.tables(table).add_large(va, leaf.shift);
        Ok((leaf.pa, leaf.global))
    }

    /// Reads an instruction.
    pub(super) fn fetch(&mut self, s: &CpuState) -> Result<u32, Exception> {
        let pa = self.fetch_address(s)?;
        let abort = || Exception::instruction_abort(s.pc, Fault::EXTERNAL.status);
        match self.wiring.bus.target(pa) {
            Target::Ram(_) => Bytes::new(self.wiring.bus.ram(), pa, 4).map(|b| b.load() as u32).ok_or_else(abort),
            Target::Device => self.wiring.bus.read(pa, Size::B4, self.id).map(|v| v as u32).map_err(|_| abort()),
            Target::Nothing => Err(abort()),
        }
    }
}
