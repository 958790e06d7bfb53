use std::time::Instant;

use image::{GrayImage, Luma, Rgb, Rgba, imageops};

use super::*;

/// A few glyphs, as rows of bits.
const GLYPHS: [[u8; 7]; 6] = [
    [0b01110, 0b10001, 0b10001, 0b11111, 0b10001, 0b10001, 0b10001],
    [0b11110, 0b10001, 0b11110, 0b10001, 0b10001, 0b10001, 0b11110],
    [0b01110, 0b10001, 0b10000, 0b10000, 0b10000, 0b10001, 0b01110],
    [0b11111, 0b10000, 0b11110, 0b10000, 0b10000, 0b10000, 0b11111],
    [0b10001, 0b11011, 0b10101, 0b10101, 0b10001, 0b10001, 0b10001],
    [0b11111, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100, 0b00100],
];

/// Draws letters of strokes two pixels wide.
fn write(picture: &mut RgbImage, (x, y): (u32, u32), letters: &[usize], ink: Rgb<u8>) {
    for (n, &letter) in letters.iter().enumerate() {
        for (row, bits) in GLYPHS[letter].iter().enumerate() {
            for column in (0..5).filter(|column| bits >> (4 - column) & 1 == 1) {
                for (right, down) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                    let x = x + n as u32 * 13 + column * 2 + right;
                    picture.put_pixel(x, y + row as u32 * 2 + down, ink);
                }
            }
        }
    }
}

const INK: Rgb<u8> = Rgb([20, 30, 60]);
const PAPER: Rgb<u8> = Rgb([240, 240, 235]);

/// A phone's screen with buttons in two columns, whose letters all differ.
fn screen() -> RgbImage {
    let mut screen = RgbImage::from_pixel(720, 1280, PAPER);
    for n in 0..24usize {
        let (x, y) = (60 + n as u32 % 2 * 330, 40 + n as u32 / 2 * 100);
        for (right, down) in (0..200).flat_map(|x| (0..80).map(move |y| (x, y))) {
            screen.put_pixel(x + right, y + down, Rgb([200, 215, 230]));
        }
        let letters = [n / 6 % 6, n % 6, 5 - n % 6, n / 2 % 6, 3, 1];
        write(&mut screen, (x + 50, y + 30), &letters, INK);
    }
    screen
}

fn cut(screen: &RgbImage, (x, y): (u32, u32), (width, height): (u32, u32)) -> RgbaImage {
    let part = imageops::crop_imm(screen, x, y, width, height).to_image();
    image::DynamicImage::from(part).into_rgba8()
}

fn best(picture: &RgbaImage, screen: &RgbImage) -> Option<Best> {
    Template::new(picture).unwrap().find(screen, || true).unwrap()
}

/// Numbers that look random.
fn noise() -> impl FnMut(i32) -> i32 {
    let mut state = 0x1234_5678_u32;
    move |most| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state % (2 * most as u32 + 1)) as i32 - most
    }
}

/// The picture as if all was drawn half a pixel further right and down.
fn shifted(screen: &RgbImage) -> RgbImage {
    RgbImage::from_fn(screen.width(), screen.height(), |x, y| {
        let at = |x: u32, y: u32| screen.get_pixel(x.min(screen.width() - 1), y.min(screen.height() - 1)).0;
        let four = [at(x, y), at(x + 1, y), at(x, y + 1), at(x + 1, y + 1)];
        Rgb([0, 1, 2].map(|n| (four.iter().map(|pixel| u32::from(pixel[n])).sum::<u32>() / 4) as u8))
    })
}

#[test]
fn a_picture_is_found_at_its_place() {
    let screen = screen();
    for (at, size) in [((390, 640), (200, 80)), ((437, 666), (90, 20)), ((0, 0), (720, 1280))] {
        let found = best(&cut(&screen, at, size), &screen).unwrap();
        assert_eq!(found, Best { x: at.0, y: at.1, score: 1.0 }, "{size:?}");
    }
}

#[test]
fn noise_and_soft_edges_are_tolerated() {
    let screen = screen();
    let picture = cut(&screen, (390, 640), (200, 80));
    let mut noise = noise();
    let mut noisy = screen.clone();
    noisy.iter_mut().for_each(|byte| *byte = (i32::from(*byte) + noise(10)).clamp(0, 255) as u8);
    let found = best(&picture, &noisy).unwrap();
    assert!((found.x, found.y) == (390, 640) && found.score > 0.95, "{found:?}");
    let found = best(&picture, &shifted(&screen)).unwrap();
    assert!(found.x.abs_diff(390) <= 1 && found.y.abs_diff(640) <= 1 && found.score >= LIKE, "{found:?}");
    // The other way round: the picture is soft, the screen is not.
    let found = best(&cut(&shifted(&screen), (390, 640), (200, 80)), &screen).unwrap();
    assert!(found.x.abs_diff(390) <= 1 && found.y.abs_diff(640) <= 1 && found.score >= LIKE, "{found:?}");
}

