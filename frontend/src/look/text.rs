//! What is written on a screen, and where.
//!
//! Words are read by [`tesseract`](super::tesseract). They are joined into lines here, by where they are: tesseract's own
//! lines go across columns, or end in the middle of a button.

use std::ops::Range;

/// Words of a page at most; the rest is left out.
const MOST: usize = 4096;
/// Words that are read with less confidence, in percent, are taken for dirt.
const DIRT: f32 = 20.0;
/// As which the edges of buttons and fields are read.
const EDGES: &str = "|¦[]{}_~";

/// Something on the screen, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Area {
    /// From the left.
    pub x: u32,
    /// From the top.
    pub y: u32,
    /// To the right.
    pub width: u32,
    /// Downwards.
    pub height: u32,
}

/// A word.
#[derive(Debug, Clone, PartialEq)]
pub struct Word {
    /// As it was read.
    pub text: String,
    /// Where it is.
    pub area: Area,
    /// How sure this is, from 0 to 1.
    pub score: f64,
}

/// All that was read, in lines from the top left to the bottom right.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    lines: Vec<Vec<Word>>,
}

impl Area {
    fn right(self) -> u32 {
        self.x + self.width
    }

    fn bottom(self) -> u32 {
        self.y + self.height
    }

    /// Twice the middle, downwards.
    fn level(self) -> u32 {
        self.y + self.bottom()
    }

    fn union(self, other: Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let (right, bottom) = (self.right().max(other.right()), self.bottom().max(other.bottom()));
        Self { x, y, width: right - x, height: bottom - y }
    }

    /// Whether two overlap.
    fn meets(self, other: Self) -> bool {
        self.x.max(other.x) < self.right().min(other.right()) && self.y.max(other.y) < self.bottom().min(other.bottom())
    }

    /// Whether something belongs to the line that ends with this: beside it by half of the lower one's height at least, and
    /// no further right than one and a half heights.
    fn is_followed_by(self, next: Self) -> bool {
        let beside = (self.bottom().min(next.bottom())).saturating_sub(self.y.max(next.y));
        let near = self.right() + self.height.max(next.height) * 3 / 2;
        2 * beside >= self.height.min(next.height) && next.x > self.x && next.x <= near
    }
}

impl Page {
    /// A page of words in any order.
    pub fn new(mut words: Vec<Word>) -> Self {
        words.truncate(MOST);
        words.sort_by_key(|word| (word.area.x, word.area.y));
        let mut lines: Vec<Vec<Word>> = Vec::new();
        for word in words {
            let line =
                lines.iter_mut().find(|line| line.last().is_some_and(|last| last.area.is_followed_by(word.area)));
            match line {
                Some(line) => line.push(word),
                None => lines.push(vec![word]),
            }
        }
        // What is beside a line's beginning comes after it, though it may be a little higher.
        lines.sort_by_key(|line| line[0].area.level());
        let mut rest = &mut lines[..];
        while let Some(first) = rest.first().map(|line| line[0].area) {
            let row = rest.iter().take_while(|line| line[0].area.level() < 2 * first.bottom()).count().max(1);
            let (row, below) = rest.split_at_mut(row);
            row.sort_by_key(|line| line[0].area.x);
            rest = below;
        }
        Self { lines }
    }

    /// The words of tesseract's table, which were read on a picture so many times as large as the screen.
    pub fn words(table: &str, scale: u32) -> Vec<Word> {
        table.lines().filter_map(|row| word(row, scale)).take(MOST).collect()
    }

    /// What two readings of a screen have together: where they meet, the word that is surer. Of the other one's words those
    /// that are mere signs are left out: most are dirt.
    pub fn merged(words: Vec<Word>, mut others: Vec<Word>) -> Vec<Word> {
        others.retain(|word| word.text.contains(char::is_alphanumeric));
        let surest = |one: &Word, of: &[Word]| of.iter().all(|w| w.score <= one.score || !w.area.meets(one.area));
        let mut all: Vec<Word> = words.iter().filter(|word| surest(word, &others)).cloned().collect();
        let new = |other: &Word| !all.iter().any(|word| word.area.meets(other.area));
        let new: Vec<Word> = others.into_iter().filter(new).collect();
        all.extend(new);
        all
    }

    /// The words that a text is in: lines that say nothing else come first, then whole words, then parts of words. Spaces do
    /// not count, nor upper and lower case unless `exact`.
    pub fn find(&self, text: &str, exact: bool) -> Option<Word> {
        let wanted: String = letters(text, exact).collect();
        if wanted.is_empty() {
            return None;
        }
        let matches = self.lines.iter().flat_map(|line| matches(line, &wanted, exact));
        // Of those that are as good, the first.
        matches.min_by_key(|(rank, _)| *rank).map(|(_, words)| joined(words))
    }

