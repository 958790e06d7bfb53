//! `--stats`: what a phone has counted, printed at its end; and how busy it keeps the host meanwhile.

use std::time::Duration;

use emu::machine::Stats;
use rustix::time::{ClockId, clock_gettime};

/// Host CPU time that this process has used so far.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// The counters of a run of `wall` time that took `cpu` time of the host, one a line.
pub fn report(stats: &Stats, wall: Duration, cpu: Duration) -> String {
    let Stats { instructions, translator } = stats;
    let total: u64 = instructions.iter().sum();
    let seconds = wall.as_secs_f64();
    let mut lines =
        vec![format!("time            {seconds:.3} s"), format!("host CPU time   {:.3} s", cpu.as_secs_f64())];
    if let Some(translator) = translator {
        lines.push(translator.trim_end().to_owned());
        return lines.join("\n");
    }
    lines.push(format!("instructions    {total}"));
    if instructions.len() > 1 {
        lines.extend(instructions.iter().enumerate().map(|(id, count)| format!("  CPU {id}         {count}")));
    }
    lines.push(format!("speed           {:.1} MIPS", total as f64 / seconds.max(1e-9) / 1e6));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_adds_up_the_cpus() {
        let stats = Stats { instructions: vec![3_000_000, 1_000_000], translator: None };
        let text = report(&stats, Duration::from_secs(2), Duration::from_millis(500));
        assert!(text.contains("instructions    4000000\n"), "{text}");
        assert!(text.ends_with("speed           2.0 MIPS"), "{text}");
    }

    #[test]
    fn cpu_time_moves_with_work() {
        let before = cpu_time();
        while cpu_time() == before {
            std::hint::spin_loop();
        }
    }
}
