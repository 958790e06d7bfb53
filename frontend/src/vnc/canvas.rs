//! What a client has seen of the picture, and what of it is new.

use crate::screen::Screen;

use super::pixels::Bgra;

/// The side of the squares of which each is sent if anything in it has changed.
const TILE: u32 = 64;
/// The widest rectangle, which Tight bounds.
const WIDEST: u32 = 2048;

/// A part of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Area {
    /// Left.
    pub x: u32,
    /// Top.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl Area {
    fn right(&self) -> u32 {
        self.x + self.width
    }

    fn bottom(&self) -> u32 {
        self.y + self.height
    }

    /// The smallest one around both.
    pub fn around(&self, other: &Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let (right, bottom) = (self.right().max(other.right()), self.bottom().max(other.bottom()));
        Self { x, y, width: right - x, height: bottom - y }
    }

    fn inside(&self, (width, height): (u32, u32)) -> Self {
        let (x, y) = (self.x.min(width), self.y.min(height));
        Self { x, y, width: self.width.min(width - x), height: self.height.min(height - y) }
    }
}

/// The picture and the client's idea of it.
#[derive(Debug)]
pub struct Canvas {
    /// Width and height.
    pub size: (u32, u32),
    /// The generation of the picture.
    seen: u64,
    picture: Vec<Bgra>,
    /// What the client has. What it has not seen is 0, which no pixel of the picture is: that is opaque.
    sent: Vec<Bgra>,
}

impl Canvas {
    /// One that the client has seen nothing of, of a size that it was told.
    pub fn new(size: (u32, u32)) -> Self {
        let pixels = vec![Bgra::default(); size.0 as usize * size.1 as usize];
        Self { size, seen: 0, picture: pixels.clone(), sent: pixels }
    }

    /// Looks at the screen. If it has another size now, the client has seen nothing of it. A dark screen is black.
    pub fn look(&mut self, screen: &Screen) {
        let size = screen.look(0, 0, |view| view.size).unwrap_or(self.size);
        if size != self.size {
            *self = Self::new(size);
        }
        screen.look(0, self.seen, |view| {
            // One that has changed its size since is looked at next time.
            if view.size.is_none_or(|size| size == self.size) {
                view.paint(self.picture.as_flattened_mut());
                self.seen = view.generation;
            }
        });
    }

    /// Has the client see an area anew.
    pub fn forget(&mut self, area: Area) {
        let Area { x, y, width, height } = area.inside(self.size);
        for row in y..y + height {
            let at = self.at(x, row);
            self.sent[at..at + width as usize].fill(Bgra::default());
        }
    }

    /// What in an area is new to the client: tiles, and those beside each other together. The client has seen it then.
    pub fn news(&mut self, area: Area) -> Vec<Area> {
        let area = area.inside(self.size);
        let mut news: Vec<Area> = Vec::new();
        let tiles = |from: u32, to: u32| (from / TILE * TILE..to).step_by(TILE as usize);
        for y in tiles(area.y, area.bottom()) {
            let (top, bottom) = (y.max(area.y), (y + TILE).min(area.bottom()));
            for x in tiles(area.x, area.right()) {
                let (left, right) = (x.max(area.x), (x + TILE).min(area.right()));
                let tile = Area { x: left, y: top, width: right - left, height: bottom - top };
                if !self.take(&tile) {
                    continue;
                }
                match news.last_mut() {
                    Some(last) if (last.y, last.right()) == (tile.y, tile.x) && last.width + tile.width <= WIDEST => {
                        last.width += tile.width;
                    }
                    _ => news.push(tile),
                }
            }
        }
        news
    }

    /// Whether an area is new to the client, which has seen it then.
    fn take(&mut self, area: &Area) -> bool {
        let mut new = false;
        for row in area.y..area.bottom() {
            let at = self.at(area.x, row);
            let span = at..at + area.width as usize;
            if self.sent[span.clone()] != self.picture[span.clone()] {
                new = true;
                self.sent[span.clone()].copy_from_slice(&self.picture[span]);
            }
        }
        new
    }

