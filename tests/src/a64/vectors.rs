//! Cases and outcomes as text: one line each, in `tests/a64/<group>.ins`.
//!
//! ```text
//! word [model] [inputs] -> [outputs] ; disassembly
//! ```
//! `word` is hexadecimal, and so are all values. An input or output is `x3=…`, `sp=…`, `v7=…`, `nzcv=…`, `fpcr=…`,
//! `fpsr=…`, or `m7f0=…` for 16 bytes of the page of memory at that offset, as a little-endian number. What is not
//! named is zero before, and afterwards as before. `model` is `max` for what a Cortex-A76 lacks. The outputs may begin
//! with `illegal`, `fault`, `alignment` or `trap` when the instruction takes that exception, and with `pc+…` when the
//! next instruction is not the one after (or, with `trap`, not the BRK itself).
//!
//! The inputs that do not matter were set to zero by trial.

use std::fmt::Write;

use emu::a64::asm::disassemble;

use super::{BUFFER, CODE, Case, Engine, Model, Outcome, PAGE, Signal, State};

/// Parts of a state and its memory, by name.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    X(usize),
    V(usize),
    Nzcv,
    Fpcr,
    Fpsr,
    Memory(usize),
}

impl Place {
    fn all() -> impl Iterator<Item = Self> {
        let registers = (0..32).map(Self::X).chain((0..32).map(Self::V));
        registers.chain([Self::Nzcv, Self::Fpcr, Self::Fpsr]).chain((0..PAGE).step_by(16).map(Self::Memory))
    }

