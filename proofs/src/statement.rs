//! Statements: who says it, and of what; a JWS (RFC 7515) that the issuing department signs.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::body::BodyDigest;
use crate::key::{Kid, PrivateKey, PublicKey};
use crate::signer::{SignError, Signer, signed};
use crate::slug::{EntryType, Slug};
use crate::time::Timestamp;
use crate::{encoding, jcs};

mod packed;

pub use packed::PackedError;

/// The `typ` of a statement: the version of the whole format.
pub const TYP: &str = "reestr-statement.v1+jws";

/// The only `alg`.
pub const ALG: &str = "EdDSA";

/// So long a statement still makes a leaf of [`crate::leaf::LEAF_BYTES_MAX`]. A statement as we write it has under 1,000 bytes;
/// the rest is room for a header that another issuer's software spells out.
pub const STATEMENT_BYTES_MAX: usize = crate::leaf::LEAF_BYTES_MAX - crate::leaf::FRAME_BYTES;

/// What a department states: that this entry is the given version of the given record. Holds no personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The register.
    pub register: Slug,
    /// The record, an opaque identifier.
    pub record: Uuid,
    /// The record's version that this entry makes: 1, 2, 3, … without gaps; at most 2^53−1.
    pub version: u64,
    /// `type`: one of those that the register's definition in force allows.
    pub entry_type: EntryType,
    /// From when it has legal effect.
    pub effective_at: Timestamp,
    /// The department.
    pub issuer: Slug,
    /// Digest of the body.
    pub body: BodyDigest,
}

/// A statement as its issuer sent it, byte for byte, and what it says. Well formed; not yet [verified](Self::verify).
#[derive(Clone, PartialEq, Eq)]
pub struct SignedStatement {
    text: Box<str>,
    kid: Kid,
    statement: Statement,
    signature: [u8; 64],
}

