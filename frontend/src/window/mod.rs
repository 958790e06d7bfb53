//! The window: the phone's picture, and the host's mouse, keys and touches as the phone's.
//!
//! | file | what |
//! |---|---|
//! | `canvas` | drawing |
//! | `place` | where the picture is in the window |
//! | `fingers` | mouse and touches as contacts |
//! | `keys` | key codes |
//! | this file | the event loop |
//!
//! It draws when the picture has changed, at most at the monitor's rate. When the display goes away the phone goes on, also
//! where Xlib would end the process.

mod canvas;
mod fingers;
mod keys;
mod place;

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use devices::virtio::input::{Keyboard, TouchScreen};
use winit::application::ApplicationHandler;
use winit::dpi::PhysicalSize;
use winit::event::{ElementState, KeyEvent, MouseButton, Touch, TouchPhase, WindowEvent};
use winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoop, EventLoopProxy};
use winit::keyboard::{KeyCode, ModifiersState, PhysicalKey};
use winit::window::{Window, WindowId};

use crate::power::Power;
use crate::screen::Screen;
use crate::session::{Outcome, Session};
use crate::{stats, undo};
use canvas::Canvas;
use fingers::{Contact, Fingers};

/// Between two looks at the phone's speed.
const METER: Duration = Duration::from_secs(1);
/// The rate of a monitor that does not say.
const RATE: u32 = 60_000;

/// What other threads have to say.
#[derive(Debug)]
pub enum News {
    /// The picture has changed.
    Picture,
    /// The phone has ended.
    Ended,
}

/// A place for a window.
#[derive(Debug)]
pub struct Place(EventLoop<News>);

/// What moves the phone.
#[derive(Debug)]
pub struct Hands {
    /// Fingers.
    pub touch: TouchScreen,
    /// Keys.
    pub keyboard: Keyboard,
    /// The power key.
    pub power: Power,
}

/// Finds the display.
///
/// # Errors
/// One line that says that there is none, and what to do.
pub fn open() -> Result<Place> {
    let way_out = "add --headless, or run under xvfb-run";
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"].into_iter().any(set) {
        return Err(anyhow!("no display: neither DISPLAY nor WAYLAND_DISPLAY is set ({way_out})"));
    }
    let events = EventLoop::with_user_event().build();
    // The library's own reason spans places in its source; the display's name says more.
    let name = std::env::var("WAYLAND_DISPLAY").or_else(|_| std::env::var("DISPLAY")).unwrap_or_default();
    events.map(Place).map_err(|why| {
        tracing::debug!("{why}");
        anyhow!("no display: {name} does not answer ({way_out})")
    })
}

thread_local! {
    static VIGIL: RefCell<Option<Vigil>> = const { RefCell::new(None) };
}

/// Waits for the phone's end in the place of the event loop. Xlib's answer to a server that has gone is `exit`, by which the
/// calling thread's local data is dropped; only there can it be held up.
struct Vigil {
    ended: mpsc::Receiver<Outcome>,
    stats: bool,
}

impl Drop for Vigil {
    fn drop(&mut self) {
        eprintln!("handset: the display went away; the phone goes on without");
        let outcome = self.ended.recv();
        if let Ok(outcome) = &outcome
            && self.stats
        {
            outcome.report();
        }
        undo::all();
        signal_hook::low_level::exit(outcome.map_or(1, |outcome| outcome.status).into())
    }
}

/// Shows a phone until it ends; `stats` says whether to print what was counted if the process cannot do more than that.
///
/// # Errors
/// One line that says why it was not switched on.
pub fn run(place: Place, title: &str, screen: Screen, hands: Hands, session: Session, stats: bool) -> Result<Outcome> {
    let Place(events) = place;
    let (end, ended) = mpsc::channel();
    VIGIL.set(Some(Vigil { ended, stats }));
    let news = events.create_proxy();
    let size = session.display.size();
    let fingers = Fingers::new(hands.touch.axes());
    let mut app = App {
        title: title.to_owned(),
        news,
        hands,
        screen,
        size,
        session: Some((session, end)),
        shown: None,
        fault: None,
        waiting: Arc::default(),
        fingers,
        mouse: (-1.0, -1.0),
        modifiers: ModifiersState::empty(),
        frame: Duration::ZERO,
        drawn: Instant::now(),
        due: false,
        meter: Meter { at: Instant::now(), cpu: stats::cpu_time(), frames: 0 },
    };
    let gone = events.run_app(&mut app);
    let vigil = VIGIL.take().expect("it was set above");
    // Its drop is for the end of the process alone.
    let vigil = std::mem::ManuallyDrop::new(vigil);
    if let Some(fault) = app.fault.take() {
        return Err(fault);
    }
    if app.session.is_some() {
        return Err(anyhow!("the display went away before there was a window"));
    }
    if let Err(why) = gone {
        tracing::warn!("the display went away ({why}); the phone goes on without");
    }
    drop(app);
    vigil.ended.recv().context("the phone ended without a word")
}

