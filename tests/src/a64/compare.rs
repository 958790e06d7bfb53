//! Comparing outcomes, and finding the instruction to blame.

use std::fmt::Write;

use emu::a64::{asm::disassemble, decode};

use super::interpreter::STEPS;
use super::vectors::{line, reduce};
use super::{BUFFER, CODE, Case, Engine, Interpreter, Outcome, PAGE, Signal};

const NOP: u32 = 0xd503_201f;

/// How far from the page's ends a faulting access may have written some of its bytes, which the manual allows.
const PARTIAL: usize = 64;

/// What differs between the expected outcome of a case and another, in words; nothing when they agree.
#[must_use]
pub fn difference(expected: &Outcome, actual: &Outcome) -> Option<String> {
    let mut text = String::new();
    let mut differ = |what: &str, e: &dyn std::fmt::Debug, a: &dyn std::fmt::Debug| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {what}: expected {e:#x?}, got {a:#x?}");
    };
    let (e, a) = (&expected.state, &actual.state);
    if expected.signal != actual.signal {
        differ("signal", &expected.signal, &actual.signal);
    }
    if expected.pc != actual.pc {
        differ("pc", &expected.pc, &actual.pc);
    }
    for n in 0..32 {
        if e.x[n] != a.x[n] {
            differ(&format!("x{n}"), &e.x[n], &a.x[n]);
        }
    }
    // A fault leaves the destinations of a load of several registers UNKNOWN; QEMU writes the first ones.
    for n in (0..32).filter(|_| expected.signal != Signal::Fault) {
        if e.v[n] != a.v[n] {
            differ(&format!("v{n}"), &e.v[n], &a.v[n]);
        }
    }
    for (what, e, a) in [("nzcv", e.nzcv, a.nzcv), ("fpcr", e.fpcr, a.fpcr), ("fpsr", e.fpsr, a.fpsr)] {
        if e != a {
            differ(what, &e, &a);
        }
    }
    let range = if expected.signal == Signal::Fault { PARTIAL..PAGE - PARTIAL } else { 0..PAGE };
    for at in range.step_by(8) {
        let (e, a) = (&expected.buffer[at..at + 8], &actual.buffer[at..at + 8]);
        if e != a {
            differ(&format!("memory at 0x{:x}", BUFFER + at as u64), &e, &a);
        }
    }
    (!text.is_empty()).then_some(text)
}

/// The disassembly of a case, without what does nothing.
fn listing(case: &Case) -> String {
    let mut text = String::new();
    for (n, &word) in case.words.iter().enumerate().filter(|&(_, &word)| word != NOP) {
        let pc = CODE + 4 * n as u64;
        let row = decode(word).map_or("unallocated", |row| row.name);
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {pc:x}: {word:08x}  {}  ({row}, {:?})", disassemble(word, pc), case.model);
    }
    text
}

/// What is to blame for a difference.
#[derive(Debug)]
pub struct Culprit {
    /// The instruction's row, or `several` when none alone is wrong.
    pub row: &'static str,
    /// What a reader needs to see why: the instructions, what differs, the inputs; of one instruction its vector.
    pub text: String,
}

/// Runs a case on both engines. When they differ, the one instruction to blame if it can be found, else the whole case.
pub fn culprit(judge: &mut dyn Engine, suspect: &mut dyn Engine, case: &Case) -> Option<Culprit> {
    let whole = difference(&judge.run(case), &suspect.run(case))?;
    for step in Interpreter.split(case) {
        let expected = judge.run(&step);
        if let Some(text) = difference(&expected, &suspect.run(&step)) {
            let row = decode(step.words[0]).map_or("unallocated", |row| row.name);
            let small = reduce(judge, &step);
            let expected = judge.run(&small);
            let vector = match difference(&expected, &suspect.run(&small)) {
                Some(_) => line(&small, &expected),
                None => line(&step, &judge.run(&step)),
            };
            return Some(Culprit { row, text: format!("{}{text}{vector}\nwith\n{}", listing(&step), inputs(&step)) });
        }
    }
    // No instruction alone: those that can be left out do not matter.
    let (mut case, mut whole) = (case.clone(), whole);
    for n in 0..case.words.len() {
        let word = std::mem::replace(&mut case.words[n], NOP);
        // Without the count of its rounds a loop does not end.
        let ends = Interpreter.split(&case).len() < STEPS;
        match ends.then(|| difference(&judge.run(&case), &suspect.run(&case))).flatten() {
            Some(text) => whole = text,
            None => case.words[n] = word,
        }
    }
    Some(Culprit { row: "several", text: format!("{}{whole}with\n{}", listing(&case), inputs(&case)) })
}

fn inputs(case: &Case) -> String {
    let s = &case.state;
    let mut text = format!("  nzcv {:04b} fpcr {:08x} fpsr {:08x}\n", s.nzcv, s.fpcr, s.fpsr);
    for (n, x) in s.x.iter().enumerate() {
        // Writing to a string does not fail.
        let _ = write!(text, "  x{n:<2} {x:016x}{}", if n % 4 == 3 { "\n" } else { "" });
    }
    for (n, v) in s.v.iter().enumerate() {
        let _ = write!(text, "  v{n:<2} {v:032x}{}", if n % 2 == 1 { "\n" } else { "" });
    }
    text
}
