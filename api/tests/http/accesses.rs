//! Who looked: no body that concerns people leaves before it is written down who asked for it, why, and by which law.

use proofs::slug::Slug;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::authorisation::Case;
use crate::world::{LEGAL_BASIS, PURPOSE, Who, World};

const NOTICES: &str = "/v1/registers/notices";
/// Those who must say why.
const OFFICES: [Who; 4] = [Who::Official, Who::System, Who::Auditor, Who::Operator];

/// The bodies of all accesses, from the journal itself.
pub async fn recorded(world: &World) -> Vec<Value> {
    let register: Slug = "accesses".parse().expect("a slug");
    let entries = world.store.read_register(&register, 0, 1_000).await.expect("it is read");
    let body = |entry: &eventstore::StoredEntry| {
        serde_json::from_slice(entry.body.as_deref().expect("a body")).expect("JSON")
    };
    entries.iter().map(body).collect()
}

fn concerning(person: Uuid) -> Value {
    json!([{ "role": "person", "person": person }])
}

#[tokio::test]
async fn each_way_to_a_body_is_written_down_with_who_why_and_what() {
    for world in World::both().await {
        let entry = world.permit("notices", "A001").await;
        let record = entry["record"].as_str().expect("a record");
        let suspend = json!({ "type": "suspended", "record": record, "body": { "reason": "unpaid" } });
        let last = world.post(Who::System, &format!("{NOTICES}/entries"), suspend).await.expect(201);
        assert_eq!(recorded(&world).await, Vec::<Value>::new(), "one's own append is no access");
        let wait = last["position"].to_string();
        for (at, (path, endpoint)) in [
            ("/entries".to_owned(), "entries"),
            ("/entries/0".to_owned(), "entry"),
            ("/entries/0/receipt".to_owned(), "receipt"),
            ("/records".to_owned(), "records"),
            (format!("/records/{record}"), "record"),
            (format!("/records/{record}/history"), "history"),
            ("/numbers/A001".to_owned(), "number"),
        ]
        .into_iter()
        .enumerate()
        {
            let path = format!("{NOTICES}{path}");
            world.send(Who::Official, "GET", &path, &[("wait-for", &wait)], None).await.expect(200);
            let recorded = recorded(&world).await;
            assert_eq!(recorded.len(), at + 1, "{path}");
            let expected = json!({
                "subjects": concerning(world.citizen),
                "by": { "role": "official", "person": world.other_citizen, "department": "roads" },
                "on_behalf_of": { "department": "roads" },
                "department": "roads",
                "endpoint": endpoint,
                "purpose": PURPOSE,
                "legal_basis": LEGAL_BASIS,
                "records": [{ "register": "notices", "record": record }],
            });
            assert_eq!(recorded[at], expected);
        }
        world.end().await;
    }
}

#[tokio::test]
async fn each_is_named_as_they_are() {
    for world in World::both().await {
        world.permit("notices", "A001").await;
        let issuer = world.tokens.name().to_owned();
        for (who, by, department) in [
            (
                Who::System,
                json!({ "role": "department", "department": "roads", "client": format!("{issuer} system") }),
                "roads",
            ),
            (Who::Auditor, json!({ "role": "auditor", "client": format!("{issuer} auditor") }), "platform"),
        ] {
            world.get(who, &format!("{NOTICES}/entries/0")).await.expect(200);
            let recorded = recorded(&world).await;
            let last = recorded.last().expect("an access");
            assert_eq!((&last["by"], &last["department"]), (&by, &json!(department)));
        }
        // The operator keeps the accounts of people, and reads them no more silently than others.
        let path = format!("/v1/registers/persons/records/{}", world.citizen);
        let wait = [("wait-for", "8")];
        world.send(Who::Operator, "GET", &path, &wait, None).await.expect(200);
        let recorded = recorded(&world).await;
        let last = recorded.last().expect("an access");
        assert_eq!(
            (&last["by"]["role"], &last["subjects"]),
            (&json!("operator"), &concerning(world.citizen))
        );
        world.end().await;
    }
}

