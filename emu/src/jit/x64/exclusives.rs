//! Exclusive accesses and compare-and-swap of pairs, in line on RAM.
//!
//! A load-exclusive records the address, size and value in the state's [`Monitor`]; a store-exclusive with the same
//! address and size compares and swaps against that value. So a store between them that changes nothing is not noticed.
//! Whatever else may be (a monitor that does not match, a fault, a device) is the thunk's.

use std::mem::offset_of;

use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};

use super::super::frame::{self, Frame};
use super::super::site::{Loc, Task};
use super::Emitter;
use crate::ir::Mem;
use crate::ir::block::{Call, Code, Inst, Val};
use crate::state::{CpuState, Monitor};

const MONITOR: usize = offset_of!(CpuState, monitor);
const VA_AT: i32 = frame::at(MONITOR + offset_of!(Monitor, va));
const BYTES_AT: i32 = frame::at(MONITOR + offset_of!(Monitor, bytes));
const VALUE_AT: i32 = frame::at(MONITOR + offset_of!(Monitor, value));

/// Displacement of a host register's place while a thunk runs, which is free between thunks.
const fn saved(register: u8) -> i32 {
    frame::at(offset_of!(Frame, saved) + 8 * register as usize)
}
const RBX: u8 = 3;
const RSI: u8 = 6;

