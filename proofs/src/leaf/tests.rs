use proptest::prelude::*;

use super::*;
use crate::jcs;
use crate::key::PrivateKey;
use crate::statement::{STATEMENT_BYTES_MAX, Statement};

fn leaf() -> Leaf {
    let statement = Statement {
        register: "fines".parse().unwrap(),
        record: "0197a0c4-5d1e-7abc-8def-0123456789ab".parse().unwrap(),
        version: 2,
        entry_type: "paid".parse().unwrap(),
        effective_at: "2026-02-28T09:30:00.000Z".parse().unwrap(),
        issuer: "gibdd".parse().unwrap(),
        body: crate::body::BodyDigest([5; 32]),
    };
    Leaf {
        recorded_at: "2026-02-28T09:30:01.234Z".parse().unwrap(),
        statement: statement.sign(&PrivateKey::from_seed(&[3; 32])),
    }
}

#[test]
fn the_bytes_are_canonical_and_parse_to_the_same() {
    let bytes = leaf().to_bytes();
    assert_eq!(Leaf::parse(&bytes), Ok(leaf()));
    assert_eq!(jcs::canonical(&jcs::parse(&bytes).unwrap()).unwrap(), bytes);
    assert_eq!(leaf().hash(), leaf_hash(&bytes));
    assert_eq!(bytes.len(), FRAME_BYTES + leaf().statement.as_str().len());
    assert_eq!(STATEMENT_BYTES_MAX + FRAME_BYTES, LEAF_BYTES_MAX);
}

#[test]
fn other_bytes_for_the_same_leaf_are_refused() {
    let text = String::from_utf8(leaf().to_bytes()).unwrap();
    let refuse = |text: &str| Leaf::parse(text.as_bytes()).expect_err("refused");
    assert_eq!(refuse(&format!("{text} ")), LeafError::NotCanonical);
    assert_eq!(refuse(&text.replace("\":\"", "\": \"")), LeafError::NotCanonical);
    assert_eq!(refuse(&text.replace("\"}", "\",\"more\":1}")), LeafError::Json);
    assert_eq!(refuse(&text.replace("01.234Z", "01Z")), LeafError::RecordedAt);
    assert_eq!(refuse(&text.replace("2026-02-28T", "2026-02-30T")), LeafError::RecordedAt);
    assert_eq!(refuse(&format!("{text}{text}")), LeafError::Json);
    assert_eq!(refuse(&"x".repeat(LEAF_BYTES_MAX + 1)), LeafError::TooLong);
    assert_eq!(refuse("{}"), LeafError::Json);
    let members = format!("[\"{}\",\"{}\"]", leaf().recorded_at, leaf().statement);
    assert_eq!(refuse(&members), LeafError::NotCanonical);
    let swapped =
        format!("{{\"statement\":\"{}\",\"recorded_at\":\"{}\"}}", leaf().statement, leaf().recorded_at);
    assert_eq!(refuse(&swapped), LeafError::NotCanonical);
    let empty = "{\"recorded_at\":\"2026-02-28T09:30:01.234Z\",\"statement\":\"\"}";
    assert_eq!(refuse(empty), LeafError::Statement(StatementError::Parts));
}

proptest! {
    #[test]
    fn what_is_read_is_written_the_same(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = leaf().to_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = Leaf::parse(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes);
        }
    }

    #[test]
    fn no_input_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Leaf::parse(&bytes);
    }
}
