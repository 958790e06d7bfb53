//! The table of system registers.

use std::collections::HashMap;
use std::sync::LazyLock;

use devices::bus::IccReg;

use super::CpuModel;
use crate::ir::SysEnc;
use crate::state::{El, SysRegs};

/// Registers that are more than storage; `cpu` says what reading and writing them does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the manual's names")]
pub enum Special {
    CurrentEl,
    SpSel,
    Daif,
    Pan,
    Uao,
    Fpcr,
    Fpsr,
    SpEl0,
    Mpidr,
    Ctr,
    CntVct,
    CntPct,
    CntVTval,
    CntPTval,
    CntVCtl,
    CntPCtl,
    CntVCval,
    CntPCval,
    Isr,
    Oslar,
    Oslsr,
    ClaimSet,
    ClaimClr,
    Pfr0,
    Ccsidr,
    /// What arms breakpoints and watchpoints, and software step.
    Debug,
    /// Stage 1 control (SCTLR, TCR, TTBRn, MAIR, CPACR): the context or the TLB's keys change.
    Translation,
    PmCcntr,
    PmEvcntr(u8),
    PmXevcntr,
    PmXevtyper,
    PmSwinc,
    PmOvsSet,
    PmOvsClr,
    PmCntenSet,
    PmCntenClr,
    PmIntenSet,
    PmIntenClr,
    PmCr,
    PmUserenr,
    Icc(IccReg),
}

/// What a register is.
#[derive(Debug, Clone, Copy)]
pub enum What {
    /// A constant that the model gives.
    Id(fn(&CpuModel) -> u64),
    /// Storage, of which MSR changes the masked bits.
    Plain(fn(&mut SysRegs) -> &mut u64, u64),
    /// Storage whose change matters to others.
    Hooked(fn(&mut SysRegs) -> &mut u64, u64, Special),
    /// Something else.
    Special(Special),
}

/// One register.
#[derive(Debug, Clone, Copy)]
pub struct SysRow {
    /// The manual's name.
    pub name: &'static str,
    /// Encoding.
    pub enc: SysEnc,
    /// Lowest level that may read it.
    pub read: Option<El>,
    /// Lowest level that may write it.
    pub write: Option<El>,
    /// What it is.
    pub what: What,
}

const E0: Option<El> = Some(El::El0);
const E1: Option<El> = Some(El::El1);
const NO: Option<El> = None;
const ALL: u64 = u64::MAX;
const LOW: u64 = 0xffff_ffff;
/// MDSCR_EL1: SS, ERR, TDCC, KDE, HDE, MDE, and what a debugger would keep there while the OS is locked.
const MDSCR: u64 = 1 | 1 << 6 | 0b1111 << 12 | 0b111 << 21 | 0b1111 << 26;
/// SCTLR_EL1: M, A, C, SA, SA0, UMA, I, DZE, UCT, nTWI, nTWE, WXN, TSCXT, SPAN, UCI. Data is little-endian only.
const SCTLR: u64 = 0b1_1111 | 1 << 9 | 1 << 12 | 0b111 << 14 | 0b111 << 18 | 1 << 23 | 1 << 26;

macro_rules! sysregs {
    ($( $name:literal $op0:literal $op1:literal $crn:literal $crm:literal $op2:literal $read:ident $write:ident $what:expr; )*) => {
        /// Every register but those with an index; see [`find`].
        pub static ROWS: &[SysRow] = &[$( SysRow {
            name: $name, enc: SysEnc::new($op0, $op1, $crn, $crm, $op2), read: $read, write: $write, what: $what,
        } ),*];
    };
}

use Special as S;
use What::{Hooked, Id, Plain};

