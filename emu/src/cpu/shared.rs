//! What vCPUs and the machine share: interrupt inputs, requests to one another, power.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::thread::Thread;

use devices::bus::IrqSink;
use serde::{Deserialize, Serialize};

use super::halt::{Halting, Held};
use crate::mmu::TlbOp;

/// IRQ and FIQ levels: pins of a vCPU as an [`IrqSink`]: 2n is the IRQ of vCPU n, 2n + 1 its FIQ.
#[derive(Debug)]
pub struct CpuInputs(pub std::sync::Arc<Shared>);

impl IrqSink for CpuInputs {
    fn set_level(&self, pin: u32, level: bool) {
        let Some(cpu) = self.0.cpus.get(pin as usize / 2) else { return };
        let bit = 1 << (pin & 1);
        if level {
            cpu.lines.fetch_or(bit, Ordering::SeqCst);
            self.0.kick(pin as usize / 2);
        } else {
            cpu.lines.fetch_and(!bit, Ordering::SeqCst);
        }
    }
}

/// PSCI's view of a vCPU's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "PSCI's names")]
pub enum PowerState {
    Off,
    OnPending,
    On,
}

/// A vCPU's power, and how it is to start.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Power {
    state: PowerState,
    /// Entry point and context of a pending start.
    entry: (u64, u64),
}

/// What others may do to one vCPU.
#[derive(Debug)]
pub(super) struct CpuShared {
    /// Bit 0 IRQ, bit 1 FIQ.
    pub lines: AtomicU32,
    /// Not zero: leave guest code soon and look at everything here.
    pub attention: AtomicU32,
    /// Runs guest code, so that a broadcast must wait for it.
    pub in_guest: AtomicBool,
    /// An event for WFE.
    pub event: AtomicBool,
    tlb_ops: Mutex<Vec<TlbOp>>,
    thread: Mutex<Option<Thread>>,
    power: Mutex<Power>,
    pub held: Held,
}

/// What the machine is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Verdict {
    /// Go on.
    Run,
    /// The guest powered off.
    PowerOff,
    /// The guest asked for a reset.
    Reset,
    /// The host ends it.
    Quit,
}

const VERDICTS: [Verdict; 4] = [Verdict::Run, Verdict::PowerOff, Verdict::Reset, Verdict::Quit];

/// The vCPUs' common ground.
#[derive(Debug)]
pub struct Shared {
    pub(super) cpus: Vec<CpuShared>,
    verdict: AtomicU8,
    deciding: Mutex<()>,
    /// vCPUs that do not sleep.
    pub(super) awake: AtomicUsize,
    /// How many threads the host runs at once.
    pub(super) cores: usize,
    pub(super) halting: Halting,
}

/// TLB operations that wait for one vCPU; more than these become one of everything.
const MOST_TLB_OPS: usize = 64;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of a vCPU's shared state panics")
}

impl Shared {
    /// For `count` vCPUs, all off.
    #[must_use]
    pub fn new(count: usize) -> Self {
        let cpu = || CpuShared {
            lines: AtomicU32::new(0),
            attention: AtomicU32::new(0),
            in_guest: AtomicBool::new(false),
            event: AtomicBool::new(false),
            tlb_ops: Mutex::default(),
            thread: Mutex::default(),
            power: Mutex::new(Power { state: PowerState::Off, entry: (0, 0) }),
            held: Held::default(),
        };
        Self {
            cpus: (0..count).map(|_| cpu()).collect(),
            verdict: AtomicU8::new(Verdict::Run as u8),
            deciding: Mutex::default(),
            awake: AtomicUsize::new(0),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            halting: Halting::default(),
        }
    }

    /// Count of vCPUs.
    #[must_use]
    pub fn count(&self) -> usize {
        self.cpus.len()
    }

    /// Has a vCPU look at its requests soon.
    pub fn kick(&self, cpu: usize) {
        self.cpus[cpu].attention.store(1, Ordering::SeqCst);
        if let Some(thread) = &*lock(&self.cpus[cpu].thread) {
            thread.unpark();
        }
    }

    /// The calling thread runs this vCPU from now on.
    pub(super) fn attach(&self, cpu: usize) {
        *lock(&self.cpus[cpu].thread) = Some(std::thread::current());
        self.awake.fetch_add(1, Ordering::Relaxed);
    }

