//! `/v1/entries`: all entries in order, what each reader sees of them, and waiting for the next.

use std::time::Duration;

use serde_json::{Value, json};

use crate::accesses::recorded;
use crate::authorisation::Case;
use crate::world::{Answer, Who, World, dismiss};

/// What this file's endpoints answer to each.
pub fn cases() -> Vec<Case> {
    let everyone = |_| 200;
    let with_token = |who| if who == Who::Anyone { 401 } else { 200 };
    vec![
        Case::get("/v1/entries", "/v1/entries?bodies=true".to_owned(), everyone),
        Case::get("/v1/events", "/v1/events".to_owned(), with_token),
    ]
}

/// The entries of a page, and the position where the next begins.
fn page(answer: &Answer) -> (Vec<Value>, u64) {
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    let mut lines: Vec<Value> =
        answer.text().lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let last = lines.pop().expect("a page has its last line");
    let next = last["next"].as_u64().expect("which says where to go on");
    let link = answer.header("link");
    assert!(
        link.starts_with(&format!("</v1/entries?after={next}")) && link.ends_with(">; rel=\"next\""),
        "{link}"
    );
    (lines, next)
}

/// Everything after a position, page by page.
async fn walk(world: &World, who: Who, mut after: u64, query: &str) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let (lines, next) = page(&world.get(who, &format!("/v1/entries?after={after}{query}")).await);
        if lines.is_empty() {
            assert_eq!(next, after);
            return all;
        }
        after = next;
        all.extend(lines);
    }
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap() {
    for world in World::both().await {
        for number in 1..=5 {
            world.permit("permits", &format!("A00{number}")).await;
            world.permit("open-permits", &format!("A00{number}")).await;
        }
        let all = walk(&world, Who::Anyone, 0, "&limit=7").await;
        let positions: Vec<u64> = all.iter().map(|line| line["position"].as_u64().expect("one")).collect();
        let last = world.store.position().await.expect("it is read");
        assert_eq!(positions, (1..=last).collect::<Vec<_>>());
        assert!(all.iter().all(|line| line["body"].is_null() && line["statement"].is_string()));
        // Of one register, from anywhere.
        for after in [0, last - 10, last - 3, last - 2, last - 1, last] {
            let some = walk(&world, Who::Anyone, after, "&limit=2&register=permits").await;
            let expected: Vec<&Value> = all
                .iter()
                .filter(|line| line["register"] == "permits" && line["position"].as_u64() > Some(after))
                .collect();
            assert_eq!(some.iter().collect::<Vec<_>>(), expected, "after {after}");
        }
        let none = walk(&world, Who::Anyone, 0, "&register=felling").await;
        assert_eq!(none, Vec::<Value>::new());
        world.end().await;
    }
}

#[tokio::test]
async fn bodies_are_for_those_who_may_see_them_and_are_written_down() {
    for world in World::both().await {
        let before = world.store.position().await.expect("it is read");
        let hidden = world.permit("notices", "A001").await;
        world.permit("open-permits", "A001").await;
        let shown = async |who| {
            let (lines, _) =
                page(&world.get(who, &format!("/v1/entries?after={before}&bodies=true&limit=2")).await);
            [&lines[0], &lines[1]].map(|line| {
                assert_eq!(line["body"].is_null(), line["salt"].is_null());
                !line["body"].is_null()
            })
        };
        for who in Who::ALL {
            let whole = matches!(who, Who::Citizen | Who::Official | Who::System | Who::Auditor);
            let accesses = recorded(&world).await.len();
            assert_eq!(shown(who).await, [whole, true], "{who:?}");
            let made = recorded(&world).await.len() - accesses;
            assert_eq!(made, usize::from(whole && who != Who::Citizen), "{who:?}");
        }
        let access = recorded(&world).await.pop().expect("it is written down");
        assert_eq!(access["endpoint"], "feed");
        assert_eq!(access["records"], json!([{ "register": "notices", "record": hidden["record"] }]));
        // Whoever does not say why is shown nothing, and nothing is written down.
        let accesses = recorded(&world).await.len();
        let path = format!("/v1/entries?after={before}&bodies=true");
        let refused = world.send_just(Who::Official, "GET", &path, &[], None).await;
        assert_eq!(refused.problem(400).0, "purpose-required");
        let unasked =
            world.send_just(Who::Official, "GET", &format!("/v1/entries?after={before}"), &[], None).await;
        assert_eq!(unasked.status, 200);
        assert_eq!(recorded(&world).await.len(), accesses);
        // Accesses are not read by reading, else reading would have no end.
        let (lines, next) = page(&world.get(Who::Auditor, &path).await);
        assert!(lines.iter().all(|line| line["register"] != "accesses" || line["body"].is_null()));
        let (lines, _) =
            page(&world.get(Who::Auditor, &format!("/v1/entries?after={next}&bodies=true")).await);
        assert_eq!(lines.len(), 1, "only the access that the page before made");
        let (lines, _) =
            page(&world.get(Who::Auditor, &format!("/v1/entries?after={}&bodies=true", next + 1)).await);
        assert!(lines.is_empty());
        world.end().await;
    }
}

