//! The display of a windowed phone: Xvfb, and what becomes of the phone when it dies.

use handset_tests::emulator::handset_binary;
use handset_tests::guest::{Scratch, host};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A process that ends with the test.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A display of its own, and its name.
pub fn xvfb() -> (Running, String) {
    xvfb_in(None)
}

/// The same, with its frame buffer in a file of a folder.
pub fn xvfb_in(folder: Option<&Path>) -> (Running, String) {
    let mut xvfb = Command::new("Xvfb");
    xvfb.args(["-displayfd", "1", "-screen", "0", "800x1400x24", "-nolisten", "tcp"]);
    if let Some(folder) = folder {
        xvfb.arg("-fbdir").arg(folder);
    }
    let mut xvfb = xvfb.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("Xvfb: run `cargo xtask setup`");
    let mut number = String::new();
    let output = xvfb.stdout.take().expect("stdout is piped");
    BufReader::new(output).read_line(&mut number).expect("Xvfb says its display's number");
    (Running(xvfb), format!(":{}", number.trim()))
}

/// The command of a phone that is to be on a display.
pub fn phone(display: &str) -> Command {
    let mut phone = Command::new(handset_binary());
    phone.arg("run").env("DISPLAY", display).stdin(Stdio::null());
    phone.env_remove("WAYLAND_DISPLAY").env_remove("WAYLAND_SOCKET");
    phone
}

fn within(patience: Duration, what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + patience;
    while !done() {
        assert!(Instant::now() < until, "{what}: not within {patience:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_phone_outlives_its_display() {
    let scratch = Scratch::new("display");
    let (picture, said) = (scratch.file("late.png"), scratch.file("stderr"));
    let (xvfb, display) = xvfb();
    let mut command = phone(&display);
    command.arg("--screenshot-at").arg(format!("10={}", picture.display()));
    command.stderr(std::fs::File::create(&said).expect("room for a file"));
    let mut phone = Running(command.spawn().expect("the phone starts"));
    let windows = || {
        let mut list = Command::new("xdotool");
        let list = list.args(["search", "--onlyvisible", "--name", "Handset"]).env("DISPLAY", &display).output();
        !list.expect("xdotool: run `cargo xtask setup`").stdout.is_empty()
    };
    within(Duration::from_secs(60), "a window", windows);
    drop(xvfb);
    within(Duration::from_secs(60), "a picture after the display's end", || picture.exists());
    assert!(phone.0.try_wait().expect("a child").is_none(), "the phone has ended");
    host("kill", &["-TERM", &phone.0.id().to_string()]);
    assert_eq!(phone.0.wait().expect("a child").code(), Some(128 + 15));
    let said = std::fs::read_to_string(said).expect("text");
    assert!(said.contains("the display went away; the phone goes on without") && !said.contains("panicked"), "{said}");
}
