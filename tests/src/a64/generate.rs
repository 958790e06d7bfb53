//! Random cases from the instruction table.
//!
//! Fields of a row's pattern are random, but for those that must make sense: bases of accesses point into the
//! buffer, displacements and indices are small, branches lead forward. X19 holds a code address, X20–X23 indices,
//! X24–X27 and SP bases; other instructions of a longer case do not write them.

use emu::a64::{Field, Row, decode, rows};
use emu::ir::block::Term;

use super::campaign::harmless;
use super::interpreter::USER;
use super::tally::{MODES, fpcr};
use super::{BUFFER, CODE, Case, FPCR_MASK, FPSR_MASK, MAX_WORDS, Model, PAGE, State, lift};

/// SplitMix64 (Steele, Lea and Flood 2014).
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// Below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.bits() % n
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// A value for a general register: often near the ends of a range.
    fn integer(&mut self) -> u64 {
        let near = self.pick(&[0u64, 1 << 7, 1 << 8, 1 << 15, 1 << 16, 1 << 31, 1 << 32, 1 << 63]);
        match self.below(8) {
            0..3 => self.bits(),
            3 => self.bits() >> self.below(64),
            4 => (self.bits() as i64 >> self.below(64)) as u64,
            5 if self.below(2) == 0 => u64::from(self.bits() as u32),
            // Few ones: halfway between two floating-point numbers, more often than chance has it.
            5 => (1 << self.below(64) | self.below(2) << self.below(64)) ^ 0u64.wrapping_sub(self.below(2)),
            _ => near.wrapping_add(self.below(5)).wrapping_sub(2),
        }
    }

    /// A floating-point number whose sums, products and conversions come near a limit more often than chance has it.
    fn float(&mut self, bits: u32) -> u64 {
        let frac = [10u32, 23, 52][bits.trailing_zeros() as usize - 4];
        let ones = (1 << (bits - 1 - frac)) - 1;
        let bias = ones / 2;
        let near = self.pick(&[0, bias / 2, bias / 2, bias, bias, bias, bias + 31, bias + 63, bias + bias / 2, ones]);
        let exp = (near + self.below(5)).saturating_sub(2).min(ones);
        let mask = (1 << frac) - 1;
        let fraction = match self.below(6) {
            0 => 0,
            1 => self.below(4),
            2 => mask - self.below(4),
            3 => 1 << self.below(frac.into()),
            4 => self.bits() << self.below(frac.into()),
            _ => self.bits(),
        };
        self.below(2) << (bits - 1) | exp << frac | fraction & mask
    }

    /// A value for a vector register: random bits, or lanes of notable floating-point numbers.
    fn vector(&mut self) -> u128 {
        // Zero, least and greatest subnormal, least normal, near one, greatest, infinity, quiet and signalling NaN.
        const HALF: [u64; 12] = [0, 1, 0x3ff, 0x400, 0x401, 0x3c00, 0x3bff, 0x3e00, 0x7bff, 0x7c00, 0x7e01, 0x7d01];
        const SINGLE: [u64; 14] = [
            0,
            1,
            0x7f_ffff,
            0x80_0000,
            0x80_0001,
            0x3f80_0000,
            0x3f7f_ffff,
            0x3fc0_0000,
            0x4b00_0001,
            0x4f00_0000,
            0x7f7f_ffff,
            0x7f80_0000,
            0x7fc0_0001,
            0x7fa0_0001,
        ];
        const DOUBLE: [u64; 14] = [
            0,
            1,
            0xf_ffff_ffff_ffff,
            0x10 << 48,
            (0x10 << 48) + 1,
            0x3ff0 << 48,
            0x3fef_ffff_ffff_ffff,
            0x3ff8 << 48,
            0x4330_0000_0000_0001,
            0x43e0 << 48,
            0x7fef_ffff_ffff_ffff,
            0x7ff0 << 48,
            (0x7ff8 << 48) + 1,
            (0x7ff4 << 48) + 1,
        ];
        let whole = u128::from(self.bits()) << 64 | u128::from(self.bits());
        let (bits, table): (u32, &[u64]) = match self.below(10) {
            0 | 1 => return whole,
            7.. => {
                let bits = self.pick(&[16, 32, 64]);
                return (0..128 / bits).fold(0, |v, lane| v | u128::from(self.float(bits)) << (bits * lane));
            }
            2 => return u128::from(self.integer()) << 64 | u128::from(self.integer()),
            3 => (16, &HALF),
            4 => (32, &SINGLE),
            _ => (64, &DOUBLE),
        };
        // Some lanes stay random: a random exponent makes another sum than a notable one.
        (0..128 / bits).fold(whole, |v, lane| {
            if self.below(4) == 0 {
                return v;
            }
            let value = self.pick(table) | self.below(2) << (bits - 1);
            let mask = (u128::MAX >> (128 - bits)) << (bits * lane);
            v & !mask | u128::from(value) << (bits * lane)
        })
    }
}

