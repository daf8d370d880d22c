//! Tiles (C2SP tlog-tiles): a tree in files of 256 hashes, and its leaves in bundles of 256.

use std::fmt;
use std::str::FromStr;

use crate::encoding;
use crate::hash::Hash;
use crate::merkle::{self, Node};

/// Levels of the tree in a tile.
pub const TILE_HEIGHT: u8 = 8;

/// Hashes in a full tile, leaves in a full bundle.
pub const TILE_WIDTH: u16 = 256;

/// Highest level of hash tiles that we know: its hashes stand for 2^40 leaves each.
pub const LEVEL_MAX: u8 = 5;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileLevel {
    /// Hashes of the tree at `8 * level`; 0 to [`LEVEL_MAX`].
    Hash(u8),
    /// Leaves.
    Entries,
}

/// Path of a tile under the log's prefix: `tile/0/x001/234.p/5`, `tile/entries/000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    /// What it holds.
    pub level: TileLevel,
    /// Place among the level's tiles, from 0.
    pub index: u64,
    /// How many hashes or leaves: 1 to 255 for a partial tile, 256 for a full one.
    pub width: u16,
}

/// Where a node is found: its hash is the root over `count` hashes of a tile from `offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileSpan {
    /// Level of the tile.
    pub level: u8,
    /// Index of the tile.
    pub index: u64,
    /// First of the hashes.
    pub offset: u16,
    /// How many: a power of two, 1 to 128.
    pub count: u16,
}

/// Why a path or a tile's bytes are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// Not a path of a tile, or not written in its one way.
    #[error("a tile's path is tile/<L>/<N>[.p/<W>] or tile/entries/<N>[.p/<W>]")]
    Path,
    /// The bytes are not 1 to 256 whole hashes.
    #[error("a tile is 1 to 256 hashes of 32 bytes")]
    Hashes,
    /// The bytes are not 1 to 256 leaves, each after its length.
    #[error("a bundle is 1 to 256 leaves, each after its length as a big-endian uint16")]
    Bundle,
    /// A leaf is longer than its length can say.
    #[error("a leaf in a bundle has at most 65535 bytes")]
    LeafLength,
}

impl TilePath {
    /// The tile's path, if there can be such a tile.
    pub fn new(level: TileLevel, index: u64, width: u16) -> Result<Self, TileError> {
        let path = Self { level, index, width };
        if path.is_valid() { Ok(path) } else { Err(TileError::Path) }
    }

    /// Does the tile hold all 256?
    pub const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    fn is_valid(&self) -> bool {
        let level = match self.level {
            TileLevel::Hash(level) => level,
            TileLevel::Entries => 0,
        };
        // So many bits are left for the index when the tile's last leaf is to be numbered at all.
        let bits = 62_u32.checked_sub(u32::from(TILE_HEIGHT) * (u32::from(level) + 1));
        level <= LEVEL_MAX
            && (1..=TILE_WIDTH).contains(&self.width)
            && bits.is_some_and(|bits| self.index >> bits == 0)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            TileLevel::Hash(level) => write!(f, "tile/{level}/")?,
            TileLevel::Entries => f.write_str("tile/entries/")?,
        }
        let mut scale = 1_u64;
        while self.index / scale >= 1000 {
            scale *= 1000;
        }
        while scale > 1 {
            write!(f, "x{:03}/", self.index / scale % 1000)?;
            scale /= 1000;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.is_full() { Ok(()) } else { write!(f, ".p/{}", self.width) }
    }
}

impl FromStr for TilePath {
    type Err = TileError;

    fn from_str(text: &str) -> Result<Self, TileError> {
        // The longest path, tile/entries/x999/…/999.p/255, is well below this.
        if text.len() > 64 {
            return Err(TileError::Path);
        }
        let path = read_path(text).ok_or(TileError::Path)?;
        // One way to write each: needless x000 elements and .p/256 fall here.
        if path.is_valid() && path.to_string() == text { Ok(path) } else { Err(TileError::Path) }
    }
}

