//! What emission must know in advance: of a unit, where its blocks lead and which guest registers they use; of a block, how
//! long each value lives.

use super::super::optimizations::Optimizations;
use super::super::site::{HomeSet, NOBODY, OWNED, OWNERS, OWNERS_ONLY, Tenants, V_HOMES, X_HOMES};
use super::share::{self, ALONE, Group};
use crate::ir::block::{Block, Code, Comparison, Effects, FIRST_V, Term, Unit, Usage};
use crate::ir::op::{IntOp, Op};

/// Host register of each guest register that has a home; V registers are from [`FIRST_V`] on.
pub(super) type Homes = [Option<u8>; 64];

/// What is known of a block before it is emitted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Summary {
    /// Blocks of the unit that it goes on to.
    successors: [Option<u8>; 2],
    /// It may go on outside the unit.
    leaves: bool,
    /// Before it replaces NZCV, it needs it itself, or shows it at least; it replaces it.
    reads_nzcv: bool,
    uses_nzcv: bool,
    sets_nzcv: bool,
    /// The X registers that it writes before NZCV is shown for the last time.
    written_before: u64,
    /// Homes that it writes.
    written: HomeSet,
    /// Homes that may differ from the state when it begins.
    pub dirty_in: HomeSet,
    /// Whether NZCV matters at its beginning.
    nzcv_in: bool,
    /// Whether NZCV has to be in the state at its end.
    pub nzcv_out: bool,
    /// What gives NZCV at its beginning and at its end where it is not in the state.
    pub owed_in: Owed,
    pub owed_out: Owed,
}

/// Where NZCV is to be had at a block's border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Owed {
    /// Not known yet.
    #[default]
    Unknown,
    /// In the state.
    Nothing,
    /// From guest registers.
    Comparison(Comparison),
}

impl Owed {
    pub fn comparison(self) -> Option<Comparison> {
        if let Self::Comparison(comparison) = self { Some(comparison) } else { None }
    }

    /// What is known of a block when this comes over one edge and `other` over another.
    fn meet(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown, one) | (one, Self::Unknown) => one,
            (one, other) if one == other => one,
            _ => Self::Nothing,
        }
    }
}

/// What is known of a unit before it is emitted.
#[derive(Debug)]
pub(super) struct Survey {
    pub blocks: Vec<Summary>,
    pub homes: Homes,
    pub tenants: Tenants,
    /// The homes that are used, and have to be filled first.
    pub filled: HomeSet,
    /// The homes that do not have their owners.
    pub lent: HomeSet,
    /// Block at each word of the page, or [`NO_BLOCK`].
    starts: Vec<u8>,
    page: u64,
    /// A block goes on to one before it.
    loops: bool,
}

const NO_BLOCK: u8 = u8::MAX;

impl Default for Survey {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            homes: [None; 64],
            tenants: [NOBODY; _],
            filled: 0,
            lent: 0,
            starts: Vec::new(),
            page: 0,
            loops: false,
        }
    }
}

