//! DHCP, DNS, UDP and ICMP.

use std::net::{Ipv4Addr, UdpSocket};
use std::thread;
use std::time::Duration;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::{dhcpv4, udp};
use smoltcp::wire::{IpCidr, Ipv4Cidr};

use super::super::addresses::{GATEWAY, GUEST, RESOLVER};
use super::super::ring::MAX_FRAME;
use super::super::wire::{self, ICMP, IP_HEADER, Icmp, Packet, UDP};
use super::guest::{Card, Guest, MAC, counted, network};

fn bind(guest: &mut Guest, port: u16) -> SocketHandle {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 16], vec![0; 65536]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(port).unwrap();
    guest.sockets.add(socket)
}

fn receive(guest: &mut Guest, handle: SocketHandle) -> (Vec<u8>, (Ipv4Addr, u16)) {
    guest.run("datagram", |guest| {
        let (data, from) = guest.sockets.get_mut::<udp::Socket<'_>>(handle).recv().ok()?;
        let smoltcp::wire::IpAddress::Ipv4(address) = from.endpoint.addr else { panic!() };
        Some((data.to_vec(), (address, from.endpoint.port)))
    })
}

fn send(guest: &mut Guest, handle: SocketHandle, data: &[u8], to: (Ipv4Addr, u16)) {
    guest.sockets.get_mut::<udp::Socket<'_>>(handle).send_slice(data, to).unwrap();
    guest.poll();
}

/// A frame from the guest to the gateway's address.
fn frame(to: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = [&[0x52, 0x55, 10, 0, 2, 2][..], &MAC, &[8, 0]].concat();
    let mut header = [0; IP_HEADER];
    wire::put_ip_header(&mut header, GUEST, to, protocol, payload.len(), 1, 0);
    frame.extend(header);
    frame.extend(payload);
    frame
}

#[test]
fn dhcp_gives_the_usual_lease() {
    let mut guest = Guest::with("user");
    guest.interface.update_ip_addrs(|list| list.clear());
    let handle = guest.sockets.add(dhcpv4::Socket::new());
    let (address, router, dns) =
        guest.run("lease", |guest| match guest.sockets.get_mut::<dhcpv4::Socket<'_>>(handle).poll()? {
            dhcpv4::Event::Configured(config) => Some((config.address, config.router, config.dns_servers.to_vec())),
            dhcpv4::Event::Deconfigured => None,
        });
    assert_eq!(address, Ipv4Cidr::new(GUEST, 24));
    assert_eq!(router, Some(GATEWAY));
    assert_eq!(dns, [RESOLVER]);
    guest.interface.update_ip_addrs(|list| list.push(IpCidr::Ipv4(address)).unwrap());
}

#[test]
fn dns_queries_reach_the_hosts_resolver() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let spec = format!("user,resolver={}", server.local_addr().unwrap());
    let host = thread::spawn(move || {
        let mut query = [0; 512];
        let (len, peer) = server.recv_from(&mut query).unwrap();
        let answer = [b"answer to ", &query[..len]].concat();
        server.send_to(&answer, peer).unwrap();
    });
    let mut guest = Guest::with(&spec);
    let handle = bind(&mut guest, 1053);
    send(&mut guest, handle, b"query", (RESOLVER, 53));
    assert_eq!(receive(&mut guest, handle), (b"answer to query".to_vec(), (RESOLVER, 53)));
    host.join().unwrap();
}

#[test]
fn datagrams_larger_than_the_mtu_come_in_fragments_and_go_so() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let mut card = Card::new(network("user", 1500).port, 1500);
    let data: Vec<u8> = (0..9000u32).map(|i| i as u8 ^ (i >> 8) as u8).collect();
    let datagram = wire::udp((GUEST, 7), (GATEWAY, port), &data);
    let parts: Vec<_> = datagram.chunks(1480).collect();
    for (i, part) in parts.iter().enumerate() {
        let mut frame = frame(GATEWAY, UDP, part);
        let bits = (i * 185) as u16 | if i + 1 < parts.len() { wire::MORE_FRAGMENTS } else { 0 };
        wire::put_ip_header(&mut frame[14..], GUEST, GATEWAY, UDP, part.len(), 1, bits);
        devices::bus::NetPort::send(&mut card.port, &frame);
    }
    let mut got = vec![0; 65536];
    server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (len, peer) = server.recv_from(&mut got).unwrap();
    assert!(got[..len] == data);

    server.send_to(&data, peer).unwrap();
    let mut fragments = super::super::fragments::Fragments::default();
    let whole = card.expect("fragment", |frame| {
        assert!(frame.len() <= 1514);
        let packet = Packet::parse(&frame[14..])?;
        fragments.add(&packet, smoltcp::time::Instant::ZERO)
    });
    let packet = Packet::parse(&whole).unwrap();
    assert_eq!(wire::parse_udp(packet.payload), Some((port, 7, &data[..])));
}

