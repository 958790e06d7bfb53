use std::collections::VecDeque;
use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::bus::Poll;
use crate::virtio::driver::{Buf, Driver, NEEDS_RESET};

const MAC: [u8; 6] = [0x52, 0x54, 0, 1, 2, 3];

/// A cable whose far end the test holds.
#[derive(Clone, Default)]
struct Cable(Arc<Mutex<Frames>>);

#[derive(Default)]
struct Frames {
    sent: Vec<Vec<u8>>,
    given: VecDeque<Vec<u8>>,
}

impl Cable {
    fn sent(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.0.lock().unwrap().sent)
    }
    fn give(&self, frame: &[u8]) {
        self.0.lock().unwrap().given.push_back(frame.into());
    }
}

impl NetPort for Cable {
    fn send(&mut self, frame: &[u8]) {
        self.0.lock().unwrap().sent.push(frame.into());
    }
    fn receive(&mut self, buf: &mut [u8]) -> Option<usize> {
        let frame = self.0.lock().unwrap().given.pop_front()?;
        buf[..frame.len()].copy_from_slice(&frame);
        Some(frame.len())
    }
}

fn card(offload: Option<Arc<Offload>>, features: u64) -> (Cable, Driver<NetCard>) {
    let cable = Cable::default();
    let config = NetConfig { mac: MAC, mtu: 1500, offload };
    let device = NetCard::new(config, Box::new(cable.clone()), Waker::none());
    (cable, Driver::started(device, features))
}

const MERGE: u64 = bit(sys::VIRTIO_NET_F_MRG_RXBUF);
const CSUM: u64 = bit(sys::VIRTIO_NET_F_CSUM) | bit(sys::VIRTIO_NET_F_GUEST_CSUM);
const TSO: u64 = bit(sys::VIRTIO_NET_F_HOST_TSO4) | bit(sys::VIRTIO_NET_F_GUEST_TSO4);

fn frame(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 7 + i / 256) as u8).collect()
}

/// A TCP segment from 10.0.2.2 to 10.0.2.15 without checksum, in a frame.
fn segment(data: usize) -> Vec<u8> {
    let mut frame = vec![0; 12];
    frame.extend([8, 0, 0x45, 0]);
    frame.extend((40 + data as u16).to_be_bytes());
    frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 2, 2, 10, 0, 2, 15]);
    frame.extend([0, 80, 0, 81, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
    frame.extend(super::tests::frame(data));
    frame
}

#[test]
fn the_configuration_shows_address_link_and_mtu() {
    let (_, mut d) = card(None, 0);
    assert_eq!(d.read(0x100), 0x0100_5452);
    assert_eq!(d.read(0x104), 0x0001_0302, "link up");
    assert_eq!(d.read(0x108), 1 | 1500 << 16);
    d.mmio.device().link().set_up(false);
    d.mmio.poll(0);
    assert_eq!(d.read(0x104), 0x0302);
    assert_eq!(d.read(0x60) & 2, 2, "a configuration interrupt");
}

#[test]
fn frames_leave_without_their_header_however_they_are_cut() {
    let (cable, mut d) = card(None, 0);
    let packet = [&[0; HEADER][..], &frame(100)].concat();
    d.ask(TRANSMIT, &[Buf::Out(&packet)]);
    d.ask(TRANSMIT, &[Buf::Out(&packet[..5]), Buf::Out(&packet[5..40]), Buf::Out(&packet[40..])]);
    assert_eq!(cable.sent(), [frame(100), frame(100)]);
}

#[test]
fn frames_too_short_or_too_long_are_dropped_and_the_chain_comes_back() {
    let (cable, mut d) = card(Some(Offload::new()), CSUM);
    for len in [0, 11, 12, 25, 12 + 1519, 12 + 65535] {
        assert_eq!(d.ask(TRANSMIT, &[Buf::Out(&frame(len))]), []);
    }
    assert_eq!(cable.sent().len(), 0);
    d.ask(TRANSMIT, &[Buf::Out(&frame(12 + 1514))]);
    assert_eq!(cable.sent().len(), 1);
}

#[test]
fn large_segments_leave_when_negotiated() {
    let (cable, mut d) = card(Some(Offload::new()), CSUM | TSO);
    d.ask(TRANSMIT, &[Buf::Out(&frame(12 + MAX_FRAME))]);
    assert_eq!(cable.sent()[0].len(), MAX_FRAME);
}

#[test]
fn a_frame_waits_for_a_buffer_and_is_not_lost() {
    let (cable, mut d) = card(None, 0);
    cable.give(&frame(60));
    d.mmio.poll(0);
    assert_eq!(d.used(RECEIVE), None);
    let got = d.ask(RECEIVE, &[Buf::In(12), Buf::In(1514)]);
    assert_eq!(got[..HEADER], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]);
    assert_eq!(got[HEADER..], frame(60));
    assert!(d.line());
}

