//! `handset test`: user-interface tests, written in Python, by pytest (docs/ui-tests.md).
//!
//! The client package `frontend/python` is part of this program, and pytest is installed from PyPI into an environment in the
//! cache when it is first needed.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;
use rustix::fs::FlockOperation;

use crate::guest::cache_folder;

const EXAMPLES: &str = "\
Examples:
  handset test tests/ui                the tests of a folder, one after the other
  handset test tests/ui -j 4           on four phones side by side
  handset test tests/ui -- -k network  those whose name has «network»; what stands behind -- is pytest's

The exit status is 0 when all passed, 1 when one did not, and 2 when there was none to run.";

/// The client package, by its files.
const PACKAGE: &[(&str, &str)] = &[
    ("__init__.py", include_str!("../python/handset/__init__.py")),
    ("phone.py", include_str!("../python/handset/phone.py")),
    ("plugin.py", include_str!("../python/handset/plugin.py")),
    ("py.typed", include_str!("../python/handset/py.typed")),
    ("qmp.py", include_str!("../python/handset/qmp.py")),
];

/// What is installed from PyPI.
const REQUIREMENTS: &[&str] = &["pytest==9.2.0", "pytest-xdist==3.8.0"];

/// `handset test`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(after_help = EXAMPLES)]
pub struct Test {
    /// The folder or file of tests
    #[arg(value_name = "DIR")]
    pub tests: PathBuf,
    /// How many phones run side by side
    #[arg(short, long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// Where failures leave what their phones showed
    #[arg(long, value_name = "DIR", default_value = "handset-report")]
    pub output: PathBuf,
    /// The report in JUnit's format [default: junit.xml in the output folder]
    #[arg(long, value_name = "F")]
    pub junit: Option<PathBuf>,
    /// A Python that has pytest, and pytest-xdist for -j [default: one in the cache, made when it is first needed]
    #[arg(long, value_name = "PROGRAM")]
    pub python: Option<PathBuf>,
    /// Options for pytest
    #[arg(last = true, value_name = "OPTION")]
    pub pytest: Vec<OsString>,
}

/// Runs the tests; the status to end with.
///
/// # Errors
/// One line.
pub fn perform(test: &Test) -> Result<u8> {
    if !test.tests.exists() {
        bail!("{}: there is no such folder", test.tests.display());
    }
    let cache = cache_folder().context("no folder for the cache: set HANDSET_CACHE or HOME")?;
    let package = package(&cache)?;
    let python = test.python.clone().map_or_else(|| environment(&cache), Ok)?;
    fs::create_dir_all(&test.output).with_context(|| format!("--output {}", test.output.display()))?;
    let output = fs::canonicalize(&test.output).with_context(|| format!("--output {}", test.output.display()))?;
    let junit = test.junit.clone().unwrap_or_else(|| output.join("junit.xml"));

    // Each value is part of its option: pytest takes a path that stands alone for tests.
    let with = |option: &str, path: &Path| {
        let mut word = OsString::from(option);
        word.push(path);
        word
    };
    let mut pytest = Command::new(&python);
    pytest.args(["-m", "pytest", "-p", "handset.plugin", "-v", "-o", "junit_logging=all"]).arg(&test.tests);
    pytest.arg(with("--junitxml=", &junit)).arg(with("--handset-output=", &output));
    if test.jobs > 1 {
        pytest.arg(format!("--numprocesses={}", test.jobs));
    }
    pytest.args(&test.pytest);
    let program = std::env::current_exe().context("the path of this program")?;
    pytest.env("HANDSET", program).env("PYTHONPATH", package);
    let status = pytest.status().with_context(|| format!("{}: cannot be started", python.display()))?;
    eprintln!("handset: the report is {}", junit.display());
    match status.code() {
        Some(0) => Ok(0),
        Some(5) => {
            eprintln!("handset: {}: there is no test in it (names begin with test_)", test.tests.display());
            Ok(2)
        }
        // A wrong option, or a mistake in the tests' own set-up.
        Some(3 | 4) => Ok(2),
        _ => Ok(1),
    }
}

