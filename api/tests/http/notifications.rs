//! What a person is notified of, by what and when: their settings, and what a gateway is told.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::authorisation::Case;
use crate::receiver::{Answering, Receiver};
use crate::webhooks::{start, worlds};
use crate::world::{NOON, Who, World};

const PATH: &str = "/v1/account/settings/notifications";

/// What this file's endpoints answer to each.
pub fn cases() -> Vec<Case> {
    let own = |who| match who {
        Who::Citizen | Who::OtherCitizen => 200,
        Who::Anyone => 401,
        _ => 403,
    };
    vec![Case::get(PATH, PATH.to_owned(), own), Case::of("PUT", PATH, PATH.to_owned(), Some(json!({})), own)]
}

/// Settings in which this channel tells of these kinds.
fn telling(channel: &str, kinds: &[&str]) -> Value {
    json!({ "channels": { channel: { "on": true, "kinds": kinds } } })
}

async fn put(world: &World, who: Who, settings: Value) -> Value {
    world.send(who, "PUT", PATH, &[], Some(settings)).await.expect(200)
}

/// A register of notices, which the world has not.
async fn define_summonses(world: &World) {
    let mut definition = crate::world::definition("summonses", "roads", "restricted");
    definition["kind"] = json!("notice");
    world.registry.define_register(definition).await.expect("it is defined");
}

async fn summon(world: &World, number: &str, person: Uuid) -> u64 {
    let body = json!({ "number": number, "valid_from": "2026-01-01", "subjects": [{ "role": "holder", "person": person }] });
    crate::world::append(&world.registry, "summonses", "roads", "issued", body).await.appended.position
}

async fn gateway(world: &World, receiver: &Receiver, channel: &str) -> Uuid {
    let body = json!({ "url": receiver.url(), "kind": "notifications", "channel": channel });
    let made = world.post(Who::Operator, "/v1/webhooks", body).await.expect(201);
    made["id"].as_str().and_then(|id| id.parse().ok()).expect("an id")
}

#[tokio::test]
async fn settings_are_the_persons_own() {
    for world in World::both().await {
        let off = json!({ "on": false, "kinds": ["offer", "notice", "request", "access-answer"] });
        let nothing = json!({ "channels": { "email": off, "sms": off, "push": off }, "quiet_hours": null });
        assert_eq!(world.get(Who::Citizen, PATH).await.expect(200), nothing);
        let wanted = json!({
            "channels": { "email": { "on": true, "kinds": ["notice"] }, "sms": { "on": true } },
            "quiet_hours": { "from": "22:00", "to": "08:30", "zone": "+03:00" },
        });
        let mut expected = wanted.clone();
        expected["channels"]["sms"] = json!({ "on": true, "kinds": off["kinds"] });
        expected["channels"]["push"] = off;
        assert_eq!(put(&world, Who::Citizen, wanted).await, expected);
        assert_eq!(world.get(Who::Citizen, PATH).await.expect(200), expected);
        assert_eq!(world.get(Who::OtherCitizen, PATH).await.expect(200), nothing);
        for bad in [
            json!([]),
            json!({ "channels": { "pigeon": { "on": true } } }),
            json!({ "channels": { "sms": { "on": true, "kinds": ["gossip"] } } }),
            json!({ "quiet_hours": { "from": "22:00", "to": "22:00", "zone": "+03:00" } }),
            json!({ "quiet_hours": { "from": "25:00", "to": "08:00", "zone": "+03:00" } }),
            json!({ "quiet_hours": { "from": "22:00", "to": "08:00", "zone": "Europe/Moscow" } }),
        ] {
            let answer = world.send(Who::Citizen, "PUT", PATH, &[], Some(bad.clone())).await;
            assert_eq!(answer.problem(400).0, "invalid-request", "{bad}");
        }
        assert_eq!(world.get(Who::Citizen, PATH).await.expect(200), expected, "nothing was changed");
        assert_eq!(put(&world, Who::Citizen, json!({})).await, nothing);
        world.end().await;
    }
}

