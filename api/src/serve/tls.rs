//! TLS by rustls: one certificate with its chain, which can be replaced while the server runs.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use proofs::time::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

/// What is spoken, best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why a certificate and a key cannot be served with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// No certificate in the file.
    #[error("the certificate's file has no certificate in PEM (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// No key in the file.
    #[error("the key's file has no private key in PEM (-----BEGIN PRIVATE KEY-----), or it is encrypted")]
    NoKey,
    /// The certificate cannot be read.
    #[error("the certificate cannot be read: its term is not where X.509 has it")]
    Certificate,
    /// The key is not the certificate's, or of a kind that is not taken.
    #[error("the key cannot be used with the certificate: {0}")]
    Key(#[source] rustls::Error),
    /// The provider lacks what TLS needs.
    #[error("TLS: {0}")]
    Config(#[source] rustls::Error),
}

/// TLS for a listener. A clone is another handle on the same.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
}

struct Current(RwLock<(Arc<CertifiedKey>, Timestamp)>);

impl fmt::Debug for Current {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Current")
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner).0))
    }
}

impl Tls {
    /// From PEM: the certificate and its chain, and its key.
    pub fn new(certificate: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let current = Arc::new(Current(RwLock::new(read(certificate, key)?)));
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Config)?
            .with_no_client_auth()
            .with_cert_resolver(current.clone());
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), current })
    }

    /// Whoever connects from now on is shown these. When they are wrong, nothing changes.
    pub fn replace(&self, certificate: &[u8], key: &[u8]) -> Result<(), TlsError> {
        let new = read(certificate, key)?;
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(())
    }

    /// Until when the certificate is good.
    pub fn expires_at(&self) -> Timestamp {
        self.current.0.read().unwrap_or_else(PoisonError::into_inner).1
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }
}

fn read(certificate: &[u8], key: &[u8]) -> Result<(Arc<CertifiedKey>, Timestamp), TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate).collect();
    let chain = chain.map_err(|_| TlsError::NoCertificate)?;
    let first = chain.first().ok_or(TlsError::NoCertificate)?;
    let expires_at = expiry(first).ok_or(TlsError::Certificate)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| TlsError::NoKey)?;
    let provider = aws_lc_rs::default_provider();
    let certified = CertifiedKey::from_der(chain, key, &provider).map_err(TlsError::Key)?;
    Ok((Arc::new(certified), expires_at))
}

const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// `[0] EXPLICIT Version`.
const VERSION: u8 = 0xa0;

/// `notAfter` (RFC 5280 section 4.1): the fourth member of the signed part, not counting its version, is the term. No more than that
/// is read; rustls has the rest.
fn expiry(certificate: &[u8]) -> Option<Timestamp> {
    let (SEQUENCE, certificate, _) = element(certificate)? else { return None };
    let (SEQUENCE, mut rest, _) = element(certificate)? else { return None };
    if let (VERSION, _, after) = element(rest)? {
        rest = after;
    }
    // Serial number, algorithm, issuer.
    for _ in 0..3 {
        rest = element(rest)?.2;
    }
    let (SEQUENCE, term, _) = element(rest)? else { return None };
    let (_, _, until) = element(term)?;
    let (kind, digits, _) = element(until)?;
    let digits = std::str::from_utf8(digits).ok()?.strip_suffix('Z')?;
    let digits = match kind {
        // Years from 1950 (RFC 5280 section 4.1.2.5.1).
        UTC_TIME if digits >= "50" => format!("19{digits}"),
        UTC_TIME => format!("20{digits}"),
        GENERALIZED_TIME => digits.to_owned(),
        _ => return None,
    };
    let part = |from: usize, to: usize| digits.get(from..to);
    let (date, time) = (
        format!("{}-{}-{}", part(0, 4)?, part(4, 6)?, part(6, 8)?),
        format!("{}:{}:{}.000Z", part(8, 10)?, part(10, 12)?, part(12, 14)?),
    );
    format!("{date}T{time}").parse().ok()
}

/// One element of DER: its tag, what is in it, and what comes after.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, length], rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        // 0x80 is of no length, which DER has not.
        0x81..=0x84 => {
            let (more, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (more.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (inside, after) = rest.split_at_checked(length)?;
    Some((tag, inside, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(tag: u8, inside: &[&[u8]]) -> Vec<u8> {
        let inside = inside.concat();
        let length = u8::try_from(inside.len()).expect("it is short");
        [vec![tag, 0x81, length], inside].concat()
    }

    fn certificate(until: &[u8]) -> Vec<u8> {
        let term = sequence(SEQUENCE, &[&sequence(UTC_TIME, &[b"260101000000Z"]), until]);
        let empty = sequence(SEQUENCE, &[]);
        let version = sequence(VERSION, &[&[2, 1, 2]]);
        let signed = sequence(SEQUENCE, &[&version, &[2, 1, 7], &empty, &empty, &term, &empty]);
        sequence(SEQUENCE, &[&signed, &empty])
    }

    #[test]
    fn a_term_is_read_in_either_form_and_nothing_else_is() {
        for (kind, digits, said) in [
            (UTC_TIME, "270301123456Z", Some("2027-03-01T12:34:56.000Z")),
            (UTC_TIME, "500301123456Z", Some("1950-03-01T12:34:56.000Z")),
            (GENERALIZED_TIME, "20510301123456Z", Some("2051-03-01T12:34:56.000Z")),
            (GENERALIZED_TIME, "20511301123456Z", None),
            (UTC_TIME, "2703011234Z", None),
            (4, "270301123456Z", None),
        ] {
            let whole = certificate(&sequence(kind, &[digits.as_bytes()]));
            assert_eq!(expiry(&whole).map(|time| time.to_string()).as_deref(), said, "{digits}");
            for cut in 0..whole.len() {
                assert_eq!(expiry(&whole[..cut]), None, "{cut} bytes of it");
            }
        }
    }

    #[test]
    fn what_is_not_there_is_said() {
        assert!(matches!(Tls::new(b"", b""), Err(TlsError::NoCertificate)));
        assert!(matches!(Tls::new(b"-----BEGIN CERTIFICATE-----\nAA\n", b""), Err(TlsError::NoCertificate)));
    }
}
