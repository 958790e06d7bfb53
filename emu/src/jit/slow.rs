//! What translated code calls: the tasks of its sites.
#![allow(unsafe_code, reason = "called by translated code with its frame")]

use super::cache::Cache;
use super::frame::{Exit, Frame};
use super::site::{self, Loc, Site, Task};
use crate::ir::block::{Call, FIRST_V};
use crate::ir::op::Kind;
use crate::ir::{Context, Env, Exception, Mem, Return, SysEnc};
use crate::state::CpuState;

/// How translated code may access a system register without a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plain {
    /// It is a doubleword in the [`CpuState`] at this offset.
    Field {
        /// Bytes from the state's beginning.
        offset: usize,
        /// The bits that MSR writes, the others becoming zero, when that is all that MSR does: all, or the lower half.
        writable: Option<u64>,
    },
    /// It always reads as this.
    Constant(u64),
}

/// Says which system registers are plain storage that the context may access.
pub type Registers = fn(SysEnc, &Context) -> Option<Plain>;

/// The CPU as translated code sees it.
pub trait Runtime: Env {
    /// The cache that the code is in.
    fn cache(&self) -> &Cache;
    /// Finds where to go on at the state's PC after an indirect jump that found no entry or, when `changed`, after an
    /// instruction that may have changed the context: the host address, with the frame's tables set; none when the run
    /// loop has something to do.
    fn arrive(&mut self, frame: &mut Frame, changed: bool) -> Option<u64> {
        let _ = (frame, changed);
        None
    }
    /// The host address of all bytes that share a probe, when translated code may access them as its first access does;
    /// none when it may not, for other reasons than an exception of that access.
    ///
    /// # Errors
    /// The exception of the first access.
    fn reach(&mut self, s: &CpuState, reach: Reach) -> Result<Option<u64>, Exception>;
    /// Takes an exception of the instruction at the state's PC.
    fn take(&mut self, s: &mut CpuState, exception: Exception);
}

/// An access whose probe serves others in the same page, too.
#[derive(Debug, Clone, Copy)]
pub struct Reach {
    /// Its address.
    pub access: u64,
    /// Its first element.
    pub mem: Mem,
    /// It is a store.
    pub write: bool,
    /// The lowest address of all of them.
    pub first: u64,
    /// How many bytes they span from there.
    pub bytes: u16,
}

/// The function to put into [`Frame::slow`].
#[must_use]
pub fn entry<R: Runtime>() -> usize {
    let f: unsafe extern "sysv64" fn(*mut Frame, u32) -> u32 = slow::<R>;
    f as usize
}

/// The function to put into [`Frame::arrive`].
#[must_use]
pub fn arrival<R: Runtime>() -> usize {
    let f: unsafe extern "sysv64" fn(*mut Frame, u32) -> u64 = arrive::<R>;
    f as usize
}

/// The host address to go on at; or, when that is the run loop's business, `exit`.
///
/// # Safety
/// Called by the thunk only: `frame` is the vCPU's frame, and its `runtime` is an `R` that nobody else uses now.
unsafe extern "sysv64" fn arrive<R: Runtime>(frame: *mut Frame, exit: u32) -> u64 {
    // SAFETY: by the contract; the frame does not lie inside the runtime.
    let (frame, runtime) = unsafe { (&mut *frame, &mut *((*frame).runtime as *mut R)) };
    let host = runtime.arrive(frame, exit == Exit::Sync as u32);
    frame.enter_page();
    host.unwrap_or(exit.into())
}

/// How translated code names an exception that it takes, or a return from one, beside the syndrome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Departure(pub u32);

impl Departure {
    const NEXT: u32 = 1 << 8;
    /// ERET.
    pub const RETURN: Self = Self(1 << 9);

    /// An exception, unless it has an address.
    pub fn raise(exception: Exception) -> Option<Self> {
        let next = if exception.ret == Return::Next { Self::NEXT } else { 0 };
        exception.far.is_none().then_some(Self(u32::from(exception.ec) | next))
    }

    fn exception(self, iss: u32) -> Exception {
        let ret = if self.0 & Self::NEXT != 0 { Return::Next } else { Return::This };
        Exception { ec: self.0 as u8, iss, far: None, ret }
    }
}

