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
mod terminators;
mod vec;

use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi, dynasm};

use super::frame;
use super::site::{FIRST_V, Loc, MAX_HOMES, Site, Task};
use super::slow::Registers;
use super::thunks::{Asm, Thunks};
use crate::ir::block::{Block, Call, Code, Inst, Term, Unit, Val};
use crate::ir::op::{Kind, Op};
use alloc::At;
pub(super) use terminators::UNLINKED;

/// What translation of a unit gave.
pub(super) struct Compiled {
    pub code: Vec<u8>,
    pub sites: Vec<Site>,
    /// Offset of the code that replaces a stale unit.
    pub stale: usize,
}

/// A slow path, emitted behind the unit.
struct Cold {
    label: DynamicLabel,
    back: Option<DynamicLabel>,
    site: usize,
}

struct Emitter<'a> {
    a: Asm,
    unit: &'a Unit,
    thunks: Thunks,
    registers: Registers,
    first_site: usize,
    sites: Vec<Site>,
    cold: Vec<Cold>,
    /// Constants that the code reads, emitted behind it.
    pool: Vec<(u128, DynamicLabel)>,
    exits: Vec<terminators::ColdExit>,
    labels: Vec<DynamicLabel>,
    /// Host register of each guest register that has a home; V registers are from [`FIRST_V`] on.
    homes: alloc::Homes,
    /// Guest registers whose home may differ from the state, as a bit mask.
    dirty: u64,
    // Of the current block:
    block: &'a Block,
    at: Vec<At>,
    last_use: Vec<usize>,
    uses: Vec<u16>,
    /// Values that are computed where they are used.
    fused: Vec<bool>,
    owner: [Option<Val>; 16],
    owner_v: [Option<Val>; 16],
    spills: [Option<Val>; frame::SPILLS],
    spills_v: [Option<Val>; frame::VECTOR_SPILLS],
    /// Registers and vector registers that the current instruction holds on to.
    pinned: u32,
    pinned_v: u32,
    index: usize,
    flags: flags::State,
    nzcv_live: Vec<bool>,
    nzcv_live_out: bool,
}

/// Translates a unit for execution at `base`; its sites will have numbers from `first_site` on.
pub(super) fn compile(unit: &Unit, base: u64, thunks: Thunks, first_site: usize, registers: Registers) -> Compiled {
    let mut a = Asm::new(base as usize);
    let labels = unit.blocks.iter().map(|_| a.new_dynamic_label()).collect();
    let block = &unit.blocks[0];
    let mut e = Emitter {
        a,
        unit,
        thunks,
        registers,
        first_site,
        sites: Vec::new(),
        cold: Vec::new(),
        pool: Vec::new(),
        exits: Vec::new(),
        labels,
        homes: alloc::choose_homes(unit),
        dirty: 0,
        block,
        at: Vec::new(),
        last_use: Vec::new(),
        uses: Vec::new(),
        fused: Vec::new(),
        owner: [None; 16],
        owner_v: [None; 16],
        spills: [None; frame::SPILLS],
        spills_v: [None; frame::VECTOR_SPILLS],
        pinned: 0,
        pinned_v: 0,
        index: 0,
        flags: flags::State::default(),
        nzcv_live: Vec::new(),
        nzcv_live_out: true,
    };
    e.entry();
    let dirty_in = alloc::dirty_at_entry(unit, &e.homes);
    let live_in = flags::live_at_entry(unit);
    for (n, block) in unit.blocks.iter().enumerate() {
        e.dirty = dirty_in[n];
        e.emit_block(n, block, &live_in);
    }
    e.emit_cold();
    let stale = e.a.offset().0;
    e.leave_to(block.va);
    let address = e.thunks.stale;
    dynasm!(e.a ; .arch x64 ; jmp extern address as usize);
    e.emit_pool();
    let code = e.a.finalize().expect("every label of a unit is defined");
    Compiled { code, sites: e.sites, stale }
}

impl<'a> Emitter<'a> {
    /// The unit's entry: eight bytes that can be overwritten by a jump, then the homes.
    fn entry(&mut self) {
        self.a.extend([0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0]);
        for (guest, home) in (0u8..).zip(self.homes) {
            match (home, guest.checked_sub(FIRST_V)) {
                (Some(home), None) => dynasm!(self.a ; .arch x64 ; mov Rq(home), [rbp + frame::x(guest)]),
                (Some(home), Some(v)) => dynasm!(self.a ; .arch x64 ; vmovdqu Rx(home), [rbp + frame::v(v)]),
                (None, _) => {}
            }
        }
    }

