//! What both versions of the controller do: forward the highest-priority interrupt to each CPU, acknowledge, end.
//!
//! Every change ends in [`Core::sync`] or [`Core::sync_all`], which find each CPU's best candidate and drive its wires.

use serde::{Deserialize, Serialize};

use super::interface::{Interface, SavedInterface};
use super::interrupts::{Group, INTIDS, Interrupts, MAX_CPUS, Pending, SavedInterrupts, Word};
use crate::bus::{IrqLine, RestoreError};

/// "No interrupt" (IHI 0069H, 2.2.1).
pub(super) const SPURIOUS: u32 = 1023;

/// Interrupts, interfaces and wires.
#[derive(Debug)]
pub(super) struct Core {
    /// Wires to the CPUs.
    irq: Vec<IrqLine>,
    fiq: Vec<IrqLine>,

    pub interrupts: Interrupts,
    pub interfaces: Vec<Interface>,
    /// GICD_CTLR.EnableGrp0 and 1.
    pub enabled: [bool; 2],

    /// Derived: each CPU's highest-priority candidate.
    best: Vec<Option<Pending>>,
}

/// [`Core`] as data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SavedCore {
    interrupts: SavedInterrupts,
    interfaces: Vec<SavedInterface>,
    enabled: [bool; 2],
}

impl Core {
    pub fn new(cpus: usize, irq: Vec<IrqLine>, fiq: Vec<IrqLine>, sgis: Word, interface: Interface) -> Self {
        assert!((1..=MAX_CPUS).contains(&cpus), "{cpus} CPUs: a GIC here has 1 to {MAX_CPUS}");
        assert!(irq.len() == cpus && fiq.len() == cpus, "one IRQ and one FIQ wire for each of {cpus} CPUs");
        let interrupts = Interrupts::new(cpus, sgis);
        Self { irq, fiq, interrupts, interfaces: vec![interface; cpus], enabled: [false; 2], best: vec![None; cpus] }
    }

    pub fn cpus(&self) -> usize {
        self.interrupts.cpus()
    }

    /// Finds a CPU's best candidate anew and drives its wires.
    pub fn sync(&mut self, cpu: usize) {
        let interface = &self.interfaces[cpu];
        let groups = [0, 1].map(|g| self.enabled[g] && interface.enabled[g]);
        self.best[cpu] = self.interrupts.highest(cpu, groups);
        let signal = self.best[cpu].filter(|&p| interface.preempts(p));
        let is_fiq = signal.map(|p| p.group == Group::G0 && interface.group0_is_fiq);
        self.irq[cpu].set_level(is_fiq == Some(false));
        self.fiq[cpu].set_level(is_fiq == Some(true));
    }

    pub fn sync_all(&mut self) {
        for cpu in 0..self.cpus() {
            self.sync(cpu);
        }
    }

    /// Syncs the CPUs that an interrupt, of `cpu`'s view, may go to.
    pub fn sync_intid(&mut self, cpu: usize, intid: usize) {
        let targets = self.interrupts.targets(cpu, intid);
        for cpu in (0..self.cpus()).filter(|cpu| targets >> cpu & 1 != 0) {
            self.sync(cpu);
        }
    }

    pub fn set_line(&mut self, cpu: usize, intid: usize, level: bool) {
        self.interrupts.set_line(cpu, intid, level);
        self.sync_intid(cpu, intid);
    }

    /// The highest-priority candidate, whether or not it may preempt.
    pub fn best(&self, cpu: usize) -> Option<Pending> {
        self.best[cpu]
    }

    /// The interrupt that the CPU is being signalled.
    pub fn signalled(&self, cpu: usize) -> Option<Pending> {
        self.best[cpu].filter(|&p| self.interfaces[cpu].preempts(p))
    }

    /// From pending to active; `still_latched` when another SGI of that number waits.
    pub fn acknowledge(&mut self, cpu: usize, pending: Pending, still_latched: bool) {
        let word = self.interrupts.word_mut(cpu, pending.intid / 32);
        let bit = 1 << (pending.intid % 32);
        word.active |= bit;
        if !still_latched {
            word.latched &= !bit;
        }
        self.interfaces[cpu].activate(pending);
        self.sync_intid(cpu, pending.intid);
    }

    /// Priority drop, and deactivation unless EOImode splits them.
    pub fn end(&mut self, cpu: usize, intid: usize, group: Group) {
        self.interfaces[cpu].drop_priority(group);
        if self.interfaces[cpu].split_eoi {
            self.sync(cpu);
        } else {
            self.deactivate(cpu, intid);
        }
    }

    /// No longer active; out-of-range numbers are ignored.
    pub fn deactivate(&mut self, cpu: usize, intid: usize) {
        if intid < INTIDS {
            self.interrupts.word_mut(cpu, intid / 32).active &= !(1 << (intid % 32));
            self.sync_intid(cpu, intid);
        }
        self.sync(cpu);
    }

    pub fn reset(&mut self, sgis: Word, interface: &Interface) {
        self.interrupts.reset(sgis);
        self.interfaces.fill(interface.clone());
        self.enabled = [false; 2];
        self.sync_all();
    }

    pub fn save(&self) -> SavedCore {
        let Self { irq: _, fiq: _, interrupts, interfaces, enabled, best: _ } = self;
        let interfaces = interfaces.iter().map(Interface::save).collect();
        SavedCore { interrupts: interrupts.save(), interfaces, enabled: *enabled }
    }

    /// Takes the state over but leaves the wires to the caller's [`Core::sync_all`].
    pub fn restore(&mut self, saved: SavedCore, device: &'static str) -> Result<(), RestoreError> {
        let SavedCore { interrupts, interfaces, enabled } = saved;
        let interrupts = Interrupts::restored(interrupts, self.cpus(), device)?;
        if interfaces.len() != self.cpus() {
            return Err(RestoreError { device, field: "interfaces" });
        }
        let interfaces: Result<_, _> = interfaces.into_iter().map(|i| Interface::restored(i, device)).collect();
        (self.interfaces, self.interrupts, self.enabled) = (interfaces?, interrupts, enabled);
        Ok(())
    }
}
