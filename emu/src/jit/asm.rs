//! The buffer that x86-64 code is assembled in, unit after unit: dynasm's interface over memory that is used again.
//!
//! Left out: global labels and absolute references, which no unit has.

use dynasmrt::components::LabelRegistry;
use dynasmrt::relocations::RelocationSize;
use dynasmrt::x64::X64Relocation;
use dynasmrt::{AssemblyOffset, DynamicLabel, DynasmApi, DynasmLabelApi};

use super::moving::{self, Fields};

/// Code of one unit.
#[derive(Debug, Default)]
pub(super) struct Asm {
    code: Vec<u8>,
    /// Where the code will run.
    base: u64,
    registry: LabelRegistry,
    /// Labels that are used again by one unit after another, by number.
    labels: Vec<DynamicLabel>,
    /// Offset of each label of this unit by its number, or [`UNDEFINED`].
    offsets: Vec<u32>,
    /// References to labels: the label's number, and the offset of a displacement to which the label's offset is added.
    open: Vec<(u32, u32)>,
    /// Local labels: the latest of each name, and references to the next.
    behind: Vec<(&'static str, usize)>,
    ahead: Vec<(&'static str, Field)>,
    /// What depends on where the unit is.
    pub fields: Fields,
}

/// The offset of a label that is not defined yet.
const UNDEFINED: u32 = u32::MAX;

/// A displacement in code that refers to a local label or outside the unit.
#[derive(Debug, Clone, Copy)]
struct Field {
    /// Offset of its first byte.
    at: usize,
    /// Offset that it counts from, less what is added to the target.
    from: usize,
    size: RelocationSize,
}

impl Asm {
    /// Begins a unit at `base`.
    pub fn begin(&mut self, base: u64) {
        self.code.clear();
        self.base = base;
        self.offsets.clear();
        self.open.clear();
        self.behind.clear();
        self.ahead.clear();
        self.fields.clear();
    }

    /// Says what the field is that begins so many bytes before here.
    pub fn mark(&mut self, field: moving::Field, bytes: usize) {
        self.fields.add(field, self.code.len() - bytes);
    }

    /// A label that is not defined yet.
    pub fn new_dynamic_label(&mut self) -> DynamicLabel {
        let number = self.offsets.len();
        self.offsets.push(UNDEFINED);
        if number == self.labels.len() {
            self.labels.push(self.registry.new_dynamic_label());
        }
        self.labels[number]
    }

    /// The unit's code, once every label is defined.
    pub fn finish(&mut self) -> &[u8] {
        for &(label, at) in &self.open {
            let target = self.offsets[label as usize];
            assert_ne!(target, UNDEFINED, "every label of a unit is defined");
            let field = &mut self.code[at as usize..][..4].as_chunks_mut().0[0];
            *field = u32::from_le_bytes(*field).wrapping_add(target).to_le_bytes();
        }
        assert!(self.ahead.is_empty(), "every local label of a unit is defined");
        &self.code
    }

    /// The unit's code, once it is finished.
    pub fn code(&self) -> &[u8] {
        &self.code
    }

    fn patch(&mut self, field: Field, target: usize) {
        let value = target.wrapping_sub(field.from) as isize;
        let bytes = &mut self.code[field.at..field.at + field.size.size()];
        field.size.write_value(bytes, value).expect("a displacement within a unit fits its field");
    }

    fn field(&self, target_offset: isize, field_offset: u8, ref_offset: u8, size: RelocationSize) -> Field {
        let here = self.code.len();
        let from = (here - usize::from(ref_offset)).wrapping_add_signed(-target_offset);
        Field { at: here - usize::from(field_offset), from, size }
    }
}

impl Extend<u8> for Asm {
    #[inline]
    fn extend<T: IntoIterator<Item = u8>>(&mut self, bytes: T) {
        self.code.extend(bytes);
    }
}

impl<'a> Extend<&'a u8> for Asm {
    #[inline]
    fn extend<T: IntoIterator<Item = &'a u8>>(&mut self, bytes: T) {
        self.code.extend(bytes);
    }
}

impl DynasmApi for Asm {
    #[inline]
    fn offset(&self) -> AssemblyOffset {
        AssemblyOffset(self.code.len())
    }
    #[inline]
    fn push(&mut self, byte: u8) {
        self.code.push(byte);
    }
    fn align(&mut self, alignment: usize, with: u8) {
        self.code.resize(self.code.len().next_multiple_of(alignment), with);
    }
}

/// The size of a field of x86-64 code by dynasm's number for it; all are relative, to a label or to an address.
fn size(encoding: u8) -> RelocationSize {
    match encoding & 0x3f {
        0 => RelocationSize::Byte,
        1 => RelocationSize::Word,
        2 => RelocationSize::DWord,
        _ => RelocationSize::QWord,
    }
}

impl DynasmLabelApi for Asm {
    type Relocation = X64Relocation;