#[test]
fn a_forwarded_udp_port_answers_each_peer() {
    let net = network("user,hostfwd=udp:127.0.0.1:0-:5353", 1500);
    let address = net.listening[0].1;
    let mut guest = Guest::new(net.port, 1500);
    let handle = bind(&mut guest, 5353);
    // The router has to know where the guest is.
    send(&mut guest, handle, b"", (GATEWAY, 9));
    let peers: Vec<_> = (0..3).map(|_| UdpSocket::bind("127.0.0.1:0").unwrap()).collect();
    for (i, peer) in peers.iter().enumerate() {
        peer.send_to(&[i as u8], address).unwrap();
        let (data, from) = receive(&mut guest, handle);
        assert_eq!((data, from), (vec![i as u8], (GATEWAY, peer.local_addr().unwrap().port())));
        send(&mut guest, handle, &[i as u8 + 10], from);
        let mut answer = [0; 9];
        peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        assert_eq!(peer.recv_from(&mut answer).unwrap(), (1, address));
        assert_eq!(answer[0], i as u8 + 10);
    }
}

#[test]
fn the_gateway_answers_pings() {
    let mut card = Card::new(network("user", 1500).port, 1500);
    let echo = Icmp { kind: Icmp::ECHO, code: 0, rest: [1, 2, 3, 4], data: b"are you there" };
    devices::bus::NetPort::send(&mut card.port, &frame(GATEWAY, ICMP, &echo.bytes()));
    card.expect("echo reply", |frame| {
        let packet = Packet::parse(&frame[14..]).filter(|packet| packet.protocol == ICMP)?;
        assert_eq!((packet.from, packet.to), (GATEWAY, GUEST));
        let reply = Icmp::parse(packet.payload)?;
        assert_eq!((reply.kind, reply.rest, reply.data), (Icmp::ECHO_REPLY, echo.rest, echo.data));
        Some(())
    });
}

#[test]
fn a_refused_datagram_is_reported_as_unreachable() {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut card = Card::new(network("user", 1500).port, 1500);
    let sent = frame(GATEWAY, UDP, &wire::udp((GUEST, 7), (GATEWAY, port), b"anyone"));
    devices::bus::NetPort::send(&mut card.port, &sent);
    card.expect("unreachable", |frame| {
        let packet = Packet::parse(&frame[14..]).filter(|packet| packet.protocol == ICMP)?;
        let error = Icmp::parse(packet.payload)?;
        assert_eq!((error.kind, error.code), (Icmp::UNREACHABLE, Icmp::PORT_UNREACHABLE));
        assert_eq!(error.data, &sent[14..14 + IP_HEADER + 8]);
        Some(())
    });
}

#[test]
fn a_restricted_guest_sends_no_datagram_but_has_dhcp_and_ping() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    server.set_nonblocking(true).unwrap();
    let spec = format!("user,restrict,resolver={}", server.local_addr().unwrap());
    let mut guest = Guest::with(&spec);
    let handle = bind(&mut guest, 7);
    send(&mut guest, handle, b"out", (GATEWAY, server.local_addr().unwrap().port()));
    send(&mut guest, handle, b"out", (RESOLVER, 53));
    let lease = guest.sockets.add(dhcpv4::Socket::new());
    guest.run("lease", |guest| {
        let event = guest.sockets.get_mut::<dhcpv4::Socket<'_>>(lease).poll()?;
        matches!(event, dhcpv4::Event::Configured(_)).then_some(())
    });
    assert!(server.recv_from(&mut [0; 9]).is_err());
}

#[test]
fn the_card_is_woken_for_frames_and_only_then() {
    let (mut net, count) = counted("user");
    let mut buf = vec![0; MAX_FRAME];
    assert_eq!(devices::bus::NetPort::receive(&mut net.port, &mut buf), None);
    thread::sleep(Duration::from_millis(50));
    assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 0);
    let echo = Icmp { kind: Icmp::ECHO, code: 0, rest: [0; 4], data: b"" };
    let mut card = Card::new(net.port, 1500);
    devices::bus::NetPort::send(&mut card.port, &frame(GATEWAY, ICMP, &echo.bytes()));
    card.expect("echo reply", |_| Some(()));
    assert_eq!(count.load(std::sync::atomic::Ordering::SeqCst), 1);
}
