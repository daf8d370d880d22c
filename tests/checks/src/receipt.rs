//! Receipts, and the keys that they are examined with.

use proofs::checkpoint::origin;
use proofs::jcs;
use proofs::key::PrivateKey;
use proofs::keyring::{DepartmentKey, DepartmentKeys, Keyring, RegisterKey, RegisterKeys};
use proofs::leaf::Leaf;
use proofs::note::{KeyType, VerifierKey};
use proofs::receipt::{Receipt, ReceiptError, StepName, Verdict, examine, text};
use proofs::time::Timestamp;

use crate::told;

/// A receipt says the same when it is written and read again. Verifying it gives a verdict, the same by both ways, and a good
/// one only of what is signed with the keys that it is checked with.
pub fn receipt(bytes: &[u8]) -> bool {
    let on_paper = text::write(bytes);
    assert_eq!(text::find(on_paper.as_bytes()).as_deref(), Some(bytes), "what is printed is found again");
    let found = text::find(bytes);
    let bytes = found.as_deref().unwrap_or(bytes);
    let nobody = Keyring {
        log_name: "example.gov".to_owned(),
        registers: Vec::new(),
        departments: Vec::new(),
        witness_policy: None,
    };
    let stranger = examine(bytes, &nobody, None);
    assert!(stranger.verdict == Verdict::Faulty && stranger.proven.is_none(), "proved with no key at all");
    let receipt = match Receipt::parse(bytes) {
        Ok(receipt) => receipt,
        Err(error) => {
            told(&error);
            assert_eq!(stranger.failed(), Some(StepName::Receipt));
            return false;
        }
    };
    let value = serde_json::to_value(&receipt).expect("a receipt is JSON");
    let canonical = jcs::canonical(&value).expect("of any JSON that was read");
    let read = jcs::parse(bytes).expect("it was read");
    assert_eq!(jcs::canonical(&read), Ok(canonical.clone()), "nothing of it was lost");
    assert!(Receipt::parse(&canonical).is_ok_and(|again| again == receipt));
    verdicts(bytes, &receipt);
    true
}

fn verdicts(bytes: &[u8], receipt: &Receipt) {
    let issuer = PrivateKey::from_seed(&[1; 32]).public();
    let stranger = PrivateKey::from_seed(&[2; 32]).public();
    let name = receipt.proof.checkpoint.lines().next().unwrap_or_default();
    let Ok(log) = VerifierKey::new(name, KeyType::Ed25519, issuer) else { return };
    let verified = receipt.verify(&log, |_, kid, _| (issuer.kid() == *kid).then_some(issuer));
    if let Ok(leaf) = Leaf::parse(&receipt.leaf) {
        let examined = examine(bytes, &keys(&leaf, name, log.clone()), None);
        assert_eq!(examined.verdict == Verdict::Verified, verified.is_ok(), "{verified:?}, but {examined:?}");
        assert!(!examined.steps.iter().any(|step| step.detail.contains(char::is_control)));
    }
    match verified {
        Ok(verified) => {
            assert_eq!(verified.leaf.to_bytes(), receipt.leaf);
            assert_eq!(verified.body_shown, receipt.body.is_some());
            // Nobody else's key will do, for the log or for the issuer.
            let other = VerifierKey::new(name, KeyType::Ed25519, stranger).expect("the same name");
            assert!(receipt.verify(&other, |_, _, _| Some(issuer)).is_err());
            assert!(receipt.verify(&log, |_, _, _| Some(stranger)).is_err());
            assert_eq!(receipt.verify(&log, |_, _, _| None), Err(ReceiptError::Key));
            let moved = Receipt { index: receipt.index ^ 1, ..receipt.clone() };
            assert_eq!(moved.verify(&log, |_, _, _| Some(issuer)), Err(ReceiptError::Index));
        }
        Err(error) => told(&error),
    }
}

/// Our key, as that of the register and of the issuer, always in force.
fn keys(leaf: &Leaf, name: &str, log: VerifierKey) -> Keyring {
    let statement = leaf.statement.statement();
    let own = origin("", &statement.register);
    let log_name = name.strip_suffix(own.as_str()).unwrap_or("elsewhere.example").to_owned();
    let (from, until, compromised_since) = (Timestamp::MIN, None, None);
    let key = RegisterKey { vkey: log, from, until, compromised_since };
    let jwk = PrivateKey::from_seed(&[1; 32]).public().jwk();
    let theirs = DepartmentKey { jwk, from, until, compromised_since };
    Keyring {
        log_name,
        registers: vec![RegisterKeys { register: statement.register.clone(), keys: vec![key] }],
        departments: vec![DepartmentKeys { department: statement.issuer.clone(), keys: vec![theirs] }],
        witness_policy: None,
    }
}

/// Keys that are read say the same when they are written and read again.
pub fn keyring(bytes: &[u8]) -> bool {
    match Keyring::parse(bytes) {
        Ok(keyring) => {
            let written = serde_json::to_vec(&keyring).expect("keys are JSON");
            assert_eq!(Keyring::parse(&written), Ok(keyring));
            true
        }
        Err(error) => {
            told(&error);
            false
        }
    }
}
