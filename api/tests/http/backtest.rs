//! Backtests and explanations over both stores: stopped and taken up anywhere, the report is the same; a rule that names what
//! is not there is refused when published.

use std::ops::ControlFlow;
use std::sync::Arc;

use api::backtest;
use api::proactive::explain::explain;
use api::registry::{Actor, AppendRequest, EntryRequest, Reason, Refusal};
use chrono::NaiveDate;
use domain::trigger::backtest::{Asked, Backtest, Report};
use domain::trigger::{CompiledRule, Rules};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::proactive_town::Town;
use crate::world::{NOON, World, append};

/// A rule of the test world: at an age, in years.
fn rule(years: u32, when: &str) -> Value {
    json!({
        "slug": "at-an-age", "title": {"ru": "Р", "en": "At an age"}, "situation": "passport-and-residence", "kind": "documents",
        "department": "roads",
        "cause": {"date": {"register": "persons", "member": "birth_date", "plus": format!("{years}Y")}},
        "for": "person", "fresh_days": 0, "let": [{"name": "years", "is": "person.age"}], "when": when, "effect": {"inform": {}},
        "legal_basis": [{"title": {"ru": "Р", "en": "L"}, "citation": "1-FZ"}], "in_force": {"from": "2000-01-01"}
    })
}

