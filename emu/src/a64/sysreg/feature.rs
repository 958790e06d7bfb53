//! What a CPU model lacks, by its identification registers: instructions and registers that are then UNDEFINED.
//!
//! Left out: features that every model has.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::CpuModel;

/// A feature that some model lacks.
#[derive(Debug)]
pub struct Feature {
    /// The manual's name.
    pub name: &'static str,
    /// The identification register, its field's lowest bit, and the least value that says that the feature is there.
    field: (fn(&CpuModel) -> u64, u32, u64),
    /// Instructions, by their rows' names.
    instructions: &'static [&'static str],
    /// System registers.
    registers: &'static [&'static str],
}

const fn instructions(
    name: &'static str,
    field: (fn(&CpuModel) -> u64, u32, u64),
    instructions: &'static [&'static str],
) -> Feature {
    Feature { name, field, instructions, registers: &[] }
}

impl Feature {
    /// FEAT_CSV2_2: also SCTLR_EL1.TSCXT.
    pub const CSV2_2: Self = Self {
        name: "FEAT_CSV2_2",
        field: (|m| m.pfr0, 56, 2),
        instructions: &[],
        registers: &["SCXTNUM_EL0", "SCXTNUM_EL1"],
    };
    /// FEAT_E0PD: two bits of TCR_EL1.
    pub const E0PD: Self = instructions("FEAT_E0PD", (|m| m.mmfr2, 60, 1), &[]);

    /// Whether a model has it.
    #[must_use]
    pub fn is_in(&self, model: &CpuModel) -> bool {
        let (register, shift, least) = self.field;
        register(model) >> shift & 15 >= least
    }
}

/// Every feature that some model lacks.
static FEATURES: &[Feature] = &[
    Feature::CSV2_2,
    Feature::E0PD,
    instructions("FEAT_SHA512", (|m| m.isar0, 12, 2), &["sha512h", "sha512h2", "sha512su0", "sha512su1"]),
    instructions("FEAT_SHA3", (|m| m.isar0, 32, 1), &["eor3", "rax1", "xar", "bcax"]),
    instructions(
        "FEAT_SM3",
        (|m| m.isar0, 36, 1),
        &["sm3ss1", "sm3tt1a", "sm3tt1b", "sm3tt2a", "sm3tt2b", "sm3partw1", "sm3partw2"],
    ),
    instructions("FEAT_SM4", (|m| m.isar0, 40, 1), &["sm4e", "sm4ekey"]),
    instructions("FEAT_FlagM", (|m| m.isar0, 52, 1), &["cfinv", "rmif", "setf8", "setf16"]),
    instructions("FEAT_JSCVT", (|m| m.isar1, 12, 1), &["fjcvtzs"]),
    instructions("FEAT_FCMA", (|m| m.isar1, 16, 1), &["fcmla_v", "fcadd_v", "fcmla_element"]),
    instructions("FEAT_LRCPC2", (|m| m.isar1, 20, 2), &["stlur", "ldapur", "ldapursx", "ldapursw"]),
    instructions("FEAT_SB", (|m| m.isar1, 36, 1), &["sb"]),
];

static BY_NAME: LazyLock<HashMap<&str, &Feature>> = LazyLock::new(|| {
    let names =
        |feature: &'static Feature| feature.instructions.iter().chain(feature.registers).map(move |n| (*n, feature));
    FEATURES.iter().flat_map(names).collect()
});

impl CpuModel {
    /// Whether it lacks anything that another model has.
    #[must_use]
    pub fn lacks_features(&self) -> bool {
        FEATURES.iter().any(|feature| !feature.is_in(self))
    }

    /// Whether it has the instruction, or the system register, of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        BY_NAME.get(name).is_none_or(|feature| feature.is_in(self))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ID_MODELS, ROWS, model};
    use super::*;
    use crate::a64;

    #[test]
    fn every_name_in_the_table_is_an_instruction_or_a_register() {
        for feature in FEATURES {
            for name in feature.instructions {
                assert!(a64::rows().any(|row| row.name == *name), "{}: {name}", feature.name);
            }
            for name in feature.registers {
                assert!(ROWS.iter().any(|row| row.name == *name), "{}: {name}", feature.name);
            }
        }
    }

    #[test]
    fn whatever_a_model_lacks_beside_max_is_in_the_table() {
        let registers: [fn(&CpuModel) -> u64; 8] =
            [|m| m.pfr0, |m| m.pfr1, |m| m.dfr0, |m| m.isar0, |m| m.isar1, |m| m.mmfr0, |m| m.mmfr1, |m| m.mmfr2];
        let max = model("max").unwrap();
        assert!(!max.lacks_features());
        for lesser in ID_MODELS {
            for (index, register) in registers.iter().enumerate() {
                for shift in (0..64).step_by(4) {
                    let (less, most) = (register(lesser) >> shift & 15, register(max) >> shift & 15);
                    assert!(less <= most, "{} has more than max: register {index}, bit {shift}", lesser.name);
                    let known = FEATURES.iter().any(|f| {
                        let (_, at, least) = f.field;
                        (f.field.0)(max) == register(max) && at == shift && less < least && least <= most
                    });
                    assert!(less == most || known, "{} lacks register {index}, bit {shift}", lesser.name);
                }
            }
        }
    }

    #[test]
    fn a_cortex_a76_has_lse_and_no_sha3() {
        let a76 = model("cortex-a76").unwrap();
        assert!(a76.lacks_features() && a76.has("aese") && a76.has("ldapr") && a76.has("SCTLR_EL1"));
        assert!(!a76.has("eor3") && !a76.has("fjcvtzs") && !a76.has("ldapur") && !a76.has("SCXTNUM_EL0"));
    }
}
