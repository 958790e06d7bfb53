//! Network card (virtio 1.2, 5.1) in front of a [`NetPort`].
//!
//! The driver's frames leave in the notification; the port's frames enter when the board polls. Every frame is copied
//! once, and what one call does is bounded by the queues' own budget.
//!
//! A port that terminates TCP itself needs neither checksums nor small segments. Such a port shares an [`Offload`]
//! with the card, which then offers CSUM, GUEST_CSUM, HOST_TSO4 and GUEST_TSO4 and writes there what the driver took:
//! with an MTU of 1500 TCP then crosses in pieces of up to 64 KiB.
//!
//! Left out: several queue pairs, VLAN filters, IPv6 and UDP segmentation, GUEST_ANNOUNCE. Receive modes and address
//! filters are accepted without filtering, as 5.1.6.5.1 allows (the driver sees more frames than it must).

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use serde::{Deserialize, Serialize};
use virtio_bindings::virtio_ids::VIRTIO_ID_NET;
use virtio_bindings::virtio_net as sys;

use super::{Broken, Chain, Queues, VirtioDevice, read_config};
use crate::bus::{Nanos, NetPort, RestoreError, Snapshot, Waker};

const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;
const CONTROL: usize = 2;
const QUEUE_SIZES: [u16; 3] = [256, 256, 64];

/// struct virtio_net_hdr with num_buffers (5.1.6): always so long with VERSION_1.
const HEADER: usize = 12;
const ETHERNET: usize = 14;
/// An Ethernet header and the largest IPv4 packet.
const MAX_FRAME: usize = ETHERNET + 65535;
/// Frames that one call takes from the port, delivered or not.
const FRAMES_PER_CALL: usize = 512;
/// The largest control command: two tables of 64 addresses fit.
const MAX_CONTROL: u64 = 1024;

const fn bit(feature: u32) -> u64 {
    1 << feature
}

/// What the driver lets a port leave out, for ports that can: shared by card and port.
///
/// TCP over IPv4 only. Towards the port, such segments come without checksum and with up to 64 KiB whenever a card has
/// an `Offload`; towards the driver, as these flags say at that time.
#[derive(Debug, Default)]
pub struct Offload(AtomicU8);

impl Offload {
    const CSUM: u8 = 1;
    const TSO: u8 = 2;

    /// No driver yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Whether segments to the driver need no checksum.
    #[must_use]
    pub fn csum(&self) -> bool {
        self.0.load(Ordering::Relaxed) & Self::CSUM != 0
    }

    /// Whether segments to the driver may be larger than the MTU.
    #[must_use]
    pub fn tso(&self) -> bool {
        self.0.load(Ordering::Relaxed) & Self::TSO != 0
    }

    /// Says what the driver takes; large segments always without checksum.
    pub fn set(&self, csum: bool, tso: bool) {
        let flags = if csum { Self::CSUM } else { 0 } | if csum && tso { Self::TSO } else { 0 };
        self.0.store(flags, Ordering::Relaxed);
    }
}

/// The cable of a card, for whoever pulls it.
#[derive(Debug, Clone)]
pub struct Link {
    up: Arc<AtomicBool>,
    waker: Waker,
}

impl Link {
    /// Plugs the cable in or pulls it; the driver is told.
    pub fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::Relaxed);
        self.waker.wake();
    }
}

/// How a card is made.
#[derive(Debug, Clone)]
pub struct NetConfig {
    /// Its factory address.
    pub mac: [u8; 6],
    /// The largest IP packet on this network.
    pub mtu: u16,
    /// Present when the port neither checks nor needs TCP checksums and takes large segments.
    pub offload: Option<Arc<Offload>>,
}

/// The card.
pub struct NetCard {
    config: NetConfig,
    port: Box<dyn NetPort>,
    link: Link,

    features: u64,
    mac: [u8; 6],

    link_seen: bool,
    /// A frame on its way out.
    outgoing: Box<[u8]>,
    /// A frame on its way in, behind room for its header.
    incoming: Box<[u8]>,
    /// The length of the frame in `incoming` that waits for buffers.
    waiting: Option<usize>,
    /// Receive buffers taken from the queue, not yet filled.
    held: Vec<Chain>,
}

