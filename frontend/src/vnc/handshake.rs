//! How a client comes in (RFC 6143 §7.1–7.3): versions, the password, and what it is told of the screen.

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use des::Des;
use des::cipher::{BlockCipherEncrypt, KeyInit};

use super::messages::{Wrong, bytes};
use super::pixels::Format;

const VERSION: &[u8; 12] = b"RFB 003.008\n";
/// Security types (§8.1.2).
const NONE: u8 = 1;
const VNC: u8 = 2;
/// Bytes of a password, and of a block of DES.
const BLOCK: usize = 8;
/// How long who guesses has to wait for the next guess.
const PENALTY: Duration = Duration::from_secs(1);

/// A random question, to be answered by who knows the password.
pub type Challenge = [u8; 2 * BLOCK];

/// A password.
#[derive(Clone)]
pub struct Password(Des);

impl Password {
    /// One of 1 to 8 bytes, as DES takes no more.
    pub fn new(text: &[u8]) -> Option<Self> {
        let mut key = [0; BLOCK];
        key.get_mut(..text.len()).filter(|_| !text.is_empty())?.copy_from_slice(text);
        // VNC has a byte's bits the other way round (RFC 6143's erratum 4951).
        Some(Self(Des::new(&key.map(u8::reverse_bits).into())))
    }

    /// The right answer (§7.2.2).
    fn answer(&self, challenge: Challenge) -> Challenge {
        let mut answer = challenge;
        for block in answer.as_chunks_mut::<BLOCK>().0 {
            let mut encrypted = (*block).into();
            self.0.encrypt_block(&mut encrypted);
            *block = encrypted.into();
        }
        answer
    }

    /// Whether an answer is right, in a time that does not say how much of it is.
    fn fits(&self, challenge: Challenge, answer: Challenge) -> bool {
        self.answer(challenge).iter().zip(answer).fold(0, |all, (right, it)| all | (right ^ it)) == 0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password")
    }
}

/// Lets a client in that knows the password, if there is one and it is asked by a challenge.
///
/// # Errors
/// Why it is not let in.
pub fn welcome(
    client: &mut (impl Read + Write),
    password: Option<(&Password, Challenge)>,
    size: (u16, u16),
    title: &str,
) -> Result<(), Wrong> {
    client.write_all(VERSION)?;
    let minor = minor(&bytes(client)?).ok_or(Wrong::Handshake("it speaks another protocol"))?;
    let kind = if password.is_some() { VNC } else { NONE };
    if minor == 3 {
        client.write_all(&[0, 0, 0, kind])?;
    } else {
        client.write_all(&[1, kind])?;
        if bytes(client)? != [kind] {
            return refuse(client, minor, "it chooses a security that was not offered");
        }
    }
    if let Some((password, challenge)) = password {
        client.write_all(&challenge)?;
        if !password.fits(challenge, bytes(client)?) {
            thread::sleep(PENALTY);
            return refuse(client, minor, "the password is wrong");
        }
    }
    if password.is_some() || minor == 8 {
        client.write_all(&[0; 4])?;
    }
    // Whether it would like to be alone; it never is.
    let [_shared] = bytes(client)?;
    let mut init = Vec::new();
    init.extend([size.0, size.1].map(u16::to_be_bytes).as_flattened());
    init.extend(Format::default().bytes());
    init.extend((title.len() as u32).to_be_bytes());
    init.extend(title.as_bytes());
    Ok(client.write_all(&init)?)
}

/// Says that a client may not come in; until version 3.8, why is not said.
fn refuse(client: &mut impl Write, minor: u8, why: &'static str) -> Result<(), Wrong> {
    client.write_all(&[0, 0, 0, 1])?;
    if minor == 8 {
        client.write_all(&(why.len() as u32).to_be_bytes())?;
        client.write_all(why.as_bytes())?;
    }
    Err(Wrong::Handshake(why))
}

