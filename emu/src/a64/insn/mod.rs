//! The instructions, group by group as in DDI 0487, C4.1.

pub mod branch;
pub mod crypto;
pub mod data_imm;
pub mod data_reg;
pub mod load_store;
pub mod load_store_atomic;
pub mod load_store_fp;
pub mod simd;
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
    crypto::ROWS,
    simd::across::ROWS,
    simd::copy::ROWS,
    simd::element::ROWS,
    simd::long::ROWS,
    simd::misc::ROWS,
    simd::modified_imm::ROWS,
    simd::permute::ROWS,
    simd::scalar::ROWS,
    simd::shift::ROWS,
    simd::structure::ROWS,
    simd::three_same::ROWS,
];
