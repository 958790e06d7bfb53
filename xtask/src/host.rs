//! What the build, the window, the guests and the tests need on a Debian-like host, and how it gets there.
//!
//! Everything present costs one `dpkg-query`. What is missing is installed where this may be done without asking (as
//! root, or by `sudo` without a password); elsewhere the one command that does it is named. Without apt nothing can be
//! installed, and the missing programs are named instead.

use crate::{apt, progress};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// One group of packages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need {
    /// To compile Handset.
    Build,
    /// To show its window.
    Window,
    /// To unpack packages and make disks of them.
    Guests,
    /// To judge Handset by other emulators, and to look at its window without a screen.
    Judges,
}

/// What `cargo xtask run` needs before it builds.
pub const FOR_WINDOW: &[Need] = &[Need::Build, Need::Window];
/// What fetching a guest needs.
pub const FOR_GUESTS: &[Need] = &[Need::Guests];
/// What the tests need.
pub const EVERYTHING: &[Need] = &[Need::Build, Need::Window, Need::Guests, Need::Judges];

const PACKAGES: &[(Need, &[&str])] = &[
    (Need::Build, &["gcc", "libc6-dev", "pkg-config"]),
    (
        Need::Window,
        &[
            "libegl1",
            "libgl1-mesa-dri",
            "libx11-6",
            "libx11-xcb1",
            "libxcursor1",
            "libxi6",
            "libxkbcommon-x11-0",
            "libxrandr2",
            "mesa-vulkan-drivers",
        ],
    ),
    (Need::Guests, &["e2fsprogs", "kmod", "xz-utils"]),
    (
        Need::Judges,
        &[
            "device-tree-compiler",
            "dosfstools",
            "edid-decode",
            "gdb-multiarch",
            "mtools",
            "procps",
            "python3",
            "python3-venv",
            "qemu-efi-aarch64",
            "tesseract-ocr",
            "tigervnc-viewer",
            "u-boot-qemu",
            "xauth",
            "xdotool",
            "xvfb",
        ],
    ),
    (Need::Judges, QEMU),
];

/// Judged by version too: qemu-user before 10 computes some instructions wrongly.
const QEMU: &[&str] = &["qemu-system-arm", "qemu-user", "qemu-utils"];
const QEMU_VERSION: &str = "1:10";

/// Programs to look for where there is no package system to ask.
const PROGRAMS: &[(Need, &[&str])] = &[
    (Need::Build, &["cc"]),
    (Need::Guests, &["apt-get", "depmod", "dpkg-deb", "mke2fs", "xz"]),
    (
        Need::Judges,
        &[
            "dtc",
            "edid-decode",
            "mcopy",
            "mkfs.vfat",
            "python3",
            "qemu-aarch64",
            "qemu-img",
            "qemu-system-aarch64",
            "tesseract",
            "xauth",
            "xtigervncviewer",
            "Xvfb",
        ],
    ),
];

/// The sources file that brings a QEMU new enough to Debian 12.
const BACKPORTS: &str = "/etc/apt/sources.list.d/handset-backports.sources";

