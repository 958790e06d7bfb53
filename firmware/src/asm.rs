//! The assembler that programs are written with: dynasm's, and a few phrases that every test needs.
//!
//! Registers: phrases and the runtime's routines may change x0–x2, x16, x17 and x30, nothing else, unless they say so.

use dynasmrt::aarch64::Aarch64Relocation;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, VecAssembler};

use crate::image;
use crate::runtime::{CpuArea, Vector};

/// `dynasm!` for AArch64 into an [`Asm`].
macro_rules! a64 {
    ($a:ident ; $($code:tt)*) => { dynasmrt::dynasm!($a.ops ; .arch aarch64 ; $($code)*) };
}
pub(crate) use a64;

/// A program being assembled.
pub(crate) struct Asm {
    pub(crate) ops: VecAssembler<Aarch64Relocation>,
    strings: Vec<(DynamicLabel, Vec<u8>)>,
}

impl Asm {
    pub(crate) fn new() -> Asm {
        let mut ops = VecAssembler::new((image::RAM + image::TEXT_OFFSET) as usize);
        ops.extend(image::header());
        Asm { ops, strings: Vec::new() }
    }

    /// The finished image: strings behind the code, padded to whole words.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        for (label, text) in std::mem::take(&mut self.strings) {
            self.ops.dynamic_label(label);
            self.ops.extend(&text);
            self.ops.push(0);
        }
        self.ops.align(16, 0);
        self.ops.finalize().expect("every label of a program is defined and in reach")
    }

    pub(crate) fn label(&mut self) -> DynamicLabel {
        self.ops.new_dynamic_label()
    }

    /// A label on the next instruction.
    pub(crate) fn here(&mut self) -> DynamicLabel {
        let label = self.label();
        self.ops.dynamic_label(label);
        label
    }

    /// The label of a zero-terminated text that stands behind the code.
    pub(crate) fn string(&mut self, text: &str) -> DynamicLabel {
        let label = self.label();
        self.strings.push((label, text.as_bytes().to_vec()));
        label
    }

    /// Any 64-bit constant into `x{reg}`.
    pub(crate) fn li(&mut self, reg: u8, value: u64) {
        let half = |n: u32| (value >> (16 * n)) as u16 as u32;
        let low = (0..4).find(|&n| half(n) != 0).unwrap_or(0);
        a64!(self; movz X(reg), half(low), lsl 16 * low);
        for n in (low + 1..4).filter(|&n| half(n) != 0) {
            a64!(self; movk X(reg), half(n), lsl 16 * n);
        }
    }

    /// Prints a text.
    pub(crate) fn print(&mut self, text: &str) {
        let text = self.string(text);
        a64!(self; adr x0, =>text; bl ->puts);
    }

    /// States that `x{reg}` holds `expected`.
    pub(crate) fn check(&mut self, name: &str, reg: u8, expected: u64) {
        let name = self.string(name);
        a64!(self; mov x2, X(reg));
        self.li(1, expected);
        a64!(self; adr x0, =>name; bl ->check);
    }

    /// States that `x{reg}` holds what `x{expected}` holds.
    pub(crate) fn check_same(&mut self, name: &str, reg: u8, expected: u8) {
        let name = self.string(name);
        a64!(self
            ; mov x16, X(expected)
            ; mov x2, X(reg)
            ; mov x1, x16
            ; adr x0, =>name
            ; bl ->check
        );
    }

    /// States that `x{reg}` holds the address of a label.
    pub(crate) fn check_label(&mut self, name: &str, reg: u8, expected: DynamicLabel) {
        let name = self.string(name);
        a64!(self; mov x2, X(reg); adr x1, =>expected; adr x0, =>name; bl ->check);
    }

    /// States that the condition `cset` left as 1 in `x{reg}` holds.
    pub(crate) fn check_true(&mut self, name: &str, reg: u8) {
        self.check(name, reg, 1);
    }

    /// Code in which an exception is expected: the exception is recorded, and execution goes on behind the code at
    /// EL1h with interrupts masked. Where none is taken, the record says [`Vector::NONE`]. The code starts with NZCV clear.
    pub(crate) fn expect(&mut self, code: impl FnOnce(&mut Asm)) {
        let resume = self.label();
        a64!(self
            ; mrs x17, crate::sysreg::TPIDR_EL1
            ; adr x16, =>resume
            ; str x16, [x17, CpuArea::RESUME]
            ; movz x16, Vector::NONE as u32
            ; str x16, [x17, CpuArea::VECTOR]
            ; msr crate::sysreg::NZCV, xzr
        );
        code(self);
        a64!(self
            ; =>resume
            ; mrs x17, crate::sysreg::TPIDR_EL1
            ; str xzr, [x17, CpuArea::RESUME]
        );
    }

    /// A field of the last recorded exception into `x{reg}`.
    pub(crate) fn recorded(&mut self, reg: u8, field: u32) {
        a64!(self; mrs x17, crate::sysreg::TPIDR_EL1; ldr X(reg), [x17, field]);
    }

    /// States vector and syndrome of the last recorded exception.
    pub(crate) fn check_exception(&mut self, name: &str, vector: u64, esr: u64) {
        self.recorded(2, CpuArea::VECTOR);
        self.check(&format!("{name}: vector"), 2, vector);
        self.recorded(2, CpuArea::ESR);
        self.check(&format!("{name}: ESR_EL1"), 2, esr);
    }

    /// States return address and saved state of the last recorded exception.
    pub(crate) fn check_return(&mut self, name: &str, elr: DynamicLabel, spsr: u64) {
        self.recorded(2, CpuArea::ELR);
        self.check_label(&format!("{name}: ELR_EL1"), 2, elr);
        self.recorded(2, CpuArea::SPSR);
        self.check(&format!("{name}: SPSR_EL1"), 2, spsr);
    }

    /// States the fault address of the last recorded exception.
    pub(crate) fn check_far(&mut self, name: &str, far: u64) {
        self.recorded(2, CpuArea::FAR);
        self.check(&format!("{name}: FAR_EL1"), 2, far);
    }

    /// Sets this CPU's interrupt handler. It may change x0–x11, x16, x17 and x30, and runs with interrupts masked.
    pub(crate) fn on_irq(&mut self, handler: DynamicLabel) {
        a64!(self; mrs x17, crate::sysreg::TPIDR_EL1; adr x16, =>handler; str x16, [x17, CpuArea::IRQ_HANDLER]);
    }

    /// Returns to a label by ERET with the given SPSR_EL1. Changes x0.
    pub(crate) fn eret_to(&mut self, label: DynamicLabel, spsr: u64) {
        a64!(self; adr x0, =>label; msr crate::sysreg::ELR_EL1, x0);
        self.li(0, spsr);
        a64!(self; msr crate::sysreg::SPSR_EL1, x0; eret);
    }

    /// A read-modify-write of a system register: clears `clear`, then sets `set`. Changes x0, x1.
    pub(crate) fn change_sysreg(&mut self, register: u32, clear: u64, set: u64) {
        a64!(self; mrs x0, register);
        self.li(1, clear);
        a64!(self; bic x0, x0, x1);
        self.li(1, set);
        a64!(self; orr x0, x0, x1; msr register, x0; isb);
    }
}
