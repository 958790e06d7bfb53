//! Saving a machine that stands still, and having another one go on from there.
//!
//! What is saved is guest time, the vCPUs' registers, and each device's state by its name. RAM is whoever's who keeps it
//! (`GuestRam`), and so is what disks hold. Translations, TLBs and interrupts on wires follow from these.
//!
//! A vCPU that waited does not wait any more, and has no exclusive monitor: both may happen to a guest at any time.

use devices::bus::{GuestRam, Nanos, RestoreError};
use serde::{Deserialize, Serialize};

use super::{Handle, Machine};
use crate::cpu::Power;
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

    /// The machine's RAM.
    #[must_use]
    pub fn ram(&self) -> &GuestRam {
        &self.ram
    }
}

type PartLock = std::sync::Arc<std::sync::Mutex<dyn devices::bus::Part + Send>>;

fn lock(part: &PartLock) -> std::sync::MutexGuard<'_, dyn devices::bus::Part + Send + 'static> {
    part.lock().expect("a device never panics")
}

impl Machine {
    /// Has a machine that was built alike, and has not run, go on from what was saved. Its RAM is there already.
    ///
    /// # Errors
    /// See [`RestoreMachineError`]; the machine is good for nothing then.
    pub fn restore(&mut self, saved: Saved) -> Result<(), RestoreMachineError> {
        let Saved { time, cpus, parts } = saved;
        if cpus.len() != self.vcpus.len() {
            return Err(RestoreMachineError::Cpus(cpus.len(), self.vcpus.len()));
        }
        let there: Vec<&String> = self.board.parts.iter().map(|(name, _)| name).collect();
        let wanted: Vec<&String> = parts.iter().map(|(name, _)| name).collect();
        if there != wanted {
            let missing = wanted.iter().find(|name| !there.contains(name));
            let surplus = there.iter().find(|name| !wanted.contains(name));
            let name = missing.or(surplus).map_or_else(String::new, ToString::to_string);
            return Err(RestoreMachineError::Devices(name));
        }
        self.clock.set(time);
        for ((_, part), (name, bytes)) in self.board.parts.iter().zip(parts) {
            lock(part).restore_bytes(&bytes).map_err(|why| RestoreMachineError::Device(name, why))?;
        }
        for (n, (vcpu, (state, power))) in self.vcpus.iter_mut().zip(cpus).enumerate() {
            if !vcpu.restore(state) {
                return Err(RestoreMachineError::Cpu(n));
            }
            self.shared.restore_power(n, power);
        }
        self.restored = true;
        Ok(())
    }
}
