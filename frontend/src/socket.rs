//! Sockets at which clients may come: those of the file system, for this user only, and those of TCP.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use rustix::fs::Mode;
use socket2::{Socket, TcpKeepalive};

use crate::undo;

/// How long after its last sign of life a host that has vanished is asked for one.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Where clients may come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// An address and a port of TCP.
    Tcp(SocketAddr),
    /// A socket for this user only.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.strip_prefix("unix:") {
            Some("") => Err("write unix:PATH"),
            Some(path) => Ok(Self::Unix(path.into())),
            None => text.parse().map(Self::Tcp).map_err(|_| "write ADDRESS:PORT, such as 127.0.0.1:1234, or unix:PATH"),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

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

/// A socket at an address, and the port that the host has chosen if it was to.
///
/// # Errors
/// See [`SocketError`].
pub fn bind(address: &Address) -> Result<(Socket, Option<SocketAddr>), SocketError> {
    match address {
        Address::Unix(path) => Ok((listen(path)?.into(), None)),
        Address::Tcp(address) => {
            let listener = TcpListener::bind(address)?;
            let chosen = if address.port() == 0 { Some(listener.local_addr()?) } else { None };
            Ok((listener.into(), chosen))
        }
    }
}

/// The next client at a socket; TCP sends what it is told at once, and finds out when the client's host has vanished.
///
/// # Errors
/// The host's, or that nobody waits at a socket that does not.
pub fn accept(listener: &Socket) -> io::Result<Socket> {
    let (client, from) = listener.accept()?;
    client.set_nonblocking(false)?;
    if !from.is_unix() {
        client.set_tcp_nodelay(true)?;
        client.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE))?;
    }
    Ok(client)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn addresses_are_read() {
        assert_eq!("127.0.0.1:1234".parse(), Ok(Address::Tcp(([127, 0, 0, 1], 1234).into())));
        assert_eq!("unix:a:b".parse(), Ok(Address::Unix("a:b".into())));
        for wrong in ["", "1234", "localhost:1234", "unix:", "127.0.0.1", "127.0.0.1:99999"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }

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