    /// The calling thread does so no more.
    pub(super) fn detach(&self) {
        self.awake.fetch_sub(1, Ordering::Relaxed);
    }

    /// What the machine is to do.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        VERDICTS[usize::from(self.verdict.load(Ordering::SeqCst))]
    }

    /// Decides what the machine is to do; a decision to end it stands.
    pub fn decide(&self, verdict: Verdict) {
        {
            let _held = lock(&self.deciding);
            if !matches!(self.verdict(), Verdict::Quit) {
                self.verdict.store(verdict as u8, Ordering::SeqCst);
            }
        }
        for cpu in 0..self.count() {
            self.kick(cpu);
        }
    }

    /// Sends a TLB operation to every other vCPU.
    pub(super) fn broadcast(&self, from: usize, op: TlbOp) {
        for (index, cpu) in self.cpus.iter().enumerate() {
            if index != from {
                let mut ops = lock(&cpu.tlb_ops);
                // A vCPU that is off or idle serves nothing for a while: do not hoard.
                if ops.len() >= MOST_TLB_OPS {
                    ops.clear();
                    ops.push(TlbOp::All);
                } else {
                    ops.push(op);
                }
                drop(ops);
                cpu.attention.store(1, Ordering::SeqCst);
            }
        }
    }

    /// Waits until every other vCPU that runs guest code has carried out what was sent to it.
    pub(super) fn synchronize(&self, from: usize) {
        for (index, cpu) in self.cpus.iter().enumerate() {
            if index == from {
                continue;
            }
            let mut spins = 0u32;
            while cpu.in_guest.load(Ordering::SeqCst) && !lock(&cpu.tlb_ops).is_empty() {
                if self.cpus[from].attention.load(Ordering::SeqCst) != 0 && !lock(&self.cpus[from].tlb_ops).is_empty() {
                    // The other one may be waiting for us: let the caller serve its own requests first.
                    return;
                }
                spins += 1;
                if spins < 100 { std::hint::spin_loop() } else { std::thread::yield_now() }
            }
        }
    }

    /// The TLB operations sent to a vCPU.
    pub(super) fn take_tlb_ops(&self, cpu: usize) -> Vec<TlbOp> {
        std::mem::take(&mut lock(&self.cpus[cpu].tlb_ops))
    }

    /// Turns a vCPU on at an address with a value for X0; false when it was not off.
    pub fn power_on(&self, cpu: usize, pc: u64, x0: u64) -> bool {
        {
            let mut power = lock(&self.cpus[cpu].power);
            if power.state != PowerState::Off {
                return false;
            }
            *power = Power { state: PowerState::OnPending, entry: (pc, x0) };
        }
        self.kick(cpu);
        true
    }

    /// A vCPU's power.
    #[must_use]
    pub fn power(&self, cpu: usize) -> PowerState {
        lock(&self.cpus[cpu].power).state
    }

    /// Turns a vCPU off.
    pub(super) fn power_off(&self, cpu: usize) {
        lock(&self.cpus[cpu].power).state = PowerState::Off;
    }

    /// The entry point of a pending start, which is thereby done.
    pub(super) fn take_start(&self, cpu: usize) -> Option<(u64, u64)> {
        let mut power = lock(&self.cpus[cpu].power);
        (power.state == PowerState::OnPending).then(|| {
            power.state = PowerState::On;
            power.entry
        })
    }

    /// A vCPU's power, to be saved.
    pub fn saved_power(&self, cpu: usize) -> Power {
        *lock(&self.cpus[cpu].power)
    }

    /// A vCPU's power as it was saved, before it runs.
    pub fn restore_power(&self, cpu: usize, power: Power) {
        *lock(&self.cpus[cpu].power) = power;
    }

    /// Everything as before the first start; that the host ended the machine meanwhile stands.
    pub fn reset(&self) {
        for cpu in &self.cpus {
            lock(&cpu.tlb_ops).clear();
            cpu.event.store(false, Ordering::SeqCst);
            lock(&cpu.power).state = PowerState::Off;
        }
        self.decide(Verdict::Run);
    }
}