fn compiled(rule: &Value) -> Arc<CompiledRule> {
    CompiledRule::compile(rule).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn asked(to: &str) -> Asked {
    Asked { from: None, to: day(to), in_force_only: false, examples: 3 }
}

fn day(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

async fn opened(world: &World, born: &str, region: &str) -> Uuid {
    let body = json!({"name": {"family": "Ф", "given": "И"}, "birth_date": born, "sex": "male", "address": {"region": region}});
    append(&world.registry, "persons", "platform", "opened", body).await.appended.record
}

/// More people than one batch has entries, so that there is somewhere to stop.
async fn town(world: &World) {
    for from in [0, 900] {
        let entries = (from..from + 900).map(|at| EntryRequest::Platform {
            record: None,
            version: None,
            entry_type: "opened".parse().expect("a type"),
            effective_at: None,
            body: json!({
                "name": {"family": "Ф", "given": "И"}, "sex": "male", "address": {"region": format!("Region {}", at % 3)},
                "birth_date": (day("2006-01-01") + chrono::Days::new(at)).to_string(),
            }),
        });
        let by = Actor::local("platform".parse().expect("a slug"));
        let request = AppendRequest::new("persons".parse().expect("a slug"), by, entries.collect());
        world.registry.append(request).await.expect("they are appended");
    }
}

async fn whole(world: &World, backtest: Backtest) -> Report {
    let (last, _) = backtest::end(&world.registry).await.expect("an end");
    let done = backtest::run(&world.registry, backtest, last, |_, _| ControlFlow::Continue(())).await;
    done.expect("a backtest").finish()
}

#[tokio::test]
async fn a_backtest_counts_and_is_the_same_on_both_stores_and_however_often_it_is_stopped() {
    let mut reports = Vec::new();
    for world in World::both().await {
        town(&world).await;
        let (before, after) = (rule(20, "true"), rule(20, "person.address.region != 'Region 1'"));
        let new = || Backtest::compare(compiled(&before), compiled(&after), asked("2028-12-31"));
        let (last, _) = backtest::end(&world.registry).await.expect("an end");
        let report = whole(&world, new()).await;
        // Those who were twenty before they were recorded get nothing.
        let expected = (day("2008-12-31") - day("2006-06-01")).num_days() + 1;
        let first = &report.rules[0];
        assert_eq!(first.people, expected.cast_unsigned());
        assert_eq!(first.by_month.values().sum::<u64>(), first.proposals);
        let comparison = report.comparison.as_ref().expect("two versions");
        assert_eq!(first.by_region["Region 1"], comparison.loses.people);
        assert_eq!(comparison.loses.why.keys().collect::<Vec<_>>(), ["person.address.region != 'Region 1'"]);

        // Stopped after every batch, put down as JSON, taken up by another.
        let (mut state, mut stops) = (new(), 0);
        loop {
            let mut stopped = false;
            let stop = |_: &Backtest, _: u64| {
                stopped = true;
                ControlFlow::Break(())
            };
            state = backtest::run(&world.registry, state, last, stop).await.expect("a backtest");
            if !stopped {
                break;
            }
            stops += 1;
            let kept = serde_json::to_vec(&state.snapshot()).expect("JSON");
            state =
                new().resume(serde_json::from_slice(&kept).expect("a snapshot")).expect("the same backtest");
        }
        assert!(stops >= 2, "{stops}");
        assert_eq!(state.finish(), report);
        let position = world.store.position().await.expect("a position");
        assert_eq!(position, last, "nothing was written");
        reports.push(
            report
                .rules
                .iter()
                .map(|rule| (rule.by_month.clone(), rule.by_region.clone()))
                .collect::<Vec<_>>(),
        );
    }
    assert_eq!(reports[0], reports[1]);
}

#[tokio::test]
async fn by_the_time_of_effect_an_account_counts_from_birth() {
    for world in World::both().await {
        opened(&world, "2001-06-05", "Москва").await;
        let new = || Backtest::of(compiled(&rule(14, "true")), asked("2026-06-01"));
        assert_eq!(whole(&world, new()).await.rules[0].people, 0, "at the time of recording all are older");
        let (last, end) = backtest::end(&world.registry).await.expect("an end");
        assert_eq!(end, Some(NOON.date()));
        let mut entries = 0;
        let run = backtest::run_by_effect(&world.registry, new(), last, |some| entries += some).await;
        let report = run.expect("a backtest").finish();
        // The two of the test world turned fourteen in 2004.
        assert_eq!(
            report.rules[0].by_month.iter().map(|(month, n)| (month.as_str(), *n)).collect::<Vec<_>>(),
            [("2004-01", 2), ("2015-06", 1)]
        );
        assert_eq!(
            entries,
            backtest::entries_to_read(&world.registry, &new(), last).await.expect("a number")
        );
    }
}

#[tokio::test]
async fn a_rule_that_names_what_is_not_there_is_refused_and_changes_nothing() {
    for world in World::both().await {
        let before = world.store.position().await.expect("a position");
        let mut bad = rule(14, "person.wand == 'x'");
        bad["department"] = json!("ministry-of-magic");
        let body = json!({"slug": "at-an-age", "rule": bad});
        let refusal = publish(&world, body).await;
        let refusal = refusal.expect_err("a refusal");
        assert!(matches!(refusal.reason, Reason::Rules(_)), "{refusal:?}");
        let faults = refusal.reason.faults();
        let places: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(places, ["/rule/department", "/rule/when"]);
        // A text that is no rule at all is refused by the aggregate, with its place.
        let body = json!({"slug": "at-an-age", "rule": rule(14, "person.age ==")});
        let refusal = publish(&world, body).await;
        assert_eq!(refusal.expect_err("a refusal").reason.faults()[0].pointer, "/rule/when");
        assert_eq!(world.store.position().await.expect("a position"), before);
    }
}

#[tokio::test]
async fn an_explanation_says_of_each_cause_what_came_of_it() {
    for world in World::both().await {
        let person = opened(&world, "2012-06-10", "Москва").await;
        let text = rule(14, "years == 14 && person.address.region == 'Тверь'");
        append(
            &world.registry,
            "triggers",
            "platform",
            "published",
            json!({"slug": "at-an-age", "rule": text}),
        )
        .await;
        let rules = rules(&world).await;
        projections::catch_up(&world.store, "account").await.expect("caught up");
        let outcome = async |person: Uuid, today: &str| {
            let explained = explain(&world.registry, &rules, person, None, day(today)).await;
            let (explained, disclosed) = explained.expect("an explanation");
            assert!(disclosed.iter().any(|disclosure| disclosure.record == person));
            let told = |outcome| serde_json::to_value(outcome).expect("JSON");
            explained.rules[0].causes.iter().map(|cause| told(&cause.outcome)).collect::<Vec<_>>()
        };
        assert_eq!(outcome(person, "2026-06-09").await, [json!({"outcome": "not-yet-due"})]);
        let failed = &outcome(person, "2026-06-10").await[0];
        assert_eq!((&failed["outcome"], &failed["values"]), (&json!("failed"), &json!({"years": 14})));
        assert_eq!(failed["condition"], "person.address.region == 'Тверь'");
        assert_eq!(outcome(world.citizen, "2026-06-10").await, [json!({"outcome": "before-publication"})]);
        let only = "no-such-rule".parse().expect("a slug");
        let none = explain(&world.registry, &rules, person, Some(&only), day("2026-06-10")).await;
        assert!(none.expect("an explanation").0.rules.is_empty());
    }
}

#[tokio::test]
async fn an_explanation_finds_the_offers_that_the_engine_made_and_why_it_made_no_others() {
    for mut town in Town::both().await {
        let first_child = json!({
            "slug": "first-child", "title": {"ru": "Р", "en": "First child"}, "situation": "birth-of-a-child",
            "kind": "family", "department": "roads",
            "cause": {"entry": {"register": "births", "types": ["recorded"]}}, "for": "subject:mother",
            "family": ["children"], "when": "size(family.children) == 1", "effect": {"inform": {}},
            "legal_basis": [{"title": {"ru": "Р", "en": "L"}, "citation": "1-FZ"}], "in_force": {"from": "2000-01-01"}
        });
        let (early, mother, quiet) = (
            town.person("1991-01-01").await,
            town.person("1992-01-01").await,
            town.person("1993-01-01").await,
        );
        let mut children = Vec::new();
        for _ in 0..4 {
            children.push(town.person("2026-05-30").await);
        }
        town.birth(children[0], early).await;
        town.publish(first_child).await;
        let off = [domain::definition::Group::Family].into();
        let now = town.world.clock_now();
        api::proactive::settings::set(town.world.store.db(), quiet, &off, now).await.expect("it is set");
        for (child, person) in [(1, mother), (2, mother), (3, quiet)] {
            town.birth(children[child], person).await;
        }
        town.settle().await;
        town.projected().await;
        let rules = rules(&town.world).await;
        let outcomes = async |person: Uuid| {
            let explained = explain(&town.world.registry, &rules, person, None, NOON.date()).await;
            let rule = explained.expect("an explanation").0.rules.remove(0);
            let causes = rule.causes.iter().map(|cause| serde_json::to_value(&cause.outcome).expect("JSON"));
            (rule.switched_off, causes.collect::<Vec<_>>())
        };
        let (_, of_mother) = outcomes(mother).await;
        let words = |outcomes: &[Value]| {
            let mut words: Vec<String> =
                outcomes.iter().map(|outcome| outcome["outcome"].to_string()).collect();
            words.sort();
            words.join(" ")
        };
        assert_eq!(words(&of_mother), r#""failed" "offered""#);
        let offered = of_mother.iter().find(|outcome| outcome["outcome"] == "offered").expect("an offer");
        assert_eq!(offered["status"], "proposed");
        let (switched_off, of_quiet) = outcomes(quiet).await;
        assert_eq!((switched_off, words(&of_quiet).as_str()), (true, r#""withheld""#));
        assert_eq!(words(&outcomes(early).await.1), r#""before-publication""#);
        assert!(outcomes(children[0]).await.1.is_empty());

        // Without the engine, the same rule over the same history finds the same, and those before it.
        let text = rules.find("first-child").expect("the rule").rule.clone();
        let report = whole(&town.world, Backtest::of(text, asked("2026-06-01"))).await;
        assert_eq!((report.rules[0].causes, report.rules[0].people), (4, 3));
    }
}

async fn publish(world: &World, body: Value) -> Result<(), Refusal> {
    let entry = EntryRequest::Platform {
        record: None,
        version: None,
        entry_type: "published".parse().expect("a type"),
        effective_at: None,
        body,
    };
    let by = Actor::local("platform".parse().expect("a slug"));
    let request = AppendRequest::new("triggers".parse().expect("a slug"), by, vec![entry]);
    world.registry.append(request).await.map(|_| ())
}

async fn rules(world: &World) -> Rules {
    let mut rules = Rules::default();
    let triggers = "triggers".parse().expect("a slug");
    for entry in world.store.read_register(&triggers, 0, 100).await.expect("entries") {
        let body = api::registry::parse_body(&entry).expect("JSON");
        rules.apply(&api::registry::view(&entry, body.as_ref())).expect("a rule");
    }
    rules
}
