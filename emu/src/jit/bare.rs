//! For tests: a CPU of translated code alone, with FPSR for a system register.

use std::sync::Arc;

use super::{Cache, Optimizations, Reach, Runtime};
use crate::ir::{AtomicOp, Barrier, Env, Exception, Mem, SysEnc, Wait};
use crate::state::CpuState;

pub(super) struct Bare {
    pub cache: Arc<Cache>,
    /// The exception that may be taken.
    pub expected: Option<Exception>,
}

impl Bare {
    pub fn new() -> Self {
        Self {
            cache: Arc::new(Cache::new(|_, _| None, Optimizations::all()).expect("memory for code")),
            expected: None,
        }
    }
}

impl Runtime for Bare {
    fn cache(&self) -> &Cache {
        &self.cache
    }
    fn reach(&mut self, _: &CpuState, _: Reach) -> Result<Option<u64>, Exception> {
        Ok(None)
    }
    fn take(&mut self, _: &mut CpuState, exception: Exception) {
        assert_eq!(Some(exception), self.expected);
    }
}

impl Env for Bare {
    fn load(&mut self, _: &mut CpuState, _: u64, _: Mem) -> Result<u128, Exception> {
        Err(Exception::UNDEFINED)
    }
    fn store(&mut self, _: &mut CpuState, _: u64, _: u128, _: Mem) -> Result<(), Exception> {
        Err(Exception::UNDEFINED)
    }
    fn load_exclusive(&mut self, _: &mut CpuState, _: u64, _: Mem) -> Result<u128, Exception> {
        Err(Exception::UNDEFINED)
    }
    fn store_exclusive(&mut self, _: &mut CpuState, _: u64, _: u128, _: Mem) -> Result<bool, Exception> {
        Err(Exception::UNDEFINED)
    }
    fn clear_exclusive(&mut self, _: &mut CpuState) {}
    fn atomic(&mut self, _: &mut CpuState, _: AtomicOp, _: u64, _: u64, _: Mem) -> Result<u64, Exception> {
        Err(Exception::UNDEFINED)
    }
    fn cas(&mut self, _: &mut CpuState, _: u64, _: u128, _: u128, _: Mem) -> Result<u128, Exception> {
        Err(Exception::UNDEFINED)
    }
    fn barrier(&mut self, _: &mut CpuState, _: Barrier) {}
    fn isb(&mut self, _: &mut CpuState) {}
    /// FPSR, whatever the register.
    fn sys_read(&mut self, s: &mut CpuState, _: SysEnc) -> Result<u64, Exception> {
        Ok(s.fp.fpsr.into())
    }
    fn sys_write(&mut self, s: &mut CpuState, _: SysEnc, value: u64) -> Result<(), Exception> {
        s.fp.fpsr = value as u32;
        Ok(())
    }
    fn sys_op(&mut self, _: &mut CpuState, _: SysEnc, _: u64) -> Result<(), Exception> {
        Err(Exception::UNDEFINED)
    }
    fn msr_imm(&mut self, _: &mut CpuState, _: u32, _: u32) -> Result<(), Exception> {
        Err(Exception::UNDEFINED)
    }
    fn eret(&mut self, _: &mut CpuState) -> Result<(), Exception> {
        Err(Exception::UNDEFINED)
    }
    fn wait(&mut self, _: &mut CpuState, _: Wait) -> Result<(), Exception> {
        Err(Exception::UNDEFINED)
    }
}
