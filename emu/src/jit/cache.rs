//! Translated units: found by physical address, virtual page and context; linked to one another; dropped when their guest
//! code changes.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard};

use rustc_hash::FxHashMap;

use super::frame::{Exit, Frame};
use super::memory::CodeMemory;
use super::moving::{self, Spot};
use super::optimizations::Optimizations;
use super::profile::Profile;
use super::site::{Site, Sites};
use super::slow::{self, Registers, Runtime};
use super::stats::{Calls, Stats};
use super::store::{Facts, Key as StoreKey, Record, Store, Words};
use super::thunks::{self, Leaving, Thunks};
use super::x64::{self, Place, Workshop};
use crate::ir::block::Unit;
use crate::ir::{Context, SysEnc};
use crate::state::El;

/// What a unit is translated for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// Physical address of its first instruction.
    pub pa: u64,
    /// Virtual address of its first instruction; 0 when it holds at any.
    va: u64,
    /// Everything else that its instructions' meaning depends on.
    context: Context,
}

impl Key {
    /// Of code at a physical address that is mapped at a virtual one.
    #[must_use]
    pub fn new(pa: u64, va: u64, context: Context) -> Self {
        Self { pa, va: if context.relative() { 0 } else { va }, context }
    }
}

#[derive(Debug)]
struct Translated {
    entry: u64,
    /// Physical addresses of its code: first, and behind the last.
    range: (u64, u64),
}

#[derive(Debug)]
struct Inner {
    memory: CodeMemory,
    /// Bytes of thunks at the memory's beginning.
    thunks_len: usize,
    /// What the entries of dropped units call.
    stale: Leaving,
    units: FxHashMap<Key, Translated>,
    pages: FxHashMap<u64, Vec<Key>>,
    /// Entries of dropped units, to which jumps may still lead.
    dropped: FxHashMap<Key, Vec<u64>>,
    identities: FxHashMap<(u64, u64), u32>,
    sites: usize,
    workshop: Workshop,
    /// Pages of which a unit is being made, each by its ticket.
    under_way: Vec<(u64, Ticket)>,
    tickets: u64,
    profile: Option<Profile>,
}

/// Leave to make a unit, until the code of its page changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

/// A unit that has its place.
struct Piece<'a> {
    el: El,
    /// Guest address of its first instruction.
    va: u64,
    /// Where it stands in its page, in bytes.
    range: (u16, u16),
    code: &'a [u8],
    sites: &'a [Site],
}

impl Inner {
    /// Takes a ticket back; none if it is void.
    fn hand_in(&mut self, ticket: Ticket) -> Option<()> {
        let at = self.under_way.iter().position(|&(_, other)| other == ticket)?;
        self.under_way.swap_remove(at);
        Some(())
    }

    /// Drops a unit: who enters it from now on is sent back to the run loop, until the code is translated again.
    fn drop_unit(&mut self, key: Key) {
        if let Some(unit) = self.units.remove(&key) {
            let stale = self.stale[usize::from(key.context.relative())];
            self.memory.patch64(unit.entry, transfer(CALL, unit.entry, stale));
            let former = self.dropped.entry(key).or_default();
            if former.len() == FORMER {
                former.remove(0);
            }
            former.push(unit.entry);
        }
    }
}

/// All translated code of a machine, shared by its vCPUs.
#[derive(Debug)]
pub struct Cache {
    inner: Mutex<Inner>,
    sites: Sites,
    thunks: Thunks,
    registers: Registers,
    optimizations: Optimizations,
    store: Option<Store>,
    /// Read by a vCPU that runs translated code, written by one that drops all of it.
    world: RwLock<()>,
    epoch: AtomicU64,
    /// Counters.
    pub stats: Stats,
}