    fn emit_block(&mut self, n: usize, block: &'a Block, live_in: &[bool]) {
        let label = self.labels[n];
        dynasm!(self.a ; .arch x64 ; =>label);
        self.begin_block(block, live_in);
        for index in 0..block.insts.len() {
            self.index = index;
            self.emit_inst(&block.insts[index]);
            self.end_inst();
        }
        self.index = block.insts.len();
        self.emit_term(n);
    }

    fn begin_block(&mut self, block: &'a Block, live_in: &[bool]) {
        self.block = block;
        (self.last_use, self.uses) = alloc::last_uses(block);
        self.fused = alloc::fuse_addresses(block, &mut self.last_use, &self.uses);
        self.at.clear();
        self.at.resize(block.insts.len(), At::None);
        self.owner = [None; 16];
        self.owner_v = [None; 16];
        self.spills = [None; frame::SPILLS];
        self.spills_v = [None; frame::VECTOR_SPILLS];
        self.flags = flags::State::default();
        self.nzcv_live_out = flags::live_out(self.unit, block, live_in);
        self.nzcv_live = flags::liveness(block, self.nzcv_live_out);
    }

    fn emit_inst(&mut self, inst: &Inst) {
        let val = Val(self.index as u16);
        match inst.code {
            Code::Imm => self.at[self.index] = At::Imm(inst.imm),
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
        if self.fused[self.index] || self.is_fused(val) {
            self.at[self.index] = At::Fused;
            return;
        }
        if !self.is_used(val) && !op.row().env {
            return;
        }
        let native = match op {
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
        (self.pinned, self.pinned_v) = (0, 0);
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
        if self.inline_call(val, inst, call) {
            return;
        }
        self.clobber_flags();
        let mut args = [Loc::None; 6];
        for (loc, arg) in args.iter_mut().zip(inst.args()) {
            *loc = Loc::Reg(self.register(arg));
        }
        // The thunk reads all arguments before it writes a result: they may share registers.
        self.pinned = 0;
        let second = Val(val.0 + 1);
        let has_second = self.block.insts.get(self.index + 1).is_some_and(|i| i.code == Code::Second);
        let mut results = [Loc::None; 2];
        if inst.result().is_some() && self.is_used(val) {
            results[0] = Loc::Reg(self.define(val));
        }
        if has_second && self.is_used(second) {
            results[1] = Loc::Reg(self.define(second));
        }
        self.call_slow(Task::Call(call), args, results);
        // The thunk has written every dirty home to the state, and the call may have changed registers there.
        self.dirty = 0;
        self.flags = flags::State::default();
    }

    /// Calls the thunk in line.
    fn call_slow(&mut self, task: Task, args: [Loc; 6], results: [Loc; 2]) {
        let site = self.site(task, args, results);
        let (number, slow) = (self.number(site), self.thunks.slow);
        dynasm!(self.a ; .arch x64 ; mov ecx, number ; call extern slow as usize);
    }

    fn number(&self, site: usize) -> i32 {
        (self.first_site + site) as i32
    }

    /// Records a site here.
    fn site(&mut self, task: Task, args: [Loc; 6], results: [Loc; 2]) -> usize {
        let guest = self.block.insts.get(self.index).map_or(self.block.len.saturating_sub(1), |i| i.guest);
        let mut dirty = [(0, 0); MAX_HOMES];
        let mut dirty_count = 0;
        for guest in 0..self.homes.len() as u8 {
            if self.dirty >> guest & 1 != 0
                && let Some(home) = self.homes[usize::from(guest)]
            {
                dirty[usize::from(dirty_count)] = (home, guest);
                dirty_count += 1;
            }
        }
        let pc = self.block.va.wrapping_add(4 * u64::from(guest));
        self.sites.push(Site { task, pc, args, results, dirty, dirty_count });
        self.sites.len() - 1
    }

    fn emit_cold(&mut self) {
        for Cold { label, back, site } in std::mem::take(&mut self.cold) {
            let (number, slow) = (self.number(site), self.thunks.slow);
            dynasm!(self.a ; .arch x64 ; =>label ; mov ecx, number ; call extern slow as usize);
            if let Some(back) = back {
                dynasm!(self.a ; .arch x64 ; jmp =>back);
            }
        }
        while let Some(exit) = self.exits.pop() {
            self.emit_cold_exit(exit);
        }
    }
}

/// Addresses that a block may go on to, inside or outside its unit.
fn successors(term: &Term) -> [Option<u64>; 2] {
    match *term {
        Term::Jump(target) | Term::Poll(target) => [Some(target), None],
        Term::If { target, next, .. } => [Some(target), Some(next)],
        _ => [None, None],
    }
}

fn block_at(unit: &Unit, va: u64) -> Option<usize> {
    unit.blocks.iter().position(|block| block.va == va)
}
