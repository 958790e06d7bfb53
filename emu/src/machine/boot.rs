//! What a machine boots, read and checked, and put into memory (Documentation/arch/arm64/booting.rst).

use std::io::Read;
use std::path::{Path, PathBuf};

use devices::bus::Pa;

use super::boards::{self, Board};
use crate::cpu::Shared;

/// What to boot.
#[derive(Debug, Clone)]
pub enum Boot {
    /// A kernel `Image`, raw or gzip, in the way of direct boot.
    Kernel {
        /// The image.
        image: Source,
        /// The initial RAM disk.
        initrd: Option<Source>,
        /// The command line.
        append: String,
    },
    /// Firmware in flash at address 0.
    Firmware(Source),
}

/// Bytes of a file, or built in.
#[derive(Debug, Clone)]
pub enum Source {
    /// Read when the machine is built.
    File(PathBuf),
    /// Built in; named for messages.
    BuiltIn(&'static str, Vec<u8>),
}

/// Why something does not boot.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct BootError {
    /// The file.
    pub what: String,
    /// What is wrong with it, and the way out.
    pub why: String,
}

impl Source {
    fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::BuiltIn(name, _) => (*name).to_owned(),
        }
    }

    fn error(&self, why: impl Into<String>) -> BootError {
        BootError { what: self.name(), why: why.into() }
    }

    fn read(&self) -> Result<Vec<u8>, BootError> {
        match self {
            Self::File(path) => read(path),
            Self::BuiltIn(_, bytes) => Ok(bytes.clone()),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, BootError> {
    std::fs::read(path).map_err(|e| {
        let why = match e.kind() {
            std::io::ErrorKind::NotFound => "no such file".to_owned(),
            std::io::ErrorKind::IsADirectory => "is a directory, not a file".to_owned(),
            _ => e.to_string(),
        };
        BootError { what: path.display().to_string(), why }
    })
}

/// Everything to be put into memory at each start.
#[derive(Debug)]
pub(super) struct Loaded {
    kernel: Option<(Pa, Vec<u8>)>,
    initrd: Option<(Pa, Vec<u8>)>,
    /// Flash bank 0.
    pub firmware: Vec<u8>,
    /// For the device tree.
    pub append: String,
    /// A device tree from outside.
    pub dtb: Option<Vec<u8>>,
    entry: u64,
    dtb_at: Pa,
}

const MIB: u64 = 1 << 20;
/// Room kept for the device tree.
const DTB_ROOM: u64 = 2 * MIB;

impl Boot {
    /// Reads and checks what is to be booted, and places it in `memory` bytes of RAM.
    pub(super) fn load(&self, memory: u64, dtb: Option<&Path>) -> Result<Loaded, BootError> {
        let dtb = dtb.map(|path| {
            let bytes = read(path)?;
            if !bytes.starts_with(&[0xd0, 0x0d, 0xfe, 0xed]) || bytes.len() as u64 > DTB_ROOM {
                let why = "not a device tree blob of at most 2 MiB".to_owned();
                return Err(BootError { what: path.display().to_string(), why });
            }
            Ok(bytes)
        });
        let dtb = dtb.transpose()?;
        let base = boards::RAM_BASE.0;
        match self {
            Self::Firmware(source) => {
                let firmware = source.read()?;
                if firmware.is_empty() || firmware.len() > boards::FLASH_BANK {
                    return Err(source.error("firmware has 1 byte to 64 MiB"));
                }
                let (append, dtb_at) = (String::new(), Pa(base));
                Ok(Loaded { kernel: None, initrd: None, firmware, append, dtb, entry: 0, dtb_at })
            }
            Self::Kernel { image, initrd, append } => {
                let bytes = unpack(image, image.read()?)?;
                let (offset, size) = header(image, &bytes)?;
                let kernel_end = offset + size.max(bytes.len() as u64);
                let small = |needs: u64| {
                    image.error(format!(
                        "does not fit: needs {} MiB of RAM, --memory gives {} MiB",
                        needs.div_ceil(MIB),
                        memory / MIB
                    ))
                };
                if kernel_end + DTB_ROOM > memory {
                    return Err(small(kernel_end + DTB_ROOM));
                }
                let after = (memory / 2).min(128 * MIB).max(kernel_end.next_multiple_of(2 * MIB));
                let mut dtb_at = after;
                let mut placed = None;
                if let Some(source) = initrd {
                    let bytes = source.read()?;
                    if bytes.is_empty() {
                        return Err(source.error("is empty"));
                    }
                    dtb_at = (after + bytes.len() as u64).next_multiple_of(2 * MIB);
                    placed = Some((Pa(base + after), bytes));
                }
                if dtb_at + DTB_ROOM > memory {
                    return Err(small(dtb_at + DTB_ROOM));
                }
                Ok(Loaded {
                    kernel: Some((Pa(base + offset), bytes)),
                    initrd: placed,
                    firmware: Vec::new(),
                    append: append.clone(),
                    dtb,
                    entry: base + offset,
                    dtb_at: Pa(base + dtb_at),
                })
            }
        }
    }
}

/// Unpacks a gzip image.
fn unpack(source: &Source, bytes: Vec<u8>) -> Result<Vec<u8>, BootError> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut out = Vec::new();
    let limit = 1 << 30;
    let mut reader = flate2::read::GzDecoder::new(&bytes[..]).take(limit);
    reader.read_to_end(&mut out).map_err(|e| source.error(format!("broken or truncated gzip data: {e}")))?;
    Ok(out)
}

/// The load offset and size in memory that an arm64 `Image` header gives.
fn header(source: &Source, bytes: &[u8]) -> Result<(u64, u64), BootError> {
    let field = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
    if bytes.len() < 64 || &bytes[56..60] != b"ARM\x64" {
        let is = what_is_it(bytes);
        return Err(source.error(format!("not an arm64 kernel Image, but {is}")));
    }
    let (text_offset, image_size) = (field(8), field(16));
    let text_offset = if image_size == 0 { 0x80000 } else { text_offset };
    if text_offset >= 1 << 30 || image_size >= 1 << 32 {
        return Err(source.error("its header gives impossible sizes"));
    }
    if let Some(whole) = pe_size(bytes).filter(|&whole| (bytes.len() as u64) < whole) {
        return Err(source.error(format!("is truncated: {} of {whole} bytes", bytes.len())));
    }
    Ok((text_offset, image_size))
}

/// The file's size by the PE header that kernels with an EFI stub carry: the end of the last section.
fn pe_size(bytes: &[u8]) -> Option<u64> {
    let u16_at = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let pe = u32_at(60)? as usize;
    if !bytes.starts_with(b"MZ") || pe > 4096 || bytes.get(pe..pe + 4)? != b"PE\0\0" {
        return None;
    }
    let sections = pe + 24 + usize::from(u16_at(pe + 20)?);
    let ends = (0..usize::from(u16_at(pe + 6)?)).map(|n| {
        let section = sections + 40 * n;
        Some(u64::from(u32_at(section + 16)?) + u64::from(u32_at(section + 20)?))
    });
    ends.collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// Names a file that is no arm64 kernel.
fn what_is_it(bytes: &[u8]) -> String {
    let machine = |at: usize| bytes.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]));
    match bytes {
        [] => "an empty file".into(),
        [0x7f, b'E', b'L', b'F', ..] => match machine(18) {
            62 => "an x86-64 ELF file".into(),
            183 => "an arm64 ELF file (vmlinux?): give arch/arm64/boot/Image".into(),
            40 => "a 32-bit Arm ELF file".into(),
            243 => "a RISC-V ELF file".into(),
            other => format!("an ELF file for machine {other}"),
        },
        [b'M', b'Z', ..] if bytes.get(0x202..0x206) == Some(b"HdrS") => "an x86 bzImage".into(),
        [b'M', b'Z', ..] => "an EFI program".into(),
        _ if bytes.get(0x202..0x206) == Some(b"HdrS") => "an x86 kernel".into(),
        _ if bytes.get(36..40) == Some(&[0x18, 0x28, 0x6f, 0x01]) => "a 32-bit Arm zImage".into(),
        _ if bytes.get(56..60) == Some(b"RSC\x05") => "a RISC-V kernel".into(),
        [0x27, 0x05, 0x19, 0x56, ..] => "a U-Boot uImage: unpack it first".into(),
        _ => format!("something else (it begins with {:02x?})", &bytes[..bytes.len().min(8)]),
    }
}

