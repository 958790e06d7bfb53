//! VEX encoding of 128-bit vector instructions (Intel SDM volume 2, 2.3), by name.
//!
//! The emitters choose among instructions by lane width, so instructions are values here rather than lines of assembly.
//! What also names a general-purpose register or memory is left to the assembler.

use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};

use super::super::Emitter;

/// An instruction: its opcode map, mandatory prefix 66 or none, W, opcode.
#[derive(Debug, Clone, Copy)]
pub(super) struct Vex {
    map: u8,
    prefix: u8,
    wide: bool,
    opcode: u8,
}

/// Instructions on lanes of 8, 16, 32 and 64 bits.
pub(super) type ByWidth = [Option<Vex>; 4];

const fn op(opcode: u8) -> Vex {
    Vex { map: 1, prefix: 1, wide: false, opcode }
}
const fn op38(opcode: u8) -> Vex {
    Vex { map: 2, prefix: 1, wide: false, opcode }
}
const fn op3a(opcode: u8) -> Vex {
    Vex { map: 3, prefix: 1, wide: false, opcode }
}
const fn q(vex: Vex) -> Vex {
    Vex { wide: true, ..vex }
}

pub(super) const VMOVDQA: Vex = op(0x6f);
pub(super) const VPAND: Vex = op(0xdb);
/// `!first & second`.
pub(super) const VPANDN: Vex = op(0xdf);
pub(super) const VPOR: Vex = op(0xeb);
pub(super) const VPXOR: Vex = op(0xef);
pub(super) const VPSHUFB: Vex = op38(0x00);
/// The next four take a shuffle or blend immediate.
pub(super) const VPSHUFD: Vex = op(0x70);
pub(super) const VSHUFPS: Vex = Vex { prefix: 0, ..op(0xc6) };
pub(super) const VPBLENDW: Vex = op3a(0x0e);
pub(super) const VPBLENDD: Vex = op3a(0x02);
pub(super) const VINSERTPS: Vex = op3a(0x21);
pub(super) const VPALIGNR: Vex = op3a(0x0f);
/// By the sign of lanes of 8, 32 and 64 bits of a fourth operand.
pub(super) const VPBLENDVB: Vex = op3a(0x4c);
pub(super) const VBLENDVPS: Vex = op3a(0x4a);
pub(super) const VBLENDVPD: Vex = op3a(0x4b);
pub(super) const VPUNPCKL: [Vex; 4] = [op(0x60), op(0x61), op(0x62), op(0x6c)];
pub(super) const VPUNPCKH: [Vex; 4] = [op(0x68), op(0x69), op(0x6a), op(0x6d)];
pub(super) const VPBROADCAST: [Vex; 4] = [op38(0x78), op38(0x79), op38(0x58), op38(0x59)];
/// From lanes of 8, 16, 32 bits to the double.
pub(super) const VPMOVSX: ByWidth = [Some(op38(0x20)), Some(op38(0x23)), Some(op38(0x25)), None];
pub(super) const VPMOVZX: ByWidth = [Some(op38(0x30)), Some(op38(0x33)), Some(op38(0x35)), None];
/// From lanes of 16, 32 bits to the half: signed to signed, signed to unsigned.
pub(super) const VPACKSS: ByWidth = [Some(op(0x63)), Some(op(0x6b)), None, None];
pub(super) const VPACKUS: ByWidth = [Some(op(0x67)), Some(op38(0x2b)), None, None];

pub(super) const VPADD: [Vex; 4] = [op(0xfc), op(0xfd), op(0xfe), op(0xd4)];
pub(super) const VPSUB: [Vex; 4] = [op(0xf8), op(0xf9), op(0xfa), op(0xfb)];
pub(super) const VPADDS: ByWidth = [Some(op(0xec)), Some(op(0xed)), None, None];
pub(super) const VPADDUS: ByWidth = [Some(op(0xdc)), Some(op(0xdd)), None, None];
pub(super) const VPSUBS: ByWidth = [Some(op(0xe8)), Some(op(0xe9)), None, None];
pub(super) const VPSUBUS: ByWidth = [Some(op(0xd8)), Some(op(0xd9)), None, None];
pub(super) const VPAVG: ByWidth = [Some(op(0xe0)), Some(op(0xe3)), None, None];
pub(super) const VPABS: ByWidth = [Some(op38(0x1c)), Some(op38(0x1d)), Some(op38(0x1e)), None];
pub(super) const VPMAXS: ByWidth = [Some(op38(0x3c)), Some(op(0xee)), Some(op38(0x3d)), None];
pub(super) const VPMINS: ByWidth = [Some(op38(0x38)), Some(op(0xea)), Some(op38(0x39)), None];
pub(super) const VPMAXU: ByWidth = [Some(op(0xde)), Some(op38(0x3e)), Some(op38(0x3f)), None];
pub(super) const VPMINU: ByWidth = [Some(op(0xda)), Some(op38(0x3a)), Some(op38(0x3b)), None];
pub(super) const VPCMPEQ: [Vex; 4] = [op(0x74), op(0x75), op(0x76), op38(0x29)];
pub(super) const VPCMPGT: [Vex; 4] = [op(0x64), op(0x65), op(0x66), op38(0x37)];
pub(super) const VPMULLW: Vex = op(0xd5);
pub(super) const VPMULHW: Vex = op(0xe5);
pub(super) const VPMULHUW: Vex = op(0xe4);
pub(super) const VPMULHRSW: Vex = op38(0x0b);
pub(super) const VPMULLD: Vex = op38(0x40);
/// Products of the even words, signed and unsigned.
pub(super) const VPMULDQ: Vex = op38(0x28);
pub(super) const VPMULUDQ: Vex = op(0xf4);
/// Sums of two neighbouring products: of words; of unsigned bytes of the first and signed bytes of the second.
pub(super) const VPMADDWD: Vex = op(0xf5);
pub(super) const VPMADDUBSW: Vex = op38(0x04);
pub(super) const VPHADDD: Vex = op38(0x02);
/// By the counts in each lane of the second operand, of 32 and 64 bits (there are none of less); beyond the width zeros or
/// signs.
pub(super) const VPSLLV: [Vex; 4] = [op38(0x47), op38(0x47), op38(0x47), q(op38(0x47))];
pub(super) const VPSRLV: [Vex; 4] = [op38(0x45), op38(0x45), op38(0x45), q(op38(0x45))];
pub(super) const VPSRAVD: Vex = op38(0x46);

