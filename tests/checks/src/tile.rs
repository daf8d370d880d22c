//! Paths of tiles, hash tiles and entry bundles.

use proofs::merkle;
use proofs::tile::{self, TILE_WIDTH, TileLevel, TilePath};

/// Leaves of the largest tree whose tiles are walked: 8,224 of them.
const SIZE_WALKED_MAX: u64 = 1 << 20;

/// A path is written in one way.
pub fn path(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(path) = text.parse::<TilePath>() else { return false };
    assert_eq!(path.to_string(), text, "a path re-encodes to the text it came from");
    assert_eq!(TilePath::new(path.level, path.index, path.width), Ok(path));
    assert!((1..=TILE_WIDTH).contains(&path.width) && path.is_full() == (path.width == TILE_WIDTH));
    // A tree that ends with this tile has it.
    let shift = match path.level {
        TileLevel::Hash(level) => u32::from(level) * 8,
        TileLevel::Entries => 0,
    };
    let size = (path.index * u64::from(TILE_WIDTH) + u64::from(path.width)) << shift;
    if size < SIZE_WALKED_MAX {
        assert!(tile::paths(size).any(|other| other == path), "a tree of {size} leaves lacks its last tile");
    }
    true
}

/// A tile and a bundle have one encoding; the root over a tile is the same by two ways.
pub fn tile(bytes: &[u8]) -> bool {
    let hashes = tile::tile_decode(bytes);
    if let Ok(hashes) = &hashes {
        assert_eq!(tile::tile_encode(hashes), bytes, "a tile re-encodes to the bytes it came from");
        let mut frontier = merkle::Frontier::new();
        for hash in hashes {
            frontier.push(*hash);
        }
        assert_eq!(
            frontier.root(),
            tile::tile_root(hashes),
            "the root does not depend on how it is computed"
        );
        assert!(hashes.len() <= usize::from(TILE_WIDTH));
    }
    let leaves = tile::bundle_decode(bytes);
    if let Ok(leaves) = &leaves {
        let again = tile::bundle_encode(leaves).expect("what was read fits");
        assert_eq!(again, bytes, "a bundle re-encodes to the bytes it came from");
        assert!((1..=usize::from(TILE_WIDTH)).contains(&leaves.len()));
    }
    hashes.is_ok() || leaves.is_ok()
}
