//! Ethernet, IPv4, UDP, ICMP and TCP reset packets as bytes (RFC 791, 768, 792, 9293). Only what the router itself
//! reads and writes; TCP connections are smoltcp's.

use std::net::Ipv4Addr;

pub const ARP: u16 = 0x0806;
pub const IPV4: u16 = 0x0800;
pub const ICMP: u8 = 1;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;

pub const IP_HEADER: usize = 20;
pub const UDP_HEADER: usize = 8;
/// MORE_FRAGMENTS of the flags-and-offset field.
pub const MORE_FRAGMENTS: u16 = 0x2000;

const TCP_SYN: u8 = 2;
const TCP_RST: u8 = 4;
const TCP_ACK: u8 = 16;

/// An address and a port (or an ICMP identifier).
pub type Endpoint = (Ipv4Addr, u16);

pub fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn sum(bytes: &[u8]) -> u64 {
    let pairs = bytes.chunks_exact(2);
    let odd = pairs.remainder().first().map_or(0, |&b| u64::from(b) << 8);
    pairs.map(|p| u64::from(u16::from_be_bytes([p[0], p[1]]))).sum::<u64>() + odd
}

fn checksum(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn pseudo_header(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, len: usize) -> u64 {
    sum(&from.octets()) + sum(&to.octets()) + u64::from(protocol) + len as u64
}

/// An IPv4 packet, found to be one.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// All of it, without what the frame has behind it.
    pub bytes: &'a [u8],
    pub from: Ipv4Addr,
    pub to: Ipv4Addr,
    pub protocol: u8,
    pub ident: u16,
    /// Flags and offset.
    pub fragment: u16,
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() < IP_HEADER || bytes[0] >> 4 != 4 {
            return None;
        }
        let header = usize::from(bytes[0] & 15) * 4;
        let bytes = bytes.get(..be16(bytes, 2).into())?;
        if header < IP_HEADER || bytes.len() < header || checksum(sum(&bytes[..header])) != 0 {
            return None;
        }
        Some(Self {
            bytes,
            from: be32(bytes, 12).into(),
            to: be32(bytes, 16).into(),
            protocol: bytes[9],
            ident: be16(bytes, 4),
            fragment: be16(bytes, 6),
            payload: &bytes[header..],
        })
    }

    /// Whether it is a part of a packet only.
    pub fn is_fragment(&self) -> bool {
        self.fragment & 0x3fff != 0
    }
}

/// Writes an IPv4 header without options; `fragment` are flags and offset.
pub fn put_ip_header(
    header: &mut [u8],
    from: Ipv4Addr,
    to: Ipv4Addr,
    protocol: u8,
    payload: usize,
    id: u16,
    fragment: u16,
) {
    header[..IP_HEADER].fill(0);
    header[0] = 0x45;
    header[2..4].copy_from_slice(&((IP_HEADER + payload) as u16).to_be_bytes());
    header[4..6].copy_from_slice(&id.to_be_bytes());
    header[6..8].copy_from_slice(&fragment.to_be_bytes());
    header[8] = 64;
    header[9] = protocol;
    header[12..16].copy_from_slice(&from.octets());
    header[16..20].copy_from_slice(&to.octets());
    let sum = checksum(sum(&header[..IP_HEADER]));
    header[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// Ports and payload of a UDP datagram.
pub fn parse_udp(datagram: &[u8]) -> Option<(u16, u16, &[u8])> {
    if datagram.len() < UDP_HEADER {
        return None;
    }
    let payload = datagram.get(UDP_HEADER..be16(datagram, 4).into())?;
    Some((be16(datagram, 0), be16(datagram, 2), payload))
}

/// A UDP datagram.
pub fn udp(from: Endpoint, to: Endpoint, payload: &[u8]) -> Vec<u8> {
    let len = UDP_HEADER + payload.len();
    let mut datagram = Vec::with_capacity(len);
    for field in [from.1, to.1, len as u16, 0] {
        datagram.extend(field.to_be_bytes());
    }
    datagram.extend_from_slice(payload);
    let sum = checksum(pseudo_header(from.0, to.0, UDP, len) + sum(&datagram));
    // 0 would mean "no checksum".
    datagram[6..8].copy_from_slice(&if sum == 0 { 0xffff } else { sum }.to_be_bytes());
    datagram
}

/// An ICMP message.
#[derive(Debug, Clone, Copy)]
pub struct Icmp<'a> {
    pub kind: u8,
    pub code: u8,
    /// Identifier and sequence number of an echo.
    pub rest: [u8; 4],
    pub data: &'a [u8],
}

impl<'a> Icmp<'a> {
    pub const ECHO_REPLY: u8 = 0;
    pub const UNREACHABLE: u8 = 3;
    pub const ECHO: u8 = 8;
    pub const PORT_UNREACHABLE: u8 = 3;
    pub const PROHIBITED: u8 = 13;

    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let (header, data) = message.split_first_chunk::<8>()?;
        Some(Self { kind: header[0], code: header[1], rest: [header[4], header[5], header[6], header[7]], data })
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut message = vec![self.kind, self.code, 0, 0];
        message.extend(self.rest);
        message.extend_from_slice(self.data);
        let sum = checksum(sum(&message));
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        message
    }
}

