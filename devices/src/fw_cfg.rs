//! The firmware configuration device (QEMU's specification "QEMU Firmware Configuration (fw_cfg) Device").
//!
//! Firmware finds the kernel, the number of CPUs and named files here; it may write files that the host declared
//! writable (as ramfb needs), by DMA only. Left out: the I/O port interface, writes by the data register (deprecated in
//! the specification), and ACPI and SMBIOS tables, which are files that the board may add.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use vm_fdt::FdtWriter;

use crate::bus::{Access, FdtNode, GuestRam, MmioDevice, Pa, Reset, RestoreError, Size, Sizes, Snapshot, Waker};
use crate::fdt;

/// Keys of items that are no files.
pub mod key {
    /// "QEMU".
    pub const SIGNATURE: u16 = 0x00;
    /// Interfaces: bit 0 registers, bit 1 DMA.
    pub const ID: u16 = 0x01;
    /// 16 bytes.
    pub const UUID: u16 = 0x02;
    /// RAM size, 64 bits.
    pub const RAM_SIZE: u16 = 0x03;
    /// Non-zero when there is no graphical output, 16 bits.
    pub const NOGRAPHIC: u16 = 0x04;
    /// Number of CPUs, 16 bits.
    pub const NB_CPUS: u16 = 0x05;
    /// Bytes of the kernel, 32 bits.
    pub const KERNEL_SIZE: u16 = 0x08;
    /// Bytes of the initial RAM disk, 32 bits.
    pub const INITRD_SIZE: u16 = 0x0b;
    /// Whether to show a boot menu, 16 bits.
    pub const BOOT_MENU: u16 = 0x0e;
    /// Largest number of CPUs, 16 bits.
    pub const MAX_CPUS: u16 = 0x0f;
    /// The kernel.
    pub const KERNEL_DATA: u16 = 0x11;
    /// The initial RAM disk.
    pub const INITRD_DATA: u16 = 0x12;
    /// Bytes of the command line with its NUL, 32 bits.
    pub const CMDLINE_SIZE: u16 = 0x14;
    /// The command line with its NUL.
    pub const CMDLINE_DATA: u16 = 0x15;
    /// The directory of files.
    pub const FILE_DIR: u16 = 0x19;
    /// The first file.
    pub const FILE_FIRST: u16 = 0x20;
    /// Behind the last key of a file.
    pub const FILE_END: u16 = 0x4000;
}

const DATA: u64 = 0x00;
const SELECTOR: u64 = 0x08;
const DMA_HIGH: u64 = 0x10;
const DMA_LOW: u64 = 0x14;

/// What the DMA register reads as.
const DMA_SIGNATURE: [u8; 8] = *b"QEMU CFG";

// DMA control bits.
const DMA_ERROR: u32 = 1;
const DMA_READ: u32 = 1 << 1;
const DMA_SKIP: u32 = 1 << 2;
const DMA_SELECT: u32 = 1 << 3;
const DMA_WRITE: u32 = 1 << 4;

/// Room for a name in the directory, with its NUL.
const NAME_LEN: usize = 56;

/// How much is copied at a time.
const CHUNK: usize = 4096;

/// A file that cannot be added.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FileError {
    /// Names have 1 to 55 bytes, none of them NUL.
    #[error("{0:?} is not a fw_cfg file name")]
    Name(String),
    /// A size has 32 bits.
    #[error("{name}: {len} bytes are too many for fw_cfg")]
    TooLong {
        /// The file.
        name: String,
        /// Its length.
        len: usize,
    },
    /// No key is left.
    #[error("{0}: fw_cfg has no room for more files")]
    TooMany(String),
}

/// What the host hears of and a reset restores.
struct Writable {
    initial: Vec<u8>,
    written: Waker,
}

struct Item {
    bytes: Vec<u8>,
    writable: Option<Writable>,
}

/// The firmware configuration device.
pub struct FwCfg {
    // Host and configuration.
    ram: GuestRam,
    items: BTreeMap<u16, Item>,
    names: Vec<String>,

    // Guest state, with the bytes of writable items.
    selected: u16,
    offset: u64,
    dma_high: u32,
}

/// A [`FwCfg`] as data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedFwCfg {
    selected: u16,
    offset: u64,
    dma_high: u32,
    written: Vec<(u16, Vec<u8>)>,
}

impl std::fmt::Debug for FwCfg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FwCfg({:?}, {:#x} selected)", self.names, self.selected)
    }
}

impl FwCfg {
    /// A device without files, whose DMA reaches `ram`.
    #[must_use]
    pub fn new(ram: GuestRam) -> Self {
        let mut new = Self { ram, items: BTreeMap::new(), names: Vec::new(), selected: 0, offset: 0, dma_high: 0 };
        new.set_item(key::SIGNATURE, b"QEMU".to_vec());
        new.set_item(key::ID, 3_u32.to_le_bytes().to_vec());
        new.list_files();
        new
    }

    /// Sets an item that is no file; numbers are little-endian.
    pub fn set_item(&mut self, key: u16, bytes: Vec<u8>) {
        self.items.insert(key, Item { bytes, writable: None });
    }

