//! `--gdb`: a debugger's socket.
//!
//! | file | what |
//! |---|---|
//! | this file | the option, the listening socket, and whose turn it is |
//! | `wire` | one connection's bytes, and the first sign that a debugger is at its other end |
//! | `session` | a debugger from its first packet to its last |
//!
//! One debugger at a time; who comes meanwhile is hung up on. A client that says nothing, or nothing of the protocol, is
//! hung up on after a while, and the guest is not stopped for it. However a session ends, nothing of it stays in the guest.

mod session;
mod wire;

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use emu::machine::Handle;

use crate::power::Power;
use crate::socket::{self, SocketError};
use wire::{Wait, Wire};

/// How long the end of the phone waits for a debugger to be told.
const FAREWELL: Duration = Duration::from_millis(300);

/// A `--gdb`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An address and a port of TCP.
    Tcp(SocketAddr),
    /// A socket for this user only.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some("") => Err("write unix:PATH"),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| "write ADDRESS:PORT, such as 127.0.0.1:1234, or unix:PATH"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why no debugger can come.
#[derive(Debug, thiserror::Error)]
pub enum GdbError {
    /// The socket.
    #[error("--gdb {address}: {why}")]
    Socket {
        /// Where.
        address: Address,
        /// What is wrong.
        why: SocketError,
    },
    /// A thread.
    #[error("--gdb: the host gives no thread: {0}")]
    Thread(io::Error),
}

/// A listening socket of either kind.
#[derive(Debug)]
enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    fn bind(address: &Address) -> Result<Self, SocketError> {
        let listener = match address {
            Address::Tcp(address) => Self::Tcp(TcpListener::bind(address)?),
            Address::Unix(path) => Self::Unix(socket::listen(path)?),
        };
        match &listener {
            Self::Tcp(listener) => listener.set_nonblocking(true)?,
            Self::Unix(listener) => listener.set_nonblocking(true)?,
        }
        Ok(listener)
    }

    /// The next client, if one waits.
    fn accept(&self) -> io::Result<Wire> {
        match self {
            Self::Tcp(listener) => Wire::tcp(listener.accept()?.0),
            Self::Unix(listener) => Wire::unix(listener.accept()?.0),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

/// A place where debuggers may come.
#[derive(Debug)]
pub struct Gdb {
    listener: Listener,
}

/// What is left of it when the phone runs.
#[derive(Debug)]
pub struct Served(mpsc::Receiver<()>);

impl Gdb {
    /// Listens.
    ///
    /// # Errors
    /// [`GdbError::Socket`]
    pub fn listen(address: &Address) -> Result<Self, GdbError> {
        let listener = Listener::bind(address).map_err(|why| GdbError::Socket { address: address.clone(), why })?;
        if let (Listener::Tcp(bound), Address::Tcp(asked)) = (&listener, address)
            && asked.port() == 0
            && let Ok(address) = bound.local_addr()
        {
            eprintln!("handset: gdb may come to {address}");
        }
        Ok(Self { listener })
    }

    /// Serves debuggers from now on.
    ///
    /// # Errors
    /// [`GdbError::Thread`]
    pub fn start(self, machine: Handle, power: Power) -> Result<Served, GdbError> {
        let (done, served) = mpsc::sync_channel(1);
        let serve = move || {
            while !machine.ended() {
                if let Some(wire) = self.next(&machine) {
                    session::run(wire, &self.listener, &machine, &power);
                }
            }
            // The phone may have ended without waiting.
            let _ = done.send(());
        };
        thread::Builder::new().name("gdb".into()).spawn(serve).map_err(GdbError::Thread)?;
        Ok(Served(served))
    }

    /// The next client that speaks the protocol; none if the first that comes does not.
    fn next(&self, machine: &Handle) -> Option<Wire> {
        while !machine.ended() {
            if Wait::for_any(&[&self.listener]).ready(0)
                && let Ok(mut wire) = self.listener.accept()
            {
                return wire.greets(&self.listener, machine).then_some(wire);
            }
        }
        None
    }
}

impl Served {
    /// Waits a moment for a debugger to be told of the end.
    pub fn finish(&self) {
        let _ = self.0.recv_timeout(FAREWELL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        assert_eq!("127.0.0.1:1234".parse(), Ok(Address::Tcp(([127, 0, 0, 1], 1234).into())));
        assert_eq!("unix:a:b".parse(), Ok(Address::Unix("a:b".into())));
        for wrong in ["", "1234", "localhost:1234", "unix:", "127.0.0.1", "127.0.0.1:99999"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}
