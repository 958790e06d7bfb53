//! Calls that need no call: plain system registers, the interrupt mask, barriers, atomic operations on RAM.

use std::mem::offset_of;

use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};

use super::super::frame::{self, Frame};
use super::super::site::{Loc, Task};
use super::super::slow::{Departure, Plain};
use super::Emitter;
use super::memory::ENTRY_MASK;
use crate::ir::block::{Call, Inst, Val};
use crate::ir::{AtomicOp, Barrier, Mem, SysEnc};
use crate::mmu::tlb::Entry;
use crate::state::{CpuState, El, FpEnv, Pstate, SysRegs};

const DC_ZVA: SysEnc = SysEnc::new(1, 3, 7, 4, 1);
const IC_IVAU: SysEnc = SysEnc::new(1, 3, 7, 5, 1);
const DC_CVAC: SysEnc = SysEnc::new(1, 3, 7, 10, 1);
const DC_CVAU: SysEnc = SysEnc::new(1, 3, 7, 11, 1);
const DC_CVAP: SysEnc = SysEnc::new(1, 3, 7, 12, 1);
const DC_CIVAC: SysEnc = SysEnc::new(1, 3, 7, 14, 1);
const UNSYNCHRONIZED_AT: i32 = frame::at(offset_of!(CpuState, unsynchronized));
const FPCR: SysEnc = SysEnc::new(3, 3, 4, 4, 0);
const FPSR: SysEnc = SysEnc::new(3, 3, 4, 4, 1);
const FPCR_AT: i32 = frame::at(offset_of!(CpuState, fp) + offset_of!(FpEnv, fpcr));
const FPSR_AT: i32 = frame::at(offset_of!(CpuState, fp) + offset_of!(FpEnv, fpsr));
const MXCSR_AT: i32 = frame::at(offset_of!(Frame, mxcsr));
const DAIF: SysEnc = SysEnc::new(3, 3, 4, 2, 1);
/// Displacement of PSTATE's DAIF byte.
const DAIF_AT: i32 = frame::at(offset_of!(CpuState, pstate) + offset_of!(Pstate, daif));
const MDSCR_AT: i32 = frame::at(offset_of!(CpuState, sys) + offset_of!(SysRegs, mdscr));
/// MDSCR_EL1's SS, KDE and MDE: with them, PSTATE.D decides how code runs.
const MDSCR_DEBUG: i32 = 1 | 1 << 13 | 1 << 15;

