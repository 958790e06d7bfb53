use std::sync::Arc;

use super::*;
use crate::bus::{RecordingSink, Size, conformance};

struct Rig {
    gic: Arc<GicV2>,
    gicd: Distributor,
    gicc: CpuInterfaces,
    irq: Arc<RecordingSink>,
    fiq: Arc<RecordingSink>,
}

impl Rig {
    /// As Linux leaves a controller: group 0 at priority 0xa0, mask open.
    fn new(cpus: usize) -> Self {
        let (irq, fiq) = (Arc::new(RecordingSink::default()), Arc::new(RecordingSink::default()));
        let wires = |sink: &Arc<RecordingSink>| (0..cpus as u32).map(|n| IrqLine::new(sink.clone(), n)).collect();
        let gic = GicV2::new(cpus, wires(&irq), wires(&fiq));
        let mut rig = Self { gicd: gic.distributor(), gicc: gic.cpu_interfaces(), gic, irq, fiq };
        rig.gicd(0, 0, 1);
        for cpu in 0..cpus {
            for n in 0..72 {
                rig.gicd(cpu, 0x400 + 4 * n, 0xa0a0_a0a0);
            }
            rig.gicc(cpu, 4, 0xf0);
            rig.gicc(cpu, 0, 1);
        }
        rig
    }

    fn gicd(&mut self, cpu: usize, offset: u64, value: u32) {
        self.gicd.write(Access { offset, size: Size::B4, cpu }, value.into());
    }

    fn read_gicd(&mut self, cpu: usize, offset: u64) -> u64 {
        self.gicd.read(Access { offset, size: Size::B4, cpu })
    }

    fn gicc(&mut self, cpu: usize, offset: u64, value: u32) {
        self.gicc.write(Access { offset, size: Size::B4, cpu }, value.into());
    }

    fn read_gicc(&mut self, cpu: usize, offset: u64) -> u64 {
        self.gicc.read(Access { offset, size: Size::B4, cpu })
    }

    fn ack(&mut self, cpu: usize) -> u64 {
        self.read_gicc(cpu, 0xc)
    }
}

fn unwired(cpus: usize) -> Arc<GicV2> {
    let wires = || (0..cpus).map(|_| IrqLine::unconnected()).collect();
    GicV2::new(cpus, wires(), wires())
}

/// The interfaces' window with the facets that the distributor's has for the whole controller.
struct Whole(CpuInterfaces);

impl MmioDevice for Whole {
    fn sizes(&self) -> crate::bus::Sizes {
        self.0.sizes()
    }
    fn read(&mut self, at: Access) -> u64 {
        self.0.read(at)
    }
    fn write(&mut self, at: Access, value: u64) {
        self.0.write(at, value);
    }
}

impl Reset for Whole {
    fn reset(&mut self) {
        self.0.0.distributor().reset();
    }
}

impl Snapshot for Whole {
    type Saved = SavedGicV2;
    fn save(&self) -> SavedGicV2 {
        self.0.0.distributor().save()
    }
    fn restore(&mut self, saved: SavedGicV2) -> Result<(), RestoreError> {
        self.0.0.distributor().restore(saved)
    }
}

#[test]
fn the_windows_conform() {
    for cpus in [1, 3] {
        conformance::check(0x1_0000, || unwired(cpus).distributor());
        conformance::check(0x1_0000, || Whole(unwired(cpus).cpu_interfaces()));
    }
}

#[test]
fn an_spi_goes_to_its_targets_and_the_first_to_acknowledge_has_it() {
    let mut rig = Rig::new(3);
    rig.gicd(0, 0x104, 1 << 1);
    rig.gic.set_level(1, true);
    assert!((0..3).all(|n| !rig.irq.level(n)), "no target yet");
    rig.gicd(0, 0x820, 0x0000_0600);
    assert_eq!(rig.read_gicd(0, 0x820), 0x0600);
    assert_eq!([0, 1, 2].map(|n| rig.irq.level(n)), [false, true, true]);
    assert_eq!(rig.ack(2), 33);
    assert!(!rig.irq.level(1));
    assert_eq!(rig.ack(1), 1023);
    rig.gicc(2, 0x10, 33);
    assert!(rig.irq.level(1) && rig.irq.level(2));
}

#[test]
fn the_first_targets_registers_tell_a_cpu_its_own_number() {
    let mut rig = Rig::new(2);
    assert_eq!(rig.read_gicd(0, 0x800), 0x0101_0101);
    assert_eq!(rig.read_gicd(1, 0x81c), 0x0202_0202);
    rig.gicd(1, 0x81c, 0);
    assert_eq!(rig.read_gicd(1, 0x81c), 0x0202_0202);
    assert_eq!(Rig::new(1).read_gicd(0, 0x800), 0);
}

#[test]
fn a_lone_cpu_is_every_spis_target() {
    let mut rig = Rig::new(1);
    rig.gicd(0, 0x104, 1);
    rig.gic.set_level(0, true);
    assert_eq!(rig.ack(0), 32);
}