/// The window, once it is there.
struct Shown {
    window: Arc<Window>,
    /// None when drawing has failed for good.
    canvas: Option<Canvas>,
}

/// What the title tells of the phone's speed.
struct Meter {
    at: Instant,
    cpu: Duration,
    frames: u32,
}

struct App {
    title: String,
    news: EventLoopProxy<News>,
    hands: Hands,
    screen: Screen,
    /// Of the phone's display.
    size: (u32, u32),
    /// The phone before it is switched on, and where to tell its end.
    session: Option<(Session, mpsc::Sender<Outcome>)>,
    shown: Option<Shown>,
    fault: Option<anyhow::Error>,
    /// Whether news of the picture is on its way.
    waiting: Arc<AtomicBool>,

    fingers: Fingers,
    /// The mouse, as fractions of the picture.
    mouse: (f64, f64),
    modifiers: ModifiersState,

    /// Between two pictures.
    frame: Duration,
    drawn: Instant,
    /// The picture has changed since it was drawn.
    due: bool,
    meter: Meter,
}

impl App {
    /// Opens the window and switches the phone on.
    fn begin(&mut self, events: &ActiveEventLoop) -> Result<()> {
        let monitor = events.primary_monitor().or_else(|| events.available_monitors().next());
        let rate = monitor.as_ref().and_then(|monitor| monitor.refresh_rate_millihertz()).unwrap_or(RATE);
        self.frame = Duration::from_nanos(1_000_000_000_000 / u64::from(rate.max(1)));
        let scale = monitor.as_ref().map_or(1.0, |monitor| monitor.scale_factor());
        let (width, height) = place::first_size(self.size, scale, monitor.map(|monitor| monitor.size().into()));
        let attributes = Window::default_attributes()
            .with_title(&self.title)
            .with_inner_size(PhysicalSize::new(width, height))
            .with_min_inner_size(PhysicalSize::new(90, 160));
        let window = Arc::new(events.create_window(attributes).context("the display shows no window")?);
        let canvas = Canvas::new(&window, self.size)?;
        self.shown = Some(Shown { window, canvas: Some(canvas) });

        let (news, waiting) = (self.news.clone(), Arc::clone(&self.waiting));
        self.screen.watch(move || {
            if !waiting.swap(true, Ordering::SeqCst) {
                // A window that has gone needs no news.
                let _ = news.send_event(News::Picture);
            }
        });
        if let Some((session, end)) = self.session.take() {
            let news = self.news.clone();
            session.start(move |outcome| {
                // Both are there until the phone has ended.
                let _ = (end.send(outcome), news.send_event(News::Ended));
            })?;
        }
        Ok(())
    }

    fn draw(&mut self) {
        let Some(Shown { canvas, .. }) = &mut self.shown else { return };
        (self.due, self.drawn) = (false, Instant::now());
        self.meter.frames += 1;
        if let Some(drawing) = canvas
            && let Err(why) = drawing.draw(&self.screen)
        {
            tracing::error!("the window shows nothing from now on: {why}");
            *canvas = None;
        }
    }

    fn measure(&mut self) {
        let now = Instant::now();
        let wall = now.duration_since(self.meter.at).as_secs_f64();
        let cpu = stats::cpu_time();
        let percent = (cpu.saturating_sub(self.meter.cpu)).as_secs_f64() / wall * 100.0;
        let rate = f64::from(self.meter.frames) / wall;
        self.meter = Meter { at: now, cpu, frames: 0 };
        let title = if self.hands.power.was_asked() {
            format!("Asked to power off; close again to force – {}", self.title)
        } else {
            format!("{} – Handset – {percent:.0} % CPU, {rate:.0} fps", self.title)
        };
        if let Some(Shown { window, .. }) = &self.shown {
            window.set_title(&title);
        }
    }

