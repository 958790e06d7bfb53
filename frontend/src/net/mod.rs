//! User-mode networking: the guest's cable leads to a router that lives in one thread of this process and reaches the
//! world through ordinary sockets, without privileges.
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
    #[error("--net: cannot listen on {transport} {address}: {why}")]
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
                    listeners.udp.push(socket);
                    listeners.udp_guests.push(guest);
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