/// The function to put into [`Frame::depart`].
#[must_use]
pub fn departure<R: Runtime>() -> usize {
    let f: unsafe extern "sysv64" fn(*mut Frame, u32, u32) -> u64 = depart::<R>;
    f as usize
}

/// Takes an exception or returns from one: the host address to go on at, or how to leave for the run loop.
///
/// # Safety
/// As [`arrive`].
unsafe extern "sysv64" fn depart<R: Runtime>(frame: *mut Frame, departure: u32, iss: u32) -> u64 {
    // SAFETY: by the contract; the frame does not lie inside the runtime.
    let (frame, runtime) = unsafe { (&mut *frame, &mut *((*frame).runtime as *mut R)) };
    let exception = match Departure(departure) {
        Departure::RETURN => runtime.eret(&mut frame.s).err(),
        raise => Some(raise.exception(iss)),
    };
    if let Some(exception) = exception {
        runtime.take(&mut frame.s, exception);
    }
    let host = runtime.arrive(frame, true);
    frame.enter_page();
    host.unwrap_or(Exit::Sync as u64)
}

/// What [`slow`] returns for an instruction at the PC that is to be run again by code that does not share.
pub(super) const APART: u32 = 2;

/// Carries out the task of a site; not zero when it did not come to its end, and the state says where to go on.
///
/// # Safety
/// Called by the thunk only: `frame` is the vCPU's frame, its `runtime` is an `R` that nobody else uses now, and the
/// index is of a site that translation filled.
unsafe extern "sysv64" fn slow<R: Runtime>(frame: *mut Frame, index: u32) -> u32 {
    // SAFETY: by the contract; the frame does not lie inside the runtime.
    let (frame, runtime) = unsafe { (&mut *frame, &mut *((*frame).runtime as *mut R)) };
    // SAFETY: by the contract; the site stays, whatever the runtime does, while code that names it runs.
    let site = unsafe { &*std::ptr::from_ref(runtime.cache().site(index)) };
    for (host, guest) in site::homes(site.tenants, site.dirty) {
        match guest.checked_sub(FIRST_V) {
            None => frame.s.x[usize::from(guest)] = frame.saved[usize::from(host)],
            Some(guest) => frame.s.v[usize::from(guest)] = frame.saved_v[usize::from(host)],
        }
    }
    frame.s.pc = site.pc.get(frame.page);
    frame.fold_flags();
    if let Task::Reach { mem, write, ahead, bytes } = site.task {
        let first = frame.saved[usize::from(super::thunks::reg::RAX)];
        let reach = Reach { access: first.wrapping_add(ahead.into()), mem, write, first, bytes };
        match runtime.reach(&frame.s, reach) {
            Ok(Some(host)) => {
                put(frame, site.results[0], host.into());
                return 0;
            }
            Ok(None) => {
                frame.pay(site.owed);
                return APART;
            }
            Err(exception) => {
                frame.pay(site.owed);
                runtime.take(&mut frame.s, exception);
            }
        }
        return 1;
    }
    match perform(frame, runtime, site) {
        Ok(results) => {
            for (loc, value) in site.results.iter().zip(results) {
                put(frame, *loc, value);
            }
            0
        }
        Err(exception) => {
            frame.pay(site.owed);
            runtime.take(&mut frame.s, exception);
            1
        }
    }
}

/// What a task is counted as.
pub(super) fn name(task: Task, register: impl Fn(SysEnc) -> String) -> String {
    match task {
        Task::Load { .. } => "load".into(),
        Task::Store { .. } => "store".into(),
        Task::Reach { .. } => "shared probe".into(),
        Task::Eval(op, _) => format!("operation {}", op.row().name),
        Task::Call(Call::SysRead(enc)) => format!("read {}", register(enc)),
        Task::Call(Call::SysWrite(enc)) => format!("write {}", register(enc)),
        Task::Call(Call::SysOp(enc)) => format!("instruction {:?}", enc.parts()),
        Task::Raise(exception) => format!("raise class {:#x}", exception.ec),
        Task::Call(call) => {
            let text = format!("{call:?}");
            text.split(['(', ' ']).next().unwrap_or(&text).into()
        }
    }
}

