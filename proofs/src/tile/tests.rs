use proptest::prelude::*;

use super::*;
use crate::hash::leaf_hash;
use crate::merkle::{ConsistencyPlan, InclusionPlan, verify_consistency, verify_inclusion};

#[test]
fn a_path_has_one_form() {
    for text in [
        "",
        "tile",
        "tile/0",
        "tile/0/",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/00/000",
        "tile/6/000",
        "tile/63/000",
        "tile/-1/000",
        "tile/0/x000/000",
        "tile/0/x001/x234",
        "tile/0/001/234",
        "tile/0/x001",
        "tile/0/+01",
        "tile/0/1e2",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/000.p",
        "tile/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/257",
        "tile/0/000.p/65536",
        "tile/0/000.p/1/1",
        "tile/0/000.p/1.p/1",
        "tile/0/../000",
        "tile/0/x%2e/000",
        "tile/Entries/000",
        "tile/entries/000\n",
        "tile/entries/٠٠٠",
        "tile/0/x999/x999/x999/x999/x999/x999/999",
    ] {
        assert_eq!(text.parse::<TilePath>(), Err(TileError::Path), "{text}");
    }
    let path: TilePath = "tile/entries/x001/234.p/5".parse().unwrap();
    assert_eq!(path, TilePath { level: TileLevel::Entries, index: 1234, width: 5 });
    assert_eq!(TilePath::new(TileLevel::Hash(6), 0, 1), Err(TileError::Path));
    assert_eq!(TilePath::new(TileLevel::Hash(0), 0, 0), Err(TileError::Path));
    assert_eq!(TilePath::new(TileLevel::Hash(0), 0, 257), Err(TileError::Path));
    assert_eq!(TilePath::new(TileLevel::Hash(0), 1 << 54, 1), Err(TileError::Path));
    assert!(TilePath::new(TileLevel::Hash(0), (1 << 54) - 1, 1).is_ok());
}

#[test]
fn a_bundle_is_whole_leaves() {
    let bundle = bundle_encode(&[&b"one"[..], b"", b"three"]).unwrap();
    assert_eq!(bundle, b"\0\x03one\0\0\0\x05three");
    assert_eq!(bundle_decode(&bundle).unwrap(), [&b"one"[..], b"", b"three"]);
    for bad in [&b""[..], b"\0", b"\0\x03on", b"\0\x03one\0", b"\xff\xffone"] {
        assert_eq!(bundle_decode(bad), Err(TileError::Bundle), "{bad:?}");
    }
    assert_eq!(bundle_decode(&[0; 2 * 256]).unwrap().len(), 256);
    assert_eq!(bundle_decode(&[0; 2 * 257]), Err(TileError::Bundle));
    assert_eq!(bundle_encode(&[vec![0; 65_536]]), Err(TileError::LeafLength));
    assert_eq!(bundle_encode(&[vec![0; 65_535]]).unwrap().len(), 65_537);
}

#[test]
fn a_tile_is_whole_hashes() {
    let hashes = [leaf_hash(b"a"), leaf_hash(b"b")];
    assert_eq!(tile_decode(&tile_encode(&hashes)).unwrap(), hashes);
    for length in [0, 31, 33, 32 * 257] {
        assert_eq!(tile_decode(&vec![0; length]), Err(TileError::Hashes), "{length}");
    }
    assert_eq!(tile_decode(&[0; 32 * 256]).unwrap().len(), 256);
}

#[test]
fn a_node_of_a_full_tile_stands_one_level_up() {
    let at = |level, index| locate(Node { level, index });
    assert_eq!(at(0, 300), TileSpan { level: 0, index: 1, offset: 44, count: 1 });
    assert_eq!(at(7, 3), TileSpan { level: 0, index: 1, offset: 128, count: 128 });
    assert_eq!(at(8, 3), TileSpan { level: 1, index: 0, offset: 3, count: 1 });
    assert_eq!(at(18, 65), TileSpan { level: 2, index: 1, offset: 4, count: 4 });
    assert_eq!(at(1, 2).hash(&[leaf_hash(b""); 5]), None);
}

/// Tiles of a tree, made only of what the tiles one level below say.
fn tiles(leaves: &[Hash]) -> Vec<Vec<Vec<Hash>>> {
    let mut levels = Vec::new();
    let mut row = leaves.to_vec();
    while !row.is_empty() {
        let tiles: Vec<Vec<Hash>> = row.chunks(usize::from(TILE_WIDTH)).map(<[Hash]>::to_vec).collect();
        row = row.as_chunks::<256>().0.iter().map(|full| tile_root(full)).collect();
        levels.push(tiles);
    }
    levels
}

#[test]
fn proofs_come_from_tiles_alone() {
    let size = 70_000_u64;
    let leaves: Vec<Hash> = (0..size).map(|index| leaf_hash(&index.to_be_bytes())).collect();
    let (levels, root) = (tiles(&leaves), merkle::root(&leaves));
    let served: Vec<TilePath> = levels
        .iter()
        .zip(0..)
        .flat_map(|(tiles, level)| {
            tiles.iter().zip(0..).map(move |(tile, index)| {
                TilePath::new(TileLevel::Hash(level), index, u16::try_from(tile.len()).unwrap()).unwrap()
            })
        })
        .collect();
    let listed: Vec<TilePath> = paths(size).filter(|path| path.level != TileLevel::Entries).collect();
    assert_eq!(served, listed);

    let fetch = |node: Node| {
        let span = locate(node);
        span.hash(&levels[usize::from(span.level)][usize::try_from(span.index).unwrap()])
    };
    for index in [0, 1, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999] {
        let path = InclusionPlan::new(index, size).unwrap().assemble(fetch).unwrap();
        verify_inclusion(&leaves[usize::try_from(index).unwrap()], index, size, &path, &root).unwrap();
    }
    for old in [1, 255, 256, 257, 40_000, 65_536, 69_999, 70_000] {
        let proof = ConsistencyPlan::new(old, size).unwrap().assemble(fetch).unwrap();
        let old_root = merkle::root(&leaves[..usize::try_from(old).unwrap()]);
        verify_consistency(old, size, &old_root, &root, &proof).unwrap();
    }
}

proptest! {
    #[test]
    fn a_path_there_and_back(level in 0..=LEVEL_MAX + 1, index in any::<u64>(), shift in 0..64_u32, width in 1..=TILE_WIDTH) {
        let level = if level > LEVEL_MAX { TileLevel::Entries } else { TileLevel::Hash(level) };
        if let Ok(path) = TilePath::new(level, index >> shift, width) {
            prop_assert_eq!(path.to_string().parse(), Ok(path));
        }
    }

    #[test]
    fn a_bundle_there_and_back(leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 1..256)) {
        prop_assert_eq!(bundle_decode(&bundle_encode(&leaves).unwrap()), Ok(leaves));
    }

    #[test]
    fn no_input_panics(
        text in any::<String>(),
        path in "tile/([0-9]{1,3}|entries)/(x?[0-9]{1,3}/?){0,8}(\\.p/[0-9]{0,4})?",
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        node in (any::<u8>(), any::<u64>()),
    ) {
        let _ = (text.parse::<TilePath>(), bundle_decode(&bytes), tile_decode(&bytes));
        let _ = locate(Node { level: node.0, index: node.1 }).hash(&[]);
        if let Ok(read) = path.parse::<TilePath>() {
            prop_assert_eq!(read.to_string(), path);
        }
    }
}
