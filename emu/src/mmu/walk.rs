//! Translation table walks of the EL1&0 regime, VMSAv8-64 stage 1 (DDI 0487, D8).
//!
//! Granules of 4, 16 and 64 KiB, 48-bit addresses, both TTBRs, hierarchical permissions (unless disabled), hardware
//! access flag and dirty state. Not modelled: stage 2, 52-bit addresses, big-endian tables.

use devices::bus::{Bus, GuestRam, Pa, Size};

use super::host;
use crate::state::{El, SysRegs};

/// What an access wants of a translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// A write.
    pub write: bool,
    /// An instruction fetch.
    pub fetch: bool,
    /// Level whose permissions count: EL0 also for LDTR and STTR.
    pub el: El,
    /// PSTATE.PAN, for data accesses of EL1.
    pub pan: bool,
}

/// A failed walk: the fault status code of table D17.2.37 (for ISS.DFSC, IFSC and PAR.FST).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Bits 5:0.
    pub status: u32,
}

impl Fault {
    const fn at(kind: u32, level: u32) -> Self {
        Self { status: kind | level }
    }
    /// Address size fault.
    const SIZE: u32 = 0b00_0000;
    /// Translation fault.
    const TRANSLATION: u32 = 0b00_0100;
    /// Access flag fault.
    const ACCESS_FLAG: u32 = 0b00_1000;
    /// Permission fault.
    const PERMISSION: u32 = 0b00_1100;
    /// Synchronous external abort on a table walk.
    const WALK_ABORT: u32 = 0b01_0100;
    /// Synchronous external abort, not on a walk.
    pub const EXTERNAL: Self = Self { status: 0b01_0000 };
    /// Alignment fault.
    pub const ALIGNMENT: Self = Self { status: 0b10_0001 };
}

/// A translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// Output address of the access.
    pub pa: Pa,
    /// log2 of the mapped region that it lies in.
    pub shift: u32,
    /// MAIR attribute.
    pub attr: u8,
    /// Shareability field.
    pub sh: u8,
    /// Holds for every ASID.
    pub global: bool,
    /// EL1 and EL0 may read, write, execute (as the tables say, before PAN).
    pub el1: Perms,
    /// What EL0 may do.
    pub el0: Perms,
    /// A write needs no walk to set the dirty state first.
    pub dirty: bool,
}

impl Leaf {
    /// Whether it is Device memory.
    #[must_use]
    pub fn device(&self) -> bool {
        self.attr & 0xf0 == 0
    }
}

/// Read, write and execute permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "named by the struct's description")]
pub struct Perms {
    pub read: bool,
    pub write: bool,
    pub execute: bool,
}

const SCTLR_M: u64 = 1;
const SCTLR_C: u64 = 1 << 2;
const SCTLR_I: u64 = 1 << 12;
const SCTLR_WXN: u64 = 1 << 19;
const TCR_A1: u64 = 1 << 22;
const TCR_AS: u64 = 1 << 36;
const TCR_HA: u64 = 1 << 39;
const TCR_HD: u64 = 1 << 40;

/// Whether stage 1 translation is on.
#[must_use]
pub const fn mmu_on(sys: &SysRegs) -> bool {
    sys.sctlr & SCTLR_M != 0
}

/// The current ASID.
#[must_use]
pub const fn asid(sys: &SysRegs) -> u16 {
    asid_of(sys, (sys.ttbr[(sys.tcr & TCR_A1 != 0) as usize] >> 48) as u16)
}

/// An ASID field's value: 8 bits of it, or all 16.
#[must_use]
pub const fn asid_of(sys: &SysRegs, field: u16) -> u16 {
    if sys.tcr & TCR_AS != 0 { field } else { field & 0xff }
}

/// The address without its tag when top-byte-ignore is on for its half (D8.8.1); instruction fetches ignore it too,
/// unless TBID is set, which FEAT_PAuth only adds.
#[must_use]
pub const fn strip_tag(sys: &SysRegs, va: u64) -> u64 {
    let upper = va >> 55 & 1 != 0;
    let tbi = sys.tcr >> (37 + upper as u64) & 1 != 0;
    if tbi { ((va << 8) as i64 >> 8) as u64 } else { va }
}

