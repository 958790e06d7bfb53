//! Frames between the guest's card and the network's thread: a bounded byte ring each way, and who wakes whom.
//!
//! Each side sleeps only after it said so and then looked once more; the other side, having put something in, looks
//! whether anyone sleeps. So no frame is left lying, and while both are busy nobody makes a system call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::thread::JoinHandle;

use devices::bus::{NetPort, Waker};
use rtrb::{Consumer, Producer, RingBuffer};

/// An Ethernet header and the largest IPv4 packet.
pub const MAX_FRAME: usize = 14 + 65535;
/// Bytes of a ring.
const CAPACITY: usize = 1 << 20;
/// A frame's length goes before it.
const PREFIX: usize = 4;

/// The writing end of a ring.
struct In(Producer<u8>);

/// The reading end of a ring.
struct Out(Consumer<u8>);

impl In {
    fn has_room(&self, len: usize) -> bool {
        self.0.slots() >= PREFIX + len
    }

    fn push(&mut self, frame: &[u8]) -> bool {
        let room = self.has_room(frame.len());
        if room {
            let len = (frame.len() as u32).to_ne_bytes();
            let fits = self.0.push_entire_slice(&len).and_then(|()| self.0.push_entire_slice(frame));
            fits.expect("there was room, and only this end fills it");
        }
        room
    }
}

impl Out {
    /// The next whole frame; one too large for `buf` is dropped.
    fn pop(&mut self, buf: &mut [u8]) -> Option<usize> {
        loop {
            let prefix = self.0.read_chunk(PREFIX).ok()?;
            let (first, second) = prefix.as_slices();
            let mut len = [0; PREFIX];
            len[..first.len()].copy_from_slice(first);
            len[first.len()..].copy_from_slice(second);
            let len = u32::from_ne_bytes(len) as usize;
            if self.0.slots() < PREFIX + len {
                return None;
            }
            self.0.read_chunk(PREFIX).expect("seen above").commit_all();
            if len <= buf.len() {
                self.0.pop_entire_slice(&mut buf[..len]).expect("seen above");
                return Some(len);
            }
            self.0.read_chunk(len).expect("seen above").commit_all();
        }
    }
}

#[derive(Debug)]
struct Shared {
    thread: mio::Waker,
    thread_sleeps: AtomicBool,
    guest: Waker,
    guest_sleeps: AtomicBool,
    thread_wants_room: AtomicBool,
    stop: AtomicBool,
}

impl Shared {
    fn wake_thread(&self) {
        if let Err(e) = self.thread.wake() {
            tracing::error!("cannot wake the network's thread: {e}");
        }
    }
}

/// Both ends of a cable.
pub fn cable(thread: mio::Waker, guest: Waker) -> (UserPort, Cable) {
    let (to_thread, from_guest) = RingBuffer::new(CAPACITY);
    let (to_guest, from_thread) = RingBuffer::new(CAPACITY);
    let shared = Arc::new(Shared {
        thread,
        thread_sleeps: AtomicBool::new(false),
        guest,
        guest_sleeps: AtomicBool::new(true),
        thread_wants_room: AtomicBool::new(false),
        stop: AtomicBool::new(false),
    });
    let port =
        UserPort { to_thread: In(to_thread), from_thread: Out(from_thread), shared: Arc::clone(&shared), worker: None };
    (port, Cable { from_guest: Out(from_guest), to_guest: In(to_guest), shared })
}

/// The guest's end: what its card is given. Dropping it ends the network.
pub struct UserPort {
    to_thread: In,
    from_thread: Out,
    shared: Arc<Shared>,
    worker: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for UserPort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UserPort")
    }
}

impl UserPort {
    pub(super) fn own(&mut self, worker: JoinHandle<()>) {
        self.worker = Some(worker);
    }
}

impl NetPort for UserPort {
    fn send(&mut self, frame: &[u8]) {
        if frame.len() <= MAX_FRAME && self.to_thread.push(frame) {
            fence(Ordering::SeqCst);
            if self.shared.thread_sleeps.load(Ordering::Relaxed)
                && self.shared.thread_sleeps.swap(false, Ordering::SeqCst)
            {
                self.shared.wake_thread();
            }
        }
    }

    fn receive(&mut self, buf: &mut [u8]) -> Option<usize> {
        let frame = self.from_thread.pop(buf).or_else(|| {
            self.shared.guest_sleeps.store(true, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            let frame = self.from_thread.pop(buf)?;
            self.shared.guest_sleeps.store(false, Ordering::SeqCst);
            Some(frame)
        });
        if frame.is_some() {
            fence(Ordering::SeqCst);
            if self.shared.thread_wants_room.load(Ordering::Relaxed)
                && self.from_thread.0.slots() <= CAPACITY / 2
                && self.shared.thread_wants_room.swap(false, Ordering::SeqCst)
            {
                self.shared.wake_thread();
            }
        }
        frame
    }
}

impl Drop for UserPort {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.wake_thread();
        if let Some(worker) = self.worker.take()
            && worker.join().is_err()
        {
            tracing::error!("the network's thread has panicked");
        }
    }
}

/// The thread's end.
pub struct Cable {
    from_guest: Out,
    to_guest: In,
    shared: Arc<Shared>,
}

impl Cable {
    /// The next frame from the guest.
    pub fn pop(&mut self, buf: &mut [u8]) -> Option<usize> {
        self.from_guest.pop(buf)
    }

    /// Whether the largest frame would fit; if not, the thread is woken once half of the ring is free.
    pub fn has_room(&mut self) -> bool {
        if self.to_guest.has_room(MAX_FRAME) {
            return true;
        }
        self.shared.thread_wants_room.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let room = self.to_guest.has_room(MAX_FRAME);
        if room {
            self.shared.thread_wants_room.store(false, Ordering::SeqCst);
        }
        room
    }

    /// A frame to the guest; dropped without room.
    pub fn push(&mut self, frame: &[u8]) {
        if self.to_guest.push(frame) {
            fence(Ordering::SeqCst);
            if self.shared.guest_sleeps.load(Ordering::Relaxed)
                && self.shared.guest_sleeps.swap(false, Ordering::SeqCst)
            {
                self.shared.guest.wake();
            }
        }
    }

    /// Says that the thread is about to sleep; false when it must not, since there are frames.
    pub fn may_sleep(&self) -> bool {
        self.shared.thread_sleeps.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let empty = self.from_guest.0.is_empty() && !self.stopped();
        if !empty {
            self.awake();
        }
        empty
    }

    /// Says that the thread is awake.
    pub fn awake(&self) {
        self.shared.thread_sleeps.store(false, Ordering::SeqCst);
    }

    /// Whether the guest's end is gone.
    pub fn stopped(&self) -> bool {
        self.shared.stop.load(Ordering::SeqCst)
    }
}