impl Loaded {
    /// Where the initial RAM disk lies.
    pub(super) fn initrd_range(&self) -> Option<(u64, u64)> {
        self.initrd.as_ref().map(|(at, bytes)| (at.0, at.0 + bytes.len() as u64))
    }

    /// Fills memory and turns the first vCPU on.
    pub(super) fn start(&self, board: &Board, shared: &Shared) {
        let ram = board.bus.ram();
        let put = |at: Pa, bytes: &[u8]| ram.write(at, bytes).expect("placed inside RAM when it was loaded");
        for (at, bytes) in self.kernel.iter().chain(&self.initrd) {
            put(*at, bytes);
        }
        put(self.dtb_at, self.dtb.as_ref().unwrap_or(&board.fdt));
        shared.power_on(0, self.entry, self.dtb_at.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(bytes: Vec<u8>, memory: u64) -> Result<Loaded, BootError> {
        Boot::Kernel { image: Source::BuiltIn("k", bytes), initrd: None, append: String::new() }.load(memory, None)
    }

    fn image(size: u64) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[16..24].copy_from_slice(&size.to_le_bytes());
        bytes[56..60].copy_from_slice(b"ARM\x64");
        bytes
    }

    #[test]
    fn what_is_no_arm64_kernel_is_named() {
        let why = |bytes: &[u8]| load(bytes.to_vec(), 1 << 28).unwrap_err().to_string();
        assert_eq!(why(b""), "k: not an arm64 kernel Image, but an empty file");
        let mut elf = vec![0; 64];
        elf[..4].copy_from_slice(b"\x7fELF");
        elf[18] = 62;
        assert_eq!(why(&elf), "k: not an arm64 kernel Image, but an x86-64 ELF file");
        assert!(why(&[0x1f, 0x8b, 8, 0]).contains("gzip"));
    }

    #[test]
    fn a_kernel_that_ends_before_its_last_section_is_truncated() {
        let mut bytes = image(0);
        bytes.resize(300, 0);
        bytes[..2].copy_from_slice(b"MZ");
        bytes[60] = 64;
        bytes[64..68].copy_from_slice(b"PE\0\0");
        bytes[70] = 1;
        bytes[64 + 24 + 16] = 200;
        bytes[64 + 24 + 20] = 100;
        assert!(load(bytes.clone(), 1 << 30).is_ok());
        bytes.pop();
        assert_eq!(load(bytes, 1 << 30).unwrap_err().to_string(), "k: is truncated: 299 of 300 bytes");
    }

    #[test]
    fn a_kernel_larger_than_memory_says_how_much_it_needs() {
        assert!(load(image(0), 1 << 28).is_ok());
        assert_eq!(
            load([image(100 << 20), vec![0; 90 << 20]].concat(), 64 << 20).unwrap_err().to_string(),
            "k: does not fit: needs 102 MiB of RAM, --memory gives 64 MiB"
        );
    }
}
