//! The rules of the house, read off the source text of every crate: which way imports may point, where `unsafe` may
//! stand, how long a file may be, and what it may not be called.
//!
//! A file is lexed, not compiled: every path that starts at a crate, `crate`, `self` or `super` counts, in test modules
//! and macro bodies too. Left out: names that a macro pastes together, and `#[path]` modules.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Which workspace crates a crate's code may name. `tests` stands outside the house and may look into every room.
const CRATES: &[(&str, &[&str])] = &[
    ("frontend", &["emu", "devices", "firmware"]),
    ("emu", &["devices"]),
    ("devices", &[]),
    ("firmware", &[]),
    ("xtask", &[]),
    ("tests", &["frontend", "emu", "devices", "firmware"]),
];

/// The rooms of `emu`, and for each the rooms directly beneath it; an arrow may also skip rooms on its way down.
const ROOMS: &[(&str, &[&str])] = &[
    ("debug", &["machine"]),
    ("machine", &["cpu"]),
    ("cpu", &["a64", "jit"]),
    ("a64", &["interp", "ir"]),
    ("jit", &["mmu", "ir"]),
    ("interp", &["mmu", "ir"]),
    ("mmu", &["state"]),
    ("ir", &["state"]),
    ("state", &[]),
];

/// The rooms of `emu` that see all of `devices`; the others see `devices::bus` alone.
const SEES_DEVICES: &[&str] = &["debug", "machine"];

/// Crates that speak to the host's screen and sound card.
const HOST_CRATES: &[&str] = &["winit", "pixels", "cpal"];

/// Files, or folders, in which `unsafe` may stand.
const UNSAFE: &[&str] = &["devices/src/bus/ram.rs", "emu/src/mmu.rs", "emu/src/mmu/", "emu/src/jit.rs", "emu/src/jit/"];

/// No file is longer than this, so that each can be read to the end.
const MAX_LINES: usize = 1200;

/// Names that do not say what a room holds.
const EMPTY_NAMES: &[&str] = &["common", "util", "utils", "helper", "helpers", "misc"];

/// One broken rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Broken {
    file: String,
    line: usize,
    rule: String,
}

/// A path in the source: where it stands, and the modules it names from the root of its crate downwards.
struct Reference {
    line: usize,
    /// The workspace or host crate named; the file's own crate for `crate`, `self` and `super`.
    to: String,
    path: Vec<String>,
}

/// The crate folder and module path of a file, or no module path where it is no part of the crate's `src`.
fn place(file: &str) -> (String, Option<Vec<String>>) {
    let mut parts = file.split('/').map(str::to_owned).collect::<Vec<_>>();
    let krate = parts.remove(0);
    if parts.first().map(String::as_str) != Some("src") {
        return (krate, None);
    }
    let mut module = parts.split_off(1);
    let last = module.pop().unwrap_or_default();
    match last.strip_suffix(".rs") {
        Some("mod" | "lib" | "main") | None => {}
        Some(name) => module.push(name.to_owned()),
    }
    (krate, Some(module))
}

/// Collects the references of one file.
struct Reader<'a> {
    krate: &'a str,
    module: Vec<String>,
    found: Vec<Reference>,
    unsafe_lines: Vec<usize>,
}

