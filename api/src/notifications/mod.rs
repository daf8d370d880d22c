//! What a person is notified of, how, and when: their settings, and what entries give a gateway to tell.
//!
//! Reestr sends no message to a person itself: the operator registers a webhook for a channel, and its receiver does. A legally
//! significant notice is served by its appearance in the account; what is here only reminds, and quiet hours only delay that.

mod quiet;
mod settings;

pub use quiet::{Moment, Offset, QuietHours};
pub use settings::{ChannelSetting, Channels, Settings, read, write};

use std::collections::BTreeSet;

use domain::definition::Kind as RegisterKind;
use domain::platform::{ACCESSES, OFFERS, REQUESTS};
use eventstore::{Store, StoreError};
use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::feeds::Fact;
use crate::webhooks::{Channel, Queued};

/// What a person may be notified of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A service is proposed.
    Offer,
    /// A notice was placed in the account.
    Notice,
    /// An application has moved on.
    Request,
    /// The department has answered why it looked.
    AccessAnswer,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Offer, Self::Notice, Self::Request, Self::AccessAnswer];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Offer => "offer",
            Self::Notice => "notice",
            Self::Request => "request",
            Self::AccessAnswer => "access-answer",
        }
    }

    /// From its word.
    pub fn read(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// What the person is told, in Russian and English: that there is something, and nothing of what it is.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Offer => (
                "Вам предложена услуга: посмотрите в личном кабинете.",
                "A service is proposed to you: see your account.",
            ),
            Self::Notice => (
                "Вам направлено извещение: прочитайте его в личном кабинете.",
                "A notice was placed in your account: read it there.",
            ),
            Self::Request => (
                "Состояние вашего заявления изменилось: посмотрите в личном кабинете.",
                "Your application has moved on: see your account.",
            ),
            Self::AccessAnswer => (
                "На ваш вопрос об обращении к вашим данным ответили: прочитайте в личном кабинете.",
                "Your question why your data were looked at is answered: read it in your account.",
            ),
        }
    }

    /// What an entry is to those whom it concerns. What they did themselves is no news to them.
    fn of(fact: &Fact) -> Option<Self> {
        let statement = fact.entry.statement.statement();
        let entry_type = statement.entry_type.as_str();
        let register = fact.entry.register.as_str();
        if register == OFFERS {
            return (statement.version == 1).then_some(Self::Offer);
        }
        if register == REQUESTS {
            return (statement.version > 1 && entry_type != "withdrawn").then_some(Self::Request);
        }
        if register == ACCESSES {
            return (entry_type == "answered").then_some(Self::AccessAnswer);
        }
        let notice =
            fact.register.as_ref().is_some_and(|found| found.definition.kind == RegisterKind::Notice);
        (notice && statement.version == 1).then_some(Self::Notice)
    }
}

/// What these entries give the gateway of a channel to tell, each when it may be told.
pub async fn queued(
    store: &Store,
    channel: Channel,
    facts: &[Fact],
    now: Timestamp,
) -> Result<Vec<Queued>, StoreError> {
    let news: Vec<(&Fact, Kind)> = facts.iter().filter_map(|fact| Some((fact, Kind::of(fact)?))).collect();
    let persons: BTreeSet<Uuid> = news.iter().flat_map(|(fact, _)| fact.persons.iter().copied()).collect();
    if persons.is_empty() {
        return Ok(Vec::new());
    }
    let settings = settings::read_all(store, &persons).await?;
    let mut queued = Vec::new();
    for (fact, kind) in news {
        for person in &fact.persons {
            let Some(settings) = settings.get(person).filter(|settings| settings.wants(channel, kind)) else {
                continue;
            };
            queued.push(Queued {
                event: "notification",
                position: fact.entry.position,
                person: Some(*person),
                kind: Some(kind.as_str()),
                next_at: settings.not_before(now),
            });
        }
    }
    Ok(queued)
}

/// Is a notification to be told now?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// It is.
    No,
    /// Then: the person has quiet hours now.
    Until(Timestamp),
    /// Never: the person does not want it any more.
    Unwanted,
}

/// What the person's settings say now of a notification that was queued under those that they had then.
pub async fn held(
    store: &Store,
    person: Uuid,
    channel: Channel,
    kind: &str,
    now: Timestamp,
) -> Result<Held, StoreError> {
    let settings = read(store, person).await?;
    if !Kind::read(kind).is_some_and(|kind| settings.wants(channel, kind)) {
        return Ok(Held::Unwanted);
    }
    let not_before = settings.not_before(now);
    Ok(if not_before > now { Held::Until(not_before) } else { Held::No })
}
