//! Compute work in a guest, whose outputs must be what they are on QEMU: OpenSSL, stress-ng with `--verify`, Python's own
//! tests, Node, LuaJIT and more.
//!
//! Programs of ours are in `tests/bench`; they come into the guest as a tar archive on a second disk. What is compared
//! holds no times. The long list takes half an hour on each.

use super::disk;
use crate::emulator::{Emulator, Machine};
use crate::footprint;
use crate::guest::{self, Scratch};
use std::time::Duration;

/// Time for one line, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(3600);

/// The guest's RAM, and what Handset may hold beside that.
const RAM_MIB: u64 = 2048;
const ALLOWED_MIB: u64 = 300;

/// In the guest's shell before anything else. `v` runs a stressor that checks its own results and tells what is wrong.
const PREPARE: &str = "export LC_ALL=C KEY=\"-K $(printf %064d 7) -iv $(printf %032d 9)\"; set -o pipefail; \
    mkdir /dev/shm/w; cd /dev/shm/w; tar -xf /dev/vdb; cat /usr/lib/python3.11/*.py | head -c 1M >text; \
    v() { stress-ng -q --verify --timeout 600s --temp-path /dev/shm/w \"$@\" 2>&1; }; \
    t() { python3 -m test \"$@\" >log 2>&1; s=$?; grep -a -i 'result: \\|failed:\\|^FAIL\\|^ERROR' log; return $s; }";

/// What every run of the suite does: name, command.
const SHORT: &[(&str, &str)] = &[
    ("digests", "for d in md5 sha1 sha256 sha512 sha3-256 sm3 blake2b512; do openssl dgst -$d text; done"),
    ("a digest by C code", "sha256sum text"),
    (
        "ciphers",
        "for c in aes-128-cbc aes-256-ctr chacha20 camellia-256-cbc aria-128-ctr sm4-cbc; do \
        openssl enc -$c $KEY -in text | md5sum; done",
    ),
    ("openssl speed", "openssl speed -seconds 1 -bytes 1024 sha256 aes-128-cbc rsa2048 ecdsap256 >log 2>&1"),
    ("vector arithmetic", "v --vecmath 1 --vecmath-ops 30 --vecfp 1 --vecfp-ops 4 --vecwide 1 --vecwide-ops 30"),
    ("atomics", "v --atomic 2 --atomic-ops 40"),
    (
        "arithmetic",
        "for m in bitops crc16 div64 double float fft int128 matrixprod rand48 sqrt trig zeta; do \
        v --cpu 1 --cpu-method $m --cpu-ops 3 || echo $m; done",
    ),
    ("memory", "v --vm 1 --vm-bytes 8M --vm-ops 400 --memcpy 1 --memcpy-ops 20 --qsort 1 --qsort-ops 2"),
    ("Python's tests", "t test_math test_float test_struct test_zlib test_hashlib"),
    ("python objects", "python3 objects.py 0.2"),
    ("python numeric", "python3 numeric.py 0.2"),
    ("node objects", "node objects.js 0.2"),
    ("node WebAssembly", "node wasm.js 0.5"),
    ("luajit", "luajit loops.lua 0.3"),
];

