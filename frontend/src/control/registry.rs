//! What a command is: one row, from which every protocol offers it.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::Phone;

/// One command.
pub struct Command {
    /// Its name in QMP. Those of the phone begin with `x-`.
    pub name: &'static str,
    /// Its name on the command line, and in a human monitor; none if people have no use for it.
    pub word: Option<&'static str>,
    /// What it does, for people.
    pub about: &'static str,
    /// What it wants to know. On the command line the required ones come in this order, the others by name.
    pub args: &'static [Arg],
    /// Does it; the arguments are all there and of their kinds.
    pub run: fn(&Phone, &Args<'_>) -> Answer,
}

/// What a command answers.
pub type Answer = Result<Value, Failure>;

/// An argument.
#[derive(Debug, Clone, Copy)]
pub struct Arg {
    pub name: &'static str,
    pub about: &'static str,
    pub kind: Kind,
    pub optional: bool,
}

/// What an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number within bounds.
    Int(i64, i64),
    /// Text.
    Text,
    /// A file, which a command line makes absolute.
    File,
    /// One of some words.
    OneOf(&'static [&'static str]),
    /// A list; its command looks at what is in it.
    List,
    Bool,
}

impl Arg {
    pub const fn new(name: &'static str, kind: Kind, about: &'static str) -> Self {
        Self { name, about, kind, optional: false }
    }

    pub const fn optional(self) -> Self {
        Self { optional: true, ..self }
    }
}

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// QMP's class of the error.
    pub class: &'static str,
    /// One line.
    pub line: String,
}

impl Failure {
    pub fn new(line: impl Into<String>) -> Self {
        Self { class: "GenericError", line: line.into() }
    }

    pub fn no_command(line: impl Into<String>) -> Self {
        Self { class: "CommandNotFound", line: line.into() }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(why: anyhow::Error) -> Self {
        Self::new(format!("{why:#}"))
    }
}

/// Says whether the client who has asked for a command has hung up.
pub type Gone<'a> = &'a dyn Fn() -> bool;

/// Arguments that were looked at, and who waits for the answer.
pub struct Args<'a> {
    given: Map<String, Value>,
    gone: Gone<'a>,
}

impl<'a> Args<'a> {
    /// Whether nobody waits for the answer any more; a command that takes its time ends then.
    pub fn gone(&self) -> bool {
        (self.gone)()
    }

    /// The same, for who carries out another command for it.
    pub fn asker(&self) -> Gone<'a> {
        self.gone
    }

    /// An optional number.
    pub fn try_int(&self, name: &str) -> Option<i64> {
        self.given.get(name)?.as_i64()
    }

    pub fn int(&self, name: &str) -> i64 {
        self.try_int(name).expect("a required argument is there")
    }

    /// An optional text, file or word.
    pub fn try_text(&self, name: &str) -> Option<&str> {
        self.given.get(name)?.as_str()
    }

    pub fn text(&self, name: &str) -> &str {
        self.try_text(name).expect("a required argument is there")
    }

    /// A required file, by its whole path.
    pub fn path(&self, name: &str) -> Result<&Path, Failure> {
        let file = Path::new(self.text(name));
        if file.is_absolute() {
            Ok(file)
        } else {
            Err(Failure::new(format!("{}: name the whole path", file.display())))
        }
    }

    /// An optional truth, which is false without.
    pub fn flag(&self, name: &str) -> bool {
        self.given.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    pub fn list(&self, name: &str) -> &[Value] {
        self.given.get(name).and_then(Value::as_array).expect("a required argument is there")
    }
}

impl Command {
    /// The command of a name in QMP.
    pub fn named(name: &str) -> Option<&'static Self> {
        super::commands::ALL.iter().find(|command| command.name == name)
    }

    /// Looks at arguments and does it.
    pub fn call(&self, phone: &Phone, args: Map<String, Value>, gone: Gone<'_>) -> Answer {
        for name in args.keys() {
            if !self.args.iter().any(|arg| arg.name == name) {
                return Err(Failure::new(format!("Parameter '{name}' is unexpected")));
            }
        }
        for arg in self.args {
            match args.get(arg.name) {
                None if arg.optional => {}
                None => return Err(Failure::new(format!("Parameter '{}' is missing", arg.name))),
                Some(value) => arg.check(value)?,
            }
        }
        (self.run)(phone, &Args { given: args, gone })
    }
}

impl Arg {
    fn check(&self, value: &Value) -> Result<(), Failure> {
        let fits = match self.kind {
            Kind::Int(least, most) => {
                let Some(n) = value.as_i64() else { return Err(self.wrong("integer")) };
                if !(least..=most).contains(&n) {
                    let line = format!("Parameter '{}' expects a number from {least} to {most}", self.name);
                    return Err(Failure::new(line));
                }
                true
            }
            Kind::Text | Kind::File => value.is_string(),
            Kind::Bool => value.is_boolean(),
            Kind::List => value.is_array(),
            Kind::OneOf(words) => {
                let Some(text) = value.as_str() else { return Err(self.wrong("string")) };
                if !words.contains(&text) {
                    let line = format!("Parameter '{}' does not accept value '{text}'", self.name);
                    return Err(Failure::new(line));
                }
                true
            }
        };
        if fits { Ok(()) } else { Err(self.wrong(self.kind.schema())) }
    }

    fn wrong(&self, expected: &str) -> Failure {
        Failure::new(format!("Invalid parameter type for '{}', expected: {expected}", self.name))
    }
}

impl Kind {
    /// Its name in a QMP schema.
    fn schema(self) -> &'static str {
        match self {
            Self::Int(..) => "int",
            Self::Bool => "bool",
            Self::List => "array",
            Self::Text | Self::File | Self::OneOf(_) => "str",
        }
    }
}

/// What `query-qmp-schema` answers: the commands with their arguments. Results and events are said to be anything, since
/// no client was found that reads more there.
pub fn schema(commands: &[Command], events: &[&str]) -> Value {
    let mut entities = vec![
        json!({"name": "any", "meta-type": "builtin", "json-type": "value"}),
        json!({"name": "int", "meta-type": "builtin", "json-type": "int"}),
        json!({"name": "bool", "meta-type": "builtin", "json-type": "boolean"}),
        json!({"name": "str", "meta-type": "builtin", "json-type": "string"}),
        json!({"name": "array", "meta-type": "array", "element-type": "any"}),
        json!({"name": "nothing", "meta-type": "object", "members": []}),
    ];
    for command in commands {
        let mut arguments = "nothing".to_owned();
        if !command.args.is_empty() {
            arguments = format!("{}-arg", command.name);
            let members = command.args.iter().map(|arg| {
                let mut member = json!({"name": arg.name, "type": arg.kind.schema()});
                if arg.optional {
                    member["default"] = Value::Null;
                }
                member
            });
            let members: Vec<Value> = members.collect();
            entities.push(json!({"name": arguments, "meta-type": "object", "members": members}));
        }
        entities.push(json!({"name": command.name, "meta-type": "command", "arg-type": arguments, "ret-type": "any"}));
    }
    entities.extend(events.iter().map(|name| json!({"name": name, "meta-type": "event", "arg-type": "nothing"})));
    entities.into()
}
