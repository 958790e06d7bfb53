//! Accesses to RAM through host pointers: page table entries, and whole guest accesses with their atomicity.
#![allow(clippy::unnecessary_cast, reason = "one body serves integers of several widths")]
#![allow(unsafe_code, reason = "guest RAM is shared with other vCPUs and accessed by host atomics")]

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use devices::bus::{GuestRam, Pa};

/// Host address of `len` bytes of RAM at `pa`.
fn pointer(ram: &GuestRam, pa: Pa, len: u64) -> Option<*mut u8> {
    let offset = ram.offset(pa, len)?;
    // SAFETY: offset + len lies within the one mapping that host_base points to.
    Some(unsafe { ram.host_base().add(offset as usize) })
}

fn pte(ram: &GuestRam, pa: Pa) -> Option<&AtomicU64> {
    let p = pointer(ram, pa, 8)?.cast::<AtomicU64>();
    assert!(p.is_aligned(), "tables are aligned to their size");
    // SAFETY: in bounds, aligned, mapped as long as `ram` lives, and only ever accessed atomically or by guest code.
    Some(unsafe { &*p })
}

/// Reads a page table entry; none when it is not in RAM.
#[must_use]
pub fn read_pte(ram: &GuestRam, pa: Pa) -> Option<u64> {
    pte(ram, pa).map(|p| p.load(Ordering::Acquire))
}

/// Replaces a page table entry if it still is `old`.
///
/// # Errors
/// What it is instead; none when it is not in RAM.
pub fn update_pte(ram: &GuestRam, pa: Pa, old: u64, new: u64) -> Result<(), Option<u64>> {
    let p = pte(ram, pa).ok_or(None)?;
    p.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire).map(|_| ()).map_err(Some)
}

/// A naturally aligned or not, in-page range of RAM that one guest access touches.
#[derive(Debug, Clone, Copy)]
pub struct Bytes {
    at: *mut u8,
    len: u8,
}

macro_rules! by_size {
    ($self:ident, $p:ident : $atomic:ident => $body:expr; else $other:expr) => {
        match $self.len {
            1 => { by_size!(@one $self $p AtomicU8 u8 $body) }
            2 if $self.aligned() => { by_size!(@one $self $p AtomicU16 u16 $body) }
            4 if $self.aligned() => { by_size!(@one $self $p AtomicU32 u32 $body) }
            8 if $self.aligned() => { by_size!(@one $self $p AtomicU64 u64 $body) }
            _ => $other,
        }
    };
    (@one $self:ident $p:ident $atomic:ident $int:ident $body:expr) => {{
        type Int = $int;
        // SAFETY: `Bytes` is in bounds of the RAM mapping (see `Bytes::new`), and aligned by the arm's guard.
        let $p = unsafe { &*$self.at.cast::<$atomic>() };
        let _ = std::marker::PhantomData::<Int>;
        $body
    }};
}

impl Bytes {
    /// The bytes of RAM at `pa`; none when they are not wholly RAM.
    #[must_use]
    pub fn new(ram: &GuestRam, pa: Pa, len: u8) -> Option<Self> {
        Some(Self { at: pointer(ram, pa, u64::from(len))?, len })
    }

    fn aligned(self) -> bool {
        (self.at as usize).is_multiple_of(usize::from(self.len))
    }

    /// Reads, zero-extended; atomic when aligned.
    #[must_use]
    pub fn load(self) -> u128 {
        by_size!(self, p: Atomic => u128::from(p.load(Ordering::Acquire)); else {
            if self.len == 16 && self.aligned() {
                return self.cas128(0, 0);
            }
            let mut bytes = [0; 16];
            for (i, byte) in bytes.iter_mut().take(usize::from(self.len)).enumerate() {
                // SAFETY: i < len, in bounds.
                *byte = unsafe { (*self.at.add(i).cast::<AtomicU8>()).load(Ordering::Relaxed) };
            }
            u128::from_le_bytes(bytes)
        })
    }

