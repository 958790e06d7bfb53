//! A guest: an IP stack on the end of the cable.

use std::net::Ipv4Addr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use devices::bus::{NetPort, Waker};
use devices::virtio::net::Offload;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Checksum, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::wire::{EthernetAddress, IpCidr};

use super::super::addresses::{GATEWAY, GUEST};
use super::super::ring::{MAX_FRAME, UserPort};
use super::super::{NetSpec, UserNet};

pub const MAC: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
const PATIENCE: Duration = Duration::from_secs(20);

/// A network whose card wakes the calling thread.
pub fn network(spec: &str, mtu: u16) -> UserNet {
    offloading(spec, mtu, None)
}

pub fn offloading(spec: &str, mtu: u16, offload: Option<Arc<Offload>>) -> UserNet {
    let NetSpec::User(spec) = spec.parse().unwrap() else { panic!("a test's network is a user network") };
    let me = std::thread::current();
    UserNet::start(spec, mtu, offload, Waker::new(move || me.unpark())).unwrap()
}

pub struct Card {
    pub port: UserPort,
    mtu: usize,
    /// Neither makes nor checks TCP checksums, and lets the cable cut large segments.
    pub offload: bool,
    /// The longest frame that came.
    pub largest: usize,
    input: Box<[u8]>,
    output: Box<[u8]>,
}

impl Card {
    pub fn new(port: UserPort, mtu: u16) -> Self {
        let frame = || vec![0; MAX_FRAME].into_boxed_slice();
        Self { port, mtu: mtu.into(), offload: false, largest: 0, input: frame(), output: frame() }
    }

    /// Waits for a frame that `wanted` takes something of.
    pub fn expect<T>(&mut self, what: &str, mut wanted: impl FnMut(&[u8]) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            match self.port.receive(&mut self.input) {
                Some(len) => {
                    if let Some(found) = wanted(&self.input[..len]) {
                        return found;
                    }
                }
                None => std::thread::park_timeout(Duration::from_millis(10)),
            }
        }
        panic!("no {what} came");
    }
}

pub struct Rx<'a>(&'a [u8]);
pub struct Tx<'a>(&'a mut UserPort, &'a mut [u8]);

impl RxToken for Rx<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let result = f(&mut self.1[..len]);
        self.0.send(&self.1[..len]);
        result
    }
}

impl Device for Card {
    type RxToken<'t> = Rx<'t>;
    type TxToken<'t> = Tx<'t>;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Rx<'_>, Tx<'_>)> {
        let len = self.port.receive(&mut self.input)?;
        self.largest = self.largest.max(len);
        Some((Rx(&self.input[..len]), Tx(&mut self.port, &mut self.output)))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Tx<'_>> {
        Some(Tx(&mut self.port, &mut self.output))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut caps = DeviceCapabilities::default();
        caps.medium = Medium::Ethernet;
        caps.max_transmission_unit = 14 + self.mtu;
        // What comes is checked; what goes need not be right.
        caps.checksum.tcp = Checksum::Rx;
        if self.offload {
            caps.checksum.tcp = Checksum::None;
            caps.segmentation.tcpv4 = NonZeroUsize::new(MAX_FRAME);
        }
        caps
    }
}

pub struct Guest {
    pub card: Card,
    pub interface: Interface,
    pub sockets: SocketSet<'static>,
    started: Instant,
    next_port: u16,
}

impl Guest {
    pub fn new(port: UserPort, mtu: u16) -> Self {
        Self::with_card(Card::new(port, mtu))
    }

    pub fn with_card(mut card: Card) -> Self {
        let mut config = Config::new(EthernetAddress(MAC).into());
        config.random_seed = 1;
        let mut interface = Interface::new(config, &mut card, smoltcp::time::Instant::ZERO);
        interface.update_ip_addrs(|list| list.push(IpCidr::new(GUEST.into(), 24)).unwrap());
        interface.routes_mut().add_default_ipv4_route(GATEWAY).unwrap();
        Self { card, interface, sockets: SocketSet::new(vec![]), started: Instant::now(), next_port: 40000 }
    }

    pub fn with(spec: &str) -> Self {
        Self::new(network(spec, 1500).port, 1500)
    }

    pub fn now(&self) -> smoltcp::time::Instant {
        smoltcp::time::Instant::from_micros(1_000_000 + self.started.elapsed().as_micros() as i64)
    }

    pub fn poll(&mut self) {
        let now = self.now();
        self.interface.poll(now, &mut self.card, &mut self.sockets);
    }

    /// Polls until `done`.
    pub fn run<T>(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            self.poll();
            if let Some(result) = done(self) {
                self.poll();
                return result;
            }
            std::thread::park_timeout(Duration::from_millis(1));
        }
        panic!("{what}: not in time");
    }

    pub fn tcp_socket(&mut self, buffer: usize) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; buffer]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_nagle_enabled(false);
        self.sockets.add(socket)
    }

    pub fn tcp(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Starts to connect.
    pub fn connect(&mut self, to: (Ipv4Addr, u16)) -> SocketHandle {
        let handle = self.tcp_socket(1 << 18);
        self.next_port += 1;
        let Self { interface, sockets, .. } = self;
        sockets.get_mut::<tcp::Socket<'_>>(handle).connect(interface.context(), to, self.next_port).unwrap();
        handle
    }

    /// Sends all of `data` while reading; ends its half; returns all that came until the other end ended its half.
    pub fn exchange(&mut self, handle: SocketHandle, data: &[u8]) -> Vec<u8> {
        let mut sent = 0;
        let mut got = Vec::new();
        self.run("exchange", |guest| {
            let socket = guest.tcp(handle);
            if socket.may_send() && sent < data.len() {
                sent += socket.send_slice(&data[sent..]).unwrap();
                if sent == data.len() {
                    socket.close();
                }
            }
            while socket.can_recv() {
                socket
                    .recv(|bytes| {
                        got.extend_from_slice(bytes);
                        (bytes.len(), ())
                    })
                    .unwrap();
            }
            let over = matches!(socket.state(), tcp::State::TimeWait | tcp::State::Closed);
            over.then_some(())
        });
        got
    }
}

/// A network, for tests that must keep its waker count.
pub fn counted(spec: &str) -> (UserNet, Arc<std::sync::atomic::AtomicUsize>) {
    let NetSpec::User(spec) = spec.parse().unwrap() else { panic!("a test's network is a user network") };
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let (counter, me) = (Arc::clone(&count), std::thread::current());
    let waker = Waker::new(move || {
        counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        me.unpark();
    });
    (UserNet::start(spec, 1500, None, waker).unwrap(), count)
}
