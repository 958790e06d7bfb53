//! Guest time from the host's monotonic clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use devices::bus::{Clock, Nanos};

/// Guest time: the host's monotonic time since the machine was built, without what passed while it was stopped.
#[derive(Debug)]
pub struct GuestClock {
    start: Instant,
    /// While it is stopped, [`STOPPED`] and the guest's time; else for how long it has been stopped so far.
    state: AtomicU64,
}

const STOPPED: u64 = 1 << 63;

impl GuestClock {
    /// Starts at zero.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now(), state: AtomicU64::new(0) })
    }

    fn host(&self) -> Nanos {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX) & !STOPPED
    }

    /// Stops it. Only one thread may stop it and start it.
    pub(super) fn stop(&self) {
        self.state.store(STOPPED | self.now(), Ordering::SeqCst);
    }

    /// Has it go on.
    pub(super) fn start(&self) {
        let state = self.state.load(Ordering::SeqCst);
        if state & STOPPED != 0 {
            self.state.store(self.host() - (state & !STOPPED), Ordering::SeqCst);
        }
    }
}

impl Clock for GuestClock {
    fn now(&self) -> Nanos {
        loop {
            let state = self.state.load(Ordering::SeqCst);
            if state & STOPPED != 0 {
                return state & !STOPPED;
            }
            let now = self.host() - state;
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
        clock.stop();
        let stopped = clock.now();
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!((clock.now(), clock.moves()), (stopped, false));
        clock.stop();
        clock.start();
        let host = clock.host();
        assert!(clock.now() >= stopped && clock.moves());
        assert!(clock.now() + 20_000_000 <= host + 10_000_000, "20 ms are left out");
        clock.start();
        assert!(clock.now() + 10_000_000 <= clock.host());
    }
}
