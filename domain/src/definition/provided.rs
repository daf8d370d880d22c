//! What the engine gives to every definition: shared `$defs`, the control members that are never content, and the type of entry
//! by which bodies are withheld.

use std::sync::{LazyLock, OnceLock};

use serde_json::{Map, Value, json};

use super::{Effect, Title, TypeRule};
use crate::withholding::{VERSIONS_MAX, WITHHELD};

/// Members of a body that say why and what about, and never become content.
pub const CONTROL_MEMBERS: [&str; 3] = ["corrects", "basis", "reason"];

/// The `$defs` that every schema may refer to as `#/$defs/<name>`.
pub fn provided_defs() -> &'static Map<String, Value> {
    static DEFS: LazyLock<Map<String, Value>> = LazyLock::new(|| match defs() {
        Value::Object(defs) => defs,
        _ => Map::new(),
    });
    &DEFS
}

/// The rule of the type `withheld`: from any status, changing none, and nothing of the content.
pub fn withheld() -> Option<&'static TypeRule> {
    static RULE: LazyLock<Option<TypeRule>> = LazyLock::new(|| {
        Some(TypeRule {
            entry_type: WITHHELD.parse().ok()?,
            title: Title {
                ru: "Содержание изъято по решению".into(), en: "Withheld by order".into()
            },
            from: Some(Vec::new()),
            to: None,
            effect: Effect::None,
            corrects: false,
            schema: order(),
            anywhere: true,
            compiled: OnceLock::new(),
        })
    });
    RULE.as_ref()
}

/// The body of an order (`docs/format.md`).
fn order() -> Value {
    let order = object(
        &json!({
            "authority": text(500), "number": text(100), "date": {"type": "string", "format": "date"}, "law": text(500),
        }),
        &["authority", "number", "date"],
    );
    let versions = json!({
        "type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1, "maxItems": VERSIONS_MAX,
    });
    object(&json!({"order": order, "versions": versions, "reason": text(2000)}), &["order", "versions"])
}

fn text(length_max: u32) -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": length_max})
}

fn object(properties: &Value, required: &[&str]) -> Value {
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

fn defs() -> Value {
    let organisation = object(
        &json!({
            "inn": {"type": "string", "format": "inn-organisation"},
            "ogrn": {"type": "string", "format": "ogrn"},
            "name": text(500),
        }),
        &["name"],
    );
    let role = json!({"type": "string", "pattern": "^[a-z][a-z0-9-]{0,62}$"});
    let subject = json!({"oneOf": [
        object(&json!({"role": role, "person": {"type": "string", "format": "uuid"}}), &["role", "person"]),
        object(&json!({"role": role, "organisation": organisation}), &["role", "organisation"]),
    ]});
    let mut basis = object(
        &json!({
            "document": text(500), "number": text(100), "date": {"type": "string", "format": "date"},
            "authority": text(500), "law": text(500),
        }),
        &[],
    );
    basis["minProperties"] = json!(1);
    json!({
        "subjects": {"type": "array", "items": subject, "maxItems": 100},
        "basis": basis,
        "reason": text(2000),
        "corrects": {"type": "integer", "minimum": 1},
        "person": {"type": "string", "format": "uuid"},
        "organisation": organisation,
        "address": object(
            &json!({
                "region": text(200), "city": text(200), "street": text(200), "house": text(50), "flat": text(50),
                "postal_code": {"type": "string", "pattern": "^[0-9]{6}$"},
                "fias": {"type": "string", "format": "uuid"},
            }),
            &["region"],
        ),
        "money": object(
            &json!({"amount": {"type": "string", "pattern": "^[0-9]{1,15}\\.[0-9]{2}$"}, "currency": {"const": "RUB"}}),
            &["amount", "currency"],
        ),
        "title": object(&json!({"ru": text(500), "en": text(500)}), &["ru", "en"]),
        "official": object(
            &json!({"position": text(500), "department": {"type": "string", "pattern": "^[a-z][a-z0-9-]{1,62}$"}}),
            &["position"],
        ),
    })
}
