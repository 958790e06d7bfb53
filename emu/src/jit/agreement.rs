//! Judges the emitters: each operation, translated, must give what its `eval` gives, for every immediate that the
//! instructions use, and leave the registers that it has no business with alone.

use std::sync::atomic::AtomicU32;

use super::bare::Bare;
use super::{Exit, Frame, Key};
use crate::ir::block::{Block, Call, Code, Term, Unit, Val};
use crate::ir::op::vec::pack;
use crate::ir::op::{CryptoOp, IntOp, Kind, Op, VecArithOp, VecOp, VecSatOp};
use crate::ir::{Context, Exception};
use crate::state::{CpuState, El, FpEnv};

const CONTEXT: Context = Context { el: El::El0, ..Context::PLAIN };

/// Guest vector registers that live across the operation.
const BYSTANDERS: std::ops::Range<u8> = 10..20;
/// Where the result goes.
const RESULT: u8 = 5;

/// Around the operation.
#[derive(Clone, Copy)]
struct Shape {
    /// All arguments are the same value.
    alike: bool,
    /// Many values live across it.
    crowded: bool,
    /// It runs [`ROUNDS`] times, a vector result being the next round's first argument: registers have homes.
    looped: bool,
}

const ROUNDS: u64 = 3;

/// The register that gets the result.
fn result_register(op: Op, looped: bool) -> u8 {
    if looped && op.row().result == Kind::V { 0 } else { RESULT }
}

/// The operation on V0, V1, V2 (X0, X1, X2).
fn unit(op: Op, imm: u64, va: u64, Shape { alike, crowded, looped }: Shape) -> Unit {
    let mut block = Block::default();
    block.begin(va);
    let mut push = |code, args: &[Val], imm| block.push(code, args, imm);
    let bystanders: Vec<(u8, Val)> = BYSTANDERS.filter(|_| crowded).map(|r| (r, push(Code::GetV(r), &[], 0))).collect();
    // A comparison whose flags have to survive.
    let one = push(Code::Imm, &[], 1);
    let x9 = push(Code::GetX(9), &[], 0);
    push(Code::Flags(crate::ir::block::FlagsOp::Sub, true), &[x9, one], 0);
    let row = op.row();
    let args: Vec<Val> = (0u8..)
        .zip(row.args)
        .map(|(n, kind)| {
            let n = if alike { 0 } else { n };
            push(if *kind == Kind::I { Code::GetX(n) } else { Code::GetV(n) }, &[], 0)
        })
        .collect();
    let result = push(Code::Op(op), &args, imm);
    let to = result_register(op, looped);
    push(if row.result == Kind::I { Code::SetX(to) } else { Code::SetV(to) }, &[result], 0);
    for (r, val) in bystanders {
        // To its neighbour, so that it is not a write of what is there already.
        push(Code::SetV(r + 10), &[val], 0);
    }
    let nzcv = push(Code::GetNzcv, &[], 0);
    push(Code::SetX(8), &[nzcv], 0);
    let term = if looped {
        let x7 = push(Code::GetX(7), &[], 0);
        let one = push(Code::Imm, &[], 1);
        let left = push(Code::Op(Op::Int(IntOp::Sub64)), &[x7, one], 0);
        push(Code::SetX(7), &[left], 0);
        let cond = push(Code::Op(Op::Int(IntOp::NotZero64)), &[left], 0);
        Term::If { cond, target: va, next: va + 4 }
    } else {
        Term::Sync(va + 4)
    };
    Unit { blocks: vec![Block { len: 1, term, ..block }], context: CONTEXT }
}

