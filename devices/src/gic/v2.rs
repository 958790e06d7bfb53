//! GICv2 (IHI 0048B): distributor, and CPU interfaces banked by the CPU that makes the access.
//!
//! Without the Security Extensions but with both groups, so that registers have the layout of 4.4's "GICv2 without the
//! Security Extensions". SGIs are enabled for good and edge-triggered. Left out, beside what [`super`] lists: the
//! bypass bits of GICC_CTLR (RAZ/WI), a separate active state for each sender of an SGI.

use std::sync::{Arc, Mutex, MutexGuard};

use serde::{Deserialize, Serialize};
use vm_fdt::FdtWriter;

use super::core::{Core, SPURIOUS, SavedCore};
use super::interface::Interface;
use super::interrupts::{Group, INTIDS, PRIORITY_MASK, Pending, Word};
use super::registers::{identification, read_words, write_words};
use crate::bus::{Access, FdtNode, IrqLine, IrqSink, MmioDevice, Reset, RestoreError, Snapshot};
use crate::fdt;

const NAME: &str = "gicv2";

/// "Group 1 interrupt pending" when group 1 is not to be acknowledged through GICC_IAR (3.2.4).
const OTHER_GROUP: u32 = 1022;

/// Implementer: Arm.
const GICD_IIDR: u32 = 0x43b;
const GICC_IIDR: u32 = 0x2_043b;

const CTLR_ENABLE_GRP0: u32 = 1;
const CTLR_ENABLE_GRP1: u32 = 1 << 1;
const CTLR_ACK_CTL: u32 = 1 << 2;
const CTLR_FIQ_EN: u32 = 1 << 3;
const CTLR_CBPR: u32 = 1 << 4;
const CTLR_EOI_MODE: u32 = 1 << 9;

/// Where the CPU interfaces' window begins, counted from the distributor's, and its length.
const CPU_INTERFACES: [u64; 2] = [0x1_0000, 0x1_0000];

/// SGIs and PPIs at power-on.
const SGIS: Word = Word { enabled: 0xffff, latched: 0, line: 0, active: 0, edge: 0xffff, group1: 0 };

/// A GICv2. Its [`IrqSink`] is for SPIs: pin n is SPI n, that is INTID 32 + n.
#[derive(Debug)]
pub struct GicV2(Mutex<State>);

#[derive(Debug)]
struct State {
    core: Core,
    /// For each CPU and SGI, the CPUs that have sent it.
    senders: Vec<[u8; 16]>,
    /// GICC_CTLR.AckCtl of each CPU.
    ack_group1: Vec<bool>,
}

/// A [`GicV2`] as data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedGicV2 {
    core: SavedCore,
    senders: Vec<[u8; 16]>,
    ack_group1: Vec<bool>,
}

/// The distributor's window of 64 KiB; resets, saves and describes the whole controller.
#[derive(Debug)]
pub struct Distributor(Arc<GicV2>);

/// The CPU interfaces' window of 64 KiB.
#[derive(Debug)]
pub struct CpuInterfaces(Arc<GicV2>);

/// The PPI wires of one CPU: pin n is PPI n as device trees count, that is INTID 16 + n.
#[derive(Debug)]
pub struct PrivateLines {
    gic: Arc<GicV2>,
    cpu: usize,
}

