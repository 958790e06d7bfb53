//! `handset ctl`: the commands on the command line; and the human monitor of QMP, which has the same.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::builder::PossibleValuesParser;
use clap::{ArgMatches, value_parser};
use serde_json::{Map, Value, json};

use super::Phone;
use super::commands;
use super::place::{self, Name};
use super::qmp::{BEGIN, Messages};
use super::registry::{Arg, Command, Gone, Kind};

const EXAMPLES: &str = "\
Examples:
  handset run --guest installer --headless --name test &
  handset ctl list
  handset ctl screenshot now.png
  handset ctl tap 360 640
  handset ctl tap-text Continue --timeout 30000
  handset ctl swipe 360 1000 360 300 250
  handset ctl text 'hello'
  handset ctl --phone test serial

Exit status: 0 when it was done, 1 when the phone or the host refused, 2 for a wrong command line.";

/// How long a phone may take to answer, beside the time that a gesture takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// How long the largest file may take to the guest.
const TRANSFER: Duration = Duration::from_secs(600);

/// A `handset ctl`.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    phone: Option<Name>,
    socket: Option<PathBuf>,
    json: bool,
    what: What,
}

#[derive(Debug, Clone, PartialEq)]
enum What {
    /// Say which phones there are.
    List,
    /// A command's name in QMP, and its arguments.
    Call(&'static str, Map<String, Value>),
}

/// `handset ctl`, for the command line.
pub fn command() -> clap::Command {
    let rows = commands::ALL.iter().filter_map(|row| Some((row.word?, row)));
    let rows = rows.map(|(word, row)| clap::Command::new(word).about(row.about).args(row.args.iter().map(option)));
    clap::Command::new("ctl")
        .about("Look at and move a phone that runs")
        .after_help(EXAMPLES)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .arg(
            clap::Arg::new("phone")
                .long("phone")
                .value_name("NAME")
                .value_parser(value_parser!(Name))
                .help("The phone that `run --name` has named so [default: the only one that runs]"),
        )
        .arg(
            clap::Arg::new("socket")
                .long("socket")
                .value_name("PATH")
                .value_parser(value_parser!(PathBuf))
                .conflicts_with("phone")
                .help("The phone whose `run --qmp unix:PATH` this is"),
        )
        .arg(clap::Arg::new("json").long("json").action(clap::ArgAction::SetTrue).help("Print the answer as JSON"))
        .subcommand(clap::Command::new("list").about("List the phones with a name that run"))
        .subcommands(rows)
}

fn option(arg: &Arg) -> clap::Arg {
    let option = clap::Arg::new(arg.name).help(arg.about).required(!arg.optional);
    let option = if arg.optional { option.long(arg.name) } else { option };
    if arg.kind == Kind::Bool {
        return option.action(clap::ArgAction::SetTrue);
    }
    let option = option.value_name(arg.name);
    match arg.kind {
        Kind::Int(least, most) => {
            option.value_parser(value_parser!(i64).range(least..=most)).allow_negative_numbers(true)
        }
        Kind::OneOf(words) => option.value_parser(PossibleValuesParser::new(words)),
        Kind::Text => option.allow_hyphen_values(true),
        Kind::File | Kind::List | Kind::Bool => option,
    }
}

/// What the command line asks for.
pub fn read(matches: &ArgMatches) -> Request {
    let (word, of) = matches.subcommand().expect("a subcommand is required");
    let what = match commands::ALL.iter().find(|row| row.word == Some(word)) {
        None => What::List,
        Some(row) => What::Call(row.name, row.args.iter().filter_map(|arg| given(arg, of)).collect()),
    };
    let one = |name| matches.get_one(name).cloned();
    Request { phone: matches.get_one("phone").cloned(), socket: one("socket"), json: matches.get_flag("json"), what }
}

fn given(arg: &Arg, matches: &ArgMatches) -> Option<(String, Value)> {
    let value = match arg.kind {
        Kind::Int(..) => (*matches.get_one::<i64>(arg.name)?).into(),
        Kind::Bool if !matches.get_flag(arg.name) => return None,
        Kind::Bool => true.into(),
        Kind::File => {
            let file = matches.get_one::<String>(arg.name)?;
            std::path::absolute(file).map_or_else(|_| file.clone(), |file| file.display().to_string()).into()
        }
        _ => matches.get_one::<String>(arg.name)?.clone().into(),
    };
    Some((arg.name.into(), value))
}

/// Does what was asked for.
///
/// # Errors
/// One line.
pub fn perform(request: &Request) -> Result<()> {
    let Request { phone, socket, json, what } = request;
    let (name, args) = match what {
        What::List => return list(*json),
        What::Call(name, args) => (*name, args),
    };
    let stream = match socket {
        Some(path) => UnixStream::connect(path).with_context(|| format!("--socket {}", path.display()))?,
        None => place::find(phone.as_ref())?,
    };
    let answer = Line::open(stream)?.call(name, args)?;
    print(&if *json { format!("{answer}\n") } else { shown(&answer) })
}

fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("standard output")
}

