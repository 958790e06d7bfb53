//! The instruction table against Arm's machine-readable specification (AARCHMRS), in the form of the BSD-licensed crate
//! `aarchmrs-instructions`.
//!
//! The crate has a module for each encoding and no list of them, so its sources are read. Left out: the conditions on
//! fields beyond an encoding's fixed bits, which QEMU judges in `a64.rs`.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use aarchmrs_instructions as _;
use emu::a64::rows;
use emu::ir::block::Term;
use handset_tests::a64::{KERNEL, Random, lift};

/// Words that have the bits of `mask` as in `value`.
#[derive(Debug, Clone, Copy)]
struct Words {
    mask: u32,
    value: u32,
}

impl Words {
    /// Those that are not among `others`.
    fn without(self, others: Self) -> Vec<Self> {
        let mut rest = Vec::new();
        let mut inside = self;
        if (self.value ^ others.value) & self.mask & others.mask != 0 {
            return vec![self];
        }
        for bit in (0..32).map(|n| 1 << n).filter(|bit| others.mask & !self.mask & bit != 0) {
            let outside = !others.value & bit;
            rest.push(Self { mask: inside.mask | bit, value: inside.value | outside });
            inside = Self { mask: inside.mask | bit, value: inside.value | outside ^ bit };
        }
        rest
    }

    fn without_all(self, others: impl Iterator<Item = Self>) -> Vec<Self> {
        others.fold(vec![self], |rest, others| rest.into_iter().flat_map(|words| words.without(others)).collect())
    }
}

/// An encoding of Arm's.
#[derive(Debug)]
struct Encoding {
    /// Its class: a path below `A64`, such as `dpimm/addsub_imm`.
    class: String,
    name: String,
    /// With SBZ and SBO bits as they should be.
    proper: Words,
    /// With any.
    tolerant: Words,
}

/// The crate's sources for A64, as the compiler's dependency file beside this test names them.
fn sources() -> BTreeSet<PathBuf> {
    let test = std::env::current_exe().expect("a test has a path");
    let folder = fs::read_dir(test.parent().expect("it is in a folder")).expect("the folder can be read");
    let files = folder.map(|entry| entry.expect("the folder can be read").path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("aarchmrs_instructions-") && name.ends_with(".d")
    });
    let text: String = files.filter_map(|path| fs::read_to_string(path).ok()).collect();
    let names = text.split([' ', '\n']).map(|name| name.trim_end_matches(':'));
    names.filter(|name| name.contains("/src/A64/")).map(PathBuf::from).filter(|path| path.is_file()).collect()
}

fn encodings() -> Vec<Encoding> {
    let mut encodings = Vec::new();
    for path in sources() {
        let name = path.with_extension("");
        let (_, class) = name.to_str().and_then(|name| name.split_once("/src/A64/")).expect("it was chosen by that");
        let text = fs::read_to_string(&path).expect("sources are text");
        for module in text.split("pub mod ").filter(|module| module.contains("OPCODE_MASK")) {
            let constant = |name: &str| {
                let digits = module.split(&format!("{name}: u32 = 0b")).nth(1).expect("the constant is there");
                u32::from_str_radix(&digits[..32], 2).expect("it has 32 binary digits")
            };
            let words = |mask| Words { mask, value: constant("OPCODE") & mask };
            let proper = words(constant("OPCODE_MASK"));
            let tolerant = words(constant("OPCODE_MASK") & !constant("SHOULD_BE_MASK"));
            let name = module.split(' ').next().expect("a module has a name").to_owned();
            encodings.push(Encoding { class: class.to_owned(), name, proper, tolerant });
        }
    }
    assert!(encodings.len() > 4000, "only {} encodings", encodings.len());
    encodings
}

#[test]
fn rows_execute_only_words_that_arm_has_allocated() {
    let encodings = encodings();
    let mut random = Random(1);
    let mut wrong = Vec::new();
    for row in rows() {
        let words = Words { mask: row.pattern.mask, value: row.pattern.value };
        for rest in words.without_all(encodings.iter().map(|encoding| encoding.tolerant)) {
            let samples = [0, u32::MAX].into_iter().chain(std::iter::repeat_with(|| random.bits() as u32).take(256));
            let mut samples = samples.map(|bits| bits & !rest.mask | rest.value);
            if let Some(word) = samples.find(|&word| lift(row, word, KERNEL).0.term != Term::Raised) {
                wrong.push(format!("{word:08x} {}", row.name));
            }
        }
    }
    assert!(wrong.is_empty(), "no encoding of Arm's has {wrong:#?}");
}

