//! The virtqueues of one device, of the split kind (2.7), over the ring arithmetic of `virtio_queue`.
//!
//! Interrupts and the work of one call are settled here, so that no device has to think of EVENT_IDX, of a driver that
//! refills the ring as fast as it is served, or of requests as large as memory.

use std::sync::atomic::Ordering;

use virtio_queue::{Queue, QueueOwnedT, QueueT};
use vm_memory::{Bytes, GuestAddress};

use super::{Broken, Chain};
use crate::bus::{GuestRam, Pa};

/// Bytes (see [`Chain::cost`]) after which one call has done enough.
const BYTES_PER_CALL: u64 = 64 << 20;
/// VIRTQ_AVAIL_F_NO_INTERRUPT.
const NO_INTERRUPT: u16 = 1;

#[derive(Debug)]
struct Slot {
    queue: Queue,
    /// Chains were given back since the last [`Queues::settle`].
    used: bool,
    /// Chains wait although `pop` yielded nothing, because the call's budget was spent.
    deferred: bool,
    chains_left: u16,
}

/// The virtqueues of one device, their guest memory, and what the driver is to be told.
#[derive(Debug)]
pub struct Queues {
    slots: Vec<Slot>,
    ram: GuestRam,
    running: bool,
    config_changed: bool,
    bytes_left: u64,
    /// The queue from which [`Queues::take_deferred`] looks on.
    turn: usize,
}

fn broken(index: usize) -> impl Fn(virtio_queue::Error) -> Broken {
    move |e| Broken(format!("queue {index}: {e}"))
}

impl Queues {
    pub(super) fn new(sizes: &[u16], ram: GuestRam) -> Self {
        let slot = |&size: &u16| Slot {
            queue: Queue::new(size).expect("a device's queue sizes are powers of two"),
            used: false,
            deferred: false,
            chains_left: 0,
        };
        let slots = sizes.iter().map(slot).collect();
        Self { slots, ram, running: false, config_changed: false, bytes_left: 0, turn: 0 }
    }

    /// Where rings and buffers are.
    #[must_use]
    pub fn ram(&self) -> &GuestRam {
        &self.ram
    }

    /// Whether the driver has set this queue up and DRIVER_OK, and nothing is broken.
    #[must_use]
    pub fn ready(&self, index: usize) -> bool {
        self.running && self.slots.get(index).is_some_and(|s| s.queue.ready())
    }

    /// Whether a chain waits in this queue.
    #[must_use]
    pub fn waiting(&self, index: usize) -> bool {
        self.ready(index) && {
            let queue = &self.slots[index].queue;
            queue.avail_idx(self.ram.memory(), Ordering::Acquire).is_ok_and(|idx| idx.0 != queue.next_avail())
        }
    }

    /// Takes the next chain that the driver made available, if any.
    ///
    /// Yields nothing from a queue that is not set up, and when the work of one call is used up (the transport then
    /// calls [`VirtioDevice::notify`](super::VirtioDevice::notify) again soon).
    ///
    /// # Errors
    /// [`Broken`] when ring or chain cannot be what a driver wrote in good faith.
    pub fn pop(&mut self, index: usize) -> Result<Option<Chain>, Broken> {
        if !self.ready(index) {
            return Ok(None);
        }
        let memory = self.ram.memory();
        let slot = &mut self.slots[index];
        loop {
            if slot.chains_left == 0 || self.bytes_left == 0 {
                let idx = slot.queue.avail_idx(memory, Ordering::Acquire).map_err(broken(index))?;
                slot.deferred = idx.0 != slot.queue.next_avail();
                if slot.deferred || !slot.queue.enable_notification(memory).map_err(broken(index))? {
                    return Ok(None);
                }
                continue;
            }
            let head = slot.queue.iter(memory).map_err(broken(index))?.next().map(|chain| chain.head_index());
            if let Some(head) = head {
                let chain = Chain::copy(&self.ram, Pa(slot.queue.desc_table()), slot.queue.size(), head)
                    .map_err(|Broken(why)| Broken(format!("queue {index}: {why}")))?;
                slot.chains_left -= 1;
                self.bytes_left = self.bytes_left.saturating_sub(chain.cost());
                return Ok(Some(chain));
            }
            if !slot.queue.enable_notification(memory).map_err(broken(index))? {
                return Ok(None);
            }
            // A chain that came in the meantime would not be notified of again.
            slot.chains_left -= 1;
        }
    }

