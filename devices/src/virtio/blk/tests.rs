use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::bus::MemoryStore;
use crate::virtio::driver::{Buf, Driver, NEEDS_RESET};

/// A disk that the test can look into.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    disk: MemoryStore,
    read_only: bool,
    broken: bool,
    log: Vec<&'static str>,
}

impl Shared {
    fn new(len: usize) -> Self {
        let disk = MemoryStore((0..len).map(|i| (i / 512) as u8 ^ i as u8).collect());
        Self(Arc::new(Mutex::new(Inner { disk, ..Inner::default() })))
    }
    fn log(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().unwrap().log)
    }
    fn on(&self, what: &'static str) -> Result<std::sync::MutexGuard<'_, Inner>, BlockError> {
        let mut inner = self.0.lock().unwrap();
        inner.log.push(what);
        if inner.broken { Err(std::io::Error::other("torn cable").into()) } else { Ok(inner) }
    }
}

impl BlockStore for Shared {
    fn len(&self) -> u64 {
        self.0.lock().unwrap().disk.len()
    }
    fn read_only(&self) -> bool {
        self.0.lock().unwrap().read_only
    }
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        self.on("read")?.disk.read_at(offset, buf)
    }
    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), BlockError> {
        self.on("write")?.disk.write_at(offset, buf)
    }
    fn flush(&mut self) -> Result<(), BlockError> {
        self.on("flush")?.disk.flush()
    }
    fn discard(&mut self, offset: u64, len: u64) -> Result<(), BlockError> {
        self.on("discard")?.disk.discard(offset, len)
    }
    fn write_zeroes(&mut self, offset: u64, len: u64) -> Result<(), BlockError> {
        self.on("zeroes")?.disk.write_zeroes(offset, len)
    }
}

mod against_qemu;

const OK: u8 = 0;
const IOERR: u8 = 1;
const UNSUPP: u8 = 2;

fn header(kind: u32, sector: u64) -> [u8; 16] {
    (u128::from(kind) | u128::from(sector) << 64).to_le_bytes()
}

fn disk(len: usize) -> (Shared, Driver<Block>) {
    let store = Shared::new(len);
    let block = Block::new(Box::new(store.clone()), "a-serial");
    (store, Driver::started(block, feature::FLUSH | feature::DISCARD | feature::WRITE_ZEROES))
}

fn segment(sector: u64, sectors: u32, flags: u32) -> [u8; 16] {
    (u128::from(sector) | u128::from(sectors) << 64 | u128::from(flags) << 96).to_le_bytes()
}

#[test]
fn the_capacity_counts_whole_sectors() {
    let (_, mut d) = disk(512 * 100 + 7);
    assert_eq!((d.read(0x100), d.read(0x104)), (100, 0));
    assert_eq!(d.read(0x114), 512);
    assert_eq!(d.read(0x120) & 0xff, 1, "write back");
}

#[test]
fn sectors_read_are_those_of_the_store() {
    let (store, mut d) = disk(1 << 20);
    let answer = d.ask(0, &[Buf::Out(&header(0, 3)), Buf::In(512), Buf::In(1024), Buf::In(1)]);
    assert_eq!(answer[..1536], store.0.lock().unwrap().disk.0[1536..3072]);
    assert_eq!(answer[1536..], [OK]);
    let large = d.ask(0, &[Buf::Out(&header(0, 8)), Buf::In(600 << 10), Buf::In(1)]);
    assert_eq!(large[..600 << 10], store.0.lock().unwrap().disk.0[4096..4096 + (600 << 10)]);
}

#[test]
fn a_status_may_share_its_buffer_with_the_data() {
    let (store, mut d) = disk(8192);
    let answer = d.ask(0, &[Buf::Out(&header(0, 1)), Buf::In(513)]);
    assert_eq!(answer[..512], store.0.lock().unwrap().disk.0[512..1024]);
    assert_eq!(answer[512], OK);
}

