//! The network's thread: frames from the guest, readiness of the host's sockets, and time.

mod datagrams;
mod streams;

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::time::Duration;

use mio::event::Source;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use slab::Slab;
use smoltcp::time::Instant;

use self::streams::FIRST_DYNAMIC_PORT;
use super::addresses::{GATEWAY, RESOLVER, is_guest};
use super::dhcp;
use super::flows::{self, Flow, Forwarded, Kind};
use super::fragments::Fragments;
use super::link::Link;
use super::ring::MAX_FRAME;
use super::spec::UserSpec;
use super::tcp::{self, Connection};
use super::wire::{self, Endpoint, ICMP, Packet, TCP, UDP};

/// Frames of the guest's taken between two looks at the sockets.
const FRAMES: usize = 64;

const IDLE_FLOW: Duration = Duration::from_secs(60);
const IDLE_CONNECTION: Duration = Duration::from_secs(7200);
const IDLE_PASSING: Duration = Duration::from_secs(120);
/// For stray packets after a connection's orderly end; the cable loses none that matter.
const TIME_WAIT: Duration = Duration::from_secs(1);
/// Between two looks for what is idle.
const SWEEP: Duration = Duration::from_secs(1);

pub const WAKE: Token = Token(usize::MAX - 1);

/// What a token stands for: the kind in its low bits.
#[derive(Debug, Clone, Copy)]
enum Tag {
    Connection(usize),
    Flow(usize),
    TcpListener(usize),
    UdpListener(usize),
}

impl Tag {
    fn token(self) -> Token {
        Token(match self {
            Self::Connection(index) => index << 2,
            Self::Flow(index) => index << 2 | 1,
            Self::TcpListener(index) => index << 2 | 2,
            Self::UdpListener(index) => index << 2 | 3,
        })
    }

    fn of(token: Token) -> Self {
        let index = token.0 >> 2;
        match token.0 & 3 {
            0 => Self::Connection(index),
            1 => Self::Flow(index),
            2 => Self::TcpListener(index),
            _ => Self::UdpListener(index),
        }
    }
}

/// Sockets that lead in, each with the guest's end.
#[derive(Default)]
pub struct Listeners {
    pub tcp: Vec<(TcpListener, Endpoint)>,
    pub udp: Vec<Forwarded>,
}

/// The thread's state.
pub struct Router {
    spec: UserSpec,
    poll: Poll,
    link: Link,
    listeners: Listeners,
    started: std::time::Instant,
    seeds: RandomState,

    connections: Slab<Connection>,
    connection_of: HashMap<tcp::Key, usize>,
    flows: Slab<Flow>,
    flow_of: HashMap<flows::Key, usize>,
    fragments: Fragments,

    /// What to serve next.
    queue: VecDeque<Queued>,
    /// What waits for room in the cable.
    stalled: Vec<Queued>,
    /// No connection's deadline is earlier.
    next_deadline: Option<Instant>,
    next_sweep: Instant,
    made: u64,
    next_port: u16,
    frame: Box<[u8]>,
    datagram: Box<[u8]>,
    told_of_ping: bool,
}

#[derive(Debug, Clone, Copy)]
enum Queued {
    Connection(usize),
    Flow(usize),
    UdpListener(usize),
}

impl Router {
    pub fn new(spec: UserSpec, poll: Poll, link: Link, mut listeners: Listeners) -> std::io::Result<Self> {
        for (index, (listener, _)) in listeners.tcp.iter_mut().enumerate() {
            poll.registry().register(listener, Tag::TcpListener(index).token(), Interest::READABLE)?;
        }
        for (index, listener) in listeners.udp.iter_mut().enumerate() {
            poll.registry().register(&mut listener.socket, Tag::UdpListener(index).token(), Interest::READABLE)?;
        }
        Ok(Self {
            spec,
            poll,
            link,
            listeners,
            started: std::time::Instant::now(),
            seeds: RandomState::new(),
            connections: Slab::new(),
            connection_of: HashMap::new(),
            flows: Slab::new(),
            flow_of: HashMap::new(),
            fragments: Fragments::default(),
            queue: VecDeque::new(),
            stalled: Vec::new(),
            next_deadline: None,
            next_sweep: Instant::ZERO,
            made: 0,
            next_port: FIRST_DYNAMIC_PORT,
            frame: vec![0; MAX_FRAME].into(),
            datagram: vec![0; 65536].into(),
            told_of_ping: false,
        })
    }

