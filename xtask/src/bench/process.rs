//! What an emulator takes of the host: CPU time, and memory beside what the guest has touched of its RAM (Linux: proc(5)).
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

/// The seconds of CPU time that a process has used, in all its threads.
pub fn cpu_seconds(process: u32) -> Result<f64> {
    let path = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    Ok(read_cpu_seconds(&text))
}

fn read_cpu_seconds(stat: &str) -> f64 {
    // The second field, the name, is in parentheses and may hold anything; utime and stime are the 14th and 15th.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u32 = after_name.split_whitespace().skip(11).take(2).filter_map(|n| n.parse::<u32>().ok()).sum();
    // Linux counts them in hundredths for programs, whatever its own tick is.
    f64::from(ticks) / 100.0
}

/// The memory of a process that runs a guest with so much RAM.
pub fn memory(process: u32, guest_ram_mib: u64) -> Result<Memory> {
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
    fn a_name_of_any_kind_does_not_shift_the_times() {
        let stat = "7 (a) b (c) R 1 2 3 0 -1 4194304 10 11 12 13 150 50 99 98 20 0 2 0 5 6 7";
        assert_eq!(read_cpu_seconds(stat), 2.0);
    }

    #[test]
    fn the_guests_ram_is_told_from_the_rest_by_its_size() {
        let smaps = "7f0000000000-7f0040000000 rw-p 00000000 00:00 0\nSize: 1048576 kB\nRss: 5000 kB\nPss: 5000 kB\n\
                     7f0050000000-7f0050100000 r-xs 00000000 00:01 9 /memfd:code (deleted)\nRss: 100 kB\nPss: 50 kB\n\
                     7f0060000000-7f0060100000 rw-s 00000000 00:01 9 /memfd:code (deleted)\nRss: 100 kB\nPss: 50 kB\n";
        assert_eq!(read(smaps, 1 << 30), Memory { guest: 5000, other: 200, other_shared_once: 100 });
        assert_eq!(read(smaps, 2 << 30).guest, 0);
    }
}
