//! Guest time from the host's monotonic clock.

use std::sync::Arc;
use std::time::Instant;

use devices::bus::{Clock, Nanos};

/// Guest time: the host's monotonic time since the machine was built.
#[derive(Debug)]
pub struct GuestClock {
    start: Instant,
}

impl GuestClock {
    /// Starts at zero.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { start: Instant::now() })
    }
}

impl Clock for GuestClock {
    fn now(&self) -> Nanos {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
