//! What a machine counts of itself.

use super::Machine;
use crate::a64::sysreg;
use crate::ir::SysEnc;

/// Counters since the machine was built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Guest instructions that each vCPU executed, as far as the engine counts them.
    pub instructions: Vec<u64>,
    /// What the translator counted, as text, when it is used.
    pub translator: Option<String>,
}

impl Machine {
    /// The counters; while the machine runs, nobody can ask.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            instructions: self.vcpus.iter().map(crate::cpu::Vcpu::instructions).collect(),
            translator: self.cache.as_ref().map(|cache| cache.report(name)),
        }
    }
}

/// A system register's name, or its encoding.
fn name(enc: SysEnc) -> String {
    sysreg::find(enc).map_or_else(|| format!("{:?}", enc.parts()), |row| row.name.to_owned())
}
