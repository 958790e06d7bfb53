//! The host's hands on input devices, and the frames of events between them and the guest.
//!
//! Bounded: when the guest does not take its events, whole frames are dropped, oldest first. What the dropped frames
//! said of keys and contacts is made good by a last frame that tells how they stand, so that no key stays stuck. A
//! guest without a driver is sent nothing; one that starts is told what is held at that time.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use serde::{Deserialize, Serialize};

use super::kind::*;
use crate::bus::Waker;

/// Events that wait for the guest at the most.
pub(super) const MAX_PENDING: usize = 1024;

/// `virtio_input_event`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Event {
    pub(super) kind: u16,
    pub(super) code: u16,
    pub(super) value: i32,
}

impl Event {
    const REPORT: Self = Self::new(EV_SYN, SYN_REPORT, 0);

    pub(super) const fn new(kind: u16, code: u16, value: i32) -> Self {
        Self { kind, code, value }
    }

    /// Whether a device of that kind sends such events.
    pub(super) fn suits(&self, kind: &Kind) -> bool {
        (self.kind, self.code) == (EV_SYN, SYN_REPORT) || kind.has(self.kind, self.code)
    }

    fn abs(code: u16, value: u32) -> Self {
        Self::new(EV_ABS, code, value as i32)
    }

    fn key(code: u16, down: bool) -> Self {
        Self::new(EV_KEY, code, down.into())
    }
}

/// A finger on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Contact {
    id: u16,
    at: (u32, u32),
}

/// What lies between host and guest.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) kind: &'static Kind,
    pub(super) axes: Axes,
    active: bool,
    frames: VecDeque<Vec<Event>>,
    waiting: usize,
    held: BTreeSet<u16>,
    contacts: [Option<Contact>; CONTACTS],
    next_id: u16,
    /// Where `ABS_X`/`ABS_Y` stand.
    pointer: Option<(u32, u32)>,
    /// Keys and slots of which the guest may know something wrong.
    stale_keys: BTreeSet<u16>,
    stale_slots: BTreeSet<usize>,
    pub(super) leds: u32,
}

impl Pending {
    fn new(kind: &'static Kind, axes: Axes) -> Self {
        Self {
            kind,
            axes,
            active: false,
            frames: VecDeque::new(),
            waiting: 0,
            held: BTreeSet::new(),
            contacts: [None; CONTACTS],
            next_id: 0,
            pointer: None,
            stale_keys: BTreeSet::new(),
            stale_slots: BTreeSet::new(),
            leds: 0,
        }
    }

    fn push(&mut self, mut frame: Vec<Event>) {
        if !self.active || frame.is_empty() {
            return;
        }
        frame.push(Event::REPORT);
        self.waiting += frame.len();
        self.frames.push_back(frame);
        while self.waiting > MAX_PENDING
            && let Some(lost) = self.frames.pop_front()
        {
            self.waiting -= lost.len();
            for Event { kind, code, value } in lost {
                match (kind, code) {
                    (EV_KEY, key) => _ = self.stale_keys.insert(key),
                    (EV_ABS, ABS_MT_SLOT) => _ = self.stale_slots.insert(value as usize),
                    _ => {}
                }
            }
        }
    }

    /// The next frame for the guest.
    pub(super) fn next_frame(&mut self) -> Option<Vec<Event>> {
        if let Some(frame) = self.frames.pop_front() {
            self.waiting -= frame.len();
            return Some(frame);
        }
        let mut frame = vec![];
        for slot in std::mem::take(&mut self.stale_slots) {
            self.report_slot(&mut frame, slot);
        }
        self.report_pointer(&mut frame);
        frame.extend(std::mem::take(&mut self.stale_keys).into_iter().map(|key| Event::key(key, self.is_down(key))));
        if frame.is_empty() {
            return None;
        }
        frame.push(Event::REPORT);
        Some(frame)
    }

    fn is_down(&self, key: u16) -> bool {
        if key == BTN_TOUCH { self.primary().is_some() } else { self.held.contains(&key) }
    }

    fn report_slot(&self, frame: &mut Vec<Event>, slot: usize) {
        let Some(contact) = self.contacts.get(slot) else { return };
        frame.push(Event::abs(ABS_MT_SLOT, slot as u32));
        match contact {
            Some(Contact { id, at }) => frame.extend([
                Event::abs(ABS_MT_TRACKING_ID, (*id).into()),
                Event::abs(ABS_MT_POSITION_X, at.0),
                Event::abs(ABS_MT_POSITION_Y, at.1),
            ]),
            None => frame.push(Event::new(EV_ABS, ABS_MT_TRACKING_ID, -1)),
        }
    }

    /// The contact that a guest of one finger follows: the one that has been down for longest.
    fn primary(&self) -> Option<Contact> {
        let age = |c: &&Contact| self.next_id.wrapping_sub(c.id);
        self.contacts.iter().flatten().max_by_key(age).copied()
    }

