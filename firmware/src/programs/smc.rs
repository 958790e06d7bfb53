//! Code that changes: written and called, changed a few instructions ahead, written through another address, standing
//! beside data in one page, and changed while another CPU runs it. Last, code that is changed without cache maintenance: the
//! manual promises nothing for it, but emulators run it as changed, and so guests get away with it.
//!
//! Spec: Arm ARM B2.2.5 (concurrent modification and execution), B2.7.4 (cache maintenance). Needs at least four CPUs.

use dynasmrt::{DynasmApi, DynasmLabelApi};

use crate::asm::{Asm, a64};
use crate::runtime::{ALIAS, SCRATCH};

const ROUNDS: u64 = 5_000;
const CODE: u64 = SCRATCH;
/// Words shared with another CPU: what it shall see, what it saw, how many calls it made, how many were wrong.
const SHARED: u64 = SCRATCH + 0x10_0000;
const WANTED: u32 = 0;
const SEEN: u32 = 64;
const CALLS: u32 = 128;
const WRONG: u32 = 192;
const HANDSHAKES: u64 = 1_000;

const MOVZ_X0: u32 = 0xd280_0000;
const RET: u64 = 0xd65f_03c0;

pub(super) fn emit(a: &mut Asm) {
    a64!(a; ->main: ; bl ->mmu_on);
    write_and_call(a, "write and call", CODE);
    write_and_call(a, "write through another address and call", CODE - 0x4000_0000 + ALIAS);
    many_functions(a);
    ahead(a);
    beside_data(a);
    whole_cache(a);
    other_cpu(a, 1, false);
    other_cpu(a, 2, true);
    unannounced(a);
    unannounced_by_other_cpu(a, 3);
    a64!(a; b ->finish);

    // publish: makes the instruction just written at x1 (seen there or elsewhere) run at x2.
    a64!(a; ->publish: ; dc cvau, x1; dsb ish; ic ivau, x2; dsb ish; isb; ret);
}

/// `movz x0, #n; ret` for each n, written at `at`, called at [`CODE`].
fn write_and_call(a: &mut Asm, name: &str, at: u64) {
    a.li(19, at);
    a.li(20, CODE);
    a.li(21, RET << 32 | u64::from(MOVZ_X0));
    a.li(22, ROUNDS);
    a64!(a
        ; movz x23, 0
        ; next:
        ; orr x0, x21, x22, lsl 5
        ; str x0, [x19]
        ; mov x1, x19
        ; mov x2, x20
        ; bl ->publish
        ; blr x20
        ; cmp x0, x22
        ; cinc x23, x23, ne
        ; subs x22, x22, 1
        ; b.ne <next
    );
    a.check(&format!("{name}: wrong results"), 23, 0);
}

/// Many small functions in many pages, all written before any is called, then all again with other results.
fn many_functions(a: &mut Asm) {
    a.li(21, RET << 32 | u64::from(MOVZ_X0));
    a64!(a; movz x23, 0; movz x24, 0; round: ; movz x22, 0);
    a.li(19, CODE + 0x1_0000);
    a64!(a
        ; write:
        ; add x0, x22, x24
        ; orr x0, x21, x0, lsl 5
        ; str x0, [x19]
        ; mov x1, x19
        ; mov x2, x19
        ; bl ->publish
        ; add x19, x19, 0x110
        ; add x22, x22, 1
        ; cmp x22, 1000
        ; b.lo <write
        ; movz x22, 0
    );
    a.li(19, CODE + 0x1_0000);
    a64!(a
        ; call:
        ; blr x19
        ; sub x0, x0, x24
        ; cmp x0, x22
        ; cinc x23, x23, ne
        ; add x19, x19, 0x110
        ; add x22, x22, 1
        ; cmp x22, 1000
        ; b.lo <call
        ; add x24, x24, 1
        ; cmp x24, 5
        ; b.lo <round
    );
    a.check("a thousand functions five times: wrong results", 23, 0);
}

/// An instruction a little ahead in the same straight line of code.
fn ahead(a: &mut Asm) {
    a.li(21, u64::from(MOVZ_X0) | 3); // movz x3
    a.li(22, ROUNDS);
    a64!(a
        ; movz x23, 0
        ; adr x19, >patched
        ; next:
        ; orr x0, x21, x22, lsl 5
        ; str w0, [x19]
        ; dc cvau, x19
        ; dsb ish
        ; ic ivau, x19
        ; dsb ish
        ; isb
        ; patched:
        ; movz x3, 0
        ; cmp x3, x22
        ; cinc x23, x23, ne
        ; subs x22, x22, 1
        ; b.ne <next
    );
    a.check("changed a little ahead: wrong results", 23, 0);
}

