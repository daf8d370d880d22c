//! What a message says: made when it is sent, from the journal as it is then.

use serde_json::{Value, json};
use uuid::Uuid;

use super::deliveries::Delivery;
use super::rows::Webhook;
use crate::accesses::{self, Disclosure, Endpoint, Looker, Purpose};
use crate::feeds::event::{CloudEvent, NOTIFICATION, WEBHOOK_TEST};
use crate::feeds::{Fact, fact_at};
use crate::http::AppState;
use crate::notifications::Kind;
use crate::problem::Problem;
use domain::definition::Visibility;
use domain::platform::{ACCESSES, PLATFORM};

/// A message, and whether its body is to be written down first.
pub struct Message {
    /// The event.
    pub event: CloudEvent,
    /// Whom its body concerns.
    pub discloses: Option<Disclosure>,
}

/// Makes a message; nothing when there is nothing to tell any more.
pub async fn make(
    state: &AppState,
    webhook: &Webhook,
    delivery: &Delivery,
) -> Result<Option<Message>, Problem> {
    let (log_name, id) = (state.store().log_name(), delivery.id.to_string());
    match delivery.event.as_str() {
        "test" => {
            let mut event = CloudEvent::of_installation(log_name, id, WEBHOOK_TEST, delivery.created_at);
            event.data = json!({ "webhook": webhook.id });
            Ok(Some(Message { event, discloses: None }))
        }
        "notification" => {
            let (Some(person), Some(kind)) = (delivery.person, delivery.kind.as_deref().and_then(Kind::read))
            else {
                return Ok(None);
            };
            let mut event = CloudEvent::of_installation(log_name, id, NOTIFICATION, delivery.created_at);
            event.data = notification(webhook, person, kind);
            Ok(Some(Message { event, discloses: None }))
        }
        _ => {
            let Some((fact, body)) = fact_at(state.registry(), delivery.position).await? else {
                return Ok(None);
            };
            let mut event = CloudEvent::appended(log_name, &fact);
            let mut discloses = None;
            if let Some((body, salt)) = body.filter(|_| shows_body(webhook, &fact)) {
                (event.data["body"], event.data["salt"]) = (body, json!(salt.to_string()));
                let shown = Disclosure::new(&fact.entry.register, fact.entry.record(), fact.persons.clone());
                discloses = Some(shown.at(fact.entry.index));
            }
            Ok(Some(Message { event, discloses }))
        }
    }
}

/// What a gateway is told: whom to tell, and that there is something to look at. What it is stands in the account, and nowhere on
/// the way.
fn notification(webhook: &Webhook, person: Uuid, kind: Kind) -> Value {
    let (ru, en) = kind.words();
    json!({
        "person": person,
        "channel": webhook.channel,
        "kind": kind.as_str(),
        "text": { "ru": ru, "en": en },
    })
}

/// Is the body sent? Only where it was asked for with a purpose and a law, of registers that are the owner's, or public. Those of
/// `accesses` are not: sending them would be accesses, without end.
fn shows_body(webhook: &Webhook, fact: &Fact) -> bool {
    let Some(in_force) = &fact.register else { return false };
    let definition = &in_force.definition;
    webhook.bodies.is_some()
        && *definition.slug.as_str() != *ACCESSES
        && (definition.owner == webhook.owner || definition.visibility == Visibility::Public)
}

/// Writes down that a message's body is about to be sent, by whom and why.
pub async fn disclose(state: &AppState, webhook: &Webhook, shown: Disclosure) -> Result<(), Problem> {
    let Some(grounds) = &webhook.bodies else { return Ok(()) };
    let purpose =
        Purpose { purpose: Some(grounds.purpose.clone()), legal_basis: Some(grounds.legal_basis.clone()) };
    let role = if *webhook.owner.as_str() == *PLATFORM { "operator" } else { "department" };
    let by =
        json!({ "role": role, "department": webhook.owner, "client": format!("webhook {}", webhook.id) });
    let looker = Looker::Office { by, department: Some(webhook.owner.clone()) };
    accesses::disclose(state, looker, &purpose, Endpoint::Feed, &[shown]).await
}
