//! What a debugger's errands may do with a vCPU: read and change registers and memory, look at the last instructions.
//!
//! Nothing here takes an exception, changes access flags, or touches a device's registers: memory is RAM, and to read also
//! flash. Left out: writes to flash.

use std::collections::VecDeque;

use devices::bus::{Bus, Pa, Size, Target};

use super::{Core, PowerState, Vcpu};
use crate::a64::sysreg::{Special, SysRow, What, system_registers};
use crate::mmu::host;
use crate::mmu::walk::{self, Access, Fault, Leaf, Tables};
use crate::state::{CpuState, El, Flags};

/// The name of devices that may be read like memory.
const FLASH: &str = "flash";

/// The last instructions that a vCPU executed.
#[derive(Debug)]
pub(super) struct Trace {
    last: VecDeque<(u64, u32)>,
    most: usize,
}

impl Trace {
    /// An instruction's address and word.
    pub fn add(&mut self, pc: u64, word: u32) {
        if self.last.len() == self.most {
            self.last.pop_front();
        }
        self.last.push_back((pc, word));
    }
}

/// Translation tables that a walk leaves as they are.
struct Untouched<'a>(&'a Bus);

impl Tables for Untouched<'_> {
    fn read(&self, at: Pa) -> Option<u64> {
        host::read_pte(self.0.ram(), at)
    }

    fn update(&self, _: Pa, _: u64, _: u64) -> Result<(), Option<u64>> {
        Ok(())
    }
}

/// Reads memory from a physical address on; as many bytes as are RAM or flash.
#[must_use]
pub fn read_physical(bus: &Bus, pa: Pa, bytes: &mut [u8]) -> usize {
    let byte = |at: Pa, byte: &mut u8| match bus.target(at) {
        Target::Ram(_) => bus.ram().read(at, std::slice::from_mut(byte)).is_ok(),
        Target::Device if bus.device(at).is_some_and(|name| name.starts_with(FLASH)) => {
            bus.read(at, Size::B1, 0).map(|value| *byte = value as u8).is_ok()
        }
        _ => false,
    };
    if bus.ram().read(pa, bytes).is_ok() {
        return bytes.len();
    }
    bytes.iter_mut().zip(0..).map(|(at, n)| byte(Pa(pa.0.wrapping_add(n)), at)).take_while(|&read| read).count()
}

/// How many of `len` bytes from an address on lie in its page.
fn in_page(va: u64, len: usize) -> usize {
    len.min(4096 - (va & 0xfff) as usize)
}

impl Vcpu {
    /// Changes registers. Whatever the last instruction waits for is over, since the next one may be another.
    pub fn change(&mut self, change: impl FnOnce(&mut CpuState)) {
        change(&mut self.frame.s);
        self.core.waiting = None;
        self.core.fetched = None;
    }

    /// Sets PSTATE from the layout of SPSR_EL1; levels other than EL0 and EL1 are not entered.
    pub fn set_pstate(&mut self, spsr: u32) {
        self.change(|s| {
            s.flags = Flags::from_nzcv(spsr >> 28);
            let bit = |n: u32| spsr >> n & 1 != 0;
            (s.pstate.uao, s.pstate.pan, s.pstate.ss, s.pstate.il) = (bit(23), bit(22), bit(21), bit(20));
            s.pstate.daif = (spsr >> 6 & 15) as u8;
            match El::from_bits(spsr >> 2) {
                El::El0 => s.switch_stack(El::El0, false),
                El::El1 => s.switch_stack(El::El1, bit(0)),
                El::El2 | El::El3 => {}
            }
        });
    }

    /// The system registers that this vCPU has and that can be read without changing anything.
    #[must_use]
    pub fn system_registers(&self) -> Vec<(String, SysRow)> {
        let core = &self.core;
        let there = |row: &SysRow| match row.what {
            // To read these acknowledges an interrupt.
            What::Special(Special::Icc(devices::bus::IccReg::Iar0 | devices::bus::IccReg::Iar1)) => false,
            What::Special(Special::Icc(_)) => core.wiring.gic.is_some(),
            _ => true,
        };
        let readable = |row: &SysRow| row.read.is_some() && core.model.has(row.name) && there(row);
        system_registers().filter(|(_, row)| readable(row)).collect()
    }

    /// The value of a system register, at whatever level the vCPU is.
    #[must_use]
    pub fn system_register(&mut self, row: &SysRow) -> u64 {
        let s = &mut self.frame.s;
        match row.what {
            What::Special(Special::SpEl0) if s.sp_index() == 0 => s.x[31],
            _ => self.core.register_value(s, row),
        }
    }

    /// Writes a system register as MSR would. False for those that cannot be written, or that belong to the interrupt
    /// controller.
    pub fn set_system_register(&mut self, row: &SysRow, value: u64) -> bool {
        let s = &mut self.frame.s;
        match row.what {
            What::Special(Special::Icc(_)) => return false,
            _ if row.write.is_none() => return false,
            What::Special(Special::SpEl0) if s.sp_index() == 0 => s.x[31] = value,
            _ => self.core.set_register_value(s, row, value),
        }
        self.core.fetched = None;
        true
    }

