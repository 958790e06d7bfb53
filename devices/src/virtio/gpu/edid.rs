//! The EDID of a virtual panel (VESA E-EDID 1.4, with a DisplayID 1.3 extension where a size needs it).
//!
//! One native mode at 60 Hz with the blanking of VESA CVT 1.2 "reduced blanking", the panel's size in millimetres,
//! sRGB primaries. Left out: audio, HDR, other modes, ranges.

use super::scanout::Display;

/// Bytes of EDID that a GET_EDID response has room for.
pub(super) const MAX_EDID: usize = 1024;

const BLOCK: usize = 128;
/// Three letters of the manufacturer.
const MANUFACTURER: [u8; 3] = *b"HST";
/// Red, green, blue and white of sRGB as the standard's ten bytes.
const SRGB: [u8; 10] = [0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54];
const MODEL_YEAR: u32 = 2026;
const REFRESH: u64 = 60;

/// A mode: pixels shown, then front porch, sync pulse and whole blanking of both directions.
#[derive(Debug, Clone, Copy)]
struct Timing {
    width: u32,
    height: u32,
    h: Blanking,
    v: Blanking,
    /// Units of 10 kHz.
    clock: u64,
}

#[derive(Debug, Clone, Copy)]
struct Blanking {
    front: u32,
    sync: u32,
    all: u32,
}

impl Timing {
    /// CVT 1.2, section 5.4: at least 460 µs of vertical blanking, a clock in steps of 250 kHz. Tiny displays
    /// are faster than 60 Hz, because drivers take clocks below 10 MHz for a fault.
    fn reduced(width: u32, height: u32) -> Self {
        let h = Blanking { front: 48, sync: 32, all: 160 };
        let (front, sync, back) = (3, 10, 6);
        let frame_ns = 1_000_000_000 / REFRESH;
        let lines = 460_000 * u64::from(height) / (frame_ns - 460_000) + 1;
        let v = Blanking { front, sync, all: (lines as u32).max(front + sync + back) };
        let hz = REFRESH * u64::from(width + h.all) * u64::from(height + v.all);
        Self { width, height, h, v, clock: (hz / 250_000).max(40) * 25 }
    }

    /// The 18-byte detailed timing descriptor of a base block (3.10.2), when the fields are wide enough.
    fn descriptor(&self, mm: (u32, u32)) -> Option<[u8; 18]> {
        let Self { width, height, h, v, clock } = *self;
        if width > 0xfff || height > 0xfff || clock > 0xffff || v.all > 0xfff {
            return None;
        }
        let (mm_w, mm_h) = (mm.0.min(0xfff), mm.1.min(0xfff));
        let high = |a: u32, b: u32| (a >> 8 << 4 | b >> 8) as u8;
        let mut d = [0; 18];
        d[..2].copy_from_slice(&(clock as u16).to_le_bytes());
        (d[2], d[3], d[4]) = (width as u8, h.all as u8, high(width, h.all));
        (d[5], d[6], d[7]) = (height as u8, v.all as u8, high(height, v.all));
        (d[8], d[9]) = (h.front as u8, h.sync as u8);
        (d[10], d[11]) = ((v.front << 4 | v.sync) as u8, 0);
        (d[12], d[13], d[14]) = (mm_w as u8, mm_h as u8, high(mm_w, mm_h));
        d[17] = 0x1a; // digital separate sync, horizontal positive, vertical negative: what CVT asks for
        Some(d)
    }

    /// The 20-byte type I detailed timing of a DisplayID (4.4.1).
    fn display_id(&self) -> [u8; 20] {
        let Self { width, height, h, v, clock } = *self;
        let mut d = [0; 20];
        d[..3].copy_from_slice(&(clock as u32 - 1).to_le_bytes()[..3]);
        d[3] = 0x80 | 8; // preferred, no aspect ratio given
        let h_positive = 1 << 15;
        let fields = [
            width - 1,
            h.all - 1,
            (h.front - 1) | h_positive,
            h.sync - 1,
            height - 1,
            v.all - 1,
            v.front - 1,
            v.sync - 1,
        ];
        for (to, field) in d[4..].as_chunks_mut::<2>().0.iter_mut().zip(fields) {
            *to = (field as u16).to_le_bytes();
        }
        d
    }
}

/// Makes the bytes of `block` add up to zero.
fn close(block: &mut [u8]) {
    let (last, bytes) = block.split_last_mut().expect("a block has bytes");
    *last = bytes.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte)).wrapping_neg();
}

/// A display descriptor with text (3.10.3).
fn text(tag: u8, text: &str) -> [u8; 18] {
    let mut d = [0x20; 18];
    d[..5].copy_from_slice(&[0, 0, 0, tag, 0]);
    let len = text.len().min(13);
    d[5..5 + len].copy_from_slice(&text.as_bytes()[..len]);
    if len < 13 {
        d[5 + len] = b'\n';
    }
    d
}

