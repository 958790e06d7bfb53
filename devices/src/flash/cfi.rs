//! Parallel NOR flash with the Intel/Sharp extended command set (JEDEC CFI, JESD68.01 and command set 0001; Intel
//! StrataFlash P30 data sheet).
//!
//! A bank is two 16-bit chips side by side on a 32-bit bus, in lockstep: commands are taken from the low chip's lane,
//! and answers appear in both. Erase blocks are 128 KiB per chip. Programming and erasing take no time. Left out: block
//! locks (every block reads as unlocked), suspend (accepted, nothing is ever under way), protection registers, and
//! chips that are given different commands.

use serde::{Deserialize, Serialize};
use vm_fdt::FdtWriter;

use super::query;
use crate::bus::{Access, FdtNode, MmioDevice, Reset, RestoreError, Size, Sizes, Snapshot};
use crate::fdt;

/// Bytes of an erase block, both chips together.
pub const BLOCK: usize = 256 << 10;

/// Bytes of the write buffer, both chips together.
pub const WRITE_BUFFER: usize = 4 << 10;

/// Bytes of a word of the bus.
const BANK_WIDTH: u32 = 4;

// Status register of a chip.
const SR_READY: u8 = 1 << 7;
const SR_ERASE_ERROR: u8 = 1 << 5;
const SR_PROGRAM_ERROR: u8 = 1 << 4;
const SR_LOCKED: u8 = 1 << 1;
const SR_SEQUENCE_ERROR: u8 = SR_ERASE_ERROR | SR_PROGRAM_ERROR;

/// What reads show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum ReadMode {
    Array,
    Status,
    Identifier,
    Query,
}

/// What the next write means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum WriteState {
    Command,
    Program,
    EraseConfirm,
    Lock,
    /// The number of words to come, minus one.
    BufferCount {
        block: usize,
    },
    /// Words to come, and those that came: offset, value and width of each.
    BufferData {
        block: usize,
        left: u32,
        words: Vec<(usize, u32, u8)>,
    },
    BufferConfirm {
        words: Vec<(usize, u32, u8)>,
    },
}

/// A bank of flash.
pub struct CfiFlash {
    // Fixed configuration.
    read_only: bool,

    // Guest state.
    bytes: Vec<u8>,
    mode: ReadMode,
    state: WriteState,
    status: u8,

    // Bookkeeping.
    changed: Vec<bool>,
}

/// A [`CfiFlash`] as data: blocks that are not listed are all zeros.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedCfiFlash {
    blocks: Vec<(usize, Vec<u8>)>,
    mode: ReadMode,
    state: WriteState,
    status: u8,
}

impl std::fmt::Debug for CfiFlash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { read_only, bytes, mode, state, status, changed: _ } = self;
        write!(f, "CfiFlash({} bytes, read-only {read_only}, {mode:?}, {state:?}, {status:#x})", bytes.len())
    }
}

impl CfiFlash {
    /// A bank of `len` bytes that begins with `image` and holds zeros behind it. A read-only bank refuses to program
    /// and to erase.
    ///
    /// # Panics
    /// When `len` is not a power of two of at least two blocks, or the image is longer: an error of the board.
    #[must_use]
    pub fn new(len: usize, image: &[u8], read_only: bool) -> Self {
        assert!(len.is_power_of_two() && len >= 2 * BLOCK, "{len} bytes: not a flash bank");
        assert!(image.len() <= len, "an image of {} bytes does not fit a flash bank of {len}", image.len());
        let mut bytes = vec![0; len];
        bytes[..image.len()].copy_from_slice(image);
        let changed = vec![false; len / BLOCK];
        Self { read_only, bytes, mode: ReadMode::Array, state: WriteState::Command, status: SR_READY, changed }
    }

    /// The content when reads show it (array mode), so that a CPU may fetch from it as from ROM; none while the guest
    /// has the chips answer something else.
    #[must_use]
    pub fn array(&self) -> Option<&[u8]> {
        (self.mode == ReadMode::Array).then_some(&self.bytes)
    }

    /// The content, whatever reads show: for the host to keep.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The offsets of blocks of [`BLOCK`] bytes that have changed since the last call.
    pub fn take_changed(&mut self) -> Vec<usize> {
        let blocks = self.changed.iter_mut().enumerate();
        blocks.filter_map(|(n, changed)| std::mem::take(changed).then_some(n * BLOCK)).collect()
    }

    /// Programming clears bits.
    fn program(&mut self, offset: usize, value: u32, width: usize) {
        for (byte, new) in self.bytes[offset..offset + width].iter_mut().zip(value.to_le_bytes()) {
            *byte &= new;
        }
        self.changed[offset / BLOCK] = true;
    }

    fn fail(&mut self, errors: u8) {
        self.status |= errors;
        self.state = WriteState::Command;
        self.mode = ReadMode::Status;
    }

