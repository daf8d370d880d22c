//! Drills on what witnesses have seen, for an auditor who asks for two of three.

use super::Place::Log;
use super::forge::{Forge, LICENCES, PERMITS, cosigner, entry};
use super::operator::{Deed, each};
use super::{Drill, text};

/// The witnesses that the auditor trusts.
pub const WITNESSES: [u8; 3] = [31, 32, 33];

/// Every register's checkpoint is cosigned by two of them.
pub fn witnessed(f: &mut Forge) {
    f.each_book(|book| book.witnesses = WITNESSES[..2].to_vec());
}

/// The auditor's policy.
pub fn policy() -> String {
    let witness = |(name, number): (&str, u8)| format!("witness {name} {}\n", cosigner(number).verifier());
    let witnesses: String = ["court", "press", "academy"].into_iter().zip(WITNESSES).map(witness).collect();
    format!("{witnesses}group two 2 court press academy\nquorum two\n")
}

/// A letter of the last signature line changed.
fn spoil(note: &str) -> String {
    let at = note.len() - 20;
    let other = if note.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &note[..at], &note[at + 1..])
}

pub const DRILLS: &[Drill<Deed>] = &[
    Drill::new("a checkpoint that no witness cosigned", "witness-quorum", Log(LICENCES), |f| {
        witnessed(f);
        f.book(LICENCES).witnesses.clear();
    }),
    Drill::new("a checkpoint that one witness cosigned", "witness-quorum", Log(LICENCES), |f| {
        witnessed(f);
        f.book(LICENCES).witnesses.truncate(1);
    }),
    Drill::new("a checkpoint that one witness cosigned twice", "witness-quorum", Log(LICENCES), |f| {
        witnessed(f);
        f.book(LICENCES).witnesses = vec![WITNESSES[0], WITNESSES[0]];
    }),
    Drill::new(
        "a checkpoint cosigned by witnesses whom nobody knows",
        "witness-quorum",
        Log(LICENCES),
        |f| {
            witnessed(f);
            f.book(LICENCES).witnesses = vec![41, 42, 43];
        },
    ),
    Drill::new("a cosignature of which a letter was changed", "witness-quorum", Log(LICENCES), |f| {
        witnessed(f);
        f.book(LICENCES).note = |note| spoil(&note);
    }),
    Drill::new("the cosignatures of another register's checkpoint", "witness-quorum", Log(LICENCES), |f| {
        witnessed(f);
        let foreign = f.checkpoint(PERMITS);
        f.book(LICENCES).witnesses.clear();
        f.book(LICENCES).lines = cosignatures(&foreign);
    }),
    Drill::new(
        "the newest entry replaced under the cosignatures of what was there",
        "witness-quorum",
        Log(LICENCES),
        |f| {
            witnessed(f);
            let seen = f.checkpoint(LICENCES);
            f.at(LICENCES, 299).body["about"] = "other".into();
            f.book(LICENCES).witnesses.clear();
            f.book(LICENCES).lines = cosignatures(&seen);
        },
    ),
    Drill::new(
        "the newest entry dropped under the cosignatures of what was there",
        "witness-quorum",
        Log(LICENCES),
        |f| {
            witnessed(f);
            let seen = f.checkpoint(LICENCES);
            f.entries(LICENCES).pop();
            f.book(LICENCES).witnesses.clear();
            f.book(LICENCES).lines = cosignatures(&seen);
        },
    ),
    Drill::new("a fork that grew on after what witnesses saw", "witness-quorum", Log(LICENCES), |f| {
        witnessed(f);
        f.at(LICENCES, 299).body["about"] = "other".into();
        f.add(LICENCES, entry(LICENCES, (2_000, 1, "issued"), 500, serde_json::json!({"number": "L-2000"})));
        f.book(LICENCES).witnesses.clear();
    }),
];

/// The lines of a note below its own register's signature.
fn cosignatures(note: &str) -> String {
    let (_, lines) = note.split_once("\n\n").expect("a note");
    lines.split_once('\n').map(|(_, more)| more.to_owned()).expect("cosignatures")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_drill_on_witnesses_is_found() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("policy");
    std::fs::write(&file, policy()).expect("the policy is written");
    each("witnesses", DRILLS, &["--witness-policy", text(&file)]).await;
}
