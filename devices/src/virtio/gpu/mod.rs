//! Virtio-gpu in 2D (virtio 1.2, section 5.7).
//!
//! | offered | left out |
//! |---|---|
//! | display information and change events, EDID | VIRGL and all 3D commands, CONTEXT_INIT |
//! | 2D resources in all eight formats, up to 16384 × 16384 and [`Gpu::MEMORY`] together | RESOURCE_UUID |
//! | up to 16 scanouts, damage by rectangle | RESOURCE_BLOB, SET_SCANOUT_BLOB, the host-visible memory region |
//! | pointer images of 64 × 64 | pointer images of other sizes |
//! | fences: every command is done when it is answered | |
//!
//! `protocol` knows the wire, `resource` the images, `scanout` the displays, `edid` what they say of themselves.
//!
//! A flush presents the damaged rectangle only. SET_SCANOUT presents the whole scanout when it shows something else
//! than before, since a flush that follows speaks of the new image alone.

mod edid;
mod protocol;
mod resource;
mod scanout;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{Read, Write};

use serde::{Deserialize, Serialize};

pub use self::protocol::MAX_SCANOUTS;
pub use self::resource::{MAX_SIDE, SavedResource};
pub use self::scanout::{Display, Displays};

use self::protocol::{Command, CursorPos, MAX_REQUEST, MemEntry, Refusal, Reply};
use self::resource::Resource;
use self::scanout::{CURSOR_SIDE, Pointer, Scanout, Shown};
use super::{Broken, Queues, VirtioDevice, read_config};
use crate::bus::{Frame, FrameSink, GuestRam, Nanos, Rect, RestoreError, Snapshot, Waker};

const DEVICE_ID: u32 = 16;
const F_EDID: u64 = 1 << 1;
const EVENT_DISPLAY: u32 = 1 << 0;

const CONTROL: usize = 0;
const CURSOR: usize = 1;
const QUEUE_SIZES: [u16; 2] = [256, 16];

/// Image bytes moved in one call, after which the device asks to be called again.
const BYTES_PER_CALL: u64 = 64 << 20;

type Outcome = Result<Reply, Refusal>;

/// A 2D GPU.
pub struct Gpu {
    // Wires.
    sink: Box<dyn FrameSink>,
    host: Displays,
    waker: Waker,
    // Guest state.
    features: u64,
    events_read: u32,
    /// The displays that the guest can know of; the host's wishes may be ahead.
    displays: Vec<Option<Display>>,
    resources: BTreeMap<u32, Resource>,
    scanouts: Vec<Scanout>,
    // Bookkeeping.
    memory_left: u64,
    moved: u64,
}

impl Gpu {
    /// What all resources of a guest may take of the host's memory, in bytes.
    pub const MEMORY: u64 = 512 << 20;

    /// A GPU with one scanout for each entry (1 to [`MAX_SCANOUTS`] of them; more are ignored), and what is plugged in
    /// there. `waker` is to have the transport poll the device.
    pub fn new(displays: &[Option<Display>], sink: Box<dyn FrameSink>, waker: Waker) -> Self {
        let mut displays = displays[..displays.len().min(MAX_SCANOUTS)].to_vec();
        if displays.is_empty() {
            displays.push(None);
        }
        Self {
            sink,
            host: Displays::new(displays.clone(), waker.clone()),
            waker,
            features: 0,
            events_read: 0,
            resources: BTreeMap::new(),
            scanouts: vec![Scanout::default(); displays.len()],
            displays,
            memory_left: Self::MEMORY,
            moved: 0,
        }
    }

    /// The host's hand on the displays, which stays good when the device is handed to a transport.
    #[must_use]
    pub fn displays(&self) -> Displays {
        self.host.clone()
    }

    /// Serves one request, and returns the response.
    fn serve(&mut self, request: &[u8], ram: &GuestRam) -> Vec<u8> {
        let (header, command) = protocol::parse(request);
        let outcome = command.and_then(|command| self.execute(command, ram));
        if let Err(refusal) = &outcome {
            tracing::debug!(?refusal, "virtio-gpu: request refused");
        }
        protocol::encode(header, outcome)
    }