/// A function that counts in its own page: data written beside running code.
fn beside_data(a: &mut Asm) {
    a.li(22, ROUNDS);
    let over = a.label();
    a64!(a; b =>over; .align 4096);
    let counter = a.here();
    a64!(a
        ; .u64 0
        ; .u64 0
    );
    let function = a.here();
    a64!(a
        ; adr x1, =>counter
        ; ldr x0, [x1]
        ; add x0, x0, 1
        ; str x0, [x1]
        ; ret
        ; .align 4096
        ; =>over
        ; next:
        ; bl =>function
        ; subs x22, x22, 1
        ; b.ne <next
        ; mov x3, x0
    );
    a.check("data beside code", 3, ROUNDS);
}

/// IC IALLU in place of IC IVAU.
fn whole_cache(a: &mut Asm) {
    a.li(20, CODE);
    a.li(21, RET << 32 | u64::from(MOVZ_X0));
    a.li(22, 200);
    a64!(a
        ; movz x23, 0
        ; next:
        ; orr x0, x21, x22, lsl 5
        ; str x0, [x20]
        ; dc cvau, x20
        ; dsb ish
        ; ic iallu
        ; dsb ish
        ; isb
        ; blr x20
        ; cmp x0, x22
        ; cinc x23, x23, ne
        ; subs x22, x22, 1
        ; b.ne <next
    );
    a.check("IC IALLU: wrong results", 23, 0);
}

/// Another CPU calls `target`, which is one branch (and so may be changed while it runs) to the even or the odd variant. Once
/// it has been told of n, its next call must take variant n. In between it either rests or goes on calling, and then
/// either variant will do.
fn other_cpu(a: &mut Asm, cpu: u64, calls_on: bool) {
    let (over, worker, target, even, odd) = (a.label(), a.label(), a.label(), a.label(), a.label());
    a64!(a; b =>over; =>worker);
    a.li(19, SHARED + 0x1000 * cpu);
    a64!(a
        ; str x30, [sp, -16]!
        ; add x20, x19, WANTED
        ; add x21, x19, SEEN
        ; movz x22, 0 // calls
        ; movz x23, 0 // wrong
        ; movz x24, 0 // last number told
        ; movz x26, u32::from(calls_on)
        ; told:
        ; ldar x25, [x20]
        ; cmn x25, 1
        ; b.eq >stop
        ; cmp x25, x24
        ; b.eq >idle
        ; isb
        ; bl =>target
        ; and x1, x25, 1
        ; cmp x0, x1
        ; cinc x23, x23, ne
        ; mov x24, x25
        ; add x22, x22, 1
        ; stlr x25, [x21]
        ; b <told
        ; idle:
        ; tbz x26, 0, <told
        ; bl =>target
        ; cmp x0, 1
        ; cinc x23, x23, hi
        ; add x22, x22, 1
        ; b <told
        ; stop:
        ; str x22, [x19, CALLS]
        ; str x23, [x19, WRONG]
        ; stlr x25, [x21]
        ; ldr x30, [sp], 16
        ; ret
        ; .align 64
        ; =>target
        ; b =>even
        ; brk 1
        ; =>even
        ; movz x0, 0
        ; ret
        ; =>odd
        ; movz x0, 1
        ; ret
        ; =>over
    );
    a.li(0, cpu);
    a64!(a; adr x1, =>worker; movz x2, 1; bl ->cpu_on; mov w3, w0);
    a.check(&format!("CPU {cpu} starts"), 3, 0);
    a.li(19, SHARED + 0x1000 * cpu);
    // The two branches are two and four words long.
    a.li(25, 0x1400_0002);
    a.li(26, 0x1400_0004);
    a.li(27, HANDSHAKES);
    a64!(a
        ; add x20, x19, WANTED
        ; add x21, x19, SEEN
        ; movz x22, 1
        ; adr x23, =>target
        ; next:
        ; tst x22, 1
        ; csel x0, x25, x26, eq
        ; str w0, [x23]
        ; mov x1, x23
        ; mov x2, x23
        ; bl ->publish
        ; stlr x22, [x20]
        ; wait:
        ; ldar x0, [x21]
        ; cmp x0, x22
        ; b.ne <wait
        ; add x22, x22, 1
        ; cmp x22, x27
        ; b.ls <next
        ; movn x22, 0
        ; stlr x22, [x20]
        ; wait:
        ; ldar x0, [x21]
        ; cmp x0, x22
        ; b.ne <wait
        ; ldr x3, [x19, WRONG]
        ; ldr x4, [x19, CALLS]
        ; cmp x4, x27
        ; cset x4, hs
    );
    let name = if calls_on { "changed while another CPU runs it" } else { "changed for another CPU" };
    a.check_true(&format!("{name}: it was called"), 4);
    let (strict, over) = (a.label(), a.label());
    if calls_on {
        // QEMU 10 can translate the old instruction once more while the new one is on its way to memory, some times in
        // a thousand: such a machine is let off, but says so.
        a64!(a; cbz x3, =>strict; cmp x3, HANDSHAKES as u32 / 100; b.hi =>strict);
        a.print("skip changed while another CPU runs it: this machine ran stale code at times\n");
        a64!(a; b =>over);
    }
    a64!(a; =>strict);
    a.check(&format!("{name}: wrong results"), 3, 0);
    a64!(a; =>over);
}