/// Physical address bits (ID_AA64MMFR0_EL1.PARange).
const PA_BITS: u32 = 44;

/// Bits of an output address: TCR_EL1.IPS, of which no more than are implemented.
const fn output_bits(sys: &SysRegs) -> u32 {
    match sys.tcr >> 32 & 7 {
        0 => 32,
        1 => 36,
        2 => 40,
        3 => 42,
        _ => PA_BITS,
    }
}

/// Where translation tables lie.
pub trait Tables {
    /// Reads an entry; none when nothing is there.
    fn read(&self, at: Pa) -> Option<u64>;

    /// Replaces an entry if it still is `old`.
    ///
    /// # Errors
    /// What it is instead; none when it cannot be replaced.
    fn update(&self, at: Pa, old: u64, new: u64) -> Result<(), Option<u64>>;
}

impl Tables for GuestRam {
    fn read(&self, at: Pa) -> Option<u64> {
        host::read_pte(self, at)
    }

    fn update(&self, at: Pa, old: u64, new: u64) -> Result<(), Option<u64>> {
        host::update_pte(self, at, old, new)
    }
}

/// Firmware keeps its first tables in flash, where hardware does not update them.
impl Tables for Bus {
    fn read(&self, at: Pa) -> Option<u64> {
        host::read_pte(self.ram(), at).or_else(|| Self::read(self, at, Size::B8, 0).ok())
    }

    fn update(&self, at: Pa, old: u64, new: u64) -> Result<(), Option<u64>> {
        host::update_pte(self.ram(), at, old, new)
    }
}

/// Tables of which a walk sets access flags but leaves clean pages clean: address translation and cache maintenance are
/// not writes (AArch64.S1Translate).
#[derive(Debug)]
pub struct Clean<'a, T>(pub &'a T);

impl<T: Tables> Tables for Clean<'_, T> {
    fn read(&self, at: Pa) -> Option<u64> {
        self.0.read(at)
    }

    fn update(&self, at: Pa, old: u64, new: u64) -> Result<(), Option<u64>> {
        let new = new | old & 1 << 7;
        if new == old { Ok(()) } else { self.0.update(at, old, new) }
    }
}

