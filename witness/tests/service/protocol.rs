//! What tlog-witness says, word by word, over HTTP.

use std::sync::atomic::Ordering;

use proofs::note::{NoteSigner, VerifierKey, sign};
use proofs::witness::{AddCheckpoint, REQUEST_BYTES_MAX};
use reqwest::Method;

use crate::log::{Log, signer};
use crate::service::{NOON, Service, cosigner, open};

const ORIGIN: &str = "log.example/registers/permits";

async fn knowing(log: &Log) -> Service {
    let service = Service::start().await;
    service.store.add(&log.signers[0].verifier()).await.unwrap();
    service
}

#[tokio::test]
async fn a_log_is_cosigned_as_it_grows() {
    let log = Log::new(ORIGIN, 300);
    let service = knowing(&log).await;
    let now = u64::try_from(NOON).unwrap();
    for (old, new) in [(0, 0), (0, 1), (1, 5), (5, 5), (5, 256), (256, 300)] {
        assert_eq!(service.post(log.request(old, new)).await.cosigned(&log.note(new)), now, "{old} to {new}");
    }
    let key = service.send(Method::GET, "/key", String::new()).await;
    assert_eq!(key.text.trim_end().parse::<VerifierKey>().unwrap(), cosigner().verifier());
}

#[tokio::test]
async fn each_refusal_has_its_status() {
    let mut log = Log::new(ORIGIN, 5);
    let mut fork = log.clone();
    log.grow(5, 1);
    fork.grow(5, 2);
    let service = knowing(&log).await;
    service.post(log.request(0, 7)).await.cosigned(&log.note(7));

    // 404: another log, even with a key that is trusted for this one.
    let other = Log::new("log.example/registers/other", 3);
    assert_eq!(service.post(other.request(0, 3)).await.status, 404);
    // 403: another key.
    let mut thief = log.clone();
    thief.signers = vec![signer(ORIGIN, 2)];
    assert_eq!(service.post(thief.request(7, 9)).await.status, 403);
    // 400: an old size past the checkpoint's.
    let past = AddCheckpoint { old_size: 7, ..log.request(0, 6) };
    assert_eq!(service.post(past).await.status, 400);
    // 409 with the size: the log does not know where we are, is behind, or has forked.
    for wrong in [log.request(0, 9), log.request(5, 9), log.request(8, 9), log.request(5, 5)] {
        assert_eq!(service.post(wrong).await.conflict(), 7);
    }
    assert_eq!(service.post(fork.request(7, 7)).await.conflict(), 7);
    // 422: a proof that does not hold.
    assert_eq!(service.post(fork.request(7, 9)).await.status, 422);
    let unproved = AddCheckpoint { proof: Vec::new(), ..log.request(7, 9) };
    assert_eq!(service.post(unproved).await.status, 422);
    // 400: what is no request, and what is signed and no checkpoint.
    for text in ["", "old 7\n", "old 07\n\n", "\u{0}", "new 7\n\n"] {
        assert_eq!(service.post(text).await.status, 400, "{text:?}");
    }
    let note = sign(&format!("{ORIGIN}\nseven\n"), &log.signers).unwrap();
    let no_checkpoint = AddCheckpoint { old_size: 7, proof: Vec::new(), note };
    assert_eq!(service.post(no_checkpoint).await.status, 400);
    let size = format!("{ORIGIN}\n{}\n{}\n", u64::MAX, log.proof(7, 9)[0]);
    let huge =
        AddCheckpoint { old_size: 7, proof: log.proof(7, 9), note: sign(&size, &log.signers).unwrap() };
    assert_eq!(service.post(huge).await.status, 400);
    // 413, 405, 404: bounded, and nothing else is here.
    assert_eq!(service.post("x".repeat(REQUEST_BYTES_MAX + 1)).await.status, 413);
    assert_eq!(service.send(Method::GET, "/add-checkpoint", String::new()).await.status, 405);
    assert_eq!(service.send(Method::GET, "/", String::new()).await.status, 404);
    // After all that it is where it was.
    service.post(log.request(7, 10)).await.cosigned(&log.note(10));
}

