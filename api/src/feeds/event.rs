//! CloudEvents 1.0 (cloudevents.io), structured mode in JSON: the one envelope of what is told, in streams and webhooks.

use proofs::slug::Slug;
use proofs::time::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::batch::Fact;

/// The media type of an event in structured mode.
pub const MEDIA_TYPE: &str = "application/cloudevents+json; charset=UTF-8";

/// An entry was appended.
pub const ENTRY_APPENDED: &str = "reestr.entry.appended";
/// Someone asked whether a webhook is there.
pub const WEBHOOK_TEST: &str = "reestr.webhook.test";
/// A person has something to look at in their account.
pub const NOTIFICATION: &str = "reestr.notification";

/// An event.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CloudEvent {
    /// The version of the specification.
    pub specversion: &'static str,
    /// Tells it from others of the same source.
    pub id: String,
    /// Where it comes from, as a URI reference: the log of a register, or the installation.
    pub source: String,
    /// What happened.
    #[serde(rename = "type")]
    pub event_type: &'static str,
    /// The record that it happened to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it was recorded.
    #[schema(value_type = String, format = DateTime)]
    pub time: Timestamp,
    /// Of what form `data` is.
    pub datacontenttype: &'static str,
    /// What there is to say.
    #[schema(value_type = Object)]
    pub data: Value,
}

impl CloudEvent {
    /// Of this installation, about no register.
    pub fn of_installation(log_name: &str, id: String, event_type: &'static str, time: Timestamp) -> Self {
        Self {
            specversion: "1.0",
            id,
            source: format!("//{log_name}"),
            event_type,
            subject: None,
            time,
            datacontenttype: "application/json",
            data: Value::Null,
        }
    }

    /// That an entry was appended: what its public statement says, and the status that it led to. The index in its register's
    /// log tells it from the others of that log for ever.
    pub fn appended(log_name: &str, fact: &Fact) -> Self {
        let entry = &fact.entry;
        let statement = entry.statement.statement();
        let mut event = Self {
            specversion: "1.0",
            id: entry.index.to_string(),
            source: source(log_name, &entry.register),
            event_type: ENTRY_APPENDED,
            subject: Some(statement.record.to_string()),
            time: entry.recorded_at,
            datacontenttype: "application/json",
            data: json!({
                "position": entry.position,
                "register": entry.register,
                "index": entry.index,
                "record": statement.record,
                "version": statement.version,
                "type": statement.entry_type,
                "status": if fact.status.is_empty() { None } else { Some(&fact.status) },
                "effective_at": statement.effective_at,
                "issuer": statement.issuer,
                "statement": entry.statement.as_str(),
            }),
        };
        if let Some(order) = entry.withheld_by {
            event.data["withheld"] = json!({ "index": order });
        }
        event
    }

    /// On one line.
    pub fn line(&self) -> String {
        // Strings, numbers and objects always serialise.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The log of a register as the source of events: its origin, which is a URL without a scheme (RFC 3986 section 4.2).
fn source(log_name: &str, register: &Slug) -> String {
    format!("//{log_name}/registers/{register}")
}
