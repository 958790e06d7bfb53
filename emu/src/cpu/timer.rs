//! The generic timer's EL1 physical and virtual timers (DDI 0487, D11). CNTVOFF is zero: both count the same.

use devices::bus::Nanos;

use super::Core;
use crate::state::{CNTFRQ, CpuState};

/// Nanoseconds of one tick of the counter; exact.
const TICK: u64 = 1_000_000_000 / CNTFRQ;

impl Core {
    /// CNTVCT_EL0, CNTPCT_EL0.
    pub(super) fn count(&self) -> u64 {
        self.wiring.clock.now() / TICK
    }

    /// Re-derives both timers' wires, and when to look again: the deadline, for which the alarm is set.
    pub(super) fn sync_timers(&self, s: &CpuState) -> Nanos {
        let now = self.count();
        let mut next = u64::MAX;
        for (wire, ctl, cval) in [
            (&self.wiring.virtual_timer, s.sys.cntv_ctl, s.sys.cntv_cval),
            (&self.wiring.physical_timer, s.sys.cntp_ctl, s.sys.cntp_cval),
        ] {
            wire.set_level(condition(ctl, cval, now) && ctl & 2 == 0);
            if ctl & 3 == 1 && cval > now {
                next = next.min(cval);
            }
        }
        let deadline = next.saturating_mul(TICK);
        self.wiring.alarm.set(self.id, deadline, &*self.wiring.clock);
        deadline
    }

    /// CNTx_CTL as read.
    pub(super) fn timer_ctl(&self, ctl: u64, cval: u64) -> u64 {
        ctl & 3 | u64::from(condition(ctl, cval, self.count())) << 2
    }

    /// CNTx_TVAL as read.
    pub(super) fn timer_tval(&self, cval: u64) -> u64 {
        cval.wrapping_sub(self.count()) & 0xffff_ffff
    }

    /// CNTx_CVAL that a write of TVAL stands for.
    pub(super) fn timer_cval(&self, tval: u64) -> u64 {
        self.count().wrapping_add(tval as i32 as u64)
    }
}

/// Whether a timer is enabled and has fired.
fn condition(ctl: u64, cval: u64, now: u64) -> bool {
    ctl & 1 != 0 && now >= cval
}
