//! The bare-metal programs of `firmware` on a whole machine: exceptions, translation, timers, interrupts, PSCI.
//!
//! QEMU judges the programs themselves (`firmware/tests/qemu.rs`); here they judge Handset. Leaves out the demo, which
//! paints until someone presses the power key.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use devices::bus::{ByteSink, WallClock};
use emu::cpu::{Engine, Verdict};
use emu::jit::{Optimizations, Store};
use emu::machine::{Boot, Config, Gic, Host, Machine, Source};

/// Longest that a program may take; the slowest takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Default)]
struct Console(Arc<Mutex<Vec<u8>>>);

impl ByteSink for Console {
    fn put(&mut self, bytes: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(bytes);
    }
}

struct Epoch;

impl WallClock for Epoch {
    fn unix_seconds(&self) -> u64 {
        0
    }
}

/// How a program is run.
#[derive(Debug, Clone, Copy)]
struct How {
    engine: Engine,
    optimizations: Optimizations,
    /// Twice, the second time with what the first has translated.
    twice: bool,
}

const INTERPRETED: How = How { engine: Engine::Interpreter, optimizations: Optimizations::empty(), twice: false };
const TRANSLATED: How = How { engine: Engine::Jit, optimizations: Optimizations::all(), twice: false };
const PLAINLY: How = How { optimizations: Optimizations::empty(), ..TRANSLATED };
const RECALLED: How = How { twice: true, ..TRANSLATED };

/// Runs a program until it powers off; what it printed, and how the machine ended.
fn run(name: &str, how: How, gic: Gic, smp: usize, translations: Option<Store>) -> (String, Verdict) {
    let How { engine, optimizations, .. } = how;
    let image = firmware::program(name).expect("the program exists").image;
    let console = Console::default();
    let config = Config {
        smp,
        memory: 256 << 20,
        gic,
        cpu: "handset".into(),
        engine,
        optimizations,
        boot: Boot::Kernel { image: Source::BuiltIn("firmware", image), initrd: None, append: String::new() },
        dtb: None,
    };
    let host = Host {
        serial: Box::new(console.clone()),
        wall: Box::new(Epoch),
        entropy: Box::new(|bytes| bytes.fill(42)),
        screen: None,
        virtio: Vec::new(),
        translations,
        profile: None,
    };
    let mut machine = Machine::new(config, host).expect("the machine can be built");
    let handle = machine.handle();
    let running = thread::spawn(move || machine.run());
    let start = Instant::now();
    while !running.is_finished() {
        if start.elapsed() > PATIENCE {
            handle.quit();
        }
        thread::sleep(Duration::from_millis(5));
    }
    let verdict = running.join().expect("the machine does not panic");
    let text = String::from_utf8_lossy(&console.0.lock().unwrap()).replace('\r', "");
    (text, verdict)
}

/// Asserts that a program passes with either interrupt controller, for each count of CPUs.
fn passes(name: &str, how: How, smps: &[usize]) {
    for gic in [Gic::V2, Gic::V3] {
        for &smp in smps {
            let file = tempfile::tempfile().expect("the host has a place for files");
            for _ in 0..1 + u32::from(how.twice) {
                let handle = || file.try_clone().expect("a file can be had twice");
                let store = how.twice.then(|| Store::open(handle(), 1).expect("the file can be written"));
                let (text, verdict) = run(name, how, gic, smp, store);
                let bad: Vec<_> = text.lines().filter(|l| l.starts_with("FAIL") || l.starts_with("skip")).collect();
                assert!(
                    bad.is_empty() && text.ends_with("\nPASS\n") && verdict == Verdict::PowerOff,
                    "{name} with {how:?}, {gic:?} and {smp} CPUs ends with {verdict:?}: {bad:#?}\n{text}"
                );
            }
        }
    }
}

macro_rules! programs {
    ($($name:ident $smps:expr;)*) => {
        mod interpreted {
            $( #[test] fn $name() { super::passes(stringify!($name), super::INTERPRETED, &$smps); } )*
        }
        mod translated {
            $( #[test] fn $name() { super::passes(stringify!($name), super::TRANSLATED, &$smps); } )*
        }
        mod recalled {
            $( #[test] fn $name() { super::passes(stringify!($name), super::RECALLED, &$smps); } )*
        }
        mod translated_plainly {
            $( #[test] fn $name() { super::passes(stringify!($name), super::PLAINLY, &$smps); } )*
        }
    };
}

// Some programs start other CPUs, and need four.
programs! {
    hello [1];
    exceptions [1];
    debug [1];
    mmu [1];
    granules [1];
    timer [1, 4];
    gic [1, 4];
    psci [4];
    reset [1];
    atomics [4];
    smc [4];
    fp [1];
}
