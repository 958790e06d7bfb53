//! Bytes from the host into the UART, as fast as its FIFO takes them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use devices::bus::{Nanos, Poll, Waker};
use devices::serial::pl011::Pl011;

/// The host's end of the UART's receive wire.
#[derive(Clone)]
pub struct SerialInput {
    pending: Arc<Mutex<VecDeque<u8>>>,
    waker: Waker,
}

impl SerialInput {
    /// Sends bytes; they wait until the guest takes them.
    pub fn send(&self, bytes: &[u8]) {
        self.pending.lock().expect("nobody panics with the queue's lock").extend(bytes);
        self.waker.wake();
    }
}

/// Moves pending bytes into the FIFO when it has room.
pub(super) struct Pump {
    pending: Arc<Mutex<VecDeque<u8>>>,
    uart: Arc<Mutex<Pl011>>,
}

/// A pump for a UART that was made with `waker`.
pub(super) fn pump(uart: Arc<Mutex<Pl011>>, waker: Waker) -> (SerialInput, Pump) {
    let pending = Arc::new(Mutex::new(VecDeque::new()));
    (SerialInput { pending: Arc::clone(&pending), waker }, Pump { pending, uart })
}

impl Poll for Pump {
    fn poll(&mut self, _: Nanos) -> Option<Nanos> {
        let mut pending = self.pending.lock().expect("nobody panics with the queue's lock");
        let taken = self.uart.lock().expect("a device never panics").receive(pending.make_contiguous());
        pending.drain(..taken);
        None
    }
}
