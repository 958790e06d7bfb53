//! Floating-point vectors, one register (C4.1, «Advanced SIMD two-register miscellaneous», «(FP16)», and «across
//! lanes»).
//!
//! FRINT32 and FRINT64 (FEAT_FRINTTS) and BFloat16 are left out.

use super::simd_fp::{across, from_int, halves, narrow, rint, to_int, unary, unary_filled, with_zero, words};
use crate::ir::Flow;
use crate::ir::softfloat::Rounding::{NegInf, PosInf, TieAway, TieEven, Zero};

crate::rows! {
    frintn_v "0 q 0 01110 0 sz 10000 11000 10 rn:5 rd:5"
    "frintn {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; rint(b, s, [rd, rn], Some(TieEven), false) }

    frintn_v16 "0 q 0 01110 0 111100 11000 10 rn:5 rd:5"
    "frintn {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; rint(b, s, [rd, rn], Some(TieEven), false) }

    frintm_v "0 q 0 01110 0 sz 10000 11001 10 rn:5 rd:5"
    "frintm {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; rint(b, s, [rd, rn], Some(NegInf), false) }

    frintm_v16 "0 q 0 01110 0 111100 11001 10 rn:5 rd:5"
    "frintm {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; rint(b, s, [rd, rn], Some(NegInf), false) }

    frintp_v "0 q 0 01110 1 sz 10000 11000 10 rn:5 rd:5"
    "frintp {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; rint(b, s, [rd, rn], Some(PosInf), false) }

    frintp_v16 "0 q 0 01110 1 111100 11000 10 rn:5 rd:5"
    "frintp {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; rint(b, s, [rd, rn], Some(PosInf), false) }

    frintz_v "0 q 0 01110 1 sz 10000 11001 10 rn:5 rd:5"
    "frintz {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; rint(b, s, [rd, rn], Some(Zero), false) }

    frintz_v16 "0 q 0 01110 1 111100 11001 10 rn:5 rd:5"
    "frintz {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; rint(b, s, [rd, rn], Some(Zero), false) }

    frinta_v "0 q 1 01110 0 sz 10000 11000 10 rn:5 rd:5"
    "frinta {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; rint(b, s, [rd, rn], Some(TieAway), false) }

    frinta_v16 "0 q 1 01110 0 111100 11000 10 rn:5 rd:5"
    "frinta {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; rint(b, s, [rd, rn], Some(TieAway), false) }

    frintx_v "0 q 1 01110 0 sz 10000 11001 10 rn:5 rd:5"
    "frintx {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; rint(b, s, [rd, rn], None, true) }

    frintx_v16 "0 q 1 01110 0 111100 11001 10 rn:5 rd:5"
    "frintx {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; rint(b, s, [rd, rn], None, true) }

    frinti_v "0 q 1 01110 1 sz 10000 11001 10 rn:5 rd:5"
    "frinti {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; rint(b, s, [rd, rn], None, false) }

    frinti_v16 "0 q 1 01110 1 111100 11001 10 rn:5 rd:5"
    "frinti {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; rint(b, s, [rd, rn], None, false) }

    fcvtns_v "0 q 0 01110 0 sz 10000 11010 10 rn:5 rd:5"
    "fcvtns {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; to_int(b, s, [rd, rn], TieEven, false, 0) }

    fcvtns_v16 "0 q 0 01110 0 111100 11010 10 rn:5 rd:5"
    "fcvtns {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; to_int(b, s, [rd, rn], TieEven, false, 0) }

    fcvtnu_v "0 q 1 01110 0 sz 10000 11010 10 rn:5 rd:5"
    "fcvtnu {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; to_int(b, s, [rd, rn], TieEven, true, 0) }

    fcvtnu_v16 "0 q 1 01110 0 111100 11010 10 rn:5 rd:5"
    "fcvtnu {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; to_int(b, s, [rd, rn], TieEven, true, 0) }

    fcvtms_v "0 q 0 01110 0 sz 10000 11011 10 rn:5 rd:5"
    "fcvtms {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; to_int(b, s, [rd, rn], NegInf, false, 0) }

    fcvtms_v16 "0 q 0 01110 0 111100 11011 10 rn:5 rd:5"
    "fcvtms {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; to_int(b, s, [rd, rn], NegInf, false, 0) }

    fcvtmu_v "0 q 1 01110 0 sz 10000 11011 10 rn:5 rd:5"
    "fcvtmu {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; to_int(b, s, [rd, rn], NegInf, true, 0) }

    fcvtmu_v16 "0 q 1 01110 0 111100 11011 10 rn:5 rd:5"
    "fcvtmu {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; to_int(b, s, [rd, rn], NegInf, true, 0) }

    fcvtas_v "0 q 0 01110 0 sz 10000 11100 10 rn:5 rd:5"
    "fcvtas {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; to_int(b, s, [rd, rn], TieAway, false, 0) }

    fcvtas_v16 "0 q 0 01110 0 111100 11100 10 rn:5 rd:5"
    "fcvtas {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; to_int(b, s, [rd, rn], TieAway, false, 0) }

    fcvtau_v "0 q 1 01110 0 sz 10000 11100 10 rn:5 rd:5"
    "fcvtau {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; to_int(b, s, [rd, rn], TieAway, true, 0) }

    fcvtau_v16 "0 q 1 01110 0 111100 11100 10 rn:5 rd:5"
    "fcvtau {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; to_int(b, s, [rd, rn], TieAway, true, 0) }

    fcvtps_v "0 q 0 01110 1 sz 10000 11010 10 rn:5 rd:5"
    "fcvtps {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; to_int(b, s, [rd, rn], PosInf, false, 0) }

    fcvtps_v16 "0 q 0 01110 1 111100 11010 10 rn:5 rd:5"
    "fcvtps {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; to_int(b, s, [rd, rn], PosInf, false, 0) }

    fcvtpu_v "0 q 1 01110 1 sz 10000 11010 10 rn:5 rd:5"
    "fcvtpu {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; to_int(b, s, [rd, rn], PosInf, true, 0) }

    fcvtpu_v16 "0 q 1 01110 1 111100 11010 10 rn:5 rd:5"
    "fcvtpu {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; to_int(b, s, [rd, rn], PosInf, true, 0) }

    fcvtzs_v "0 q 0 01110 1 sz 10000 11011 10 rn:5 rd:5"
    "fcvtzs {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; to_int(b, s, [rd, rn], Zero, false, 0) }

    fcvtzs_v16 "0 q 0 01110 1 111100 11011 10 rn:5 rd:5"
    "fcvtzs {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; to_int(b, s, [rd, rn], Zero, false, 0) }

    fcvtzu_v "0 q 1 01110 1 sz 10000 11011 10 rn:5 rd:5"
    "fcvtzu {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; to_int(b, s, [rd, rn], Zero, true, 0) }

    fcvtzu_v16 "0 q 1 01110 1 111100 11011 10 rn:5 rd:5"
    "fcvtzu {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; to_int(b, s, [rd, rn], Zero, true, 0) }

    scvtf_v "0 q 0 01110 0 sz 10000 11101 10 rn:5 rd:5"
    "scvtf {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; from_int(b, s, [rd, rn], false, 0) }

    scvtf_v16 "0 q 0 01110 0 111100 11101 10 rn:5 rd:5"
    "scvtf {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; from_int(b, s, [rd, rn], false, 0) }

    ucvtf_v "0 q 1 01110 0 sz 10000 11101 10 rn:5 rd:5"
    "ucvtf {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; from_int(b, s, [rd, rn], true, 0) }

    ucvtf_v16 "0 q 1 01110 0 111100 11101 10 rn:5 rd:5"
    "ucvtf {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; from_int(b, s, [rd, rn], true, 0) }

    fcmgt_zero_v "0 q 0 01110 1 sz 10000 01100 10 rn:5 rd:5"
    "fcmgt {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, #0.0"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; with_zero(b, s, [rd, rn], false, B::vf_cmgt) }

    fcmgt_zero_v16 "0 q 0 01110 1 111100 01100 10 rn:5 rd:5"
    "fcmgt {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, #0.0"
    |b, q, rn, rd| { let s = halves(b, q)?; with_zero(b, s, [rd, rn], false, B::vf_cmgt) }

    fcmeq_zero_v "0 q 0 01110 1 sz 10000 01101 10 rn:5 rd:5"
    "fcmeq {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, #0.0"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; with_zero(b, s, [rd, rn], false, B::vf_cmeq) }

    fcmeq_zero_v16 "0 q 0 01110 1 111100 01101 10 rn:5 rd:5"
    "fcmeq {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, #0.0"
    |b, q, rn, rd| { let s = halves(b, q)?; with_zero(b, s, [rd, rn], false, B::vf_cmeq) }

    fcmlt_zero_v "0 q 0 01110 1 sz 10000 01110 10 rn:5 rd:5"
    "fcmlt {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, #0.0"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; with_zero(b, s, [rd, rn], true, B::vf_cmgt) }

    fcmlt_zero_v16 "0 q 0 01110 1 111100 01110 10 rn:5 rd:5"
    "fcmlt {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, #0.0"
    |b, q, rn, rd| { let s = halves(b, q)?; with_zero(b, s, [rd, rn], true, B::vf_cmgt) }

    fcmge_zero_v "0 q 1 01110 1 sz 10000 01100 10 rn:5 rd:5"
    "fcmge {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, #0.0"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; with_zero(b, s, [rd, rn], false, B::vf_cmge) }

    fcmge_zero_v16 "0 q 1 01110 1 111100 01100 10 rn:5 rd:5"
    "fcmge {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, #0.0"
    |b, q, rn, rd| { let s = halves(b, q)?; with_zero(b, s, [rd, rn], false, B::vf_cmge) }

    fcmle_zero_v "0 q 1 01110 1 sz 10000 01101 10 rn:5 rd:5"
    "fcmle {rd|v}.{sz|farr}, {rn|v}.{sz|farr}, #0.0"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; with_zero(b, s, [rd, rn], true, B::vf_cmge) }

    fcmle_zero_v16 "0 q 1 01110 1 111100 01101 10 rn:5 rd:5"
    "fcmle {rd|v}.{q|arr16}, {rn|v}.{q|arr16}, #0.0"
    |b, q, rn, rd| { let s = halves(b, q)?; with_zero(b, s, [rd, rn], true, B::vf_cmge) }

    fabs_v "0 q 0 01110 1 sz 10000 01111 10 rn:5 rd:5"
    "fabs {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; unary(b, s, [rd, rn], B::vf_abs) }

    fabs_v16 "0 q 0 01110 1 111100 01111 10 rn:5 rd:5"
    "fabs {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; unary(b, s, [rd, rn], B::vf_abs) }

    fneg_v "0 q 1 01110 1 sz 10000 01111 10 rn:5 rd:5"
    "fneg {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; unary(b, s, [rd, rn], B::vf_neg) }

    fneg_v16 "0 q 1 01110 1 111100 01111 10 rn:5 rd:5"
    "fneg {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; unary(b, s, [rd, rn], B::vf_neg) }

    fsqrt_v "0 q 1 01110 1 sz 10000 11111 10 rn:5 rd:5"
    "fsqrt {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; unary(b, s, [rd, rn], B::vf_sqrt) }

    fsqrt_v16 "0 q 1 01110 1 111100 11111 10 rn:5 rd:5"
    "fsqrt {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; unary(b, s, [rd, rn], B::vf_sqrt) }

    frecpe_v "0 q 0 01110 1 sz 10000 11101 10 rn:5 rd:5"
    "frecpe {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; unary_filled(b, s, [rd, rn], B::vf_recpe) }

    frecpe_v16 "0 q 0 01110 1 111100 11101 10 rn:5 rd:5"
    "frecpe {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; unary_filled(b, s, [rd, rn], B::vf_recpe) }

    frsqrte_v "0 q 1 01110 1 sz 10000 11101 10 rn:5 rd:5"
    "frsqrte {rd|v}.{sz|farr}, {rn|v}.{sz|farr}"
    |b, q, sz, rn, rd| { let s = words(b, q, sz)?; unary_filled(b, s, [rd, rn], B::vf_rsqrte) }

    frsqrte_v16 "0 q 1 01110 1 111100 11101 10 rn:5 rd:5"
    "frsqrte {rd|v}.{q|arr16}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; unary_filled(b, s, [rd, rn], B::vf_rsqrte) }

    fcvtn "0 q 0 01110 0 sz 10000 10110 10 rn:5 rd:5"
    "fcvtn{q|two} {rd|v}.{sz|ffrom}, {rn|v}.{sz|fto}"
    |b, q, sz, rn, rd| { narrow(b, q, 16 << sz, [rd, rn], B::vf_narrow) }

    fcvtxn "0 q 1 01110 0 1 10000 10110 10 rn:5 rd:5"
    "fcvtxn{q|two} {rd|v}.{q|arr32}, {rn|v}.2d"
    |b, q, rn, rd| { narrow(b, q, 32, [rd, rn], B::vf_narrow_odd) }

    fcvtl "0 q 0 01110 0 sz 10000 10111 10 rn:5 rd:5"
    "fcvtl{q|two} {rd|v}.{sz|fto}, {rn|v}.{sz|ffrom}"
    |b, q, sz, rn, rd| {
        b.check_fp()?;
        let n = b.v(rn);
        let n = if q == 1 { b.v_upper(n) } else { n };
        let value = b.vf_widen(n, 16 << sz);
        b.set_v(rd, value);
        Ok(Flow::Next)
     }

    fmaxnmv "0 1 1 01110 0 0 11000 01100 10 rn:5 rd:5"
    "fmaxnmv {rd|s}, {rn|v}.4s"
    |b, rn, rd| { let s = words(b, 1, 0)?; across(b, s, [rd, rn], B::vf_maxnm) }

    fmaxnmv16 "0 q 0 01110 0 0 11000 01100 10 rn:5 rd:5"
    "fmaxnmv {rd|h}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; across(b, s, [rd, rn], B::vf_maxnm) }

    fmaxv "0 1 1 01110 0 0 11000 01111 10 rn:5 rd:5"
    "fmaxv {rd|s}, {rn|v}.4s"
    |b, rn, rd| { let s = words(b, 1, 0)?; across(b, s, [rd, rn], B::vf_max) }

    fmaxv16 "0 q 0 01110 0 0 11000 01111 10 rn:5 rd:5"
    "fmaxv {rd|h}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; across(b, s, [rd, rn], B::vf_max) }

    fminnmv "0 1 1 01110 1 0 11000 01100 10 rn:5 rd:5"
    "fminnmv {rd|s}, {rn|v}.4s"
    |b, rn, rd| { let s = words(b, 1, 0)?; across(b, s, [rd, rn], B::vf_minnm) }

    fminnmv16 "0 q 0 01110 1 0 11000 01100 10 rn:5 rd:5"
    "fminnmv {rd|h}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; across(b, s, [rd, rn], B::vf_minnm) }

    fminv "0 1 1 01110 1 0 11000 01111 10 rn:5 rd:5"
    "fminv {rd|s}, {rn|v}.4s"
    |b, rn, rd| { let s = words(b, 1, 0)?; across(b, s, [rd, rn], B::vf_min) }

    fminv16 "0 q 0 01110 1 0 11000 01111 10 rn:5 rd:5"
    "fminv {rd|h}, {rn|v}.{q|arr16}"
    |b, q, rn, rd| { let s = halves(b, q)?; across(b, s, [rd, rn], B::vf_min) }
}
