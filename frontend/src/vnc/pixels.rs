//! How a client wants its pixels (RFC 6143 §7.4), and the bytes of a colour in that.

/// Bytes of a format as it is sent.
pub const FORMAT: usize = 16;

/// A pixel: B, G, R, 255.
pub type Bgra = [u8; 4];

/// A true-colour format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    bits: u8,
    depth: u8,
    big_endian: bool,
    /// Of red, green, blue: the greatest value, and how many bits lie below it.
    max: [u16; 3],
    shift: [u8; 3],
}

impl Default for Format {
    /// The picture's own.
    fn default() -> Self {
        Self { bits: 32, depth: 24, big_endian: false, max: [255; 3], shift: [16, 8, 0] }
    }
}

impl Format {
    /// A format as a client sends it; none if it has a colour map or makes no sense.
    pub fn read(bytes: &[u8; FORMAT]) -> Option<Self> {
        let [bits, depth, big_endian, true_colour, r1, r0, g1, g0, b1, b0, r, g, b, _, _, _] = *bytes;
        let max = [[r1, r0], [g1, g0], [b1, b0]].map(u16::from_be_bytes);
        let shift = [r, g, b];
        let fits = |(max, shift): (&u16, &u8)| {
            *max > 0 && *shift < bits && u64::from(*max) << *shift <= u64::from(u32::MAX >> (32 - bits))
        };
        let sound = true_colour != 0 && [8, 16, 32].contains(&bits) && max.iter().zip(&shift).all(fits);
        sound.then_some(Self { bits, depth, big_endian: big_endian != 0, max, shift })
    }

    /// The bytes by which it is sent.
    pub fn bytes(&self) -> [u8; FORMAT] {
        let [[r1, r0], [g1, g0], [b1, b0]] = self.max.map(u16::to_be_bytes);
        let [r, g, b] = self.shift;
        [self.bits, self.depth, self.big_endian.into(), 1, r1, r0, g1, g0, b1, b0, r, g, b, 0, 0, 0]
    }

    /// How whole pixels are written.
    pub fn pixel(&self) -> Pen {
        let size = usize::from(self.bits / 8);
        Pen::new(self, if self.big_endian { 4 - size } else { 0 }, size)
    }

    /// How ZRLE's CPIXELs are written (RFC 6143 §7.7.5): without the byte that has no colour in it, if there is one.
    pub fn cpixel(&self) -> Pen {
        if self.bits != 32 || self.depth > 24 {
            return self.pixel();
        }
        let used = self.max.iter().zip(self.shift).fold(0, |used, (&max, shift)| used | u32::from(max) << shift);
        match (used & 0xff00_0000, used & 0xff) {
            (0, _) => Pen::new(self, if self.big_endian { 1 } else { 0 }, 3),
            (_, 0) => Pen::new(self, if self.big_endian { 0 } else { 1 }, 3),
            _ => self.pixel(),
        }
    }

    /// How Tight's TPIXELs are written: as R, G, B if those have a byte each in 32 bits.
    pub fn tpixel(&self) -> Pen {
        if self.bits == 32 && self.depth == 24 && self.max == [255; 3] {
            return Pen::new(&Self { big_endian: false, shift: [0, 8, 16], ..*self }, 0, 3);
        }
        self.pixel()
    }
}

/// Writes colours.
#[derive(Debug)]
pub struct Pen {
    /// What each value of red, green and blue adds to a pixel.
    parts: Box<[[u32; 256]; 3]>,
    big_endian: bool,
    from: usize,
    /// Bytes of a colour.
    pub size: usize,
}

impl Pen {
    fn new(format: &Format, from: usize, size: usize) -> Self {
        let mut parts = Box::new([[0; 256]; 3]);
        for ((part, &max), shift) in parts.iter_mut().zip(&format.max).zip(format.shift) {
            for (value, bits) in part.iter_mut().enumerate() {
                *bits = (value as u32 * u32::from(max) + 127) / 255 << shift;
            }
        }
        Self { parts, big_endian: format.big_endian, from, size }
    }

    /// Writes one.
    pub fn put(&self, [b, g, r, _]: Bgra, to: &mut Vec<u8>) {
        let [red, green, blue] = &*self.parts;
        let pixel = red[usize::from(r)] | green[usize::from(g)] | blue[usize::from(b)];
        let bytes = if self.big_endian { pixel.to_be_bytes() } else { pixel.to_le_bytes() };
        to.extend_from_slice(&bytes[self.from..self.from + self.size]);
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    const COLOUR: Bgra = [0x33, 0x66, 0xff, 255];

    /// A format that a client might ask for.
    pub fn format(bits: u8, depth: u8, big_endian: bool, max: [u16; 3], shift: [u8; 3]) -> Format {
        Format::read(&Format { bits, depth, big_endian, max, shift }.bytes()).expect("a sound format")
    }

    fn put(pen: &Pen) -> Vec<u8> {
        let mut to = vec![];
        pen.put(COLOUR, &mut to);
        assert_eq!(to.len(), pen.size);
        to
    }

    #[test]
    fn a_colour_is_written_as_the_client_wants_it() {
        let ours = Format::default();
        assert_eq!(put(&ours.pixel()), [0x33, 0x66, 0xff, 0]);
        assert_eq!((put(&ours.cpixel()), put(&ours.tpixel())), (vec![0x33, 0x66, 0xff], vec![0xff, 0x66, 0x33]));
        let big = format(32, 24, true, [255; 3], [24, 16, 8]);
        assert_eq!(put(&big.pixel()), [0xff, 0x66, 0x33, 0]);
        assert_eq!((put(&big.cpixel()), put(&big.tpixel())), (vec![0xff, 0x66, 0x33], vec![0xff, 0x66, 0x33]));
        let low = format(32, 24, true, [255; 3], [16, 8, 0]);
        assert_eq!((put(&low.pixel()), put(&low.cpixel())), (vec![0, 0xff, 0x66, 0x33], vec![0xff, 0x66, 0x33]));
        let high = format(32, 24, false, [255; 3], [24, 16, 8]);
        assert_eq!((put(&high.pixel()), put(&high.cpixel())), (vec![0, 0x33, 0x66, 0xff], vec![0x33, 0x66, 0xff]));
        let wide = format(32, 30, false, [1023; 3], [20, 10, 0]);
        assert_eq!((wide.cpixel().size, wide.tpixel().size), (4, 4));
        let half = |big_endian| format(16, 16, big_endian, [31, 63, 31], [11, 5, 0]);
        // 31, 25 and 6.
        assert_eq!((put(&half(false).pixel()), put(&half(true).cpixel())), (vec![0x26, 0xfb], vec![0xfb, 0x26]));
        assert_eq!(put(&format(8, 8, true, [7, 7, 3], [0, 3, 6]).tpixel()), [0b01_011_111]);
    }

    #[test]
    fn formats_are_read_as_they_are_sent_and_nonsense_is_not() {
        let ours = Format::default();
        assert_eq!(Format::read(&ours.bytes()), Some(ours));
        let mut mapped = ours.bytes();
        mapped[3] = 0;
        assert_eq!(Format::read(&mapped), None);
        for (at, byte) in [(0, 0), (0, 24), (0, 64), (10, 25), (10, 255), (5, 0)] {
            let mut bytes = ours.bytes();
            bytes[at] = byte;
            assert_eq!(Format::read(&bytes), None, "{byte} at {at}");
        }
        assert_eq!(Format::read(&[255; FORMAT]), None);
        assert_eq!(Format::read(&[0; FORMAT]), None);
    }
}
