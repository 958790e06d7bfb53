//! Virtio 1.2 devices (OASIS virtio-v1.2-csd01), apart from how they are reached.
//!
//! A device is a [`VirtioDevice`]; a transport (`mmio`) owns it together with its [`Queues`], speaks the register
//! protocol, and calls it. Rings, descriptors and requests live in hostile memory: copy once, then check the copy.

use virtio_queue::{DescriptorChain, Queue, QueueOwnedT, QueueT};
use vm_memory::GuestMemoryMmap;

use crate::bus::ram::CodeTracker;
use crate::bus::{GuestRam, Nanos};

/// Guest memory as the virtio crates take it.
pub type Memory = GuestMemoryMmap<CodeTracker>;

/// A descriptor chain in guest memory; `Reader`/`Writer` of `virtio_queue` walk it.
pub type Chain<'m> = DescriptorChain<&'m Memory>;

/// The driver broke the protocol: the transport sets DEVICE_NEEDS_RESET (2.1.2) and stops the queues.
#[derive(Debug, thiserror::Error)]
#[error("the driver broke the virtio protocol: {0}")]
pub struct Broken(pub String);

/// The virtqueues of one device, their guest memory, and which of them want an interrupt.
#[derive(Debug)]
pub struct Queues {
    /// The queues, by index.
    pub queues: Vec<Queue>,
    /// Where rings and buffers are.
    pub ram: GuestRam,
    pub(crate) interrupt: bool,
    pub(crate) config_changed: bool,
}

impl Queues {
    /// Takes the next chain that the driver made available, if any.
    ///
    /// # Errors
    /// [`Broken`] when the ring cannot be what a driver wrote in good faith.
    pub fn pop(&mut self, index: usize) -> Result<Option<Chain<'_>>, Broken> {
        let queue = self.queues.get_mut(index).ok_or_else(|| Broken(format!("queue {index} does not exist")))?;
        if !queue.ready() {
            return Ok(None);
        }
        let mut chains = queue.iter(self.ram.memory()).map_err(|e| Broken(format!("queue {index}: {e}")))?;
        Ok(chains.next())
    }

    /// Gives a chain back with `written` bytes in its device-writable part, and interrupts the driver if it asked for that.
    ///
    /// # Errors
    /// [`Broken`] when the used ring is not in RAM.
    pub fn push(&mut self, index: usize, head: u16, written: u32) -> Result<(), Broken> {
        let queue = self.queues.get_mut(index).ok_or_else(|| Broken(format!("queue {index} does not exist")))?;
        let memory = self.ram.memory();
        queue.add_used(memory, head, written).map_err(|e| Broken(format!("queue {index}: {e}")))?;
        let wanted = queue.needs_notification(memory).map_err(|e| Broken(format!("queue {index}: {e}")))?;
        self.interrupt |= wanted;
        Ok(())
    }

    /// Tells the driver that the configuration space has changed (2.5).
    pub fn config_changed(&mut self) {
        self.config_changed = true;
    }
}

/// One virtio device behind a transport. All calls come with the device's lock held and must not block for long.
pub trait VirtioDevice: Send {
    /// Device ID (section 5).
    fn device_id(&self) -> u32;

    /// The largest size of each queue.
    fn queue_sizes(&self) -> &[u16];

    /// Feature bits that the device offers beside those of the transport (VERSION_1, EVENT_IDX, INDIRECT_DESC).
    fn features(&self) -> u64;

    /// The driver has set DRIVER_OK with these features.
    fn activate(&mut self, features: u64) {
        let _ = features;
    }

    /// Reads device configuration space; bytes past its end read as zero.
    fn config_read(&self, offset: usize, data: &mut [u8]);

    /// Writes device configuration space; read-only fields ignore it.
    fn config_write(&mut self, offset: usize, data: &[u8]) {
        let _ = (offset, data);
    }

    /// The driver has notified a queue: serve what is in it.
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

    /// Status 0 was written: forget all guest state.
    fn reset(&mut self);
}
