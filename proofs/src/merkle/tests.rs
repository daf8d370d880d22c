use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::hash::leaf_hash;

/// Leaves that differ, by their hashes.
fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|index| leaf_hash(&index.to_be_bytes())).collect()
}

/// RFC 6962 section 2.1, word for word.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => EMPTY_ROOT,
        [leaf] => *leaf,
        _ => {
            let split = leaves.len().next_power_of_two() / 2;
            node_hash(&naive_root(&leaves[..split]), &naive_root(&leaves[split..]))
        }
    }
}

/// RFC 6962 section 2.1.1, word for word.
fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    let (mut path, sibling) = if index < split {
        (naive_path(index, left), right)
    } else {
        (naive_path(index - split, right), left)
    };
    path.push(naive_root(sibling));
    path
}

/// SUBTREE_PROOF of draft-ietf-plants-merkle-tree-certs; with `start` 0, RFC 6962 section 2.1.2's SUBPROOF.
fn naive_subproof(start: usize, end: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
    if (start, end) == (0, leaves.len()) {
        return if known { Vec::new() } else { vec![naive_root(leaves)] };
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    let (mut proof, sibling) = if end <= split {
        (naive_subproof(start, end, left, known), right)
    } else if start >= split {
        (naive_subproof(start - split, end - split, right, known), left)
    } else {
        (naive_subproof(0, end - split, right, false), left)
    };
    proof.push(naive_root(sibling));
    proof
}

/// All perfect subtrees, as a store would have them.
fn nodes(leaves: &[Hash]) -> HashMap<Node, Hash> {
    let mut nodes = HashMap::new();
    let (mut level, mut row) = (0, leaves.to_vec());
    while !row.is_empty() {
        nodes.extend(row.iter().zip(0..).map(|(hash, index)| (Node { level, index }, *hash)));
        row = row.as_chunks::<2>().0.iter().map(|[left, right]| node_hash(left, right)).collect();
        level += 1;
    }
    nodes
}

fn flip(hash: &mut Hash, bit: usize) {
    hash.0[bit / 8 % 32] ^= 1 << (bit % 8);
}

#[test]
fn the_frontier_is_the_tree_for_every_small_size() {
    let all = leaves(600);
    let mut frontier = Frontier::new();
    for size in 0..=all.len() {
        assert_eq!(frontier.root(), naive_root(&all[..size]), "size {size}");
        let stored = nodes(&all[..size]);
        let peaks: Vec<Hash> =
            Frontier::nodes(size as u64).unwrap().iter().map(|node| stored[node]).collect();
        assert_eq!(frontier.peaks(), peaks);
        assert_eq!(Frontier::from_parts(size as u64, peaks), Ok(frontier.clone()));
        if let Some(leaf) = all.get(size) {
            frontier.push(*leaf);
        }
    }
}

#[test]
fn every_proof_in_every_small_tree_is_the_one_of_rfc_6962_and_verifies() {
    let all = leaves(40);
    for size in 1..=40_u64 {
        let tree = &all[..usize::try_from(size).unwrap()];
        let (stored, root) = (nodes(tree), naive_root(tree));
        for index in 0..size {
            let at = usize::try_from(index).unwrap();
            let path =
                InclusionPlan::new(index, size).unwrap().assemble(|node| stored.get(&node).copied()).unwrap();
            assert_eq!(path, naive_path(at, tree));
            verify_inclusion(&tree[at], index, size, &path, &root).unwrap();

            let old = index + 1;
            let proof =
                ConsistencyPlan::new(old, size).unwrap().assemble(|node| stored.get(&node).copied()).unwrap();
            assert_eq!(proof, naive_subproof(0, at + 1, tree, true));
            verify_consistency(old, size, &naive_root(&tree[..=at]), &root, &proof).unwrap();
        }
    }
}

/// However a tree grew, the proofs of its new leaves follow from what it was before and the leaves.
#[test]
fn growth_knows_the_proofs_of_its_leaves() {
    let all = leaves(40);
    for before in 0..40_usize {
        let mut frontier = Frontier::new();
        frontier.extend(all[..before].iter().copied());
        for size in before..=40 {
            let grown = Grown::new(&frontier, &all[before..size]).unwrap();
            assert_eq!(grown.size(), size as u64);
            for index in before..size {
                assert_eq!(grown.inclusion(index as u64).unwrap(), naive_path(index, &all[..size]));
            }
            for outside in [before.checked_sub(1), Some(size)].into_iter().flatten() {
                assert_eq!(grown.inclusion(outside as u64), Err(ProofError::Range));
            }
        }
    }
}

#[test]
fn every_subtree_of_every_small_tree_verifies() {
    let all = leaves(24);
    let mut subtrees = 0;
    for size in 1..=24 {
        let (tree, root) = (&all[..size], naive_root(&all[..size]));
        for start in 0..size {
            for end in start + 1..=size {
                let proof = naive_subproof(start, end, tree, true);
                let part = naive_root(&tree[start..end]);
                let verified =
                    verify_subtree_consistency(start as u64, end as u64, size as u64, &part, &root, &proof);
                if start.is_multiple_of((end - start).next_power_of_two()) {
                    assert_eq!(verified, Ok(()), "{start}..{end} of {size}");
                    subtrees += 1;
                } else {
                    assert_eq!(verified, Err(ProofError::Subtree), "{start}..{end} of {size}");
                }
            }
        }
    }
    assert!(subtrees > 500);
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let root = EMPTY_ROOT;
    assert_eq!(InclusionPlan::new(0, 0), Err(ProofError::Range));
    assert_eq!(InclusionPlan::new(5, 5), Err(ProofError::Range));
    assert_eq!(InclusionPlan::new(0, u64::MAX), Err(ProofError::Range));
    assert_eq!(ConsistencyPlan::new(0, 5), Err(ProofError::EmptyTree));
    assert_eq!(ConsistencyPlan::new(6, 5), Err(ProofError::Range));
    assert_eq!(verify_inclusion(&root, 0, 0, &[], &root), Err(ProofError::Range));
    assert_eq!(verify_consistency(0, 0, &root, &root, &[]), Err(ProofError::EmptyTree));
    assert_eq!(Frontier::from_parts(3, vec![root]), Err(ProofError::Peaks { size: 3 }));
    assert_eq!(Frontier::from_parts(u64::MAX, vec![root; 64]), Err(ProofError::Range));
    assert!(Frontier::nodes(u64::MAX).is_err());
    assert_eq!(InclusionPlan::new(SIZE_MAX - 1, SIZE_MAX).unwrap().nodes().len(), 62);
    assert_eq!(InclusionPlan::new(1, 3).unwrap().assemble(|_| None), None);
}

#[test]
fn a_proof_of_the_wrong_length_is_refused() {
    let tree = leaves(11);
    let root = naive_root(&tree);
    let path = naive_path(4, &tree);
    let mut long = path.clone();
    long.push(root);
    assert_eq!(verify_inclusion(&tree[4], 4, 11, &long, &root), Err(ProofError::Length));
    assert_eq!(verify_inclusion(&tree[4], 4, 11, &path[1..], &root), Err(ProofError::Length));
    let (old, proof) = (naive_root(&tree[..6]), naive_subproof(0, 6, &tree, true));
    let mut long = proof.clone();
    long.push(root);
    assert_eq!(verify_consistency(6, 11, &old, &root, &long), Err(ProofError::Length));
    assert_eq!(verify_consistency(6, 11, &old, &root, &proof[..2]), Err(ProofError::Length));
    assert_eq!(verify_consistency(6, 11, &old, &root, &[]), Err(ProofError::Length));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_frontier_is_the_tree(size in 0_u64..5000) {
        let tree = leaves(size);
        prop_assert_eq!(root(&tree), naive_root(&tree));
    }

    #[test]
    fn planned_proofs_verify_and_no_flipped_bit_does(
        (size, index, old) in (1_u64..3000).prop_flat_map(|size| (Just(size), 0..size, 1..=size)),
        bit in 0_usize..256,
        which in any::<prop::sample::Index>(),
    ) {
        let tree = leaves(size);
        let (stored, root) = (nodes(&tree), naive_root(&tree));
        let (mut leaf, at) = (tree[usize::try_from(index).unwrap()], usize::try_from(old).unwrap());
        let fetch = |node: Node| stored.get(&node).copied();

        let mut path = InclusionPlan::new(index, size).unwrap().assemble(fetch).unwrap();
        prop_assert_eq!(verify_inclusion(&leaf, index, size, &path, &root), Ok(()));
        let mut bad_root = root;
        flip(&mut bad_root, bit);
        prop_assert_eq!(verify_inclusion(&leaf, index, size, &path, &bad_root), Err(ProofError::Root));
        if !path.is_empty() {
            let place = which.index(path.len());
            flip(&mut path[place], bit);
            prop_assert_eq!(verify_inclusion(&leaf, index, size, &path, &root), Err(ProofError::Root));
            flip(&mut path[place], bit);
        }
        flip(&mut leaf, bit);
        prop_assert_eq!(verify_inclusion(&leaf, index, size, &path, &root), Err(ProofError::Root));

        let mut old_root = naive_root(&tree[..at]);
        let mut proof = ConsistencyPlan::new(old, size).unwrap().assemble(fetch).unwrap();
        prop_assert_eq!(verify_consistency(old, size, &old_root, &root, &proof), Ok(()));
        prop_assert_eq!(verify_consistency(old, size, &old_root, &bad_root, &proof), Err(ProofError::Root));
        if !proof.is_empty() {
            let place = which.index(proof.len());
            flip(&mut proof[place], bit);
            prop_assert_eq!(verify_consistency(old, size, &old_root, &root, &proof), Err(ProofError::Root));
            flip(&mut proof[place], bit);
        }
        flip(&mut old_root, bit);
        prop_assert_eq!(verify_consistency(old, size, &old_root, &root, &proof), Err(ProofError::Root));
    }

    #[test]
    fn another_place_or_size_is_refused(
        (size, index) in (1_u64..600).prop_flat_map(|size| (Just(size), 0..size)),
        (other_size, other) in (1_u64..600).prop_flat_map(|size| (Just(size), 0..size)),
    ) {
        let tree = leaves(size);
        let (stored, root) = (nodes(&tree), naive_root(&tree));
        let path = InclusionPlan::new(index, size).unwrap().assemble(|node| stored.get(&node).copied()).unwrap();
        let leaf = tree[usize::try_from(index).unwrap()];
        if other != index {
            prop_assert!(verify_inclusion(&leaf, other, size, &path, &root).is_err());
        }
        // A path may fit another size, when the way up is the same; then it says nothing untrue about the root.
        let _ = verify_inclusion(&leaf, other, other_size, &path, &root);
    }

    #[test]
    fn no_input_panics(
        numbers in prop::array::uniform4(prop_oneof![any::<u64>(), 0..20_u64, Just(SIZE_MAX), Just(SIZE_MAX - 1)]),
        hashes in prop::collection::vec(any::<[u8; 32]>().prop_map(Hash), 0..80),
    ) {
        let [a, b, c, d] = numbers;
        let root = EMPTY_ROOT;
        let _ = verify_inclusion(&root, a, b, &hashes, &root);
        let _ = verify_consistency(a, b, &root, &root, &hashes);
        let _ = verify_subtree_inclusion(&root, a, b, c, &hashes, &root);
        let _ = verify_subtree_consistency(a, b, d, &root, &root, &hashes);
        let _ = (InclusionPlan::new(a, b), ConsistencyPlan::new(a, b), Frontier::nodes(a));
        if let Ok(mut frontier) = Frontier::from_parts(a, hashes) {
            frontier.push(root);
            let _ = frontier.root();
        }
    }
}