    fn execute(&mut self, command: Command, ram: &GuestRam) -> Outcome {
        match command {
            Command::GetDisplayInfo => return Ok(Reply::DisplayInfo(self.places())),
            Command::GetEdid { scanout } => return self.get_edid(scanout),
            Command::Create2d { resource, format, width, height } => self.create(resource, format, width, height)?,
            Command::Unref { resource } => self.unref(resource)?,
            Command::SetScanout { rect, scanout, resource } => self.set_scanout(scanout, resource, rect)?,
            Command::Flush { rect, resource } => self.flush(resource, rect)?,
            Command::TransferToHost2d { rect, offset, resource } => {
                self.moved += self.resource(resource)?.transfer(ram, rect, offset)?;
            }
            Command::AttachBacking { resource, entries } => self.attach(resource, &entries, ram)?,
            Command::DetachBacking { resource } => self.accounted(resource, Resource::detach)?,
            Command::UpdateCursor { pos, resource, hot_x, hot_y } => {
                self.update_cursor(pos, resource, (hot_x, hot_y))?
            }
            Command::MoveCursor { pos } => self.move_cursor(pos)?,
        }
        Ok(Reply::NoData)
    }

    /// The displays side by side.
    fn places(&self) -> Vec<Option<Rect>> {
        let mut x = 0;
        let place = |display: &Option<Display>| {
            display.map(|display| {
                let (width, height) = display.size();
                let rect = Rect { x, y: 0, width, height };
                x += width;
                rect
            })
        };
        self.displays.iter().map(place).collect()
    }

    fn get_edid(&self, scanout: u32) -> Outcome {
        if self.features & F_EDID == 0 {
            return Err(Refusal::Unspecified);
        }
        let display = self.displays.get(scanout as usize).ok_or(Refusal::InvalidScanoutId)?;
        Ok(Reply::Edid(edid::edid(display.unwrap_or_default(), scanout as usize)))
    }

    fn resource(&mut self, id: u32) -> Result<&mut Resource, Refusal> {
        self.resources.get_mut(&id).ok_or(Refusal::InvalidResourceId)
    }

    /// Changes a resource and settles what it costs now.
    fn accounted(&mut self, id: u32, change: impl FnOnce(&mut Resource) -> Result<(), Refusal>) -> Result<(), Refusal> {
        let resource = self.resources.get_mut(&id).ok_or(Refusal::InvalidResourceId)?;
        let before = resource.cost();
        let outcome = change(resource);
        self.memory_left = self.memory_left + before - resource.cost();
        outcome
    }

    fn create(&mut self, id: u32, format: u32, width: u32, height: u32) -> Result<(), Refusal> {
        if id == 0 || self.resources.contains_key(&id) {
            return Err(Refusal::InvalidResourceId);
        }
        let resource = Resource::new(format, width, height, self.memory_left)?;
        self.memory_left -= resource.cost();
        self.resources.insert(id, resource);
        Ok(())
    }

    fn unref(&mut self, id: u32) -> Result<(), Refusal> {
        let resource = self.resources.remove(&id).ok_or(Refusal::InvalidResourceId)?;
        self.memory_left += resource.cost();
        for (index, scanout) in self.scanouts.iter_mut().enumerate() {
            if scanout.shown.is_some_and(|shown| shown.resource == id) {
                scanout.shown = None;
                self.sink.disable(index);
            }
        }
        Ok(())
    }

    fn attach(&mut self, id: u32, entries: &[MemEntry], ram: &GuestRam) -> Result<(), Refusal> {
        let memory = self.memory_left;
        self.accounted(id, |resource| resource.attach(entries, ram, memory))
    }

    fn set_scanout(&mut self, index: u32, id: u32, rect: Rect) -> Result<(), Refusal> {
        let index = index as usize;
        let before = self.scanouts.get(index).ok_or(Refusal::InvalidScanoutId)?.shown;
        let shown = match id {
            0 => None,
            _ if self.resource(id)?.contains(rect) => Some(Shown { resource: id, rect }),
            _ => return Err(Refusal::InvalidParameter),
        };
        self.scanouts[index].shown = shown;
        if shown != before {
            match shown {
                Some(shown) => self.present(index, shown, shown.whole()),
                None => self.sink.disable(index),
            }
        }
        Ok(())
    }

