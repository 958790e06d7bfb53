//! The `phone` board: what QEMU's `virt` has, at the same addresses and interrupts.
//!
//! ```text
//! 0x0000_0000  64 MiB  flash bank 0      firmware
//! 0x0400_0000  64 MiB  flash bank 1      its variables
//! 0x0800_0000  64 KiB  GIC distributor
//! 0x0801_0000  64 KiB  GICv2 CPU interface
//! 0x080A_0000  n×128 K GICv3 redistributors
//! 0x0900_0000   4 KiB  PL011 UART        SPI 1
//! 0x0901_0000   4 KiB  PL031 RTC         SPI 2
//! 0x0902_0000  24 B    fw_cfg
//! 0x0903_0000   4 KiB  PL061 GPIO        SPI 7    line 3: power key
//! 0x0A00_0000 32×512 B virtio-mmio       SPI 16…  the first device is in the topmost slot
//! 0x4000_0000          RAM
//! ```
//! Not there yet: PCIe, the GICv3 ITS and the GICv2m frame.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use devices::bus::{
    Bus, FdtNode, GicCpuPort, GuestRam, IrqLine, IrqSink, MmioDevice, Pa, Part, Poll, RecordingSink, Reset,
};
use devices::display::ramfb::RamFb;
use devices::flash::cfi::CfiFlash;
use devices::fw_cfg::FwCfg;
use devices::gic::{v2, v3};
use devices::gpio::pl061::Pl061;
use devices::rtc::pl031::Pl031;
use devices::serial::pl011::Pl011;
use devices::virtio::SavedDevice;
use devices::virtio::mmio::{EmptySlot, VirtioMmio};

use crate::cpu::{Alarm, CpuInputs, Shared, Wiring};
use crate::jit::Cache;
use crate::machine::boot::Loaded;
use crate::machine::poller::Poller;
use crate::machine::serial::{SerialInput, pump};
use crate::machine::{Config, Gic, GuestClock, Host, fdt};

/// Start of RAM.
pub const RAM_BASE: Pa = Pa(0x4000_0000);
/// Bytes of one flash bank.
pub const FLASH_BANK: usize = 64 << 20;

const FLASH: u64 = 0;
/// The GIC's distributor.
pub const GICD: u64 = 0x0800_0000;
const GICC: u64 = 0x0801_0000;
/// The first of a GICv3's redistributors.
pub const GICR: u64 = 0x080a_0000;
const UART: u64 = 0x0900_0000;
const RTC: u64 = 0x0901_0000;
const FW_CFG: u64 = 0x0902_0000;
const GPIO: u64 = 0x0903_0000;
const VIRTIO: u64 = 0x0a00_0000;
const VIRTIO_LEN: u64 = 0x200;
const VIRTIO_SLOTS: usize = 32;

/// How long firmware waits for the key of its menu.
const MENU_WAIT: Duration = Duration::from_secs(1);

/// PPI numbers of the timers and the performance monitors.
const PPI_VIRTUAL_TIMER: u32 = 11;
const PPI_PHYSICAL_TIMER: u32 = 14;
const PPI_PMU: u32 = 7;

/// A built board.
pub struct Board {
    /// Physical addresses.
    pub bus: Arc<Bus>,
    /// The generated device tree.
    pub fdt: Vec<u8>,
    /// With the power key.
    pub gpio: Arc<Mutex<Pl061>>,
    /// Into the UART.
    pub serial: SerialInput,
    gic: Option<Arc<dyn GicCpuPort>>,
    ppis: Vec<Arc<dyn IrqSink>>,
    resets: Vec<Arc<Mutex<dyn Reset + Send>>>,
    /// What is saved, by name, in the order in which it is restored.
    pub parts: Arc<Parts>,
}

/// Devices by their names.
pub type Parts = Vec<(String, Arc<Mutex<dyn Part + Send>>)>;

/// Puts devices on the bus, in address order.
struct Builder {
    bus: Bus,
    spis: Arc<dyn IrqSink>,
    resets: Vec<Arc<Mutex<dyn Reset + Send>>>,
    parts: Parts,
    nodes: Vec<Node>,
}

type Node = Box<dyn Fn(&mut vm_fdt::FdtWriter) -> Result<(), vm_fdt::Error>>;

impl Builder {
    fn spi(&self, n: u32) -> IrqLine {
        IrqLine::new(Arc::clone(&self.spis), n)
    }