    /// Gives a chain back with `written` bytes in its device-writable part.
    ///
    /// Does nothing when the queue was reset while the device held the chain.
    ///
    /// # Errors
    /// [`Broken`] when the used ring is not in RAM.
    pub fn push(&mut self, index: usize, head: u16, written: u32) -> Result<(), Broken> {
        if self.ready(index) {
            let slot = &mut self.slots[index];
            slot.queue.add_used(self.ram.memory(), head, written).map_err(broken(index))?;
            slot.used = true;
        }
        Ok(())
    }

    /// Counts work of so many bytes against this call, beside that of the buffers themselves.
    pub fn charge(&mut self, bytes: u64) {
        self.bytes_left = self.bytes_left.saturating_sub(bytes);
    }

    /// Tells the driver that the configuration space has changed (2.5).
    pub fn config_changed(&mut self) {
        self.config_changed = true;
    }

    pub(super) fn queue(&mut self, index: usize) -> Option<&mut Queue> {
        self.slots.get_mut(index).map(|s| &mut s.queue)
    }

    /// DRIVER_OK is set.
    pub(super) fn run(&mut self, running: bool) {
        self.running = running;
    }

    /// Something is broken: nothing moves until a reset.
    pub(super) fn stop(&mut self) {
        self.running = false;
        self.slots.iter_mut().for_each(|s| (s.used, s.deferred) = (false, false));
    }

    pub(super) fn set_event_idx(&mut self, on: bool) {
        self.slots.iter_mut().for_each(|s| s.queue.set_event_idx(on));
    }

    pub(super) fn reset(&mut self) {
        (self.running, self.config_changed) = (false, false);
        for slot in &mut self.slots {
            slot.queue.reset();
            (slot.used, slot.deferred) = (false, false);
        }
    }

    /// Grants the work of one call.
    pub(super) fn grant(&mut self) {
        self.bytes_left = BYTES_PER_CALL;
        for slot in &mut self.slots {
            slot.chains_left = slot.queue.size();
        }
    }

    /// Takes the next queue whose work was cut short, in turn.
    pub(super) fn take_deferred(&mut self) -> Option<usize> {
        let count = self.slots.len();
        let index = (0..count).map(|i| (self.turn + i) % count).find(|&i| self.slots[i].deferred)?;
        self.slots[index].deferred = false;
        self.turn = index + 1;
        Some(index)
    }

    /// How far a ready queue is in its available and used rings.
    pub(super) fn progress(&self, index: usize) -> Option<(u16, u16)> {
        let queue = &self.slots.get(index)?.queue;
        queue.ready().then(|| (queue.next_avail(), queue.next_used()))
    }

    /// Has every queue in which a chain waits served by the next poll.
    pub(super) fn defer_waiting(&mut self) {
        for index in 0..self.slots.len() {
            self.slots[index].deferred = self.waiting(index);
        }
    }

    pub(super) fn any_deferred(&self) -> bool {
        self.slots.iter().any(|s| s.deferred)
    }

    pub(super) fn take_config_changed(&mut self) -> bool {
        std::mem::take(&mut self.config_changed)
    }

    /// Whether the driver wants an interrupt for what was pushed since the last call (2.7.7).
    pub(super) fn settle(&mut self) -> Result<bool, Broken> {
        let memory = self.ram.memory();
        let mut interrupt = false;
        for (index, slot) in self.slots.iter_mut().enumerate().filter(|(_, s)| s.used) {
            slot.used = false;
            let wanted = slot.queue.needs_notification(memory).map_err(broken(index))?;
            // `virtio_queue` knows used_event only.
            let flags: u16 = if slot.queue.event_idx_enabled() {
                0
            } else {
                let flags = memory.load(GuestAddress(slot.queue.avail_ring()), Ordering::Relaxed);
                u16::from_le(flags.map_err(|e| Broken(format!("queue {index}: {e}")))?)
            };
            interrupt |= wanted && flags & NO_INTERRUPT == 0;
        }
        Ok(interrupt)
    }
}
