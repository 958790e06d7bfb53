//! IR operations: one row each, saying what the operation means.
//!
//! A row is `/// doc`, `method: Variant(env?, args…; imm?) -> kind { value }`. From a group of rows [`ops!`](crate::ops)
//! makes the group's enum, its table (name, argument kinds, `eval`), and the trait whose methods instruction
//! semantics call. The interpreter runs `eval` at once; [`Lift`](super::Lift) records the operation; the constant
//! folder, the translator's fallback and the property tests of its emitters all call the same `eval`.

use serde::{Deserialize, Serialize};

use crate::state::FpEnv;

pub mod crypto;
pub mod fp;
pub mod int;
pub mod vec;

pub use crypto::{CryptoOp, CryptoOps};
pub use fp::{FpOp, FpOps};
pub use int::{IntOp, IntOps};
pub use vec::arith::{VecArithOp, VecArithOps};
pub use vec::saturate::{VecSatOp, VecSatOps};
pub use vec::{VecOp, VecOps};

/// What kind of value: a general-purpose one of 64 bits, or a vector of 128.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Integer. 32-bit operations take the low halves of their arguments and give a zero-extended result.
    I,
    /// Vector.
    V,
}

/// `eval` in its uniform shape: arguments and result widened to 128 bits, the immediate as it stands in the IR.
pub type EvalFn = fn(&mut FpEnv, &[u128], u64) -> u128;

/// One row of an operation table.
#[derive(Debug)]
pub struct OpRow {
    /// The method's name.
    pub name: &'static str,
    /// Kinds of the arguments.
    pub args: &'static [Kind],
    /// Kind of the result.
    pub result: Kind,
    /// Whether the result depends on FPCR or sets FPSR; such an operation is neither folded nor removed.
    pub env: bool,
    /// What it means.
    pub eval: EvalFn,
}

/// Any pure operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Op {
    /// On general-purpose values.
    Int(IntOp),
    /// On vectors: moving, logic, permuting.
    Vec(VecOp),
    /// On vectors: lane arithmetic.
    VecArith(VecArithOp),
    /// On vectors: saturating lane arithmetic.
    VecSat(VecSatOp),
    /// Floating point.
    Fp(FpOp),
    /// Cryptography and checksums.
    Crypto(CryptoOp),
}

impl Op {
    /// Its row.
    #[must_use]
    pub fn row(self) -> &'static OpRow {
        match self {
            Self::Int(op) => &int::ROWS[op as usize],
            Self::Vec(op) => &vec::ROWS[op as usize],
            Self::VecArith(op) => &vec::arith::ROWS[op as usize],
            Self::VecSat(op) => &vec::saturate::ROWS[op as usize],
            Self::Fp(op) => &fp::ROWS[op as usize],
            Self::Crypto(op) => &crypto::ROWS[op as usize],
        }
    }
}

/// Takes operations: evaluates them now, or records them.
pub trait OpSink {
    /// A general-purpose value.
    type I: Copy;
    /// A vector value.
    type V: Copy;
    /// Either.
    type Word: Copy;

    /// An integer as any value.
    fn word_i(value: Self::I) -> Self::Word;
    /// A vector as any value.
    fn word_v(value: Self::V) -> Self::Word;
    /// Back to an integer.
    fn unword_i(word: Self::Word) -> Self::I;
    /// Back to a vector.
    fn unword_v(word: Self::Word) -> Self::V;
    /// Applies an operation.
    fn apply(&mut self, op: Op, eval: EvalFn, args: &[Self::Word], imm: u64) -> Self::Word;
}

