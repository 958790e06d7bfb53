//! `handset fork`: several phones that go on from one snapshot, each on its own.
//!
//! Each is a process, so that it shares with the others what it has not changed: the snapshot's pages. They end when this one
//! is asked to.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::control::{self, Name};
use crate::snapshot;

const EXAMPLES: &str = "\
Examples:
  handset fork ready -n 8                 eight phones, ready-1 to ready-8, from what `handset ctl save ready` has saved
  handset fork ready -n 2 --name ab -- --net none --vnc unix:screen
                                          what stands behind -- are options of `handset run` for each

`handset ctl --phone ready-3` and the like reach them. SIGINT asks all guests to power off, SIGTERM ends all at once.";

/// `handset fork`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Fork {
    /// The snapshot
    #[arg(value_name = "NAME", value_parser = clap::value_parser!(Name))]
    pub from: Name,
    /// How many phones
    #[arg(short = 'n', long = "count", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub count: u16,
    /// They are called so, and by their numbers [default: as the snapshot]
    #[arg(long, value_name = "NAME", value_parser = clap::value_parser!(Name))]
    pub name: Option<Name>,
    /// Options of `handset run` for each
    #[arg(last = true, value_name = "OPTION")]
    pub run: Vec<OsString>,
}

/// How often it is looked what has become of the phones.
const EVERY: Duration = Duration::from_millis(10);

/// A phone.
struct Forked {
    name: Name,
    child: Child,
    ended: Option<ExitStatus>,
    reached: bool,
}

/// Runs the phones until all have ended; the status to end with.
///
/// # Errors
/// One line.
pub fn perform(fork: &Fork) -> Result<u8> {
    snapshot::find(&fork.from).with_context(|| fork.from.to_string())?;
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("the host gives no way to hear of signals")?;
    let begun = Instant::now();
    let mut phones = Vec::new();
    for number in 1..=fork.count {
        match start(fork, number) {
            Ok(phone) => phones.push(phone),
            Err(why) => {
                tell(&phones, Signal::TERM);
                phones.iter_mut().for_each(|phone| drop(phone.child.wait()));
                return Err(why);
            }
        }
    }
    let mut asked = None;
    while phones.iter().any(|phone| phone.ended.is_none()) {
        for signal in signals.pending() {
            asked = Some(signal);
            tell(&phones, if signal == SIGINT { Signal::INT } else { Signal::TERM });
        }
        for phone in phones.iter_mut().filter(|phone| phone.ended.is_none()) {
            look(phone, begun, asked.is_some())?;
        }
        thread::sleep(EVERY);
    }
    let bad = phones.iter().any(|phone| phone.ended.is_none_or(|status| !status.success()));
    // Shells say so of a process that a signal ended.
    Ok(asked.map_or(u8::from(bad), |signal| 128 + signal as u8))
}

fn start(fork: &Fork, number: u16) -> Result<Forked> {
    let name = format!("{}-{number}", fork.name.as_ref().unwrap_or(&fork.from));
    let name: Name = name.parse().map_err(|why: &str| anyhow!("{name}: {why} (--name gives a shorter one)"))?;
    let program = std::env::current_exe().context("the path of this program")?;
    let mut run = Command::new(program);
    run.arg("run").args(["--from", &fork.from.to_string(), "--headless", "--name", &name.to_string()]);
    if !fork.run.iter().any(|word| word.to_string_lossy().starts_with("--serial")) {
        run.args(["--serial", "none"]);
    }
    // In groups of their own, so that a terminal's SIGINT comes once, from here.
    run.args(&fork.run).stdin(Stdio::null()).process_group(0);
    let child = run.spawn().with_context(|| format!("{name} cannot be started"))?;
    Ok(Forked { name, child, ended: None, reached: false })
}

/// Sends a signal to the phones that run.
fn tell(phones: &[Forked], signal: Signal) {
    for phone in phones.iter().filter(|phone| phone.ended.is_none()) {
        // It may have ended just now.
        let _ = kill_process(Pid::from_child(&phone.child), signal);
    }
}

/// Says what has become of a phone.
fn look(phone: &mut Forked, begun: Instant, asked: bool) -> Result<()> {
    let Forked { name, child, ended, reached } = phone;
    *ended = child.try_wait().with_context(|| name.to_string())?;
    if !*reached && ended.is_none() && control::is_there(name) {
        *reached = true;
        println!("{name}: goes on, after {} ms (process {})", begun.elapsed().as_millis(), child.id());
    }
    if let Some(status) = ended
        && !status.success()
        && !asked
    {
        eprintln!("handset: {name} has ended: {status}");
    }
    Ok(())
}
