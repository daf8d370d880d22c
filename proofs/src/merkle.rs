//! Merkle trees (RFC 6962 section 2.1): growing one, planning proofs from stored nodes, and checking proofs.
//!
//! Nothing here stores a tree. A [`Frontier`] is all that is needed to append; a plan says which nodes a proof is made of,
//! and whoever stores them (as [tiles](crate::tile)) hands them over.

mod grown;
mod plan;
mod verify;

pub use grown::Grown;
pub use plan::{ConsistencyPlan, InclusionPlan};
pub use verify::{
    verify_consistency, verify_inclusion, verify_subtree_consistency, verify_subtree_inclusion,
};

use crate::hash::{EMPTY_ROOT, Hash, node_hash};

/// Most leaves in a tree: far past any register, and no sum of two places overflows.
pub const SIZE_MAX: u64 = 1 << 62;

/// Root of a perfect subtree: over the `2^level` leaves from `index * 2^level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// 0 for a leaf hash.
    pub level: u8,
    /// Place among the level's nodes, from the left.
    pub index: u64,
}

/// Why a proof is refused, or cannot be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf is not in the tree, the old tree is larger than the new, or a size is past [`SIZE_MAX`].
    #[error("no such leaf or size in the tree")]
    Range,
    /// Consistency with the empty tree says nothing: everything is consistent with it.
    #[error("consistency with the empty tree proves nothing")]
    EmptyTree,
    /// `start` is not a multiple of the least power of two that holds the subtree.
    #[error("no subtree begins and ends there")]
    Subtree,
    /// The proof has more or fewer hashes than the sizes ask for.
    #[error("the proof is of the wrong length")]
    Length,
    /// The proof leads to another root.
    #[error("the proof leads to another root")]
    Root,
    /// The peaks do not fit the size.
    #[error("a tree of {size} leaves has not so many peaks")]
    Peaks {
        /// The size.
        size: u64,
    },
}

/// The right edge of a tree: roots of its perfect subtrees from the largest, on the left, to the smallest.
/// Appending and the root need nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// A stored frontier.
    pub fn from_parts(size: u64, peaks: Vec<Hash>) -> Result<Self, ProofError> {
        if size > SIZE_MAX {
            return Err(ProofError::Range);
        }
        if peaks.len() == size.count_ones() as usize {
            Ok(Self { size, peaks })
        } else {
            Err(ProofError::Peaks { size })
        }
    }

    /// Appends a leaf, by its hash.
    pub fn push(&mut self, leaf: Hash) {
        let merges = self.size.trailing_ones();
        let mut node = leaf;
        for _ in 0..merges {
            // A tree of that size has a peak for each of these ones; the frontier was made so.
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// Root of the tree.
    pub fn root(&self) -> Hash {
        fold_right(self.peaks.iter().copied()).unwrap_or(EMPTY_ROOT)
    }

    /// Leaves in the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Roots of the perfect subtrees, from the left.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Nodes that the peaks are roots of, in the same order: where a store finds them.
    pub fn nodes(size: u64) -> Result<Vec<Node>, ProofError> {
        if size > SIZE_MAX {
            return Err(ProofError::Range);
        }
        let mut nodes = Vec::new();
        plan::cover(0, size, &mut nodes);
        Ok(nodes)
    }
}

impl Extend<Hash> for Frontier {
    fn extend<T: IntoIterator<Item = Hash>>(&mut self, leaves: T) {
        leaves.into_iter().for_each(|leaf| self.push(leaf));
    }
}

/// Root over perfect subtrees that shrink to the right: the rightmost two are joined first.
fn fold_right(nodes: impl DoubleEndedIterator<Item = Hash>) -> Option<Hash> {
    nodes.rev().reduce(|right, left| node_hash(&left, &right))
}

/// Root of the tree over these leaf hashes (or over these roots of equal subtrees).
pub fn root(hashes: &[Hash]) -> Hash {
    let mut frontier = Frontier::new();
    frontier.extend(hashes.iter().copied());
    frontier.root()
}

#[cfg(test)]
mod tests;