/// Why a text is not a statement, or not one of the key's holder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    /// Longer than [`STATEMENT_BYTES_MAX`].
    #[error("a statement has at most {STATEMENT_BYTES_MAX} bytes")]
    TooLong,
    /// Not three parts with a dot between.
    #[error("a statement is a JWS in compact serialisation: three parts with a dot between")]
    Parts,
    /// A part is not in strict base64url.
    #[error("the {0} is not base64url without padding")]
    Base64(&'static str),
    /// A part is not JSON.
    #[error("the {part} is not JSON that we take: {error}")]
    Json {
        /// `protected header` or `payload`.
        part: &'static str,
        /// What is wrong with it.
        error: jcs::JcsError,
    },
    /// A part is JSON, but no object.
    #[error("the {0} is not a JSON object")]
    NotAnObject(&'static str),
    /// `crit` names extensions; the format has none.
    #[error("the protected header has a crit; no extension is understood")]
    Critical,
    /// A member that the format does not know.
    #[error("the {part} has a member that the format does not know: {name}")]
    UnknownMember {
        /// `protected header` or `payload`.
        part: &'static str,
        /// Its name, cut to 32 characters, and without control characters.
        name: String,
    },
    /// A member that must be there is not.
    #[error("the {part} lacks {name}")]
    MissingMember {
        /// `protected header` or `payload`.
        part: &'static str,
        /// Its name.
        name: &'static str,
    },
    /// The `alg` is not [`ALG`]: `none` least of all.
    #[error("the alg is not {ALG}")]
    Algorithm,
    /// The `typ` is not [`TYP`].
    #[error("the typ is not {TYP}")]
    Type,
    /// The `kid` is no RFC 7638 thumbprint.
    #[error("the kid is not an RFC 7638 thumbprint")]
    Kid,
    /// A member of the payload is not what the format says.
    #[error("the payload's {name} is not {wanted}")]
    Member {
        /// Its name.
        name: &'static str,
        /// What the format says.
        wanted: &'static str,
    },
    /// The payload says the right things, but not in canonical form.
    #[error("the payload is not in canonical form (RFC 8785)")]
    NotCanonical,
    /// The key checked with is not the one that `kid` names.
    #[error("the statement was signed with another key")]
    OtherKey,
    /// The signature is not of these bytes under this key.
    #[error("the signature does not verify")]
    Signature,
}

/// Which statement of a batch is bad, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("statement {index} of the batch: {error}")]
pub struct BatchError {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// What is wrong with it.
    #[source]
    pub error: StatementError,
}

const HEADER: &str = "protected header";
const PAYLOAD: &str = "payload";

impl Statement {
    /// The payload: JCS of the seven members. None of them needs an escape, so the order is all there is to it.
    ///
    /// A `version` of 0 or past 2^53−1 makes a statement that no one will take.
    pub fn payload(&self) -> String {
        let mut text = String::with_capacity(512);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            r#"{{"body":"{}","effective_at":"{}","issuer":"{}","record":"{}","register":"{}","type":"{}","version":{}}}"#,
            self.body,
            self.effective_at,
            self.issuer,
            self.record.as_hyphenated(),
            self.register,
            self.entry_type,
            self.version
        );
        text
    }

    /// Signs the statement with a key at hand.
    pub fn sign(&self, key: &PrivateKey) -> SignedStatement {
        let kid = key.kid();
        let text = self.signing_input(&kid);
        let signature = key.sign(text.as_bytes());
        self.clone().with(text, kid, signature)
    }

    /// Has the statement signed.
    pub fn sign_by(&self, signer: &dyn Signer) -> Result<SignedStatement, SignError> {
        let kid = signer.public().kid();
        let text = self.signing_input(&kid);
        let signature = signed(signer, text.as_bytes())?;
        Ok(self.clone().with(text, kid, signature))
    }

    /// What is signed: header and payload, with the dot between them.
    fn signing_input(&self, kid: &Kid) -> String {
        let header = format!(r#"{{"alg":"{ALG}","kid":"{kid}","typ":"{TYP}"}}"#);
        let mut text = String::with_capacity(1024);
        encoding::b64u_onto(header, &mut text);
        text.push('.');
        encoding::b64u_onto(self.payload(), &mut text);
        text
    }

    fn with(self, mut text: String, kid: Kid, signature: [u8; 64]) -> SignedStatement {
        text.push('.');
        encoding::b64u_onto(signature, &mut text);
        SignedStatement { text: text.into(), kid, statement: self, signature }
    }
}

impl SignedStatement {
    /// Reads a statement and checks everything but the signature.
    pub fn parse(text: &str) -> Result<Self, StatementError> {
        if text.len() > STATEMENT_BYTES_MAX {
            return Err(StatementError::TooLong);
        }
        let mut parts = text.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(StatementError::Parts);
        };
        let header = encoding::b64u_decode(header).ok_or(StatementError::Base64(HEADER))?;
        let payload = encoding::b64u_decode(payload).ok_or(StatementError::Base64(PAYLOAD))?;
        let signature = encoding::b64u_array(signature).ok_or(StatementError::Base64("signature"))?;
        let kid = parse_header(&header)?;
        let statement = parse_payload(&payload)?;
        Ok(Self { text: text.into(), kid, statement, signature })
    }

    /// The JWS, byte for byte as the issuer sent it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The key that the issuer says it signed with.
    pub fn kid(&self) -> &Kid {
        &self.kid
    }

    /// What is stated.
    pub fn statement(&self) -> &Statement {
        &self.statement
    }

    /// Checks the signature. That the key was `issuer`'s, and in force, is for the caller to know.
    pub fn verify(&self, key: &PublicKey) -> Result<(), StatementError> {
        if key.kid() != self.kid {
            return Err(StatementError::OtherKey);
        }
        if key.verify(self.signed_bytes(), &self.signature) { Ok(()) } else { Err(StatementError::Signature) }
    }

    /// What the signature is of (RFC 7515 section 5.2 step 8): all before the last dot.
    fn signed_bytes(&self) -> &[u8] {
        let end = self.text.rfind('.').unwrap_or(self.text.len());
        &self.text.as_bytes()[..end]
    }
}

/// Checks the signatures of many statements; the first bad one is named.
///
/// One by one, as [`PublicKey::verify`] says why: a batch must not be able to take what its members alone would not.
pub fn verify_batch(batch: &[(&SignedStatement, PublicKey)]) -> Result<(), BatchError> {
    batch.iter().enumerate().try_for_each(|(index, (statement, key))| {
        statement.verify(key).map_err(|error| BatchError { index, error })
    })
}

/// The header's members. Read directly, without a tree; when that fails, [`explain_header`] looks for the reason.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

fn parse_header(bytes: &[u8]) -> Result<Kid, StatementError> {
    // serde would take an array of three strings as well.
    let header = match serde_json::from_slice::<Header>(bytes) {
        Ok(header) if bytes.trim_ascii_start().starts_with(b"{") => header,
        _ => return Err(explain_header(bytes)),
    };
    if header.alg != ALG {
        return Err(StatementError::Algorithm);
    }
    if header.typ != TYP {
        return Err(StatementError::Type);
    }
    header.kid.parse().map_err(|_| StatementError::Kid)
}

