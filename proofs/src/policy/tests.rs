use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::key::PrivateKey;
use crate::note::{Cosigner, KeyType, NoteSigner, sign};

fn cosigner(number: u8) -> Cosigner {
    Cosigner::new(&format!("w{number}.example"), PrivateKey::from_seed(&[number; 32])).unwrap()
}

fn log() -> NoteSigner {
    NoteSigner::new("log.example/registers/permits", PrivateKey::from_seed(&[99; 32])).unwrap()
}

/// Lines of witnesses `w1`, `w2`, ….
fn witnesses(count: u8) -> String {
    let line = |n| format!("witness w{n} {} http://w{n}.example/\n", cosigner(n).verifier());
    (1..=count).map(line).collect()
}

fn note(cosigned: &[u8]) -> SignedNote {
    let mut note =
        sign("log.example/registers/permits\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n", &[log()])
            .unwrap();
    for n in cosigned {
        let line = cosigner(*n).cosign(note.text(), 1_700_000_000 + u64::from(*n)).unwrap();
        note.push(line);
    }
    note
}

fn quorum(policy: &str, cosigned: &[u8]) -> bool {
    policy.parse::<Policy>().unwrap().check(&note(cosigned)).quorum
}

fn refused(policy: &str) -> (usize, PolicyError) {
    let fault = policy.parse::<Policy>().expect_err("refused");
    (fault.line, fault.fault)
}

#[test]
fn a_quorum_is_one_two_or_all_of_some_or_of_groups_of_groups() {
    let w = witnesses(6);
    assert!(quorum("quorum none\n", &[]));
    assert!(quorum(&format!("{w}quorum none\n"), &[]));
    assert!(quorum(&format!("{w}quorum w2\n"), &[2]));
    assert!(!quorum(&format!("{w}quorum w2\n"), &[1, 3]));
    for (k, least) in [("any", 1), ("1", 1), ("2", 2), ("3", 3), ("all", 3)] {
        let policy = format!("{w}group g {k} w1 w2 w3\nquorum g\n");
        assert!(quorum(&policy, &[1, 2, 3][..least]), "{k}");
        assert!(!quorum(&policy, &[&[1, 2, 3][..least - 1], &[4, 5, 6]].concat()), "{k}");
    }
    let nested = format!(
        "{w}# both\n\t group x 2 w1 w2 w3 \n\ngroup y any w4 w5 w6\ngroup both all x y\nquorum both\n"
    );
    for (cosigned, met) in [(&[1, 3, 5][..], true), (&[1, 2, 3], false), (&[1, 5, 6], false), (&[], false)] {
        assert_eq!(quorum(&nested, cosigned), met, "{cosigned:?}");
    }
}

#[test]
fn who_cosigned_is_told_by_name_and_time() {
    let policy: Policy = format!("{}group g 2 w1 w2 w3\nquorum g\n", witnesses(3)).parse().unwrap();
    let verdict = policy.check(&note(&[3, 1]));
    let told: Vec<_> = verdict.cosigned.iter().map(|(name, time)| (name.as_str(), *time)).collect();
    assert_eq!(told, [("w1", 1_700_000_001), ("w3", 1_700_000_003)]);
    assert!(verdict.quorum && verdict.log);
    assert_eq!(policy.witnesses()[1].url.as_deref(), Some("http://w2.example/"));
}

#[test]
fn one_witness_counts_once_however_often_it_signs_and_a_false_line_spoils_the_note() {
    let policy: Policy = format!("{}group g 2 w1 w2\nquorum g\n", witnesses(2)).parse().unwrap();
    assert!(!policy.check(&note(&[1, 1])).quorum);
    let mut forged = note(&[1, 2]);
    let mut line = cosigner(2).cosign(forged.text(), 5).unwrap();
    line.signature[20] ^= 1;
    forged.push(line);
    let verdict = policy.check(&forged);
    assert_eq!((verdict.quorum, verdict.false_lines), (false, vec!["w2".to_owned()]));
    // The time is signed: it cannot be moved.
    let mut moved = note(&[1]);
    let mut line = cosigner(2).cosign(moved.text(), 5).unwrap();
    line.signature[7] = 6;
    moved.push(line);
    assert!(!policy.check(&moved).quorum);
    // A cosignature of another text is none of this.
    let mut other = note(&[1]);
    let text = "log.example/registers/permits\n1\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
    other.push(cosigner(2).cosign(text, 5).unwrap());
    assert!(!policy.check(&other).quorum);
}

#[test]
fn where_logs_are_named_one_of_them_must_have_signed() {
    let ours = format!("log {} https://log.example\nquorum none\n", log().verifier());
    assert!(ours.parse::<Policy>().unwrap().check(&note(&[])).log);
    let other = NoteSigner::new("log.example/registers/other", PrivateKey::from_seed(&[98; 32])).unwrap();
    let other = format!("log {}\nquorum none\n", other.verifier());
    assert!(!other.parse::<Policy>().unwrap().check(&note(&[])).log);
}

