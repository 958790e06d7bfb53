//! A suite's stock kernel as `kernel` has it, and beside it `vmlinux`, which holds its debug symbols.

use super::{Guest, kernel};
use crate::apt::Suite;
use crate::cache::Cache;
use anyhow::Result;

/// What there is beside the kernel.
pub const RECIPE: &str = "vmlinux";

/// Makes the guest.
pub fn make(guest: &Guest, suite: &str, cache: &Cache, refresh: bool) -> Result<()> {
    let suite = Suite::open(suite, &cache.apt(), refresh)?;
    let packages = kernel::packages(&suite)?;
    let symbols = suite.single(&format!("{}-dbg", packages[0].name))?;
    let all: Vec<_> = packages.iter().chain([&symbols]).cloned().collect();
    guest.publish(cache, &all, |dir| {
        let scratch = cache.scratch(guest.name)?;
        kernel::build(&suite, &packages, scratch.path(), dir)?;
        suite.download(std::slice::from_ref(&symbols))?;
        let version = symbols.name.trim_start_matches("linux-image-").trim_end_matches("-dbg");
        suite.extract(&symbols, &format!("./usr/lib/debug/boot/vmlinux-{version}"), &dir.join("vmlinux"))
    })
}
