//! Counters for `--stats`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What the translator did.
#[derive(Debug, Default)]
pub struct Stats {
    /// Units translated.
    pub units: AtomicU64,
    /// Guest instructions in them.
    pub guest_instructions: AtomicU64,
    /// Bytes of host code.
    pub host_bytes: AtomicU64,
    /// Nanoseconds spent translating.
    pub translate_nanos: AtomicU64,
    /// Returns to the run loop, by kind: to link a jump, for an indirect jump, from dropped code, to serve requests.
    pub exits: [AtomicU64; 4],
    /// Slow paths of memory accesses.
    pub slow_accesses: AtomicU64,
    /// Calls into the CPU: system registers, barriers, exclusives.
    pub calls: AtomicU64,
    /// Times that all code was dropped for want of room.
    pub flushes: AtomicU64,
    /// Operations without an emitter, called through their `eval`, by name.
    evals: Mutex<BTreeMap<&'static str, u64>>,
}

impl Stats {
    /// Adds to a counter.
    pub(super) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Relaxed);
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
}

impl std::fmt::Display for Stats {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let get = |counter: &AtomicU64| counter.load(Relaxed);
        let units = get(&self.units).max(1);
        writeln!(
            f,
            "units {}, guest instructions {}, host bytes {}, {:.2} µs per unit",
            get(&self.units),
            get(&self.guest_instructions),
            get(&self.host_bytes),
            get(&self.translate_nanos) as f64 / units as f64 / 1000.0
        )?;
        writeln!(
            f,
            "exits {:?}, slow accesses {}, calls {}, flushes {}",
            self.exits.each_ref().map(get),
            get(&self.slow_accesses),
            get(&self.calls),
            get(&self.flushes)
        )?;
        for (name, n) in self.evals().iter().take(20) {
            writeln!(f, "  without emitter: {name} {n}")?;
        }
        Ok(())
    }
}
