//! A log of a test's own: leaves, a key, and what it asks of a witness.

use proofs::hash::{Hash, leaf_hash};
use proofs::key::PrivateKey;
use proofs::merkle::{ConsistencyPlan, Node, root};
use proofs::note::{NoteSigner, SignedNote, sign};
use proofs::witness::AddCheckpoint;

/// A log that may be forked: two that share their first leaves.
#[derive(Clone)]
pub struct Log {
    pub signers: Vec<NoteSigner>,
    pub leaves: Vec<Hash>,
}

pub fn signer(origin: &str, seed: u8) -> NoteSigner {
    NoteSigner::new(origin, PrivateKey::from_seed(&[seed; 32])).unwrap()
}

impl Log {
    pub fn new(origin: &str, size: u64) -> Self {
        let mut log = Self { signers: vec![signer(origin, 1)], leaves: Vec::new() };
        log.grow(size, 0);
        log
    }

    /// Appends leaves that no other branch has.
    pub fn grow(&mut self, count: u64, branch: u8) {
        let from = self.leaves.len() as u64;
        self.leaves
            .extend((from..from + count).map(|n| leaf_hash(&[&n.to_be_bytes()[..], &[branch]].concat())));
    }

    pub fn note(&self, size: u64) -> SignedNote {
        let leaves = &self.leaves[..usize::try_from(size).unwrap()];
        let text = format!("{}\n{size}\n{}\n", self.signers[0].name(), root(leaves));
        sign(&text, &self.signers).unwrap()
    }

    pub fn proof(&self, old: u64, new: u64) -> Vec<Hash> {
        if old == 0 || old == new {
            return Vec::new();
        }
        let plan = ConsistencyPlan::new(old, new).unwrap();
        let node = |node: Node| {
            let start = usize::try_from(node.index << node.level).unwrap();
            Some(root(&self.leaves[start..start + (1 << node.level)]))
        };
        plan.assemble(node).unwrap()
    }

    pub fn request(&self, old: u64, new: u64) -> AddCheckpoint {
        AddCheckpoint { old_size: old, proof: self.proof(old, new), note: self.note(new) }
    }
}
