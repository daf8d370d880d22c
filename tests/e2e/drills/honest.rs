//! Honest copies in every state: no audit may raise an alarm.

use serde_json::json;

use super::forge::{DEPARTMENTS, FIRST, Forge, LICENCES, Made, PERMITS, SECOND, entry};
use super::site::Stage;
use super::{text, witnessing};
use crate::outsider::verify;
use crate::shared::audit;

type Change = fn(&mut Forge);

/// Keeps so many entries of the licences.
fn keep(forge: &mut Forge, entries: usize) {
    forge.entries(LICENCES).truncate(entries);
}

pub const COPIES: &[(&str, Change)] = &[
    ("an installation whose department changed its key and whose register was redefined", |_| ()),
    ("a register with no entry", |f| f.entries(PERMITS).clear()),
    ("a register with one entry", |f| f.entries(PERMITS).truncate(1)),
    ("a register of 255 entries", |f| keep(f, 255)),
    ("a register of exactly 256 entries", |f| keep(f, 256)),
    ("a register of 257 entries", |f| keep(f, 257)),
    ("entries recorded at the very times of enrolment and revocation", |f| {
        f.at(LICENCES, 95).key = SECOND;
        f.at(LICENCES, 145).key = FIRST;
    }),
    ("entries recorded in one millisecond", |f| {
        for index in 0..3 {
            f.at(LICENCES, 60 + index).recorded_at = super::forge::minute(66);
        }
    }),
    ("an entry that takes effect long before it is recorded, and one long after", |f| {
        f.at(LICENCES, 70).statement.effective_at = super::forge::minute(-5_000_000);
        f.at(LICENCES, 71).statement.effective_at = super::forge::minute(5_000_000);
    }),
    ("a register whose key is being changed, so that both sign", super::keys::overlap),
    ("a register whose first key was retired", super::keys::rotated),
    ("a department whose key was stolen, so that statements are doubtful", super::keys::stolen),
    ("a register with a body that an order withholds", super::withholding::withheld),
    ("a department that was renamed", |f| {
        let title = json!({"ru": "Другое", "en": "Other"});
        let made = entry(DEPARTMENTS, (2, 4, "renamed"), 160, json!({"title": title}));
        f.add(DEPARTMENTS, made);
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn no_honest_copy_raises_an_alarm() {
    let stage = Stage::open().await;
    for (what, change) in COPIES {
        let mut forge = Forge::honest();
        change(&mut forge);
        stage.show(forge.site());
        let (code, report) = audit(&stage.url, &[]).await;
        assert_eq!(code, 0, "{what}: {report}");
        println!("honest: {what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_register_that_grows_raises_no_alarm_with_kept_state() {
    let stage = Stage::open().await;
    let kept = tempfile::tempdir().expect("a temporary directory");
    let whole = Forge::honest();
    for size in [0, 1, 2, 255, 256, 257, 300] {
        let mut forge = whole.clone();
        keep(&mut forge, size);
        stage.show(forge.site());
        let (code, report) = audit(&stage.url, &["--state", text(kept.path())]).await;
        assert_eq!(code, 0, "{size} entries: {report}");
    }
    let mut forge = whole;
    let made = entry(LICENCES, (3_000, 1, "issued"), 500, json!({"number": "L-3000"}));
    forge.add(LICENCES, Made { shown: true, ..made });
    stage.show(forge.site());
    let (code, report) = audit(&stage.url, &["--state", text(kept.path())]).await;
    assert_eq!(code, 0, "one more: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_keys_raises_no_alarm_with_kept_state_and_doubtful_statements_are_named() {
    let stage = Stage::open().await;
    let kept = tempfile::tempdir().expect("a temporary directory");
    for change in [|_: &mut Forge| (), super::keys::overlap, super::keys::rotated] {
        let mut forge = Forge::honest();
        change(&mut forge);
        stage.show(forge.site());
        let (code, report) = audit(&stage.url, &["--state", text(kept.path())]).await;
        assert_eq!(code, 0, "{report}");
    }
    let mut forge = Forge::honest();
    super::keys::stolen(&mut forge);
    stage.show(forge.site());
    let (code, report) = audit(&stage.url, &[]).await;
    assert_eq!(code, 0, "{report}");
    let licences =
        report["registers"].as_array().expect("registers").iter().find(|one| one["register"] == LICENCES);
    let doubtful = licences.expect("the licences")["doubtful"].as_array().expect("a list");
    let named: Vec<u64> = doubtful.iter().filter_map(|one| one["index"].as_u64()).collect();
    // Recorded at minute 60 and later, and signed with the first key: entries 55 to 115.
    assert_eq!(named, (55..=115).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn enough_witnesses_raise_no_alarm_with_the_audit_or_an_outsider() {
    let stage = Stage::open().await;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let policy = directory.path().join("policy");
    std::fs::write(&policy, witnessing::policy()).expect("the policy is written");
    let asks = ["--witness-policy", text(&policy)];
    for (cosigned, change) in
        [(&witnessing::WITNESSES[1..], super::keys::overlap as Change), (&witnessing::WITNESSES[..], |_| ())]
    {
        let mut forge = Forge::honest();
        change(&mut forge);
        forge.each_book(|book| book.witnesses = cosigned.to_vec());
        stage.show(forge.site());
        let (code, report) = audit(&stage.url, &asks).await;
        assert_eq!(code, 0, "{report}");
        let (code, said) = verify(&[&["url", &stage.url], &asks[..]].concat()).await;
        assert_eq!(code, 0, "{said}");
    }
    let mut forge = Forge::honest();
    forge.each_book(|book| book.witnesses = witnessing::WITNESSES[..1].to_vec());
    stage.show(forge.site());
    let (code, said) = verify(&[&["url", &stage.url], &asks[..]].concat()).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("fewer than the quorum"), "{said}");
}
