//! Debian's gdb with its hands on an emulator, and a client that speaks its protocol by hand.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::console::Console;

/// Enough for a command that does not wait for the guest.
const SHORT: Duration = Duration::from_secs(60);
/// What gdb says after a command.
const DONE: &str = "<done>";

/// Waits until somebody listens.
fn wait_for(socket: &Path) -> UnixStream {
    let until = Instant::now() + SHORT;
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return stream,
            Err(why) if Instant::now() > until => panic!("connect to {}: {why}", socket.display()),
            Err(_) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// A gdb that has connected.
pub struct Gdb(Console);

impl Gdb {
    /// Starts one on a socket, with symbols if there are any.
    pub fn connect(socket: &Path, symbols: Option<&Path>) -> Self {
        drop(wait_for(socket));
        let mut command = Command::new("sh");
        // Its complaints are to be where its answers are.
        command.args(["-c", "exec gdb-multiarch -nx -q \"$@\" 2>&1", "sh"]).args(symbols);
        let mut gdb = Self(Console::start(command));
        gdb.ask("set pagination off");
        gdb.ask("set confirm off");
        let said = gdb.ask(&format!("target remote {}", socket.display()));
        assert!(said.contains(" in ") || said.contains("()"), "gdb does not connect: {said}");
        gdb
    }

    /// Gives a command and returns at once.
    pub fn begin(&mut self, command: &str) {
        self.0.send(&format!("{command}\necho {DONE}\\n\n"));
    }

    /// What the command said, once it is done.
    pub fn end(&mut self, limit: Duration) -> String {
        let said = self.0.wait_for(DONE, limit);
        said.trim_end_matches(DONE).replace("(gdb) ", "").trim().to_owned()
    }

    /// Gives a command and returns what it says.
    pub fn ask(&mut self, command: &str) -> String {
        self.begin(command);
        self.end(SHORT)
    }

    /// Gives a command, whose answer must hold some words, and returns the answer.
    pub fn expect(&mut self, command: &str, words: &str) -> String {
        let said = self.ask(command);
        assert!(said.contains(words), "`{command}` says nothing of `{words}`:\n{said}");
        said
    }

    /// The value of an expression, as a number.
    pub fn number(&mut self, expression: &str) -> u64 {
        let said = self.ask(&format!("printf \"%lu\\n\", (unsigned long)({expression})"));
        said.parse().unwrap_or_else(|_| panic!("`{expression}` is no number: {said}"))
    }

    /// Presses Ctrl-C.
    pub fn interrupt(&self) {
        crate::guest::host("kill", &["-INT", &self.0.process().to_string()]);
    }
}

/// A client without manners.
pub struct Client(UnixStream);

impl Client {
    /// Connects.
    pub fn connect(socket: &Path) -> Self {
        let stream = wait_for(socket);
        stream.set_read_timeout(Some(SHORT)).expect("a timeout is not zero");
        Self(stream)
    }

    /// Sends bytes as they are; whoever is hung up on sends no more.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.0.write_all(bytes).is_ok()
    }

    /// Sends nothing any more, but goes on to listen.
    pub fn half_close(&self) {
        // The other end may have closed first.
        let _ = self.0.shutdown(std::net::Shutdown::Write);
    }

    /// Whether the other end hangs up soon.
    pub fn is_hung_up_on(&mut self) -> bool {
        let mut buffer = [0; 4096];
        loop {
            match self.0.read(&mut buffer) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(why) => return why.kind() == std::io::ErrorKind::ConnectionReset,
            }
        }
    }

    /// Sends a packet and returns what the answer says; none if the other end hangs up instead.
    pub fn ask(&mut self, packet: &str) -> Option<String> {
        self.send(&framed(packet)).then_some(())?;
        let mut said = Vec::new();
        let mut byte = [0];
        while self.0.read(&mut byte).is_ok_and(|count| count > 0) {
            match byte[0] {
                b'$' => said.clear(),
                b'#' => {
                    self.0.read_exact(&mut [0; 2]).ok()?;
                    self.send(b"+").then_some(())?;
                    return Some(String::from_utf8_lossy(&said).into_owned());
                }
                // The character before, so many times more.
                b'*' => {
                    self.0.read_exact(&mut byte).ok()?;
                    let last = *said.last()?;
                    said.extend(std::iter::repeat_n(last, usize::from(byte[0].saturating_sub(29))));
                }
                byte => said.push(byte),
            }
        }
        None
    }

    /// Gives a `monitor` command and returns what it says.
    pub fn monitor(&mut self, command: &str) -> Option<String> {
        let hex: String = command.bytes().map(|byte| format!("{byte:02x}")).collect();
        let said = self.ask(&format!("qRcmd,{hex}"))?;
        let said = said.strip_prefix('O').unwrap_or(&said).to_owned();
        let digit = |at: usize| u8::from_str_radix(said.get(at..at + 2)?, 16).ok();
        Some((0..said.len()).step_by(2).filter_map(digit).map(char::from).collect())
    }
}

/// A packet as it goes over the wire.
pub fn framed(packet: &str) -> Vec<u8> {
    framed_bytes(packet.as_bytes())
}

/// The same of any bytes.
pub fn framed_bytes(packet: &[u8]) -> Vec<u8> {
    let sum = packet.iter().copied().fold(0u8, u8::wrapping_add);
    [b"$", packet, format!("#{sum:02x}").as_bytes()].concat()
}
