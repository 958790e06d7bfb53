//! Advanced SIMD, integer (C4.1, «Data Processing -- Scalar Floating-Point and Advanced SIMD», and the loads and
//! stores of structures). Left out: floating-point arithmetic, which has its own groups.
//!
//! Here is what the groups share: the shape of an operation, and reading and writing registers by it.

use super::Done;
use crate::ir::op::OpSink;
use crate::ir::{Build, Flow};

/// An operation on one vector, with its immediate.
pub(super) type Unary<B> = fn(&mut B, <B as OpSink>::V, u64) -> <B as OpSink>::V;
/// An operation on two vectors, with its immediate.
pub(super) type Binary<B> = fn(&mut B, <B as OpSink>::V, <B as OpSink>::V, u64) -> <B as OpSink>::V;

/// Element sizes that an instruction has, as a set of the values of its size field.
pub(super) type Sizes = u32;
pub(super) const B: Sizes = 1;
pub(super) const H: Sizes = 2;
pub(super) const S: Sizes = 4;
pub(super) const D: Sizes = 8;
pub(super) const BH: Sizes = B | H;
pub(super) const HS: Sizes = H | S;
pub(super) const BHS: Sizes = B | HS;
pub(super) const BHSD: Sizes = BHS | D;

/// Lanes of an operation: `e` bits each, `width` bits in all (128, 64, or one lane).
#[derive(Clone, Copy)]
pub(super) struct Shape {
    pub(super) e: u64,
    pub(super) width: u64,
}

/// The shape of a vector operation; doublewords come in pairs only.
pub(super) fn vector<T: Build>(b: &mut T, sizes: Sizes, q: u32, size: u32) -> Result<Shape, T::Stop> {
    if sizes >> size & 1 == 0 || (size == 3 && q == 0) {
        return b.undefined();
    }
    Ok(Shape { e: 8 << size, width: 64 << q })
}

/// The shape of a scalar operation.
pub(super) fn scalar<T: Build>(b: &mut T, sizes: Sizes, size: u32) -> Result<Shape, T::Stop> {
    if sizes >> size & 1 == 0 { b.undefined() } else { Ok(Shape { e: 8 << size, width: 8 << size }) }
}

fn cut<T: Build>(b: &mut T, value: T::V, width: u64) -> T::V {
    if width < 128 { b.v_zext(value, width) } else { value }
}

/// Reads a register, with zeros beyond the width: for operations that saturate.
pub(super) fn get<T: Build>(b: &mut T, r: u32, width: u64) -> T::V {
    let value = b.v(r);
    cut(b, value, width)
}

/// Writes a register, with zeros beyond the width.
pub(super) fn set<T: Build>(b: &mut T, r: u32, width: u64, value: T::V) -> Done<T> {
    let value = cut(b, value, width);
    b.set_v(r, value);
    Ok(Flow::Next)
}

/// The half of a register that a long operation reads: the high one in its "2" form.
pub(super) fn half<T: Build>(b: &mut T, r: u32, q: u32) -> T::V {
    let value = b.v(r);
    if q == 1 { b.v_upper(value) } else { value }
}

/// Writes what a narrowing operation gave: over the high half in its "2" form.
pub(super) fn set_half<T: Build>(b: &mut T, r: u32, q: u32, value: T::V) -> Done<T> {
    let value = if q == 1 {
        let low = b.v(r);
        b.v_zip1(low, value, 64)
    } else {
        value
    };
    b.set_v(r, value);
    Ok(Flow::Next)
}

/// `rd = op(rn)`.
pub(super) fn unary<T: Build>(
    b: &mut T,
    shape: Shape,
    [rd, rn]: [u32; 2],
    op: impl FnOnce(&mut T, T::V, u64) -> T::V,
) -> Done<T> {
    let a = b.v(rn);
    let value = op(b, a, shape.e);
    set(b, rd, shape.width, value)
}

/// `rd = op(rn)` for an operation that saturates.
pub(super) fn unary_sat<T: Build>(b: &mut T, shape: Shape, [rd, rn]: [u32; 2], op: Unary<T>) -> Done<T> {
    let a = get(b, rn, shape.width);
    let value = op(b, a, shape.e);
    b.set_v(rd, value);
    Ok(Flow::Next)
}

/// `rd = op(rn, rm)`.
pub(super) fn binary<T: Build>(b: &mut T, shape: Shape, [rd, rn, rm]: [u32; 3], op: Binary<T>) -> Done<T> {
    let (x, y) = (b.v(rn), b.v(rm));
    let value = op(b, x, y, shape.e);
    set(b, rd, shape.width, value)
}

/// `rd = op(rn, rm)` for an operation that saturates.
pub(super) fn binary_sat<T: Build>(b: &mut T, shape: Shape, [rd, rn, rm]: [u32; 3], op: Binary<T>) -> Done<T> {
    let (x, y) = (get(b, rn, shape.width), get(b, rm, shape.width));
    let value = op(b, x, y, shape.e);
    b.set_v(rd, value);
    Ok(Flow::Next)
}

/// `rd = then(rd, op(rn, rm))`.
pub(super) fn accumulate<T: Build>(
    b: &mut T,
    shape: Shape,
    [rd, rn, rm]: [u32; 3],
    op: Binary<T>,
    then: Binary<T>,
) -> Done<T> {
    let (d, x, y) = (b.v(rd), b.v(rn), b.v(rm));
    let value = op(b, x, y, shape.e);
    let value = then(b, d, value, shape.e);
    set(b, rd, shape.width, value)
}
