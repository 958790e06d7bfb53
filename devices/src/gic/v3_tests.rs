use std::sync::Arc;

use super::*;
use crate::bus::{Access, MmioDevice, RecordingSink, Reset, Size, Snapshot, conformance};
use crate::gic::{Distributor, REDISTRIBUTOR_LEN, Redistributors};

const SGI_BASE: u64 = 0x1_0000;

struct Rig {
    gic: Arc<GicV3>,
    gicd: Distributor,
    gicr: Redistributors,
    irq: Arc<RecordingSink>,
    fiq: Arc<RecordingSink>,
}

impl Rig {
    /// As Linux leaves a controller: all in group 1 at priority 0xa0, groups on, mask open.
    fn new(cpus: usize) -> Self {
        let (irq, fiq) = (Arc::new(RecordingSink::default()), Arc::new(RecordingSink::default()));
        let wires = |sink: &Arc<RecordingSink>| (0..cpus as u32).map(|n| IrqLine::new(sink.clone(), n)).collect();
        let gic = GicV3::new(cpus, wires(&irq), wires(&fiq));
        let mut rig = Self { gicd: gic.distributor(), gicr: gic.redistributors(), gic, irq, fiq };
        rig.gicd(0, 3);
        for n in 1..9 {
            rig.gicd(0x80 + 4 * n, u32::MAX);
        }
        for n in 8..72 {
            rig.gicd(0x400 + 4 * n, 0xa0a0_a0a0);
        }
        for cpu in 0..cpus {
            rig.gicr(cpu, SGI_BASE + 0x80, u32::MAX);
            rig.gicr(cpu, SGI_BASE + 0x100, 0xffff);
            for n in 0..8 {
                rig.gicr(cpu, SGI_BASE + 0x400 + 4 * n, 0xa0a0_a0a0);
            }
            rig.gic.icc_write(cpu, IccReg::Pmr, 0xf0);
            rig.gic.icc_write(cpu, IccReg::Igrpen1, 1);
        }
        rig
    }

    fn gicd(&mut self, offset: u64, value: u32) {
        self.gicd.write(Access::new(offset, Size::B4), value.into());
    }

    fn read_gicd(&mut self, offset: u64) -> u64 {
        self.gicd.read(Access::new(offset, Size::B4))
    }

    fn gicr(&mut self, cpu: usize, offset: u64, value: u32) {
        self.gicr.write(Access::new(cpu as u64 * REDISTRIBUTOR_LEN + offset, Size::B4), value.into());
    }

    fn priority(&mut self, intid: u64, priority: u64) {
        self.gicd.write(Access::new(0x400 + intid, Size::B1), priority);
    }

    fn enable(&mut self, intid: u64) {
        self.gicd(0x100 + intid / 32 * 4, 1 << (intid % 32));
    }

    fn edge(&mut self, intid: u64) {
        self.gicd(0xc00 + intid / 16 * 4, 2 << (intid % 16 * 2));
    }

    fn ack(&self, cpu: usize) -> u64 {
        self.gic.icc_read(cpu, IccReg::Iar1)
    }

    fn eoi(&self, cpu: usize, intid: u64) {
        self.gic.icc_write(cpu, IccReg::Eoir1, intid);
    }
}

fn unwired(cpus: usize) -> Arc<GicV3> {
    let wires = || (0..cpus).map(|_| IrqLine::unconnected()).collect();
    GicV3::new(cpus, wires(), wires())
}

#[test]
fn the_windows_conform() {
    conformance::check(0x1_0000, || unwired(2).distributor());
    conformance::check(2 * REDISTRIBUTOR_LEN, || Whole(unwired(2).redistributors()));
}

/// The redistributors' window with the facets that the distributor's has for the whole controller.
struct Whole(Redistributors);

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
        self.0.controller().distributor().reset();
    }
}

impl Snapshot for Whole {
    type Saved = SavedGicV3;
    fn save(&self) -> SavedGicV3 {
        self.0.controller().save()
    }
    fn restore(&mut self, saved: SavedGicV3) -> Result<(), RestoreError> {
        self.0.controller().restore(saved)
    }
}

#[test]
fn a_level_interrupt_follows_its_wire() {
    let mut rig = Rig::new(1);
    rig.gic.set_level(1, true);
    assert!(!rig.irq.level(0), "not enabled");
    rig.enable(33);
    assert!(rig.irq.level(0));
    assert_eq!(rig.ack(0), 33);
    assert!(!rig.irq.level(0), "active");
    assert_eq!(rig.read_gicd(0x304), 2);
    assert_eq!(rig.read_gicd(0x204), 2, "active and pending while the wire is high");
    rig.eoi(0, 33);
    assert!(rig.irq.level(0), "still high: again");
    rig.gic.set_level(1, false);
    assert!(!rig.irq.level(0));
    assert_eq!(rig.ack(0), 1023);
}

