//! Every floating-point operation in translated code, against its `eval`: results and FPSR.

use crate::ir::block::{Block, Call, Code, Term, Unit, Val};
use crate::ir::op::fp::Rule;
use crate::ir::op::{FpOp, Kind, Op};
use crate::ir::softfloat::Rounding;
use crate::ir::{Cond, Context, SysEnc};
use crate::jit::bare::Bare;
use crate::jit::{Exit, Frame, Key};
use crate::state::{CpuState, FpEnv};

fn context(fp_mode: bool) -> Context {
    Context { fp_mode, ..Context::PLAIN }
}

struct Rig {
    bare: Bare,
    frame: Box<Frame>,
    next: u64,
}

impl Rig {
    fn new() -> Self {
        Self { bare: Bare::new(), frame: Frame::new(CpuState::default()), next: 0 }
    }

    /// Translates one block of these instructions.
    fn translate(&mut self, insts: &[(Code, &[u16], u64)], fp_mode: bool) -> u64 {
        let va = 0x1000 + 4 * self.next;
        self.next += 1;
        let mut block = Block::default();
        block.begin(va);
        for (code, of, imm) in insts {
            let args: Vec<Val> = of.iter().map(|&n| Val(n)).collect();
            block.push(*code, &args, *imm);
        }
        (block.len, block.term) = (1, Term::Sync(va + 4));
        let context = context(fp_mode);
        self.bare.cache.insert(Key::new(va, va, context), &Unit { blocks: vec![block], context })
    }

    fn run(&mut self, host: u64) {
        let cache = self.bare.cache.clone();
        let exit = cache.enter(&mut self.frame, &mut self.bare, host);
        assert_eq!(exit, Exit::Sync);
    }

    /// One operation: arguments from X0, X1 or V0–V2, the result to X9 or V9.
    fn operation(&mut self, op: FpOp, imm: u64, fp_mode: bool) -> u64 {
        let row = Op::Fp(op).row();
        let mut insts: Vec<(Code, &[u16], u64)> = Vec::new();
        for (n, kind) in row.args.iter().enumerate() {
            let get = if *kind == Kind::I { Code::GetX(n as u8) } else { Code::GetV(n as u8) };
            insts.push((get, &[], 0));
        }
        let all = [0, 1, 2];
        let result = [row.args.len() as u16];
        insts.push((Code::Op(Op::Fp(op)), &all[..row.args.len()], imm));
        insts.push((if row.result == Kind::I { Code::SetX(9) } else { Code::SetV(9) }, &result, 0));
        self.translate(&insts, fp_mode)
    }

    /// Result and FPSR of translated code.
    fn translated(&mut self, host: u64, op: FpOp, args: &[u128], fpcr: u32) -> (u128, u32) {
        let s = &mut self.frame.s;
        s.fp = FpEnv { fpcr, fpsr: 0 };
        for (n, arg) in args.iter().enumerate() {
            (s.x[n], s.v[n]) = (*arg as u64, *arg);
        }
        self.run(host);
        let s = &self.frame.s;
        (if Op::Fp(op).row().result == Kind::I { s.x[9].into() } else { s.v[9] }, s.fp.fpsr)
    }
}

/// Every immediate that an operation is tried with.
fn immediates(op: FpOp) -> Vec<u64> {
    use FpOp as O;
    let rules = |vector: bool, exact: bool| {
        let by = [
            None,
            Some(Rounding::TieEven),
            Some(Rounding::PosInf),
            Some(Rounding::NegInf),
            Some(Rounding::Zero),
            Some(Rounding::TieAway),
        ];
        let mut all = Vec::new();
        for bits in [16, 32, 64] {
            for by in by {
                for flag in [false, true] {
                    if exact {
                        all.push(Rule { by, exact: flag, ..Rule::new(bits) }.pack());
                        continue;
                    }
                    for int_bits in [32, 64] {
                        for fbits in [0, 1, int_bits] {
                            if !vector || int_bits == bits {
                                all.push(Rule { by, unsigned: flag, fbits, int_bits, ..Rule::new(bits) }.pack());
                            }
                        }
                    }
                }
            }
        }
        all
    };
    match op {
        O::FRint | O::VFRint => rules(false, true),
        O::FToInt | O::FFromInt => rules(false, false),
        O::VFToInt | O::VFFromInt => rules(true, false),
        O::FToIntJs => vec![0],
        O::FCvt => [(16, 32), (16, 64), (32, 16), (32, 64), (64, 16), (64, 32)].map(|(from, to)| from | to << 8).into(),
        O::VFWiden | O::VFNarrow | O::VFNarrowOdd => vec![16, 32],
        _ => vec![16, 32, 64],
    }
}

