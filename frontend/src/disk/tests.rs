//! Images against a plain array as the model, and qcow2 against `qemu-img` as the judge.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use devices::bus::MemoryStore;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn open(spec: &DriveSpec) -> Result<Box<dyn BlockStore>, DiskError> {
    super::open(spec).map(|(store, _)| store)
}

fn dir() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Runs `qemu-img`, which must be installed and succeed.
fn qemu_img(args: &[&str]) {
    let output = Command::new("qemu-img").args(args).output().expect("qemu-img (package qemu-utils) is installed");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "qemu-img {args:?}: {text}");
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn spec(path: &Path, more: &str) -> DriveSpec {
    format!("file={},{more}", text(path)).parse().unwrap()
}

fn refusal(path: &Path, more: &str) -> String {
    let Err(error) = open(&spec(path, more)) else { panic!("{} {more} opens", path.display()) };
    let error = error.to_string();
    assert!(error.starts_with(text(path)) && !error.contains('\n'), "{error}");
    error[text(path).len() + 2..].to_owned()
}

/// A generator of numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// Does the same random operations to a disk and to the model, and compares all that is read.
fn exercise(disk: &mut dyn BlockStore, model: &mut MemoryStore, seed: u64, operations: usize) {
    let mut random = Random(seed);
    assert_eq!(disk.len(), model.len());
    for step in 0..operations {
        let sectors = disk.len() / 512;
        let at = random.below(sectors);
        let longest = if random.below(8) == 0 { 1024 } else { 40 };
        let count = 1 + random.below(longest.min(sectors - at));
        let (offset, len) = (at * 512, count * 512);
        let mut bytes = vec![0; len as usize];
        match random.below(16) {
            0..6 => {
                bytes.fill_with(|| random.below(256) as u8);
                disk.write_at(offset, &bytes).unwrap();
                model.write_at(offset, &bytes).unwrap();
            }
            6..8 => {
                disk.write_zeroes(offset, len).unwrap();
                model.write_zeroes(offset, len).unwrap();
            }
            8 => {
                let mut before = bytes.clone();
                model.read_at(offset, &mut before).unwrap();
                disk.discard(offset, len).unwrap();
                disk.read_at(offset, &mut bytes).unwrap();
                let kept = before.chunks(512).zip(bytes.chunks(512));
                assert!(kept.into_iter().all(|(old, new)| new == old || new == [0; 512]), "step {step}: discard");
                model.write_at(offset, &bytes).unwrap();
            }
            9 => disk.flush().unwrap(),
            _ => {
                let mut expected = bytes.clone();
                disk.read_at(offset, &mut bytes).unwrap();
                model.read_at(offset, &mut expected).unwrap();
                assert!(bytes == expected, "step {step}: {len} bytes at {offset}");
            }
        }
    }
    assert!(disk.read_at(disk.len() - 511, &mut [0; 512]).is_err());
    assert!(disk.write_at(u64::MAX, &[0; 512]).is_err());
}

const MIB: usize = 1 << 20;

#[test]
fn a_raw_image_is_what_was_written() {
    let dir = dir();
    let path = dir.path().join("raw.img");
    let mut model = MemoryStore(vec![0x5a; 4 * MIB + 512]);
    std::fs::write(&path, &model.0).unwrap();
    exercise(&mut *open(&spec(&path, "format=raw")).unwrap(), &mut model, 1, 1500);
    assert!(std::fs::read(&path).unwrap() == model.0);
}

#[test]
fn a_snapshot_leaves_the_image_alone_and_is_gone_afterwards() {
    let dir = dir();
    let path = dir.path().join("raw.img");
    let original: Vec<u8> = (0..4 * MIB + 512).map(|i| (i / 512) as u8).collect();
    std::fs::write(&path, &original).unwrap();
    for _ in 0..2 {
        let mut disk = open(&spec(&path, "format=raw,snapshot")).unwrap();
        exercise(&mut *disk, &mut MemoryStore(original.clone()), 2, 1500);
    }
    assert!(std::fs::read(&path).unwrap() == original);
}

#[test]
fn qcow2_images_agree_with_qemu_img() {
    let kinds =
        ["compat=1.1", "compat=0.10", "cluster_size=4k", "cluster_size=512", "refcount_bits=64,cluster_size=2M"];
    for (seed, options) in (3..).zip(kinds) {
        let dir = dir();
        let (image, raw) = (dir.path().join("disk.qcow2"), dir.path().join("model.img"));
        qemu_img(&["create", "-q", "-f", "qcow2", "-o", options, text(&image), "5242880"]);
        let mut model = MemoryStore(vec![0; 5 * MIB]);
        for part in 0..3 {
            // Closed and opened again in between.
            let mut disk = open(&spec(&image, "format=qcow2")).unwrap();
            exercise(&mut *disk, &mut model, seed * 10 + part, 500);
            drop(disk);
            std::fs::write(&raw, &model.0).unwrap();
            qemu_img(&["check", "-q", "-f", "qcow2", text(&image)]);
            qemu_img(&["compare", "-q", "-f", "qcow2", "-F", "raw", text(&image), text(&raw)]);
        }
    }
}

