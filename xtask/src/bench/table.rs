//! What many samples say: medians, their spread, who is faster, and whether all computed the same.

use super::boot::Sample;
use super::emulator::Emulator;
use super::work::{ALL, CLASSES, Class};
use std::collections::BTreeMap;

/// Which work (by its place in the table), and on how many vCPUs.
pub type Key = (usize, u32);

/// All samples of a run.
#[derive(Debug, Default)]
pub struct Samples(BTreeMap<Key, BTreeMap<Emulator, Vec<Sample>>>);

/// Several measurements of one thing, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub class: Class,
    pub name: String,
    pub ours: Spread,
    /// Of the peer that was faster here.
    pub theirs: Spread,
    pub peer: Emulator,
    /// The medians of CPU time, for the same two.
    pub ours_cpu: f64,
    pub theirs_cpu: f64,
    /// Whether every run, on whatever emulator, ended well and said the same.
    pub same: bool,
}

impl Row {
    /// How many times as fast as the peer.
    pub fn ratio(&self) -> f64 {
        self.theirs.median / self.ours.median
    }
}

impl Samples {
    /// Adds one.
    pub fn add(&mut self, key: Key, emulator: Emulator, sample: Sample) {
        self.0.entry(key).or_default().entry(emulator).or_default().push(sample);
    }

    /// Whether this is a peer that need not be asked again, since another was faster by a tenth or more.
    pub fn is_beaten(&self, key: Key, emulator: Emulator) -> bool {
        let median = |who| self.spread(key, who).map(|spread| spread.median);
        let others = self.peers(key).filter(|peer| *peer != emulator).filter_map(median);
        let best = others.min_by(f64::total_cmp);
        emulator != Emulator::Handset && best.zip(median(emulator)).is_some_and(|(best, own)| own > best * 1.1)
    }

    /// Who else has done that.
    fn peers(&self, key: Key) -> impl Iterator<Item = Emulator> {
        self.0.get(&key).into_iter().flatten().map(|(who, _)| *who).filter(|who| *who != Emulator::Handset)
    }

    fn spread(&self, key: Key, emulator: Emulator) -> Option<Spread> {
        spread(self.0.get(&key)?.get(&emulator)?.iter().map(|sample| sample.seconds).collect())
    }

    fn cpu(&self, key: Key, emulator: Emulator) -> Option<f64> {
        Some(spread(self.0.get(&key)?.get(&emulator)?.iter().map(|sample| sample.cpu).collect())?.median)
    }

    /// The table: a row for each work that both Handset and a peer have done.
    pub fn rows(&self) -> Vec<Row> {
        self.0
            .iter()
            .filter_map(|(key, samples)| {
                let work = &ALL[key.0];
                let ours = self.spread(*key, Emulator::Handset)?;
                let peers = self.peers(*key).filter_map(|peer| Some((peer, self.spread(*key, peer)?)));
                let (peer, theirs) = peers.min_by(|a, b| a.1.median.total_cmp(&b.1.median))?;
                let mut outputs = samples.values().flatten().map(|sample| &sample.output);
                let first = outputs.next()?;
                let well = work.run.is_empty() || first.starts_with("0\n");
                let name = if key.1 > 1 { format!("{}, {} vCPUs", work.name, key.1) } else { work.name.to_owned() };
                let same = well && outputs.all(|o| o == first);
                let (ours_cpu, theirs_cpu) = (self.cpu(*key, Emulator::Handset)?, self.cpu(*key, peer)?);
                Some(Row { class: work.class, name, ours, theirs, peer, ours_cpu, theirs_cpu, same })
            })
            .collect()
    }

    /// The outputs of works that were not the same everywhere: the work, who said it, what.
    pub fn disagreements(&self) -> Vec<(&'static str, Emulator, &str)> {
        let mut all = Vec::new();
        for (key, samples) in &self.0 {
            let said: Vec<(Emulator, &str)> =
                samples.iter().flat_map(|(who, runs)| runs.iter().map(|run| (*who, run.output.as_str()))).collect();
            let failed = |text: &str| !ALL[key.0].run.is_empty() && !text.starts_with("0\n");
            if said.iter().any(|(_, text)| *text != said[0].1 || failed(text)) {
                all.extend(said.into_iter().map(|(who, text)| (ALL[key.0].name, who, text)));
            }
        }
        all
    }

