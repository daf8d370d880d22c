//! Proposals: made of causes, once, whatever happens to the servers; and taken back when their cause falls away.

use std::task::Poll;

use api::proactive::settings;
use domain::definition::Group;
use serde_json::json;
use uuid::Uuid;

use crate::proactive_town::{Town, a_set, an_allowance, on_birth, settle, subject};

#[tokio::test]
async fn a_birth_proposes_and_says_why() {
    for mut town in Town::both().await {
        let rule = town.publish(on_birth("birth-set", a_set())).await;
        let (child, mother) = (town.person("2026-05-30").await, town.person("1995-01-01").await);
        let birth = town.birth(child, mother).await;
        town.settle().await;
        let offers = town.offers(mother).await;
        assert_eq!(offers.len(), 1);
        assert_eq!((offers[0].status.as_str(), offers[0].effect.as_str()), ("proposed", "set"));
        assert_eq!(offers[0].expires_on.map(|day| day.to_string()).as_deref(), Some("2026-07-01"));
        let content = town.content(offers[0].record).await;
        assert_eq!(content["rule"], json!({ "record": rule, "slug": "birth-set", "version": 1 }));
        assert_eq!(
            (&content["cause"]["record"], &content["cause"]["type"]),
            (&json!(birth), &json!("recorded"))
        );
        assert_eq!(content["values"], json!({ "children": 1 }));
        assert_eq!(content["evaluated"]["position"], content["cause"]["position"]);
        let services = content["effect"]["services"].as_array().expect("services");
        assert_eq!(services[0]["values"], json!({ "child": child }));
        assert_eq!(services[1]["values"], json!({ "child": "1" }));
        assert!(town.offers(child).await.is_empty());
        // The third child is none that the rule is for; the account is seen as it was at each birth.
        for n in 1..=2 {
            town.birth(town.person(&format!("2026-05-2{n}")).await, mother).await;
        }
        town.settle().await;
        assert_eq!(town.offers(mother).await.len(), 2);
        town.end().await;
    }
}

