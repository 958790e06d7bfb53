//! GICv3 (IHI 0069H): the controller and its system-register CPU interface (12.2).
//!
//! CPU n has affinity 0.0.0.n. Left out, beside what [`super`] lists: GICR_WAKER gates nothing (interrupts are
//! forwarded to a CPU whose ProcessorSleep is still set), ICC_ASGI1R_EL1 (with one security state there is no other to
//! send to), the priority mask hint (PMHE is RAZ/WI).

use std::sync::{Arc, Mutex, MutexGuard};

use serde::{Deserialize, Serialize};

use super::core::{Core, SPURIOUS, SavedCore};
use super::interface::Interface;
use super::interrupts::{Group, INTIDS, PRIORITY_MASK, Pending, Word};
use crate::bus::{GicCpuPort, IccReg, IrqLine, IrqSink, RestoreError};

const NAME: &str = "gicv3";

/// GICD_IROUTER bits that hold an affinity; IRM is RES0, for GICD_TYPER.No1N is one.
const AFFINITY: u64 = 0xff_00ff_ffff;

/// ICC_CTLR_EL1: A3V, PRIbits of five priority bits, IDbits of 16.
const ICC_CTLR: u64 = 1 << 15 | 4 << 8;
const CTLR_CBPR: u64 = 1;
const CTLR_EOIMODE: u64 = 1 << 1;

/// SGIs and PPIs at power-on: SGIs are edge-triggered.
const SGIS: Word = Word { enabled: 0, latched: 0, line: 0, active: 0, edge: 0xffff, group1: 0 };

/// A GICv3. Its [`IrqSink`] is for SPIs: pin n is SPI n, that is INTID 32 + n.
#[derive(Debug)]
pub struct GicV3(Mutex<State>);

#[derive(Debug)]
pub(super) struct State {
    pub core: Core,
    /// GICD_IROUTER of each SPI.
    routers: Vec<u64>,
    /// GICR_WAKER.ProcessorSleep of each CPU.
    pub asleep: Vec<bool>,
}

/// A [`GicV3`] as data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedGicV3 {
    core: SavedCore,
    routers: Vec<u64>,
    asleep: Vec<bool>,
}

/// The PPI wires of one CPU: pin n is PPI n as device trees count, that is INTID 16 + n.
#[derive(Debug)]
pub struct PrivateLines {
    gic: Arc<GicV3>,
    cpu: usize,
}

impl GicV3 {
    /// A controller for 1 to [`super::MAX_CPUS`] CPUs; `irq[n]` and `fiq[n]` end at CPU n's inputs.
    ///
    /// # Panics
    /// When the numbers of CPUs and wires disagree: an error of the board.
    #[must_use]
    pub fn new(cpus: usize, irq: Vec<IrqLine>, fiq: Vec<IrqLine>) -> Arc<Self> {
        let core = Core::new(cpus, irq, fiq, SGIS, Interface::new(true));
        let mut state = State { core, routers: vec![0; INTIDS - 32], asleep: vec![true; cpus] };
        state.route_all();
        Arc::new(Self(Mutex::new(state)))
    }

    /// Where the PPIs of one CPU end.
    ///
    /// # Panics
    /// When there is no such CPU: an error of the board.
    #[must_use]
    pub fn ppis(self: &Arc<Self>, cpu: usize) -> Arc<PrivateLines> {
        assert!(cpu < self.lock().core.cpus(), "CPU {cpu} does not exist");
        Arc::new(PrivateLines { gic: Arc::clone(self), cpu })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("the GIC never panics")
    }

    pub(super) fn reset(&self) {
        let mut state = self.lock();
        state.routers.fill(0);
        state.asleep.fill(true);
        state.core.reset(SGIS, &Interface::new(true));
        state.route_all();
        state.core.sync_all();
    }

    pub(super) fn save(&self) -> SavedGicV3 {
        let State { core, routers, asleep } = &*self.lock();
        SavedGicV3 { core: core.save(), routers: routers.clone(), asleep: asleep.clone() }
    }

    pub(super) fn restore(&self, saved: SavedGicV3) -> Result<(), RestoreError> {
        let SavedGicV3 { core, routers, asleep } = saved;
        let mut state = self.lock();
        let error = |field| Err(RestoreError { device: NAME, field });
        if routers.len() != INTIDS - 32 || routers.iter().any(|r| r & !AFFINITY != 0) {
            return error("routers");
        }
        if asleep.len() != state.core.cpus() {
            return error("asleep");
        }
        state.core.restore(core, NAME)?;
        (state.routers, state.asleep) = (routers, asleep);
        state.route_all();
        state.core.sync_all();
        Ok(())
    }
}

impl State {
    pub fn router(&self, intid: usize) -> u64 {
        self.routers[intid - 32]
    }

    /// GICD_IROUTER; an affinity that no CPU has leaves the SPI pending for nobody.
    pub fn set_router(&mut self, intid: usize, value: u64) {
        self.routers[intid - 32] = value & AFFINITY;
        self.route(intid);
    }

    fn route(&mut self, intid: usize) {
        let affinity = self.routers[intid - 32];
        let mask = if affinity < self.core.cpus() as u64 { 1 << affinity } else { 0 };
        self.core.interrupts.set_targets(intid, mask);
    }

    fn route_all(&mut self) {
        (32..INTIDS).for_each(|intid| self.route(intid));
    }

    fn acknowledge(&mut self, cpu: usize, group: Group) -> u32 {
        let Some(pending) = self.core.signalled(cpu).filter(|p| p.group == group) else { return SPURIOUS };
        self.core.acknowledge(cpu, pending, false);
        pending.intid as u32
    }

