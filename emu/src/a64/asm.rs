//! Assembly text of a word, from its row's template.
//!
//! A template is text with `{field}` (decimal) and `{field|kind}`, where kind is one of
//! `x w r` (general register; `r` by the field `sf`), `xsp wsp rsp` (31 is the stack pointer),
//! `b h s d q` (scalar FP register), `v` (vector register, bare), `hex`, `cond`, and
//! `pc` (signed word offset from the instruction). A field that the pattern lacks prints as itself.

use super::{decode, table::Row};

/// The text of the word at address `pc`; `.inst 0x…` when it is unallocated.
#[must_use]
pub fn disassemble(word: u32, pc: u64) -> String {
    match decode(word) {
        Some(row) => expand(row, word, pc),
        None => format!(".inst 0x{word:08x}"),
    }
}

const CONDS: [&str; 16] =
    ["eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "al", "nv"];

fn register(kind: &str, n: u32, wide: bool) -> String {
    let (letter, stack) = match kind {
        "x" => ("x", false),
        "w" => ("w", false),
        "r" => (if wide { "x" } else { "w" }, false),
        "xsp" => ("x", true),
        "wsp" => ("w", true),
        _ => (if wide { "x" } else { "w" }, true),
    };
    match (n, stack) {
        (31, true) => if letter == "x" { "sp" } else { "wsp" }.to_owned(),
        (31, false) => format!("{letter}zr"),
        _ => format!("{letter}{n}"),
    }
}

fn expand(row: &Row, word: u32, pc: u64) -> String {
    let wide = row.pattern.find("sf").is_none_or(|f| f.of(word) == 1);
    let mut out = String::new();
    let mut rest = row.asm;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        let Some(len) = rest[open..].find('}') else { break };
        let (name, kind) = {
            let inner = &rest[open + 1..open + len];
            inner.split_once('|').unwrap_or((inner, ""))
        };
        rest = &rest[open + len + 1..];
        let Some(field) = row.pattern.find(name) else {
            out.push_str(name);
            continue;
        };
        let n = field.of(word);
        out.push_str(&match kind {
            "x" | "w" | "r" | "xsp" | "wsp" | "rsp" => register(kind, n, wide),
            "b" | "h" | "s" | "d" | "q" | "v" => format!("{kind}{n}"),
            "hex" => format!("0x{n:x}"),
            "cond" => CONDS[n as usize & 15].to_owned(),
            "pc" => {
                let shift = 32 - field.width;
                let offset = i64::from((n << shift) as i32 >> shift) * 4;
                format!("0x{:x}", pc.wrapping_add(offset as u64))
            }
            _ => n.to_string(),
        });
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_expand() {
        assert_eq!(disassemble(0x9100_43ff, 0), "add sp, sp, #16, lsl #0");
        assert_eq!(disassemble(0xffff_ffff, 0), ".inst 0xffffffff");
    }
}
