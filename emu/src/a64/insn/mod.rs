//! The instructions, group by group as in DDI 0487, C4.1.

mod address;
pub mod branch;
pub mod crypto;
pub mod data_imm;
pub mod data_reg;
pub mod fp_convert;
pub mod fp_scalar;
pub mod load_store;
pub mod load_store_atomic;
pub mod load_store_fp;
mod simd;
pub mod simd_across;
pub mod simd_copy;
pub mod simd_element;
mod simd_fp;
pub mod simd_fp_element;
pub mod simd_fp_lane;
pub mod simd_fp_shift;
pub mod simd_fp_three_same;
pub mod simd_fp_two_reg;
pub mod simd_long;
pub mod simd_modified_imm;
pub mod simd_permute;
pub mod simd_scalar;
pub mod simd_shift;
pub mod simd_structure;
pub mod simd_three_same;
pub mod simd_two_reg;
pub mod system;

use super::table::Row;
use crate::ir::op::OpSink;
use crate::ir::{Build, Flow};

/// What a row's body gives.
type Done<B> = Result<Flow<<B as OpSink>::I>, <B as Build>::Stop>;

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
    fp_scalar::ROWS,
    fp_convert::ROWS,
    simd_across::ROWS,
    simd_copy::ROWS,
    simd_element::ROWS,
    simd_fp_element::ROWS,
    simd_fp_lane::ROWS,
    simd_fp_shift::ROWS,
    simd_fp_three_same::ROWS,
    simd_fp_two_reg::ROWS,
    simd_long::ROWS,
    simd_modified_imm::ROWS,
    simd_permute::ROWS,
    simd_scalar::ROWS,
    simd_shift::ROWS,
    simd_structure::ROWS,
    simd_three_same::ROWS,
    simd_two_reg::ROWS,
];
