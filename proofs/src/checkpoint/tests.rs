use proptest::prelude::*;

use super::*;
use crate::hash::EMPTY_ROOT;
use crate::key::PrivateKey;

fn signer(name: &str) -> NoteSigner {
    NoteSigner::new(name, PrivateKey::from_seed(&[1; 32])).unwrap()
}

fn checkpoint() -> Checkpoint {
    let origin = origin("registers.example.gov", &"fines".parse().unwrap());
    Checkpoint { origin, size: 0, root: EMPTY_ROOT, extensions: Vec::new() }
}

#[test]
fn a_signed_checkpoint_opens_with_its_key_only() {
    let signer = signer("registers.example.gov/registers/fines");
    let note = checkpoint().sign(&signer).unwrap();
    assert_eq!(open(&note, &signer.verifier()), Ok(checkpoint()));
    let other = NoteSigner::new(signer.name(), PrivateKey::from_seed(&[2; 32])).unwrap();
    assert_eq!(open(&note, &other.verifier()), Err(CheckpointError::Note(NoteError::NotSigned)));
    let grown = note.replace("\n0\n", "\n1\n");
    assert_eq!(open(&grown, &signer.verifier()), Err(CheckpointError::Note(NoteError::Signature)));
}

/// A key of one register must not speak for another, even where both were signed by it.
#[test]
fn the_origin_is_the_name_of_the_key() {
    let other = signer("registers.example.gov/registers/debts");
    assert_eq!(checkpoint().sign(&other), Err(CheckpointError::Origin));
    let note = note::sign(&checkpoint().to_text(), std::slice::from_ref(&other)).unwrap();
    assert_eq!(open(&note.to_string(), &other.verifier()), Err(CheckpointError::Origin));
    let witness = VerifierKey::new("w", KeyType::Cosignature, *other.verifier().key()).unwrap();
    assert_eq!(open(&note.to_string(), &witness), Err(CheckpointError::KeyType));
}

#[test]
fn a_malformed_text_is_refused() {
    let root = EMPTY_ROOT;
    for text in [
        String::new(),
        "o\n0\n".into(),
        format!("o\n0\n{root}"),
        format!("\n0\n{root}\n"),
        format!("o\n\n{root}\n"),
        format!("o\n00\n{root}\n"),
        format!("o\n01\n{root}\n"),
        format!("o\n+1\n{root}\n"),
        format!("o\n-1\n{root}\n"),
        format!("o\n 1\n{root}\n"),
        format!("o\n18446744073709551616\n{root}\n"),
        format!("o\n1\n{}\n", root.hex()),
        format!("o\n1\n{root}\n\n"),
        format!("o\n1\n{root}\n\next\n"),
        format!("o\r\n1\n{root}\n"),
        format!("o\n1\n{root}\n\u{7f}\n"),
    ] {
        assert_eq!(Checkpoint::parse(&text), Err(CheckpointError::Text), "{text:?}");
    }
    let extended = Checkpoint::parse(&format!("o\n1\n{root}\next 1\next 2\n")).unwrap();
    assert_eq!(extended.extensions, ["ext 1", "ext 2"]);
}

#[test]
fn what_would_not_parse_is_not_signed() {
    let signer = signer("o");
    let with = |extension: &str| Checkpoint {
        origin: "o".into(),
        extensions: vec![extension.into()],
        ..checkpoint()
    };
    assert_eq!(with("").sign(&signer), Err(CheckpointError::Text));
    assert_eq!(with("a\nb").sign(&signer), Err(CheckpointError::Text));
    assert!(with("fine").sign(&signer).is_ok());
}

proptest! {
    #[test]
    fn what_is_read_is_written_the_same(text in "[a-z\n0-9 ]{0,20}\n[0-9]{1,22}\n(47DEQpj8HBSa\\+/TImW\\+5JCeuQeRkm5NMpJWZG3hSuFU=)?\n.{0,9}") {
        if let Ok(read) = Checkpoint::parse(&text) {
            prop_assert_eq!(read.to_text(), text);
        }
    }

    #[test]
    fn no_input_panics(text in any::<String>()) {
        let _ = (Checkpoint::parse(&text), open(&text, &signer("o").verifier()));
    }
}
