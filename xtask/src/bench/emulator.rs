//! The emulators that are compared, and how each starts the same machine.

use crate::target_dir;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who runs the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Emulator {
    /// This project's release binary.
    Handset,
    /// QEMU's TCG with a CPU that has everything but what slows TCG down.
    QemuMax,
    /// QEMU's TCG with the CPU of a phone.
    QemuA76,
    /// Another build of this project's binary.
    Other(&'static Path),
}

/// QEMU's CPU models that are tried; per work the better one counts.
pub const PEERS: &[Emulator] = &[Emulator::QemuMax, Emulator::QemuA76];

/// What those with whom Handset is compared are called at the head of a column.
pub fn column(peers: &[Emulator]) -> &'static str {
    match peers {
        [Emulator::Other(_)] => "the other build",
        _ => "QEMU",
    }
}

/// The guests' RAM.
pub const MEMORY_MIB: u64 = 2048;

/// A machine for one boot.
pub struct Machine<'a> {
    /// The folder of a guest in the cache.
    pub guest: &'a Path,
    pub smp: u32,
    /// A disk beside the guest's own, which stays `vda`.
    pub disk: Option<&'a Path>,
    /// The folder in which Handset finds what earlier runs have translated.
    pub cache: &'a Path,
}

impl Emulator {
    /// What it is called in progress and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Handset => "Handset",
            Self::QemuMax => "QEMU max",
            Self::QemuA76 => "QEMU cortex-a76",
            Self::Other(_) => "the other build",
        }
    }

    /// Handset's binary, if it is that.
    fn handset(self) -> Option<PathBuf> {
        match self {
            Self::Handset => Some(target_dir().join("release/handset")),
            Self::Other(binary) => Some(binary.to_path_buf()),
            Self::QemuMax | Self::QemuA76 => None,
        }
    }

    /// QEMU's `-cpu`.
    pub fn cpu(self) -> &'static str {
        match self {
            Self::Handset | Self::Other(_) => "",
            Self::QemuMax => "max,pauth=off,sve=off,sme=off",
            Self::QemuA76 => "cortex-a76",
        }
    }

    /// The command that starts a bare-metal image on a machine without devices beside the board's.
    pub fn bare_metal(self, image: &Path, cpus: u32) -> Command {
        let smp = cpus.to_string();
        let mut command;
        if let Some(binary) = self.handset() {
            command = Command::new(binary);
            // No folder: nothing can be recalled.
            command.env("HANDSET_CACHE", "/dev/null");
            command.args(["run", "--headless", "--serial", "stdio", "--net", "none", "--memory", "1G", "--smp", &smp]);
            command.arg("--kernel");
        } else {
            command = Command::new("qemu-system-aarch64");
            command.args(["-M", "virt,gic-version=3", "-accel", "tcg,thread=multi", "-cpu", self.cpu(), "-m", "1G"]);
            command.args(["-smp", &smp, "-nodefaults", "-display", "none", "-serial", "stdio", "-monitor", "none"]);
            command.arg("-kernel");
        }
        command.arg(image);
        command
    }

    /// The command that starts a machine, its serial port on standard input and output.
    pub fn command(self, machine: &Machine<'_>) -> Command {
        let guest = machine.guest;
        let append = std::fs::read_to_string(guest.join("cmdline")).unwrap_or_default();
        let root = Some(guest.join("disk.img")).filter(|disk| disk.exists());
        // Both emulators fill their slots from the top, and Linux counts from below: the last drive is vda.
        let drives = machine.disk.map(|disk| (disk, "readonly")).into_iter();
        let drives = drives.chain(root.iter().map(|disk| (disk.as_path(), "snapshot")));
        let ours = self.handset();
        let mut command;
        if let Some(binary) = &ours {
            command = Command::new(binary);
            command.env("HANDSET_CACHE", machine.cache);
            command.args(["run", "--headless", "--serial", "stdio", "--net", "none"]);
            command.args(["--memory", &format!("{MEMORY_MIB}M"), "--smp", &machine.smp.to_string()]);
            for (disk, how) in drives {
                command.arg("--drive").arg(format!("file={},format=raw,{how}", disk.display()));
            }
        } else {
            command = Command::new("qemu-system-aarch64");
            command.args(["-M", "virt,gic-version=3", "-accel", "tcg,thread=multi", "-cpu", self.cpu()]);
            command.args(["-m", &format!("{MEMORY_MIB}M"), "-smp", &machine.smp.to_string()]);
            command.args(["-nodefaults", "-display", "none", "-serial", "stdio", "-monitor", "none"]);
            command.args(["-global", "virtio-mmio.force-legacy=false"]);
            // What Handset's phone always has, so that the kernel looks after the same devices.
            for device in ["gpu-device,xres=720,yres=1280", "multitouch-device", "keyboard-device", "rng-device"] {
                command.args(["-device", &format!("virtio-{device}")]);
            }
            for (number, (disk, how)) in drives.enumerate() {
                let drive = format!("if=none,id=d{number},file={},format=raw,{how}=on", disk.display());
                command.args(["-drive", &drive, "-device", &format!("virtio-blk-device,drive=d{number}")]);
            }
        }
        let dashes = if ours.is_some() { "--" } else { "-" };
        for (option, file) in [("kernel", "Image"), ("initrd", "initrd.gz")] {
            command.arg(format!("{dashes}{option}")).arg(guest.join(file));
        }
        command.arg(format!("{dashes}append")).arg(append.trim_end());
        command
    }
}
