//! The interpreter as an engine: `Eval` on flat memory, with no CPU around it.

use emu::a64::{Row, decode};
use emu::interp::Eval;
use emu::ir::{AtomicOp, Barrier, Context, Env, Exception, Flow, Mem, SysEnc, Wait};
use emu::state::{CpuState, El, Flags, FpEnv, Monitor};

use super::translator::Host;
use super::{BRK, BUFFER, CODE, Case, Engine, FPCR_MASK, FPSR_MASK, Model, Outcome, PAGE, Signal, State};

/// Instructions that no case executes.
pub(super) const STEPS: usize = 1000;

/// Runs cases on [`Eval`].
#[derive(Debug, Default)]
pub struct Interpreter;

impl Engine for Interpreter {
    fn run(&mut self, case: &Case) -> Outcome {
        self.watch(case, |_, _, _, _| {})
    }
}

impl Interpreter {
    /// Runs a case and tells of each instruction but the [`BRK`] that ends it: its row, whether it raised no exception,
    /// FPCR, the bits of FPSR set.
    ///
    /// # Panics
    /// When the case does not end.
    pub fn watch(&self, case: &Case, mut seen: impl FnMut(&'static Row, bool, u32, u32)) -> Outcome {
        let mut run = Run::new(case);
        for _ in 0..STEPS {
            let row = run.memory.word(run.s.pc).filter(|&word| word != BRK).and_then(decode);
            let before = run.s.fp;
            let signal = run.step();
            if let Some(row) = row {
                seen(row, signal.is_none(), before.fpcr, run.s.fp.fpsr & !before.fpsr);
            }
            if let Some(signal) = signal {
                return run.outcome(signal);
            }
        }
        panic!("a case loops: {:08x?}", case.words)
    }

    /// The case as one case for each instruction that it executes.
    #[must_use]
    pub fn split(&self, case: &Case) -> Vec<Case> {
        let mut run = Run::new(case);
        let mut steps = Vec::new();
        while steps.len() < STEPS {
            let Some(word) = run.memory.word(run.s.pc) else { break };
            let (state, buffer) = (run.state(), run.memory.buffer.clone());
            steps.push(Case { model: case.model, words: vec![word], state, buffer });
            if run.step().is_some() {
                break;
            }
        }
        steps
    }
}

/// A user program's context.
pub(super) const USER: Context = Context { el: El::El0, mmu: true, ..Context::PLAIN };

/// A case that runs.
pub(super) struct Run {
    pub s: CpuState,
    pub memory: Flat,
}

impl Run {
    pub fn new(case: &Case) -> Self {
        let mut s = CpuState { x: case.state.x, v: case.state.v, pc: CODE, ..CpuState::default() };
        s.flags = Flags::from_nzcv(case.state.nzcv);
        s.fp = FpEnv { fpcr: case.state.fpcr, fpsr: case.state.fpsr };
        s.pstate.el = El::El0;
        let mut code: Vec<u8> = case.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        // Only the words of the wire format are BRK; what follows them in the page is zero.
        while code.len() < 4 * (super::MAX_WORDS + 1) {
            code.extend(BRK.to_le_bytes());
        }
        code.resize(PAGE, 0);
        Self {
            s,
            memory: Flat {
                buffer: case.buffer.clone(),
                code,
                lse2: case.model == Model::Max,
                strict: case.model == Model::Strict,
                host: None,
            },
        }
    }

    /// Executes the instruction at the PC; the signal that it ends in, if any.
    fn step(&mut self) -> Option<Signal> {
        if !self.s.pc.is_multiple_of(4) {
            return Some(Signal::Alignment);
        }
        let Some(word) = self.memory.word(self.s.pc) else { return Some(Signal::Fault) };
        let Some(row) = decode(word) else { return Some(Signal::Illegal) };
        let context = self.context(&self.s);
        let next = self.s.pc.wrapping_add(4);
        let flow = (row.eval)(&mut Eval::new(&mut self.s, &mut self.memory, &context), word);
        self.s.pc = match flow {
            Ok(Flow::Next | Flow::Sync | Flow::Poll | Flow::Fence) => next,
            Ok(Flow::Jump(target) | Flow::Call(target)) => target,
            Ok(Flow::Indirect { target, .. }) => without_tag(target),
            Ok(Flow::If { cond, target }) => {
                assert!(cond <= 1, "{} gives the condition {cond}", row.name);
                if cond == 1 { target } else { next }
            }
            Ok(Flow::Resume) => return Some(Signal::Illegal),
            Err(exception) => return Some(signal(exception)),
        };
        None
    }

