//! Virtio-gpu requests and responses as they stand in memory (virtio 1.2, 5.7.6.7–5.7.6.10).
//!
//! Left out: everything behind features that the device does not offer (VIRGL, RESOURCE_UUID, RESOURCE_BLOB,
//! CONTEXT_INIT); those requests parse as [`Refusal::Unspecified`].

use super::edid::MAX_EDID;
use crate::bus::{Pa, Rect};

/// VIRTIO_GPU_MAX_SCANOUTS: places in a display info response, whatever the device has.
pub const MAX_SCANOUTS: usize = 16;
/// Pages of backing that one resource may have.
pub(super) const MAX_BACKING_ENTRIES: usize = 16384;
/// The length of `virtio_gpu_ctrl_hdr`.
pub(super) const HEADER: usize = 24;
/// The longest request: ATTACH_BACKING with all its entries.
pub(super) const MAX_REQUEST: usize = HEADER + 8 + MAX_BACKING_ENTRIES * 16;

const FLAG_FENCE: u32 = 1 << 0;

const GET_DISPLAY_INFO: u32 = 0x0100;
const RESOURCE_CREATE_2D: u32 = 0x0101;
const RESOURCE_UNREF: u32 = 0x0102;
const SET_SCANOUT: u32 = 0x0103;
const RESOURCE_FLUSH: u32 = 0x0104;
const TRANSFER_TO_HOST_2D: u32 = 0x0105;
const RESOURCE_ATTACH_BACKING: u32 = 0x0106;
const RESOURCE_DETACH_BACKING: u32 = 0x0107;
const GET_EDID: u32 = 0x010a;
const UPDATE_CURSOR: u32 = 0x0300;
const MOVE_CURSOR: u32 = 0x0301;

const OK_NODATA: u32 = 0x1100;
const OK_DISPLAY_INFO: u32 = 0x1101;
const OK_EDID: u32 = 0x1104;

/// Why a request was not done: the VIRTIO_GPU_RESP_ERR that the driver gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Refusal {
    Unspecified = 0x1200,
    OutOfMemory = 0x1201,
    InvalidScanoutId = 0x1202,
    InvalidResourceId = 0x1203,
    InvalidParameter = 0x1205,
}

/// `virtio_gpu_ctrl_hdr`, of which a response repeats the fence.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Header {
    kind: u32,
    flags: u32,
    fence_id: u64,
    ctx_id: u32,
}

impl Header {
    fn take(fields: &mut Fields<'_>) -> Result<Self, Refusal> {
        let header = Self { kind: fields.u32()?, flags: fields.u32()?, fence_id: fields.u64()?, ctx_id: fields.u32()? };
        fields.u32()?; // ring_idx, which needs CONTEXT_INIT, and padding
        Ok(header)
    }
}

/// A piece of guest memory that backs a part of a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MemEntry {
    pub(super) at: Pa,
    pub(super) len: u32,
}

/// Where a pointer is, as the driver counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CursorPos {
    pub(super) scanout: u32,
    pub(super) x: u32,
    pub(super) y: u32,
}

/// A request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    GetDisplayInfo,
    GetEdid { scanout: u32 },
    Create2d { resource: u32, format: u32, width: u32, height: u32 },
    Unref { resource: u32 },
    SetScanout { rect: Rect, scanout: u32, resource: u32 },
    Flush { rect: Rect, resource: u32 },
    TransferToHost2d { rect: Rect, offset: u64, resource: u32 },
    AttachBacking { resource: u32, entries: Vec<MemEntry> },
    DetachBacking { resource: u32 },
    UpdateCursor { pos: CursorPos, resource: u32, hot_x: u32, hot_y: u32 },
    MoveCursor { pos: CursorPos },
}

/// Parses a request; the header comes back as far as there is one, since a refusal honours its fence too.
pub(super) fn parse(request: &[u8]) -> (Header, Result<Command, Refusal>) {
    let mut fields = Fields(request);
    match Header::take(&mut fields) {
        Ok(header) => (header, command(header.kind, fields)),
        Err(refusal) => (Header::default(), Err(refusal)),
    }
}

