//! `statuses.parquet`: a row for each period of a record's status, by both times; records in the order of their first entries.

use api::registry::view;
use domain::periods::periods;
use eventstore::StoredEntry;
use uuid::Uuid;

use super::file::{Cell, Column, File, Kind};
use super::{PAGE, Source, unreadable};
use crate::failure::Failure;

/// The columns.
pub const COLUMNS: &[Column] = &[
    Column::of("register", Kind::Word),
    Column::of("record", Kind::Text),
    Column::of("status", Kind::Word),
    Column::of("effective_from", Kind::Time),
    Column::optional("effective_until", Kind::Time),
    Column::of("recorded_from", Kind::Time),
    Column::optional("recorded_until", Kind::Time),
];

/// Writes the periods of every record that the head holds.
pub async fn write(source: &Source<'_>, mut file: File) -> Result<File, Failure> {
    let store = source.registry.store();
    let head = source.head;
    let Some(last) = head.size.checked_sub(1) else { return Ok(file) };
    let last = store.entry(&head.register, last).await.map_err(|error| unreadable(&error))?;
    let last = last.ok_or_else(|| Failure::failed("the last entry of the register is missing"))?.position;
    let mut next = 0;
    while next < head.size {
        let page = store.read_register(&head.register, next, PAGE).await;
        let page = page.map_err(|error| unreadable(&error))?;
        let opened = page.iter().filter(|entry| entry.version() == 1 && entry.index < head.size);
        let opened: Vec<Uuid> = opened.map(StoredEntry::record).collect();
        let entries = store.read_records_until(&opened, last).await.map_err(|error| unreadable(&error))?;
        let mut lives: Vec<&[StoredEntry]> =
            entries.chunk_by(|one, other| one.record() == other.record()).collect();
        lives.sort_by_key(|life| life.first().map(|entry| entry.index));
        for life in lives {
            rows(source, life, &mut file)?;
        }
        if page.is_empty() {
            return Err(Failure::failed(format!("entry {next} of {} is missing", head.register)));
        }
        next += page.len() as u64;
    }
    Ok(file)
}

fn rows(source: &Source<'_>, life: &[StoredEntry], file: &mut File) -> Result<(), Failure> {
    let Some(first) = life.first() else { return Ok(()) };
    let record = first.record().to_string();
    // A status follows from the types of entries alone.
    let periods = periods(life.iter().map(|entry| view(entry, None)), &source.knowledge.definitions);
    let periods = periods.map_err(|error| Failure::because(&format!("the record {record}"), &error))?;
    for period in periods {
        file.row(&[
            Cell::Text(first.register.as_str()),
            Cell::Text(&record),
            Cell::Text(&period.status),
            Cell::Time(period.effective_from),
            Cell::time(period.effective_until),
            Cell::Time(period.recorded_from),
            Cell::time(period.recorded_until),
        ])?;
    }
    Ok(())
}