fn get(frame: &Frame, loc: Loc) -> u128 {
    match loc {
        Loc::None => 0,
        Loc::Reg(r) => frame.saved[usize::from(r)].into(),
        Loc::Xmm(r) => frame.saved_v[usize::from(r)],
    }
}

fn put(frame: &mut Frame, loc: Loc, value: u128) {
    match loc {
        Loc::None => {}
        Loc::Reg(r) => frame.saved[usize::from(r)] = value as u64,
        Loc::Xmm(r) => frame.saved_v[usize::from(r)] = value,
    }
}

fn element(address: u64, mem: Mem, index: u8) -> u64 {
    address.wrapping_add(u64::from(mem.bytes) * u64::from(index))
}

fn perform<R: Runtime>(frame: &mut Frame, runtime: &mut R, site: &Site) -> Result<[u128; 2], Exception> {
    let arg = |frame: &Frame, n: usize| get(frame, site.args[n]);
    let address = frame.saved[usize::from(super::thunks::reg::RAX)];
    match site.task {
        Task::Load { mem, count } => {
            let mut values = [0; 2];
            for i in 0..count {
                values[usize::from(i)] = runtime.load(&mut frame.s, element(address, mem, i), mem)?;
            }
            Ok(values)
        }
        Task::Store { mem, count } => {
            for i in 0..count {
                let value = arg(frame, usize::from(i));
                runtime.store(&mut frame.s, element(address, mem, i), value, mem)?;
            }
            Ok([0; 2])
        }
        Task::Raise(exception) => Err(exception),
        Task::Reach { .. } => unreachable!("it has been carried out"),
        Task::Eval(op, imm) => {
            let row = op.row();
            runtime.cache().stats.count_eval(row.name);
            let args: [u128; 6] = std::array::from_fn(|n| arg(frame, n));
            let value = (row.eval)(&mut frame.s.fp, &args[..row.args.len()], imm);
            Ok([if row.result == Kind::I { value & u128::from(u64::MAX) } else { value }, 0])
        }
        Task::Call(call) => {
            let args: [u128; 6] = std::array::from_fn(|n| arg(frame, n));
            self::call(&mut frame.s, runtime, call, args)
        }
    }
}

fn call<R: Runtime>(s: &mut CpuState, runtime: &mut R, call: Call, args: [u128; 6]) -> Result<[u128; 2], Exception> {
    let int = |n: usize| args[n] as u64;
    let one = |value: u128| Ok([value, 0]);
    let pair = |mem: Mem, both: u128| {
        let (a, b) = mem.split(both);
        Ok([a.into(), b.into()])
    };
    match call {
        Call::LoadExclusive(mem) => return one(runtime.load_exclusive(s, int(0), mem)?),
        Call::LoadExclusivePair(mem) => return pair(mem, runtime.load_exclusive(s, int(0), mem.doubled())?),
        Call::StoreExclusive(mem) => return one((!runtime.store_exclusive(s, int(0), args[1], mem)?).into()),
        Call::StoreExclusivePair(mem) => {
            let value = mem.join(int(1), int(2));
            return one((!runtime.store_exclusive(s, int(0), value, mem.doubled())?).into());
        }
        Call::Atomic(op, mem) => return one(runtime.atomic(s, op, int(0), int(1), mem)?.into()),
        Call::Cas(mem) => return one(runtime.cas(s, int(0), args[1], args[2], mem)?),
        Call::CasPair(mem) => {
            let (expected, new) = (mem.join(int(1), int(2)), mem.join(int(3), int(4)));
            return pair(mem, runtime.cas(s, int(0), expected, new, mem.doubled())?);
        }
        Call::SysRead(enc) => return one(runtime.sys_read(s, enc)?.into()),
        Call::ClearExclusive => runtime.clear_exclusive(s),
        Call::Barrier(barrier) => runtime.barrier(s, barrier),
        Call::Isb => runtime.isb(s),
        Call::SysWrite(enc) => runtime.sys_write(s, enc, int(0))?,
        Call::SysOp(enc) => runtime.sys_op(s, enc, int(0))?,
        Call::MsrImm { field, imm } => runtime.msr_imm(s, field.into(), imm.into())?,
        Call::Eret => runtime.eret(s)?,
        Call::Wait(wait) => runtime.wait(s, wait)?,
        Call::Raise => unreachable!("it has a task of its own"),
    }
    Ok([0; 2])
}