#[test]
fn an_edge_interrupt_is_latched_once_per_rise() {
    let mut rig = Rig::new(1);
    rig.edge(40);
    rig.enable(40);
    rig.gic.set_level(8, true);
    rig.gic.set_level(8, false);
    assert_eq!(rig.ack(0), 40);
    rig.gic.set_level(8, true);
    assert!(!rig.irq.level(0), "active and pending");
    rig.eoi(0, 40);
    assert_eq!(rig.ack(0), 40);
    rig.eoi(0, 40);
    assert_eq!(rig.ack(0), 1023, "the level alone does not pend");
}

#[test]
fn a_pending_bit_set_by_register_can_be_cleared_but_a_high_wire_cannot() {
    let mut rig = Rig::new(1);
    rig.enable(34);
    rig.gicd(0x204, 1 << 2);
    assert!(rig.irq.level(0));
    rig.gicd(0x284, 1 << 2);
    assert!(!rig.irq.level(0));
    rig.gic.set_level(2, true);
    rig.gicd(0x284, 1 << 2);
    assert!(rig.irq.level(0));
}

#[test]
fn the_highest_priority_comes_first_and_the_lowest_number_of_equals() {
    let mut rig = Rig::new(1);
    for spi in [3, 4, 100, 200] {
        rig.enable(32 + u64::from(spi));
        rig.gic.set_level(spi, true);
    }
    rig.priority(232, 0x40);
    rig.priority(132, 0x47);
    assert_eq!(rig.gicd.read(Access::new(0x400 + 132, Size::B1)) & 0xff, 0x40, "five bits of priority");
    assert_eq!(rig.ack(0), 132);
    assert_eq!(rig.ack(0), 1023, "an equal priority does not preempt");
    assert_eq!(rig.gic.icc_read(0, IccReg::Hppir1), 232, "but is the highest pending");
    rig.eoi(0, 132);
    for spi in [100, 200] {
        rig.gic.set_level(spi, false);
    }
    assert_eq!(rig.ack(0), 35);
}

#[test]
fn a_higher_priority_preempts_and_running_priorities_unwind() {
    let mut rig = Rig::new(1);
    rig.enable(50);
    rig.enable(51);
    rig.priority(51, 0x20);
    rig.gic.set_level(18, true);
    assert_eq!(rig.ack(0), 50);
    assert_eq!(rig.gic.icc_read(0, IccReg::Rpr), 0xa0);
    rig.gic.set_level(19, true);
    assert!(rig.irq.level(0));
    assert_eq!(rig.ack(0), 51);
    assert_eq!(rig.gic.icc_read(0, IccReg::Rpr), 0x20);
    assert_eq!(rig.gic.icc_read(0, IccReg::Ap1r(0)), 1 << 4 | 1 << 20);
    rig.eoi(0, 51);
    assert_eq!(rig.gic.icc_read(0, IccReg::Rpr), 0xa0);
    rig.eoi(0, 50);
    assert_eq!(rig.gic.icc_read(0, IccReg::Rpr), 0xff);
}

#[test]
fn the_binary_point_widens_what_counts_as_equal() {
    let mut rig = Rig::new(1);
    rig.enable(50);
    rig.enable(51);
    rig.priority(51, 0x80);
    rig.gic.icc_write(0, IccReg::Bpr1, 0);
    assert_eq!(rig.gic.icc_read(0, IccReg::Bpr1), 3, "the smallest");
    rig.gic.icc_write(0, IccReg::Bpr1, 6);
    rig.gic.set_level(18, true);
    assert_eq!(rig.ack(0), 50);
    assert_eq!(rig.gic.icc_read(0, IccReg::Rpr), 0x80, "group priority of 0xa0 is bits [7:6]");
    rig.gic.set_level(19, true);
    assert!(!rig.irq.level(0));
    rig.gic.icc_write(0, IccReg::Ctlr, 1);
    assert_eq!(rig.gic.icc_read(0, IccReg::Bpr1), 3, "CBPR: BPR0 + 1");
}