    /// The first cycle of a command (P30 data sheet, table "Command Codes").
    fn command(&mut self, offset: usize, command: u8) -> WriteState {
        self.mode = match command {
            0xff => ReadMode::Array,
            0x90 => ReadMode::Identifier,
            0x98 => ReadMode::Query,
            // Clear status leaves the mode alone.
            0x50 => {
                self.status = SR_READY;
                self.mode
            }
            0x70 | 0x10 | 0x20 | 0x40 | 0x60 | 0xe8 | 0xb0 | 0xd0 => ReadMode::Status,
            // No command: a lone reset of some other command set, for one.
            _ => ReadMode::Array,
        };
        match command {
            0x10 | 0x40 => WriteState::Program,
            0x20 => WriteState::EraseConfirm,
            0x60 => WriteState::Lock,
            0xe8 => WriteState::BufferCount { block: offset / WRITE_BUFFER },
            _ => WriteState::Command,
        }
    }

    fn write_word(&mut self, offset: usize, value: u32, width: usize) {
        let command = value as u8;
        let state = std::mem::replace(&mut self.state, WriteState::Command);
        self.state = match state {
            // Commands come by the low chip's lane.
            WriteState::Command if !offset.is_multiple_of(4) => WriteState::Command,
            WriteState::Command => self.command(offset, command),
            WriteState::Program => {
                if self.read_only {
                    return self.fail(SR_PROGRAM_ERROR | SR_LOCKED);
                }
                self.program(offset, value, width);
                WriteState::Command
            }
            WriteState::EraseConfirm => {
                if command != 0xd0 {
                    return self.fail(SR_SEQUENCE_ERROR);
                }
                if self.read_only {
                    return self.fail(SR_ERASE_ERROR | SR_LOCKED);
                }
                let block = offset / BLOCK;
                self.bytes[block * BLOCK..(block + 1) * BLOCK].fill(0xff);
                self.changed[block] = true;
                WriteState::Command
            }
            WriteState::Lock => {
                if !matches!(command, 0x01 | 0xd0 | 0x2f) {
                    return self.fail(SR_SEQUENCE_ERROR);
                }
                WriteState::Command
            }
            WriteState::BufferCount { block } => {
                let left = (value & 0xffff) + 1;
                if left as usize > WRITE_BUFFER / BANK_WIDTH as usize {
                    return self.fail(SR_SEQUENCE_ERROR);
                }
                WriteState::BufferData { block, left, words: Vec::new() }
            }
            WriteState::BufferData { block, left, mut words } => {
                if offset / WRITE_BUFFER != block {
                    return self.fail(SR_PROGRAM_ERROR);
                }
                words.push((offset, value, width as u8));
                match left {
                    1 => WriteState::BufferConfirm { words },
                    _ => WriteState::BufferData { block, left: left - 1, words },
                }
            }
            WriteState::BufferConfirm { words } => {
                if command != 0xd0 {
                    return self.fail(SR_SEQUENCE_ERROR);
                }
                if self.read_only {
                    return self.fail(SR_PROGRAM_ERROR | SR_LOCKED);
                }
                words.iter().for_each(|&(offset, value, width)| self.program(offset, value, width.into()));
                WriteState::Command
            }
        };
    }

    /// One chip's answer at a word of the bank.
    fn lane(&self, word: usize) -> u8 {
        match self.mode {
            ReadMode::Array => unreachable!("array mode reads bytes"),
            ReadMode::Status => self.status,
            ReadMode::Identifier => query::identifier(word & 0xff),
            ReadMode::Query => query::cfi(word & 0xff, self.bytes.len() / 2),
        }
    }
}

impl MmioDevice for CfiFlash {
    fn sizes(&self) -> Sizes {
        Sizes::ANY
    }

    fn read(&mut self, at: Access) -> u64 {
        let (offset, width) = (at.offset as usize, at.size.bytes() as usize);
        if self.mode == ReadMode::Array {
            let mut value = [0; 8];
            value[..width].copy_from_slice(&self.bytes[offset..offset + width]);
            return u64::from_le_bytes(value);
        }
        let answer = |word| u64::from(self.lane(word)) * 0x0001_0001;
        (answer(offset / 4) | answer(offset / 4 + 1) << 32) >> (8 * (offset % 4))
    }

    fn write(&mut self, at: Access, value: u64) {
        let offset = at.offset as usize;
        if at.size == Size::B8 {
            self.write_word(offset, value as u32, 4);
            self.write_word(offset + 4, (value >> 32) as u32, 4);
        } else {
            self.write_word(offset, value as u32, at.size.bytes() as usize);
        }
    }
}

impl Reset for CfiFlash {
    fn reset(&mut self) {
        (self.mode, self.state, self.status) = (ReadMode::Array, WriteState::Command, SR_READY);
    }
}

