//! Every program on `qemu-system-aarch64`, which judges the programs themselves: `cargo test -p handset-firmware --test
//! qemu -- --ignored`.

use std::process::Command;

fn run(program: &firmware::Program, machine: &str) -> String {
    let file = std::env::temp_dir().join(format!("handset-{}-{}.img", program.name, std::process::id()));
    std::fs::write(&file, &program.image).expect("the temporary folder takes a file");
    let output = Command::new("timeout")
        .args(["60", "qemu-system-aarch64", "-M", machine, "-cpu", "max,pauth=off,sve=off", "-smp", "4"])
        .args(["-nic", "none", "-nographic", "-kernel"])
        .arg(&file)
        .output()
        .expect("qemu-system-aarch64 can be started");
    std::fs::remove_file(&file).expect("the file is still there");
    String::from_utf8_lossy(&output.stdout).replace('\r', "")
}

#[test]
#[ignore = "needs qemu-system-aarch64"]
fn every_program_passes_on_qemu_with_either_interrupt_controller() {
    for machine in ["virt,gic-version=2", "virt,gic-version=3"] {
        for program in firmware::programs() {
            let text = run(&program, machine);
            assert!(text.ends_with("\nPASS\n") && !text.contains("FAIL"), "{} on {machine}:\n{text}", program.name);
        }
    }
}