/// Pages that are written first, then run, then written and run again, without a word to the instruction cache.
fn unannounced(a: &mut Asm) {
    a.li(19, CODE + 0x8_0000);
    a.li(21, RET << 32 | u64::from(MOVZ_X0));
    a64!(a
        ; movz x23, 0
        ; movz x24, 16 // pages
        ; page:
        ; movz x22, 100
        ; next:
        ; orr x0, x21, x22, lsl 5
        ; str x0, [x19]
        ; dsb ish
        ; isb
        ; blr x19
        ; cmp x0, x22
        ; cinc x23, x23, ne
        ; subs x22, x22, 1
        ; b.ne <next
        ; add x19, x19, 1, lsl 12
        ; subs x24, x24, 1
        ; b.ne <page
    );
    a.check("written without maintenance: wrong results", 23, 0);
}

/// The same, when another CPU writes: it has written each page before this one runs it.
fn unannounced_by_other_cpu(a: &mut Asm, cpu: u64) {
    const PAGES: u64 = 16;
    let at = CODE + 0xa_0000;
    let shared = SHARED + 0x1000 * cpu;
    let (over, worker) = (a.label(), a.label());
    a64!(a; b =>over; =>worker);
    // Told of n = 1…, it writes `movz x0, #n; ret` into page n / 2.
    a.li(19, shared);
    a.li(20, at);
    a.li(21, RET << 32 | u64::from(MOVZ_X0));
    a64!(a
        ; movz x22, 1
        ; add x23, x19, WANTED
        ; add x24, x19, SEEN
        ; next:
        ; ldar x0, [x23]
        ; cmp x0, x22
        ; b.ne <next
        ; lsr x1, x22, 1
        ; add x1, x20, x1, lsl 12
        ; orr x0, x21, x22, lsl 5
        ; str x0, [x1]
        ; stlr x22, [x24]
        ; add x22, x22, 1
        ; cmp x22, 2 * PAGES as u32
        ; b.ls <next
        ; ret
        ; =>over
    );
    a.li(0, cpu);
    a64!(a; adr x1, =>worker; movz x2, 1; bl ->cpu_on; mov w3, w0);
    a.check(&format!("CPU {cpu} starts"), 3, 0);
    a.li(19, shared);
    a.li(20, at);
    a64!(a
        ; movz x22, 1
        ; movz x25, 0
        ; add x23, x19, WANTED
        ; add x24, x19, SEEN
        ; next:
        ; stlr x22, [x23]
        ; wait:
        ; ldar x0, [x24]
        ; cmp x0, x22
        ; b.ne <wait
        ; isb
        ; lsr x1, x22, 1
        ; add x1, x20, x1, lsl 12
        ; blr x1
        ; cmp x0, x22
        ; cinc x25, x25, ne
        ; add x22, x22, 1
        ; cmp x22, 2 * PAGES as u32
        ; b.ls <next
    );
    a.check("written without maintenance by another CPU: wrong results", 25, 0);
}
