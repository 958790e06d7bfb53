//! Loads and stores of structures (C4.1, «Advanced SIMD load/store multiple structures» and «single structure»).
//!
//! Multiple structures move in whole registers and are interleaved there; single ones move element by element.

use super::Done;
use super::simd::set;
use crate::ir::op::vec::pack;
use crate::ir::{Build, Flow, Mem};

crate::rows! {
    fp;

    st_multiple "0 q 0011000 0 000000 opcode:4 size:2 rn:5 rt:5" "st{opcode|structs} {rt|list}, [{rn|xsp}]"
    |b, q, opcode, size, rn, rt| { let list = List::multiple(b, q, opcode, size, rt)?; list.store(b, rn, None) }

    st_multiple_post "0 q 0011001 0 0 rm:5 opcode:4 size:2 rn:5 rt:5"
    "st{opcode|structs} {rt|list}, [{rn|xsp}], {rm|post}"
    |b, q, rm, opcode, size, rn, rt| { let list = List::multiple(b, q, opcode, size, rt)?; list.store(b, rn, Some(rm)) }

    ld_multiple "0 q 0011000 1 000000 opcode:4 size:2 rn:5 rt:5" "ld{opcode|structs} {rt|list}, [{rn|xsp}]"
    |b, q, opcode, size, rn, rt| { let list = List::multiple(b, q, opcode, size, rt)?; list.load(b, rn, None) }

    ld_multiple_post "0 q 0011001 1 0 rm:5 opcode:4 size:2 rn:5 rt:5"
    "ld{opcode|structs} {rt|list}, [{rn|xsp}], {rm|post}"
    |b, q, rm, opcode, size, rn, rt| { let list = List::multiple(b, q, opcode, size, rt)?; list.load(b, rn, Some(rm)) }

    st_single "0 q 0011010 0 r 00000 opcode:2 r2 s size:2 rn:5 rt:5" "st{r|struct} {rt|lanes}, [{rn|xsp}]"
    |b, q, r, opcode, r2, s, size, rn, rt| {
        let single = Single::new(b, opcode, [q, s, size], r2 << 1 | r, rt)?;
        single.store(b, rn, None)
    }

    st_single_post "0 q 0011011 0 r rm:5 opcode:2 r2 s size:2 rn:5 rt:5"
    "st{r|struct} {rt|lanes}, [{rn|xsp}], {rm|post}"
    |b, q, r, rm, opcode, r2, s, size, rn, rt| {
        let single = Single::new(b, opcode, [q, s, size], r2 << 1 | r, rt)?;
        single.store(b, rn, Some(rm))
    }

    ld_single "0 q 0011010 1 r 00000 opcode:2 r2 s size:2 rn:5 rt:5" "ld{r|struct} {rt|lanes}, [{rn|xsp}]"
    |b, q, r, opcode, r2, s, size, rn, rt| {
        let single = Single::new(b, opcode, [q, s, size], r2 << 1 | r, rt)?;
        single.load(b, rn, None)
    }

    ld_single_post "0 q 0011011 1 r rm:5 opcode:2 r2 s size:2 rn:5 rt:5"
    "ld{r|struct} {rt|lanes}, [{rn|xsp}], {rm|post}"
    |b, q, r, rm, opcode, r2, s, size, rn, rt| {
        let single = Single::new(b, opcode, [q, s, size], r2 << 1 | r, rt)?;
        single.load(b, rn, Some(rm))
    }

    ld_replicate "0 q 0011010 1 r 00000 11 r2 0 size:2 rn:5 rt:5" "ld{r|struct}r {rt|all}, [{rn|xsp}]"
    |b, q, r, r2, size, rn, rt| { replicate(b, q, size, [r2 << 1 | r, rt, rn], None) }

    ld_replicate_post "0 q 0011011 1 r rm:5 11 r2 0 size:2 rn:5 rt:5" "ld{r|struct}r {rt|all}, [{rn|xsp}], {rm|post}"
    |b, q, r, rm, r2, size, rn, rt| { replicate(b, q, size, [r2 << 1 | r, rt, rn], Some(rm)) }
}

/// Register `i` of a list, which wraps.
fn nth(rt: u32, i: usize) -> u32 {
    (rt + i as u32) % 32
}

/// The address `offset` bytes from a base.
fn at<T: Build>(b: &mut T, base: T::I, offset: u64) -> T::I {
    if offset == 0 {
        return base;
    }
    let offset = b.imm(offset);
    b.add64(base, offset)
}

/// Post-index: by a register, or as 31 by the bytes moved.
fn step<T: Build>(b: &mut T, rn: u32, base: T::I, post: Option<u32>, bytes: u64) {
    if let Some(rm) = post {
        let amount = if rm == 31 { b.imm(bytes) } else { b.x(rm) };
        let next = b.add64(base, amount);
        b.set_xsp(rn, next);
    }
}

