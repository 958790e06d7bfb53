//! A suite's stock kernel with an initrd of busybox and the modules that a `virt` machine and a phone want.
//!
//! The initrd's `/init` loads the modules, then hands over to the root disk that `root=` names or, without one, to
//! busybox's own init with a shell on the console.

use super::{Guest, copy, cpio, write};
use crate::apt::{Package, Suite};
use crate::cache::Cache;
use crate::progress::{self, Step};
use anyhow::{Context, Result, anyhow, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The initrd's own files: name, permissions, text.
const FILES: &[(&str, u32, &str)] = &[
    ("init", 0o755, include_str!("initrd/init.sh")),
    ("etc/inittab", 0o644, include_str!("initrd/inittab")),
    ("etc/profile", 0o644, include_str!("initrd/profile.sh")),
    ("bin/handset-run", 0o755, include_str!("initrd/run.sh")),
    ("etc/passwd", 0o644, "root::0:0:root:/root:/bin/sh\n"),
    ("etc/group", 0o644, "root:x:0:\n"),
    ("etc/udhcpc.script", 0o755, include_str!("initrd/udhcpc.sh")),
];

const FOLDERS: &[&str] =
    &["bin", "dev", "etc", "lib", "lib/modules", "mnt", "proc", "root", "run", "sbin", "sys", "tmp", "usr", "var"];

/// Loaded by `/init`, in this order; what they depend on comes by itself. A kernel that has one built in is fine.
const LOADED: &[&str] = &[
    "virtio_mmio",
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "virtio_console",
    "virtio_rng",
    "virtio_input",
    "virtio_gpu",
    "evdev",
    "crc32c_generic",
    "ext4",
    "gpio_keys",
];

/// There for who asks for them.
const OFFERED: &[&str] = &[
    "9pnet_virtio",
    "autofs4",
    "binfmt_misc",
    "configfs",
    "dm_mod",
    "fuse",
    "loop",
    "nls_ascii",
    "nls_cp437",
    "overlay",
    "snd_hda_intel",
    "tun",
    "uinput",
    "vfat",
    "virtio_balloon",
    "xhci_pci",
];

/// What the initrd is made of, beside packages.
pub const RECIPE: &[&str] =
    &[FILES[0].2, FILES[1].2, FILES[2].2, FILES[3].2, FILES[6].2, "modules of virt, with sound, USB and binfmt"];

/// The packages of a suite's kernel guest.
pub fn packages(suite: &Suite) -> Result<[Package; 2]> {
    Ok([suite.real("linux-image-arm64")?, suite.single("busybox-static")?])
}

/// Makes the guest.
pub fn make(guest: &Guest, suite: &str, cache: &Cache, refresh: bool) -> Result<()> {
    let suite = Suite::open(suite, &cache.apt(), refresh)?;
    let packages = packages(&suite)?;
    guest.publish(cache, &packages, |dir| {
        let scratch = cache.scratch(guest.name)?;
        build(&suite, &packages, scratch.path(), dir).map(|_| ())
    })
}

/// Puts `Image` and `initrd.gz` into `dir`, and returns the folder of the chosen modules (`lib/modules/VERSION`).
pub fn build(suite: &Suite, packages: &[Package; 2], scratch: &Path, dir: &Path) -> Result<PathBuf> {
    suite.download(packages)?;
    let unpacked = scratch.join("unpacked");
    fs::create_dir(&unpacked).with_context(|| format!("create {}", unpacked.display()))?;
    suite.unpack(packages, &unpacked)?;
    // The modules' folder is beneath /lib in Debian 12 and beneath /usr/lib in Debian 13, and so is busybox.
    let lib = first_of(&unpacked, &["lib/modules", "usr/lib/modules"])?;
    let busybox = first_of(&unpacked, &["bin/busybox", "usr/bin/busybox"])?;
    let version = only_entry(&lib)?;
    copy(&unpacked.join(format!("boot/vmlinuz-{version}")), &dir.join("Image"))?;

    let step = Step::begin("choose the kernel's modules");
    let chosen = scratch.join("chosen/lib/modules").join(&version);
    choose_modules(&lib, &version, &chosen)?;
    step.end();

    let step = Step::begin("make the initrd");
    let busybox = fs::read(&busybox).with_context(|| format!("read {}", busybox.display()))?;
    let initrd = cpio::gzipped(|archive| {
        for folder in FOLDERS {
            archive.directory(folder)?;
        }
        archive.character_device("dev/console", 5, 1)?;
        archive.file("bin/busybox", 0o755, &busybox)?;
        archive.symlink("bin/sh", "busybox")?;
        archive.symlink("sbin/modprobe", "../bin/busybox")?;
        for (name, permissions, text) in FILES {
            archive.file(name, *permissions, text.as_bytes())?;
        }
        archive.file("etc/modules", 0o644, (LOADED.join("\n") + "\n").as_bytes())?;
        archive.tree(&chosen, &format!("lib/modules/{version}"))
    })?;
    write(&dir.join("initrd.gz"), initrd)?;
    step.end();
    Ok(chosen)
}

fn first_of(dir: &Path, names: &[&str]) -> Result<PathBuf> {
    let found = names.iter().map(|name| dir.join(name)).find(|path| path.exists());
    found.ok_or_else(|| anyhow!("the packages hold none of {}", names.join(", ")))
}

fn only_entry(dir: &Path) -> Result<String> {
    let mut names = fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))?;
    match (names.next(), names.next()) {
        (Some(Ok(entry)), None) => Ok(entry.file_name().to_string_lossy().into_owned()),
        _ => bail!("{} does not hold exactly one kernel's modules", dir.display()),
    }
}