    fn name(self) -> String {
        match self {
            Self::X(31) => "sp".to_owned(),
            Self::X(n) => format!("x{n}"),
            Self::V(n) => format!("v{n}"),
            Self::Nzcv => "nzcv".to_owned(),
            Self::Fpcr => "fpcr".to_owned(),
            Self::Fpsr => "fpsr".to_owned(),
            Self::Memory(at) => format!("m{at:x}"),
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::all().find(|place| place.name() == name)
    }

    fn get(self, state: &State, buffer: &[u8]) -> u128 {
        match self {
            Self::X(n) => u128::from(state.x[n]),
            Self::V(n) => state.v[n],
            Self::Nzcv => u128::from(state.nzcv),
            Self::Fpcr => u128::from(state.fpcr),
            Self::Fpsr => u128::from(state.fpsr),
            Self::Memory(at) => u128::from_le_bytes(buffer[at..at + 16].try_into().expect("16 bytes")),
        }
    }

    fn set(self, state: &mut State, buffer: &mut [u8], value: u128) {
        match self {
            Self::X(n) => state.x[n] = value as u64,
            Self::V(n) => state.v[n] = value,
            Self::Nzcv => state.nzcv = value as u32,
            Self::Fpcr => state.fpcr = value as u32,
            Self::Fpsr => state.fpsr = value as u32,
            Self::Memory(at) => buffer[at..at + 16].copy_from_slice(&value.to_le_bytes()),
        }
    }
}

/// What a case changes; two of them being equal, an input does not matter.
fn changes(case: &Case, outcome: &Outcome) -> Vec<(String, u128)> {
    let mut changes = Vec::new();
    for place in Place::all() {
        let after = place.get(&outcome.state, &outcome.buffer);
        if after != place.get(&case.state, &case.buffer) {
            changes.push((place.name(), after));
        }
    }
    changes
}

/// Sets to zero the inputs of a case of one instruction that `engine` finds not to matter.
pub fn reduce(engine: &mut dyn Engine, case: &Case) -> Case {
    let (mut case, mut outcome) = (case.clone(), engine.run(case));
    for place in Place::all() {
        let mut trial = case.clone();
        place.set(&mut trial.state, &mut trial.buffer, 0);
        let found = engine.run(&trial);
        // What the instruction changes it must change still, and to the same; a place left alone is so at zero too.
        let same = changes(&case, &outcome) == changes(&trial, &found);
        if same && (found.signal, found.pc) == (outcome.signal, outcome.pc) {
            (case, outcome) = (trial, found);
        }
    }
    case
}

/// The line for a case of one instruction and its outcome.
///
/// # Panics
/// When the case has not one instruction.
#[must_use]
pub fn line(case: &Case, outcome: &Outcome) -> String {
    let [word] = case.words[..] else { panic!("a vector is of one instruction") };
    let mut text = format!("{word:08x}");
    let mut put = |part: &str| {
        text.push(' ');
        text.push_str(part);
    };
    if case.model == Model::Max {
        put("max");
    }
    let zero = Case { state: State::default(), buffer: vec![0; PAGE], ..case.clone() };
    let inputs = Outcome { signal: Signal::Trap, pc: CODE, state: case.state.clone(), buffer: case.buffer.clone() };
    for (name, value) in changes(&zero, &inputs) {
        put(&format!("{name}={value:x}"));
    }
    put("->");
    let end = ending(outcome);
    if let Some(name) = end.0 {
        put(name);
    }
    if end.1 != 0 {
        put(&format!("pc+{:x}", end.1));
    }
    for (name, value) in changes(case, outcome) {
        put(&format!("{name}={value:x}"));
    }
    // Writing to a string does not fail.
    let _ = write!(text, " ; {}", disassemble(word, CODE));
    text
}

/// The exception's name, and the PC relative to what is usual for it.
fn ending(outcome: &Outcome) -> (Option<&'static str>, u64) {
    let from = |usual: u64| outcome.pc.wrapping_sub(usual);
    match outcome.signal {
        Signal::Illegal => (Some("illegal"), from(CODE)),
        Signal::Fault => (Some("fault"), from(CODE)),
        Signal::Alignment => (Some("alignment"), from(CODE)),
        Signal::Trap if outcome.pc == CODE => (Some("trap"), 0),
        Signal::Trap => (None, from(CODE + 4)),
    }
}

/// Reads a line back; nothing for an empty line or a comment.
///
/// # Errors
/// What is wrong with it.
pub fn parse(line: &str) -> Result<Option<(Case, Outcome)>, String> {
    let line = line.split(';').next().unwrap_or_default().trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (inputs, outputs) = line.split_once("->").ok_or("there is no arrow")?;
    let mut inputs = inputs.split_whitespace();
    let word = inputs.next().ok_or("there is no word")?;
    let word = u32::from_str_radix(word, 16).map_err(|error| format!("{word}: {error}"))?;
    let mut case = Case { model: Model::A76, words: vec![word], state: State::default(), buffer: vec![0; PAGE] };
    for input in inputs {
        if input == "max" {
            case.model = Model::Max;
        } else {
            let (place, value) = assignment(input)?;
            place.set(&mut case.state, &mut case.buffer, value);
        }
    }
    let (mut state, mut buffer) = (case.state.clone(), case.buffer.clone());
    let (mut signal, mut usual, mut away) = (Signal::Trap, CODE + 4, 0);
    for output in outputs.split_whitespace() {
        let exception = match output {
            "illegal" => Some(Signal::Illegal),
            "fault" => Some(Signal::Fault),
            "alignment" => Some(Signal::Alignment),
            "trap" => Some(Signal::Trap),
            _ => None,
        };
        if let Some(exception) = exception {
            (signal, usual) = (exception, CODE);
        } else if let Some(by) = output.strip_prefix("pc+") {
            away = u64::from_str_radix(by, 16).map_err(|error| format!("{output}: {error}"))?;
        } else {
            let (place, value) = assignment(output)?;
            place.set(&mut state, &mut buffer, value);
        }
    }
    Ok(Some((case, Outcome { signal, pc: usual.wrapping_add(away), state, buffer })))
}

fn assignment(text: &str) -> Result<(Place, u128), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text} is no assignment"))?;
    let place = Place::parse(name).ok_or_else(|| format!("there is no {name}"))?;
    let value = u128::from_str_radix(value, 16).map_err(|error| format!("{text}: {error}"))?;
    Ok((place, value))
}

/// The first lines of a file of vectors.
#[must_use]
pub fn head(group: &str) -> String {
    format!(
        "# Vectors of the group {group}, made with qemu-aarch64 10 (HANDSET_BLESS={group} cargo test -p handset-tests \
         --test a64 vectors).\n\
         # Format: tests/src/a64/vectors.rs. Code at 0x{CODE:x}, memory at 0x{BUFFER:x}; all numbers hexadecimal.\n"
    )
}
