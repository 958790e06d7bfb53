//! Encoding patterns: 32 bits, most significant first, as tokens: runs of `0`, `1` and `x` (ignored), `name` for a
//! field of one bit, `name:N` for one of N bits.

/// Where a field stands in the word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field {
    /// Lowest bit.
    pub low: u32,
    /// Bits.
    pub width: u32,
}

impl Field {
    /// The field's value.
    #[must_use]
    pub const fn of(self, word: u32) -> u32 {
        (word >> self.low) & (u32::MAX >> (32 - self.width))
    }
}

/// A parsed pattern.
#[derive(Debug, Clone, Copy)]
pub struct Pattern {
    text: &'static str,
    /// Bits that the pattern fixes.
    pub mask: u32,
    /// Their values.
    pub value: u32,
}

const fn is_name(c: u8) -> bool {
    c.is_ascii_alphabetic() && c != b'x' || c == b'_'
}

impl Pattern {
    /// Parses a pattern; fails to compile in a constant when it is not 32 bits long.
    #[must_use]
    pub const fn parse(text: &'static str) -> Self {
        let (mut mask, mut value, mut bits) = (0u32, 0u32, 0u32);
        let mut at = 0;
        while at < text.len() {
            let token = Token::next(text.as_bytes(), at);
            at = token.next;
            if token.width == 0 {
                continue;
            }
            bits += token.width;
            assert!(bits <= 32, "the pattern has more than 32 bits");
            if let Some(bit) = token.fixed {
                mask |= 1 << (32 - bits);
                value |= bit << (32 - bits);
            }
        }
        assert!(bits == 32, "the pattern has fewer than 32 bits");
        Self { text, mask, value }
    }

    /// The field of that name, if there is one.
    #[must_use]
    pub const fn find(&self, name: &str) -> Option<Field> {
        let (text, mut at, mut bits) = (self.text.as_bytes(), 0, 0);
        while at < text.len() {
            let token = Token::next(text, at);
            bits += token.width;
            if token.name_len > 0 && same(text, at, token.name_len, name.as_bytes()) {
                return Some(Field { low: 32 - bits, width: token.width });
            }
            at = token.next;
        }
        None
    }

    /// The field of that name; fails to compile in a constant when there is none.
    #[must_use]
    pub const fn field(&self, name: &str) -> Field {
        match self.find(name) {
            Some(field) => field,
            None => panic!("the pattern has no field of that name"),
        }
    }
}

struct Token {
    width: u32,
    fixed: Option<u32>,
    name_len: usize,
    next: usize,
}

impl Token {
    const fn next(text: &[u8], at: usize) -> Self {
        let c = text[at];
        if c == b' ' {
            return Self { width: 0, fixed: None, name_len: 0, next: at + 1 };
        }
        if c == b'0' || c == b'1' {
            return Self { width: 1, fixed: Some((c - b'0') as u32), name_len: 0, next: at + 1 };
        }
        if c == b'x' {
            return Self { width: 1, fixed: None, name_len: 0, next: at + 1 };
        }
        assert!(is_name(c), "a token is bits, a name or name:width");
        let mut end = at;
        while end < text.len() && text[end] != b' ' && text[end] != b':' {
            end += 1;
        }
        let name_len = end - at;
        let mut width = 1;
        if end < text.len() && text[end] == b':' {
            width = 0;
            end += 1;
            while end < text.len() && text[end] != b' ' {
                width = width * 10 + (text[end] - b'0') as u32;
                end += 1;
            }
        }
        assert!(width > 0 && width < 32, "a field has 1 to 31 bits");
        Self { width, fixed: None, name_len, next: end }
    }
}

const fn same(text: &[u8], at: usize, len: usize, name: &[u8]) -> bool {
    if len != name.len() {
        return false;
    }
    let mut i = 0;
    while i < len {
        if text[at + i] != name[i] {
            return false;
        }
        i += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_gives_mask_value_and_fields() {
        const P: Pattern = Pattern::parse("sf 0 0 100010 sh imm12:12 rn:5 rd:5");
        assert_eq!((P.mask, P.value), (0x7f80_0000, 0x1100_0000));
        assert_eq!(P.field("imm12"), Field { low: 10, width: 12 });
        assert_eq!(P.field("sf").of(0x9100_0000), 1);
        assert_eq!(P.find("imm"), None);
    }
}
