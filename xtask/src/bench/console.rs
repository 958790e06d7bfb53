//! An emulator's process with the guest's serial port on its standard input and output. What the guest says is given the
//! host's time at which it came.

use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// A running emulator; it ends with this.
pub struct Console {
    child: Child,
    input: ChildStdin,
    pieces: Receiver<(Instant, Vec<u8>)>,
    /// What came and was not waited for yet, and when the last of it came.
    heard: Vec<u8>,
    last: Instant,
    /// When the process was started.
    pub begun: Instant,
}

impl Console {
    /// Starts an emulator.
    pub fn start(mut command: Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let begun = Instant::now();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let input = child.stdin.take().context("stdin is piped")?;
        let mut output = child.stdout.take().context("stdout is piped")?;
        let (sender, pieces) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 65536];
            while let Ok(n @ 1..) = output.read(&mut buffer) {
                if sender.send((Instant::now(), buffer[..n].to_vec())).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, input, pieces, heard: Vec::new(), last: begun, begun })
    }

    /// Waits for words; returns what was said before them, and when they were there.
    pub fn wait_for(&mut self, words: &str, limit: Duration) -> Result<(String, Instant)> {
        let until = Instant::now() + limit;
        loop {
            if let Some(at) = self.heard.windows(words.len()).position(|window| window == words.as_bytes()) {
                let said = String::from_utf8_lossy(&self.heard[..at]).replace('\r', "");
                self.heard.drain(..at + words.len());
                return Ok((said, self.last));
            }
            match self.pieces.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok((time, piece)) => {
                    self.last = time;
                    self.heard.extend(piece);
                }
                Err(why) => {
                    let why = if why == RecvTimeoutError::Timeout { "time is up" } else { "the emulator ended" };
                    let said = String::from_utf8_lossy(&self.heard);
                    let lines: Vec<&str> = said.lines().collect();
                    let last = lines[lines.len().saturating_sub(20)..].join("\n");
                    bail!("no `{words}` within {} s: {why}; the guest said last:\n{last}", limit.as_secs());
                }
            }
        }
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) -> Result<()> {
        writeln!(self.input, "{line}").and_then(|()| self.input.flush()).with_context(|| format!("type `{line}`"))
    }

    /// The emulator's process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the emulator to end by itself.
    pub fn end(mut self, limit: Duration) -> Result<()> {
        let until = Instant::now() + limit;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().context("wait for the emulator")? {
                return if status.success() { Ok(()) } else { bail!("the emulator ended with {status}") };
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("the emulator is still there {} s after the guest was to power off", limit.as_secs())
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[test]
    fn words_are_found_with_what_stood_before_them_and_the_time_grows() {
        let mut console = Console::start(Command::new("cat")).expect("cat starts");
        console.type_line("one two").expect("cat reads");
        let (said, first) = console.wait_for("two", SOON).expect("cat repeats");
        assert_eq!(said, "one ");
        console.type_line("three").expect("cat reads");
        let (said, second) = console.wait_for("three", SOON).expect("cat repeats");
        assert_eq!(said, "\n");
        assert!(console.begun < first && first < second);
    }

    #[test]
    fn an_emulator_that_ends_is_not_waited_for() {
        let mut console = Console::start(Command::new("true")).expect("true starts");
        let error = console.wait_for("never", Duration::from_secs(3600)).unwrap_err().to_string();
        assert!(error.contains("the emulator ended"), "{error}");
        assert!(Console::start(Command::new("false")).expect("false starts").end(SOON).is_err());
    }
}
