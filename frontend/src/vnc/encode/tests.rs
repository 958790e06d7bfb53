//! What was encoded is decoded again, as the specifications say, and compared with what Raw sends of it.

use flate2::{Decompress, FlushDecompress};

use super::super::pixels::tests::format;
use super::*;

/// A client's end.
struct Decoder {
    zrle: Decompress,
    tight: Decompress,
}

fn inflate(stream: &mut Decompress, bytes: &[u8]) -> Vec<u8> {
    let mut to = Vec::with_capacity(1 << 22);
    stream.decompress_vec(bytes, &mut to, FlushDecompress::Sync).unwrap();
    to
}

fn take<'a>(from: &mut &'a [u8], count: usize) -> &'a [u8] {
    from.split_off(..count).expect("as many bytes")
}

fn unpack(from: &mut &[u8], width: usize, height: usize, bits: usize) -> Vec<usize> {
    let mut numbers = vec![];
    for _ in 0..height {
        let row = take(from, (width * bits).div_ceil(8));
        numbers.extend((0..width).map(|x| {
            let upper = 8 - bits - x * bits % 8;
            usize::from(row[x * bits / 8] >> upper) & ((1 << bits) - 1)
        }));
    }
    numbers
}

impl Decoder {
    fn new() -> Self {
        Self { zrle: Decompress::new(true), tight: Decompress::new(true) }
    }

    /// Pixels of `size` bytes in a rectangle.
    fn decode(
        &mut self,
        encoding: Encoding,
        size: usize,
        (width, height): (usize, usize),
        from: &mut &[u8],
    ) -> Vec<u8> {
        match encoding {
            Encoding::Raw => take(from, width * height * size).to_vec(),
            Encoding::Zrle => self.zrle(size, (width, height), from),
            Encoding::Tight => self.tight(size, (width, height), from),
        }
    }

    fn zrle(&mut self, size: usize, (width, height): (usize, usize), from: &mut &[u8]) -> Vec<u8> {
        let length = u32::from_be_bytes(take(from, 4).try_into().unwrap());
        let tiles = inflate(&mut self.zrle, take(from, length as usize));
        let (mut tiles, mut all) = (&tiles[..], vec![0; width * height * size]);
        for top in (0..height).step_by(64) {
            for left in (0..width).step_by(64) {
                let (w, h) = ((width - left).min(64), (height - top).min(64));
                let colours = usize::from(take(&mut tiles, 1)[0]);
                assert!(colours <= 16);
                let palette = take(&mut tiles, colours * size).to_vec();
                let pixels: Vec<u8> = match colours {
                    0 => take(&mut tiles, w * h * size).to_vec(),
                    1 => palette.repeat(w * h),
                    _ => {
                        let bits = [1, 2, 4][usize::from(colours > 2) + usize::from(colours > 4)];
                        let numbers = unpack(&mut tiles, w, h, bits);
                        numbers.iter().flat_map(|n| &palette[n * size..][..size]).copied().collect()
                    }
                };
                for (y, row) in pixels.chunks(w * size).enumerate() {
                    let at = ((top + y) * width + left) * size;
                    all[at..at + row.len()].copy_from_slice(row);
                }
            }
        }
        assert!(tiles.is_empty());
        all
    }

