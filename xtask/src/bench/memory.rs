//! How much of the host's memory an emulator holds, beside what the guest has touched of its RAM (Linux: proc(5), smaps).
//!
//! Left out: what the kernel holds on the emulator's behalf, such as the page cache of its disks.

use anyhow::{Context, Result};
use std::fs;

/// Memory of one process, in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Resident pages of the guest's RAM.
    pub guest: u64,
    /// All other resident pages, by mapping: a page that is mapped twice counts twice, as in VmRSS.
    pub other: u64,
    /// The same, a page shared by n mappings counting 1/n in each.
    pub other_shared_once: u64,
}

/// Looks at a process that runs a guest with so much RAM.
pub fn of(process: u32, guest_ram_mib: u64) -> Result<Memory> {
    let path = format!("/proc/{process}/smaps");
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    Ok(read(&text, guest_ram_mib << 20))
}

/// The guest's RAM is the mapping, or the mappings, at least as large as it.
fn read(smaps: &str, guest_ram: u64) -> Memory {
    let mut memory = Memory::default();
    let mut is_guest = false;
    for line in smaps.lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        let mut value = || words.next().and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        match first {
            "Rss:" if is_guest => memory.guest += value(),
            "Rss:" => memory.other += value(),
            "Pss:" if !is_guest => memory.other_shared_once += value(),
            _ => {
                let range = first.split_once('-').map(|(from, to)| (hex(from), hex(to)));
                if let Some((Some(from), Some(to))) = range {
                    is_guest = to - from >= guest_ram;
                }
            }
        }
    }
    memory
}

fn hex(digits: &str) -> Option<u64> {
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guests_ram_is_told_from_the_rest_by_its_size() {
        let smaps = "7f0000000000-7f0040000000 rw-p 00000000 00:00 0\nSize: 1048576 kB\nRss: 5000 kB\nPss: 5000 kB\n\
                     7f0050000000-7f0050100000 r-xs 00000000 00:01 9 /memfd:code (deleted)\nRss: 100 kB\nPss: 50 kB\n\
                     7f0060000000-7f0060100000 rw-s 00000000 00:01 9 /memfd:code (deleted)\nRss: 100 kB\nPss: 50 kB\n";
        assert_eq!(read(smaps, 1 << 30), Memory { guest: 5000, other: 200, other_shared_once: 100 });
        assert_eq!(read(smaps, 2 << 30).guest, 0);
    }
}