sysregs! {
    "OSDTRRX_EL1" 2 0 0 0 2 E1 E1 Plain(|s| &mut s.osdtrrx, LOW);
    "MDCCINT_EL1" 2 0 0 2 0 E1 E1 Plain(|s| &mut s.mdccint, LOW);
    "MDSCR_EL1" 2 0 0 2 2 E1 E1 Hooked(|s| &mut s.mdscr, MDSCR, S::Debug);
    "OSDTRTX_EL1" 2 0 0 3 2 E1 E1 Plain(|s| &mut s.osdtrtx, LOW);
    "OSECCR_EL1" 2 0 0 6 2 E1 E1 Plain(|s| &mut s.oseccr, LOW);
    "MDRAR_EL1" 2 0 1 0 0 E1 NO Id(|_| 0);
    "OSLAR_EL1" 2 0 1 0 4 NO E1 What::Special(S::Oslar);
    "OSLSR_EL1" 2 0 1 1 4 E1 NO What::Special(S::Oslsr);
    "OSDLR_EL1" 2 0 1 3 4 E1 E1 Hooked(|s| &mut s.osdlr, 1, S::Debug);
    "DBGPRCR_EL1" 2 0 1 4 4 E1 E1 Hooked(|s| &mut s.dbgprcr, 1, S::Debug);
    "DBGCLAIMSET_EL1" 2 0 7 8 6 E1 E1 What::Special(S::ClaimSet);
    "DBGCLAIMCLR_EL1" 2 0 7 9 6 E1 E1 What::Special(S::ClaimClr);
    "DBGAUTHSTATUS_EL1" 2 0 7 14 6 E1 NO Id(|_| 0);
    // The debug communications channel has nobody at its other end.
    "MDCCSR_EL0" 2 3 0 1 0 E0 NO Id(|_| 0);
    "DBGDTR_EL0" 2 3 0 4 0 E0 E0 Id(|_| 0);
    "DBGDTRRX_EL0" 2 3 0 5 0 E0 E0 Id(|_| 0);

    "MIDR_EL1" 3 0 0 0 0 E1 NO Id(|m| m.midr);
    "MPIDR_EL1" 3 0 0 0 5 E1 NO What::Special(S::Mpidr);
    "REVIDR_EL1" 3 0 0 0 6 E1 NO Id(|_| 0);
    "ID_AA64PFR0_EL1" 3 0 0 4 0 E1 NO What::Special(S::Pfr0);
    "ID_AA64PFR1_EL1" 3 0 0 4 1 E1 NO Id(|m| m.pfr1);
    "ID_AA64DFR0_EL1" 3 0 0 5 0 E1 NO Id(|m| m.dfr0);
    "ID_AA64ISAR0_EL1" 3 0 0 6 0 E1 NO Id(|m| m.isar0);
    "ID_AA64ISAR1_EL1" 3 0 0 6 1 E1 NO Id(|m| m.isar1);
    "ID_AA64MMFR0_EL1" 3 0 0 7 0 E1 NO Id(|m| m.mmfr0);
    "ID_AA64MMFR1_EL1" 3 0 0 7 1 E1 NO Id(|m| m.mmfr1);
    "ID_AA64MMFR2_EL1" 3 0 0 7 2 E1 NO Id(|m| m.mmfr2);

    "SCTLR_EL1" 3 0 1 0 0 E1 E1 Hooked(|s| &mut s.sctlr, SCTLR, S::Translation);
    "ACTLR_EL1" 3 0 1 0 1 E1 E1 Plain(|s| &mut s.actlr, 0);
    "CPACR_EL1" 3 0 1 0 2 E1 E1 Hooked(|s| &mut s.cpacr, 3 << 20, S::Translation);
    "TTBR0_EL1" 3 0 2 0 0 E1 E1 Hooked(|s| &mut s.ttbr[0], ALL, S::Translation);
    "TTBR1_EL1" 3 0 2 0 1 E1 E1 Hooked(|s| &mut s.ttbr[1], ALL, S::Translation);
    "TCR_EL1" 3 0 2 0 2 E1 E1 Hooked(|s| &mut s.tcr, ALL, S::Translation);
    "SPSR_EL1" 3 0 4 0 0 E1 E1 Plain(|s| &mut s.spsr, LOW);
    "ELR_EL1" 3 0 4 0 1 E1 E1 Plain(|s| &mut s.elr, ALL);
    "SP_EL0" 3 0 4 1 0 E1 E1 What::Special(S::SpEl0);
    "SPSel" 3 0 4 2 0 E1 E1 What::Special(S::SpSel);
    "CurrentEL" 3 0 4 2 2 E1 NO What::Special(S::CurrentEl);
    "PAN" 3 0 4 2 3 E1 E1 What::Special(S::Pan);
    "UAO" 3 0 4 2 4 E1 E1 What::Special(S::Uao);
    "ICC_PMR_EL1" 3 0 4 6 0 E1 E1 What::Special(S::Icc(IccReg::Pmr));
    "AFSR0_EL1" 3 0 5 1 0 E1 E1 Plain(|s| &mut s.afsr0, 0);
    "AFSR1_EL1" 3 0 5 1 1 E1 E1 Plain(|s| &mut s.afsr1, 0);
    "ESR_EL1" 3 0 5 2 0 E1 E1 Plain(|s| &mut s.esr, ALL);
    "FAR_EL1" 3 0 6 0 0 E1 E1 Plain(|s| &mut s.far, ALL);
    "PAR_EL1" 3 0 7 4 0 E1 E1 Plain(|s| &mut s.par, ALL);
    "PMINTENSET_EL1" 3 0 9 14 1 E1 E1 What::Special(S::PmIntenSet);
    "PMINTENCLR_EL1" 3 0 9 14 2 E1 E1 What::Special(S::PmIntenClr);
    "MAIR_EL1" 3 0 10 2 0 E1 E1 Hooked(|s| &mut s.mair, ALL, S::Translation);
    "AMAIR_EL1" 3 0 10 3 0 E1 E1 Plain(|s| &mut s.amair, 0);
    // No limited ordering regions but all of memory.
    "LORSA_EL1" 3 0 10 4 0 E1 E1 Id(|_| 0);
    "LOREA_EL1" 3 0 10 4 1 E1 E1 Id(|_| 0);
    "LORN_EL1" 3 0 10 4 2 E1 E1 Id(|_| 0);
    "LORC_EL1" 3 0 10 4 3 E1 E1 Id(|_| 0);
    "LORID_EL1" 3 0 10 4 7 E1 NO Id(|_| 0);
    "VBAR_EL1" 3 0 12 0 0 E1 E1 Plain(|s| &mut s.vbar, !0x7ff);
    "RVBAR_EL1" 3 0 12 0 1 E1 NO Id(|_| 0);
    "ISR_EL1" 3 0 12 1 0 E1 NO What::Special(S::Isr);
    "ICC_IAR0_EL1" 3 0 12 8 0 E1 NO What::Special(S::Icc(IccReg::Iar0));
    "ICC_EOIR0_EL1" 3 0 12 8 1 NO E1 What::Special(S::Icc(IccReg::Eoir0));
    "ICC_HPPIR0_EL1" 3 0 12 8 2 E1 NO What::Special(S::Icc(IccReg::Hppir0));
    "ICC_BPR0_EL1" 3 0 12 8 3 E1 E1 What::Special(S::Icc(IccReg::Bpr0));
    "ICC_AP0R0_EL1" 3 0 12 8 4 E1 E1 What::Special(S::Icc(IccReg::Ap0r(0)));
    "ICC_AP1R0_EL1" 3 0 12 9 0 E1 E1 What::Special(S::Icc(IccReg::Ap1r(0)));
    "ICC_DIR_EL1" 3 0 12 11 1 NO E1 What::Special(S::Icc(IccReg::Dir));
    "ICC_RPR_EL1" 3 0 12 11 3 E1 NO What::Special(S::Icc(IccReg::Rpr));
    "ICC_SGI1R_EL1" 3 0 12 11 5 NO E1 What::Special(S::Icc(IccReg::Sgi1r));
    "ICC_ASGI1R_EL1" 3 0 12 11 6 NO E1 What::Special(S::Icc(IccReg::Asgi1r));
    "ICC_SGI0R_EL1" 3 0 12 11 7 NO E1 What::Special(S::Icc(IccReg::Sgi0r));
    "ICC_IAR1_EL1" 3 0 12 12 0 E1 NO What::Special(S::Icc(IccReg::Iar1));
    "ICC_EOIR1_EL1" 3 0 12 12 1 NO E1 What::Special(S::Icc(IccReg::Eoir1));
    "ICC_HPPIR1_EL1" 3 0 12 12 2 E1 NO What::Special(S::Icc(IccReg::Hppir1));
    "ICC_BPR1_EL1" 3 0 12 12 3 E1 E1 What::Special(S::Icc(IccReg::Bpr1));
    "ICC_CTLR_EL1" 3 0 12 12 4 E1 E1 What::Special(S::Icc(IccReg::Ctlr));
    "ICC_SRE_EL1" 3 0 12 12 5 E1 E1 What::Special(S::Icc(IccReg::Sre));
    "ICC_IGRPEN0_EL1" 3 0 12 12 6 E1 E1 What::Special(S::Icc(IccReg::Igrpen0));
    "ICC_IGRPEN1_EL1" 3 0 12 12 7 E1 E1 What::Special(S::Icc(IccReg::Igrpen1));
    "CONTEXTIDR_EL1" 3 0 13 0 1 E1 E1 Plain(|s| &mut s.contextidr, LOW);
    "TPIDR_EL1" 3 0 13 0 4 E1 E1 Plain(|s| &mut s.tpidr_el1, ALL);
    "SCXTNUM_EL1" 3 0 13 0 7 E1 E1 Plain(|s| &mut s.scxtnum_el1, ALL);
    "CNTKCTL_EL1" 3 0 14 1 0 E1 E1 Plain(|s| &mut s.cntkctl, 0x3_ffff);

    "CCSIDR_EL1" 3 1 0 0 0 E1 NO What::Special(S::Ccsidr);
    "CLIDR_EL1" 3 1 0 0 1 E1 NO Id(|_| 1 << 27 | 1 << 24 | 1 << 21 | 3);
    "AIDR_EL1" 3 1 0 0 7 E1 NO Id(|_| 0);
    "CSSELR_EL1" 3 2 0 0 0 E1 E1 Plain(|s| &mut s.csselr, 0xf);

    "CTR_EL0" 3 3 0 0 1 E0 NO What::Special(S::Ctr);
    "DCZID_EL0" 3 3 0 0 7 E0 NO Id(|_| super::DCZID);
    "DAIF" 3 3 4 2 1 E0 E0 What::Special(S::Daif);
    "FPCR" 3 3 4 4 0 E0 E0 What::Special(S::Fpcr);
    "FPSR" 3 3 4 4 1 E0 E0 What::Special(S::Fpsr);
    "PMCR_EL0" 3 3 9 12 0 E0 E0 What::Special(S::PmCr);
    "PMCNTENSET_EL0" 3 3 9 12 1 E0 E0 What::Special(S::PmCntenSet);
    "PMCNTENCLR_EL0" 3 3 9 12 2 E0 E0 What::Special(S::PmCntenClr);
    "PMOVSCLR_EL0" 3 3 9 12 3 E0 E0 What::Special(S::PmOvsClr);
    "PMSWINC_EL0" 3 3 9 12 4 NO E0 What::Special(S::PmSwinc);
    "PMSELR_EL0" 3 3 9 12 5 E0 E0 Hooked(|s| &mut s.pmselr, 0x1f, S::PmUserenr);
    "PMCEID0_EL0" 3 3 9 12 6 E0 NO Id(|_| 1 << 0x11 | 1 << 8);
    "PMCEID1_EL0" 3 3 9 12 7 E0 NO Id(|_| 0);
    "PMCCNTR_EL0" 3 3 9 13 0 E0 E0 What::Special(S::PmCcntr);
    "PMXEVTYPER_EL0" 3 3 9 13 1 E0 E0 What::Special(S::PmXevtyper);
    "PMXEVCNTR_EL0" 3 3 9 13 2 E0 E0 What::Special(S::PmXevcntr);
    "PMUSERENR_EL0" 3 3 9 14 0 E0 E1 Plain(|s| &mut s.pmuserenr, 0xf);
    "PMOVSSET_EL0" 3 3 9 14 3 E0 E0 What::Special(S::PmOvsSet);
    "TPIDR_EL0" 3 3 13 0 2 E0 E0 Plain(|s| &mut s.tpidr_el0, ALL);
    "TPIDRRO_EL0" 3 3 13 0 3 E0 E1 Plain(|s| &mut s.tpidrro_el0, ALL);
    "SCXTNUM_EL0" 3 3 13 0 7 E0 E0 Plain(|s| &mut s.scxtnum_el0, ALL);
    "CNTFRQ_EL0" 3 3 14 0 0 E0 E1 Plain(|s| &mut s.cntfrq, LOW);
    "CNTPCT_EL0" 3 3 14 0 1 E0 NO What::Special(S::CntPct);
    "CNTVCT_EL0" 3 3 14 0 2 E0 NO What::Special(S::CntVct);
    "CNTP_TVAL_EL0" 3 3 14 2 0 E0 E0 What::Special(S::CntPTval);
    "CNTP_CTL_EL0" 3 3 14 2 1 E0 E0 What::Special(S::CntPCtl);
    "CNTP_CVAL_EL0" 3 3 14 2 2 E0 E0 What::Special(S::CntPCval);
    "CNTV_TVAL_EL0" 3 3 14 3 0 E0 E0 What::Special(S::CntVTval);
    "CNTV_CTL_EL0" 3 3 14 3 1 E0 E0 What::Special(S::CntVCtl);
    "CNTV_CVAL_EL0" 3 3 14 3 2 E0 E0 What::Special(S::CntVCval);
    "PMCCFILTR_EL0" 3 3 14 15 7 E0 E0 Plain(|s| &mut s.pmccfiltr, 0xfc00_0000);
}

