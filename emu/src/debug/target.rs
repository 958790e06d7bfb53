//! What gdb's remote protocol asks of a target.
//!
//! Threads are vCPUs, numbered from 1; all stop or none. Software and hardware breakpoints are one thing here, since no
//! guest memory is written for either. Left out: reverse execution, non-stop mode, files of the host.

use std::num::NonZeroUsize;
use std::ops::Range;

use gdbstub::common::{Signal, Tid};
use gdbstub::stub::MultiThreadStopReason;
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::multithread as threads;
use gdbstub::target::ext::base::single_register_access::{SingleRegisterAccess, SingleRegisterAccessOps};
use gdbstub::target::ext::breakpoints::{self, WatchKind};
use gdbstub::target::ext::memory_map::{MemoryMap, MemoryMapOps};
use gdbstub::target::ext::monitor_cmd::{ConsoleOutput, MonitorCmd, MonitorCmdOps};
use gdbstub::target::ext::target_description_xml_override::{
    TargetDescriptionXmlOverride, TargetDescriptionXmlOverrideOps,
};
use gdbstub::target::ext::thread_extra_info::{ThreadExtraInfo, ThreadExtraInfoOps};
use gdbstub::target::{TargetError, TargetResult};

use super::registers::description;
use super::{A64, Action, Debugger, Halted, Refused, Register, Values, Watchpoint, Why, monitor};

/// Breakpoints or watchpoints that may be set at once; a debugger that sets more has lost its way.
const MOST_POINTS: usize = 1024;

/// Addresses are virtual, and what is there changes: anything may be read and written, or give an error.
const MEMORY_MAP: &str = "<?xml version=\"1.0\"?><memory-map>\
    <memory type=\"ram\" start=\"0x0\" length=\"0x8000000000000000\"/>\
    <memory type=\"ram\" start=\"0x8000000000000000\" length=\"0x8000000000000000\"/></memory-map>";

/// A machine as gdb sees it.
#[derive(Debug)]
pub struct Target {
    /// The machine.
    pub debugger: Debugger,
    /// What each vCPU does at the next resume, as far as gdb named it, and the others.
    actions: Vec<Option<Action>>,
    others: Action,
    description: String,
    /// The vCPU that gdb looked at last.
    current: usize,
}

/// The thread of a vCPU.
fn thread(cpu: usize) -> Tid {
    NonZeroUsize::MIN.saturating_add(cpu)
}

fn cpu(thread: Tid) -> usize {
    thread.get() - 1
}

/// What gdb is told: an error for what cannot be, the end of the session when the machine has ended.
fn refused(why: Refused) -> TargetError<Refused> {
    match why {
        Refused::Ended => TargetError::Fatal(why),
        Refused::Runs | Refused::NoCpu(_) => TargetError::NonFatal,
    }
}

/// The number of up to 16 bytes.
fn number(bytes: &[u8]) -> u128 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u128::from(*byte))
}

/// Copies a piece of a document.
fn copy(text: &str, offset: u64, length: usize, buf: &mut [u8]) -> usize {
    let rest = usize::try_from(offset).ok().and_then(|offset| text.as_bytes().get(offset..)).unwrap_or_default();
    let count = rest.len().min(length).min(buf.len());
    buf[..count].copy_from_slice(&rest[..count]);
    count
}

impl Target {
    /// A machine that a debugger has stopped.
    #[must_use]
    pub fn new(debugger: Debugger) -> Self {
        let description = description(debugger.system_registers());
        Self { actions: vec![None; debugger.cpus()], others: Action::Go, debugger, description, current: 0 }
    }

