use proptest::prelude::*;

use super::kind::*;
use super::*;
use crate::bus::Poll;
use crate::virtio::driver::{Buf, Driver, RUNNING};

type Triple = (u16, u16, i32);

/// A running device with `room` buffers in its event queue.
fn running(input: Input, room: usize) -> Driver<Input> {
    let mut driver = Driver::new(input);
    driver.size = 64;
    driver.start(0);
    offer(&mut driver, room);
    driver
}

fn offer(driver: &mut Driver<Input>, room: usize) {
    for _ in 0..room {
        driver.add(EVENTS, &[Buf::In(8)]);
    }
    driver.notify(EVENTS);
}

fn events(driver: &mut Driver<Input>) -> Vec<Triple> {
    driver.mmio.poll(0);
    let mut events = vec![];
    while let Some(raw) = driver.answer(EVENTS) {
        let half = |at: usize| u16::from_le_bytes([raw[at], raw[at + 1]]);
        events.push((half(0), half(2), i32::from_le_bytes(raw[4..8].try_into().unwrap())));
    }
    events
}

/// Queries configuration as a driver does: select, then size, then that many bytes.
fn query(input: &mut Input, select: u8, subsel: u8) -> Vec<u8> {
    input.config_write(0, &[select]);
    input.config_write(1, &[subsel]);
    let mut config = [0; 136];
    input.config_read(0, &mut config);
    assert_eq!(config[..2], [select, subsel]);
    config[8..8 + usize::from(config[2])].to_vec()
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks::<4>().0.iter().map(|w| u32::from_le_bytes(*w)).collect()
}

const SYN: Triple = (EV_SYN, SYN_REPORT, 0);

#[test]
fn a_touch_screen_describes_ten_slots_and_a_direct_surface() {
    let (mut input, _) = Input::touch_screen(Axes::pixels((720, 1280), (65, 116)), Waker::none());
    assert_eq!(query(&mut input, ID_NAME, 0), b"Handset Touchscreen");
    assert_eq!(query(&mut input, PROP_BITS, 0), [2]);
    // Bits 0, 1, 0x2f, 0x35, 0x36 and 0x39 of EV_ABS; BTN_TOUCH is bit 2 of byte 41.
    assert_eq!(query(&mut input, EV_BITS, 3), [3, 0, 0, 0, 0, 0x80, 0x60, 2]);
    let keys = query(&mut input, EV_BITS, 1);
    assert_eq!((keys.len(), keys[41], keys.iter().map(|b| b.count_ones()).sum::<u32>()), (42, 4, 1));
    assert_eq!(words(&query(&mut input, ABS_INFO, 0x2f)), [0, 9, 0, 0, 0]);
    assert_eq!(words(&query(&mut input, ABS_INFO, 0x35)), [0, 719, 0, 0, 11]);
    assert_eq!(words(&query(&mut input, ABS_INFO, 0x36)), [0, 1279, 0, 0, 11]);
    assert_eq!(words(&query(&mut input, ABS_INFO, 0x39)), [0, 0xffff, 0, 0, 0]);
    assert_eq!(query(&mut input, ABS_INFO, 0x18), [0; 0]);
    assert_eq!(query(&mut input, EV_BITS, 2), [0; 0]);
}

#[test]
fn a_keyboard_has_every_key_and_three_lamps_and_repeats() {
    let (mut input, _) = Input::keyboard(Waker::none());
    let keys = query(&mut input, EV_BITS, 1);
    assert_eq!(keys.iter().map(|b| b.count_ones()).sum::<u32>(), 248);
    assert_eq!((keys.len(), keys[0], keys[31]), (32, 0xfe, 0x01));
    assert_eq!(query(&mut input, EV_BITS, 0x14), [3]);
    assert_eq!(query(&mut input, EV_BITS, 0x11), [7]);
    assert_eq!(query(&mut input, PROP_BITS, 0), [0; 0]);
    assert_eq!(query(&mut input, ID_SERIAL, 0), [0; 0]);
    assert_eq!(query(&mut input, ID_DEVIDS, 0), [6, 0, 0x53, 0x48, 1, 0, 1, 0]);
    assert_eq!(query(&mut input, 0xff, 0xff), [0; 0]);
    let (keyboard, _) = Input::keyboard(Waker::none());
    assert_eq!(query(&mut keyboard.with_serial(&"s".repeat(300)), ID_SERIAL, 0).len(), 127);
}

#[test]
fn pointers_have_the_bits_that_make_udev_call_them_mice() {
    let (mut mouse, _) = Input::mouse(Waker::none());
    assert_eq!(query(&mut mouse, EV_BITS, 2), [0x43, 1]);
    assert_eq!(query(&mut mouse, EV_BITS, 1)[34], 0x1f);
    let (mut tablet, _) = Input::tablet(Axes::default(), Waker::none());
    assert_eq!(query(&mut tablet, EV_BITS, 3), [3]);
    assert_eq!(words(&query(&mut tablet, ABS_INFO, 1)), [0, 32767, 0, 0, 0]);
}

