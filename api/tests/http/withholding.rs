//! Bodies withheld by order: who may order it, what every reader is shown afterwards, and what comes back.

use std::io;
use std::sync::{Arc, Mutex};

use api::withholding::{Ledger, Noted, Signer, Withholding};
use proofs::key::PrivateKey;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::receiver::{Answering, Receiver};
use crate::webhooks::{hook, start, worlds};
use crate::world::{Who, World};

const PERMITS: &str = "/v1/registers/permits/entries";
/// What the withheld body says, and nothing may say afterwards.
const SECRET: &str = "A777";

pub fn order(record: &Value, versions: &[u64]) -> Value {
    let order = json!({ "authority": "Тверской районный суд", "number": "2-1/2026", "date": "2026-02-01" });
    json!({ "record": record, "type": "withheld", "body": { "order": order, "versions": versions } })
}

/// A permit of the citizen that is amended, so that the second entry still says whose it is; its record.
async fn permit(world: &World, register: &str) -> Value {
    let entry = world.permit(register, SECRET).await;
    let subjects = json!([{ "role": "holder", "person": world.citizen }]);
    let amended = json!({ "record": entry["record"], "type": "amended", "body": { "subjects": subjects, "valid_until": "2030-01-01" } });
    world.post(Who::System, &format!("/v1/registers/{register}/entries"), amended).await.expect(201);
    entry["record"].clone()
}

async fn read(world: &World, who: Who, path: &str, position: u64) -> Value {
    let wait = position.to_string();
    world.send(who, "GET", path, &[("wait-for", &wait)], None).await.expect(200)
}

fn is_withheld(item: &Value, by: u64) -> bool {
    item["body"].is_null()
        && item["salt"].is_null()
        && item["withheld"]["index"] == by
        && item["withheld"]["title"]
            == json!({ "ru": "Содержание изъято по решению", "en": "Withheld by order" })
}

#[tokio::test]
async fn every_reader_is_told_that_it_is_withheld_and_nothing_else() {
    for world in World::both().await {
        let record = permit(&world, "permits").await;
        let id = record.as_str().expect("a record");
        let ordered = world.post(Who::System, PERMITS, order(&record, &[1])).await.expect(201);
        assert_eq!(
            (&ordered["index"], &ordered["version"], &ordered["status"]),
            (&json!(2), &json!(3), &json!("valid"))
        );
        let position = ordered["position"].as_u64().expect("a position");
        for who in Who::ALL {
            let list = read(&world, who, PERMITS, position).await;
            assert!(is_withheld(&list["items"][0], 2), "{who:?}: {list}");
            assert!(list["items"][1].get("withheld").is_none() && list["items"][2].get("withheld").is_none());
            assert!(is_withheld(&read(&world, who, &format!("{PERMITS}/0"), position).await, 2), "{who:?}");
            let receipt = read(&world, who, &format!("{PERMITS}/0/receipt"), position).await;
            assert!(receipt["body"].is_null() && receipt["salt"].is_null(), "{who:?}");
        }
        let withheld = json!([{ "version": 1, "by": 3, "title": { "ru": "Содержание изъято по решению", "en": "Withheld by order" } }]);
        let shown =
            read(&world, Who::Official, &format!("/v1/registers/permits/records/{id}"), position).await;
        assert_eq!((&shown["withheld"], &shown["number"]), (&withheld, &Value::Null));
        assert_eq!(shown["content"]["valid_until"], "2030-01-01");
        let mine = read(&world, Who::Citizen, &format!("/v1/account/records/{id}"), position).await;
        assert_eq!((&mine["withheld"], &mine["status"]), (&withheld, &json!("valid")));
        let steps = read(&world, Who::Citizen, &format!("/v1/account/records/{id}/history"), position).await;
        assert_eq!((&steps["items"][0]["withheld"], steps["items"][1].get("withheld")), (&withheld[0], None));
        assert_eq!(steps["items"][2]["title"], withheld[0]["title"]);
        // Gone from the past too, and it says so of a time before the order.
        world.clock.advance(86_400_000);
        let then = format!("/v1/registers/permits/records/{id}?recorded_at=2026-06-01");
        let past = read(&world, Who::Official, &then, position).await;
        assert_eq!((&past["withheld"], &past["number"]), (&withheld, &Value::Null));
        // The number is nobody's any more for those who look, and nobody's to give again.
        let path = format!("/v1/registers/permits/numbers/{SECRET}");
        let wait = position.to_string();
        world.send(Who::Official, "GET", &path, &[("wait-for", &wait)], None).await.problem(404);
        let again = json!({ "type": "issued", "body": world.body(SECRET) });
        assert_eq!(world.post(Who::System, PERMITS, again).await.problem(409).0, "number-conflict");
        nothing_says_it(&world, id, position).await;
        world.end().await;
    }
}

