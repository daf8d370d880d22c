//! Proofs of inclusion and consistency: the verifier, which climbs by bits, against the definition of RFC 6962, by recursion.

use proofs::hash::{Hash, leaf_hash, node_hash};
use proofs::merkle::{Frontier, verify_consistency, verify_inclusion, verify_subtree_inclusion};
use proofs::proof::TlogProof;

use crate::told;

/// Leaves of the trees that are made: enough for every shape of a path.
const LEAVES: u64 = 70;

/// A tlog-proof has one encoding. Its path is in a tree by the verifier exactly when it is by the definition.
pub fn inclusion(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let proof: TlogProof = match text.parse() {
        Ok(proof) => proof,
        Err(error) => {
            told(&error);
            return false;
        }
    };
    assert_eq!(proof.to_string(), text, "a proof re-encodes to the text it came from");
    let leaf = leaf_hash(b"leaf");
    // Of every size, one root at most fits a path.
    for size in (1..=LEAVES).chain([proof.index.saturating_add(1), u64::MAX]) {
        let root = path_root(leaf, proof.index, size, &proof.path);
        if let Some(root) = root {
            let verdict = verify_inclusion(&leaf, proof.index, size, &proof.path, &root);
            assert_eq!(verdict.is_ok(), size < 1 << 63, "index {} of {size}", proof.index);
            let as_subtree = verify_subtree_inclusion(&leaf, proof.index, 0, size, &proof.path, &root);
            assert_eq!(as_subtree, verdict, "the whole tree is a subtree of itself");
        }
        let wrong = verify_inclusion(&leaf, proof.index, size, &proof.path, &Hash([0; 32]));
        assert!(wrong.is_err(), "a path leads to a root that nobody knows");
    }
    true
}

/// The root that a path leads to, as RFC 6962 section 2.1.1 defines paths.
fn path_root(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    if size == 1 {
        return path.is_empty().then_some(leaf);
    }
    let (last, path) = path.split_last()?;
    let half = half(size);
    Some(if index < half {
        node_hash(&path_root(leaf, index, half, path)?, last)
    } else {
        node_hash(last, &path_root(leaf, index - half, size - half, path)?)
    })
}

/// The greatest power of two that is less than the size, which is over 1.
fn half(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

/// Two sizes and hashes: whatever the hashes are, the two ways agree; and of two trees that grow one from the other, the right
/// proof holds and any other does not.
pub fn consistency(bytes: &[u8]) -> bool {
    let Some((&[old, new], rest)) = bytes.split_first_chunk::<2>() else { return false };
    let (old, new) = (u64::from(old) % LEAVES, u64::from(new) % LEAVES);
    let proof: Vec<Hash> = rest.as_chunks::<32>().0.iter().copied().map(Hash).collect();
    let (old_root, new_root) = (root(old), root(new));
    // A proof made up by the fuzzer, for the roots that it leads to.
    let mut taken = false;
    for seed in [Some(old_root), None] {
        let Some((first, second)) = proof_roots(old, new, seed, &proof) else { continue };
        let verdict = verify_consistency(old, new, &first, &second, &proof);
        assert!(verdict.is_ok(), "{old} in {new}: the definition says yes, the verifier {verdict:?}");
        taken = true;
    }
    // The same proof, for the roots of the two trees that there are.
    let right = right(old, new);
    let verdict = verify_consistency(old, new, &old_root, &new_root, &proof);
    assert_eq!(verdict.is_ok(), right.as_ref() == Some(&proof), "{old} in {new}");
    if let Some(right) = right {
        assert_eq!(verify_consistency(old, new, &old_root, &new_root, &right), Ok(()), "{old} in {new}");
    }
    taken
}

fn leaf(number: u64) -> Hash {
    leaf_hash(&number.to_be_bytes())
}

fn root(size: u64) -> Hash {
    let mut frontier = Frontier::new();
    (0..size).for_each(|number| frontier.push(leaf(number)));
    frontier.root()
}

/// The root over some of the leaves.
fn part(from: u64, size: u64) -> Hash {
    if size == 1 {
        return leaf(from);
    }
    let half = half(size);
    node_hash(&part(from, half), &part(from + half, size - half))
}

/// The proof of RFC 6962 section 2.1.2.
fn right(old: u64, new: u64) -> Option<Vec<Hash>> {
    fn sub(old: u64, from: u64, size: u64, whole: bool, proof: &mut Vec<Hash>) {
        if old == size {
            if !whole {
                proof.push(part(from, size));
            }
            return;
        }
        let half = half(size);
        if old <= half {
            sub(old, from, half, whole, proof);
            proof.push(part(from + half, size - half));
        } else {
            sub(old - half, from + half, size - half, false, proof);
            proof.push(part(from, half));
        }
    }
    if old == 0 || old > new {
        return None;
    }
    let mut proof = Vec::new();
    sub(old, 0, new, true, &mut proof);
    Some(proof)
}

/// The two roots that a proof leads to, by the same definition. `seed` is the old root where the proof leaves it out.
fn proof_roots(old: u64, new: u64, seed: Option<Hash>, proof: &[Hash]) -> Option<(Hash, Hash)> {
    fn sub(
        old: u64,
        size: u64,
        whole: bool,
        seed: Option<Hash>,
        proof: &mut std::slice::Iter<'_, Hash>,
    ) -> Option<(Hash, Hash)> {
        if old == size {
            let hash = if whole { seed? } else { *proof.next()? };
            return Some((hash, hash));
        }
        let half = half(size);
        if old <= half {
            let (first, second) = sub(old, half, whole, seed, proof)?;
            Some((first, node_hash(&second, proof.next()?)))
        } else {
            let (first, second) = sub(old - half, size - half, false, seed, proof)?;
            let left = proof.next()?;
            Some((node_hash(left, &first), node_hash(left, &second)))
        }
    }
    if old == 0 || old > new {
        return None;
    }
    let mut hashes = proof.iter();
    let roots = sub(old, new, true, seed, &mut hashes)?;
    hashes.next().is_none().then_some(roots)
}
