//! `cargo xtask bench`: the same guests and work on Handset and on QEMU in turn, by the host's clock on console lines.
//!
//! One emulator runs at a time. Each boots once a round and number of vCPUs, and does all its work in that boot, as a
//! user would. Micro-benchmarks are guests of their own, in a table of their own.

mod boot;
mod console;
mod disk;
mod emulator;
mod micro;
mod plot;
mod process;
mod report;
mod table;
mod work;

use crate::{cargo, guests, host, progress, target_dir};
use anyhow::{Context, Result, bail};
use boot::{Sample, Session};
use emulator::{Emulator, Machine, PEERS};
use std::path::PathBuf;
use table::Samples;

/// What is measured, and how often.
#[derive(clap::Args)]
pub struct Options {
    /// How often, on each emulator in turn
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Only work of this class, or with these words in its name; nothing is written to docs/performance.md
    #[arg(long, value_name = "CLASS|NAME")]
    only: Vec<String>,
    /// Handset alone, without QEMU; nothing is written to docs/performance.md
    #[arg(long)]
    alone: bool,
    /// Another build of `handset` in QEMU's place, to see what a change gave; nothing is written to docs/performance.md
    #[arg(long, value_name = "FILE", conflicts_with = "alone")]
    against: Option<PathBuf>,
    /// List what there is to measure, by class, and measure nothing
    #[arg(long)]
    list: bool,
}

/// One run under way.
struct Bench {
    options: Options,
    peers: Vec<Emulator>,
    kernel_guest: PathBuf,
    disk_guest: PathBuf,
    programs: PathBuf,
    cache: PathBuf,
    samples: Samples,
    held: Vec<report::Held>,
    failures: Vec<String>,
    micro_table: String,
}

/// Sets everything up, measures, prints the table and writes the page.
pub fn run(options: Options) -> Result<()> {
    if options.list {
        return list();
    }
    let mut micros = micro::all()?;
    micros.retain(|micro| micro::is_wanted(&options.only, &micro.name));
    let work_wanted = (0..work::ALL.len()).any(|index| is_wanted(&options.only, index));
    if !work_wanted && micros.is_empty() {
        let classes: Vec<&str> = work::CLASSES.iter().map(|class| class.names().1).collect();
        bail!(
            "no work is of the class, or has in its name, what --only says; the classes are {} {}",
            classes.join(" "),
            micro::CLASS
        );
    }
    let peers = options.peers()?;
    host::set_up(host::EVERYTHING)?;
    progress::run("build handset", cargo().args(["build", "--release", "--package", "handset"]))?;
    let micro_table = micro::measure(&micros, options.rounds, &peers)?;
    if !work_wanted {
        print!("{micro_table}");
        return Ok(());
    }
    let mut bench = Bench {
        kernel_guest: guests::fetch("debian12", false)?,
        disk_guest: guests::fetch("debian12-bench", false)?,
        programs: disk::make(&target_dir().join("bench"))?,
        cache: target_dir().join("bench/cache"),
        options,
        peers,
        samples: Samples::default(),
        held: Vec::new(),
        failures: Vec::new(),
        micro_table,
    };
    for round in 1..=bench.options.rounds {
        for emulator in std::iter::once(Emulator::Handset).chain(bench.peers.clone()) {
            bench.round(round, emulator);
        }
    }
    bench.finish()
}

impl Options {
    /// Whom Handset is compared with.
    fn peers(&self) -> Result<Vec<Emulator>> {
        match &self.against {
            _ if self.alone => Ok(Vec::new()),
            None => Ok(PEERS.to_vec()),
            Some(file) => {
                let file = std::path::absolute(file).with_context(|| format!("--against {}", file.display()))?;
                anyhow::ensure!(file.is_file(), "--against {}: no such file", file.display());
                Ok(vec![Emulator::Other(Box::leak(file.into_boxed_path()))])
            }
        }
    }
}

/// Whether `--only` lets a work of the table through.
fn is_wanted(only: &[String], index: usize) -> bool {
    let work = &work::ALL[index];
    only.is_empty() || only.iter().any(|word| work.class.names().1 == word || work.name.contains(word.as_str()))
}

/// Prints every class, name and what is measured.
fn list() -> Result<()> {
    for work in work::ALL {
        let measured = if work.run.is_empty() { "from the start of the emulator" } else { work.run };
        let measured: Vec<&str> = measured.split_whitespace().collect();
        println!("{:<10} {:<28} {}", work.class.names().1, work.name, measured.join(" "));
    }
    for micro in micro::all()? {
        println!("{:<10} {:<28} {} × {}", micro::CLASS, micro.name, micro.operations, micro.operation);
    }
    Ok(())
}

