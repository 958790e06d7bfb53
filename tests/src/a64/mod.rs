//! The instruction set against QEMU: random cases, and vectors kept as text.
//!
//! A [`Case`] is a state, a page of memory and a few instruction words; an [`Engine`] runs it and reports the
//! [`Outcome`]. [`Qemu`] is the judge; [`Interpreter`] and whatever else executes A64 must agree with it. [`Generator`]
//! makes cases from the instruction table, so a new row is tested without being named here.
//!
//! ```text
//! generate ─→ Case ─→ { qemu (agent in the guest), interpreter, … } ─→ Outcome ─→ compare
//!                └──→ vectors (tests/a64/*.ins)
//! ```
//! Left out: system registers but for NZCV, FPCR and FPSR; exceptions but for their class; ordering and concurrency.

mod agent;
mod campaign;
mod compare;
mod generate;
mod interpreter;
mod qemu;
mod quirks;
mod tally;
mod translator;
pub mod vectors;

use emu::a64::Row;
use emu::ir::block::Block;
use emu::ir::{Context, Lift};

pub use campaign::{Findings, campaign};
pub use compare::{Culprit, culprit, difference};
pub use generate::{Generator, Random, testable};
pub use interpreter::Interpreter;
pub use qemu::Qemu;
pub use quirks::{QUIRKS, Quirk};
pub use tally::Tally;
pub use translator::{Manner, Translator};

/// Address of the first word of a case; the rest of its page is BRK.
pub const CODE: u64 = 0x1000_0000;
/// Address of the page of memory that a case may use; its neighbours are unmapped.
pub const BUFFER: u64 = 0x2000_0000;
/// Bytes of that page, and of the code's.
pub const PAGE: usize = 4096;
/// Most words of a case.
pub const MAX_WORDS: usize = 31;
/// What ends a case: BRK #0.
pub const BRK: u32 = 0xd420_0000;
/// Bits of FPCR that cases use: AHP, DN, FZ, RMode, FZ16.
pub const FPCR_MASK: u32 = 0x07c8_0000;
/// Bits of FPSR that are state: QC, IDC, IXC, UFC, OFC, DZC, IOC.
pub const FPSR_MASK: u32 = 0x0800_009f;

/// The context of a kernel, in which most instructions are allowed.
pub const KERNEL: Context = Context { spsel: true, sp_check: true, mmu: true, ..Context::PLAIN };

/// Lifts a word of a row's at [`CODE`]; the block, and whether it goes on after the instruction.
#[must_use]
pub fn lift(row: &Row, word: u32, context: Context) -> (Block, bool) {
    let mut lift = Lift::new(CODE, context, true, Block::default());
    let next = lift.instruction(|lift| (row.lift)(lift, word));
    (lift.finish(), next)
}

/// The CPU that a case is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// Cortex-A76: Armv8.2-A, the machine's own level.
    A76,
    /// A Cortex-A76 under a kernel that has the alignment of all accesses and of the stack pointer checked (SCTLR_EL1.A
    /// and SA0), which QEMU's user mode cannot be.
    Strict,
    /// QEMU's `max`: for rows beyond that. It has LSE2, and so fewer alignment faults.
    Max,
}

impl Model {
    /// The model that has the row of that name.
    #[must_use]
    pub fn of(row: &str) -> Self {
        const BEYOND: [&str; 9] = ["rmif", "setf8", "setf16", "cfinv", "stlur", "ldapur", "ldapursx", "ldapursw", "sb"];
        // FEAT_SHA512, FEAT_SHA3, FEAT_SM3, FEAT_SM4.
        const CIPHERS: [&str; 7] = ["sha512", "eor3", "bcax", "rax1", "xar", "sm3", "sm4"];
        // FEAT_FCMA, FEAT_JSCVT.
        const FLOATING: [&str; 3] = ["fcmla", "fcadd", "fjcvtzs"];
        let begins = |names: &[&str]| names.iter().any(|name| row.starts_with(name));
        let beyond = BEYOND.contains(&row) || begins(&CIPHERS) || begins(&FLOATING);
        if beyond { Self::Max } else { Self::A76 }
    }
}

/// Registers of a user program.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// X0–X30 and SP.
    pub x: [u64; 32],
    /// V0–V31.
    pub v: [u128; 32],
    /// NZCV in bits 3:0.
    pub nzcv: u32,
    /// FPCR.
    pub fpcr: u32,
    /// FPSR.
    pub fpsr: u32,
}

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// On which CPU.
    pub model: Model,
    /// At [`CODE`], followed by [`BRK`].
    pub words: Vec<u32>,
    /// Before.
    pub state: State,
    /// [`PAGE`] bytes at [`BUFFER`].
    pub buffer: Vec<u8>,
}

/// What stopped a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// BRK; at the end of the words, or where a branch led.
    Trap,
    /// UNDEFINED.
    Illegal,
    /// An access or a fetch outside the mapped pages.
    Fault,
    /// A misaligned access or PC.
    Alignment,
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What stopped it.
    pub signal: Signal,
    /// Where.
    pub pc: u64,
    /// After.
    pub state: State,
    /// The memory after.
    pub buffer: Vec<u8>,
}

/// Something that executes A64.
pub trait Engine {
    /// Runs a case to its end.
    fn run(&mut self, case: &Case) -> Outcome;
}
