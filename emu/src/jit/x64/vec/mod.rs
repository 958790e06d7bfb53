//! Emitters of vector operations on AVX2. An operation that has none is called through its `eval`.
//!
//! An emitter gets registers of the arguments, which it must not write, and one for the result, which is none of them;
//! XMM13–15 are its scratch. It answers false, having emitted nothing, for what it does not know.

mod count;
mod crypto;
mod encode;
mod lanes;
mod permute;
mod product;
mod saturate;
mod shift;

use dynasmrt::{DynasmApi, dynasm};

use super::Emitter;
use super::alloc::At;
use crate::ir::block::{Inst, Val};
use crate::ir::op::vec::split;
use crate::ir::op::{Kind, Op, VecOp};
use encode::{VPBROADCAST, VPSHUFD, width};

/// Registers of an operation: result, arguments.
#[derive(Clone, Copy)]
struct Regs {
    d: u8,
    a: u8,
    b: u8,
    c: u8,
}

impl Emitter<'_> {
    pub(super) fn vector_constant(&mut self, val: Val, value: u128) {
        let dst = self.define_v(val);
        self.load_constant(dst, value);
    }

    /// Emits an operation of vectors alone; false when there is no emitter for it.
    pub(super) fn emit_vectors(&mut self, val: Val, op: Op, inst: &Inst) -> bool {
        let row = op.row();
        if row.result != Kind::V || row.args.contains(&Kind::I) {
            return false;
        }
        let mut args = [0; 3];
        for (r, arg) in args.iter_mut().zip(inst.args()) {
            *r = self.vector(arg);
        }
        let [a, b, c] = args;
        let d = self.define_v(val);
        let regs = Regs { d, a, b, c };
        let native = match op {
            Op::Vec(op) => self.permute(op, regs, inst.imm),
            Op::VecArith(op) => self.lane_arithmetic(op, regs, inst.imm),
            Op::VecSat(op) => self.saturating(op, regs, inst.imm),
            Op::Crypto(op) => self.crypto(op, regs),
            Op::Int(_) | Op::Fp(_) => false,
        };
        if !native {
            self.v.disown(d);
            self.at[usize::from(val.0)] = At::None;
            self.v.unpin();
        }
        native
    }

    /// Emits an operation between vectors and integers, whose result is used; false when it is none of those.
    pub(super) fn emit_mixed(&mut self, val: Val, op: VecOp, inst: &Inst) -> bool {
        let [a, b, ..] = inst.args;
        let (e, n) = split(inst.imm);
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
            VecOp::VExtract => {
                let ra = self.vector(a);
                let dst = self.define(val);
                let n = n as i8;
                match e {
                    8 => dynasm!(self.a ; .arch x64 ; vpextrb Rd(dst), Rx(ra), n),
                    16 => dynasm!(self.a ; .arch x64 ; vpextrw Rd(dst), Rx(ra), n),
                    32 if n == 0 => dynasm!(self.a ; .arch x64 ; vmovd Rd(dst), Rx(ra)),
                    32 => dynasm!(self.a ; .arch x64 ; vpextrd Rd(dst), Rx(ra), n),
                    _ if n == 0 => dynasm!(self.a ; .arch x64 ; vmovq Rq(dst), Rx(ra)),
                    _ => dynasm!(self.a ; .arch x64 ; vpextrq Rq(dst), Rx(ra), n),
                }
            }
            VecOp::VJoin => {
                let ra = self.register(a);
                let high = self.constant(b);
                let rb = if high == Some(0) { 0 } else { self.register(b) };
                let dst = self.define_v(val);
                dynasm!(self.a ; .arch x64 ; vmovq Rx(dst), Rq(ra));
                if high != Some(0) {
                    dynasm!(self.a ; .arch x64 ; vpinsrq Rx(dst), Rx(dst), Rq(rb), 1);
                }
            }
            VecOp::VDup => {
                let ra = self.register(a);
                let dst = self.define_v(val);
                dynasm!(self.a ; .arch x64 ; vmovq Rx(dst), Rq(ra));
                self.vex(VPBROADCAST[width(e)], dst, 0, dst);
            }
            VecOp::VInsert => {
                let (ra, rb) = (self.vector(a), self.register(b));
                let dst = self.define_v(val);
                let n = n as i8;
                match e {
                    8 => dynasm!(self.a ; .arch x64 ; vpinsrb Rx(dst), Rx(ra), Rd(rb), n),
                    16 => dynasm!(self.a ; .arch x64 ; vpinsrw Rx(dst), Rx(ra), Rd(rb), n),
                    32 => dynasm!(self.a ; .arch x64 ; vpinsrd Rx(dst), Rx(ra), Rd(rb), n),
                    _ => dynasm!(self.a ; .arch x64 ; vpinsrq Rx(dst), Rx(ra), Rq(rb), n),
                }
            }
            _ => return false,
        }
        true
    }

    /// Lane `n` in every lane.
    fn broadcast(&mut self, e: u64, dst: u8, src: u8, n: u64) {
        match (e, n) {
            (_, 0) => self.vex(VPBROADCAST[width(e)], dst, 0, src),
            (32, _) => self.vex_imm(VPSHUFD, dst, 0, src, n as u8 * 0x55),
            (64, _) => self.vex_imm(VPSHUFD, dst, 0, src, 0xee),
            _ => {
                self.bytes_down(dst, src, (e / 8 * n) as u8);
                self.vex(VPBROADCAST[width(e)], dst, 0, dst);
            }
        }
    }
}
