//! The instruction table and all 2³² words: each is decoded, lifted and disassembled without a panic; and the rows
//! against Arm's machine-readable specification.
//!
//! Every word is decoded. Lifted and disassembled is one word in `HANDSET_WORDS_STRIDE`; 1 takes all, for which the
//! release profile is meant. Left out: what instructions do, which `a64.rs` has.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use emu::a64::asm::disassemble;
use emu::a64::{decode, rows};
use emu::ir::block::Term;
use handset_tests::a64::{BRK, CODE, KERNEL, lift};

/// Calls `check` with each value of bits 31:16, on all of the host's cores, and sums up what it returns.
fn halves(check: impl Fn(u32) -> u64 + Sync) -> u64 {
    let (next, sum) = (AtomicU32::new(0), AtomicU64::new(0));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let half = next.fetch_add(1, Ordering::Relaxed);
                    if half > 0xffff {
                        break;
                    }
                    sum.fetch_add(check(half), Ordering::Relaxed);
                }
            });
        }
    });
    sum.into_inner()
}

#[test]
fn every_word_decodes_to_a_row_that_it_fits() {
    let allocated = halves(|half| {
        let words = half << 16..=half << 16 | 0xffff;
        let rows = words.filter_map(|word| Some((word, decode(word)?)));
        rows.map(|(word, row)| assert_eq!(word & row.pattern.mask, row.pattern.value, "{row:?}")).count() as u64
    });
    eprintln!("{allocated} of 2^32 words are allocated");
    assert!(allocated > 1 << 30);
    assert_eq!(decode(BRK).map(|row| row.name), Some("brk"));
}

#[test]
fn every_word_is_lifted_and_disassembled() {
    // Odd, so that every value of every field comes.
    let stride = std::env::var("HANDSET_WORDS_STRIDE").map_or(2003, |text| text.parse().expect("a number"));
    let lifted = halves(|half| {
        let first = u64::from(half) << 16;
        let words = (first.next_multiple_of(stride)..first + 0x1_0000).step_by(stride as usize);
        words.map(|word| u64::from(read(word as u32))).sum()
    });
    eprintln!("one word in {stride}: {lifted} lifted");
    assert!(lifted > 0);
}

/// Lifts and disassembles a word; whether it is allocated.
fn read(word: u32) -> bool {
    let text = disassemble(word, CODE);
    let Some(row) = decode(word) else { return false };
    let (block, next) = lift(row, word, KERNEL);
    assert_eq!(block.len, 1);
    assert_eq!(next, block.term == Term::Jump(CODE + 4) && row.group != "branch", "{row:?}");
    for (n, inst) in block.insts.iter().enumerate() {
        assert!(inst.args().all(|arg| usize::from(arg.0) < n), "{row:?} uses a value before it is made");
    }
    // Braces are for lists of vector registers only.
    assert!(!text.replace("{v", "").contains('{') && !text.contains('|'), "{text}");
    true
}

#[test]
fn every_row_is_lifted_and_disassembled() {
    for row in rows() {
        for n in 0..200u32 {
            read(n.wrapping_mul(0x9e37_79b9) & !row.pattern.mask | row.pattern.value);
        }
    }
}
