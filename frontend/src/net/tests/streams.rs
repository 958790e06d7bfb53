//! TCP.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use devices::virtio::net::Offload;
use smoltcp::socket::tcp::State;

use super::super::addresses::{GATEWAY, RESOLVER};
use super::super::{NetError, UserNet, UserSpec};
use super::guest::{Card, Guest, network, offloading};

fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

fn server(serve: impl FnOnce(TcpStream) + Send + 'static) -> (u16, thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (port, thread::spawn(move || serve(listener.accept().unwrap().0)))
}

#[test]
fn ten_megabytes_come_back_from_an_echo_server_after_the_guests_half_close() {
    let (port, host) = server(|mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        stream.write_all(&all).unwrap();
    });
    let data = pattern(10 << 20);
    let mut guest = Guest::with("user");
    let handle = guest.connect((GATEWAY, port));
    assert!(guest.exchange(handle, &data) == data);
    host.join().unwrap();
}

#[test]
fn large_segments_without_checksums_carry_the_same_bytes() {
    let (port, host) = server(|mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        stream.write_all(&all).unwrap();
    });
    let flags = Offload::new();
    flags.set(true, true);
    let mut card = Card::new(offloading("user", 1500, Some(flags)).port, 1500);
    card.offload = true;
    let mut guest = Guest::with_card(card);
    let handle = guest.connect((GATEWAY, port));
    let data = pattern(10 << 20);
    assert!(guest.exchange(handle, &data) == data);
    assert!(guest.card.largest > 1514, "only small segments came");
    host.join().unwrap();
}

#[test]
fn dns_over_tcp_reaches_the_hosts_resolver_and_nothing_else_of_it() {
    let (port, host) = server(|mut stream| {
        let mut query = Vec::new();
        stream.read_to_end(&mut query).unwrap();
        stream.write_all(&[b"answer to ", &query[..]].concat()).unwrap();
    });
    let mut guest = Guest::with(&format!("user,resolver=127.0.0.1:{port}"));
    let handle = guest.connect((RESOLVER, port));
    guest.run("refusal", |guest| (guest.tcp(handle).state() == State::Closed).then_some(()));
    let handle = guest.connect((RESOLVER, 53));
    assert_eq!(guest.exchange(handle, b"query"), b"answer to query");
    host.join().unwrap();
}

#[test]
fn a_host_that_half_closes_first_still_gets_everything() {
    let (port, host) = server(|mut stream| {
        stream.write_all(&pattern(100_000)).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        // The guest's data waits in windows and buffers meanwhile.
        thread::sleep(Duration::from_millis(300));
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        assert!(all == pattern(10 << 20));
    });
    let mut guest = Guest::with("user");
    let handle = guest.connect((GATEWAY, port));
    let got = guest.exchange(handle, &pattern(10 << 20));
    assert!(got == pattern(100_000));
    host.join().unwrap();
}

#[test]
fn a_guest_that_does_not_read_stops_the_host_and_loses_nothing() {
    let (port, host) = server(|mut stream| {
        stream.write_all(&pattern(20 << 20)).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 1);
    });
    let mut guest = Guest::with("user");
    let handle = guest.connect((GATEWAY, port));
    guest.run("connect", |guest| guest.tcp(handle).may_recv().then_some(()));
    for _ in 0..50 {
        guest.poll();
        thread::sleep(Duration::from_millis(5));
    }
    assert!(!host.is_finished(), "20 MB went into buffers");
    let got = guest.exchange(handle, b"x");
    assert!(got == pattern(20 << 20));
    host.join().unwrap();
}

#[test]
fn a_refused_connect_is_a_reset() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut guest = Guest::with("user");
    let handle = guest.connect((GATEWAY, port));
    let before = std::time::Instant::now();
    guest.run("reset", |guest| (guest.tcp(handle).state() == State::Closed).then_some(()));
    assert!(before.elapsed() < Duration::from_secs(1), "a reset, not a time-out");
}