#[test]
fn sectors_written_reach_the_store_however_they_are_split() {
    let (store, mut d) = disk(1 << 20);
    let data: Vec<u8> = (0..1024).map(|i| (i * 7) as u8).collect();
    let mut first = header(1, 5).to_vec();
    first.extend(&data[..100]);
    assert_eq!(d.ask(0, &[Buf::Out(&first), Buf::Out(&data[100..]), Buf::In(1)]), [OK]);
    assert_eq!(store.0.lock().unwrap().disk.0[2560..3584], data);
    assert_eq!(store.log(), ["write"]);
}

#[test]
fn ranges_past_the_end_and_broken_sectors_are_io_errors() {
    let (_, mut d) = disk(512 * 8);
    for (kind, sector, len) in
        [(0, 8, 512), (0, 7, 1024), (0, u64::MAX, 512), (0, 1 << 55, 512), (0, 0, 511), (0, 0, 513)]
    {
        let answer = d.ask(0, &[Buf::Out(&header(kind, sector)), Buf::In(len), Buf::In(1)]);
        assert_eq!(answer.last(), Some(&IOERR), "{kind} {sector} {len}");
    }
    assert_eq!(d.ask(0, &[Buf::Out(&header(1, 8)), Buf::Out(&[0; 512]), Buf::In(1)]), [IOERR]);
    assert_eq!(d.ask(0, &[Buf::Out(&header(1, 0)), Buf::Out(&[0; 100]), Buf::In(1)]), [IOERR]);
}

#[test]
fn a_failing_store_is_an_io_error() {
    let (store, mut d) = disk(4096);
    store.0.lock().unwrap().broken = true;
    assert_eq!(d.ask(0, &[Buf::Out(&header(4, 0)), Buf::In(1)]), [IOERR]);
    assert_eq!(d.ask(0, &[Buf::Out(&header(1, 0)), Buf::Out(&[0; 512]), Buf::In(1)]), [IOERR]);
}

#[test]
fn the_serial_is_padded_to_20_bytes() {
    let (_, mut d) = disk(4096);
    assert_eq!(d.ask(0, &[Buf::Out(&header(8, 0)), Buf::In(20), Buf::In(1)]), b"a-serial\0\0\0\0\0\0\0\0\0\0\0\0\0");
}

#[test]
fn unknown_requests_are_unsupported() {
    let (_, mut d) = disk(4096);
    for kind in [2, 3, 5, 14, u32::MAX] {
        assert_eq!(d.ask(0, &[Buf::Out(&header(kind, 0)), Buf::In(1)]), [UNSUPP]);
    }
}

#[test]
fn zeroes_and_discards_obey_their_limits() {
    let (store, mut d) = disk(1 << 20);
    let mut ask = |kind, list: &[u8]| d.ask(0, &[Buf::Out(&header(kind, 0)), Buf::Out(list), Buf::In(1)]);
    assert_eq!(ask(13, &segment(2, 3, 1)), [OK]);
    assert_eq!(store.0.lock().unwrap().disk.0[1024..2560], [0; 1536]);
    assert_ne!(store.0.lock().unwrap().disk.0[2560..2570], [0; 10]);
    assert_eq!(ask(11, &[segment(2, 3, 0), segment(9, 1, 0)].concat()), [OK]);
    assert_eq!(store.log(), ["zeroes", "discard", "discard"]);
    assert_eq!(ask(13, &segment(2, 3, 2)), [UNSUPP]);
    assert_eq!(ask(11, &segment(2, 3, 1)), [UNSUPP]);
    assert_eq!(ask(13, &segment(0, (1 << 17) + 1, 0)), [IOERR]);
    assert_eq!(ask(13, &segment(2047, 2, 0)), [IOERR]);
    assert_eq!(ask(11, &segment(u64::MAX, u32::MAX, 0)), [IOERR]);
    assert_eq!(ask(11, &segment(0, 1, 0)[..15]), [IOERR]);
    assert_eq!(ask(11, &[]), [IOERR]);
    assert_eq!(ask(11, &segment(0, 1, 0).repeat(33)), [IOERR]);
    assert_eq!(store.log(), [""; 0]);
}

