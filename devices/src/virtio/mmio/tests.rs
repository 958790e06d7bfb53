use super::*;
use crate::bus::Pa;
use crate::virtio::driver::{Buf, Driver, EVENT_IDX, INDIRECT, NEEDS_RESET, NEXT, RUNNING, VERSION_1, WRITE};
use std::io::{Read, Write};

/// Copies what it reads to what it writes; holds the chains of its second queue.
#[derive(Default)]
struct Echo {
    held: Vec<crate::virtio::Chain>,
    served: usize,
    features: Option<u64>,
}

impl VirtioDevice for Echo {
    fn device_id(&self) -> u32 {
        42
    }
    fn queue_sizes(&self) -> &[u16] {
        &[256, 256]
    }
    fn features(&self) -> u64 {
        1 << 3
    }
    fn activate(&mut self, features: u64) {
        self.features = Some(features);
    }
    fn config_read(&self, offset: usize, data: &mut [u8]) {
        crate::virtio::read_config(&[1, 2, 3, 4, 5], offset, data);
    }
    fn notify(&mut self, index: usize, queues: &mut Queues) -> Result<(), Broken> {
        while let Some(chain) = queues.pop(index)? {
            self.served += 1;
            if index == 1 {
                self.held.push(chain);
                continue;
            }
            let mut data = vec![];
            chain.reader().take(1 << 20).read_to_end(&mut data).unwrap();
            let mut writer = chain.writer();
            let _ = writer.write(&data).unwrap();
            queues.push(index, chain.head(), writer.written())?;
        }
        Ok(())
    }
    fn reset(&mut self) {
        self.features = None;
        self.held.clear();
    }
}

fn broken(driver: &mut Driver<Echo>) -> bool {
    driver.read(0x70) & NEEDS_RESET != 0
}

#[test]
fn identification_is_as_the_specification_says() {
    let mut d = Driver::new(Echo::default());
    assert_eq!([0, 4, 8].map(|r| d.read(r)), [0x7472_6976, 2, 42]);
    assert_eq!(d.read(0x34), 256);
    d.write(0x30, 2);
    assert_eq!((d.read(0x34), d.read(0x44)), (0, 0), "queue 2 does not exist");
    d.write(0x14, 1);
    assert_eq!(d.read(0x10), 1, "VERSION_1 is bit 32, and a packed ring (34) is not offered");
    for shm in [0xb0, 0xb4, 0xb8, 0xbc] {
        assert_eq!(d.read(shm), u32::MAX);
    }
    assert_eq!(d.mmio.read(Access::new(0x100, Size::B4)), 0x0403_0201);
    assert_eq!(d.mmio.read(Access::new(0x103, Size::B1)), 4);
    assert_eq!(d.mmio.read(Access::new(0x104, Size::B4)), 5, "past its end configuration space reads as zero");
    assert_eq!(d.mmio.read(Access::new(0, Size::B1)), 0, "registers are whole words");
}

#[test]
fn a_queue_of_size_0_is_one_of_the_size_that_it_had() {
    let mut d = Driver::new(Echo::default());
    d.write(0x38, 0);
    assert_eq!(d.mmio.endpoint.queue_setup(0).unwrap().size, 256);
    d.write(0x38, 8);
    d.write(0x38, 0);
    assert_eq!(d.mmio.endpoint.queue_setup(0).unwrap().size, 8);
}

#[test]
fn an_empty_slot_says_device_0() {
    let mut slot = EmptySlot;
    assert_eq!([0u64, 4, 8].map(|r| slot.read(Access::new(r, Size::B4))), [0x7472_6976, 2, 0]);
}

#[test]
fn features_that_were_not_offered_do_not_stick() {
    let mut d = Driver::new(Echo::default());
    d.negotiate(VERSION_1 | 1 << 5);
    assert_eq!(d.read(0x70), 3);
    d.write(0x70, 0);
    d.negotiate(1 << 3);
    assert_eq!(d.read(0x70), 3, "a legacy driver is refused");
    d.write(0x70, RUNNING);
    assert_eq!(d.read(0x70), 3, "nor does DRIVER_OK stick without FEATURES_OK");
}

#[test]
fn the_device_hears_what_was_negotiated() {
    let d = Driver::started(Echo::default(), 1 << 3);
    assert_eq!(d.mmio.device().features, Some(VERSION_1 | 1 << 3));
}

#[test]
fn a_request_is_answered_and_raises_the_wire_until_acknowledged() {
    let mut d = Driver::started(Echo::default(), 0);
    assert_eq!(d.ask(0, &[Buf::Out(b"he"), Buf::Out(b"llo"), Buf::In(2), Buf::In(8)]), b"hello");
    assert!(d.line());
    assert_eq!(d.read(0x60), 1);
    d.write(0x64, 1);
    assert!(!d.line());
}

#[test]
fn without_event_idx_the_driver_can_mask_the_interrupt() {
    let mut d = Driver::started(Echo::default(), 0);
    d.poke(d.avail_ring(0).0, &1u16.to_le_bytes());
    assert_eq!(d.ask(0, &[Buf::Out(b"x"), Buf::In(1)]), b"x");
    assert!(!d.line());
}

