//! A witness that is killed at any moment, while two branches of one log race for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use proofs::hash::{Hash, leaf_hash};
use proofs::key::PrivateKey;
use proofs::merkle::{ConsistencyPlan, Node, root};
use proofs::note::{NoteSignature, NoteSigner, SignedNote, VerifierKey, sign};
use proofs::witness::{AddCheckpoint, parse_size};
use tokio::sync::Notify;

use crate::witness::Witness;

const ORIGIN: &str = "log.example/registers/permits";
/// How often it is killed.
const KILLS: usize = 20;
/// Callers at once, half of them for each branch.
const RACERS: usize = 6;
/// Leaves of a branch: more than are ever cosigned.
const LEAVES: u64 = 100_000;

/// One branch of a log that forked after three leaves. Growing trees are made once.
struct Branch {
    leaves: Vec<Hash>,
    signer: NoteSigner,
}

impl Branch {
    fn new(branch: u8) -> Self {
        let leaf = |n: u64| leaf_hash(&[&n.to_be_bytes()[..], &[if n < 3 { 0 } else { branch }]].concat());
        let signer = NoteSigner::new(ORIGIN, PrivateKey::from_seed(&[1; 32])).unwrap();
        Self { leaves: (0..LEAVES).map(leaf).collect(), signer }
    }

    fn root(&self, size: u64) -> Hash {
        root(&self.leaves[..usize::try_from(size).unwrap()])
    }

    fn request(&self, old: u64, new: u64) -> AddCheckpoint {
        let text = format!("{ORIGIN}\n{new}\n{}\n", self.root(new));
        let node = |node: Node| {
            let start = usize::try_from(node.index << node.level).unwrap();
            Some(root(&self.leaves[start..start + (1 << node.level)]))
        };
        let proof = if old == 0 || old == new {
            Vec::new()
        } else {
            ConsistencyPlan::new(old, new).unwrap().assemble(node).unwrap()
        };
        AddCheckpoint { old_size: old, proof, note: sign(&text, std::slice::from_ref(&self.signer)).unwrap() }
    }
}

/// What was answered with a cosignature.
type Cosigned = Vec<(SignedNote, String)>;

async fn post(
    client: &reqwest::Client,
    url: &str,
    request: &AddCheckpoint,
) -> Result<(u16, String), reqwest::Error> {
    let response = client.post(format!("{url}/add-checkpoint")).body(request.to_string()).send().await?;
    Ok((response.status().as_u16(), response.text().await?))
}

/// Asks for one size after another until the witness is gone.
async fn race(
    branch: &Branch,
    url: &str,
    racer: usize,
    count: &AtomicUsize,
    kill: (usize, &Notify),
) -> Cosigned {
    let client = reqwest::Client::new();
    let (mut old, mut cosigned) = (0, Cosigned::new());
    for step in (1..=3).cycle() {
        let new = old + step + (racer as u64 % 2);
        let request = branch.request(old, new);
        let Ok((status, text)) = post(&client, url, &request).await else { break };
        match status {
            200 => {
                old = new;
                cosigned.push((request.note, text));
            }
            409 => old = parse_size(&text).unwrap(),
            422 => {}
            _ => panic!("{status}: {text}"),
        }
        if count.fetch_add(1, Ordering::SeqCst) + 1 == kill.0 {
            kill.1.notify_one();
        }
    }
    cosigned
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_killed_at_any_moment_never_cosigns_two_roots_for_one_size() {
    let witness = Witness::new("witness.example/killed").await;
    let key: VerifierKey = witness.vkey.parse().unwrap();
    let branches = Arc::new([Branch::new(1), Branch::new(2)]);
    witness.command(&["add", &branches[0].signer.verifier().to_string()]).await;
    let mut roots: BTreeMap<u64, Hash> = BTreeMap::new();
    let mut answers = 0;
    for round in 0..KILLS {
        let server = witness.run().await;
        // It knows at least what it ever said.
        let client = reqwest::Client::new();
        let (_, text) = post(&client, &server.url, &branches[0].request(0, 1)).await.unwrap();
        let last = roots.keys().next_back().copied().unwrap_or_default();
        assert!(parse_size(&text).is_none_or(|size| size >= last), "it forgot: {text} after {last}");
        let (count, kill) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
        let racers: Vec<_> = (0..RACERS)
            .map(|racer| {
                let (branches, count, kill) = (Arc::clone(&branches), Arc::clone(&count), Arc::clone(&kill));
                let url = server.url.clone();
                let moment = 1 + round * 7 % 60;
                tokio::spawn(
                    async move { race(&branches[racer % 2], &url, racer, &count, (moment, &kill)).await },
                )
            })
            .collect();
        kill.notified().await;
        // SIGKILL, with requests under way.
        drop(server);
        for cosigned in join_all(racers).await {
            for (mut note, lines) in cosigned.unwrap() {
                for line in NoteSignature::parse_lines(&lines).unwrap() {
                    note.push(line);
                }
                note.cosigned_at(&key).expect("a good cosignature");
                let checkpoint = proofs::checkpoint::Checkpoint::parse(note.text()).unwrap();
                assert_eq!(
                    *roots.entry(checkpoint.size).or_insert(checkpoint.root),
                    checkpoint.root,
                    "two roots"
                );
                answers += 1;
            }
        }
    }
    assert!(answers > KILLS, "{answers} cosignatures");
    // All of them lie on one branch.
    let on = |branch: &Branch| roots.iter().all(|(size, root)| branch.root(*size) == *root);
    assert!(on(&branches[0]) || on(&branches[1]));
}
