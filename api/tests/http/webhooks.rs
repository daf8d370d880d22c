//! Webhooks: what is sent where, signed, in order, again and again, and by one server at a time.

use std::time::Duration;

use api::webhooks::{ATTEMPTS_MAX, Deliverer, Delivery, DeliveryState, ListFilter, Settings};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::accesses::recorded;
use crate::receiver::{Answering, Got, Receiver};
use crate::world::{NOON, Who, World};

const OK: Answering = Answering::Status(200);
const BROKEN: Answering = Answering::Status(500);

/// Worlds whose webhooks may be sent to this machine, and whose times are short.
pub async fn worlds() -> [World; 2] {
    let webhooks = Settings {
        allow_private: true,
        tick: Duration::from_millis(10),
        lease: Duration::from_secs(30),
        timeout: Duration::from_millis(400),
    };
    World::both_with(api::feeds::Settings::default(), webhooks).await
}

pub fn start(world: &World) -> Deliverer {
    Deliverer::start(&world.state).expect("a client")
}

pub async fn hook(world: &World, who: Who, body: Value) -> (Uuid, String) {
    let made = world.post(who, "/v1/webhooks", body).await.expect(201);
    let id = made["id"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    (id, made["secret"].as_str().expect("a secret").to_owned())
}

async fn append(world: &World, number: u32) -> u64 {
    let outcome = crate::world::append(
        &world.registry,
        "permits",
        "roads",
        "issued",
        world.body(&format!("A{number:03}")),
    )
    .await;
    outcome.appended.position
}

async fn deliveries(world: &World, hook: Uuid) -> Vec<Delivery> {
    let mut found = api::webhooks::list(&world.store, hook, ListFilter::default(), 200).await.expect("read");
    found.sort_by_key(|delivery| delivery.position);
    found
}

/// Waits until what was queued is so.
async fn until(world: &World, hook: Uuid, so: impl Fn(&[Delivery]) -> bool) -> Vec<Delivery> {
    let looking = async {
        loop {
            let found = deliveries(world, hook).await;
            if so(&found) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), looking).await.expect("it comes to be so")
}

#[tokio::test]
async fn entries_are_sent_in_order_and_signed() {
    for world in worlds().await {
        let deliverer = start(&world);
        let mut receiver = Receiver::start(&[OK]).await;
        append(&world, 0).await;
        let (id, secret) = hook(&world, Who::System, json!({ "url": receiver.url() })).await;
        let mut positions = Vec::new();
        for number in 1..=20 {
            positions.push(append(&world, number).await);
            world
                .post(
                    Who::OtherSystem,
                    "/v1/registers/felling/entries",
                    json!({ "type": "issued", "body": world.body(&format!("A{number:03}")) }),
                )
                .await
                .expect(201);
        }
        let mut ids = Vec::new();
        for position in &positions {
            let got = receiver.next().await;
            assert_eq!(got.position(), *position);
            assert!(got.signed_with(&secret) && !got.signed_with("whsec_AAAA"));
            assert_eq!(got.header("content-type"), "application/cloudevents+json; charset=UTF-8");
            assert_eq!(got.header("webhook-timestamp"), (NOON.millis() / 1000).to_string());
            assert!(got.header("webhook-id").starts_with("msg_"));
            ids.push(got.header("webhook-id").to_owned());
            let event = got.json();
            assert_eq!(
                (&event["specversion"], &event["type"]),
                (&json!("1.0"), &json!("reestr.entry.appended"))
            );
            assert_eq!(event["source"], "//log.test/registers/permits");
            assert!(event["data"].get("body").is_none(), "no body was asked for");
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), positions.len());
        until(&world, id, |all| {
            all.len() == 20 && all.iter().all(|one| one.state == DeliveryState::Delivered)
        })
        .await;
        let path = format!("/v1/webhooks/{id}/deliveries");
        let first = world.get(Who::Official, &format!("{path}?limit=15")).await.expect(200);
        let next = first["next"].as_str().expect("more");
        let second = world.get(Who::Official, &format!("{path}?cursor={next}")).await.expect(200);
        assert!(second["next"].is_null());
        let items = [&first, &second].map(|page| page["items"].as_array().expect("items").clone()).concat();
        let mut listed: Vec<u64> = items.iter().filter_map(|item| item["position"].as_u64()).collect();
        listed.sort_unstable();
        assert_eq!(listed, positions);
        assert!(items.iter().all(|item| item["state"] == "delivered" && item["last_status"] == 200));
        assert_eq!(recorded(&world).await, Vec::<Value>::new(), "statements are no access");
        deliverer.stop().await;
        world.end().await;
    }
}

