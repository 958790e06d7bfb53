//! Translated code in the run loop: finding, making, linking and dropping units.

use std::cell::RefCell;
use std::mem::offset_of;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::time::Instant;

use devices::bus::{GuestRam, Pa, Size, Target};

use super::{Core, Vcpu, exception};
use crate::a64;
use crate::a64::sysreg::{CTR, DCZID};
use crate::ir::block::{Block, Term, Unit};
use crate::ir::{Build, Context, Exception, Lift, SysEnc};
use crate::jit::{Cache, Exit, Frame, Key, Optimizations, Plain, Reach, Runtime};
use crate::mmu::host::Bytes;
use crate::mmu::walk::{self, Access, Fault};
use crate::mmu::{CodePage, TlbOp};
use crate::state::{CpuState, El, SysRegs};

/// Guest instructions in a unit at most.
const UNIT_INSTRUCTIONS: usize = 48;
/// Faults of fetches in a row before the run loop looks at requests.
const MOST_FAULTS: u32 = 4;
/// Blocks in a unit at most.
const UNIT_BLOCKS: usize = 6;

impl Runtime for Core {
    fn cache(&self) -> &Cache {
        self.wiring.cache.as_ref().expect("translated code runs out of a cache")
    }

    fn take(&mut self, s: &mut CpuState, exception: Exception) {
        Self::take(self, s, exception);
    }

    fn reach(&mut self, s: &CpuState, reach: Reach) -> Result<Option<u64>, Exception> {
        self.reach_bytes(s, reach)
    }

    fn arrive(&mut self, frame: &mut Frame, changed: bool) -> Option<u64> {
        let cpu = &self.wiring.shared.cpus[self.id];
        let s = &mut frame.s;
        s.pc = walk::strip_tag(&s.sys, s.pc);
        if !changed && cpu.attention.load(Ordering::Relaxed) != 0 {
            return None;
        }
        if !changed && let Some((host, _)) = self.contexts.find_code(self.table, s.pc) {
            return Some(host);
        }
        let busy = self.waiting.is_some()
            || cpu.attention.load(Ordering::Relaxed) != 0
            || self.wiring.bus.ram().code_pages().any_written();
        let interrupt = exception::unmasked(cpu.lines.load(Ordering::Relaxed), s).is_some();
        if busy || interrupt || s.pstate.il {
            return None;
        }
        for _ in 0..MOST_FAULTS {
            let context = self.context(&frame.s);
            if context.step {
                return None;
            }
            let table = self.choose_tables(frame, &context);
            if let Some((host, _)) = self.contexts.find_code(table, frame.s.pc) {
                return Some(host);
            }
            match self.find_unit(&frame.s, &context, table) {
                Ok(found) => return found.host,
                Err(exception) => Self::take(self, &mut frame.s, exception),
            }
        }
        None
    }
}

impl Vcpu {
    /// Runs translated code until somebody wants attention or the context may have changed.
    pub(super) fn run_translated(&mut self, cache: &Arc<Cache>) {
        if !cache.has_room() {
            self.core.flush_code(cache);
        }
        // Whoever waits for vCPUs in guest code does not wait for one that has to wait here.
        let _world = cache.enter_world();
        if !self.core.enter_guest() {
            return;
        }
        if self.epoch != cache.epoch() {
            self.epoch = cache.epoch();
            self.core.contexts.forget_code();
        }
        self.frame.attention = (&raw const self.core.wiring.shared.cpus[self.core.id].attention) as usize;
        self.frame.lines = (&raw const self.core.wiring.shared.cpus[self.core.id].lines) as usize;
        let mut link = None;
        let (mut stale, mut apart) = (false, false);
        loop {
            let context = self.core.context(&self.frame.s);
            let table = self.core.choose_tables(&mut self.frame, &context);
            let context = Context { apart, ..context };
            let known = self.core.contexts.find_code(table, self.frame.s.pc).filter(|_| !stale && !apart);
            let (host, identity) = match known {
                Some(known) => known,
                None => match self.core.unit(&self.frame.s, &context, table, cache) {
                    Ok(Some(unit)) => unit,
                    Ok(None) => return,
                    Err(exception) => return self.core.take(&mut self.frame.s, exception),
                },
            };
            if let Some(link) = link.take() {
                cache.link(link, host, identity);
            }
            let exit = cache.enter(&mut self.frame, &mut self.core, host);
            (stale, apart) = (exit == Exit::Stale, exit == Exit::Apart);
            match exit {
                Exit::Stale | Exit::Indirect => {}
                Exit::Link => link = Some(self.frame.link),
                Exit::Apart => {
                    // Attention waits for the instruction, which would else be tried in vain again.
                    link = Some(self.frame.link).filter(|&link| link != 0);
                    continue;
                }
                Exit::Sync => return,
            }
            if self.core.attention() {
                return;
            }
        }
    }
}

