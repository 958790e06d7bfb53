//! The instruction set: vectors from QEMU, and random cases on QEMU and on our engines.
//!
//! `HANDSET_FUZZ` is the number of random cases, `HANDSET_FUZZ_SEED` their seed, `HANDSET_FUZZ_ROWS` the beginnings of
//! the names of rows or groups to take, comma-separated. `HANDSET_BLESS` names a group (or `all`) whose vectors are
//! made anew. Without `qemu-aarch64` only the vectors are checked.

use std::fs;
use std::path::Path;

use emu::a64::{Row, rows};
use emu::cpu::{Form, form_unit};
use emu::ir::op::{IntOp, Op};
use emu::jit::{Cache, Key, Optimizations};
use handset_tests::a64::vectors::{head, line, parse, reduce};
use handset_tests::a64::{
    CODE, Case, Culprit, Engine, FPCR_MASK, FPSR_MASK, Generator, Interpreter, KERNEL, MAX_WORDS, Manner, Model, PAGE,
    QUIRKS, Qemu, Random, Signal, State, Translator, campaign, culprit, difference, testable,
};

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect("the variable is a number"))
}

fn selected(row: &Row) -> bool {
    let prefixes = std::env::var("HANDSET_FUZZ_ROWS").unwrap_or_default();
    prefixes.split(',').any(|prefix| row.name.starts_with(prefix) || row.group.starts_with(prefix))
}

/// The judge, if it is installed.
fn judge() -> Option<Qemu> {
    match Qemu::start() {
        Ok(qemu) => Some(qemu),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("skipped: qemu-aarch64 is not installed");
            None
        }
        Err(error) => panic!("qemu-aarch64 does not start: {error}"),
    }
}

#[test]
fn the_agent_gives_back_the_state_that_it_was_given() {
    let Some(mut qemu) = judge() else { return };
    let mut random = Random(1);
    for model in [Model::A76, Model::Max] {
        for _ in 0..10 {
            let mut state = State::default();
            state.x.fill_with(|| random.bits());
            state.v.fill_with(|| u128::from(random.bits()) << 64 | u128::from(random.bits()));
            state.nzcv = random.below(16) as u32;
            state.fpcr = random.bits() as u32 & FPCR_MASK;
            state.fpsr = random.bits() as u32 & FPSR_MASK;
            let buffer = (0..PAGE).map(|_| random.bits() as u8).collect();
            let case = Case { model, words: Vec::new(), state, buffer };
            let outcome = qemu.run(&case);
            assert_eq!(outcome.signal, Signal::Trap);
            assert_eq!(outcome.state, case.state);
            assert_eq!(outcome.buffer, case.buffer);
            assert_eq!(difference(&outcome, &Interpreter.run(&case)), None);
        }
    }
}

#[test]
fn random_cases_do_what_they_do_on_qemu() {
    if judge().is_none() {
        return;
    }
    let (count, seed) = (number("HANDSET_FUZZ", 40_000), number("HANDSET_FUZZ_SEED", 1));
    let findings = campaign(count, seed, &selected).expect("engines start");
    eprintln!("{}", findings.tally.report());
    for (quirk, times) in QUIRKS.iter().zip(findings.quirks) {
        eprintln!("QEMU: {quirk:?}: {times} times");
    }
    let failures: Vec<_> = findings.failures.into_values().collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let missed = findings.tally.missed(selected);
    assert!(count < 40_000 || missed.is_empty(), "never executed to the end: {missed:?}");
}

/// Groups of integer instructions, and what they do to memory and control.
fn integer(row: &Row) -> bool {
    row.group.starts_with("data") || row.group == "branch" || row.group.starts_with("load_store") && !vectors(row)
}

/// Whether a row has vector registers.
fn vectors(row: &Row) -> bool {
    row.group.starts_with("simd") || row.group.starts_with("fp") || row.group.contains("_fp") || row.group == "crypto"
}