impl Reader<'_> {
    fn read(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => self.read(group.stream()),
                TokenTree::Ident(word) => {
                    let line = word.span().start().line;
                    match (word.to_string().as_str(), tokens.get(at + 1)) {
                        ("unsafe" | "unsafe_code", _) => self.unsafe_lines.push(line),
                        ("deny" | "forbid", Some(TokenTree::Group(_))) => at += 1,
                        ("mod", Some(TokenTree::Ident(name))) => {
                            if let Some(TokenTree::Group(body)) = tokens.get(at + 2) {
                                self.module.push(name.to_string());
                                self.read(body.stream());
                                self.module.pop();
                                at += 2;
                            }
                        }
                        ("crate", Some(TokenTree::Ident(name))) => self.refer(line, &[name.to_string()]),
                        ("use", Some(next)) if !is(next, '<') => {
                            let end = tokens[at..].iter().position(|t| is(t, ';')).map_or(tokens.len(), |n| at + n);
                            self.read_use(&tokens[at + 1..end], &[]);
                            at = end;
                        }
                        _ => {
                            let (path, next) = path_from(&tokens, at);
                            if path.len() > 1 {
                                self.refer(line, &path);
                            }
                            at = next - 1;
                        }
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// One `use` tree, or a comma-separated list of them, beneath `prefix`.
    fn read_use(&mut self, tokens: &[TokenTree], prefix: &[String]) {
        for tree in tokens.split(|t| is(t, ',')) {
            let start = tree.iter().position(|t| !is(t, ':')).unwrap_or(tree.len());
            let (mut path, next) = path_from(tree, start);
            if path.last().is_some_and(|s| s == "self") && (path.len() > 1 || !prefix.is_empty()) {
                path.pop();
            }
            let whole = [prefix, &path].concat();
            let line = tree.first().map_or(0, |t| t.span().start().line);
            match tree[next.min(tree.len())..].iter().find(|t| !is(t, ':')) {
                Some(TokenTree::Group(g)) if g.delimiter() == Delimiter::Brace => {
                    self.read_use(&g.stream().into_iter().collect::<Vec<_>>(), &whole);
                }
                _ if !whole.is_empty() => self.refer(line, &whole),
                _ => {}
            }
        }
    }

    /// Resolves a path and keeps it where it names this workspace or a host crate.
    fn refer(&mut self, line: usize, path: &[String]) {
        let mut module = self.module.clone();
        let mut rest = path;
        let to = match rest[0].as_str() {
            "crate" => {
                module.clear();
                rest = &rest[1..];
                self.krate.to_owned()
            }
            "self" | "super" => {
                while let Some(("self" | "super", tail)) = rest.split_first().map(|(s, t)| (s.as_str(), t)) {
                    if rest[0] == "super" {
                        module.pop();
                    }
                    rest = tail;
                }
                self.krate.to_owned()
            }
            "handset" | "frontend" => "frontend".to_owned(),
            name => name.strip_prefix("handset_").unwrap_or(name).to_owned(),
        };
        let own = matches!(path[0].as_str(), "crate" | "self" | "super");
        let known = CRATES.iter().any(|(c, _)| *c == to) && to != self.krate || HOST_CRATES.contains(&to.as_str());
        if own || known {
            let base = if own {
                module
            } else {
                rest = &path[1..];
                Vec::new()
            };
            self.found.push(Reference { line, to, path: [base, rest.to_vec()].concat() });
        }
    }
}

fn is(token: &TokenTree, punct: char) -> bool {
    matches!(token, TokenTree::Punct(p) if p.as_char() == punct)
}

/// The longest `a::b::c` at `at`, and the index of the token behind it.
fn path_from(tokens: &[TokenTree], mut at: usize) -> (Vec<String>, usize) {
    let mut path = Vec::new();
    while let Some(TokenTree::Ident(word)) = tokens.get(at) {
        path.push(word.to_string());
        at += 1;
        match tokens.get(at..at + 3) {
            Some([a, b, TokenTree::Ident(_)]) if is(a, ':') && is(b, ':') => at += 2,
            _ => break,
        }
    }
    (path, at)
}

/// The rooms of `emu` that `room` may look into: all that lie beneath it.
fn beneath(room: &str) -> Vec<&'static str> {
    let mut seen = Vec::new();
    let mut todo: Vec<&str> = vec![room];
    while let Some(room) = todo.pop() {
        for below in ROOMS.iter().filter(|(r, _)| *r == room).flat_map(|(_, b)| *b) {
            if !seen.contains(below) {
                seen.push(*below);
                todo.push(below);
            }
        }
    }
    seen
}

/// The room of `emu` that each of its macros is from, since an exported macro is named as if it were in no room.
type Macros = BTreeMap<String, String>;

/// Adds the macros that one file defines.
fn collect_macros(file: &str, text: &str, macros: &mut Macros) {
    fn collect(tokens: TokenStream, room: &str, macros: &mut Macros) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            match (token, tokens.get(at + 1..at + 3)) {
                (TokenTree::Ident(word), Some([bang, TokenTree::Ident(name)]))
                    if word == "macro_rules" && is(bang, '!') =>
                {
                    macros.insert(name.to_string(), room.to_owned());
                }
                (TokenTree::Group(group), _) => collect(group.stream(), room, macros),
                _ => {}
            }
        }
    }
    if let ("emu", Some([room, ..]), Ok(tokens)) = (place(file).0.as_str(), place(file).1.as_deref(), text.parse()) {
        collect(tokens, room, macros);
    }
}