    /// What gdb is told when the machine has stopped.
    pub fn stop_reason(&mut self, halted: Halted) -> MultiThreadStopReason<u64> {
        let tid = thread(halted.cpu);
        self.current = halted.cpu;
        match halted.why {
            Why::Breakpoint => MultiThreadStopReason::SwBreak(tid),
            Why::Step => MultiThreadStopReason::SignalWithThread { tid, signal: Signal::SIGTRAP },
            Why::Watchpoint(watchpoint, addr) => {
                let kind = match watchpoint {
                    Watchpoint { read: true, write: false, .. } => WatchKind::Read,
                    Watchpoint { read: true, write: true, .. } => WatchKind::ReadWrite,
                    Watchpoint { read: false, .. } => WatchKind::Write,
                };
                MultiThreadStopReason::Watch { tid, kind, addr }
            }
        }
    }

    /// Stops the machine since gdb wants it so; what gdb is told.
    ///
    /// # Errors
    /// [`Refused::Ended`]
    pub fn interrupt(&mut self) -> Result<MultiThreadStopReason<u64>, Refused> {
        self.debugger.stop()?;
        // One that halted at the same time will do it again.
        let _ = self.debugger.halted()?;
        Ok(MultiThreadStopReason::SignalWithThread { tid: thread(self.current), signal: Signal::SIGINT })
    }

    fn plan(&mut self, tid: Tid, action: Action) -> Result<(), Refused> {
        let place = self.actions.get_mut(cpu(tid)).ok_or(Refused::NoCpu(cpu(tid)))?;
        *place = Some(action);
        Ok(())
    }

    fn system(&self, register: Register) -> Option<crate::a64::sysreg::SysRow> {
        match register {
            Register::System(n) => self.debugger.system_registers().get(usize::from(n)).map(|(_, row)| *row),
            _ => None,
        }
    }
}

impl gdbstub::target::Target for Target {
    type Arch = A64;
    type Error = Refused;

    fn base_ops(&mut self) -> BaseOps<'_, A64, Refused> {
        BaseOps::MultiThread(self)
    }
    fn support_breakpoints(&mut self) -> Option<breakpoints::BreakpointsOps<'_, Self>> {
        Some(self)
    }
    fn support_monitor_cmd(&mut self) -> Option<MonitorCmdOps<'_, Self>> {
        Some(self)
    }
    fn support_target_description_xml_override(&mut self) -> Option<TargetDescriptionXmlOverrideOps<'_, Self>> {
        Some(self)
    }
    fn support_memory_map(&mut self) -> Option<MemoryMapOps<'_, Self>> {
        Some(self)
    }
}

impl threads::MultiThreadBase for Target {
    fn read_registers(&mut self, values: &mut Values, tid: Tid) -> TargetResult<(), Self> {
        self.current = cpu(tid).min(self.debugger.cpus() - 1);
        let read = |register: Register, vcpu: &mut _| {
            let value = register.read(vcpu, None).unwrap_or(0);
            value.to_le_bytes()[..register.bytes()].to_vec()
        };
        let all = self.debugger.on(cpu(tid), move |vcpu| Register::general().flat_map(|r| read(r, vcpu)).collect());
        values.0 = all.map_err(refused)?;
        Ok(())
    }

    fn write_registers(&mut self, values: &Values, tid: Tid) -> TargetResult<(), Self> {
        let mut rest = &values.0[..];
        let mut all = Vec::new();
        for register in Register::general() {
            let bytes = rest.split_off(..register.bytes()).ok_or(TargetError::NonFatal)?;
            all.push((register, number(bytes)));
        }
        // PSTATE comes first, since it says which stack pointer is meant.
        all.sort_by_key(|(register, _)| *register != Register::Cpsr);
        let write = move |vcpu: &mut _| all.into_iter().all(|(register, value)| register.write(vcpu, None, value));
        self.debugger.on(cpu(tid), write).map_err(refused)?.then_some(()).ok_or(TargetError::NonFatal)
    }

