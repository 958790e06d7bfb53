//! A client from its first byte to its last: one thread heeds what it says, one sends it pictures.
//!
//! A picture is sent when it was asked for and there is something new in it, [`FRAME`] after the last one at the soonest.
//! What the client asks for meanwhile is one wish, so a client costs no more memory than its picture, twice.

use std::io::{self, BufReader, Read, Write};
use std::net::Shutdown;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use socket2::Socket;

use super::Common;
use super::canvas::{Area, Canvas};
use super::encode::{Encoder, Encoding};
use super::hands::Hands;
use super::handshake::welcome;
use super::messages::{Message, Resize, Wrong};
use super::pixels::Format;
use crate::host;

/// How long it may take to come in.
const GREETING: Duration = Duration::from_secs(10);
/// How long it may take nothing of what it is sent.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two pictures.
const FRAME: Duration = Duration::from_nanos(1_000_000_000 / 30);
/// The greatest side of a screen, by which there are less than 2¹⁶ rectangles in an update.
const MOST_SIDE: u32 = 16384;

/// What a client wishes.
#[derive(Debug, Clone, Copy, Default)]
struct Wishes {
    format: Format,
    encoding: Encoding,
    resize: Resize,
    /// The part of the picture that it has asked for.
    wanted: Option<Area>,
    /// The part of which it is to see everything again.
    anew: Option<Area>,
    /// It is to be told of the screen's layout, which nobody or itself has asked to be another.
    layout: Option<Reason>,
    /// It has gone.
    over: bool,
}

/// Why a client is told of the layout, and with which outcome.
#[derive(Debug, Clone, Copy)]
enum Reason {
    /// That is how it is.
    News,
    /// It has asked for another, which is not to be had.
    Refused,
}

/// What its two threads share.
struct Client<'a> {
    common: &'a Common,
    socket: &'a Socket,
    wishes: Mutex<Wishes>,
    /// The size of the screen that it was told of.
    size: Mutex<(u32, u32)>,
}

/// Bytes that are there until some time.
struct Until<'a>(&'a Socket, Instant);

impl Read for Until<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let left = self.1.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.0.set_read_timeout(Some(left))?;
        (&mut self.0).read(to)
    }
}

impl Write for Until<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&mut self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Serves the client of a number until it goes.
///
/// # Errors
/// Why it is hung up on.
pub fn serve(socket: &Socket, common: &Common, number: usize) -> Result<(), Wrong> {
    socket.set_write_timeout(Some(PATIENCE))?;
    let (width, height) = common.phone.screen.look(0, 0, |view| view.size).unwrap_or(common.phone.size);
    let size = told((width, height))?;
    let mut challenge = [0; 16];
    host::entropy(&mut challenge);
    let password = common.password.as_ref().map(|password| (password, challenge));
    welcome(&mut Until(socket, Instant::now() + GREETING), password, size, &common.phone.title)?;
    socket.set_read_timeout(None)?;

    let client = Client { common, socket, wishes: Mutex::default(), size: Mutex::new((width, height)) };
    thread::scope(|scope| {
        let show = || {
            let shown = client.show();
            client.hang_up();
            shown
        };
        let showing = thread::Builder::new().name("vnc-out".into()).spawn_scoped(scope, show)?;
        let heard = client.heed(number);
        client.lock().over = true;
        client.hang_up();
        common.bell.ring();
        showing.join().expect("no client has it panic").and(heard)
    })
}

/// A size in 16 bits each.
fn told((width, height): (u32, u32)) -> Result<(u16, u16), Wrong> {
    if width.max(height) > MOST_SIDE {
        return Err(Wrong::Size(width, height));
    }
    Ok((width as u16, height as u16))
}

