//! Lift: the [`Build`] that records what instructions mean as IR.

use super::block::{Block, Call, Code, Comparison, FlagsOp, Operand, Term, Val};
use super::op::{CryptoOp, EvalFn, Op, OpSink};
use super::{AtomicOp, Barrier, Build, Cond, Context, Exception, Flow, Mem, SysEnc, Wait};
use crate::state::FpEnv;

/// The instruction being lifted has recorded its exception and ends here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifted;

/// Records one basic block.
#[derive(Debug)]
pub struct Lift {
    context: Context,
    block: Block,
    pc: u64,
    /// The stack pointer was found aligned, and has changed by multiples of 16 only.
    sp_aligned: bool,
    simplify: bool,
    /// What guest registers hold, as far as it is known.
    known_x: [Val; 32],
    /// The latest result whose operands [`Lift::compare`] has looked for.
    compared: Val,
    known_v: [Val; 32],
}

impl Lift {
    /// Starts a block at `va`, in the memory of one that is not needed any more. To `simplify` leaves results as they are:
    /// a guest register that is read again, or read after it was written, is the value that is known already, and an
    /// integer operation on constants is a constant.
    #[must_use]
    pub fn new(va: u64, context: Context, simplify: bool, mut block: Block) -> Self {
        block.begin(va);
        let (known_x, known_v) = ([Val::NONE; 32], [Val::NONE; 32]);
        Self { context, block, pc: va, sp_aligned: false, simplify, known_x, compared: Val::NONE, known_v }
    }

    /// Records the instruction that `row` (a table row's `lift`) stands for; whether the block goes on after it.
    pub fn instruction(&mut self, row: impl FnOnce(&mut Self) -> Result<Flow<Val>, Lifted>) -> bool {
        let next = self.pc.wrapping_add(4);
        let flow = row(self);
        self.block.len += 1;
        self.block.term = match flow {
            Ok(Flow::Next) => {
                self.pc = next;
                self.block.term = Term::Jump(next);
                return true;
            }
            Ok(Flow::Jump(target)) => Term::Jump(target),
            Ok(Flow::Call(target)) => Term::Call { target, ret: next },
            Ok(Flow::If { cond, target }) => Term::If { cond, target, next },
            Ok(Flow::Indirect { target, kind }) => Term::Indirect { target, kind, ret: next },
            Ok(Flow::Sync) => Term::Sync(next),
            Ok(Flow::Fence) => Term::Fence(next),
            Ok(Flow::Poll) => Term::Poll(next),
            Ok(Flow::Resume) => Term::Resume,
            Err(Lifted) => Term::Raised,
        };
        false
    }

    /// The address of the next instruction to record.
    #[must_use]
    pub fn next_pc(&self) -> u64 {
        self.pc
    }

    /// The recorded block.
    #[must_use]
    pub fn finish(self) -> Block {
        self.block
    }

    #[inline(always)]
    fn push(&mut self, code: Code, args: &[Val], imm: u64) -> Val {
        self.block.push(code, args, imm)
    }

    /// Records a call. Some write guest registers behind the block's back: PSCI, ERET.
    fn call(&mut self, call: Call, args: &[Val]) -> Val {
        (self.known_x, self.known_v) = ([Val::NONE; 32], [Val::NONE; 32]);
        self.push(Code::Call(call), args, 0)
    }

    /// Records what sets NZCV, and which guest registers hold its operands.
    fn compare(&mut self, op: FlagsOp, wide: bool, a: Val, b: Val) -> Val {
        let val = self.push(Code::Flags(op, wide), &[a, b], 0);
        let holder = |val: Val| self.known_x.iter().position(|&known| known == val).map(|r| r as u8);
        let constant = self.block.insts[usize::from(b.0)];
        let imm = u16::try_from(constant.imm).ok().filter(|imm| matches!(constant.code, Code::Imm) && *imm < 1 << 15);
        let b = imm.map(Operand::Imm).or_else(|| holder(b).map(Operand::X));
        self.block.usage.comparison = holder(a).zip(b).map(|(a, b)| Comparison::new(op, wide, a, b));
        self.compared = val;
        val
    }

