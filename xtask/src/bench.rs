//! `cargo xtask bench`: the same guest and work on Handset and on QEMU in turn, by the host's clock on console lines.
//!
//! The peer is QEMU's TCG with the CPU model that suits it best. Leaves out all that needs more than a kernel and busybox.

use crate::{cargo, guests, host, progress, target_dir};
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// What the shell is given, by the name in the table.
const WORK: &[(&str, &str)] = &[
    ("shell loop, 100,000 rounds", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"),
    ("300 MB through md5sum", "dd if=/dev/zero bs=1M count=300 2>/dev/null | md5sum"),
    ("100 MB of zeros through gzip", "dd if=/dev/zero bs=1M count=100 2>/dev/null | gzip -c | wc -c"),
    ("200 × fork and exec", "i=0; while [ $i -lt 200 ]; do /bin/busybox true; i=$((i+1)); done"),
];
const PROMPT: &str = "handset# ";
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs everything `rounds` times on both, and prints a table of medians in seconds.
pub fn run(rounds: usize) -> Result<()> {
    host::set_up(host::EVERYTHING)?;
    progress::run("build handset", cargo().args(["build", "--release", "--package", "handset"]))?;
    let guest = guests::fetch("debian12", false)?;
    let mut times = [Vec::new(), Vec::new()];
    for round in 1..=rounds {
        for (emulator, times) in ["handset", "QEMU"].iter().zip(&mut times) {
            eprintln!("round {round} of {rounds}: {emulator}");
            let command = if *emulator == "handset" { handset(&guest) } else { qemu(&guest) };
            times.push(measure(command).with_context(|| format!("{emulator}, round {round}"))?);
        }
    }
    println!("| workload | Handset (s) | QEMU (s) | ratio |\n|---|---|---|---|");
    for (n, name) in std::iter::once("boot to shell").chain(WORK.iter().map(|(name, _)| *name)).enumerate() {
        let [ours, theirs] = times.each_ref().map(|runs| median(runs.iter().map(|run| run[n]).collect()));
        println!("| {name} | {ours:.2} | {theirs:.2} | {:.1}× |", theirs / ours);
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn handset(guest: &Path) -> Command {
    let mut command = Command::new(target_dir().join("release/handset"));
    command.args(["run", "--headless", "--serial", "stdio", "--memory", "1G", "--smp", "1", "--net", "none"]);
    command.arg("--kernel").arg(guest.join("Image")).arg("--initrd").arg(guest.join("initrd.gz"));
    command.args(["--append", "console=ttyAMA0"]);
    command
}

fn qemu(guest: &Path) -> Command {
    let mut command = Command::new("qemu-system-aarch64");
    command.args(["-M", "virt,gic-version=3", "-accel", "tcg,thread=multi", "-cpu", "max,pauth=off,sve=off"]);
    command.args(["-m", "1G", "-smp", "1", "-nographic", "-nic", "none", "-append", "console=ttyAMA0"]);
    command.arg("-kernel").arg(guest.join("Image")).arg("-initrd").arg(guest.join("initrd.gz"));
    command
}

/// Boots, works and powers off: seconds to the first prompt, and of each piece of work.
fn measure(mut command: Command) -> Result<Vec<f64>> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut input = child.stdin.take().context("stdin is piped")?;
    let mut output = child.stdout.take().context("stdout is piped")?;
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = output.read(&mut buffer) {
            if sender.send(String::from_utf8_lossy(&buffer[..n]).into_owned()).is_err() {
                break;
            }
        }
    });
    let mut times = Vec::new();
    let mut begun = Instant::now();
    for work in std::iter::once(None).chain(WORK.iter().map(|(_, work)| Some(*work))) {
        if let Some(work) = work {
            begun = Instant::now();
            writeln!(input, "{work}")?;
        }
        if let Err(error) = wait(&lines) {
            let _ = child.kill();
            return Err(error);
        }
        times.push(begun.elapsed().as_secs_f64());
    }
    writeln!(input, "poweroff")?;
    child.wait()?;
    Ok(times)
}

/// Waits until the console's last words are the prompt.
fn wait(lines: &Receiver<String>) -> Result<()> {
    let end = Instant::now() + PATIENCE;
    let mut seen = String::new();
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(text) => seen.push_str(&text),
            Err(RecvTimeoutError::Timeout) => bail!("no prompt within {} s", PATIENCE.as_secs()),
            Err(RecvTimeoutError::Disconnected) => bail!("it ended early"),
        }
        if seen.trim_end_matches("\u{1b}[6n").ends_with(PROMPT) {
            return Ok(());
        }
    }
}
