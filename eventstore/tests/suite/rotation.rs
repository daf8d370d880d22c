//! Keys of a log come and go, and nobody ever reads a head that a key in force has not signed.

use std::sync::atomic::{AtomicBool, Ordering};

use eventstore::{AppendError, CHECKPOINT, KeyChange, LogHead, Rekey, Store, StoreError, Submission, args};
use futures_util::future::join_all;
use proofs::checkpoint;
use proofs::note::{KeyType, NoteError, SignedNote, VerifierKey};

use crate::fixture::{Fixture, list, on_both_stores, slug};

on_both_stores!(
    both_keys_sign_while_both_are_in_force,
    keys_change_while_servers_append,
    what_cannot_be_signed_with_is_refused,
    a_refused_submission_changes_no_key,
    a_head_that_a_key_in_force_did_not_sign_is_not_opened,
    a_log_is_opened_with_two_keys,
    a_batch_that_the_database_fails_changes_no_key,
);

const LOG: &str = "licences";

/// A new key of a log, which the store keeps.
async fn new_key(store: &Store, register: &str) -> VerifierKey {
    let key = store.new_key(register, CHECKPOINT).await.unwrap().public();
    VerifierKey::new(&store.origin(&slug(register)), KeyType::Ed25519, key).unwrap()
}

/// Changes of keys, and the entry of `registers` that tells of them.
fn rekey(fixture: &Fixture, version: u64, changes: Vec<KeyChange>) -> Submission {
    let rekeys = changes.into_iter().map(|change| Rekey { register: slug(LOG), change }).collect();
    Submission { rekeys, ..fixture.one("registers", 1_000_000, version) }
}

async fn head(store: &Store) -> LogHead {
    store.log(&slug(LOG)).await.unwrap().unwrap()
}

/// The keys of a head, all of which signed it.
fn signers(head: &LogHead) -> Vec<VerifierKey> {
    for key in head.keys() {
        let signed = checkpoint::open(&head.checkpoint, key).unwrap();
        assert_eq!((signed.size, signed.root), (head.size, head.root));
    }
    let ids: Vec<u32> =
        SignedNote::parse(&head.checkpoint).unwrap().signatures().iter().map(|line| line.id).collect();
    assert_eq!(ids, head.keys().map(VerifierKey::id).collect::<Vec<_>>(), "the newest first, and no other");
    head.keys().cloned().collect()
}

async fn both_keys_sign_while_both_are_in_force(fixture: &Fixture) {
    let store = fixture.with_logs(&["registers", LOG]).await;
    store.submit(fixture.many(LOG, 1, 3)).await.unwrap();
    let before = head(&store).await;
    let [first] = signers(&before).try_into().unwrap();
    fixture.clock.advance(5_000);
    let second = new_key(&store, LOG).await;
    store.submit(rekey(fixture, 1, vec![KeyChange::Add(second.clone())])).await.unwrap();
    let both = head(&store).await;
    assert_eq!(signers(&both), [second.clone(), first.clone()]);
    assert_eq!((both.size, both.root, both.recorded_at), (before.size, before.root, before.recorded_at));
    store.submit(fixture.many(LOG, 10, 2)).await.unwrap();
    assert_eq!(signers(&head(&store).await), [second.clone(), first.clone()]);
    // A server that starts now goes by the row, and checks it.
    let other = fixture.open().await;
    other.submit(fixture.many(LOG, 20, 2)).await.unwrap();
    assert_eq!(signers(&head(&store).await), [second.clone(), first.clone()]);
    store.submit(rekey(fixture, 2, vec![KeyChange::End(first.clone())])).await.unwrap();
    let after = head(&store).await;
    assert_eq!((signers(&after), after.size), (vec![second.clone()], 7));
    let old = checkpoint::open(&after.checkpoint, &first);
    assert_eq!(old, Err(NoteError::NotSigned.into()));
    // The other server has both signers in mind, and signs with the one that is left.
    other.submit(fixture.many(LOG, 30, 1)).await.unwrap();
    assert_eq!(signers(&head(&store).await), [second]);
    // A key that is over already changes nothing.
    store.submit(rekey(fixture, 3, vec![KeyChange::End(first)])).await.unwrap();
    other.close().await;
    store.close().await;
    fixture.open().await.close().await;
}

