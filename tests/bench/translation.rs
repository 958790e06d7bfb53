//! How fast the translator translates: functions of a stock kernel, cold.
//!
//! `cargo bench -p handset-tests --bench translation [-- ROUNDS]` takes the Debian 12 kernel's image, finds what its BL
//! instructions call, and translates the unit at each such address. Prints the best round, since the others are slower
//! by the host's other work alone.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use emu::cpu::{Form, form_unit, plain_register};
use emu::ir::Context;
use emu::jit::{Cache, Key, Optimizations};

/// Units in a round.
const UNITS: usize = 20_000;
/// Where the image is: at the beginning of the kernel's text, as Linux maps it.
const BASE: u64 = 0xffff_8000_0800_0000;

fn main() {
    let rounds = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(5);
    let image = std::fs::read(handset_tests::guest::folder("debian12").join("Image")).expect("the guest has an image");
    let words: Vec<u32> = image.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    let calls = words.iter().enumerate().filter(|(_, word)| **word >> 26 == 0b10_0101);
    let targets: BTreeSet<usize> = calls
        .map(|(n, word)| n.wrapping_add_signed((word << 6) as isize as i32 as isize >> 6))
        .filter(|target| *target < words.len())
        .take(10 * UNITS)
        .collect();
    let step = (targets.len() / UNITS).max(1);
    let entries: Vec<usize> = targets.into_iter().step_by(step).take(UNITS).collect();
    let context = Context { fp_trap: true, sp_check: true, pan: true, spsel: true, mmu: true, ..Context::PLAIN };
    let word = |va: u64| words[((va - BASE) / 4) as usize];
    let address = |entry: &usize| BASE + 4 * *entry as u64;
    let mut spare = Vec::new();
    let mut best = [Duration::MAX; 2];
    let mut totals = (0, 0, 0);
    for _ in 0..rounds {
        let start = Instant::now();
        for va in entries.iter().map(address) {
            let mut unit = form_unit(va, context, Form::new(Optimizations::all()), &mut spare, word);
            spare.append(&mut unit.blocks);
        }
        best[0] = best[0].min(start.elapsed());
        let cache = Cache::new(plain_register, Optimizations::all()).expect("memory for code");
        let start = Instant::now();
        for va in entries.iter().map(address) {
            let mut unit = form_unit(va, context, Form::new(Optimizations::all()), &mut spare, word);
            cache.insert(Key::new(va & 0xffff_ffff, va, context), &unit);
            spare.append(&mut unit.blocks);
        }
        best[1] = best[1].min(start.elapsed());
        let get = |counter: &std::sync::atomic::AtomicU64| counter.load(std::sync::atomic::Ordering::Relaxed);
        totals = (get(&cache.stats.units), get(&cache.stats.guest_instructions), get(&cache.stats.host_bytes));
    }
    let (units, instructions, bytes) = totals;
    let [lift, whole] = best;
    let per_unit = |time: Duration| time.as_secs_f64() * 1e6 / units as f64;
    println!("{units} units of {:.1} guest instructions", instructions as f64 / units as f64);
    println!(
        "{:.2} µs per unit ({:.2} of them to lift it), {:.0} ns per guest instruction",
        per_unit(whole),
        per_unit(lift),
        whole.as_secs_f64() * 1e9 / instructions as f64
    );
    println!("{:.1} host bytes per guest instruction", bytes as f64 / instructions as f64);
}
