//! Fingers from a mouse or a touch screen of the host: the mouse is one finger; with Ctrl it is two, the second opposite
//! the first across the middle of the picture.
//!
//! Positions come as fractions of the picture's sides and leave in the units of the phone's touch screen.

use devices::virtio::input::{Axes, CONTACTS};

/// A finger of the host's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finger {
    Mouse,
    Opposite,
    Touch(u64),
}

/// What a slot of the touch screen does: a position, or nothing (any more).
pub type Contact = (usize, Option<(u32, u32)>);

/// The fingers that are down.
#[derive(Debug)]
pub struct Fingers {
    axes: Axes,
    slots: [Option<Finger>; CONTACTS],
}

impl Fingers {
    /// None yet.
    pub fn new(axes: Axes) -> Self {
        Self { axes, slots: [None; CONTACTS] }
    }

    fn position(&self, at: (f64, f64)) -> (u32, u32) {
        let unit = |fraction: f64, max: u32| (fraction.clamp(0.0, 1.0) * f64::from(max)).round() as u32;
        (unit(at.0, self.axes.max.0), unit(at.1, self.axes.max.1))
    }

    fn slot(&self, finger: Finger) -> Option<usize> {
        self.slots.iter().position(|&slot| slot == Some(finger))
    }

    fn down(&mut self, finger: Finger, at: (f64, f64)) -> Option<Contact> {
        let inside = (0.0..=1.0).contains(&at.0) && (0.0..=1.0).contains(&at.1);
        let slot = self.slot(finger).or_else(|| self.slots.iter().position(Option::is_none)).filter(|_| inside)?;
        self.slots[slot] = Some(finger);
        Some((slot, Some(self.position(at))))
    }

    fn moved(&self, finger: Finger, at: (f64, f64)) -> Option<Contact> {
        Some((self.slot(finger)?, Some(self.position(at))))
    }

    fn up(&mut self, finger: Finger) -> Option<Contact> {
        let slot = self.slot(finger)?;
        self.slots[slot] = None;
        Some((slot, None))
    }

    /// The mouse's button went down; a press beside the picture is none.
    pub fn press(&mut self, at: (f64, f64), pinch: bool) -> Vec<Contact> {
        let mut contacts: Vec<_> = self.down(Finger::Mouse, at).into_iter().collect();
        if pinch && !contacts.is_empty() {
            contacts.extend(self.down(Finger::Opposite, opposite(at)));
        }
        contacts
    }

    /// The mouse moved.
    pub fn drag(&self, at: (f64, f64)) -> Vec<Contact> {
        let one = self.moved(Finger::Mouse, at);
        one.into_iter().chain(self.moved(Finger::Opposite, opposite(at))).collect()
    }

    /// The mouse's button came up.
    pub fn release(&mut self) -> Vec<Contact> {
        let one = self.up(Finger::Mouse);
        one.into_iter().chain(self.up(Finger::Opposite)).collect()
    }

    /// A finger came down on the host's touch screen, or moved there.
    pub fn touch(&mut self, id: u64, at: (f64, f64), began: bool) -> Option<Contact> {
        let finger = Finger::Touch(id);
        if began { self.down(finger, at) } else { self.moved(finger, at) }
    }

    /// A finger was lifted from the host's touch screen.
    pub fn lift(&mut self, id: u64) -> Option<Contact> {
        self.up(Finger::Touch(id))
    }

    /// No finger is down any more.
    pub fn forget(&mut self) {
        self.slots = [None; CONTACTS];
    }
}

fn opposite((x, y): (f64, f64)) -> (f64, f64) {
    (1.0 - x, 1.0 - y)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingers() -> Fingers {
        Fingers::new(Axes { max: (100, 200), resolution: (0, 0) })
    }

    #[test]
    fn the_mouse_is_one_finger_that_stays_on_the_screen() {
        let mut fingers = fingers();
        assert_eq!(fingers.drag((0.5, 0.5)), []);
        assert_eq!(fingers.press((0.5, 0.25), false), [(0, Some((50, 50)))]);
        assert_eq!(fingers.drag((1.5, -0.1)), [(0, Some((100, 0)))]);
        assert_eq!(fingers.release(), [(0, None)]);
        assert_eq!(fingers.release(), []);
    }

    #[test]
    fn a_press_beside_the_picture_is_none() {
        let mut fingers = fingers();
        assert_eq!(fingers.press((-0.1, 0.5), true), []);
        assert_eq!(fingers.drag((0.5, 0.5)), []);
    }

    #[test]
    fn a_pinch_is_two_fingers_mirrored_about_the_middle() {
        let mut fingers = fingers();
        assert_eq!(fingers.press((0.1, 0.2), true), [(0, Some((10, 40))), (1, Some((90, 160)))]);
        assert_eq!(fingers.drag((0.4, 0.4)), [(0, Some((40, 80))), (1, Some((60, 120)))]);
        assert_eq!(fingers.release(), [(0, None), (1, None)]);
    }

    #[test]
    fn touches_keep_their_slots_beside_the_mouse() {
        let mut fingers = fingers();
        assert_eq!(fingers.touch(77, (0.0, 0.0), true), Some((0, Some((0, 0)))));
        assert_eq!(fingers.press((1.0, 1.0), false), [(1, Some((100, 200)))]);
        assert_eq!(fingers.touch(78, (0.5, 0.5), true), Some((2, Some((50, 100)))));
        assert_eq!(fingers.lift(77), Some((0, None)));
        assert_eq!(fingers.touch(78, (0.6, 0.5), false), Some((2, Some((60, 100)))));
        assert_eq!(fingers.touch(77, (0.6, 0.5), false), None);
    }

    #[test]
    fn an_eleventh_finger_is_not_felt() {
        let mut fingers = fingers();
        assert!((0..10).all(|id| fingers.touch(id, (0.5, 0.5), true).is_some()));
        assert_eq!(fingers.touch(10, (0.5, 0.5), true), None);
    }
}
