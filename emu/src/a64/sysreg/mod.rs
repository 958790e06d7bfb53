//! System registers: one row each, read by MRS and MSR, traps, snapshots, debuggers.

mod id;
mod table;

pub use id::{CpuModel, ID_MODELS};
pub use table::{ROWS, Special, SysRow, What, find};
