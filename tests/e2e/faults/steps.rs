//! The server dies at each step of an append, of a projector and of an order, several times, and is started again.

use std::os::unix::process::ExitStatusExt as _;

use eventstore::failpoint::Step;
use reestr_tests::server::Server;
use reestr_tests::store::{Kind, Store};
use serde_json::{Value, json};

use super::Drill;
use super::load::Load;
use crate::shared::{REGISTER, append, demo};

/// At which time that it comes to the step.
const HITS: [u32; 2] = [1, 7];
/// SIGABRT: it died by its own hand.
const ABORTED: i32 = 6;
/// Orders given to a server that is to die of one.
const ORDERS: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_at_each_step_loses_nothing_sqlite() {
    killed_at_each_step(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_at_each_step_loses_nothing_postgres() {
    killed_at_each_step(Kind::Postgres).await;
}

async fn killed_at_each_step(kind: Kind) {
    let store = Store::fresh(kind).await;
    demo(&store).await.stop().await;
    let what = format!("{kind:?}: killed at each step");
    let mut drill = Drill::new(what, &store);
    let mut round = 0;
    let mut withheld = Vec::new();
    for step in Step::ALL {
        for nth in HITS {
            let load = Load::until_gone(round);
            round += 1;
            let at = format!("{step:?}:{nth}");
            // What an earlier death left undone may be done at the start, so that it dies then.
            let armed = Server::try_start_with("serve", &store.args(), &[("FAIL_AT", &at)]).await;
            if let Ok(server) = armed {
                if matches!(step, Step::Ordered | Step::Noted) {
                    withheld.extend(orders(&server, &drill, &withheld).await);
                } else {
                    let acknowledged = load.run(&server, &store, drill.department()).await;
                    drill.acknowledged.extend(acknowledged);
                }
                let (status, said) = server.died().await;
                assert_eq!(status.signal(), Some(ABORTED), "{at}: {status}: {said}");
            }
            drill.faults += 1;
            let server = Server::start("serve", &store.args()).await;
            let settled = load.settle(&server, &store, drill.department()).await;
            drill.acknowledged.extend(settled);
            drill.verify(&server).await;
            obeyed(&server, &store, &drill, &withheld).await;
            server.stop().await;
        }
    }
    assert_eq!(drill.faults as usize, Step::ALL.len() * HITS.len());
    let server = Server::start("serve", &store.args()).await;
    drill.end(&server).await;
    server.stop().await;
}

/// Orders, one after the other, until the server dies of one; gives the records and indexes of all that were given.
async fn orders(server: &Server, drill: &Drill, before: &[(String, u64)]) -> Vec<(String, u64)> {
    let order = json!({ "authority": "a district court", "number": "2-1/2026", "date": "2026-02-01" });
    let mut given = Vec::new();
    for (index, record) in
        drill.acknowledged.values().filter(|(index, _)| before.iter().all(|(_, at)| at != index))
    {
        let order =
            json!({ "record": record, "type": "withheld", "body": { "order": order, "versions": [1] } });
        given.push((record.clone(), *index));
        let key = format!("order-{index}");
        match append(server, drill.department(), &key, &order).await {
            Ok((status, answer)) => assert_eq!(status, 201, "{answer}"),
            Err(_) => return given,
        }
        assert!(given.len() < ORDERS, "the server does not die of an order");
    }
    given
}

/// Each order that was given, whether it was acknowledged or not, is carried out and in the ledger, or neither.
async fn obeyed(server: &Server, store: &Store, drill: &Drill, withheld: &[(String, u64)]) {
    let ledger = std::fs::read_to_string(store.data().join("withheld.ndjson")).unwrap_or_default();
    let noted: Vec<Value> = ledger.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let noted: Vec<&Value> = noted.iter().flat_map(|order| order["withheld"].as_array().unwrap()).collect();
    for (_, index) in withheld {
        let path = format!("/v1/registers/{REGISTER}/entries/{index}");
        let shown = server.get(&path, Some(drill.department())).await;
        let gone = shown["body"].is_null();
        assert_eq!(gone, noted.iter().any(|place| place["index"] == *index), "{index}: {shown}");
    }
}
