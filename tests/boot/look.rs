//! Looking at the screen: texts and pictures of Debian's graphical installer are found, waited for and tapped; nobody who
//! waits holds up others, or outlives the phone.

use super::display::Running;
use handset_tests::emulator::handset_binary;
use handset_tests::guest;
use image::imageops;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A phone with the installer.
struct Phone {
    folder: tempfile::TempDir,
    process: Running,
}

impl Phone {
    fn start() -> Self {
        guest::folder("installer");
        let folder = tempfile::tempdir().expect("room for a folder");
        let mut command = Command::new(handset_binary());
        command.args(["run", "--guest", "installer", "--headless", "--serial", "none", "--smp", "2", "--name", "look"]);
        command.env("XDG_RUNTIME_DIR", folder.path()).stdin(Stdio::null());
        let process = Running(command.spawn().expect("the phone starts"));
        let begun = Instant::now();
        let phone = Self { folder, process };
        while !phone.ctl(&["status"]).status.success() {
            assert!(begun.elapsed() < Duration::from_secs(20), "the phone has no socket");
            std::thread::sleep(Duration::from_millis(50));
        }
        phone
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(handset_binary());
        command.arg("ctl").args(words).current_dir(self.folder.path()).env("XDG_RUNTIME_DIR", self.folder.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn ctl(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("ctl starts")
    }

    /// What a command that must succeed prints.
    fn ok(&self, words: &[&str]) -> String {
        let output = self.ctl(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// What a command that must fail says, which is one line.
    fn fails(&self, words: &[&str]) -> String {
        let output = self.ctl(words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && said.lines().count() == 1, "{words:?}: {:?} {said}", output.status);
        said
    }

    fn start_waiting(&self) -> Running {
        Running(self.command(&["wait-for-text", "nowhere", "--timeout", "600000"]).spawn().expect("ctl starts"))
    }
}

/// A number of an answer for people.
fn number(answer: &str, name: &str) -> f64 {
    let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no {name} in {answer}"))
}

fn near(answer: &str, x: f64, y: f64) {
    let at = (number(answer, "x"), number(answer, "y"));
    assert!((at.0 - x).abs() <= 3.0 && (at.1 - y).abs() <= 3.0, "{answer} is not at {x}, {y}");
}

/// Programs that read for phones of a folder.
fn readers(folder: &Path) -> usize {
    let folder = folder.to_str().expect("a plain name").as_bytes();
    let processes = fs::read_dir("/proc").expect("there is /proc").flatten().map(|entry| entry.path());
    let reads = |process: &Path| fs::read(process.join("comm")).is_ok_and(|name| name == b"tesseract\n");
    let ours = |process: &Path| {
        fs::read(process.join("environ")).is_ok_and(|all| all.windows(folder.len()).any(|part| part == folder))
    };
    processes.filter(|process| reads(process) && ours(process)).count()
}

fn end(child: &mut Child, patience: Duration) {
    let until = Instant::now() + patience;
    while child.try_wait().expect("a child").is_none() {
        assert!(Instant::now() < until, "it has not ended within {patience:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn texts_and_pictures_are_found_and_tapped() {
    let phone = Phone::start();
    // The chosen line, which is light on dark.
    near(&phone.ok(&["wait-for-text", "english", "--timeout", "120000"]), 50.0, 655.0);
    near(&phone.ok(&["find-text", "Chinese (simplified)"]), 93.0, 481.0);
    near(&phone.ok(&["find-text", "Go Back"]), 556.0, 1254.0);
    assert!(
        phone.fails(&["find-text", "english", "--case"]).starts_with("handset: there is no 'english' on the screen")
    );
    let text = phone.ok(&["read-text"]);
    for line in ["Select a language", "Go Back", "Continue", "Deutsch"] {
        assert!(text.lines().any(|read| read.replace(' ', "") == line.replace(' ', "")), "no {line} in {text}");
    }
    assert!(phone.fails(&["read-text", "--language", "xxx"]).starts_with("handset: tesseract failed: "));
    assert!(phone.fails(&["read-text", "--language", "../eng"]).starts_with("handset: languages are called as in"));
    let said = phone.fails(&["wait-for-text", "no such line", "--timeout", "100"]);
    assert!(said.contains("no 'no such line' within 100 ms; what was read: ") && said.contains("language"), "{said}");

    // A button of the screen is found on it, and not after another colour came into it.
    phone.ok(&["screenshot", "page.png"]);
    let file = |name: &str| phone.folder.path().join(name);
    let mut page = image::open(file("page.png")).expect("a picture").into_rgb8();
    imageops::crop(&mut page, 500, 1235, 200, 40).to_image().save(file("button.png")).expect("room for a picture");
    let begun = Instant::now();
    let found = phone.ok(&["find-image", "button.png"]);
    println!("found in {} ms", begun.elapsed().as_millis());
    near(&found, 600.0, 1255.0);
    assert_eq!((number(&found, "width"), number(&found, "height"), number(&found, "score")), (200.0, 40.0, 1.0));
    imageops::crop(&mut page, 0, 0, 720, 1280).to_image().save(file("all.png")).expect("room for a picture");
    near(&phone.ok(&["wait-for-image", "all.png"]), 360.0, 640.0);
    for (x, y) in (30..50).flat_map(|x| (10..30).map(move |y| (x, y))) {
        page.put_pixel(500 + x, 1235 + y, image::Rgb([200, 40, 40]));
    }
    imageops::crop(&mut page, 500, 1235, 200, 40).to_image().save(file("other.png")).expect("room for a picture");
    let said = phone.fails(&["wait-for-image", "other.png", "--timeout", "100"]);
    assert!(said.contains("other.png within 100 ms: the best place has the score 0."), "{said}");
    assert!(phone.fails(&["find-image", "missing.png"]).contains("missing.png: No such file"));
    fs::write(file("bad.png"), "nonsense").expect("room for a file");
    assert!(phone.fails(&["find-image", "bad.png"]).contains("bad.png: is no PNG that can be read"));

    near(&phone.ok(&["tap-text", "German"]), 51.0, 815.0);
    near(&phone.ok(&["tap-text", "Continue"]), 659.0, 1254.0);
    phone.ok(&["wait-for-text", "Land oder Gebiet", "--timeout", "30000"]);
    // Light on dark again, which is found only on the negative.
    near(&phone.ok(&["wait-for-text", "Deutschland"]), 68.0, 281.0);
}

#[test]
fn waiting_holds_nobody_up_and_ends_with_the_phone() {
    let mut phone = Phone::start();
    phone.ok(&["wait-for-text", "English", "--timeout", "120000"]);
    let crowd: Vec<Running> = (0..24).map(|_| phone.start_waiting()).collect();
    std::thread::sleep(Duration::from_secs(1));
    let begun = Instant::now();
    assert!(phone.ok(&["status"]).contains("status: running"));
    assert!(begun.elapsed() < Duration::from_secs(2), "status took {:?}", begun.elapsed());
    let said = phone.fails(&["find-text", "English"]);
    assert!(said.contains("16 clients look at the screen already"), "{said}");
    // Who hung up waits no more.
    drop(crowd);
    let begun = Instant::now();
    while !phone.ctl(&["find-text", "English"]).status.success() {
        assert!(begun.elapsed() < Duration::from_secs(5), "they still look");
        std::thread::sleep(Duration::from_millis(50));
    }
    // A new screen is read by one of them just now.
    let mut waits = phone.start_waiting();
    phone.ok(&["tap-text", "German"]);
    let folder = phone.folder.path().to_owned();
    let begun = Instant::now();
    while readers(&folder) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "nobody reads");
    }
    phone.ok(&["quit"]);
    end(&mut phone.process.0, Duration::from_secs(2));
    assert_eq!(readers(&folder), 0, "the reader outlives the phone");
    end(&mut waits.0, Duration::from_secs(2));
    assert_eq!(waits.0.wait().expect("a child").code(), Some(1));
}
