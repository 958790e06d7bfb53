//! The addresses of the guest's network, and what they lead to on the host.

use std::net::{Ipv4Addr, SocketAddr};

use super::resolver;
use super::spec::UserSpec;

/// What DHCP gives to the guest.
pub const GUEST: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
/// The router; the host's loopback.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// The DNS server; the host's resolver.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);
/// Of 10.0.2.0/24.
pub const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);
/// The hardware address behind all of them.
pub const GATEWAY_MAC: [u8; 6] = [0x52, 0x55, 10, 0, 2, 2];

const DNS: u16 = 53;

fn is_local(address: Ipv4Addr) -> bool {
    address & MASK == GATEWAY & MASK
}

/// Whether a guest may have the address.
pub fn is_guest(address: Ipv4Addr) -> bool {
    is_local(address) && ![0, 2, 3, 255].contains(&address.octets()[3])
}

/// Where the host connects to when the guest wants `to`; nowhere for addresses that lead nowhere or are forbidden.
pub fn host_of(to: (Ipv4Addr, u16), spec: &UserSpec) -> Option<SocketAddr> {
    let (address, port) = to;
    if spec.restrict || port == 0 {
        return None;
    }
    if address == GATEWAY {
        return Some((Ipv4Addr::LOCALHOST, port).into());
    }
    if address == RESOLVER {
        return (port == DNS).then(|| spec.resolver.unwrap_or_else(resolver::of_host));
    }
    is_outside(address).then(|| (address, port).into())
}

/// Whether an address is one of the world beyond the gateway.
pub fn is_outside(address: Ipv4Addr) -> bool {
    let first = address.octets()[0];
    !is_local(address) && first != 0 && first != 127 && first < 224
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_is_loopback_and_loopback_is_nothing() {
        let spec = UserSpec { resolver: Some("127.0.0.1:5300".parse().unwrap()), ..UserSpec::default() };
        assert_eq!(host_of((GATEWAY, 80), &spec), "127.0.0.1:80".parse().ok());
        assert_eq!(host_of((RESOLVER, 53), &spec), "127.0.0.1:5300".parse().ok());
        assert_eq!(host_of((Ipv4Addr::new(192, 0, 2, 1), 80), &spec), "192.0.2.1:80".parse().ok());
        for nowhere in ["0.0.0.0", "127.0.0.1", "10.0.2.9", "10.0.2.255", "224.0.0.1", "255.255.255.255"] {
            assert_eq!(host_of((nowhere.parse().unwrap(), 80), &spec), None, "{nowhere}");
        }
        assert_eq!(host_of((RESOLVER, 54), &spec), None);
    }

    #[test]
    fn a_restricted_guest_reaches_nothing() {
        let spec = UserSpec { restrict: true, ..UserSpec::default() };
        for address in [GATEWAY, RESOLVER, Ipv4Addr::new(192, 0, 2, 1)] {
            assert_eq!(host_of((address, 53), &spec), None);
        }
    }
}
