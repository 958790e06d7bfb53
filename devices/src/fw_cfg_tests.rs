use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::bus::conformance;

const RAM: u64 = 0x4000_0000;

fn device() -> FwCfg {
    FwCfg::new(GuestRam::new(Pa(RAM), 1 << 20).unwrap())
}

fn select(cfg: &mut FwCfg, key: u16) {
    cfg.write(Access::new(SELECTOR, Size::B2), key.swap_bytes().into());
}

fn bytes(cfg: &mut FwCfg, len: usize) -> Vec<u8> {
    (0..len).map(|_| cfg.read(Access::new(DATA, Size::B1)) as u8).collect()
}

/// Runs a DMA operation with its descriptor at the start of RAM; returns what its control word became.
fn dma(cfg: &mut FwCfg, control: u32, len: u32, address: u64) -> u32 {
    let descriptor = [&control.to_be_bytes()[..], &len.to_be_bytes(), &address.to_be_bytes()].concat();
    cfg.ram.write(Pa(RAM), &descriptor).unwrap();
    cfg.write(Access::new(DMA_HIGH, Size::B4), 0);
    cfg.write(Access::new(DMA_LOW, Size::B4), (RAM as u32).swap_bytes().into());
    let mut result = [0; 4];
    cfg.ram.read(Pa(RAM), &mut result).unwrap();
    u32::from_be_bytes(result)
}

fn ram<const N: usize>(cfg: &FwCfg, address: u64) -> [u8; N] {
    let mut found = [0; N];
    cfg.ram.read(Pa(address), &mut found).unwrap();
    found
}

#[test]
fn it_conforms() {
    conformance::check(0x18, || {
        let mut cfg = device();
        cfg.add_file("etc/a", vec![1, 2, 3]).unwrap();
        cfg.add_writable_file("etc/b", vec![0; 28], Waker::none()).unwrap();
        cfg
    });
}

#[test]
fn firmware_recognises_the_device() {
    let mut cfg = device();
    assert_eq!(bytes(&mut cfg, 6), *b"QEMU\0\0");
    select(&mut cfg, key::ID);
    assert_eq!(cfg.read(Access::new(DATA, Size::B4)), 3);
    assert_eq!(cfg.read(Access::new(DMA_HIGH, Size::B8)).to_be(), 0x5145_4d55_2043_4647);
    assert_eq!(cfg.read(Access::new(DMA_LOW, Size::B4)), u64::from(u32::from_le_bytes(*b" CFG")));
}

