//! What each kind of input device says of itself: names, and the event types and codes of Linux's
//! `input-event-codes.h` that it can send.
//!
//! Against QEMU's devices of the same kinds: touch screens here also have `ABS_X`/`ABS_Y`, for guests that know one
//! finger only, and no mouse buttons; keyboards have every code up to `KEY_MICMUTE`; wheels turn sideways too.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

pub(super) const EV_SYN: u16 = 0x00;
pub(super) const EV_KEY: u16 = 0x01;
pub(super) const EV_REL: u16 = 0x02;
pub(super) const EV_ABS: u16 = 0x03;
pub(super) const EV_LED: u16 = 0x11;
pub(super) const EV_REP: u16 = 0x14;

pub(super) const SYN_REPORT: u16 = 0;
pub(super) const BTN_TOUCH: u16 = 0x14a;
pub(super) const REL_X: u16 = 0x00;
pub(super) const REL_Y: u16 = 0x01;
pub(super) const REL_HWHEEL: u16 = 0x06;
pub(super) const REL_WHEEL: u16 = 0x08;
pub(super) const ABS_X: u16 = 0x00;
pub(super) const ABS_Y: u16 = 0x01;
pub(super) const ABS_MT_SLOT: u16 = 0x2f;
pub(super) const ABS_MT_POSITION_X: u16 = 0x35;
pub(super) const ABS_MT_POSITION_Y: u16 = 0x36;
pub(super) const ABS_MT_TRACKING_ID: u16 = 0x39;

const INPUT_PROP_DIRECT: u16 = 0x01;
const MAX_TRACKING_ID: u32 = 0xffff;

/// Fingers that a touch screen follows at once.
pub const CONTACTS: usize = 10;

/// The buttons of a mouse or tablet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
#[allow(missing_docs, reason = "the kernel's names")]
pub enum Button {
    Left = 0x110,
    Right = 0x111,
    Middle = 0x112,
    Side = 0x113,
    Extra = 0x114,
}

const BUTTONS: RangeInclusive<u16> = Button::Left as u16..=Button::Extra as u16;

/// A kind of device.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// Product and version of the device's identity.
    pub(super) ids: (u16, u16),
    pub(super) props: &'static [RangeInclusive<u16>],
    /// Event types, and the codes of each.
    pub(super) events: &'static [(u16, &'static [RangeInclusive<u16>])],
}

pub(super) static KEYBOARD: Kind = Kind {
    name: "Handset Keyboard",
    ids: (1, 1),
    props: &[],
    // All of KEY_ESC..=KEY_MICMUTE; REP_DELAY and REP_PERIOD; LED_NUML, LED_CAPSL, LED_SCROLLL.
    events: &[(EV_KEY, &[1..=248]), (EV_REP, &[0..=1]), (EV_LED, &[0..=2])],
};

pub(super) static MOUSE: Kind = Kind {
    name: "Handset Mouse",
    ids: (2, 1),
    props: &[],
    events: &[(EV_KEY, &[BUTTONS]), (EV_REL, &[REL_X..=REL_Y, REL_HWHEEL..=REL_HWHEEL, REL_WHEEL..=REL_WHEEL])],
};

pub(super) static TABLET: Kind = Kind {
    name: "Handset Tablet",
    ids: (3, 1),
    props: &[],
    events: &[
        (EV_KEY, &[BUTTONS]),
        (EV_REL, &[REL_HWHEEL..=REL_HWHEEL, REL_WHEEL..=REL_WHEEL]),
        (EV_ABS, &[ABS_X..=ABS_Y]),
    ],
};

pub(super) static TOUCH_SCREEN: Kind = Kind {
    name: "Handset Touchscreen",
    ids: (4, 1),
    props: &[INPUT_PROP_DIRECT..=INPUT_PROP_DIRECT],
    events: &[
        (EV_KEY, &[BTN_TOUCH..=BTN_TOUCH]),
        (
            EV_ABS,
            &[
                ABS_X..=ABS_Y,
                ABS_MT_SLOT..=ABS_MT_SLOT,
                ABS_MT_POSITION_X..=ABS_MT_POSITION_Y,
                ABS_MT_TRACKING_ID..=ABS_MT_TRACKING_ID,
            ],
        ),
    ],
};

impl Kind {
    /// The codes of an event type, if the kind has it.
    pub(super) fn codes(&self, kind: u16) -> &'static [RangeInclusive<u16>] {
        self.events.iter().find(|(k, _)| *k == kind).map_or(&[], |(_, codes)| codes)
    }

    /// Whether it sends or takes such events.
    pub(super) fn has(&self, kind: u16, code: u16) -> bool {
        self.codes(kind).iter().any(|range| range.contains(&code))
    }
}

/// A bitmap of codes, as long as its highest needs.
pub(super) fn bitmap(codes: &[RangeInclusive<u16>]) -> Vec<u8> {
    let mut bits = vec![];
    for code in codes.iter().cloned().flatten() {
        let byte = usize::from(code / 8);
        if bits.len() <= byte {
            bits.resize(byte + 1, 0);
        }
        bits[byte] |= 1 << (code % 8);
    }
    bits
}

/// The absolute axes of a touch screen or tablet: positions run from 0 to `max`, inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axes {
    /// Greatest x and y.
    pub max: (u32, u32),
    /// Units per millimetre along x and y; 0 where unknown.
    pub resolution: (u32, u32),
}

impl Default for Axes {
    /// 0..=32767 both ways, whatever the size of the display.
    fn default() -> Self {
        Self { max: (32767, 32767), resolution: (0, 0) }
    }
}

impl Axes {
    /// Axes in a display's own pixels, of a panel that measures so many millimetres.
    #[must_use]
    pub fn pixels(size: (u32, u32), mm: (u32, u32)) -> Self {
        let max = (size.0.saturating_sub(1), size.1.saturating_sub(1));
        let resolution = (size.0.checked_div(mm.0).unwrap_or(0), size.1.checked_div(mm.1).unwrap_or(0));
        Self { max, resolution }
    }

    /// `virtio_input_absinfo`: min, max, fuzz, flat, resolution.
    pub(super) fn info(self, code: u16) -> [u32; 5] {
        let (max, resolution) = match code {
            ABS_X | ABS_MT_POSITION_X => (self.max.0, self.resolution.0),
            ABS_Y | ABS_MT_POSITION_Y => (self.max.1, self.resolution.1),
            ABS_MT_SLOT => (CONTACTS as u32 - 1, 0),
            _ => (MAX_TRACKING_ID, 0),
        };
        [0, max, 0, 0, resolution]
    }
}