    fn report_pointer(&mut self, frame: &mut Vec<Event>) {
        if let Some(Contact { at, .. }) = self.primary()
            && self.pointer != Some(at)
        {
            self.pointer = Some(at);
            frame.extend([Event::abs(ABS_X, at.0), Event::abs(ABS_Y, at.1)]);
        }
    }

    fn clamp(&self, (x, y): (u32, u32)) -> (u32, u32) {
        (x.min(self.axes.max.0), y.min(self.axes.max.1))
    }

    fn touch(&mut self, contacts: &[(usize, Option<(u32, u32)>)]) {
        let was_down = self.primary().is_some();
        let mut frame = vec![];
        for &(slot, at) in contacts {
            let at = at.map(|at| self.clamp(at));
            let next_id = self.next_id;
            let Some(contact) = self.contacts.get_mut(slot) else { continue };
            let now = at.map(|at| Contact { id: contact.map_or(next_id, |c| c.id), at });
            if *contact == now {
                continue;
            }
            let fresh = contact.is_none();
            *contact = now;
            if fresh {
                self.next_id = self.next_id.wrapping_add(1);
            }
            self.report_slot(&mut frame, slot);
        }
        let down = self.primary().is_some();
        if down != was_down {
            frame.push(Event::key(BTN_TOUCH, down));
        }
        self.report_pointer(&mut frame);
        self.push(frame);
    }

    fn key(&mut self, code: u16, down: bool) {
        let known = self.kind.has(EV_KEY, code);
        let changed = known && if down { self.held.insert(code) } else { self.held.remove(&code) };
        if changed {
            self.push(vec![Event::key(code, down)]);
        }
    }

    fn release_all(&mut self) {
        let held = std::mem::take(&mut self.held);
        self.push(held.into_iter().map(|code| Event::key(code, false)).collect());
        self.touch(&std::array::from_fn::<_, CONTACTS, _>(|slot| (slot, None)));
    }

    fn relative(&mut self, moves: [(u16, i32); 2]) {
        let moves = moves.into_iter().filter(|(_, by)| *by != 0);
        self.push(moves.map(|(code, by)| Event::new(EV_REL, code, by)).collect());
    }

    /// A driver has come, unless it was here before (a restored one), or gone.
    pub(super) fn set_active(&mut self, active: bool) {
        if !(active && self.active) {
            self.start_anew(active);
        }
    }

    fn start_anew(&mut self, active: bool) {
        self.active = active;
        self.frames.clear();
        self.waiting = 0;
        self.leds = 0;
        self.pointer = None;
        self.stale_keys.clear();
        self.stale_slots.clear();
        if active {
            self.doubt_everything();
        }
    }

    /// Has the guest told all that is held.
    fn doubt_everything(&mut self) {
        self.stale_keys.extend(&self.held);
        self.stale_slots.extend((0..CONTACTS).filter(|&slot| self.contacts[slot].is_some()));
        if self.primary().is_some() {
            self.stale_keys.insert(BTN_TOUCH);
        }
    }

    pub(super) fn save(&self) -> SavedPending {
        let Self {
            kind: _,
            axes: _,
            active,
            frames,
            waiting: _,
            held,
            contacts,
            next_id,
            pointer: _,
            stale_keys,
            stale_slots,
            leds,
        } = self;
        let touched = (0..CONTACTS).filter(|&slot| contacts[slot].is_some());
        let mut doubtful_keys: Vec<u16> = held.union(stale_keys).copied().collect();
        if touched.clone().next().is_some() {
            doubtful_keys.push(BTN_TOUCH);
        }
        SavedPending {
            active: *active,
            frames: frames.iter().cloned().collect(),
            doubtful_keys,
            doubtful_slots: touched.chain(stale_slots.iter().copied()).collect(),
            next_id: *next_id,
            leds: *leds,
        }
    }

    pub(super) fn restore(&mut self, saved: SavedPending) -> Result<(), &'static str> {
        let SavedPending { active, frames, doubtful_keys, doubtful_slots, next_id, leds } = saved;
        let waiting = frames.iter().map(Vec::len).sum::<usize>();
        if waiting > MAX_PENDING || !frames.iter().flatten().all(|event| event.suits(self.kind)) {
            return Err("frames");
        }
        if !doubtful_keys.iter().all(|&key| self.kind.has(EV_KEY, key)) {
            return Err("doubtful_keys");
        }
        if !doubtful_slots.iter().all(|&slot| slot < CONTACTS && self.kind.has(EV_ABS, ABS_MT_SLOT)) {
            return Err("doubtful_slots");
        }
        self.start_anew(active);
        self.waiting = waiting;
        self.frames = frames.into();
        self.stale_keys.extend(doubtful_keys);
        self.stale_slots.extend(doubtful_slots);
        // A contact that the host has now is another one than any that the guest knows.
        for contact in self.contacts.iter_mut().flatten() {
            contact.id = contact.id.wrapping_sub(self.next_id).wrapping_add(next_id);
        }
        self.next_id = next_id;
        self.leds = leds;
        Ok(())
    }
}

