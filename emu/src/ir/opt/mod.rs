//! Optimisation of a block. It can be left out; results never change.

use super::block::{Block, Code, Inst, Term, Val};
use super::op::Op;
use crate::state::FpEnv;

/// In one sweep: a guest register that is read again, or read after it was written, is the value that is known already;
/// an integer operation on constants is a constant.
pub fn run(block: &mut Block) {
    let mut known_x = [Val::NONE; 32];
    let mut known_v = [Val::NONE; 32];
    let mut names: Vec<Val> = Vec::with_capacity(block.insts.len());
    // Instructions move up to where dropped ones were.
    let mut kept = 0;
    for n in 0..block.insts.len() {
        let mut inst = block.insts[n];
        for arg in inst.args.iter_mut().take_while(|arg| **arg != Val::NONE) {
            *arg = names[usize::from(arg.0)];
        }
        let name = Val(kept as u16);
        match inst.code {
            Code::GetX(r) | Code::GetV(r) => {
                let known = if matches!(inst.code, Code::GetX(_)) { &mut known_x } else { &mut known_v };
                let known = &mut known[usize::from(r)];
                if *known != Val::NONE {
                    names.push(*known);
                    continue;
                }
                *known = name;
            }
            Code::SetX(r) => known_x[usize::from(r)] = inst.args[0],
            Code::SetV(r) => known_v[usize::from(r)] = inst.args[0],
            // Some calls write guest registers behind the block's back: PSCI, ERET.
            Code::Call(_) => {
                known_x = [Val::NONE; 32];
                known_v = [Val::NONE; 32];
            }
            Code::Op(op @ Op::Int(_)) => fold(op, &mut inst, &block.insts),
            _ => {}
        }
        names.push(name);
        block.insts[kept] = inst;
        kept += 1;
    }
    block.insts.truncate(kept);
    match &mut block.term {
        Term::If { cond: v, .. } | Term::Indirect { target: v, .. } => *v = names[usize::from(v.0)],
        _ => {}
    }
}

/// An operation on constants among `insts` becomes a constant.
fn fold(op: Op, inst: &mut Inst, insts: &[Inst]) {
    let mut args = [0; 6];
    let mut count = 0;
    for arg in inst.args() {
        let from = &insts[usize::from(arg.0)];
        if !matches!(from.code, Code::Imm) {
            return;
        }
        args[count] = from.imm.into();
        count += 1;
    }
    let value = (op.row().eval)(&mut FpEnv::default(), &args[..count], inst.imm) as u64;
    *inst = Inst { code: Code::Imm, args: [Val::NONE; 6], imm: value, guest: inst.guest };
}
