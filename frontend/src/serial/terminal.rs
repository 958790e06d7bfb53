//! The raw mode of a terminal: keys go to the guest as they are, also Ctrl-C.

use std::os::fd::AsFd;

use rustix::termios::{LocalModes, OptionalActions, OutputModes, isatty, tcgetattr, tcgetpgrp, tcsetattr};

use crate::undo;

/// Makes standard input raw until the process ends, if it is a terminal and this process is in its foreground.
///
/// Output is still processed, so that lines of our own begin at the left.
pub fn raw_stdin() -> bool {
    let stdin = rustix::stdio::stdin();
    if !isatty(stdin) || tcgetpgrp(stdin).ok() != Some(rustix::process::getpgrp()) {
        return false;
    }
    let Ok(before) = tcgetattr(stdin) else { return false };
    let mut raw = before.clone();
    raw.make_raw();
    raw.output_modes |= OutputModes::OPOST;
    if tcsetattr(stdin, OptionalActions::Now, &raw).is_err() {
        return false;
    }
    undo::at_end(move || {
        // A terminal that has gone needs no mode.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &before);
    });
    true
}

/// Makes a pseudo terminal's end raw, without echo.
pub fn make_raw(terminal: impl AsFd) -> rustix::io::Result<()> {
    let mut mode = tcgetattr(&terminal)?;
    mode.make_raw();
    mode.local_modes -= LocalModes::ECHO;
    tcsetattr(&terminal, OptionalActions::Now, &mode)
}