    /// Sets the number of CPUs.
    pub fn set_cpus(&mut self, cpus: u16) {
        self.set_item(key::NB_CPUS, cpus.to_le_bytes().to_vec());
        self.set_item(key::MAX_CPUS, cpus.to_le_bytes().to_vec());
    }

    /// How long firmware is to wait for somebody to ask for its menu.
    pub fn set_menu_wait(&mut self, wait: Duration) {
        self.set_item(key::BOOT_MENU, 1_u16.to_le_bytes().to_vec());
        let ms = u16::try_from(wait.as_millis()).unwrap_or(u16::MAX);
        self.add_file("etc/boot-menu-wait", ms.to_le_bytes().to_vec()).expect("the file is short, and files are few");
    }

    /// Gives firmware a kernel to boot, each part with its size.
    ///
    /// # Errors
    /// [`FileError::TooLong`] for a part of 4 GiB or more.
    pub fn set_kernel(&mut self, kernel: Vec<u8>, initrd: Vec<u8>, cmdline: &str) -> Result<(), FileError> {
        let mut line = cmdline.as_bytes().to_vec();
        line.push(0);
        let parts = [
            ("kernel", key::KERNEL_SIZE, key::KERNEL_DATA, kernel),
            ("initrd", key::INITRD_SIZE, key::INITRD_DATA, initrd),
            ("command line", key::CMDLINE_SIZE, key::CMDLINE_DATA, line),
        ];
        for (name, size_key, data_key, bytes) in parts {
            let too_long = |_| FileError::TooLong { name: name.into(), len: bytes.len() };
            let size = u32::try_from(bytes.len()).map_err(too_long)?;
            self.set_item(size_key, size.to_le_bytes().to_vec());
            self.set_item(data_key, bytes);
        }
        Ok(())
    }

    /// Adds a file, or replaces the one of that name.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn add_file(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), FileError> {
        self.add(name, Item { bytes, writable: None })
    }

    /// Adds a file that the guest may write; `written` is woken when it has.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn add_writable_file(&mut self, name: &str, bytes: Vec<u8>, written: Waker) -> Result<(), FileError> {
        let initial = bytes.clone();
        self.add(name, Item { bytes, writable: Some(Writable { initial, written }) })
    }

    /// A file's bytes as they are now.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        let index = self.names.iter().position(|n| n == name)?;
        self.items.get(&file_key(index)?).map(|item| item.bytes.as_slice())
    }

    fn add(&mut self, name: &str, item: Item) -> Result<(), FileError> {
        if name.is_empty() || name.len() >= NAME_LEN || name.contains('\0') {
            return Err(FileError::Name(name.into()));
        }
        if u32::try_from(item.bytes.len()).is_err() {
            return Err(FileError::TooLong { name: name.into(), len: item.bytes.len() });
        }
        let index = self.names.iter().position(|n| n == name).unwrap_or(self.names.len());
        let key = file_key(index).ok_or_else(|| FileError::TooMany(name.into()))?;
        if index == self.names.len() {
            self.names.push(name.into());
        }
        self.items.insert(key, item);
        self.list_files();
        Ok(())
    }

    /// Writes the directory: a count, then size, key and name of each; numbers are big-endian.
    fn list_files(&mut self) {
        let mut directory = (self.names.len() as u32).to_be_bytes().to_vec();
        let files = self.items.range(key::FILE_FIRST..);
        for (name, (key, item)) in self.names.iter().zip(files) {
            directory.extend((item.bytes.len() as u32).to_be_bytes());
            directory.extend(key.to_be_bytes());
            directory.extend([0; 2]);
            directory.extend(name.bytes().chain(std::iter::repeat(0)).take(NAME_LEN));
        }
        self.set_item(key::FILE_DIR, directory);
    }

    fn select(&mut self, key: u16) {
        // Bit 14 asked for write mode once; the key of an item is the same.
        self.selected = key & !0x4000;
        self.offset = 0;
    }

    /// The next bytes of the selected item; zeros from its end on.
    fn take(&mut self, buf: &mut [u8]) {
        buf.fill(0);
        if let Some(item) = self.items.get(&self.selected) {
            let rest = item.bytes.get(self.offset as usize..).unwrap_or_default();
            let count = rest.len().min(buf.len());
            buf[..count].copy_from_slice(&rest[..count]);
        }
        self.offset = self.offset.saturating_add(buf.len() as u64);
    }

    fn dma(&mut self, descriptor: Pa) {
        let mut bytes = [0; 16];
        if self.ram.read(descriptor, &mut bytes).is_err() {
            tracing::debug!("fw_cfg: no RAM at DMA descriptor 0x{descriptor:x}");
            return;
        }
        let word = |n: usize| u32::from_be_bytes([bytes[n], bytes[n + 1], bytes[n + 2], bytes[n + 3]]);
        let (control, len) = (word(0), word(4));
        let address = Pa(u64::from(word(8)) << 32 | u64::from(word(12)));
        if control & DMA_SELECT != 0 {
            self.select((control >> 16) as u16);
        }
        let done = if control & DMA_READ != 0 {
            self.dma_read(address, len.into())
        } else if control & DMA_WRITE != 0 {
            self.dma_write(address, len.into())
        } else {
            if control & DMA_SKIP != 0 {
                self.offset = self.offset.saturating_add(len.into());
            }
            true
        };
        let result = if done { 0 } else { DMA_ERROR };
        self.ram.write(descriptor, &result.to_be_bytes()).expect("the descriptor was read from there");
    }

    fn dma_read(&mut self, to: Pa, len: u64) -> bool {
        if self.ram.offset(to, len).is_none() {
            return false;
        }
        let mut buf = [0; CHUNK];
        let mut at = 0;
        while at < len {
            let part = &mut buf[..(len - at).min(CHUNK as u64) as usize];
            self.take(part);
            self.ram.write(Pa(to.0 + at), part).expect("the range is RAM");
            at += part.len() as u64;
        }
        true
    }

    fn dma_write(&mut self, from: Pa, len: u64) -> bool {
        let Some(Item { bytes, writable: Some(writable) }) = self.items.get_mut(&self.selected) else { return false };
        let end = self.offset.saturating_add(len);
        let Some(place) = bytes.get_mut(self.offset as usize..end as usize) else { return false };
        if self.ram.offset(from, len).is_none() {
            return false;
        }
        self.ram.read(from, place).expect("the range is RAM");
        self.offset = end;
        writable.written.wake();
        true
    }
}