impl Bench {
    fn wanted(&self, index: usize) -> bool {
        is_wanted(&self.options.only, index)
    }

    /// Keeps a sample, and shows it.
    fn keep(&mut self, index: usize, smp: u32, emulator: Emulator, sample: Sample) {
        eprintln!("    {:<28} {:>7.2} s, {:>7.2} s of CPU", work::ALL[index].name, sample.seconds, sample.cpu);
        self.samples.add((index, smp), emulator, sample);
    }

    /// All that one emulator does in a round. What fails is noted, and the rest goes on.
    fn round(&mut self, round: u16, emulator: Emulator) {
        let place = |name| work::ALL.iter().position(|work| work.name == name).expect("a name of the table");
        let [shell, again, login] = [work::BOOT_TO_SHELL, work::BOOT_AGAIN, work::BOOT_TO_LOGIN].map(place);
        let rounds = self.options.rounds;
        if self.wanted(shell) || self.wanted(again) {
            eprintln!("  round {round} of {rounds}: {}, busybox", emulator.name());
            self.forget_translations();
            for index in [shell, again] {
                let machine = Machine { guest: &self.kernel_guest, smp: 1, disk: None, cache: &self.cache };
                match boot::to_shell(emulator, &machine) {
                    Ok(sample) if self.wanted(index) => self.keep(index, 1, emulator, sample),
                    Ok(_) => {}
                    Err(error) => self.fail(emulator, 1, &error),
                }
            }
        }
        for smp in [1, 2] {
            let all = 0..work::ALL.len();
            let mut left: Vec<usize> = all.filter(|i| self.wanted(*i) && work::ALL[*i].smp.contains(&smp)).collect();
            left.retain(|index| ![shell, again].contains(index) && !self.samples.is_beaten((*index, smp), emulator));
            while !left.is_empty() {
                eprintln!("  round {round} of {rounds}: {}, {smp} vCPU", emulator.name());
                // A work that ends the boot is not tried again in this round.
                if let Err(error) = self.session(emulator, smp, login, &mut left) {
                    self.fail(emulator, smp, &error);
                }
            }
        }
    }

    /// One boot, and as much of the work as can be done in it. What was tried is taken out of `left`.
    fn session(&mut self, emulator: Emulator, smp: u32, login: usize, left: &mut Vec<usize>) -> Result<()> {
        let wants_login = left.contains(&login);
        left.retain(|index| *index != login);
        self.forget_translations();
        let (guest, disk, cache) = (&self.disk_guest, &self.programs, &self.cache);
        let begun = Session::begin(emulator, &Machine { guest, smp, disk: Some(disk), cache });
        if begun.is_err() {
            left.clear();
        }
        let mut session = begun.context(work::BOOT_TO_LOGIN)?;
        if wants_login {
            self.keep(login, smp, emulator, session.login.clone());
        }
        while !left.is_empty() {
            let index = left.remove(0);
            let sample = session.work(index, &work::ALL[index])?;
            self.keep(index, smp, emulator, sample);
        }
        let memory = session.memory()?;
        self.held.retain(|held| (held.0, held.1) != (emulator, smp));
        self.held.push((emulator, smp, memory));
        session.end()
    }

    /// Has the next boot be the first of its kind.
    fn forget_translations(&self) {
        match std::fs::remove_dir_all(&self.cache) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                eprintln!("  {} stays: {why}", self.cache.display());
            }
            _ => {}
        }
    }

    fn fail(&mut self, emulator: Emulator, smp: u32, error: &anyhow::Error) {
        let text = format!("{}, {smp} vCPU: {error:#}", emulator.name());
        eprintln!("  FAILED {text}");
        self.failures.push(text);
    }

    /// Prints, writes, and says whether all went well.
    fn finish(&self) -> Result<()> {
        let rows = self.samples.rows();
        let table = format!("{}\n{}", report::table(&self.samples, &rows, &self.held, &self.peers), self.micro_table);
        println!("{table}\n{}", report::summary(&rows));
        for (name, emulator, output) in self.samples.disagreements() {
            eprintln!("{name}: {} said: {}", emulator.name(), output.trim_end());
        }
        if !self.failures.is_empty() {
            bail!("{} failures:\n{}", self.failures.len(), self.failures.join("\n"));
        }
        if self.options.only.is_empty() && self.peers == PEERS {
            report::write(&table, &rows, &self.disk_guest, self.options.rounds.into())?;
            eprintln!("  wrote docs/performance.md");
        }
        match rows.iter().find(|row| !row.same) {
            Some(row) => bail!("{}: not all runs gave the same output", row.name),
            None => Ok(()),
        }
    }
}
