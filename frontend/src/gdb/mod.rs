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

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use emu::machine::Handle;
use socket2::Socket;

use crate::power::Power;
use crate::socket::{self, Address, SocketError};
use wire::{Wait, Wire};

/// How long the end of the phone waits for a debugger to be told.
const FAREWELL: Duration = Duration::from_millis(300);

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

/// A place where debuggers may come.
#[derive(Debug)]
pub struct Gdb {
    listener: Socket,
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
        let wrong = |why| GdbError::Socket { address: address.clone(), why };
        let (listener, chosen) = socket::bind(address).map_err(wrong)?;
        listener.set_nonblocking(true).map_err(|why| wrong(why.into()))?;
        if let Some(address) = chosen {
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
                && let Ok(mut wire) = socket::accept(&self.listener).and_then(Wire::new)
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