#[test]
fn the_priority_mask_holds_equal_and_lower_priorities_back() {
    let mut rig = Rig::new(1);
    rig.enable(50);
    rig.gic.set_level(18, true);
    rig.gic.icc_write(0, IccReg::Pmr, 0xa7);
    assert_eq!(rig.gic.icc_read(0, IccReg::Pmr), 0xa0);
    assert!(!rig.irq.level(0));
    assert_eq!(rig.ack(0), 1023);
    rig.gic.icc_write(0, IccReg::Pmr, 0xa8);
    assert_eq!(rig.ack(0), 50);
}

#[test]
fn eoimode_splits_priority_drop_from_deactivation() {
    let mut rig = Rig::new(1);
    rig.enable(50);
    rig.gic.icc_write(0, IccReg::Ctlr, 2);
    assert_eq!(rig.gic.icc_read(0, IccReg::Ctlr), 1 << 15 | 4 << 8 | 2);
    rig.gic.set_level(18, true);
    assert_eq!(rig.ack(0), 50);
    rig.eoi(0, 50);
    assert_eq!(rig.gic.icc_read(0, IccReg::Rpr), 0xff);
    assert!(!rig.irq.level(0), "still active");
    rig.gic.icc_write(0, IccReg::Dir, 50);
    assert!(rig.irq.level(0));
    rig.gic.icc_write(0, IccReg::Dir, 1 << 23);
    rig.eoi(0, 1019);
}

#[test]
fn an_eoi_of_the_other_group_or_of_a_special_number_does_nothing() {
    let mut rig = Rig::new(1);
    rig.enable(50);
    rig.gic.set_level(18, true);
    assert_eq!(rig.ack(0), 50);
    rig.gic.icc_write(0, IccReg::Eoir0, 50);
    rig.eoi(0, 1023);
    assert_eq!(rig.gic.icc_read(0, IccReg::Rpr), 0xa0);
}

#[test]
fn group_0_comes_by_the_fiq_wire() {
    let mut rig = Rig::new(1);
    rig.enable(50);
    rig.gicd(0x84, !(1 << 18));
    rig.gic.set_level(18, true);
    assert!(!rig.irq.level(0) && !rig.fiq.level(0), "ICC_IGRPEN0 is off");
    rig.gic.icc_write(0, IccReg::Igrpen0, 1);
    assert!(!rig.irq.level(0) && rig.fiq.level(0));
    assert_eq!(rig.ack(0), 1023);
    assert_eq!(rig.gic.icc_read(0, IccReg::Hppir1), 1023);
    assert_eq!(rig.gic.icc_read(0, IccReg::Hppir0), 50);
    assert_eq!(rig.gic.icc_read(0, IccReg::Iar0), 50);
    assert_eq!(rig.gic.icc_read(0, IccReg::Ap0r(0)), 1 << 20);
    rig.gic.icc_write(0, IccReg::Eoir0, 50);
    assert!(rig.fiq.level(0));
    rig.gicd(0, 2);
    assert!(!rig.fiq.level(0), "GICD_CTLR.EnableGrp0 is off");
}

#[test]
fn spis_go_to_the_cpu_of_their_affinity_and_to_no_other() {
    let mut rig = Rig::new(4);
    rig.enable(32);
    rig.gic.set_level(0, true);
    assert!(rig.irq.level(0));
    rig.gicd.write(Access::new(0x6100, Size::B8), 0x8000_0002);
    assert_eq!(rig.read_gicd(0x6100), 2, "IRM is not implemented");
    assert!(!rig.irq.level(0) && rig.irq.level(2));
    rig.gicd(0x6100, 0x0102);
    assert!((0..4).all(|n| !rig.irq.level(n)), "there is no CPU 0.0.1.2");
    rig.gicd(0x6100, 3);
    assert_eq!((rig.ack(0), rig.ack(3)), (1023, 32));
}

#[test]
fn ppis_are_each_cpus_own() {
    let mut rig = Rig::new(2);
    for cpu in 0..2 {
        rig.gicr(cpu, SGI_BASE + 0x100, 1 << 27);
    }
    rig.gic.ppis(1).set_level(11, true);
    assert!(!rig.irq.level(0) && rig.irq.level(1));
    assert_eq!((rig.ack(0), rig.ack(1)), (1023, 27));
    assert_eq!(rig.read_gicd(0x300), 0, "word 0 of the distributor is RAZ");
    assert_eq!(rig.gicr.read(Access::new(REDISTRIBUTOR_LEN + SGI_BASE + 0x300, Size::B4)), 1 << 27);
}