    /// smoltcp's time: since the start, and never 0, which it takes for "never".
    fn now(&self) -> Instant {
        Instant::from_micros(1_000_000 + self.started.elapsed().as_micros() as i64)
    }

    /// Runs until the guest's end of the cable is dropped.
    pub fn run(mut self) {
        let mut events = Events::with_capacity(256);
        while !self.link.cable.stopped() {
            let more = self.take_frames();
            self.serve_queue();
            let now = self.now();
            self.expire(now);
            let sleeps = !more && self.queue.is_empty() && self.link.cable.may_sleep();
            let timeout = if sleeps { self.sleep_for(now) } else { Some(Duration::ZERO) };
            if let Err(e) = self.poll.poll(&mut events, timeout)
                && e.kind() != std::io::ErrorKind::Interrupted
            {
                tracing::error!("the network stops: cannot wait for its sockets: {e}");
                return;
            }
            self.link.cable.awake();
            for event in &events {
                self.event(event);
            }
            if !self.stalled.is_empty() && self.link.cable.has_room() {
                self.queue.extend(self.stalled.drain(..));
            }
        }
    }

    fn sleep_for(&self, now: Instant) -> Option<Duration> {
        let idle = self.connections.is_empty() && self.flows.is_empty();
        let sweep = (!idle).then_some(self.next_sweep);
        let at = [sweep, self.next_deadline].into_iter().flatten().min()?;
        // One millisecond more, since the system rounds down and would wake in vain.
        Some(if at <= now {
            Duration::ZERO
        } else {
            Duration::from((at - now).max(smoltcp::time::Duration::from_millis(1)))
        })
    }

    fn event(&mut self, event: &mio::event::Event) {
        if event.token() == WAKE {
            return;
        }
        match Tag::of(event.token()) {
            Tag::Connection(index) => {
                if let Some(connection) = self.connections.get_mut(index) {
                    let (readable, writable) = (event.is_readable(), event.is_writable());
                    connection.ready(readable || event.is_read_closed(), writable || event.is_error());
                    self.enqueue(Queued::Connection(index));
                }
            }
            Tag::Flow(index) => {
                if let Some(flow) = self.flows.get_mut(index) {
                    flow.readable = true;
                    self.enqueue(Queued::Flow(index));
                }
            }
            Tag::TcpListener(index) => self.accept(index),
            Tag::UdpListener(index) => self.enqueue(Queued::UdpListener(index)),
        }
    }

    /// Puts something in the queue, unless it is there or waits for room.
    fn enqueue(&mut self, item: Queued) {
        let queued = match item {
            Queued::Connection(index) => self.connections.get_mut(index).map(|c| &mut c.queued),
            Queued::Flow(index) => self.flows.get_mut(index).map(|f| &mut f.queued),
            Queued::UdpListener(index) => self.listeners.udp.get_mut(index).map(|l| &mut l.queued),
        };
        if let Some(queued) = queued
            && !std::mem::replace(queued, true)
        {
            self.queue.push_back(item);
        }
    }

    /// Gives each thing in the queue one turn.
    fn serve_queue(&mut self) {
        for _ in 0..self.queue.len() {
            match self.queue.pop_front() {
                Some(Queued::Connection(index)) => self.serve_connection(index),
                Some(Queued::Flow(index)) => self.serve_flow(index),
                Some(Queued::UdpListener(index)) => self.serve_listener(index),
                None => {}
            }
        }
    }

    fn expire(&mut self, now: Instant) {
        if self.next_deadline.is_some_and(|at| at <= now) {
            let mut due = Vec::new();
            self.next_deadline = None;
            for (index, connection) in &mut self.connections {
                match connection.deadline {
                    Some(at) if at <= now => {
                        connection.deadline = None;
                        due.push(index);
                    }
                    at => self.next_deadline = [self.next_deadline, at].into_iter().flatten().min(),
                }
            }
            due.into_iter().for_each(|index| self.enqueue(Queued::Connection(index)));
        }
        if self.next_sweep <= now {
            self.next_sweep = now + SWEEP.into();
            self.sweep(now);
        }
    }