/// Whether a row can be run by a user program and judged by its state afterwards.
#[must_use]
pub fn testable(row: &Row) -> bool {
    // Calls out of the program, semihosting, waiting, and what depends on the system.
    const NOT: [&str; 11] = ["svc", "hvc", "smc", "hlt", "eret", "wfi", "wfe", "msr", "mrs", "msr_imm", "sys"];
    !NOT.contains(&row.name)
}

const CLREX: u32 = 0xd503_3f5f;
/// MRS of NZCV, FPCR and FPSR, MSR of NZCV, with X0; MSR of FPCR and FPSR with XZR.
const SYSTEM: [u32; 6] = [0xd53b_4200, 0xd53b_4400, 0xd53b_4420, 0xd51b_4200, 0xd51b_441f, 0xd51b_443f];
const SUBS_COUNTER: u32 = 0xf100_0400 | COUNTER << 5 | COUNTER;
const SUB_COUNTER: u32 = 0xd100_0400 | COUNTER << 5 | COUNTER;
const CMP_COUNTER: u32 = 0xf100_001f | COUNTER << 5;
const CBZ_COUNTER: u32 = 0xb400_0000 | COUNTER;
const CBNZ_COUNTER: u32 = 0xb500_0000 | COUNTER;
const B_COND: u32 = 0x5400_0000;
/// Counts the rounds of a program's loop.
const COUNTER: u32 = 28;
const CODE_POINTER: u32 = 19;
const INDICES: std::ops::Range<u32> = 20..24;
const BASES: std::ops::Range<u32> = 24..28;

/// Makes random cases.
#[derive(Debug)]
pub struct Generator {
    /// Where the randomness comes from.
    pub random: Random,
    rows: Vec<&'static Row>,
    /// In a program: how many general registers its instructions use.
    registers: Option<u32>,
    /// The last case's memory, of which the next one's differs in places.
    page: Vec<u8>,
}

