//! What translated code addresses off RBP: the CPU state, and its own working memory.

use std::mem::offset_of;

use crate::ir::block::Comparison;
use crate::state::{CpuState, Flags};

/// Why translated code returned to the run loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Exit {
    /// Go on at the state's PC, and let the jump at [`Frame::link`] lead there from now on.
    Link,
    /// Go on at the state's PC, which an indirect jump led to that has no entry in the table, or that met attention; the
    /// PC may have a tag.
    Indirect,
    /// Go on at the state's PC, where code was dropped: tables that name it are to be corrected.
    Stale,
    /// Go on at the state's PC by a unit that is [`apart`](crate::ir::Context::apart), for at least an instruction, and let
    /// the jump at [`Frame::link`] lead there, unless that is 0.
    Apart,
    /// Go on at the state's PC after serving requests: somebody asked for attention, or the context may have changed.
    Sync,
}

impl Exit {
    /// From the number that translated code returned.
    #[must_use]
    pub fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Link,
            1 => Self::Indirect,
            2 => Self::Stale,
            3 => Self::Apart,
            _ => Self::Sync,
        }
    }
}

/// Spill slots for integers.
pub(super) const SPILLS: usize = 64;
/// Spill slots for vectors.
pub(super) const VECTOR_SPILLS: usize = 32;

/// The frame of one vCPU. RBP points `BIAS` bytes into it, so that X0–X31 are in reach of 8-bit displacements.
#[derive(Debug)]
#[repr(C)]
pub struct Frame {
    /// Architectural state.
    pub s: CpuState,
    /// Address of the `AtomicU32` that is not zero when somebody wants the vCPU's attention.
    pub attention: usize,
    /// Address of the `AtomicU32` that is not zero while an interrupt is pending, masked or not.
    pub lines: usize,
    /// Virtual address of the page whose code runs, for code that holds at any.
    pub page: u64,
    /// Address of the current context's tables.
    pub tables: usize,
    /// Address of EL0's tables, for unprivileged accesses.
    pub el0_tables: usize,
    /// The [`Runtime`](super::Runtime), for thunks.
    pub(super) runtime: usize,
    /// The function that thunks call.
    pub(super) slow: usize,
    /// The function that thunks call to go on at the state's PC.
    pub(super) arrive: usize,
    /// The function that thunks call to take an exception or return from one.
    pub(super) depart: usize,
    /// Host address of the jump that asks to be linked.
    pub link: u64,
    /// Host stack pointer to return with.
    pub(super) host_sp: u64,
    /// The guest's, which holds sticky flags that FPSR lacks; all exceptions are masked.
    pub(super) mxcsr: u32,
    pub(super) host_mxcsr: u32,
    /// General-purpose registers, by number, while a thunk runs.
    pub(super) saved: [u64; 16],
    /// Vector registers while a thunk runs.
    pub(super) saved_v: [u128; 16],
    pub(super) spill: [u64; SPILLS],
    pub(super) spill_v: [u128; VECTOR_SPILLS],
}

/// RBP minus the frame's address.
pub(super) const BIAS: i32 = 128;

/// Displacement from RBP of a field at this offset.
pub(super) const fn at(offset: usize) -> i32 {
    offset as i32 - BIAS
}

/// Displacement of Xn: a byte, which the bias is for.
pub(super) const fn x(n: u8) -> i8 {
    at(8 * n as usize) as i8
}

/// Displacement of Vn.
pub(super) const fn v(n: u8) -> i32 {
    at(offset_of!(Frame, s) + offset_of!(CpuState, v) + 16 * n as usize)
}

/// Displacement of the PC.
pub(super) const PC: i32 = at(offset_of!(Frame, s) + offset_of!(CpuState, pc));
/// Displacement of the packed flags.
pub(super) const FLAGS: i32 = at(offset_of!(Frame, s) + offset_of!(CpuState, flags));

const _: () = assert!(offset_of!(Frame, s) == 0 && offset_of!(CpuState, x) == 0 && BIAS == 128);

impl Frame {
    /// Code at the state's PC is about to run.
    pub fn enter_page(&mut self) {
        self.page = self.s.pc & !0xfff;
    }

    /// A frame around a state; its pointers are set before each entry.
    #[must_use]
    pub fn new(s: CpuState) -> Box<Self> {
        Box::new(Self {
            s,
            attention: 0,
            lines: 0,
            page: 0,
            tables: 0,
            el0_tables: 0,
            runtime: 0,
            slow: 0,
            arrive: 0,
            depart: 0,
            link: 0,
            host_sp: 0,
            mxcsr: 0x1f80,
            host_mxcsr: 0x1f80,
            saved: [0; 16],
            saved_v: [0; 16],
            spill: [0; SPILLS],
            spill_v: [0; VECTOR_SPILLS],
        })
    }

    /// Has NZCV be in the state, which has come from a comparison if any is owed; dirty homes have been written.
    pub(super) fn pay(&mut self, owed: Option<Comparison>) {
        if let Some(comparison) = owed {
            self.s.flags = Flags::from_nzcv(comparison.nzcv(&self.s.x));
        }
    }

    /// Moves the sticky flags that translated code has left in MXCSR to FPSR. The host's flag for denormal operands has
    /// no counterpart: Arm's means that one was flushed.
    pub(super) fn fold_flags(&mut self) {
        // IE, then, past DE, ZE, OE, UE, PE; in FPSR: IOC, DZC, OFC, UFC, IXC.
        self.s.fp.fpsr |= self.mxcsr & 1 | self.mxcsr >> 1 & 0x1e;
        self.mxcsr &= !0x3f;
    }
}
