//! Floating-point vectors and scalars by an indexed element (C4.1, «Advanced SIMD vector x indexed element» and the
//! scalar class).
//!
//! FMLAL and FMLSL (FEAT_FHM) are left out.

use super::simd_fp::{
    binary_with, complex_fused, element, fused_with, halves, lane_binary_with, lane_fused_with, sized, words,
};

crate::rows! {
    fmla_element "0 q 0 01111 1 sz l m rm:4 0001 h 0 rn:5 rd:5"
    "fmla {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {sz|felement}"
    |b, q, sz, l, m, rm, h, rn, rd| { let s = words(b, q, sz)?; let m = element(b, s, [h, l, m, rm])?; fused_with(b, s, [rd, rn], m, false) }

    fmla_element16 "0 q 0 01111 00 l m rm:4 0001 h 0 rn:5 rd:5"
    "fmla {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.h[{h:l:m}]"
    |b, q, l, m, rm, h, rn, rd| { let s = halves(b, q)?; let m = element(b, s, [h, l, m, rm])?; fused_with(b, s, [rd, rn], m, false) }

    fmla_element_lane "01 0 11111 1 sz l m rm:4 0001 h 0 rn:5 rd:5"
    "fmla {rd|fps}, {rn|fps}, {sz|felement}"
    |b, sz, l, m, rm, h, rn, rd| { let s = words(b, 1, sz)?; let m = element(b, s, [h, l, m, rm])?; lane_fused_with(b, s.e, [rd, rn], m, false) }

    fmla_element_lane16 "01 0 11111 00 l m rm:4 0001 h 0 rn:5 rd:5"
    "fmla {rd|h}, {rn|h}, {rm|v}.h[{h:l:m}]"
    |b, l, m, rm, h, rn, rd| { let s = halves(b, 1)?; let m = element(b, s, [h, l, m, rm])?; lane_fused_with(b, s.e, [rd, rn], m, false) }

    fmls_element "0 q 0 01111 1 sz l m rm:4 0101 h 0 rn:5 rd:5"
    "fmls {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {sz|felement}"
    |b, q, sz, l, m, rm, h, rn, rd| { let s = words(b, q, sz)?; let m = element(b, s, [h, l, m, rm])?; fused_with(b, s, [rd, rn], m, true) }

    fmls_element16 "0 q 0 01111 00 l m rm:4 0101 h 0 rn:5 rd:5"
    "fmls {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.h[{h:l:m}]"
    |b, q, l, m, rm, h, rn, rd| { let s = halves(b, q)?; let m = element(b, s, [h, l, m, rm])?; fused_with(b, s, [rd, rn], m, true) }

    fmls_element_lane "01 0 11111 1 sz l m rm:4 0101 h 0 rn:5 rd:5"
    "fmls {rd|fps}, {rn|fps}, {sz|felement}"
    |b, sz, l, m, rm, h, rn, rd| { let s = words(b, 1, sz)?; let m = element(b, s, [h, l, m, rm])?; lane_fused_with(b, s.e, [rd, rn], m, true) }

    fmls_element_lane16 "01 0 11111 00 l m rm:4 0101 h 0 rn:5 rd:5"
    "fmls {rd|h}, {rn|h}, {rm|v}.h[{h:l:m}]"
    |b, l, m, rm, h, rn, rd| { let s = halves(b, 1)?; let m = element(b, s, [h, l, m, rm])?; lane_fused_with(b, s.e, [rd, rn], m, true) }

    fmul_element "0 q 0 01111 1 sz l m rm:4 1001 h 0 rn:5 rd:5"
    "fmul {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {sz|felement}"
    |b, q, sz, l, m, rm, h, rn, rd| { let s = words(b, q, sz)?; let m = element(b, s, [h, l, m, rm])?; binary_with(b, s, [rd, rn], m, B::vf_mul) }

    fmul_element16 "0 q 0 01111 00 l m rm:4 1001 h 0 rn:5 rd:5"
    "fmul {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.h[{h:l:m}]"
    |b, q, l, m, rm, h, rn, rd| { let s = halves(b, q)?; let m = element(b, s, [h, l, m, rm])?; binary_with(b, s, [rd, rn], m, B::vf_mul) }

    fmul_element_lane "01 0 11111 1 sz l m rm:4 1001 h 0 rn:5 rd:5"
    "fmul {rd|fps}, {rn|fps}, {sz|felement}"
    |b, sz, l, m, rm, h, rn, rd| { let s = words(b, 1, sz)?; let m = element(b, s, [h, l, m, rm])?; lane_binary_with(b, s.e, [rd, rn], m, B::f_mul) }

    fmul_element_lane16 "01 0 11111 00 l m rm:4 1001 h 0 rn:5 rd:5"
    "fmul {rd|h}, {rn|h}, {rm|v}.h[{h:l:m}]"
    |b, l, m, rm, h, rn, rd| { let s = halves(b, 1)?; let m = element(b, s, [h, l, m, rm])?; lane_binary_with(b, s.e, [rd, rn], m, B::f_mul) }

    fmulx_element "0 q 1 01111 1 sz l m rm:4 1001 h 0 rn:5 rd:5"
    "fmulx {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {sz|felement}"
    |b, q, sz, l, m, rm, h, rn, rd| { let s = words(b, q, sz)?; let m = element(b, s, [h, l, m, rm])?; binary_with(b, s, [rd, rn], m, B::vf_mulx) }

    fmulx_element16 "0 q 1 01111 00 l m rm:4 1001 h 0 rn:5 rd:5"
    "fmulx {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.h[{h:l:m}]"
    |b, q, l, m, rm, h, rn, rd| { let s = halves(b, q)?; let m = element(b, s, [h, l, m, rm])?; binary_with(b, s, [rd, rn], m, B::vf_mulx) }

    fmulx_element_lane "01 1 11111 1 sz l m rm:4 1001 h 0 rn:5 rd:5"
    "fmulx {rd|fps}, {rn|fps}, {sz|felement}"
    |b, sz, l, m, rm, h, rn, rd| { let s = words(b, 1, sz)?; let m = element(b, s, [h, l, m, rm])?; lane_binary_with(b, s.e, [rd, rn], m, B::f_mulx) }

    fmulx_element_lane16 "01 1 11111 00 l m rm:4 1001 h 0 rn:5 rd:5"
    "fmulx {rd|h}, {rn|h}, {rm|v}.h[{h:l:m}]"
    |b, l, m, rm, h, rn, rd| { let s = halves(b, 1)?; let m = element(b, s, [h, l, m, rm])?; lane_binary_with(b, s.e, [rd, rn], m, B::f_mulx) }

    fcmla_element "0 q 1 01111 size:2 l m rm:4 0 rot:2 1 h 0 rn:5 rd:5"
    "fcmla {rd|v}.{size|arr}, {rn|v}.{size|arr}, {m:rm|v}.{size|el}[{h:l|fpair}], #{rot|rot}"
    |b, q, size, l, m, rm, rot, h, rn, rd| {
        let index = match (size, l, h) {
            (1, _, _) if q == 1 || h == 0 => h << 1 | l,
            (2, 0, _) if q == 1 => h,
            _ => return b.undefined(),
        };
        let s = sized(b, q, size)?;
        let pair = b.v(m << 4 | rm);
        let pair = s.repeat(b, pair, 2 * s.e, index);
        complex_fused(b, s, rd, rn, pair, rot)
     }
}