#[tokio::test]
async fn what_is_public_one_s_own_or_nothing_is_no_access() {
    for world in World::both().await {
        let open = world.permit("open-permits", "A001").await;
        world.permit("notices", "A001").await;
        let wait = open["position"].to_string();
        let wait = [("wait-for", wait.as_str())];
        for who in OFFICES {
            let path = "/v1/registers/open-permits/entries/0";
            assert!(!world.send_just(who, "GET", path, &[], None).await.expect(200)["body"].is_null());
            let path = "/v1/registers/open-permits/numbers/A001";
            world.send_just(who, "GET", path, &wait, None).await.expect(200);
        }
        for path in [format!("{NOTICES}/entries"), "/v1/account".to_owned(), "/v1/account/records".to_owned()]
        {
            world.get(Who::Citizen, &path).await.expect(200);
        }
        for who in [Who::Anyone, Who::OtherCitizen, Who::OtherOfficial, Who::OtherSystem, Who::BareAuditor] {
            let answer = world.send_just(who, "GET", &format!("{NOTICES}/entries"), &[], None).await;
            assert!(answer.expect(200)["items"][0]["body"].is_null(), "{who:?}");
        }
        // The proof alone shows nobody.
        let accept = [("accept", "text/plain")];
        world.send_just(Who::Official, "GET", &format!("{NOTICES}/entries/0/receipt"), &accept, None).await;
        assert_eq!(recorded(&world).await, Vec::<Value>::new());
        world.end().await;
    }
}

#[tokio::test]
async fn a_request_is_one_access_for_each_person_and_tells_none_of_the_others() {
    for world in World::both().await {
        let mut body = world.body("A001");
        body["subjects"] = json!([
            { "role": "holder", "person": world.citizen },
            { "role": "holder", "person": world.other_citizen },
        ]);
        let both = json!({ "type": "issued", "body": body });
        let both = world.post(Who::System, &format!("{NOTICES}/entries"), both).await.expect(201);
        let one = world.permit("notices", "A002").await;
        let suspend = json!({ "type": "suspended", "record": one["record"], "body": { "reason": "unpaid" } });
        world.post(Who::System, &format!("{NOTICES}/entries"), suspend).await.expect(201);
        world.get(Who::Auditor, &format!("{NOTICES}/entries")).await.expect(200);
        let mut recorded = recorded(&world).await;
        assert_eq!(recorded.len(), 2);
        recorded.sort_by_key(|body| body["records"].as_array().map(Vec::len));
        assert_eq!(recorded[0]["subjects"], concerning(world.other_citizen));
        assert_eq!(recorded[0]["records"], json!([{ "register": "notices", "record": both["record"] }]));
        assert!(!recorded[0].to_string().contains(&world.citizen.to_string()));
        // Two entries of one record are one record.
        assert_eq!(recorded[1]["records"].as_array().map(Vec::len), Some(2));
        world.end().await;
    }
}

#[tokio::test]
async fn to_look_at_accesses_is_an_access_that_names_nobody_else() {
    for world in World::both().await {
        world.permit("notices", "A001").await;
        for _ in 0..3 {
            world.get(Who::Official, &format!("{NOTICES}/entries/0")).await.expect(200);
        }
        let page = world.get(Who::Auditor, "/v1/registers/accesses/entries").await.expect(200);
        assert_eq!(page["items"].as_array().map(Vec::len), Some(3));
        let recorded = recorded(&world).await;
        assert_eq!(recorded.len(), 4, "it grows by one, however much was read");
        assert!(recorded[3]["subjects"].is_null() && recorded[3]["records"].is_null());
        assert_eq!(recorded[3]["range"], json!({ "register": "accesses", "from": 0, "to": 2 }));
        // The person sees theirs, which is no access; others see none.
        for (who, sees) in [(Who::Citizen, 3), (Who::OtherCitizen, 0), (Who::Official, 0), (Who::Anyone, 0)] {
            let page =
                world.send_just(who, "GET", "/v1/registers/accesses/entries", &[], None).await.expect(200);
            let bodies =
                page["items"].as_array().into_iter().flatten().filter(|item| !item["body"].is_null());
            assert_eq!(bodies.count(), sees, "{who:?}");
        }
        world.end().await;
    }
}

