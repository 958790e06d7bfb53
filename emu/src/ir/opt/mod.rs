//! Optimisation of single blocks. Each pass can be left out; results never change.

use super::block::{Block, Code, Term, Val};
use super::op::Op;
use crate::state::FpEnv;

/// Runs every pass on a block.
pub fn run(block: &mut Block) {
    forward(block);
    fold(block);
    remove_dead(block);
}

/// A guest register read again, or read after it was written, is the value that is known already.
pub fn forward(block: &mut Block) {
    let mut known_x = [Val::NONE; 32];
    let mut known_v = [Val::NONE; 32];
    let mut names = Vec::with_capacity(block.insts.len());
    for inst in &mut block.insts {
        for arg in inst.args.iter_mut().take_while(|arg| **arg != Val::NONE) {
            *arg = names[usize::from(arg.0)];
        }
        let own = Val(names.len() as u16);
        let mut name = own;
        match inst.code {
            Code::GetX(r) | Code::GetV(r) => {
                let known = if matches!(inst.code, Code::GetX(_)) { &mut known_x } else { &mut known_v };
                let known = &mut known[usize::from(r)];
                if *known == Val::NONE {
                    *known = own;
                }
                name = *known;
            }
            Code::SetX(r) => known_x[usize::from(r)] = inst.args[0],
            Code::SetV(r) => known_v[usize::from(r)] = inst.args[0],
            // Some calls write guest registers behind the block's back: PSCI, ERET.
            Code::Call(_) => {
                known_x = [Val::NONE; 32];
                known_v = [Val::NONE; 32];
            }
            _ => {}
        }
        names.push(name);
    }
    match &mut block.term {
        Term::If { cond: v, .. } | Term::Indirect { target: v, .. } => *v = names[usize::from(v.0)],
        _ => {}
    }
}

/// An integer operation on constants is a constant.
pub fn fold(block: &mut Block) {
    for n in 0..block.insts.len() {
        let inst = &block.insts[n];
        let Code::Op(op @ Op::Int(_)) = inst.code else { continue };
        let mut args = [0; 6];
        let constants = inst.args().zip(&mut args).all(|(arg, value)| {
            let from = &block.insts[usize::from(arg.0)];
            *value = from.imm.into();
            matches!(from.code, Code::Imm)
        });
        if constants {
            let count = inst.args().count();
            let value = (op.row().eval)(&mut FpEnv::default(), &args[..count], inst.imm) as u64;
            let inst = &mut block.insts[n];
            (inst.code, inst.args, inst.imm) = (Code::Imm, [Val::NONE; 6], value);
        }
    }
}

/// Values that nobody uses are not computed: their instructions become constants, which cost nothing.
pub fn remove_dead(block: &mut Block) {
    let mut used = vec![false; block.insts.len()];
    if let Term::If { cond: v, .. } | Term::Indirect { target: v, .. } = block.term {
        used[usize::from(v.0)] = true;
    }
    for (n, inst) in block.insts.iter_mut().enumerate().rev() {
        if !used[n] && inst.is_pure() {
            (inst.code, inst.args, inst.imm) = (Code::Imm, [Val::NONE; 6], 0);
        } else {
            for arg in inst.args() {
                used[usize::from(arg.0)] = true;
            }
        }
    }
}