#[test]
fn one_frame_fills_several_buffers_only_when_they_may_be_merged() {
    let (cable, mut d) = card(None, MERGE);
    cable.give(&frame(1000));
    for _ in 0..2 {
        d.add(RECEIVE, &[Buf::In(400)]);
    }
    d.notify(RECEIVE);
    assert_eq!(d.used(RECEIVE), None, "800 bytes are too few");
    d.add(RECEIVE, &[Buf::In(400)]);
    d.notify(RECEIVE);
    let parts: Vec<_> = std::iter::from_fn(|| d.answer(RECEIVE)).collect();
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [400, 400, 212]);
    assert_eq!(parts[0][10], 3);
    assert_eq!(parts.concat()[HEADER..], frame(1000));

    let (cable, mut d) = card(None, 0);
    cable.give(&frame(1000));
    cable.give(&frame(50));
    for _ in 0..4 {
        d.add(RECEIVE, &[Buf::In(400)]);
    }
    d.mmio.poll(0);
    assert_eq!(d.answer(RECEIVE).unwrap()[HEADER..], frame(50), "the large one is dropped");
    assert_eq!(d.used(RECEIVE), None);
}

#[test]
fn segments_carry_what_the_driver_needs_to_finish_them() {
    let offload = Offload::new();
    let (cable, mut d) = card(Some(offload.clone()), CSUM | TSO);
    assert!(offload.csum() && offload.tso());
    cable.give(&segment(10_000));
    d.add(RECEIVE, &[Buf::In(65562)]);
    d.mmio.poll(0);
    let got = d.answer(RECEIVE).unwrap();
    let field = |at: usize| u16::from_le_bytes([got[at], got[at + 1]]);
    assert_eq!((got[0], got[1]), (1, 1), "NEEDS_CSUM, TCPv4");
    assert_eq!([field(2), field(4), field(6), field(8), field(10)], [54, 1460, 34, 16, 1]);
    // RFC 1071 over the segment with its partial checksum gives the same as over pseudo-header and segment.
    let sum = |bytes: &[u8]| bytes.chunks(2).map(|w| u32::from(w[0]) << 8 | w.get(1).map_or(0, |&b| b.into())).sum();
    let fold = |sum: u32| (sum % 0xffff) as u16;
    let plain: u32 = sum(&segment(10_000)[34..]);
    let pseudo: u32 = sum(&[10, 0, 2, 2, 10, 0, 2, 15, 0, 6]) + 20 + 10_000;
    assert_eq!(fold(sum(&got[HEADER + 34..])), fold(plain + pseudo));

    d.write(0x70, 0);
    assert!(!offload.csum() && !offload.tso());
    d.start(CSUM);
    assert!(offload.csum() && !offload.tso());
}

#[test]
fn a_segment_that_the_driver_would_not_take_is_dropped() {
    let (cable, mut d) = card(Some(Offload::new()), CSUM);
    cable.give(&segment(10_000));
    cable.give(&segment(10));
    d.add(RECEIVE, &[Buf::In(65562)]);
    d.mmio.poll(0);
    let got = d.answer(RECEIVE).unwrap();
    assert_eq!((got[0], got[1], got.len()), (1, 0, HEADER + segment(10).len()));
}

