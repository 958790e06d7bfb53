//! Debian's graphical installer in a real window under Xvfb: its language page, a finger that picks a language, and the
//! page behind *Continue*.
//!
//! Pictures are the phone's own screenshots; they stay in the target folder when a test fails.

use super::display::{self, Running};
use handset_tests::guest::{self, host, workspace};
use image::RgbImage;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(240);
/// Seconds between two screenshots.
const EVERY: u64 = 2;
const SIZE: (u32, u32) = (720, 1280);
/// A line of the list that is not chosen at first.
const GERMAN: (u32, u32) = (300, 815);
const CONTINUE: (u32, u32) = (659, 1254);

/// The phone in its window.
struct Phone {
    folder: PathBuf,
    display: String,
    looked: u64,
    _phone: Running,
    _display: Running,
}

impl Phone {
    fn start() -> Self {
        let folder = workspace().join("target/installer");
        // What an earlier run has left.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("room for pictures");
        guest::folder("installer");
        let (xvfb, display) = display::xvfb();
        let mut phone = display::phone(&display);
        phone.args(["--guest", "installer", "--smp", "2", "--memory", "1G"]);
        for n in 1..=PATIENCE.as_secs() / EVERY {
            phone.arg("--screenshot-at").arg(format!("{}={}", n * EVERY, folder.join(format!("{n}.png")).display()));
        }
        let phone = phone.spawn().expect("the phone starts");
        Self { folder, display, looked: 0, _phone: Running(phone), _display: xvfb }
    }

    /// The next screenshot that fits.
    fn wait_for(&mut self, what: &str, fits: impl Fn(&RgbImage) -> bool) -> RgbImage {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            let file = self.folder.join(format!("{}.png", self.looked + 1));
            // Not there yet, or not whole.
            let Ok(picture) = image::open(&file) else {
                std::thread::sleep(Duration::from_millis(200));
                continue;
            };
            self.looked += 1;
            let picture = picture.into_rgb8();
            if picture.dimensions() == SIZE && fits(&picture) {
                return picture;
            }
        }
        panic!("no {what} within {PATIENCE:?}; the pictures are in {}", self.folder.display());
    }

    /// One finger, which the window takes the mouse for.
    fn touch(&self, (x, y): (u32, u32)) {
        let display = format!("DISPLAY={}", self.display);
        let xdotool = |arguments: &[&str]| host("env", &[&[&display, "xdotool"], arguments].concat());
        let window = xdotool(&["search", "--onlyvisible", "--name", "."]);
        let window = window.split_whitespace().next().expect("the phone has a window");
        // The picture fills the window, which may be smaller.
        let geometry = xdotool(&["getwindowgeometry", "--shell", window]);
        let side = |name: &str| -> u32 {
            let line = geometry.lines().find_map(|line| line.strip_prefix(name));
            line.expect("a window has a size").trim().parse().expect("a size is a number")
        };
        let (x, y) = (x * side("WIDTH=") / SIZE.0, y * side("HEIGHT=") / SIZE.1);
        xdotool(&["mousemove", "--window", window, &x.to_string(), &y.to_string()]);
        xdotool(&["mousedown", "1"]);
        std::thread::sleep(Duration::from_millis(100));
        xdotool(&["mouseup", "1"]);
    }
}

/// Debian's teal, in which the chosen line is.
fn chosen(picture: &RgbImage, line: u32) -> bool {
    let [red, green, blue] = picture.get_pixel(600, line).0;
    red < 80 && (100..180).contains(&green) && (90..180).contains(&blue)
}

fn chosen_lines(picture: &RgbImage) -> usize {
    (190..1210).filter(|&line| chosen(picture, line)).count()
}

/// How many pixels differ in the page's heading.
fn heading_differs(one: &RgbImage, other: &RgbImage) -> usize {
    let places = (85..170).flat_map(|y| (15..700).map(move |x| (x, y)));
    places.filter(|&(x, y)| one.get_pixel(x, y) != other.get_pixel(x, y)).count()
}

#[test]
fn a_finger_picks_a_language_and_goes_on() {
    let mut phone = Phone::start();
    // One line of the list is chosen, and the list is light.
    let page =
        phone.wait_for("language page", |p| (15..40).contains(&chosen_lines(p)) && p.get_pixel(500, 1000).0 > [240; 3]);
    assert!(!chosen(&page, GERMAN.1), "another language is chosen at first");
    phone.touch(GERMAN);
    let picked = phone.wait_for("German chosen", |p| chosen(p, GERMAN.1));
    phone.touch(CONTINUE);
    phone.wait_for("next page", |p| heading_differs(p, &picked) > 200);
    // The pictures are for who looks for a failure's cause.
    std::fs::remove_dir_all(&phone.folder).expect("the folder of pictures goes");
}
