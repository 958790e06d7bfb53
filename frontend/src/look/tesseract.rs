//! Reading by the program `tesseract`, which is looked for on the search path.
//!
//! It reads a picture of one grey channel, and runs on one thread for a bounded time; it is killed when nobody waits for it
//! any more, or Handset ends (but by SIGKILL, after which it reads its one picture to the end). One runs at a time.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use image::imageops::{self, FilterType};
use image::{GrayImage, ImageBuffer, Luma};

use super::text::{Page, Word};
use crate::undo;

/// The program.
const PROGRAM: &str = "tesseract";
/// How long a page may take to read.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked whether it was read.
const EVERY: Duration = Duration::from_millis(5);
/// Screens are read in this size, since letters of a screen are smaller than those of print.
const SCALE: u32 = 2;
/// Screens of more pixels are read as they are.
const FINE: u32 = 8 << 20;
/// The bytes of a table that are looked at.
const MOST: u64 = 4 << 20;

/// English, which is there when tesseract is.
pub const ENGLISH: &str = "eng";

/// Why nothing was read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such program.
    #[error("{0} is not installed (on Debian: apt-get install tesseract-ocr)")]
    Missing(&'static str),
    /// The host's refusal.
    #[error("tesseract cannot be run: {0}")]
    Host(#[from] io::Error),
    /// A language has no such name.
    #[error("languages are called as in tesseract: eng, deu, deu+eng")]
    Language,
    /// Its own complaint.
    #[error("tesseract failed: {0}")]
    Failed(String),
    /// It took too long.
    #[error("tesseract did not end within {} s", PATIENCE.as_secs())]
    Late,
    /// It was not waited for.
    #[error("the reading was stopped")]
    Stopped,
}

/// The one that reads now.
static READER: Mutex<Option<Child>> = Mutex::new(None);

fn reader() -> MutexGuard<'static, Option<Child>> {
    READER.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends it, if one reads.
fn end() {
    if let Some(mut child) = reader().take() {
        // It may have ended already, which is as good.
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// The words of a screen, or of its negative, in languages as tesseract calls them, such as `deu+eng`. `goes_on` is asked now
/// and then. Only one may read at a time.
///
/// # Errors
/// [`ReadError`]
pub fn read(
    screen: &GrayImage,
    language: &str,
    negative: bool,
    goes_on: impl Fn() -> bool,
) -> Result<Vec<Word>, ReadError> {
    if !(1..=64).contains(&language.len())
        || language.contains(|c: char| !c.is_ascii_alphanumeric() && !"_+".contains(c))
    {
        return Err(ReadError::Language);
    }
    let (width, height) = screen.dimensions();
    let scale = if width * height <= FINE / SCALE / SCALE { SCALE } else { 1 };
    let mut picture: ImageBuffer<Luma<u8>, Vec<u8>> = if scale == 1 {
        screen.clone()
    } else {
        imageops::resize(screen, width * scale, height * scale, FilterType::Triangle)
    };
    if negative {
        picture.iter_mut().for_each(|byte| *byte = 255 - *byte);
    }
    // The netpbm format for one channel.
    let mut input = BufWriter::new(tempfile::tempfile()?);
    writeln!(input, "P5 {} {} 255", picture.width(), picture.height())?;
    input.write_all(picture.as_raw())?;
    let mut input = input.into_inner().map_err(io::IntoInnerError::into_error)?;
    input.seek(SeekFrom::Start(0))?;
    // Sparse text, in no order: what a screen has.
    let mut command = Command::new(PROGRAM);
    command.args(["stdin", "stdout", "-l", language, "--psm", "11", "--dpi", "150"]).env("OMP_THREAD_LIMIT", "1");
    if negative {
        // What is dark is told by its surroundings (Sauvola), so that a light word in a dark row is found on a light page.
        command.args(["-c", "thresholding_method=2"]);
    }
    command.arg("tsv");
    let table = run(command, input, PATIENCE, goes_on)?;
    Ok(Page::words(&table, scale))
}

/// What a program makes of a file.
fn run(mut command: Command, input: File, patience: Duration, goes_on: impl Fn() -> bool) -> Result<String, ReadError> {
    static AT_END: Once = Once::new();
    AT_END.call_once(|| undo::at_end(end));
    let (mut output, mut complaint) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command.stdin(input).stdout(output.try_clone()?).stderr(complaint.try_clone()?);
    let child = command.spawn().map_err(|why| match why.kind() {
        io::ErrorKind::NotFound => ReadError::Missing(PROGRAM),
        _ => ReadError::Host(why),
    })?;
    *reader() = Some(child);
    let until = Instant::now() + patience;
    let status = loop {
        // If it is gone, Handset ends.
        if let Some(status) = reader().as_mut().ok_or(ReadError::Stopped)?.try_wait()? {
            break status;
        }
        let why = if goes_on() { ReadError::Late } else { ReadError::Stopped };
        if matches!(why, ReadError::Stopped) || Instant::now() >= until {
            end();
            return Err(why);
        }
        thread::sleep(EVERY);
    };
    reader().take();
    if status.success() {
        return Ok(beginning(&mut output)?);
    }
    let said = beginning(&mut complaint)?;
    let line = said.lines().find(|line| !line.trim().is_empty()).map_or_else(|| status.to_string(), str::to_owned);
    Err(ReadError::Failed(line))
}

/// What a file begins with, as far as it is looked at.
fn beginning(file: &mut File) -> io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a shell's script comes to; one runs at a time.
    fn shell(script: &str, patience: Duration, goes_on: bool) -> Result<String, ReadError> {
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut input = tempfile::tempfile().unwrap();
        input.write_all(b"picture").unwrap();
        input.seek(SeekFrom::Start(0)).unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run(command, input, patience, || goes_on)
    }

    #[test]
    fn a_program_reads_what_it_is_given_and_is_not_waited_for_long() {
        assert_eq!(shell("cat", PATIENCE, true).unwrap(), "picture");
        let why = shell("echo; echo no data >&2; exit 1", PATIENCE, true).unwrap_err();
        assert_eq!(why.to_string(), "tesseract failed: no data");
        assert!(shell("exit 3", PATIENCE, true).unwrap_err().to_string().contains("exit status: 3"));
        let begun = Instant::now();
        assert!(matches!(shell("exec sleep 60", Duration::from_millis(50), true), Err(ReadError::Late)));
        assert!(matches!(shell("exec sleep 60", PATIENCE, false), Err(ReadError::Stopped)));
        assert!(begun.elapsed() < Duration::from_secs(20) && reader().is_none());
    }

    #[test]
    fn no_language_is_a_path_or_an_option() {
        for language in ["", "--help", "../eng", "deu eng", "é", &"e".repeat(65)] {
            let read = read(&GrayImage::new(8, 8), language, false, || true);
            assert!(matches!(read, Err(ReadError::Language)), "{language}");
        }
    }

    #[test]
    fn a_program_that_is_missing_is_named_with_its_package() {
        let why =
            run(Command::new("/no/such/tesseract"), tempfile::tempfile().unwrap(), PATIENCE, || true).unwrap_err();
        assert_eq!(why.to_string(), "tesseract is not installed (on Debian: apt-get install tesseract-ocr)");
    }
}
