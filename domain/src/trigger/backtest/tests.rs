use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::testing::{at, slug};
use crate::trigger::tests::{World, compiled, right, with};

/// A history: entries under the definitions of the fixtures.
struct History {
    world: World,
    events: Vec<RecordEvent>,
}

impl History {
    fn new() -> Self {
        Self { world: World::new(), events: Vec::new() }
    }

    fn record(&mut self, register: &str, made: (u128, u64), when: &str, kind: &str, body: Value) {
        let event = self.world.record(register, made, when, kind, body);
        self.events.push(event);
    }

    fn person(&mut self, id: u128, when: &str, born: &str, region: &str) {
        let body = json!({"name": {"family": "F", "given": "G"}, "birth_date": born, "sex": "female", "address": {"region": region}});
        self.record("persons", (id, 1), when, "opened", body);
    }

    fn birth(&mut self, id: u128, when: &str, child: u128, mother: u128) {
        let subject = |role: &str, person: u128| json!({"role": role, "person": Uuid::from_u128(person)});
        let body = json!({"child": {"birth_date": when}, "subjects": [subject("child", child), subject("mother", mother)]});
        self.record("births", (id, 1), when, "recorded", body);
    }

    /// Two mothers: one (1) of two children, one (2) of one; both in their regions.
    fn births() -> Self {
        let mut history = Self::new();
        history.person(1, "2020-01-01", "1990-05-05", "Москва");
        history.person(2, "2020-01-01", "1992-02-29", "Тверская область");
        history.person(11, "2020-03-01", "2020-02-20", "Москва");
        history.birth(21, "2020-03-01", 11, 1);
        history.person(12, "2021-07-01", "2021-06-20", "Тверская область");
        history.birth(22, "2021-07-01", 12, 2);
        history.person(13, "2022-08-01", "2022-07-20", "Москва");
        history.birth(23, "2022-08-01", 13, 1);
        history
    }

    fn feed(&self, mut backtest: Backtest, events: std::ops::Range<usize>) -> Backtest {
        for event in &self.events[events] {
            let definition = self.world.definitions.current(&event.register).unwrap().definition.clone();
            backtest.apply(event, &definition, event.recorded_at);
        }
        backtest
    }

    fn run(&self, backtest: Backtest) -> Report {
        self.feed(backtest, 0..self.events.len()).finish()
    }
}

fn asked(to: &str) -> Asked {
    Asked { from: None, to: at(to).date(), in_force_only: false, examples: 5 }
}

/// At a fourteenth birthday.
fn at_fourteen(plus: &str) -> Value {
    let cause = json!({"date": {"register": "persons", "member": "birth_date", "plus": plus}});
    let rule = with(with(right(), "/cause", cause), "/fresh_days", json!(0));
    with(with(rule, "/for", json!("person")), "/when", json!("true"))
}

fn counts(of: &std::collections::BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    of.iter().map(|(name, count)| (name.as_str(), *count)).collect()
}

#[test]
fn counts_people_months_regions_and_says_why_not() {
    let history = History::births();
    let report = history.run(Backtest::of(compiled(&right()), asked("2023-01-01")));
    let rule = &report.rules[0];
    assert_eq!((rule.causes, rule.evaluated, rule.proposals, rule.people), (3, 3, 2, 2));
    assert_eq!(counts(&rule.by_month), [("2020-03", 1), ("2021-07", 1)]);
    assert_eq!(counts(&rule.by_region), [("Москва", 1), ("Тверская область", 1)]);
    assert_eq!(counts(&rule.failed), [("child_count == 1", 1)]);
    assert_eq!((rule.examples[0].person, rule.examples[0].record), (Uuid::from_u128(1), Uuid::from_u128(21)));
    assert_eq!((report.entries, report.comparison.is_none()), (8, true));
    assert_eq!(report, history.run(Backtest::of(compiled(&right()), asked("2023-01-01"))));
}

#[test]
fn only_causes_between_the_days_count_but_all_of_history_is_known() {
    let history = History::births();
    let asked = Asked { from: Some(at("2021-01-01").date()), ..asked("2022-12-31") };
    let rule = &history.run(Backtest::of(compiled(&right()), asked)).rules[0];
    // The third birth is the second child of its mother: that was known before.
    assert_eq!((rule.causes, rule.proposals), (2, 1));
    let late = with(right(), "/in_force", json!({"from": "2022-01-01"}));
    let asked = Asked { in_force_only: true, from: None, ..asked };
    let rule = &history.run(Backtest::of(compiled(&late), asked)).rules[0];
    assert_eq!((rule.causes, rule.proposals), (3, 0));
    assert_eq!(counts(&rule.unfit), [("the rule is not in force on the day of the cause", 2)]);
}

