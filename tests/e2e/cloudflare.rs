//! Cloudflare's clients of transparency logs, `signed_note` and `tlog_tiles`, read what we serve: they are on what other people's
//! logs stand, and share no code with us.

use signed_note::{Note, StandardVerifier, Verifier, VerifierList};
use tlog_tiles::{
    Checkpoint, Error, Tile, TileHashReader, TileReader, check_record, check_tree, prove_record, prove_tree,
    record_hash, tree_hash,
};

use crate::drills::forge::{Forge, LICENCES, key};
use crate::drills::served::LONG;
use crate::drills::site::{Site, of, record};
use crate::shared::demo;
use proofs::tile::{bundle_decode, bundle_paths};
use reestr_tests::store::{Kind, Store};

/// The hash tiles of one register.
struct Tiles<'a> {
    site: &'a Site,
    register: &'a str,
}

impl TileReader for Tiles<'_> {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let read = |tile: &Tile| {
            // The paths of C2SP leave out the height, which is 8 there.
            let path = tile.path().replacen("tile/8/", "tile/", 1);
            self.site.get(&of(self.register, &path)).to_vec()
        };
        Ok(tiles.iter().map(read).collect())
    }

    fn save_tiles(&self, _: &[Tile], _: &[Vec<u8>]) {}
}

fn open(site: &Site, register: &str, verifiers: Vec<Box<dyn Verifier>>) -> (Checkpoint, usize) {
    let note = Note::from_bytes(site.get(&of(register, "checkpoint"))).expect("a signed note");
    let (verified, _) = note.verify(&VerifierList::new(verifiers)).expect("a signature that verifies");
    (Checkpoint::from_bytes(note.text()).expect("a checkpoint"), verified.len())
}

fn served_key(site: &Site, register: &str) -> Box<dyn Verifier> {
    let vkey = std::str::from_utf8(site.get(&of(register, "key"))).expect("text");
    Box::new(StandardVerifier::new(vkey.trim_end()).expect("a verifier key"))
}

/// Every entry's inclusion, and the consistency of every earlier tree that is asked for, from the tiles.
fn check(site: &Site, register: &str, checkpoint: &Checkpoint, earlier: &[u64]) {
    let (length, root) = (checkpoint.size(), *checkpoint.hash());
    let tiles = Tiles { site, register };
    let hashes = TileHashReader::new(length, root, &tiles);
    let leaves: Vec<Vec<u8>> = bundle_paths(length)
        .flat_map(|path| bundle_decode(site.get(&of(register, &path.to_string()))).expect("a bundle"))
        .collect();
    assert_eq!(leaves.len() as u64, length);
    assert_eq!(tree_hash(length, &hashes).expect("tiles that give the root"), root);
    for (index, leaf) in (0..).zip(&leaves) {
        let proof = prove_record(length, index, &hashes).expect("a proof from the tiles");
        check_record(&proof, length, root, index, record_hash(leaf)).expect("the entry is in the tree");
        let other = (index + 1) % length;
        assert!(check_record(&proof, length, root, other, record_hash(leaf)).is_err(), "and not elsewhere");
    }
    for &old in earlier {
        let old_root = tree_hash(old, &hashes).expect("an earlier root");
        let proof = prove_tree(length, old, &hashes).expect("a proof from the tiles");
        check_tree(&proof, length, root, old, old_root).expect("the earlier tree is a beginning of this one");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cloudflares_client_verifies_what_a_server_serves() {
    let store = Store::fresh(Kind::Sqlite).await;
    let server = demo(&store).await;
    let site = record(&server.url).await;
    server.stop().await;
    for (register, earlier) in
        [(LONG, &[1, 2, 255, 256, 257, 300, 311][..]), ("registers", &[1, 64]), ("departments", &[])]
    {
        let (checkpoint, verified) = open(&site, register, vec![served_key(&site, register)]);
        assert_eq!(verified, 1);
        assert!(checkpoint.origin().ends_with(&format!("/registers/{register}")));
        check(&site, register, &checkpoint, earlier);
    }
    let mut tampered = site.clone();
    tampered.flip(&of(LONG, "tile/0/000"), 0);
    let (checkpoint, _) = open(&tampered, LONG, vec![served_key(&site, LONG)]);
    let tiles = Tiles { site: &tampered, register: LONG };
    let (length, root) = (checkpoint.size(), *checkpoint.hash());
    let hashes = TileHashReader::new(length, root, &tiles);
    let leaf = site.leaf(&of(LONG, "tile/entries/000"), 1);
    let found = prove_record(length, 1, &hashes)
        .and_then(|proof| check_record(&proof, length, root, 1, record_hash(&leaf)));
    assert!(found.is_err(), "it takes nothing from a tile that was tampered with");
}

#[test]
fn cloudflares_client_opens_a_checkpoint_signed_with_two_keys() {
    let mut forge = Forge::honest();
    forge.book(LICENCES).keys = vec![15, 13];
    let site = forge.site();
    let old = Forge::honest().vkey(LICENCES);
    let old: Box<dyn Verifier> = Box::new(StandardVerifier::new(&old).expect("a verifier key"));
    let (checkpoint, verified) = open(&site, LICENCES, vec![served_key(&site, LICENCES), old]);
    assert_eq!((checkpoint.size(), verified), (300, 2));
    let (_, verified) = open(&site, LICENCES, vec![served_key(&site, LICENCES)]);
    assert_eq!(verified, 1, "whoever knows one key passes over the other's signature");
    check(&site, LICENCES, &checkpoint, &[1, 128, 256, 299]);
    assert_ne!(key(15).kid(), key(13).kid());
}

/// A witness as that library would know it: it has C2SP's signed notes, and leaves the text of a cosignature to its user.
struct Witness {
    key: StandardVerifier,
    id: u32,
}

impl Verifier for Witness {
    fn name(&self) -> &str {
        self.key.name()
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        let Some((time, signature)) = signature.split_first_chunk::<8>() else { return false };
        let text =
            [format!("cosignature/v1\ntime {}\n", u64::from_be_bytes(*time)).as_bytes(), text].concat();
        self.key.verify(&text, signature)
    }
}

#[test]
fn cloudflares_client_opens_a_checkpoint_that_a_witness_of_ours_cosigned() {
    let mut forge = Forge::honest();
    forge.book(LICENCES).witnesses = vec![31];
    let site = forge.site();
    let public = key(31).public();
    let (name, kind) = ("witness.example/31", proofs::note::KeyType::Ed25519);
    let vkey = proofs::note::VerifierKey::new(name, kind, public).expect("a name").to_string();
    let id = signed_note::key_id(name, &[&[4], &public.as_bytes()[..]].concat());
    let witness = Witness { key: StandardVerifier::new(&vkey).expect("a verifier key"), id };
    let (checkpoint, verified) = open(&site, LICENCES, vec![served_key(&site, LICENCES), Box::new(witness)]);
    assert_eq!((checkpoint.size(), verified), (300, 2), "the log and its witness");
}
