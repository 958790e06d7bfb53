//! The control plane: real clients drive a phone, and no client harms one.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use handset_tests::console::Console;
use handset_tests::emulator::handset_binary;
use handset_tests::guest;

const LIMIT: Duration = Duration::from_secs(60);

/// A phone with a shell that is called `test`, and has a socket for QMP.
struct Phone {
    console: Console,
    folder: tempfile::TempDir,
}

impl Phone {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("disk");
        fs::write(&disk, vec![0; 1 << 20]).unwrap();
        let mut command = Command::new(handset_binary());
        command
            .args(["run", "--guest", "debian12", "--headless", "--name", "test"])
            .env("XDG_RUNTIME_DIR", folder.path());
        command.arg("--qmp").arg(format!("unix:{}", folder.path().join("qmp").display()));
        command.arg("--drive").arg(format!("file={},format=raw", disk.display()));
        let mut console = Console::start(command);
        console.wait_for("handset# ", LIMIT);
        Self { console, folder }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("qmp")
    }

    fn ctl(&self, words: &str) -> Output {
        ctl(self.folder.path(), words)
    }

    /// What a command that must succeed prints.
    fn ok(&self, words: &str) -> String {
        let output = self.ctl(words);
        assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        stream
    }

    /// The guest still does what it is told.
    fn works(&mut self) {
        assert_eq!(self.console.ok("echo $((6 * 7))", LIMIT), "42\n");
    }
}

fn ctl(runtime: &Path, words: &str) -> Output {
    let mut command = Command::new(handset_binary());
    command.arg("ctl").args(words.split_whitespace()).current_dir(runtime).env("XDG_RUNTIME_DIR", runtime);
    command.output().unwrap()
}

