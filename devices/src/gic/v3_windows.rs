//! The memory-mapped windows of a GICv3: distributor (IHI 0069H, 12.9) and redistributors (12.11).
//!
//! The distributor's window stands for the whole controller towards the board: it resets, saves and describes it.
//! Leaves out the LPI registers (RAZ/WI: GICD_TYPER.LPIS and GICR_TYPER.PLPIS are zero).

use std::sync::Arc;

use vm_fdt::FdtWriter;

use super::interrupts::INTIDS;
use super::registers::{identification, read_words, write_words};
use super::v3::{GicV3, SavedGicV3, State};
use crate::bus::{Access, FdtNode, MmioDevice, Reset, RestoreError, Sizes, Snapshot};
use crate::fdt;

/// Bytes of one CPU's redistributor.
pub const REDISTRIBUTOR_LEN: u64 = 0x2_0000;

/// Where the redistributors' window begins, counted from the distributor's.
pub const REDISTRIBUTORS_OFFSET: u64 = 0xa_0000;

/// Length of the redistributors' region in the device tree: room for 123 CPUs, up to the next device of the board.
const REDISTRIBUTORS_LEN: u64 = 0xf6_0000;

/// Implementer: Arm.
const IIDR: u32 = 0x43b;

const GICD_CTLR_ENABLE_GRP0: u32 = 1;
const GICD_CTLR_ENABLE_GRP1: u32 = 1 << 1;
/// ARE and DS, both fixed.
const GICD_CTLR_FIXED: u32 = 1 << 4 | 1 << 6;

/// ITLinesNumber, IDbits of 10, A3V, No1N.
const GICD_TYPER: u32 = (INTIDS as u32 / 32 - 1) | 9 << 19 | 1 << 24 | 1 << 25;

/// ProcessorSleep and ChildrenAsleep.
const WAKER_SLEEP: u32 = 1 << 1;
const WAKER_ASLEEP: u32 = 1 << 2;

/// The distributor's window of 64 KiB.
#[derive(Debug)]
pub struct Distributor(Arc<GicV3>);

/// The window of all redistributors, [`REDISTRIBUTOR_LEN`] for each CPU.
#[derive(Debug)]
pub struct Redistributors(Arc<GicV3>);

impl GicV3 {
    /// The distributor's window.
    #[must_use]
    pub fn distributor(self: &Arc<Self>) -> Distributor {
        Distributor(Arc::clone(self))
    }

    /// The redistributors' window.
    #[must_use]
    pub fn redistributors(self: &Arc<Self>) -> Redistributors {
        Redistributors(Arc::clone(self))
    }
}

impl Redistributors {
    /// The controller that the window belongs to.
    #[must_use]
    pub fn controller(&self) -> &Arc<GicV3> {
        &self.0
    }
}

/// The INTID of a GICD_IROUTER half, if the offset is one.
fn router(offset: u64) -> Option<usize> {
    let intid = offset.checked_sub(0x6000)? as usize / 8;
    (32..INTIDS).contains(&intid).then_some(intid)
}

/// Whether a word of the shared banks is about SGIs and PPIs, which live in the redistributors.
fn is_private(offset: u64) -> bool {
    match offset {
        0x080..0x400 => offset & 0x7c == 0,
        0x400..0x800 => offset < 0x420,
        _ => (0xc00..0xc08).contains(&offset),
    }
}

fn read_distributor(state: &State, offset: u64) -> u32 {
    match offset {
        0x0000 => {
            let [g0, g1] = state.core.enabled;
            GICD_CTLR_FIXED + u32::from(g0) * GICD_CTLR_ENABLE_GRP0 + u32::from(g1) * GICD_CTLR_ENABLE_GRP1
        }
        0x0004 => GICD_TYPER,
        0x0008 => IIDR,
        0xffd0..=0xffff => identification(offset - 0xffd0, 3),
        _ if router(offset).is_some() => {
            let value = router(offset).map_or(0, |intid| state.router(intid));
            (value >> (8 * (offset & 4))) as u32
        }
        _ if offset >= 0x1000 || is_private(offset) => 0,
        _ => state.core.interrupts.read_bank(0, offset),
    }
}

