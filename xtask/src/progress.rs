//! Steps that take a while: each shows itself on standard error while it runs, and its cause when it fails.
//!
//! On a terminal a step is a moving line; elsewhere it is one line at its start. Standard output stays free for results.

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A step under way; it leaves one line behind when it ends.
pub struct Step {
    bar: ProgressBar,
    what: String,
    begun: Instant,
}

impl Step {
    /// Shows that `what` has begun.
    pub fn begin(what: &str) -> Self {
        let style = ProgressStyle::with_template("{spinner} {msg} [{elapsed}]").expect("a well-formed template");
        let bar = ProgressBar::new_spinner().with_style(style).with_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        if !std::io::stderr().is_terminal() {
            eprintln!("  {what} …");
        }
        Self { bar, what: what.to_owned(), begun: Instant::now() }
    }

    /// Shows how far the step is, from 0 to 100, and what it does just now.
    pub fn at(&self, percent: f32, doing: &str) {
        if self.bar.length().is_none() {
            let template = "{spinner} {prefix} [{bar:30}] {percent:>3}% {wide_msg}";
            self.bar.set_style(ProgressStyle::with_template(template).expect("a well-formed template"));
            self.bar.set_prefix(self.what.clone());
            self.bar.set_length(100);
        }
        self.bar.set_position(percent as u64);
        self.bar.set_message(doing.to_owned());
    }

    /// Leaves a line that says the step is done.
    pub fn end(self) {
        self.bar.finish_and_clear();
        eprintln!("  {} ({:.1} s)", self.what, self.begun.elapsed().as_secs_f32());
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Runs a command whose own output is for the user to see.
pub fn run(what: &str, command: &mut Command) -> Result<()> {
    eprintln!("  {what} …");
    let status = command.stdin(Stdio::null()).status().with_context(|| start_error(what, command))?;
    if !status.success() {
        bail!("{what} failed ({status})");
    }
    Ok(())
}

/// Runs a command quietly and returns what it printed; its complaints become the error.
pub fn output(what: &str, command: &mut Command) -> Result<String> {
    let output =
        command.env("LC_ALL", "C").stdin(Stdio::null()).output().with_context(|| start_error(what, command))?;
    if !output.status.success() {
        bail!("{what} failed: {}", complaint(&String::from_utf8_lossy(&output.stderr)));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs an apt command with `APT::Status-Fd=1`, showing its progress in `step`.
pub fn apt(step: &Step, command: &mut Command) -> Result<()> {
    let mut child = command
        .args(["-o", "APT::Status-Fd=1"])
        .envs([("LC_ALL", "C"), ("DEBIAN_FRONTEND", "noninteractive")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| start_error(&step.what, command))?;
    let mut stderr = child.stderr.take().expect("stderr is piped");
    let complaints = std::thread::spawn(move || {
        let mut text = Vec::new();
        // A read error only shortens the message of an error that the exit status reports anyway.
        let _ = stderr.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    for line in BufReader::new(child.stdout.take().expect("stdout is piped")).split(b'\n') {
        if let Some((percent, doing)) = status_line(&String::from_utf8_lossy(&line.context("read apt's progress")?)) {
            step.at(percent, &doing);
        }
    }
    let status = child.wait().context("wait for apt")?;
    let complaints = complaints.join().expect("the reader does not panic");
    if !status.success() {
        bail!("{} failed: {}", step.what, complaint(&complaints));
    }
    Ok(())
}

/// `dlstatus:ITEM:PERCENT:TEXT` or `pmstatus:PACKAGE:PERCENT:TEXT`.
fn status_line(line: &str) -> Option<(f32, String)> {
    let mut fields = line.splitn(4, ':');
    matches!(fields.next()?, "dlstatus" | "pmstatus").then_some(())?;
    let percent = fields.nth(1)?.parse().ok()?;
    Some((percent, fields.next()?.to_owned()))
}

/// The line of a program's complaints that says most: the first error, else the last line.
fn complaint(stderr: &str) -> &str {
    let mut lines = stderr.lines().map(str::trim).filter(|l| !l.is_empty());
    let error = lines.clone().find(|l| l.starts_with("E:") || l.to_lowercase().starts_with("error"));
    error.or_else(|| lines.next_back()).unwrap_or("no reason given")
}

fn start_error(what: &str, command: &Command) -> String {
    format!("{what}: start {}", command.get_program().to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apt_progress_is_read_and_other_lines_are_not() {
        let line = "dlstatus:7:79.4699:Retrieving file 7 of 10: 2s";
        assert_eq!(status_line(line), Some((79.4699, "Retrieving file 7 of 10: 2s".to_owned())));
        assert_eq!(status_line("pmstatus:libc6:50:Unpacking").map(|s| s.0), Some(50.0));
        assert_eq!(status_line("Get:6 http://mirror/debian bookworm"), None);
        assert_eq!(status_line("dlstatus:7:x"), None);
    }

    #[test]
    fn the_first_error_line_is_the_cause() {
        assert_eq!(complaint("W: old\nE: Failed to fetch a\nE: Some index files failed\n"), "E: Failed to fetch a");
        assert_eq!(complaint("one\ntwo\n\n"), "two");
        assert_eq!(complaint(""), "no reason given");
    }

    #[test]
    fn a_failing_command_names_what_was_done_and_why() {
        let error = output("look", Command::new("sh").args(["-c", "echo error: gone >&2; exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "look failed: error: gone");
        let error = output("look", &mut Command::new("/nonexistent/tool")).unwrap_err();
        assert!(format!("{error:#}").starts_with("look: start /nonexistent/tool: "), "{error:#}");
    }
}
