//! The sockets at which clients come, each client's threads, and what all of them are told.
//!
//! A client has two threads: one reads its wishes and carries them out, one writes to it, so that a client that does not
//! read holds nobody up. One that takes nothing for [`PATIENCE`], or is behind by [`BEHIND`] messages, is hung up on.

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use emu::cpu::Verdict;
use rustix::event::{self, PollFd, PollFlags, Timespec};
use serde_json::{Value, json};

use super::Phone;
use super::place::{self, Name, PlaceError};
use super::qmp::{self, Messages, Session, Trouble};
use super::registry::Failure;
use crate::socket::{self, SocketError};

/// Clients at the same time.
const CLIENTS: usize = 32;
/// Messages that a client may be behind.
const BEHIND: usize = 256;
/// How long a client may take nothing.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the end of the phone waits for clients to be told.
const FAREWELL: Duration = Duration::from_millis(100);

/// The events that there are.
pub const EVENTS: &[&str] = &["STOP", "RESUME", "RESET", "POWERDOWN", "SHUTDOWN"];

/// Clients that have begun, and hear of what happens: each one's number, and its way out.
#[derive(Debug, Clone, Default)]
pub struct Events(Arc<Mutex<Listeners>>);

type Listeners = Vec<(usize, SyncSender<String>)>;

impl Events {
    /// Tells everybody.
    pub fn send(&self, name: &str, data: Value) {
        debug_assert!(EVENTS.contains(&name));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let timestamp = json!({"seconds": now.as_secs(), "microseconds": now.subsec_micros()});
        let event = json!({"event": name, "data": data, "timestamp": timestamp}).to_string();
        // Who is too far behind hears nothing more, and is hung up on when it next says something.
        self.lock().retain(|(_, client)| client.try_send(event.clone()).is_ok());
    }

    fn lock(&self) -> MutexGuard<'_, Listeners> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why nobody can control the phone.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// A socket.
    #[error("{option} {}: {why}", path.display())]
    Socket {
        /// The option that asked for it.
        option: &'static str,
        /// Where.
        path: PathBuf,
        /// What is wrong.
        why: SocketError,
    },
    /// The place of a phone with a name.
    #[error("--name {0}: {1}")]
    Place(Name, PlaceError),
    /// Another phone has the name.
    #[error("--name {0}: a phone is called so already (name another)")]
    Taken(Name),
    /// A thread.
    #[error("the host gives no thread for clients: {0}")]
    Thread(std::io::Error),
}

/// Sockets where clients may come.
#[derive(Debug, Default)]
pub struct Control(Vec<UnixListener>);

/// What is left of it when the phone runs.
#[derive(Debug)]
pub struct Served(Arc<Phone>);

impl Control {
    /// Listens for those who know the phone's name, and at a path.
    ///
    /// # Errors
    /// [`ControlError`]
    pub fn listen(name: Option<&Name>, path: Option<&Path>) -> Result<Self, ControlError> {
        let mut listeners = Vec::new();
        if let Some(name) = name {
            let path = place::socket(name).map_err(|why| ControlError::Place(name.clone(), why))?;
            listeners.push(socket::listen(&path).map_err(|why| match why {
                SocketError::Occupied => ControlError::Taken(name.clone()),
                why => ControlError::Socket { option: "--name", path, why },
            })?);
        }
        if let Some(path) = path {
            let wrong = |why| ControlError::Socket { option: "--qmp", path: path.to_owned(), why };
            listeners.push(socket::listen(path).map_err(wrong)?);
        }
        Ok(Self(listeners))
    }

    /// Serves clients from now on.
    ///
    /// # Errors
    /// [`ControlError::Thread`]
    pub fn start(self, phone: Phone) -> Result<Served, ControlError> {
        let phone = Arc::new(phone);
        let told = Arc::clone(&phone);
        phone.machine.on_reset(move || {
            let guest = !told.asked_reset.swap(false, Ordering::SeqCst);
            let reason = if guest { "guest-reset" } else { "host-qmp-system-reset" };
            told.events.send("RESET", json!({"guest": guest, "reason": reason}));
        });
        let clients = Arc::new(AtomicUsize::new(0));
        for listener in self.0 {
            let (phone, clients) = (Arc::clone(&phone), Arc::clone(&clients));
            let accept = move || {
                for stream in listener.incoming().flatten() {
                    // What cannot be served is hung up on.
                    let _ = receive(stream, &phone, &clients);
                }
            };
            thread::Builder::new().name("control".into()).spawn(accept).map_err(ControlError::Thread)?;
        }
        Ok(Served(phone))
    }
}

