//! One thread that polls devices: when they were woken, and when a time they named has come.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use devices::bus::{Clock, Nanos, Poll, Waker};

struct Slot {
    device: Option<Arc<Mutex<dyn Poll + Send>>>,
    woken: bool,
    deadline: Option<Nanos>,
}

#[derive(Default)]
struct State {
    slots: Vec<Slot>,
    quit: bool,
    /// Nothing is polled for now.
    held: bool,
    /// A device is being polled.
    polling: bool,
}

/// The devices that want to be polled.
#[derive(Default)]
pub struct Poller {
    state: Mutex<State>,
    changed: Condvar,
}

impl Poller {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with the poller's lock")
    }

    /// A place for a device that is yet to be made, and the waker to make it with.
    pub fn reserve(self: &Arc<Self>) -> (usize, Waker) {
        let mut state = self.lock();
        let slot = state.slots.len();
        state.slots.push(Slot { device: None, woken: false, deadline: None });
        let poller = Arc::downgrade(self);
        let waker = Waker::new(move || {
            if let Some(poller) = poller.upgrade() {
                poller.lock().slots[slot].woken = true;
                poller.changed.notify_all();
            }
        });
        (slot, waker)
    }

    /// Puts the device in its place.
    pub fn attach(&self, slot: usize, device: Arc<Mutex<dyn Poll + Send>>) {
        let mut state = self.lock();
        state.slots[slot].device = Some(device);
        state.slots[slot].woken = true;
    }

    /// The thread.
    pub fn run(&self, clock: &dyn Clock) {
        let mut state = self.lock();
        while !state.quit {
            let now = clock.now();
            let due = state
                .slots
                .iter()
                .position(|s| s.device.is_some() && (s.woken || s.deadline.is_some_and(|d| d <= now)));
            if let Some(index) = due.filter(|_| !state.held) {
                let slot = &mut state.slots[index];
                (slot.woken, slot.deadline) = (false, None);
                let device = slot.device.clone();
                state.polling = true;
                drop(state);
                let deadline = device.and_then(|d| d.lock().expect("a device never panics").poll(now));
                state = self.lock();
                state.slots[index].deadline = deadline;
                state.polling = false;
                self.changed.notify_all();
                continue;
            }
            let next = state.slots.iter().filter_map(|s| s.deadline).min().filter(|_| clock.moves() && !state.held);
            state = match next {
                Some(at) => {
                    let wait = Duration::from_nanos(at.saturating_sub(now));
                    self.changed.wait_timeout(state, wait).expect("nobody panics with the poller's lock").0
                }
                None => self.changed.wait(state).expect("nobody panics with the poller's lock"),
            };
        }
    }

    /// Does something while no device is polled.
    pub fn hold<T>(&self, work: impl FnOnce() -> T) -> T {
        self.lock().held = true;
        let waited = self.changed.wait_while(self.lock(), |state| state.polling);
        drop(waited.expect("nobody panics with the poller's lock"));
        let done = work();
        self.lock().held = false;
        self.changed.notify_all();
        done
    }

    /// Has every device polled, since each may be in another state than it was in when it named a time.
    pub fn wake_all(&self) {
        self.lock().slots.iter_mut().for_each(|slot| slot.woken = true);
        self.changed.notify_all();
    }

    /// Has the thread look at the clock.
    pub fn wake(&self) {
        let _state = self.lock();
        self.changed.notify_all();
    }

    /// Ends the thread.
    pub fn quit(&self) {
        self.lock().quit = true;
        self.changed.notify_all();
    }
}
