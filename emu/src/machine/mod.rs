//! A whole machine: vCPUs, memory and devices on a board, booted and run.

pub mod boards;
mod boot;
mod clock;
mod fdt;
mod poller;
mod serial;
mod snapshot;
mod stats;

pub use boot::{Boot, BootError, Source};
pub use clock::GuestClock;
pub(crate) use clock::Stopper;
pub use serial::SerialInput;
pub use snapshot::{RestoreMachineError, Saved};
pub use stats::Stats;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use devices::bus::{ByteSink, FrameSink, GuestRam, RamError, Waker, WallClock};
use devices::gpio::pl061::Pl061;
use devices::virtio::SavedDevice;

use crate::a64::sysreg::{self, ID_MODELS};
use crate::cpu::{Alarm, Engine, Shared, Vcpu, Verdict, forget_code, plain_register};
use crate::jit::{self, Cache, Optimizations, Profile, Store};
use poller::Poller;

/// What interrupt controller a board has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gic {
    /// GICv2.
    V2,
    /// GICv3.
    V3,
}

/// Makes one virtio device; it is given the waker by which it asks to be polled.
pub type VirtioMaker = Box<dyn FnOnce(Waker) -> Box<dyn SavedDevice>>;

/// A source of random bytes: fills the buffer.
pub type Entropy = Box<dyn FnMut(&mut [u8]) + Send>;

/// What the host gives a machine.
pub struct Host {
    /// Where the UART's bytes go.
    pub serial: Box<dyn ByteSink>,
    /// The time of day.
    pub wall: Box<dyn WallClock>,
    /// Fills a buffer with random bytes.
    pub entropy: Entropy,
    /// The screen of firmware (ramfb); scanout 0.
    pub screen: Option<Box<dyn FrameSink>>,
    /// Virtio devices in the order of the command line: the first is in the topmost slot.
    pub virtio: Vec<VirtioMaker>,
    /// Where translations are kept from one run to the next.
    pub translations: Option<Store>,
    /// Where translated code is named.
    pub profile: Option<Profile>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Host with {} virtio devices", self.virtio.len())
    }
}

/// What machine to build.
#[derive(Debug)]
pub struct Config {
    /// vCPUs, 1 to 8.
    pub smp: usize,
    /// RAM in bytes.
    pub memory: u64,
    /// Interrupt controller.
    pub gic: Gic,
    /// CPU model, by name.
    pub cpu: String,
    /// What executes.
    pub engine: Engine,
    /// What the translator does for speed.
    pub optimizations: Optimizations,
    /// What to boot.
    pub boot: Boot,
    /// A device tree to use instead of the generated one.
    pub dtb: Option<PathBuf>,
}

/// Why a machine cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// A boot file.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// Guest memory.
    #[error("--memory: {0}")]
    Ram(#[from] RamError),
    /// vCPU count.
    #[error("--smp {0}: a machine has 1 to 8 CPUs")]
    Smp(usize),
    /// CPU model.
    #[error("--cpu {name}: there is no such model; there are: {known}")]
    Cpu {
        /// Asked for.
        name: String,
        /// All names.
        known: String,
    },
    /// The host cannot run translated code.
    #[error("--accel jit: {0} (--accel interp runs anywhere, slowly)")]
    Jit(String),
    /// No timer.
    #[error("cannot have the host's timer for the vCPUs' timers: {0}")]
    Alarm(std::io::Error),
    /// Too many devices.
    #[error("{0} virtio devices do not fit the board's 32 slots")]
    Slots(usize),
}

/// A machine, ready to run.
pub struct Machine {
    board: boards::Board,
    boot: boot::Loaded,
    vcpus: Vec<Vcpu>,
    shared: Arc<Shared>,
    alarm: Arc<Alarm>,
    clock: Arc<GuestClock>,
    poller: Arc<Poller>,
    cache: Option<Arc<Cache>>,
    resets: Resets,
    loads: snapshot::Loads,
    /// It goes on from where it was saved, instead of booting.
    restored: bool,
}

/// Who is told of resets.
#[derive(Clone, Default)]
struct Resets(Arc<Mutex<Option<Bell>>>);

