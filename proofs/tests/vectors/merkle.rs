//! transparency-dev/merkle: inclusion, consistency and the same for subtrees, valid and corrupted.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proofs::hash::{Hash, sha256};
use proofs::merkle::{
    ProofError, verify_consistency, verify_inclusion, verify_subtree_consistency, verify_subtree_inclusion,
};
use serde::Deserialize;
use serde_json::Value;

use crate::{files, fixture};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Inclusion {
    leaf_idx: u64,
    tree_size: u64,
    root: Value,
    leaf_hash: Value,
    proof: Value,
    #[serde(rename = "desc")]
    _desc: String,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SubtreeInclusion {
    leaf_idx: u64,
    start: u64,
    end: u64,
    root: Value,
    leaf_hash: Value,
    proof: Value,
    #[serde(rename = "desc")]
    _desc: String,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Consistency {
    size1: u64,
    size2: u64,
    root1: Value,
    root2: Value,
    proof: Value,
    #[serde(rename = "desc")]
    _desc: String,
    want_err: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SubtreeConsistency {
    start: u64,
    end: u64,
    size: u64,
    root1: Value,
    root2: Value,
    proof: Value,
    #[serde(rename = "desc")]
    _desc: String,
    want_err: bool,
}

/// The vectors' hashes are any bytes; ours are 32. Roots of another length become hashes of their own, so that what was
/// equal stays equal and what was not does not: some cases that are to be accepted have such roots.
fn root(value: &Value) -> Hash {
    let Value::String(text) = value else { panic!("no root: {value}") };
    let bytes = STANDARD.decode(text).expect("base64");
    Hash::from_slice(&bytes).unwrap_or_else(|_| sha256(&[b"not a hash: ", &bytes[..]].concat()))
}

/// A leaf's hash, or the hashes of a proof. The type keeps another length out, as all cases with one ask.
fn hash(value: &Value) -> Option<Hash> {
    match value {
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn hashes(value: &Value) -> Option<Vec<Hash>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(items) => items.iter().map(hash).collect(),
        other => panic!("no proof: {other}"),
    }
}

/// Runs every case of a folder, which must hold so many. `None`: refused before any proof was looked at.
fn run<C: for<'de> Deserialize<'de>>(
    folder: &str,
    count: usize,
    verify: impl Fn(&C) -> (Option<Result<(), ProofError>>, bool),
) {
    let paths = files(&fixture("merkle").join(folder));
    assert_eq!(paths.len(), count, "cases of {folder}");
    let (mut accepted, mut refused) = (0, 0);
    for path in paths {
        let case: C = serde_json::from_slice(&fs::read(&path).expect("readable")).expect("a case");
        let (result, want_err) = verify(&case);
        assert_eq!(result != Some(Ok(())), want_err, "{}: {result:?}", path.display());
        accepted += usize::from(result == Some(Ok(())));
        refused += usize::from(matches!(result, Some(Err(_))));
    }
    assert!(accepted > 0 && refused > accepted, "{folder} has cases of both kinds");
}

#[test]
fn inclusion() {
    run("inclusion", 98, |case: &Inclusion| {
        let verify = || {
            let (leaf, proof) = (hash(&case.leaf_hash)?, hashes(&case.proof)?);
            Some(verify_inclusion(&leaf, case.leaf_idx, case.tree_size, &proof, &root(&case.root)))
        };
        (verify(), case.want_err)
    });
}

#[test]
fn consistency() {
    run("consistency", 98, |case: &Consistency| {
        let (old, new) = (root(&case.root1), root(&case.root2));
        let verify = |proof: Vec<_>| verify_consistency(case.size1, case.size2, &old, &new, &proof);
        (hashes(&case.proof).map(verify), case.want_err)
    });
}

#[test]
fn subtree_inclusion() {
    run("subtreeinclusion", 204, |case: &SubtreeInclusion| {
        let verify = || {
            let (leaf, proof) = (hash(&case.leaf_hash)?, hashes(&case.proof)?);
            let root = root(&case.root);
            Some(verify_subtree_inclusion(&leaf, case.leaf_idx, case.start, case.end, &proof, &root))
        };
        (verify(), case.want_err)
    });
}

#[test]
fn subtree_consistency() {
    run("subtreeconsistency", 118, |case: &SubtreeConsistency| {
        let (part, whole) = (root(&case.root1), root(&case.root2));
        let verify = |proof: Vec<_>| {
            verify_subtree_consistency(case.start, case.end, case.size, &part, &whole, &proof)
        };
        (hashes(&case.proof).map(verify), case.want_err)
    });
}
