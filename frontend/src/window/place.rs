//! Where the picture lies in the window: as large as fits, in the middle, its sides in proportion.

/// A rectangle in the window's physical pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

impl Place {
    /// The place of a picture in a window.
    pub fn new(window: (u32, u32), picture: (u32, u32)) -> Self {
        let (window, picture) = (pair(window), pair(picture));
        let scale = (window.0 / picture.0).min(window.1 / picture.1);
        let (width, height) = (picture.0 * scale, picture.1 * scale);
        Self { x: (window.0 - width) / 2.0, y: (window.1 - height) / 2.0, width, height }
    }

    /// A position in the picture, as fractions of its sides; outside of 0 to 1 where it is beside the picture.
    pub fn in_picture(&self, (x, y): (f64, f64)) -> (f64, f64) {
        ((x - self.x) / self.width, (y - self.y) / self.height)
    }
}

fn pair((a, b): (u32, u32)) -> (f64, f64) {
    (f64::from(a.max(1)), f64::from(b.max(1)))
}

/// The size of a new window: the picture's in logical pixels, or what of it fits nine tenths of the monitor.
pub fn first_size(picture: (u32, u32), scale_factor: f64, monitor: Option<(u32, u32)>) -> (u32, u32) {
    let picture = pair(picture);
    let fits = monitor.map_or(scale_factor, |monitor| {
        let (width, height) = pair(monitor);
        (width * 0.9 / picture.0).min(height * 0.9 / picture.1)
    });
    let scale = scale_factor.min(fits);
    ((picture.0 * scale).round().max(1.0) as u32, (picture.1 * scale).round().max(1.0) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_window_has_bars_at_the_sides() {
        let place = Place::new((1000, 640), (720, 1280));
        assert_eq!(place, Place { x: 320.0, y: 0.0, width: 360.0, height: 640.0 });
        assert_eq!(place.in_picture((500.0, 320.0)), (0.5, 0.5));
        assert_eq!(place.in_picture((680.0, 640.0)), (1.0, 1.0));
        assert!(place.in_picture((319.0, 0.0)).0 < 0.0);
    }

    #[test]
    fn a_narrow_window_has_bars_above_and_below() {
        let place = Place::new((72, 1000), (720, 1280));
        assert_eq!(place, Place { x: 0.0, y: 436.0, width: 72.0, height: 128.0 });
    }

    #[test]
    fn a_new_window_fits_the_monitor() {
        assert_eq!(first_size((720, 1280), 1.0, Some((1920, 1080))), (547, 972));
        assert_eq!(first_size((720, 1280), 1.0, Some((2560, 1600))), (720, 1280));
        assert_eq!(first_size((720, 1280), 2.0, Some((5120, 2880))), (1440, 2560));
        assert_eq!(first_size((720, 1280), 1.5, None), (1080, 1920));
    }
}