#[tokio::test]
async fn keys_overlap_when_they_are_rotated_and_one_removed_is_not_trusted() {
    let old = Log::new(ORIGIN, 9);
    let new = Log { signers: vec![signer(ORIGIN, 2)], ..old.clone() };
    let both = Log { signers: vec![signer(ORIGIN, 2), signer(ORIGIN, 1)], ..old.clone() };
    let service = knowing(&old).await;
    service.post(old.request(0, 2)).await.cosigned(&old.note(2));
    service.store.add(&signer(ORIGIN, 2).verifier()).await.unwrap();
    for (log, from, to) in [(&both, 2, 3), (&old, 3, 4), (&new, 4, 5), (&new, 5, 5)] {
        service.post(log.request(from, to)).await.cosigned(&log.note(to));
    }
    assert!(service.store.remove(&signer(ORIGIN, 1).verifier()).await.unwrap());
    assert!(!service.store.remove(&signer(ORIGIN, 1).verifier()).await.unwrap());
    assert_eq!(service.post(old.request(5, 6)).await.status, 403);
    service.post(both.request(5, 6)).await.cosigned(&both.note(6));
    // What was cosigned is known of a log that is trusted no more, and again.
    service.store.remove(&signer(ORIGIN, 2).verifier()).await.unwrap();
    assert_eq!(service.post(new.request(6, 7)).await.status, 404);
    service.store.set(&[signer(ORIGIN, 2).verifier()]).await.unwrap();
    assert_eq!(service.post(new.request(0, 7)).await.conflict(), 6);
    let logs = service.store.logs().await.unwrap();
    assert_eq!(logs.len(), 1);
    assert_eq!(logs[0].cosigned.map(|(head, _)| head.size), Some(6));
}

#[tokio::test]
async fn it_knows_after_a_restart_what_it_cosigned_before() {
    let log = Log::new(ORIGIN, 9);
    let service = knowing(&log).await;
    service.post(log.request(0, 6)).await.cosigned(&log.note(6));
    let service = service.restart().await;
    assert_eq!(service.post(log.request(0, 9)).await.conflict(), 6);
    service.post(log.request(6, 9)).await.cosigned(&log.note(9));
}

#[tokio::test]
async fn cosignatures_never_go_back_in_time() {
    let log = Log::new(ORIGIN, 9);
    let service = knowing(&log).await;
    let first = service.post(log.request(0, 6)).await.cosigned(&log.note(6));
    service.clock.store(NOON - 3_600, Ordering::SeqCst);
    assert_eq!(service.post(log.request(6, 7)).await.cosigned(&log.note(7)), first);
    service.clock.store(NOON + 5, Ordering::SeqCst);
    assert_eq!(service.post(log.request(7, 8)).await.cosigned(&log.note(8)), first + 5);
}

#[tokio::test]
async fn a_fork_leaves_evidence_that_convinces_others() {
    let mut log = Log::new(ORIGIN, 3);
    let mut fork = log.clone();
    log.grow(3, 1);
    fork.grow(3, 2);
    let service = knowing(&log).await;
    service.post(log.request(0, 6)).await.cosigned(&log.note(6));
    for _ in 0..2 {
        service.post(fork.request(6, 6)).await.conflict();
    }
    let evidence = service.store.evidence().await.unwrap();
    assert_eq!(evidence.len(), 1, "once, however often it comes");
    let key = log.signers[0].verifier();
    let opened = [&evidence[0].refused, &evidence[0].cosigned]
        .map(|note| proofs::checkpoint::open(note, &key).unwrap());
    assert_eq!((opened[0].size, opened[1].size), (6, 6));
    assert_ne!(opened[0].root, opened[1].root, "two roots for one size, both signed by the log");
    // A stranger's note is no evidence.
    let stranger = Log { signers: vec![signer(ORIGIN, 3)], ..fork };
    assert_eq!(service.post(stranger.request(6, 6)).await.status, 403);
    assert_eq!(service.store.evidence().await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_file_itself_refuses_to_go_back_and_a_later_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path()).await;
    let log = Log::new(ORIGIN, 9);
    let request = log.request(0, 6);
    let checkpoint = request.open(&[log.signers[0].verifier()]).unwrap();
    let decided = store.advance(&request.note, ORIGIN, 5, |known| request.decide(&checkpoint, known)).await;
    assert_eq!(decided.unwrap(), Ok(5));
    // A decision gone wrong, not only a request: the store holds out by itself.
    let wrong = log.request(0, 4);
    let head = proofs::witness::Head { size: 4, root: checkpoint.root };
    assert!(store.advance(&wrong.note, ORIGIN, 6, |_| Ok(head)).await.is_err());
    let head = proofs::witness::Head { size: 6, root: proofs::hash::EMPTY_ROOT };
    assert!(store.advance(&wrong.note, ORIGIN, 6, |_| Ok(head)).await.is_err());
    store.close().await;
}

#[test]
fn names_of_witnesses_are_checked() {
    let key = || proofs::key::PrivateKey::from_seed(&[1; 32]);
    assert!(proofs::note::Cosigner::new("two words", key()).is_err());
    assert!(NoteSigner::new("", key()).is_err());
}
