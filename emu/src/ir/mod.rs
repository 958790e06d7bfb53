//! What instructions mean, apart from who executes them.

pub mod block;
mod build;
mod env;
mod lift;
pub mod nzcv;
pub mod op;
pub mod softfloat;

pub use build::{Build, Cond, Flow, Indirect};
pub use env::{AtomicOp, Barrier, Context, Env, Exception, Mem, Order, Return, SysEnc, Wait};
pub use lift::{Lift, Lifted};