/// Translates `va`.
///
/// # Errors
/// The fault, as the manual's AArch64.S1Translate orders the checks.
pub fn walk(tables: &impl Tables, sys: &SysRegs, va: u64, access: Access) -> Result<Leaf, Fault> {
    let va = strip_tag(sys, va);
    if !mmu_on(sys) {
        return flat(sys, va, access);
    }
    let upper = va >> 55 & 1 != 0;
    let (field, granule_bits, hpd, e0pd, epd) = if upper {
        (sys.tcr >> 16 & 63, tg1(sys.tcr >> 30 & 3), sys.tcr >> 42 & 1 != 0, sys.tcr >> 56 & 1 != 0, sys.tcr >> 23 & 1)
    } else {
        (sys.tcr & 63, tg0(sys.tcr >> 14 & 3), sys.tcr >> 41 & 1 != 0, sys.tcr >> 55 & 1 != 0, sys.tcr >> 7 & 1)
    };
    let txsz = field.clamp(16, 39) as u32;
    let input_bits = 64 - txsz;
    let top = (va as i64) >> input_bits;
    if top != if upper { -1 } else { 0 } || epd != 0 || (e0pd && access.el == El::El0) {
        return Err(Fault::at(Fault::TRANSLATION, 0));
    }
    let stride = granule_bits - 3;
    let levels = (input_bits - granule_bits).div_ceil(stride);
    let mut level = 4 - levels;
    let mut table = {
        let bits = input_bits - granule_bits - stride * (levels - 1);
        sys.ttbr[usize::from(upper)] & 0x0000_ffff_ffff_fffe & !((8 << bits) - 1)
    };
    let output_bits = output_bits(sys);
    if table >> output_bits != 0 {
        return Err(Fault::at(Fault::SIZE, 0));
    }
    // Hierarchical restrictions: APTable, UXNTable, PXNTable.
    let (mut no_el0, mut read_only, mut uxn, mut pxn) = (false, false, false, false);
    loop {
        let shift = granule_bits + stride * (3 - level);
        let bits = if level == 4 - levels { input_bits - shift } else { stride };
        let at = Pa(table + ((va >> shift & ((1 << bits) - 1)) << 3));
        let Some(mut pte) = tables.read(at) else { return Err(Fault::at(Fault::WALK_ABORT, level)) };
        let block = pte & 2 == 0;
        let block_ok = match granule_bits {
            12 => level == 1 || level == 2,
            _ => level == 2,
        };
        if pte & 1 == 0 || (level == 3 && block) || (level < 3 && block && !block_ok) {
            return Err(Fault::at(Fault::TRANSLATION, level));
        }
        let address = pte & 0x0000_ffff_ffff_f000;
        if level < 3 && !block {
            if address >> output_bits != 0 {
                return Err(Fault::at(Fault::SIZE, level));
            }
            table = address & !((1 << granule_bits) - 1);
            if !hpd {
                no_el0 |= pte >> 61 & 1 != 0;
                read_only |= pte >> 62 & 1 != 0;
                uxn |= pte >> 60 & 1 != 0;
                pxn |= pte >> 59 & 1 != 0;
            }
            level += 1;
            continue;
        }
        let base = address & !((1 << shift) - 1);
        if base >> output_bits != 0 {
            return Err(Fault::at(Fault::SIZE, level));
        }
        let hardware_af = sys.tcr & TCR_HA != 0;
        let hardware_dirty = hardware_af && sys.tcr & TCR_HD != 0;
        if pte & 1 << 10 == 0 && !hardware_af {
            return Err(Fault::at(Fault::ACCESS_FLAG, level));
        }
        let dbm = hardware_dirty && pte & 1 << 51 != 0;
        loop {
            let leaf = leaf(sys, va, pte, base, shift, dbm, (no_el0, read_only, uxn, pxn));
            check(&leaf, access).map_err(|()| Fault::at(Fault::PERMISSION, level))?;
            let mut updated = pte | 1 << 10;
            if access.write && dbm {
                updated &= !(1 << 7);
            }
            if updated == pte {
                return Ok(leaf);
            }
            match tables.update(at, pte, updated) {
                Ok(()) => pte = updated,
                Err(Some(now)) if now & 3 == pte & 3 => pte = now,
                Err(Some(_)) => return walk(tables, sys, va, access),
                Err(None) => return Err(Fault::at(Fault::WALK_ABORT, level)),
            }
        }
    }
}

fn leaf(
    sys: &SysRegs,
    va: u64,
    pte: u64,
    base: u64,
    shift: u32,
    dbm: bool,
    (no_el0, table_read_only, table_uxn, table_pxn): (bool, bool, bool, bool),
) -> Leaf {
    let el0_access = pte & 1 << 6 != 0 && !no_el0;
    let clean = pte & 1 << 7 != 0;
    let writable = (!clean || dbm) && !table_read_only;
    let wxn = sys.sctlr & SCTLR_WXN != 0;
    let el0_write = el0_access && writable;
    let uxn = pte >> 54 & 1 != 0 || table_uxn || (wxn && el0_write);
    let pxn = pte >> 53 & 1 != 0 || table_pxn || (wxn && writable) || el0_write;
    Leaf {
        pa: Pa(base | va & ((1 << shift) - 1)),
        shift: if pte >> 52 & 1 != 0 { shift + 4 } else { shift },
        attr: (sys.mair >> (8 * (pte >> 2 & 7))) as u8,
        sh: (pte >> 8 & 3) as u8,
        global: pte & 1 << 11 == 0,
        el1: Perms { read: true, write: writable, execute: !pxn },
        el0: Perms { read: el0_access, write: el0_write, execute: !uxn },
        dirty: !(dbm && clean),
    }
}

fn check(leaf: &Leaf, access: Access) -> Result<(), ()> {
    let perms = if access.el == El::El0 { leaf.el0 } else { leaf.el1 };
    let allowed = if access.fetch {
        perms.execute
    } else if access.el != El::El0 && access.pan && leaf.el0.read {
        false
    } else if access.write {
        perms.write
    } else {
        perms.read
    };
    allowed.then_some(()).ok_or(())
}

