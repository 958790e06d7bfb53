//! Where a small picture is on a screen.
//!
//! # How pictures are compared
//! A pixel of the screen stands for every colour half-way to its eight neighbours', channel by channel, which is what an
//! edge that is drawn half a pixel elsewhere looks like. A pixel of the picture differs by how far it lies outside of that
//! range, in levels from 0 to 255. The picture is looked at in cells of 8×8 pixels; a cell differs by the mean of its
//! pixels and channels, and the picture by its *worst* cell, so that one letter or one corner that is another counts however
//! large and plain the rest may be. The score is 1 − that / 255, and [`LIKE`] is enough.
//!
//! Pixels whose alpha is below a half do not count.
//!
//! # How fast
//! The sums over a cell of the range's ends bound from below what the cell can come to, so that most places are ruled out by
//! a few sums; the cell that last ruled one out is asked first.
//!
//! Left out: pictures that are turned or of another scale.

use std::fs::File;
use std::io::{Cursor, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use image::{ImageError, ImageFormat, ImageReader, Limits, RgbImage, RgbaImage};
use rustix::fs::OFlags;

/// The score at which a place is like the picture: its worst cell differs by 20 levels of 255.
pub const LIKE: f64 = 0.92;
/// A picture's file has no more bytes than this.
const MOST_BYTES: u64 = 8 << 20;
/// A picture has no more pixels on a side than this.
const MOST_SIDE: u32 = 4096;
/// Its pixels take no more bytes than this: 4 million, if they have colours and alpha.
const MOST_MEMORY: u64 = 16 << 20;
/// The side of a cell.
const CELL: usize = 8;
/// A cell of fewer pixels that count is taken for one of so many, lest a few pixels at an edge decide.
const FEW: usize = CELL * CELL / 4;
/// Bytes per pixel.
const CHANNELS: usize = 3;
/// A difference is counted in this part of a level.
const FINE: u64 = 256;

/// Why a picture cannot be looked for.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The host's refusal.
    #[error(transparent)]
    Host(#[from] std::io::Error),
    /// It is a folder, a pipe, or the like.
    #[error("is no plain file")]
    NoFile,
    /// Its file is too long.
    #[error("has more than {} MiB", MOST_BYTES >> 20)]
    Long,
    /// Its sides are too long, or its pixels too many.
    #[error("is too large (up to {MOST_SIDE} pixels a side, and {} MiB of them)", MOST_MEMORY >> 20)]
    Large,
    /// It cannot be read.
    #[error("is no PNG that can be read ({0})")]
    Wrong(String),
    /// Nothing is to be found.
    #[error("is transparent all over: no pixel of it counts")]
    Transparent,
}

/// A picture to look for.
#[derive(Debug)]
pub struct Template {
    width: usize,
    height: usize,
    /// Red, green and blue of every pixel.
    rgb: Vec<u8>,
    /// For each byte of `rgb` 255 if it counts, else 0.
    mask: Vec<u8>,
    /// Pixels that count.
    count: usize,
}

/// The place that is most like a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Best {
    /// Pixels from the left.
    pub x: u32,
    /// Pixels from the top.
    pub y: u32,
    /// From 0 to 1, which is the picture itself.
    pub score: f64,
}

/// The search was stopped.
#[derive(Debug, PartialEq, Eq)]
pub struct Stopped;

