//! Drills on what a real server served: its tiles, its checkpoints and its lists, changed one answer at a time.

use axum::http::StatusCode;
use proofs::checkpoint::Checkpoint;
use proofs::key::PrivateKey;
use proofs::leaf::Leaf;
use proofs::note::NoteSigner;
use reestr_tests::server::Server;
use reestr_tests::store::{Kind, Store};
use serde_json::{Value, json};

use super::Place::{Entry, Log};
use super::site::{Site, Stage, of, page, record};
use super::{Drill, Kept, Verdicts};
use crate::shared::demo_args;

/// A public register of the demo with a full tile and a part of one: 312 entries.
pub const LONG: &str = "further-education-college-uk";
/// Another public register, of 209 entries.
const SHORT: &str = "country";

type Deed = fn(&mut Site);

const FULL: &str = "/v1/registers/further-education-college-uk/tile/entries/000";
const PART: &str = "/v1/registers/further-education-college-uk/tile/entries/001.p/56";
const HASHES: &str = "/v1/registers/further-education-college-uk/tile/0/000";
const HASHES_PART: &str = "/v1/registers/further-education-college-uk/tile/0/001.p/56";
const ABOVE: &str = "/v1/registers/further-education-college-uk/tile/1/000.p/1";
const SHORT_BUNDLE: &str = "/v1/registers/country/tile/entries/000.p/209";
const SHORT_HASHES: &str = "/v1/registers/country/tile/0/000.p/209";

fn checkpoint() -> String {
    of(LONG, "checkpoint")
}

/// Changes a leaf of the first bundle, in the form that it must have.
fn leaf(site: &mut Site, index: usize, change: impl FnOnce(&mut Leaf)) {
    site.leaves(FULL, |leaves| {
        let mut leaf = Leaf::parse(&leaves[index]).expect("a leaf");
        change(&mut leaf);
        leaves[index] = leaf.to_bytes();
    });
}

/// Signs a tree head with a key that somebody made up; gives the key.
fn forge(site: &mut Site, change: impl FnOnce(&mut Checkpoint)) -> String {
    let mut head = site.checkpoint(LONG);
    change(&mut head);
    let signer = NoteSigner::new(&head.origin, PrivateKey::from_seed(&[7; 32])).expect("a name");
    site.put(&checkpoint(), head.sign(&signer).expect("its own log"));
    signer.verifier().to_string()
}

fn listed(site: &mut Site, register: &str, change: impl FnOnce(&mut Vec<Value>)) {
    site.items(&page(register, 0), change);
}

