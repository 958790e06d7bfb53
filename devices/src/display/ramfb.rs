//! ramfb: a frame buffer in guest RAM, for firmware, set up through the fw_cfg file `etc/ramfb`.
//!
//! The file is 28 bytes, all big-endian: u64 address; u32 DRM fourcc, flags (none defined), width, height, stride (0 for
//! rows without gaps). The guest writes it as a whole by fw_cfg DMA; the machine hands what was written to
//! [`RamFb::configure`]. Formats and rules follow QEMU's device of the same name, except that a configuration that
//! cannot be shown switches the display off instead of being ignored.
//!
//! The guest says nothing of what it draws, so the buffer is compared with what was last presented, 60 times a second
//! while it changes and [`IDLE`] apart while it does not.
//!
//! Left out: formats of more than 8 bits per colour, palettes, tiling.

use serde::{Deserialize, Serialize};

use crate::bus::{Frame, FrameSink, GuestRam, Nanos, Pa, Poll, Rect, Reset, RestoreError, Snapshot, Waker};

/// The name of the fw_cfg file.
pub const FILE: &str = "etc/ramfb";
/// The length of the fw_cfg file.
pub const CONFIG_LEN: usize = 28;

/// Between two looks at a buffer that changes.
const BUSY: Nanos = 1_000_000_000 / 60;
/// Between two looks at a buffer that has stayed the same for `PATIENCE` looks.
pub const IDLE: Nanos = 100_000_000;
const PATIENCE: u32 = 60;

const MIN_SIDE: u32 = 16;
const MAX_SIDE: u32 = 16384;
/// Bytes of B, G, R, X that a frame may take of the host.
const MAX_FRAME: u64 = 128 << 20;

/// A pixel format: its DRM fourcc, its bytes per pixel, and how a row of it becomes B, G, R, X.
struct Format {
    fourcc: [u8; 4],
    bytes: usize,
    convert: fn(&[u8], &mut [u8]),
}

impl Format {
    const fn new(fourcc: &[u8; 4], bytes: usize, convert: fn(&[u8], &mut [u8])) -> Self {
        Self { fourcc: *fourcc, bytes, convert }
    }
}

/// DRM names give colours from the top of a little-endian word, so XR24 is B, G, R, X in memory.
static FORMATS: [Format; 11] = [
    Format::new(b"XR24", 4, |from, to| to.copy_from_slice(from)),
    Format::new(b"AR24", 4, |from, to| to.copy_from_slice(from)),
    Format::new(b"XB24", 4, |from, to| pixels(from, to, |[r, g, b, x]| [b, g, r, x])),
    Format::new(b"AB24", 4, |from, to| pixels(from, to, |[r, g, b, x]| [b, g, r, x])),
    Format::new(b"RX24", 4, |from, to| pixels(from, to, |[x, b, g, r]| [b, g, r, x])),
    Format::new(b"RA24", 4, |from, to| pixels(from, to, |[x, b, g, r]| [b, g, r, x])),
    Format::new(b"BX24", 4, |from, to| pixels(from, to, |[x, r, g, b]| [b, g, r, x])),
    Format::new(b"BA24", 4, |from, to| pixels(from, to, |[x, r, g, b]| [b, g, r, x])),
    Format::new(b"RG24", 3, |from, to| pixels(from, to, |[b, g, r]| [b, g, r, 0])),
    Format::new(b"BG24", 3, |from, to| pixels(from, to, |[r, g, b]| [b, g, r, 0])),
    Format::new(b"RG16", 2, |from, to| pixels(from, to, rgb565)),
];

fn pixels<const N: usize>(from: &[u8], to: &mut [u8], convert: impl Fn([u8; N]) -> [u8; 4]) {
    for (from, to) in from.as_chunks().0.iter().zip(to.as_chunks_mut().0) {
        *to = convert(*from);
    }
}

fn rgb565(pixel: [u8; 2]) -> [u8; 4] {
    let word = u16::from_le_bytes(pixel);
    let five = |v: u16| ((v & 0x1f) << 3 | (v & 0x1f) >> 2) as u8;
    let six = |v: u16| ((v & 0x3f) << 2 | (v & 0x3f) >> 4) as u8;
    [five(word), six(word >> 5), five(word >> 11), 0]
}

