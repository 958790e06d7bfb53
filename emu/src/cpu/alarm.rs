//! One thread that kicks vCPUs when their timers fire.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use devices::bus::{Clock, Nanos};

use super::{Shared, Verdict};

/// The vCPUs' deadlines.
#[derive(Debug)]
pub struct Alarm {
    deadlines: Mutex<Vec<Nanos>>,
    changed: Condvar,
}

impl Alarm {
    /// For `count` vCPUs, none waiting.
    #[must_use]
    pub fn new(count: usize) -> Arc<Self> {
        Arc::new(Self { deadlines: Mutex::new(vec![Nanos::MAX; count]), changed: Condvar::new() })
    }

    /// A vCPU wants to be kicked at `deadline`, and not when it wanted before.
    pub fn set(&self, cpu: usize, deadline: Nanos) {
        let mut deadlines = self.deadlines.lock().expect("no holder panics");
        let earlier = deadline < deadlines.iter().copied().min().unwrap_or(Nanos::MAX);
        deadlines[cpu] = deadline;
        drop(deadlines);
        if earlier {
            self.changed.notify_one();
        }
    }

    /// The thread: kicks until the machine ends.
    pub fn run(&self, shared: &Shared, clock: &dyn Clock) {
        let mut deadlines = self.deadlines.lock().expect("no holder panics");
        while shared.verdict() != Verdict::Quit {
            let now = clock.now();
            for (cpu, deadline) in deadlines.iter_mut().enumerate() {
                if *deadline <= now {
                    *deadline = Nanos::MAX;
                    shared.kick(cpu);
                }
            }
            let next = deadlines.iter().copied().min().unwrap_or(Nanos::MAX);
            let next = if clock.moves() { next } else { Nanos::MAX };
            let wait = Duration::from_nanos(next.saturating_sub(now)).min(Duration::from_secs(1));
            deadlines = self.changed.wait_timeout(deadlines, wait).expect("no holder panics").0;
        }
    }

    /// Has the thread look at the verdict and the clock.
    pub fn wake(&self) {
        let _deadlines = self.deadlines.lock().expect("no holder panics");
        self.changed.notify_one();
    }
}