impl std::fmt::Debug for NetCard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NetCard")
            .field("config", &self.config)
            .field("features", &self.features)
            .finish_non_exhaustive()
    }
}

impl NetCard {
    /// A card with its cable in `port`. The port's owner wakes `waker` when a frame waits.
    #[must_use]
    pub fn new(config: NetConfig, port: Box<dyn NetPort>, waker: Waker) -> Self {
        Self {
            mac: config.mac,
            config,
            port,
            link: Link { up: Arc::new(AtomicBool::new(true)), waker },
            features: 0,
            link_seen: true,
            outgoing: vec![0; MAX_FRAME].into(),
            incoming: vec![0; HEADER + MAX_FRAME].into(),
            waiting: None,
            held: Vec::new(),
        }
    }

    /// The card's cable.
    #[must_use]
    pub fn link(&self) -> Link {
        self.link.clone()
    }

    fn has(&self, feature: u32) -> bool {
        self.features & bit(feature) != 0
    }

    fn transmit(&mut self, queues: &mut Queues) -> Result<(), Broken> {
        let limit = if self.has(sys::VIRTIO_NET_F_HOST_TSO4) { MAX_FRAME } else { self.max_plain_frame() };
        while let Some(chain) = queues.pop(TRANSMIT)? {
            let mut reader = chain.reader();
            reader.skip(HEADER as u64);
            let len = reader.left() as usize;
            if (ETHERNET..=limit).contains(&len) && self.link_seen {
                let frame = &mut self.outgoing[..len];
                reader.read_exact(frame).map_err(|e| Broken(format!("transmit: {e}")))?;
                self.port.send(frame);
            }
            queues.push(TRANSMIT, chain.head(), 0)?;
        }
        Ok(())
    }

    /// With an Ethernet header and one VLAN tag.
    fn max_plain_frame(&self) -> usize {
        ETHERNET + 4 + usize::from(self.config.mtu)
    }

    fn receive(&mut self, queues: &mut Queues) -> Result<(), Broken> {
        if !queues.ready(RECEIVE) {
            return Ok(());
        }
        let limit = if self.has(sys::VIRTIO_NET_F_GUEST_TSO4) { MAX_FRAME } else { self.max_plain_frame() };
        for _ in 0..FRAMES_PER_CALL {
            let len = match self.waiting {
                Some(len) => len,
                None => match self.port.receive(&mut self.incoming[HEADER..]) {
                    Some(len) if (ETHERNET..=limit).contains(&len) && self.link_seen => len,
                    Some(_) => continue,
                    None => return Ok(()),
                },
            };
            self.waiting = Some(len);
            if !self.gather(HEADER + len, queues)? {
                return Ok(());
            }
            self.waiting = None;
            self.deliver(len, queues)?;
        }
        self.link.waker.wake();
        Ok(())
    }

    /// Holds enough buffers for `need` bytes, or says that the driver has to add some first.
    fn gather(&mut self, need: usize, queues: &mut Queues) -> Result<bool, Broken> {
        let merge = self.has(sys::VIRTIO_NET_F_MRG_RXBUF);
        let mut room: u64 = self.held.iter().map(Chain::writable_len).sum();
        let most = if merge { QUEUE_SIZES[RECEIVE].into() } else { 1 };
        while room < need as u64 && self.held.len() < most {
            let Some(chain) = queues.pop(RECEIVE)? else { return Ok(false) };
            if chain.writable_len() < HEADER as u64 {
                return Err(Broken("a receive buffer without room for the header".into()));
            }
            room += chain.writable_len();
            self.held.push(chain);
        }
        Ok(true)
    }