/// What is known of the code at the PC.
struct Found {
    /// Host address of the unit, if it is translated.
    host: Option<u64>,
    key: Key,
    page: CodePage,
}

/// The system registers that are plain storage, for [`Cache::new`].
#[must_use]
pub fn plain_register(enc: SysEnc, context: &Context) -> Option<Plain> {
    macro_rules! sys {
        ($field:ident) => {
            offset_of!(CpuState, sys) + offset_of!(SysRegs, $field)
        };
    }
    const ALL: u64 = u64::MAX;
    const LOW: u64 = 0xffff_ffff;
    let (offset, writable) = match enc.parts() {
        (3, 3, 0, 0, 7) => return Some(Plain::Constant(DCZID)),
        (3, 3, 0, 0, 1) if context.el != El::El0 => return Some(Plain::Constant(CTR)),
        (3, 3, 13, 0, 2) => (sys!(tpidr_el0), Some(ALL)),
        (3, 3, 13, 0, 3) => (sys!(tpidrro_el0), (context.el != El::El0).then_some(ALL)),
        _ if context.el == El::El0 => return None,
        (3, 0, 4, 1, 0) if context.spsel => (offset_of!(CpuState, sp), Some(ALL)),
        (3, 0, 13, 0, 4) => (sys!(tpidr_el1), Some(ALL)),
        (3, 0, 4, 0, 1) => (sys!(elr), Some(ALL)),
        (3, 0, 6, 0, 0) => (sys!(far), Some(ALL)),
        (3, 0, 5, 2, 0) => (sys!(esr), Some(ALL)),
        (3, 0, 4, 0, 0) => (sys!(spsr), Some(LOW)),
        (3, 0, 2, 0, n @ 0..=1) => (sys!(ttbr) + 8 * usize::from(n), None),
        (3, 0, 2, 0, 2) => (sys!(tcr), None),
        (3, 0, 1, 0, 0) => (sys!(sctlr), None),
        (3, 0, 1, 0, 2) => (sys!(cpacr), None),
        (3, 0, 7, 4, 0) => (sys!(par), None),
        (3, 0, 13, 0, 1) => (sys!(contextidr), Some(LOW)),
        (2, 0, 0, 2, 2) => (sys!(mdscr), None),
        _ => return None,
    };
    Some(Plain::Field { offset, writable })
}

impl Core {
    /// Has translated code use the tables of a context; their index.
    fn choose_tables(&mut self, frame: &mut Frame, context: &Context) -> usize {
        let table = self.contexts.index(context.el == El::El0, context.pan);
        let el0_table = self.contexts.index(true, false);
        frame.el0_tables = self.contexts.tables(el0_table).memory() as usize;
        let tables = self.contexts.tables(table);
        tables.set_flavour(context.bits());
        frame.tables = tables.memory() as usize;
        self.table = table;
        table
    }

    /// Host address of the unit at the PC, if it is translated; its key, and the identity of its page.
    fn find_unit(&mut self, s: &CpuState, context: &Context, table: usize) -> Result<Found, Exception> {
        let (pa, global) = self.fetch_page(s)?;
        if self.wiring.bus.target(pa) == Target::Nothing {
            return Err(Exception::instruction_abort(s.pc, Fault::EXTERNAL.status));
        }
        let key = Key::new(pa.0, s.pc, *context);
        let (host, identity) = Runtime::cache(self).find(&key, s.pc);
        let page = CodePage { identity, global };
        if let Some(host) = host.filter(|_| !context.apart) {
            self.contexts.add_code(table, s.pc, page, host);
        }
        Ok(Found { host, key, page })
    }

