//! Sites: what a thunk must know of the place it was called from.
#![allow(unsafe_code, reason = "a table that is read without a lock while it grows")]

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::ir::block::Call;
use crate::ir::op::Op;
use crate::ir::{Exception, Mem};

/// Host registers that a unit may keep guest registers in: general-purpose ones and vector ones.
pub(super) const X_HOMES: [u8; 5] = [14, 13, 12, 11, 10];
pub(super) const V_HOMES: [u8; 4] = [12, 11, 10, 9];

/// Where an argument is, or a result goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loc {
    /// Nowhere.
    None,
    /// A general-purpose host register.
    Reg(u8),
    /// A vector register.
    Xmm(u8),
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Task {
    /// Read `count` neighbouring elements at the address in RAX.
    Load { mem: Mem, count: u8 },
    /// Write `count` neighbouring elements (the arguments) at the address in RAX.
    Store { mem: Mem, count: u8 },
    /// A call into the CPU.
    Call(Call),
    /// An exception.
    Raise(Exception),
    /// An operation by its `eval`.
    Eval(Op, u64),
}

/// An address in the unit's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pc {
    /// It never changes.
    Fixed(u64),
    /// Bytes from the beginning of the page that runs.
    Offset(u16),
}

/// A call site of a thunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site {
    pub task: Task,
    /// Address of the guest instruction.
    pub pc: Pc,
    pub args: [Loc; 6],
    pub results: [Loc; 2],
    /// Guest registers whose home differs from the state, as a bit mask.
    pub dirty: u64,
    pub tenants: Tenants,
}

/// Guest register that has each home: those of [`X_HOMES`], then those of [`V_HOMES`]. V registers are from
/// [`FIRST_V`] on; what nobody has is [`NOBODY`].
pub(super) type Tenants = [u8; X_HOMES.len() + V_HOMES.len()];

/// The tenant of a home that is not used; it is in no set of guest registers.
pub(super) const NOBODY: u8 = u8::MAX;

/// Home and tenant, for each that is in a set of guest registers.
pub(super) fn homes(tenants: Tenants, set: u64) -> impl Iterator<Item = (u8, u8)> {
    let all = X_HOMES.into_iter().chain(V_HOMES).zip(tenants);
    all.filter(move |&(_, guest)| set.checked_shr(guest.into()).unwrap_or(0) & 1 != 0)
}

struct Slot {
    site: Site,
    /// Calls so far; approximate when vCPUs share the site.
    calls: AtomicU64,
}

/// Every site of a cache, in a table that never moves, so that thunks read it while translation appends.
pub(super) struct Sites(UnsafeCell<Box<[MaybeUninit<Slot>]>>);

// SAFETY: a slot is written once, before any code that names it can run, and read only by such code's thunks; slots are
// reused only when no translated code runs (Cache::flush).
unsafe impl Sync for Sites {}

impl Sites {
    pub fn new(capacity: usize) -> Self {
        Self(UnsafeCell::new(Box::new_uninit_slice(capacity)))
    }

    pub fn capacity(&self) -> usize {
        // SAFETY: the length never changes.
        unsafe { (&*self.0.get()).len() }
    }

    /// Fills a slot.
    ///
    /// # Safety
    /// No code that names the slot has run since it was last free.
    pub unsafe fn set(&self, index: usize, site: Site) {
        assert!(index < self.capacity(), "the caller makes room first");
        // SAFETY: in bounds; nobody reads this slot now, by the caller's promise.
        unsafe {
            (&mut *self.0.get()).as_mut_ptr().add(index).cast::<Slot>().write(Slot { site, calls: AtomicU64::new(0) })
        };
    }

    /// The slot of an index.
    ///
    /// # Safety
    /// The slot has been filled; translated code names only such ones.
    unsafe fn slot(&self, index: usize) -> &Slot {
        // SAFETY: filled, and not written while code that names it exists.
        unsafe { (&*self.0.get())[index].assume_init_ref() }
    }

    /// The site of a slot, which is called now.
    ///
    /// # Safety
    /// The slot has been filled; translated code names only such ones.
    pub unsafe fn enter(&self, index: usize) -> &Site {
        // SAFETY: as promised.
        let slot = unsafe { self.slot(index) };
        slot.calls.store(slot.calls.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        &slot.site
    }

    /// The task of a slot, and how often it was called.
    ///
    /// # Safety
    /// The slot has been filled.
    pub unsafe fn calls(&self, index: usize) -> (Task, u64) {
        // SAFETY: as promised.
        let slot = unsafe { self.slot(index) };
        (slot.site.task, slot.calls.load(Ordering::Relaxed))
    }
}

impl std::fmt::Debug for Sites {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sites({})", self.capacity())
    }
}