/// Called when something has happened.
type Bell = Box<dyn Fn() + Send>;

impl Resets {
    fn ring(&self) {
        if let Some(bell) = &*self.0.lock().expect("nobody panics who is told of a reset") {
            bell();
        }
    }
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("vcpus", &self.vcpus.len()).finish_non_exhaustive()
    }
}

/// The host's hands on a running machine.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
    alarm: Arc<Alarm>,
    poller: Arc<Poller>,
    gpio: Arc<Mutex<Pl061>>,
    resets: Resets,
    loads: snapshot::Loads,
    parts: Arc<boards::Parts>,
    ram: GuestRam,
    /// Bytes into the UART.
    pub serial: SerialInput,
    /// Guest time.
    pub clock: Arc<GuestClock>,
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handle")
    }
}

impl Handle {
    /// Ends the machine at once.
    pub fn quit(&self) {
        self.shared.decide(Verdict::Quit);
    }

    /// Has the machine stand still before its first instruction, until a debugger resumes it. To be called before it runs.
    pub fn hold(&self) {
        self.shared.hold();
        self.stop_time(Stopper::Debugger, true);
    }

    /// Whether the machine has ended, or is about to.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.shared.ends()
    }

    /// Resets the machine soon, as the guest may do itself.
    pub fn reset(&self) {
        self.shared.decide(Verdict::Reset);
    }

    /// Brings every vCPU to stand still between two instructions, and guest time with them. False if the machine ends
    /// before that.
    pub fn pause(&self) -> bool {
        self.shared.pause(true);
        let stand = (0..self.shared.count()).all(|cpu| self.shared.on(cpu, |_| ()).is_some());
        if stand {
            self.stop_time(Stopper::Pause, true);
        }
        stand
    }

    /// Has the machine go on after [`Handle::pause`], unless a debugger holds it.
    pub fn resume(&self) {
        self.stop_time(Stopper::Pause, false);
        self.shared.pause(false);
    }

    /// Whether it is paused.
    #[must_use]
    pub fn paused(&self) -> bool {
        self.shared.paused()
    }

    /// Has `bell` called whenever the machine has been reset.
    pub fn on_reset(&self, bell: impl Fn() + Send + 'static) {
        *self.resets.0.lock().expect("nobody panics who is told of a reset") = Some(Box::new(bell));
    }

    /// Stops guest time, which only makes sense while no vCPU runs, or has it go on.
    pub(crate) fn stop_time(&self, by: Stopper, stop: bool) {
        if stop {
            self.clock.stop(by);
        } else {
            self.clock.start(by);
            self.alarm.wake();
            self.poller.wake();
        }
    }

    /// Presses or releases the power key.
    pub fn power_key(&self, down: bool) {
        self.gpio.lock().expect("a device never panics").set_input(3, down);
    }
}

impl Machine {
    /// Builds a machine.
    ///
    /// # Errors
    /// See [`MachineError`].
    pub fn new(config: Config, mut host: Host) -> Result<Self, MachineError> {
        if !(1..=8).contains(&config.smp) {
            return Err(MachineError::Smp(config.smp));
        }
        let model = sysreg::model(&config.cpu).ok_or_else(|| MachineError::Cpu {
            known: cpu_models().map(|(name, _)| name).collect::<Vec<_>>().join(", "),
            name: config.cpu.clone(),
        })?;
        if host.virtio.len() > 32 {
            return Err(MachineError::Slots(host.virtio.len()));
        }
        let boot = config.boot.load(config.memory, config.dtb.as_deref())?;
        let ram = GuestRam::new(boards::RAM_BASE, config.memory)?;
        let mut seed = [0; 32];
        (host.entropy)(&mut seed);
        let shared = Arc::new(Shared::new(config.smp));
        let alarm = Alarm::new(config.smp).map_err(MachineError::Alarm)?;
        let clock = GuestClock::new();
        let poller = Poller::new();
        let cache = match config.engine {
            Engine::Interpreter => None,
            Engine::Jit => Some(translator(config.optimizations, host.translations.take(), host.profile.take())?),
        };
        let board = boards::Board::new(&config, &boot, seed, ram, host, &shared, &poller);
        let vcpus = (0..config.smp)
            .map(|id| Vcpu::new(id, model, board.wiring(id, &shared, &clock, &alarm, cache.clone())))
            .collect();
        let (resets, loads) = (Resets::default(), snapshot::Loads::default());
        Ok(Self { board, boot, vcpus, shared, alarm, clock, poller, cache, resets, loads, restored: false })
    }

