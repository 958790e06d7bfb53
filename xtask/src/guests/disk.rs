//! A suite's root disk with systemd: the packages unpacked onto an ext4 file system, and the little that their
//! maintainer scripts, which have not run, would have written.
//!
//! Left out: what those scripts do beyond reaching `multi-user.target`, logging in, the network and apt.

use super::kernel;
use super::{Guest, copy, write};
use crate::apt::{Package, Suite};
use crate::cache::Cache;
use crate::progress::{self, Step};
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

/// What is asked for; apt adds what these need.
const PACKAGES: &[&str] = &[
    "apt",
    "base-files",
    "base-passwd",
    "bash",
    "coreutils",
    "curl",
    "dash",
    "dbus",
    "debian-archive-keyring",
    "diffutils",
    "e2fsprogs",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "iproute2",
    "iputils-ping",
    "kmod",
    "less",
    "libpam-modules",
    "libpam-runtime",
    "libpam-systemd",
    "libpython3.11-testsuite",
    "login",
    "luajit",
    "mawk",
    "mount",
    "nodejs",
    "openssl",
    "passwd",
    "pciutils",
    "procps",
    "python3",
    "sed",
    "stress-ng",
    "systemd",
    "systemd-sysv",
    "tar",
    "udev",
    "util-linux",
];

/// What the benchmarks and the long list of compute work run beside those. ffmpeg alone brings 160 packages, so a guest
/// without them is there for the tests.
pub const FOR_BENCH: &[&str] = &[
    "bzip2",
    "ffmpeg",
    "gcc",
    "libc6-dev",
    "openjdk-17-jre-headless",
    "perl",
    "povray",
    "rhino",
    "rt-tests",
    "sqlite3",
    "xz-utils",
    "zstd",
];

const SIZE: &str = "4G";

/// Links that must stand before anything is unpacked, so that packages of either layout land in /usr.
const MERGED: &[&str] = &["bin", "lib", "sbin"];

/// Links that maintainer scripts would have made.
const LINKS: &[(&str, &str)] = &[
    ("etc/systemd/system/default.target", "/lib/systemd/system/multi-user.target"),
    ("etc/systemd/system/getty.target.wants/getty@tty1.service", "/lib/systemd/system/getty@.service"),
    (
        "etc/systemd/system/multi-user.target.wants/systemd-networkd.service",
        "/lib/systemd/system/systemd-networkd.service",
    ),
    ("etc/systemd/system/sockets.target.wants/systemd-networkd.socket", "/lib/systemd/system/systemd-networkd.socket"),
    ("etc/mtab", "../proc/self/mounts"),
];

/// Links that update-alternatives would have made, each where a package brings its target.
const ALTERNATIVES: &[(&str, &str)] = &[
    ("usr/bin/awk", "mawk"),
    ("usr/bin/java", "../lib/jvm/java-17-openjdk-arm64/bin/java"),
    ("usr/bin/pager", "less"),
    ("usr/bin/which", "which.debianutils"),
    ("usr/lib/aarch64-linux-gnu/libblas.so.3", "blas/libblas.so.3"),
    ("usr/lib/aarch64-linux-gnu/liblapack.so.3", "lapack/liblapack.so.3"),
];

/// Files that maintainer scripts or an installer would have written: name, text.
const FILES: &[(&str, &str)] = &[
    ("etc/fstab", "/dev/vda / ext4 defaults 0 1\n"),
    ("etc/hostname", "handset\n"),
    ("etc/hosts", "127.0.0.1 localhost handset\n::1 localhost\n"),
    // An image that is the same for everyone has an id that is the same for everyone.
    ("etc/machine-id", "68616e6473657400000000000000000c\n"),
    ("etc/default/locale", "LANG=C.UTF-8\n"),
    ("etc/environment", "LANG=C.UTF-8\n"),
    // The user-mode network's own name server.
    ("etc/resolv.conf", "nameserver 10.0.2.3\n"),
    ("etc/systemd/network/80-dhcp.network", "[Match]\nType=ether\n\n[Network]\nDHCP=yes\n"),
    (
        "etc/systemd/system/serial-getty@.service.d/autologin.conf",
        "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin root --noclear --keep-baud 115200 - $TERM\n",
    ),
    ("etc/pam.d/common-account", "account required pam_unix.so\n"),
    ("etc/pam.d/common-auth", "auth required pam_unix.so nullok\n"),
    ("etc/pam.d/common-password", "password required pam_unix.so yescrypt\n"),
    ("etc/pam.d/common-session", "session required pam_unix.so\nsession optional pam_systemd.so\n"),
    ("etc/pam.d/common-session-noninteractive", "session required pam_unix.so\n"),
];

/// Users, beside those of base-passwd, that systemd-sysusers does not make.
const APT_USER: &str = "_apt:*:42:65534::/nonexistent:/usr/sbin/nologin\n";

