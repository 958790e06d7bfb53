//! Assembly text of a word, from its row's template.
//!
//! A template is text with `{field}` (decimal) and `{field|kind}`; `{high:low|kind}` joins fields. A field that the
//! pattern lacks prints as itself. Aliases (MOV, CMP, LSL …) are not chosen: the text names the row. Kinds:
//!
//! | kind | prints |
//! |---|---|
//! | `x` `w` `r` | general register; `r` by the field `sf`, X where there is none |
//! | `xsp` `wsp` `rsp` | the same, where 31 is the stack pointer |
//! | `rsize` `rbit` | X when the field `size` is 3, or 1; else W |
//! | `rext` `rextend` | the index register of an extension: by `option` (or `sf`), or by `opt0` |
//! | `rnext` | the register after |
//! | `b` `h` `s` `d` `q` `v` | SIMD and floating-point register; `v` bare |
//! | `fpsize` `fpd` | such a register by the field `size` (B, H, S, D), or `d` (S, D) |
//! | `suffix` `bhwx` | size of an access: `b`, `h`, none, none; `b`, `h`, `w`, `x` |
//! | `a` `l` | the letter when set |
//! | `hex` `signed` `*N` `*N<<f` | number; the last two scale, the last also by field `f`; `signed*N` and so on too |
//! | `cond` `shift` `extend` `memextend` | their names |
//! | `scaled` `scaled16` | ` #log2(size)` of an index when set |
//! | `lsl12` | `, lsl #12` when set |
//! | `bitmask` | logical immediate N:immr:imms |
//! | `sysreg` | `s3_0_c1_c0_0` |
//! | `pc` `adr` `adrp` | an address at a signed distance in words, bytes or pages |
//!
//! and those of `vector` and `float`.

mod float;
mod vector;

use super::insn::data_imm::bitmask;
use super::{Pattern, decode, table::Row};
use crate::ir::SysEnc;

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
const SHIFTS: [&str; 4] = ["lsl", "lsr", "asr", "ror"];
const EXTENDS: [&str; 8] = ["uxtb", "uxth", "uxtw", "uxtx", "sxtb", "sxth", "sxtw", "sxtx"];
const MEM_EXTENDS: [&str; 4] = ["uxtw", "lsl", "sxtw", "sxtx"];

fn expand(row: &Row, word: u32, pc: u64) -> String {
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
        match (Operand { pattern: &row.pattern, word, pc }).text(name, kind) {
            Some(text) => out.push_str(&text),
            None => out.push_str(name),
        }
    }
    out.push_str(rest);
    out
}

struct Operand<'a> {
    pattern: &'a Pattern,
    word: u32,
    pc: u64,
}

