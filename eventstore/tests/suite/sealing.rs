//! Secrets at rest: what opens them, what does not, and that they are nowhere in the clear.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use eventstore::{MasterKey, MasterKeySource, SealError, Store, StoreError, Submission};
use proofs::signer::Signer as _;
use zeroize::Zeroizing;

use crate::fixture::{Fixture, on_both_stores};
use crate::secrets::{Recorder, everything, find};

on_both_stores!(
    keys_are_sealed_and_open_again,
    another_key_opens_nothing_and_changes_nothing,
    a_store_is_resealed_without_touching_its_keys,
    servers_that_start_at_once_are_sealed_with_one_key,
    nothing_secret_is_stored_in_the_clear,
    the_schema_takes_no_clear_seed,
    a_store_whose_key_is_lost_can_still_be_read,
);

fn passphrase(words: &str) -> MasterKey {
    MasterKey::Passphrase(Zeroizing::new(words.to_owned()))
}

fn bytes(byte: u8) -> MasterKey {
    MasterKey::Bytes(Zeroizing::new([byte; 32]))
}

async fn open_with(fixture: &Fixture, master: impl MasterKeySource + 'static) -> Result<Store, StoreError> {
    let mut options = fixture.options();
    options.master_key = Arc::new(master);
    Store::open(options).await
}

fn seal_error(opened: Result<Store, StoreError>) -> SealError {
    match opened.err() {
        Some(StoreError::Seal(error)) => error,
        other => panic!("{other:?}"),
    }
}

/// All that is stored of keys and of what seals them.
async fn rows(store: &Store) -> (Vec<Vec<u8>>, Vec<u8>) {
    let keys =
        store.db().fetch_all("SELECT sealed FROM signing_key ORDER BY owner, ordinal", vec![]).await.unwrap();
    let wrapped = store.db().fetch_optional("SELECT wrapped FROM seal", vec![]).await.unwrap().unwrap();
    (keys.iter().map(|row| row.blob("sealed").unwrap()).collect(), wrapped.blob("wrapped").unwrap())
}

async fn keys_are_sealed_and_open_again(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    let put = fixture.new_key();
    store.put_key("gibdd", eventstore::STATEMENT, &put).await.unwrap();
    let sealed = store.seal("webhook", "1", b"a secret").unwrap();
    store.close().await;
    let store = fixture.open().await;
    let kept = store.key("gibdd", eventstore::STATEMENT).await.unwrap().unwrap();
    assert_eq!(kept.sign(b"text").unwrap(), put.sign(b"text"));
    assert_eq!(store.unseal("webhook", "1", &sealed).unwrap().as_slice(), b"a secret");
    assert!(matches!(store.unseal("webhook", "2", &sealed), Err(StoreError::Seal(SealError::Changed(_)))));
    store.submit(fixture.one("licences", 1, 1)).await.unwrap();
    store.close().await;
}

async fn another_key_opens_nothing_and_changes_nothing(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    let before = rows(&store).await;
    assert_eq!(seal_error(open_with(fixture, bytes(9)).await), SealError::Wrong("key file"));
    let mixed = seal_error(open_with(fixture, passphrase("twelve words and more")).await);
    assert_eq!(mixed, SealError::Method { stored: "key file", given: "passphrase" });
    let missing = seal_error(open_with(fixture, Nowhere).await);
    assert_eq!(missing.to_string(), "the key to the store's secrets is missing: it is nowhere");
    assert_eq!(rows(&store).await, before);
    store.close().await;
    fixture.open().await.close().await;
}

/// A source that has nothing, and makes nothing.
struct Nowhere;

impl MasterKeySource for Nowhere {
    fn master_key(&self, first: bool) -> Result<MasterKey, String> {
        assert!(!first, "the store was sealed");
        Err("it is nowhere".to_owned())
    }
}

async fn a_store_is_resealed_without_touching_its_keys(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences", "permits"]).await;
    let (keys, wrapped) = rows(&store).await;
    assert_eq!(keys.len(), 2);
    store.reseal(&passphrase("twelve words and more")).await.unwrap();
    let (same, rewrapped) = rows(&store).await;
    assert!(same == keys && rewrapped != wrapped);
    // Whoever runs goes on; whoever starts needs the new one.
    store.submit(fixture.one("licences", 1, 1)).await.unwrap();
    let old = seal_error(fixture.try_open().await);
    assert_eq!(old, SealError::Method { stored: "passphrase", given: "key file" });
    let wrong = seal_error(open_with(fixture, passphrase("twelve words and mire")).await);
    assert_eq!(wrong, SealError::Wrong("passphrase"));
    let other = open_with(fixture, passphrase("twelve words and more")).await.unwrap();
    other.submit(fixture.one("permits", 2, 1)).await.unwrap();
    other.reseal(&bytes(9)).await.unwrap();
    other.close().await;
    assert_eq!(seal_error(fixture.try_open().await), SealError::Wrong("key file"));
    let moved = open_with(fixture, bytes(9)).await.unwrap();
    moved.submit(fixture.one("permits", 3, 1)).await.unwrap();
    assert_eq!(rows(&moved).await.0, keys);
    moved.close().await;
    store.close().await;
}

/// Gives a key of its own, and counts how often it was refused.
struct Counted(u8, Arc<AtomicUsize>);

impl MasterKeySource for Counted {
    fn master_key(&self, first: bool) -> Result<MasterKey, String> {
        assert!(first, "both find an empty store");
        Ok(bytes(self.0))
    }

