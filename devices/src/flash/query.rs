//! What a chip says of itself: identifier codes and the CFI query table (JESD68.01, 2; P30 data sheet, appendix).

/// Manufacturer, device and the lock status of a block, by word in the block.
pub(super) fn identifier(word: usize) -> u8 {
    match word {
        0 => 0x89,
        1 => 0x18,
        _ => 0,
    }
}

/// The extended query table's place.
const PRI: usize = 0x31;

/// A byte of the query table of a chip of `len` bytes.
pub(super) fn cfi(word: usize, len: usize) -> u8 {
    let block = super::cfi::BLOCK / 2;
    let last_block = (len / block - 1).to_le_bytes();
    let block_units = (block / 256).to_le_bytes();
    match word {
        0x10 => b'Q',
        0x11 => b'R',
        0x12 => b'Y',
        // Primary command set and its table.
        0x13 => 0x01,
        0x15 => PRI as u8,
        // Vcc from 1.7 to 2.0 V; no Vpp.
        0x1b => 0x17,
        0x1c => 0x20,
        // Typical times, as powers of two: word and buffer in µs, block erase in ms.
        0x1f | 0x20 => 0x07,
        0x21 => 0x0a,
        // The longest times as powers of two of the typical ones.
        0x23..=0x25 => 0x04,
        0x27 => len.trailing_zeros() as u8,
        // 16 bits wide.
        0x28 => 0x01,
        0x2a => (super::cfi::WRITE_BUFFER / 2).trailing_zeros() as u8,
        // One region of equal blocks.
        0x2c => 1,
        0x2d => last_block[0],
        0x2e => last_block[1],
        0x2f => block_units[0],
        0x30 => block_units[1],
        // Version 1.0, no optional features.
        0x31 => b'P',
        0x32 => b'R',
        0x33 => b'I',
        0x34 => b'1',
        0x35 => b'0',
        _ => 0,
    }
}
