//! Where the phone's serial port leads: the terminal, a file, a Unix socket, a pseudo terminal, or nowhere.
//!
//! | file | what |
//! |---|---|
//! | `output` | bytes on their way out, written by a thread of their own |
//! | `terminal` | the raw mode of a terminal |
//! | `log` | the last of what was said |
//! | `escape` | Ctrl-A and what follows it |
//! | this file | the targets |
//!
//! A target is opened when the machine is ready to run, so that a phone that cannot be built leaves nothing behind.

mod escape;
mod log;
mod output;
mod terminal;

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use devices::bus::{ByteSink, NullSink};
use emu::machine::SerialInput;
use rustix::fs::Mode;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::power::Power;
use crate::socket::{self, SocketError};
use escape::{Escape, Typed};
pub use log::Log;
pub use output::Output;

/// Bytes that may wait for the guest before its host is read no further.
const WAITING: usize = 64 << 10;
/// How long a socket's client may let bytes lie before it is hung up on.
const HANG_UP: Duration = Duration::from_secs(1);

/// A `--serial`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Standard input and output.
    Stdio,
    /// A file, made anew.
    File(PathBuf),
    /// A socket on which one client at a time is served.
    Unix(PathBuf),
    /// A new pseudo terminal.
    Pty,
    /// Nowhere.
    None,
}

impl FromStr for Target {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once(':') {
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("unix", path)) if !path.is_empty() => Ok(Self::Unix(path.into())),
            None if text == "stdio" => Ok(Self::Stdio),
            None if text == "pty" => Ok(Self::Pty),
            None if text == "none" => Ok(Self::None),
            _ => Err("stdio, file:F, unix:F, pty and none are known"),
        }
    }
}

/// Why the serial port leads nowhere.
#[derive(Debug, thiserror::Error)]
pub enum SerialError {
    /// A file.
    #[error("--serial file:{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The host's reason.
        why: io::Error,
    },
    /// A socket.
    #[error("--serial unix:{}: {why}", path.display())]
    Unix {
        /// The socket.
        path: PathBuf,
        /// What is wrong.
        why: SocketError,
    },
    /// A pseudo terminal.
    #[error("--serial pty: the host gives no pseudo terminal: {0}")]
    Pty(io::Error),
    /// A thread.
    #[error("--serial: the host gives no thread: {0}")]
    Thread(io::Error),
}

/// The host's end of the serial port, not yet open.
#[derive(Debug)]
pub struct Serial {
    target: Target,
    output: Output,
    log: Log,
}

impl Serial {
    /// An end that will lead to `target`.
    pub fn new(target: Target) -> Self {
        Self { target, output: Output::new(), log: Log::default() }
    }

    /// Where the UART's bytes go.
    pub fn sink(&self) -> Box<dyn ByteSink> {
        let out: Box<dyn ByteSink> =
            if self.target == Target::None { Box::new(NullSink) } else { Box::new(self.output.clone()) };
        self.log.tap(out)
    }

    /// The last of what comes out of it.
    pub fn log(&self) -> Log {
        self.log.clone()
    }

    /// Opens the target and starts to carry bytes. What is returned has the last of them written.
    ///
    /// # Errors
    /// [`SerialError`]
    pub fn start(self, input: SerialInput, power: Power) -> Result<Output, SerialError> {
        let Self { target, output, .. } = self;
        match target {
            Target::None => {}
            Target::Stdio => {
                let escape = terminal::raw_stdin().then(|| (Escape::default(), power));
                if escape.is_some() {
                    eprintln!("handset: Ctrl-A x quits, Ctrl-A p presses the power key, Ctrl-A Ctrl-A is a Ctrl-A");
                }
                spawn(output.clone(), |bytes| {
                    io::stdout().lock().write_all(bytes).and_then(|()| io::stdout().flush())
                })?;
                carry("serial-in", File::from(stdin()?), input, escape)?;
            }
            Target::File(path) => {
                let mut file = File::create(&path).map_err(|why| SerialError::File { path, why })?;
                spawn(output.clone(), move |bytes| file.write_all(bytes))?;
            }
            Target::Pty => {
                let (master, other_end, name) = pty().map_err(|why| SerialError::Pty(why.into()))?;
                eprintln!("handset: the serial port is {name}");
                let mut write = master.try_clone().map_err(SerialError::Pty)?;
                spawn(output.clone(), move |bytes| {
                    // Kept open, so that who reads there may come and go.
                    let _ = &other_end;
                    write.write_all(bytes)
                })?;
                carry("serial-in", master, input, None)?;
            }
            Target::Unix(path) => serve(path, output.clone(), input)?,
        }
        Ok(output)
    }
}