    fn call_pair(&mut self, call: Call, args: &[Val]) -> (Val, Val) {
        let first = self.call(call, args);
        (first, self.push(Code::Second, &[first], 0))
    }

    fn read_x(&mut self, r: u8) -> Val {
        let known = self.known_x[usize::from(r)];
        if self.simplify && known != Val::NONE {
            return known;
        }
        let val = self.push(Code::GetX(r), &[], 0);
        self.known_x[usize::from(r)] = val;
        val
    }

    fn write_x(&mut self, r: u8, value: Val) {
        self.known_x[usize::from(r)] = value;
        let comparison = self.block.usage.comparison.filter(|it| value == self.compared && it.a() == r);
        self.push(Code::SetX(r), &[value], 0);
        if let Some(comparison) = comparison {
            self.block.usage.comparison = comparison.replaced();
        }
    }

    /// The value of an integer operation on constants.
    fn folded(&self, op: Op, eval: EvalFn, args: &[Val], imm: u64) -> Option<u64> {
        if !self.simplify || !matches!(op, Op::Int(_)) {
            return None;
        }
        let mut values = [0; 6];
        for (value, arg) in values.iter_mut().zip(args) {
            *value = self.constant(*arg)?.into();
        }
        Some(eval(&mut FpEnv::default(), &values[..args.len()], imm) as u64)
    }

    /// An operation on another's result that is one operation.
    fn combined(&self, op: Op, args: &[Val]) -> Option<(CryptoOp, Val)> {
        let (Op::Crypto(after), true) = (op, self.simplify) else { return None };
        let inst = &self.block.insts[usize::from(args[0].0)];
        let round = match (inst.code, after) {
            (Code::Op(Op::Crypto(CryptoOp::AesSubShift)), CryptoOp::AesMix) => CryptoOp::AesRound,
            (Code::Op(Op::Crypto(CryptoOp::AesInvSubShift)), CryptoOp::AesInvMix) => CryptoOp::AesInvRound,
            _ => return None,
        };
        Some((round, inst.args[0]))
    }

    fn pair(&mut self, code: Code, args: &[Val]) -> (Val, Val) {
        let first = self.push(code, args, 0);
        (first, self.push(Code::Second, &[first], 0))
    }

    fn constant(&self, val: Val) -> Option<u64> {
        let inst = self.block.insts[usize::from(val.0)];
        matches!(inst.code, Code::Imm).then_some(inst.imm)
    }

    /// Whether a value is the current stack pointer plus or minus a multiple of 16.
    fn keeps_sp_aligned(&self, val: Val) -> bool {
        use super::op::IntOp::{Add64, Sub64};
        let inst = self.block.insts[usize::from(val.0)];
        matches!(inst.code, Code::Op(Op::Int(Add64 | Sub64)))
            && inst.args[0] == self.known_x[31]
            && self.constant(inst.args[1]).is_some_and(|n| n % 16 == 0)
    }
}

impl OpSink for Lift {
    type I = Val;
    type V = Val;
    type Word = Val;

    fn word_i(value: Val) -> Val {
        value
    }
    fn word_v(value: Val) -> Val {
        value
    }
    fn unword_i(word: Val) -> Val {
        word
    }
    fn unword_v(word: Val) -> Val {
        word
    }
    fn apply(&mut self, op: Op, eval: EvalFn, args: &[Val], imm: u64) -> Val {
        if let Some(value) = self.folded(op, eval, args, imm) {
            self.imm(value)
        } else if let Some((op, arg)) = self.combined(op, args) {
            self.push(Code::Op(Op::Crypto(op)), &[arg], 0)
        } else {
            self.push(Code::Op(op), args, imm)
        }
    }
}

impl Build for Lift {
    type Stop = Lifted;