/// Bytes of translated code that are kept; beyond them everything is dropped.
const CODE_BYTES: usize = 72 << 20;
/// Sites that are kept.
const SITES: usize = 1 << 20;
/// What one unit may need at most; checked before it is translated.
const UNIT_BYTES: usize = 1 << 20;
const UNIT_SITES: usize = 1 << 13;

/// Dropped translations of the same code whose entries lead to the present one at once; older ones lead to younger ones.
const FORMER: usize = 8;

impl Cache {
    /// An empty cache for code that accesses plain system registers as `registers` says, translated with those optimisations.
    ///
    /// # Errors
    /// The host's refusal to map memory for code.
    pub fn new(registers: Registers, optimizations: Optimizations) -> std::io::Result<Self> {
        let mut memory = CodeMemory::new(CODE_BYTES)?;
        let (code, thunks) = thunks::emit(memory.next());
        memory.push(&code);
        let inner = Inner {
            thunks_len: memory.used(),
            stale: thunks.stale,
            memory,
            units: FxHashMap::default(),
            pages: FxHashMap::default(),
            dropped: FxHashMap::default(),
            identities: FxHashMap::default(),
            sites: 0,
            workshop: Workshop::default(),
            under_way: Vec::new(),
            tickets: 0,
            profile: None,
        };
        Ok(Self {
            inner: Mutex::new(inner),
            sites: Sites::new(SITES),
            thunks,
            registers,
            optimizations,
            store: None,
            world: RwLock::new(()),
            epoch: AtomicU64::new(0),
            stats: Stats::default(),
        })
    }

    /// Names its thunks in a profile, and all that it translates from now on.
    #[must_use]
    pub fn with_profile(self, mut profile: Profile) -> Self {
        let base = self.thunks.enter;
        let (code, thunks) = thunks::emit(base);
        profile.thunks(&thunks, base, &code);
        self.lock().profile = Some(profile);
        self
    }

    /// Has units out of a store, as far as they are there, and keeps the others in it.
    #[must_use]
    pub fn with_store(self, store: Store) -> Self {
        Self { store: Some(store), ..self }
    }

    /// What its code is translated with.
    #[must_use]
    pub fn optimizations(&self) -> Optimizations {
        self.optimizations
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("translation does not panic")
    }