/// Classes of which a part has no row, and why. SVE and SME have none at all.
const PARTIAL: &[(&str, &[&str])] = &[
    ("values of a field are reserved", &["ldst/ldst_regoff", "simd_dp/asimddiff"]),
    ("UNDEFINED, which needs no row", &["reserved/perm_undef", "control/systeminstrs"]),
    ("halting debug", &["control/exception"]),
    ("PAuth", &["control/branch_reg", "control/miscbranch", "dpimm/dp_1src_imm", "ldst/ldst_pac"]),
    ("XS, WFxT", &["control/barriers", "control/systeminstrswithreg"]),
    ("HBC, CMPBR", &["control/condbranch", "control/compbranch_imm", "control/compbranch_regs"]),
    ("CMPBR, D128", &["control/compbranch_regs2", "control/syspairinstrs", "control/systemmovepr"]),
    (
        "CSSC, CPA, PAuth, MTE",
        &["dpreg/dp_1src", "dpreg/dp_2src", "dpreg/dp_3src", "dpreg/addsub_pt", "dpimm/minmax_imm"],
    ),
    (
        "MTE, LSUI",
        &["dpimm/addsub_immtags", "ldst/ldsttags", "ldst/ldstpair_off", "ldst/ldstpair_post", "ldst/ldstpair_pre"],
    ),
    ("LSUI", &["ldst/comswap_unpriv", "ldst/comswappr_unpriv", "ldst/ldstexclr_unpriv", "ldst/ldstnapair_offs"]),
    ("LRCPC3", &["ldst/asisdlso", "ldst/ldapstl_simd", "ldst/ldapstl_writeback", "ldst/ldiappstilp"]),
    ("LSFE, LS64, LSE128, LSUI, THE", &["ldst/memop", "ldst/memop_128", "ldst/memop_unpriv"]),
    ("THE, GCS, MOPS", &["ldst/rcwcomswap", "ldst/rcwcomswappr", "ldst/ldst_gcs", "ldst/memcms", "ldst/memset_go"]),
    ("FHM, BF16, I8MM, FP8", &["simd_dp/asimdelem", "simd_dp/asimdsame", "simd_dp/asimdsame2"]),
    ("FAMINMAX, LUT, FPRCVT", &["simd_dp/asimdsamefp16", "simd_dp/asimdtbl", "simd_dp/float2int"]),
    ("FRINTTS, BF16, FP8", &["simd_dp/asimdmisc", "simd_dp/floatdp1"]),
    ("extensions of 2025 and 2026", &["control/compfault_imm", "control/compfault_regs", "control/testfault"]),
    ("extensions of 2025 and 2026", &["control/tchange_imm", "control/tchange_reg", "control/extendedhints"]),
    ("extensions of 2025 and 2026", &["simd_dp/floatcmp", "simd_dp/floatdp2"]),
];

#[test]
fn every_encoding_of_the_other_classes_has_a_row() {
    let mut missing = Vec::new();
    for encoding in encodings() {
        let rows = rows().map(|row| Words { mask: row.pattern.mask, value: row.pattern.value });
        if !encoding.proper.without_all(rows).is_empty() {
            missing.push(encoding);
        }
    }
    let known = |class: &str| {
        let partial = PARTIAL.iter().flat_map(|(_, classes)| *classes).any(|&known| known == class);
        partial || class.starts_with("sve/") || class.starts_with("sme/")
    };
    let mut classes: Vec<_> = missing.iter().map(|encoding| encoding.class.as_str()).collect();
    classes.dedup();
    let unknown: Vec<_> =
        missing.iter().filter(|encoding| !known(&encoding.class)).map(|e| (&e.class, &e.name)).collect();
    assert!(unknown.is_empty(), "without a row: {unknown:#?}");
    let complete = |&&class: &&&str| !classes.contains(&class);
    let complete: Vec<_> = PARTIAL.iter().flat_map(|(_, classes)| *classes).filter(complete).collect();
    assert!(complete.is_empty(), "these have all their rows: {complete:?}");
}