/// What a stream says until it is closed.
fn rest(mut stream: UnixStream) -> String {
    let mut text = Vec::new();
    match stream.read_to_end(&mut text) {
        Err(why) if why.kind() != ErrorKind::ConnectionReset => panic!("{why}"),
        _ => {}
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn qemus_own_client_drives_a_phone() {
    let phone = Phone::start();
    let script = guest::workspace().join("tests/boot/control.py");
    let output = Command::new(guest::python().join("bin/python")).arg(script).arg(phone.socket()).output().unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.ends_with("passed\n"), "{said}\n{wrong}");
    assert!(phone.console.end(LIMIT).success());
}

#[test]
fn qmp_shell_drives_a_phone() {
    let mut phone = Phone::start();
    let mut shell = Command::new(guest::python().join("bin/qmp-shell"));
    shell.arg(phone.socket()).stdin(Stdio::piped()).stdout(Stdio::piped()).env("HOME", phone.folder.path());
    let mut shell = shell.spawn().unwrap();
    let lines = b"query-status\nx-tap x=10 y=20\nfrobnicate\nstop\nquery-status\ncont\n";
    shell.stdin.take().unwrap().write_all(lines).unwrap();
    let said = String::from_utf8(shell.wait_with_output().unwrap().stdout).unwrap();
    for wanted in ["\"running\": true", "CommandNotFound", "\"status\": \"paused\""] {
        assert!(said.contains(wanted), "no {wanted} in\n{said}");
    }
    phone.works();
}

#[test]
fn ctl_finds_a_phone_by_its_name_and_moves_it() {
    let mut phone = Phone::start();
    let list = phone.ok("list");
    assert_eq!(list.split('\t').take(3).collect::<Vec<_>>(), ["test", "running", "720x1280"], "{list}");
    assert!(phone.ok("--phone test status").contains("status: running"));
    phone.ok("tap 10 20");
    phone.ok("swipe 10 20 300 400 30");
    phone.ok("pinch 360 640 50 100 --time 30");
    phone.ok("text Hello,");
    phone.ok("key ctrl-a");
    phone.ok("screenshot here.png");
    assert!(phone.folder.path().join("here.png").exists());
    phone.ok("serial --send echo");
    assert!(phone.ok("serial").contains("Linux version 6.1"));

    // Time stands still with the phone.
    let uptime = |phone: &mut Phone| -> f64 {
        let text = phone.console.ok("cat /proc/uptime", LIMIT);
        text.split(' ').next().unwrap().parse().unwrap()
    };
    phone.console.send("\n");
    let before = uptime(&mut phone);
    let begun = Instant::now();
    phone.ok("pause");
    assert!(phone.ok("status").contains("status: paused"));
    std::thread::sleep(Duration::from_secs(3));
    phone.ok("resume");
    let after = uptime(&mut phone);
    assert!(after >= before && after - before < begun.elapsed().as_secs_f64() - 2.5, "{before} s, then {after} s");

    let runtime = phone.folder.path();
    for (words, status, line) in [
        ("--phone other status", 1, "handset: no phone is called other (there is test)\n"),
        ("screenshot /nowhere/a.png", 1, "handset: /nowhere/a.png: the screenshot cannot be written: "),
        ("key nonsense", 1, "handset: there is no key 'nonsense'"),
        ("tap 1", 2, "handset: y is missing (see `handset ctl --help`)\n"),
        ("button volume", 2, "handset: button volume: there is power\n"),
        ("--socket nothing status", 1, "handset: --socket nothing: No such file"),
    ] {
        let output = ctl(runtime, words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(status) && said.starts_with(line), "{words}: {:?} {said}", output.status);
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    phone.ok("powerdown");
    assert!(phone.ctl("quit").status.success());
    let folder = phone.folder;
    assert!(phone.console.end(LIMIT).success());
    let left = ctl(folder.path(), "status");
    assert!(String::from_utf8_lossy(&left.stderr).starts_with("handset: no phone with a name runs"));
}

#[test]
fn no_client_harms_a_phone() {
    let mut phone = Phone::start();
    // Nonsense is answered, and what follows is carried out.
    let mut stream = phone.connect();
    let nonsense =
        b"\0\xff\n{\"execute\": }\n[1]\n{\"execute\": \"stop\", \"arguments\": 3}\n{\"execute\": \"query-status\"}";
    stream.write_all(nonsense).unwrap();
    stream
        .write_all(b"{\"execute\":\"qmp_capabilities\",\"id\":[1]}{\"execute\":\"query-status\",\"id\":{\"a\":2}}")
        .unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let said = rest(stream);
    assert_eq!(said.matches("\"error\"").count(), 5, "{said}");
    assert!(said.contains("\"id\":[1]") && said.contains("\"id\":{\"a\":2}"), "{said}");

    // A line without an end.
    let mut stream = phone.connect();
    let piece = vec![b'['; 1 << 20];
    let mut sent = 0u64;
    while sent < 1 << 30 && stream.write_all(&piece).is_ok() {
        sent += piece.len() as u64;
    }
    assert!(sent < 64 << 20, "{sent} bytes were taken");
    drop(stream);

    // More clients than there is room for, of whom none says anything, and who all go at once.
    let crowd: Vec<UnixStream> = (0..1000).filter_map(|_| UnixStream::connect(phone.socket()).ok()).collect();
    phone.works();
    drop(crowd);

    // Clients that ask and do not listen, and such as go in the middle of a word.
    for n in 0..50 {
        let mut stream = phone.connect();
        let _ = stream.write_all(b"{\"execute\":\"qmp_capabilities\"}");
        let wish = b"{\"execute\":\"query-qmp-schema\"}".repeat(if n == 0 { 2000 } else { 1 });
        let _ = stream.set_nonblocking(true);
        let _ = stream.write(&wish[..wish.len() - n % 2]);
    }
    phone.works();
    let begun = Instant::now();
    while !phone.ctl("status").status.success() {
        assert!(begun.elapsed() < LIMIT, "there is no room for a client");
        std::thread::sleep(Duration::from_millis(100));
    }
    phone.ok("quit");
    assert!(phone.console.end(LIMIT).success());
}

#[test]
fn files_go_to_the_guest_and_come_back() {
    let mut phone = Phone::start();
    // All bytes, also those that mean something to terminals, and more than any buffer on the way holds.
    let bytes: Vec<u8> = (0..300_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    fs::write(phone.folder.path().join("out"), &bytes).unwrap();
    fs::write(phone.folder.path().join("empty"), b"").unwrap();
    assert_eq!(phone.ok("push out /tmp/it's"), "bytes: 300000\n");
    assert_eq!(phone.console.ok("wc -c <\"/tmp/it's\"", LIMIT).trim(), "300000");
    assert_eq!(phone.ok("pull /tmp/it's back"), "bytes: 300000\n");
    assert_eq!(fs::read(phone.folder.path().join("back")).unwrap(), bytes);
    // The kernel talks meanwhile.
    phone.console.ok("(while :; do echo chatter >/dev/kmsg; sleep 0.01; done) & chatter=$!", LIMIT);
    for _ in 0..3 {
        phone.ok("push out /tmp/again");
    }
    phone.console.ok("kill $chatter", LIMIT);
    phone.ok("pull /tmp/again back");
    assert_eq!(fs::read(phone.folder.path().join("back")).unwrap(), bytes);
    assert_eq!(phone.ok("push empty /tmp/empty"), "bytes: 0\n");
    assert_eq!(phone.ok("pull /tmp/empty back"), "bytes: 0\n");
    for (words, why) in [
        ("push out /nowhere/out", "/nowhere/out: the guest cannot write it (status 1"),
        ("push none /tmp/none", "none: No such file or directory"),
        ("pull /nowhere back", "/nowhere: the guest cannot read it (status 1"),
        ("pull /tmp/again no/back", "no/back: cannot be written"),
    ] {
        let output = phone.ctl(words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(1) && said.contains(why), "{words}: {said}");
        phone.works();
    }
    phone.ok("pause");
    let output = phone.ctl("push out /tmp/late");
    assert!(String::from_utf8_lossy(&output.stderr).contains("the phone stands still"));
    phone.ok("resume");
    // Where a program reads what is typed, there is no shell.
    phone.console.send("cat >/dev/null\n");
    let output = phone.ctl("push out /tmp/late");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no shell answers on the phone's serial port"), "{said}");
    phone.console.send("\x04");
    phone.works();
}