fn write_distributor(state: &mut State, offset: u64, value: u32, mask: u32) {
    if offset == 0 {
        for (group, bit) in [(0, GICD_CTLR_ENABLE_GRP0), (1, GICD_CTLR_ENABLE_GRP1)] {
            if mask & bit != 0 {
                state.core.enabled[group] = value & bit != 0;
            }
        }
    } else if let Some(intid) = router(offset) {
        let shift = 8 * (offset & 4);
        let mask = u64::from(mask) << shift;
        state.set_router(intid, state.router(intid) & !mask | u64::from(value) << shift & mask);
    } else if offset < 0x1000 && !is_private(offset) {
        state.core.interrupts.write_bank(0, offset, value, mask);
    }
}

impl MmioDevice for Distributor {
    fn sizes(&self) -> Sizes {
        Sizes::ANY
    }

    fn read(&mut self, at: Access) -> u64 {
        let state = self.0.lock();
        read_words(at, |offset| read_distributor(&state, offset))
    }

    fn write(&mut self, at: Access, value: u64) {
        let mut state = self.0.lock();
        write_words(at, value, |offset, value, mask| write_distributor(&mut state, offset, value, mask));
        state.core.sync_all();
    }
}

fn read_redistributor(state: &State, offset: u64) -> u32 {
    let cpu = (offset / REDISTRIBUTOR_LEN) as usize;
    if cpu >= state.core.cpus() {
        return 0;
    }
    match offset % REDISTRIBUTOR_LEN {
        0x0004 => IIDR,
        // GICR_TYPER: Processor_Number, Last; affinity.
        0x0008 => (cpu as u32) << 8 | u32::from(cpu + 1 == state.core.cpus()) << 4,
        0x000c => cpu as u32,
        0x0014 => u32::from(state.asleep[cpu]) * (WAKER_SLEEP | WAKER_ASLEEP),
        offset @ (0xffd0..=0xffff | 0x1_ffd0..=0x1_ffff) => identification(offset % 0x1_0000 - 0xffd0, 3),
        offset @ 0x1_0000..0x1_1000 if is_private(offset - 0x1_0000) => {
            state.core.interrupts.read_bank(cpu, offset - 0x1_0000)
        }
        _ => 0,
    }
}

fn write_redistributor(state: &mut State, offset: u64, value: u32, mask: u32) {
    let cpu = (offset / REDISTRIBUTOR_LEN) as usize;
    if cpu >= state.core.cpus() {
        return;
    }
    match offset % REDISTRIBUTOR_LEN {
        0x0014 if mask & WAKER_SLEEP != 0 => state.asleep[cpu] = value & WAKER_SLEEP != 0,
        offset @ 0x1_0000..0x1_1000 if is_private(offset - 0x1_0000) => {
            state.core.interrupts.write_bank(cpu, offset - 0x1_0000, value, mask);
            state.core.sync(cpu);
        }
        _ => {}
    }
}

impl MmioDevice for Redistributors {
    fn sizes(&self) -> Sizes {
        Sizes::ANY
    }

    fn read(&mut self, at: Access) -> u64 {
        let state = self.0.lock();
        read_words(at, |offset| read_redistributor(&state, offset))
    }

    fn write(&mut self, at: Access, value: u64) {
        let mut state = self.0.lock();
        write_words(at, value, |offset, value, mask| write_redistributor(&mut state, offset, value, mask));
    }
}

impl Reset for Distributor {
    fn reset(&mut self) {
        self.0.reset();
    }
}

impl Snapshot for Distributor {
    type Saved = SavedGicV3;

    fn save(&self) -> SavedGicV3 {
        self.0.save()
    }

    fn restore(&mut self, saved: SavedGicV3) -> Result<(), RestoreError> {
        self.0.restore(saved)
    }
}

impl FdtNode for Distributor {
    fn fdt(&self, w: &mut FdtWriter, base: u64, len: u64, _: Option<u32>) -> Result<(), vm_fdt::Error> {
        let node = w.begin_node(&format!("intc@{base:x}"))?;
        fdt::compatible(w, &["arm,gic-v3"])?;
        w.property_array_u64("reg", &[base, len, base + REDISTRIBUTORS_OFFSET, REDISTRIBUTORS_LEN])?;
        w.property_u32("#redistributor-regions", 1)?;
        fdt::interrupt_controller(w)?;
        w.end_node(node)
    }
}