pub const TILES: &[Drill<Deed>] = &[
    Drill::new("a bit of an entry in a bundle", "leaf", Entry(LONG, 0), |s| s.flip(FULL, 5)),
    Drill::new("a bit of a signature in a bundle", "statement-signature", Entry(LONG, 255), |s| {
        // The last character but two before the quote and brace that end the leaf: no bits of padding.
        s.bytes(FULL, |bytes| {
            let at = bytes.len() - 6;
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        });
    }),
    Drill::new("a bit of an entry's length", "bundle", Entry(LONG, 0), |s| s.flip(FULL, 0)),
    Drill::new("the newest entry dropped from its bundle", "bundle", Entry(LONG, 256), |s| {
        s.leaves(PART, |leaves| drop(leaves.pop()));
    }),
    Drill::new("a bundle cut short", "bundle", Entry(LONG, 256), |s| {
        s.bytes(PART, |bytes| bytes.truncate(100));
    }),
    Drill::new("bytes after a bundle's end", "bundle", Entry(LONG, 256), |s| {
        s.bytes(PART, |bytes| bytes.push(0));
    }),
    Drill::new("an empty bundle", "bundle", Entry(LONG, 256), |s| s.bytes(PART, Vec::clear)),
    Drill::new("a bundle that is not served", "bundle", Entry(LONG, 0), |s| {
        s.refuse(FULL, StatusCode::NOT_FOUND);
    }),
    Drill::new("a bundle in place of the next", "bundle", Entry(LONG, 256), |s| {
        s.put(PART, s.get(FULL).to_vec());
    }),
    Drill::new("two entries of a bundle in the other order", "tile", Entry(LONG, 3), |s| {
        s.leaves(FULL, |leaves| leaves.swap(3, 4));
    }),
    Drill::new("an entry in place of its neighbour", "version-without-gaps", Entry(LONG, 12), |s| {
        s.leaves(FULL, |leaves| leaves[12] = leaves[11].clone());
    }),
    Drill::new("entries of two bundles swapped", "tile", Entry(LONG, 260), |s| {
        let (one, other) = (s.leaf(FULL, 10), s.leaf(PART, 4));
        s.leaves(FULL, |leaves| leaves[10] = other);
        s.leaves(PART, |leaves| leaves[4] = one);
    }),
    Drill::new("an entry of another register in a bundle", "register", Entry(LONG, 20), |s| {
        let foreign = s.leaf(SHORT_BUNDLE, 0);
        s.leaves(FULL, |leaves| leaves[20] = foreign);
    }),
    Drill::new("an entry back-dated in its bundle", "recorded-order", Entry(LONG, 100), |s| {
        leaf(s, 100, |leaf| leaf.recorded_at = leaf.recorded_at.plus_millis(-3_600_000));
    }),
    Drill::new(
        "an entry signed anew in its bundle with a key that nobody enrolled",
        "key-in-force",
        Entry(LONG, 30),
        |s| {
            leaf(s, 30, |leaf| {
                leaf.statement = leaf.statement.statement().sign(&PrivateKey::from_seed(&[9; 32]));
            });
        },
    ),
    Drill::new("a bit of a full hash tile", "tile", Entry(LONG, 100), |s| s.flip(HASHES, 100 * 32 + 7)),
    Drill::new("a bit of a part of a hash tile", "tile", Entry(LONG, 300), |s| s.flip(HASHES_PART, 44 * 32)),
    Drill::new("a bit of a hash tile above", "tile", Log(LONG), |s| s.flip(ABOVE, 31)),
    Drill::new("a hash tile that is not served", "tile", Entry(LONG, 0), |s| {
        s.refuse(HASHES, StatusCode::NOT_FOUND);
    }),
    Drill::new("a hash tile cut short", "tile", Entry(LONG, 255), |s| {
        s.bytes(HASHES, |b| b.truncate(255 * 32));
    }),
    Drill::new("a hash tile with one hash too many", "tile", Entry(LONG, 312), |s| {
        s.bytes(HASHES_PART, |bytes| bytes.extend([0; 32]));
    }),
    Drill::new("two hashes of a tile swapped", "tile", Entry(LONG, 1), |s| {
        s.bytes(HASHES, |bytes| bytes[32..96].rotate_left(32));
    }),
    Drill::new("a hash tile of another register", "tile", Entry(SHORT, 0), |s| {
        s.put(SHORT_HASHES, s.get(HASHES)[..209 * 32].to_vec());
    }),
    Drill::new("a hash tile of nothing but zeros", "tile", Entry(LONG, 0), |s| {
        s.bytes(HASHES, |b| b.fill(0));
    }),
    Drill::new("a bit of the checkpoint's origin", "checkpoint-signature", Log(LONG), |s| {
        s.flip(&checkpoint(), 0);
    }),
    Drill::new("one entry less in the checkpoint", "checkpoint-signature", Log(LONG), |s| {
        s.text(&checkpoint(), |note| note.replacen("\n312\n", "\n311\n", 1));
    }),
    Drill::new("another root in the checkpoint", "checkpoint-signature", Log(LONG), |s| {
        let (root, other) = (s.checkpoint(LONG).root.to_string(), s.checkpoint(SHORT).root.to_string());
        s.text(&checkpoint(), |note| note.replacen(&root, &other, 1));
    }),
    Drill::new("a line more in the checkpoint", "checkpoint-signature", Log(LONG), |s| {
        s.text(&checkpoint(), |note| note.replacen("\n\n", "\nmore\n\n", 1));
    }),
    Drill::new("a bit of the checkpoint's signature", "checkpoint-signature", Log(LONG), |s| {
        let at = s.get(&checkpoint()).len() - 20;
        s.bytes(&checkpoint(), |bytes| bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' });
    }),
    Drill::new("a checkpoint with no signature", "checkpoint-signature", Log(LONG), |s| {
        s.text(&checkpoint(), |note| note.split_inclusive("\n\n").next().unwrap_or_default().to_owned());
    }),
    Drill::new("an empty checkpoint", "checkpoint-signature", Log(LONG), |s| s.put(&checkpoint(), "")),
    Drill::new("the checkpoint and key of another register", "checkpoint-signature", Log(LONG), |s| {
        for name in ["checkpoint", "key"] {
            s.put(&of(LONG, name), s.get(&of(SHORT, name)).to_vec());
        }
    }),
    Drill::new(
        "a checkpoint signed with another key under the register's name",
        "checkpoint-key",
        Log(LONG),
        |s| {
            forge(s, |_| ());
        },
    ),
    Drill::new(
        "a checkpoint signed with another key, which is served as the register's",
        "checkpoint-key",
        Log(LONG),
        |s| {
            let key = forge(s, |_| ());
            s.put(&of(LONG, "key"), key);
        },
    ),
    Drill::new(
        "the newest entries cut off under a forged checkpoint and key",
        "checkpoint-key",
        Log(LONG),
        |s| {
            let hashes: Vec<_> =
                s.get(HASHES).chunks(32).map(|h| proofs::hash::Hash::from_slice(h).expect("32")).collect();
            let key = forge(s, |head| (head.size, head.root) = (256, proofs::merkle::root(&hashes)));
            s.put(&of(LONG, "key"), key);
        },
    ),
    Drill::new("a bit of the register's key", "checkpoint-key", Log(LONG), |s| {
        let at = s.get(&of(LONG, "key")).len() - 20;
        s.bytes(&of(LONG, "key"), |bytes| bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' });
    }),
];

pub const ANSWERS: &[Drill<Deed>] = &[
    Drill::new("a register left out of the list of registers", "register-hidden", Log(LONG), |s| {
        s.items("/v1/registers", |items| items.retain(|item| item["slug"] != LONG));
    }),
    Drill::kept("a register that was there is gone", "register-missing", Log(LONG), |s| {
        s.items("/v1/registers", |items| items.retain(|item| item["slug"] != LONG));
    }),
    Drill::new("a register listed that no entry defines", "definition", Log("phantom"), |s| {
        s.items("/v1/registers", |items| {
            let mut phantom = items[0].clone();
            phantom["slug"] = "phantom".into();
            items.push(phantom);
        });
        let head = Checkpoint {
            origin: s.checkpoint(LONG).origin.replace(LONG, "phantom"),
            size: 0,
            root: proofs::merkle::root(&[]),
            extensions: Vec::new(),
        };
        let signer = NoteSigner::new(&head.origin, PrivateKey::from_seed(&[7; 32])).expect("a name");
        s.put(&of("phantom", "checkpoint"), head.sign(&signer).expect("its own log"));
        s.put(&of("phantom", "key"), signer.verifier().to_string());
    }),
    Drill::new("a member added to a body", "digest", Entry(LONG, 7), |s| {
        listed(s, LONG, |items| items[7]["body"]["zz"] = 1.into());
    }),
    Drill::new("a letter of a body", "digest", Entry(LONG, 0), |s| {
        s.text(&page(LONG, 0), |text| text.replacen("Abingdon", "Abington", 1));
    }),
    Drill::new("the bodies of two entries swapped", "digest", Entry(LONG, 1), |s| {
        listed(s, LONG, |items| {
            let body = items[0]["body"].take();
            items[0]["body"] = std::mem::replace(&mut items[1]["body"], body);
        });
    }),
    Drill::new("the bodies of two entries swapped with their salts", "digest", Entry(LONG, 2), |s| {
        listed(s, LONG, |items| {
            for member in ["body", "salt"] {
                let one = items[2][member].take();
                items[2][member] = std::mem::replace(&mut items[3][member], one);
            }
        });
    }),
    Drill::new("the salt of another entry", "digest", Entry(LONG, 3), |s| {
        listed(s, LONG, |items| items[3]["salt"] = items[4]["salt"].clone());
    }),
    Drill::new("another body without its salt", "digest", Entry(LONG, 5), |s| {
        listed(s, LONG, |items| {
            (items[5]["body"], items[5]["salt"]) = (json!({"name": "Atlantis"}), Value::Null);
        });
    }),
    Drill::new("a salt without its body", "digest", Entry(LONG, 6), |s| {
        listed(s, LONG, |items| items[6]["body"] = Value::Null);
    }),
    Drill::new("a body of a public register hidden", HIDDEN, Entry(LONG, 8), |s| {
        listed(s, LONG, |items| (items[8]["body"], items[8]["salt"]) = (Value::Null, Value::Null));
    }),
    Drill::new("the statement of another entry in the list", "listing", Entry(LONG, 9), |s| {
        listed(s, LONG, |items| items[9]["statement"] = items[10]["statement"].clone());
    }),
    Drill::new("a statement signed anew in the list alone", "listing", Entry(LONG, 10), |s| {
        let leaf = Leaf::parse(&s.leaf(FULL, 10)).expect("a leaf");
        let anew = leaf.statement.statement().sign(&PrivateKey::from_seed(&[9; 32]));
        listed(s, LONG, |items| items[10]["statement"] = anew.as_str().into());
    }),
    Drill::new("an entry left out of the list", "listing", Entry(LONG, 11), |s| {
        listed(s, LONG, |items| drop(items.remove(11)));
    }),
    Drill::new("the newest entries left out of the list", "listing", Entry(LONG, 311), |s| {
        s.items(&page(LONG, 256), |items| items.truncate(50));
    }),
    Drill::new("an entry twice in the list, once with another body", "listing", Log(LONG), |s| {
        listed(s, LONG, |items| {
            let mut other = items[12].clone();
            other["body"] = json!({"name": "Atlantis"});
            items.insert(12, other);
        });
    }),
    Drill::new("the list in the other order", "listing", Log(LONG), |s| {
        listed(s, LONG, |items| items.reverse());
    }),
    Drill::new("entries numbered otherwise in the list", "listing", Entry(LONG, 14), |s| {
        listed(s, LONG, |items| items[14]["index"] = 1_000_000.into());
    }),
    Drill::new("an entry's time in the list", "listing", Entry(LONG, 15), |s| {
        listed(s, LONG, |items| items[15]["recorded_at"] = "2020-01-01T00:00:00.000Z".into());
    }),
    Drill::new("the list of a public register refused", "listing", Log(LONG), |s| {
        s.refuse(&page(LONG, 0), StatusCode::FORBIDDEN);
    }),
    Drill::new("another key for a department in the list", "digest", Entry("departments", 1), |s| {
        listed(s, "departments", |items| {
            let key = items[0]["body"]["key"].clone();
            items[1]["body"]["key"] = key;
        });
    }),
    Drill::new("a department's key hidden", "platform-entry", Entry("departments", 1), |s| {
        listed(s, "departments", |items| (items[1]["body"], items[1]["salt"]) = (Value::Null, Value::Null));
    }),
    Drill::new("another owner in a register's definition", "digest", Entry("registers", 5), |s| {
        listed(s, "registers", |items| items[5]["body"]["definition"]["owner"] = "nobody".into());
    }),
    Drill::new("a definition hidden", "platform-entry", Entry("registers", 6), |s| {
        listed(s, "registers", |items| (items[6]["body"], items[6]["salt"]) = (Value::Null, Value::Null));
    }),
    Drill::new("the list of definitions refused", "listing", Log("registers"), |s| {
        s.refuse(&page("registers", 0), StatusCode::FORBIDDEN);
    }),
];

/// The rule that names a body which nobody shows and no order withholds.
const HIDDEN: &str = "body-missing";

#[tokio::test(flavor = "multi_thread")]
async fn each_drill_on_what_is_served_is_found() {
    let store = Store::fresh(Kind::Sqlite).await;
    let server = Server::start("demo", &demo_args(&store)).await;
    let honest = record(&server.url).await;
    server.stop().await;
    let stage = Stage::open().await;
    stage.show(honest.clone());
    let kept = Kept::of(&stage.url).await;
    for (layer, drills) in [("tiles", TILES), ("answers", ANSWERS)] {
        let mut verdicts = Verdicts::of(layer);
        for drill in drills {
            let mut site = honest.clone();
            (drill.deed)(&mut site);
            stage.show(site);
            verdicts.note(drill, drill.judge(&kept.audit(&stage.url, drill.kept, &[]).await));
        }
        verdicts.conclude();
    }
}