/// What is done at leisure, beside that.
const LONG: &[(&str, &str)] = &[
    ("all digests", "for d in $(openssl list -digest-commands); do openssl dgst -$d text 2>&1; done; true"),
    (
        "all ciphers",
        "for c in $(openssl list -cipher-commands); do echo $c; openssl enc -$c $KEY -in text 2>/dev/null | \
        md5sum; done; true",
    ),
    ("a prime", "openssl prime -hex $(printf 7%0550d 0 | tr 0 f)"),
    (
        "a signature",
        "openssl genrsa -out key 2048 2>/dev/null && openssl rsa -in key -pubout -out pub 2>/dev/null && \
        openssl dgst -sign key -out signature text && openssl dgst -verify pub -signature signature text",
    ),
    (
        "a signature on a curve",
        "openssl genpkey -algorithm ed25519 -out key && openssl pkey -in key -pubout -out pub && \
        openssl pkeyutl -sign -rawin -inkey key -in objects.js -out signature && \
        openssl pkeyutl -verify -rawin -pubin -inkey pub -in objects.js -sigfile signature",
    ),
    ("all of openssl speed", "openssl speed -seconds 1 -bytes 4096 >log 2>&1"),
    (
        "openssl speed of what software uses",
        "for a in aes-128-gcm aes-256-gcm aes-128-ocb aes-256-xts \
        chacha20-poly1305 sm4-ctr sha3-512 blake2s256; do openssl speed -seconds 1 -evp $a >log 2>&1 || echo $a; done",
    ),
    (
        "every way to keep a CPU busy",
        "for m in $(stress-ng --cpu-method which 2>&1 | sed 's/.*: all//'); do \
        v --cpu 1 --cpu-method $m --cpu-ops 10 || echo $m; done",
    ),
    ("all ways in one", "v --cpu 2 --cpu-method all --cpu-ops 200"),
    (
        "vector arithmetic at length",
        "for s in vecmath vecfp vecwide vecshuf; do v --$s 2 --$s-ops 200 || echo $s; done",
    ),
    (
        "matrices",
        "for m in $(stress-ng --matrix-method which 2>&1 | sed 's/.*: all//'); do \
        v --matrix 1 --matrix-method $m --matrix-ops 20 --matrix-size 64 || echo $m; done; \
        v --matrix-3d 1 --matrix-3d-ops 10 --matrix-3d-size 32; v --sparsematrix 1 --sparsematrix-ops 20",
    ),
    (
        "every test of memory",
        "for m in $(stress-ng --vm-method which 2>&1 | sed 's/.*: all//'); do \
        v --vm 1 --vm-bytes 4M --vm-method $m --vm-ops 200 --timeout 15s || echo $m; done",
    ),
    (
        "atomics at length",
        "v --atomic 2 --atomic-ops 400; v --lockbus 2 --lockbus-ops 200; v --membarrier 1 \
        --membarrier-ops 50; v --misaligned 2 --misaligned-ops 200",
    ),
    (
        "structures in memory",
        "for s in bsearch hsearch lsearch tsearch heapsort mergesort qsort radixsort shellsort \
        skiplist tree list judy str wcs hash; do v --$s 1 --$s-ops 5 || echo $s; done",
    ),
    (
        "moves in memory",
        "for s in memcpy memrate memthrash stream mremap mmap mcontend remap rmap randlist stack \
        stackmmap vm-rw vm-addr vm-splice madvise malloc bigheap full null zero pipe pipeherd memfd; do \
        v --$s 1 --timeout 5s --bigheap-growth 64K --stream-l3-size 4M --memrate-bytes 16M --vm-rw-bytes 4M \
        --mremap-bytes 4M --mmap-bytes 4M --remap-ops 50 --memthrash-method all || echo $s; done",
    ),
    (
        "control flow and floating point",
        "for s in branch funccall funcret goto jmp longjmp nop fp fp-error rotate regs \
        prefetch opcode sigfpe sigsegv sigtrap crypt zlib context syncload tsc rseq; do \
        stress-ng --$s 0 --dry-run >/dev/null 2>&1 || continue; v --$s 1 --timeout 4s || echo $s; done",
    ),
    (
        "many of Python's tests",
        "t test_array test_audioop test_bigmem test_binascii test_binop test_bool test_bytes \
        test_bz2 test_cmath test_colorsys test_complex test_decimal test_dict test_fractions test_heapq test_hmac test_int \
        test_itertools test_json test_list test_long test_lzma test_memoryview test_numeric_tower test_pickle test_pow \
        test_random test_re test_set test_sort test_statistics test_string test_strtod test_threading test_unicode \
        test_unicodedata test_zipfile",
    ),
    ("python objects at length", "python3 objects.py 3"),
    ("python numeric at length", "python3 numeric.py 3"),
    ("node at length", "node objects.js 5"),
    ("node without its optimiser", "node --no-opt objects.js 0.5"),
    ("node interpreting", "node --jitless objects.js 0.3"),
    ("WebAssembly at length", "node wasm.js 10"),
    ("WebAssembly by the simple compiler", "node --liftoff-only wasm.js 2"),
    (
        "node's libraries",
        "node -e \"const z = require('zlib'), c = require('crypto'), t = require('fs').readFileSync('text'); \
        console.log(c.createHash('sha1').update(z.brotliCompressSync(t.subarray(0, 200000))).digest('hex'), \
        z.gunzipSync(z.gzipSync(t)).equals(t), c.pbkdf2Sync('a', 'b', 20000, 32, 'sha512').toString('hex'), \
        2n ** 4000n % 1000000007n, t.toString('latin1').match(/def \\\\w+/g).length)\"",
    ),
    ("luajit at length", "luajit loops.lua 5"),
    ("luajit interpreting", "luajit -joff loops.lua 0.2"),
    ("java", "java -cp /usr/share/java/js.jar org.mozilla.javascript.tools.shell.Main objects.js 0.2"),
    (
        "java interpreting",
        "java -Xint -cp /usr/share/java/js.jar org.mozilla.javascript.tools.shell.Main objects.js 0.02",
    ),
    ("perl", "perl words.pl 3"),
    ("sqlite", "sqlite3 <tables.sql"),
    (
        "compressors",
        "for c in 'gzip -n' bzip2 'xz -T1' 'zstd -q -12'; do $c <text | md5sum; $c <text | ${c%% *} -d | cmp - \
        text; done",
    ),
    ("gcc", "python3 functions.py 12 >many.c && gcc -O3 -c many.c -o many.o && md5sum many.o"),
    ("povray", "povray -D +Iscene.pov +W160 +H120 +FP +A +WT1 +Oscene.ppm >/dev/null 2>&1; md5sum scene.ppm"),
    (
        "video",
        "ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=320x180 -frames:v 40 -c:v libx264 -threads 1 -bitexact -y \
        v.mkv && md5sum v.mkv && for f in bicubic lanczos; do ffmpeg -nostdin -v error -threads 1 -i v.mkv \
        -vf scale=200:100:flags=$f -f md5 -; done",
    ),
    (
        "sound",
        "for c in aac flac libmp3lame libopus vorbis; do ffmpeg -nostdin -v error -f lavfi -i \
        'sine=f=440:d=5,aformat=channel_layouts=stereo' -c:a $c -strict -2 -threads 1 -bitexact -f matroska - | md5sum; done",
    ),
    (
        "other video",
        "for c in mpeg4 mjpeg libvpx-vp9 libx265 ffv1; do ffmpeg -nostdin -v error -f lavfi -i testsrc2=s=160x90 \
        -frames:v 12 -c:v $c -threads 1 -x265-params log-level=none:pools=none -bitexact -f rawvideo - 2>/dev/null | md5sum; done",
    ),
];

