//! What a client does to the phone: its mouse is a finger, its keys are those of a US keyboard.

use std::collections::BTreeSet;

use devices::virtio::input::{CONTACTS, Keyboard, TouchScreen};

use super::keysym::{Stroke, stroke};
use crate::control::keys;

/// One client's finger and keys, which it lets go of when it goes.
#[derive(Debug)]
pub struct Hands {
    touch: TouchScreen,
    keyboard: Keyboard,
    slot: usize,
    /// Of the keyboard's left and right Shift.
    shifts: [u16; 2],
    held: BTreeSet<u16>,
}

impl Hands {
    /// Those of the client of a number. Each has a finger of its own, from the last slot down, for the window and
    /// `handset ctl` put down the first.
    pub fn new(touch: TouchScreen, keyboard: Keyboard, client: usize) -> Self {
        let shifts = ["shift", "shift_r"].map(|name| keys::named(name).expect("there are two Shift keys"));
        Self { touch, keyboard, slot: CONTACTS - 1 - client, shifts, held: BTreeSet::new() }
    }

    /// The mouse is somewhere in a picture of `size`, with its left button down or not.
    pub fn point(&mut self, down: bool, at: (u16, u16), size: (u32, u32)) {
        let max = self.touch.axes().max;
        let scale = |at: u16, size: u32, max: u32| {
            let last = u64::from(size.max(2) - 1);
            (u64::from(at).min(last) * u64::from(max) / last) as u32
        };
        self.touch.touch(self.slot, down.then(|| (scale(at.0, size.0, max.0), scale(at.1, size.1, max.1))));
    }

    /// A key goes down or up. If it types its character only with Shift, or only without, Shift is so for a moment: the
    /// client's keyboard may be none of the US.
    pub fn key(&mut self, down: bool, keysym: u32) {
        let Some(Stroke { code, shifted }) = stroke(keysym) else { return };
        if !down {
            if self.held.remove(&code) {
                self.keyboard.key(code, false);
            }
            return;
        }
        // The guest repeats keys by itself.
        if !self.held.insert(code) {
            return;
        }
        let shifts: Vec<u16> = self.shifts.into_iter().filter(|shift| self.held.contains(shift)).collect();
        let set = |keys: &[u16], down| keys.iter().for_each(|&key| self.keyboard.key(key, down));
        match shifted {
            Some(true) if shifts.is_empty() => {
                set(&[self.shifts[0], code], true);
                set(&self.shifts[..1], false);
            }
            Some(false) => {
                set(&shifts, false);
                set(&[code], true);
                set(&shifts, true);
            }
            _ => set(&[code], true),
        }
    }
}

impl Drop for Hands {
    fn drop(&mut self) {
        self.touch.touch(self.slot, None);
        self.held.iter().for_each(|&code| self.keyboard.key(code, false));
    }
}
