//! What Linux's `perf` reads to tell translated units apart: a *map* of names, and a *dump* of the code itself.
//!
//! | file | what perf makes of it | format, in Linux's tree |
//! |---|---|---|
//! | `/tmp/perf-PID.map` | `perf report` names addresses | `tools/perf/Documentation/jit-interface.txt` |
//! | `jit-PID.dump` | `perf inject --jit` makes objects, which `perf annotate` disassembles | `tools/perf/Documentation/jitdump-specification.txt` |
//!
//! Every unit is written to both at once and unbuffered, before it runs, so that they are whole however the process ends.
//!
//! Left out: source lines (a JIT_CODE_DEBUG_INFO record); what is patched later, that is links and dropped entries; and
//! ends: memory is used again only after all code was dropped, and then the map has two names for an address.
#![allow(unsafe_code, reason = "maps the marker that perf looks for, and asks for the time that perf knows")]

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;

use super::thunks::Thunks;
use crate::state::El;

/// "JiTD", as this host writes it.
const MAGIC: u32 = 0x4a69_5444;
const VERSION: u32 = 1;
const EM_X86_64: u32 = 62;
/// Bytes of the dump's header.
const HEADER: u32 = 40;
const JIT_CODE_LOAD: u32 = 0;
/// Bytes of a JIT_CODE_LOAD record before its name.
const LOAD: usize = 56;

/// The two files, open.
#[derive(Debug)]
pub struct Profile {
    map: File,
    dump: File,
    /// Held, since perf may come only later.
    _marker: Marker,
    /// Pieces of code so far.
    pieces: u64,
    /// A write has failed, after which nothing more is written.
    failed: bool,
    record: Vec<u8>,
}

impl Profile {
    /// Begins the two files, which are empty and can be read and written. perf finds the dump by its name, `jit-PID.dump`.
    ///
    /// # Errors
    /// The host's refusal to write the dump's header, or to map it as if it were code (its file system may be `noexec`).
    pub fn new(map: File, mut dump: File) -> io::Result<Self> {
        let mut header = Vec::with_capacity(HEADER as usize);
        for word in [MAGIC, VERSION, HEADER, EM_X86_64, 0, std::process::id()] {
            header.extend(word.to_ne_bytes());
        }
        header.extend(monotonic().to_ne_bytes());
        header.extend(0u64.to_ne_bytes());
        dump.write_all(&header)?;
        let marker = Marker::new(&dump)?;
        Ok(Self { map, dump, _marker: marker, pieces: 0, failed: false, record: Vec::new() })
    }

    /// Names a unit that was translated for a guest address and will execute at a host address.
    pub(super) fn unit(&mut self, el: El, va: u64, host: u64, code: &[u8]) {
        self.write(&format!("el{}:{va:#018x}", el as u8), host, code);
    }

    /// Names the thunks, whose code begins at a host address.
    pub(super) fn thunks(&mut self, thunks: &Thunks, host: u64, code: &[u8]) {
        let Thunks { enter, stale, link, guarded, apart, apart_unlinked, sync, resume, depart, indirect, slow } =
            *thunks;
        let mut list = [
            ("enter", enter),
            ("stale", stale[0]),
            ("link", link[0]),
            ("apart", apart[0]),
            ("sync", sync[0]),
            ("stale in any page", stale[1]),
            ("link in any page", link[1]),
            ("apart in any page", apart[1]),
            ("sync in any page", sync[1]),
            ("guarded link", guarded),
            ("apart, unlinked", apart_unlinked),
            ("resume", resume),
            ("depart", depart),
            ("indirect", indirect),
            ("slow", slow),
        ];
        list.sort_by_key(|&(_, at)| at);
        let end = host + code.len() as u64;
        let ends = list.map(|(_, at)| at).into_iter().skip(1).chain([end]);
        for ((name, at), end) in list.into_iter().zip(ends) {
            self.write(&format!("thunk:{name}"), at, &code[(at - host) as usize..(end - host) as usize]);
        }
    }

