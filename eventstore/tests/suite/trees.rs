//! Tiles, bundles, proofs, checkpoints and receipts, verified by `proofs`, which shares nothing with how they were made here.

use eventstore::{Options, Store, args};
use proofs::checkpoint::{self, Checkpoint};
use proofs::hash::{Hash, leaf_hash, sha256};
use proofs::leaf::Leaf;
use proofs::merkle::{self, Frontier, verify_consistency, verify_inclusion};
use proofs::note::{NoteSigner, SignedNote};
use proofs::slug::Slug;
use proofs::tile::{self, TileLevel, tile_decode, tile_encode, tile_root};

use crate::fixture::{Fixture, LOG_NAME, on_both_stores, slug};

on_both_stores!(
    tiles_and_proofs_verify_at_every_size,
    a_second_level_fills,
    receipts_verify_offline,
    a_receipt_is_under_what_is_published,
    an_empty_log_has_a_checkpoint,
);

async fn leaves(store: &Store, register: &Slug) -> Vec<Vec<u8>> {
    let entries = store.read_register(register, 0, 5_000).await.unwrap();
    entries.iter().map(|entry| entry.leaf().to_bytes()).collect()
}

async fn tiles_and_proofs_verify_at_every_size(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences", "permits"]).await;
    let register = slug("licences");
    let mut roots = Vec::new();
    // Single entries, a tile filled exactly, one begun, and a batch that fills two at once.
    for (step, count) in [1, 2, 4, 248, 1, 1, 600, 3].into_iter().enumerate() {
        let first = 1_000 * (step as u128 + 1);
        store.submit(fixture.many("licences", first, count)).await.unwrap();
        store.submit(fixture.many("permits", first + 700, 3)).await.unwrap();
        let head = store.log(&register).await.unwrap().unwrap();
        let signed = checkpoint::open(&head.checkpoint, &head.key).unwrap();
        let hashes: Vec<_> = leaves(&store, &register).await.iter().map(|leaf| leaf_hash(leaf)).collect();
        assert_eq!(signed.size, hashes.len() as u64);
        assert_eq!(signed.root, merkle::root(&hashes));
        assert_eq!((signed.root, signed.origin), (head.root, format!("{LOG_NAME}/registers/licences")));
        check_proofs(&store, &register, &hashes, &roots).await;
        roots.push((signed.size, signed.root));
    }
    check_tiles(&store, &register).await;
    let rows =
        store.db().fetch_all("SELECT level FROM tile WHERE register = $1", args!["licences"]).await.unwrap();
    assert_eq!(rows.len(), 3, "860 leaves have three full tiles");
    store.close().await;
}

async fn check_proofs(store: &Store, register: &Slug, hashes: &[Hash], roots: &[(u64, Hash)]) {
    let size = hashes.len() as u64;
    let root = merkle::root(hashes);
    for index in (0..size).filter(|index| index % 37 == 0 || index % 256 == 255 || index + 2 >= size) {
        let path = store.inclusion(register, index, size).await.unwrap().unwrap();
        verify_inclusion(&hashes[usize::try_from(index).unwrap()], index, size, &path, &root).unwrap();
    }
    for (old, old_root) in roots {
        let path = store.consistency(register, *old, size).await.unwrap().unwrap();
        verify_consistency(*old, size, old_root, &root, &path).unwrap();
        let path = store.inclusion(register, old - 1, *old).await.unwrap().unwrap();
        verify_inclusion(&hashes[usize::try_from(old - 1).unwrap()], old - 1, *old, &path, old_root).unwrap();
    }
    for index in (0..size).filter(|index| index % 97 == 0 || index % 256 == 255 || index + 1 == size) {
        check_receipt(store, register, index, (size, &root)).await;
    }
    assert_eq!(store.inclusion(register, size, size).await.unwrap(), None);
    assert_eq!(store.inclusion(register, 0, size + 1).await.unwrap(), None);
    assert_eq!(store.consistency(register, 1, size + 1).await.unwrap(), None);
    assert_eq!(store.inclusion(&slug("unknown"), 0, 1).await.unwrap(), None);
}

/// What a receipt says leads from its leaf to this root.
async fn check_receipt(store: &Store, register: &Slug, index: u64, (size, root): (u64, &Hash)) {
    let receipt = store.receipt(register, index).await.unwrap().expect("it is covered");
    assert_eq!((receipt.index, receipt.proof.index), (index, index));
    let entry = store.entry(register, index).await.unwrap().unwrap();
    assert_eq!(receipt.leaf, entry.leaf().to_bytes());
    verify_inclusion(&leaf_hash(&receipt.leaf), index, size, &receipt.proof.path, root).unwrap();
    let note = SignedNote::parse(&receipt.proof.checkpoint).unwrap();
    let checkpoint = Checkpoint::parse(note.text()).unwrap();
    assert_eq!((checkpoint.size, checkpoint.root), (size, *root));
}

