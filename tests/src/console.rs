//! An emulator's process with the guest's serial port on its standard input and output: wait for words, type words.
//!
//! A wait that ends without the words panics with the end of what the guest said. The process ends with the console.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What the process has said so far, filled by a thread of its own.
#[derive(Default)]
struct Heard {
    bytes: Vec<u8>,
    ended: bool,
}

/// How a command in the guest's shell ended.
#[derive(Debug)]
pub struct Ran {
    /// Its exit status.
    pub status: u32,
    /// What it printed.
    pub output: String,
}

/// A running emulator.
pub struct Console {
    name: String,
    child: Child,
    input: ChildStdin,
    heard: Arc<(Mutex<Heard>, Condvar)>,
    /// How much of what was heard has been waited for.
    read: usize,
}

impl Console {
    /// Starts an emulator.
    pub fn start(mut command: Command) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap_or_else(|e| panic!("start {name}: {e}"));
        let input = child.stdin.take().expect("stdin is piped");
        let mut output = child.stdout.take().expect("stdout is piped");
        let heard = Arc::new((Mutex::new(Heard::default()), Condvar::new()));
        let filled = Arc::clone(&heard);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let count = output.read(&mut buffer).unwrap_or(0);
                let mut heard = filled.0.lock().expect("no reader panics");
                heard.bytes.extend_from_slice(&buffer[..count]);
                heard.ended = count == 0;
                filled.1.notify_all();
                if heard.ended {
                    return;
                }
            }
        });
        Self { name, child, input, heard, read: 0 }
    }

    /// The emulator's process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Waits until `find` finds its end in what was said since the last wait, and returns what stands before that end.
    fn wait(&mut self, what: &str, limit: Duration, find: impl Fn(&str) -> Option<usize>) -> String {
        let until = Instant::now() + limit;
        let shared = Arc::clone(&self.heard);
        let mut heard: MutexGuard<'_, Heard> = shared.0.lock().expect("no reader panics");
        loop {
            // Serial bytes may be cut within a character; as Latin-1 each byte is one, and places stay the same.
            let text: String =
                heard.bytes[self.read..].iter().map(|b| if b.is_ascii() { *b as char } else { '?' }).collect();
            if let Some(end) = find(&text) {
                self.read += end;
                return text[..end].to_owned();
            }
            let left = until.saturating_duration_since(Instant::now());
            if heard.ended || left.is_zero() {
                let why = if heard.ended { "it ended" } else { "time is up" };
                let said = String::from_utf8_lossy(&heard.bytes).into_owned();
                drop(heard);
                panic!("{}: no {what} within {limit:?}: {why}; it said last:\n{}", self.name, last_lines(&said, 40));
            }
            heard = shared.1.wait_timeout(heard, left).expect("no reader panics").0;
        }
    }

    /// Waits for words, and returns what was said up to their end.
    pub fn wait_for(&mut self, words: &str, limit: Duration) -> String {
        self.wait(&format!("`{words}`"), limit, |text| text.find(words).map(|at| at + words.len()))
    }

    /// Types.
    pub fn send(&mut self, words: &str) {
        let sent = self.input.write_all(words.as_bytes()).and_then(|()| self.input.flush());
        sent.unwrap_or_else(|e| panic!("type `{}` into {}: {e}", words.escape_debug(), self.name));
    }

    /// Runs a command in the shell that waits for one.
    pub fn run(&mut self, command: &str, limit: Duration) -> Ran {
        // The marks are complete only in what the shell prints, not in the echo of what is typed.
        const BEGIN: &str = "<begin>";
        const STATUS: &str = "<status ";
        self.send(&format!("echo \"<\"\"begin>\"; {command}; echo \"<\"\"status $?>\"\n"));
        let said = self.wait(&format!("end of `{command}`"), limit, |text| {
            let at = text.find(STATUS)?;
            Some(at + text[at..].find('>')? + 1)
        });
        let (output, status) = said.rsplit_once(STATUS).expect("the wait was for the mark");
        let status = status.trim_end_matches('>').parse().expect("a shell's status is a number");
        let (_echo, output) = output.split_once(BEGIN).expect("the shell begins before it ends");
        Ran { status, output: output.replace('\r', "").trim_start_matches('\n').to_owned() }
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub fn ok(&mut self, command: &str, limit: Duration) -> String {
        let ran = self.run(command, limit);
        assert_eq!(ran.status, 0, "`{command}` printed:\n{}", ran.output);
        ran.output
    }

    /// Waits for the emulator to end by itself.
    pub fn end(mut self, limit: Duration) -> ExitStatus {
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            if Instant::now() >= until {
                let said = String::from_utf8_lossy(&self.heard.0.lock().expect("no reader panics").bytes).into_owned();
                panic!("{}: still there after {limit:?}; it said last:\n{}", self.name, last_lines(&said, 40));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    fn shell() -> Console {
        let mut command = Command::new("sh");
        command.arg("-i").env("PS1", "$ ");
        Console::start(command)
    }

    #[test]
    fn a_command_gives_its_output_and_status() {
        let mut console = Console::start(Command::new("cat"));
        console.send("one <status 3>\n");
        assert_eq!(console.wait_for("<status 3>", SOON), "one <status 3>");
        let mut console = shell();
        let ran = console.run("echo six times seven is $((6 * 7)); false", SOON);
        assert_eq!((ran.status, ran.output.trim()), (1, "six times seven is 42"));
    }

    #[test]
    fn what_was_waited_for_is_not_found_again() {
        let mut console = Console::start(Command::new("cat"));
        console.send("a b a c\n");
        console.wait_for("a", SOON);
        assert_eq!(console.wait_for("a", SOON), " b a");
    }

    #[test]
    #[should_panic(expected = "no `never` within 50ms: time is up; it said last:\nhello")]
    fn words_that_do_not_come_are_a_failure_that_shows_the_console() {
        let mut console = Console::start(Command::new("cat"));
        console.send("hello\n");
        console.wait_for("hello", SOON);
        console.wait_for("never", Duration::from_millis(50));
    }

    #[test]
    #[should_panic(expected = "it ended")]
    fn a_process_that_ends_is_not_waited_for() {
        Console::start(Command::new("true")).wait_for("never", Duration::from_secs(3600));
    }

    #[test]
    fn the_exit_status_is_the_processes_own() {
        let mut console = shell();
        console.send("exit 7\n");
        assert_eq!(console.end(SOON).code(), Some(7));
    }
}
