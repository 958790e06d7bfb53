//! Signals: SIGINT asks the guest to power off and the second one forces, SIGTERM and SIGHUP end the phone at once.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::power::Power;

/// Heeds signals from now on.
///
/// # Errors
/// When the host gives no pipe or thread.
pub fn heed(power: Power) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let heed = move || {
        for signal in signals.forever() {
            // Shells say so of a process that a signal ended.
            let status = 128 + signal as u8;
            if signal == SIGINT { power.ask(status) } else { power.quit(status) }
        }
    };
    thread::Builder::new().name("signals".into()).spawn(heed).map(drop)
}
