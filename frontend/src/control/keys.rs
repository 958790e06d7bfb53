//! Names of keys, as QMP has them (`QKeyCode`), and what typing a character takes.

/// Each name, and Linux's code of the key (input-event-codes.h).
const NAMES: &[(&str, u16)] = &[
    ("esc", 1),
    ("1", 2),
    ("2", 3),
    ("3", 4),
    ("4", 5),
    ("5", 6),
    ("6", 7),
    ("7", 8),
    ("8", 9),
    ("9", 10),
    ("0", 11),
    ("minus", 12),
    ("equal", 13),
    ("backspace", 14),
    ("tab", 15),
    ("q", 16),
    ("w", 17),
    ("e", 18),
    ("r", 19),
    ("t", 20),
    ("y", 21),
    ("u", 22),
    ("i", 23),
    ("o", 24),
    ("p", 25),
    ("bracket_left", 26),
    ("bracket_right", 27),
    ("ret", 28),
    ("ctrl", 29),
    ("a", 30),
    ("s", 31),
    ("d", 32),
    ("f", 33),
    ("g", 34),
    ("h", 35),
    ("j", 36),
    ("k", 37),
    ("l", 38),
    ("semicolon", 39),
    ("apostrophe", 40),
    ("grave_accent", 41),
    ("shift", 42),
    ("backslash", 43),
    ("z", 44),
    ("x", 45),
    ("c", 46),
    ("v", 47),
    ("b", 48),
    ("n", 49),
    ("m", 50),
    ("comma", 51),
    ("dot", 52),
    ("slash", 53),
    ("shift_r", 54),
    ("kp_multiply", 55),
    ("alt", 56),
    ("spc", 57),
    ("caps_lock", 58),
    ("f1", 59),
    ("f2", 60),
    ("f3", 61),
    ("f4", 62),
    ("f5", 63),
    ("f6", 64),
    ("f7", 65),
    ("f8", 66),
    ("f9", 67),
    ("f10", 68),
    ("num_lock", 69),
    ("scroll_lock", 70),
    ("kp_7", 71),
    ("kp_8", 72),
    ("kp_9", 73),
    ("kp_subtract", 74),
    ("kp_4", 75),
    ("kp_5", 76),
    ("kp_6", 77),
    ("kp_add", 78),
    ("kp_1", 79),
    ("kp_2", 80),
    ("kp_3", 81),
    ("kp_0", 82),
    ("kp_decimal", 83),
    ("less", 86),
    ("f11", 87),
    ("f12", 88),
    ("ro", 89),
    ("hiragana", 91),
    ("henkan", 92),
    ("katakanahiragana", 93),
    ("muhenkan", 94),
    ("kp_enter", 96),
    ("ctrl_r", 97),
    ("kp_divide", 98),
    ("print", 99),
    ("alt_r", 100),
    ("home", 102),
    ("up", 103),
    ("pgup", 104),
    ("left", 105),
    ("right", 106),
    ("end", 107),
    ("down", 108),
    ("pgdn", 109),
    ("insert", 110),
    ("delete", 111),
    ("audiomute", 113),
    ("volumedown", 114),
    ("volumeup", 115),
    ("power", 116),
    ("kp_equals", 117),
    ("pause", 119),
    ("kp_comma", 121),
    ("yen", 124),
    ("meta_l", 125),
    ("meta_r", 126),
    ("compose", 127),
    ("stop", 128),
    ("again", 129),
    ("props", 130),
    ("undo", 131),
    ("front", 132),
    ("copy", 133),
    ("open", 134),
    ("paste", 135),
    ("find", 136),
    ("cut", 137),
    ("help", 138),
    ("menu", 139),
    ("calculator", 140),
    ("sleep", 142),
    ("wake", 143),
    ("mail", 155),
    ("ac_bookmarks", 156),
    ("computer", 157),
    ("ac_back", 158),
    ("ac_forward", 159),
    ("audionext", 163),
    ("audioplay", 164),
    ("audioprev", 165),
    ("audiostop", 166),
    ("ac_home", 172),
    ("ac_refresh", 173),
];

/// What each key of a US keyboard types, alone and with Shift.
const TYPES: &[(u16, &str)] = &[
    (2, "1!"),
    (3, "2@"),
    (4, "3#"),
    (5, "4$"),
    (6, "5%"),
    (7, "6^"),
    (8, "7&"),
    (9, "8*"),
    (10, "9("),
    (11, "0)"),
    (12, "-_"),
    (13, "=+"),
    (15, "\t"),
    (26, "[{"),
    (27, "]}"),
    (28, "\n"),
    (39, ";:"),
    (40, "'\""),
    (41, "`~"),
    (43, "\\|"),
    (51, ",<"),
    (52, ".>"),
    (53, "/?"),
    (57, " "),
];

/// The key of a name.
pub fn named(name: &str) -> Option<u16> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, code)| *code)
}

/// The key that types a character on a US keyboard, and whether Shift is held.
pub fn typing(character: char) -> Option<(u16, bool)> {
    if character.is_ascii_alphabetic() {
        let letter = character.to_ascii_lowercase();
        return named(letter.encode_utf8(&mut [0; 4])).map(|code| (code, character.is_ascii_uppercase()));
    }
    TYPES.iter().find_map(|(code, types)| Some((*code, types.chars().position(|typed| typed == character)? == 1)))
}

/// The name of the Shift key.
pub const SHIFT: &str = "shift";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_printable_character_can_be_typed_and_no_two_in_the_same_way() {
        let mut ways: Vec<_> = (' '..='~').chain(['\n', '\t']).map(|c| typing(c).expect("a way")).collect();
        ways.sort_unstable();
        let count = ways.len();
        ways.dedup();
        assert_eq!(ways.len(), count);
        assert_eq!((typing('a'), typing('A'), typing('?')), (Some((30, false)), Some((30, true)), Some((53, true))));
        assert_eq!(typing('é'), None);
    }

    #[test]
    fn names_and_codes_are_one_to_one() {
        let mut codes: Vec<_> = NAMES.iter().map(|(_, code)| code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), NAMES.len());
        assert_eq!((named("ret"), named("ctrl_r"), named("enter")), (Some(28), Some(97), None));
    }
}
