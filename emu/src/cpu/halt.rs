//! Halting: what a debugger outside the machine asks of vCPUs, and what they tell it; and pausing, which asks no more than
//! that they stand still. Both may be asked at once: a vCPU goes on when nobody keeps it.
//!
//! A vCPU that is held stands between two instructions and runs *errands*: closures that are handed the whole vCPU. So
//! its state is read and changed, and it is stepped, on its own thread, and nothing of it is shared. It notices where it
//! notices everything that others ask for, so that nobody pays while there is no debugger.
//!
//! - Breakpoints are addresses. No unit of translated code begins at one or holds one further on, so that jumps to it
//!   lead to the run loop, which halts. Code of EL0, which otherwise holds at any address, is translated for its
//!   addresses while there is a breakpoint in the lower half of the address space ([`Context::fixed`]).
//! - Watchpoints keep their pages off the fast path like the guest's own ([`super::debug`]). The instruction that hits one
//!   has not executed when its vCPU halts.
//! - A step takes no interrupt, so that whoever steps through code stays in it.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, mpsc};
use std::time::Duration;

use super::debug::{COMPARED, Watched};
use super::{Core, PowerState, Shared, Vcpu, Verdict, context};
use crate::ir::{Context, Exception};
use crate::mmu::walk;
use crate::state::CpuState;

/// Bytes whose accesses halt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watchpoint {
    /// First byte.
    pub first: u64,
    /// Last byte.
    pub last: u64,
    /// Reads halt.
    pub read: bool,
    /// Writes halt.
    pub write: bool,
}

/// Where vCPUs halt. What is set twice is there twice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Points {
    /// Addresses of instructions, before which to halt.
    pub breakpoints: Vec<u64>,
    /// Data accesses to halt before.
    pub watchpoints: Vec<Watchpoint>,
}

/// Why a vCPU halted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It is about to execute an instruction with a breakpoint.
    Breakpoint,
    /// It is about to execute an instruction that hits a watchpoint at an address.
    Watchpoint(Watchpoint, u64),
    /// It has done the steps that were asked for.
    Step,
}

/// A vCPU that halted, and all others with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Halted {
    /// Which one.
    pub cpu: usize,
    /// Why.
    pub why: Why,
}

/// Something to be done with a vCPU on its own thread.
type Errand = Box<dyn FnOnce(&mut Vcpu) + Send>;
/// Called when a vCPU has halted.
type Bell = Box<dyn Fn() + Send>;

/// One vCPU's share.
#[derive(Default)]
pub(super) struct Held {
    held: AtomicBool,
    errands: Mutex<VecDeque<Errand>>,
}

/// The machine's share.
#[derive(Default)]
pub(super) struct Halting {
    /// Everybody stands still, whatever a debugger says.
    paused: AtomicBool,
    /// Resumed, and nobody has halted since.
    resumed: AtomicBool,
    halted: Mutex<Option<Halted>>,
    bell: Mutex<Option<Bell>>,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({})", self.held.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for Halting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Halting({:?})", lock(&self.halted))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics who holds what debuggers share")
}

impl Shared {
    /// Has `bell` called whenever a vCPU halts by itself.
    pub fn on_halt(&self, bell: Option<Bell>) {
        *lock(&self.halting.bell) = bell;
    }

    /// Has every vCPU stand still soon, until it is released.
    pub fn hold(&self) {
        let _halted = lock(&self.halting.halted);
        self.hold_all();
    }

    fn hold_all(&self) {
        self.halting.resumed.store(false, Ordering::SeqCst);
        for (index, cpu) in self.cpus.iter().enumerate() {
            cpu.held.held.store(true, Ordering::SeqCst);
            self.kick(index);
        }
    }

    /// Has every vCPU stand still soon, or go on as far as no debugger holds it.
    pub fn pause(&self, pause: bool) {
        self.halting.paused.store(pause, Ordering::SeqCst);
        (0..self.count()).for_each(|cpu| self.kick(cpu));
    }

    /// Whether every vCPU stands still, or soon will, because of [`Shared::pause`].
    #[must_use]
    pub fn paused(&self) -> bool {
        self.halting.paused.load(Ordering::SeqCst)
    }

    /// Lets the vCPUs go that `goes` names; from now on they and errands may halt.
    pub fn release(&self, goes: impl Fn(usize) -> bool) {
        *lock(&self.halting.halted) = None;
        self.halting.resumed.store(true, Ordering::SeqCst);
        for (index, cpu) in self.cpus.iter().enumerate().filter(|(index, _)| goes(*index)) {
            cpu.held.held.store(false, Ordering::SeqCst);
            self.kick(index);
        }
    }

    /// Who has halted by itself since the last release, if anyone: the first to do so.
    pub fn take_halted(&self) -> Option<Halted> {
        lock(&self.halting.halted).take()
    }

    /// A vCPU halts, and all others with it. One that does so a moment later will do it again when it is released.
    fn halt(&self, why: Halted) {
        let mut halted = lock(&self.halting.halted);
        if self.halting.resumed.load(Ordering::SeqCst) {
            *halted = Some(why);
            self.hold_all();
            if let Some(bell) = &*lock(&self.halting.bell) {
                bell();
            }
        }
    }

    /// Has something done with a vCPU while it is held or paused.
    pub fn send(&self, cpu: usize, errand: impl FnOnce(&mut Vcpu) + Send + 'static) {
        lock(&self.cpus[cpu].held.errands).push_back(Box::new(errand));
        self.kick(cpu);
    }

