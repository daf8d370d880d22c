//! A small world: two departments, a register of each visibility, two people, and a server over it.

use std::num::NonZeroU32;
use std::sync::Arc;

use api::auth::{Authenticator, Grant, IssuerConfig, Role, TokenIssuer};
use api::registry::{Actor, AppendRequest, Bootstrap, EntryRequest, Outcome, Registry};
use api::{AppState, Rate, StateParts};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use eventstore::testing::ManualClock;
use eventstore::{Clock as _, Store};
use projections::Runner;
use proofs::time::Timestamp;
use serde_json::{Value, json};
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::database::Database;

/// Noon of 1 June 2026, UTC.
pub const NOON: Timestamp = Timestamp::from_millis(1_780_315_200_000);
/// The `aud` of the test installation.
pub const AUDIENCE: &str = "reestr.test";

/// Why those who must say it read, when a test says nothing else.
pub const PURPOSE: &str = "a test of the interface";
/// By which law.
pub const LEGAL_BASIS: &str = "1-FZ, article 1";

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    Anyone,
    Citizen,
    OtherCitizen,
    Official,
    OtherOfficial,
    System,
    OtherSystem,
    Auditor,
    BareAuditor,
    Operator,
}

impl Who {
    pub const ALL: [Self; 10] = [
        Self::Anyone,
        Self::Citizen,
        Self::OtherCitizen,
        Self::Official,
        Self::OtherOfficial,
        Self::System,
        Self::OtherSystem,
        Self::Auditor,
        Self::BareAuditor,
        Self::Operator,
    ];

    /// Must they say why they read what concerns people?
    pub fn says_why(self) -> bool {
        !matches!(self, Self::Anyone | Self::Citizen | Self::OtherCitizen)
    }
}

/// The world.
pub struct World {
    pub registry: Registry,
    pub store: Store,
    pub tokens: TokenIssuer,
    pub clock: Arc<ManualClock>,
    pub citizen: Uuid,
    pub other_citizen: Uuid,
    pub router: Router,
    pub state: AppState,
    runner: Runner,
    database: Database,
}

/// What was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).expect("UTF-8")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().expect("ASCII")).unwrap_or_default()
    }

    /// The JSON of an answer that must have this status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        if self.bytes.is_empty() { Value::Null } else { self.json() }
    }

    /// The kind of a problem document of this status.
    #[track_caller]
    pub fn problem(self, status: u16) -> (String, Value) {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let document = self.expect(status);
        assert_eq!(document["status"], status);
        let kind = document["type"].as_str().and_then(|kind| kind.strip_prefix("/problems/"));
        (kind.expect("a problem's type is a page").to_owned(), document)
    }
}

impl World {
    /// On each kind of store.
    pub async fn both() -> [Self; 2] {
        let [sqlite, postgres] = Database::both().await;
        [Self::new(sqlite, &[], 10_000).await, Self::new(postgres, &[], 10_000).await]
    }

    /// On each kind of store, with feeds and webhooks that behave so.
    pub async fn both_with(feeds: api::feeds::Settings, webhooks: api::webhooks::Settings) -> [Self; 2] {
        let [sqlite, postgres] = Database::both().await;
        [
            Self::made(sqlite, &[], 10_000, api::Bounds::default(), feeds, webhooks, false).await,
            Self::made(postgres, &[], 10_000, api::Bounds::default(), feeds, webhooks, false).await,
        ]
    }

    /// On each kind of store, with so much done at once.
    pub async fn both_bounded(bounds: api::Bounds) -> [Self; 2] {
        let [sqlite, postgres] = Database::both().await;
        let (feeds, webhooks) = (api::feeds::Settings::default(), api::webhooks::Settings::default());
        [
            Self::made(sqlite, &[], 100_000_000, bounds, feeds, webhooks, false).await,
            Self::made(postgres, &[], 100_000_000, bounds, feeds, webhooks, false).await,
        ]
    }

    /// On each kind of store, with nothing published but through witnesses.
    pub async fn both_witnessed() -> [Self; 2] {
        let [sqlite, postgres] = Database::both().await;
        let (feeds, webhooks) = (api::feeds::Settings::default(), api::webhooks::Settings::default());
        [
            Self::made(sqlite, &[], 10_000, api::Bounds::default(), feeds, webhooks, true).await,
            Self::made(postgres, &[], 10_000, api::Bounds::default(), feeds, webhooks, true).await,
        ]
    }

