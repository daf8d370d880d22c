//! The keys of an installation with their terms, in one document: what a reader of receipts trusts.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::checkpoint;
use crate::jcs::{self, JcsError};
use crate::key::{Jwk, Kid, PublicKey};
use crate::note::{KeyType, VerifierKey};
use crate::policy::{Policy, PolicyFault};
use crate::slug::Slug;
use crate::time::Timestamp;

/// All keys that there ever were, as `GET /v1/keys` and `reestr audit --keys-out` write them. It proves nothing by itself:
/// whoever verifies with it trusts it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keyring {
    /// What the origins of the installation's checkpoints begin with.
    pub log_name: String,
    /// Keys of registers.
    pub registers: Vec<RegisterKeys>,
    /// Keys of departments.
    pub departments: Vec<DepartmentKeys>,
    /// Text of a C2SP tlog-policy, where the installation has witnesses.
    pub witness_policy: Option<String>,
}

/// The keys of one register, in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterKeys {
    /// The register.
    pub register: Slug,
    /// Its keys.
    pub keys: Vec<RegisterKey>,
}

/// A key that signs checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterKey {
    /// The key, as a C2SP vkey.
    pub vkey: VerifierKey,
    /// When it came into force.
    pub from: Timestamp,
    /// When it went out of force; nothing while it is in force.
    pub until: Option<Timestamp>,
    /// Since when what it signed proves nothing, where it was declared compromised.
    pub compromised_since: Option<Timestamp>,
}

/// The keys of one department, in the order in which they were enrolled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepartmentKeys {
    /// The department.
    pub department: Slug,
    /// Its keys.
    pub keys: Vec<DepartmentKey>,
}

/// A key that signs statements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DepartmentKey {
    /// The key.
    pub jwk: Jwk,
    /// When it came into force.
    pub from: Timestamp,
    /// When it went out of force; nothing while it is in force.
    pub until: Option<Timestamp>,
    /// Since when what it signed is doubtful, where it was declared compromised.
    pub compromised_since: Option<Timestamp>,
}

/// Characters of serde's message that are told.
const MESSAGE_CHARACTERS_MAX: usize = 200;

/// What serde says is wrong. It quotes the document, which is another's and may be long, and must not steer a terminal.
fn shown(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.chars().take(MESSAGE_CHARACTERS_MAX).map(|c| if c.is_control() { '\u{FFFD}' } else { c }).collect()
}

/// Why a document is no keyring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Not JSON that we take.
    #[error("the keys are not JSON that we take: {0}")]
    Json(JcsError),
    /// JSON, but not a keyring.
    #[error("the keys do not have the members that the format gives GET /v1/keys: {0}")]
    Members(String),
    /// A key of a register bears another name than its log, or is not one that logs sign with.
    #[error("a key of register {0} has not the name of the register's log, or not the type of a log's key")]
    Name(Slug),
    /// A register or a department stands twice: which of the two would rule?
    #[error("{0} stands twice among the keys")]
    Twice(Slug),
    /// A key of a department is refused.
    #[error("a key of department {0} is not a public Ed25519 key")]
    Key(Slug),
    /// The policy is none.
    #[error("the witness policy: {0}")]
    Policy(#[from] PolicyFault),
}

impl DepartmentKey {
    /// Was it in force at this moment? Terms include both their ends.
    pub fn in_force(&self, at: Timestamp) -> bool {
        self.from <= at && self.until.is_none_or(|until| at <= until)
    }
}

