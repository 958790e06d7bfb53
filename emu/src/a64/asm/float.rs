//! Operands of floating-point instructions. The format comes from `ftype` (S, D, –, H), or of S and D from `sz`.
//!
//! | kind | prints |
//! |---|---|
//! | `fp` `fps` | register by `ftype`; by `sz` |
//! | `farr` | arrangement by `sz` and `q` |
//! | `fel` | the letter of `sz` |
//! | `ffrom` `fto` | arrangement of the narrower lanes by `sz` and `q`; of the wider ones |
//! | `felement` | register and index of a multiplication by an element |
//! | `fpair` | index of a complex number in h:l |
//! | `from64` | 64 less the number |
//! | `rot` `rot90` | a rotation, in degrees |

use super::Operand;

impl Operand<'_> {
    pub(super) fn float(&self, kind: &str, n: u32) -> Option<String> {
        let sz = self.field("sz").unwrap_or(0) as usize;
        let double_width = self.field("q").unwrap_or(1) == 1;
        let by_width = |narrow: &str, wide: &str| if double_width { wide } else { narrow }.to_owned();
        Some(match kind {
            "fp" => format!("{}{n}", ["s", "d", "?", "h"][self.field("ftype")? as usize]),
            "fps" => format!("{}{n}", ["s", "d"][sz]),
            "farr" if sz == 1 => by_width("1d", "2d"),
            "farr" => by_width("2s", "4s"),
            "fel" => ["s", "d"][sz].to_owned(),
            "ffrom" if sz == 1 => by_width("2s", "4s"),
            "ffrom" => by_width("4h", "8h"),
            "fto" => ["4s", "2d"][sz].to_owned(),
            "felement" => {
                let [h, l, m, rm] = [self.field("h")?, self.field("l")?, self.field("m")?, self.field("rm")?];
                match self.field("size").unwrap_or(2 + sz as u32) {
                    0 | 1 => format!("v{rm}.h[{}]", h << 2 | l << 1 | m),
                    2 => format!("v{}.s[{}]", m << 4 | rm, h << 1 | l),
                    _ => format!("v{}.d[{h}]", m << 4 | rm),
                }
            }
            "fpair" if self.field("size")? == 2 => self.field("h")?.to_string(),
            "fpair" => n.to_string(),
            "from64" => (64 - n).to_string(),
            "rot" => (90 * n).to_string(),
            "rot90" => (90 + 180 * n).to_string(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::a64::asm::disassemble;

    #[test]
    fn floating_point_operands_expand() {
        for (word, text) in [
            (0x1e62_2820, "fadd d0, d1, d2"),
            (0x1ee2_2820, "fadd h0, h1, h2"),
            (0x1e22_c020, "fcvt d0, s1"),
            (0x1e6e_1000, "fmov d0, #1.00000000"),
            (0x9e42_f020, "scvtf d0, x1, #4"),
            (0x6f96_1a42, "fcmla v2.4s, v18.4s, v22.s[1], #0"),
        ] {
            assert_eq!(disassemble(word, 0), text);
        }
    }
}
