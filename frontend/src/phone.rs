//! Builds the phone that the command line describes, and keeps the hands that move it.
//!
//! Virtio devices, from the topmost slot down: the drives in their order, network card, entropy, GPU, touch screen,
//! keyboard.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::Result;
use devices::bus::Waker;
use devices::virtio::SavedDevice;
use devices::virtio::blk::Block;
use devices::virtio::gpu::{Display, Gpu};
use devices::virtio::input::{Axes, Input, Keyboard, TouchScreen};
use devices::virtio::net::{NetCard, NetConfig, Offload};
use devices::virtio::rng::Entropy;
use emu::cpu::Engine;
use emu::machine::{Boot, Config, Host, Machine, Source as BootSource, VirtioMaker};

use crate::cli::Run;
use crate::disk::{self, DriveSpec, Format, Layer};
use crate::guest;
use crate::host;
use crate::net::{Forward, UserNet};
use crate::profile;
use crate::screen::{Screen, Source};
use crate::serial::{Serial, Target};
use crate::translations;

/// QEMU's first address, which guests' configurations may know.
const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
const MTU: u16 = 1500;
const MEMORY: u64 = 1 << 30;

/// A phone that is ready to be switched on.
#[derive(Debug)]
pub struct Phone {
    /// What is in it, for people.
    pub title: String,
    /// The computer.
    pub machine: Machine,
    /// Its serial port.
    pub serial: Serial,
    /// Its display.
    pub display: Display,
    /// What the display shows.
    pub screen: Screen,
    /// Fingers on it.
    pub touch: TouchScreen,
    /// Keys of a keyboard that is plugged in.
    pub keyboard: Keyboard,
    /// Its disks, in their order, and what those with `snapshot` have changed.
    pub disks: Vec<(DriveSpec, Option<Layer>)>,
}

/// A waker to make a device with before there is a board.
struct Later(Arc<OnceLock<Waker>>);

impl Later {
    fn new() -> (Self, Waker) {
        let place = Arc::new(OnceLock::<Waker>::new());
        let later = Arc::clone(&place);
        let waker = Waker::new(move || {
            // A device that has no board yet is polled when it gets one.
            if let Some(waker) = later.get() {
                waker.wake();
            }
        });
        (Self(place), waker)
    }

    /// Puts the device that was made with the waker on a board.
    fn maker(self, device: impl SavedDevice + 'static) -> VirtioMaker {
        Box::new(move |waker| {
            self.0.set(waker).expect("a maker is called once");
            Box::new(device)
        })
    }
}

fn made(device: impl SavedDevice + 'static) -> VirtioMaker {
    Box::new(move |_| Box::new(device))
}

/// What to boot, and what goes with it.
struct Choice {
    title: String,
    boot: Boot,
    memory: u64,
    disk: Option<DriveSpec>,
}

fn choose(run: &Run) -> Result<Choice> {
    let name = |path: &Path| path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let append = run.append.clone().unwrap_or_default();
    let (title, boot, memory, disk) = if let Some(image) = &run.kernel {
        let initrd = run.initrd.clone().map(BootSource::File);
        let boot = Boot::Kernel { image: BootSource::File(image.clone()), initrd, append };
        (name(image), boot, None, None)
    } else if let Some(image) = &run.bios {
        (name(image), Boot::Firmware(BootSource::File(image.clone())), None, None)
    } else if let Some(name) = &run.guest {
        let guest = guest::find(name)?;
        let append = format!("{} {append}", guest.cmdline).trim_end().to_owned();
        let boot =
            Boot::Kernel { image: BootSource::File(guest.kernel), initrd: guest.initrd.map(BootSource::File), append };
        let disk = guest.disk.map(|file| DriveSpec {
            file,
            format: Format::Raw,
            read_only: false,
            snapshot: true,
            backing: false,
            serial: String::new(),
        });
        (guest.title, boot, guest.memory, disk)
    } else {
        let demo = firmware::program("demo").expect("the demo guest is built in");
        let image = BootSource::BuiltIn("the demo guest", demo.image);
        ("Demo".into(), Boot::Kernel { image, initrd: None, append }, None, None)
    };
    Ok(Choice { title, boot, memory: run.memory.or(memory).unwrap_or(MEMORY), disk })
}

/// Builds it. Nothing is written yet but the beginning of a profile.
///
/// # Errors
/// One line that names the option or file.
pub fn build(run: &Run) -> Result<Phone> {
    let Choice { title, boot, memory, disk } = choose(run)?;
    let mut virtio: Vec<VirtioMaker> = Vec::new();
    let mut disks = Vec::new();
    // A guest's own disk is the last, which Linux calls vda.
    for drive in run.drives.iter().chain(&disk) {
        let (store, layer) = disk::open(drive)?;
        virtio.push(made(Block::new(store, &drive.serial)));
        disks.push((drive.clone(), layer));
    }
    if let Some(spec) = run.user_net() {
        let (later, waker) = Later::new();
        let offload = Offload::new();
        let network = UserNet::start(spec.clone(), MTU, Some(Arc::clone(&offload)), waker.clone())?;
        for (Forward { host, guest, .. }, (transport, address)) in spec.forwards.iter().zip(&network.listening) {
            if host.port() == 0 {
                eprintln!("handset: {transport} {address} leads to the guest's {}:{}", guest.0, guest.1);
            }
        }
        let config = NetConfig { mac: MAC, mtu: MTU, offload: Some(offload) };
        virtio.push(later.maker(NetCard::new(config, Box::new(network.port), waker)));
    }
    virtio.push(made(Entropy::new(host::entropy)));

    let display = Display::new(run.display.0, run.display.1);
    let screen = Screen::new(1);
    let (later, waker) = Later::new();
    virtio.push(later.maker(Gpu::new(&[Some(display)], screen.sink(Source::Gpu), waker)));
    let (later, waker) = Later::new();
    let (device, touch) = Input::touch_screen(Axes::pixels(display.size(), display.millimetres()), waker);
    virtio.push(later.maker(device));
    let (later, waker) = Later::new();
    let (device, keyboard) = Input::keyboard(waker);
    virtio.push(later.maker(device));

    let target = run.serial.clone().unwrap_or(if run.headless { Target::Stdio } else { Target::None });
    let serial = Serial::new(target);
    let optimizations = run.jit_opt.unwrap_or_default();
    let config = Config {
        smp: run.smp,
        memory,
        gic: run.gic,
        cpu: run.cpu.clone(),
        engine: run.accel,
        optimizations,
        boot,
        dtb: run.dtb.clone(),
    };
    let host = Host {
        serial: serial.sink(),
        wall: Box::new(host::Wall),
        entropy: Box::new(host::entropy),
        screen: Some(screen.sink(Source::Firmware)),
        virtio,
        translations: match run.accel {
            Engine::Jit => translations::open(run.translations.as_ref(), optimizations)?,
            Engine::Interpreter => None,
        },
        profile: run.profile.as_deref().map(profile::begin).transpose()?,
    };
    let machine = Machine::new(config, host)?;
    Ok(Phone { title, machine, serial, display, screen, touch, keyboard, disks })
}
