//! A person's settings: rows of their own, which no entry rests on.

use std::collections::{BTreeMap, BTreeSet};

use eventstore::sql::{Col, RowSet, rows};
use eventstore::{Store, StoreError, args};
use proofs::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Kind, QuietHours};
use crate::webhooks::Channel;

/// By what a person is notified, of what, and when not. Whoever has said nothing is notified of nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The channels.
    #[serde(default)]
    pub channels: Channels,
    /// Hours in which notifications wait; none when there are none.
    #[serde(default)]
    pub quiet_hours: Option<QuietHours>,
}

/// The channels, each on or off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Channels {
    /// Electronic mail.
    pub email: ChannelSetting,
    /// Short messages.
    pub sms: ChannelSetting,
    /// To an application on the person's telephone.
    pub push: ChannelSetting,
}

/// A channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelSetting {
    /// Is it used?
    pub on: bool,
    /// Of what it tells; of everything when nothing is said.
    #[serde(default = "all")]
    pub kinds: BTreeSet<Kind>,
}

fn all() -> BTreeSet<Kind> {
    Kind::ALL.into()
}

impl Default for ChannelSetting {
    fn default() -> Self {
        Self { on: false, kinds: all() }
    }
}

impl Settings {
    /// Does the person want to be told of this by this channel?
    pub fn wants(&self, channel: Channel, kind: Kind) -> bool {
        let setting = match channel {
            Channel::Email => &self.channels.email,
            Channel::Sms => &self.channels.sms,
            Channel::Push => &self.channels.push,
        };
        setting.on && setting.kinds.contains(&kind)
    }

    /// When something that happened now may be told.
    pub fn not_before(&self, now: Timestamp) -> Timestamp {
        self.quiet_hours.and_then(|quiet| quiet.end(now)).unwrap_or(now)
    }
}

fn parse(person: Uuid, text: &str) -> Result<Settings, StoreError> {
    // serde's message may quote what it is about.
    serde_json::from_str(text).map_err(|_| {
        StoreError::corrupt("notification_setting", "settings", person, "is not what was written")
    })
}

/// A person's settings.
pub async fn read(store: &Store, person: Uuid) -> Result<Settings, StoreError> {
    let sql = "SELECT settings FROM notification_setting WHERE person = $1";
    match store.db().fetch_optional(sql, args![person]).await? {
        Some(row) => parse(person, &row.text("settings")?),
        None => Ok(Settings::default()),
    }
}

/// The settings of those who have any.
pub(super) async fn read_all(
    store: &Store,
    persons: &BTreeSet<Uuid>,
) -> Result<BTreeMap<Uuid, Settings>, StoreError> {
    let mut wanted = RowSet::new();
    for person in persons {
        wanted.push(args![*person]);
    }
    let sql = format!(
        "SELECT s.person, s.settings FROM {} AS p CROSS JOIN notification_setting s WHERE s.person = p.id",
        rows(store.db().dialect(), "$1", &[("id", Col::Blob)])
    );
    let mut found = BTreeMap::new();
    for row in store.db().fetch_all(&sql, args![wanted]).await? {
        let person = row.uuid("person")?;
        found.insert(person, parse(person, &row.text("settings")?)?);
    }
    Ok(found)
}

/// Writes a person's settings.
pub async fn write(store: &Store, person: Uuid, settings: &Settings) -> Result<(), StoreError> {
    let sql = "INSERT INTO notification_setting (person, settings, updated_at) VALUES ($1, $2, $3)
        ON CONFLICT (person) DO UPDATE SET settings = excluded.settings, updated_at = excluded.updated_at";
    let text = serde_json::to_string(settings).map_err(|error| StoreError::Internal(error.to_string()))?;
    let mut tx = store.db().begin().await?;
    tx.execute(sql, args![person, text, store.clock().now()]).await?;
    tx.commit().await
}
