//! What of a unit's code and sites depends on where they are, so that they can be had at another place.

use serde::{Deserialize, Serialize};

use super::site::Site;
use super::x64::moved_guard;

/// Where a unit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spot {
    /// Host address of its code, counted from that of the thunks.
    pub base: u64,
    /// Number of its first site.
    pub first_site: u32,
    /// Guest address of its first instruction. What holds in any page does not depend on it.
    pub va: u64,
}

/// What a field in a unit's code is that depends on its [`Spot`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Field {
    /// A 32-bit displacement to a thunk.
    Thunk,
    /// The 32-bit number of a site.
    Site,
    /// A guest address of 64 bits.
    Place,
    /// The 32-bit displacement to the identity that a guarded jump looks at, which follows from where it leads.
    Guard,
}

/// The fields of a unit's code: each an offset, whose top two bits say which it is, in four bytes.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(Vec<u8>);

const KINDS: [Field; 4] = [Field::Thunk, Field::Site, Field::Place, Field::Guard];
const KIND_SHIFT: u32 = 30;

impl Fields {
    /// Forgets them all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds one.
    pub fn add(&mut self, field: Field, offset: usize) {
        self.0.extend((offset as u32 | (field as u32) << KIND_SHIFT).to_le_bytes());
    }

    /// For [`move_unit`].
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Makes code and sites at one spot into those of the same unit at another; false when the fields are not the code's.
#[must_use]
pub(super) fn move_unit(fields: &[u8], code: &mut [u8], sites: &mut [Site], from: Spot, to: Spot) -> bool {
    let ahead = to.base.wrapping_sub(from.base) as u32;
    let further = to.first_site.wrapping_sub(from.first_site);
    let away = to.va.wrapping_sub(from.va);
    sites.iter_mut().for_each(|site| site.pc = site.pc.moved(away));
    fields.as_chunks().0.iter().all(|&field| {
        let field = u32::from_le_bytes(field);
        let at = (field & ((1 << KIND_SHIFT) - 1)) as usize;
        match KINDS[(field >> KIND_SHIFT) as usize] {
            Field::Thunk => alter(code, at, |field| u32::from_le_bytes(field).wrapping_sub(ahead).to_le_bytes()),
            Field::Site => alter(code, at, |field| u32::from_le_bytes(field).wrapping_add(further).to_le_bytes()),
            Field::Place => alter(code, at, |field| u64::from_le_bytes(field).wrapping_add(away).to_le_bytes()),
            Field::Guard => alter(code, at, |field| moved_guard(u32::from_le_bytes(field), away).to_le_bytes()),
        }
    })
}

fn alter<const N: usize>(code: &mut [u8], at: usize, new: impl Fn([u8; N]) -> [u8; N]) -> bool {
    let field = code.get_mut(at..).and_then(|code| code.first_chunk_mut());
    field.map(|field| *field = new(*field)).is_some()
}

/// For tests: a unit that was made at one spot and moved to another, and the same made there. The units are of the same words
/// at two addresses.
#[cfg(test)]
pub(crate) fn moved_and_made(
    here: &crate::ir::block::Unit,
    there: &crate::ir::block::Unit,
    registers: super::Registers,
) -> [(Vec<u8>, String); 2] {
    use super::optimizations::Optimizations;
    use super::x64::{self, Place, Workshop};

    const THUNKS: u64 = 0x7f00_0000_0000;
    let (_, thunks) = super::thunks::emit(THUNKS);
    let make = |unit: &crate::ir::block::Unit, base, first_site: u32| {
        let mut workshop = Workshop::default();
        let optimizations = Optimizations::all();
        let place = Place { base: THUNKS + base, first_site: first_site as usize, thunks, registers, optimizations };
        x64::compile(&mut workshop, unit, place);
        let spot = Spot { base, first_site, va: unit.blocks[0].va };
        (workshop.a.finish().to_vec(), workshop.a.fields.clone(), workshop.sites, spot)
    };
    let (mut code, fields, mut sites, from) = make(here, 0x12340, 77);
    let (wanted, _, wanted_sites, to) = make(there, 0x0123_4560, 0x1_2345);
    assert!(move_unit(fields.bytes(), &mut code, &mut sites, from, to));
    [(code, format!("{sites:?}")), (wanted, format!("{wanted_sites:?}"))]
}
