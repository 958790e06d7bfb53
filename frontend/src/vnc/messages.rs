//! What a client says once it is in (RFC 6143 §7.5), read without more memory than a message's fixed part takes.

use std::io::{self, Read};

use super::canvas::Area;
use super::encode::Encoding;
use super::pixels::{FORMAT, Format};

/// The longest text that a client may offer to paste; it is not looked at.
const MOST_TEXT: u32 = 1 << 20;

/// How a client is told of another size of the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resize {
    /// Not at all.
    #[default]
    No,
    /// DesktopSize (§7.8.2).
    Size = -223,
    /// ExtendedDesktopSize (community specification).
    Layout = -308,
}

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub enum Message {
    /// Send pixels so from now on.
    Format(Format),
    /// Send rectangles so from now on, and this of the size.
    Encodings(Encoding, Resize),
    /// Send the next picture.
    Update {
        /// What the client has not seen of it, or all of it?
        incremental: bool,
        /// Of which part.
        area: Area,
    },
    /// Press or release a key.
    Key {
        /// Pressed.
        down: bool,
        /// By the X Window System's symbol for it.
        keysym: u32,
    },
    /// The mouse.
    Pointer {
        /// Whether its left button is down.
        down: bool,
        /// Pixels from the left and from the top.
        at: (u16, u16),
    },
    /// Have the screen be of another size.
    Size,
    /// Nothing that matters to a phone.
    Nothing,
}

