//! The `monitor` commands: a row each.

use std::fmt::Write;

use devices::bus::{Bus, Pa, Size, Target};

use super::{Debugger, Refused};
use crate::a64::{asm, sysreg::SysRow};
use crate::cpu::{PowerState, Vcpu, read_physical};
use crate::machine::boards::{GICD, GICR};
use crate::mmu::walk::Perms;

/// Instructions that `trace on` remembers, unless it is told another number; and the largest such number.
const TRACED: usize = 64;
const MOST_TRACED: usize = 1 << 20;
/// Bytes that `phys` shows at most.
const MOST_BYTES: usize = 4096;

/// A command: its name, its operands, what it does, and the function that does it.
type Command = (&'static str, &'static str, &'static str, fn(&Debugger, usize, &[&str]) -> Result<String, Wrong>);

const COMMANDS: &[Command] = &[
    ("info", "", "what the CPUs do, and what is set", info),
    ("translate", "VA", "where a virtual address leads, by the current CPU's translation", translate),
    ("phys", "PA [BYTES]", "physical memory: RAM and flash; devices are not read", phys),
    ("irq", "", "interrupts: inputs, masks, timers, and what the controller has pending", irq),
    (
        "trace",
        "[on [COUNT]|off]",
        "remember the last instructions of every CPU, which is slow; show the current CPU's",
        trace,
    ),
    ("reset", "", "reset the machine; it stops before its first instruction", reset),
];

/// Why a command is not carried out.
enum Wrong {
    Refused(Refused),
    /// Say this.
    Say(String),
    /// Say how it is used.
    Usage,
}

impl From<Refused> for Wrong {
    fn from(why: Refused) -> Self {
        Self::Refused(why)
    }
}

/// What a command has to say, by lines.
pub(super) fn answer(debugger: &Debugger, current: usize, line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (name, operands) = words.split_first().map_or(("help", &[][..]), |(name, operands)| (*name, operands));
    let Some((name, usage, _, run)) = COMMANDS.iter().find(|(known, ..)| *known == name) else { return help() };
    match run(debugger, current, operands) {
        Ok(text) => text,
        Err(Wrong::Refused(why)) => format!("{why}\n"),
        Err(Wrong::Say(why)) => format!("{why}\n"),
        Err(Wrong::Usage) => format!("usage: monitor {name} {usage}\n"),
    }
}

fn help() -> String {
    COMMANDS.iter().map(|(name, usage, about, _)| format!("{:28} {about}\n", format!("{name} {usage}"))).collect()
}

/// A number, hexadecimal with 0x before it.
fn number(word: &str) -> Result<u64, Wrong> {
    let number = match word.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => word.parse(),
    };
    number.map_err(|_| Wrong::Say(format!("{word}: not a number; addresses begin with 0x")))
}

/// What a vCPU does, in a few words.
pub(super) fn state(vcpu: &mut Vcpu) -> String {
    match vcpu.power() {
        PowerState::On => format!("EL{}, PC {:#x}", vcpu.state().pstate.el as u8, vcpu.state().pc),
        PowerState::OnPending => "about to start".into(),
        PowerState::Off => "off".into(),
    }
}

fn info(debugger: &Debugger, current: usize, operands: &[&str]) -> Result<String, Wrong> {
    if !operands.is_empty() {
        return Err(Wrong::Usage);
    }
    let mut text = String::new();
    for cpu in 0..debugger.cpus() {
        let mark = if cpu == current { '*' } else { ' ' };
        text += &format!("{mark} CPU {cpu}: {}\n", debugger.on(cpu, state)?);
    }
    let ram = debugger.on(current, |vcpu| (vcpu.bus().ram().base().0, vcpu.bus().ram().len()))?;
    text += &format!("RAM {:#x}, {} MiB\n", ram.0, ram.1 >> 20);
    let points = debugger.set_now();
    let (breakpoints, watchpoints) = (points.breakpoints.len(), points.watchpoints.len());
    Ok(text + &format!("breakpoints set: {breakpoints}, watchpoints set: {watchpoints}\n"))
}

fn translate(debugger: &Debugger, current: usize, operands: &[&str]) -> Result<String, Wrong> {
    let [va] = operands else { return Err(Wrong::Usage) };
    let va = number(va)?;
    let leaf = debugger.on(current, move |vcpu| vcpu.translate(va))?;
    let leaf = leaf.map_err(|fault| Wrong::Say(format!("{va:#x}: fault status {:#08b}", fault.status)))?;
    let perms = |p: Perms| [(p.read, 'r'), (p.write, 'w'), (p.execute, 'x')].map(|(may, c)| if may { c } else { '-' });
    let text = |p: Perms| perms(p).into_iter().collect::<String>();
    let kind = if leaf.device() { "Device" } else { "Normal" };
    let reach = if leaf.global { "global" } else { "this ASID" };
    Ok(format!(
        "{va:#x} -> {:#x}, page of {} KiB, EL1 {} EL0 {}, {kind} (MAIR {:#04x}), {reach}\n",
        leaf.pa.0,
        1u64 << leaf.shift >> 10,
        text(leaf.el1),
        text(leaf.el0),
        leaf.attr
    ))
}