    /// Where an address leads by the current translation, for EL1 with PAN clear.
    ///
    /// # Errors
    /// The fault that an access would take.
    pub fn translate(&self, va: u64) -> Result<Leaf, Fault> {
        let access = Access { write: false, fetch: false, el: El::El1, pan: false };
        walk::walk(&Untouched(&self.core.wiring.bus), &self.frame.s.sys, va, access)
    }

    /// Reads memory by the current translation; as many bytes as there are.
    #[must_use]
    pub fn read_memory(&self, va: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let mut done = 0;
        while done < len {
            let at = va.wrapping_add(done as u64);
            let Ok(leaf) = self.translate(at) else { break };
            let piece = in_page(at, len - done);
            let read = read_physical(&self.core.wiring.bus, leaf.pa, &mut bytes[done..done + piece]);
            done += read;
            if read < piece {
                break;
            }
        }
        bytes.truncate(done);
        bytes
    }

    /// Writes RAM by the current translation, whatever the permissions; all of it or none. Code there is translated anew.
    pub fn write_memory(&mut self, va: u64, bytes: &[u8]) -> bool {
        let mut pieces = Vec::new();
        let mut done = 0;
        while done < bytes.len() {
            let at = va.wrapping_add(done as u64);
            let piece = in_page(at, bytes.len() - done);
            let ram = self.core.wiring.bus.ram();
            match self.translate(at) {
                Ok(leaf) if ram.offset(leaf.pa, piece as u64).is_some() => pieces.push((leaf.pa, done..done + piece)),
                _ => return false,
            }
            done += piece;
        }
        for (pa, piece) in pieces {
            self.core.wiring.bus.ram().write(pa, &bytes[piece]).expect("the whole piece was found to be RAM");
        }
        self.core.drop_overwritten_code();
        true
    }

    /// Remembers the last `most` instructions from now on, which are interpreted therefore; or does so no more.
    pub fn trace(&mut self, most: Option<usize>) {
        self.core.trace = most.map(|most| Trace { last: VecDeque::with_capacity(most), most });
    }

    /// Address and word of the last instructions, the oldest first; none unless they are traced.
    #[must_use]
    pub fn traced(&self) -> Option<Vec<(u64, u32)>> {
        self.core.trace.as_ref().map(|trace| trace.last.iter().copied().collect())
    }

    /// Whether it is on.
    #[must_use]
    pub fn power(&self) -> PowerState {
        self.core.wiring.shared.power(self.core.id)
    }

    /// Levels of the interrupt inputs, IRQ and FIQ.
    #[must_use]
    pub fn interrupt_lines(&self) -> (bool, bool) {
        let lines = self.core.lines();
        (lines & 1 != 0, lines & 2 != 0)
    }

    /// Physical addresses.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.core.wiring.bus
    }
}

impl Core {
    fn lines(&self) -> u32 {
        self.wiring.shared.cpus[self.id].lines.load(std::sync::atomic::Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::hostile;

    const RAM: u64 = 0x4000_0000;

    #[test]
    fn memory_is_read_as_far_as_it_is_there() {
        let (vcpu, ram) = hostile::vcpu();
        let end = RAM + ram.len();
        ram.write(Pa(end - 3), &[1, 2, 3]).unwrap();
        assert_eq!(vcpu.read_memory(end - 3, 8), [1, 2, 3]);
        assert!(vcpu.read_memory(end, 8).is_empty());
        assert!(vcpu.read_memory(u64::MAX, 8).is_empty());
    }

    #[test]
    fn a_write_that_does_not_fit_writes_nothing() {
        let (mut vcpu, ram) = hostile::vcpu();
        let end = RAM + ram.len();
        assert!(!vcpu.write_memory(end - 4, &[7; 8]));
        assert_eq!(vcpu.read_memory(end - 4, 4), [0; 4]);
        assert!(vcpu.write_memory(RAM + 0xffe, &[7; 4]));
        assert_eq!(vcpu.read_memory(RAM + 0xffd, 6), [0, 7, 7, 7, 7, 0]);
    }

    #[test]
    fn every_system_register_is_read_and_written_at_every_level() {
        let (mut vcpu, _) = hostile::vcpu();
        for el in [El::El0, El::El1] {
            for (name, row) in vcpu.system_registers() {
                vcpu.change(|s| s.switch_stack(el, el == El::El1));
                let value = vcpu.system_register(&row);
                vcpu.set_system_register(&row, value);
                assert!(!name.contains("n_"), "{name} is no register's name");
            }
        }
    }

    #[test]
    fn the_stack_pointer_is_found_where_it_is_current() {
        let (mut vcpu, _) = hostile::vcpu();
        let (_, sp_el0) = vcpu.system_registers().into_iter().find(|(name, _)| name == "SP_EL0").unwrap();
        for (el, spsel, current) in [(El::El0, false, true), (El::El1, false, true), (El::El1, true, false)] {
            vcpu.change(|s| {
                s.switch_stack(el, spsel);
                s.x[31] = 7;
            });
            vcpu.set_system_register(&sp_el0, 0x40);
            assert_eq!(vcpu.system_register(&sp_el0), 0x40);
            assert_eq!(vcpu.state().x[31] == 0x40, current);
        }
    }
}
