//! Probe sharing: accesses of a block at constant distances from one value find their page together. One of them probes
//! for all, and leaves the host address that the others use.
//!
//! A call may take translations away, so a group ends there. Nothing else within a block does: other vCPUs wait for this
//! one to leave its unit before they rely on what they asked for.

use super::survey::Life;
use crate::ir::block::{Block, Code, Inst, Val};
use crate::ir::op::{IntOp, Op};
use crate::ir::{Mem, Order};

/// Accesses of a block that share probes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    /// What their addresses are computed from.
    root: Val,
    /// Distances from the root of the first byte, and of the byte behind the last.
    pub low: i64,
    high: i64,
    /// Instruction of the last access.
    pub last: u16,
    /// A probe has found that it may be written.
    writes: bool,
    /// Accesses that do not probe.
    guests: u16,
}

/// Number of the group of an access that is in none.
pub(super) const ALONE: u8 = u8::MAX;

/// Most bytes of a group: the more, the more often they lie in two pages.
const MOST_BYTES: i64 = 256;
/// Most groups of a block.
const MOST_GROUPS: usize = 32;

impl Group {
    /// Bytes from the first to the last.
    pub fn bytes(&self) -> u16 {
        (self.high - self.low) as u16
    }

    /// Whether an access is spared its probe.
    pub fn pays(&self) -> bool {
        self.guests > 0
    }
}

/// Finds the groups of a block, and says of each access which it is in and whether it probes.
pub(super) fn find(groups: &mut Vec<Group>, lives: &mut [Life], block: &Block) {
    groups.clear();
    let mut open = 0;
    for val in &block.accesses {
        let n = usize::from(val.0);
        let inst = &block.insts[n];
        let (mem, count, write) = match inst.code {
            Code::Load(mem) | Code::LoadV(mem) => (mem, 1, false),
            Code::Store(mem) | Code::StoreV(mem) => (mem, 1, true),
            Code::LoadPair(mem) => (mem, 2, false),
            Code::StorePair(mem) => (mem, 2, true),
            Code::Call(_) => {
                open = groups.len();
                continue;
            }
            _ => continue,
        };
        if !may_share(mem) {
            continue;
        }
        let (root, low) = address(block, inst);
        let high = low + i64::from(mem.bytes) * count;
        let fits = |group: &Group| group.root == root && high.max(group.high) - low.min(group.low) <= MOST_BYTES;
        let (number, probes) = match (open..groups.len()).find(|&number| fits(&groups[number])) {
            Some(number) => {
                let group = &mut groups[number];
                (group.low, group.high) = (low.min(group.low), high.max(group.high));
                group.last = n as u16;
                let probes = write && !group.writes;
                group.writes |= write;
                group.guests += u16::from(!probes);
                (number, probes)
            }
            None if groups.len() < MOST_GROUPS => {
                groups.push(Group { root, low, high, last: n as u16, writes: write, guests: 0 });
                (groups.len() - 1, true)
            }
            None => continue,
        };
        (lives[n].group, lives[n].probes, lives[n].distance) = (number as u8, probes, low as i32);
    }
}

fn may_share(mem: Mem) -> bool {
    !mem.aligned && !mem.unprivileged && mem.order == Order::Plain
}

/// The address of an access: a value, and the distance from it.
fn address(block: &Block, access: &Inst) -> (Val, i64) {
    let mut root = access.args[0];
    let mut distance = 0;
    loop {
        let inst = &block.insts[usize::from(root.0)];
        let sign = match inst.code {
            Code::Op(Op::Int(IntOp::Add64)) => 1,
            Code::Op(Op::Int(IntOp::Sub64)) => -1,
            _ => break,
        };
        let constant = &block.insts[usize::from(inst.args[1].0)];
        let Some(step) = i32::try_from(constant.imm as i64).ok().filter(|_| matches!(constant.code, Code::Imm)) else {
            break;
        };
        let sum: i64 = distance + sign * i64::from(step);
        if i32::try_from(sum).is_err() {
            break;
        }
        (root, distance) = (inst.args[0], sum);
    }
    (root, distance)
}
