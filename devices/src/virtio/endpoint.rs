//! A device with its queues and the driver's negotiation: what every transport has in common (2.1, 2.2, 3.1).

use serde::{Deserialize, Serialize};
use virtio_queue::QueueT;

use super::{Broken, Queues, VirtioDevice};
use crate::bus::{GuestRam, Nanos, Pa, RestoreError, Snapshot, Waker};

const RING_INDIRECT_DESC: u64 = 1 << 28;
const RING_EVENT_IDX: u64 = 1 << 29;
const VERSION_1: u64 = 1 << 32;

bitflags::bitflags! {
    /// Device status (2.1).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Status: u8 {
        const ACKNOWLEDGE = 1;
        const DRIVER = 2;
        const DRIVER_OK = 4;
        const FEATURES_OK = 8;
        const NEEDS_RESET = 64;
        const FAILED = 128;
    }

    /// Reasons for an interrupt (4.2.2, InterruptStatus).
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Interrupt: u8 {
        const USED = 1;
        const CONFIG = 2;
    }
}

/// What the driver wrote about a queue before it set it ready.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct QueueSetup {
    pub size: u32,
    pub descriptors: u64,
    pub driver: u64,
    pub device: u64,
}

/// A queue as saved: how far it is, if it is ready.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct SavedQueue {
    setup: QueueSetup,
    next: Option<(u16, u16)>,
}

/// An [`Endpoint`] as saved.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SavedEndpoint<T> {
    status: u8,
    driver_features: u64,
    interrupt: u8,
    config_generation: u32,
    queues: Vec<SavedQueue>,
    device: T,
}

pub(super) struct Endpoint<D> {
    device: D,
    waker: Waker,
    queues: Queues,
    setup: Vec<QueueSetup>,
    status: Status,
    driver_features: u64,
    interrupt: Interrupt,
    config_generation: u32,
}

impl<D: VirtioDevice> Endpoint<D> {
    pub fn new(device: D, ram: GuestRam, waker: Waker) -> Self {
        let queues = Queues::new(device.queue_sizes(), ram);
        let setup = default_setup(&device);
        let (status, interrupt) = (Status::empty(), Interrupt::empty());
        Self { device, waker, queues, setup, status, driver_features: 0, interrupt, config_generation: 0 }
    }

    pub fn device(&self) -> &D {
        &self.device
    }

    pub fn device_mut(&mut self) -> &mut D {
        &mut self.device
    }

    pub fn features(&self) -> u64 {
        self.device.features() | VERSION_1 | RING_EVENT_IDX | RING_INDIRECT_DESC
    }

    /// Takes one half of the driver's features, as long as they are open.
    pub fn set_driver_features(&mut self, high: bool, value: u32) {
        if !self.status.contains(Status::FEATURES_OK) {
            let shift = if high { 32 } else { 0 };
            self.driver_features = self.driver_features & !(0xffff_ffff << shift) | u64::from(value) << shift;
        }
    }

    pub fn status(&self) -> Status {
        self.status
    }

    /// A write of the status: 0 resets; otherwise bits are only ever added, and only those that the device can grant.
    pub fn set_status(&mut self, value: u32) {
        if value == 0 {
            return self.reset();
        }
        let asked = Status::from_bits_truncate(value as u8) - Status::NEEDS_RESET;
        self.status |= asked & (Status::ACKNOWLEDGE | Status::DRIVER | Status::FAILED);
        let acceptable = self.driver_features & VERSION_1 != 0 && self.driver_features & !self.features() == 0;
        if asked.contains(Status::FEATURES_OK) && acceptable {
            self.status |= Status::FEATURES_OK;
        }
        let start = asked.contains(Status::DRIVER_OK) && !self.status.contains(Status::DRIVER_OK);
        if start && self.status.contains(Status::FEATURES_OK) {
            self.status |= Status::DRIVER_OK;
            self.start();
        }
    }

    fn start(&mut self) {
        self.queues.set_event_idx(self.driver_features & RING_EVENT_IDX != 0);
        self.queues.run(!self.status.contains(Status::NEEDS_RESET));
        self.device.activate(self.driver_features);
        // Some drivers notify before DRIVER_OK, which was not heard then.
        for index in 0..self.setup.len() {
            if self.queues.waiting(index) {
                self.notify(index);
            }
        }
    }

    pub fn reset(&mut self) {
        self.device.reset();
        self.queues.reset();
        self.setup = default_setup(&self.device);
        (self.status, self.interrupt, self.driver_features) = (Status::empty(), Interrupt::empty(), 0);
        self.config_generation = 0;
    }

    pub fn queue_size_max(&self, index: u32) -> u32 {
        self.device.queue_sizes().get(index as usize).copied().map_or(0, u32::from)
    }

