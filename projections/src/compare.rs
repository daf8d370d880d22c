//! Two builds held against each other, row by row, in snapshots: nobody who writes waits for it.

use std::{cmp::Ordering, fmt};

use eventstore::{
    StoreError,
    sql::{Arg, Col, Row, Tx},
};
use proofs::hash::Hash;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::{ProjectionError, Projector, table::Table};

/// The first row in which two builds differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// The columns of the row's key and what they hold: codes, numbers and records as they are; whatever may say something
    /// about a person as a digest, by which equal values are known for equal and no more.
    pub key: Vec<(&'static str, String)>,
    /// What is the matter with the row.
    pub change: Change,
}

/// What is the matter with a row that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The entries make it, and it is not there.
    Missing,
    /// It is there, and the entries do not make it.
    Extra,
    /// These of its columns are not what the entries make them.
    Columns(Vec<&'static str>),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key: Vec<String> = self.key.iter().map(|(name, value)| format!("{name} {value}")).collect();
        write!(f, "{} ({}): ", self.table, key.join(", "))?;
        match &self.change {
            Change::Missing => f.write_str("the row is missing"),
            Change::Extra => f.write_str("no entry makes this row"),
            Change::Columns(columns) => write!(f, "differs in {}", columns.join(", ")),
        }
    }
}

/// What came of holding two builds against each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Compared {
    /// Digest of the rows that are read.
    pub live: Hash,
    /// Digest of the rows made again.
    pub made: Hash,
    /// The first row in which they differ.
    pub difference: Option<Difference>,
}

/// Compares all tables of two builds, each in its own snapshot, and makes the digest of both.
pub(crate) async fn builds(
    projector: &dyn Projector,
    live: (&mut Tx, i64),
    made: (&mut Tx, i64),
) -> Result<Compared, ProjectionError> {
    let mut difference = None;
    live.0.in_order_of_keys().await?;
    made.0.in_order_of_keys().await?;
    let mut sides = [Side::new(live), Side::new(made)];
    for table in projector.tables() {
        for side in &mut sides {
            side.begin(table);
        }
        let [live, made] = &mut sides;
        while difference.is_none() {
            let pair = (live.row(table).await?, made.row(table).await?);
            let order = match &pair {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(live), Some(made)) => live.key.cmp(&made.key),
            };
            difference = differs(table, order, pair);
        }
        // What comes after the first difference counts for the digests alone.
        // Both go on in turn: a database ends a transaction that is silent for a minute.
        let [live, made] = &mut sides;
        while live.row(table).await?.is_some() | made.row(table).await?.is_some() {}
    }
    let [live, made] = sides.map(|side| Hash(side.hasher.finalize().into()));
    Ok(Compared { live, made, difference })
}

/// The digest of one build.
pub(crate) async fn digest(
    tx: &mut Tx,
    projector: &dyn Projector,
    build: i64,
) -> Result<Hash, ProjectionError> {
    tx.in_order_of_keys().await?;
    let mut side = Side::new((tx, build));
    for table in projector.tables() {
        side.begin(table);
        while side.row(table).await?.is_some() {}
    }
    Ok(Hash(side.hasher.finalize().into()))
}

fn differs(table: &Table, order: Ordering, pair: (Option<Line>, Option<Line>)) -> Option<Difference> {
    let of = |line: &Line, change| Some(Difference { table: table.name, key: line.shown_key(table), change });
    match (order, pair) {
        (Ordering::Less, (Some(live), _)) => of(&live, Change::Extra),
        (Ordering::Greater, (_, Some(made))) => of(&made, Change::Missing),
        (Ordering::Equal, (Some(live), Some(made))) if live.values != made.values => {
            let columns = table.columns.iter().zip(live.values.iter().zip(&made.values));
            let columns = columns.filter(|(_, (live, made))| live != made).map(|((name, _), _)| *name);
            of(&live, Change::Columns(columns.collect()))
        }
        _ => None,
    }
}

/// One build, read in the order of its keys; each row goes into the digest as it is read. Memory is bounded by a page.
struct Side<'a> {
    tx: &'a mut Tx,
    build: i64,
    hasher: Sha256,
    page: std::vec::IntoIter<Row>,
    after: Option<Vec<Arg>>,
    ended: bool,
}