/// Two servers append; one changes the keys meanwhile; a third reads. Each head is signed by all its keys whenever it is read.
async fn keys_change_while_servers_append(fixture: &Fixture) {
    let one = fixture.with_logs(&["registers", LOG]).await;
    let two = fixture.open().await;
    let reader = fixture.open().await;
    let done = AtomicBool::new(false);
    let appending = |store: &Store, first: u128| {
        let store = store.clone();
        async move {
            for n in 0..20 {
                let all = (0..4).map(|caller| store.submit(fixture.one(LOG, first + n * 10 + caller, 1)));
                join_all(all).await.into_iter().for_each(|answer| assert!(answer.is_ok(), "{answer:?}"));
            }
        }
    };
    let rotating = async {
        let mut newest = head(&one).await.key;
        for turn in 0..8_u64 {
            let next = new_key(&one, LOG).await;
            one.submit(rekey(fixture, 2 * turn + 1, vec![KeyChange::Add(next.clone())])).await.unwrap();
            assert_eq!(signers(&head(&two).await), [next.clone(), newest.clone()]);
            two.submit(rekey(fixture, 2 * turn + 2, vec![KeyChange::End(newest)])).await.unwrap();
            newest = next;
            assert_eq!(signers(&head(&one).await), [newest.clone()]);
        }
        newest
    };
    let work = async {
        let ((), (), newest) = tokio::join!(appending(&one, 1_000), appending(&two, 2_000), rotating);
        done.store(true, Ordering::SeqCst);
        newest
    };
    let reading = async {
        let mut heads = 0;
        while !done.load(Ordering::SeqCst) {
            signers(&head(&reader).await);
            heads += 1;
            tokio::task::yield_now().await;
        }
        heads
    };
    let (newest, heads) = tokio::join!(work, reading);
    assert!(heads > 0);
    let last = head(&reader).await;
    assert_eq!((signers(&last), last.size), (vec![newest], 160));
    let entries = reader.read_register(&slug(LOG), 0, 5_000).await.unwrap();
    let hashes: Vec<_> = entries.iter().map(|entry| entry.leaf().hash()).collect();
    assert_eq!(last.root, proofs::merkle::root(&hashes));
    for store in [one, two, reader] {
        store.close().await;
    }
    fixture.open().await.close().await;
}

async fn what_cannot_be_signed_with_is_refused(fixture: &Fixture) {
    let store = fixture.with_logs(&["registers", LOG, "permits"]).await;
    let first = head(&store).await.key;
    let stranger = VerifierKey::new(first.name(), KeyType::Ed25519, fixture.new_key().public()).unwrap();
    let foreign = new_key(&store, "permits").await;
    let renamed =
        VerifierKey::new(foreign.name(), KeyType::Ed25519, *new_key(&store, LOG).await.key()).unwrap();
    for change in [
        KeyChange::Add(stranger),
        KeyChange::Add(foreign),
        KeyChange::Add(renamed),
        KeyChange::Add(first.clone()),
        KeyChange::End(first.clone()),
    ] {
        // In one batch with another, which goes on.
        let (refused, taken) = tokio::join!(
            store.submit(rekey(fixture, 1, vec![change.clone()])),
            store.submit(fixture.one(
                "permits",
                7,
                store.read_record(uuid::Uuid::from_u128(7)).await.unwrap().len() as u64 + 1
            )),
        );
        assert!(matches!(refused, Err(AppendError::Invalid(_))), "{change:?}: {refused:?}");
        taken.unwrap();
    }
    let none = Rekey { register: slug("nothing"), change: KeyChange::End(first.clone()) };
    let unknown = Submission { rekeys: vec![none], ..fixture.one("registers", 1, 1) };
    let refused = store.submit(unknown).await;
    assert!(matches!(refused, Err(AppendError::UnknownLog { .. })), "{refused:?}");
    // Keys never change without an entry that tells of it.
    let silent = Submission {
        rekeys: rekey(fixture, 1, vec![KeyChange::End(first.clone())]).rekeys,
        ..Submission::default()
    };
    let refused = store.submit(silent).await;
    assert!(matches!(refused, Err(AppendError::Invalid(_))), "{refused:?}");
    assert_eq!(signers(&head(&store).await), [first]);
    store.close().await;
}