    /// An area's pixels, row by row.
    pub fn pixels(&self, area: &Area) -> Vec<Bgra> {
        let rows = (area.y..area.bottom()).map(|row| self.at(area.x, row));
        rows.flat_map(|at| &self.picture[at..at + area.width as usize]).copied().collect()
    }

    fn at(&self, x: u32, y: u32) -> usize {
        y as usize * self.size.0 as usize + x as usize
    }
}

#[cfg(test)]
mod tests {
    use devices::bus::{Frame, Rect};

    use super::*;
    use crate::screen::Source;

    const SIZE: (u32, u32) = (200, 130);
    const WHOLE: Area = Area { x: 0, y: 0, width: 200, height: 130 };

    /// Paints the pixels of a rectangle.
    fn paint(screen: &Screen, size: (u32, u32), colour: u8, damage: Area) {
        let bgrx = vec![colour; size.0 as usize * size.1 as usize * 4];
        let frame = Frame { width: size.0, height: size.1, stride: size.0 as usize * 4, bgrx: &bgrx };
        let Area { x, y, width, height } = damage;
        screen.sink(Source::Gpu).present(0, frame, Rect { x, y, width, height });
    }

    #[test]
    fn a_client_is_told_what_is_new_to_it_and_once() {
        let screen = Screen::new(1);
        let mut canvas = Canvas::new(SIZE);
        canvas.look(&screen);
        // It is black, and whole rows of tiles.
        let rows = [(0, 64), (64, 64), (128, 2)].map(|(y, height)| Area { x: 0, y, width: 200, height });
        assert_eq!(canvas.news(WHOLE), rows);
        assert_eq!(canvas.pixels(&rows[2]), [[0, 0, 0, 255]; 400]);
        assert_eq!(canvas.news(WHOLE), []);
        paint(&screen, SIZE, 0, WHOLE);
        canvas.look(&screen);
        assert_eq!(canvas.news(WHOLE), []);
        paint(&screen, SIZE, 9, Area { x: 70, y: 60, width: 1, height: 5 });
        canvas.look(&screen);
        let beside = Area { x: 0, y: 0, width: 70, height: 130 };
        assert_eq!(canvas.news(beside), []);
        let tiles = [0, 64].map(|y| Area { x: 64, y, width: 64, height: 64 });
        assert_eq!(canvas.news(WHOLE), tiles);
        assert_eq!(
            canvas.pixels(&Area { x: 69, y: 64, width: 3, height: 1 }),
            [[0, 0, 0, 255], [9, 9, 9, 255], [0, 0, 0, 255]]
        );
        canvas.forget(Area { x: 190, y: 120, width: 65535, height: 65535 });
        assert_eq!(
            canvas.news(Area { x: 191, y: 121, width: 1, height: 1 }),
            [Area { x: 191, y: 121, width: 1, height: 1 }]
        );
        assert_eq!(canvas.news(WHOLE).len(), 2);
    }

    #[test]
    fn a_screen_of_another_size_is_new() {
        let screen = Screen::new(1);
        let mut canvas = Canvas::new(SIZE);
        paint(&screen, (3000, 20), 7, WHOLE);
        canvas.look(&screen);
        assert_eq!(canvas.size, (3000, 20));
        let wide = Area { x: 0, y: 0, width: 65535, height: 65535 };
        let widths: Vec<_> = canvas.news(wide).iter().map(|area| area.width).collect();
        assert_eq!(widths, [2048, 952]);
        screen.sink(Source::Gpu).disable(0);
        canvas.look(&screen);
        assert_eq!((canvas.size, canvas.news(wide).len()), ((3000, 20), 2));
        assert_eq!(canvas.news(Area { x: 65535, y: 65535, width: 65535, height: 65535 }), []);
    }
}
