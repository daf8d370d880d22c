//! The rows of webhooks.

use eventstore::sql::Row;
use eventstore::{Store, StoreError, args};
use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::signature::Secret;
use crate::registry::new_uuid;

/// Webhooks of one owner: each has a task and may have a connection.
pub const OWNER_MAX: i64 = 50;
/// After a rotation the former secret signs too for a day, so that no message is refused meanwhile.
const FORMER_MILLIS: i64 = 24 * 3_600_000;

macro_rules! words {
    ($(#[$doc:meta])* $type:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
        pub enum $type { $($(#[$variant_doc])* #[serde(rename = $word)] $variant,)+ }

        impl $type {
            /// As it is stored.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::str::FromStr for $type {
            type Err = &'static str;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err("is none of the words that it may be"),
                }
            }
        }
    };
}
pub(crate) use words;

words! {
    /// What a webhook is sent.
    WebhookKind {
        /// That entries were appended to its owner's registers.
        Entries = "entries",
        /// What people are to be notified of over one channel.
        Notifications = "notifications",
    }
}

words! {
    /// By what a person is notified.
    Channel {
        /// Electronic mail.
        Email = "email",
        /// Short messages.
        Sms = "sms",
        /// To an application on their telephone.
        Push = "push",
    }
}

words! {
    /// Is a webhook sent to?
    WebhookState {
        /// It is.
        Active = "active",
        /// It is not: its receiver has said that it is gone.
        Disabled = "disabled",
    }
}

/// A webhook.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Its name.
    pub id: Uuid,
    /// Whose it is: a department, or `platform`.
    pub owner: Slug,
    /// What it is sent.
    pub kind: WebhookKind,
    /// By which channel its receiver notifies people.
    pub channel: Option<Channel>,
    /// Where to.
    pub url: String,
    /// Of these registers; of all of its owner's when it names none.
    pub registers: Vec<Slug>,
    /// With bodies: what for, and by which law.
    pub bodies: Option<Grounds>,
    /// With what messages are signed.
    pub secret: Secret,
    /// The secret before, and until when it signs too.
    pub former: Option<(Secret, Timestamp)>,
    /// Is it sent to?
    pub state: WebhookState,
    /// Why it is not.
    pub disabled_why: Option<String>,
    /// The position up to which entries were queued.
    pub position: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// Grows with each change.
    pub revision: u64,
}

/// What for, and by which law, bodies are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grounds {
    /// What for.
    pub purpose: String,
    /// By which law.
    pub legal_basis: String,
}

const COLUMNS: &str = "id, owner, kind, channel, url, registers, bodies, purpose, legal_basis, secret, former_secret, \
     former_until, state, disabled_why, position, created_at, revision";

fn read(store: &Store, row: &Row) -> Result<Webhook, StoreError> {
    let id = row.uuid("id")?;
    let at = |error: StoreError| error.at("webhook", || id.to_string());
    let registers: Vec<Slug> = serde_json::from_str(&row.text("registers").map_err(at)?)
        .map_err(|_| StoreError::corrupt("webhook", "registers", id, "is not a list of names"))?;
    let grounds = row.opt_text("purpose").map_err(at)?.zip(row.opt_text("legal_basis").map_err(at)?);
    let with_bodies = row.int("bodies").map_err(at)? == 1;
    let secret = open(store, id, &row.blob("secret").map_err(at)?)?;
    let former =
        row.opt_blob("former_secret").map_err(at)?.map(|sealed| open(store, id, &sealed)).transpose()?;
    let channel = row.opt_text("channel").map_err(at)?.map(|channel| channel.parse());
    Ok(Webhook {
        id,
        owner: row.parse("owner").map_err(at)?,
        kind: row.parse("kind").map_err(at)?,
        channel: channel.transpose().map_err(|why| StoreError::corrupt("webhook", "channel", id, why))?,
        url: row.text("url").map_err(at)?,
        registers,
        bodies: grounds
            .filter(|_| with_bodies)
            .map(|(purpose, legal_basis)| Grounds { purpose, legal_basis }),
        secret,
        former: former.zip(row.opt_time("former_until").map_err(at)?),
        state: row.parse("state").map_err(at)?,
        disabled_why: row.opt_text("disabled_why").map_err(at)?,
        position: row.uint("position").map_err(at)?,
        created_at: row.time("created_at").map_err(at)?,
        revision: row.uint("revision").map_err(at)?,
    })
}

/// A secret is sealed for its webhook: the former one stays as it is when it moves to its other column.
fn seal(store: &Store, id: Uuid, secret: &Secret) -> Result<Vec<u8>, StoreError> {
    store.seal("webhook", &id.to_string(), secret.bytes())
}

fn open(store: &Store, id: Uuid, sealed: &[u8]) -> Result<Secret, StoreError> {
    Ok(Secret::from_bytes(store.unseal("webhook", &id.to_string(), sealed)?))
}

