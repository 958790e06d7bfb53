//! The window's pixels: the scanout's picture, scaled by the host's GPU or a software one.

use std::sync::Arc;

use anyhow::{Context, Result};
use pixels::wgpu::{Color, TextureFormat};
use pixels::{Pixels, PixelsBuilder, ScalingMode, SurfaceTexture};
use winit::window::Window;

use super::place::Place;
use crate::screen::Screen;

/// What a window without a picture is filled with.
const DARK: Color = Color { r: 0.0, g: 0.0, b: 0.0, a: 1.0 };

/// A surface to draw on.
pub struct Canvas {
    pixels: Pixels<'static>,
    window: (u32, u32),
    picture: (u32, u32),
    /// The generation that `pixels` shows; 0 when it shows none.
    seen: u64,
    dark: bool,
}

impl Canvas {
    /// A surface on a window, for a picture of that size at first.
    ///
    /// # Errors
    /// When no adapter of the host's draws on the window.
    pub fn new(window: &Arc<Window>, picture: (u32, u32)) -> Result<Self> {
        let size = window.inner_size();
        let window_size = (size.width.max(1), size.height.max(1));
        let surface = SurfaceTexture::new(window_size.0, window_size.1, Arc::clone(window));
        let pixels = PixelsBuilder::new(picture.0, picture.1, surface)
            .texture_format(TextureFormat::Bgra8UnormSrgb)
            .clear_color(DARK)
            .build()
            .context(
                "the host has no graphics adapter for a window (install mesa-vulkan-drivers, or use --headless)",
            )?;
        let mut canvas = Self { pixels, window: window_size, picture, seen: 0, dark: false };
        canvas.pixels.set_scaling_mode(ScalingMode::Fill);
        canvas.resize(window_size);
        Ok(canvas)
    }

    /// The window has another size.
    pub fn resize(&mut self, window: (u32, u32)) {
        // A window without a size, or larger than the adapter can draw, shows nothing new.
        if window.0 > 0 && window.1 > 0 && self.pixels.resize_surface(window.0, window.1).is_ok() {
            self.window = window;
        }
    }

    /// Where the picture is.
    pub fn place(&self) -> Place {
        Place::new(self.window, self.picture)
    }

    /// Draws what the screen shows.
    ///
    /// # Errors
    /// When the surface is lost for good.
    pub fn draw(&mut self, screen: &Screen) -> Result<(), pixels::Error> {
        let size = screen.look(0, self.seen, |view| view.size);
        if let Some(size) = size
            && size != self.picture
        {
            self.pixels.resize_buffer(size.0, size.1)?;
            (self.picture, self.seen) = (size, 0);
            self.resize(self.window);
        }
        let was_dark = std::mem::replace(&mut self.dark, size.is_none());
        let seen = if was_dark { 0 } else { self.seen };
        let (picture, pixels) = (self.picture, &mut self.pixels);
        self.seen = screen.look(0, seen, |view| {
            // A picture that has changed its size since the first look is drawn by the next.
            if view.size.is_none_or(|size| size == picture) {
                view.paint(pixels.frame_mut());
                view.generation
            } else {
                0
            }
        });
        self.pixels.render()
    }
}
