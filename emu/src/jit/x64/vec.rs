//! Emitters of vector operations. An operation that is not here is called through its `eval`.

use dynasmrt::{DynasmApi, dynasm};

use super::Emitter;
use crate::ir::block::{Inst, Val};
use crate::ir::op::VecOp;

impl Emitter<'_> {
    pub(super) fn vector_constant(&mut self, val: Val, value: u128) {
        let dst = self.define_v(val);
        if value == 0 {
            dynasm!(self.a ; .arch x64 ; vpxor Rx(dst), Rx(dst), Rx(dst));
            return;
        }
        self.move_constant(0, value as u64);
        dynasm!(self.a ; .arch x64 ; vmovq Rx(dst), rax);
        if value >> 64 != 0 {
            self.move_constant(0, (value >> 64) as u64);
            dynasm!(self.a ; .arch x64 ; vpinsrq Rx(dst), Rx(dst), rax, 1);
        }
    }

    /// Emits an operation whose result is used; false when there is no emitter for it.
    pub(super) fn emit_vec(&mut self, val: Val, op: VecOp, inst: &Inst) -> bool {
        let [a, b, ..] = inst.args;
        match op {
            VecOp::VLow => {
                let ra = self.vector(a);
                let dst = self.define(val);
                dynasm!(self.a ; .arch x64 ; vmovq Rq(dst), Rx(ra));
            }
            VecOp::VHigh => {
                let ra = self.vector(a);
                let dst = self.define(val);
                dynasm!(self.a ; .arch x64 ; vpextrq Rq(dst), Rx(ra), 1);
            }
            VecOp::VJoin => {
                let (ra, rb) = (self.register(a), self.register(b));
                let dst = self.define_v(val);
                dynasm!(self.a ; .arch x64 ; vmovq Rx(dst), Rq(ra) ; vpinsrq Rx(dst), Rx(dst), Rq(rb), 1);
            }
            VecOp::VZext if inst.imm == 64 => {
                let ra = self.vector(a);
                let dst = self.define_v(val);
                dynasm!(self.a ; .arch x64 ; vmovq Rx(dst), Rx(ra));
            }
            _ => return false,
        }
        true
    }
}
