//! Registers as gdb numbers them: those of its AArch64 features `core` and `fpu`, then the system registers.
//!
//! Left out: the vector length and registers of SVE, pointer authentication masks, thread-local storage as a feature of its
//! own: TPIDR_EL0 is among the system registers.

use std::fmt::Write;
use std::num::NonZeroUsize;

use gdbstub::arch::{Arch, RegId, Registers};

use crate::a64::sysreg::SysRow;
use crate::cpu::Vcpu;
use crate::state::CpuState;

/// A register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Register {
    /// X0–X30 and, as 31, the stack pointer.
    X(u8),
    /// The program counter.
    Pc,
    /// PSTATE, in the layout of SPSR_EL1.
    Cpsr,
    /// V0–V31.
    V(u8),
    /// FPSR.
    Fpsr,
    /// FPCR.
    Fpcr,
    /// A system register: its place in the list.
    System(u16),
}

/// The number of the first system register.
const SYSTEM: usize = 68;

impl Register {
    /// The register of a number.
    #[must_use]
    pub fn from_number(number: usize) -> Option<Self> {
        Some(match number {
            0..=31 => Self::X(number as u8),
            32 => Self::Pc,
            33 => Self::Cpsr,
            34..=65 => Self::V(number as u8 - 34),
            66 => Self::Fpsr,
            67 => Self::Fpcr,
            _ => Self::System(u16::try_from(number - SYSTEM).ok()?),
        })
    }

    /// Those that are read and written all at once: all but system registers.
    pub fn general() -> impl Iterator<Item = Self> {
        (0..SYSTEM).filter_map(Self::from_number)
    }

    /// Its size in bytes.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::X(_) | Self::Pc | Self::System(_) => 8,
            Self::V(_) => 16,
            Self::Cpsr | Self::Fpsr | Self::Fpcr => 4,
        }
    }

    /// Its value; none for a system register that is not in the list.
    #[must_use]
    pub fn read(self, vcpu: &mut Vcpu, system: Option<&SysRow>) -> Option<u128> {
        let s: &CpuState = vcpu.state();
        Some(match self {
            Self::X(n) => s.x[usize::from(n)].into(),
            Self::Pc => s.pc.into(),
            Self::Cpsr => s.spsr().into(),
            Self::V(n) => s.v[usize::from(n)],
            Self::Fpsr => s.fp.fpsr.into(),
            Self::Fpcr => s.fp.fpcr.into(),
            Self::System(_) => vcpu.system_register(system?).into(),
        })
    }

    /// Sets it. False if that cannot be.
    pub fn write(self, vcpu: &mut Vcpu, system: Option<&SysRow>, value: u128) -> bool {
        match self {
            Self::X(n) => vcpu.change(|s| s.x[usize::from(n)] = value as u64),
            Self::Pc => vcpu.change(|s| s.pc = value as u64 & !3),
            Self::Cpsr => vcpu.set_pstate(value as u32),
            Self::V(n) => vcpu.change(|s| s.v[usize::from(n)] = value),
            Self::Fpsr => vcpu.change(|s| s.fp.fpsr = value as u32 & 0xf800_009f),
            Self::Fpcr => vcpu.change(|s| s.fp.fpcr = value as u32 & 0x07f8_0000),
            Self::System(_) => return system.is_some_and(|row| vcpu.set_system_register(row, value as u64)),
        }
        true
    }
}

impl RegId for Register {
    fn from_raw_id(id: usize) -> Option<(Self, Option<NonZeroUsize>)> {
        let register = Self::from_number(id)?;
        Some((register, NonZeroUsize::new(register.bytes())))
    }
}

/// The bytes of [`Register::general`], one after another.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Values(pub Vec<u8>);

impl Registers for Values {
    type ProgramCounter = u64;

    fn pc(&self) -> u64 {
        self.0.get(256..264).map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().expect("8 bytes")))
    }

    fn gdb_serialize(&self, mut write_byte: impl FnMut(Option<u8>)) {
        self.0.iter().for_each(|&byte| write_byte(Some(byte)));
    }

    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        let all = Register::general().map(Register::bytes).sum();
        self.0 = bytes.get(..all).ok_or(())?.to_vec();
        Ok(())
    }
}

/// AArch64 as gdb sees it.
#[derive(Debug)]
pub enum A64 {}

impl Arch for A64 {
    type Usize = u64;
    type Registers = Values;
    type BreakpointKind = usize;
    type RegId = Register;
}

/// Fields of PSTATE: name, first and last bit.
const PSTATE: &[(&str, u32, u32)] = &[
    ("SP", 0, 0),
    ("EL", 2, 3),
    ("F", 6, 6),
    ("I", 7, 7),
    ("A", 8, 8),
    ("D", 9, 9),
    ("IL", 20, 20),
    ("SS", 21, 21),
    ("PAN", 22, 22),
    ("UAO", 23, 23),
    ("V", 28, 28),
    ("C", 29, 29),
    ("Z", 30, 30),
    ("N", 31, 31),
];

