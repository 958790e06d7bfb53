//! A client's session in QMP: the greeting, its wishes, and what they came to
//! (QEMU, docs/interop/qmp-spec.rst).
//!
//! Left out: out-of-band execution; a client's wishes are carried out one after the other.

use std::io::{self, Read};

use serde_json::{Map, Value, json};

use super::Phone;
use super::commands;
use super::registry::{Command, Failure, Gone};

/// Bytes of one wish at most.
pub const MOST: usize = 256 << 10;
const CHUNK: usize = 16 << 10;

/// What is said to whoever comes.
pub fn greeting() -> Value {
    json!({"QMP": {"version": commands::version(), "capabilities": []}})
}

/// Values out of a stream of bytes.
#[derive(Debug)]
pub struct Messages<R> {
    from: R,
    buffer: Vec<u8>,
    /// Something has come since the buffer was last looked at.
    news: bool,
}

/// Why there is no value.
#[derive(Debug)]
pub enum Trouble {
    /// The other end is gone, or says no more.
    End,
    /// A text that is not JSON; it was skipped.
    Text(String),
    /// More than [`MOST`] bytes.
    Long,
}

impl<R: Read> Messages<R> {
    pub fn new(from: R) -> Self {
        Self { from, buffer: Vec::new(), news: false }
    }

    /// The next value.
    pub fn next(&mut self) -> Result<Value, Trouble> {
        loop {
            if self.news
                && let Some(value) = self.take()?
            {
                return Ok(value);
            }
            if self.buffer.len() >= MOST {
                return Err(Trouble::Long);
            }
            let mut chunk = [0; CHUNK];
            let count = match self.from.read(&mut chunk) {
                Ok(0) => return Err(Trouble::End),
                Ok(count) => count,
                Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Err(Trouble::End),
            };
            self.buffer.extend(&chunk[..count]);
            // A wish is an object: it ends with a brace. What is none is found out at the end of its line.
            self.news = chunk[..count].iter().any(|byte| b"}\n".contains(byte));
        }
    }

    /// The value at the buffer's beginning, if it is whole.
    fn take(&mut self) -> Result<Option<Value>, Trouble> {
        let mut values = serde_json::Deserializer::from_slice(&self.buffer).into_iter();
        let value = values.next();
        let end = values.byte_offset();
        match value {
            Some(Ok(value)) => {
                self.buffer.drain(..end);
                Ok(Some(value))
            }
            Some(Err(why)) if !why.is_eof() => {
                let line = self.buffer.iter().position(|&byte| byte == b'\n').map_or(self.buffer.len(), |at| at + 1);
                self.buffer.drain(..line);
                Err(Trouble::Text(format!("JSON parse error, {why}")))
            }
            _ => {
                self.news = false;
                Ok(None)
            }
        }
    }
}

/// A client, as far as the protocol goes.
#[derive(Debug, Default)]
pub struct Session {
    /// It has begun by `qmp_capabilities`.
    begun: bool,
}

impl Session {
    /// Whether it has begun: only then it is told of events.
    pub fn begun(&self) -> bool {
        self.begun
    }

    /// What a wish comes to.
    pub fn answer(&mut self, phone: &Phone, wish: Value, gone: Gone<'_>) -> Value {
        let id = wish.get("id").cloned();
        let mut reply = match self.carry_out(phone, wish, gone) {
            Ok(value) => json!({"return": value}),
            Err(failure) => error(&failure),
        };
        if let Some(id) = id {
            reply["id"] = id;
        }
        reply
    }

    fn carry_out(&mut self, phone: &Phone, wish: Value, gone: Gone<'_>) -> Result<Value, Failure> {
        let Value::Object(wish) = wish else { return Err(Failure::new("QMP input must be a JSON object")) };
        if let Some(name) = wish.keys().find(|name| !["execute", "arguments", "id"].contains(&name.as_str())) {
            return Err(Failure::new(format!("QMP input member '{name}' is unexpected")));
        }
        let name = match wish.get("execute") {
            None => return Err(Failure::new("QMP input lacks member 'execute'")),
            Some(Value::String(name)) => name,
            Some(_) => return Err(Failure::new("QMP input member 'execute' must be a string")),
        };
        let args = match wish.get("arguments") {
            None => Map::new(),
            Some(Value::Object(args)) => args.clone(),
            Some(_) => return Err(Failure::new("QMP input member 'arguments' must be an object")),
        };
        let starts = name == BEGIN;
        if !self.begun && !starts {
            return Err(Failure::no_command("Expecting capabilities negotiation with 'qmp_capabilities'"));
        }
        if self.begun && starts {
            return Err(Failure::no_command("Capabilities negotiation is already complete, command ignored"));
        }
        let Some(command) = Command::named(name) else {
            return Err(Failure::no_command(format!("The command {name} has not been found")));
        };
        let value = command.call(phone, args, gone)?;
        self.begun |= starts;
        Ok(value)
    }
}

/// The command by which a client begins.
pub const BEGIN: &str = "qmp_capabilities";

/// A failure, as a reply.
pub fn error(failure: &Failure) -> Value {
    json!({"error": {"class": failure.class, "desc": failure.line}})
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream that gives so many bytes at a time.
    struct Drip<'a>(&'a [u8], usize);

    impl Read for Drip<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn read(text: &str, drip: usize) -> Vec<String> {
        let mut messages = Messages::new(Drip(text.as_bytes(), drip));
        let mut all = vec![];
        loop {
            match messages.next() {
                Ok(value) => all.push(value.to_string()),
                Err(Trouble::Text(_)) => all.push("text".into()),
                Err(Trouble::Long) => {
                    all.push("long".into());
                    return all;
                }
                Err(Trouble::End) => return all,
            }
        }
    }

    #[test]
    fn values_are_found_however_the_bytes_come() {
        let text = "{\"a\": 1}{\"b\": \"}\\n{\"}\r\n\n  {\"c\": {\"d\": []}}\n";
        for drip in [1, 2, 3, 7, 1000] {
            assert_eq!(read(text, drip), ["{\"a\":1}", "{\"b\":\"}\\n{\"}", "{\"c\":{\"d\":[]}}"], "{drip}");
        }
    }

    #[test]
    fn what_is_no_json_is_skipped_by_the_line() {
        for drip in [1, 5, 1000] {
            assert_eq!(read("{\"a\": nonsense}\n{\"b\": 2}\n", drip), ["text", "{\"b\":2}"], "{drip}");
            assert_eq!(read("GET / HTTP/1.1\n{\"b\": 2}\n", drip), ["text", "{\"b\":2}"], "{drip}");
        }
        assert_eq!(read("\u{feff}\n", 1000), ["text"]);
    }

    #[test]
    fn more_than_the_most_is_not_waited_for() {
        let long = format!("{{\"a\": \"{}\"}}\n", "x".repeat(2 * MOST));
        assert_eq!(read(&long, 5000), ["long"]);
        let deep = "[".repeat(100_000);
        assert_eq!(read(&format!("{deep}\n{{\"b\": 2}}\n"), 5000), ["text", "{\"b\":2}"]);
    }
}
