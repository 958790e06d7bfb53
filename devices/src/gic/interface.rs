//! One CPU interface: priority mask, binary points, active priorities (IHI 0069H, 4.8; IHI 0048B, 3.3).
//!
//! With five priority bits there are 32 preemption levels, so that one 32-bit active priorities register per group
//! holds them all. Leaves out the registers' layouts.

use serde::{Deserialize, Serialize};

use super::interrupts::{Group, PRIORITY_MASK, Pending};
use crate::bus::RestoreError;

/// The smallest binary point of each group: group 0 splits at [7:3], and group 1 counts one higher.
pub(super) const MIN_BPR: [u8; 2] = [2, 3];

/// The running priority when nothing is active.
pub(super) const IDLE: u8 = 0xff;

/// What one CPU has told its interface, and what it has acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    pub pmr: u8,
    bpr: [u8; 2],
    /// Active priorities of each group; bit n is group priority n << 3.
    pub active: [u32; 2],
    pub enabled: [bool; 2],
    /// EOImode: EOIR only drops the priority, DIR deactivates.
    pub split_eoi: bool,
    /// CBPR: BPR0 serves both groups.
    pub common_bpr: bool,
    /// Whether group 0 interrupts come by the FIQ wire.
    pub group0_is_fiq: bool,
}

/// [`Interface`] as data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SavedInterface {
    pmr: u8,
    bpr: [u8; 2],
    active: [u32; 2],
    enabled: [bool; 2],
    split_eoi: bool,
    common_bpr: bool,
    group0_is_fiq: bool,
}

impl Interface {
    pub fn new(group0_is_fiq: bool) -> Self {
        Self {
            pmr: 0,
            bpr: MIN_BPR,
            active: [0; 2],
            enabled: [false; 2],
            split_eoi: false,
            common_bpr: false,
            group0_is_fiq,
        }
    }

    /// BPR0 or BPR1 as it reads: with CBPR, BPR1 is BPR0 plus one, saturated.
    pub fn bpr(&self, group: Group) -> u8 {
        if group == Group::G1 && self.common_bpr { (self.bpr[0] + 1).min(7) } else { self.bpr[group as usize] }
    }

    /// With CBPR, writes to BPR1 are ignored.
    pub fn set_bpr(&mut self, group: Group, value: u8) {
        if group == Group::G0 || !self.common_bpr {
            self.bpr[group as usize] = (value & 7).max(MIN_BPR[group as usize]);
        }
    }

    /// The bits of a priority that decide on preemption (`GroupBits` in IHI 0069H, 4.8.2).
    fn group_mask(&self, group: Group) -> u8 {
        let bpr = if group == Group::G1 && !self.common_bpr { self.bpr[1] - 1 } else { self.bpr[0] };
        (0xff_u32 << (bpr + 1)) as u8
    }

    /// The running priority: that of the highest active priority.
    pub fn running(&self) -> u8 {
        match self.active[0] | self.active[1] {
            0 => IDLE,
            levels => (levels.trailing_zeros() as u8) << 3,
        }
    }

    /// Whether a pending interrupt is to be signalled now.
    pub fn preempts(&self, pending: Pending) -> bool {
        let mask = self.group_mask(pending.group);
        let running = self.running();
        pending.priority < self.pmr && (running == IDLE || pending.priority & mask < running & mask)
    }

    /// The interrupt's priority becomes the running one.
    pub fn activate(&mut self, pending: Pending) {
        let level = (pending.priority & self.group_mask(pending.group) & PRIORITY_MASK) >> 3;
        self.active[pending.group as usize] |= 1 << level;
    }

    /// The group that the running priority belongs to.
    pub fn running_group(&self) -> Option<Group> {
        let [g0, g1] = self.active.map(u32::trailing_zeros);
        match (g0.min(g1), g0 <= g1) {
            (32, _) => None,
            (_, true) => Some(Group::G0),
            (_, false) => Some(Group::G1),
        }
    }

    /// Priority drop: the highest active priority of the group ends.
    pub fn drop_priority(&mut self, group: Group) {
        let levels = &mut self.active[group as usize];
        *levels &= levels.wrapping_sub(1);
    }

    pub fn save(&self) -> SavedInterface {
        let &Self { pmr, bpr, active, enabled, split_eoi, common_bpr, group0_is_fiq } = self;
        SavedInterface { pmr, bpr, active, enabled, split_eoi, common_bpr, group0_is_fiq }
    }

    pub fn restored(saved: SavedInterface, device: &'static str) -> Result<Self, RestoreError> {
        let SavedInterface { pmr, bpr, active, enabled, split_eoi, common_bpr, group0_is_fiq } = saved;
        if pmr & !PRIORITY_MASK != 0 {
            return Err(RestoreError { device, field: "pmr" });
        }
        if !(0..2).all(|g| (MIN_BPR[g]..=7).contains(&bpr[g])) {
            return Err(RestoreError { device, field: "bpr" });
        }
        Ok(Self { pmr, bpr, active, enabled, split_eoi, common_bpr, group0_is_fiq })
    }
}
