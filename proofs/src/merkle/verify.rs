//! Checking proofs, as RFC 9162 sections 2.1.3.2 and 2.1.4.2 do, and the same for subtrees
//! (draft-ietf-plants-merkle-tree-certs section 4, by its procedures for subtrees).
//!
//! However long a proof is, no more than 64 of its hashes are looked at.

use super::{ProofError, SIZE_MAX};
use crate::hash::{EMPTY_ROOT, Hash, node_hash};

/// Is the leaf at `index` in the tree of `size` leaves with this root?
pub fn verify_inclusion(
    leaf_hash: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size || size > SIZE_MAX {
        return Err(ProofError::Range);
    }
    let (mut place, mut last) = (index, size - 1);
    let mut hash = *leaf_hash;
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if place & 1 == 1 || place == last {
            hash = node_hash(sibling, &hash);
            // At the right edge, levels at which there is no right sibling are passed over. Here place is never 0.
            let skip = place.trailing_zeros();
            place >>= skip;
            last >>= skip;
        } else {
            hash = node_hash(&hash, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Is the tree of `old` leaves the beginning of the tree of `new` leaves?
pub fn verify_consistency(
    old: u64,
    new: u64,
    old_root: &Hash,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old == 0 {
        return Err(ProofError::EmptyTree);
    }
    verify_subtree_consistency(0, old, new, old_root, new_root, proof)
}

/// Is the leaf at `index` in the subtree over the leaves `start..end` with this root?
pub fn verify_subtree_inclusion(
    leaf_hash: &Hash,
    index: u64,
    start: u64,
    end: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    check_subtree(start, end)?;
    if index < start || index >= end {
        return Err(ProofError::Range);
    }
    verify_inclusion(leaf_hash, index - start, end - start, proof, root)
}

/// Is the subtree over the leaves `start..end` a part of the tree of `size` leaves?
/// The empty subtree is a part of every tree.
pub fn verify_subtree_consistency(
    start: u64,
    end: u64,
    size: u64,
    subtree_root: &Hash,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    check_subtree(start, end)?;
    if end > size || size > SIZE_MAX {
        return Err(ProofError::Range);
    }
    if start == end {
        return match (proof.is_empty(), *subtree_root == EMPTY_ROOT) {
            (false, _) => Err(ProofError::Length),
            (true, false) => Err(ProofError::Root),
            (true, true) => Ok(()),
        };
    }
    let mut climb = Climb { first: start, last: end - 1, tree: size - 1 };
    // Rise to the largest perfect subtree at the subtree's right edge: the proof begins there.
    while climb.first != climb.last && (climb.last & 1 == 1 || climb.last == climb.tree) {
        climb.rise();
    }
    let mut rest = proof.iter();
    let seed =
        if climb.first == climb.last { subtree_root } else { rest.next().ok_or(ProofError::Length)? };
    let (mut part, mut whole) = (*seed, *seed);
    for sibling in rest {
        if climb.tree == 0 {
            return Err(ProofError::Length);
        }
        if climb.last & 1 == 1 || climb.last == climb.tree {
            if climb.first < climb.last {
                part = node_hash(sibling, &part);
            }
            whole = node_hash(sibling, &whole);
            while climb.last & 1 == 0 && climb.tree != 0 {
                climb.rise();
            }
        } else {
            whole = node_hash(&whole, sibling);
        }
        climb.rise();
    }
    if climb.tree != 0 {
        return Err(ProofError::Length);
    }
    if part == *subtree_root && whole == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Places, at one level, of the subtree's first and last nodes and of the tree's last.
struct Climb {
    first: u64,
    last: u64,
    tree: u64,
}

impl Climb {
    fn rise(&mut self) {
        self.first >>= 1;
        self.last >>= 1;
        self.tree >>= 1;
    }
}

/// A subtree begins at a multiple of the least power of two that holds it.
fn check_subtree(start: u64, end: u64) -> Result<(), ProofError> {
    if start > end || end > SIZE_MAX {
        return Err(ProofError::Range);
    }
    let fits = start == end || start.is_multiple_of((end - start).next_power_of_two());
    if fits { Ok(()) } else { Err(ProofError::Subtree) }
}
