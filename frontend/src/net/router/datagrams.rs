//! The router's UDP and echo flows, and what comes to forwarded UDP ports.

use std::net::SocketAddr;

use mio::Interest;
use smoltcp::time::Instant;

use super::super::addresses::{GATEWAY, RESOLVER, host_of, is_outside};
use super::super::flows::{self, Flow, Kind, Via};
use super::super::wire::{self, ICMP, Icmp, Packet};
use super::{Queued, Router, Tag, deregister};

/// UDP and echo flows at a time.
const MAX_FLOWS: usize = 512;
/// Datagrams that one forwarded port gives before others have their turn.
const TURN: usize = 64;

impl Router {
    pub(super) fn datagram(&mut self, key: flows::Key, packet: &Packet<'_>, payload: &[u8]) {
        let now = self.now();
        let index = match self.flow_of.get(&key) {
            Some(&index) => index,
            None => match self.open_flow(key, now) {
                Some(Ok(index)) => index,
                Some(Err(e)) if key.kind == Kind::Echo => {
                    if !std::mem::replace(&mut self.told_of_ping, true) {
                        tracing::warn!("the guest can ping the gateway only: no ping socket on this host: {e}");
                    }
                    return flows::unreachable(packet.bytes, Icmp::PROHIBITED, &mut self.link);
                }
                Some(Err(e)) => return tracing::debug!("{key:?}: {e}"),
                None => return,
            },
        };
        let flow = &mut self.flows[index];
        flow.active = now;
        flow.send(packet, payload, &self.listeners.udp, &mut self.link);
    }

    pub(super) fn serve_flow(&mut self, index: usize) {
        let now = self.now();
        let Some(flow) = self.flows.get_mut(index) else { return };
        flow.queued = false;
        if flow.serve(&mut self.link, &mut self.datagram, now) {
            self.enqueue(Queued::Flow(index));
        } else if flow.readable {
            flow.queued = true;
            self.stalled.push(Queued::Flow(index));
        }
    }

    pub(super) fn forget_flow(&mut self, index: usize) {
        let flow = self.flows.remove(index);
        self.flow_of.remove(&flow.key);
        if let Via::Own(mut socket) = flow.via {
            deregister(&self.poll, &mut socket);
        }
    }

    fn open_flow(&mut self, key: flows::Key, now: Instant) -> Option<std::io::Result<usize>> {
        let to = if key.kind == Kind::Echo { (key.remote.0, 1) } else { key.remote };
        let host = host_of(to, &self.spec)?;
        Some(Flow::open(key.kind, host).and_then(|mut socket| {
            self.make_room_for_flow();
            let token = Tag::Flow(self.flows.vacant_key()).token();
            self.poll.registry().register(&mut socket, token, Interest::READABLE)?;
            Ok(self.add_flow(Flow::new(key, Via::Own(socket), now)))
        }))
    }

    fn add_flow(&mut self, flow: Flow) -> usize {
        let key = flow.key;
        let index = self.flows.insert(flow);
        self.flow_of.insert(key, index);
        index
    }

    /// The flow longest idle makes room.
    fn make_room_for_flow(&mut self) {
        if self.flows.len() >= MAX_FLOWS
            && let Some((index, _)) = self.flows.iter().min_by_key(|(_, flow)| flow.active)
        {
            self.forget_flow(index);
        }
    }

    pub(super) fn echo(&mut self, packet: &Packet<'_>) {
        let Some(icmp) = Icmp::parse(packet.payload).filter(|icmp| icmp.kind == Icmp::ECHO) else { return };
        if [GATEWAY, RESOLVER].contains(&packet.to) {
            let reply = Icmp { kind: Icmp::ECHO_REPLY, ..icmp }.bytes();
            self.link.send_ip(packet.to, packet.from, ICMP, &reply);
        } else if is_outside(packet.to) {
            let key = flows::Key {
                kind: Kind::Echo,
                guest: (packet.from, wire::be16(&icmp.rest, 0)),
                remote: (packet.to, 0),
            };
            self.datagram(key, packet, packet.payload);
        }
    }

    /// Gives the guest what came to a forwarded UDP port.
    pub(super) fn serve_listener(&mut self, listener: usize) {
        let now = self.now();
        self.listeners.udp[listener].queued = false;
        for _ in 0..TURN {
            if !self.link.cable.has_room() {
                self.listeners.udp[listener].queued = true;
                return self.stalled.push(Queued::UdpListener(listener));
            }
            let (len, peer) = match self.listeners.udp[listener].socket.recv_from(&mut self.datagram) {
                Ok(received) => received,
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return,
                Err(e) => {
                    tracing::debug!("forwarded datagram: {e}");
                    continue;
                }
            };
            let remote = match peer {
                SocketAddr::V4(peer) if is_outside(*peer.ip()) => (*peer.ip(), peer.port()),
                _ => (GATEWAY, peer.port()),
            };
            let key = flows::Key { kind: Kind::Udp, guest: self.listeners.udp[listener].guest, remote };
            let index = self.flow_of.get(&key).copied().unwrap_or_else(|| {
                self.make_room_for_flow();
                self.add_flow(Flow::new(key, Via::Forward(listener, peer), now))
            });
            self.flows[index].active = now;
            self.flows[index].deliver(&self.datagram[..len], &mut self.link);
        }
        self.enqueue(Queued::UdpListener(listener));
    }
}
