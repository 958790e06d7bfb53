//! The immediate of operations that round in a way of their own, or convert between numbers and integers.

use crate::ir::softfloat::Rounding;
use crate::state::FpEnv;

/// How to convert or round. Packed into an immediate it has, from bit 0 up: eight bits of `bits`, four of the
/// rounding (as in FPCR.RMode; 4 for ties away from zero; 15 for what FPCR says), `unsigned`, `exact`, two of zeros,
/// eight of `fbits`, and eight of `int_bits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// The floating-point format: 16, 32 or 64.
    pub bits: u64,
    /// The rounding; none for FPCR's.
    pub by: Option<Rounding>,
    /// The integer is unsigned.
    pub unsigned: bool,
    /// Rounding to an integral number sets FPSR.IXC where it is inexact.
    pub exact: bool,
    /// Fraction bits of fixed point.
    pub fbits: u64,
    /// Size of the integer: 16, 32 or 64.
    pub int_bits: u64,
}

impl Rule {
    /// For a format and an integer of the same size, rounding as FPCR says.
    #[must_use]
    pub const fn new(bits: u64) -> Self {
        Self { bits, by: None, unsigned: false, exact: false, fbits: 0, int_bits: bits }
    }

    /// As an immediate.
    #[must_use]
    pub const fn pack(self) -> u64 {
        let by = match self.by {
            Some(Rounding::TieEven) => 0,
            Some(Rounding::PosInf) => 1,
            Some(Rounding::NegInf) => 2,
            Some(Rounding::Zero) => 3,
            Some(Rounding::TieAway) => 4,
            Some(Rounding::Odd) => 5,
            None => 15,
        };
        self.bits
            | by << 8
            | (self.unsigned as u64) << 12
            | (self.exact as u64) << 13
            | self.fbits << 16
            | self.int_bits << 24
    }

    /// From an immediate.
    #[must_use]
    pub const fn unpack(imm: u64) -> Self {
        let by = match imm >> 8 & 15 {
            0 => Some(Rounding::TieEven),
            1 => Some(Rounding::PosInf),
            2 => Some(Rounding::NegInf),
            3 => Some(Rounding::Zero),
            4 => Some(Rounding::TieAway),
            5 => Some(Rounding::Odd),
            _ => None,
        };
        Self {
            bits: imm & 0xff,
            by,
            unsigned: imm >> 12 & 1 != 0,
            exact: imm >> 13 & 1 != 0,
            fbits: imm >> 16 & 0xff,
            int_bits: imm >> 24 & 0xff,
        }
    }

    /// The rounding that applies.
    #[must_use]
    pub fn rounding(self, env: &FpEnv) -> Rounding {
        self.by.unwrap_or(Rounding::of_fpcr(env.fpcr))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_survives_packing() {
        let rule =
            Rule { by: Some(Rounding::TieAway), unsigned: true, exact: true, fbits: 63, int_bits: 64, ..Rule::new(16) };
        assert_eq!(Rule::unpack(rule.pack()), rule);
        assert_eq!(Rule::unpack(Rule::new(64).pack()), Rule::new(64));
    }
}