impl Survey {
    /// Looks at a unit.
    pub fn take(&mut self, unit: &Unit, optimizations: Optimizations) {
        self.starts.clear();
        self.starts.resize(1024, NO_BLOCK);
        self.page = unit.blocks[0].va >> 12;
        // From a unit that is apart everything leads out, lest it loops.
        for (n, block) in (0u8..).zip(&unit.blocks).filter(|_| !unit.context.apart) {
            self.starts[(block.va >> 2 & 1023) as usize] = n;
        }
        self.blocks.clear();
        self.loops = false;
        let mut in_loop = [false; NO_BLOCK as usize];
        for (n, block) in unit.blocks.iter().enumerate() {
            let mut summary = Summary::default();
            let targets = successors(&block.term);
            summary.leaves = targets[0].is_none();
            for (successor, target) in summary.successors.iter_mut().zip(targets) {
                let Some(target) = target else { continue };
                match self.block_at(target) {
                    Some(to) => {
                        *successor = Some(to as u8);
                        in_loop[to.min(n + 1)..=n].fill(true);
                        self.loops |= to <= n;
                    }
                    None => summary.leaves = true,
                }
            }
            self.blocks.push(summary);
        }
        let mut weight = [0u16; 64];
        let (weight_x, weight_v) = weight.split_at_mut(usize::from(FIRST_V));
        for (n, block) in unit.blocks.iter().enumerate() {
            let Usage { count, uses_nzcv, sets_nzcv, reads_nzcv, written, written_before, comparison } = &block.usage;
            let summary = &mut self.blocks[n];
            (summary.uses_nzcv, summary.sets_nzcv, summary.reads_nzcv) = (*uses_nzcv, *sets_nzcv, *reads_nzcv);
            summary.written_before = if *sets_nzcv { *written_before } else { *written };
            summary.owed_out = match comparison {
                _ if !sets_nzcv => Owed::Unknown,
                Some(comparison) if optimizations.contains(Optimizations::FLAGS) => Owed::Comparison(*comparison),
                _ => Owed::Nothing,
            };
            let (count_x, count_v) = count.split_at(usize::from(FIRST_V));
            add(weight_x, count_x, in_loop[n]);
            // Vector registers get homes only by loops, since elsewhere few are used twice in a unit.
            if in_loop[n] {
                add(weight_v, count_v, true);
            }
        }
        (self.homes, self.tenants) = ([None; 64], [NOBODY; _]);
        if optimizations.contains(Optimizations::HOMES) {
            self.tenants = OWNERS_ONLY;
            self.lend_homes(&weight);
            self.choose_vector_homes(&weight);
            for (host, tenant) in X_HOMES.iter().chain(&V_HOMES).zip(&self.tenants) {
                if *tenant != NOBODY {
                    self.homes[usize::from(*tenant)] = Some(*host);
                }
            }
        }
        let owned = (0..).zip(OWNERS).filter(|&(n, owner)| self.tenants[n] == owner);
        self.lent = OWNED & !owned.fold(0, |set, (n, _)| set | 1 << n);
        for (summary, block) in self.blocks.iter_mut().zip(&unit.blocks) {
            summary.written = home_set(&self.tenants, block.usage.written);
        }
        self.filled = home_set(&self.tenants, u64::MAX) & (self.lent | !OWNED);
        self.flow();
    }

    /// The block that begins at an address.
    pub fn block_at(&self, va: u64) -> Option<usize> {
        let start = self.starts[(va >> 2 & 1023) as usize];
        (va >> 12 == self.page && va & 3 == 0 && start != NO_BLOCK).then_some(usize::from(start))
    }

    /// Guest registers that are used much more than the owner of a home get it.
    fn lend_homes(&mut self, weight: &[u16; 64]) {
        let mut candidates = (0..usize::from(FIRST_V)).fold(0u64, |set, r| set | u64::from(weight[r] > LENDING) << r);
        candidates &= !OWNERS.iter().fold(0, |set, owner| set | 1 << owner);
        let mut owned = OWNED;
        while let Some(best) = heaviest(candidates, weight)
            && let Some(n) = members(owned).min_by_key(|&n| weight[usize::from(OWNERS[n])])
            && weight[best] > weight[usize::from(OWNERS[n])].saturating_add(LENDING)
        {
            candidates &= !(1 << best);
            owned &= !(1 << n);
            self.tenants[n] = best as u8;
        }
    }

    /// The vector registers used most get homes.
    fn choose_vector_homes(&mut self, weight: &[u16; 64]) {
        let first = usize::from(FIRST_V);
        let mut candidates = (first..64).fold(0u64, |set, r| set | u64::from(weight[r] >= 3) << r);
        for tenant in &mut self.tenants[X_HOMES.len()..] {
            let Some(best) = heaviest(candidates, weight) else { break };
            candidates &= !(1 << best);
            *tenant = best as u8;
        }
    }

    /// Carries over edges what depends on other blocks: dirty homes forwards, the life of NZCV backwards.
    fn flow(&mut self) {
        let mut changed = true;
        while changed {
            changed = false;
            for n in 0..self.blocks.len() {
                let block = self.blocks[n];
                let out = block.dirty_in | block.written;
                for to in block.successors.into_iter().flatten() {
                    let dirty_in = &mut self.blocks[usize::from(to)].dirty_in;
                    changed |= out & !*dirty_in != 0;
                    *dirty_in |= out;
                }
            }
            changed &= self.loops;
        }
        self.flow_nzcv();
    }

