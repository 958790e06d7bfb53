//! Project tasks: `cargo xtask setup|run|test|bench|guests|python`.
//!
//! This crate prepares a machine that has nothing but git and cargo, fetches the guests, and runs the whole test suite.
//! It has no native dependency, so that it always builds. Left out: the emulator's own options, which `run` passes on.

mod apt;
mod bench;
mod cache;
mod guests;
mod host;
mod progress;
mod python;
mod suite;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Set-up, run, test and bench commands of the Handset project")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install, or name, what the build and the tests need on this machine
    Setup,
    /// Build Handset, fetch the default guest and open its window
    Run {
        /// The guest to fetch and boot
        #[arg(long, default_value = guests::DEFAULT)]
        guest: String,
        /// Further options of `handset run`
        #[arg(last = true)]
        options: Vec<String>,
    },
    /// Do all set-up, then format, lint, documentation, unit and boot checks
    Test,
    /// Measure Handset beside QEMU on the same guests, print a table and write docs/performance.md
    Bench(bench::Options),
    /// Install the Python clients that tests use into the cache, and print where they are
    Python,
    /// Fetch guests into the cache and print where they are; without a name, list them
    Guests {
        /// The guests to fetch
        names: Vec<String>,
        /// Fetch all guests
        #[arg(long, conflicts_with = "names")]
        all: bool,
        /// Look for newer packages than those the cached guest was made of
        #[arg(long)]
        refresh: bool,
    },
}

fn main() -> ExitCode {
    match perform(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Result<()> {
    match task {
        Task::Setup => host::set_up(host::EVERYTHING),
        Task::Run { guest, options } => run(&guest, &options),
        Task::Test => suite::run(),
        Task::Bench(options) => bench::run(options),
        Task::Python => {
            host::set_up(host::EVERYTHING)?;
            println!("{}", python::environment()?.display());
            Ok(())
        }
        Task::Guests { names, all, refresh } => {
            if names.is_empty() && !all {
                return guests::list();
            }
            host::set_up(host::FOR_GUESTS)?;
            let names = if all { guests::names() } else { names };
            for name in names {
                println!("{}", guests::fetch(&name, refresh)?.display());
            }
            Ok(())
        }
    }
}

/// Builds the emulator and becomes it. A guest that cannot be had leaves the demo guest, which is in the program.
fn run(guest: &str, options: &[String]) -> Result<()> {
    host::set_up(host::FOR_WINDOW)?;
    progress::run("build handset", cargo().args(["build", "--release", "--package", "handset"]))?;
    let mut handset = Command::new(target_dir().join("release/handset"));
    handset.arg("run");
    match host::set_up(host::FOR_GUESTS).and_then(|()| guests::fetch(guest, false)) {
        Ok(_) => {
            handset.args(["--guest", guest]);
        }
        Err(error) if guest == guests::DEFAULT => {
            eprintln!("warning: no guest `{guest}`: {error:#}; starting the built-in demo instead");
        }
        Err(error) => return Err(error),
    }
    Err(handset.args(options).exec()).context("start target/release/handset")
}

/// The workspace's root, where every cargo command runs.
fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a member of the workspace")
}

/// Cargo itself, in the workspace's root.
fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace());
    cargo
}

/// Where cargo puts what it builds.
fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), |dir| workspace().join(dir))
}
