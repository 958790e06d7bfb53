//! UDP and ICMP echo: one connected host socket for each pair of ends, forgotten when idle.
//!
//! A connected socket takes answers from the asked host only and hears its refusals, which become ICMP messages here.
//! The price: two peers see two source ports for one of the guest's (a "symmetric" NAT).
//! Echo uses the host's unprivileged ping sockets (`net.ipv4.ping_group_range`); where they are not permitted, hosts
//! beyond the gateway are reported as administratively prohibited.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net::UdpSocket;
use smoltcp::time::Instant;
use socket2::{Domain, Protocol, Socket, Type};

use super::link::Link;
use super::wire::{self, Endpoint, ICMP, IP_HEADER, Icmp, Packet, UDP, UDP_HEADER};

/// Datagrams that one socket gives before others have their turn.
const TURN: usize = 32;
/// The largest UDP payload in an IPv4 packet.
const MAX_PAYLOAD: usize = 65535 - IP_HEADER - UDP_HEADER;

/// What a flow carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UDP datagrams.
    Udp,
    /// Echo requests and replies; the guest's port is the identifier.
    Echo,
}

/// Both ends as the guest knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    pub kind: Kind,
    pub guest: Endpoint,
    pub remote: Endpoint,
}

/// The host's end of a flow.
pub enum Via {
    /// A socket of its own.
    Own(UdpSocket),
    /// A peer of a forwarded port, by the number of its listener.
    Forward(usize, SocketAddr),
}

/// A port of the host that leads in.
pub struct Forwarded {
    pub socket: UdpSocket,
    pub guest: Endpoint,
    pub queued: bool,
}

/// Datagrams between two ends.
pub struct Flow {
    pub key: Key,
    pub via: Via,
    pub readable: bool,
    pub queued: bool,
    pub active: Instant,
    /// The start of the guest's last packet, which an ICMP error cites.
    cited: Vec<u8>,
}

impl Flow {
    pub fn new(key: Key, via: Via, now: Instant) -> Self {
        Self { key, via, readable: false, queued: false, active: now, cited: Vec::new() }
    }

    /// A socket for a flow to `host`.
    ///
    /// # Errors
    /// The host's; for echo, permission above all.
    pub fn open(kind: Kind, host: SocketAddr) -> std::io::Result<UdpSocket> {
        let socket = match kind {
            Kind::Echo => Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::ICMPV4))?,
            Kind::Udp => {
                let socket = Socket::new(Domain::for_address(host), Type::DGRAM, Some(Protocol::UDP))?;
                let any = if host.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
                socket.bind(&SocketAddr::new(any, 0).into())?;
                socket
            }
        };
        socket.set_nonblocking(true)?;
        socket.connect(&host.into())?;
        Ok(UdpSocket::from_std(socket.into()))
    }

    /// Sends what the guest sent in `packet`. What the host has no room for is lost, as UDP may be.
    pub fn send(&mut self, packet: &Packet<'_>, payload: &[u8], listeners: &[Forwarded], link: &mut Link) {
        let header = packet.bytes.len() - packet.payload.len();
        self.cited = packet.bytes[..packet.bytes.len().min(header + 8)].to_vec();
        let sent = match &self.via {
            Via::Own(socket) => socket.send(payload),
            Via::Forward(listener, peer) => listeners[*listener].socket.send_to(payload, *peer),
        };
        if let Err(e) = sent {
            self.failed(&e, link);
        }
    }

    fn failed(&mut self, error: &std::io::Error, link: &mut Link) {
        tracing::debug!("{:?}: {error}", self.key.remote);
        if error.kind() == ErrorKind::ConnectionRefused {
            unreachable(&self.cited, Icmp::PORT_UNREACHABLE, link);
        }
    }

    /// Gives the guest what waits in the flow's own socket; true when it needs another turn.
    pub fn serve(&mut self, link: &mut Link, buf: &mut [u8], now: Instant) -> bool {
        for _ in 0..TURN {
            if !self.readable || !link.cable.has_room() {
                return false;
            }
            let Via::Own(socket) = &self.via else { return false };
            match socket.recv(buf) {
                Ok(len) => {
                    self.active = now;
                    self.deliver(&buf[..len], link);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(e) => self.failed(&e, link),
            }
        }
        true
    }

    /// Gives the guest a datagram.
    pub fn deliver(&self, payload: &[u8], link: &mut Link) {
        let Key { kind, guest, remote } = self.key;
        match kind {
            Kind::Udp if payload.len() <= MAX_PAYLOAD => {
                link.send_ip(remote.0, guest.0, UDP, &wire::udp(remote, guest, payload));
            }
            Kind::Udp => {}
            Kind::Echo => {
                if let Some(reply) = Icmp::parse(payload).filter(|icmp| icmp.kind == Icmp::ECHO_REPLY) {
                    // The host has put an identifier of its own.
                    let ident = guest.1.to_be_bytes();
                    let rest = [ident[0], ident[1], reply.rest[2], reply.rest[3]];
                    link.send_ip(remote.0, guest.0, ICMP, &Icmp { rest, ..reply }.bytes());
                }
            }
        }
    }
}

/// Tells the guest that the packet which starts with `cited` went nowhere.
pub fn unreachable(cited: &[u8], code: u8, link: &mut Link) {
    if cited.len() < IP_HEADER {
        return;
    }
    let address = |at: usize| Ipv4Addr::new(cited[at], cited[at + 1], cited[at + 2], cited[at + 3]);
    let (guest, remote) = (address(12), address(16));
    let message = Icmp { kind: Icmp::UNREACHABLE, code, rest: [0; 4], data: cited }.bytes();
    link.send_ip(remote, guest, ICMP, &message);
}
