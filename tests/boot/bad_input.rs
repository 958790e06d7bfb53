//! What a user may give wrongly: one clear line that names the file or option, a status that is not zero, no panic.

use handset_tests::emulator::handset_binary;
use handset_tests::guest::Scratch;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

/// Runs with these arguments, none of which start a phone, and returns the complaint.
fn complaint(arguments: &[&str]) -> String {
    let mut command = Command::new(handset_binary());
    command.arg("run").args(arguments).stdin(Stdio::null());
    for display in ["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"] {
        command.env_remove(display);
    }
    let output = command.output().expect("the binary starts");
    let said = String::from_utf8(output.stderr).expect("a complaint is UTF-8");
    assert!(matches!(output.status.code(), Some(1 | 2)), "{arguments:?}: {}: {said}", output.status);
    assert!(output.stdout.is_empty(), "{arguments:?} wrote to standard output");
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    said.strip_prefix("handset: ").unwrap_or_else(|| panic!("{arguments:?}: {said}")).trim_end().to_owned()
}

fn headless(arguments: &[&str]) -> String {
    complaint(&[&["--headless"], arguments].concat())
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a UTF-8 path")
}

/// The least that is taken for a kernel: a header.
fn kernel(scratch: &Scratch) -> String {
    let mut image = vec![0; 4096];
    image[56..60].copy_from_slice(b"ARM\x64");
    let file = scratch.file("Image");
    std::fs::write(&file, image).expect("room for a kernel");
    text(&file).to_owned()
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let scratch = Scratch::new("absent");
    let kernel = kernel(&scratch);
    assert_eq!(headless(&["--kernel", "/absent"]), "/absent: no such file");
    assert_eq!(headless(&["--bios", "/absent"]), "/absent: no such file");
    assert_eq!(headless(&["--kernel", &kernel, "--initrd", "/absent"]), "/absent: no such file");
    assert_eq!(headless(&["--kernel", &kernel, "--dtb", "/absent"]), "/absent: no such file");
    assert!(headless(&["--drive", "file=/absent,format=raw"]).starts_with("/absent: "));
    assert_eq!(headless(&["--kernel", "/tmp"]), "/tmp: is a directory, not a file");
    assert!(headless(&["--guest", "absent"]).starts_with("--guest absent: there is no such guest"));
}

#[test]
fn what_is_no_arm64_kernel_is_told_for_what_it_is() {
    let scratch = Scratch::new("kernels");
    let own = handset_binary();
    assert!(headless(&["--kernel", text(&own)]).contains("not an arm64 kernel Image, but an x86-64 ELF file"));
    let file = scratch.file("bzImage");
    let mut image = vec![0; 4096];
    image[..2].copy_from_slice(b"MZ");
    image[0x202..0x206].copy_from_slice(b"HdrS");
    std::fs::write(&file, image).expect("room for a kernel");
    assert!(headless(&["--kernel", text(&file)]).ends_with("not an arm64 kernel Image, but an x86 bzImage"));
}

#[test]
fn truncated_files_are_told() {
    let scratch = Scratch::new("truncated");
    let write = |name: &str, bytes: &[u8]| {
        let file = scratch.file(name);
        std::fs::write(&file, bytes).expect("room for a file");
        text(&file).to_owned()
    };
    assert!(headless(&["--kernel", &write("empty", b"")]).ends_with("an empty file"));
    assert!(headless(&["--kernel", &write("gzip", &[0x1f, 0x8b, 8, 0, 0])]).contains("truncated gzip"));
    let initrd = write("initrd", b"");
    assert!(headless(&["--kernel", &kernel(&scratch), "--initrd", &initrd]).starts_with(&initrd));
    for (name, bytes) in [("header", &b"QFI\xfb\0\0\0\x03"[..]), ("other", b"no disk image at all")] {
        let file = write(name, bytes);
        assert!(headless(&["--drive", &format!("file={file},format=qcow2")]).starts_with(&file));
    }
}

#[test]
fn memory_that_cannot_be_is_told() {
    let scratch = Scratch::new("memory");
    let kernel = kernel(&scratch);
    assert!(headless(&["--kernel", &kernel, "--memory", "1M"]).contains("--memory gives 1 MiB"));
    for memory in ["0", "x", "999999G", "99999999999999999999G"] {
        assert!(headless(&["--kernel", &kernel, "--memory", memory]).starts_with("--memory"), "{memory}");
    }
}

#[test]
fn a_port_in_use_is_told() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = holder.local_addr().expect("a bound address").to_string();
    let told = headless(&["--net", &format!("user,hostfwd=tcp:{address}-:22")]);
    assert!(told.contains(&address) && told.contains("in use"), "{told}");
    let told = headless(&["--gdb", &address]);
    assert!(told.starts_with(&format!("--gdb {address}: ")) && told.contains("in use"), "{told}");
}

#[test]
fn no_display_is_told() {
    assert!(complaint(&[]).starts_with("no display: "));
    // What is wrong with the phone itself is told first.
    assert_eq!(complaint(&["--kernel", "/absent"]), "/absent: no such file");
}