fn read_path(text: &str) -> Option<TilePath> {
    let (level, rest) = text.strip_prefix("tile/")?.split_once('/')?;
    let level = match level {
        "entries" => TileLevel::Entries,
        level => TileLevel::Hash(u8::try_from(encoding::decimal(level)?).ok()?),
    };
    let (number, width) = match rest.split_once(".p/") {
        Some((number, width)) => (number, u16::try_from(encoding::decimal(width)?).ok()?),
        None => (rest, TILE_WIDTH),
    };
    let mut index = 0_u64;
    for element in number.split('/') {
        let digits = element.strip_prefix('x').unwrap_or(element);
        if digits.len() != 3 || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    Some(TilePath { level, index, width })
}

encoding::serde_as_text!(TilePath);

/// All tiles and bundles of a tree: level by level from the leaves' hashes up, then the bundles.
/// The same paths are what an archive of that tree holds.
pub fn paths(size: u64) -> impl Iterator<Item = TilePath> {
    let hashes =
        (0..=LEVEL_MAX).flat_map(move |level| row(TileLevel::Hash(level), size >> (TILE_HEIGHT * level)));
    hashes.chain(bundle_paths(size))
}

/// The entry bundles of a tree. Made as they are asked for: a size that somebody only claims costs nothing.
pub fn bundle_paths(size: u64) -> impl Iterator<Item = TilePath> {
    row(TileLevel::Entries, size)
}

fn row(level: TileLevel, count: u64) -> impl Iterator<Item = TilePath> {
    let width = u64::from(TILE_WIDTH);
    (0..count.div_ceil(width)).map(move |index| {
        let left = (count - index * width).min(width);
        TilePath { level, index, width: u16::try_from(left).unwrap_or(TILE_WIDTH) }
    })
}

/// Where a node's hash is found among the tiles.
pub fn locate(node: Node) -> TileSpan {
    let height = node.level % TILE_HEIGHT;
    // Below the tile's root, place and width are both within the tile.
    let per_tile = u64::from(TILE_WIDTH >> height);
    let place = u16::try_from(node.index % per_tile).unwrap_or(0);
    TileSpan {
        level: node.level / TILE_HEIGHT,
        index: node.index / per_tile,
        offset: place << height,
        count: 1 << height,
    }
}

impl TileSpan {
    /// The node's hash, from the hashes of its tile; `None` when the tile is too narrow to hold it.
    pub fn hash(&self, tile: &[Hash]) -> Option<Hash> {
        let start = usize::from(self.offset);
        tile.get(start..start + usize::from(self.count)).map(merkle::root)
    }
}

/// Root over a tile's hashes: of a full tile, the hash that stands for it one level up.
pub fn tile_root(hashes: &[Hash]) -> Hash {
    merkle::root(hashes)
}

/// A hash tile's bytes.
pub fn tile_encode(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// A hash tile's hashes.
pub fn tile_decode(bytes: &[u8]) -> Result<Vec<Hash>, TileError> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    let fits = rest.is_empty() && (1..=usize::from(TILE_WIDTH)).contains(&hashes.len());
    if fits { Ok(hashes.iter().copied().map(Hash).collect()) } else { Err(TileError::Hashes) }
}

/// An entry bundle's bytes: each leaf after its length as a big-endian uint16.
pub fn bundle_encode<L: AsRef<[u8]>>(leaves: &[L]) -> Result<Vec<u8>, TileError> {
    let mut bytes = Vec::with_capacity(leaves.iter().map(|leaf| 2 + leaf.as_ref().len()).sum());
    for leaf in leaves {
        let leaf = leaf.as_ref();
        let length = u16::try_from(leaf.len()).map_err(|_| TileError::LeafLength)?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(leaf);
    }
    Ok(bytes)
}

/// An entry bundle's leaves.
pub fn bundle_decode(bytes: &[u8]) -> Result<Vec<Vec<u8>>, TileError> {
    let mut leaves = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        if leaves.len() == usize::from(TILE_WIDTH) {
            return Err(TileError::Bundle);
        }
        let (length, tail) = rest.split_first_chunk::<2>().ok_or(TileError::Bundle)?;
        let (leaf, tail) =
            tail.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(TileError::Bundle)?;
        leaves.push(leaf.to_vec());
        rest = tail;
    }
    if leaves.is_empty() { Err(TileError::Bundle) } else { Ok(leaves) }
}

#[cfg(test)]
mod tests;
