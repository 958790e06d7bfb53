//! The latest picture of every scanout, for whoever shows it: the window, screenshots, remote screens.
//!
//! Two sources may draw on one scanout, firmware's frame buffer and the GPU; the GPU covers firmware while it shows
//! something. Each change has a number (its generation) and a rectangle, so that a viewer copies what is new to it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use devices::bus::{Cursor, Frame, FrameSink, Rect};

/// The side of a pointer image.
const CURSOR_SIDE: u32 = 64;
/// Changes that are remembered one by one; a viewer that is further behind sees everything as changed.
const REMEMBERED: usize = 64;

/// Who draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The frame buffer that firmware set up (ramfb).
    Firmware,
    /// The GPU.
    Gpu,
}

/// One source's picture.
#[derive(Debug, Default)]
struct Layer {
    width: u32,
    height: u32,
    /// B, G, R, 255 without gaps; empty while the source shows nothing.
    bgra: Vec<u8>,
}

#[derive(Debug, Default)]
struct Scanout {
    layers: [Layer; 2],
    cursor: Option<Cursor>,
    generation: u64,
    changes: VecDeque<(u64, Rect)>,
}

impl Scanout {
    fn shown(&self) -> Option<&Layer> {
        self.layers.iter().rev().find(|layer| !layer.bgra.is_empty())
    }

    fn change(&mut self, rect: Rect) {
        self.generation += 1;
        self.changes.push_back((self.generation, rect));
        if self.changes.len() > REMEMBERED {
            self.changes.pop_front();
        }
    }
}

type Watcher = Box<dyn Fn() + Send>;

/// The screen.
#[derive(Clone)]
pub struct Screen {
    scanouts: Arc<Mutex<Vec<Scanout>>>,
    watchers: Arc<Mutex<Vec<Watcher>>>,
}

/// What a viewer sees of a scanout.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The number of the last change.
    pub generation: u64,
    /// Width and height; none while nothing is shown.
    pub size: Option<(u32, u32)>,
    /// What has changed since the generation that the viewer named.
    pub damage: Rect,
    bgra: &'a [u8],
    cursor: Option<&'a Cursor>,
}

impl Screen {
    /// A screen of so many scanouts.
    pub fn new(scanouts: usize) -> Self {
        let scanouts = (0..scanouts).map(|_| Scanout::default()).collect();
        Self { scanouts: Arc::new(Mutex::new(scanouts)), watchers: Arc::default() }
    }

    /// Where a source draws.
    pub fn sink(&self, source: Source) -> Box<dyn FrameSink> {
        Box::new(Sink { screen: self.clone(), layer: source as usize })
    }

    /// Has `f` called after every change, on the thread that made it; it must return quickly.
    pub fn watch(&self, f: impl Fn() + Send + 'static) {
        self.watchers.lock().expect("watchers do not panic").push(Box::new(f));
    }

    fn scanouts(&self) -> MutexGuard<'_, Vec<Scanout>> {
        self.scanouts.lock().expect("no user of the screen panics")
    }

    /// Looks at a scanout; `seen` is the generation of the last look, 0 at first. Drawing waits meanwhile.
    pub fn look<T>(&self, scanout: usize, seen: u64, f: impl FnOnce(View<'_>) -> T) -> T {
        let scanouts = self.scanouts();
        let Some(scanout) = scanouts.get(scanout) else {
            return f(View { generation: 0, size: None, damage: Rect::default(), bgra: &[], cursor: None });
        };
        let shown = scanout.shown();
        let (width, height) = shown.map_or((0, 0), |layer| (layer.width, layer.height));
        let whole = Rect { x: 0, y: 0, width, height };
        let news = scanout.changes.iter().filter(|(generation, _)| *generation > seen);
        let damage = match scanout.changes.front() {
            Some((oldest, _)) if *oldest <= seen + 1 => news.fold(Rect::default(), |all, (_, rect)| union(all, *rect)),
            _ => whole,
        };
        f(View {
            generation: scanout.generation,
            size: shown.map(|_| (width, height)),
            damage: clip(damage, width, height),
            bgra: shown.map_or(&[], |layer| &layer.bgra),
            cursor: scanout.cursor.as_ref().filter(|cursor| !cursor.bgra.is_empty()),
        })
    }

    fn change(&self, scanout: usize, f: impl FnOnce(&mut Scanout)) {
        if let Some(scanout) = self.scanouts().get_mut(scanout) {
            f(scanout);
        } else {
            return;
        }
        for watcher in &*self.watchers.lock().expect("watchers do not panic") {
            watcher();
        }
    }
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Screen")
    }
}

