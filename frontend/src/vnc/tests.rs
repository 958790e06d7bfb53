use std::fs;

use super::*;

#[test]
fn the_first_line_of_a_file_is_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    for (text, is_one) in [
        ("secret", true),
        ("12345678\r\nmore", true),
        ("12345678", true),
        ("123456789", false),
        ("", false),
        ("\na", false),
    ] {
        fs::write(&file, text).unwrap();
        assert_eq!(read(&file).is_ok(), is_one, "{text:?}");
    }
    let missing = read(&folder.path().join("none")).unwrap_err().to_string();
    assert!(missing.starts_with("--vnc-password-file ") && missing.contains("none: "), "{missing}");
}

#[test]
fn there_are_places_for_so_many_and_they_are_given_back() {
    let seats = Seats::default();
    assert!((0..CLIENTS).all(|number| seats.take() == Some(number)));
    assert_eq!(seats.take(), None);
    seats.give_back(3);
    assert_eq!((seats.take(), seats.take()), (Some(3), None));
}

#[test]
fn who_waits_hears_each_ring() {
    let bell = Bell::default();
    bell.ring();
    bell.ring();
    assert_eq!(bell.wait(0), 2);
    thread::scope(|scope| {
        let heard = scope.spawn(|| bell.wait(2));
        bell.ring();
        assert_eq!(heard.join().unwrap(), 3);
    });
}