    fn end(&mut self, cpu: usize, group: Group, value: u64) {
        let intid = value as usize & 0xff_ffff;
        if intid < 1020 && self.core.interfaces[cpu].running_group() == Some(group) {
            self.core.end(cpu, intid, group);
        }
    }

    /// ICC_SGI0R_EL1 and ICC_SGI1R_EL1 (12.2.18): an SGI becomes pending where its group is the one asked for.
    fn send_sgi(&mut self, sender: usize, group: Group, value: u64) {
        let to_others = value >> 40 & 1 != 0;
        // Affinity levels above 0, and the range of 16 that TargetList counts from, are zero for every CPU.
        let to_list = value & 0x00ff_f0ff_00ff_0000 == 0;
        let bit = 1 << (value >> 24 & 0xf);
        for cpu in 0..self.core.cpus() {
            let listed = to_list && value >> cpu & 1 != 0;
            if if to_others { cpu != sender } else { listed } {
                let word = self.core.interrupts.word_mut(cpu, 0);
                if (word.group1 & bit != 0) == (group == Group::G1) {
                    word.latched |= bit;
                    self.core.sync(cpu);
                }
            }
        }
    }
}

impl IrqSink for GicV3 {
    fn set_level(&self, pin: u32, level: bool) {
        let intid = pin as usize + 32;
        assert!(intid < INTIDS, "SPI {pin} does not exist");
        self.lock().core.set_line(0, intid, level);
    }
}

impl IrqSink for PrivateLines {
    fn set_level(&self, pin: u32, level: bool) {
        assert!(pin < 16, "PPI {pin} does not exist");
        self.gic.lock().core.set_line(self.cpu, pin as usize + 16, level);
    }
}

fn of_group(best: Option<Pending>, group: Group) -> u64 {
    best.filter(|p| p.group == group).map_or(u64::from(SPURIOUS), |p| p.intid as u64)
}

impl GicCpuPort for GicV3 {
    fn icc_read(&self, cpu: usize, reg: IccReg) -> u64 {
        let mut state = self.lock();
        let interface = &state.core.interfaces[cpu];
        match reg {
            IccReg::Iar0 => state.acknowledge(cpu, Group::G0).into(),
            IccReg::Iar1 => state.acknowledge(cpu, Group::G1).into(),
            IccReg::Hppir0 => of_group(state.core.best(cpu), Group::G0),
            IccReg::Hppir1 => of_group(state.core.best(cpu), Group::G1),
            IccReg::Rpr => interface.running().into(),
            IccReg::Pmr => interface.pmr.into(),
            IccReg::Bpr0 => interface.bpr(Group::G0).into(),
            IccReg::Bpr1 => interface.bpr(Group::G1).into(),
            IccReg::Ap0r(0) => interface.active[0].into(),
            IccReg::Ap1r(0) => interface.active[1].into(),
            IccReg::Igrpen0 => interface.enabled[0].into(),
            IccReg::Igrpen1 => interface.enabled[1].into(),
            IccReg::Ctlr => {
                let flag = |set: bool, bit| if set { bit } else { 0 };
                ICC_CTLR | flag(interface.common_bpr, CTLR_CBPR) | flag(interface.split_eoi, CTLR_EOIMODE)
            }
            // System registers are on, bypass is off, both for good.
            IccReg::Sre => 7,
            IccReg::Ap0r(_) | IccReg::Ap1r(_) => 0,
            IccReg::Asgi1r | IccReg::Dir | IccReg::Eoir0 | IccReg::Eoir1 | IccReg::Sgi0r | IccReg::Sgi1r => 0,
        }
    }

    fn icc_write(&self, cpu: usize, reg: IccReg, value: u64) {
        let mut state = self.lock();
        let interface = &mut state.core.interfaces[cpu];
        match reg {
            IccReg::Eoir0 => return state.end(cpu, Group::G0, value),
            IccReg::Eoir1 => return state.end(cpu, Group::G1, value),
            IccReg::Sgi0r => return state.send_sgi(cpu, Group::G0, value),
            IccReg::Sgi1r => return state.send_sgi(cpu, Group::G1, value),
            IccReg::Dir => {
                if interface.split_eoi {
                    state.core.deactivate(cpu, value as usize & 0xff_ffff);
                }
                return;
            }
            IccReg::Pmr => interface.pmr = value as u8 & PRIORITY_MASK,
            IccReg::Bpr0 => interface.set_bpr(Group::G0, value as u8),
            IccReg::Bpr1 => interface.set_bpr(Group::G1, value as u8),
            IccReg::Ap0r(0) => interface.active[0] = value as u32,
            IccReg::Ap1r(0) => interface.active[1] = value as u32,
            IccReg::Igrpen0 => interface.enabled[0] = value & 1 != 0,
            IccReg::Igrpen1 => interface.enabled[1] = value & 1 != 0,
            IccReg::Ctlr => {
                interface.common_bpr = value & CTLR_CBPR != 0;
                interface.split_eoi = value & CTLR_EOIMODE != 0;
            }
            IccReg::Ap0r(_) | IccReg::Ap1r(_) | IccReg::Asgi1r | IccReg::Sre => return,
            IccReg::Hppir0 | IccReg::Hppir1 | IccReg::Iar0 | IccReg::Iar1 | IccReg::Rpr => return,
        }
        state.core.sync(cpu);
    }
}

#[cfg(test)]
#[path = "v3_tests.rs"]
mod tests;