    /// Host address of the unit at the PC and the identity of its page; none when the cache is full, a breakpoint is there,
    /// or the code changes under our hands.
    fn unit(
        &mut self,
        s: &CpuState,
        context: &Context,
        table: usize,
        cache: &Cache,
    ) -> Result<Option<(u64, u32)>, Exception> {
        let Found { host, key, page } = self.find_unit(s, context, table)?;
        if let Some(host) = host {
            return Ok(Some((host, page.identity)));
        }
        if !cache.has_room() || self.stops_at(s.pc) {
            return Ok(None);
        }
        let Some(host) = self.make_unit(key, s.pc, context, cache) else { return Ok(None) };
        if !context.apart {
            self.contexts.add_code(table, s.pc, page, host);
        }
        Ok(Some((host, page.identity)))
    }

    /// Translates the unit of a key, which is at a virtual address; none when its code changes meanwhile.
    fn make_unit(&mut self, key: Key, va: u64, context: &Context, cache: &Cache) -> Option<u64> {
        let pa = Pa(key.pa);
        let bus = Arc::clone(&self.wiring.bus);
        let page = pa.0 & !0xfff;
        let mut writers = false;
        let ticket = cache.begin(pa.0, || {
            writers = bus.ram().offset(pa, 4).is_some_and(|offset| bus.ram().code_pages().mark(offset));
        });
        if writers {
            // Before its words are read, nobody can store into the page unnoticed any more.
            self.contexts.invalidate(TlbOp::Stores(page));
            self.wiring.shared.broadcast(self.id, TlbOp::Stores(page));
            self.wiring.shared.synchronize(self.id);
        }
        let start = Instant::now();
        let mut spare = std::mem::take(&mut self.spare_blocks);
        let words = RefCell::new(std::mem::take(&mut self.words));
        // Words of zeros are undefined, too.
        let word = |va| Some(self.word(Pa(page | va & 0xfff))).filter(|&word| self.has(word)).unwrap_or(0);
        let at = |offset: u16| word(offset.into());
        let breakpoints = &self.points.breakpoints[..];
        // To read a device's registers twice may do something twice.
        let storable = breakpoints.is_empty() && matches!(bus.target(pa), Target::Ram(_));
        let known_as = storable.then(|| cache.store_key(context, va, at)).flatten();
        let host = known_as.and_then(|start| cache.recall(ticket, key, va, start, at)).or_else(|| {
            let form = Form { breakpoints, ..Form::new(cache.optimizations()) };
            words.borrow_mut().clear();
            let mut unit = form_unit(va, *context, form, &mut spare, |va| {
                let word = word(va);
                words.borrow_mut().add(va as u16 & 0xfff, word);
                word
            });
            let words = words.borrow();
            let host = cache.finish(ticket, key, &unit, known_as.map(|start| (start, &*words)));
            spare.append(&mut unit.blocks);
            host
        });
        cache.stats.add_time(start.elapsed());
        (self.spare_blocks, self.words) = (spare, words.into_inner());
        host
    }

    /// Reads an instruction of the page of `pa`; what cannot be read is a word of zeros, which is undefined.
    fn word(&self, pa: Pa) -> u32 {
        match self.wiring.bus.target(pa) {
            Target::Ram(_) => Bytes::new(self.wiring.bus.ram(), pa, 4).map_or(0, |b| b.load() as u32),
            Target::Device => self.wiring.bus.read(pa, Size::B4, self.id).map_or(0, |v| v as u32),
            Target::Nothing => 0,
        }
    }

    /// Drops all translated code, once every vCPU is out of it.
    fn flush_code(&mut self, cache: &Cache) {
        let shared = &self.wiring.shared;
        (0..shared.count()).filter(|&cpu| cpu != self.id).for_each(|cpu| shared.kick(cpu));
        forget_code(cache, self.wiring.bus.ram());
    }

