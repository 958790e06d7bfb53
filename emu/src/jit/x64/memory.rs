//! Memory accesses: a probe of the context's table in line, everything else by a thunk.

use std::mem::offset_of;

use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};

use super::super::frame::{self, Frame};
use super::super::optimizations::Optimizations;
use super::super::site::{Loc, Task};
use super::super::thunks::reg;
use super::alloc::At;
use super::share::Group;
use super::survey::Life;
use super::{Cold, Emitter};
use crate::ir::block::{Code, Inst, Val};
use crate::ir::{Exception, Mem, Order};
use crate::mmu::tlb::{ENTRIES, Entry};

/// Where an access finds its bytes.
#[derive(Debug, Clone, Copy)]
enum Place {
    /// At the host address RAX + RCX, by a probe of its own, whose slow path carries out the whole access.
    Own,
    /// At a distance from the host address in a register.
    Shared(u8, i32),
}

/// Emits an instruction whose memory operand is so many bytes into a place.
/// What stands before the operand and after it is in parentheses.
macro_rules! reach {
    ($e:ident, $place:expr, $offset:expr, ($($before:tt)*) ($($after:tt)*)) => {
        match $place {
            Place::Own => dynasm!($e.a ; .arch x64 ; $($before)* [BYTE rax + rcx + $offset] $($after)*),
            Place::Shared(r, ahead) => match i8::try_from(ahead + i32::from($offset)) {
                Ok(ahead) => dynasm!($e.a ; .arch x64 ; $($before)* [BYTE Rq(r) + ahead] $($after)*),
                Err(_) => dynasm!($e.a ; .arch x64 ; $($before)* [Rq(r) + ahead + i32::from($offset)] $($after)*),
            },
        }
    };
}

/// What leaves an entry's offset in the table of an address shifted right by 7.
pub(super) const ENTRY_MASK: i32 = (ENTRIES as i32 - 1) << 5;

