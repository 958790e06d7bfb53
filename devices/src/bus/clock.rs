//! Guest time, and being called when some of it has passed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Nanoseconds of guest time since the machine was first started.
pub type Nanos = u64;

/// Guest time: moves only while the machine runs, never backwards.
pub trait Clock: Send + Sync {
    /// Now, in nanoseconds.
    fn now(&self) -> Nanos;

    /// Whether it moves; if not, to wait for a time is in vain until it is made to.
    fn moves(&self) -> bool {
        true
    }
}

/// A clock that tests turn by hand.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock that stands at zero.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Moves time forward.
    pub fn advance(&self, by: Nanos) {
        self.0.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Nanos {
        self.0.load(Ordering::SeqCst)
    }
}

/// A device with work to do at a time or after an outside event (an alarm, a received frame).
///
/// The board calls [`Poll::poll`] soon after the device's [`Waker`] was woken and when the instant it last returned
/// has come; calling it more often is harmless.
pub trait Poll {
    /// Does what is due at `now`; returns the next instant at which something will be, if any.
    fn poll(&mut self, now: Nanos) -> Option<Nanos>;
}

/// Asks the board to poll a device soon. Cheap, callable from any thread and under any lock.
#[derive(Clone)]
pub struct Waker(Arc<dyn Fn() + Send + Sync>);

impl Waker {
    /// A waker that calls `f`, which must not block nor take a device's lock.
    pub fn new(f: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(f))
    }

    /// A waker for tests that poll by themselves.
    #[must_use]
    pub fn none() -> Self {
        Self::new(|| ())
    }

    /// Asks for a poll.
    pub fn wake(&self) {
        (self.0)();
    }
}

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waker")
    }
}