    /// RAM at `pa` was stored into on the slow path: translated code there is stale.
    pub(super) fn stored(&mut self, pa: Pa) {
        let ram = self.wiring.bus.ram();
        if ram.offset(pa, 1).is_some_and(|offset| ram.code_pages().notice_store(offset)) {
            self.drop_code(pa.0 & !63, 64);
        }
    }

    /// Drops what devices have overwritten.
    pub(super) fn drop_overwritten_code(&mut self) {
        let ram = self.wiring.bus.ram();
        if ram.code_pages().any_written() {
            let base = ram.base().0;
            for offset in ram.code_pages().take_written() {
                self.drop_code(base + offset, 4096);
            }
        }
    }

    fn drop_code(&self, start: u64, len: u64) {
        let Some(cache) = &self.wiring.cache else { return };
        let ram = self.wiring.bus.ram();
        cache.invalidate(start, start + len, || unmark(ram, start));
    }

    /// IC IVAU: translated code in the line of a virtual address is dropped. An address that does not translate holds none.
    pub(super) fn invalidate_code(&mut self, s: &CpuState, va: u64) {
        let known = self.known_page(s, va);
        let access = Access { write: false, fetch: false, el: s.pstate.el, pan: false };
        let walk = || walk::walk(&*self.wiring.bus, &s.sys, va, access).map(|leaf| Pa(leaf.pa.0 & !0xfff));
        if let Some(page) = known.or_else(|| walk().ok()) {
            let ram = self.wiring.bus.ram();
            // The guest's stores come before the look at the mark.
            fence(Ordering::SeqCst);
            // Of flash, nobody keeps which pages hold code.
            if ram.offset(page, 1).is_none_or(|offset| ram.code_pages().is_code(offset)) {
                self.drop_code(page.0 | va & 0xfc0, 64);
            }
        }
    }

    /// Drops the code that was translated for the page of a virtual address.
    pub(super) fn drop_code_at(&self, va: u64) {
        if let Some(cache) = &self.wiring.cache {
            cache.invalidate_virtual(va, |page| unmark(self.wiring.bus.ram(), page));
        }
    }

    /// IC IALLU.
    pub(super) fn invalidate_all_code(&mut self) {
        if let Some(cache) = &self.wiring.cache {
            cache.invalidate_all(|page| unmark(self.wiring.bus.ram(), page));
        }
    }
}

/// Drops all translated code, of which none runs or will before everybody has seen the cache's new epoch.
pub fn forget_code(cache: &Cache, ram: &GuestRam) {
    cache.flush().into_iter().for_each(|page| unmark(ram, page));
}

/// The page of a physical address holds no translated code.
fn unmark(ram: &GuestRam, pa: u64) {
    if let Some(offset) = ram.offset(Pa(pa), 1) {
        ram.code_pages().unmark(offset);
    }
}

/// How units are formed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Form<'a> {
    /// Guest instructions at most.
    pub most: usize,
    /// Blocks at most.
    pub blocks: usize,
    /// Whether what is known already is not computed again; see [`Lift::new`].
    pub simplify: bool,
    /// Addresses at which no unit may be entered, so that it holds none.
    pub breakpoints: &'a [u64],
}

impl Form<'_> {
    /// As those optimisations ask for.
    #[must_use]
    pub fn new(optimizations: Optimizations) -> Self {
        let blocks = if optimizations.contains(Optimizations::BLOCKS) { UNIT_BLOCKS } else { 1 };
        let simplify = optimizations.contains(Optimizations::SIMPLIFY);
        Self { most: UNIT_INSTRUCTIONS, blocks, simplify, breakpoints: &[] }
    }
}