impl Snapshot for CfiFlash {
    type Saved = SavedCfiFlash;

    fn save(&self) -> SavedCfiFlash {
        let Self { read_only: _, bytes, mode, state, status, changed: _ } = self;
        let blocks = bytes.chunks(BLOCK).enumerate().filter(|(_, block)| block.iter().any(|&byte| byte != 0));
        let blocks = blocks.map(|(n, block)| (n, block.to_vec())).collect();
        SavedCfiFlash { blocks, mode: *mode, state: state.clone(), status: *status }
    }

    fn restore(&mut self, saved: SavedCfiFlash) -> Result<(), RestoreError> {
        let SavedCfiFlash { blocks, mode, state, status } = saved;
        let error = |field| Err(RestoreError { device: "cfi-flash", field });
        if blocks.iter().any(|(n, block)| *n >= self.changed.len() || block.len() != BLOCK) {
            return error("blocks");
        }
        let len = self.bytes.len();
        let most = (WRITE_BUFFER / BANK_WIDTH as usize) as u32;
        let good = |words: &[(usize, u32, u8)]| {
            words.iter().all(|&(offset, _, width)| {
                matches!(width, 1 | 2 | 4) && offset < len && offset.is_multiple_of(width.into())
            })
        };
        let in_range = match &state {
            WriteState::BufferData { left, words, .. } => {
                (1..=most).contains(left) && words.len() as u32 <= most - left && good(words)
            }
            WriteState::BufferConfirm { words } => words.len() as u32 <= most && good(words),
            _ => true,
        };
        if !in_range {
            return error("state");
        }
        let mut bytes = vec![0; len];
        for (n, block) in blocks {
            bytes[n * BLOCK..(n + 1) * BLOCK].copy_from_slice(&block);
        }
        for (n, changed) in self.changed.iter_mut().enumerate() {
            *changed |= bytes[n * BLOCK..(n + 1) * BLOCK] != self.bytes[n * BLOCK..(n + 1) * BLOCK];
        }
        (self.bytes, self.mode, self.state, self.status) = (bytes, mode, state, status);
        Ok(())
    }
}

