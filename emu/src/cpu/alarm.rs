//! One thread that kicks vCPUs when their timers fire while they run; those that sleep wake by themselves.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard};

use devices::bus::{Clock, Nanos};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use super::{Shared, Verdict};

/// The vCPUs' deadlines.
#[derive(Debug)]
pub struct Alarm {
    deadlines: Mutex<Deadlines>,
    /// Goes off at the earliest deadline. To set it does not wake the thread, which the guest does at every tick.
    timer: OwnedFd,
}

#[derive(Debug)]
struct Deadlines {
    cpus: Vec<Nanos>,
    /// What the timer is set for.
    set: Nanos,
}

impl Alarm {
    /// For `count` vCPUs, none waiting.
    ///
    /// # Errors
    /// When the host has no timer.
    pub fn new(count: usize) -> io::Result<Arc<Self>> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        let deadlines = Mutex::new(Deadlines { cpus: vec![Nanos::MAX; count], set: Nanos::MAX });
        Ok(Arc::new(Self { deadlines, timer }))
    }

    fn lock(&self) -> MutexGuard<'_, Deadlines> {
        self.deadlines.lock().expect("no holder panics")
    }

    /// A vCPU wants to be kicked at `deadline`, and not when it wanted before.
    pub fn set(&self, cpu: usize, deadline: Nanos, clock: &dyn Clock) {
        let mut deadlines = self.lock();
        if deadlines.cpus[cpu] != deadline {
            deadlines.cpus[cpu] = deadline;
            self.sync(&mut deadlines, clock);
        }
    }

    /// Re-derives what the timer is set for.
    fn sync(&self, deadlines: &mut Deadlines, clock: &dyn Clock) {
        let next = deadlines.cpus.iter().copied().min().unwrap_or(Nanos::MAX);
        let next = if clock.moves() { next } else { Nanos::MAX };
        if next != deadlines.set {
            deadlines.set = next;
            // Zero would be never.
            self.ring_in(if next == Nanos::MAX { 0 } else { next.saturating_sub(clock.now()).max(1) });
        }
    }

    fn ring_in(&self, nanos: Nanos) {
        let (tv_sec, tv_nsec) = ((nanos / 1_000_000_000) as i64, (nanos % 1_000_000_000) as i64);
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once = Itimerspec { it_interval: zero, it_value: Timespec { tv_sec, tv_nsec } };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once).expect("any time can be set");
    }

    /// The thread: kicks until the machine ends.
    pub fn run(&self, shared: &Shared, clock: &dyn Clock) {
        while shared.verdict() != Verdict::Quit {
            let mut deadlines = self.lock();
            let now = clock.now();
            let due: Vec<_> = (0..deadlines.cpus.len()).filter(|&cpu| deadlines.cpus[cpu] <= now).collect();
            due.iter().for_each(|&cpu| deadlines.cpus[cpu] = Nanos::MAX);
            // It has gone off, or never will.
            deadlines.set = Nanos::MAX;
            self.sync(&mut deadlines, clock);
            drop(deadlines);
            due.into_iter().for_each(|cpu| shared.kick(cpu));
            // However it ends, a look does no harm.
            let _ = rustix::io::read(&self.timer, &mut [0; 8]);
        }
    }

    /// Has the thread look at the verdict and the clock.
    pub fn wake(&self) {
        let mut deadlines = self.lock();
        deadlines.set = 0;
        self.ring_in(1);
    }
}