    fn write(&mut self, name: &str, host: u64, code: &[u8]) {
        if self.failed {
            return;
        }
        if let Err(why) = self.try_write(name, host, code) {
            tracing::warn!("--profile: {why}; code that is translated from now on has no name");
            self.failed = true;
        }
    }

    fn try_write(&mut self, name: &str, host: u64, code: &[u8]) -> io::Result<()> {
        self.map.write_all(format!("{host:x} {:x} {name}\n", code.len()).as_bytes())?;
        let record = &mut self.record;
        record.clear();
        let size = LOAD + name.len() + 1 + code.len();
        record.extend(JIT_CODE_LOAD.to_ne_bytes());
        record.extend((size as u32).to_ne_bytes());
        record.extend(monotonic().to_ne_bytes());
        record.extend(std::process::id().to_ne_bytes());
        record.extend(thread().to_ne_bytes());
        for address in [host, host] {
            record.extend(address.to_ne_bytes());
        }
        record.extend((code.len() as u64).to_ne_bytes());
        record.extend(self.pieces.to_ne_bytes());
        record.extend(name.bytes().chain([0]));
        record.extend(code);
        self.pieces += 1;
        self.dump.write_all(record)
    }
}

/// The dump's first page, mapped as if it were code: perf records each such mapping, and so learns of the file.
#[derive(Debug)]
struct Marker {
    at: usize,
}

/// Bytes that are mapped; the host rounds them up to a page.
const MARKER: usize = HEADER as usize;

impl Marker {
    fn new(dump: &File) -> io::Result<Self> {
        let protection = libc::PROT_READ | libc::PROT_EXEC;
        // SAFETY: a new mapping, where the host likes, of a file that is open; nobody reads it.
        let at =
            unsafe { libc::mmap(std::ptr::null_mut(), MARKER, protection, libc::MAP_PRIVATE, dump.as_raw_fd(), 0) };
        if at == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(Self { at: at as usize }) }
    }
}

impl Drop for Marker {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own.
        unsafe { libc::munmap(self.at as *mut libc::c_void, MARKER) };
    }
}

/// The time of CLOCK_MONOTONIC in nanoseconds, which `perf record -k 1` stamps its samples with.
fn monotonic() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the host fills a structure of ours.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    assert_eq!(failed, 0, "every Linux has this clock");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// This thread, by the host's number.
fn thread() -> u32 {
    // SAFETY: a system call without arguments, which cannot fail.
    unsafe { libc::gettid() as u32 }
}

#[cfg(test)]
mod tests {
    use std::os::fd::FromRawFd;
    use std::os::unix::fs::FileExt;

    use super::super::x64::HEADER;
    use super::super::{Cache, Key, Optimizations};
    use super::*;
    use crate::ir::Context;
    use crate::ir::block::{Block, Code, Term, Unit};

    /// A file without a name, and another hand on it.
    fn file() -> (File, File) {
        // SAFETY: a system call that makes a file, which nobody else has.
        let file = unsafe {
            let fd = libc::memfd_create(c"profile".as_ptr(), libc::MFD_CLOEXEC);
            assert!(fd >= 0, "{}", io::Error::last_os_error());
            File::from_raw_fd(fd)
        };
        (file.try_clone().unwrap(), file)
    }

    fn contents(file: &File) -> Vec<u8> {
        let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    /// What a cache executes.
    fn executed(host: u64, len: usize) -> &'static [u8] {
        // SAFETY: the tests ask only for code of caches that they hold.
        unsafe { std::slice::from_raw_parts(host as *const u8, len) }
    }

    #[derive(Debug, PartialEq)]
    struct Piece {
        name: String,
        host: u64,
        code: Vec<u8>,
    }