/// [`Pending`] as saved. What the host holds belongs to the host; the guest is told of it after the frames.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SavedPending {
    active: bool,
    frames: Vec<Vec<Event>>,
    /// What the guest may know to be down.
    doubtful_keys: Vec<u16>,
    doubtful_slots: Vec<usize>,
    next_id: u16,
    leds: u32,
}

/// The end of a mailbox between host and device; nothing else is locked while it is.
#[derive(Debug, Clone)]
pub(super) struct Mailbox {
    pending: Arc<Mutex<Pending>>,
    waker: Waker,
}

impl Mailbox {
    pub(super) fn new(kind: &'static Kind, axes: Axes, waker: Waker) -> Self {
        Self { pending: Arc::new(Mutex::new(Pending::new(kind, axes))), waker }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().expect("no user of the mailbox panics")
    }

    pub(super) fn wake(&self) {
        self.waker.wake();
    }

    fn with(&self, f: impl FnOnce(&mut Pending)) {
        f(&mut self.lock());
        self.waker.wake();
    }
}

/// Fingers on a touch screen.
#[derive(Debug, Clone)]
pub struct TouchScreen(pub(super) Mailbox);

impl TouchScreen {
    /// Puts down or moves the finger of a slot (below [`CONTACTS`]; others are ignored), or lifts it (`None`).
    /// Positions are clamped to the screen's [`Axes`].
    pub fn touch(&self, slot: usize, at: Option<(u32, u32)>) {
        self.touch_together(&[(slot, at)]);
    }

    /// Several fingers at the same time, as in a pinch: one frame.
    pub fn touch_together(&self, contacts: &[(usize, Option<(u32, u32)>)]) {
        self.0.with(|pending| pending.touch(contacts));
    }

    /// Lifts all fingers.
    pub fn release_all(&self) {
        self.0.with(Pending::release_all);
    }

    /// The range of positions.
    #[must_use]
    pub fn axes(&self) -> Axes {
        self.0.lock().axes
    }
}

bitflags::bitflags! {
    /// Lamps of a keyboard.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Leds: u32 {
        /// Num Lock.
        const NUM = 1;
        /// Caps Lock.
        const CAPS = 2;
        /// Scroll Lock.
        const SCROLL = 4;
    }
}

/// Keys of a keyboard.
#[derive(Debug, Clone)]
pub struct Keyboard(pub(super) Mailbox);

impl Keyboard {
    /// Presses or releases a key, by its Linux `KEY_` code (1..=248; others are ignored). The guest repeats held keys.
    pub fn key(&self, code: u16, down: bool) {
        self.0.with(|pending| pending.key(code, down));
    }

    /// Releases all keys, as when the window loses the focus.
    pub fn release_all(&self) {
        self.0.with(Pending::release_all);
    }

    /// The lamps that the guest has lit.
    #[must_use]
    pub fn leds(&self) -> Leds {
        Leds::from_bits_truncate(self.0.lock().leds)
    }
}

/// A pointer with a position.
#[derive(Debug, Clone)]
pub struct Tablet(pub(super) Mailbox);

impl Tablet {
    /// Puts the pointer there; positions are clamped to the [`Axes`].
    pub fn point(&self, at: (u32, u32)) {
        self.0.with(|pending| {
            let (x, y) = pending.clamp(at);
            pending.push(vec![Event::abs(ABS_X, x), Event::abs(ABS_Y, y)]);
        });
    }

    /// Presses or releases a button.
    pub fn button(&self, button: Button, down: bool) {
        self.0.with(|pending| pending.key(button as u16, down));
    }

    /// Turns the wheel by notches: away from the user and to the right are positive.
    pub fn wheel(&self, up: i32, right: i32) {
        self.0.with(|pending| pending.relative([(REL_WHEEL, up), (REL_HWHEEL, right)]));
    }

    /// Releases all buttons.
    pub fn release_all(&self) {
        self.0.with(Pending::release_all);
    }

    /// The range of positions.
    #[must_use]
    pub fn axes(&self) -> Axes {
        self.0.lock().axes
    }
}

/// A pointer that moves by steps.
#[derive(Debug, Clone)]
pub struct Mouse(pub(super) Mailbox);

impl Mouse {
    /// Moves right and down.
    pub fn move_by(&self, right: i32, down: i32) {
        self.0.with(|pending| pending.relative([(REL_X, right), (REL_Y, down)]));
    }

    /// Presses or releases a button.
    pub fn button(&self, button: Button, down: bool) {
        self.0.with(|pending| pending.key(button as u16, down));
    }

    /// Turns the wheel by notches: away from the user and to the right are positive.
    pub fn wheel(&self, up: i32, right: i32) {
        self.0.with(|pending| pending.relative([(REL_WHEEL, up), (REL_HWHEEL, right)]));
    }

    /// Releases all buttons.
    pub fn release_all(&self) {
        self.0.with(Pending::release_all);
    }
}
