//! What is kept of a unit.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::super::moving::Spot;
use super::super::site::Site;

/// A unit, translated for one spot: small things first, then pieces of bytes.
#[derive(Debug)]
pub(in super::super) struct Record<'a> {
    pub facts: Facts,
    /// What was read to form it; see [`Words`].
    pub words: &'a [u8],
    /// [`Fields`](super::super::moving::Fields) of its code.
    pub fields: &'a [u8],
    /// Host code, not linked.
    pub code: &'a [u8],
    pub sites: Cow<'a, [Site]>,
}

/// What is known of a unit.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(in super::super) struct Facts {
    /// [`Context::bits`](crate::ir::Context::bits).
    pub context: u32,
    /// Where it was put.
    pub spot: Spot,
    /// Where it stands in its page, in bytes: its beginning, and behind its end.
    pub range: (u16, u16),
    /// Guest instructions.
    pub instructions: u32,
}

/// Instructions that were read, in their order: each one's offset in its page and its word, in six bytes.
#[derive(Debug, Clone, Default)]
pub struct Words(Vec<u8>);

impl Words {
    /// Forgets them all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds one.
    pub fn add(&mut self, offset: u16, word: u32) {
        self.0.extend((u64::from(word) << 16 | u64::from(offset)).to_le_bytes().into_iter().take(WORD));
    }

    /// For a [`Record`].
    pub(in super::super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

const WORD: usize = 6;

impl<'a> Record<'a> {
    /// Appends it.
    pub fn write(&self, to: &mut Vec<u8>) {
        let Self { facts, words, fields, code, sites } = self;
        *to = postcard::to_extend(facts, std::mem::take(to)).expect("memory takes all");
        for piece in [words, fields, code] {
            to.extend((piece.len() as u32).to_le_bytes());
            to.extend(*piece);
        }
        *to = postcard::to_extend(sites, std::mem::take(to)).expect("memory takes all");
    }

    /// Reads what [`Record::write`] wrote; none for anything else.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (facts, mut rest) = postcard::take_from_bytes(bytes).ok()?;
        let mut piece = || {
            let (len, behind) = rest.split_first_chunk()?;
            let piece;
            (piece, rest) = behind.split_at_checked(u32::from_le_bytes(*len) as usize)?;
            Some(piece)
        };
        let (words, fields, code) = (piece()?, piece()?, piece()?);
        Some(Self { facts, words, fields, code, sites: postcard::from_bytes(rest).ok()? })
    }

    /// Whether it is the translation of what is there now, by a page offset's word.
    pub fn is_of(&self, context: u32, word: impl Fn(u16) -> u32) -> bool {
        let there = |&[o0, o1, w0, w1, w2, w3]: &[u8; WORD]| {
            word(u16::from_le_bytes([o0, o1])) == u32::from_le_bytes([w0, w1, w2, w3])
        };
        self.facts.context == context && self.words.as_chunks().0.iter().all(there)
    }
}