    /// How many times as fast two vCPUs are as one, for each work that ran on both: the name, Handset's, a peer's.
    pub fn scaling(&self, peer: Emulator) -> Vec<(&'static str, f64, Option<f64>)> {
        let times = |index, who| Some(self.spread((index, 1), who)?.median / self.spread((index, 2), who)?.median);
        let both = (0..ALL.len()).filter(|index| ALL[*index].class == Class::Parallel);
        both.filter_map(|index| Some((ALL[index].name, times(index, Emulator::Handset)?, times(index, peer)))).collect()
    }
}

/// The geometric mean of the ratios of each class that has rows.
pub fn class_means(rows: &[Row]) -> Vec<(Class, f64)> {
    let of = |class| mean(rows.iter().filter(move |row| row.class == class));
    CLASSES.iter().filter_map(|class| Some((*class, of(*class)?))).collect()
}

/// The geometric mean of the ratios of some rows.
pub fn mean<'a>(rows: impl Iterator<Item = &'a Row>) -> Option<f64> {
    let logs: Vec<f64> = rows.map(|row| row.ratio().ln()).collect();
    (!logs.is_empty()).then(|| (logs.iter().sum::<f64>() / logs.len() as f64).exp())
}

/// The median of some measurements, with the least and the most.
pub fn spread(mut seconds: Vec<f64>) -> Option<Spread> {
    seconds.sort_by(f64::total_cmp);
    let (low, high) = (*seconds.first()?, *seconds.last()?);
    let n = seconds.len();
    Some(Spread { median: f64::midpoint(seconds[(n - 1) / 2], seconds[n / 2]), low, high })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(seconds: f64, output: &str) -> Sample {
        Sample { seconds, cpu: seconds / 2.0, output: output.to_owned() }
    }

    /// A work that has a command, so that its status counts.
    fn index(name: &str) -> usize {
        ALL.iter().position(|work| work.name == name).expect("a name in the table")
    }

    #[test]
    fn the_median_of_the_better_qemu_counts() {
        let mut samples = Samples::default();
        let key = (index("gzip"), 1);
        for seconds in [1.0, 9.0, 2.0] {
            samples.add(key, Emulator::Handset, sample(seconds, "0\nx"));
        }
        samples.add(key, Emulator::QemuMax, sample(8.0, "0\nx"));
        samples.add(key, Emulator::QemuA76, sample(6.0, "0\nx"));
        let rows = samples.rows();
        assert_eq!((rows[0].ours.median, rows[0].ours.low, rows[0].ours.high), (2.0, 1.0, 9.0));
        assert_eq!((rows[0].peer, rows[0].ratio(), rows[0].same), (Emulator::QemuA76, 3.0, true));
        assert_eq!(class_means(&rows), [(Class::Integer, 3.0_f64.ln().exp())]);
        assert_eq!((rows[0].ours_cpu, rows[0].theirs_cpu), (1.0, 3.0));
        assert!(samples.disagreements().is_empty());
        assert!(samples.is_beaten(key, Emulator::QemuMax) && !samples.is_beaten(key, Emulator::QemuA76));
        assert!(!samples.is_beaten(key, Emulator::Handset));
    }

    #[test]
    fn a_failure_and_another_output_are_not_the_same() {
        for outputs in [["0\nx", "0\ny"], ["1\nx", "1\nx"]] {
            let mut samples = Samples::default();
            let key = (index("gzip"), 1);
            samples.add(key, Emulator::Handset, sample(1.0, outputs[0]));
            samples.add(key, Emulator::QemuMax, sample(1.0, outputs[1]));
            assert!(!samples.rows()[0].same);
            assert_eq!(samples.disagreements().len(), 2);
        }
    }

    #[test]
    fn two_vcpus_are_compared_with_one() {
        let mut samples = Samples::default();
        let bzip2 = index("2 × bzip2 at once");
        samples.add((bzip2, 1), Emulator::Handset, sample(4.0, "0\n"));
        samples.add((bzip2, 2), Emulator::Handset, sample(2.0, "0\n"));
        assert_eq!(samples.scaling(Emulator::QemuMax), [("2 × bzip2 at once", 2.0, None)]);
        assert!(samples.rows().is_empty(), "without QEMU there is no ratio");
    }
}
