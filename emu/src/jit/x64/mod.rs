//! Emission of x86-64 code for a unit.
//!
//! Registers: RBP the frame, R15 the context's tables, RAX RCX RDX scratch within one IR instruction, the others homes of
//! guest registers and temporaries. XMM13–15 are scratch.

mod alloc;
mod calls;
mod exclusives;
mod flags;
mod fp;
mod int;
mod memory;
mod share;
mod survey;
mod terminators;
mod vec;

use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};

use super::asm::Asm;
use super::frame;
use super::moving::Field;
use super::optimizations::Optimizations;
use super::site::{self, HomeSet, Loc, OWNED, OWNERS_ONLY, Pc, Site, Task};
use super::slow::Registers;
use super::thunks::Thunks;
use crate::ir::block::{Block, Call, Code, Comparison, Effects, FIRST_V, Inst, Unit, Val};
use crate::ir::op::{Kind, Op};
use alloc::At;
use share::Group;
use survey::{Life, Survey};
pub(super) use terminators::{UNLINKED, moved_guard};

/// Memory that translation of one unit after another uses.
#[derive(Debug, Default)]
pub(super) struct Workshop {
    /// The latest unit's code.
    pub a: Asm,
    /// The latest unit's sites.
    pub sites: Vec<Site>,
    survey: Survey,
    cold: Vec<Cold>,
    pool: Vec<(u128, DynamicLabel)>,
    exits: Vec<terminators::ColdExit>,
    labels: Vec<DynamicLabel>,
    lives: Vec<Life>,
    groups: Vec<Group>,
    at: Vec<At>,
    conditions: Vec<Val>,
}

/// A slow path, emitted behind the unit.
#[derive(Debug)]
struct Cold {
    label: DynamicLabel,
    back: Option<DynamicLabel>,
    site: usize,
    /// Of a shared probe: how many bytes share it, and where to go on when they are not all in the page of the address in
    /// RAX.
    crossing: Option<(u16, DynamicLabel)>,
}

struct Emitter<'a> {
    a: Asm,
    unit: &'a Unit,
    survey: Survey,
    thunks: Thunks,
    registers: Registers,
    optimizations: Optimizations,
    first_site: usize,
    sites: Vec<Site>,
    cold: Vec<Cold>,
    /// Constants that the code reads, emitted behind it.
    pool: Vec<(u128, DynamicLabel)>,
    exits: Vec<terminators::ColdExit>,
    /// The blocks' beginnings.
    labels: Vec<DynamicLabel>,
    /// Homes that may differ from the state.
    dirty: HomeSet,
    // Of the current block:
    block: &'a Block,
    lives: Vec<Life>,
    /// Accesses that share probes.
    groups: Vec<Group>,
    /// What NZCV comes from, while it is not in the state: until the block replaces it, and at its exits.
    owed: Option<Comparison>,
    owed_out: Option<Comparison>,
    at: Vec<At>,
    x: alloc::Registers,
    v: alloc::Registers,
    /// Values that the host's flags hold.
    conditions: Vec<Val>,
    index: usize,
    flags: flags::State,
    nzcv_out: bool,
}

/// Where a unit is to be, and what its code refers to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Address at which it will execute.
    pub base: u64,
    /// Number of its first site.
    pub first_site: usize,
    pub thunks: Thunks,
    pub registers: Registers,
    pub optimizations: Optimizations,
}

/// Bytes before a unit's entry: its address, as [`Thunks::stale`] takes it.
pub(super) const HEADER: usize = 8;

/// Translates a unit; its code and its sites are in the workshop.
pub(super) fn compile(workshop: &mut Workshop, unit: &Unit, place: Place) {
    let Workshop {
        mut a,
        mut sites,
        mut survey,
        mut cold,
        mut pool,
        mut exits,
        mut labels,
        lives,
        groups,
        at,
        conditions,
    } = std::mem::take(workshop);
    a.begin(place.base);
    sites.clear();
    cold.clear();
    pool.clear();
    exits.clear();
    labels.clear();
    labels.extend(unit.blocks.iter().map(|_| a.new_dynamic_label()));
    let mut optimizations = place.optimizations;
    if unit.context.apart || unit.context.align_check || !optimizations.contains(Optimizations::PROBES) {
        optimizations.remove(Optimizations::PROBE_SHARING);
    }
    survey.take(unit, optimizations);
    let mut e = Emitter {
        a,
        unit,
        survey,
        thunks: place.thunks,
        registers: place.registers,
        optimizations,
        first_site: place.first_site,
        sites,
        cold,
        pool,
        exits,
        labels,
        dirty: 0,
        block: &unit.blocks[0],
        lives,
        groups,
        owed: None,
        owed_out: None,
        at,
        x: alloc::Registers::default(),
        v: alloc::Registers::default(),
        conditions,
        index: 0,
        flags: flags::State::default(),
        nzcv_out: true,
    };
    let (x, v) = e.survey.homes.split_at(usize::from(FIRST_V));
    e.x.begin_unit(x);
    e.v.begin_unit(v);
    e.address_datum(unit.blocks[0].va);
    e.entry();
    for (n, block) in unit.blocks.iter().enumerate() {
        e.emit_block(n, block);
    }
    e.emit_cold();
    e.emit_pool();
    let Emitter { a, sites, survey, cold, pool, exits, labels, lives, groups, at, conditions, .. } = e;
    *workshop = Workshop { a, sites, survey, cold, pool, exits, labels, lives, groups, at, conditions };
}

