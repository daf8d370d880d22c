//! Whose requests are counted together.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::extract::{ConnectInfo, Request};

use crate::auth::Caller;

/// A client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Client {
    /// Issuer and subject of a token that was verified; an unverified one would let anyone be a new client at will.
    Token(String),
    /// Everyone else at this address. A proxy in front is one client, and must limit its own.
    Address(Option<IpAddr>),
}

impl Client {
    /// Whose a request is, once its token was checked.
    pub fn of(request: &Request) -> Self {
        if let Some(caller) = request.extensions().get::<Caller>() {
            return Self::Token(caller.client.clone());
        }
        let info = request.extensions().get::<ConnectInfo<SocketAddr>>();
        Self::Address(info.map(|info| network(info.0.ip())))
    }
}

/// The part of an address that its holder cannot choose: of IPv6, the first 64 bits.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_one_client() {
        for (address, known_as) in [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2:ffff::", "2001:db8:1:2::"),
        ] {
            let address: IpAddr = address.parse().expect("an address");
            assert_eq!(network(address).to_string(), known_as);
        }
    }
}
