//! Every command.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde_json::{Value, json};

use super::eyes;
use super::input::{self, PRESS};
use super::registry::{self, Answer, Arg, Args, Command, Failure, Kind};
use super::server::EVENTS;
use super::{Name, Phone, client, transfer};
use crate::cli::Run;
use crate::disk::Format;
use crate::record;
use crate::screenshot::{self, Picture};
use crate::snapshot::{self, Snapshot};

const PIXELS: Kind = Kind::Int(0, 16384);
const MILLISECONDS: Kind = Kind::Int(0, 60_000);
const X: Arg = Arg::new("x", PIXELS, "pixels from the left");
const Y: Arg = Arg::new("y", PIXELS, "pixels from the top");
const HOLD: Arg = Arg::new("hold", MILLISECONDS, "milliseconds until it is released (60)").optional();
/// What QMP gives for several screens, of which a phone has one.
const DEVICE: Arg = Arg::new("device", Kind::Text, "looked at by QEMU only").optional();
const HEAD: Arg = Arg::new("head", Kind::Int(0, 0), "the screen's number").optional();

/// One row.
const fn row(
    name: &'static str,
    word: &'static str,
    about: &'static str,
    args: &'static [Arg],
    run: fn(&Phone, &Args<'_>) -> Answer,
) -> Command {
    let word = if word.is_empty() { None } else { Some(word) };
    Command { name, word, about, args, run }
}

/// All of them.
pub static ALL: &[Command] = &[
    row("x-status", "status", "Say how the phone is", &[], |phone, _| {
        let (width, height) = phone.screen.look(0, 0, |view| view.size).unwrap_or(phone.size);
        let name = phone.name.as_ref().map(ToString::to_string);
        Ok(
            json!({"name": name, "status": state(phone), "screen": format!("{width}x{height}"), "pid": std::process::id()}),
        )
    }),
    row("x-tap", "tap", "Touch the screen with one finger", &[X, Y, HOLD], |phone, args| {
        phone.hand.tap((args.int("x"), args.int("y")), args.try_int("hold").unwrap_or(PRESS));
        Ok(json!({}))
    }),
    row("x-swipe", "swipe", "Move a finger over the screen", SWIPE, |phone, args| {
        let at = |x, y| (args.int(x), args.int(y));
        phone.hand.drag([(at("x1", "y1"), at("x2", "y2"))], args.int("time"));
        Ok(json!({}))
    }),
    row("x-pinch", "pinch", "Move two fingers, one left and one right of a point", PINCH, |phone, args| {
        let (x, y) = (args.int("x"), args.int("y"));
        let (from, to) = (args.int("from"), args.int("to"));
        let finger = |side: i64| ((x + side * from, y), (x + side * to, y));
        phone.hand.drag([finger(-1), finger(1)], args.try_int("time").unwrap_or(300));
        Ok(json!({}))
    }),
    row("x-key", "key", "Press a key, or several together such as ctrl-alt-f2", &[KEYS, HOLD], |phone, args| {
        let codes: Vec<u16> = args.text("keys").split('-').map(input::named).collect::<Result<_, _>>()?;
        phone.hand.keys(&codes, args.try_int("hold").unwrap_or(PRESS));
        Ok(json!({}))
    }),
    row("x-text", "text", "Type text on a US keyboard", &[TEXT], |phone, args| {
        phone.hand.text(args.text("text"))?;
        Ok(json!({}))
    }),
    row("x-button", "button", "Press a button of the phone", &[BUTTON, HOLD], |phone, args| {
        phone.machine.power_key(true);
        thread::sleep(Duration::from_millis(args.try_int("hold").unwrap_or(PRESS).unsigned_abs()));
        phone.machine.power_key(false);
        Ok(json!({}))
    }),
    row("screendump", "screenshot", "Write what the screen shows to a file", SCREENDUMP, |phone, args| {
        let file = args.path("filename")?;
        let by_name = if file.extension().is_some_and(|end| end == "ppm") { "ppm" } else { "png" };
        let format = if args.try_text("format").unwrap_or(by_name) == "ppm" { Picture::Ppm } else { Picture::Png };
        screenshot::write(&phone.screen, phone.size, file, format)?;
        Ok(json!({}))
    }),
    row("x-record", "record", "Record the screen to a GIF file", RECORD, |phone, args| {
        let time = Duration::from_secs(args.try_int(SECONDS).unwrap_or(RECORDED).unsigned_abs());
        let goes_on = || !phone.ended.load(Ordering::SeqCst) && !args.gone();
        let recorded = record::gif(&phone.screen, phone.size, args.path("filename")?, time, goes_on);
        Ok(json!({"frames": recorded?}))
    }),
    row("x-find-text", "find-text", "Say where a text is on the screen", FIND_TEXT, |phone, args| {
        Ok(eyes::text(phone, args, 0)?.answer())
    }),
    row("x-wait-for-text", "wait-for-text", "Wait until a text is on the screen", WAIT_FOR_TEXT, |phone, args| {
        Ok(eyes::text(phone, args, timeout(args))?.answer())
    }),
    row("x-tap-text", "tap-text", "Wait for a text, and touch it", TAP_TEXT, |phone, args| {
        let found = eyes::text(phone, args, timeout(args))?;
        phone.hand.tap(found.middle(), args.try_int("hold").unwrap_or(PRESS));
        Ok(found.answer())
    }),
    row("x-find-image", "find-image", "Say where a picture is on the screen", &[IMAGE], |phone, args| {
        Ok(eyes::image(phone, args, 0)?.answer())
    }),
    row("x-wait-for-image", "wait-for-image", "Wait until a picture is there", &[IMAGE, WAIT], |phone, args| {
        Ok(eyes::image(phone, args, timeout(args))?.answer())
    }),
    row("x-read-text", "read-text", "Print what is written on the screen", &[LANGUAGE], |phone, args| {
        Ok(eyes::page(&eyes::everything(phone, args)?))
    }),
    row("x-serial", "serial", "Print what the phone says on its serial port, or type there", SERIAL, |phone, args| {
        if let Some(text) = args.try_text("send") {
            phone.machine.serial.send(text.as_bytes());
        }
        let from = args.try_int("from").map(i64::unsigned_abs);
        let (start, bytes) = phone.log.read(from.unwrap_or(0));
        let next = start + bytes.len() as u64;
        let text =
            if from.is_none() && args.try_text("send").is_some() { "".into() } else { String::from_utf8_lossy(&bytes) };
        Ok(json!({"text": text, "next": next}))
    }),
    row("x-push", "push", "Copy a file to the guest, by a shell on its serial port", PUSH, |phone, args| {
        let pushed = transfer::push(phone, args, args.path("filename")?, args.text(GUEST_FILE));
        Ok(json!({"bytes": pushed?}))
    }),
    row("x-pull", "pull", "Copy a file from the guest, by a shell on its serial port", PULL, |phone, args| {
        let pulled = transfer::pull(phone, args, args.text(GUEST_FILE), args.path("filename")?);
        Ok(json!({"bytes": pulled?}))
    }),
    row("stop", "pause", "Have the phone stand still", &[], |phone, _| {
        let _turn = phone.turn.lock().expect("no command panics");
        if !phone.machine.paused() && phone.machine.pause() {
            phone.events.send("STOP", json!({}));
        }
        Ok(json!({}))
    }),
    row("cont", "resume", "Have it go on", &[], |phone, _| {
        let _turn = phone.turn.lock().expect("no command panics");
        if phone.machine.paused() {
            phone.machine.resume();
            phone.events.send("RESUME", json!({}));
        }
        Ok(json!({}))
    }),
    row(
        "x-save",
        "save",
        "Save the phone as a snapshot, from which `run --from NAME` goes on",
        &[NAME],
        |phone, args| {
            let name = name(args)?;
            let _turn = phone.turn.lock().expect("no command panics");
            let saved = snapshot::save(&name, phone.origin.clone(), &phone.machine, &phone.disks, || phone.rest());
            let stood = saved?;
            Ok(json!({"name": name.to_string(), "stood": format!("{} ms", stood.as_millis())}))
        },
    ),
    row(
        "x-load",
        "load",
        "Have the phone go on from a snapshot that it, or one made alike, was saved as",
        &[SNAPSHOT],
        |phone, args| {
            let name = name(args)?;
            let _turn = phone.turn.lock().expect("no command panics");
            let took = load(phone, &name)?;
            Ok(json!({"name": name.to_string(), "took": format!("{} ms", took.as_millis())}))
        },
    ),
    row("system_reset", "reset", "Reset it, as if its battery was taken out and put back", &[], |phone, _| {
        phone.asked_reset.store(true, Ordering::SeqCst);
        phone.machine.reset();
        Ok(json!({}))
    }),
    row("system_powerdown", "powerdown", "Ask the guest to power off, by the power key", &[], |phone, _| {
        phone.power.press();
        phone.events.send("POWERDOWN", json!({}));
        Ok(json!({}))
    }),
    row("quit", "quit", "End it at once", &[], |phone, _| {
        phone.asked_end.store(true, Ordering::SeqCst);
        phone.power.quit(0);
        Ok(json!({}))
    }),
    row("query-status", "", "Say whether the phone runs", &[], |phone, _| {
        Ok(json!({"status": state(phone), "running": !phone.machine.paused()}))
    }),
    row("query-name", "", "Say how the phone is called", &[], |phone, _| {
        Ok(phone.name.as_ref().map_or(json!({}), |name| json!({"name": name.to_string()})))
    }),
    row("query-version", "", "Say which program this is", &[], |_, _| Ok(version())),
    row("query-block", "", "Say what disks the phone has", &[], |phone, _| {
        let disks = phone.disks.iter().enumerate().map(|(n, (disk, _))| {
            let driver = match disk.format {
                Format::Raw => "raw",
                Format::Qcow2 => "qcow2",
            };
            let file = disk.file.display().to_string();
            let image = json!({"filename": file, "format": driver});
            let inserted = json!({"file": file, "drv": driver, "ro": disk.read_only, "image": image});
            json!({"device": device(n), "type": "unknown", "removable": false, "locked": false, "inserted": inserted})
        });
        Ok(disks.collect())
    }),
    row(
        "blockdev-change-medium",
        "",
        "Change the medium of a drive; a phone's disks have none",
        MEDIUM,
        |phone, args| {
            let Some(asked) = args.try_text("id").or(args.try_text("device")) else {
                return Err(Failure::new("Parameter 'id' is missing"));
            };
            if (0..phone.disks.len()).any(|n| device(n) == asked) {
                return Err(Failure::new(format!("Device '{asked}' is not removable")));
            }
            Err(Failure { class: "DeviceNotFound", line: format!("Device '{asked}' not found") })
        },
    ),
    row("input-send-event", "", "Move fingers and keys, event by event", &[EVENT_LIST, DEVICE, HEAD], |phone, args| {
        phone.hand.events(args.list("events"))?;
        Ok(json!({}))
    }),
    row("send-key", "", "Press keys together", &[KEY_LIST, HOLD_TIME], |phone, args| {
        let codes: Vec<u16> = args.list("keys").iter().map(input::key).collect::<Result<_, _>>()?;
        phone.hand.keys(&codes, args.try_int("hold-time").unwrap_or(100));
        Ok(json!({}))
    }),
    row("human-monitor-command", "", "Do what a line says; the answer is text", MONITOR, |phone, args| {
        Ok(client::monitor(phone, args.text("command-line"), args.asker()).into())
    }),
    row("qmp_capabilities", "", "Begin; no capability can be chosen", &[CAPABILITIES], |_, _| Ok(json!({}))),
    row("query-commands", "", "List the commands", &[], |_, _| {
        Ok(ALL.iter().map(|command| json!({"name": command.name})).collect())
    }),
    row("query-qmp-schema", "", "Describe the commands", &[], |_, _| Ok(registry::schema(ALL, EVENTS))),
];

const SWIPE: &[Arg] = &[
    Arg::new("x1", PIXELS, "where it comes down: pixels from the left"),
    Arg::new("y1", PIXELS, "and from the top"),
    Arg::new("x2", PIXELS, "where it is lifted: pixels from the left"),
    Arg::new("y2", PIXELS, "and from the top"),
    Arg::new("time", MILLISECONDS, "milliseconds that it takes"),
];
const PINCH: &[Arg] = &[
    X,
    Y,
    Arg::new("from", PIXELS, "each finger's distance at first, in pixels"),
    Arg::new("to", PIXELS, "and at the end"),
    Arg::new("time", MILLISECONDS, "milliseconds that it takes (300)").optional(),
];
const NAME: Arg = Arg::new("name", Kind::Text, "what it is to be called; another of that name is replaced");
const SNAPSHOT: Arg = Arg::new("name", Kind::Text, "what it is called");
const KEYS: Arg = Arg::new("keys", Kind::Text, "names as in QMP: a, ret, spc, f1, ctrl-c");
const TEXT: Arg = Arg::new("text", Kind::Text, "what to type");
const BUTTON: Arg = Arg::new("button", Kind::OneOf(&["power"]), "power");
const SCREENDUMP: &[Arg] = &[
    Arg::new("filename", Kind::File, "the file"),
    Arg::new("format", Kind::OneOf(&["png", "ppm"]), "png or ppm (by the file's name; else png)").optional(),
    DEVICE,
    HEAD,
];
const RECORD: &[Arg] = &[
    Arg::new("filename", Kind::File, "the file: F.gif"),
    Arg::new(SECONDS, Kind::Int(1, 3600), "how long (10); it ends sooner when who asked hangs up").optional(),
];
/// The argument that says how long a recording is, and what it is without.
pub const SECONDS: &str = "seconds";
const RECORDED: i64 = 10;
const SERIAL: &[Arg] = &[
    Arg::new("send", Kind::Text, "type this instead of printing").optional(),
    Arg::new("from", Kind::Int(0, i64::MAX), "print from this byte on, counted since the start").optional(),
];
/// The argument that says where in the guest a file is, which takes its time to get there.
pub const GUEST_FILE: &str = "guest";
const GUEST: Arg = Arg::new(GUEST_FILE, Kind::Text, "the file's path in the guest");
const PUSH: &[Arg] = &[Arg::new("filename", Kind::File, "the file"), GUEST];
const PULL: &[Arg] = &[GUEST, Arg::new("filename", Kind::File, "the file to write")];
const MEDIUM: &[Arg] = &[
    Arg::new("id", Kind::Text, "the drive").optional(),
    Arg::new("device", Kind::Text, "the drive, in older clients").optional(),
    Arg::new("filename", Kind::Text, "the medium"),
    Arg::new("format", Kind::Text, "its format").optional(),
    Arg::new("force", Kind::Bool, "whatever the guest does").optional(),
    Arg::new("read-only-mode", Kind::Text, "whether it can be written").optional(),
];
const EVENT_LIST: Arg = Arg::new("events", Kind::List, "key, abs, btn and mtt events");
const KEY_LIST: Arg = Arg::new("keys", Kind::List, "keys by qcode or number");
const HOLD_TIME: Arg = Arg::new("hold-time", MILLISECONDS, "milliseconds until they are released (100)").optional();
const MONITOR: &[Arg] = &[
    Arg::new("command-line", Kind::Text, "the line"),
    Arg::new("cpu-index", Kind::Int(0, 7), "looked at by QEMU only").optional(),
];
const CAPABILITIES: Arg = Arg::new("enable", Kind::List, "capabilities, of which there are none").optional();

const SEEN: Arg = Arg::new("text", Kind::Text, "words of one line; spaces do not count");
const CASE: Arg = Arg::new("case", Kind::Bool, "upper and lower case count").optional();
const IMAGE: Arg = Arg::new("filename", Kind::File, "a PNG file; its transparent pixels do not count");
/// The argument that says how long a command may wait.
pub const TIMEOUT: &str = "timeout";
const WAIT: Arg = Arg::new(TIMEOUT, Kind::Int(0, 3_600_000), "milliseconds until it is given up (10000)").optional();

const LANGUAGE: Arg = Arg::new("language", Kind::Text, "as tesseract calls it: deu, deu+eng (eng)").optional();
const FIND_TEXT: &[Arg] = &[SEEN, CASE, LANGUAGE];
const WAIT_FOR_TEXT: &[Arg] = &[SEEN, CASE, LANGUAGE, WAIT];
const TAP_TEXT: &[Arg] = &[SEEN, CASE, LANGUAGE, WAIT, HOLD];

fn timeout(args: &Args<'_>) -> i64 {
    args.try_int(TIMEOUT).unwrap_or(eyes::TIMEOUT)
}

/// The snapshot that is named.
fn name(args: &Args<'_>) -> Result<Name, Failure> {
    args.text("name").parse().map_err(|why: &str| Failure::new(why))
}

/// Has a phone go on from a snapshot; how long that took.
fn load(phone: &Phone, name: &Name) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    let snapshot = Snapshot::open(name).with_context(|| name.to_string())?;
    if !Run::alike(snapshot.origin(), &phone.origin)? {
        anyhow::bail!("{name}: is of a phone that was made otherwise (`handset run --from {name}` has that one go on)");
    }
    snapshot.load(&phone.machine, &phone.disks)?;
    Ok(begun.elapsed())
}

/// How QMP says whether the phone runs.
fn state(phone: &Phone) -> &'static str {
    if phone.machine.paused() { "paused" } else { "running" }
}

/// What QMP calls a disk.
fn device(n: usize) -> String {
    format!("virtio{n}")
}

/// This program's version, as QMP has it.
pub fn version() -> Value {
    let mut parts = env!("CARGO_PKG_VERSION").split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let mut part = || parts.next().unwrap_or(0);
    let (major, minor, micro) = (part(), part(), part());
    json!({"qemu": {"major": major, "minor": minor, "micro": micro}, "package": concat!("Handset ", env!("CARGO_PKG_VERSION"))})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_words_are_there_once() {
        for names in
            [ALL.iter().map(|row| row.name).collect::<Vec<_>>(), ALL.iter().filter_map(|row| row.word).collect()]
        {
            let mut once = names.clone();
            once.sort_unstable();
            once.dedup();
            assert_eq!(once.len(), names.len());
        }
        for command in ALL {
            let required = command.args.iter().position(|arg| arg.optional).unwrap_or(command.args.len());
            let rest = &command.args[required..];
            assert!(rest.iter().all(|arg| arg.optional) || command.word.is_none(), "{}", command.name);
        }
    }
}
