//! The guest's side of [`Qemu`](super::Qemu): a static AArch64 Linux program, assembled here.
//!
//! It reads cases from its standard input, runs each, and writes outcomes to its standard output. A case always ends
//! in a signal, BRK's if no other; the handler finds the whole state in the signal frame and never returns to it.
//!
//! The page of code is mapped twice: a case cannot write where it runs, and the agent writes elsewhere.
//!
//! A case on the wire is the state (see [`STATE`]), the words and the page of memory; an outcome is the signal's number,
//! the PC, the state and the page.

use dynasmrt::aarch64::Aarch64Relocation;
use dynasmrt::{DynasmApi, DynasmLabelApi, VecAssembler, dynasm};

use super::{BUFFER, CODE, MAX_WORDS, PAGE};

/// Bytes of a state: X0–X30 and SP, PSTATE, FPCR, FPSR, padding, V0–V31.
pub(super) const STATE: usize = 800;
/// Bytes of a case.
pub(super) const CASE: usize = STATE + 4 * (MAX_WORDS + 1) + PAGE;
/// Bytes of an outcome.
pub(super) const OUTCOME: usize = 16 + STATE + PAGE;

const PROGRAM: u64 = 0x1010_0000;
// Where no 32-bit value points, nor the sum of two addresses that a case knows.
const INPUT: u64 = 0x17_5800_0000;
const OUTPUT: u64 = INPUT + 0x2000;
const WINDOW: u64 = INPUT + 0x4000;
const STACK: u64 = INPUT + 0x1_0000;
const STACK_BYTES: u64 = 0x1_0000;

/// System registers, as bits 19:5 of MSR encode them.
const NZCV: u32 = 0x5a10;
const FPCR: u32 = 0x5a20;
const FPSR: u32 = 0x5a21;

/// Offsets in the signal frame's `ucontext` (Linux, arch/arm64 uapi).
const UC_X: u32 = 184;
const UC_PC: u32 = 440;
const UC_PSTATE: u32 = 448;
const UC_FPSR: u32 = 472;
const UC_FPCR: u32 = 476;
const UC_V: u32 = 480;

/// The program as an ELF file.
pub(super) fn elf() -> Vec<u8> {
    let text = program();
    // Segments: address, bytes in the file, bytes in memory, flags (1 execute, 2 write, 4 read).
    let segments: [(u64, usize, u64, u32); 3] = [
        (PROGRAM, text.len(), text.len() as u64, 5),
        (BUFFER, 0, PAGE as u64, 6),
        (INPUT, 0, STACK + STACK_BYTES - INPUT, 6),
    ];
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    file.extend([2u16, 183].iter().flat_map(|n| n.to_le_bytes())); // executable, AArch64
    file.extend(1u32.to_le_bytes());
    file.extend([PROGRAM, 64, 0].iter().flat_map(|n| n.to_le_bytes())); // entry, program headers, section headers
    file.extend(0u32.to_le_bytes());
    file.extend([64u16, 56, segments.len() as u16, 64, 0, 0].iter().flat_map(|n| n.to_le_bytes()));
    for (at, in_file, in_memory, flags) in segments {
        file.extend([1, flags].iter().flat_map(|n| n.to_le_bytes()));
        file.extend([PAGE as u64, at, at, in_file as u64, in_memory, PAGE as u64].iter().flat_map(|n| n.to_le_bytes()));
    }
    file.resize(PAGE, 0);
    file.extend(text);
    file
}

