//! Recording what the screen shows, as an animated GIF (GIF89a).
//!
//! A frame is what has changed, in up to 256 colours of its own. No more than two pictures are kept in memory, and the file has
//! its name only when it is whole.

use std::io::{self, Write};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use gif::{Encoder, Frame, Repeat};
use image::{RgbImage, imageops};

use crate::screen::Screen;
use crate::{screenshot, whole};

/// Between two frames, at least.
const FRAME: Duration = Duration::from_millis(80);
/// How hard colours are looked for where there are too many: from 1, best, to 30, fastest.
const SPEED: i32 = 20;

/// A part of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

/// Records for so long, or while it goes on; how many frames there are.
///
/// # Errors
/// One line that names the file.
pub fn gif(
    screen: &Screen,
    dark: (u32, u32),
    file: &Path,
    time: Duration,
    goes_on: impl Fn() -> bool,
) -> Result<usize> {
    let ending = file.extension().and_then(|ending| ending.to_str());
    ensure!(ending == Some("gif"), "{}: only GIF files are recorded (name it so: F.gif)", file.display());
    let wrong = || format!("{}: the recording cannot be written", file.display());
    whole::write(file, |to| write(to, screen, dark, time, goes_on)).with_context(wrong)
}

fn write(
    to: impl Write,
    screen: &Screen,
    dark: (u32, u32),
    time: Duration,
    goes_on: impl Fn() -> bool,
) -> io::Result<usize> {
    let begun = Instant::now();
    let (mut seen, mut shown) = screenshot::picture(screen, dark);
    let (width, height) = shown.dimensions();
    let side = |side: u32| u16::try_from(side).map_err(|_| io::Error::other("the screen is larger than a GIF may be"));
    let mut encoder = Encoder::new(to, side(width)?, side(height)?, &[]).map_err(io::Error::other)?;
    encoder.set_repeat(Repeat::Infinite).map_err(io::Error::other)?;
    let mut part = Part { x: 0, y: 0, width, height };
    let (mut frames, mut written) = (0, 0);
    loop {
        // A frame is written when it is known how long it is to be seen.
        let next = loop {
            thread::sleep(FRAME.min(time.saturating_sub(begun.elapsed())));
            if begun.elapsed() >= time || !goes_on() {
                break None;
            }
            if screen.look(0, 0, |view| view.generation) == seen {
                continue;
            }
            let (generation, picture) = screenshot::picture(screen, dark);
            seen = generation;
            // The file's size is that of its first picture.
            let mut now = shown.clone();
            imageops::replace(&mut now, &picture, 0, 0);
            if let Some(changed) = changed(&shown, &now) {
                break Some((now, changed));
            }
        };
        let until = (begun.elapsed().as_millis() / 10) as u64;
        encoder.write_frame(&frame(&shown, part, until - written)).map_err(io::Error::other)?;
        (frames, written) = (frames + 1, until);
        let Some(next) = next else { break };
        (shown, part) = next;
    }
    encoder.into_inner().map_err(io::Error::other)?.flush()?;
    Ok(frames)
}

/// The frame of a part of a picture, to be seen for so many hundredths of a second.
fn frame(picture: &RgbImage, Part { x, y, width, height }: Part, time: u64) -> Frame<'static> {
    let pixels = imageops::crop_imm(picture, x, y, width, height).to_image();
    let mut frame = Frame::from_rgb_speed(width as u16, height as u16, &pixels, SPEED);
    (frame.left, frame.top) = (x as u16, y as u16);
    frame.delay = time.min(u16::MAX.into()) as u16;
    frame
}