/// Why a reference may not stand in `krate::module`, if so.
fn arrow_fault(krate: &str, module: Option<&[String]>, to: &Reference, macros: &Macros) -> Option<String> {
    let target = [std::slice::from_ref(&to.to), &to.path].concat().join("::");
    if HOST_CRATES.contains(&to.to.as_str()) {
        return (!["frontend", "tests"].contains(&krate))
            .then(|| format!("{krate} names {target}: the host's screen and sound stay in frontend"));
    }
    if to.to != krate && !CRATES.iter().any(|(c, below)| *c == krate && below.contains(&to.to.as_str())) {
        return Some(format!(
            "{krate} names {target}: the arrow points up (frontend → emu → devices; firmware → none)"
        ));
    }
    let room = module.filter(|_| krate == "emu").and_then(|m| m.first())?.as_str();
    let Some(first) = to.path.first().map(String::as_str) else {
        return (to.to == "emu" || !SEES_DEVICES.contains(&room))
            .then(|| format!("emu::{room} names {target} whole, which hides where the arrow points"));
    };
    if to.to == "devices" {
        return (first != "bus" && !SEES_DEVICES.contains(&room))
            .then(|| format!("emu::{room} names {target}: below machine, emu sees only devices::bus"));
    }
    let first = macros.get(first).map_or(first, String::as_str);
    if first == room {
        return None;
    }
    if !ROOMS.iter().any(|(r, _)| *r == first) {
        return Some(format!("emu::{room} names {target}, which is in no room of emu: name the room it comes from"));
    }
    (!beneath(room).contains(&first)).then(|| {
        format!("emu::{room} names {target}: the arrow does not point down ({room} sees {})", beneath(room).join(", "))
    })
}

/// Every rule that one file breaks. `file` is relative to the workspace, with forward slashes.
fn check(file: &str, text: &str, macros: &Macros) -> Vec<Broken> {
    let mut broken = Vec::new();
    let mut say = |line: usize, rule: String| broken.push(Broken { file: file.to_owned(), line, rule });
    for part in file.split('/') {
        let name = part.strip_suffix(".rs").unwrap_or(part);
        if EMPTY_NAMES.contains(&name) {
            say(1, format!("the name `{name}` does not say what it holds"));
        }
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        say(lines, format!("{lines} lines; a file ends by line {MAX_LINES}"));
    }
    let tokens: TokenStream = match text.parse() {
        Ok(tokens) => tokens,
        Err(error) => {
            say(1, format!("is not Rust: {error}"));
            return broken;
        }
    };
    let (krate, module) = place(file);
    let mut reader = Reader {
        krate: &krate,
        module: module.clone().unwrap_or_default(),
        found: Vec::new(),
        unsafe_lines: Vec::new(),
    };
    reader.read(tokens);
    if !UNSAFE.iter().any(|place| file == *place || place.ends_with('/') && file.starts_with(place)) {
        for line in &reader.unsafe_lines {
            say(*line, "unsafe stands only in devices/src/bus/ram.rs, emu/src/mmu and emu/src/jit, and there with its own allow".to_owned());
        }
    }
    for reference in &reader.found {
        if let Some(rule) = arrow_fault(&krate, module.as_deref(), reference, macros) {
            say(reference.line, rule);
        }
    }
    broken.sort();
    broken.dedup();
    broken
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests are a member of the workspace").to_owned()
}

/// All `.rs` files of the crates, relative to the workspace.
fn rust_files() -> Vec<String> {
    let root = workspace();
    let mut files = Vec::new();
    let mut todo: Vec<PathBuf> = CRATES.iter().map(|(krate, _)| root.join(krate)).collect();
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("read {}: {e}", dir.display())) {
            let path = entry.expect("a readable directory entry").path();
            if path.is_dir() && path.file_name().is_some_and(|n| n != "target") {
                todo.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let relative = path.strip_prefix(&root).expect("a file beneath the workspace");
                files.push(relative.to_str().expect("a UTF-8 file name").replace('\\', "/"));
            }
        }
    }
    files.sort();
    files
}

#[test]
fn no_file_of_the_house_breaks_a_rule() {
    let files = rust_files();
    assert!(files.iter().any(|f| f == "emu/src/lib.rs"), "found no emu/src/lib.rs among {files:?}");
    let read = |file: &String| std::fs::read_to_string(workspace().join(file)).expect("a readable file");
    let mut macros = Macros::new();
    for file in &files {
        collect_macros(file, &read(file), &mut macros);
    }
    let broken: Vec<String> = files
        .iter()
        .flat_map(|file| check(file, &read(file), &macros))
        .map(|b| format!("{}:{}: {}", b.file, b.line, b.rule))
        .collect();
    assert!(broken.is_empty(), "the house rules are broken:\n{}", broken.join("\n"));
}

