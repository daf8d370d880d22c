use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::hash::Hash;
use crate::key::PrivateKey;
use crate::merkle::{self, InclusionPlan, Node};
use crate::note::{NoteError, NoteSigner};
use crate::statement::Statement;
use crate::tile::locate;

const LOG_NAME: &str = "registers.example.gov";
const SIZE: u8 = 6;
const INDEX: u64 = 4;

fn issuer() -> PrivateKey {
    PrivateKey::from_seed(&[1; 32])
}

fn log(register: &str) -> NoteSigner {
    let origin = checkpoint::origin(LOG_NAME, &register.parse().unwrap());
    NoteSigner::new(&origin, PrivateKey::from_seed(&[2; 32])).unwrap()
}

fn body() -> Value {
    json!({"number": "77 12 123456", "until": null, "sum": 10.5})
}

fn leaf(index: u8, register: &str) -> Leaf {
    let statement = Statement {
        register: register.parse().unwrap(),
        record: "0197a0c4-5d1e-7abc-8def-0123456789ab".parse().unwrap(),
        version: u64::from(index) + 1,
        entry_type: "issued".parse().unwrap(),
        effective_at: Timestamp::from_millis(0),
        issuer: "gibdd".parse().unwrap(),
        body: digest(&Salt([index; 16]), &jcs::canonical(&body()).unwrap()),
    };
    Leaf { recorded_at: Timestamp::from_millis(1000), statement: statement.sign(&issuer()) }
}

/// A receipt for the fifth of six leaves of `of`, in a log that says to be that of `register`.
fn receipt_of(of: &str, register: &str) -> Receipt {
    let leaves: Vec<Vec<u8>> = (0..SIZE).map(|index| leaf(index, of).to_bytes()).collect();
    let hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    let fetch = |node: Node| locate(node).hash(&hashes);
    let path = InclusionPlan::new(INDEX, SIZE.into()).unwrap().assemble(fetch).unwrap();
    let signer = log(register);
    let checkpoint = Checkpoint {
        origin: signer.name().to_owned(),
        size: SIZE.into(),
        root: merkle::root(&hashes),
        extensions: Vec::new(),
    };
    let checkpoint = checkpoint.sign(&signer).unwrap();
    Receipt {
        leaf: leaves[4].clone(),
        index: INDEX,
        proof: TlogProof { index: INDEX, extra: None, path, checkpoint },
        body: Some(body()),
        salt: Some(Salt([4; 16])),
    }
}

fn receipt() -> Receipt {
    receipt_of("fines", "fines")
}

fn verify(receipt: &Receipt) -> Result<VerifiedReceipt, ReceiptError> {
    receipt.verify(&log("fines").verifier(), |department, kid, moment| {
        assert_eq!((department.as_str(), moment), ("gibdd", Timestamp::from_millis(1000)));
        (*kid == issuer().kid()).then(|| issuer().public())
    })
}

fn refuse(change: impl FnOnce(&mut Receipt)) -> ReceiptError {
    let mut receipt = receipt();
    change(&mut receipt);
    verify(&receipt).expect_err("refused")
}

#[test]
fn a_good_receipt_proves_its_leaf() {
    let verified = verify(&receipt()).unwrap();
    assert_eq!(verified.leaf, leaf(4, "fines"));
    assert_eq!(verified.checkpoint.size, u64::from(SIZE));
    assert!(verified.body_shown);
}

#[test]
fn a_withheld_body_leaves_the_rest_proved() {
    let withheld = Receipt { body: None, salt: None, ..receipt() };
    assert!(!verify(&withheld).unwrap().body_shown);
    let json = serde_json::to_value(&withheld).unwrap();
    assert_eq!((&json["body"], &json["salt"]), (&Value::Null, &Value::Null));
}

#[test]
fn json_there_and_back() {
    let json = serde_json::to_value(receipt()).unwrap();
    let mut names: Vec<&String> = json.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["body", "index", "leaf", "proof", "salt"]);
    assert_eq!(json["salt"], "BAQEBAQEBAQEBAQEBAQEBA");
    assert!(json["proof"].as_str().unwrap().starts_with("c2sp.org/tlog-proof@v1\nindex 4\n"));
    assert!(Receipt::parse(json.to_string().as_bytes()).unwrap() == receipt());
}

