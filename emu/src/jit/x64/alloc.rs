//! Registers: homes of guest registers for a whole unit, temporaries within a block.

use dynasmrt::{DynasmApi, dynasm};

use super::super::frame::{self, Frame};
use super::super::site::{v_home, x_home};
use super::super::thunks::reg;
use super::Emitter;
use super::survey::Life;
use crate::ir::Cond;
use crate::ir::block::{Code, FIRST_V, Val};

/// Where a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// Nowhere: not computed yet, or used no more.
    None,
    /// A constant.
    Imm(u64),
    /// A temporary register.
    Reg(u8),
    /// The home of a guest register, which holds this value until it is written.
    Home(u8),
    Xmm(u8),
    /// The home of a guest vector register, which holds this value until it is written.
    HomeV(u8),
    Spill(u8),
    SpillV(u8),
    /// 1 when the host's flags fulfil a condition.
    Cond(Cond),
    /// Computed where it is used.
    Fused,
}

/// A set of host registers or spill slots, by number.
type Set = u64;

/// Temporaries and homes of the block that is being emitted.
#[derive(Debug)]
pub(super) struct Registers {
    /// The value in each temporary, or [`Val::NONE`].
    owner: [Val; 16],
    /// Temporaries whose value may still be used: who is in need of one looks whether it is.
    taken: Set,
    /// What the current instruction holds on to.
    pinned: Set,
    /// What are homes.
    homes: Set,
    /// Until when the value of each home is needed; 0 when it is not.
    needed: [u16; 16],
    /// Spill slots whose value may still be used, and the value.
    spills: Set,
    spilled: [Val; 64],
}

impl Default for Registers {
    fn default() -> Self {
        Self {
            owner: [Val::NONE; 16],
            taken: 0,
            pinned: 0,
            homes: 0,
            needed: [0; 16],
            spills: 0,
            spilled: [Val::NONE; 64],
        }
    }
}

impl Registers {
    /// For a unit with these homes.
    pub fn begin_unit(&mut self, homes: &[Option<u8>]) {
        self.homes = homes.iter().flatten().fold(0, |set, &home| set | 1 << home);
    }

    pub fn begin_block(&mut self) {
        (self.taken, self.pinned, self.spills) = (0, 0, 0);
        (self.owner, self.needed) = ([Val::NONE; 16], [0; 16]);
    }

    pub fn unpin(&mut self) {
        self.pinned = 0;
    }

    /// Whether a register holds nothing that is needed.
    pub fn is_idle(&self, r: u8) -> bool {
        (self.homes | self.taken | self.pinned) >> r & 1 == 0
    }

    fn own(&mut self, r: u8, val: Val) {
        self.owner[usize::from(r)] = val;
        self.taken |= 1 << r;
        self.pinned |= 1 << r;
    }

    pub fn disown(&mut self, r: u8) {
        self.owner[usize::from(r)] = Val::NONE;
        self.taken &= !(1 << r);
    }

    /// A register of `pool`, pinned, and the value that has to leave it. Instruction `index` is being emitted.
    fn choose(&mut self, pool: Set, lives: &[Life], index: usize) -> (u8, Option<Val>) {
        let candidates = pool & !self.homes & !self.pinned;
        if candidates & !self.taken == 0 {
            let idle = |r: u8| !is_wanted(self.owner[usize::from(r)], lives, index);
            self.taken &= !members(candidates).filter(|&r| idle(r)).fold(0, |set, r| set | 1 << r);
        }
        let free = candidates & !self.taken;
        let (r, victim) = if free != 0 {
            (free.trailing_zeros() as u8, None)
        } else {
            let last = |r: &u8| lives[usize::from(self.owner[usize::from(*r)].0)].last_use;
            let r = members(candidates).max_by_key(last).expect("an instruction pins fewer registers than there are");
            (r, Some(self.owner[usize::from(r)]))
        };
        self.pinned |= 1 << r;
        self.disown(r);
        (r, victim)
    }