/// Translation off (D8.2.9): addresses as they are, data Device-nGnRnE, instructions Normal.
fn flat(sys: &SysRegs, va: u64, access: Access) -> Result<Leaf, Fault> {
    if va >> PA_BITS != 0 {
        return Err(Fault::at(Fault::SIZE, 0));
    }
    let all = Perms { read: true, write: true, execute: true };
    let cached = access.fetch && sys.sctlr & SCTLR_I != 0 || sys.sctlr & SCTLR_C != 0;
    let attr = if access.fetch { if cached { 0xff } else { 0x44 } } else { 0 };
    Ok(Leaf { pa: Pa(va), shift: 12, attr, sh: 2, global: true, el1: all, el0: all, dirty: true })
}

const fn tg0(field: u64) -> u32 {
    match field {
        1 => 16,
        2 => 14,
        _ => 12,
    }
}

const fn tg1(field: u64) -> u32 {
    match field {
        1 => 14,
        3 => 16,
        _ => 12,
    }
}

#[cfg(test)]
mod tests {
    use devices::bus::{MmioDevice, Sizes};

    use super::*;

    const BASE: u64 = 0x4000_0000;
    const READ: Access = Access { write: false, fetch: false, el: El::El1, pan: false };
    const WRITE: Access = Access { write: true, ..READ };

    /// A 39-bit, 4 KiB-granule address space: level 1 table at BASE, level 2 and level 3 behind it.
    fn space(pte: u64) -> (GuestRam, SysRegs) {
        let ram = GuestRam::new(Pa(BASE), 1 << 20).unwrap();
        let put = |at: u64, value: u64| ram.write(Pa(at), &value.to_le_bytes()).unwrap();
        put(BASE, (BASE + 0x1000) | 3);
        put(BASE + 0x1000, (BASE + 0x2000) | 3);
        put(BASE + 0x2000 + 8, pte);
        let mut sys = SysRegs { sctlr: 1, tcr: 25 | 25 << 16 | 2 << 30, mair: 0xff, ..SysRegs::default() };
        sys.ttbr = [BASE, BASE];
        (ram, sys)
    }

    #[test]
    fn a_page_translates_and_its_neighbour_faults_at_level_3() {
        let (ram, sys) = space(0x4567_8000 | 1 << 10 | 3);
        assert_eq!(walk(&ram, &sys, 0x1234, READ).unwrap().pa, Pa(0x4567_8234));
        assert_eq!(walk(&ram, &sys, 0x2000, READ), Err(Fault { status: 0b000111 }));
        assert_eq!(walk(&ram, &sys, 1 << 39, READ), Err(Fault { status: 0b000100 }));
    }

    /// Two entries, then zeros, that cannot be written.
    struct Rom([u64; 2]);

    impl MmioDevice for Rom {
        fn sizes(&self) -> Sizes {
            Sizes::ANY
        }
        fn read(&mut self, at: devices::bus::Access) -> u64 {
            let entry = self.0.get(at.offset as usize / 8).copied().unwrap_or(0);
            entry >> (8 * (at.offset % 8))
        }
        fn write(&mut self, _: devices::bus::Access, _: u64) {}
    }

    #[test]
    fn tables_in_flash_translate_but_take_no_update() {
        let (ram, mut sys) = space(0);
        let flash = Rom([0x4567_8000 | 3 | 1 << 10, 0x4567_9000 | 3]);
        let mut bus = Bus::new(ram);
        bus.map(Pa(0), 1 << 20, "flash", std::sync::Arc::new(std::sync::Mutex::new(flash))).unwrap();
        bus.ram().write(Pa(BASE + 0x1000), &3_u64.to_le_bytes()).unwrap();
        assert_eq!(walk(&bus, &sys, 0x123, READ).unwrap().pa, Pa(0x4567_8123));
        sys.tcr |= TCR_HA;
        assert_eq!(walk(&bus, &sys, 0x1000, READ), Err(Fault { status: 0b010111 }));
        bus.ram().write(Pa(BASE + 0x1000), &(0x2000_0000_u64 | 3).to_le_bytes()).unwrap();
        assert_eq!(walk(&bus, &sys, 0x123, READ), Err(Fault { status: 0b010111 }), "nothing is there");
    }