#[tokio::test]
async fn who_does_not_say_why_is_shown_nothing() {
    for world in World::both().await {
        world.permit("notices", "A001").await;
        let path = format!("{NOTICES}/entries/0");
        let long = "a".repeat(301);
        for (headers, kind) in [
            (vec![], "purpose-required"),
            (vec![("purpose", "a complaint")], "purpose-required"),
            (vec![("legal-basis", "1-FZ")], "purpose-required"),
            (vec![("purpose", "ab"), ("legal-basis", "1-FZ")], "invalid-request"),
            (vec![("purpose", &long), ("legal-basis", "1-FZ")], "invalid-request"),
            (vec![("purpose", "%\"%d0%9\""), ("legal-basis", "1-FZ")], "invalid-request"),
            (vec![("purpose", "one"), ("purpose", "two"), ("legal-basis", "1-FZ")], "invalid-request"),
        ] {
            let answer = world.send_just(Who::Official, "GET", &path, &headers, None).await;
            let (found, document) = answer.problem(400);
            assert_eq!(found, kind, "{headers:?}");
            assert!(!document.to_string().contains("A001"));
        }
        assert_eq!(recorded(&world).await, Vec::<Value>::new());
        let headers = [
            ("purpose", "%\"%d0%b6%d0%b0%d0%bb%d0%be%d0%b1%d0%b0 12\""),
            ("legal-basis", "%\"152-%d0%a4%d0%97\""),
        ];
        world.send_just(Who::Official, "GET", &path, &headers, None).await.expect(200);
        let recorded = recorded(&world).await;
        assert_eq!(
            (&recorded[0]["purpose"], &recorded[0]["legal_basis"]),
            (&json!("жалоба 12"), &json!("152-ФЗ"))
        );
        world.end().await;
    }
}

/// Every endpoint that is described, asked as those would who may see bodies but do not say why. One that is added later and
/// forgets to ask fails here.
#[tokio::test]
async fn no_endpoint_lets_a_body_out_unless_it_is_said_why() {
    let document = api::openapi::document();
    for world in World::both().await {
        let entry = world.permit("notices", "A777").await;
        let record = entry["record"].as_str().expect("a record").to_owned();
        let suspend = json!({ "type": "suspended", "record": record, "body": { "reason": "zzsecretzz" } });
        let last = world.post(Who::System, &format!("{NOTICES}/entries"), suspend).await.expect(201);
        let wait = last["position"].to_string();
        let headers = [("wait-for", wait.as_str())];
        let secrets = ["A777", "zzsecretzz", "Иванова"];
        let mut shown = 0;
        for (path, item) in document["paths"].as_object().expect("paths") {
            let path = path
                .replace("{register}", "notices")
                .replace("{index}", "0")
                .replace("{number}", "A999")
                .replace("{department}", "roads")
                .replace("{path}", "entries/000.p/2");
            // Whatever else is named is tried with what there is.
            let path = filled(&path, &record);
            let streams = item.pointer("/get/responses/200/content/text~1event-stream").is_some();
            if streams {
                for who in OFFICES {
                    let said = streamed(&world, who, &path, &wait).await;
                    assert!(secrets.iter().all(|secret| !said.contains(secret)), "{who:?} {path}: {said}");
                }
                continue;
            }
            for method in item.as_object().expect("operations").keys().filter(|method| *method != "delete") {
                let body = match (method.as_str(), path.ends_with("/lookup")) {
                    ("get", _) => None,
                    (_, true) => Some(json!({ "number": "A777" })),
                    (_, false) => Some(json!({})),
                };
                for who in OFFICES {
                    let said = world.send(who, &method.to_uppercase(), &path, &headers, body.clone()).await;
                    shown += usize::from(secrets.iter().any(|secret| contains(&said.bytes, secret)));
                    let answer =
                        world.send_just(who, &method.to_uppercase(), &path, &headers, body.clone()).await;
                    for secret in &secrets {
                        assert!(!contains(&answer.bytes, secret), "{who:?} {method} {path} shows {secret}");
                    }
                }
            }
        }
        assert!(shown >= 15, "the walk asks for nothing that would be shown: {shown}");
        world.end().await;
    }
}

/// What a stream says of all that has happened up to a position.
async fn streamed(world: &World, who: Who, path: &str, until: &str) -> String {
    use futures_util::StreamExt as _;
    use tower::ServiceExt as _;
    let token = world.token(who).expect("a token");
    let request = axum::http::Request::builder().uri(path).header("last-event-id", "0");
    let request = request.header("authorization", format!("Bearer {token}"));
    let request = request.body(axum::body::Body::empty()).expect("a request");
    let response = world.router.clone().oneshot(request).await.expect("it answers");
    let mut chunks = response.into_body().into_data_stream();
    let mut said = String::new();
    let reached = format!("id: {until}\n");
    while let Some(chunk) = chunks.next().await {
        said.push_str(std::str::from_utf8(&chunk.expect("it does not break off")).expect("UTF-8"));
        if said.contains(&reached) {
            break;
        }
    }
    said
}