/// The EDID of the display on a scanout: one block, or two when the mode is too large for the first.
pub(super) fn edid(display: Display, scanout: usize) -> Vec<u8> {
    let (width, height) = display.size();
    let mm = display.millimetres();
    let timing = Timing::reduced(width, height);
    let native = timing.descriptor(mm);
    // A base block starts with a mode: a fraction of the native one where that does not fit.
    let fraction = |n: u32| Timing::reduced((width / n).max(1), (height / n).max(1)).descriptor(mm);
    let descriptor = native.or_else(|| (2..).find_map(fraction)).expect("small modes fit");

    let mut e = vec![0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0];
    let letters = MANUFACTURER.iter().fold(0u16, |id, letter| id << 5 | u16::from(letter - b'A' + 1));
    e.extend(letters.to_be_bytes());
    e.extend(1u16.to_le_bytes()); // product
    e.extend((scanout as u32 + 1).to_le_bytes()); // serial number
    e.extend([0xff, (MODEL_YEAR - 1990) as u8]); // model year
    e.extend([1, 4]);
    e.push(0xa0); // digital, 8 bits per colour
    let centimetres = |mm: u32| ((mm + 5) / 10).min(0xff) as u8;
    let cm = (centimetres(mm.0), centimetres(mm.1));
    e.extend(if cm.0 == 0 || cm.1 == 0 { [0, 0] } else { [cm.0, cm.1] });
    e.push(120); // gamma 2.2
    e.push(if native.is_some() { 0x06 } else { 0x04 }); // RGB only, sRGB, whether the first timing is the native one
    e.extend(SRGB);
    e.extend([0; 3]); // no established timings
    e.extend([1; 16]); // no standard timings
    let dummy = text(0x10, "").map(|b| if b == 0x10 { b } else { 0 });
    e.extend(descriptor);
    e.extend(text(0xfc, "Handset"));
    e.extend(text(0xff, &format!("{scanout}")));
    while e.len() < BLOCK - 2 {
        e.extend(dummy);
    }
    e.extend([u8::from(native.is_none()), 0]);
    close(&mut e);

    if native.is_none() {
        let mut x = vec![0x70];
        x.extend([0x13, 121, 2, 0]); // a DisplayID 1.3 section: a display panel
        x.extend([0x00, 0, 12]); // product identification
        x.extend(MANUFACTURER);
        x.extend([1, 0, scanout as u8 + 1, 0, 0, 0, 0, (MODEL_YEAR - 2000) as u8, 0]);
        x.extend([0x01, 0, 12]); // display parameters
        for field in [mm.0.saturating_mul(10), mm.1.saturating_mul(10), width, height] {
            x.extend((field.min(0xffff) as u16).to_le_bytes());
        }
        let aspect = width.max(height) * 100 / width.min(height) - 100;
        x.extend([0, 120, aspect.min(0xff) as u8, 0x77]); // gamma 2.2, 8 bits per colour
        x.extend([0x03, 0, 20]); // type I detailed timing
        x.extend(timing.display_id());
        x.extend([0x0f, 0, 10, 0xb1, 0, 1 << 1, 0, 0, 0, 0, 0, 0, 0]); // interface: proprietary, 8 bits per RGB colour
        x.resize(BLOCK - 1, 0);
        close(&mut x[1..]);
        x.push(0);
        close(&mut x);
        e.extend(x);
    }
    e
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use super::*;

    const SIZES: [(u32, u32); 8] =
        [(720, 1280), (1, 1), (640, 480), (1080, 2400), (3840, 2160), (4095, 1000), (4096, 4096), (16384, 16384)];

    #[test]
    fn blocks_are_whole_and_add_up() {
        for (width, height) in SIZES {
            let e = edid(Display::new(width, height), 0);
            assert_eq!(e.len(), BLOCK * (1 + usize::from(e[126])));
            for block in e.chunks(BLOCK) {
                assert_eq!(block.iter().fold(0u8, |sum, &b| sum.wrapping_add(b)), 0);
            }
        }
    }

    #[test]
    fn the_first_descriptor_holds_size_and_millimetres() {
        let e = edid(Display::new(720, 1280).with_millimetres(65, 115), 0);
        let d = &e[54..72];
        assert_eq!(
            (u32::from(d[2]) | u32::from(d[4] >> 4) << 8, u32::from(d[5]) | u32::from(d[7] >> 4) << 8),
            (720, 1280)
        );
        assert_eq!((d[12], d[13]), (65, 115));
        assert_eq!((e[21], e[22]), (7, 12));
    }

    #[test]
    fn a_portrait_mode_has_the_clock_that_cvt_gives_it() {
        // 37 lines of 12.66 µs are the first above 460 µs; 60 × 880 × 1317 Hz rounds down to 69.50 MHz.
        let t = Timing::reduced(720, 1280);
        assert_eq!((t.width + t.h.all, t.height + t.v.all, t.clock), (880, 1317, 6950));
    }

    /// Judged by edid-decode, where it is installed.
    #[test]
    fn edid_decode_finds_the_mode_and_no_fault() {
        for (width, height) in SIZES {
            let spawned = Command::new("edid-decode")
                .args(["--check", "-"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn();
            let Ok(mut child) = spawned else {
                eprintln!("edid-decode is not installed");
                return;
            };
            let e = edid(Display::new(width, height), 0);
            child.stdin.take().unwrap().write_all(&e).unwrap();
            let out = String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap();
            assert!(out.contains(&format!("{width}x{height} ")), "{out}");
            assert!(!out.contains("Failures:"), "{out}");
        }
    }
}