/// One node for as many adjacent banks of this size as the window holds.
impl FdtNode for CfiFlash {
    fn fdt(&self, w: &mut FdtWriter, base: u64, len: u64, _: Option<u32>) -> Result<(), vm_fdt::Error> {
        let node = w.begin_node(&format!("flash@{base:x}"))?;
        let bank = self.bytes.len() as u64;
        let banks: Vec<u64> = (0..len / bank).flat_map(|n| [base + n * bank, bank]).collect();
        fdt::compatible(w, &["cfi-flash"])?;
        w.property_array_u64("reg", &banks)?;
        w.property_u32("bank-width", BANK_WIDTH)?;
        w.end_node(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::conformance;

    const LEN: usize = 4 * BLOCK;

    fn write(flash: &mut CfiFlash, offset: usize, value: u32) {
        flash.write(Access::new(offset as u64, Size::B4), value.into());
    }

    /// The same command to both chips.
    fn command(flash: &mut CfiFlash, offset: usize, code: u32) {
        write(flash, offset, code << 16 | code);
    }

    fn read(flash: &mut CfiFlash, offset: usize) -> u32 {
        flash.read(Access::new(offset as u64, Size::B4)) as u32
    }

    #[test]
    fn it_conforms() {
        conformance::check(LEN as u64, || CfiFlash::new(LEN, b"image", true));
        conformance::check_but_for(LEN as u64, || CfiFlash::new(LEN, b"", false), |saved| saved.blocks.clear());
    }

    #[test]
    fn at_power_on_it_is_rom() {
        let mut flash = CfiFlash::new(LEN, &[1, 2, 3, 4, 5, 6, 7, 8, 9], false);
        assert_eq!(flash.read(Access::new(0, Size::B8)), 0x0807_0605_0403_0201);
        assert_eq!(flash.read(Access::new(6, Size::B2)) & 0xffff, 0x0807);
        assert_eq!(flash.array().map(<[u8]>::len), Some(LEN));
    }

    #[test]
    fn a_block_is_erased_to_ones_and_a_word_programmed() {
        let mut flash = CfiFlash::new(LEN, &[], false);
        command(&mut flash, BLOCK, 0x20);
        command(&mut flash, BLOCK, 0xd0);
        assert_eq!(read(&mut flash, 0), 0x0080_0080, "status");
        assert!(flash.array().is_none());
        command(&mut flash, BLOCK + 8, 0x40);
        write(&mut flash, BLOCK + 8, 0x1234_5678);
        command(&mut flash, 0, 0xff);
        let around = [0, 4, 8, 12].map(|n| read(&mut flash, BLOCK + n));
        assert_eq!(around, [u32::MAX, u32::MAX, 0x1234_5678, u32::MAX]);
        assert_eq!((read(&mut flash, BLOCK - 4), read(&mut flash, 2 * BLOCK)), (0, 0));
        assert_eq!(flash.take_changed(), [BLOCK]);
        assert_eq!(flash.take_changed(), [0_usize; 0]);
    }

    #[test]
    fn programming_cannot_set_bits() {
        let mut flash = CfiFlash::new(LEN, &[0xf0; 4], false);
        command(&mut flash, 0, 0x10);
        write(&mut flash, 0, 0x3333_3333);
        assert_eq!(flash.bytes()[..4], [0x30; 4]);
    }

    #[test]
    fn a_buffer_is_programmed_on_confirmation() {
        let mut flash = CfiFlash::new(LEN, &[0xff; 64], false);
        command(&mut flash, 0, 0xe8);
        assert_eq!(read(&mut flash, 0) & 0x80, 0x80, "the buffer is available");
        command(&mut flash, 0, 2);
        for n in 0..3 {
            write(&mut flash, 4 * n, n as u32);
        }
        assert_eq!(flash.bytes()[..12], [0xff; 12]);
        command(&mut flash, 0, 0xd0);
        assert_eq!(flash.bytes()[..13], [0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0xff]);
        command(&mut flash, 0, 0x70);
        assert_eq!(read(&mut flash, 0), 0x0080_0080);
    }

    #[test]
    fn broken_sequences_show_in_the_status_until_it_is_cleared() {
        let mut flash = CfiFlash::new(LEN, &[0x55; 16], false);
        command(&mut flash, 0, 0x20);
        command(&mut flash, 0, 0xff);
        assert_eq!(read(&mut flash, 0), 0x00b0_00b0);
        command(&mut flash, 0, 0x50);
        command(&mut flash, 0, 0xe8);
        command(&mut flash, 0, 0xffff);
        assert_eq!(read(&mut flash, 0), 0x00b0_00b0, "longer than the buffer");
        command(&mut flash, 0, 0x50);
        command(&mut flash, 0, 0xe8);
        command(&mut flash, 0, 0);
        write(&mut flash, BLOCK, 0);
        assert_eq!(read(&mut flash, 0), 0x0090_0090, "outside the buffer's range");
        command(&mut flash, 0, 0x50);
        command(&mut flash, 0, 0x70);
        assert_eq!(read(&mut flash, 0), 0x0080_0080);
        assert_eq!(flash.bytes()[..16], [0x55; 16]);
    }

    #[test]
    fn a_read_only_bank_says_that_it_is_locked() {
        let mut flash = CfiFlash::new(LEN, &[0x55; 4], true);
        command(&mut flash, 0, 0x20);
        command(&mut flash, 0, 0xd0);
        assert_eq!(read(&mut flash, 0), 0x00a2_00a2);
        command(&mut flash, 0, 0x50);
        command(&mut flash, 0, 0x40);
        write(&mut flash, 0, 0);
        assert_eq!(read(&mut flash, 0), 0x0092_0092);
        assert_eq!(flash.bytes()[..4], [0x55; 4]);
    }

    #[test]
    fn the_query_describes_the_bank() {
        let mut flash = CfiFlash::new(64 << 20, &[], false);
        command(&mut flash, 0x55 * 4, 0x98);
        let mut byte = |n: usize| read(&mut flash, 4 * n) & 0xff;
        assert_eq!([0x10, 0x11, 0x12].map(&mut byte), b"QRY".map(u32::from));
        assert_eq!([0x13, 0x14].map(&mut byte), [1, 0], "command set 0001");
        assert_eq!(byte(0x27), 25, "32 MiB per chip");
        assert_eq!([0x2c, 0x2d, 0x2e, 0x2f, 0x30].map(&mut byte), [1, 255, 0, 0, 2], "256 blocks of 128 KiB");
        assert_eq!(1 << byte(0x2a), WRITE_BUFFER / 2);
        assert_eq!(read(&mut flash, 0x40), 0x0051_0051);
        command(&mut flash, 0, 0x90);
        assert_eq!([0, 4, 8].map(|n| read(&mut flash, n)), [0x0089_0089, 0x0018_0018, 0]);
    }

    #[test]
    fn a_hostile_snapshot_is_refused() {
        let mut flash = CfiFlash::new(LEN, &[], false);
        let good = flash.save();
        let words = vec![(LEN, 0, 4)];
        let saved = SavedCfiFlash { state: WriteState::BufferConfirm { words }, ..good.clone() };
        assert_eq!(flash.restore(saved).unwrap_err().field, "state");
        let saved = SavedCfiFlash { blocks: vec![(4, vec![0; BLOCK])], ..good };
        assert_eq!(flash.restore(saved).unwrap_err().field, "blocks");
    }
}
