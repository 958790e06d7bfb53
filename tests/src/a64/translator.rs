//! The translator as an engine: units of a case's words, run by a loop like the CPU's on flat memory.

use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use devices::bus::Pa;
use emu::cpu::{Form, form_unit};
use emu::ir::{Context, Exception};
use emu::jit::{Cache, Exit, Frame, Key, Optimizations, Reach, Runtime};
use emu::mmu::walk::Perms;
use emu::mmu::{CodePage, Contexts, Leaf, TlbOp};
use emu::state::CpuState;

use super::interpreter::{Flat, Run, STEPS, signal, without_tag};
use super::{Case, Engine, Outcome, Signal};

/// Which paths of the translator cases take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// What it does for speed.
    pub optimizations: Optimizations,
    /// Guest instructions in a unit at most: with few, units are linked rather than blocks.
    pub most: usize,
    /// Somebody wants attention all the time, so that nothing jumps backwards without the run loop.
    pub attention: bool,
}

impl Manner {
    /// With everything.
    pub const FULL: Self = Self { optimizations: Optimizations::all(), most: 128, attention: false };

    /// Those that between them take every path: everything, nothing, and everything but one.
    pub fn all() -> impl Iterator<Item = Self> {
        let full = [Self::FULL, Self { most: 3, ..Self::FULL }, Self { attention: true, ..Self::FULL }];
        let none = Self { optimizations: Optimizations::empty(), ..Self::FULL };
        let without = Optimizations::all().iter().map(|one| Optimizations::all() - one);
        full.into_iter().chain([none]).chain(without.map(|optimizations| Self { optimizations, ..Self::FULL }))
    }
}

/// What [`Flat`] needs to be the runtime of translated code.
#[derive(Debug)]
pub(super) struct Host {
    cache: Arc<Cache>,
    contexts: Contexts,
    stopped: Option<Signal>,
}

impl Host {
    /// Has probes for `va` find its page from now on.
    pub fn enter(&mut self, va: u64, page: &mut [u8], write: bool) {
        let all = Perms { read: true, write: true, execute: true };
        let pa = Pa(without_tag(va) & !0xfff);
        let leaf = Leaf { pa, shift: 12, attr: 0xff, sh: 3, global: true, el1: all, el0: all, dirty: true };
        let addend = (page.as_mut_ptr() as u64).wrapping_sub(va & !0xfff);
        let table = self.contexts.index(true, false);
        self.contexts.tables(table).insert(va, &leaf, Some((addend, 0)), true, write);
    }
}

impl Runtime for Flat {
    fn cache(&self) -> &Cache {
        &self.host.as_ref().expect("it is there while translated code runs").cache
    }

    fn reach(&mut self, _: &CpuState, reach: Reach) -> Result<Option<u64>, Exception> {
        let Reach { access, mem, write, first, bytes } = reach;
        self.bytes(access, mem, write)?;
        let host = self.host.as_mut().expect("it is there while translated code runs");
        let table = host.contexts.index(true, false);
        Ok(host.contexts.tables(table).probe(first, bytes.into(), write))
    }

    fn take(&mut self, _: &mut CpuState, exception: Exception) {
        self.host.as_mut().expect("it is there while translated code runs").stopped = Some(signal(exception));
    }
}

/// Runs cases on translated code.
#[derive(Debug)]
pub struct Translator {
    manner: Manner,
    cache: Arc<Cache>,
    host: Option<Host>,
    frame: Box<Frame>,
    attention: Box<AtomicU32>,
    /// Number of the code's physical page, another for each case.
    page: u64,
}

impl Translator {
    /// One that translates in that manner.
    ///
    /// # Errors
    /// The host's refusal to map memory for code.
    pub fn new(manner: Manner) -> io::Result<Self> {
        let cache = Arc::new(Cache::new(|_, _| None, manner.optimizations)?);
        let contexts = Contexts::default();
        let host = Host { cache: cache.clone(), contexts, stopped: None };
        let attention = Box::new(AtomicU32::new(manner.attention.into()));
        let frame = Frame::new(CpuState::default());
        Ok(Self { manner, cache, host: Some(host), frame, attention, page: 0 })
    }

    /// How it translates.
    #[must_use]
    pub fn manner(&self) -> Manner {
        self.manner
    }

    /// Calls of operations that have no emitter, by name.
    #[must_use]
    pub fn evals(&self) -> Vec<(&'static str, u64)> {
        self.cache.stats.evals()
    }

    /// Host address of the unit at the PC, and the identity of its page.
    fn unit(&self, run: &Run, apart: bool) -> (u64, u32) {
        let (pc, context) = (self.frame.s.pc, Context { apart, ..run.context(&self.frame.s) });
        let key = Key::new(self.page << 12 | pc & 0xfff, pc, context);
        let (known, identity) = self.cache.find(&key, pc);
        let host = known.unwrap_or_else(|| {
            let form = Form { most: self.manner.most, ..Form::new(self.manner.optimizations) };
            let unit = form_unit(pc, context, form, &mut Vec::new(), |va| run.memory.word(va).unwrap_or(0));
            self.cache.insert(key, &unit)
        });
        (host, identity)
    }

    /// Runs translated code to the case's end.
    fn execute(&mut self, run: &mut Run) -> Signal {
        let cache = self.cache.clone();
        let _world = cache.enter_world();
        let (mut link, mut apart) = (None, false);
        for _ in 0..10 * STEPS {
            if !self.frame.s.pc.is_multiple_of(4) {
                return Signal::Alignment;
            }
            if run.memory.word(self.frame.s.pc).is_none() {
                return Signal::Fault;
            }
            let (code, identity) = self.unit(run, apart);
            let pc = self.frame.s.pc;
            let host = run.memory.host.as_mut().expect("it was put there");
            let table = host.contexts.index(true, false);
            let tables = host.contexts.tables(table);
            if !apart {
                tables.set_code(pc, CodePage { identity, global: true });
                tables.add_jump(pc, code);
            }
            self.frame.tables = tables.memory() as usize;
            self.frame.el0_tables = self.frame.tables;
            if let Some(link) = link.take() {
                cache.link(link, code, identity);
            }
            let exit = cache.enter(&mut self.frame, &mut run.memory, code);
            apart = exit == Exit::Apart;
            match exit {
                Exit::Stale | Exit::Sync => {}
                Exit::Apart => link = Some(self.frame.link).filter(|&link| link != 0),
                Exit::Indirect => self.frame.s.pc = without_tag(self.frame.s.pc),
                Exit::Link => link = Some(self.frame.link),
            }
            if let Some(signal) = run.memory.host.as_mut().and_then(|host| host.stopped.take()) {
                return signal;
            }
        }
        panic!("a case loops on translated code")
    }
}

impl Engine for Translator {
    fn run(&mut self, case: &Case) -> Outcome {
        let mut host = self.host.take().expect("no case is running");
        if !self.cache.has_room() {
            self.cache.flush();
        }
        host.contexts.invalidate(TlbOp::All);
        self.page += 1;
        self.frame.attention = (&raw const *self.attention) as usize;
        self.frame.lines = self.frame.attention;
        let mut run = Run::new(case);
        self.frame.s = mem::take(&mut run.s);
        run.memory.host = Some(host);
        let signal = self.execute(&mut run);
        self.host = run.memory.host.take();
        run.s = mem::take(&mut self.frame.s);
        run.outcome(signal)
    }
}
