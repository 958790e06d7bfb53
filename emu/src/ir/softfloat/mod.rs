//! Floating point as the Arm manual defines it (DDI 0487, shared/functions/float), in integer arithmetic only.
//!
//! One implementation serves half, single and double precision; numbers travel as their encodings in the low bits of
//! a `u64`. FPCR.{RMode, FZ, FZ16, DN, AHP} govern, FPSR collects the cumulative flags, tininess is found before
//! rounding, and NaNs propagate in the order of FPProcessNaNs. Left out: trapped exceptions (FPCR.IDE and its
//! like are RAZ), FEAT_AFP, BFloat16.

mod arith;
mod convert;
mod estimate;
mod pack;

pub use arith::{add, div, fused, mul, mulx, sqrt, sub};
pub use arith::{compare, equal, greater, greater_or_equal, max, max_num, min, min_num};
pub use convert::{convert, from_fixed, round_int, to_fixed, to_fixed_js};
pub use estimate::{recip_estimate, recip_exponent, recip_sqrt_estimate, recip_sqrt_step, recip_step};

/// A binary interchange format of IEEE 754.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Bits in all.
    pub bits: u32,
    /// Bits of the fraction.
    pub frac: u32,
}

impl Format {
    /// Half precision.
    pub const HALF: Self = Self { bits: 16, frac: 10 };
    /// Single precision.
    pub const SINGLE: Self = Self { bits: 32, frac: 23 };
    /// Double precision.
    pub const DOUBLE: Self = Self { bits: 64, frac: 52 };

    /// The format of 16, 32 or (any other number) 64 bits.
    #[must_use]
    pub const fn of(bits: u64) -> Self {
        match bits {
            16 => Self::HALF,
            32 => Self::SINGLE,
            _ => Self::DOUBLE,
        }
    }

    /// All bits.
    const fn mask(self) -> u64 {
        u64::MAX >> (64 - self.bits)
    }
    const fn sign_bit(self) -> u64 {
        1 << (self.bits - 1)
    }
    const fn frac_mask(self) -> u64 {
        (1 << self.frac) - 1
    }
    /// The exponent field of infinities and NaNs.
    const fn exp_ones(self) -> u64 {
        (1 << (self.bits - 1 - self.frac)) - 1
    }
    const fn exp_field(self, a: u64) -> u64 {
        a >> self.frac & self.exp_ones()
    }
    /// The exponent of the smallest normal number.
    const fn min_exp(self) -> i32 {
        2 - (1 << (self.bits - 2 - self.frac))
    }
    const fn quiet_bit(self) -> u64 {
        1 << (self.frac - 1)
    }
    const fn signed(self, negative: bool, magnitude: u64) -> u64 {
        if negative { self.sign_bit() | magnitude } else { magnitude }
    }

    /// FPZero.
    const fn zero(self, negative: bool) -> u64 {
        self.signed(negative, 0)
    }
    /// FPInfinity.
    const fn infinity(self, negative: bool) -> u64 {
        self.signed(negative, self.exp_ones() << self.frac)
    }
    /// FPMaxNormal.
    const fn max_normal(self, negative: bool) -> u64 {
        self.signed(negative, (self.exp_ones() << self.frac) - 1)
    }
    /// FPDefaultNaN.
    const fn default_nan(self) -> u64 {
        self.exp_ones() << self.frac | self.quiet_bit()
    }
    /// 2 to the power of `exp`, for exponents of normal numbers; half as much again with `half`.
    const fn power(self, exp: i32, half: bool) -> u64 {
        ((exp - self.min_exp() + 1) as u64) << self.frac | if half { self.quiet_bit() } else { 0 }
    }
    /// FPNeg.
    #[must_use]
    pub const fn neg(self, a: u64) -> u64 {
        (a ^ self.sign_bit()) & self.mask()
    }
    /// FPAbs.
    #[must_use]
    pub const fn abs(self, a: u64) -> u64 {
        a & (self.sign_bit() - 1)
    }
}

/// How to round (FPRounding); the first four are encoded as in FPCR.RMode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// To nearest, ties to even.
    TieEven,
    /// Towards plus infinity.
    PosInf,
    /// Towards minus infinity.
    NegInf,
    /// Towards zero.
    Zero,
    /// To nearest, ties away from zero.
    TieAway,
    /// To odd.
    Odd,
}