/// Replays, restarts, projections made again, an edited rule, and another server: the same offers.
#[tokio::test]
async fn an_offer_is_made_once() {
    for mut town in Town::both().await {
        let rule = town.publish(on_birth("birth-set", a_set())).await;
        let provide = town.publish(on_birth("birth-allowance", an_allowance("='B' + digits(8)"))).await;
        let mother = town.person("1995-01-01").await;
        town.birth(town.person("2026-05-30").await, mother).await;
        town.settle().await;
        let made = town.offers(mother).await;
        assert_eq!(made.len(), 2);
        // From the beginning again, as after a crash before its place was written down.
        let again = "UPDATE proactive_position SET position = 0";
        assert_eq!(town.execute(again).await, 1);
        let mut restarted = town.engine();
        settle(&mut restarted).await;
        assert_eq!(restarted.counts().proposed, 0);
        for projection in ["offers", "account", "dates"] {
            projections::rebuild(&town.world.store, projection, |_| {}).await.expect("it is made again");
        }
        for (record, slug, effect) in
            [(rule, "birth-set", a_set()), (provide, "birth-allowance", an_allowance("='C' + digits(8)"))]
        {
            let mut edited = on_birth(slug, effect);
            edited["when"] = json!("children <= 5");
            town.append("triggers", Some(record), "changed", json!({ "slug": slug, "rule": edited })).await;
        }
        town.execute(again).await;
        settle(&mut town.engine()).await;
        assert_eq!(town.offers(mother).await.len(), 2);
        assert_eq!(town.count(mother, "allowances").await, 1);
        // The edited rules look at what comes after.
        town.birth(town.person("2026-05-29").await, mother).await;
        settle(&mut town.engine()).await;
        let offers = town.offers(mother).await;
        assert_eq!(offers.iter().map(|offer| offer.rule_version).collect::<Vec<_>>(), [2, 2, 1, 1]);
        town.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_side_by_side_make_each_offer_once() {
    for mut town in Town::both().await {
        let store = town.world.again(77).await;
        let other = api::registry::Registry::open(store.clone()).await.expect("it opens");
        let mut there = api::proactive::Engine::new(other, town.world.projections());
        town.publish(on_birth("birth-set", a_set())).await;
        town.publish(on_birth("birth-allowance", an_allowance("='B' + digits(8)"))).await;
        let mut mothers = Vec::new();
        for n in 0..12 {
            let mother = town.person("1995-01-01").await;
            town.birth(town.person(&format!("2026-05-{:02}", n + 1)).await, mother).await;
            mothers.push(mother);
        }
        tokio::join!(settle(&mut town.engine), settle(&mut there));
        for mother in mothers {
            let mut offers = town.statuses(mother).await;
            offers.sort();
            assert_eq!(offers, ["proposed", "provided"]);
            assert_eq!(town.count(mother, "allowances").await, 1);
        }
        let made = town.engine.counts().proposed + there.counts().proposed;
        assert_eq!(made, 24, "each was made by one of them");
        store.close().await;
        town.end().await;
    }
}

/// The engine is cut off after so many steps of its work, ever later, until it gets through; and then goes on.
#[tokio::test]
async fn an_engine_cut_off_anywhere_loses_nothing_and_does_nothing_twice() {
    for town in Town::both().await {
        town.publish(on_birth("birth-set", a_set())).await;
        town.publish(on_birth("birth-allowance", an_allowance("='B' + digits(8)"))).await;
        let mother = town.person("1995-01-01").await;
        town.birth(town.person("2026-05-30").await, mother).await;
        let mut cut_off = 0;
        for polls in 1.. {
            let mut engine = town.engine();
            let mut working = std::pin::pin!(settle(&mut engine));
            let mut left = polls;
            let done = std::future::poll_fn(|context| {
                if left == 0 {
                    return Poll::Ready(false);
                }
                left -= 1;
                working.as_mut().poll(context).map(|()| true)
            });
            if done.await {
                break;
            }
            cut_off += 1;
        }
        assert!(cut_off > 3, "it has more than {cut_off} places where it waits");
        settle(&mut town.engine()).await;
        let mut statuses = town.statuses(mother).await;
        statuses.sort();
        assert_eq!(statuses, ["proposed", "provided"]);
        assert_eq!(town.count(mother, "allowances").await, 1);
        town.end().await;
    }
}

#[tokio::test]
async fn a_rule_looks_at_what_comes_after_it_and_while_it_lasts() {
    for mut town in Town::both().await {
        let mother = town.person("1995-01-01").await;
        town.birth(town.person("2026-05-01").await, mother).await;
        let mut later = on_birth("later", json!({ "inform": {} }));
        later["in_force"]["from"] = json!("2026-07-01");
        town.publish(later).await;
        let rule = town.publish(on_birth("birth-set", a_set())).await;
        town.settle().await;
        assert!(town.offers(mother).await.is_empty(), "the birth was before the rules");
        // A fact that took effect long ago.
        let body = json!({ "subjects": [subject("child", town.person("2010-01-01").await), subject("mother", mother)] });
        let entry = api::registry::EntryRequest::Platform {
            record: None,
            version: None,
            entry_type: "recorded".parse().expect("a type"),
            effective_at: Some("2025-01-01T00:00:00.000Z".parse().expect("a time")),
            body,
        };
        let by = api::registry::Actor::local("roads".parse().expect("a slug"));
        let request = api::registry::AppendRequest::new("births".parse().expect("a slug"), by, vec![entry]);
        town.world.registry.append(request).await.expect("it is appended");
        town.settle().await;
        assert!(town.offers(mother).await.is_empty(), "the fact is old");
        town.append("triggers", Some(rule), "retired", json!({ "reason": "replaced" })).await;
        town.birth(town.person("2026-05-30").await, mother).await;
        town.settle().await;
        assert!(town.offers(mother).await.is_empty(), "the rule is retired");
        town.end().await;
    }
}

#[tokio::test]
async fn who_does_not_want_it_or_cannot_be_reached_gets_nothing() {
    for mut town in Town::both().await {
        town.publish(on_birth("birth-set", a_set())).await;
        let [unwilling, closed, dead, willing] = {
            let mut mothers = [Uuid::nil(); 4];
            for mother in &mut mothers {
                *mother = town.person("1995-01-01").await;
            }
            mothers
        };
        let db = town.world.store.db();
        let now = town.world.store.clock().now();
        settings::set(db, unwilling, &[Group::Family].into(), now).await.expect("it is set");
        settings::set(db, willing, &[Group::Transport].into(), now).await.expect("it is set");
        town.append("persons", Some(closed), "closed", json!({ "reason": "wish" })).await;
        town.append("deaths", None, "recorded", json!({ "subjects": [subject("deceased", dead)] })).await;
        for mother in [unwilling, closed, dead, willing] {
            town.birth(town.person("2026-05-30").await, mother).await;
        }
        town.settle().await;
        for mother in [unwilling, closed, dead] {
            assert!(town.offers(mother).await.is_empty());
        }
        assert_eq!(town.offers(willing).await.len(), 1);
        town.end().await;
    }
}

#[tokio::test]
async fn what_cannot_be_provided_goes_to_an_official_with_the_reason() {
    for mut town in Town::both().await {
        town.publish(on_birth("birth-allowance", an_allowance("A100"))).await;
        let (first, second) = (town.person("1995-01-01").await, town.person("1996-01-01").await);
        for mother in [first, second] {
            town.birth(town.person("2026-05-30").await, mother).await;
        }
        town.settle().await;
        assert_eq!(
            (town.statuses(first).await, town.statuses(second).await),
            (vec!["provided".to_owned()], vec!["referred".to_owned()])
        );
        let offer = town.offers(second).await.remove(0).record;
        let reason = town.last_body(offer).await["reason"].as_str().expect("a reason").to_owned();
        assert!(reason.contains("the official number belongs to another record"), "{reason}");
        // A body that the register does not take: the place and the rule are told, the value is not.
        town.publish(on_birth("misfit", an_allowance("b-secret-1"))).await;
        town.birth(town.person("2026-05-31").await, second).await;
        town.settle().await;
        let misfit = town
            .offers(second)
            .await
            .into_iter()
            .find(|offer| offer.rule_slug == "misfit")
            .expect("it is offered");
        let reason = town.last_body(misfit.record).await["reason"].as_str().expect("a reason").to_owned();
        assert!(
            misfit.status == "referred" && reason.contains("/number") && !reason.contains("secret"),
            "{reason}"
        );
        assert_eq!(town.count(second, "allowances").await, 0);
        town.end().await;
    }
}

#[tokio::test]
async fn an_offer_whose_cause_falls_away_is_withdrawn_and_what_was_provided_is_for_an_official() {
    for mut town in Town::both().await {
        town.publish(on_birth("birth-set", a_set())).await;
        town.publish(on_birth("birth-allowance", an_allowance("='B' + digits(8)"))).await;
        let mut births = Vec::new();
        for _ in 0..3 {
            let mother = town.person("1995-01-01").await;
            births.push((mother, town.birth(town.person("2026-05-30").await, mother).await));
        }
        town.settle().await;
        let [(right, typo), (wrong, mistaken), (nobody, void)] = births[..] else { panic!("three") };
        // A letter in the place; another mother; no birth at all.
        town.append("births", Some(typo), "corrected", json!({ "corrects": 1, "place": "Тверь" })).await;
        let true_mother = town.person("1990-01-01").await;
        let subjects =
            json!([subject("child", town.person("2026-05-30").await), subject("mother", true_mother)]);
        town.append("births", Some(mistaken), "corrected", json!({ "corrects": 1, "subjects": subjects }))
            .await;
        town.append("births", Some(void), "annulled", json!({})).await;
        town.settle().await;
        let sorted = async |person| {
            let mut statuses = town.statuses(person).await;
            statuses.sort();
            statuses
        };
        assert_eq!(sorted(right).await, ["proposed", "provided"]);
        assert_eq!(sorted(wrong).await, ["referred", "withdrawn"]);
        assert_eq!(sorted(nobody).await, ["referred", "withdrawn"]);
        for offer in town.offers(nobody).await {
            let body = town.last_body(offer.record).await;
            assert_eq!(body["because"], json!({ "register": "births", "record": void, "version": 2 }));
            assert!(body["reason"].as_str().is_some_and(|reason| reason.contains("no longer in force")));
        }
        // Once more from the beginning: nothing is taken back twice, and nothing comes again.
        town.execute("UPDATE proactive_position SET position = 0").await;
        let before = town.world.store.position().await.expect("a position");
        settle(&mut town.engine()).await;
        assert_eq!(town.world.store.position().await.expect("a position"), before);
        town.end().await;
    }
}

/// What a person did with an offer since is no reason to take it back when a letter of its cause is corrected.
#[tokio::test]
async fn a_correction_is_judged_by_the_account_as_it_was() {
    for mut town in Town::both().await {
        let mut first_only = on_birth("first-child", a_set());
        first_only["when"] = json!("children == 1");
        town.publish(first_only).await;
        let mother = town.person("1995-01-01").await;
        let birth = town.birth(town.person("2026-05-30").await, mother).await;
        town.settle().await;
        town.birth(town.person("2026-05-31").await, mother).await;
        town.append("births", Some(birth), "corrected", json!({ "corrects": 1, "place": "Тверь" })).await;
        town.settle().await;
        assert_eq!(town.statuses(mother).await, ["proposed"]);
        town.end().await;
    }
}

/// A rule that cannot be evaluated for someone is seen in the counts, and the others go on.
#[tokio::test]
async fn a_rule_that_fails_stops_nobody_else() {
    for mut town in Town::both().await {
        let mut faulty = on_birth("faulty", a_set());
        faulty["let"] = json!([{ "name": "zero", "is": "size(family.children) - size(family.children)" }]);
        faulty["when"] = json!("1 / zero == 1");
        faulty["effect"]["set"]["services"][1]["values"] = json!({});
        town.publish(faulty).await;
        town.publish(on_birth("birth-set", a_set())).await;
        let mother = town.person("1995-01-01").await;
        town.birth(town.person("2026-05-30").await, mother).await;
        town.settle().await;
        assert_eq!(town.offers(mother).await.len(), 1);
        assert_eq!((town.engine.counts().faults, town.engine.counts().proposed), (1, 1));
        town.end().await;
    }
}
