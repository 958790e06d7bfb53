//! A debugger's hands on a machine, without the protocol in between: both engines stop where and when they are told to,
//! and what a debugger has set is gone with it.

use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use devices::bus::{NullSink, WallClock};
use emu::cpu::{Engine, Verdict};
use emu::debug::{Action, Debugger, Halted, Watchpoint, Why};
use emu::jit::Optimizations;
use emu::machine::{Boot, Config, Gic, Handle, Host, Machine, Source};
use handset_tests::rounds::{ENTRY, LOAD, LOOP, ROUNDS, START, STORE, program};

/// Longest that a vCPU may take to halt.
const PATIENCE: Duration = Duration::from_secs(20);

struct Epoch;

impl WallClock for Epoch {
    fn unix_seconds(&self) -> u64 {
        0
    }
}

/// A machine that runs the program, held before its first instruction.
struct Running {
    handle: Handle,
    thread: Option<JoinHandle<Verdict>>,
}

impl Running {
    fn new(engine: Engine, smp: usize) -> Self {
        let config = Config {
            smp,
            memory: 64 << 20,
            gic: Gic::V3,
            cpu: "handset".into(),
            engine,
            optimizations: Optimizations::all(),
            boot: Boot::Kernel { image: Source::BuiltIn("program", program()), initrd: None, append: String::new() },
            dtb: None,
        };
        let host = Host {
            serial: Box::new(NullSink),
            wall: Box::new(Epoch),
            entropy: Box::new(|bytes| bytes.fill(42)),
            screen: None,
            virtio: Vec::new(),
            translations: None,
            profile: None,
        };
        let mut machine = Machine::new(config, host).expect("the machine can be built");
        let handle = machine.handle();
        handle.hold();
        Self { handle, thread: Some(thread::spawn(move || machine.run())) }
    }

    fn attach(&self) -> (Debugger, Receiver<()>) {
        let (ring, bell) = channel();
        let debugger = Debugger::attach(self.handle.clone(), move || {
            // The bell may have gone with its test.
            let _ = ring.send(());
        });
        let debugger = debugger.expect("the machine runs");
        (debugger, bell)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.quit();
        let verdict = self.thread.take().expect("it is taken once").join();
        assert!(matches!(verdict, Ok(Verdict::Quit)) || thread::panicking(), "the machine ended with {verdict:?}");
    }
}

/// Resumes and waits for a halt.
fn go(debugger: &mut Debugger, bell: &Receiver<()>, actions: &[Action]) -> Halted {
    debugger.resume(actions).expect("the machine stands still");
    bell.recv_timeout(PATIENCE).expect("a vCPU halts soon");
    debugger.halted().expect("the machine is there").expect("the bell was rung for somebody")
}

fn pc(debugger: &Debugger, cpu: usize) -> u64 {
    debugger.on(cpu, |vcpu| vcpu.state().pc).expect("the machine stands still")
}

fn x(debugger: &Debugger, cpu: usize, n: usize) -> u64 {
    debugger.on(cpu, move |vcpu| vcpu.state().x[n]).expect("the machine stands still")
}

fn rounds(debugger: &Debugger, cpu: usize) -> u64 {
    let at = ROUNDS + 8 * cpu as u64;
    let bytes = debugger.on(0, move |vcpu| vcpu.read_memory(at, 8)).expect("the machine stands still");
    u64::from_le_bytes(bytes.try_into().expect("8 bytes of RAM"))
}

fn step() -> Action {
    Action::Step(0..0)
}

/// Has it run for a while without a halt, until the CPU has made progress; its count of rounds in it.
fn run_freely(debugger: &mut Debugger, cpu: usize) -> u64 {
    let before = rounds(debugger, cpu);
    let start = Instant::now();
    while rounds(debugger, cpu) == before && start.elapsed() < PATIENCE {
        debugger.resume(&vec![Action::Go; debugger.cpus()]).expect("the machine stands still");
        thread::sleep(Duration::from_millis(50));
        assert_eq!(debugger.halted().expect("the machine is there"), None);
        debugger.stop().expect("the machine is there");
    }
    rounds(debugger, cpu) - before
}