#[test]
fn what_is_not_there_is_not_found() {
    let mut screen = screen();
    let mut other = screen.clone();
    // One letter of six is another.
    let button = |picture: &mut RgbImage, letters| {
        imageops::replace(picture, &RgbImage::from_pixel(90, 20, Rgb([200, 215, 230])), 437, 666);
        write(picture, (440, 670), letters, INK);
    };
    button(&mut screen, &[0, 1, 2, 3, 4, 5]);
    button(&mut other, &[0, 1, 2, 3, 4, 0]);
    let found = best(&cut(&other, (390, 640), (200, 80)), &screen).unwrap();
    assert!(found.score < LIKE, "{found:?}");
    let plain = RgbaImage::from_pixel(40, 40, Rgba([200, 40, 40, 255]));
    assert!(best(&plain, &screen).unwrap().score < LIKE);
    // Letters are not found on plain paper, nor paper in letters.
    let empty = RgbImage::from_pixel(300, 300, PAPER);
    assert!(best(&cut(&screen, (437, 666), (90, 20)), &empty).unwrap().score < LIKE);
}

#[test]
fn pictures_of_any_size_are_looked_for() {
    let screen = screen();
    assert_eq!(best(&RgbaImage::from_pixel(721, 1, Rgba([255; 4])), &screen), None);
    assert_eq!(best(&RgbaImage::from_pixel(1, 1281, Rgba([255; 4])), &screen), None);
    let found = best(&RgbaImage::from_pixel(1, 1, Rgba([20, 30, 60, 255])), &screen).unwrap();
    assert!(screen.get_pixel(found.x, found.y) == &INK && found.score == 1.0, "{found:?}");
    let tiny = RgbImage::from_pixel(1, 1, INK);
    assert_eq!(best(&cut(&tiny, (0, 0), (1, 1)), &tiny), Some(Best { x: 0, y: 0, score: 1.0 }));
}

#[test]
fn transparent_pixels_do_not_count() {
    let screen = screen();
    let mut picture = cut(&screen, (390, 640), (200, 80));
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        if (x / 16 + y / 16) % 2 == 0 || x < 3 {
            *pixel = Rgba([255, 0, 255, 0]);
        }
    }
    let found = best(&picture, &screen).unwrap();
    assert_eq!((found.x, found.y, found.score), (390, 640, 1.0));
    let nothing = RgbaImage::from_pixel(20, 20, Rgba([1, 2, 3, 0]));
    assert!(matches!(Template::new(&nothing), Err(TemplateError::Transparent)));
    assert!(matches!(Template::new(&RgbaImage::new(0, 0)), Err(TemplateError::Transparent)));
}

#[test]
fn files_that_are_no_picture_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.png");
    let refused = |file: &Path| Template::read(file).unwrap_err().to_string();
    assert!(refused(&file).starts_with("No such file"));
    assert_eq!(refused(folder.path()), "is no plain file");
    assert_eq!(refused(Path::new("/dev/zero")), "is no plain file");
    let picture = cut(&screen(), (390, 640), (200, 80));
    picture.save(&file).unwrap();
    assert_eq!(Template::read(&file).unwrap().size(), (200, 80));
    let whole = std::fs::read(&file).unwrap();
    for len in [0, 7, 30, whole.len() / 2] {
        std::fs::write(&file, &whole[..len]).unwrap();
        assert!(refused(&file).starts_with("is no PNG that can be read ("), "{}", refused(&file));
    }
    std::fs::write(&file, "GIF89a").unwrap();
    assert!(refused(&file).starts_with("is no PNG"));
    for (width, height) in [(MOST_SIDE + 1, 1), (1, MOST_SIDE + 1)] {
        GrayImage::from_pixel(width, height, Luma([1])).save(&file).unwrap();
        assert!(refused(&file).starts_with("is too large"), "{}", refused(&file));
    }
    RgbaImage::new(MOST_SIDE, MOST_SIDE / 4 + 1).save(&file).unwrap();
    assert!(refused(&file).starts_with("is too large"), "{}", refused(&file));
    File::create(&file).unwrap().set_len(MOST_BYTES + 1).unwrap();
    assert_eq!(refused(&file), "has more than 8 MiB");
}

#[test]
fn a_search_can_be_stopped() {
    let picture = Template::new(&RgbaImage::from_pixel(9, 9, Rgba([1, 2, 3, 255]))).unwrap();
    assert_eq!(picture.find(&screen(), || false), Err(Stopped));
}

/// How long it takes: `cargo test --release -p handset look::image -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn times() {
    let screen = screen();
    let time = |what: &str, picture: &RgbaImage, screen: &RgbImage| {
        let begun = Instant::now();
        let found = best(picture, screen);
        println!("{what}: {:.1} ms, {found:?}", begun.elapsed().as_secs_f64() * 1e3);
    };
    let button = cut(&screen, (390, 1140), (200, 80));
    time("there", &button, &screen);
    time("shifted", &button, &shifted(&screen));
    let mut absent = button.clone();
    imageops::replace(&mut absent, &cut(&screen, (110, 70), (40, 20)), 130, 30);
    time("absent", &absent, &screen);
    time("plain, nearly", &RgbaImage::from_pixel(200, 80, Rgba([203, 218, 233, 255])), &screen);
    let mut noise = noise();
    let mut random = RgbImage::new(720, 1280);
    random.iter_mut().for_each(|byte| *byte = (128 + noise(127)) as u8);
    time("noise", &cut(&random, (300, 900), (200, 80)), &random);
    time("letters in noise", &button, &random);
    let mut speckled = absent.clone();
    speckled.pixels_mut().step_by(5).for_each(|pixel| pixel.0[3] = 0);
    time("speckled", &speckled, &screen);
    time("half", &cut(&shifted(&screen), (100, 300), (360, 640)), &screen);
}
