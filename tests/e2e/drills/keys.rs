//! Drills on the history of keys, by an operator who holds every key and seals each lie anew.

use serde_json::json;

use super::Drill;
use super::Place::{Entry, Log};
use super::forge::{DEPARTMENTS, FIRST, Forge, LICENCES, PERMITS, REGISTERS, SECOND, entry, key, minute};
use super::operator::{Deed, each};

/// The first checkpoint key of the licences, and the one that comes after it.
const OLD: u8 = 13;
const NEW: u8 = 15;

/// The licences get a new key, and both sign.
pub fn overlap(f: &mut Forge) {
    f.key_entry("key-added", NEW, 420);
    f.book(LICENCES).keys = vec![NEW, OLD];
}

/// The old key is retired.
pub fn rotated(f: &mut Forge) {
    overlap(f);
    f.key_entry("key-retired", OLD, 430);
    f.book(LICENCES).keys = vec![NEW];
}

/// The registry's first key was stolen at minute 60.
pub fn stolen(f: &mut Forge) {
    f.stolen(FIRST, 60, 160);
}

pub const DRILLS: &[Drill<Deed>] = &[
    Drill::new("a checkpoint signed with a retired key alone", "checkpoint-key", Log(LICENCES), |f| {
        rotated(f);
        f.book(LICENCES).keys = vec![OLD];
    }),
    Drill::new("a checkpoint signed with a stolen key alone", "checkpoint-key", Log(LICENCES), |f| {
        overlap(f);
        f.key_entry("key-compromised", OLD, 430);
        f.book(LICENCES).keys = vec![OLD];
    }),
    Drill::new(
        "a checkpoint of whose two signatures one is false",
        "checkpoint-signature",
        Log(LICENCES),
        |f| {
            overlap(f);
            f.book(LICENCES).note = |note| {
                // The same line twice, the second time with the signature of the first line.
                let (text, lines) = note.split_once("\n\n").expect("a note");
                let lines: Vec<&str> = lines.lines().collect();
                let cut = lines[1].len() - 30;
                format!("{text}\n\n{}\n{}{}\n", lines[0], &lines[1][..cut], &lines[0][lines[0].len() - 30..])
            };
        },
    ),
    Drill::new(
        "a key added under the name of another register",
        "platform-entry",
        Entry(REGISTERS, 5),
        |f| {
            let vkey = f.vkey(PERMITS);
            f.key_entry("key-added", NEW, 420).body["key"] = vkey.into();
        },
    ),
    Drill::new("a key added that is none", "platform-entry", Entry(REGISTERS, 5), |f| {
        f.key_entry("key-added", NEW, 420).body["key"] = "a key".into();
    }),
    Drill::new("a key added that was there before", "platform-entry", Entry(REGISTERS, 5), |f| {
        f.key_entry("key-added", OLD, 420);
    }),
    Drill::new("a retired key that comes back", "platform-entry", Entry(REGISTERS, 7), |f| {
        rotated(f);
        f.key_entry("key-added", OLD, 440);
    }),
    Drill::new("the last key of a register retired", "platform-entry", Entry(REGISTERS, 5), |f| {
        f.key_entry("key-retired", OLD, 420);
    }),
    Drill::new("a key retired that never was", "platform-entry", Entry(REGISTERS, 5), |f| {
        f.key_entry("key-retired", NEW, 420);
    }),
    Drill::new("a key stolen since a time to come", "platform-entry", Entry(REGISTERS, 6), |f| {
        overlap(f);
        f.key_entry("key-compromised", OLD, 430).body["since"] = json!(minute(440).to_string());
    }),
    Drill::new("a key added under the signature of a department", "key-in-force", Entry(REGISTERS, 5), |f| {
        f.key_entry("key-added", NEW, 420).key = SECOND;
    }),
    Drill::new("a key added by a department", "issuer-owns-register", Entry(REGISTERS, 5), |f| {
        let made = f.key_entry("key-added", NEW, 420);
        (made.statement.issuer, made.key) = ("registry".parse().expect("a slug"), SECOND);
    }),
    Drill::new("a key added before the entry that precedes it", "recorded-order", Entry(REGISTERS, 5), |f| {
        f.key_entry("key-added", NEW, 420).recorded_at = minute(100);
    }),
    Drill::new(
        "a statement signed with a key that was declared stolen before",
        "key-in-force",
        Entry(LICENCES, 200),
        |f| {
            f.entries(DEPARTMENTS).truncate(3);
            f.stolen(FIRST, 140, 150);
            f.at(LICENCES, 200).key = FIRST;
        },
    ),
    Drill::new(
        "a revoked key of a department that comes back",
        "platform-entry",
        Entry(DEPARTMENTS, 4),
        |f| {
            let body = json!({"key": key(FIRST).public().jwk()});
            f.add(DEPARTMENTS, entry(DEPARTMENTS, (2, 4, "key-enrolled"), 160, body));
        },
    ),
    Drill::new(
        "a department's key stolen since a time to come",
        "platform-entry",
        Entry(DEPARTMENTS, 4),
        |f| {
            f.stolen(FIRST, 170, 160);
        },
    ),
    Drill::new("a department's key stolen that never was", "platform-entry", Entry(DEPARTMENTS, 4), |f| {
        f.stolen(9, 60, 160);
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_drill_on_keys_is_found() {
    each("keys", DRILLS, &[]).await;
}