#[test]
fn wide_reads_of_the_data_register_keep_the_order_of_bytes() {
    let mut cfg = device();
    cfg.set_item(key::UUID, (1..=10).collect());
    select(&mut cfg, key::UUID);
    assert_eq!(cfg.read(Access::new(DATA, Size::B8)).to_le_bytes(), [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(cfg.read(Access::new(DATA, Size::B4)) as u32, 0x0000_0a09);
}

#[test]
fn the_directory_lists_files_in_big_endian() {
    let mut cfg = device();
    cfg.add_file("opt/one", vec![7; 0x102]).unwrap();
    cfg.add_file("opt/two", vec![8; 3]).unwrap();
    cfg.add_file("opt/one", vec![9; 0x103]).unwrap();
    select(&mut cfg, key::FILE_DIR);
    assert_eq!(bytes(&mut cfg, 4), [0, 0, 0, 2]);
    let entry = bytes(&mut cfg, 64);
    assert_eq!(entry[..8], [0, 0, 1, 3, 0, 0x20, 0, 0]);
    assert_eq!(&entry[8..17], b"opt/one\0\0");
    assert_eq!(bytes(&mut cfg, 8), [0, 0, 0, 3, 0, 0x21, 0, 0]);
    select(&mut cfg, 0x21);
    assert_eq!(bytes(&mut cfg, 4), [8, 8, 8, 0]);
    assert_eq!(cfg.add_file(&"x".repeat(56), vec![]), Err(FileError::Name("x".repeat(56))));
}

#[test]
fn a_kernel_comes_with_its_sizes() {
    let mut cfg = device();
    cfg.set_kernel(vec![1; 300], vec![2; 5], "quiet").unwrap();
    select(&mut cfg, key::KERNEL_SIZE);
    assert_eq!(bytes(&mut cfg, 4), [44, 1, 0, 0]);
    select(&mut cfg, key::CMDLINE_SIZE);
    assert_eq!(bytes(&mut cfg, 4), [6, 0, 0, 0]);
    select(&mut cfg, key::CMDLINE_DATA);
    assert_eq!(bytes(&mut cfg, 6), *b"quiet\0");
}

#[test]
fn dma_selects_skips_and_reads_with_zeros_behind_the_end() {
    let mut cfg = device();
    cfg.add_file("f", (1..=9).collect()).unwrap();
    cfg.ram.write(Pa(RAM + 0x100), &[0xee; 16]).unwrap();
    assert_eq!(dma(&mut cfg, 0x20 << 16 | DMA_SELECT | DMA_SKIP, 4, 0), 0);
    assert_eq!(dma(&mut cfg, DMA_READ, 8, RAM + 0x100), 0);
    assert_eq!(ram(&cfg, RAM + 0x100), [5, 6, 7, 8, 9, 0, 0, 0, 0xee]);
    assert_eq!(dma(&mut cfg, 0x20 << 16 | DMA_SELECT | DMA_READ, 6000, RAM + 0x100), 0);
    assert_eq!(ram(&cfg, RAM + 0x100 + 5996), [0; 4]);
}

#[test]
fn dma_outside_ram_is_an_error_and_changes_nothing() {
    let mut cfg = device();
    for (len, address) in [(8, 0), (8, RAM + 0xf_fffc), (u32::MAX, RAM), (1, u64::MAX)] {
        assert_eq!(dma(&mut cfg, DMA_READ, len, address), DMA_ERROR);
    }
    assert_eq!(bytes(&mut cfg, 4), *b"QEMU");
    cfg.write(Access::new(DMA_HIGH, Size::B8), u64::MAX);
}

#[test]
fn one_64_bit_write_starts_dma_too() {
    let mut cfg = device();
    let address = (RAM + 0x200).to_be_bytes();
    cfg.ram.write(Pa(RAM), &[&DMA_READ.to_be_bytes()[..], &[0, 0, 0, 4], &address].concat()).unwrap();
    cfg.write(Access::new(DMA_HIGH, Size::B8), RAM.swap_bytes());
    assert_eq!(ram(&cfg, RAM + 0x200), *b"QEMU");
}

#[test]
fn only_writable_files_are_written_and_the_host_hears_of_it() {
    let mut cfg = device();
    let count = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&count);
    let written = Waker::new(move || _ = counter.fetch_add(1, Ordering::SeqCst));
    cfg.add_file("ro", vec![1; 4]).unwrap();
    cfg.add_writable_file("etc/ramfb", vec![0; 4], written).unwrap();
    cfg.ram.write(Pa(RAM + 0x100), &[1, 2, 3, 4, 5]).unwrap();
    let to = |key: u32| key << 16 | DMA_SELECT | DMA_WRITE;
    assert_eq!(dma(&mut cfg, to(0x20), 4, RAM + 0x100), DMA_ERROR);
    assert_eq!(dma(&mut cfg, to(0x21), 5, RAM + 0x100), DMA_ERROR, "longer than the file");
    assert_eq!(count.load(Ordering::SeqCst), 0);
    assert_eq!(dma(&mut cfg, to(0x21), 4, RAM + 0x100), 0);
    assert_eq!((count.load(Ordering::SeqCst), cfg.file("etc/ramfb")), (1, Some(&[1, 2, 3, 4][..])));

    let saved = cfg.save();
    cfg.reset();
    assert_eq!(cfg.file("etc/ramfb"), Some(&[0; 4][..]));
    cfg.restore(saved.clone()).unwrap();
    assert_eq!(cfg.file("etc/ramfb"), Some(&[1, 2, 3, 4][..]));
    let hostile = SavedFwCfg { written: vec![(0x20, vec![0; 4])], ..saved };
    assert_eq!(cfg.restore(hostile).unwrap_err().field, "written");
}
