//! What is measured: programs out of Debian's packages, by the classes of use, and the commands that start them.
//!
//! The shell runs each in a folder of RAM that holds `tests/bench`. Its output is the same on every right machine.

/// A kind of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Boot,
    Integer,
    Branches,
    FloatingPoint,
    Neon,
    Crypto,
    GuestJit,
    Memory,
    Kernel,
    ShortPrograms,
    Parallel,
}

/// All classes, in the order of the table.
pub const CLASSES: &[Class] = &[
    Class::Boot,
    Class::Integer,
    Class::Branches,
    Class::FloatingPoint,
    Class::Neon,
    Class::Crypto,
    Class::GuestJit,
    Class::Memory,
    Class::Kernel,
    Class::ShortPrograms,
    Class::Parallel,
];

impl Class {
    /// What it is called in the table, and in one word on the command line.
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Boot => ("boot", "boot"),
            Self::Integer => ("integer", "integer"),
            Self::Branches => ("calls and indirect branches", "branches"),
            Self::FloatingPoint => ("floating point", "float"),
            Self::Neon => ("NEON", "neon"),
            Self::Crypto => ("crypto", "crypto"),
            Self::GuestJit => ("guest JITs", "jit"),
            Self::Memory => ("memory", "memory"),
            Self::Kernel => ("kernel", "kernel"),
            Self::ShortPrograms => ("short programs", "short"),
            Self::Parallel => ("two at once", "parallel"),
        }
    }
}

/// One piece of work.
#[derive(Debug)]
pub struct Work {
    pub class: Class,
    pub name: &'static str,
    /// Commands that make what the work needs; their time does not count.
    pub before: &'static str,
    /// The commands whose time counts.
    pub run: &'static str,
    /// Commands that print what the work made; their time does not count.
    pub after: &'static str,
    /// On machines with so many vCPUs.
    pub smp: &'static [u32],
}

/// The name of the boot of a kernel and busybox, up to the shell's first prompt.
pub const BOOT_TO_SHELL: &str = "boot to shell";
/// The name of the same once more, for whom it matters that it was done before.
pub const BOOT_AGAIN: &str = "boot to shell, second time";
/// The name of the boot of systemd from a disk, up to the prompt of who has logged in.
pub const BOOT_TO_LOGIN: &str = "boot to login";

/// 16 MiB of text.
const TEXT: &str = "[ -e text ] || cat /usr/lib/python3.11/*.py /usr/lib/python3.11/*/*.py | head -c 16M >text";
/// 128 MiB.
const BLOB: &str = "[ -e blob ] || cat /usr/lib/python3.11/*.py /usr/lib/python3.11/*/*.py | head -c 16M >text
    [ -e blob ] || for i in 1 2 3 4 5 6 7 8; do cat text; done >blob";
/// Four seconds of a moving picture.
const VIDEO: &str = "[ -e in.mkv ] || ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=480x270:r=25 -frames:v 100 \
                     -c:v libx264 -preset veryfast -threads 1 -bitexact in.mkv";

const BRANCHES: &str = "[ -e branches ] || gcc -O1 branches.c -o branches";
const ARRAYS: &str = "[ -e arrays ] || gcc -O3 arrays.c -o arrays";

/// The text, and one compression of it.
const WARM_BZIP2: &str = "[ -e text ] || cat /usr/lib/python3.11/*.py /usr/lib/python3.11/*/*.py | head -c 16M >text
    head -c 4M text | bzip2";

/// The whole table, in order: a line is `Class, smp: "name", before, run, after`.
macro_rules! table {
    ($($class:ident, $smp:expr, $name:expr, $before:expr, $run:expr, $after:expr;)*) => {
        &[$(Work { class: Class::$class, smp: &$smp, name: $name, before: $before, run: $run, after: $after }),*]
    };
}