/// The immediates with which instructions use an operation.
fn immediates(op: Op) -> Vec<u64> {
    let widths = [8u64, 16, 32, 64];
    let packed = |range: &dyn Fn(u64) -> std::ops::Range<u64>| {
        widths.iter().flat_map(|&e| range(e).map(move |n| pack(e, n))).collect()
    };
    let below = |limit: u64| widths.into_iter().filter(|&e| e <= limit).collect();
    match op {
        Op::Vec(op) => match op {
            VecOp::VDupLane | VecOp::VExtract | VecOp::VInsert => packed(&|e| 0..128 / e),
            VecOp::VExt => (0..16).collect(),
            VecOp::VTbl | VecOp::VTbx => vec![0, 16, 32, 48],
            VecOp::VRev => {
                widths.iter().flat_map(|&e| widths.iter().filter(move |&&n| n > e).map(move |&n| pack(e, n))).collect()
            }
            VecOp::VSxtl | VecOp::VUxtl | VecOp::VXtn => below(32),
            _ => below(64),
        },
        Op::VecArith(op) => match op {
            VecArithOp::Shl | VecArithOp::Sli => packed(&|e| 0..e),
            VecArithOp::Ushr | VecArithOp::Sshr => packed(&|e| 0..e + 1),
            VecArithOp::Urshr | VecArithOp::Srshr | VecArithOp::Sri => packed(&|e| 1..e + 1),
            VecArithOp::Pmul
            | VecArithOp::Pmull
            | VecArithOp::Sdot
            | VecArithOp::Udot
            | VecArithOp::Cnt
            | VecArithOp::Rbit
            | VecArithOp::Urecpe
            | VecArithOp::Ursqrte => vec![0],
            VecArithOp::Add
            | VecArithOp::Sub
            | VecArithOp::Neg
            | VecArithOp::Abs
            | VecArithOp::Cmeq
            | VecArithOp::Cmgt
            | VecArithOp::Cmge
            | VecArithOp::Cmhi
            | VecArithOp::Cmhs
            | VecArithOp::Cmtst
            | VecArithOp::Ushl
            | VecArithOp::Sshl
            | VecArithOp::Urshl
            | VecArithOp::Srshl
            | VecArithOp::Addv => below(64),
            _ => below(32),
        },
        Op::VecSat(op) => match op {
            VecSatOp::Sqshlu => packed(&|e| 0..e),
            VecSatOp::Sqrdmlah => vec![pack(16, 0), pack(16, 1), pack(32, 0), pack(32, 1)],
            VecSatOp::Sqdmulh | VecSatOp::Sqrdmulh | VecSatOp::Sqdmull => vec![16, 32],
            VecSatOp::Sqxtn | VecSatOp::Uqxtn | VecSatOp::Sqxtun => below(32),
            _ => below(64),
        },
        Op::Crypto(op) => match op {
            CryptoOp::Crc32 | CryptoOp::Crc32c => vec![1, 2, 4, 8],
            CryptoOp::Sm3tt1a | CryptoOp::Sm3tt1b | CryptoOp::Sm3tt2a | CryptoOp::Sm3tt2b => (0..4).collect(),
            _ => vec![0],
        },
        Op::Int(_) | Op::Fp(_) => Vec::new(),
    }
}

/// A generator of test numbers (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Bits at random, or lanes that are each at an edge, small, or at random.
    fn vector(&mut self) -> u128 {
        let choice = self.next();
        let random = u128::from(self.next()) << 64 | u128::from(self.next());
        if choice & 1 == 0 {
            return random;
        }
        let e = 8 << (choice >> 1 & 3);
        (0..128 / e).fold(0, |vector, i| {
            let top = 1u64 << (e - 1);
            let lane = match self.next() % 9 {
                0 => 0,
                1 => 1,
                2 => u64::MAX,
                3 => top,
                4 => top - 1,
                5 => top + 1,
                6 => self.next() % (e + 3),
                7 => (self.next() % (e + 3)).wrapping_neg(),
                _ => self.next(),
            };
            vector | u128::from(lane & (u64::MAX >> (64 - e))) << (e * i)
        })
    }
}

/// Runs an operation translated and by its `eval`; whether it has an emitter.
fn judge(bare: &mut Bare, frame: &mut Frame, op: Op, imm: u64, next_va: &mut u64, numbers: &mut Numbers) -> bool {
    let row = op.row();
    let evals = |bare: &Bare| bare.cache.stats.evals().iter().map(|(_, n)| n).sum::<u64>();
    let before = evals(bare);
    for shape in (0..8).map(|n| Shape { alike: n & 1 != 0, crowded: n & 2 != 0, looped: n & 4 != 0 }) {
        let Shape { alike, crowded, looped } = shape;
        *next_va += 16;
        let va = *next_va;
        let host = bare.cache.insert(Key::new(va, va, CONTEXT), &unit(op, imm, va, shape));
        for round in 0..16 {
            for v in &mut frame.s.v {
                *v = numbers.vector();
            }
            for x in &mut frame.s.x {
                *x = numbers.vector() as u64;
            }
            frame.s.x[9] = round % 3;
            frame.s.x[7] = ROUNDS;
            frame.s.fp = FpEnv::default();
            let arg = |n: usize, kind: Kind| {
                let n = if alike { 0 } else { n };
                if kind == Kind::I { frame.s.x[n].into() } else { frame.s.v[n] }
            };
            let args: Vec<u128> = row.args.iter().enumerate().map(|(n, kind)| arg(n, *kind)).collect();
            let mut fp = FpEnv::default();
            let mut expected = (row.eval)(&mut fp, &args, imm);
            if looped && row.result == Kind::V {
                for _ in 1..ROUNDS {
                    let rest = |(n, kind): (usize, &Kind)| match (n, kind) {
                        (_, Kind::V) if n == 0 || alike => expected,
                        _ => args[n],
                    };
                    let args: Vec<u128> = row.args.iter().enumerate().map(rest).collect();
                    expected = (row.eval)(&mut fp, &args, imm);
                }
            }
            let bystanders = frame.s.v;
            let cache = bare.cache.clone();
            assert_eq!(cache.enter(frame, bare, host), if looped { Exit::Link } else { Exit::Sync });
            let to = result_register(op, looped);
            let result = match row.result {
                Kind::I => frame.s.x[usize::from(to)].into(),
                Kind::V => frame.s.v[usize::from(to)],
            };
            assert!(
                result == expected,
                "{} {:#x} of {args:032x?} gives {result:032x}, not {expected:032x}",
                row.name,
                imm
            );
            assert_eq!(frame.s.fp.fpsr, fp.fpsr, "FPSR after {} {imm:#x} of {args:032x?}", row.name);
            assert_eq!(frame.s.x[8], [0b1000, 0b0110, 0b0010][(round % 3) as usize], "NZCV after {}", row.name);
            if crowded {
                for r in BYSTANDERS.map(usize::from) {
                    assert_eq!(frame.s.v[r + 10], bystanders[r], "V{r} after {}", row.name);
                }
            }
        }
    }
    evals(bare) == before
}

