//! Optimisation of single blocks. Each pass can be left out; results never change.

use super::block::{Block, Code, Term, Val};
use super::op::Kind;
use crate::state::FpEnv;

/// Runs every pass on a block.
pub fn run(block: &mut Block) {
    forward(block);
    fold(block);
    remove_dead(block);
}

fn rename(block: &mut Block, names: &[Val]) {
    let new = |v: Val| if v == Val::NONE { v } else { names[usize::from(v.0)] };
    for inst in &mut block.insts {
        for arg in &mut inst.args {
            *arg = new(*arg);
        }
    }
    match &mut block.term {
        Term::If { cond, .. } => *cond = new(*cond),
        Term::Indirect { target, .. } => *target = new(*target),
        _ => {}
    }
}

/// A guest register read again, or read after it was written, is the value that is known already.
pub fn forward(block: &mut Block) {
    let mut known_x = [Val::NONE; 32];
    let mut known_v = [Val::NONE; 32];
    let mut names: Vec<Val> = (0..block.insts.len()).map(|n| Val(n as u16)).collect();
    for (n, inst) in block.insts.iter().enumerate() {
        let first = names.get(usize::from(inst.args[0].0)).copied();
        match inst.code {
            Code::GetX(r) | Code::GetV(r) => {
                let known = if matches!(inst.code, Code::GetX(_)) { &mut known_x } else { &mut known_v };
                match known[usize::from(r)] {
                    Val::NONE => known[usize::from(r)] = Val(n as u16),
                    value => names[n] = value,
                }
            }
            Code::SetX(r) => known_x[usize::from(r)] = first.expect("a write has a value"),
            Code::SetV(r) => known_v[usize::from(r)] = first.expect("a write has a value"),
            // Some calls write guest registers behind the block's back: PSCI, ERET.
            Code::Call(_) => {
                known_x = [Val::NONE; 32];
                known_v = [Val::NONE; 32];
            }
            _ => {}
        }
    }
    rename(block, &names);
}

/// An operation on constants is a constant.
pub fn fold(block: &mut Block) {
    for n in 0..block.insts.len() {
        let inst = block.insts[n];
        let Code::Op(op) = inst.code else { continue };
        let row = op.row();
        if row.env || row.result != Kind::I || row.args.contains(&Kind::V) {
            continue;
        }
        let constant = |v: Val| {
            let inst = &block.insts[usize::from(v.0)];
            (inst.code == Code::Imm).then_some(u128::from(inst.imm))
        };
        if let Some(args) = inst.args().map(constant).collect::<Option<Vec<_>>>() {
            let value = (row.eval)(&mut FpEnv::default(), &args, inst.imm) as u64;
            let inst = &mut block.insts[n];
            (inst.code, inst.args, inst.imm) = (Code::Imm, [Val::NONE; 6], value);
        }
    }
}

/// Values that nobody uses are not computed: their instructions become constants, which cost nothing.
pub fn remove_dead(block: &mut Block) {
    let mut used = vec![false; block.insts.len()];
    let mut mark = |v: Val| {
        if v != Val::NONE {
            used[usize::from(v.0)] = true;
        }
    };
    match block.term {
        Term::If { cond, .. } => mark(cond),
        Term::Indirect { target, .. } => mark(target),
        _ => {}
    }
    for n in (0..block.insts.len()).rev() {
        let inst = &mut block.insts[n];
        if inst.is_pure() && !used[n] {
            (inst.code, inst.args, inst.imm) = (Code::Imm, [Val::NONE; 6], 0);
        } else {
            for arg in inst.args() {
                used[usize::from(arg.0)] = true;
            }
        }
    }
}