/// Every tile and bundle of the tree, full and at other widths, against the leaves.
async fn check_tiles(store: &Store, register: &Slug) {
    let all = leaves(store, register).await;
    for path in tile::paths(all.len() as u64) {
        let start = usize::try_from(path.index).unwrap() * 256;
        let width = usize::from(path.width);
        match path.level {
            TileLevel::Entries => {
                let bundle = store.bundle(register, path.index, path.width).await.unwrap().unwrap();
                assert_eq!(tile::bundle_decode(&bundle).unwrap(), all[start..start + width]);
            }
            TileLevel::Hash(0) => {
                let bytes = store.tile(register, 0, path.index, path.width).await.unwrap().unwrap();
                let expected: Vec<_> = all[start..start + width].iter().map(|leaf| leaf_hash(leaf)).collect();
                assert_eq!(tile_decode(&bytes).unwrap(), expected);
                let narrower = store.tile(register, 0, path.index, 7).await.unwrap().unwrap();
                assert_eq!(tile_decode(&narrower).unwrap(), expected[..7]);
            }
            TileLevel::Hash(level) => {
                assert_eq!(level, 1);
                let bytes = store.tile(register, 1, path.index, path.width).await.unwrap().unwrap();
                let hashes: Vec<_> = all.iter().map(|leaf| leaf_hash(leaf)).collect();
                let expected: Vec<_> = hashes.chunks_exact(256).map(tile_root).collect();
                assert_eq!(tile_decode(&bytes).unwrap(), expected);
            }
        }
    }
    assert_eq!(store.tile(register, 0, 3, 93).await.unwrap(), None);
    assert_eq!(store.tile(register, 0, 4, 1).await.unwrap(), None);
    assert_eq!(store.tile(register, 9, 0, 1).await.unwrap(), None);
    assert_eq!(store.tile(register, 0, u64::MAX, 1).await.unwrap(), None);
    assert_eq!(store.tile(register, 0, 0, 0).await.unwrap(), None);
    assert_eq!(store.bundle(register, 3, 93).await.unwrap(), None);
    assert_eq!(store.bundle(register, u64::MAX, 256).await.unwrap(), None);
}

/// A log of 65,535 leaves is put there by hand (only their hashes, which is all that a tree needs), so that what crosses
/// 65,536 costs a few appends.
async fn a_second_level_fills(fixture: &Fixture) {
    const BEFORE: u64 = 65_535;
    let store = fixture.with_logs(&["licences"]).await;
    let register = slug("licences");
    let mut hashes: Vec<Hash> = (0..BEFORE).map(|index| sha256(&index.to_be_bytes())).collect();
    plant(&store, &register, &hashes).await;
    let old_root = merkle::root(&hashes);

    // A whole tile of the second level, one leaf more, and a few.
    for (first, count) in [(1_u64, 1), (2, 1), (3, 3)] {
        let appended = store.submit(fixture.many("licences", first.into(), count)).await.unwrap();
        let (position, index) = (appended[0].position, appended[0].index);
        assert_eq!((position, index), (255 + first, BEFORE + first - 1));
        let entries = store.read_after(position - 1, 10).await.unwrap();
        hashes.extend(entries.iter().map(|entry| entry.leaf().hash()));
        let (size, root) = (hashes.len() as u64, merkle::root(&hashes));
        for index in BEFORE..size {
            check_receipt(&store, &register, index, (size, &root)).await;
        }
    }
    let head = store.log(&register).await.unwrap().unwrap();
    assert_eq!((head.size, head.root), (BEFORE + 5, merkle::root(&hashes)));
    let top = store.tile(&register, 1, 0, 256).await.unwrap().unwrap();
    let expected: Vec<_> = hashes.chunks_exact(256).map(tile_root).collect();
    assert_eq!(tile_decode(&top).unwrap(), expected);
    let above = store.tile(&register, 2, 0, 1).await.unwrap().unwrap();
    assert_eq!(tile_decode(&above).unwrap(), [tile_root(&expected)]);
    let rows = store.db().fetch_all("SELECT level FROM tile WHERE level = 1", vec![]).await.unwrap();
    assert_eq!(rows.len(), 1);
    for index in [0, 255, 256, 40_000, BEFORE - 1, BEFORE, BEFORE + 4] {
        let path = store.inclusion(&register, index, head.size).await.unwrap().unwrap();
        verify_inclusion(&hashes[usize::try_from(index).unwrap()], index, head.size, &path, &head.root)
            .unwrap();
    }
    let path = store.consistency(&register, BEFORE, head.size).await.unwrap().unwrap();
    verify_consistency(BEFORE, head.size, &old_root, &head.root, &path).unwrap();
    store.close().await;
    fixture.open().await.close().await;
}

