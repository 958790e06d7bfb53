//! The last of what a phone has said on its serial port, for whoever asks later.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use devices::bus::ByteSink;

/// Bytes that are kept.
const KEPT: usize = 1 << 20;

/// The last bytes, and the count of those before.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<(VecDeque<u8>, u64)>>);

impl Log {
    /// Bytes from the given one on, counted since the start, or from the first that is kept; the number of the first.
    pub fn read(&self, from: u64) -> (u64, Vec<u8>) {
        let kept = self.0.lock().expect("nobody panics with the log's lock");
        let (bytes, before) = &*kept;
        let start = from.clamp(*before, before + bytes.len() as u64);
        (start, bytes.iter().skip((start - before) as usize).copied().collect())
    }

    fn add(&self, new: &[u8]) {
        let mut kept = self.0.lock().expect("nobody panics with the log's lock");
        let (bytes, before) = &mut *kept;
        bytes.extend(new);
        let surplus = bytes.len().saturating_sub(KEPT);
        bytes.drain(..surplus);
        *before += surplus as u64;
    }

    /// A sink that keeps what goes on to another.
    pub fn tap(&self, on: Box<dyn ByteSink>) -> Box<dyn ByteSink> {
        Box::new(Tap { log: self.clone(), on })
    }
}

struct Tap {
    log: Log,
    on: Box<dyn ByteSink>,
}

impl ByteSink for Tap {
    fn put(&mut self, bytes: &[u8]) {
        self.log.add(bytes);
        self.on.put(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_are_kept_and_counted_since_the_start() {
        let log = Log::default();
        log.add(b"first ");
        assert_eq!(log.read(0), (0, b"first ".to_vec()));
        assert_eq!(log.read(3), (3, b"st ".to_vec()));
        assert_eq!(log.read(100), (6, vec![]));
        log.add(&vec![b'x'; KEPT]);
        log.add(b"last");
        let (start, bytes) = log.read(0);
        assert_eq!((start, bytes.len()), (10, KEPT));
        assert!(bytes.ends_with(b"xlast"));
        assert_eq!(log.read(start + KEPT as u64 - 4).1, b"last");
    }
}
