//! The identification registers at the end of every Arm PrimeCell's 4 KiB window (for example DDI 0183G, 3.3.15).

/// Reads a word of PeriphID0–3 (0xFE0) or PCellID0–3 (0xFF0): bits 11:0 of the ID are the part, 23:20 its revision.
pub(crate) fn identification(part: u32, revision: u32, offset: u64) -> Option<u32> {
    let peripheral_id = revision << 20 | 0x41 << 12 | part;
    let word = match offset {
        0xfe0..0xff0 => peripheral_id,
        0xff0..0x1000 => 0xb105_f00d,
        _ => return None,
    };
    offset.is_multiple_of(4).then_some(word >> (8 * (offset / 4 % 4)) & 0xff)
}
