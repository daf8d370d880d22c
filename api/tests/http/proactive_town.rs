//! A town with rules: births, deaths, marriages and allowances in a small form, people, and an engine that a test drives.

use std::time::Duration;

use api::proactive::Engine;
use api::registry::{Actor, AppendRequest, EntryRequest, Outcome, Refusal};
use projections::offers::{self, Offer};
use projections::{PageRequest, account};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::World;

/// Long enough for a busy machine; a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The town.
pub struct Town {
    pub world: World,
    pub engine: Engine,
}

impl Town {
    /// On each kind of store.
    pub async fn both() -> Vec<Self> {
        let mut towns = Vec::new();
        for world in World::both().await {
            for document in [
                civil("births", &["child", "mother", "father"]),
                civil("marriages", &["spouse"]),
                civil("deaths", &["deceased"]),
                allowances(),
            ] {
                world.registry.define_register(document).await.expect("the register is defined");
            }
            let engine = Engine::new(world.registry.clone(), world.projections());
            towns.push(Self { world, engine });
        }
        towns
    }

    /// Another engine over the same store, as after a restart.
    pub fn engine(&self) -> Engine {
        Engine::new(self.world.registry.clone(), self.world.projections())
    }

    /// Takes the journal in until nothing is left of it.
    pub async fn settle(&mut self) {
        settle(&mut self.engine).await;
    }

    /// Publishes a rule; answers with its record.
    pub async fn publish(&self, rule: Value) -> Uuid {
        let body = json!({ "slug": rule["slug"], "rule": rule });
        self.append("triggers", None, "published", body).await.appended.record
    }

    /// Opens an account.
    pub async fn person(&self, born: &str) -> Uuid {
        self.append("persons", None, "opened", born_on(born)).await.appended.record
    }

    /// People born on these days, entered at once.
    pub async fn people(&self, born: impl Iterator<Item = String>) {
        let register = "persons".parse().expect("a slug");
        let (_, found) = self.world.registry.find(&register).await.expect("it is known");
        let owner = found.expect("the register is there").definition.owner.clone();
        let entries = born.map(|day| entry(None, "opened", born_on(&day))).collect();
        let request = AppendRequest::new(register, Actor::local(owner), entries);
        self.world.registry.append(request).await.expect("they are appended");
    }

    /// A birth, today; answers with its record.
    pub async fn birth(&self, child: Uuid, mother: Uuid) -> Uuid {
        let body =
            json!({ "subjects": [subject("child", child), subject("mother", mother)], "place": "Тула" });
        self.append("births", None, "recorded", body).await.appended.record
    }

    /// Appends an entry as its register's owner.
    pub async fn append(
        &self,
        register: &str,
        record: Option<Uuid>,
        entry_type: &str,
        body: Value,
    ) -> Outcome {
        self.try_append(register, record, entry_type, body).await.expect("it is appended")
    }

    pub async fn try_append(
        &self,
        register: &str,
        record: Option<Uuid>,
        entry_type: &str,
        body: Value,
    ) -> Result<Outcome, Refusal> {
        let register = register.parse().expect("a slug");
        let (_, found) = self.world.registry.find(&register).await.expect("it is known");
        let owner = found.expect("the register is there").definition.owner.clone();
        let entry = entry(record, entry_type, body);
        let request = AppendRequest::new(register, Actor::local(owner), vec![entry]);
        self.world.registry.append(request).await.map(|mut outcomes| outcomes.remove(0))
    }

    /// Waits until the projections have everything.
    pub async fn projected(&self) {
        let position = self.world.store.position().await.expect("a position");
        for projection in ["account", "offers", "dates", "tasks"] {
            self.world.projections().wait_for(projection, position, PATIENCE).await.expect("it catches up");
        }
    }

    /// A person's offers, the newest first.
    pub async fn offers(&self, person: Uuid) -> Vec<Offer> {
        self.projected().await;
        let page = PageRequest::first(200);
        offers::list(self.world.store.db(), person, &offers::Filter::default(), &page)
            .await
            .expect("they are read")
            .items
    }

    /// Status of each of a person's offers, the newest first.
    pub async fn statuses(&self, person: Uuid) -> Vec<String> {
        self.offers(person).await.into_iter().map(|offer| offer.status).collect()
    }

    /// How many records of a register concern a person.
    pub async fn count(&self, person: Uuid, register: &str) -> usize {
        self.projected().await;
        let knowledge = self.world.registry.knowledge();
        let filter = account::Filter {
            register: Some(register.parse().expect("a slug")),
            ..account::Filter::default()
        };
        let page = PageRequest::first(200);
        let db = self.world.store.db();
        let found =
            account::list(db, &knowledge.definitions, account::Holder::Person(person), &filter, &page).await;
        found.expect("they are read").items.len()
    }

    /// The content of an offer, from its entries.
    pub async fn content(&self, offer: Uuid) -> Value {
        let found =
            api::proactive::offer::Offer::read(&self.world.registry, offer).await.expect("it is read");
        Value::Object(found.expect("it is an offer").content)
    }

    /// The body of a record's last entry.
    pub async fn last_body(&self, record: Uuid) -> Value {
        let entries = self.world.store.read_record(record).await.expect("it is read");
        let body = entries.last().and_then(|entry| entry.body.as_ref()).expect("a body");
        serde_json::from_slice(body).expect("JSON")
    }