    fn sweep(&mut self, now: Instant) {
        let idle = |since: Instant, limit: Duration| now - since > limit.into();
        let over: Vec<usize> = self
            .connections
            .iter_mut()
            .filter_map(|(index, connection)| {
                let limit = match (connection.is_over(), connection.is_passing()) {
                    (true, _) => TIME_WAIT,
                    (_, true) => IDLE_PASSING,
                    _ => IDLE_CONNECTION,
                };
                idle(connection.active, limit).then_some(index)
            })
            .collect();
        for index in over {
            if !self.connections[index].is_over() {
                self.connections[index].reset_host();
            }
            self.forget_connection(index);
        }
        let over: Vec<usize> =
            self.flows.iter().filter(|(_, flow)| idle(flow.active, IDLE_FLOW)).map(|(index, _)| index).collect();
        over.into_iter().for_each(|index| self.forget_flow(index));
        // A listener is told of a connection once; one that could not be taken then may be taken now.
        (0..self.listeners.tcp.len()).for_each(|index| self.accept(index));
    }

    /// Takes some frames; true when there may be more.
    fn take_frames(&mut self) -> bool {
        let mut frame = std::mem::take(&mut self.frame);
        let mut taken = 0;
        while taken < FRAMES
            && let Some(len) = self.link.cable.pop(&mut frame)
        {
            self.frame(&frame[..len]);
            taken += 1;
        }
        self.frame = frame;
        taken == FRAMES
    }

    fn frame(&mut self, frame: &[u8]) {
        let Some((header, payload)) = frame.split_first_chunk::<14>() else { return };
        let mac: [u8; 6] = header[6..12].try_into().expect("6 bytes");
        if mac[0] & 1 != 0 {
            return;
        }
        match wire::be16(header, 12) {
            wire::ARP => self.arp(mac, payload),
            wire::IPV4 => {
                if let Some(packet) = Packet::parse(payload) {
                    self.packet(mac, &packet);
                }
            }
            _ => {}
        }
    }

    fn arp(&mut self, mac: [u8; 6], arp: &[u8]) {
        let Some(arp) = arp.get(..28).filter(|arp| arp[..6] == [0, 1, 8, 0, 6, 4]) else { return };
        let address = |at: usize| Ipv4Addr::new(arp[at], arp[at + 1], arp[at + 2], arp[at + 3]);
        let (sender, target) = (address(14), address(24));
        if is_guest(sender) {
            self.link.guest_mac = Some(mac);
        }
        if arp[7] == 1 && [GATEWAY, RESOLVER].contains(&target) {
            self.link.answer_arp(target, mac, sender);
        }
    }

    fn packet(&mut self, mac: [u8; 6], packet: &Packet<'_>) {
        if packet.protocol == UDP
            && !packet.is_fragment()
            && let Some((dhcp::CLIENT_PORT, dhcp::SERVER_PORT, message)) = wire::parse_udp(packet.payload)
            && [Ipv4Addr::BROADCAST, GATEWAY].contains(&packet.to)
        {
            if let Some(answer) = dhcp::answer(message, self.link.mtu) {
                let from = (GATEWAY, dhcp::SERVER_PORT);
                let datagram = wire::udp(from, (Ipv4Addr::BROADCAST, dhcp::CLIENT_PORT), &answer);
                self.link.broadcast_ip(GATEWAY, UDP, &datagram);
            }
            return;
        }
        if !is_guest(packet.from) {
            return;
        }
        self.link.guest_mac = Some(mac);
        if !packet.is_fragment() {
            self.whole_packet(packet);
        } else if let Some(whole) = self.fragments.add(packet, self.now())
            && let Some(whole) = Packet::parse(&whole)
        {
            self.whole_packet(&whole);
        }
    }

    fn whole_packet(&mut self, packet: &Packet<'_>) {
        match packet.protocol {
            TCP => self.segment(packet),
            UDP => {
                if let Some((from, to, payload)) = wire::parse_udp(packet.payload) {
                    let key = flows::Key { kind: Kind::Udp, guest: (packet.from, from), remote: (packet.to, to) };
                    self.datagram(key, packet, payload);
                }
            }
            ICMP => self.echo(packet),
            _ => {}
        }
    }
}

fn deregister(poll: &Poll, source: &mut impl Source) {
    if let Err(e) = poll.registry().deregister(source) {
        tracing::debug!("cannot stop watching a socket: {e}");
    }
}