    /// Held while translated code runs.
    pub fn enter_world(&self) -> RwLockReadGuard<'_, ()> {
        self.world.read().expect("translation does not panic")
    }

    /// Changes whenever all code was dropped: addresses of code from before are void.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Host address of a unit, if it is translated, and the identity of its page, which is mapped at a virtual address.
    pub fn find(&self, key: &Key, va: u64) -> (Option<u64>, u32) {
        let mut inner = self.lock();
        let next = inner.identities.len() as u32 + 1;
        let identity = *inner.identities.entry((va >> 12, key.pa >> 12)).or_insert(next);
        (inner.units.get(key).map(|unit| unit.entry), identity)
    }

    /// Whether a unit fits; if not, [`Cache::flush`] makes room.
    pub fn has_room(&self) -> bool {
        let inner = self.lock();
        inner.memory.room() >= UNIT_BYTES && inner.sites + UNIT_SITES <= self.sites.capacity()
    }

    /// To be called before the code of a unit at a physical address is read. `mark` says that its page holds code; like
    /// the `unmark` of [`Cache::invalidate`] it is called while nobody else can be.
    pub fn begin(&self, pa: u64, mark: impl FnOnce()) -> Ticket {
        let mut inner = self.lock();
        inner.tickets += 1;
        let ticket = Ticket(inner.tickets);
        inner.under_way.push((pa & !0xfff, ticket));
        mark();
        ticket
    }

    /// As [`Cache::insert`], unless code of the page has changed since the ticket was drawn. `read` is what was read to form
    /// the unit, and how the store knows it, if it is to be kept there.
    pub fn finish(&self, ticket: Ticket, key: Key, unit: &Unit, read: Option<(StoreKey, &Words)>) -> Option<u64> {
        let mut inner = self.lock();
        inner.hand_in(ticket)?;
        Some(self.translate(inner, key, unit, read))
    }

    /// Translates a unit, for which there is room; its host address.
    pub fn insert(&self, key: Key, unit: &Unit) -> u64 {
        self.translate(self.lock(), key, unit, None)
    }

    /// How the store knows the unit at a virtual address, if there is one; `word` gives the words of its page by their
    /// offsets.
    pub fn store_key(&self, context: &Context, va: u64, word: impl Fn(u16) -> u32) -> Option<StoreKey> {
        self.store.as_ref().map(|_| StoreKey::new(context, va, word))
    }

    /// The unit at a virtual address out of the store, if it is there for the words that `word` gives by their offsets in
    /// the page; its host address. The ticket is used up if so.
    pub fn recall(&self, ticket: Ticket, key: Key, va: u64, start: StoreKey, word: impl Fn(u16) -> u32) -> Option<u64> {
        let store = self.store.as_ref()?;
        let mut bytes = Vec::new();
        for n in 0.. {
            if !store.read(start, n, &mut bytes) {
                break;
            }
            if let Some(record) = Record::read(&bytes).filter(|record| record.is_of(key.context.bits(), &word)) {
                return self.revive(ticket, key, va, record);
            }
        }
        None
    }

    /// Puts a unit that was translated for another spot, or another run, where there is room.
    fn revive(&self, ticket: Ticket, key: Key, va: u64, record: Record<'_>) -> Option<u64> {
        let mut inner = self.lock();
        if let Some(&Translated { entry, .. }) = inner.units.get(&key) {
            inner.hand_in(ticket)?;
            return Some(entry);
        }
        let Record { facts: Facts { spot, range, instructions, .. }, code, fields, mut sites, .. } = record;
        if code.len() > UNIT_BYTES || sites.len() > UNIT_SITES {
            return None;
        }
        let mut code = code.to_vec();
        if !moving::move_unit(fields, &mut code, sites.to_mut(), spot, self.spot(&inner, va)) {
            return None;
        }
        inner.hand_in(ticket)?;
        let piece = Piece { el: key.context.el, va, range, code: &code, sites: &sites };
        let entry = self.place(&mut inner, key, piece);
        drop(inner);
        self.stats.count_unit(&self.stats.recalled, instructions.into(), code.len());
        Some(entry)
    }

    /// Where the next unit will be.
    fn spot(&self, inner: &Inner, va: u64) -> Spot {
        Spot { base: inner.memory.next() - self.thunks.enter, first_site: inner.sites as u32, va }
    }

    fn translate(
        &self,
        mut inner: MutexGuard<'_, Inner>,
        key: Key,
        unit: &Unit,
        read: Option<(StoreKey, &Words)>,
    ) -> u64 {
        if let Some(there) = inner.units.get(&key) {
            return there.entry;
        }
        let va = unit.blocks[0].va;
        let spot = self.spot(&inner, va);
        let (base, first_site, optimizations) = (inner.memory.next(), inner.sites, self.optimizations);
        let place = Place { base, first_site, thunks: self.thunks, registers: self.registers, optimizations };
        let mut workshop = std::mem::take(&mut inner.workshop);
        x64::compile(&mut workshop, unit, place);
        let instructions: u32 = unit.blocks.iter().map(|b| u32::from(b.len)).sum();
        let low = unit.blocks.iter().map(|b| b.va as u16 & 0xfff).min().unwrap_or(0);
        let high = unit.blocks.iter().map(|b| (b.va as u16 & 0xfff) + 4 * b.len).max().unwrap_or(0);
        let Workshop { a, sites, .. } = &mut workshop;
        let code = a.finish();
        let bytes = code.len();
        let piece = Piece { el: unit.context.el, va, range: (low, high), code, sites };
        let entry = self.place(&mut inner, key, piece);
        if let Some(store) = &self.store
            && let Some((start, words)) = read
        {
            let facts = Facts { context: unit.context.bits(), spot, range: (low, high), instructions };
            let (fields, code, sites) = (a.fields.bytes(), a.code(), Cow::Borrowed(&sites[..]));
            store.add(start, &Record { facts, words: words.bytes(), fields, code, sites });
        }
        inner.workshop = workshop;
        drop(inner);
        self.stats.count_unit(&self.stats.units, instructions.into(), bytes);
        entry
    }

    /// Puts a unit's code behind all other, where it was made for, and its sites; its entry.
    #[allow(unsafe_code, reason = "fills sites")]
    fn place(&self, inner: &mut Inner, key: Key, piece: Piece<'_>) -> u64 {
        let Inner { memory, sites, profile, .. } = inner;
        let Piece { el, va, range: (low, high), code, sites: new } = piece;
        assert!(code.len() <= UNIT_BYTES && new.len() <= UNIT_SITES, "a unit keeps to its bounds");
        for site in new {
            // SAFETY: the slot is behind all that code names so far.
            unsafe { self.sites.set(*sites, *site) };
            *sites += 1;
        }
        let entry = memory.push(code) + x64::HEADER as u64;
        if let Some(profile) = profile {
            profile.unit(el, va, entry, &code[x64::HEADER..]);
        }
        let page = key.pa & !0xfff;
        let translated = Translated { entry, range: (page + u64::from(low), page + u64::from(high)) };
        // Jumps to former translations of the same code go on to this one.
        for former in inner.dropped.get(&key).into_iter().flatten() {
            inner.memory.patch64(*former, transfer(JUMP, *former, entry));
        }
        inner.units.insert(key, translated);
        inner.pages.entry(page).or_default().push(key);
        entry
    }

    /// Has the jump that returned [`Exit::Link`] lead to `host` from now on. `identity` is that of the page there.
    pub fn link(&self, link: u64, host: u64, identity: u32) {
        let inner = self.lock();
        let field = link & !1;
        if link & 1 == 0 {
            inner.memory.patch32(field, host.wrapping_sub(field + 4) as u32);
        } else if inner.memory.read32(field) == x64::UNLINKED as u32 {
            // Behind the guard: jne rel32, nop, jmp rel32.
            let jump = field + 12;
            inner.memory.patch32(jump, host.wrapping_sub(jump + 4) as u32);
            inner.memory.patch32(field, identity);
        }
    }

    /// Drops the units whose code lies in physical addresses `start..end` of one page. `unmark` says that the page holds
    /// no code, if it has no more units.
    pub fn invalidate(&self, start: u64, end: u64, unmark: impl FnOnce()) {
        let mut inner = self.lock();
        let page = start & !0xfff;
        inner.under_way.retain(|&(other, _)| other != page);
        let keys = inner.pages.remove(&page).unwrap_or_default();
        let mut kept = Vec::new();
        for key in keys {
            let (low, high) = inner.units.get(&key).map_or((0, 0), |unit| unit.range);
            if low < end && start < high {
                inner.drop_unit(key);
            } else {
                kept.push(key);
            }
        }
        if kept.is_empty() {
            unmark();
        } else {
            inner.pages.insert(page, kept);
        }
    }

    /// Drops the units that were translated for the page of a virtual address. `unmark` is told each page that has no more.
    pub fn invalidate_virtual(&self, va: u64, mut unmark: impl FnMut(u64)) {
        let mut inner = self.lock();
        inner.under_way.clear();
        let there = |key: &Key| key.va >> 12 == va >> 12;
        let keys: Vec<Key> = inner.units.keys().filter(|key| there(key)).copied().collect();
        for key in keys {
            inner.drop_unit(key);
            let page = key.pa & !0xfff;
            if let Some(keys) = inner.pages.get_mut(&page) {
                keys.retain(|other| *other != key);
                if keys.is_empty() {
                    inner.pages.remove(&page);
                    unmark(page);
                }
            }
        }
    }

    /// Drops every unit, but keeps their memory, since they may be running. `unmark` is told each page.
    pub fn invalidate_all(&self, unmark: impl FnMut(u64)) {
        let mut inner = self.lock();
        inner.under_way.clear();
        inner.pages.drain().map(|(page, _)| page).for_each(unmark);
        let keys: Vec<Key> = inner.units.keys().copied().collect();
        keys.into_iter().for_each(|key| inner.drop_unit(key));
    }

    /// Drops everything and its memory, once no vCPU runs translated code: the caller has kicked the others, and runs
    /// none itself. The pages that held code are returned.
    pub fn flush(&self) -> Vec<u64> {
        let _alone = self.world.write().expect("translation does not panic");
        let mut inner = self.lock();
        let pages = inner.pages.keys().copied().collect();
        inner.units.clear();
        inner.pages.clear();
        inner.identities.clear();
        inner.dropped.clear();
        self.stats.keep(|calls| self.count_calls(&inner, calls));
        self.sites.clear(std::mem::take(&mut inner.sites));
        let keep = inner.thunks_len;
        inner.memory.truncate(keep);
        self.epoch.fetch_add(1, Ordering::Release);
        Stats::add(&self.stats.flushes, 1);
        pages
    }

    /// The site of an index in translated code.
    ///
    /// # Safety
    /// Translated code that is running names this index.
    #[allow(unsafe_code, reason = "passes the promise on")]
    pub(super) unsafe fn site(&self, index: u32) -> &Site {
        // SAFETY: as promised.
        unsafe { self.sites.enter(index as usize) }
    }

    /// What was counted, as text; `register` names system registers.
    #[must_use]
    pub fn report(&self, register: impl Fn(SysEnc) -> String) -> String {
        let mut calls = self.stats.calls();
        self.count_calls(&self.lock(), &mut calls);
        self.stats.report(&calls, register)
    }

    /// Adds the calls of every site.
    #[allow(unsafe_code, reason = "reads sites")]
    fn count_calls(&self, inner: &Inner, calls: &mut Calls) {
        for index in 0..inner.sites {
            // SAFETY: so many have been filled.
            let (task, n) = unsafe { self.sites.calls(index) };
            if n != 0 {
                *calls.entry(task).or_default() += n;
            }
        }
    }

    /// Runs translated code at `host` until it returns. The frame's tables, attention and state are set.
    #[allow(unsafe_code, reason = "enters translated code")]
    pub fn enter<R: Runtime>(&self, frame: &mut Frame, runtime: &mut R, host: u64) -> Exit {
        frame.enter_page();
        frame.runtime = std::ptr::from_mut(runtime) as usize;
        frame.slow = slow::entry::<R>();
        frame.arrive = slow::arrival::<R>();
        frame.depart = slow::departure::<R>();
        // SAFETY: the thunk is code with this signature; `host` is the entry of a unit of this cache, which stays while
        // the caller is in the world; the code touches only the frame, the tables and guest RAM that the tables name.
        let code = unsafe {
            let enter: unsafe extern "sysv64" fn(*mut Frame, u64) -> u32 =
                std::mem::transmute::<usize, _>(self.thunks.enter as usize);
            enter(std::ptr::from_mut(frame), host)
        };
        frame.fold_flags();
        let exit = Exit::from_code(code);
        Stats::add(&self.stats.exits[exit as usize], 1);
        exit
    }
}

/// Opcodes with a displacement of 32 bits.
const JUMP: u64 = 0xe9;
const CALL: u64 = 0xe8;

/// Eight bytes of code: a jump or call from `at` to `target`.
fn transfer(opcode: u64, at: u64, target: u64) -> u64 {
    let displacement = target.wrapping_sub(at + 5) as u32;
    opcode | u64::from(displacement) << 8
}