#[tokio::test]
async fn who_wants_it_is_told_that_there_is_a_notice_and_no_more() {
    for world in worlds().await {
        define_summonses(&world).await;
        let deliverer = start(&world);
        let mut sms = Receiver::start(&[Answering::Status(200)]).await;
        let mut email = Receiver::start(&[Answering::Status(200)]).await;
        let id = gateway(&world, &sms, "sms").await;
        gateway(&world, &email, "email").await;
        put(&world, Who::Citizen, telling("sms", &["notice"])).await;
        put(&world, Who::OtherCitizen, telling("email", &["offer"])).await;
        // Of another kind, and no notice at all: nobody is told.
        world.permit("permits", "A001").await;
        summon(&world, "A001", world.other_citizen).await;
        summon(&world, "A002", world.citizen).await;
        let got = sms.next().await;
        let event = got.json();
        assert_eq!(
            event,
            json!({
                "specversion": "1.0",
                "id": got.header("webhook-id").trim_start_matches("msg_"),
                "source": "//log.test",
                "type": "reestr.notification",
                "time": "2026-06-01T12:00:00.000Z",
                "datacontenttype": "application/json",
                "data": {
                    "person": world.citizen, "channel": "sms", "kind": "notice",
                    "text": {
                        "ru": "Вам направлено извещение: прочитайте его в личном кабинете.",
                        "en": "A notice was placed in your account: read it there.",
                    },
                },
            })
        );
        put(&world, Who::OtherCitizen, telling("email", &["notice"])).await;
        summon(&world, "A003", world.other_citizen).await;
        assert_eq!(email.next().await.json()["data"]["person"], json!(world.other_citizen));
        assert!(sms.rest().is_empty() && email.rest().is_empty());
        // What the operator sees of it names nobody.
        let listed = world.get(Who::Operator, &format!("/v1/webhooks/{id}/deliveries")).await.expect(200);
        assert_eq!(listed["items"][0]["event"], "notification");
        assert!(!listed.to_string().contains(&world.citizen.to_string()));
        deliverer.stop().await;
        world.end().await;
    }
}

/// It is 15:00 in Moscow. What comes waits for the end of the quiet hours, across a restart, and for those of then.
#[tokio::test]
async fn quiet_hours_are_kept() {
    for world in worlds().await {
        define_summonses(&world).await;
        let mut sms = Receiver::start(&[Answering::Status(200)]).await;
        let id = gateway(&world, &sms, "sms").await;
        let quiet = |to: &str| {
            let mut settings = telling("sms", &["notice"]);
            settings["quiet_hours"] = json!({ "from": "14:00", "to": to, "zone": "+03:00" });
            settings
        };
        put(&world, Who::Citizen, quiet("16:00")).await;
        put(&world, Who::OtherCitizen, telling("sms", &["notice"])).await;
        let deliverer = start(&world);
        summon(&world, "A001", world.citizen).await;
        summon(&world, "A002", world.other_citizen).await;
        // Whoever has no quiet hours does not wait for whoever has.
        assert_eq!(sms.next().await.json()["data"]["person"], json!(world.other_citizen));
        let held = api::webhooks::list(&world.store, id, api::webhooks::ListFilter::default(), 10).await;
        let held = held.expect("it is read");
        let held: Vec<_> = held.iter().filter(|one| one.person == Some(world.citizen)).collect();
        assert_eq!(held[0].next_at, Some(NOON.plus_millis(3_600_000)));
        // Meanwhile the person lets them last an hour longer, and the server is restarted.
        put(&world, Who::Citizen, quiet("17:00")).await;
        deliverer.stop().await;
        world.clock.advance(3_600_000);
        let deliverer = start(&world);
        summon(&world, "A003", world.other_citizen).await;
        assert_eq!(sms.next().await.json()["data"]["person"], json!(world.other_citizen));
        assert!(sms.rest().is_empty(), "it is 16:00, and still quiet");
        world.clock.advance(3_600_000);
        assert_eq!(sms.next().await.json()["data"]["person"], json!(world.citizen));
        deliverer.stop().await;
        world.end().await;
    }
}