    /// Waits until something is done with a vCPU that is held or paused; none if the machine ends before.
    pub fn on<R: Send + 'static>(&self, cpu: usize, errand: impl FnOnce(&mut Vcpu) -> R + Send + 'static) -> Option<R> {
        let (reply, replied) = mpsc::channel();
        self.send(cpu, move |vcpu| {
            // Who asked may have given up, since the machine ends.
            let _ = reply.send(errand(vcpu));
        });
        self.answer(&replied)
    }

    /// Waits for the machine's answer; none if it ends before.
    pub fn answer<R>(&self, answered: &mpsc::Receiver<R>) -> Option<R> {
        loop {
            match answered.recv_timeout(Duration::from_millis(100)) {
                Ok(answer) => return Some(answer),
                Err(mpsc::RecvTimeoutError::Disconnected) => return None,
                Err(mpsc::RecvTimeoutError::Timeout) if self.ends() => return None,
                Err(mpsc::RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Whether the machine is about to end.
    #[must_use]
    pub fn ends(&self) -> bool {
        matches!(self.verdict(), Verdict::PowerOff | Verdict::Quit)
    }
}

impl Vcpu {
    /// Stands still and runs errands as long as this vCPU is held or the machine paused. Whether it was.
    pub(super) fn stand(&mut self) -> bool {
        let shared = self.core.wiring.shared.clone();
        let held = &shared.cpus[self.core.id].held;
        let mut stood = false;
        let stays = || held.held.load(Ordering::SeqCst) || shared.paused();
        while stays() && shared.verdict() == Verdict::Run {
            stood = true;
            let errand = lock(&held.errands).pop_front();
            match errand {
                Some(errand) => errand(self),
                None => shared.sleep(None),
            }
        }
        stood
    }

    /// Halts if the next instruction has a breakpoint. Whether it did.
    pub(super) fn meets_breakpoint(&mut self) -> bool {
        let meets = self.core.stops_at(self.frame.s.pc);
        if meets {
            self.core.halt(Why::Breakpoint);
        }
        meets
    }

    /// An errand: sets where to halt from now on. The first vCPU's drops the code that was translated otherwise.
    pub fn set_points(&mut self, points: &Points) {
        let core = &mut self.core;
        let before = std::mem::replace(&mut core.points, points.clone());
        core.fixed = points.breakpoints.iter().any(|va| va >> 55 & 1 == 0);
        if before.watchpoints != points.watchpoints {
            core.contexts.flush();
        }
        if core.id == 0 {
            let (old, new) = (&before.breakpoints, &points.breakpoints);
            let changed = old.iter().filter(|va| !new.contains(va)).chain(new.iter().filter(|va| !old.contains(va)));
            changed.for_each(|&va| core.drop_code_at(va));
        }
    }

    /// An errand: executes at least one instruction, and further ones while they are in `range`; then halts. An exception
    /// that an instruction takes is its whole execution.
    pub fn advance(&mut self, range: &Range<u64>) {
        let shared = self.core.wiring.shared.clone();
        while shared.halting.resumed.load(Ordering::SeqCst) && shared.verdict() == Verdict::Run {
            if shared.power(self.core.id) == PowerState::On {
                self.step_alone();
            }
            if !range.contains(&self.frame.s.pc) || shared.power(self.core.id) != PowerState::On {
                self.core.halt(Why::Step);
            } else {
                self.meets_breakpoint();
            }
        }
    }

    /// One instruction, as if the vCPU ran guest code: others' TLB maintenance waits for it. It waits for nothing.
    fn step_alone(&mut self) {
        while !self.core.enter_guest() {
            self.core.leave_guest();
            self.core.serve(&self.frame.s);
        }
        self.step();
        self.core.waiting = None;
        self.core.leave_guest();
    }
}

impl Core {
    fn halt(&self, why: Why) {
        self.wiring.shared.halt(Halted { cpu: self.id, why });
    }

    /// Whether an instruction has a breakpoint.
    pub(super) fn stops_at(&self, va: u64) -> bool {
        self.points.breakpoints.contains(&va)
    }

    /// What instructions mean now, for the translator.
    pub(super) fn context(&self, s: &CpuState) -> Context {
        Context { fixed: self.fixed, ..context(s) }
    }

    /// Whether the 4 KiB page of an address has a watchpoint.
    pub(super) fn page_has_watchpoint(&self, va: u64) -> bool {
        let page = va & COMPARED & !0xfff;
        let watchpoints = self.points.watchpoints.iter();
        watchpoints
            .map(|w| (w.first & COMPARED & !0xfff, w.last & COMPARED))
            .any(|(from, to)| from <= page && page <= to)
    }

    /// Halts when an access hits a watchpoint.
    pub(super) fn meet_watchpoints(&self, s: &CpuState, access: Watched) -> Result<(), Exception> {
        if self.points.watchpoints.is_empty() {
            return Ok(());
        }
        let first = walk::strip_tag(&s.sys, access.va) & COMPARED;
        let last = first + u64::from(access.bytes) - 1;
        let hit = self.points.watchpoints.iter().find(|w| {
            let kind = (access.read && w.read) || (access.write && w.write);
            kind && w.first & COMPARED <= last && first <= w.last & COMPARED
        });
        match hit {
            Some(watchpoint) => {
                self.halt(Why::Watchpoint(*watchpoint, watchpoint.first.max(walk::strip_tag(&s.sys, access.va))));
                Err(Exception::HALT)
            }
            None => Ok(()),
        }
    }
}
