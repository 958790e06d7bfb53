//! One TCP connection: smoltcp towards the guest, a socket of the host beyond, and the bytes between.
//!
//! The guest's SYN is answered only once the host is connected, so that a refusal there is a reset here. Nothing is
//! read from either side that the other has no room for: what waits, waits in the sender, held by its window.
//!
//! Each connection has a smoltcp interface of its own, with the far end's address: packets reach it through the
//! router's table, not by a search through all sockets.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown};
use std::time::Duration;

use mio::net::TcpStream;
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant;
use smoltcp::wire::{HardwareAddress, IpCidr, IpListenEndpoint};

use super::link::{Link, Phy};
use super::wire::{Endpoint, Packet, Segment, TCP};

/// Packets that one connection sends before others have their turn.
const TURN: usize = 64;
/// For a guest that does not answer a forwarded connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Between tries when smoltcp wants to be called at once but did nothing.
const PAUSE: smoltcp::time::Duration = smoltcp::time::Duration::from_millis(1);

/// Both ends as the guest knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    pub guest: Endpoint,
    pub remote: Endpoint,
}

/// What a connection wants next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// It is over.
    Gone,
    /// Nothing before a packet, the host's socket or this time.
    Wait(Option<Instant>),
    /// Another turn.
    Turn,
    /// Room in the cable.
    Room,
}

struct Engine {
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
}

impl Engine {
    fn new(key: Key, link: &mut Link, buffer: usize, seed: u64, now: Instant) -> Self {
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut interface = Interface::new(config, &mut Phy::new(link, 0), now);
        interface.update_ip_addrs(|list| {
            list.push(IpCidr::new(key.remote.0.into(), 32)).expect("the list has room for one");
        });
        interface.routes_mut().add_default_ipv4_route(key.guest.0).expect("the table has room for one");
        let mut socket = Socket::new(SocketBuffer::new(vec![0; buffer]), SocketBuffer::new(vec![0; buffer]));
        socket.set_nagle_enabled(false);
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(socket);
        Self { interface, sockets, handle }
    }

    fn socket(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    fn packet(&mut self, packet: &[u8], link: &mut Link, now: Instant) {
        let mut phy = Phy::with_input(link, packet);
        self.interface.poll_ingress_single(now, &mut phy, &mut self.sockets);
    }
}

enum Stage {
    /// The host connects; the guest's SYN waits.
    Connecting(Vec<u8>),
    Open(Box<Engine>),
}

/// How large a connection's buffers are, and the seed of its sequence numbers.
#[derive(Debug, Clone, Copy)]
pub struct Sizing {
    pub buffer: usize,
    pub seed: u64,
}

/// One connection.
pub struct Connection {
    pub key: Key,
    pub stream: TcpStream,
    stage: Stage,
    sizing: Sizing,
    readable: bool,
    writable: bool,
    /// The host will send no more.
    host_done: bool,
    /// The guest will send no more.
    guest_done: bool,
    /// The host has been told so.
    told_host: bool,
    /// The guest's last bytes, when its connection is over before the host took them.
    tail: Vec<u8>,
    /// In the router's list of those to serve.
    pub queued: bool,
    pub deadline: Option<Instant>,
    pub active: Instant,
}

impl Connection {
    fn new(key: Key, stream: TcpStream, stage: Stage, sizing: Sizing, now: Instant) -> Self {
        Self {
            key,
            stream,
            stage,
            sizing,
            readable: false,
            writable: false,
            host_done: false,
            guest_done: false,
            told_host: false,
            tail: Vec::new(),
            queued: false,
            deadline: None,
            active: now,
        }
    }

    /// The guest's: `stream` is connecting, `syn` the packet that asked for it.
    pub fn from_guest(key: Key, stream: TcpStream, syn: &[u8], sizing: Sizing, now: Instant) -> Self {
        Self::new(key, stream, Stage::Connecting(syn.to_vec()), sizing, now)
    }