    /// The host's hands on it.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle {
            shared: Arc::clone(&self.shared),
            alarm: Arc::clone(&self.alarm),
            poller: Arc::clone(&self.poller),
            gpio: Arc::clone(&self.board.gpio),
            resets: self.resets.clone(),
            loads: Arc::clone(&self.loads),
            parts: Arc::clone(&self.board.parts),
            ram: self.board.bus.ram().clone(),
            serial: self.board.serial.clone(),
            clock: Arc::clone(&self.clock),
        }
    }

    /// Runs until the guest powers off or the host ends it; resets on the way are carried out.
    ///
    /// # Panics
    /// When a thread of the machine panicked: a defect of Handset.
    pub fn run(&mut self) -> Verdict {
        let (shared, alarm, poller, clock) = (&self.shared, &self.alarm, &self.poller, &self.clock);
        let (resets, loads) = (&self.resets, &self.loads);
        let (vcpus, board, boot, cache) = (&mut self.vcpus, &mut self.board, &self.boot, &self.cache);
        thread::scope(|scope| {
            let spawn = |name: &str| thread::Builder::new().name(name.to_owned());
            let alarms = spawn("alarm").spawn_scoped(scope, || alarm.run(shared, &**clock));
            let polls = spawn("poller").spawn_scoped(scope, || poller.run(&**clock));
            let mut restored = std::mem::take(&mut self.restored);
            let verdict = loop {
                if !std::mem::take(&mut restored) {
                    boot.start(board, shared);
                }
                let verdict = thread::scope(|cpus| {
                    let threads: Vec<_> = vcpus
                        .iter_mut()
                        .enumerate()
                        .map(|(id, vcpu)| {
                            let thread = spawn(&format!("vcpu{id}")).spawn_scoped(cpus, move || vcpu.run());
                            thread.expect("the host starts threads")
                        })
                        .collect();
                    let verdicts = threads.into_iter().map(|t| t.join().expect("vCPUs do not panic"));
                    verdicts.last().expect("there is at least one vCPU")
                });
                if verdict != Verdict::Reset {
                    break verdict;
                }
                shared.reset();
                board.reset();
                vcpus.iter_mut().for_each(Vcpu::reset);
                if let Some(cache) = cache {
                    forget_code(cache, board.bus.ram());
                }
                let load = loads.lock().expect("nobody panics who loads").take();
                match load {
                    Some(load) => {
                        restored = poller.hold(|| load.perform(board, vcpus, shared, clock));
                        // What they wait for was to come at times of another past.
                        poller.wake_all();
                        alarm.wake();
                    }
                    None => resets.ring(),
                }
            };
            shared.decide(Verdict::Quit);
            alarm.wake();
            poller.quit();
            for thread in [alarms, polls] {
                thread.expect("the host starts threads").join().expect("the machine's threads do not panic");
            }
            verdict
        })
    }
}

fn translator(
    optimizations: Optimizations,
    store: Option<Store>,
    profile: Option<Profile>,
) -> Result<Arc<Cache>, MachineError> {
    let lacking = jit::unsupported();
    if !lacking.is_empty() {
        return Err(MachineError::Jit(format!("this host's CPU lacks {}", lacking.join(", "))));
    }
    let mut cache = Cache::new(plain_register, optimizations)
        .map_err(|e| MachineError::Jit(format!("cannot map memory for code: {e}")))?;
    if let Some(store) = store {
        cache = cache.with_store(store);
    }
    if let Some(profile) = profile {
        cache = cache.with_profile(profile);
    }
    Ok(Arc::new(cache))
}

/// CPU models: their names, and what they are.
pub fn cpu_models() -> impl Iterator<Item = (&'static str, &'static str)> {
    ID_MODELS.iter().map(|model| (model.name, model.about))
}