async fn a_refused_submission_changes_no_key(fixture: &Fixture) {
    let store = fixture.with_logs(&["registers", LOG]).await;
    let first = head(&store).await.key;
    let second = new_key(&store, LOG).await;
    let refused = store.submit(rekey(fixture, 2, vec![KeyChange::Add(second.clone())])).await;
    assert!(matches!(refused, Err(AppendError::Version { .. })), "{refused:?}");
    assert_eq!(signers(&head(&store).await), std::slice::from_ref(&first));
    // In one submission a key comes and the other goes: at no moment is there none.
    let both = vec![KeyChange::Add(second.clone()), KeyChange::End(first.clone())];
    store.submit(rekey(fixture, 1, both)).await.unwrap();
    assert_eq!(signers(&head(&store).await), std::slice::from_ref(&second));
    // An appender that fails in between keeps nothing in mind that is not so.
    let third = new_key(&store, LOG).await;
    let wrong = list(vec![fixture.entry("registers", 1_000_000, 9), fixture.entry(LOG, 5, 1)]);
    let wrong = Submission { rekeys: rekey(fixture, 9, vec![KeyChange::Add(third)]).rekeys, ..wrong };
    store.submit(wrong).await.unwrap_err();
    store.submit(fixture.one(LOG, 6, 1)).await.unwrap();
    assert_eq!(signers(&head(&store).await), [second]);
    store.close().await;
}

async fn a_head_that_a_key_in_force_did_not_sign_is_not_opened(fixture: &Fixture) {
    let store = fixture.with_logs(&["registers", LOG]).await;
    let alone = head(&store).await.checkpoint;
    let second = new_key(&store, LOG).await;
    store.submit(rekey(fixture, 1, vec![KeyChange::Add(second)])).await.unwrap();
    let mut tx = store.db().begin().await.unwrap();
    tx.execute("UPDATE log SET checkpoint = $1 WHERE register = $2", args![alone, LOG]).await.unwrap();
    tx.commit().await.unwrap();
    store.close().await;
    let refused = fixture.try_open().await.map(drop);
    assert!(
        matches!(&refused, Err(StoreError::Corrupt { table: "log", key, .. }) if key == LOG),
        "{refused:?}"
    );
}

async fn a_log_is_opened_with_two_keys(fixture: &Fixture) {
    let store = fixture.with_logs(&["registers"]).await;
    let open = fixture.new_log(&store, LOG).await;
    let second = new_key(&store, LOG).await;
    let submission =
        Submission { opens: vec![open.clone()], ..rekey(fixture, 1, vec![KeyChange::Add(second.clone())]) };
    store.submit(submission).await.unwrap();
    let head = head(&store).await;
    let keys = signers(&head);
    assert_eq!((keys.len(), &keys[0], *keys[1].key()), (2, &second, open.key));
    assert_eq!((head.size, head.recorded_at), (0, None));
    store.close().await;
}

/// The head is written with the new keys before the batch ends: what fails then takes everything back, and the next batch goes by
/// what is so.
async fn a_batch_that_the_database_fails_changes_no_key(fixture: &Fixture) {
    let store = fixture.with_logs(&["registers", LOG]).await;
    let before = head(&store).await;
    let second = new_key(&store, LOG).await;
    let (make, drop) = if fixture.is_postgres() {
        (
            "CREATE TRIGGER broken BEFORE UPDATE ON journal FOR EACH ROW EXECUTE FUNCTION reestr_refuse('disk on fire')",
            "DROP TRIGGER broken ON journal",
        )
    } else {
        (
            "CREATE TRIGGER broken BEFORE UPDATE ON journal BEGIN SELECT RAISE(ABORT, 'disk on fire'); END",
            "DROP TRIGGER broken",
        )
    };
    let run = async |statement: &str| {
        let mut tx = store.db().begin().await.unwrap();
        tx.execute(statement, vec![]).await.unwrap();
        tx.commit().await.unwrap();
    };
    run(make).await;
    let failed = store.submit(rekey(fixture, 1, vec![KeyChange::Add(second.clone())])).await;
    assert!(matches!(failed, Err(AppendError::Store(_))), "{failed:?}");
    assert_eq!(head(&store).await.checkpoint, before.checkpoint);
    run(drop).await;
    store.submit(fixture.one(LOG, 1, 1)).await.unwrap();
    assert_eq!(signers(&head(&store).await), std::slice::from_ref(&before.key));
    store.submit(rekey(fixture, 1, vec![KeyChange::Add(second.clone())])).await.unwrap();
    assert_eq!(signers(&head(&store).await), [second, before.key]);
    store.close().await;
}
