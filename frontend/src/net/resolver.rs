//! Which DNS server the host asks, per resolv.conf(5). Only the first server is used.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

const PORT: u16 = 53;

/// The host's resolver now; as the C library does, this machine when none is named.
pub fn of_host() -> SocketAddr {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    SocketAddr::new(first_server(&text).unwrap_or(Ipv4Addr::LOCALHOST.into()), PORT)
}

fn first_server(text: &str) -> Option<IpAddr> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_valid_nameserver_counts() {
        let text = "# nameserver 192.0.2.9\nsearch example\nnameserver fe80::1%eth0\nnameserver 192.0.2.1 # x\n";
        assert_eq!(first_server(text), "192.0.2.1".parse().ok());
        assert_eq!(first_server("nameserver\n"), None);
    }
}
