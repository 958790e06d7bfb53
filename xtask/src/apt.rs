//! arm64 packages from the host's own Debian mirror, without touching the host's package lists.
//!
//! A private apt configuration per suite: its own lists, an empty status file, its own sources. apt resolves, verifies
//! (signed release file, hashes) and resumes; `dpkg-deb` and tar unpack. Left out: maintainer scripts, which do not run.

use crate::progress::{self, Step};
use anyhow::{Context, Result, anyhow, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Debian's archive keys, as Debian installs them.
pub const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Suites that are Debian's own; a host that uses one of them has a Debian mirror.
const SUITES: &[&str] =
    &["bullseye", "bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable"];

/// The Debian mirror that the host's apt uses, or the one named by `HANDSET_MIRROR`.
pub fn host_mirror() -> Result<String> {
    if let Ok(mirror) = std::env::var("HANDSET_MIRROR") {
        return Ok(mirror);
    }
    mirror_in(&host_suites()?)
        .ok_or_else(|| anyhow!("the host's apt names no Debian mirror; name one in HANDSET_MIRROR"))
}

/// The mirrors and suites that the host's apt uses: a line each, parted by a space.
pub fn host_suites() -> Result<String> {
    let mut query = Command::new("apt-get");
    query.args(["indextargets", "--format", "$(SITE) $(RELEASE)", "Created-By: Packages"]);
    progress::output("read the host's apt sources", &mut query)
}

fn mirror_in(targets: &str) -> Option<String> {
    let mut lines = targets.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(_, release)| SUITES.contains(release)).map(|(site, _)| site.to_owned())
}

/// One package that apt chose.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    pub name: String,
    pub version: String,
    architecture: String,
}

impl Package {
    /// What apt calls the downloaded file: a colon may not stand in it.
    fn file(&self) -> String {
        format!("{}_{}_{}.deb", self.name, self.version.replace(':', "%3a"), self.architecture)
    }
}

/// arm64 packages of one suite.
pub struct Suite {
    name: String,
    dir: PathBuf,
    /// The mirror the packages come from, also for a guest's own sources.
    pub mirror: String,
}

impl Suite {
    /// Prepares the suite beneath `dir`, and brings its lists when there are none yet or `refresh` asks for new ones.
    pub fn open(name: &str, dir: &Path, refresh: bool) -> Result<Self> {
        let suite = Self { name: name.to_owned(), dir: dir.join(name), mirror: host_mirror()? };
        for folder in ["lists/partial", "archives/partial"] {
            let folder = suite.dir.join(folder);
            fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
        }
        let signed = if Path::new(KEYRING).exists() { format!(" signed-by={KEYRING}") } else { String::new() };
        let source = format!("deb [arch=arm64 target=Packages{signed}] {} {name} main\n", suite.mirror);
        let changed = fs::read_to_string(suite.dir.join("sources.list")).is_ok_and(|old| old != source);
        for (file, text) in [("sources.list", source), ("status", String::new()), ("apt.conf", suite.configuration())] {
            let file = suite.dir.join(file);
            fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
        }
        let fresh = suite.dir.join("lists/fresh");
        if refresh || changed || !fresh.exists() {
            let step = Step::begin(&format!("read the package lists of {name}"));
            let mut update = suite.apt("apt-get");
            update.args(["-q", "update", "-o", "APT::Update::Error-Mode=any"]);
            progress::apt(&step, &mut update).with_context(|| suite.unreachable())?;
            step.end();
            fs::write(&fresh, "").with_context(|| format!("write {}", fresh.display()))?;
        }
        Ok(suite)
    }

