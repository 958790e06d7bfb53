//! A phone that runs: the machine's thread, and everything that starts and ends with it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use devices::virtio::gpu::Display;
use emu::cpu::Verdict;
use emu::machine::{Machine, Stats};

use crate::cli::Screenshot;
use crate::control::{self, Control};
use crate::gdb::Gdb;
use crate::power::Power;
use crate::screen::Screen;
use crate::screenshot::Album;
use crate::serial::{Output, Serial};
use crate::vnc::Vnc;
use crate::{signals, stats};

/// The status of a process whose thread panicked.
const PANICKED: u8 = 101;

/// A phone, switched off.
#[derive(Debug)]
pub struct Session {
    /// The computer.
    pub machine: Machine,
    /// Its serial port.
    pub serial: Serial,
    /// Its display.
    pub display: Display,
    /// What that shows.
    pub screen: Screen,
    /// When to take pictures of it.
    pub screenshots: Vec<Screenshot>,
    /// How to end it.
    pub power: Power,
    /// Where a debugger may come.
    pub gdb: Option<Gdb>,
    /// Where other programs may come, and what they may do.
    pub control: (Control, control::Phone),
    /// Where others may come to see and touch its screen.
    pub vnc: Option<Vnc>,
}

/// How a phone ended.
#[derive(Debug)]
pub struct Outcome {
    /// For the process.
    pub status: u8,
    /// What was counted, unless the machine panicked.
    pub stats: Option<Stats>,
    /// How long it ran.
    pub time: Duration,
}

impl Outcome {
    /// Prints what was counted.
    pub fn report(&self) {
        if let Some(counted) = &self.stats {
            eprintln!("{}", stats::report(counted, self.time, stats::cpu_time()));
        }
    }
}

impl Session {
    /// Switches the phone on; `ended` is called from its thread when it is off again, with its disks closed.
    ///
    /// # Errors
    /// One line that names the option.
    pub fn start(self, ended: impl FnOnce(Outcome) + Send + 'static) -> Result<()> {
        let Self { mut machine, serial, display, screen, screenshots, power, gdb, control, vnc } = self;
        signals::heed(power.clone()).context("the host gives no way to hear of signals")?;
        let no_thread = "the host gives no thread";
        let album = Album::start(screenshots, screen, display.size()).context(no_thread)?;
        let output = serial.start(machine.handle().serial, power.clone())?;
        let gdb = gdb.map(|gdb| gdb.start(machine.handle(), power.clone())).transpose()?;
        let (control, phone) = control;
        let served = control.start(phone)?;
        vnc.map(Vnc::start).transpose()?;
        let run = move || {
            let started = Instant::now();
            let verdict = catch_unwind(AssertUnwindSafe(|| machine.run()));
            let time = started.elapsed();
            let stats = verdict.is_ok().then(|| machine.stats());
            drop(machine);
            if let Some(gdb) = gdb {
                gdb.finish();
            }
            let verdict = verdict.ok();
            served.finish(verdict);
            let status = status(verdict, &power, &output, album);
            ended(Outcome { status, stats, time });
        };
        thread::Builder::new().name("machine".into()).spawn(run).map(drop).context(no_thread)
    }
}

fn status(verdict: Option<Verdict>, power: &Power, output: &Output, album: Album) -> u8 {
    output.finish();
    let pictured = album.finish();
    match verdict {
        Some(Verdict::PowerOff) if pictured => 0,
        Some(Verdict::Quit) if pictured => power.status(),
        Some(_) => 1,
        None => PANICKED,
    }
}