impl GicV2 {
    /// A controller for 1 to [`super::MAX_CPUS`] CPUs; `irq[n]` and `fiq[n]` end at CPU n's inputs.
    ///
    /// # Panics
    /// When the numbers of CPUs and wires disagree: an error of the board.
    #[must_use]
    pub fn new(cpus: usize, irq: Vec<IrqLine>, fiq: Vec<IrqLine>) -> Arc<Self> {
        let core = Core::new(cpus, irq, fiq, SGIS, Interface::new(false));
        let mut state = State { core, senders: vec![[0; 16]; cpus], ack_group1: vec![false; cpus] };
        state.route_lone_cpu();
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

    /// The distributor's window.
    #[must_use]
    pub fn distributor(self: &Arc<Self>) -> Distributor {
        Distributor(Arc::clone(self))
    }

    /// The CPU interfaces' window.
    #[must_use]
    pub fn cpu_interfaces(self: &Arc<Self>) -> CpuInterfaces {
        CpuInterfaces(Arc::clone(self))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("the GIC never panics")
    }
}

impl IrqSink for GicV2 {
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

impl State {
    /// With one CPU, GICD_ITARGETSR is RAZ/WI and all interrupts are for that CPU.
    fn route_lone_cpu(&mut self) {
        if self.core.cpus() == 1 {
            (32..INTIDS).for_each(|intid| self.core.interrupts.set_targets(intid, 1));
        }
    }

    fn read_distributor(&self, cpu: usize, offset: u64) -> u32 {
        match offset {
            0x000 => u32::from(self.core.enabled[0]) | u32::from(self.core.enabled[1]) << 1,
            0x004 => (INTIDS as u32 / 32 - 1) | (self.core.cpus() as u32 - 1) << 5,
            0x008 => GICD_IIDR,
            0x800..0xc00 => {
                let first = offset as usize - 0x800;
                if first >= INTIDS || self.core.cpus() == 1 {
                    return 0;
                }
                u32::from_le_bytes([0, 1, 2, 3].map(|n| self.core.interrupts.targets(cpu, first + n)))
            }
            0xf10..0xf30 => {
                let first = offset as usize & 0xc;
                u32::from_le_bytes([0, 1, 2, 3].map(|n| self.senders[cpu][first + n]))
            }
            0xfd0..0x1000 => identification(offset - 0xfd0, 2),
            _ => self.core.interrupts.read_bank(cpu, offset),
        }
    }

    fn write_distributor(&mut self, cpu: usize, offset: u64, value: u32, mask: u32) {
        let bytes = (0..4).filter(|n| mask >> (8 * n) & 1 != 0).map(|n| (n, (value >> (8 * n)) as u8));
        match offset {
            0x000 => {
                for (group, bit) in [(0, CTLR_ENABLE_GRP0), (1, CTLR_ENABLE_GRP1)] {
                    if mask & bit != 0 {
                        self.core.enabled[group] = value & bit != 0;
                    }
                }
            }
            0x800..0xc00 => {
                let first = offset as usize - 0x800;
                if (32..INTIDS).contains(&first) && self.core.cpus() > 1 {
                    bytes.for_each(|(n, targets)| self.core.interrupts.set_targets(first + n, targets));
                }
            }
            0xf00 => self.send_sgi(cpu, value),
            0xf10..0xf20 => bytes.for_each(|(n, clear)| {
                self.set_senders(cpu, (offset as usize & 0xc) + n, |old| old & !clear);
            }),
            0xf20..0xf30 => {
                let existing = (0xff_u16 >> (8 - self.core.cpus())) as u8;
                bytes.for_each(|(n, set)| {
                    self.set_senders(cpu, (offset as usize & 0xc) + n, |old| old | set & existing);
                });
            }
            // SGIs are enabled for good, and pend by SGIR and SPENDSGIR only.
            0x180 | 0x200 | 0x280 => self.core.interrupts.write_bank(cpu, offset, value & !0xffff, mask),
            _ => self.core.interrupts.write_bank(cpu, offset, value, mask),
        }
    }

    /// Changes who has sent an SGI; it is pending as long as anybody has.
    fn set_senders(&mut self, cpu: usize, sgi: usize, change: impl FnOnce(u8) -> u8) {
        let senders = &mut self.senders[cpu][sgi];
        *senders = change(*senders);
        let latched = &mut self.core.interrupts.word_mut(cpu, 0).latched;
        *latched = *latched & !(1 << sgi) | u32::from(*senders != 0) << sgi;
    }