    /// Writes the frame over the buffers held; drops it when even the most buffers are too small for it.
    fn deliver(&mut self, len: usize, queues: &mut Queues) -> Result<(), Broken> {
        let total = HEADER + len;
        let mut used = 0;
        let mut room = 0;
        while used < self.held.len() && room < total as u64 {
            room += self.held[used].writable_len();
            used += 1;
        }
        if room < total as u64 {
            return Ok(());
        }
        let guest_csum = self.has(sys::VIRTIO_NET_F_GUEST_CSUM);
        let (header, frame) = self.incoming[..total].split_at_mut(HEADER);
        header.fill(0);
        if guest_csum {
            describe_segment(header, frame, self.config.mtu);
        }
        header[10..12].copy_from_slice(&(used as u16).to_le_bytes());
        let mut rest = &self.incoming[..total];
        for chain in self.held.drain(..used) {
            let mut writer = chain.writer();
            let (now, later) = rest.split_at(rest.len().min(chain.writable_len() as usize));
            std::io::Write::write_all(&mut writer, now).map_err(|e| Broken(format!("receive: {e}")))?;
            queues.push(RECEIVE, chain.head(), writer.written())?;
            rest = later;
        }
        Ok(())
    }

    fn control(&mut self, queues: &mut Queues) -> Result<(), Broken> {
        while let Some(chain) = queues.pop(CONTROL)? {
            let mut command = Vec::new();
            let read = chain.reader().take(MAX_CONTROL).read_to_end(&mut command);
            read.map_err(|e| Broken(format!("control: {e}")))?;
            let ack = if self.command(&command) { sys::VIRTIO_NET_OK } else { sys::VIRTIO_NET_ERR };
            let mut writer = chain.writer();
            if writer.left() == 0 {
                return Err(Broken("a control command without room for its status".into()));
            }
            writer.object(ack as u8).map_err(|e| Broken(format!("control: {e}")))?;
            queues.push(CONTROL, chain.head(), writer.written())?;
        }
        Ok(())
    }

    /// Obeys a control command (5.1.6.5), or says that it cannot.
    fn command(&mut self, command: &[u8]) -> bool {
        let Some((&[class, code], data)) = command.split_first_chunk() else { return false };
        match (u32::from(class), u32::from(code)) {
            (sys::VIRTIO_NET_CTRL_RX, 0..=5) => data.len() == 1,
            (sys::VIRTIO_NET_CTRL_MAC, sys::VIRTIO_NET_CTRL_MAC_TABLE_SET) => {
                address_table(data).and_then(address_table).is_some()
            }
            (sys::VIRTIO_NET_CTRL_MAC, sys::VIRTIO_NET_CTRL_MAC_ADDR_SET) => {
                data.try_into().map(|mac| self.mac = mac).is_ok()
            }
            _ => false,
        }
    }
}

/// Passes one table of addresses (a count and its entries) over.
fn address_table(data: &[u8]) -> Option<&[u8]> {
    let (count, rest) = data.split_first_chunk()?;
    rest.get((u32::from_le_bytes(*count) as usize).checked_mul(6)?..)
}

/// Says of a TCP segment that its checksum is the driver's to make (or to ignore), and that it stands for several when
/// it is larger than the MTU (5.1.6.4). Anything else comes complete.
fn describe_segment(header: &mut [u8], frame: &mut [u8], mtu: u16) {
    const TCP: u8 = 6;
    const CSUM_OFFSET: usize = 16;
    let Some((ethernet, ip)) = frame.split_at_mut_checked(ETHERNET) else { return };
    if ethernet[12..] != [0x08, 0x00] || ip.len() < 20 || ip[0] >> 4 != 4 || ip[9] != TCP {
        return;
    }
    let ip_header = usize::from(ip[0] & 15) * 4;
    let total = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
    let fragment = u16::from_be_bytes([ip[6], ip[7]]) & 0x3fff != 0;
    if fragment || ip_header < 20 || total > ip.len() || total < ip_header + 20 {
        return;
    }
    let tcp_len = total - ip_header;
    let words = ip[12..20].chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], w[1]])));
    let sum = words.sum::<u32>() + u32::from(TCP) + tcp_len as u32;
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    let tcp_header = usize::from(ip[ip_header + 12] >> 4) * 4;
    ip[ip_header + CSUM_OFFSET..][..2].copy_from_slice(&(sum as u16).to_be_bytes());

    let headers = ip_header + tcp_header;
    let gso = total > usize::from(mtu) && headers < usize::from(mtu);
    header[0] = sys::VIRTIO_NET_HDR_F_NEEDS_CSUM as u8;
    header[1] = if gso { sys::VIRTIO_NET_HDR_GSO_TCPV4 } else { sys::VIRTIO_NET_HDR_GSO_NONE } as u8;
    let fields = [
        if gso { ETHERNET + headers } else { 0 },
        if gso { usize::from(mtu) - headers } else { 0 },
        ETHERNET + ip_header,
        CSUM_OFFSET,
    ];
    for (field, value) in header[2..10].chunks_mut(2).zip(fields) {
        field.copy_from_slice(&(value as u16).to_le_bytes());
    }
}

