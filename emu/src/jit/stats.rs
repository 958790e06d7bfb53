//! Counters for `--stats`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustc_hash::FxHashMap;

use super::site::Task;
use super::slow;
use crate::ir::SysEnc;

/// What the translator did.
#[derive(Debug, Default)]
pub struct Stats {
    /// Units translated.
    pub units: AtomicU64,
    /// Units that came out of the store.
    pub recalled: AtomicU64,
    /// Guest instructions in all of them.
    pub guest_instructions: AtomicU64,
    /// Bytes of host code.
    pub host_bytes: AtomicU64,
    /// Nanoseconds spent translating, or on the store.
    pub translate_nanos: AtomicU64,
    /// Returns to the run loop, by kind: to link a jump, for an indirect jump, from dropped code, to serve requests.
    pub exits: [AtomicU64; 5],
    /// Times that all code was dropped for want of room.
    pub flushes: AtomicU64,
    /// Operations without an emitter, called through their `eval`, by name.
    evals: Mutex<BTreeMap<&'static str, u64>>,
    /// Calls by sites that are no more.
    former: Mutex<Calls>,
}

/// Calls out of translated code, by what for.
pub(super) type Calls = FxHashMap<Task, u64>;

impl Stats {
    /// Adds to a counter.
    pub(super) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Relaxed);
    }

    /// Counts a unit of so many guest instructions and bytes of host code.
    pub(super) fn count_unit(&self, kind: &AtomicU64, instructions: u64, bytes: usize) {
        Self::add(kind, 1);
        Self::add(&self.guest_instructions, instructions);
        Self::add(&self.host_bytes, bytes as u64);
    }

    /// Adds time that translation has taken.
    pub fn add_time(&self, time: Duration) {
        Self::add(&self.translate_nanos, time.as_nanos() as u64);
    }

    pub(super) fn count_eval(&self, name: &'static str) {
        *self.evals.lock().expect("nobody panics while counting").entry(name).or_default() += 1;
    }

    /// Calls of operations without an emitter, most frequent first.
    pub fn evals(&self) -> Vec<(&'static str, u64)> {
        let evals = self.evals.lock().expect("nobody panics while counting");
        let mut list: Vec<_> = evals.iter().map(|(name, n)| (*name, *n)).collect();
        list.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        list
    }

    /// Calls by sites that are no more.
    pub(super) fn calls(&self) -> Calls {
        self.former.lock().expect("nobody panics while counting").clone()
    }

    /// Adds calls by sites that end.
    pub(super) fn keep(&self, add: impl FnOnce(&mut Calls)) {
        add(&mut self.former.lock().expect("nobody panics while counting"));
    }

    /// The counters, and the most frequent calls, one a line.
    pub(super) fn report(&self, calls: &Calls, register: impl Fn(SysEnc) -> String) -> String {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        let units = (get(&self.units) + get(&self.recalled)).max(1);
        let mut lines = vec![
            format!(
                "units {} translated, {} recalled, guest instructions {}, host bytes {}, {:.2} µs per unit",
                get(&self.units),
                get(&self.recalled),
                get(&self.guest_instructions),
                get(&self.host_bytes),
                get(&self.translate_nanos) as f64 / units as f64 / 1000.0
            ),
            format!(
                "exits {:?}, calls {}, flushes {}",
                self.exits.each_ref().map(get),
                calls.values().sum::<u64>(),
                get(&self.flushes)
            ),
        ];
        let mut by_name = BTreeMap::<String, u64>::new();
        for (task, n) in calls {
            *by_name.entry(slow::name(*task, &register)).or_default() += n;
        }
        let mut calls: Vec<_> = by_name.into_iter().collect();
        calls.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
        lines.extend(calls.iter().take(MOST_CALLS).map(|(name, n)| format!("  {n:9} {name}")));
        lines.join("\n")
    }
}

/// Lines of calls in a report.
const MOST_CALLS: usize = 40;
