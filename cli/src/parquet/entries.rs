//! `entries.parquet`: a row an entry, in the order of the log.

use api::accesses::{self, Endpoint, Looker};
use eventstore::StoredEntry;

use super::file::{Cell, Column, File, Kind};
use super::{Bodies, PAGE, Source, unreadable};
use crate::failure::Failure;

/// The columns.
pub const COLUMNS: &[Column] = &[
    Column::of("register", Kind::Word),
    Column::of("index", Kind::Number),
    Column::of("position", Kind::Number),
    Column::of("record", Kind::Text),
    Column::of("version", Kind::Number),
    Column::of("type", Kind::Word),
    Column::of("effective_at", Kind::Time),
    Column::of("recorded_at", Kind::Time),
    Column::of("issuer", Kind::Word),
    Column::of("kid", Kind::Word),
    Column::of("leaf_hash", Kind::Text),
    // `here`, `withheld` by an order, or `left-out` of this file.
    Column::of("body_is", Kind::Word),
    Column::optional("body", Kind::Text),
];

/// Writes every entry that the head holds.
pub async fn write(source: &Source<'_>, bodies: &Bodies, mut file: File) -> Result<File, Failure> {
    let register = &source.head.register;
    let mut next = 0;
    while next < source.head.size {
        let page = source.registry.store().read_register(register, next, PAGE).await;
        let mut page = page.map_err(|error| unreadable(&error))?;
        page.retain(|entry| entry.index < source.head.size);
        if page.is_empty() {
            return Err(Failure::failed(format!("entry {next} of {register} is missing")));
        }
        disclose(source, bodies, &page).await?;
        for entry in &page {
            row(&mut file, entry, bodies)?;
        }
        next += page.len() as u64;
    }
    Ok(file)
}

/// Records whose bodies are about to be written, where that is to be recorded.
async fn disclose(source: &Source<'_>, bodies: &Bodies, page: &[StoredEntry]) -> Result<(), Failure> {
    let Bodies::For(purpose) = bodies else { return Ok(()) };
    let unwritten = |problem: api::problem::Problem| {
        Failure::failed(format!("the export goes no further: {}", problem.detail()))
    };
    let shown = page.iter().filter(|entry| entry.body.is_some());
    let shown = accesses::of_entries(source.registry.store(), source.knowledge, shown).await;
    let shown = shown.map_err(unwritten)?;
    let told =
        accesses::disclose_in(source.registry, Looker::local(), purpose, Endpoint::Export, &shown).await;
    told.map_err(unwritten)
}

fn row(file: &mut File, entry: &StoredEntry, bodies: &Bodies) -> Result<(), Failure> {
    let statement = entry.statement.statement();
    let body = entry.body.as_deref().map(std::str::from_utf8).transpose();
    let body = body.map_err(|_| {
        Failure::failed(format!("entry {} of {}: the body is not UTF-8", entry.index, entry.register))
    })?;
    let (is, body) = match (bodies, body) {
        (_, None) => ("withheld", Cell::Nothing),
        (Bodies::None, Some(_)) => ("left-out", Cell::Nothing),
        (Bodies::Public | Bodies::For(_), Some(body)) => ("here", Cell::Text(body)),
    };
    file.row(&[
        Cell::Text(entry.register.as_str()),
        Cell::Number(entry.index),
        Cell::Number(entry.position),
        Cell::Text(&statement.record.to_string()),
        Cell::Number(statement.version),
        Cell::Text(statement.entry_type.as_str()),
        Cell::Time(statement.effective_at),
        Cell::Time(entry.recorded_at),
        Cell::Text(statement.issuer.as_str()),
        Cell::Text(entry.statement.kid().as_str()),
        Cell::Text(&entry.leaf().hash().hex()),
        Cell::Text(is),
        body,
    ])
}