/// Lifts the unit at a virtual address, whose words `word` gives by their address; a single block if it is apart. Its blocks
/// are made in the memory of `spare` ones.
pub fn form_unit(va: u64, context: Context, form: Form<'_>, spare: &mut Vec<Block>, word: impl Fn(u64) -> u32) -> Unit {
    let mut leaders = Leaders::default();
    let most_blocks = if context.apart { 1 } else { form.blocks };
    let stops = |va| !form.breakpoints.is_empty() && form.breakpoints.contains(&va);
    leaders.add(va);
    let mut open = [0; UNIT_BLOCKS];
    open[0] = va;
    let mut opened = 1;
    let mut blocks = Vec::with_capacity(UNIT_BLOCKS);
    let mut budget = form.most;
    while opened > 0 && budget > 0 {
        opened -= 1;
        let mut lift = Lift::new(open[opened], context, form.simplify, spare.pop().unwrap_or_default());
        loop {
            let word = word(lift.next_pc());
            budget -= 1;
            let goes_on = lift.instruction(|b| match a64::decode(word) {
                Some(row) => (row.lift)(b, word),
                None => b.undefined(),
            });
            let next = lift.next_pc();
            if !goes_on || next & 0xfff == 0 || budget == 0 || leaders.contains(next) || stops(next) {
                break;
            }
        }
        let block = lift.finish();
        // The next instruction is lifted first, so that it stands behind this block.
        let targets = match block.term {
            Term::Jump(target) | Term::Poll(target) => [Some(target), None],
            Term::If { target, next, .. } => [Some(target), Some(next)],
            _ => [None; 2],
        };
        for target in targets.into_iter().flatten() {
            let near = target >> 12 == va >> 12 && target & 3 == 0;
            if near && leaders.count < most_blocks && !leaders.contains(target) && !stops(target) {
                leaders.add(target);
                open[opened] = target;
                opened += 1;
            }
        }
        blocks.push(block);
    }
    Unit { blocks, context }
}

/// Addresses of a page at which blocks begin.
#[derive(Default)]
struct Leaders {
    words: [u64; 16],
    count: usize,
}

impl Leaders {
    fn add(&mut self, va: u64) {
        self.words[(va >> 8 & 15) as usize] |= 1 << (va >> 2 & 63);
        self.count += 1;
    }

    fn contains(&self, va: u64) -> bool {
        self.words[(va >> 8 & 15) as usize] >> (va >> 2 & 63) & 1 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jit::moved_and_made;

    /// Scattered bits.
    fn scatter(n: u64) -> u64 {
        let n = (n ^ n >> 32).wrapping_mul(0x9fb2_1c65_1e98_df25);
        (n ^ n >> 29).wrapping_mul(0xd6e8_feb8_6659_fd93) >> 16
    }

    #[test]
    fn a_unit_that_is_moved_is_the_unit_that_would_be_made_there() {
        let el0 = Context { el: El::El0, mmu: true, ..Context::PLAIN };
        let contexts = [Context::PLAIN, el0, Context { fixed: true, ..el0 }];
        let optimizations = Optimizations::all();
        let (mut spare, mut lifted, mut long) = (Vec::new(), 0, 0);
        for n in 0..30_000 {
            let offset = scatter(n) & 0xffc;
            // Words that decode, but for a few.
            let word = |va: u64| {
                let tries = (0..8).map(|try_| scatter(n << 16 | (va & 0xfff) << 3 | try_) as u32);
                tries.into_iter().find(|&word| a64::decode(word).is_some()).unwrap_or(0)
            };
            for context in contexts {
                let mut form =
                    |page: u64| form_unit(page + offset, context, Form::new(optimizations), &mut spare, word);
                let here = form(0xffff_8000_0812_3000);
                let there = form([0x40_0000, 0, 0xffff_ffff_ffff_f000, 0xffff_a5a5_0000_0000][n as usize % 4]);
                let [moved, made] = moved_and_made(&here, &there, plain_register);
                assert_eq!(moved.1, made.1, "sites, case {n} in {context:?}");
                if let Some(at) = moved.0.iter().zip(&made.0).position(|(a, b)| a != b) {
                    panic!("byte {at} of {}, case {n} in {context:?}: {:?}", made.0.len(), here.blocks);
                }
                assert_eq!(moved.0.len(), made.0.len(), "case {n} in {context:?}");
                lifted += here.blocks.iter().map(|block| usize::from(block.len)).sum::<usize>();
                long += usize::from(here.blocks.len() > 2);
            }
        }
        assert!(lifted > 200_000 && long > 5_000, "{lifted} instructions, {long} units of several blocks");
    }
}
