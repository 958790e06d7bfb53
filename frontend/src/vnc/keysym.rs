//! From the symbols of the X Window System for keys, which clients send (RFC 6143 §7.5.4), to those of a US keyboard.
//!
//! A symbol says what a key does on the client's keyboard, so the locks are left out, and the keypad's keys are those
//! elsewhere on the keyboard that do the same: what a lock changes shows in the symbols. So is AltGr.

use crate::control::keys;

/// The symbols that are no characters (X11's keysymdef.h, XF86keysym.h), and QMP's names of the keys.
const NAMES: &[(u32, &str)] = &[
    (0xfe20, "tab"),
    (0xff08, "backspace"),
    (0xff09, "tab"),
    (0xff0a, "ret"),
    (0xff0d, "ret"),
    (0xff13, "pause"),
    (0xff14, "scroll_lock"),
    (0xff15, "print"),
    (0xff1b, "esc"),
    (0xff22, "muhenkan"),
    (0xff23, "henkan"),
    (0xff50, "home"),
    (0xff51, "left"),
    (0xff52, "up"),
    (0xff53, "right"),
    (0xff54, "down"),
    (0xff55, "pgup"),
    (0xff56, "pgdn"),
    (0xff57, "end"),
    (0xff61, "print"),
    (0xff63, "insert"),
    (0xff65, "undo"),
    (0xff66, "again"),
    (0xff67, "compose"),
    (0xff68, "find"),
    (0xff69, "stop"),
    (0xff6a, "help"),
    (0xff6b, "pause"),
    (0xff80, "spc"),
    (0xff89, "tab"),
    (0xff8d, "kp_enter"),
    (0xff95, "home"),
    (0xff96, "left"),
    (0xff97, "up"),
    (0xff98, "right"),
    (0xff99, "down"),
    (0xff9a, "pgup"),
    (0xff9b, "pgdn"),
    (0xff9c, "end"),
    (0xff9e, "insert"),
    (0xff9f, "delete"),
    (0xffaa, "kp_multiply"),
    (0xffab, "kp_add"),
    (0xffac, "comma"),
    (0xffad, "kp_subtract"),
    (0xffae, "dot"),
    (0xffaf, "kp_divide"),
    (0xffb0, "0"),
    (0xffb1, "1"),
    (0xffb2, "2"),
    (0xffb3, "3"),
    (0xffb4, "4"),
    (0xffb5, "5"),
    (0xffb6, "6"),
    (0xffb7, "7"),
    (0xffb8, "8"),
    (0xffb9, "9"),
    (0xffbd, "equal"),
    (0xffbe, "f1"),
    (0xffbf, "f2"),
    (0xffc0, "f3"),
    (0xffc1, "f4"),
    (0xffc2, "f5"),
    (0xffc3, "f6"),
    (0xffc4, "f7"),
    (0xffc5, "f8"),
    (0xffc6, "f9"),
    (0xffc7, "f10"),
    (0xffc8, "f11"),
    (0xffc9, "f12"),
    (0xffe1, "shift"),
    (0xffe2, "shift_r"),
    (0xffe3, "ctrl"),
    (0xffe4, "ctrl_r"),
    (0xffe7, "alt"),
    (0xffe8, "alt_r"),
    (0xffe9, "alt"),
    (0xffea, "alt_r"),
    (0xffeb, "meta_l"),
    (0xffec, "meta_r"),
    (0xffff, "delete"),
    (0x1008_ff11, "volumedown"),
    (0x1008_ff12, "audiomute"),
    (0x1008_ff13, "volumeup"),
    (0x1008_ff14, "audioplay"),
    (0x1008_ff15, "audiostop"),
    (0x1008_ff16, "audioprev"),
    (0x1008_ff17, "audionext"),
    (0x1008_ff18, "ac_home"),
    (0x1008_ff19, "mail"),
    (0x1008_ff1d, "calculator"),
    (0x1008_ff21, "power"),
    (0x1008_ff26, "ac_back"),
    (0x1008_ff27, "ac_forward"),
    (0x1008_ff28, "stop"),
    (0x1008_ff29, "ac_refresh"),
    (0x1008_ff2a, "power"),
    (0x1008_ff2b, "wake"),
    (0x1008_ff2f, "sleep"),
    (0x1008_ff30, "ac_bookmarks"),
    (0x1008_ff33, "computer"),
    (0x1008_ff57, "copy"),
    (0x1008_ff58, "cut"),
    (0x1008_ff65, "menu"),
    (0x1008_ff6b, "open"),
    (0x1008_ff6d, "paste"),
];

/// What a symbol takes on a US keyboard: the key's Linux code, and for a character whether Shift is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stroke {
    /// The key.
    pub code: u16,
    /// None if that is the same to it.
    pub shifted: Option<bool>,
}

/// The key of a symbol, if there is one.
pub fn stroke(keysym: u32) -> Option<Stroke> {
    if let Some((_, name)) = NAMES.iter().find(|(symbol, _)| *symbol == keysym) {
        return keys::named(name).map(|code| Stroke { code, shifted: None });
    }
    // Printable ASCII is its own symbol; a space is the same with Shift.
    let character = char::from_u32(keysym).filter(|c| matches!(c, ' '..='~'))?;
    let (code, shifted) = keys::typing(character)?;
    Some(Stroke { code, shifted: Some(shifted).filter(|_| character != ' ') })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_keys_and_every_symbol_is_there_once() {
        assert!(NAMES.is_sorted_by(|(before, _), (after, _)| before < after));
        for (symbol, name) in NAMES {
            assert!(stroke(*symbol).is_some(), "{name}");
        }
    }

    #[test]
    fn characters_are_typed_as_on_a_us_keyboard() {
        for character in ' '..='~' {
            assert!(stroke(character.into()).is_some(), "{character}");
        }
        let typed = |keysym: u32| stroke(keysym).map(|Stroke { code, shifted }| (code, shifted));
        assert_eq!(typed('a'.into()), Some((30, Some(false))));
        assert_eq!(typed('?'.into()), Some((53, Some(true))));
        assert_eq!(typed(' '.into()), Some((57, None)));
        assert_eq!(typed(0xff0d), Some((28, None)));
        assert_eq!(typed(0xffe1), Some((42, None)));
        assert_eq!(typed(0x1008_ff13), Some((115, None)));
        // ä, Caps Lock, Num Lock, AltGr, and none at all.
        for nothing in [0, 9, 10, 0x7f, 0xe4, 0xffe5, 0xff7f, 0xfe03, 0x0100_20ac, u32::MAX] {
            assert_eq!(typed(nothing), None, "{nothing:#x}");
        }
    }
}