    /// The host's: `stream` was accepted on a forwarded port.
    pub fn from_host(key: Key, stream: TcpStream, link: &mut Link, sizing: Sizing, now: Instant) -> Option<Self> {
        let mut engine = Engine::new(key, link, sizing.buffer, sizing.seed, now);
        let Engine { interface, sockets, handle } = &mut engine;
        let socket = sockets.get_mut::<Socket<'_>>(*handle);
        socket.set_timeout(Some(CONNECT_TIMEOUT.into()));
        socket.connect(interface.context(), key.guest, key.remote).ok()?;
        Some(Self::new(key, stream, Stage::Open(Box::new(engine)), sizing, now))
    }

    /// Whether little is to be expected: it is not open yet, or one side is done.
    pub fn is_passing(&mut self) -> bool {
        self.host_done
            || self.guest_done
            || match &mut self.stage {
                Stage::Open(engine) => matches!(engine.socket().state(), State::SynSent | State::SynReceived),
                Stage::Connecting(_) => true,
            }
    }

    /// Whether it only waits for stray packets.
    pub fn is_over(&mut self) -> bool {
        match &mut self.stage {
            Stage::Open(engine) => engine.socket().state() == State::TimeWait,
            Stage::Connecting(_) => false,
        }
    }

    /// The host's socket is ready.
    pub fn ready(&mut self, readable: bool, writable: bool) {
        self.readable |= readable;
        self.writable |= writable;
    }

    /// A packet of the guest's; false when the connection is over by it.
    pub fn packet(&mut self, packet: &Packet<'_>, segment: &Segment, link: &mut Link, now: Instant) -> bool {
        self.active = now;
        match &mut self.stage {
            Stage::Connecting(syn) => {
                if segment.is_syn() {
                    *syn = packet.bytes.to_vec();
                }
                !segment.is_reset()
            }
            Stage::Open(engine) => {
                engine.packet(packet.bytes, link, now);
                true
            }
        }
    }

    /// Ends the host's side with a reset.
    pub fn reset_host(&self) {
        // Without linger a close with no data pending would look like an orderly end.
        if let Err(e) = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)) {
            tracing::debug!("cannot reset a connection: {e}");
        }
    }

    /// Moves what can be moved.
    pub fn serve(&mut self, link: &mut Link, now: Instant) -> Next {
        if let Stage::Connecting(syn) = &self.stage {
            match connected(&self.stream) {
                Ok(false) => return Next::Wait(None),
                Ok(true) => {}
                Err(e) => {
                    tracing::debug!("{:?}: {e}", self.key.remote);
                    refuse(syn, link);
                    return Next::Gone;
                }
            }
            let mut engine = Engine::new(self.key, link, self.sizing.buffer, self.sizing.seed, now);
            let (address, port) = self.key.remote;
            let listening = engine.socket().listen(IpListenEndpoint { addr: Some(address.into()), port });
            listening.expect("the socket is new and the port is not 0");
            engine.packet(syn, link, now);
            if let Err(e) = self.stream.set_nodelay(true) {
                tracing::debug!("cannot set TCP_NODELAY: {e}");
            }
            (self.readable, self.writable) = (true, true);
            self.stage = Stage::Open(Box::new(engine));
        }
        let Stage::Open(engine) = &mut self.stage else { unreachable!("opened above") };
        let engine = &mut **engine;
        if engine.socket().state() == State::Established {
            engine.socket().set_timeout(None);
        }
        let Self { stream, readable, writable, host_done, guest_done, told_host, tail, active, .. } = self;
        let moved = to_host(engine.socket(), stream, writable, tail)
            .and_then(|to| Ok(to | from_host(engine.socket(), stream, readable, host_done)?));
        match moved {
            Ok(true) => *active = now,
            Ok(false) => {}
            Err(e) => {
                tracing::debug!("{:?}: {e}", self.key.remote);
                tail.clear();
                (*guest_done, *told_host) = (false, true);
                engine.socket().abort();
            }
        }
        let socket = engine.socket();
        if matches!(socket.state(), State::CloseWait | State::LastAck | State::Closing | State::TimeWait) {
            *guest_done = true;
        }
        if *guest_done && !*told_host && !socket.can_recv() && tail.is_empty() {
            *told_host = true;
            if let Err(e) = stream.shutdown(Shutdown::Write) {
                tracing::debug!("cannot shut a connection down: {e}");
            }
        }

        let mut phy = Phy::new(link, TURN);
        while let PollResult::SocketStateChanged = engine.interface.poll_egress(now, &mut phy, &mut engine.sockets) {}
        let (blocked, budget) = (phy.blocked, phy.budget);
        let socket = engine.socket();
        if matches!(socket.state(), State::Closed | State::Listen) && socket.remote_endpoint().is_none() {
            if !(*guest_done && *host_done) {
                self.reset_host();
                return Next::Gone;
            }
            return if *told_host { Next::Gone } else { Next::Wait(None) };
        }
        if blocked {
            return if budget == 0 { Next::Turn } else { Next::Room };
        }
        let at = engine.interface.poll_at(now, &engine.sockets);
        Next::Wait(at.map(|at| if at <= now { now + PAUSE } else { at }))
    }
}

