//! Virtio over MMIO, version 2 (4.2): the register window through which a driver reaches one device.
//!
//! Left out: the legacy interface (4.2.4), QueueReset, and shared memory, whose regions read as absent.

use serde::{Deserialize, Serialize};

use super::endpoint::{Endpoint, QueueSetup, SavedEndpoint, Status};
use super::{Broken, Queues, VirtioDevice};
use crate::bus::{
    Access, FdtNode, GuestRam, IrqLine, MmioDevice, Nanos, Poll, Reset, RestoreError, Size, Snapshot, Waker,
};

/// Length of the register window.
pub const WINDOW: u64 = 0x200;

const MAGIC: u32 = 0x7472_6976;
const VERSION: u32 = 2;
/// "HSET" in ASCII.
const VENDOR: u32 = 0x5445_5348;

/// Register offsets (4.2.2).
mod reg {
    pub const MAGIC_VALUE: u64 = 0x000;
    pub const VERSION: u64 = 0x004;
    pub const DEVICE_ID: u64 = 0x008;
    pub const VENDOR_ID: u64 = 0x00c;
    pub const DEVICE_FEATURES: u64 = 0x010;
    pub const DEVICE_FEATURES_SEL: u64 = 0x014;
    pub const DRIVER_FEATURES: u64 = 0x020;
    pub const DRIVER_FEATURES_SEL: u64 = 0x024;
    pub const QUEUE_SEL: u64 = 0x030;
    pub const QUEUE_SIZE_MAX: u64 = 0x034;
    pub const QUEUE_SIZE: u64 = 0x038;
    pub const QUEUE_READY: u64 = 0x044;
    pub const QUEUE_NOTIFY: u64 = 0x050;
    pub const INTERRUPT_STATUS: u64 = 0x060;
    pub const INTERRUPT_ACK: u64 = 0x064;
    pub const STATUS: u64 = 0x070;
    pub const QUEUE_DESC_LOW: u64 = 0x080;
    pub const QUEUE_DESC_HIGH: u64 = 0x084;
    pub const QUEUE_DRIVER_LOW: u64 = 0x090;
    pub const QUEUE_DRIVER_HIGH: u64 = 0x094;
    pub const QUEUE_DEVICE_LOW: u64 = 0x0a0;
    pub const QUEUE_DEVICE_HIGH: u64 = 0x0a4;
    pub const SHM_LEN_LOW: u64 = 0x0b0;
    pub const SHM_BASE_HIGH: u64 = 0x0bc;
    pub const CONFIG_GENERATION: u64 = 0x0fc;
    pub const CONFIG: u64 = 0x100;
}

/// A virtio device behind the MMIO transport.
///
/// The host reaches the device inside by [`VirtioMmio::with`]; devices of several kinds go in one list as
/// `VirtioMmio<Box<dyn VirtioDevice>>`, or as `dyn MmioDevice`.
pub struct VirtioMmio<D> {
    irq: IrqLine,
    endpoint: Endpoint<D>,
    device_features_sel: u32,
    driver_features_sel: u32,
    queue_sel: u32,
}

impl<D: VirtioDevice> VirtioMmio<D> {
    /// A device whose rings and buffers lie in `ram`. The waker asks for [`Poll::poll`] when a notification brought
    /// more work than one register write may take.
    pub fn new(device: D, ram: GuestRam, irq: IrqLine, waker: Waker) -> Self {
        let endpoint = Endpoint::new(device, ram, waker);
        Self { irq, endpoint, device_features_sel: 0, driver_features_sel: 0, queue_sel: 0 }
    }

    /// The device.
    pub fn device(&self) -> &D {
        self.endpoint.device()
    }

    /// The device, for what the guest does not see at once; see [`VirtioMmio::with`] for the rest.
    pub fn device_mut(&mut self) -> &mut D {
        self.endpoint.device_mut()
    }

