//! Hints, barriers, PSTATE, system registers and system instructions (DDI 0487, C4.1.93).
//!
//! What a register or a system instruction does, and who may use it, is the business of [`Env`](crate::ir::Env).
//! SYSL has no row: no allocated system instruction returns a value.

use crate::ir::{Barrier, Flow, SysEnc, Wait};

crate::rows! {
    /// All hints that are not below: NOP, the pointer authentication and BTI hints, ESB, CSDB and unallocated ones.
    hint "1101010100 0 00 011 0010 crm:4 op2:3 11111" "hint #{crm:op2}"
    |b| {
        Ok(Flow::Next)
    }

    nop "1101010100 0 00 011 0010 0000 000 11111" "nop"
    |b| {
        Ok(Flow::Next)
    }

    yield_ "1101010100 0 00 011 0010 0000 001 11111" "yield"
    |b| {
        b.wait(Wait::Yield)?;
        Ok(Flow::Sync)
    }

    wfe "1101010100 0 00 011 0010 0000 010 11111" "wfe"
    |b| {
        b.wait(Wait::Wfe)?;
        Ok(Flow::Sync)
    }

    wfi "1101010100 0 00 011 0010 0000 011 11111" "wfi"
    |b| {
        b.wait(Wait::Wfi)?;
        Ok(Flow::Sync)
    }

    sev "1101010100 0 00 011 0010 0000 100 11111" "sev"
    |b| {
        b.wait(Wait::Sev)?;
        Ok(Flow::Next)
    }

    sevl "1101010100 0 00 011 0010 0000 101 11111" "sevl"
    |b| {
        b.wait(Wait::Sevl)?;
        Ok(Flow::Next)
    }

    clrex "1101010100 0 00 011 0011 crm:4 010 11111" "clrex #{crm}"
    |b| {
        b.clear_exclusive();
        Ok(Flow::Next)
    }

    dsb "1101010100 0 00 011 0011 crm:4 100 11111" "dsb #{crm}"
    |b| {
        b.barrier(Barrier::Dsb);
        Ok(Flow::Next)
    }

    dmb "1101010100 0 00 011 0011 crm:4 101 11111" "dmb #{crm}"
    |b, crm| {
        b.barrier(match crm & 3 {
            1 => Barrier::DmbLoad,
            2 => Barrier::DmbStore,
            _ => Barrier::Dmb,
        });
        Ok(Flow::Next)
    }

    isb "1101010100 0 00 011 0011 crm:4 110 11111" "isb #{crm}"
    |b| {
        b.isb();
        Ok(Flow::Fence)
    }

    /// A barrier to speculation, of which there is none.
    sb "1101010100 0 00 011 0011 0000 111 11111" "sb"
    |b| {
        Ok(Flow::Next)
    }

    cfinv "1101010100 0 00 000 0100 0000 000 11111" "cfinv"
    |b| {
        let (nzcv, c) = (b.nzcv(), b.imm(2));
        let nzcv = b.xor32(nzcv, c);
        b.set_nzcv(nzcv);
        Ok(Flow::Next)
    }

    msr_imm "1101010100 0 00 op1:3 0100 crm:4 op2:3 11111" "msr pstate_{op1}_{op2}, #{crm}"
    |b, op1, crm, op2| {
        b.msr_imm(op1 << 3 | op2, crm)?;
        const DEBUG: u32 = 8;
        Ok(match (op1, op2) {
            (3, 6) => Flow::Next,
            (3, 7) if crm & DEBUG == 0 => Flow::Poll,
            _ => Flow::Sync,
        })
    }

    sys "1101010100 0 01 op1:3 crn:4 crm:4 op2:3 rt:5" "sys #{op1}, c{crn}, c{crm}, #{op2}, {rt|x}"
    |b, op1, crn, crm, op2, rt| {
        let value = b.x(rt);
        b.sys_op(SysEnc::new(1, op1 as u16, crn as u16, crm as u16, op2 as u16), value)?;
        Ok(if is_cache(op1, crn, crm) { Flow::Next } else { Flow::Sync })
    }

    msr "1101010100 0 1 enc:15 rt:5" "msr {enc|sysreg}, {rt|x}"
    |b, enc, rt| {
        let enc = SysEnc(1 << 15 | enc as u16);
        let value = b.x(rt);
        b.sys_write(enc, value)?;
        const DAIF: SysEnc = SysEnc::new(3, 3, 4, 2, 1);
        Ok(match enc {
            DAIF => Flow::Poll,
            _ if changes_context(enc) => Flow::Sync,
            _ => Flow::Next,
        })
    }

    mrs "1101010100 1 1 enc:15 rt:5" "mrs {rt|x}, {enc|sysreg}"
    |b, enc, rt| {
        let value = b.sys_read(SysEnc(1 << 15 | enc as u16))?;
        b.set_x(rt, value);
        Ok(Flow::Next)
    }

    msr_nzcv "1101010100 0 11 011 0100 0010 000 rt:5" "msr nzcv, {rt|x}"
    |b, rt| {
        let (t, by) = (b.x(rt), b.imm(28));
        let nzcv = b.shr32(t, by);
        b.set_nzcv(nzcv);
        Ok(Flow::Next)
    }

    mrs_nzcv "1101010100 1 11 011 0100 0010 000 rt:5" "mrs {rt|x}, nzcv"
    |b, rt| {
        let (nzcv, by) = (b.nzcv(), b.imm(28));
        let nzcv = b.shl32(nzcv, by);
        b.set_x(rt, nzcv);
        Ok(Flow::Next)
    }
}

/// DC by address or set, which leaves code and translations alone, and IC by address, which need not matter to what runs
/// before the next ISB.
fn is_cache(op1: u32, crn: u32, crm: u32) -> bool {
    crn == 7 && matches!((op1, crm), (3, 4 | 5 | 10 | 11 | 12 | 13 | 14) | (0, 6 | 10 | 14))
}

/// Whether writing a system register can change what later instructions mean or which interrupts are taken.
///
/// Everything does, but for those that are known to be mere storage, counters or timers.
fn changes_context(enc: SysEnc) -> bool {
    !matches!(
        enc.parts(),
        (3, 0, 4, 0, 0 | 1) // SPSR_EL1, ELR_EL1
            | (3, 0, 4, 1, 0) // SP_EL0
            | (3, 3, 4, 4, 1) // FPSR
            | (3, 0, 5, 1, 0 | 1) // AFSR0_EL1, AFSR1_EL1
            | (3, 0, 5, 2, 0) // ESR_EL1
            | (3, 0, 6, 0, 0) // FAR_EL1
            | (3, 0, 7, 4, 0) // PAR_EL1
            | (3, 0, 13, 0, 1 | 4) // CONTEXTIDR_EL1, TPIDR_EL1
            | (3, 3, 13, 0, 2 | 3) // TPIDR_EL0, TPIDRRO_EL0
            | (3, 3, 9, 12..=14, _) // performance monitors
            | (3, 0, 9, 14, _)
            | (3, 3, 14, 8..=15, _)
            | (3, 3, 14, 2 | 3, _) // CNTP_*_EL0, CNTV_*_EL0
            | (3, 0, 14, 1, 0) // CNTKCTL_EL1
    )
}
