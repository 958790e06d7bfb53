//! Handset's command line.
#[allow(dead_code, reason = "the command line takes no drives yet")]
mod disk;
#[allow(dead_code, unused_imports, reason = "nothing starts a machine yet")]
mod net;

use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use devices::bus::{ByteSink, WallClock};
use emu::cpu::{Engine, Verdict};
use emu::machine::{Boot, Config, Gic, Host, Machine, Source};

#[derive(Parser)]
enum Cli {
    /// Boots a guest.
    Run {
        #[arg(long)]
        kernel: PathBuf,
        #[arg(long)]
        initrd: Option<PathBuf>,
        #[arg(long, default_value = "")]
        append: String,
        #[arg(long, default_value_t = 1)]
        smp: usize,
        #[arg(long)]
        headless: bool,
        #[arg(long)]
        serial: Option<String>,
        #[arg(long, default_value_t = 3)]
        gic: u8,
    },
}

struct Stdout;
impl ByteSink for Stdout {
    fn put(&mut self, bytes: &[u8]) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(bytes).and_then(|()| out.flush());
    }
}

struct Wall;
impl WallClock for Wall {
    fn unix_seconds(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
    }
}

fn main() -> anyhow::Result<()> {
    let interp = std::env::var_os("INTERP").is_some();
    let Cli::Run { kernel, initrd, append, smp, gic, .. } = Cli::parse();
    let config = Config {
        smp,
        memory: 1 << 30,
        gic: if gic == 2 { Gic::V2 } else { Gic::V3 },
        cpu: "handset".into(),
        engine: if interp { Engine::Interpreter } else { Engine::Jit },
        boot: Boot::Kernel { image: Source::File(kernel), initrd: initrd.map(Source::File), append },
        dtb: None,
    };
    let host = Host {
        serial: Box::new(Stdout),
        wall: Box::new(Wall),
        entropy: Box::new(|b| b.fill(42)),
        screen: None,
        virtio: Vec::new(),
    };
    let mut machine = Machine::new(config, host).unwrap_or_else(|e| {
        eprintln!("handset: {e}");
        std::process::exit(1)
    });
    let handle = machine.handle();
    std::thread::spawn(move || {
        let mut byte = [0; 256];
        while let Ok(n) = std::io::Read::read(&mut std::io::stdin(), &mut byte)
            && n > 0
        {
            handle.serial.send(&byte[..n]);
        }
    });
    let verdict = machine.run();
    if let Some(stats) = machine.translator_stats() {
        eprint!("{stats}");
    }
    std::process::exit(i32::from(verdict != Verdict::PowerOff));
}
