//! The judge: `qemu-aarch64` in user mode, one process per CPU model, running the [`agent`](super::agent).

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::agent::{self, CASE, OUTCOME, STATE};
use super::{BRK, Case, Engine, FPSR_MASK, MAX_WORDS, Model, Outcome, PAGE, Signal, State};

/// QEMU's user mode as an engine.
#[derive(Debug)]
pub struct Qemu {
    a76: Process,
    max: Process,
}

#[derive(Debug)]
struct Process {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Qemu {
    /// Starts it.
    ///
    /// # Errors
    /// When `qemu-aarch64` is not there, or the agent cannot be written to the temporary folder.
    pub fn start() -> io::Result<Self> {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("handset-a64-agent-{}-{count}", std::process::id()));
        std::fs::write(&path, agent::elf())?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700))?;
        let started = Process::start(&path, "cortex-a76")
            .and_then(|a76| Ok(Self { a76, max: Process::start(&path, "max,pauth=off,sve=off,sme=off")? }));
        let ready = started.and_then(|mut qemu| {
            // Once an outcome is there the process has read its program.
            for model in [Model::A76, Model::Max] {
                let state = State::default();
                qemu.exchange(&Case { model, words: Vec::new(), state, buffer: vec![0; PAGE] })?;
            }
            Ok(qemu)
        });
        std::fs::remove_file(&path)?;
        ready
    }

    fn exchange(&mut self, case: &Case) -> io::Result<Outcome> {
        let process = self.process(case.model);
        process.send(case)?;
        process.receive()
    }

    fn process(&mut self, model: Model) -> &mut Process {
        match model {
            Model::A76 | Model::Strict => &mut self.a76,
            Model::Max => &mut self.max,
        }
    }

    /// Has it run a case; [`receive`](Self::receive) gives the outcomes of one model in the order of its cases. Eight
    /// may be under way.
    ///
    /// # Panics
    /// When QEMU has ended.
    pub fn send(&mut self, case: &Case) {
        if let Err(error) = self.process(case.model).send(case) {
            panic!("qemu-aarch64 takes no {:08x?}: {error}", case.words);
        }
    }

    /// The next outcome on that model.
    ///
    /// # Panics
    /// When QEMU has ended.
    pub fn receive(&mut self, model: Model) -> Outcome {
        self.process(model).receive().expect("qemu-aarch64 survives its cases")
    }
}

impl Process {
    fn start(path: &PathBuf, cpu: &str) -> io::Result<Self> {
        let mut child = Command::new("qemu-aarch64")
            .args(["-cpu", cpu])
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        Ok(Self { child, input: input.expect("it was piped"), output: output.expect("it was piped") })
    }

    fn send(&mut self, case: &Case) -> io::Result<()> {
        self.input.write_all(&encode(case))
    }

    fn receive(&mut self) -> io::Result<Outcome> {
        let mut bytes = [0; OUTCOME];
        self.output.read_exact(&mut bytes)?;
        Ok(decode(&bytes))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; in any case it is to be gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Engine for Qemu {
    fn run(&mut self, case: &Case) -> Outcome {
        match self.exchange(case) {
            Ok(outcome) => outcome,
            Err(error) => panic!("qemu-aarch64 did not survive {:08x?}: {error}", case.words),
        }
    }
}

fn encode(case: &Case) -> Vec<u8> {
    assert!(case.words.len() <= MAX_WORDS, "a case has at most {MAX_WORDS} words");
    let mut bytes = Vec::with_capacity(CASE);
    bytes.extend(case.state.x.iter().flat_map(|x| x.to_le_bytes()));
    for n in [case.state.nzcv << 28, case.state.fpcr, case.state.fpsr, 0] {
        bytes.extend(u64::from(n).to_le_bytes());
    }
    bytes.extend(case.state.v.iter().flat_map(|v| v.to_le_bytes()));
    for n in 0..=MAX_WORDS {
        bytes.extend(case.words.get(n).unwrap_or(&BRK).to_le_bytes());
    }
    bytes.extend(&case.buffer);
    bytes
}

fn decode(bytes: &[u8]) -> Outcome {
    let u64_at = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
    let u128_at = |at: usize| u128::from_le_bytes(bytes[at..at + 16].try_into().expect("16 bytes"));
    Outcome {
        signal: match u64_at(0) {
            4 => Signal::Illegal,
            5 => Signal::Trap,
            7 => Signal::Alignment,
            _ => Signal::Fault,
        },
        pc: u64_at(8),
        state: State {
            x: std::array::from_fn(|n| u64_at(16 + 8 * n)),
            v: std::array::from_fn(|n| u128_at(304 + 16 * n)),
            nzcv: (u64_at(272) >> 28) as u32 & 15,
            fpcr: u64_at(280) as u32,
            fpsr: u64_at(288) as u32 & FPSR_MASK,
        },
        buffer: bytes[16 + STATE..].to_vec(),
    }
}