struct Numbers(u64);

impl Numbers {
    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[(self.bits() >> 33) as usize % choices.len()]
    }

    fn single(&mut self) -> u32 {
        let random = (self.bits() >> 17) as u32;
        let sign = random & 1 << 31;
        let special = [
            0,
            1,
            2,
            0x7f_ffff,
            0x40_0000,
            0x80_0000,
            0x80_0001,
            0xff_ffff,
            0x7f7f_ffff,
            0x7f80_0000,
            0x7fc0_0000,
            0x7fc1_2345,
            0x7f80_0001,
            0x7fa5_4321,
            0x3f80_0000,
            0x3f7f_ffff,
            0x3f00_0000,
            0x3eff_ffff,
            0x4000_0000,
            0x3fc0_0000,
            0x4020_0000,
            0x4b00_0000,
            0x4aff_ffff,
            0x4b80_0001,
            0x4eff_ffff,
            0x4f00_0000,
            0x4f7f_ffff,
            0x4f80_0000,
            0x5eff_ffff,
            0x5f00_0000,
            0x5f7f_ffff,
            0x5f80_0000,
        ];
        sign | match self.bits() >> 61 {
            0..3 => self.of(&special),
            3 => random,
            4 => f32::to_bits((random & 0xff_ffff) as f32 / 4096.0),
            5 => 1 << 23 | random & 0xff_ffff,
            6 => 0x3f00_0000 | random & 0xff_ffff,
            _ => 0x4e00_0000 + (random & 0x1ff_ffff),
        }
    }

    fn double(&mut self) -> u64 {
        let random = self.bits();
        let sign = random & 1 << 63;
        let special = [
            0,
            1,
            0xf_ffff_ffff_ffff,
            1 << 52,
            (1 << 52) + 1,
            0x7fef_ffff_ffff_ffff,
            0x7ff0 << 48,
            0x7ff8 << 48,
            0x7ff8_1234_5678_9abc,
            0x7ff0_0000_0000_0001,
            0x7ff4_3210_0000_0000,
            0x3fe0 << 48,
            0x3fdf_ffff_ffff_ffff,
            0x3ff0 << 48,
            0x3fef_ffff_ffff_ffff,
            0x3ff8 << 48,
            0x4000 << 48,
            0x4004 << 48,
            0x41df_ffff_ffc0_0000,
            0x41df_ffff_ffd0_0000,
            0x41df_ffff_fff0_0000,
            0x41e0 << 48,
            0x41e0_0000_0010_0000,
            0x41ef_ffff_ffe0_0000,
            0x41ef_ffff_fff0_0000,
            0x41f0 << 48,
            0x41f0_0000_0001_0000,
            0x43df_ffff_ffff_ffff,
            0x43e0 << 48,
            0x43ef_ffff_ffff_ffff,
            0x43f0 << 48,
            0x4330 << 48,
            0x432f_ffff_ffff_ffff,
            // Around the least normal single, and halves between singles.
            0x3810 << 48,
            0x380f_ffff_ffff_ffff,
            0x380f_ffff_f000_0000,
            0x380f_ffff_e000_0000,
            0x3ff0_0000_1000_0000,
            0x3ff0_0000_3000_0000,
            0x47ef_ffff_e000_0000,
            0x47ef_ffff_f000_0000,
            0x3690 << 48,
        ];
        sign | match self.bits() >> 61 {
            0..3 => self.of(&special),
            3 => random,
            4 => f64::to_bits((random & 0xff_ffff) as f64 / 4096.0),
            5 => 1 << 52 | random & 0x1f_ffff_ffff_ffff,
            6 => 0x3800 << 48 | random & 0x1f_ffff_ffff_ffff,
            _ => (0x41d0 << 48) + (random & 0x3f_ffff_ffff_ffff),
        }
    }

    /// Random lanes of a format; of other sizes, anything.
    fn vector(&mut self, e: u64) -> u128 {
        match e {
            32 => (0..4).fold(0, |v, _| v << 32 | u128::from(self.single())),
            64 => u128::from(self.double()) << 64 | u128::from(self.double()),
            _ => u128::from(self.bits()) << 64 | u128::from(self.bits()),
        }
    }

    /// Singles about half as large as halves may be small or large.
    fn nearly_halves(&mut self) -> u128 {
        (0..4).fold(0, |v, _| {
            let n = self.bits();
            let exp = self.of(&[0x32u64, 0x33, 0x37, 0x38, 0x38, 0x38, 0x3f, 0x47]) << 24;
            let fraction = self.of(&[0u64, !0, !0xfff, 0x1000, !0x1fff, 0x3000, n, n & !0xfff]) & 0xff_ffff;
            v << 32 | u128::from(n >> 32 & 1 << 31 | exp | fraction)
        })
    }

    /// Pairs whose product is just about the smallest normal number.
    fn least(&mut self, e: u64) -> [u128; 2] {
        let mut lane = || {
            let a = f64::from_bits(0x3ff0 << 48 | self.bits() >> 12);
            match e {
                32 => {
                    let a = a as f32;
                    let b = (f32::MIN_POSITIVE * 16.0 / a).to_bits();
                    [u64::from((a / 16.0).to_bits()), u64::from(b) + (self.bits() & 1)]
                }
                _ => {
                    let b = (f64::MIN_POSITIVE * 16.0 / a).to_bits();
                    [(a / 16.0).to_bits(), b + (self.bits() & 1)]
                }
            }
        };
        let mut out = [0; 2];
        for _ in 0..128 / e {
            let lanes = lane();
            out.iter_mut()
                .zip(lanes)
                .for_each(|(v, lane)| *v = if e == 64 { *v << 64 } else { *v << 32 } | u128::from(lane));
        }
        out
    }
}