#[test]
fn what_is_wrong_is_refused_with_its_line() {
    use PolicyError as E;
    let w = witnesses(3);
    let (one, key, log) = (cosigner(1).verifier(), cosigner(9).verifier(), log().verifier());
    let renamed = VerifierKey::new("other", KeyType::Cosignature, *one.key()).unwrap();
    for (policy, line, fault) in [
        (String::new(), 1, E::NoQuorum),
        (w.clone(), 4, E::NoQuorum),
        ("quorum none".into(), 1, E::Newline),
        ("quorum none\r\n".into(), 1, E::Character),
        ("# \u{0}\nquorum none\n".into(), 1, E::Character),
        ("quorum none\nquorum none\n".into(), 2, E::SecondQuorum),
        (format!("{w}quorum w4\n"), 4, E::UnknownName),
        (format!("quorum w1\n{w}"), 1, E::UnknownName),
        ("quorum none none\n".into(), 1, E::Words),
        ("quorum\n".into(), 1, E::Words),
        ("witnesses w\n".into(), 1, E::Keyword),
        ("quorum\u{a0}none\n".into(), 1, E::Keyword),
        (format!("{w}witness w1 {key}\n"), 4, E::DuplicateName),
        (format!("witness none {key}\n"), 1, E::DuplicateName),
        (format!("{w}group w2 any w1\n"), 4, E::DuplicateName),
        (format!("{w}group none any w1\n"), 4, E::DuplicateName),
        (format!("{w}witness again {one}\n"), 4, E::DuplicateKey),
        (format!("{w}witness again {renamed}\n"), 4, E::DuplicateKey),
        (format!("log {log}\nlog {log}\n"), 2, E::DuplicateKey),
        (format!("witness w {log}\n"), 1, E::WitnessKey),
        (format!("log {key}\n"), 1, E::LogKey),
        (format!("witness w {key}x\n"), 1, E::Key(NoteError::VerifierKey)),
        (format!("witness {key}\n"), 1, E::Words),
        (format!("{w}group g any\n"), 4, E::Words),
        (format!("{w}group g any none\n"), 4, E::UnknownName),
        (format!("{w}group g any g\n"), 4, E::UnknownName),
        (format!("{w}group g any h\ngroup h any g\n"), 4, E::UnknownName),
        (format!("{w}group g 2 w1 w1\n"), 4, E::DuplicateMember),
        (format!("{w}group g any w1 w2\ngroup h any w2 w3\n"), 5, E::DuplicateMember),
        (format!("{w}group g 0 w1\n"), 4, E::Threshold),
        (format!("{w}group g 2 w1\n"), 4, E::Threshold),
        (format!("{w}group g 01 w1\n"), 4, E::Threshold),
        (format!("{w}group g most w1 w2\n"), 4, E::Threshold),
        (format!("{w}group g -1 w1\n"), 4, E::Threshold),
        (format!("{w}group g 99999999999999999999 w1\n"), 4, E::Threshold),
        (format!("#{}\n", "x".repeat(POLICY_BYTES_MAX)), 1, E::TooLong),
    ] {
        assert_eq!(refused(&policy), (line, fault), "{policy:.200}");
    }
    let said = "quorum x\n".parse::<Policy>().expect_err("refused").to_string();
    assert_eq!(said, "line 1: no witness or group of this name is defined before this line");
}

#[test]
fn groups_may_be_nested_as_deep_as_there_may_be_groups() {
    let mut policy = format!("{}group g0 any w1\n", witnesses(1));
    for n in 1..LINES_MAX {
        let _ = writeln!(policy, "group g{n} all g{}", n - 1);
    }
    let quorum_line = format!("quorum g{}\n", LINES_MAX - 1);
    assert!(quorum(&format!("{policy}{quorum_line}"), &[1]));
    assert!(!quorum(&format!("{policy}{quorum_line}"), &[]));
    let more = format!("{policy}group more all g{}\n{quorum_line}", LINES_MAX - 1);
    assert_eq!(refused(&more), (LINES_MAX + 2, PolicyError::TooLong));
}

proptest! {
    #[test]
    fn any_text_gives_a_policy_or_a_line(text in "([a-z0-9 #+/=\t]|\n|log |witness |group |quorum |none|any){0,60}") {
        let _ = text.parse::<Policy>();
    }

    #[test]
    fn a_threshold_is_a_count(k in 1_usize..6, cosigned in proptest::collection::btree_set(1_u8..6, 0..6)) {
        let cosigned: Vec<u8> = cosigned.into_iter().collect();
        let policy = format!("{}group g {k} w1 w2 w3 w4 w5\nquorum g\n", witnesses(5));
        prop_assert_eq!(quorum(&policy, &cosigned), cosigned.len() >= k);
    }
}