impl VirtioDevice for NetCard {
    fn device_id(&self) -> u32 {
        VIRTIO_ID_NET
    }

    fn queue_sizes(&self) -> &[u16] {
        &QUEUE_SIZES
    }

    fn features(&self) -> u64 {
        let plain = bit(sys::VIRTIO_NET_F_MAC)
            | bit(sys::VIRTIO_NET_F_STATUS)
            | bit(sys::VIRTIO_NET_F_MTU)
            | bit(sys::VIRTIO_NET_F_MRG_RXBUF)
            | bit(sys::VIRTIO_NET_F_CTRL_VQ)
            | bit(sys::VIRTIO_NET_F_CTRL_RX)
            | bit(sys::VIRTIO_NET_F_CTRL_RX_EXTRA)
            | bit(sys::VIRTIO_NET_F_CTRL_MAC_ADDR);
        let offload = bit(sys::VIRTIO_NET_F_CSUM)
            | bit(sys::VIRTIO_NET_F_GUEST_CSUM)
            | bit(sys::VIRTIO_NET_F_HOST_TSO4)
            | bit(sys::VIRTIO_NET_F_GUEST_TSO4);
        plain | if self.config.offload.is_some() { offload } else { 0 }
    }

    fn activate(&mut self, features: u64) {
        self.features = features;
        if let Some(offload) = &self.config.offload {
            offload.set(self.has(sys::VIRTIO_NET_F_GUEST_CSUM), self.has(sys::VIRTIO_NET_F_GUEST_TSO4));
        }
        // What came before is stale, and the port tells of new frames only after it was seen empty.
        self.link.waker.wake();
    }

    fn config_read(&self, offset: usize, data: &mut [u8]) {
        let mut config = [0; 12];
        config[..6].copy_from_slice(&self.mac);
        config[6] = self.link_seen.into();
        config[8] = 1;
        config[10..].copy_from_slice(&self.config.mtu.to_le_bytes());
        read_config(&config, offset, data);
    }

    fn notify(&mut self, index: usize, queues: &mut Queues) -> Result<(), Broken> {
        match index {
            RECEIVE => self.receive(queues),
            TRANSMIT => self.transmit(queues),
            CONTROL => self.control(queues),
            _ => Ok(()),
        }
    }

    fn poll(&mut self, _: Nanos, queues: &mut Queues) -> Result<Option<Nanos>, Broken> {
        let up = self.link.up.load(Ordering::Relaxed);
        if up != self.link_seen {
            self.link_seen = up;
            queues.config_changed();
        }
        self.receive(queues)?;
        Ok(None)
    }

    fn held(&self, index: usize) -> u16 {
        if index == RECEIVE { self.held.len() as u16 } else { 0 }
    }

    fn reset(&mut self) {
        self.features = 0;
        self.mac = self.config.mac;
        self.waiting = None;
        self.held.clear();
        if let Some(offload) = &self.config.offload {
            offload.set(false, false);
        }
    }
}

/// A [`NetCard`] as saved. A frame on its way is lost, as on any network.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedNetCard {
    mac: [u8; 6],
}

impl Snapshot for NetCard {
    type Saved = SavedNetCard;

    fn save(&self) -> SavedNetCard {
        // `features` come with `activate`; the cable is the host's, and `held` goes back into the queue.
        let Self {
            config: _,
            port: _,
            link: _,
            features: _,
            mac,
            link_seen: _,
            outgoing: _,
            incoming: _,
            waiting: _,
            held: _,
        } = self;
        SavedNetCard { mac: *mac }
    }

    fn restore(&mut self, saved: SavedNetCard) -> Result<(), RestoreError> {
        self.reset();
        self.mac = saved.mac;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