#[tokio::test]
async fn what_is_not_wanted_any_more_is_not_told() {
    for world in worlds().await {
        define_summonses(&world).await;
        let mut sms = Receiver::start(&[Answering::Status(200)]).await;
        let id = gateway(&world, &sms, "sms").await;
        let mut settings = telling("sms", &["notice"]);
        settings["quiet_hours"] = json!({ "from": "14:00", "to": "16:00", "zone": "+03:00" });
        put(&world, Who::Citizen, settings).await;
        put(&world, Who::OtherCitizen, telling("sms", &["notice"])).await;
        let deliverer = start(&world);
        summon(&world, "A001", world.citizen).await;
        summon(&world, "A002", world.other_citizen).await;
        sms.next().await;
        put(&world, Who::Citizen, telling("email", &["notice"])).await;
        world.clock.advance(3_600_000);
        loop {
            let filter = api::webhooks::ListFilter {
                state: Some(api::webhooks::DeliveryState::Dropped),
                before: None,
            };
            let dropped = api::webhooks::list(&world.store, id, filter, 10).await.expect("it is read");
            if dropped.iter().any(|one| one.person == Some(world.citizen)) {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert!(sms.rest().is_empty());
        deliverer.stop().await;
        world.end().await;
    }
}

/// An offer, an application that moves on, an answer: each is told of once, and what the person did themselves is not.
#[tokio::test]
async fn each_kind_of_news_is_told() {
    for world in worlds().await {
        let mut push = Receiver::start(&[Answering::Status(200)]).await;
        gateway(&world, &push, "push").await;
        put(&world, Who::Citizen, json!({ "channels": { "push": { "on": true } } })).await;
        let deliverer = start(&world);
        let title = json!({ "ru": "Паспорт", "en": "Passport" });
        let person = world.citizen;
        let offer = json!({
            "key": "a".repeat(43), "subjects": [{ "role": "addressee", "person": person }],
            "rule": { "record": Uuid::from_u128(1), "slug": "passport-at-14", "version": 1 },
            "cause": { "kind": "entry", "register": "persons", "record": person, "version": 1, "type": "opened", "position": 1 },
            "evaluated": { "position": 1, "today": "2026-06-01" }, "values": {}, "effect": { "kind": "inform" },
            "title": title, "kind": "documents", "department": "roads", "legal_basis": [],
        });
        let offer = platform(&world, "offers", None, "proposed", offer).await;
        platform(&world, "offers", Some(offer), "seen", json!({ "by": person })).await;
        let request = json!({ "subjects": [{ "role": "applicant", "person": person }], "service": "passport",
            "title": title, "department": "roads", "values": {}, "by": person });
        let request = platform(&world, "requests", None, "submitted", request).await;
        platform(&world, "requests", Some(request), "taken", json!({ "by": world.other_citizen })).await;
        let decided = json!({ "reason": "too early", "decided_by": world.other_citizen });
        platform(&world, "requests", Some(request), "refused", decided).await;
        // An access is no news; the answer to a question about it is.
        world.permit("notices", "A001").await;
        world.get(Who::Official, "/v1/registers/notices/entries/0").await.expect(200);
        let access =
            world.store.read_register(&"accesses".parse().expect("a slug"), 0, 1).await.expect("read");
        let access = access[0].record();
        let asked = json!({ "question": "Why?", "asked_by": person });
        platform(&world, "accesses", Some(access), "questioned", asked).await;
        let path = format!("/v1/departments/roads/accesses/{access}/answer");
        world.post(Who::Official, &path, json!({ "answer": "A check of permits." })).await.expect(201);
        for kind in ["offer", "request", "request", "access-answer"] {
            let event = push.next().await.json();
            assert_eq!((&event["data"]["kind"], &event["data"]["person"]), (&json!(kind), &json!(person)));
        }
        deliverer.stop().await;
        assert!(push.rest().is_empty());
        world.end().await;
    }
}

/// Appends to a register of the platform's; gives the record.
async fn platform(
    world: &World,
    register: &str,
    record: Option<Uuid>,
    entry_type: &str,
    body: Value,
) -> Uuid {
    use api::registry::{Actor, AppendRequest, EntryRequest};
    let entry_type = entry_type.parse().expect("a type");
    let entry = EntryRequest::Platform { record, version: None, entry_type, effective_at: None, body };
    let by = Actor::local("platform".parse().expect("a slug"));
    let request = AppendRequest::new(register.parse().expect("a slug"), by, vec![entry]);
    world.registry.append(request).await.expect("it is appended").remove(0).appended.record
}