impl Template {
    /// A picture of a file.
    ///
    /// # Errors
    /// [`TemplateError`]
    pub fn read(file: &Path) -> Result<Self, TemplateError> {
        // A pipe that nobody writes to is not waited for.
        let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(file)?;
        if !file.metadata()?.is_file() {
            return Err(TemplateError::NoFile);
        }
        let mut bytes = Vec::new();
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(TemplateError::Long);
        }
        let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Png);
        let mut limits = Limits::default();
        limits.max_image_width = Some(MOST_SIDE);
        limits.max_image_height = Some(MOST_SIDE);
        limits.max_alloc = Some(MOST_MEMORY);
        reader.limits(limits);
        match reader.decode() {
            Ok(picture) => Self::new(&picture.into_rgba8()),
            Err(ImageError::Limits(_)) => Err(TemplateError::Large),
            Err(why) => Err(TemplateError::Wrong(why.to_string().replace('\n', " "))),
        }
    }

    /// A picture.
    ///
    /// # Errors
    /// [`TemplateError::Transparent`], also if it has no pixels.
    pub fn new(picture: &RgbaImage) -> Result<Self, TemplateError> {
        let pixels = picture.as_raw().as_chunks::<4>().0;
        let rgb = pixels.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect();
        let mask: Vec<u8> = pixels.iter().flat_map(|p| [if p[3] < 128 { 0 } else { 255 }; CHANNELS]).collect();
        let count = mask.iter().filter(|&&byte| byte != 0).count() / CHANNELS;
        if count == 0 {
            return Err(TemplateError::Transparent);
        }
        Ok(Self { width: picture.width() as usize, height: picture.height() as usize, rgb, mask, count })
    }

    /// Width and height, in pixels.
    pub fn size(&self) -> (u32, u32) {
        (self.width as u32, self.height as u32)
    }

    /// The place of a screen that is most like it; none if it is larger than the screen. `goes_on` is asked now and then.
    ///
    /// # Errors
    /// [`Stopped`], if `goes_on` says no.
    pub fn find(&self, screen: &RgbImage, goes_on: impl Fn() -> bool) -> Result<Option<Best>, Stopped> {
        let (width, height) = (screen.width() as usize, screen.height() as usize);
        let (Some(right), Some(bottom)) = (width.checked_sub(self.width), height.checked_sub(self.height)) else {
            return Ok(None);
        };
        let mut cells = self.cells();
        let scene = Scene::new(screen, cells.iter().any(|cell| cell.sums.is_some()));
        let (mut worst, mut at) = (u64::MAX, (0, 0));
        'search: for y in 0..=bottom {
            if !goes_on() {
                return Err(Stopped);
            }
            for x in 0..=right {
                let Some(here) = self.worst(&scene, (x, y), &mut cells) else { continue };
                (worst, at) = (here, (x, y));
                if worst == 0 {
                    break 'search;
                }
                cells.iter_mut().for_each(|cell| cell.limit = worst * cell.weight / FINE);
            }
        }
        let (x, y) = self.settle(screen, &scene, (worst, at), &mut cells);
        let score = 1.0 - (worst as f64 / (FINE * 255) as f64).min(1.0);
        Ok(Some(Best { x: x as u32, y: y as u32, score }))
    }

    /// Its cells; the last ones of a row or column overlap those before, so that all are whole if they can be.
    fn cells(&self) -> Vec<Cell> {
        let starts = |side: usize| {
            let last = side.saturating_sub(CELL);
            (0..last).step_by(CELL).chain([last]).collect::<Vec<_>>()
        };
        let (columns, rows) = (starts(self.width), starts(self.height));
        let places = rows.iter().flat_map(|&y| columns.iter().map(move |&x| (x, y)));
        places.filter_map(|(x, y)| Cell::new(self, x, y)).collect()
    }

    /// By how much its worst cell differs at a place, in parts of a level; none if a cell reaches its limit.
    fn worst(&self, scene: &Scene, (x, y): (usize, usize), cells: &mut [Cell]) -> Option<u64> {
        let mut worst = 0;
        for n in 0..cells.len() {
            let cell = &cells[n];
            let mut difference = cell.least(scene, x, y);
            if difference < cell.limit {
                difference = cell.difference(self, scene, x, y);
            }
            if difference >= cell.limit {
                cells.swap(0, n);
                return None;
            }
            worst = worst.max(difference * FINE / cell.weight);
        }
        Some(worst)
    }

    /// Of the places next to the best one that are as good, the one whose colours are nearest.
    fn settle(
        &self,
        screen: &RgbImage,
        scene: &Scene,
        (worst, (x, y)): (u64, (usize, usize)),
        cells: &mut [Cell],
    ) -> (usize, usize) {
        cells.iter_mut().for_each(|cell| cell.limit = u64::MAX);
        let (right, bottom) = (scene.width - self.width, scene.height - self.height);
        let near = |at: usize, end: usize| at.saturating_sub(1)..=(at + 1).min(end);
        let places = near(y, bottom).flat_map(|y| near(x, right).map(move |x| (x, y)));
        let as_good = places.filter(|&at| self.worst(scene, at, cells) == Some(worst));
        as_good.min_by_key(|&at| self.distance(screen, at)).unwrap_or((x, y))
    }

    /// The sum of all differences between its colours and the screen's at a place.
    fn distance(&self, screen: &RgbImage, (x, y): (usize, usize)) -> u64 {
        let (row, stride) = (self.width * CHANNELS, screen.width() as usize * CHANNELS);
        let rows = self.rgb.chunks_exact(row).zip(self.mask.chunks_exact(row)).enumerate();
        rows.map(|(n, (rgb, mask))| {
            let shown = &screen.as_raw()[(y + n) * stride + x * CHANNELS..][..row];
            let differences = rgb.iter().zip(shown).zip(mask);
            differences.map(|((&a, &b), &mask)| u64::from(a.abs_diff(b) & mask)).sum::<u64>()
        })
        .sum()
    }
}

/// A cell of a picture.
#[derive(Debug)]
struct Cell {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
    /// Bytes that its difference is the mean of.
    weight: u64,
    /// The sums of its channels, if it is whole and all of it counts.
    sums: Option<[u16; CHANNELS]>,
    /// The sum of differences that is too much.
    limit: u64,
}

