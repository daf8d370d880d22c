//! The verifier that shares no code with us: `tests/verify/verify.py`, written from the wire format's page alone.

use std::path::{Path, PathBuf};

use proofs::checkpoint::Checkpoint;
use proofs::hash::Hash;
use proofs::key::PrivateKey;
use proofs::leaf::Leaf;
use proofs::note::NoteSigner;
use proofs::statement::SignedStatement;
use proofs::tile::{self, TileLevel};
use proofs::time::Timestamp;
use proofs::{hash, merkle};
use reestr_tests::server::{root, tokens};
use reestr_tests::store::{Kind, Store};
use serde_json::{Value, json};

use crate::shared::{REGISTER, WHY, demo};

/// A register of the demo with more entries than one bundle takes, and with records of several versions.
const LONG: &str = "tax-notices";

async fn verify(args: &[&str]) -> (i32, String) {
    let output = tokio::process::Command::new("python3")
        .arg(root().join("tests/verify/verify.py"))
        .args(args)
        .output()
        .await
        .expect("python3 is there");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.code().unwrap_or(-1), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outsider_verifies_a_served_register_and_a_receipt() {
    let store = Store::fresh(Kind::Sqlite).await;
    let server = demo(&store).await;
    for register in ["registers", "departments", "country", "driving-licences", "persons"] {
        let (code, said) = verify(&["url", &server.url, "--register", register]).await;
        assert_eq!(code, 0, "{register}: {said}");
    }
    let token = &tokens(store.data())["auditor"];
    let receipt = server.get(&format!("/v1/registers/{REGISTER}/entries/3/receipt"), Some(token)).await;
    assert!(!receipt["body"].is_null(), "an auditor with scope sees the body");
    let file = store.data().join("receipt.json");
    std::fs::write(&file, receipt.to_string()).unwrap();
    let (code, said) = verify(&["receipt", file.to_str().unwrap(), "--url", &server.url]).await;
    assert_eq!(code, 0, "{said}");

    let mut forged = receipt.clone();
    forged["body"]["number"] = "00 00 000000".into();
    std::fs::write(&file, forged.to_string()).unwrap();
    let (code, said) = verify(&["receipt", file.to_str().unwrap(), "--url", &server.url]).await;
    assert_eq!(code, 1, "{said}");
    let mut forged = receipt.clone();
    forged["proof"] = receipt["proof"].as_str().unwrap().replacen("index 3\n", "index 2\n", 1).into();
    forged["index"] = 2.into();
    std::fs::write(&file, forged.to_string()).unwrap();
    let (code, said) = verify(&["receipt", file.to_str().unwrap(), "--url", &server.url]).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("root by the inclusion path"), "{said}");
    server.stop().await;
}

/// What a server served of [`LONG`] and of `departments`, as `verify.py --keep` writes it.
struct Mirror(PathBuf);

impl Mirror {
    fn base(&self) -> PathBuf {
        self.0.join("v1/registers").join(LONG)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.base().join(name)).unwrap()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let file = self.base().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }

    /// Changes one bit of a byte.
    fn flip(&self, name: &str, at: usize) {
        let mut bytes = self.read(name);
        bytes[at] ^= 1;
        self.write(name, bytes);
    }

    fn checkpoint(&self) -> Checkpoint {
        let note = String::from_utf8(self.read("checkpoint")).unwrap();
        Checkpoint::parse(&note[..=note.find("\n\n").unwrap()]).unwrap()
    }

    fn bundle(&self, index: u64) -> (String, Vec<Vec<u8>>) {
        let mut paths = tile::bundle_paths(self.checkpoint().size);
        let name = paths.find(|path| path.index == index).expect("a bundle").to_string();
        let leaves = tile::bundle_decode(&self.read(&name)).unwrap();
        (name, leaves)
    }

    fn leaves(&self) -> Vec<Leaf> {
        let bundles = tile::bundle_paths(self.checkpoint().size).flat_map(|path| self.bundle(path.index).1);
        bundles.map(|leaf| Leaf::parse(&leaf).unwrap()).collect()
    }

    /// Changes an entry as it is listed, in the first page of the list.
    fn list(&self, change: impl FnOnce(&mut Value)) {
        let name = "entries@limit=256";
        let mut page: Value = serde_json::from_slice(&self.read(name)).unwrap();
        change(&mut page["items"]);
        self.write(name, page.to_string());
    }

    /// What an operator can do who keeps the log's key: another history, with its tiles and checkpoint all in order.
    /// The list of entries, which would give it away, is left empty.
    fn reseal(&self, leaves: &[Vec<u8>]) {
        let origin = self.checkpoint().origin;
        let hashes: Vec<Hash> = leaves.iter().map(|leaf| hash::leaf_hash(leaf)).collect();
        let size = u64::try_from(leaves.len()).unwrap();
        for path in tile::paths(size) {
            let first = usize::try_from(path.index).unwrap() * usize::from(tile::TILE_WIDTH);
            let range = first..first + usize::from(path.width);
            let bytes = match path.level {
                TileLevel::Entries => tile::bundle_encode(&leaves[range]).unwrap(),
                TileLevel::Hash(0) => tile::tile_encode(&hashes[range]),
                TileLevel::Hash(1) => {
                    let tiles = hashes.as_chunks::<256>().0.iter().map(|full| tile::tile_root(full));
                    tile::tile_encode(&tiles.collect::<Vec<_>>()[range])
                }
                TileLevel::Hash(_) => unreachable!("the demo is small"),
            };
            self.write(&path.to_string(), bytes);
        }
        let signer = NoteSigner::new(&origin, PrivateKey::from_seed(&[7; 32])).unwrap();
        let checkpoint = Checkpoint { origin, size, root: merkle::root(&hashes), extensions: Vec::new() };
        self.write("checkpoint", checkpoint.sign(&signer).unwrap());
        self.write("key", signer.verifier().to_string());
        self.write("entries@limit=256", json!({"items": [], "next": null}).to_string());
    }

    /// [`Self::reseal`] with the leaves changed.
    fn rewrite(&self, change: impl FnOnce(&mut Vec<Leaf>)) {
        let mut leaves = self.leaves();
        change(&mut leaves);
        self.reseal(&leaves.iter().map(Leaf::to_bytes).collect::<Vec<_>>());
    }
}