/// What each line of a list gave: its name, exit status and output.
type Given = Vec<(&'static str, u32, String)>;

fn outputs(emulator: Emulator, guest: &str, lists: &[&[(&'static str, &'static str)]], name: &str) -> Given {
    let scratch = Scratch::new(name);
    let programs = scratch.file("programs.tar");
    let folder = guest::workspace().join("tests/bench");
    let text = |path: &std::path::Path| path.to_str().expect("a UTF-8 path").to_owned();
    guest::host("tar", &["--create", "--file", &text(&programs), "--directory", &text(&folder), "."]);
    let machine = Machine::guest(guest).memory(&format!("{RAM_MIB}M")).smp(2).data_drive(&programs);
    let mut console = disk::log_in_to(emulator, &machine);
    console.ok(PREPARE, super::LONG);
    let mut given = Given::new();
    for (name, command) in lists.iter().copied().flatten() {
        let begun = std::time::Instant::now();
        let ran = console.run(command, PATIENCE);
        let seconds = begun.elapsed().as_secs_f32();
        eprintln!("{emulator:?}: {name}: {seconds:.1} s, status {}\n{}", ran.status, ran.output.trim_end());
        given.push((name, ran.status, ran.output));
    }
    if emulator == Emulator::Handset {
        let beside = footprint::beside_guest_ram(console.process(), RAM_MIB << 20) >> 10;
        assert!(beside <= ALLOWED_MIB, "{beside} MiB resident beside the guest's RAM");
    }
    disk::power_off(console);
    given
}

/// Runs lists on an emulator and on QEMU; they must succeed, and say the same.
fn compare(emulator: Emulator, guest: &str, lists: &[&[(&'static str, &'static str)]], name: &str) {
    let here = outputs(emulator, guest, lists, name);
    let judge = outputs(Emulator::Qemu, guest, lists, name);
    let mut wrong = String::new();
    for ((name, status, output), (_, judges_status, judges_output)) in here.iter().zip(&judge) {
        if (status, output) != (judges_status, judges_output) || *status != 0 {
            wrong +=
                &format!("{name}: status {status}, on QEMU {judges_status}; {output}\non QEMU:\n{judges_output}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A few minutes of compute work give QEMU's outputs.
pub fn compute_work_verifies(emulator: Emulator) {
    compare(emulator, "debian12-disk", &[SHORT], "compute");
}

/// An hour of compute work does so too.
pub fn long_compute_work_verifies(emulator: Emulator) {
    compare(emulator, "debian12-bench", &[SHORT, LONG], "long-compute");
}
