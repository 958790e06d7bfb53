//! System registers: one row each, read by MRS and MSR, traps, snapshots, debuggers.

mod id;
mod table;

pub use id::{CTR, CpuModel, DCZID, ID_MODELS};
pub use table::{ROWS, Special, SysRow, What, find};