fn a_breakpoint_halts_each_time_round(engine: Engine) {
    let machine = Running::new(engine, 1);
    let (mut debugger, bell) = machine.attach();
    assert_eq!(pc(&debugger, 0), ENTRY);
    // The code has been translated without a breakpoint before.
    assert!(run_freely(&mut debugger, 0) > 1000);
    debugger.points().breakpoints.push(STORE);
    let first = go(&mut debugger, &bell, &[Action::Go]);
    assert_eq!((first, pc(&debugger, 0)), (Halted { cpu: 0, why: Why::Breakpoint }, STORE));
    let round = x(&debugger, 0, 0);
    for n in 1..=10 {
        // A breakpoint where it stands does not keep a step from being made.
        assert_eq!(go(&mut debugger, &bell, &[step()]).why, Why::Step);
        assert_eq!(pc(&debugger, 0), LOAD);
        assert_eq!(go(&mut debugger, &bell, &[Action::Go]).why, Why::Breakpoint);
        assert_eq!((pc(&debugger, 0), x(&debugger, 0, 0)), (STORE, round + n));
    }
    debugger.points().breakpoints.clear();
    assert!(run_freely(&mut debugger, 0) > 1000);
}

fn a_watchpoint_halts_before_the_access(engine: Engine) {
    let machine = Running::new(engine, 1);
    let (mut debugger, bell) = machine.attach();
    for (read, write, at) in [(false, true, STORE), (true, false, LOAD), (true, true, STORE), (true, true, LOAD)] {
        let watchpoint = Watchpoint { first: ROUNDS + 3, last: ROUNDS + 3, read, write };
        debugger.points().watchpoints.push(watchpoint);
        let halted = go(&mut debugger, &bell, &[Action::Go]);
        assert_eq!((halted.why, pc(&debugger, 0)), (Why::Watchpoint(watchpoint, ROUNDS + 3), at));
        debugger.points().watchpoints.clear();
        go(&mut debugger, &bell, &[step()]);
        assert_eq!(pc(&debugger, 0), at + 4);
    }
    debugger.points().watchpoints.push(Watchpoint { first: ROUNDS + 8, last: ROUNDS + 15, read: true, write: true });
    assert!(run_freely(&mut debugger, 0) > 0, "what is beside the watched bytes is not watched");
}

fn steps_stay_in_a_range_and_heed_breakpoints(engine: Engine) {
    let machine = Running::new(engine, 1);
    let (mut debugger, bell) = machine.attach();
    go(&mut debugger, &bell, &[Action::Step(0..LOOP)]);
    assert_eq!(pc(&debugger, 0), LOOP);
    go(&mut debugger, &bell, &[Action::Step(LOOP..STORE)]);
    assert_eq!(pc(&debugger, 0), STORE, "the call leads out of the range");
    debugger.points().breakpoints.push(LOAD);
    let halted = go(&mut debugger, &bell, &[Action::Step(START..LOAD + 8)]);
    assert_eq!((halted.why, pc(&debugger, 0)), (Why::Breakpoint, LOAD));
    debugger.points().breakpoints.clear();
    debugger.resume(&[Action::Step(START..LOAD + 8)]).expect("the machine stands still");
    thread::sleep(Duration::from_millis(20));
    debugger.stop().expect("a range that is never left is interrupted");
    assert!((LOOP..LOAD + 8).contains(&pc(&debugger, 0)));
}

fn registers_and_code_are_changed(engine: Engine) {
    let machine = Running::new(engine, 1);
    let (mut debugger, bell) = machine.attach();
    run_freely(&mut debugger, 0);
    debugger.points().breakpoints.push(LOOP);
    go(&mut debugger, &bell, &[Action::Go]);
    debugger.on(0, |vcpu| vcpu.change(|s| s.x[0] = 1_000_000)).expect("the machine stands still");
    // add x0, x0, 2: the code is written, and what was translated of it is void.
    assert!(
        debugger.on(0, |vcpu| vcpu.write_memory(LOOP, &[0x00, 0x08, 0x00, 0x91])).expect("the machine stands still")
    );
    go(&mut debugger, &bell, &[step()]);
    go(&mut debugger, &bell, &[Action::Go]);
    assert_eq!((x(&debugger, 0, 0), rounds(&debugger, 0)), (1_000_002, 1_000_002));
    debugger.points().breakpoints.clear();
    run_freely(&mut debugger, 0);
    assert_eq!(x(&debugger, 0, 0) % 2, 0);
}

