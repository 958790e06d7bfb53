use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::bus::{Cursor, Pa, Poll};
use crate::virtio::driver::{Buf, Driver, NEEDS_RESET, RUNNING};

const NODATA: u32 = 0x1100;
const UNSPEC: u32 = 0x1200;
const OUT_OF_MEMORY: u32 = 0x1201;
const BAD_SCANOUT: u32 = 0x1202;
const BAD_RESOURCE: u32 = 0x1203;
const BAD_PARAMETER: u32 = 0x1205;

/// What a screen was told.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Heard {
    /// Scanout, its size, the damage, and the first damaged pixel.
    Present(usize, (u32, u32), Rect, [u8; 4]),
    Disable(usize),
    Cursor(usize, (u32, u32), (u32, u32), usize),
}

#[derive(Debug, Clone, Default)]
struct Screen(Arc<Mutex<Vec<Heard>>>);

impl Screen {
    fn take(&self) -> Vec<Heard> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl FrameSink for Screen {
    fn present(&mut self, scanout: usize, frame: Frame<'_>, damage: Rect) {
        assert!(frame.bgrx.len() >= frame.stride * (frame.height as usize - 1) + 4 * frame.width as usize);
        assert!(damage.x + damage.width <= frame.width && damage.y + damage.height <= frame.height);
        let at = frame.stride * damage.y as usize + 4 * damage.x as usize;
        let pixel = frame.bgrx[at..at + 4].try_into().unwrap();
        self.0.lock().unwrap().push(Heard::Present(scanout, (frame.width, frame.height), damage, pixel));
    }
    fn disable(&mut self, scanout: usize) {
        self.0.lock().unwrap().push(Heard::Disable(scanout));
    }
    fn cursor(&mut self, scanout: usize, cursor: &Cursor) {
        let Cursor { x, y, hot_x, hot_y, bgra } = cursor;
        self.0.lock().unwrap().push(Heard::Cursor(scanout, (*x, *y), (*hot_x, *hot_y), bgra.len()));
    }
}

fn rect(x: u32, y: u32, width: u32, height: u32) -> Rect {
    Rect { x, y, width, height }
}

/// A GPU of a phone's display and an empty connector, with a driver that runs.
fn running() -> (Driver<Gpu>, Screen) {
    let screen = Screen::default();
    let gpu = Gpu::new(&[Some(Display::default()), None], Box::new(screen.clone()), Waker::none());
    let mut driver = Driver::new(gpu);
    driver.start(F_EDID);
    (driver, screen)
}

/// A request: a header of this type without a fence, and words.
fn request(kind: u32, body: &[u32]) -> Vec<u8> {
    let header = [kind, 0, 0, 0, 0, 0];
    header.iter().chain(body).flat_map(|word| word.to_le_bytes()).collect()
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks::<4>().0.iter().map(|w| u32::from_le_bytes(*w)).collect()
}

fn ask(driver: &mut Driver<Gpu>, kind: u32, body: &[u32]) -> Vec<u32> {
    words(&driver.ask(CONTROL, &[Buf::Out(&request(kind, body)), Buf::In(1200)]))
}

fn point(driver: &mut Driver<Gpu>, kind: u32, body: &[u32]) {
    assert_eq!(driver.ask(CURSOR, &[Buf::Out(&request(kind, body))]), []);
}

/// Creates a resource and backs it with zeroed memory at 0x4010_0000, whose address comes back.
fn image(driver: &mut Driver<Gpu>, id: u32, format: u32, width: u32, height: u32) -> Pa {
    assert_eq!(ask(driver, 0x101, &[id, format, width, height])[0], NODATA);
    let at = Pa(0x4010_0000);
    let low = at.0 as u32;
    assert_eq!(ask(driver, 0x106, &[id, 1, low, 0, width * height * 4, 0])[0], NODATA);
    at
}

#[test]
fn display_info_lists_sixteen_places() {
    let (mut driver, _) = running();
    let info = ask(&mut driver, 0x100, &[]);
    assert_eq!((info.len(), info[0]), (6 + 16 * 6, 0x1101));
    assert_eq!(info[6..12], [0, 0, 720, 1280, 1, 0]);
    assert!(info[12..].iter().all(|&word| word == 0));
    assert_eq!([driver.read(0x100), driver.read(0x104), driver.read(0x108), driver.read(0x10c)], [0, 0, 2, 0]);
}

#[test]
fn a_frame_goes_from_guest_memory_to_the_screen() {
    let (mut driver, screen) = running();
    let at = image(&mut driver, 7, 67, 100, 50);
    driver.poke(at.0 + 4 * (3 * 100 + 2), &[1, 2, 3, 4]);
    // The rectangle (2, 3) 10 × 5, which starts at that byte of the backing.
    let transfer = [2, 3, 10, 5, 4 * (3 * 100 + 2), 0, 7, 0];
    assert_eq!(ask(&mut driver, 0x105, &transfer)[0], NODATA);
    assert_eq!(ask(&mut driver, 0x103, &[0, 0, 100, 50, 0, 7])[0], NODATA);
    assert_eq!(screen.take(), [Heard::Present(0, (100, 50), rect(0, 0, 100, 50), [0; 4])]);
    assert_eq!(ask(&mut driver, 0x104, &[2, 3, 10, 5, 7, 0])[0], NODATA);
    assert_eq!(screen.take(), [Heard::Present(0, (100, 50), rect(2, 3, 10, 5), [3, 2, 1, 4])]);
    // The same once more changes nothing on the screen.
    assert_eq!(ask(&mut driver, 0x103, &[0, 0, 100, 50, 0, 7])[0], NODATA);
    assert_eq!(screen.take(), []);
}

#[test]
fn a_scanout_shows_a_part_of_a_resource_that_others_show_too() {
    let (mut driver, screen) = running();
    image(&mut driver, 1, 2, 64, 64);
    ask(&mut driver, 0x103, &[0, 0, 32, 64, 0, 1]);
    ask(&mut driver, 0x103, &[32, 0, 32, 64, 1, 1]);
    screen.take();
    ask(&mut driver, 0x104, &[30, 10, 4, 1, 1, 0]);
    let halves = [
        Heard::Present(0, (32, 64), rect(30, 10, 2, 1), [0; 4]),
        Heard::Present(1, (32, 64), rect(0, 10, 2, 1), [0; 4]),
    ];
    assert_eq!(screen.take(), halves);
    assert_eq!(ask(&mut driver, 0x103, &[0, 0, 0, 0, 0, 0])[0], NODATA);
    assert_eq!(screen.take(), [Heard::Disable(0)]);
    assert_eq!(ask(&mut driver, 0x102, &[1, 0])[0], NODATA);
    assert_eq!(screen.take(), [Heard::Disable(1)]);
}

#[test]
fn fences_come_back_with_good_and_bad_answers() {
    let (mut driver, _) = running();
    for (kind, answer) in [(0x100, 0x1101), (0x777, UNSPEC)] {
        let header: Vec<u8> = [kind, 1, 0x1234_5678, 9, 42, 0].iter().flat_map(|w: &u32| w.to_le_bytes()).collect();
        let reply = words(&driver.ask(CONTROL, &[Buf::Out(&header), Buf::In(1200)]));
        assert_eq!(reply[..6], [answer, 1, 0x1234_5678, 9, 42, 0]);
    }
}

#[test]
fn bad_requests_get_the_error_that_names_the_fault() {
    let (mut driver, _) = running();
    image(&mut driver, 1, 1, 16, 16);
    let cases: [(u32, &[u32], u32); 20] = [
        (0x101, &[0, 1, 16, 16], BAD_RESOURCE),
        (0x101, &[1, 1, 16, 16], BAD_RESOURCE),
        (0x101, &[2, 5, 16, 16], BAD_PARAMETER),
        (0x101, &[2, 1, 0, 16], BAD_PARAMETER),
        (0x101, &[2, 1, 0x8000_0000, 0x8000_0001], BAD_PARAMETER),
        (0x101, &[2, 1, 16384, 16384], OUT_OF_MEMORY),
        (0x102, &[2, 0], BAD_RESOURCE),
        (0x103, &[0, 0, 16, 16, 2, 1], BAD_SCANOUT),
        (0x103, &[0, 0, 16, 16, 0, 3], BAD_RESOURCE),
        (0x103, &[1, 0, 16, 16, 0, 1], BAD_PARAMETER),
        (0x103, &[u32::MAX, 0, 2, 16, 0, 1], BAD_PARAMETER),
        (0x104, &[0, 0, 16, 17, 1, 0], BAD_PARAMETER),
        (0x105, &[0, 0, 16, 16, 4, 0, 1, 0], BAD_PARAMETER),
        (0x105, &[0, 0, 16, 16, u32::MAX, u32::MAX, 1, 0], BAD_PARAMETER),
        (0x106, &[1, 0], UNSPEC),
        (0x106, &[9, 0], BAD_RESOURCE),
        (0x106, &[9, 16385], UNSPEC),
        (0x106, &[9, 2, 0, 0, 0, 0], UNSPEC),
        (0x10a, &[2, 0], BAD_SCANOUT),
        (0x101, &[2, 1, 16], UNSPEC),
    ];
    for (kind, body, error) in cases {
        assert_eq!(ask(&mut driver, kind, body)[0], error, "{kind:x} {body:?}");
    }
    assert_eq!(ask(&mut driver, 0x107, &[1, 0])[0], NODATA);
    assert_eq!(ask(&mut driver, 0x107, &[1, 0])[0], UNSPEC);
    // Backing that is not RAM, or wraps.
    for low_high_len in [[0, 0, 4096], [0x407f_f000, 0, 0x1001], [u32::MAX, u32::MAX, u32::MAX]] {
        let [low, high, len] = low_high_len;
        assert_eq!(ask(&mut driver, 0x106, &[1, 1, low, high, len, 0])[0], UNSPEC);
    }
}

#[test]
fn all_resources_together_stay_within_the_memory_and_give_it_back() {
    let (mut driver, _) = running();
    // 8192 × 4096 pixels are 128 MiB; the overhead keeps the fourth out.
    let create = |driver: &mut Driver<Gpu>, id| ask(driver, 0x101, &[id, 1, 8192, 4096])[0];
    assert_eq!([1, 2, 3, 4].map(|id| create(&mut driver, id)), [NODATA, NODATA, NODATA, OUT_OF_MEMORY]);
    ask(&mut driver, 0x102, &[2, 0]);
    assert_eq!(create(&mut driver, 4), NODATA);
    driver.write(0x70, 0);
    assert_eq!(driver.mmio.device().memory_left, Gpu::MEMORY);
}

#[test]
fn the_host_plugs_and_resizes_displays() {
    let (mut driver, _) = running();
    let displays = driver.mmio.device().displays();
    let generation = driver.read(0xfc);
    driver.mmio.poll(0);
    assert_eq!((driver.read(0x100), driver.read(0xfc)), (0, generation));
    displays.set_display(1, Some(Display::new(1920, 1080)));
    displays.set_display(0, Some(Display::new(1280, 720)));
    displays.set_display(2, None);
    driver.mmio.poll(0);
    assert_eq!((driver.read(0x100), driver.read(0xfc)), (1, generation + 1));
    assert_eq!(driver.read(0x60) & 2, 2);
    let info = ask(&mut driver, 0x100, &[]);
    assert_eq!(info[6..18], [0, 0, 1280, 720, 1, 0, 1280, 0, 1920, 1080, 1, 0]);
    driver.write(0x104, 1);
    assert_eq!([driver.read(0x100), driver.read(0x104)], [0, 0]);
    displays.set_display(0, None);
    driver.mmio.poll(0);
    let info = ask(&mut driver, 0x100, &[]);
    assert_eq!(info[6..18], [0, 0, 0, 0, 0, 0, 0, 0, 1920, 1080, 1, 0]);
}

#[test]
fn edid_is_there_for_those_who_negotiated_it() {
    let (mut driver, _) = running();
    let reply = ask(&mut driver, 0x10a, &[0, 0]);
    assert_eq!((reply.len(), reply[0], reply[6], reply[8]), (6 + 2 + 256, 0x1104, 128, 0xffff_ff00));
    driver.write(0x70, 0);
    driver.start(0);
    assert_eq!(ask(&mut driver, 0x10a, &[0, 0])[0], UNSPEC);
}

#[test]
fn the_pointer_has_an_image_moves_and_hides() {
    let (mut driver, screen) = running();
    let at = image(&mut driver, 1, 2, 64, 64);
    driver.poke(at.0, &[9, 8, 7, 6]);
    ask(&mut driver, 0x105, &[0, 0, 64, 64, 0, 0, 1, 0]);
    image(&mut driver, 2, 1, 32, 32);
    point(&mut driver, 0x300, &[0, 10, 20, 0, 1, 3, 4, 0]);
    assert_eq!(screen.take(), [Heard::Cursor(0, (13, 24), (3, 4), 64 * 64 * 4)]);
    // As Linux makes them: an image in a format without alpha, with alpha in it.
    assert_eq!(driver.mmio.device().scanouts[0].pointer.bgra[..8], [9, 8, 7, 6, 0, 0, 0, 0]);
    point(&mut driver, 0x301, &[0, 11, u32::MAX, 0]);
    assert_eq!(screen.take(), [Heard::Cursor(0, (14, 3), (3, 4), 64 * 64 * 4)]);
    // Wrong size, hot spot outside, no such scanout, no such resource.
    for body in
        [[0, 0, 0, 0, 2, 0, 0, 0], [0, 0, 0, 0, 1, 64, 0, 0], [2, 0, 0, 0, 1, 0, 0, 0], [0, 0, 0, 0, 5, 0, 0, 0]]
    {
        point(&mut driver, 0x300, &body);
    }
    assert_eq!(screen.take(), []);
    point(&mut driver, 0x300, &[0, 0, 0, 0, 0, 9, 9, 0]);
    assert_eq!(screen.take(), [Heard::Cursor(0, (0, 0), (0, 0), 0)]);
}

#[test]
fn the_host_can_have_everything_painted_again() {
    let (mut driver, screen) = running();
    image(&mut driver, 1, 2, 8, 8);
    ask(&mut driver, 0x103, &[0, 0, 8, 8, 0, 1]);
    screen.take();
    driver.mmio.device().displays().repaint();
    driver.mmio.poll(0);
    assert_eq!(screen.take()[0], Heard::Present(0, (8, 8), rect(0, 0, 8, 8), [0; 4]));
    driver.mmio.poll(0);
    assert_eq!(screen.take(), []);
}

#[test]
fn a_restored_gpu_shows_and_serves_the_same() {
    let (mut driver, _) = running();
    let at = image(&mut driver, 1, 2, 8, 8);
    driver.poke(at.0, &[9, 8, 7, 6]);
    ask(&mut driver, 0x105, &[0, 0, 8, 8, 0, 0, 1, 0]);
    ask(&mut driver, 0x103, &[0, 0, 8, 8, 0, 1]);
    let saved = driver.mmio.device().save();

    let (mut other, screen) = running();
    other.mmio.device_mut().restore(saved.clone()).unwrap();
    assert_eq!(screen.take()[0], Heard::Present(0, (8, 8), rect(0, 0, 8, 8), [9, 8, 7, 6]));
    other.poke(at.0, &[1, 1, 1, 1]);
    ask(&mut other, 0x105, &[0, 0, 1, 1, 0, 0, 1, 0]);
    ask(&mut other, 0x104, &[0, 0, 1, 1, 1, 0]);
    assert_eq!(screen.take(), [Heard::Present(0, (8, 8), rect(0, 0, 1, 1), [1; 4])]);
    assert_eq!(other.mmio.device().memory_left, driver.mmio.device().memory_left);

    let mut wrong = saved.clone();
    wrong.scanouts[0].shown = Some(Shown { resource: 1, rect: rect(1, 0, 8, 8) });
    assert_eq!(other.mmio.device_mut().restore(wrong).unwrap_err().field, "scanouts");
    let mut wrong = saved.clone();
    wrong.resources.push(saved.resources[0].clone());
    assert_eq!(other.mmio.device_mut().restore(wrong).unwrap_err().field, "resources");
    let mut wrong = saved;
    wrong.displays.pop();
    assert_eq!(other.mmio.device_mut().restore(wrong).unwrap_err().field, "displays");
}

#[test]
fn transfers_without_end_are_served_in_pieces() {
    let wakes = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&wakes);
    let gpu = Gpu::new(&[None], Box::new(Screen::default()), Waker::new(move || *counter.lock().unwrap() += 1));
    let mut driver = Driver::started(gpu, 0);
    // 16 MiB, backed by the same 8 MiB twice.
    assert_eq!(ask(&mut driver, 0x101, &[1, 1, 2048, 2048])[0], NODATA);
    let all = [0x4000_0000, 0, 8 << 20, 0];
    assert_eq!(ask(&mut driver, 0x106, &[&[1, 2], &all[..], &all[..]].concat())[0], NODATA);
    let transfer = request(0x105, &[0, 0, 2048, 2048, 0, 0, 1, 0]);
    for _ in 0..6 {
        driver.add(CONTROL, &[Buf::Out(&transfer), Buf::In(24)]);
    }
    let served = |driver: &mut Driver<Gpu>| std::iter::from_fn(|| driver.answer(CONTROL)).count();
    driver.notify(CONTROL);
    assert_eq!((served(&mut driver), *wakes.lock().unwrap()), (4, 1));
    driver.mmio.poll(0);
    assert_eq!((served(&mut driver), *wakes.lock().unwrap()), (2, 1));
}

