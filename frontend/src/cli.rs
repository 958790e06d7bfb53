//! The command line: `handset run` and its options, and every complaint about them in one line.
//!
//! Left out: what the files that it names hold; that is found out when the phone is built.

use std::path::PathBuf;
use std::str::FromStr;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use emu::cpu::Engine;
use emu::jit::Optimizations;
use emu::machine::{Gic, cpu_models};

use crate::control::{self, Name};
use crate::disk::DriveSpec;
use crate::fork::Fork;
use crate::net::{NetSpec, UserSpec};
use crate::profile;
use crate::serial::Target;
use crate::snapshot::Origin;
use crate::socket::Address;
use crate::translations::Translations;
use crate::uitest::Test;

const EXAMPLES: &str = "\
Examples:
  handset run                          the built-in demo: paint with the mouse, Ctrl-drag is a pinch
  handset run --guest installer        a guest that `cargo xtask run` has fetched
  handset run --kernel Image --initrd initrd.gz --append console=ttyAMA0 --headless
                                       a kernel with its serial console in this terminal (Ctrl-A x quits)
  handset run --bios QEMU_EFI.fd --drive file=disk.qcow2,format=qcow2 --smp 4 --memory 2G
  handset run --guest installer --net user,hostfwd=tcp:127.0.0.1:2222-:22
  handset run --headless --screenshot-at 5=demo.png
  handset run --guest debian12 --headless --stats --jit-opt -probe-sharing,-links
  handset run --guest debian12 --headless --gdb 127.0.0.1:1234 --wait-gdb
  handset run --from test              a phone that `handset ctl save test` has saved
  handset run --guest installer --name test
                                       then `handset ctl tap 360 640` and the like, from elsewhere
  handset run --headless --vnc 127.0.0.1:5900
                                       then `vncviewer 127.0.0.1::5900`
  perf record -e cpu-clock -k 1 handset run --guest debian12 --headless --profile
                                       then `perf report` names translated code by its guest addresses

Exit status: 0 when the guest powered off or the user closed it, 1 on failure, 2 for a wrong command line,
128 + N when signal N ended it.";

/// What executes, by its name on the command line; the first is the default.
const ENGINES: &[(&str, Engine)] = &[("jit", Engine::Jit), ("interp", Engine::Interpreter)];

#[derive(Debug, Parser)]
#[command(name = "handset", version, about = "Handset runs ARM64 phones", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug)]
pub enum Asked {
    /// `handset run`.
    Run(Box<Run>),
    /// `handset ctl`.
    Control(control::Request),
    /// `handset fork`.
    Fork(Fork),
    /// `handset test`.
    Test(Test),
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Boot a guest in a window, or headless
    #[command(after_help = EXAMPLES)]
    Run(Box<Run>),
    /// Have several phones go on from a snapshot
    Fork(Fork),
    /// Test a phone's user interface by tests in Python
    Test(Test),
}

