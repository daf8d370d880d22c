use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::asof::{AsOf, fold};
use crate::testing::{Recorded, at, small_definition, verifier_key};

/// A register whose records go to and fro.
fn definitions() -> Definitions {
    let title = json!({"ru": "Слово", "en": "Word"});
    let kind = |name: &str, from: serde_json::Value, to: serde_json::Value| json!({"type": name, "title": title, "from": from, "to": to, "effect": "none", "schema": {"type": "object"}});
    let mut definition = small_definition("permits", "platform");
    let any = json!(["valid", "revoked"]);
    definition["types"] = json!([
        kind("issued", json!(null), json!("valid")),
        kind("noted", any.clone(), json!(null)),
        kind("revoked", any.clone(), json!("revoked")),
        kind("restored", any, json!("valid")),
    ]);
    let key = verifier_key("registers.example.gov/registers/permits");
    let mut definitions = Definitions::default();
    let body = crate::register::body(&definition, &key);
    definitions
        .apply(&Recorded::new("registers", 1, "2020-01-01", (0xd, 1), "defined", body).view())
        .unwrap();
    definitions
}

/// A type, and the days of a short year on which it was recorded and has effect.
type Made = (&'static str, i64, i64);

fn day(day: i64) -> Timestamp {
    at("2026-01-01").plus_millis(day * 86_400_000)
}

/// Hands the entries of a life to `then`.
fn with_views<T>(life: &[Made], then: impl FnOnce(Vec<EntryView<'_>>) -> T) -> T {
    let recorded: Vec<Recorded> = (1..)
        .zip(life)
        .map(|(version, (kind, ..))| {
            Recorded::new("permits", version + 1, "2026-01-01", (7, version), kind, json!({}))
        })
        .collect();
    let views = recorded.iter().zip(life).map(|(entry, (_, recorded, effective))| EntryView {
        recorded_at: day(*recorded),
        effective_at: day(*effective),
        ..entry.view()
    });
    then(views.collect())
}

fn told(life: &[Made]) -> Vec<Period> {
    with_views(life, |views| periods(views, &definitions()).unwrap())
}

fn row(status: &str, effective: (i64, Option<i64>), recorded: (i64, Option<i64>)) -> Period {
    Period {
        status: status.to_owned(),
        effective_from: day(effective.0),
        effective_until: effective.1.map(day),
        recorded_from: day(recorded.0),
        recorded_until: recorded.1.map(day),
    }
}

#[test]
fn what_was_learnt_later_ends_what_was_known() {
    let life = [("issued", 1, 1), ("noted", 2, 2), ("revoked", 20, 10), ("restored", 30, 10)];
    let expected = [
        row("valid", (1, None), (1, Some(20))),
        row("valid", (1, Some(10)), (20, Some(30))),
        row("revoked", (10, None), (20, Some(30))),
        row("valid", (1, None), (30, None)),
    ];
    assert_eq!(told(&life), expected);
}

#[test]
fn what_was_known_for_no_time_is_left_out() {
    let life = [("issued", 1, 1), ("revoked", 1, 1), ("restored", 1, 5)];
    let expected = [row("revoked", (1, Some(5)), (1, None)), row("valid", (5, None), (1, None))];
    assert_eq!(told(&life), expected);
}

#[test]
fn a_status_that_begins_where_another_ends_leaves_that_one_as_it_was_known() {
    let life = [("issued", 1, 1), ("revoked", 2, 10), ("restored", 3, 12), ("revoked", 4, 12)];
    let expected = [
        row("valid", (1, None), (1, Some(2))),
        row("valid", (1, Some(10)), (2, None)),
        row("revoked", (10, None), (2, Some(3))),
        row("revoked", (10, Some(12)), (3, Some(4))),
        row("valid", (12, None), (3, Some(4))),
        row("revoked", (10, None), (4, None)),
    ];
    assert_eq!(told(&life), expected);
}

fn lives() -> impl Strategy<Value = Vec<Made>> {
    let kind = prop::sample::select(vec!["noted", "revoked", "restored"]);
    (0..4_i64, prop::collection::vec((kind, 0..3_i64, 0..8_i64), 0..8)).prop_map(|(effective, later)| {
        let mut recorded = 0;
        let mut life = vec![("issued", recorded, effective)];
        for (kind, after, effective) in later {
            recorded += after;
            life.push((kind, recorded, effective));
        }
        life
    })
}

proptest! {
    /// The oracle is the fold as of a time, at every pair of moments that can differ.
    #[test]
    fn exactly_one_period_holds_a_moment_and_says_what_the_fold_says(life in lives()) {
        let definitions = definitions();
        let told = told(&life);
        for recorded in -1..25_i64 {
            for effective in -1..9_i64 {
                let (recorded, effective) = (day(recorded), day(effective));
                let as_of = AsOf { recorded, effective };
                let past = with_views(&life, |views| fold(views, &definitions, as_of).unwrap());
                let holds = |from: Timestamp, until: Option<Timestamp>, moment| {
                    from <= moment && until.is_none_or(|until| moment < until)
                };
                let found: Vec<&str> = told
                    .iter()
                    .filter(|period| holds(period.effective_from, period.effective_until, effective))
                    .filter(|period| holds(period.recorded_from, period.recorded_until, recorded))
                    .map(|period| period.status.as_str())
                    .collect();
                let expected: Vec<&str> = past.iter().map(|past| past.record.state.status.as_str()).collect();
                prop_assert_eq!(found, expected, "{:?} as of {:?}", &life, as_of);
            }
        }
    }
}
