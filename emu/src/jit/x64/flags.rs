//! NZCV: kept in the host's flags while it can be, written to the state when something may look at it there.
//!
//! In the host's flags, CF is Arm's C inverted, as a subtraction leaves it, or C itself, as the others do. In the state it
//! is inverted.

use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};

use super::super::frame::{self, FLAGS};
use super::super::optimizations::Optimizations;
use super::super::thunks::reg;
use super::Emitter;
use super::alloc::At;
use crate::ir::Cond;
use crate::ir::block::{Code, Comparison, FlagsOp, Operand, Term, Val};
use crate::state::Flags;

/// Where NZCV is.
#[derive(Debug, Clone, Copy)]
pub(super) struct State {
    /// The host's flags hold it.
    valid: bool,
    /// CF is C, not C inverted.
    direct: bool,
    /// The state holds it.
    stored: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { valid: false, direct: false, stored: true }
    }
}

impl Emitter<'_> {
    /// Before an instruction that changes the host's flags: nothing that is still needed is lost.
    pub(super) fn clobber_flags(&mut self) {
        self.materialise_conditions();
        if self.flags.valid && !self.flags.stored && self.lives[self.index].nzcv {
            self.store_flags();
        }
        self.flags.valid = false;
    }

    /// Whether the host's flags hold something that [`Emitter::clobber_flags`] would have to save.
    pub(super) fn needs_flags(&self) -> bool {
        let nzcv = !self.flags.stored && self.lives[self.index].nzcv;
        self.flags.valid && (nzcv || !self.conditions.is_empty())
    }

    /// The host's condition code for an Arm condition, which the flags answer.
    pub(super) fn host_condition(&mut self, cond: Cond) -> u8 {
        const BASE: [u8; 7] = [0x4, 0x3, 0x8, 0x0, 0x7, 0xd, 0xf];
        let pair = usize::from(cond.0 >> 1 & 7).min(6);
        match pair {
            1 if self.flags.direct => 0x2 ^ (cond.0 & 1),
            _ => {
                if pair == 4 {
                    self.invert_carry();
                }
                BASE[pair] ^ (cond.0 & 1)
            }
        }
    }

    /// Has CF be C for an instruction that consumes it, if nobody else needs the flags behind it; whether that is so.
    pub(super) fn take_carry(&mut self, carry: Val) -> bool {
        let lives = &self.lives;
        let dies = usize::from(lives[usize::from(carry.0)].last_use) == self.index;
        let needed = !self.flags.stored && lives[self.index].nzcv;
        let there = self.flags.valid && matches!(self.at[usize::from(carry.0)], At::Cond(_));
        if !there || !dies || needed {
            return false;
        }
        self.conditions.retain(|&val| val != carry);
        self.materialise_conditions();
        if !self.flags.direct {
            dynasm!(self.a ; .arch x64 ; cmc);
        }
        self.flags.valid = false;
        true
    }

    /// Has CF be C inverted.
    fn invert_carry(&mut self) {
        if self.flags.direct {
            dynasm!(self.a ; .arch x64 ; cmc);
            self.flags.direct = false;
        }
    }

    /// Before an instruction that replaces NZCV without looking at it.
    pub(super) fn discard_flags(&mut self) {
        self.materialise_conditions();
        self.flags = State { valid: false, direct: false, stored: false };
    }

    /// Conditions that the host's flags answer become values in registers.
    fn materialise_conditions(&mut self) {
        while let Some(val) = self.conditions.pop() {
            let n = usize::from(val.0);
            if let At::Cond(cond) = self.at[n]
                && usize::from(self.lives[n].last_use) >= self.index
            {
                let r = self.temporary();
                self.set_cond(r, cond);
                self.hold(val, r);
            }
        }
    }

    /// Writes NZCV to the state; the host's flags stay.
    fn store_flags(&mut self) {
        self.invert_carry();
        dynasm!(self.a ; .arch x64 ; lahf ; seto al ; mov [rbp + FLAGS], ax);
        self.flags.stored = true;
    }

    /// At the end of a block: NZCV is in the state if anybody after it wants it. The host's flags stay.
    pub(super) fn settle_flags(&mut self) {
        if self.flags.valid && !self.flags.stored && self.nzcv_out {
            self.store_flags();
        }
        if let Some(owed) = self.owed.take().filter(|_| self.nzcv_out) {
            self.pay(owed);
        }
    }

    /// At an exit of the unit: NZCV is in the state.
    pub(super) fn settle_exit(&mut self) {
        if let Some(owed) = self.owed_out {
            self.pay(owed);
        }
    }

    /// Computes NZCV from guest registers, into the state. Changes RAX, RCX and RDX.
    fn pay(&mut self, owed: Comparison) {
        let (op, wide, a, b) = (owed.op, owed.wide(), owed.a(), owed.b());
        self.guest_x(reg::RCX, a);
        if owed.of_result() {
            match b {
                Operand::Imm(b) => dynasm!(self.a ; .arch x64 ; mov edx, b.into()),
                Operand::X(b) => self.guest_x(reg::RDX, b),
            }
            match op {
                FlagsOp::Add => dynasm!(self.a ; .arch x64 ; sub rcx, rdx),
                _ => dynasm!(self.a ; .arch x64 ; add rcx, rdx),
            }
        }
        match (op, b) {
            (FlagsOp::Sub, Operand::Imm(b)) if wide => dynasm!(self.a ; .arch x64 ; cmp rcx, b.into()),
            (FlagsOp::Sub, Operand::Imm(b)) => dynasm!(self.a ; .arch x64 ; cmp ecx, b.into()),
            (_, Operand::Imm(b)) => dynasm!(self.a ; .arch x64 ; mov edx, b.into()),
            (_, Operand::X(b)) => self.guest_x(reg::RDX, b),
        }
        match (op, b, wide) {
            (FlagsOp::Sub, Operand::Imm(_), _) => {}
            (FlagsOp::Sub, _, true) => dynasm!(self.a ; .arch x64 ; cmp rcx, rdx),
            (FlagsOp::Sub, _, false) => dynasm!(self.a ; .arch x64 ; cmp ecx, edx),
            (FlagsOp::Add, _, true) => dynasm!(self.a ; .arch x64 ; add rcx, rdx ; cmc),
            (FlagsOp::Add, _, false) => dynasm!(self.a ; .arch x64 ; add ecx, edx ; cmc),
            (_, _, true) => dynasm!(self.a ; .arch x64 ; test rcx, rdx ; stc),
            (_, _, false) => dynasm!(self.a ; .arch x64 ; test ecx, edx ; stc),
        }
        dynasm!(self.a ; .arch x64 ; lahf ; seto al ; mov [rbp + FLAGS], ax);
    }

    /// Brings a guest register to a host register.
    fn guest_x(&mut self, r: u8, guest: u8) {
        match self.survey.homes[usize::from(guest)] {
            Some(home) => dynasm!(self.a ; .arch x64 ; mov Rq(r), Rq(home)),
            None => dynasm!(self.a ; .arch x64 ; mov Rq(r), [BYTE rbp + frame::x(guest)]),
        }
    }

    /// Has the host's flags hold NZCV.
    fn load_flags(&mut self) {
        if !self.flags.valid {
            dynasm!(self.a ; .arch x64 ; movzx eax, WORD [rbp + FLAGS] ; add al, 127 ; sahf);
            (self.flags.valid, self.flags.direct) = (true, false);
        }
    }

    /// 0 or 1 in a register; the flags stay.
    pub(super) fn set_cond(&mut self, r: u8, cond: Cond) {
        assert!(self.flags.valid, "conditions are materialised before the flags change");
        match self.host_condition(cond) {
            0x0 => dynasm!(self.a ; .arch x64 ; seto al),
            0x1 => dynasm!(self.a ; .arch x64 ; setno al),
            0x2 => dynasm!(self.a ; .arch x64 ; setb al),
            0x3 => dynasm!(self.a ; .arch x64 ; setae al),
            0x4 => dynasm!(self.a ; .arch x64 ; sete al),
            0x5 => dynasm!(self.a ; .arch x64 ; setne al),
            0x6 => dynasm!(self.a ; .arch x64 ; setbe al),
            0x7 => dynasm!(self.a ; .arch x64 ; seta al),
            0x8 => dynasm!(self.a ; .arch x64 ; sets al),
            0x9 => dynasm!(self.a ; .arch x64 ; setns al),
            0xc => dynasm!(self.a ; .arch x64 ; setl al),
            0xd => dynasm!(self.a ; .arch x64 ; setge al),
            0xe => dynasm!(self.a ; .arch x64 ; setle al),
            _ => dynasm!(self.a ; .arch x64 ; setg al),
        }
        dynasm!(self.a ; .arch x64 ; movzx Rd(r), al);
    }

    pub(super) fn get_cond(&mut self, val: Val, cond: Cond) {
        if !self.is_used(val) {
            return;
        }
        if !self.flags.valid && self.block.insts[self.index].code == Code::GetCarry {
            let dst = self.define(val);
            let carry = FLAGS + 1;
            return dynasm!(self.a ; .arch x64 ; movzx Rd(dst), BYTE [rbp + carry] ; not Rd(dst) ; and Rd(dst), BYTE 1);
        }
        self.load_flags();
        if self.leaves_out(Optimizations::FLAGS) {
            let dst = self.define(val);
            return self.set_cond(dst, cond);
        }
        self.at[self.index] = At::Cond(cond);
        self.conditions.push(val);
    }

    pub(super) fn get_nzcv(&mut self, val: Val) {
        if self.flags.valid && !self.flags.stored {
            self.store_flags();
        }
        self.materialise_conditions();
        let dst = self.define(val);
        dynasm!(self.a
            ; .arch x64
            ; movzx eax, WORD [rbp + FLAGS]
            ; xor eax, 0x100
            ; mov ecx, NZCV_BITS
            ; pext Rd(dst), eax, ecx
        );
        self.flags = State::default();
    }

    /// Whether the value goes to NZCV by the next instruction, and nowhere else.
    pub(super) fn feeds_nzcv(&self, val: Val) -> bool {
        let next = self.block.insts.get(usize::from(val.0) + 1);
        self.lives[usize::from(val.0)].uses == 1 && next.is_some_and(|i| i.code == Code::SetNzcv && i.args[0] == val)
    }

    /// The host's flags have become what [`Emitter::feeds_nzcv`] says of the value.
    pub(super) fn set_host_flags(&mut self, val: Val) {
        self.at[usize::from(val.0)] = At::Fused;
        let live = self.lives[usize::from(val.0) + 2].nzcv;
        self.hold_flags(live, false);
    }

    /// The host's flags have become NZCV, which matters if it is live; CF is C, or C inverted.
    fn hold_flags(&mut self, live: bool, direct: bool) {
        self.flags = State { valid: live, direct, stored: !live };
        if live && self.leaves_out(Optimizations::FLAGS) {
            self.store_flags();
            self.flags.valid = false;
        }
    }

    pub(super) fn set_nzcv(&mut self, value: Val) {
        if self.at[usize::from(value.0)] == At::Fused {
            return;
        }
        self.discard_flags();
        let r = self.register(value);
        dynasm!(self.a
            ; .arch x64
            ; mov ecx, NZCV_BITS
            ; pdep eax, Rd(r), ecx
            ; xor eax, 0x100
            ; mov [rbp + FLAGS], ax
        );
        self.flags = State::default();
    }

    pub(super) fn emit_flags(&mut self, val: Val, op: FlagsOp, wide: bool, a: Val, b: Val) {
        let carry_in = matches!(op, FlagsOp::Adc | FlagsOp::Sbc);
        let live = self.lives[self.index + 1].nzcv;
        let used = self.is_used(val);
        if carry_in {
            self.materialise_conditions();
        } else {
            self.discard_flags();
        }
        // Operands first: the moves that bring them leave the flags alone.
        let ra = self.register(a);
        let imm = if op == FlagsOp::Bic { None } else { self.constant32(b, wide) };
        let rb = if imm.is_none() { self.register(b) } else { reg::RAX };
        if op == FlagsOp::Sub && !used {
            match (imm, wide) {
                (Some(imm), true) => dynasm!(self.a ; .arch x64 ; cmp Rq(ra), imm),
                (Some(imm), false) => dynasm!(self.a ; .arch x64 ; cmp Rd(ra), imm),
                (None, true) => dynasm!(self.a ; .arch x64 ; cmp Rq(ra), Rq(rb)),
                (None, false) => dynasm!(self.a ; .arch x64 ; cmp Rd(ra), Rd(rb)),
            }
        } else if op == FlagsOp::And && !used {
            match (imm, wide) {
                (Some(imm), true) => dynasm!(self.a ; .arch x64 ; test Rq(ra), imm),
                (Some(imm), false) => dynasm!(self.a ; .arch x64 ; test Rd(ra), imm),
                (None, true) => dynasm!(self.a ; .arch x64 ; test Rq(ra), Rq(rb)),
                (None, false) => dynasm!(self.a ; .arch x64 ; test Rd(ra), Rd(rb)),
            }
        } else {
            if carry_in && !self.flags.valid {
                dynasm!(self.a ; .arch x64 ; bt WORD [rbp + FLAGS], 8);
                self.flags.direct = false;
            }
            match op {
                FlagsOp::Adc if !self.flags.direct => dynasm!(self.a ; .arch x64 ; cmc),
                FlagsOp::Sbc => self.invert_carry(),
                _ => {}
            }
            // In the result's register unless that is the second operand's, then in RCX, which no operand is in.
            let place = if used { self.define_over(val, a) } else { reg::RCX };
            let over = imm.is_none() && place == rb && place != ra || op == FlagsOp::Bic;
            let dst = if over { reg::RCX } else { place };
            if dst != ra {
                dynasm!(self.a ; .arch x64 ; mov Rq(dst), Rq(ra));
            }
            match (op, imm, wide) {
                (FlagsOp::Add, Some(imm), true) => dynasm!(self.a ; .arch x64 ; add Rq(dst), imm),
                (FlagsOp::Add, Some(imm), false) => dynasm!(self.a ; .arch x64 ; add Rd(dst), imm),
                (FlagsOp::Add, None, true) => dynasm!(self.a ; .arch x64 ; add Rq(dst), Rq(rb)),
                (FlagsOp::Add, None, false) => dynasm!(self.a ; .arch x64 ; add Rd(dst), Rd(rb)),
                (FlagsOp::Sub, Some(imm), true) => dynasm!(self.a ; .arch x64 ; sub Rq(dst), imm),
                (FlagsOp::Sub, Some(imm), false) => dynasm!(self.a ; .arch x64 ; sub Rd(dst), imm),
                (FlagsOp::Sub, None, true) => dynasm!(self.a ; .arch x64 ; sub Rq(dst), Rq(rb)),
                (FlagsOp::Sub, None, false) => dynasm!(self.a ; .arch x64 ; sub Rd(dst), Rd(rb)),
                (FlagsOp::Adc, Some(imm), true) => dynasm!(self.a ; .arch x64 ; adc Rq(dst), imm),
                (FlagsOp::Adc, Some(imm), false) => dynasm!(self.a ; .arch x64 ; adc Rd(dst), imm),
                (FlagsOp::Adc, None, true) => dynasm!(self.a ; .arch x64 ; adc Rq(dst), Rq(rb)),
                (FlagsOp::Adc, None, false) => dynasm!(self.a ; .arch x64 ; adc Rd(dst), Rd(rb)),
                (FlagsOp::Sbc, Some(imm), true) => dynasm!(self.a ; .arch x64 ; sbb Rq(dst), imm),
                (FlagsOp::Sbc, Some(imm), false) => dynasm!(self.a ; .arch x64 ; sbb Rd(dst), imm),
                (FlagsOp::Sbc, None, true) => dynasm!(self.a ; .arch x64 ; sbb Rq(dst), Rq(rb)),
                (FlagsOp::Sbc, None, false) => dynasm!(self.a ; .arch x64 ; sbb Rd(dst), Rd(rb)),
                (FlagsOp::And, Some(imm), true) => dynasm!(self.a ; .arch x64 ; and Rq(dst), imm),
                (FlagsOp::And, Some(imm), false) => dynasm!(self.a ; .arch x64 ; and Rd(dst), imm),
                (FlagsOp::And, None, true) => dynasm!(self.a ; .arch x64 ; and Rq(dst), Rq(rb)),
                (FlagsOp::And, None, false) => dynasm!(self.a ; .arch x64 ; and Rd(dst), Rd(rb)),
                (FlagsOp::Bic, _, true) => dynasm!(self.a ; .arch x64 ; andn rcx, Rq(rb), rcx),
                (FlagsOp::Bic, _, false) => dynasm!(self.a ; .arch x64 ; andn ecx, Rd(rb), ecx),
            }
            if place != dst {
                dynasm!(self.a ; .arch x64 ; mov Rq(place), Rq(dst));
            }
        }
        self.hold_flags(live, !matches!(op, FlagsOp::Sub | FlagsOp::Sbc));
    }

    /// CCMP and CCMN.
    pub(super) fn emit_cond_flags(&mut self, op: FlagsOp, wide: bool, cond: Cond, a: Val, b: Val, nzcv: u32) {
        self.materialise_conditions();
        let ra = self.register(a);
        let rb = self.register(b);
        self.load_flags();
        let otherwise = self.a.new_dynamic_label();
        let end = self.a.new_dynamic_label();
        let condition = self.host_condition(cond);
        self.jump_if(condition ^ 1, otherwise);
        match (op, wide) {
            (FlagsOp::Sub, true) => dynasm!(self.a ; .arch x64 ; cmp Rq(ra), Rq(rb)),
            (FlagsOp::Sub, false) => dynasm!(self.a ; .arch x64 ; cmp Rd(ra), Rd(rb)),
            (_, true) => dynasm!(self.a ; .arch x64 ; mov rax, Rq(ra) ; add rax, Rq(rb) ; cmc),
            (_, false) => dynasm!(self.a ; .arch x64 ; mov eax, Rd(ra) ; add eax, Rd(rb) ; cmc),
        }
        let packed = Flags::from_nzcv(nzcv).0 as i32;
        dynasm!(self.a
            ; .arch x64
            ; jmp =>end
            ; =>otherwise
            ; mov eax, packed
            ; add al, 127
            ; sahf
            ; =>end
        );
        self.hold_flags(true, false);
    }

    /// Whether the current block's condition is computed where its terminator uses it.
    pub(super) fn is_fused(&self, val: Val) -> bool {
        use crate::ir::op::{IntOp, Op};
        let Term::If { cond, .. } = self.block.term else { return false };
        let Code::Op(Op::Int(op)) = self.block.insts[usize::from(val.0)].code else { return false };
        cond == val
            && !self.leaves_out(Optimizations::FUSION)
            && self.lives[usize::from(val.0)].uses == 1
            && matches!(
                op,
                IntOp::IsZero32 | IntOp::IsZero64 | IntOp::NotZero32 | IntOp::NotZero64 | IntOp::Bit | IntOp::BitClear
            )
    }
}

/// Bits of the packed flags, from V to N.
const NZCV_BITS: i32 = 0xc101;
