//! Asking witnesses: of each register the newest checkpoint is shown to them, and published once enough have cosigned it.
//!
//! A process of its own beside the API ([`Publisher`]), for which one server at a time has a lease. What it publishes never goes back,
//! lease or not ([`eventstore::Store::publish`]). A register of which a witness knows more than the store has, or something
//! else, was rolled back or forked: nothing of it is published until that is cleared up.
//!
//! The first time that a server asks about a register it hears every witness before it publishes, also where the policy asks for
//! none: a store that was put back to last week is found out before it says anything new.

mod ask;
mod backoff;
mod publisher;
mod round;
mod rows;

pub use publisher::Publisher;
pub use rows::{Fault, Faulty};

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eventstore::{Store, StoreError};
use proofs::policy::Policy;
use proofs::slug::Slug;
use tokio::sync::watch;

/// How the asking behaves.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// A witness that has not answered by then is away.
    pub patience: Duration,
    /// Once enough have cosigned, the others get so long.
    pub linger: Duration,
    /// Between looks at what there is to ask, when nothing is appended; and between two looks at most.
    pub tick: Duration,
    /// So long one server asks and no other, unless it goes on.
    pub lease: Duration,
    /// The first pause after a witness was away; it doubles with each.
    pub first_pause: Duration,
    /// The longest.
    pub longest_pause: Duration,
    /// An append that wants its receipt waits so long for its publication.
    pub append_wait: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(5),
            linger: Duration::from_secs(1),
            tick: Duration::from_millis(500),
            lease: Duration::from_secs(10),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_mins(1),
            append_wait: Duration::from_secs(5),
        }
    }
}

/// What a server knows of its witnesses. Cheap to clone.
#[derive(Clone)]
pub struct Witnesses(Arc<Inner>);

struct Inner {
    text: String,
    policy: Policy,
    options: Options,
    published: watch::Sender<u64>,
    answers: Mutex<BTreeMap<(String, &'static str), u64>>,
}

/// Between looks at whether another server has published what is waited for.
const LOOK: Duration = Duration::from_millis(100);

/// Why a policy is none to publish by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// It cannot be read.
    #[error(transparent)]
    Policy(#[from] proofs::policy::PolicyFault),
    /// A witness without an address.
    #[error("the witness {0} has no URL: its submission prefix goes after its key")]
    NoUrl(String),
    /// An address that is none.
    #[error("the URL of the witness {0} is not http:// or https:// and a host")]
    Url(String),
}

impl Witnesses {
    /// By the text of a policy, each of whose witnesses has its submission prefix as URL.
    pub fn new(text: String, options: Options) -> Result<Self, SettingError> {
        let policy: Policy = text.parse()?;
        for witness in policy.witnesses() {
            let url = witness.url.as_deref().ok_or_else(|| SettingError::NoUrl(witness.name.clone()))?;
            let fits = reqwest::Url::parse(url)
                .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            if !fits {
                return Err(SettingError::Url(witness.name.clone()));
            }
        }
        let (published, _) = watch::channel(0);
        Ok(Self(Arc::new(Inner { text, policy, options, published, answers: Mutex::default() })))
    }

    /// The policy, as it was written.
    pub fn policy_text(&self) -> &str {
        &self.0.text
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    fn options(&self) -> Options {
        self.0.options
    }

    /// Waits until a register shows a checkpoint of so many entries, as long as an append may wait; false when it does not.
    pub async fn wait(&self, store: &Store, register: &Slug, size: u64) -> Result<bool, StoreError> {
        let mut published = self.0.published.subscribe();
        let deadline = tokio::time::Instant::now() + self.0.options.append_wait;
        loop {
            published.mark_unchanged();
            if store.published(register).await?.is_some_and(|shown| shown.size >= size) {
                return Ok(true);
            }
            tokio::select! {
                // This server's own; another's is seen by looking.
                _ = published.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
                () = tokio::time::sleep_until(deadline) => return Ok(false),
            }
        }
    }

    /// The registers that were rolled back or forked, as the witnesses of the policy said last.
    pub async fn faulty(&self, store: &Store) -> Result<Vec<Faulty>, StoreError> {
        rows::faulty(store, &self.0.policy).await
    }

    /// What witnesses answered to this process, by witness and kind of answer.
    pub fn answers(&self) -> BTreeMap<(String, &'static str), u64> {
        self.0.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self, witness: &str, answer: &'static str) {
        let mut answers = self.0.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *answers.entry((witness.to_owned(), answer)).or_default() += 1;
    }

    fn tell(&self) {
        self.0.published.send_modify(|count| *count += 1);
    }
}
