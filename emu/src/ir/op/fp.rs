//! Floating-point operations.

crate::ops! {
    /// Floating-point operations; those marked `env` depend on FPCR and set FPSR.
    FpOp / FpOps / Fp;

    /// The absolute value of the low `bits` bits (16, 32 or 64) as floating point; zeros above.
    f_abs: FAbs(a: V; bits) -> V { a & ((1 << (bits - 1)) - 1) }
}