    /// Lets the host at the device and its queues, and drives the wire anew. Yields nothing when the driver turned
    /// out to have broken the protocol.
    pub fn with<R>(&mut self, f: impl FnOnce(&mut D, &mut Queues) -> Result<R, Broken>) -> Option<R> {
        let result = self.endpoint.with(f);
        self.sync();
        result
    }

    fn sync(&self) {
        self.irq.set_level(!self.endpoint.interrupt().is_empty());
    }

    fn setup(&mut self, set: impl FnOnce(&mut QueueSetup)) {
        if let Some(setup) = self.endpoint.queue_setup(self.queue_sel) {
            set(setup);
        }
    }

    fn read_register(&mut self, offset: u64) -> u32 {
        match offset {
            reg::MAGIC_VALUE => MAGIC,
            reg::VERSION => VERSION,
            reg::DEVICE_ID => self.endpoint.device().device_id(),
            reg::VENDOR_ID => VENDOR,
            reg::DEVICE_FEATURES => match self.device_features_sel {
                0 => self.endpoint.features() as u32,
                1 => (self.endpoint.features() >> 32) as u32,
                _ => 0,
            },
            reg::QUEUE_SIZE_MAX => self.endpoint.queue_size_max(self.queue_sel),
            reg::QUEUE_READY => self.endpoint.queue_ready(self.queue_sel).into(),
            reg::INTERRUPT_STATUS => self.endpoint.interrupt().bits().into(),
            reg::STATUS => self.endpoint.status().bits().into(),
            reg::SHM_LEN_LOW..=reg::SHM_BASE_HIGH => u32::MAX,
            reg::CONFIG_GENERATION => self.endpoint.config_generation(),
            _ => 0,
        }
    }

    fn write_register(&mut self, offset: u64, value: u32) {
        let low = |word: &mut u64| *word = *word & !0xffff_ffff | u64::from(value);
        let high = |word: &mut u64| *word = *word & 0xffff_ffff | u64::from(value) << 32;
        match offset {
            reg::DEVICE_FEATURES_SEL => self.device_features_sel = value,
            reg::DRIVER_FEATURES_SEL => self.driver_features_sel = value,
            reg::DRIVER_FEATURES if self.driver_features_sel < 2 => {
                self.endpoint.set_driver_features(self.driver_features_sel == 1, value);
            }
            reg::QUEUE_SEL => self.queue_sel = value,
            // No queue has that size. EDK2's GPU driver never names one, so that its transport writes 0 and its ring has
            // the largest; QEMU, too, leaves the size as it is.
            reg::QUEUE_SIZE if value == 0 => {}
            reg::QUEUE_SIZE => self.setup(|s| s.size = value),
            reg::QUEUE_READY => self.endpoint.set_queue_ready(self.queue_sel, value & 1 != 0),
            reg::QUEUE_NOTIFY => self.endpoint.notify(value as usize),
            reg::INTERRUPT_ACK => {
                self.endpoint.acknowledge(value);
                // The device tree calls the interrupt an edge: a reason that came while the driver handled another
                // must make a new one.
                self.irq.set_level(false);
            }
            reg::STATUS => {
                self.endpoint.set_status(value);
                if self.endpoint.status() == Status::empty() {
                    (self.device_features_sel, self.driver_features_sel, self.queue_sel) = (0, 0, 0);
                }
            }
            reg::QUEUE_DESC_LOW => self.setup(|s| low(&mut s.descriptors)),
            reg::QUEUE_DESC_HIGH => self.setup(|s| high(&mut s.descriptors)),
            reg::QUEUE_DRIVER_LOW => self.setup(|s| low(&mut s.driver)),
            reg::QUEUE_DRIVER_HIGH => self.setup(|s| high(&mut s.driver)),
            reg::QUEUE_DEVICE_LOW => self.setup(|s| low(&mut s.device)),
            reg::QUEUE_DEVICE_HIGH => self.setup(|s| high(&mut s.device)),
            _ => {}
        }
    }
}