async fn plant(store: &Store, register: &Slug, hashes: &[Hash]) {
    let mut frontier = Frontier::new();
    for hash in hashes {
        frontier.push(*hash);
    }
    let key = store.key(register.as_str(), eventstore::CHECKPOINT).await.unwrap().unwrap();
    let origin = store.origin(register);
    let signer = NoteSigner::new(&origin, key).unwrap();
    let head = Checkpoint { origin, size: frontier.size(), root: frontier.root(), extensions: vec![] };
    let checkpoint = head.sign(&signer).unwrap();
    let shard = store.shard_of(register).await.unwrap().unwrap();
    let mut tx = store.db().begin().await.unwrap();
    for (index, full) in hashes.chunks_exact(256).enumerate() {
        let sql = "INSERT INTO tile (shard, register, level, tile_index, hashes, root) VALUES ($5, $1, 0, $2, $3, $4)";
        let index = i64::try_from(index).unwrap();
        tx.execute(sql, args![register, index, tile_encode(full), tile_root(full), shard]).await.unwrap();
    }
    let tail = hashes.len() / 256 * 256;
    for (place, hash) in hashes[tail..].iter().enumerate() {
        let sql = "INSERT INTO entry (shard, position, register, leaf_index, record, version, recorded_at, statement, leaf_hash)
            VALUES ($6, $1, $2, $3, $4, 1, 0, $7, $5)";
        let record = uuid::Uuid::from_u128(1 << 100 | place as u128);
        let (position, index) = (place as u64 + 1, (tail + place) as u64);
        tx.execute(sql, args![position, register, index, record, hash, shard, b"planted".as_slice()])
            .await
            .unwrap();
    }
    let peaks: Vec<u8> = frontier.peaks().iter().flat_map(|peak| peak.0).collect();
    let sql = "UPDATE log SET size = $2, root = $3, frontier = $4, checkpoint = $5, recorded_at = 0 WHERE register = $1";
    tx.execute(sql, args![register, frontier.size(), frontier.root(), peaks, checkpoint]).await.unwrap();
    tx.execute("UPDATE journal SET position = $1", args![(hashes.len() - tail) as u64]).await.unwrap();
    tx.commit().await.unwrap();
}

async fn receipts_verify_offline(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    let register = slug("licences");
    store.submit(fixture.many("licences", 1, 300)).await.unwrap();
    let key = store.log(&register).await.unwrap().unwrap().key;
    for index in [0, 255, 256, 299] {
        let receipt = store.receipt(&register, index).await.unwrap().unwrap();
        let verified = receipt
            .verify(&key, |issuer, kid, at| {
                assert_eq!((issuer.as_str(), at.to_string().as_str()), ("gibdd", "2026-03-01T09:00:00.000Z"));
                (*kid == fixture.key.kid()).then(|| fixture.key.public())
            })
            .unwrap();
        assert!(verified.body_shown);
        assert_eq!(verified.checkpoint.size, 300);
        assert_eq!(Leaf::parse(&receipt.leaf).unwrap(), verified.leaf);
    }
    assert!(store.receipt(&register, 300).await.unwrap().is_none());
    assert!(store.receipt(&slug("unknown"), 0).await.unwrap().is_none());
    store.close().await;
}

/// Where only what is published is shown, a receipt is under that, however far the log has gone since.
async fn a_receipt_is_under_what_is_published(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    store.close().await;
    let store = Store::open(Options { witnessed: true, ..fixture.options() }).await.unwrap();
    let register = slug("licences");
    for (first, count) in [(1, 200), (1_001, 56), (2_001, 1), (3_001, 255)] {
        store.submit(fixture.many("licences", first, count)).await.unwrap();
        let shown = store.log(&register).await.unwrap().unwrap();
        store.publish(&register, &SignedNote::parse(&shown.checkpoint).unwrap(), 1).await.unwrap();
        store.submit(fixture.many("licences", first + 500, 3)).await.unwrap();
        for index in [0, shown.size / 2, shown.size - 1] {
            check_receipt(&store, &register, index, (shown.size, &shown.root)).await;
        }
        assert!(store.receipt(&register, shown.size).await.unwrap().is_none());
    }
    store.close().await;
}

async fn an_empty_log_has_a_checkpoint(fixture: &Fixture) {
    let store = fixture.with_logs(&["licences"]).await;
    let head = store.log(&slug("licences")).await.unwrap().unwrap();
    let signed = checkpoint::open(&head.checkpoint, &head.key).unwrap();
    assert_eq!((signed.size, signed.root), (0, proofs::hash::EMPTY_ROOT));
    assert_eq!(head.recorded_at, None);
    assert_eq!(store.tile(&slug("licences"), 0, 0, 1).await.unwrap(), None);
    store.close().await;
}
