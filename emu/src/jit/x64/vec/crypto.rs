//! Emitters of cryptography and checksums, by the host's instructions for them where it has these.
//!
//! Left out: SHA-512, SM3, SM4.

use std::arch::is_x86_feature_detected;

use dynasmrt::{DynasmApi, dynasm};

use super::encode::{
    S0, S1, S2, VAESDEC, VAESDECLAST, VAESENC, VAESENCLAST, VAESIMC, VPADD, VPALIGNR, VPCLMULQDQ, VPOR, VPSHUFD, VPSUB,
    VPXOR, VSHUFPS, splat,
};
use super::{Emitter, Regs};
use crate::ir::block::{Code, Inst, Val};
use crate::ir::op::{CryptoOp, Op};

/// The CRC-32 polynomial, reflected, with its highest power in bit 0.
const POLYNOMIAL: u64 = 0xedb8_8320 << 1 | 1;

/// Its inverse as a power series, to 64 terms: the multiple of the polynomial that cancels the low 64 bits of `x` is
/// `x * INVERSE mod 2^64` times it.
const INVERSE: u64 = {
    let (mut inverse, mut rest, mut i) = (0, 1u64, 0);
    while i < 64 {
        if rest >> i & 1 != 0 {
            inverse |= 1 << i;
            rest ^= POLYNOMIAL << i;
        }
        i += 1;
    }
    inverse
};

