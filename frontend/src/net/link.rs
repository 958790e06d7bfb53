//! The router's way to the guest: frames its packets and hands them to the cable; smoltcp's device.
//!
//! Packets larger than the MTU go as fragments (RFC 791), TCP excepted, whose segments may be large when the guest's
//! driver takes them so. Until the guest's hardware address is known, packets are lost and ARP asks for it instead.

use std::net::Ipv4Addr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use devices::virtio::net::Offload;
use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::time::Instant;

use super::addresses::{GATEWAY, GATEWAY_MAC};
use super::ring::{Cable, MAX_FRAME};
use super::wire::{self, IP_HEADER, IPV4, MORE_FRAGMENTS};

const ETHERNET: usize = 14;
const BROADCAST: [u8; 6] = [0xff; 6];

/// The way to the guest.
pub struct Link {
    pub cable: Cable,
    pub guest_mac: Option<[u8; 6]>,
    pub mtu: u16,
    offload: Option<Arc<Offload>>,
    frame: Box<[u8]>,
    ident: u16,
}

impl Link {
    pub fn new(cable: Cable, mtu: u16, offload: Option<Arc<Offload>>) -> Self {
        Self { cable, guest_mac: None, mtu, offload, frame: vec![0; MAX_FRAME].into(), ident: 0 }
    }

    /// Sends a frame that `write` fills behind its Ethernet header.
    fn send_frame(&mut self, to: [u8; 6], kind: u16, len: usize, write: impl FnOnce(&mut [u8])) {
        let frame = &mut self.frame[..ETHERNET + len];
        frame[..6].copy_from_slice(&to);
        frame[6..12].copy_from_slice(&GATEWAY_MAC);
        frame[12..14].copy_from_slice(&kind.to_be_bytes());
        write(&mut frame[ETHERNET..]);
        self.cable.push(frame);
    }

    fn send_packet<R>(&mut self, len: usize, write: impl FnOnce(&mut [u8]) -> R) -> R {
        let mut result = None;
        if let Some(mac) = self.guest_mac {
            self.send_frame(mac, IPV4, len, |packet| result = Some(write(packet)));
        } else {
            // smoltcp wants its packet written all the same.
            result = Some(write(&mut self.frame[ETHERNET..ETHERNET + len]));
            let to = Ipv4Addr::from(<[u8; 4]>::try_from(&self.frame[ETHERNET + 16..][..4]).expect("4 bytes"));
            self.send_arp(1, BROADCAST, to);
        }
        result.expect("written in both cases")
    }

    /// An ARP request (1) or reply (2) from the gateway's hardware address (RFC 826).
    fn send_arp(&mut self, operation: u8, mac: [u8; 6], to: Ipv4Addr) {
        self.arp(operation, GATEWAY, mac, to);
    }

    /// Tells `mac` that `address` is here.
    pub fn answer_arp(&mut self, address: Ipv4Addr, mac: [u8; 6], to: Ipv4Addr) {
        self.arp(2, address, mac, to);
    }

    fn arp(&mut self, operation: u8, from: Ipv4Addr, mac: [u8; 6], to: Ipv4Addr) {
        self.send_frame(mac, wire::ARP, 28, |packet| {
            packet[..8].copy_from_slice(&[0, 1, 8, 0, 6, 4, 0, operation]);
            packet[8..14].copy_from_slice(&GATEWAY_MAC);
            packet[14..18].copy_from_slice(&from.octets());
            packet[18..24].copy_from_slice(if operation == 1 { &[0; 6] } else { &mac });
            packet[24..28].copy_from_slice(&to.octets());
        });
    }

    /// Sends an IPv4 packet, in fragments if need be.
    pub fn send_ip(&mut self, from: Ipv4Addr, to: Ipv4Addr, protocol: u8, payload: &[u8]) {
        self.ident = self.ident.wrapping_add(1);
        let ident = self.ident;
        let most = (usize::from(self.mtu) - IP_HEADER) & !7;
        let whole = IP_HEADER + payload.len() <= self.mtu.into();
        for (index, part) in payload.chunks(if whole { payload.len().max(1) } else { most }).enumerate() {
            let more = (index + 1) * most < payload.len() && !whole;
            let fragment = (index * most / 8) as u16 | if more { MORE_FRAGMENTS } else { 0 };
            self.send_packet(IP_HEADER + part.len(), |packet| {
                wire::put_ip_header(packet, from, to, protocol, part.len(), ident, fragment);
                packet[IP_HEADER..].copy_from_slice(part);
            });
        }
    }

    /// Broadcasts an IPv4 packet that fits the MTU.
    pub fn broadcast_ip(&mut self, from: Ipv4Addr, protocol: u8, payload: &[u8]) {
        self.send_frame(BROADCAST, IPV4, IP_HEADER + payload.len(), |packet| {
            wire::put_ip_header(packet, from, Ipv4Addr::BROADCAST, protocol, payload.len(), 0, 0);
            packet[IP_HEADER..].copy_from_slice(payload);
        });
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut caps = DeviceCapabilities::default();
        caps.medium = Medium::Ip;
        caps.max_transmission_unit = self.mtu.into();
        caps.checksum.ipv4 = Checksum::Tx;
        caps.checksum.tcp = Checksum::Tx;
        if let Some(offload) = &self.offload {
            let (csum, tso) = (offload.csum(), offload.tso());
            if csum {
                caps.checksum.tcp = Checksum::None;
            }
            if csum && tso {
                caps.segmentation.tcpv4 = NonZeroUsize::new(65535);
            }
        }
        caps
    }
}

/// The link as smoltcp sees it for one call: at most one packet in, and so many out.
pub struct Phy<'a> {
    pub link: &'a mut Link,
    pub input: Option<&'a [u8]>,
    pub budget: usize,
    /// A packet could not go out for want of budget or room.
    pub blocked: bool,
}

impl<'a> Phy<'a> {
    pub fn new(link: &'a mut Link, budget: usize) -> Self {
        Self { link, input: None, budget, blocked: false }
    }

    pub fn with_input(link: &'a mut Link, packet: &'a [u8]) -> Self {
        Self { link, input: Some(packet), budget: 1, blocked: false }
    }
}

pub struct Rx<'a>(&'a [u8]);

impl RxToken for Rx<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

pub struct Tx<'a>(&'a mut Link);

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.0.send_packet(len, f)
    }
}

impl Device for Phy<'_> {
    type RxToken<'t>
        = Rx<'t>
    where
        Self: 't;
    type TxToken<'t>
        = Tx<'t>
    where
        Self: 't;

    fn receive(&mut self, _: Instant) -> Option<(Rx<'_>, Tx<'_>)> {
        let input = self.input.take()?;
        Some((Rx(input), Tx(self.link)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        self.blocked = self.budget == 0 || !self.link.cable.has_room();
        if self.blocked {
            return None;
        }
        self.budget -= 1;
        Some(Tx(self.link))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.link.capabilities()
    }
}
