//! What device-tree nodes of different devices agree on: phandles and the common properties (Devicetree Specification
//! v0.4, chapter 2; the bindings `arm,gic-v3`, `arm,primecell`).
//!
//! Leaves out the tree itself: the board writes the root, memory, CPUs and `chosen`.

use vm_fdt::{Error, FdtWriter};

/// Phandle of the fixed 24 MHz clock that all PrimeCells share; [`apb_pclk`] writes its node.
pub const APB_PCLK: u32 = 0x8000;

/// Phandle of the interrupt controller.
pub const GIC: u32 = 0x8003;

/// Phandle of the PL061 with the power key.
pub const GPIO: u32 = 0x8005;

/// Interrupt trigger cell: level, active high.
pub const LEVEL_HIGH: u32 = 4;

/// Interrupt trigger cell: rising edge.
pub const EDGE_RISING: u32 = 1;

/// Writes `reg` with one window (two address and two size cells).
///
/// # Errors
/// What the writer refuses.
pub fn reg(w: &mut FdtWriter, base: u64, len: u64) -> Result<(), Error> {
    w.property_array_u64("reg", &[base, len])
}

/// Writes `interrupts` with one SPI, if the device has one.
///
/// # Errors
/// What the writer refuses.
pub fn interrupt(w: &mut FdtWriter, spi: Option<u32>, trigger: u32) -> Result<(), Error> {
    spi.map_or(Ok(()), |spi| w.property_array_u32("interrupts", &[0, spi, trigger]))
}

/// Writes `compatible`.
///
/// # Errors
/// What the writer refuses.
pub fn compatible(w: &mut FdtWriter, names: &[&str]) -> Result<(), Error> {
    w.property_string_list("compatible", names.iter().map(ToString::to_string).collect())
}

/// Writes the node of the clock that PrimeCells refer to.
///
/// # Errors
/// What the writer refuses.
pub fn apb_pclk(w: &mut FdtWriter) -> Result<(), Error> {
    let node = w.begin_node("apb-pclk")?;
    compatible(w, &["fixed-clock"])?;
    w.property_u32("#clock-cells", 0)?;
    w.property_u32("clock-frequency", 24_000_000)?;
    w.property_string("clock-output-names", "clk24mhz")?;
    w.property_phandle(APB_PCLK)?;
    w.end_node(node)
}

/// Writes the clock references of a PrimeCell, all to the one clock.
///
/// # Errors
/// What the writer refuses.
pub fn primecell_clocks(w: &mut FdtWriter, names: &[&str]) -> Result<(), Error> {
    w.property_array_u32("clocks", &vec![APB_PCLK; names.len()])?;
    w.property_string_list("clock-names", names.iter().map(ToString::to_string).collect())
}

/// Writes what any GIC's node holds beside its windows.
///
/// # Errors
/// What the writer refuses.
pub fn interrupt_controller(w: &mut FdtWriter) -> Result<(), Error> {
    w.property_phandle(GIC)?;
    w.property_null("interrupt-controller")?;
    w.property_u32("#interrupt-cells", 3)?;
    w.property_u32("#address-cells", 2)?;
    w.property_u32("#size-cells", 2)?;
    w.property_null("ranges")
}
