//! A scripted life: issued, suspended, redefined, reinstated, amended away from a person, corrected, revoked.

use projections::{Options, PageRequest, Runner, account, history, view};
use serde_json::json;
use uuid::Uuid;

use crate::{
    database::{Database, PATIENCE, clock},
    town::{self, definitions, draft, heir, holder, id, person, slug},
};

fn permit() -> Uuid {
    id(2, 1)
}

fn script() -> Vec<town::Draft> {
    let (ann, bob) = (person(1), person(2));
    let step = |version, kind: &str, body| draft("permits", permit(), version, kind, body);
    vec![
        draft(
            "persons",
            ann,
            1,
            "opened",
            json!({"name": {"family": "Орлова", "given": "Анна"}, "phone": "+71"}),
        ),
        step(
            1,
            "issued",
            json!({"number": "A-1", "valid_from": "2026-01-01", "valid_until": "2027-01-01",
                   "subjects": [holder(ann), heir(ann), heir(bob)]}),
        ),
        step(
            2,
            "suspended",
            json!({"reason": "fire\u{0}hazard", "basis": {"document": "act", "number": "7"}}),
        ),
        town::redefine(2, false),
        step(3, "reinstated", json!({})),
        step(4, "suspended", json!({})),
        step(5, "amended", json!({"subjects": [holder(bob)]})),
        step(6, "corrected", json!({"corrects": 1, "number": "A-2", "valid_until": "2028-01-01"})),
        draft("persons", ann, 2, "amended", json!({"phone": null, "email": "ann@example.org"})),
        step(7, "revoked", json!({"reason": "asked for it"})),
    ]
}

#[tokio::test]
async fn a_permits_life_reads_as_it_was() {
    for database in Database::both().await {
        let store = database.open(&clock()).await;
        town::found(&store).await;
        let position = town::append(&store, &script()).await;
        let runner = Runner::start(&store, Options { batch_entries: 4, ..Options::default() });
        for projection in ["account", "history", "view"] {
            runner.handle().wait_for(projection, position, PATIENCE).await.expect("caught up");
        }
        check_account(&store).await;
        check_history(&store).await;
        check_view(&store).await;
        runner.stop().await;
        store.close().await;
    }
}

async fn check_account(store: &eventstore::Store) {
    let (db, definitions) = (store.db(), definitions(store).await);
    let (ann, bob) = (person(1), person(2));
    let first = PageRequest::first(10);
    let none = account::Filter::default();
    assert!(account::list(db, &definitions, ann, &none, &first).await.unwrap().items.is_empty());

    let with_former = account::Filter { with_former: true, ..none.clone() };
    let former = account::list(db, &definitions, ann, &with_former, &first).await.unwrap().items;
    let [was] = &former[..] else { panic!("one former record, not {}", former.len()) };
    assert_eq!((was.version, was.former.unwrap().version), (4, 5));
    assert_eq!((was.number.as_deref(), was.status.as_str()), (Some("A-1"), "suspended"));
    assert_eq!(was.roles, ["heir", "holder"]);

    let now = account::record(db, &definitions, bob, permit()).await.unwrap().expect("bob holds it");
    assert_eq!(
        account::list(db, &definitions, bob, &none, &first).await.unwrap().items,
        std::slice::from_ref(&now)
    );
    assert_eq!((now.version, now.former, now.status.as_str()), (7, None, "revoked"));
    assert_eq!((now.number.as_deref(), now.roles.as_slice()), (Some("A-2"), &["holder".to_owned()][..]));
    assert_eq!(now.validity.until.map(|day| day.to_string()).as_deref(), Some("2028-01-01"));
    assert_eq!((now.opened.position, now.changed.position), (5, 13));
    assert_eq!((now.changed.entry_type.as_str(), now.changed.issuer.as_str()), ("revoked", "town"));
    assert_eq!(now.named.group.map(|group| group.to_string()).as_deref(), Some("nature"));
    assert_eq!((now.named.change.ru.as_str(), now.named.in_force), ("revoked (ru)", false));

    let overview = account::overview(db, &definitions, bob).await.unwrap();
    assert_eq!(
        overview.iter().map(|g| (g.register.as_str(), g.records, g.in_force)).collect::<Vec<_>>(),
        [("permits", 1, 0)]
    );
    assert!(account::overview(db, &definitions, ann).await.unwrap().is_empty());

    let profile = account::profile(db, ann).await.unwrap().expect("ann has an account");
    let content = json!({"name": {"family": "Орлова", "given": "Анна"}, "email": "ann@example.org"});
    assert_eq!((profile.version, profile.status.as_str(), profile.content), (2, "active", content));
    assert!(account::profile(db, bob).await.unwrap().is_none());
}

