//! What clients do with the phone's screen and keys.
//!
//! Gestures take their time, as a hand does: the guest sees a finger come, move and go. One is made at a time; others wait.

use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use devices::virtio::input::{Keyboard, TouchScreen};
use serde_json::Value;

use super::keys;
use super::registry::Failure;

/// How long a finger or key stays down that nobody says more of.
pub const PRESS: i64 = 60;
/// Between two positions of a finger that moves, and between two keys.
const STEP: Duration = Duration::from_millis(8);
/// What QMP calls the far end of an axis.
const AXIS: i64 = 0x7fff;

/// Position in pixels.
type At = (i64, i64);

/// Hands on screen and keyboard.
#[derive(Debug)]
pub struct Hand {
    touch: TouchScreen,
    keyboard: Keyboard,
    /// Held through a gesture.
    turn: Mutex<()>,
    /// What `input-send-event` has said of contacts.
    contacts: Mutex<Contacts>,
}

/// Fingers that are put down event by event.
#[derive(Debug, Default)]
struct Contacts {
    /// Where the pointer is, in QMP's units.
    pointer: (i64, i64),
    pressed: bool,
    /// Fingers by slot: where each is, and whether it is down.
    fingers: [(i64, i64, bool); 10],
}

impl Hand {
    pub fn new(touch: TouchScreen, keyboard: Keyboard) -> Self {
        Self { touch, keyboard, turn: Mutex::default(), contacts: Mutex::default() }
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().expect("no gesture panics")
    }

    fn put(&self, fingers: &[At]) {
        let at = |&(x, y): &At| Some((clamp(x), clamp(y)));
        self.touch.touch_together(&fingers.iter().map(at).enumerate().collect::<Vec<_>>());
    }

    fn lift(&self, fingers: usize) {
        self.touch.touch_together(&(0..fingers).map(|slot| (slot, None)).collect::<Vec<_>>());
    }

    /// One finger comes down, stays and goes.
    pub fn tap(&self, at: At, hold: i64) {
        let _turn = self.turn();
        self.put(&[at]);
        thread::sleep(milliseconds(hold));
        self.lift(1);
    }

    /// Fingers move on straight lines in so many milliseconds.
    pub fn drag<const N: usize>(&self, lines: [(At, At); N], time: i64) {
        let _turn = self.turn();
        let (begun, time) = (Instant::now(), milliseconds(time));
        loop {
            let passed = if time.is_zero() { 1.0 } else { begun.elapsed().as_secs_f64() / time.as_secs_f64() };
            let part = passed.min(1.0);
            let on = |from: i64, to: i64| from + ((to - from) as f64 * part).round() as i64;
            self.put(&lines.map(|((x1, y1), (x2, y2))| (on(x1, x2), on(y1, y2))));
            thread::sleep(STEP);
            if part >= 1.0 {
                return self.lift(N);
            }
        }
    }

    /// Presses keys together, the first one first, and releases them.
    pub fn keys(&self, codes: &[u16], hold: i64) {
        let _turn = self.turn();
        self.press(codes, milliseconds(hold));
    }

    fn press(&self, codes: &[u16], hold: Duration) {
        codes.iter().for_each(|&code| self.keyboard.key(code, true));
        thread::sleep(hold);
        codes.iter().rev().for_each(|&code| self.keyboard.key(code, false));
    }

    /// Types text on a US keyboard.
    pub fn text(&self, text: &str) -> Result<(), Failure> {
        let typed = |c| keys::typing(c).ok_or_else(|| Failure::new(format!("no key of a US keyboard types '{c}'")));
        let typed: Vec<(u16, bool)> = text.chars().map(typed).collect::<Result<_, _>>()?;
        let shift = keys::named(keys::SHIFT).expect("there is a Shift key");
        let _turn = self.turn();
        for (code, shifted) in typed {
            if shifted {
                self.press(&[shift, code], STEP)
            } else {
                self.press(&[code], STEP)
            }
            thread::sleep(STEP);
        }
        Ok(())
    }

    /// QMP's events: keys, the pointer's axes and button, which are a finger, and contacts. All of them are looked at before
    /// the first is sent.
    pub fn events(&self, events: &[Value]) -> Result<(), Failure> {
        let events: Vec<Event> = events.iter().map(Event::read).collect::<Result<_, _>>()?;
        let _turn = self.turn();
        let mut contacts = self.contacts.lock().expect("no gesture panics");
        for event in events {
            match event {
                Event::Key(code, down) => self.keyboard.key(code, down),
                Event::Axis(horizontal, value) => {
                    let (x, y) = &mut contacts.pointer;
                    *(if horizontal { x } else { y }) = value;
                }
                Event::Button(down) => contacts.pressed = down,
                Event::Finger(slot, down) => contacts.fingers[slot].2 = down,
                Event::FingerAxis(slot, horizontal, value) => {
                    let (x, y, _) = &mut contacts.fingers[slot];
                    *(if horizontal { x } else { y }) = value;
                }
            }
        }
        let max = self.touch.axes().max;
        let scale = |value: i64, max: u32| clamp(value * i64::from(max) / AXIS);
        let place = |x, y, down: bool| down.then(|| (scale(x, max.0), scale(y, max.1)));
        let mut fingers = contacts.fingers.map(|(x, y, down)| place(x, y, down));
        if contacts.pressed {
            fingers[0] = place(contacts.pointer.0, contacts.pointer.1, true);
        }
        self.touch.touch_together(&fingers.into_iter().enumerate().collect::<Vec<_>>());
        Ok(())
    }
}