    pub async fn new(database: Database, issuers: &[IssuerConfig], burst: u32) -> Self {
        let (feeds, webhooks) = (api::feeds::Settings::default(), api::webhooks::Settings::default());
        Self::made(database, issuers, burst, api::Bounds::default(), feeds, webhooks, false).await
    }

    async fn made(
        database: Database,
        issuers: &[IssuerConfig],
        burst: u32,
        bounds: api::Bounds,
        feeds: api::feeds::Settings,
        webhooks: api::webhooks::Settings,
        witnessed: bool,
    ) -> Self {
        let clock = Arc::new(ManualClock::new(NOON));
        let store = database.open_with(&clock, 7, witnessed).await;
        let registry = found(&store).await;
        let runner = Runner::start(&store, projections::Options::default());
        let tokens = TokenIssuer::open(&store, AUDIENCE).await.expect("a token key");
        let authenticator = Authenticator::new(&tokens, issuers, clock.clone()).expect("issuers are right");
        let rate = NonZeroU32::new(burst).expect("a rate");
        let state = AppState::new(StateParts {
            registry: registry.clone(),
            projections: runner.handle(),
            authenticator,
            token_issuer: tokens.clone(),
            rate: Rate { per_second: NonZeroU32::MIN, burst: rate },
            bounds,
            feeds,
            webhooks,
            statistics: api::statistics::Settings::default(),
        });
        let router = api::routes::router(state.clone());
        let mut people = Vec::new();
        for family in ["Иванова", "Петров"] {
            let body = json!({ "name": { "family": family, "given": "А" }, "birth_date": "1990-01-01", "sex": "female" });
            let outcome = append(&registry, "persons", "platform", "opened", body).await;
            people.push(outcome.appended.record);
        }
        let (citizen, other_citizen) = (people[0], people[1]);
        for (department, official) in [("roads", other_citizen), ("woods", citizen)] {
            appoint(&registry, department, official).await;
        }
        Self { registry, store, tokens, clock, citizen, other_citizen, router, state, runner, database }
    }

    /// What the clock shows.
    pub fn clock_now(&self) -> Timestamp {
        self.store.clock().now()
    }