    /// What the meaning of instructions depends on.
    pub fn context(&self, s: &CpuState) -> Context {
        let strict = self.memory.strict;
        Context { fp_mode: s.fp.fpcr & FPCR_MASK != 0, sp_check: strict, align_check: strict, ..USER }
    }

    fn state(&self) -> State {
        State {
            x: self.s.x,
            v: self.s.v,
            nzcv: self.s.flags.nzcv(),
            fpcr: self.s.fp.fpcr,
            fpsr: self.s.fp.fpsr & FPSR_MASK,
        }
    }

    pub fn outcome(self, signal: Signal) -> Outcome {
        Outcome { signal, pc: self.s.pc, state: self.state(), buffer: self.memory.buffer }
    }
}

pub(super) fn signal(exception: Exception) -> Signal {
    match (exception.ec, exception.iss & 0x3f) {
        (0x24, 0x21) => Signal::Alignment,
        (0x24, _) => Signal::Fault,
        (0x3c, _) => Signal::Trap,
        _ => Signal::Illegal,
    }
}

/// Two pages: the code, which can be read, and the buffer.
pub(super) struct Flat {
    pub buffer: Vec<u8>,
    pub code: Vec<u8>,
    lse2: bool,
    strict: bool,
    /// What translated code needs beside.
    pub host: Option<Host>,
}

impl Flat {
    pub fn word(&self, pc: u64) -> Option<u32> {
        let at = usize::try_from(pc.checked_sub(CODE)?).ok()?;
        Some(u32::from_le_bytes(self.code.get(at..at + 4)?.try_into().expect("4 bytes")))
    }

    /// The bytes of an access.
    pub(super) fn bytes(&mut self, va: u64, mem: Mem, write: bool) -> Result<&mut [u8], Exception> {
        let bytes = u64::from(mem.bytes);
        let aligned = if self.lse2 { va % 16 + bytes <= 16 } else { va.is_multiple_of(bytes) };
        if (mem.aligned || self.strict) && !aligned {
            return Err(Exception::data_abort(va, 0x21, write));
        }
        let fault = Exception::data_abort(va, 0x07, write);
        let pa = without_tag(va);
        let page = match pa & !(PAGE as u64 - 1) {
            BUFFER => &mut self.buffer,
            CODE if !write => &mut self.code,
            _ => return Err(fault),
        };
        if let Some(host) = &mut self.host {
            host.enter(va, page, pa >> 12 == BUFFER >> 12);
        }
        let at = (pa % PAGE as u64) as usize;
        page.get_mut(at..at + usize::from(mem.bytes)).ok_or(fault)
    }

    fn read(&mut self, va: u64, mem: Mem, write: bool) -> Result<u128, Exception> {
        let mut value = [0; 16];
        value[..usize::from(mem.bytes)].copy_from_slice(self.bytes(va, mem, write)?);
        Ok(u128::from_le_bytes(value))
    }