/// What the guest configured.
struct Mode {
    config: [u8; CONFIG_LEN],
    at: Pa,
    format: &'static Format,
    width: u32,
    height: u32,
    stride: u64,
}

impl Mode {
    fn parse(config: [u8; CONFIG_LEN], ram: &GuestRam) -> Option<Self> {
        let word = |at: usize| u32::from_be_bytes(config[at..at + 4].try_into().expect("four bytes"));
        let at = Pa(u64::from(word(0)) << 32 | u64::from(word(4)));
        let (fourcc, width, height, stride) = (word(8).to_le_bytes(), word(16), word(20), word(24));
        let format = FORMATS.iter().find(|f| f.fourcc == fourcc)?;
        let sides = MIN_SIDE..=MAX_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) || u64::from(width) * u64::from(height) * 4 > MAX_FRAME {
            return None;
        }
        let row = u64::from(width) * format.bytes as u64;
        let stride = if stride == 0 { row } else { stride.into() };
        if stride < row {
            return None;
        }
        ram.offset(at, stride * u64::from(height - 1) + row)?;
        Some(Self { config, at, format, width, height, stride })
    }
}

/// The ramfb device.
pub struct RamFb {
    // Fixed configuration.
    scanout: usize,
    // Wires.
    ram: GuestRam,
    sink: Box<dyn FrameSink>,
    waker: Waker,
    // Guest state.
    mode: Option<Mode>,
    // Bookkeeping.
    /// What was presented; empty before the first time.
    shown: Vec<u8>,
    unchanged: u32,
    due: Nanos,
}

impl RamFb {
    /// A ramfb that shows on this scanout of `sink` once it is configured. `waker` is to have the board poll it.
    #[must_use]
    pub fn new(scanout: usize, ram: GuestRam, sink: Box<dyn FrameSink>, waker: Waker) -> Self {
        Self { scanout, ram, sink, waker, mode: None, shown: vec![], unchanged: 0, due: 0 }
    }

    /// The guest has written `etc/ramfb`. What is not [`CONFIG_LEN`] bytes long, or cannot be shown, switches it off.
    pub fn configure(&mut self, bytes: &[u8]) {
        let mode = bytes.try_into().ok().and_then(|config| Mode::parse(config, &self.ram));
        if mode.is_none() {
            tracing::debug!("ramfb: switched off by configuration {bytes:x?}");
            if self.mode.is_some() {
                self.sink.disable(self.scanout);
            }
        }
        self.mode = mode;
        self.shown = vec![];
        (self.unchanged, self.due) = (0, 0);
        self.waker.wake();
    }

    /// Whether a frame buffer is configured.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.mode.is_some()
    }

    /// Presents everything anew at the next poll, as after a window was made anew.
    pub fn repaint(&mut self) {
        self.shown = vec![];
        self.due = 0;
        self.waker.wake();
    }

    /// Copies what has changed in guest memory; says which rows.
    fn update(&mut self) -> Option<Rect> {
        let Mode { at, format, width, height, stride, .. } = self.mode.as_ref()?;
        let row = *width as usize * 4;
        let fresh = self.shown.is_empty();
        self.shown.resize(row * *height as usize, 0);
        let mut raw = vec![0; *width as usize * format.bytes];
        let mut now = vec![0; row];
        let mut rows = None;
        for (y, shown) in (0..*height).zip(self.shown.chunks_exact_mut(row)) {
            self.ram.read(Pa(at.0 + stride * u64::from(y)), &mut raw).ok()?;
            (format.convert)(&raw, &mut now);
            if fresh || *shown != now {
                shown.copy_from_slice(&now);
                rows = Some((rows.map_or(y, |(first, _)| first), y));
            }
        }
        rows.map(|(first, last)| Rect { x: 0, y: first, width: *width, height: last - first + 1 })
    }
}

impl Poll for RamFb {
    fn poll(&mut self, now: Nanos) -> Option<Nanos> {
        if now < self.due {
            return Some(self.due);
        }
        let damage = self.update();
        let &Mode { width, height, .. } = self.mode.as_ref()?;
        match damage {
            Some(damage) => {
                self.unchanged = 0;
                let frame = Frame { width, height, stride: width as usize * 4, bgrx: &self.shown };
                self.sink.present(self.scanout, frame, damage);
            }
            None => self.unchanged = self.unchanged.saturating_add(1),
        }
        self.due = now.saturating_add(if self.unchanged < PATIENCE { BUSY } else { IDLE });
        Some(self.due)
    }
}

