//! An audit of a server that is at work: what moves while it looks is no fault.

use futures_util::stream::{FuturesUnordered, StreamExt};
use reestr_tests::server::tokens;
use reestr_tests::store::{BOTH, Store};

use crate::shared::{REGISTER, WHY, append, audit, demo, entry};

/// Callers that append at once.
const CALLERS: u64 = 8;
/// Audits of the busy server: the first pins every register, the others find them longer.
const AUDITS: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_is_audited_without_alarm() {
    for kind in BOTH {
        let store = Store::fresh(kind).await;
        let server = demo(&store).await;
        let tokens = tokens(store.data());
        let token = store.data().join("auditor.token");
        std::fs::write(&token, &tokens["auditor"]).unwrap();
        let state = tempfile::tempdir().unwrap();
        let mut more =
            vec!["--token-file", token.to_str().unwrap(), "--state", state.path().to_str().unwrap()];
        more.extend(WHY);

        let (done, until) = tokio::sync::watch::channel(false);
        let appending = async {
            let callers = FuturesUnordered::new();
            for caller in 0..CALLERS {
                let (server, store, department, until) = (&server, &store, &tokens["department"], &until);
                callers.push(async move {
                    let mut appended = 0;
                    while !*until.borrow() {
                        let serial = 600_000 + caller * 10_000 + appended;
                        let key = format!("busy-{serial}");
                        let (status, answer) =
                            append(server, department, &key, &entry(store, serial)).await.unwrap();
                        assert_eq!(status, 201, "{answer}");
                        appended += 1;
                    }
                    appended
                });
            }
            callers.collect::<Vec<u64>>().await.iter().sum::<u64>()
        };
        let auditing = async {
            let mut sizes = Vec::new();
            for _ in 0..AUDITS {
                let (code, report) = audit(&server.url, &more).await;
                assert_eq!(code, 0, "{kind:?}: {report}");
                let registers = report["registers"].as_array().unwrap();
                let of = registers.iter().find(|of| of["register"] == REGISTER).unwrap();
                assert_eq!(of["bodies"], of["entries"], "{kind:?}");
                sizes.push(of["entries"].as_u64().unwrap());
            }
            done.send(true).unwrap();
            sizes
        };
        let (appended, sizes) = tokio::join!(appending, auditing);
        assert!(sizes.windows(2).all(|pair| pair[0] < pair[1]), "{kind:?}: it was at work: {sizes:?}");
        println!("{kind:?}: {appended} entries appended during audits of {sizes:?}");
        server.stop().await;
    }
}