fn command(kind: u32, mut f: Fields<'_>) -> Result<Command, Refusal> {
    Ok(match kind {
        GET_DISPLAY_INFO => Command::GetDisplayInfo,
        GET_EDID => Command::GetEdid { scanout: f.u32()? },
        RESOURCE_CREATE_2D => {
            Command::Create2d { resource: f.u32()?, format: f.u32()?, width: f.u32()?, height: f.u32()? }
        }
        RESOURCE_UNREF => Command::Unref { resource: f.u32()? },
        SET_SCANOUT => Command::SetScanout { rect: f.rect()?, scanout: f.u32()?, resource: f.u32()? },
        RESOURCE_FLUSH => Command::Flush { rect: f.rect()?, resource: f.u32()? },
        TRANSFER_TO_HOST_2D => Command::TransferToHost2d { rect: f.rect()?, offset: f.u64()?, resource: f.u32()? },
        RESOURCE_ATTACH_BACKING => {
            let (resource, count) = (f.u32()?, f.u32()? as usize);
            if count > MAX_BACKING_ENTRIES {
                return Err(Refusal::Unspecified);
            }
            let entries = (0..count).map(|_| f.mem_entry()).collect::<Result<_, _>>()?;
            Command::AttachBacking { resource, entries }
        }
        RESOURCE_DETACH_BACKING => Command::DetachBacking { resource: f.u32()? },
        UPDATE_CURSOR => {
            Command::UpdateCursor { pos: f.cursor_pos()?, resource: f.u32()?, hot_x: f.u32()?, hot_y: f.u32()? }
        }
        MOVE_CURSOR => Command::MoveCursor { pos: f.cursor_pos()? },
        _ => return Err(Refusal::Unspecified),
    })
}

/// The little-endian fields of a request, in order.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let (field, rest) = self.0.split_first_chunk().ok_or(Refusal::Unspecified)?;
        self.0 = rest;
        Ok(*field)
    }

    fn u32(&mut self) -> Result<u32, Refusal> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Refusal> {
        self.take().map(u64::from_le_bytes)
    }

    fn rect(&mut self) -> Result<Rect, Refusal> {
        Ok(Rect { x: self.u32()?, y: self.u32()?, width: self.u32()?, height: self.u32()? })
    }

    fn mem_entry(&mut self) -> Result<MemEntry, Refusal> {
        let entry = MemEntry { at: Pa(self.u64()?), len: self.u32()? };
        self.u32()?;
        Ok(entry)
    }

    fn cursor_pos(&mut self) -> Result<CursorPos, Refusal> {
        let pos = CursorPos { scanout: self.u32()?, x: self.u32()?, y: self.u32()? };
        self.u32()?;
        Ok(pos)
    }
}

/// What a request that was done answers.
#[derive(Debug)]
pub(super) enum Reply {
    NoData,
    /// A place and size for each scanout that has a display.
    DisplayInfo(Vec<Option<Rect>>),
    Edid(Vec<u8>),
}

/// The response's bytes.
pub(super) fn encode(header: Header, outcome: Result<Reply, Refusal>) -> Vec<u8> {
    let kind = match &outcome {
        Ok(Reply::NoData) => OK_NODATA,
        Ok(Reply::DisplayInfo(_)) => OK_DISPLAY_INFO,
        Ok(Reply::Edid(_)) => OK_EDID,
        Err(refusal) => *refusal as u32,
    };
    let mut out = kind.to_le_bytes().to_vec();
    if header.flags & FLAG_FENCE != 0 {
        out.extend(FLAG_FENCE.to_le_bytes());
        out.extend(header.fence_id.to_le_bytes());
        out.extend(header.ctx_id.to_le_bytes());
    }
    out.resize(HEADER, 0);
    match outcome {
        Ok(Reply::DisplayInfo(places)) => {
            for place in places.iter().take(MAX_SCANOUTS) {
                let Rect { x, y, width, height } = place.unwrap_or_default();
                let (enabled, flags) = (u32::from(place.is_some()), 0);
                for field in [x, y, width, height, enabled, flags] {
                    out.extend(field.to_le_bytes());
                }
            }
            out.resize(HEADER + MAX_SCANOUTS * 24, 0);
        }
        Ok(Reply::Edid(edid)) => {
            out.extend((edid.len() as u32).to_le_bytes());
            out.extend([0; 4]);
            out.extend(edid);
            out.resize(HEADER + 8 + MAX_EDID, 0);
        }
        Ok(Reply::NoData) | Err(_) => {}
    }
    out
}