    /// Another server on the same store, as the state of its own.
    pub async fn another(&self, seed: u64) -> AppState {
        let store = self.database.open(&self.clock, seed).await;
        let registry = Registry::open(store.clone()).await.expect("the registry opens");
        let tokens = TokenIssuer::open(&store, AUDIENCE).await.expect("a token key");
        let authenticator = Authenticator::new(&tokens, &[], self.clock.clone()).expect("issuers are right");
        AppState::new(StateParts {
            registry,
            projections: self.runner.handle(),
            authenticator,
            token_issuer: tokens,
            rate: Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::MIN },
            bounds: api::Bounds::default(),
            feeds: self.state.feeds().settings(),
            webhooks: self.state.webhooks(),
            statistics: api::statistics::Settings::default(),
        })
    }

    /// A token of this person or system.
    pub fn token(&self, who: Who) -> Option<String> {
        let citizen = self.citizen.to_string();
        let (role, subject, department, scope) = match who {
            Who::Anyone => return None,
            Who::Citizen => (Role::Citizen, citizen, None, None),
            Who::OtherCitizen => (Role::Citizen, self.other_citizen.to_string(), None, None),
            // The subject of everything is an official of the other department: that must open nothing.
            Who::Official => (Role::Official, self.other_citizen.to_string(), Some("roads"), None),
            Who::OtherOfficial => (Role::Official, citizen, Some("woods"), None),
            Who::System => (Role::Department, "system".to_owned(), Some("roads"), None),
            Who::OtherSystem => (Role::Department, "system-2".to_owned(), Some("woods"), None),
            Who::Auditor => (Role::Auditor, "auditor".to_owned(), None, Some("bodies:*")),
            Who::BareAuditor => (Role::Auditor, "auditor-2".to_owned(), None, Some("bodies:elsewhere")),
            Who::Operator => (Role::Operator, "operator".to_owned(), None, None),
        };
        let token = self.tokens.mint(Grant {
            subject,
            role,
            department: department.map(|slug| slug.parse().expect("a slug")),
            scope: scope.map(str::to_owned),
            issued_at: self.clock.now(),
            expires_at: self.clock.now().plus_millis(3_600_000),
        });
        Some(token.expect("a token"))
    }

    /// Sends a request; those who must say why they read say so, unless the headers given do.
    pub async fn send(
        &self,
        who: Who,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut headers = headers.to_vec();
        let said = headers.iter().any(|(name, _)| ["purpose", "legal-basis"].contains(name));
        if who.says_why() && !said {
            headers.extend([("purpose", PURPOSE), ("legal-basis", LEGAL_BASIS)]);
        }
        self.send_just(who, method, path, &headers, body).await
    }

    /// Sends a request with these headers, the token's and no other.
    pub async fn send_just(
        &self,
        who: Who,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = self.token(who) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.raw(request.body(body).expect("a request")).await
    }

    pub async fn raw(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("the router answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = to_bytes(response.into_body(), usize::MAX).await.expect("a body");
        Answer { status, headers, bytes }
    }

    pub async fn get(&self, who: Who, path: &str) -> Answer {
        self.send(who, "GET", path, &[], None).await
    }

    pub async fn post(&self, who: Who, path: &str, body: Value) -> Answer {
        self.send(who, "POST", path, &[], Some(body)).await
    }

    /// Appends an entry that makes a permit for the citizen; answers with the entry.
    pub async fn permit(&self, register: &str, number: &str) -> Value {
        let entry = json!({ "type": "issued", "body": self.body(number) });
        self.post(Who::System, &format!("/v1/registers/{register}/entries"), entry).await.expect(201)
    }

    pub fn body(&self, number: &str) -> Value {
        json!({
            "number": number,
            "subjects": [{ "role": "holder", "person": self.citizen }],
            "valid_from": "2026-01-01",
            "valid_until": "2036-01-01",
        })
    }

    /// The projections that this world keeps.
    pub fn projections(&self) -> projections::Handle {
        self.runner.handle()
    }

    /// Opens the store once more, as another server does.
    pub async fn again(&self, seed: u64) -> Store {
        self.database.open(&self.clock, seed).await
    }

    /// The same, with nothing published but through witnesses.
    pub async fn again_witnessed(&self, seed: u64) -> Store {
        self.database.open_with(&self.clock, seed, true).await
    }

    pub async fn end(self) {
        self.runner.stop().await;
        self.store.close().await;
    }
}

/// A definition: permits with a number, a term and a holder.
pub fn definition(slug: &str, owner: &str, visibility: &str) -> Value {
    let title = |en: &str| json!({ "ru": format!("По-русски: {en}"), "en": en });
    let reason = json!({ "type": "object", "additionalProperties": false, "required": ["reason"],
        "properties": { "reason": { "$ref": "#/$defs/reason" }, "basis": { "$ref": "#/$defs/basis" } } });
    let content = json!({ "type": "object", "additionalProperties": false,
        "required": ["number", "subjects", "valid_from"],
        "properties": {
            "number": { "type": "string" }, "subjects": { "$ref": "#/$defs/subjects" },
            "valid_from": { "type": "string", "format": "date" }, "valid_until": { "type": "string", "format": "date" },
            "snils": { "type": "string", "format": "snils" },
        } });
    let amendment = json!({ "type": "object", "additionalProperties": false,
        "properties": { "subjects": { "$ref": "#/$defs/subjects" }, "valid_until": { "type": "string", "format": "date" } } });
    json!({
        "slug": slug, "title": title(slug), "owner": owner, "kind": "permit", "visibility": visibility, "group": "transport",
        "number": { "member": "number", "pattern": "^[A-Z][0-9]{3}$", "example": "A123", "title": title("Number") },
        "validity": { "from": "valid_from", "until": "valid_until" },
        "subjects": [{ "role": "holder", "title": title("Holder"), "kinds": ["person"], "min": 1, "max": 2 }],
        "statuses": [
            { "status": "valid", "title": title("Valid"), "in_force": true },
            { "status": "suspended", "title": title("Suspended"), "in_force": false },
            { "status": "revoked", "title": title("Revoked"), "in_force": false, "final": true },
        ],
        "types": [
            { "type": "issued", "title": title("Issued"), "from": null, "to": "valid", "effect": "sets", "schema": content },
            { "type": "amended", "title": title("Amended"), "from": ["valid"], "to": null, "effect": "amends", "schema": amendment },
            { "type": "suspended", "title": title("Suspended"), "from": ["valid"], "to": "suspended", "effect": "none", "schema": reason },
            { "type": "revoked", "title": title("Revoked"), "from": ["valid", "suspended"], "to": "revoked", "effect": "none", "schema": reason },
        ],
        "legal_basis": [{ "title": title("Law"), "citation": "1-FZ" }],
    })
}