impl Reset for RamFb {
    fn reset(&mut self) {
        self.configure(&[]);
    }
}

/// A [`RamFb`] as saved.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedRamFb {
    config: Option<[u8; CONFIG_LEN]>,
}

impl Snapshot for RamFb {
    type Saved = SavedRamFb;

    fn save(&self) -> SavedRamFb {
        let Self { scanout: _, ram: _, sink: _, waker: _, mode, shown: _, unchanged: _, due: _ } = self;
        SavedRamFb { config: mode.as_ref().map(|mode| mode.config) }
    }

    fn restore(&mut self, saved: SavedRamFb) -> Result<(), RestoreError> {
        let SavedRamFb { config } = saved;
        if config.is_some_and(|config| Mode::parse(config, &self.ram).is_none()) {
            return Err(RestoreError { device: "ramfb", field: "config" });
        }
        self.configure(config.as_ref().map_or(&[], |config| config));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use proptest::prelude::*;

    use super::*;
    use crate::bus::Cursor;

    const BASE: u64 = 0x4000_0000;
    const BUFFER: u64 = BASE + 0x1_0000;

    type Heard = Arc<Mutex<Vec<Option<(Rect, [u8; 4])>>>>;

    /// Keeps each damage and the first pixel in it, or nothing when switched off.
    struct Screen(Heard);

    impl FrameSink for Screen {
        fn present(&mut self, scanout: usize, frame: Frame<'_>, damage: Rect) {
            assert_eq!((scanout, damage.width), (1, frame.width));
            let at = frame.stride * damage.y as usize;
            let pixel = frame.bgrx[at..at + 4].try_into().unwrap();
            self.0.lock().unwrap().push(Some((damage, pixel)));
        }
        fn disable(&mut self, _: usize) {
            self.0.lock().unwrap().push(None);
        }
        fn cursor(&mut self, _: usize, _: &Cursor) {}
    }

    fn ramfb() -> (RamFb, GuestRam, Heard) {
        let ram = GuestRam::new(Pa(BASE), 1 << 20).unwrap();
        let heard = Heard::default();
        (RamFb::new(1, ram.clone(), Box::new(Screen(heard.clone())), Waker::none()), ram, heard)
    }

    fn config(at: u64, fourcc: &[u8; 4], width: u32, height: u32, stride: u32) -> Vec<u8> {
        let mut bytes = at.to_be_bytes().to_vec();
        for word in [u32::from_le_bytes(*fourcc), 0, width, height, stride] {
            bytes.extend(word.to_be_bytes());
        }
        bytes
    }

    fn rows(y: u32, height: u32) -> Rect {
        Rect { x: 0, y, width: 32, height }
    }

    fn take(heard: &Heard) -> Vec<Option<(Rect, [u8; 4])>> {
        std::mem::take(&mut heard.lock().unwrap())
    }

    #[test]
    fn rows_that_change_are_presented_sixty_times_a_second() {
        let (mut fb, ram, heard) = ramfb();
        assert_eq!(fb.poll(0), None);
        // The bytes that firmware writes: 32 × 20 of XR24, rows 0x100 apart.
        fb.configure(&config(BUFFER, b"XR24", 32, 20, 0x100));
        assert_eq!(fb.poll(5), Some(5 + BUSY));
        assert_eq!(take(&heard), [Some((rows(0, 20), [0; 4]))]);
        ram.write(Pa(BUFFER + 0x300), &[1, 2, 3, 4]).unwrap();
        ram.write(Pa(BUFFER + 0x500), &[9]).unwrap();
        ram.write(Pa(BUFFER + 0x6ff), &[9]).unwrap(); // between two rows
        assert_eq!(fb.poll(6), Some(5 + BUSY), "not due yet");
        assert_eq!(take(&heard), []);
        fb.poll(5 + BUSY);
        assert_eq!(take(&heard), [Some((rows(3, 3), [1, 2, 3, 4]))]);
    }

    #[test]
    fn a_still_picture_is_looked_at_less_often_until_it_moves() {
        let (mut fb, ram, heard) = ramfb();
        fb.configure(&config(BUFFER, b"XR24", 32, 20, 0));
        let mut now = 0;
        for _ in 0..=PATIENCE {
            now = fb.poll(now).unwrap();
        }
        let next = fb.poll(now).unwrap();
        assert_eq!(next - now, IDLE);
        assert_eq!(take(&heard).len(), 1);
        ram.write(Pa(BUFFER), &[1]).unwrap();
        assert_eq!(fb.poll(next), Some(next + BUSY));
    }

    #[test]
    fn formats_come_out_blue_green_red() {
        // Red 8, green 4, blue 16 and padding 1 in each format's memory order; RG16 has them as 1, 1 and 2.
        let bytes: [(&[u8; 4], &[u8]); 7] = [
            (b"XR24", &[16, 4, 8, 1]),
            (b"AB24", &[8, 4, 16, 1]),
            (b"RX24", &[1, 16, 4, 8]),
            (b"BA24", &[1, 8, 4, 16]),
            (b"RG24", &[16, 4, 8]),
            (b"BG24", &[8, 4, 16]),
            (b"RG16", &[0b0010_0010, 0b0000_1000]),
        ];
        for (fourcc, pixel) in bytes {
            let (mut fb, ram, heard) = ramfb();
            ram.write(Pa(BUFFER), pixel).unwrap();
            fb.configure(&config(BUFFER, fourcc, 32, 16, 0));
            fb.poll(0);
            let Some((damage, [b, g, r, _])) = take(&heard)[0] else { panic!("{fourcc:?} is not shown") };
            assert_eq!((damage, [b, g, r]), (rows(0, 16), [16, 4, 8]), "{fourcc:?}");
        }
    }

    #[test]
    fn what_cannot_be_shown_switches_the_display_off() {
        let good = config(BUFFER, b"XR24", 32, 20, 0);
        let bad = [
            vec![],
            good[..27].to_vec(),
            vec![0; 28],
            config(BUFFER, b"NV12", 32, 20, 0),
            config(BUFFER, b"XR24", 15, 20, 0),
            config(BUFFER, b"XR24", 32, 20, 127),
            config(BUFFER, b"XR24", 16384, 16384, 0),
            config(BUFFER, b"XR24", u32::MAX, u32::MAX, u32::MAX),
            config(BASE + (1 << 20) - 32 * 20 * 4 + 1, b"XR24", 32, 20, 0),
            config(u64::MAX, b"XR24", 32, 20, 0),
        ];
        for bytes in bad {
            let (mut fb, _, heard) = ramfb();
            fb.configure(&good);
            assert!(fb.is_enabled());
            fb.configure(&bytes);
            assert_eq!((fb.poll(0), take(&heard)), (None, vec![None]), "{bytes:x?}");
        }
    }

    #[test]
    fn a_restored_ramfb_presents_the_memory_it_finds() {
        let (mut fb, ..) = ramfb();
        fb.configure(&config(BUFFER, b"XR24", 32, 20, 0));
        let (mut other, ram, heard) = ramfb();
        ram.write(Pa(BUFFER), &[5]).unwrap();
        other.restore(fb.save()).unwrap();
        other.poll(0);
        assert_eq!(take(&heard), [Some((rows(0, 20), [5, 0, 0, 0]))]);
        assert!(other.restore(SavedRamFb { config: Some([0xff; CONFIG_LEN]) }).is_err());
        assert!(other.is_enabled());
        other.reset();
        assert!(!other.is_enabled());
    }

    proptest! {
        #[test]
        fn random_configurations_never_panic(
            at in prop_oneof![Just(BUFFER), any::<u64>()],
            format in 0..FORMATS.len(),
            sides in (prop_oneof![0u32..200, any::<u32>()], prop_oneof![0u32..200, any::<u32>()]),
            stride in prop_oneof![Just(0), 0u32..2000, any::<u32>()],
        ) {
            let (mut fb, ..) = ramfb();
            fb.configure(&config(at, &FORMATS[format].fourcc, sides.0, sides.1, stride));
            fb.poll(0);
        }
    }
}
