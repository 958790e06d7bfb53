//! Tests: whatever a guest puts into system registers and page tables, a vCPU neither panics nor leaves the rules that
//! all its faults follow.

use std::sync::Arc;

use devices::bus::{Bus, GuestRam, IrqLine, ManualClock, Pa};
use proptest::prelude::*;

use super::{Alarm, Core, Shared, Vcpu, Wiring};
use crate::a64::sysreg::{CpuModel, ID_MODELS, ROWS, model};
use crate::ir::{AtomicOp, Env, Exception, Mem, Order, SysEnc};
use crate::state::{CpuState, El};

const RAM: u64 = 0x4000_0000;
const RAM_LEN: u64 = 1 << 20;

/// A vCPU with RAM and nothing else.
pub(super) fn vcpu() -> (Vcpu, GuestRam) {
    vcpu_of(&ID_MODELS[0])
}

fn vcpu_of(model: &'static CpuModel) -> (Vcpu, GuestRam) {
    let ram = GuestRam::new(Pa(RAM), RAM_LEN).unwrap();
    let wiring = Wiring {
        bus: Arc::new(Bus::new(ram.clone())),
        shared: Arc::new(Shared::new(1)),
        clock: ManualClock::new(),
        gic: None,
        cache: None,
        alarm: Alarm::new(1).unwrap(),
        virtual_timer: IrqLine::unconnected(),
        physical_timer: IrqLine::unconnected(),
        pmu: IrqLine::unconnected(),
    };
    (Vcpu::new(0, model, wiring), ram)
}

#[test]
fn what_the_model_lacks_is_undefined() {
    // EOR3, FJCVTZS, LDAPUR, MRS SCXTNUM_EL1; then EOR, LDAPR, MRS TPIDR_EL1.
    let lacking = [0xce02_0c20, 0x1e7e_0020, 0x9940_0020, 0xd538_d0e0];
    let there = [0xca02_0020, 0xf8bf_c020, 0xd538_d080];
    for (name, works) in [("max", true), ("cortex-a76", false)] {
        for (word, works) in lacking.map(|word| (word, works)).into_iter().chain(there.map(|word| (word, true))) {
            let (mut vcpu, ram) = vcpu_of(model(name).unwrap());
            ram.write(Pa(RAM), &u32::to_le_bytes(word)).unwrap();
            let s = &mut vcpu.frame.s;
            (s.pc, s.x[1], s.sys.vbar, s.sys.cpacr) = (RAM, RAM + 64, RAM + 0x800, 3 << 20);
            vcpu.step();
            let s = &vcpu.frame.s;
            assert_eq!(if works { RAM + 4 } else { RAM + 0xa00 }, s.pc, "{word:x} of {name}: ESR {:x}", s.sys.esr);
        }
    }
}

/// Values that are likely to matter: any, addresses in RAM, single bits, table descriptors.
fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        (0..RAM_LEN).prop_map(|offset| RAM + offset),
        (0..64u32).prop_map(|bit| 1 << bit),
        (0..RAM_LEN / 4096, any::<u16>(), 0..4u64)
            .prop_map(|(page, high, low)| { (RAM + 4096 * page) | u64::from(high) << 48 | 1 << 10 | low }),
        Just(u64::MAX),
    ]
}

/// What a guest does.
#[derive(Debug, Clone)]
enum Step {
    Write(usize, u64),
    Read(usize),
    Any(u16, u64),
    Op(u16, u64),
    Imm(u32, u32),
    Load(u64, u8, bool, bool),
    Store(u64, u8, bool),
    Exclusive(u64, u8),
    Atomic(u64, u8),
    Swap(u64, u8),
    Fetch(u64),
    Level(bool, bool),
    Return,
    Take,
}

fn step() -> impl Strategy<Value = Step> {
    let row = || 0..ROWS.len();
    let size = || 0..5u8;
    prop_oneof![
        4 => (row(), value()).prop_map(|(r, v)| Step::Write(r, v)),
        1 => row().prop_map(Step::Read),
        1 => (any::<u16>(), value()).prop_map(|(e, v)| Step::Any(e, v)),
        2 => (any::<u16>(), value()).prop_map(|(e, v)| Step::Op(e, v)),
        1 => (0..64u32, 0..16u32).prop_map(|(f, i)| Step::Imm(f, i)),
        4 => (value(), size(), any::<bool>(), any::<bool>()).prop_map(|(a, b, c, d)| Step::Load(a, b, c, d)),
        4 => (value(), size(), any::<bool>()).prop_map(|(a, b, c)| Step::Store(a, b, c)),
        1 => (value(), size()).prop_map(|(a, b)| Step::Exclusive(a, b)),
        1 => (value(), 0..4u8).prop_map(|(a, b)| Step::Atomic(a, b)),
        1 => (value(), size()).prop_map(|(a, b)| Step::Swap(a, b)),
        2 => value().prop_map(Step::Fetch),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(a, b)| Step::Level(a, b)),
        1 => Just(Step::Return),
        1 => Just(Step::Take),
    ]
}