/// Makes sure that the packages of `needs` are there.
pub fn set_up(needs: &[Need]) -> Result<()> {
    if !on_path("dpkg-query") || !on_path("apt-get") {
        return name_missing_programs(needs);
    }
    let wanted: Vec<&str> = chosen(PACKAGES, needs).collect();
    let have = installed(&wanted)?;
    let mut missing = Vec::new();
    for package in wanted {
        let version = have.get(package);
        if version.is_none_or(|v| QEMU.contains(&package) && !at_least(v, QEMU_VERSION)) {
            missing.push(package);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    install(&missing)
}

fn chosen<'a>(table: &'a [(Need, &[&str])], needs: &'a [Need]) -> impl Iterator<Item = &'a str> + use<'a> {
    table.iter().filter(|(need, _)| needs.contains(need)).flat_map(|(_, names)| names.iter().copied())
}

fn name_missing_programs(needs: &[Need]) -> Result<()> {
    let missing: Vec<&str> = chosen(PROGRAMS, needs).filter(|program| !on_path(program)).collect();
    if !missing.is_empty() {
        bail!("this machine has no apt to install them with, and lacks the programs: {}", missing.join(" "));
    }
    Ok(())
}

/// The installed ones among `packages`, with their versions.
fn installed(packages: &[&str]) -> Result<BTreeMap<String, String>> {
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${db:Status-Status} ${Package} ${Version}\n"])
        .args(packages)
        .stderr(Stdio::null())
        .output()
        .context("ask dpkg-query for the installed packages")?;
    // Its exit status only says that some package is unknown.
    Ok(String::from_utf8_lossy(&output.stdout).lines().filter_map(installed_line).collect())
}

fn installed_line(line: &str) -> Option<(String, String)> {
    let (name, version) = line.strip_prefix("installed ")?.split_once(' ')?;
    Some((name.to_owned(), version.to_owned()))
}

fn at_least(version: &str, wanted: &str) -> bool {
    Command::new("dpkg").args(["--compare-versions", version, "ge", wanted]).status().is_ok_and(|s| s.success())
}

fn install(missing: &[&str]) -> Result<()> {
    let root = progress::output("ask who runs this", Command::new("id").arg("-u"))?.trim() == "0";
    let sudo = !root
        && Command::new("sudo")
            .args(["-n", "true"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success());
    let needs_qemu = missing.iter().any(|m| QEMU.contains(m));
    if !root && !sudo {
        bail!("these packages are missing; install them with: {}", by_hand(missing, needs_qemu && is_bookworm()));
    }
    let apt_get = || {
        let mut command = Command::new(if root { "apt-get" } else { "sudo" });
        command.args(if root { &[][..] } else { &["-n", "--preserve-env=DEBIAN_FRONTEND,LC_ALL", "apt-get"] });
        command
    };
    let update = |what: &str| -> Result<()> {
        let step = progress::Step::begin(what);
        progress::apt(&step, apt_get().args(["-q", "update"]))?;
        step.end();
        Ok(())
    };
    update("apt-get update")?;
    let backports = needs_qemu && is_bookworm() && !candidates_are_new_enough()?;
    if backports && !apt::host_suites()?.lines().any(|line| line.ends_with(" bookworm-backports")) {
        write_root_file(BACKPORTS, &backports_source(&apt::host_mirror()?), root)?;
        update("apt-get update with backports")?;
    }
    // QEMU's own libraries must come from where it comes from.
    let (qemu, plain): (Vec<&str>, Vec<&str>) = missing.iter().partition(|m| backports && QEMU.contains(m));
    for (packages, from) in [(plain, &[][..]), (qemu, &["-t", "bookworm-backports"])] {
        if !packages.is_empty() {
            let step = progress::Step::begin(&format!("install {}", packages.join(" ")));
            let mut command = apt_get();
            command.args(["-q", "-y", "install", "--no-install-recommends"]).args(from).args(packages);
            progress::apt(&step, &mut command)?;
            step.end();
        }
    }
    Ok(())
}

fn by_hand(missing: &[&str], backports: bool) -> String {
    let note = if backports { " (QEMU from bookworm-backports: add -t bookworm-backports)" } else { "" };
    format!("sudo apt-get install --no-install-recommends {}{note}", missing.join(" "))
}

fn is_bookworm() -> bool {
    std::fs::read_to_string("/etc/os-release").is_ok_and(|text| text.contains("VERSION_CODENAME=bookworm"))
}

/// Whether apt would install a QEMU that is new enough without being told where from.
fn candidates_are_new_enough() -> Result<bool> {
    let policy = progress::output("ask apt for QEMU's version", Command::new("apt-cache").arg("policy").args(QEMU))?;
    let candidates: Vec<&str> = policy.lines().filter_map(|l| l.trim().strip_prefix("Candidate: ")).collect();
    Ok(candidates.len() == QEMU.len() && candidates.iter().all(|v| at_least(v, QEMU_VERSION)))
}

fn backports_source(mirror: &str) -> String {
    let keyring =
        if Path::new(apt::KEYRING).exists() { format!("Signed-By: {}\n", apt::KEYRING) } else { String::new() };
    format!("Types: deb\nURIs: {mirror}\nSuites: bookworm-backports\nComponents: main\n{keyring}")
}

fn write_root_file(path: &str, text: &str, root: bool) -> Result<()> {
    if root {
        return std::fs::write(path, text).with_context(|| format!("write {path}"));
    }
    let temporary = std::env::temp_dir().join(format!("handset-sources-{}", std::process::id()));
    std::fs::write(&temporary, text).with_context(|| format!("write {}", temporary.display()))?;
    let mut copy = Command::new("sudo");
    copy.args(["-n", "install", "-m", "644"]).arg(&temporary).arg(path);
    let done = progress::output(&format!("write {path}"), &mut copy);
    std::fs::remove_file(&temporary).with_context(|| format!("remove {}", temporary.display()))?;
    done.map(|_| ())
}

/// Whether a program is on the search path; the administrator's folders count, since some tools live there alone.
fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).any(|dir| dir.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_installed_packages_count() {
        assert_eq!(installed_line("installed kmod 30+20221128-1"), Some(("kmod".into(), "30+20221128-1".into())));
        assert_eq!(installed_line("not-installed kmod "), None);
        assert_eq!(installed_line("config-files kmod 30"), None);
    }

    #[test]
    fn the_command_to_type_names_every_missing_package_and_where_qemu_comes_from() {
        assert_eq!(by_hand(&["kmod", "xvfb"], false), "sudo apt-get install --no-install-recommends kmod xvfb");
        assert!(by_hand(QEMU, true).ends_with("-t bookworm-backports)"));
    }

    #[test]
    fn the_backports_source_names_the_hosts_own_mirror() {
        let source = backports_source("http://mirror.example/debian");
        assert!(source.contains("URIs: http://mirror.example/debian\nSuites: bookworm-backports\n"), "{source}");
    }

    #[test]
    fn the_groups_do_not_overlap_and_together_are_everything() {
        let mut all: Vec<&str> = chosen(PACKAGES, EVERYTHING).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(PACKAGES.iter().map(|(_, names)| names.len()).sum::<usize>(), count);
    }

    #[test]
    fn a_program_is_found_only_where_there_is_one() {
        assert!(on_path("sh"));
        assert!(!on_path("no-such-program-at-all"));
    }
}