    fn flush(&mut self, id: u32, rect: Rect) -> Result<(), Refusal> {
        if !self.resource(id)?.contains(rect) {
            return Err(Refusal::InvalidParameter);
        }
        for index in 0..self.scanouts.len() {
            if let Some(shown) = self.scanouts[index].shown.filter(|shown| shown.resource == id)
                && let Some(damage) = shown.visible(rect)
            {
                self.present(index, shown, damage);
            }
        }
        Ok(())
    }

    fn present(&mut self, index: usize, shown: Shown, damage: Rect) {
        if let Some(resource) = self.resources.get(&shown.resource) {
            let Rect { width, height, .. } = shown.rect;
            let frame = Frame { width, height, stride: resource.stride(), bgrx: resource.view(shown.rect) };
            self.sink.present(index, frame, damage);
        }
    }

    /// Presents everything that is shown.
    fn repaint(&mut self) {
        for index in 0..self.scanouts.len() {
            match self.scanouts[index].shown {
                Some(shown) => self.present(index, shown, shown.whole()),
                None => self.sink.disable(index),
            }
            self.sink.cursor(index, &self.scanouts[index].pointer.cursor());
        }
    }

    fn update_cursor(&mut self, pos: CursorPos, id: u32, hot: (u32, u32)) -> Result<(), Refusal> {
        let bgra = match id {
            0 => vec![],
            _ => {
                let resource = self.resource(id)?;
                if resource.size() != (CURSOR_SIDE, CURSOR_SIDE) || hot.0 >= CURSOR_SIDE || hot.1 >= CURSOR_SIDE {
                    return Err(Refusal::InvalidParameter);
                }
                resource.to_bgra()
            }
        };
        let scanout = self.scanouts.get_mut(pos.scanout as usize).ok_or(Refusal::InvalidScanoutId)?;
        let hot = if id == 0 { (0, 0) } else { hot };
        scanout.pointer = Pointer { at: (pos.x, pos.y), hot, bgra };
        self.sink.cursor(pos.scanout as usize, &scanout.pointer.cursor());
        Ok(())
    }

    fn move_cursor(&mut self, pos: CursorPos) -> Result<(), Refusal> {
        let scanout = self.scanouts.get_mut(pos.scanout as usize).ok_or(Refusal::InvalidScanoutId)?;
        scanout.pointer.at = (pos.x, pos.y);
        self.sink.cursor(pos.scanout as usize, &scanout.pointer.cursor());
        Ok(())
    }

    /// Takes the host's wishes over; says whether the displays changed.
    fn heed_host(&mut self) -> bool {
        let mut wishes = self.host.wishes();
        let repaint = std::mem::take(&mut wishes.repaint);
        let changed = wishes.displays != self.displays;
        if changed {
            self.displays.clone_from(&wishes.displays);
        }
        drop(wishes);
        if repaint {
            self.repaint();
        }
        changed
    }

    fn config(&self) -> [u8; 16] {
        let fields = [self.events_read, 0, self.scanouts.len() as u32, 0];
        let mut config = [0; 16];
        for (to, field) in config.as_chunks_mut::<4>().0.iter_mut().zip(fields) {
            *to = field.to_le_bytes();
        }
        config
    }
}

impl VirtioDevice for Gpu {
    fn device_id(&self) -> u32 {
        DEVICE_ID
    }

    fn queue_sizes(&self) -> &[u16] {
        &QUEUE_SIZES
    }

    fn features(&self) -> u64 {
        F_EDID
    }

    fn activate(&mut self, features: u64) {
        self.features = features;
    }

    fn config_read(&self, offset: usize, data: &mut [u8]) {
        read_config(&self.config(), offset, data);
    }

    fn config_write(&mut self, offset: usize, data: &[u8]) {
        // Only events_clear, at 4, can be written; a bit set there clears the event.
        for (at, byte) in (offset..).zip(data) {
            if (4..8).contains(&at) {
                self.events_read &= !(u32::from(*byte) << (8 * (at - 4)));
            }
        }
    }