impl<'a> Emitter<'a> {
    /// The unit's entry: eight bytes that can be overwritten by a jump or call, then the homes, of which those that are lent
    /// are vacated.
    fn entry(&mut self) {
        self.a.extend([0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0]);
        for (home, owner) in site::homes(OWNERS_ONLY, self.survey.lent) {
            dynasm!(self.a ; .arch x64 ; mov [BYTE rbp + frame::x(owner)], Rq(home));
        }
        for (home, guest) in self.homes(self.survey.filled) {
            match guest.checked_sub(FIRST_V) {
                None => dynasm!(self.a ; .arch x64 ; mov Rq(home), [BYTE rbp + frame::x(guest)]),
                Some(v) => dynasm!(self.a ; .arch x64 ; vmovdqu Rx(home), [rbp + frame::v(v)]),
            }
        }
    }

    fn leaves_out(&self, optimization: Optimizations) -> bool {
        !self.optimizations.contains(optimization)
    }

    fn emit_block(&mut self, n: usize, block: &'a Block) {
        let label = self.labels[n];
        dynasm!(self.a ; .arch x64 ; =>label);
        let summary = self.survey.blocks[n];
        self.block = block;
        self.dirty = summary.dirty_in;
        self.nzcv_out = summary.nzcv_out;
        self.owed = summary.owed_in.comparison();
        self.owed_out = summary.owed_out.comparison().filter(|_| !summary.nzcv_out);
        survey::lives(&mut self.lives, &mut self.groups, block, summary.nzcv_out, self.optimizations);
        self.at.clear();
        self.at.resize(self.lives.len(), At::None);
        self.x.begin_block();
        self.v.begin_block();
        self.conditions.clear();
        self.flags = flags::State::default();
        for (index, inst) in block.insts.iter().enumerate() {
            if self.lives[index].uses > 0 || !inst.effects.contains(Effects::PURE) {
                self.index = index;
                self.emit_inst(inst);
                if inst.effects.contains(Effects::WRITES_NZCV) {
                    self.owed = None;
                }
                self.x.unpin();
                self.v.unpin();
            }
        }
        self.index = block.insts.len();
        self.emit_term(n);
    }

    #[inline(always)]
    fn emit_inst(&mut self, inst: &Inst) {
        let val = Val(self.index as u16);
        match inst.code {
            Code::Imm => self.at[self.index] = At::Imm(inst.imm),
            Code::Near => {
                let dst = self.define(val);
                self.near(dst, inst.imm);
            }
            Code::ImmV => {
                if self.is_used(val) {
                    self.vector_constant(val, self.block.vectors[inst.imm as usize]);
                }
            }
            Code::GetX(guest) => self.get_x(val, guest),
            Code::SetX(guest) => self.set_x(guest, inst.args[0]),
            Code::GetV(guest) => self.get_v(val, guest),
            Code::SetV(guest) => self.set_v(guest, inst.args[0]),
            Code::Op(op) => self.emit_op(val, op, inst),
            Code::Flags(op, wide) => self.emit_flags(val, op, wide, inst.args[0], inst.args[1]),
            Code::CondFlags(op, wide, cond) => {
                self.emit_cond_flags(op, wide, cond, inst.args[0], inst.args[1], inst.imm as u32);
            }
            Code::GetNzcv => self.get_nzcv(val),
            Code::SetNzcv => self.set_nzcv(inst.args[0]),
            Code::GetCarry => self.get_cond(val, crate::ir::Cond(2)),
            Code::GetCond(cond) => self.get_cond(val, cond),
            Code::CheckSp => self.check_sp(inst),
            Code::Load(mem) => self.load(val, inst, mem, 1),
            Code::LoadPair(mem) => self.load(val, inst, mem, 2),
            Code::Store(mem) => self.store(inst, mem, 1),
            Code::StorePair(mem) => self.store(inst, mem, 2),
            Code::LoadV(mem) => self.load_v(val, inst, mem),
            Code::StoreV(mem) => self.store_v(inst, mem),
            Code::Second => {}
            Code::Call(call) => self.emit_call(val, inst, call),
        }
    }

    fn emit_op(&mut self, val: Val, op: Op, inst: &Inst) {
        if self.lives[self.index].fused || self.is_fused(val) {
            self.at[self.index] = At::Fused;
            return;
        }
        if !self.is_used(val) && !op.row().env {
            return;
        }
        let native = match op {
            _ if self.leaves_out(Optimizations::NATIVE) => false,
            Op::Int(op) => {
                self.emit_int(val, op, inst);
                true
            }
            Op::Vec(op) if self.emit_mixed(val, op, inst) => true,
            Op::Crypto(op) if self.emit_crc(val, op, inst) => true,
            Op::Vec(_) | Op::VecArith(_) | Op::VecSat(_) | Op::Crypto(_) => self.emit_vectors(val, op, inst),
            Op::Fp(op) => self.emit_fp(val, op, inst),
        };
        if !native {
            self.emit_eval(val, op, inst);
        }
    }