/// A path with every parameter that is left filled with the record.
fn filled(path: &str, record: &str) -> String {
    let segment = |segment: &str| {
        if segment.starts_with('{') { record.to_owned() } else { segment.to_owned() }
    };
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn no_body_leaves_when_the_access_cannot_be_written() {
    for world in World::both().await {
        let entry = world.permit("notices", "A001").await;
        let record = entry["record"].as_str().expect("a record");
        let wait = entry["position"].to_string();
        let headers = [("wait-for", wait.as_str())];
        let postgres = world.store.db().dialect() == eventstore::sql::Dialect::Postgres;
        let (breaks, mends) = if postgres {
            (
                "CREATE TRIGGER broken BEFORE INSERT ON entry FOR EACH ROW EXECUTE FUNCTION reestr_refuse('disk on fire')",
                "DROP TRIGGER broken ON entry",
            )
        } else {
            (
                "CREATE TRIGGER broken BEFORE INSERT ON entry BEGIN SELECT RAISE(ABORT, 'disk on fire'); END",
                "DROP TRIGGER broken",
            )
        };
        let paths = [
            "/entries".to_owned(),
            "/entries/0".to_owned(),
            "/entries/0/receipt".to_owned(),
            "/records".to_owned(),
            format!("/records/{record}"),
            "/numbers/A001".to_owned(),
        ];
        run(&world, breaks).await;
        for path in &paths {
            let answer = world.send(Who::Official, "GET", &format!("{NOTICES}{path}"), &headers, None).await;
            assert!(!answer.header("retry-after").is_empty(), "{path}");
            let (kind, document) = answer.problem(503);
            assert_eq!(kind, "access-not-recorded", "{path}");
            assert!(!document.to_string().contains("A001"), "{document}");
        }
        // Those whose reading is no access read on.
        world.get(Who::Citizen, &format!("{NOTICES}/entries")).await.expect(200);
        run(&world, mends).await;
        assert_eq!(recorded(&world).await, Vec::<Value>::new());
        for path in &paths {
            world.send(Who::Official, "GET", &format!("{NOTICES}{path}"), &headers, None).await.expect(200);
        }
        assert_eq!(recorded(&world).await.len(), paths.len());
        world.end().await;
    }
}

async fn run(world: &World, sql: &str) {
    let mut tx = world.store.db().begin().await.expect("it begins");
    tx.execute(sql, Vec::new()).await.expect("it runs");
    tx.commit().await.expect("it commits");
}

#[tokio::test]
async fn nobody_writes_accesses_but_the_server() {
    for world in World::both().await {
        let forged = json!({ "type": "recorded", "body": { "by": { "role": "auditor" }, "department": "platform",
            "endpoint": "entry", "purpose": "mischief", "legal_basis": "none at all" } });
        for who in [Who::Operator, Who::System, Who::Auditor] {
            let answer = world.post(who, "/v1/registers/accesses/entries", forged.clone()).await;
            assert_eq!(answer.problem(403).0, "forbidden", "{who:?}");
        }
        assert_eq!(recorded(&world).await, Vec::<Value>::new());
        world.end().await;
    }
}

/// Who may ask for accesses. None of these is there: what each says of one that is, other tests show.
pub fn cases() -> Vec<Case> {
    let nothing = Uuid::from_u128(1);
    let one = format!("/v1/account/accesses/{nothing}");
    let own = |who| match who {
        Who::Citizen | Who::OtherCitizen => 200,
        Who::Anyone => 401,
        _ => 403,
    };
    let absent = |who| match who {
        Who::Citizen | Who::OtherCitizen => 404,
        Who::Anyone => 401,
        _ => 403,
    };
    let department = |who| match who {
        Who::Official | Who::System => 404,
        Who::Anyone => 401,
        _ => 403,
    };
    let auditor = |who| match who {
        Who::Auditor => 200,
        Who::Anyone => 401,
        _ => 403,
    };
    let answer = format!("/v1/departments/roads/accesses/{nothing}/answer");
    vec![
        Case::get("/v1/account/accesses", "/v1/account/accesses".to_owned(), own),
        Case::get("/v1/account/accesses/{record}", one.clone(), absent),
        Case::post(
            "/v1/account/accesses/{record}/question",
            format!("{one}/question"),
            json!({ "question": "Why?" }),
            absent,
        ),
        Case::post(
            "/v1/departments/{department}/accesses/{record}/answer",
            answer,
            json!({ "answer": "A check." }),
            department,
        ),
        Case::get("/v1/reports/accesses", "/v1/reports/accesses".to_owned(), auditor),
    ]
}