#[test]
fn dates_fall_due_as_time_goes_by() {
    let history = History::births();
    let run = |plus: &str, from: Option<&str>, to: &str| {
        let asked = Asked { from: from.map(|from| at(from).date()), ..asked(to) };
        let report = history.run(Backtest::of(compiled(&at_fourteen(plus)), asked));
        report.rules[0]
            .examples
            .iter()
            .map(|example| (example.day.to_string(), example.person.as_u128()))
            .collect::<Vec<_>>()
    };
    let days = |days: &[(&str, u128)]| {
        days.iter().map(|(day, person)| ((*day).to_owned(), *person)).collect::<Vec<_>>()
    };
    // Thirty and twenty-nine years: on the day, in the middle of the history; of the 29th of February, on the 28th.
    assert_eq!(run("30Y", None, "2023-01-01"), days(&[("2020-05-05", 1), ("2022-02-28", 2)]));
    assert_eq!(run("30Y", Some("2021-01-01"), "2023-01-01"), days(&[("2022-02-28", 2)]));
    assert_eq!(run("30Y", None, "2022-02-27"), days(&[("2020-05-05", 1)]));
    // After the last entry too, until the last day asked for; and what was due before it was recorded is not.
    assert_eq!(run("3Y", None, "2024-12-31"), days(&[("2023-02-20", 11), ("2024-06-20", 12)]));
    // On the very day of the entry, at its end.
    assert_eq!(run("9D", None, "2020-12-31"), days(&[]));
    assert_eq!(run("10D", None, "2020-12-31"), days(&[("2020-03-01", 11)]));
}