fn compare_with_eval(fp_mode: bool, fpcr: u32, rounds: usize) {
    let mut rig = Rig::new();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for &op in FpOp::ALL {
        let row = Op::Fp(op).row();
        for imm in immediates(op) {
            let host = rig.operation(op, imm, fp_mode);
            let e = match op {
                FpOp::VFNarrow | FpOp::VFNarrowOdd => 2 * imm,
                FpOp::FToIntJs => 64,
                _ => imm & 0xff,
            };
            for round in 0..rounds {
                let mut args = [numbers.vector(e), numbers.vector(e), numbers.vector(e)];
                if round % 8 == 0 && e != 16 {
                    let [a, b] = numbers.least(e);
                    // Of a fused sum these are the factors, with a zero or little to add.
                    args = if row.args.len() == 3 { [args[0] & numbers.of(&[0, 1, !0]), a, b] } else { [a, b, 0] };
                }
                if matches!((op, imm), (FpOp::FCvt, 0x1020) | (FpOp::VFNarrow, 16)) && round % 2 == 0 {
                    args[0] = numbers.nearly_halves();
                }
                if row.args[0] == Kind::I {
                    args[0] &= numbers.of(&[!0, 0xffff_ffff, 0xffff, 1 << 63, 0]);
                }
                let args = &args[..row.args.len()];
                let mut env = FpEnv { fpcr, fpsr: 0 };
                let value = (row.eval)(&mut env, args, imm);
                let got = rig.translated(host, op, args, fpcr);
                assert_eq!(
                    got,
                    (value, env.fpsr),
                    "{} {imm:#x} of {args:x?} should be {value:#x}, not {:#x}; flags {:#x}, not {:#x}",
                    row.name,
                    got.0,
                    env.fpsr,
                    got.1
                );
            }
        }
    }
}

