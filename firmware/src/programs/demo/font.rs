//! A 5×7 bitmap font: capital letters, the digits and a few marks. Drawn for this program.

/// The first character of [`GLYPHS`] in a table that the program indexes.
pub(super) const FIRST: u8 = b' ';
const LAST: u8 = b'Z';

/// Seven rows of five pixels for each character, top first.
const GLYPHS: &[(u8, [&str; 7])] = &[
    (b'A', [" ### ", "#   #", "#   #", "#####", "#   #", "#   #", "#   #"]),
    (b'B', ["#### ", "#   #", "#   #", "#### ", "#   #", "#   #", "#### "]),
    (b'C', [" ### ", "#   #", "#    ", "#    ", "#    ", "#   #", " ### "]),
    (b'D', ["#### ", "#   #", "#   #", "#   #", "#   #", "#   #", "#### "]),
    (b'E', ["#####", "#    ", "#    ", "#### ", "#    ", "#    ", "#####"]),
    (b'F', ["#####", "#    ", "#    ", "#### ", "#    ", "#    ", "#    "]),
    (b'G', [" ### ", "#   #", "#    ", "# ###", "#   #", "#   #", " ### "]),
    (b'H', ["#   #", "#   #", "#   #", "#####", "#   #", "#   #", "#   #"]),
    (b'I', [" ### ", "  #  ", "  #  ", "  #  ", "  #  ", "  #  ", " ### "]),
    (b'K', ["#   #", "#  # ", "# #  ", "##   ", "# #  ", "#  # ", "#   #"]),
    (b'L', ["#    ", "#    ", "#    ", "#    ", "#    ", "#    ", "#####"]),
    (b'M', ["#   #", "## ##", "# # #", "# # #", "#   #", "#   #", "#   #"]),
    (b'N', ["#   #", "##  #", "# # #", "#  ##", "#   #", "#   #", "#   #"]),
    (b'O', [" ### ", "#   #", "#   #", "#   #", "#   #", "#   #", " ### "]),
    (b'P', ["#### ", "#   #", "#   #", "#### ", "#    ", "#    ", "#    "]),
    (b'R', ["#### ", "#   #", "#   #", "#### ", "# #  ", "#  # ", "#   #"]),
    (b'S', [" ####", "#    ", "#    ", " ### ", "    #", "    #", "#### "]),
    (b'T', ["#####", "  #  ", "  #  ", "  #  ", "  #  ", "  #  ", "  #  "]),
    (b'U', ["#   #", "#   #", "#   #", "#   #", "#   #", "#   #", " ### "]),
    (b'V', ["#   #", "#   #", "#   #", "#   #", " # # ", " # # ", "  #  "]),
    (b'W', ["#   #", "#   #", "#   #", "# # #", "# # #", "## ##", "#   #"]),
    (b'X', ["#   #", " # # ", "  #  ", "  #  ", "  #  ", " # # ", "#   #"]),
    (b'Y', ["#   #", " # # ", "  #  ", "  #  ", "  #  ", "  #  ", "  #  "]),
    (b'.', ["     ", "     ", "     ", "     ", "     ", " ##  ", " ##  "]),
];

/// Eight bytes for each character from [`FIRST`] on: a row each, leftmost pixel in bit 4; the eighth is empty.
pub(super) fn table() -> Vec<u8> {
    let mut table = vec![0; 8 * usize::from(LAST - FIRST + 1)];
    for (character, rows) in GLYPHS {
        for (row, pixels) in rows.iter().enumerate() {
            let bits = pixels.bytes().fold(0, |bits, pixel| bits << 1 | u8::from(pixel == b'#'));
            table[8 * usize::from(character - FIRST) + row] = bits;
        }
    }
    table
}

/// Whether every character of a text can be drawn.
pub(super) fn covers(text: &str) -> bool {
    text.bytes().all(|c| c == b' ' || GLYPHS.iter().any(|&(known, _)| known == c))
}
