//! What registers do for people: an entry leads to an offer, once, whatever is killed and however many servers run; who
//! looked is seen; a rebuild makes nothing.

use std::collections::BTreeSet;

use reestr_tests::server::{self, Server, tokens};
use reestr_tests::store::{BOTH, Kind, Store};
use serde_json::{Value, json};

use crate::shared::{audit, demo};

/// Fines in each round.
const FINES: u64 = 12;
/// Answers of the feed that are waited for: with as many entries as there are offers, each may wake it once.
const ROUNDS: usize = 500;
/// Why the tests look at what concerns a person.
const WHY: [(&str, &str); 2] = [("purpose", "end-to-end test"), ("legal-basis", "Federal Law 196-FZ")];

/// Fines the demo's citizen under numbers of this round; gives the last position.
async fn fine(server: &Server, store: &Store, token: &str, round: u64) -> u64 {
    let text = std::fs::read_to_string(store.data().join("try/fine.json")).expect("the demo writes it");
    let mut fine: Value = serde_json::from_str(&text).expect("JSON");
    let mut last = 0;
    for nth in 0..FINES {
        fine["body"]["number"] = json!(format!("188{:017}", round * 1_000 + nth));
        let response = server
            .request(reqwest::Method::POST, "/v1/registers/fines/entries")
            .bearer_auth(token)
            .header("idempotency-key", format!("fine-{round}-{nth}"))
            .json(&fine)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 201, "{}", response.text().await.unwrap());
        let answer: Value = response.json().await.unwrap();
        last = answer["position"].as_u64().unwrap();
    }
    last
}

/// Follows the register of offers by long poll until this many offers of the rule to the citizen are there; gives them.
async fn offers(server: &Server, token: &str, count: usize) -> Vec<Value> {
    let mut after = 0;
    for _ in 0..ROUNDS {
        let shown = server.get("/v1/account/offers?limit=200", Some(token)).await;
        let mut offers = shown["items"].as_array().unwrap().clone();
        offers.retain(|offer| offer["rule"] == "fine-discount");
        if offers.len() >= count {
            return offers;
        }
        // The feed answers when there is something new, so that nothing is waited for longer than it takes.
        let path = format!("/v1/entries?after={after}&register=offers&wait=20&limit=256");
        let response = server.request(reqwest::Method::GET, &path).bearer_auth(token).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let lines = response.text().await.unwrap();
        let end: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        after = end["next"].as_u64().unwrap();
        server.get(&format!("/v1/account/offers?wait_for={after}"), Some(token)).await;
    }
    panic!("{count} offers did not come");
}

/// What caused them, as each says itself.
async fn causes(server: &Server, token: &str, offers: &[Value]) -> BTreeSet<String> {
    let mut causes = BTreeSet::new();
    for offer in offers {
        let path = format!("/v1/account/offers/{}", offer["offer"].as_str().unwrap());
        let shown = server.get(&path, Some(token)).await;
        causes
            .insert(shown["why"]["cause"]["record"].as_str().unwrap_or_else(|| panic!("{shown}")).to_owned());
    }
    causes
}

