//! Many cases on QEMU, on the interpreter and on the translator, by all of the host's cores.
//!
//! Cases come in shards, each with a seed of its own, so that they are the same however many workers there are. A case
//! runs on the interpreter and in one of the translator's manners, in turn; QEMU meanwhile has the next ones.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use emu::a64::{Row, decode};

use super::{
    Case, Engine, Generator, Interpreter, MAX_WORDS, Manner, Model, Outcome, QUIRKS, Qemu, Random, Tally, Translator,
    culprit, difference,
};

/// Cases of a shard.
const SHARD: u64 = 2048;
/// Cases that QEMU has before it: as many as fit into the pipes both ways, else each would wait for the other.
const AHEAD: usize = 8;
/// Failing cases after which it makes no sense to go on.
const ENOUGH: usize = 64;

/// What came of it.
#[derive(Debug, Default)]
pub struct Findings {
    /// What was covered.
    pub tally: Tally,
    /// How often each of [`QUIRKS`] showed.
    pub quirks: [u64; QUIRKS.len()],
    /// One report for each instruction that is wrong.
    pub failures: BTreeMap<String, String>,
}

/// Runs `count` cases of the rows that `filter` takes.
///
/// # Errors
/// When QEMU cannot be started, or the host maps no memory for code.
///
/// # Panics
/// When a worker does.
pub fn campaign(count: u64, seed: u64, filter: &(dyn Fn(&Row) -> bool + Sync)) -> io::Result<Findings> {
    let (next, failed) = (AtomicU64::new(0), AtomicUsize::new(0));
    let workers = std::thread::available_parallelism()?.get().min(count.div_ceil(SHARD) as usize);
    std::thread::scope(|scope| {
        let work = || -> io::Result<Findings> {
            let mut worker = Worker::new()?;
            while failed.load(Ordering::Relaxed) < ENOUGH {
                let shard = next.fetch_add(1, Ordering::Relaxed);
                let first = shard * SHARD;
                if first >= count {
                    break;
                }
                let mut generator = Generator::new(Random(seed ^ shard << 32).bits(), filter);
                let size = SHARD.min(count - first);
                worker.shard(size, |n| make(&mut generator, first + n));
                failed.fetch_add(worker.failing.len(), Ordering::Relaxed);
                worker.explain();
            }
            Ok(worker.findings)
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut all = Findings::default();
        for worker in workers {
            let found = worker.join().expect("a worker does not panic")?;
            all.tally.add(found.tally);
            all.quirks.iter_mut().zip(found.quirks).for_each(|(all, found)| *all += found);
            all.failures.extend(found.failures);
        }
        Ok(all)
    })
}

/// Case number `n`: one instruction of each row in turn; few random ones; programs; and words that are no instruction.
fn make(generator: &mut Generator, n: u64) -> Case {
    match n % 16 {
        0..8 => generator.in_turn(n / 16 * 8 + n % 16),
        8..10 => generator.case(12),
        10 => generator.case(MAX_WORDS),
        11 => generator.stray(),
        _ => generator.program(),
    }
}

struct Worker {
    qemu: Qemu,
    manners: Vec<Translator>,
    findings: Findings,
    /// Cases on which engines differ, and the engine: the interpreter or the number of a manner.
    failing: Vec<(Case, Option<usize>)>,
}

impl Worker {
    fn new() -> io::Result<Self> {
        let manners = Manner::all().map(Translator::new).collect::<io::Result<_>>()?;
        Ok(Self { qemu: Qemu::start()?, manners, findings: Findings::default(), failing: Vec::new() })
    }

    fn shard(&mut self, size: u64, mut make: impl FnMut(u64) -> Case) {
        let mut ahead = VecDeque::new();
        for n in 0..size {
            let case = make(n);
            self.qemu.send(&case);
            ahead.push_back(case);
            if ahead.len() == AHEAD {
                let case = ahead.pop_front().expect("it was just filled");
                self.judge(case);
            }
        }
        ahead.into_iter().for_each(|case| self.judge(case));
    }

    fn judge(&mut self, case: Case) {
        let expected = self.qemu.receive(case.model);
        let tally = &mut self.findings.tally;
        tally.cases += 1;
        let quirks = &mut self.findings.quirks;
        let mut differs = |ours: Outcome| {
            difference(&expected, &ours).is_some_and(|_| {
                let quirk = QUIRKS.iter().position(|quirk| (quirk.shows)(&case, &expected, &ours));
                quirk.inspect(|&n| quirks[n] += 1).is_none()
            })
        };
        let manner = (tally.cases / 16 % self.manners.len() as u64) as usize;
        let failing = if differs(Interpreter.watch(&case, |row, well, fpcr, flags| tally.count(row, well, fpcr, flags)))
        {
            Some(None)
        } else {
            differs(self.manners[manner].run(&case)).then_some(Some(manner))
        };
        if let Some(engine) = failing {
            self.failing.push((case, engine));
        }
    }

    /// Finds the instructions to blame for the failing cases.
    fn explain(&mut self) {
        for (case, engine) in std::mem::take(&mut self.failing) {
            let (name, suspect): (_, &mut dyn Engine) = match engine {
                None => ("interpreter".to_owned(), &mut Interpreter),
                Some(n) => (format!("{:?}", self.manners[n].manner()), &mut self.manners[n]),
            };
            if let Some(culprit) = culprit(&mut self.qemu, suspect, &case) {
                self.findings.failures.insert(format!("{} {name}", culprit.row), format!("{name}\n{}", culprit.text));
            }
        }
    }
}

/// Whether a word may be tried that was not made for the case: not SVC and HLT, which would leave the program, nor
/// system instructions, nor branches, which might lead back.
#[must_use]
pub(super) fn harmless(word: u32) -> bool {
    let branch = decode(word).is_some_and(|row| row.group == "branch");
    let exception = word >> 24 == 0xd4;
    let system = word >> 22 == 0x354;
    let beyond = decode(word).is_some_and(|row| !super::testable(row) || Model::of(row.name) == Model::Max);
    !branch && !exception && !system && !beyond
}