/// The version that is spoken with a client of some version 3: 3.3, 3.7 or 3.8 (§7.1.1).
fn minor(version: &[u8; 12]) -> Option<u8> {
    let minor = version.strip_prefix(b"RFB 003.")?.strip_suffix(b"\n")?;
    match std::str::from_utf8(minor).ok()?.parse::<u16>().ok()? {
        7 => Some(7),
        8.. => Some(8),
        _ => Some(3),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// What a client has to say, and what it is told.
    struct Client<'a>(&'a [u8], Vec<u8>);

    impl Read for Client<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            self.0.read(to)
        }
    }

    impl Write for Client<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn come(says: &[u8], password: Option<(&Password, Challenge)>) -> (Result<(), Wrong>, Vec<u8>) {
        let mut client = Client(says, vec![]);
        let let_in = welcome(&mut client, password, (720, 1280), "Demo");
        (let_in, client.1)
    }

    fn init() -> Vec<u8> {
        [&[2, 0xd0, 5, 0, 32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0, 0, 0, 0, 4][..], b"Demo"].concat()
    }

    /// The key of the example that DES is most often shown by, 133457799BBCDFF1, with its bits the other way round.
    const KEY: [u8; 8] = [0xc8, 0x2c, 0xea, 0x9e, 0xd9, 0x3d, 0xfb, 0x8f];
    const PLAIN: [u8; 8] = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
    const CIPHER: [u8; 8] = [0x85, 0xe8, 0x13, 0x54, 0x0f, 0x0a, 0xb4, 0x05];

    fn twice(block: [u8; 8]) -> Challenge {
        [block, block].concat().try_into().unwrap()
    }

    #[test]
    fn each_version_is_spoken_without_a_password() {
        for (version, chooses, security) in [
            ("003", &[][..], &[0, 0, 0, 1][..]),
            ("005", &[], &[0, 0, 0, 1]),
            ("007", &[1], &[1, 1]),
            ("008", &[1], &[1, 1, 0, 0, 0, 0]),
            ("889", &[1], &[1, 1, 0, 0, 0, 0]),
        ] {
            let says = [b"RFB 003.", version.as_bytes(), b"\n", chooses, &[1]].concat();
            let (let_in, told) = come(&says, None);
            assert!(let_in.is_ok(), "{version}: {let_in:?}");
            assert_eq!(told, [VERSION, security, &init()].concat(), "{version}");
        }
    }

    #[test]
    fn a_password_is_answered_as_des_has_it() {
        let password = Password::new(&KEY).unwrap();
        assert_eq!(password.answer(twice(PLAIN)), twice(CIPHER));
        let asked = Some((&password, twice(PLAIN)));
        let right = [&b"RFB 003.008\n\x02"[..], &twice(CIPHER), &[0]].concat();
        let (let_in, told) = come(&right, asked);
        assert!(let_in.is_ok());
        assert_eq!(told, [VERSION, &[1, 2][..], &twice(PLAIN), &[0; 4], &init()].concat());
        let old = [&b"RFB 003.003\n"[..], &twice(CIPHER), &[0]].concat();
        assert_eq!(come(&old, asked).1, [VERSION, &[0, 0, 0, 2][..], &twice(PLAIN), &[0; 4], &init()].concat());
        let wrong = [&b"RFB 003.008\n\x02"[..], &twice(PLAIN), &[0]].concat();
        let (let_in, told) = come(&wrong, asked);
        assert!(let_in.is_err());
        assert!(told.ends_with(b"\0\0\0\x01\0\0\0\x15the password is wrong"));
    }

    #[test]
    fn a_password_has_one_to_eight_bytes() {
        assert!(Password::new(b"a").is_some() && Password::new(b"12345678").is_some());
        assert!(Password::new(b"").is_none() && Password::new(b"123456789").is_none());
    }

    #[test]
    fn who_says_anything_else_is_not_let_in() {
        let password = Password::new(b"secret").unwrap();
        let asked = Some((&password, twice(PLAIN)));
        for wrong in
            [&b"GET / HTTP/1.1\r\n"[..], b"RFB 004.000\n", b"RFB 003.+08\n", b"RFB 003.0\xff8\n", &[255; 64], &[0; 64]]
        {
            assert!(come(wrong, None).0.is_err() && come(wrong, asked).0.is_err());
        }
        // No security is not to be had by asking for it.
        for chosen in [0, 1, 255] {
            let says = [&b"RFB 003.008\n"[..], &[chosen], &[1; 32]].concat();
            assert!(come(&says, asked).0.is_err());
        }
        let whole = b"RFB 003.008\n\x01\x01";
        for end in 0..whole.len() {
            assert!(come(&whole[..end], None).0.is_err(), "{end}");
        }
    }
}
