//! Conversions between vectors of floating point and of fixed point (C4.1, «Advanced SIMD shift by immediate» and the
//! scalar class).

use super::simd_fp::{from_int, lane_from_int, lane_to_int, shifted, to_int};
use crate::ir::softfloat::Rounding::Zero;

crate::rows! {
    scvtf_fixed_v "0 q 0 011110 imm:7 11100 1 rn:5 rd:5"
    "scvtf {rd|v}.{imm|arr}, {rn|v}.{imm|arr}, #{imm|shr}"
    |b, q, imm, rn, rd| { let (s, fbits) = shifted(b, q, imm)?; from_int(b, s, [rd, rn], false, fbits) }

    fcvtzs_fixed_v "0 q 0 011110 imm:7 11111 1 rn:5 rd:5"
    "fcvtzs {rd|v}.{imm|arr}, {rn|v}.{imm|arr}, #{imm|shr}"
    |b, q, imm, rn, rd| { let (s, fbits) = shifted(b, q, imm)?; to_int(b, s, [rd, rn], Zero, false, fbits) }

    scvtf_fixed_lane "01 0 111110 imm:7 11100 1 rn:5 rd:5"
    "scvtf {imm|el}{rd}, {imm|el}{rn}, #{imm|shr}"
    |b, imm, rn, rd| { let (s, fbits) = shifted(b, 1, imm)?; lane_from_int(b, s.e, [rd, rn], false, fbits) }

    fcvtzs_fixed_lane "01 0 111110 imm:7 11111 1 rn:5 rd:5"
    "fcvtzs {imm|el}{rd}, {imm|el}{rn}, #{imm|shr}"
    |b, imm, rn, rd| { let (s, fbits) = shifted(b, 1, imm)?; lane_to_int(b, s.e, [rd, rn], Zero, false, fbits) }

    ucvtf_fixed_v "0 q 1 011110 imm:7 11100 1 rn:5 rd:5"
    "ucvtf {rd|v}.{imm|arr}, {rn|v}.{imm|arr}, #{imm|shr}"
    |b, q, imm, rn, rd| { let (s, fbits) = shifted(b, q, imm)?; from_int(b, s, [rd, rn], true, fbits) }

    fcvtzu_fixed_v "0 q 1 011110 imm:7 11111 1 rn:5 rd:5"
    "fcvtzu {rd|v}.{imm|arr}, {rn|v}.{imm|arr}, #{imm|shr}"
    |b, q, imm, rn, rd| { let (s, fbits) = shifted(b, q, imm)?; to_int(b, s, [rd, rn], Zero, true, fbits) }

    ucvtf_fixed_lane "01 1 111110 imm:7 11100 1 rn:5 rd:5"
    "ucvtf {imm|el}{rd}, {imm|el}{rn}, #{imm|shr}"
    |b, imm, rn, rd| { let (s, fbits) = shifted(b, 1, imm)?; lane_from_int(b, s.e, [rd, rn], true, fbits) }

    fcvtzu_fixed_lane "01 1 111110 imm:7 11111 1 rn:5 rd:5"
    "fcvtzu {imm|el}{rd}, {imm|el}{rn}, #{imm|shr}"
    |b, imm, rn, rd| { let (s, fbits) = shifted(b, 1, imm)?; lane_to_int(b, s.e, [rd, rn], Zero, true, fbits) }
}
