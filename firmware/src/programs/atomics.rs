//! Four CPUs at once: counters by every kind of atomic, locks, and the litmus tests whose outcomes the memory model
//! forbids (message passing and store buffering).
//!
//! Spec: Arm ARM B2 (memory model), C6 (LDXR, LSE). Needs at least four CPUs. Leaves out litmus tests whose outcomes
//! are only possible, never forbidden.
//!
//! Every CPU runs `->worker` with x19 = its number; x20 = the counters; phases are parted by `->barrier`.

use dynasmrt::{DynasmApi, DynasmLabelApi};

use crate::asm::{Asm, a64};
use crate::runtime::SCRATCH;
use crate::sysreg::*;

const CPUS: u64 = 4;
/// Increments per CPU, for single instructions and for locks. Those wait for each other, and a ticket lock for one CPU
/// in particular, which costs a time slice where the host has fewer processors.
const INCREMENTS: u64 = 250_000;
const LOCKED: u64 = 300;
const TICKETS: u64 = 50;
/// The CPUs meet this often in each of those, so that they truly run at once even where the host is busy.
const STARTS: u64 = 10;
/// Store buffering runs in batches, as its CPUs meet only between them.
const BATCHES: u64 = 40;
const BATCH: u64 = 2_500;
/// Rounds of each litmus test: 10⁵.
const ROUNDS: u64 = BATCHES * BATCH;

/// Counters and locks, 64 bytes each.
const COUNTERS: u64 = SCRATCH;
const BARRIER: u64 = SCRATCH + 0x1000;
/// Violations seen, one word per CPU and test.
const VIOLATIONS: u64 = SCRATCH + 0x2000;
/// A pair of CPUs has its own memory for the litmus tests.
const PAIR: u64 = SCRATCH + 0x1_0000;
const PAIR_SHIFT: u32 = 17;
// Offsets in a pair's memory.
const DATA: u32 = 0;
const FLAG: u32 = 0x100;
const LEFT: u32 = 0x1000;
const RIGHT: u32 = 0x6000;
const LEFT_SAW: u32 = 0xb000;
const RIGHT_SAW: u32 = 0x1_0000;

type Body = fn(&mut Asm);
struct Counter {
    name: &'static str,
    rounds: u64,
    /// Adds 1 to the counter at x1 = counter, x2 = lock, x3 = 1; may change x4–x9.
    add: Body,
}

const TESTS: [Counter; 10] = [
    Counter {
        name: "LDXR/STXR",
        rounds: INCREMENTS,
        add: |a| a64!(a; again: ; ldxr x4, [x1]; add x4, x4, 1; stxr w5, x4, [x1]; cbnz w5, <again),
    },
    Counter {
        name: "LDAXR/STLXR of a byte",
        rounds: INCREMENTS,
        add: |a| a64!(a; again: ; ldaxrb w4, [x1]; add w4, w4, 1; stlxrb w5, w4, [x1]; cbnz w5, <again),
    },
    Counter {
        name: "LDXP/STXP",
        rounds: INCREMENTS,
        add: |a| {
            a64!(a
                ; again:
                ; ldxp x4, x6, [x1]
                ; add x4, x4, 1
                ; sub x6, x6, 1
                ; stxp w5, x4, x6, [x1]
                ; cbnz w5, <again
            )
        },
    },
    Counter { name: "LDADD", rounds: INCREMENTS, add: |a| a64!(a; ldadd x3, x4, [x1]) },
    Counter { name: "LDADDAL of a halfword", rounds: INCREMENTS, add: |a| a64!(a; ldaddalh w3, w4, [x1]) },
    Counter { name: "STADD", rounds: INCREMENTS, add: |a| a64!(a; stadd x3, [x1]) },
    Counter {
        name: "CAS",
        rounds: INCREMENTS,
        add: |a| a64!(a; again: ; ldr x4, [x1]; mov x5, x4; add x6, x4, 1; casal x5, x6, [x1]; cmp x5, x4; b.ne <again),
    },
    Counter {
        name: "CASP",
        rounds: INCREMENTS,
        add: |a| {
            a64!(a
                ; again:
                ; ldp x4, x5, [x1]
                ; mov x6, x4
                ; mov x7, x5
                ; add x8, x4, 1
                ; sub x9, x5, 1
                ; caspal x6, x7, x8, x9, [x1]
                ; cmp x6, x4
                ; ccmp x7, x5, 0, eq
                ; b.ne <again
            )
        },
    },
    Counter {
        name: "SWP lock",
        rounds: LOCKED,
        add: |a| {
            a64!(a
                ; again:
                ; swpa x3, x4, [x2]
                ; cbz x4, >mine
                ; yield
                ; b <again
                ; mine:
                ; ldr x4, [x1]
                ; add x4, x4, 1
                ; str x4, [x1]
                ; stlr xzr, [x2]
            )
        },
    },
    Counter {
        name: "ticket lock",
        rounds: TICKETS,
        add: |a| {
            a64!(a
                ; ldadda w3, w4, [x2] // my ticket
                ; add x5, x2, 4
                ; again:
                ; ldar w6, [x5]
                ; cmp w6, w4
                ; b.eq >mine
                ; yield
                ; b <again
                ; mine:
                ; ldr x7, [x1]
                ; add x7, x7, 1
                ; str x7, [x1]
                ; add w6, w6, 1
                ; stlr w6, [x5]
            )
        },
    },
];