#[test]
fn translated_floating_point_is_what_its_eval_says_flags_included() {
    compare_with_eval(false, 0, 1000);
}

/// NZCV as a program sees it: in the state, and through conditions.
#[test]
fn comparisons_set_nzcv_for_conditions_and_for_the_state() {
    let mut rig = Rig::new();
    let mut numbers = Numbers(0xdead_beef_0bad_cafe);
    for op in [FpOp::FCmp, FpOp::FCmpe] {
        for e in [32, 64] {
            let mut insts: Vec<(Code, &[u16], u64)> = vec![
                (Code::GetV(0), &[], 0),
                (Code::GetV(1), &[], 0),
                (Code::Op(Op::Fp(op)), &[0, 1], e),
                (Code::SetNzcv, &[2], 0),
            ];
            // A select whose condition is still in the host's flags, then conditions as integers.
            insts.push((Code::GetCond(Cond(8)), &[], 0));
            insts.push((Code::Op(Op::Fp(FpOp::FSelect)), &[4, 0, 1], e));
            insts.push((Code::SetV(2), &[5], 0));
            let values: Vec<[u16; 1]> = (0..14).map(|n| [7 + 2 * n]).collect();
            for cond in 0..14u8 {
                insts.push((Code::GetCond(Cond(cond)), &[], 0));
                insts.push((Code::SetX(cond), &values[usize::from(cond)], 0));
            }
            let host = rig.translate(&insts, false);
            for _ in 0..200 {
                let (a, b) = (numbers.vector(e), numbers.vector(e));
                let b = if numbers.bits() >> 62 == 0 { a } else { b };
                let mut env = FpEnv::default();
                let nzcv = (Op::Fp(op).row().eval)(&mut env, &[a, b], e) as u32;
                rig.frame.s = CpuState::default();
                rig.frame.s.v[..2].copy_from_slice(&[a, b]);
                rig.run(host);
                let s = &rig.frame.s;
                assert_eq!((s.flags.nzcv(), s.fp.fpsr), (nzcv, env.fpsr), "{op:?} {a:x} {b:x}");
                let chosen = if s.x[8] != 0 { a } else { b };
                assert_eq!(s.v[2], chosen & (u128::MAX >> (128 - e)));
                for cond in 0..14u8 {
                    let (n, z, c, v) = (nzcv & 8 != 0, nzcv & 4 != 0, nzcv & 2 != 0, nzcv & 1 != 0);
                    let holds = [z, c, n, v, c && !z, n == v, n == v && !z][usize::from(cond / 2)] ^ (cond & 1 != 0);
                    assert_eq!(s.x[usize::from(cond)], u64::from(holds), "condition {cond} of {nzcv:04b}");
                }
            }
        }
    }
}

#[test]
fn fpsr_read_and_written_amid_a_unit_has_the_flags_up_to_there() {
    let mut rig = Rig::new();
    let fpsr = SysEnc::new(3, 3, 4, 4, 1);
    let host = rig.translate(
        &[
            (Code::GetV(0), &[], 0),
            (Code::GetV(1), &[], 0),
            (Code::Op(Op::Fp(FpOp::FDiv)), &[0, 1], 64),
            (Code::SetV(2), &[2], 0),
            (Code::Call(Call::SysRead(fpsr)), &[], 0),
            (Code::SetX(0), &[4], 0),
            (Code::Imm, &[], 0x0800_0000),
            (Code::Call(Call::SysWrite(fpsr)), &[6], 0),
            (Code::Call(Call::SysRead(fpsr)), &[], 0),
            (Code::SetX(1), &[8], 0),
            (Code::Op(Op::Fp(FpOp::FAdd)), &[0, 0], 64),
            (Code::SetV(3), &[10], 0),
        ],
        false,
    );
    rig.frame.s.v[0] = f64::MAX.to_bits().into();
    rig.run(host);
    // Divided by zero; then cleared but for a bit of the guest's own; then overflowed.
    assert_eq!((rig.frame.s.x[0], rig.frame.s.x[1], rig.frame.s.fp.fpsr), (2, 0x0800_0000, 0x0800_0014));
}