/// Whole registers of structures.
struct List {
    /// Bits of an element.
    e: u64,
    /// Bits of each register.
    width: u64,
    /// Registers.
    registers: usize,
    /// Elements of a structure: 1, or the count of registers.
    elements: usize,
    rt: u32,
}

impl List {
    fn multiple<T: Build>(b: &mut T, q: u32, opcode: u32, size: u32, rt: u32) -> Result<Self, T::Stop> {
        let (registers, elements) = match opcode {
            0b0000 => (4, 4),
            0b0010 => (4, 1),
            0b0100 => (3, 3),
            0b0110 => (3, 1),
            0b0111 => (1, 1),
            0b1000 => (2, 2),
            0b1010 => (2, 1),
            _ => return b.undefined(),
        };
        if size == 3 && q == 0 && elements > 1 {
            return b.undefined();
        }
        Ok(Self { e: 8 << size, width: 64 << q, registers, elements, rt })
    }

    fn bytes(&self) -> u64 {
        self.width / 8 * self.registers as u64
    }

    /// Offset and size of the accesses, as large as may be.
    fn blocks(&self) -> impl Iterator<Item = (u64, u64)> + use<> {
        let bytes = self.bytes();
        (0..bytes).step_by(16).map(move |offset| (offset, (bytes - offset).min(16)))
    }

    fn load<T: Build>(&self, b: &mut T, rn: u32, post: Option<u32>) -> Done<T> {
        let base = b.base(rn)?;
        let zero = b.vimm(0);
        let mut memory = [zero; 4];
        for ((offset, bytes), block) in self.blocks().zip(&mut memory) {
            let addr = at(b, base, offset);
            *block = load_block(b, addr, bytes, self.e / 8)?;
        }
        let values = self.to_registers(b, memory);
        for (i, value) in values.into_iter().take(self.registers).enumerate() {
            set(b, nth(self.rt, i), self.width, value)?;
        }
        step(b, rn, base, post, self.bytes());
        Ok(Flow::Next)
    }

    fn store<T: Build>(&self, b: &mut T, rn: u32, post: Option<u32>) -> Done<T> {
        let base = b.base(rn)?;
        let zero = b.vimm(0);
        let mut values = [zero; 4];
        for (i, value) in values.iter_mut().take(self.registers).enumerate() {
            *value = b.v(nth(self.rt, i));
        }
        let memory = self.to_memory(b, values);
        for ((offset, bytes), block) in self.blocks().zip(memory) {
            let addr = at(b, base, offset);
            store_block(b, addr, block, bytes, self.e / 8)?;
        }
        step(b, rn, base, post, self.bytes());
        Ok(Flow::Next)
    }

    /// Takes structures apart. Of 64-bit registers the low halves count.
    fn to_registers<T: Build>(&self, b: &mut T, m: [T::V; 4]) -> [T::V; 4] {
        let (e, element) = (self.e, self.e / 8);
        match self.elements {
            1 if self.width == 128 => m,
            1 => [m[0], b.v_upper(m[0]), m[1], b.v_upper(m[1])],
            2 => [b.v_uzp1(m[0], m[1], e), b.v_uzp2(m[0], m[1], e), m[2], m[3]],
            3 => {
                let place = |r: u64| move |byte: u64| (byte / element * 3 + r) * element + byte % element;
                let triple = [m[0], m[1], m[2]];
                [shuffle(b, triple, place(0)), shuffle(b, triple, place(1)), shuffle(b, triple, place(2)), m[3]]
            }
            _ => {
                let even = [b.v_uzp1(m[0], m[1], e), b.v_uzp1(m[2], m[3], e)];
                let odd = [b.v_uzp2(m[0], m[1], e), b.v_uzp2(m[2], m[3], e)];
                [
                    b.v_uzp1(even[0], even[1], e),
                    b.v_uzp1(odd[0], odd[1], e),
                    b.v_uzp2(even[0], even[1], e),
                    b.v_uzp2(odd[0], odd[1], e),
                ]
            }
        }
    }

    /// Puts structures together, as they lie in memory.
    fn to_memory<T: Build>(&self, b: &mut T, v: [T::V; 4]) -> [T::V; 4] {
        let (e, element) = (self.e, self.e / 8);
        match self.elements {
            1 if self.width == 128 => v,
            1 => [b.v_zip1(v[0], v[1], 64), b.v_zip1(v[2], v[3], 64), v[2], v[3]],
            2 => [b.v_zip1(v[0], v[1], e), b.v_zip2(v[0], v[1], e), v[2], v[3]],
            3 => {
                let place = |block: u64| {
                    move |byte: u64| {
                        let (number, byte) = ((16 * block + byte) / element, (16 * block + byte) % element);
                        16 * (number % 3) + number / 3 * element + byte
                    }
                };
                let triple = [v[0], v[1], v[2]];
                [shuffle(b, triple, place(0)), shuffle(b, triple, place(1)), shuffle(b, triple, place(2)), v[3]]
            }
            _ => {
                let low = [b.v_zip1(v[0], v[2], e), b.v_zip1(v[1], v[3], e)];
                let high = [b.v_zip2(v[0], v[2], e), b.v_zip2(v[1], v[3], e)];
                [
                    b.v_zip1(low[0], low[1], e),
                    b.v_zip2(low[0], low[1], e),
                    b.v_zip1(high[0], high[1], e),
                    b.v_zip2(high[0], high[1], e),
                ]
            }
        }
    }
}