#[test]
fn a_date_that_had_passed_when_it_was_recorded_counts_while_it_is_fresh() {
    let run = |fresh_days: u32| {
        let mut history = History::new();
        history.person(1, "2020-02-01", "2006-01-10", "Москва");
        history.record("persons", (1, 2), "2020-03-01", "amended", json!({"phone": "+79160000000"}));
        let rule = compiled(&with(at_fourteen("14Y"), "/fresh_days", json!(fresh_days)));
        let report = history.run(Backtest::of(rule, asked("2021-12-31")));
        report.rules[0].examples.iter().map(|example| example.day.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(run(22), ["2020-02-01"]);
    assert_eq!(run(21), [""; 0]);
}

#[test]
fn a_base_that_changes_falls_due_as_it_is_then() {
    let mut history = History::new();
    history.person(1, "2020-01-01", "2006-06-01", "Москва");
    history.record(
        "persons",
        (1, 2),
        "2020-05-01",
        "corrected",
        json!({"birth_date": "2007-06-01", "corrects": 1, "reason": "x"}),
    );
    history.person(2, "2020-01-01", "2006-06-01", "Москва");
    history.record("persons", (2, 2), "2020-05-31", "closed", json!({"reason": "x"}));
    history.events.sort_by_key(|event| event.recorded_at);
    let report = history.run(Backtest::of(compiled(&at_fourteen("14Y")), asked("2021-12-31")));
    let examples: Vec<_> = report.rules[0].examples.iter().map(|example| example.day.to_string()).collect();
    assert_eq!(examples, ["2021-06-01"]);
    assert_eq!(counts(&report.rules[0].unfit), [("the record is in no status that the rule looks at", 1)]);
}

#[test]
fn the_dead_get_nothing() {
    let mut history = History::births();
    let deceased = json!({"subjects": [{"role": "deceased", "person": Uuid::from_u128(2)}]});
    history.record("deaths", (31, 1), "2022-01-01", "recorded", deceased);
    history.events.sort_by_key(|event| event.recorded_at);
    let report = history.run(Backtest::of(compiled(&at_fourteen("30Y")), asked("2023-01-01")));
    assert_eq!((report.rules[0].causes, report.rules[0].people), (2, 1));
}

#[test]
fn two_versions_are_compared_by_who_gains_who_loses_and_why() {
    let history = History::births();
    let compare = |after: Value| {
        let backtest = Backtest::compare(compiled(&right()), compiled(&after), asked("2023-01-01"));
        history.run(backtest).comparison.unwrap()
    };
    let same = compare(with(right(), "/title/en", json!("Other words")));
    assert_eq!((same.same, same.changed, same.gains.proposals, same.loses.proposals), (2, 0, 0, 0));

    let wider = compare(with(right(), "/when", json!("child_count <= 2")));
    assert_eq!((wider.same, wider.gains.proposals, wider.loses.proposals), (2, 1, 0));
    assert_eq!(counts(&wider.gains.why), [("child_count == 1", 1)]);
    assert_eq!((wider.gains.people, wider.gains.people_entirely), (1, 0), "she had one before");
    assert_eq!(wider.gains.examples[0].record, Uuid::from_u128(23));

    let narrower =
        compare(with(right(), "/when", json!("child_count == 1 && person.address.region == 'Москва'")));
    assert_eq!((narrower.same, narrower.loses.people, narrower.loses.people_entirely), (1, 1, 1));
    assert_eq!(counts(&narrower.loses.why), [("person.address.region == 'Москва'", 1)]);

    let values = compare(with(right(), "/effect/offer/values/born", json!("'x' + cause.date")));
    assert_eq!((values.same, values.changed), (0, 2));
    assert_eq!(counts(&values.changed_values), [("services/0/born", 2)]);

    let elsewhere = compare(with(
        with(right(), "/cause", json!({"entry": {"register": "deaths", "types": ["recorded"]}})),
        "/for",
        json!("subject:deceased"),
    ));
    assert_eq!(counts(&elsewhere.loses.why), [("the new version does not look at it", 2)]);

    // An edited span moves the day, not the cause.
    let backtest =
        Backtest::compare(compiled(&at_fourteen("30Y")), compiled(&at_fourteen("29Y")), asked("2023-01-01"));
    let moved = history.run(backtest).comparison.unwrap();
    assert_eq!((moved.changed, moved.gains.people, moved.loses.people), (1, 0, 1));
    assert_eq!(counts(&moved.changed_values), [("child_count", 1)], "a year earlier there was no child");
}

#[test]
fn is_put_down_and_taken_up_anywhere() {
    let history = History::births();
    let new = || {
        Backtest::compare(
            compiled(&right()),
            compiled(&with(right(), "/when", json!("child_count <= 2"))),
            asked("2024-01-01"),
        )
    };
    let whole = history.run(new());
    for stop in 0..=history.events.len() {
        let snapshot = serde_json::to_vec(&history.feed(new(), 0..stop).snapshot()).unwrap();
        let resumed = new().resume(serde_json::from_slice(&snapshot).unwrap()).unwrap();
        assert_eq!(history.feed(resumed, stop..history.events.len()).finish(), whole, "stopped at {stop}");
    }
    let snapshot = new().snapshot();
    let other = Backtest::compare(compiled(&right()), compiled(&right()), asked("2024-01-01"));
    assert_eq!(other.resume(snapshot).map(|_| ()), Err(OtherBacktest));
}

#[test]
fn needs_only_the_registers_that_its_rules_read() {
    let backtest = Backtest::of(compiled(&right()), asked("2024-01-01"));
    let names: Vec<_> = backtest.registers().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["births", "deaths", "marriages", "maternity-capital-certificates", "persons"]);
    assert!(backtest.registers().contains(&slug("births")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Against a naive recomputation: every person, every day.
    #[test]
    fn what_falls_due_is_what_a_calendar_says(
        people in prop::collection::vec((0_u64..4000, 0_u64..900), 1..12), years in 1_u32..12, length in 1_u64..1200,
    ) {
        let (first, mut history) = (at("2020-01-01").date(), History::new());
        let mut people: Vec<_> = people.into_iter().enumerate().collect();
        people.sort_by_key(|(_, (_, opened))| *opened);
        let day = |days: u64| first + Days::new(days);
        let mut expected = Vec::new();
        let to = day(length);
        for (id, (age, opened)) in people {
            let (id, opened) = (id as u128 + 1, day(opened));
            let born = opened - Days::new(age);
            history.person(id, &opened.to_string(), &born.to_string(), "Москва");
            let due = born.checked_add_months(chrono::Months::new(12 * years)).unwrap();
            if opened <= due && due <= to {
                expected.push((due, id));
            }
        }
        expected.sort_unstable();
        let asked = Asked { from: None, to, in_force_only: false, examples: 100 };
        let report = history.run(Backtest::of(compiled(&at_fourteen(&format!("{years}Y"))), asked));
        let mut found: Vec<_> = report.rules[0].examples.iter().map(|example| (example.day, example.person.as_u128())).collect();
        found.sort_unstable();
        prop_assert_eq!(found, expected);
    }
}
