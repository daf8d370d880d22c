//! Writes what each record and each person is found by.

use std::collections::BTreeSet;

use domain::{platform, subject::Subject};
use eventstore::{
    args,
    sql::{self, Col, Dialect, RowSet, probe},
};

use super::{document::Document, text};
use crate::{Batch, ProjectionError, Projector, Write, batch::Life, table::Table};

const RECORDS: Table = Table {
    name: "search_record",
    key: 1,
    columns: &[
        ("record", Col::Blob),
        ("register", Col::Text),
        ("status", Col::Text),
        ("number_key", Col::Text),
        ("opened_position", Col::Int),
        ("words", Col::Text),
        ("extras", Col::Text),
        ("names", Col::Text),
    ],
};

const SUBJECTS: Table =
    Table { name: "search_subject", key: 2, columns: &[("record", Col::Blob), ("subject", Col::Text)] };

const PERSONS: Table =
    Table { name: "search_person", key: 1, columns: &[("person", Col::Text), ("names", Col::Text)] };

/// Registers whose records nobody looks for by words: definitions and rules are read by their names, and the log of
/// accesses is larger than all that it tells of.
const UNINDEXED: [&str; 5] = [
    platform::REGISTERS,
    platform::DEPARTMENTS,
    platform::TRIGGERS,
    platform::ACCESSES,
    platform::INTERVENTIONS,
];

/// The projector of the search.
#[derive(Debug)]
pub struct SearchProjector;

impl Projector for SearchProjector {
    fn name(&self) -> &'static str {
        "search"
    }

    fn version(&self) -> i64 {
        2
    }

    fn tables(&self) -> &'static [Table] {
        &[RECORDS, SUBJECTS, PERSONS]
    }

    fn full_text(&self) -> Option<&'static str> {
        Some("search_index")
    }

    /// Persons and subjects first: a record's row takes the names of those whom it concerns now. Whom it no longer concerns is taken
    /// away before.
    fn writes(&self, dialect: Dialect, batch: &Batch) -> Result<Vec<Write>, ProjectionError> {
        let lives = || batch.lives.iter().filter(|life| !UNINDEXED.contains(&life.register.as_str()));
        let persons = || lives().filter(|life| life.register.as_str() == platform::PERSONS);
        let mut changed = RowSet::new();
        for life in persons() {
            changed.push(args![life.record.to_string()]);
        }
        let mut gone = RowSet::new();
        for life in lives().filter(|life| !life.first().fresh) {
            gone.push(args![life.record]);
        }
        Ok(vec![
            Write::upsert(dialect, &PERSONS, names(persons())),
            Write::delete(dialect, &SUBJECTS, 1, gone),
            Write::statement(name_subjects(dialect), subjects(lives())),
            Write::statement(put_records(dialect), records(lives())),
            Write::statement(rename(dialect), changed),
        ])
    }
}

fn names<'a>(persons: impl Iterator<Item = &'a Life>) -> RowSet {
    let mut rows = RowSet::new();
    for life in persons {
        let document = Document::of_person(&life.last().content);
        rows.push(args![life.record.to_string(), [document.words(), document.extras()].join(" ").trim()]);
    }
    rows
}

fn subjects<'a>(lives: impl Iterator<Item = &'a Life>) -> RowSet {
    let mut rows = RowSet::new();
    for life in lives {
        let subjects: BTreeSet<String> = life.last().after.subjects.iter().filter_map(key).collect();
        for subject in subjects {
            rows.push(args![life.record, subject]);
        }
    }
    rows
}

/// What an account is: a person's record, or an organisation's OGRN, neither of which looks like the other.
fn key(subject: &Subject) -> Option<String> {
    let ogrn = || subject.organisation().and_then(|organisation| organisation.ogrn.clone());
    subject.person().map(|person| person.to_string()).or_else(ogrn)
}

fn records<'a>(lives: impl Iterator<Item = &'a Life>) -> RowSet {
    let mut rows = RowSet::new();
    for life in lives {
        let state = &life.last().after;
        let document = Document::of_content(&life.last().content);
        let number = state.number.as_deref().map(|number| text::join(&text::words(number)));
        rows.push(args![
            life.record,
            life.register.as_str(),
            &state.status,
            number,
            life.first().position,
            document.words(),
            document.extras(),
        ]);
    }
    rows
}

fn name_subjects(dialect: Dialect) -> String {
    let from = sql::rows(dialect, "$2", SUBJECTS.columns);
    format!(
        "INSERT INTO search_subject (build, record, subject) SELECT $1, r.record, r.subject FROM {from} AS r"
    )
}

/// The names of a record's subjects, in an order of their own: which of them was written first leaves no trace.
fn names_of(dialect: Dialect, record: &str) -> String {
    let subjects = probe(dialect, "search_subject", "s", &format!("s.build = $1 AND s.record = {record}"));
    let persons = probe(dialect, "search_person", "p", "p.build = $1 AND p.person = s.subject");
    format!(
        "COALESCE((SELECT string_agg(p.names, ' . ' ORDER BY p.person) FROM (SELECT 1) AS one {subjects} {persons}), '')"
    )
}

fn put_records(dialect: Dialect) -> String {
    let given = &RECORDS.columns[..RECORDS.columns.len() - 1];
    let list =
        |prefix: &str| given.iter().map(|(name, _)| format!("{prefix}{name}")).collect::<Vec<_>>().join(", ");
    let set: Vec<String> =
        RECORDS.columns[1..].iter().map(|(name, _)| format!("{name} = excluded.{name}")).collect();
    format!(
        "INSERT INTO search_record (build, {}, names) SELECT $1, {}, {} FROM {} AS r WHERE true \
         ON CONFLICT (build, record) DO UPDATE SET {}",
        list(""),
        list("r."),
        names_of(dialect, "r.record"),
        sql::rows(dialect, "$2", given),
        set.join(", "),
    )
}

/// Persons in `$2` may be called otherwise now: so are the records that concern them.
fn rename(dialect: Dialect) -> String {
    let persons = sql::rows(dialect, "$2", &[("person", Col::Text)]);
    let names = names_of(dialect, "search_record.record");
    let subjects = probe(dialect, "search_subject", "s", "s.build = $1 AND s.subject = r.person");
    format!(
        "UPDATE search_record SET names = {names} WHERE (build, record) IN \
         (SELECT s.build, s.record FROM {persons} AS r {subjects}) AND names <> {names}"
    )
}