impl Generator {
    /// Of the rows that are testable and that `filter` takes.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn new(seed: u64, filter: impl Fn(&Row) -> bool) -> Self {
        let rows: Vec<_> = rows().filter(|row| testable(row) && filter(row)).collect();
        assert!(!rows.is_empty(), "no row is selected");
        let mut random = Random(seed);
        let page = (0..PAGE / 8).flat_map(|_| random.integer().to_le_bytes()).collect();
        Self { random, rows, registers: None, page }
    }

    /// A case of up to `max` instructions.
    pub fn case(&mut self, max: usize) -> Case {
        let first = self.random.pick(&self.rows);
        let len = 1 + self.random.below(max.min(MAX_WORDS) as u64) as usize;
        let mut case = self.of_row(first, len);
        let mut row = first;
        loop {
            // A store-exclusive of another size than the load-exclusive before it is CONSTRAINED UNPREDICTABLE, so
            // a load without its store closes the monitor again.
            if row.name.starts_with("ldx") && case.words.len() < len {
                case.words.push(CLREX);
            }
            if case.words.len() >= len {
                return case;
            }
            if let Some(n) = self.registers.filter(|_| self.random.below(16) == 0) {
                let word = self.random.pick(&SYSTEM) | self.random.below(n.into()) as u32;
                case.words.push(word);
                continue;
            }
            row = self.random.pick(&self.rows);
            if row.name == "brk" && self.registers.is_some() {
                continue;
            }
            if Model::of(row.name) == Model::Max && case.model != Model::Max {
                continue;
            }
            let word = self.word(row, case.words.len());
            if row.name.starts_with("stx") {
                if len - case.words.len() < 2 {
                    return case;
                }
                case.words.push(exclusive_load(word));
            }
            case.words.push(word);
        }
    }

    /// A longer case in which the same registers come again and again, mostly in a loop, with system registers read and
    /// written in between.
    pub fn program(&mut self) -> Case {
        self.registers = Some(self.random.pick(&[3, 5, 9, 18]));
        let mut case = self.case(MAX_WORDS - 4);
        if self.random.below(4) != 0 {
            // The round is counted where it begins, whatever the body's branches skip.
            let start = self.random.below(case.words.len() as u64) as usize;
            let len = (case.words.len() - start) as u32;
            let count = self.random.pick(&[SUBS_COUNTER, SUB_COUNTER]);
            case.words.splice(start..start, [CBZ_COUNTER | (len + 4) << 5, count]);
            let back = |words: u32| words.wrapping_neg() << 5 & 0xff_ffe0;
            match self.random.below(3) {
                0 => case.words.push(CBNZ_COUNTER | back(len + 2)),
                1 => case.words.extend([CMP_COUNTER, B_COND | 1 | back(len + 3)]),
                _ => case.words.push(B_COND | self.random.below(16) as u32 | back(len + 2)),
            }
            case.state.x[COUNTER as usize] = 1 + self.random.below(6);
            case.state.x[CODE_POINTER as usize] = CODE + 4 * case.words.len() as u64;
        }
        self.registers = None;
        case
    }

    /// A case of one instruction, of that row.
    pub fn single(&mut self, row: &'static Row) -> Case {
        self.of_row(row, 1)
    }

    /// Instruction number `n`: of every row in turn, in half of the rounds under another FPCR mode each.
    pub fn in_turn(&mut self, n: u64) -> Case {
        let rows = self.rows.len() as u64;
        let mut case = self.single(self.rows[(n % rows) as usize]);
        let mode = (n / rows) as usize % (2 * MODES);
        case.state.fpcr = if mode < MODES { fpcr(mode) } else { 0 };
        case
    }

    /// A word that may be no instruction: a random one, or a row's with one or two of its fixed bits changed.
    pub fn stray(&mut self) -> Case {
        let mut case = self.case(1);
        let word = loop {
            let r = &mut self.random;
            let row = r.pick(&self.rows);
            let word = match r.below(3) {
                0 => r.bits() as u32,
                n => (0..n).fold(case.words[0], |word, _| word ^ 1 << r.below(32)),
            };
            if harmless(word) && row.name != "brk" {
                break word;
            }
        };
        (case.model, case.words) = (Model::A76, vec![word]);
        // A store to the code would be another test.
        case.state.x[CODE_POINTER as usize] = self.random.bits();
        case
    }

    fn of_row(&mut self, row: &'static Row, len: usize) -> Case {
        let word = self.word(row, 0);
        for _ in 0..16 {
            let at = self.random.below(PAGE as u64 / 8) as usize * 8;
            self.page[at..at + 8].copy_from_slice(&self.random.integer().to_le_bytes());
        }
        let mut state = self.state(len);
        if row.name.starts_with("cas") && self.random.below(2) == 0 {
            expect(&mut state, &self.page, word);
        }
        if word & 0x0e00_0000 == 0x0e00_0000 && self.random.below(4) == 0 {
            relate(&mut self.random, &mut state, row, word);
        }
        Case { model: Model::of(row.name), words: vec![word], state, buffer: self.page.clone() }
    }

    fn state(&mut self, len: usize) -> State {
        let r = &mut self.random;
        let mut x = [0; 32];
        let mut v = [0; 32];
        x.fill_with(|| r.integer());
        v.fill_with(|| r.vector());
        // Neighbours that all but cancel each other.
        for n in 1..v.len() {
            if r.below(6) == 0 {
                let sign =
                    r.pick(&[0, 1 << 127 | 1 << 63, (u128::MAX / 0xffff_ffff) << 31, (u128::MAX / 0xffff) << 15]);
                v[n] = (v[n - 1] ^ sign).wrapping_add(u128::from(r.below(3))).wrapping_sub(1);
            }
        }
        x[CODE_POINTER as usize] = CODE + 4 * (len as u64 + r.below(1 + (MAX_WORDS - len) as u64));
        for n in INDICES {
            x[n as usize] = (r.below(128) as i64 - 64) as u64;
        }
        for n in BASES {
            let fine = r.pick(&[1, 4, 16, 16]);
            let tag = if r.below(8) == 0 { r.bits() << 56 } else { 0 };
            x[n as usize] = (BUFFER + PAGE as u64 / 2 - 256 + r.below(512) / fine * fine) | tag;
        }
        x[31] = BUFFER + PAGE as u64 / 2 - 256 + r.below(32) * 16;
        let fpcr = if r.below(2) == 0 { 0 } else { r.bits() as u32 & FPCR_MASK };
        let fpsr = if r.below(2) == 0 { 0 } else { r.bits() as u32 & FPSR_MASK };
        State { x, v, nzcv: r.below(16) as u32, fpcr, fpsr }
    }

    /// An instruction of a row, to stand as number `at`.
    fn word(&mut self, row: &'static Row, at: usize) -> u32 {
        let registers = self.registers;
        let r = &mut self.random;
        let word = loop {
            let word = r.bits() as u32 & !row.pattern.mask | row.pattern.value;
            let unwelcome = registers.is_some() && r.below(64) != 0 && raises(row, word);
            if decode(word).is_some_and(|found| std::ptr::eq(found, row)) && !unwelcome {
                break word;
            }
        };
        // Loads and stores have bits 27 and 25 so; of those, literal loads have no base.
        let access = word & 0x0a00_0000 == 0x0800_0000;
        let literal = word & 0x3b00_0000 == 0x1800_0000;
        let simd = access && word & 1 << 26 != 0;
        let branch = row.group == "branch";
        let most = if registers.is_some() && r.below(16) != 0 { 4 } else { MAX_WORDS };
        let forward = 1 + r.below(most.min(MAX_WORDS - at) as u64) as u32;
        let to_stack = word & 31 == 31 && row.group.starts_with("data");
        let mut word = word;
        let mut set = |name: &str, f: &mut dyn FnMut(&mut Random, u32, Field) -> u32| {
            if let Some(field) = row.pattern.find(name) {
                let mask = (u32::MAX >> (32 - field.width)) << field.low;
                let value = f(r, field.of(word), field) << field.low & mask;
                word = word & !mask | value;
            }
        };
        // X18 is the first of a pair with X19.
        let away = |n: u32| match registers {
            Some(few) if n != 31 => n % few,
            _ if (CODE_POINTER - 1..BASES.end).contains(&n) => n & 15,
            _ => n,
        };
        for name in ["rd", "rt", "rt2", "rs"] {
            let vector = simd && name != "rs";
            set(name, &mut |_, n, _| if vector { n } else { away(n) });
        }
        if let Some(few) = registers.filter(|_| !access && !branch) {
            for name in ["rn", "rm", "ra"] {
                set(name, &mut |_, n, _| if n % 8 == 0 { n } else { n % few });
            }
        }
        if to_stack {
            // The stack pointer does not become a code address.
            set("rn", &mut |_, n, _| if n == CODE_POINTER { 31 } else { n });
        }
        if row.name == "casp" {
            for name in ["rs", "rt"] {
                // Odd registers are undefined, which one in eight cases is to show.
                set(name, &mut |r, n, _| if r.below(8) == 0 { n } else { n & !1 });
            }
        }
        if access && !literal {
            set("rn", &mut |r, _, _| r.pick(&[24, 25, 26, 27, 31]));
            set("imm12", &mut |r, n, _| n & if r.below(16) == 0 { 0xfff } else { 0x3f });
        }
        if access {
            set("rm", &mut |r, n, _| if r.below(8) == 0 { n } else { INDICES.start + n % 4 });
        }
        if literal {
            set("imm19", &mut |r, n, _| n & if r.below(16) == 0 { !0 } else { 0xf });
        }
        if branch {
            for name in ["imm26", "imm19", "imm14"] {
                set(name, &mut |_, _, _| forward);
            }
            set("rn", &mut |_, _, _| CODE_POINTER);
        }
        word
    }
}

