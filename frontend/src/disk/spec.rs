//! The text of a `--drive` option: `file=F,format=raw|qcow2[,readonly][,snapshot][,backing=on][,serial=S]`.
//!
//! A comma in a file name is written twice, as QEMU has it.

use std::path::PathBuf;
use std::str::FromStr;

/// The format of a disk image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The disk's bytes.
    Raw,
    /// QEMU's copy-on-write format.
    Qcow2,
}

/// One `--drive`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriveSpec {
    /// The image.
    pub file: PathBuf,
    /// Its format.
    pub format: Format,
    /// The guest sees a read-only disk.
    pub read_only: bool,
    /// What the guest writes is gone when the phone is.
    pub snapshot: bool,
    /// The image may name other files to read.
    pub backing: bool,
    /// The serial number that the guest sees; its first 20 bytes count.
    pub serial: String,
}

/// A `--drive` that is not one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SpecError {
    /// No file.
    #[error("file=… is missing")]
    NoFile,
    /// No format.
    #[error("format=raw or format=qcow2 is missing; it is not guessed")]
    NoFormat,
    /// Another format.
    #[error("format={0}: raw and qcow2 are known")]
    Format(String),
    /// Not on or off.
    #[error("{0}={1}: on or off is expected")]
    Switch(String, String),
    /// Said twice.
    #[error("{0} is given twice")]
    Twice(String),
    /// Not among the options.
    #[error("{0} is not an option of a drive; file, format, readonly, snapshot, backing and serial are")]
    Unknown(String),
    /// A file's name alone.
    #[error("write file={0},format=raw or file={0},format=qcow2")]
    Bare(String),
}

/// Splits at single commas; double ones become one.
fn parts(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == ',' && chars.next_if_eq(&',').is_none() {
            parts.push(String::new());
        } else if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts
}

fn switch(key: &str, value: Option<&str>) -> Result<bool, SpecError> {
    match value {
        None | Some("on") => Ok(true),
        Some("off") => Ok(false),
        Some(other) => Err(SpecError::Switch(key.into(), other.into())),
    }
}

impl FromStr for DriveSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let (mut file, mut format, mut serial) = (None, None, String::new());
        let (mut read_only, mut snapshot, mut backing) = (false, false, false);
        let mut seen: Vec<String> = vec![];
        if !text.is_empty() && !text.contains(['=', ',']) {
            return Err(SpecError::Bare(text.into()));
        }
        for part in parts(text) {
            let (key, value) = part.split_once('=').map_or((&*part, None), |(key, value)| (key, Some(value)));
            if seen.iter().any(|k| k == key) {
                return Err(SpecError::Twice(key.into()));
            }
            seen.push(key.into());
            match (key, value) {
                ("file", Some(name)) if !name.is_empty() => file = Some(PathBuf::from(name)),
                ("file", _) => return Err(SpecError::NoFile),
                ("format", Some("raw")) => format = Some(Format::Raw),
                ("format", Some("qcow2")) => format = Some(Format::Qcow2),
                ("format", other) => return Err(SpecError::Format(other.unwrap_or_default().into())),
                ("serial", value) => serial = value.unwrap_or_default().into(),
                ("readonly", value) => read_only = switch(key, value)?,
                ("snapshot", value) => snapshot = switch(key, value)?,
                ("backing", value) => backing = switch(key, value)?,
                _ => return Err(SpecError::Unknown(key.into())),
            }
        }
        let file = file.ok_or(SpecError::NoFile)?;
        let format = format.ok_or(SpecError::NoFormat)?;
        Ok(Self { file, format, read_only, snapshot, backing, serial })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drive_says_all_it_needs() {
        let spec: DriveSpec = "file=a,,b.img,format=qcow2,snapshot,readonly=off,backing=on,serial=x=y".parse().unwrap();
        let expected = DriveSpec {
            file: "a,b.img".into(),
            format: Format::Qcow2,
            read_only: false,
            snapshot: true,
            backing: true,
            serial: "x=y".into(),
        };
        assert_eq!(spec, expected);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let parse = |text: &str| text.parse::<DriveSpec>().unwrap_err();
        assert_eq!(parse("file=a"), SpecError::NoFormat);
        assert_eq!(parse("format=raw"), SpecError::NoFile);
        assert_eq!(parse("file=,format=raw"), SpecError::NoFile);
        assert_eq!(parse("file=a,format=vmdk"), SpecError::Format("vmdk".into()));
        assert_eq!(parse("file=a,format=raw,readonly=yes"), SpecError::Switch("readonly".into(), "yes".into()));
        assert_eq!(parse("file=a,file=b,format=raw"), SpecError::Twice("file".into()));
        assert_eq!(parse("file=a,format=raw,cache=none"), SpecError::Unknown("cache".into()));
        assert_eq!(parse(""), SpecError::Unknown(String::new()));
    }
}