/// A view of a vector register: its name, and for each kind of element name, type and count.
type View = (&'static str, &'static [(&'static str, &'static str, u32)]);

const VIEWS: &[View] = &[
    ("d", &[("f", "ieee_double", 2), ("u", "uint64", 2), ("s", "int64", 2)]),
    ("s", &[("f", "ieee_single", 4), ("u", "uint32", 4), ("s", "int32", 4)]),
    ("h", &[("f", "ieee_half", 8), ("u", "uint16", 8), ("s", "int16", 8)]),
    ("b", &[("u", "uint8", 16), ("s", "int8", 16)]),
    ("q", &[("u", "uint128", 1), ("s", "int128", 1)]),
];

/// The target description: what registers there are, by gdb's standard features and one of our own.
#[must_use]
pub fn description(system: &[(String, SysRow)]) -> String {
    // Writing to a string does not fail.
    let mut xml =
        String::from("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target version=\"1.0\">");
    xml += "<architecture>aarch64</architecture><feature name=\"org.gnu.gdb.aarch64.core\">";
    xml += "<flags id=\"cpsr_flags\" size=\"4\">";
    for (name, start, end) in PSTATE {
        let _ = write!(xml, "<field name=\"{name}\" start=\"{start}\" end=\"{end}\"/>");
    }
    xml += "</flags>";
    let mut number = 0;
    let mut register = |xml: &mut String, name: &str, bits: u32, rest: &str| {
        let _ = write!(xml, "<reg name=\"{name}\" bitsize=\"{bits}\" regnum=\"{number}\"{rest}/>");
        number += 1;
    };
    (0..31).for_each(|n| register(&mut xml, &format!("x{n}"), 64, ""));
    register(&mut xml, "sp", 64, " type=\"data_ptr\"");
    register(&mut xml, "pc", 64, " type=\"code_ptr\"");
    register(&mut xml, "cpsr", 32, " type=\"cpsr_flags\"");
    xml += "</feature><feature name=\"org.gnu.gdb.aarch64.fpu\">";
    for (view, elements) in VIEWS {
        for (name, kind, count) in *elements {
            let _ = write!(xml, "<vector id=\"v{view}{name}\" type=\"{kind}\" count=\"{count}\"/>");
        }
        let _ = write!(xml, "<union id=\"v{view}\">");
        for (name, ..) in *elements {
            let _ = write!(xml, "<field name=\"{name}\" type=\"v{view}{name}\"/>");
        }
        xml += "</union>";
    }
    xml += "<union id=\"v\">";
    for (view, _) in VIEWS {
        let _ = write!(xml, "<field name=\"{view}\" type=\"v{view}\"/>");
    }
    xml += "</union>";
    (0..32).for_each(|n| register(&mut xml, &format!("v{n}"), 128, " type=\"v\""));
    register(&mut xml, "fpsr", 32, "");
    register(&mut xml, "fpcr", 32, "");
    xml += "</feature><feature name=\"handset.aarch64.system\">";
    for (name, _) in system {
        register(&mut xml, name, 64, " type=\"uint64\" group=\"system\" save-restore=\"no\"");
    }
    xml + "</feature></target>"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::a64::sysreg::system_registers;

    #[test]
    fn numbers_in_the_description_are_those_of_the_registers() {
        let system: Vec<_> = system_registers().collect();
        let xml = description(&system);
        for (name, register) in [
            ("x0", Register::X(0)),
            ("sp", Register::X(31)),
            ("pc", Register::Pc),
            ("cpsr", Register::Cpsr),
            ("v31", Register::V(31)),
            ("fpsr", Register::Fpsr),
            ("fpcr", Register::Fpcr),
            (&system[7].0, Register::System(7)),
        ] {
            let at = xml.find(&format!("<reg name=\"{name}\"")).unwrap();
            let reg = &xml[at..at + xml[at..].find('>').unwrap()];
            let number = reg.split("regnum=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
            assert_eq!(Register::from_number(number), Some(register), "{reg}");
            assert!(reg.contains(&format!("bitsize=\"{}\"", 8 * register.bytes())), "{reg}");
        }
    }

    #[test]
    fn names_in_the_description_are_unique() {
        let system: Vec<_> = system_registers().collect();
        let xml = description(&system);
        let mut names: Vec<_> = xml.split("<reg name=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        names.sort_unstable();
        assert_eq!(names.len(), SYSTEM + system.len());
        assert_eq!(names.windows(2).find(|pair| pair[0] == pair[1]), None);
    }
}
