//! What an accepted offer hands over: a request for each service chosen, with the values that the offer was filled with.
//!
//! The offer's record is the idempotency key, so that whoever comes first makes the requests, and whoever comes after, the
//! engine after a crash or the person who asks again, is given the same.

use domain::platform::REQUESTS;
use serde_json::{Value, json};

use super::offer::{Offer, Stage};
use super::submit::{OFFERS_CLIENT, bad, platform_entry};
use crate::registry::{AppendRequest, Outcome, Refusal, Registry};

/// The entry that makes a request.
const SUBMITTED: &str = "submitted";

/// Makes the requests of an accepted offer, in the order in which the offer has the services; again, gives the same.
pub async fn hand_over(registry: &Registry, offer: &Offer) -> Result<Vec<Outcome>, Refusal> {
    let bodies = bodies(offer);
    if bodies.is_empty() {
        return Ok(Vec::new());
    }
    let mut entries = Vec::with_capacity(bodies.len());
    for body in bodies {
        entries.extend(platform_entry(REQUESTS, None, SUBMITTED, body).request(OFFERS_CLIENT)?.entries);
    }
    let by = platform_entry(REQUESTS, None, SUBMITTED, Value::Null).request(OFFERS_CLIENT)?.by;
    let mut request = AppendRequest::new(REQUESTS.parse().map_err(bad)?, by, entries);
    request.idempotency_key = Some(format!("offer-{}", offer.record));
    registry.append(request).await
}

/// A request's body for each service that was accepted. Of an offer that is over, withdrawn before anyone came to this, none.
fn bodies(offer: &Offer) -> Vec<Value> {
    if offer.stage() == Stage::Over {
        return Vec::new();
    }
    let accepted = offer.accepted();
    let chosen = offer
        .services()
        .iter()
        .filter(|service| service["service"].as_str().is_some_and(|service| accepted.contains(&service)));
    let body = |service: &Value| {
        let mut body = json!({
            "subjects": [{ "role": "applicant", "person": offer.person }],
            "service": service["service"],
            "title": service["title"],
            "department": service["department"],
            "values": service["values"],
            "offer": offer.record,
            "by": offer.member("by"),
        });
        if let Some(on_behalf) = offer.member("on_behalf") {
            body["on_behalf"] = on_behalf.clone();
        }
        body
    };
    chosen.map(body).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn hands_over_what_was_chosen_with_the_values_of_the_offer() {
        let service = |name: &str| json!({ "service": name, "title": { "ru": name, "en": name }, "department": "mvd", "values": { "of": name } });
        let content = json!({ "effect": { "kind": "set", "services": [service("one"), service("two"), service("three")] },
            "services": ["three", "one"], "by": Uuid::from_u128(2) });
        let offer = Offer {
            record: Uuid::from_u128(9),
            person: Uuid::from_u128(1),
            version: 2,
            status: "accepted".to_owned(),
            content: content.as_object().cloned().unwrap_or_default(),
        };
        let bodies = bodies(&offer);
        let told: Vec<_> = bodies.iter().map(|body| (&body["service"], &body["values"]["of"])).collect();
        assert_eq!(told, [(&json!("one"), &json!("one")), (&json!("three"), &json!("three"))]);
        assert_eq!(
            (&bodies[0]["offer"], &bodies[0]["by"]),
            (&json!(offer.record), &json!(Uuid::from_u128(2)))
        );
        assert!(bodies[0].get("on_behalf").is_none());
    }
    #[test]
    fn an_offer_that_was_withdrawn_in_between_hands_nothing_over() {
        let content = json!({ "effect": { "kind": "offer", "services": [{ "service": "one", "values": {} }] }, "services": ["one"] });
        let of = |status: &str| Offer {
            record: Uuid::from_u128(9),
            person: Uuid::from_u128(1),
            version: 3,
            status: status.to_owned(),
            content: content.as_object().cloned().unwrap_or_default(),
        };
        assert_eq!(bodies(&of("accepted")).len(), 1);
        assert!(bodies(&of("withdrawn")).is_empty());
    }
}
