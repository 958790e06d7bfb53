//! How a phone is ended from outside: by its power key, or at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use emu::machine::Handle;

use crate::undo;

/// How long the power key is held.
const PRESS: Duration = Duration::from_millis(100);
/// How long an orderly end may take before the process ends without it.
const PATIENCE: Duration = Duration::from_millis(700);

/// The power button.
#[derive(Debug, Clone)]
pub struct Power {
    handle: Handle,
    asked: Arc<AtomicBool>,
    status: Arc<AtomicU8>,
}

impl Power {
    /// That of a machine.
    pub fn new(handle: Handle) -> Self {
        Self { handle, asked: Arc::default(), status: Arc::default() }
    }

    /// Asks the guest to power off, by its power key; the second time, ends it with `status`.
    pub fn ask(&self, status: u8) {
        if self.asked.swap(true, Ordering::SeqCst) {
            return self.quit(status);
        }
        self.press();
    }

    /// Presses the power key, and releases it a moment later.
    pub fn press(&self) {
        let handle = self.handle.clone();
        thread::spawn(move || {
            handle.power_key(true);
            thread::sleep(PRESS);
            handle.power_key(false);
        });
    }

    /// Whether the guest was asked.
    pub fn was_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    /// Ends the machine, and then the process with `status`. If that does not come about soon, the process ends as if
    /// the phone's battery was taken out: what the guest flushed is on its disks.
    pub fn quit(&self, status: u8) {
        self.status.store(status, Ordering::SeqCst);
        self.handle.quit();
        thread::spawn(move || {
            thread::sleep(PATIENCE);
            undo::exit(status);
        });
    }

    /// The status with which the machine was ended.
    pub fn status(&self) -> u8 {
        self.status.load(Ordering::SeqCst)
    }
}