/// Compares every manner of translation with an engine.
fn translate(judge: &mut dyn Engine, count: u64, mut next: impl FnMut(u64) -> Case) {
    let mut failures = Vec::new();
    for manner in Manner::all() {
        let mut translator = Translator::new(manner).expect("the host maps memory for code");
        for n in 0..count {
            if let Some(culprit) = culprit(judge, &mut translator, &next(n)) {
                failures.push(format!("{manner:?}\n{}", culprit.text));
                if failures.len() == 4 {
                    break;
                }
            }
        }
        let native = manner.optimizations.contains(Optimizations::NATIVE);
        for (name, _) in translator.evals().into_iter().filter(|_| native) {
            assert!(IntOp::ALL.iter().all(|&op| Op::Int(op).row().name != name), "{name} has no emitter");
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Cases for the translator: mostly programs, some with many registers.
fn program(generator: &mut Generator, n: u64) -> Case {
    if n % 4 == 3 { generator.case(MAX_WORDS) } else { generator.program() }
}

#[test]
fn translated_programs_check_alignment_as_the_interpreter_does() {
    let memory = |row: &Row| row.group.starts_with("load_store") || row.name.starts_with("add");
    let mut generator = Generator::new(number("HANDSET_FUZZ_SEED", 9), |row| memory(row) && selected(row));
    translate(&mut Interpreter, number("HANDSET_FUZZ", 4000), |n| {
        let mut case = program(&mut generator, n);
        case.model = Model::Strict;
        if n % 3 == 0 {
            case.state.x[31] ^= 8;
        }
        case
    });
}

#[test]
fn translated_integer_programs_do_what_the_interpreter_does() {
    let mut generator = Generator::new(number("HANDSET_FUZZ_SEED", 5), |row| integer(row) && selected(row));
    translate(&mut Interpreter, number("HANDSET_FUZZ", 4000), |n| program(&mut generator, n));
}

#[test]
fn translated_programs_of_any_instructions_do_what_the_interpreter_does() {
    let mut generator = Generator::new(number("HANDSET_FUZZ_SEED", 6), selected);
    translate(&mut Interpreter, number("HANDSET_FUZZ", 4000), |n| program(&mut generator, n));
}

#[test]
fn translated_vector_programs_do_what_the_interpreter_does() {
    let mut generator = Generator::new(number("HANDSET_FUZZ_SEED", 7), |row| vectors(row) && selected(row));
    translate(&mut Interpreter, number("HANDSET_FUZZ", 4000), |n| program(&mut generator, n));
}

/// What the translator makes one operation of, or two of the same rounds: aese and aesmc, aesd and aesimc, sha256h and
/// sha256h2; and the same with something between or on other registers.
#[test]
fn instructions_that_go_together_do_what_they_do_alone() {
    let rounds = [0x4e28_4820, 0x4e28_6800, 0x4e28_5822, 0x4e28_7842, 0x4e28_4827, 0x4e28_68e8, 0x4e28_68e9];
    let halves = [0x4ea4_1c83, 0x5e06_40a4, 0x5e06_5065, 0x5e06_40a4, 0x4e28_4827, 0x5e06_5065, 0x5e06_5085];
    let mut random = Random(number("HANDSET_FUZZ_SEED", 4));
    let mut next = |n: u64| {
        let mut state = State::default();
        state.v.fill_with(|| u128::from(random.bits()) << 64 | u128::from(random.bits()));
        let words = if n.is_multiple_of(2) { rounds.to_vec() } else { halves.to_vec() };
        Case { model: Model::Max, words, state, buffer: vec![0; PAGE] }
    };
    match judge() {
        Some(mut qemu) => translate(&mut qemu, 20, &mut next),
        None => translate(&mut Interpreter, 20, &mut next),
    }
}

/// The groups of testable rows, in the order of the table.
fn groups() -> Vec<&'static str> {
    let mut groups: Vec<_> = rows().filter(|row| testable(row)).map(|row| row.group).collect();
    groups.dedup();
    groups
}

/// Cases per row in a file of vectors.
const PER_ROW: usize = 6;

fn bless(group: &str) -> String {
    let mut qemu = judge().expect("vectors are made with qemu-aarch64");
    let mut text = head(group);
    for row in rows().filter(|row| row.group == group && testable(row)) {
        text.push_str(&format!("\n# {}\n", row.name));
        let mut generator = Generator::new(u64::from(row.pattern.value), |_| true);
        let (mut kept, mut undefined) = (0, 0);
        for _ in 0..200 {
            let case = reduce(&mut Interpreter, &generator.single(row));
            let outcome = qemu.run(&case);
            // One undefined encoding and one fault of a row will do.
            if outcome.signal != Signal::Trap {
                undefined += 1;
                if undefined > 1 {
                    continue;
                }
            }
            text.push_str(&line(&case, &outcome));
            text.push('\n');
            kept += 1;
            if kept == PER_ROW {
                break;
            }
        }
    }
    text
}

#[test]
fn vectors_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("a64");
    if let Ok(wanted) = std::env::var("HANDSET_BLESS") {
        for group in groups().into_iter().filter(|&group| wanted == "all" || wanted == group) {
            fs::write(folder.join(format!("{group}.ins")), bless(group)).expect("vectors can be written");
        }
    }
    let mut files: Vec<_> =
        fs::read_dir(&folder).expect("there are vectors").map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut translator = Translator::new(Manner::FULL).expect("the host maps memory for code");
    for file in files {
        let mut count = 0;
        for (n, text) in fs::read_to_string(&file).expect("vectors can be read").lines().enumerate() {
            let place = || format!("{}:{}: {text}", file.display(), n + 1);
            let parsed = parse(text).unwrap_or_else(|error| panic!("{}: {error}", place()));
            let Some((case, expected)) = parsed else { continue };
            let outcomes = [("interpreted", Interpreter.run(&case)), ("translated", translator.run(&case))];
            for (engine, outcome) in outcomes {
                if let Some(difference) = difference(&expected, &outcome) {
                    panic!("{} {engine}\n{difference}", place());
                }
            }
            count += 1;
        }
        assert!(count > 0, "{} has no vectors", file.display());
    }
}

#[test]
fn a_wrong_outcome_is_noticed() {
    struct Broken;
    impl Engine for Broken {
        fn run(&mut self, case: &Case) -> handset_tests::a64::Outcome {
            let mut outcome = Interpreter.run(case);
            outcome.state.x[3] ^= 1;
            outcome
        }
    }
    let case = Generator::new(1, |row| row.name == "add_reg").case(4);
    let Culprit { row, text } = culprit(&mut Interpreter, &mut Broken, &case).expect("they differ");
    assert_eq!(row, "add_reg");
    assert!(text.contains("add_reg") && text.contains("x3"), "{text}");
}

#[test]
fn the_longest_unit_of_any_row_can_be_translated() {
    let cache = Cache::new(|_, _| None, Optimizations::all()).expect("the host maps memory for code");
    let mut random = Random(5);
    // LD4 and ST4 of bytes have most to do.
    let mut words = vec![0x4c40_0000, 0x4cdf_0000, 0x4c00_0000, 0x4c9f_0000];
    for row in rows() {
        words.extend((0..4).map(|_| random.bits() as u32 & !row.pattern.mask | row.pattern.value));
    }
    for (n, word) in (0..).zip(words) {
        if !cache.has_room() {
            cache.flush();
        }
        let unit = form_unit(CODE, KERNEL, Form::new(Optimizations::all()), &mut Vec::new(), |_| word);
        cache.insert(Key::new(n << 12, CODE, KERNEL), &unit);
    }
}