/// What the router has to know of a TCP segment.
#[derive(Debug, Clone, Copy)]
pub struct Segment {
    pub from: u16,
    pub to: u16,
    pub flags: u8,
    seq: u32,
    ack: u32,
    /// Sequence numbers that it takes.
    len: u32,
}

impl Segment {
    pub fn parse(segment: &[u8]) -> Option<Self> {
        if segment.len() < 20 {
            return None;
        }
        let flags = segment[13];
        let data = segment.len().checked_sub(usize::from(segment[12] >> 4) * 4)?;
        let len = data as u32 + u32::from(flags & TCP_SYN != 0) + u32::from(flags & 1 != 0);
        let (seq, ack) = (be32(segment, 4), be32(segment, 8));
        Some(Self { from: be16(segment, 0), to: be16(segment, 2), flags, seq, ack, len })
    }

    /// Whether it opens a connection.
    pub fn is_syn(&self) -> bool {
        self.flags & (TCP_SYN | TCP_ACK | TCP_RST) == TCP_SYN
    }

    /// Whether it ends one at once.
    pub fn is_reset(&self) -> bool {
        self.flags & TCP_RST != 0
    }

    /// The reset that answers a segment of `from` to `to` (RFC 9293, 3.10.7.1), none for a reset.
    pub fn reset(&self, from: Ipv4Addr, to: Ipv4Addr) -> Option<[u8; 20]> {
        if self.is_reset() {
            return None;
        }
        let (seq, ack, flags) = match self.flags & TCP_ACK {
            0 => (0, self.seq.wrapping_add(self.len), TCP_RST | TCP_ACK),
            _ => (self.ack, 0, TCP_RST),
        };
        let mut reply = [0; 20];
        reply[..2].copy_from_slice(&self.to.to_be_bytes());
        reply[2..4].copy_from_slice(&self.from.to_be_bytes());
        reply[4..8].copy_from_slice(&seq.to_be_bytes());
        reply[8..12].copy_from_slice(&ack.to_be_bytes());
        reply[12] = 5 << 4;
        reply[13] = flags;
        let sum = checksum(pseudo_header(to, from, TCP, reply.len()) + sum(&reply));
        reply[16..18].copy_from_slice(&sum.to_be_bytes());
        Some(reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use smoltcp::phy::ChecksumCapabilities;
    use smoltcp::wire::{Icmpv4Packet, Ipv4Packet, Ipv4Repr, TcpPacket, UdpPacket, UdpRepr};

    const A: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
    const B: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

    proptest! {
        #[test]
        fn smoltcp_accepts_what_is_written(payload in proptest::collection::vec(any::<u8>(), 0..100), id: u16) {
            let datagram = udp((A, 1), (B, 2), &payload);
            let mut packet = vec![0; IP_HEADER];
            put_ip_header(&mut packet, A, B, UDP, datagram.len(), id, 0);
            packet.extend(&datagram);
            let ip = Ipv4Packet::new_checked(&packet[..]).unwrap();
            prop_assert!(ip.verify_checksum());
            let caps = ChecksumCapabilities::default();
            Ipv4Repr::parse(&ip, &caps).unwrap();
            let parsed = UdpPacket::new_checked(ip.payload()).unwrap();
            UdpRepr::parse(&parsed, &A.into(), &B.into(), &caps).unwrap();
            prop_assert_eq!(parsed.payload(), &payload[..]);

            let echo = Icmp { kind: Icmp::ECHO, code: 0, rest: [1, 2, 3, 4], data: &payload }.bytes();
            prop_assert!(Icmpv4Packet::new_checked(&echo[..]).unwrap().verify_checksum());
        }

        #[test]
        fn anything_parses_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(packet) = Packet::parse(&bytes) {
                prop_assert!(packet.payload.len() < bytes.len());
            }
            parse_udp(&bytes);
            Icmp::parse(&bytes);
            if let Some(reply) = Segment::parse(&bytes).and_then(|s| s.reset(A, B)) {
                let reply = TcpPacket::new_checked(&reply[..]).unwrap();
                prop_assert!(reply.rst() && reply.verify_checksum(&B.into(), &A.into()));
            }
        }
    }
}