#[tokio::test]
async fn who_waits_is_answered_when_there_is_something() {
    for world in World::both().await {
        let last = world.store.position().await.expect("it is read");
        let waiting = async |query: &str| {
            world.get(Who::Anyone, &format!("/v1/entries?after={last}&wait=50{query}")).await
        };
        let append = async {
            // Each has begun to wait.
            while world.state.feeds().polls() < 3 {
                tokio::task::yield_now().await;
            }
            world.permit("open-permits", "A001").await;
            world.permit("permits", "A002").await;
        };
        let (all, of_one, more, ()) =
            tokio::join!(waiting(""), waiting("&register=permits"), waiting("&limit=1"), append);
        assert_eq!(page(&all).0[0]["position"], last + 1);
        let (lines, next) = page(&of_one);
        assert_eq!((lines.len(), &lines[0]["register"], next), (1, &json!("permits"), last + 2));
        assert_eq!(page(&more).1, last + 1);
        assert_eq!(world.state.feeds().polls(), 0);
        world.end().await;
    }
}

#[tokio::test]
async fn who_is_dismissed_while_they_wait_is_shown_nothing_more() {
    for world in World::both().await {
        let last = world.store.position().await.expect("it is read");
        let path = format!("/v1/entries?after={last}&wait=50&register=permits&bodies=true");
        let dismissal = async {
            while world.state.feeds().polls() < 1 {
                tokio::task::yield_now().await;
            }
            dismiss(&world.registry, "roads", world.other_citizen).await;
            world.permit("permits", "A003").await;
        };
        let (answer, ()) = tokio::join!(world.get(Who::Official, &path), dismissal);
        assert_eq!(page(&answer), (Vec::new(), last));
        assert_eq!(world.get(Who::Official, &path).await.problem(403).0, "not-in-office");
        world.end().await;
    }
}

#[tokio::test]
async fn a_wait_ends_with_its_time_and_with_the_server() {
    for world in World::both().await {
        let last = world.store.position().await.expect("it is read");
        let began = std::time::Instant::now();
        let (lines, next) = page(&world.get(Who::Anyone, &format!("/v1/entries?after={last}&wait=1")).await);
        assert!(lines.is_empty() && next == last && began.elapsed() >= Duration::from_secs(1));
        let path = format!("/v1/entries?after={last}&wait=50");
        let stop = async {
            while world.state.feeds().polls() < 1 {
                tokio::task::yield_now().await;
            }
            world.state.feeds().stop();
        };
        let (answer, ()) = tokio::join!(world.get(Who::Anyone, &path), stop);
        assert_eq!(page(&answer).1, last);
        assert!(began.elapsed() < Duration::from_secs(40));
        world.end().await;
    }
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused() {
    for world in World::both().await {
        let last = world.store.position().await.expect("it is read");
        for query in [
            "limit=0",
            "limit=257",
            "wait=51",
            "wait=-1",
            "bodies=maybe",
            "cursor=1",
            &format!("after={}", last + 1),
        ] {
            let answer = world.get(Who::Anyone, &format!("/v1/entries?{query}")).await;
            assert_eq!(answer.problem(400).0, "invalid-request", "{query}");
        }
        assert_eq!(world.get(Who::Anyone, "/v1/entries?register=nothing").await.problem(404).0, "not-found");
        world.end().await;
    }
}