/// Whether an instruction is sure to end in an exception.
fn raises(row: &Row, word: u32) -> bool {
    lift(row, word, USER).0.term == Term::Raised
}

/// Lets a compare-and-swap find what it expects, if its address has 16 bytes.
fn expect(state: &mut State, buffer: &[u8], word: u32) {
    let (base, rs) = ((word >> 5 & 31) as usize, (word >> 16 & 31) as usize);
    let at = (state.x[base] % PAGE as u64) as usize;
    let Some(bytes) = buffer.get(at..at + 16) else { return };
    let found = u128::from_le_bytes(bytes.try_into().expect("16 bytes"));
    // CASP of words has bits 31:30 clear; it and CASP of doublewords have bit 23 clear.
    let second = if word >> 30 == 0 { found >> 32 } else { found >> 64 };
    state.x[rs] = found as u64;
    if word & 1 << 23 == 0 && rs < 30 {
        state.x[rs + 1] = second as u64;
    }
}

/// The load-exclusive of the same size and base as a store-exclusive, into low registers, which are no base.
fn exclusive_load(store: u32) -> u32 {
    (store | 1 << 22) & !(0x10 << 10 | 0x10)
}

/// Makes one operand of a floating-point instruction a product of the others or nearly so, for cancellation in a fused
/// multiply-add and exact quotients, roots and remainders.
fn relate(random: &mut Random, state: &mut State, row: &Row, word: u32) {
    let of = |name: &str, other: usize| row.pattern.find(name).map_or(other, |field| field.of(word) as usize);
    let rn = of("rn", 0);
    let (x, y) = (state.v[rn], state.v[of("rm", rn)]);
    let accumulates = row.name.contains("ml") || row.name.contains("madd") || row.name.contains("msub");
    let target = if accumulates { of("ra", of("rd", 0)) } else { rn };
    let bits = random.pick(&[16, 32, 32, 64, 64]);
    let lane = |v: u128, n: u32| (v >> (bits * n)) as u64 & u64::MAX >> (64 - bits);
    let mut product = 0;
    for n in 0..128 / bits {
        let (x, y) = (lane(x, n), lane(y, n));
        let exact = match bits {
            16 => narrow(widen(x) * widen(y)),
            32 => u64::from((f32::from_bits(x as u32) * f32::from_bits(y as u32)).to_bits()),
            _ => (f64::from_bits(x) * f64::from_bits(y)).to_bits(),
        };
        let near = exact.wrapping_add(random.pick(&[0, 0, 1, u64::MAX])) ^ random.below(2) << (bits - 1);
        product |= u128::from(near & u64::MAX >> (64 - bits)) << (bits * n);
    }
    state.v[target] = product;
}

/// A normal half-precision number; others become some number.
fn widen(half: u64) -> f32 {
    f32::from_bits((half as u32 & 0x8000) << 16 | ((half as u32 & 0x7fff) << 13) + (112 << 23))
}

/// The half-precision number next to one in its range, towards zero.
fn narrow(x: f32) -> u64 {
    let bits = x.to_bits();
    let magnitude = ((bits & 0x7fff_ffff) >> 13).saturating_sub(112 << 10).min(0x7bff);
    u64::from(bits >> 16 & 0x8000 | magnitude)
}
