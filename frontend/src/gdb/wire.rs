//! One connection's bytes, and the first sign that a debugger is at its other end.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use emu::machine::Handle;
use gdbstub::conn::Connection;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::Socket;

use crate::socket;

/// How long a client may say nothing of the protocol before it is hung up on.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it may leave lie what it is told.
const WRITE: Duration = Duration::from_secs(5);
/// What is waited for at once before the end of the phone is looked at.
const BREATH: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Bytes before which a first packet has ended.
const GREETING: usize = 4096;
/// Bytes that are written at once at the latest.
const PIECE: usize = 16 << 10;

/// What of several sources has something to say.
pub struct Wait(Vec<PollFlags>);

impl Wait {
    /// Waits a breath at most.
    pub fn for_any(sources: &[&dyn AsFd]) -> Self {
        let flags = PollFlags::IN | PollFlags::RDHUP;
        let mut polled: Vec<_> = sources.iter().map(|source| PollFd::from_borrowed_fd(source.as_fd(), flags)).collect();
        match poll(&mut polled, Some(&BREATH)) {
            Ok(_) => Self(polled.iter().map(PollFd::revents).collect()),
            // A signal came.
            Err(_) => Self(vec![PollFlags::empty(); sources.len()]),
        }
    }

    /// Whether the source of this number has, or has ended.
    pub fn ready(&self, source: usize) -> bool {
        !self.0[source].is_empty()
    }

    /// Whether the source of this number will say no more than what is there.
    pub fn ends(&self, source: usize) -> bool {
        self.0[source].intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR)
    }
}

/// A client.
#[derive(Debug)]
pub struct Wire {
    socket: Socket,
    out: Vec<u8>,
    /// Read, and not yet taken.
    pub heard: Vec<u8>,
}

impl Wire {
    pub fn new(socket: Socket) -> io::Result<Self> {
        socket.set_write_timeout(Some(WRITE))?;
        Ok(Self { socket, out: Vec::new(), heard: Vec::new() })
    }

    /// Reads what is there, which is waited for if nothing is. False when there will be no more.
    pub fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.socket.read(&mut buffer) {
            Ok(count) => {
                self.heard.extend_from_slice(&buffer[..count]);
                count > 0
            }
            Err(why) => why.kind() == io::ErrorKind::Interrupted,
        }
    }

    /// Sends what was written so far.
    pub fn send(&mut self) -> io::Result<()> {
        let written = self.socket.write_all(&self.out);
        self.out.clear();
        written
    }

    /// Waits for a whole packet. False if none comes; whoever else comes meanwhile is hung up on.
    pub fn greets(&mut self, listener: &Socket, machine: &Handle) -> bool {
        let until = Instant::now() + PATIENCE;
        while !has_packet(&self.heard) {
            let waited = Wait::for_any(&[&*self, listener]);
            let lost = waited.ready(0) && !self.read();
            if waited.ready(1) && !waited.ends(0) {
                drop(socket::accept(listener));
            }
            if lost || machine.ended() || Instant::now() > until || self.heard.len() > GREETING {
                return false;
            }
        }
        true
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Connection for Wire {
    type Error = io::Error;

    fn write(&mut self, byte: u8) -> io::Result<()> {
        self.out.push(byte);
        if self.out.len() < PIECE { Ok(()) } else { self.send() }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

/// Whether a whole packet is among the bytes: `$`, what it says, `#`, and two digits for the sum of that.
fn has_packet(bytes: &[u8]) -> bool {
    bytes.iter().enumerate().filter(|(_, byte)| **byte == b'$').any(|(at, _)| {
        let rest = &bytes[at + 1..];
        let Some(end) = rest.iter().position(|&byte| byte == b'#') else { return false };
        let sum = rest[..end].iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        rest.get(end + 1..end + 3).is_some_and(|digits| digits.eq_ignore_ascii_case(format!("{sum:02x}").as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_told_from_noise() {
        for noise in ["", "+", "GET / HTTP/1.1\r\n", "$?#", "$?#3", "$?#30", "$$$$", "?#3f", "$#"] {
            assert!(!has_packet(noise.as_bytes()), "{noise}");
        }
        for packet in ["$?#3f", "+$?#3F", "$?#00$?#3f", "$$?#3f"] {
            assert!(has_packet(packet.as_bytes()), "{packet}");
        }
    }
}