/// Requests that look like requests: known types, and small, edge or random words.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![0x100u32..0x10c, 0x300u32..0x302];
    let edge = prop_oneof![Just(u32::MAX), Just(1 << 31), Just(16384), Just(0x4010_0000)];
    let word = prop_oneof![8 => 0u32..4, 4 => 60u32..70, 2 => edge, 1 => any::<u32>()];
    (kind, prop::collection::vec(word, 0..20)).prop_map(|(kind, body)| request(kind, &body))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn hostile_requests_are_answered_and_break_nothing(
        requests in prop::collection::vec(
            (0usize..2, prop_oneof![4 => likely(), 1 => prop::collection::vec(any::<u8>(), 1..100)], 0u32..1300),
            1..24,
        ),
    ) {
        let (mut driver, _) = running();
        image(&mut driver, 1, 1, 64, 64);
        image(&mut driver, 2, 68, 3, 5);
        for (queue, request, room) in requests {
            driver.ask(queue, &[Buf::Out(&request), Buf::In(room)]);
        }
        prop_assert_eq!(driver.read(0x70) & NEEDS_RESET, 0);
        prop_assert_eq!(driver.read(0x70), RUNNING);
        let spent: u64 = driver.mmio.device().resources.values().map(Resource::cost).sum();
        prop_assert_eq!(driver.mmio.device().memory_left, Gpu::MEMORY - spent);
        let saved = driver.mmio.device().save();
        prop_assert!(driver.mmio.device_mut().restore(saved).is_ok());
    }
}
