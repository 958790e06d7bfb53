//! One machine to start, and the two emulators that can: Handset, and QEMU as the judge.

use crate::console::Console;
use crate::guest;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Who runs the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Emulator {
    /// This project's release binary.
    Handset,
    /// `qemu-system-aarch64`.
    Qemu,
}

/// A machine, in the terms of Handset's command line.
#[derive(Clone, Debug)]
pub struct Machine {
    kernel: Option<PathBuf>,
    initrd: Option<PathBuf>,
    append: String,
    bios: Option<PathBuf>,
    drives: Vec<PathBuf>,
    network: bool,
    smp: u32,
    memory: String,
    gic: u32,
    gdb: Option<PathBuf>,
}

impl Machine {
    fn empty() -> Self {
        Self {
            kernel: None,
            initrd: None,
            append: String::new(),
            bios: None,
            drives: Vec::new(),
            network: false,
            smp: 1,
            memory: "1G".to_owned(),
            gic: 3,
            gdb: None,
        }
    }

    /// A machine for a guest from the cache: its kernel, initrd, command line and disk, and a network.
    pub fn guest(name: &str) -> Self {
        let folder = guest::folder(name);
        let there = |file: &str| Some(folder.join(file)).filter(|path| path.exists());
        let append = std::fs::read_to_string(folder.join("cmdline")).expect("a guest has a command line");
        Self {
            kernel: there("Image"),
            initrd: there("initrd.gz"),
            append: append.trim_end().to_owned(),
            drives: there("disk.img").into_iter().collect(),
            network: true,
            ..Self::empty()
        }
    }

    /// A machine that starts firmware from flash, without a network for it to boot from.
    pub fn bios(file: &Path) -> Self {
        Self { bios: Some(file.to_owned()), ..Self::empty() }
    }

    /// A machine that starts a program that is made like a kernel, with nothing beside it.
    pub fn program(file: &Path) -> Self {
        Self { kernel: Some(file.to_owned()), ..Self::empty() }
    }

    /// With another kernel file.
    pub fn kernel(self, file: &Path) -> Self {
        Self { kernel: Some(file.to_owned()), ..self }
    }

    /// With more on the kernel's command line.
    pub fn append(mut self, words: &str) -> Self {
        self.append = format!("{} {words}", self.append);
        self
    }

    /// With one more disk, to which nothing is written.
    pub fn drive(mut self, file: &Path) -> Self {
        self.drives.push(file.to_owned());
        self
    }

    /// With a disk that is the guest's second, whose own stays the first: it is given before that (docs/usage.md).
    pub fn data_drive(mut self, file: &Path) -> Self {
        self.drives.insert(0, file.to_owned());
        self
    }

    /// With this much RAM.
    pub fn memory(self, memory: &str) -> Self {
        Self { memory: memory.to_owned(), ..self }
    }

    /// With so many vCPUs.
    pub fn smp(self, smp: u32) -> Self {
        Self { smp, ..self }
    }

    /// With this version of the interrupt controller.
    pub fn gic(self, gic: u32) -> Self {
        Self { gic, ..self }
    }

    /// With a socket for a debugger, for which it waits before its first instruction.
    pub fn gdb(self, socket: &Path) -> Self {
        Self { gdb: Some(socket.to_owned()), ..self }
    }

    /// The kernel's file.
    pub fn kernel_file(&self) -> &Path {
        self.kernel.as_deref().expect("the machine starts a kernel")
    }

    /// The initrd's file.
    pub fn initrd_file(&self) -> &Path {
        self.initrd.as_deref().expect("the machine has an initrd")
    }

    fn handset(&self) -> Command {
        let mut command = Command::new(handset_binary());
        command.args(["run", "--headless", "--serial", "stdio"]);
        command.args(["--smp", &self.smp.to_string(), "--memory", &self.memory, "--gic", &self.gic.to_string()]);
        self.boot_options(&mut command, "--");
        if self.kernel.is_some() {
            command.args(["--append", &self.append]);
        }
        if let Some(socket) = &self.gdb {
            command.args(["--gdb", &format!("unix:{}", socket.display()), "--wait-gdb"]);
        }
        command.args(["--net", if self.network { "user" } else { "none" }]);
        for drive in &self.drives {
            command.arg("--drive").arg(format!("file={},format=raw,snapshot", drive.display()));
        }
        command
    }

    fn qemu(&self) -> Command {
        let mut command = Command::new("qemu-system-aarch64");
        command.arg("-M").arg(format!("virt,gic-version={}", self.gic));
        command.args(["-cpu", "max,pauth=off,sve=off", "-accel", "tcg,thread=multi"]);
        command.args(["-smp", &self.smp.to_string(), "-m", &self.memory]);
        command.args(["-nodefaults", "-display", "none", "-serial", "stdio", "-monitor", "none"]);
        command.args(["-global", "virtio-mmio.force-legacy=false"]);
        self.boot_options(&mut command, "-");
        if let Some(socket) = &self.gdb {
            command.args(["-S", "-gdb", &format!("unix:{},server=on,wait=off", socket.display())]);
        }
        if self.kernel.is_some() {
            command.args(["-append", &self.append]);
        }
        if self.network {
            command.args(["-netdev", "user,id=net", "-device", "virtio-net-device,netdev=net"]);
        }
        if self.kernel.is_some() {
            // What Handset's phone always has, so that kernels meet the same drivers.
            command.args(["-device", "virtio-gpu-device,xres=720,yres=1280", "-device", "virtio-multitouch-device"]);
            command.args(["-device", "virtio-keyboard-device", "-device", "virtio-rng-device"]);
        }
        for (number, drive) in self.drives.iter().enumerate() {
            let drive = format!("if=none,id=d{number},file={},format=raw,snapshot=on", drive.display());
            command.args(["-drive", &drive, "-device", &format!("virtio-blk-device,drive=d{number}")]);
        }
        command
    }

    fn boot_options(&self, command: &mut Command, dashes: &str) {
        for (option, file) in [("kernel", &self.kernel), ("initrd", &self.initrd), ("bios", &self.bios)] {
            if let Some(file) = file {
                command.arg(format!("{dashes}{option}")).arg(file);
            }
        }
    }
}

impl Emulator {
    /// Starts a machine, with its serial port on a console.
    pub fn start(self, machine: &Machine) -> Console {
        Console::start(match self {
            Self::Handset => machine.handset(),
            Self::Qemu => machine.qemu(),
        })
    }
}

/// The release binary, in the same target folder as this test.
pub fn handset_binary() -> PathBuf {
    let test = std::env::current_exe().expect("a running program has a file");
    // TARGET/PROFILE/deps/TEST
    let target = test.ancestors().nth(3).expect("a test is in the target folder");
    let binary = target.join("release/handset");
    assert!(binary.exists(), "no {}: run `cargo build --release -p handset`", binary.display());
    binary
}
