//! Register accesses.

/// The width of one access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Size {
    /// 1 byte.
    B1,
    /// 2 bytes.
    B2,
    /// 4 bytes.
    B4,
    /// 8 bytes.
    B8,
}

impl Size {
    /// 1, 2, 4 or 8.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        1 << self as u64
    }

    /// The size of that many bytes.
    #[must_use]
    pub const fn from_bytes(bytes: u64) -> Option<Self> {
        match bytes {
            1 => Some(Self::B1),
            2 => Some(Self::B2),
            4 => Some(Self::B4),
            8 => Some(Self::B8),
            _ => None,
        }
    }

    /// All ones in the access's width.
    #[must_use]
    pub const fn mask(self) -> u64 {
        u64::MAX >> (64 - 8 * self.bytes())
    }
}

/// The widths that a device takes; the bus answers others with zero and drops their writes, and says so once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Smallest width.
    pub min: Size,
    /// Largest width.
    pub max: Size,
}

impl Sizes {
    /// 32-bit registers, also read by bytes and halfwords.
    pub const UP_TO_WORD: Self = Self { min: Size::B1, max: Size::B4 };
    /// Any width.
    pub const ANY: Self = Self { min: Size::B1, max: Size::B8 };
    /// Whole words only.
    pub const WORD: Self = Self { min: Size::B4, max: Size::B4 };

    /// Whether the width is among them.
    #[must_use]
    pub fn contains(self, size: Size) -> bool {
        self.min <= size && size <= self.max
    }
}

/// One access to a device: naturally aligned, inside the device's window, of a declared size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Bytes from the start of the device's window.
    pub offset: u64,
    /// Width.
    pub size: Size,
    /// The vCPU that makes it; only banked registers care.
    pub cpu: usize,
}

impl Access {
    /// An access by vCPU 0.
    #[must_use]
    pub const fn new(offset: u64, size: Size) -> Self {
        Self { offset, size, cpu: 0 }
    }
}

/// A device behind memory-mapped registers.
///
/// A pure state machine: never blocks, never panics on guest input, owns no thread and no host clock. Unknown
/// offsets read as zero and ignore writes.
pub trait MmioDevice: Send {
    /// The widths it takes.
    fn sizes(&self) -> Sizes {
        Sizes::UP_TO_WORD
    }

    /// A read; the result's bits above the access's width are ignored.
    fn read(&mut self, at: Access) -> u64;

    /// A write; `value` has no bits above the access's width.
    fn write(&mut self, at: Access, value: u64);
}
