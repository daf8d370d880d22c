//! Writes the last state of each offer.

use eventstore::{
    args,
    sql::{Col, Dialect, RowSet},
};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{Batch, ProjectionError, Projector, Write, batch::Life, common::plain, table::Table};

pub(super) const OFFERS: Table = Table {
    name: "offer_record",
    key: 1,
    columns: &[
        ("record", Col::Blob),
        ("person", Col::Blob),
        ("rule", Col::Blob),
        ("rule_slug", Col::Text),
        ("rule_version", Col::Int),
        ("kind", Col::Text),
        ("department", Col::Text),
        ("effect", Col::Text),
        ("title_ru", Col::Text),
        ("title_en", Col::Text),
        ("status", Col::Text),
        ("cause_kind", Col::Text),
        ("cause_register", Col::Text),
        ("cause_record", Col::Blob),
        ("cause_version", Col::Int),
        ("expires_on", Col::Text),
        ("version", Col::Int),
        ("opened_position", Col::Int),
        ("opened_at", Col::Int),
        ("changed_position", Col::Int),
        ("changed_type", Col::Text),
        ("changed_at", Col::Int),
    ],
};

const OFFERS_REGISTER: &str = domain::platform::OFFERS;

/// The projector of offers.
#[derive(Debug)]
pub struct OffersProjector;

impl Projector for OffersProjector {
    fn name(&self) -> &'static str {
        "offers"
    }

    fn version(&self) -> i64 {
        1
    }

    fn tables(&self) -> &'static [Table] {
        &[OFFERS]
    }

    fn writes(&self, dialect: Dialect, batch: &Batch) -> Result<Vec<Write>, ProjectionError> {
        let mut rows = RowSet::new();
        for life in batch.lives.iter().filter(|life| life.register == *OFFERS_REGISTER) {
            // An offer whose body is withheld says nothing that could be listed.
            let _ = row(&mut rows, life);
        }
        Ok(vec![Write::forget(dialect, &OFFERS, batch.rewritten()), Write::upsert(dialect, &OFFERS, rows)])
    }
}

fn row(rows: &mut RowSet, life: &Life) -> Option<()> {
    let (first, last) = (life.first(), life.last());
    let content = &last.content.members;
    let person = last.after.subjects.iter().find_map(domain::subject::Subject::person)?;
    let rule = content.get("rule")?.as_object()?;
    let cause = content.get("cause")?.as_object()?;
    rows.push(args![
        life.record,
        person,
        id(rule, "record")?,
        text(rule, "slug")?,
        rule.get("version")?.as_u64()?,
        text(content, "kind")?,
        text(content, "department")?,
        text(content.get("effect")?.as_object()?, "kind")?,
        text(content.get("title")?.as_object()?, "ru")?,
        text(content.get("title")?.as_object()?, "en")?,
        &last.after.status,
        text(cause, "kind")?,
        text(cause, "register")?,
        id(cause, "record")?,
        cause.get("version")?.as_u64()?,
        content.get("expires_on").and_then(Value::as_str).map(plain),
        last.version,
        first.position,
        first.recorded_at,
        last.position,
        last.entry_type.as_str(),
        last.recorded_at,
    ]);
    Some(())
}

fn text(members: &Map<String, Value>, name: &str) -> Option<String> {
    members.get(name)?.as_str().map(plain)
}

fn id(members: &Map<String, Value>, name: &str) -> Option<Uuid> {
    members.get(name)?.as_str()?.parse().ok()
}
