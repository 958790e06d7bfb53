//! VNC: real clients see Debian's graphical installer, touch it and type, and no client harms the phone.

use super::display::{Running, xvfb_in};
use handset_tests::emulator::handset_binary;
use handset_tests::guest;
use image::{RgbImage, imageops};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);
const GREETING: &[u8] = b"RFB 003.008\n";

/// A phone with the installer, whose screen is at a socket of the file system.
struct Phone {
    folder: tempfile::TempDir,
    process: Running,
}

impl Phone {
    fn start(options: &[&str]) -> Self {
        guest::folder("installer");
        let folder = tempfile::tempdir().expect("room for a folder");
        let mut command = Command::new(handset_binary());
        command.args(["run", "--guest", "installer", "--headless", "--serial", "none", "--smp", "2", "--name", "vnc"]);
        command.arg("--vnc").arg(format!("unix:{}", folder.path().join("vnc").display())).args(options);
        command.env("XDG_RUNTIME_DIR", folder.path()).stdin(Stdio::null());
        let process = Running(command.spawn().expect("the phone starts"));
        let phone = Self { folder, process };
        let until = Instant::now() + PATIENCE;
        while !phone.ctl(&["status"]) {
            assert!(Instant::now() < until, "the phone has no socket");
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(phone.ctl(&["wait-for-text", "Select a language", "--timeout", "60000"]), "the installer's first page");
        phone
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn ctl(&self, words: &[&str]) -> bool {
        let mut ctl = Command::new(handset_binary());
        ctl.arg("ctl").args(words).current_dir(self.folder.path()).env("XDG_RUNTIME_DIR", self.folder.path());
        ctl.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("ctl starts").success()
    }

    /// What the screen shows.
    fn shows(&self) -> RgbImage {
        assert!(self.ctl(&["screenshot", "now.png"]));
        picture(&self.file("now.png"))
    }

    /// Has vncdotool do something; whether it could.
    fn vncdo(&self, words: &[&str]) -> bool {
        let mut client = Command::new(guest::python().join("bin/vncdo"));
        client.arg("--server").arg(self.file("vnc")).args(["--timeout", "20"]).args(words);
        client.current_dir(self.folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        client.status().expect("vncdo: run `cargo xtask setup`").success()
    }

    /// What vncdotool sees.
    fn seen(&self) -> RgbImage {
        assert!(self.vncdo(&["capture", "seen.png"]), "vncdotool captures the screen");
        picture(&self.file("seen.png"))
    }

    fn connect(&self) -> UnixStream {
        let client = UnixStream::connect(self.file("vnc")).expect("somebody listens");
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.set_write_timeout(Some(PATIENCE)).unwrap();
        client
    }

    /// A client that has come in.
    fn come(&self) -> UnixStream {
        let mut client = self.connect();
        client.read_exact(&mut [0; GREETING.len()]).unwrap();
        client.write_all(GREETING).unwrap();
        client.read_exact(&mut [0; 2]).unwrap();
        client.write_all(&[1, 1]).unwrap();
        // The result, the size, the format, and the name.
        let mut init = [0; 4 + 4 + 16 + 4];
        client.read_exact(&mut init).unwrap();
        let name = u32::from_be_bytes(init[24..].try_into().unwrap());
        client.read_exact(&mut vec![0; name as usize]).unwrap();
        client
    }
}

fn picture(file: &Path) -> RgbImage {
    image::open(file).expect("a picture").into_rgb8()
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < until, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Whether a client is hung up on, whatever it is told until then.
fn is_hung_up_on(client: &mut UnixStream) -> bool {
    let mut told = [0; 4096];
    loop {
        match client.read(&mut told) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(why) => return why.kind() == ErrorKind::ConnectionReset,
        }
    }
}

/// The picture of an X server with a frame buffer in a folder: a header of numbers, colours, and rows of B, G, R, x.
fn displayed(folder: &Path) -> RgbImage {
    let dump = fs::read(folder.join("Xvfb_screen0")).expect("Xvfb's frame buffer");
    let number = |n: usize| u32::from_be_bytes(dump[4 * n..][..4].try_into().unwrap());
    let (header, width, height, row, colours) = (number(0), number(4), number(5), number(12), number(19));
    let pixels = &dump[(header + 12 * colours) as usize..];
    RgbImage::from_fn(width, height, |x, y| {
        let at = (y * row + 4 * x) as usize;
        image::Rgb([pixels[at + 2], pixels[at + 1], pixels[at]])
    })
}

#[test]
fn clients_see_the_screen_touch_it_and_type() {
    let phone = Phone::start(&[]);
    let first = phone.shows();
    assert_eq!(phone.seen(), first, "what vncdotool sees is what is shown");

    // A finger on German, then the key that goes on.
    assert!(phone.vncdo(&["move", "60", "814", "pause", "0.1", "click", "1"]));
    until("another language is chosen", || phone.shows() != first);
    let second = phone.shows();
    assert!(phone.vncdo(&["key", "down"]), "vncdotool types");
    until("the language below is chosen", || phone.shows() != second);

    // Debian's viewer, by each encoding that it can ask for.
    let display = phone.file("display");
    fs::create_dir(&display).unwrap();
    let (_xvfb, name) = xvfb_in(Some(&display));
    for encoding in ["Tight", "ZRLE", "Raw"] {
        let mut viewer = Command::new("xtigervncviewer");
        viewer.args(["-PreferredEncoding", encoding, "-AutoSelect=0", "-SecurityTypes", "None", "-DotWhenNoCursor=0"]);
        viewer.arg(phone.file("vnc")).env("DISPLAY", &name).stdout(Stdio::null()).stderr(Stdio::null());
        let _viewer = Running(viewer.spawn().expect("xtigervncviewer: run `cargo xtask setup`"));
        let xdotool = |words: &[&str]| {
            let output = Command::new("xdotool").args(words).env("DISPLAY", &name).output();
            String::from_utf8(output.expect("xdotool: run `cargo xtask setup`").stdout).unwrap()
        };
        let (width, height) = first.dimensions();
        let shows = || {
            let window = xdotool(&["search", "--onlyvisible", "--name", ".", "getwindowgeometry", "--shell"]);
            let number = |name: &str| window.lines().find_map(|line| line.strip_prefix(name)?.parse::<u32>().ok());
            let (Some(x), Some(y)) = (number("X="), number("Y=")) else { return false };
            // The pointer is not the phone's.
            xdotool(&["mousemove", "799", "1399"]);
            imageops::crop_imm(&displayed(&display), x, y, width, height).to_image() == phone.shows()
        };
        until(&format!("the viewer shows the phone by {encoding}"), shows);
    }
}

#[test]
fn who_knows_the_password_may_come() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    fs::write(&file, "Pa55word\n").unwrap();
    let phone = Phone::start(&["--vnc-password-file", file.to_str().unwrap()]);
    assert!(phone.vncdo(&["--password", "Pa55word", "capture", "seen.png"]));
    assert_eq!(picture(&phone.file("seen.png")), phone.shows());
    assert!(!phone.vncdo(&["--password", "Pa55wort", "capture", "none.png"]));
    assert!(!phone.vncdo(&["capture", "none.png"]) && !phone.file("none.png").exists());
}

#[test]
fn no_client_harms_the_phone() {
    let mut phone = Phone::start(&[]);
    let mut nonsense = vec![0x5a; 1 << 16];
    for mut client in [phone.connect(), phone.come()] {
        // It may be hung up on before all is said.
        let _ = client.write_all(&nonsense);
        assert!(is_hung_up_on(&mut client), "who says nonsense");
    }
    // A text of four gigabytes; a format without colours; a message of no kind.
    nonsense.fill(0);
    for says in [&[6, 0, 0, 0, 255, 255, 255, 255][..], &nonsense[..20], &[200]] {
        let mut client = phone.come();
        client.write_all(says).unwrap();
        assert!(is_hung_up_on(&mut client), "{says:?}");
    }
    // One that has said all is answered no more.
    let mut half = phone.come();
    half.shutdown(Shutdown::Write).unwrap();
    assert!(is_hung_up_on(&mut half), "who is half gone");

    // One asks for picture after picture, and never reads.
    let mut deaf = phone.come();
    deaf.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let asked = Instant::now();
    while asked.elapsed() < Duration::from_secs(2)
        && deaf.write_all(&[3, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]).is_ok()
    {}
    // Many come and do nothing; those for whom there is no place are hung up on, and the others when they say nothing.
    let silent: Vec<UnixStream> = (0..100).map(|_| phone.connect()).collect();
    assert!(phone.ctl(&["status"]), "the phone answers");
    let mut last = silent.into_iter().next_back().unwrap();
    assert!(is_hung_up_on(&mut last), "there is no place for a hundred");
    drop(deaf);

    assert_eq!(phone.seen(), phone.shows());
    assert!(phone.process.0.try_wait().unwrap().is_none(), "the phone goes on");
}