    fn local_label(&mut self, name: &'static str) {
        let here = self.code.len();
        while let Some(n) = self.ahead.iter().position(|(other, _)| *other == name) {
            let (_, field) = self.ahead.swap_remove(n);
            self.patch(field, here);
        }
        match self.behind.iter_mut().find(|(other, _)| *other == name) {
            Some((_, at)) => *at = here,
            None => self.behind.push((name, here)),
        }
    }
    fn dynamic_label(&mut self, id: DynamicLabel) {
        let offset = &mut self.offsets[id.get_id()];
        debug_assert_eq!(*offset, UNDEFINED, "a label is defined once");
        *offset = self.code.len() as u32;
    }
    fn forward_reloc(&mut self, name: &'static str, target_offset: isize, field_offset: u8, ref_offset: u8, kind: u8) {
        let field = self.field(target_offset, field_offset, ref_offset, size(kind));
        self.ahead.push((name, field));
    }
    fn backward_reloc(&mut self, name: &'static str, target_offset: isize, field_offset: u8, ref_offset: u8, kind: u8) {
        let field = self.field(target_offset, field_offset, ref_offset, size(kind));
        let label = self.behind.iter().find(|(other, _)| *other == name);
        let target = label.expect("the label stands before").1;
        self.patch(field, target);
    }
    fn dynamic_reloc(&mut self, id: DynamicLabel, target_offset: isize, field_offset: u8, ref_offset: u8, kind: u8) {
        debug_assert_eq!(size(kind), RelocationSize::DWord, "no code is known to be near");
        let here = self.code.len();
        let from = (here - usize::from(ref_offset)).wrapping_add_signed(-target_offset) as u32;
        let at = here - usize::from(field_offset);
        self.code[at..][..4].copy_from_slice(&from.wrapping_neg().to_le_bytes());
        self.open.push((id.get_id() as u32, at as u32));
    }
    /// To an address outside the unit.
    fn value_reloc(&mut self, value: usize, field_offset: u8, ref_offset: u8, kind: u8) {
        let field = self.field(0, field_offset, ref_offset, size(kind));
        self.patch(field, value.wrapping_sub(self.base as usize));
        self.fields.add(moving::Field::Thunk, field.at);
    }

    fn global_label(&mut self, name: &'static str) {
        unreachable!("a unit has no global label, and not {name}");
    }
    fn global_relocation(&mut self, name: &'static str, _: isize, _: u8, _: u8, _: X64Relocation) {
        unreachable!("a unit has no global label, and not {name}");
    }
    // dynasm! gives kinds by number, as above.
    fn forward_relocation(&mut self, _: &'static str, _: isize, _: u8, _: u8, _: X64Relocation) {
        unreachable!("references come by number");
    }
    fn backward_relocation(&mut self, _: &'static str, _: isize, _: u8, _: u8, _: X64Relocation) {
        unreachable!("references come by number");
    }
    fn dynamic_relocation(&mut self, _: DynamicLabel, _: isize, _: u8, _: u8, _: X64Relocation) {
        unreachable!("references come by number");
    }
    fn value_relocation(&mut self, _: usize, _: u8, _: u8, _: X64Relocation) {
        unreachable!("references come by number");
    }
}