    fn write(&mut self, va: u64, value: u128, mem: Mem) -> Result<(), Exception> {
        self.bytes(va, mem, true)?.copy_from_slice(&value.to_le_bytes()[..usize::from(mem.bytes)]);
        Ok(())
    }
}

/// Linux has user programs run with the top byte ignored, in branches too.
pub(super) fn without_tag(va: u64) -> u64 {
    if va >> 55 & 1 == 0 { va << 8 >> 8 } else { va }
}

fn low(value: u128, mem: Mem) -> u128 {
    value & u128::MAX >> (128 - 8 * u32::from(mem.bytes))
}

impl Env for Flat {
    fn load(&mut self, _: &mut CpuState, va: u64, mem: Mem) -> Result<u128, Exception> {
        self.read(va, mem, false)
    }
    fn store(&mut self, _: &mut CpuState, va: u64, value: u128, mem: Mem) -> Result<(), Exception> {
        self.write(va, value, mem)
    }
    fn load_exclusive(&mut self, s: &mut CpuState, va: u64, mem: Mem) -> Result<u128, Exception> {
        let value = self.read(va, mem, false)?;
        s.monitor = Monitor { va, value, bytes: mem.bytes.into() };
        Ok(value)
    }
    fn store_exclusive(&mut self, s: &mut CpuState, va: u64, value: u128, mem: Mem) -> Result<bool, Exception> {
        let Monitor { va: at, value: seen, bytes } = s.monitor;
        s.monitor.bytes = 0;
        // As QEMU's user mode has it: the value decides, and an open monitor comes before faults.
        if bytes == 0 || at != va || self.read(va, mem, true)? != low(seen, mem) {
            return Ok(false);
        }
        self.write(va, value, mem)?;
        Ok(true)
    }
    fn clear_exclusive(&mut self, s: &mut CpuState) {
        s.monitor.bytes = 0;
    }
    fn atomic(&mut self, _: &mut CpuState, op: AtomicOp, va: u64, value: u64, mem: Mem) -> Result<u64, Exception> {
        let old = self.read(va, mem, true)? as u64;
        let shift = 64 - 8 * u32::from(mem.bytes);
        // With the elements at the top of the word, signs and unsigned order come by themselves.
        let (a, b) = (old << shift, value << shift);
        let new = match op {
            AtomicOp::Add => a.wrapping_add(b),
            AtomicOp::Clr => a & !b,
            AtomicOp::Eor => a ^ b,
            AtomicOp::Set => a | b,
            AtomicOp::Smax => (a as i64).max(b as i64) as u64,
            AtomicOp::Smin => (a as i64).min(b as i64) as u64,
            AtomicOp::Umax => a.max(b),
            AtomicOp::Umin => a.min(b),
            AtomicOp::Swp => b,
        };
        self.write(va, u128::from(new >> shift), mem)?;
        Ok(old)
    }
    fn cas(&mut self, _: &mut CpuState, va: u64, expected: u128, new: u128, mem: Mem) -> Result<u128, Exception> {
        let old = self.read(va, mem, true)?;
        if old == low(expected, mem) {
            self.write(va, new, mem)?;
        }
        Ok(old)
    }
    fn barrier(&mut self, _: &mut CpuState, _: Barrier) {}
    fn isb(&mut self, _: &mut CpuState) {}
    fn sys_read(&mut self, s: &mut CpuState, enc: SysEnc) -> Result<u64, Exception> {
        match enc.parts() {
            (3, 3, 4, 4, 0) => Ok(u64::from(s.fp.fpcr)),
            (3, 3, 4, 4, 1) => Ok(u64::from(s.fp.fpsr)),
            _ => Err(Exception::UNDEFINED),
        }
    }
    fn sys_write(&mut self, s: &mut CpuState, enc: SysEnc, value: u64) -> Result<(), Exception> {
        match enc.parts() {
            (3, 3, 4, 4, 0) => s.fp.fpcr = value as u32 & FPCR_MASK,
            (3, 3, 4, 4, 1) => s.fp.fpsr = value as u32 & FPSR_MASK,
            _ => return Err(Exception::UNDEFINED),
        }
        Ok(())
    }
    fn sys_op(&mut self, _: &mut CpuState, _: SysEnc, _: u64) -> Result<(), Exception> {
        Err(Exception::UNDEFINED)
    }
    fn msr_imm(&mut self, _: &mut CpuState, _: u32, _: u32) -> Result<(), Exception> {
        Err(Exception::UNDEFINED)
    }
    fn eret(&mut self, _: &mut CpuState) -> Result<(), Exception> {
        Err(Exception::UNDEFINED)
    }
    fn wait(&mut self, _: &mut CpuState, _: Wait) -> Result<(), Exception> {
        Ok(())
    }
}