/// What has no emitter, for some widths at least.
const SHIFTS_AND_ESTIMATES: [&str; 4] = ["v_urshl", "v_srshl", "v_urecpe", "v_ursqrte"];
const SATURATING_SHIFTS: [&str; 8] =
    ["v_suqadd", "v_usqadd", "v_sqshl", "v_uqshl", "v_sqrshl", "v_uqrshl", "v_sqshlu", "v_sqrdmlah"];
const RARE_CRYPTOGRAPHY: [&str; 13] = [
    "sha512h",
    "sha512h2",
    "sha512su0",
    "sha512su1",
    "sm3ss1",
    "sm3tt1a",
    "sm3tt1b",
    "sm3tt2a",
    "sm3tt2b",
    "sm3partw1",
    "sm3partw2",
    "sm4e",
    "sm4ekey",
];

/// Judges every operation with every immediate; those for which some immediate has no emitter.
fn without_emitter(ops: impl Iterator<Item = Op>) -> Vec<&'static str> {
    let mut bare = Bare::new();
    let attention = AtomicU32::new(0);
    let mut frame = Frame::new(CpuState::default());
    frame.attention = &raw const attention as usize;
    let (mut next_va, mut numbers) = (0x10000, Numbers(0x9e37_79b9_7f4a_7c15));
    let mut without = Vec::new();
    for op in ops {
        let judged =
            immediates(op).into_iter().map(|imm| judge(&mut bare, &mut frame, op, imm, &mut next_va, &mut numbers));
        if judged.filter(|native| !native).count() > 0 {
            without.push(op.row().name);
        }
    }
    without
}

#[test]
fn moves_and_permutations_agree_with_their_meaning() {
    assert_eq!(without_emitter(VecOp::ALL.iter().map(|&op| Op::Vec(op))), [""; 0]);
}

#[test]
fn lane_arithmetic_agrees_with_its_meaning() {
    assert_eq!(without_emitter(VecArithOp::ALL.iter().map(|&op| Op::VecArith(op))), SHIFTS_AND_ESTIMATES);
}

#[test]
fn saturating_operations_agree_with_their_meaning() {
    assert_eq!(without_emitter(VecSatOp::ALL.iter().map(|&op| Op::VecSat(op))), SATURATING_SHIFTS);
}

#[test]
fn cryptography_agrees_with_its_meaning() {
    let without = without_emitter(CryptoOp::ALL.iter().map(|&op| Op::Crypto(op)));
    if is_x86_feature_detected!("aes") && is_x86_feature_detected!("pclmulqdq") && is_x86_feature_detected!("sha") {
        assert_eq!(without, RARE_CRYPTOGRAPHY);
    }
}

#[test]
fn an_exception_in_a_loop_finds_vector_registers_in_the_state() {
    let va = 0x1000;
    let mut block = Block::default();
    block.begin(va);
    let (a, b) = (block.push(Code::GetV(0), &[], 0), block.push(Code::GetV(1), &[], 0));
    let sum = block.push(Code::Op(Op::VecArith(VecArithOp::Add)), &[a, b], 32);
    block.push(Code::SetV(0), &[sum], 0);
    let cond = block.push(Code::GetX(7), &[], 0);
    block.push(Code::Call(Call::Raise), &[], 0);
    let term = Term::If { cond, target: va, next: va + 4 };
    let unit = Unit {
        blocks: vec![Block { len: 1, term, exceptions: vec![Exception::UNDEFINED], ..block }],
        context: CONTEXT,
    };
    let mut bare = Bare { expected: Some(Exception::UNDEFINED), ..Bare::new() };
    let cache = bare.cache.clone();
    let host = cache.insert(Key::new(va, va, CONTEXT), &unit);
    let mut frame = Frame::new(CpuState::default());
    (frame.s.v[0], frame.s.v[1]) = (1 << 96 | 5, 2 << 96 | 6);
    assert_eq!(cache.enter(&mut frame, &mut bare, host), Exit::Sync);
    assert_eq!((frame.s.v[0], frame.s.v[1]), (3 << 96 | 11, 2 << 96 | 6));
}
