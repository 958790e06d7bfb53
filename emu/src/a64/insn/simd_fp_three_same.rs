//! Floating-point vectors, three registers of the same type (C4.1, «Advanced SIMD three same», «(FP16)» and
//! «extra»).
//!
//! FMLAL and FMLSL (FEAT_FHM) are left out.

use super::simd_fp::{
    absolute, binary, complex_fused, difference, divide, fused, halves, pairwise, sized, turned, words,
};

crate::rows! {
    fmaxnm_v "0 q 0 01110 0 sz 1 rm:5 11000 1 rn:5 rd:5"
    "fmaxnm {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; binary(b, s, [rd, rn, rm], B::vf_maxnm) }

    fmaxnm_v16 "0 q 0 01110 0 10 rm:5 00 000 1 rn:5 rd:5"
    "fmaxnm {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; binary(b, s, [rd, rn, rm], B::vf_maxnm) }

    fmla_v "0 q 0 01110 0 sz 1 rm:5 11001 1 rn:5 rd:5"
    "fmla {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; fused(b, s, [rd, rn, rm], false) }

    fmla_v16 "0 q 0 01110 0 10 rm:5 00 001 1 rn:5 rd:5"
    "fmla {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; fused(b, s, [rd, rn, rm], false) }

    fadd_v "0 q 0 01110 0 sz 1 rm:5 11010 1 rn:5 rd:5"
    "fadd {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; binary(b, s, [rd, rn, rm], B::vf_add) }

    fadd_v16 "0 q 0 01110 0 10 rm:5 00 010 1 rn:5 rd:5"
    "fadd {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; binary(b, s, [rd, rn, rm], B::vf_add) }

    fmulx_v "0 q 0 01110 0 sz 1 rm:5 11011 1 rn:5 rd:5"
    "fmulx {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; binary(b, s, [rd, rn, rm], B::vf_mulx) }

    fmulx_v16 "0 q 0 01110 0 10 rm:5 00 011 1 rn:5 rd:5"
    "fmulx {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; binary(b, s, [rd, rn, rm], B::vf_mulx) }

    fcmeq_v "0 q 0 01110 0 sz 1 rm:5 11100 1 rn:5 rd:5"
    "fcmeq {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; binary(b, s, [rd, rn, rm], B::vf_cmeq) }

    fcmeq_v16 "0 q 0 01110 0 10 rm:5 00 100 1 rn:5 rd:5"
    "fcmeq {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; binary(b, s, [rd, rn, rm], B::vf_cmeq) }

    fmax_v "0 q 0 01110 0 sz 1 rm:5 11110 1 rn:5 rd:5"
    "fmax {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; binary(b, s, [rd, rn, rm], B::vf_max) }

    fmax_v16 "0 q 0 01110 0 10 rm:5 00 110 1 rn:5 rd:5"
    "fmax {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; binary(b, s, [rd, rn, rm], B::vf_max) }

    frecps_v "0 q 0 01110 0 sz 1 rm:5 11111 1 rn:5 rd:5"
    "frecps {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; binary(b, s, [rd, rn, rm], B::vf_recps) }

    frecps_v16 "0 q 0 01110 0 10 rm:5 00 111 1 rn:5 rd:5"
    "frecps {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; binary(b, s, [rd, rn, rm], B::vf_recps) }

    fminnm_v "0 q 0 01110 1 sz 1 rm:5 11000 1 rn:5 rd:5"
    "fminnm {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; binary(b, s, [rd, rn, rm], B::vf_minnm) }

    fminnm_v16 "0 q 0 01110 1 10 rm:5 00 000 1 rn:5 rd:5"
    "fminnm {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; binary(b, s, [rd, rn, rm], B::vf_minnm) }

    fmls_v "0 q 0 01110 1 sz 1 rm:5 11001 1 rn:5 rd:5"
    "fmls {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; fused(b, s, [rd, rn, rm], true) }

    fmls_v16 "0 q 0 01110 1 10 rm:5 00 001 1 rn:5 rd:5"
    "fmls {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; fused(b, s, [rd, rn, rm], true) }

    fsub_v "0 q 0 01110 1 sz 1 rm:5 11010 1 rn:5 rd:5"
    "fsub {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; binary(b, s, [rd, rn, rm], B::vf_sub) }

    fsub_v16 "0 q 0 01110 1 10 rm:5 00 010 1 rn:5 rd:5"
    "fsub {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; binary(b, s, [rd, rn, rm], B::vf_sub) }

    fmin_v "0 q 0 01110 1 sz 1 rm:5 11110 1 rn:5 rd:5"
    "fmin {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; binary(b, s, [rd, rn, rm], B::vf_min) }

    fmin_v16 "0 q 0 01110 1 10 rm:5 00 110 1 rn:5 rd:5"
    "fmin {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; binary(b, s, [rd, rn, rm], B::vf_min) }

    frsqrts_v "0 q 0 01110 1 sz 1 rm:5 11111 1 rn:5 rd:5"
    "frsqrts {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; binary(b, s, [rd, rn, rm], B::vf_rsqrts) }

    frsqrts_v16 "0 q 0 01110 1 10 rm:5 00 111 1 rn:5 rd:5"
    "frsqrts {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; binary(b, s, [rd, rn, rm], B::vf_rsqrts) }

    fmaxnmp_v "0 q 1 01110 0 sz 1 rm:5 11000 1 rn:5 rd:5"
    "fmaxnmp {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; pairwise(b, s, [rd, rn, rm], B::vf_maxnm) }

    fmaxnmp_v16 "0 q 1 01110 0 10 rm:5 00 000 1 rn:5 rd:5"
    "fmaxnmp {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; pairwise(b, s, [rd, rn, rm], B::vf_maxnm) }

    faddp_v "0 q 1 01110 0 sz 1 rm:5 11010 1 rn:5 rd:5"
    "faddp {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; pairwise(b, s, [rd, rn, rm], B::vf_add) }

    faddp_v16 "0 q 1 01110 0 10 rm:5 00 010 1 rn:5 rd:5"
    "faddp {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; pairwise(b, s, [rd, rn, rm], B::vf_add) }

    fmul_v "0 q 1 01110 0 sz 1 rm:5 11011 1 rn:5 rd:5"
    "fmul {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; binary(b, s, [rd, rn, rm], B::vf_mul) }

    fmul_v16 "0 q 1 01110 0 10 rm:5 00 011 1 rn:5 rd:5"
    "fmul {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; binary(b, s, [rd, rn, rm], B::vf_mul) }

    fcmge_v "0 q 1 01110 0 sz 1 rm:5 11100 1 rn:5 rd:5"
    "fcmge {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; binary(b, s, [rd, rn, rm], B::vf_cmge) }

    fcmge_v16 "0 q 1 01110 0 10 rm:5 00 100 1 rn:5 rd:5"
    "fcmge {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; binary(b, s, [rd, rn, rm], B::vf_cmge) }

    facge_v "0 q 1 01110 0 sz 1 rm:5 11101 1 rn:5 rd:5"
    "facge {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; absolute(b, s, [rd, rn, rm], B::vf_cmge) }

    facge_v16 "0 q 1 01110 0 10 rm:5 00 101 1 rn:5 rd:5"
    "facge {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; absolute(b, s, [rd, rn, rm], B::vf_cmge) }

    fmaxp_v "0 q 1 01110 0 sz 1 rm:5 11110 1 rn:5 rd:5"
    "fmaxp {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; pairwise(b, s, [rd, rn, rm], B::vf_max) }

    fmaxp_v16 "0 q 1 01110 0 10 rm:5 00 110 1 rn:5 rd:5"
    "fmaxp {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; pairwise(b, s, [rd, rn, rm], B::vf_max) }

    fdiv_v "0 q 1 01110 0 sz 1 rm:5 11111 1 rn:5 rd:5"
    "fdiv {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; divide(b, s, [rd, rn, rm]) }

    fdiv_v16 "0 q 1 01110 0 10 rm:5 00 111 1 rn:5 rd:5"
    "fdiv {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; divide(b, s, [rd, rn, rm]) }

    fminnmp_v "0 q 1 01110 1 sz 1 rm:5 11000 1 rn:5 rd:5"
    "fminnmp {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; pairwise(b, s, [rd, rn, rm], B::vf_minnm) }

    fminnmp_v16 "0 q 1 01110 1 10 rm:5 00 000 1 rn:5 rd:5"
    "fminnmp {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; pairwise(b, s, [rd, rn, rm], B::vf_minnm) }

    fabd_v "0 q 1 01110 1 sz 1 rm:5 11010 1 rn:5 rd:5"
    "fabd {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; difference(b, s, [rd, rn, rm]) }

    fabd_v16 "0 q 1 01110 1 10 rm:5 00 010 1 rn:5 rd:5"
    "fabd {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; difference(b, s, [rd, rn, rm]) }

    fcmgt_v "0 q 1 01110 1 sz 1 rm:5 11100 1 rn:5 rd:5"
    "fcmgt {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; binary(b, s, [rd, rn, rm], B::vf_cmgt) }

    fcmgt_v16 "0 q 1 01110 1 10 rm:5 00 100 1 rn:5 rd:5"
    "fcmgt {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; binary(b, s, [rd, rn, rm], B::vf_cmgt) }

    facgt_v "0 q 1 01110 1 sz 1 rm:5 11101 1 rn:5 rd:5"
    "facgt {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; absolute(b, s, [rd, rn, rm], B::vf_cmgt) }

    facgt_v16 "0 q 1 01110 1 10 rm:5 00 101 1 rn:5 rd:5"
    "facgt {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; absolute(b, s, [rd, rn, rm], B::vf_cmgt) }

    fminp_v "0 q 1 01110 1 sz 1 rm:5 11110 1 rn:5 rd:5"
    "fminp {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, {rm|v}.{sz|farr}"
    |b, q, sz, rm, rn, rd| { let s = words(b, q, sz)?; pairwise(b, s, [rd, rn, rm], B::vf_min) }

    fminp_v16 "0 q 1 01110 1 10 rm:5 00 110 1 rn:5 rd:5"
    "fminp {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, {rm|v}.{q|arr16}"
    |b, q, rm, rn, rd| { let s = halves(b, q)?; pairwise(b, s, [rd, rn, rm], B::vf_min) }

    fcmla_v "0 q 1 01110 size:2 0 rm:5 110 rot:2 1 rn:5 rd:5"
    "fcmla {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}, #{rot|rot}"
    |b, q, size, rm, rot, rn, rd| {
        let s = sized(b, q, size)?;
        let m = s.get(b, rm);
        complex_fused(b, s, rd, rn, m, rot)
     }

    fcadd_v "0 q 1 01110 size:2 0 rm:5 111 rot 0 1 rn:5 rd:5"
    "fcadd {rd|v}.{size|arr}, {rn|v}.{size|arr}, {rm|v}.{size|arr}, #{rot|rot90}"
    |b, q, size, rm, rot, rn, rd| {
        let s = sized(b, q, size)?;
        let (n, m) = (s.get(b, rn), s.get(b, rm));
        let m = turned(b, s, m, 1 + 2 * rot);
        let value = b.vf_add(n, m, s.e);
        s.set(b, rd, value)
     }
}
