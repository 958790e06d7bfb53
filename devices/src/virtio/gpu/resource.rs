//! 2D resources: the host's copy of guest images, and the guest pages that back them.
//!
//! Pixels are kept as bytes B, G, R, A whatever the resource's format: they are put in that order when transferred, so
//! that a flush hands out a view of them and converts nothing. Formats name their bytes in memory order (5.7.6.8).

use serde::{Deserialize, Serialize};

use super::protocol::{MAX_BACKING_ENTRIES, MemEntry, Refusal};
use crate::bus::{GuestRam, Pa, Rect};

/// The greatest width and height of a resource.
pub const MAX_SIDE: u32 = 16384;
/// What a resource costs beside its pixels, so that very many tiny ones run into the memory limit too.
const OVERHEAD: u64 = 1024;

const PIXEL: usize = 4;

/// How to put a pixel's bytes in the order B, G, R, A.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Bgra,
    Rgba,
    Argb,
    Abgr,
}

/// VIRTIO_GPU_FORMAT number and order of the bytes; whether the fourth channel is alpha matters to nobody.
const FORMATS: [(u32, Order); 8] = [
    (1, Order::Bgra),
    (2, Order::Bgra),
    (3, Order::Argb),
    (4, Order::Argb),
    (67, Order::Rgba),
    (68, Order::Abgr),
    (121, Order::Abgr),
    (134, Order::Rgba),
];

impl Order {
    fn to_bgra(self, pixels: &mut [u8]) {
        match self {
            Self::Bgra => {}
            Self::Rgba => each(pixels, |p| p & 0xff00_ff00 | (p & 0x00ff_00ff).rotate_left(16)),
            Self::Argb => each(pixels, u32::swap_bytes),
            Self::Abgr => each(pixels, |p| p.rotate_right(8)),
        }
    }
}

fn each(pixels: &mut [u8], convert: impl Fn(u32) -> u32) {
    for pixel in pixels.as_chunks_mut::<PIXEL>().0 {
        *pixel = convert(u32::from_le_bytes(*pixel)).to_le_bytes();
    }
}

/// A run of contiguous guest memory, from byte `start` of the backing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    start: u64,
    at: Pa,
    len: u64,
}

/// Guest memory behind a resource, adjacent entries joined.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Backing {
    runs: Vec<Run>,
    len: u64,
}

impl Backing {
    fn new(entries: impl IntoIterator<Item = (Pa, u64)>) -> Option<Self> {
        let mut backing = Self::default();
        for (at, len) in entries {
            at.0.checked_add(len)?;
            match backing.runs.last_mut() {
                Some(last) if last.at.0 + last.len == at.0 => last.len += len,
                _ if len == 0 => {}
                _ => backing.runs.push(Run { start: backing.len, at, len }),
            }
            backing.len = backing.len.checked_add(len)?;
        }
        Some(backing)
    }

    /// Fills `buf` from byte `offset`; the range lies within the backing.
    fn read(&self, ram: &GuestRam, offset: u64, mut buf: &mut [u8]) -> Result<(), Refusal> {
        let first = self.runs.partition_point(|run| run.start + run.len <= offset);
        let mut skip = self.runs.get(first).map_or(0, |run| offset - run.start);
        for run in &self.runs[first..] {
            if buf.is_empty() {
                break;
            }
            let len = (run.len - skip).min(buf.len() as u64);
            let (part, rest) = std::mem::take(&mut buf).split_at_mut(len as usize);
            ram.read(Pa(run.at.0 + skip), part).map_err(|_| Refusal::Unspecified)?;
            (buf, skip) = (rest, 0);
        }
        Ok(())
    }
}

/// An image.
#[derive(Debug)]
pub(super) struct Resource {
    format: u32,
    order: Order,
    width: u32,
    height: u32,
    bgra: Vec<u8>,
    backing: Option<Backing>,
}

/// A resource as saved.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedResource {
    id: u32,
    format: u32,
    width: u32,
    height: u32,
    bgra: Vec<u8>,
    backing: Option<Vec<(Pa, u64)>>,
}

impl Resource {
    /// What an image of that size costs, or nothing when no image may have it.
    pub(super) fn cost_of(width: u32, height: u32) -> Option<u64> {
        let sides = 1..=MAX_SIDE;
        let possible = sides.contains(&width) && sides.contains(&height);
        possible.then(|| u64::from(width) * u64::from(height) * PIXEL as u64 + OVERHEAD)
    }