    fn map<D: MmioDevice + 'static>(&mut self, base: u64, len: u64, name: &'static str, device: D) -> Arc<Mutex<D>> {
        let device = Arc::new(Mutex::new(device));
        self.bus.map(Pa(base), len, name, device.clone()).expect("the board's windows are apart");
        device
    }

    /// With a reset, a node of its own, and state to be saved.
    fn part<D: MmioDevice + Reset + Part + FdtNode + 'static>(
        &mut self,
        base: u64,
        len: u64,
        spi: Option<u32>,
        name: &'static str,
        device: D,
    ) -> Arc<Mutex<D>> {
        let device = self.map(base, len, name, device);
        self.resets.push(device.clone());
        self.save(base, name, device.clone());
        self.node(&device, base, len, spi);
        device
    }

    fn save(&mut self, base: u64, name: &str, device: Arc<Mutex<dyn Part + Send>>) {
        self.parts.push((format!("{name}@{base:x}"), device));
    }

    fn node<D: FdtNode + Send + 'static>(&mut self, device: &Arc<Mutex<D>>, base: u64, len: u64, spi: Option<u32>) {
        let device = Arc::clone(device);
        self.nodes.push(Box::new(move |w| device.lock().expect("a device never panics").fdt(w, base, len, spi)));
    }
}

impl Board {
    /// Builds the board. What can fail depends on the board alone, so that an error is a defect.
    #[allow(clippy::too_many_arguments, reason = "everything that a board brings together")]
    pub(in crate::machine) fn new(
        config: &Config,
        boot: &Loaded,
        seed: [u8; 32],
        ram: GuestRam,
        host: Host,
        shared: &Arc<Shared>,
        poller: &Arc<Poller>,
    ) -> Self {
        let cpus = config.smp;
        let inputs: Arc<dyn IrqSink> = Arc::new(CpuInputs(Arc::clone(shared)));
        let lines = |which: u32| (0..cpus as u32).map(|n| IrqLine::new(Arc::clone(&inputs), 2 * n + which)).collect();
        let (irqs, fiqs): (Vec<_>, Vec<_>) = (lines(0), lines(1));

        let mut gic_port: Option<Arc<dyn GicCpuPort>> = None;
        let mut b;
        let ppis: Vec<Arc<dyn IrqSink>>;
        let builder = |spis| Builder {
            bus: Bus::new(ram.clone()),
            spis,
            resets: Vec::new(),
            parts: Vec::new(),
            nodes: Vec::new(),
        };
        match config.gic {
            Gic::V3 => {
                let gic = v3::GicV3::new(cpus, irqs, fiqs);
                b = builder(gic.clone());
                ppis = (0..cpus).map(|n| gic.ppis(n) as Arc<dyn IrqSink>).collect();
                b.part(GICD, 0x1_0000, None, "gicd", gic.distributor());
                b.map(GICR, 0x2_0000 * cpus as u64, "gicr", gic.redistributors());
                gic_port = Some(gic);
            }
            Gic::V2 => {
                let gic = v2::GicV2::new(cpus, irqs, fiqs);
                b = builder(gic.clone());
                ppis = (0..cpus).map(|n| gic.ppis(n) as Arc<dyn IrqSink>).collect();
                b.part(GICD, 0x1_0000, None, "gicd", gic.distributor());
                b.map(GICC, 0x1_0000, "gicc", gic.cpu_interfaces());
            }
        }

        let bank = FLASH_BANK as u64;
        let flash = b.map(FLASH, bank, "flash0", CfiFlash::new(FLASH_BANK, &boot.firmware, true));
        b.node(&flash, FLASH, 2 * bank, None);
        b.save(FLASH, "flash0", flash.clone());
        let variables = b.map(bank, bank, "flash1", CfiFlash::new(FLASH_BANK, &[], false));
        b.save(bank, "flash1", variables.clone());
        b.resets.extend([flash as Arc<Mutex<dyn Reset + Send>>, variables]);

        let (slot, waker) = poller.reserve();
        let uart = Pl011::new(host.serial, b.spi(1), waker.clone());
        let uart = b.part(UART, 0x1000, Some(1), "uart", uart);
        let (serial, uart_pump) = pump(uart, waker);
        poller.attach(slot, Arc::new(Mutex::new(uart_pump)));

        let (slot, waker) = poller.reserve();
        let rtc = Pl031::new(host.wall, b.spi(2), waker);
        let rtc = b.part(RTC, 0x1000, Some(2), "rtc", rtc);
        poller.attach(slot, rtc);

        let mut fw_cfg = FwCfg::new(ram.clone());
        fw_cfg.set_cpus(cpus as u16);
        fw_cfg.set_menu_wait(MENU_WAIT);
        if let Some(screen) = host.screen {
            let (slot, waker) = poller.reserve();
            let ramfb = Arc::new(Mutex::new(RamFb::new(0, ram.clone(), screen, waker)));
            let (config_slot, config_waker) = poller.reserve();
            fw_cfg.add_writable_file("etc/ramfb", vec![0; 28], config_waker).expect("the name is short and new");
            let fw_cfg = b.part(FW_CFG, 0x18, None, "fw-cfg", fw_cfg);
            b.save(FW_CFG, "ramfb", ramfb.clone());
            poller.attach(slot, ramfb.clone());
            poller.attach(config_slot, Arc::new(Mutex::new(RamFbConfig { fw_cfg, ramfb })));
        } else {
            b.part(FW_CFG, 0x18, None, "fw-cfg", fw_cfg);
        }

        let nobody: Arc<dyn IrqSink> = Arc::new(RecordingSink::default());
        let gpio = Pl061::new(b.spi(7), &nobody);
        let gpio = b.part(GPIO, 0x1000, Some(7), "gpio", gpio);
        b.nodes.push(Box::new(Pl061::power_key_fdt));

        let mut makers: Vec<_> = host.virtio.into_iter().map(Some).collect();
        makers.resize_with(VIRTIO_SLOTS, || None);
        for (slot, maker) in makers.into_iter().rev().enumerate() {
            let spi = 16 + slot as u32;
            let base = VIRTIO + VIRTIO_LEN * slot as u64;
            match maker {
                Some(maker) => {
                    let (place, waker) = poller.reserve();
                    let device: Box<dyn SavedDevice> = maker(waker.clone());
                    let device = VirtioMmio::new(device, ram.clone(), b.spi(spi), waker);
                    let device = b.part(base, VIRTIO_LEN, Some(spi), "virtio-mmio", device);
                    poller.attach(place, device as Arc<Mutex<dyn Poll + Send>>);
                }
                None => {
                    let slot = b.map(base, VIRTIO_LEN, "virtio-mmio (empty)", EmptySlot);
                    b.node(&slot, base, VIRTIO_LEN, Some(spi));
                }
            }
        }

        let Builder { bus, resets, parts, nodes, .. } = b;
        let fdt = fdt::write(bus.ram(), cpus, boot, seed, &format!("/pl011@{UART:x}"), |w| {
            nodes.iter().try_for_each(|node| node(w))
        });
        let fdt = fdt.expect("the board's nodes are well formed");
        Self { bus: Arc::new(bus), fdt, gpio, serial, gic: gic_port, ppis, resets, parts: Arc::new(parts) }
    }

