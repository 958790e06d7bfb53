//! Firmware from Debian's packages in flash: U-Boot's prompt, EDK2's shell, and a kernel that EDK2 starts from a disk.

use super::{LONG, SHORT};
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

/// EDK2 gives its shell and powers the machine off.
pub fn edk2_gives_a_shell(emulator: Emulator) {
    let mut console = emulator.start(&Machine::bios(&guest::host_file(EDK2)));
    console.wait_for("Shell> ", LONG);
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
    console.wait_for("EFI stub: Booting Linux Kernel", LONG);
    console.wait_for("handset# ", LONG);
    console.ok("test -d /sys/firmware/efi", SHORT);
    console.send("poweroff\n");
    assert_eq!(console.end(SHORT).code(), Some(0), "the exit status after the guest has powered off");
}
