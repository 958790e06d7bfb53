//! What a run of cases covered: instructions executed by row and FPCR mode, and the exceptions that they raised.

use std::collections::HashMap;
use std::fmt::Write;

use emu::a64::{Row, rows};

use super::{FPCR_MASK, testable};

/// Combinations of RMode, FZ, DN, AHP and FZ16.
pub const MODES: usize = 64;

/// The mode of that number, as FPCR has it. RMode is bits 1:0 of the number.
#[must_use]
pub fn fpcr(mode: usize) -> u32 {
    let mode = mode as u32;
    (mode & 3) << 22 | (mode >> 2 & 7) << 24 | (mode >> 5 & 1) << 19
}

/// The number of an FPCR's mode.
#[must_use]
pub fn mode(fpcr: u32) -> usize {
    (fpcr >> 22 & 3 | (fpcr >> 24 & 7) << 2 | (fpcr >> 19 & 1) << 5) as usize
}

/// What became of one row.
#[derive(Debug, Clone)]
struct Counts {
    /// Executed to the end, by mode.
    done: [u64; MODES],
    /// Ended in an exception.
    raised: u64,
    /// Bits of FPSR that it has set.
    flags: u32,
}

/// What a run of cases covered.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    rows: HashMap<&'static str, Counts>,
    /// Cases.
    pub cases: u64,
}

/// The class of a row, in which figures are given.
fn class(row: &Row) -> &'static str {
    match row.group {
        "fp_scalar" | "fp_convert" => "FP scalar",
        "crypto" => "crypto",
        "load_store_fp" | "simd_structure" => "SIMD and FP loads and stores",
        "load_store" | "load_store_atomic" => "loads, stores, atomics",
        group if group.starts_with("simd_fp") => "SIMD FP",
        group if group.starts_with("simd") => "SIMD integer",
        _ => "integer, branches, system",
    }
}

const CLASSES: [&str; 7] = [
    "integer, branches, system",
    "loads, stores, atomics",
    "SIMD and FP loads and stores",
    "SIMD integer",
    "SIMD FP",
    "FP scalar",
    "crypto",
];

impl Tally {
    /// Counts an instruction: whether it ended well, under which FPCR, and the bits of FPSR that it set.
    pub fn count(&mut self, row: &'static Row, well: bool, fpcr: u32, flags: u32) {
        let new = || Counts { done: [0; MODES], raised: 0, flags: 0 };
        let counts = self.rows.entry(row.name).or_insert_with(new);
        if well {
            counts.done[mode(fpcr & FPCR_MASK)] += 1;
        } else {
            counts.raised += 1;
        }
        counts.flags |= flags;
    }

    /// Adds another's figures.
    pub fn add(&mut self, other: Self) {
        self.cases += other.cases;
        for (name, theirs) in other.rows {
            match self.rows.entry(name) {
                std::collections::hash_map::Entry::Vacant(entry) => {
                    entry.insert(theirs);
                }
                std::collections::hash_map::Entry::Occupied(mut entry) => {
                    let ours = entry.get_mut();
                    ours.done.iter_mut().zip(theirs.done).for_each(|(ours, theirs)| *ours += theirs);
                    ours.raised += theirs.raised;
                    ours.flags |= theirs.flags;
                }
            }
        }
    }

    /// Instructions executed.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        self.rows.values().map(|counts| counts.done.iter().sum::<u64>() + counts.raised).sum()
    }

    /// Testable rows of `filter` that were not once executed to the end, but for those of exceptions.
    #[must_use]
    pub fn missed(&self, filter: impl Fn(&Row) -> bool) -> Vec<&'static str> {
        let done = |row: &Row| self.rows.get(row.name).is_some_and(|counts| counts.done.iter().any(|&n| n > 0));
        let wanted = |row: &&Row| testable(row) && filter(row) && !matches!(row.name, "brk" | "udf");
        rows().filter(wanted).filter(|row| !done(row)).map(|row| row.name).collect()
    }

    /// The figures as text: by class, by FPCR mode, and what was not reached.
    #[must_use]
    pub fn report(&self) -> String {
        let mut text = format!("{} cases, {} instructions\n\n", self.cases, self.instructions());
        let floating = |row: &Row| class(row) == "FP scalar" || class(row) == "SIMD FP";
        let counts = |filter: &dyn Fn(&Row) -> bool| -> Vec<_> {
            rows().filter(|row| filter(row)).filter_map(|row| Some((row, self.rows.get(row.name)?))).collect()
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{:<30} {:>5} {:>12} {:>12}", "class", "rows", "executed", "exceptions");
        for name in CLASSES {
            let counts = counts(&|row| class(row) == name);
            let done: u64 = counts.iter().flat_map(|(_, counts)| counts.done).sum();
            let raised: u64 = counts.iter().map(|(_, counts)| counts.raised).sum();
            let _ = writeln!(text, "{name:<30} {:>5} {done:>12} {raised:>12}", counts.len());
        }
        let floats = counts(&floating);
        let _ = writeln!(text, "\n{:<20} {:>10} {:>10} {:>10} {:>10}", "FP, by mode", "RN", "RP", "RM", "RZ");
        for rest in 0..MODES / 4 {
            let bits = fpcr(rest * 4);
            let named = [("FZ", 24), ("DN", 25), ("AHP", 26), ("FZ16", 19)];
            let names: Vec<_> = named.iter().filter(|(_, bit)| bits >> bit & 1 == 1).map(|(name, _)| *name).collect();
            let _ = write!(text, "{:<20}", if rest == 0 { "none".to_owned() } else { names.join(" ") });
            for rmode in 0..4 {
                let sum: u64 = floats.iter().map(|(_, counts)| counts.done[rest * 4 + rmode]).sum();
                let _ = write!(text, " {sum:>10}");
            }
            text.push('\n');
        }
        let least = floats.iter().flat_map(|(_, counts)| counts.done).min().unwrap_or(0);
        let _ = writeln!(text, "fewest executions of an FP row in a mode: {least}");
        for (name, bit) in [("IOC", 0), ("DZC", 1), ("OFC", 2), ("UFC", 3), ("IXC", 4), ("IDC", 7)] {
            let sum = floats.iter().filter(|(_, counts)| counts.flags >> bit & 1 == 1).count();
            let _ = writeln!(text, "FP rows that set {name}: {sum} of {}", floats.len());
        }
        let _ = writeln!(text, "rows never executed to the end: {}", self.missed(|_| true).join(" "));
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_and_fpcr_name_each_other() {
        let all = (0..MODES).map(fpcr).fold(0, |all, bits| all | bits);
        assert_eq!(all, FPCR_MASK);
        assert!((0..MODES).all(|n| mode(fpcr(n)) == n));
    }
}
