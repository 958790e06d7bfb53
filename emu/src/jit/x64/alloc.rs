//! Registers: homes of guest registers for a whole unit, temporaries within a block.

use dynasmrt::{DynasmApi, dynasm};

use super::super::frame::{self, Frame};
use super::super::site::MAX_HOMES;
use super::super::thunks::reg;
use super::{Emitter, block_at, successors};
use crate::ir::Cond;
use crate::ir::block::{Block, Code, Term, Unit, Val};
use crate::ir::op::{IntOp, Op};

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
    Spill(u8),
    SpillV(u8),
    /// 1 when the host's flags fulfil a condition.
    Cond(Cond),
    /// Computed where it is used.
    Fused,
}

/// Host registers for homes, taken from the end of the pool.
const HOMES: [u8; MAX_HOMES] = [14, 13, 12, 11, 10];

/// Chooses which guest registers get a home: those used most, inner loops counted eightfold.
pub(super) fn choose_homes(unit: &Unit) -> [Option<u8>; 32] {
    let mut weight = [0u32; 32];
    for (n, block) in unit.blocks.iter().enumerate() {
        let loops = unit.blocks[n..].iter().any(|later| {
            successors(&later.term).iter().flatten().any(|&va| block_at(unit, va).is_some_and(|t| t <= n))
        });
        let factor = if loops { 8 } else { 1 };
        for inst in &block.insts {
            if let Code::GetX(r) | Code::SetX(r) = inst.code {
                weight[usize::from(r)] += factor;
            }
        }
    }
    let mut order: Vec<usize> = (0..32).filter(|&r| weight[r] >= 3).collect();
    order.sort_by_key(|&r| std::cmp::Reverse(weight[r]));
    let mut homes = [None; 32];
    for (&guest, &host) in order.iter().zip(&HOMES) {
        homes[guest] = Some(host);
    }
    homes
}

/// The home registers that may differ from the state when a block begins.
pub(super) fn dirty_at_entry(unit: &Unit, homes: &[Option<u8>; 32]) -> Vec<u32> {
    let written: Vec<u32> = unit
        .blocks
        .iter()
        .map(|block| {
            block.insts.iter().fold(0, |dirty, inst| match inst.code {
                Code::SetX(r) if homes[usize::from(r)].is_some() => dirty | 1 << r,
                _ => dirty,
            })
        })
        .collect();
    let mut entry = vec![0u32; unit.blocks.len()];
    loop {
        let mut changed = false;
        for (n, block) in unit.blocks.iter().enumerate() {
            let out = written[n] | entry[n];
            for target in successors(&block.term).into_iter().flatten().filter_map(|va| block_at(unit, va)) {
                changed |= out & !entry[target] != 0;
                entry[target] |= out;
            }
        }
        if !changed {
            return entry;
        }
    }
}

/// The index of each value's last use (the block's length for the terminator), and the number of its uses.
pub(super) fn last_uses(block: &Block) -> (Vec<usize>, Vec<u16>) {
    let mut last = vec![0; block.insts.len()];
    let mut uses = vec![0; block.insts.len()];
    for (index, inst) in block.insts.iter().enumerate() {
        for arg in inst.args() {
            last[usize::from(arg.0)] = index;
            uses[usize::from(arg.0)] += 1;
        }
    }
    if let Term::If { cond: v, .. } | Term::Indirect { target: v, .. } = block.term {
        // What a fused condition is computed from lives as long as itself.
        let (mut v, end) = (usize::from(v.0), block.insts.len());
        last[v] = end;
        uses[v] += 1;
        if let Some(arg) = block.insts[v].args().next()
            && matches!(block.insts[v].code, Code::Op(_))
        {
            v = usize::from(arg.0);
            last[v] = end;
        }
    }
    (last, uses)
}

