//! The state of all interrupts, as bitmaps of 32: what the distributor and redistributors hold (IHI 0069H, 1.2 and 4).
//!
//! Leaves out how registers show it (`registers`) and what a CPU does with it (`interface`).

use serde::{Deserialize, Serialize};

use crate::bus::RestoreError;

/// The number of interrupt identifiers: 0–15 SGIs, 16–31 PPIs, 32–287 SPIs.
pub const INTIDS: usize = 288;

/// The largest number of CPUs.
pub const MAX_CPUS: usize = 8;

/// Words of SPIs.
pub(super) const SPI_WORDS: usize = INTIDS / 32 - 1;

/// The implemented bits of a priority: 32 levels.
pub(super) const PRIORITY_MASK: u8 = 0xf8;

/// Group 0 or group 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    G0 = 0,
    G1 = 1,
}

/// 32 interrupts.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, PartialEq, Eq)]
pub(super) struct Word {
    pub enabled: u32,
    /// Pending by an edge, an SGI or a register write.
    pub latched: u32,
    /// Level of the input wires.
    pub line: u32,
    pub active: u32,
    /// Edge-triggered rather than level-sensitive.
    pub edge: u32,
    pub group1: u32,
}

impl Word {
    pub fn pending(&self) -> u32 {
        self.latched | self.line & !self.edge
    }

    fn ready(&self, groups: [bool; 2]) -> u32 {
        let in_group = if groups[0] { !self.group1 } else { 0 } | if groups[1] { self.group1 } else { 0 };
        self.pending() & self.enabled & !self.active & in_group
    }
}

/// An interrupt that is pending, enabled and not active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pending {
    pub intid: usize,
    pub priority: u8,
    pub group: Group,
}

/// SGIs and PPIs of one CPU.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Private {
    word: Word,
    priority: [u8; 32],
    /// Which SPIs go to this CPU.
    routes: [u32; SPI_WORDS],
}

/// Every interrupt of the controller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interrupts {
    private: Vec<Private>,
    shared: [Word; SPI_WORDS],
    priority: [u8; SPI_WORDS * 32],
}

/// [`Interrupts`] as data.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct SavedInterrupts {
    private: Vec<(Word, [u8; 32], [u32; SPI_WORDS])>,
    shared: [Word; SPI_WORDS],
    priority: Vec<u8>,
}

impl Interrupts {
    /// Nothing enabled or pending, all in group 0; `sgis` is the word of every CPU's SGIs and PPIs.
    pub fn new(cpus: usize, sgis: Word) -> Self {
        let private = Private { word: sgis, priority: [0; 32], routes: [0; SPI_WORDS] };
        Self { private: vec![private; cpus], shared: Default::default(), priority: [0; SPI_WORDS * 32] }
    }

    pub fn cpus(&self) -> usize {
        self.private.len()
    }

    /// The 32 interrupts from `index * 32`, as `cpu` sees them.
    pub fn word(&self, cpu: usize, index: usize) -> &Word {
        if index == 0 { &self.private[cpu].word } else { &self.shared[index - 1] }
    }

    pub fn word_mut(&mut self, cpu: usize, index: usize) -> &mut Word {
        if index == 0 { &mut self.private[cpu].word } else { &mut self.shared[index - 1] }
    }

    pub fn priority(&self, cpu: usize, intid: usize) -> u8 {
        if intid < 32 { self.private[cpu].priority[intid] } else { self.priority[intid - 32] }
    }

    pub fn set_priority(&mut self, cpu: usize, intid: usize, priority: u8) {
        let place = if intid < 32 { &mut self.private[cpu].priority[intid] } else { &mut self.priority[intid - 32] };
        *place = priority & PRIORITY_MASK;
    }

    /// Which CPUs an interrupt of `cpu`'s view may go to, as a bit mask.
    pub fn targets(&self, cpu: usize, intid: usize) -> u8 {
        if intid < 32 {
            return 1 << cpu;
        }
        let bit = |p: &Private| p.routes[intid / 32 - 1] >> (intid % 32) & 1;
        self.private.iter().enumerate().fold(0, |mask, (n, p)| mask | (bit(p) as u8) << n)
    }

    /// Routes an SPI to the CPUs in the mask.
    pub fn set_targets(&mut self, intid: usize, mask: u8) {
        for (n, private) in self.private.iter_mut().enumerate() {
            let word = &mut private.routes[intid / 32 - 1];
            *word = *word & !(1 << (intid % 32)) | u32::from(mask >> n & 1) << (intid % 32);
        }
    }

    /// A wire changes; an edge-triggered interrupt becomes pending when it rises.
    pub fn set_line(&mut self, cpu: usize, intid: usize, level: bool) {
        let word = self.word_mut(cpu, intid / 32);
        let bit = 1 << (intid % 32);
        if level {
            word.latched |= bit & word.edge & !word.line;
            word.line |= bit;
        } else {
            word.line &= !bit;
        }
    }

    /// The highest-priority interrupt ready for a CPU in the enabled groups; the lowest INTID of equals.
    pub fn highest(&self, cpu: usize, groups: [bool; 2]) -> Option<Pending> {
        let private = &self.private[cpu];
        let mut best: Option<Pending> = None;
        let mut consider = |index: usize, word: &Word, route: u32, priorities: &[u8]| {
            let mut ready = word.ready(groups) & route;
            while ready != 0 {
                let bit = ready.trailing_zeros() as usize;
                let priority = priorities[bit];
                if best.is_none_or(|b| priority < b.priority) {
                    let group = if word.group1 >> bit & 1 != 0 { Group::G1 } else { Group::G0 };
                    best = Some(Pending { intid: index * 32 + bit, priority, group });
                }
                ready &= ready - 1;
            }
        };
        consider(0, &private.word, u32::MAX, &private.priority);
        for (index, (word, &route)) in self.shared.iter().zip(&private.routes).enumerate() {
            consider(index + 1, word, route, &self.priority[index * 32..]);
        }
        best
    }

    /// Power-on state; wires and routes of SPIs keep what `new` and the devices gave them.
    pub fn reset(&mut self, sgis: Word) {
        let lines = |word: Word, line| Word { line, ..word };
        let Self { private, shared, priority } = self;
        for p in private {
            *p = Private { word: lines(sgis, p.word.line), priority: [0; 32], routes: [0; SPI_WORDS] };
        }
        for word in shared {
            *word = lines(Word::default(), word.line);
        }
        priority.fill(0);
    }

    pub fn save(&self) -> SavedInterrupts {
        let Self { private, shared, priority } = self;
        let private = private.iter().map(|Private { word, priority, routes }| (*word, *priority, *routes)).collect();
        SavedInterrupts { private, shared: *shared, priority: priority.to_vec() }
    }

    pub fn restored(saved: SavedInterrupts, cpus: usize, device: &'static str) -> Result<Self, RestoreError> {
        let SavedInterrupts { private, shared, priority } = saved;
        let fits = |p: &[u8]| p.iter().all(|p| p & !PRIORITY_MASK == 0);
        let error = |field| RestoreError { device, field };
        if private.len() != cpus {
            return Err(error("private"));
        }
        let priority: [u8; SPI_WORDS * 32] = priority.try_into().map_err(|_| error("priority"))?;
        if !fits(&priority) || !private.iter().all(|(_, priority, _)| fits(priority)) {
            return Err(error("priority"));
        }
        let private = private.into_iter().map(|(word, priority, routes)| Private { word, priority, routes }).collect();
        Ok(Self { private, shared, priority })
    }
}
