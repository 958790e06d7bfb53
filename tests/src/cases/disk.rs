//! Debian 12 with systemd on a virtio disk: every unit up, a login, the network, the kernel's log.

use super::{LONG, SHORT};
use crate::console::Console;
use crate::emulator::{Emulator, Machine};
use std::collections::BTreeSet;

const PROMPT: &str = "root@handset:~#";

fn log_in(emulator: Emulator, smp: u32) -> Console {
    log_in_to(emulator, &Machine::guest("debian12-disk").smp(smp))
}

/// Boots until root is logged in and every unit is up.
pub(super) fn log_in_to(emulator: Emulator, machine: &Machine) -> Console {
    let mut console = emulator.start(machine);
    console.wait_for("multi-user.target", LONG);
    console.wait_for(PROMPT, LONG);
    // Without its line editor, bash echoes what is typed as it is.
    console.send("exec bash --noediting\n");
    console.wait_for(PROMPT, SHORT);
    console.ok("dmesg -n 1; export TERM=dumb SYSTEMD_PAGER=", SHORT);
    let failed = console.ok("systemctl is-system-running --wait; systemctl --failed --plain --no-legend", LONG);
    assert_eq!(failed.trim(), "running", "units that failed");
    console
}

/// Ends with a guest that has powered off by itself.
pub(super) fn power_off(mut console: Console) {
    console.send("systemctl poweroff\n");
    console.wait_for("reboot: Power down", LONG);
    assert_eq!(console.end(SHORT).code(), Some(0), "the exit status after the guest has powered off");
}

/// On one vCPU systemd reaches `multi-user.target` with no failed unit, and the disk keeps what is written.
pub fn systemd_comes_up_on_one_vcpu(emulator: Emulator) {
    let mut console = log_in(emulator, 1);
    console.ok("systemctl is-active multi-user.target", SHORT);
    console.ok("dd if=/dev/urandom of=/root/blob bs=1M count=32 && sha256sum /root/blob > /root/sum", LONG);
    console.ok("sync && echo 3 > /proc/sys/vm/drop_caches && sha256sum -c /root/sum", LONG);
    power_off(console);
}

/// On four vCPUs systemd does so too.
pub fn systemd_comes_up_on_four_vcpus(emulator: Emulator) {
    let mut console = log_in(emulator, 4);
    assert_eq!(console.ok("nproc", SHORT).trim(), "4");
    power_off(console);
}

/// `apt-get update` reaches the mirror through the user-mode network.
pub fn apt_updates_through_the_network(emulator: Emulator) {
    let mut console = log_in(emulator, 2);
    console.ok("apt-get -q update -o APT::Update::Error-Mode=any", LONG);
    console.ok("apt-cache policy hello | grep Candidate", LONG);
    power_off(console);
}

/// The kernel logs no warning that it does not log on QEMU.
pub fn the_kernel_logs_no_warning_of_its_own(emulator: Emulator) {
    let (here, judge) = (warnings(emulator), warnings(Emulator::Qemu));
    let new: Vec<&String> = here.difference(&judge).collect();
    assert!(new.is_empty(), "warnings that QEMU's machine does not give: {new:#?}");
}

/// The kernel's warnings and worse, without what differs from boot to boot: numbers.
fn warnings(emulator: Emulator) -> BTreeSet<String> {
    let mut console = log_in(emulator, 2);
    let log = console.ok("dmesg --notime --level emerg,alert,crit,err,warn", SHORT);
    power_off(console);
    // Devices stand in other slots, and numbers differ.
    let slot = |word: &str| if word.contains(".virtio_mmio") { "virtio_mmio".to_owned() } else { word.to_owned() };
    let without_numbers = |line: &str| {
        let words: Vec<String> = line.split_whitespace().map(slot).collect();
        words.join(" ").replace(|c: char| c.is_ascii_digit(), "#")
    };
    // A busy host lets a vCPU wait, on any emulator; the kernel calls that a slow interrupt.
    let of_the_host = |line: &&str| line.is_empty() || line.starts_with("hrtimer: interrupt took");
    log.lines().map(str::trim).filter(|line| !of_the_host(line)).map(without_numbers).collect()
}
