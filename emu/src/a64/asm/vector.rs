//! Operands of vector instructions. «Size» is the base-2 logarithm of an element's bytes, and comes from the field:
//! the field itself of two bits, the highest set bit of immh:immb, the lowest of imm5, or 0 for `q`.
//!
//! | kind | prints |
//! |---|---|
//! | `arr` `pair` `wide` | arrangement by size and `q`; of twice the size; of twice the size in a whole register |
//! | `arr16` `arr32` `arr64` | arrangement of that size by `q` |
//! | `v2d` | two doublewords of a register, or one, by `q` |
//! | `el` `elw` | the letter of the size; of twice the size |
//! | `bits` | bits of an element |
//! | `two` | `2` when set |
//! | `element` | register and index of a multiplication by an element |
//! | `shr` `shl` | amount of a shift in immh:immb |
//! | `lane` | the element's number in imm5 or imm4 |
//! | `gp` `gp5` | general register: by `q`, by `imm5` |
//! | `imm64` `fp8` | immediate of MOVI to 64 bits, of FMOV |
//! | `table` | registers of a table |
//! | `structs` `list` | of multiple structures: elements of one, registers |
//! | `struct` `lanes` `all` | of a single structure: registers' count, list with lane, list of whole registers |
//! | `post` | what post-indexing adds |

use super::{Operand, register};

const LETTERS: [&str; 5] = ["b", "h", "s", "d", "q"];

fn arrangement(size: u32, bytes: u32) -> String {
    format!("{}{}", bytes >> size, LETTERS[size as usize & 3])
}

fn list(first: u32, count: u32, suffix: &str) -> String {
    let names: Vec<_> = (0..count).map(|i| format!("v{}.{suffix}", (first + i) % 32)).collect();
    format!("{{{}}}", names.join(", "))
}

/// Registers and elements of multiple structures.
fn multiple(opcode: u32) -> (u32, u32) {
    match opcode {
        0b0000 => (4, 4),
        0b0010 => (4, 1),
        0b0100 => (3, 3),
        0b0110 => (3, 1),
        0b1000 => (2, 2),
        0b1010 => (2, 1),
        _ => (1, 1),
    }
}

impl Operand<'_> {
    pub(super) fn vector(&self, kind: &str, n: u32, width: u32) -> Option<String> {
        let bytes = 8 << self.field("q").unwrap_or(1);
        let size = match width {
            1 => 0,
            2 => n,
            5 => n.trailing_zeros(),
            6 => 3,
            _ => (n >> 3).checked_ilog2().unwrap_or(0),
        }
        .min(3);
        Some(match kind {
            "arr" => arrangement(size, bytes),
            "pair" => arrangement(size + 1, bytes),
            "wide" => arrangement(size + 1, 16),
            "arr16" => arrangement(1, bytes),
            "arr32" => arrangement(2, bytes),
            "arr64" => arrangement(3, bytes),
            "v2d" => {
                if bytes == 16 {
                    format!("v{n}.2d")
                } else {
                    format!("d{n}")
                }
            }
            "el" => LETTERS[size as usize].to_owned(),
            "elw" => LETTERS[size as usize + 1].to_owned(),
            "bits" => (8 << size).to_string(),
            "two" => if n == 1 { "2" } else { "" }.to_owned(),
            "element" => {
                let [h, l, m, rm] = [self.field("h")?, self.field("l")?, self.field("m")?, self.field("rm")?];
                match self.field("size").unwrap_or(2) {
                    1 => format!("v{rm}.h[{}]", h << 2 | l << 1 | m),
                    _ if self.field("size").is_none() => format!("v{}.4b[{}]", m << 4 | rm, h << 1 | l),
                    _ => format!("v{}.s[{}]", m << 4 | rm, h << 1 | l),
                }
            }
            "shr" if width == 6 => (64 - n).to_string(),
            "shr" => ((16 << size) - n.max(8)).to_string(),
            "shl" if width == 6 => n.to_string(),
            "shl" => (n.max(8) - (8 << size)).to_string(),
            "lane" if width == 4 => (n >> self.field("imm5")?.trailing_zeros().min(3)).to_string(),
            "lane" => (n >> (size + 1)).to_string(),
            "gp" => register(self.field("q").unwrap_or_default() == 1, false, n),
            "gp5" => register(self.field("imm5")? & 15 == 8, false, n),
            "imm64" => {
                let bytes: [u8; 8] = std::array::from_fn(|i| if n >> i & 1 != 0 { 0xff } else { 0 });
                format!("0x{:016x}", u64::from_le_bytes(bytes))
            }
            "fp8" => {
                let exponent = (n >> 4 & 7 ^ 4) as i32 - 3;
                let value = f64::from(16 + (n & 15)) / 16.0 * f64::from(exponent).exp2();
                format!("{:.8}", if n & 0x80 != 0 { -value } else { value })
            }
            "table" => list(n, self.field("len")? + 1, "16b"),
            "structs" => multiple(n).1.to_string(),
            "list" => list(n, multiple(self.field("opcode")?).0, &arrangement(self.field("size")?, bytes)),
            "struct" => (self.structure()? + 1).to_string(),
            "lanes" => {
                let (size, lane) = self.lane()?;
                format!("{}[{lane}]", list(n, self.structure()? + 1, LETTERS[size as usize]))
            }
            "all" => list(n, self.structure()? + 1, &arrangement(self.field("size")?, bytes)),
            "post" if n < 31 => register(true, false, n),
            "post" => format!("#{}", self.moved(bytes)?),
            _ => return self.float(kind, n),
        })
    }

    /// Registers of a single structure, less one.
    fn structure(&self) -> Option<u32> {
        Some(self.field("r2")? << 1 | self.field("r")?)
    }

    /// Size and number of the lane of a single structure.
    fn lane(&self) -> Option<(u32, u32)> {
        let (scale, size) = (self.field("opcode")?, self.field("size")?);
        let index = self.field("q")? << 3 | self.field("s")? << 2 | size;
        let size = if scale == 2 { 2 + (size & 1) } else { scale };
        Some((size, index >> size))
    }

    /// Bytes that structures move.
    fn moved(&self, register: u32) -> Option<u32> {
        match (self.field("r2"), self.field("opcode")) {
            (None, Some(opcode)) => Some(register * multiple(opcode).0),
            (Some(_), None) => Some((self.structure()? + 1) << self.field("size")?),
            _ => Some((self.structure()? + 1) << self.lane()?.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::a64::asm::disassemble;

    #[test]
    fn vector_operands_expand() {
        for (word, text) in [
            (0x4ea2_8420, "add v0.4s, v1.4s, v2.4s"),
            (0x0f08_a420, "sshll v0.8h, v1.8b, #0"),
            (0x2f3f_0420, "ushr v0.2s, v1.2s, #1"),
            (0x6f62_d820, "sqrdmlah v0.8h, v1.8h, v2.h[6]"),
            (0x4c9f_8c20, "st2 {v0.2d, v1.2d}, [x1], #32"),
            (0x4d40_c420, "ld1r {v0.8h}, [x1]"),
            (0x4d60_7020, "ld4 {v0.h, v1.h, v2.h, v3.h}[6], [x1]"),
            (0x4e18_3c20, "umov x0, v1.d[1]"),
            (0x4f03_f600, "fmov v0.4s, #1.00000000"),
            (0x6f00_e7e0, "movi v0.2d, #0x000000ffffffffff"),
        ] {
            assert_eq!(disassemble(word, 0), text);
        }
    }
}
