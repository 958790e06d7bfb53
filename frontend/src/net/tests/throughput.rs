//! How fast the network is, without a guest's own cost: see the module's documentation for the command.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::Instant;

use devices::virtio::net::Offload;

use super::super::addresses::GATEWAY;
use super::guest::{Card, Guest, offloading};

const BYTES: usize = 512 << 20;

/// MB/s of one connection; `down` is from the host.
fn measure(mtu: u16, offload: bool, down: bool) -> f64 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let host = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buf = vec![0; 1 << 18];
        if down {
            (0..BYTES / buf.len()).for_each(|_| stream.write_all(&buf).unwrap());
        } else {
            while stream.read(&mut buf).unwrap() > 0 {}
        }
    });
    let flags = offload.then(Offload::new);
    if let Some(flags) = &flags {
        flags.set(true, true);
    }
    let mut card = Card::new(offloading("user", mtu, flags).port, mtu);
    card.offload = offload;
    let mut guest = Guest::with_card(card);
    let handle = guest.connect((GATEWAY, port));
    guest.run("connect", |guest| guest.tcp(handle).may_send().then_some(()));
    let start = Instant::now();
    let mut moved = 0;
    while moved < BYTES {
        guest.poll();
        let socket = guest.tcp(handle);
        let before = moved;
        if down {
            while socket.can_recv() {
                moved += socket.recv(|bytes| (bytes.len(), bytes.len())).unwrap();
            }
        } else {
            while socket.can_send() && moved < BYTES {
                moved += socket.send(|room| (room.len(), room.len())).unwrap();
            }
        }
        if moved == before {
            std::thread::park_timeout(std::time::Duration::from_millis(1));
        }
    }
    guest.tcp(handle).close();
    guest.run("end", |guest| host.is_finished().then(|| guest.poll()));
    host.join().unwrap();
    BYTES as f64 / 1e6 / start.elapsed().as_secs_f64()
}

#[test]
#[ignore = "a measurement: run in release, alone"]
fn throughput() {
    for (mtu, offload) in [(1500, false), (1500, true), (65520, false), (65520, true)] {
        let (down, up) = (measure(mtu, offload, true), measure(mtu, offload, false));
        println!("MTU {mtu:5}, offload {offload:5}: download {down:5.0} MB/s, upload {up:5.0} MB/s");
        assert!(down.min(up) > 1.0);
    }
}
