//! Identification registers: what a CPU model says of itself (DDI 0487, D17.2).

/// A named set of identification register values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the manual's names")]
pub struct CpuModel {
    pub name: &'static str,
    /// In a few words, for people.
    pub about: &'static str,
    pub midr: u64,
    pub pfr0: u64,
    pub pfr1: u64,
    pub dfr0: u64,
    pub isar0: u64,
    pub isar1: u64,
    pub mmfr0: u64,
    pub mmfr1: u64,
    pub mmfr2: u64,
}

/// CTR_EL0: IDC set, DIC clear, 64-byte lines, 16-word granules (D17.2.34).
pub const CTR: u64 = 1 << 31 | 1 << 28 | 4 << 24 | 4 << 20 | 4 << 16 | 3 << 14 | 4;

/// DCZID_EL0: DC ZVA zeroes 16 words.
pub const DCZID: u64 = 4;

/// Fields of four bits, from the top (bits 63:60) down.
const fn fields(f: [u64; 16]) -> u64 {
    let (mut value, mut i) = (0, 0);
    while i < 16 {
        value = value << 4 | f[i];
        i += 1;
    }
    value
}

/// What Handset emulates unless told otherwise: Armv8.2-A with the extensions that code for phones uses.
///
/// CSV2 and CSV3 and E0PD say that no software mitigation against speculation is needed, so that kernels run without
/// KPTI; none of the host's secrets are in the guest's address space anyway.
const HANDSET: CpuModel = CpuModel {
    name: "handset",
    about: "Armv8.2-A and what code for phones uses beyond it (the default)",
    midr: 0x000f_0000 | 0xd << 8,
    //             CSV3 CSV2 RME DIT  AMU MPAM SEL2 SVE  RAS GIC SIMD FP  EL3 EL2 EL1 EL0
    pfr0: fields([1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1]),
    pfr1: 0,
    //                                CTX     WRP     BRP PMU TRC DBG
    dfr0: fields([0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 3, 0, 5, 1, 0, 6]),
    //             RNDR TLB TS FHM DP SM4 SM3 SHA3 RDM TME ATOM CRC SHA2 SHA1 AES -
    isar0: fields([0, 0, 1, 0, 1, 1, 1, 1, 1, 0, 2, 1, 2, 1, 2, 0]),
    //             LS64 XS I8MM DGH BF16 SPEC SB FRINT GPI GPA LRCPC FCMA JSCVT API APA DPB
    isar1: fields([0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 1, 1, 0, 0, 1]),
    //             ECV FGT - - EXS TG4_2 TG64_2 TG16_2 TG4 TG64 TG16 BEEL0 SNS BE ASID PA
    mmfr0: fields([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 4]),
    //             - - - - - - TIDCP - XNX SPEC PAN LO HPDS VH VMID HAFDBS
    mmfr1: fields([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 1, 1, 0, 0, 2]),
    //             E0PD EVT BBM TTL - FWB IDS AT ST NV CCIDX VARANGE IESB LSM UAO CNP
    mmfr2: fields([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]),
};

/// The whole instruction set. What costs speed, such as pointer authentication, would be here only.
const MAX: CpuModel = CpuModel { name: "max", about: "everything that Handset implements", ..HANDSET };

/// Cortex-A76 r4p1 (TRM 100798): Armv8.2-A with the dot product, LRCPC, and the cryptographic extension. What Handset
/// has not (AArch32, EL2, EL3, RAS, SSBS) is left out, and what its core has everywhere (sizes of addresses, performance
/// monitors, debug) is as in the others.
const CORTEX_A76: CpuModel = CpuModel {
    name: "cortex-a76",
    about: "the Armv8.2-A core of phones of 2019, as far as Handset has it",
    midr: 0x414f_d0b1,
    pfr0: fields([1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1]),
    isar0: fields([0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 2, 1, 1, 1, 2, 0]),
    isar1: fields([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]),
    mmfr2: fields([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1]),
    ..HANDSET
};

/// The models that `--cpu` takes; the first is the default.
pub static ID_MODELS: &[CpuModel] = &[HANDSET, MAX, CORTEX_A76];

/// The model of a name.
#[must_use]
pub fn model(name: &str) -> Option<&'static CpuModel> {
    ID_MODELS.iter().find(|model| model.name == name)
}