/// Asks everything that could say it, as everyone.
async fn nothing_says_it(world: &World, id: &str, position: u64) {
    let paths = [
        PERMITS.to_owned(),
        "/v1/registers/permits/records".to_owned(),
        format!("/v1/registers/permits/records/{id}"),
        format!("/v1/registers/permits/records/{id}/history"),
        "/v1/account/records".to_owned(),
        format!("/v1/account/records/{id}"),
        format!("/v1/search?q={SECRET}&register=permits"),
        format!("/v1/account/search?q={SECRET}"),
        "/v1/feeds/entries?after=0&bodies=true".to_owned(),
    ];
    for who in Who::ALL {
        for path in &paths {
            let wait = position.to_string();
            let answer = world.send(who, "GET", path, &[("wait-for", &wait)], None).await;
            // What was asked for may be repeated.
            let said = answer.text().replace(&format!("q={SECRET}"), "");
            assert!(!said.contains(SECRET), "{who:?} {path}: {said}");
        }
    }
}

#[tokio::test]
async fn only_the_owner_orders_and_only_what_can_be() {
    for world in World::both().await {
        let record = permit(&world, "permits").await;
        for who in [Who::Citizen, Who::Official, Who::Auditor] {
            world.post(who, PERMITS, order(&record, &[1])).await.problem(403);
        }
        assert_eq!(
            world.post(Who::OtherSystem, PERMITS, order(&record, &[1])).await.problem(403).0,
            "foreign-register"
        );
        for (versions, pointer) in
            [(vec![3], "/body/versions/0"), (vec![2, 1], "/body/versions/1"), (vec![], "/body/versions")]
        {
            let (_, problem) = world.post(Who::System, PERMITS, order(&record, &versions)).await.problem(422);
            assert_eq!(problem["errors"][0]["pointer"], pointer, "{versions:?}");
        }
        // Where everything else is read by, nothing is withheld.
        let departments = world.get(Who::Anyone, "/v1/departments/roads").await.expect(200);
        let refused = order(&departments["record"], &[1]);
        let (kind, _) =
            world.post(Who::Operator, "/v1/registers/departments/entries", refused).await.problem(422);
        assert_eq!(kind, "invalid-entry");
        assert!(world.get(Who::System, &format!("{PERMITS}/0")).await.expect(200)["body"].is_object());
        world.end().await;
    }
}

#[tokio::test]
async fn an_order_sent_again_is_the_order_and_a_body_sent_again_is_not_back() {
    for world in World::both().await {
        let keyed = |key: &'static str| [("idempotency-key", key)];
        let entry = json!({ "type": "issued", "body": world.body(SECRET) });
        let made =
            world.send(Who::System, "POST", PERMITS, &keyed("issue"), Some(entry.clone())).await.expect(201);
        let order = order(&made["record"], &[1]);
        let first = world.send(Who::System, "POST", PERMITS, &keyed("order"), Some(order.clone())).await;
        assert_eq!(first.header("idempotent-replayed"), "");
        let first = first.expect(201);
        let again = world.send(Who::System, "POST", PERMITS, &keyed("order"), Some(order.clone())).await;
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(again.expect(201)["index"], first["index"]);
        // Without a key it is another order, for what is gone already.
        world.post(Who::System, PERMITS, order).await.problem(422);
        let back = world.send(Who::System, "POST", PERMITS, &keyed("issue"), Some(entry)).await.problem(409);
        assert_eq!(back.0, "idempotency-conflict");
        // The record goes on, and an order can name what came since.
        let suspended =
            json!({ "record": made["record"], "type": "suspended", "body": { "reason": "a check" } });
        world.post(Who::System, PERMITS, suspended).await.expect(201);
        world.post(Who::System, PERMITS, self::order(&made["record"], &[3])).await.expect(201);
        let shown = world.get(Who::System, PERMITS).await.expect(200);
        let there: Vec<bool> =
            shown["items"].as_array().unwrap().iter().map(|item| item["body"].is_object()).collect();
        assert_eq!(there, [false, true, false, true]);
        world.end().await;
    }
}