    /// GICD_SGIR (4.3.15).
    fn send_sgi(&mut self, sender: usize, value: u32) {
        let targets = match value >> 24 & 3 {
            0 => value >> 16 & 0xff,
            1 => !(1 << sender),
            2 => 1 << sender,
            _ => 0,
        };
        for cpu in (0..self.core.cpus()).filter(|cpu| targets >> cpu & 1 != 0) {
            self.set_senders(cpu, value as usize & 0xf, |old| old | 1 << sender);
        }
    }

    /// The INTID field of GICC_IAR and GICC_HPPIR: an SGI comes with the number of a CPU that sent it.
    fn numbered(&self, cpu: usize, pending: Pending) -> u32 {
        let sender = self.senders[cpu].get(pending.intid).map_or(0, |senders| senders.trailing_zeros() & 7);
        pending.intid as u32 | sender << 10
    }

    /// What GICC_IAR and GICC_HPPIR may show: their aliases see group 1 only, they see group 1 only if AckCtl lets them.
    fn visible(&self, cpu: usize, candidate: Option<Pending>, alias: bool) -> Result<Pending, u32> {
        let pending = candidate.ok_or(SPURIOUS)?;
        match (pending.group, alias) {
            (Group::G0, true) => Err(SPURIOUS),
            (Group::G1, false) if !self.ack_group1[cpu] => Err(OTHER_GROUP),
            _ => Ok(pending),
        }
    }

    fn acknowledge(&mut self, cpu: usize, alias: bool) -> u32 {
        let pending = match self.visible(cpu, self.core.signalled(cpu), alias) {
            Ok(pending) => pending,
            Err(special) => return special,
        };
        let shown = self.numbered(cpu, pending);
        let mut still_latched = false;
        if pending.intid < 16 {
            self.set_senders(cpu, pending.intid, |senders| senders & senders.wrapping_sub(1));
            still_latched = self.senders[cpu][pending.intid] != 0;
        }
        self.core.acknowledge(cpu, pending, still_latched);
        shown
    }

    fn highest_pending(&self, cpu: usize, alias: bool) -> u32 {
        match self.visible(cpu, self.core.best(cpu), alias) {
            Ok(pending) => self.numbered(cpu, pending),
            Err(special) => special,
        }
    }

    fn end(&mut self, cpu: usize, value: u32, alias: bool) {
        let intid = value as usize & 0x3ff;
        let group = self.core.interfaces[cpu].running_group();
        if let Some(group) = group.filter(|&g| intid < 1020 && (!alias || g == Group::G1)) {
            self.core.end(cpu, intid, group);
        }
    }

    fn read_interface(&mut self, cpu: usize, offset: u64) -> u32 {
        let interface = &self.core.interfaces[cpu];
        match offset {
            0x0000 => {
                let flags = [
                    (interface.enabled[0], CTLR_ENABLE_GRP0),
                    (interface.enabled[1], CTLR_ENABLE_GRP1),
                    (self.ack_group1[cpu], CTLR_ACK_CTL),
                    (interface.group0_is_fiq, CTLR_FIQ_EN),
                    (interface.common_bpr, CTLR_CBPR),
                    (interface.split_eoi, CTLR_EOI_MODE),
                ];
                flags.iter().filter(|(set, _)| *set).map(|(_, bit)| bit).sum()
            }
            0x0004 => interface.pmr.into(),
            0x0008 => interface.bpr(Group::G0).into(),
            0x000c => self.acknowledge(cpu, false),
            0x0014 => interface.running().into(),
            0x0018 => self.highest_pending(cpu, false),
            0x001c => interface.bpr(Group::G1).into(),
            0x0020 => self.acknowledge(cpu, true),
            0x0028 => self.highest_pending(cpu, true),
            0x00d0 => interface.active[0],
            0x00e0 => interface.active[1],
            0x00fc => GICC_IIDR,
            _ => 0,
        }
    }