/// Faults of a data access report it as the manual says.
fn check(result: Result<u128, Exception>, va: u64, bytes: u8) -> Result<(), TestCaseError> {
    if let Err(exception) = result {
        let far = exception.far.expect("aborts and watchpoints have an address");
        prop_assert!(matches!(exception.ec, 0x24 | 0x34), "EC {:#x}", exception.ec);
        prop_assert!(far.wrapping_sub(va) < u64::from(bytes), "FAR {far:#x} of {bytes} bytes at {va:#x}");
    }
    Ok(())
}

fn play(core: &mut Core, s: &mut CpuState, step: &Step) -> Result<(), TestCaseError> {
    let mem = |log: u8, unprivileged: bool| Mem { unprivileged, ..Mem::plain(1 << log) };
    let ordered = |log: u8| Mem::ordered(1 << log, Order::AcquireRelease);
    match *step {
        Step::Write(row, value) => {
            let _ = core.sys_write(s, ROWS[row].enc, value);
        }
        Step::Read(row) => {
            let _ = core.sys_read(s, ROWS[row].enc);
        }
        Step::Any(enc, value) => {
            let _ = core.sys_write(s, SysEnc(enc | 1 << 15), value);
            let _ = core.sys_read(s, SysEnc(enc | 1 << 15));
        }
        // CRn 7 and 8 hold all of cache maintenance, address translation and TLB maintenance.
        Step::Op(enc, value) => {
            let (_, op1, crn, crm, op2) = SysEnc(enc).parts();
            let _ = core.sys_op(s, SysEnc::new(1, op1 & 3, 7 + (crn & 1), crm, op2), value);
        }
        Step::Imm(field, imm) => {
            let _ = core.msr_imm(s, field, imm);
        }
        Step::Load(va, log, unprivileged, exclusive) => {
            let result = match exclusive {
                true => core.load_exclusive(s, va, ordered(log)),
                false => core.load(s, va, mem(log, unprivileged)),
            };
            check(result, va, 1 << log)?;
        }
        Step::Store(va, log, unprivileged) => {
            check(core.store(s, va, u128::from(va) << 3, mem(log, unprivileged)).map(|()| 0), va, 1 << log)?;
        }
        Step::Exclusive(va, log) => check(core.store_exclusive(s, va, 1, ordered(log)).map(u128::from), va, 1 << log)?,
        Step::Atomic(va, log) => {
            check(core.atomic(s, AtomicOp::Add, va, 1, ordered(log)).map(u128::from), va, 1 << log)?;
        }
        Step::Swap(va, log) => check(core.cas(s, va, 0, 1, ordered(log)), va, 1 << log)?,
        Step::Fetch(va) => {
            s.pc = va;
            let _ = core.fetch(s);
        }
        Step::Level(el0, spsel) => s.switch_stack(if el0 { El::El0 } else { El::El1 }, spsel && !el0),
        Step::Return => {
            let _ = core.eret(s);
        }
        Step::Take => core.take(s, Exception::UNDEFINED),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_guest_makes_a_vcpu_panic(
        tables in prop::collection::vec((0..RAM_LEN / 8, value()), 0..64),
        registers in (value(), value(), value(), any::<bool>()),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let (mut vcpu, ram) = vcpu();
        // Entries cluster at the start of pages, where low addresses lead.
        for (at, entry) in tables {
            let near = at & !0x1ff | at & 7;
            ram.write(Pa(RAM + 8 * near), &entry.to_le_bytes()).unwrap();
        }
        let (tcr, ttbr0, ttbr1, mmu) = registers;
        let (core, s) = (&mut vcpu.core, &mut vcpu.frame.s);
        for (enc, value) in [
            (SysEnc::new(3, 0, 2, 0, 2), tcr),
            (SysEnc::new(3, 0, 2, 0, 0), ttbr0),
            (SysEnc::new(3, 0, 2, 0, 1), ttbr1),
            (SysEnc::new(3, 0, 1, 0, 0), u64::from(mmu)),
        ] {
            prop_assert!(core.sys_write(s, enc, value).is_ok());
        }
        for step in &steps {
            play(core, s, step)?;
        }
    }

    #[test]
    fn whatever_instructions_a_guest_runs_the_state_stays_legal(
        words in prop::collection::vec(any::<u32>(), 1..64),
        mdscr in value(),
        spsr in value(),
    ) {
        let (mut vcpu, ram) = vcpu();
        for (n, word) in words.iter().enumerate() {
            ram.write(Pa(RAM + 4 * n as u64), &word.to_le_bytes()).unwrap();
        }
        vcpu.frame.s.pc = RAM;
        (vcpu.frame.s.sys.mdscr, vcpu.frame.s.sys.spsr, vcpu.frame.s.sys.os_locked) = (mdscr & 0xffff, spsr, false);
        vcpu.frame.s.sys.vbar = RAM;
        for _ in 0..words.len() * 2 {
            vcpu.step();
            prop_assert!(matches!(vcpu.frame.s.pstate.el, El::El0 | El::El1));
            prop_assert!(vcpu.frame.s.pstate.el == El::El1 || !vcpu.frame.s.pstate.spsel);
        }
    }
}
