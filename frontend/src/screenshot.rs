//! `--screenshot-at`: what a phone's screen shows, as PNG files.
//!
//! A file is written beside its place and renamed into it, so it is there whole or not at all.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use image::codecs::png::PngEncoder;
use image::codecs::pnm::{PnmEncoder, PnmSubtype, SampleEncoding};
use image::{ExtendedColorType, ImageEncoder, RgbImage};

use crate::cli::Screenshot;
use crate::screen::Screen;
use crate::whole;

/// What a screen shows now, and its generation. A dark screen is black, in the size given.
pub fn picture(screen: &Screen, dark: (u32, u32)) -> (u64, RgbImage) {
    screen.look(0, 0, |view| {
        let (width, height) = view.size.unwrap_or(dark);
        let mut bgra = vec![0; width as usize * height as usize * 4];
        view.paint(&mut bgra);
        let rgb = bgra.as_chunks().0.iter().flat_map(|&[b, g, r, _]| [r, g, b]).collect();
        (view.generation, RgbImage::from_raw(width, height, rgb).expect("three bytes for each pixel"))
    })
}

/// The format of a screenshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Picture {
    /// PNG.
    Png,
    /// The plain format of netpbm.
    Ppm,
}

/// Writes what a screen shows now.
///
/// # Errors
/// One line that names the file.
pub fn write(screen: &Screen, dark: (u32, u32), file: &Path, format: Picture) -> Result<()> {
    let (_, rgb) = picture(screen, dark);
    let (width, height) = rgb.dimensions();
    let wrong = || format!("{}: the screenshot cannot be written", file.display());
    let encoded = |to: &mut BufWriter<&mut File>| {
        let written =
            match format {
                Picture::Png => PngEncoder::new(to).write_image(&rgb, width, height, ExtendedColorType::Rgb8),
                Picture::Ppm => PnmEncoder::new(to)
                    .with_subtype(PnmSubtype::Pixmap(SampleEncoding::Binary))
                    .write_image(&rgb, width, height, ExtendedColorType::Rgb8),
            };
        written.map_err(io::Error::other)
    };
    whole::write(file, encoded).with_context(wrong)
}

/// Says now, before anything runs, what could not be written later.
///
/// # Errors
/// One line that names the option.
pub fn check(screenshots: &[Screenshot]) -> Result<()> {
    for Screenshot { seconds, file } in screenshots {
        let option = format!("--screenshot-at {seconds}={}", file.display());
        if file.is_dir() {
            bail!("{option}: is a folder (name a file)");
        }
        let folder = whole::folder(file);
        let writable = rustix::fs::access(folder, rustix::fs::Access::WRITE_OK);
        writable.map_err(|why| anyhow::anyhow!("{option}: {} is no folder to write to: {why}", folder.display()))?;
    }
    Ok(())
}

/// Screenshots that are yet to be taken, by a thread of their own.
#[derive(Debug)]
pub struct Album {
    end: Sender<()>,
    thread: JoinHandle<Vec<Screenshot>>,
}

impl Album {
    /// Starts to count the seconds.
    pub fn start(mut shots: Vec<Screenshot>, screen: Screen, dark: (u32, u32)) -> io::Result<Self> {
        shots.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        let started = Instant::now();
        let (end, ended) = mpsc::channel();
        let take = move || {
            let mut missed = vec![];
            for shot in shots {
                let left = Duration::from_secs_f64(shot.seconds).saturating_sub(started.elapsed());
                if missed.is_empty() && ended.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
                    if let Err(why) = write(&screen, dark, &shot.file, Picture::Png) {
                        eprintln!("handset: {why:#}");
                        missed.push(shot);
                    }
                } else {
                    eprintln!(
                        "handset: --screenshot-at {}={}: the phone ended before",
                        shot.seconds,
                        shot.file.display()
                    );
                    missed.push(shot);
                }
            }
            missed
        };
        let thread = thread::Builder::new().name("screenshots".into()).spawn(take)?;
        Ok(Self { end, thread })
    }

    /// The phone has ended: whether all screenshots were taken.
    pub fn finish(self) -> bool {
        drop(self.end);
        self.thread.join().is_ok_and(|missed| missed.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use devices::bus::{Frame, Rect};

    use super::*;
    use crate::screen::Source;

    #[test]
    fn a_screenshot_is_a_png_of_what_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.png");
        let screen = Screen::new(1);
        let bgrx = [[10, 20, 30, 0], [40, 50, 60, 0]].concat();
        let frame = Frame { width: 2, height: 1, stride: 8, bgrx: &bgrx };
        screen.sink(Source::Gpu).present(0, frame, Rect { x: 0, y: 0, width: 2, height: 1 });
        write(&screen, (9, 9), &file, Picture::Png).unwrap();
        let decoded = image::open(&file).unwrap().into_rgb8();
        assert_eq!((decoded.dimensions(), decoded.into_raw()), ((2, 1), vec![30, 20, 10, 60, 50, 40]));
        let file = folder.path().join("a.ppm");
        write(&screen, (9, 9), &file, Picture::Ppm).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"P6\n2 1 255\n\x1e\x14\x0a\x3c\x32\x28");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_dark_screen_is_black() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.png");
        write(&Screen::new(1), (9, 5), &file, Picture::Png).unwrap();
        let decoded = image::open(&file).unwrap().into_rgb8();
        assert_eq!(decoded.dimensions(), (9, 5));
        assert!(decoded.into_raw().iter().all(|&byte| byte == 0));
    }

    #[test]
    fn what_cannot_be_written_is_said_at_once() {
        let shot = |file: &str| [Screenshot { seconds: 1.0, file: file.into() }];
        let line = check(&shot("/nowhere/at/all.png")).unwrap_err().to_string();
        assert!(line.starts_with("--screenshot-at 1=/nowhere/at/all.png: /nowhere/at is no folder"), "{line}");
        assert!(check(&shot("/")).is_err());
    }

    #[test]
    fn a_phone_that_ends_first_misses_its_screenshots() {
        let folder = tempfile::tempdir().unwrap();
        let shot = |seconds: f64, name: &str| Screenshot { seconds, file: folder.path().join(name) };
        let shots = vec![shot(1e6, "late.png"), shot(0.0, "early.png")];
        let album = Album::start(shots, Screen::new(1), (9, 9)).unwrap();
        while !folder.path().join("early.png").exists() {
            thread::yield_now();
        }
        assert!(!album.finish());
        assert!(!folder.path().join("late.png").exists());
    }
}