/// Where the record of some entry has its second version.
fn second_version(leaves: &[Leaf]) -> usize {
    leaves
        .iter()
        .position(|leaf| leaf.statement.statement().version == 2)
        .expect("a record with two versions")
}

/// A way to tamper: what is done, which rule is to be named, and the deed.
type Way = (&'static str, &'static str, fn(&Mirror));

/// On what was served, file by file.
const SERVED: &[Way] = &[
    ("a bit of an entry bundle", "root of the leaves", |m| m.flip(&m.bundle(0).0, 40)),
    ("a bit of an entry's length", "", |m| m.flip(&m.bundle(1).0, 1)),
    ("a bit of a full hash tile", "hash tile tile/0/000", |m| m.flip("tile/0/000", 5000)),
    ("a bit of a hash tile above", "hash tile tile/1/000.p/1", |m| m.flip("tile/1/000.p/1", 0)),
    ("a bit of the checkpoint's origin", "checkpoint's signature", |m| m.flip("checkpoint", 0)),
    ("a bit of the checkpoint's signature", "", |m| {
        m.flip("checkpoint", m.read("checkpoint").len() - 20);
    }),
    ("bytes that are no text in the checkpoint", "UnicodeDecodeError", |m| m.write("checkpoint", [0xFF; 80])),
    ("a bit of the verifier key", "", |m| m.flip("key", m.read("key").len() - 9)),
    ("another register's checkpoint and key", "of another register", |m| {
        for name in ["checkpoint", "key"] {
            m.write(name, m.read(&format!("../departments/{name}")));
        }
    }),
    ("the newest entry dropped from its bundle", "number of entries", |m| {
        let (name, mut leaves) = m.bundle(1);
        leaves.pop();
        m.write(&name, tile::bundle_encode(&leaves).unwrap());
    }),
    ("a bundle cut short", "cut short", |m| {
        let name = m.bundle(1).0;
        m.write(&name, &m.read(&name)[..100]);
    }),
    ("entries of two bundles swapped", "root of the leaves", |m| {
        let ((first, mut left), (second, mut right)) = (m.bundle(0), m.bundle(1));
        std::mem::swap(&mut left[0], &mut right[0]);
        m.write(&first, tile::bundle_encode(&left).unwrap());
        m.write(&second, tile::bundle_encode(&right).unwrap());
    }),
    ("a member added to a body", "index=7 rule=digest", |m| {
        m.list(|items| items[7]["body"]["zz"] = 1.into());
    }),
    ("a bit of a body", "", |m| {
        let page = m.read("entries@limit=256");
        let body = page.windows(8).position(|bytes| bytes == b"\"body\":{").expect("a body");
        m.flip("entries@limit=256", body + 10);
    }),
    ("another key for a department", "FAULT register=departments index=1 rule=digest", |m| {
        let name = "../departments/entries@limit=256";
        let mut page: Value = serde_json::from_slice(&m.read(name)).unwrap();
        page["items"][1]["body"]["key"]["x"] = page["items"][0]["body"]["key"]["x"].clone();
        m.write(name, page.to_string());
    }),
    ("bodies of two entries swapped", "index=0 rule=digest", |m| {
        m.list(|items| {
            let body = items[0]["body"].take();
            items[0]["body"] = std::mem::replace(&mut items[1]["body"], body);
        });
    }),
    ("another salt", "index=3 rule=digest", |m| m.list(|items| items[3]["salt"] = items[4]["salt"].clone())),
    ("another time in the list", "index=2 rule=listing", |m| {
        m.list(|items| items[2]["recorded_at"] = "2020-01-01T00:00:00.000Z".into());
    }),
];

