//! Ctrl-A on the serial console: the next key is for Handset.

const CTRL_A: u8 = 1;

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// For the guest.
    Bytes(Vec<u8>),
    /// Ctrl-A x.
    Quit,
    /// Ctrl-A p.
    PowerKey,
}

/// Whether the last key was a Ctrl-A.
#[derive(Debug, Default)]
pub struct Escape {
    pending: bool,
}

impl Escape {
    /// Divides what was typed. A Ctrl-A before another key than these goes to the guest with it.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Typed> {
        let (mut typed, mut plain) = (vec![], vec![]);
        for &byte in bytes {
            if !std::mem::take(&mut self.pending) {
                match byte {
                    CTRL_A => self.pending = true,
                    _ => plain.push(byte),
                }
                continue;
            }
            let command = match byte {
                b'x' | b'X' => Typed::Quit,
                b'p' | b'P' => Typed::PowerKey,
                CTRL_A | b'a' => {
                    plain.push(CTRL_A);
                    continue;
                }
                _ => {
                    plain.extend([CTRL_A, byte]);
                    continue;
                }
            };
            if !plain.is_empty() {
                typed.push(Typed::Bytes(std::mem::take(&mut plain)));
            }
            typed.push(command);
        }
        if !plain.is_empty() {
            typed.push(Typed::Bytes(plain));
        }
        typed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_may_come_in_pieces() {
        let mut escape = Escape::default();
        assert_eq!(escape.take(b"ls\r\x01"), [Typed::Bytes(b"ls\r".to_vec())]);
        assert_eq!(escape.take(b"xy"), [Typed::Quit, Typed::Bytes(b"y".to_vec())]);
        assert_eq!(escape.take(b"x"), [Typed::Bytes(b"x".to_vec())]);
    }

    #[test]
    fn what_is_no_command_goes_to_the_guest() {
        let mut escape = Escape::default();
        assert_eq!(escape.take(b"\x01\x01\x01aq\x01q\x03"), [Typed::Bytes(b"\x01\x01q\x01q\x03".to_vec())]);
        assert_eq!(escape.take(b"\x01p"), [Typed::PowerKey]);
    }
}