impl Emitter<'_> {
    /// Emits a checksum; false for other operations, and without the host's instructions.
    pub(in crate::jit::x64) fn emit_crc(&mut self, val: Val, op: CryptoOp, inst: &Inst) -> bool {
        let [acc, value, ..] = inst.args;
        let bytes = inst.imm;
        if !matches!(bytes, 1 | 2 | 4 | 8) {
            return false;
        }
        match op {
            CryptoOp::Crc32c => {
                let (acc, value) = (self.register(acc), self.register(value));
                let dst = self.define(val);
                dynasm!(self.a ; .arch x64 ; mov eax, Rd(acc) ; mov rdx, Rq(value));
                match bytes {
                    1 => dynasm!(self.a ; .arch x64 ; crc32 eax, dl),
                    2 => dynasm!(self.a ; .arch x64 ; crc32 eax, dx),
                    4 => dynasm!(self.a ; .arch x64 ; crc32 eax, edx),
                    _ => dynasm!(self.a ; .arch x64 ; crc32 rax, rdx),
                }
                dynasm!(self.a ; .arch x64 ; mov Rd(dst), eax);
            }
            CryptoOp::Crc32 if is_x86_feature_detected!("pclmulqdq") => {
                self.clobber_flags();
                let (acc, value) = (self.register(acc), self.register(value));
                let dst = self.define(val);
                dynasm!(self.a ; .arch x64 ; mov eax, Rd(acc));
                match bytes {
                    1 => dynasm!(self.a ; .arch x64 ; movzx edx, Rb(value)),
                    2 => dynasm!(self.a ; .arch x64 ; movzx edx, Rw(value)),
                    4 => dynasm!(self.a ; .arch x64 ; mov edx, Rd(value)),
                    _ => dynasm!(self.a ; .arch x64 ; mov rdx, Rq(value)),
                }
                // Bits to be cancelled go to the top; what is above them waits.
                let bits = 8 * bytes as i8;
                dynasm!(self.a ; .arch x64 ; xor rax, rdx);
                if bytes < 8 {
                    dynasm!(self.a ; .arch x64 ; mov rdx, rax ; shl rax, 64 - bits ; shr rdx, bits);
                }
                dynasm!(self.a ; .arch x64 ; vmovq Rx(S0), rax);
                self.load_constant(S1, u128::from(POLYNOMIAL) << 64 | u128::from(INVERSE));
                self.vex_imm(VPCLMULQDQ, S0, S0, S1, 0x00);
                self.vex_imm(VPCLMULQDQ, S0, S0, S1, 0x10);
                dynasm!(self.a ; .arch x64 ; vpextrq rax, Rx(S0), 1);
                if bytes < 8 {
                    dynasm!(self.a ; .arch x64 ; xor rax, rdx);
                }
                dynasm!(self.a ; .arch x64 ; mov Rd(dst), eax);
            }
            _ => return false,
        }
        true
    }

    pub(super) fn crypto(&mut self, op: CryptoOp, regs: Regs) -> bool {
        use CryptoOp as O;
        let Regs { d, a, b, c } = regs;
        let sha = is_x86_feature_detected!("sha");
        match op {
            O::AesSubShift | O::AesInvSubShift | O::AesMix | O::AesInvMix | O::AesRound | O::AesInvRound => {
                return is_x86_feature_detected!("aes") && self.aes(op, d, a);
            }
            O::Pmull64 if is_x86_feature_detected!("pclmulqdq") => self.vex_imm(VPCLMULQDQ, d, a, b, 0),
            O::Pmull64High if is_x86_feature_detected!("pclmulqdq") => self.vex_imm(VPCLMULQDQ, d, a, b, 0x11),
            O::Sha1c if sha => self.sha1_rounds(regs, 0, 0x5a82_7999),
            O::Sha1p if sha => self.sha1_rounds(regs, 1, 0x6ed9_eba1),
            O::Sha1m if sha => self.sha1_rounds(regs, 2, 0x8f1b_bcdc),
            O::Sha1h => {
                self.shift_lanes(32, 6, S1, a, 30);
                self.shift_lanes(32, 2, S2, a, 2);
                self.vex(VPOR, S1, S1, S2);
                self.low_bits(32, d, S1);
            }
            O::Sha1su0 => {
                self.vex_imm(VPALIGNR, d, b, a, 8);
                self.vex(VPXOR, d, d, a);
                self.vex(VPXOR, d, d, c);
            }
            O::Sha1su1 => {
                self.bytes_down(S0, b, 4);
                self.vex(VPXOR, S0, S0, a);
                self.rotate_words_by_one(d, S0);
                // The highest word also takes the lowest of this result.
                self.rotate_words_by_one(S0, d);
                self.bytes_up(S0, S0, 12);
                self.vex(VPXOR, d, d, S0);
            }
            O::Sha256h if sha => {
                self.sha256_rounds(a, b, c);
                self.vex_imm(VSHUFPS, d, S0, S1, 0xbb);
            }
            O::Sha256h2 if sha => {
                if !self.follows_its_half() {
                    self.sha256_rounds(b, a, c);
                }
                self.vex_imm(VSHUFPS, d, S0, S1, 0x11);
            }
            O::Sha256su0 if sha => {
                self.copy(d, a);
                self.sha(0x38, 0xcc, d, b);
            }
            O::Sha256su1 if sha => {
                self.vex_imm(VPALIGNR, S0, c, b, 4);
                self.vex(VPADD[2], d, a, S0);
                self.sha(0x38, 0xcd, d, c);
            }
            _ => return false,
        }
        true
    }

    fn aes(&mut self, op: CryptoOp, d: u8, a: u8) -> bool {
        self.zero(S0);
        match op {
            CryptoOp::AesSubShift => self.vex(VAESENCLAST, d, a, S0),
            CryptoOp::AesInvSubShift => self.vex(VAESDECLAST, d, a, S0),
            CryptoOp::AesRound => self.vex(VAESENC, d, a, S0),
            CryptoOp::AesInvRound => self.vex(VAESDEC, d, a, S0),
            // The inverse of the other two steps, then all three.
            CryptoOp::AesMix => {
                self.vex(VAESDECLAST, d, a, S0);
                self.vex(VAESENC, d, d, S0);
            }
            _ => self.vex(VAESIMC, d, 0, a),
        }
        true
    }

    fn rotate_words_by_one(&mut self, d: u8, a: u8) {
        self.shift_lanes(32, 6, S1, a, 1);
        self.shift_lanes(32, 2, S2, a, 31);
        self.vex(VPOR, d, S1, S2);
    }

    /// The host adds the round constant, which Arm's schedule contains already, and has the words in reverse.
    fn sha1_rounds(&mut self, Regs { d, a, b, c }: Regs, function: u8, constant: u64) {
        self.load_constant(S0, splat(32, constant));
        self.vex(VPSUB[2], S0, c, S0);
        self.vex_imm(VPSHUFD, S0, 0, S0, 0x1b);
        self.bytes_up(S1, b, 12);
        self.vex(VPADD[2], S0, S0, S1);
        self.vex_imm(VPSHUFD, d, 0, a, 0x1b);
        self.sha(0x3a, 0xcc, d, S0);
        self.a.extend([function]);
        self.vex_imm(VPSHUFD, d, 0, d, 0x1b);
    }

    /// Whether SHA256H of the same arguments stands just before this SHA256H2, so that S0 and S1 hold its rounds.
    fn follows_its_half(&self) -> bool {
        let insts = &self.block.insts;
        let [efgh, abcd, wk, ..] = insts[self.index].args;
        let is_move = |inst: &Inst| matches!(inst.code, Code::GetV(_) | Code::SetV(_));
        insts[..self.index].iter().rposition(|inst| !is_move(inst)).is_some_and(|n| {
            insts[n].code == Code::Op(Op::Crypto(CryptoOp::Sha256h))
                && insts[n].args[..3] == [abcd, efgh, wk]
                && self.is_used(Val(n as u16))
        })
    }

    /// Four rounds: afterwards S0 holds F, E, B, A and S1 H, G, D, C from the lowest word up.
    fn sha256_rounds(&mut self, abcd: u8, efgh: u8, wk: u8) {
        self.vex_imm(VSHUFPS, S0, efgh, abcd, 0x11);
        self.vex_imm(VSHUFPS, S1, efgh, abcd, 0xbb);
        // XMM0 is an argument by itself.
        let idle = self.v.is_idle(0);
        if !idle {
            self.copy(S2, 0);
        }
        self.copy(0, wk);
        self.sha(0x38, 0xcb, S1, S0);
        self.vex_imm(VPSHUFD, 0, 0, 0, 0x0e);
        self.sha(0x38, 0xcb, S0, S1);
        if !idle {
            self.copy(0, S2);
        }
    }
}