    fn tight(&mut self, size: usize, (width, height): (usize, usize), from: &mut &[u8]) -> Vec<u8> {
        let control = take(from, 1)[0];
        if control == 0x80 {
            return take(from, size).repeat(width * height);
        }
        assert_eq!(control & !0x40, 0, "the first stream, not reset");
        let filter = if control == 0x40 { take(from, 1)[0] } else { 0 };
        let palette = match filter {
            0 => vec![],
            1 => {
                let colours = usize::from(take(from, 1)[0]) + 1;
                take(from, colours * size).to_vec()
            }
            _ => panic!("filter {filter}"),
        };
        let bits = if palette.len() == 2 * size { 1 } else { 8 };
        let expected = if palette.is_empty() { width * height * size } else { (width * bits).div_ceil(8) * height };
        let data = if expected < 12 {
            take(from, expected).to_vec()
        } else {
            let mut length = 0;
            for n in 0..3 {
                let byte = usize::from(take(from, 1)[0]);
                length |= if n == 2 { byte } else { byte & 0x7f } << (7 * n);
                if byte & 0x80 == 0 {
                    break;
                }
            }
            inflate(&mut self.tight, take(from, length))
        };
        assert_eq!(data.len(), expected);
        if palette.is_empty() {
            return data;
        }
        let numbers = unpack(&mut &data[..], width, height, bits);
        numbers.iter().flat_map(|n| &palette[n * size..][..size]).copied().collect()
    }
}

/// Rectangles of so many colours, which are met in no order.
fn rectangles() -> Vec<(usize, Vec<Bgra>)> {
    let sizes = [(1, 1), (3, 3), (7, 2), (64, 64), (65, 64), (200, 70), (720, 64), (2048, 64)];
    let mut random = 1u32;
    let mut next = move || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        random >> 8
    };
    let mut all = vec![];
    for (width, height) in sizes {
        for colours in [1, 2, 3, 4, 5, 16, 17, 255, 256, 257, 1 << 24] {
            let colour = |n: u32| {
                let [b, g, r, _] = (n % colours).wrapping_mul(0x00b5_297a).to_le_bytes();
                [b, g, r, 255]
            };
            all.push((width, (0..width * height).map(|_| colour(next())).collect()));
        }
    }
    all
}

#[test]
fn every_encoding_says_the_same_in_every_format() {
    let formats = [
        Format::default(),
        format(32, 24, true, [255; 3], [0, 8, 16]),
        format(32, 24, false, [255; 3], [24, 16, 8]),
        format(32, 30, true, [1023; 3], [20, 10, 0]),
        format(16, 16, false, [31, 63, 31], [11, 5, 0]),
        format(16, 15, true, [31; 3], [10, 5, 0]),
        format(8, 8, false, [7, 7, 3], [0, 3, 6]),
    ];
    let rectangles = rectangles();
    for format in formats {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new());
        for (encoding, pen) in
            [(Encoding::Raw, format.pixel()), (Encoding::Zrle, format.cpixel()), (Encoding::Tight, format.tpixel())]
        {
            for (width, pixels) in &rectangles {
                let (mut bytes, mut wanted) = (vec![], vec![]);
                encoder.encode(encoding, &format, *width, pixels, &mut bytes);
                put_all(&pen, pixels, &mut wanted);
                let mut rest = &bytes[..];
                let shape = (*width, pixels.len() / width);
                let got = decoder.decode(encoding, pen.size, shape, &mut rest);
                assert!(got == wanted && rest.is_empty(), "{encoding:?} {format:?} {shape:?}");
            }
        }
    }
}

#[test]
fn what_is_plain_takes_few_bytes() {
    let (mut encoder, plain) = (Encoder::new(), vec![[1, 2, 3, 255]; 720 * 64]);
    for (encoding, most) in [(Encoding::Tight, 4), (Encoding::Zrle, 100)] {
        let mut bytes = vec![];
        encoder.encode(encoding, &Format::default(), 720, &plain, &mut bytes);
        assert!(bytes.len() <= most, "{encoding:?}: {} bytes", bytes.len());
    }
}

#[test]
fn lengths_are_compact() {
    for (length, bytes) in [
        (0, &[0][..]),
        (127, &[127]),
        (128, &[0x80, 1]),
        (10_000, &[0x90, 0x4e]),
        (16_383, &[0xff, 0x7f]),
        (16_384, &[0x80, 0x80, 1]),
        ((1 << 22) - 1, &[0xff, 0xff, 0xff]),
    ] {
        let mut to = vec![];
        compact(length, &mut to);
        assert_eq!(to, bytes, "{length}");
    }
}