    fn write_interface(&mut self, cpu: usize, offset: u64, value: u32) {
        let interface = &mut self.core.interfaces[cpu];
        match offset {
            0x0000 => {
                interface.enabled = [value & CTLR_ENABLE_GRP0 != 0, value & CTLR_ENABLE_GRP1 != 0];
                interface.group0_is_fiq = value & CTLR_FIQ_EN != 0;
                interface.common_bpr = value & CTLR_CBPR != 0;
                interface.split_eoi = value & CTLR_EOI_MODE != 0;
                self.ack_group1[cpu] = value & CTLR_ACK_CTL != 0;
            }
            0x0004 => interface.pmr = value as u8 & PRIORITY_MASK,
            0x0008 => interface.set_bpr(Group::G0, value as u8),
            0x0010 => return self.end(cpu, value, false),
            0x001c => interface.set_bpr(Group::G1, value as u8),
            0x0024 => return self.end(cpu, value, true),
            0x00d0 => interface.active[0] = value,
            0x00e0 => interface.active[1] = value,
            0x1000 if interface.split_eoi => return self.core.deactivate(cpu, value as usize & 0x3ff),
            _ => return,
        }
        self.core.sync(cpu);
    }
}

impl MmioDevice for Distributor {
    fn read(&mut self, at: Access) -> u64 {
        let state = self.0.lock();
        read_words(at, |offset| state.read_distributor(at.cpu, offset))
    }

    fn write(&mut self, at: Access, value: u64) {
        let mut state = self.0.lock();
        write_words(at, value, |offset, value, mask| state.write_distributor(at.cpu, offset, value, mask));
        state.core.sync_all();
    }
}

impl MmioDevice for CpuInterfaces {
    fn sizes(&self) -> crate::bus::Sizes {
        crate::bus::Sizes::WORD
    }

    fn read(&mut self, at: Access) -> u64 {
        self.0.lock().read_interface(at.cpu, at.offset).into()
    }

    fn write(&mut self, at: Access, value: u64) {
        self.0.lock().write_interface(at.cpu, at.offset, value as u32);
    }
}

impl Reset for Distributor {
    fn reset(&mut self) {
        let mut state = self.0.lock();
        state.senders.fill([0; 16]);
        state.ack_group1.fill(false);
        state.core.reset(SGIS, &Interface::new(false));
        state.route_lone_cpu();
        state.core.sync_all();
    }
}

impl Snapshot for Distributor {
    type Saved = SavedGicV2;

    fn save(&self) -> SavedGicV2 {
        let State { core, senders, ack_group1 } = &*self.0.lock();
        SavedGicV2 { core: core.save(), senders: senders.clone(), ack_group1: ack_group1.clone() }
    }

    fn restore(&mut self, saved: SavedGicV2) -> Result<(), RestoreError> {
        let SavedGicV2 { core, senders, ack_group1 } = saved;
        let mut state = self.0.lock();
        let cpus = state.core.cpus();
        let error = |field| Err(RestoreError { device: NAME, field });
        if senders.len() != cpus || senders.iter().flatten().any(|&s| u16::from(s) >> cpus != 0) {
            return error("senders");
        }
        if ack_group1.len() != cpus {
            return error("ack_group1");
        }
        state.core.restore(core, NAME)?;
        (state.senders, state.ack_group1) = (senders, ack_group1);
        state.route_lone_cpu();
        for cpu in 0..cpus {
            (0..16).for_each(|sgi| state.set_senders(cpu, sgi, |same| same));
        }
        state.core.sync_all();
        Ok(())
    }
}

impl FdtNode for Distributor {
    fn fdt(&self, w: &mut FdtWriter, base: u64, len: u64, _: Option<u32>) -> Result<(), vm_fdt::Error> {
        let node = w.begin_node(&format!("intc@{base:x}"))?;
        fdt::compatible(w, &["arm,cortex-a15-gic"])?;
        w.property_array_u64("reg", &[base, len, base + CPU_INTERFACES[0], CPU_INTERFACES[1]])?;
        fdt::interrupt_controller(w)?;
        w.end_node(node)
    }
}

#[cfg(test)]
#[path = "v2_tests.rs"]
mod tests;