    fn configuration(&self) -> String {
        let dir = self.dir.display();
        format!(
            "#clear APT::Update::Post-Invoke;\n#clear APT::Update::Post-Invoke-Success;\n#clear DPkg::Post-Invoke;\n\
             Dir::State \"{dir}\";\nDir::State::Lists \"{dir}/lists\";\nDir::State::status \"{dir}/status\";\n\
             Dir::State::extended_states \"{dir}/extended_states\";\n\
             Dir::Cache \"{dir}\";\nDir::Cache::archives \"{dir}/archives\";\n\
             Dir::Cache::pkgcache \"\";\nDir::Cache::srcpkgcache \"\";\n\
             Dir::Etc::sourcelist \"{dir}/sources.list\";\nDir::Etc::sourceparts \"/dev/null\";\n\
             Dir::Etc::preferences \"/dev/null\";\nDir::Etc::preferencesparts \"/dev/null\";\n\
             APT::Architecture \"arm64\";\n#clear APT::Architectures;\nAPT::Architectures {{ \"arm64\"; }};\n\
             APT::Sandbox::User \"root\";\nAPT::Install-Recommends \"0\";\n\
             Acquire::Languages \"none\";\nAcquire::Retries \"3\";\nDebug::NoLocking \"1\";\n"
        )
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.arg("-c").arg(self.dir.join("apt.conf")).current_dir(self.dir.join("archives"));
        command
    }

    fn unreachable(&self) -> String {
        format!("cannot fetch Debian {} from {}", self.name, self.mirror)
    }

    /// What the suite is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One field of a package's newest record.
    fn field(&self, package: &str, field: &str) -> Result<String> {
        let mut show = self.apt("apt-cache");
        show.args(["show", "--no-all-versions", package]);
        let record = progress::output(&format!("look up the package {package}"), &mut show)?;
        let value = record.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(": "));
        value.map(str::to_owned).ok_or_else(|| anyhow!("the package {package} of {} has no {field}", self.name))
    }

    /// The package itself, without what it depends on.
    pub fn single(&self, name: &str) -> Result<Package> {
        let (version, architecture) = (self.field(name, "Version")?, self.field(name, "Architecture")?);
        Ok(Package { name: name.to_owned(), version, architecture })
    }

    /// The package that an empty package stands for: `linux-image-arm64` depends on one with a version in its name.
    pub fn real(&self, name: &str) -> Result<Package> {
        let depends = self.field(name, "Depends")?;
        let real = depends.split([' ', ',']).next().unwrap_or_default();
        self.single(real)
    }

    /// The packages and all that they depend on.
    pub fn closure(&self, names: &[&str]) -> Result<Vec<Package>> {
        let mut simulate = self.apt("apt-get");
        simulate.args(["-q", "--simulate", "install"]).args(names);
        let plan = progress::output("resolve the packages", &mut simulate)?;
        let packages: Vec<Package> = plan.lines().filter_map(planned).collect();
        if packages.is_empty() {
            bail!("apt plans to install nothing for {}", names.join(" "));
        }
        Ok(packages)
    }

    /// Downloads what is not there yet; apt checks each against the signed lists.
    pub fn download(&self, packages: &[Package]) -> Result<()> {
        let missing = || packages.iter().filter(|p| !self.archive(p).exists());
        if missing().next().is_none() {
            return Ok(());
        }
        let step = Step::begin(&match missing().count() {
            1 => format!("download {}", missing().next().expect("one is missing").name),
            many => format!("download {many} packages"),
        });
        let mut download = self.apt("apt-get");
        download.args(["-q", "download"]).args(missing().map(|p| format!("{}={}", p.name, p.version)));
        progress::apt(&step, &mut download).with_context(|| self.unreachable())?;
        if let Some(package) = missing().next() {
            bail!("apt downloaded no {}", self.archive(package).display());
        }
        step.end();
        Ok(())
    }

    fn archive(&self, package: &Package) -> PathBuf {
        self.dir.join("archives").join(package.file())
    }

    /// Unpacks packages into a folder, in the order given.
    pub fn unpack(&self, packages: &[Package], into: &Path) -> Result<()> {
        let step = Step::begin(&match packages {
            [one] => format!("unpack {}", one.name),
            many => format!("unpack {} packages", many.len()),
        });
        for (done, package) in packages.iter().enumerate() {
            step.at(100.0 * done as f32 / packages.len() as f32, &package.name);
            self.unpack_one(package, into).with_context(|| format!("unpack {}", package.file()))?;
        }
        step.end();
        Ok(())
    }

    /// Unpacks by tar, since `dpkg-deb --extract` replaces a link to a folder by a folder.
    fn unpack_one(&self, package: &Package, into: &Path) -> Result<()> {
        let mut tar = Command::new("tar");
        tar.args(["--extract", "--preserve-permissions", "--keep-directory-symlink", "--directory"]).arg(into);
        self.pipe(package, &mut tar)
    }

    /// Puts one file of a package, of which most is not wanted, to a place.
    pub fn extract(&self, package: &Package, file: &str, to: &Path) -> Result<()> {
        let step = Step::begin(&format!("unpack {file}"));
        let place = fs::File::create(to).with_context(|| format!("create {}", to.display()))?;
        let mut tar = Command::new("tar");
        self.pipe(package, tar.args(["--extract", "--to-stdout", file]).stdout(place))
            .with_context(|| format!("unpack {file} of {}", package.file()))?;
        step.end();
        Ok(())
    }

    /// Has tar read a package's files.
    fn pipe(&self, package: &Package, tar: &mut Command) -> Result<()> {
        let mut data = Command::new("dpkg-deb")
            .arg("--fsys-tarfile")
            .arg(self.archive(package))
            .stdout(Stdio::piped())
            .spawn()
            .context("start dpkg-deb")?;
        let unpacked = tar.stdin(data.stdout.take().expect("stdout is piped")).status().context("start tar")?;
        let read = data.wait().context("wait for dpkg-deb")?;
        if !read.success() || !unpacked.success() {
            bail!("dpkg-deb ended with {read}, tar with {unpacked}");
        }
        Ok(())
    }

    /// What `/var/lib/dpkg/status` says where the packages are installed.
    pub fn installed_status(&self, packages: &[Package]) -> Result<String> {
        let mut status = String::new();
        for package in packages {
            let mut fields = Command::new("dpkg-deb");
            fields.arg("--field").arg(self.archive(package));
            status += &installed_record(&progress::output(&format!("read {}", package.file()), &mut fields)?);
        }
        Ok(status)
    }
}

