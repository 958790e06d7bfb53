//! Debian's graphical installer: kernel and GTK initrd out of one package, as they are.

use super::{Guest, copy};
use crate::apt::Suite;
use crate::cache::Cache;
use anyhow::Result;

const PACKAGE: &str = "debian-installer-12-netboot-arm64";
const FOLDER: &str = "usr/lib/debian-installer/images/12/arm64/gtk/debian-installer/arm64";

/// Makes the guest.
pub fn make(guest: &Guest, cache: &Cache, refresh: bool) -> Result<()> {
    let suite = Suite::open("bookworm", &cache.apt(), refresh)?;
    let packages = [suite.single(PACKAGE)?];
    guest.publish(cache, &packages, |dir| {
        suite.download(&packages)?;
        let scratch = cache.scratch(guest.name)?;
        suite.unpack(&packages, scratch.path())?;
        let folder = scratch.path().join(FOLDER);
        copy(&folder.join("linux"), &dir.join("Image"))?;
        copy(&folder.join("initrd.gz"), &dir.join("initrd.gz"))
    })
}
