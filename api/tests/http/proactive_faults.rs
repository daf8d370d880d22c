//! What went wrong once: proposals at the edges of crashes, standstills, retirements and chains of causes.

use std::task::Poll;

use api::proactive::settings;
use chrono::NaiveDate;
use domain::definition::Group;
use proofs::time::Timestamp;
use serde_json::json;
use uuid::Uuid;

use crate::proactive_town::{Town, a_set, an_allowance, on_birth, on_birthday, settle, subject};

fn noon(day: &str) -> Timestamp {
    let day: NaiveDate = day.parse().expect("a day");
    Timestamp::from_date(day).plus_millis(12 * 3_600_000)
}

/// Cuts an engine off as soon as it has promised an allowance to the mother, before it is made.
async fn cut_short(town: &Town, mother: Uuid) {
    let before = town.world.store.position().await.expect("a position");
    let committed = town.world.store.watch();
    {
        // It ends with this block: what is cut off in a transaction must not go on holding it.
        let mut engine = town.engine();
        let mut working = std::pin::pin!(settle(&mut engine));
        std::future::poll_fn(|context| {
            if *committed.borrow() > before {
                return Poll::Ready(());
            }
            match working.as_mut().poll(context) {
                Poll::Pending if *committed.borrow() > before => Poll::Ready(()),
                polled => polled.map(drop),
            }
        })
        .await;
    }
    assert_eq!(town.statuses(mother).await, ["proposed"]);
    assert_eq!(town.count(mother, "allowances").await, 0);
}

/// The day comes after the record, but the engine only after the day: the account counts as it is when the engine comes, as
/// it does for what the calendar finds.
#[tokio::test]
async fn after_a_standstill_a_date_is_judged_by_the_account_of_its_day() {
    for mut town in Town::both().await {
        let mut rule = on_birthday("allowance-at-14", "14Y");
        rule["reads"] = json!(["allowances"]);
        rule["when"] = json!("size(account.allowances) == 0");
        town.publish(rule).await;
        town.settle().await;
        let (with, without) = (town.person("2012-06-20").await, town.person("2012-06-20").await);
        town.world.clock.set(noon("2026-06-10"));
        let body =
            json!({ "number": "A1", "subjects": [subject("holder", with)], "valid_from": "2026-06-10" });
        town.append("allowances", None, "issued", body).await;
        town.world.clock.set(noon("2026-06-25"));
        town.settle().await;
        town.engine.run_due().await.expect("it runs");
        assert!(town.offers(with).await.is_empty(), "they had an allowance on the day");
        assert_eq!(town.offers(without).await.len(), 1);
        town.end().await;
    }
}

/// Switching a kind off stops what is not begun. What is begun is completed, else it would stay promised for ever.
#[tokio::test]
async fn what_was_promised_is_provided_though_the_kind_was_switched_off_in_between() {
    for mut town in Town::both().await {
        town.publish(on_birth("birth-allowance", an_allowance("='B' + digits(8)"))).await;
        let mother = town.person("1995-01-01").await;
        town.birth(town.person("2026-05-30").await, mother).await;
        cut_short(&town, mother).await;
        let (db, now) = (town.world.store.db(), town.world.store.clock().now());
        settings::set(db, mother, &[Group::Family].into(), now).await.expect("it is set");
        town.settle().await;
        assert_eq!(town.statuses(mother).await, ["provided"]);
        assert_eq!(town.count(mother, "allowances").await, 1);
        town.end().await;
    }
}

/// The mother dies between the promise and the provision: an official decides, and nothing stays promised for ever.
#[tokio::test]
async fn what_was_promised_to_one_who_died_goes_to_an_official() {
    for mut town in Town::both().await {
        town.publish(on_birth("birth-allowance", an_allowance("='B' + digits(8)"))).await;
        let mother = town.person("1995-01-01").await;
        town.birth(town.person("2026-05-30").await, mother).await;
        cut_short(&town, mother).await;
        town.append("deaths", None, "recorded", json!({ "subjects": [subject("deceased", mother)] })).await;
        town.settle().await;
        assert_eq!(town.statuses(mother).await, ["referred"]);
        assert_eq!(town.count(mother, "allowances").await, 0);
        town.end().await;
    }
}

/// A promise that nobody came back to is not forgotten when its time is over.
#[tokio::test]
async fn what_was_promised_and_never_provided_goes_to_an_official_after_its_last_day() {
    for mut town in Town::both().await {
        town.publish(on_birth("birth-allowance", an_allowance("='B' + digits(8)"))).await;
        let mother = town.person("1995-01-01").await;
        town.birth(town.person("2026-05-30").await, mother).await;
        cut_short(&town, mother).await;
        // As where the rule was retired before the engine came back to a date of it.
        let position = town.world.store.position().await.expect("a position");
        town.execute(&format!("UPDATE proactive_position SET position = {position}")).await;
        town.world.clock.set(noon("2026-07-20"));
        town.settle().await;
        let ran = town.engine.run_due().await.expect("it runs");
        assert_eq!((ran.expired, town.statuses(mother).await), (0, vec!["referred".to_owned()]));
        town.engine.run_due().await.expect("it runs");
        assert_eq!(town.statuses(mother).await, ["referred"]);
        town.end().await;
    }
}

/// What an offer caused falls away with it.
#[tokio::test]
async fn what_a_withdrawn_offer_caused_is_withdrawn() {
    for mut town in Town::both().await {
        let mut rule = on_birth("after-a-yes", json!({ "inform": {} }));
        rule["cause"] = json!({ "entry": { "register": "offers", "types": ["accepted"] } });
        rule["for"] = json!("subject:addressee");
        rule["when"] = json!("cause.content.rule.slug == 'birth-set'");
        town.publish(rule).await;
        town.publish(on_birth("birth-set", a_set())).await;
        let mother = town.person("1995-01-01").await;
        let birth = town.birth(town.person("2026-05-30").await, mother).await;
        town.settle().await;
        let offer = town.offers(mother).await.remove(0).record;
        let yes = json!({ "services": ["kindergarten"], "by": mother });
        town.append("offers", Some(offer), "accepted", yes).await;
        town.settle().await;
        assert_eq!(town.statuses(mother).await, ["proposed", "accepted"]);
        town.append("births", Some(birth), "annulled", json!({})).await;
        town.settle().await;
        assert_eq!(town.statuses(mother).await, ["withdrawn", "withdrawn"]);
        town.end().await;
    }
}

/// Without the platform's key nothing can be proposed; nor is it passed over, and lost for the servers that have the key.
#[tokio::test]
async fn what_cannot_be_signed_waits_for_the_key() {
    for mut town in Town::both().await {
        town.publish(on_birth("birth-set", a_set())).await;
        let mother = town.person("1995-01-01").await;
        town.birth(town.person("2026-05-30").await, mother).await;
        town.execute("CREATE TABLE taken_away AS SELECT * FROM signing_key WHERE owner = 'platform'").await;
        town.execute("DELETE FROM signing_key WHERE owner = 'platform'").await;
        assert!(town.engine.step().await.is_err());
        town.execute("INSERT INTO signing_key SELECT * FROM taken_away").await;
        town.settle().await;
        assert_eq!(town.statuses(mother).await, ["proposed"]);
        town.end().await;
    }
}
