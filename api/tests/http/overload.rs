//! More than the server can do: it says so at once, to each in their turn, and is as before when it is over.

use std::net::SocketAddr;
use std::time::Duration;

use api::Bounds;
use futures_util::future::join_all;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};

use crate::world::{Answer, Who, World};

const PATIENCE: Duration = Duration::from_mins(1);
const RECORDS: &str = "/v1/account/records";

fn few() -> Bounds {
    Bounds { reads: 4, writes: 4, waits: 2, connections: 100 }
}

/// Whether an answer says that there is too much to do, as each must.
#[track_caller]
fn turned_away(answer: &Answer) -> bool {
    if answer.status != 503 {
        assert_eq!(answer.status, 200, "{}", answer.text());
        return false;
    }
    assert_eq!(answer.json()["type"], "/problems/overloaded");
    let seconds: u64 = answer.header("retry-after").parse().expect("seconds");
    assert!((1..=4).contains(&seconds), "{seconds}");
    true
}

#[tokio::test]
async fn a_flood_of_one_client_keeps_nobody_out() {
    for world in World::both_bounded(few()).await {
        world.permit("permits", "A001").await;
        let (done, until) = watch::channel(false);
        let flood = join_all((0..100).map(|_| async {
            let (mut served, mut refused) = (0, 0);
            while !*until.borrow() {
                let answer = world.get(Who::Citizen, RECORDS).await;
                if turned_away(&answer) {
                    refused += 1;
                } else {
                    served += 1;
                }
                tokio::task::yield_now().await;
            }
            (served, refused)
        }));
        let other = async {
            for _ in 0..20 {
                world.get(Who::OtherCitizen, RECORDS).await.expect(200);
                world.get(Who::Anyone, "/v1/registers").await.expect(200);
            }
            done.send_replace(true);
        };
        let (flood, ()) = tokio::join!(flood, other);
        let (served, refused) = flood.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        assert!(served > 0 && refused > 0, "{served} served, {refused} refused");
        // And then all is as it was.
        let again = join_all((0..4).map(|_| world.get(Who::Citizen, RECORDS))).await;
        assert!(again.iter().all(|answer| answer.status == 200));
        let metrics = world.get(Who::Anyone, "/metrics").await;
        for line in [
            "reestr_requests_under_way{lane=\"reads\"} 0\n",
            "reestr_requests_waiting{lane=\"reads\"} 0\n",
            "reestr_bodies_bytes 0\n",
        ] {
            assert!(metrics.text().contains(line), "{line}{}", metrics.text());
        }
        world.end().await;
    }
}

#[tokio::test]
async fn a_flood_of_appends_is_turned_away_and_loses_nothing() {
    for world in World::both_bounded(few()).await {
        let path = "/v1/registers/permits/entries";
        let appends = (0..100).map(|at| {
            let entry = json!({ "type": "issued", "body": world.body(&format!("A{at:03}")) });
            let world = &world;
            async move {
                let answer = world.post(Who::System, path, entry).await;
                if answer.status == 201 { true } else { !turned_away(&answer) }
            }
        });
        let accepted = join_all(appends).await.into_iter().filter(|accepted| *accepted).count();
        assert!((4..100).contains(&accepted), "{accepted}");
        let list = world.get(Who::System, &format!("{path}?limit=200")).await.expect(200);
        assert_eq!(list["items"].as_array().expect("a list").len(), accepted);
        world.end().await;
    }
}

#[tokio::test]
async fn those_who_wait_take_no_place_from_those_who_ask() {
    for world in World::both_bounded(few()).await {
        let last = world.permit("permits", "A001").await["position"].as_u64().expect("a position");
        let poll = format!("/v1/entries?after={last}&wait=50");
        let waiting = async { join_all((0..2).map(|_| world.get(Who::Anyone, &poll))).await };
        let asking = async {
            while world.state.feeds().polls() < 2 {
                tokio::task::yield_now().await;
            }
            assert!(turned_away(&world.get(Who::Citizen, &poll).await), "two may wait");
            assert!(turned_away(&world.get(Who::Citizen, "/v1/events").await));
            world.get(Who::Citizen, RECORDS).await.expect(200);
            world.permit("permits", "A002").await;
        };
        let (polls, ()) = tokio::join!(waiting, asking);
        assert!(polls.iter().all(|answer| answer.status == 200 && answer.text().contains("\"index\":1")));
        world.get(Who::Anyone, &format!("/v1/entries?after={last}&wait=1")).await;
        world.end().await;
    }
}

#[tokio::test]
async fn a_server_that_ends_is_alive_and_not_ready() {
    let [world, other] = World::both_bounded(few()).await;
    world.get(Who::Anyone, "/health/ready").await.expect(200);
    world.state.end();
    let answer = world.get(Who::Anyone, "/health/ready").await.expect(503);
    assert_eq!(answer["status"], "the server is ending");
    world.get(Who::Anyone, "/health/live").await.expect(200);
    world.get(Who::Citizen, RECORDS).await.expect(200);
    world.end().await;
    other.end().await;
}

/// Sends a head and these chunks; gives the answer's first line and the rest of it.
async fn send(address: SocketAddr, head: String, chunks: usize) -> String {
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    stream.write_all(head.as_bytes()).await.expect("it is sent");
    let (mut read, mut write) = stream.split();
    let chunk = format!("{:x}\r\n{}\r\n", 64 << 10, " ".repeat(64 << 10));
    let mut answer = Vec::new();
    let sending = async {
        for _ in 0..chunks {
            // Cut off in the middle: nobody listens any more.
            if write.write_all(chunk.as_bytes()).await.is_err() {
                return;
            }
        }
    };
    let reading = tokio::time::timeout(PATIENCE, read.read_to_end(&mut answer));
    let (ended, ()) = tokio::join!(reading, sending);
    let _ = ended.expect("the server ends it");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_huge_body_is_refused_before_it_is_read() {
    for world in World::both_bounded(few()).await {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async move { drop(stopped.await) };
        let serving = tokio::spawn(api::serve(api::Listening::new(listener), world.state.clone(), shutdown));
        let token = world.token(Who::System).expect("a token");
        let head = |authorization: &str, length: &str| {
            format!(
                "POST /v1/registers/permits/entries HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                 {authorization}{length}\r\n\r\n"
            )
        };
        let mine = format!("Authorization: Bearer {token}\r\n");
        // Nothing of the body is ever sent.
        for (authorization, length, status) in [
            (mine.as_str(), "Content-Length: 17000000", "413"),
            ("", "Content-Length: 17000000", "413"),
            ("", "Content-Length: 1000000", "401"),
        ] {
            let answer = send(address, head(authorization, length), 0).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{length}: {answer}");
        }
        // Of unknown length: cut where there is too much, for those who are known later than for others.
        for (authorization, chunks) in [(mine.as_str(), 400), ("", 2)] {
            let answer = send(address, head(authorization, "Transfer-Encoding: chunked"), chunks).await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413 "), "{answer}");
        }
        assert_eq!(world.state.admission().arriving().held(), 0);
        drop(stop);
        serving.await.expect("it ends");
        world.end().await;
    }
}