    fn in_picture(&self, x: f64, y: f64) -> (f64, f64) {
        let canvas = self.shown.as_ref().and_then(|shown| shown.canvas.as_ref());
        canvas.map_or((-1.0, -1.0), |canvas| canvas.place().in_picture((x, y)))
    }

    fn contacts(&self, contacts: &[Contact]) {
        if !contacts.is_empty() {
            self.hands.touch.touch_together(contacts);
        }
    }

    fn click(&mut self, down: bool) {
        let contacts = if down {
            let pinch = self.modifiers.control_key();
            if pinch {
                // The guest is to see a pinch, not a pinch with Ctrl.
                for key in [KeyCode::ControlLeft, KeyCode::ControlRight] {
                    self.key(key, false);
                }
            }
            self.fingers.press(self.mouse, pinch)
        } else {
            self.fingers.release()
        };
        self.contacts(&contacts);
    }

    fn touched(&mut self, Touch { phase, location, id, .. }: Touch) {
        let at = self.in_picture(location.x, location.y);
        let contact = match phase {
            TouchPhase::Started => self.fingers.touch(id, at, true),
            TouchPhase::Moved => self.fingers.touch(id, at, false),
            TouchPhase::Ended | TouchPhase::Cancelled => self.fingers.lift(id),
        };
        self.contacts(contact.as_slice());
    }

    fn key(&self, key: KeyCode, down: bool) {
        if let Some(code) = keys::linux(key) {
            self.hands.keyboard.key(code, down);
        }
    }

    fn let_go(&mut self) {
        self.fingers.forget();
        self.hands.touch.release_all();
        self.hands.keyboard.release_all();
    }
}

impl ApplicationHandler<News> for App {
    fn resumed(&mut self, events: &ActiveEventLoop) {
        if self.shown.is_none()
            && let Err(fault) = self.begin(events)
        {
            self.fault = Some(fault);
            events.exit();
        }
    }

    fn user_event(&mut self, events: &ActiveEventLoop, news: News) {
        match news {
            News::Picture => {
                self.waiting.store(false, Ordering::SeqCst);
                self.due = true;
            }
            News::Ended => events.exit(),
        }
    }

    fn window_event(&mut self, _: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        match event {
            WindowEvent::RedrawRequested => self.draw(),
            WindowEvent::Resized(size) => {
                if let Some(Shown { window, canvas: Some(canvas) }) = &mut self.shown {
                    canvas.resize((size.width, size.height));
                    window.request_redraw();
                }
            }
            WindowEvent::CloseRequested => {
                self.hands.power.ask(0);
                self.measure();
            }
            WindowEvent::Focused(false) => self.let_go(),
            WindowEvent::ModifiersChanged(modifiers) => self.modifiers = modifiers.state(),
            WindowEvent::CursorMoved { position, .. } => {
                self.mouse = self.in_picture(position.x, position.y);
                self.contacts(&self.fingers.drag(self.mouse));
            }
            WindowEvent::MouseInput { state, button: MouseButton::Left, .. } => self.click(state.is_pressed()),
            WindowEvent::Touch(touch) => self.touched(touch),
            // Keys that were down before the window had the focus are synthetic; the guest repeats keys by itself.
            WindowEvent::KeyboardInput {
                event: KeyEvent { physical_key: PhysicalKey::Code(key), state, repeat: false, .. },
                is_synthetic,
                ..
            } if !(is_synthetic && state == ElementState::Pressed) => self.key(key, state.is_pressed()),
            _ => {}
        }
    }

    fn about_to_wait(&mut self, events: &ActiveEventLoop) {
        let now = Instant::now();
        if now >= self.meter.at + METER {
            self.measure();
        }
        let mut wake = self.meter.at + METER;
        if self.due {
            let next = self.drawn + self.frame;
            if now >= next {
                self.due = false;
                if let Some(Shown { window, .. }) = &self.shown {
                    window.request_redraw();
                }
            } else {
                wake = wake.min(next);
            }
        }
        events.set_control_flow(ControlFlow::WaitUntil(wake));
    }
}