    /// Its lines.
    pub fn lines(&self) -> impl Iterator<Item = Word> {
        self.lines.iter().map(|line| joined(line))
    }

    /// Its text, with a line's end after every line.
    pub fn text(&self) -> String {
        self.lines().map(|line| line.text + "\n").collect()
    }
}

/// A row of tesseract's table: level, page, block, paragraph, line, word, left, top, width, height, confidence, text. Rows of
/// level 5 are words.
fn word(row: &str, scale: u32) -> Option<Word> {
    let fields: Vec<&str> = row.splitn(12, '\t').collect();
    let [level, _, _, _, _, _, left, top, width, height, confidence, text] = fields[..] else { return None };
    let confidence: f32 = confidence.parse().ok()?;
    let text = text.trim();
    if level != "5" || text.chars().all(|c| EDGES.contains(c)) || confidence < DIRT {
        return None;
    }
    // No picture has longer sides; so nothing overflows below.
    let pixels = |field: &str| field.parse::<u32>().ok().filter(|&n| n < 1 << 20);
    let (left, top, width, height) = (pixels(left)?, pixels(top)?, pixels(width)?, pixels(height)?);
    let (x, y) = (left / scale, top / scale);
    let (right, bottom) = ((left + width).div_ceil(scale), (top + height).div_ceil(scale));
    let area = Area { x, y, width: right - x, height: bottom - y };
    Some(Word { text: text.into(), area, score: f64::from(confidence.min(100.0)) / 100.0 })
}

/// What counts of a text when it is compared.
fn letters(text: &str, exact: bool) -> impl Iterator<Item = char> {
    let plain = |c: char| match c {
        '‘' | '’' => '\'',
        '“' | '”' => '"',
        '–' | '—' => '-',
        c => c,
    };
    let lower = move |c: char| {
        let same = exact.then_some(c);
        same.into_iter().chain((!exact).then(|| c.to_lowercase()).into_iter().flatten())
    };
    text.chars().filter(|c| !c.is_whitespace()).map(plain).flat_map(lower)
}

/// How well a place fits; the least is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Line,
    Words,
    Parts,
}

/// Where a line has a text: the words that it is in.
fn matches<'a>(line: &'a [Word], wanted: &str, exact: bool) -> Vec<(Rank, &'a [Word])> {
    let mut text = String::new();
    let ends: Vec<usize> = line
        .iter()
        .map(|word| {
            text.extend(letters(&word.text, exact));
            text.len()
        })
        .collect();
    let places = text.match_indices(wanted).map(|(at, _)| at..at + wanted.len());
    places.map(|place| (rank(&text, &ends, &place), words(line, &ends, &place))).collect()
}

/// The words of a line, which end there, that a place is in.
fn words<'a>(line: &'a [Word], ends: &[usize], place: &Range<usize>) -> &'a [Word] {
    let first = ends.partition_point(|&end| end <= place.start);
    let last = ends.partition_point(|&end| end < place.end);
    &line[first..=last]
}

/// A place that has only signs beside it, up to the line's or word's end, fits as well as one that has nothing.
fn rank(text: &str, ends: &[usize], place: &Range<usize>) -> Rank {
    let bare = |range: Range<usize>| !text[range].contains(char::is_alphanumeric);
    let before = ends.iter().rfind(|&&end| end <= place.start).copied().unwrap_or(0);
    let after = ends.iter().find(|&&end| end >= place.end).copied().unwrap_or(text.len());
    if bare(0..place.start) && bare(place.end..text.len()) {
        Rank::Line
    } else if bare(before..place.start) && bare(place.end..after) {
        Rank::Words
    } else {
        Rank::Parts
    }
}

