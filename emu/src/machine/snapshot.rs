//! Saving a machine that stands still, and having another one go on from there.
//!
//! What is saved is guest time, the vCPUs' registers, and each device's state by its name. RAM is whoever's who keeps it
//! (`GuestRam`), and so is what disks hold. Translations, TLBs and interrupts on wires follow from these.
//!
//! A vCPU that waited does not wait any more, and has no exclusive monitor: both may happen to a guest at any time.

use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard};

use devices::bus::{GuestRam, Nanos, RamError, RestoreError};
use serde::{Deserialize, Serialize};

use super::boards::Board;
use super::{GuestClock, Handle, Machine};
use crate::cpu::{Power, Shared, Vcpu, Verdict};
use crate::state::CpuState;

/// A machine without its RAM.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Saved {
    time: Nanos,
    cpus: Vec<(CpuState, Power)>,
    parts: Vec<(String, Vec<u8>)>,
}

/// Why a machine cannot go on from what was saved.
#[derive(Debug, thiserror::Error)]
pub enum RestoreMachineError {
    /// Of another machine.
    #[error("it has {0} CPUs, not {1}")]
    Cpus(usize, usize),
    /// Of another machine.
    #[error("its devices are others: {0}")]
    Devices(String),
    /// A CPU's state.
    #[error("CPU {0} is in a state that there is not")]
    Cpu(usize),
    /// A device's state.
    #[error("{0}: {1}")]
    Device(String, RestoreError),
    /// RAM cannot be had as it was saved.
    #[error(transparent)]
    Ram(#[from] RamError),
}

/// What a machine that runs is to go on from at its next reset.
pub(super) struct Load {
    saved: Saved,
    ram: Box<dyn FnOnce() -> Result<(), RamError> + Send>,
    done: mpsc::Sender<Result<(), RestoreMachineError>>,
}

/// Where a [`Load`] waits.
pub(super) type Loads = Arc<Mutex<Option<Load>>>;

impl Load {
    /// Carries it out on a machine that was reset and of which nothing moves; whether that goes on from there.
    pub(super) fn perform(self, board: &Board, vcpus: &mut [Vcpu], shared: &Shared, clock: &GuestClock) -> bool {
        let Self { saved, ram, done } = self;
        let result = ram().map_err(Into::into).and_then(|()| restore(saved, board, vcpus, shared, clock));
        let restored = result.is_ok();
        // Who asked may have given up, since the machine ends.
        let _ = done.send(result);
        restored
    }
}

impl Handle {
    /// Hands over all of the machine but its RAM, if it is paused ([`Handle::pause`]) and does not end. Nothing moves, and no
    /// device touches RAM, until `with` is done.
    pub fn save<T>(&self, with: impl FnOnce(Saved) -> T) -> Option<T> {
        if !self.paused() {
            return None;
        }
        let cpu = |cpu| Some((self.shared.on(cpu, |vcpu| vcpu.state().clone())?, self.shared.saved_power(cpu)));
        let cpus: Vec<_> = (0..self.shared.count()).map(cpu).collect::<Option<_>>()?;
        Some(self.poller.hold(|| {
            let save = |(name, part): &(String, _)| (name.clone(), lock(part).save_bytes());
            let parts = self.parts.iter().map(save).collect();
            with(Saved { time: devices::bus::Clock::now(&*self.clock), cpus, parts })
        }))
    }

    /// Has the machine, whose vCPUs may run, go on from what one that was built alike has saved; none if it ends. `ram` puts
    /// in place what RAM and disks held, while nothing moves. A paused machine stays so.
    ///
    /// # Errors
    /// See [`RestoreMachineError`]. The machine goes on as it was if it is another, and is reset if it is not.
    pub fn load(
        &self,
        saved: Saved,
        ram: impl FnOnce() -> Result<(), RamError> + Send + 'static,
    ) -> Option<Result<(), RestoreMachineError>> {
        if let Err(other) = saved.fits(self.shared.count(), &self.parts) {
            return Some(Err(other));
        }
        let (done, finished) = mpsc::channel();
        *self.loads.lock().expect("nobody panics who loads") = Some(Load { saved, ram: Box::new(ram), done });
        self.shared.decide(Verdict::Reset);
        self.shared.answer(&finished)
    }

    /// The machine's RAM.
    #[must_use]
    pub fn ram(&self) -> &GuestRam {
        &self.ram
    }
}

type PartLock = Arc<Mutex<dyn devices::bus::Part + Send>>;

fn lock(part: &PartLock) -> MutexGuard<'_, dyn devices::bus::Part + Send + 'static> {
    part.lock().expect("a device never panics")
}

impl Saved {
    /// Whether it is of a machine like this one.
    fn fits(&self, cpus: usize, parts: &[(String, PartLock)]) -> Result<(), RestoreMachineError> {
        if self.cpus.len() != cpus {
            return Err(RestoreMachineError::Cpus(self.cpus.len(), cpus));
        }
        let there: Vec<&String> = parts.iter().map(|(name, _)| name).collect();
        let wanted: Vec<&String> = self.parts.iter().map(|(name, _)| name).collect();
        if there != wanted {
            let missing = wanted.iter().find(|name| !there.contains(name));
            let surplus = there.iter().find(|name| !wanted.contains(name));
            let name = missing.or(surplus).map_or_else(String::new, ToString::to_string);
            return Err(RestoreMachineError::Devices(name));
        }
        Ok(())
    }
}

/// Puts what was saved, and fits, into a machine that has not run since its reset.
fn restore(
    saved: Saved,
    board: &Board,
    vcpus: &mut [Vcpu],
    shared: &Shared,
    clock: &GuestClock,
) -> Result<(), RestoreMachineError> {
    let Saved { time, cpus, parts } = saved;
    clock.set(time);
    for ((_, part), (name, bytes)) in board.parts.iter().zip(parts) {
        lock(part).restore_bytes(&bytes).map_err(|why| RestoreMachineError::Device(name, why))?;
    }
    for (n, (vcpu, (state, power))) in vcpus.iter_mut().zip(cpus).enumerate() {
        if !vcpu.restore(state) {
            return Err(RestoreMachineError::Cpu(n));
        }
        shared.restore_power(n, power);
    }
    Ok(())
}

impl Machine {
    /// Has a machine that was built alike, and has not run, go on from what was saved. Its RAM is there already.
    ///
    /// # Errors
    /// See [`RestoreMachineError`]; the machine is good for nothing then.
    pub fn restore(&mut self, saved: Saved) -> Result<(), RestoreMachineError> {
        saved.fits(self.vcpus.len(), &self.board.parts)?;
        restore(saved, &self.board, &mut self.vcpus, &self.shared, &self.clock)?;
        self.restored = true;
        Ok(())
    }
}