impl Operand<'_> {
    fn field(&self, name: &str) -> Option<u32> {
        self.pattern.find(name).map(|field| field.of(self.word))
    }

    /// The joined fields, and how many bits they have.
    fn joined(&self, names: &str) -> Option<(u32, u32)> {
        names.split(':').try_fold((0, 0), |(value, width), name| {
            let field = self.pattern.find(name)?;
            Some((value << field.width | field.of(self.word), width + field.width))
        })
    }

    fn text(&self, names: &str, kind: &str) -> Option<String> {
        let (n, width) = self.joined(names)?;
        let signed = i64::from((n << (32 - width)) as i32 >> (32 - width));
        let is = |name: &str, value: u32| self.field(name).is_none_or(|f| f == value);
        let wide = is("sf", 1);
        Some(match kind {
            "" => n.to_string(),
            "x" => register(true, false, n),
            "w" => register(false, false, n),
            "r" => register(wide, false, n),
            "xsp" => register(true, true, n),
            "wsp" => register(false, true, n),
            "rsp" => register(wide, true, n),
            "rsize" => register(is("size", 3), false, n),
            "rbit" => register(is("size", 1), false, n),
            "rnext" => register(wide, false, n + 1),
            "rext" => register(wide && self.field("option")? & 3 == 3, false, n),
            "rextend" => register(is("opt0", 1), false, n),
            "b" | "h" | "s" | "d" | "q" | "v" => format!("{kind}{n}"),
            "fpsize" => format!("{}{n}", ["b", "h", "s", "d"][self.field("size")? as usize]),
            "fpd" => format!("{}{n}", ["s", "d"][self.field("d")? as usize]),
            "suffix" => ["b", "h", "", ""][n as usize & 3].to_owned(),
            "bhwx" => ["b", "h", "w", "x"][n as usize & 3].to_owned(),
            "a" | "l" => if n == 1 { kind } else { "" }.to_owned(),
            "hex" => format!("0x{n:x}"),
            "cond" => CONDS[n as usize & 15].to_owned(),
            "shift" => SHIFTS[n as usize & 3].to_owned(),
            "extend" => EXTENDS[n as usize & 7].to_owned(),
            "memextend" => MEM_EXTENDS[n as usize & 3].to_owned(),
            "scaled" | "scaled16" if n == 0 => " #0".to_owned(),
            "scaled" => format!(" #{}", self.field("size").unwrap_or(3)),
            "scaled16" => " #4".to_owned(),
            "lsl12" => if n == 1 { ", lsl #12" } else { "" }.to_owned(),
            "bitmask" => match bitmask(u32::from(wide), n >> 12, n >> 6 & 63, n & 63) {
                Some(mask) => format!("0x{mask:x}"),
                None => "reserved".to_owned(),
            },
            "sysreg" => {
                let (op0, op1, crn, crm, op2) = SysEnc(1 << 15 | n as u16).parts();
                format!("s{op0}_{op1}_c{crn}_c{crm}_{op2}")
            }
            "pc" => self.address(self.pc, signed * 4),
            "adr" => self.address(self.pc, signed),
            "adrp" => self.address(self.pc & !0xfff, signed << 12),
            _ if !kind.starts_with('*') && !kind.starts_with("signed") => self.vector(kind, n, width)?,
            _ => {
                let (value, scale) = match kind.strip_prefix("signed") {
                    Some(scale) => (signed, scale),
                    None => (i64::from(n), kind),
                };
                let (factor, by) = scale.split_once("<<").unwrap_or((scale, ""));
                let factor: i64 = factor.strip_prefix('*').map_or(Some(1), |f| f.parse().ok())?;
                ((value * factor) << if by.is_empty() { 0 } else { self.field(by)? }).to_string()
            }
        })
    }

    fn address(&self, base: u64, offset: i64) -> String {
        format!("0x{:x}", base.wrapping_add(offset as u64))
    }
}

fn register(wide: bool, stack: bool, n: u32) -> String {
    let letter = if wide { "x" } else { "w" };
    match (n, stack, wide) {
        (31, true, true) => "sp".to_owned(),
        (31, true, false) => "wsp".to_owned(),
        (31.., _, _) => format!("{letter}zr"),
        _ => format!("{letter}{n}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_expand() {
        assert_eq!(disassemble(0x9100_43ff, 0), "add sp, sp, #16");
        assert_eq!(disassemble(0xffff_ffff, 0), ".inst 0xffffffff");
        assert_eq!(disassemble(0xa9bf_7bfd, 0), "stp x29, x30, [sp, #-16]!");
        assert_eq!(disassemble(0x9000_0001, 0x1234), "adrp x1, 0x1000");
        assert_eq!(disassemble(0x17ff_ffff, 0x1000), "b 0xffc");
        assert_eq!(disassemble(0xf862_7820, 0), "ldr x0, [x1, x2, lsl #3]");
        assert_eq!(disassemble(0x1200_1c20, 0), "and w0, w1, #0xff");
        assert_eq!(disassemble(0xd538_1000, 0), "mrs x0, s3_0_c1_c0_0");
        assert_eq!(disassemble(0xc8df_fc20, 0), "ldar x0, [x1]");
    }
}