async fn kill(server: &Server) {
    let id = server.id().to_string();
    assert!(tokio::process::Command::new("kill").args(["-KILL", &id]).status().await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn offers_are_made_once_through_kills_and_rebuilds() {
    for kind in BOTH {
        let store = Store::fresh(kind).await;
        let mut server = demo(&store).await;
        let tokens = tokens(store.data());
        for round in 0..2 {
            fine(&server, &store, &tokens["department"], round).await;
            // Wherever the engine is now: what it has begun is gone on with.
            kill(&server).await;
            drop(server);
            server = Server::start("serve", &store.args()).await;
        }
        let expected = usize::try_from(2 * FINES).unwrap();
        let made = offers(&server, &tokens["citizen"], expected).await;
        let found = causes(&server, &tokens["citizen"], &made).await;
        assert_eq!((made.len(), found.len()), (expected, expected), "{kind:?}");
        let path = format!("/v1/account/offers/{}", made[0]["offer"].as_str().unwrap());
        let missing = server.request(reqwest::Method::GET, &path).bearer_auth(&tokens["other_citizen"]);
        assert_eq!(missing.send().await.unwrap().status(), 404, "another person's offer");
        server.stop().await;

        let mut replay = vec!["replay".to_owned(), "--all".to_owned()];
        replay.extend(store.args());
        server::succeed(&replay).await;
        let server = Server::start("serve", &store.args()).await;
        // A new cause is behind everything that a restart or a rebuild could have made again.
        fine(&server, &store, &tokens["department"], 2).await;
        let expected = usize::try_from(3 * FINES).unwrap();
        let made = offers(&server, &tokens["citizen"], expected).await;
        let found = causes(&server, &tokens["citizen"], &made).await;
        assert_eq!((made.len(), found.len()), (expected, expected), "{kind:?}: after a rebuild");
        let (code, report) = audit(&server.url, &[]).await;
        assert_eq!(code, 0, "{report}");
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_make_each_offer_once() {
    let store = Store::fresh(Kind::Postgres).await;
    let one = demo(&store).await;
    let two = Server::start("serve", &store.args()).await;
    let tokens = tokens(store.data());
    let department = &tokens["department"];
    tokio::join!(fine(&one, &store, department, 0), fine(&two, &store, department, 1));
    let expected = usize::try_from(2 * FINES).unwrap();
    let (first, second) =
        tokio::join!(offers(&one, &tokens["citizen"], expected), offers(&two, &tokens["citizen"], expected));
    let of_one = causes(&one, &tokens["citizen"], &first).await;
    assert_eq!((first.len(), of_one.len()), (expected, expected));
    assert_eq!(of_one, causes(&two, &tokens["citizen"], &second).await);
    two.stop().await;
    one.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_who_looked() {
    for kind in BOTH {
        let store = Store::fresh(kind).await;
        let server = demo(&store).await;
        let tokens = tokens(store.data());
        let position = fine(&server, &store, &tokens["department"], 0).await;
        let path = format!("/v1/account/records?register=fines&wait_for={position}");
        let fines = server.get(&path, Some(&tokens["citizen"])).await;
        let record = fines["items"][0]["record"].as_str().unwrap().to_owned();
        let path = format!("/v1/registers/fines/records/{record}?wait_for={position}");
        let look = || server.request(reqwest::Method::GET, &path).bearer_auth(&tokens["official"]);
        let refused = look().send().await.unwrap();
        assert!(refused.status().is_client_error(), "without a purpose");
        assert!(!refused.text().await.unwrap().contains("offence"), "no body leaves unaccounted for");
        let mut request = look();
        for (name, value) in WHY {
            request = request.header(name, value);
        }
        assert_eq!(request.send().await.unwrap().status(), 200);
        // It was durable before it was answered: the last position has it.
        let last = server.get("/v1/registers/accesses", None).await["size"].as_u64().unwrap();
        assert!(last >= 1);
        let path = "/v1/entries?after=0&register=accesses&limit=256";
        let lines = server.request(reqwest::Method::GET, path).bearer_auth(&tokens["citizen"]).send().await;
        let lines = lines.unwrap().text().await.unwrap();
        let end: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        let path = format!("/v1/account/accesses?wait_for={}", end["next"]);
        let accesses = server.get(&path, Some(&tokens["citizen"])).await;
        let seen = accesses["items"].as_array().unwrap();
        let found = seen.iter().find(|access| access["purpose"] == "end-to-end test");
        let found = found.unwrap_or_else(|| panic!("{accesses}"));
        assert!(found.to_string().contains(&record), "{found}");
        let other = server.get("/v1/account/accesses", Some(&tokens["other_citizen"])).await;
        assert!(!other.to_string().contains(&record));
        server.stop().await;
    }
}
