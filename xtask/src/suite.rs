//! The whole test suite, stage by stage; the first stage that fails ends it and is named in the summary.

use crate::{cargo, guests, host, progress, python};
use anyhow::{Result, bail};
use std::process::Command;
use std::time::{Duration, Instant};

/// The guests that the boot tests use; fetched before the tests run, so that these wait for no download.
const GUESTS: &[&str] = &["debian12", "debian13", "debian12-disk", "installer"];

/// A stage: its name and what it does.
type Stage = (&'static str, fn() -> Result<()>);

/// The stages, in the order of how soon each can tell that something is wrong.
const STAGES: &[Stage] = &[
    ("set-up", || host::set_up(host::EVERYTHING)),
    ("format", || step(cargo().args(["fmt", "--all", "--check"]))),
    ("clippy", || {
        step(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
        // What `cargo test` alone leaves out, cargo takes for no target.
        let boots = ["--test", "boot", "--test", "boot-on-qemu", "--test", "compute"];
        step(cargo().args(["clippy", "--package", "handset-tests"]).args(boots).args(["--", "-D", "warnings"]))
    }),
    ("docs", || step(cargo().args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"))),
    ("unit tests", || step(cargo().args(["test", "--workspace"]))),
    ("python clients", || python::environment().map(|_| ())),
    ("guests", || GUESTS.iter().try_for_each(|name| guests::fetch(name, false).map(|_| ()))),
    ("release build", || step(cargo().args(["build", "--release", "--package", "handset"]))),
    ("boot tests", || step(cargo().args(["test", "--package", "handset-tests", "--test", "boot"]))),
];

/// Runs all stages.
pub fn run() -> Result<()> {
    let mut done: Vec<(&str, Duration)> = Vec::new();
    for (number, (name, stage)) in STAGES.iter().enumerate() {
        eprintln!("== {}/{} {name}", number + 1, STAGES.len());
        let begun = Instant::now();
        let result = stage();
        done.push((name, begun.elapsed()));
        if let Err(error) = result {
            summarise(&done, false);
            bail!("{name}: {error:#}");
        }
    }
    summarise(&done, true);
    Ok(())
}

fn step(command: &mut Command) -> Result<()> {
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    progress::run(&format!("cargo {}", words.join(" ")), command)
}

fn summarise(done: &[(&str, Duration)], passed: bool) {
    eprintln!("== summary");
    for (number, (name, time)) in done.iter().enumerate() {
        let result = if passed || number + 1 < done.len() { "ok" } else { "FAILED" };
        eprintln!("{name:<15} {result:<7} {:>6.1} s", time.as_secs_f32());
    }
    for (name, _) in &STAGES[done.len()..] {
        eprintln!("{name:<15} not run");
    }
}
