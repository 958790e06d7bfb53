//! Guest time from the host's monotonic clock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use devices::bus::{Clock, Nanos};

/// Guest time: the host's monotonic time since the machine was built, without what passed while it was stopped.
#[derive(Debug)]
pub struct GuestClock {
    start: Instant,
    /// While it is stopped, [`STOPPED`] and the guest's time; else for how long it has been stopped so far.
    state: AtomicU64,
    /// Who has stopped it.
    stoppers: Mutex<[bool; 2]>,
}

/// Who may stop guest time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopper {
    /// A debugger.
    Debugger,
    /// Who paused the machine.
    Pause,
}

const STOPPED: u64 = 1 << 63;

impl GuestClock {
    /// Starts at zero.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), state: AtomicU64::new(0), stoppers: Mutex::default() })
    }

    fn host(&self) -> Nanos {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX) & !STOPPED
    }

    /// Stops it on somebody's behalf.
    pub(super) fn stop(&self, by: Stopper) {
        let mut stoppers = self.stoppers();
        stoppers[by as usize] = true;
        self.state.store(STOPPED | self.now(), Ordering::SeqCst);
    }

    /// Sets it, while nobody relies on it.
    pub(super) fn set(&self, now: Nanos) {
        let stoppers = self.stoppers();
        let state = if stoppers.contains(&true) { STOPPED | now } else { self.host().wrapping_sub(now) & !STOPPED };
        self.state.store(state, Ordering::SeqCst);
    }

    /// Has it go on as far as they are concerned; it does when nobody else has stopped it.
    pub(super) fn start(&self, by: Stopper) {
        let mut stoppers = self.stoppers();
        stoppers[by as usize] = false;
        let state = self.state.load(Ordering::SeqCst);
        if state & STOPPED != 0 && !stoppers.contains(&true) {
            self.state.store(self.host().wrapping_sub(state) & !STOPPED, Ordering::SeqCst);
        }
    }

    fn stoppers(&self) -> MutexGuard<'_, [bool; 2]> {
        self.stoppers.lock().expect("nobody panics while stopping time")
    }
}

impl Clock for GuestClock {
    fn now(&self) -> Nanos {
        loop {
            let state = self.state.load(Ordering::SeqCst);
            if state & STOPPED != 0 {
                return state & !STOPPED;
            }
            let now = self.host().wrapping_sub(state) & !STOPPED;
            if self.state.load(Ordering::SeqCst) == state {
                return now;
            }
        }
    }

    fn moves(&self) -> bool {
        self.state.load(Ordering::SeqCst) & STOPPED == 0
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_time_that_it_is_stopped_does_not_count() {
        let clock = GuestClock::new();
        clock.stop(Stopper::Pause);
        let stopped = clock.now();
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!((clock.now(), clock.moves()), (stopped, false));
        clock.stop(Stopper::Pause);
        clock.stop(Stopper::Debugger);
        clock.start(Stopper::Pause);
        assert_eq!((clock.now(), clock.moves()), (stopped, false), "the other still has it stopped");
        clock.start(Stopper::Debugger);
        let host = clock.host();
        assert!(clock.now() >= stopped && clock.moves());
        assert!(clock.now() + 20_000_000 <= host + 10_000_000, "20 ms are left out");
        clock.start(Stopper::Debugger);
        assert!(clock.now() + 10_000_000 <= clock.host());
    }
}
