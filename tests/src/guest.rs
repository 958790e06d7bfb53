//! Guests for tests: fetched by `cargo xtask guests` if the cache has them not, and a failure if they cannot be had.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The workspace's root.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a member of the workspace")
}

/// The folder of a cached guest.
pub fn folder(name: &str) -> PathBuf {
    fetched(&["guests", name])
}

/// The folder of the Python environment with the clients that drive a phone.
pub fn python() -> PathBuf {
    fetched(&["python"])
}

/// What an `xtask` fetches if the cache has it not.
fn fetched(task: &[&str]) -> PathBuf {
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["run", "--quiet", "--package", "xtask", "--"])
        .args(task)
        .current_dir(workspace())
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "`cargo xtask {}`: {}", task.join(" "), output.status);
    PathBuf::from(String::from_utf8(output.stdout).expect("a UTF-8 path").trim_end())
}

/// A file in a package of the host, which `cargo xtask setup` installs.
pub fn host_file(path: &str) -> PathBuf {
    assert!(Path::new(path).exists(), "no {path}: run `cargo xtask setup`");
    PathBuf::from(path)
}

/// A folder for one test's files, removed with it.
pub struct Scratch(PathBuf);

impl Scratch {
    /// An empty folder; `name` must be the test's own.
    pub fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("handset-test-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap_or_else(|e| panic!("create {}: {e}", folder.display()));
        Self(folder)
    }

    /// A path within.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is in the host's folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a host program that prepares a test, and returns what it printed.
pub fn host(program: &str, arguments: &[&str]) -> String {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let output = Command::new(program).args(arguments).env("PATH", path).stderr(Stdio::inherit()).output();
    let output = output.unwrap_or_else(|e| panic!("start {program}: {e}; run `cargo xtask setup`"));
    assert!(output.status.success(), "{program} {}: {}", arguments.join(" "), output.status);
    String::from_utf8_lossy(&output.stdout).into_owned()
}