impl View<'_> {
    /// Copies what has changed, with the pointer over it, into a picture of the same size that shows the last look.
    pub fn paint(&self, target: &mut [u8]) {
        let Some((width, height)) = self.size else {
            return target.as_chunks_mut().0.fill([0, 0, 0, 255]);
        };
        let stride = width as usize * 4;
        assert_eq!(target.len(), stride * height as usize, "the target has the view's size");
        // The pointer is drawn on fresh pixels, since drawing it twice would make its soft edges hard.
        let pointer = self.cursor.map(|cursor| clip(place(cursor), width, height)).unwrap_or_default();
        for rect in [self.damage, pointer] {
            for y in rect.y..rect.y + rect.height {
                let start = y as usize * stride + rect.x as usize * 4;
                let row = start..start + rect.width as usize * 4;
                target[row.clone()].copy_from_slice(&self.bgra[row]);
            }
        }
        if let Some(cursor) = self.cursor {
            draw(cursor, target, pointer, stride);
        }
    }
}

/// Where a pointer's image lies; what is left of or above the screen is cut off.
fn place(cursor: &Cursor) -> Rect {
    let side = |at: u32, hot: u32| (at.saturating_sub(hot), CURSOR_SIDE - hot.saturating_sub(at).min(CURSOR_SIDE));
    let ((x, width), (y, height)) = (side(cursor.x, cursor.hot_x), side(cursor.y, cursor.hot_y));
    Rect { x, y, width, height }
}

/// Draws the part of a pointer that lies in `part`; its colours are multiplied by their alpha already, as guests send
/// them.
fn draw(cursor: &Cursor, target: &mut [u8], part: Rect, stride: usize) {
    for y in part.y..part.y + part.height {
        for x in part.x..part.x + part.width {
            let from = ((y + cursor.hot_y - cursor.y) * CURSOR_SIDE + (x + cursor.hot_x - cursor.x)) as usize * 4;
            let Some(&[b, g, r, alpha]) = cursor.bgra.get(from..from + 4) else { continue };
            let to = y as usize * stride + x as usize * 4;
            for (under, over) in target[to..to + 3].iter_mut().zip([b, g, r]) {
                let through = u32::from(*under) * (255 - u32::from(alpha)) / 255;
                *under = (through + u32::from(over)).min(255) as u8;
            }
        }
    }
}

/// The smallest rectangle around two, of which either may be empty.
fn union(a: Rect, b: Rect) -> Rect {
    if a.width == 0 || a.height == 0 {
        return b;
    }
    if b.width == 0 || b.height == 0 {
        return a;
    }
    let (x, y) = (a.x.min(b.x), a.y.min(b.y));
    let right = a.x.saturating_add(a.width).max(b.x.saturating_add(b.width));
    let bottom = a.y.saturating_add(a.height).max(b.y.saturating_add(b.height));
    Rect { x, y, width: right - x, height: bottom - y }
}

/// The part of a rectangle inside a picture.
fn clip(rect: Rect, width: u32, height: u32) -> Rect {
    let (x, y) = (rect.x.min(width), rect.y.min(height));
    Rect { x, y, width: rect.width.min(width - x), height: rect.height.min(height - y) }
}

/// One source's end of the screen.
struct Sink {
    screen: Screen,
    layer: usize,
}

impl FrameSink for Sink {
    fn present(&mut self, scanout: usize, frame: Frame<'_>, damage: Rect) {
        self.screen.change(scanout, |scanout| {
            let layer = &mut scanout.layers[self.layer];
            let (width, height) = (frame.width, frame.height);
            let len = width as usize * height as usize * 4;
            let mut damage = clip(damage, width, height);
            if (layer.width, layer.height, layer.bgra.len()) != (width, height, len) {
                *layer = Layer { width, height, bgra: vec![255; len] };
                damage = Rect { x: 0, y: 0, width, height };
            }
            for y in damage.y..damage.y + damage.height {
                let row = damage.width as usize * 4;
                let from = y as usize * frame.stride + damage.x as usize * 4;
                let to = (y as usize * width as usize + damage.x as usize) * 4;
                let (from, to) = (&frame.bgrx[from..from + row], &mut layer.bgra[to..to + row]);
                for (from, to) in from.as_chunks::<4>().0.iter().zip(to.as_chunks_mut::<4>().0) {
                    *to = [from[0], from[1], from[2], 255];
                }
            }
            scanout.change(damage);
        });
    }

    fn disable(&mut self, scanout: usize) {
        self.screen.change(scanout, |scanout| {
            scanout.layers[self.layer] = Layer::default();
            scanout.change(Rect { x: 0, y: 0, width: u32::MAX, height: u32::MAX });
        });
    }

