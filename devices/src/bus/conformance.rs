//! What every [`MmioDevice`] promises, as a test: call [`check`] from each device's tests.
//!
//! Every offset × every declared size × several values neither panics nor, after a reset, leaves a trace; and a device
//! restored from a snapshot is saved alike and answers every read alike. Left out: interrupt wires, hostile snapshots,
//! and undeclared sizes, which the bus keeps away.

use std::fmt::Debug;

use super::{Access, MmioDevice, Reset, Size, Sizes, Snapshot};

const VALUES: [u64; 6] = [0, u64::MAX, 1, 0x8000_0000_8000_0080, 0x5555_5555_5555_5555, 0xd0d0_00d0_0020_0020];

/// The largest stretch at either end of a window that is walked through.
const STRETCH: u64 = 0x8000;

/// Checks a device with a window of `len` bytes.
pub(crate) fn check<D>(len: u64, make: impl Fn() -> D)
where
    D: MmioDevice + Reset + Snapshot<Saved: Debug>,
{
    check_but_for(len, make, |_| ());
}

/// Like [`check`], for a device with state that a reset keeps; `forget` takes that out of a snapshot.
pub(crate) fn check_but_for<D>(len: u64, make: impl Fn() -> D, forget: impl Fn(&mut D::Saved))
where
    D: MmioDevice + Reset + Snapshot<Saved: Debug>,
{
    let after_reset = |device: &D| {
        let mut saved = device.save();
        forget(&mut saved);
        format!("{saved:?}")
    };
    let power_on = after_reset(&make());
    let mut device = make();
    for value in VALUES {
        write_all(&mut device, len, value);
        same_after_restore(&mut device, make(), len);
    }
    read_all(&mut device, len);
    device.reset();
    assert_eq!(after_reset(&device), power_on, "reset does not give the power-on state");
}

/// Every naturally aligned access that the device takes, near both ends of its window.
fn accesses(sizes: Sizes, len: u64) -> impl Iterator<Item = Access> {
    let sizes = [Size::B1, Size::B2, Size::B4, Size::B8].into_iter().filter(move |&size| sizes.contains(size));
    let ends = (0..len.min(STRETCH)).chain(len.saturating_sub(STRETCH).max(STRETCH)..len);
    ends.flat_map(move |offset| sizes.clone().map(move |size| Access::new(offset, size)))
        .filter(move |at| at.offset % at.size.bytes() == 0 && at.offset + at.size.bytes() <= len)
}

fn write_all(device: &mut impl MmioDevice, len: u64, value: u64) {
    for at in accesses(device.sizes(), len) {
        device.write(at, value & at.size.mask());
    }
}

fn read_all(device: &mut impl MmioDevice, len: u64) -> Vec<u64> {
    accesses(device.sizes(), len).map(|at| device.read(at) & at.size.mask()).collect()
}

fn same_after_restore<D>(device: &mut D, mut other: D, len: u64)
where
    D: MmioDevice + Snapshot<Saved: Debug>,
{
    other.restore(device.save()).expect("a device takes its own snapshot");
    assert_eq!(format!("{:?}", device.save()), format!("{:?}", other.save()), "restore loses state");
    let reads = read_all(&mut other, len);
    let differs = read_all(device, len).iter().zip(&reads).position(|(a, b)| a != b);
    assert_eq!(differs.map(|n| accesses(other.sizes(), len).nth(n)), None, "a restored device reads differently");
}

mod tests {
    use super::*;
    use crate::bus::RestoreError;

    #[derive(Clone, Copy, PartialEq, Debug)]
    enum Flaw {
        None,
        PanicsAtTheLastByte,
        ForgetsAFieldInReset,
        ForgetsAFieldInSave,
        ForgetsAFieldInRestore,
    }

    /// Two words, and one thing wrong with them.
    struct Broken(Flaw, [u64; 2]);

    impl MmioDevice for Broken {
        fn read(&mut self, at: Access) -> u64 {
            assert!(self.0 != Flaw::PanicsAtTheLastByte || at.offset != 7, "guest input");
            self.1[at.offset as usize / 4]
        }
        fn write(&mut self, at: Access, value: u64) {
            self.1[at.offset as usize / 4] = value;
        }
    }

    impl Reset for Broken {
        fn reset(&mut self) {
            self.1 = if self.0 == Flaw::ForgetsAFieldInReset { [0, self.1[1]] } else { [0; 2] };
        }
    }

    impl Snapshot for Broken {
        type Saved = [u64; 2];
        fn save(&self) -> [u64; 2] {
            if self.0 == Flaw::ForgetsAFieldInSave { [self.1[0], 0] } else { self.1 }
        }
        fn restore(&mut self, saved: [u64; 2]) -> Result<(), RestoreError> {
            self.1 = if self.0 == Flaw::ForgetsAFieldInRestore { [saved[0], 0] } else { saved };
            Ok(())
        }
    }

    #[test]
    fn the_suite_accepts_a_sound_device_and_bites_each_broken_one() {
        let bites = |flaw| std::panic::catch_unwind(|| check(8, || Broken(flaw, [0; 2]))).is_err();
        assert!(!bites(Flaw::None));
        for flaw in [
            Flaw::PanicsAtTheLastByte,
            Flaw::ForgetsAFieldInReset,
            Flaw::ForgetsAFieldInSave,
            Flaw::ForgetsAFieldInRestore,
        ] {
            assert!(bites(flaw), "{flaw:?} goes unnoticed");
        }
    }
}
