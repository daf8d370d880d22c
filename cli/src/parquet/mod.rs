//! A register as two Parquet files, for analysts: [`entries`], a row an entry, and [`statuses`], a row for each period in
//! which a record had a status.
//!
//! The rows, and so the bytes, follow from the register up to one checkpoint (which both files name), from what of its bodies
//! is withheld and from whether bodies are written. Memory is bounded, whatever the register's size.

mod entries;
mod file;
mod statuses;

use std::path::Path;

use api::accesses::Purpose;
use api::registry::{Knowledge, Registry};
use eventstore::LogHead;
use proofs::slug::Slug;

use crate::failure::Failure;
use crate::wire;
use file::File;

/// Entries read at a time: at most 256 MiB, should every body be as long as may be.
const PAGE: u32 = 256;

/// What becomes of bodies.
pub enum Bodies {
    /// They are left out.
    None,
    /// They are written; the register is public.
    Public,
    /// They are written, for this purpose: whom they concern will see it.
    For(Purpose),
}

/// What was written.
pub struct Exported {
    /// The head of the log that the files end with.
    pub head: LogHead,
    /// Rows of `entries.parquet` and of `statuses.parquet`.
    pub rows: [u64; 2],
}

/// What both files are made of.
struct Source<'a> {
    registry: &'a Registry,
    knowledge: &'a Knowledge,
    head: &'a LogHead,
}

/// Writes `entries.parquet` and `statuses.parquet` of a register into a directory, which is made where it is missing.
pub async fn export(
    registry: &Registry,
    register: &Slug,
    bodies: &Bodies,
    directory: &Path,
) -> Result<Exported, Failure> {
    let head = registry.store().log(register).await.map_err(|error| unreadable(&error))?;
    let head = head.ok_or_else(|| Failure::usage(format!("there is no register {register}")))?;
    // After the head: every definition that rules an entry before it is known.
    let knowledge = registry.refresh().await.map_err(|error| unreadable(&error))?;
    wire::make_private(directory)?;
    let source = Source { registry, knowledge: &knowledge, head: &head };
    let written = [
        entries::write(&source, bodies, open(directory, "entries", entries::COLUMNS, &head)?).await?,
        statuses::write(&source, open(directory, "statuses", statuses::COLUMNS, &head)?).await?,
    ];
    // Both under their names only when both are whole.
    let [entries, statuses] = written;
    let rows = [entries.finish()?, statuses.finish()?];
    Ok(Exported { head, rows })
}

fn open(
    directory: &Path,
    name: &str,
    columns: &'static [file::Column],
    head: &LogHead,
) -> Result<File, Failure> {
    let said = [
        ("reestr.register", head.register.to_string()),
        ("reestr.size", head.size.to_string()),
        ("reestr.root", head.root.to_string()),
        ("reestr.checkpoint", head.checkpoint.clone()),
    ];
    File::create(&directory.join(format!("{name}.parquet")), name, columns, &said)
}

fn unreadable(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::because("the register could not be read", error)
}