    pub fn queue_ready(&mut self, index: u32) -> bool {
        self.queues.queue(index as usize).is_some_and(|q| q.ready())
    }

    /// The set-up of a queue, as long as it is open: until the queue is ready or the device runs.
    pub fn queue_setup(&mut self, index: u32) -> Option<&mut QueueSetup> {
        let open = !self.queue_ready(index) && !self.status.contains(Status::DRIVER_OK);
        self.setup.get_mut(index as usize).filter(|_| open)
    }

    /// Makes a queue ready, if what was set up can be a queue.
    pub fn set_queue_ready(&mut self, index: u32, ready: bool) {
        if !ready {
            if let Some(queue) = self.queues.queue(index as usize) {
                queue.set_ready(false);
            }
            return;
        }
        let Some(setup) = self.queue_setup(index).copied() else { return };
        if let Err(why) = queue_ready(&mut self.queues, index as usize, setup) {
            self.broken(&Broken(format!("queue {index}: {why}")));
        }
    }

    pub fn interrupt(&self) -> Interrupt {
        self.interrupt
    }

    pub fn acknowledge(&mut self, value: u32) {
        self.interrupt -= Interrupt::from_bits_truncate(value as u8);
    }

    pub fn config_generation(&self) -> u32 {
        self.config_generation
    }

    pub fn config_read(&self, offset: usize, data: &mut [u8]) {
        self.device.config_read(offset, data);
    }

    pub fn config_write(&mut self, offset: usize, data: &[u8]) {
        self.device.config_write(offset, data);
    }

    pub fn notify(&mut self, index: usize) {
        if self.queues.ready(index) {
            self.with(|device, queues| device.notify(index, queues));
        }
    }

    pub fn poll(&mut self, now: Nanos) -> Option<Nanos> {
        let queues = self.setup.len();
        let due = self.with(|device, q| {
            for _ in 0..queues {
                let Some(index) = q.take_deferred() else { break };
                device.notify(index, q)?;
            }
            device.poll(now, q)
        });
        if self.queues.any_deferred() { Some(now) } else { due.flatten() }
    }

    /// Lets `f` at the device and its queues, then tells the driver what it is to know.
    pub fn with<R>(&mut self, f: impl FnOnce(&mut D, &mut Queues) -> Result<R, Broken>) -> Option<R> {
        self.queues.grant();
        let result = f(&mut self.device, &mut self.queues);
        let result = result.and_then(|value| Ok((value, self.queues.settle()?)));
        if self.queues.take_config_changed() {
            self.config_generation = self.config_generation.wrapping_add(1);
            self.interrupt_running(Interrupt::CONFIG);
        }
        if self.queues.any_deferred() {
            self.waker.wake();
        }
        match result {
            Ok((value, used)) => {
                if used {
                    self.interrupt_running(Interrupt::USED);
                }
                Some(value)
            }
            Err(why) => {
                self.broken(&why);
                None
            }
        }
    }

    fn interrupt_running(&mut self, reason: Interrupt) {
        if self.status.contains(Status::DRIVER_OK) {
            self.interrupt |= reason;
        }
    }

    fn broken(&mut self, why: &Broken) {
        tracing::debug!("virtio device {}: {why}", self.device.device_id());
        self.queues.stop();
        self.status |= Status::NEEDS_RESET;
        self.interrupt_running(Interrupt::CONFIG);
    }
}

/// Makes a queue ready, if its set-up can be that of a queue: a fit size, and aligned rings wholly in RAM.
fn queue_ready(queues: &mut Queues, index: usize, setup: QueueSetup) -> Result<(), String> {
    let size = u16::try_from(setup.size).map_err(|e| e.to_string())?;
    let rings = [(setup.descriptors, 16, 0), (setup.driver, 2, 6), (setup.device, 8, 6)];
    for (at, per_entry, more) in rings {
        let len = u64::from(size) * per_entry + more;
        queues.ram().offset(Pa(at), len).ok_or_else(|| format!("a ring at 0x{at:x} is not in RAM"))?;
    }
    let queue = queues.queue(index).ok_or("does not exist")?;
    let address = vm_memory::GuestAddress;
    queue.reset();
    let set = queue
        .try_set_size(size)
        .and_then(|()| queue.try_set_desc_table_address(address(setup.descriptors)))
        .and_then(|()| queue.try_set_avail_ring_address(address(setup.driver)))
        .and_then(|()| queue.try_set_used_ring_address(address(setup.device)));
    set.map_err(|e| format!("{e}: {setup:x?}"))?;
    queue.set_ready(true);
    Ok(())
}

impl<D: VirtioDevice + Snapshot> Snapshot for Endpoint<D> {
    type Saved = SavedEndpoint<D::Saved>;

