use std::slice::from_ref;

use proptest::prelude::*;

use super::*;
use crate::hash::leaf_hash;
use crate::key::PrivateKey;
use crate::merkle::{ConsistencyPlan, root};
use crate::note::{NoteSigner, sign};
use crate::tile::locate;

const ORIGIN: &str = "log.example/registers/permits";

fn signer(seed: u8) -> NoteSigner {
    NoteSigner::new(ORIGIN, PrivateKey::from_seed(&[seed; 32])).unwrap()
}

fn leaves(size: u64, branch: u8) -> Vec<Hash> {
    (0..size)
        .map(|n| leaf_hash(&[&n.to_be_bytes()[..], &[if n < 3 { 0 } else { branch }]].concat()))
        .collect()
}

fn head(size: u64, branch: u8) -> Head {
    Head { size, root: root(&leaves(size, branch)) }
}

/// The honest proof of one branch.
fn proof(old: u64, new: u64, branch: u8) -> Vec<Hash> {
    if old == 0 || old == new {
        return Vec::new();
    }
    let leaves = leaves(new, branch);
    let plan = ConsistencyPlan::new(old, new).unwrap();
    let node = |node: crate::merkle::Node| {
        let start = usize::try_from(node.index << node.level).unwrap();
        Some(root(&leaves[start..start + (1 << node.level)]))
    };
    assert!(plan.nodes().iter().all(|node| locate(*node).count > 0));
    plan.assemble(node).unwrap()
}

fn request(old: u64, new: u64, branch: u8) -> AddCheckpoint {
    let Head { size, root } = head(new, branch);
    let text = format!("{ORIGIN}\n{size}\n{root}\n");
    AddCheckpoint { old_size: old, proof: proof(old, new, branch), note: sign(&text, &[signer(1)]).unwrap() }
}

fn decide(request: &AddCheckpoint, known: Option<Head>) -> Result<Head, Refusal> {
    request.decide(&request.open(&[signer(1).verifier()])?, known)
}

#[test]
fn a_tree_that_grows_is_cosigned() {
    assert_eq!(decide(&request(0, 0, 0), None), Ok(head(0, 0)));
    assert_eq!(decide(&request(0, 5, 0), None), Ok(head(5, 0)));
    assert_eq!(decide(&request(0, 5, 0), Some(head(0, 0))), Ok(head(5, 0)));
    assert_eq!(decide(&request(5, 9, 0), Some(head(5, 0))), Ok(head(9, 0)));
    assert_eq!(decide(&request(5, 5, 0), Some(head(5, 0))), Ok(head(5, 0)), "the same again");
}

#[test]
fn each_refusal_is_of_its_kind() {
    let known = Some(head(5, 0));
    assert_eq!(decide(&request(4, 9, 0), known), Err(Refusal::Conflict { size: 5 }));
    assert_eq!(decide(&request(0, 9, 0), known), Err(Refusal::Conflict { size: 5 }));
    assert_eq!(decide(&request(3, 9, 0), None), Err(Refusal::Conflict { size: 0 }));
    // Rolled back: the log does not even know the size.
    assert_eq!(decide(&request(4, 4, 0), known), Err(Refusal::Conflict { size: 5 }));
    let mut back = request(0, 4, 0);
    back.old_size = 5;
    assert_eq!(decide(&back, known), Err(Refusal::OldSize));
    // Forked: another tree of the size, and another tree that is larger, with its own honest proof.
    assert_eq!(decide(&request(5, 5, 1), known), Err(Refusal::Fork { size: 5 }));
    assert_eq!(decide(&request(5, 9, 1), known), Err(Refusal::Proof));
    for wrong in [proof(4, 9, 0), Vec::new(), [proof(5, 9, 0), vec![EMPTY_ROOT]].concat()] {
        assert_eq!(decide(&AddCheckpoint { proof: wrong, ..request(5, 9, 0) }, known), Err(Refusal::Proof));
    }
    let padded = AddCheckpoint { proof: vec![EMPTY_ROOT], ..request(0, 5, 0) };
    assert_eq!(decide(&padded, None), Err(Refusal::Proof), "from nothing there is nothing to show");
    let same = AddCheckpoint { proof: vec![EMPTY_ROOT], ..request(5, 5, 0) };
    assert_eq!(decide(&same, known), Err(Refusal::Proof));
    // No tree of no leaves has another root than that of nothing.
    let mut empty = request(0, 0, 0);
    empty.note = sign(&format!("{ORIGIN}\n0\n{}\n", head(3, 0).root), &[signer(1)]).unwrap();
    assert_eq!(decide(&empty, None), Err(Refusal::Fork { size: 0 }));
    for (refusal, status) in [
        (Refusal::Malformed, 400),
        (Refusal::OldSize, 400),
        (Refusal::Untrusted, 403),
        (Refusal::UnknownLog, 404),
        (Refusal::Conflict { size: 1 }, 409),
        (Refusal::Fork { size: 1 }, 409),
        (Refusal::Proof, 422),
    ] {
        assert_eq!(refusal.status(), status);
        assert_eq!(refusal.size().is_some(), status == 409);
    }
}

