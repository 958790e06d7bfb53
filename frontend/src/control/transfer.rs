//! Files to and from a guest, by way of a shell that waits on its serial port: the guest needs `stty`, `base64` and `sha256sum`,
//! which busybox and coreutils have, and nothing else.
//!
//! What is sent is text in base64, and both sides compare SHA-256 at the end, since the kernel may print among it.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::prelude::{BASE64_STANDARD, Engine};
use sha2::{Digest, Sha256};

use super::Phone;
use super::registry::Args;
use crate::whole;

/// How long a shell may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long nothing may move on the serial port.
const STILL: Duration = Duration::from_secs(30);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(2);
/// So much may wait for the guest, so that who gives up has not sent it all.
const AHEAD: usize = 16 << 10;
/// Bytes in a line: 76 letters, as `base64` has it.
const LINE: usize = 57;
/// The largest file.
const MOST: u64 = 64 << 20;

/// Copies a file of the host's to the guest; how many bytes it has.
pub fn push(phone: &Phone, args: &Args<'_>, file: &Path, guest: &str) -> Result<usize> {
    let of_it = || file.display().to_string();
    let size = fs::metadata(file).with_context(of_it)?.len();
    ensure!(size <= MOST, "{}: has {size} bytes; {MOST} can be sent", file.display());
    let bytes = fs::read(file).with_context(of_it)?;
    let _alone = phone.typing.lock().expect("no command panics");
    let mut shell = Shell::find(phone, args)?;
    shell.begin("base64 -d >", guest)?;
    for line in bytes.chunks(LINE) {
        shell.type_in(&(BASE64_STANDARD.encode(line) + "\n"));
        shell.keep_up()?;
    }
    // The end of what is typed.
    shell.type_in("\x04");
    let end = shell.end()?;
    ensure!(end.0 == "0", "{guest}: the guest cannot write it (status {}; its serial port says why)", end.0);
    ensure!(end.1 == sum(&bytes), "{guest}: has not arrived as it was sent; try again");
    Ok(bytes.len())
}

/// Copies a file of the guest's to the host; how many bytes it has.
pub fn pull(phone: &Phone, args: &Args<'_>, guest: &str, file: &Path) -> Result<usize> {
    let _alone = phone.typing.lock().expect("no command panics");
    let mut shell = Shell::find(phone, args)?;
    shell.begin("base64 <", guest)?;
    let (status, expected) = shell.end()?;
    ensure!(status == "0", "{guest}: the guest cannot read it (status {status}; its serial port says why)");
    // What has another letter is not of it, but the kernel's.
    let is_of_it = |line: &&str| line.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte));
    let letters: String = shell.heard.lines().map(|line| line.trim_end_matches('\r')).filter(is_of_it).collect();
    let bytes = BASE64_STANDARD.decode(letters).ok().filter(|bytes| sum(bytes) == expected);
    let bytes = bytes.with_context(|| format!("{guest}: has not arrived as it was sent; try again"))?;
    let wrong = || format!("{}: cannot be written", file.display());
    whole::write(file, |to| to.write_all(&bytes)).with_context(wrong)?;
    Ok(bytes.len())
}

fn sum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One word for a shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// The shell on the serial port.
struct Shell<'a> {
    phone: &'a Phone,
    args: &'a Args<'a>,
    /// What it is to be heard from on, counted since the start.
    next: u64,
    /// What it has said, up to there, since it was last asked.
    heard: String,
}

impl<'a> Shell<'a> {
    /// One that answers.
    fn find(phone: &'a Phone, args: &'a Args<'a>) -> Result<Self> {
        ensure!(!phone.machine.paused(), "the phone stands still (`handset ctl resume`)");
        let (start, kept) = phone.log.read(0);
        let mut shell = Self { phone, args, next: start + kept.len() as u64, heard: String::new() };
        shell.type_in("echo '<'$((6 * 7))'>'\n");
        let nobody = "no shell answers on the phone's serial port: log in there, and leave it at its prompt";
        shell.hear("<42>", ANSWER).context(nobody)?;
        Ok(shell)
    }

    /// Has it run a command on a file, without an echo, and say at the end what [`Shell::end`] waits for.
    fn begin(&mut self, command: &str, file: &str) -> Result<()> {
        let file = quoted(file);
        self.type_in(&format!(
            "stty -echo; echo '<''transfer>'; {command}{file}; s=$?; stty echo; echo '<''done '$s $(sha256sum <{file})'>'\n"
        ));
        self.hear("<transfer>", ANSWER).context("the guest's shell does not begin")
    }

    fn type_in(&self, text: &str) {
        self.phone.machine.serial.send(text.as_bytes());
    }

    /// Waits until the guest has taken most of what was typed.
    fn keep_up(&mut self) -> Result<()> {
        let (mut waiting, mut since) = (usize::MAX, Instant::now());
        loop {
            let now = self.phone.machine.serial.waiting();
            if now <= AHEAD {
                return Ok(());
            }
            if now != waiting {
                (waiting, since) = (now, Instant::now());
            }
            ensure!(since.elapsed() < STILL, "the guest does not take what is sent");
            self.rest()?;
        }
    }

    /// Waits for words; what came before them is dropped.
    fn hear(&mut self, words: &str, patience: Duration) -> Result<()> {
        let mut since = Instant::now();
        loop {
            if self.listen()? {
                since = Instant::now();
            }
            if let Some(at) = self.heard.find(words) {
                self.heard.drain(..at + words.len());
                return Ok(());
            }
            ensure!(since.elapsed() < patience, "it is silent for {} s", patience.as_secs());
            self.rest()?;
        }
    }

    /// Waits for the end of a transfer, which stays behind what was heard: the status, and the sum.
    fn end(&mut self) -> Result<(String, String)> {
        let (mut since, mut looked) = (Instant::now(), 0);
        loop {
            let before = self.phone.machine.serial.waiting();
            if self.listen()? {
                since = Instant::now();
            }
            if let Some(at) = self.heard[looked..].find("<done ").map(|at| looked + at)
                && let Some(length) = self.heard[at..].find('>')
            {
                let words: Vec<String> = self.heard[at..at + length].split_whitespace().map(str::to_owned).collect();
                self.heard.truncate(at);
                return Ok((words.get(1).cloned().unwrap_or_default(), words.get(2).cloned().unwrap_or_default()));
            }
            looked = self.heard.rfind('\n').unwrap_or(0);
            ensure!(since.elapsed() < STILL, "the guest is silent for {} s", STILL.as_secs());
            self.rest()?;
            if self.phone.machine.serial.waiting() != before {
                since = Instant::now();
            }
        }
    }

    /// Hears what was said meanwhile; whether there was anything.
    fn listen(&mut self) -> Result<bool> {
        let (start, bytes) = self.phone.log.read(self.next);
        ensure!(start == self.next, "the guest says more than can be kept");
        self.next += bytes.len() as u64;
        self.heard.push_str(&String::from_utf8_lossy(&bytes));
        ensure!(self.heard.len() as u64 <= 2 * MOST, "the guest says more than is taken");
        Ok(!bytes.is_empty())
    }

    /// Waits a moment, unless nobody is there to wait for.
    fn rest(&self) -> Result<()> {
        if self.phone.ended.load(Ordering::SeqCst) {
            bail!("the phone ends");
        }
        if self.args.gone() {
            // Neither the shell nor what it runs is to wait for more.
            self.type_in("\x03\nstty echo\n");
            bail!("nobody waits for it any more");
        }
        thread::sleep(LOOK);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word() {
        assert_eq!(quoted("/tmp/it's here"), r"'/tmp/it'\''s here'");
    }
}