/// `handset run`.
#[derive(Debug, Clone, Args)]
pub struct Run {
    /// Boot this arm64 kernel Image, raw or gzip
    #[arg(long, value_name = "F", group = "boot")]
    pub kernel: Option<PathBuf>,
    /// The kernel's initial RAM disk
    #[arg(long, value_name = "F", requires = "kernel", conflicts_with_all = ["bios", "guest"])]
    pub initrd: Option<PathBuf>,
    /// The kernel's command line; added to that of a --guest
    #[arg(long, value_name = "S", allow_hyphen_values = true)]
    pub append: Option<String>,
    /// Start this firmware from flash
    #[arg(long, value_name = "F", group = "boot")]
    pub bios: Option<PathBuf>,
    /// Boot a guest that was fetched into the cache; its disk forgets what was written when the phone ends
    #[arg(long, value_name = "NAME", group = "boot")]
    pub guest: Option<String>,
    /// A device tree to use instead of the generated one
    #[arg(long, value_name = "F")]
    pub dtb: Option<PathBuf>,
    /// A disk (repeatable; Linux calls the last one vda). snapshot forgets what was written; backing lets a qcow2 image name
    /// others
    #[arg(long = "drive", value_name = "file=F,format=raw|qcow2[,readonly][,snapshot][,backing=on][,serial=S]")]
    pub drives: Vec<DriveSpec>,
    /// The network: user-mode NAT, which may have port forwards (repeatable: the host's port, then the guest's), lead nowhere
    /// else (restrict), or ask another DNS server than the host does; or none
    /// [default: user, but none for --bios without a --drive, which would try to boot from it]
    #[arg(long, value_name = "user[,hostfwd=tcp|udp:127.0.0.1:P-:P][,restrict][,resolver=ADDRESS]|none")]
    pub net: Option<NetSpec>,
    /// CPUs, 1 to 8
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = cpus)]
    pub smp: usize,
    /// RAM, such as 512M or 2G; a plain number is MiB [default: what the guest wants, or 1G]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    pub memory: Option<u64>,
    /// The CPU model; `help` lists them
    #[arg(long, value_name = "NAME", default_value = "handset", value_parser = model)]
    pub cpu: String,
    /// The version of the interrupt controller
    #[arg(long, value_name = "2|3", default_value = "3", value_parser = gic)]
    pub gic: Gic,
    /// The screen's size in pixels
    #[arg(long, value_name = "WxH", default_value = "720x1280", value_parser = size)]
    pub display: (u32, u32),
    /// Where the serial port leads [default: stdio if headless, else none]
    #[arg(long, value_name = "stdio|file:F|unix:F|pty|none")]
    pub serial: Option<Target>,
    /// Open no window
    #[arg(long)]
    pub headless: bool,
    /// Write what the screen shows after so many seconds as a PNG (repeatable)
    #[arg(long = "screenshot-at", value_name = "SECONDS=F.png")]
    pub screenshots: Vec<Screenshot>,
    /// What executes the guest's instructions: jit translates them; interp interprets them, slowly
    #[arg(long, value_name = "ENGINE", default_value = ENGINES[0].0, value_parser = engine)]
    pub accel: Engine,
    /// What the translator does for speed, to leave something out
    #[arg(long, value_name = "[-]NAME,…", allow_hyphen_values = true, help = jit_opt_help())]
    pub jit_opt: Option<Optimizations>,
    /// Keep translated code in this folder, for the next run to start faster; it can be deleted at any time
    /// [default: the cache's folder `translations`]
    #[arg(long, value_name = "DIR|none")]
    pub translations: Option<Translations>,
    /// Let a debugger come to this socket: gdb-multiarch -ex 'target remote …' (docs/debugging.md)
    #[arg(long, value_name = "ADDRESS:PORT|unix:F")]
    pub gdb: Option<Address>,
    /// Wait for the debugger before the first instruction
    #[arg(long, requires = "gdb")]
    pub wait_gdb: bool,
    /// Go on from this snapshot, which `handset ctl save` has made: the phone is as it was, and what is said here of windows,
    /// sockets and the like is new
    #[arg(
        long,
        value_name = "NAME",
        value_parser = clap::value_parser!(Name),
        conflicts_with_all = ["boot", "initrd", "append", "dtb", "drives", "smp", "memory", "cpu", "gic", "display"]
    )]
    pub from: Option<Name>,
    /// Call the phone so: `handset ctl --phone NAME` finds it
    #[arg(long, value_name = "NAME", value_parser = clap::value_parser!(Name))]
    pub name: Option<Name>,
    /// Let programs that speak QMP, QEMU's machine protocol, come to this socket (docs/control.md)
    #[arg(long, value_name = "unix:PATH", value_parser = qmp)]
    pub qmp: Option<PathBuf>,
    /// Let VNC clients see and touch the screen from this socket (docs/control.md); others than this computer's need a password
    #[arg(long, value_name = "ADDRESS:PORT|unix:PATH")]
    pub vnc: Option<Address>,
    /// Let those VNC clients come that know the password in this file's first line, of 1 to 8 bytes [default: none is asked]
    #[arg(long, value_name = "F", requires = "vnc")]
    pub vnc_password_file: Option<PathBuf>,
    /// Write what Linux's perf reads: names of translated code to /tmp/perf-PID.map, and the code to DIR/jit-PID.dump (in /tmp
    /// if no DIR is given), beside which `perf inject --jit` leaves a file for each piece (docs/usage.md)
    #[arg(long, value_name = "DIR", num_args = 0..=1, default_missing_value = profile::MAPS)]
    pub profile: Option<PathBuf>,
    /// Print counters at the end
    #[arg(long)]
    pub stats: bool,
}

