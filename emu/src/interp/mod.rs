//! Eval: the [`Build`] that executes now.
//!
//! The interpreter serves instructions that are met once, debugging, and the comparison with translated code. It
//! shares the instruction rows with the translator, so it is no judge of them.

use crate::ir::op::{EvalFn, Op, OpSink};
use crate::ir::{AtomicOp, Barrier, Build, Cond, Context, Env, Exception, Mem, SysEnc, Wait, nzcv};
use crate::state::{CpuState, Flags};

/// Executes one instruction on a CPU state.
pub struct Eval<'a> {
    s: &'a mut CpuState,
    env: &'a mut dyn Env,
    context: &'a Context,
}

impl std::fmt::Debug for Eval<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Eval").field("state", &self.s).finish_non_exhaustive()
    }
}

impl<'a> Eval<'a> {
    /// For the instruction at the state's PC.
    pub fn new(s: &'a mut CpuState, env: &'a mut dyn Env, context: &'a Context) -> Self {
        Self { s, env, context }
    }

    /// Sum with carry in, which sets NZCV.
    fn add_with_carry(&mut self, sf: bool, a: u64, b: u64, carry: bool) -> u64 {
        let (result, nzcv) = nzcv::add_with_carry(sf, a, b, carry);
        self.s.flags = Flags::from_nzcv(nzcv);
        result
    }

    fn logical(&mut self, sf: bool, result: u64) -> u64 {
        self.s.flags = Flags::from_nzcv(nzcv::logical(sf, result));
        if sf { result } else { result & 0xffff_ffff }
    }

    fn at(base: u64, mem: Mem, index: u64) -> u64 {
        base.wrapping_add(u64::from(mem.bytes) * index)
    }
}

impl OpSink for Eval<'_> {
    type I = u64;
    type V = u128;
    type Word = u128;

    fn word_i(value: u64) -> u128 {
        u128::from(value)
    }
    fn word_v(value: u128) -> u128 {
        value
    }
    fn unword_i(word: u128) -> u64 {
        word as u64
    }
    fn unword_v(word: u128) -> u128 {
        word
    }
    fn apply(&mut self, _: Op, eval: EvalFn, args: &[u128], imm: u64) -> u128 {
        eval(&mut self.s.fp, args, imm)
    }
}