/// All of it, in the order of the table.
pub const ALL: &[Work] = table! {
    Boot, [1], BOOT_TO_SHELL, "", "", "";
    Boot, [1], BOOT_AGAIN, "", "", "";
    Boot, [1, 2], BOOT_TO_LOGIN, "", "", "";

    Integer, [1], "python3 objects", "", "python3 objects.py 1", "";
    Integer, [1], "perl text", "", "perl words.pl 2", "";
    Integer, [1], "sqlite3 tables", "", "sqlite3 <tables.sql", "";
    Integer, [1], "gzip", TEXT, "head -c 8M text | gzip -n | md5sum", "";
    Integer, [1], "bzip2", TEXT, "head -c 4M text | bzip2 | md5sum", "";
    Integer, [1], "zstd", TEXT, "head -c 8M text | zstd -q -9 | md5sum", "";
    // 2^2203 - 1, by the Montgomery arithmetic of RSA; openssl itself measures by time only.
    Integer, [1], "openssl prime, 2203 bits", "", "openssl prime -hex $(printf 7%0550d 0 | tr 0 f)", "";
    Integer, [1], "gcc -O2", "python3 functions.py 8 >many.c", "gcc -O2 -c many.c -o many.o", "md5sum many.o";

    Branches, [1], "recursive calls", BRANCHES, "./branches recursive 3000", "";
    Branches, [1], "virtual calls", BRANCHES, "./branches virtual 40000", "";
    Branches, [1], "qsort", BRANCHES, "./branches sort 40", "";
    Branches, [1], "dispatch of bytes", BRANCHES, "./branches dispatch 20000", "";
    Branches, [1], "luajit's interpreter", "", "luajit -joff loops.lua 0.1", "";

    FloatingPoint, [1], "python3 numeric", "", "python3 numeric.py 1", "";
    // Its header says when it was drawn.
    FloatingPoint, [1], "povray", "", "povray -D +Iscene.pov +W120 +H90 +FP +A +WT1 +Oscene.ppm >/dev/null 2>&1",
        "tail -c 32400 scene.ppm | md5sum";
    FloatingPoint, [1], "stress-ng matrix", "", "stress-ng -q --verify --matrix 1 --matrix-ops 1500", "";
    FloatingPoint, [1], "stress-ng double", "", "stress-ng -q --verify --cpu 1 --cpu-method double --cpu-ops 400", "";

    Neon, [1], "ffmpeg encode H.264", "", "ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=480x270:r=25 -frames:v 40 \
        -c:v libx264 -preset veryfast -threads 1 -bitexact -f h264 - | md5sum", "";
    Neon, [1], "ffmpeg decode H.264", VIDEO, "ffmpeg -nostdin -v error -threads 1 -i in.mkv -f md5 -", "";
    Neon, [1], "ffmpeg scale", VIDEO, "ffmpeg -nostdin -v error -filter_threads 1 -threads 1 -i in.mkv \
        -vf scale=960:540:flags=bicubic -f md5 -", "";
    Neon, [1], "stress-ng vecmath", "", "stress-ng -q --verify --vecmath 1 --vecmath-ops 3000", "";
    Neon, [1], "stress-ng vecfp", "", "stress-ng -q --verify --vecfp 1 --vecfp-ops 300", "";

    Neon, [1], "loops over floats", ARRAYS, "./arrays float 100000", "";
    Neon, [1], "loops over integers", ARRAYS, "./arrays int 100000", "";

    Crypto, [1], "openssl SHA-256", BLOB, "for i in 1 2 3 4 5 6; do openssl sha256 blob; done", "";
    Crypto, [1], "openssl AES-256-CTR", BLOB, "for i in 1 2 3; do openssl enc -aes-256-ctr $KEY -in blob -out enc; done",
        "md5sum enc; rm enc";
    Crypto, [1], "openssl ChaCha20", BLOB, "for i in 1 2 3; do openssl enc -chacha20 $KEY -in blob -out enc; done",
        "md5sum enc; rm enc";

    Crypto, [1], "openssl AES-128-GCM", "", "luajit crypto.lua gcm 256", "";
    Crypto, [1], "openssl RSA-2048 sign", "", "luajit crypto.lua sign 200", "";
    Crypto, [1], "openssl RSA-2048 verify", "", "luajit crypto.lua verify 5000", "";

    GuestJit, [1], "node objects", "", "node objects.js 1", "";
    GuestJit, [1], "node WebAssembly", "", "node wasm.js 2", "";
    GuestJit, [1], "luajit", "", "luajit loops.lua 2", "";
    GuestJit, [1], "java Rhino", "",
        "java -cp /usr/share/java/js.jar org.mozilla.javascript.tools.shell.Main objects.js 0.1", "";

    Memory, [1], "chase in 64 KiB", "", "luajit memory.lua chase 65536 64 100000000", "";
    Memory, [1], "chase by the page in 2 MiB", "", "luajit memory.lua chase 2097152 4096 50000000", "";
    Memory, [1], "chase by the page in 4 MiB", "", "luajit memory.lua chase 4194304 4096 30000000", "";
    Memory, [1], "chase by the page in 64 MiB", "", "luajit memory.lua chase 67108864 4096 8000000", "";
    Memory, [1], "chase by the page in 256 MiB", "", "luajit memory.lua chase 268435456 4096 4000000", "";
    Memory, [1], "memcpy of 4 KiB", "", "luajit memory.lua copy 4096 4000000", "";
    Memory, [1], "memcpy of 16 MiB", "", "luajit memory.lua copy 16777216 200", "";
    Memory, [1], "STREAM, 10,000,000 elements", ARRAYS, "./arrays stream 5 10000000", "";
    // The same element of all three arrays is in the same place of any table of 2^k pages.
    Memory, [1], "STREAM, 2^21 elements", ARRAYS, "./arrays stream 8 2097152", "";
    Memory, [1], "stress-ng tree", "", "stress-ng -q --verify --tree 1 --tree-size 50000 --tree-ops 10", "";

    Kernel, [1], "null system call", "", "luajit calls.lua null 5000000", "";
    Kernel, [1], "page fault", "", "luajit calls.lua fault 200000", "";
    Kernel, [1], "switch by a pipe", "", "stress-ng -q --switch 1 --switch-method pipe --switch-ops 100000", "";
    Kernel, [1], "fork", "", "stress-ng -q --fork 1 --fork-ops 2000", "";
    Kernel, [1], "exec", "", "i=0; while [ $i -lt 400 ]; do /bin/true; i=$((i+1)); done", "";
    Kernel, [1], "hackbench", "", "hackbench -p -g 4 -l 200 | head -1", "";
    Kernel, [1], "small files", "", "mkdir f; i=0; while [ $i -lt 8000 ]; do echo $i >f/$i; i=$((i+1)); done
        cat f/* | md5sum; rm -r f", "";

    ShortPrograms, [1], "100 × openssl version", "",
        "i=0; while [ $i -lt 100 ]; do openssl version; i=$((i+1)); done | uniq", "";
    ShortPrograms, [1], "50 × python3 -c pass", "", "i=0; while [ $i -lt 50 ]; do python3 -c pass; i=$((i+1)); done", "";
    ShortPrograms, [1], "20 × node -e 0", "", "i=0; while [ $i -lt 20 ]; do node -e 0; i=$((i+1)); done", "";
    ShortPrograms, [1], "20 × gcc hello.c", "printf '#include <stdio.h>\\nint main(void) { puts(\"hello\"); }' >hello.c",
        "i=0; while [ $i -lt 20 ]; do gcc -O1 hello.c -o hello; i=$((i+1)); done", "./hello";

    // Done once before, so that a boot with two vCPUs, which does little else, compares with a boot with one.
    Parallel, [1, 2], "2 × bzip2 at once", WARM_BZIP2, "for i in 1 2; do head -c 4M text | bzip2 | md5sum & done; wait", "";
    Parallel, [1, 2], "2 × python3 at once", "python3 numeric.py 1", "for i in 1 2; do python3 numeric.py 1 & done; wait", "";
    Parallel, [1, 2], "2 × node at once", "node objects.js 1", "for i in 1 2; do node objects.js 1 & done; wait", "";
    Parallel, [1, 2], "hackbench at once", "hackbench -p -g 4 -l 200", "hackbench -p -g 4 -l 200 | head -1", "";
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_work_and_no_two_works_have_one_name() {
        let mut names: Vec<&str> = ALL.iter().map(|work| work.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
        assert!(CLASSES.iter().all(|class| ALL.iter().any(|work| work.class == *class)));
        assert!(ALL.is_sorted_by_key(|work| CLASSES.iter().position(|class| *class == work.class)));
    }
}
