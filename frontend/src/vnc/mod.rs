//! `--vnc`: the screen for others to look at and to touch, by RFB 3.8 (RFC 6143), the protocol of VNC.
//!
//! | file | what |
//! |---|---|
//! | this file | the options, the listening socket, and who is there |
//! | `handshake` | how a client comes in |
//! | `session` | a client from its first byte to its last |
//! | `messages` | what clients say |
//! | `canvas` | what a client has seen of the picture |
//! | `pixels`, `encode` | how it is sent |
//! | `hands`, `keysym` | fingers and keys |
//!
//! Left out: the Cursor encoding, since a guest's pointer stands where the guest has put it, so it is part of the picture;
//! the clipboard, bells, and clients that want to be alone. What a client does wrong ends its connection alone.

mod canvas;
mod encode;
mod hands;
mod handshake;
mod keysym;
mod messages;
mod pixels;
mod session;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use devices::virtio::input::{Keyboard, TouchScreen};
use socket2::Socket;

use crate::screen::Screen;
use crate::socket::{self, Address, SocketError};
use handshake::Password;

/// Clients at the same time.
const CLIENTS: usize = 8;
/// How long it takes until a host that could not give a client may have one.
const BREATH: Duration = Duration::from_millis(100);

/// Why nobody can come.
#[derive(Debug, thiserror::Error)]
pub enum VncError {
    /// The socket.
    #[error("--vnc {address}: {why}")]
    Socket {
        /// Where.
        address: Address,
        /// What is wrong.
        why: SocketError,
    },
    /// The file of the password.
    #[error("--vnc-password-file {}: {why}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: io::Error,
    },
    /// The password.
    #[error("--vnc-password-file {}: a password of VNC has 1 to 8 bytes (write it in the first line)", .0.display())]
    Password(PathBuf),
    /// A thread.
    #[error("--vnc: the host gives no thread: {0}")]
    Thread(io::Error),
}

/// What clients come for.
#[derive(Debug)]
pub struct Phone {
    /// How it is called.
    pub title: String,
    /// What is shown.
    pub screen: Screen,
    /// The size of the screen when it is dark.
    pub size: (u32, u32),
    /// Fingers.
    pub touch: TouchScreen,
    /// Keys.
    pub keyboard: Keyboard,
}

/// A place where clients may come.
#[derive(Debug)]
pub struct Vnc {
    listener: Socket,
    common: Common,
}

/// What all clients have in common.
#[derive(Debug)]
struct Common {
    phone: Phone,
    password: Option<Password>,
    bell: Arc<Bell>,
    seats: Seats,
}

/// Rung when there may be something new for a client.
#[derive(Debug, Default)]
struct Bell {
    rings: Mutex<u64>,
    heard: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rings.lock().expect("nobody panics at the bell") += 1;
        self.heard.notify_all();
    }

    /// Waits until it has been rung more often than so, and says how often that is.
    fn wait(&self, rings: u64) -> u64 {
        let lock = self.rings.lock().expect("nobody panics at the bell");
        *self.heard.wait_while(lock, |now| *now == rings).expect("nobody panics at the bell")
    }
}

/// Clients' places, and which are taken.
#[derive(Debug, Default)]
struct Seats(Mutex<[bool; CLIENTS]>);

impl Seats {
    fn take(&self) -> Option<usize> {
        let mut taken = self.0.lock().expect("nobody panics on a seat");
        let number = taken.iter().position(|taken| !taken)?;
        taken[number] = true;
        Some(number)
    }

    fn give_back(&self, number: usize) {
        self.0.lock().expect("nobody panics on a seat")[number] = false;
    }
}

/// A client's place while it is there.
#[derive(Debug)]
struct Seat {
    common: Arc<Common>,
    number: usize,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.common.seats.give_back(self.number);
    }
}

impl Vnc {
    /// Listens for those who know the password in a file, or for everybody.
    ///
    /// # Errors
    /// [`VncError`]
    pub fn listen(address: &Address, password: Option<&Path>, phone: Phone) -> Result<Self, VncError> {
        let password = password.map(read).transpose()?;
        let wrong = |why| VncError::Socket { address: address.clone(), why };
        let (listener, chosen) = socket::bind(address).map_err(wrong)?;
        if let Some(address) = chosen {
            eprintln!("handset: VNC clients may come to {address}");
        }
        Ok(Self { listener, common: Common { phone, password, bell: Arc::default(), seats: Seats::default() } })
    }

    /// Serves clients from now on.
    ///
    /// # Errors
    /// [`VncError::Thread`]
    pub fn start(self) -> Result<(), VncError> {
        let Self { listener, common } = self;
        let bell = Arc::clone(&common.bell);
        common.phone.screen.watch(move || bell.ring());
        let common = Arc::new(common);
        let accept = move || {
            loop {
                match socket::accept(&listener) {
                    Ok(client) => receive(client, &common),
                    Err(_) => thread::sleep(BREATH),
                }
            }
        };
        thread::Builder::new().name("vnc".into()).spawn(accept).map(drop).map_err(VncError::Thread)
    }
}

/// Has a client served, or hangs up if there is no place for it.
fn receive(client: Socket, common: &Arc<Common>) {
    let Some(number) = common.seats.take() else {
        return tracing::debug!("a VNC client is hung up on: {CLIENTS} are here already");
    };
    let seat = Seat { common: Arc::clone(common), number };
    let serve = move || {
        if let Err(why) = session::serve(&client, &seat.common, seat.number) {
            tracing::debug!("a VNC client is hung up on: {why}");
        }
    };
    if let Err(why) = thread::Builder::new().name("vnc-in".into()).spawn(serve) {
        tracing::debug!("a VNC client is hung up on: the host gives no thread: {why}");
    }
}

/// Reads a password from the first line of a file.
fn read(file: &Path) -> Result<Password, VncError> {
    let mut bytes = Vec::new();
    // A byte more than there may be, and the end of the line.
    let read = File::open(file).and_then(|opened| opened.take(10).read_to_end(&mut bytes));
    read.map_err(|why| VncError::File { file: file.to_owned(), why })?;
    let line = bytes.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    Password::new(line).ok_or_else(|| VncError::Password(file.to_owned()))
}

#[cfg(test)]
mod tests;
