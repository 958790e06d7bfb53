//! What must be put back however the process ends: the terminal's mode, a socket's file.
//!
//! A list for the whole process, since signals and panics end it from any thread. Left out: SIGKILL, which nobody sees.

use std::sync::{Mutex, PoisonError};

type Step = Box<dyn FnOnce() + Send>;

static STEPS: Mutex<Vec<Step>> = Mutex::new(Vec::new());

/// Has `step` done at the end.
pub fn at_end(step: impl FnOnce() + Send + 'static) {
    STEPS.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(step));
}

/// Does the steps that were not done yet, the last one first.
pub fn all() {
    let steps = std::mem::take(&mut *STEPS.lock().unwrap_or_else(PoisonError::into_inner));
    for step in steps.into_iter().rev() {
        step();
    }
}

/// Ends the process at once.
pub fn exit(status: u8) -> ! {
    all();
    std::process::exit(status.into())
}

/// Puts everything back before a panic is reported, so that the report can be read.
pub fn on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        all();
        report(panic);
    }));
}