impl Emitter<'_> {
    /// CLREX.
    pub(super) fn clear_exclusive(&mut self) {
        dynasm!(self.a ; .arch x64 ; mov DWORD [rbp + BYTES_AT], 0);
    }

    /// The registers of both results, of those that are used; to be written when all arguments have been read.
    fn results(&mut self, val: Val) -> [Option<u8>; 2] {
        // They may share registers with arguments.
        self.x.unpin();
        let first = self.is_used(val).then(|| self.define(val));
        let second = Val(val.0 + 1);
        let has_second = self.block.insts.get(self.index + 1).is_some_and(|i| i.code == Code::Second);
        let second = (has_second && self.is_used(second)).then(|| self.define(second));
        [first, second]
    }

    /// LDXR, LDAXR; LDXP, LDAXP when `call` says so.
    pub(super) fn load_exclusive(&mut self, val: Val, inst: &Inst, mem: Mem, call: Call) {
        self.clobber_flags();
        let whole = if matches!(call, Call::LoadExclusivePair(_)) { mem.doubled() } else { mem };
        let address = self.register(inst.args[0]);
        let mut args = [Loc::None; 6];
        args[0] = Loc::Reg(address);
        dynasm!(self.a ; .arch x64 ; mov rax, Rq(address));
        let results = self.results(val);
        let slow = self.probe(Mem { aligned: true, ..whole }, 1, false);
        dynasm!(self.a
            ; .arch x64
            ; mov [rbp + VA_AT], rax
            ; mov DWORD [rbp + BYTES_AT], i32::from(whole.bytes)
        );
        match whole.bytes {
            1 => dynasm!(self.a ; .arch x64 ; movzx eax, BYTE [rax + rcx]),
            2 => dynasm!(self.a ; .arch x64 ; movzx eax, WORD [rax + rcx]),
            4 => dynasm!(self.a ; .arch x64 ; mov eax, [rax + rcx]),
            8 => dynasm!(self.a ; .arch x64 ; mov rax, [rax + rcx]),
            // One access, since it is aligned and the host has AVX.
            _ => dynasm!(self.a
                ; .arch x64
                ; vmovdqa xmm15, [rax + rcx]
                ; vmovq rax, xmm15
                ; vpextrq rdx, xmm15, 1
                ; mov [rbp + VALUE_AT + 8], rdx
            ),
        }
        dynasm!(self.a ; .arch x64 ; mov [rbp + VALUE_AT], rax);
        if whole.bytes < 16 {
            dynasm!(self.a ; .arch x64 ; mov QWORD [rbp + VALUE_AT + 8], 0);
        }
        self.take_apart(mem, whole, results);
        self.slow_path(slow, Task::Call(call), args, results.map(loc));
    }

    /// Brings what was read, in RDX:RAX (a pair of words in RAX), to the results.
    fn take_apart(&mut self, mem: Mem, whole: Mem, results: [Option<u8>; 2]) {
        if mem.bytes == 4 && whole.bytes == 8 {
            dynasm!(self.a ; .arch x64 ; mov rdx, rax ; shr rdx, 32 ; mov eax, eax);
        }
        if let Some(first) = results[0] {
            dynasm!(self.a ; .arch x64 ; mov Rq(first), rax);
        }
        if let Some(second) = results[1] {
            dynasm!(self.a ; .arch x64 ; mov Rq(second), rdx);
        }
    }

    /// STXR, STLXR; STXP, STLXP when `call` says so.
    pub(super) fn store_exclusive(&mut self, val: Val, inst: &Inst, mem: Mem, call: Call) {
        self.clobber_flags();
        let pair = matches!(call, Call::StoreExclusivePair(_));
        let whole = if pair { mem.doubled() } else { mem };
        let address = self.register(inst.args[0]);
        let low = self.register(inst.args[1]);
        let high = if pair { self.register(inst.args[2]) } else { low };
        let mut args = [Loc::None; 6];
        (args[0], args[1]) = (Loc::Reg(address), Loc::Reg(low));
        if pair {
            args[2] = Loc::Reg(high);
        }
        let [result, _] = self.results(val);
        if pair && mem.bytes == 4 {
            self.join(0, low, high);
        }
        dynasm!(self.a ; .arch x64 ; mov rax, Rq(address));
        let slow = self.probe(Mem { aligned: true, ..whole }, 1, true);
        dynasm!(self.a
            ; .arch x64
            ; cmp rax, [rbp + VA_AT]
            ; jne =>slow
            ; cmp DWORD [rbp + BYTES_AT], i32::from(whole.bytes)
            ; jne =>slow
            ; mov DWORD [rbp + BYTES_AT], 0
            ; add rcx, rax
            ; mov rax, [rbp + VALUE_AT]
        );
        match whole.bytes {
            1 => dynasm!(self.a ; .arch x64 ; lock cmpxchg [rcx], Rb(low)),
            2 => dynasm!(self.a ; .arch x64 ; lock cmpxchg [rcx], Rw(low)),
            4 => dynasm!(self.a ; .arch x64 ; lock cmpxchg [rcx], Rd(low)),
            8 if pair => {
                dynasm!(self.a ; .arch x64 ; mov rdx, [rbp + saved(0)] ; lock cmpxchg [rcx], rdx);
            }
            8 => dynasm!(self.a ; .arch x64 ; lock cmpxchg [rcx], Rq(low)),
            _ => {
                dynasm!(self.a ; .arch x64 ; mov rdx, [rbp + VALUE_AT + 8]);
                self.swap_16(low, high);
            }
        }
        if let Some(result) = result {
            dynasm!(self.a ; .arch x64 ; setne al ; movzx Rd(result), al);
        }
        self.slow_path(slow, Task::Call(call), args, [loc(result), Loc::None]);
    }

    /// Two words as one doubleword, in the place of a saved register.
    fn join(&mut self, place: u8, low: u8, high: u8) {
        dynasm!(self.a ; .arch x64 ; mov [rbp + saved(place)], Rd(low) ; mov [rbp + saved(place) + 4], Rd(high));
    }

    /// `lock cmpxchg16b` at RCX with RDX:RAX and new halves; RBX and RSI, which it needs, stay what they were.
    fn swap_16(&mut self, low: u8, high: u8) {
        dynasm!(self.a
            ; .arch x64
            ; mov [rbp + saved(RBX)], rbx
            ; mov [rbp + saved(RSI)], rsi
            ; mov [rbp + saved(0)], Rq(low)
            ; mov [rbp + saved(1)], Rq(high)
            ; mov rsi, rcx
            ; mov rbx, [rbp + saved(0)]
            ; mov rcx, [rbp + saved(1)]
            ; lock cmpxchg16b [rsi]
            ; mov rsi, [rbp + saved(RSI)]
            ; mov rbx, [rbp + saved(RBX)]
        );
    }

    /// CASP.
    pub(super) fn compare_and_swap_pair(&mut self, val: Val, inst: &Inst, mem: Mem) {
        self.clobber_flags();
        let whole = mem.doubled();
        let registers = [0, 1, 2, 3, 4].map(|n| self.register(inst.args[n]));
        let [address, expected_low, expected_high, low, high] = registers;
        let mut args = [Loc::None; 6];
        for (arg, register) in args.iter_mut().zip(registers) {
            *arg = Loc::Reg(register);
        }
        let results = self.results(val);
        dynasm!(self.a ; .arch x64 ; mov rax, Rq(address));
        let slow = self.probe(Mem { aligned: true, ..whole }, 1, true);
        dynasm!(self.a ; .arch x64 ; add rcx, rax);
        if mem.bytes == 4 {
            self.join(0, expected_low, expected_high);
            self.join(1, low, high);
            dynasm!(self.a
                ; .arch x64
                ; mov rax, [rbp + saved(0)]
                ; mov rdx, [rbp + saved(1)]
                ; lock cmpxchg [rcx], rdx
            );
        } else {
            dynasm!(self.a ; .arch x64 ; mov rax, Rq(expected_low) ; mov rdx, Rq(expected_high));
            self.swap_16(low, high);
        }
        self.take_apart(mem, whole, results);
        self.slow_path(slow, Task::Call(Call::CasPair(mem)), args, results.map(loc));
    }
}

fn loc(register: Option<u8>) -> Loc {
    register.map_or(Loc::None, Loc::Reg)
}