pub(super) fn emit(a: &mut Asm) {
    a64!(a; ->main: ; bl ->mmu_on);
    for cpu in 1..CPUS {
        a.li(0, cpu);
        a64!(a; adr x1, ->worker; movz x2, 1; bl ->cpu_on; mov w3, w0);
        a.check(&format!("CPU {cpu} starts"), 3, 0);
    }
    a64!(a; bl ->worker);
    report(a);
    a64!(a; b ->finish);

    // barrier: waits until all four CPUs have come. Changes x0–x3.
    a64!(a; ->barrier:);
    a.li(0, BARRIER);
    a64!(a
        ; add x29, x29, CPUS as u32
        ; movz x1, 1
        ; ldaddal x1, x2, [x0]
        ; wait:
        ; ldar x2, [x0]
        ; cmp x2, x29
        ; b.hs >done
        ; yield
        ; b <wait
        ; done:
        ; ret
    );

    a64!(a; ->worker: ; str x30, [sp, -16]!; mrs x19, MPIDR_EL1; and x19, x19, 0xff; movz x29, 0);
    a.li(20, COUNTERS);
    for (n, test) in TESTS.iter().enumerate() {
        a64!(a; movz x11, STARTS as u32);
        let start = a.here();
        a64!(a; bl ->barrier; add x1, x20, 128 * n as u32; add x2, x1, 64; movz x3, 1);
        a.li(10, test.rounds / STARTS);
        let next = a.here();
        (test.add)(a);
        a64!(a; subs x10, x10, 1; b.ne =>next; subs x11, x11, 1; b.ne =>start);
    }
    // CPUs 0 and 1 are one pair, 2 and 3 the other; the odd one of each is the right one.
    a.li(21, PAIR);
    a64!(a; lsr x0, x19, 1; add x21, x21, x0, lsl PAIR_SHIFT);
    message_passing(a);
    store_buffering(a);
    a64!(a; bl ->barrier; ldr x30, [sp], 16; ret);
}

fn report(a: &mut Asm) {
    for (n, test) in TESTS.iter().enumerate() {
        let total = CPUS * test.rounds;
        a.li(4, COUNTERS + 128 * n as u64);
        a64!(a; ldr x3, [x4]; ldr x5, [x4, 8]);
        let expected = match test.name {
            name if name.ends_with("byte") => total & 0xff,
            name if name.ends_with("halfword") => total & 0xffff,
            _ => total,
        };
        a.check(test.name, 3, expected);
        if test.name.ends_with('P') && test.name.contains("XP") || test.name == "CASP" {
            a.check(&format!("{}: upper half", test.name), 5, total.wrapping_neg());
        }
    }
    let tests = ["message passing with STLR and LDAR", "message passing with DMB", "store buffering with DMB"];
    for (n, name) in tests.into_iter().enumerate() {
        a.li(4, VIOLATIONS + 64 * n as u64);
        a64!(a; ldp x3, x5, [x4]; add x3, x3, x5; ldp x5, x6, [x4, 16]; add x3, x3, x5; add x3, x3, x6);
        a.check(&format!("{name}: forbidden outcomes"), 3, 0);
        a.li(4, VIOLATIONS + 0x800 + 64 * n as u64);
        a64!(a; ldr x3, [x4]);
        a.check(&format!("{name}: rounds"), 3, ROUNDS);
    }
}

