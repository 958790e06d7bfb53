//! One driver's script, run against this transport and disk and against QEMU's: what the driver sees must be the same.
//!
//! QEMU stands still before its first instruction; its debug port reads and writes physical addresses for us.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Block;
use super::Shared;
use crate::bus::Pa;
use crate::virtio::driver::{Driver, INDIRECT, NEXT, WRITE};

/// A machine with a disk in the register window at offset 0.
trait Machine {
    fn read(&mut self, register: u64) -> u32;
    fn write(&mut self, register: u64, value: u32);
    fn poke(&mut self, at: u64, bytes: &[u8]);
    fn peek(&mut self, at: u64, len: u32) -> Vec<u8>;
}

impl Machine for Driver<Block> {
    fn read(&mut self, register: u64) -> u32 {
        Driver::read(self, register)
    }
    fn write(&mut self, register: u64, value: u32) {
        Driver::write(self, register, value);
    }
    fn poke(&mut self, at: u64, bytes: &[u8]) {
        Driver::poke(self, at, bytes);
    }
    fn peek(&mut self, at: u64, len: u32) -> Vec<u8> {
        Driver::peek(self, Pa(at), len)
    }
}

/// The last virtio-mmio slot of QEMU's `virt`.
const SLOT: u64 = 0x0a00_3e00;

struct Qemu {
    child: Child,
    port: UnixStream,
}

