//! The ends of blocks: inner branches, links to other units, indirect jumps, returns to the run loop.

use std::mem::offset_of;

use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};

use super::super::frame::{self, Frame, PC};
use super::super::moving::Field;
use super::super::optimizations::Optimizations;
use super::super::site::{self, HomeSet, OWNED, OWNERS_ONLY};
use super::super::thunks::{Leaving, reg};
use super::Emitter;
use super::alloc::At;
use crate::ir::block::{Code, Comparison, FIRST_V, Term, Val};
use crate::ir::op::{IntOp, Op};
use crate::mmu::tlb::{ENTRIES, JUMP_MASK, Memory, slot};

/// Code behind the unit by which an edge leaves it.
#[derive(Debug)]
pub(super) struct ColdExit {
    label: DynamicLabel,
    /// Homes that differ from the state there.
    dirty: HomeSet,
    /// Address of the block that it leaves.
    from: u64,
    target: u64,
    /// What NZCV comes from, if it is not in the state.
    owed: Option<Comparison>,
    why: Why,
}

#[derive(Debug)]
enum Why {
    /// To another unit.
    Edge,
    /// Attention at a jump backwards.
    Attention,
    /// To a unit that is apart, at an instruction of the block.
    Apart,
}

impl Emitter<'_> {
    pub(super) fn emit_term(&mut self, n: usize) {
        match self.block.term {
            Term::Jump(target) => {
                self.settle_flags();
                self.jump_to(n, target);
            }
            Term::Call { target, .. } | Term::Fence(target) => {
                self.settle_flags();
                self.leave_edge(self.block.va, target);
            }
            Term::If { cond, target, next } => self.branch(n, cond, target, next),
            Term::Indirect { target, .. } => {
                self.settle_flags();
                self.settle_exit();
                let r = self.register(target);
                dynasm!(self.a ; .arch x64 ; mov rax, Rq(r));
                self.leave_homes(self.dirty);
                self.indirect();
            }
            Term::Sync(next) => {
                self.settle_flags();
                self.settle_exit();
                self.leave_homes(self.dirty);
                self.leave_by(self.thunks.sync, next);
            }
            Term::Poll(next) => {
                self.settle_flags();
                let lines = frame::at(offset_of!(Frame, lines));
                let pending = self.cold_exit(next, Why::Attention);
                dynasm!(self.a ; .arch x64 ; mov rax, [rbp + lines] ; cmp DWORD [rax], 0 ; jne =>pending);
                self.jump_to(n, next);
            }
            Term::Resume => {
                self.leave_homes(self.dirty);
                let resume = self.thunks.resume;
                dynasm!(self.a ; .arch x64 ; jmp extern resume as usize);
            }
            // The last instruction's thunk does not come back.
            Term::Raised => dynasm!(self.a ; .arch x64 ; ud2),
        }
    }

    /// Writes homes that differ to the state, unless their owners have them, and gives those that were lent back; the flags
    /// stay.
    pub(super) fn leave_homes(&mut self, dirty: HomeSet) {
        let lent = self.survey.lent;
        for (home, guest) in self.homes(dirty & (lent | !OWNED)) {
            match guest.checked_sub(FIRST_V) {
                None => dynasm!(self.a ; .arch x64 ; mov [BYTE rbp + frame::x(guest)], Rq(home)),
                Some(v) => dynasm!(self.a ; .arch x64 ; vmovdqu [rbp + frame::v(v)], Rx(home)),
            }
        }
        for (home, owner) in site::homes(OWNERS_ONLY, lent) {
            dynasm!(self.a ; .arch x64 ; mov Rq(home), [BYTE rbp + frame::x(owner)]);
        }
    }

    /// Writes the PC.
    pub(super) fn leave_to(&mut self, va: u64) {
        self.target(va);
        dynasm!(self.a ; .arch x64 ; mov [rbp + PC], rax);
    }

    /// Calls a thunk that leaves the unit for an address.
    fn leave_by(&mut self, thunk: Leaving, va: u64) {
        let thunk = thunk[usize::from(self.unit.context.relative())];
        dynasm!(self.a ; .arch x64 ; call extern thunk as usize);
        self.address_datum(va);
    }

    /// An address, for thunks: where the unit holds at any, by its distance from the unit's page.
    pub(super) fn address_datum(&mut self, va: u64) {
        if self.unit.context.relative() {
            self.a.extend(self.offset(va).to_le_bytes());
        } else {
            self.a.extend(va.to_le_bytes());
            self.a.mark(Field::Place, 8);
        }
    }

    /// How far an address is from the unit's page.
    fn offset(&self, va: u64) -> u64 {
        va.wrapping_sub(self.block.va & !0xfff)
    }

    /// Brings an address to RAX; the flags stay.
    fn target(&mut self, va: u64) {
        self.near(reg::RAX, self.offset(va));
    }

    /// Brings the address of the page that runs, plus an offset, to a register; the flags stay.
    pub(super) fn near(&mut self, r: u8, offset: u64) {
        if !self.unit.context.relative() {
            let va = (self.block.va & !0xfff).wrapping_add(offset);
            dynasm!(self.a ; .arch x64 ; mov Rq(r), QWORD va as i64);
            self.a.mark(Field::Place, 8);
            return;
        }
        let page = frame::at(offset_of!(Frame, page));
        match i32::try_from(offset as i64) {
            Ok(offset) => dynasm!(self.a ; .arch x64 ; mov Rq(r), [rbp + page] ; lea Rq(r), [Rq(r) + offset]),
            Err(_) => {
                self.move_constant(reg::RCX, offset);
                dynasm!(self.a ; .arch x64 ; mov Rq(r), [rbp + page] ; lea Rq(r), [Rq(r) + rcx]);
            }
        }
    }

    /// A jump when the host's condition holds.
    pub(super) fn jump_if(&mut self, condition: u8, label: DynamicLabel) {
        match condition {
            0x0 => dynasm!(self.a ; .arch x64 ; jo =>label),
            0x1 => dynasm!(self.a ; .arch x64 ; jno =>label),
            0x2 => dynasm!(self.a ; .arch x64 ; jb =>label),
            0x3 => dynasm!(self.a ; .arch x64 ; jae =>label),
            0x4 => dynasm!(self.a ; .arch x64 ; je =>label),
            0x5 => dynasm!(self.a ; .arch x64 ; jne =>label),
            0x6 => dynasm!(self.a ; .arch x64 ; jbe =>label),
            0x7 => dynasm!(self.a ; .arch x64 ; ja =>label),
            0x8 => dynasm!(self.a ; .arch x64 ; js =>label),
            0x9 => dynasm!(self.a ; .arch x64 ; jns =>label),
            0xc => dynasm!(self.a ; .arch x64 ; jl =>label),
            0xd => dynasm!(self.a ; .arch x64 ; jge =>label),
            0xe => dynasm!(self.a ; .arch x64 ; jle =>label),
            _ => dynasm!(self.a ; .arch x64 ; jg =>label),
        }
    }

    /// Emits the test of a condition; the host's condition code that is true when the value is not zero.
    fn test(&mut self, cond: Val) -> u8 {
        if let At::Cond(cond) = self.at[usize::from(cond.0)] {
            self.settle_flags();
            return self.host_condition(cond);
        }
        let fused = self.at[usize::from(cond.0)] == At::Fused;
        let inst = self.block.insts[usize::from(cond.0)];
        self.settle_flags();
        match inst.code {
            Code::Op(Op::Int(op)) if fused => {
                let r = self.register(inst.args[0]);
                let n = inst.imm as i8;
                match op {
                    IntOp::IsZero32 | IntOp::NotZero32 => dynasm!(self.a ; .arch x64 ; test Rd(r), Rd(r)),
                    IntOp::IsZero64 | IntOp::NotZero64 => dynasm!(self.a ; .arch x64 ; test Rq(r), Rq(r)),
                    _ => dynasm!(self.a ; .arch x64 ; bt Rq(r), n),
                }
                match op {
                    IntOp::IsZero32 | IntOp::IsZero64 => 0x4,
                    IntOp::NotZero32 | IntOp::NotZero64 => 0x5,
                    IntOp::Bit => 0x2,
                    _ => 0x3,
                }
            }
            _ => {
                let r = self.register(cond);
                dynasm!(self.a ; .arch x64 ; test Rq(r), Rq(r));
                0x5
            }
        }
    }

    fn branch(&mut self, n: usize, cond: Val, target: u64, next: u64) {
        if let Some(known) = self.constant(cond) {
            self.settle_flags();
            return self.jump_to(n, if known != 0 { target } else { next });
        }
        let condition = self.test(cond);
        match self.survey.block_at(target) {
            Some(t) if t > n => {
                let label = self.labels[t];
                self.jump_if(condition, label);
            }
            Some(_) => {
                let over = self.a.new_dynamic_label();
                self.jump_if(condition ^ 1, over);
                self.jump_to(n, target);
                dynasm!(self.a ; .arch x64 ; =>over);
            }
            None => {
                let label = self.cold_exit(target, Why::Edge);
                self.jump_if(condition, label);
            }
        }
        self.jump_to(n, next);
    }

    fn cold_exit(&mut self, target: u64, why: Why) -> DynamicLabel {
        let label = self.a.new_dynamic_label();
        let (dirty, owed) = (self.dirty, self.owed_out);
        self.exits.push(ColdExit { label, dirty, from: self.block.va, target, owed, why });
        label
    }

    /// Where to go on at the current instruction by a unit that is apart.
    pub(super) fn apart(&mut self) -> DynamicLabel {
        let label = self.a.new_dynamic_label();
        let (dirty, owed, from) = (self.dirty, self.owed, self.block.va);
        let target = from.wrapping_add(4 * u64::from(self.block.insts[self.index].guest));
        self.exits.push(ColdExit { label, dirty, from, target, owed, why: Why::Apart });
        label
    }

    pub(super) fn emit_cold_exit(&mut self, exit: ColdExit) {
        let ColdExit { label, dirty, from, target, owed, why } = exit;
        dynasm!(self.a ; .arch x64 ; =>label);
        self.owed_out = owed;
        match why {
            Why::Edge => {
                self.dirty = dirty;
                self.leave_edge(from, target);
            }
            Why::Attention => {
                self.settle_exit();
                self.leave_homes(dirty);
                self.leave_by(self.thunks.sync, target);
            }
            Why::Apart => {
                self.settle_exit();
                self.leave_homes(dirty);
                if self.leaves_out(Optimizations::LINKS) {
                    let unlinked = self.thunks.apart_unlinked;
                    self.leave_to(target);
                    dynasm!(self.a ; .arch x64 ; jmp extern unlinked as usize);
                } else {
                    self.link(self.thunks.apart, target);
                }
            }
        }
    }

    /// Goes on at an address from block `n`: within the unit, or out of it.
    fn jump_to(&mut self, n: usize, target: u64) {
        match self.survey.block_at(target) {
            Some(t) if t == n + 1 => {}
            Some(t) if t > n => {
                let label = self.labels[t];
                dynasm!(self.a ; .arch x64 ; jmp =>label);
            }
            Some(t) => {
                let attention = self.cold_exit(target, Why::Attention);
                let label = self.labels[t];
                self.poll();
                dynasm!(self.a ; .arch x64 ; je =>label ; jmp =>attention);
            }
            None => self.leave_edge(self.block.va, target),
        }
    }

    /// Sets the host's Z when nobody wants attention.
    fn poll(&mut self) {
        let attention = frame::at(offset_of!(Frame, attention));
        dynasm!(self.a ; .arch x64 ; mov rax, [rbp + attention] ; cmp DWORD [rax], 0);
    }

    /// Leaves the unit for a fixed address, by a jump that the run loop links to the unit there.
    fn leave_edge(&mut self, from: u64, target: u64) {
        self.settle_exit();
        self.leave_homes(self.dirty);
        if self.leaves_out(Optimizations::LINKS) {
            self.target(target);
            return self.indirect();
        }
        let far = (target ^ from) >> 12 != 0;
        // A jump by the table of jumps looks by itself.
        let backwards = target.wrapping_sub(from) as i64 <= 0;
        if backwards && !(far && self.unit.context.relative()) {
            let attention = self.a.new_dynamic_label();
            self.exits.push(ColdExit { label: attention, dirty: 0, from, target, owed: None, why: Why::Attention });
            self.poll();
            dynasm!(self.a ; .arch x64 ; jne =>attention);
        }
        if !far {
            self.link(self.thunks.link, target);
        } else if self.unit.context.relative() {
            self.target(target);
            self.indirect();
        } else {
            // cmp [identity of the page there], imm32; jne rel32; nop; jmp rel32: both fields aligned. Both jumps lead behind
            // them, at first.
            let code = CODE + 4 * slot(target) as i32;
            let guarded = self.thunks.guarded;
            self.align_field(7);
            dynasm!(self.a ; .arch x64 ; cmp DWORD [r15 + code], DWORD UNLINKED);
            self.a.mark(Field::Guard, 8);
            dynasm!(self.a
                ; .arch x64
                ; .bytes [0x0f, 0x85, 6, 0, 0, 0, 0x90, 0xe9, 0, 0, 0, 0]
                ; call extern guarded as usize
            );
            self.address_datum(target);
        }
        const { assert!(ENTRIES * 4 <= i32::MAX as usize) };
    }

    /// jmp rel32 to the instruction behind it, its displacement aligned, which asks for an address of the same page.
    fn link(&mut self, thunk: Leaving, target: u64) {
        self.align_field(1);
        self.a.extend([0xe9, 0, 0, 0, 0]);
        self.leave_by(thunk, target);
    }

    /// Pads so that the field `ahead` bytes from here is aligned to four bytes.
    fn align_field(&mut self, ahead: usize) {
        while !(self.a.offset().0 + ahead).is_multiple_of(4) {
            dynasm!(self.a ; .arch x64 ; nop);
        }
    }

    /// Goes on at the guest address in RAX.
    fn indirect(&mut self) {
        if self.leaves_out(Optimizations::JUMPS) {
            let thunk = self.thunks.indirect;
            return dynasm!(self.a ; .arch x64 ; jmp extern thunk as usize);
        }
        let attention = frame::at(offset_of!(Frame, attention));
        let jumps = offset_of!(Memory, jumps) as i32;
        let thunk = self.thunks.indirect;
        dynasm!(self.a
            ; .arch x64
            ; mov rdx, [rbp + attention]
            ; mov ecx, eax
            ; and ecx, JUMP_MASK
            ; cmp DWORD [rdx], 0
            ; jne extern thunk as usize
            ; cmp rax, [r15 + rcx * 4 + jumps]
            ; jne extern thunk as usize
        );
        if self.unit.context.relative() {
            let page = frame::at(offset_of!(Frame, page));
            dynasm!(self.a ; .arch x64 ; and rax, -4096 ; mov [rbp + page], rax);
        }
        dynasm!(self.a ; .arch x64 ; jmp QWORD [r15 + rcx * 4 + jumps + 8]);
    }
}

/// Displacement of the identities of pages of code.
const CODE: i32 = offset_of!(Memory, code) as i32;

/// The displacement in a guard, if its jump leads to an address that is further by `away`.
pub(in super::super) fn moved_guard(displacement: u32, away: u64) -> u32 {
    let slot = displacement.wrapping_sub(CODE as u32) / 4;
    let slot = slot.wrapping_add((away >> 12) as u32) % ENTRIES as u32;
    CODE as u32 + 4 * slot
}

/// The identity in a guard that was never linked; no page has it.
pub(in super::super) const UNLINKED: i32 = -1;
