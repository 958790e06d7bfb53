//! The cases that Handset passes. A case that it comes to pass is added here; all cases are in `qemu.rs`.

mod bad_input;
mod control;
mod display;
mod gdb;
mod installer;
mod look;
mod snapshots;
mod translations;
mod uitest;
mod vnc;

handset_tests::boots! {
    Handset:
    kernel {
        debian12_reaches_a_shell_and_powers_off,
        debian13_reaches_a_shell_and_powers_off,
        debian12_reboots,
        debian13_reboots,
        four_vcpus_work,
        gicv2_delivers_interrupts,
        gicv3_delivers_interrupts,
        a_gzipped_kernel_boots,
        a_script_on_the_command_line_runs,
        the_network_leases_an_address,
    }
    disk {
        systemd_comes_up_on_one_vcpu,
        systemd_comes_up_on_four_vcpus,
        apt_updates_through_the_network,
        the_kernel_logs_no_warning_of_its_own,
    }
    compute {
        compute_work_verifies,
    }
    firmware {
        u_boot_gives_a_prompt,
        edk2_gives_a_shell,
        edk2_starts_a_kernel_from_a_disk,
        edk2_boots_from_an_efi_system_partition,
    }
}
