//! Floating point on lane 0 of vectors (C4.1, «Advanced SIMD scalar three same», «pairwise», «two-register
//! miscellaneous», and their FP16 forms).

use super::simd_fp::{
    lane_absolute, lane_binary, lane_difference, lane_from_int, lane_pair, lane_to_int, lane_unary, lane_with_zero,
};
use crate::ir::Flow;
use crate::ir::softfloat::Rounding::{NegInf, PosInf, TieAway, TieEven, Zero};

crate::rows! { fp;
    fcvtns_lane "01 0 11110 0 sz 10000 11010 10 rn:5 rd:5" "fcvtns {rd|fps}, {rn|fps}"
    |b, sz, rn, rd| { lane_to_int(b, 32 << sz, [rd, rn], TieEven, false, 0) }

    fcvtns_lane16 "01 0 11110 0 111100 11010 10 rn:5 rd:5" "fcvtns {rd|h}, {rn|h}"
    |b, rn, rd| { lane_to_int(b, 16, [rd, rn], TieEven, false, 0) }

    fcvtnu_lane "01 1 11110 0 sz 10000 11010 10 rn:5 rd:5" "fcvtnu {rd|fps}, {rn|fps}"
    |b, sz, rn, rd| { lane_to_int(b, 32 << sz, [rd, rn], TieEven, true, 0) }

    fcvtnu_lane16 "01 1 11110 0 111100 11010 10 rn:5 rd:5" "fcvtnu {rd|h}, {rn|h}"
    |b, rn, rd| { lane_to_int(b, 16, [rd, rn], TieEven, true, 0) }

    fcvtms_lane "01 0 11110 0 sz 10000 11011 10 rn:5 rd:5" "fcvtms {rd|fps}, {rn|fps}"
    |b, sz, rn, rd| { lane_to_int(b, 32 << sz, [rd, rn], NegInf, false, 0) }

    fcvtms_lane16 "01 0 11110 0 111100 11011 10 rn:5 rd:5" "fcvtms {rd|h}, {rn|h}"
    |b, rn, rd| { lane_to_int(b, 16, [rd, rn], NegInf, false, 0) }

    fcvtmu_lane "01 1 11110 0 sz 10000 11011 10 rn:5 rd:5" "fcvtmu {rd|fps}, {rn|fps}"
    |b, sz, rn, rd| { lane_to_int(b, 32 << sz, [rd, rn], NegInf, true, 0) }

    fcvtmu_lane16 "01 1 11110 0 111100 11011 10 rn:5 rd:5" "fcvtmu {rd|h}, {rn|h}"
    |b, rn, rd| { lane_to_int(b, 16, [rd, rn], NegInf, true, 0) }

    fcvtas_lane "01 0 11110 0 sz 10000 11100 10 rn:5 rd:5" "fcvtas {rd|fps}, {rn|fps}"
    |b, sz, rn, rd| { lane_to_int(b, 32 << sz, [rd, rn], TieAway, false, 0) }

    fcvtas_lane16 "01 0 11110 0 111100 11100 10 rn:5 rd:5" "fcvtas {rd|h}, {rn|h}"
    |b, rn, rd| { lane_to_int(b, 16, [rd, rn], TieAway, false, 0) }

    fcvtau_lane "01 1 11110 0 sz 10000 11100 10 rn:5 rd:5" "fcvtau {rd|fps}, {rn|fps}"
    |b, sz, rn, rd| { lane_to_int(b, 32 << sz, [rd, rn], TieAway, true, 0) }

    fcvtau_lane16 "01 1 11110 0 111100 11100 10 rn:5 rd:5" "fcvtau {rd|h}, {rn|h}"
    |b, rn, rd| { lane_to_int(b, 16, [rd, rn], TieAway, true, 0) }

    fcvtps_lane "01 0 11110 1 sz 10000 11010 10 rn:5 rd:5" "fcvtps {rd|fps}, {rn|fps}"
    |b, sz, rn, rd| { lane_to_int(b, 32 << sz, [rd, rn], PosInf, false, 0) }

    fcvtps_lane16 "01 0 11110 1 111100 11010 10 rn:5 rd:5" "fcvtps {rd|h}, {rn|h}"
    |b, rn, rd| { lane_to_int(b, 16, [rd, rn], PosInf, false, 0) }

    fcvtpu_lane "01 1 11110 1 sz 10000 11010 10 rn:5 rd:5" "fcvtpu {rd|fps}, {rn|fps}"
    |b, sz, rn, rd| { lane_to_int(b, 32 << sz, [rd, rn], PosInf, true, 0) }

    fcvtpu_lane16 "01 1 11110 1 111100 11010 10 rn:5 rd:5" "fcvtpu {rd|h}, {rn|h}"
    |b, rn, rd| { lane_to_int(b, 16, [rd, rn], PosInf, true, 0) }

    fcvtzs_lane "01 0 11110 1 sz 10000 11011 10 rn:5 rd:5" "fcvtzs {rd|fps}, {rn|fps}"
    |b, sz, rn, rd| { lane_to_int(b, 32 << sz, [rd, rn], Zero, false, 0) }

    fcvtzs_lane16 "01 0 11110 1 111100 11011 10 rn:5 rd:5" "fcvtzs {rd|h}, {rn|h}"
    |b, rn, rd| { lane_to_int(b, 16, [rd, rn], Zero, false, 0) }

    fcvtzu_lane "01 1 11110 1 sz 10000 11011 10 rn:5 rd:5" "fcvtzu {rd|fps}, {rn|fps}"
    |b, sz, rn, rd| { lane_to_int(b, 32 << sz, [rd, rn], Zero, true, 0) }

    fcvtzu_lane16 "01 1 11110 1 111100 11011 10 rn:5 rd:5" "fcvtzu {rd|h}, {rn|h}"
    |b, rn, rd| { lane_to_int(b, 16, [rd, rn], Zero, true, 0) }

    scvtf_lane "01 0 11110 0 sz 10000 11101 10 rn:5 rd:5" "scvtf {rd|fps}, {rn|fps}"
    |b, sz, rn, rd| { lane_from_int(b, 32 << sz, [rd, rn], false, 0) }

    scvtf_lane16 "01 0 11110 0 111100 11101 10 rn:5 rd:5" "scvtf {rd|h}, {rn|h}"
    |b, rn, rd| { lane_from_int(b, 16, [rd, rn], false, 0) }

    ucvtf_lane "01 1 11110 0 sz 10000 11101 10 rn:5 rd:5" "ucvtf {rd|fps}, {rn|fps}"
    |b, sz, rn, rd| { lane_from_int(b, 32 << sz, [rd, rn], true, 0) }

    ucvtf_lane16 "01 1 11110 0 111100 11101 10 rn:5 rd:5" "ucvtf {rd|h}, {rn|h}"
    |b, rn, rd| { lane_from_int(b, 16, [rd, rn], true, 0) }

    fcmgt_zero_lane "01 0 11110 1 sz 10000 01100 10 rn:5 rd:5" "fcmgt {rd|fps}, {rn|fps}, #0.0"
    |b, sz, rn, rd| { lane_with_zero(b, 32 << sz, [rd, rn], false, B::f_cmgt) }

    fcmgt_zero_lane16 "01 0 11110 1 111100 01100 10 rn:5 rd:5" "fcmgt {rd|h}, {rn|h}, #0.0"
    |b, rn, rd| { lane_with_zero(b, 16, [rd, rn], false, B::f_cmgt) }

    fcmeq_zero_lane "01 0 11110 1 sz 10000 01101 10 rn:5 rd:5" "fcmeq {rd|fps}, {rn|fps}, #0.0"
    |b, sz, rn, rd| { lane_with_zero(b, 32 << sz, [rd, rn], false, B::f_cmeq) }

    fcmeq_zero_lane16 "01 0 11110 1 111100 01101 10 rn:5 rd:5" "fcmeq {rd|h}, {rn|h}, #0.0"
    |b, rn, rd| { lane_with_zero(b, 16, [rd, rn], false, B::f_cmeq) }

    fcmlt_zero_lane "01 0 11110 1 sz 10000 01110 10 rn:5 rd:5" "fcmlt {rd|fps}, {rn|fps}, #0.0"
    |b, sz, rn, rd| { lane_with_zero(b, 32 << sz, [rd, rn], true, B::f_cmgt) }

    fcmlt_zero_lane16 "01 0 11110 1 111100 01110 10 rn:5 rd:5" "fcmlt {rd|h}, {rn|h}, #0.0"
    |b, rn, rd| { lane_with_zero(b, 16, [rd, rn], true, B::f_cmgt) }

    fcmge_zero_lane "01 1 11110 1 sz 10000 01100 10 rn:5 rd:5" "fcmge {rd|fps}, {rn|fps}, #0.0"
    |b, sz, rn, rd| { lane_with_zero(b, 32 << sz, [rd, rn], false, B::f_cmge) }

    fcmge_zero_lane16 "01 1 11110 1 111100 01100 10 rn:5 rd:5" "fcmge {rd|h}, {rn|h}, #0.0"
    |b, rn, rd| { lane_with_zero(b, 16, [rd, rn], false, B::f_cmge) }

    fcmle_zero_lane "01 1 11110 1 sz 10000 01101 10 rn:5 rd:5" "fcmle {rd|fps}, {rn|fps}, #0.0"
    |b, sz, rn, rd| { lane_with_zero(b, 32 << sz, [rd, rn], true, B::f_cmge) }

    fcmle_zero_lane16 "01 1 11110 1 111100 01101 10 rn:5 rd:5" "fcmle {rd|h}, {rn|h}, #0.0"
    |b, rn, rd| { lane_with_zero(b, 16, [rd, rn], true, B::f_cmge) }

    frecpe_lane "01 0 11110 1 sz 10000 11101 10 rn:5 rd:5" "frecpe {rd|fps}, {rn|fps}"
    |b, sz, rn, rd| { lane_unary(b, 32 << sz, [rd, rn], B::f_recpe) }

    frecpe_lane16 "01 0 11110 1 111100 11101 10 rn:5 rd:5" "frecpe {rd|h}, {rn|h}"
    |b, rn, rd| { lane_unary(b, 16, [rd, rn], B::f_recpe) }

    frsqrte_lane "01 1 11110 1 sz 10000 11101 10 rn:5 rd:5" "frsqrte {rd|fps}, {rn|fps}"
    |b, sz, rn, rd| { lane_unary(b, 32 << sz, [rd, rn], B::f_rsqrte) }

    frsqrte_lane16 "01 1 11110 1 111100 11101 10 rn:5 rd:5" "frsqrte {rd|h}, {rn|h}"
    |b, rn, rd| { lane_unary(b, 16, [rd, rn], B::f_rsqrte) }

    frecpx_lane "01 0 11110 1 sz 10000 11111 10 rn:5 rd:5" "frecpx {rd|fps}, {rn|fps}"
    |b, sz, rn, rd| { lane_unary(b, 32 << sz, [rd, rn], B::f_recpx) }

    frecpx_lane16 "01 0 11110 1 111100 11111 10 rn:5 rd:5" "frecpx {rd|h}, {rn|h}"
    |b, rn, rd| { lane_unary(b, 16, [rd, rn], B::f_recpx) }

    fmulx_lane "01 0 11110 0 sz 1 rm:5 11011 1 rn:5 rd:5" "fmulx {rd|fps}, {rn|fps}, {rm|fps}"
    |b, sz, rm, rn, rd| { lane_binary(b, 32 << sz, [rd, rn, rm], B::f_mulx) }

    fmulx_lane16 "01 0 11110 0 10 rm:5 00 011 1 rn:5 rd:5" "fmulx {rd|h}, {rn|h}, {rm|h}"
    |b, rm, rn, rd| { lane_binary(b, 16, [rd, rn, rm], B::f_mulx) }

    fcmeq_lane "01 0 11110 0 sz 1 rm:5 11100 1 rn:5 rd:5" "fcmeq {rd|fps}, {rn|fps}, {rm|fps}"
    |b, sz, rm, rn, rd| { lane_binary(b, 32 << sz, [rd, rn, rm], B::f_cmeq) }

    fcmeq_lane16 "01 0 11110 0 10 rm:5 00 100 1 rn:5 rd:5" "fcmeq {rd|h}, {rn|h}, {rm|h}"
    |b, rm, rn, rd| { lane_binary(b, 16, [rd, rn, rm], B::f_cmeq) }

    frecps_lane "01 0 11110 0 sz 1 rm:5 11111 1 rn:5 rd:5" "frecps {rd|fps}, {rn|fps}, {rm|fps}"
    |b, sz, rm, rn, rd| { lane_binary(b, 32 << sz, [rd, rn, rm], B::f_recps) }

    frecps_lane16 "01 0 11110 0 10 rm:5 00 111 1 rn:5 rd:5" "frecps {rd|h}, {rn|h}, {rm|h}"
    |b, rm, rn, rd| { lane_binary(b, 16, [rd, rn, rm], B::f_recps) }

    frsqrts_lane "01 0 11110 1 sz 1 rm:5 11111 1 rn:5 rd:5" "frsqrts {rd|fps}, {rn|fps}, {rm|fps}"
    |b, sz, rm, rn, rd| { lane_binary(b, 32 << sz, [rd, rn, rm], B::f_rsqrts) }

    frsqrts_lane16 "01 0 11110 1 10 rm:5 00 111 1 rn:5 rd:5" "frsqrts {rd|h}, {rn|h}, {rm|h}"
    |b, rm, rn, rd| { lane_binary(b, 16, [rd, rn, rm], B::f_rsqrts) }

    fcmge_lane "01 1 11110 0 sz 1 rm:5 11100 1 rn:5 rd:5" "fcmge {rd|fps}, {rn|fps}, {rm|fps}"
    |b, sz, rm, rn, rd| { lane_binary(b, 32 << sz, [rd, rn, rm], B::f_cmge) }

    fcmge_lane16 "01 1 11110 0 10 rm:5 00 100 1 rn:5 rd:5" "fcmge {rd|h}, {rn|h}, {rm|h}"
    |b, rm, rn, rd| { lane_binary(b, 16, [rd, rn, rm], B::f_cmge) }

    facge_lane "01 1 11110 0 sz 1 rm:5 11101 1 rn:5 rd:5" "facge {rd|fps}, {rn|fps}, {rm|fps}"
    |b, sz, rm, rn, rd| { lane_absolute(b, 32 << sz, [rd, rn, rm], B::f_cmge) }

    facge_lane16 "01 1 11110 0 10 rm:5 00 101 1 rn:5 rd:5" "facge {rd|h}, {rn|h}, {rm|h}"
    |b, rm, rn, rd| { lane_absolute(b, 16, [rd, rn, rm], B::f_cmge) }

    fabd_lane "01 1 11110 1 sz 1 rm:5 11010 1 rn:5 rd:5" "fabd {rd|fps}, {rn|fps}, {rm|fps}"
    |b, sz, rm, rn, rd| { lane_difference(b, 32 << sz, [rd, rn, rm]) }

    fabd_lane16 "01 1 11110 1 10 rm:5 00 010 1 rn:5 rd:5" "fabd {rd|h}, {rn|h}, {rm|h}"
    |b, rm, rn, rd| { lane_difference(b, 16, [rd, rn, rm]) }

    fcmgt_lane "01 1 11110 1 sz 1 rm:5 11100 1 rn:5 rd:5" "fcmgt {rd|fps}, {rn|fps}, {rm|fps}"
    |b, sz, rm, rn, rd| { lane_binary(b, 32 << sz, [rd, rn, rm], B::f_cmgt) }

    fcmgt_lane16 "01 1 11110 1 10 rm:5 00 100 1 rn:5 rd:5" "fcmgt {rd|h}, {rn|h}, {rm|h}"
    |b, rm, rn, rd| { lane_binary(b, 16, [rd, rn, rm], B::f_cmgt) }

    facgt_lane "01 1 11110 1 sz 1 rm:5 11101 1 rn:5 rd:5" "facgt {rd|fps}, {rn|fps}, {rm|fps}"
    |b, sz, rm, rn, rd| { lane_absolute(b, 32 << sz, [rd, rn, rm], B::f_cmgt) }

    facgt_lane16 "01 1 11110 1 10 rm:5 00 101 1 rn:5 rd:5" "facgt {rd|h}, {rn|h}, {rm|h}"
    |b, rm, rn, rd| { lane_absolute(b, 16, [rd, rn, rm], B::f_cmgt) }

    fmaxnmp_lane "01 1 11110 0 sz 11000 01100 10 rn:5 rd:5" "fmaxnmp {rd|fps}, {rn|v}.2{sz|fel}"
    |b, sz, rn, rd| { lane_pair(b, 32 << sz, [rd, rn], B::f_maxnm) }

    fmaxnmp_lane16 "01 0 11110 0 0 11000 01100 10 rn:5 rd:5" "fmaxnmp {rd|h}, {rn|v}.2h"
    |b, rn, rd| { lane_pair(b, 16, [rd, rn], B::f_maxnm) }

    faddp_lane "01 1 11110 0 sz 11000 01101 10 rn:5 rd:5" "faddp {rd|fps}, {rn|v}.2{sz|fel}"
    |b, sz, rn, rd| { lane_pair(b, 32 << sz, [rd, rn], B::f_add) }

    faddp_lane16 "01 0 11110 0 0 11000 01101 10 rn:5 rd:5" "faddp {rd|h}, {rn|v}.2h"
    |b, rn, rd| { lane_pair(b, 16, [rd, rn], B::f_add) }

    fmaxp_lane "01 1 11110 0 sz 11000 01111 10 rn:5 rd:5" "fmaxp {rd|fps}, {rn|v}.2{sz|fel}"
    |b, sz, rn, rd| { lane_pair(b, 32 << sz, [rd, rn], B::f_max) }

    fmaxp_lane16 "01 0 11110 0 0 11000 01111 10 rn:5 rd:5" "fmaxp {rd|h}, {rn|v}.2h"
    |b, rn, rd| { lane_pair(b, 16, [rd, rn], B::f_max) }

    fminnmp_lane "01 1 11110 1 sz 11000 01100 10 rn:5 rd:5" "fminnmp {rd|fps}, {rn|v}.2{sz|fel}"
    |b, sz, rn, rd| { lane_pair(b, 32 << sz, [rd, rn], B::f_minnm) }

    fminnmp_lane16 "01 0 11110 1 0 11000 01100 10 rn:5 rd:5" "fminnmp {rd|h}, {rn|v}.2h"
    |b, rn, rd| { lane_pair(b, 16, [rd, rn], B::f_minnm) }

    fminp_lane "01 1 11110 1 sz 11000 01111 10 rn:5 rd:5" "fminp {rd|fps}, {rn|v}.2{sz|fel}"
    |b, sz, rn, rd| { lane_pair(b, 32 << sz, [rd, rn], B::f_min) }

    fminp_lane16 "01 0 11110 1 0 11000 01111 10 rn:5 rd:5" "fminp {rd|h}, {rn|v}.2h"
    |b, rn, rd| { lane_pair(b, 16, [rd, rn], B::f_min) }

    fcvtxn_lane "01 1 11110 0 1 10000 10110 10 rn:5 rd:5" "fcvtxn {rd|s}, {rn|d}"
    |b, rn, rd| {
        let n = b.v(rn);
        let n = b.v_zext(n, 64);
        let value = b.vf_narrow_odd(n, 32);
        b.set_v(rd, value);
        Ok(Flow::Next)
    }
}