/// Words as one, which is as sure as the least sure of them.
fn joined(words: &[Word]) -> Word {
    let text = words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
    let area = words.iter().map(|word| word.area).reduce(Area::union).expect("a line has a word");
    let score = words.iter().map(|word| word.score).fold(1.0, f64::min);
    Word { text, area, score }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, x: u32, y: u32, width: u32, height: u32) -> Word {
        Word { text: text.into(), area: Area { x, y, width, height }, score: 0.9 }
    }

    /// A page in which the words are not in order.
    fn page() -> Page {
        Page::new(vec![
            said("Back", 556, 1249, 27, 10),
            said("Continue", 628, 1248, 62, 11),
            said("Go", 529, 1249, 22, 10),
            said("Screenshot", 22, 1249, 77, 10),
            said("language:", 76, 89, 64, 13),
            said("a", 64, 92, 8, 7),
            said("Select", 18, 89, 42, 10),
            said("-", 186, 654, 5, 2),
            said("English", 211, 648, 48, 13),
            said("Englisch", 26, 649, 48, 12),
            said("Continue", 18, 140, 60, 10),
            said("later,", 83, 140, 30, 10),
            said("don’t", 118, 140, 30, 10),
            said("reboot", 153, 140, 30, 10),
        ])
    }

    fn at(text: &str) -> Option<(u32, u32, u32, u32)> {
        page().find(text, false).map(|word| (word.area.x, word.area.y, word.area.width, word.area.height))
    }

    #[test]
    fn words_become_lines_from_top_left_to_bottom_right() {
        let text =
            "Select a language:\nContinue later, don’t reboot\nEnglisch\n-\nEnglish\nScreenshot\nGo Back\nContinue\n";
        assert_eq!(page().text(), text);
        assert_eq!(Page::new(vec![]).text(), "");
    }

    #[test]
    fn texts_are_found_however_they_are_spaced() {
        let go_back = Some((529, 1249, 54, 10));
        for text in ["Go Back", "go  back", " goback\n", "GO BACK"] {
            assert_eq!(at(text), go_back, "{text}");
        }
        assert_eq!(at("back"), Some((556, 1249, 27, 10)));
        assert_eq!(at("don't re"), Some((118, 140, 65, 10)));
        for text in ["Go Back Continue", "", " ", "Gone", "ſ"] {
            assert_eq!(at(text), None, "{text}");
        }
        assert_eq!(page().find("go back", true), None);
        assert_eq!(page().find("Go Back", true).unwrap().text, "Go Back");
    }

    #[test]
    fn the_line_that_says_nothing_else_comes_first_then_whole_words() {
        assert_eq!(at("continue"), Some((628, 1248, 62, 11)));
        assert_eq!(at("language"), Some((76, 89, 64, 13)));
        let words = |all: &[(&str, u32)]| Page::new(all.iter().map(|(text, x)| said(text, *x, 10, 30, 10)).collect());
        let page = words(&[("inset", 0), ("reset", 35), ("set", 70), ("İset", 105)]);
        assert_eq!(page.find("set", false).unwrap().area.x, 70);
        assert_eq!(page.find("res", false).unwrap().area.x, 35);
        assert_eq!(page.find("setset", false).unwrap().text, "reset set");
        assert_eq!(page.find("i\u{307}s", false).unwrap().text, "İset");
    }

    #[test]
    fn a_table_of_words_is_read() {
        let table = "level\tpage_num\tblock_num\tpar_num\tline_num\tword_num\tleft\ttop\twidth\theight\tconf\ttext\n\
            4\t1\t1\t1\t1\t0\t10\t20\t300\t40\t-1\t\n\
            5\t1\t1\t1\t1\t1\t11\t21\t100\t40\t96.5\tGo\n\
            5\t1\t1\t1\t1\t2\t111\t21\t100\t40\t3.5\tdirt\n\
            5\t1\t1\t1\t1\t2\t111\t21\t100\t40\t95\t \n\
            5\t1\t1\t1\t1\t2\t111\t21\t100\t40\t95\t[|\n\
            5\t1\t1\t1\t1\t2\t4294967295\t21\t4294967295\t40\t95\tfar\n\
            5\t1\t1\n5\t1\t1\t1\t1\t1\tx\t21\t100\t40\t96.5\tGo\n";
        let words = Page::words(table, 2);
        assert_eq!(words.len(), 1);
        assert_eq!((words[0].text.as_str(), words[0].area), ("Go", Area { x: 5, y: 10, width: 51, height: 21 }));
        assert!((words[0].score - 0.965).abs() < 1e-6);
    }

    #[test]
    fn the_surer_of_two_readings_counts() {
        let sure = |text: &str, x: u32, score: f64| Word { score, ..said(text, x, 0, 30, 10) };
        let one = vec![sure("good", 0, 0.9), sure("bed", 40, 0.3), sure("only", 160, 0.5)];
        let other = vec![sure("gcod", 5, 0.4), sure("bad", 40, 0.8), sure("new", 120, 0.5), sure("|", 155, 0.9)];
        assert_eq!(Page::new(Page::merged(one, other)).text(), "good bad\nnew only\n");
    }
}
