//! Which stored nodes a proof is made of (RFC 6962 sections 2.1.1 and 2.1.2).

use super::{Node, ProofError, SIZE_MAX, fold_right};
use crate::hash::Hash;

/// Nodes of an inclusion path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionPlan(Plan);

/// Nodes of a consistency proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyPlan(Plan);

/// A proof's hashes are roots of ranges of leaves. A range at the right edge may be no perfect subtree;
/// then several nodes make up its hash.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Plan {
    nodes: Vec<Node>,
    /// For each hash of the proof, how many of the nodes it is made of, in order.
    groups: Vec<usize>,
}

impl InclusionPlan {
    /// For the leaf at `index` in the tree of `size` leaves.
    pub fn new(index: u64, size: u64) -> Result<Self, ProofError> {
        if index >= size || size > SIZE_MAX {
            return Err(ProofError::Range);
        }
        let (mut start, mut end) = (0, size);
        let mut ranges = Vec::new();
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                ranges.push((middle, end));
                end = middle;
            } else {
                ranges.push((start, middle));
                start = middle;
            }
        }
        Ok(Self(Plan::of(&ranges)))
    }

    /// The nodes to fetch, in the order that they are asked for.
    pub fn nodes(&self) -> &[Node] {
        &self.0.nodes
    }

    /// The proof, from the leaf's sibling to the root's child. `None` when a node is not at hand.
    pub fn assemble(&self, hash_of: impl FnMut(Node) -> Option<Hash>) -> Option<Vec<Hash>> {
        self.0.assemble(hash_of)
    }
}

impl ConsistencyPlan {
    /// Between the tree's states at `old` and `new` leaves. There is none for `old` = 0: nothing is to be proved.
    pub fn new(old: u64, new: u64) -> Result<Self, ProofError> {
        if old > new || new > SIZE_MAX {
            return Err(ProofError::Range);
        }
        if old == 0 {
            return Err(ProofError::EmptyTree);
        }
        let (mut start, mut end) = (0, new);
        let mut ranges = Vec::new();
        while end != old {
            let middle = start + split(end - start);
            if old <= middle {
                ranges.push((middle, end));
                end = middle;
            } else {
                ranges.push((start, middle));
                start = middle;
            }
        }
        // The old root itself is left out: the verifier has it.
        if start > 0 {
            ranges.push((start, end));
        }
        Ok(Self(Plan::of(&ranges)))
    }

    /// The nodes to fetch, in the order that they are asked for.
    pub fn nodes(&self) -> &[Node] {
        &self.0.nodes
    }

    /// The proof. `None` when a node is not at hand.
    pub fn assemble(&self, hash_of: impl FnMut(Node) -> Option<Hash>) -> Option<Vec<Hash>> {
        self.0.assemble(hash_of)
    }
}

impl Plan {
    /// From ranges of leaves in the order of the way down; a proof lists them on the way up.
    fn of(ranges: &[(u64, u64)]) -> Self {
        let mut plan = Self::default();
        for (start, end) in ranges.iter().rev() {
            let before = plan.nodes.len();
            cover(*start, *end, &mut plan.nodes);
            plan.groups.push(plan.nodes.len() - before);
        }
        plan
    }

    fn assemble(&self, mut hash_of: impl FnMut(Node) -> Option<Hash>) -> Option<Vec<Hash>> {
        let mut nodes = self.nodes.iter();
        let group = |count: &usize| {
            let hashes: Vec<Hash> =
                nodes.by_ref().take(*count).map(|node| hash_of(*node)).collect::<Option<_>>()?;
            fold_right(hashes.into_iter())
        };
        self.groups.iter().map(group).collect()
    }
}

/// Largest power of two below `length` (RFC 6962's k). `length` is 2 or more.
fn split(length: u64) -> u64 {
    1 << (length - 1).ilog2()
}

/// Adds the perfect subtrees that make up a range of leaves, from the left: each as large as its start and the rest allow.
pub(super) fn cover(mut start: u64, end: u64, nodes: &mut Vec<Node>) {
    while start < end {
        let level = start.trailing_zeros().min((end - start).ilog2());
        #[expect(clippy::cast_possible_truncation, reason = "ilog2 of a u64 is at most 63")]
        nodes.push(Node { level: level as u8, index: start >> level });
        start += 1 << level;
    }
}
