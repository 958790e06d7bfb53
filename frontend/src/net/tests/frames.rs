//! Garbage.

use std::net::Ipv4Addr;

use devices::bus::NetPort;
use proptest::prelude::*;

use super::super::addresses::{GATEWAY, GATEWAY_MAC, GUEST, RESOLVER};
use super::super::wire::{self, ICMP, IP_HEADER, Icmp, TCP, UDP};
use super::guest::{Card, MAC, network};

/// Frames that get past the first checks, to places where nothing listens.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let bytes = |len| proptest::collection::vec(any::<u8>(), 0..len);
    let to = prop_oneof![
        Just(GATEWAY),
        Just(RESOLVER),
        Just(GUEST),
        Just(Ipv4Addr::BROADCAST),
        Just(Ipv4Addr::UNSPECIFIED),
        Just(Ipv4Addr::LOCALHOST),
        Just(Ipv4Addr::new(224, 0, 0, 1)),
    ];
    let from = prop_oneof![4 => Just(GUEST), 1 => Just(Ipv4Addr::UNSPECIFIED), 1 => Just(GATEWAY)];
    let protocol = prop_oneof![Just(TCP), Just(UDP), Just(ICMP), any::<u8>()];
    let packet =
        (from, to, protocol, any::<u16>(), prop_oneof![3 => Just(0), 1 => any::<u16>()], bytes(400), any::<bool>())
            .prop_map(|(from, to, protocol, ident, fragment, mut payload, dhcp)| {
                if payload.len() > 8 && dhcp && protocol == UDP {
                    let len = payload.len() as u16;
                    payload[..8].copy_from_slice(&[0, 68, 0, 67, (len >> 8) as u8, len as u8, 0, 0]);
                } else if payload.len() > 4 && protocol != ICMP {
                    // Port 1 of loopback: nothing is there.
                    payload[2..4].copy_from_slice(&[0, 1]);
                }
                let mut header = [0; IP_HEADER];
                wire::put_ip_header(&mut header, from, to, protocol, payload.len(), ident, fragment);
                [&GATEWAY_MAC[..], &MAC, &[8, 0], &header, &payload].concat()
            });
    let arp = bytes(40).prop_map(|tail| [&GATEWAY_MAC[..], &MAC, &[8, 6], &[0, 1, 8, 0, 6, 4], &tail].concat());
    prop_oneof![1 => bytes(2000), 1 => arp, 6 => packet]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_frames_stop_the_network(frames in proptest::collection::vec(frame(), 0..200)) {
        let mut card = Card::new(network("user,resolver=127.0.0.1:1", 1500).port, 1500);
        for frame in &frames {
            card.port.send(frame);
        }
        let echo = Icmp { kind: Icmp::ECHO, code: 0, rest: [0xab; 4], data: b"still there" }.bytes();
        let mut header = [0; IP_HEADER];
        wire::put_ip_header(&mut header, GUEST, GATEWAY, ICMP, echo.len(), 0, 0);
        card.port.send(&[&GATEWAY_MAC[..], &MAC, &[8, 0], &header, &echo].concat());
        card.expect("echo reply", |frame| frame.ends_with(b"still there").then_some(()));
    }
}
