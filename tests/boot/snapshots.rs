//! Snapshots: a phone that was saved goes on as it was, in as many copies as one likes, and nothing that is done to the file
//! goes unnoticed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use handset_tests::console::Console;
use handset_tests::emulator::handset_binary;

const LIMIT: Duration = Duration::from_secs(60);

/// A place for phones and their snapshots.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::write(place.path().join("disk"), vec![b'.'; 1 << 20]).unwrap();
        place
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(handset_binary());
        command.args(words.split_whitespace()).current_dir(self.path());
        command.env("XDG_RUNTIME_DIR", self.path()).env("XDG_DATA_HOME", self.path());
        command
    }

    fn run(&self, words: &str) -> Console {
        Console::start(self.command(&format!("run --headless {words}")))
    }

    fn ctl(&self, words: &str) -> Output {
        self.command(&format!("ctl {words}")).output().unwrap()
    }

    /// A phone with a shell that is called `first`.
    fn first(&self, disk: &str) -> Console {
        let mut first = self.run(&format!("--guest debian12 --smp 2 --name first --drive file=disk,format=raw{disk}"));
        first.wait_for("handset# ", LIMIT);
        first
    }

    /// Has a command done that must succeed.
    fn done(&self, words: &str) {
        let output = self.ctl(words);
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn save(&self, name: &str) {
        self.done(&format!("--phone first save {name}"));
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join("handset/snapshots").join(format!("{name}.snapshot"))
    }

    /// What is said of a snapshot that is not to be had.
    fn refused(&self, words: &str) -> String {
        let output = self.command(&format!("run --headless {words}")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!([Some(1), Some(2)].contains(&output.status.code()) && said.lines().count() == 1, "{words}: {said}");
        said
    }
}

#[test]
fn copies_of_a_saved_phone_go_on_as_it_was_and_apart_from_each_other() {
    let place = Place::new();
    let mut first = place.first(",snapshot");
    // Work on both CPUs, in memory and on the disk. Processes fork all the time, so that whichever runs when it is saved soon
    // relies on maintenance of its own address space.
    first.ok(
        "mount -t tmpfs none /mnt; for n in 1 2; do (i=0; while :; do i=$((i+1)); echo $i >/mnt/$n; (:); done) & done",
        LIMIT,
    );
    first.ok("secret=42; dd if=/dev/urandom of=/mnt/blob bs=64k count=200 2>/dev/null", LIMIT);
    first.ok("echo before | dd of=/dev/vda bs=1k seek=100 conv=notrunc 2>/dev/null; sync", LIMIT);
    let sum = first.ok("md5sum </mnt/blob", LIMIT);
    place.save("a");
    first.ok("echo after_ | dd of=/dev/vda bs=1k seek=100 conv=notrunc 2>/dev/null; sync", LIMIT);
    let later: u64 = first.ok("until grep . /mnt/1; do :; done", LIMIT).trim().parse().unwrap();
    let mut copies: Vec<Console> = (0..3).map(|_| place.run("--from a")).collect();
    for (n, copy) in copies.iter_mut().enumerate() {
        assert_eq!(copy.run("echo $secret; md5sum </mnt/blob", LIMIT).output, format!("42\n{sum}"), "copy {n}");
        let read = "dd if=/dev/vda bs=1k skip=100 count=1 2>/dev/null | head -c 9";
        assert_eq!(copy.ok(read, LIMIT), "before\n..", "copy {n}");
        let counted =
            |copy: &mut Console| -> u64 { copy.ok("until grep . /mnt/2; do :; done", LIMIT).trim().parse().unwrap() };
        let count = counted(copy);
        std::thread::sleep(Duration::from_millis(300));
        assert!(counted(copy) > count, "copy {n} stands still");
        copy.ok(&format!("secret=copy{n}; echo {n}_ | dd of=/dev/vda bs=1k seek=100 conv=notrunc 2>/dev/null"), LIMIT);
    }
    for (n, mut copy) in copies.into_iter().enumerate() {
        let read = "echo $secret; dd if=/dev/vda bs=1k skip=100 count=1 2>/dev/null | head -c 2; dmesg | grep -ciE 'stall|bug|error'";
        assert_eq!(copy.run(read, LIMIT).output, format!("copy{n}\n{n}_0\n"), "copy {n}");
        copy.send("poweroff\n");
        assert!(copy.end(LIMIT).success());
    }
    // The first one went on, too; and a copy can be saved itself.
    let count: u64 = first.ok("until grep . /mnt/1; do :; done", LIMIT).trim().parse().unwrap();
    assert!(count > later);
    let second = place.run("--from a --name second");
    let begun = std::time::Instant::now();
    while !place.ctl("--phone second save b").status.success() {
        assert!(begun.elapsed() < LIMIT);
    }
    place.ctl("--phone second quit");
    assert!(second.end(LIMIT).success());
    let mut third = place.run("--from b");
    assert_eq!(third.run("echo $secret; md5sum </mnt/blob", LIMIT).output, format!("42\n{sum}"), "a copy's copy");
    // A reset boots it anew.
    third.send("reboot\n");
    third.wait_for("Linux version", LIMIT);
    third.wait_for("handset# ", LIMIT);
    assert_eq!(third.ok("echo $((6 * 7))", LIMIT), "42\n");
}

#[test]
fn what_is_wrong_with_a_snapshot_is_said_in_a_line() {
    let place = Place::new();
    assert!(place.refused("--from a").contains("there is no such snapshot (there is none"));
    let first = place.first(",snapshot");
    place.save("a");
    assert!(place.refused("--from b").contains("there is no such snapshot (there is a;"));
    for words in ["--from a --smp 2", "--from a --guest debian12", "--from a --drive file=disk,format=raw"] {
        assert!(place.refused(words).starts_with("handset: --from: does not go together with --"), "{words}");
    }
    let file = place.file("a");
    let good = fs::read(&file).unwrap();
    let table_at = u64::from_le_bytes(good[20..28].try_into().unwrap());
    let piece = (4096..good.len()).step_by(65536).find(|&at| good[at] != 0).unwrap();
    let spoil =
        |at: u64, byte: u8| fs::File::options().write(true).open(&file).unwrap().write_all_at(&[byte], at).unwrap();
    let name = file.display();
    for (at, line) in [
        (0, "is no snapshot of a phone".to_owned()),
        (8, "is a snapshot of version".to_owned()),
        (13, "is damaged at byte 0, in its header".to_owned()),
        (piece as u64, format!("is damaged at byte {piece}")),
        (table_at + 5, format!("is damaged at byte {table_at}, in its table")),
    ] {
        spoil(at, !good[at as usize]);
        assert_eq!(
            place.refused("--from a"),
            format!(
                "handset: --from a: {name}: {line}{}\n",
                if at == 8 { " 254, which this Handset does not know (it knows 1)" } else { "" }
            )
        );
        spoil(at, good[at as usize]);
    }
    fs::File::options().write(true).open(&file).unwrap().set_len(good.len() as u64 - 1).unwrap();
    assert_eq!(
        place.refused("--from a"),
        format!("handset: --from a: {name}: is cut off at byte {}\n", good.len() - 1)
    );
    fs::write(&file, &good).unwrap();
    // Its disk is another one.
    fs::write(place.path().join("disk"), vec![b'.'; 2 << 20]).unwrap();
    assert!(place.refused("--from a").contains("disk: has changed since "));
    place.ctl("quit");
    assert!(first.end(LIMIT).success());

    let written = place.first("");
    let output = place.ctl("save a");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("disk: the guest writes to it"), "{said}");
    place.ctl("quit");
    assert!(written.end(LIMIT).success());
}