macro_rules! indexed {
    (@one pmevtyper $i:literal $mask:expr) => { Plain(|s| &mut s.pmevtyper[$i], $mask) };
    (@one $field:ident $i:literal $mask:expr) => { Hooked(|s| &mut s.$field[$i], $mask, S::Debug) };
    ($field:ident, $mask:expr, [$($i:literal)*], $n:expr) => {
        match $n { $( $i => Some(indexed!(@one $field $i $mask)), )* _ => None }
    };
}

/// Breakpoints, watchpoints and event counters, whose encodings carry an index.
fn find_indexed(enc: SysEnc) -> Option<SysRow> {
    let (op0, op1, crn, crm, op2) = enc.parts();
    let (name, level, what) = match (op0, op1, crn, op2) {
        (2, 0, 0, 4) => ("DBGBVRn_EL1", E1, indexed!(dbgbvr, ALL, [0 1 2 3 4 5], crm)),
        (2, 0, 0, 5) => ("DBGBCRn_EL1", E1, indexed!(dbgbcr, 0x00ff_e1e7, [0 1 2 3 4 5], crm)),
        (2, 0, 0, 6) => ("DBGWVRn_EL1", E1, indexed!(dbgwvr, !3, [0 1 2 3], crm)),
        (2, 0, 0, 7) => ("DBGWCRn_EL1", E1, indexed!(dbgwcr, 0x1f1f_ffff, [0 1 2 3], crm)),
        (3, 3, 14, n) if crm == 8 && n < 4 => ("PMEVCNTRn_EL0", E0, Some(What::Special(S::PmEvcntr(n as u8)))),
        (3, 3, 14, n) if crm == 12 => ("PMEVTYPERn_EL0", E0, indexed!(pmevtyper, LOW, [0 1 2 3], n)),
        // The identification space reads as zero where nothing is allocated (D17.1.3).
        (3, 0, 0, _) if (1..8).contains(&crm) => {
            return Some(SysRow { name: "reserved ID register", enc, read: E1, write: NO, what: Id(|_| 0) });
        }
        _ => return None,
    };
    Some(SysRow { name, enc, read: level, write: level, what: what? })
}