#[test]
fn every_broken_link_of_the_chain_is_named() {
    use ReceiptError as E;
    assert_eq!(refuse(|receipt| receipt.index = 5), E::Index);
    assert_eq!(
        refuse(|receipt| (receipt.index, receipt.proof.index) = (5, 5)),
        E::Inclusion(ProofError::Root)
    );
    assert_eq!(
        refuse(|receipt| (receipt.index, receipt.proof.index) = (0, 0)),
        E::Inclusion(ProofError::Length)
    );
    assert_eq!(
        refuse(|receipt| (receipt.index, receipt.proof.index) = (6, 6)),
        E::Inclusion(ProofError::Range)
    );
    assert_eq!(refuse(|receipt| receipt.leaf[20] ^= 1), E::Inclusion(ProofError::Root));
    assert_eq!(refuse(|receipt| receipt.proof.path[0].0[0] ^= 1), E::Inclusion(ProofError::Root));
    assert_eq!(
        refuse(|receipt| receipt.proof.checkpoint = receipt.proof.checkpoint.replace("\n6\n", "\n7\n")),
        E::Checkpoint(CheckpointError::Note(NoteError::Signature))
    );
    assert_eq!(refuse(|receipt| receipt.salt = Some(Salt([5; 16]))), E::Digest);
    assert_eq!(refuse(|receipt| receipt.body = Some(json!({}))), E::Digest);
    assert_eq!(refuse(|receipt| receipt.body = Some(json!([]))), E::BodyKind);
    assert_eq!(refuse(|receipt| receipt.body = Some(json!({"n": 1e300}))), E::Body(JcsError::Number));
    assert_eq!(refuse(|receipt| receipt.body = None), E::Salt);
    assert_eq!(refuse(|receipt| receipt.salt = None), E::Salt);
}

#[test]
fn another_log_or_key_is_refused() {
    let none = receipt().verify(&log("fines").verifier(), |_, _, _| None);
    assert_eq!(none, Err(ReceiptError::Key));
    let other =
        receipt().verify(&log("fines").verifier(), |_, _, _| Some(PrivateKey::from_seed(&[9; 32]).public()));
    assert_eq!(other, Err(ReceiptError::Statement(StatementError::OtherKey)));
    let log_of_another = receipt().verify(&log("debts").verifier(), |_, _, _| Some(issuer().public()));
    assert_eq!(log_of_another, Err(ReceiptError::Checkpoint(CheckpointError::Note(NoteError::NotSigned))));
}

/// A log may hold only statements of its own register, also where one name ends in the other.
#[test]
fn a_statement_in_another_registers_log_is_refused() {
    for (of, register) in [("fines", "debts"), ("fines", "old-fines"), ("old-fines", "fines")] {
        let receipt = receipt_of(of, register);
        let result = receipt.verify(&log(register).verifier(), |_, _, _| Some(issuer().public()));
        assert_eq!(result, Err(ReceiptError::Register), "{of} in {register}");
    }
}

#[test]
fn what_is_no_receipt_is_refused() {
    let good = serde_json::to_value(receipt()).unwrap();
    for name in ["leaf", "index", "proof", "body", "salt"] {
        let mut json = good.clone();
        json.as_object_mut().unwrap().remove(name);
        let error = Receipt::parse(json.to_string().as_bytes()).expect_err("refused");
        assert_eq!(error, ReceiptError::Members, "{name}");
    }
    let mut json = good.clone();
    json["more"] = json!(1);
    assert_eq!(Receipt::parse(json.to_string().as_bytes()), Err(ReceiptError::Members));
    let twice = good.to_string().replace("\"sum\":10.5", "\"sum\":1,\"sum\":10.5");
    assert!(matches!(
        Receipt::parse(twice.as_bytes()),
        Err(ReceiptError::Json(JcsError::DuplicateName { .. }))
    ));
    assert_eq!(Receipt::parse(b"[]"), Err(ReceiptError::Members));
}

#[test]
fn a_body_is_not_shown_by_accident() {
    let shown =
        format!("{:?} {}", receipt(), refuse(|receipt| receipt.body = Some(json!({"n": "77 12 123457"}))));
    assert!(!shown.contains("77 12"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever one byte of the document is changed to: refused, or the very same claim.
    #[test]
    fn no_changed_byte_proves_anything_else(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = serde_json::to_vec(&receipt()).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(verified) = Receipt::parse(&bytes).and_then(|changed| verify(&changed)) {
            prop_assert_eq!(verified, verify(&receipt()).unwrap());
        }
    }

    #[test]
    fn no_input_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Receipt::parse(&bytes);
    }
}
