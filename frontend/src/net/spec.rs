//! The text after `--net`: `user[,hostfwd=tcp|udp:[ADDRESS]:PORT-[GUEST]:PORT]…[,restrict][,resolver=ADDRESS[:PORT]]`.
//!
//! As QEMU writes it, with two differences: a forward without a host address listens on loopback only, and `resolver`
//! names the DNS server to ask instead of the host's.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use super::addresses;

/// Why a `--net` is not one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SpecError {
    /// Not a network of ours.
    #[error("--net {0}: only \"user\" and \"none\" are known")]
    Kind(String),
    /// More than that there is no network.
    #[error("--net none: takes no options, but has \"{0}\"")]
    None(String),
    /// A key nobody knows.
    #[error("--net: unknown option \"{0}\"; hostfwd, restrict and resolver are known")]
    Option(String),
    /// A value that is none.
    #[error("--net: restrict={0}: say on or off")]
    Restrict(String),
    /// A forward that is none.
    #[error("--net: hostfwd={0}: {1}; write tcp:127.0.0.1:HOSTPORT-:GUESTPORT")]
    Forward(String, &'static str),
    /// A resolver that is none.
    #[error("--net: resolver={0}: not an address, nor ADDRESS:PORT")]
    Resolver(String),
}

/// What is forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl std::fmt::Display for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

/// A port of the host that leads to one of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// TCP or UDP.
    pub transport: Transport,
    /// Where the host listens; port 0 lets it choose.
    pub host: SocketAddr,
    /// Where the guest listens.
    pub guest: (Ipv4Addr, u16),
}

impl FromStr for Forward {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let wrong = |why| SpecError::Forward(text.into(), why);
        let (transport, rest) = text.split_once(':').ok_or_else(|| wrong("no protocol"))?;
        let transport = match transport {
            "tcp" | "" => Transport::Tcp,
            "udp" => Transport::Udp,
            _ => return Err(wrong("neither tcp nor udp")),
        };
        let (host, guest) = rest.split_once('-').ok_or_else(|| wrong("no guest port"))?;
        let (address, port) = host.rsplit_once(':').ok_or_else(|| wrong("no host port"))?;
        let port = port.parse().map_err(|_| wrong("host port is not a number up to 65535"))?;
        let address = match address.trim_start_matches('[').trim_end_matches(']') {
            "" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            address => address.parse().map_err(|_| wrong("host address is not an IP address"))?,
        };
        let (guest, guest_port) = guest.rsplit_once(':').ok_or_else(|| wrong("no guest port"))?;
        let guest_port = guest_port.parse().map_err(|_| wrong("guest port is not a number up to 65535"))?;
        if guest_port == 0 {
            return Err(wrong("guest port 0"));
        }
        let guest = match guest {
            "" => addresses::GUEST,
            guest => guest.parse().map_err(|_| wrong("guest address is not an IPv4 address"))?,
        };
        if !addresses::is_guest(guest) {
            return Err(wrong("guest address is not one of the guest's network, 10.0.2.0/24"));
        }
        Ok(Self { transport, host: SocketAddr::new(address, port), guest: (guest, guest_port) })
    }
}

/// A user-mode network to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserSpec {
    /// Ports that lead in.
    pub forwards: Vec<Forward>,
    /// Nothing leads out.
    pub restrict: bool,
    /// The DNS server to ask; else the host's.
    pub resolver: Option<SocketAddr>,
}

/// What `--net` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetSpec {
    /// No card.
    None,
    /// A card behind user-mode NAT.
    User(UserSpec),
}

impl FromStr for NetSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let mut parts = text.split(',');
        match parts.next() {
            Some("user") => {}
            Some("none") => return parts.next().map_or(Ok(Self::None), |more| Err(SpecError::None(more.into()))),
            kind => return Err(SpecError::Kind(kind.unwrap_or_default().into())),
        }
        let mut spec = UserSpec::default();
        for part in parts {
            match part.split_once('=').unwrap_or((part, "")) {
                ("hostfwd", forward) => spec.forwards.push(forward.parse()?),
                ("restrict", "" | "on" | "yes" | "y") => spec.restrict = true,
                ("restrict", "off" | "no" | "n") => spec.restrict = false,
                ("restrict", other) => return Err(SpecError::Restrict(other.into())),
                ("resolver", address) => {
                    let with_port = address.parse().or_else(|_| address.parse().map(|ip| SocketAddr::new(ip, 53)));
                    spec.resolver = Some(with_port.map_err(|_| SpecError::Resolver(address.into()))?);
                }
                _ => return Err(SpecError::Option(part.into())),
            }
        }
        Ok(Self::User(spec))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issues_example_parses() {
        let NetSpec::User(spec) = "user,hostfwd=tcp:127.0.0.1:5655-:5555,restrict".parse().unwrap() else { panic!() };
        let forward = spec.forwards[0];
        assert_eq!(forward.transport, Transport::Tcp);
        assert_eq!(forward.host, "127.0.0.1:5655".parse().unwrap());
        assert_eq!(forward.guest, (Ipv4Addr::new(10, 0, 2, 15), 5555));
        assert!(spec.restrict);
    }

    #[test]
    fn a_forward_without_a_host_address_listens_on_loopback() {
        let forward: Forward = "udp::53-10.0.2.20:5353".parse().unwrap();
        assert_eq!(forward.host, "127.0.0.1:53".parse().unwrap());
        assert_eq!(forward.guest, (Ipv4Addr::new(10, 0, 2, 20), 5353));
        let v6: Forward = "tcp:[::1]:80-:80".parse().unwrap();
        assert_eq!(v6.host, "[::1]:80".parse().unwrap());
    }

    #[test]
    fn no_network_has_no_options() {
        assert_eq!("none".parse(), Ok(NetSpec::None));
        let error = "none,hostfwd=tcp::1-:1".parse::<NetSpec>().unwrap_err().to_string();
        assert_eq!(error, "--net none: takes no options, but has \"hostfwd=tcp::1-:1\"");
    }

    #[test]
    fn nonsense_is_named_in_one_line() {
        for text in [
            "tap",
            "none,restrict",
            "user,smb=/",
            "user,restrict=maybe",
            "user,resolver=here",
            "user,hostfwd=sctp::1-:1",
            "user,hostfwd=tcp::99999-:1",
            "user,hostfwd=tcp::1",
            "user,hostfwd=tcp::1-:0",
            "user,hostfwd=tcp:host:1-:1",
            "user,hostfwd=tcp::1-10.0.3.1:1",
            "",
        ] {
            let error = text.parse::<NetSpec>().unwrap_err().to_string();
            assert!(error.starts_with("--net") && !error.contains('\n'), "{error}");
        }
    }
}