impl<'a> Side<'a> {
    fn new((tx, build): (&'a mut Tx, i64)) -> Self {
        let page = Vec::new().into_iter();
        Self { tx, build, hasher: Sha256::new(), page, after: None, ended: false }
    }

    fn begin(&mut self, table: &Table) {
        self.hasher.update(format!("{}\n", table.name));
        (self.page, self.after, self.ended) = (Vec::new().into_iter(), None, false);
    }

    async fn row(&mut self, table: &Table) -> Result<Option<Line>, ProjectionError> {
        if self.ended {
            return Ok(None);
        }
        if self.page.len() == 0 {
            let sql = table.select_page(self.after.is_some());
            let mut args = vec![self.build.into()];
            args.extend(self.after.take().unwrap_or_default());
            let rows = self.tx.fetch_all(&sql, args).await?;
            if let Some(last) = rows.last() {
                self.after = Some(Line::of(table, last)?.key_args());
            }
            self.page = rows.into_iter();
        }
        let Some(row) = self.page.next() else {
            self.ended = true;
            return Ok(None);
        };
        let line = Line::of(table, &row)?;
        self.hasher.update(line.text(table)?);
        Ok(Some(line))
    }
}

/// A row.
struct Line {
    key: Vec<Cell>,
    values: Vec<Value>,
}

/// A column of a key, in the order of both databases: bytes are compared as bytes, text as its bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cell {
    Int(i64),
    Text(String),
    Blob(Vec<u8>),
}

impl Line {
    fn of(table: &Table, row: &Row) -> Result<Self, ProjectionError> {
        let key = table.columns[..table.key].iter().map(|(name, kind)| {
            Ok(match kind {
                Col::Int => Cell::Int(row.int(name)?),
                Col::Text => Cell::Text(row.text(name)?),
                Col::Blob => Cell::Blob(row.blob(name)?),
            })
        });
        let values = table.columns.iter().map(|(name, kind)| {
            Ok(match kind {
                Col::Int => json!(row.opt_int(name)?),
                Col::Text => json!(row.opt_text(name)?),
                Col::Blob => json!(row.opt_blob(name)?),
            })
        });
        let key = key.collect::<Result<_, StoreError>>()?;
        Ok(Self { key, values: values.collect::<Result<_, StoreError>>()? })
    }

    /// A line of JSON, whose columns stand in the order of the table.
    fn text(&self, table: &Table) -> Result<Vec<u8>, ProjectionError> {
        let line = serde_json::to_vec(&self.values);
        let mut line = line.map_err(|why| StoreError::corrupt(table.name, "*", "", why))?;
        line.push(b'\n');
        Ok(line)
    }

    fn key_args(&self) -> Vec<Arg> {
        let arg = |cell: &Cell| match cell {
            Cell::Int(value) => (*value).into(),
            Cell::Text(value) => value.as_str().into(),
            Cell::Blob(value) => value.as_slice().into(),
        };
        self.key.iter().map(arg).collect()
    }

    fn shown_key(&self, table: &Table) -> Vec<(&'static str, String)> {
        let names = table.columns.iter().map(|(name, _)| *name);
        names.zip(&self.key).map(|(name, cell)| (name, cell.shown(name))).collect()
    }
}

/// Columns whose text is a code of a definition.
const CODES: [&str; 6] = ["register", "counted", "code", "type", "status", "kind"];

impl Cell {
    fn shown(&self, column: &str) -> String {
        let bytes = match self {
            Self::Int(value) => return value.to_string(),
            Self::Text(code) if CODES.contains(&column) => return code.clone(),
            Self::Blob(id) if column == "record" => match Uuid::from_slice(id) {
                Ok(record) => return record.to_string(),
                Err(_) => id.as_slice(),
            },
            Self::Text(text) => text.as_bytes(),
            Self::Blob(blob) => blob.as_slice(),
        };
        let digest = Sha256::digest(bytes);
        let [a, b, c, d] = [digest[0], digest[1], digest[2], digest[3]];
        format!("#{a:02x}{b:02x}{c:02x}{d:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_shown_as_codes_and_never_as_what_may_be_personal() {
        let record = Uuid::from_u128(7);
        assert_eq!(Cell::Blob(record.as_bytes().to_vec()).shown("record"), record.to_string());
        assert_eq!(Cell::Text("permits".to_owned()).shown("register"), "permits");
        assert_eq!(Cell::Int(5).shown("version"), "5");
        for (cell, column) in
            [(Cell::Blob(record.as_bytes().to_vec()), "person"), (Cell::Text("А-1".to_owned()), "number")]
        {
            let shown = cell.shown(column);
            assert!(shown.starts_with('#') && shown.len() == 9, "{shown}");
        }
    }

    #[test]
    fn a_difference_is_told_in_one_line() {
        let key = vec![("record", "r".to_owned()), ("version", "2".to_owned())];
        let of = |change| Difference { table: "history_step", key: key.clone(), change }.to_string();
        assert_eq!(of(Change::Missing), "history_step (record r, version 2): the row is missing");
        assert_eq!(of(Change::Extra), "history_step (record r, version 2): no entry makes this row");
        let columns = Change::Columns(vec!["status", "basis"]);
        assert_eq!(of(columns), "history_step (record r, version 2): differs in status, basis");
    }
}
