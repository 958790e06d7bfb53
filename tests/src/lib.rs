//! Tests of Handset as a whole: house rules, instruction vectors, boots.
//!
//! The library holds what boot tests share: a guest from the cache, an emulator to run it on, a console to talk to it,
//! and the cases. A case takes the emulator as its argument, so that QEMU can judge the guest and the case themselves.

pub mod a64;
pub mod cases;
pub mod console;
pub mod emulator;
pub mod footprint;
pub mod gdb;
pub mod guest;
pub mod rounds;

/// Makes a test of each named case, on one emulator.
#[macro_export]
macro_rules! boots {
    ($emulator:ident: $($room:ident { $($case:ident),* $(,)? })*) => {
        $(mod $room {
            $(#[test]
            fn $case() {
                $crate::cases::$room::$case($crate::emulator::Emulator::$emulator);
            })*
        })*
    };
}
