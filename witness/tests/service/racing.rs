//! Many at once: two branches of one log race for the same witness.

use std::collections::BTreeMap;
use std::sync::Arc;

use proofs::hash::Hash;

use crate::log::Log;
use crate::service::Service;

const ORIGIN: &str = "log.example/registers/permits";
const SIZE: u64 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn of_two_branches_that_race_one_is_cosigned_and_never_two_roots_for_one_size() {
    let mut one = Log::new(ORIGIN, 3);
    let mut other = one.clone();
    one.grow(SIZE, 1);
    other.grow(SIZE, 2);
    let service = Arc::new(Service::start().await);
    service.store.add(&one.signers[0].verifier()).await.unwrap();
    let racers = (0..8).map(|racer| {
        let (service, log) = (Arc::clone(&service), if racer % 2 == 0 { one.clone() } else { other.clone() });
        tokio::spawn(async move {
            let mut cosigned: Vec<(u64, Hash)> = Vec::new();
            let mut old = 0;
            for new in 1..=SIZE {
                // Each asks from where it was told that the witness is.
                let answer = service.post(log.request(old, new.max(old))).await;
                match answer.status {
                    200 => {
                        let note = log.note(new.max(old));
                        answer.cosigned(&note);
                        let checkpoint =
                            proofs::checkpoint::open(&note.to_string(), &log.signers[0].verifier());
                        let checkpoint = checkpoint.unwrap();
                        cosigned.push((checkpoint.size, checkpoint.root));
                        old = checkpoint.size;
                    }
                    409 => old = answer.conflict(),
                    422 => {}
                    status => panic!("{status}: {}", answer.text),
                }
            }
            cosigned
        })
    });
    let mut roots: BTreeMap<u64, Hash> = BTreeMap::new();
    let mut count = 0;
    for racer in futures_util::future::join_all(racers).await {
        for (size, root) in racer.unwrap() {
            count += 1;
            assert_eq!(*roots.entry(size).or_insert(root), root, "two roots for {size}");
        }
    }
    assert!(count > 0 && roots.len() > 1, "{count} cosigned");
    // All that was cosigned lies on one branch.
    let on = |log: &Log| roots.iter().all(|(size, root)| log.note(*size).text().contains(&root.to_string()));
    assert!(on(&one) || on(&other));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_equal_requests_at_once_none_is_lost_and_of_unequal_ones_the_size_never_goes_back() {
    let log = Log::new(ORIGIN, 64);
    let service = Arc::new(Service::start().await);
    service.store.add(&log.signers[0].verifier()).await.unwrap();
    service.post(log.request(0, 1)).await.cosigned(&log.note(1));
    let asked = (0..32_u64).map(|n| {
        let (service, log) = (Arc::clone(&service), log.clone());
        tokio::spawn(async move { (2 + n, service.post(log.request(1, 2 + n)).await) })
    });
    let answers: Vec<_> =
        futures_util::future::join_all(asked).await.into_iter().map(|answer| answer.unwrap()).collect();
    // All began at 1: whoever came first moved the witness on, and everyone else is told where it is.
    let won: Vec<u64> =
        answers.iter().filter(|(_, answer)| answer.status == 200).map(|(size, _)| *size).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    for (_, answer) in answers.iter().filter(|(_, answer)| answer.status != 200) {
        assert_eq!(answer.conflict(), won[0]);
    }
}
