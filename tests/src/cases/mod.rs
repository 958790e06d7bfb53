//! What a guest must do, whoever runs it.

pub mod compute;
pub mod disk;
pub mod firmware;
pub mod kernel;

use std::time::Duration;

/// Enough for what takes a second on an idle machine.
pub(crate) const SHORT: Duration = Duration::from_secs(30);

/// Enough for a boot on a machine that builds something else meanwhile.
pub(crate) const LONG: Duration = Duration::from_secs(180);
