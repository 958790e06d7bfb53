//! The DHCP server (RFC 2131): one lease, the same for whoever asks.

use std::net::Ipv4Addr;

use smoltcp::wire::{DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr};

use super::addresses::{GATEWAY, GUEST, MASK, RESOLVER};

pub const SERVER_PORT: u16 = 67;
pub const CLIENT_PORT: u16 = 68;
const LEASE_SECONDS: u32 = 86400;
const INTERFACE_MTU: u8 = 26;
const USUAL_MTU: u16 = 1500;

/// The answer to a client's message, if it deserves one.
pub fn answer(message: &[u8], mtu: u16) -> Option<Vec<u8>> {
    let packet = DhcpPacket::new_checked(message).ok()?;
    let asked = DhcpRepr::parse(&packet).ok()?;
    let for_us = asked.server_identifier.is_none_or(|server| server == GATEWAY);
    let wanted = asked.requested_ip.unwrap_or(asked.client_ip);
    let message_type = match asked.message_type {
        DhcpMessageType::Discover => DhcpMessageType::Offer,
        DhcpMessageType::Request if !for_us => return None,
        DhcpMessageType::Request if wanted == GUEST => DhcpMessageType::Ack,
        DhcpMessageType::Request => DhcpMessageType::Nak,
        DhcpMessageType::Inform => DhcpMessageType::Ack,
        _ => return None,
    };
    let granted = message_type != DhcpMessageType::Nak;
    let leased = granted && asked.message_type != DhcpMessageType::Inform;
    let mtu_option = [DhcpOption { kind: INTERFACE_MTU, data: &mtu.to_be_bytes() }];
    let reply = DhcpRepr {
        message_type,
        transaction_id: asked.transaction_id,
        secs: 0,
        client_hardware_address: asked.client_hardware_address,
        client_ip: if leased { Ipv4Addr::UNSPECIFIED } else { asked.client_ip },
        your_ip: if leased { GUEST } else { Ipv4Addr::UNSPECIFIED },
        server_ip: if granted { GATEWAY } else { Ipv4Addr::UNSPECIFIED },
        router: granted.then_some(GATEWAY),
        subnet_mask: granted.then_some(MASK),
        relay_agent_ip: Ipv4Addr::UNSPECIFIED,
        broadcast: asked.broadcast,
        requested_ip: None,
        client_identifier: None,
        server_identifier: Some(GATEWAY),
        parameter_request_list: None,
        dns_servers: granted.then(|| std::iter::once(RESOLVER).collect()),
        max_size: None,
        lease_duration: leased.then_some(LEASE_SECONDS),
        renew_duration: None,
        rebind_duration: None,
        additional_options: if granted && mtu != USUAL_MTU { &mtu_option } else { &[] },
    };
    // 300 bytes are what BOOTP relays and old clients expect at least.
    let mut bytes = vec![0; reply.buffer_len().max(300)];
    reply.emit(&mut DhcpPacket::new_unchecked(&mut bytes[..])).ok()?;
    Some(bytes)
}