    fn save(&self) -> Self::Saved {
        let Self { device, waker: _, queues, setup, status, driver_features, interrupt, config_generation } = self;
        let next = |index| queues.progress(index).map(|(avail, used)| (avail.wrapping_sub(device.held(index)), used));
        let queues = setup.iter().enumerate().map(|(i, &setup)| SavedQueue { setup, next: next(i) }).collect();
        SavedEndpoint {
            status: status.bits(),
            driver_features: *driver_features,
            interrupt: interrupt.bits(),
            config_generation: *config_generation,
            queues,
            device: device.save(),
        }
    }

    fn restore(&mut self, saved: Self::Saved) -> Result<(), RestoreError> {
        let wrong = |field| RestoreError { device: "virtio", field };
        let SavedEndpoint { status, driver_features, interrupt, config_generation, queues: saved_queues, device } =
            saved;
        let status = Status::from_bits(status).ok_or(wrong("status"))?;
        let interrupt = Interrupt::from_bits(interrupt).ok_or(wrong("interrupt"))?;
        let running = status.contains(Status::DRIVER_OK);
        let agreed = status.contains(Status::FEATURES_OK);
        if running && !agreed {
            return Err(wrong("status"));
        }
        if agreed && (driver_features & VERSION_1 == 0 || driver_features & !self.features() != 0) {
            return Err(wrong("driver_features"));
        }
        if saved_queues.len() != self.setup.len() {
            return Err(wrong("queues"));
        }
        let mut queues = Queues::new(self.device.queue_sizes(), self.queues.ram().clone());
        for (index, SavedQueue { setup, next }) in saved_queues.iter().enumerate() {
            if let &Some((avail, used)) = next {
                queue_ready(&mut queues, index, *setup).map_err(|_| wrong("queues"))?;
                let queue = queues.queue(index).ok_or(wrong("queues"))?;
                queue.set_next_avail(avail);
                queue.set_next_used(used);
            }
        }
        self.device.restore(device)?;
        (self.status, self.interrupt, self.driver_features) = (status, interrupt, driver_features);
        self.config_generation = config_generation;
        self.setup = saved_queues.into_iter().map(|queue| queue.setup).collect();
        self.queues = queues;
        self.queues.set_event_idx(running && driver_features & RING_EVENT_IDX != 0);
        self.queues.run(running && !status.contains(Status::NEEDS_RESET));
        if running {
            self.device.activate(driver_features);
        }
        // What waited then is served by the next poll.
        self.queues.defer_waiting();
        self.waker.wake();
        Ok(())
    }
}

fn default_setup(device: &impl VirtioDevice) -> Vec<QueueSetup> {
    let setup = |&size: &u16| QueueSetup { size: size.into(), ..QueueSetup::default() };
    device.queue_sizes().iter().map(setup).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtio::rng::Entropy;

    type Saved = SavedEndpoint<()>;

    #[test]
    fn a_snapshot_that_cannot_be_is_refused() {
        let ram = GuestRam::new(Pa(0x4000_0000), 1 << 20).unwrap();
        let mut endpoint = Endpoint::new(Entropy::new(|bytes| bytes.fill(4)), ram, Waker::none());
        endpoint.set_status(3);
        endpoint.set_driver_features(true, 1);
        endpoint.set_status(11);
        *endpoint.queue_setup(0).unwrap() =
            QueueSetup { size: 8, descriptors: 0x4000_0000, driver: 0x4000_1000, device: 0x4000_2000 };
        endpoint.set_queue_ready(0, true);
        endpoint.set_status(15);
        let good = endpoint.save();
        let mut restore = |spoil: &dyn Fn(&mut Saved)| {
            let mut saved = good.clone();
            spoil(&mut saved);
            endpoint.restore(saved).map_err(|e| e.field)
        };
        assert_eq!(restore(&|_| ()), Ok(()));
        assert_eq!(restore(&|s| s.status = 16), Err("status"));
        assert_eq!(restore(&|s| s.status = 7), Err("status"));
        assert_eq!(restore(&|s| s.interrupt = 4), Err("interrupt"));
        assert_eq!(restore(&|s| s.driver_features = 0), Err("driver_features"));
        assert_eq!(restore(&|s| s.driver_features = u64::MAX), Err("driver_features"));
        assert_eq!(restore(&|s| s.queues.clear()), Err("queues"));
        assert_eq!(restore(&|s| s.queues[0].setup.size = 3), Err("queues"));
        assert_eq!(restore(&|s| s.queues[0].setup.descriptors = 8), Err("queues"));
        assert_eq!(restore(&|s| s.queues[0].setup.device = u64::MAX - 3), Err("queues"));
        assert_eq!(restore(&|s| s.queues[0].next = Some((500, 20))), Ok(()));
    }
}