    fn spill(&mut self, val: Val, slots: usize, lives: &[Life], index: usize) -> usize {
        let spilled = &self.spilled;
        let idle = members(self.spills).filter(|&slot| !is_wanted(spilled[usize::from(slot)], lives, index));
        self.spills &= !idle.fold(0, |set, slot| set | 1 << slot);
        let slot = (!self.spills).trailing_zeros() as usize;
        assert!(slot < slots, "a block has fewer live values than slots");
        self.spills |= 1 << slot;
        self.spilled[slot] = val;
        slot
    }

    /// A value of the home is needed until then.
    fn need(&mut self, home: u8, until: u16) {
        let needed = &mut self.needed[usize::from(home)];
        *needed = (*needed).max(until);
    }
}

/// Whether a value is used by instruction `index` or later.
fn is_wanted(val: Val, lives: &[Life], index: usize) -> bool {
    lives.get(usize::from(val.0)).is_some_and(|life| usize::from(life.last_use) >= index)
}

fn members(mut set: Set) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let r = set.trailing_zeros() as u8;
        set &= set.wrapping_sub(1);
        (r < 64).then_some(r)
    })
}

impl Emitter<'_> {
    pub(super) fn is_used(&self, val: Val) -> bool {
        self.lives[usize::from(val.0)].uses > 0
    }

    /// Whether a value's last use is the current instruction or before.
    pub(super) fn dies(&self, val: Val) -> bool {
        !self.dies_later(usize::from(val.0))
    }

    fn dies_later(&self, n: usize) -> bool {
        usize::from(self.lives[n].last_use) > self.index
    }

    pub(super) fn constant(&self, val: Val) -> Option<u64> {
        match self.at[usize::from(val.0)] {
            At::Imm(value) => Some(value),
            _ => None,
        }
    }

    /// A constant that an instruction can hold, sign-extended to the operation's width.
    pub(super) fn constant32(&self, val: Val, wide: bool) -> Option<i32> {
        let value = self.constant(val)?;
        if wide { i32::try_from(value as i64).ok() } else { Some(value as i32) }
    }

    /// A temporary register holds a value from now on.
    pub(super) fn hold(&mut self, val: Val, r: u8) {
        self.x.own(r, val);
        self.at[usize::from(val.0)] = At::Reg(r);
    }

    fn hold_v(&mut self, val: Val, r: u8) {
        self.v.own(r, val);
        self.at[usize::from(val.0)] = At::Xmm(r);
    }

    /// A free temporary register, pinned; evicts the value that is needed last.
    pub(super) fn temporary(&mut self) -> u8 {
        let (r, victim) = self.x.choose(reg::POOL, &self.lives, self.index);
        if let Some(victim) = victim {
            let slot = self.x.spill(victim, frame::SPILLS, &self.lives, self.index);
            self.at[usize::from(victim.0)] = At::Spill(slot as u8);
            dynasm!(self.a ; .arch x64 ; mov [rbp + spill(slot)], Rq(r));
        }
        r
    }

    pub(super) fn vector_temporary(&mut self) -> u8 {
        let (r, victim) = self.v.choose(reg::VECTORS, &self.lives, self.index);
        if let Some(victim) = victim {
            let slot = self.v.spill(victim, frame::VECTOR_SPILLS, &self.lives, self.index);
            self.at[usize::from(victim.0)] = At::SpillV(slot as u8);
            dynasm!(self.a ; .arch x64 ; vmovdqu [rbp + spill_v(slot)], Rx(r));
        }
        r
    }

    /// The value in a register, pinned, which is not to be written.
    pub(super) fn register(&mut self, val: Val) -> u8 {
        let n = usize::from(val.0);
        let r = match self.at[n] {
            At::Reg(r) | At::Home(r) => {
                self.x.pinned |= 1 << r;
                return r;
            }
            At::Imm(value) => {
                let r = self.temporary();
                self.move_constant(r, value);
                // A constant can be made again: it need not keep the register.
                return r;
            }
            At::Spill(slot) => {
                let r = self.temporary();
                dynasm!(self.a ; .arch x64 ; mov Rq(r), [rbp + spill(usize::from(slot))]);
                self.x.spills &= !(1 << slot);
                r
            }
            At::Cond(cond) => {
                let r = self.temporary();
                self.set_cond(r, cond);
                r
            }
            other => unreachable!("{val:?} is {other:?}, not an integer"),
        };
        self.hold(val, r);
        r
    }

    /// The value in a vector register, pinned, which is not to be written.
    pub(super) fn vector(&mut self, val: Val) -> u8 {
        let n = usize::from(val.0);
        match self.at[n] {
            At::Xmm(r) | At::HomeV(r) => {
                self.v.pinned |= 1 << r;
                r
            }
            At::SpillV(slot) => {
                let r = self.vector_temporary();
                dynasm!(self.a ; .arch x64 ; vmovdqu Rx(r), [rbp + spill_v(usize::from(slot))]);
                self.v.spills &= !(1 << slot);
                self.hold_v(val, r);
                r
            }
            other => unreachable!("{val:?} is {other:?}, not a vector"),
        }
    }

    pub(super) fn move_constant(&mut self, r: u8, value: u64) {
        if let Ok(value) = u32::try_from(value) {
            dynasm!(self.a ; .arch x64 ; mov Rd(r), value as i32);
        } else if let Ok(value) = i32::try_from(value as i64) {
            dynasm!(self.a ; .arch x64 ; mov Rq(r), value);
        } else {
            dynasm!(self.a ; .arch x64 ; mov Rq(r), QWORD value as i64);
        }
    }

    /// A register for a new value: the home that it is about to be written to, if it may be written now, or a temporary.
    pub(super) fn define(&mut self, val: Val) -> u8 {
        let n = usize::from(val.0);
        if let Some(home) = self.target_home(n) {
            self.dirty |= x_home(home);
            self.at[n] = At::Home(home);
            self.x.pinned |= 1 << home;
            self.x.needed[usize::from(home)] = self.lives[n].last_use;
            return home;
        }
        let r = self.temporary();
        self.hold(val, r);
        r
    }

    /// As [`Emitter::define`], in the register of an argument that dies here if that is a temporary.
    pub(super) fn define_over(&mut self, val: Val, arg: Val) -> u8 {
        let n = usize::from(val.0);
        if self.target_home(n).is_none()
            && self.dies(arg)
            && let At::Reg(r) = self.at[usize::from(arg.0)]
        {
            self.hold(val, r);
            return r;
        }
        self.define(val)
    }

    /// As [`Emitter::define`] for a vector; the register is none of an argument of the current instruction.
    pub(super) fn define_v(&mut self, val: Val) -> u8 {
        if let Some(home) = self.target_vector_home(usize::from(val.0)) {
            self.dirty |= v_home(home);
            self.at[usize::from(val.0)] = At::HomeV(home);
            self.v.pinned |= 1 << home;
            self.v.needed[usize::from(home)] = self.lives[usize::from(val.0)].last_use;
            return home;
        }
        let r = self.vector_temporary();
        self.hold_v(val, r);
        r
    }

    /// The home that value `n` may be computed in at once: the next instruction but for constants and
    /// reads of others writes it there, and nobody needs the home's old value any more.
    fn target_home(&self, n: usize) -> Option<u8> {
        for inst in &self.block.insts[n + 1..] {
            match inst.code {
                Code::SetX(guest) if usize::from(inst.args[0].0) == n => {
                    let home = self.survey.homes[usize::from(guest)]?;
                    let aliased = usize::from(self.x.needed[usize::from(home)]) > self.index;
                    return (!aliased).then_some(home);
                }
                Code::Imm | Code::Second => {}
                _ => return None,
            }
        }
        None
    }

    /// As [`Emitter::target_home`] for a vector, but not while the current instruction still reads the old value.
    fn target_vector_home(&self, n: usize) -> Option<u8> {
        let next = self.block.insts[n + 1..].iter().find(|inst| inst.code != Code::Imm)?;
        let Code::SetV(guest) = next.code else { return None };
        if usize::from(next.args[0].0) != n {
            return None;
        }
        let home = self.survey.homes[usize::from(FIRST_V + guest)]?;
        let needed = usize::from(self.v.needed[usize::from(home)]);
        (needed == 0 || needed < self.index).then_some(home)
    }

    pub(super) fn get_v(&mut self, val: Val, guest: u8) {
        if !self.is_used(val) {
            return;
        }
        if let Some(home) = self.survey.homes[usize::from(FIRST_V + guest)] {
            self.at[self.index] = At::HomeV(home);
            self.v.need(home, self.lives[self.index].last_use);
        } else {
            let r = self.vector_temporary();
            self.hold_v(val, r);
            dynasm!(self.a ; .arch x64 ; vmovdqu Rx(r), [rbp + frame::v(guest)]);
        }
    }

    pub(super) fn set_v(&mut self, guest: u8, val: Val) {
        let r = self.vector(val);
        let Some(home) = self.survey.homes[usize::from(FIRST_V + guest)] else {
            dynasm!(self.a ; .arch x64 ; vmovdqu [rbp + frame::v(guest)], Rx(r));
            return;
        };
        self.dirty |= v_home(home);
        if r == home {
            return;
        }
        if usize::from(self.v.needed[usize::from(home)]) > self.index {
            // Whoever still needs the old value gets a copy.
            for n in 0..self.index {
                if self.at[n] == At::HomeV(home) && self.dies_later(n) {
                    let copy = self.vector_temporary();
                    dynasm!(self.a ; .arch x64 ; vmovdqa Rx(copy), Rx(home));
                    self.hold_v(Val(n as u16), copy);
                }
            }
        }
        self.v.needed[usize::from(home)] = 0;
        dynasm!(self.a ; .arch x64 ; vmovdqa Rx(home), Rx(r));
    }

    pub(super) fn get_x(&mut self, val: Val, guest: u8) {
        if !self.is_used(val) {
            return;
        }
        if let Some(home) = self.survey.homes[usize::from(guest)] {
            self.at[self.index] = At::Home(home);
            self.x.need(home, self.lives[self.index].last_use);
        } else {
            let r = self.temporary();
            self.hold(val, r);
            dynasm!(self.a ; .arch x64 ; mov Rq(r), [BYTE rbp + frame::x(guest)]);
        }
    }

    pub(super) fn set_x(&mut self, guest: u8, val: Val) {
        let Some(home) = self.survey.homes[usize::from(guest)] else {
            if let Some(value) = self.constant(val).and_then(|v| i32::try_from(v as i64).ok()) {
                dynasm!(self.a ; .arch x64 ; mov QWORD [BYTE rbp + frame::x(guest)], value);
            } else {
                let r = self.register(val);
                dynasm!(self.a ; .arch x64 ; mov [BYTE rbp + frame::x(guest)], Rq(r));
            }
            return;
        };
        self.dirty |= x_home(home);
        if self.at[usize::from(val.0)] == At::Home(home) {
            return;
        }
        if usize::from(self.x.needed[usize::from(home)]) > self.index {
            // Whoever still needs the old value gets a copy.
            for n in 0..self.index {
                if self.at[n] == At::Home(home) && self.dies_later(n) {
                    let r = self.temporary();
                    dynasm!(self.a ; .arch x64 ; mov Rq(r), Rq(home));
                    self.hold(Val(n as u16), r);
                }
            }
        }
        self.x.needed[usize::from(home)] = 0;
        if let Some(value) = self.constant(val) {
            self.move_constant(home, value);
        } else {
            let r = self.register(val);
            dynasm!(self.a ; .arch x64 ; mov Rq(home), Rq(r));
        }
    }
}

/// Displacement of a spill slot.
fn spill(slot: usize) -> i32 {
    frame::at(std::mem::offset_of!(Frame, spill) + 8 * slot)
}

fn spill_v(slot: usize) -> i32 {
    frame::at(std::mem::offset_of!(Frame, spill_v) + 16 * slot)
}
