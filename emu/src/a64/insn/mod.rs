//! The instructions, group by group as in DDI 0487, C4.1.

pub mod data_imm;

use super::table::Row;

/// Every group's rows.
pub static GROUPS: &[&[Row]] = &[data_imm::ROWS];