/// Bytes of three vectors: byte `i` of the result is byte `place(i)` of the 48.
fn shuffle<T: Build>(b: &mut T, triple: [T::V; 3], place: impl Fn(u64) -> u64) -> T::V {
    let index = b.vimm((0..16).fold(0, |all, i| all | u128::from(place(i)) << (8 * i)));
    let value = b.v_tbl(triple[0], index, 0);
    let value = b.v_tbx(value, triple[1], index, 16);
    b.v_tbx(value, triple[2], index, 32)
}

/// Reads a block at once, unless that could take an alignment fault that its elements do not.
fn load_block<T: Build>(b: &mut T, addr: T::I, bytes: u64, element: u64) -> Result<T::V, T::Stop> {
    if !b.context().align_check {
        return b.load_v(addr, Mem::plain(bytes as u8));
    }
    let mut block = b.vimm(0);
    for i in 0..bytes / element {
        let addr = at(b, addr, i * element);
        let value = b.load(addr, Mem::plain(element as u8))?;
        block = b.v_insert(block, value, pack(8 * element, i));
    }
    Ok(block)
}

/// Writes a block, as [`load_block`] reads it.
fn store_block<T: Build>(b: &mut T, addr: T::I, block: T::V, bytes: u64, element: u64) -> Result<(), T::Stop> {
    if !b.context().align_check {
        return b.store_v(addr, block, Mem::plain(bytes as u8));
    }
    for i in 0..bytes / element {
        let addr = at(b, addr, i * element);
        let value = b.v_extract(block, pack(8 * element, i));
        b.store(addr, value, Mem::plain(element as u8))?;
    }
    Ok(())
}

/// One element of each register.
struct Single {
    /// Bits of an element.
    e: u64,
    /// Its number.
    n: u64,
    registers: usize,
    rt: u32,
}

impl Single {
    fn new<T: Build>(
        b: &mut T,
        scale: u32,
        [q, s, size]: [u32; 3],
        more_registers: u32,
        rt: u32,
    ) -> Result<Self, T::Stop> {
        let index = q << 3 | s << 2 | size;
        let (e, n) = match (scale, size, s) {
            (0, _, _) => (8, index),
            (1, 0 | 2, _) => (16, index >> 1),
            (2, 0, _) => (32, index >> 2),
            (2, 1, 0) => (64, index >> 3),
            _ => return b.undefined(),
        };
        Ok(Self { e, n: u64::from(n), registers: more_registers as usize + 1, rt })
    }

    fn load<T: Build>(&self, b: &mut T, rn: u32, post: Option<u32>) -> Done<T> {
        let base = b.base(rn)?;
        let values = load_elements(b, base, self.e / 8, self.registers)?;
        for (i, &value) in values.iter().take(self.registers).enumerate() {
            let old = b.v(nth(self.rt, i));
            let new = b.v_insert(old, value, pack(self.e, self.n));
            b.set_v(nth(self.rt, i), new);
        }
        step(b, rn, base, post, self.e / 8 * self.registers as u64);
        Ok(Flow::Next)
    }

    fn store<T: Build>(&self, b: &mut T, rn: u32, post: Option<u32>) -> Done<T> {
        let base = b.base(rn)?;
        for i in 0..self.registers {
            let value = b.v(nth(self.rt, i));
            let value = b.v_extract(value, pack(self.e, self.n));
            let addr = at(b, base, self.e / 8 * i as u64);
            b.store(addr, value, Mem::plain((self.e / 8) as u8))?;
        }
        step(b, rn, base, post, self.e / 8 * self.registers as u64);
        Ok(Flow::Next)
    }
}

/// LD1R to LD4R.
fn replicate<T: Build>(b: &mut T, q: u32, size: u32, [more_registers, rt, rn]: [u32; 3], post: Option<u32>) -> Done<T> {
    let (bytes, registers) = (1 << size, more_registers as usize + 1);
    let base = b.base(rn)?;
    let values = load_elements(b, base, bytes, registers)?;
    for (i, &value) in values.iter().take(registers).enumerate() {
        let value = b.v_dup(value, 8 * bytes);
        set(b, nth(rt, i), 64 << q, value)?;
    }
    step(b, rn, base, post, bytes * registers as u64);
    Ok(Flow::Next)
}

fn load_elements<T: Build>(b: &mut T, base: T::I, bytes: u64, count: usize) -> Result<[T::I; 4], T::Stop> {
    let mut values = [base; 4];
    for (i, value) in values.iter_mut().take(count).enumerate() {
        let addr = at(b, base, bytes * i as u64);
        *value = b.load(addr, Mem::plain(bytes as u8))?;
    }
    Ok(values)
}