    fn support_single_register_access(&mut self) -> Option<SingleRegisterAccessOps<'_, Tid, Self>> {
        Some(self)
    }

    fn read_addrs(&mut self, start: u64, data: &mut [u8], tid: Tid) -> TargetResult<usize, Self> {
        let len = data.len();
        let bytes = self.debugger.on(cpu(tid), move |vcpu| vcpu.read_memory(start, len)).map_err(refused)?;
        if bytes.is_empty() && len > 0 {
            return Err(TargetError::NonFatal);
        }
        data[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn write_addrs(&mut self, start: u64, data: &[u8], tid: Tid) -> TargetResult<(), Self> {
        let bytes = data.to_vec();
        let written = self.debugger.on(cpu(tid), move |vcpu| vcpu.write_memory(start, &bytes)).map_err(refused)?;
        written.then_some(()).ok_or(TargetError::NonFatal)
    }

    fn list_active_threads(&mut self, thread_is_active: &mut dyn FnMut(Tid)) -> Result<(), Refused> {
        // The first is the one that is talked of when none is named.
        let others = (0..self.debugger.cpus()).filter(|&cpu| cpu != self.current);
        std::iter::once(self.current).chain(others).for_each(|cpu| thread_is_active(thread(cpu)));
        Ok(())
    }

    fn support_resume(&mut self) -> Option<threads::MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }

    fn support_thread_extra_info(&mut self) -> Option<ThreadExtraInfoOps<'_, Self>> {
        Some(self)
    }
}

impl SingleRegisterAccess<Tid> for Target {
    fn read_register(&mut self, tid: Tid, register: Register, buf: &mut [u8]) -> TargetResult<usize, Self> {
        let row = self.system(register);
        let value = self.debugger.on(cpu(tid), move |vcpu| register.read(vcpu, row.as_ref())).map_err(refused)?;
        let value = value.ok_or(TargetError::NonFatal)?.to_le_bytes();
        let target = buf.get_mut(..register.bytes()).ok_or(TargetError::NonFatal)?;
        target.copy_from_slice(&value[..register.bytes()]);
        Ok(register.bytes())
    }

    fn write_register(&mut self, tid: Tid, register: Register, bytes: &[u8]) -> TargetResult<(), Self> {
        let row = self.system(register);
        let value = number(bytes.get(..register.bytes()).ok_or(TargetError::NonFatal)?);
        let written = self.debugger.on(cpu(tid), move |vcpu| register.write(vcpu, row.as_ref(), value));
        written.map_err(refused)?.then_some(()).ok_or(TargetError::NonFatal)
    }
}

impl ThreadExtraInfo for Target {
    fn thread_extra_info(&self, tid: Tid, buf: &mut [u8]) -> Result<usize, Refused> {
        let text = self.debugger.on(cpu(tid), monitor::state).unwrap_or_default();
        Ok(copy(&text, 0, text.len(), buf))
    }
}

impl threads::MultiThreadResume for Target {
    fn resume(&mut self) -> Result<(), Refused> {
        // A client that resumes what runs is mistaken, and nothing comes of it.
        let actions: Vec<_> = self.actions.iter().map(|named| named.as_ref().unwrap_or(&self.others).clone()).collect();
        match self.debugger.resume(&actions) {
            Err(Refused::Runs) => Ok(()),
            done => done,
        }
    }

    fn clear_resume_actions(&mut self) -> Result<(), Refused> {
        self.actions.fill(None);
        self.others = Action::Go;
        Ok(())
    }

    fn set_resume_action_continue(&mut self, tid: Tid, _: Option<Signal>) -> Result<(), Refused> {
        self.plan(tid, Action::Go)
    }

    fn support_single_step(&mut self) -> Option<threads::MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_range_step(&mut self) -> Option<threads::MultiThreadRangeSteppingOps<'_, Self>> {
        Some(self)
    }

    fn support_scheduler_locking(&mut self) -> Option<threads::MultiThreadSchedulerLockingOps<'_, Self>> {
        Some(self)
    }
}

impl threads::MultiThreadSingleStep for Target {
    fn set_resume_action_step(&mut self, tid: Tid, _: Option<Signal>) -> Result<(), Refused> {
        self.plan(tid, Action::Step(0..0))
    }
}