impl Rounding {
    /// As FPCR.RMode says.
    #[must_use]
    pub const fn of_fpcr(fpcr: u32) -> Self {
        match fpcr >> 22 & 3 {
            0 => Self::TieEven,
            1 => Self::PosInf,
            2 => Self::NegInf,
            _ => Self::Zero,
        }
    }

    /// Whether a magnitude with the last bit `odd` grows, when `rest` of `2^64` is cut off it.
    const fn up(self, negative: bool, odd: bool, rest: u64) -> bool {
        const HALF: u64 = 1 << 63;
        match self {
            Self::TieEven => rest > HALF || rest == HALF && odd,
            Self::TieAway => rest >= HALF,
            Self::PosInf => rest != 0 && !negative,
            Self::NegInf => rest != 0 && negative,
            Self::Zero => false,
            Self::Odd => rest != 0 && !odd,
        }
    }

    /// Whether too large a magnitude becomes infinite, not the largest normal number.
    const fn overflows(self, negative: bool) -> bool {
        match self {
            Self::TieEven | Self::TieAway => true,
            Self::PosInf => !negative,
            Self::NegInf => negative,
            Self::Zero | Self::Odd => false,
        }
    }
}

/// Bits of FPSR.
mod flag {
    pub const IOC: u32 = 1 << 0;
    pub const DZC: u32 = 1 << 1;
    pub const OFC: u32 = 1 << 2;
    pub const UFC: u32 = 1 << 3;
    pub const IXC: u32 = 1 << 4;
    pub const IDC: u32 = 1 << 7;
}

/// Bits of FPCR.
mod mode {
    pub const FZ16: u32 = 1 << 19;
    pub const FZ: u32 = 1 << 24;
    pub const DN: u32 = 1 << 25;
    pub const AHP: u32 = 1 << 26;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::FpEnv;

    /// Against the host's own arithmetic, which rounds to nearest even as FPCR zero asks.
    #[test]
    fn ordinary_arithmetic_is_that_of_ieee_754() {
        let mut bits = 1u64;
        let mut number = || {
            bits = bits.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Exponents within 64 of one another, so that sums are not trivial.
            f64::from_bits(bits & 0x803f_ffff_ffff_ffff | 0x3e00 << 48)
        };
        let f = Format::DOUBLE;
        for _ in 0..2000 {
            let (a, b, c) = (number(), number(), number());
            let (x, y, z) = (a.to_bits(), b.to_bits(), c.to_bits());
            let env = &mut FpEnv::default();
            assert_eq!(add(env, f, x, y), (a + b).to_bits());
            assert_eq!(sub(env, f, x, y), (a - b).to_bits());
            assert_eq!(mul(env, f, x, y), (a * b).to_bits());
            assert_eq!(div(env, f, x, y), (a / b).to_bits());
            assert_eq!(sqrt(env, f, f.abs(x)), a.abs().sqrt().to_bits());
            assert_eq!(fused(env, f, z, x, y), a.mul_add(b, c).to_bits());
            assert_eq!(convert(env, f, Format::SINGLE, x, Rounding::TieEven), u64::from((a as f32).to_bits()));
        }
    }

    #[test]
    fn tininess_is_found_before_rounding() {
        // The product lies half a unit below the smallest normal number, and rounds up to it.
        let (a, b) = (0x3f7f_ffff, 0x0080_0000);
        let mut env = FpEnv::default();
        assert_eq!(mul(&mut env, Format::SINGLE, a, b), 0x0080_0000);
        assert_eq!(env.fpsr, flag::UFC | flag::IXC);
        let mut env = FpEnv { fpcr: mode::FZ, fpsr: 0 };
        assert_eq!(mul(&mut env, Format::SINGLE, a, b), 0);
        assert_eq!(env.fpsr, flag::UFC);
    }

    #[test]
    fn a_signalling_nan_comes_before_an_earlier_quiet_one() {
        let (quiet, signalling) = (0x7fc0_0001, 0x7f80_0002);
        let mut env = FpEnv::default();
        assert_eq!(add(&mut env, Format::SINGLE, quiet, signalling), 0x7fc0_0002);
        assert_eq!(env.fpsr, flag::IOC);
        env.fpcr = mode::DN;
        assert_eq!(add(&mut env, Format::SINGLE, quiet, signalling), 0x7fc0_0000);
    }
}