#[test]
fn a_port_without_offload_gets_no_such_features_and_headers_stay_empty() {
    let (cable, mut d) = card(None, 0);
    assert_eq!(d.mmio.device().features() & (CSUM | TSO), 0);
    cable.give(&segment(10));
    d.add(RECEIVE, &[Buf::In(1526)]);
    d.mmio.poll(0);
    let got = d.answer(RECEIVE).unwrap();
    assert_eq!(got[..10], [0; 10]);
    assert_eq!(got[HEADER..], segment(10));
}

#[test]
fn control_commands_are_acknowledged_or_refused() {
    let (_, mut d) = card(None, bit(sys::VIRTIO_NET_F_CTRL_VQ));
    let mut ask = |bytes: &[u8]| d.ask(CONTROL, &[Buf::Out(bytes), Buf::In(1)])[0];
    assert_eq!(ask(&[0, 0, 1]), 0, "promiscuous");
    assert_eq!(ask(&[0, 5, 1]), 0, "no broadcast");
    assert_eq!(ask(&[0, 6, 1]), 1);
    assert_eq!(ask(&[0]), 1);
    assert_eq!(ask(&[1, 0, 1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0, 0]), 0, "address table");
    assert_eq!(ask(&[1, 0, 255, 255, 255, 255, 1, 2]), 1);
    assert_eq!(ask(&[4, 0, 1, 0]), 1, "queue pairs");
    assert_eq!(ask(&[1, 1, 2, 9, 9, 9, 9, 9]), 0, "own address");
    assert_eq!(d.read(0x100), 0x0909_0902);
    d.write(0x70, 0);
    assert_eq!(d.read(0x100), 0x0100_5452);
}

#[test]
fn buffers_without_room_for_a_header_or_status_need_a_reset() {
    let (cable, mut d) = card(None, 0);
    cable.give(&frame(60));
    d.add(RECEIVE, &[Buf::In(11)]);
    d.notify(RECEIVE);
    assert_eq!(d.read(0x70) & NEEDS_RESET, NEEDS_RESET);
    let (_, mut d) = card(None, 0);
    d.add(CONTROL, &[Buf::Out(&[0, 0, 1])]);
    d.notify(CONTROL);
    assert_eq!(d.read(0x70) & NEEDS_RESET, NEEDS_RESET);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_frames_through_any_buffers_end(
        frames in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 0..20),
        buffers in proptest::collection::vec((0..3usize, 12..3000u32), 0..60),
        offload: bool,
        merge: bool,
        tcp: bool,
    ) {
        let features = if offload { CSUM | TSO } else { 0 } | if merge { MERGE } else { 0 };
        let (cable, mut d) = card(offload.then(Offload::new), features);
        for mut frame in frames {
            if tcp && frame.len() > 24 {
                frame[12..16].copy_from_slice(&[8, 0, 0x45, 0]);
                frame[23] = 6;
            }
            cable.give(&frame);
        }
        for (queue, len) in buffers {
            let bytes = vec![1; len as usize];
            match queue {
                RECEIVE => d.add(RECEIVE, &[Buf::In(len)]),
                TRANSMIT => d.add(TRANSMIT, &[Buf::Out(&bytes)]),
                _ => d.add(CONTROL, &[Buf::Out(&bytes), Buf::In(1)]),
            };
            d.notify(queue);
            d.mmio.poll(0);
            prop_assert_eq!(d.read(0x70) & NEEDS_RESET, 0);
        }
    }
}

#[test]
fn a_hostile_driver_breaks_only_its_own_card() {
    crate::virtio::hostile::survives(|| {
        let cable = Cable::default();
        for len in [0, 14, 60, 1514, 3000] {
            cable.give(&segment(len));
        }
        let config = NetConfig { mac: MAC, mtu: 1500, offload: Some(Offload::new()) };
        NetCard::new(config, Box::new(cable), Waker::none())
    });
}
