//! Handset's command line: what a person touches.
//!
//! | room | what it holds |
//! |---|---|
//! | `cli` | options, and complaints about them |
//! | `guest`, `phone` | what to boot, and the machine it is booted on |
//! | `session`, `power`, `signals`, `undo` | a run from start to end, however it ends |
//! | `screen`, `screenshot`, `record`, `window`, `headless` | what the phone shows, and to whom |
//! | `disk`, `net`, `serial`, `host` | what the host gives to devices |
//! | `look` | where a text or a picture is on the screen |
//! | `control` | commands from outside: QMP, and `handset ctl` |
//! | `vnc` | remote screens |
//! | `snapshot`, `fork` | phones that were saved; several that go on from one |
//! | `uitest` | tests of user interfaces |
//! | `gdb`, `socket` | a debugger's way in; private sockets |
//! | `whole` | files that are there whole or not at all |
//! | `stats`, `profile`, `translations` | what was counted; what perf reads; what is kept of a run |

mod cli;
mod control;
mod disk;
mod fork;
mod gdb;
mod guest;
mod headless;
mod host;
mod look;
mod net;
mod phone;
mod power;
mod profile;
mod record;
mod screen;
mod screenshot;
mod serial;
mod session;
mod signals;
mod snapshot;
mod socket;
mod stats;
mod translations;
mod uitest;
mod undo;
mod vnc;
mod whole;
mod window;

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use cli::{Asked, Refusal, Run};
use control::Control;
use phone::Phone;
use power::Power;
use session::Session;
use snapshot::Snapshot;

/// The status for a wrong command line.
const USAGE: u8 = 2;

fn main() {
    let command = cli::parse(std::env::args_os()).unwrap_or_else(|refusal| match refusal {
        Refusal::Print(text) => text.exit(),
        Refusal::Answer(text) => {
            print!("{text}");
            std::process::exit(0)
        }
        Refusal::Complain(line) => fail(&line, USAGE),
    });
    undo::on_panic();
    log();
    let done = match &command {
        Asked::Run(run) => perform(run),
        Asked::Control(request) => control::perform(request).map(|()| 0),
        Asked::Fork(fork) => fork::perform(fork),
        Asked::Test(test) => uitest::perform(test),
    };
    match done {
        Ok(status) => undo::exit(status),
        Err(error) => fail(&line(&error), 1),
    }
}

/// An error and its causes, each said once.
fn line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if line.is_empty() {
            line = cause;
        } else if !line.ends_with(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    line
}

/// Says why, in one line, and ends.
fn fail(line: &str, status: u8) -> ! {
    undo::all();
    eprintln!("handset: {}", line.replace('\n', " "));
    std::process::exit(status.into())
}

/// Log lines go to standard error; `HANDSET_LOG` is error, warn, info, debug, trace or off. Libraries say only their
/// errors, unless they are asked for more.
fn log() {
    let asked: Option<LevelFilter> = std::env::var("HANDSET_LOG").ok().and_then(|level| level.parse().ok());
    let level = asked.unwrap_or(LevelFilter::WARN);
    let libraries = if level > LevelFilter::WARN { level } else { level.min(LevelFilter::ERROR) };
    let filter = Targets::new().with_target("handset", level).with_default(libraries);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).without_time().with_target(false);
    let lines = lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    tracing_subscriber::registry().with(lines.with_filter(filter)).init();
}

fn perform(run: &Run) -> Result<u8> {
    screenshot::check(&run.screenshots)?;
    let (revived, snapshot);
    let (run, snapshot, origin) = match &run.from {
        None => (run, None, cli::origin()),
        Some(name) => {
            snapshot = Snapshot::open(name).with_context(|| format!("--from {name}"))?;
            let origin = snapshot.origin().clone();
            revived = run.revive(&origin)?;
            (&revived, Some(snapshot), origin)
        }
    };
    let Phone { title, mut machine, serial, display, screen, touch, keyboard, disks } = phone::build(run)?;
    if let Some(snapshot) = snapshot {
        snapshot.restore(&mut machine, &disks)?;
    }
    // What was asked for is looked at before what there is to show it on.
    let place = if run.headless { None } else { Some(window::open()?) };
    let gdb = run.gdb.as_ref().map(gdb::Gdb::listen).transpose()?;
    let control = Control::listen(run.name.as_ref(), run.qmp.as_deref())?;
    let seen = vnc::Phone {
        title: run.name.as_ref().map_or_else(|| title.clone(), |name| format!("{name} – {title}")),
        screen: screen.clone(),
        size: display.size(),
        touch: touch.clone(),
        keyboard: keyboard.clone(),
    };
    let password = run.vnc_password_file.as_deref();
    let vnc = run.vnc.as_ref().map(|address| vnc::Vnc::listen(address, password, seen)).transpose()?;
    if run.wait_gdb {
        machine.handle().hold();
    }
    let power = Power::new(machine.handle());
    let phone = control::Phone {
        name: run.name.clone(),
        machine: machine.handle(),
        power: power.clone(),
        hand: control::Hand::new(touch.clone(), keyboard.clone()),
        eyes: control::Eyes::default(),
        screen: screen.clone(),
        size: display.size(),
        disks,
        origin,
        log: serial.log(),
        events: control::Events::default(),
        turn: Mutex::default(),
        typing: Mutex::default(),
        asked_reset: AtomicBool::default(),
        asked_end: AtomicBool::default(),
        ended: AtomicBool::default(),
    };
    let session = Session {
        machine,
        serial,
        display,
        screen: screen.clone(),
        screenshots: run.screenshots.clone(),
        power: power.clone(),
        gdb,
        control: (control, phone),
        vnc,
    };
    let outcome = match place {
        None => headless::run(session)?,
        Some(place) => {
            let hands = window::Hands { touch, keyboard, power };
            window::run(place, &title, screen, hands, session, run.stats)?
        }
    };
    if run.stats {
        outcome.report();
    }
    Ok(outcome.status)
}
