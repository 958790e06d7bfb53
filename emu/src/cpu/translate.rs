//! Translated code in the run loop: finding, making, linking and dropping units.

use std::mem::offset_of;
use std::sync::Arc;

use devices::bus::{Pa, Size, Target};

use super::{Core, Vcpu, context};
use crate::a64;
use crate::a64::sysreg::{CTR, DCZID};
use crate::ir::block::{Term, Unit};
use crate::ir::{Build, Context, Exception, Lift, SysEnc, opt};
use crate::jit::{Cache, Exit, Key, Plain, Runtime};
use crate::mmu::host::Bytes;
use crate::mmu::walk::{self, Access, Fault};
use crate::state::{CpuState, El, SysRegs};

/// Guest instructions in a unit at most.
const UNIT_INSTRUCTIONS: usize = 128;
/// Blocks in a unit at most.
const UNIT_BLOCKS: usize = 24;

impl Runtime for Core {
    fn cache(&self) -> &Cache {
        self.wiring.cache.as_ref().expect("translated code runs out of a cache")
    }

    fn take(&mut self, s: &mut CpuState, exception: Exception) {
        Self::take(self, s, exception);
    }
}

impl Vcpu {
    /// Runs translated code until somebody wants attention or the context may have changed.
    pub(super) fn run_translated(&mut self, cache: &Arc<Cache>) {
        if !cache.has_room() {
            self.core.flush_code(cache);
        }
        let _world = cache.enter_world();
        if self.epoch != cache.epoch() {
            self.epoch = cache.epoch();
            self.core.contexts.forget_code();
        }
        let context = context(&self.frame.s);
        let table = self.core.contexts.index(context.el == El::El0, context.pan);
        let el0_table = self.core.contexts.index(true, false);
        self.frame.attention = (&raw const self.core.wiring.shared.cpus[self.core.id].attention) as usize;
        self.frame.lines = (&raw const self.core.wiring.shared.cpus[self.core.id].lines) as usize;
        self.core.contexts.tables(table).set_flavour(context.bits());
        self.frame.tables = self.core.contexts.tables(table).memory() as usize;
        self.frame.el0_tables = self.core.contexts.tables(el0_table).memory() as usize;
        let mut link = None;
        let mut stale = false;
        loop {
            let known = self.core.contexts.tables(table).jump(self.frame.s.pc).filter(|_| !stale);
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
            stale = exit == Exit::Stale;
            match exit {
                Exit::Stale => {}
                Exit::Indirect => self.frame.s.pc = walk::strip_tag(&self.frame.s.sys, self.frame.s.pc),
                Exit::Link => link = Some(self.frame.link),
                Exit::Sync => return,
            }
            if self.core.attention() {
                return;
            }
        }
    }
}

/// The system registers that are plain storage, for [`Cache::new`].
#[must_use]
pub fn plain_register(enc: SysEnc, context: &Context) -> Option<Plain> {
    macro_rules! sys {
        ($field:ident) => {
            offset_of!(CpuState, sys) + offset_of!(SysRegs, $field)
        };
    }
    let (offset, writable) = match enc.parts() {
        (3, 3, 0, 0, 7) => return Some(Plain::Constant(DCZID)),
        (3, 3, 0, 0, 1) if context.el != El::El0 => return Some(Plain::Constant(CTR)),
        (3, 3, 13, 0, 2) => (sys!(tpidr_el0), true),
        (3, 3, 13, 0, 3) => (sys!(tpidrro_el0), context.el != El::El0),
        _ if context.el == El::El0 => return None,
        (3, 0, 4, 1, 0) if context.spsel => (offset_of!(CpuState, sp), true),
        (3, 0, 13, 0, 4) => (sys!(tpidr_el1), true),
        (3, 0, 4, 0, 1) => (sys!(elr), true),
        (3, 0, 6, 0, 0) => (sys!(far), true),
        (3, 0, 5, 2, 0) => (sys!(esr), true),
        (3, 0, 4, 0, 0) => (sys!(spsr), false),
        (3, 0, 2, 0, n @ 0..=1) => (sys!(ttbr) + 8 * usize::from(n), false),
        (3, 0, 2, 0, 2) => (sys!(tcr), false),
        (3, 0, 1, 0, 0) => (sys!(sctlr), false),
        (3, 0, 1, 0, 2) => (sys!(cpacr), false),
        (3, 0, 7, 4, 0) => (sys!(par), false),
        (3, 0, 13, 0, 1) => (sys!(contextidr), false),
        (2, 0, 0, 2, 2) => (sys!(mdscr), false),
        _ => return None,
    };
    Some(Plain::Field { offset, writable })
}

