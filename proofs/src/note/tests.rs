use proptest::prelude::*;

use super::*;
use crate::key::PrivateKey;

fn signer(name: &str, seed: u8) -> NoteSigner {
    NoteSigner::new(name, PrivateKey::from_seed(&[seed; 32])).unwrap()
}

fn note() -> SignedNote {
    sign("a text\n\nwith an empty line\n", &[signer("a.example", 1), signer("b.example", 2)]).unwrap()
}

#[test]
fn each_signer_is_found_and_no_other() {
    let note = SignedNote::parse(&note().to_string()).unwrap();
    for (name, seed) in [("a.example", 1), ("b.example", 2)] {
        assert_eq!(note.verify(&signer(name, seed).verifier()), Ok(()));
    }
    for (name, seed) in [("a.example", 2), ("b.example", 1), ("c.example", 1)] {
        assert_eq!(note.verify(&signer(name, seed).verifier()), Err(NoteError::NotSigned));
    }
}

#[test]
fn one_false_line_of_a_key_spoils_the_note() {
    let mut note = note();
    let mut line = note.signatures()[0].clone();
    line.signature[10] ^= 1;
    note.push(line);
    assert_eq!(note.verify(&signer("a.example", 1).verifier()), Err(NoteError::Signature));
    // Another's key is not concerned.
    assert_eq!(note.verify(&signer("b.example", 2).verifier()), Ok(()));
}

#[test]
fn lines_of_unknown_keys_are_passed_over() {
    let note = format!("{}— c.example {}\n", note(), encoding::b64([7; 2424]));
    assert_eq!(SignedNote::parse(&note).unwrap().verify(&signer("a.example", 1).verifier()), Ok(()));
}

#[test]
fn a_malformed_note_is_refused() {
    use NoteError as E;
    let good = note().to_string();
    let refuse = |text: &str| SignedNote::parse(text).expect_err("refused");
    assert_eq!(refuse(""), E::SignatureLine);
    assert_eq!(refuse("text\n"), E::SignatureLine);
    assert_eq!(refuse("text\n\n"), E::SignatureLine);
    assert_eq!(refuse(good.strip_suffix('\n').unwrap()), E::SignatureLine);
    assert_eq!(refuse(&format!("{good}\n")), E::SignatureLine);
    assert_eq!(refuse(&good.replace("— a", "- a")), E::SignatureLine);
    assert_eq!(refuse(&good.replace("— a.", "—  a.")), E::Name);
    assert_eq!(refuse(&good.replace("a.example", "a+example")), E::Name);
    assert_eq!(refuse(&good.replace("a.example", "a\u{a0}example")), E::Name);
    assert_eq!(refuse(&good.replace("=\n", "\n")), E::SignatureLine);
    assert_eq!(refuse(&good.replace("=\n", "=\r\n")), E::SignatureLine);
    assert_eq!(refuse(&good.replace("a text", "a\ttext")), E::Text);
    assert_eq!(refuse("text\n\n— a AAAAAA==\n"), E::SignatureLine);
    assert_eq!(refuse(&format!("text\n\n{}", "— a AAAAAAA=\n".repeat(SIGNATURES_MAX + 1))), E::TooLong);
    assert!(SignedNote::parse(&format!("text\n\n{}", "— a AAAAAAA=\n".repeat(SIGNATURES_MAX))).is_ok());
    assert_eq!(refuse(&"x".repeat(NOTE_BYTES_MAX + 1)), E::TooLong);
}

#[test]
fn what_cannot_be_signed_is_refused() {
    let signers = [signer("a.example", 1)];
    assert_eq!(sign("no newline", &signers), Err(NoteError::Text));
    assert_eq!(sign("a\rtext\n", &signers), Err(NoteError::Text));
    assert_eq!(sign::<NoteSigner>("text\n", &[]), Err(NoteError::NotSigned));
    for name in ["", "a b", "a+b", "a\u{2003}b", "a\nb"] {
        assert!(NoteSigner::new(name, PrivateKey::from_seed(&[1; 32])).is_err(), "{name:?}");
    }
}

proptest! {
    #[test]
    fn what_is_read_is_written_the_same(at in any::<prop::sample::Index>(), with in any::<char>()) {
        let mut text: Vec<char> = note().to_string().chars().collect();
        let at = at.index(text.len());
        text[at] = with;
        let text: String = text.into_iter().collect();
        if let Ok(read) = SignedNote::parse(&text) {
            prop_assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn no_input_panics(text in any::<String>(), key in ".{0,20}\\+[0-9a-f]{8}\\+.{0,60}", lines in "(— ?.{0,9}\n|\n){0,6}") {
        let _ = (SignedNote::parse(&text), text.parse::<VerifierKey>());
        let _ = (key.parse::<VerifierKey>(), SignedNote::parse(&lines));
    }
}

#[test]
fn a_cosignature_verifies_at_its_time_and_under_its_name() {
    let cosigner = Cosigner::new("w.example", PrivateKey::from_seed(&[5; 32])).unwrap();
    let mut note = note();
    let line = cosigner.cosign(note.text(), 1_679_315_147).unwrap();
    let told = format!("{line}\n");
    assert_eq!(NoteSignature::parse_lines(&told), Ok(vec![line.clone()]));
    assert_eq!(NoteSignature::parse_lines(&told.repeat(2)).map(|lines| lines.len()), Ok(2));
    for wrong in ["", "\n", &told[..told.len() - 1], &format!("{told}\n")] {
        assert_eq!(NoteSignature::parse_lines(wrong), Err(NoteError::SignatureLine), "{wrong:?}");
    }
    note.push(line);
    assert_eq!(note.cosigned_at(&cosigner.verifier()), Ok(1_679_315_147));
    let other = Cosigner::new("v.example", PrivateKey::from_seed(&[5; 32])).unwrap();
    assert_eq!(note.cosigned_at(&other.verifier()), Err(NoteError::NotSigned));
    note.remove(&cosigner.verifier());
    assert_eq!(note.cosigned_at(&cosigner.verifier()), Err(NoteError::NotSigned));
    assert_eq!(note.verify(&signer("a.example", 1).verifier()), Ok(()));
    assert_eq!(cosigner.cosign(note.text(), u64::MAX), Err(NoteError::Signature), "no such time");
}
