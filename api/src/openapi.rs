//! The OpenAPI 3.1 description of the API, made from the endpoints.

use serde_json::{Value, json};

use crate::routes;

const DESCRIPTION: &str = "Registers whose entries departments sign: append, read, verify.\n\n\
Every list answers `{\"items\": […], \"next\": cursor or null}`. Every error is `application/problem+json` (RFC 9457); its `type` \
is a page of this server. An append answers with its `position`; a read with `Wait-For: <position>` waits until it is included.";

/// Sections of the reference, in order.
const TAGS: [(&str, &str); 9] = [
    ("Registers", "Registers, their entries and records."),
    ("Account", "What concerns the person who asks."),
    ("Consent", "What a person lets third parties read: OAuth 2.0, and what is read by it."),
    ("Departments", "Who keeps the registers."),
    (
        "Verification",
        "Checkpoints, tiles, keys and receipts, as C2SP describes them; `docs/format.md` has the bytes.",
    ),
    ("Feeds", "Entries and events as they come: pages that wait, streams, webhooks."),
    ("Search", "Records by words, names and numbers."),
    ("Statistics", "How many, of what, where and when; no small groups."),
    ("Service", "The server itself."),
];

/// The document.
pub fn document() -> Value {
    let (_, api) = routes::described().split_for_parts();
    // The document holds strings, numbers and lists: it always serialises.
    let mut document = serde_json::to_value(&api).unwrap_or_default();
    document["openapi"] = json!("3.1.0");
    document["info"] = json!({
        "title": "Reestr API",
        "version": "1",
        "description": DESCRIPTION,
        "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
    });
    document["tags"] =
        TAGS.iter().map(|(name, description)| json!({ "name": name, "description": description })).collect();
    document["components"]["securitySchemes"] =
        json!({ "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT" } });
    plain_paths(&mut document);
    document
}

/// A path parameter that spans segments is `{*path}` to the router and `{path}` to OpenAPI.
fn plain_paths(document: &mut Value) {
    let Some(paths) = document["paths"].as_object_mut() else { return };
    let spanning: Vec<String> = paths.keys().filter(|path| path.contains("{*")).cloned().collect();
    for path in spanning {
        if let Some(item) = paths.remove(&path) {
            paths.insert(path.replace("{*", "{"), item);
        }
    }
}
