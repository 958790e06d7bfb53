//! The generated device tree: what is not a device's own node.

use devices::bus::GuestRam;
use devices::fdt as common;
use vm_fdt::{Error, FdtWriter};

use super::boot::Loaded;

/// Writes root, `chosen`, memory, CPUs, PSCI and timer; then `devices` writes the rest.
pub(super) fn write(
    ram: &GuestRam,
    cpus: usize,
    boot: &Loaded,
    seed: [u8; 32],
    stdout: &str,
    devices: impl FnOnce(&mut FdtWriter) -> Result<(), Error>,
) -> Result<Vec<u8>, Error> {
    let mut w = FdtWriter::new()?;
    let root = w.begin_node("")?;
    common::compatible(&mut w, &["linux,dummy-virt"])?;
    w.property_string("model", "handset,phone")?;
    w.property_u32("#address-cells", 2)?;
    w.property_u32("#size-cells", 2)?;
    w.property_u32("interrupt-parent", common::GIC)?;
    w.property_null("dma-coherent")?;

    let chosen = w.begin_node("chosen")?;
    w.property_string("stdout-path", stdout)?;
    w.property("rng-seed", &seed)?;
    w.property_u64("kaslr-seed", u64::from_le_bytes(seed[..8].try_into().expect("8 bytes")))?;
    if !boot.append.is_empty() {
        w.property_string("bootargs", &boot.append)?;
    }
    if let Some((start, end)) = boot.initrd_range() {
        w.property_u64("linux,initrd-start", start)?;
        w.property_u64("linux,initrd-end", end)?;
    }
    w.end_node(chosen)?;

    let memory = w.begin_node(&format!("memory@{:x}", ram.base()))?;
    w.property_string("device_type", "memory")?;
    common::reg(&mut w, ram.base().0, ram.len())?;
    w.end_node(memory)?;

    let nodes = w.begin_node("cpus")?;
    w.property_u32("#address-cells", 1)?;
    w.property_u32("#size-cells", 0)?;
    for id in 0..cpus as u32 {
        let cpu = w.begin_node(&format!("cpu@{id:x}"))?;
        w.property_string("device_type", "cpu")?;
        common::compatible(&mut w, &["arm,armv8"])?;
        w.property_u32("reg", id)?;
        if cpus > 1 {
            w.property_string("enable-method", "psci")?;
        }
        w.end_node(cpu)?;
    }
    w.end_node(nodes)?;

    let psci = w.begin_node("psci")?;
    common::compatible(&mut w, &["arm,psci-1.0", "arm,psci-0.2", "arm,psci"])?;
    w.property_string("method", "hvc")?;
    w.property_u32("cpu_on", 0xc400_0003)?;
    w.property_u32("cpu_off", 0x8400_0002)?;
    w.property_u32("cpu_suspend", 0xc400_0001)?;
    w.end_node(psci)?;

    let timer = w.begin_node("timer")?;
    common::compatible(&mut w, &["arm,armv8-timer", "arm,armv7-timer"])?;
    w.property_null("always-on")?;
    let ppis = [13, 14, 11, 10];
    let cells: Vec<u32> = ppis.iter().flat_map(|&ppi| [1, ppi, common::LEVEL_HIGH]).collect();
    w.property_array_u32("interrupts", &cells)?;
    w.end_node(timer)?;

    let pmu = w.begin_node("pmu")?;
    common::compatible(&mut w, &["arm,armv8-pmuv3"])?;
    w.property_array_u32("interrupts", &[1, 7, common::LEVEL_HIGH])?;
    w.end_node(pmu)?;

    common::apb_pclk(&mut w)?;
    devices(&mut w)?;
    w.end_node(root)?;
    w.finish()
}