    #[test]
    fn addresses_beyond_the_guests_own_limit_are_size_faults() {
        let (ram, mut sys) = space(0x10_0000_0000 | 1 << 10 | 3);
        assert_eq!(walk(&ram, &sys, 0x1000, READ), Err(Fault { status: 0b000011 }), "TCR.IPS of 32 bits");
        sys.tcr |= 1 << 32;
        assert_eq!(walk(&ram, &sys, 0x1000, READ), Err(Fault { status: 0b000011 }), "36 bits");
        sys.tcr = sys.tcr & !(7 << 32) | 2 << 32;
        assert_eq!(walk(&ram, &sys, 0x1000, READ).unwrap().pa, Pa(0x10_0000_0000), "40 bits");
        sys.ttbr[0] = 1 << 41;
        assert_eq!(walk(&ram, &sys, 0x1000, READ), Err(Fault { status: 0 }), "the table itself");
        (sys.tcr, sys.ttbr[0]) = (sys.tcr | 7 << 32, 1 << 45);
        assert_eq!(walk(&ram, &sys, 0x1000, READ), Err(Fault { status: 0 }), "no more than are implemented");
    }

    #[test]
    fn a_clear_access_flag_faults_or_is_set_by_hardware() {
        let (ram, mut sys) = space(0x4567_8000 | 3);
        assert_eq!(walk(&ram, &sys, 0x1000, READ), Err(Fault { status: 0b001011 }));
        sys.tcr |= TCR_HA;
        assert!(walk(&ram, &sys, 0x1000, READ).is_ok());
        let mut pte = [0; 8];
        ram.read(Pa(BASE + 0x2008), &mut pte).unwrap();
        assert_eq!(u64::from_le_bytes(pte) & 1 << 10, 1 << 10);
    }

    #[test]
    fn a_write_to_a_clean_dbm_page_makes_it_dirty() {
        let (ram, mut sys) = space(0x4567_8000 | 1 << 51 | 1 << 10 | 1 << 7 | 3);
        assert_eq!(walk(&ram, &sys, 0x1000, WRITE), Err(Fault { status: 0b001111 }), "read-only without TCR.HD");
        sys.tcr |= TCR_HA | TCR_HD;
        assert!(!walk(&ram, &sys, 0x1000, READ).unwrap().dirty);
        assert!(walk(&ram, &sys, 0x1000, WRITE).unwrap().dirty);
        let mut pte = [0; 8];
        ram.read(Pa(BASE + 0x2008), &mut pte).unwrap();
        assert_eq!(u64::from_le_bytes(pte) & 1 << 7, 0);
    }

    #[test]
    fn an_address_translation_sets_the_access_flag_and_leaves_the_page_clean() {
        let clean = 0x4567_8000 | 1 << 51 | 1 << 7 | 3;
        let (ram, mut sys) = space(clean);
        sys.tcr |= TCR_HA | TCR_HD;
        let entry = || {
            let mut pte = [0; 8];
            ram.read(Pa(BASE + 0x2008), &mut pte).unwrap();
            u64::from_le_bytes(pte)
        };
        for _ in 0..2 {
            assert_eq!(walk(&Clean(&ram), &sys, 0x1000, WRITE).unwrap().pa, Pa(0x4567_8000));
            assert_eq!(entry(), clean | 1 << 10);
        }
    }

    #[test]
    fn pan_keeps_el1_from_user_pages_and_el0_write_implies_pxn() {
        let (ram, sys) = space(0x4567_8000 | 1 << 10 | 1 << 6 | 3);
        assert!(walk(&ram, &sys, 0x1000, READ).is_ok());
        assert!(walk(&ram, &sys, 0x1000, Access { pan: true, ..READ }).is_err());
        assert!(walk(&ram, &sys, 0x1000, Access { fetch: true, ..READ }).is_err());
        assert!(walk(&ram, &sys, 0x1000, Access { fetch: true, el: El::El0, ..READ }).is_ok());
    }
}