/// A message that waited when the order came says that there is no body.
#[tokio::test]
async fn a_message_that_waited_says_nothing_of_it() {
    for world in worlds().await {
        let mut receiver = Receiver::start(&[Answering::Status(200)]).await;
        let body =
            json!({ "url": receiver.url(), "bodies": true, "purpose": "to know", "legal_basis": "1-FZ" });
        hook(&world, Who::System, body).await;
        let record = permit(&world, "permits").await;
        world.post(Who::System, PERMITS, order(&record, &[1])).await.expect(201);
        let deliverer = start(&world);
        let first = receiver.next().await.json();
        assert_eq!(
            (&first["data"]["index"], &first["data"]["withheld"]),
            (&json!(0), &json!({ "index": 2 }))
        );
        assert!(first["data"].get("body").is_none() && first["data"].get("salt").is_none());
        let second = receiver.next().await.json();
        assert!(second["data"]["body"].is_object() && second["data"].get("withheld").is_none());
        deliverer.stop().await;
        world.end().await;
    }
}

/// A ledger that a test can look at.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Noted>>>);

impl Ledger for Notes {
    fn read(&self) -> io::Result<Vec<Noted>> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn note(&self, orders: &[Noted]) -> io::Result<()> {
        self.0.lock().unwrap().extend_from_slice(orders);
        Ok(())
    }

    fn place(&self) -> String {
        "a test's notes".to_owned()
    }
}

/// An order is in the ledger when it is acknowledged; one that another server took when it is looked for. Nothing of a body is.
#[tokio::test]
async fn orders_are_noted_before_they_are_acknowledged() {
    for world in World::both().await {
        let (ours, theirs) = (Notes::default(), Notes::default());
        let withholding = Withholding::new(world.registry.clone(), Arc::new(ours.clone()));
        drop(world.state.clone().with_withholding(withholding));
        let record = permit(&world, "permits").await;
        let other = permit(&world, "open-permits").await;
        world.post(Who::System, PERMITS, order(&record, &[1, 2])).await.expect(201);
        let noted = ours.read().unwrap();
        assert_eq!(noted.len(), 1);
        let places: Vec<u64> = noted[0].withheld.iter().map(|place| place.index).collect();
        assert_eq!((noted[0].register.as_str(), noted[0].index, places), ("permits", 2, vec![0, 1]));
        assert!(!serde_json::to_string(&noted).unwrap().contains(SECRET));
        world.post(Who::System, "/v1/registers/open-permits/entries", order(&other, &[1])).await.expect(201);
        let another = Withholding::new(world.registry.clone(), Arc::new(theirs.clone()));
        another.catch_up().await.unwrap();
        assert_eq!(theirs.read().unwrap(), ours.read().unwrap());
        // Again, and by a process that has only the file: nothing is noted twice.
        another.catch_up().await.unwrap();
        Withholding::new(world.registry.clone(), Arc::new(theirs.clone())).catch_up().await.unwrap();
        assert_eq!(theirs.read().unwrap().len(), 2);
        assert!(another.missing().await.unwrap().is_empty());
        world.end().await;
    }
}

/// A store that went the same way but for the order, as a backup from before it does.
#[tokio::test]
async fn an_order_that_the_store_lost_is_carried_out_again() {
    for world in World::both().await {
        let record = permit(&world, "permits").await;
        let entry = world.store.entry(&"permits".parse().unwrap(), 0).await.unwrap().unwrap();
        let hash = proofs::hash::leaf_hash(&entry.leaf().to_bytes());
        let line = |index: u64, hash| {
            serde_json::from_value::<Noted>(json!({
                "register": "permits", "index": 40, "leaf": proofs::hash::Hash([1; 32]),
                "order": { "authority": "a court", "number": "7", "date": "2026-02-01" },
                "withheld": [{ "index": index, "leaf": hash }],
            }))
            .unwrap()
        };
        // Of the three, one is of an entry that is there; the others are of another log, and of one that is shorter.
        let notes = Notes(Arc::new(Mutex::new(vec![
            line(0, hash),
            line(1, proofs::hash::Hash([9; 32])),
            line(30, hash),
        ])));
        let withholding = Withholding::new(world.registry.clone(), Arc::new(notes.clone()));
        let missing = withholding.missing().await.unwrap();
        assert_eq!(missing.len(), 1);
        assert_eq!(
            (missing[0].leaves[0].record.to_string().as_str(), missing[0].leaves[0].version),
            (record.as_str().unwrap(), 1)
        );
        // A key that is not the owner's carries nothing out.
        let stranger = PrivateKey::from_seed(&[77; 32]);
        assert!(withholding.again(&missing[0], Signer::Department(&stranger)).await.is_err());
        let again = withholding.again(&missing[0], Signer::Platform).await.unwrap();
        assert_eq!((again.appended.version, again.appended.replayed), (3, false));
        assert!(withholding.again(&missing[0], Signer::Platform).await.unwrap().appended.replayed);
        assert!(withholding.missing().await.unwrap().is_empty());
        let shown = world.get(Who::System, &format!("{PERMITS}/0")).await.expect(200);
        assert!(is_withheld(&shown, 2), "{shown}");
        world.end().await;
    }
}