#[test]
fn qcow2_over_backing_files_agrees_with_qemu_img() {
    let dir = dir();
    let [base, middle, top, raw] = ["base.img", "middle.qcow2", "top.qcow2", "model.img"].map(|n| dir.path().join(n));
    let mut model = MemoryStore((0..4 * MIB).map(|i| (i / 700) as u8).collect());
    std::fs::write(&base, &model.0).unwrap();
    let create = |over: &Path, format: &str, path: &Path| {
        qemu_img(&["create", "-q", "-f", "qcow2", "-b", text(over), "-F", format, text(path)]);
    };
    create(Path::new("base.img"), "raw", &middle);
    exercise(&mut *open(&spec(&middle, "format=qcow2,backing=on")).unwrap(), &mut model, 99, 300);
    create(Path::new("middle.qcow2"), "qcow2", &top);
    assert_eq!(refusal(&top, "format=qcow2"), "names the backing file middle.qcow2; add backing=on to let it be read");
    let disk = &mut *open(&spec(&top, "format=qcow2,backing=on")).unwrap();
    let in_use = open(&spec(&middle, "format=qcow2,backing=on")).err().unwrap().to_string();
    assert!(in_use.contains("in use by another phone"), "{in_use}");
    exercise(disk, &mut model, 77, 1000);
    disk.flush().unwrap();
    std::fs::write(&raw, &model.0).unwrap();
    qemu_img(&["check", "-q", "-U", "-f", "qcow2", text(&top)]);
    qemu_img(&["compare", "-q", "-U", "-f", "qcow2", "-F", "raw", text(&top), text(&raw)]);
}

#[test]
fn a_compressed_image_can_be_read_and_overwritten() {
    let dir = dir();
    let [raw, image] = ["model.img", "disk.qcow2"].map(|n| dir.path().join(n));
    let mut model = MemoryStore((0..4 * MIB).map(|i| (i / 3000) as u8).collect());
    std::fs::write(&raw, &model.0).unwrap();
    qemu_img(&["convert", "-c", "-f", "raw", "-O", "qcow2", text(&raw), text(&image)]);
    exercise(&mut *open(&spec(&image, "format=qcow2")).unwrap(), &mut model, 5, 800);
    std::fs::write(&raw, &model.0).unwrap();
    qemu_img(&["check", "-q", "-f", "qcow2", text(&image)]);
    qemu_img(&["compare", "-q", "-f", "qcow2", "-F", "raw", text(&image), text(&raw)]);
}

#[test]
fn a_backing_files_format_is_not_guessed_and_a_chain_ends() {
    let dir = dir();
    let [base, top] = ["base.qcow2", "top.qcow2"].map(|n| dir.path().join(n));
    qemu_img(&["create", "-q", "-f", "qcow2", text(&base), "1M"]);
    qemu_img(&["create", "-q", "-f", "qcow2", "-b", text(&base), "-F", "qcow2", text(&top)]);
    let bytes = std::fs::read(&top).unwrap();
    let at = bytes.windows(4).position(|w| w == 0xe279_2acau32.to_be_bytes()).expect("a backing format");
    let mut unknown = bytes.clone();
    unknown[at] = 0;
    std::fs::write(&top, unknown).unwrap();
    assert!(refusal(&top, "format=qcow2,backing=on").contains("without its format"));
    // Backed by itself.
    let name_at = u64::from_be_bytes(bytes[8..16].try_into().unwrap()) as usize;
    let mut own = bytes;
    own[16..20].copy_from_slice(&(text(&top).len() as u32).to_be_bytes());
    own[name_at..name_at + text(&top).len()].copy_from_slice(text(&top).as_bytes());
    std::fs::write(&top, own).unwrap();
    assert!(refusal(&top, "format=qcow2,backing=on,readonly").contains("too many backing files"));
    assert!(refusal(&top, "format=qcow2,backing=on").contains("in use"));
}

#[test]
fn one_line_says_what_is_wrong_with_an_image() {
    let dir = dir();
    let path = dir.path().join("disk.img");
    assert_eq!(refusal(&path, "format=raw"), "there is no such disk image");
    assert_eq!(refusal(dir.path(), "format=raw"), "is a directory, not a disk image");
    assert_eq!(refusal(Path::new("/dev/null"), "format=raw"), "is neither a file nor a disk");
    std::fs::write(&path, []).unwrap();
    assert_eq!(refusal(&path, "format=raw"), "is empty");
    std::fs::write(&path, [0; 5]).unwrap();
    assert_eq!(refusal(&path, "format=qcow2"), "is not a qcow2 image");
    qemu_img(&["create", "-q", "-f", "qcow2", text(&path), "1M"]);
    let bytes = std::fs::read(&path).unwrap();
    let mut dirty = bytes.clone();
    dirty[79] |= 1;
    std::fs::write(&path, dirty).unwrap();
    assert!(refusal(&path, "format=qcow2").starts_with("is a damaged or unsupported qcow2 image: "));
    for len in [20, 60, 103] {
        std::fs::write(&path, &bytes[..len]).unwrap();
        assert_eq!(refusal(&path, "format=qcow2"), "is truncated", "{len} bytes");
    }
    // A superuser may read everything.
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o0)).unwrap();
    if std::fs::File::open(&path).is_err() {
        assert_eq!(refusal(&path, "format=raw,readonly"), "may not be read (permission denied)");
    }
}