impl Core {
    /// Host address of the unit at the PC and the identity of its page; none when the cache is full.
    fn unit(
        &mut self,
        s: &CpuState,
        context: &Context,
        table: usize,
        cache: &Cache,
    ) -> Result<Option<(u64, u32)>, Exception> {
        let pa = self.fetch_address(s)?;
        if self.wiring.bus.target(pa) == Target::Nothing {
            return Err(Exception::instruction_abort(s.pc, Fault::EXTERNAL.status));
        }
        let key = Key { pa: pa.0, va: s.pc, context: *context };
        let host = match cache.find(&key) {
            Some(host) => host,
            None if !cache.has_room() => return Ok(None),
            None => {
                let ram = self.wiring.bus.ram();
                if let Some(offset) = ram.offset(pa, 4) {
                    ram.code_pages().set_code(offset, true);
                }
                let page = pa.0 & !0xfff;
                let word = |va| self.word(Pa(page | va & 0xfff));
                let mut unit = form_unit(s.pc, *context, UNIT_INSTRUCTIONS, word);
                unit.blocks.iter_mut().for_each(opt::run);
                cache.insert(key, unit)
            }
        };
        let identity = cache.identity(s.pc, pa.0);
        let tables = self.contexts.tables(table);
        tables.set_code(s.pc, identity);
        tables.add_jump(s.pc, host);
        Ok(Some((host, identity)))
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
        self.leave_guest();
        (0..shared.count()).filter(|&cpu| cpu != self.id).for_each(|cpu| shared.kick(cpu));
        let ram = self.wiring.bus.ram();
        for page in cache.flush() {
            if let Some(offset) = ram.offset(Pa(page), 1) {
                ram.code_pages().set_code(offset, false);
            }
        }
        self.enter_guest();
    }

    /// RAM with translated code at `pa` was written.
    pub(super) fn code_written(&mut self, pa: Pa) {
        self.drop_code(pa.0 & !63, 64);
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
        let any = cache.invalidate(start, start + len);
        if let Some(offset) = ram.offset(Pa(start), 1).filter(|_| !any) {
            ram.code_pages().set_code(offset, false);
        }
    }

    /// IC IVAU: translated code in the line of a virtual address is dropped. An address that does not translate holds none.
    pub(super) fn invalidate_code(&mut self, s: &CpuState, va: u64) {
        let access = Access { write: false, fetch: false, el: s.pstate.el, pan: false };
        if let Ok(leaf) = walk::walk(&*self.wiring.bus, &s.sys, va, access) {
            let ram = self.wiring.bus.ram();
            // Of flash, nobody keeps which pages hold code.
            if ram.offset(leaf.pa, 1).is_none_or(|offset| ram.code_pages().is_code(offset)) {
                self.drop_code(leaf.pa.0 & !63, 64);
            }
        }
    }

    /// IC IALLU.
    pub(super) fn invalidate_all_code(&mut self) {
        if let Some(cache) = &self.wiring.cache {
            cache.invalidate_all();
        }
    }
}

/// Lifts the unit at a virtual address: at most `most` instructions, whose words `word` gives by their address.
pub fn form_unit(va: u64, context: Context, most: usize, word: impl Fn(u64) -> u32) -> Unit {
    let mut leaders = vec![va];
    let mut open = vec![va];
    let mut blocks = Vec::new();
    let mut budget = most;
    while let Some(start) = open.pop().filter(|_| budget > 0) {
        let mut lift = Lift::new(start, context);
        loop {
            let word = word(lift.next_pc());
            budget -= 1;
            let goes_on = lift.instruction(|b| match a64::decode(word) {
                Some(row) => (row.lift)(b, word),
                None => b.undefined(),
            });
            let next = lift.next_pc();
            if !goes_on || next & 0xfff == 0 || budget == 0 || leaders.contains(&next) {
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
            if near && leaders.len() < UNIT_BLOCKS && !leaders.contains(&target) {
                leaders.push(target);
                open.push(target);
            }
        }
        blocks.push(block);
    }
    Unit { blocks, context }
}
