//! What clients find on the phone's screen, and wait for.
//!
//! One look is taken at a time, so that all clients together cost the host one core at most, and what was read is kept for
//! those who ask for the same screen. Who waits looks again when the screen has changed. It ends with the phone, and with the
//! client.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use image::{GrayImage, RgbImage, imageops};
use serde_json::{Value, json};

use super::Phone;
use super::registry::{Args, Failure};
use crate::look::image::{LIKE, Template};
use crate::look::tesseract::{self, ReadError};
use crate::look::text::{Area, Page, Word};
use crate::screenshot;

/// Clients that look or wait at the same time.
const LOOKERS: usize = 16;
/// How long the waiting lasts by default.
pub const TIMEOUT: i64 = 10_000;
/// How often it is looked whether the screen has changed.
const EVERY: Duration = Duration::from_millis(20);
/// Screens of more pixels are not looked at.
const MOST: u64 = 16 << 20;
/// How long a picture is looked for on one screen.
const PATIENCE: Duration = Duration::from_secs(10);
/// Characters of what was read that a failure tells.
const TOLD: usize = 400;

/// Eyes on the screen.
#[derive(Debug, Default)]
pub struct Eyes {
    /// Held through a look.
    turn: Mutex<Memory>,
    lookers: AtomicUsize,
}

/// What was read last: the screen, in which language, and its words as it is and as its negative.
#[derive(Debug, Default)]
struct Memory {
    screen: GrayImage,
    language: String,
    words: [Option<Vec<Word>>; 2],
}

/// What was found.
#[derive(Debug)]
pub struct Found {
    area: Area,
    score: f64,
    /// As it was read, if it is text.
    text: Option<String>,
}

/// What a look came to: what was looked for, or what is there instead.
type Seen<T> = Result<T, String>;

/// Counts who looks.
struct Seat<'a>(&'a AtomicUsize);

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Found {
    /// Its middle, in pixels.
    pub fn middle(&self) -> (i64, i64) {
        let Area { x, y, width, height } = self.area;
        (i64::from(x + width / 2), i64::from(y + height / 2))
    }

    /// For the client.
    pub fn answer(self) -> Value {
        let (x, y) = self.middle();
        let score = (self.score * 1000.0).round() / 1000.0;
        let mut answer = json!({"x": x, "y": y, "width": self.area.width, "height": self.area.height, "score": score});
        if let Some(text) = self.text {
            answer["found"] = text.into();
        }
        answer
    }
}

impl From<Word> for Found {
    fn from(Word { text, area, score }: Word) -> Self {
        Self { area, score, text: Some(text) }
    }
}

