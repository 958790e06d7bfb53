//! The register banks that distributor and redistributor share, from IGROUPR at 0x080 to ICFGR at 0xCFF
//! (IHI 0069H, 12.9; IHI 0048B, 4.3).
//!
//! Each function handles one aligned word; `mask` holds the bits that a narrower write touches. Words of interrupts
//! that do not exist read as zero and ignore writes.

use super::interrupts::{INTIDS, Interrupts};
use crate::bus::{Access, Size};

/// Splits an access into word accesses: calls `word(offset, shift)` for each, where `shift` is the place of the
/// access's lowest byte in that word, and joins the results.
pub(super) fn read_words(at: Access, mut word: impl FnMut(u64) -> u32) -> u64 {
    let low = u64::from(word(at.offset & !3));
    match at.size {
        Size::B8 => low | u64::from(word(at.offset + 4)) << 32,
        _ => low >> (8 * (at.offset & 3)),
    }
}

/// Splits a write into word writes: calls `word(offset, value, mask)` for each.
pub(super) fn write_words(at: Access, value: u64, mut word: impl FnMut(u64, u32, u32)) {
    if at.size == Size::B8 {
        word(at.offset, value as u32, u32::MAX);
        word(at.offset + 4, (value >> 32) as u32, u32::MAX);
    } else {
        let shift = 8 * (at.offset & 3);
        word(at.offset & !3, (value << shift) as u32, (at.size.mask() << shift) as u32);
    }
}

/// ICFGR's layout: the odd bits of 16 pairs.
fn spread(bits: u32) -> u32 {
    (0..16).fold(0, |word, n| word | (bits >> n & 1) << (2 * n + 1))
}

fn gather(word: u32) -> u32 {
    (0..16).fold(0, |bits, n| bits | (word >> (2 * n + 1) & 1) << n)
}

/// Identification registers at the end of a 4 KiB page or 64 KiB frame: `offset` from the first of them (PIDR4).
pub(super) fn identification(offset: u64, architecture: u32) -> u32 {
    match offset {
        0x00 => 0x44,
        0x10 => 0x92,
        0x14 => 0xb4,
        0x18 => architecture << 4 | 0xb,
        0x20 => 0x0d,
        0x24 => 0xf0,
        0x28 => 0x05,
        0x2c => 0xb1,
        _ => 0,
    }
}

impl Interrupts {
    pub fn read_bank(&self, cpu: usize, offset: u64) -> u32 {
        let index = (offset as usize & 0x7f) / 4;
        let word = if index < INTIDS / 32 { *self.word(cpu, index) } else { Default::default() };
        match offset {
            0x080..0x100 => word.group1,
            0x100..0x200 => word.enabled,
            0x200..0x300 => word.pending(),
            0x300..0x400 => word.active,
            0x400..0x800 => {
                let first = offset as usize - 0x400;
                if first >= INTIDS {
                    return 0;
                }
                u32::from_le_bytes([0, 1, 2, 3].map(|n| self.priority(cpu, first + n)))
            }
            0xc00..0xd00 => {
                let first = (offset as usize - 0xc00) * 4;
                if first >= INTIDS {
                    return 0;
                }
                spread(self.word(cpu, first / 32).edge >> (first % 32))
            }
            _ => 0,
        }
    }

    pub fn write_bank(&mut self, cpu: usize, offset: u64, value: u32, mask: u32) {
        match offset {
            0x400..0x800 => {
                let first = offset as usize - 0x400;
                if first < INTIDS {
                    for n in (0..4).filter(|n| mask >> (8 * n) & 1 != 0) {
                        self.set_priority(cpu, first + n, (value >> (8 * n)) as u8);
                    }
                }
                return;
            }
            0xc00..0xd00 => {
                let first = (offset as usize - 0xc00) * 4;
                // SGIs are edge-triggered for good.
                if (16..INTIDS).contains(&first) {
                    let edge = &mut self.word_mut(cpu, first / 32).edge;
                    let mask = gather(mask) << (first % 32);
                    *edge = *edge & !mask | gather(value) << (first % 32) & mask;
                }
                return;
            }
            _ => {}
        }
        let index = (offset as usize & 0x7f) / 4;
        if index >= INTIDS / 32 {
            return;
        }
        let word = self.word_mut(cpu, index);
        match offset {
            0x080..0x100 => word.group1 = word.group1 & !mask | value & mask,
            0x100..0x180 => word.enabled |= value,
            0x180..0x200 => word.enabled &= !value,
            0x200..0x280 => word.latched |= value,
            0x280..0x300 => word.latched &= !value,
            0x300..0x380 => word.active |= value,
            0x380..0x400 => word.active &= !value,
            _ => {}
        }
    }
}