    fn context(&self) -> &Context {
        &self.context
    }
    fn pc(&self) -> u64 {
        self.pc
    }
    fn imm(&mut self, value: u64) -> Val {
        self.push(Code::Imm, &[], value)
    }
    fn near(&mut self, va: u64) -> Val {
        self.push(Code::Near, &[], va.wrapping_sub(self.pc & !0xfff))
    }
    fn vimm(&mut self, value: u128) -> Val {
        let index = self.block.vectors.len() as u64;
        self.block.vectors.push(value);
        self.push(Code::ImmV, &[], index)
    }

    fn x(&mut self, r: u32) -> Val {
        if r == 31 { self.imm(0) } else { self.read_x(r as u8) }
    }
    fn set_x(&mut self, r: u32, value: Val) {
        if r != 31 {
            self.write_x(r as u8, value);
        }
    }
    fn xsp(&mut self, r: u32) -> Val {
        self.read_x(r as u8)
    }
    fn set_xsp(&mut self, r: u32, value: Val) {
        if r == 31 {
            self.sp_aligned &= self.keeps_sp_aligned(value);
        }
        self.write_x(r as u8, value);
    }
    fn base(&mut self, r: u32) -> Result<Val, Lifted> {
        let base = self.xsp(r);
        if r == 31 && self.context.sp_check && !self.sp_aligned {
            self.push(Code::CheckSp, &[base], 0);
            self.sp_aligned = true;
        }
        Ok(base)
    }
    fn v(&mut self, r: u32) -> Val {
        let known = self.known_v[r as usize];
        if self.simplify && known != Val::NONE {
            return known;
        }
        let val = self.push(Code::GetV(r as u8), &[], 0);
        self.known_v[r as usize] = val;
        val
    }
    fn set_v(&mut self, r: u32, value: Val) {
        self.known_v[r as usize] = value;
        self.push(Code::SetV(r as u8), &[value], 0);
    }

    fn adds(&mut self, sf: bool, a: Val, b: Val) -> Val {
        self.compare(FlagsOp::Add, sf, a, b)
    }
    fn subs(&mut self, sf: bool, a: Val, b: Val) -> Val {
        self.compare(FlagsOp::Sub, sf, a, b)
    }
    fn adcs(&mut self, sf: bool, a: Val, b: Val) -> Val {
        self.push(Code::Flags(FlagsOp::Adc, sf), &[a, b], 0)
    }
    fn sbcs(&mut self, sf: bool, a: Val, b: Val) -> Val {
        self.push(Code::Flags(FlagsOp::Sbc, sf), &[a, b], 0)
    }
    fn ands(&mut self, sf: bool, a: Val, b: Val) -> Val {
        self.compare(FlagsOp::And, sf, a, b)
    }
    fn bics(&mut self, sf: bool, a: Val, b: Val) -> Val {
        self.push(Code::Flags(FlagsOp::Bic, sf), &[a, b], 0)
    }
    fn nzcv(&mut self) -> Val {
        self.push(Code::GetNzcv, &[], 0)
    }
    fn set_nzcv(&mut self, nzcv: Val) {
        self.push(Code::SetNzcv, &[nzcv], 0);
    }
    fn carry(&mut self) -> Val {
        self.push(Code::GetCarry, &[], 0)
    }
    fn cond(&mut self, cond: Cond) -> Val {
        if cond.always() { self.imm(1) } else { self.push(Code::GetCond(cond), &[], 0) }
    }
    fn ccmp(&mut self, sf: bool, negative: bool, a: Val, b: Val, cond: Cond, nzcv: u32) {
        let op = if negative { FlagsOp::Add } else { FlagsOp::Sub };
        if cond.always() {
            self.compare(op, sf, a, b);
        } else {
            self.push(Code::CondFlags(op, sf, cond), &[a, b], u64::from(nzcv));
        }
    }