/// A body that a hand put back is removed when the store is opened, and that it was is written down for everyone.
#[tokio::test]
async fn what_came_back_is_removed_and_written_down() {
    for world in World::both().await {
        let record = permit(&world, "permits").await;
        let before = world.store.entry(&"permits".parse().unwrap(), 0).await.unwrap().unwrap();
        world.post(Who::System, PERMITS, order(&record, &[1])).await.expect(201);
        let postgres = world.store.db().dialect() == eventstore::sql::Dialect::Postgres;
        let on = if postgres { " ON entry" } else { "" };
        let mut tx = world.store.db().begin().await.unwrap();
        tx.execute(&format!("DROP TRIGGER entry_update{on}"), vec![]).await.unwrap();
        let back = "UPDATE entry SET body = $1, salt = $2 WHERE position = $3";
        let salt = before.salt.unwrap().0.to_vec();
        let values = vec![before.body.unwrap().into(), salt.into(), before.position.into()];
        assert_eq!(tx.execute(back, values).await.unwrap(), 1);
        tx.commit().await.unwrap();
        let withholding = Withholding::new(world.registry.clone(), Arc::new(Notes::default()));
        assert_eq!(withholding.remove_again().await.unwrap(), 1);
        assert_eq!((withholding.removed_again(), withholding.remove_again().await.unwrap()), (1, 0));
        assert!(is_withheld(&world.get(Who::System, &format!("{PERMITS}/0")).await.expect(200), 2));
        let told = world.get(Who::Anyone, "/v1/registers/interventions/entries").await.expect(200);
        assert_eq!(
            told["items"][0]["body"]["entries"],
            json!([{ "register": "permits", "index": 0, "order": 2 }])
        );
        world.end().await;
    }
}

/// What else the platform keeps of people can be withheld, and what rests on it goes on without.
#[tokio::test]
async fn a_person_an_access_and_an_offer_go_on_without_their_bodies() {
    for world in World::both().await {
        let record = permit(&world, "permits").await;
        // Someone looks in office, and the person sees that they did.
        let id = record.as_str().expect("a record");
        let position = world.store.position().await.unwrap();
        read(&world, Who::Official, &format!("/v1/registers/permits/records/{id}"), position).await;
        let position = world.store.position().await.unwrap();
        let looks = read(&world, Who::Citizen, "/v1/account/accesses", position).await;
        let look: Uuid = looks["items"][0]["id"]
            .as_str()
            .or(looks["items"][0]["record"].as_str())
            .unwrap()
            .parse()
            .unwrap();
        let withholding = Withholding::new(world.registry.clone(), Arc::new(Notes::default()));
        let body = order(&Value::Null, &[1])["body"].clone();
        for (register, record) in [("accesses", look), ("persons", world.citizen)] {
            let register = register.parse().unwrap();
            let key = format!("order {record}").replace(' ', "-");
            let done = withholding.order(&register, record, body.clone(), key, Signer::Platform).await;
            done.unwrap_or_else(|refusal| panic!("{register}: {refusal:?}"));
        }
        let position = world.store.position().await.unwrap();
        let looks = read(&world, Who::Citizen, "/v1/account/accesses", position).await;
        assert!(!looks.to_string().contains(&look.to_string()), "{looks}");
        let me = read(&world, Who::Citizen, "/v1/account", position).await;
        assert!(!me.to_string().contains("Иванова"), "{me}");
        // The account still takes what is new.
        let amended =
            json!({ "record": world.citizen, "type": "amended", "body": { "phone": "+79161234567" } });
        world.post(Who::Operator, "/v1/registers/persons/entries", amended).await.expect(201);
        let more = world.permit("permits", "A778").await;
        let mine =
            read(&world, Who::Citizen, "/v1/account/records", more["position"].as_u64().unwrap()).await;
        assert!(mine.to_string().contains("A778"));
        world.end().await;
    }
}