/// Adds x9 to this CPU's violations of a test, and notes the rounds that x10 says if this is CPU 1.
fn tell(a: &mut Asm, test: u64) {
    a.li(0, VIOLATIONS + 64 * test);
    a64!(a; str x9, [x0, x19, lsl 3]);
    a.li(0, VIOLATIONS + 0x800 + 64 * test);
    a64!(a; cmp x19, 1; b.ne >other; str x10, [x0]; other:);
}

/// The left CPU writes n as data, then as flag; the right one must never see a flag newer than the data.
fn message_passing(a: &mut Asm) {
    for (test, ordered) in [(0, true), (1, false)] {
        // Fresh memory, as the second test counts from 1 again.
        a64!(a; bl ->barrier; str xzr, [x21, DATA]; str xzr, [x21, FLAG]; bl ->barrier; add x5, x21, FLAG);
        a.li(10, ROUNDS);
        a64!(a; movz x9, 0; tbnz x19, 0, >reader; movz x4, 1; next: ; str x4, [x21, DATA]);
        if ordered {
            a64!(a; stlr x4, [x5]);
        } else {
            a64!(a; dmb ishst; str x4, [x5]);
        }
        a64!(a; add x4, x4, 1; cmp x4, x10; b.ls <next; b >done; reader:);
        if ordered {
            a64!(a; ldar x6, [x5]);
        } else {
            a64!(a; ldr x6, [x5]; dmb ishld);
        }
        a64!(a; ldr x7, [x21, DATA]; cmp x7, x6; cinc x9, x9, lo; cmp x6, x10; b.lo <reader; done:);
        tell(a, test);
    }
}

/// Each writes its own word, then reads the other's: that both read the old value is forbidden.
fn store_buffering(a: &mut Asm) {
    // x5 = my words, x6 = the other's, x7 = what I saw, x8 = what the other saw; the value of batch n is n.
    a64!(a; bl ->barrier);
    for (register, left, right) in
        [(5u8, LEFT, RIGHT), (6, RIGHT, LEFT), (7, LEFT_SAW, RIGHT_SAW), (8, RIGHT_SAW, LEFT_SAW)]
    {
        a.li(0, u64::from(left));
        a.li(1, u64::from(right));
        a64!(a; tst x19, 1; csel x0, x0, x1, eq; add X(register), x21, x0);
    }
    a64!(a
        ; movz x9, 0
        ; movz x10, 0
        ; movz x11, 1
        ; batch:
        ; bl ->barrier
        ; movz x4, 0
        ; next:
        ; str x11, [x5, x4, lsl 3]
        ; dmb ish
        ; ldr x0, [x6, x4, lsl 3]
        ; str x0, [x7, x4, lsl 3]
        ; add x4, x4, 1
        ; cmp x4, BATCH as u32
        ; b.lo <next
        ; bl ->barrier
        ; movz x4, 0
        ; look:
        ; ldr x0, [x7, x4, lsl 3]
        ; ldr x1, [x8, x4, lsl 3]
        ; cmp x0, x11
        ; ccmp x1, x11, 2, lo
        ; cinc x9, x9, lo
        ; add x10, x10, 1
        ; add x4, x4, 1
        ; cmp x4, BATCH as u32
        ; b.lo <look
        ; add x11, x11, 1
        ; cmp x11, BATCHES as u32
        ; b.ls <batch
    );
    tell(a, 2);
}
