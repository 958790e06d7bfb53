//! A debugger from its first packet to its last.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use emu::debug::{Debugger, Refused, Target};
use emu::machine::Handle;
use gdbstub::conn::Connection;
use gdbstub::stub::state_machine::GdbStubStateMachine;
use gdbstub::stub::{DisconnectReason, GdbStub, GdbStubError, MultiThreadStopReason};
use rustix::event::{EventfdFlags, eventfd};
use socket2::Socket;

use super::wire::{Wait, Wire};
use crate::power::Power;
use crate::socket;

/// Bytes of the longest packet.
const PACKET: usize = 16 << 10;

type State = GdbStubStateMachine<'static, Target, Wire>;

/// Why a session is over before the debugger says so.
#[derive(Debug, thiserror::Error)]
enum Lost {
    #[error(transparent)]
    Protocol(#[from] GdbStubError<Refused, io::Error>),
    #[error(transparent)]
    Machine(#[from] Refused),
    #[error("it hung up")]
    HungUp,
}

/// Serves a client that has sent its first packet, until it goes, errs or kills the phone.
pub fn run(wire: Wire, listener: &Socket, machine: &Handle, power: &Power) {
    let Ok(bell) = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map(Arc::new) else { return };
    let rung = Arc::clone(&bell);
    let ring = move || {
        // It may be full, having been rung more often than anyone can count.
        let _ = rustix::io::write(&*rung, &1u64.to_ne_bytes());
    };
    let Ok(debugger) = Debugger::attach(machine.clone(), ring) else { return };
    let mut session = Session { target: Target::new(debugger), listener, bell: &bell };
    match session.serve(wire) {
        Ok(DisconnectReason::Kill) => power.quit(0),
        Ok(reason) => tracing::debug!("gdb is done: {reason:?}"),
        Err(why) => tracing::debug!("gdb is hung up on: {why}"),
    }
}

struct Session<'a> {
    target: Target,
    listener: &'a Socket,
    bell: &'a OwnedFd,
}

impl Session<'_> {
    fn serve(&mut self, mut wire: Wire) -> Result<DisconnectReason, Lost> {
        let heard = std::mem::take(&mut wire.heard);
        let stub = GdbStub::builder(wire).packet_buffer_size(PACKET).build().expect("a size alone is no contradiction");
        let state = stub.run_state_machine(&mut self.target)?;
        let mut state = self.take(state, &heard)?;
        loop {
            state = match state {
                State::Disconnected(mut stub) => {
                    let reason = stub.get_reason();
                    if reason == DisconnectReason::Kill {
                        // gdb waits for a word, and the stub has none. If it has gone, so be it.
                        let _ = stub.borrow_conn().write_all(b"$OK#9a").and_then(|()| stub.borrow_conn().send());
                    }
                    return Ok(reason);
                }
                State::Idle(mut stub) => {
                    let heard = self.listen(stub.borrow_conn())?;
                    self.take(stub.into(), &heard)?
                }
                State::Running(mut stub) => match self.news()? {
                    Some(reason) => stub.report_stop(&mut self.target, reason)?,
                    None => {
                        let heard = self.listen(stub.borrow_conn())?;
                        self.take(stub.into(), &heard)?
                    }
                },
                State::CtrlCInterrupt(_) => self.take(state, &[])?,
            };
        }
    }

    /// What has become of a machine that was resumed, if it runs no more.
    fn news(&mut self) -> Result<Option<MultiThreadStopReason<u64>>, Lost> {
        if self.target.debugger.ended() {
            return Ok(Some(MultiThreadStopReason::Exited(0)));
        }
        let halted = self.target.debugger.halted()?;
        Ok(halted.map(|halted| self.target.stop_reason(halted)))
    }

    /// Waits a breath for the debugger to say something, or for a vCPU to halt.
    fn listen(&self, wire: &mut Wire) -> Result<Vec<u8>, Lost> {
        wire.send().map_err(|_| Lost::HungUp)?;
        let waited = Wait::for_any(&[&*wire, self.bell, self.listener]);
        if waited.ready(1) {
            let mut count = [0; 8];
            // Who halted is asked anyway.
            let _ = rustix::io::read(self.bell, &mut count);
        }
        if waited.ready(2) && !waited.ends(0) {
            // One debugger at a time; the next one waits when this one is about to go.
            drop(socket::accept(self.listener));
        }
        if (waited.ready(0) && !wire.read()) || (self.target.debugger.stopped() && self.target.debugger.ended()) {
            return Err(Lost::HungUp);
        }
        Ok(std::mem::take(&mut wire.heard))
    }

    /// Has the stub take what the debugger said.
    fn take(&mut self, mut state: State, heard: &[u8]) -> Result<State, Lost> {
        let target = &mut self.target;
        let mut heard = heard.iter();
        loop {
            state = match state {
                State::CtrlCInterrupt(stub) => {
                    // A machine that stands still is not interrupted.
                    let reason = if target.debugger.stopped() { None } else { Some(target.interrupt()?) };
                    stub.interrupt_handled(target, reason)?
                }
                State::Disconnected(_) => return Ok(state),
                State::Idle(stub) => match heard.next() {
                    Some(byte) => stub.incoming_data(target, *byte)?,
                    None => return Ok(stub.into()),
                },
                State::Running(stub) => match heard.next() {
                    Some(byte) => stub.incoming_data(target, *byte)?,
                    None => return Ok(stub.into()),
                },
            };
        }
    }
}
