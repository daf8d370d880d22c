//! Statements as a store may keep them: the same JWS in two fifths of its bytes.
//!
//! A payload has one encoding, and most issuers spell the header as we do: of such a statement only what differs from one to the
//! next is kept, and its text is made again from that. Any other is kept as its text. Nothing but a store sees this form.

use uuid::Uuid;

use super::{SignedStatement, Statement, StatementError};
use crate::body::BodyDigest;
use crate::key::Kid;
use crate::time::Timestamp;
use crate::{encoding, jcs};

/// First byte of the packed form; a JWS in compact serialisation begins with a letter or digit.
const PACKED: u8 = 1;

/// Why bytes are neither a packed statement nor the text of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackedError {
    /// Bytes end too soon, or go on after the end.
    #[error("a packed statement has {0} bytes, and not those of its parts")]
    Length(usize),
    /// A part is none.
    #[error("the {0} of a packed statement is none")]
    Part(&'static str),
    /// Text, but of no statement.
    #[error(transparent)]
    Text(#[from] StatementError),
}

impl SignedStatement {
    /// The statement for a store: [`from_packed`](Self::from_packed) gives it back byte for byte.
    pub fn to_packed(&self) -> Vec<u8> {
        self.packed().unwrap_or_else(|| self.text.as_bytes().to_vec())
    }

    fn packed(&self) -> Option<Vec<u8>> {
        let said = &self.statement;
        let kid: [u8; 32] = encoding::b64u_array(self.kid.as_str())?;
        if said.signing_input(&self.kid).as_bytes() != self.signed_bytes() {
            return None;
        }
        let mut packed = Vec::with_capacity(256);
        packed.push(PACKED);
        packed.extend_from_slice(&kid);
        packed.extend_from_slice(&self.signature);
        packed.extend_from_slice(said.body.as_bytes());
        packed.extend_from_slice(said.record.as_bytes());
        packed.extend_from_slice(&said.effective_at.millis().to_be_bytes());
        packed.extend_from_slice(&said.version.to_be_bytes());
        for text in [said.register.as_str(), said.entry_type.as_str(), said.issuer.as_str()] {
            packed.push(u8::try_from(text.len()).ok()?);
            packed.extend_from_slice(text.as_bytes());
        }
        Some(packed)
    }

    /// Reads what [`to_packed`](Self::to_packed) gave. As after [`parse`](Self::parse), the signature is not verified yet.
    pub fn from_packed(bytes: &[u8]) -> Result<Self, PackedError> {
        if bytes.first() != Some(&PACKED) {
            let text = std::str::from_utf8(bytes).map_err(|_| StatementError::Parts)?;
            return Ok(Self::parse(text)?);
        }
        let mut rest = Parts { whole: bytes.len(), rest: &bytes[1..] };
        let kid: Kid = encoding::b64u(rest.array::<32>()?).parse().map_err(|_| PackedError::Part("kid"))?;
        let signature = rest.array()?;
        let body = BodyDigest(rest.array()?);
        let record = Uuid::from_bytes(rest.array()?);
        let effective_at = Timestamp::try_from(i64::from_be_bytes(rest.array()?))
            .map_err(|_| PackedError::Part("effective_at"))?;
        let version = u64::from_be_bytes(rest.array()?);
        if version == 0 || version > jcs::NUMBER_MAX {
            return Err(PackedError::Part("version"));
        }
        let register = rest.name("register")?;
        let entry_type = rest.name("type")?;
        let issuer = rest.name("issuer")?;
        if !rest.rest.is_empty() {
            return Err(PackedError::Length(rest.whole));
        }
        let statement = Statement { register, record, version, entry_type, effective_at, issuer, body };
        let text = statement.signing_input(&kid);
        Ok(statement.with(text, kid, signature))
    }
}

/// What is left to read of packed bytes.
struct Parts<'a> {
    whole: usize,
    rest: &'a [u8],
}

impl<'a> Parts<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], PackedError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(PackedError::Length(self.whole))?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PackedError> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    /// A name with its length before it.
    fn name<T: std::str::FromStr>(&mut self, what: &'static str) -> Result<T, PackedError> {
        let [length] = self.array()?;
        let text = std::str::from_utf8(self.take(usize::from(length))?).ok();
        text.and_then(|text| text.parse().ok()).ok_or(PackedError::Part(what))
    }
}
