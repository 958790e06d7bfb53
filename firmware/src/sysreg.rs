//! System register encodings as MRS and MSR (register) take them: `o0:op1:CRn:CRm:op2`, 15 bits.
//!
//! Spec: Arm ARM (DDI 0487), D23 "AArch64 System register descriptions". Only the registers that the programs use.

const fn sysreg(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> u32 {
    (op0 & 1) << 14 | op1 << 11 | crn << 7 | crm << 3 | op2
}

macro_rules! registers {
    ($($name:ident = $op0:literal $op1:literal $crn:literal $crm:literal $op2:literal;)*) => {
        $(pub(crate) const $name: u32 = sysreg($op0, $op1, $crn, $crm, $op2);)*
    };
}

registers! {
    DBGBVR0_EL1      = 2 0 0 0 4;
    DBGBCR0_EL1      = 2 0 0 0 5;
    DBGWVR1_EL1      = 2 0 0 1 6;
    DBGWCR1_EL1      = 2 0 0 1 7;
    DBGBVR4_EL1      = 2 0 0 4 4;
    DBGBCR4_EL1      = 2 0 0 4 5;
    MDSCR_EL1        = 2 0 0 2 2;
    OSLAR_EL1        = 2 0 1 0 4;
    MPIDR_EL1        = 3 0 0 0 5;
    ID_AA64PFR0_EL1  = 3 0 0 4 0;
    SCTLR_EL1        = 3 0 1 0 0;
    CPACR_EL1        = 3 0 1 0 2;
    TTBR0_EL1        = 3 0 2 0 0;
    TTBR1_EL1        = 3 0 2 0 1;
    TCR_EL1          = 3 0 2 0 2;
    SPSR_EL1         = 3 0 4 0 0;
    ELR_EL1          = 3 0 4 0 1;
    SP_EL0           = 3 0 4 1 0;
    CURRENT_EL       = 3 0 4 2 2;
    PAN              = 3 0 4 2 3;
    ICC_PMR_EL1      = 3 0 4 6 0;
    ESR_EL1          = 3 0 5 2 0;
    FAR_EL1          = 3 0 6 0 0;
    PAR_EL1          = 3 0 7 4 0;
    MAIR_EL1         = 3 0 10 2 0;
    VBAR_EL1         = 3 0 12 0 0;
    ICC_DIR_EL1      = 3 0 12 11 1;
    ICC_RPR_EL1      = 3 0 12 11 3;
    ICC_SGI1R_EL1    = 3 0 12 11 5;
    ICC_IAR1_EL1     = 3 0 12 12 0;
    ICC_EOIR1_EL1    = 3 0 12 12 1;
    ICC_BPR1_EL1     = 3 0 12 12 3;
    ICC_CTLR_EL1     = 3 0 12 12 4;
    ICC_SRE_EL1      = 3 0 12 12 5;
    ICC_IGRPEN1_EL1  = 3 0 12 12 7;
    CONTEXTIDR_EL1   = 3 0 13 0 1;
    TPIDR_EL1        = 3 0 13 0 4;
    CTR_EL0          = 3 3 0 0 1;
    NZCV             = 3 3 4 2 0;
    DAIF             = 3 3 4 2 1;
    FPCR             = 3 3 4 4 0;
    FPSR             = 3 3 4 4 1;
    CNTFRQ_EL0       = 3 3 14 0 0;
    CNTPCT_EL0       = 3 3 14 0 1;
    CNTVCT_EL0       = 3 3 14 0 2;
    CNTP_TVAL_EL0    = 3 3 14 2 0;
    CNTP_CTL_EL0     = 3 3 14 2 1;
    CNTP_CVAL_EL0    = 3 3 14 2 2;
    CNTV_TVAL_EL0    = 3 3 14 3 0;
    CNTV_CTL_EL0     = 3 3 14 3 1;
    CNTV_CVAL_EL0    = 3 3 14 3 2;
}