impl Memory {
    /// The words of a screen.
    fn words(
        &mut self,
        screen: &RgbImage,
        language: &str,
        negative: bool,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<&[Word], Failure> {
        let screen = imageops::grayscale(screen);
        if self.screen != screen || self.language != language {
            *self = Self { screen, language: language.into(), words: [None, None] };
        }
        let words = &mut self.words[usize::from(negative)];
        if words.is_none() {
            *words = Some(tesseract::read(&self.screen, language, negative, goes_on).map_err(unread)?);
        }
        Ok(words.as_deref().unwrap_or_default())
    }

    /// All that is written on a screen, dark on light and light on dark.
    fn page(&mut self, screen: &RgbImage, language: &str, goes_on: &dyn Fn() -> bool) -> Result<Page, Failure> {
        let words = self.words(screen, language, false, goes_on)?.to_vec();
        Ok(Page::new(Page::merged(words, self.words(screen, language, true, goes_on)?.to_vec())))
    }
}

/// Looks for the text of the arguments, for so many milliseconds.
pub fn text(phone: &Phone, args: &Args<'_>, time: i64) -> Result<Found, Failure> {
    let (wanted, exact) = (args.text("text"), args.flag("case"));
    if wanted.trim().is_empty() {
        return Err(Failure::new("Parameter 'text' has nothing that could be found"));
    }
    watch(phone, args, time, |screen, memory, goes_on| {
        for negative in [false, true] {
            let words = memory.words(screen, language(args), negative, goes_on)?.to_vec();
            if let Some(word) = Page::new(words).find(wanted, exact) {
                return Ok(Ok(word.into()));
            }
        }
        let text = memory.page(screen, language(args), goes_on)?.text();
        Ok(Err(format!("there is no '{}'{}; {}", told(wanted), within(time), read(&text))))
    })
}

/// Looks for the picture of the arguments, for so many milliseconds.
pub fn image(phone: &Phone, args: &Args<'_>, time: i64) -> Result<Found, Failure> {
    let file = args.path("filename")?;
    let template = Template::read(file).map_err(|why| Failure::new(format!("{}: {why}", file.display())))?;
    let (width, height) = template.size();
    let mut most: Option<f64> = None;
    watch(phone, args, time, |screen, _, goes_on| {
        let until = Instant::now() + PATIENCE;
        let best = template.find(screen, || goes_on() && Instant::now() < until);
        let late = |_| Failure::new(format!("{}: the search was stopped, or took too long", file.display()));
        if let Some(best) = best.map_err(late)? {
            if best.score >= LIKE {
                let area = Area { x: best.x, y: best.y, width, height };
                return Ok(Ok(Found { area, score: best.score, text: None }));
            }
            most = Some(best.score.max(most.unwrap_or(0.0)));
        }
        let instead = most.map_or("it is larger than the screen".into(), |score| {
            format!("the best place has the score {score:.3}, and {LIKE} is needed")
        });
        Ok(Err(format!("there is no {}{}: {instead}", file.display(), within(time))))
    })
}

/// Reads the screen.
pub fn everything(phone: &Phone, args: &Args<'_>) -> Result<Page, Failure> {
    watch(phone, args, 0, |screen, memory, goes_on| memory.page(screen, language(args), goes_on).map(Ok))
}

/// A page, for the client.
pub fn page(page: &Page) -> Value {
    let lines: Value = page.lines().map(|line| Found::from(line).answer()).collect();
    json!({"text": page.text(), "lines": lines})
}

/// Looks until something is seen, and again when the screen has changed, but begins no look when the time is over.
fn watch<T>(
    phone: &Phone,
    args: &Args<'_>,
    time: i64,
    mut look: impl FnMut(&RgbImage, &mut Memory, &dyn Fn() -> bool) -> Result<Seen<T>, Failure>,
) -> Result<T, Failure> {
    let _seat = phone.eyes.seat()?;
    let until = Instant::now() + Duration::from_millis(time.unsigned_abs());
    let goes_on = || !phone.ended.load(Ordering::SeqCst) && !args.gone();
    let stopped = || Failure::new("the phone has ended");
    loop {
        let mut turn = phone.eyes.turn(&goes_on).ok_or_else(stopped)?;
        let (width, height) = phone.screen.look(0, 0, |view| view.size).unwrap_or(phone.size);
        if u64::from(width) * u64::from(height) > MOST {
            return Err(Failure::new(format!("a screen of {width}x{height} is too large to be looked at")));
        }
        let (generation, screen) = screenshot::picture(&phone.screen, phone.size);
        let seen = look(&screen, &mut turn, &goes_on);
        drop(turn);
        if !goes_on() {
            return Err(stopped());
        }
        let instead = match seen? {
            Ok(seen) => return Ok(seen),
            Err(instead) => instead,
        };
        let same = || phone.screen.look(0, 0, |view| view.generation) == generation;
        while Instant::now() < until && goes_on() && same() {
            thread::sleep(EVERY);
        }
        if Instant::now() >= until {
            return Err(Failure::new(instead));
        }
    }
}

impl Eyes {
    fn seat(&self) -> Result<Seat<'_>, Failure> {
        let seat = Seat(&self.lookers);
        if self.lookers.fetch_add(1, Ordering::SeqCst) >= LOOKERS {
            return Err(Failure::new(format!("{LOOKERS} clients look at the screen already (come later)")));
        }
        Ok(seat)
    }

    /// A turn to look; none if it goes on no longer.
    fn turn(&self, goes_on: &dyn Fn() -> bool) -> Option<MutexGuard<'_, Memory>> {
        while goes_on() {
            match self.turn.try_lock() {
                Ok(turn) => return Some(turn),
                Err(TryLockError::WouldBlock) => thread::sleep(EVERY),
                Err(TryLockError::Poisoned(_)) => unreachable!("no look panics"),
            }
        }
        None
    }
}

fn language<'a>(args: &'a Args<'_>) -> &'a str {
    args.try_text("language").unwrap_or(tesseract::ENGLISH)
}

fn unread(why: ReadError) -> Failure {
    Failure::new(why.to_string())
}

fn within(time: i64) -> String {
    if time == 0 { " on the screen".into() } else { format!(" within {time} ms") }
}

/// What was read, in one line.
fn read(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    if lines.is_empty() { "nothing was read".into() } else { format!("what was read: {}", told(&lines.join(" | "))) }
}

/// A text in one line, up to some length.
fn told(text: &str) -> String {
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(TOLD) {
        line.truncate(end);
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_one_short_line() {
        assert_eq!(told(" a\n\tb  c\r"), "a b c");
        let long = told(&"é".repeat(TOLD + 1));
        assert_eq!((long.chars().count(), long.ends_with("é…")), (TOLD + 1, true));
        assert_eq!(read(""), "nothing was read");
        assert_eq!(read("one\ntwo\n"), "what was read: one | two");
    }

    #[test]
    fn there_are_seats_for_so_many_and_they_are_given_back() {
        let eyes = Eyes::default();
        let seats: Vec<_> = (0..LOOKERS).map(|_| eyes.seat().unwrap()).collect();
        assert!(eyes.seat().is_err() && eyes.seat().is_err());
        drop(seats);
        assert_eq!(eyes.lookers.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn who_goes_gets_no_turn() {
        let eyes = Eyes::default();
        let turn = eyes.turn(&|| true).unwrap();
        let begun = Instant::now();
        assert!(eyes.turn(&|| begun.elapsed() < Duration::from_millis(50)).is_none());
        drop(turn);
        assert!(eyes.turn(&|| true).is_some() && eyes.turn(&|| false).is_none());
    }
}