/// One `--screenshot-at`.
#[derive(Debug, Clone, PartialEq)]
pub struct Screenshot {
    /// After the start.
    pub seconds: f64,
    /// The PNG.
    pub file: PathBuf,
}

impl FromStr for Screenshot {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "write SECONDS=FILE.png".to_owned();
        let (seconds, file) = text.split_once('=').ok_or_else(wrong)?;
        let seconds: f64 = seconds.parse().map_err(|_| wrong())?;
        if !(0.0..=1e9).contains(&seconds) || file.is_empty() {
            return Err(wrong());
        }
        Ok(Self { seconds, file: file.into() })
    }
}

fn cpus(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| (1..=8).contains(n)).ok_or_else(|| "a phone has 1 to 8 CPUs".into())
}

/// The most RAM: far from what physical addresses reach.
const MOST_MEMORY: u64 = 1 << 40;

/// A size of RAM: a number with M or G, or of MiB.
pub fn memory(text: &str) -> Result<u64, String> {
    let (number, shift) = match text.as_bytes().last() {
        Some(b'G' | b'g') => (&text[..text.len() - 1], 30),
        Some(b'M' | b'm') => (&text[..text.len() - 1], 20),
        _ => (text, 20),
    };
    let number: Option<u64> = number.parse().ok();
    let bytes = number.and_then(|n| n.checked_mul(1 << shift)).filter(|&bytes| bytes > 0);
    match bytes {
        Some(bytes) if bytes > MOST_MEMORY => Err("a phone has at most 1024G".into()),
        Some(bytes) => Ok(bytes),
        None => Err("not a size; write a number with M or G, such as 512M or 2G".into()),
    }
}

fn qmp(text: &str) -> Result<PathBuf, String> {
    let path = text.strip_prefix("unix:").filter(|path| !path.is_empty());
    path.map(PathBuf::from).ok_or_else(|| "write unix:PATH".into())
}

fn gic(text: &str) -> Result<Gic, String> {
    match text {
        "2" => Ok(Gic::V2),
        "3" => Ok(Gic::V3),
        _ => Err("there are versions 2 and 3".into()),
    }
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let side = |text: &str| text.parse().ok().filter(|n| (16..=16384).contains(n));
    let sides = text.split_once(['x', 'X']).and_then(|(width, height)| Some((side(width)?, side(height)?)));
    sides.ok_or_else(|| "not a size; write WIDTHxHEIGHT, 16 to 16384 pixels each".into())
}

fn engine(text: &str) -> Result<Engine, String> {
    let found = ENGINES.iter().find(|(name, _)| *name == text);
    let names = || ENGINES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    found.map(|(_, engine)| *engine).ok_or_else(|| format!("there is no such engine; there are: {}", names()))
}

fn model(text: &str) -> Result<String, String> {
    if text == "help" || cpu_models().any(|(name, _)| name == text) {
        return Ok(text.to_owned());
    }
    let names: Vec<_> = cpu_models().map(|(name, _)| name).collect();
    Err(format!("there is no such model; there are: {}", names.join(", ")))
}

