//! Addressing modes of loads and stores (DDI 0487, C1.3.3).

use super::Done;
use super::data_imm::signed;
use super::data_reg::extended;
use crate::ir::{Build, Flow};

/// Where an access goes, and what becomes of its base register.
#[derive(Clone, Copy)]
pub(super) enum Address {
    /// `[base, #by]`.
    Offset(u64),
    /// `[base], #by`: the base changes after the access.
    Post(u64),
    /// `[base, #by]!`: the base becomes the address.
    Pre(u64),
    /// `[base, index]`, the index extended and shifted.
    Index { rm: u32, option: u32, shift: u32 },
    /// A label: words from the instruction.
    Literal(u32),
}

impl Address {
    /// Does what `access` does at the address, then writes the base back.
    pub fn access<B: Build>(
        self,
        b: &mut B,
        rn: u32,
        access: impl FnOnce(&mut B, B::I) -> Result<(), B::Stop>,
    ) -> Done<B> {
        let addr = match self {
            Self::Offset(by) | Self::Pre(by) => {
                let base = b.base(rn)?;
                plus(b, base, by)
            }
            Self::Post(_) => b.base(rn)?,
            Self::Index { rm, option, shift } => {
                let base = b.base(rn)?;
                let index = extended(b, 1, option, rm, shift);
                b.add64(base, index)
            }
            Self::Literal(imm19) => {
                let addr = b.pc().wrapping_add(signed(imm19, 19) << 2);
                b.near(addr)
            }
        };
        access(b, addr)?;
        match self {
            Self::Post(by) => {
                let after = plus(b, addr, by);
                b.set_xsp(rn, after);
            }
            Self::Pre(_) => b.set_xsp(rn, addr),
            Self::Offset(_) | Self::Index { .. } | Self::Literal(_) => {}
        }
        Ok(Flow::Next)
    }
}

/// An index; bit 1 of its `option` is always set.
pub(super) fn index(rm: u32, [opt2, opt0]: [u32; 2], shift: u32) -> Address {
    Address::Index { rm, option: opt2 << 2 | 2 | opt0, shift }
}

/// An address plus a constant.
pub(super) fn plus<B: Build>(b: &mut B, addr: B::I, by: u64) -> B::I {
    if by == 0 {
        return addr;
    }
    let by = b.imm(by);
    b.add64(addr, by)
}
