//! Why the registry did not do what it was asked.

use domain::Fault;
use domain::record::RecordError;
use eventstore::StoreError;
use proofs::key::Kid;
use proofs::slug::Slug;
use uuid::Uuid;

/// Why an append was refused, and which entry of the list is at fault.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// Index in the request's list, from 0, where one entry is at fault.
    pub entry: Option<usize>,
    /// Why.
    #[source]
    pub reason: Reason,
}

/// The reasons. No text of theirs has anything of a body in it.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// No register has this name.
    #[error("there is no register {0}")]
    UnknownRegister(Slug),
    /// No department has this name.
    #[error("there is no department {0}")]
    UnknownDepartment(Slug),
    /// The department does not own the register.
    #[error("register {register} belongs to {owner}, not to {department}")]
    ForeignRegister {
        /// The register.
        register: Slug,
        /// Its owner.
        owner: Slug,
        /// Who tried.
        department: Slug,
    },
    /// The key is not one of the issuer's in force.
    #[error("key {kid} of {issuer} is not in force")]
    KeyNotInForce {
        /// The issuer.
        issuer: Slug,
        /// The key.
        kid: Kid,
    },
    /// The platform holds no key with which it could sign for the department.
    #[error("the platform holds no key of {0} that is in force: send statements that the department signed")]
    NoKeyHeld(Slug),
    /// No entries, or too many.
    #[error("a request has 1 to 1,000 entries")]
    Count,
    /// The body is too large.
    #[error("a body has at most 256 KiB in canonical form")]
    BodyTooLarge,
    /// The idempotency key is empty or too long.
    #[error("an idempotency key has 1 to 255 visible ASCII characters")]
    IdempotencyKey,
    /// The statement does not hold.
    #[error("{0}")]
    Statement(String),
    /// A rule of the register's, or of records altogether.
    #[error(transparent)]
    Rule(Box<RecordError>),
    /// The body has faults that only the platform can see.
    #[error("the body has {} fault(s)", .0.len())]
    Rules(Vec<Fault>),
    /// A register's key is not one that the platform made for it.
    #[error("the platform signs checkpoints: leave the key out, and it makes one")]
    CheckpointKey,
    /// The record is at another version.
    #[error("the record is at version {found}")]
    Version {
        /// The record.
        record: Uuid,
        /// The version it is at.
        found: u64,
    },
    /// `If-Match` does not hold.
    #[error("the record is at version {found}")]
    Precondition {
        /// The version it is at.
        found: u64,
    },
    /// Another record has the official number.
    #[error("the official number belongs to another record of the register")]
    Number,
    /// The idempotency key was used for other content.
    #[error("the idempotency key was used for other content")]
    Idempotency,
    /// The store is a mirror.
    #[error("this is a mirror, which takes no entries: append to the installation that it mirrors")]
    Mirror,
    /// Too much is waiting.
    #[error("too much is waiting to be appended")]
    Overloaded {
        /// When to try again.
        retry_after_seconds: u64,
    },
    /// A fault of the store.
    #[error("the store failed")]
    Store(#[source] StoreError),
    /// What is stored contradicts itself.
    #[error("what is stored contradicts itself: {0}")]
    Corrupt(String),
}

impl From<Reason> for Refusal {
    fn from(reason: Reason) -> Self {
        Self { entry: None, reason }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Reason::Store(error).into()
    }
}

impl Reason {
    /// The faults of the body, each with its pointer into it; none for what is not about the body.
    pub fn faults(&self) -> Vec<Fault> {
        match self {
            Self::Rule(error) => error.faults(),
            Self::Rules(faults) => faults.clone(),
            _ => Vec::new(),
        }
    }

    /// At this entry of the list.
    pub fn at(self, entry: usize) -> Refusal {
        Refusal { entry: Some(entry), reason: self }
    }
}
