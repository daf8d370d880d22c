//! What witnesses are asked, and whose cosignatures suffice.

use proofs::hash::EMPTY_ROOT;
use proofs::key::PrivateKey;
use proofs::merkle::verify_consistency;
use proofs::note::{KeyType, NoteSignature, SignedNote, VerifierKey};
use proofs::policy::{POLICY_BYTES_MAX, Policy};
use proofs::witness::{AddCheckpoint, Head, Refusal};

use crate::told;

/// A request has one encoding. It is granted by nobody who knows other keys, never past what was cosigned, and only where the
/// proof holds.
pub fn request(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let request: AddCheckpoint = match text.parse() {
        Ok(request) => request,
        Err(error) => {
            told(&error);
            return false;
        }
    };
    assert_eq!(request.to_string(), text, "a request re-encodes to the text it came from");
    assert_eq!(request.open(&[]), request.open(&[]).and(Err(Refusal::UnknownLog)), "a log without keys");
    let stranger = PrivateKey::from_seed(&[2; 32]).public();
    let Ok(key) = VerifierKey::new(request.origin(), KeyType::Ed25519, stranger) else { return true };
    assert!(request.open(std::slice::from_ref(&key)).is_err(), "it opens with a stranger's key");
    let ours = PrivateKey::from_seed(&[1; 32]).public();
    let key = VerifierKey::new(request.origin(), KeyType::Ed25519, ours).expect("the same name");
    let Ok(checkpoint) = request.open(std::slice::from_ref(&key)) else { return true };
    let same = Head { size: checkpoint.size, root: checkpoint.root };
    let other = Head { size: checkpoint.size, root: proofs::hash::Hash([1; 32]) };
    let ahead = Head { size: checkpoint.size + 1, root: checkpoint.root };
    let unknown = Head { size: request.old_size, root: proofs::hash::Hash([1; 32]) };
    for known in [None, Some(same), Some(other), Some(ahead), Some(unknown)] {
        let head = known.unwrap_or(Head { size: 0, root: EMPTY_ROOT });
        match request.decide(&checkpoint, known) {
            Ok(granted) => {
                assert_eq!(granted, same);
                assert!(head.size == request.old_size && head.size <= granted.size);
                assert!(head.size < granted.size || head.root == granted.root, "two roots for one size");
                let grows =
                    verify_consistency(head.size, granted.size, &head.root, &granted.root, &request.proof);
                assert!(head.size == 0 || grows.is_ok());
            }
            Err(refusal) => assert!((400..500).contains(&refusal.status())),
        }
    }
    true
}

/// A policy's quorum is met by all of its witnesses and, where it asks for one, by none of them not; whoever cosigns more does
/// not make less of it. Signature lines are read as they stand in a note.
pub fn policy(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    lines(text);
    let policy: Policy = match text.parse() {
        Ok(policy) => policy,
        Err(fault) => {
            told(&fault);
            return false;
        }
    };
    assert!(text.len() <= POLICY_BYTES_MAX);
    let none = policy.met(|_| false);
    assert_eq!(none, policy.asks_for_none());
    assert!(policy.met(|_| true), "a quorum that nobody could meet");
    let half = |witness: &proofs::policy::Witness| witness.name.len().is_multiple_of(2);
    let more = |witness: &proofs::policy::Witness| half(witness) || witness.name.len().is_multiple_of(3);
    assert!(!policy.met(half) || policy.met(more), "one more cosignature made less of it");
    true
}

fn lines(text: &str) {
    let alone = NoteSignature::parse_lines(text);
    let in_note = SignedNote::parse(&format!("text\n\n{text}"));
    if let Ok(lines) = &alone
        && let Ok(note) = &in_note
    {
        assert_eq!(lines.as_slice(), note.signatures());
    }
}
