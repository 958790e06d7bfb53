//! The router's TCP connections: opened by either side, found by their ends, and forgotten.

use std::hash::BuildHasher;

use mio::Interest;
use mio::net::TcpStream;

use super::super::addresses::{GATEWAY, RESOLVER, host_of, is_outside};
use super::super::tcp::{self, Connection, Next, Sizing};
use super::super::wire::{Endpoint, Packet, Segment};
use super::{Queued, Router, Tag, deregister};

/// TCP connections at a time.
const MAX_CONNECTIONS: usize = 1024;
/// While no more than so many connections are open, each has large buffers.
const SPACIOUS: usize = 64;
const LARGE_BUFFER: usize = 256 << 10;
const SMALL_BUFFER: usize = 32 << 10;
/// The first port for connections that the host opens to the guest.
pub(super) const FIRST_DYNAMIC_PORT: u16 = 49152;

impl Router {
    pub(super) fn segment(&mut self, packet: &Packet<'_>) {
        let Some(segment) = Segment::parse(packet.payload) else { return };
        let key = tcp::Key { guest: (packet.from, segment.from), remote: (packet.to, segment.to) };
        let now = self.now();
        if let Some(&index) = self.connection_of.get(&key) {
            let connection = &mut self.connections[index];
            if segment.is_syn() && connection.is_over() {
                self.forget_connection(index);
            } else {
                if connection.packet(packet, &segment, &mut self.link, now) {
                    self.enqueue(Queued::Connection(index));
                } else {
                    self.forget_connection(index);
                }
                return;
            }
        }
        let host = if segment.is_syn() && segment.from != 0 { host_of(key.remote, &self.spec) } else { None };
        let opened = host.filter(|_| self.make_room()).map(TcpStream::connect);
        match opened {
            Some(Ok(stream)) => {
                let sizing = self.sizing();
                let connection = Connection::from_guest(key, stream, packet.bytes, sizing, now);
                self.add_connection(connection);
            }
            Some(Err(e)) => {
                tracing::debug!("{key:?}: {e}");
                tcp::refuse(packet.bytes, &mut self.link);
            }
            None if is_outside(packet.to) || [GATEWAY, RESOLVER].contains(&packet.to) => {
                tcp::refuse(packet.bytes, &mut self.link);
            }
            None => {}
        }
    }

    pub(super) fn serve_connection(&mut self, index: usize) {
        let now = self.now();
        let Some(connection) = self.connections.get_mut(index) else { return };
        connection.queued = false;
        match connection.serve(&mut self.link, now) {
            Next::Gone => self.forget_connection(index),
            Next::Wait(deadline) => {
                connection.deadline = deadline;
                self.next_deadline = [self.next_deadline, deadline].into_iter().flatten().min();
            }
            Next::Turn => self.enqueue(Queued::Connection(index)),
            Next::Room => {
                connection.queued = true;
                self.stalled.push(Queued::Connection(index));
            }
        }
    }

    pub(super) fn forget_connection(&mut self, index: usize) {
        let mut connection = self.connections.remove(index);
        self.connection_of.remove(&connection.key);
        deregister(&self.poll, &mut connection.stream);
    }

    fn sizing(&mut self) -> Sizing {
        self.made += 1;
        let buffer = if self.connections.len() < SPACIOUS { LARGE_BUFFER } else { SMALL_BUFFER };
        Sizing { buffer, seed: self.seeds.hash_one(self.made) }
    }

    /// Whether there is room for one more connection, if need be by forgetting one that is over.
    fn make_room(&mut self) -> bool {
        if self.connections.len() < MAX_CONNECTIONS {
            return true;
        }
        let over = self.connections.iter_mut().find_map(|(index, c)| c.is_over().then_some(index));
        if let Some(index) = over {
            self.forget_connection(index);
        }
        over.is_some()
    }

    fn add_connection(&mut self, connection: Connection) {
        let key = connection.key;
        let index = self.connections.insert(connection);
        let interests = Interest::READABLE | Interest::WRITABLE;
        let stream = &mut self.connections[index].stream;
        if let Err(e) = self.poll.registry().register(stream, Tag::Connection(index).token(), interests) {
            tracing::debug!("cannot watch a connection: {e}");
            self.connections.remove(index);
            return;
        }
        self.connection_of.insert(key, index);
        self.enqueue(Queued::Connection(index));
    }

    pub(super) fn accept(&mut self, listener: usize) {
        while self.make_room() {
            let (socket, guest) = &self.listeners.tcp[listener];
            let guest = *guest;
            let stream = match socket.accept() {
                Ok((stream, _)) => stream,
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(e) => {
                    tracing::debug!("cannot take a forwarded connection: {e}");
                    return;
                }
            };
            if let Err(e) = stream.set_nodelay(true) {
                tracing::debug!("cannot set TCP_NODELAY: {e}");
            }
            let Some(key) = self.free_key(guest) else { return };
            let (sizing, now) = (self.sizing(), self.now());
            if let Some(connection) = Connection::from_host(key, stream, &mut self.link, sizing, now) {
                self.add_connection(connection);
            }
        }
    }

    /// A key for a connection from the gateway to `guest`.
    fn free_key(&mut self, guest: Endpoint) -> Option<tcp::Key> {
        (FIRST_DYNAMIC_PORT..=u16::MAX).find_map(|_| {
            let remote = (GATEWAY, self.next_port);
            self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_DYNAMIC_PORT);
            let key = tcp::Key { guest, remote };
            (!self.connection_of.contains_key(&key)).then_some(key)
        })
    }
}
