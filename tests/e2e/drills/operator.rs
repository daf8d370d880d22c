//! Drills of an operator who holds every key: whatever is changed, tiles, roots, checkpoints and lists follow.

use proofs::leaf::Leaf;
use proofs::statement::SignedStatement;
use serde_json::json;

use super::Place::{Entry, Log};
use super::forge::{
    DEPARTMENTS, FIRST, Forge, LICENCES, Made, PERMITS, PLATFORM, REGISTERS, SECOND, entry, key, minute,
    record,
};
use super::site::Stage;
use super::{Drill, Kept, Verdicts};

pub type Deed = fn(&mut Forge);

/// A leaf as its bytes are changed.
fn bytes(forge: &mut Forge, index: usize, change: impl FnOnce(String) -> String) {
    let made = forge.at(LICENCES, index);
    let leaf = String::from_utf8(made.leaf()).expect("JSON");
    made.leaf = Some(change(leaf).into_bytes());
}

/// A department that signs under a key which was never its own.
fn enrol(forge: &mut Forge, signed_with: u8) {
    let body = json!({"key": key(9).public().jwk()});
    let made = entry(DEPARTMENTS, (2, 4, "key-enrolled"), 160, body);
    forge.add(DEPARTMENTS, Made { key: signed_with, ..made });
}

