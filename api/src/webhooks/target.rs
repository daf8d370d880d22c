//! Where a webhook may be sent to. A URL of someone else's choosing must not reach what only this machine can: names are resolved
//! by [`Public`], which gives public addresses and no other, each time that a connection is made.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;

use super::Settings;

/// Bytes of a URL.
const URL_BYTES_MAX: usize = 2_000;
/// A connection that is not there by then is not worth waiting for.
const CONNECT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// Why a URL is no target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Not a URL.
    #[error("is not an absolute URL of at most 2,000 characters")]
    Form,
    /// Not https.
    #[error("must be https")]
    Scheme,
    /// With a user name, a password or a fragment.
    #[error("must have no user name, password or fragment")]
    Parts,
    /// An address that is not public.
    #[error("is at an address that is not public")]
    Private,
}

/// A URL that a webhook may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target(Url);

impl Target {
    /// Checks all of a URL but what its name resolves to, which is checked at each connection.
    pub fn parse(text: &str, allow_private: bool) -> Result<Self, TargetError> {
        if text.len() > URL_BYTES_MAX {
            return Err(TargetError::Form);
        }
        let url = Url::parse(text).map_err(|_| TargetError::Form)?;
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(TargetError::Parts);
        }
        let host = url.host_str().ok_or(TargetError::Form)?;
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
        let here = host == "localhost" || address.is_some_and(|address| address.is_loopback());
        match url.scheme() {
            "https" => {}
            "http" if allow_private && here => {}
            _ => return Err(TargetError::Scheme),
        }
        // A connection to an address is made without asking for a name.
        let public = address.map_or(host != "localhost", is_public);
        if public || allow_private { Ok(Self(url)) } else { Err(TargetError::Private) }
    }

    /// The URL.
    pub fn url(&self) -> &Url {
        &self.0
    }
}

/// A client that goes where a webhook may, and nowhere else: no proxy, no redirect, one attempt.
pub fn client(settings: Settings) -> Result<reqwest::Client, reqwest::Error> {
    let mut builder = reqwest::Client::builder()
        .timeout(settings.timeout)
        .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout))
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .no_proxy()
        .pool_max_idle_per_host(1)
        .user_agent(concat!("reestr/", env!("CARGO_PKG_VERSION")));
    if !settings.allow_private {
        builder = builder.dns_resolver(Arc::new(Public));
    }
    builder.build()
}

/// A name has no public address.
#[derive(Debug, thiserror::Error)]
#[error("the name has no public address")]
pub struct NotPublic;

/// Resolves names to their public addresses.
struct Public;

impl Resolve for Public {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(NotPublic.into());
            }
            let addresses: Addrs = Box::new(public.into_iter());
            Ok(addresses)
        })
    }
}

/// Is an address one of the public Internet's? By the IANA special-purpose address registries (RFC 6890 and what changed them).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Blocks that are not global: first octets, and bits of the prefix.
const V4_BLOCKS: [([u8; 4], u32); 16] = [
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 52, 193, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 3),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let bits = address.to_bits();
    V4_BLOCKS.iter().all(|(block, prefix)| (bits ^ u32::from_be_bytes(*block)) >> (32 - prefix) != 0)
}

/// Of IPv6 only 2000::/3 is global unicast; within it, what leads elsewhere is left out: Teredo and the other protocol
/// assignments (2001::/23), documentation (2001:db8::/32, 3fff::/20), 6to4 (2002::/16), which may lead to any IPv4 address.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let special = match segments[0] {
        0x2001 => segments[1] < 0x200 || segments[1] == 0xdb8,
        0x2002 => true,
        0x3fff => segments[1] < 0x1000,
        _ => false,
    };
    segments[0] & 0xe000 == 0x2000 && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_addresses_are_public() {
        for public in [
            "8.8.8.8",
            "100.63.0.1",
            "172.32.0.1",
            "192.167.1.1",
            "223.255.255.255",
            "2a00:1450::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "192.0.0.192",
            "198.19.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "100::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[test]
    fn targets_are_https_and_public_unless_allowed() {
        use TargetError::{Form, Parts, Private, Scheme};
        let cases: [(&str, Option<TargetError>, Option<TargetError>); 17] = [
            ("https://receiver.example/hook?a=1", None, None),
            ("https://8.8.8.8/", None, None),
            ("http://receiver.example/", Some(Scheme), Some(Scheme)),
            ("http://127.0.0.1:8080/", Some(Scheme), None),
            ("http://localhost/", Some(Scheme), None),
            ("http://[::1]/", Some(Scheme), None),
            ("http://10.0.0.1/", Some(Scheme), Some(Scheme)),
            ("https://10.0.0.1/", Some(Private), None),
            ("https://localhost/", Some(Private), None),
            ("https://[::1]/", Some(Private), None),
            ("https://[::ffff:127.0.0.1]/", Some(Private), None),
            // Other ways to write 127.0.0.1, which a URL parser makes plain.
            ("https://2130706433/", Some(Private), None),
            ("https://0x7f.1/", Some(Private), None),
            ("https://user:word@receiver.example/", Some(Parts), Some(Parts)),
            ("https://receiver.example/#part", Some(Parts), Some(Parts)),
            ("ftp://receiver.example/", Some(Scheme), Some(Scheme)),
            ("/hook", Some(Form), Some(Form)),
        ];
        for (url, strict, lenient) in cases {
            assert_eq!(Target::parse(url, false).err(), strict, "{url}");
            assert_eq!(Target::parse(url, true).err(), lenient, "{url}, private allowed");
        }
        let long = format!("https://receiver.example/{}", "a".repeat(URL_BYTES_MAX));
        assert_eq!(Target::parse(&long, false).err(), Some(Form));
    }

    /// `localhost` is in the hosts file of every machine: it resolves, and to nothing that is public.
    #[tokio::test]
    async fn a_name_of_this_machine_resolves_to_nothing() {
        let client = client(Settings::default()).unwrap();
        let error = client.get("https://localhost:1/").send().await.unwrap_err();
        let mut chain: Option<&dyn std::error::Error> = Some(&error);
        let mut refused = false;
        while let Some(cause) = chain {
            refused |= cause.is::<NotPublic>();
            chain = cause.source();
        }
        assert!(refused, "{error:?}");
    }
}