static BY_ENC: LazyLock<HashMap<SysEnc, &'static SysRow>> =
    LazyLock::new(|| ROWS.iter().map(|row| (row.enc, row)).collect());

/// The register of an encoding.
#[must_use]
pub fn find(enc: SysEnc) -> Option<SysRow> {
    BY_ENC.get(&enc).map(|row| **row).or_else(|| find_indexed(enc))
}

/// Every register by its name, those with an index too.
pub fn system_registers() -> impl Iterator<Item = (String, SysRow)> {
    let plain = ROWS.iter().map(|row| (row.name.to_owned(), *row));
    let debug = (0..16).flat_map(|n| (4..8).map(move |op2| (n, SysEnc::new(2, 0, 0, n, op2))));
    let counters = (0..8).flat_map(|n| [8, 12].map(|crm| (n, SysEnc::new(3, 3, 14, crm, n))));
    let indexed = debug.chain(counters).filter_map(|(n, enc)| Some((n, find_indexed(enc)?)));
    plain.chain(indexed.map(|(n, row)| (row.name.replacen("n_", &format!("{n}_"), 1), row)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_and_names_are_unique() {
        let mut encs: Vec<_> = ROWS.iter().map(|r| r.enc).collect();
        encs.sort_unstable();
        assert!(encs.windows(2).all(|w| w[0] != w[1]));
        assert_eq!(find(SysEnc::new(3, 0, 1, 0, 0)).unwrap().name, "SCTLR_EL1");
        assert_eq!(find(SysEnc::new(2, 0, 0, 5, 4)).unwrap().name, "DBGBVRn_EL1");
        assert!(find(SysEnc::new(3, 7, 15, 15, 7)).is_none());
    }
}