/// What the devices of QEMU 10.0.2 answer to the same query, read by qtest; buttons of theirs that no host sends are
/// left out.
#[test]
fn whatever_qemus_devices_can_send_these_can_too() {
    const KEYS: [u8; 29] = [
        0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xcf, 0x7b, 0xff, 0xff, 0xbe, 0xfe, 0xff, 0xdf, 0,
        0xf8, 0x78, 0x30, 0x80, 0xff, 0x07, 0, 0, 0, 0x04,
    ];
    let keyboard = || Input::keyboard(Waker::none()).0;
    let tablet = || Input::tablet(Axes::default(), Waker::none()).0;
    let qemu: [(Input, u8, &[u8]); 6] = [
        (keyboard(), 1, &KEYS),
        (keyboard(), 0x11, &[0x07]),
        (Input::mouse(Waker::none()).0, 2, &[0x03, 0x01]),
        (tablet(), 2, &[0, 0x01]),
        (tablet(), 3, &[0x03]),
        (Input::touch_screen(Axes::default(), Waker::none()).0, 3, &[0, 0, 0, 0, 0, 0x80, 0x60, 0x02]),
    ];
    for (mut input, kind, theirs) in qemu {
        let ours = query(&mut input, EV_BITS, kind);
        for (at, byte) in theirs.iter().enumerate() {
            assert_eq!(byte & !ours.get(at).unwrap_or(&0), 0, "{} {kind:x} byte {at}", input.kind.name);
        }
    }
}

#[test]
fn fingers_come_and_go_in_slots() {
    let (input, hand) = Input::touch_screen(Axes::default(), Waker::none());
    let mut driver = running(input, 40);
    hand.touch(0, Some((100, 200)));
    let slot = |n| (EV_ABS, ABS_MT_SLOT, n);
    let id = |n| (EV_ABS, ABS_MT_TRACKING_ID, n);
    let at = |x, y| [(EV_ABS, ABS_MT_POSITION_X, x), (EV_ABS, ABS_MT_POSITION_Y, y)];
    let pointer = |x, y| [(EV_ABS, ABS_X, x), (EV_ABS, ABS_Y, y)];
    let touch = |down| (EV_KEY, BTN_TOUCH, down);
    let joined = |parts: &[&[Triple]]| parts.concat();
    assert_eq!(
        events(&mut driver),
        joined(&[&[slot(0), id(0)], &at(100, 200), &[touch(1)], &pointer(100, 200), &[SYN]])
    );
    // A second finger does not move the pointer; positions stop at the edge.
    hand.touch(1, Some((u32::MAX, 5)));
    assert_eq!(events(&mut driver), joined(&[&[slot(1), id(1)], &at(32767, 5), &[SYN]]));
    // The first finger goes, and the pointer follows the other.
    hand.touch(0, None);
    assert_eq!(events(&mut driver), joined(&[&[slot(0), id(-1)], &pointer(32767, 5), &[SYN]]));
    hand.touch(0, None);
    hand.touch(CONTACTS, Some((1, 1)));
    assert_eq!(events(&mut driver), []);
    hand.release_all();
    assert_eq!(events(&mut driver), joined(&[&[slot(1), id(-1)], &[touch(0), SYN]]));
}

#[test]
fn a_key_is_reported_once_however_often_it_is_pressed() {
    let (input, hand) = Input::keyboard(Waker::none());
    let mut driver = running(input, 20);
    hand.key(30, true);
    hand.key(30, true);
    hand.key(0, true);
    hand.key(249, true);
    assert_eq!(events(&mut driver), [(EV_KEY, 30, 1), SYN]);
    hand.release_all();
    hand.key(30, false);
    assert_eq!(events(&mut driver), [(EV_KEY, 30, 0), SYN]);
}

#[test]
fn pointers_report_motion_buttons_and_wheels() {
    let (input, hand) = Input::mouse(Waker::none());
    let mut driver = running(input, 20);
    hand.move_by(-3, 0);
    hand.button(Button::Right, true);
    hand.wheel(-1, 2);
    let want =
        [(EV_REL, REL_X, -3), SYN, (EV_KEY, 0x111, 1), SYN, (EV_REL, REL_WHEEL, -1), (EV_REL, REL_HWHEEL, 2), SYN];
    assert_eq!(events(&mut driver), want);

    let (input, hand) = Input::tablet(Axes::default(), Waker::none());
    let mut driver = running(input, 20);
    hand.point((7, 40000));
    assert_eq!(events(&mut driver), [(EV_ABS, ABS_X, 7), (EV_ABS, ABS_Y, 32767), SYN]);
}

