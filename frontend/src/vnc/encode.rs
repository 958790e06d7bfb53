//! Rectangles of pixels as clients read them: Raw and ZRLE (RFC 6143 §7.7), and Tight (community specification).
//!
//! Left out: run lengths, since zlib finds runs; Tight's gradients and JPEG.

use flate2::{Compress, Compression, FlushCompress, Status};

use super::pixels::{Bgra, Format, Pen};

/// The side of ZRLE's tiles.
const TILE: usize = 64;
/// Tight sends less than this without compression.
const TINY: usize = 12;
const ZRLE_PALETTE: usize = 16;
const TIGHT_PALETTE: usize = 256;

/// How a client reads rectangles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Pixel after pixel.
    #[default]
    Raw = 0,
    /// Rectangles with palettes, through zlib.
    Tight = 7,
    /// Tiles with palettes, through zlib.
    Zrle = 16,
}

impl Encoding {
    /// The encoding of a number, if it is one of these.
    pub fn numbered(number: i32) -> Option<Self> {
        [Self::Raw, Self::Tight, Self::Zrle].into_iter().find(|encoding| *encoding as i32 == number)
    }
}

/// A zlib stream, which lasts as long as the connection.
#[derive(Debug)]
struct Stream(Compress);

impl Stream {
    fn new() -> Self {
        Self(Compress::new(Compression::fast(), true))
    }

    /// The next part of it, which can be read at once.
    fn compress(&mut self, mut from: &[u8]) -> Vec<u8> {
        let mut to = Vec::with_capacity(from.len() / 4 + 64);
        loop {
            let before = self.0.total_in();
            let status = self.0.compress_vec(from, &mut to, FlushCompress::Sync);
            assert!(matches!(status, Ok(Status::Ok | Status::BufError)), "zlib can always go on: {status:?}");
            from = &from[(self.0.total_in() - before) as usize..];
            // All is flushed when there is room left.
            if from.is_empty() && to.len() < to.capacity() {
                return to;
            }
            to.reserve(to.capacity());
        }
    }
}

/// Encodes rectangles for one client.
#[derive(Debug)]
pub struct Encoder {
    zrle: Stream,
    tight: Stream,
}

impl Encoder {
    /// At the beginning of a connection.
    pub fn new() -> Self {
        Self { zrle: Stream::new(), tight: Stream::new() }
    }

    /// Writes what follows a rectangle's header; `pixels` are rows of `width`.
    pub fn encode(&mut self, encoding: Encoding, format: &Format, width: usize, pixels: &[Bgra], to: &mut Vec<u8>) {
        match encoding {
            Encoding::Raw => put_all(&format.pixel(), pixels, to),
            Encoding::Zrle => self.zrle(&format.cpixel(), width, pixels, to),
            Encoding::Tight => self.tight(&format.tpixel(), width, pixels, to),
        }
    }

    fn zrle(&mut self, pen: &Pen, width: usize, pixels: &[Bgra], to: &mut Vec<u8>) {
        let mut tiles = Vec::new();
        for band in pixels.chunks(width * TILE) {
            for left in (0..width).step_by(TILE) {
                let right = (left + TILE).min(width);
                let tile: Vec<Bgra> = band.chunks(width).flat_map(|row| &row[left..right]).copied().collect();
                let Some((palette, indices)) = palette(&tile, ZRLE_PALETTE) else {
                    tiles.push(0);
                    put_all(pen, &tile, &mut tiles);
                    continue;
                };
                tiles.push(palette.len() as u8);
                put_all(pen, &palette, &mut tiles);
                match palette.len() {
                    1 => {}
                    2 => pack(&indices, right - left, 1, &mut tiles),
                    3..=4 => pack(&indices, right - left, 2, &mut tiles),
                    _ => pack(&indices, right - left, 4, &mut tiles),
                }
            }
        }
        let compressed = self.zrle.compress(&tiles);
        to.extend((compressed.len() as u32).to_be_bytes());
        to.extend(compressed);
    }