#[test]
fn a_phone_that_is_killed_while_it_saves_leaves_the_snapshot_that_was_there() {
    let place = Place::new();
    let mut first = place.first(",snapshot");
    first.ok("generation=old", LIMIT);
    place.save("a");
    drop(first);
    for milliseconds in [5, 20, 60, 120, 200] {
        let mut copy = place.run("--from a --name first");
        assert_eq!(copy.ok("echo $generation", LIMIT), "old\n");
        copy.ok("generation=new", LIMIT);
        let mut save = place.command("ctl --phone first save a").spawn().unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        let pid = rustix::process::Pid::from_raw(copy.process() as i32).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        if save.wait().unwrap().success() {
            return;
        }
    }
}

/// Work on both CPUs, in memory, on the disk and with many processes; what it comes to is in /mnt/sum.
const WORK: &str = "mount -t tmpfs none /mnt; \
    (x=0; i=0; while [ $i -lt 1500 ]; do i=$((i+1)); x=$(echo $x $i | md5sum); echo $x >>/mnt/all; done; echo >/mnt/1) & \
    (i=0; while [ $i -lt 700 ]; do i=$((i+1)); dd if=/dev/vda bs=1k skip=$i count=1 2>/dev/null | md5sum | \
    dd of=/dev/vda bs=1k seek=$((i+1)) conv=notrunc,fsync 2>/dev/null; done; echo >/mnt/2) & \
    (until [ -e /mnt/1 -a -e /mnt/2 ]; do sleep 0.1; done; sync; echo 3 >/proc/sys/vm/drop_caches; \
    cat /mnt/all /dev/vda | md5sum >/mnt/done; mv /mnt/done /mnt/sum) & :";

fn outcome(phone: &mut Console) -> String {
    phone.ok("until [ -e /mnt/sum ]; do sleep 0.1; done", 4 * LIMIT);
    phone.ok("cat /mnt/sum", LIMIT)
}

