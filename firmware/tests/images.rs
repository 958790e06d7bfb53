//! Every program's image against the arm64 boot protocol (Linux `Documentation/arch/arm64/booting.rst`).

use firmware::image::{HEADER_LEN, IMAGE_SIZE, RAM, TEXT_OFFSET};

fn u64_at(image: &[u8], offset: usize) -> u64 {
    u64::from_le_bytes(image[offset..offset + 8].try_into().unwrap())
}

#[test]
fn every_name_has_a_program_and_no_other_name_has() {
    let names: Vec<_> = firmware::names().collect();
    assert_eq!(firmware::programs().iter().map(|program| program.name).collect::<Vec<_>>(), names);
    for wanted in [
        "hello",
        "exceptions",
        "debug",
        "mmu",
        "granules",
        "timer",
        "gic",
        "psci",
        "reset",
        "atomics",
        "smc",
        "fp",
        "demo",
    ] {
        assert!(names.contains(&wanted), "{wanted} is missing");
    }
    assert_eq!(firmware::program("no such program"), None);
}

#[test]
fn every_image_has_a_valid_header() {
    for program in firmware::programs() {
        let (name, image) = (program.name, &program.image);
        assert_eq!(&image[56..60], b"ARM\x64", "{name}: magic");
        assert_eq!(u64_at(image, 8), TEXT_OFFSET, "{name}: text_offset");
        assert_eq!(u64_at(image, 16), IMAGE_SIZE, "{name}: image_size");
        assert_eq!(u64_at(image, 24) & 0b111, 0b010, "{name}: little-endian, 4K pages");
        assert_eq!(&image[32..56], &[0; 24], "{name}: reserved words");
        assert_eq!(TEXT_OFFSET % 0x20_0000, 0, "the programs align their code to their base");
        // code0 is a branch behind the header, and what stands there is not an undefined instruction.
        let code0 = u32::from_le_bytes(image[..4].try_into().unwrap());
        assert_eq!(code0, 0x1400_0000 | (HEADER_LEN as u32 / 4), "{name}: code0");
        assert_ne!(&image[HEADER_LEN..HEADER_LEN + 4], &[0; 4], "{name}: first instruction");
    }
}

#[test]
fn every_image_fits_below_the_memory_that_its_program_uses() {
    // The CPUs' areas start at 16 MiB of RAM; ADR reaches 1 MiB.
    for program in firmware::programs() {
        let len = program.image.len() as u64;
        assert!(len <= 0x10_0000, "{} has {len} bytes", program.name);
        assert!(RAM + TEXT_OFFSET + len <= 0x4100_0000);
        assert_eq!(len % 16, 0);
    }
}

#[test]
fn every_micro_benchmark_fits_too_and_says_where_it_begins_and_ends() {
    for micro in firmware::micros() {
        let image = micro.image();
        assert!(image.len() <= 0x10_0000, "{} has {} bytes", micro.name, image.len());
        for mark in [b"<begin>\n\0".as_slice(), b"<end>\n\0"] {
            assert!(image.windows(mark.len()).any(|window| window == mark), "{} lacks a mark", micro.name);
        }
        assert!(micro.operations > 0 && micro.cpus > 0, "{}", micro.name);
    }
}

#[test]
fn assembling_twice_gives_the_same_images() {
    assert_eq!(firmware::programs(), firmware::programs());
}
