//! Boards: the memory map as a picture.

mod phone;

pub use phone::{Board, FLASH_BANK, GICD, GICR, Parts, RAM_BASE};