#[allow(clippy::useless_conversion, reason = "dynasm converts the numbers of registers that it is given")]
fn program() -> Vec<u8> {
    let mut a: VecAssembler<Aarch64Relocation> = VecAssembler::new(PROGRAM as usize);
    let words = STATE as u32;
    let page = words + 4 * (MAX_WORDS as u32 + 1);
    dynasm!(a
        ; .arch aarch64
        // sigaltstack, then rt_sigaction for SIGILL, SIGTRAP, SIGBUS and SIGSEGV.
        ; adr x0, ->stack ; mov x1, 0 ; movz x8, 132 ; svc 0
        ; movz x0, 4 ; bl ->catch
        ; movz x0, 5 ; bl ->catch
        ; movz x0, 7 ; bl ->catch
        ; movz x0, 11 ; bl ->catch
        // memfd_create without a name, ftruncate, and mmap (MAP_SHARED | MAP_FIXED) to write and to execute.
        ; adr x0, ->nothing ; movz x1, 0 ; movz x8, 279 ; svc 0
        ; mov x4, x0 ; movz x1, PAGE as u32 ; movz x8, 46 ; svc 0
        ; movz x3, 0x11 ; movz x5, 0 ; movz x8, 222
        ; ldr x0, ->window ; movz x2, 3 ; svc 0
        ; ldr x0, ->code ; movz x2, 5 ; svc 0

        ; ->next:
        ; ldr x19, ->input ; movz x20, CASE as u32
        ; ->more:
        ; movz x0, 0 ; mov x1, x19 ; mov x2, x20 ; movz x8, 63 ; svc 0
        ; cmp x0, 0 ; b.le ->exit
        ; add x19, x19, x0 ; subs x20, x20, x0 ; b.ne ->more

        ; ldr x0, ->input ; movz x3, words ; add x0, x0, x3
        ; ldr x1, ->window ; movz x2, 4 * (MAX_WORDS as u32 + 1) ; bl ->copy
        // The least line of an instruction cache that CTR_EL0 tells of is `max`'s, of 32 bytes.
        ; ldr x1, ->code ; dsb ish ; movz x2, (MAX_WORDS as u32 + 1) / 8
        ; ->line: ; ic ivau, x1 ; add x1, x1, 32 ; subs x2, x2, 1 ; b.ne ->line
        ; dsb ish ; isb
        ; ldr x0, ->input ; movz x3, page ; add x0, x0, x3
        ; ldr x1, ->buffer ; movz x2, PAGE as u32 ; bl ->copy
        ; clrex

        ; ldr x30, ->input
        ; ldr x0, [x30, 256] ; msr NZCV, x0
        ; ldr x0, [x30, 264] ; msr FPCR, x0
        ; ldr x0, [x30, 272] ; msr FPSR, x0
        ; ldr x0, [x30, 248] ; mov sp, x0
        ; add x29, x30, 288
    );
    for n in (0..32u8).step_by(2) {
        dynasm!(a ; .arch aarch64 ; ldp Q(n), Q(n + 1), [x29, 16 * i32::from(n)]);
    }
    for n in (0..30u8).step_by(2) {
        dynasm!(a ; .arch aarch64 ; ldp X(n), X(n + 1), [x30, 8 * i32::from(n)]);
    }
    dynasm!(a ; .arch aarch64 ; ldr x30, [x30, 240]);
    let here = PROGRAM + a.offset().0 as u64;
    a.push_u32(0x1400_0000 | (CODE.wrapping_sub(here) >> 2) as u32 & 0x03ff_ffff);

    let handler = PROGRAM + a.offset().0 as u64;
    dynasm!(a
        ; .arch aarch64
        ; ldr x9, ->output
        ; str x0, [x9]
        ; mov x10, x2
        ; ldr x3, [x10, UC_PC] ; str x3, [x9, 8]
        ; ldr x3, [x10, UC_PSTATE] ; str x3, [x9, 272]
        ; ldr w3, [x10, UC_FPCR] ; str x3, [x9, 280]
        ; ldr w3, [x10, UC_FPSR] ; str x3, [x9, 288]
        ; add x0, x10, UC_X ; add x1, x9, 16 ; movz x2, 256 ; bl ->copy
        ; add x0, x10, UC_V ; add x1, x9, 304 ; movz x2, 512 ; bl ->copy
        ; ldr x0, ->buffer ; add x1, x9, 816 ; movz x2, PAGE as u32 ; bl ->copy
        ; mov x19, x9 ; movz x20, OUTCOME as u32
        ; ->rest:
        ; movz x0, 1 ; mov x1, x19 ; mov x2, x20 ; movz x8, 64 ; svc 0
        ; cmp x0, 0 ; b.le ->exit
        ; add x19, x19, x0 ; subs x20, x20, x0 ; b.ne ->rest
        ; b ->next

        ; ->exit:
        ; movz x0, 0 ; movz x8, 94 ; svc 0

        // Copies x2 bytes, a multiple of 16, from x0 to x1.
        ; ->copy:
        ; ldp x3, x4, [x0], 16 ; stp x3, x4, [x1], 16
        ; subs x2, x2, 16 ; b.ne ->copy
        ; ret

        ; ->catch:
        ; adr x1, ->action ; movz x2, 0 ; movz x3, 8 ; movz x8, 134 ; svc 0
        ; ret

        ; .align 8
        ; ->input: ; .u64 INPUT
        ; ->output: ; .u64 OUTPUT
        ; ->code: ; .u64 CODE
        ; ->window: ; .u64 WINDOW
        ; ->nothing: ; .u64 0
        ; ->buffer: ; .u64 BUFFER
        ; ->stack: ; .u64 STACK ; .u64 0 ; .u64 STACK_BYTES
        // struct sigaction: handler, SA_SIGINFO | SA_ONSTACK | SA_NODEFER, restorer, mask.
        ; ->action:
    );
    for word in [handler, 0x4800_0004, 0, 0] {
        a.push_u64(word);
    }
    a.finalize().expect("every label of the agent is defined and in reach")
}
