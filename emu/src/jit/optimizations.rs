//! What the translator does for speed, each by a name by which it can be left out: to find the one that is at fault, and
//! to see what each is worth.

use std::fmt;
use std::str::FromStr;

use bitflags::bitflags;

bitflags! {
    /// What the translator does for speed.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Optimizations: u16 {
        /// What is known already is not computed again; see [`Lift::new`](crate::ir::Lift::new).
        const SIMPLIFY = 1 << 0;
        /// Units of several blocks.
        const BLOCKS = 1 << 1;
        /// Guest registers stay in host registers through a unit.
        const HOMES = 1 << 2;
        /// Addresses and conditions are computed by the instruction that uses them.
        const FUSION = 1 << 3;
        /// NZCV stays in the host's flags.
        const FLAGS = 1 << 4;
        /// The software TLB is looked up in line.
        const PROBES = 1 << 5;
        /// Accesses near each other find their page together.
        const PROBE_SHARING = 1 << 6;
        /// Units jump to units at fixed addresses.
        const LINKS = 1 << 7;
        /// Units jump to units at computed addresses.
        const JUMPS = 1 << 8;
        /// System registers, exclusives, atomics, barriers and exceptions without a call.
        const CALLS = 1 << 9;
        /// Operations by host instructions rather than by calls of the interpreter's.
        const NATIVE = 1 << 10;
        /// What a guest register is given is not written when it is given something else before anybody can look.
        const DEAD_WRITES = 1 << 11;
    }
}

impl Default for Optimizations {
    fn default() -> Self {
        Self::all()
    }
}

impl Optimizations {
    /// The names by which [`FromStr`] knows them.
    pub fn names() -> impl Iterator<Item = String> {
        Self::all().iter_names().map(|(name, _)| kebab(name))
    }

    fn named(name: &str) -> Option<Self> {
        Self::all().iter_names().find(|(known, _)| kebab(known) == name).map(|(_, flag)| flag)
    }
}

fn kebab(name: &str) -> String {
    name.to_lowercase().replace('_', "-")
}

/// A list of optimisations names one that there is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownOptimization;

impl fmt::Display for UnknownOptimization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = Optimizations::names().collect();
        write!(f, "there is no such optimisation; there are all, none, {}", names.join(", "))
    }
}

impl std::error::Error for UnknownOptimization {}

/// A list such as `-links,-jumps` or `none,+simplify`, from left to right; all are on at first.
impl FromStr for Optimizations {
    type Err = UnknownOptimization;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let mut set = Self::all();
        for item in list.split(',') {
            let name = item.trim_start_matches(['-', '+']);
            let flag = match item {
                "all" => Some(Self::all()),
                "none" => {
                    set = Self::empty();
                    continue;
                }
                _ => Self::named(name),
            };
            set.set(flag.ok_or(UnknownOptimization)?, !item.starts_with('-'));
        }
        Ok(set)
    }
}

/// What [`FromStr`] reads.
impl fmt::Display for Optimizations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::all() {
            return f.write_str("all");
        }
        let (sign, start, differing) =
            if self.bits().count_ones() > 5 { ("-", "", self.complement()) } else { ("+", "none", *self) };
        let mut comma = if start.is_empty() { "" } else { "," };
        f.write_str(start)?;
        for (name, _) in differing.iter_names() {
            write!(f, "{comma}{sign}{}", kebab(name))?;
            comma = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_from_left_to_right() {
        let all = Optimizations::all();
        let table = [
            ("all", all),
            ("none", Optimizations::empty()),
            ("-probe-sharing,-links", all - Optimizations::PROBE_SHARING - Optimizations::LINKS),
            ("none,simplify,+flags", Optimizations::SIMPLIFY | Optimizations::FLAGS),
            ("-links,all,-jumps,jumps", all),
        ];
        for (list, set) in table {
            assert_eq!(list.parse(), Ok(set), "{list}");
            assert_eq!(set.to_string().parse(), Ok(set), "{set}");
        }
    }

    #[test]
    fn a_name_that_is_none_is_said() {
        for list in ["-link", "", "links,,jumps", "-all-of-it", "LINKS"] {
            let said = list.parse::<Optimizations>().unwrap_err().to_string();
            assert!(said.ends_with("probes, probe-sharing, links, jumps, calls, native, dead-writes"), "{said}");
        }
    }
}
