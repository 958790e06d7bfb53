//! Bytes out of the serial port, written by a thread of their own so that a slow reader does not hold a CPU for long.
//!
//! The guest waits a little when it is ahead by [`AHEAD`]; when the reader does not take anything at all for [`STUCK`],
//! bytes are dropped until it does.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use devices::bus::ByteSink;

/// Bytes that may wait.
const AHEAD: usize = 1 << 20;
/// How long the guest waits for a reader that takes nothing.
const STUCK: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// Some bytes were taken from `waiting` and are not written yet.
    writing: bool,
    /// The reader has let the guest wait for too long.
    stuck: bool,
    /// The target failed.
    gone: bool,
}

/// The queue.
#[derive(Debug, Clone, Default)]
pub struct Output(Arc<(Mutex<State>, Condvar)>);

impl Output {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().expect("nobody panics with the output's lock")
    }

    /// Waits for `until`, or for the given time.
    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State>,
        limit: Duration,
        until: impl Fn(&State) -> bool,
    ) -> MutexGuard<'a, State> {
        let waited = self.0.1.wait_timeout_while(state, limit, |state| !until(state));
        waited.expect("nobody panics with the output's lock").0
    }

    /// Writes bytes by `write` until it fails.
    pub fn carry(&self, mut write: impl FnMut(&[u8]) -> io::Result<()>) {
        loop {
            let waited = self.0.1.wait_while(self.lock(), |state| state.waiting.is_empty());
            let mut state = waited.expect("nobody panics with the output's lock");
            let bytes = std::mem::take(&mut state.waiting);
            state.writing = true;
            drop(state);
            let result = write(&bytes);
            let mut state = self.lock();
            (state.writing, state.stuck, state.gone) = (false, false, result.is_err());
            self.0.1.notify_all();
            drop(state);
            if let Err(why) = result {
                if why.kind() != io::ErrorKind::BrokenPipe {
                    tracing::warn!("--serial: {why}; what the guest says there is lost from now on");
                }
                return;
            }
        }
    }

    /// Waits until all is written, for a while.
    pub fn finish(&self) {
        drop(self.wait(self.lock(), STUCK, |state| state.gone || state.waiting.is_empty() && !state.writing));
    }
}

impl ByteSink for Output {
    fn put(&mut self, bytes: &[u8]) {
        let fits = |state: &State| state.gone || state.waiting.len() + bytes.len() <= AHEAD;
        let mut state = self.lock();
        if !fits(&state) && !state.stuck {
            state = self.wait(state, STUCK, fits);
        }
        state.stuck = !fits(&state);
        if !state.stuck && !state.gone {
            state.waiting.extend_from_slice(bytes);
            self.0.1.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Instant;

    use super::*;

    #[test]
    fn bytes_come_out_in_order_and_all_are_written_at_the_end() {
        let output = Output::new();
        let (writer, written) = (output.clone(), Arc::new(Mutex::new(Vec::new())));
        let into = Arc::clone(&written);
        thread::spawn(move || {
            writer.carry(|bytes| {
                thread::sleep(Duration::from_millis(1));
                into.lock().unwrap().extend_from_slice(bytes);
                Ok(())
            });
        });
        let said: Vec<u8> = (0..10_000u32).map(|n| n as u8).collect();
        for byte in &said {
            output.clone().put(&[*byte]);
        }
        output.finish();
        assert!(*written.lock().unwrap() == said);
    }

    #[test]
    fn a_reader_that_takes_nothing_costs_the_guest_one_wait_only() {
        let mut output = Output::new();
        let started = Instant::now();
        for _ in 0..1000 {
            output.put(&[0; 4096]);
        }
        let took = started.elapsed();
        assert!(took >= STUCK && took < 3 * STUCK, "{took:?}");
        assert!(output.lock().waiting.len() <= AHEAD);
    }

    #[test]
    fn a_target_that_fails_is_not_waited_for() {
        let mut output = Output::new();
        let (writer, (told, end)) = (output.clone(), mpsc::channel());
        output.put(b"lost");
        thread::spawn(move || {
            writer.carry(|_| Err(io::ErrorKind::BrokenPipe.into()));
            told.send(()).unwrap();
        });
        end.recv_timeout(Duration::from_secs(5)).unwrap();
        let started = Instant::now();
        (0..1000).for_each(|_| output.put(&[0; 4096]));
        output.finish();
        assert!(started.elapsed() < STUCK);
    }
}