#[test]
fn only_readers_share_an_image() {
    let dir = dir();
    let path = dir.path().join("disk.img");
    std::fs::write(&path, [0; 4096]).unwrap();
    {
        let _readers = ["readonly", "snapshot"].map(|more| open(&spec(&path, &format!("format=raw,{more}"))).unwrap());
        assert!(refusal(&path, "format=raw").starts_with("is in use by another phone"));
    }
    let _writer = open(&spec(&path, "format=raw")).unwrap();
    for more in ["", ",readonly", ",snapshot"] {
        assert!(refusal(&path, &format!("format=raw{more}")).starts_with("is in use by another phone"));
    }
}

#[test]
fn a_read_only_disk_refuses_to_be_written() {
    let dir = dir();
    let path = dir.path().join("disk.img");
    std::fs::write(&path, [7; 4096]).unwrap();
    let mut disk = open(&spec(&path, "format=raw,readonly,snapshot")).unwrap();
    assert!(disk.read_only());
    for result in [disk.write_at(0, &[0; 512]), disk.discard(0, 512), disk.write_zeroes(0, 512)] {
        assert!(matches!(result, Err(devices::bus::BlockError::ReadOnly)));
    }
}

#[test]
fn a_discarded_range_gives_its_space_back() {
    use std::os::unix::fs::MetadataExt;
    let dir = dir();
    let path = dir.path().join("disk.img");
    std::fs::write(&path, vec![1; 4 * MIB]).unwrap();
    let mut disk = open(&spec(&path, "format=raw")).unwrap();
    disk.flush().unwrap();
    let before = std::fs::metadata(&path).unwrap().blocks();
    disk.discard(0, 2 << 20).unwrap();
    disk.flush().unwrap();
    assert!(std::fs::metadata(&path).unwrap().blocks() <= before - (1 << 20) / 512);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_qcow2_image_with_flipped_bytes_is_refused_or_read_but_never_a_panic(
        flips in prop::collection::vec((prop_oneof![0usize..600, 0usize..20_000], any::<u8>()), 1..6),
        cut in prop::option::of(0usize..20_000),
    ) {
        let dir = dir();
        let path = dir.path().join("disk.qcow2");
        let mut bytes = std::fs::read(sample()).unwrap();
        for (at, value) in flips {
            let at = at % bytes.len();
            bytes[at] ^= value;
        }
        bytes.truncate(cut.unwrap_or(usize::MAX));
        std::fs::write(&path, bytes).unwrap();
        if let Ok(mut disk) = open(&spec(&path, "format=qcow2")) {
            let mut buf = vec![0; 64 << 10];
            let _ = disk.read_at(0, &mut buf);
            let _ = disk.write_at(4096, &buf[..1024]);
            let _ = disk.discard(0, 8192);
            let _ = disk.flush();
        }
    }
}

/// A small image with some data, made once.
fn sample() -> &'static Path {
    static SAMPLE: std::sync::OnceLock<(TempDir, PathBuf)> = std::sync::OnceLock::new();
    let make = || {
        let dir = dir();
        let path = dir.path().join("sample.qcow2");
        qemu_img(&["create", "-q", "-f", "qcow2", "-o", "cluster_size=4k", text(&path), "1M"]);
        let mut disk = open(&spec(&path, "format=qcow2")).unwrap();
        disk.write_at(0, &[3; 10_000]).unwrap();
        disk.flush().unwrap();
        drop(disk);
        (dir, path)
    };
    &SAMPLE.get_or_init(make).1
}

#[test]
fn what_was_written_to_a_qcow2_image_stays_without_a_flush() {
    let dir = dir();
    let image = dir.path().join("a.qcow2");
    qemu_img(&["create", "-q", "-f", "qcow2", text(&image), "8M"]);
    let bytes: Vec<u8> = (0..1 << 20).map(|n: u32| (n / 512) as u8 | 1).collect();
    for (n, offset) in [0u64, 3 << 20].into_iter().enumerate() {
        let mut disk = open(&spec(&image, "format=qcow2")).unwrap();
        disk.write_at(offset, &bytes[n..1 << 19]).unwrap();
    }
    qemu_img(&["check", "-q", text(&image)]);
    let mut disk = open(&spec(&image, "format=qcow2")).unwrap();
    for (n, offset) in [0u64, 3 << 20].into_iter().enumerate() {
        let mut read = vec![0; (1 << 19) - n];
        disk.read_at(offset, &mut read).unwrap();
        assert!(read == bytes[n..1 << 19], "at {offset}");
    }
}