async fn check_history(store: &eventstore::Store) {
    let definitions = definitions(store).await;
    let page = PageRequest::first(200);
    let steps = history::steps(store.db(), &definitions, permit(), &page).await.unwrap().items;
    let told: Vec<_> = steps
        .iter()
        .map(|step| {
            let before = step.words.status_before.as_ref().map_or("", |title| title.en.as_str());
            (step.version, step.words.entry_type.en.as_str(), before, step.words.status_after.en.as_str())
        })
        .collect();
    assert_eq!(
        told,
        [
            (1, "issued", "", "valid"),
            (2, "suspended", "valid", "suspended"),
            (3, "reinstated", "paused", "valid"),
            (4, "suspended", "valid", "paused"),
            (5, "amended", "paused", "paused"),
            (6, "corrected", "paused", "paused"),
            (7, "revoked", "paused", "revoked"),
        ]
    );
    assert_eq!(steps[1].reason.as_deref(), Some("fire\u{fffd}hazard"));
    assert_eq!(steps[1].basis, Some(json!({"document": "act", "number": "7"})));
    assert_eq!((steps[5].corrects, steps[5].index, steps[5].position), (Some(1), 5, 11));
    assert_eq!(steps[6].effective_at.millis(), 1_700_000_000_007);
}

async fn check_view(store: &eventstore::Store) {
    let (db, definitions) = (store.db(), definitions(store).await);
    let permits = slug("permits");
    for (number, current) in [("A-1", false), ("A-2", true)] {
        let hit = view::by_number(db, &definitions, &permits, number).await.unwrap().expect("found");
        assert_eq!((hit.record.record, hit.current), (permit(), current), "{number}");
    }
    assert!(view::by_number(db, &definitions, &permits, "A-3").await.unwrap().is_none());
    assert!(view::by_number(db, &definitions, &slug("persons"), "A-1").await.unwrap().is_none());

    let counts = view::counts(db, &permits).await.unwrap();
    let pairs =
        |counts: &[view::Count]| counts.iter().map(|count| (count.code.clone(), count.n)).collect::<Vec<_>>();
    assert_eq!(pairs(&counts.by_status), [("revoked".to_owned(), 1)]);
    assert_eq!(
        pairs(&counts.by_type),
        [
            ("amended", 1),
            ("corrected", 1),
            ("issued", 1),
            ("reinstated", 1),
            ("revoked", 1),
            ("suspended", 2)
        ]
        .map(|(code, n)| (code.to_owned(), n))
    );

    let list = |status: Option<&str>| {
        let filter = view::Filter { status: status.map(str::to_owned), entry_type: None };
        let (db, definitions, permits) = (db, &definitions, &permits);
        async move { view::list(db, definitions, permits, &filter, &PageRequest::first(10)).await.unwrap().items }
    };
    let all = list(None).await;
    assert_eq!(all, list(Some("revoked")).await);
    assert!(list(Some("valid")).await.is_empty());
    assert_eq!(all.len(), 1);
    assert_eq!(view::record(db, &definitions, permit()).await.unwrap().as_ref(), all.first());
}
