//! The run loop: requests, interrupts, waiting, and instructions.

use std::sync::atomic::Ordering;

use super::{Core, Vcpu, Verdict, context, reset_state};
use super::{exception, idle};
use crate::a64;
use crate::interp::Eval;
use crate::ir::{Exception, Flow, Wait};
use crate::mmu::walk;
use crate::state::CpuState;

/// What executes instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// One at a time.
    Interpreter,
    /// Translated.
    Jit,
}

/// Instructions between looks at requests that nobody was kicked for.
const SLICE: u32 = 1024;

impl Vcpu {
    /// Runs this vCPU on the calling thread until the machine ends or resets; returns that verdict.
    pub fn run(&mut self) -> Verdict {
        idle::wake_in_time();
        let shared = self.core.wiring.shared.clone();
        shared.attach(self.core.id);
        let verdict = self.run_attached();
        shared.detach();
        verdict
    }

    fn run_attached(&mut self) -> Verdict {
        loop {
            match self.core.wiring.shared.verdict() {
                Verdict::Run => {}
                verdict => return verdict,
            }
            if let Some((pc, x0)) = self.core.wiring.shared.take_start(self.core.id) {
                self.start(pc, x0);
            }
            if self.core.serve(&self.frame.s) && self.stand() {
                continue;
            }
            if self.core.wiring.shared.power(self.core.id) == super::PowerState::Off {
                self.core.wiring.shared.sleep(None);
                continue;
            }
            self.core.drop_overwritten_code();
            if self.core.wait(&self.frame.s) {
                continue;
            }
            self.take_interrupts();
            if self.meets_breakpoint() {
                continue;
            }
            match self.core.wiring.cache.clone() {
                Some(cache) if self.core.translates(&self.frame.s) => self.run_translated(&cache),
                _ if self.core.enter_guest() => self.interpret(),
                _ => {}
            }
            self.core.leave_guest();
        }
    }

    fn interpret(&mut self) {
        for _ in 0..SLICE {
            self.step();
            if self.core.waiting.is_some() || self.core.attention() || self.core.stops_at(self.frame.s.pc) {
                break;
            }
        }
    }

    fn start(&mut self, pc: u64, x0: u64) {
        self.frame.s = reset_state();
        self.frame.s.pc = pc;
        self.frame.s.x[0] = x0;
        self.core.event = false;
        self.core.waiting = None;
        self.forget_translations();
        self.core.fetched = None;
        self.core.stepped = None;
        self.core.debug_changed(&self.frame.s);
        self.core.sync_timers(&self.frame.s);
    }

    fn take_interrupts(&mut self) {
        let lines = self.core.wiring.shared.cpus[self.core.id].lines.load(Ordering::SeqCst);
        if let Some(interrupt) = exception::unmasked(lines, &self.frame.s) {
            exception::interrupt(&mut self.frame.s, interrupt);
        }
    }

    /// Executes one instruction, or takes its exception.
    pub(super) fn step(&mut self) {
        if let Err(exception) = self.instruction() {
            self.core.take(&mut self.frame.s, exception);
            self.core.waiting.get_or_insert(Wait::Sevl);
        }
    }

    fn instruction(&mut self) -> Result<(), Exception> {
        let context = context(&self.frame.s);
        if context.step {
            self.core.before(&self.frame.s)?;
        }
        let word = self.core.fetch(&self.frame.s)?;
        if context.step {
            self.core.check_breakpoints(&self.frame.s)?;
        }
        if self.frame.s.pstate.il {
            return Err(Exception::ILLEGAL_STATE);
        }
        let row = a64::decode(word).filter(|_| self.core.has(word)).ok_or(Exception::UNDEFINED)?;
        self.core.instructions += 1;
        if let Some(trace) = &mut self.core.trace {
            trace.add(self.frame.s.pc, word);
        }
        let flow = (row.eval)(&mut Eval::new(&mut self.frame.s, &mut self.core, &context), word)?;
        if context.step {
            self.core.after(&mut self.frame.s, word);
        }
        let next = self.frame.s.pc.wrapping_add(4);
        self.frame.s.pc = match flow {
            Flow::Next => next,
            Flow::Sync | Flow::Poll | Flow::Fence => {
                self.core.waiting.get_or_insert(Wait::Sevl);
                next
            }
            Flow::Resume => {
                self.core.waiting.get_or_insert(Wait::Sevl);
                return Ok(());
            }
            Flow::Jump(target) | Flow::Call(target) => target,
            Flow::If { cond, target } => {
                if cond != 0 {
                    target
                } else {
                    next
                }
            }
            Flow::Indirect { target, .. } => walk::strip_tag(&self.frame.s.sys, target),
        };
        Ok(())
    }
}

impl Core {
    /// Whether the model has the instruction of a word, if that is one at all.
    pub(super) fn has(&self, word: u32) -> bool {
        !self.lacking || a64::decode(word).is_none_or(|row| self.model.has(row.name))
    }

    /// Whether translated code may run now.
    fn translates(&self, s: &CpuState) -> bool {
        !context(s).step && !s.pstate.il && self.trace.is_none()
    }

    pub(super) fn attention(&self) -> bool {
        self.wiring.shared.cpus[self.id].attention.load(Ordering::SeqCst) != 0
    }

    /// Serves what others asked for; false if they did not.
    pub(super) fn serve(&mut self, s: &CpuState) -> bool {
        let shared = &self.wiring.shared.cpus[self.id];
        if shared.attention.swap(0, Ordering::SeqCst) == 0 {
            return false;
        }
        self.event |= shared.event.swap(false, Ordering::SeqCst);
        for op in self.wiring.shared.take_tlb_ops(self.id) {
            self.contexts.invalidate(op);
        }
        self.sync_timers(s);
        true
    }

    /// Before guest code runs. False if it may not, since somebody asked for something: who did so until now does not wait
    /// for us.
    pub(super) fn enter_guest(&self) -> bool {
        self.wiring.shared.cpus[self.id].in_guest.store(true, Ordering::SeqCst);
        !self.attention()
    }

    pub(super) fn leave_guest(&self) {
        self.wiring.shared.cpus[self.id].in_guest.store(false, Ordering::SeqCst);
    }
}
