//! `--translations`: what one run has translated, the next recalls; and nothing that happens to the file harms a guest.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use handset_tests::console::Console;
use handset_tests::emulator::handset_binary;

const LIMIT: Duration = Duration::from_secs(60);

/// A phone with a kernel and a shell, its counters going to a file.
struct Phone {
    console: Console,
    counters: PathBuf,
}

impl Phone {
    fn start(folder: &Path, name: &str) -> Self {
        let counters = folder.join(name);
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" 2>\"$COUNTERS\""]).arg(handset_binary()).env("COUNTERS", &counters);
        command
            .args(["run", "--guest", "debian12", "--headless", "--stats", "--translations"])
            .arg(folder.join("kept"));
        Self { console: Console::start(command), counters }
    }

    /// Waits for its shell and has it work and power off; how many units were translated, and how many recalled.
    fn finish(mut self) -> (u64, u64) {
        self.console.wait_for("handset# ", LIMIT);
        assert_eq!(self.console.ok("seq 1 2000 | sort -r | md5sum", LIMIT), "2e9c29a3e64ec8303dcda875708e6884  -\n");
        self.console.send("poweroff\n");
        assert!(self.console.end(LIMIT).success());
        let said = fs::read_to_string(&self.counters).expect("the counters are written");
        let line = said.lines().find_map(|line| line.strip_prefix("units ")).expect("units are counted");
        let mut numbers = line.split([' ', ',']).filter_map(|word| word.parse().ok());
        (numbers.next().expect("some are translated"), numbers.next().expect("some are recalled"))
    }
}

/// The one file that there is.
fn file(folder: &Path) -> PathBuf {
    let mut files = fs::read_dir(folder.join("kept")).expect("the folder is made").map(|entry| entry.unwrap().path());
    let file = files.next().expect("there is a file");
    assert_eq!(files.next(), None);
    file
}

#[test]
fn a_second_boot_recalls_what_the_first_translated_whatever_happens_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (translated, recalled) = Phone::start(folder, "first").finish();
    assert!(translated > 20_000 && recalled < translated / 5, "first: {translated} translated, {recalled} recalled");
    let (translated, recalled) = Phone::start(folder, "second").finish();
    assert!(recalled > 20_000 && translated < recalled / 10, "second: {translated} translated, {recalled} recalled");

    // Two at once, of which one is killed.
    fs::remove_file(file(folder)).unwrap();
    let killed = Phone::start(folder, "killed");
    let other = Phone::start(folder, "other");
    std::thread::sleep(Duration::from_millis(700));
    rustix::process::kill_process(pid(&killed), rustix::process::Signal::KILL).unwrap();
    let (translated, _) = other.finish();
    assert!(translated > 10_000, "other: {translated} translated");
    drop(killed);
    let (translated, recalled) = Phone::start(folder, "after them").finish();
    assert!(
        recalled > 20_000 && translated < recalled / 10,
        "after them: {translated} translated, {recalled} recalled"
    );

    // Damage all over the file.
    let file = file(folder);
    let mut bytes = fs::read(&file).unwrap();
    for at in (100_000..bytes.len()).step_by(10_007) {
        bytes[at] ^= 0xff;
    }
    fs::write(&file, &bytes).unwrap();
    let (translated, recalled) = Phone::start(folder, "damaged").finish();
    assert!(recalled > 10_000 && translated > 500, "damaged: {translated} translated, {recalled} recalled");

    // Gone and cut short while it is in use.
    let phone = Phone::start(folder, "gone");
    std::thread::sleep(Duration::from_millis(300));
    fs::File::options().write(true).open(&file).unwrap().set_len(1_000_000).unwrap();
    fs::remove_dir_all(folder.join("kept")).unwrap();
    phone.finish();
}

fn pid(phone: &Phone) -> rustix::process::Pid {
    rustix::process::Pid::from_raw(phone.console.process() as i32).expect("a process has a number")
}