#[test]
fn a_phone_that_is_saved_and_loaded_a_hundred_times_comes_to_the_same_end() {
    let place = Place::new();
    let mut alone = place.run("--guest debian12 --smp 2 --drive file=disk,format=raw,snapshot");
    alone.wait_for("handset# ", LIMIT);
    alone.ok(WORK, LIMIT);
    let sum = outcome(&mut alone);

    let mut first = place.first(",snapshot");
    first.ok(WORK, LIMIT);
    for cycle in 0..100 {
        place.save("a");
        std::thread::sleep(Duration::from_millis(20 * (cycle % 4)));
        place.done("--phone first load a");
        if cycle == 0 {
            assert_eq!(first.run("ls /mnt/sum", LIMIT).status, 1, "it is at work all the time");
        }
    }
    assert_eq!(outcome(&mut first), sum);
    assert_eq!(first.ok("dmesg | grep -ciE 'stall|bug|error' || :", LIMIT), "0\n");
}

#[test]
fn a_phone_goes_back_to_where_it_was_saved() {
    let place = Place::new();
    let mut first = place.first(",snapshot");
    first.ok("mount -t tmpfs none /mnt; secret=old; echo old_ >/mnt/f; echo old_ >/dev/vda; sync", LIMIT);
    place.save("a");
    let state = "echo $secret; cat /mnt/f; head -c 5 /dev/vda";
    for paused in [false, true] {
        first.ok("secret=new; echo new >/mnt/f; echo new_ >/dev/vda; sync; head -c 900k /dev/urandom >/dev/vda", LIMIT);
        if paused {
            place.done("pause");
        }
        place.done("load a");
        let status = String::from_utf8_lossy(&place.ctl("status").stdout).into_owned();
        assert!(status.contains(if paused { "paused" } else { "running" }), "{status}");
        if paused {
            place.done("resume");
        }
        assert_eq!(first.ok(state, LIMIT), "old\nold_\nold_\n");
    }
    // What it was saved as goes on elsewhere, too, and a reset boots it anew.
    let mut copy = place.run("--from a --name copy");
    assert_eq!(copy.ok(state, LIMIT), "old\nold_\nold_\n");
    copy.ok("secret=new", LIMIT);
    place.done("--phone copy load a");
    assert_eq!(copy.ok(state, LIMIT), "old\nold_\nold_\n");
    // Another phone refuses it, and goes on.
    let mut other = place.run("--guest debian12 --name other --drive file=disk,format=raw,snapshot");
    other.wait_for("handset# ", LIMIT);
    for (words, why) in
        [("load a", "a: is of a phone that was made otherwise"), ("load b", "b: there is no such snapshot")]
    {
        let output = place.ctl(&format!("--phone other {words}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(why), "{said}");
    }
    assert_eq!(other.ok("echo $((6 * 7))", LIMIT), "42\n");
    first.send("reboot\n");
    first.wait_for("Linux version", LIMIT);
    first.wait_for("handset# ", LIMIT);
}

/// Several phones, which end with it.
struct Forks(Child);

impl Forks {
    fn end(&self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }
}

impl Drop for Forks {
    fn drop(&mut self) {
        if self.0.try_wait().is_ok_and(|status| status.is_none()) {
            self.end();
        }
    }
}

#[test]
fn forks_are_independent_and_end_together() {
    let place = Place::new();
    let mut first = place.first(",snapshot");
    place.save("a");
    first.send("poweroff\n");
    assert!(first.end(LIMIT).success());
    let refused = place.command("fork none -n 2").output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("none: there is no such snapshot (there is a;"));

    let mut forks = Forks(place.command("fork a -n 3 --name f").stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(forks.0.stdout.take().unwrap()).lines();
    for _ in 0..3 {
        let line = lines.next().unwrap().unwrap();
        assert!(line.starts_with("f-") && line.contains(": goes on, after "), "{line}");
    }
    let said = |name: &str| {
        let output = place.ctl(&format!("--phone {name} serial"));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for n in 1..=3 {
        // What one writes to memory and disk, the next does not see.
        let line = format!("dd if=/dev/vda bs=1 count=1 2>/dev/null; echo w{n} >/dev/vda; echo ${{x:-none}}; x={n}\n");
        let typed = place.command(&format!("ctl --phone f-{n} serial --send")).arg(line).output().unwrap();
        assert!(typed.status.success(), "{}", String::from_utf8_lossy(&typed.stderr));
        let begun = std::time::Instant::now();
        while !said(&format!("f-{n}")).contains(".none") {
            assert!(begun.elapsed() < LIMIT, "{}", said(&format!("f-{n}")));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    // One may go before the others.
    place.done("--phone f-2 quit");
    place.done("--phone f-3 status");
    forks.end();
    assert_eq!(forks.0.wait().unwrap().code(), Some(128 + 15));
    assert!(!place.ctl("--phone f-3 status").status.success());
}