/// The folder in which Python finds the client package.
fn package(cache: &Path) -> Result<PathBuf> {
    let mut hasher = crc32fast::Hasher::new();
    PACKAGE.iter().for_each(|(name, text)| [name, text].iter().for_each(|part| hasher.update(part.as_bytes())));
    let folder = cache.join(format!("python-client-{:08x}", hasher.finalize()));
    if folder.exists() {
        return Ok(folder);
    }
    let wrong = || format!("{}: cannot be written", folder.display());
    fs::create_dir_all(cache).with_context(wrong)?;
    let new = tempfile::Builder::new().prefix(".new-").tempdir_in(cache).with_context(wrong)?;
    let files = new.path().join("handset");
    fs::create_dir(&files).with_context(wrong)?;
    for (name, text) in PACKAGE {
        fs::write(files.join(name), text).with_context(wrong)?;
    }
    // Somebody else may have been faster, with the same.
    if let Err(why) = fs::rename(new.path(), &folder)
        && !folder.exists()
    {
        return Err(why).with_context(wrong);
    }
    Ok(folder)
}

/// The Python of an environment that has pytest.
fn environment(cache: &Path) -> Result<PathBuf> {
    let folder = cache.join("python-tests");
    let wrong = || format!("{}: cannot be written", folder.display());
    fs::create_dir_all(cache).with_context(wrong)?;
    // Nobody else makes it meanwhile.
    let lock = File::create(cache.join("python-tests.lock")).with_context(wrong)?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).with_context(wrong)?;
    let (made, python) = (folder.join("requirements"), folder.join("bin/python"));
    let wanted = REQUIREMENTS.join("\n");
    if fs::read_to_string(&made).is_ok_and(|have| have == wanted) {
        return Ok(python);
    }
    eprintln!("handset: installing {} from PyPI into {} …", REQUIREMENTS.join(" and "), folder.display());
    step(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))
        .context("python3 makes no environment (install python3 and python3-venv, or give --python)")?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(REQUIREMENTS);
    step(&mut pip).context("pip installs nothing (is there a network? else give --python)")?;
    fs::write(&made, wanted).with_context(wrong)?;
    Ok(python)
}

/// Runs a command that says something only if it fails.
fn step(command: &mut Command) -> Result<()> {
    let done = command.stdin(Stdio::null()).output()?;
    if done.status.success() {
        return Ok(());
    }
    let said = [done.stderr, done.stdout].map(|said| String::from_utf8_lossy(&said).trim().to_owned());
    let last = said.iter().filter_map(|said| said.lines().last()).next().unwrap_or("it says nothing");
    bail!("{last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_is_written_once_and_whole() {
        let cache = tempfile::tempdir().unwrap();
        let folder = package(cache.path()).unwrap();
        for (name, text) in PACKAGE {
            assert_eq!(fs::read_to_string(folder.join("handset").join(name)).unwrap(), *text);
        }
        assert_eq!(package(cache.path()).unwrap(), folder);
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 1);
    }

    #[test]
    fn every_file_of_the_package_is_carried() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/handset");
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name()).collect();
        files.retain(|name| name != "__pycache__");
        files.sort();
        assert_eq!(files, PACKAGE.iter().map(|(name, _)| OsString::from(name)).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_not_there_is_named() {
        let test = Test {
            tests: "/none".into(),
            jobs: 1,
            output: "out".into(),
            junit: None,
            python: None,
            pytest: Vec::new(),
        };
        assert_eq!(perform(&test).unwrap_err().to_string(), "/none: there is no such folder");
        let missing = step(&mut Command::new("/none")).unwrap_err();
        assert!(missing.to_string().contains("No such file"), "{missing}");
        assert_eq!(step(Command::new("sh").args(["-c", "echo a; echo b >&2; false"])).unwrap_err().to_string(), "b");
    }
}
