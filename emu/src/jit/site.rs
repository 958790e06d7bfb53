//! Sites: what a thunk must know of the place it was called from.
#![allow(unsafe_code, reason = "a table that is read without a lock while it grows")]

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

use crate::ir::block::{Call, Comparison};
use crate::ir::op::Op;
use crate::ir::{Exception, Mem};

/// Host registers that a unit may keep guest registers in: general-purpose ones and vector ones.
pub(super) const X_HOMES: [u8; 5] = [14, 13, 12, 11, 10];
pub(super) const V_HOMES: [u8; 4] = [12, 11, 10, 9];

/// Guest register that has each of [`X_HOMES`] between units, and in each unit that does not lend it to another: those that
/// code uses most, 31 being the stack pointer. What the state says of them is out of date while translated code runs.
pub(super) const OWNERS: [u8; X_HOMES.len()] = [0, 1, 2, 19, 31];

/// The homes that have owners.
pub(super) const OWNED: HomeSet = (1 << X_HOMES.len()) - 1;

/// The tenants of homes of which none is lent and no vector register has one.
pub(super) const OWNERS_ONLY: Tenants = {
    let mut tenants = [NOBODY; X_HOMES.len() + V_HOMES.len()];
    let mut n = 0;
    while n < OWNERS.len() {
        tenants[n] = OWNERS[n];
        n += 1;
    }
    tenants
};

/// Where an argument is, or a result goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Loc {
    /// Nowhere.
    None,
    /// A general-purpose host register.
    Reg(u8),
    /// A vector register.
    Xmm(u8),
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Task {
    /// Read `count` neighbouring elements at the address in RAX.
    Load { mem: Mem, count: u8 },
    /// Write `count` neighbouring elements (the arguments) at the address in RAX.
    Store { mem: Mem, count: u8 },
    /// Find `bytes` bytes from the address in RAX on for an access `ahead` bytes behind it, whose first element this is,
    /// and others; their host address is the result.
    Reach { mem: Mem, write: bool, ahead: u16, bytes: u16 },
    /// A call into the CPU.
    Call(Call),
    /// An exception.
    Raise(Exception),
    /// An operation by its `eval`.
    Eval(Op, u64),
}

/// The address of a guest instruction, either fixed or in whichever page runs. Instructions are aligned, which leaves
/// bit 0 to say which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pc(u64);

impl Pc {
    /// Of the instruction at `pc`.
    pub fn new(pc: u64, relative: bool) -> Self {
        Self(if relative { pc & 0xfff | 1 } else { pc })
    }

    /// If its unit is elsewhere by `away`.
    pub fn moved(self, away: u64) -> Self {
        if self.0 & 1 != 0 { self } else { Self(self.0.wrapping_add(away)) }
    }

    /// The address, while code of `page` runs.
    pub fn get(self, page: u64) -> u64 {
        if self.0 & 1 != 0 { page | self.0 & 0xffc } else { self.0 }
    }
}

/// A call site of a thunk.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Site {
    pub task: Task,
    /// Address of the guest instruction.
    pub pc: Pc,
    pub args: [Loc; 6],
    pub results: [Loc; 2],
    /// What NZCV comes from, if it is not in the state.
    pub owed: Option<Comparison>,
    /// Homes that differ from the state.
    pub dirty: HomeSet,
    pub tenants: Tenants,
}

const _: () = assert!(size_of::<Site>() <= 64, "units have many");

/// Homes, as a bit mask: those of [`X_HOMES`], then those of [`V_HOMES`].
pub(super) type HomeSet = u16;

/// Guest register that has each home, in the order of a [`HomeSet`]'s bits. V registers are from
/// [`FIRST_V`](crate::ir::block::FIRST_V) on; what nobody has is [`NOBODY`].
pub(super) type Tenants = [u8; X_HOMES.len() + V_HOMES.len()];

/// The tenant of a home that is not used.
pub(super) const NOBODY: u8 = u8::MAX;

/// The set of a general-purpose register that is a home.
pub(super) const fn x_home(host: u8) -> HomeSet {
    1 << (X_HOMES[0] - host)
}

/// The set of a vector register that is a home.
pub(super) const fn v_home(host: u8) -> HomeSet {
    1 << (X_HOMES.len() as u8 + V_HOMES[0] - host)
}

/// Host register and guest register of each home of a set.
pub(super) fn homes(tenants: Tenants, mut set: HomeSet) -> impl Iterator<Item = (u8, u8)> {
    std::iter::from_fn(move || {
        let n = set.trailing_zeros() as usize;
        set &= set.wrapping_sub(1);
        let host = X_HOMES.iter().chain(&V_HOMES).nth(n)?;
        Some((*host, tenants[n]))
    })
}

/// Every site of a cache, in a table that never moves, so that thunks read it while translation appends.
pub(super) struct Sites {
    table: UnsafeCell<Box<[MaybeUninit<Site>]>>,
    /// Calls of each so far; approximate when vCPUs share the site.
    calls: Box<[AtomicU32]>,
}

// SAFETY: a slot is written once, before any code that names it can run, and read only by such code's thunks; slots are
// reused only when no translated code runs (Cache::flush).
unsafe impl Sync for Sites {}

impl Sites {
    pub fn new(capacity: usize) -> Self {
        // SAFETY: zero is an integer.
        let calls = unsafe { Box::new_zeroed_slice(capacity).assume_init() };
        Self { table: UnsafeCell::new(Box::new_uninit_slice(capacity)), calls }
    }

    pub fn capacity(&self) -> usize {
        self.calls.len()
    }

    /// Fills a slot.
    ///
    /// # Safety
    /// No code that names the slot has run since it was last free.
    pub unsafe fn set(&self, index: usize, site: Site) {
        assert!(index < self.capacity(), "the caller makes room first");
        // SAFETY: in bounds; nobody reads this slot now, by the caller's promise.
        unsafe { (&mut *self.table.get()).as_mut_ptr().add(index).cast::<Site>().write(site) };
    }

    /// The site of an index.
    ///
    /// # Safety
    /// The slot has been filled; translated code names only such ones.
    unsafe fn get(&self, index: usize) -> &Site {
        // SAFETY: filled, and not written while code that names it exists.
        unsafe { (&*self.table.get())[index].assume_init_ref() }
    }

    /// The site of an index, which is called now.
    ///
    /// # Safety
    /// The slot has been filled; translated code names only such ones.
    pub unsafe fn enter(&self, index: usize) -> &Site {
        let calls = &self.calls[index];
        calls.store(calls.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
        // SAFETY: as promised.
        unsafe { self.get(index) }
    }

    /// The task of a slot, and how often it was called.
    ///
    /// # Safety
    /// The slot has been filled.
    pub unsafe fn calls(&self, index: usize) -> (Task, u64) {
        // SAFETY: as promised.
        let site = unsafe { self.get(index) };
        (site.task, self.calls[index].load(Ordering::Relaxed).into())
    }

    /// Frees the first `count` slots, which nobody names any more.
    pub fn clear(&self, count: usize) {
        self.calls[..count].iter().for_each(|calls| calls.store(0, Ordering::Relaxed));
    }
}

impl std::fmt::Debug for Sites {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sites({})", self.capacity())
    }
}
