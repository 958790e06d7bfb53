//! Emitters of integer operations.

use dynasmrt::{DynasmApi, DynasmLabelApi, dynasm};

use super::super::thunks::reg;
use super::Emitter;
use super::alloc::At;
use crate::ir::block::{Code, Inst, Val};
use crate::ir::op::IntOp;

impl Emitter<'_> {
    /// Emits an operation whose result is used.
    pub(super) fn emit_int(&mut self, val: Val, op: IntOp, inst: &Inst) {
        use IntOp as O;
        let [a, b, c, ..] = inst.args;
        match op {
            O::Add32 | O::Add64 => self.add(val, a, b, op == O::Add64),
            O::Adc32 | O::Adc64 => self.add_with_carry(val, op == O::Adc64, [a, b, c]),
            O::Sub32 | O::Sub64 => self.sub(val, a, b, op == O::Sub64),
            O::And32 | O::And64 | O::Or32 | O::Or64 | O::Xor32 | O::Xor64 => self.logic(val, op, a, b),
            O::Bic32 | O::Bic64 => {
                self.clobber_flags();
                let (ra, rb) = (self.register(a), self.register(b));
                let dst = self.define_over(val, a);
                match op {
                    O::Bic32 => dynasm!(self.a ; .arch x64 ; andn Rd(dst), Rd(rb), Rd(ra)),
                    _ => dynasm!(self.a ; .arch x64 ; andn Rq(dst), Rq(rb), Rq(ra)),
                }
            }
            O::Not32 | O::Not64 => {
                let ra = self.register(a);
                let dst = self.define_over(val, a);
                if dst != ra {
                    dynasm!(self.a ; .arch x64 ; mov Rq(dst), Rq(ra));
                }
                match op {
                    O::Not32 => dynasm!(self.a ; .arch x64 ; not Rd(dst)),
                    _ => dynasm!(self.a ; .arch x64 ; not Rq(dst)),
                }
            }
            O::Shl32 | O::Shl64 | O::Shr32 | O::Shr64 | O::Sar32 | O::Sar64 | O::Ror32 | O::Ror64 => {
                self.shift(val, op, a, b);
            }
            O::Extr32 | O::Extr64 => {
                self.clobber_flags();
                let (hi, lo) = (self.register(a), self.register(b));
                let dst = self.define_over(val, b);
                let n = inst.imm as i8;
                dynasm!(self.a ; .arch x64 ; mov rax, Rq(lo));
                match op {
                    O::Extr32 => dynasm!(self.a ; .arch x64 ; shrd eax, Rd(hi), n ; mov Rd(dst), eax),
                    _ => dynasm!(self.a ; .arch x64 ; shrd rax, Rq(hi), n ; mov Rq(dst), rax),
                }
            }
            O::Mul32 | O::Mul64 if self.needs_flags() => {
                let (ra, rb) = (self.register(a), self.register(b));
                let dst = self.define_over(val, a);
                dynasm!(self.a ; .arch x64 ; mov rdx, Rq(ra));
                match op {
                    O::Mul32 => dynasm!(self.a ; .arch x64 ; mulx ecx, Rd(dst), Rd(rb)),
                    _ => dynasm!(self.a ; .arch x64 ; mulx rcx, Rq(dst), Rq(rb)),
                }
            }
            O::Mul32 | O::Mul64 => {
                self.clobber_flags();
                let (ra, rb) = (self.register(a), self.register(b));
                let dst = self.define_over(val, a);
                dynasm!(self.a ; .arch x64 ; mov rax, Rq(ra));
                match op {
                    O::Mul32 => dynasm!(self.a ; .arch x64 ; imul eax, Rd(rb) ; mov Rd(dst), eax),
                    _ => dynasm!(self.a ; .arch x64 ; imul rax, Rq(rb) ; mov Rq(dst), rax),
                }
            }
            O::Umulh64 => {
                let (ra, rb) = (self.register(a), self.register(b));
                let dst = self.define_over(val, a);
                dynasm!(self.a ; .arch x64 ; mov rdx, Rq(ra) ; mulx Rq(dst), rcx, Rq(rb));
            }
            O::Smulh64 => {
                self.clobber_flags();
                let (ra, rb) = (self.register(a), self.register(b));
                let dst = self.define_over(val, a);
                dynasm!(self.a ; .arch x64 ; mov rax, Rq(ra) ; imul Rq(rb) ; mov Rq(dst), rdx);
            }
            O::Udiv32 | O::Udiv64 | O::Sdiv32 | O::Sdiv64 => self.divide(val, op, a, b),
            O::Clz32 => self.unary(val, a, |e, d, s| dynasm!(e.a ; .arch x64 ; lzcnt Rd(d), Rd(s)), true),
            O::Clz64 => self.unary(val, a, |e, d, s| dynasm!(e.a ; .arch x64 ; lzcnt Rq(d), Rq(s)), true),
            O::Bswap32 => {
                self.unary(val, a, |e, d, s| dynasm!(e.a ; .arch x64 ; mov Rd(d), Rd(s) ; bswap Rd(d)), false)
            }
            O::Bswap64 => {
                self.unary(val, a, |e, d, s| dynasm!(e.a ; .arch x64 ; mov Rq(d), Rq(s) ; bswap Rq(d)), false)
            }
            O::Rbit32 | O::Rbit64 => self.reverse_bits(val, a, op == O::Rbit64),
            O::Rev16 => {
                self.clobber_flags();
                let ra = self.register(a);
                let dst = self.define_over(val, a);
                dynasm!(self.a
                    ; .arch x64
                    ; mov rax, Rq(ra)
                    ; mov rcx, rax
                    ; shr rax, 8
                    ; mov rdx, QWORD 0x00ff_00ff_00ff_00ff
                    ; and rax, rdx
                    ; and rcx, rdx
                    ; shl rcx, 8
                    ; or rax, rcx
                    ; mov Rq(dst), rax
                );
            }
            O::Sext8 => self.unary(val, a, |e, d, s| dynasm!(e.a ; .arch x64 ; movsx Rq(d), Rb(s)), false),
            O::Sext16 => self.unary(val, a, |e, d, s| dynasm!(e.a ; .arch x64 ; movsx Rq(d), Rw(s)), false),
            O::Sext32 => self.unary(val, a, |e, d, s| dynasm!(e.a ; .arch x64 ; movsxd Rq(d), Rd(s)), false),
            O::Zext8 => self.unary(val, a, |e, d, s| dynasm!(e.a ; .arch x64 ; movzx Rd(d), Rb(s)), false),
            O::Zext16 => self.unary(val, a, |e, d, s| dynasm!(e.a ; .arch x64 ; movzx Rd(d), Rw(s)), false),
            O::Zext32 => self.unary(val, a, |e, d, s| dynasm!(e.a ; .arch x64 ; mov Rd(d), Rd(s)), false),
            O::IsZero32 => self.compare_zero(val, a, false, true),
            O::IsZero64 => self.compare_zero(val, a, true, true),
            O::NotZero32 => self.compare_zero(val, a, false, false),
            O::NotZero64 => self.compare_zero(val, a, true, false),
            O::Bit | O::BitClear => {
                self.clobber_flags();
                let ra = self.register(a);
                let dst = self.define_over(val, a);
                let n = inst.imm as i8;
                dynasm!(self.a ; .arch x64 ; bt Rq(ra), n);
                match op {
                    O::Bit => dynasm!(self.a ; .arch x64 ; setb al),
                    _ => dynasm!(self.a ; .arch x64 ; setae al),
                }
                dynasm!(self.a ; .arch x64 ; movzx Rd(dst), al);
            }
            O::Ult64 => {
                self.clobber_flags();
                let (ra, rb) = (self.register(a), self.register(b));
                let dst = self.define_over(val, a);
                dynasm!(self.a ; .arch x64 ; cmp Rq(ra), Rq(rb) ; setb al ; movzx Rd(dst), al);
            }
            O::Select => self.select(val, a, b, c),
        }
    }

    fn unary(&mut self, val: Val, a: Val, emit: impl FnOnce(&mut Self, u8, u8), clobbers: bool) {
        if clobbers {
            self.clobber_flags();
        }
        let ra = self.register(a);
        let dst = self.define_over(val, a);
        emit(self, dst, ra);
    }

    fn add(&mut self, val: Val, a: Val, b: Val, wide: bool) {
        // LEA leaves the flags alone.
        let (a, b) = if self.constant(a).is_some() { (b, a) } else { (a, b) };
        let ra = self.register(a);
        if let Some(imm) = self.constant32(b, wide) {
            let dst = self.define_over(val, a);
            self.add_constant(wide, dst, ra, imm);
        } else {
            let rb = self.register(b);
            let dst = self.define_over(val, a);
            match wide {
                true => dynasm!(self.a ; .arch x64 ; lea Rq(dst), [Rq(ra) + Rq(rb)]),
                false => dynasm!(self.a ; .arch x64 ; lea Rd(dst), [Rq(ra) + Rq(rb)]),
            }
        }
    }

    /// A sum of 64 bits if `wide`, else of 32; the flags stay.
    pub(super) fn add_constant(&mut self, wide: bool, dst: u8, r: u8, n: i32) {
        match (wide, i8::try_from(n)) {
            (true, Ok(0)) => dynasm!(self.a ; .arch x64 ; mov Rq(dst), Rq(r)),
            (true, Ok(n)) => dynasm!(self.a ; .arch x64 ; lea Rq(dst), [BYTE Rq(r) + n]),
            (true, Err(_)) => dynasm!(self.a ; .arch x64 ; lea Rq(dst), [Rq(r) + n]),
            (false, Ok(0)) => dynasm!(self.a ; .arch x64 ; mov Rd(dst), Rd(r)),
            (false, Ok(n)) => dynasm!(self.a ; .arch x64 ; lea Rd(dst), [BYTE Rq(r) + n]),
            (false, Err(_)) => dynasm!(self.a ; .arch x64 ; lea Rd(dst), [Rq(r) + n]),
        }
    }

    /// By ADC if nobody needs the flags any more, else by LEA, so that a carry taken from NZCV leaves it in the host's flags
    /// for the next one of a chain.
    fn add_with_carry(&mut self, val: Val, wide: bool, [a, b, carry]: [Val; 3]) {
        let bit = self.block.insts[usize::from(carry.0)].code == Code::GetCarry;
        let (a, b) = if self.constant(a) == Some(0) { (b, a) } else { (a, b) };
        let zero = self.constant(b) == Some(0);
        if bit && self.take_carry(carry) {
            let ra = self.register(a);
            let rb = if zero { ra } else { self.register(b) };
            let dst = self.define_over(val, a);
            let other = if !zero && dst == rb { ra } else { rb };
            if dst != ra && dst != rb {
                dynasm!(self.a ; .arch x64 ; mov Rq(dst), Rq(ra));
            }
            match (zero, wide) {
                (true, true) => dynasm!(self.a ; .arch x64 ; adc Rq(dst), BYTE 0),
                (true, false) => dynasm!(self.a ; .arch x64 ; adc Rd(dst), BYTE 0),
                (false, true) => dynasm!(self.a ; .arch x64 ; adc Rq(dst), Rq(other)),
                (false, false) => dynasm!(self.a ; .arch x64 ; adc Rd(dst), Rd(other)),
            }
            return;
        }
        let (ra, rc) = (self.register(a), self.register(carry));
        let rb = if zero { None } else { Some(self.register(b)) };
        let dst = self.define_over(val, a);
        let rc = if bit {
            rc
        } else {
            // The lowest bit alone, without touching the flags.
            dynasm!(self.a ; .arch x64 ; mov ecx, 1 ; pext ecx, Rd(rc), ecx);
            reg::RCX
        };
        let sum = rb.map_or(ra, |rb| {
            dynasm!(self.a ; .arch x64 ; lea rax, [Rq(ra) + Rq(rb)]);
            reg::RAX
        });
        match wide {
            true => dynasm!(self.a ; .arch x64 ; lea Rq(dst), [Rq(sum) + Rq(rc)]),
            false => dynasm!(self.a ; .arch x64 ; lea Rd(dst), [Rq(sum) + Rq(rc)]),
        }
    }

    fn sub(&mut self, val: Val, a: Val, b: Val, wide: bool) {
        if let Some(imm) = self.constant32(b, wide).and_then(i32::checked_neg) {
            let ra = self.register(a);
            let dst = self.define_over(val, a);
            self.add_constant(wide, dst, ra, imm);
            return;
        }
        if self.needs_flags() {
            let (ra, rb) = (self.register(a), self.register(b));
            let dst = self.define_over(val, a);
            dynasm!(self.a ; .arch x64 ; mov rax, Rq(rb) ; not rax);
            match wide {
                true => dynasm!(self.a ; .arch x64 ; lea Rq(dst), [Rq(ra) + rax + 1]),
                false => dynasm!(self.a ; .arch x64 ; lea Rd(dst), [Rq(ra) + rax + 1]),
            }
            return;
        }
        self.clobber_flags();
        let (ra, rb) = (self.register(a), self.register(b));
        let dst = self.define_over(val, a);
        if dst == ra {
            match wide {
                true => dynasm!(self.a ; .arch x64 ; sub Rq(dst), Rq(rb)),
                false => dynasm!(self.a ; .arch x64 ; sub Rd(dst), Rd(rb)),
            }
        } else {
            dynasm!(self.a ; .arch x64 ; mov rax, Rq(ra));
            match wide {
                true => dynasm!(self.a ; .arch x64 ; sub rax, Rq(rb) ; mov Rq(dst), rax),
                false => dynasm!(self.a ; .arch x64 ; sub eax, Rd(rb) ; mov Rd(dst), eax),
            }
        }
    }

    fn logic(&mut self, val: Val, op: IntOp, a: Val, b: Val) {
        use IntOp as O;
        let wide = matches!(op, O::And64 | O::Or64 | O::Xor64);
        let (a, b) = if self.constant(a).is_some() { (b, a) } else { (a, b) };
        // A register move in disguise: ORR with zero, AND with a mask of the low bits.
        match (op, self.constant(b)) {
            (O::Or64 | O::Xor64, Some(0)) => {
                return self.unary(val, a, |e, d, s| dynasm!(e.a ; .arch x64 ; mov Rq(d), Rq(s)), false);
            }
            (O::Or32 | O::Xor32, Some(0)) | (O::And64, Some(0xffff_ffff)) => {
                return self.unary(val, a, |e, d, s| dynasm!(e.a ; .arch x64 ; mov Rd(d), Rd(s)), false);
            }
            (O::And32 | O::And64, Some(0xff)) => {
                return self.unary(val, a, |e, d, s| dynasm!(e.a ; .arch x64 ; movzx Rd(d), Rb(s)), false);
            }
            (O::And32 | O::And64, Some(0xffff)) => {
                return self.unary(val, a, |e, d, s| dynasm!(e.a ; .arch x64 ; movzx Rd(d), Rw(s)), false);
            }
            _ => {}
        }
        self.clobber_flags();
        let ra = self.register(a);
        let imm = self.constant32(b, wide);
        let rb = if imm.is_none() { self.register(b) } else { 0 };
        let mut dst = self.define_over(val, a);
        let place = dst;
        if dst != ra {
            if imm.is_none() && dst == rb {
                dst = 0;
            }
            dynasm!(self.a ; .arch x64 ; mov Rq(dst), Rq(ra));
        }
        match (op, imm) {
            (O::And32, Some(imm)) => dynasm!(self.a ; .arch x64 ; and Rd(dst), imm),
            (O::And64, Some(imm)) => dynasm!(self.a ; .arch x64 ; and Rq(dst), imm),
            (O::Or32, Some(imm)) => dynasm!(self.a ; .arch x64 ; or Rd(dst), imm),
            (O::Or64, Some(imm)) => dynasm!(self.a ; .arch x64 ; or Rq(dst), imm),
            (O::Xor32, Some(imm)) => dynasm!(self.a ; .arch x64 ; xor Rd(dst), imm),
            (_, Some(imm)) => dynasm!(self.a ; .arch x64 ; xor Rq(dst), imm),
            (O::And32, None) => dynasm!(self.a ; .arch x64 ; and Rd(dst), Rd(rb)),
            (O::And64, None) => dynasm!(self.a ; .arch x64 ; and Rq(dst), Rq(rb)),
            (O::Or32, None) => dynasm!(self.a ; .arch x64 ; or Rd(dst), Rd(rb)),
            (O::Or64, None) => dynasm!(self.a ; .arch x64 ; or Rq(dst), Rq(rb)),
            (O::Xor32, None) => dynasm!(self.a ; .arch x64 ; xor Rd(dst), Rd(rb)),
            (_, None) => dynasm!(self.a ; .arch x64 ; xor Rq(dst), Rq(rb)),
        }
        if place != dst {
            dynasm!(self.a ; .arch x64 ; mov Rq(place), Rq(dst));
        }
    }

    fn shift(&mut self, val: Val, op: IntOp, a: Val, b: Val) {
        use IntOp as O;
        let ra = self.register(a);
        if let Some(n) = self.constant(b) {
            let n = n as i8;
            let ror = matches!(op, O::Ror32 | O::Ror64);
            if !ror && self.needs_flags() {
                dynasm!(self.a ; .arch x64 ; mov ecx, n.into());
                let dst = self.define_over(val, a);
                return self.shift_by(op, dst, ra, reg::RCX);
            }
            if !ror {
                self.clobber_flags();
            }
            let dst = self.define_over(val, a);
            match op {
                O::Ror32 => return dynasm!(self.a ; .arch x64 ; rorx Rd(dst), Rd(ra), n & 31),
                O::Ror64 => return dynasm!(self.a ; .arch x64 ; rorx Rq(dst), Rq(ra), n & 63),
                _ => {}
            }
            if dst != ra {
                dynasm!(self.a ; .arch x64 ; mov Rq(dst), Rq(ra));
            }
            match op {
                O::Shl32 => dynasm!(self.a ; .arch x64 ; shl Rd(dst), n & 31),
                O::Shl64 => dynasm!(self.a ; .arch x64 ; shl Rq(dst), n & 63),
                O::Shr32 => dynasm!(self.a ; .arch x64 ; shr Rd(dst), n & 31),
                O::Shr64 => dynasm!(self.a ; .arch x64 ; shr Rq(dst), n & 63),
                O::Sar32 => dynasm!(self.a ; .arch x64 ; sar Rd(dst), n & 31),
                _ => dynasm!(self.a ; .arch x64 ; sar Rq(dst), n & 63),
            }
            return;
        }
        let rb = self.register(b);
        match op {
            O::Ror32 | O::Ror64 => {
                self.clobber_flags();
                let dst = self.define_over(val, a);
                dynasm!(self.a ; .arch x64 ; mov ecx, Rd(rb) ; mov rax, Rq(ra));
                match op {
                    O::Ror32 => dynasm!(self.a ; .arch x64 ; ror eax, cl ; mov Rd(dst), eax),
                    _ => dynasm!(self.a ; .arch x64 ; ror rax, cl ; mov Rq(dst), rax),
                }
            }
            _ => {
                let dst = self.define_over(val, a);
                self.shift_by(op, dst, ra, rb);
            }
        }
    }

    /// A shift by a register, which leaves the flags alone.
    fn shift_by(&mut self, op: IntOp, dst: u8, ra: u8, rb: u8) {
        use IntOp as O;
        match op {
            O::Shl32 => dynasm!(self.a ; .arch x64 ; shlx Rd(dst), Rd(ra), Rd(rb)),
            O::Shl64 => dynasm!(self.a ; .arch x64 ; shlx Rq(dst), Rq(ra), Rq(rb)),
            O::Shr32 => dynasm!(self.a ; .arch x64 ; shrx Rd(dst), Rd(ra), Rd(rb)),
            O::Shr64 => dynasm!(self.a ; .arch x64 ; shrx Rq(dst), Rq(ra), Rq(rb)),
            O::Sar32 => dynasm!(self.a ; .arch x64 ; sarx Rd(dst), Rd(ra), Rd(rb)),
            _ => dynasm!(self.a ; .arch x64 ; sarx Rq(dst), Rq(ra), Rq(rb)),
        }
    }

    fn divide(&mut self, val: Val, op: IntOp, a: Val, b: Val) {
        use IntOp as O;
        self.clobber_flags();
        let (ra, rb) = (self.register(a), self.register(b));
        let dst = self.define_over(val, a);
        let zero = self.a.new_dynamic_label();
        let negate = self.a.new_dynamic_label();
        let end = self.a.new_dynamic_label();
        match op {
            O::Udiv32 => dynasm!(self.a
                ; .arch x64 ; mov eax, Rd(ra) ; mov ecx, Rd(rb) ; xor edx, edx ; test ecx, ecx ; jz =>zero ; div ecx
                ; jmp =>end ; =>negate),
            O::Udiv64 => dynasm!(self.a
                ; .arch x64 ; mov rax, Rq(ra) ; mov rcx, Rq(rb) ; xor edx, edx ; test rcx, rcx ; jz =>zero ; div rcx
                ; jmp =>end ; =>negate),
            // The quotient by -1 is the negation, where the host's division would trap.
            O::Sdiv32 => dynasm!(self.a
                ; .arch x64 ; mov eax, Rd(ra) ; mov ecx, Rd(rb) ; test ecx, ecx ; jz =>zero ; cmp ecx, -1 ; je =>negate
                ; cdq ; idiv ecx ; jmp =>end ; =>negate ; neg eax ; jmp =>end),
            _ => dynasm!(self.a
                ; .arch x64 ; mov rax, Rq(ra) ; mov rcx, Rq(rb) ; test rcx, rcx ; jz =>zero ; cmp rcx, -1 ; je =>negate
                ; cqo ; idiv rcx ; jmp =>end ; =>negate ; neg rax ; jmp =>end),
        }
        dynasm!(self.a ; .arch x64 ; =>zero ; xor eax, eax ; =>end);
        match op {
            O::Udiv32 | O::Sdiv32 => dynasm!(self.a ; .arch x64 ; mov Rd(dst), eax),
            _ => dynasm!(self.a ; .arch x64 ; mov Rq(dst), rax),
        }
    }

    fn reverse_bits(&mut self, val: Val, a: Val, wide: bool) {
        self.clobber_flags();
        let ra = self.register(a);
        let dst = self.define_over(val, a);
        dynasm!(self.a ; .arch x64 ; mov rax, Rq(ra) ; bswap rax);
        for (shift, mask) in [(4i8, 0x0f0f_0f0f_0f0f_0f0fu64), (2, 0x3333_3333_3333_3333), (1, 0x5555_5555_5555_5555)] {
            dynasm!(self.a
                ; .arch x64
                ; mov rdx, QWORD mask as i64
                ; mov rcx, rax
                ; shr rcx, shift
                ; and rcx, rdx
                ; and rax, rdx
                ; shl rax, shift
                ; or rax, rcx
            );
        }
        if !wide {
            dynasm!(self.a ; .arch x64 ; shr rax, 32);
        }
        dynasm!(self.a ; .arch x64 ; mov Rq(dst), rax);
    }

    fn compare_zero(&mut self, val: Val, a: Val, wide: bool, zero: bool) {
        self.clobber_flags();
        let ra = self.register(a);
        let dst = self.define_over(val, a);
        match wide {
            true => dynasm!(self.a ; .arch x64 ; test Rq(ra), Rq(ra)),
            false => dynasm!(self.a ; .arch x64 ; test Rd(ra), Rd(ra)),
        }
        match zero {
            true => dynasm!(self.a ; .arch x64 ; sete al),
            false => dynasm!(self.a ; .arch x64 ; setne al),
        }
        dynasm!(self.a ; .arch x64 ; movzx Rd(dst), al);
    }

    fn select(&mut self, val: Val, c: Val, a: Val, b: Val) {
        if let Some(known) = self.constant(c) {
            let chosen = if known != 0 { a } else { b };
            return self.unary(val, chosen, |e, d, s| dynasm!(e.a ; .arch x64 ; mov Rq(d), Rq(s)), false);
        }
        let (ra, rb) = (self.register(a), self.register(b));
        let condition = self.host_test(c);
        let dst = self.define_over(val, b);
        dynasm!(self.a ; .arch x64 ; mov rax, Rq(rb));
        self.move_if(condition, ra);
        dynasm!(self.a ; .arch x64 ; mov Rq(dst), rax);
    }

    /// The host's condition that holds when a value is not zero; a test of it is emitted unless the flags have it.
    pub(super) fn host_test(&mut self, c: Val) -> u8 {
        if let At::Cond(cond) = self.at[usize::from(c.0)] {
            return self.host_condition(cond);
        }
        self.clobber_flags();
        let rc = self.register(c);
        dynasm!(self.a ; .arch x64 ; test Rq(rc), Rq(rc));
        0x5
    }

    /// A move to RAX when the host's condition holds.
    pub(super) fn move_if(&mut self, condition: u8, src: u8) {
        match condition {
            0x0 => dynasm!(self.a ; .arch x64 ; cmovo rax, Rq(src)),
            0x1 => dynasm!(self.a ; .arch x64 ; cmovno rax, Rq(src)),
            0x2 => dynasm!(self.a ; .arch x64 ; cmovb rax, Rq(src)),
            0x3 => dynasm!(self.a ; .arch x64 ; cmovae rax, Rq(src)),
            0x4 => dynasm!(self.a ; .arch x64 ; cmove rax, Rq(src)),
            0x5 => dynasm!(self.a ; .arch x64 ; cmovne rax, Rq(src)),
            0x6 => dynasm!(self.a ; .arch x64 ; cmovbe rax, Rq(src)),
            0x7 => dynasm!(self.a ; .arch x64 ; cmova rax, Rq(src)),
            0x8 => dynasm!(self.a ; .arch x64 ; cmovs rax, Rq(src)),
            0x9 => dynasm!(self.a ; .arch x64 ; cmovns rax, Rq(src)),
            0xc => dynasm!(self.a ; .arch x64 ; cmovl rax, Rq(src)),
            0xd => dynasm!(self.a ; .arch x64 ; cmovge rax, Rq(src)),
            0xe => dynasm!(self.a ; .arch x64 ; cmovle rax, Rq(src)),
            _ => dynasm!(self.a ; .arch x64 ; cmovg rax, Rq(src)),
        }
    }
}
