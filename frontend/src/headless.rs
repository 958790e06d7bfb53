//! A phone without a window.

use std::sync::mpsc;

use anyhow::{Context, Result};

use crate::session::{Outcome, Session};

/// Runs it to its end.
///
/// # Errors
/// One line that says why it was not switched on.
pub fn run(session: Session) -> Result<Outcome> {
    let (end, ended) = mpsc::channel();
    session.start(move |outcome| {
        // The receiver waits below until it has this.
        let _ = end.send(outcome);
    })?;
    ended.recv().context("the phone ended without a word")
}