#[tokio::test]
async fn what_fails_is_sent_again_before_what_came_after() {
    for world in worlds().await {
        let deliverer = start(&world);
        let mut receiver = Receiver::start(&[BROKEN, Answering::Redirect, OK]).await;
        let (id, _) = hook(&world, Who::System, json!({ "url": receiver.url() })).await;
        let positions = [append(&world, 1).await, append(&world, 2).await];
        let first = receiver.next().await;
        for attempts in 1..=2 {
            let found =
                until(&world, id, |all| all.first().is_some_and(|one| one.attempts == attempts)).await;
            assert_eq!(found[0].state, DeliveryState::Waiting);
            assert_eq!(found[0].last_status, Some([500, 307][usize::try_from(attempts).unwrap() - 1]));
            let pause = found[0].next_at.expect("a time").millis() - world.clock_now().millis();
            assert!(pause >= 3_750 * 3_i64.pow(u32::try_from(attempts).unwrap() - 1), "{pause}");
            assert!(receiver.rest().is_empty(), "nothing is sent before its time, and nothing past it");
            world.clock.advance(pause);
            let again = receiver.next().await;
            assert_eq!(
                (again.position(), again.header("webhook-id")),
                (positions[0], first.header("webhook-id"))
            );
            assert_eq!(again.path, "hook", "a redirect leads nowhere");
        }
        assert_eq!(receiver.next().await.position(), positions[1]);
        let found =
            until(&world, id, |all| all.iter().all(|one| one.state == DeliveryState::Delivered)).await;
        assert_eq!(found.iter().map(|one| one.attempts).collect::<Vec<_>>(), [3, 1]);
        deliverer.stop().await;
        world.end().await;
    }
}

#[tokio::test]
async fn what_fails_for_a_day_is_parked_and_can_be_replayed() {
    for world in worlds().await {
        let deliverer = start(&world);
        let mut receiver = Receiver::start(&[BROKEN]).await;
        let (id, _) = hook(&world, Who::System, json!({ "url": receiver.url() })).await;
        let position = append(&world, 1).await;
        for attempts in 1..ATTEMPTS_MAX {
            let found =
                until(&world, id, |all| all.first().is_some_and(|one| one.attempts == attempts)).await;
            world.clock.set(found[0].next_at.expect("a time"));
        }
        let found = until(&world, id, |all| all[0].state == DeliveryState::Parked).await;
        assert_eq!((found[0].attempts, found[0].last_fault.as_deref()), (ATTEMPTS_MAX, Some("status")));
        let hours = (world.clock_now().millis() - NOON.millis()) / 3_600_000;
        assert!((16..30).contains(&hours), "{hours}");
        assert_eq!(receiver.rest().len() as u64, ATTEMPTS_MAX);
        // The next message is sent at once: what is parked holds up nothing.
        receiver.answer(&[OK]);
        let next = append(&world, 2).await;
        assert_eq!(receiver.next().await.position(), next);
        // Tokens are of noon.
        world.clock.set(NOON);
        let parked =
            world.get(Who::Official, &format!("/v1/webhooks/{id}/deliveries?state=parked")).await.expect(200);
        let delivery = parked["items"][0]["id"].as_str().expect("an id");
        assert_eq!(
            (&parked["items"][0]["position"], &parked["items"][0]["last_status"]),
            (&json!(position), &json!(500))
        );
        assert!(world.get(Who::Anyone, "/metrics").await.text().contains("\nreestr_webhook_parked 1\n"));
        let path = format!("/v1/webhooks/{id}/deliveries/{delivery}/replay");
        world.send(Who::Official, "POST", &path, &[], None).await.expect(202);
        let got = receiver.next().await;
        assert_eq!((got.position(), got.header("webhook-id")), (position, &*format!("msg_{delivery}")));
        until(&world, id, |all| all.iter().all(|one| one.state == DeliveryState::Delivered)).await;
        let absent = format!("/v1/webhooks/{id}/deliveries/{}/replay", Uuid::from_u128(9));
        assert_eq!(world.send(Who::Official, "POST", &absent, &[], None).await.problem(404).0, "not-found");
        deliverer.stop().await;
        world.end().await;
    }
}

