use std::borrow::Cow;
use std::os::unix::fs::FileExt;

use super::super::moving::Spot;
use super::super::site::{Loc, NOBODY, Pc, Site, Task};
use super::*;
use crate::ir::{Exception, Mem};

const MAKER: u64 = 7;

fn facts(context: u32) -> Facts {
    Facts { context, spot: Spot { base: 1, first_site: 2, va: 3 }, range: (4, 8), instructions: 5 }
}

fn words(list: &[(u16, u32)]) -> Words {
    let mut words = Words::default();
    list.iter().for_each(|&(offset, word)| words.add(offset, word));
    words
}

/// Adds a record whose code is these bytes.
fn add(store: &Store, key: u32, code: &[u8]) {
    let record = Record { facts: facts(1), words: &[], fields: &[], code, sites: Cow::Borrowed(&[]) };
    store.add(Key(key), &record);
}

/// The code of every record of a key that can be read.
fn codes(store: &Store, key: u32) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut codes = Vec::new();
    for n in 0.. {
        if !store.read(Key(key), n, &mut bytes) {
            break;
        }
        codes.extend(Record::read(&bytes).map(|record| record.code.to_vec()));
    }
    codes
}

fn open(file: &File) -> Store {
    Store::open(file.try_clone().unwrap(), MAKER).unwrap()
}

fn empty() -> File {
    tempfile::tempfile().unwrap()
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let site = Site {
        task: Task::Load { mem: Mem::plain(8), count: 2 },
        pc: Pc::new(0xffff_8000_1234_5678, false),
        args: [Loc::Reg(3), Loc::Xmm(4), Loc::None, Loc::None, Loc::None, Loc::None],
        results: [Loc::Reg(1), Loc::None],
        owed: None,
        dirty: 0x1ff,
        tenants: [NOBODY; 9],
    };
    let sites = [site, Site { task: Task::Raise(Exception::UNDEFINED), ..site }];
    let words = words(&[(0xffc, 0xdead_beef), (0, 0)]);
    let record = Record {
        facts: facts(9),
        words: words.bytes(),
        fields: &[1, 2],
        code: &[3; 300],
        sites: Cow::Borrowed(&sites),
    };
    let mut bytes = Vec::new();
    record.write(&mut bytes);
    let again = Record::read(&bytes).unwrap();
    assert_eq!(format!("{again:?}"), format!("{record:?}"));
    for len in 0..bytes.len() {
        assert!(Record::read(&bytes[..len]).is_none(), "{len} of {} bytes", bytes.len());
    }
}

#[test]
fn a_record_is_of_exactly_the_words_that_were_read() {
    let words = words(&[(0x10, 1), (0x14, 2), (0xffc, 3)]);
    let record = Record { facts: facts(9), words: words.bytes(), fields: &[], code: &[], sites: Cow::Borrowed(&[]) };
    let there = |wrong: u16| move |offset: u16| if offset == wrong { 0 } else { u32::from(offset / 4 - 3).min(3) };
    assert!(record.is_of(9, there(0x18)));
    assert!(!record.is_of(8, there(0x18)), "for another context");
    for offset in [0x10, 0x14, 0xffc] {
        assert!(!record.is_of(9, there(offset)), "another word at {offset:#x}");
    }
}

#[test]
fn what_was_added_is_there_when_the_file_is_opened_again() {
    let file = empty();
    let store = open(&file);
    for key in 0..1000u32 {
        add(&store, key, &vec![key as u8; key as usize]);
    }
    drop(store);
    let store = open(&file);
    for key in 0..1000u32 {
        assert_eq!(codes(&store, key), [vec![key as u8; key as usize]], "{key}");
    }
    assert_eq!(codes(&store, 1000), [[0; 0]; 0]);
}

#[test]
fn records_that_are_alike_are_all_there_up_to_a_number() {
    let file = empty();
    let store = open(&file);
    (0..MOST_ALIKE as u8 + 3).for_each(|n| add(&store, 5, &[n]));
    drop(store);
    assert_eq!(codes(&open(&file), 5), (0..MOST_ALIKE as u8).map(|n| vec![n]).collect::<Vec<_>>());
}