fn list(json: bool) -> Result<()> {
    let mut all = Vec::new();
    for (name, stream) in place::all() {
        match Line::open(stream).and_then(|mut line| line.call("x-status", &Map::new())) {
            Ok(status) => all.push(status),
            Err(why) => eprintln!("handset: {name}: {why:#}"),
        }
    }
    if json {
        return print(&format!("{}\n", Value::from(all)));
    }
    let row = |phone: &Value| ["name", "status", "screen", "pid"].map(|field| plain(&phone[field])).join("\t") + "\n";
    print(&all.iter().map(row).collect::<String>())
}

/// A connection to a phone.
struct Line {
    out: UnixStream,
    messages: Messages<UnixStream>,
}

impl Line {
    fn open(stream: UnixStream) -> Result<Self> {
        stream.set_read_timeout(Some(PATIENCE)).context("the host's sockets")?;
        let messages = Messages::new(stream.try_clone().context("the host's sockets")?);
        let mut line = Self { out: stream, messages };
        let greeting = line.hear()?;
        if let Some(why) = greeting["error"]["desc"].as_str() {
            bail!("{why}");
        }
        if greeting.get("QMP").is_none() {
            bail!("what answers there is no phone");
        }
        line.call(BEGIN, &Map::new())?;
        Ok(line)
    }

    fn hear(&mut self) -> Result<Value> {
        self.messages.next().map_err(|_| anyhow::anyhow!("the phone hung up, or did not answer"))
    }

    fn call(&mut self, name: &str, args: &Map<String, Value>) -> Result<Value> {
        let number = |name| args.get(name).and_then(Value::as_u64).unwrap_or(0);
        let waits = Duration::from_millis(number(commands::TIMEOUT)) + Duration::from_secs(number(commands::SECONDS));
        let moves = if args.contains_key(commands::GUEST_FILE) { TRANSFER } else { Duration::ZERO };
        self.out.set_read_timeout(Some(PATIENCE + waits + moves)).context("the host's sockets")?;
        let wish = json!({"execute": name, "arguments": args});
        writeln!(self.out, "{wish}").context("the phone hung up")?;
        loop {
            let mut reply = self.hear()?;
            if let Some(why) = reply["error"]["desc"].as_str() {
                bail!("{why}");
            }
            if let Some(answer) = reply.get_mut("return") {
                return Ok(answer.take());
            }
        }
    }
}

/// A value in a line for people.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// An answer for people: its text, if it is one or has one; else a line for each of its fields.
fn shown(answer: &Value) -> String {
    match answer {
        Value::String(text) => text.clone(),
        Value::Object(fields) => match fields.get("text") {
            Some(text) => plain(text),
            None => fields.iter().map(|(name, value)| format!("{name}: {}\n", plain(value))).collect(),
        },
        Value::Array(list) => {
            list.iter().map(|one| format!("{}\n", shown(one).trim_end().replace('\n', ", "))).collect()
        }
        other => format!("{other}\n"),
    }
}

/// Names by which people know commands from QEMU's monitor.
const KNOWN_AS: &[(&str, &str)] = &[("sendkey", "x-key")];