    /// Runs a statement of the test's own.
    pub async fn execute(&self, sql: &str) -> u64 {
        let mut tx = self.world.store.db().begin().await.expect("a transaction");
        let changed = tx.execute(sql, vec![]).await.expect("it runs");
        tx.commit().await.expect("it commits");
        changed
    }

    pub async fn end(self) {
        self.world.end().await;
    }
}

/// Takes the journal in until nothing is left of it.
pub async fn settle(engine: &mut Engine) {
    while engine.step().await.expect("the engine goes on") {}
}

pub fn subject(role: &str, person: Uuid) -> Value {
    json!({ "role": role, "person": person })
}

fn title(words: &str) -> Value {
    json!({ "ru": words, "en": words })
}

/// A register of civil status: recorded, amended, corrected, ended, annulled.
fn civil(slug: &str, roles: &[&str]) -> Value {
    let roles: Vec<_> = roles
        .iter()
        .map(|role| json!({ "role": role, "title": title(role), "kinds": ["person"], "min": 0, "max": 2 }))
        .collect();
    let subjects = json!({ "$ref": "#/$defs/subjects" });
    let members = json!({ "subjects": subjects, "place": { "type": "string" } });
    let mut corrected = members.clone();
    corrected["corrects"] = json!({ "$ref": "#/$defs/corrects" });
    let schema = |members: &Value, required: &[&str]| json!({ "type": "object", "additionalProperties": false, "properties": members, "required": required });
    let none = schema(&json!({ "reason": { "$ref": "#/$defs/reason" } }), &[]);
    json!({
        "slug": slug, "title": title(slug), "owner": "roads", "kind": "civil-status", "visibility": "restricted",
        "group": "family", "subjects": roles, "legal_basis": [{ "title": title("Law"), "citation": "143-FZ" }],
        "statuses": [
            { "status": "recorded", "title": title("Recorded"), "in_force": true },
            { "status": "annulled", "title": title("Annulled"), "in_force": false, "final": true },
        ],
        "types": [
            { "type": "recorded", "title": title("Recorded"), "from": null, "to": "recorded", "effect": "sets", "schema": schema(&members, &["subjects"]) },
            { "type": "amended", "title": title("Amended"), "from": ["recorded"], "to": null, "effect": "amends", "schema": schema(&members, &[]) },
            { "type": "corrected", "title": title("Corrected"), "from": ["recorded"], "to": null, "effect": "amends", "corrects": true,
              "schema": schema(&corrected, &["corrects"]) },
            { "type": "annulled", "title": title("Annulled"), "from": ["recorded"], "to": "annulled", "effect": "none", "schema": none },
        ],
    })
}

/// The register in which a rule provides.
fn allowances() -> Value {
    let mut definition = crate::world::definition("allowances", "roads", "restricted");
    definition["number"]["pattern"] = json!("^[A-Z][0-9]+$");
    definition
}

/// A rule on births, for the mother.
#[expect(clippy::needless_pass_by_value, reason = "an effect is written where it is given")]
pub fn on_birth(slug: &str, effect: Value) -> Value {
    json!({
        "slug": slug, "title": title(slug), "situation": "birth-of-a-child", "kind": "family", "department": "roads",
        "cause": { "entry": { "register": "births", "types": ["recorded"] } }, "for": "subject:mother",
        "reads": ["births"], "family": ["children"],
        "let": [{ "name": "children", "is": "size(family.children)" }], "when": "children <= 2",
        "effect": effect, "expires_days": 30,
        "legal_basis": [{ "title": title("Law"), "citation": "81-FZ" }], "in_force": { "from": "2020-01-01", "until": null },
    })
}

/// Two services on one application.
pub fn a_set() -> Value {
    let service = |name: &str, value: &str| json!({ "service": name, "title": title(name), "department": "woods", "values": { "child": value } });
    json!({ "set": { "title": title("Set"), "services": [
        service("allowance", "cause.content.subjects[0].person"), service("kindergarten", "string(children)"),
    ] } })
}

/// An allowance without being asked.
pub fn an_allowance(number: &str) -> Value {
    json!({ "provide": { "register": "allowances", "type": "issued", "body": {
        "number": number, "subjects": [{ "role": "holder", "person": "=person.record" }], "valid_from": "=today",
    } } })
}

/// A rule on a birthday.
pub fn on_birthday(slug: &str, plus: &str) -> Value {
    let mut rule = on_birth(slug, json!({ "inform": {} }));
    rule["cause"] = json!({ "date": { "register": "persons", "member": "birth_date", "plus": plus } });
    rule["for"] = json!("person");
    for name in ["reads", "family", "let", "when"] {
        rule.as_object_mut().expect("an object").remove(name);
    }
    rule
}

fn born_on(day: &str) -> Value {
    json!({ "name": { "family": "А", "given": "Б" }, "birth_date": day, "sex": "female" })
}

fn entry(record: Option<Uuid>, entry_type: &str, body: Value) -> EntryRequest {
    EntryRequest::Platform {
        record,
        version: None,
        entry_type: entry_type.parse().expect("a type"),
        effective_at: None,
        body,
    }
}
