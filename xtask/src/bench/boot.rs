//! One boot of one emulator: up to a prompt, through some work, down again.

use super::console::Console;
use super::emulator::{Emulator, MEMORY_MIB, Machine};
use super::process::{self, Memory};
use super::work::Work;
use anyhow::{Context, Result};
use std::time::{Duration, Instant};

/// How long a boot, and one work, may take.
const PATIENCE: Duration = Duration::from_secs(600);
const BUSYBOX: &str = "handset# ";
const LOGIN: &str = "root@handset:~#";

/// What one work did in one boot.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// By the host's clock.
    pub seconds: f64,
    /// Of the host's CPUs.
    pub cpu: f64,
    /// Its output and exit status.
    pub output: String,
}

/// Boots a kernel with busybox: the seconds to its first prompt.
pub fn to_shell(emulator: Emulator, machine: &Machine<'_>) -> Result<Sample> {
    let mut console = Console::start(emulator.command(machine))?;
    let (_, shown) = console.wait_for(BUSYBOX, PATIENCE)?;
    let sample = booted(&console, shown)?;
    console.type_line("poweroff")?;
    console.end(PATIENCE)?;
    Ok(sample)
}

/// A boot whose end was shown just now.
fn booted(console: &Console, shown: Instant) -> Result<Sample> {
    let cpu = process::cpu_seconds(console.process())?;
    Ok(Sample { seconds: (shown - console.begun).as_secs_f64(), cpu, output: "a prompt".to_owned() })
}

/// A guest in which root has logged in.
pub struct Session {
    console: Console,
    /// The boot itself.
    pub login: Sample,
}

impl Session {
    /// Boots systemd, and unpacks the programs and commands out of the second disk.
    pub fn begin(emulator: Emulator, machine: &Machine<'_>) -> Result<Self> {
        let mut console = Console::start(emulator.command(machine))?;
        let (_, shown) = console.wait_for(LOGIN, PATIENCE)?;
        let login = booted(&console, shown)?;
        // Without its line editor, bash echoes what is typed as it is; then it need not echo.
        console.type_line("exec bash --noediting")?;
        console.wait_for(LOGIN, PATIENCE)?;
        console.type_line(
            "dmesg -n 1; stty -echo -onlcr; PS1=; systemctl is-system-running --wait; mkdir /dev/shm/w; cd /dev/shm/w; \
             tar -xf /dev/vdb; . ./guest.sh; echo rea\"\"dy",
        )?;
        console.wait_for("ready", PATIENCE)?;
        Ok(Self { console, login })
    }

    /// Does one work, by its number.
    pub fn work(&mut self, number: usize, work: &Work) -> Result<Sample> {
        let mut perform = || -> Result<Sample> {
            self.console.type_line(&format!("w {number}"))?;
            let (_, begun) = self.console.wait_for("<begin>", PATIENCE)?;
            let cpu = process::cpu_seconds(self.console.process())?;
            let (_, ended) = self.console.wait_for("<ran ", PATIENCE)?;
            let cpu = process::cpu_seconds(self.console.process())? - cpu;
            let (output, _) = self.console.wait_for("<end>", PATIENCE)?;
            let output = output.replacen(">\n", "\n", 1);
            Ok(Sample { seconds: (ended - begun).as_secs_f64(), cpu, output })
        };
        perform().with_context(|| work.name)
    }

    /// What the emulator holds of the host's memory.
    pub fn memory(&self) -> Result<Memory> {
        process::memory(self.console.process(), MEMORY_MIB)
    }

    /// Powers the guest off.
    pub fn end(mut self) -> Result<()> {
        self.console.type_line("systemctl poweroff")?;
        self.console.end(PATIENCE)
    }
}