    /// An operation without an emitter is called through its `eval`.
    fn emit_eval(&mut self, val: Val, op: Op, inst: &Inst) {
        self.clobber_flags();
        let row = op.row();
        let mut args = [Loc::None; 6];
        for (loc, (arg, kind)) in args.iter_mut().zip(inst.args().zip(row.args)) {
            *loc = match kind {
                Kind::I => Loc::Reg(self.register(arg)),
                Kind::V => Loc::Xmm(self.vector(arg)),
            };
        }
        self.x.unpin();
        self.v.unpin();
        let result = if !self.is_used(val) {
            Loc::None
        } else if row.result == Kind::I {
            Loc::Reg(self.define(val))
        } else {
            Loc::Xmm(self.define_v(val))
        };
        self.call_slow(Task::Eval(op, inst.imm), args, [result, Loc::None]);
    }

    fn emit_call(&mut self, val: Val, inst: &Inst, call: Call) {
        if !self.leaves_out(Optimizations::CALLS) && self.inline_call(val, inst, call) {
            return;
        }
        self.clobber_flags();
        let mut args = [Loc::None; 6];
        for (loc, arg) in args.iter_mut().zip(inst.args()) {
            *loc = Loc::Reg(self.register(arg));
        }
        // The thunk reads all arguments before it writes a result: they may share registers.
        self.x.unpin();
        let second = Val(val.0 + 1);
        let has_second = self.block.insts.get(self.index + 1).is_some_and(|i| i.code == Code::Second);
        let mut results = [Loc::None; 2];
        if inst.result().is_some() && self.is_used(val) {
            results[0] = Loc::Reg(self.define(val));
        }
        if has_second && self.is_used(second) {
            results[1] = Loc::Reg(self.define(second));
        }
        let task = match call {
            Call::Raise => Task::Raise(self.block.exceptions[inst.imm as usize]),
            _ => Task::Call(call),
        };
        self.call_slow(task, args, results);
        // The thunk has written every dirty home to the state, and the call may have changed registers there.
        self.dirty = 0;
        if !call.returns_values_only() {
            for (home, owner) in site::homes(OWNERS_ONLY, OWNED & !self.survey.lent) {
                dynasm!(self.a ; .arch x64 ; mov Rq(home), [BYTE rbp + frame::x(owner)]);
            }
        }
        self.flags = flags::State::default();
    }

    /// Calls the thunk in line.
    fn call_slow(&mut self, task: Task, args: [Loc; 6], results: [Loc; 2]) {
        let site = self.site(task, args, results);
        let (number, slow) = (self.number(site), self.thunks.slow);
        self.call_site(number, slow);
    }

    /// Calls a thunk for a site.
    fn call_site(&mut self, number: i32, slow: u64) {
        dynasm!(self.a ; .arch x64 ; mov ecx, number);
        self.a.mark(Field::Site, 4);
        dynasm!(self.a ; .arch x64 ; call extern slow as usize);
    }

    /// Host register and guest register of each home of a set.
    fn homes(&self, set: HomeSet) -> impl Iterator<Item = (u8, u8)> + use<> {
        site::homes(self.survey.tenants, set)
    }

    fn number(&self, site: usize) -> i32 {
        (self.first_site + site) as i32
    }

    /// Records a site here.
    fn site(&mut self, task: Task, args: [Loc; 6], results: [Loc; 2]) -> usize {
        let guest = self.block.insts.get(self.index).map_or(self.block.len.saturating_sub(1), |i| i.guest.into());
        let pc = self.block.va.wrapping_add(4 * u64::from(guest));
        let pc = Pc::new(pc, self.unit.context.relative());
        let (dirty, tenants) = (self.dirty | OWNED & !self.survey.lent, self.survey.tenants);
        self.sites.push(Site { task, pc, args, results, owed: self.owed, dirty, tenants });
        self.sites.len() - 1
    }

    fn emit_cold(&mut self) {
        while let Some(Cold { label, back, site, crossing }) = self.cold.pop() {
            let (number, slow) = (self.number(site), self.thunks.slow);
            dynasm!(self.a ; .arch x64 ; =>label);
            if let Some((bytes, crossing)) = crossing {
                let last = 4096 - i32::from(bytes);
                dynasm!(self.a ; .arch x64 ; mov edx, eax ; and edx, 0xfff ; cmp edx, last ; ja =>crossing);
            }
            self.call_site(number, slow);
            if let Some(back) = back {
                dynasm!(self.a ; .arch x64 ; jmp =>back);
            }
        }
        while let Some(exit) = self.exits.pop() {
            self.emit_cold_exit(exit);
        }
    }
}
