//! Virtio 1.2 devices (OASIS virtio-v1.2-csd01), apart from how they are reached.
//!
//! A device is a [`VirtioDevice`]; a transport ([`mmio`]) owns it together with its [`Queues`], speaks the register
//! protocol, and calls it. Rings, descriptors and requests live in hostile memory: [`Queues::pop`] copies a chain's
//! descriptors once and checks the copy, so a [`Chain`] that a device holds is finite and lies in RAM.
//!
//! Left out: packed rings (2.8), per-queue reset (2.6.1), shared memory regions (2.10).

pub mod blk;
mod chain;
pub mod console;
#[cfg(test)]
mod driver;
mod endpoint;
pub mod gpu;
#[cfg(test)]
mod hostile;
pub mod input;
pub mod mmio;
pub mod net;
mod queues;
pub mod rng;

pub use chain::{Chain, Reader, Writer};
pub use queues::Queues;

use crate::bus::{Nanos, Part, RestoreError, Snapshot};

/// The driver broke the protocol: the transport sets DEVICE_NEEDS_RESET (2.1.2) and stops the queues.
#[derive(Debug, thiserror::Error)]
#[error("the driver broke the virtio protocol: {0}")]
pub struct Broken(pub String);

/// One virtio device behind a transport. All calls come with the device's lock held and must not block for long.
///
/// A device that is also [`Snapshot`] is restored before [`VirtioDevice::activate`] is called anew;
/// it must not hold chains when it is saved.
///
/// The used-buffer interrupt is decided once after each call that gets [`Queues`], for all chains pushed in it.
pub trait VirtioDevice: Send {
    /// Device ID (section 5).
    fn device_id(&self) -> u32;

    /// The largest size of each queue: powers of two up to 32768.
    fn queue_sizes(&self) -> &[u16];

    /// Feature bits that the device offers beside those of the transport (VERSION_1, EVENT_IDX, INDIRECT_DESC).
    fn features(&self) -> u64;

    /// The driver has set DRIVER_OK with these features, a subset of those offered.
    fn activate(&mut self, features: u64) {
        let _ = features;
    }

    /// Reads device configuration space; bytes past its end stay as they are, zero.
    fn config_read(&self, offset: usize, data: &mut [u8]);

    /// Writes device configuration space; read-only fields ignore it.
    fn config_write(&mut self, offset: usize, data: &[u8]) {
        let _ = (offset, data);
    }

    /// The driver has notified a queue: serve what is in it.
    ///
    /// Loop on [`Queues::pop`] until it yields nothing. It also yields nothing when the work of one call is used up;
    /// the transport then calls again soon.
    ///
    /// # Errors
    /// [`Broken`] latches NEEDS_RESET; an I/O error is a status in the request, not this.
    fn notify(&mut self, index: usize, queues: &mut Queues) -> Result<(), Broken>;

    /// The device's waker was woken, or the instant it last returned has come: serve what the host has for the guest.
    ///
    /// # Errors
    /// As [`VirtioDevice::notify`].
    fn poll(&mut self, now: Nanos, queues: &mut Queues) -> Result<Option<Nanos>, Broken> {
        let _ = (now, queues);
        Ok(None)
    }

    /// Chains of a queue that were taken and not pushed yet. A device that is saved has them back in the queue.
    fn held(&self, index: usize) -> u16 {
        let _ = index;
        0
    }

    /// Status 0 was written: forget all guest state. Chains that are still held are gone; pushing them does nothing.
    fn reset(&mut self);
}

/// A device that can be saved, behind a pointer.
pub trait SavedDevice: VirtioDevice + Part {}

impl<T: VirtioDevice + Part> SavedDevice for T {}

impl Snapshot for Box<dyn SavedDevice> {
    type Saved = Vec<u8>;

    fn save(&self) -> Vec<u8> {
        (**self).save_bytes()
    }

    fn restore(&mut self, saved: Vec<u8>) -> Result<(), RestoreError> {
        (**self).restore_bytes(&saved)
    }
}

impl<D: VirtioDevice + ?Sized> VirtioDevice for Box<D> {
    fn held(&self, index: usize) -> u16 {
        (**self).held(index)
    }
    fn device_id(&self) -> u32 {
        (**self).device_id()
    }
    fn queue_sizes(&self) -> &[u16] {
        (**self).queue_sizes()
    }
    fn features(&self) -> u64 {
        (**self).features()
    }
    fn activate(&mut self, features: u64) {
        (**self).activate(features);
    }
    fn config_read(&self, offset: usize, data: &mut [u8]) {
        (**self).config_read(offset, data);
    }
    fn config_write(&mut self, offset: usize, data: &[u8]) {
        (**self).config_write(offset, data);
    }
    fn notify(&mut self, index: usize, queues: &mut Queues) -> Result<(), Broken> {
        (**self).notify(index, queues)
    }
    fn poll(&mut self, now: Nanos, queues: &mut Queues) -> Result<Option<Nanos>, Broken> {
        (**self).poll(now, queues)
    }
    fn reset(&mut self) {
        (**self).reset();
    }
}

/// Copies the part of a configuration structure that an access covers; what lies past its end is left alone.
pub fn read_config(config: &[u8], offset: usize, data: &mut [u8]) {
    let part = config.get(offset..).unwrap_or_default();
    let len = part.len().min(data.len());
    data[..len].copy_from_slice(&part[..len]);
}