#[test]
fn with_event_idx_a_batch_interrupts_when_it_crosses_the_event() {
    let mut d = Driver::started(Echo::default(), EVENT_IDX);
    let used_event = d.avail_ring(0).0 + 4 + 2 * u64::from(d.size);
    for (event, interrupts) in [(2u16, true), (2, false), (8, true), (100, false)] {
        d.poke(used_event, &event.to_le_bytes());
        for _ in 0..3 {
            d.add(0, &[Buf::Out(b"x")]);
        }
        d.notify(0);
        assert_eq!(d.line(), interrupts, "used_event {event}");
        d.write(0x64, 3);
    }
    let avail_event = d.used_ring(0).0 + 4 + 8 * u64::from(d.size);
    assert_eq!(d.peek16(avail_event), 12, "the device asks to hear of the next chain");
}

#[test]
fn what_was_notified_before_driver_ok_is_served_at_driver_ok() {
    let mut d = Driver::new(Echo::default());
    d.negotiate(VERSION_1);
    d.set_up(0);
    d.add(0, &[Buf::Out(b"early"), Buf::In(5)]);
    d.notify(0);
    assert_eq!(d.answer(0), None);
    d.write(0x70, RUNNING);
    assert_eq!(d.answer(0).unwrap(), b"early");
}

#[test]
fn queue_registers_are_locked_once_the_queue_is_ready() {
    let mut d = Driver::started(Echo::default(), 0);
    d.write(0x30, 0);
    for register in [0x38, 0x80, 0x84, 0x90, 0x94, 0xa0, 0xa4] {
        d.write(register, 0xdead_beef);
    }
    d.write(0x44, 1);
    assert_eq!(d.ask(0, &[Buf::Out(b"same"), Buf::In(4)]), b"same");
    d.write(0x44, 0);
    assert_eq!(d.read(0x44), 0);
    d.write(0x80, 0);
    d.write(0x44, 1);
    assert_eq!(d.read(0x44), 0, "a queue cannot be set up anew while the device runs");
}

#[test]
fn rings_that_cannot_be_break_the_device_and_a_reset_mends_it() {
    for (register, value) in [
        (0x38, 3u32),
        (0x38, 255),
        (0x38, 257),
        (0x38, 512),
        (0x38, u32::MAX),
        (0x80, 0x4000_0008),
        (0x90, 0x4000_4001),
        (0xa0, 0x4000_5002),
        (0x80, 0x0a00_0000),
        (0x84, 0xffff_ffff),
        (0x90, 0x407f_fffe),
        (0xa0, 0x407f_fffc),
        (0xa4, 1),
    ] {
        let mut d = Driver::new(Echo::default());
        d.negotiate(VERSION_1);
        d.set_up(0);
        d.write(0x44, 0);
        d.write(register, value);
        d.write(0x44, 1);
        assert!(broken(&mut d), "register 0x{register:x} = 0x{value:x}");
        assert_eq!(d.read(0x44), 0);
        d.write(0x70, 0);
        d.start(0);
        assert_eq!(d.ask(0, &[Buf::Out(b"well"), Buf::In(4)]), b"well");
    }
}

/// Breaks the device by `bad`, checks how it shows, and that nothing moves until a reset.
fn breaks(why: &str, bad: impl Fn(&mut Driver<Echo>)) {
    let mut d = Driver::started(Echo::default(), 0);
    bad(&mut d);
    d.notify(0);
    assert!(broken(&mut d), "{why}");
    assert_eq!((d.read(0x60) & 2, d.line()), (2, true), "{why}: a configuration interrupt tells of it");
    let served = d.mmio.device().served;
    d.notify(0);
    d.notify(1);
    assert_eq!(d.mmio.poll(0), None, "{why}: a broken device has no work");
    assert_eq!(d.mmio.device().served, served, "{why}");
    d.write(0x70, 0);
    assert!(!d.line());
    assert_eq!(d.read(0x70), 0);
}