#[test]
fn any_key_of_the_log_will_do_and_no_other() {
    let (old, new, thief) = (signer(1), signer(2), signer(3));
    let keys = [old.verifier(), new.verifier()];
    let text = format!("{ORIGIN}\n0\n{EMPTY_ROOT}\n");
    let open = |signers: &[NoteSigner], keys: &[VerifierKey]| {
        let note = sign(&text, signers).unwrap();
        AddCheckpoint { old_size: 0, proof: Vec::new(), note }.open(keys).map(|head| head.size)
    };
    for signers in
        [from_ref(&old), from_ref(&new), &[new.clone(), old.clone()], &[thief.clone(), old.clone()]]
    {
        assert_eq!(open(signers, &keys), Ok(0));
    }
    assert_eq!(open(&[thief], &keys), Err(Refusal::Untrusted));
    assert_eq!(open(from_ref(&old), &[]), Err(Refusal::UnknownLog));
    // A cosignature is no log's signature, even with the same key.
    let cosigner = crate::note::Cosigner::new(ORIGIN, PrivateKey::from_seed(&[1; 32])).unwrap();
    assert_eq!(open(from_ref(&old), &[cosigner.verifier()]), Err(Refusal::UnknownLog));
    let mut spoilt = sign(&text, &[old, new]).unwrap();
    let mut line = spoilt.signatures()[0].clone();
    line.signature[3] ^= 1;
    spoilt.push(line);
    let spoilt = AddCheckpoint { old_size: 0, proof: Vec::new(), note: spoilt };
    assert_eq!(spoilt.open(&keys), Err(Refusal::Untrusted));
    let note = sign("no checkpoint\n", &[signer(1)]).unwrap();
    let bare = AddCheckpoint { old_size: 0, proof: Vec::new(), note };
    assert_eq!(bare.open(&keys), Err(Refusal::Malformed));
}

#[test]
fn requests_are_read_as_they_are_written() {
    use AddCheckpointError as E;
    for request in [request(0, 0, 0), request(0, 5, 0), request(5, 9, 0), request(7, 300, 0)] {
        assert_eq!(request.to_string().parse(), Ok(request));
    }
    let good = request(5, 9, 0).to_string();
    let refuse = |text: &str| text.parse::<AddCheckpoint>().expect_err("refused");
    for (text, error) in [
        (String::new(), E::OldSize),
        (good.replace("old 5", "old 05"), E::OldSize),
        (good.replace("old 5", "old -5"), E::OldSize),
        (good.replace("old 5", "old  5"), E::OldSize),
        (good.replace("old 5", "new 5"), E::OldSize),
        (good.replace("old 5\n", "old 18446744073709551616\n"), E::OldSize),
        (good.replacen("=\n", "\n", 1), E::Proof),
        (good.replacen('\n', "\r\n", 1), E::OldSize),
        ("old 5\n".to_owned(), E::Proof),
        (format!("old 5\n{}\n{good}", format!("{EMPTY_ROOT}\n").repeat(64)), E::Proof),
        ("old 5\n\n".to_owned(), E::Note(NoteError::SignatureLine)),
        (good.strip_suffix('\n').unwrap().to_owned(), E::Note(NoteError::SignatureLine)),
        ("x".repeat(REQUEST_BYTES_MAX + 1), E::TooLong),
    ] {
        assert_eq!(refuse(&text), error, "{text:.100}");
    }
}

#[test]
fn a_size_is_a_decimal_and_a_newline() {
    assert_eq!(parse_size("20852163\n"), Some(20_852_163));
    for wrong in ["", "\n", "5", "05\n", "5\n\n", "-5\n", "18446744073709551616\n", "five\n"] {
        assert_eq!(parse_size(wrong), None, "{wrong:?}");
    }
}

proptest! {
    /// However checkpoints of two branches arrive: what is cosigned is one branch, and never shrinks.
    #[test]
    fn never_two_roots_for_one_size(asked in proptest::collection::vec((0_u64..9, 0_u64..9, 0_u8..2), 1..30)) {
        let mut known: Option<Head> = None;
        let mut cosigned: Vec<Head> = Vec::new();
        for (old, more, branch) in asked {
            let old = if old == 8 { known.map_or(0, |head| head.size) } else { old };
            if let Ok(head) = decide(&request(old, old + more, branch), known) {
                prop_assert!(known.is_none_or(|known| known.size <= head.size));
                cosigned.push(head);
                known = Some(head);
            }
        }
        for one in &cosigned {
            prop_assert!(cosigned.iter().all(|other| other.size != one.size || other.root == one.root));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,200}") {
        let _ = text.parse::<AddCheckpoint>();
        let _ = parse_size(&text);
    }
}