fn explain_header(bytes: &[u8]) -> StatementError {
    let members = match jcs::parse(bytes) {
        Ok(Value::Object(members)) => members,
        Ok(_) => return StatementError::NotAnObject(HEADER),
        Err(error) => return StatementError::Json { part: HEADER, error },
    };
    if members.contains_key("crit") {
        return StatementError::Critical;
    }
    if let Err(error) = check_names(HEADER, &["alg", "kid", "typ"], &members) {
        return error;
    }
    // All three are there, and no other: one of them is no string.
    match (members.get("alg"), members.get("typ")) {
        (Some(Value::String(_)), Some(Value::String(_))) => StatementError::Kid,
        (Some(Value::String(_)), _) => StatementError::Type,
        _ => StatementError::Algorithm,
    }
}

const MEMBERS: [&str; 7] = ["body", "effective_at", "issuer", "record", "register", "type", "version"];

fn check_names(
    part: &'static str,
    known: &[&'static str],
    members: &serde_json::Map<String, Value>,
) -> Result<(), StatementError> {
    if let Some(name) = members.keys().find(|name| !known.contains(&name.as_str())) {
        // Others' bytes in a message that ends on a terminal: nothing in it may steer one.
        let shown = name.chars().take(32).map(|c| if c.is_control() { '\u{FFFD}' } else { c });
        return Err(StatementError::UnknownMember { part, name: shown.collect() });
    }
    match known.iter().find(|name| !members.contains_key(**name)) {
        Some(name) => Err(StatementError::MissingMember { part, name }),
        None => Ok(()),
    }
}

/// The payload's members, borrowed: a canonical payload has no escapes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Payload<'a> {
    #[serde(borrow)]
    body: &'a str,
    effective_at: &'a str,
    issuer: &'a str,
    record: &'a str,
    register: &'a str,
    r#type: &'a str,
    version: u64,
}

fn parse_payload(bytes: &[u8]) -> Result<Statement, StatementError> {
    let Ok(payload) = serde_json::from_slice::<Payload<'_>>(bytes) else {
        return Err(explain_payload(bytes));
    };
    let statement = payload.read()?;
    // A statement has one encoding, so this also refuses white space, another order, and an array for an object.
    if statement.payload().as_bytes() == bytes { Ok(statement) } else { Err(StatementError::NotCanonical) }
}

impl Payload<'_> {
    fn read(&self) -> Result<Statement, StatementError> {
        fn member<T: FromStr>(
            name: &'static str,
            text: &str,
            wanted: &'static str,
        ) -> Result<T, StatementError> {
            text.parse().map_err(|_| StatementError::Member { name, wanted })
        }
        const RECORD: StatementError =
            StatementError::Member { name: "record", wanted: "a UUID in lower case" };
        let record = Uuid::try_parse(self.record).map_err(|_| RECORD)?;
        if record.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()) != self.record {
            return Err(RECORD);
        }
        if self.version == 0 || self.version > jcs::NUMBER_MAX {
            return Err(VERSION);
        }
        Ok(Statement {
            register: member("register", self.register, "a slug")?,
            record,
            version: self.version,
            entry_type: member("type", self.r#type, "an entry type")?,
            effective_at: member("effective_at", self.effective_at, "a time as YYYY-MM-DDTHH:MM:SS.mmmZ")?,
            issuer: member("issuer", self.issuer, "a slug")?,
            body: member("body", self.body, "32 bytes in base64url")?,
        })
    }
}

const VERSION: StatementError =
    StatementError::Member { name: "version", wanted: "a whole number from 1 to 2^53-1" };

fn explain_payload(bytes: &[u8]) -> StatementError {
    let members = match jcs::parse(bytes) {
        Ok(Value::Object(members)) => members,
        Ok(_) => return StatementError::NotAnObject(PAYLOAD),
        Err(error) => return StatementError::Json { part: PAYLOAD, error },
    };
    if let Err(error) = check_names(PAYLOAD, &MEMBERS, &members) {
        return error;
    }
    let is_text = |name: &str| members.get(name).is_some_and(Value::is_string);
    match MEMBERS.iter().find(|name| **name != "version" && !is_text(name)) {
        Some(name) => StatementError::Member { name, wanted: "a string" },
        None if !members.get("version").is_some_and(Value::is_u64) => VERSION,
        // Only an escape in a string is left, which the canonical form would not have.
        None => StatementError::NotCanonical,
    }
}

impl fmt::Display for SignedStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for SignedStatement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedStatement")
            .field("kid", &self.kid)
            .field("statement", &self.statement)
            .finish_non_exhaustive()
    }
}

impl FromStr for SignedStatement {
    type Err = StatementError;

    fn from_str(text: &str) -> Result<Self, StatementError> {
        Self::parse(text)
    }
}

encoding::serde_as_text!(SignedStatement);

#[cfg(test)]
mod tests;
