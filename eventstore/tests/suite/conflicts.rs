//! A conflict fails its own submission, whole, and no other.

use eventstore::{AppendError, Guard, NewLog, Store, Submission};
use futures_util::future::join_all;
use proofs::key::PublicKey;
use uuid::Uuid;

use crate::fixture::{Fixture, keyed, list, on_both_stores, places, slug};

on_both_stores!(
    a_version_is_made_once_and_in_order,
    a_record_stays_in_its_register,
    a_log_is_opened_once_and_before_its_entries,
    a_number_is_held_by_one_record_of_its_register,
    an_idempotency_key_gives_the_same_entry,
    an_idempotency_key_works_within_a_batch,
    guards_see_what_changed,
    a_list_is_all_or_nothing_and_spares_its_neighbours,
);

/// What the answer says when it is short.
async fn refusal(store: &Store, submission: Submission) -> AppendError {
    store.submit(submission).await.expect_err("it must be refused")
}

async fn a_version_is_made_once_and_in_order(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    store.submit(fixture.one("licences", 1, 1)).await.unwrap();
    for (record, version, known) in [(1, 1, 1), (1, 3, 1), (2, 2, 0)] {
        let error = refusal(&store, fixture.one("licences", record, version)).await;
        assert!(
            matches!(error, AppendError::Version { given, found, .. } if given == version && found == known),
            "{error:?}"
        );
    }
    // Of many who make the same version at once, one does.
    let racers = (0..20).map(|_| store.submit(fixture.one("licences", 1, 2)));
    let answers = join_all(racers).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    let lost = |answer: &Result<_, _>| matches!(answer, Err(AppendError::Version { found: 2, .. }));
    assert_eq!(answers.iter().filter(|answer| lost(answer)).count(), 19);
    assert_eq!(store.position().await.unwrap(), 2);
    store.close().await;
}

async fn a_record_stays_in_its_register(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences", "permits"]).await;
    store.submit(fixture.one("licences", 1, 1)).await.unwrap();
    let stored = refusal(&store, fixture.one("permits", 1, 2)).await;
    let within = list(vec![fixture.entry("licences", 2, 1), fixture.entry("permits", 2, 2)]);
    for error in [stored, refusal(&store, within).await] {
        assert!(
            matches!(&error, AppendError::Register { register, .. } if *register == "licences"),
            "{error:?}"
        );
    }
    assert_eq!(store.position().await.unwrap(), 1);
    store.close().await;
}

async fn a_log_is_opened_once_and_before_its_entries(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    let error = refusal(&store, fixture.one("permits", 1, 1)).await;
    assert!(matches!(&error, AppendError::UnknownLog { register } if *register == "permits"), "{error:?}");
    let open = |log: &NewLog| Submission { opens: vec![log.clone()], ..Submission::default() };
    let (first, second) =
        (fixture.new_log(&store, "permits").await, fixture.new_log(&store, "permits").await);
    let twice = Submission { opens: vec![first.clone(), second.clone()], ..Submission::default() };
    for submission in [open(&fixture.new_log(&store, "licences").await), twice] {
        let error = refusal(&store, submission).await;
        assert!(matches!(error, AppendError::LogExists { .. }), "{error:?}");
    }
    // Within one batch the second is refused, and an entry that comes after the first finds the log.
    let (first, second, entry) = tokio::join!(
        store.submit(open(&first)),
        store.submit(open(&second)),
        store.submit(fixture.one("permits", 1, 1))
    );
    assert!(first.unwrap().is_empty());
    assert!(matches!(second, Err(AppendError::LogExists { .. })));
    assert_eq!(places(&entry.unwrap()), [(1, 0, 1)]);
    // The key must be kept before anything is signed with it, and for that register.
    let strangers = [fixture.new_key().public(), first_key(&store).await];
    for key in strangers {
        let error = refusal(&store, open(&NewLog { register: slug("orders"), key })).await;
        assert!(matches!(&error, AppendError::Invalid(why) if why.contains(key.kid().as_str())), "{error:?}");
    }
    store.close().await;
}

async fn first_key(store: &Store) -> PublicKey {
    store.key("permits", eventstore::CHECKPOINT).await.unwrap().unwrap().public()
}

async fn a_number_is_held_by_one_record_of_its_register(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences", "permits"]).await;
    store.submit(list(vec![fixture.numbered("licences", 1, 1, "77 12")])).await.unwrap();
    let taken = |error: AppendError, holder: u128| matches!(error, AppendError::Number { register, holder: found } if register == "licences" && found == Uuid::from_u128(holder));
    assert!(taken(refusal(&store, list(vec![fixture.numbered("licences", 2, 1, "77 12")])).await, 1));
    let both = vec![fixture.numbered("licences", 3, 1, "77 13"), fixture.numbered("licences", 4, 1, "77 13")];
    assert!(taken(refusal(&store, list(both)).await, 3));
    // The refused list took nothing: the number is free. Its own record may name it again; another register may have it too.
    let (fourth, again, elsewhere) = tokio::join!(
        store.submit(list(vec![fixture.numbered("licences", 4, 1, "77 13")])),
        store.submit(list(vec![fixture.numbered("licences", 1, 2, "77 12")])),
        store.submit(list(vec![fixture.numbered("permits", 5, 1, "77 12")]))
    );
    let mut positions = [fourth, again, elsewhere].map(|answer| answer.unwrap()[0].position);
    if !fixture.in_order() {
        positions.sort_unstable();
    }
    assert_eq!(positions, [2, 3, 4]);
    assert_eq!(store.number(&slug("licences"), "77 13").await.unwrap(), Some(Uuid::from_u128(4)));
    assert_eq!(store.number(&slug("permits"), "77 12").await.unwrap(), Some(Uuid::from_u128(5)));
    assert_eq!(store.number(&slug("permits"), "77 13").await.unwrap(), None);
    store.close().await;
}

