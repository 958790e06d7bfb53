//! PrimeCell GPIO PL061 (DDI 0190B): eight lines.
//!
//! Inputs come by [`Pl061::set_input`]; outputs are wires. Interrupts watch lines that are inputs. Left out: hardware
//! control (GPIOAFSEL is stored).

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vm_fdt::FdtWriter;

use crate::bus::{Access, FdtNode, IrqLine, IrqSink, MmioDevice, Reset, RestoreError, Snapshot};
use crate::{fdt, primecell};

/// The line of the power key on the board.
pub const POWER_KEY: u32 = 3;

/// Linux's code of the power key.
const KEY_POWER: u32 = 116;

const GPIODIR: u64 = 0x400;
const GPIOIS: u64 = 0x404;
const GPIOIBE: u64 = 0x408;
const GPIOIEV: u64 = 0x40c;
const GPIOIE: u64 = 0x410;
const GPIORIS: u64 = 0x414;
const GPIOMIS: u64 = 0x418;
const GPIOIC: u64 = 0x41c;
const GPIOAFSEL: u64 = 0x420;

/// Eight lines, one bit each in every field.
#[derive(Debug)]
pub struct Pl061 {
    // Wires.
    irq: IrqLine,
    outputs: [IrqLine; 8],

    /// Levels from outside; not the guest's, so a reset keeps them.
    inputs: u8,

    // Guest state.
    data: u8,
    dir: u8,
    is: u8,
    ibe: u8,
    iev: u8,
    ie: u8,
    edges: u8,
    afsel: u8,
}

/// A [`Pl061`] as data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedPl061 {
    inputs: u8,
    data: u8,
    dir: u8,
    is: u8,
    ibe: u8,
    iev: u8,
    ie: u8,
    edges: u8,
    afsel: u8,
}

impl Pl061 {
    /// Eight low inputs. Line n, when it is an output, drives pin n of `outputs`; an input leaves it low.
    #[must_use]
    pub fn new(irq: IrqLine, outputs: &Arc<dyn IrqSink>) -> Self {
        let outputs = std::array::from_fn(|n| IrqLine::new(Arc::clone(outputs), n as u32));
        Self { irq, outputs, inputs: 0, data: 0, dir: 0, is: 0, ibe: 0, iev: 0, ie: 0, edges: 0, afsel: 0 }
    }

    /// Drives a line (0 to 7) from outside.
    pub fn set_input(&mut self, line: u32, level: bool) {
        assert!(line < 8, "GPIO line {line} does not exist");
        let bit = 1 << line;
        let before = self.inputs;
        self.inputs = if level { before | bit } else { before & !bit };
        let rising = if level { self.iev } else { !self.iev };
        self.edges |= (before ^ self.inputs) & !self.dir & !self.is & (self.ibe | rising);
        self.sync();
    }

    fn pins(&self) -> u8 {
        self.data & self.dir | self.inputs & !self.dir
    }

    fn ris(&self) -> u8 {
        let at_level = !(self.inputs ^ self.iev) & !self.dir;
        at_level & self.is | self.edges & !self.is
    }

    fn sync(&self) {
        self.irq.set_level(self.ris() & self.ie != 0);
        for (n, wire) in self.outputs.iter().enumerate() {
            wire.set_level(self.data & self.dir & 1 << n != 0);
        }
    }

    /// Writes the `gpio-keys` node that gives the power key its meaning.
    ///
    /// # Errors
    /// What the writer refuses.
    pub fn power_key_fdt(w: &mut FdtWriter) -> Result<(), vm_fdt::Error> {
        let keys = w.begin_node("gpio-keys")?;
        fdt::compatible(w, &["gpio-keys"])?;
        let key = w.begin_node("poweroff")?;
        w.property_array_u32("gpios", &[fdt::GPIO, POWER_KEY, 0])?;
        w.property_u32("linux,code", KEY_POWER)?;
        w.property_string("label", "GPIO Key Poweroff")?;
        w.end_node(key)?;
        w.end_node(keys)
    }
}

impl MmioDevice for Pl061 {
    fn read(&mut self, at: Access) -> u64 {
        let word = match at.offset {
            // GPIODATA: address bits 9:2 select lines.
            0..0x400 if at.offset.is_multiple_of(4) => (self.pins() & (at.offset >> 2) as u8).into(),
            GPIODIR => self.dir.into(),
            GPIOIS => self.is.into(),
            GPIOIBE => self.ibe.into(),
            GPIOIEV => self.iev.into(),
            GPIOIE => self.ie.into(),
            GPIORIS => self.ris().into(),
            GPIOMIS => (self.ris() & self.ie).into(),
            GPIOAFSEL => self.afsel.into(),
            offset => primecell::identification(0x061, 0, offset).unwrap_or(0),
        };
        word.into()
    }

    fn write(&mut self, at: Access, value: u64) {
        let value = value as u8;
        match at.offset {
            0..0x400 if at.offset.is_multiple_of(4) => {
                let lines = (at.offset >> 2) as u8 & self.dir;
                self.data = self.data & !lines | value & lines;
            }
            GPIODIR => self.dir = value,
            GPIOIS => self.is = value,
            GPIOIBE => self.ibe = value,
            GPIOIEV => self.iev = value,
            GPIOIE => self.ie = value,
            GPIOIC => self.edges &= !value,
            GPIOAFSEL => self.afsel = value,
            _ => return,
        }
        self.sync();
    }
}

