//! What the host has for every machine: the time of day and random bytes.

use std::time::{SystemTime, UNIX_EPOCH};

use devices::bus::WallClock;
use rustix::rand::{GetRandomFlags, getrandom};

/// The host's clock.
#[derive(Debug)]
pub struct Wall;

impl WallClock for Wall {
    fn unix_seconds(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

/// Fills a buffer from the kernel's random generator.
pub fn entropy(mut buffer: &mut [u8]) {
    while !buffer.is_empty() {
        match getrandom(&mut *buffer, GetRandomFlags::empty()) {
            Ok(count) => buffer = &mut buffer[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(why) => panic!("the host has no random bytes: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn entropy_fills_the_whole_buffer() {
        let mut buffer = vec![0; 1 << 20];
        super::entropy(&mut buffer);
        assert!(buffer.chunks(64).all(|piece| piece.iter().any(|&byte| byte != 0)));
    }
}