/// Why a client is hung up on.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// It has gone, or takes nothing.
    #[error(transparent)]
    Host(#[from] io::Error),
    /// It wants pixels as numbers of colours, or in no way at all.
    #[error("it wants pixels in a format that is not of true colour")]
    Format,
    /// It says nonsense.
    #[error("it sends a message of type {0}, which there is not")]
    Type(u8),
    /// It offers a text.
    #[error("it offers {0} bytes of text")]
    Text(u32),
    /// It did not begin as it should.
    #[error("{0}")]
    Handshake(&'static str),
    /// It cannot be told.
    #[error("the screen has changed its size to {0}x{1}, of which it cannot be told")]
    Size(u32, u32),
}

/// Reads so many bytes.
pub fn bytes<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Reads and forgets bytes.
fn skip(from: &mut impl Read, count: u64) -> io::Result<()> {
    let skipped = io::copy(&mut from.take(count), &mut io::sink())?;
    if skipped == count { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

impl Message {
    /// Reads the next one.
    ///
    /// # Errors
    /// [`Wrong`]; nothing that follows can be understood.
    pub fn read(from: &mut impl Read) -> Result<Self, Wrong> {
        let [kind] = bytes(from)?;
        match kind {
            0 => {
                let [_, _, _, format @ ..] = bytes::<{ 3 + FORMAT }>(from)?;
                Format::read(&format).map(Self::Format).ok_or(Wrong::Format)
            }
            2 => {
                let [_, high, low] = bytes(from)?;
                encodings(from, u16::from_be_bytes([high, low]))
            }
            3 => {
                let [incremental, x1, x0, y1, y0, w1, w0, h1, h0] = bytes(from)?;
                let [x, y, width, height] =
                    [[x1, x0], [y1, y0], [w1, w0], [h1, h0]].map(|side| u16::from_be_bytes(side).into());
                Ok(Self::Update { incremental: incremental != 0, area: Area { x, y, width, height } })
            }
            4 => {
                let [down, _, _, keysym @ ..] = bytes::<7>(from)?;
                Ok(Self::Key { down: down != 0, keysym: u32::from_be_bytes(keysym) })
            }
            5 => {
                let [buttons, x1, x0, y1, y0] = bytes(from)?;
                let at = (u16::from_be_bytes([x1, x0]), u16::from_be_bytes([y1, y0]));
                Ok(Self::Pointer { down: buttons & 1 != 0, at })
            }
            6 => {
                let [_, _, _, length @ ..] = bytes::<7>(from)?;
                match u32::from_be_bytes(length) {
                    length @ 0..=MOST_TEXT => skip(from, length.into())?,
                    length => return Err(Wrong::Text(length)),
                }
                Ok(Self::Nothing)
            }
            // SetDesktopSize (community specification): a size, and screens of 16 bytes each.
            251 => {
                let [_, _, _, _, _, screens, _] = bytes(from)?;
                skip(from, 16 * u64::from(screens))?;
                Ok(Self::Size)
            }
            kind => Err(Wrong::Type(kind)),
        }
    }
}

/// The first encoding that is known here, for the client names the one first that it likes best.
fn encodings(from: &mut impl Read, count: u16) -> Result<Message, Wrong> {
    let (mut first, mut resize) = (None, Resize::No);
    for _ in 0..count {
        let number = i32::from_be_bytes(bytes(from)?);
        first = first.or(Encoding::numbered(number));
        // Who can be told of a layout is told of nothing else.
        resize = match [Resize::Size, Resize::Layout].into_iter().find(|way| *way as i32 == number) {
            Some(way) if resize != Resize::Layout => way,
            _ => resize,
        };
    }
    Ok(Message::Encodings(first.unwrap_or_default(), resize))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut bytes: &[u8]) -> Result<Message, Wrong> {
        let message = Message::read(&mut bytes);
        assert!(message.is_err() || bytes.is_empty(), "{message:?} has {} bytes more", bytes.len());
        message
    }

    fn encodings(numbers: &[i32]) -> Message {
        let mut message = vec![2, 0, 0, numbers.len() as u8];
        message.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
        read(&message).unwrap()
    }

    #[test]
    fn messages_are_read_to_their_end() {
        let format = Format::default();
        assert_eq!(read(&[&[0, 9, 9, 9][..], &format.bytes()].concat()).unwrap(), Message::Format(format));
        let area = Area { x: 1, y: 258, width: 65535, height: 3 };
        let update = Message::Update { incremental: true, area };
        assert_eq!(read(&[3, 1, 0, 1, 1, 2, 255, 255, 0, 3]).unwrap(), update);
        assert_eq!(read(&[4, 1, 0, 0, 0, 0, 0xff, 0x0d]).unwrap(), Message::Key { down: true, keysym: 0xff0d });
        assert_eq!(read(&[5, 0b11, 0, 2, 1, 0]).unwrap(), Message::Pointer { down: true, at: (2, 256) });
        assert_eq!(read(&[5, 0b1000, 0, 2, 1, 0]).unwrap(), Message::Pointer { down: false, at: (2, 256) });
        assert_eq!(read(b"\x06\0\0\0\0\0\0\x05paste").unwrap(), Message::Nothing);
        let mut size = vec![251, 0, 1, 2, 3, 4, 2, 0];
        size.extend([7; 32]);
        assert_eq!(read(&size).unwrap(), Message::Size);
    }

    #[test]
    fn the_encoding_that_a_client_likes_best_is_taken() {
        assert_eq!(encodings(&[]), Message::Encodings(Encoding::Raw, Resize::No));
        assert_eq!(encodings(&[1, 5, 16, 7, 0, -223]), Message::Encodings(Encoding::Zrle, Resize::Size));
        assert_eq!(encodings(&[7, -308, -223, -239]), Message::Encodings(Encoding::Tight, Resize::Layout));
        assert_eq!(encodings(&[-223, -308, i32::MIN, 0, 7]), Message::Encodings(Encoding::Raw, Resize::Layout));
    }

    #[test]
    fn what_is_no_message_ends_at_once() {
        assert!(matches!(read(&[6, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]), Err(Wrong::Text(u32::MAX))));
        assert!(matches!(read(&[6, 0, 0, 0, 0, 0x10, 0, 1]), Err(Wrong::Text(_))));
        assert!(matches!(read(&[0; 20]), Err(Wrong::Format)));
        for kind in (0..=255).filter(|kind| ![0, 2, 3, 4, 5, 6, 251].contains(kind)) {
            assert!(matches!(read(&[kind; 64]), Err(Wrong::Type(it)) if it == kind));
        }
    }

    #[test]
    fn messages_may_end_anywhere() {
        let mut size = vec![251, 0, 0, 0, 0, 0, 1, 0];
        size.extend([0; 16]);
        let whole: [&[u8]; 6] = [
            &[&[0, 0, 0, 0][..], &Format::default().bytes()].concat(),
            &[2, 0, 0, 1, 0, 0, 0, 7],
            &[3, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            &[4, 0, 0, 0, 0, 0, 0, 0],
            b"\x06\0\0\0\0\0\0\x02ab",
            &size,
        ];
        for message in whole {
            read(message).unwrap();
            for end in 0..message.len() {
                assert!(matches!(read(&message[..end]), Err(Wrong::Host(_))), "{message:?} to {end}");
            }
        }
    }
}
