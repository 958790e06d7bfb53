//! What a run says: the table for the terminal, and `docs/performance.md`, of which only what stands between two marks is
//! written; the rest is for people.

use super::emulator::{Emulator, MEMORY_MIB, PEERS, column};
use super::process::Memory;
use super::table::{Row, Samples, class_means, mean};
use crate::{progress, workspace};
use anyhow::{Context, Result, anyhow};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

const BEGIN: &str = "<!-- written by cargo xtask bench: begin -->";
const END: &str = "<!-- written by cargo xtask bench: end -->";
const PAGE: &str = "docs/performance.md";
const PLOT: &str = "docs/images/performance.svg";

/// Memory that one emulator held at the end of a boot.
pub type Held = (Emulator, u32, Memory);

/// The table, with what sums it up.
pub fn table(samples: &Samples, rows: &[Row], held: &[Held], peers: &[Emulator]) -> String {
    let column = column(peers);
    let mut text = format!(
        "| workload | Handset | {column} | ratio | ratio of CPU time | same output |\n|---|---|---|---|---|---|\n"
    );
    let mut line = |words: String| writeln!(text, "{words}").expect("a String takes all text");
    let mut class = None;
    for row in rows {
        if class.replace(row.class) != Some(row.class) {
            let mean = mean(rows.iter().filter(|r| r.class == row.class)).unwrap_or(1.0);
            line(format!("| **{}** | | | **{mean:.1}×** | | |", row.class.names().0));
        }
        let seconds = |s: super::table::Spread| format!("{:.2} ({:.2}–{:.2})", s.median, s.low, s.high);
        let peer = if row.peer == Emulator::QemuA76 { " a76" } else { "" };
        let same = if row.same { "yes" } else { "**NO**" };
        line(format!(
            "| {} | {} | {}{peer} | {:.1}× | {:.1}× | {same} |",
            row.name,
            seconds(row.ours),
            seconds(row.theirs),
            row.ratio(),
            row.theirs_cpu / row.ours_cpu
        ));
    }
    if let Some(mean) = mean(rows.iter()) {
        line(format!("| **all {}, geometric mean** | | | **{mean:.2}×** | | |", rows.len()));
    }
    let scaling = samples.scaling(peers.first().copied().unwrap_or(Emulator::Handset));
    if !scaling.is_empty() {
        line(format!("\n| two vCPUs, times as fast as one | Handset | {column} |\n|---|---|---|"));
        for (name, ours, theirs) in scaling {
            let theirs = theirs.map_or(String::new(), |times| format!("{times:.2}×"));
            line(format!("| {name} | {ours:.2}× | {theirs} |"));
        }
    }
    if !held.is_empty() {
        line(
            "\n| memory after all work, in MiB | vCPUs | RAM that the guest has touched | all else resident (VmRSS) | all \
             else, each page once |\n|---|---|---|---|---|"
                .to_owned(),
        );
        for (emulator, smp, memory) in held {
            let [guest, other, once] = [memory.guest, memory.other, memory.other_shared_once].map(|kib| kib / 1024);
            line(format!("| {} | {smp} | {guest} | {other} | {once} |", emulator.name()));
        }
    }
    text
}

/// One line for the terminal: the mean of every class.
pub fn summary(rows: &[Row]) -> String {
    let means = class_means(rows);
    let means: Vec<String> = means.iter().map(|(class, mean)| format!("{} {mean:.1}×", class.names().0)).collect();
    means.join(", ")
}

/// Puts the table and the picture into the documentation.
pub fn write(table: &str, rows: &[Row], guest: &Path, rounds: usize) -> Result<()> {
    let page = workspace().join(PAGE);
    let old = fs::read_to_string(&page).with_context(|| format!("read {}", page.display()))?;
    let picture = format!("![times as fast as QEMU, by workload]({})", PLOT.trim_start_matches("docs/"));
    let written = format!("{}\n\n{picture}\n\n{table}", conditions(guest, rounds)?);
    let new = replaced(&old, &written).ok_or_else(|| anyhow!("{PAGE} has lost its marks, `{BEGIN}` and `{END}`"))?;
    fs::write(&page, new).with_context(|| format!("write {}", page.display()))?;
    let plot = workspace().join(PLOT);
    fs::write(&plot, super::plot::draw(rows)).with_context(|| format!("write {}", plot.display()))
}

/// On what, with what and when.
fn conditions(guest: &Path, rounds: usize) -> Result<String> {
    let ask = |what: &str, program: &str, arguments: &[&str]| -> Result<String> {
        let text = progress::output(what, Command::new(program).args(arguments).current_dir(workspace()))?;
        Ok(text.lines().next().unwrap_or_default().to_owned())
    };
    let date = ask("ask for the date", "date", &["-u", "+%Y-%m-%d"])?;
    let commit = ask("ask for the commit", "git", &["describe", "--always", "--dirty"])?;
    let qemu = ask("ask for QEMU's version", "qemu-system-aarch64", &["--version"])?;
    let cpus = fs::read_to_string("/proc/cpuinfo").context("read /proc/cpuinfo")?;
    let models: Vec<&str> =
        cpus.lines().filter_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|m| m.1)).collect();
    let packages = fs::read_to_string(guest.join("guest.toml")).context("read guest.toml")?;
    let kernel = packages.lines().find(|line| line.contains("linux-image")).unwrap_or_default().replace('"', "");
    Ok(format!(
        "Measured {date} on {} × {}, Handset {commit} against {qemu}: `-M virt,gic-version=3 -accel tcg,thread=multi`, \
         `-cpu {}` and `-cpu {}`, of which the faster counts for each workload (`a76` marks the second). Guest: \
         {kernel}, {} MiB. Seconds of the host's clock between two marks on the guest's console: the median of {rounds} \
         rounds, the emulators in turn, with the least and the most; beside \
         them the CPU time of the emulators' processes, which other load on the machine disturbs less. After the first \
         round, a QEMU that was slower by a tenth or more than the other does not do that work again.",
        models.len(),
        models.first().unwrap_or(&"an unknown CPU"),
        PEERS[0].cpu(),
        PEERS[1].cpu(),
        MEMORY_MIB,
    ))
}

/// The page with other words between its marks.
fn replaced(page: &str, words: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{}\n{END}{after}", words.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_wrote_stays() {
        let page = format!("# Title\n{BEGIN}\nold\n{END}\n## Tried\nmuch\n");
        let new = replaced(&page, "new\n").expect("both marks are there");
        assert_eq!(new, format!("# Title\n{BEGIN}\nnew\n{END}\n## Tried\nmuch\n"));
        assert_eq!(replaced("no marks", "new"), None);
    }

    #[test]
    fn the_page_in_the_repository_has_its_marks() {
        let page = fs::read_to_string(workspace().join(PAGE)).expect("the page is there");
        assert!(replaced(&page, "").is_some());
    }
}
