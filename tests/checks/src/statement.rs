//! Statements and leaves.

use proofs::jcs;
use proofs::key::PrivateKey;
use proofs::leaf::{LEAF_BYTES_MAX, Leaf};
use proofs::statement::{STATEMENT_BYTES_MAX, SignedStatement, StatementError};

use crate::told;

/// A statement is kept byte for byte; its payload is canonical; what it says makes the same statement under any key.
pub fn statement(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let signed = match SignedStatement::parse(text) {
        Ok(signed) => signed,
        Err(error) => {
            told(&error);
            return false;
        }
    };
    hold(&signed);
    assert_eq!(signed.as_str(), text, "a statement is kept byte for byte");
    true
}

fn hold(signed: &SignedStatement) {
    assert!(signed.as_str().len() <= STATEMENT_BYTES_MAX);
    let said = signed.statement();
    assert!((1..=jcs::NUMBER_MAX).contains(&said.version));
    let payload = said.payload();
    let value = jcs::parse(payload.as_bytes()).expect("a payload is JSON");
    assert_eq!(jcs::canonical(&value).expect("of any JSON"), payload.as_bytes(), "a payload is canonical");
    // The same said under a key of ours: read again as what it was, and under no other key.
    let (ours, other) = (PrivateKey::from_seed(&[1; 32]), PrivateKey::from_seed(&[2; 32]));
    let again = said.sign(&ours);
    let read = SignedStatement::parse(again.as_str()).expect("what we sign we read");
    assert_eq!(read.statement(), said);
    assert_eq!(read.verify(&ours.public()), Ok(()));
    assert_eq!(read.verify(&other.public()), Err(StatementError::OtherKey));
    // Theirs names its key: with ours it is good only if it is ours.
    if signed.verify(&ours.public()).is_ok() {
        assert_eq!(*signed.kid(), ours.kid());
    }
}

/// A leaf has one encoding, which is canonical JSON.
pub fn leaf(bytes: &[u8]) -> bool {
    let leaf = match Leaf::parse(bytes) {
        Ok(leaf) => leaf,
        Err(error) => {
            told(&error);
            return false;
        }
    };
    assert_eq!(leaf.to_bytes(), bytes, "a leaf re-encodes to the bytes it came from");
    assert!(bytes.len() <= LEAF_BYTES_MAX);
    let value = jcs::parse(bytes).expect("a leaf is JSON");
    assert_eq!(jcs::canonical(&value).expect("of any JSON"), bytes, "a leaf is canonical");
    assert_eq!(leaf.hash(), proofs::hash::leaf_hash(bytes));
    hold(&leaf.statement);
    true
}