/// One that is not there, one that never answers: the third is sent everything meanwhile.
#[tokio::test]
async fn the_slow_and_the_dead_cost_the_others_nothing() {
    for world in worlds().await {
        let deliverer = start(&world);
        let gone = Receiver::start(&[OK]).await.url();
        let slow = Receiver::start(&[Answering::Never]).await;
        let mut good = Receiver::start(&[OK]).await;
        let (dead_id, _) = hook(&world, Who::System, json!({ "url": gone })).await;
        let (slow_id, _) = hook(&world, Who::System, json!({ "url": slow.url() })).await;
        hook(&world, Who::OtherSystem, json!({ "url": slow.url() })).await;
        hook(&world, Who::System, json!({ "url": good.url() })).await;
        for number in 1..=30 {
            let position = append(&world, number).await;
            assert_eq!(good.next().await.position(), position);
        }
        let timed_out = until(&world, slow_id, |all| all.first().is_some_and(|one| one.attempts == 1)).await;
        assert_eq!(timed_out[0].last_fault.as_deref(), Some("timed-out"));
        let refused = until(&world, dead_id, |all| all.first().is_some_and(|one| one.attempts == 1)).await;
        assert_eq!(refused[0].last_fault.as_deref(), Some("no-connection"));
        // Their queues do not grow while nothing gets through: the journal keeps the rest.
        assert!(refused.iter().all(|one| one.state == DeliveryState::Waiting));
        deliverer.stop().await;
        world.end().await;
    }
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_sent_nothing_until_it_is_back() {
    for world in worlds().await {
        let deliverer = start(&world);
        let mut receiver = Receiver::start(&[Answering::Status(410), OK]).await;
        let (id, _) = hook(&world, Who::System, json!({ "url": receiver.url() })).await;
        append(&world, 1).await;
        receiver.next().await;
        until(&world, id, |all| all.first().is_some_and(|one| one.state == DeliveryState::Parked)).await;
        let path = format!("/v1/webhooks/{id}");
        let state = async || world.get(Who::Official, &path).await.expect(200);
        while state().await["state"] != "disabled" {
            tokio::task::yield_now().await;
        }
        assert_eq!(state().await["disabled_why"], "gone");
        let missed = append(&world, 2).await;
        let test = world.send(Who::Official, "POST", &format!("{path}/test"), &[], None).await;
        assert_eq!(test.problem(409).0, "state-conflict");
        assert!(receiver.rest().is_empty());
        world.send(Who::Official, "POST", &format!("{path}/enable"), &[], None).await.expect(200);
        assert_eq!(receiver.next().await.position(), missed, "it goes on where it was");
        deliverer.stop().await;
        world.end().await;
    }
}

#[tokio::test]
async fn a_test_says_at_once_whether_the_receiver_is_there() {
    for world in worlds().await {
        let deliverer = start(&world);
        let mut receiver = Receiver::start(&[Answering::RetryAfter(7_200), BROKEN, OK]).await;
        let (id, secret) =
            hook(&world, Who::Operator, json!({ "url": receiver.url(), "registers": ["persons"] })).await;
        // An entry that has failed does not hold up a test.
        crate::world::append(&world.registry, "persons", "platform", "opened",
            json!({ "name": { "family": "Иванов", "given": "Б" }, "birth_date": "1990-01-01", "sex": "male" })).await;
        receiver.next().await;
        let found = until(&world, id, |all| all.first().is_some_and(|one| one.attempts == 1)).await;
        assert_eq!(found[0].next_at, Some(NOON.plus_millis(7_200_000)), "the receiver asked for two hours");
        for state in ["parked", "delivered"] {
            let test = world.send(Who::Operator, "POST", &format!("/v1/webhooks/{id}/test"), &[], None).await;
            let test = test.expect(202)["delivery"].clone();
            let got = receiver.next().await;
            assert!(got.signed_with(&secret));
            assert_eq!(got.json()["type"], "reestr.webhook.test");
            assert_eq!(got.json()["data"], json!({ "webhook": id }));
            let is = |one: &Delivery| json!(one.id) == test && one.state.as_str() == state;
            until(&world, id, |all| all.iter().any(is)).await;
        }
        deliverer.stop().await;
        world.end().await;
    }
}

#[tokio::test]
async fn a_body_is_sent_with_a_reason_and_each_sending_is_an_access() {
    for world in worlds().await {
        let deliverer = start(&world);
        let mut receiver = Receiver::start(&[BROKEN, OK]).await;
        let (id, _) = hook(
            &world,
            Who::System,
            json!({ "url": receiver.url(), "registers": ["notices"], "bodies": true,
            "purpose": "keeping the archive", "legal_basis": "2-FZ, article 5" }),
        )
        .await;
        let entry = world.permit("notices", "A001").await;
        receiver.next().await;
        let access = json!({
            "subjects": [{ "role": "person", "person": world.citizen }],
            "by": { "role": "department", "department": "roads", "client": format!("webhook {id}") },
            "on_behalf_of": { "department": "roads" },
            "department": "roads",
            "endpoint": "feed",
            "purpose": "keeping the archive",
            "legal_basis": "2-FZ, article 5",
            "records": [{ "register": "notices", "record": entry["record"] }],
        });
        // It was written down before it was sent, and is not again when it is sent again.
        assert_eq!(recorded(&world).await, std::slice::from_ref(&access));
        let found = until(&world, id, |all| all.first().is_some_and(|one| one.attempts == 1)).await;
        world.clock.set(found[0].next_at.expect("a time"));
        let got = receiver.next().await.json();
        assert_eq!(got["data"]["body"], world.body("A001"));
        assert!(body_is_the_signed_one(&got["data"]));
        let found = until(&world, id, |all| all[0].state == DeliveryState::Delivered).await;
        assert_eq!(recorded(&world).await.len(), 1);
        // Replayed, it is shown once more.
        assert_eq!(
            api::webhooks::replay(&world.store, id, found[0].id).await.expect("it is replayed"),
            api::webhooks::Replayed::Again
        );
        receiver.next().await;
        assert_eq!(recorded(&world).await, [access.clone(), access]);
        deliverer.stop().await;
        world.end().await;
    }
}

/// The digest in the statement is the body's: the receiver can check what it was sent.
fn body_is_the_signed_one(data: &Value) -> bool {
    use proofs::body::{Salt, digest};
    use proofs::statement::SignedStatement;
    let signed = SignedStatement::parse(data["statement"].as_str().expect("a statement")).expect("it parses");
    let salt: Salt = serde_json::from_value(data["salt"].clone()).expect("a salt");
    digest(&salt, &proofs::jcs::canonical(&data["body"]).expect("canonical")) == signed.statement().body
}

/// The operator's own feed of accesses, with bodies, would feed itself.
#[tokio::test]
async fn accesses_are_told_of_without_their_bodies() {
    for world in worlds().await {
        let deliverer = start(&world);
        let mut receiver = Receiver::start(&[OK]).await;
        let (id, _) = hook(
            &world,
            Who::Operator,
            json!({ "url": receiver.url(), "registers": ["accesses"],
            "bodies": true, "purpose": "watching accesses", "legal_basis": "2-FZ, article 5" }),
        )
        .await;
        world.permit("notices", "A001").await;
        world.get(Who::Official, "/v1/registers/notices/entries").await.expect(200);
        let got = receiver.next().await.json();
        assert_eq!(got["data"]["register"], "accesses");
        assert!(got["data"].get("body").is_none());
        until(&world, id, |all| all.len() == 1 && all[0].state == DeliveryState::Delivered).await;
        assert_eq!(recorded(&world).await.len(), 1);
        deliverer.stop().await;
        world.end().await;
    }
}

#[tokio::test]
async fn a_new_secret_signs_beside_the_old_for_a_day() {
    for world in worlds().await {
        let deliverer = start(&world);
        let mut receiver = Receiver::start(&[OK]).await;
        let (id, old) = hook(&world, Who::System, json!({ "url": receiver.url() })).await;
        let path = format!("/v1/webhooks/{id}");
        let shown = world.get(Who::System, &path).await.expect(200);
        assert!(shown.get("secret").is_none() && !shown.to_string().contains("whsec_"));
        let new = world.send(Who::System, "POST", &format!("{path}/secret"), &[], None).await.expect(200);
        let new = new["secret"].as_str().expect("a secret").to_owned();
        assert_ne!(old, new);
        let signed = async |receiver: &mut Receiver, number| {
            append(&world, number).await;
            let got: Got = receiver.next().await;
            [got.signed_with(&old), got.signed_with(&new)]
        };
        // The sender learns of it within a tick.
        let mut number = 0;
        while signed(&mut receiver, number).await != [true, true] {
            number += 1;
        }
        world.clock.advance(24 * 3_600_000);
        assert_eq!(signed(&mut receiver, number + 1).await, [false, true]);
        deliverer.stop().await;
        world.end().await;
    }
}

/// Two servers: each message once; the second goes on when the first ends, and when it dies.
#[tokio::test]
async fn one_server_at_a_time_sends() {
    for world in worlds().await {
        let mut receiver = Receiver::start(&[OK]).await;
        let (id, _) = hook(&world, Who::System, json!({ "url": receiver.url() })).await;
        let (there, third) = (world.another(21).await, world.another(22).await);
        let (one, other) = (start(&world), Deliverer::start(&there).expect("a client"));
        let mut number = 0;
        let mut sent = async |receiver: &mut Receiver| {
            for _ in 0..10 {
                number += 1;
                let position = append(&world, number).await;
                assert_eq!(receiver.next().await.position(), position);
            }
            assert!(receiver.rest().is_empty(), "a message was sent twice");
        };
        sent(&mut receiver).await;
        until(&world, id, |all| {
            all.len() == 10 && all.iter().all(|one| one.state == DeliveryState::Delivered)
        })
        .await;
        // Which of the two had it, nobody knows: first the one ends, then the other dies.
        one.stop().await;
        sent(&mut receiver).await;
        until(&world, id, |all| {
            all.len() == 20 && all.iter().all(|one| one.state == DeliveryState::Delivered)
        })
        .await;
        drop(other);
        let last = Deliverer::start(&third).expect("a client");
        let position = append(&world, 900).await;
        // Its lease must end first.
        world.clock.advance(31_000);
        assert_eq!(receiver.next().await.position(), position);
        last.stop().await;
        for state in [there, third] {
            state.store().close().await;
        }
        world.end().await;
    }
}