fn phys(debugger: &Debugger, current: usize, operands: &[&str]) -> Result<String, Wrong> {
    let (at, len) = match operands {
        [at] => (number(at)?, 64),
        [at, len] => (number(at)?, number(len)?),
        _ => return Err(Wrong::Usage),
    };
    let len = usize::try_from(len).unwrap_or(usize::MAX).min(MOST_BYTES);
    let (bytes, next) = debugger.on(current, move |vcpu| {
        let mut bytes = vec![0; len];
        let count = read_physical(vcpu.bus(), Pa(at), &mut bytes);
        bytes.truncate(count);
        let next = Pa(at.wrapping_add(count as u64));
        let there = (vcpu.bus().target(next), vcpu.bus().device(next));
        (bytes, (count < len).then_some((next, there)))
    })?;
    let mut text = String::new();
    for (line, bytes) in bytes.chunks(16).enumerate() {
        let hex: String = bytes.iter().map(|byte| format!(" {byte:02x}")).collect();
        let letter = |&byte: &u8| if byte.is_ascii_graphic() || byte == b' ' { char::from(byte) } else { '.' };
        let letters: String = bytes.iter().map(letter).collect();
        text += &format!("{:#012x}:{hex:48}  {letters}\n", at.wrapping_add(16 * line as u64));
    }
    if let Some((next, (target, device))) = next {
        text += &match target {
            Target::Device => {
                let device = device.unwrap_or_default();
                format!("{next:#x} is a register of {device}, which is not read since that may change the device\n")
            }
            _ => format!("there is nothing at {next:#x}\n"),
        };
    }
    Ok(text)
}

/// Interrupts that the controller says are so, by a register of a bit each. Such registers are read without effect.
fn interrupts(bus: &Bus, cpu: usize, register: u64) -> Vec<usize> {
    let word = |n: usize| {
        let bank = if n == 0 && bus.device(Pa(GICR)) == Some("gicr") {
            // The redistributor's frame of private interrupts.
            GICR + 0x2_0000 * cpu as u64 + 0x1_0000
        } else {
            GICD
        };
        bus.read(Pa(bank + register + 4 * n as u64), Size::B4, cpu).unwrap_or(0)
    };
    (0..32).flat_map(|n| (0..32).filter(move |bit| word(n) >> bit & 1 != 0).map(move |bit| 32 * n + bit)).collect()
}

fn irq(debugger: &Debugger, current: usize, operands: &[&str]) -> Result<String, Wrong> {
    if !operands.is_empty() {
        return Err(Wrong::Usage);
    }
    const REGISTERS: &[&str] =
        &["CNTV_CTL_EL0", "CNTP_CTL_EL0", "ICC_PMR_EL1", "ICC_RPR_EL1", "ICC_HPPIR1_EL1", "ICC_IGRPEN1_EL1"];
    let mut text = String::new();
    for cpu in 0..debugger.cpus() {
        let known = debugger.system_registers().iter();
        let rows: Vec<(String, SysRow)> = known.filter(|(name, _)| REGISTERS.contains(&&**name)).cloned().collect();
        text += &debugger.on(cpu, move |vcpu| {
            let (irq, fiq) = vcpu.interrupt_lines();
            let masks = vcpu.state().pstate.daif;
            let mask = |bit: u8| if masks >> bit & 1 != 0 { ", masked" } else { "" };
            let line = |level: bool| if level { "high" } else { "low" };
            let mut text = format!("CPU {cpu}: IRQ {}{}; FIQ {}{}", line(irq), mask(1), line(fiq), mask(0));
            for (name, row) in rows {
                // Writing to a string does not fail.
                let _ = write!(text, "; {name} {:#x}", vcpu.system_register(&row));
            }
            text + "\n"
        })?;
    }
    let lists = debugger.on(current, move |vcpu| {
        // GICD_ISENABLERn, GICD_ISPENDRn, GICD_ISACTIVERn.
        [("enabled", 0x100), ("pending", 0x200), ("active", 0x300)]
            .map(|(name, register)| (name, interrupts(vcpu.bus(), current, register)))
    })?;
    for (name, list) in lists {
        let list: Vec<String> = list.iter().map(usize::to_string).collect();
        text +=
            &format!("{name} for CPU {current}: {}\n", if list.is_empty() { "none".into() } else { list.join(" ") });
    }
    Ok(text)
}

fn trace(debugger: &Debugger, current: usize, operands: &[&str]) -> Result<String, Wrong> {
    let most = match operands {
        [] => {
            let traced = debugger.on(current, |vcpu| vcpu.traced())?;
            let traced = traced.ok_or_else(|| Wrong::Say("nothing is traced; `monitor trace on` has it be".into()))?;
            let line = |(pc, word): (u64, u32)| format!("{pc:#018x}: {}\n", asm::disassemble(word, pc));
            return Ok(traced.into_iter().map(line).collect());
        }
        ["on"] => Some(TRACED),
        ["on", count] => Some(usize::try_from(number(count)?).unwrap_or(usize::MAX).clamp(1, MOST_TRACED)),
        ["off"] => None,
        _ => return Err(Wrong::Usage),
    };
    for cpu in 0..debugger.cpus() {
        debugger.on(cpu, move |vcpu| vcpu.trace(most))?;
    }
    Ok(String::new())
}

fn reset(debugger: &Debugger, _: usize, operands: &[&str]) -> Result<String, Wrong> {
    if !operands.is_empty() {
        return Err(Wrong::Usage);
    }
    debugger.reset()?;
    Ok("what gdb remembers of registers is old now; `maintenance flush register-cache` has it look again\n".into())
}
