//! Rules of dates: run by the store's clock, through each day once, after a standstill too.

use chrono::NaiveDate;
use proofs::time::Timestamp;
use serde_json::json;

use crate::proactive_town::{Town, a_set, on_birth, on_birthday};

fn noon(day: &str) -> Timestamp {
    let day: NaiveDate = day.parse().expect("a day");
    Timestamp::from_date(day).plus_millis(12 * 3_600_000)
}

impl Town {
    /// What the calendar does on a day, of what was taken in before it.
    async fn days(&mut self, day: &str) -> api::proactive::Ran {
        self.settle().await;
        self.world.clock.set(noon(day));
        self.engine.run_due().await.expect("it runs")
    }
}

#[tokio::test]
async fn a_birthday_proposes_on_its_day_and_once() {
    for mut town in Town::both().await {
        let rule = town.publish(on_birthday("passport-at-14", "14Y")).await;
        let person = town.person("2012-06-10").await;
        let leapling = town.person("2012-02-29").await;
        town.days("2026-06-09").await;
        assert!(town.offers(person).await.is_empty());
        let ran = town.days("2026-06-10").await;
        assert_eq!((ran.proposed, ran.dates), (1, 1));
        let offer = town.offers(person).await.remove(0);
        let content = town.content(offer.record).await;
        assert_eq!(
            (&content["cause"]["base"], &content["cause"]["due"], &content["evaluated"]["today"]),
            (&json!("2012-06-10"), &json!("2026-06-10"), &json!("2026-06-10"))
        );
        // The day again, from another server or after a crash before its cursor was written down.
        assert_eq!(town.days("2026-06-10").await.dates, 0);
        assert_eq!(town.execute("DELETE FROM proactive_day").await, 1);
        let mut again = town.engine();
        assert_eq!(again.run_due().await.expect("it runs").proposed, 0);
        // Edited, it is the same rule: whom it has proposed to by this date, it does not propose to again.
        let edited = on_birthday("passport-at-14", "13Y");
        town.append("triggers", Some(rule), "changed", json!({ "slug": "passport-at-14", "rule": edited }))
            .await;
        town.execute("DELETE FROM proactive_day").await;
        town.days("2026-06-11").await;
        assert_eq!(town.offers(person).await.len(), 1);
        assert!(town.offers(leapling).await.is_empty(), "the day was before the rule");
        town.end().await;
    }
}

#[tokio::test]
async fn after_a_standstill_the_missed_days_are_run_in_order_with_time_left_to_answer() {
    for mut town in Town::both().await {
        town.publish(on_birthday("passport-at-14", "14Y")).await;
        let mut people = Vec::new();
        for day in ["2012-06-05", "2012-06-20", "2012-07-31", "2012-08-15", "2012-09-01"] {
            people.push(town.person(day).await);
        }
        let ran = town.days("2026-08-15").await;
        assert_eq!((ran.proposed, ran.dates), (4, 4));
        let mut positions = Vec::new();
        for person in &people[..4] {
            let offer = town.offers(*person).await.remove(0);
            assert_eq!(offer.expires_on.map(|day| day.to_string()).as_deref(), Some("2026-09-14"));
            positions.push(offer.opened.position);
        }
        assert!(positions.is_sorted());
        assert!(town.offers(people[4]).await.is_empty());
        assert_eq!(town.days("2026-09-01").await.proposed, 1);
        town.end().await;
    }
}

/// What a day costs is what is due in it, however many people there are.
#[tokio::test]
async fn many_people_do_not_make_a_day_longer() {
    for mut town in Town::both().await {
        town.publish(on_birthday("passport-at-14", "14Y")).await;
        let first: NaiveDate = "2012-06-02".parse().expect("a day");
        town.people((0..400).map(|n| (first + chrono::Days::new(n % 365)).to_string())).await;
        let mut looked_at = 0;
        for day in ["2026-06-02", "2026-06-03", "2026-06-04"] {
            let ran = town.days(day).await;
            assert_eq!(ran.dates, ran.proposed);
            looked_at += ran.dates;
        }
        assert_eq!(looked_at, 6, "two a day of four hundred");
        town.end().await;
    }
}

#[tokio::test]
async fn a_date_recorded_when_its_day_is_there_is_not_missed() {
    for mut town in Town::both().await {
        town.publish(on_birthday("passport-at-14", "14Y")).await;
        assert_eq!(town.days("2026-06-10").await.dates, 0);
        // Today; a week ago; years ago, which is an old fact.
        let today = town.person("2012-06-10").await;
        let late = town.person("2012-06-03").await;
        let old = town.person("2005-01-01").await;
        let before_the_rule = town.person("2012-05-20").await;
        town.settle().await;
        assert_eq!((town.offers(today).await.len(), town.offers(late).await.len()), (1, 1));
        assert!(town.offers(old).await.is_empty() && town.offers(before_the_rule).await.is_empty());
        town.days("2026-06-11").await;
        assert_eq!(town.offers(today).await.len(), 1);
        town.end().await;
    }
}

#[tokio::test]
async fn another_date_takes_the_offer_back_and_falls_due_itself() {
    for mut town in Town::both().await {
        town.publish(on_birthday("passport-at-14", "14Y")).await;
        let person = town.person("2012-06-10").await;
        town.days("2026-06-10").await;
        town.append(
            "persons",
            Some(person),
            "corrected",
            json!({ "corrects": 1, "birth_date": "2012-06-20", "reason": "by the act" }),
        )
        .await;
        town.settle().await;
        assert_eq!(town.statuses(person).await, ["withdrawn"]);
        town.days("2026-06-20").await;
        assert_eq!(town.statuses(person).await, ["proposed", "withdrawn"]);
        town.end().await;
    }
}

#[tokio::test]
async fn an_offer_ends_after_its_last_day() {
    for mut town in Town::both().await {
        town.publish(on_birth("birth-set", a_set())).await;
        let mother = town.person("1995-01-01").await;
        town.birth(town.person("2026-05-30").await, mother).await;
        town.settle().await;
        town.projected().await;
        assert_eq!(town.days("2026-07-01").await.expired, 0);
        assert_eq!(town.days("2026-07-02").await.expired, 1);
        assert_eq!(town.statuses(mother).await, ["expired"]);
        assert_eq!(town.days("2026-07-03").await.expired, 0);
        town.end().await;
    }
}

/// As the server runs it: woken by commits, and asked to look at the calendar.
#[tokio::test]
async fn the_runner_follows_and_stops() {
    for town in Town::both().await {
        let registry = town.world.registry.clone();
        let options = api::proactive::Options::default();
        let runner = api::proactive::Proactive::start(registry, town.world.projections(), options);
        town.publish(on_birth("birth-set", a_set())).await;
        town.publish(on_birthday("passport-at-14", "14Y")).await;
        let (mother, young) = (town.person("1995-01-01").await, town.person("2012-06-02").await);
        town.birth(town.person("2026-05-30").await, mother).await;
        let position = town.world.store.position().await.expect("a position");
        let handle = runner.handle();
        assert!(handle.wait_for(position, crate::proactive_town::PATIENCE).await);
        assert_eq!(town.offers(mother).await.len(), 1);
        town.world.clock.set(noon("2026-06-02"));
        handle.run_due().await.expect("it runs");
        assert_eq!(town.offers(young).await.len(), 1);
        let state = handle.state();
        assert_eq!((state.counts.proposed, state.failures, state.last_error), (2, 0, None));
        runner.stop().await;
        assert!(handle.run_due().await.is_err());
        town.end().await;
    }
}