async fn an_idempotency_key_gives_the_same_entry(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    let request = || keyed(fixture.many("licences", 1, 2), "k1", 1);
    let first = store.submit(request()).await.unwrap();
    store.submit(fixture.one("licences", 1, 2)).await.unwrap();
    fixture.clock.advance(5_000);
    let again = store.submit(request()).await.unwrap();
    assert_eq!(places(&again), places(&first));
    assert!(again.iter().all(|one| one.replayed) && first.iter().all(|one| !one.replayed));
    assert_eq!(again[0].recorded_at, first[0].recorded_at);
    assert_eq!(store.replayed(request().idempotency.as_ref().unwrap()).await.unwrap().unwrap(), again);

    let other = keyed(fixture.one("licences", 9, 1), "k1", 2);
    assert!(matches!(refusal(&store, other).await, AppendError::Idempotency));
    // A key whose request was refused stands for nothing yet.
    assert!(matches!(
        refusal(&store, keyed(fixture.one("licences", 9, 5), "k2", 1)).await,
        AppendError::Version { .. }
    ));
    store.submit(keyed(fixture.one("licences", 9, 1), "k2", 2)).await.unwrap();
    // Keys of another scope are other keys.
    let mut elsewhere = keyed(fixture.one("licences", 10, 1), "k1", 3);
    elsewhere.idempotency.as_mut().unwrap().scope = "fns".into();
    store.submit(elsewhere).await.unwrap();
    store.close().await;

    let store = fixture.open().await;
    assert_eq!(store.submit(request()).await.unwrap(), again);
    assert_eq!(store.position().await.unwrap(), 5);
    store.close().await;
}

async fn an_idempotency_key_works_within_a_batch(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    let (refused, first, second, other) = tokio::join!(
        store.submit(keyed(fixture.one("licences", 1, 7), "k", 9)),
        store.submit(keyed(fixture.one("licences", 1, 1), "k", 1)),
        store.submit(keyed(fixture.one("licences", 1, 1), "k", 1)),
        store.submit(keyed(fixture.one("licences", 2, 1), "k", 2)),
    );
    assert!(matches!(refused, Err(AppendError::Version { .. })));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(places(&first), places(&second));
    assert!(!first[0].replayed && second[0].replayed);
    assert!(matches!(other, Err(AppendError::Idempotency)));
    assert_eq!(store.position().await.unwrap(), 1);
    store.close().await;
}

async fn guards_see_what_changed(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences", "departments"]).await;
    store.submit(fixture.one("departments", 1, 1)).await.unwrap();
    let guarded = |record, version| {
        let guards = vec![Guard { record: Uuid::from_u128(1), version }];
        Submission { guards, ..fixture.one("licences", record, 1) }
    };
    store.submit(guarded(10, 1)).await.unwrap();
    // The key is revoked in the same batch, but first: the second sees it.
    let revoking = store.submit(fixture.one("departments", 1, 2));
    let (revoked, stale) = if fixture.in_order() {
        tokio::join!(revoking, store.submit(guarded(11, 1)))
    } else {
        (revoking.await, store.submit(guarded(11, 1)).await)
    };
    revoked.unwrap();
    assert!(matches!(stale, Err(AppendError::Stale { found: 2, .. })), "{stale:?}");
    assert!(matches!(refusal(&store, guarded(11, 1)).await, AppendError::Stale { found: 2, .. }));
    store.submit(guarded(11, 2)).await.unwrap();
    let absent = Submission {
        guards: vec![Guard { record: Uuid::from_u128(99), version: 0 }],
        ..fixture.one("licences", 12, 1)
    };
    store.submit(absent).await.unwrap();
    store.close().await;
}

async fn a_list_is_all_or_nothing_and_spares_its_neighbours(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    let broken = list(vec![
        fixture.numbered("licences", 1, 1, "n1"),
        fixture.entry("licences", 2, 1),
        fixture.entry("licences", 2, 3),
        fixture.entry("licences", 3, 1),
    ]);
    let (before, middle, after) = tokio::join!(
        store.submit(fixture.one("licences", 10, 1)),
        store.submit(broken),
        store.submit(list(vec![
            fixture.numbered("licences", 1, 1, "n2"),
            fixture.numbered("licences", 11, 1, "n1")
        ])),
    );
    assert_eq!(places(&before.unwrap()), [(1, 0, 1)]);
    assert!(matches!(middle, Err(AppendError::Version { given: 3, found: 1, .. })), "{middle:?}");
    assert_eq!(places(&after.unwrap()), [(2, 1, 1), (3, 2, 1)]);
    assert_eq!(store.metrics().refused(), 1);
    assert!(store.read_record(Uuid::from_u128(2)).await.unwrap().is_empty());
    assert_eq!(store.number(&slug("licences"), "n1").await.unwrap(), Some(Uuid::from_u128(11)));
    store.close().await;
}
