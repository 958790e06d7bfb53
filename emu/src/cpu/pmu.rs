//! The performance monitors (DDI 0487, D12): the cycle counter and four event counters.
//!
//! The cycle counter counts guest time at 1 GHz; event counters count instructions retired (0x08) as far as the engine
//! counts them, cycles (0x11), and software increments (0x00). Overflow interrupts are not modelled: nothing depends
//! on them until a profiler in the guest asks for sampling.

use super::Core;
use crate::state::CpuState;

/// Implemented event counters.
pub(super) const COUNTERS: usize = 4;
/// Bits of the enable and overflow registers.
pub(super) const MASK: u64 = (1 << 31) | ((1 << COUNTERS) - 1);

impl Core {
    fn source(&self, event: u64) -> u64 {
        match event & 0xffff {
            0x08 => self.instructions,
            0x11 => self.wiring.clock.now(),
            _ => 0,
        }
    }

    fn enabled(s: &CpuState, bit: u32) -> bool {
        s.sys.pmcr & 1 != 0 && s.sys.pmcnten >> bit & 1 != 0
    }

    /// A counter as read: its stored offset, plus its source while it counts. Counter 31 is the cycle counter.
    pub(super) fn pmu_read(&self, s: &CpuState, n: usize) -> u64 {
        let (base, event) = match s.sys.pmevcntr.get(n) {
            Some(base) => (*base, s.sys.pmevtyper[n]),
            None => (s.sys.pmccntr_base, 0x11),
        };
        let value = if Self::enabled(s, n as u32) { base.wrapping_add(self.source(event)) } else { base };
        if n < COUNTERS { value & 0xffff_ffff } else { value }
    }

    /// Writes a counter.
    pub(super) fn pmu_write(&self, s: &mut CpuState, n: usize, value: u64) {
        let event = s.sys.pmevtyper.get(n).copied().unwrap_or(0x11);
        let now = if Self::enabled(s, n as u32) { self.source(event) } else { 0 };
        match s.sys.pmevcntr.get_mut(n) {
            Some(base) => *base = value.wrapping_sub(now),
            None => s.sys.pmccntr_base = value.wrapping_sub(now),
        }
    }

    /// Changes what counts, keeping every counter's value.
    pub(super) fn pmu_change(&self, s: &mut CpuState, change: impl FnOnce(&mut CpuState)) {
        let all = (0..COUNTERS).chain([31]);
        let values: Vec<_> = all.map(|n| (n, self.pmu_read(s, n))).collect();
        change(s);
        for (n, value) in values {
            self.pmu_write(s, n, value);
        }
    }

    /// PMSWINC_EL0.
    pub(super) fn pmu_increment(&self, s: &mut CpuState, counters: u64) {
        for n in 0..COUNTERS {
            if counters >> n & 1 != 0 && Self::enabled(s, n as u32) && s.sys.pmevtyper[n] & 0xffff == 0 {
                s.sys.pmevcntr[n] = s.sys.pmevcntr[n].wrapping_add(1);
            }
        }
    }
}
