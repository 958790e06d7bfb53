//! Hand-written entry and exit of translated code, and the thunk by which it calls Rust.

use std::mem::offset_of;

use dynasmrt::x64::X64Relocation;
use dynasmrt::{DynasmApi, DynasmLabelApi, VecAssembler, dynasm};

use super::frame::{self, Exit, Frame, PC, at};
use super::site::{OWNED, OWNERS_ONLY, homes};
use super::x64::UNLINKED;
use crate::mmu::tlb::{JUMP_MASK, Memory};

pub(super) type Asm = VecAssembler<X64Relocation>;

/// Addresses of the thunks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Thunks {
    /// `extern "sysv64" fn(frame, code) -> Exit`.
    pub enter: u64,
    /// Called from a unit's entry: returns [`Exit::Stale`]. The unit's address is in the doubleword before the entry.
    pub stale: Leaving,
    /// Called from just behind a `jmp rel32`: returns [`Exit::Link`] for it. Where it leads is in the doubleword behind the
    /// call.
    pub link: Leaving,
    /// The same for a jump with a guard (`Emitter::leave_edge`), unless that one is linked to another page.
    pub guarded: u64,
    /// Called from just behind a `jmp rel32`: returns [`Exit::Apart`] for it, as [`Thunks::link`].
    pub apart: Leaving,
    /// Jump here to return [`Exit::Apart`] without a jump to link; the PC is written.
    pub apart_unlinked: u64,
    /// Called to go on after the context may have changed, at the address in the doubleword behind the call.
    pub sync: Leaving,
    /// Jump here to go on at the PC, which is written, after the context may have changed.
    pub resume: u64,
    /// Jump here with a [`Departure`](super::slow::Departure) in ESI and a syndrome in EDX; the PC is written.
    pub depart: u64,
    /// Jump here to go on at the guest address in RAX.
    pub indirect: u64,
    /// Call with a site's index in ECX: carries out its task. Comes back with all registers but RAX, RCX, RDX as they
    /// were or as the task's results say, or does not come back.
    pub slow: u64,
}

/// Two thunks for the same: by code that has addresses, and by code that holds in any page ([`Frame::page`]), whose
/// addresses count from there.
pub(super) type Leaving = [u64; 2];

/// From the doubleword behind a guarded jump's call back to the guard's identity.
const GUARD: i32 = 5 + 12 + 4;

/// Host registers by number.
pub(super) mod reg {
    pub const RAX: u8 = 0;
    pub const RCX: u8 = 1;
    pub const RDX: u8 = 2;
    /// What the allocator hands out, as a bit mask.
    pub const POOL: u64 = 0b0111_1111_1100_1000;
    /// Vector registers that the allocator hands out, as a bit mask; the others are scratch.
    pub const VECTORS: u64 = 0x1fff;
}

/// Brings the guest registers that own homes to them.
fn load_owners(a: &mut Asm) {
    for (home, guest) in homes(OWNERS_ONLY, OWNED) {
        dynasm!(a ; .arch x64 ; mov Rq(home), [BYTE rbp + frame::x(guest)]);
    }
}

/// Writes the guest registers that own homes to the state.
fn store_owners(a: &mut Asm) {
    for (home, guest) in homes(OWNERS_ONLY, OWNED) {
        dynasm!(a ; .arch x64 ; mov [BYTE rbp + frame::x(guest)], Rq(home));
    }
}