/// By an operator who keeps the log's key, and so makes a tree and a checkpoint that are in order.
const RESEALED: &[Way] = &[
    ("a statement signed again with another key", "index=5 rule=kid names no key", |m| {
        m.rewrite(|leaves| {
            leaves[5].statement = leaves[5].statement.statement().sign(&PrivateKey::from_seed(&[9; 32]));
        });
    }),
    ("a statement with the signature of another", "index=5 rule=statement's signature", |m| {
        m.rewrite(|leaves| {
            let (said, _) = leaves[5].statement.as_str().rsplit_once('.').unwrap();
            let (_, signature) = leaves[6].statement.as_str().rsplit_once('.').unwrap();
            leaves[5].statement = SignedStatement::parse(&format!("{said}.{signature}")).unwrap();
        });
    }),
    ("recorded before the issuer had a key", "index=0 rule=kid names no key", |m| {
        m.rewrite(|leaves| leaves[0].recorded_at = Timestamp::from_millis(0));
    }),
    ("recorded before the entry before it", "index=300 rule=recorded_at decreases", |m| {
        m.rewrite(|leaves| leaves[300].recorded_at = leaves[299].recorded_at.plus_millis(-1));
    }),
    ("the first version of a record dropped", "rule=version", |m| {
        m.rewrite(|leaves| {
            let record = leaves[second_version(leaves)].statement.statement().record;
            leaves
                .remove(leaves.iter().position(|leaf| leaf.statement.statement().record == record).unwrap());
        });
    }),
    ("an entry twice", "index=1 rule=version", |m| m.rewrite(|leaves| leaves.insert(1, leaves[0].clone()))),
    ("a leaf with a space in it", "index=9 rule=leaf is not canonical", |m| {
        let mut leaves: Vec<Vec<u8>> = m.leaves().iter().map(Leaf::to_bytes).collect();
        leaves[9].insert(1, b' ');
        m.reseal(&leaves);
    }),
    ("an entry of another register", "index=0 rule=statement is of another register", |m| {
        let checkpoint = String::from_utf8(m.read("../departments/checkpoint")).unwrap();
        let size = checkpoint.lines().nth(1).unwrap();
        let bundle = m.read(&format!("../departments/tile/entries/000.p/{size}"));
        let foreign = Leaf::parse(&tile::bundle_decode(&bundle).unwrap()[0]).unwrap();
        m.rewrite(|leaves| leaves[0] = foreign);
    }),
];

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy(&file.path(), &target);
        } else {
            std::fs::copy(file.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outsider_refuses_every_tampered_copy() {
    let store = Store::fresh(Kind::Sqlite).await;
    let server = demo(&store).await;
    let honest = store.data().join("served");
    let token = &tokens(store.data())["auditor"];
    let mut keep = vec!["--keep", honest.to_str().unwrap(), "--token", token];
    keep.extend(WHY);
    let (code, said) = verify(&[&["url", &server.url, "--register", LONG], &keep[..]].concat()).await;
    assert_eq!(code, 0, "{said}");
    server.stop().await;

    let size = Mirror(honest.clone()).checkpoint().size;
    assert!((301..512).contains(&size), "the ways to tamper are written for two bundles, not {size} entries");
    let sound: &[Way] =
        &[("nothing", "bodies", |_| ()), ("sealed again as it was", "0 bodies", |m| m.rewrite(|_| ()))];
    let expected = [(0, sound), (1, SERVED), (1, RESEALED)];
    for (number, (expected, (what, rule, tamper))) in
        expected.iter().flat_map(|(code, ways)| ways.iter().map(move |way| (code, way))).enumerate()
    {
        let mirror = Mirror(store.data().join(format!("tampered-{number}")));
        copy(&honest, &mirror.0);
        tamper(&mirror);
        let (code, said) = verify(&["url", mirror.0.to_str().unwrap(), "--register", LONG]).await;
        assert_eq!(code, *expected, "{what}: {said}");
        assert!(said.contains(rule), "{what}: {rule} is not named: {said}");
        assert!(!said.contains("Traceback"), "{what}: {said}");
    }

    // Of what is not there, nothing can be said: a tile, and the keys of departments.
    for missing in ["tile/0/000", "../departments/entries@limit=256"] {
        let mirror = Mirror(store.data().join(missing.replace(['/', '.'], "-")));
        copy(&honest, &mirror.0);
        std::fs::remove_file(mirror.base().join(missing)).unwrap();
        let (code, said) = verify(&["url", mirror.0.to_str().unwrap(), "--register", LONG]).await;
        assert_eq!(code, 2, "{missing}: {said}");
    }
}