impl Keyring {
    /// Reads a keyring strictly.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyringError> {
        let value = jcs::parse(bytes).map_err(KeyringError::Json)?;
        let keyring: Self =
            serde_json::from_value(value).map_err(|error| KeyringError::Members(shown(&error)))?;
        keyring.check()?;
        keyring.policy()?;
        Ok(keyring)
    }

    fn check(&self) -> Result<(), KeyringError> {
        let mut seen = BTreeSet::new();
        for RegisterKeys { register, keys } in &self.registers {
            if !seen.insert(register) {
                return Err(KeyringError::Twice(register.clone()));
            }
            let origin = checkpoint::origin(&self.log_name, register);
            let fits = |key: &VerifierKey| key.name() == origin && key.key_type() == KeyType::Ed25519;
            if keys.iter().any(|key| !fits(&key.vkey)) {
                return Err(KeyringError::Name(register.clone()));
            }
        }
        seen.clear();
        for DepartmentKeys { department, keys } in &self.departments {
            if !seen.insert(department) {
                return Err(KeyringError::Twice(department.clone()));
            }
            if keys.iter().any(|key| key.jwk.public_key().is_err()) {
                return Err(KeyringError::Key(department.clone()));
            }
        }
        Ok(())
    }

    /// The installation's rule on witnesses.
    pub fn policy(&self) -> Result<Option<Policy>, PolicyFault> {
        self.witness_policy.as_deref().map(str::parse).transpose()
    }

    /// The keys of a register; none when it is not known.
    pub fn register(&self, register: &Slug) -> &[RegisterKey] {
        let found = self.registers.iter().find(|keys| keys.register == *register);
        found.map(|found| found.keys.as_slice()).unwrap_or_default()
    }

    /// A department's key, in force or not.
    pub fn department(&self, department: &Slug, kid: &Kid) -> Option<(&DepartmentKey, PublicKey)> {
        let found = self.departments.iter().find(|keys| keys.department == *department)?;
        let keys = found.keys.iter().filter_map(|key| Some((key, key.jwk.public_key().ok()?)));
        keys.into_iter().find(|(_, public)| public.kid() == *kid)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::key::PrivateKey;
    use crate::note::NoteSigner;

    fn vkey(name: &str) -> String {
        NoteSigner::new(name, PrivateKey::from_seed(&[2; 32])).unwrap().verifier().to_string()
    }

    fn document() -> Value {
        let jwk = PrivateKey::from_seed(&[1; 32]).public().jwk();
        let term = |key: &str, value: Value| json!({key: value, "from": "2026-01-01T00:00:00.000Z", "until": null, "compromised_since": null});
        json!({
            "log_name": "example.gov",
            "registers": [{"register": "fines", "keys": [term("vkey", vkey("example.gov/registers/fines").into())]}],
            "departments": [{"department": "gibdd", "keys": [term("jwk", serde_json::to_value(jwk).unwrap())]}],
            "witness_policy": null,
        })
    }

    fn parse(document: &Value) -> Result<Keyring, KeyringError> {
        Keyring::parse(document.to_string().as_bytes())
    }

    #[test]
    fn what_is_read_is_written_again() {
        let keyring = parse(&document()).unwrap();
        assert_eq!(serde_json::to_value(&keyring).unwrap(), document());
        let kid = PrivateKey::from_seed(&[1; 32]).kid();
        let gibdd = "gibdd".parse().unwrap();
        let (key, public) = keyring.department(&gibdd, &kid).unwrap();
        assert_eq!(public.kid(), kid);
        assert!(key.in_force(key.from) && !key.in_force(key.from.plus_millis(-1)));
        assert_eq!(keyring.register(&"fines".parse().unwrap()).len(), 1);
        assert!(keyring.register(&gibdd).is_empty());
    }

    #[test]
    fn a_keyring_that_could_be_read_in_two_ways_is_refused() {
        let refuse = |change: &dyn Fn(&mut Value)| {
            let mut document = document();
            change(&mut document);
            parse(&document).expect_err("refused")
        };
        let fines = || "fines".parse::<Slug>().unwrap();
        assert!(matches!(refuse(&|d| d["more"] = json!(1)), KeyringError::Members(_)));
        let steering = format!("\u{1b}[2J{}", "x".repeat(1_000));
        let told = refuse(&|d| d[&steering] = json!(1)).to_string();
        assert!(told.contains("\u{FFFD}[2Jxxx") && told.chars().count() < 300, "{told:?}");
        assert!(matches!(
            refuse(&|d| d["registers"][0]["keys"][0]["until"] = json!("now")),
            KeyringError::Members(_)
        ));
        let other = vkey("example.gov/registers/debts");
        assert_eq!(
            refuse(&|d| d["registers"][0]["keys"][0]["vkey"] = json!(other)),
            KeyringError::Name(fines())
        );
        let twice = |list: &str, d: &mut Value| {
            let first = d[list][0].clone();
            d[list].as_array_mut().unwrap().push(first);
        };
        assert_eq!(refuse(&|d| twice("registers", d)), KeyringError::Twice(fines()));
        assert_eq!(refuse(&|d| twice("departments", d)), KeyringError::Twice("gibdd".parse().unwrap()));
        let bad = |d: &mut Value| d["departments"][0]["keys"][0]["jwk"]["x"] = json!("AAAA");
        assert_eq!(refuse(&bad), KeyringError::Key("gibdd".parse().unwrap()));
        assert!(matches!(refuse(&|d| d["witness_policy"] = json!("quorum")), KeyringError::Policy(_)));
        let twice = document().to_string().replacen("\"log_name\"", "\"log_name\":\"a\",\"log_name\"", 1);
        assert!(matches!(
            Keyring::parse(twice.as_bytes()),
            Err(KeyringError::Json(JcsError::DuplicateName { .. }))
        ));
    }
}