#[test]
fn every_crate_of_the_workspace_has_its_arrows_stated() {
    let manifest = std::fs::read_to_string(workspace().join("Cargo.toml")).expect("the workspace manifest");
    let members = manifest.lines().find_map(|l| l.strip_prefix("members = ")).expect("one line of members");
    let mut members: Vec<&str> = members.split('"').skip(1).step_by(2).collect();
    let mut stated: Vec<&str> = CRATES.iter().map(|(krate, _)| *krate).collect();
    members.sort_unstable();
    stated.sort_unstable();
    assert_eq!(members, stated);
}

/// The macros of a small emu.
fn some_macros() -> Macros {
    let mut macros = Macros::new();
    collect_macros("emu/src/a64/table.rs", "mod m { #[macro_export] macro_rules! rows { () => {} } }", &mut macros);
    collect_macros("emu/src/ir/op/mod.rs", "#[macro_export] macro_rules! ops { () => {} }", &mut macros);
    collect_macros("emu/src/lib.rs", "#[macro_export] macro_rules! roomless { () => {} }", &mut macros);
    macros
}

/// Asserts that each snippet breaks exactly one rule, on its last line, with these words.
fn bites(cases: &[(&str, &str, &str)]) {
    for (file, text, words) in cases {
        let broken = check(file, text, &some_macros());
        assert_eq!(broken.len(), 1, "{file}: {text}: {broken:?}");
        assert!(broken[0].rule.contains(words), "{file}: {text}: {broken:?}");
        assert_eq!(broken[0].line, text.lines().count(), "{file}: {text}: {broken:?}");
    }
}

#[test]
fn an_arrow_between_crates_that_points_up_is_caught() {
    bites(&[
        ("devices/src/rtc/mod.rs", "use emu::state::State;", "devices names emu::state::State"),
        ("devices/src/rtc/mod.rs", "\n\nuse handset_emu::machine;", "devices names emu::machine"),
        ("devices/src/rtc/mod.rs", "extern crate emu;", "devices names emu"),
        ("devices/build.rs", "fn main() { let x =\n emu::cpu(); }", "devices names emu::cpu"),
        ("emu/src/lib.rs", "use firmware::demo;", "emu names firmware::demo"),
        ("firmware/src/lib.rs", "use {\n devices::bus::Bus};", "firmware names devices::bus::Bus"),
        ("frontend/src/main.rs", "use xtask::setup;", "frontend names xtask"),
        ("devices/src/display/mod.rs", "use winit::window::Window;", "stay in frontend"),
        ("emu/src/machine/mod.rs", "type Out = pixels::Pixels<'static>;", "stay in frontend"),
    ]);
}

#[test]
fn an_arrow_inside_emu_that_points_up_is_caught() {
    bites(&[
        ("emu/src/a64/mod.rs", "use crate::jit::Cache;", "emu::a64 names emu::jit::Cache"),
        ("emu/src/jit/x64/int.rs", "use crate::a64;", "emu::jit names emu::a64"),
        ("emu/src/jit/x64/int.rs", "use super::super::super::a64::Row;", "emu::jit names emu::a64::Row"),
        ("emu/src/jit/mod.rs", "mod tests {\nuse super::super::interp::Eval; }", "emu::jit names emu::interp"),
        ("emu/src/state.rs", "fn f() {\ncrate::mmu::walk(); }", "emu::state names emu::mmu::walk"),
        ("emu/src/ir/lift.rs", "use crate::{state::State,\n a64::{self as isa}};", "emu::ir names emu::a64"),
        ("emu/src/ir/mod.rs", "vec![crate::mmu::Tlb::new()];", "emu::ir names emu::mmu"),
        ("emu/src/cpu/mod.rs", "macro_rules! m { () => { $crate::machine::x() } }", "emu::cpu names emu::machine"),
        ("emu/src/machine/mod.rs", "impl crate::debug::Target for M {}", "emu::machine names emu::debug"),
        ("emu/src/jit/mod.rs", "crate::rows! { x }", "emu::jit names emu::rows: the arrow does not point down"),
        ("emu/src/ir/mod.rs", "crate::roomless!();", "in no room"),
        ("emu/src/interp/mod.rs", "use crate::a64 as isa;", "emu::interp names emu::a64"),
    ]);
}