    /// The words of a dump, from front to back.
    struct Reader<'a>(&'a [u8]);

    impl<'a> Reader<'a> {
        fn bytes(&mut self, n: usize) -> &'a [u8] {
            let (taken, left) = self.0.split_at(n);
            self.0 = left;
            taken
        }

        fn u32(&mut self) -> u32 {
            u32::from_le_bytes(self.bytes(4).try_into().unwrap())
        }

        fn u64(&mut self) -> u64 {
            u64::from_le_bytes(self.bytes(8).try_into().unwrap())
        }
    }

    /// Reads a dump as jitdump-specification.txt has it.
    fn pieces(dump: &[u8]) -> Vec<Piece> {
        let mut all = Reader(dump);
        assert_eq!(all.bytes(4), b"DTiJ");
        assert_eq!([(); 5].map(|()| all.u32()), [1, 40, 62, 0, std::process::id()]);
        let (mut time, flags) = (all.u64(), all.u64());
        assert_eq!(flags, 0);
        let mut found = Vec::new();
        while !all.0.is_empty() {
            let (id, size) = (all.u32(), all.u32() as usize);
            assert_eq!(id, 0, "JIT_CODE_LOAD");
            let mut record = Reader(all.bytes(size - 8));
            let later = record.u64();
            assert!((time..=monotonic()).contains(&later), "{time} {later}");
            time = later;
            assert_eq!([record.u32(), record.u32()], [std::process::id(), thread()]);
            let (vma, host, len, index) = (record.u64(), record.u64(), record.u64(), record.u64());
            assert_eq!((vma, index), (host, found.len() as u64));
            let (name, code) = record.0.split_at(record.0.len() - len as usize);
            let name = std::ffi::CStr::from_bytes_with_nul(name).unwrap().to_str().unwrap();
            found.push(Piece { name: name.to_owned(), host, code: code.to_owned() });
        }
        found
    }

    /// Reads a map as jit-interface.txt has it, beside what its addresses hold.
    fn named(map: &[u8]) -> Vec<Piece> {
        let number = |text: &str| u64::from_str_radix(text, 16).unwrap();
        let piece = |line: &str| {
            let words: Vec<&str> = line.splitn(3, ' ').collect();
            let [host, len, name] = words.try_into().unwrap();
            let code = executed(number(host), number(len) as usize).to_owned();
            Piece { name: name.to_owned(), host: number(host), code }
        };
        std::str::from_utf8(map).unwrap().lines().map(piece).collect()
    }

    fn profiled() -> (Cache, File, File) {
        let ((map, map_too), (dump, dump_too)) = (file(), file());
        let cache = Cache::new(|_, _| None, Optimizations::all()).expect("memory for code");
        (cache.with_profile(Profile::new(map, dump).unwrap()), map_too, dump_too)
    }

    fn context(el: El) -> Context {
        Context { el, mmu: true, ..Context::PLAIN }
    }

    /// A unit that puts where it is in its page into X0.
    fn unit(el: El, va: u64) -> Unit {
        let mut block = Block::default();
        block.begin(va);
        let by = block.push(Code::Imm, &[], va & 0xfff);
        block.push(Code::SetX(0), &[by], 0);
        Unit { blocks: vec![Block { len: 1, term: Term::Sync(va + 4), ..block }], context: context(el) }
    }

    #[test]
    fn both_files_name_what_is_executed() {
        let (cache, map, dump) = profiled();
        let table = [
            (El::El0, 0x4000_1000, 0xaaaa_1234_5000, "el0:0x0000aaaa12345000"),
            (El::El1, 0x4000_2008, 0xffff_8000_0808_1008, "el1:0xffff800008081008"),
            // The same code of a program at another address is not translated again.
            (El::El0, 0x4000_1000, 0xbbbb_1234_5000, "el0:0x0000aaaa12345000"),
        ];
        let hosts = table.map(|(el, pa, va, _)| cache.insert(Key::new(pa, va, context(el)), &unit(el, va)));
        assert_eq!(hosts[0], hosts[2]);
        let found = pieces(&contents(&dump));
        assert_eq!(found, named(&contents(&map)));
        let thunks = found.iter().take_while(|piece| piece.name.starts_with("thunk:")).count();
        assert_eq!(found.len(), thunks + 2);
        for (host, (.., name)) in hosts.into_iter().zip(table) {
            let piece = found.iter().find(|piece| piece.host == host).unwrap();
            assert_eq!(piece.name, name);
            assert!(!piece.code.is_empty());
        }
    }

    #[test]
    fn thunks_are_named_from_the_first_byte_to_the_last() {
        let (cache, map, _dump) = profiled();
        let first = cache.insert(Key::new(0, 0, context(El::El1)), &unit(El::El1, 0));
        let found = named(&contents(&map));
        let names: Vec<_> = found.iter().map(|piece| piece.name.as_str()).collect();
        let thunks = names.iter().take_while(|name| name.starts_with("thunk:")).count();
        assert_eq!(names[0], "thunk:enter");
        assert_eq!(names[thunks - 1..], ["thunk:slow", "el1:0x0000000000000000"]);
        for pair in found[..thunks].windows(2) {
            assert_eq!(pair[0].host + pair[0].code.len() as u64, pair[1].host, "{} {}", pair[0].name, pair[1].name);
        }
        let last = &found[thunks - 1];
        let end = last.host + last.code.len() as u64;
        assert_eq!(end.next_multiple_of(16) + HEADER as u64, first);
    }

    #[test]
    fn code_that_is_translated_again_is_named_again() {
        let (cache, map, dump) = profiled();
        let key = Key::new(0x4000_1000, 0x1000, context(El::El1));
        let (unit, other) = (unit(El::El1, 0x1000), unit(El::El1, 0x2000));
        let first = cache.insert(key, &unit);
        cache.invalidate_all(|_| {});
        let second = cache.insert(key, &unit);
        assert_ne!(first, second);
        // Behind the thunks, memory is used again after a flush.
        cache.flush();
        let third = cache.insert(Key::new(0x4000_2000, 0x2000, context(El::El1)), &other);
        assert_eq!(first, third);
        let names = |pieces: Vec<Piece>| {
            let units = pieces.into_iter().filter(|piece| !piece.name.starts_with("thunk:"));
            units.map(|piece| (piece.name, piece.host)).collect::<Vec<_>>()
        };
        let expected = [(0x1000, first), (0x1000, second), (0x2000, third)];
        let expected = expected.map(|(va, host)| (format!("el1:{va:#018x}"), host));
        assert_eq!(names(pieces(&contents(&dump))), expected);
        assert_eq!(names(named(&contents(&map))), expected);
    }

    #[test]
    fn a_full_disk_stops_the_profile_but_not_the_phone() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let (file, there) = file();
        let profile = Profile::new(full, file).unwrap();
        let cache = Cache::new(|_, _| None, Optimizations::all()).expect("memory for code").with_profile(profile);
        cache.insert(Key::new(0, 0, context(El::El1)), &unit(El::El1, 0));
        assert_eq!(contents(&there).len(), 40, "nothing is written without its name");
    }

    #[test]
    fn a_dump_that_cannot_be_mapped_is_refused() {
        let device = File::options().read(true).write(true).open("/dev/null").unwrap();
        let (map, _) = file();
        Profile::new(map, device).unwrap_err();
    }

    /// perf takes names from a map only for memory that no file is behind.
    #[test]
    fn the_host_shows_code_as_nameless_memory() {
        let (cache, ..) = profiled();
        let host = cache.insert(Key::new(0, 0, context(El::El1)), &unit(El::El1, 0));
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let number = |text: &str| u64::from_str_radix(text, 16).unwrap();
        let holds = |line: &&str| {
            let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
            (number(start)..number(end)).contains(&host)
        };
        let line = maps.lines().find(holds).unwrap();
        assert!(line.contains(" r-xs ") && line.contains("/dev/zero"), "{line}");
    }
}
