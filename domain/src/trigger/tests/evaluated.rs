//! What rules say of people.

use super::*;

/// A mother (2) of one child (1) with a husband (3).
fn family() -> (World, Cause) {
    let mut world = World::new();
    for (id, born) in [(1, "2025-12-01"), (2, "1990-01-01"), (3, "1988-01-01")] {
        world.person(id, born);
    }
    let spouses = json!([{"role": "spouse", "person": Uuid::from_u128(2)}, {"role": "spouse", "person": Uuid::from_u128(3)}]);
    world.record("marriages", (20, 1), "2020-06-01", "recorded", json!({"subjects": spouses}));
    let birth = world.birth(10, "2025-12-01", (1, 2, 3));
    let cause = world.cause(&birth);
    (world, cause)
}

fn holds(verdict: Result<Verdict, EvalError>) -> Proposal {
    match verdict {
        Ok(Verdict::Holds(proposal)) => *proposal,
        other => panic!("{other:?}"),
    }
}

fn fails(verdict: Result<Verdict, EvalError>) -> Failure {
    match verdict {
        Ok(Verdict::Fails(failure)) => *failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_first_child_is_offered_and_a_second_is_not() {
    let (mut world, cause) = family();
    let rule = compiled(&right());
    assert!(rule.matches(&register("births"), &"recorded".parse().unwrap()));
    assert!(!rule.matches(&register("births"), &"corrected".parse().unwrap()));
    assert_eq!(rule.admits(&cause), Ok(()));
    assert_eq!(rule.addressees(&cause, &world.source), [Uuid::from_u128(2)]);
    let proposal = holds(world.evaluate(&rule, &cause, 2, "2026-01-10"));
    assert_eq!(Value::Object(proposal.values.clone()), json!({"child_count": 1}));
    assert_eq!(Value::Object(proposal.prefilled[0].clone()), json!({"mother": "F2", "born": "2025-12-01"}));
    assert_eq!(proposal.expires_on, "2026-04-10".parse().ok());

    world.person(4, "2026-01-01");
    world.birth(11, "2026-01-01", (4, 2, 3));
    let failure = fails(world.evaluate(&rule, &cause, 2, "2026-01-10"));
    assert_eq!((failure.pointer.as_str(), failure.condition.as_str()), ("/when", "child_count == 1"));
    assert_eq!(Value::Object(failure.values), json!({"child_count": 2}));
    assert_eq!(failure.missing, None);
}

#[test]
fn the_body_of_an_offer_is_valid_evidence_and_always_the_same() {
    let (world, cause) = family();
    let mut rules = Rules::default();
    let published = Recorded::new(
        "triggers",
        5,
        "2025-01-01",
        (0xaa, 1),
        "published",
        json!({"slug": "first-child", "rule": right()}),
    );
    let rule = rules.apply(&published.view()).unwrap().unwrap();
    let proposal = holds(world.evaluate(&rule.rule, &cause, 2, "2026-01-10"));
    let body = rule.offer(&proposal, &cause, Uuid::from_u128(2), (1004, at("2026-01-10").date()));
    let definition = world.definitions.current(&slug("offers")).unwrap().definition.clone();
    let proposed = definition.entry_type("proposed").unwrap();
    assert_eq!(definition.check_body(proposed, &body), []);
    assert!(definition.number_matches(body["key"].as_str().unwrap()));
    assert_eq!(body["cause"]["position"], 1005);
    assert_eq!(body["rule"], json!({"record": Uuid::from_u128(0xaa), "slug": "first-child", "version": 1}));

    // The same entries in another order of arrival of other records, folded anew, give the same bytes.
    let (again, cause) = family();
    let proposal = holds(again.evaluate(&rule.rule, &cause, 2, "2026-01-10"));
    let same = rule.offer(&proposal, &cause, Uuid::from_u128(2), (1004, at("2026-01-10").date()));
    assert_eq!(proofs::jcs::canonical(&body), proofs::jcs::canonical(&same));
}

#[test]
fn the_key_is_that_of_rule_person_and_cause() {
    let (mut world, cause) = family();
    let key = |rule: u128, person: u128, cause: &Cause| {
        once_key(Uuid::from_u128(rule), Uuid::from_u128(person), cause)
    };
    assert_eq!(key(1, 2, &cause), "aWFw8vVOHWzzZuEOq5t32_HAzjuZbO8jBtOBulmu3hE");
    assert_ne!(key(1, 2, &cause), key(2, 2, &cause));
    assert_ne!(key(1, 2, &cause), key(1, 3, &cause));
    let annulled = world.record("births", (10, 2), "2026-02-01", "annulled", json!({"basis": {"law": "x"}}));
    assert_ne!(key(1, 2, &cause), key(1, 2, &world.cause(&annulled)));
    let of = world.source.record(Uuid::from_u128(2)).unwrap().clone();
    let due = |base: &str, due: &str| {
        let (base, due) = (base.parse().unwrap(), due.parse().unwrap());
        Cause::Date(DueDate { member: "birth_date".to_owned(), base, due, of: of.clone() })
    };
    let fourteen = due("1990-01-01", "2004-01-01");
    assert_eq!(
        key(1, 2, &fourteen),
        key(1, 2, &due("1990-01-01", "2010-01-01")),
        "an edited span proposes once"
    );
    assert_ne!(key(1, 2, &fourteen), key(1, 2, &due("1991-01-01", "2004-01-01")));
}

#[test]
fn relatives_follow_from_births_and_marriages_in_force() {
    let (mut world, _) = family();
    let id = Uuid::from_u128;
    let of = |world: &World, person: u128| relatives(&world.source, id(person));
    assert_eq!(
        of(&world, 2),
        Family { children: vec![id(1)], spouse: Some(id(3)), mother: None, father: None }
    );
    assert_eq!(of(&world, 1), Family { mother: Some(id(2)), father: Some(id(3)), ..Family::default() });
    world.record("marriages", (20, 2), "2026-01-01", "dissolved", json!({}));
    assert_eq!(of(&world, 2).spouse, None);
    world.record("births", (10, 2), "2026-01-01", "annulled", json!({}));
    assert_eq!(of(&world, 2), Family::default());
    assert_eq!(of(&world, 1), Family::default());
}

#[test]
fn addressees_are_people_in_a_role_or_their_relatives_with_an_account_in_force() {
    let (mut world, cause) = family();
    let whom = |world: &World, who: &str| {
        let rule = compiled(&with(right(), "/for", json!(who)));
        rule.addressees(&cause, &world.source).iter().map(Uuid::as_u128).collect::<Vec<_>>()
    };
    assert_eq!(whom(&world, "subject:child"), [1]);
    assert_eq!(whom(&world, "subject:child/parents"), [2, 3]);
    assert_eq!(whom(&world, "subject:child/mother"), [2]);
    assert_eq!(whom(&world, "subject:mother/spouse"), [3]);
    assert_eq!(whom(&world, "subject:mother/children"), [1]);
    world.record("persons", (3, 2), "2026-01-01", "closed", json!({"reason": "x"}));
    assert_eq!(whom(&world, "subject:child/parents"), [2]);
}

#[test]
fn old_facts_and_other_times_do_not_count() {
    let (mut world, cause) = family();
    let rule = compiled(&with(right(), "/in_force", json!({"from": "2026-01-01"})));
    assert_eq!(rule.admits(&cause), Err(Unfit::OutOfForce));
    assert_eq!(rule.suits(&cause), Ok(()));
    let mut late = world.birth(12, "2025-12-01", (1, 2, 3));
    late.recorded_at = at("2026-12-02");
    assert_eq!(compiled(&right()).admits(&world.cause(&late)), Err(Unfit::NotFresh));
    late.recorded_at = at("2026-12-01");
    assert_eq!(compiled(&right()).admits(&world.cause(&late)), Ok(()));
}

#[test]
fn dates_fall_due_by_record_and_status() {
    let (mut world, _) = family();
    let rule = json!({"date": {"register": "persons", "member": "birth_date", "plus": "14Y"}});
    let rule = with(with(right(), "/cause", rule), "/for", json!("person"));
    let rule = compiled(&with(rule, "/when", json!("person.age == 14 && cause.base == person.birth_date")));
    let of = world.source.record(Uuid::from_u128(1)).unwrap().clone();
    let base = rule.base_of(&of).unwrap();
    let due = rule.period().unwrap().due(base).unwrap();
    assert_eq!((base.to_string(), due.to_string()), ("2025-12-01".to_owned(), "2039-12-01".to_owned()));
    let cause = Cause::Date(DueDate { member: "birth_date".to_owned(), base, due, of });
    assert_eq!(rule.admits(&cause), Ok(()));
    assert_eq!(rule.addressees(&cause, &world.source), [Uuid::from_u128(1)]);
    let proposal = holds(world.evaluate(&rule, &cause, 1, "2039-12-01"));
    // The child's cause has no birth's content, so that only what is there is filled in.
    assert_eq!(Value::Object(proposal.prefilled[0].clone()), json!({"mother": "F1"}));
    world.record("persons", (1, 2), "2026-01-01", "closed", json!({"reason": "x"}));
    assert!(!rule.looks_at(world.source.record(Uuid::from_u128(1)).unwrap()));
}

#[test]
fn what_is_not_there_fails_and_what_does_not_suit_is_an_error_without_values() {
    let (world, cause) = family();
    let verdict =
        |when: &str| world.evaluate(&compiled(&with(right(), "/when", json!(when))), &cause, 2, "2026-01-10");
    let missing = fails(verdict("person.inn == '1' && true"));
    assert_eq!((missing.condition.as_str(), missing.missing.as_deref()), ("person.inn == '1'", Some("inn")));
    // A false condition settles it, whatever another has.
    assert_eq!(fails(verdict("person.inn == '1' && false")).condition, "false");
    assert_eq!(fails(verdict("has(person.inn)")).missing, None);
    holds(verdict("person.?inn.orValue('none') == 'none'"));
    holds(verdict(
        "has(family.spouse) && family.spouse.age == 38 && size(family.spouse.account['maternity-capital-certificates']) == 0",
    ));
    for (when, reason) in [
        ("person.name > 1", "applies `_>_` to map and int"),
        ("person.age", "neither true nor false"),
        ("person.age / 0 == 1", "divides by zero"),
        ("age(person.name.family) == 1", "gives `age` what is no date"),
        ("person.name.exists(x, true)", ""),
    ] {
        let error = verdict(when).unwrap_err();
        assert!(error.message.contains(reason), "{when}: {error}");
        assert_eq!(error.pointer, "/when");
        assert!(!error.to_string().contains("F2"), "{error}");
    }
}

#[test]
fn computed_values_are_bounded_however_they_grow() {
    let (world, cause) = family();
    let mut lets = vec![json!({"name": "x0", "is": "'0123456789abcdef'"})];
    lets.extend((1..31).map(|at| json!({"name": format!("x{at}"), "is": format!("x{0} + x{0}", at - 1)})));
    let rule = compiled(&with(with(right(), "/let", json!(lets)), "/when", json!("true")));
    let error = world.evaluate(&rule, &cause, 2, "2026-01-10").unwrap_err();
    assert!(error.message.contains("more than a value may hold"), "{error}");
}

#[test]
fn an_account_larger_than_a_rule_may_look_at_is_an_error_and_long_lists_are_cut() {
    let (mut world, cause) = family();
    let rule =
        compiled(&with(right(), "/when", json!("size(account['maternity-capital-certificates']) == 256")));
    let subjects = json!([{"role": "holder", "person": Uuid::from_u128(2)}]);
    for id in 0..300 {
        world.record(
            "maternity-capital-certificates",
            (1000 + id, 1),
            "2020-01-01",
            "issued",
            json!({"subjects": subjects}),
        );
    }
    holds(world.evaluate(&rule, &cause, 2, "2026-01-10"));
    for id in 0..300 {
        let body = json!({"subjects": subjects, "marks": vec![1; 250]});
        world.record("maternity-capital-certificates", (2000 + id, 1), "2021-01-01", "issued", body);
    }
    let error = world.evaluate(&rule, &cause, 2, "2026-01-10").unwrap_err();
    assert!(error.message.contains("larger than a rule may look at"), "{error}");
}

#[test]
fn a_provided_body_is_filled_in_with_numbers_of_its_own() {
    let (world, cause) = family();
    let body = json!({"number": "='МК-' + digits(8)", "born": "=cause.content.child.birth_date", "inn": "=person.inn",
        "literal": "text", "subjects": [{"role": "holder", "person": "=person.record"}], "count": "=child_count"});
    let provide =
        json!({"provide": {"register": "maternity-capital-certificates", "type": "issued", "body": body}});
    let rule = compiled(&with(right(), "/effect", provide));
    holds(world.evaluate(&rule, &cause, 2, "2026-01-10"));
    let today = at("2026-01-10").date();
    let provided = |attempt| {
        rule.provided_body(&cause, Uuid::from_u128(2), &world.source, today, ("k", attempt)).unwrap().unwrap()
    };
    let first = provided(0);
    assert_eq!(first["number"].as_str().unwrap().chars().count(), 11);
    assert_eq!(first["subjects"][0]["person"], Uuid::from_u128(2).to_string());
    assert_eq!((&first["count"], &first["literal"], first.get("inn")), (&json!(1), &json!("text"), None));
    assert_eq!(first, provided(0));
    assert_ne!(first["number"], provided(1)["number"]);
    assert_eq!(
        compiled(&right()).provided_body(&cause, Uuid::from_u128(2), &world.source, today, ("k", 0)),
        Ok(None)
    );
}

/// The most that an expression can ask for: loops in loops over full lists.
#[test]
fn the_worst_that_is_accepted_ends() {
    let (mut world, cause) = family();
    let subjects = json!([{"role": "holder", "person": Uuid::from_u128(2)}]);
    for id in 0..256 {
        let body = json!({"subjects": subjects, "text": "ы".repeat(2000), "marks": vec![1; 100]});
        world.record("maternity-capital-certificates", (1000 + id, 1), "2020-01-01", "issued", body);
    }
    let account = "account['maternity-capital-certificates']";
    let pair = format!(
        "size({account}.filter(a, size({account}.filter(b, a.content.text == b.content.text && b.content.text.contains(a.content.text))) > 0)) == 256"
    );
    let when = [pair.as_str(); 4].join(" && ");
    let before = std::time::Instant::now();
    holds(world.evaluate(&compiled(&with(right(), "/when", json!(when))), &cause, 2, "2026-01-10"));
    assert!(before.elapsed() < std::time::Duration::from_mins(2), "{:?}", before.elapsed());
}