#[test]
fn a_path_that_hides_its_arrow_is_caught() {
    bites(&[
        ("emu/src/a64/mod.rs", "use crate as everything;", "hides where the arrow points"),
        ("emu/src/a64/mod.rs", "use super::*;", "hides where the arrow points"),
        ("emu/src/a64/mod.rs", "use crate::Phone;", "in no room"),
        ("emu/src/mmu/mod.rs", "use devices as d;", "hides where the arrow points"),
        ("emu/src/mmu/mod.rs", "use ::devices::{self};", "hides where the arrow points"),
    ]);
}

#[test]
fn a_device_named_below_machine_is_caught() {
    bites(&[
        ("emu/src/cpu/mod.rs", "use devices::gic::Gic;", "sees only devices::bus"),
        ("emu/src/mmu/walk.rs", "use devices::{bus::Bus,\n serial::Pl011};", "sees only devices::bus"),
        ("emu/src/cpu/timer.rs", "fn f(g: &devices::gic::Gic) {}", "sees only devices::bus"),
    ]);
}

#[test]
fn unsafe_outside_its_rooms_is_caught() {
    let fault = "unsafe stands only in";
    bites(&[
        ("devices/src/bus/mmio.rs", "fn f() {\nunsafe { g() } }", fault),
        ("emu/src/cpu/mod.rs", "#![allow(unsafe_code)]", fault),
        ("emu/src/jitter.rs", "unsafe impl Send for X {}", fault),
        ("tests/house.rs", "m! { unsafe }", fault),
    ]);
}

#[test]
fn a_long_or_vaguely_named_file_is_caught() {
    let long = "\n".repeat(MAX_LINES + 1);
    bites(&[
        ("devices/src/rtc/pl031.rs", &long, "1201 lines"),
        ("devices/src/utils.rs", "//!", "does not say what it holds"),
        ("emu/src/helpers/mod.rs", "//!", "does not say what it holds"),
        ("emu/src/a64/common.rs", "//!", "does not say what it holds"),
    ]);
    assert_eq!(check("devices/src/rtc/pl031.rs", &"\n".repeat(MAX_LINES), &Macros::new()), []);
}

#[test]
fn arrows_that_point_down_are_left_alone() {
    for (file, text) in [
        ("emu/src/lib.rs", "pub mod a64; pub mod jit; pub use machine::Phone; use devices::gic;"),
        ("emu/src/a64/insn/fp.rs", "use crate::{ir::Build, interp::Eval, state::State, mmu}; use super::table::Row;"),
        ("emu/src/a64/mod.rs", "pub(crate) fn f() {} pub(super) fn g() {} mod tests { use super::*; }"),
        ("emu/src/jit/mod.rs", "use devices::bus::GuestRam; unsafe fn f() { crate::jit::g() }"),
        ("emu/src/cpu/mod.rs", "use crate::{a64, jit, interp, mmu, ir, state};"),
        ("emu/src/machine/mod.rs", "use devices::gic::Gic; use crate::{a64, cpu, state}; use crate::machine::fdt;"),
        ("emu/src/a64/insn/fp.rs", "crate::rows! { x } use crate::ops;"),
        ("emu/src/debug/mod.rs", "use crate::machine::Phone; use crate::state::State;"),
        ("emu/src/mmu/mod.rs", "fn f(r: &devices::bus::GuestRam) { unsafe { r.get() } }"),
        ("emu/src/ir/mod.rs", "// use crate::jit; unsafe\nconst S: &str = \"crate::jit::x unsafe\";"),
        ("emu/src/ir/mod.rs", "fn f(m: &M) -> impl Iterator + use<'_> { m.devices::<u8>().emu }"),
        ("devices/src/lib.rs", "#[cfg(test)] mod t { use crate::bus::Bus; use std::fs; }"),
        ("frontend/src/main.rs", "use emu::machine::Phone; use devices::bus::FrameSink; use winit::window::Window;"),
        ("tests/src/lib.rs", "use emu::a64; use firmware::demo;"),
        ("xtask/src/main.rs", "#![forbid(unsafe_code)] use crate::apt;"),
    ] {
        assert_eq!(check(file, text, &some_macros()), [], "{file}: {text}");
    }
}
