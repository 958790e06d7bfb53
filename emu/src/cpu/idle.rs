//! Waiting: WFI, WFE, YIELD, and vCPUs that are off or held.
//!
//! A vCPU in WFI sleeps to its own timers' deadline, so that no other thread has to wake it for them. To sleep and to be
//! woken costs the host tens of microseconds, so a vCPU first looks for a few whether it is called at once, as long as
//! that has paid lately and no other vCPU needs the core.
//!
//! No call is lost: whoever calls sets `lines` or `attention` and unparks the thread after that; whoever sleeps looks at
//! both and parks after that, and a thread that was unparked before it parks does not stop.

use std::num::NonZeroU64;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use devices::bus::Nanos;

use super::{Core, Shared};
use crate::ir::Wait;
use crate::state::CpuState;

/// How long a vCPU looks before it sleeps.
const LOOK: Duration = Duration::from_micros(10);
/// A sleep so short might as well have been a look: most of it went into falling asleep and waking up.
const NAP: Duration = Duration::from_micros(60);
/// WFE sleeps so long at most, since the exclusive monitor's events are not tracked.
const WFE: Duration = Duration::from_micros(50);
/// WFEs that come one so soon after the other wait for the same thing.
const STREAK: Duration = Duration::from_micros(10);

/// Whether to look before sleeping: above zero, yes. A look that was in vain takes one off; at zero, the vCPU sleeps at
/// once until it has had as many naps.
#[derive(Debug)]
struct Trust(i32);

impl Trust {
    const MOST: i32 = 8;

    fn looked(&mut self, paid: bool) {
        self.0 = match self.0 {
            _ if paid => Self::MOST,
            1 => -Self::MOST,
            trust => trust - 1,
        };
    }

    fn slept(&mut self, nap: bool) {
        if self.0 <= 0 && nap {
            self.0 = if self.0 == -1 { 1 } else { self.0 + 1 };
        }
    }
}

/// What a vCPU remembers of its waits.
#[derive(Debug)]
pub(super) struct Waits {
    trust: Trust,
    /// The PC after a WFE, when that was first executed, and until when it waited last.
    wfe: Option<(u64, Instant, Instant)>,
}

impl Default for Waits {
    fn default() -> Self {
        Self { trust: Trust(-1), wfe: None }
    }
}

/// Has the host wake the calling thread in time; by default it may be 50 µs late, so as to wake several threads at once.
pub(super) fn wake_in_time() {
    // Where that is refused, timers are late.
    let _ = rustix::thread::set_current_timer_slack(Some(NonZeroU64::MIN));
}

impl Shared {
    /// Sleeps until somebody kicks the calling vCPU, or for a while.
    pub(super) fn sleep(&self, timeout: Option<Duration>) {
        self.awake.fetch_sub(1, Ordering::Relaxed);
        match timeout {
            Some(timeout) => std::thread::park_timeout(timeout),
            None => std::thread::park(),
        }
        self.awake.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the host has a core for each vCPU that is awake.
    fn has_room(&self) -> bool {
        self.awake.load(Ordering::Relaxed) <= self.cores
    }
}

impl Core {
    /// Waits as the last instruction asked: WFI until an interrupt is pending, masked or not; WFE until an event or a
    /// while. Whether that took time, so that there may be news.
    pub(super) fn wait(&mut self, s: &CpuState) -> bool {
        match self.waiting.take() {
            Some(Wait::Wfi) => {
                self.wait_for_interrupt(s);
                true
            }
            Some(Wait::Wfe) if !std::mem::take(&mut self.event) && !self.called() => {
                self.wait_for_event(s.pc);
                true
            }
            Some(Wait::Yield) => {
                std::thread::yield_now();
                true
            }
            _ => false,
        }
    }

    /// Whether an interrupt is pending, or somebody wants attention.
    fn called(&self) -> bool {
        let shared = &self.wiring.shared.cpus[self.id];
        shared.lines.load(Ordering::SeqCst) != 0 || shared.attention.load(Ordering::SeqCst) != 0
    }

    fn wait_for_interrupt(&mut self, s: &CpuState) {
        loop {
            let deadline = self.sync_timers(s);
            if self.called() {
                return;
            }
            if self.look(deadline) {
                continue;
            }
            let start = Instant::now();
            let (clock, shared) = (&self.wiring.clock, &self.wiring.shared);
            if deadline == Nanos::MAX || !clock.moves() {
                // If the clock moves again, the alarm has the deadline.
                shared.sleep(None);
            } else {
                self.wiring.alarm.set(self.id, Nanos::MAX, &**clock);
                shared.sleep(Some(Duration::from_nanos(deadline.saturating_sub(clock.now()))));
            }
            self.waits.trust.slept(start.elapsed() < NAP);
        }
    }

    /// Looks for a while, if that is worth it, whether this vCPU is called or the deadline has come; whether that is so.
    fn look(&mut self, deadline: Nanos) -> bool {
        let clock = &self.wiring.clock;
        let near = deadline.saturating_sub(clock.now()) < LOOK.as_nanos() as Nanos;
        if !near && (self.waits.trust.0 <= 0 || !self.wiring.shared.has_room()) {
            return false;
        }
        let start = Instant::now();
        let mut found = false;
        while !found && start.elapsed() < LOOK {
            std::hint::spin_loop();
            found = self.called() || clock.now() >= deadline;
        }
        if !near {
            self.waits.trust.looked(found);
        }
        found
    }

    /// The guest looks itself whether what it waits for has come: let it, for a while.
    fn wait_for_event(&mut self, pc: u64) {
        let now = Instant::now();
        let first = match self.waits.wfe {
            Some((before, first, last)) if before == pc && now - last < STREAK => first,
            _ => now,
        };
        if now - first < LOOK && self.wiring.shared.has_room() {
            std::hint::spin_loop();
        } else {
            self.wiring.shared.sleep(Some(WFE));
        }
        self.waits.wfe = Some((pc, first, Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_in_vain_end_the_looking_and_naps_begin_it_again() {
        let mut trust = Trust(1);
        trust.looked(true);
        for _ in 0..Trust::MOST {
            assert!(trust.0 > 0);
            trust.looked(false);
        }
        for _ in 0..Trust::MOST {
            assert!(trust.0 <= 0);
            trust.slept(false);
            trust.slept(true);
        }
        assert!(trust.0 > 0);
        trust.looked(false);
        assert!(trust.0 <= 0);
    }
}
