//! The instructions, group by group as in DDI 0487, C4.1.

pub mod branch;
pub mod data_imm;
pub mod data_reg;
pub mod load_store;
pub mod load_store_atomic;
pub mod load_store_fp;
pub mod system;

use super::table::Row;

/// Every group's rows.
pub static GROUPS: &[&[Row]] = &[
    data_imm::ROWS,
    branch::ROWS,
    system::ROWS,
    load_store::ROWS,
    load_store_atomic::ROWS,
    load_store_fp::ROWS,
    data_reg::ROWS,
];