    /// A black image, if there is such a format and `memory` bytes are enough for it.
    pub(super) fn new(format: u32, width: u32, height: u32, memory: u64) -> Result<Self, Refusal> {
        let &(_, order) = FORMATS.iter().find(|(number, ..)| *number == format).ok_or(Refusal::InvalidParameter)?;
        let cost = Self::cost_of(width, height).ok_or(Refusal::InvalidParameter)?;
        if cost > memory {
            return Err(Refusal::OutOfMemory);
        }
        let bgra = vec![0; (cost - OVERHEAD) as usize];
        Ok(Self { format, order, width, height, bgra, backing: None })
    }

    /// What it costs of the device's memory.
    pub(super) fn cost(&self) -> u64 {
        let runs = self.backing.as_ref().map_or(0, |b| b.runs.len());
        self.bgra.len() as u64 + OVERHEAD + (runs * size_of::<Run>()) as u64
    }

    pub(super) fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Bytes from a row to the next.
    pub(super) fn stride(&self) -> usize {
        self.width as usize * PIXEL
    }

    /// The bytes from the first pixel of `rect`, which lies within the image, to its last.
    pub(super) fn view(&self, rect: Rect) -> &[u8] {
        let first = rect.y as usize * self.stride() + rect.x as usize * PIXEL;
        let len = (rect.height as usize - 1) * self.stride() + rect.width as usize * PIXEL;
        &self.bgra[first..first + len]
    }

    /// A copy of the whole image, its fourth channel taken for alpha whatever the format says: Linux makes every dumb
    /// buffer in a format without alpha, also those of pointers.
    pub(super) fn to_bgra(&self) -> Vec<u8> {
        self.bgra.clone()
    }

    /// Whether a rectangle that is not empty lies within the image.
    pub(super) fn contains(&self, rect: Rect) -> bool {
        let inside = |at: u32, len: u32, side: u32| len > 0 && at.checked_add(len).is_some_and(|end| end <= side);
        inside(rect.x, rect.width, self.width) && inside(rect.y, rect.height, self.height)
    }

    /// Backs the image with guest memory, all of which must be RAM.
    pub(super) fn attach(&mut self, entries: &[MemEntry], ram: &GuestRam, memory: u64) -> Result<(), Refusal> {
        if self.backing.is_some() || entries.iter().any(|e| ram.offset(e.at, e.len.into()).is_none()) {
            return Err(Refusal::Unspecified);
        }
        let backing = Backing::new(entries.iter().map(|e| (e.at, e.len.into()))).ok_or(Refusal::InvalidParameter)?;
        if (backing.runs.len() * size_of::<Run>()) as u64 > memory {
            return Err(Refusal::OutOfMemory);
        }
        self.backing = Some(backing);
        Ok(())
    }

    /// Takes the backing away; the image stays.
    pub(super) fn detach(&mut self) -> Result<(), Refusal> {
        self.backing.take().map(drop).ok_or(Refusal::Unspecified)
    }

    /// Copies `rect` from the backing, where its first row starts at byte `offset`, and the others follow at the
    /// image's own stride. Returns the number of bytes.
    pub(super) fn transfer(&mut self, ram: &GuestRam, rect: Rect, offset: u64) -> Result<u64, Refusal> {
        let backing = self.backing.as_ref().ok_or(Refusal::Unspecified)?;
        if !self.contains(rect) {
            return Err(Refusal::InvalidParameter);
        }
        let stride = self.stride();
        let mut row = rect.width as usize * PIXEL;
        let mut rows = rect.height as usize;
        let span = (rows - 1) * stride + row;
        if offset.checked_add(span as u64).is_none_or(|end| end > backing.len) {
            return Err(Refusal::InvalidParameter);
        }
        if row == stride {
            (row, rows) = (span, 1);
        }
        let first = rect.y as usize * stride + rect.x as usize * PIXEL;
        for index in 0..rows {
            let to = first + index * stride;
            let part = &mut self.bgra[to..to + row];
            backing.read(ram, offset + (index * stride) as u64, part)?;
            self.order.to_bgra(part);
        }
        Ok((row * rows) as u64)
    }

    pub(super) fn save(&self, id: u32) -> SavedResource {
        let Self { format, order: _, width, height, bgra, backing } = self;
        let backing = backing.as_ref().map(|b| b.runs.iter().map(|run| (run.at, run.len)).collect());
        SavedResource { id, format: *format, width: *width, height: *height, bgra: bgra.clone(), backing }
    }

