//! Putting the guest's fragmented packets together (RFC 791, 3.2), within bounds that a hostile guest cannot move.

use std::net::Ipv4Addr;
use std::time::Duration;

use smoltcp::time::Instant;

use super::wire::{IP_HEADER, MORE_FRAGMENTS, Packet, put_ip_header};

/// Packets that may be incomplete at a time; the oldest makes room.
const MOST: usize = 16;
/// An incomplete packet is forgotten after that.
const PATIENCE: Duration = Duration::from_secs(15);
const MAX_PAYLOAD: usize = 65535 - IP_HEADER;

#[derive(Debug, PartialEq, Eq)]
struct Id(Ipv4Addr, Ipv4Addr, u8, u16);

#[derive(Debug)]
struct Partial {
    id: Id,
    since: Instant,
    /// Room for the header, then the payload.
    bytes: Vec<u8>,
    /// Which eighths of bytes have come, and which were they.
    have: Vec<bool>,
    /// The payload's length, once the last fragment has come.
    len: Option<usize>,
}

/// Packets of which parts are missing.
#[derive(Debug, Default)]
pub struct Fragments(Vec<Partial>);

impl Fragments {
    /// Takes a fragment; gives the packet when it was the last missing.
    pub fn add(&mut self, packet: &Packet<'_>, now: Instant) -> Option<Vec<u8>> {
        self.0.retain(|partial| now - partial.since < PATIENCE.into());
        let start = usize::from(packet.fragment & 0x1fff) * 8;
        let end = start + packet.payload.len();
        let last = packet.fragment & MORE_FRAGMENTS == 0;
        if end > MAX_PAYLOAD || packet.payload.is_empty() || (!last && !packet.payload.len().is_multiple_of(8)) {
            return None;
        }
        let id = Id(packet.from, packet.to, packet.protocol, packet.ident);
        let index = self.0.iter().position(|partial| partial.id == id).unwrap_or_else(|| {
            if self.0.len() == MOST {
                self.0.remove(0);
            }
            self.0.push(Partial { id, since: now, bytes: vec![0; IP_HEADER], have: Vec::new(), len: None });
            self.0.len() - 1
        });
        let partial = &mut self.0[index];
        if last && partial.len.is_some_and(|len| len != end) || partial.len.is_some_and(|len| end > len) {
            self.0.remove(index);
            return None;
        }
        if partial.bytes.len() < IP_HEADER + end {
            partial.bytes.resize(IP_HEADER + end, 0);
            partial.have.resize(end.div_ceil(8), false);
        }
        partial.bytes[IP_HEADER + start..IP_HEADER + end].copy_from_slice(packet.payload);
        partial.have[start / 8..end.div_ceil(8)].fill(true);
        if last {
            partial.len = Some(end);
        }
        let len = partial.len?;
        if partial.bytes.len() > IP_HEADER + len {
            self.0.remove(index);
            return None;
        }
        if !partial.have.iter().all(|&have| have) {
            return None;
        }
        let mut whole = self.0.remove(index).bytes;
        put_ip_header(&mut whole, packet.from, packet.to, packet.protocol, len, packet.ident, 0);
        Some(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fragment(payload: &[u8], start: usize, more: bool, ident: u16) -> Vec<u8> {
        let mut bytes = vec![0; IP_HEADER];
        let bits = (start / 8) as u16 | if more { MORE_FRAGMENTS } else { 0 };
        let (from, to) = (Ipv4Addr::new(10, 0, 2, 15), Ipv4Addr::new(192, 0, 2, 1));
        put_ip_header(&mut bytes, from, to, 17, payload.len(), ident, bits);
        bytes.extend(payload);
        bytes
    }

    proptest! {
        #[test]
        fn a_packet_is_whole_in_any_order_of_its_parts(
            payload in proptest::collection::vec(any::<u8>(), 9..5000),
            order in Just((0..10usize).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let size = (payload.len().div_ceil(10)).next_multiple_of(8);
            let count = payload.len().div_ceil(size);
            let mut fragments = Fragments::default();
            let mut whole = None;
            for &i in order.iter().filter(|&&i| i < count) {
                prop_assert!(whole.is_none(), "whole before the last part");
                let part = &payload[i * size..payload.len().min((i + 1) * size)];
                let bytes = fragment(part, i * size, i + 1 < count, 7);
                whole = fragments.add(&Packet::parse(&bytes).unwrap(), Instant::ZERO);
            }
            let whole = whole.unwrap();
            prop_assert_eq!(Packet::parse(&whole).unwrap().payload, &payload[..]);
            prop_assert!(fragments.0.is_empty());
        }

        #[test]
        fn any_fragments_stay_within_bounds(
            parts in proptest::collection::vec((any::<u16>(), any::<u16>(), 0..2000usize, any::<bool>()), 0..100),
        ) {
            let mut fragments = Fragments::default();
            for (ident, start, len, more) in parts {
                let bytes = fragment(&vec![1; len], usize::from(start), more, ident % 40);
                fragments.add(&Packet::parse(&bytes).unwrap(), Instant::ZERO);
                prop_assert!(fragments.0.len() <= MOST);
                prop_assert!(fragments.0.iter().all(|p| p.bytes.len() <= 65535));
            }
        }
    }
}
