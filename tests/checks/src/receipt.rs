//! Receipts.

use proofs::jcs;
use proofs::key::PrivateKey;
use proofs::note::{KeyType, VerifierKey};
use proofs::receipt::{Receipt, ReceiptError};

use crate::told;

/// A receipt says the same when it is written and read again; verifying it gives a verdict, and a good one only of what is
/// signed with the keys that it is checked with.
pub fn receipt(bytes: &[u8]) -> bool {
    let receipt = match Receipt::parse(bytes) {
        Ok(receipt) => receipt,
        Err(error) => {
            told(&error);
            return false;
        }
    };
    let value = serde_json::to_value(&receipt).expect("a receipt is JSON");
    let canonical = jcs::canonical(&value).expect("of any JSON that was read");
    let read = jcs::parse(bytes).expect("it was read");
    assert_eq!(jcs::canonical(&read), Ok(canonical.clone()), "nothing of it was lost");
    assert!(Receipt::parse(&canonical).is_ok_and(|again| again == receipt));
    let issuer = PrivateKey::from_seed(&[1; 32]).public();
    let origin = receipt.proof.checkpoint.lines().next().unwrap_or_default();
    let Ok(log) = VerifierKey::new(origin, KeyType::Ed25519, issuer) else { return true };
    match receipt.verify(&log, |_, kid, _| (issuer.kid() == *kid).then_some(issuer)) {
        Ok(verified) => {
            assert_eq!(verified.leaf.to_bytes(), receipt.leaf);
            assert_eq!(verified.body_shown, receipt.body.is_some());
            // Nobody else's key will do, for the log or for the issuer.
            let stranger = PrivateKey::from_seed(&[2; 32]).public();
            let other = VerifierKey::new(origin, KeyType::Ed25519, stranger).expect("the same name");
            assert!(receipt.verify(&other, |_, _, _| Some(issuer)).is_err());
            assert!(receipt.verify(&log, |_, _, _| Some(stranger)).is_err());
            assert_eq!(receipt.verify(&log, |_, _, _| None), Err(ReceiptError::Key));
            let moved = Receipt { index: receipt.index ^ 1, ..receipt };
            assert_eq!(moved.verify(&log, |_, _, _| Some(issuer)), Err(ReceiptError::Index));
        }
        Err(error) => told(&error),
    }
    true
}