impl Emitter<'_> {
    /// Emits a call in line, if that can be; false when it takes the thunk.
    pub(super) fn inline_call(&mut self, val: Val, inst: &Inst, call: Call) -> bool {
        let el1 = self.unit.context.el == El::El1;
        let maintains = el1 || self.unit.context.maintains;
        match call {
            Call::Barrier(Barrier::DmbLoad | Barrier::DmbStore) => {}
            Call::Barrier(Barrier::Dmb) => {
                self.clobber_flags();
                dynasm!(self.a ; .arch x64 ; lock or DWORD [rsp], 0);
            }
            Call::Barrier(Barrier::Dsb) => {
                self.clobber_flags();
                let slow = self.a.new_dynamic_label();
                dynasm!(self.a
                    ; .arch x64
                    ; lock or DWORD [rsp], 0
                    ; cmp DWORD [rbp + UNSYNCHRONIZED_AT], 0
                    ; jne =>slow
                );
                self.slow_path(slow, Task::Call(call), [Loc::None; 6], [Loc::None; 2]);
            }
            Call::Isb => {}
            Call::SysOp(DC_ZVA) if maintains => self.zero_block(inst, call),
            Call::SysOp(enc @ (IC_IVAU | DC_CVAC | DC_CVAU | DC_CVAP | DC_CIVAC)) if maintains => {
                // Memory is coherent: only the address's translation matters.
                self.clobber_flags();
                let address = self.register(inst.args[0]);
                let mut args = [Loc::None; 6];
                args[0] = Loc::Reg(address);
                dynasm!(self.a ; .arch x64 ; mov rax, Rq(address));
                let slow = self.probe(Mem::plain(1), 1, enc == IC_IVAU);
                if enc == IC_IVAU {
                    // Where a store would hit, there is translated code only if the entry says so.
                    let (page, mask) = (offset_of!(Entry, page) as i32, ENTRY_MASK);
                    dynasm!(self.a
                        ; .arch x64
                        ; rorx rcx, rax, 7
                        ; and ecx, mask
                        ; test BYTE [r15 + rcx + page], Entry::CODE as i8
                        ; jnz =>slow
                    );
                }
                self.slow_path(slow, Task::Call(call), args, [Loc::None; 2]);
            }
            Call::SysRead(DAIF) if el1 => {
                self.clobber_flags();
                if self.is_used(val) {
                    let dst = self.define(val);
                    dynasm!(self.a ; .arch x64 ; movzx Rd(dst), BYTE [rbp + DAIF_AT] ; shl Rd(dst), 6);
                }
            }
            Call::SysRead(enc @ (FPCR | FPSR)) if !self.unit.context.fp_trap => {
                self.clobber_flags();
                if self.is_used(val) {
                    let dst = self.define(val);
                    if enc == FPCR {
                        dynasm!(self.a ; .arch x64 ; mov Rd(dst), [rbp + FPCR_AT]);
                    } else {
                        self.read_fpsr(dst);
                    }
                }
            }
            Call::SysRead(enc) => {
                let Some(plain) = (self.registers)(enc, &self.unit.context) else { return false };
                if self.is_used(val) {
                    let dst = self.define(val);
                    match plain {
                        Plain::Field { offset, .. } => {
                            dynasm!(self.a ; .arch x64 ; mov Rq(dst), [rbp + frame::at(offset)]);
                        }
                        Plain::Constant(value) => self.move_constant(dst, value),
                    }
                }
            }
            Call::SysWrite(DAIF) if el1 => return self.write_daif(inst),
            Call::SysWrite(enc) => {
                let plain = (self.registers)(enc, &self.unit.context);
                let Some(Plain::Field { offset, writable: Some(mask) }) = plain else { return false };
                let src = self.register(inst.args[0]);
                if mask == u64::MAX {
                    dynasm!(self.a ; .arch x64 ; mov [rbp + frame::at(offset)], Rq(src));
                } else {
                    dynasm!(self.a ; .arch x64 ; mov eax, Rd(src) ; mov [rbp + frame::at(offset)], rax);
                }
            }
            Call::MsrImm { field: 0b011_110, imm } if el1 => {
                self.clobber_flags();
                dynasm!(self.a ; .arch x64 ; or BYTE [rbp + DAIF_AT], imm as i8);
            }
            Call::MsrImm { field: 0b011_111, imm } if el1 && imm & 8 == 0 => {
                self.clobber_flags();
                dynasm!(self.a ; .arch x64 ; and BYTE [rbp + DAIF_AT], !(imm as i8));
            }
            Call::Atomic(op, mem) => return self.atomic(val, inst, op, mem),
            Call::Cas(mem) => return self.compare_and_swap(val, inst, mem),
            Call::Eret if el1 => self.depart(inst, Departure::RETURN, 0),
            Call::Raise => {
                let exception = self.block.exceptions[inst.imm as usize];
                let Some(departure) = Departure::raise(exception) else { return false };
                self.depart(inst, departure, exception.iss);
            }
            Call::LoadExclusive(mem) | Call::LoadExclusivePair(mem) => self.load_exclusive(val, inst, mem, call),
            Call::StoreExclusive(mem) | Call::StoreExclusivePair(mem) => self.store_exclusive(val, inst, mem, call),
            Call::ClearExclusive => self.clear_exclusive(),
            Call::CasPair(mem) => self.compare_and_swap_pair(val, inst, mem),
            _ => return false,
        }
        true
    }

    /// Takes an exception or returns from one, which ends the unit: no register needs to be kept.
    fn depart(&mut self, inst: &Inst, departure: Departure, iss: u32) {
        self.clobber_flags();
        self.leave_homes(self.dirty);
        self.leave_to(self.block.va.wrapping_add(4 * u64::from(inst.guest)));
        let thunk = self.thunks.depart;
        dynasm!(self.a ; .arch x64 ; mov esi, departure.0 as i32 ; mov edx, iss as i32 ; jmp extern thunk as usize);
    }

    /// FPSR, with the sticky flags that are still in MXCSR; see [`Frame::fold_flags`].
    fn read_fpsr(&mut self, dst: u8) {
        dynasm!(self.a
            ; .arch x64
            ; stmxcsr [rbp + MXCSR_AT]
            ; mov eax, [rbp + MXCSR_AT]
            ; mov ecx, eax
            ; shr eax, 1
            ; and ecx, 1
            ; and eax, 0x1e
            ; or eax, ecx
            ; or eax, [rbp + FPSR_AT]
            ; mov Rd(dst), eax
        );
    }

    /// MSR DAIF, in line unless a debugger in the guest makes PSTATE.D matter.
    fn write_daif(&mut self, inst: &Inst) -> bool {
        self.clobber_flags();
        let src = self.register(inst.args[0]);
        let slow = self.a.new_dynamic_label();
        let mut args = [Loc::None; 6];
        args[0] = Loc::Reg(src);
        dynasm!(self.a
            ; .arch x64
            ; test DWORD [rbp + MDSCR_AT], MDSCR_DEBUG
            ; jnz =>slow
            ; mov eax, Rd(src)
            ; shr eax, 6
            ; and eax, 15
            ; mov [rbp + DAIF_AT], al
        );
        self.slow_path(slow, Task::Call(Call::SysWrite(DAIF)), args, [Loc::None; 2]);
        true
    }

    /// An atomic read-modify-write of RAM.
    fn atomic(&mut self, val: Val, inst: &Inst, op: AtomicOp, mem: Mem) -> bool {
        let used = self.is_used(val);
        match op {
            AtomicOp::Add | AtomicOp::Swp => {}
            AtomicOp::Clr | AtomicOp::Eor | AtomicOp::Set if mem.bytes >= 4 => {
                if used {
                    self.logic_loop(val, inst, op, mem);
                    return true;
                }
            }
            _ => return false,
        }
        self.clobber_flags();
        let (address, src) = (self.register(inst.args[0]), self.register(inst.args[1]));
        let mut args = [Loc::None; 6];
        (args[0], args[1]) = (Loc::Reg(address), Loc::Reg(src));
        let dst = used.then(|| self.define(val));
        dynasm!(self.a ; .arch x64 ; mov rax, Rq(address));
        let slow = self.probe(mem, 1, true);
        dynasm!(self.a ; .arch x64 ; mov rdx, Rq(src));
        match (op, mem.bytes) {
            (AtomicOp::Add, 1) => dynasm!(self.a ; .arch x64 ; lock xadd [rax + rcx], dl),
            (AtomicOp::Add, 2) => dynasm!(self.a ; .arch x64 ; lock xadd [rax + rcx], dx),
            (AtomicOp::Add, 4) => dynasm!(self.a ; .arch x64 ; lock xadd [rax + rcx], edx),
            (AtomicOp::Add, _) => dynasm!(self.a ; .arch x64 ; lock xadd [rax + rcx], rdx),
            (AtomicOp::Swp, 1) => dynasm!(self.a ; .arch x64 ; xchg [rax + rcx], dl),
            (AtomicOp::Swp, 2) => dynasm!(self.a ; .arch x64 ; xchg [rax + rcx], dx),
            (AtomicOp::Swp, 4) => dynasm!(self.a ; .arch x64 ; xchg [rax + rcx], edx),
            (AtomicOp::Swp, _) => dynasm!(self.a ; .arch x64 ; xchg [rax + rcx], rdx),
            (AtomicOp::Clr, 4) => dynasm!(self.a ; .arch x64 ; not edx ; lock and [rax + rcx], edx),
            (AtomicOp::Clr, _) => dynasm!(self.a ; .arch x64 ; not rdx ; lock and [rax + rcx], rdx),
            (AtomicOp::Eor, 4) => dynasm!(self.a ; .arch x64 ; lock xor [rax + rcx], edx),
            (AtomicOp::Eor, _) => dynasm!(self.a ; .arch x64 ; lock xor [rax + rcx], rdx),
            (_, 4) => dynasm!(self.a ; .arch x64 ; lock or [rax + rcx], edx),
            _ => dynasm!(self.a ; .arch x64 ; lock or [rax + rcx], rdx),
        }
        let mut results = [Loc::None; 2];
        if let Some(dst) = dst {
            results[0] = Loc::Reg(dst);
            match mem.bytes {
                1 => dynasm!(self.a ; .arch x64 ; movzx Rd(dst), dl),
                2 => dynasm!(self.a ; .arch x64 ; movzx Rd(dst), dx),
                4 => dynasm!(self.a ; .arch x64 ; mov Rd(dst), edx),
                _ => dynasm!(self.a ; .arch x64 ; mov Rq(dst), rdx),
            }
        }
        self.slow_path(slow, Task::Call(Call::Atomic(op, mem)), args, results);
        true
    }

    /// An atomic bit operation on RAM whose old value is used: the host has none, so it is tried until it stands.
    fn logic_loop(&mut self, val: Val, inst: &Inst, op: AtomicOp, mem: Mem) {
        self.clobber_flags();
        let (address, src) = (self.register(inst.args[0]), self.register(inst.args[1]));
        let mut args = [Loc::None; 6];
        (args[0], args[1]) = (Loc::Reg(address), Loc::Reg(src));
        let dst = self.define(val);
        dynasm!(self.a ; .arch x64 ; mov rax, Rq(address));
        let slow = self.probe(mem, 1, true);
        let again = self.a.new_dynamic_label();
        dynasm!(self.a ; .arch x64 ; add rcx, rax);
        match mem.bytes {
            4 => dynasm!(self.a ; .arch x64 ; mov eax, [rcx]),
            _ => dynasm!(self.a ; .arch x64 ; mov rax, [rcx]),
        }
        dynasm!(self.a ; .arch x64 ; =>again);
        match op {
            AtomicOp::Clr => dynasm!(self.a ; .arch x64 ; andn rdx, Rq(src), rax),
            AtomicOp::Eor => dynasm!(self.a ; .arch x64 ; mov rdx, rax ; xor rdx, Rq(src)),
            _ => dynasm!(self.a ; .arch x64 ; mov rdx, rax ; or rdx, Rq(src)),
        }
        match mem.bytes {
            4 => dynasm!(self.a ; .arch x64 ; lock cmpxchg [rcx], edx ; jne =>again ; mov Rd(dst), eax),
            _ => dynasm!(self.a ; .arch x64 ; lock cmpxchg [rcx], rdx ; jne =>again ; mov Rq(dst), rax),
        }
        let task = Task::Call(Call::Atomic(op, mem));
        self.slow_path(slow, task, args, [Loc::Reg(dst), Loc::None]);
    }

    /// DC ZVA on RAM.
    fn zero_block(&mut self, inst: &Inst, call: Call) {
        self.clobber_flags();
        let address = self.register(inst.args[0]);
        let mut args = [Loc::None; 6];
        args[0] = Loc::Reg(address);
        dynasm!(self.a ; .arch x64 ; mov rax, Rq(address) ; and rax, -64);
        let slow = self.probe(Mem::plain(64), 1, true);
        dynasm!(self.a
            ; .arch x64
            ; vpxor xmm15, xmm15, xmm15
            ; vmovdqu [rax + rcx], ymm15
            ; vmovdqu [rax + rcx + 32], ymm15
        );
        self.slow_path(slow, Task::Call(call), args, [Loc::None; 2]);
    }

    /// CAS of RAM.
    fn compare_and_swap(&mut self, val: Val, inst: &Inst, mem: Mem) -> bool {
        self.clobber_flags();
        let [address, expected, new] = [0, 1, 2].map(|n| self.register(inst.args[n]));
        let mut args = [Loc::None; 6];
        for (loc, r) in args.iter_mut().zip([address, expected, new]) {
            *loc = Loc::Reg(r);
        }
        let dst = self.is_used(val).then(|| self.define(val));
        dynasm!(self.a ; .arch x64 ; mov rax, Rq(address));
        let slow = self.probe(mem, 1, true);
        dynasm!(self.a ; .arch x64 ; add rcx, rax ; mov rax, Rq(expected));
        match mem.bytes {
            1 => dynasm!(self.a ; .arch x64 ; lock cmpxchg [rcx], Rb(new)),
            2 => dynasm!(self.a ; .arch x64 ; lock cmpxchg [rcx], Rw(new)),
            4 => dynasm!(self.a ; .arch x64 ; lock cmpxchg [rcx], Rd(new)),
            _ => dynasm!(self.a ; .arch x64 ; lock cmpxchg [rcx], Rq(new)),
        }
        let mut results = [Loc::None; 2];
        if let Some(dst) = dst {
            results[0] = Loc::Reg(dst);
            match mem.bytes {
                1 => dynasm!(self.a ; .arch x64 ; movzx Rd(dst), al),
                2 => dynasm!(self.a ; .arch x64 ; movzx Rd(dst), ax),
                4 => dynasm!(self.a ; .arch x64 ; mov Rd(dst), eax),
                _ => dynasm!(self.a ; .arch x64 ; mov Rq(dst), rax),
            }
        }
        self.slow_path(slow, Task::Call(Call::Cas(mem)), args, results);
        true
    }
}