/// Whether a connecting stream has connected.
fn connected(stream: &TcpStream) -> std::io::Result<bool> {
    if let Some(e) = stream.take_error()? {
        return Err(e);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotConnected => Ok(false),
        Err(e) => Err(e),
    }
}

/// Answers a packet with a reset.
pub fn refuse(packet: &[u8], link: &mut Link) {
    let Some(packet) = Packet::parse(packet) else { return };
    let (from, to): (Ipv4Addr, Ipv4Addr) = (packet.from, packet.to);
    if let Some(reset) = Segment::parse(packet.payload).and_then(|segment| segment.reset(from, to)) {
        link.send_ip(to, from, TCP, &reset);
    }
}

/// Runs `io` until it would block or `more` says enough.
fn would_block(result: std::io::Result<usize>, ready: &mut bool) -> std::io::Result<Option<usize>> {
    match result {
        Ok(n) => Ok(Some(n)),
        Err(e) if e.kind() == ErrorKind::WouldBlock => {
            *ready = false;
            Ok(None)
        }
        Err(e) if e.kind() == ErrorKind::Interrupted => Ok(None),
        Err(e) => Err(e),
    }
}

/// Gives the host what the guest has sent.
fn to_host(
    socket: &mut Socket<'_>,
    stream: &mut TcpStream,
    writable: &mut bool,
    tail: &mut Vec<u8>,
) -> std::io::Result<bool> {
    let mut moved = false;
    while *writable && !tail.is_empty() {
        if let Some(n) = would_block(stream.write(tail), writable)? {
            tail.drain(..n);
            moved = true;
        }
    }
    while *writable && socket.can_recv() {
        let written = socket.recv(|bytes| match would_block(stream.write(bytes), writable) {
            Ok(n) => (n.unwrap_or(0), Ok(n.is_some())),
            Err(e) => (0, Err(e)),
        });
        moved |= written.map_err(std::io::Error::other)??;
    }
    // smoltcp forgets the bytes when it forgets the connection.
    if !socket.may_send() && socket.can_recv() && !matches!(socket.state(), State::FinWait1 | State::FinWait2) {
        while socket.can_recv() {
            let taken = socket.recv(|bytes| {
                tail.extend_from_slice(bytes);
                (bytes.len(), ())
            });
            taken.map_err(std::io::Error::other)?;
        }
    }
    Ok(moved)
}

/// Gives the guest what the host has sent.
fn from_host(
    socket: &mut Socket<'_>,
    stream: &mut TcpStream,
    readable: &mut bool,
    done: &mut bool,
) -> std::io::Result<bool> {
    let mut moved = false;
    while *readable && !*done && socket.can_send() {
        let read = socket.send(|room| match would_block(stream.read(room), readable) {
            Ok(n) => (n.unwrap_or(0), Ok(n)),
            Err(e) => (0, Err(e)),
        });
        match read.map_err(std::io::Error::other)?? {
            Some(0) => {
                *done = true;
                socket.close();
            }
            Some(_) => moved = true,
            None => {}
        }
    }
    Ok(moved)
}