impl Client<'_> {
    fn lock(&self) -> MutexGuard<'_, Wishes> {
        self.wishes.lock().expect("no user of the wishes panics")
    }

    /// Ends what either thread waits for.
    fn hang_up(&self) {
        // It may have gone by itself.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// Does what it says until it goes.
    fn heed(&self, number: usize) -> Result<(), Wrong> {
        let phone = &self.common.phone;
        let mut hands = Hands::new(phone.touch.clone(), phone.keyboard.clone(), number);
        let mut from = BufReader::new(self.socket);
        loop {
            match Message::read(&mut from)? {
                Message::Key { down, keysym } => hands.key(down, keysym),
                Message::Pointer { down, at } => {
                    hands.point(down, at, *self.size.lock().expect("no user of the size panics"));
                }
                message => {
                    self.lock().add(message);
                    self.common.bell.ring();
                }
            }
        }
    }

    /// Sends it pictures until it goes.
    fn show(&self) -> Result<(), Wrong> {
        let mut canvas = Canvas::new(*self.size.lock().expect("no user of the size panics"));
        let mut encoder = Encoder::new();
        let mut wanted: Option<Area> = None;
        let mut heard = 0;
        let mut next = Instant::now();
        loop {
            heard = self.common.bell.wait(heard);
            thread::sleep(next.saturating_duration_since(Instant::now()));
            let mut wishes = self.lock();
            let now = *wishes;
            if now.over {
                return Ok(());
            }
            wanted = both(wanted, wishes.wanted.take());
            let Some(area) = wanted else { continue };
            (wishes.anew, wishes.layout) = (None, None);
            drop(wishes);
            next = Instant::now() + FRAME;

            let size = canvas.size;
            canvas.look(&self.common.phone.screen);
            if let Some(anew) = now.anew {
                canvas.forget(anew);
            }
            let layout = if canvas.size == size { now.layout } else { Some(Reason::News) };
            if let Some(reason) = layout {
                self.tell(now.resize, reason, canvas.size)?;
                wanted = None;
                continue;
            }
            let news = canvas.news(area);
            if news.is_empty() {
                continue;
            }
            wanted = None;
            self.send(&update(news.len()))?;
            for area in news {
                let mut rectangle = header(area, now.encoding as i32);
                let (width, pixels) = (area.width as usize, canvas.pixels(&area));
                encoder.encode(now.encoding, &now.format, width, &pixels, &mut rectangle);
                self.send(&rectangle)?;
            }
        }
    }

    /// Tells it of the screen's size, alone: it may forget the picture for that.
    fn tell(&self, way: Resize, reason: Reason, size: (u32, u32)) -> Result<(), Wrong> {
        told(size)?;
        let (width, height) = size;
        let mut message = update(1);
        match way {
            Resize::No => return Err(Wrong::Size(width, height)),
            Resize::Size => message.extend(header(Area { x: 0, y: 0, width, height }, way as i32)),
            Resize::Layout => {
                // The client's own reason, and that it is not for it to decide.
                let (x, y) = match reason {
                    Reason::News => (0, 0),
                    Reason::Refused => (1, 1),
                };
                message.extend(header(Area { x, y, width, height }, way as i32));
                message.extend([1, 0, 0, 0]);
                // The one screen: its number, place, size and flags.
                message.extend([0; 8]);
                message.extend(sides([width, height]));
                message.extend([0; 4]);
            }
        }
        *self.size.lock().expect("no user of the size panics") = size;
        self.send(&message)
    }

    fn send(&self, bytes: &[u8]) -> Result<(), Wrong> {
        let mut socket = self.socket;
        Ok(socket.write_all(bytes)?)
    }
}

impl Wishes {
    fn add(&mut self, message: Message) {
        match message {
            Message::Format(format) => self.format = format,
            Message::Encodings(encoding, resize) => {
                (self.encoding, self.resize) = (encoding, resize);
                self.layout = self.layout.filter(|_| resize == Resize::Layout);
            }
            Message::Update { incremental, area } => {
                self.wanted = both(self.wanted, Some(area));
                if !incremental {
                    self.anew = both(self.anew, Some(area));
                    // It has no other way to ask for it.
                    if self.resize == Resize::Layout {
                        self.layout = self.layout.or(Some(Reason::News));
                    }
                }
            }
            Message::Size if self.resize == Resize::Layout => self.layout = Some(Reason::Refused),
            _ => {}
        }
    }
}

fn both(one: Option<Area>, other: Option<Area>) -> Option<Area> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.around(&other)),
        _ => one.or(other),
    }
}

/// The beginning of an update of so many rectangles (§7.6.1).
fn update(rectangles: usize) -> Vec<u8> {
    let [high, low] = u16::try_from(rectangles).expect("a screen is bounded").to_be_bytes();
    vec![0, 0, high, low]
}

/// The beginning of a rectangle.
fn header(Area { x, y, width, height }: Area, encoding: i32) -> Vec<u8> {
    let mut header: Vec<u8> = sides([x, y, width, height]).collect();
    header.extend(encoding.to_be_bytes());
    header
}

/// Sides in pixels, which are bounded, in 16 bits each.
fn sides<const N: usize>(sides: [u32; N]) -> impl Iterator<Item = u8> {
    sides.into_iter().flat_map(|side| (side as u16).to_be_bytes())
}