/// One event of `input-send-event`, as far as a phone has something for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Key(u16, bool),
    /// Horizontal, and where.
    Axis(bool, i64),
    Button(bool),
    Finger(usize, bool),
    FingerAxis(usize, bool, i64),
}

impl Event {
    fn read(event: &Value) -> Result<Self, Failure> {
        let data = &event["data"];
        let wrong = |what: &str| Failure::new(format!("Parameter 'events' has an event whose {what} is not valid"));
        let down = || data["down"].as_bool().ok_or_else(|| wrong("'down'"));
        let horizontal = || match data["axis"].as_str() {
            Some("x") => Ok(true),
            Some("y") => Ok(false),
            _ => Err(wrong("'axis'")),
        };
        let value = || data["value"].as_i64().filter(|n| (0..=AXIS).contains(n)).ok_or_else(|| wrong("'value'"));
        match event["type"].as_str() {
            Some("key") => Ok(Self::Key(key(&data["key"])?, down()?)),
            Some("abs") => Ok(Self::Axis(horizontal()?, value()?)),
            Some("btn") if ["left", "touch"].map(Some).contains(&data["button"].as_str()) => Ok(Self::Button(down()?)),
            Some("mtt") => {
                let slot = data["slot"].as_u64().filter(|&slot| slot < 10).ok_or_else(|| wrong("'slot'"))? as usize;
                match data["type"].as_str() {
                    Some("begin" | "update") => Ok(Self::Finger(slot, true)),
                    Some("end" | "cancel") => Ok(Self::Finger(slot, false)),
                    Some("data") => Ok(Self::FingerAxis(slot, horizontal()?, value()?)),
                    _ => Err(wrong("'type'")),
                }
            }
            Some("btn") => Err(Failure::new("a phone's screen has the button 'left' only")),
            Some("rel") => Err(Failure::new("a phone has no pointer that moves by steps")),
            _ => Err(wrong("'type'")),
        }
    }
}

/// A key, as QMP names it: `{"type": "qcode", "data": "a"}`, or by its Linux code as `number`.
pub fn key(key: &Value) -> Result<u16, Failure> {
    match (key["type"].as_str(), &key["data"]) {
        (Some("qcode"), Value::String(name)) => named(name),
        (Some("number"), code) => {
            let code = code.as_u64().and_then(|code| u16::try_from(code).ok()).filter(|code| (1..=248).contains(code));
            code.ok_or_else(|| Failure::new("a key's number is from 1 to 248"))
        }
        _ => Err(Failure::new("Parameter 'keys' has a key that is none")),
    }
}

/// A key by its name.
pub fn named(name: &str) -> Result<u16, Failure> {
    keys::named(name)
        .ok_or_else(|| Failure::new(format!("there is no key '{name}' (they are called as in QMP: ret, a, f1)")))
}

fn clamp(n: i64) -> u32 {
    n.clamp(0, i64::from(u32::MAX)) as u32
}

fn milliseconds(n: i64) -> Duration {
    Duration::from_millis(n.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn events_are_read_as_qmp_has_them() {
        let key = json!({"type": "key", "data": {"down": true, "key": {"type": "qcode", "data": "a"}}});
        assert_eq!(Event::read(&key), Ok(Event::Key(30, true)));
        let axis = json!({"type": "abs", "data": {"axis": "y", "value": 32767}});
        assert_eq!(Event::read(&axis), Ok(Event::Axis(false, 32767)));
        let finger =
            json!({"type": "mtt", "data": {"type": "begin", "slot": 9, "tracking-id": 1, "axis": "x", "value": 0}});
        assert_eq!(Event::read(&finger), Ok(Event::Finger(9, true)));
        for wrong in [
            json!(1),
            json!({"type": "key"}),
            json!({"type": "key", "data": {"down": true, "key": {"type": "qcode", "data": "nonsense"}}}),
            json!({"type": "key", "data": {"down": true, "key": {"type": "number", "data": 70000}}}),
            json!({"type": "abs", "data": {"axis": "z", "value": 1}}),
            json!({"type": "abs", "data": {"axis": "x", "value": 32768}}),
            json!({"type": "mtt", "data": {"type": "begin", "slot": 10}}),
            json!({"type": "btn", "data": {"button": "right", "down": true}}),
        ] {
            assert!(Event::read(&wrong).is_err(), "{wrong}");
        }
    }
}