    fn load(&mut self, addr: Val, mem: Mem) -> Result<Val, Lifted> {
        Ok(self.push(Code::Load(mem), &[addr], 0))
    }
    fn store(&mut self, addr: Val, value: Val, mem: Mem) -> Result<(), Lifted> {
        self.push(Code::Store(mem), &[addr, value], 0);
        Ok(())
    }
    fn load_pair(&mut self, addr: Val, mem: Mem) -> Result<(Val, Val), Lifted> {
        Ok(self.pair(Code::LoadPair(mem), &[addr]))
    }
    fn store_pair(&mut self, addr: Val, a: Val, b: Val, mem: Mem) -> Result<(), Lifted> {
        self.push(Code::StorePair(mem), &[addr, a, b], 0);
        Ok(())
    }
    fn load_v(&mut self, addr: Val, mem: Mem) -> Result<Val, Lifted> {
        Ok(self.push(Code::LoadV(mem), &[addr], 0))
    }
    fn store_v(&mut self, addr: Val, value: Val, mem: Mem) -> Result<(), Lifted> {
        self.push(Code::StoreV(mem), &[addr, value], 0);
        Ok(())
    }
    fn load_exclusive(&mut self, addr: Val, mem: Mem) -> Result<Val, Lifted> {
        Ok(self.call(Call::LoadExclusive(mem), &[addr]))
    }
    fn load_exclusive_pair(&mut self, addr: Val, mem: Mem) -> Result<(Val, Val), Lifted> {
        Ok(self.call_pair(Call::LoadExclusivePair(mem), &[addr]))
    }
    fn store_exclusive(&mut self, addr: Val, value: Val, mem: Mem) -> Result<Val, Lifted> {
        Ok(self.call(Call::StoreExclusive(mem), &[addr, value]))
    }
    fn store_exclusive_pair(&mut self, addr: Val, a: Val, b: Val, mem: Mem) -> Result<Val, Lifted> {
        Ok(self.call(Call::StoreExclusivePair(mem), &[addr, a, b]))
    }
    fn clear_exclusive(&mut self) {
        self.call(Call::ClearExclusive, &[]);
    }
    fn atomic(&mut self, op: AtomicOp, addr: Val, value: Val, mem: Mem) -> Result<Val, Lifted> {
        Ok(self.call(Call::Atomic(op, mem), &[addr, value]))
    }
    fn cas(&mut self, addr: Val, expected: Val, new: Val, mem: Mem) -> Result<Val, Lifted> {
        Ok(self.call(Call::Cas(mem), &[addr, expected, new]))
    }
    fn cas_pair(&mut self, addr: Val, expected: (Val, Val), new: (Val, Val), mem: Mem) -> Result<(Val, Val), Lifted> {
        Ok(self.call_pair(Call::CasPair(mem), &[addr, expected.0, expected.1, new.0, new.1]))
    }
    fn barrier(&mut self, barrier: Barrier) {
        self.call(Call::Barrier(barrier), &[]);
    }
    fn isb(&mut self) {
        self.call(Call::Isb, &[]);
    }

    fn sys_read(&mut self, enc: SysEnc) -> Result<Val, Lifted> {
        Ok(self.call(Call::SysRead(enc), &[]))
    }
    fn sys_write(&mut self, enc: SysEnc, value: Val) -> Result<(), Lifted> {
        self.call(Call::SysWrite(enc), &[value]);
        Ok(())
    }
    fn sys_op(&mut self, enc: SysEnc, value: Val) -> Result<(), Lifted> {
        self.call(Call::SysOp(enc), &[value]);
        Ok(())
    }
    fn msr_imm(&mut self, field: u32, imm: u32) -> Result<(), Lifted> {
        self.call(Call::MsrImm { field: field as u8, imm: imm as u8 }, &[]);
        Ok(())
    }
    fn eret(&mut self) -> Result<(), Lifted> {
        self.call(Call::Eret, &[]);
        Ok(())
    }
    fn wait(&mut self, wait: Wait) -> Result<(), Lifted> {
        self.call(Call::Wait(wait), &[]);
        Ok(())
    }
    fn raise<T>(&mut self, exception: Exception) -> Result<T, Lifted> {
        let index = self.block.exceptions.len() as u64;
        self.block.exceptions.push(exception);
        self.push(Code::Call(Call::Raise), &[], index);
        Err(Lifted)
    }
}