/// Addresses of the form base plus small constant that one access alone uses: the access adds by itself.
pub(super) fn fuse_addresses(block: &Block, last_use: &mut [usize], uses: &[u16]) -> Vec<bool> {
    let mut fused = vec![false; block.insts.len()];
    for (index, inst) in block.insts.iter().enumerate() {
        let access = matches!(
            inst.code,
            Code::Load(_) | Code::Store(_) | Code::LoadPair(_) | Code::StorePair(_) | Code::LoadV(_) | Code::StoreV(_)
        );
        let address = inst.args[0];
        if !access || uses[usize::from(address.0)] != 1 {
            continue;
        }
        let add = block.insts[usize::from(address.0)];
        if add.code != Code::Op(Op::Int(IntOp::Add64)) {
            continue;
        }
        let offset = block.insts[usize::from(add.args[1].0)];
        if offset.code == Code::Imm && i32::try_from(offset.imm as i64).is_ok() {
            fused[usize::from(address.0)] = true;
            let base = &mut last_use[usize::from(add.args[0].0)];
            *base = (*base).max(index);
        }
    }
    fused
}

impl Emitter<'_> {
    pub(super) fn is_used(&self, val: Val) -> bool {
        self.uses[usize::from(val.0)] > 0
    }

    /// Whether a value's last use is the current instruction or before.
    pub(super) fn dies(&self, val: Val) -> bool {
        self.last_use[usize::from(val.0)] <= self.index
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

    /// Ends an instruction: registers of values that are used no more are free.
    pub(super) fn end_inst(&mut self) {
        (self.pinned, self.pinned_v) = (0, 0);
        for n in 0..16 {
            if self.owner[n].is_some_and(|v| self.dies(v)) {
                self.owner[n] = None;
            }
            if self.owner_v[n].is_some_and(|v| self.dies(v)) {
                self.owner_v[n] = None;
            }
        }
        let index = self.index;
        let dead = |v: &mut Option<Val>, last: &[usize]| {
            if v.is_some_and(|v| last[usize::from(v.0)] <= index) {
                *v = None;
            }
        };
        self.spills.iter_mut().for_each(|v| dead(v, &self.last_use));
        self.spills_v.iter_mut().for_each(|v| dead(v, &self.last_use));
    }

    fn is_home(&self, host: u8) -> bool {
        self.homes.contains(&Some(host))
    }

    /// A free temporary register, pinned; evicts the value that is needed last.
    pub(super) fn temporary(&mut self) -> u8 {
        let candidates = || reg::POOL.into_iter().filter(|&r| !self.is_home(r) && self.pinned >> r & 1 == 0);
        let free = candidates().find(|&r| self.owner[usize::from(r)].is_none());
        let chosen = free.unwrap_or_else(|| {
            let last = |r: &u8| self.owner[usize::from(*r)].map_or(0, |v| self.last_use[usize::from(v.0)]);
            candidates().max_by_key(last).expect("an instruction pins fewer registers than there are")
        });
        if let Some(victim) = self.owner[usize::from(chosen)].take() {
            let slot = self.spills.iter().position(Option::is_none).expect("a block has fewer live values than slots");
            self.spills[slot] = Some(victim);
            self.at[usize::from(victim.0)] = At::Spill(slot as u8);
            dynasm!(self.a ; .arch x64 ; mov [rbp + spill(slot)], Rq(chosen));
        }
        self.pinned |= 1 << chosen;
        chosen
    }

    pub(super) fn vector_temporary(&mut self) -> u8 {
        let candidates = || (0..reg::VECTORS).filter(|&r| self.pinned_v >> r & 1 == 0);
        let free = candidates().find(|&r| self.owner_v[usize::from(r)].is_none());
        let chosen = free.unwrap_or_else(|| {
            let last = |r: &u8| self.owner_v[usize::from(*r)].map_or(0, |v| self.last_use[usize::from(v.0)]);
            candidates().max_by_key(last).expect("an instruction pins fewer registers than there are")
        });
        if let Some(victim) = self.owner_v[usize::from(chosen)].take() {
            let slot =
                self.spills_v.iter().position(Option::is_none).expect("a block has fewer live values than slots");
            self.spills_v[slot] = Some(victim);
            self.at[usize::from(victim.0)] = At::SpillV(slot as u8);
            dynasm!(self.a ; .arch x64 ; vmovdqu [rbp + spill_v(slot)], Rx(chosen));
        }
        self.pinned_v |= 1 << chosen;
        chosen
    }

    /// The value in a register, pinned, which is not to be written.
    pub(super) fn register(&mut self, val: Val) -> u8 {
        let n = usize::from(val.0);
        let r = match self.at[n] {
            At::Reg(r) | At::Home(r) => {
                self.pinned |= 1 << r;
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
                self.spills[usize::from(slot)] = None;
                r
            }
            At::Cond(cond) => {
                let r = self.temporary();
                self.set_cond(r, cond);
                r
            }
            other => unreachable!("{val:?} is {other:?}, not an integer"),
        };
        self.owner[usize::from(r)] = Some(val);
        self.at[n] = At::Reg(r);
        r
    }

    /// The value in a vector register, pinned, which is not to be written.
    pub(super) fn vector(&mut self, val: Val) -> u8 {
        let n = usize::from(val.0);
        match self.at[n] {
            At::Xmm(r) => {
                self.pinned_v |= 1 << r;
                r
            }
            At::SpillV(slot) => {
                let r = self.vector_temporary();
                dynasm!(self.a ; .arch x64 ; vmovdqu Rx(r), [rbp + spill_v(usize::from(slot))]);
                self.spills_v[usize::from(slot)] = None;
                self.owner_v[usize::from(r)] = Some(val);
                self.at[n] = At::Xmm(r);
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
        if let Some((guest, home)) = self.target_home(n) {
            self.dirty |= 1 << guest;
            self.at[n] = At::Home(home);
            self.pinned |= 1 << home;
            return home;
        }
        let r = self.temporary();
        self.owner[usize::from(r)] = Some(val);
        self.at[n] = At::Reg(r);
        r
    }

    /// As [`Emitter::define`], in the register of an argument that dies here if that is a temporary.
    pub(super) fn define_over(&mut self, val: Val, arg: Val) -> u8 {
        let n = usize::from(val.0);
        if self.target_home(n).is_none()
            && self.dies(arg)
            && let At::Reg(r) = self.at[usize::from(arg.0)]
        {
            self.owner[usize::from(r)] = Some(val);
            self.at[n] = At::Reg(r);
            self.pinned |= 1 << r;
            return r;
        }
        self.define(val)
    }

    pub(super) fn define_v(&mut self, val: Val) -> u8 {
        let r = self.vector_temporary();
        self.owner_v[usize::from(r)] = Some(val);
        self.at[usize::from(val.0)] = At::Xmm(r);
        r
    }

    /// The guest register and home that value `n` may be computed in at once: the next instruction but for constants and
    /// reads of others writes it there, and nobody needs the home's old value any more.
    fn target_home(&self, n: usize) -> Option<(u8, u8)> {
        for inst in &self.block.insts[n + 1..] {
            match inst.code {
                Code::SetX(guest) if usize::from(inst.args[0].0) == n => {
                    let home = self.homes[usize::from(guest)]?;
                    let aliased = self
                        .at
                        .iter()
                        .zip(&self.last_use)
                        .any(|(at, &last)| *at == At::Home(home) && last > self.index);
                    return (!aliased).then_some((guest, home));
                }
                Code::Imm | Code::Second => {}
                _ => return None,
            }
        }
        None
    }

    pub(super) fn get_x(&mut self, val: Val, guest: u8) {
        if !self.is_used(val) {
            return;
        }
        if let Some(home) = self.homes[usize::from(guest)] {
            self.at[self.index] = At::Home(home);
        } else {
            let r = self.temporary();
            self.owner[usize::from(r)] = Some(val);
            self.at[self.index] = At::Reg(r);
            dynasm!(self.a ; .arch x64 ; mov Rq(r), [rbp + frame::x(guest)]);
        }
    }

    pub(super) fn set_x(&mut self, guest: u8, val: Val) {
        let Some(home) = self.homes[usize::from(guest)] else {
            if let Some(value) = self.constant(val).and_then(|v| i32::try_from(v as i64).ok()) {
                dynasm!(self.a ; .arch x64 ; mov QWORD [rbp + frame::x(guest)], value);
            } else {
                let r = self.register(val);
                dynasm!(self.a ; .arch x64 ; mov [rbp + frame::x(guest)], Rq(r));
            }
            return;
        };
        self.dirty |= 1 << guest;
        if self.at[usize::from(val.0)] == At::Home(home) {
            return;
        }
        // Whoever still needs the old value gets a copy.
        for n in 0..self.index {
            if self.at[n] == At::Home(home) && self.last_use[n] > self.index {
                let r = self.temporary();
                dynasm!(self.a ; .arch x64 ; mov Rq(r), Rq(home));
                self.owner[usize::from(r)] = Some(Val(n as u16));
                self.at[n] = At::Reg(r);
            }
        }
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