/// A webhook to be made.
#[derive(Debug, Clone)]
pub struct New {
    /// Whose.
    pub owner: Slug,
    /// What it is sent.
    pub kind: WebhookKind,
    /// By which channel.
    pub channel: Option<Channel>,
    /// Where to.
    pub url: String,
    /// Of which registers.
    pub registers: Vec<Slug>,
    /// With bodies.
    pub bodies: Option<Grounds>,
    /// What comes after this position is sent.
    pub after: u64,
    /// Who makes it.
    pub created_by: String,
}

/// Why a webhook was not made.
#[derive(Debug, thiserror::Error)]
pub enum InsertError {
    /// The owner has as many as it may.
    #[error("the owner has as many webhooks as it may")]
    TooMany,
    /// The channel has its gateway.
    #[error("the channel has a webhook already")]
    Channel,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a webhook.
pub async fn insert(store: &Store, new: New) -> Result<Webhook, InsertError> {
    let id = new_uuid(store);
    let secret = Secret::new(store.entropy());
    let mut tx = store.db().begin().await?;
    let owned = "SELECT count(*) AS n FROM webhook WHERE owner = $1";
    let owned = tx.fetch_optional(owned, args![&new.owner]).await?.map(|row| row.int("n")).transpose()?;
    if owned.unwrap_or_default() >= OWNER_MAX {
        return Err(InsertError::TooMany);
    }
    let channel = new.channel.map(Channel::as_str);
    let registers: Vec<&str> = new.registers.iter().map(Slug::as_str).collect();
    let registers = serde_json::json!(registers).to_string();
    let (purpose, legal_basis) =
        new.bodies.as_ref().map(|grounds| (grounds.purpose.clone(), grounds.legal_basis.clone())).unzip();
    let sql = "INSERT INTO webhook (id, owner, kind, channel, url, registers, bodies, purpose, legal_basis, secret, state,
            position, created_at, created_by, revision, lease_until)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'active', $11, $12, $13, 1, 0)
        ON CONFLICT DO NOTHING";
    let arguments = args![
        id,
        &new.owner,
        new.kind.as_str(),
        channel,
        new.url,
        registers,
        new.bodies.is_some(),
        purpose,
        legal_basis,
        seal(store, id, &secret)?,
        new.after,
        store.clock().now(),
        new.created_by
    ];
    let inserted = tx.execute(sql, arguments).await?;
    if inserted == 0 {
        return Err(InsertError::Channel);
    }
    tx.commit().await?;
    let made = one(store, id).await?;
    made.ok_or_else(|| StoreError::corrupt("webhook", "id", id, "is not there though it was made").into())
}

/// A webhook by its name.
pub async fn one(store: &Store, id: Uuid) -> Result<Option<Webhook>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM webhook WHERE id = $1");
    store.db().fetch_optional(&sql, args![id]).await?.as_ref().map(|row| read(store, row)).transpose()
}

/// The webhooks of an owner, the oldest first: at most 50.
pub async fn of_owner(store: &Store, owner: &Slug) -> Result<Vec<Webhook>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM webhook WHERE owner = $1 ORDER BY id");
    store.db().fetch_all(&sql, args![owner]).await?.iter().map(|row| read(store, row)).collect()
}

/// All webhooks.
pub async fn all(store: &Store) -> Result<Vec<Webhook>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM webhook ORDER BY owner, id");
    store.db().fetch_all(&sql, args![]).await?.iter().map(|row| read(store, row)).collect()
}

/// Takes a webhook away, with what was to be sent to it; false when it was not there.
pub async fn delete(store: &Store, id: Uuid) -> Result<bool, StoreError> {
    let mut tx = store.db().begin().await?;
    let gone = tx.execute("DELETE FROM webhook WHERE id = $1", args![id]).await?;
    tx.execute("DELETE FROM webhook_delivery WHERE webhook = $1", args![id]).await?;
    tx.commit().await?;
    Ok(gone > 0)
}

/// Gives a webhook a new secret. The one before signs too for a day.
pub async fn rotate(store: &Store, id: Uuid) -> Result<Option<Secret>, StoreError> {
    let secret = Secret::new(store.entropy());
    let sql = "UPDATE webhook SET former_secret = secret, former_until = $2, secret = $3, revision = revision + 1 WHERE id = $1";
    let until = store.clock().now().plus_millis(FORMER_MILLIS);
    let sealed = seal(store, id, &secret)?;
    let mut tx = store.db().begin().await?;
    let rotated = tx.execute(sql, args![id, until, sealed]).await?;
    tx.commit().await?;
    Ok((rotated > 0).then_some(secret))
}

/// Sends to a webhook again whose receiver had said that it was gone.
pub async fn enable(store: &Store, id: Uuid) -> Result<(), StoreError> {
    let sql =
        "UPDATE webhook SET state = 'active', disabled_why = NULL, revision = revision + 1 WHERE id = $1";
    let mut tx = store.db().begin().await?;
    tx.execute(sql, args![id]).await?;
    tx.commit().await
}