    fn tight(&mut self, pen: &Pen, width: usize, pixels: &[Bgra], to: &mut Vec<u8>) {
        /// The kinds of rectangle, of which the latter two use the first zlib stream.
        const FILL: u8 = 0x80;
        const COPY: u8 = 0x00;
        const FILTERED: u8 = 0x40;
        const PALETTE: u8 = 1;
        let mut data = Vec::new();
        match palette(pixels, TIGHT_PALETTE) {
            Some((palette, _)) if palette.len() == 1 => {
                to.push(FILL);
                return put_all(pen, &palette, to);
            }
            Some((palette, indices)) => {
                to.extend([FILTERED, PALETTE, (palette.len() - 1) as u8]);
                put_all(pen, &palette, to);
                pack(&indices, width, if palette.len() == 2 { 1 } else { 8 }, &mut data);
            }
            None => {
                to.push(COPY);
                put_all(pen, pixels, &mut data);
            }
        }
        if data.len() < TINY {
            return to.extend(data);
        }
        let compressed = self.tight.compress(&data);
        compact(compressed.len(), to);
        to.extend(compressed);
    }
}

fn put_all(pen: &Pen, pixels: &[Bgra], to: &mut Vec<u8>) {
    to.reserve(pixels.len() * pen.size);
    pixels.iter().for_each(|&pixel| pen.put(pixel, to));
}

/// The colours of some pixels, in the order in which they are met, and each pixel's number among them; none if there are
/// more than `most`.
fn palette(pixels: &[Bgra], most: usize) -> Option<(Vec<Bgra>, Vec<u8>)> {
    /// Twice as many places as colours, so that one is soon found.
    const PLACES: usize = 2 * TIGHT_PALETTE;
    let mut places = [None::<u8>; PLACES];
    let mut colours: Vec<Bgra> = Vec::new();
    let mut indices = Vec::with_capacity(pixels.len());
    let mut last = (Bgra::default(), 0);
    for &pixel in pixels {
        if pixel != last.0 {
            // Fibonacci hashing: the upper bits of a product depend on all bits of the colour.
            let mut place = (u32::from_le_bytes(pixel).wrapping_mul(0x9e37_79b9) >> 23) as usize;
            let index = loop {
                match places[place % PLACES] {
                    Some(index) if colours[usize::from(index)] == pixel => break index,
                    Some(_) => place += 1,
                    None if colours.len() == most => return None,
                    None => {
                        let index = colours.len() as u8;
                        places[place % PLACES] = Some(index);
                        colours.push(pixel);
                        break index;
                    }
                }
            };
            last = (pixel, index);
        }
        indices.push(last.1);
    }
    Some((colours, indices))
}

/// Writes numbers of so many bits, the first one uppermost; each row of `width` begins with a byte.
fn pack(numbers: &[u8], width: usize, bits: usize, to: &mut Vec<u8>) {
    for row in numbers.chunks(width) {
        for numbers in row.chunks(8 / bits) {
            let byte = numbers.iter().fold(0u16, |byte, &number| byte << bits | u16::from(number));
            to.push((byte << (8 - bits * numbers.len())) as u8);
        }
    }
}

/// Writes a length in Tight's compact form: seven bits a byte, the lowest first, and eight in the third.
fn compact(length: usize, to: &mut Vec<u8>) {
    assert!(length < 1 << 22, "a rectangle is bounded");
    let (low, middle, high) = (length as u8 & 0x7f, (length >> 7) as u8 & 0x7f, (length >> 14) as u8);
    match length {
        0..=0x7f => to.push(low),
        0x80..=0x3fff => to.extend([low | 0x80, middle]),
        _ => to.extend([low | 0x80, middle | 0x80, high]),
    }
}

#[cfg(test)]
mod tests;