    /// What a vCPU is wired to.
    pub(in crate::machine) fn wiring(
        &self,
        id: usize,
        shared: &Arc<Shared>,
        clock: &Arc<GuestClock>,
        alarm: &Arc<Alarm>,
        cache: Option<Arc<Cache>>,
    ) -> Wiring {
        let ppi = |n| IrqLine::new(Arc::clone(&self.ppis[id]), n);
        Wiring {
            bus: Arc::clone(&self.bus),
            shared: Arc::clone(shared),
            clock: clock.clone(),
            gic: self.gic.clone(),
            cache,
            alarm: Arc::clone(alarm),
            virtual_timer: ppi(PPI_VIRTUAL_TIMER),
            physical_timer: ppi(PPI_PHYSICAL_TIMER),
            pmu: ppi(PPI_PMU),
        }
    }

    /// Power-on state of every device.
    pub(in crate::machine) fn reset(&mut self) {
        for device in &self.resets {
            device.lock().expect("a device never panics").reset();
        }
    }
}

/// Hands the guest's `etc/ramfb` to the frame buffer when it was written.
struct RamFbConfig {
    fw_cfg: Arc<Mutex<FwCfg>>,
    ramfb: Arc<Mutex<RamFb>>,
}

impl Poll for RamFbConfig {
    fn poll(&mut self, _: u64) -> Option<u64> {
        let fw_cfg = self.fw_cfg.lock().expect("a device never panics");
        let bytes = fw_cfg.file("etc/ramfb").unwrap_or_default().to_vec();
        drop(fw_cfg);
        if bytes.iter().any(|&byte| byte != 0) {
            self.ramfb.lock().expect("a device never panics").configure(&bytes);
        }
        None
    }
}
