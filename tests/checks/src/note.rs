//! Signed notes, checkpoints and verifier keys.

use proofs::checkpoint::{self, Checkpoint};
use proofs::key::PrivateKey;
use proofs::note::{KeyType, NOTE_BYTES_MAX, NoteSigner, SIGNATURES_MAX, SignedNote, VerifierKey};

use crate::told;

/// A note and the checkpoint in it have one encoding; one signed by us opens as what it was, and with no other key.
pub fn checkpoint(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let note = match SignedNote::parse(text) {
        Ok(note) => note,
        Err(error) => {
            told(&error);
            // A bare text, as a note holds it.
            return Checkpoint::parse(text).is_ok_and(|checkpoint| hold(&checkpoint, text));
        }
    };
    assert_eq!(note.to_string(), text, "a note re-encodes to the bytes it came from");
    assert!(text.len() <= NOTE_BYTES_MAX && (1..=SIGNATURES_MAX).contains(&note.signatures().len()));
    let key = PrivateKey::from_seed(&[1; 32]).public();
    for line in note.signatures() {
        for kind in [KeyType::Ed25519, KeyType::Cosignature] {
            let key = VerifierKey::new(&line.name, kind, key).expect("a name that a line has");
            let (verified, cosigned) = (note.verify(&key), note.cosigned_at(&key));
            assert!(cosigned.is_err() || verified.is_ok(), "a cosignature is a signature");
        }
    }
    match Checkpoint::parse(note.text()) {
        Ok(checkpoint) => hold(&checkpoint, note.text()),
        Err(error) => {
            told(&error);
            false
        }
    }
}

fn hold(checkpoint: &Checkpoint, text: &str) -> bool {
    assert_eq!(checkpoint.to_text(), text, "a checkpoint re-encodes to the text it came from");
    let (ours, other) = (PrivateKey::from_seed(&[1; 32]), PrivateKey::from_seed(&[2; 32]));
    let Ok(signer) = NoteSigner::new(&checkpoint.origin, ours) else { return true };
    match checkpoint.sign(&signer) {
        Ok(text) => {
            let opened = checkpoint::open(&text, &signer.verifier()).expect("what we sign opens");
            assert_eq!(opened, *checkpoint);
            let stranger = NoteSigner::new(&checkpoint.origin, other).expect("the same name").verifier();
            assert!(checkpoint::open(&text, &stranger).is_err(), "it opens with another key");
        }
        // A text that is no note's, or too long to be signed.
        Err(error) => told(&error),
    }
    true
}

/// A verifier key has one encoding.
pub fn verifier_key(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    match text.parse::<VerifierKey>() {
        Ok(key) => {
            assert_eq!(key.to_string(), text, "a key re-encodes to the text it came from");
            let again = VerifierKey::new(key.name(), key.key_type(), *key.key());
            assert_eq!(again, Ok(key));
            true
        }
        Err(error) => {
            told(&error);
            false
        }
    }
}
