//! The instruction table and its decoder.

use std::sync::LazyLock;

use super::insn;
use super::pattern::Pattern;
use crate::interp::Eval;
use crate::ir::block::Val;
use crate::ir::{Exception, Flow, Lift, Lifted};

/// One instruction.
pub struct Row {
    /// Name, unique.
    pub name: &'static str,
    /// The file that it is in.
    pub group: &'static str,
    /// Encoding.
    pub pattern: Pattern,
    /// Assembly text; see [`asm`](super::asm).
    pub asm: &'static str,
    /// Executes it.
    pub eval: fn(&mut Eval<'_>, u32) -> Result<Flow<u64>, Exception>,
    /// Records it.
    pub lift: fn(&mut Lift, u32) -> Result<Flow<Val>, Lifted>,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:08x}/{:08x}", self.name, self.pattern.value, self.pattern.mask)
    }
}

/// Makes a group's table from its rows:
///
/// ```text
/// name "pattern" "assembly text" |b, fields…| { body }
/// ```
/// The body is generic over [`Build`](crate::ir::Build) and ends in `Ok(Flow::…)`; `b` is the builder, the other
/// names are fields of the pattern as `u32`, or the pattern's `word` whole. `rows! { fp; … }` is for instructions
/// that CPACR_EL1 traps.
#[macro_export]
macro_rules! rows {
    (fp; $($rows:tt)*) => { $crate::rows!(@group [b; $crate::ir::Build::check_fp(b)?] $($rows)*); };
    (@group [$pb:ident; $prologue:expr] $(
        $(#[$meta:meta])* $name:ident $pattern:literal $asm:literal |$b:ident $(, $field:ident)* $(,)?| $body:block
    )*) => {
        /// The group's rows.
        pub static ROWS: &[$crate::a64::Row] = &[$( {
            const PATTERN: $crate::a64::Pattern = $crate::a64::Pattern::parse($pattern);
            #[allow(unused_variables, clippy::identity_op)]
            fn row<B: $crate::ir::Build>($b: &mut B, word: u32) -> Result<$crate::ir::Flow<B::I>, B::Stop> {
                { let $pb = &mut *$b; let _ = &$pb; $prologue; }
                $( let $field = $crate::rows!(@field $field PATTERN word); )*
                $body
            }
            $crate::a64::Row { name: stringify!($name), group: $crate::a64::group(module_path!()), pattern: PATTERN, asm: $asm, eval: |b, word| row(b, word), lift: |b, word| row(b, word) }
        } ),*];
    };
    (@field word $p:ident $word:ident) => { $word };
    (@field $field:ident $p:ident $word:ident) => {{
        const FIELD: $crate::a64::Field = $p.field(stringify!($field));
        FIELD.of($word)
    }};
    ($($rows:tt)*) => { $crate::rows!(@group [b; ()] $($rows)*); };
}

/// The last part of a module's path.
#[must_use]
pub const fn group(path: &'static str) -> &'static str {
    let mut start = path.len();
    while start > 0 && path.as_bytes()[start - 1] != b':' {
        start -= 1;
    }
    path.split_at(start).1
}

/// Every row, group after group.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    insn::GROUPS.iter().flat_map(|group| group.iter())
}

/// Bits 31:21 choose a bucket.
const fn bucket(word: u32) -> usize {
    (word >> 21) as usize
}

static BUCKETS: LazyLock<Vec<Vec<&'static Row>>> = LazyLock::new(|| {
    let mut buckets: Vec<Vec<&'static Row>> = vec![Vec::new(); 1 << 11];
    for row in rows() {
        for (index, list) in buckets.iter_mut().enumerate() {
            let mask = row.pattern.mask & 0xffe0_0000;
            if (index as u32) << 21 & mask == row.pattern.value & mask {
                list.push(row);
            }
        }
    }
    for list in &mut buckets {
        list.sort_by_key(|row| std::cmp::Reverse(row.pattern.mask.count_ones()));
    }
    buckets
});

/// The row that a word stands for; none when it is unallocated.
#[must_use]
pub fn decode(word: u32) -> Option<&'static Row> {
    BUCKETS[bucket(word)].iter().copied().find(|row| word & row.pattern.mask == row.pattern.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// House rule: two rows may overlap only where one mask strictly contains the other.
    #[test]
    fn rows_overlap_only_as_special_cases() {
        let all: Vec<_> = rows().collect();
        for (i, a) in all.iter().enumerate() {
            for b in &all[i + 1..] {
                let shared = a.pattern.mask & b.pattern.mask;
                if a.pattern.value & shared == b.pattern.value & shared {
                    let nested = shared == a.pattern.mask || shared == b.pattern.mask;
                    assert!(nested && a.pattern.mask != b.pattern.mask, "{a:?} and {b:?} overlap");
                }
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = rows().map(|row| row.name).collect();
        names.sort_unstable();
        for pair in names.windows(2) {
            assert_ne!(pair[0], pair[1]);
        }
    }

    #[test]
    fn every_row_decodes_to_itself() {
        for row in rows() {
            let found = decode(row.pattern.value).expect("a row's own value decodes");
            assert!(found.pattern.mask & row.pattern.mask == row.pattern.mask, "{row:?} is hidden by {found:?}");
        }
    }
}