impl Emitter<'_> {
    /// Brings the address in a value plus `ahead` to RAX.
    fn address(&mut self, val: Val, ahead: i32) {
        if self.at[usize::from(val.0)] != At::Fused {
            let r = self.register(val);
            return self.add_constant(true, reg::RAX, r, ahead);
        }
        let [base, index, ..] = self.block.insts[usize::from(val.0)].args;
        let base = self.register(base);
        if let Some(offset) = self.constant32(index, true) {
            return self.add_constant(true, reg::RAX, base, offset.wrapping_add(ahead));
        }
        let (index, by) = if self.at[usize::from(index.0)] == At::Fused {
            let [index, by, ..] = self.block.insts[usize::from(index.0)].args;
            (index, self.constant(by))
        } else {
            (index, None)
        };
        let index = self.register(index);
        match by {
            Some(1) => dynasm!(self.a ; .arch x64 ; lea rax, [BYTE Rq(base) + Rq(index) * 2 + 0]),
            Some(2) => dynasm!(self.a ; .arch x64 ; lea rax, [BYTE Rq(base) + Rq(index) * 4 + 0]),
            Some(_) => dynasm!(self.a ; .arch x64 ; lea rax, [BYTE Rq(base) + Rq(index) * 8 + 0]),
            None => dynasm!(self.a ; .arch x64 ; lea rax, [BYTE Rq(base) + Rq(index) + 0]),
        }
        if ahead != 0 {
            self.add_constant(true, reg::RAX, reg::RAX, ahead);
        }
    }

    /// Finds the bytes of an access whose probe is shared; else brings the address to RAX, for a probe that follows once
    /// registers for results are chosen.
    fn place(&mut self, inst: &Inst, mem: Mem, write: bool) -> Place {
        let Life { group: number, probes, distance, .. } = self.lives[self.index];
        let Some(&group @ Group { low, .. }) = self.groups.get(usize::from(number)).filter(|group| group.pays()) else {
            self.clobber_flags();
            self.address(inst.args[0], 0);
            return Place::Own;
        };
        let ahead = (i64::from(distance) - low) as i32;
        let host = self.host_address(number);
        if probes {
            self.clobber_flags();
            self.address(inst.args[0], -ahead);
            let r = match self.at[usize::from(host.0)] {
                At::None => {
                    let r = self.temporary();
                    self.hold(host, r);
                    r
                }
                // Found before, for reading.
                _ => self.register(host),
            };
            let slow = self.a.new_dynamic_label();
            self.find_entry(slow, 4096 - i32::from(group.bytes()), write, false);
            dynasm!(self.a ; .arch x64 ; lea Rq(r), [rax + rcx]);
            let task = Task::Reach { mem, write, ahead: ahead as u16, bytes: group.bytes() };
            self.slow_path(slow, task, [Loc::None; 6], [Loc::Reg(r), Loc::None]);
            let crossing = self.apart();
            self.cold.last_mut().expect("just pushed").crossing = Some((group.bytes(), crossing));
        }
        Place::Shared(self.register(host), ahead)
    }

    /// The value that stands for the host address of a group.
    fn host_address(&self, group: u8) -> Val {
        Val((self.block.insts.len() + 1 + usize::from(group)) as u16)
    }

    /// The probe of an access that has its own, and where its slow path begins.
    fn own_probe(&mut self, place: Place, mem: Mem, count: u8, write: bool) -> Option<DynamicLabel> {
        matches!(place, Place::Own).then(|| self.probe(mem, count, write))
    }

    /// Probes for an access to `count` elements at the address in RAX: afterwards RAX + RCX is the host address.
    pub(super) fn probe(&mut self, mem: Mem, count: u8, write: bool) -> DynamicLabel {
        let slow = self.a.new_dynamic_label();
        let whole = i32::from(mem.bytes) * i32::from(count);
        if (mem.aligned || self.unit.context.align_check) && mem.bytes > 1 {
            let low = if mem.aligned { whole - 1 } else { i32::from(mem.bytes) - 1 };
            dynasm!(self.a ; .arch x64 ; test al, low as i8 ; jnz =>slow);
        }
        self.find_entry(slow, 4096 - whole, write, mem.unprivileged && !self.unit.context.uao);
        slow
    }

    /// Probes for the address in RAX, which is to be at most `limit` bytes into its page.
    fn find_entry(&mut self, slow: DynamicLabel, limit: i32, write: bool, el0: bool) {
        let tag = if write { offset_of!(Entry, write) } else { offset_of!(Entry, read) } as i8;
        if self.leaves_out(Optimizations::PROBES) {
            dynasm!(self.a ; .arch x64 ; jmp =>slow);
            return;
        }
        let addend = offset_of!(Entry, addend) as i8;
        dynasm!(self.a ; .arch x64 ; rorx rcx, rax, 7 ; and ecx, ENTRY_MASK ; mov rdx, rax);
        if el0 {
            let tables = frame::at(offset_of!(Frame, el0_tables));
            dynasm!(self.a
                ; .arch x64
                ; add rcx, [rbp + tables]
                ; xor rdx, [BYTE rcx + tag]
                ; cmp rdx, limit
                ; ja =>slow
                ; mov rcx, [BYTE rcx + addend]
            );
        } else {
            dynasm!(self.a
                ; .arch x64
                ; xor rdx, [BYTE r15 + rcx + tag]
                ; cmp rdx, limit
                ; ja =>slow
                ; mov rcx, [BYTE r15 + rcx + addend]
            );
        }
    }

    pub(super) fn slow_path(&mut self, label: DynamicLabel, task: Task, args: [Loc; 6], results: [Loc; 2]) {
        let site = self.site(task, args, results);
        let back = self.a.new_dynamic_label();
        dynasm!(self.a ; .arch x64 ; =>back);
        self.cold.push(Cold { label, back: Some(back), site, crossing: None });
    }

    pub(super) fn load(&mut self, val: Val, inst: &Inst, mem: Mem, count: u8) {
        let bytes = mem.bytes as i8;
        // The address is read before the result's register, which may be its own, is written.
        let place = self.place(inst, mem, false);
        let mut results = [Loc::None; 2];
        if self.is_used(val) {
            results[0] = Loc::Reg(self.define(val));
        }
        if count == 2 && self.block.insts.get(self.index + 1).is_some_and(|i| i.code == Code::Second) {
            let second = Val(val.0 + 1);
            if self.is_used(second) {
                results[1] = Loc::Reg(self.define(second));
            }
        }
        let slow = self.own_probe(place, mem, count, false);
        for (n, loc) in results.iter().enumerate() {
            let Loc::Reg(dst) = *loc else { continue };
            let offset = bytes * n as i8;
            match mem.bytes {
                1 => reach!(self, place, offset, (movzx Rd(dst), BYTE) ()),
                2 => reach!(self, place, offset, (movzx Rd(dst), WORD) ()),
                4 => reach!(self, place, offset, (mov Rd(dst), DWORD) ()),
                _ => reach!(self, place, offset, (mov Rq(dst), QWORD) ()),
            }
        }
        if let Some(slow) = slow {
            self.slow_path(slow, Task::Load { mem, count }, [Loc::None; 6], results);
        }
    }

    pub(super) fn store(&mut self, inst: &Inst, mem: Mem, count: u8) {
        let bytes = mem.bytes as i8;
        let mut args = [Loc::None; 6];
        for (n, loc) in args.iter_mut().enumerate().take(usize::from(count)) {
            *loc = Loc::Reg(self.register(inst.args[1 + n]));
        }
        let place = self.place(inst, mem, true);
        let slow = self.own_probe(place, mem, count, true);
        let release = matches!(mem.order, Order::Release | Order::AcquireRelease);
        for (n, loc) in args.iter().enumerate() {
            let Loc::Reg(src) = *loc else { continue };
            let offset = bytes * n as i8;
            if release {
                dynasm!(self.a ; .arch x64 ; mov rdx, Rq(src));
            }
            match (mem.bytes, release) {
                (1, false) => reach!(self, place, offset, (mov BYTE) (, Rb(src))),
                (2, false) => reach!(self, place, offset, (mov WORD) (, Rw(src))),
                (4, false) => reach!(self, place, offset, (mov DWORD) (, Rd(src))),
                (_, false) => reach!(self, place, offset, (mov QWORD) (, Rq(src))),
                (1, true) => reach!(self, place, offset, (xchg BYTE) (, dl)),
                (2, true) => reach!(self, place, offset, (xchg WORD) (, dx)),
                (4, true) => reach!(self, place, offset, (xchg DWORD) (, edx)),
                (_, true) => reach!(self, place, offset, (xchg QWORD) (, rdx)),
            }
        }
        if let Some(slow) = slow {
            self.slow_path(slow, Task::Store { mem, count }, args, [Loc::None; 2]);
        }
    }

    pub(super) fn load_v(&mut self, val: Val, inst: &Inst, mem: Mem) {
        let place = self.place(inst, mem, false);
        let dst = self.define_v(val);
        let slow = self.own_probe(place, mem, 1, false);
        match mem.bytes {
            1 => {
                reach!(self, place, 0i8, (movzx edx, BYTE) ());
                dynasm!(self.a ; .arch x64 ; vmovd Rx(dst), edx);
            }
            2 => {
                reach!(self, place, 0i8, (movzx edx, WORD) ());
                dynasm!(self.a ; .arch x64 ; vmovd Rx(dst), edx);
            }
            4 => reach!(self, place, 0i8, (vmovd Rx(dst), DWORD) ()),
            8 => reach!(self, place, 0i8, (vmovq Rx(dst), QWORD) ()),
            _ => reach!(self, place, 0i8, (vmovdqu Rx(dst), OWORD) ()),
        }
        let task = Task::Load { mem, count: 1 };
        if let Some(slow) = slow {
            self.slow_path(slow, task, [Loc::None; 6], [Loc::Xmm(dst), Loc::None]);
        }
    }

    pub(super) fn store_v(&mut self, inst: &Inst, mem: Mem) {
        let src = self.vector(inst.args[1]);
        let place = self.place(inst, mem, true);
        let slow = self.own_probe(place, mem, 1, true);
        match mem.bytes {
            1 => {
                dynasm!(self.a ; .arch x64 ; vmovd edx, Rx(src));
                reach!(self, place, 0i8, (mov BYTE) (, dl));
            }
            2 => {
                dynasm!(self.a ; .arch x64 ; vmovd edx, Rx(src));
                reach!(self, place, 0i8, (mov WORD) (, dx));
            }
            4 => reach!(self, place, 0i8, (vmovd DWORD) (, Rx(src))),
            8 => reach!(self, place, 0i8, (vmovq QWORD) (, Rx(src))),
            _ => reach!(self, place, 0i8, (vmovdqu OWORD) (, Rx(src))),
        }
        let mut args = [Loc::None; 6];
        args[0] = Loc::Xmm(src);
        if let Some(slow) = slow {
            self.slow_path(slow, Task::Store { mem, count: 1 }, args, [Loc::None; 2]);
        }
    }

    pub(super) fn check_sp(&mut self, inst: &Inst) {
        self.clobber_flags();
        let r = self.register(inst.args[0]);
        let label = self.a.new_dynamic_label();
        dynasm!(self.a ; .arch x64 ; test Rd(r), 15 ; jnz =>label);
        let site = self.site(Task::Raise(Exception::SP_ALIGNMENT), [Loc::None; 6], [Loc::None; 2]);
        self.cold.push(Cold { label, back: None, site, crossing: None });
    }
}
