//! Micro-benchmarks: bare-metal images that do one thing many times, timed by the host between two lines on the console.
//!
//! The firmware crate's example `micro` writes the images and lists them. QEMU is the one with `-cpu max`. They count in no mean.

use super::console::Console;
use super::emulator::{Emulator, column};
use super::table::{Spread, spread};
use crate::{cargo, progress, target_dir};
use anyhow::{Context, Result, ensure};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What `--only` calls them all.
pub const CLASS: &str = "micro";

const PATIENCE: Duration = Duration::from_secs(120);

/// A micro-benchmark.
#[derive(Clone, Debug, PartialEq)]
pub struct Micro {
    pub name: String,
    /// What it does so many times between its two lines.
    pub operation: String,
    pub operations: u32,
    /// The vCPUs that it needs.
    pub cpus: u32,
}

fn folder() -> PathBuf {
    target_dir().join("bench/micro")
}

/// All of them, whose images are then in their folder.
pub fn all() -> Result<Vec<Micro>> {
    let mut assemble = cargo();
    assemble.args(["run", "--quiet", "--package", "handset-firmware", "--example", "micro", "--"]).arg(folder());
    let text = progress::output("assemble the micro-benchmarks", &mut assemble)?;
    text.lines().map(|line| read(line).with_context(|| format!("read the micro-benchmark `{line}`"))).collect()
}

fn read(line: &str) -> Option<Micro> {
    let mut words = line.split('\t');
    let name = words.next()?.to_owned();
    let (operations, cpus) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(Micro { name, operations, cpus, operation: words.next()?.to_owned() })
}

/// Whether `--only` lets one through.
pub fn is_wanted(only: &[String], name: &str) -> bool {
    only.is_empty() || only.iter().any(|word| word == CLASS || name.contains(word.as_str()))
}

/// Runs each so often on Handset and the first of its peers in turn; the table, which is empty if there are none.
pub fn measure(micros: &[Micro], rounds: u16, peers: &[Emulator]) -> Result<String> {
    let mut lines = Vec::new();
    for micro in micros {
        let image = folder().join(format!("{}.img", micro.name));
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            ours.push(nanoseconds(Emulator::Handset, micro, &image)?);
            if let Some(peer) = peers.first() {
                theirs.push(nanoseconds(*peer, micro, &image)?);
            }
        }
        let ours = spread(ours).context("there is at least one round")?;
        eprintln!("    {:<28} {:>10.2} ns", micro.name, ours.median);
        lines.push(line(micro, ours, spread(theirs)));
    }
    if lines.is_empty() {
        return Ok(String::new());
    }
    let peer = column(peers);
    let head = format!("| micro-benchmark | operation | Handset, ns | {peer}, ns | ratio |\n|---|---|---|---|---|\n");
    Ok(format!("{head}{}", lines.concat()))
}

fn line(micro: &Micro, ours: Spread, theirs: Option<Spread>) -> String {
    let cell = |s: Spread| format!("{:.2} ({:.2}–{:.2})", s.median, s.low, s.high);
    let mut text = format!("| {} | {} | {} | ", micro.name, micro.operation, cell(ours));
    let peer = match theirs {
        Some(theirs) => write!(text, "{} | {:.1}× |", cell(theirs), theirs.median / ours.median),
        None => write!(text, "| |"),
    };
    peer.expect("a String takes all text");
    text.push('\n');
    text
}

/// One run: the time of one operation. A wrong count is an error on either emulator.
fn nanoseconds(emulator: Emulator, micro: &Micro, image: &Path) -> Result<f64> {
    let run = || {
        let mut console = Console::start(emulator.bare_metal(image, micro.cpus))?;
        let (_, begun) = console.wait_for("<begin>", PATIENCE)?;
        let (_, ended) = console.wait_for("<end>", PATIENCE)?;
        let (said, _) = console.wait_for("PASS", PATIENCE)?;
        ensure!(said == "\nok count\n", "the guest said `{}`", said.trim());
        console.end(PATIENCE)?;
        Ok((ended - begun).as_secs_f64() * 1e9 / f64::from(micro.operations))
    };
    run().with_context(|| format!("{} on {}", micro.name, emulator.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_is_all_and_a_name_is_one() {
        let wanted = |word: &str| is_wanted(&[word.to_owned()], "probe hit");
        assert!(wanted("micro") && wanted("probe") && !wanted("gzip"));
        assert!(is_wanted(&[], "probe hit"));
    }

    #[test]
    fn a_listed_line_is_read_and_the_ratio_is_how_many_times_as_fast() {
        let micro = read("probe hit\t320\t2\tload or store").expect("all words are there");
        assert_eq!((micro.operations, micro.cpus, read("probe hit\tmany\t2\tload")), (320, 2, None));
        let spread = |n| Spread { median: n, low: n, high: n };
        let head = "| probe hit | load or store | 2.00 (2.00–2.00) | ";
        assert_eq!(line(&micro, spread(2.0), Some(spread(6.0))), format!("{head}6.00 (6.00–6.00) | 3.0× |\n"));
        assert_eq!(line(&micro, spread(2.0), None), format!("{head}| |\n"));
    }
}