/// Values that die, values that live on, and more of them than registers.
#[test]
fn repairs_leave_other_values_alone() {
    let mut rig = Rig::new();
    let mut insts: Vec<(Code, &[u16], u64)> = Vec::new();
    let ids: Vec<[u16; 2]> = (0..16).map(|n| [n, (n + 1) % 16]).collect();
    let results: Vec<[u16; 1]> = (0..16).map(|n| [16 + n]).collect();
    for n in 0..16 {
        insts.push((Code::GetV(n), &[], 0));
    }
    for id in &ids {
        insts.push((Code::Op(Op::Fp(FpOp::FMul)), id, 32));
    }
    for n in 0..16u8 {
        insts.push((Code::SetV(16 + n), &results[usize::from(n)], 0));
    }
    let host = rig.translate(&insts, false);
    let mut numbers = Numbers(0x0123_4567_89ab_cdef);
    for _ in 0..500 {
        let mut env = FpEnv::default();
        let inputs: Vec<u128> = (0..16).map(|_| numbers.vector(32)).collect();
        rig.frame.s = CpuState::default();
        rig.frame.s.v[..16].copy_from_slice(&inputs);
        rig.run(host);
        for (n, id) in ids.iter().enumerate() {
            let args = id.map(|i| inputs[usize::from(i)]);
            let product = (Op::Fp(FpOp::FMul).row().eval)(&mut env, &args, 32);
            assert_eq!(rig.frame.s.v[16 + n], product, "{n}");
        }
        assert_eq!(rig.frame.s.fp.fpsr, env.fpsr);
    }
}

#[test]
fn units_for_another_fpcr_follow_it() {
    // Default NaNs, flushing, rounding towards minus infinity.
    compare_with_eval(true, 0x0380_0000, 20);
}

/// Operations and formats without an emitter, on ordinary numbers.
fn without_emitter() -> Vec<(&'static str, u64)> {
    let mut missing = Vec::new();
    for &op in FpOp::ALL {
        for imm in immediates(op) {
            let mut rig = Rig::new();
            let host = rig.operation(op, imm, false);
            let e = if matches!(op, FpOp::VFNarrow | FpOp::VFNarrowOdd) { 2 * imm } else { imm & 0xff };
            let one = if e == 32 { 0x3fc0_0000_3fc0_0000_3fc0_0000_3fc0_0000 } else { 0x3ff8 << 48 | 0x3ff8 << 112 };
            rig.translated(host, op, &[one, one, one][..Op::Fp(op).row().args.len()], 0);
            if !rig.bare.cache.stats.evals().is_empty() {
                missing.push((Op::Fp(op).row().name, imm));
            }
        }
    }
    missing
}

#[test]
fn ordinary_numbers_of_common_operations_call_nothing() {
    let missing = without_emitter();
    let singles_and_doubles =
        |name: &str| missing.iter().any(|(there, imm)| *there == name && matches!(imm & 0xff, 32 | 64));
    for name in [
        "f_add",
        "f_sub",
        "f_mul",
        "f_div",
        "f_sqrt",
        "f_fma",
        "f_max",
        "f_min",
        "f_maxnm",
        "f_minnm",
        "f_abs",
        "f_neg",
        "f_cmp",
        "f_cmpe",
        "f_cmeq",
        "f_cmge",
        "f_cmgt",
        "f_select",
        "vf_add",
        "vf_sub",
        "vf_mul",
        "vf_div",
        "vf_sqrt",
        "vf_fma",
        "vf_max",
        "vf_min",
        "vf_maxnm",
        "vf_minnm",
        "vf_abs",
        "vf_neg",
        "vf_recps",
        "vf_rsqrts",
        "vf_cmeq",
        "vf_cmge",
        "vf_cmgt",
    ] {
        assert!(!singles_and_doubles(name), "{name} is called through its eval");
    }
}
