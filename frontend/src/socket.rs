//! Unix sockets that only this user may connect to.

use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::fs::Mode;

use crate::undo;

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The host's reason.
    #[error(transparent)]
    Host(#[from] io::Error),
    /// Something of somebody else.
    #[error("is there already and is not an abandoned socket (remove it, or name another)")]
    Occupied,
}

/// A socket at `path` that only this user may connect to; it is removed when the process ends.
///
/// # Errors
/// See [`SocketError`].
pub fn listen(path: &Path) -> Result<UnixListener, SocketError> {
    if let Ok(there) = path.symlink_metadata() {
        let abandoned = there.file_type().is_socket()
            && UnixStream::connect(path).is_err_and(|why| why.kind() == io::ErrorKind::ConnectionRefused);
        if !abandoned {
            return Err(SocketError::Occupied);
        }
        std::fs::remove_file(path)?;
    }
    let mask = rustix::process::umask(Mode::RWXG | Mode::RWXO | Mode::XUSR);
    let listener = UnixListener::bind(path);
    rustix::process::umask(mask);
    let listener = listener?;
    let remove = std::path::absolute(path)?;
    undo::at_end(move || {
        // Somebody else may have removed it, which is as good.
        let _ = std::fs::remove_file(remove);
    });
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_socket_is_private_and_replaces_only_an_abandoned_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("serial");
        let listener = listen(&path).unwrap();
        assert_eq!(path.symlink_metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(listen(&path), Err(SocketError::Occupied)));
        drop(listener);
        listen(&path).unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "precious").unwrap();
        assert!(matches!(listen(&file), Err(SocketError::Occupied)));
        assert_eq!(std::fs::read(&file).unwrap(), b"precious");
    }
}