    fn notify(&mut self, index: usize, queues: &mut Queues) -> Result<(), Broken> {
        self.moved = 0;
        while let Some(chain) = queues.pop(index)? {
            let mut request = vec![];
            let read = chain.reader().take(MAX_REQUEST as u64).read_to_end(&mut request);
            read.map_err(|e| Broken(format!("virtio-gpu request: {e}")))?;
            let response = self.serve(&request, queues.ram());
            let mut writer = chain.writer();
            // Linux gives no room for answers on the cursor queue; elsewhere a short buffer is the driver's loss.
            let room = response.len().min(writer.left() as usize);
            writer.write_all(&response[..room]).map_err(|e| Broken(format!("virtio-gpu response: {e}")))?;
            queues.push(index, chain.head(), writer.written())?;
            if self.moved >= BYTES_PER_CALL {
                self.waker.wake();
                break;
            }
        }
        Ok(())
    }

    fn poll(&mut self, _: Nanos, queues: &mut Queues) -> Result<Option<Nanos>, Broken> {
        if self.heed_host() {
            self.events_read |= EVENT_DISPLAY;
            queues.config_changed();
        }
        self.notify(CONTROL, queues)?;
        self.notify(CURSOR, queues)?;
        Ok(None)
    }

    fn reset(&mut self) {
        self.features = 0;
        self.events_read = 0;
        self.resources.clear();
        self.memory_left = Self::MEMORY;
        self.moved = 0;
        for (index, scanout) in self.scanouts.iter_mut().enumerate() {
            let Scanout { shown, pointer } = std::mem::take(scanout);
            if shown.is_some() {
                self.sink.disable(index);
            }
            if !pointer.bgra.is_empty() {
                self.sink.cursor(index, &Pointer::default().cursor());
            }
        }
    }
}

/// A [`Gpu`] as saved.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SavedGpu {
    features: u64,
    events_read: u32,
    displays: Vec<Option<Display>>,
    resources: Vec<SavedResource>,
    scanouts: Vec<Scanout>,
}

impl Snapshot for Gpu {
    type Saved = SavedGpu;

    fn save(&self) -> SavedGpu {
        let Self {
            sink: _,
            host: _,
            waker: _,
            features,
            events_read,
            displays,
            resources,
            scanouts,
            memory_left: _,
            moved: _,
        } = self;
        SavedGpu {
            features: *features,
            events_read: *events_read,
            displays: displays.clone(),
            resources: resources.iter().map(|(&id, resource)| resource.save(id)).collect(),
            scanouts: scanouts.clone(),
        }
    }

    fn restore(&mut self, saved: SavedGpu) -> Result<(), RestoreError> {
        let SavedGpu { features, events_read, displays, resources: saved_resources, scanouts } = saved;
        let check = |good: bool, field| if good { Ok(()) } else { Err(RestoreError { device: "virtio-gpu", field }) };
        check(features & !F_EDID & 0xff_ffff == 0, "features")?;
        check(events_read & !EVENT_DISPLAY == 0, "events_read")?;
        check(displays.len() == self.displays.len(), "displays")?;
        check(displays.iter().flatten().all(|display| display.is_valid()), "displays")?;
        check(scanouts.len() == self.scanouts.len(), "scanouts")?;
        let mut memory_left = Self::MEMORY;
        let mut resources = BTreeMap::new();
        for saved in saved_resources {
            let restored = Resource::restore(saved, memory_left);
            let (id, resource) = restored.ok_or(RestoreError { device: "virtio-gpu", field: "resources" })?;
            memory_left -= resource.cost();
            check(resources.insert(id, resource).is_none(), "resources")?;
        }
        for Scanout { shown, pointer } in &scanouts {
            let whole = |shown: &Shown| resources.get(&shown.resource).is_some_and(|r| r.contains(shown.rect));
            check(shown.as_ref().is_none_or(whole) && pointer.is_valid(), "scanouts")?;
        }
        (self.features, self.events_read, self.displays) = (features, events_read, displays);
        (self.resources, self.scanouts) = (resources, scanouts);
        (self.memory_left, self.moved) = (memory_left, 0);
        self.repaint();
        // The host's displays may differ from those of the snapshot; polling tells the guest.
        self.waker.wake();
        Ok(())
    }
}