impl Cell {
    /// One that begins at a pixel; none if nothing in it counts.
    fn new(of: &Template, x: usize, y: usize) -> Option<Self> {
        let (width, height) = (CELL.min(of.width), CELL.min(of.height));
        let bytes = (y..y + height).flat_map(|y| (0..width * CHANNELS).map(move |n| (y * of.width + x) * CHANNELS + n));
        let count = bytes.clone().filter(|&at| of.mask[at] != 0).count() / CHANNELS;
        let sums = (count == CELL * CELL).then(|| {
            let mut sums = [0; CHANNELS];
            bytes.for_each(|at| sums[at % CHANNELS] += u16::from(of.rgb[at]));
            sums
        });
        let weight = (count.max(FEW.min(of.count)) * CHANNELS) as u64;
        (count > 0).then_some(Self { x, y, width, height, weight, sums, limit: u64::MAX })
    }

    /// A sum that its differences are not below, with the picture at a place.
    fn least(&self, scene: &Scene, x: usize, y: usize) -> u64 {
        let Some(sums) = self.sums else { return 0 };
        let at = scene.at(x + self.x, y + self.y);
        let (low, high) = (&scene.low_sums[at..at + CHANNELS], &scene.high_sums[at..at + CHANNELS]);
        let outside = |n: usize| low[n].saturating_sub(sums[n]) + sums[n].saturating_sub(high[n]);
        (0..CHANNELS).map(|n| u64::from(outside(n))).sum()
    }

    /// The sum of its differences.
    fn difference(&self, of: &Template, scene: &Scene, x: usize, y: usize) -> u64 {
        let row = self.width * CHANNELS;
        let mut sum = 0;
        for n in 0..self.height {
            let at = scene.at(x + self.x, y + self.y + n);
            let (low, high) = (&scene.low[at..at + row], &scene.high[at..at + row]);
            let at = ((self.y + n) * of.width + self.x) * CHANNELS;
            let (rgb, mask) = (&of.rgb[at..at + row], &of.mask[at..at + row]);
            for ((&low, &high), (&byte, &mask)) in low.iter().zip(high).zip(rgb.iter().zip(mask)) {
                sum += u32::from((low.saturating_sub(byte) + byte.saturating_sub(high)) & mask);
            }
        }
        u64::from(sum)
    }
}

/// A screen, made ready.
#[derive(Debug)]
struct Scene {
    width: usize,
    height: usize,
    /// The ends of what each byte stands for.
    low: Vec<u8>,
    high: Vec<u8>,
    /// Their sums over the cell that begins at each pixel.
    low_sums: Vec<u16>,
    high_sums: Vec<u16>,
}

impl Scene {
    fn new(screen: &RgbImage, with_sums: bool) -> Self {
        let (width, height) = (screen.width() as usize, screen.height() as usize);
        let (rgb, stride) = (screen.as_raw(), width * CHANNELS);
        let middle = |round: u16| move |(&a, &b): (&u8, &u8)| ((u16::from(a) + u16::from(b) + round) / 2) as u8;
        let low: Vec<u8> = rgb.iter().zip(&around(rgb, stride, u8::min)).map(middle(0)).collect();
        let high: Vec<u8> = rgb.iter().zip(&around(rgb, stride, u8::max)).map(middle(1)).collect();
        let of = |bytes: &[u8]| if with_sums { sums(bytes, stride) } else { Vec::new() };
        let (low_sums, high_sums) = (of(&low), of(&high));
        Self { width, height, low, high, low_sums, high_sums }
    }

    /// The index of a pixel's first byte.
    fn at(&self, x: usize, y: usize) -> usize {
        (y * self.width + x) * CHANNELS
    }
}

/// For every byte, what `pick` chooses of it and the eight around it of the same channel.
fn around(bytes: &[u8], stride: usize, pick: impl Fn(u8, u8) -> u8) -> Vec<u8> {
    let mut rows = bytes.to_vec();
    for (row, of) in rows.chunks_exact_mut(stride).zip(bytes.chunks_exact(stride)) {
        row.iter_mut().zip(&of[CHANNELS..]).for_each(|(byte, &right)| *byte = pick(*byte, right));
        row[CHANNELS..].iter_mut().zip(of).for_each(|(byte, &left)| *byte = pick(*byte, left));
    }
    let mut all = rows.clone();
    all.iter_mut().zip(&rows[stride..]).for_each(|(byte, &below)| *byte = pick(*byte, below));
    all[stride..].iter_mut().zip(&rows).for_each(|(byte, &above)| *byte = pick(*byte, above));
    all
}

/// For every byte, the sum of its channel over the cell that begins there; nonsense where none fits.
fn sums(bytes: &[u8], stride: usize) -> Vec<u16> {
    let mut columns: Vec<u16> = vec![0; bytes.len()];
    for n in 0..CELL {
        let below = bytes.get(n * stride..).unwrap_or_default();
        columns.iter_mut().zip(below).for_each(|(sum, &byte)| *sum += u16::from(byte));
    }
    let mut sums: Vec<u16> = vec![0; bytes.len()];
    for n in 0..CELL {
        let right = columns.get(n * CHANNELS..).unwrap_or_default();
        sums.iter_mut().zip(right).for_each(|(sum, &column)| *sum += column);
    }
    sums
}

#[cfg(test)]
mod tests;