fn stdin() -> Result<OwnedFd, SerialError> {
    io::stdin().as_fd().try_clone_to_owned().map_err(SerialError::Thread)
}

fn spawn(output: Output, write: impl FnMut(&[u8]) -> io::Result<()> + Send + 'static) -> Result<(), SerialError> {
    let thread = thread::Builder::new().name("serial-out".into());
    thread.spawn(move || output.carry(write)).map(drop).map_err(SerialError::Thread)
}

/// Carries bytes to the guest until there are no more; the guest goes on without.
fn carry(name: &str, from: File, input: SerialInput, escape: Option<(Escape, Power)>) -> Result<(), SerialError> {
    let thread = thread::Builder::new().name(name.into());
    thread.spawn(move || copy(from, &input, escape)).map(drop).map_err(SerialError::Thread)
}

fn copy(mut from: impl Read, input: &SerialInput, mut escape: Option<(Escape, Power)>) {
    let mut buffer = [0; 4096];
    loop {
        let count = match from.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => count,
            Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        while input.waiting() > WAITING {
            thread::sleep(Duration::from_millis(10));
        }
        let Some((escape, power)) = &mut escape else {
            input.send(&buffer[..count]);
            continue;
        };
        for typed in escape.take(&buffer[..count]) {
            match typed {
                Typed::Bytes(bytes) => input.send(&bytes),
                Typed::Quit => power.quit(0),
                Typed::PowerKey => power.ask(0),
            }
        }
    }
}

/// A new pseudo terminal: its master, the other end, and that end's name.
fn pty() -> rustix::io::Result<(File, OwnedFd, String)> {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname(&master, Vec::new())?;
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC;
    let other_end = rustix::fs::open(&*name, flags, Mode::empty())?;
    terminal::make_raw(&other_end)?;
    Ok((master.into(), other_end, name.to_string_lossy().into_owned()))
}

fn serve(path: PathBuf, output: Output, input: SerialInput) -> Result<(), SerialError> {
    let listener = socket::listen(&path).map_err(|why| SerialError::Unix { path, why })?;
    let client: Arc<Mutex<Option<UnixStream>>> = Arc::default();
    let writing = Arc::clone(&client);
    let lock = |client: &Mutex<Option<UnixStream>>| client.lock().expect("no user of the client panics").take();
    spawn(output, move |bytes| {
        // Without a client bytes are lost, as on a cable that leads nowhere.
        if let Some(mut stream) = lock(&writing)
            && stream.write_all(bytes).is_ok()
        {
            writing.lock().expect("no user of the client panics").get_or_insert(stream);
        }
        Ok(())
    })?;
    let accept = move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            let writer = stream.set_write_timeout(Some(HANG_UP)).and_then(|()| stream.try_clone());
            let Ok(writer) = writer else { continue };
            *client.lock().expect("no user of the client panics") = Some(writer);
            copy(&stream, &input, None);
            *client.lock().expect("no user of the client panics") = None;
        }
    };
    thread::Builder::new().name("serial-in".into()).spawn(accept).map(drop).map_err(SerialError::Thread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read() {
        assert_eq!("stdio".parse(), Ok(Target::Stdio));
        assert_eq!("file:a:b".parse(), Ok(Target::File("a:b".into())));
        assert_eq!("unix:/tmp/s".parse(), Ok(Target::Unix("/tmp/s".into())));
        for wrong in ["", "file", "file:", "unix:", "tcp:1", "stdio:", "pty:1"] {
            assert!(wrong.parse::<Target>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_pseudo_terminal_carries_bytes_as_they_are() {
        let (mut master, _other_end, name) = pty().unwrap();
        let mut other = File::options().read(true).write(true).open(name).unwrap();
        master.write_all(b"login: \x03\n").unwrap();
        let mut bytes = [0; 9];
        other.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"login: \x03\n");
        other.write_all(b"a\r").unwrap();
        let mut bytes = [0; 2];
        master.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"a\r");
    }
}