#[test]
fn events_wait_for_buffers_and_keep_their_order() {
    let (input, hand) = Input::keyboard(Waker::none());
    let mut driver = running(input, 3);
    hand.key(30, true);
    hand.key(31, true);
    assert_eq!(events(&mut driver), [(EV_KEY, 30, 1), SYN, (EV_KEY, 31, 1)]);
    offer(&mut driver, 1);
    assert_eq!(events(&mut driver), [SYN]);
}

#[test]
fn no_key_stays_stuck_when_the_guest_did_not_listen() {
    let (input, hand) = Input::keyboard(Waker::none());
    let mut driver = running(input, 1);
    hand.key(42, true);
    assert_eq!(events(&mut driver), [(EV_KEY, 42, 1)]);
    hand.key(42, false);
    for _ in 0..1000 {
        hand.key(30, true);
        hand.key(30, false);
    }
    hand.key(44, true);
    // Whole frames were dropped, from the oldest on, after the rest of the one that was under way.
    let mut got = vec![];
    loop {
        offer(&mut driver, 8);
        let more = events(&mut driver);
        got.extend_from_slice(&more);
        if more.len() < 8 {
            break;
        }
    }
    assert_eq!(got[0], SYN);
    assert!(got.len() < MAX_PENDING + 16, "{}", got.len());
    assert!(got[1..].split_inclusive(|e| *e == SYN).all(|frame| frame.len() > 1 && *frame.last().unwrap() == SYN));
    let last = |key| got.iter().rev().find(|e| e.1 == key && e.0 == EV_KEY).unwrap().2;
    assert_eq!((last(42), last(30), last(44)), (0, 0, 1));
}

#[test]
fn a_driver_that_starts_learns_what_is_held_and_nothing_older() {
    let (input, hand) = Input::touch_screen(Axes::default(), Waker::none());
    hand.touch(3, Some((1, 2)));
    hand.touch(3, None);
    hand.touch(4, Some((10, 20)));
    let mut driver = running(input, 30);
    let got = events(&mut driver);
    assert_eq!(got[..2], [(EV_ABS, ABS_MT_SLOT, 4), (EV_ABS, ABS_MT_TRACKING_ID, 1)]);
    assert!(got.contains(&(EV_KEY, BTN_TOUCH, 1)));
    assert_eq!(got.iter().filter(|e| **e == SYN).count(), 1);
}

#[test]
fn lamps_follow_the_status_queue() {
    let (input, hand) = Input::keyboard(Waker::none());
    let mut driver = running(input, 0);
    let led = |code: u8, on: u8| [0x11, 0, code, 0, on, 0, 0, 0];
    for (code, on) in [(1, 1), (2, 1), (2, 0), (9, 1)] {
        driver.ask(STATUS, &[Buf::Out(&led(code, on))]);
    }
    assert_eq!(hand.leds(), Leds::CAPS);
    driver.ask(STATUS, &[Buf::Out(&[0x14, 0])]);
    driver.ask(STATUS, &[Buf::In(8)]);
    assert_eq!(driver.read(0x70), RUNNING);
}

#[test]
fn a_snapshot_keeps_what_waits_and_lifts_what_the_host_no_longer_holds() {
    let (input, hand) = Input::keyboard(Waker::none());
    let mut driver = running(input, 2);
    hand.key(30, true);
    assert_eq!(events(&mut driver), [(EV_KEY, 30, 1), SYN]);
    hand.key(31, true);
    hand.key(31, false);
    let saved = driver.mmio.device().save();

    let (mut other, _hand) = Input::keyboard(Waker::none());
    other.restore(saved.clone()).unwrap();
    other.activate(0); // as the transport does with a restored driver
    let mut frames = vec![];
    while let Some(frame) = other.host.lock().next_frame() {
        frames.push(frame.iter().map(|e| (e.kind, e.code, e.value)).collect::<Vec<_>>());
    }
    assert_eq!(frames[0], [(EV_KEY, 31, 1), SYN]);
    assert_eq!(frames.last().unwrap()[0], (EV_KEY, 30, 0));

    let (mut mouse, _hand) = Input::mouse(Waker::none());
    assert!(mouse.restore(saved).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn random_configuration_and_status_never_panic(
        writes in prop::collection::vec((0usize..200, prop::collection::vec(any::<u8>(), 0..9)), 0..32),
        status in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..12),
        kind in 0..4,
    ) {
        let axes = Axes::default();
        let input = match kind {
            0 => Input::keyboard(Waker::none()).0,
            1 => Input::mouse(Waker::none()).0,
            2 => Input::tablet(axes, Waker::none()).0,
            _ => Input::touch_screen(axes, Waker::none()).0,
        };
        let mut driver = running(input, 3);
        for (offset, bytes) in writes {
            driver.mmio.device_mut().config_write(offset, &bytes);
            let mut read = [0; 16];
            driver.mmio.device().config_read(offset, &mut read);
        }
        for bytes in status {
            driver.ask(STATUS, &[Buf::Out(&bytes)]);
        }
        prop_assert_eq!(driver.read(0x70), RUNNING);
    }
}
