//! Proofs of leaves that were just appended, from nothing but what the tree was before and the leaves themselves.

use std::collections::HashMap;

use super::{Frontier, InclusionPlan, Node, ProofError};
use crate::hash::{Hash, node_hash};

/// A tree that grew by some leaves. What an inclusion proof of one of them needs is known: a subtree beside its way up lies either
/// before the growth, and is a peak of the tree as it was, or was completed by it.
#[derive(Debug, Clone)]
pub struct Grown {
    nodes: HashMap<Node, Hash>,
    before: u64,
    size: u64,
}

impl Grown {
    /// The tree `before`, grown by these leaves.
    pub fn new(before: &Frontier, leaves: &[Hash]) -> Result<Self, ProofError> {
        let peaks = Frontier::nodes(before.size())?.into_iter().zip(before.peaks().iter().copied());
        let mut nodes: HashMap<Node, Hash> = peaks.collect();
        for (index, leaf) in (before.size()..).zip(leaves) {
            let (mut node, mut hash) = (Node { level: 0, index }, *leaf);
            nodes.insert(node, hash);
            // A right child completes its parent.
            while node.index & 1 == 1 {
                let left = nodes.get(&Node { level: node.level, index: node.index - 1 });
                let Some(left) = left else { return Err(ProofError::Peaks { size: before.size() }) };
                hash = node_hash(left, &hash);
                node = Node { level: node.level + 1, index: node.index >> 1 };
                nodes.insert(node, hash);
            }
        }
        Ok(Self { nodes, before: before.size(), size: before.size() + leaves.len() as u64 })
    }

    /// Its size now.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The inclusion proof of one of the new leaves in the tree as it is now.
    pub fn inclusion(&self, index: u64) -> Result<Vec<Hash>, ProofError> {
        if index < self.before {
            return Err(ProofError::Range);
        }
        let plan = InclusionPlan::new(index, self.size)?;
        plan.assemble(|node| self.nodes.get(&node).copied()).ok_or(ProofError::Length)
    }
}