/// The smallest part around all pixels in which two pictures of a size differ.
fn changed(before: &RgbImage, now: &RgbImage) -> Option<Part> {
    let (width, height) = now.dimensions();
    let row = |picture: &'_ RgbImage, y: u32| {
        let bytes = width as usize * 3;
        picture.as_raw()[y as usize * bytes..][..bytes].to_vec()
    };
    let mut rows = (0..height).filter(|&y| row(before, y) != row(now, y));
    let top = rows.next()?;
    let bottom = rows.next_back().unwrap_or(top);
    let differs = |x: u32| (top..=bottom).any(|y| before.get_pixel(x, y) != now.get_pixel(x, y));
    let left = (0..width).find(|&x| differs(x))?;
    let right = (0..width).rev().find(|&x| differs(x))?;
    Some(Part { x: left, y: top, width: right - left + 1, height: bottom - top + 1 })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::sync::atomic::{AtomicU32, Ordering};

    use devices::bus::{Frame as Shown, Rect};
    use gif::{ColorOutput, DecodeOptions};

    use super::*;
    use crate::screen::Source;

    const SIZE: (u32, u32) = (40, 30);

    /// Shows a picture that is of one colour but for a dot.
    fn show(screen: &Screen, dot: (u32, u32)) {
        let mut bgrx = vec![0; 40 * 30 * 4];
        bgrx[(dot.1 * 40 + dot.0) as usize * 4..][..3].fill(255);
        let frame = Shown { width: 40, height: 30, stride: 160, bgrx: &bgrx };
        screen.sink(Source::Gpu).present(0, frame, Rect { x: 0, y: 0, width: 40, height: 30 });
    }

    /// Place, size and hundredths of a second of each frame.
    fn frames(file: &Path) -> Vec<(u16, u16, u16, u16, u16)> {
        let mut options = DecodeOptions::new();
        options.set_color_output(ColorOutput::RGBA);
        let mut decoder = options.read_info(File::open(file).unwrap()).unwrap();
        assert_eq!((decoder.width(), decoder.height()), (40, 30));
        let mut frames = vec![];
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            frames.push((frame.left, frame.top, frame.width, frame.height, frame.delay));
        }
        frames
    }

    #[test]
    fn each_change_is_a_frame_and_lasts_as_long_as_it_did() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.gif");
        let screen = Screen::new(1);
        show(&screen, (0, 0));
        let drawn = AtomicU32::new(0);
        let goes_on = || {
            // At the fourth look there is another picture, at the eighth the end.
            let look = drawn.fetch_add(1, Ordering::SeqCst);
            if look == 3 {
                show(&screen, (5, 7));
            }
            look < 7
        };
        let begun = Instant::now();
        assert_eq!(gif(&screen, SIZE, &file, Duration::from_secs(60), goes_on).unwrap(), 2);
        let took = begun.elapsed().as_millis() as u16 / 10;
        let [first, second] = frames(&file)[..] else { panic!("{:?}", frames(&file)) };
        assert_eq!((first.0, first.1, first.2, first.3), (0, 0, 40, 30));
        assert_eq!((second.0, second.1, second.2, second.3), (0, 0, 6, 8));
        assert!(first.4 >= 24 && second.4 >= 24 && first.4 + second.4 <= took, "{first:?} {second:?} in {took}");
    }

    #[test]
    fn a_recording_ends_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.gif");
        let begun = Instant::now();
        assert_eq!(gif(&Screen::new(1), SIZE, &file, Duration::from_millis(300), || true).unwrap(), 1);
        assert!(begun.elapsed() < Duration::from_secs(5));
        let [(.., delay)] = frames(&file)[..] else { panic!() };
        assert!((30..200).contains(&delay), "{delay}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_recorded_is_named() {
        let screen = Screen::new(1);
        let refused =
            |file: &str| format!("{:#}", gif(&screen, SIZE, Path::new(file), Duration::ZERO, || true).unwrap_err());
        assert_eq!(refused("/a.webm"), "/a.webm: only GIF files are recorded (name it so: F.gif)");
        assert!(refused("/none/a.gif").starts_with("/none/a.gif: the recording cannot be written: "));
        assert!(gif(&screen, (70_000, 1), Path::new("/tmp/a.gif"), Duration::ZERO, || true).is_err());
    }
}
