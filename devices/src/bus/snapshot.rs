//! Saving and restoring a device.

use serde::{Serialize, de::DeserializeOwned};

/// A device whose guest-visible state can be saved and restored.
///
/// `Saved` is separate from the live type, total (write `save` by destructuring `self` without `..`, so that a
/// forgotten field does not compile) and safe on hostile bytes: `restore` checks every field's range.
pub trait Snapshot {
    /// The state as data.
    type Saved: Serialize + DeserializeOwned;

    /// A copy of the state.
    fn save(&self) -> Self::Saved;

    /// Takes the state over and drives the wires anew.
    ///
    /// # Errors
    /// A field out of its range; the device is then unchanged.
    fn restore(&mut self, saved: Self::Saved) -> Result<(), RestoreError>;
}

/// A saved field that cannot be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{device}: saved {field} is out of range")]
pub struct RestoreError {
    /// The device's name.
    pub device: &'static str,
    /// The field's name.
    pub field: &'static str,
}

/// [`Snapshot`] behind a pointer: the state as bytes, in postcard's format.
pub trait Part {
    /// A copy of the state.
    fn save_bytes(&self) -> Vec<u8>;

    /// Takes the state over.
    ///
    /// # Errors
    /// As [`Snapshot::restore`]; bytes that are no such state are out of range as a whole.
    fn restore_bytes(&mut self, bytes: &[u8]) -> Result<(), RestoreError>;
}

impl<T: Snapshot> Part for T {
    fn save_bytes(&self) -> Vec<u8> {
        postcard::to_stdvec(&self.save()).expect("memory takes all")
    }

    fn restore_bytes(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        let wrong = RestoreError { device: "a device", field: "state" };
        self.restore(postcard::from_bytes(bytes).map_err(|_| wrong)?)
    }
}