fn jit_opt_help() -> String {
    let names: Vec<String> = Optimizations::names().collect();
    format!(
        "What the translator does for speed, to leave something out: -NAME, +NAME, all and none, from left to right: {} \
         [default: all]",
        names.join(", ")
    )
}

/// What `--cpu help` says.
fn models() -> String {
    cpu_models().map(|(name, about)| format!("{name:12} {about}\n")).collect()
}

/// How the phone of this process's own command line is made.
pub fn origin() -> Origin {
    let words = std::env::args().skip(2).collect();
    Origin { words, folder: std::env::current_dir().unwrap_or_default() }
}

impl Run {
    /// What a phone was made by, with paths that are whole.
    fn made(origin: &Origin) -> anyhow::Result<Self> {
        let words = ["handset", "run"].into_iter().map(Into::into).chain(origin.words.iter().map(Into::into));
        let Ok(Asked::Run(made)) = parse(words) else {
            anyhow::bail!("it was made by options that there are not any more")
        };
        // A path that is whole already stays.
        let there = |file: Option<PathBuf>| file.map(|file| origin.folder.join(file));
        let drive = |drive: DriveSpec| DriveSpec { file: origin.folder.join(&drive.file), ..drive };
        let made = *made;
        Ok(Self {
            kernel: there(made.kernel),
            initrd: there(made.initrd),
            bios: there(made.bios),
            dtb: there(made.dtb),
            drives: made.drives.into_iter().map(drive).collect(),
            ..made
        })
    }

    /// The phone that was made so, with windows, sockets and the like as these options say.
    pub fn revive(&self, origin: &Origin) -> anyhow::Result<Self> {
        let Self { kernel, initrd, bios, dtb, drives, append, guest, smp, memory, cpu, gic, display, net, .. } =
            Self::made(origin)?;
        let mine = self.clone();
        let net = mine.net.or(net);
        Ok(Self { kernel, initrd, bios, dtb, drives, append, guest, smp, memory, cpu, gic, display, net, ..mine })
    }

    /// Whether phones that were made so have the same parts.
    pub fn alike(one: &Origin, other: &Origin) -> anyhow::Result<bool> {
        let (one, other) = (Self::made(one)?, Self::made(other)?);
        let files = |run: &Self| (run.kernel.clone(), run.initrd.clone(), run.bios.clone(), run.dtb.clone());
        let words = |run: &Self| (run.append.clone(), run.guest.clone(), run.cpu.clone(), run.drives.clone());
        let numbers = |run: &Self| (run.smp, run.memory, run.gic, run.display, run.user_net().is_some());
        Ok(files(&one) == files(&other) && words(&one) == words(&other) && numbers(&one) == numbers(&other))
    }

    /// What the options ask of the network; none for no card.
    pub fn user_net(&self) -> Option<UserSpec> {
        match &self.net {
            None if self.bios.is_some() && self.drives.is_empty() => None,
            None => Some(UserSpec::default()),
            Some(NetSpec::None) => None,
            Some(NetSpec::User(spec)) => Some(spec.clone()),
        }
    }
}

/// Why there is no command: help or a version to print, or one line of complaint.
#[derive(Debug)]
pub enum Refusal {
    /// Print this.
    Print(clap::Error),
    /// Print this, which was asked for.
    Answer(String),
    /// Say this, without a full stop.
    Complain(String),
}