impl Reset for Pl061 {
    fn reset(&mut self) {
        (self.data, self.dir, self.is, self.ibe, self.iev, self.ie, self.edges, self.afsel) = (0, 0, 0, 0, 0, 0, 0, 0);
        self.sync();
    }
}

impl Snapshot for Pl061 {
    type Saved = SavedPl061;

    fn save(&self) -> SavedPl061 {
        let &Self { irq: _, outputs: _, inputs, data, dir, is, ibe, iev, ie, edges, afsel } = self;
        SavedPl061 { inputs, data, dir, is, ibe, iev, ie, edges, afsel }
    }

    fn restore(&mut self, saved: SavedPl061) -> Result<(), RestoreError> {
        let SavedPl061 { inputs, data, dir, is, ibe, iev, ie, edges, afsel } = saved;
        (self.inputs, self.data, self.dir, self.is, self.ibe) = (inputs, data, dir, is, ibe);
        (self.iev, self.ie, self.edges, self.afsel) = (iev, ie, edges, afsel);
        self.sync();
        Ok(())
    }
}

impl FdtNode for Pl061 {
    fn fdt(&self, w: &mut FdtWriter, base: u64, len: u64, spi: Option<u32>) -> Result<(), vm_fdt::Error> {
        let node = w.begin_node(&format!("pl061@{base:x}"))?;
        fdt::compatible(w, &["arm,pl061", "arm,primecell"])?;
        fdt::reg(w, base, len)?;
        fdt::interrupt(w, spi, fdt::LEVEL_HIGH)?;
        fdt::primecell_clocks(w, &["apb_pclk"])?;
        w.property_null("gpio-controller")?;
        w.property_u32("#gpio-cells", 2)?;
        w.property_phandle(fdt::GPIO)?;
        w.end_node(node)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::{RecordingSink, Size, conformance};

    fn gpio() -> (Pl061, Arc<RecordingSink>, Arc<RecordingSink>) {
        let (irq, out) = (Arc::new(RecordingSink::default()), Arc::new(RecordingSink::default()));
        let sink: Arc<dyn IrqSink> = out.clone();
        (Pl061::new(IrqLine::new(irq.clone(), 0), &sink), irq, out)
    }

    fn write(gpio: &mut Pl061, offset: u64, value: u64) {
        gpio.write(Access::new(offset, Size::B1), value);
    }

    fn read(gpio: &mut Pl061, offset: u64) -> u64 {
        gpio.read(Access::new(offset, Size::B1))
    }

    #[test]
    fn it_conforms() {
        conformance::check(0x1000, || gpio().0);
    }

    #[test]
    fn address_bits_mask_the_data() {
        let (mut gpio, _, out) = gpio();
        gpio.set_input(7, true);
        write(&mut gpio, GPIODIR, 0x0f);
        write(&mut gpio, 0x098, 0xfb);
        assert_eq!(
            read(&mut gpio, 0x3fc),
            0x82,
            "TRM 3.3.1's example, seen through DIR: 0x98 >> 2 selects lines 1, 2, 5"
        );
        assert_eq!(read(&mut gpio, 0x0c4), 0);
        assert!(out.level(1) && !out.level(2) && !out.level(5));
    }

    #[test]
    fn edges_are_latched_until_cleared() {
        let (mut gpio, irq, _) = gpio();
        write(&mut gpio, GPIOIE, 0x08);
        write(&mut gpio, GPIOIEV, 0x08);
        gpio.set_input(3, true);
        gpio.set_input(3, false);
        assert!(irq.level(0));
        assert_eq!(read(&mut gpio, GPIOMIS), 8);
        write(&mut gpio, GPIOIC, 8);
        assert!(!irq.level(0));
        write(&mut gpio, GPIOIEV, 0);
        gpio.set_input(3, true);
        assert!(!irq.level(0), "rising, and falling edges are asked for");
        gpio.set_input(3, false);
        assert!(irq.level(0));
    }

    #[test]
    fn both_edges_interrupt_when_asked_for() {
        let (mut gpio, irq, _) = gpio();
        write(&mut gpio, GPIOIE, 1);
        write(&mut gpio, GPIOIBE, 1);
        for level in [true, false] {
            gpio.set_input(0, level);
            assert!(irq.level(0));
            write(&mut gpio, GPIOIC, 1);
            assert!(!irq.level(0));
        }
    }

    #[test]
    fn level_interrupts_follow_the_line() {
        let (mut gpio, irq, _) = gpio();
        write(&mut gpio, GPIOIS, 2);
        write(&mut gpio, GPIOIEV, 2);
        write(&mut gpio, GPIOIE, 2);
        gpio.set_input(1, true);
        write(&mut gpio, GPIOIC, 2);
        assert!(irq.level(0));
        gpio.set_input(1, false);
        assert!(!irq.level(0));
    }

    #[test]
    fn the_bus_finds_an_arm_primecell() {
        let (mut gpio, ..) = gpio();
        assert_eq!([0xfe0, 0xfe4, 0xfe8, 0xfec].map(|offset| read(&mut gpio, offset)), [0x61, 0x10, 0x04, 0x00]);
    }
}
