//! PSCI 1.1 by HVC or SMC (DEN 0022), and the SMCCC calls that find it.

use super::{Core, PowerState, Verdict};
use crate::state::CpuState;

const SUCCESS: i64 = 0;
const NOT_SUPPORTED: i64 = -1;
const INVALID_PARAMETERS: i64 = -2;
const ALREADY_ON: i64 = -4;
const ON_PENDING: i64 = -5;

impl Core {
    /// Serves the call that X0 names; its result is in X0.
    pub(super) fn psci(&mut self, s: &mut CpuState) {
        let (function, a1, a2, a3) = (s.x[0] as u32, s.x[1], s.x[2], s.x[3]);
        let shared = &self.wiring.shared;
        let cpu_of = |mpidr: u64| {
            let index = mpidr & 0xff_00ff_ffff;
            (index < shared.count() as u64).then_some(index as usize)
        };
        let result = match function {
            0x8400_0000 => 0x1_0001,
            // SMCCC_VERSION 1.1, SMCCC_ARCH_FEATURES.
            0x8000_0000 => 0x1_0001,
            0x8000_0001 => NOT_SUPPORTED,
            // CPU_SUSPEND: a standby that any interrupt ends.
            0x8400_0001 | 0xc400_0001 => {
                self.waiting = Some(crate::ir::Wait::Wfi);
                SUCCESS
            }
            // CPU_OFF.
            0x8400_0002 => {
                shared.power_off(self.id);
                shared.cpus[self.id].attention.store(1, std::sync::atomic::Ordering::SeqCst);
                SUCCESS
            }
            // CPU_ON.
            0x8400_0003 | 0xc400_0003 => match cpu_of(a1) {
                None => INVALID_PARAMETERS,
                Some(cpu) if shared.power_on(cpu, a2, a3) => SUCCESS,
                Some(cpu) if shared.power(cpu) == PowerState::OnPending => ON_PENDING,
                Some(_) => ALREADY_ON,
            },
            // AFFINITY_INFO.
            0x8400_0004 | 0xc400_0004 => match cpu_of(a1) {
                Some(cpu) if a2 == 0 => match shared.power(cpu) {
                    PowerState::On => 0,
                    PowerState::Off => 1,
                    PowerState::OnPending => 2,
                },
                _ => INVALID_PARAMETERS,
            },
            // MIGRATE_INFO_TYPE: no trusted OS to migrate.
            0x8400_0006 => 2,
            0x8400_0008 => {
                shared.decide(Verdict::PowerOff);
                SUCCESS
            }
            // SYSTEM_RESET, SYSTEM_RESET2.
            0x8400_0009 | 0x8400_0012 | 0xc400_0012 => {
                shared.decide(Verdict::Reset);
                SUCCESS
            }
            // PSCI_FEATURES.
            0x8400_000a => match a1 as u32 {
                0x8400_0000..=0x8400_0004 | 0x8400_0006 | 0x8400_0008..=0x8400_000a | 0x8400_0012 | 0x8000_0000 => 0,
                0xc400_0001 | 0xc400_0003 | 0xc400_0004 | 0xc400_0012 => 0,
                _ => NOT_SUPPORTED,
            },
            _ => NOT_SUPPORTED,
        };
        s.x[0] = result as u64;
    }
}