fn all_stand_still_or_those_that_are_not_to_go(engine: Engine) {
    const SMP: usize = 4;
    let machine = Running::new(engine, SMP);
    let (mut debugger, bell) = machine.attach();
    for cpu in 0..SMP {
        assert!(run_freely(&mut debugger, cpu) > 0, "CPU {cpu}");
    }
    let still: Vec<u64> = (0..SMP).map(|cpu| rounds(&debugger, cpu)).collect();
    thread::sleep(Duration::from_millis(20));
    assert_eq!(still, (0..SMP).map(|cpu| rounds(&debugger, cpu)).collect::<Vec<_>>());
    let pcs: Vec<u64> = (0..SMP).map(|cpu| pc(&debugger, cpu)).collect();
    let halted = go(&mut debugger, &bell, &[Action::Stay, Action::Stay, step(), Action::Stay]);
    assert_eq!(halted, Halted { cpu: 2, why: Why::Step });
    for (cpu, before) in pcs.into_iter().enumerate() {
        assert_eq!(pc(&debugger, cpu) != before, cpu == 2, "CPU {cpu}");
    }
    debugger.points().breakpoints.push(STORE);
    let mut meet = |actions: &[Action]| {
        let cpu = go(&mut debugger, &bell, actions).cpu;
        assert_eq!(pc(&debugger, cpu), STORE);
        let mut actions = vec![Action::Stay; SMP];
        actions[cpu] = step();
        go(&mut debugger, &bell, &actions);
        cpu
    };
    for _ in 0..40 {
        meet(&[const { Action::Go }; SMP]);
    }
    // Who is first is up to the host: alone, each meets it.
    for cpu in 0..SMP {
        let mut actions = vec![Action::Stay; SMP];
        actions[cpu] = Action::Go;
        assert_eq!(meet(&actions), cpu);
    }
}

fn what_a_debugger_sets_is_gone_with_it(engine: Engine) {
    let machine = Running::new(engine, 1);
    for round in 0..200 {
        let (mut debugger, bell) = machine.attach();
        let before = rounds(&debugger, 0);
        debugger.points().breakpoints.extend([LOOP, STORE]);
        debugger.points().watchpoints.push(Watchpoint { first: ROUNDS, last: ROUNDS, read: true, write: true });
        match round % 4 {
            0 => {}
            1 => debugger.resume(&[Action::Go]).expect("the machine stands still"),
            2 => drop(go(&mut debugger, &bell, &[Action::Go])),
            _ => debugger.resume(&[Action::Step(0..u64::MAX)]).expect("the machine stands still"),
        }
        drop(debugger);
        // When the host lets the vCPU run is up to the host.
        let goes_on = || {
            thread::sleep(Duration::from_millis(2));
            rounds(&machine.attach().0, 0) > before
        };
        let start = Instant::now();
        assert!(
            std::iter::repeat_with(goes_on).take_while(|_| start.elapsed() < PATIENCE).any(|goes_on| goes_on),
            "round {round}: the machine does not go on"
        );
    }
    let (mut debugger, _) = machine.attach();
    assert!(run_freely(&mut debugger, 0) > 0);
}

fn a_reset_leads_to_the_first_instruction(engine: Engine) {
    let machine = Running::new(engine, 1);
    let (mut debugger, bell) = machine.attach();
    assert!(run_freely(&mut debugger, 0) > 0);
    debugger.points().breakpoints.push(STORE);
    go(&mut debugger, &bell, &[Action::Go]);
    debugger.reset().expect("the machine stands still");
    assert_eq!(pc(&debugger, 0), ENTRY);
    assert_eq!(go(&mut debugger, &bell, &[Action::Go]).why, Why::Breakpoint);
    assert_eq!((pc(&debugger, 0), x(&debugger, 0, 0)), (STORE, 1));
}

fn the_last_instructions_are_remembered(engine: Engine) {
    let machine = Running::new(engine, 1);
    let (mut debugger, bell) = machine.attach();
    debugger.on(0, |vcpu| vcpu.trace(Some(3))).expect("the machine stands still");
    debugger.points().breakpoints.push(LOAD);
    go(&mut debugger, &bell, &[Action::Go]);
    let traced = debugger.on(0, |vcpu| vcpu.traced()).expect("the machine stands still").expect("it is traced");
    assert_eq!(traced.iter().map(|(pc, _)| *pc).collect::<Vec<_>>(), [LOOP, LOOP + 4, STORE]);
}

macro_rules! with_each_engine {
    ($($name:ident)*) => {
        mod interpreted {
            $( #[test] fn $name() { super::$name(super::Engine::Interpreter); } )*
        }
        mod translated {
            $( #[test] fn $name() { super::$name(super::Engine::Jit); } )*
        }
    };
}

with_each_engine! {
    a_breakpoint_halts_each_time_round
    a_watchpoint_halts_before_the_access
    steps_stay_in_a_range_and_heed_breakpoints
    registers_and_code_are_changed
    all_stand_still_or_those_that_are_not_to_go
    what_a_debugger_sets_is_gone_with_it
    a_reset_leads_to_the_first_instruction
    the_last_instructions_are_remembered
}