/// Copies of files that packages bring as templates: from, to.
const TEMPLATES: &[(&str, &str)] = &[
    ("usr/share/base-passwd/group.master", "etc/group"),
    ("usr/share/base-files/profile", "etc/profile"),
    ("usr/share/base-files/dot.bashrc", "root/.bashrc"),
    ("usr/share/base-files/dot.profile", "root/.profile"),
    ("usr/share/base-files/nsswitch.conf", "etc/nsswitch.conf"),
    ("usr/share/libc-bin/nsswitch.conf", "etc/nsswitch.conf"),
];

/// What the disk is made of, beside packages.
pub fn recipe(further: &[&str]) -> String {
    let mut text = [PACKAGES, further, MERGED].concat().join(" ") + SIZE + APT_USER;
    for (name, value) in LINKS.iter().chain(ALTERNATIVES).chain(FILES).chain(TEMPLATES) {
        text += &format!("\n{name} {value}");
    }
    text
}

/// Makes the guest, with `further` packages.
pub fn make(guest: &Guest, suite: &str, further: &[&str], cache: &Cache, refresh: bool) -> Result<()> {
    let suite = Suite::open(suite, &cache.apt(), refresh)?;
    let boot = kernel::packages(&suite)?;
    let system = suite.closure(&[PACKAGES, further].concat())?;
    let all: Vec<Package> = boot.iter().chain(&system).cloned().collect();
    guest.publish(cache, &all, |dir| {
        let scratch = cache.scratch(guest.name)?;
        let modules = kernel::build(&suite, &boot, scratch.path(), dir)?;
        suite.download(&system)?;
        let root = scratch.path().join("root");
        merge_usr(&root)?;
        suite.unpack(&system, &root)?;
        configure(&suite, &system, &root)?;
        install_modules(&modules, &root)?;
        make_file_system(&root, &dir.join("disk.img"))
    })
}

fn merge_usr(root: &Path) -> Result<()> {
    for name in MERGED {
        let folder = root.join("usr").join(name);
        fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        link(&format!("usr/{name}"), &root.join(name))?;
    }
    Ok(())
}

fn configure(suite: &Suite, packages: &[Package], root: &Path) -> Result<()> {
    for name in MERGED {
        if !root.join(name).is_symlink() {
            bail!("unpacking replaced the link /{name} by a folder");
        }
    }
    for (from, to) in TEMPLATES {
        if root.join(from).exists() {
            copy(&root.join(from), &root.join(to))?;
        }
    }
    let users = root.join("usr/share/base-passwd/passwd.master");
    let users = fs::read_to_string(&users).with_context(|| format!("read {}", users.display()))?;
    put(root, "etc/passwd", &(users.replacen("root:*:", "root::", 1) + APT_USER))?;
    for (name, text) in FILES {
        put(root, name, text)?;
    }
    for (name, target) in LINKS {
        let place = root.join(name);
        create_parent(&place)?;
        if !place.exists() && !place.is_symlink() {
            link(target, &place)?;
        }
    }
    for (name, target) in ALTERNATIVES {
        let place = root.join(name);
        let brought = place.parent().expect("a place beneath the root").join(target).exists();
        if brought && !place.exists() && !place.is_symlink() {
            link(target, &place)?;
        }
    }
    let source = format!("deb {} {} main\n", suite.mirror, suite.name());
    put(root, "etc/apt/sources.list", &source)?;
    put(root, "var/lib/dpkg/status", &suite.installed_status(packages)?)
}

/// Writes a file with the permissions that system configuration has.
fn put(root: &Path, name: &str, text: &str) -> Result<()> {
    let place = root.join(name);
    create_parent(&place)?;
    write(&place, text)?;
    fs::set_permissions(&place, fs::Permissions::from_mode(0o644))
        .with_context(|| format!("set the permissions of {}", place.display()))
}

fn create_parent(place: &Path) -> Result<()> {
    let parent = place.parent().expect("a place beneath the root");
    fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))
}

fn link(target: &str, place: &Path) -> Result<()> {
    symlink(target, place).with_context(|| format!("link {} to {target}", place.display()))
}

fn install_modules(modules: &Path, root: &Path) -> Result<()> {
    let lib = root.join("usr/lib/modules");
    fs::create_dir_all(&lib).with_context(|| format!("create {}", lib.display()))?;
    progress::output("copy the modules", Command::new("cp").arg("-a").arg(modules).arg(&lib)).map(|_| ())
}

/// Makes the disk; its files belong to root, whoever runs this.
fn make_file_system(root: &Path, disk: &Path) -> Result<()> {
    let step = Step::begin("make the disk");
    let me = progress::output("ask who runs this", Command::new("id").arg("-u"))?;
    // In a user namespace of one's own, one's files are root's.
    let mut command = Command::new(if me.trim() == "0" { "env" } else { "unshare" });
    if me.trim() != "0" {
        command.args(["--map-root-user", "env"]);
    }
    let path = std::env::var("PATH").unwrap_or_default();
    command.arg(format!("PATH={path}:/usr/sbin:/sbin"));
    command.args(["mke2fs", "-q", "-t", "ext4", "-L", "handset", "-m", "0", "-d"]).arg(root).arg(disk).arg(SIZE);
    progress::output("make the disk", &mut command)?;
    step.end();
    Ok(())
}
