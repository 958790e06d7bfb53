//! A disk whose host has no room for it waits until there is some: the guest's request takes long, and does not fail.
//!
//! The CPU that made the request waits with it, and so soon does the phone. Ending the phone meanwhile works as ever.

use std::io::ErrorKind;
use std::time::Duration;

use devices::bus::{BlockError, BlockStore};

/// Between two attempts.
const PAUSE: Duration = Duration::from_secs(1);

/// A disk that waits for room.
pub struct Patient {
    store: Box<dyn BlockStore>,
    name: String,
    pause: Duration,
}

impl Patient {
    /// Waits for `store`, whose name people know.
    pub fn new(store: Box<dyn BlockStore>, name: String) -> Self {
        Self { store, name, pause: PAUSE }
    }

    fn insist(
        &mut self,
        mut attempt: impl FnMut(&mut dyn BlockStore) -> Result<(), BlockError>,
    ) -> Result<(), BlockError> {
        let mut waited = false;
        loop {
            match attempt(&mut *self.store) {
                Err(BlockError::Io(why)) if matches!(why.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
                    if !std::mem::replace(&mut waited, true) {
                        eprintln!(
                            "handset: {}: the host has no room for it; the phone waits until there is some",
                            self.name
                        );
                    }
                    std::thread::sleep(self.pause);
                }
                result => {
                    if waited {
                        eprintln!("handset: {}: the phone goes on", self.name);
                    }
                    return result;
                }
            }
        }
    }
}

impl BlockStore for Patient {
    fn len(&self) -> u64 {
        self.store.len()
    }

    fn read_only(&self) -> bool {
        self.store.read_only()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
        self.store.read_at(offset, buf)
    }

    fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), BlockError> {
        self.insist(|store| store.write_at(offset, buf))
    }

    fn flush(&mut self) -> Result<(), BlockError> {
        self.insist(|store| store.flush())
    }

    fn discard(&mut self, offset: u64, len: u64) -> Result<(), BlockError> {
        self.insist(|store| store.discard(offset, len))
    }

    fn write_zeroes(&mut self, offset: u64, len: u64) -> Result<(), BlockError> {
        self.insist(|store| store.write_zeroes(offset, len))
    }
}

#[cfg(test)]
mod tests {
    use devices::bus::MemoryStore;

    use super::*;

    /// Refuses so many writes, each for a reason, before it takes one.
    struct Full(MemoryStore, Vec<ErrorKind>);

    impl BlockStore for Full {
        fn len(&self) -> u64 {
            self.0.len()
        }
        fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), BlockError> {
            self.0.read_at(offset, buf)
        }
        fn write_at(&mut self, offset: u64, buf: &[u8]) -> Result<(), BlockError> {
            self.1.pop().map_or(Ok(()), |kind| Err(BlockError::Io(kind.into())))?;
            self.0.write_at(offset, buf)
        }
        fn flush(&mut self) -> Result<(), BlockError> {
            self.1.pop().map_or(Ok(()), |kind| Err(BlockError::Io(kind.into())))
        }
        fn discard(&mut self, offset: u64, len: u64) -> Result<(), BlockError> {
            self.0.discard(offset, len)
        }
        fn write_zeroes(&mut self, offset: u64, len: u64) -> Result<(), BlockError> {
            self.0.write_zeroes(offset, len)
        }
    }

    fn patient(refusals: &[ErrorKind]) -> Patient {
        let store = Full(MemoryStore(vec![0; 4096]), refusals.to_vec());
        Patient { store: Box::new(store), name: "test".into(), pause: Duration::from_millis(1) }
    }

    #[test]
    fn a_write_waits_until_the_host_has_room() {
        let mut disk = patient(&[ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::StorageFull]);
        disk.write_at(512, &[7; 512]).unwrap();
        let mut read = [0; 512];
        disk.read_at(512, &mut read).unwrap();
        assert_eq!(read, [7; 512]);
        patient(&[ErrorKind::StorageFull; 3]).flush().unwrap();
    }

    #[test]
    fn other_errors_are_the_guests_at_once() {
        let mut disk = patient(&[ErrorKind::PermissionDenied, ErrorKind::StorageFull]);
        assert!(disk.write_at(0, &[1; 512]).is_err(), "after a wait");
        disk.write_at(0, &[1; 512]).unwrap();
        assert!(disk.write_at(4096, &[1]).is_err());
    }
}