    pub(super) fn restore(saved: SavedResource, memory: u64) -> Option<(u32, Self)> {
        let SavedResource { id, format, width, height, bgra, backing } = saved;
        let backing = match backing {
            Some(runs) if runs.len() <= MAX_BACKING_ENTRIES => Some(Backing::new(runs)?),
            Some(_) => return None,
            None => None,
        };
        let cost = Self::cost_of(width, height)?;
        if cost > memory || bgra.len() as u64 != cost - OVERHEAD || id == 0 {
            return None;
        }
        let &(_, order) = FORMATS.iter().find(|(number, ..)| *number == format)?;
        let resource = Self { format, order, width, height, bgra, backing };
        (resource.cost() <= memory).then_some((id, resource))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BASE: u64 = 0x4000_0000;

    fn ram() -> GuestRam {
        GuestRam::new(Pa(BASE), 1 << 20).unwrap()
    }

    fn entry(offset: u64, len: u32) -> MemEntry {
        MemEntry { at: Pa(BASE + offset), len }
    }

    #[test]
    fn every_format_becomes_blue_green_red_alpha() {
        // The bytes of one pixel with red 1, green 2, blue 3 and alpha or padding 4, as the format's name spells them.
        let named: [(u32, [u8; 4]); 8] = [
            (1, [3, 2, 1, 4]),
            (2, [3, 2, 1, 4]),
            (3, [4, 1, 2, 3]),
            (4, [4, 1, 2, 3]),
            (67, [1, 2, 3, 4]),
            (68, [4, 3, 2, 1]),
            (121, [4, 3, 2, 1]),
            (134, [1, 2, 3, 4]),
        ];
        let ram = ram();
        for (format, bytes) in named {
            ram.write(Pa(BASE), &bytes).unwrap();
            let mut image = Resource::new(format, 1, 1, u64::MAX).unwrap();
            image.attach(&[entry(0, 4)], &ram, u64::MAX).unwrap();
            image.transfer(&ram, Rect { x: 0, y: 0, width: 1, height: 1 }, 0).unwrap();
            assert_eq!(image.bgra, [3, 2, 1, 4], "format {format}");
        }
    }

    #[test]
    fn adjacent_pages_are_one_run() {
        let pages = (0..900).map(|page| (Pa(BASE + page * 4096), 4096));
        let backing = Backing::new(pages).unwrap();
        assert_eq!(backing.runs, [Run { start: 0, at: Pa(BASE), len: 900 * 4096 }]);
    }

    #[test]
    fn sizes_that_overflow_are_refused() {
        for (width, height) in [(0, 1), (1, 0), (MAX_SIDE + 1, 1), (0x8000_0000, 0x8000_0001), (u32::MAX, u32::MAX)] {
            assert_eq!(Resource::new(1, width, height, u64::MAX).unwrap_err(), Refusal::InvalidParameter);
        }
        assert_eq!(Resource::new(1, MAX_SIDE, MAX_SIDE, 512 << 20).unwrap_err(), Refusal::OutOfMemory);
    }

    #[test]
    fn a_transfer_past_the_backing_is_refused() {
        let ram = ram();
        let mut image = Resource::new(1, 16, 16, u64::MAX).unwrap();
        image.attach(&[entry(0, 1024)], &ram, u64::MAX).unwrap();
        let all = Rect { x: 0, y: 0, width: 16, height: 16 };
        assert_eq!(image.transfer(&ram, all, 0), Ok(1024));
        for offset in [1, 1024, u64::MAX - 1023, u64::MAX] {
            assert_eq!(image.transfer(&ram, all, offset), Err(Refusal::InvalidParameter));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_transfer_moves_exactly_the_rectangle(
            x in 0u32..13, y in 0u32..9, width in 1u32..14, height in 1u32..10,
            cuts in prop::collection::vec(1u32..200, 0..8),
        ) {
            let (w, h) = (13u32, 9u32);
            let ram = ram();
            // Scatter the image over pieces that end inside pixels and lie in descending order.
            let image: Vec<u8> = (0..w * h * 4).map(|i| (i % 251) as u8 | 1).collect();
            let (mut entries, mut done) = (vec![], 0);
            for (index, len) in cuts.iter().copied().chain([u32::MAX]).enumerate() {
                let len = len.min(image.len() as u32 - done);
                let piece = entry(0x8_0000 - 0x1000 * index as u64, len);
                ram.write(piece.at, &image[done as usize..][..len as usize]).unwrap();
                entries.push(piece);
                done += len;
            }
            let mut resource = Resource::new(1, w, h, u64::MAX).unwrap();
            resource.attach(&entries, &ram, u64::MAX).unwrap();
            let rect = Rect { x, y, width, height };
            let offset = u64::from((y * w + x) * 4);
            let outcome = resource.transfer(&ram, rect, offset);
            let fits = x + width <= w && y + height <= h;
            prop_assert_eq!(outcome.is_ok(), fits);
            for py in 0..h {
                for px in 0..w {
                    let at = ((py * w + px) * 4) as usize;
                    let inside = fits && (x..x + width).contains(&px) && (y..y + height).contains(&py);
                    let want = if inside { &image[at..at + 4] } else { &[0; 4][..] };
                    prop_assert_eq!(&resource.bgra[at..at + 4], want);
                }
            }
        }
    }
}
