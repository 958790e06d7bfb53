//! Debian's kernels with a busybox initrd: shell, power off, reboot, vCPUs, interrupt controllers, network.

use super::{LONG, SHORT};
use crate::console::Console;
use crate::emulator::{Emulator, Machine};
use crate::guest::Scratch;
use flate2::{Compression, write::GzEncoder};
use std::fs::File;

const PROMPT: &str = "handset# ";

/// Boots to the shell and keeps the kernel's messages out of it.
fn shell(emulator: Emulator, machine: &Machine) -> Console {
    let mut console = emulator.start(machine);
    console.wait_for(PROMPT, LONG);
    console.ok("dmesg -n 1", SHORT);
    console
}

fn power_off(mut console: Console) {
    console.send("poweroff\n");
    console.wait_for("reboot: Power down", SHORT);
    assert_eq!(console.end(SHORT).code(), Some(0), "the exit status after the guest has powered off");
}

fn reaches_a_shell_and_powers_off(emulator: Emulator, guest: &str, release: &str) {
    let mut console = shell(emulator, &Machine::guest(guest));
    let uname = console.ok("uname -sm && uname -r", SHORT);
    assert!(uname.contains("Linux aarch64") && uname.contains(release), "{uname}");
    power_off(console);
}

/// Debian 12's kernel reaches a shell, and `poweroff` ends the emulator with status 0.
pub fn debian12_reaches_a_shell_and_powers_off(emulator: Emulator) {
    reaches_a_shell_and_powers_off(emulator, "debian12", "6.1.");
}

/// Debian 13's kernel reaches a shell, and `poweroff` ends the emulator with status 0.
pub fn debian13_reaches_a_shell_and_powers_off(emulator: Emulator) {
    reaches_a_shell_and_powers_off(emulator, "debian13", "6.12.");
}

fn reboots(emulator: Emulator, guest: &str) {
    let mut console = shell(emulator, &Machine::guest(guest));
    console.ok("echo remembered > /tmp/note", SHORT);
    console.send("reboot\n");
    console.wait_for("reboot: Restarting system", SHORT);
    console.wait_for(PROMPT, LONG);
    console.ok("! test -e /tmp/note", SHORT);
    power_off(console);
}

/// After `reboot` the kernel comes up again, with nothing left of what was in RAM.
pub fn debian12_reboots(emulator: Emulator) {
    reboots(emulator, "debian12");
}

/// The same with Debian 13.
pub fn debian13_reboots(emulator: Emulator) {
    reboots(emulator, "debian13");
}

/// Four vCPUs come up, each takes work, and one can go and come back.
pub fn four_vcpus_work(emulator: Emulator) {
    let mut console = shell(emulator, &Machine::guest("debian13").smp(4));
    assert_eq!(console.ok("nproc", SHORT).trim(), "4");
    for cpu in 0..4 {
        let ran_on = format!("taskset {} sh -c 'cut -d\" \" -f39 /proc/self/stat'", 1 << cpu);
        assert_eq!(console.ok(&ran_on, SHORT).trim(), cpu.to_string());
    }
    console.ok("echo 0 > /sys/devices/system/cpu/cpu3/online && test $(nproc) = 3", SHORT);
    console.ok("echo 1 > /sys/devices/system/cpu/cpu3/online && test $(nproc) = 4", SHORT);
    power_off(console);
}

fn interrupts_come_through(emulator: Emulator, gic: u32, name: &str) {
    let mut console = shell(emulator, &Machine::guest("debian12").gic(gic).smp(2));
    let interrupts = console.ok("cat /proc/interrupts", SHORT);
    assert!(interrupts.contains(name) && interrupts.contains("arch_timer"), "{interrupts}");
    console.ok("before=$(date +%s) && sleep 2 && test $(($(date +%s) - before)) -ge 2", SHORT);
    power_off(console);
}

/// The kernel takes its interrupts from a GICv2 when the machine has one.
pub fn gicv2_delivers_interrupts(emulator: Emulator) {
    interrupts_come_through(emulator, 2, "GIC-0");
}

/// The kernel takes its interrupts from a GICv3 when the machine has one.
pub fn gicv3_delivers_interrupts(emulator: Emulator) {
    interrupts_come_through(emulator, 3, "GICv3");
}

/// A gzipped `Image` boots as the plain one does.
pub fn a_gzipped_kernel_boots(emulator: Emulator) {
    let scratch = Scratch::new(&format!("gzip-{emulator:?}"));
    let machine = Machine::guest("debian12");
    let file = scratch.file("Image.gz");
    let mut gzip = GzEncoder::new(File::create(&file).expect("a new file"), Compression::fast());
    std::io::copy(&mut File::open(machine.kernel_file()).expect("a kernel"), &mut gzip).expect("room for a kernel");
    gzip.finish().expect("room for a kernel");
    power_off(shell(emulator, &machine.kernel(&file)));
}

/// A script given on the kernel's command line runs before the shell, and its status is told.
pub fn a_script_on_the_command_line_runs(emulator: Emulator) {
    // echo "6 * 7 = $((6 * 7))"; exit 3
    let machine = Machine::guest("debian12").append("handset.run=ZWNobyAiNiAqIDcgPSAkKCg2ICogNykpIjsgZXhpdCAz");
    let mut console = emulator.start(&machine);
    console.wait_for("6 * 7 = 42", LONG);
    console.wait_for("handset.run: exit status 3", SHORT);
    console.wait_for(PROMPT, SHORT);
    power_off(console);
}

/// The user-mode network leases an address and answers a ping from its gateway.
pub fn the_network_leases_an_address(emulator: Emulator) {
    let mut console = shell(emulator, &Machine::guest("debian12"));
    console.ok("udhcpc -i eth0 -n -q -s /etc/udhcpc.script", SHORT);
    console.ok("ip address show dev eth0 | grep 'inet '", SHORT);
    console.ok("ping -c 2 $(ip route | sed -n 's/default via \\([0-9.]*\\).*/\\1/p')", SHORT);
    console.ok("grep nameserver /etc/resolv.conf", SHORT);
    power_off(console);
}