    fn refused(&self) {
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

/// Each brings a key of its own: one seals the store, the other is told, and what it made can be thrown away.
async fn servers_that_start_at_once_are_sealed_with_one_key(fixture: &Fixture) {
    // With the schema there, so that both look for the seal at once.
    let store = fixture.open().await;
    let mut tx = store.db().begin().await.unwrap();
    tx.execute("DELETE FROM seal", vec![]).await.unwrap();
    tx.commit().await.unwrap();
    store.close().await;
    let refused = Arc::new(AtomicUsize::new(0));
    let both = Arc::new(std::sync::Barrier::new(2));
    let opened = tokio::join!(
        open_with(fixture, Gated(Counted(1, refused.clone()), both.clone())),
        open_with(fixture, Gated(Counted(2, refused.clone()), both.clone()))
    );
    let (stores, errors): (Vec<_>, Vec<_>) = [opened.0, opened.1].into_iter().partition(Result::is_ok);
    assert_eq!((stores.len(), errors.len(), refused.load(Ordering::SeqCst)), (1, 1, 1));
    assert_eq!(seal_error(errors.into_iter().next().unwrap()), SealError::Wrong("key file"));
    for store in stores {
        store.unwrap().close().await;
    }
}

/// Answers once both were asked.
struct Gated(Counted, Arc<std::sync::Barrier>);

impl MasterKeySource for Gated {
    fn master_key(&self, first: bool) -> Result<MasterKey, String> {
        self.1.wait();
        self.0.master_key(first)
    }

    fn refused(&self) {
        self.0.refused();
    }
}

/// Every random block that the store was given, of which some are seeds and one is the data key, is looked for in all that a thief
/// of files or of a backup would have.
async fn nothing_secret_is_stored_in_the_clear(fixture: &Fixture) {
    let recorder = Arc::new(Recorder::default());
    let mut options = fixture.options();
    options.entropy = recorder.clone();
    let store = Store::open(options).await.unwrap();
    let log = fixture.new_log(&store, "licences").await;
    store.submit(Submission { opens: vec![log], ..Submission::default() }).await.unwrap();
    store.keep_key("installation", eventstore::TOKEN).await.unwrap();
    store.submit(fixture.many("licences", 1, 300)).await.unwrap();
    store.new_key("licences", eventstore::CHECKPOINT).await.unwrap();
    let mut secrets = recorder.blocks(32);
    assert_eq!(secrets.len(), 4, "the data key and three seeds");
    let MasterKey::Bytes(master) = eventstore::testing::master_key() else { panic!("a key") };
    secrets.push(master.to_vec());
    // The search would find it: the public half of a key is there.
    let public = store.key("licences", eventstore::CHECKPOINT).await.unwrap().unwrap().public();
    for (name, bytes) in everything(fixture, &store).await {
        assert!(find(&bytes, &[public.as_bytes().to_vec()]), "{name} is searched");
        assert!(!find(&bytes, &secrets), "a secret is in {name}");
    }
    store.close().await;
}

async fn the_schema_takes_no_clear_seed(fixture: &Fixture) {
    let store = fixture.open().await;
    let seed = if fixture.is_postgres() { "decode(repeat('07', 32), 'hex')" } else { "zeroblob(32)" };
    for sql in [
        format!(
            "INSERT INTO signing_key (owner, purpose, ordinal, kid, public, sealed) VALUES ('a', 'token', 1, 'k', {seed}, {seed})"
        ),
        format!(
            "INSERT INTO signing_key (owner, purpose, ordinal, kid, public) VALUES ('a', 'token', 1, 'k', {seed})"
        ),
        format!(
            "INSERT INTO signing_key_clear (owner, purpose, ordinal, kid, seed) VALUES ('a', 'token', 1, 'k', {seed})"
        ),
        format!("INSERT INTO webhook_secret_clear (id, secret) VALUES ({seed}, {seed})"),
    ] {
        let mut tx = store.db().begin().await.unwrap();
        let refused = tx.execute(&sql, vec![]).await;
        assert!(matches!(refused, Err(StoreError::Database(_))), "{sql}: {refused:?}");
    }
    store.close().await;
}

async fn a_store_whose_key_is_lost_can_still_be_read(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    store.submit(fixture.many("licences", 1, 3)).await.unwrap();
    let old = store.keep_key("installation", eventstore::TOKEN).await.unwrap().public();
    store.close().await;
    let not_lost = eventstore::forget_secrets(&fixture.options(), &bytes(9)).await.err();
    assert!(matches!(not_lost, Some(StoreError::Seal(SealError::NotLost))), "{not_lost:?}");
    fixture.open().await.close().await;
    let mut options = fixture.options();
    options.master_key = Arc::new(Nowhere);
    eventstore::forget_secrets(&options, &bytes(9)).await.unwrap();
    assert_eq!(seal_error(fixture.try_open().await), SealError::Wrong("key file"));
    let store = open_with(fixture, bytes(9)).await.unwrap();
    let licences = "licences".parse().unwrap();
    let receipt = store.receipt(&licences, 1).await.unwrap().unwrap();
    let key = store.log(&licences).await.unwrap().unwrap().key;
    receipt.verify(&key, |_, _, _| Some(fixture.key.public())).unwrap();
    assert!(store.key("licences", eventstore::CHECKPOINT).await.unwrap().is_none());
    assert!(store.submit(fixture.one("licences", 4, 1)).await.is_err());
    assert_eq!(store.position().await.unwrap(), 3);
    assert_ne!(store.keep_key("installation", eventstore::TOKEN).await.unwrap().public(), old);
    store.close().await;
}