#[test]
fn two_that_have_it_open_at_once_add_what_both_have() {
    let file = empty();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    drop(file);
    let handle = || File::options().read(true).write(true).create(true).truncate(false).open(&path).unwrap();
    let (one, other) = (Store::open(handle(), MAKER).unwrap(), Store::open(handle(), MAKER).unwrap());
    // More than one segment each.
    let body = vec![1; BATCH / 3];
    for n in 0..10 {
        add(&one, n, &body);
        add(&other, 100 + n, &body);
    }
    drop((one, other));
    let both = Store::open(handle(), MAKER).unwrap();
    for key in (0..10).chain(100..110) {
        assert_eq!(codes(&both, key), [&body[..]], "{key}");
    }
}

#[test]
fn damage_costs_what_it_hits_and_nothing_else() {
    let file = empty();
    let store = open(&file);
    (0..40).for_each(|key| add(&store, key, &[key as u8; 50]));
    drop(store);
    let mut whole = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut whole, 0).unwrap();
    // A segment behind it is found in any case but one: that the length of this one is not known.
    let store = open(&file);
    add(&store, 99, &[99; 50]);
    drop(store);
    let one = whole.len();
    whole.resize(file.metadata().unwrap().len() as usize, 0);
    file.read_exact_at(&mut whole, 0).unwrap();
    for at in 0..one {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        let file = empty();
        file.write_all_at(&damaged, 0).unwrap();
        let store = open(&file);
        let mut found = 0;
        for key in 0..40 {
            for code in codes(&store, key) {
                assert_eq!(code, [key as u8; 50], "byte {at} of {one}");
                found += 1;
            }
        }
        // In the file's header, the segment's header or its index all is lost.
        assert!(found >= if at < 16 + 16 + 40 * 8 { 0 } else { 39 }, "byte {at}: {found} left");
        assert_eq!(codes(&store, 99).len(), usize::from(at >= 16 + 12), "byte {at}");
    }
}

#[test]
fn what_is_cut_off_is_not_there_and_is_written_over() {
    let file = empty();
    let store = open(&file);
    add(&store, 1, &[1; 500]);
    drop(store);
    let end = file.metadata().unwrap().len();
    let store = open(&file);
    add(&store, 2, &[2; 500]);
    drop(store);
    for len in end + 1..file.metadata().unwrap().len() {
        let cut = empty();
        let mut bytes = vec![0; len as usize];
        file.read_exact_at(&mut bytes, 0).unwrap();
        cut.write_all_at(&bytes, 0).unwrap();
        let store = open(&cut);
        assert_eq!((codes(&store, 1).len(), codes(&store, 2).len()), (1, 0), "cut at {len}");
        add(&store, 3, &[3; 700]);
        drop(store);
        assert_eq!(codes(&open(&cut), 3), [[3; 700]], "cut at {len}");
    }
}

#[test]
fn a_file_of_another_maker_is_begun_anew() {
    let file = empty();
    let store = open(&file);
    add(&store, 1, &[1]);
    drop(store);
    drop(Store::open(file.try_clone().unwrap(), MAKER + 1).unwrap());
    assert_eq!(file.metadata().unwrap().len(), 16);
    let junk = empty();
    junk.write_all_at(&[0x5a; 3000], 0).unwrap();
    let store = open(&junk);
    add(&store, 1, &[1]);
    drop(store);
    assert_eq!(codes(&open(&junk), 1), [[1]]);
}

#[test]
fn a_file_that_vanished_or_cannot_be_written_costs_no_more_than_its_contents() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    let handle = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    let store = Store::open(handle, MAKER).unwrap();
    std::fs::remove_file(&path).unwrap();
    add(&store, 1, &[1]);
    drop(store);
    // Of a file that was emptied by somebody else, nothing is read, and nothing is added to it.
    let file = empty();
    let store = open(&file);
    add(&store, 1, &[1; BATCH]);
    while codes(&store, 1).is_empty() {
        std::thread::yield_now();
    }
    file.set_len(0).unwrap();
    store.lock().blocks = Blocks::new(file.try_clone().unwrap());
    assert_eq!(codes(&store, 1), [[0; 0]; 0]);
    add(&store, 2, &[2]);
    drop(store);
    assert_eq!(file.metadata().unwrap().len(), 0);
}