pub(super) const VAESENC: Vex = op38(0xdc);
pub(super) const VAESDEC: Vex = op38(0xde);
pub(super) const VAESENCLAST: Vex = op38(0xdd);
pub(super) const VAESDECLAST: Vex = op38(0xdf);
pub(super) const VAESIMC: Vex = op38(0xdb);
pub(super) const VPCLMULQDQ: Vex = op3a(0x44);

/// Scratch, free within one IR instruction. Shifts of bytes use the last two.
pub(super) const S0: u8 = 13;
pub(super) const S1: u8 = 14;
pub(super) const S2: u8 = 15;

/// 0 for 8 bits to 3 for 64.
pub(super) fn width(e: u64) -> usize {
    e.trailing_zeros() as usize - 3
}

/// The low bits of `lane` in every lane.
pub(super) fn splat(e: u64, lane: u64) -> u128 {
    crate::ir::op::vec::lanes::map(e, 0, |_| lane)
}

impl Emitter<'_> {
    /// `dst = first op second`; instructions with one source have it as `second`, and 0 as `first`.
    pub(super) fn vex(&mut self, op: Vex, dst: u8, first: u8, second: u8) {
        let (r, b) = (!dst & 8, !second & 8);
        let low = (!first & 15) << 3 | op.prefix;
        if op.map == 1 && !op.wide && b != 0 {
            self.a.extend([0xc5, r << 4 | low]);
        } else {
            self.a.extend([0xc4, r << 4 | 0x40 | b << 2 | op.map, u8::from(op.wide) << 7 | low]);
        }
        self.a.extend([op.opcode, 0xc0 | (dst & 7) << 3 | second & 7]);
    }

    /// As [`Emitter::vex`], with an immediate byte.
    pub(super) fn vex_imm(&mut self, op: Vex, dst: u8, first: u8, second: u8, imm: u8) {
        self.vex(op, dst, first, second);
        self.a.extend([imm]);
    }

    /// `first` where the sign of `mask` is clear, `second` where it is set.
    pub(super) fn blend(&mut self, op: Vex, dst: u8, first: u8, second: u8, mask: u8) {
        self.vex_imm(op, dst, first, second, mask << 4);
    }

    /// A shift of lanes of 16, 32 or 64 bits by `n`: `digit` is 2 for logical right, 4 for arithmetic right (not of 64
    /// bits), 6 for left. Counts beyond the width give zeros or signs.
    pub(super) fn shift_lanes(&mut self, e: u64, digit: u8, dst: u8, src: u8, n: u64) {
        self.vex_imm(op(0x70 + width(e) as u8), digit, dst, src, n as u8);
    }

    /// All 128 bits shifted right by bytes.
    pub(super) fn bytes_down(&mut self, dst: u8, src: u8, n: u8) {
        self.vex_imm(op(0x73), 3, dst, src, n);
    }

    /// All 128 bits shifted left by bytes.
    pub(super) fn bytes_up(&mut self, dst: u8, src: u8, n: u8) {
        self.vex_imm(op(0x73), 7, dst, src, n);
    }

    pub(super) fn zero(&mut self, dst: u8) {
        self.vex(VPXOR, dst, dst, dst);
    }

    pub(super) fn all_ones(&mut self, dst: u8) {
        self.vex(VPCMPEQ[2], dst, dst, dst);
    }

    pub(super) fn copy(&mut self, dst: u8, src: u8) {
        if dst != src {
            self.vex(VMOVDQA, dst, 0, src);
        }
    }

    /// Complement, by way of S2.
    pub(super) fn complement(&mut self, dst: u8, src: u8) {
        self.all_ones(S2);
        self.vex(VPXOR, dst, src, S2);
    }

    /// A constant, from the unit's pool.
    pub(super) fn load_constant(&mut self, dst: u8, value: u128) {
        match value {
            0 => self.zero(dst),
            u128::MAX => self.all_ones(dst),
            _ => {
                let label = self.pooled(value);
                dynasm!(self.a ; .arch x64 ; vmovdqu Rx(dst), [=>label]);
            }
        }
    }

    /// An instruction without VEX (SHA): `0F map opcode`, its first operand also its result.
    pub(super) fn sha(&mut self, map: u8, opcode: u8, dst: u8, src: u8) {
        self.a.extend([0x40 | (dst & 8) >> 1 | src >> 3, 0x0f, map, opcode, 0xc0 | (dst & 7) << 3 | src & 7]);
    }
}