    /// Where NZCV is wanted, and where it can be had without having been written to the state: exits and exceptions may
    /// compute it from the registers that were compared, as long as those are what they were.
    fn flow_nzcv(&mut self) {
        let mut changed = true;
        while changed {
            changed = false;
            for n in (0..self.blocks.len()).rev() {
                let block = self.blocks[n];
                let wanted = |to: u8| self.blocks[usize::from(to)].nzcv_in;
                let nzcv_out = block.leaves || block.successors.into_iter().flatten().any(wanted);
                let nzcv_in = block.uses_nzcv || nzcv_out && !block.sets_nzcv;
                changed |= nzcv_in != block.nzcv_in;
                (self.blocks[n].nzcv_in, self.blocks[n].nzcv_out) = (nzcv_in, nzcv_out);
            }
            changed &= self.loops;
        }
        self.blocks[0].owed_in = Owed::Nothing;
        changed = true;
        while changed {
            changed = false;
            for n in 0..self.blocks.len() {
                let block = self.blocks[n];
                let owed = if block.sets_nzcv { block.owed_out } else { block.owed_in };
                self.blocks[n].owed_out = owed;
                for to in block.successors.into_iter().flatten() {
                    let to = &mut self.blocks[usize::from(to)];
                    let kept = match owed {
                        Owed::Comparison(it) if to.reads_nzcv || it.registers() & to.written_before != 0 => {
                            Owed::Nothing
                        }
                        _ => owed,
                    };
                    let owed_in = to.owed_in.meet(kept);
                    changed |= owed_in != to.owed_in;
                    to.owed_in = owed_in;
                }
            }
        }
        for n in 0..self.blocks.len() {
            let block = self.blocks[n];
            let Owed::Comparison(_) = block.owed_out else { continue };
            let unpaid = |to: u8| {
                let to = self.blocks[usize::from(to)];
                to.nzcv_in && to.owed_in == Owed::Nothing
            };
            self.blocks[n].nzcv_out = block.successors.into_iter().flatten().any(unpaid);
        }
    }
}

/// What it costs to lend a home to a guest register, in uses of one that has none: both go to the state and come back.
const LENDING: u16 = 4;

/// The guest register of a set that is used most.
fn heaviest(set: u64, weight: &[u16; 64]) -> Option<usize> {
    members(set).rev().max_by_key(|&r| weight[r])
}

fn members(set: impl Into<u64>) -> impl DoubleEndedIterator<Item = usize> {
    let set = set.into();
    (0..64).filter(move |r| set >> r & 1 != 0)
}

/// The homes of a set of guest registers.
fn home_set(tenants: &Tenants, guests: u64) -> HomeSet {
    let is_in = |guest: u8| guest != NOBODY && guests >> guest & 1 != 0;
    (0..).zip(tenants).fold(0, |set, (n, guest)| set | HomeSet::from(is_in(*guest)) << n)
}