impl Served {
    /// Tells clients that the phone has ended, and gives them a moment to hear it.
    pub fn finish(&self, verdict: Option<Verdict>) {
        self.0.ended.store(true, Ordering::SeqCst);
        let asked = self.0.asked_end.load(Ordering::SeqCst);
        let reason = match verdict {
            Some(Verdict::PowerOff) => "guest-shutdown",
            _ if asked => "host-qmp-quit",
            _ => "host-ui",
        };
        self.0.events.send("SHUTDOWN", json!({"guest": verdict == Some(Verdict::PowerOff), "reason": reason}));
        if !self.0.events.lock().is_empty() {
            thread::sleep(FAREWELL);
        }
    }
}

/// Counts a client while it is there.
struct Seat(Arc<AtomicUsize>);

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn receive(mut stream: UnixStream, phone: &Arc<Phone>, clients: &Arc<AtomicUsize>) -> std::io::Result<()> {
    stream.set_write_timeout(Some(PATIENCE))?;
    let seat = Seat(Arc::clone(clients));
    if clients.fetch_add(1, Ordering::SeqCst) >= CLIENTS {
        let failure = Failure::new(format!("{CLIENTS} clients are here already (come later)"));
        // It may not wait for the answer.
        let _ = stream.set_nonblocking(true);
        return writeln!(stream, "{}", qmp::error(&failure));
    }
    let (say, said) = mpsc::sync_channel(BEHIND);
    let writing = stream.try_clone()?;
    thread::Builder::new().name("client-out".into()).spawn(move || write(writing, &said))?;
    let phone = Arc::clone(phone);
    let serve = move || {
        let _seat = seat;
        talk(&stream, &phone, &say);
    };
    thread::Builder::new().name("client-in".into()).spawn(serve).map(drop)
}

/// Writes to a client until there is no more to say, or it takes no more.
fn write(mut stream: UnixStream, said: &Receiver<String>) {
    let all =
        said.iter().all(|line| stream.write_all(line.as_bytes()).and_then(|()| stream.write_all(b"\r\n")).is_ok());
    // Ends what waits for its wishes, too, if it is that which went wrong.
    let _ = stream.shutdown(if all { Shutdown::Write } else { Shutdown::Both });
}

/// Carries out what a client wishes until it goes.
fn talk(stream: &UnixStream, phone: &Phone, say: &SyncSender<String>) {
    static NUMBERS: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    let mut messages = Messages::new(stream);
    let mut session = Session::default();
    let tell = |value: Value| say.send(value.to_string()).is_ok();
    let mut goes_on = tell(qmp::greeting());
    while goes_on {
        goes_on = match messages.next() {
            Ok(wish) => {
                let new = !session.begun();
                let told = tell(session.answer(phone, wish, &|| hung_up(stream)));
                if new && session.begun() {
                    phone.events.lock().push((number, say.clone()));
                }
                told
            }
            Err(Trouble::Text(line)) => tell(qmp::error(&Failure::new(line))),
            Err(Trouble::Long) => {
                tell(qmp::error(&Failure::new(format!("a wish has {} bytes at most", qmp::MOST))));
                false
            }
            Err(Trouble::End) => false,
        };
    }
    // Without this, its writer would wait for events that nobody reads.
    phone.events.lock().retain(|(client, _)| *client != number);
}

/// Whether a client neither says nor hears more. One that has only said all may still want to hear.
fn hung_up(stream: &UnixStream) -> bool {
    let mut client = [PollFd::new(stream, PollFlags::empty())];
    let told = event::poll(&mut client, Some(&Timespec::default()));
    told.is_ok() && client[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}