/// Reads the command line.
pub fn parse<I>(arguments: I) -> Result<Asked, Refusal>
where
    I: IntoIterator<Item = std::ffi::OsString>,
{
    let arguments: Vec<_> = arguments.into_iter().collect();
    let named = arguments.get(1).and_then(|word| ["ctl", "fork", "test"].into_iter().find(|command| word == command));
    let command = named.unwrap_or("run");
    let read = Cli::command().subcommand(control::command()).try_get_matches_from(arguments);
    let read = read.and_then(|matches| match matches.subcommand() {
        Some(("ctl", matches)) => Ok(Err(control::read(matches))),
        _ => Cli::from_arg_matches(&matches).map(Ok),
    });
    let cli = read.map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Refusal::Print(error)
        }
        _ => Refusal::Complain(complaint(&error, command)),
    })?;
    let run = match cli {
        Ok(Cli { command: Command::Run(run) }) => run,
        Ok(Cli { command: Command::Fork(fork) }) => return Ok(Asked::Fork(fork)),
        Ok(Cli { command: Command::Test(test) }) => return Ok(Asked::Test(test)),
        Err(request) => return Ok(Asked::Control(request)),
    };
    if run.cpu == "help" {
        return Err(Refusal::Answer(models()));
    }
    if run.append.is_some() && run.kernel.is_none() && run.guest.is_none() {
        return Err(Refusal::Complain("--append: needs a kernel to tell it to (add --kernel or --guest)".into()));
    }
    if let Some(Address::Tcp(address)) = run.vnc
        && !address.ip().is_loopback()
        && run.vnc_password_file.is_none()
    {
        let line = format!("--vnc {address}: whoever reaches this computer could come (add --vnc-password-file)");
        return Err(Refusal::Complain(line));
    }
    let translates = [
        ("--jit-opt", run.jit_opt.is_some()),
        ("--translations", run.translations.is_some()),
        ("--profile", run.profile.is_some()),
    ];
    for (option, given) in translates {
        if given && run.accel != Engine::Jit {
            let line = format!("{option}: --accel interp translates nothing (leave one of them out)");
            return Err(Refusal::Complain(line));
        }
    }
    Ok(Asked::Run(run))
}

