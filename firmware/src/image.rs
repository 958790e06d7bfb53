//! The arm64 Linux `Image` header: 64 bytes that let any loader for Linux place and start a program.
//!
//! Spec: Linux `Documentation/arch/arm64/booting.rst`, section 4. Leaves out the PE/COFF header.

/// Where the header asks to be placed, counted from the base of RAM.
pub const TEXT_OFFSET: u64 = 0x20_0000;
/// The base of RAM on the board.
pub const RAM: u64 = 0x4000_0000;
/// The memory that a program may use, its own image included.
pub const IMAGE_SIZE: u64 = 0x3e0_0000;
/// Length of the header.
pub const HEADER_LEN: usize = 64;

/// Little-endian, 4 KiB pages, placed near the base of RAM (the programs' scratch memory has fixed addresses).
const FLAGS: u64 = 1 << 1;

/// The header, whose first instruction branches to the byte after it.
pub(crate) fn header() -> [u8; HEADER_LEN] {
    let mut header = [0; HEADER_LEN];
    let branch = 0x1400_0000 | (HEADER_LEN as u32 / 4);
    header[0..4].copy_from_slice(&branch.to_le_bytes());
    header[8..16].copy_from_slice(&TEXT_OFFSET.to_le_bytes());
    header[16..24].copy_from_slice(&IMAGE_SIZE.to_le_bytes());
    header[24..32].copy_from_slice(&FLAGS.to_le_bytes());
    header[56..60].copy_from_slice(b"ARM\x64");
    header
}