#[test]
fn sgis_reach_the_target_list_or_all_others() {
    let rig = Rig::new(4);
    rig.gic.icc_write(0, IccReg::Sgi1r, 5 << 24 | 0b1010);
    assert_eq!([0, 1, 2, 3].map(|n| rig.ack(n)), [1023, 5, 1023, 5]);
    rig.gic.icc_write(2, IccReg::Sgi1r, 1 << 40 | 3 << 24);
    rig.eoi(1, 5);
    rig.eoi(3, 5);
    assert_eq!([0, 1, 2, 3].map(|n| rig.ack(n)), [3, 3, 1023, 3]);
    rig.gic.icc_write(0, IccReg::Sgi1r, 1 << 16 | 6 << 24 | 0xf);
    rig.gic.icc_write(0, IccReg::Sgi1r, 1 << 44 | 6 << 24 | 0xf);
    assert_eq!(rig.gic.icc_read(2, IccReg::Hppir1), 1023, "other clusters and ranges hold no CPU");
    rig.gic.icc_write(0, IccReg::Sgi0r, 6 << 24 | 4);
    assert_eq!(rig.gic.icc_read(2, IccReg::Hppir1), 1023, "SGI 6 of CPU 2 is in group 1");
}

#[test]
fn identification_is_what_drivers_look_for() {
    let mut rig = Rig::new(2);
    assert_eq!(rig.read_gicd(0xffe8), 0x3b, "GICD_PIDR2: architecture 3");
    assert_eq!(rig.read_gicd(0x0), 0x53, "DS, ARE, both groups");
    assert_eq!((rig.read_gicd(0x4) & 0x1f, rig.read_gicd(0x4) >> 24 & 7), (8, 3));
    let typer = |rig: &mut Rig, cpu| rig.gicr.read(Access::new(cpu * REDISTRIBUTOR_LEN + 8, Size::B8));
    assert_eq!(typer(&mut rig, 0), 0);
    assert_eq!(typer(&mut rig, 1), 1 << 32 | 1 << 8 | 1 << 4);
    assert_eq!(rig.gicr.read(Access::new(0xffe8, Size::B4)), 0x3b);
    let waker = Access::new(0x14, Size::B4);
    assert_eq!(rig.gicr.read(waker), 6);
    rig.gicr.write(waker, 0);
    assert_eq!(rig.gicr.read(waker), 0);
    assert_eq!(rig.gic.icc_read(0, IccReg::Sre), 7);
}

#[test]
fn narrow_writes_touch_only_their_bytes() {
    let mut rig = Rig::new(1);
    rig.gicd.write(Access::new(0x85, Size::B1), 0x0f);
    assert_eq!(rig.read_gicd(0x84), 0xffff_0fff);
    rig.gicd.write(Access::new(0x422, Size::B2), 0x1020);
    assert_eq!(rig.read_gicd(0x420), 0x1020_a0a0);
    rig.gicd(0xc08, 0xffff_ffff);
    rig.gicd.write(Access::new(0xc09, Size::B1), 0);
    assert_eq!(rig.read_gicd(0xc08), 0xaaaa_00aa);
}

#[test]
fn reset_disables_all_but_keeps_wires() {
    let mut rig = Rig::new(1);
    rig.enable(33);
    rig.gic.set_level(1, true);
    assert_eq!(rig.ack(0), 33);
    rig.gicd.reset();
    assert_eq!((rig.read_gicd(0), rig.read_gicd(0x104), rig.read_gicd(0x304)), (0x50, 0, 0));
    assert_eq!(rig.read_gicd(0x204), 2, "the device still drives its wire");
    assert!(!rig.irq.level(0));
}

#[test]
fn a_restored_controller_signals_what_the_saved_one_did() {
    let mut rig = Rig::new(2);
    rig.enable(33);
    rig.gicd(0x6108, 1);
    rig.gic.set_level(1, true);
    rig.gic.icc_write(0, IccReg::Sgi1r, 4 << 24 | 1);
    assert_eq!(rig.ack(0), 4);
    let saved = rig.gicd.save();
    let mut other = Rig::new(2);
    other.gicd.restore(saved.clone()).unwrap();
    assert!(other.irq.level(1) && !other.irq.level(0));
    assert_eq!((other.gic.icc_read(0, IccReg::Rpr), other.ack(1)), (0xa0, 33));

    let mut hostile = saved.clone();
    hostile.routers[0] = 1 << 31;
    assert_eq!(other.gicd.restore(hostile), Err(RestoreError { device: NAME, field: "routers" }));
    assert_eq!(Rig::new(1).gicd.restore(saved).unwrap_err().field, "asleep");
}