/// Emits the thunks at `base`.
pub(super) fn emit(base: u64) -> (Vec<u8>, Thunks) {
    let mut a = Asm::new(base as usize);
    let mut t = Thunks::default();
    let here = |a: &Asm| base + a.offset().0 as u64;
    let saved = at(offset_of!(Frame, saved));
    let saved_v = at(offset_of!(Frame, saved_v));
    let tables = at(offset_of!(Frame, tables));
    let host_sp = at(offset_of!(Frame, host_sp));
    let mxcsr = at(offset_of!(Frame, mxcsr));
    let host_mxcsr = at(offset_of!(Frame, host_mxcsr));

    t.enter = here(&a);
    dynasm!(a
        ; .arch x64
        ; push rbx ; push rbp ; push r12 ; push r13 ; push r14 ; push r15
        ; sub rsp, 8
        ; lea rbp, [rdi + 128]
        ; mov [rbp + host_sp], rsp
        ; stmxcsr [rbp + host_mxcsr]
        ; ldmxcsr [rbp + mxcsr]
        ; mov r15, [rbp + tables]
    );
    load_owners(&mut a);
    dynasm!(a ; .arch x64 ; jmp rsi);

    let page = at(offset_of!(Frame, page));
    let link = at(offset_of!(Frame, link));
    for relative in [false, true] {
        let at_page = |a: &mut Asm| {
            if relative {
                dynasm!(a ; .arch x64 ; add rax, [rbp + page]);
            }
        };
        let n = usize::from(relative);
        t.stale[n] = here(&a);
        dynasm!(a ; .arch x64 ; pop rcx ; mov rax, [rcx - 5 - 8]);
        at_page(&mut a);
        dynasm!(a ; .arch x64 ; mov [rbp + PC], rax ; mov eax, Exit::Stale as i32 ; jmp ->leave_unit);
        t.link[n] = here(&a);
        dynasm!(a ; .arch x64 ; pop rcx ; mov rax, [rcx] ; sub rcx, 5 + 4);
        at_page(&mut a);
        dynasm!(a ; .arch x64 ; jmp ->link);
        t.apart[n] = here(&a);
        dynasm!(a ; .arch x64 ; pop rcx ; mov rax, [rcx] ; sub rcx, 5 + 4);
        at_page(&mut a);
        dynasm!(a ; .arch x64 ; mov [rbp + PC], rax ; jmp ->apart);
        t.sync[n] = here(&a);
        dynasm!(a ; .arch x64 ; pop rcx ; mov rax, [rcx]);
        at_page(&mut a);
        dynasm!(a ; .arch x64 ; mov [rbp + PC], rax ; jmp ->sync);
    }
    t.guarded = here(&a);
    dynasm!(a
        ; .arch x64
        ; pop rcx
        ; mov rax, [rcx]
        ; cmp DWORD [rcx - GUARD], UNLINKED
        ; jne ->indirect
        // Bit 0 says that it has a guard.
        ; sub rcx, GUARD - 1
        ; ->link:
        ; mov [rbp + link], rcx
        ; mov [rbp + PC], rax
        ; mov eax, Exit::Link as i32
        ; jmp ->leave_unit
    );
    t.apart_unlinked = here(&a);
    dynasm!(a
        ; .arch x64
        ; xor ecx, ecx
        ; ->apart:
        ; mov [rbp + link], rcx
        ; mov eax, Exit::Apart as i32
        ; ->leave_unit:
    );
    store_owners(&mut a);
    dynasm!(a ; .arch x64 ; jmp ->leave);

    t.indirect = here(&a);
    let jumps = offset_of!(Memory, jumps) as i32;
    let attention = at(offset_of!(Frame, attention));
    dynasm!(a
        ; .arch x64
        ; ->indirect:
        ; mov rdx, [rbp + attention]
        ; mov ecx, eax
        ; and ecx, JUMP_MASK
        ; cmp DWORD [rdx], 0
        ; jne >out
        ; cmp rax, [r15 + rcx * 4 + jumps]
        ; jne >out
        ; and rax, -4096
        ; mov [rbp + page], rax
        ; jmp QWORD [r15 + rcx * 4 + jumps + 8]
        // Who wants attention is served there, too.
        ; out:
        ; mov [rbp + PC], rax
        ; mov esi, Exit::Indirect as i32
        ; ->arrive_from_unit:
    );
    store_owners(&mut a);
    // No guest register is in a host register here.
    let arrive = at(offset_of!(Frame, arrive));
    dynasm!(a
        ; .arch x64
        ; ->arrive:
        ; lea rdi, [rbp - 128]
        ; call QWORD [rbp + arrive]
        ; ->go_on:
        ; cmp rax, Exit::Sync as i32
        ; jbe ->leave
        ; mov r15, [rbp + tables]
    );
    load_owners(&mut a);
    dynasm!(a
        ; .arch x64
        ; jmp rax
        ; ->leave:
        ; mov rsp, [rbp + host_sp]
        ; stmxcsr [rbp + mxcsr]
        ; ldmxcsr [rbp + host_mxcsr]
        ; add rsp, 8
        ; pop r15 ; pop r14 ; pop r13 ; pop r12 ; pop rbp ; pop rbx
        ; ret
    );

    t.resume = here(&a);
    dynasm!(a ; .arch x64 ; ->sync: ; mov esi, Exit::Sync as i32 ; jmp ->arrive_from_unit);

    t.depart = here(&a);
    let depart = at(offset_of!(Frame, depart));
    store_owners(&mut a);
    dynasm!(a ; .arch x64 ; lea rdi, [rbp - 128] ; call QWORD [rbp + depart] ; jmp ->go_on);

    t.slow = here(&a);
    for n in (0..16u8).filter(|&n| n != 4 && n != 5) {
        dynasm!(a ; .arch x64 ; mov [rbp + saved + 8 * i32::from(n)], Rq(n));
    }
    for n in 0..16u8 {
        dynasm!(a ; .arch x64 ; vmovdqu [rbp + saved_v + 16 * i32::from(n)], Rx(n));
    }
    let slow = at(offset_of!(Frame, slow));
    dynasm!(a
        ; .arch x64
        ; stmxcsr [rbp + mxcsr]
        ; ldmxcsr [rbp + host_mxcsr]
        ; lea rdi, [rbp - 128]
        ; mov esi, ecx
        ; sub rsp, 8
        ; call QWORD [rbp + slow]
        ; add rsp, 8
        ; test eax, eax
        ; jnz ->out
        ; ldmxcsr [rbp + mxcsr]
    );
    for n in (0..16u8).filter(|&n| n != 4 && n != 5) {
        dynasm!(a ; .arch x64 ; mov Rq(n), [rbp + saved + 8 * i32::from(n)]);
    }
    for n in 0..16u8 {
        dynasm!(a ; .arch x64 ; vmovdqu Rx(n), [rbp + saved_v + 16 * i32::from(n)]);
    }
    // The task raised an exception, and the state is where it leads; or the instruction is to be run apart.
    dynasm!(a
        ; .arch x64
        ; ret
        ; ->out:
        ; ldmxcsr [rbp + mxcsr]
        ; mov rsp, [rbp + host_sp]
        ; cmp eax, super::slow::APART as i32
        ; je >apart
        ; mov esi, Exit::Sync as i32
        ; jmp ->arrive
        ; apart:
        ; mov QWORD [rbp + link], 0
        ; mov eax, Exit::Apart as i32
        ; jmp ->leave
    );
    (a.finalize().expect("the thunks' labels are all defined"), t)
}