/// Clap's complaint about a command as `WHAT: WHY (way out)`.
fn complaint(error: &clap::Error, command: &str) -> String {
    let words = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => Some(texts.join(", ")),
        _ => None,
    };
    // `--smp <N>` and the like, without their values; `<x>` without its brackets.
    let options = |text: String| {
        let names = text.split(", ").map(|option| option.split([' ', '=']).next().unwrap_or_default());
        let names = names.map(|name| name.trim_matches(['<', '>']).to_owned());
        names.collect::<Vec<_>>().join(", ")
    };
    let option = words(ContextKind::InvalidArg).map_or_else(|| "the command line".to_owned(), options);
    let value = words(ContextKind::InvalidValue).unwrap_or_default();
    let suggestion = words(ContextKind::SuggestedArg).or_else(|| words(ContextKind::SuggestedSubcommand));
    let help = format!("see `handset {command} --help`");
    let way_out = suggestion.map_or(help, |like| format!("there is {}", options(like)));
    match error.kind() {
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error).map_or_else(|| "is not valid".to_owned(), ToString::to_string);
            // Some values' own errors name the option already.
            if why.starts_with("--") { why } else { format!("{option} {value}: {why}") }
        }
        ErrorKind::InvalidValue if value.is_empty() => format!("{option}: needs a value ({way_out})"),
        ErrorKind::InvalidValue => {
            format!("{option} {value}: there is {}", words(ContextKind::ValidValue).unwrap_or_default())
        }
        ErrorKind::UnknownArgument if option.starts_with('-') => {
            format!("{option}: there is no such option ({way_out})")
        }
        ErrorKind::UnknownArgument => format!("{option}: is not expected here ({way_out})"),
        ErrorKind::InvalidSubcommand => {
            let name = words(ContextKind::InvalidSubcommand).unwrap_or_default();
            format!("{name}: there is no such command (there are `handset run` and `handset ctl`)")
        }
        ErrorKind::ArgumentConflict => match words(ContextKind::PriorArg).map(options) {
            Some(other) if other == option => format!("{option}: is given twice"),
            Some(other) => format!("{option}: does not go together with {other}"),
            None => format!("{option}: does not go together with the other options"),
        },
        ErrorKind::MissingRequiredArgument => format!("{option} is missing ({way_out})"),
        ErrorKind::MissingSubcommand => format!("no command: {way_out}"),
        _ => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            line.strip_prefix("error: ").unwrap_or(line).to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(options: &str) -> Result<Run, String> {
        let words = ["handset", "run"].into_iter().chain(options.split_whitespace());
        match parse(words.map(Into::into)) {
            Ok(Asked::Run(run)) => Ok(*run),
            Ok(Asked::Control(_) | Asked::Fork(_) | Asked::Test(_)) => panic!("it runs"),
            Err(Refusal::Complain(line)) => Err(line),
            Err(Refusal::Print(error)) => panic!("{error}"),
            Err(Refusal::Answer(text)) => panic!("{text}"),
        }
    }

    #[test]
    fn the_issues_options_are_all_taken() {
        let run = run("--kernel Image --initrd i --dtb d --drive file=a,format=raw,readonly \
                       --drive file=b,format=qcow2,snapshot --net user,hostfwd=tcp:127.0.0.1:5655-:5555 --smp 4 \
                       --memory 2G --cpu handset --gic 2 --display 1080x2400 --serial unix:/tmp/s --headless \
                       --screenshot-at 1.5=a.png --screenshot-at 3=b=c.png --accel interp --stats \
                       --gdb 127.0.0.1:1234 --wait-gdb")
        .unwrap();
        assert_eq!((run.smp, run.memory, run.gic, run.display), (4, Some(2 << 30), Gic::V2, (1080, 2400)));
        assert_eq!(run.serial, Some(Target::Unix("/tmp/s".into())));
        assert_eq!(run.drives.len(), 2);
        assert!(run.drives[0].read_only && run.drives[1].snapshot);
        assert_eq!(run.user_net().unwrap().forwards.len(), 1);
        assert_eq!(run.screenshots[1], Screenshot { seconds: 3.0, file: "b=c.png".into() });
    }

    #[test]
    fn nothing_given_is_a_phone() {
        let run = run("").unwrap();
        assert_eq!((run.smp, run.memory, run.gic, run.display), (1, None, Gic::V3, (720, 1280)));
        assert_eq!((run.serial.is_none(), run.headless), (true, false));
        assert!(run.user_net().is_some());
    }

    #[test]
    fn a_profile_goes_where_perf_looks_or_where_it_is_told() {
        for (options, folder) in
            [("", None), ("--profile --stats", Some("/tmp")), ("--profile d", Some("d")), ("--profile=d", Some("d"))]
        {
            assert_eq!(run(options).unwrap().profile, folder.map(PathBuf::from), "{options}");
        }
    }

    #[test]
    fn firmware_without_a_disk_has_a_network_only_if_that_is_asked_for() {
        for (options, card) in [
            ("--bios b", false),
            ("--bios b --drive file=a,format=raw", true),
            ("--bios b --net user", true),
            ("--bios b --drive file=a,format=raw --net none", false),
            ("--kernel k", true),
        ] {
            assert_eq!(run(options).unwrap().user_net().is_some(), card, "{options}");
        }
    }

    #[test]
    fn a_kernels_command_line_may_begin_with_hyphens() {
        let words = ["handset", "run", "--kernel", "i", "--append", "--- quiet"];
        let Ok(Asked::Run(run)) = parse(words.map(Into::into)) else { panic!() };
        assert_eq!(run.append.as_deref(), Some("--- quiet"));
    }

    #[test]
    fn vnc_clients_of_this_computer_alone_need_no_password() {
        for options in [
            "--vnc 127.0.0.1:5900",
            "--vnc [::1]:0",
            "--vnc unix:a",
            "--vnc 0.0.0.0:5900 --vnc-password-file a",
            "--from test --vnc unix:a --vnc-password-file a",
        ] {
            assert!(run(options).unwrap().vnc.is_some(), "{options}");
        }
    }

    #[test]
    fn cpu_help_lists_every_model() {
        let Err(Refusal::Answer(text)) = parse(["handset", "run", "--cpu", "help"].map(Into::into)) else { panic!() };
        let names: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
        assert_eq!(names, ["handset", "max", "cortex-a76"]);
    }

    #[test]
    fn sizes_of_memory_have_units() {
        assert_eq!(memory("512M"), Ok(512 << 20));
        assert_eq!(memory("4096"), Ok(4 << 30));
        for wrong in ["", "G", "0", "1.5G", "-1", "1T", "99999999999999G", "2é"] {
            assert!(memory(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_complaint_is_one_line_that_names_the_option() {
        let table = [
            ("--smp 9", "--smp 9: a phone has 1 to 8 CPUs"),
            ("--memory lots", "--memory lots: not a size; write a number with M or G, such as 512M or 2G"),
            ("--cpu arm7tdmi", "--cpu arm7tdmi: there is no such model; there are: handset, max, cortex-a76"),
            ("--gic 4", "--gic 4: there are versions 2 and 3"),
            ("--display 720", "--display 720: not a size; write WIDTHxHEIGHT, 16 to 16384 pixels each"),
            ("--serial tcp:1", "--serial tcp:1: stdio, file:F, unix:F, pty and none are known"),
            ("--drive file=a", "--drive file=a: format=raw or format=qcow2 is missing; it is not guessed"),
            ("--drive a.img", "--drive a.img: write file=a.img,format=raw or file=a.img,format=qcow2"),
            ("--net tap", "--net tap: only \"user\" and \"none\" are known"),
            ("--screenshot-at soon=a.png", "--screenshot-at soon=a.png: write SECONDS=FILE.png"),
            ("--gdb 1234", "--gdb 1234: write ADDRESS:PORT, such as 127.0.0.1:1234, or unix:PATH"),
            ("--vnc :0", "--vnc :0: write ADDRESS:PORT, such as 127.0.0.1:1234, or unix:PATH"),
            (
                "--vnc 0.0.0.0:5900",
                "--vnc 0.0.0.0:5900: whoever reaches this computer could come (add --vnc-password-file)",
            ),
            ("--vnc [::]:5900", "--vnc [::]:5900: whoever reaches this computer could come (add --vnc-password-file)"),
            ("--vnc-password-file a", "--vnc is missing (see `handset run --help`)"),
            ("--wait-gdb", "--gdb is missing (see `handset run --help`)"),
            ("--jit-opt -lynx", "--jit-opt -lynx: there is no such optimisation; there are all, none, simplify, "),
            ("--jit-opt -links --accel interp", "--jit-opt: --accel interp translates nothing (leave one of them out)"),
            ("--profile --accel interp", "--profile: --accel interp translates nothing (leave one of them out)"),
            ("--profile --profile", "--profile: is given twice"),
            ("--accel kvm", "--accel kvm: there is no such engine; there are: "),
            ("--kernel a --bios b", "--kernel: does not go together with --bios"),
            ("--kernel a --kernel b", "--kernel: is given twice"),
            ("--initrd a", "--kernel is missing (see `handset run --help`)"),
            ("--append quiet", "--append: needs a kernel to tell it to (add --kernel or --guest)"),
            ("--smp", "--smp: needs a value (see `handset run --help`)"),
            ("--headles", "--headles: there is no such option (there is --headless)"),
            ("--frobnicate", "--frobnicate: there is no such option (see `handset run --help`)"),
            ("disk.img", "disk.img: is not expected here (see `handset run --help`)"),
        ];
        for (options, line) in table {
            let said = run(options).unwrap_err();
            assert!(said.starts_with(line) && !said.contains('\n'), "{options}: {said}");
        }
        let Err(Refusal::Complain(line)) = parse(["handset", "walk"].map(Into::into)) else { panic!() };
        assert_eq!(line, "walk: there is no such command (there are `handset run` and `handset ctl`)");
    }
}