fn file_key(index: usize) -> Option<u16> {
    u16::try_from(index).ok()?.checked_add(key::FILE_FIRST).filter(|&key| key < key::FILE_END)
}

impl MmioDevice for FwCfg {
    fn sizes(&self) -> Sizes {
        Sizes::ANY
    }

    fn read(&mut self, at: Access) -> u64 {
        let width = at.size.bytes() as usize;
        let mut bytes = [0; 8];
        match at.offset {
            DATA..SELECTOR => self.take(&mut bytes[..width]),
            DMA_HIGH.. => {
                let from = (at.offset - DMA_HIGH) as usize;
                let shown = DMA_SIGNATURE.get(from..from + width).unwrap_or_default();
                bytes[..shown.len()].copy_from_slice(shown);
            }
            _ => {}
        }
        u64::from_le_bytes(bytes)
    }

    fn write(&mut self, at: Access, value: u64) {
        match (at.offset, at.size) {
            (SELECTOR, Size::B2) => self.select((value as u16).swap_bytes()),
            (DMA_HIGH, Size::B8) => self.dma(Pa(value.swap_bytes())),
            (DMA_HIGH, Size::B4) => self.dma_high = (value as u32).swap_bytes(),
            (DMA_LOW, Size::B4) => {
                let high = std::mem::take(&mut self.dma_high);
                self.dma(Pa(u64::from(high) << 32 | u64::from((value as u32).swap_bytes())));
            }
            _ => {}
        }
    }
}

impl Reset for FwCfg {
    fn reset(&mut self) {
        (self.selected, self.offset, self.dma_high) = (0, 0, 0);
        for item in self.items.values_mut() {
            if let Some(writable) = &item.writable {
                item.bytes.clone_from(&writable.initial);
                writable.written.wake();
            }
        }
    }
}

impl Snapshot for FwCfg {
    type Saved = SavedFwCfg;

    fn save(&self) -> SavedFwCfg {
        let &Self { ram: _, ref items, names: _, selected, offset, dma_high } = self;
        let written = items.iter().filter(|(_, item)| item.writable.is_some());
        let written = written.map(|(&key, item)| (key, item.bytes.clone())).collect();
        SavedFwCfg { selected, offset, dma_high, written }
    }

    fn restore(&mut self, saved: SavedFwCfg) -> Result<(), RestoreError> {
        let SavedFwCfg { selected, offset, dma_high, written } = saved;
        let mine = self.items.iter().filter(|(_, item)| item.writable.is_some());
        if !mine.map(|(&key, item)| (key, item.bytes.len())).eq(written.iter().map(|(key, b)| (*key, b.len()))) {
            return Err(RestoreError { device: "fw_cfg", field: "written" });
        }
        for (key, bytes) in written {
            let item = self.items.get_mut(&key).expect("its key was compared");
            item.bytes = bytes;
            if let Some(writable) = &item.writable {
                writable.written.wake();
            }
        }
        (self.selected, self.offset, self.dma_high) = (selected, offset, dma_high);
        Ok(())
    }
}

impl FdtNode for FwCfg {
    fn fdt(&self, w: &mut FdtWriter, base: u64, len: u64, _: Option<u32>) -> Result<(), vm_fdt::Error> {
        let node = w.begin_node(&format!("fw-cfg@{base:x}"))?;
        fdt::compatible(w, &["qemu,fw-cfg-mmio"])?;
        fdt::reg(w, base, len)?;
        w.property_null("dma-coherent")?;
        w.end_node(node)
    }
}

#[cfg(test)]
#[path = "fw_cfg_tests.rs"]
mod tests;
