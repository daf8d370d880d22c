//! Keys that the store only refers to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use eventstore::{AppendError, CHECKPOINT, KeyHolder, NewLog, STATEMENT, Store, StoreError, Submission};
use proofs::key::{PrivateKey, PublicKey};
use proofs::signer::{SignError, Signer};

use crate::fixture::{Fixture, list, on_both_stores, places, slug};

on_both_stores!(
    a_device_signs_checkpoints_and_may_go_and_come_back,
    a_wrong_signature_is_caught_before_anything_is_written,
    only_a_key_that_signs_is_kept,
);

const SIGNS: u8 = 0;
const AWAY: u8 = 1;
const WRONG: u8 = 2;

/// A device with one key, which does as it is told.
#[derive(Debug, Clone)]
struct Device(Arc<AtomicU8>);

impl Device {
    fn new() -> Self {
        Self(Arc::new(AtomicU8::new(SIGNS)))
    }

    fn now(&self, does: u8) {
        self.0.store(does, Ordering::SeqCst);
    }

    fn key() -> PrivateKey {
        PrivateKey::from_seed(&[42; 32])
    }
}

impl KeyHolder for Device {
    fn signer(&self, reference: &str, public: PublicKey) -> Result<Arc<dyn Signer>, SignError> {
        assert_eq!((reference, public), ("device:1", Self::key().public()));
        Ok(Arc::new(self.clone()))
    }
}

impl Signer for Device {
    fn public(&self) -> PublicKey {
        Self::key().public()
    }

    fn sign(&self, message: &[u8]) -> Result<[u8; 64], SignError> {
        match self.0.load(Ordering::SeqCst) {
            SIGNS => Ok(Self::key().sign(message)),
            AWAY => Err(SignError::new("the device is not there")),
            _ => Ok(PrivateKey::from_seed(&[43; 32]).sign(message)),
        }
    }
}

async fn open(fixture: &Fixture, device: &Device) -> Store {
    let mut options = fixture.options();
    options.holder = Arc::new(device.clone());
    Store::open(options).await.unwrap()
}

/// A store whose register `licences` is signed by the device, and `permits` by a key of its own.
async fn with_device(fixture: &Fixture, device: &Device) -> Store {
    let store = open(fixture, device).await;
    let public = Device::key().public();
    store.put_reference("licences", CHECKPOINT, "device:1", public).await.unwrap();
    let opens =
        vec![NewLog { register: slug("licences"), key: public }, fixture.new_log(&store, "permits").await];
    store.submit(Submission { opens, ..Submission::default() }).await.unwrap();
    store
}

fn not_signed(answer: Result<Vec<eventstore::Appended>, AppendError>) -> String {
    match answer {
        Err(AppendError::Store(error @ StoreError::Signer { .. })) => {
            assert!(error.is_transient());
            error.to_string()
        }
        other => panic!("{other:?}"),
    }
}

async fn a_device_signs_checkpoints_and_may_go_and_come_back(fixture: &Fixture) {
    let device = Device::new();
    let store = with_device(fixture, &device).await;
    store.submit(fixture.one("licences", 1, 1)).await.unwrap();
    let head = store.log(&slug("licences")).await.unwrap().unwrap();
    assert_eq!(*head.key.key(), Device::key().public());
    proofs::checkpoint::open(&head.checkpoint, &head.key).unwrap();

    device.now(AWAY);
    let why = not_signed(store.submit(fixture.one("licences", 2, 1)).await);
    assert_eq!(why, "the checkpoint of licences cannot be signed: the device is not there");
    // Who came with them, and needs nothing of the device, is served; a list that needs it is refused whole.
    let both = list(vec![fixture.entry("permits", 10, 1), fixture.entry("licences", 3, 1)]);
    let (first, second, third) = tokio::join!(
        store.submit(fixture.one("permits", 11, 1)),
        store.submit(both),
        store.submit(fixture.one("permits", 12, 1))
    );
    assert_eq!(places(&first.unwrap()), [(2, 0, 1)]);
    not_signed(second);
    assert_eq!(places(&third.unwrap()), [(3, 1, 1)]);
    assert_eq!(store.log(&slug("licences")).await.unwrap().unwrap().checkpoint, head.checkpoint);
    // A server that starts meanwhile starts.
    let other = open(fixture, &device).await;
    not_signed(other.submit(fixture.one("licences", 2, 1)).await);

    device.now(SIGNS);
    assert_eq!(places(&store.submit(fixture.one("licences", 2, 1)).await.unwrap()), [(4, 1, 1)]);
    assert_eq!(places(&other.submit(fixture.one("licences", 3, 1)).await.unwrap()), [(5, 2, 1)]);
    other.close().await;
    store.close().await;
    // Without a way to the device the store still opens, and says what is missing when it is wanted.
    let without = fixture.open().await;
    assert!(without.receipt(&slug("licences"), 2).await.unwrap().is_some());
    let why = not_signed(without.submit(fixture.one("licences", 4, 1)).await);
    assert!(why.contains("nothing says how to reach it"), "{why}");
    without.close().await;
}

async fn a_wrong_signature_is_caught_before_anything_is_written(fixture: &Fixture) {
    let device = Device::new();
    let store = with_device(fixture, &device).await;
    device.now(WRONG);
    let why = not_signed(store.submit(fixture.one("licences", 1, 1)).await);
    assert!(why.contains("is not its signature"), "{why}");
    assert_eq!(store.position().await.unwrap(), 0);
    device.now(SIGNS);
    assert_eq!(places(&store.submit(fixture.one("licences", 1, 1)).await.unwrap()), [(1, 0, 1)]);
    store.close().await;
    fixture.open().await.close().await;
}

async fn only_a_key_that_signs_is_kept(fixture: &Fixture) {
    let device = Device::new();
    let store = open(fixture, &device).await;
    for (does, said) in [(AWAY, "the device is not there"), (WRONG, "is not its signature")] {
        device.now(does);
        let refused = store.put_reference("gibdd", STATEMENT, "device:1", Device::key().public()).await;
        let why = refused.unwrap_err().to_string();
        assert!(why.contains(said), "{why}");
        assert!(store.key("gibdd", STATEMENT).await.unwrap().is_none());
    }
    device.now(SIGNS);
    store.put_reference("gibdd", STATEMENT, "device:1", Device::key().public()).await.unwrap();
    let kept = store.key("gibdd", STATEMENT).await.unwrap().unwrap();
    assert!(!kept.is_local() && kept.public() == Device::key().public());
    store.close().await;
}