pub const DRILLS: &[Drill<Deed>] = &[
    Drill::new(
        "a statement signed with a key that nobody enrolled",
        "key-in-force",
        Entry(LICENCES, 5),
        |f| f.at(LICENCES, 5).key = 9,
    ),
    Drill::new("a statement signed with another department's key", "key-in-force", Entry(LICENCES, 6), |f| {
        f.at(LICENCES, 6).key = PLATFORM;
    }),
    Drill::new(
        "a statement under the signature of another",
        "statement-signature",
        Entry(LICENCES, 7),
        |f| {
            let other = Leaf::parse(&f.at(LICENCES, 9).leaf()).expect("a leaf");
            let leaf = Leaf::parse(&f.at(LICENCES, 7).leaf()).expect("a leaf");
            let (said, _) = leaf.statement.as_str().rsplit_once('.').expect("a JWS");
            let (_, signature) = other.statement.as_str().rsplit_once('.').expect("a JWS");
            let statement = SignedStatement::parse(&format!("{said}.{signature}")).expect("a JWS");
            f.at(LICENCES, 7).leaf = Some(Leaf { statement, ..leaf }.to_bytes());
        },
    ),
    Drill::new(
        "an entry by a department that does not own the register",
        "issuer-owns-register",
        Entry(LICENCES, 9),
        |f| {
            let made = f.at(LICENCES, 9);
            (made.statement.issuer, made.key) = ("platform".parse().expect("a slug"), PLATFORM);
        },
    ),
    Drill::new("an entry by a department that there is not", "key-in-force", Entry(LICENCES, 10), |f| {
        f.at(LICENCES, 10).statement.issuer = "nobody".parse().expect("a slug");
    }),
    Drill::new(
        "an entry back-dated to before its issuer had a key",
        "key-in-force",
        Entry(LICENCES, 0),
        |f| {
            f.at(LICENCES, 0).recorded_at = minute(-10_000);
        },
    ),
    Drill::new(
        "an entry back-dated to before the register was defined",
        "definition-in-force",
        Entry(LICENCES, 0),
        |f| {
            f.at(LICENCES, 0).recorded_at = minute(1);
        },
    ),
    Drill::new(
        "an entry back-dated to before the one that precedes it",
        "recorded-order",
        Entry(LICENCES, 250),
        |f| {
            f.at(LICENCES, 250).recorded_at = f.at(LICENCES, 249).recorded_at.plus_millis(-1);
        },
    ),
    Drill::new(
        "an entry signed with a key that was revoked before",
        "key-in-force",
        Entry(LICENCES, 200),
        |f| f.at(LICENCES, 200).key = FIRST,
    ),
    Drill::new(
        "an entry signed with a key that was enrolled later",
        "key-in-force",
        Entry(LICENCES, 60),
        |f| f.at(LICENCES, 60).key = SECOND,
    ),
    Drill::new("the first entry of a record dropped", "version-without-gaps", Entry(LICENCES, 13), |f| {
        drop(f.entries(LICENCES).remove(12));
    }),
    Drill::new("an entry twice", "version-without-gaps", Entry(LICENCES, 21), |f| {
        let made = f.at(LICENCES, 20).clone();
        f.entries(LICENCES).insert(21, made);
    }),
    Drill::new("a version left out", "version-without-gaps", Entry(LICENCES, 23), |f| {
        f.at(LICENCES, 23).statement.version = 3;
    }),
    Drill::new("a version 0", "leaf", Entry(LICENCES, 24), |f| f.at(LICENCES, 24).statement.version = 0),
    Drill::new(
        "two versions of a record in the other order",
        "version-without-gaps",
        Entry(LICENCES, 27),
        |f| {
            f.entries(LICENCES).swap(27, 29);
            let (early, late) = (minute(5 + 27), minute(5 + 29));
            (f.at(LICENCES, 27).recorded_at, f.at(LICENCES, 29).recorded_at) = (early, late);
        },
    ),
    Drill::new("a leaf with a member more", "leaf", Entry(LICENCES, 31), |f| {
        bytes(f, 31, |leaf| leaf.replacen('{', "{\"a\":1,", 1));
    }),
    Drill::new("a leaf with a time to the second", "leaf", Entry(LICENCES, 32), |f| {
        bytes(f, 32, |leaf| leaf.replacen(".000Z", "Z", 1));
    }),
    Drill::new("a leaf whose statement is cut short", "leaf", Entry(LICENCES, 33), |f| {
        bytes(f, 33, |leaf| leaf[..leaf.len() - 20].to_owned() + "\"}");
    }),
    Drill::new("a statement of another register", "register", Entry(LICENCES, 36), |f| {
        f.at(LICENCES, 36).statement.register = PERMITS.parse().expect("a slug");
    }),
    Drill::new("an entry of a type that the definition has not", "type-known", Entry(LICENCES, 40), |f| {
        f.at(LICENCES, 40).statement.entry_type = "blessed".parse().expect("a type");
    }),
    Drill::new(
        "an entry of a type that came with a later definition",
        "type-known",
        Entry(LICENCES, 43),
        |f| {
            f.at(LICENCES, 43).statement.entry_type = "annulled".parse().expect("a type");
        },
    ),
    Drill::new("a step that the definition does not allow", "status-step", Entry(LICENCES, 44), |f| {
        f.at(LICENCES, 44).statement.entry_type = "reinstated".parse().expect("a type");
    }),
    Drill::new("a record that is in two registers", "one-register", Entry(PERMITS, 1), |f| {
        f.at(PERMITS, 1).statement.record = record(1_001);
    }),
    Drill::new("a body that is not the one that was signed", "digest", Entry(LICENCES, 45), |f| {
        let made = f.at(LICENCES, 45);
        made.leaf = Some(made.leaf());
        made.body["about"] = "another".into();
    }),
    Drill::new("a body that nobody shows", HIDDEN, Entry(LICENCES, 46), |f| f.at(LICENCES, 46).shown = false),
    Drill::new("entries after the register was closed", "register-open", Entry(LICENCES, 296), |f| {
        let made = entry(REGISTERS, (12, 3, "closed"), 300, json!({"reason": "wound up"}));
        f.add(REGISTERS, made);
    }),
    Drill::new("a definition dropped", "definition", Log(PERMITS), |f| drop(f.entries(REGISTERS).remove(3))),
    Drill::new("a redefinition moved to a later time", "type-known", Entry(LICENCES, 250), |f| {
        f.at(REGISTERS, 4).recorded_at = minute(260);
    }),
    Drill::new("a register defined twice", "platform-entry", Entry(REGISTERS, 5), |f| {
        let body = f.at(REGISTERS, 3).body.clone();
        let made = entry(REGISTERS, (99, 1, "defined"), 210, body);
        f.add(REGISTERS, made);
    }),
    Drill::new("a register redefined by the record of another", "platform-entry", Entry(REGISTERS, 4), |f| {
        f.at(REGISTERS, 4).statement.record = record(13);
    }),
    Drill::new("a definition that is none", "platform-entry", Entry(REGISTERS, 3), |f| {
        f.at(REGISTERS, 3).body["definition"] = json!({"slug": PERMITS});
    }),
    Drill::new(
        "a definition by a department that is not the platform",
        "issuer-owns-register",
        Entry(REGISTERS, 3),
        |f| {
            let made = f.at(REGISTERS, 3);
            (made.statement.issuer, made.key) = ("registry".parse().expect("a slug"), FIRST);
        },
    ),
    Drill::new("a definition hidden", "platform-entry", Entry(REGISTERS, 2), |f| {
        f.at(REGISTERS, 2).shown = false;
    }),
    Drill::new("a department established twice", "platform-entry", Entry(DEPARTMENTS, 4), |f| {
        let mut body = f.at(DEPARTMENTS, 1).body.clone();
        body["key"] = json!(key(9).public().jwk());
        let made = entry(DEPARTMENTS, (99, 1, "established"), 160, body);
        f.add(DEPARTMENTS, made);
    }),
    Drill::new("a key enrolled under its own signature", "key-in-force", Entry(DEPARTMENTS, 4), |f| {
        enrol(f, 9);
    }),
    Drill::new(
        "a key enrolled under another department's signature",
        "key-in-force",
        Entry(DEPARTMENTS, 4),
        |f| enrol(f, SECOND),
    ),
    Drill::new("an enrolment back-dated", "recorded-order", Entry(DEPARTMENTS, 2), |f| {
        f.at(DEPARTMENTS, 2).recorded_at = minute(0);
    }),
    Drill::new("an enrolment moved to a later time", "key-in-force", Entry(LICENCES, 116), |f| {
        f.at(DEPARTMENTS, 2).recorded_at = minute(125);
    }),
    Drill::new("a revocation of a key that was not in force", "platform-entry", Entry(DEPARTMENTS, 3), |f| {
        f.at(DEPARTMENTS, 3).body["kid"] = json!(key(9).kid());
    }),
    Drill::new("a revocation back-dated", "key-in-force", Entry(LICENCES, 106), |f| {
        f.at(DEPARTMENTS, 3).recorded_at = minute(110);
    }),
    Drill::new("a key of small order enrolled", "platform-entry", Entry(DEPARTMENTS, 2), |f| {
        f.at(DEPARTMENTS, 2).body["key"]["x"] = format!("AQ{}", "A".repeat(41)).into();
    }),
    Drill::new(
        "a root of trust that is signed with another key than it enrols",
        "key-in-force",
        Entry(DEPARTMENTS, 0),
        |f| f.at(DEPARTMENTS, 0).key = 9,
    ),
    Drill::new(
        "checkpoints signed with another key than the definition names",
        "checkpoint-key",
        Log(PERMITS),
        |f| f.book(PERMITS).keys = vec![9],
    ),
    Drill::new("a register under the name of another installation", "log-name", Log(PERMITS), |f| {
        f.book(PERMITS).log_name = "registers.example.org";
    }),
    Drill::kept("the newest entry dropped", "consistency", Log(LICENCES), |f| {
        drop(f.entries(LICENCES).pop());
    }),
    Drill::kept("every entry dropped", "consistency", Log(LICENCES), |f| f.entries(LICENCES).clear()),
    Drill::kept("the newest entry replaced", "consistency", Log(LICENCES), |f| {
        f.at(LICENCES, 299).body["about"] = "other".into();
    }),
    Drill::kept(
        "an entry of the past replaced, signed by its department",
        "consistency",
        Log(LICENCES),
        |f| f.at(LICENCES, 50).body["about"] = "other".into(),
    ),
    Drill::kept("an entry of the past replaced, and more appended", "consistency", Log(LICENCES), |f| {
        f.at(LICENCES, 50).body["about"] = "other".into();
        let made = entry(LICENCES, (2_000, 1, "issued"), 500, json!({"number": "L-2000"}));
        f.add(LICENCES, made);
    }),
    Drill::kept("an entry back-dated by a second, in order still", "consistency", Log(LICENCES), |f| {
        f.at(LICENCES, 52).recorded_at = f.at(LICENCES, 52).recorded_at.plus_millis(-1_000);
    }),
    Drill::kept("the effect of an entry back-dated by a year", "consistency", Log(LICENCES), |f| {
        f.at(LICENCES, 53).statement.effective_at = minute(-525_600);
    }),
    Drill::kept("a record slipped into the past", "consistency", Log(LICENCES), |f| {
        let made =
            Made { key: FIRST, ..entry(LICENCES, (2_000, 1, "issued"), 59, json!({"number": "L-2000"})) };
        f.entries(LICENCES).insert(55, made);
    }),
    Drill::kept("a record dropped whole", "consistency", Log(LICENCES), |f| {
        f.entries(LICENCES).retain(|made| made.statement.record != record(1_060));
    }),
    Drill::kept("two records in the other order", "consistency", Log(PERMITS), |f| {
        f.entries(PERMITS).swap(0, 1);
    }),
    Drill::kept("a definition's past, signed by the platform", "consistency", Log(REGISTERS), |f| {
        f.at(REGISTERS, 2).body["definition"]["title"]["en"] = "Something else".into();
    }),
    Drill::kept("a revocation that never was", "consistency", Log(DEPARTMENTS), |f| {
        drop(f.entries(DEPARTMENTS).pop());
    }),
    Drill::kept(
        "everything anew under new keys, the root of trust too",
        "key-changed",
        Log(DEPARTMENTS),
        |f| {
            let anew =
                |forge: &mut Forge, register: &str, number: u8| forge.book(register).keys = vec![number];
            for (register, number, index) in
                [(REGISTERS, 21, 0), (DEPARTMENTS, 22, 1), (LICENCES, 23, 2), (PERMITS, 24, 3)]
            {
                anew(f, register, number);
                let vkey = f.vkey(register);
                f.at(REGISTERS, index).body["key"] = vkey.into();
            }
        },
    ),
];

/// The rule that names a body which nobody shows and no order withholds.
const HIDDEN: &str = "body-missing";

#[tokio::test(flavor = "multi_thread")]
async fn each_drill_of_an_operator_with_every_key_is_found() {
    each("operator", DRILLS, &[]).await;
}

/// Runs the drills of a layer on a forged installation; the audit is given more options.
pub async fn each(layer: &str, drills: &[Drill<Deed>], more: &[&str]) {
    let honest = Forge::honest();
    let stage = Stage::open().await;
    stage.show(honest.site());
    let kept = Kept::of(&stage.url).await;
    let mut verdicts = Verdicts::of(layer);
    for drill in drills {
        let mut forge = honest.clone();
        (drill.deed)(&mut forge);
        stage.show(forge.site());
        verdicts.note(drill, drill.judge(&kept.audit(&stage.url, drill.kept, more).await));
        if drill.rule == "consistency" {
            let (code, report) = kept.audit(&stage.url, false, more).await;
            assert_eq!(code, 0, "{}: it should be sound in itself: {report}", drill.what);
        }
    }
    verdicts.conclude();
}