/// Makes an operation group from its rows; see the [module](self).
#[macro_export]
macro_rules! ops {
    (
        $(#[$group_doc:meta])* $group:ident / $trait:ident / $wrap:ident;
        $( $(#[$doc:meta])* $method:ident : $variant:ident ( $($args:tt)* ) -> $ret:ident $body:block )*
    ) => {
        $(#[$group_doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        pub enum $group { $( $(#[$doc])* $variant, )* }

        impl $group {
            /// Every operation of the group.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];
        }

        /// The group's table, in the order of the enum.
        pub static ROWS: &[$crate::ir::op::OpRow] = &[$( $crate::ops!(@row $method ($($args)*) $ret $body) ),*];

        $(#[$group_doc])*
        pub trait $trait: $crate::ir::op::OpSink {
            $( $crate::ops!{@method [$(#[$doc])*] $wrap $group $method $variant ($($args)*) $ret $body} )*
        }
        impl<T: $crate::ir::op::OpSink> $trait for T {}
    };

    (@row $method:ident ($env:ident, $($a:ident : $k:ident),* $(; $imm:ident)?) $ret:ident $body:block) => {
        $crate::ir::op::OpRow {
            name: stringify!($method),
            args: &[$($crate::ir::op::Kind::$k),*],
            result: $crate::ir::op::Kind::$ret,
            env: true,
            eval: $crate::ops!(@eval ($env $($a: $k),* ; $($imm)?) $ret $body),
        }
    };
    (@row $method:ident ($($a:ident : $k:ident),* $(; $imm:ident)?) $ret:ident $body:block) => {
        $crate::ir::op::OpRow {
            name: stringify!($method),
            args: &[$($crate::ir::op::Kind::$k),*],
            result: $crate::ir::op::Kind::$ret,
            env: false,
            eval: $crate::ops!(@eval ( $($a: $k),* ; $($imm)?) $ret $body),
        }
    };

    (@eval ($env:ident $($a:ident : $k:ident),* ; $($imm:ident)?) $ret:ident $body:block) => {{
        #[allow(unused_variables, unused_mut, unused_assignments, clippy::unnecessary_cast)]
        fn eval(fp: &mut $crate::state::FpEnv, args: &[u128], imm: u64) -> u128 {
            let mut next = args.iter().copied();
            $( let $a = $crate::ops!(@take $k next); )*
            $( let $imm = imm; )?
            let value: $crate::ops!(@type $ret) = (|$env: &mut $crate::state::FpEnv| $body)(fp);
            value as u128
        }
        eval
    }};
    (@eval ($($a:ident : $k:ident),* ; $($imm:ident)?) $ret:ident $body:block) => {{
        #[allow(unused_variables, unused_mut, unused_assignments, clippy::unnecessary_cast)]
        fn eval(_: &mut $crate::state::FpEnv, args: &[u128], imm: u64) -> u128 {
            let mut next = args.iter().copied();
            $( let $a = $crate::ops!(@take $k next); )*
            $( let $imm = imm; )?
            let value: $crate::ops!(@type $ret) = $body;
            value as u128
        }
        eval
    }};

    (@take I $next:ident) => { $next.next().unwrap_or(0) as u64 };
    (@take V $next:ident) => { $next.next().unwrap_or(0) };
    (@type I) => { u64 };
    (@type V) => { u128 };

    (@method [$($doc:tt)*] $wrap:ident $group:ident $method:ident $variant:ident ($env:ident, $($a:ident : $k:ident),* $(; $imm:ident)?) $ret:ident $body:block) => {
        $crate::ops!{@method [$($doc)*] $wrap $group $method $variant ($($a : $k),* $(; $imm)?) $ret $body}
    };
    (@method [$($doc:tt)*] $wrap:ident $group:ident $method:ident $variant:ident ($($a:ident : $k:ident),* $(; $imm:ident)?) $ret:ident $body:block) => {
        $($doc)*
        fn $method(&mut self, $($a: Self::$k,)* $($imm: u64)?) -> Self::$ret {
            let args = [$( $crate::ops!(@word $k $a) ),*];
            let imm = 0u64 $(+ $imm)?;
            let word = self.apply(
                $crate::ir::op::Op::$wrap($group::$variant),
                ROWS[$group::$variant as usize].eval,
                &args,
                imm,
            );
            $crate::ops!(@unword $ret word)
        }
    };
    (@word I $a:ident) => { Self::word_i($a) };
    (@word V $a:ident) => { Self::word_v($a) };
    (@unword I $w:ident) => { Self::unword_i($w) };
    (@unword V $w:ident) => { Self::unword_v($w) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_32_bit_operation_ignores_and_clears_the_upper_half() {
        let row = Op::Int(IntOp::Add32).row();
        assert_eq!((row.eval)(&mut FpEnv::default(), &[0xdead_ffff_ffff, 0xbeef_0000_0002], 0), 1);
        assert_eq!(row.name, "add32");
    }
}