/// A package's control record with the state that dpkg adds after the name.
fn installed_record(control: &str) -> String {
    let (name, rest) = control.split_once('\n').unwrap_or((control, ""));
    format!("{name}\nStatus: install ok installed\n{}\n\n", rest.trim_end())
}

/// `Inst NAME (VERSION ORIGIN [ARCHITECTURE]) …` of a simulated installation.
fn planned(line: &str) -> Option<Package> {
    let (name, rest) = line.strip_prefix("Inst ")?.split_once(" (")?;
    let (inside, _) = rest.split_once(')')?;
    let architecture = inside.rsplit_once('[')?.1.strip_suffix(']')?;
    let version = inside.split(' ').next()?;
    Some(Package { name: name.to_owned(), version: version.to_owned(), architecture: architecture.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_that_of_a_plain_debian_suite() {
        let targets = "http://security.example/debian-security bookworm-security\n\
                       http://deb.example/node nodistro\nhttp://mirror.example/debian bookworm\n";
        assert_eq!(mirror_in(targets).as_deref(), Some("http://mirror.example/debian"));
        assert_eq!(mirror_in("http://archive.example/ubuntu noble\n"), None);
    }

    #[test]
    fn an_installed_record_has_its_state_behind_its_name() {
        let record = installed_record("Package: dash\nVersion: 0.5\n");
        assert_eq!(record, "Package: dash\nStatus: install ok installed\nVersion: 0.5\n\n");
    }

    #[test]
    fn a_planned_package_is_read_and_names_its_file() {
        let package = planned("Inst libc6 (2.36-9+deb12u10 Debian:12.11/oldstable [arm64]) []").expect("a package");
        assert_eq!(package.file(), "libc6_2.36-9+deb12u10_arm64.deb");
        let package = planned("Inst tzdata (1:2025b-0 Debian:12.11/oldstable [all])").expect("a package");
        assert_eq!(package.file(), "tzdata_1%3a2025b-0_all.deb");
        assert_eq!(planned("Conf libc6 (2.36-9 Debian:12.11/oldstable [arm64])"), None);
        assert_eq!(planned("Inst libc6"), None);
    }
}
