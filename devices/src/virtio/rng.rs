//! Virtio entropy device (5.4).
//!
//! A request is answered with at most 64 KiB, which the specification allows; drivers ask again for more.

use std::io::Write;

use super::{Broken, Queues, VirtioDevice};
use crate::bus::{RestoreError, Snapshot};

const AT_ONCE: u64 = 64 << 10;

/// Fills a buffer with random bytes.
type Source = dyn FnMut(&mut [u8]) + Send;

/// Random bytes for the guest, from a source that fills a buffer.
pub struct Entropy {
    source: Box<Source>,
}

impl Entropy {
    /// A device over this source.
    pub fn new(source: impl FnMut(&mut [u8]) + Send + 'static) -> Self {
        Self { source: Box::new(source) }
    }
}

impl VirtioDevice for Entropy {
    fn device_id(&self) -> u32 {
        4
    }

    fn queue_sizes(&self) -> &[u16] {
        &[8]
    }

    fn features(&self) -> u64 {
        0
    }

    fn config_read(&self, _: usize, _: &mut [u8]) {}

    fn notify(&mut self, index: usize, queues: &mut Queues) -> Result<(), Broken> {
        while let Some(chain) = queues.pop(index)? {
            let mut bytes = vec![0; chain.writable_len().min(AT_ONCE) as usize];
            (self.source)(&mut bytes);
            let mut writer = chain.writer();
            writer.write_all(&bytes).map_err(|e| Broken(e.to_string()))?;
            queues.push(index, chain.head(), writer.written())?;
        }
        Ok(())
    }

    fn reset(&mut self) {}
}

impl Snapshot for Entropy {
    type Saved = ();

    fn save(&self) {
        let Self { source: _ } = self;
    }

    fn restore(&mut self, (): ()) -> Result<(), RestoreError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtio::driver::{Buf, Driver};
    use crate::virtio::mmio::WINDOW;

    fn counting() -> Driver<Entropy> {
        let mut next = 0u8;
        let mut d = Driver::new(Entropy::new(move |bytes| {
            bytes.fill_with(|| {
                next = next.wrapping_add(1);
                next
            });
        }));
        d.size = 8;
        d.start(0);
        d
    }

    #[test]
    fn every_byte_comes_from_the_source_once() {
        let mut d = counting();
        assert_eq!(d.ask(0, &[Buf::In(3), Buf::In(2)]), [1, 2, 3, 4, 5]);
        assert_eq!(d.ask(0, &[Buf::In(1)]), [6]);
    }

    #[test]
    fn a_huge_request_is_answered_in_part_and_an_empty_one_with_nothing() {
        let mut d = counting();
        assert_eq!(d.ask(0, &[Buf::In(1 << 20)]).len(), 64 << 10);
        assert_eq!(d.ask(0, &[Buf::Out(b"?")]).len(), 0);
    }

    #[test]
    fn it_is_a_device_like_others() {
        crate::bus::conformance::check(WINDOW, || Driver::new(Entropy::new(|bytes| bytes.fill(4))).mmio);
    }

    #[test]
    fn a_hostile_guest_breaks_only_its_device() {
        crate::virtio::hostile::survives(|| Entropy::new(|bytes| bytes.fill(4)));
    }
}