    /// Writes the low bytes of `value`; atomic when aligned up to 8 bytes.
    pub fn store(self, value: u128) {
        by_size!(self, p: Atomic => p.store(value as Int, Ordering::SeqCst); else {
            for (i, byte) in value.to_le_bytes().iter().take(usize::from(self.len)).enumerate() {
                // SAFETY: i < len, in bounds.
                unsafe { (*self.at.add(i).cast::<AtomicU8>()).store(*byte, Ordering::Relaxed) };
            }
        });
    }

    /// Compares and exchanges; the value before. Callers have checked alignment.
    #[must_use]
    pub fn cas(self, old: u128, new: u128) -> u128 {
        by_size!(self, p: Atomic => {
            match p.compare_exchange(old as Int, new as Int, Ordering::SeqCst, Ordering::SeqCst) {
                Ok(before) | Err(before) => u128::from(before),
            }
        }; else self.cas128(old, new))
    }

    fn cas128(self, old: u128, new: u128) -> u128 {
        assert!(self.len == 16 && self.aligned(), "only aligned accesses are atomic");
        assert!(std::arch::is_x86_feature_detected!("cmpxchg16b"), "the host has cmpxchg16b");
        // SAFETY: in bounds, 16-byte aligned, and the feature is there.
        unsafe { compare_exchange_16(self.at.cast(), old, new) }
    }

    /// Atomic read-modify-write; the value before. Callers have checked alignment and a length up to 8.
    pub fn update(self, f: impl Fn(u64) -> u64) -> u64 {
        by_size!(self, p: Atomic => {
            let step = |v: Int| Some(f(v as u64) as Int);
            p.fetch_update(Ordering::SeqCst, Ordering::SeqCst, step).expect("the step never refuses") as u64
        }; else unreachable!("atomics have 1 to 8 aligned bytes"))
    }
}

/// `lock cmpxchg16b`: the value before.
///
/// # Safety
/// `at` is valid, 16-byte aligned, and the host has the instruction.
unsafe fn compare_exchange_16(at: *mut u128, old: u128, new: u128) -> u128 {
    let (mut low, mut high) = (old as u64, (old >> 64) as u64);
    // SAFETY: as above; RBX, which the compiler reserves, is swapped back.
    unsafe {
        std::arch::asm!(
            "xchg rbx, {new_low}",
            "lock cmpxchg16b [{at}]",
            "mov rbx, {new_low}",
            at = in(reg) at,
            new_low = inout(reg) new as u64 => _,
            in("rcx") (new >> 64) as u64,
            inout("rax") low,
            inout("rdx") high,
        );
    }
    u128::from(high) << 64 | u128::from(low)
}

/// Host address to add to a virtual address so that `va` leads to the RAM at `pa` (which is RAM).
#[must_use]
pub fn addend(ram: &GuestRam, pa: Pa, va: u64) -> u64 {
    let offset = ram.offset(pa, 1).expect("the caller has found RAM at this address");
    (ram.host_base() as u64).wrapping_add(offset).wrapping_sub(va)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accesses_of_every_length_read_back() {
        let ram = GuestRam::new(Pa(0x4000_0000), 1 << 16).unwrap();
        for (len, at) in [(1u8, 3), (2, 2), (2, 3), (4, 4), (4, 6), (8, 8), (8, 13), (16, 16), (16, 35)] {
            let bytes = Bytes::new(&ram, Pa(0x4000_0000 + at), len).unwrap();
            let value = 0x1122_3344_5566_7788_99aa_bbcc_ddee_ff01u128 & (u128::MAX >> (128 - 8 * u32::from(len)));
            bytes.store(value);
            assert_eq!(bytes.load(), value, "{len} bytes at {at}");
        }
        let quad = Bytes::new(&ram, Pa(0x4000_0020), 16).unwrap();
        quad.store(5);
        assert_eq!(quad.cas(5, 6), 5);
        assert_eq!(quad.cas(5, 7), 6);
        assert_eq!(quad.load(), 6);
        assert_eq!(Bytes::new(&ram, Pa(0x4000_0040), 4).unwrap().update(|v| v + 2), 0);
    }
}
