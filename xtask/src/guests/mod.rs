//! The guests: what each is, and how it comes into the cache.
//!
//! A guest is made of packages from the host's Debian mirror. Its `guest.toml` keeps their versions and a digest of the
//! recipe; while both hold, a cached guest is taken as it is and the network is not asked.

mod cpio;
mod disk;
mod installer;
mod kernel;
mod symbols;

use crate::apt::Package;
use crate::cache::{self, Cache};
use anyhow::{Context, Result, anyhow};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The guest that `cargo xtask run` boots.
pub const DEFAULT: &str = "installer";

/// What `fetch` needs to know of a guest.
struct Guest {
    name: &'static str,
    title: &'static str,
    /// The kernel's command line. The installer would also run on a serial console, were there one on it.
    cmdline: &'static str,
    /// RAM that it runs well in.
    memory: &'static str,
    make: Make,
}

/// How a guest is made.
enum Make {
    /// Debian's graphical installer, from one package.
    Installer,
    /// A suite's kernel and a busybox initrd.
    Kernel { suite: &'static str },
    /// The same with the kernel's debug symbols beside it.
    Symbols { suite: &'static str },
    /// A suite's kernel, the same initrd, and a root disk, with further packages on it.
    Disk { suite: &'static str, further: &'static [&'static str] },
}

const GUESTS: &[Guest] = &[
    Guest {
        name: "installer",
        title: "Debian 12 graphical installer",
        cmdline: "console=tty0 --- quiet",
        memory: "1G",
        make: Make::Installer,
    },
    Guest {
        name: "debian12",
        title: "Debian 12 kernel (6.1) and busybox",
        cmdline: "console=ttyAMA0",
        memory: "512M",
        make: Make::Kernel { suite: "bookworm" },
    },
    Guest {
        name: "debian13",
        title: "Debian 13 kernel (6.12) and busybox",
        cmdline: "console=ttyAMA0",
        memory: "512M",
        make: Make::Kernel { suite: "trixie" },
    },
    Guest {
        name: "debian12-symbols",
        title: "Debian 12 kernel and busybox, for debuggers",
        cmdline: "console=ttyAMA0 nokaslr",
        memory: "512M",
        make: Make::Symbols { suite: "bookworm" },
    },
    Guest {
        name: "debian12-disk",
        title: "Debian 12 with systemd on a root disk",
        cmdline: "console=ttyAMA0 root=/dev/vda rw",
        memory: "1G",
        make: Make::Disk { suite: "bookworm", further: &[] },
    },
    Guest {
        name: "debian12-bench",
        title: "The same with what the benchmarks run",
        cmdline: "console=ttyAMA0 root=/dev/vda rw",
        memory: "2G",
        make: Make::Disk { suite: "bookworm", further: disk::FOR_BENCH },
    },
];

/// The part of a recipe that its packages and command line do not show; raise it when what is made of them changes.
const RECIPE: u32 = 1;

/// The names of all guests.
pub fn names() -> Vec<String> {
    GUESTS.iter().map(|guest| guest.name.to_owned()).collect()
}

/// Prints the guests, and which are in the cache.
pub fn list() -> Result<()> {
    let guests = cache::root()?.join("guests");
    for guest in GUESTS {
        let state = if guests.join(guest.name).join("guest.toml").exists() { "cached" } else { "" };
        println!("{:<15} {:<45} {state}", guest.name, guest.title);
    }
    Ok(())
}

/// Makes sure that a guest is in the cache, and returns its folder.
pub fn fetch(name: &str, refresh: bool) -> Result<PathBuf> {
    let guest = GUESTS
        .iter()
        .find(|guest| guest.name == name)
        .ok_or_else(|| anyhow!("no guest `{name}`; there are: {}", names().join(" ")))?;
    let cache = Cache::open()?;
    let place = cache.guest(name);
    if !refresh && recipe_in(&place) == Some(guest.recipe()) {
        return Ok(place);
    }
    eprintln!("fetch the guest {name}: {}", guest.title);
    match guest.make {
        Make::Installer => installer::make(guest, &cache, refresh),
        Make::Kernel { suite } => kernel::make(guest, suite, &cache, refresh),
        Make::Symbols { suite } => symbols::make(guest, suite, &cache, refresh),
        Make::Disk { suite, further } => disk::make(guest, suite, further, &cache, refresh),
    }
    .with_context(|| format!("guest {name}"))?;
    Ok(place)
}

impl Guest {
    /// Changes when a cached guest must be made anew.
    fn recipe(&self) -> String {
        let text = match self.make {
            Make::Installer => String::new(),
            Make::Kernel { .. } => kernel::RECIPE.concat(),
            Make::Symbols { .. } => kernel::RECIPE.concat() + symbols::RECIPE,
            Make::Disk { further, .. } => kernel::RECIPE.concat() + &disk::recipe(further),
        };
        // FNV-1a: the digest need not resist anyone, only notice an edit, and be the same in every build.
        let parts = [&RECIPE.to_string(), self.title, self.cmdline, self.memory, &text].join("\0");
        let digest = parts
            .bytes()
            .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3));
        format!("{digest:016x}")
    }

    /// `guest.toml`: what the guest is and what it was made of.
    fn describe(&self, packages: &[Package]) -> String {
        let mut text = format!(
            "title = \"{}\"\nmemory = \"{}\"\nrecipe = \"{}\"\n\n[packages]\n",
            self.title,
            self.memory,
            self.recipe()
        );
        for package in packages {
            writeln!(text, "\"{}\" = \"{}\"", package.name, package.version).expect("a String takes all text");
        }
        text
    }

    /// Puts the guest into the cache, unless the one there was made of the same packages in the same way.
    fn publish(&self, cache: &Cache, packages: &[Package], build: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        let description = self.describe(packages);
        if fs::read_to_string(cache.guest(self.name).join("guest.toml")).is_ok_and(|old| old == description) {
            return Ok(());
        }
        cache.publish(self.name, |dir| {
            build(dir)?;
            write(&dir.join("cmdline"), format!("{}\n", self.cmdline))?;
            write(&dir.join("guest.toml"), description)
        })
    }
}

/// The recipe by which the guest in a folder was made, if there is one.
fn recipe_in(place: &Path) -> Option<String> {
    let text = fs::read_to_string(place.join("guest.toml")).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix("recipe = \""))?;
    value.strip_suffix('"').map(str::to_owned)
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("write {}", path.display()))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_guest_is_in_the_table_and_names_are_unique() {
        let mut names = names();
        assert!(names.iter().any(|name| name == DEFAULT));
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn a_description_gives_back_its_recipe() {
        let dir = std::env::temp_dir().join(format!("handset-describe-{}", std::process::id()));
        fs::create_dir_all(&dir).expect("a folder");
        fs::write(dir.join("guest.toml"), GUESTS[0].describe(&[])).expect("a description");
        assert_eq!(recipe_in(&dir), Some(GUESTS[0].recipe()));
        fs::remove_dir_all(&dir).expect("a clean end");
        assert_eq!(recipe_in(&dir), None);
    }

    #[test]
    fn no_two_guests_have_one_recipe() {
        let mut recipes: Vec<String> = GUESTS.iter().map(Guest::recipe).collect();
        recipes.sort();
        recipes.dedup();
        assert_eq!(recipes.len(), GUESTS.len());
    }

    #[test]
    fn an_unknown_guest_is_refused_with_the_names_of_those_there_are() {
        let error = fetch("debian11", false).unwrap_err().to_string();
        assert!(error.contains("debian11") && error.contains("installer debian12 debian13"), "{error}");
    }
}