#[test]
fn sgis_carry_their_sender_and_wait_for_each() {
    let mut rig = Rig::new(3);
    rig.gicd(0, 0xf00, 1 << 24 | 7);
    rig.gicd(2, 0xf00, 2 << 16 | 7);
    assert_eq!([0, 1, 2].map(|n| rig.irq.level(n)), [false, true, true]);
    assert_eq!(rig.read_gicd(1, 0xf14), 0x0500_0000);
    assert_eq!(rig.ack(1), 7);
    rig.gicc(1, 0x10, 7);
    assert_eq!(rig.ack(1), 2 << 10 | 7);
    rig.gicc(1, 0x10, 2 << 10 | 7);
    assert_eq!(rig.ack(1), 1023);
    rig.gicd(2, 0xf14, 1 << 24);
    assert!(!rig.irq.level(2), "CPENDSGIR");
    rig.gicd(2, 0xf24, 0xff << 24);
    assert_eq!(rig.read_gicd(2, 0xf14), 7 << 24, "SPENDSGIR, from the CPUs that exist");
    rig.gicd(1, 0xf00, 2 << 24);
    assert_eq!(rig.ack(1), 1 << 10, "to itself");
}

#[test]
fn sgis_stay_enabled() {
    let mut rig = Rig::new(2);
    rig.gicd(0, 0x180, u32::MAX);
    assert_eq!(rig.read_gicd(0, 0x100), 0xffff);
    rig.gicd(0, 0x200, 0xffff);
    assert_eq!(rig.read_gicd(0, 0x200), 0);
}

#[test]
fn private_interrupts_are_banked() {
    let mut rig = Rig::new(2);
    rig.gicd(1, 0x100, 1 << 27);
    assert_eq!((rig.read_gicd(0, 0x100), rig.read_gicd(1, 0x100)), (0xffff, 0x0800_ffff));
    rig.gic.ppis(0).set_level(11, true);
    rig.gic.ppis(1).set_level(11, true);
    assert_eq!((rig.ack(0), rig.ack(1)), (1023, 27));
}

#[test]
fn eoimode_splits_priority_drop_from_deactivation() {
    let mut rig = Rig::new(1);
    rig.gicd(0, 0x104, 1);
    rig.gicc(0, 0, 1 | 1 << 9);
    rig.gic.set_level(0, true);
    assert_eq!(rig.ack(0), 32);
    assert_eq!((rig.read_gicc(0, 0x14), rig.read_gicc(0, 0xd0)), (0xa0, 1 << 20));
    rig.gicc(0, 0x10, 32);
    assert_eq!(rig.read_gicc(0, 0x14), 0xff);
    assert!(!rig.irq.level(0));
    rig.gicc(0, 0x1000, 32);
    assert!(rig.irq.level(0));
}

#[test]
fn group_1_is_acknowledged_through_the_alias_unless_ackctl_is_set() {
    let mut rig = Rig::new(1);
    rig.gicd(0, 0, 3);
    rig.gicc(0, 0, 0b1011);
    rig.gicd(0, 0x84, 1);
    rig.gicd(0, 0x104, 3);
    rig.gic.set_level(0, true);
    assert!(rig.irq.level(0));
    assert_eq!((rig.ack(0), rig.read_gicc(0, 0x18), rig.read_gicc(0, 0x28)), (1022, 1022, 32));
    assert_eq!(rig.read_gicc(0, 0x20), 32);
    rig.gicc(0, 0x24, 32);
    rig.gicc(0, 0, 0b1111);
    assert_eq!(rig.ack(0), 32);
    rig.gicc(0, 0x10, 32);
    rig.gic.set_level(0, false);
    rig.gic.set_level(1, true);
    assert!(!rig.irq.level(0) && rig.fiq.level(0), "FIQEn");
    assert_eq!(rig.read_gicc(0, 0x20), 1023);
    assert_eq!(rig.ack(0), 33);
}

#[test]
fn identification_is_what_drivers_look_for() {
    let mut rig = Rig::new(4);
    assert_eq!(rig.read_gicd(0, 0x4), 3 << 5 | 8);
    assert_eq!(rig.read_gicd(0, 0xfe8), 0x2b, "ICPIDR2: architecture 2");
    assert_eq!(rig.read_gicc(0, 0xfc) >> 16 & 0xf, 2);
}

#[test]
fn a_restored_controller_signals_what_the_saved_one_did() {
    let mut rig = Rig::new(2);
    rig.gicd(1, 0xf00, 1 << 16 | 9);
    let saved = rig.gicd.save();
    let mut other = Rig::new(2);
    other.gicd.restore(saved.clone()).unwrap();
    assert_eq!(other.ack(0), 1 << 10 | 9);
    let mut hostile = saved;
    hostile.senders[0][0] = 4;
    assert_eq!(other.gicd.restore(hostile), Err(RestoreError { device: NAME, field: "senders" }));
    Reset::reset(&mut other.gicd);
    assert_eq!((other.read_gicd(0, 0), other.read_gicd(0, 0x300), other.read_gicc(0, 0)), (0, 0, 0));
}