#[test]
fn bad_chains_break_the_device() {
    let ram = Pa(0x4020_0000);
    breaks("a loop", |d| {
        d.descriptor(d.table(0), 0, ram, 1, NEXT, 1);
        d.descriptor(d.table(0), 1, ram, 1, NEXT, 0);
        d.offer(0, 0);
    });
    breaks("a successor out of range", |d| {
        d.descriptor(d.table(0), 0, ram, 1, NEXT, 16);
        d.offer(0, 0);
    });
    breaks("a head out of range", |d| d.offer(0, 16));
    breaks("a readable buffer after a writable one", |d| {
        d.descriptor(d.table(0), 0, ram, 1, NEXT | WRITE, 1);
        d.descriptor(d.table(0), 1, ram, 1, 0, 0);
        d.offer(0, 0);
    });
    for (at, len) in [(0x0a00_0000, 4), (0x407f_ffff, 2), (u64::MAX, 1), (u64::MAX - 3, 8), (0x4000_0000, u32::MAX)] {
        breaks("a buffer outside RAM", |d| {
            d.descriptor(d.table(0), 0, Pa(at), len, WRITE, 0);
            d.offer(0, 0);
        });
    }
    for len in [0, 1, 15, 17, u32::MAX, 0xffff_fff0] {
        breaks("an indirect table of a bad size", |d| {
            d.descriptor(d.table(0), 0, ram, len, INDIRECT, 0);
            (0..64).for_each(|i| d.descriptor(ram, i, ram, 0, NEXT, i + 1));
            d.descriptor(ram, 64, ram, 0, NEXT, 0);
            d.offer(0, 0);
        });
    }
    breaks("an indirect table in an indirect table", |d| {
        d.descriptor(d.table(0), 0, ram, 16, INDIRECT, 0);
        d.descriptor(ram, 0, ram, 16, INDIRECT, 0);
        d.offer(0, 0);
    });
    breaks("an indirect table outside RAM", |d| {
        d.descriptor(d.table(0), 0, Pa(u64::MAX - 15), 32, INDIRECT, 0);
        d.offer(0, 0);
    });
    breaks("an available index too far ahead", |d| d.poke(d.avail_ring(0).0 + 2, &17u16.to_le_bytes()));
}

#[test]
fn an_indirect_chain_and_empty_buffers_are_served() {
    let mut d = Driver::started(Echo::default(), 0);
    let (table, data) = (d.buffer(64), d.buffer(16));
    d.poke(data.0, b"indirect");
    d.descriptor(table, 0, data, 8, NEXT, 2);
    d.descriptor(table, 2, Pa(0), 0, NEXT, 1);
    d.descriptor(table, 1, Pa(data.0 + 8), 8, WRITE, 0);
    d.descriptor(d.table(0), 3, table, 48, INDIRECT, 0);
    d.offer(0, 3);
    d.notify(0);
    assert_eq!(d.used(0), Some((3, 8)));
    assert_eq!(d.peek(data, 16), b"indirectindirect");
}

#[test]
fn a_chain_held_over_a_reset_comes_back_to_nobody() {
    let mut d = Driver::started(Echo::default(), 0);
    d.add(1, &[Buf::In(4)]);
    d.notify(1);
    let chain = d.mmio.device_mut().held.pop().unwrap();
    d.write(0x70, 0);
    d.start(0);
    // The ring's memory is the driver's own; the device must not write what it held before the reset.
    d.write(0x70, 0);
    d.mmio.with(|_, queues| queues.push(1, chain.head(), 4));
    assert_eq!(d.used(1), None);
    assert!(!d.line());
}

#[test]
fn large_requests_are_spread_over_polls() {
    let mut d = Driver::new(Echo::default());
    d.size = 256;
    d.start(0);
    // Each of 256 chains reads 4 MiB: 1 GiB together.
    d.descriptor(d.table(0), 0, Pa(0x4020_0000), 4 << 20, 0, 0);
    (0..256).for_each(|_| d.offer(0, 0));
    d.notify(0);
    let first = d.mmio.device().served;
    assert!((1..=17).contains(&first), "{first} chains in one register write");
    assert!(d.line());
    assert!(d.woken(), "the device asks to be polled");
    let mut polls = 0;
    while d.mmio.poll(7) == Some(7) {
        polls += 1;
    }
    assert!(polls > 10);
    assert_eq!(d.mmio.device().served, 256);
}

#[test]
fn the_host_tells_of_a_changed_configuration() {
    let mut d = Driver::started(Echo::default(), 0);
    let before = d.read(0xfc);
    d.mmio.with(|_, queues| {
        queues.config_changed();
        Ok(())
    });
    assert_ne!(d.read(0xfc), before);
    assert_eq!((d.read(0x60), d.line()), (2, true));
}

#[test]
fn the_device_tree_node_is_as_on_qemu_virt() {
    let mut w = vm_fdt::FdtWriter::new().unwrap();
    let root = w.begin_node("").unwrap();
    w.property_u32("#address-cells", 2).unwrap();
    w.property_u32("#size-cells", 2).unwrap();
    EmptySlot.fdt(&mut w, 0x0a00_0000, WINDOW, Some(16)).unwrap();
    w.end_node(root).unwrap();
    let blob = w.finish().unwrap();
    let dir = std::env::temp_dir().join(format!("handset-virtio-{}", std::process::id()));
    std::fs::write(&dir, blob).unwrap();
    let dts = std::process::Command::new("dtc").args(["-I", "dtb", "-O", "dts"]).arg(&dir).output().expect("dtc runs");
    std::fs::remove_file(dir).unwrap();
    let dts = String::from_utf8(dts.stdout).unwrap();
    for line in [
        "virtio_mmio@a000000 {",
        "dma-coherent;",
        "interrupts = <0x00 0x10 0x01>;",
        "reg = <0x00 0xa000000 0x00 0x200>;",
        "compatible = \"virtio,mmio\";",
    ] {
        assert!(dts.contains(line), "{line} is not in {dts}");
    }
}

#[test]
fn a_hostile_guest_breaks_only_its_device() {
    crate::virtio::hostile::survives(Echo::default);
}