/// Copies the wanted modules of `lib/VERSION`, and what they depend on, uncompressed, with an index of their own.
fn choose_modules(lib: &Path, version: &str, chosen: &Path) -> Result<()> {
    let all = lib.join(version);
    // depmod looks into BASE/lib/modules.
    let base = lib.ancestors().nth(2).ok_or_else(|| anyhow!("{} is not in lib", lib.display()))?;
    depmod(base, version)?;
    let read = |name: &str| {
        let path = all.join(name);
        fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    };
    let (dependencies, builtin) = (read("modules.dep")?, read("modules.builtin")?);
    let files = closure(&dependencies, &builtin, LOADED.iter().chain(OFFERED))?;
    for file in &files {
        let (from, to) = (all.join(file), chosen.join(file));
        let folder = to.parent().expect("a module is in a folder");
        fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
        copy(&from, &to)?;
        if file.ends_with(".xz") {
            progress::output(&format!("uncompress {file}"), Command::new("xz").arg("-d").arg(&to))?;
        }
    }
    for name in ["modules.order", "modules.builtin", "modules.builtin.modinfo"] {
        copy(&all.join(name), &chosen.join(name))?;
    }
    depmod(chosen.ancestors().nth(3).expect("BASE/lib/modules/VERSION"), version)
}

fn depmod(base: &Path, version: &str) -> Result<()> {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut depmod = Command::new("depmod");
    depmod.env("PATH", format!("{path}:/usr/sbin:/sbin")).arg("-b").arg(base).arg(version);
    progress::output("index the modules", &mut depmod).map(|_| ())
}

/// The files, relative to the modules' folder, of the wanted modules and of all that they need. `dependencies` is
/// `modules.dep`: each line a file, a colon, and all the files it needs.
fn closure<'a>(
    dependencies: &'a str,
    builtin: &str,
    wanted: impl Iterator<Item = &'a &'a str>,
) -> Result<Vec<&'a str>> {
    let name = |file: &str| {
        let file = file.rsplit('/').next().unwrap_or(file);
        file.split(".ko").next().unwrap_or(file).replace('-', "_")
    };
    let lines: BTreeMap<String, &str> =
        dependencies.lines().map(|line| (name(line.split(':').next().unwrap_or(line)), line)).collect();
    let mut files = Vec::new();
    for module in wanted {
        match lines.get(*module) {
            Some(line) => files.extend(line.split([':', ' ']).filter(|file| !file.is_empty())),
            None if builtin.lines().any(|file| name(file) == *module) => {}
            None => bail!("the kernel has no module {module}"),
        }
    }
    files.sort_unstable();
    files.dedup();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEP: &str = "kernel/fs/ext4/ext4.ko.xz: kernel/fs/jbd2/jbd2.ko.xz kernel/fs/mbcache.ko.xz\n\
                       kernel/fs/jbd2/jbd2.ko.xz:\nkernel/fs/mbcache.ko.xz:\n\
                       kernel/drivers/char/hw_random/virtio-rng.ko.xz:\n";

    #[test]
    fn a_module_brings_what_it_depends_on() {
        let files = closure(DEP, "", ["ext4", "jbd2"].iter()).expect("all are there");
        assert_eq!(files, ["kernel/fs/ext4/ext4.ko.xz", "kernel/fs/jbd2/jbd2.ko.xz", "kernel/fs/mbcache.ko.xz"]);
    }

    #[test]
    fn a_dash_in_a_file_name_is_an_underscore_in_the_module_name() {
        assert_eq!(closure(DEP, "", ["virtio_rng"].iter()).expect("it is there").len(), 1);
    }

    #[test]
    fn a_built_in_module_is_no_file_and_an_unknown_one_is_an_error() {
        assert_eq!(
            closure(DEP, "kernel/drivers/virtio/virtio_mmio.ko\n", ["virtio_mmio"].iter()).expect("ok").len(),
            0
        );
        assert_eq!(closure(DEP, "", ["no_such"].iter()).unwrap_err().to_string(), "the kernel has no module no_such");
    }
}
