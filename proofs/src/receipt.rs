//! Receipts: proof, in one JSON document, that an entry is in a register.
//!
//! [`Receipt::verify`] is for programs that know which keys to ask for; [`examine`] is for people, step by step.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::body::{Salt, digest};
use crate::checkpoint::{self, Checkpoint, CheckpointError};
use crate::encoding;
use crate::hash::leaf_hash;
use crate::jcs::{self, JcsError};
use crate::key::{Kid, PublicKey};
use crate::leaf::{Leaf, LeafError};
use crate::merkle::{ProofError, verify_inclusion};
use crate::note::VerifierKey;
use crate::proof::TlogProof;
use crate::slug::Slug;
use crate::statement::StatementError;
use crate::time::Timestamp;

mod steps;
pub mod text;

pub use steps::{Examination, Outcome, Proven, STEPS, Step, StepName, Verdict, Witnessed, examine};

/// A receipt as it is handed out. Nothing in it is to be believed before [`Self::verify`].
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The leaf's bytes.
    #[serde(with = "leaf_text")]
    pub leaf: Vec<u8>,
    /// Its index in the log.
    pub index: u64,
    /// Its place in the log's tree, and the log's checkpoint.
    pub proof: TlogProof,
    /// The body; `null` when it is withheld or not shown to this reader.
    pub body: Option<Value>,
    /// The body's salt; `null` exactly when the body is.
    pub salt: Option<Salt>,
}

/// What a receipt proves: this leaf is in the log of this checkpoint, and was stated by the key in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedReceipt {
    /// The leaf.
    pub leaf: Leaf,
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Was the body there, and the one that was stated?
    pub body_shown: bool,
}

/// The first thing wrong with a receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not JSON that we take.
    #[error("the receipt is not JSON that we take: {0}")]
    Json(JcsError),
    /// JSON, but not a receipt.
    #[error(
        "the receipt does not have the members leaf, index, proof, body and salt as the format writes them"
    )]
    Members,
    /// The receipt and the proof in it disagree about the leaf's index.
    #[error("the receipt's index is not its proof's")]
    Index,
    /// The checkpoint is not one of the register's log.
    #[error("checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The leaf is not in the checkpoint's tree.
    #[error("inclusion: {0}")]
    Inclusion(#[from] ProofError),
    /// The leaf is in the tree, but is not one.
    #[error("leaf: {0}")]
    Leaf(#[from] LeafError),
    /// The statement is of another register than the log.
    #[error("the statement is of another register than the log")]
    Register,
    /// The issuer had no such key in force when the log took the statement.
    #[error("the issuer had no such key in force at the time")]
    Key,
    /// The statement's signature does not verify.
    #[error("statement: {0}")]
    Statement(#[from] StatementError),
    /// A body without its salt, or a salt without its body.
    #[error("the receipt has only one of body and salt")]
    Salt,
    /// The body has no canonical form.
    #[error("the body is not JSON that we take: {0}")]
    Body(JcsError),
    /// The body is not an object.
    #[error("the body is not a JSON object")]
    BodyKind,
    /// The body is not the one that was stated.
    #[error("the body is not the one that was stated")]
    Digest,
}

impl Receipt {
    /// Reads a receipt strictly: no duplicate names in it or in its body.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReceiptError> {
        let value = jcs::parse(bytes).map_err(ReceiptError::Json)?;
        // serde reads an absent body or salt as null; the format has them always.
        if value.get("body").is_none() || value.get("salt").is_none() {
            return Err(ReceiptError::Members);
        }
        serde_json::from_value(value).map_err(|_| ReceiptError::Members)
    }

    /// Checks the whole chain, offline: leaf hash → path → root in the checkpoint → checkpoint's signature →
    /// statement's signature → digest of the body.
    ///
    /// `log` is the register's verifier key. `key_of` answers which key of the issuer goes by that name and was in force
    /// at that moment (the leaf's `recorded_at`), from the history in the register of departments.
    pub fn verify(
        &self,
        log: &VerifierKey,
        key_of: impl FnOnce(&Slug, &Kid, Timestamp) -> Option<PublicKey>,
    ) -> Result<VerifiedReceipt, ReceiptError> {
        if self.index != self.proof.index {
            return Err(ReceiptError::Index);
        }
        let checkpoint = checkpoint::open(&self.proof.checkpoint, log)?;
        let hash = leaf_hash(&self.leaf);
        verify_inclusion(&hash, self.index, checkpoint.size, &self.proof.path, &checkpoint.root)?;
        let leaf = Leaf::parse(&self.leaf)?;
        let statement = leaf.statement.statement();
        let of_this_log = checkpoint.origin.strip_suffix(statement.register.as_str());
        if !of_this_log.is_some_and(|log_name| log_name.ends_with("/registers/")) {
            return Err(ReceiptError::Register);
        }
        let kid = leaf.statement.kid();
        let key = key_of(&statement.issuer, kid, leaf.recorded_at).ok_or(ReceiptError::Key)?;
        leaf.statement.verify(&key)?;
        let body_shown = match (&self.body, &self.salt) {
            (None, None) => false,
            (Some(body), Some(salt)) => {
                check_body(body, salt, &leaf)?;
                true
            }
            _ => return Err(ReceiptError::Salt),
        };
        Ok(VerifiedReceipt { leaf, checkpoint, body_shown })
    }
}

fn check_body(body: &Value, salt: &Salt, leaf: &Leaf) -> Result<(), ReceiptError> {
    if !body.is_object() {
        return Err(ReceiptError::BodyKind);
    }
    let canonical = jcs::canonical(body).map_err(ReceiptError::Body)?;
    if digest(salt, &canonical) == leaf.statement.statement().body {
        Ok(())
    } else {
        Err(ReceiptError::Digest)
    }
}

/// The body is personal: it is never shown by accident.
impl std::fmt::Debug for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receipt")
            .field("index", &self.index)
            .field("proof", &self.proof)
            .finish_non_exhaustive()
    }
}

mod leaf_text {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::encoding;

    pub(super) fn serialize<S: Serializer>(leaf: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&encoding::b64u(leaf))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        encoding::b64u_decode(&text).ok_or_else(|| D::Error::custom("the leaf is base64url without padding"))
    }
}

#[cfg(test)]
mod tests;