#[test]
fn resets_pass_in_both_directions() {
    let (port, host) = server(|mut stream| {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        let error = stream.read(&mut byte).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    });
    let mut guest = Guest::with("user");
    let handle = guest.connect((GATEWAY, port));
    guest.run("send", |guest| guest.tcp(handle).can_send().then(|| guest.tcp(handle).send_slice(b"x").unwrap()));
    guest.run("acknowledgement", |guest| (guest.tcp(handle).send_queue() == 0).then_some(()));
    guest.tcp(handle).abort();
    guest.poll();
    host.join().unwrap();

    let (port, host) = server(|stream| {
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    });
    let handle = guest.connect((GATEWAY, port));
    guest.run("reset", |guest| (guest.tcp(handle).state() == State::Closed).then_some(()));
    host.join().unwrap();
}

#[test]
fn a_forwarded_port_leads_into_the_guest() {
    let net = network("user,hostfwd=tcp:127.0.0.1:0-:5555", 1500);
    let address = net.listening[0].1;
    let mut guest = Guest::new(net.port, 1500);
    let handle = guest.tcp_socket(1 << 18);
    guest.tcp(handle).listen(5555).unwrap();
    let host = thread::spawn(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let mut reader = stream.try_clone().unwrap();
        let writer = thread::spawn(move || {
            stream.write_all(&pattern(3 << 20)).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
        });
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        writer.join().unwrap();
        all
    });
    let got = guest.exchange(handle, &pattern(2 << 20));
    assert!(got == pattern(3 << 20));
    assert!(host.join().unwrap() == pattern(2 << 20));
}

#[test]
fn a_forward_to_a_closed_port_of_the_guest_is_reset() {
    let net = network("user,hostfwd=tcp:127.0.0.1:0-:5555", 1500);
    let address = net.listening[0].1;
    let mut guest = Guest::new(net.port, 1500);
    let host = thread::spawn(move || TcpStream::connect(address).unwrap().read(&mut [0]));
    guest.run("end of the connection", |_| host.is_finished().then_some(()));
    assert_eq!(host.join().unwrap().unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let spec = UserSpec { forwards: vec![format!("tcp:{address}-:1").parse().unwrap()], ..UserSpec::default() };
    let error = UserNet::start(spec, 1500, None, devices::bus::Waker::none()).unwrap_err();
    assert!(matches!(error, NetError::Listen { .. }));
    let text = error.to_string();
    assert!(text.contains(&address.to_string()) && text.contains("in use") && !text.contains('\n'), "{text}");
}

#[test]
fn a_restricted_guest_gets_resets_and_forwards_still_work() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let net = network("user,restrict,hostfwd=tcp::0-:80", 1500);
    let address = net.listening[0].1;
    let mut guest = Guest::new(net.port, 1500);
    for remote in [(GATEWAY, listener.local_addr().unwrap().port()), (Ipv4Addr::new(192, 0, 2, 1), 80)] {
        let handle = guest.connect(remote);
        guest.run("reset", |guest| (guest.tcp(handle).state() == State::Closed).then_some(()));
    }
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "something came through");
    let handle = guest.tcp_socket(4096);
    guest.tcp(handle).listen(80).unwrap();
    let host = thread::spawn(move || TcpStream::connect(address).unwrap().write_all(b"in").unwrap());
    assert_eq!(guest.exchange(handle, b"out"), b"in");
    host.join().unwrap();
}

#[test]
fn a_hundred_connections_at_once_keep_apart() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let host = thread::spawn(move || {
        for _ in 0..100 {
            let (mut stream, _) = listener.accept().unwrap();
            thread::spawn(move || {
                let mut all = Vec::new();
                stream.read_to_end(&mut all).unwrap();
                stream.write_all(&all).unwrap();
            });
        }
    });
    let mut guest = Guest::with("user");
    let handles: Vec<_> = (0..100).map(|_| guest.connect((GATEWAY, port))).collect();
    for (i, &handle) in handles.iter().enumerate() {
        guest.run("connect", |guest| guest.tcp(handle).may_send().then_some(()));
        assert_eq!(guest.exchange(handle, &vec![i as u8; 5000]), vec![i as u8; 5000]);
    }
    host.join().unwrap();
}
