//! Debugging a machine from outside, without its knowing.
//!
//! | file | what |
//! |---|---|
//! | this file | [`Debugger`]: stop, resume, breakpoints, and errands for vCPUs that are stopped |
//! | `target` | what gdb's remote protocol asks of a target, by the crate gdbstub |
//! | `registers` | gdb's numbers for registers, and the description that says so |
//! | `monitor` | gdb's `monitor` commands |
//!
//! All of the machine stops or none of it, and guest time stops with it. What a debugger has set is gone with it.

mod monitor;
mod registers;
mod target;

pub use crate::cpu::{Halted, Points, Watchpoint, Why};
pub use registers::{A64, Register, Values};
pub use target::Target;

use std::ops::Range;

use crate::a64::sysreg::SysRow;
use crate::cpu::Vcpu;
use crate::machine::{Handle, Stopper};

/// What a vCPU is to do when the machine is resumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Run.
    Go,
    /// Stand still.
    Stay,
    /// One instruction, and further ones as long as they are in a range; then everybody stops.
    Step(Range<u64>),
}

/// Why a debugger's wish is not granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The machine has ended, or is about to.
    #[error("the machine has ended")]
    Ended,
    /// It runs, and only a machine that stands still can be looked at.
    #[error("the machine runs")]
    Runs,
    /// There is no such vCPU.
    #[error("there is no CPU {0}")]
    NoCpu(usize),
}

/// A debugger's hands on a machine. It stops the machine, and lets it go on when it is dropped.
#[derive(Debug)]
pub struct Debugger {
    machine: Handle,
    stopped: bool,
    /// Where to halt from the next resume on.
    points: Points,
    /// Where the vCPUs halt now.
    set: Points,
    /// The system registers that vCPUs have.
    system: Vec<(String, SysRow)>,
}

impl Debugger {
    /// Takes hold of a machine, which has no other debugger. `bell` is called when a vCPU has halted by itself.
    ///
    /// # Errors
    /// [`Refused::Ended`]
    pub fn attach(machine: Handle, bell: impl Fn() + Send + 'static) -> Result<Self, Refused> {
        machine.shared.on_halt(Some(Box::new(bell)));
        let mut debugger =
            Self { machine, stopped: false, points: Points::default(), set: Points::default(), system: Vec::new() };
        debugger.stop()?;
        debugger.system = debugger.on(0, |vcpu| vcpu.system_registers())?;
        Ok(debugger)
    }

    /// Count of vCPUs.
    #[must_use]
    pub fn cpus(&self) -> usize {
        self.machine.shared.count()
    }

    /// Brings every vCPU to stand still between two instructions.
    ///
    /// # Errors
    /// [`Refused::Ended`]
    pub fn stop(&mut self) -> Result<(), Refused> {
        self.machine.shared.hold();
        for cpu in 0..self.cpus() {
            self.machine.shared.on(cpu, |_| ()).ok_or(Refused::Ended)?;
        }
        self.machine.stop_time(Stopper::Debugger, true);
        self.stopped = true;
        Ok(())
    }

    /// Has each vCPU do what is in `actions`.
    ///
    /// # Errors
    /// [`Refused::Runs`] if they do something already.
    pub fn resume(&mut self, actions: &[Action]) -> Result<(), Refused> {
        if !self.stopped {
            return Err(Refused::Runs);
        }
        self.set_points()?;
        self.stopped = false;
        self.machine.stop_time(Stopper::Debugger, false);
        self.machine.shared.release(|cpu| actions[cpu] == Action::Go);
        for (cpu, action) in actions.iter().enumerate() {
            if let Action::Step(range) = action.clone() {
                self.machine.shared.send(cpu, move |vcpu| vcpu.advance(&range));
            }
        }
        Ok(())
    }

    fn set_points(&mut self) -> Result<(), Refused> {
        if self.set != self.points {
            for cpu in 0..self.cpus() {
                let points = self.points.clone();
                self.on(cpu, move |vcpu| vcpu.set_points(&points))?;
            }
            self.set = self.points.clone();
        }
        Ok(())
    }

    /// Who has halted since the machine was resumed; everybody stands still then.
    ///
    /// # Errors
    /// [`Refused::Ended`]
    pub fn halted(&mut self) -> Result<Option<Halted>, Refused> {
        let halted = self.machine.shared.take_halted();
        if halted.is_some() {
            self.stop()?;
        }
        Ok(halted)
    }

    /// Whether the machine stands still.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.stopped
    }

    /// Whether the machine has ended, or is about to.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.machine.shared.ends()
    }

    /// Where to halt after the next resume.
    pub fn points(&mut self) -> &mut Points {
        &mut self.points
    }

    /// Has a vCPU that stands still do something.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn on<R: Send + 'static>(
        &self,
        cpu: usize,
        errand: impl FnOnce(&mut Vcpu) -> R + Send + 'static,
    ) -> Result<R, Refused> {
        if cpu >= self.cpus() {
            return Err(Refused::NoCpu(cpu));
        }
        if !self.stopped {
            return Err(Refused::Runs);
        }
        self.machine.shared.on(cpu, errand).ok_or(Refused::Ended)
    }

    /// The system registers that vCPUs have, by name.
    #[must_use]
    pub fn system_registers(&self) -> &[(String, SysRow)] {
        &self.system
    }

    /// Where vCPUs halt as long as they are not resumed anew.
    #[must_use]
    pub fn set_now(&self) -> &Points {
        &self.set
    }

    /// Resets the machine, which stands still before its first instruction then.
    ///
    /// # Errors
    /// [`Refused::Runs`] if it does.
    pub fn reset(&self) -> Result<(), Refused> {
        if !self.stopped {
            return Err(Refused::Runs);
        }
        self.machine.reset();
        Ok(())
    }
}

impl Drop for Debugger {
    fn drop(&mut self) {
        // A machine that has ended keeps nothing that it could meet.
        self.points = Points::default();
        if self.stopped || self.stop().is_ok() {
            let _ = self.set_points();
            for cpu in 0..self.cpus() {
                let _ = self.on(cpu, |vcpu| vcpu.trace(None));
            }
        }
        self.machine.shared.on_halt(None);
        self.machine.stop_time(Stopper::Debugger, false);
        self.machine.shared.release(|_| true);
    }
}
