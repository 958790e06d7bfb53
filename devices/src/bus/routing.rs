//! The sole interpreter of physical addresses: RAM directly, a device, or nothing.

use std::sync::{Arc, Mutex};

use super::{Access, GuestRam, MmioDevice, Pa, Size};

/// Two windows that overlap.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{name}: window 0x{base:x}+0x{len:x} overlaps another")]
pub struct MapError {
    /// The later device.
    pub name: &'static str,
    /// Its base.
    pub base: Pa,
    /// Its length.
    pub len: u64,
}

/// Nothing answers at an address; the CPU takes an external abort.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("nothing at 0x{0:x}")]
pub struct BusError(pub Pa);

struct Window {
    base: u64,
    len: u64,
    name: &'static str,
    device: Arc<Mutex<dyn MmioDevice>>,
}

/// What a physical address leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// RAM, at this offset from its start.
    Ram(u64),
    /// A device's register.
    Device,
    /// Nothing.
    Nothing,
}

/// Physical address space: one RAM region and device windows in address order. Fixed once the board is built.
pub struct Bus {
    ram: GuestRam,
    windows: Vec<Window>,
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.windows.iter().map(|w| (w.name, w.base, w.len));
        f.debug_struct("Bus").field("ram", &self.ram).field("windows", &names.collect::<Vec<_>>()).finish()
    }
}

impl Bus {
    /// A bus with RAM and nothing else.
    #[must_use]
    pub fn new(ram: GuestRam) -> Self {
        Self { ram, windows: Vec::new() }
    }

    /// Puts a device at a window.
    ///
    /// # Errors
    /// [`MapError`] when the window overlaps another or RAM.
    pub fn map(
        &mut self,
        base: Pa,
        len: u64,
        name: &'static str,
        device: Arc<Mutex<dyn MmioDevice>>,
    ) -> Result<(), MapError> {
        let overlaps = |b: u64, l: u64| base.0 < b + l && b < base.0 + len;
        if self.windows.iter().any(|w| overlaps(w.base, w.len)) || overlaps(self.ram.base().0, self.ram.len()) {
            return Err(MapError { name, base, len });
        }
        let at = self.windows.partition_point(|w| w.base < base.0);
        self.windows.insert(at, Window { base: base.0, len, name, device });
        Ok(())
    }

    /// The RAM.
    #[must_use]
    pub fn ram(&self) -> &GuestRam {
        &self.ram
    }

    fn window(&self, pa: Pa) -> Option<&Window> {
        let at = self.windows.partition_point(|w| w.base <= pa.0);
        self.windows[..at].last().filter(|w| pa.0 - w.base < w.len)
    }

    /// What is at an address.
    #[must_use]
    pub fn target(&self, pa: Pa) -> Target {
        match self.ram.offset(pa, 1) {
            Some(offset) => Target::Ram(offset),
            None if self.window(pa).is_some() => Target::Device,
            None => Target::Nothing,
        }
    }

    /// The name of the device at an address.
    #[must_use]
    pub fn device(&self, pa: Pa) -> Option<&'static str> {
        self.window(pa).map(|window| window.name)
    }

    /// Reads a device register; `pa` is naturally aligned.
    ///
    /// # Errors
    /// [`BusError`] when no device is there.
    pub fn read(&self, pa: Pa, size: Size, cpu: usize) -> Result<u64, BusError> {
        let window = self.window(pa).ok_or(BusError(pa))?;
        let mut device = window.device.lock().expect("a device never panics");
        let at = Access { offset: pa.0 - window.base, size, cpu };
        if !device.sizes().contains(size) {
            tracing::debug!("{}: read of {size:?} at +0x{:x} is not among its sizes", window.name, at.offset);
            return Ok(0);
        }
        Ok(device.read(at) & size.mask())
    }

    /// Writes a device register; `pa` is naturally aligned.
    ///
    /// # Errors
    /// [`BusError`] when no device is there.
    pub fn write(&self, pa: Pa, size: Size, value: u64, cpu: usize) -> Result<(), BusError> {
        let window = self.window(pa).ok_or(BusError(pa))?;
        let mut device = window.device.lock().expect("a device never panics");
        let at = Access { offset: pa.0 - window.base, size, cpu };
        if device.sizes().contains(size) {
            device.write(at, value & size.mask());
        } else {
            tracing::debug!("{}: write of {size:?} at +0x{:x} is not among its sizes", window.name, at.offset);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo(u64);
    impl MmioDevice for Echo {
        fn read(&mut self, at: Access) -> u64 {
            self.0 + at.offset
        }
        fn write(&mut self, _: Access, value: u64) {
            self.0 = value;
        }
    }

    #[test]
    fn addresses_lead_to_ram_a_device_or_nothing() {
        let mut bus = Bus::new(GuestRam::new(Pa(0x4000_0000), 1 << 20).unwrap());
        bus.map(Pa(0x900_0000), 0x1000, "echo", Arc::new(Mutex::new(Echo(7)))).unwrap();
        assert_eq!(bus.target(Pa(0x4000_0010)), Target::Ram(0x10));
        assert_eq!(bus.target(Pa(0x900_0fff)), Target::Device);
        assert_eq!(bus.target(Pa(0x900_1000)), Target::Nothing);
        assert_eq!(bus.read(Pa(0x900_0004), Size::B4, 0), Ok(11));
        assert_eq!(bus.read(Pa(0x900_0008), Size::B8, 0), Ok(0), "8 bytes are not among Echo's sizes");
        assert_eq!(bus.write(Pa(0x800_0000), Size::B4, 1, 0), Err(BusError(Pa(0x800_0000))));
        assert!(bus.map(Pa(0x900_0800), 0x1000, "late", Arc::new(Mutex::new(Echo(7)))).is_err());
    }
}
