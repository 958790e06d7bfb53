//! Firmware from Debian's packages in flash: U-Boot's prompt, EDK2's shell, and kernels that EDK2 starts from a disk.

use super::{LONG, SHORT};
use crate::console::Console;
use crate::emulator::{Emulator, Machine};
use crate::guest::{self, Scratch};

const U_BOOT: &str = "/usr/lib/u-boot/qemu_arm64/u-boot.bin";
const EDK2: &str = "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd";

/// U-Boot gives a prompt and powers the machine off.
pub fn u_boot_gives_a_prompt(emulator: Emulator) {
    let mut console = emulator.start(&Machine::bios(&guest::host_file(U_BOOT)));
    console.wait_for("Hit any key to stop autoboot", LONG);
    console.send(" ");
    console.wait_for("=> ", SHORT);
    console.send("bdinfo\r");
    console.wait_for("-> start    = 0x0000000040000000", SHORT);
    console.wait_for("=> ", SHORT);
    console.send("poweroff\r");
    assert_eq!(console.end(SHORT).code(), Some(0), "the exit status after U-Boot has powered off");
}

/// The shell waits for a key before it looks for a start-up script; any but Escape has it go on.
fn skip_the_countdown(console: &mut Console) {
    console.wait_for("seconds to skip", LONG);
    console.send("\r");
}

/// EDK2 gives its shell and powers the machine off.
pub fn edk2_gives_a_shell(emulator: Emulator) {
    let mut console = emulator.start(&Machine::bios(&guest::host_file(EDK2)));
    skip_the_countdown(&mut console);
    console.wait_for("Shell> ", SHORT);
    console.send("ver\r");
    console.wait_for("UEFI Interactive Shell v2", SHORT);
    console.wait_for("Shell> ", SHORT);
    console.send("reset -s\r");
    assert_eq!(console.end(SHORT).code(), Some(0), "the exit status after EDK2 has powered off");
}

/// EDK2 finds a FAT disk and starts the kernel on it, which finds its initrd there too.
pub fn edk2_starts_a_kernel_from_a_disk(emulator: Emulator) {
    let scratch = Scratch::new(&format!("efi-{emulator:?}"));
    let disk = scratch.file("efi.img");
    let image = disk.to_str().expect("a UTF-8 path");
    let source = Machine::guest("debian12");
    let script = scratch.file("startup.nsh");
    std::fs::write(&script, "Image console=ttyAMA0 initrd=\\initrd.gz\r\n").expect("room for a script");
    std::fs::File::create(&disk).and_then(|file| file.set_len(128 << 20)).expect("room for a disk");
    guest::host("mkfs.vfat", &["-F", "32", image]);
    for (file, name) in [(source.kernel_file(), "Image"), (source.initrd_file(), "initrd.gz"), (&script, "startup.nsh")]
    {
        guest::host("mcopy", &["-i", image, file.to_str().expect("a UTF-8 path"), &format!("::{name}")]);
    }
    let mut console = emulator.start(&Machine::bios(&guest::host_file(EDK2)).drive(&disk));
    skip_the_countdown(&mut console);
    console.wait_for("EFI stub: Booting Linux Kernel", LONG);
    console.wait_for("handset# ", LONG);
    console.ok("test -d /sys/firmware/efi", SHORT);
    console.send("poweroff\n");
    assert_eq!(console.end(SHORT).code(), Some(0), "the exit status after the guest has powered off");
}

/// EDK2 boots a partitioned disk without being told how: it starts the program for removable media in the EFI system
/// partition, which here is a kernel.
pub fn edk2_boots_from_an_efi_system_partition(emulator: Emulator) {
    const START: usize = 2048;
    const SECTORS: usize = 100 << 11;
    let scratch = Scratch::new(&format!("esp-{emulator:?}"));
    let disk = scratch.file("esp.img");
    // A partition table of one entry (UEFI 5.2.1): its type is 0xef, the rest of its first fields only old BIOSes read.
    let mut table = [0; 512];
    table[446..454].copy_from_slice(&[0, 0, 2, 0, 0xef, 0xff, 0xff, 0xff]);
    table[454..458].copy_from_slice(&(START as u32).to_le_bytes());
    table[458..462].copy_from_slice(&(SECTORS as u32).to_le_bytes());
    table[510..].copy_from_slice(&[0x55, 0xaa]);
    std::fs::write(&disk, table).expect("room for a partition table");
    let file = std::fs::File::options().write(true).open(&disk).expect("the disk was written just now");
    file.set_len(((START + SECTORS) * 512) as u64).expect("room for a disk");
    let path = disk.to_str().expect("a UTF-8 path");
    let partition = format!("{path}@@{}", START * 512);
    let blocks = (SECTORS / 2).to_string();
    guest::host("mkfs.vfat", &["-F", "32", "--offset", &START.to_string(), path, &blocks]);
    guest::host("mmd", &["-i", &partition, "::EFI", "::EFI/BOOT"]);
    let kernel = Machine::guest("debian12").kernel_file().to_owned();
    let kernel = kernel.to_str().expect("a UTF-8 path");
    guest::host("mcopy", &["-i", &partition, kernel, "::EFI/BOOT/BOOTAA64.EFI"]);
    let mut console = emulator.start(&Machine::bios(&guest::host_file(EDK2)).drive(&disk));
    console.wait_for("EFI stub: Booting Linux Kernel", LONG);
    console.wait_for("efi: EFI v2", SHORT);
    // Nobody tells it of a root file system.
    console.wait_for("Kernel panic - not syncing: VFS: Unable to mount root fs", LONG);
}