impl threads::MultiThreadRangeStepping for Target {
    fn set_resume_action_range_step(&mut self, tid: Tid, start: u64, end: u64) -> Result<(), Refused> {
        self.plan(tid, Action::Step(Range { start, end }))
    }
}

/// Adds something to a list of bounded length, or removes it. False if it cannot be.
fn change<T: PartialEq>(list: &mut Vec<T>, item: T, add: bool) -> bool {
    let at = list.iter().position(|other| *other == item);
    match at {
        _ if add && list.len() < MOST_POINTS => list.push(item),
        Some(at) if !add => drop(list.swap_remove(at)),
        _ => return false,
    }
    true
}

impl breakpoints::Breakpoints for Target {
    fn support_sw_breakpoint(&mut self) -> Option<breakpoints::SwBreakpointOps<'_, Self>> {
        Some(self)
    }
    fn support_hw_breakpoint(&mut self) -> Option<breakpoints::HwBreakpointOps<'_, Self>> {
        Some(self)
    }
    fn support_hw_watchpoint(&mut self) -> Option<breakpoints::HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

impl breakpoints::SwBreakpoint for Target {
    fn add_sw_breakpoint(&mut self, addr: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(addr.is_multiple_of(4) && change(&mut self.debugger.points().breakpoints, addr, true))
    }
    fn remove_sw_breakpoint(&mut self, addr: u64, _: usize) -> TargetResult<bool, Self> {
        Ok(change(&mut self.debugger.points().breakpoints, addr, false))
    }
}

impl breakpoints::HwBreakpoint for Target {
    fn add_hw_breakpoint(&mut self, addr: u64, kind: usize) -> TargetResult<bool, Self> {
        breakpoints::SwBreakpoint::add_sw_breakpoint(self, addr, kind)
    }
    fn remove_hw_breakpoint(&mut self, addr: u64, kind: usize) -> TargetResult<bool, Self> {
        breakpoints::SwBreakpoint::remove_sw_breakpoint(self, addr, kind)
    }
}

fn watchpoint(addr: u64, len: u64, kind: WatchKind) -> Watchpoint {
    let (read, write) = match kind {
        WatchKind::Read => (true, false),
        WatchKind::Write => (false, true),
        WatchKind::ReadWrite => (true, true),
    };
    Watchpoint { first: addr, last: addr.saturating_add(len.saturating_sub(1)), read, write }
}

impl breakpoints::HwWatchpoint for Target {
    fn add_hw_watchpoint(&mut self, addr: u64, len: u64, kind: WatchKind) -> TargetResult<bool, Self> {
        Ok(change(&mut self.debugger.points().watchpoints, watchpoint(addr, len, kind), true))
    }
    fn remove_hw_watchpoint(&mut self, addr: u64, len: u64, kind: WatchKind) -> TargetResult<bool, Self> {
        Ok(change(&mut self.debugger.points().watchpoints, watchpoint(addr, len, kind), false))
    }
}

impl threads::MultiThreadSchedulerLocking for Target {
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), Refused> {
        self.others = Action::Stay;
        Ok(())
    }
}

impl MonitorCmd for Target {
    fn handle_monitor_cmd(&mut self, command: &[u8], mut out: ConsoleOutput<'_>) -> Result<(), Refused> {
        let text = monitor::answer(&self.debugger, self.current, &String::from_utf8_lossy(command));
        out.write_raw(text.as_bytes());
        Ok(())
    }
}

impl TargetDescriptionXmlOverride for Target {
    fn target_description_xml(
        &self,
        annex: &[u8],
        offset: u64,
        length: usize,
        buf: &mut [u8],
    ) -> TargetResult<usize, Self> {
        if annex != b"target.xml" {
            return Err(TargetError::NonFatal);
        }
        Ok(copy(&self.description, offset, length, buf))
    }
}

impl MemoryMap for Target {
    fn memory_map_xml(&self, offset: u64, length: usize, buf: &mut [u8]) -> TargetResult<usize, Self> {
        Ok(copy(MEMORY_MAP, offset, length, buf))
    }
}