impl Qemu {
    fn start(dir: &Path, disk: &Path) -> Self {
        let socket = dir.join("gdb");
        let child = Command::new("qemu-system-aarch64")
            .args(["-machine", "virt", "-cpu", "cortex-a57", "-m", "64", "-S", "-display", "none", "-nic", "none"])
            .args(["-serial", "none", "-monitor", "none", "-global", "virtio-mmio.force-legacy=false"])
            .arg("-chardev")
            .arg(format!("socket,id=gdb,path={},server=on,wait=off", socket.display()))
            .args(["-gdb", "chardev:gdb", "-drive"])
            .arg(format!("if=none,id=disk,file={},format=raw,discard=unmap", disk.display()))
            .args(["-device", "virtio-blk-device,drive=disk,serial=serial-of-20-bytes-x"])
            .stdin(Stdio::null())
            .spawn()
            .expect("qemu-system-aarch64 is installed");
        let deadline = Instant::now() + Duration::from_secs(20);
        let port = loop {
            match UnixStream::connect(&socket) {
                Ok(port) => break port,
                Err(e) if Instant::now() > deadline => panic!("QEMU's debug port: {e}"),
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        port.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut qemu = Self { child, port };
        assert_eq!(qemu.ask("Qqemu.PhyMemMode:1"), "OK");
        qemu
    }

    fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.port.read_exact(&mut byte).expect("QEMU answers");
        byte[0]
    }

    /// One command of the GDB remote protocol.
    fn ask(&mut self, command: &str) -> String {
        let sum = command.bytes().fold(0u8, u8::wrapping_add);
        write!(self.port, "${command}#{sum:02x}").unwrap();
        while self.byte() != b'$' {}
        let mut answer = String::new();
        loop {
            match self.byte() {
                b'#' => break,
                c => answer.push(char::from(c)),
            }
        }
        self.byte();
        self.byte();
        self.port.write_all(b"+").unwrap();
        answer
    }

    fn load(&mut self, at: u64, len: u32) -> Vec<u8> {
        let hex = self.ask(&format!("m{at:x},{len:x}"));
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        hex.as_bytes().chunks(2).map(byte).collect()
    }

    fn store(&mut self, at: u64, bytes: &[u8]) {
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(self.ask(&format!("M{at:x},{:x}:{hex}", bytes.len())), "OK");
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Machine for Qemu {
    fn read(&mut self, register: u64) -> u32 {
        u32::from_le_bytes(self.load(SLOT + register, 4).try_into().unwrap())
    }
    fn write(&mut self, register: u64, value: u32) {
        self.store(SLOT + register, &value.to_le_bytes());
    }
    fn poke(&mut self, at: u64, bytes: &[u8]) {
        bytes.chunks(512).zip((at..).step_by(512)).for_each(|(piece, at)| self.store(at, piece));
    }
    fn peek(&mut self, at: u64, len: u32) -> Vec<u8> {
        (0..len).step_by(512).flat_map(|i| self.load(at + u64::from(i), (len - i).min(512))).collect()
    }
}

const TABLE: u64 = 0x4000_0000;
const AVAIL: u64 = 0x4000_1000;
const USED: u64 = 0x4000_2000;
const HEADER: u64 = 0x4010_0000;
const DATA: u64 = 0x4010_1000;
const STATUS: u64 = 0x4010_8000;
const SIZE: u16 = 8;
/// VERSION_1, INDIRECT_DESC, WRITE_ZEROES, DISCARD and FLUSH.
const FEATURES: u64 = 1 << 32 | 1 << 28 | 1 << 14 | 1 << 13 | 1 << 9;

/// The driver, and what it has seen.
struct Script<'m> {
    machine: &'m mut dyn Machine,
    seen: Vec<String>,
    requests: u16,
}

impl Script<'_> {
    fn see(&mut self, what: &str, registers: &[u64]) {
        let values: Vec<u32> = registers.iter().map(|&r| self.machine.read(r)).collect();
        self.seen.push(format!("{what}: {values:x?}"));
    }

    fn descriptor(&mut self, table: u64, index: u64, at: u64, len: u32, flags: u16, next: u16) {
        let raw = u128::from(at) | u128::from(len) << 64 | u128::from(flags) << 96 | u128::from(next) << 112;
        self.machine.poke(table + 16 * index, &raw.to_le_bytes());
    }

    fn start(&mut self) {
        self.requests = 0;
        self.machine.poke(AVAIL, &[0; 64]);
        self.machine.poke(USED, &[0; 128]);
        self.machine.write(0x70, 0);
        self.see("after reset: status, interrupt, ready", &[0x70, 0x60, 0x44]);
        self.machine.write(0x70, 1);
        self.machine.write(0x70, 3);
        for half in 0..2 {
            self.machine.write(0x24, half);
            self.machine.write(0x20, (FEATURES >> (32 * half)) as u32);
        }
        self.machine.write(0x70, 11);
        self.see("features taken", &[0x70]);
        self.machine.write(0x30, 0);
        self.machine.write(0x38, SIZE.into());
        for (register, at) in [(0x80, TABLE), (0x90, AVAIL), (0xa0, USED)] {
            self.machine.write(register, at as u32);
            self.machine.write(register + 4, 0);
        }
        self.machine.write(0x44, 1);
        self.machine.write(0x70, 15);
        self.see("running: status, interrupt, ready", &[0x70, 0x60, 0x44]);
    }

    /// Offers chain 0, notifies, and waits until it comes back or the device breaks.
    fn submit(&mut self, what: &str) {
        self.machine.poke(AVAIL + 4 + 2 * u64::from(self.requests % SIZE), &[0, 0]);
        self.requests += 1;
        self.machine.poke(AVAIL + 2, &self.requests.to_le_bytes());
        self.machine.write(0x50, 0);
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.machine.peek(USED + 2, 2) != self.requests.to_le_bytes() && self.machine.read(0x70) == 15 {
            assert!(Instant::now() < deadline, "{what}: no answer");
            std::thread::sleep(Duration::from_millis(2));
        }
        let (status, interrupt) = (self.machine.read(0x70), self.machine.read(0x60));
        // QEMU adds the used-buffer bit to every configuration interrupt.
        let ignored = if status == 15 { 0 } else { 1 };
        self.seen.push(format!("{what}: status {status:x}, interrupt {:x}", interrupt & !ignored));
        self.machine.write(0x64, 3);
        self.see("acknowledged", &[0x60]);
        let used = self.machine.peek(USED + 2, 2 + 8 * u32::from(SIZE));
        self.seen.push(format!("{what}: used ring {used:x?}"));
    }

    fn request(&mut self, what: &str, kind: u32, sector: u64, out: &[u8], room: u32) {
        self.machine.poke(HEADER, &(u128::from(kind) | u128::from(sector) << 64).to_le_bytes());
        self.machine.poke(STATUS, &[0xee]);
        self.machine.poke(DATA, &vec![0xdd; room as usize]);
        self.machine.poke(DATA, out);
        self.descriptor(TABLE, 0, HEADER, 16, NEXT, 1);
        let (len, flags) = if room > 0 { (room, WRITE) } else { (out.len() as u32, 0) };
        let next = if len > 0 { 1 } else { 2 };
        self.descriptor(TABLE, 0, HEADER, 16, NEXT, next);
        self.descriptor(TABLE, 1, DATA, len, flags | NEXT, 2);
        self.descriptor(TABLE, 2, STATUS, 1, WRITE, 0);
        self.submit(what);
        let answer = (self.machine.peek(STATUS, 1), self.machine.peek(DATA, room));
        self.seen.push(format!("{what}: {answer:x?}"));
    }
}

fn script(machine: &mut dyn Machine) -> Vec<String> {
    let mut s = Script { machine, seen: vec![], requests: 0 };
    s.see("magic, version, device", &[0, 4, 8]);
    s.see("capacity, block size", &[0x100, 0x104, 0x114]);
    s.machine.write(0x30, 1);
    s.see("a queue that does not exist: size, ready", &[0x34, 0x44]);
    s.start();
    let bytes: Vec<u8> = (0..1536).map(|i| (i * 5 / 3) as u8).collect();
    s.request("write", 1, 3, &bytes, 0);
    s.request("read", 0, 2, &[], 2560);
    s.request("flush", 4, 0, &[], 0);
    s.request("id", 8, 0, &[], 20);
    s.request("read past the end", 0, 16, &[], 512);
    s.request("read over the end", 0, 15, &[], 1024);
    s.request("write past the end", 1, 16, &bytes[..512], 0);
    s.request("unknown", 77, 0, &[], 0);
    let segment = |sector: u64, sectors: u32, flags: u32| {
        (u128::from(sector) | u128::from(sectors) << 64 | u128::from(flags) << 96).to_le_bytes()
    };
    s.request("write zeroes", 13, 0, &segment(4, 1, 0), 0);
    s.request("read what was zeroed", 0, 3, &[], 1536);
    s.request("write zeroes past the end", 13, 0, &segment(15, 2, 0), 0);
    s.request("write zeroes with unknown flags", 13, 0, &segment(4, 1, 4), 0);
    s.request("discard with flags", 11, 0, &segment(4, 1, 1), 0);
    // The same by an indirect table.
    s.machine.poke(HEADER, &[0; 16]);
    for (index, at, len, flags) in [(0, HEADER, 16, NEXT), (1, DATA, 512, NEXT | WRITE), (2, STATUS, 1, WRITE)] {
        s.descriptor(DATA + 0x1000, index, at, len, flags, index as u16 + 1);
    }
    s.descriptor(TABLE, 0, DATA + 0x1000, 48, INDIRECT, 0);
    s.submit("indirect");
    // What breaks the device.
    s.descriptor(TABLE, 0, HEADER, 16, NEXT, 0);
    s.submit("a loop");
    s.start();
    s.descriptor(TABLE, 0, HEADER, 16, NEXT, SIZE);
    s.submit("a successor out of range");
    s.start();
    s.descriptor(TABLE, 0, HEADER, 17, INDIRECT, 0);
    s.submit("an indirect table of a bad size");
    s.start();
    s.descriptor(TABLE, 0, HEADER, 16, 0, 0);
    s.submit("no room for the status");
    s.start();
    s.request("well again", 0, 0, &[], 512);
    s.seen
}

#[test]
fn a_driver_sees_what_it_sees_on_qemu() {
    let dir = std::env::temp_dir().join(format!("handset-blk-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let store = Shared::new(512 * 16);
    let disk = dir.join("disk.img");
    std::fs::write(&disk, &store.0.lock().unwrap().disk.0).unwrap();
    let theirs = script(&mut Qemu::start(&dir, &disk));
    let ours = script(&mut Driver::new(Block::new(Box::new(store.clone()), "serial-of-20-bytes-x")));
    let content = std::fs::read(&disk).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs, "left: Handset, right: QEMU");
    }
    assert_eq!(ours.len(), theirs.len());
    assert!(content == store.0.lock().unwrap().disk.0, "both disks hold the same");
}