/// Adds the uses by a block, eightfold for one of an inner loop.
fn add(weight: &mut [u16], count: &[u8], in_loop: bool) {
    let factor = if in_loop { 3 } else { 0 };
    for (weight, count) in weight.iter_mut().zip(count) {
        *weight = weight.saturating_add(u16::from(*count) << factor);
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

/// How long a value lives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    /// The index of its last use; the block's length for the terminator.
    pub last_use: u16,
    /// Its uses by instructions that are not dead; what gives a guest register a value is used once, or never if another
    /// does so before anybody can look.
    pub uses: u16,
    /// It is an address, a sum that one access alone uses, so that the access adds by itself; or the sum's second part, a
    /// value times 2, 4 or 8.
    pub fused: bool,
    /// Whether NZCV matters from its instruction on. What may leave the unit shows NZCV to an exception handler.
    pub nzcv: bool,
    /// The group of accesses that it is in, or [`ALONE`], and whether it probes for others.
    pub group: u8,
    pub probes: bool,
    /// Of an access in a group: the distance of its address from what the group's are computed from.
    pub distance: i32,
}

impl Default for Life {
    fn default() -> Self {
        Self { last_use: 0, uses: 0, fused: false, nzcv: false, group: ALONE, probes: false, distance: 0 }
    }
}

/// Fills in the life of each value of a block, at whose end NZCV may matter; one more stands for the terminator, and one
/// for the host address of each group of accesses.
pub(super) fn lives(
    lives: &mut Vec<Life>,
    groups: &mut Vec<Group>,
    block: &Block,
    nzcv_out: bool,
    optimizations: Optimizations,
) {
    let len = block.insts.len();
    lives.clear();
    lives.resize(len + 1, Life { nzcv: nzcv_out, ..Life::default() });
    groups.clear();
    if optimizations.contains(Optimizations::PROBE_SHARING) && block.accesses.len() > 1 {
        share::find(groups, lives, block);
        lives.extend(groups.iter().map(|group| Life { last_use: group.last, ..Life::default() }));
    }
    if let Term::If { cond: v, .. } | Term::Indirect { target: v, .. } = block.term {
        let v = usize::from(v.0);
        lives[v].last_use = len as u16;
        lives[v].uses += 1;
        // What a fused condition is computed from lives as long as itself.
        if let Some(arg) = block.insts[v].args().next()
            && matches!(block.insts[v].code, Code::Op(_))
        {
            lives[usize::from(arg.0)].last_use = len as u16;
        }
    }
    let mut nzcv = nzcv_out;
    // Guest registers that are given a value before anybody looks.
    let mut replaced = 0u64;
    let may_drop = if optimizations.contains(Optimizations::DEAD_WRITES) { u64::MAX } else { 0 };
    for (n, inst) in block.insts.iter().enumerate().rev() {
        let life = lives[n];
        lives[n].nzcv = nzcv;
        let (read, written) = match inst.code {
            Code::GetX(r) => (1 << r, 0),
            Code::GetV(r) => (1 << (FIRST_V + r), 0),
            Code::SetX(r) => (0, 1 << r),
            Code::SetV(r) => (0, 1 << (FIRST_V + r)),
            _ => (0, 0),
        };
        if written & !replaced != 0 {
            lives[n].uses = 1;
            replaced |= written & may_drop;
        }
        if lives[n].uses == 0 && inst.effects.contains(Effects::PURE) {
            continue;
        }
        replaced &= !read;
        // An access that finds its page by another's probe needs no address of its own, and takes no exception.
        let is_guest = life.group != ALONE && !life.probes;
        for arg in inst.args().skip(is_guest.into()) {
            let arg = &mut lives[usize::from(arg.0)];
            arg.last_use = arg.last_use.max(n as u16);
            arg.uses += 1;
        }
        if life.uses == 1 && optimizations.contains(Optimizations::FUSION) && is_part_of_address(lives, block, n) {
            lives[n].fused = true;
            for part in inst.args() {
                let part = &mut lives[usize::from(part.0)];
                part.last_use = part.last_use.max(life.last_use);
            }
        }
        if !is_guest && inst.effects.contains(Effects::MAY_EXIT) {
            replaced = 0;
        }
        nzcv &= !inst.effects.contains(Effects::WRITES_NZCV);
        nzcv |= !is_guest && inst.effects.intersects(Effects::READS_NZCV | Effects::MAY_EXIT);
        lives[n].nzcv = nzcv;
    }
}

/// Whether an access can compute the value `n`, which is used once: see [`Life::fused`].
fn is_part_of_address(lives: &[Life], block: &Block, n: usize) -> bool {
    let inst = &block.insts[n];
    let Some(user) =
        block.insts.get(usize::from(lives[n].last_use)).filter(|user| user.effects.contains(Effects::ACCESS))
    else {
        return false;
    };
    match inst.code {
        Code::Op(Op::Int(IntOp::Add64)) => user.args[0].0 == n as u16,
        Code::Op(Op::Int(IntOp::Shl64)) => {
            let (sum, by) = (&block.insts[usize::from(user.args[0].0)], &block.insts[usize::from(inst.args[1].0)]);
            let scales = matches!(by.code, Code::Imm) && (1..=3).contains(&by.imm);
            lives[usize::from(user.args[0].0)].fused && sum.args[1].0 == n as u16 && scales
        }
        _ => false,
    }
}
