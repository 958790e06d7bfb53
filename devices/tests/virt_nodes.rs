//! The device-tree nodes of the base devices against those of QEMU's `virt`.
//!
//! Needs `qemu-system-aarch64` and `dtc`; says so and passes without them. Left out: nodes that the board writes, and
//! what our controllers do not have (the ITS and the MSI frame below the interrupt controller).

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use devices::bus::{FdtNode, GuestRam, IrqLine, IrqSink, NullSink, Pa, RecordingSink, Waker, WallClock};
use devices::flash::CfiFlash;
use devices::fw_cfg::FwCfg;
use devices::gic::{GicV2, GicV3};
use devices::gpio::Pl061;
use devices::rtc::Pl031;
use devices::serial::Pl011;
use vm_fdt::FdtWriter;

/// Properties of each node, by path, as text.
type Tree = BTreeMap<String, BTreeMap<String, String>>;

/// Decompiles a blob; `None` without `dtc`.
fn decompile(blob: &Path) -> Option<Tree> {
    let output = Command::new("dtc").args(["-q", "-I", "dtb", "-O", "dts"]).arg(blob).output().ok()?;
    let source = String::from_utf8(output.stdout).expect("dtc writes text");
    let (mut tree, mut path) = (Tree::new(), Vec::new());
    for line in source.lines().map(str::trim) {
        if let Some(name) = line.strip_suffix(" {") {
            path.push(name.to_owned());
            tree.entry(path.join("/")).or_default();
        } else if line == "};" {
            path.pop();
        } else if let Some(property) = line.strip_suffix(';').filter(|_| !path.is_empty()) {
            let (name, value) = property.split_once(" = ").unwrap_or((property, ""));
            tree.get_mut(&path.join("/")).expect("entered").insert(name.into(), value.into());
        }
    }
    Some(tree)
}

fn qemu(gic: u32, directory: &Path) -> Option<Tree> {
    let blob = directory.join(format!("virt-gic{gic}.dtb"));
    let machine = format!("virt,gic-version={gic},dumpdtb={}", blob.display());
    let mut command = Command::new("qemu-system-aarch64");
    command.args(["-M", &machine, "-nic", "none", "-display", "none"]).stdin(Stdio::null());
    command.output().ok().filter(|output| output.status.success())?;
    decompile(&blob)
}

/// A device with its window and SPI.
type Placed = (Box<dyn FdtNode>, u64, u64, Option<u32>);

struct Wall;

impl WallClock for Wall {
    fn unix_seconds(&self) -> u64 {
        0
    }
}

fn ours(gic: u32, directory: &Path) -> Option<Tree> {
    let wire = IrqLine::unconnected;
    let outputs: Arc<dyn IrqSink> = Arc::new(RecordingSink::default());
    let gic_node: Box<dyn FdtNode> = match gic {
        2 => Box::new(GicV2::new(1, vec![wire()], vec![wire()]).distributor()),
        _ => Box::new(GicV3::new(1, vec![wire()], vec![wire()]).distributor()),
    };
    let ram = GuestRam::new(Pa(0x4000_0000), 1 << 20).unwrap();
    let nodes: [Placed; 6] = [
        (Box::new(CfiFlash::new(64 << 20, &[], false)), 0, 128 << 20, None),
        (gic_node, 0x800_0000, 0x1_0000, None),
        (Box::new(Pl011::new(Box::new(NullSink), wire(), Waker::none())), 0x900_0000, 0x1000, Some(1)),
        (Box::new(Pl031::new(Box::new(Wall), wire(), Waker::none())), 0x901_0000, 0x1000, Some(2)),
        (Box::new(FwCfg::new(ram)), 0x902_0000, 0x18, None),
        (Box::new(Pl061::new(wire(), &outputs)), 0x903_0000, 0x1000, Some(7)),
    ];
    let mut w = FdtWriter::new().unwrap();
    let root = w.begin_node("").unwrap();
    for (node, base, len, spi) in nodes {
        node.fdt(&mut w, base, len, spi).unwrap();
    }
    Pl061::power_key_fdt(&mut w).unwrap();
    devices::fdt::apb_pclk(&mut w).unwrap();
    w.end_node(root).unwrap();
    let blob = directory.join(format!("ours-gic{gic}.dtb"));
    std::fs::write(&blob, w.finish().unwrap()).unwrap();
    decompile(&blob)
}

/// Takes the values out that are free: phandles.
fn without_phandles(properties: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut properties = properties.clone();
    properties.remove("phandle");
    for (name, cells) in [("clocks", 0), ("gpios", 1)] {
        if let Some(value) = properties.get_mut(name) {
            *value = value.split(' ').skip(cells).filter(|cell| cells > 0 || !cell.contains("0x")).collect();
        }
    }
    properties
}

#[test]
fn every_base_device_has_the_node_that_virt_has() {
    let directory = tempdir();
    for gic in [2, 3] {
        let (Some(theirs), Some(ours)) = (qemu(gic, &directory), ours(gic, &directory)) else {
            eprintln!("skipped: qemu-system-aarch64 or dtc is missing");
            return;
        };
        assert_eq!(ours.len(), 10, "the root, six devices, the power key and its parent, the clock");
        for (path, properties) in ours.iter().filter(|(path, _)| path.as_str() != "/") {
            let expected = theirs.get(path).unwrap_or_else(|| panic!("virt has no node {path}"));
            assert_eq!(without_phandles(properties), without_phandles(expected), "GICv{gic}: {path}");
        }
    }
    std::fs::remove_dir_all(directory).unwrap();
}

fn tempdir() -> std::path::PathBuf {
    let directory = std::env::temp_dir().join(format!("handset-virt-nodes-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    directory
}
