//! People, and the registers by which they act for each other.

use api::auth::{Grant, Role};
use api::registry::{Actor, AppendRequest, EntryRequest, Outcome};
use axum::body::Body;
use axum::http::Request;
use proofs::time::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Answer, NOON, World, append, fixture};

/// The number of an organisation.
pub const OGRN: &str = "1027700132195";

/// The registers, each with its owner.
const REGISTERS: [&str; 7] = [
    "births",
    "marriages",
    "deaths",
    "parental-rights",
    "guardianships",
    "powers-of-attorney",
    "organisation-representatives",
];

/// Makes the registers and their departments.
pub async fn found(world: &World) {
    for name in REGISTERS {
        let definition = fixture(&format!("registers/{name}"));
        let owner = definition["owner"].as_str().expect("an owner");
        let department = fixture(&format!("departments/{owner}"));
        world.registry.establish_department(department).await.expect("the department is established");
        world.registry.define_register(definition).await.expect("the register is defined");
    }
}

/// A new person.
pub async fn person(world: &World, family: &str, birth_date: &str) -> Uuid {
    let body = json!({"name": {"family": family, "given": "А"}, "birth_date": birth_date, "sex": "female"});
    append(&world.registry, "persons", "platform", "opened", body).await.appended.record
}

/// An entry of a register, by its owner.
pub async fn enter(
    world: &World,
    register: &str,
    record: Option<Uuid>,
    entry_type: &str,
    body: Value,
) -> Outcome {
    let knowledge = world.registry.refresh().await.expect("it is read");
    let register: proofs::slug::Slug = register.parse().expect("a slug");
    let owner = knowledge.definitions.current(&register).expect("it is defined").definition.owner.clone();
    let entry = EntryRequest::Platform {
        record,
        version: None,
        entry_type: entry_type.parse().expect("a type"),
        effective_at: None,
        body,
    };
    let request = AppendRequest::new(register, Actor::local(owner), vec![entry]);
    world.registry.append(request).await.expect("it is appended").remove(0)
}

fn subjects(parties: &[(&str, Uuid)]) -> Value {
    parties.iter().map(|(role, person)| json!({"role": role, "person": person})).collect()
}

/// Records a birth.
pub async fn birth(world: &World, child: Uuid, mother: Uuid, on: &str) -> Uuid {
    let number = child.as_u128() % 1_000_000_000_000_000_000;
    let body = json!({
        "act_number": format!("110{number:018}"), "act_date": on, "office": {"name": "ЗАГС"},
        "child": {"name": {"family": "А", "given": "Б"}, "sex": "female", "birth_date": on, "birth_place": "В"},
        "birth_document": {"kind": "medical"}, "certificate": {"series": "I-АБ", "number": "123456", "issued_on": on},
        "subjects": subjects(&[("child", child), ("mother", mother)]),
    });
    enter(world, "births", None, "recorded", body).await.appended.record
}

/// A court's decision on the rights of a parent.
pub async fn court(world: &World, parent: Uuid, child: Uuid, entry_type: &str, on: &str) -> Uuid {
    let body = json!({"decision": {"court": "Суд", "number": "2-1/2026", "date": on}, "effective_on": on,
        "subjects": subjects(&[("parent", parent), ("child", child)])});
    enter(world, "parental-rights", None, entry_type, body).await.appended.record
}

/// Certifies a power of attorney of a person.
pub async fn power(world: &World, principal: Uuid, representative: Uuid, scope: &Value, until: &str) -> Uuid {
    let serial = representative.as_u128() % 10_000_000;
    let body = json!({"number": format!("77/1-н/77-2026-1-{serial}"), "notary": {"name": "Н", "district": "М"}, "scope": scope,
        "valid_from": "2026-01-01", "valid_until": until,
        "subjects": subjects(&[("principal", principal), ("representative", representative)])});
    enter(world, "powers-of-attorney", None, "certified", body).await.appended.record
}

/// Makes someone the head of the organisation.
pub async fn head(world: &World, person: Uuid) -> Uuid {
    let body = json!({"grn": "2247700123456", "capacity": "head", "position": "Директор", "valid_from": "2026-01-01",
        "subjects": [{"role": "organisation", "organisation": organisation()}, {"role": "representative", "person": person}]});
    enter(world, "organisation-representatives", None, "entered", body).await.appended.record
}

/// The organisation, as bodies name it.
pub fn organisation() -> Value {
    json!({"name": "ООО «Ромашка»", "ogrn": OGRN})
}

/// A token of a citizen, for an hour from now.
pub fn token(world: &World, person: Uuid) -> String {
    let now = world.store.clock().now();
    let token = world.tokens.mint(Grant {
        subject: person.to_string(),
        role: Role::Citizen,
        department: None,
        scope: None,
        issued_at: now,
        expires_at: now.plus_millis(3_600_000),
    });
    token.expect("a token")
}

/// Asks with a token, for oneself or on behalf of another.
pub async fn ask(
    world: &World,
    token: &str,
    on_behalf_of: Option<&str>,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> Answer {
    let mut request =
        Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
    if let Some(whom) = on_behalf_of {
        request = request.header("on-behalf-of", whom);
    }
    if body.is_some() {
        request = request.header("content-type", "application/json");
    }
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    world.raw(request.body(body).expect("a request")).await
}

/// Sets the clock to noon of a day.
pub fn on(world: &World, day: &str) {
    let noon: Timestamp = format!("{day}T12:00:00.000Z").parse().expect("a day");
    let ahead = noon.millis() - world.store.clock().now().millis();
    assert!(noon >= NOON && ahead >= 0, "clocks go forward");
    world.clock.advance(ahead);
}