impl<D: VirtioDevice> MmioDevice for VirtioMmio<D> {
    fn read(&mut self, at: Access) -> u64 {
        if at.offset >= reg::CONFIG {
            let mut data = [0; 8];
            self.endpoint.config_read((at.offset - reg::CONFIG) as usize, &mut data[..at.size.bytes() as usize]);
            return u64::from_le_bytes(data);
        }
        if at.size == Size::B4 { self.read_register(at.offset).into() } else { 0 }
    }

    fn write(&mut self, at: Access, value: u64) {
        if at.offset >= reg::CONFIG {
            let data = &value.to_le_bytes()[..at.size.bytes() as usize];
            self.endpoint.config_write((at.offset - reg::CONFIG) as usize, data);
        } else if at.size == Size::B4 {
            self.write_register(at.offset, value as u32);
        }
        self.sync();
    }
}

impl<D: VirtioDevice> Poll for VirtioMmio<D> {
    fn poll(&mut self, now: Nanos) -> Option<Nanos> {
        let due = self.endpoint.poll(now);
        self.sync();
        due
    }
}

impl<D: VirtioDevice> Reset for VirtioMmio<D> {
    fn reset(&mut self) {
        self.write_register(reg::STATUS, 0);
        self.sync();
    }
}

/// A [`VirtioMmio`] as saved, with the `T` of its device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedVirtioMmio<T> {
    endpoint: SavedEndpoint<T>,
    device_features_sel: u32,
    driver_features_sel: u32,
    queue_sel: u32,
}

impl<D: VirtioDevice + Snapshot> Snapshot for VirtioMmio<D> {
    type Saved = SavedVirtioMmio<D::Saved>;

    fn save(&self) -> Self::Saved {
        let &Self { irq: _, ref endpoint, device_features_sel, driver_features_sel, queue_sel } = self;
        SavedVirtioMmio { endpoint: endpoint.save(), device_features_sel, driver_features_sel, queue_sel }
    }

    fn restore(&mut self, saved: Self::Saved) -> Result<(), RestoreError> {
        let SavedVirtioMmio { endpoint, device_features_sel, driver_features_sel, queue_sel } = saved;
        self.endpoint.restore(endpoint)?;
        self.device_features_sel = device_features_sel;
        self.driver_features_sel = driver_features_sel;
        self.queue_sel = queue_sel;
        self.sync();
        Ok(())
    }
}

impl<D: VirtioDevice> FdtNode for VirtioMmio<D> {
    fn fdt(&self, w: &mut vm_fdt::FdtWriter, base: u64, len: u64, spi: Option<u32>) -> Result<(), vm_fdt::Error> {
        EmptySlot.fdt(w, base, len, spi)
    }
}

/// A transport without a device: it has a device-tree node and DeviceID 0, and drivers leave it alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct EmptySlot;

impl MmioDevice for EmptySlot {
    fn read(&mut self, at: Access) -> u64 {
        match (at.offset, at.size) {
            (reg::MAGIC_VALUE, Size::B4) => MAGIC.into(),
            (reg::VERSION, Size::B4) => VERSION.into(),
            (reg::VENDOR_ID, Size::B4) => VENDOR.into(),
            _ => 0,
        }
    }

    fn write(&mut self, _: Access, _: u64) {}
}

impl FdtNode for EmptySlot {
    fn fdt(&self, w: &mut vm_fdt::FdtWriter, base: u64, len: u64, spi: Option<u32>) -> Result<(), vm_fdt::Error> {
        let node = w.begin_node(&format!("virtio_mmio@{base:x}"))?;
        w.property_string("compatible", "virtio,mmio")?;
        w.property_array_u64("reg", &[base, len])?;
        if let Some(spi) = spi {
            // GIC_SPI, rising edge.
            w.property_array_u32("interrupts", &[0, spi, 1])?;
        }
        w.property_null("dma-coherent")?;
        w.end_node(node)
    }
}

#[cfg(test)]
mod tests;