    fn cursor(&mut self, scanout: usize, cursor: &Cursor) {
        self.screen.change(scanout, |scanout| {
            let before = scanout.cursor.as_ref().map(place).unwrap_or_default();
            scanout.change(union(before, place(cursor)));
            scanout.cursor = Some(cursor.clone());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Rect = Rect { x: 0, y: 0, width: 100, height: 80 };

    fn fill(sink: &mut dyn FrameSink, colour: u8, damage: Rect) {
        let bgrx = vec![colour; 104 * 4 * 80];
        sink.present(0, Frame { width: 100, height: 80, stride: 104 * 4, bgrx: &bgrx }, damage);
    }

    fn painted(screen: &Screen) -> Vec<u8> {
        screen.look(0, 0, |view| {
            let (width, height) = view.size.unwrap();
            let mut target = vec![0; (width * height * 4) as usize];
            view.paint(&mut target);
            target
        })
    }

    #[test]
    fn a_viewer_gets_what_is_new_to_it() {
        let screen = Screen::new(1);
        let mut sink = screen.sink(Source::Gpu);
        fill(&mut *sink, 1, WHOLE);
        let seen = screen.look(0, 0, |view| (view.damage == WHOLE).then_some(view.generation)).unwrap();
        assert_eq!(screen.look(0, seen, |view| view.damage.width), 0);
        fill(&mut *sink, 2, Rect { x: 1, y: 2, width: 3, height: 4 });
        fill(&mut *sink, 2, Rect { x: 10, y: 2, width: 1, height: 1 });
        assert_eq!(screen.look(0, seen, |view| view.damage), Rect { x: 1, y: 2, width: 10, height: 4 });
        for _ in 0..=REMEMBERED {
            fill(&mut *sink, 3, Rect { x: 0, y: 0, width: 1, height: 1 });
        }
        assert_eq!(screen.look(0, seen, |view| view.damage), WHOLE);
    }

    #[test]
    fn only_damaged_pixels_are_taken_and_are_opaque() {
        let screen = Screen::new(1);
        let mut sink = screen.sink(Source::Gpu);
        fill(&mut *sink, 1, WHOLE);
        fill(&mut *sink, 2, Rect { x: 99, y: 79, width: 50, height: 50 });
        let target = painted(&screen);
        assert_eq!(target[..4], [1, 1, 1, 255]);
        assert_eq!(target[target.len() - 8..], [1, 1, 1, 255, 2, 2, 2, 255]);
    }

    #[test]
    fn the_gpu_covers_firmware_while_it_shows_something() {
        let screen = Screen::new(1);
        let (mut firmware, mut gpu) = (screen.sink(Source::Firmware), screen.sink(Source::Gpu));
        assert_eq!(screen.look(0, 0, |view| view.size), None);
        fill(&mut *firmware, 1, WHOLE);
        fill(&mut *gpu, 2, WHOLE);
        fill(&mut *firmware, 3, WHOLE);
        assert_eq!(painted(&screen)[0], 2);
        gpu.disable(0);
        assert_eq!(painted(&screen)[0], 3);
        firmware.disable(0);
        assert_eq!(screen.look(0, 0, |view| view.size), None);
    }

    #[test]
    fn the_pointer_is_drawn_over_the_picture_once() {
        let screen = Screen::new(1);
        let mut sink = screen.sink(Source::Gpu);
        fill(&mut *sink, 100, WHOLE);
        let bgra = [50, 50, 50, 128].repeat(64 * 64);
        // The hot spot at the left edge: half of the image is cut off.
        sink.cursor(0, &Cursor { x: 0, y: 40, hot_x: 32, hot_y: 0, bgra });
        let mut target = painted(&screen);
        let pixel = |target: &[u8], x: usize, y: usize| target[(y * 100 + x) * 4];
        assert_eq!((pixel(&target, 0, 39), pixel(&target, 0, 40)), (100, 99));
        assert_eq!((pixel(&target, 31, 79), pixel(&target, 32, 79)), (99, 100));
        let seen = screen.look(0, 0, |view| view.generation);
        fill(&mut *sink, 100, Rect { x: 0, y: 40, width: 1, height: 1 });
        screen.look(0, seen, |view| view.paint(&mut target));
        assert_eq!((pixel(&target, 0, 40), pixel(&target, 5, 50)), (99, 99));
        sink.cursor(0, &Cursor { x: 0, y: 0, hot_x: 0, hot_y: 0, bgra: vec![] });
        screen.look(0, seen, |view| view.paint(&mut target));
        assert_eq!(pixel(&target, 5, 50), 100);
    }

    #[test]
    fn a_pointer_outside_the_picture_is_not_drawn() {
        let screen = Screen::new(1);
        let mut sink = screen.sink(Source::Gpu);
        fill(&mut *sink, 100, WHOLE);
        sink.cursor(0, &Cursor { x: u32::MAX, y: 5000, hot_x: 0, hot_y: 63, bgra: vec![9; 64 * 64 * 4] });
        assert!(painted(&screen).as_chunks().0.iter().all(|pixel| *pixel == [100, 100, 100, 255]));
    }

    #[test]
    fn watchers_hear_of_every_change() {
        let screen = Screen::new(1);
        let (heard, count) = std::sync::mpsc::channel();
        screen.watch(move || heard.send(()).unwrap());
        let mut sink = screen.sink(Source::Gpu);
        fill(&mut *sink, 1, WHOLE);
        sink.disable(0);
        sink.disable(7);
        assert_eq!(count.try_iter().count(), 2);
    }
}
