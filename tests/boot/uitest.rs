//! `handset test`: suites in Python drive phones side by side, and a failure leaves its evidence.

use handset_tests::emulator::handset_binary;
use handset_tests::guest;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs a suite; its report is in a folder `report` beside it.
fn run(suite: &Path, folder: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(handset_binary());
    command.arg("test").arg(suite).arg("--output").arg(folder.join("report")).args(options);
    // Nothing is left in the sources.
    command.args(["--", "-p", "no:cacheprovider"]).env("PYTHONDONTWRITEBYTECODE", "1");
    command.output().expect("handset starts")
}

/// A suite of one file for a guest with a shell on its serial port.
fn suite(folder: &Path, tests: &str) {
    guest::folder("debian12");
    fs::write(folder.join("pytest.ini"), "[pytest]\nhandset_options = --guest debian12\n").unwrap();
    let prepare = "
import pytest

@pytest.fixture(scope='session')
def handset_prepare():
    return lambda phone: phone.serial.wait_for('handset# ', timeout=60)
";
    fs::write(folder.join("conftest.py"), prepare).unwrap();
    fs::write(folder.join("test_shell.py"), tests).unwrap();
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_suite_drives_the_installer_by_touch_on_two_phones() {
    guest::folder("installer");
    let folder = tempfile::tempdir().unwrap();
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("ui");
    let done = run(&suite, folder.path(), &["-j", "2"]);
    assert_eq!(done.status.code(), Some(0), "{}", text(&done.stdout));
    let junit = fs::read_to_string(folder.path().join("report/junit.xml")).unwrap();
    assert!(junit.contains("failures=\"0\"") && junit.contains("tests=\"2\""), "{junit}");
}

#[test]
fn tests_share_no_state_and_failures_leave_evidence() {
    let folder = tempfile::tempdir().unwrap();
    suite(
        folder.path(),
        "
def test_a_file_is_made(phone):
    assert phone.serial.run('uname -m') == 'aarch64\\n'
    phone.serial.run('test ! -e /made && touch /made')

def test_the_file_of_another_test_is_not_there(phone):
    phone.serial.run('test ! -e /made && touch /made')

def test_what_is_not_there(phone):
    phone.serial.run('echo here it stands')
    phone.wait_for(text='Never written', timeout=0.2)
",
    );
    let done = run(folder.path(), folder.path(), &[]);
    let said = text(&done.stdout);
    assert_eq!(done.status.code(), Some(1), "{said}{}", text(&done.stderr));
    assert!(
        said.contains("1 failed, 2 passed") && said.contains("there is no 'Never written' within 200 ms"),
        "{said}"
    );
    let junit = fs::read_to_string(folder.path().join("report/junit.xml")).unwrap();
    assert!(junit.contains("failures=\"1\"") && junit.contains("<property name=\"screenshot\""), "{junit}");
    let evidence = folder.path().join("report/test_shell.py_test_what_is_not_there");
    assert!(image::open(evidence.join("screen.png")).is_ok(), "a screenshot");
    let video = fs::read(evidence.join("video.gif")).expect("a video");
    assert!(video.starts_with(b"GIF89a") && video.ends_with(b";"), "{} bytes", video.len());
    let serial = fs::read_to_string(evidence.join("serial.txt")).unwrap();
    assert!(serial.contains("here it stands"), "{serial}");
}

#[test]
fn a_suite_without_a_phone_or_tests_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let empty = run(folder.path(), folder.path(), &[]);
    assert_eq!(empty.status.code(), Some(2));
    assert!(text(&empty.stderr).contains("there is no test in it"), "{}", text(&empty.stderr));
    fs::write(folder.path().join("test_a.py"), "def test_a(phone): pass\n").unwrap();
    let nameless = run(folder.path(), folder.path(), &[]);
    assert_ne!(nameless.status.code(), Some(0));
    assert!(text(&nameless.stdout).contains("handset_options says which phone to start"), "{}", text(&nameless.stdout));
    fs::write(folder.path().join("pytest.ini"), "[pytest]\nhandset_options = --guest nonsense\n").unwrap();
    let wrong = run(folder.path(), folder.path(), &[]);
    assert_ne!(wrong.status.code(), Some(0));
    assert!(text(&wrong.stdout).contains("--guest nonsense"), "{}", text(&wrong.stdout));
}