impl Build for Eval<'_> {
    type Stop = Exception;

    fn context(&self) -> &Context {
        self.context
    }
    fn pc(&self) -> u64 {
        self.s.pc
    }
    fn near(&mut self, va: u64) -> u64 {
        va
    }
    fn imm(&mut self, value: u64) -> u64 {
        value
    }
    fn vimm(&mut self, value: u128) -> u128 {
        value
    }

    fn x(&mut self, r: u32) -> u64 {
        if r == 31 { 0 } else { self.s.x[r as usize] }
    }
    fn set_x(&mut self, r: u32, value: u64) {
        if r != 31 {
            self.s.x[r as usize] = value;
        }
    }
    fn xsp(&mut self, r: u32) -> u64 {
        self.s.x[r as usize]
    }
    fn set_xsp(&mut self, r: u32, value: u64) {
        self.s.x[r as usize] = value;
    }
    fn base(&mut self, r: u32) -> Result<u64, Exception> {
        let base = self.xsp(r);
        if r == 31 && self.context.sp_check && !base.is_multiple_of(16) {
            Err(Exception::SP_ALIGNMENT)
        } else {
            Ok(base)
        }
    }
    fn v(&mut self, r: u32) -> u128 {
        self.s.v[r as usize]
    }
    fn set_v(&mut self, r: u32, value: u128) {
        self.s.v[r as usize] = value;
    }

    fn adds(&mut self, sf: bool, a: u64, b: u64) -> u64 {
        self.add_with_carry(sf, a, b, false)
    }
    fn subs(&mut self, sf: bool, a: u64, b: u64) -> u64 {
        self.add_with_carry(sf, a, !b, true)
    }
    fn adcs(&mut self, sf: bool, a: u64, b: u64) -> u64 {
        let carry = self.s.flags.nzcv() & 2 != 0;
        self.add_with_carry(sf, a, b, carry)
    }
    fn sbcs(&mut self, sf: bool, a: u64, b: u64) -> u64 {
        let carry = self.s.flags.nzcv() & 2 != 0;
        self.add_with_carry(sf, a, !b, carry)
    }
    fn ands(&mut self, sf: bool, a: u64, b: u64) -> u64 {
        self.logical(sf, a & b)
    }
    fn bics(&mut self, sf: bool, a: u64, b: u64) -> u64 {
        self.logical(sf, a & !b)
    }
    fn nzcv(&mut self) -> u64 {
        u64::from(self.s.flags.nzcv())
    }
    fn set_nzcv(&mut self, nzcv: u64) {
        self.s.flags = Flags::from_nzcv(nzcv as u32 & 15);
    }
    fn carry(&mut self) -> u64 {
        u64::from(self.s.flags.nzcv() >> 1 & 1)
    }
    fn cond(&mut self, cond: Cond) -> u64 {
        u64::from(cond.holds(self.s.flags.nzcv()))
    }
    fn ccmp(&mut self, sf: bool, negative: bool, a: u64, b: u64, cond: Cond, nzcv: u32) {
        if !cond.holds(self.s.flags.nzcv()) {
            self.s.flags = Flags::from_nzcv(nzcv);
        } else if negative {
            self.adds(sf, a, b);
        } else {
            self.subs(sf, a, b);
        }
    }

    fn load(&mut self, addr: u64, mem: Mem) -> Result<u64, Exception> {
        Ok(self.env.load(self.s, addr, mem)? as u64)
    }
    fn store(&mut self, addr: u64, value: u64, mem: Mem) -> Result<(), Exception> {
        self.env.store(self.s, addr, u128::from(value), mem)
    }
    fn load_pair(&mut self, addr: u64, mem: Mem) -> Result<(u64, u64), Exception> {
        let first = self.load(addr, mem)?;
        Ok((first, self.load(Self::at(addr, mem, 1), mem)?))
    }
    fn store_pair(&mut self, addr: u64, a: u64, b: u64, mem: Mem) -> Result<(), Exception> {
        self.store(addr, a, mem)?;
        self.store(Self::at(addr, mem, 1), b, mem)
    }
    fn load_v(&mut self, addr: u64, mem: Mem) -> Result<u128, Exception> {
        self.env.load(self.s, addr, mem)
    }
    fn store_v(&mut self, addr: u64, value: u128, mem: Mem) -> Result<(), Exception> {
        self.env.store(self.s, addr, value, mem)
    }
    fn load_exclusive(&mut self, addr: u64, mem: Mem) -> Result<u64, Exception> {
        Ok(self.env.load_exclusive(self.s, addr, mem)? as u64)
    }
    fn load_exclusive_pair(&mut self, addr: u64, mem: Mem) -> Result<(u64, u64), Exception> {
        let both = self.env.load_exclusive(self.s, addr, mem.doubled())?;
        Ok(mem.split(both))
    }
    fn store_exclusive(&mut self, addr: u64, value: u64, mem: Mem) -> Result<u64, Exception> {
        Ok(u64::from(!self.env.store_exclusive(self.s, addr, u128::from(value), mem)?))
    }
    fn store_exclusive_pair(&mut self, addr: u64, a: u64, b: u64, mem: Mem) -> Result<u64, Exception> {
        Ok(u64::from(!self.env.store_exclusive(self.s, addr, mem.join(a, b), mem.doubled())?))
    }
    fn clear_exclusive(&mut self) {
        self.env.clear_exclusive(self.s);
    }
    fn atomic(&mut self, op: AtomicOp, addr: u64, value: u64, mem: Mem) -> Result<u64, Exception> {
        self.env.atomic(self.s, op, addr, value, mem)
    }
    fn cas(&mut self, addr: u64, expected: u64, new: u64, mem: Mem) -> Result<u64, Exception> {
        Ok(self.env.cas(self.s, addr, u128::from(expected), u128::from(new), mem)? as u64)
    }
    fn cas_pair(
        &mut self,
        addr: u64,
        expected: (u64, u64),
        new: (u64, u64),
        mem: Mem,
    ) -> Result<(u64, u64), Exception> {
        let (expected, new) = (mem.join(expected.0, expected.1), mem.join(new.0, new.1));
        Ok(mem.split(self.env.cas(self.s, addr, expected, new, mem.doubled())?))
    }
    fn barrier(&mut self, barrier: Barrier) {
        self.env.barrier(self.s, barrier);
    }
    fn isb(&mut self) {
        self.env.isb(self.s);
    }

    fn sys_read(&mut self, enc: SysEnc) -> Result<u64, Exception> {
        self.env.sys_read(self.s, enc)
    }
    fn sys_write(&mut self, enc: SysEnc, value: u64) -> Result<(), Exception> {
        self.env.sys_write(self.s, enc, value)
    }
    fn sys_op(&mut self, enc: SysEnc, value: u64) -> Result<(), Exception> {
        self.env.sys_op(self.s, enc, value)
    }
    fn msr_imm(&mut self, field: u32, imm: u32) -> Result<(), Exception> {
        self.env.msr_imm(self.s, field, imm)
    }
    fn eret(&mut self) -> Result<(), Exception> {
        self.env.eret(self.s)
    }
    fn wait(&mut self, wait: Wait) -> Result<(), Exception> {
        self.env.wait(self.s, wait)
    }
    fn raise<T>(&mut self, exception: Exception) -> Result<T, Exception> {
        Err(exception)
    }
}
