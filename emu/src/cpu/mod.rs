//! One vCPU: its run loop, exceptions, timers, exclusives, and everything else an instruction may ask for.

mod access;
mod alarm;
mod debug;
mod exception;
mod halt;
#[cfg(test)]
mod hostile;
mod idle;
mod inspect;
mod pmu;
mod psci;
mod run;
mod shared;
mod sys;
mod timer;
mod translate;

pub use alarm::Alarm;
pub use halt::{Halted, Points, Watchpoint, Why};
pub use inspect::read_physical;
pub use run::Engine;
pub use shared::{CpuInputs, Power, PowerState, Shared, Verdict};
pub use translate::{Form, forget_code, form_unit, plain_register};

use std::sync::Arc;

use devices::bus::{Bus, Clock, GicCpuPort, IrqLine};

use crate::a64::sysreg::CpuModel;
use crate::ir::block::Block;
use crate::ir::{Context, Wait};
use crate::jit::{Cache, Frame, Words};
use crate::mmu::Contexts;
use crate::mmu::walk;
use crate::state::{CNTFRQ, CpuState, El, Monitor};

/// What a vCPU is wired to.
pub struct Wiring {
    /// Physical addresses.
    pub bus: Arc<Bus>,
    /// The other vCPUs and the machine's power.
    pub shared: Arc<Shared>,
    /// Guest time.
    pub clock: Arc<dyn Clock>,
    /// The GICv3 CPU interface; none with a GICv2.
    pub gic: Option<Arc<dyn GicCpuPort>>,
    /// Translated code; none to interpret.
    pub cache: Option<Arc<Cache>>,
    /// Wakes vCPUs for their timers.
    pub alarm: Arc<Alarm>,
    /// The virtual timer's interrupt.
    pub virtual_timer: IrqLine,
    /// The physical timer's interrupt.
    pub physical_timer: IrqLine,
    /// The performance monitors' interrupt.
    pub pmu: IrqLine,
}

/// Everything of a vCPU but its architectural state: what implements [`Env`](crate::ir::Env).
pub struct Core {
    id: usize,
    wiring: Wiring,
    model: &'static CpuModel,
    /// The model lacks what others have: instructions may be UNDEFINED for it.
    lacking: bool,
    contexts: Contexts,
    /// Index of the context whose tables translated code uses now.
    table: usize,
    /// WFE's event register.
    event: bool,
    /// What the last instruction asked the run loop to wait for.
    waiting: Option<Wait>,
    waits: idle::Waits,
    /// Page of the last fetch: table index, its generation, virtual page, and physical page with [`Entry::GLOBAL`].
    ///
    /// [`Entry::GLOBAL`]: crate::mmu::Entry::GLOBAL
    fetched: Option<(usize, u64, u64, u64)>,
    /// The instruction just stepped was a load-exclusive or not; none when nothing was stepped.
    stepped: Option<bool>,
    /// Addresses that armed watchpoints may match.
    watched: debug::Ranges,
    /// Where a debugger has us halt.
    points: Points,
    /// [`Context::fixed`].
    fixed: bool,
    /// The last instructions, while a debugger traces them.
    trace: Option<inspect::Trace>,
    /// Guest instructions executed, as far as the engine counts them.
    instructions: u64,
    /// Memory of lifted blocks, to be used again.
    spare_blocks: Vec<Block>,
    /// Memory for the words that a unit is formed of.
    words: Words,
}

/// A vCPU.
pub struct Vcpu {
    frame: Box<Frame>,
    core: Core,
    /// The cache's epoch that the jump tables are of.
    epoch: u64,
}

impl Vcpu {
    /// A vCPU that is off; PSCI or [`Shared::power_on`] starts it.
    #[must_use]
    pub fn new(id: usize, model: &'static CpuModel, wiring: Wiring) -> Self {
        let core = Core {
            id,
            wiring,
            model,
            lacking: model.lacks_features(),
            contexts: Contexts::default(),
            table: 0,
            event: false,
            waiting: None,
            waits: idle::Waits::default(),
            fetched: None,
            spare_blocks: Vec::new(),
            words: Words::default(),
            stepped: None,
            watched: Default::default(),
            points: Points::default(),
            fixed: false,
            trace: None,
            instructions: 0,
        };
        Self { frame: Frame::new(reset_state()), core, epoch: 0 }
    }

    /// Registers as after power-on, and wires low, once the vCPU is off; it is started by itself.
    pub fn reset(&mut self) {
        self.frame.s = reset_state();
        self.core.sync_timers(&self.frame.s);
    }

    /// Goes on from a state that was saved; false if there is no such state.
    #[must_use]
    pub fn restore(&mut self, state: CpuState) -> bool {
        if state.pstate.el > El::El1 || state.pstate.daif > 0xf {
            return false;
        }
        self.frame.s = CpuState { monitor: Monitor::default(), ..state };
        self.core.event = true;
        self.core.debug_changed(&self.frame.s);
        self.forget_translations();
        true
    }

    /// Begins with no translation of addresses, under the ASID that the state has: otherwise TLB maintenance by ASID
    /// would miss what is entered before the guest next sets a TTBR.
    fn forget_translations(&mut self) {
        self.core.contexts.flush();
        self.core.contexts.set_asid(walk::asid(&self.frame.s.sys));
    }

    /// Architectural state.
    #[must_use]
    pub fn state(&self) -> &CpuState {
        &self.frame.s
    }

    /// Guest instructions executed so far, as far as the engine counts them.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        self.core.instructions
    }
}

impl std::fmt::Debug for Vcpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vcpu").field("id", &self.core.id).field("state", &self.frame.s).finish_non_exhaustive()
    }
}

/// State after reset into EL1 (D1.10): translation off, exceptions masked.
fn reset_state() -> CpuState {
    let mut s = CpuState::default();
    s.sys.sctlr = SCTLR_RES1;
    s.sys.os_locked = true;
    s.sys.cntfrq = CNTFRQ;
    s
}

/// Bits of SCTLR_EL1 that read as one in Armv8.2.
const SCTLR_RES1: u64 = 1 << 29 | 1 << 28 | 1 << 23 | 1 << 22 | 1 << 20 | 1 << 11 | 1 << 8 | 1 << 7;

/// SCTLR_EL1.SPAN: exceptions leave PSTATE.PAN as it is.
const SCTLR_SPAN: u64 = 1 << 23;

/// SCTLR_EL1.UCI and DZE: EL0 may maintain caches by address and zero blocks.
const SCTLR_MAINTENANCE: u64 = 1 << 26 | 1 << 14;

/// What instructions mean now, beyond their words.
#[must_use]
pub fn context(s: &CpuState) -> Context {
    let sctlr = s.sys.sctlr;
    let el = s.pstate.el;
    let fpen = s.sys.cpacr >> 20 & 3;
    Context {
        el,
        fp_trap: if el == El::El0 { fpen != 3 } else { fpen & 1 == 0 },
        sp_check: sctlr >> if el == El::El0 { 4 } else { 3 } & 1 != 0,
        align_check: sctlr & 2 != 0 || !walk::mmu_on(&s.sys),
        fp_mode: s.fp.fpcr & 0x07c8_0000 != 0,
        pan: s.pstate.pan,
        uao: s.pstate.uao,
        spsel: s.pstate.spsel,
        mmu: walk::mmu_on(&s.sys),
        step: debug::single(s),
        maintains: el == El::El0 && sctlr & SCTLR_MAINTENANCE == SCTLR_MAINTENANCE,
        fixed: false,
        apart: false,
    }
}
