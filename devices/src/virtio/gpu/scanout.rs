//! Scanouts: what the host offers as displays, and what the guest shows on them.
//!
//! Left out: a place for each display other than side by side, and refresh rates other than 60 Hz.

use std::sync::{Arc, Mutex, MutexGuard};

use serde::{Deserialize, Serialize};

use super::resource::MAX_SIDE;
use crate::bus::{Cursor, Rect, Waker};

/// The side of a pointer image in pixels (5.7.6.10).
pub(super) const CURSOR_SIDE: u32 = 64;

/// A display on a scanout: its native size, and how large it is to the eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Display {
    width: u32,
    height: u32,
    mm: (u32, u32),
}

impl Display {
    /// The density of [`Display::new`], in pixels per inch.
    pub const PPI: u32 = 280;

    /// A display of that many pixels (each side within 1..=16384) at [`Display::PPI`].
    #[must_use]
    pub fn new(width: u32, height: u32) -> Self {
        let side = |pixels: u32| pixels.clamp(1, MAX_SIDE);
        let mm = |pixels: u32| (side(pixels) * 254 + Self::PPI * 5) / (Self::PPI * 10);
        Self { width: side(width), height: side(height), mm: (mm(width), mm(height)) }
    }

    /// The same display with this size in millimetres.
    #[must_use]
    pub fn with_millimetres(self, width: u32, height: u32) -> Self {
        Self { mm: (width, height), ..self }
    }

    /// Width and height in pixels.
    #[must_use]
    pub fn size(self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Width and height in millimetres.
    #[must_use]
    pub fn millimetres(self) -> (u32, u32) {
        self.mm
    }

    pub(super) fn is_valid(self) -> bool {
        let sides = 1..=MAX_SIDE;
        sides.contains(&self.width) && sides.contains(&self.height)
    }
}

impl Default for Display {
    /// A phone: 720 × 1280.
    fn default() -> Self {
        Self::new(720, 1280)
    }
}

/// What the host wants.
#[derive(Debug)]
pub(super) struct Wishes {
    pub(super) displays: Vec<Option<Display>>,
    /// Present every scanout as a whole, because the host has lost what it had.
    pub(super) repaint: bool,
}

/// The host's hand on the displays of a GPU; the guest hears of changes when the device is next polled.
#[derive(Debug, Clone)]
pub struct Displays {
    wishes: Arc<Mutex<Wishes>>,
    waker: Waker,
}

impl Displays {
    pub(super) fn new(displays: Vec<Option<Display>>, waker: Waker) -> Self {
        Self { wishes: Arc::new(Mutex::new(Wishes { displays, repaint: false })), waker }
    }

    /// A mailbox between host and device: nothing else is locked while it is.
    pub(super) fn wishes(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().expect("no user of the wishes panics")
    }

    /// Plugs, resizes (`Some`) or unplugs (`None`) the display of a scanout; does nothing if there is no such scanout.
    pub fn set_display(&self, scanout: usize, display: Option<Display>) {
        if let Some(place) = self.wishes().displays.get_mut(scanout) {
            *place = display;
        }
        self.waker.wake();
    }

    /// The display last set.
    #[must_use]
    pub fn display(&self, scanout: usize) -> Option<Display> {
        self.wishes().displays.get(scanout).copied().flatten()
    }

    /// Asks for everything shown to be presented as a whole, as after a window was made anew.
    pub fn repaint(&self) {
        self.wishes().repaint = true;
        self.waker.wake();
    }
}

/// The part of a resource that a scanout shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Shown {
    pub(super) resource: u32,
    pub(super) rect: Rect,
}

impl Shown {
    /// The part of `damage` (in the resource) that the scanout shows, in the scanout's pixels.
    pub(super) fn visible(&self, damage: Rect) -> Option<Rect> {
        let clip = |at: u32, len: u32, from: u32, side: u32| {
            let first = at.max(from);
            let end = at.saturating_add(len).min(from.saturating_add(side));
            (first < end).then(|| (first - from, end - first))
        };
        let (x, width) = clip(damage.x, damage.width, self.rect.x, self.rect.width)?;
        let (y, height) = clip(damage.y, damage.height, self.rect.y, self.rect.height)?;
        Some(Rect { x, y, width, height })
    }

    /// All of it.
    pub(super) fn whole(&self) -> Rect {
        Rect { x: 0, y: 0, ..self.rect }
    }
}

/// A pointer: where the driver put the image's corner, and the image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pointer {
    pub(super) at: (u32, u32),
    pub(super) hot: (u32, u32),
    /// Empty when hidden.
    pub(super) bgra: Vec<u8>,
}

impl Pointer {
    /// As the host takes it. Linux gives the image's corner, which is left of zero (and so wraps) at the left edge; the
    /// hot spot never is.
    pub(super) fn cursor(&self) -> Cursor {
        let hot_spot = |corner: u32, hot: u32| (corner.wrapping_add(hot) as i32).max(0) as u32;
        Cursor {
            x: hot_spot(self.at.0, self.hot.0),
            y: hot_spot(self.at.1, self.hot.1),
            hot_x: self.hot.0,
            hot_y: self.hot.1,
            bgra: self.bgra.clone(),
        }
    }

    pub(super) fn is_valid(&self) -> bool {
        let image = self.bgra.is_empty() || self.bgra.len() == (CURSOR_SIDE * CURSOR_SIDE * 4) as usize;
        image && self.hot.0 < CURSOR_SIDE && self.hot.1 < CURSOR_SIDE
    }
}

/// The guest's side of a scanout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Scanout {
    pub(super) shown: Option<Shown>,
    pub(super) pointer: Pointer,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_clipped_to_the_part_shown() {
        let shown = Shown { resource: 1, rect: Rect { x: 10, y: 20, width: 30, height: 40 } };
        let visible = |x, y, width, height| shown.visible(Rect { x, y, width, height });
        assert_eq!(visible(0, 0, 100, 100), Some(shown.whole()));
        assert_eq!(visible(39, 59, 5, 5), Some(Rect { x: 29, y: 39, width: 1, height: 1 }));
        assert_eq!(visible(12, 22, 3, 4), Some(Rect { x: 2, y: 2, width: 3, height: 4 }));
        assert_eq!(visible(40, 20, 5, 5), None);
        assert_eq!(visible(0, 0, 10, 10), None);
        assert_eq!(visible(u32::MAX, 0, u32::MAX, 100), None);
    }

    #[test]
    fn a_pointer_left_of_the_edge_keeps_its_hot_spot_on_the_screen() {
        let pointer = Pointer { at: (u32::MAX - 3, 100), hot: (6, 1), bgra: vec![] };
        assert_eq!((pointer.cursor().x, pointer.cursor().y), (2, 101));
        let beyond = Pointer { at: (u32::MAX - 3, 0), hot: (1, 0), bgra: vec![] };
        assert_eq!(beyond.cursor().x, 0);
    }

    #[test]
    fn a_phone_display_has_a_phones_size() {
        assert_eq!(Display::default().millimetres(), (65, 116));
        assert_eq!(Display::new(0, u32::MAX).size(), (1, MAX_SIDE));
    }
}
