//! The control plane: whatever other programs may do with a phone that runs.
//!
//! | file | what |
//! |---|---|
//! | `registry` | what a command is: its name, arguments and what they may be |
//! | `commands` | every command, one row each |
//! | `input`, `keys` | fingers and keys |
//! | `eyes` | what is seen on the screen |
//! | `transfer` | files to and from the guest |
//! | `qmp` | a client's session in QEMU's machine protocol (QMP) |
//! | `server` | sockets, clients, events |
//! | `place` | where a phone with a name is found |
//! | `client` | `handset ctl` |
//!
//! A command is one row of `commands`; QMP, its schema, the human monitor in it, and `handset ctl` offer it from there.

mod client;
mod commands;
mod eyes;
mod input;
pub mod keys;
mod place;
mod qmp;
mod registry;
mod server;
mod transfer;

pub use client::{Request, command, perform, read};
pub use eyes::Eyes;
pub use input::Hand;
pub use place::{Name, is_there};
pub use server::{Control, Events};

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use emu::machine::Handle;

use crate::disk::{DriveSpec, Layer};
use crate::power::Power;
use crate::screen::Screen;
use crate::serial::Log;
use crate::snapshot::Origin;

/// What commands have to do with.
#[derive(Debug)]
pub struct Phone {
    /// How it is called.
    pub name: Option<Name>,
    /// The machine.
    pub machine: Handle,
    /// Its power button.
    pub power: Power,
    /// Hands on screen and keyboard.
    pub hand: Hand,
    /// Eyes on the screen.
    pub eyes: Eyes,
    /// What is shown.
    pub screen: Screen,
    /// The size of the screen when it is dark.
    pub size: (u32, u32),
    /// Its disks, in the order of the command line.
    pub disks: Vec<(DriveSpec, Option<Layer>)>,
    /// How it was made.
    pub origin: Origin,
    /// What it has said on its serial port.
    pub log: Log,
    /// Clients that want to hear of what happens.
    pub events: Events,
    /// Held by who pauses it or lets it go on.
    pub turn: Mutex<()>,
    /// Held by who talks with a shell on the serial port.
    pub typing: Mutex<()>,
    /// A client has asked for the reset that is to come.
    pub asked_reset: AtomicBool,
    /// A client has asked for its end.
    pub asked_end: AtomicBool,
    /// It has ended: who waits for something waits in vain.
    pub ended: AtomicBool,
}

/// A phone that stands still until this is dropped.
struct Pause<'a>(&'a Phone);

impl Phone {
    /// Has it stand still for a moment, if it does not already; none if it ends.
    fn rest(&self) -> Option<Option<Pause<'_>>> {
        if self.machine.paused() {
            return Some(None);
        }
        self.machine.pause().then_some(Some(Pause(self)))
    }
}

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        self.0.machine.resume();
    }
}
