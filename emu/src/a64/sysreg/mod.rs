//! System registers: one row each, read by MRS and MSR, traps, snapshots, debuggers.

mod feature;
mod id;
mod table;

pub use feature::Feature;
pub use id::{CTR, CpuModel, DCZID, ID_MODELS, model};
pub use table::{ROWS, Special, SysRow, What, find, system_registers};