/// The registry of the world on a store; the second time it finds everything as it was.
pub async fn found(store: &Store) -> Registry {
    let registry = Registry::open(store.clone()).await.expect("the registry opens");
    let roots = Bootstrap {
        platform: fixture("departments/platform"),
        registers: fixture("registers/registers"),
        departments: fixture("registers/departments"),
    };
    registry.bootstrap(&roots).await.expect("the root of trust is written");
    for slug in ["roads", "woods"] {
        let title = json!({ "ru": slug, "en": slug });
        let department = json!({ "slug": slug, "title": title, "level": "federal" });
        registry.establish_department(department).await.expect("the department is established");
    }
    for document in platform_registers() {
        registry.define_register(document).await.expect("the register is defined");
    }
    let ours = [
        definition("open-permits", "roads", "public"),
        definition("permits", "roads", "status-public"),
        definition("notices", "roads", "restricted"),
        definition("felling", "woods", "public"),
    ];
    for document in ours {
        registry.define_register(document).await.expect("the register is defined");
    }
    registry
}

/// The registers that the engine keeps itself, but for the two that are made with the store.
pub fn platform_registers() -> Vec<Value> {
    let folder = format!("{}/../fixtures/registers", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(&folder).expect("the folder is there");
    let mut names: Vec<String> = files
        .map(|file| {
            file.expect("a file").path().file_stem().and_then(|stem| stem.to_str()).unwrap().to_owned()
        })
        .filter(|name| !["registers", "departments"].contains(&name.as_str()))
        .collect();
    names.sort();
    let documents = names.into_iter().map(|name| fixture(&format!("registers/{name}")));
    documents.filter(|document| document["owner"] == "platform").collect()
}

pub fn fixture(name: &str) -> Value {
    let path = format!("{}/../fixtures/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(&path).unwrap_or_else(|_| panic!("{path} is there"));
    serde_json::from_slice(&text).expect("a fixture is JSON")
}

/// Makes a person an official of a department.
pub async fn appoint(registry: &Registry, department: &str, official: Uuid) -> Outcome {
    office(
        registry,
        department,
        "official-appointed",
        json!({ "official": official, "position": "Inspector" }),
    )
    .await
}

/// Ends their office.
pub async fn dismiss(registry: &Registry, department: &str, official: Uuid) -> Outcome {
    office(registry, department, "official-dismissed", json!({ "official": official, "reason": "moved" }))
        .await
}

async fn office(registry: &Registry, department: &str, entry_type: &str, body: Value) -> Outcome {
    let department = department.parse().expect("a slug");
    let knowledge = registry.refresh().await.expect("it is read");
    let record = knowledge.departments.get(&department).map(|state| state.record);
    let entry = EntryRequest::Platform {
        record,
        version: None,
        entry_type: entry_type.parse().expect("a type"),
        effective_at: None,
        body,
    };
    let by = Actor::local("platform".parse().expect("a slug"));
    let request = AppendRequest::new("departments".parse().expect("a slug"), by, vec![entry]);
    registry.append(request).await.expect("it is appended").remove(0)
}

/// Appends one entry for a department, which the platform signs.
pub async fn append(
    registry: &Registry,
    register: &str,
    department: &str,
    entry_type: &str,
    body: Value,
) -> Outcome {
    let entry = EntryRequest::Platform {
        record: None,
        version: None,
        entry_type: entry_type.parse().expect("a type"),
        effective_at: None,
        body,
    };
    let by = Actor::local(department.parse().expect("a slug"));
    let request = AppendRequest::new(register.parse().expect("a slug"), by, vec![entry]);
    registry.append(request).await.expect("it is appended").remove(0)
}