/// A line of the human monitor, and what it answers: `info X` asks for what `query-X` says; anything else is a command by
/// either of its names, with its required arguments.
pub fn monitor(phone: &Phone, line: &str, gone: Gone<'_>) -> String {
    let mut words = line.split_whitespace();
    let Some(first) = words.next() else { return String::new() };
    let query = if first == "info" { words.next().map(|what| format!("query-{what}")) } else { None };
    let known = KNOWN_AS.iter().find(|(name, _)| *name == first).map(|(_, name)| *name);
    let name = query.as_deref().or(known).unwrap_or(first);
    let command = commands::ALL.iter().find(|command| command.name == name || command.word == Some(name));
    let Some(command) = command.filter(|command| command.name != "human-monitor-command") else {
        return format!("unknown command: '{line}'\r\n");
    };
    let answer = arguments(command, &words.collect::<Vec<_>>())
        .and_then(|args| command.call(phone, args, gone).map_err(|failure| failure.line));
    match answer {
        Ok(answer) => shown(&answer).replace('\n', "\r\n"),
        Err(line) => format!("Error: {line}\r\n"),
    }
}

/// Words as arguments; the last text takes all that is left.
fn arguments(command: &Command, mut words: &[&str]) -> Result<Map<String, Value>, String> {
    let mut args = Map::new();
    let required: Vec<&Arg> = command.args.iter().filter(|arg| !arg.optional).collect();
    for (n, arg) in required.iter().enumerate() {
        let Some((word, rest)) = words.split_first() else { break };
        let value = match arg.kind {
            Kind::Int(..) => word.parse::<i64>().map_err(|_| format!("{}: not a number: {word}", arg.name))?.into(),
            Kind::Text if n + 1 == required.len() => std::mem::take(&mut words).join(" ").into(),
            _ => Value::from(*word),
        };
        words = if words.is_empty() { words } else { rest };
        args.insert(arg.name.into(), value);
    }
    match words.first() {
        Some(word) => Err(format!("'{word}' is too much")),
        None => Ok(args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(line: &str) -> Result<Request, String> {
        let words = std::iter::once("ctl").chain(line.split_whitespace());
        command().try_get_matches_from(words).map(|matches| read(&matches)).map_err(|error| error.to_string())
    }

    fn call(line: &str) -> (&'static str, Value) {
        match asked(line).unwrap().what {
            What::Call(name, args) => (name, args.into()),
            What::List => panic!("{line} lists"),
        }
    }

    #[test]
    fn commands_are_read_by_their_rows() {
        command().debug_assert();
        assert_eq!(call("tap 10 20"), ("x-tap", json!({"x": 10, "y": 20})));
        assert_eq!(call("tap 10 20 --hold 700"), ("x-tap", json!({"x": 10, "y": 20, "hold": 700})));
        assert_eq!(call("--phone a pause"), ("stop", json!({})));
        assert_eq!(call("screenshot /tmp/a.png"), ("screendump", json!({"filename": "/tmp/a.png"})));
        assert_eq!(call("text -x"), ("x-text", json!({"text": "-x"})));
        assert_eq!(call("button power"), ("x-button", json!({"button": "power"})));
        assert_eq!(call("find-text a"), ("x-find-text", json!({"text": "a"})));
        let wait = json!({"text": "a", "case": true, "timeout": 5});
        assert_eq!(call("wait-for-text a --case --timeout 5"), ("x-wait-for-text", wait));
        assert_eq!(asked("list").unwrap().what, What::List);
        let wrong =
            ["", "tap 1", "tap 1 x", "tap 1 -2", "tap 1 2 3", "button volume", "nonsense", "--phone a/b status"];
        for wrong in wrong.into_iter().chain(["--phone a --socket b status", "query-status"]) {
            assert!(asked(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn answers_are_shown_as_text() {
        assert_eq!(shown(&json!({})), "");
        assert_eq!(shown(&json!({"text": "a\nb", "next": 3})), "a\nb");
        assert_eq!(shown(&json!({"running": true, "status": "running"})), "running: true\nstatus: running\n");
        assert_eq!(shown(&json!([{"a": 1, "b": "x"}, {"a": 2}])), "a: 1, b: x\na: 2\n");
    }

    #[test]
    fn words_of_a_monitor_become_arguments() {
        let of = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let row = commands::ALL.iter().find(|row| row.name == words[0]).unwrap();
            arguments(row, &words[1..]).map(Value::from)
        };
        assert_eq!(of("x-tap 1 2"), Ok(json!({"x": 1, "y": 2})));
        assert_eq!(of("x-text several words"), Ok(json!({"text": "several words"})));
        assert_eq!(of("stop"), Ok(json!({})));
        assert_eq!(of("x-tap 1"), Ok(json!({"x": 1})));
        assert!(of("x-tap 1 two").is_err() && of("stop it").is_err() && of("x-tap 1 2 3").is_err());
    }
}
