//! User-mode networking: the guest's cable leads to a router that lives in one thread of this process and reaches the
//! world through ordinary sockets, without privileges.
//!
//! The guest sees the network that QEMU's users know: 10.0.2.0/24, itself at 10.0.2.15 (by DHCP), the gateway at
//! 10.0.2.2, which is also this machine's loopback, and DNS at 10.0.2.3, which is this machine's resolver. Out go TCP,
//! UDP and, where the host permits ping sockets, ICMP echo; in come connections and datagrams to forwarded ports.
//! Packets to 0/8, 127/8 and from 224/8 on lead nowhere; with `restrict` nothing leads out.
//!
//! A frame's way: [`ring`] (the cable) – [`router`] (what is it for) – [`tcp`], [`flows`], [`dhcp`] – the host's
//! sockets; and back through [`link`], which makes frames. Memory is bounded: 1,024 connections with 512 KiB (from the
//! 65th on 64 KiB) each, 512 flows, 16 incomplete packets, 1 MiB of frames each way. Nothing that TCP has accepted is
//! dropped: a full buffer closes the sender's window. Each connection and flow takes a file descriptor.
//!
//! smoltcp is the TCP engine because it is plain Rust, so that nothing need be installed; libslirp would want its
//! headers and GLib's. It is fast enough: in MB/s, one connection over loopback with a second smoltcp as the guest, on
//! two cores,
//!
//! | MTU | offload | download | upload |
//! |---|---|---|---|
//! | 1,500 | no | 940 | 2,200 |
//! | 1,500 | yes | 1,360 | 3,100 |
//! | 65,520 | no | 1,130 | 1,900 |
//! | 65,520 | yes | 1,300 | 2,900 |
//!
//! by `cargo test --release -p handset throughput -- --ignored --nocapture`. With both cores busy elsewhere
//! it was never below 390. So the MTU stays the usual 1,500, and large
//! segments come by offload ([`devices::virtio::net::Offload`]).
//!
//! Left out: IPv6, TFTP, SMB, multicast, IP options, ICMP errors of the world beyond (traceroute), more than one guest.

mod addresses;
mod dhcp;
mod flows;
mod fragments;
mod link;
mod resolver;
mod ring;
mod router;
mod spec;
mod tcp;
#[cfg(test)]
mod tests;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use devices::bus::Waker;
use devices::virtio::net::Offload;

pub use ring::UserPort;
pub use spec::{Forward, NetSpec, Transport, UserSpec};

/// Why a network could not be made.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// A forwarded port is taken, or not ours to take.
    #[error("--net: cannot listen on {transport} {address}: {}", reason(why))]
    Listen {
        /// TCP or UDP.
        transport: Transport,
        /// Of the host.
        address: SocketAddr,
        /// The host's reason.
        why: std::io::Error,
    },
    /// The host gave no epoll instance or no thread.
    #[error("--net: cannot start the network's thread: {0}")]
    Thread(std::io::Error),
}

/// Why the host did not let a port be listened on, and what to do.
fn reason(why: &std::io::Error) -> String {
    use std::io::ErrorKind::{AddrInUse, AddrNotAvailable, PermissionDenied};
    match why.kind() {
        AddrInUse => "is in use (choose another port; 0 lets the host choose)".into(),
        AddrNotAvailable => "this machine has no such address (127.0.0.1 is itself, 0.0.0.0 all of them)".into(),
        PermissionDenied => "the host does not allow it (choose a port from 1024 up)".into(),
        _ => why.to_string(),
    }
}

/// A running network, apart from the guest's end of its cable.
#[derive(Debug)]
pub struct UserNet {
    /// The host's ends of the forwards in the order of the specification, with the ports that the host chose.
    pub listening: Vec<(Transport, SocketAddr)>,
    /// The guest's end; the network ends when it is dropped.
    pub port: UserPort,
}

impl UserNet {
    /// Starts a network for packets of up to `mtu` bytes. `waker` is that of the card; `offload` is shared with it.
    ///
    /// # Errors
    /// [`NetError`]
    pub fn start(spec: UserSpec, mtu: u16, offload: Option<Arc<Offload>>, waker: Waker) -> Result<Self, NetError> {
        let mut listeners = router::Listeners::default();
        let mut listening = Vec::new();
        for &Forward { transport, host, guest } in &spec.forwards {
            let fail = |why| NetError::Listen { transport, address: host, why };
            let address = match transport {
                Transport::Tcp => {
                    let listener = mio::net::TcpListener::bind(host).map_err(fail)?;
                    let address = listener.local_addr().map_err(fail)?;
                    listeners.tcp.push((listener, guest));
                    address
                }
                Transport::Udp => {
                    let socket = mio::net::UdpSocket::bind(host).map_err(fail)?;
                    let address = socket.local_addr().map_err(fail)?;
                    listeners.udp.push(flows::Forwarded { socket, guest, queued: false });
                    address
                }
            };
            listening.push((transport, address));
        }
        let poll = mio::Poll::new().map_err(NetError::Thread)?;
        let thread = mio::Waker::new(poll.registry(), router::WAKE).map_err(NetError::Thread)?;
        let (mut port, cable) = ring::cable(thread, waker);
        let link = link::Link::new(cable, mtu, offload);
        let router = router::Router::new(spec, poll, link, listeners).map_err(NetError::Thread)?;
        let worker = std::thread::Builder::new().name("network".into()).spawn(move || router.run());
        port.own(worker.map_err(NetError::Thread)?);
        Ok(Self { listening, port })
    }
}
