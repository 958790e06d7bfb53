//! Memory accesses: a probe of the context's table in line, everything else by a thunk.

use std::mem::offset_of;

use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};

use super::super::frame::{self, Frame};
use super::super::site::{Loc, Task};
use super::alloc::At;
use super::{Cold, Emitter};
use crate::ir::block::{Code, Inst, Val};
use crate::ir::op::{IntOp, Op};
use crate::ir::{Exception, Mem, Order};
use crate::mmu::tlb::{ENTRIES, Entry};

impl Emitter<'_> {
    /// Brings the address `val + imm` to RAX.
    fn address(&mut self, val: Val, imm: u64) {
        debug_assert_eq!(imm, 0, "the lifter adds offsets by operations");
        // The address of an access is mostly a base plus a constant that nobody else uses.
        let inst = self.block.insts[usize::from(val.0)];
        if self.at[usize::from(val.0)] == At::Fused
            && let Code::Op(Op::Int(IntOp::Add64)) = inst.code
        {
            let base = self.register(inst.args[0]);
            let offset = self.constant32(inst.args[1], true).expect("fused with a small constant only");
            dynasm!(self.a ; .arch x64 ; lea rax, [Rq(base) + offset]);
            return;
        }
        let r = self.register(val);
        dynasm!(self.a ; .arch x64 ; mov rax, Rq(r));
    }

    /// Probes for an access to `count` elements at the address in RAX: afterwards RAX + RCX is the host address.
    pub(super) fn probe(&mut self, mem: Mem, count: u8, write: bool) -> DynamicLabel {
        let slow = self.a.new_dynamic_label();
        let whole = i32::from(mem.bytes) * i32::from(count);
        if (mem.aligned || self.unit.context.align_check) && mem.bytes > 1 {
            let low = if mem.aligned { whole - 1 } else { i32::from(mem.bytes) - 1 };
            dynasm!(self.a ; .arch x64 ; test al, low as i8 ; jnz =>slow);
        }
        let tag = if write { offset_of!(Entry, write) } else { offset_of!(Entry, read) } as i32;
        let addend = offset_of!(Entry, addend) as i32;
        let mask = (ENTRIES as i32 - 1) << 5;
        let limit = 4096 - whole;
        dynasm!(self.a ; .arch x64 ; rorx rcx, rax, 7 ; and ecx, mask ; mov rdx, rax);
        if mem.unprivileged && !self.unit.context.uao {
            let tables = frame::at(offset_of!(Frame, el0_tables));
            dynasm!(self.a
                ; .arch x64
                ; add rcx, [rbp + tables]
                ; xor rdx, [rcx + tag]
                ; cmp rdx, limit
                ; ja =>slow
                ; mov rcx, [rcx + addend]
            );
        } else {
            dynasm!(self.a
                ; .arch x64
                ; xor rdx, [r15 + rcx + tag]
                ; cmp rdx, limit
                ; ja =>slow
                ; mov rcx, [r15 + rcx + addend]
            );
        }
        slow
    }

    pub(super) fn slow_path(&mut self, label: DynamicLabel, task: Task, args: [Loc; 6], results: [Loc; 2]) {
        let site = self.site(task, args, results);
        let back = self.a.new_dynamic_label();
        dynasm!(self.a ; .arch x64 ; =>back);
        self.cold.push(Cold { label, back: Some(back), site });
    }

    pub(super) fn load(&mut self, val: Val, inst: &Inst, mem: Mem, count: u8) {
        self.clobber_flags();
        let bytes = i32::from(mem.bytes);
        let mut results = [Loc::None; 2];
        // The address is read before the result's register, which may be its own, is written.
        self.address(inst.args[0], inst.imm);
        if self.is_used(val) {
            results[0] = Loc::Reg(self.define(val));
        }
        if count == 2 && self.block.insts.get(self.index + 1).is_some_and(|i| i.code == Code::Second) {
            let second = Val(val.0 + 1);
            if self.is_used(second) {
                results[1] = Loc::Reg(self.define(second));
            }
        }
        let slow = self.probe(mem, count, false);
        for (n, loc) in results.iter().enumerate() {
            let Loc::Reg(dst) = *loc else { continue };
            let offset = bytes * n as i32;
            match mem.bytes {
                1 => dynasm!(self.a ; .arch x64 ; movzx Rd(dst), BYTE [rax + rcx + offset]),
                2 => dynasm!(self.a ; .arch x64 ; movzx Rd(dst), WORD [rax + rcx + offset]),
                4 => dynasm!(self.a ; .arch x64 ; mov Rd(dst), [rax + rcx + offset]),
                _ => dynasm!(self.a ; .arch x64 ; mov Rq(dst), [rax + rcx + offset]),
            }
        }
        self.slow_path(slow, Task::Load { mem, count }, [Loc::None; 6], results);
    }

    pub(super) fn store(&mut self, inst: &Inst, mem: Mem, count: u8) {
        self.clobber_flags();
        let bytes = i32::from(mem.bytes);
        let mut args = [Loc::None; 6];
        for (n, loc) in args.iter_mut().enumerate().take(usize::from(count)) {
            *loc = Loc::Reg(self.register(inst.args[1 + n]));
        }
        self.address(inst.args[0], inst.imm);
        let slow = self.probe(mem, count, true);
        let release = matches!(mem.order, Order::Release | Order::AcquireRelease);
        for (n, loc) in args.iter().enumerate() {
            let Loc::Reg(src) = *loc else { continue };
            let offset = bytes * n as i32;
            if release {
                dynasm!(self.a ; .arch x64 ; mov rdx, Rq(src));
                match mem.bytes {
                    1 => dynasm!(self.a ; .arch x64 ; xchg [rax + rcx + offset], dl),
                    2 => dynasm!(self.a ; .arch x64 ; xchg [rax + rcx + offset], dx),
                    4 => dynasm!(self.a ; .arch x64 ; xchg [rax + rcx + offset], edx),
                    _ => dynasm!(self.a ; .arch x64 ; xchg [rax + rcx + offset], rdx),
                }
                continue;
            }
            match mem.bytes {
                1 => dynasm!(self.a ; .arch x64 ; mov [rax + rcx + offset], Rb(src)),
                2 => dynasm!(self.a ; .arch x64 ; mov [rax + rcx + offset], Rw(src)),
                4 => dynasm!(self.a ; .arch x64 ; mov [rax + rcx + offset], Rd(src)),
                _ => dynasm!(self.a ; .arch x64 ; mov [rax + rcx + offset], Rq(src)),
            }
        }
        self.slow_path(slow, Task::Store { mem, count }, args, [Loc::None; 2]);
    }

    pub(super) fn load_v(&mut self, val: Val, inst: &Inst, mem: Mem) {
        self.clobber_flags();
        self.address(inst.args[0], inst.imm);
        let dst = self.define_v(val);
        let slow = self.probe(mem, 1, false);
        match mem.bytes {
            1 => dynasm!(self.a ; .arch x64 ; movzx edx, BYTE [rax + rcx] ; vmovd Rx(dst), edx),
            2 => dynasm!(self.a ; .arch x64 ; movzx edx, WORD [rax + rcx] ; vmovd Rx(dst), edx),
            4 => dynasm!(self.a ; .arch x64 ; vmovd Rx(dst), [rax + rcx]),
            8 => dynasm!(self.a ; .arch x64 ; vmovq Rx(dst), [rax + rcx]),
            _ => dynasm!(self.a ; .arch x64 ; vmovdqu Rx(dst), [rax + rcx]),
        }
        let task = Task::Load { mem, count: 1 };
        self.slow_path(slow, task, [Loc::None; 6], [Loc::Xmm(dst), Loc::None]);
    }

    pub(super) fn store_v(&mut self, inst: &Inst, mem: Mem) {
        self.clobber_flags();
        let src = self.vector(inst.args[1]);
        self.address(inst.args[0], inst.imm);
        let slow = self.probe(mem, 1, true);
        match mem.bytes {
            1 => dynasm!(self.a ; .arch x64 ; vmovd edx, Rx(src) ; mov [rax + rcx], dl),
            2 => dynasm!(self.a ; .arch x64 ; vmovd edx, Rx(src) ; mov [rax + rcx], dx),
            4 => dynasm!(self.a ; .arch x64 ; vmovd [rax + rcx], Rx(src)),
            8 => dynasm!(self.a ; .arch x64 ; vmovq [rax + rcx], Rx(src)),
            _ => dynasm!(self.a ; .arch x64 ; vmovdqu [rax + rcx], Rx(src)),
        }
        let mut args = [Loc::None; 6];
        args[0] = Loc::Xmm(src);
        self.slow_path(slow, Task::Store { mem, count: 1 }, args, [Loc::None; 2]);
    }

    pub(super) fn check_sp(&mut self, inst: &Inst) {
        self.clobber_flags();
        let r = self.register(inst.args[0]);
        let label = self.a.new_dynamic_label();
        dynasm!(self.a ; .arch x64 ; test Rd(r), 15 ; jnz =>label);
        let site = self.site(Task::Raise(Exception::SP_ALIGNMENT), [Loc::None; 6], [Loc::None; 2]);
        self.cold.push(Cold { label, back: None, site });
    }
}
