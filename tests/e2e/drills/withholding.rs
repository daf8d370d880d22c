//! Drills on bodies that are withheld, or only said to be.

use serde_json::json;

use super::Drill;
use super::Place::Entry;
use super::forge::{DEPARTMENTS, FIRST, Forge, LICENCES, Made, PLATFORM, entry, minute};
use super::operator::{Deed, each};

/// An order on the record that the entry 1 began: index 300 withholds the body of version 1.
fn order(versions: &[u64]) -> Made {
    let order = json!({"authority": "a court", "number": "2-17/2026", "date": "2026-01-01"});
    let body = json!({"order": order, "versions": versions, "reason": "a drill"});
    entry(LICENCES, (1_001, 2, "withheld"), 405, body)
}

/// A body lawfully withheld.
pub fn withheld(f: &mut Forge) {
    f.add(LICENCES, order(&[1]));
    f.at(LICENCES, 1).shown = false;
}

pub const DRILLS: &[Drill<Deed>] = &[
    Drill::new("a body gone that no order names", "body-missing", Entry(LICENCES, 46), |f| {
        withheld(f);
        f.at(LICENCES, 46).shown = false;
    }),
    Drill::new("a body served that an order names", "withheld-served", Entry(LICENCES, 1), |f| {
        withheld(f);
        f.at(LICENCES, 1).shown = true;
    }),
    Drill::new(
        "an order on another record than the body that is gone",
        "body-missing",
        Entry(LICENCES, 4),
        |f| {
            withheld(f);
            f.at(LICENCES, 4).shown = false;
        },
    ),
    Drill::new(
        "an order on another version than the body that is gone",
        "body-missing",
        Entry(LICENCES, 2),
        |f| {
            let mut made = order(&[1]);
            (made.statement.record, made.statement.version) = (super::forge::record(1_000), 3);
            f.add(LICENCES, made);
            f.at(LICENCES, 0).shown = false;
            f.at(LICENCES, 2).shown = false;
        },
    ),
    Drill::new("an order that names itself", "order", Entry(LICENCES, 300), |f| f.add(LICENCES, order(&[2]))),
    Drill::new("an order that names an order", "order", Entry(LICENCES, 301), |f| {
        withheld(f);
        let mut made = order(&[2]);
        (made.statement.version, made.recorded_at) = (3, minute(406));
        f.add(LICENCES, made);
    }),
    Drill::new("an order whose own body is gone", "body-missing", Entry(LICENCES, 300), |f| {
        withheld(f);
        f.at(LICENCES, 300).shown = false;
    }),
    Drill::new("an order that is shown otherwise than it was signed", "digest", Entry(LICENCES, 300), |f| {
        withheld(f);
        let made = f.at(LICENCES, 300);
        made.leaf = Some(made.leaf());
        made.body["order"]["number"] = "3-18/2026".into();
    }),
    Drill::new(
        "an order of a department that does not own the register",
        "issuer-owns-register",
        Entry(LICENCES, 300),
        |f| {
            withheld(f);
            let made = f.at(LICENCES, 300);
            (made.statement.issuer, made.key) = ("platform".parse().expect("a slug"), PLATFORM);
        },
    ),
    Drill::new("an order signed with a revoked key", "key-in-force", Entry(LICENCES, 300), |f| {
        withheld(f);
        f.at(LICENCES, 300).key = FIRST;
    }),
    Drill::new(
        "an order back-dated to before the entry that precedes it",
        "recorded-order",
        Entry(LICENCES, 300),
        |f| {
            withheld(f);
            f.at(LICENCES, 300).recorded_at = minute(200);
        },
    ),
    Drill::new("an order on a department's keys", "type-known", Entry(DEPARTMENTS, 4), |f| {
        let body = order(&[1]).body;
        f.add(DEPARTMENTS, entry(DEPARTMENTS, (2, 4, "withheld"), 160, body));
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_drill_on_withholding_is_found() {
    each("withholding", DRILLS, &[]).await;
}