#[test]
fn a_read_only_disk_refuses_changes() {
    let store = Shared::new(4096);
    store.0.lock().unwrap().read_only = true;
    let mut d = Driver::started(Block::new(Box::new(store.clone()), ""), feature::RO);
    d.write(0x14, 0);
    assert_eq!(d.read(0x10) & 0x6020, 0x20, "RO instead of DISCARD and WRITE_ZEROES");
    assert_eq!(d.ask(0, &[Buf::Out(&header(1, 0)), Buf::Out(&[0; 512]), Buf::In(1)]), [IOERR]);
    assert_eq!(d.ask(0, &[Buf::Out(&header(13, 0)), Buf::Out(&segment(0, 1, 0)), Buf::In(1)]), [IOERR]);
    assert_eq!(store.log(), [""; 0]);
}

#[test]
fn writes_are_stable_at_once_for_a_driver_that_cannot_flush_or_asked_for_it() {
    let write = |d: &mut Driver<Block>| d.ask(0, &[Buf::Out(&header(1, 0)), Buf::Out(&[0; 512]), Buf::In(1)]);
    let store = Shared::new(4096);
    let mut d = Driver::started(Block::new(Box::new(store.clone()), ""), 0);
    write(&mut d);
    assert_eq!(store.log(), ["write", "flush"]);
    d.write(0x70, 0);
    d = Driver::started(Block::new(Box::new(store.clone()), ""), feature::CONFIG_WCE | feature::FLUSH);
    write(&mut d);
    assert_eq!(store.log(), ["write"]);
    d.mmio.with(|_, _| Ok(()));
    crate::bus::MmioDevice::write(&mut d.mmio, crate::bus::Access::new(0x120, crate::bus::Size::B1), 0);
    write(&mut d);
    assert_eq!(store.log(), ["flush", "write", "flush"]);
}

#[test]
fn a_request_without_header_or_status_breaks_the_device() {
    for bufs in [&[Buf::Out(&[0; 15]), Buf::In(1)][..], &[Buf::Out(&[0; 16])], &[Buf::In(17)]] {
        let (_, mut d) = disk(4096);
        d.add(0, bufs);
        d.notify(0);
        assert_eq!(d.read(0x70) & NEEDS_RESET, NEEDS_RESET);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn any_request_is_answered_or_breaks_the_device_only(
        kind in prop_oneof![0u32..16, any::<u32>()],
        sector in prop_oneof![0u64..20, any::<u64>(), Just(u64::MAX), Just(u64::MAX / 512)],
        out in prop::collection::vec(any::<u8>(), 0..1200),
        split in 0usize..1200,
        room in prop::collection::vec(0u32..1200, 1..4),
    ) {
        let (store, mut d) = disk(512 * 16);
        let mut bytes = header(kind, sector).to_vec();
        bytes.extend(out);
        let (a, b) = bytes.split_at(split.min(bytes.len()));
        let mut bufs = vec![Buf::Out(a), Buf::Out(b)];
        bufs.extend(room.iter().map(|&len| Buf::In(len)));
        d.add(0, &bufs);
        d.notify(0);
        let answered = d.used(0).is_some();
        prop_assert_eq!(answered, d.read(0x70) & NEEDS_RESET == 0);
        prop_assert_eq!(store.len(), 512 * 16);
    }
}

#[test]
fn a_hostile_guest_breaks_only_its_disk() {
    crate::virtio::hostile::survives(|| Block::new(Box::new(Shared::new(512 * 16)), "x"));
}

#[test]
fn it_is_a_device_like_others() {
    let make = || Driver::new(Block::new(Box::new(Shared::new(4096)), "x")).mmio;
    crate::bus::conformance::check(crate::virtio::mmio::WINDOW, make);
}
