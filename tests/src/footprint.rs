//! What an emulator holds of the host's memory, beside the guest's RAM (Linux: proc(5), smaps).

/// KiB resident in a process, without the mappings at least as large as the guest's RAM. A page that is mapped twice
/// counts once.
pub fn beside_guest_ram(process: u32, guest_ram: u64) -> u64 {
    let path = format!("/proc/{process}/smaps");
    read(&std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("read {path}: {e}")), guest_ram)
}

fn read(smaps: &str, guest_ram: u64) -> u64 {
    let hex = |digits: &str| u64::from_str_radix(digits, 16).ok();
    let (mut total, mut is_guest) = (0, false);
    for line in smaps.lines() {
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        if let Some((Some(from), Some(to))) = first.split_once('-').map(|(from, to)| (hex(from), hex(to))) {
            is_guest = to - from >= guest_ram;
        } else if first == "Pss:" && !is_guest {
            total += words.next().and_then(|n| n.parse::<u64>().ok()).expect("a number of KiB");
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_the_guests_ram_counts() {
        let smaps = "7f0000000000-7f0040000000 rw-p 00000000 00:00 0\nSize: 1048576 kB\nRss: 5000 kB\nPss: 5000 kB\n\
                     7f0050000000-7f0050100000 r-xs 00000000 00:01 9 /memfd:code (deleted)\nRss: 100 kB\nPss: 50 kB\n\
                     7f0060000000-7f0060100000 rw-s 00000000 00:01 9 /memfd:code (deleted)\nRss: 100 kB\nPss: 50 kB\n";
        assert_eq!(read(smaps, 1 << 30), 100);
        assert_eq!(read(smaps, 2 << 30), 5100);
    }
}
